package compose_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// endpoint makes an endpoint that hears of these areas and has proved itself.
func (w *world) endpoint(format alerts.HookFormat, areas ...alerts.Area) alerts.Endpoint {
	w.Helper()
	n, err := alerts.NewEndpoint{Name: "the society", Format: format}.Check("https://hooks.example.org/planning", alerts.URLPolicy{}, w.keys)
	if err != nil {
		w.Fatal(err)
	}
	e, err := w.CreateEndpoint(w.Context(), n, w.keys.SealSecret(alerts.NewHookSecret()), w.now, w.stage().Ping)
	if err != nil {
		w.Fatal(err)
	}
	for _, a := range areas {
		if _, err := w.AddEndpointArea(w.Context(), e.ID, a, alerts.Filter{}, w.now); err != nil {
			w.Fatal(err)
		}
	}
	w.switchOn(e)
	return e
}

func (w *world) switchOn(e alerts.Endpoint) {
	w.exec(`UPDATE endpoint SET state = 'active', verified_at = 1 WHERE id = $1`, e.ID)
}

// A hook is a webhook as its receiver reads it.
type hook struct {
	Type      string
	Timestamp time.Time
	Data      struct {
		SchemaVersion   int `json:"schema_version"`
		Sequence, Event int64
		Test            bool
		InArea          bool `json:"in_area"`
		Subscriptions   []int64
		Application     alerts.CaseJSON
		Changes         []struct{ Field, From, To string }
		ChangesOmitted  int `json:"changes_omitted"`
	}
	id, body string
}

// hooks returns all webhooks of an endpoint but its pings, in order.
func (w *world) hooks(e alerts.Endpoint) (hooks []hook) {
	w.Helper()
	rows, err := w.db.Query(`SELECT message_id, text FROM delivery WHERE recipient_id = $1 AND subject <> 'endpoint.ping' ORDER BY id`, e.ID)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var h hook
		if err := rows.Scan(&h.id, &h.body); err != nil {
			w.Fatal(err)
		}
		if err := json.Unmarshal([]byte(h.body), &h); err != nil {
			w.Fatalf("%v: %s", err, h.body)
		}
		hooks = append(hooks, h)
	}
	return hooks
}

// heard lists webhooks as "sequence type reference".
func heard(hooks []hook) string {
	var out []string
	for _, h := range hooks {
		out = append(out, fmt.Sprintf("%d %s %s", h.Data.Sequence, strings.TrimPrefix(h.Type, "application."), h.Data.Application.Reference))
	}
	return strings.Join(out, ", ")
}

func TestAnEndpointGetsOneNumberedWebhookForEachEvent(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"), circle(office, 500, "the office"))
		w.happen(alerts.EventReceived, "1", at(home)) // in both areas
		w.happen(alerts.EventReceived, "elsewhere", at(far))
		w.happen(alerts.EventReceived, "2", at(office))
		w.happen(alerts.EventDecided, "1", decided(home))
		w.composed(3)
		w.composed(0)
		hooks := w.hooks(e)
		if got, want := heard(hooks), "1 received 1, 2 received 2, 3 decided 1"; got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
		if n := len(hooks[0].Data.Subscriptions); n != 2 {
			t.Errorf("%d subscriptions are named, want both", n)
		}
		last := hooks[2]
		if want := alerts.HookID(e.ID, last.Data.Event, last.Timestamp.UnixMilli()); last.id != want {
			t.Errorf("the id is %s, want %s", last.id, want)
		}
		if c := last.Data.Changes; !slices.ContainsFunc(c, func(c struct{ Field, From, To string }) bool { return c.Field == "decision" && c.To == "approved" }) {
			t.Errorf("the decision is not among the changes: %v", c)
		}
		if n := w.count(`SELECT count(*) FROM match WHERE delivery_id IS NULL`); n != 0 {
			t.Errorf("%d matches are still owed", n)
		}
		w.happen(alerts.EventReceived, "3", at(home))
		w.composed(1)
		if got := w.hooks(e)[3]; got.Data.Sequence != 4 {
			t.Errorf("the numbers go on with %d, want 4", got.Data.Sequence)
		}
	})
}

func TestWhatHappensWhileAnEndpointIsPausedWaits(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"))
		if err := w.PauseEndpoint(w.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
		w.happen(alerts.EventReceived, "1", at(home))
		w.composed(0)
		if err := w.ResumeEndpoint(w.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
		w.composed(1)
		if got := heard(w.hooks(e)); got != "1 received 1" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestACaseThatLeavesTheAreaOrIsTakenDownIsToldAsSuch(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"))
		w.happen(alerts.EventReceived, "1", at(home))
		w.happen(alerts.EventReceived, "2", at(home))
		w.composed(2)
		w.happen(alerts.EventLocated, "1", at(far))
		w.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, w.register.ID("camden", "2"))
		w.happen(alerts.EventRemoved, "2", at(home))
		w.composed(2)
		hooks := w.hooks(e)
		if hooks[2].Data.InArea || !hooks[0].Data.InArea {
			t.Error("a case that has left the area is said to be in it, or the other way about")
		}
		removed := hooks[3]
		if removed.Type != "application.removed" || strings.Contains(removed.body, "Lamplighter") || removed.Data.Application.Reference != "2" {
			t.Errorf("a tombstone says more than which case it is: %s", removed.body)
		}
	})
}

func TestALongListIsComposedInTurnsWithoutAGap(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"), circle(office, 500, "the office"))
		const n = 250 // 500 matches: more than one transaction takes
		for i := range n {
			w.register.Happen(w, w.now, occurrence(fmt.Sprint(i), at(home)))
		}
		w.match()
		w.composed(n)
		for i, h := range w.hooks(e) {
			if h.Data.Sequence != int64(i+1) || len(h.Data.Subscriptions) != 2 {
				t.Fatalf("webhook %d has the number %d and %d subscriptions", i, h.Data.Sequence, len(h.Data.Subscriptions))
			}
		}
	})
}

func TestAPayloadStaysSmallWhateverTheFeedSays(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"))
		d := at(home)
		w.happen(alerts.EventReceived, "1", d)
		d.Description, d.Address = strings.Repeat("<&🏚 ", 20_000), strings.Repeat("<", 5_000)
		d.URL = "https://council.example/" + strings.Repeat("%3C", 600)
		w.happen(alerts.EventAmended, "1", d)
		w.composed(2)
		h := w.hooks(e)[1]
		if len(h.body) > alerts.MaxHookBody || !h.Data.Application.DescriptionTruncated {
			t.Errorf("%d bytes, truncated %v", len(h.body), h.Data.Application.DescriptionTruncated)
		}
	})
}

func occurrence(reference string, d alerts.Details) storetest.Occurrence {
	return storetest.Occurrence{Authority: "camden", Reference: reference, Type: alerts.EventReceived, Details: d}
}
