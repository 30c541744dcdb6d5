package feed_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

func declared(t *testing.T, format, more string) *feed.Declaration {
	t.Helper()
	d, err := feed.Parse([]byte("feed: village\nauthority: {slug: village, name: Village}\nadapters: [{name: a, format: " + format + more + ", columns: {reference: ref, description: what}}]"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// repeating is a byte without end.
type repeating byte

func (r repeating) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// A quotation, a text or a bracket that is never closed ends the reading before it
// fills the memory, also where a few compressed bytes stand for it.
func TestARecordWithoutEndIsGivenUp(t *testing.T) {
	for _, c := range []struct{ format, more, start string }{
		{"csv", "", "ref,what\n26/1,A house\n26/2,\""},
		{"json", "", `[{"ref":"26/1","what":"A house"},{"ref":"26/2","what":"`},
		{"geojson", "", `{"type":"FeatureCollection","features":[{"properties":{"ref":"26/1","what":"A house"}},{"properties":{"ref":"`},
		{"xml", ", records: r", "<a><r><ref>26/1</ref><what>A house</what></r><r><ref>"},
	} {
		for _, packed := range []bool{false, true} {
			source := io.MultiReader(strings.NewReader(c.start), io.LimitReader(repeating('x'), 256<<20))
			if packed {
				r, w := io.Pipe()
				plain := source
				go func() {
					z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
					_, err := io.Copy(z, plain)
					z.Close()
					w.CloseWithError(err)
				}()
				defer r.Close()
				source = r
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			report, err := declared(t, c.format, c.more).Check("", source)
			runtime.ReadMemStats(&after)
			if err != nil || report.Good != 1 || !strings.Contains(report.Broken, "longer than 8 MB") {
				t.Errorf("%s, packed %t: %v %+v", c.format, packed, err, report)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 200<<20 {
				t.Errorf("%s, packed %t: %d MB were asked for", c.format, packed, used>>20)
			}
		}
	}
}

// A row that is as long as a real outline can be is none of those.
func TestALongOutlineIsARecord(t *testing.T) {
	outline := strings.Repeat("-1.0812345 53.9612345, ", 100_000)
	report, err := declared(t, "csv", "").Check("", strings.NewReader("ref,what,outline\n26/1,A house,\"POLYGON (("+outline+"))\"\n26/2,A shed,\n"))
	if err != nil || report.Good != 2 || report.Broken != "" {
		t.Errorf("%v %+v", err, report)
	}
}

// In London's data the point of one case is 503 metres from its own outline. The
// outline counts, and the report says so.
func TestAPointFarFromItsOutlineIsReported(t *testing.T) {
	p, err := feed.Propose(sampleFile(t, "london-pld/Camden-2025_0225_P.json"), alerts.Proposal{})
	if err != nil {
		t.Fatal(err)
	}
	one := try(t, p, sampleFile(t, "london-pld/Camden-2025_0225_P.json"))
	if one.Good != 1 || one.Boundaries != 1 || one.Astray != 1 {
		t.Errorf("%+v", one)
	}
}

// Whatever stands in a cell, a spreadsheet runs nothing of the rows to mend.
func TestRowsToMendRunNothing(t *testing.T) {
	d := declared(t, "csv", "")
	cells := []string{"=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "=cmd|' /C calc'!A0", "-5", "+44 1904 551550"}
	var file bytes.Buffer
	in := csv.NewWriter(&file)
	in.Write([]string{"=ref", "ref", "what"})
	for _, c := range cells {
		in.Write([]string{c, "", c}) // without a reference
	}
	in.Flush()
	var out bytes.Buffer
	if err := d.Fixes("", &file, &out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != len(cells)+1 {
		t.Fatalf("%v %q", err, rows)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) && cell != "-5" {
				t.Errorf("the cell %q begins a formula", cell)
			}
		}
	}
}
