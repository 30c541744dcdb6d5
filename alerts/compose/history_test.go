package compose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// Whatever happens in whatever order, in the end each match is in exactly one
// delivery that was sent, or was closed for a reason that holds; nobody is told of
// an event twice; no mail is empty.
func TestAnyHistoryTellsEverythingOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		storetest.Histories(t, 40)
		rapid.Check(t, func(rt *rapid.T) {
			w.now = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
			w.reset()
			h := &history{world: w, rt: rt}
			for i := range rapid.IntRange(1, 4).Draw(rt, "people") {
				for _, p := range rapid.Permutation([]geo.Point{home, office, far}).Draw(rt, "places")[:rapid.IntRange(1, 2).Draw(rt, "areas")] {
					h.subs = append(h.subs, w.subscribe(fmt.Sprintf("resident%d", i), circle(p, 500, "home"), h.cadence()))
				}
			}
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				h.step()
				h.check()
			}
			h.drain()
			h.check()
			if n := w.count(`SELECT count(*) FROM match WHERE delivery_id IS NULL AND closed IS NULL`); n != 0 {
				rt.Fatalf("%d matches are owed in the end", n)
			}
		})
	})
}

// A history is one random course of things.
type history struct {
	*world
	rt   *rapid.T
	subs []alerts.Subscription
}

func (h *history) place() geo.Point {
	return rapid.SampledFrom([]geo.Point{home, office, far}).Draw(h.rt, "place")
}

func (h *history) cadence() alerts.Cadence {
	return rapid.SampledFrom([]alerts.Cadence{alerts.Immediate, alerts.Daily, alerts.Weekly}).Draw(h.rt, "cadence")
}

func (h *history) sub() alerts.Subscription {
	return rapid.SampledFrom(h.subs).Draw(h.rt, "subscription")
}

func (h *history) step() {
	switch rapid.SampledFrom([]string{"publish", "publish", "publish", "match", "compose", "compose", "deliver", "deliver", "wait", "wait", "edit", "pause", "resume", "stop", "undo", "hide"}).Draw(h.rt, "step") {
	case "publish":
		var list []storetest.Occurrence
		for i := range rapid.IntRange(1, 3).Draw(h.rt, "events") {
			o := storetest.Occurrence{Authority: "camden", Reference: fmt.Sprint(3*rapid.IntRange(0, 2).Draw(h.rt, "reference") + i), Type: alerts.EventReceived, Details: at(h.place())}
			if rapid.Bool().Draw(h.rt, "closes") {
				o.Details.CommentsUntil = alerts.DateOf(h.now).AddDays(rapid.IntRange(-1, 9).Draw(h.rt, "in"))
			}
			if h.register.ID("camden", o.Reference) != 0 {
				o.Type = rapid.SampledFrom([]alerts.EventType{alerts.EventAmended, alerts.EventDecided, alerts.EventLocated, alerts.EventCorrected}).Draw(h.rt, "type")
			}
			list = append(list, o)
		}
		h.register.Happen(h, h.now, list...)
	case "match":
		h.match()
	case "compose":
		h.compose()
	case "deliver":
		h.deliver()
	case "wait":
		h.wait(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour, 8 * 24 * time.Hour}).Draw(h.rt, "how long"))
	case "edit":
		if sub := h.sub(); h.state(sub) == alerts.SubscriptionActive {
			h.edit(sub, rapid.SampledFrom([]float64{100, 500, 1000}).Draw(h.rt, "radius"), h.cadence())
		}
	case "pause":
		if sub := h.sub(); h.state(sub) == alerts.SubscriptionActive {
			h.must(h.Pause(h.Context(), sub.RecipientID, sub.ID, alerts.Forever, h.now))
		}
	case "resume":
		sub := h.sub()
		h.must(h.Resume(h.Context(), sub.RecipientID, sub.ID, h.now))
	case "stop":
		_, err := h.End(h.Context(), h.sub().ID, "/stop", h.now)
		h.must(err)
	case "undo":
		sub := h.sub()
		_, err := h.Undo(h.Context(), sub.RecipientID, sub.ID, nil, h.now)
		h.must(err)
	case "hide":
		if ids := h.register.IDs(); len(ids) > 0 {
			h.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, rapid.SampledFrom(ids).Draw(h.rt, "case"))
		}
	}
}

func (h *history) must(err error) {
	h.Helper()
	if err != nil {
		h.rt.Fatal(err)
	}
}

func (h *history) state(sub alerts.Subscription) alerts.SubscriptionState {
	s, err := h.Subscription(h.Context(), sub.ID)
	h.must(err)
	return s.State
}

// deliver sends some of what is due, and lets some of it fail.
func (h *history) deliver() {
	claimed, err := h.ClaimDeliveries(h.Context(), "test", rapid.IntRange(1, 3).Draw(h.rt, "how many"), h.now, time.Minute)
	h.must(err)
	for _, d := range claimed {
		a := alerts.Attempt{Delivery: d, At: h.now.UnixMilli(), Then: rapid.SampledFrom([]alerts.DeliveryState{alerts.DeliverySent, alerts.DeliverySent, alerts.DeliveryGivenUp}).Draw(h.rt, "outcome")}
		if a.Then == alerts.DeliveryGivenUp {
			a.Outcome.Class = alerts.Permanent
		}
		h.must(h.RecordAttempts(h.Context(), "test", []alerts.Attempt{a}, h.now))
	}
}

// drain lets everything come to an end.
func (h *history) drain() {
	h.match()
	for _, sub := range h.subs {
		h.must(h.Resume(h.Context(), sub.RecipientID, sub.ID, h.now))
	}
	for range 20 {
		h.compose()
		h.send()
		h.wait(24 * time.Hour)
	}
}

// check looks at the ledger as it is.
func (h *history) check() {
	for what, query := range map[string]string{
		"events told twice to one person": `SELECT count(*) FROM (SELECT m.recipient_id, m.seq FROM match m JOIN delivery d ON d.id = m.delivery_id WHERE d.state IN ('sent', 'queued')
			GROUP BY m.recipient_id, m.seq HAVING count(DISTINCT d.id) > 1) x`,
		"matches in a delivery that is over unsent": `SELECT count(*) FROM match m JOIN delivery d ON d.id = m.delivery_id WHERE d.state IN ('given_up', 'cancelled')`,
		"matches told and closed":                   `SELECT count(*) FROM match WHERE delivery_id IS NOT NULL AND closed IS NOT NULL`,
		"alerts without a match":                    `SELECT count(*) FROM delivery d WHERE kind = 'alert' AND state IN ('sent', 'queued') AND NOT EXISTS (SELECT 1 FROM match m WHERE m.delivery_id = d.id)`,
		"deliveries of somebody else's match":       `SELECT count(*) FROM match m JOIN delivery d ON d.id = m.delivery_id WHERE d.recipient_id <> m.recipient_id`,
	} {
		if n := h.count(query); n != 0 {
			h.rt.Fatalf("%d %s", n, what)
		}
	}
	rows, err := h.db.Query(`SELECT DISTINCT closed FROM match WHERE closed IS NOT NULL`)
	h.must(err)
	defer rows.Close()
	for rows.Next() {
		var why string
		h.must(rows.Scan(&why))
		if !slices.Contains([]string{alerts.ClosedByEnd, "the case was taken down", "no longer wanted, since the subscription was changed", "it corrects what had not been told",
			"the case was corrected before it was told", "the recipient has ended"}, why) && !strings.Contains(why, "could not be delivered") {
			h.rt.Fatalf("a match was closed because %q", why)
		}
	}
}
