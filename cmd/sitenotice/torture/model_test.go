package torture

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/audit"
	"github.com/sitenotice/sitenotice/alerts/compose"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/alerts/match"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// All stages together, under any order of imports, late positions, floods that are
// released or discarded, mistakes that are taken back, confirmations, edits, other
// frequencies, pauses, days that pass, clocks that change and a relay that is down
// for days: the ledger is what brute force finds, and the mailboxes hold what the
// ledger says, each event once a person.
func TestAnyHistoryFillsTheRightMailboxes(t *testing.T) {
	storetest.Histories(t, max(8, *kills/2))
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				m := newModel(t, rt, name)
				for range rapid.IntRange(10, 60).Draw(rt, "steps") {
					m.step()
				}
				m.drain()
				m.check()
				m.store.Close()
				m.db.Close() // for the next: a server has only so many connections
			})
		})
	}
}

// A model is the whole service but for its processes, and a council.
type model struct {
	*testing.T
	rt    *rapid.T
	store *store.Store
	db    *sql.DB
	now   time.Time
	feed  alerts.Feed
	cases []*entry
	subs  []alerts.Subscription
	runs  []int64 // that told something, or would have
	box   mailbox

	ingest  *ingest.Stage
	match   *match.Stage
	compose *compose.Stage
	deliver *deliver.Stage
}

// An entry is a line of the council's register.
type entry struct {
	place             int // in places; -1 for none yet
	closes            alerts.Date
	status, decision  string
	homes             int
	received, decided alerts.Date
}

var places = []geo.Point{{Lon: -0.1426, Lat: 51.5390}, {Lon: -0.1390, Lat: 51.5400}, {Lon: -0.0760, Lat: 51.5387}}

const declaration = `feed: village
authority: {slug: village, name: Village Council}
adapters:
  - name: village
    format: csv
    columns: {source_key: key, reference: key, description: proposal, received: received, comments_until: closes, status: status, decision: decision, decided: decided, lon: lon, lat: lat}
codes:
  status: {Open: consultation, Decided: decided, Withdrawn: withdrawn}
  decision: {Granted: approved, Refused: refused}
`

var modelKeys = func() alerts.Keys {
	keys, err := alerts.ParseKeys("test:" + strings.Repeat("A", 43))
	if err != nil {
		panic(err)
	}
	return keys
}()

func newModel(t *testing.T, rt *rapid.T, engine string) *model {
	m := &model{T: t, rt: rt}
	for _, e := range storetest.Engines(t) {
		if e.Name == engine {
			var err error
			m.store, err = store.Open(t.Context(), e.DSN)
			m.must(err)
			_, err = m.store.Migrate(t.Context())
			m.must(err)
			m.db = e.DB(t)
		}
	}
	// Ordinary days, and those before the clocks change.
	m.now = rapid.SampledFrom([]time.Time{
		time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC),
		time.Date(2026, 3, 28, 6, 30, 0, 0, time.UTC),
		time.Date(2026, 10, 24, 5, 30, 0, 0, time.UTC),
	}).Draw(rt, "begins")
	clock := func() time.Time { return m.now }
	log := slog.New(slog.DiscardHandler)
	m.ingest = &ingest.Stage{Store: m.store, Now: clock, Log: log}
	m.match = &match.Stage{Store: m.store, Now: clock, Log: log}
	m.compose = &compose.Stage{Store: m.store, Keys: modelKeys, BaseURL: "https://alerts.example.org", Now: clock, Log: log}
	m.deliver = &deliver.Stage{Store: m.store, Sender: &m.box, Name: "mail", Now: clock, Log: log, Concurrency: 2, Jitter: func() float64 { return 0.5 }}
	d, err := feed.Parse([]byte(declaration))
	m.must(err)
	_, err = m.store.PutFeed(t.Context(), alerts.Feed{Slug: d.Feed, Declaration: []byte(declaration), HorizonDays: 90}, []alerts.Authority{{Slug: "village", Name: "Village Council"}})
	m.must(err)
	for range 5 {
		m.register()
	}
	m.read()
	return m
}

func (m *model) must(err error) {
	m.Helper()
	if err != nil {
		m.rt.Fatal(err)
	}
}

