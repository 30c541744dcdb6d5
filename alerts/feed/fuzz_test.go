package feed_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/geo"
)

// The forms of single files have their fuzz targets beside their tests. Those here are
// of what stands within a file, and of what comes with the program.

// adapters are all those of the forms and feeds that come with the program.
func adapters(t testing.TB) (all []struct {
	of   *feed.Declaration
	name string
}) {
	for _, name := range append(feed.Shapes(), feed.Presets()...) {
		d := sample(t, name)
		for _, a := range d.Adapters {
			all = append(all, struct {
				of   *feed.Declaration
				name string
			}{d, a.Name})
		}
	}
	return all
}

// Whatever a file holds, each adapter that comes with the program reads it to an end.
func FuzzShapes(f *testing.F) {
	all := adapters(f)
	for _, seed := range []struct{ adapter, text string }{
		{"rss", `<rss xmlns:georss="http://www.georss.org/georss"><channel><item><title>1 High Street</title><guid>26/1</guid><link>https://example.org/1</link><description>A house</description><pubDate>Sun, 01 Feb 2026 09:00:00 +0000</pubDate><georss:point>53.96 -1.08</georss:point></item></channel></rss>`},
		{"atom", `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>26/1</id><title>1 High Street</title><summary>A house</summary><link href="https://example.org/1"/><updated>2026-02-01T09:00:00Z</updated></entry></feed>`},
		{"lga-xml", `<NewDataSet><planning_hub_feed><casereference>26/1</casereference><casetext>A &#x12; house</casetext><geox>-1</geox><geoy>53</geoy></planning_hub_feed></NewDataS`},
		{"odp", `{"applicationType":"pp.full.householder","data":{"application":{"reference":"1","stage":"consultation","status":"undetermined"},"consultation":{"endDate":"2026-03-01"}},"submission":{"data":{"property":{"address":{"latitude":51.5,"longitude":-0.1}}}}}`},
		{"odp-api", `{"data":[{"applicationType":"ldc.proposed","data":{"application":{"reference":"1"}}}],"pagination":{"totalResults":1},"status":{"code":200}}`},
		{"atdis", `{"response":[{"application":{"info":{"dat_id":"1"},"locations":[{"address":{"street":"a"}}]}}],"count":1,"pagination":{"next":2}}`},
		{"openaustralia-yaml", "---\n- council_reference: PLN-1\n  description: Dwelling\n  date_received: '2019-05-27'\n"},
		{"planning-data", `{"entities":[{"entity":"1","reference":"1","geometry":"MULTIPOLYGON (((0 51,0.1 51,0.1 51.1,0 51)))","point":"POINT(0 51)"}],"count":1,"links":{}}`},
		{"planit", `{"records":[{"name":"Leeds/1","uid":"1","location_x":-1.5,"location_y":53.8,"other_fields":{"date_received":"2026-01-01"}}],"from":0,"to":0,"total":1}`},
		{"london-saved", `{"rawResponse":{"hits":{"total":1,"hits":[{"_source":{"id":"a","lpa_name":"Camden","lpa_app_no":"1","valid_date":"14/09/2021","centroid":{"lat":51.5,"lon":-0.1},"wgs84_polygon":{"type":"Polygon","coordinates":[[[0,51],[0.1,51],[0.1,51.1],[0,51]]]}}}]}}}`},
		{"london-document", `{"id":"a","lpa_name":"Camden","lpa_app_no":"1","centroid":"51.5,-0.1","last_updated_by":["a","b"]}`},
		{"lga", "ExtractDate,CaseReference,CaseURL,CaseText,LocationText,ServiceTypeLabel,GeoX,GeoY\n01/02/2014,1,https://example.org,A,B,FUL,450000,120000\n"},
		{"delegated", "Title,,,,\nPlanning Application No,Address,Proposal,Decision,Date decision issued\n1,a,b,PER,15-Feb-11\n,,,,1\n"},
		{"camden", `[{"pk":"1","application_number":"2015/1/P","full_application":{"url":"https://example.org"},"latitude":"51.5","longitude":"-0.1","location":{"human_address":"{\"a\":1}"}}]`},
	} {
		for i, a := range all {
			if a.name == seed.adapter {
				f.Add([]byte(seed.text), uint8(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, source []byte, which uint8) {
		a := all[int(which)%len(all)]
		soundAs(t, a.of, a.name, source)
	})
}

// The answers of a source in parts may be anything.
func FuzzPages(f *testing.F) {
	var names []string
	for _, name := range append(feed.Shapes(), feed.Presets()...) {
		if sample(f, name).Adapters[0].Paging.Kind != "" {
			names = append(names, name)
		}
	}
	for i := range names {
		for _, answer := range []string{
			`{"_scroll_id":"a","timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":1,"relation":"eq"},"hits":[{"_source":{"id":"1","lpa_name":"Camden","lpa_app_no":"1"}}]}}`,
			`[{"n":"1"}]`, `[{"pk":"1","application_number":"1","development_description":"a"}]`, `{"count":1}`,
			`{"type":"FeatureCollection","exceededTransferLimit":true,"features":[{"properties":{"KEYVAL":"1","REFVAL":"1","OBJECTID":1}}]}`,
			`{"entities":[{"entity":"1","reference":"1"}],"count":1,"links":{"next":5}}`, `{"records":[{"name":"a/1","uid":"1"}],"total":1}`, `{"error":"no"}`,
		} {
			f.Add([]byte(answer), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, which uint8) {
		walk, err := sample(t, names[int(which)%len(names)]).Walk("", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, more := walk.Next(); !more {
				return
			}
			if err := walk.Read(bytes.NewReader(answer), func(feed.Row) error { return nil }); err != nil {
				return
			}
		}
	})
}

// A cell may hold anything. What is taken for a date is a day, what is taken for a
// place is in the United Kingdom, and what is kept of a text is text.
func FuzzCell(f *testing.F) {
	layouts := feed.Layouts()
	fields := []string{"received", "address", "lon lat", "easting northing", "x y", "point", "boundary", "uprn", "url", "status"}
	for i, cell := range []string{"2026-02-01", "15-Feb-11", "1738368000000", "45689.5", "Tue 02 Apr 2019", "2025/02/28 00:00:00+00", "caf\x8e \\n man\u008age &amp; &#x12;\u202e", "51.5 -0.1", "450000", "6.7e6",
		"POINT(-0.1 51.5)", "POLYGON((-0.1 51.5,-0.2 51.5,-0.2 51.6,-0.1 51.5))", `{"type":"Point","coordinates":[-0.1,51.5]}`, `{"type":"GeometryCollection","geometries":[]}`, "NaN", "1e400", "000010009876", "javascript:alert(1)"} {
		for field := range fields {
			f.Add(cell, "51.5", uint8(field), uint8(i))
		}
	}
	declared := map[[2]int]*feed.Declaration{}
	f.Fuzz(func(t *testing.T, one, two string, field, layout uint8) {
		at := [2]int{int(field) % len(fields), int(layout) % len(layouts)}
		d := declared[at]
		if d == nil {
			a := feed.Adapter{Name: "a", Format: "csv", Columns: map[string]string{"reference": "ref"}, Dates: map[string]string{"default": layouts[at[1]]}}
			for i, name := range strings.Fields(fields[at[0]]) {
				a.Columns[name] = []string{"one", "two"}[i]
			}
			text, err := (&feed.Declaration{Feed: "v", Authority: feed.Authority{Slug: "v", Name: "V"}, Adapters: []feed.Adapter{a}}).YAML()
			if err != nil {
				t.Fatal(err)
			}
			if d, err = feed.Parse(text); err != nil {
				t.Fatal(err)
			}
			declared[at] = d
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.WriteAll([][]string{{"ref", "one", "two"}, {"1", one, two}})
		err := d.Read("", &b, func(row feed.Row) error {
			is := row.Record.Details
			if is.Received != "" {
				if day, err := alerts.ParseDate(string(is.Received)); err != nil || day < "1900-01-01" || day > "2200-01-01" {
					t.Errorf("%q is taken for the day %q", one, is.Received)
				}
			}
			if is.Site.Located() && !geo.InUK(is.Site.Point()) {
				t.Errorf("%q, %q is taken for %v", one, two, is.Site.Point())
			}
			for _, text := range []string{is.Address, is.UPRN, is.URL, is.StatusRaw} {
				if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || strings.TrimSpace(text) != text {
					t.Errorf("%q is kept as %q", one, text)
				}
			}
			if strings.Trim(is.UPRN, "0123456789") != "" || strings.HasPrefix(is.UPRN, "0") {
				t.Errorf("%q is kept as the property %q", one, is.UPRN)
			}
			if is.URL != "" && !strings.HasPrefix(is.URL, "http") {
				t.Errorf("%q is kept as an address", is.URL)
			}
			return nil
		})
		if err != nil && !strings.Contains(err.Error(), "cut off") { // an unusual character of the cell's may stand for it
			t.Errorf("%q, %q: %v", one, two, err)
		}
	})
}

// Whatever somebody chooses on the form of columns, it makes a declaration that can be
// kept and read, or is refused with a reason.
func FuzzColumnMap(f *testing.F) {
	for _, from := range []string{"ref", "PA Ref | REFVAL | ref", "number + street , town , postcode?", "ref?", " | ", " , + ", "a.b.c", "?", "link/@href", "-", "[", "{x", "*a", "# no", "ref\n  evil: yes"} {
		f.Add("ref", from, "02/01/2006", "REG", "received")
		f.Add(from, "what", "iso", from, "decided approved")
	}
	const file = "ref,what,number,street,town,state\n26/1,A house,1,High Street,York,REG\n26/2,A shed,,,,\n"
	f.Fuzz(func(t *testing.T, reference, description, layout, code, means string) {
		p := &alerts.Proposal{Format: "csv", Encoding: "utf-8", Fields: []alerts.FieldChoice{{Field: "reference", From: reference}, {Field: "description", From: description},
			{Field: "received", From: description, Layout: layout}, {Field: "status", From: "state"}}, Codes: []alerts.CodeChoice{{Field: "status", Code: code, Means: means}}}
		report, err := feed.Try(p, strings.NewReader(file))
		if err != nil {
			if err.Error() == "" {
				t.Error("refused without a word")
			}
			return
		}
		d, err := feed.Declare(p)
		if err != nil {
			t.Fatalf("tried, but not declared: %v", err)
		}
		kept, err := feed.Parse(d.Written(p.Codes))
		if err != nil {
			t.Fatalf("what is written cannot be read: %v in\n%s", err, d.Written(p.Codes))
		}
		again, err := kept.Check("", strings.NewReader(file))
		if err != nil || again.Rows != report.Rows || again.Good != report.Good || again.Broken != report.Broken {
			t.Fatalf("what is written reads otherwise: %v\n%s\n%s", err, report, again)
		}
	})
}
