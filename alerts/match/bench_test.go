package match

import (
	"archive/zip"
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// The case of docs/benchmarks.md: 2,000 events against 1,000,000 circles whose
// radii are mixed so that about 935,000 pairs match. Everything is drawn from a
// fixed seed, so every run has the same pairs.
const (
	benchEvents  = 2_000
	benchCircles = 1_000_000
	benchRounds  = 3 // of which the median is reported
)

// benchRadii are metres and the share of circles in per cent.
var benchRadii = []struct{ radius, share float64 }{{200, 10}, {500, 27}, {1000, 28}, {2000, 20}, {5000, 15}}

// A benchCase is what every engine is asked. Versions have the ids 1, 2, 3, …
// and events the numbers 1, 2, 3, ….
type benchCase struct {
	versions []alerts.Version
	events   []alerts.Event
	source   string
}

// newCase makes the case. It is not kept: 400 MB of it would hide what a pass
// needs.
func newCase(b *testing.B) *benchCase {
	b.Helper()
	points, source, err := benchPoints()
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1976, 11))
	c := &benchCase{source: source}
	for i := range benchEvents {
		p := points[rnd.IntN(len(points))]
		c.events = append(c.events, alerts.Event{ID: int64(i + 1), Seq: int64(i + 1), ApplicationID: int64(i + 1), Authority: "camden", Version: 1,
			Type: alerts.EventReceived, State: alerts.EventLive, At: 1, RunID: 1,
			After: alerts.Details{Reference: fmt.Sprintf("2026/%05d/P", i), Description: "Erection of a single storey rear extension", Address: "1 High Street",
				Kind: alerts.KindHouseholder, Status: alerts.StatusPending, Received: "2026-05-01", CommentsUntil: "2026-06-01",
				Site: alerts.Site{Lon: p.Lon, Lat: p.Lat, Method: alerts.MethodPoint}}})
	}
	for i := range benchCircles {
		p, draw, radius := points[rnd.IntN(len(points))], rnd.Float64()*100, 0.0
		for _, r := range benchRadii {
			if radius = r.radius; draw < r.share {
				break
			}
			draw -= r.share
		}
		c.versions = append(c.versions, alerts.Version{ID: int64(i + 1), SubscriptionID: int64(i + 1), RecipientID: int64(i + 1), To: alerts.Forever,
			Area: alerts.Area{Kind: alerts.AreaCircle, Centre: p, Radius: radius}, Cadence: alerts.Daily})
	}
	return c
}

// benchPoints returns the postcodes of Great Britain when the sample files are at
// hand, and otherwise as many made-up points in towns of all sizes.
func benchPoints() (points []geo.Point, source string, err error) {
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		rnd := rand.New(rand.NewPCG(19, 76))
		for len(points) < 1_700_000 {
			town := geo.Point{Lon: -5 + 6*rnd.Float64(), Lat: 50.3 + 5*rnd.Float64()}
			size := 0.004 * (1 + 9*rnd.Float64()*rnd.Float64())
			for range int(2e7 * size * size) {
				points = append(points, geo.Point{Lon: town.Lon + rnd.NormFloat64()*size*1.6, Lat: town.Lat + rnd.NormFloat64()*size})
			}
		}
		return points, "made-up towns", nil
	}
	z, err := zip.OpenReader(filepath.Join(shared, "geo", "postcodes", "codepo_gb.zip"))
	if err != nil {
		return nil, "", err
	}
	defer z.Close()
	for _, f := range z.File {
		if ok, _ := path.Match("Data/CSV/*.csv", f.Name); !ok {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, "", err
		}
		for rows := csv.NewReader(r); ; {
			row, err := rows.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, "", err
			}
			e, err1 := strconv.ParseFloat(row[2], 64)
			n, err2 := strconv.ParseFloat(row[3], 64)
			if err := errors.Join(err1, err2); err != nil {
				return nil, "", err
			}
			if e > 0 {
				points = append(points, geo.FromBNG(e, n))
			}
		}
		r.Close()
	}
	return points, "the postcodes of Great Britain", nil
}

func median[T cmp.Ordered](of []T) T {
	of = slices.Clone(of)
	slices.Sort(of)
	return of[len(of)/2]
}

