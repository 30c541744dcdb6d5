//go:build unix

package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A register of a large council, with change detection: rows that are new, and then
// the same rows again. Besides the rows a second it gives the time that the process
// used on both cores for one row, which other work on the machine disturbs less.
func BenchmarkIngest(b *testing.B) {
	const rows = 50_000
	for _, source := range []struct {
		name, declaration string
		read              func(rows int) func(w *world) alerts.Run
	}{
		{"csv", village, fromFile("village", csvRegister)},
		{"geojson", hamlet, fromFile("hamlet", geoJSONRegister)},
		{"london", londonDeclaration(b), fromPages(2_000)},
	} {
		for _, e := range storetest.Engines(b) {
			b.Run(source.name+"/"+e.Name, func(b *testing.B) {
				w := newWorld(b, e.DSN, source.declaration)
				read := source.read(rows)
				var fresh, same timer
				for range b.N {
					for _, query := range []string{"DELETE FROM record", "DELETE FROM alias", "DELETE FROM application", "DELETE FROM event", "DELETE FROM run", "UPDATE feed SET last_complete = 0"} {
						if _, err := w.db.Exec(query); err != nil {
							b.Fatal(err)
						}
					}
					w.again()
					if run := fresh.time(func() alerts.Run { return read(w) }); run.New != rows || run.Verdict != alerts.VerdictComplete {
						b.Fatal(run)
					}
					if run := same.time(func() alerts.Run { return read(w) }); run.Unchanged != rows || run.Verdict != alerts.VerdictComplete {
						b.Fatal(run)
					}
				}
				fresh.report(b, "new", rows)
				same.report(b, "unchanged", rows)
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// A timer adds up how long imports took, and how much of the processors' time.
type timer struct{ wall, cpu time.Duration }

func (t *timer) time(read func() alerts.Run) alerts.Run {
	start, used := time.Now(), processorTime()
	run := read()
	t.wall, t.cpu = t.wall+time.Since(start), t.cpu+processorTime()-used
	return run
}

func (t *timer) report(b *testing.B, what string, rows int) {
	n := float64(b.N * rows)
	b.ReportMetric(n/t.wall.Seconds(), what+"-rows/s")
	b.ReportMetric(float64(t.cpu.Microseconds())/n, what+"-cpu-µs/row")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fromFile(adapter string, register func(rows int) []byte) func(rows int) func(*world) alerts.Run {
	return func(rows int) func(*world) alerts.Run {
		text := register(rows)
		return func(w *world) alerts.Run { return w.read(adapter, bytes.NewReader(text)) }
	}
}

func proposal(i int) string {
	return fmt.Sprintf("Erection of a single-storey rear extension, loft conversion with a dormer, and works to the boundary wall of number %d", i)
}

func csvRegister(rows int) []byte {
	var b bytes.Buffer
	b.WriteString(villageHeader)
	for i := range rows {
		fmt.Fprintf(&b, "K%d,26/%05d/FUL,\"%s\",REG,,2026-01-%02d,,%.6f,%.6f,\"%d High Street, Village, YO1 %dAA\"\n",
			i, i, proposal(i), i%28+1, -1.2+float64(i%1000)/5000, 53.9+float64(i/1000)/500, i, i%10)
	}
	return b.Bytes()
}

// hamlet gives the features of a map server.
const hamlet = `
feed: hamlet
authority: {slug: hamlet, name: Hamlet Council}
adapters:
  - name: hamlet
    format: geojson
    columns: {source_key: OBJECTID, reference: REFVAL, description: PROPOSAL, status: DCSTAT, received: DATEAPRECV, address: ADDRESS}
    dates: {default: epoch-ms}
codes:
  status: {REG: received}
`

func geoJSONRegister(rows int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type": "FeatureCollection", "features": [`)
	for i := range rows {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `{"type":"Feature","id":%d,"geometry":{"type":"Point","coordinates":[%.6f,%.6f]},"properties":{"OBJECTID":%d,"REFVAL":"26/%05d/FUL","PROPOSAL":"%s","DCSTAT":"REG","DATEAPRECV":%d,"ADDRESS":"%d High Street, Hamlet, YO1 %dAA"}}`,
			i, -1.2+float64(i%1000)/5000, 53.9+float64(i/1000)/500, i, i, proposal(i), 1_767_225_600_000+int64(i%28)*86_400_000, i, i%10)
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

// londonDeclaration is the preset, without the pace that the real server asks for.
func londonDeclaration(b *testing.B) string {
	text, ok := feed.Preset("london")
	if !ok {
		b.Fatal("there is no preset for London")
	}
	return strings.Replace(string(text), "pace: 1s, ", "", 1)
}

// londonPages are the answers of the Planning London Datahub to a search that names
// its columns. Five sites in six have a
// boundary, the others a point.
func londonPages(rows, size int) []string {
	boroughs := []string{"Camden", "Islington", "Hackney", "Westminster", "Southwark"}
	var pages []string
	for at := 0; ; at += size {
		hits := []map[string]any{}
		for i := at; i < min(at+size, rows); i++ {
			borough := boroughs[i%len(boroughs)]
			lon, lat := -0.2+float64(i%1000)/5000, 51.45+float64(i/1000)/500
			d := map[string]any{"id": fmt.Sprintf("%s-26_%05d_FUL", borough, i), "lpa_name": borough, "lpa_app_no": fmt.Sprintf("26/%05d/FUL", i),
				"site_number": fmt.Sprint(i % 300), "site_name": nil, "street_name": "High Street", "secondary_street_name": nil, "locality": "London", "postcode": "NW1 0AA",
				"uprn": fmt.Sprint(5_000_000 + i), "description": proposal(i), "application_type": "All Other", "application_type_full": "Householder planning permission",
				"development_type": "Minor dwellings", "status": "Application Under Consideration", "decision": nil, "decision_process": "Delegated", "valid_date": fmt.Sprintf("%02d/01/2026", i%28+1),
				"last_date_consultation_comments": "20/02/2026", "decision_target_date": "31/03/2026", "decision_date": nil, "appeal_start_date": nil, "appeal_decision": nil, "appeal_decision_date": nil,
				"url_planning_app": fmt.Sprintf("https://planning.example.org/details?AppNo=26/%05d/FUL", i), "centroid": map[string]any{"lon": lon, "lat": lat}, "last_updated": "2026-02-01T09:51:30.853Z"}
			if i%6 != 0 {
				var ring [][]float64
				for _, at := range [][2]float64{{0, 0}, {70, 30}, {120, -10}, {60, -40}, {50, -35}, {55, -30}, {40, -10}, {20, -25}, {1, -1}, {0, 0}} {
					ring = append(ring, []float64{lon + at[0]*1e-6, lat + at[1]*1e-6})
				}
				d["wgs84_polygon"] = map[string]any{"type": "Polygon", "coordinates": [][][]float64{ring}}
			}
			hits = append(hits, map[string]any{"_index": "applications", "_id": d["id"], "_score": nil, "_source": d})
		}
		page, err := json.Marshal(map[string]any{"_scroll_id": "next", "timed_out": false, "_shards": map[string]any{"failed": 0},
			"hits": map[string]any{"total": map[string]any{"value": rows, "relation": "eq"}, "hits": hits}})
		if err != nil {
			panic(err)
		}
		if pages = append(pages, string(page)); len(hits) == 0 {
			return pages
		}
	}
}

// A pageSource answers with its pages, one after another.
type pageSource struct {
	pages []string
	next  int
}

func (s *pageSource) Open(context.Context, feed.Request, ingest.Answer) (ingest.Answer, error) {
	s.next++
	return ingest.Answer{Body: io.NopCloser(strings.NewReader(s.pages[s.next-1]))}, nil
}

func fromPages(size int) func(rows int) func(*world) alerts.Run {
	return func(rows int) func(*world) alerts.Run {
		pages := londonPages(rows, size)
		return func(w *world) alerts.Run {
			w.stage.Source = &pageSource{pages: pages}
			run, err := w.stage.Fetch(w.t.Context(), w.feed)
			if err != nil {
				w.t.Fatal(err)
			}
			return run
		}
	}
}