// A mailbox takes what is sent, as its relay is.
type mailbox struct {
	mu   sync.Mutex
	fate alerts.FailureClass
	got  map[string][]alerts.Delivery // by Message-ID
}

func (b *mailbox) Send(_ context.Context, d alerts.Delivery) alerts.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fate != alerts.Accepted {
		return alerts.Outcome{Class: b.fate, Detail: "as it happens"}
	}
	if b.got == nil {
		b.got = map[string][]alerts.Delivery{}
	}
	b.got[d.MessageID] = append(b.got[d.MessageID], d)
	return alerts.Outcome{}
}

func (m *model) register() {
	e := &entry{place: rapid.IntRange(-1, len(places)-1).Draw(m.rt, "place"), status: "Open", homes: 1, received: alerts.DateOf(m.now)}
	if rapid.Bool().Draw(m.rt, "has a closing date") {
		e.closes = alerts.DateOf(m.now).AddDays(rapid.IntRange(-1, 12).Draw(m.rt, "closes in"))
	}
	m.cases = append(m.cases, e)
}

// read imports the register as it is.
func (m *model) read() {
	m.Helper()
	var b bytes.Buffer
	b.WriteString("key,proposal,received,closes,status,decision,decided,lon,lat\n")
	for i, e := range m.cases {
		lon, lat := "", ""
		if e.place >= 0 {
			lon, lat = fmt.Sprint(places[e.place].Lon), fmt.Sprint(places[e.place].Lat)
		}
		fmt.Fprintf(&b, "26/%d,%d homes,%s,%s,%s,%s,%s,%s,%s\n", i+1, e.homes, e.received, e.closes, e.status, e.decision, e.decided, lon, lat)
	}
	f, err := m.store.Feed(m.Context(), "village")
	m.must(err)
	m.feed = f
	run, err := m.ingest.Import(m.Context(), f, &b, ingest.Options{Source: "test"})
	m.must(err)
	if run.Events > 0 && !run.Silent {
		m.runs = append(m.runs, run.ID)
	}
}

