package feed_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

const plainXML = `
format: xml
records: case
columns: {reference: number, description: proposal, address: "site/street , site/town", received: dates/@received, url: link/@href, lon: point/x, lat: point/y}
`

func TestXMLOfRealExportersIsRead(t *testing.T) {
	const body = `<case><Number>26/1</Number><proposal>A &amp; B &nbsp; café</proposal><site><street>1 High St</street><town>York</town></site>` +
		`<dates received="2026-02-01"/><link rel="self" href="https://example.org/1"/><point><x>-1.08</x><y>53.96</y></point></case>`
	for name, text := range map[string]string{
		"plain":                          `<?xml version="1.0"?><NewDataSet>` + body + `</NewDataSet>`,
		"a namespace":                    `<d:set xmlns:d="urn:x">` + strings.ReplaceAll(strings.ReplaceAll(body, "<", "<d:"), "<d:/", "</d:") + `</d:set>`,
		"deeper":                         `<a><b><c>` + body + `</c></b></a>`,
		"control characters":             "<set>" + strings.Replace(body, "A &amp; B", "A &amp;\x12 &#x1;&#18;B", 1) + "</set>",
		"the closing tag is cut off":     `<set>` + body + `</se`,
		"the closing tag is missing":     `<set>` + body,
		"the closing tag is another one": `<set>` + body + `</sets>`,
		"Windows":                        `<?xml version="1.0" encoding="windows-1252"?><set>` + strings.ReplaceAll(body, "é", "\xe9") + `</set>`,
		"a byte order mark":              "\xef\xbb\xbf<set>" + body + "</set>",
	} {
		rows, err := read(t, declare(t, plainXML), []byte(text))
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %d rows (%v)", name, len(rows), err)
			continue
		}
		d := rows[0].Record.Details
		if d.Reference != "26/1" || d.Description != "A & B café" || d.Address != "1 High St, York" || d.Received != "2026-02-01" || d.URL != "https://example.org/1" || !d.Site.Located() {
			t.Errorf("%s: %+v %v", name, d, rows[0].Faults)
		}
	}
	for name, text := range map[string]string{
		"cut off within a record": `<set>` + body + body[:60],
		"no XML":                  `{"cases": []}`,
		"no records":              `<set><other/></set>`,
	} {
		_, err := read(t, declare(t, plainXML), []byte(text))
		var b *feed.BrokenError
		if !errors.As(err, &b) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGeoRSSHasLatitudeFirst(t *testing.T) {
	d := sample(t, "georss")
	rss := `<rss xmlns:georss="http://www.georss.org/georss"><channel><title>Planning</title><item><title>1 High Street</title><guid isPermaLink="false">26/1</guid>` +
		`<link>https://example.org/1</link><description>A house</description><pubDate>Sun, 01 Feb 2026 09:00:00 +0000</pubDate><georss:point>53.96 -1.08</georss:point></item></channel></rss>`
	atom := `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:georss="http://www.georss.org/georss"><entry><id>26/1</id><title>1 High Street</title><summary>A house</summary>` +
		`<link href="https://example.org/1"/><updated>2026-02-01T09:00:00Z</updated><georss:point>53.96 -1.08</georss:point></entry></feed>`
	for adapter, text := range map[string]string{"rss": rss, "atom": atom} {
		n := 0
		err := d.Read(adapter, strings.NewReader(text), func(row feed.Row) error {
			n++
			if d := row.Record.Details; d.Reference != "26/1" || d.Received != "2026-02-01" || d.Site.Lat != 53.96 || d.Site.Lon != -1.08 || d.URL != "https://example.org/1" || len(row.Faults) > 0 {
				t.Errorf("%s: %+v", adapter, row)
			}
			return nil
		})
		if err != nil || n != 1 {
			t.Errorf("%s: %d (%v)", adapter, n, err)
		}
	}
}

func TestAWorkbookIsRead(t *testing.T) {
	book := excelize.NewFile()
	date := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for i, row := range [][]any{{"Village Council"}, {"Ref", "Proposal", "Received", "X", "Y"}, {"26/1", "A house", date, 460000, 452000}, {}, {"26/2", "No date"}} {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	d := declare(t, "format: xlsx\ncolumns: {reference: ref, description: proposal, received: received, x: x, y: y}\ndates: {default: excel}\n")
	rows, err := read(t, d, b.Bytes())
	if err != nil || len(rows) != 2 || rows[0].Record.Details.Received != "2026-02-01" || !rows[0].Record.Details.Site.Located() || rows[0].Line != 3 || rows[1].Record.Details.Reference != "26/2" {
		t.Errorf("%+v (%v)", rows, err)
	}
	if _, err := read(t, d, []byte("PK\x03\x04 this is no workbook")); err == nil {
		t.Error("a broken workbook is read without a word")
	}
}

func TestColumnsAreChosenAndJoined(t *testing.T) {
	d := declare(t, "format: csv\ncolumns: {reference: \"PA Ref | REFVAL | No\", address: \"number + street , town , postcode?\", description: \"what? | title?\"}\n")
	rows, err := read(t, d, []byte("No,number,street,town,title\n1,7,High Street,York,A house\n2,,,York,A shed\n"))
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	if a, b := rows[0].Record.Details, rows[1].Record.Details; a.Address != "7 High Street, York" || b.Address != "York" || a.Description != "A house" || a.Reference != "1" {
		t.Errorf("%+v %+v", a, b)
	}
	if _, err := read(t, d, []byte("No,street,town,title\n1,High Street,York,A house\n")); err == nil || !strings.Contains(err.Error(), "number") {
		t.Errorf("a column that is needed is missing: %v", err)
	}
}

func TestCodesMayHavePatterns(t *testing.T) {
	d, err := feed.Parse([]byte("feed: v\nauthority: {slug: v, name: V}\nadapters: [{name: a, format: csv, columns: {reference: ref, kind: kind, decision: decision}}]\n" +
		"codes:\n  kind: {'Full*': full, 'Full* listed*': listed_building, '*': other, Fullers: telecoms}\n  decision: {'*refused*': refused, WDN: withdrawn}\n"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := read(t, d, []byte("ref,kind,decision\n1,full planning,Application REFUSED today\n2,Full and Listed building,\n3,fullers,\n4,Trees,wdn\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []alerts.Kind{alerts.KindFull, alerts.KindListed, alerts.KindTelecoms, alerts.KindOther} {
		if got := rows[i].Record.Details.Kind; got != want {
			t.Errorf("row %d is %s, want %s", i+1, got, want)
		}
	}
	if rows[0].Record.Details.Decision != alerts.DecisionRefused || !rows[3].Record.Details.IsWithdrawn() || rows[3].Record.Details.IsDecided() {
		t.Errorf("%+v", rows)
	}
}

func TestALastRowThatCountsTheOthersIsChecked(t *testing.T) {
	d := declare(t, "format: csv\ncolumns: {description: what, reference: ref}\n")
	for file, want := range map[string]string{
		"what,ref\nA,1\nB,2\n,2\n":     "",
		"what,ref\nA,1\nB,2\n,3\n":     "3 rows, but 2",
		"what,ref\nA,1\n,7\nB,2\n,3\n": "", // seven is a reference: it is not the last row
	} {
		rows, err := read(t, d, []byte(file))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d rows, %v", file, len(rows), err)
		}
	}
}

// A register of a million rows is read in the memory of one: nothing of it is kept.
func TestAMillionRowsAreReadInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const rows = 1_000_000
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, header)
		for i := range rows {
			if _, err := fmt.Fprintf(w, "%d,\"Erection of a single-storey rear extension, number %d\",%d High Street,2026-02-01,REG,,HSE,-0.14,51.54,,,\n", i, i, i); err != nil {
				return
			}
		}
		w.Close()
	}()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	err := declare(t, plainCSV).Read("", r, func(row feed.Row) error {
		if n++; n%100_000 == 0 {
			runtime.ReadMemStats(&after)
			most = max(most, after.HeapInuse)
		}
		return nil
	})
	if err != nil || n != rows {
		t.Fatal(n, err)
	}
	if used := int64(most) - int64(before.HeapInuse); used > 50<<20 {
		t.Errorf("%d MB are held", used>>20)
	}
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(`<set><case><number>1</number><point><x>1</x></point></case></set>`))
	f.Add([]byte("<a>&#x12;<case a='1'><number/></case>"))
	fuzzRead(f, plainXML)
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("- number: '1'\n  proposal: a house\n- &a {number: 2}\n- *a\n"))
	fuzzRead(f, "format: yaml\ncolumns: {reference: number, description: proposal}\n")
}

func FuzzTables(f *testing.F) {
	files := map[string]io.Reader{"planning-application.csv": strings.NewReader("reference,name,description,application-types,site,received-date,officer-name,development-scale,withdrawn-date,documentation-url\n1,a,b,full,s,2026-01-01,,,,\n"),
		"site.csv": strings.NewReader("reference,address-text,postcode,geometry\ns,x,y,\n"), "decision-notice.csv": strings.NewReader("planning-application,decision,decision-date,decision-maker\n1,granted,2026-01-02,\n"),
		"planning-permission-timeline.csv": strings.NewReader("planning-application,permission-process-event,event-date\n1,valid-from,2026-01-01\n")}
	whole, err := io.ReadAll(archive(f, files))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	d := sample(f, "specification")
	f.Fuzz(func(t *testing.T, source []byte) { sound(t, d, source) })
}

func FuzzXLSX(f *testing.F) {
	book := excelize.NewFile()
	book.SetSheetRow("Sheet1", "A1", &[]any{"ref", "proposal"})
	book.SetSheetRow("Sheet1", "A2", &[]any{"1", "a house"})
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	fuzzRead(f, "format: xlsx\ncolumns: {reference: ref, description: proposal}\n")
}
