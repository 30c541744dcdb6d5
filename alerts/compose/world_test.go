package compose_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/compose"
	"github.com/sitenotice/sitenotice/alerts/match"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// A world is a database with a small borough, its residents and a clock. Events
// come from its register; people, matching and mail go through the real store.
type world struct {
	testing.TB
	*store.Store
	db       *sql.DB
	register *storetest.Register
	keys     alerts.Keys
	now      time.Time
	told     map[int64][]string // by recipient, "type reference" of what sent mail told, in order
}

// eachWorld runs a test on every engine, at 10:00 on a Monday in May.
func eachWorld(t *testing.T, test func(t *testing.T, w *world)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(t, newWorld(t, e)) })
	}
}

func newWorld(t testing.TB, e storetest.Engine) *world {
	s, err := store.Open(t.Context(), e.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, Store: s, db: e.DB(t), keys: testKeys(t), now: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)}
	w.reset()
	return w
}

// reset empties the tables that a world uses.
func (w *world) reset() {
	for _, table := range []string{"match", "subscription_scope", "subscription_version", "subscription", "consent", "token", "due", "due_mark", "attempt", "delivery",
		"allowance", "place_check", "place_report", "record", "act", "reminder", "outage_told", "outage", "tick", "run", "role", "endpoint_secret", "endpoint", "recipient", "event", "alias", "application", "feed_fault", "feed_authority", "feed", "authority", "notice", "coverage_wish"} {
		w.exec("DELETE FROM " + table)
	}
	w.exec(`UPDATE counter SET value = 0 WHERE name = 'event'`)
	w.exec(`UPDATE watermark SET position = 0, claimed = 0, claim_no = 0, lease_until = 0 WHERE name = 'match'`)
	w.exec(`INSERT INTO authority (slug, name, district) VALUES ('camden', 'London Borough of Camden', 'E09000007')`)
	w.exec(`INSERT INTO feed (slug, authority, declaration, last_complete) VALUES ('camden', 'camden', '', $1)`, w.now.Add(-3*time.Hour).UnixMilli())
	w.exec(`INSERT INTO feed_authority (feed_id, authority) SELECT id, authority FROM feed`)
	w.register, w.told = storetest.NewRegister(w.db), map[int64][]string{}
}