// BenchmarkMatch decides 2,000 events against 1,000,000 circles in memory on two
// cores, and where PostGIS is installed has it do the same join.
func BenchmarkMatch(b *testing.B) {
	c := newCase(b)
	var took []time.Duration
	var pairs [workers][][2]int64
	for round := range 5*benchRounds + 1 {
		runtime.GC()
		start := time.Now()
		x, err := newIndex(c.events, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		chunks := make(chan []alerts.Version, workers)
		for w := range workers {
			pairs[w] = pairs[w][:0]
			wg.Go(func() {
				f := x.finder()
				for chunk := range chunks {
					for i := range chunk {
						v := &chunk[i]
						if err := f.wanted(v, func(e *alerts.Event, _ alerts.Interest) { pairs[w] = append(pairs[w], [2]int64{v.ID, e.Seq}) }); err != nil {
							b.Error(err)
						}
					}
				}
			})
		}
		for chunk := range slices.Chunk(c.versions, chunkSize) {
			chunks <- chunk
		}
		close(chunks)
		wg.Wait()
		if round > 0 { // the first warms up
			took = append(took, time.Since(start))
		}
	}
	ours := median(took)
	all := slices.Concat(pairs[:]...)
	b.Logf("%s; %d pairs; %v, median %v", c.source, len(all), took, ours)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(all)), "pairs")
	b.ReportMetric(float64(ours.Microseconds())/1000, "ms")
	db := openPostGIS(b, c)
	if db == nil {
		return
	}
	took = took[:0]
	var n int
	for range benchRounds {
		start := time.Now()
		if err := db.QueryRow(b.Context(), `SELECT count(*) FROM bench_circle c JOIN bench_event e ON ST_DWithin(e.place, c.place, c.radius)`).Scan(&n); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	theirs := median(took)
	b.Logf("PostGIS: %d pairs; %v, median %v, %.1f times as long", n, took, theirs, float64(theirs)/float64(ours))
	b.ReportMetric(float64(theirs.Microseconds())/1000, "postgis-ms")
	b.ReportMetric(float64(theirs)/float64(ours), "x-postgis")
	comparePairs(b, db, c, all)
}

// comparePairs fails unless both found the same pairs, but for those at the very
// edge, where the mid-latitude formula and the spheroid differ by millimetres.
func comparePairs(b *testing.B, db *pgx.Conn, c *benchCase, ours [][2]int64) {
	rows, err := db.Query(b.Context(), `SELECT c.id, e.seq FROM bench_circle c JOIN bench_event e ON ST_DWithin(e.place, c.place, c.radius)`)
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p [2]int64, err error) { return p, row.Scan(&p[0], &p[1]) })
	if err != nil {
		b.Fatal(err)
	}
	compare := func(a, b [2]int64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }
	slices.SortFunc(ours, compare)
	slices.SortFunc(theirs, compare)
	differ := 0
	only := func(side [][2]int64, other [][2]int64, who string) {
		for _, p := range side {
			if _, found := slices.BinarySearchFunc(other, p, compare); found {
				continue
			}
			differ++
			v, e := c.versions[p[0]-1], c.events[p[1]-1]
			if off := geo.Distance(v.Area.Centre, e.After.Site.Point()) - v.Area.Radius; off > 0.005 || off < -0.005 {
				b.Errorf("%s alone has circle %d and event %d, %.4f m from the edge", who, p[0], p[1], off)
			}
		}
	}
	only(ours, theirs, "match")
	only(theirs, ours, "PostGIS")
	b.Logf("%d of %d pairs differ, all within 5 mm of the edge", differ, len(theirs))
	b.ReportMetric(float64(differ), "edge-pairs")
}

// openPostGIS returns a connection to a database with the circles and events, nil
// where PostGIS is not installed.
func openPostGIS(b *testing.B, c *benchCase) *pgx.Conn {
	b.Helper()
	db, err := pgx.Connect(b.Context(), storetest.PostgresURL(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close(context.Background()) })
	if _, err := db.Exec(b.Context(), `CREATE EXTENSION postgis`); err != nil {
		b.Logf("no comparison: %v (Debian has it in postgresql-15-postgis-3)", err)
		return nil
	}
	loadPostGIS(b, db, c)
	return db
}