func (m *model) step() {
	ctx := m.Context()
	actions := map[string]func(){
		"register": func() {
			for range rapid.IntRange(1, 3).Draw(m.rt, "new") {
				m.register()
			}
		},
		"a flood": func() {
			if len(m.cases) < 150 {
				for range 60 {
					m.cases = append(m.cases, &entry{place: 0, status: "Open", homes: 2, received: alerts.DateOf(m.now)})
				}
				m.read()
			}
		},
		"change": func() {
			e := rapid.SampledFrom(m.cases).Draw(m.rt, "case")
			switch rapid.SampledFrom([]string{"place", "deadline", "decide", "reverse", "withdraw", "homes"}).Draw(m.rt, "what") {
			case "place":
				e.place = rapid.IntRange(0, len(places)-1).Draw(m.rt, "place")
			case "deadline":
				e.closes = alerts.DateOf(m.now).AddDays(rapid.IntRange(0, 20).Draw(m.rt, "closes in"))
			case "decide":
				e.status, e.decision, e.decided = "Decided", "Granted", alerts.DateOf(m.now)
			case "reverse":
				if e.decision != "" {
					e.decision = "Refused"
				}
			case "withdraw":
				e.status = "Withdrawn"
			case "homes":
				e.homes++
			}
		},
		"read":   m.read,
		"read 2": m.read,
		"release": func() {
			_, err := m.store.Release(ctx, m.feed, alerts.Forever, m.now)
			m.must(err)
		},
		"discard": func() {
			_, err := m.store.Discard(ctx, m.feed, alerts.Forever)
			m.must(err)
		},
		"take back": func() {
			if len(m.runs) > 0 {
				_, err := m.store.Rollback(ctx, m.feed, rapid.SampledFrom(m.runs).Draw(m.rt, "run"), m.now)
				m.must(err)
			}
		},
		"subscribe": m.subscribe,
		"edit": func() {
			if sub := m.active(); sub != nil {
				wish := alerts.Wish{Area: sub.Current.Area, Cadence: m.cadence()}
				wish.Area.Label = "home"
				if radius := rapid.SampledFrom([]float64{100, 500, 6000}).Draw(m.rt, "radius"); wish.Area.Kind == alerts.AreaCircle {
					wish.Area.Radius = radius
				}
				m.must(m.store.Edit(ctx, sub.RecipientID, sub.ID, wish, m.now))
			}
		},
		"pause": func() {
			if sub := m.active(); sub != nil {
				until := rapid.SampledFrom([]int64{alerts.Forever, m.now.Add(50 * time.Hour).UnixMilli()}).Draw(m.rt, "until")
				m.must(m.store.Pause(ctx, sub.RecipientID, sub.ID, until, m.now))
			}
		},
		"resume": func() {
			if sub := m.active(); sub != nil {
				m.must(m.store.Resume(ctx, sub.RecipientID, sub.ID, m.now))
			}
		},
		"stop": func() {
			if sub := m.active(); sub != nil {
				_, err := m.store.End(ctx, sub.ID, "/stop", m.now)
				m.must(err)
			}
		},
		"undo": func() {
			if len(m.subs) > 0 {
				sub := rapid.SampledFrom(m.subs).Draw(m.rt, "subscription")
				_, err := m.store.Undo(ctx, sub.RecipientID, sub.ID, nil, m.now)
				m.must(err)
			}
		},
		"match":   func() { m.pass("match") },
		"compose": func() { m.pass("compose") },
		"deliver": func() {
			m.box.fate = rapid.SampledFrom([]alerts.FailureClass{alerts.Accepted, alerts.Accepted, alerts.Temporary, alerts.Permanent, alerts.SenderDown}).Draw(m.rt, "fate")
			m.pass("deliver")
			m.box.fate = alerts.Accepted
		},
		"all":   func() { m.pass("match", "compose", "deliver") },
		"all 2": func() { m.pass("match", "compose", "deliver") },
		"wait": func() {
			m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Minute, 20 * time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour, 24 * time.Hour}).Draw(m.rt, "how long"))
		},
		"an outage of two days": func() {
			m.box.fate = alerts.SenderDown
			for range 8 {
				m.pass("match", "compose", "deliver")
				m.now = m.now.Add(6 * time.Hour)
			}
			m.box.fate = alerts.Accepted
		},
		"the clock is set back": func() { m.now = m.now.Add(-time.Hour) },
	}
	var names []string
	for name := range actions {
		names = append(names, name)
	}
	slices.Sort(names)
	actions[rapid.SampledFrom(names).Draw(m.rt, "do")]()
}

func (m *model) pass(stages ...string) {
	m.Helper()
	for _, stage := range stages {
		switch stage {
		case "match":
			for more := true; more; {
				r, err := m.match.Run(m.Context())
				m.must(err)
				more = r.More
			}
		case "compose":
			_, err := m.compose.Run(m.Context())
			m.must(err)
		case "deliver":
			_, err := m.deliver.Run(m.Context())
			m.must(err)
		}
	}
}

func (m *model) cadence() alerts.Cadence {
	return rapid.SampledFrom([]alerts.Cadence{alerts.Immediate, alerts.Daily, alerts.Weekly}).Draw(m.rt, "cadence")
}

// active returns one of the subscriptions that live, or nil.
func (m *model) active() *alerts.Subscription {
	var live []alerts.Subscription
	for _, sub := range m.subs {
		now, err := m.store.Subscription(m.Context(), sub.ID)
		m.must(err)
		if now.State == alerts.SubscriptionActive {
			live = append(live, now)
		}
	}
	if len(live) == 0 {
		return nil
	}
	sub := rapid.SampledFrom(live).Draw(m.rt, "subscription")
	return &sub
}

