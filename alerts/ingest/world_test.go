package ingest_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A world is a database with one feed, a stage that reads it, and a clock.
type world struct {
	t     testing.TB
	store *store.Store
	db    *sql.DB // for looking
	stage *ingest.Stage
	feed  alerts.Feed
	now   time.Time
}

func eachWorld(t *testing.T, declaration string, test func(t *testing.T, w *world)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(t, newWorld(t, e.DSN, declaration)) })
	}
}

func newWorld(t testing.TB, dsn, declaration string) *world {
	t.Helper()
	s, err := store.Open(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	driver, name := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, store: s, db: db, now: time.Date(2026, 2, 5, 6, 0, 0, 0, time.UTC)}
	w.stage = &ingest.Stage{Store: s, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
	w.feed = w.declare(declaration)
	return w
}

func (w *world) declare(declaration string) alerts.Feed {
	w.t.Helper()
	d, err := feed.Parse([]byte(declaration))
	if err != nil {
		w.t.Fatal(err)
	}
	var authorities []alerts.Authority
	for _, a := range d.All() {
		authorities = append(authorities, alerts.Authority{Slug: a.Slug, Name: a.Name, District: a.District})
	}
	f, err := w.store.PutFeed(context.Background(), alerts.Feed{Slug: d.Feed, Declaration: []byte(declaration), Schedule: d.Schedule,
		Precedence: d.Precedence, HorizonDays: cmp.Or(d.HorizonDays, 90)}, authorities)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// read imports text with the feed's adapter of that name.
func (w *world) read(adapter string, data io.Reader) alerts.Run {
	w.t.Helper()
	run, err := w.tryRead(adapter, data)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func (w *world) tryRead(adapter string, data io.Reader) (alerts.Run, error) {
	w.t.Helper()
	f, err := w.store.Feed(context.Background(), w.feed.Slug)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.stage.Import(context.Background(), f, data, ingest.Options{Adapter: adapter, Source: "test"})
}

// An entry is one event as the tests compare it.
type entry struct {
	Reference string
	Type      string
	State     string
}

// events returns the events after the one with id, in their order.
func (w *world) events(after int64) (out []entry, last int64) {
	w.t.Helper()
	rows, err := w.db.Query(`SELECT e.id, a.reference, e.type, e.state FROM event e JOIN application a ON a.id = e.application_id WHERE e.id > $1 ORDER BY e.id`, after)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	last = after
	for rows.Next() {
		var e entry
		if err := rows.Scan(&last, &e.Reference, &e.Type, &e.State); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out, last
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.QueryRow(query, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// village is a feed of a few columns for hand-written files.
const village = `
feed: village
authority: {slug: village, name: Village Council}
adapters:
  - name: village
    format: csv
    columns: {source_key: key, reference: reference, description: proposal, status: status, decision: decision, received: received, comments_until: until, lon: lon, lat: lat, address: address}
codes:
  status: {REG: received, DEC: decided, WDN: withdrawn, APP: appeal_lodged}
  decision: {GRANT: approved, REFUSE: refused}
`

const villageHeader = "key,reference,proposal,status,decision,received,until,lon,lat,address\n"

func csv(rows ...string) io.Reader {
	return bytes.NewBufferString(villageHeader + strings.Join(rows, "\n") + "\n")
}