// durable makes the tests' throw-away cluster as careful as a real one.
func durable(b *testing.B, db *pgx.Conn) {
	for _, setting := range []string{"fsync", "full_page_writes"} {
		if _, err := db.Exec(b.Context(), `ALTER SYSTEM SET `+setting+` = on`); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.Exec(b.Context(), `SELECT pg_reload_conf()`); err != nil {
		b.Fatal(err)
	}
}

func loadPostGIS(b *testing.B, db *pgx.Conn, c *benchCase) {
	b.Helper()
	durable(b, db)
	exec := func(query string) {
		b.Helper()
		if _, err := db.Exec(b.Context(), query); err != nil {
			b.Fatalf("%s: %v", query, err)
		}
	}
	exec(`CREATE TEMP TABLE raw_circle (id bigint, lon double precision, lat double precision, radius double precision)`)
	exec(`CREATE TEMP TABLE raw_event (seq bigint, lon double precision, lat double precision)`)
	copyRows(b, db, "raw_circle", []string{"id", "lon", "lat", "radius"}, len(c.versions), func(i int) []any {
		v := &c.versions[i]
		return []any{v.ID, v.Area.Centre.Lon, v.Area.Centre.Lat, v.Area.Radius}
	})
	copyRows(b, db, "raw_event", []string{"seq", "lon", "lat"}, len(c.events), func(i int) []any {
		e := &c.events[i]
		return []any{e.Seq, e.After.Site.Lon, e.After.Site.Lat}
	})
	exec(`CREATE TABLE bench_circle AS SELECT id, id AS recipient_id, ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geography AS place, radius FROM raw_circle ORDER BY id`)
	exec(`CREATE TABLE bench_event AS SELECT seq, ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geography AS place FROM raw_event ORDER BY seq`)
	exec(`ALTER TABLE bench_circle ADD PRIMARY KEY (id)`)
	exec(`ALTER TABLE bench_event ADD PRIMARY KEY (seq)`)
	exec(`CREATE INDEX ON bench_circle USING gist (place)`)
	exec(`CREATE INDEX ON bench_event USING gist (place)`)
	exec(`VACUUM ANALYZE bench_circle`)
	exec(`VACUUM ANALYZE bench_event`)
}

func copyRows(b *testing.B, db *pgx.Conn, table string, columns []string, n int, row func(i int) []any) {
	b.Helper()
	_, err := db.CopyFrom(b.Context(), pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i), nil }))
	if err != nil {
		b.Fatalf("fill %s: %v", table, err)
	}
}

// BenchmarkPass makes whole passes on each engine: read the subscriptions, match,
// write the ledger, move the watermark. On PostgreSQL, where PostGIS is
// installed, it has that write the same ledger by INSERT … SELECT. On SQLite
// people sign up meanwhile.
func BenchmarkPass(b *testing.B) {
	for _, e := range storetest.Engines(b) {
		b.Run(e.Name, func(b *testing.B) { benchPass(b, e) })
	}
}

func benchPass(b *testing.B, e storetest.Engine) {
	fillStore(b, e, newCase(b))
	s, err := store.Open(b.Context(), e.DSN)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	stage := &Stage{Store: s, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	stage.Now = func() time.Time { return time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC) }
	db := rawDB(b, e)
	var took []time.Duration
	var memory, slowest []float64
	var matches int
	for range benchRounds {
		clearLedger(b, db, e)
		debug.FreeOSMemory()
		idle := residentMB()
		peak := watchPeak()
		wait := func() float64 { return 0 }
		if e.Name == "sqlite" {
			wait = signUps(b, s)
		}
		start := time.Now()
		r, err := stage.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		slowest = append(slowest, wait())
		memory = append(memory, peak()-idle)
		if matches = r.Matches; r.Events != benchEvents {
			b.Errorf("%d events, want %d", r.Events, benchEvents)
		}
	}
	ours := median(took)
	b.Logf("%s: %d versions, %d events, %d matches; %v, median %v; MB above idle %.0f; slowest sign-up ms %.0f", e.Name, benchCircles, benchEvents, matches, took, ours, memory, slowest)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(matches), "matches")
	b.ReportMetric(ours.Seconds(), "s")
	b.ReportMetric(slices.Max(memory), "MB-above-idle")
	if e.Name == "sqlite" {
		b.ReportMetric(slices.Max(slowest), "ms-slowest-sign-up")
	}
	if e.Name == "postgres" {
		s.Close()
		benchInsertSelect(b, e, ours, matches)
	}
}

