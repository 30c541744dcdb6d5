package match_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/audit"
	"github.com/sitenotice/sitenotice/alerts/match"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// A world is a database with a small district: its council's events are written
// straight into the tables as ingest does, and its residents use the store.
type world struct {
	t      testing.TB
	s      *store.Store
	db     *sql.DB
	now    time.Time
	people []int64 // recipients

	register *storetest.Register
}

// eachWorld runs a test on every engine.
func eachWorld(t *testing.T, fn func(t *testing.T, w *world)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { fn(t, newWorld(t, e.DSN)) })
	}
}

func newWorld(t testing.TB, dsn string) *world {
	s, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	driver, name := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=busy_timeout(10000)&_txlock=immediate"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, s: s, db: db}
	w.reset()
	return w
}

// reset empties the tables that a world uses.
func (w *world) reset() {
	for _, table := range []string{"match", "subscription_scope", "subscription_version", "subscription", "consent", "token", "due", "delivery",
		"allowance", "recipient", "event", "alias", "application", "feed", "authority"} {
		w.exec("DELETE FROM " + table)
	}
	w.exec(`UPDATE counter SET value = 0 WHERE name = 'event'`)
	w.exec(`UPDATE watermark SET position = 0, claimed = 0, claim_no = 0, lease_until = 0 WHERE name = 'match'`)
	for _, a := range []string{"camden", "islington"} {
		w.exec(`INSERT INTO authority (slug, name) VALUES ($1, $2)`, a, a)
	}
	w.now = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	w.people, w.register = nil, storetest.NewRegister(w.db)
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

func (w *world) count(query string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.db.QueryRow(query, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// happen commits events in one transaction as ingest does.
func (w *world) happen(list ...storetest.Occurrence) {
	w.t.Helper()
	w.register.Happen(w.t, w.now, list...)
}

func (w *world) begin(list ...storetest.Occurrence) *sql.Tx {
	w.t.Helper()
	return w.register.Begin(w.t, w.now, list...)
}

// hide takes a case down.
func (w *world) hide(authority, reference string) {
	w.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, w.register.ID(authority, reference))
}

// subscribe signs a new person up and confirms.
func (w *world) subscribe(area alerts.Area, filter alerts.Filter) alerts.Subscription {
	w.t.Helper()
	if area.Label == "" {
		area.Label = "home"
	}
	signUp := alerts.SignUp{Address: fmt.Sprintf("resident%d@example.org", len(w.people)), Area: area, Filter: filter, Cadence: alerts.Daily, Client: "test"}
	many := alerts.Limits{SignUpsPerClientHour: 1e6, ConfirmationsPerDay: 1e6, ConfirmationsPerMonth: 1e6}
	var secret string
	err := w.s.Subscribe(w.t.Context(), signUp, []string{"key of " + signUp.Address}, many, w.now, func(l alerts.Letter) (alerts.Delivery, error) {
		secret = l.Secret
		return alerts.Delivery{MessageID: secret}, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	standing, err := w.s.Awaiting(w.t.Context(), secret, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	standing, err = w.s.Confirm(w.t.Context(), secret, []int64{standing.Subscriptions[0].Current.ID}, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.people = append(w.people, standing.Recipient.ID)
	return standing.Subscriptions[0]
}

func (w *world) stage() *match.Stage {
	return &match.Stage{Store: w.s, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
}

// pass runs passes until nothing is left.
func (w *world) pass() {
	w.t.Helper()
	for stage := w.stage(); ; {
		r, err := stage.Run(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if !r.More {
			return
		}
	}
}

// told lists the ledger of a subscription as "type reference", with a question
// mark after a correction.
func (w *world) told(sub alerts.Subscription) string {
	w.t.Helper()
	rows, err := w.db.Query(`SELECT e.type, a.reference, m.correction FROM match m JOIN subscription_version v ON v.id = m.version_id
		JOIN event e ON e.seq = m.seq JOIN application a ON a.id = e.application_id
		WHERE v.subscription_id = $1 AND m.seq <= (SELECT position FROM watermark WHERE name = 'match') ORDER BY m.seq`, sub.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var kind, reference string
		var correction bool
		if err := rows.Scan(&kind, &reference, &correction); err != nil {
			w.t.Fatal(err)
		}
		if correction {
			reference += "?"
		}
		out = append(out, kind+" "+reference)
	}
	return strings.Join(out, ", ")
}

// problems compares the ledger with the oracle, and checks what the oracle takes
// on trust: that the versions of a subscription follow each other without gap or
// overlap, and that all that was numbered has been matched.
func (w *world) problems() error {
	ctx := context.Background()
	r, err := (&audit.Audit{Store: w.s}).Run(ctx, 0, math.MaxInt64)
	if err != nil {
		return err
	}
	var faults []error
	for _, f := range r.Missing {
		faults = append(faults, fmt.Errorf("missing: version %d, event %d", f.VersionID, f.Seq))
	}
	for _, f := range r.Extra {
		faults = append(faults, fmt.Errorf("extra: version %d, event %d: %s", f.VersionID, f.Seq, f.Problem))
	}
	if n := w.count(`SELECT count(*) FROM (SELECT 1 FROM match m JOIN subscription_version v ON v.id = m.version_id
		GROUP BY v.subscription_id, m.seq HAVING count(*) > 1) AS twice`); n > 0 {
		faults = append(faults, fmt.Errorf("%d events matched twice by one subscription", n))
	}
	if position, counted := w.count(`SELECT position FROM watermark WHERE name = 'match'`), w.count(`SELECT value FROM counter WHERE name = 'event'`); position != counted {
		faults = append(faults, fmt.Errorf("the watermark stands at %d of %d", position, counted))
	}
	if n := w.count(`SELECT count(*) FROM event WHERE seq > (SELECT value FROM counter WHERE name = 'event')`); n > 0 {
		faults = append(faults, fmt.Errorf("%d events are numbered beyond the counter", n))
	}
	return errors.Join(faults...)
}

// Places in the district.
var (
	camdenTown = geo.Point{Lon: -0.1426, Lat: 51.5390}
	haggerston = geo.Point{Lon: -0.0760, Lat: 51.5387}
)

// north returns the point so many metres north of p.
func north(p geo.Point, metres float64) geo.Point {
	per := geo.Distance(p, geo.Point{Lon: p.Lon, Lat: p.Lat + 0.001}) * 1000
	return geo.Point{Lon: p.Lon, Lat: p.Lat + metres/per}
}

func at(p geo.Point) alerts.Site {
	return alerts.Site{Lon: p.Lon, Lat: p.Lat, Method: alerts.MethodPoint}
}

func circle(p geo.Point, radius float64) alerts.Area {
	return alerts.Area{Kind: alerts.AreaCircle, Centre: p, Radius: radius}
}

// square is the outline of a square of the given side in degrees around p.
func square(p geo.Point, side float64) []byte {
	h := side / 2
	b, err := geo.EncodeWKB(geom.NewPolygonFlat(geom.XY, []float64{p.Lon - h, p.Lat - h, p.Lon + h, p.Lat - h, p.Lon + h, p.Lat + h,
		p.Lon - h, p.Lat + h, p.Lon - h, p.Lat - h}, []int{10}))
	if err != nil {
		panic(err)
	}
	return b
}