// subscribe signs one of three people up for one more area, and confirms.
func (m *model) subscribe() {
	if len(m.subs) >= 6 {
		return
	}
	address := fmt.Sprintf("resident%d@example.org", rapid.IntRange(1, 3).Draw(m.rt, "who"))
	area := alerts.Area{Kind: alerts.AreaAuthority, Code: "village", Label: "the village"}
	if rapid.IntRange(0, 3).Draw(m.rt, "where") > 0 {
		area = alerts.Area{Kind: alerts.AreaCircle, Centre: rapid.SampledFrom(places).Draw(m.rt, "centre"), Radius: rapid.SampledFrom([]float64{100, 500}).Draw(m.rt, "radius"), Label: "home"}
	}
	var secret string
	limits := alerts.Limits{SignUpsPerClientHour: 1e6, ConfirmationsPerDay: 1e6, ConfirmationsPerMonth: 1e6}
	m.must(m.store.Subscribe(m.Context(), alerts.SignUp{Address: address, Area: area, Cadence: m.cadence(), Client: "test"}, modelKeys.AddressKeys(address), limits, m.now,
		func(l alerts.Letter) (alerts.Delivery, error) {
			secret = l.Secret
			return alerts.Delivery{MessageID: alerts.NewSecret() + "@test", Subject: "confirm", Text: "confirm"}, nil
		}))
	if secret == "" {
		return // followed already
	}
	standing, err := m.store.Awaiting(m.Context(), secret, m.now)
	m.must(err)
	newest := standing.Subscriptions[len(standing.Subscriptions)-1]
	if newest.State != alerts.SubscriptionPending {
		return
	}
	_, err = m.store.Confirm(m.Context(), secret, []int64{newest.Current.ID}, m.now)
	m.must(err)
	m.subs = append(m.subs, newest)
}

// drain lets everything come to its end: whoever paused goes on, what is held is
// released, and days pass.
func (m *model) drain() {
	_, err := m.store.Release(m.Context(), m.feed, alerts.Forever, m.now)
	m.must(err)
	for _, sub := range m.subs {
		m.must(m.store.Resume(m.Context(), sub.RecipientID, sub.ID, m.now))
	}
	for range 16 {
		m.pass("match", "compose", "deliver")
		m.now = m.now.Add(23 * time.Hour)
	}
}

// manyMore is how a long mail links to what it has no room for.
var manyMore = regexp.MustCompile(`(?s)\d+ applications?\s+more\s+than\s.*https://alerts\.example\.org/told/`)

func (m *model) check() {
	m.Helper()
	report, err := (&audit.Audit{Store: m.store}).Run(m.Context(), 0, 1<<40)
	m.must(err)
	if !report.OK() {
		m.rt.Fatalf("the ledger differs from what brute force finds: missing %v, extra %v", report.Missing, report.Extra)
	}
	type told struct {
		recipient int64
		seq       int64
	}
	tellings := map[told]string{}
	rows, err := m.db.Query(`SELECT m.recipient_id, m.seq, m.closed, d.state, d.message_id, a.reference FROM match m JOIN event e ON e.seq = m.seq
		JOIN application a ON a.id = e.application_id LEFT JOIN delivery d ON d.id = m.delivery_id`)
	m.must(err)
	defer rows.Close()
	for rows.Next() {
		var t told
		var closed, state, id sql.NullString
		var reference string
		m.must(rows.Scan(&t.recipient, &t.seq, &closed, &state, &id, &reference))
		if closed.Valid {
			continue
		}
		if state.String != string(alerts.DeliverySent) {
			m.rt.Fatalf("event %d is owed in the end: its delivery is %q", t.seq, state.String)
		}
		arrived := m.box.got[id.String]
		switch {
		case len(arrived) != 1:
			m.rt.Fatalf("message %s, which tells event %d, arrived %d times", id.String, t.seq, len(arrived))
		case !strings.Contains(arrived[0].Text, reference) && !manyMore.MatchString(arrived[0].Text):
			m.rt.Fatalf("message %s counts as telling of %s, and does not", id.String, reference)
		case tellings[t] != "" && tellings[t] != id.String:
			m.rt.Fatalf("a person was told of event %d in two messages", t.seq)
		}
		tellings[t] = id.String
	}
	m.must(rows.Err())
	alertsSent := map[string]bool{}
	for _, id := range tellings {
		alertsSent[id] = true
	}
	for id, copies := range m.box.got {
		if copies[0].Kind == alerts.DeliveryAlert && !alertsSent[id] {
			m.rt.Fatalf("an alert arrived that tells nothing: %s\n%s", copies[0].Subject, copies[0].Text)
		}
	}
}