// benchInsertSelect has PostGIS write the ledger.
func benchInsertSelect(b *testing.B, e storetest.Engine, ours time.Duration, matches int) {
	db, err := pgx.Connect(b.Context(), e.DSN)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	if _, err := db.Exec(b.Context(), `CREATE EXTENSION postgis`); err != nil {
		b.Logf("no comparison: %v", err)
		return
	}
	loadPostGIS(b, db, newCase(b))
	var took []time.Duration
	for range benchRounds {
		clearLedger(b, rawDB(b, e), e)
		start := time.Now()
		tag, err := db.Exec(b.Context(), `INSERT INTO match (version_id, seq, recipient_id, closes)
			SELECT c.id, e.seq, c.recipient_id, '2026-06-01' FROM bench_circle c JOIN bench_event e ON ST_DWithin(e.place, c.place, c.radius) ON CONFLICT DO NOTHING`)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		if n := int(tag.RowsAffected()); n-matches > 5 || matches-n > 5 {
			b.Errorf("PostGIS wrote %d rows, the pass %d", n, matches)
		}
	}
	theirs := median(took)
	b.Logf("PostGIS INSERT … SELECT: %v, median %v, %.2f times as long", took, theirs, float64(theirs)/float64(ours))
	b.ReportMetric(theirs.Seconds(), "postgis-s")
	b.ReportMetric(float64(theirs)/float64(ours), "x-postgis")
}