func testKeys(t testing.TB) alerts.Keys {
	keys, err := alerts.ParseKeys("test:" + strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

func (w *world) count(query string, args ...any) (n int64) {
	w.Helper()
	if err := w.db.QueryRow(query, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

// wait lets time pass.
func (w *world) wait(d time.Duration) { w.now = w.now.Add(d) }

// until lets time pass up to a moment in London, "2026-05-05 07:00".
func (w *world) until(moment string) {
	w.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", moment, alerts.London)
	if err != nil || at.Before(w.now) {
		w.Fatalf("until %s: %v, now %v", moment, err, w.now)
	}
	w.now = at.UTC()
}

// happen lets something happen to an application of Camden and has it matched.
func (w *world) happen(t alerts.EventType, reference string, d alerts.Details) {
	w.Helper()
	w.register.Happen(w, w.now, storetest.Occurrence{Authority: "camden", Reference: reference, Type: t, Details: d})
	w.match()
}

func (w *world) match() {
	w.Helper()
	stage := &match.Stage{Store: w.Store, Now: w.clock, Log: slog.New(slog.DiscardHandler)}
	for {
		r, err := stage.Run(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		if !r.More {
			return
		}
	}
}

func (w *world) clock() time.Time { return w.now }

func (w *world) stage() *compose.Stage {
	return &compose.Stage{Store: w.Store, Keys: w.keys, BaseURL: "https://alerts.example.org", Contact: "operator@example.org",
		Attribution: []string{"Contains OS data © Crown copyright and database right 2026."}, Now: w.clock, Log: slog.New(slog.DiscardHandler)}
}

// compose makes a pass and returns how many deliveries it made.
func (w *world) compose() int {
	w.Helper()
	r, err := w.stage().Run(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return r.Deliveries
}

// composed makes a pass that must make so many deliveries.
func (w *world) composed(want int) {
	w.Helper()
	if got := w.compose(); got != want {
		w.Fatalf("on %s %d mails were composed, want %d", w.now.In(alerts.London).Format("Mon 2 Jan 15:04"), got, want)
	}
}

// send accepts all alerts that are due, remembers what they told, and returns
// them.
func (w *world) send() []alerts.Delivery {
	w.Helper()
	var sent []alerts.Delivery
	for {
		claimed, err := w.ClaimDeliveries(w.Context(), "test", 100, w.now, time.Minute)
		if err != nil {
			w.Fatal(err)
		}
		if len(claimed) == 0 {
			return sent
		}
		var attempts []alerts.Attempt
		for _, d := range claimed {
			attempts = append(attempts, alerts.Attempt{Delivery: d, At: w.now.UnixMilli(), Then: alerts.DeliverySent})
			if d.Kind != alerts.DeliveryAlert {
				continue
			}
			sent = append(sent, d)
			w.told[d.RecipientID] = append(w.told[d.RecipientID], w.tells(d.ID)...)
		}
		if err := w.RecordAttempts(w.Context(), "test", attempts, w.now); err != nil {
			w.Fatal(err)
		}
	}
}

// tells lists what a delivery tells, each event once.
func (w *world) tells(delivery int64) (out []string) {
	w.Helper()
	rows, err := w.db.Query(`SELECT DISTINCT e.seq, e.type, a.reference FROM match m JOIN event e ON e.seq = m.seq JOIN application a ON a.id = e.application_id
		WHERE m.delivery_id = $1 ORDER BY e.seq`, delivery)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var kind, reference string
		if err := rows.Scan(&seq, &kind, &reference); err != nil {
			w.Fatal(err)
		}
		out = append(out, kind+" "+reference)
	}
	return out
}

// wasTold sends what is due and checks all that a person has been told so far.
func (w *world) wasTold(sub alerts.Subscription, want ...string) {
	w.Helper()
	w.send()
	if got := strings.Join(w.told[sub.RecipientID], ", "); got != strings.Join(want, ", ") {
		w.Fatalf("told %q, want %q", got, strings.Join(want, ", "))
	}
}

// oneMail sends what is due, which must be one mail.
func (w *world) oneMail() alerts.Delivery {
	w.Helper()
	sent := w.send()
	if len(sent) != 1 {
		w.Fatalf("%d mails were sent, want 1", len(sent))
	}
	return sent[0]
}

// closed returns why the matches of a subscription will never be told.
func (w *world) closed(sub alerts.Subscription) (why []string) {
	w.Helper()
	rows, err := w.db.Query(`SELECT DISTINCT closed FROM match m JOIN subscription_version v ON v.id = m.version_id WHERE v.subscription_id = $1 AND closed IS NOT NULL ORDER BY closed`, sub.ID)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.Fatal(err)
		}
		why = append(why, s)
	}
	return why
}

// owed counts what a subscription is owed.
func (w *world) owed(sub alerts.Subscription) int64 {
	w.Helper()
	return w.count(`SELECT count(*) FROM match m JOIN subscription_version v ON v.id = m.version_id WHERE v.subscription_id = $1 AND delivery_id IS NULL AND closed IS NULL`, sub.ID)
}

var noLimits = alerts.Limits{SignUpsPerClientHour: 1e6, ConfirmationsPerDay: 1e6, ConfirmationsPerMonth: 1e6}

// subscribe signs a person up and confirms; the same name again is another area
// of the same person.
func (w *world) subscribe(name string, area alerts.Area, c alerts.Cadence) alerts.Subscription {
	w.Helper()
	address := name + "@example.org"
	signUp := alerts.SignUp{Address: address, Area: area, Cadence: c, Client: "test"}
	var secret string
	err := w.Subscribe(w.Context(), signUp, w.keys.AddressKeys(address), noLimits, w.now, func(l alerts.Letter) (alerts.Delivery, error) {
		secret = l.Secret
		return alerts.Delivery{MessageID: alerts.NewSecret() + "@test", Subject: "confirm", Text: "confirm"}, nil
	})
	if err != nil {
		w.Fatal(err)
	}
	standing, err := w.Awaiting(w.Context(), secret, w.now)
	if err != nil {
		w.Fatal(err)
	}
	newest := standing.Subscriptions[len(standing.Subscriptions)-1].Current.ID
	if standing, err = w.Confirm(w.Context(), secret, []int64{newest}, w.now); err != nil {
		w.Fatal(err)
	}
	w.send() // the letter
	return standing.Subscriptions[len(standing.Subscriptions)-1]
}

// edit changes a subscription's radius and cadence.
func (w *world) edit(sub alerts.Subscription, radius float64, c alerts.Cadence) {
	w.Helper()
	if err := w.Edit(w.Context(), sub.RecipientID, sub.ID, alerts.Wish{Area: resized(sub.Current.Area, radius), Cadence: c}, w.now); err != nil {
		w.Fatal(err)
	}
}

// Places in the borough.
var (
	home   = geo.Point{Lon: -0.1426, Lat: 51.5390}
	office = geo.Point{Lon: -0.1390, Lat: 51.5400} // about 275 m from home
	far    = geo.Point{Lon: -0.0760, Lat: 51.5387}
)

func circle(p geo.Point, radius float64, label string) alerts.Area {
	return alerts.Area{Kind: alerts.AreaCircle, Centre: p, Radius: radius, Label: label}
}

func resized(a alerts.Area, radius float64) alerts.Area {
	a.Radius = radius
	return a
}

// at is a case at a place, under consideration.
func at(p geo.Point) alerts.Details {
	return alerts.Details{Address: "12 Lamplighter Street, London NW1 8NH", Description: "Single-storey rear extension", Kind: alerts.KindHouseholder,
		Status: alerts.StatusPending, Received: "2026-05-01", Site: alerts.Site{Lon: p.Lon, Lat: p.Lat, Method: alerts.MethodPoint}}
}

// closing is a case at a place whose comments close on a day.
func closing(p geo.Point, day alerts.Date) alerts.Details {
	d := at(p)
	d.CommentsUntil, d.CommentsSource = day, "council"
	return d
}

func decided(p geo.Point) alerts.Details {
	d := at(p)
	d.Status, d.Decision, d.Decided = alerts.StatusDecided, alerts.DecisionApproved, "2026-05-20"
	return d
}

func number(i int) string { return fmt.Sprintf("2026/%04d/P", i) }
