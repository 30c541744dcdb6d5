//go:build unix

package web_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web"
)

// crowd stores applications as a country has them: one in twenty-five in a single
// cell of a great city, where two councils meet, the others all over the place.
func crowd(b *testing.B, db *sql.DB, engine string, n int) {
	b.Helper()
	exec := func(query string, args ...any) {
		b.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			b.Fatalf("%s: %v", query, err)
		}
	}
	for _, slug := range []string{"camden", "islington", "village"} {
		exec(`INSERT INTO authority (slug, name, district) VALUES ($1, $2, $3)`, slug, slug, slug)
		exec(`INSERT INTO feed (slug, authority, declaration, last_complete) VALUES ($1, $2, '', 1)`, slug, slug)
	}
	exec(`INSERT INTO feed_authority (feed_id, authority) SELECT id, authority FROM feed`)
	series, divide, day, floor := `WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < $1)`, `/`, `date('2026-11-23', '-' || (n % 3650) || ' days')`, `CAST(%s AS INTEGER)`
	if engine == "postgres" {
		series, day, floor = `WITH series (n) AS (SELECT generate_series(1, CAST($1 AS BIGINT)))`, `to_char(DATE '2026-11-23' - CAST(n % 3650 AS INTEGER), 'YYYY-MM-DD')`, `CAST(floor(%s) AS BIGINT)`
	}
	whole := func(x string) string { return fmt.Sprintf(floor, x) }
	exec(`INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, cell, lon, lat, details)
		`+series+`, placed AS (SELECT n, CASE WHEN n % 25 = 0 THEN -0.16 + 0.08 * (n * 7919 % 100003) `+divide+` 100003.0 ELSE -5 + 6.5 * (n * 7919 % 100003) `+divide+` 100003.0 END AS lon,
			CASE WHEN n % 25 = 0 THEN 51.50 + 0.05 * (n * 104729 % 99991) `+divide+` 99991.0 ELSE 50.2 + 5 * (n * 104729 % 99991) `+divide+` 99991.0 END AS lat FROM series)
		SELECT CASE WHEN n % 25 <> 0 THEN 'village' WHEN lon < -0.12 THEN 'camden' ELSE 'islington' END, 'X/' || n, 1, 0, 0, `+day+`,
			`+whole(`(lat + 90) / 0.05`)+` * 10000 - 18000000 + `+whole(`(lon + 180) / 0.08`)+` - 2250, lon, lat,
			'{"reference":"X/' || n || '","address":"' || (n % 200) || ' High Street","description":"' || CASE n % 4 WHEN 0 THEN 'Basement' WHEN 1 THEN 'Loft' WHEN 2 THEN 'Shop front' ELSE 'Extension' END || ' number ' || n
				|| '","kind":"' || CASE n % 50 WHEN 0 THEN 'listed_building' ELSE 'householder' END || '","status":"pending","received":"' || `+day+` || '","site":{"lon":' || lon || ',"lat":' || lat || ',"method":"point","uncertainty":10}}'
		FROM placed`, n)
	if engine == "postgres" {
		exec(`ANALYZE application`)
	}
}

// cpu is the time that this process has worked, which a busy machine does not change.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The page of an area must stay quick with a million applications stored, also in the
// middle of a great city and narrowed to what is rare.
func BenchmarkAreaPage(b *testing.B) {
	rows := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("BENCH_APPLICATIONS")); err == nil {
		rows = n
	}
	for _, e := range storetest.Engines(b) {
		b.Run(e.Name, func(b *testing.B) {
			db, err := store.Open(b.Context(), e.DSN)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			crowd(b, e.DB(b), e.Name, rows)
			keys, err := alerts.ParseKeys(alerts.NewKeys())
			if err != nil {
				b.Fatal(err)
			}
			now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
			server := &web.Server{Store: db, Keys: keys, Limits: alerts.DefaultLimits, BaseURL: "http://localhost", AnyHost: true,
				Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
			pages := server.Handler()
			for _, c := range []struct{ name, query string }{
				{"city", "radius=500"},
				{"city-2km", "radius=2000"},
				{"city-narrowed", "radius=2000&kind=listed"},
				{"city-old", "radius=500&after=2017-01-01.1"},
				{"country", "radius=2000&lat=52.5&lon=-2"},
			} {
				b.Run(c.name, func(b *testing.B) {
					var took []time.Duration
					before := cpu()
					for i := 0; b.Loop(); i++ {
						query := c.query
						if c.name != "country" { // another place each time
							query += fmt.Sprintf("&lat=%.4f&lon=%.4f", 51.51+float64(i*37%300)/10_000, -0.15+float64(i*53%600)/10_000)
						}
						w := httptest.NewRecorder()
						start := time.Now()
						pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/near?"+query, nil))
						took = append(took, time.Since(start))
						if w.Code != http.StatusOK {
							b.Fatalf("%s: %d\n%s", query, w.Code, w.Body)
						}
					}
					used := cpu() - before // of this process: of PostgreSQL only what asks it
					slices.Sort(took)
					at := func(p float64) float64 { return float64(took[int(p*float64(len(took)-1))].Microseconds()) / 1000 }
					b.ReportMetric(at(.5), "p50-ms")
					b.ReportMetric(at(.99), "p99-ms")
					b.ReportMetric(float64(used.Microseconds())/1000/float64(len(took)), "cpu-ms/page")
					b.ReportMetric(0, "ns/op")
				})
			}
		})
	}
}