func rawDB(b *testing.B, e storetest.Engine) *sql.DB {
	b.Helper()
	driver, dsn := "pgx", e.DSN
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+file+"?_pragma=busy_timeout(60000)&_txlock=immediate"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// clearLedger takes the world back to before the pass.
func clearLedger(b *testing.B, db *sql.DB, e storetest.Engine) {
	b.Helper()
	statements := []string{`DELETE FROM match`, `UPDATE watermark SET position = 0, claimed = 0, lease_until = 0`, `PRAGMA wal_checkpoint(TRUNCATE)`}
	if e.Name == "postgres" {
		statements = []string{`TRUNCATE match`, statements[1], `CHECKPOINT`}
	}
	for _, s := range statements {
		if _, err := db.ExecContext(b.Context(), s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

// fillStore writes the case into a store's tables as sign-ups and ingest would
// have, only faster.
func fillStore(b *testing.B, e storetest.Engine, c *benchCase) {
	b.Helper()
	s, err := store.Open(b.Context(), e.DSN)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	type scope struct {
		key     string
		version int64
	}
	var scopes []scope
	for i := range c.versions {
		keys, err := c.versions[i].ScopeKeys()
		if err != nil {
			b.Fatal(err)
		}
		for _, k := range keys {
			scopes = append(scopes, scope{k, c.versions[i].ID})
		}
	}
	slices.SortFunc(scopes, func(a, b scope) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.version, b.version))
	})
	asText := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		return string(text)
	}
	tables := []struct {
		name    string
		columns []string
		n       int
		row     func(i int) []any
	}{
		{"authority", []string{"slug", "name"}, 1, func(int) []any { return []any{"camden", "Camden"} }},
		{"application", []string{"id", "authority", "reference", "version", "first_seen", "updated_at", "listed", "details"}, len(c.events), func(i int) []any {
			e := &c.events[i]
			return []any{e.ApplicationID, "camden", e.After.Reference, 1, 1, 1, "2026-05-01", asText(&e.After)}
		}},
		{"event", []string{"id", "seq", "application_id", "version", "type", "state", "at", "run_id", "after"}, len(c.events), func(i int) []any {
			e := &c.events[i]
			return []any{e.ID, e.Seq, e.ApplicationID, 1, string(e.Type), string(e.State), e.At, e.RunID, asText(&e.After)}
		}},
		{"recipient", []string{"id", "kind", "address", "address_key", "state", "created_at"}, len(c.versions), func(i int) []any {
			id := c.versions[i].RecipientID
			return []any{id, "subscriber", fmt.Sprintf("resident%d@example.org", id), fmt.Sprintf("key%08d", id), "active", 1}
		}},
		{"subscription", []string{"id", "recipient_id", "state", "created_at", "version_id"}, len(c.versions), func(i int) []any {
			v := &c.versions[i]
			return []any{v.SubscriptionID, v.RecipientID, "active", 1, v.ID}
		}},
		{"subscription_version", []string{"id", "subscription_id", "recipient_id", "from_seq", "to_seq", "created_at", "cadence", "area", "lon", "lat", "radius", "label"},
			len(c.versions), func(i int) []any {
				v := &c.versions[i]
				return []any{v.ID, v.SubscriptionID, v.RecipientID, v.From, v.To, 1, string(v.Cadence), string(v.Area.Kind), v.Area.Centre.Lon, v.Area.Centre.Lat, v.Area.Radius, "NW1 8NH"}
			}},
		{"subscription_scope", []string{"key", "version_id"}, len(scopes), func(i int) []any { return []any{scopes[i].key, scopes[i].version} }},
	}
	if e.Name == "postgres" {
		db, err := pgx.Connect(b.Context(), e.DSN)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close(b.Context())
		for _, t := range tables {
			copyRows(b, db, t.name, t.columns, t.n, t.row)
		}
		for _, query := range []string{`SELECT setval(pg_get_serial_sequence('recipient', 'id'), 1000000)`, `SELECT setval(pg_get_serial_sequence('subscription', 'id'), 1000000)`,
			`SELECT setval(pg_get_serial_sequence('subscription_version', 'id'), 1000000)`, `UPDATE counter SET value = 2000 WHERE name = 'event'`, `VACUUM ANALYZE`} {
			if _, err := db.Exec(b.Context(), query); err != nil {
				b.Fatalf("%s: %v", query, err)
			}
		}
		durable(b, db)
		return
	}
	db := rawDB(b, e)
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		b.Helper()
		if _, err := db.ExecContext(b.Context(), query, args...); err != nil {
			b.Fatalf("%s: %v", query, err)
		}
	}
	exec(`PRAGMA synchronous = OFF`)
	exec(`PRAGMA cache_size = -400000`)
	for _, t := range tables {
		tx, err := db.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		marks := make([]string, len(t.columns))
		for i := range marks {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		insert, err := tx.PrepareContext(b.Context(), `INSERT INTO `+t.name+` (`+strings.Join(t.columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`)
		if err != nil {
			b.Fatal(err)
		}
		for i := range t.n {
			if _, err := insert.ExecContext(b.Context(), t.row(i)...); err != nil {
				b.Fatalf("fill %s: %v", t.name, err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	exec(`UPDATE counter SET value = 2000 WHERE name = 'event'`)
	exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	db.Close()
}

// residentMB is the memory that the process has from the system now.
func residentMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		var m runtime.MemStats // elsewhere: the heap alone
		runtime.ReadMemStats(&m)
		return float64(m.HeapInuse) / 1e6
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

// watchPeak samples the memory until it is asked for the peak.
func watchPeak() (peak func() float64) {
	done, result := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			most = max(most, residentMB())
			select {
			case <-tick.C:
			case <-done:
				result <- most
				return
			}
		}
	}()
	return func() float64 { close(done); return <-result }
}

var signedUp int

// signUps has somebody sign up every 50 ms until it is asked how many
// milliseconds the slowest of them waited.
func signUps(b *testing.B, s *store.Store) (slowest func() float64) {
	done, result := make(chan struct{}), make(chan float64)
	many := alerts.Limits{SignUpsPerClientHour: 1e6, ConfirmationsPerDay: 1e6, ConfirmationsPerMonth: 1e6}
	go func() {
		most := 0.0
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-tick.C:
			case <-done:
				result <- most
				return
			}
			signedUp++
			address := fmt.Sprintf("newcomer%d@example.org", signedUp)
			start := time.Now()
			err := s.Subscribe(b.Context(), alerts.SignUp{Address: address, Client: "bench", Cadence: alerts.Daily,
				Area: alerts.Area{Kind: alerts.AreaCircle, Centre: geo.Point{Lon: -0.14, Lat: 51.54}, Radius: 500}},
				[]string{"key of " + address}, many, start, func(l alerts.Letter) (alerts.Delivery, error) { return alerts.Delivery{MessageID: l.Secret}, nil })
			if err != nil {
				b.Error(err)
			}
			most = max(most, float64(time.Since(start).Microseconds())/1000)
		}
	}()
	return func() float64 { close(done); return <-result }
}
