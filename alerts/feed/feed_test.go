package feed_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

// declare makes a declaration of one adapter from its lines.
func declare(t testing.TB, adapter string) *feed.Declaration {
	t.Helper()
	d, err := feed.Parse([]byte("feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - name: a\n    " +
		strings.ReplaceAll(strings.TrimSpace(adapter), "\n", "\n    ") + "\ncodes:\n  status: {REG: received, 'Dec*': decided, GRA: decided approved}\n  decision: {REFUSE: refused, NFA: none}\n  kind: {HSE: householder}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const plainCSV = `
format: csv
columns: {reference: ref, description: what, address: where, received: got, status: state, decision: result, kind: type, lon: lon, lat: lat, easting: x, northing: y, boundary: shape}
`

// read returns all rows of a source.
func read(t testing.TB, d *feed.Declaration, source []byte) (rows []feed.Row, err error) {
	t.Helper()
	err = d.Read("", bytes.NewReader(source), func(r feed.Row) error { rows = append(rows, r); return nil })
	return rows, err
}

const header = "ref,what,where,got,state,result,type,lon,lat,x,y,shape\n"

func TestEncodingsAndLineEndsDoNotMatter(t *testing.T) {
	text := header + "1,\"Café, with\n \"\"al fresco\"\" seats\",1 Rue,2026-02-01,,,,,,,,\n2,Tree,2 Rue,2026-02-02,,,,,,,,\n"
	with := func(e interface{ String(string) (string, error) }, s string) []byte {
		out, err := e.String(s)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(out)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(text))
	z.Close()
	for name, c := range map[string]struct {
		encoding string
		source   []byte
	}{
		"UTF-8":             {"", []byte(text)},
		"a byte order mark": {"", []byte("\xef\xbb\xbf" + text)},
		"CRLF":              {"", []byte(strings.ReplaceAll(text, "\n", "\r\n"))},
		"CR":                {"", []byte(strings.ReplaceAll(text, "\n", "\r"))},
		"Windows":           {"windows-1252", with(charmap.Windows1252.NewEncoder(), text)},
		"Latin 1":           {"iso-8859-1", with(charmap.ISO8859_1.NewEncoder(), text)},
		"gzip":              {"", zipped.Bytes()},
		"title rows":        {"", []byte("Village Council,,,\nPlanning register,,,\n" + text)},
		"no end of line":    {"", []byte(strings.TrimRight(text, "\n"))},
		"blank rows":        {"", []byte(strings.Replace(text, "\n2,", "\n\n,,,\n2,", 1))},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := read(t, declare(t, "encoding: \""+c.encoding+"\"\n"+strings.TrimSpace(plainCSV)), c.source)
			if err != nil || len(rows) != 2 {
				t.Fatalf("%d rows (%v)", len(rows), err)
			}
			if got := strings.Join(strings.Fields(rows[0].Record.Details.Description), " "); got != `Café, with "al fresco" seats` {
				t.Errorf("%q", got)
			}
			if rows[1].Record.Details.Address != "2 Rue" || rows[1].Record.SourceKey != "2" {
				t.Errorf("%+v", rows[1].Record)
			}
		})
	}
	if _, err := read(t, declare(t, plainCSV), with(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder(), text)); err == nil {
		t.Error("UTF-16 is taken for something else without a word")
	}
}

func TestLinesAreCountedAsAnEditorDoes(t *testing.T) {
	rows, err := read(t, declare(t, plainCSV), []byte(header+"1,\"two\nlines\",,bad,,,,,,,,\n2,,,2026-02-01,,,,,,,,\n3,,,bad,,,,,,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 4, 5} {
		if rows[i].Line != want {
			t.Errorf("row %d is on line %d, want %d", i+1, rows[i].Line, want)
		}
	}
	if f := rows[2].Faults; len(f) != 1 || f[0].Line != 5 || f[0].Column != "got" || f[0].Value != "bad" || f[0].Reason == "" {
		t.Errorf("%+v", f)
	}
}

func TestDatesAreReadInTheirLayoutOnly(t *testing.T) {
	for _, c := range []struct {
		layout, cell string
		want         alerts.Date
	}{
		{"", "2026-02-01", "2026-02-01"},
		{"", "01/02/2026", ""},
		{"02/01/2006", "01/02/2026", "2026-02-01"},
		{"02/01/2006", "13/02/2026", "2026-02-13"},
		{"02/01/2006", "02/13/2026", ""},
		{"02/01/2006", "31/02/2026", ""},
		{"2 Jan 2006", "1 Feb 2026", "2026-02-01"},
		{"2006-01-02T15:04:05Z07:00", "2026-06-01T00:00:00+01:00", "2026-06-01"}, // a day on the council's calendar, not in UTC
		{"2006/01/02 15:04:05-07", "2026/02/01 00:00:00+00", "2026-02-01"},
		{"Mon 02 Jan 2006", "Tue 02 Apr 2019", "2019-04-02"},
		{"iso", "2026-03-21T08:42:53.273+00:00", "2026-03-21"},
		{"iso", "2026-06-01T23:59:59.123456", "2026-06-01"}, // without a zone
		{"iso", "2025-07", ""},                              // a month is no day
		{"epoch-ms", "1769904000000", "2026-02-01"},
		{"epoch-ms", "-86400000", "1969-12-31"},
		{"epoch-ms", "1780268400000", "2026-06-01"}, // midnight in London in summer
		{"epoch-ms", "soon", ""},
		{"", "0001-01-01", ""},
	} {
		d := declare(t, plainCSV+fmt.Sprintf("dates: {received: %q}\n", c.layout))
		rows, err := read(t, d, []byte(header+"1,,,"+c.cell+",,,,,,,,\n"))
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		if got := rows[0].Record.Details.Received; got != c.want || (len(rows[0].Faults) > 0) != (c.want == "") {
			t.Errorf("%q as %q is %q, with %v", c.cell, c.layout, got, rows[0].Faults)
		}
	}
}

func TestAPlaceComesFromTheBestThatARowHas(t *testing.T) {
	const square = "\"POLYGON((-0.143 51.539,-0.142 51.539,-0.142 51.540,-0.143 51.540,-0.143 51.539))\""
	for _, c := range []struct {
		name, cells string // lon,lat,x,y,shape
		method      alerts.Method
		lon, lat    float64
		misplaced   bool
	}{
		{"a boundary", "-1,53,,," + square, alerts.MethodBoundary, -0.1425, 51.5395, false},
		{"a point", "-0.1426,51.5390,,,", alerts.MethodPoint, -0.1426, 51.5390, false},
		{"grid", ",,528800,184100,", alerts.MethodPoint, -0.1441, 51.5411, false},
		{"zeros", "0,0,0,0,", alerts.MethodNone, 0, 0, false},
		{"zeros, and grid", "0,0,528800,184100,", alerts.MethodPoint, -0.1441, 51.5411, false},
		{"abroad", "2.35,48.86,,,", alerts.MethodNone, 0, 0, true},
		{"swapped", "51.5390,-0.1426,,,", alerts.MethodPoint, -0.1426, 51.5390, false}, // which cannot be anything else in the United Kingdom
		{"grid as degrees", "528800,184100,,,", alerts.MethodNone, 0, 0, true},
		{"nothing", ",,,,", alerts.MethodNone, 0, 0, false},
		{"a broken boundary and a point", "-0.1426,51.5390,,,POLYGON((", alerts.MethodPoint, -0.1426, 51.5390, false},
	} {
		rows, err := read(t, declare(t, plainCSV), []byte(header+"1,,,,,,,"+c.cells+"\n"))
		if err != nil || len(rows) != 1 {
			t.Fatal(c.name, rows, err)
		}
		s := rows[0].Record.Details.Site
		if s.Method != c.method || math.Abs(s.Lon-c.lon) > 3e-4 || math.Abs(s.Lat-c.lat) > 3e-4 || rows[0].Misplaced != c.misplaced {
			t.Errorf("%s: %+v, misplaced %v", c.name, s, rows[0].Misplaced)
		}
	}
	rows, err := read(t, declare(t, plainCSV), []byte(header+"1,,,,,,,west,51.5,,,\n"))
	if err != nil || len(rows[0].Faults) != 1 || rows[0].Faults[0].Column != "lon" {
		t.Errorf("%+v (%v)", rows, err)
	}
}

func TestCodesMeanWhatTheDeclarationSays(t *testing.T) {
	for _, c := range []struct {
		status, decision, kind string
		wantStatus             alerts.Status
		wantDecision           alerts.Decision
		wantKind               alerts.Kind
		unmapped               int
	}{
		{"REG", "", "HSE", alerts.StatusReceived, "", alerts.KindHouseholder, 0},
		{"reg ", "", "hse", alerts.StatusReceived, "", alerts.KindHouseholder, 0},
		{"GRA", "", "", alerts.StatusDecided, alerts.DecisionApproved, "", 0},
		{"GRA", "REFUSE", "", alerts.StatusDecided, alerts.DecisionRefused, "", 0},
		{"WHAT", "WHAT", "WHAT", "", alerts.DecisionOther, alerts.KindOther, 3},
		{"REG", "NFA", "", alerts.StatusReceived, "", "", 0},
	} {
		rows, err := read(t, declare(t, plainCSV), []byte(header+"1,,,,"+c.status+","+c.decision+","+c.kind+",,,,,\n"))
		if err != nil {
			t.Fatal(err)
		}
		d := rows[0].Record.Details
		if d.Status != c.wantStatus || d.Decision != c.wantDecision || d.Kind != c.wantKind || len(rows[0].Unmapped) != c.unmapped {
			t.Errorf("%s, %s, %s: %q, %q, %q; unmapped %v", c.status, c.decision, c.kind, d.Status, d.Decision, d.Kind, rows[0].Unmapped)
		}
	}
}

func TestJSONAndGeoJSON(t *testing.T) {
	json := declare(t, `
format: json
records: result.items
columns: {source_key: id, reference: ref, description: details.what, lon: at.lon, lat: at.lat}
templates: {url: "https://planning.village.example/case/{source_key}?ref={reference}"}
`)
	rows, err := read(t, json, []byte(`{"ok": true, "result": {"total": 3, "items": [
		{"id": 12345678901234567, "ref": "26/1 & 2", "details": {"what": "A porch"}, "at": {"lon": -0.1426, "lat": 51.539}},
		{"id": 2, "ref": "26/2", "details": null, "at": {"lon": null}}, "three"]}, "more": [1, 2]}`))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows (%v)", len(rows), err)
	}
	r := rows[0].Record
	if r.SourceKey != "12345678901234567" || r.Details.Description != "A porch" || !r.Details.Site.Located() || r.Details.URL != "https://planning.village.example/case/12345678901234567?ref=26%2F1+%26+2" {
		t.Errorf("%+v", r)
	}
	if len(rows[1].Faults) != 0 || rows[1].Record.Details.Site.Located() || len(rows[2].Faults) == 0 {
		t.Errorf("%+v", rows[1:])
	}

	geojson := declare(t, "format: geojson\ncolumns: {reference: ref, description: what}\n")
	rows, err = read(t, geojson, []byte(`{"type": "FeatureCollection", "features": [
		{"type": "Feature", "properties": {"ref": "1", "what": "A porch"}, "geometry": {"type": "Point", "coordinates": [-0.1426, 51.539]}},
		{"type": "Feature", "properties": {"ref": "2"}, "geometry": {"type": "Polygon", "coordinates": [[[-0.143,51.539],[-0.142,51.539],[-0.142,51.540],[-0.143,51.539]]]}},
		{"type": "Feature", "properties": {"ref": "3"}, "geometry": null}]}`))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows (%v)", len(rows), err)
	}
	for i, want := range []alerts.Method{alerts.MethodPoint, alerts.MethodBoundary, alerts.MethodNone} {
		if got := rows[i].Record.Details.Site.Method; got != want {
			t.Errorf("feature %d: %q, want %q", i+1, got, want)
		}
	}
}

// What is not a source of the declared kind is said in one sentence that names
// what to look at; rows before the fault are good.
func TestBrokenSourcesAreExplained(t *testing.T) {
	csv, json := plainCSV, "format: json\nrecords: items\ncolumns: {reference: ref}\n"
	for _, c := range []struct {
		name, adapter, source, says string
		rows                        int
	}{
		{"empty", csv, "", "the source is empty", 0},
		{"a web page", csv, "\n<!doctype html><html>", "a web page instead of data", 0},
		{"other columns", csv, "id,what\n1,2\n", `no row has the column ref that should hold the reference; the file begins with "id, what"`, 0},
		{"a column that is gone", csv, strings.Replace(header, "got,", "", 1) + "1,,\n", "the column got is not in the file", 0},
		{"cut off within a row", csv, header + "1,,,,,,,,,,,\n2,A po", "cut off: its last row, line 3, has 2 cells instead of 12", 1},
		{"cut off within a quotation", csv, header + "1,,,,,,,,,,,\n2,,,,,,,,,,,\"POLY\n", "cut off: the quotation in its last row, line 3", 1},
		{"cut off", json, `{"items": [{"ref": "1"}, {"re`, "", 1},
		{"another path", json, `{"records": []}`, `the data has no "items"; it has "records"`, 0},
		{"an error", json, `{"error": {"code": 400, "message": "Invalid query"}}`, "Invalid query", 0},
		{"no JSON", json, "ref,what", "", 0},
		{"bad gzip", csv, "\x1f\x8b\x08\x00garbage", "", 0},
	} {
		rows, err := read(t, declare(t, c.adapter), []byte(c.source))
		var b *feed.BrokenError
		if !errors.As(err, &b) || !strings.Contains(err.Error(), c.says) || len(rows) != c.rows || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %d rows, %v; want %d and %q", c.name, len(rows), err, c.rows, c.says)
		}
	}
}

func TestDeclarationsAreChecked(t *testing.T) {
	const good = "feed: village\nauthority: {slug: village, name: Village}\nadapters:\n  - {name: a, format: csv, columns: {reference: ref}}\n"
	if _, err := feed.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, says string }{
		{"feed: village", "feed: The Village", "feed:"},
		{"slug: village", "slug: ''", "authority.slug"},
		{"name: Village}", "nam: Village}", "nam"},
		{"format: csv", "format: xls", "format"},
		{"reference: ref", "refrence: ref", "refrence"},
		{"reference: ref", "description: ref", "reference is missing"},
		{"format: csv", "format: csv, crs: EPSG:3857", "crs"},
		{"format: csv", "format: csv, encoding: morse", "morse"},
		{"format: csv", "format: csv, url: 'ftp://x/y'", "url"},
		{"format: csv", "format: csv, dates: {address: x}", "dates"},
		{"adapters:", "schedule: sometimes\nadapters:", "schedule"},
		{"adapters:", "codes: {status: {A: maybe}}\nadapters:", "maybe"},
		{good, "", "empty"},
		{good, "]", "declaration"},
	} {
		if _, err := feed.Parse([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s → %s: %v, want %q", c.old, c.new, err, c.says)
		}
	}
	for _, name := range feed.Presets() {
		d := preset(t, name)
		text, err := d.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := feed.Parse(text); err != nil || d.Feed != name {
			t.Errorf("%s does not survive being written: %v", name, err)
		}
	}
}

// Whatever a source holds, reading it ends without a panic, and each row is either
// a record with its keys or has a fault.
func fuzzRead(f *testing.F, adapter string) {
	d := declare(f, adapter)
	f.Fuzz(func(t *testing.T, source []byte) { sound(t, d, source) })
}

// sound reads a source, whatever it is: lines rise, records have keys, faults say
// something, and what is wrong with the source is explained.
func sound(t *testing.T, d *feed.Declaration, source []byte) { soundAs(t, d, "", source) }

func soundAs(t *testing.T, d *feed.Declaration, adapter string, source []byte) {
	line := 0
	err := d.Read(adapter, bytes.NewReader(source), func(r feed.Row) error {
		if r.Line < line {
			t.Errorf("line %d after %d", r.Line, line)
		}
		line = r.Line
		if len(r.Faults) == 0 && (r.Record.SourceKey == "" || r.Record.Details.Reference == "") {
			t.Errorf("a record without a key: %+v", r.Record)
		}
		for _, fault := range r.Faults {
			if fault.Reason == "" || len([]rune(fault.Value)) > 200 {
				t.Errorf("%+v", fault)
			}
		}
		return nil
	})
	var b *feed.BrokenError
	if err != nil && !errors.As(err, &b) {
		t.Errorf("%T: %v", err, err)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte(header + "1,\"a\nb\",c,2026-02-01,REG,,HSE,-0.14,51.5,,,\n"))
	f.Add([]byte(header + "1,\"a\r\rb\"\"c\",c\r2,"))
	f.Add([]byte("\xef\xbb\xbfTitle\n" + header))
	fuzzRead(f, plainCSV)
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"items": [{"ref": "1", "at": {"lon": -0.14}}, null, 3, "x", {"ref": 2}]}`))
	f.Add([]byte(`{"items": [{"ref": "1"`))
	fuzzRead(f, "format: json\nrecords: items\ncolumns: {reference: ref, lon: at.lon, lat: at.lat}\n")
}

func FuzzGeoJSON(f *testing.F) {
	f.Add([]byte(`{"features": [{"properties": {"ref": "1"}, "geometry": {"type": "Polygon", "coordinates": [[[0,51],[1,51],[1,52],[0,51]]]}}]}`))
	f.Add([]byte(`{"features": [{"properties": {"ref": "1"}, "geometry": {"type": "GeometryCollection", "geometries": []}}]}`))
	fuzzRead(f, "format: geojson\ncolumns: {reference: ref}\n")
}

func FuzzDeclaration(f *testing.F) {
	for _, name := range feed.Presets() {
		text, _ := feed.Preset(name)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := feed.Parse(text)
		if err != nil {
			return
		}
		_ = d.Read("", strings.NewReader("a,b\n1,2\n"), func(feed.Row) error { return nil })
	})
}
