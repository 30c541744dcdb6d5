package ingest_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A register of a large council, with change detection: rows that are new, and then
// the same rows again.
func BenchmarkIngest(b *testing.B) {
	const rows = 50_000
	var register bytes.Buffer
	register.WriteString(villageHeader)
	for i := range rows {
		fmt.Fprintf(&register, "K%d,26/%05d/FUL,\"Erection of a single-storey rear extension, loft conversion with a dormer, and works to the boundary wall of number %d\",REG,,2026-01-%02d,,%.6f,%.6f,\"%d High Street, Village, YO1 %dAA\"\n",
			i, i, i, i%28+1, -1.2+float64(i%1000)/5000, 53.9+float64(i/1000)/500, i, i%10)
	}
	for _, e := range storetest.Engines(b) {
		b.Run(e.Name, func(b *testing.B) {
			w := newWorld(b, e.DSN, village)
			var fresh, same time.Duration
			for range b.N {
				for _, table := range []string{"record", "alias", "application", "event", "run"} {
					if _, err := w.db.Exec("DELETE FROM " + table); err != nil {
						b.Fatal(err)
					}
				}
				start := time.Now()
				if run := w.read("village", bytes.NewReader(register.Bytes())); run.New != rows {
					b.Fatal(run)
				}
				middle := time.Now()
				if run := w.read("village", bytes.NewReader(register.Bytes())); run.Unchanged != rows || run.Verdict != alerts.VerdictComplete {
					b.Fatal(run)
				}
				fresh, same = fresh+middle.Sub(start), same+time.Since(middle)
			}
			b.ReportMetric(float64(b.N*rows)/fresh.Seconds(), "new-rows/s")
			b.ReportMetric(float64(b.N*rows)/same.Seconds(), "unchanged-rows/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
