package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ics "github.com/arran4/golang-ical"
	"github.com/mmcdole/gofeed"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/web/api"
)

// shared reads a file of the shared material; without it the test is skipped.
func shared(t *testing.T, name string, into any) {
	t.Helper()
	root := os.Getenv("SITENOTICE_SHARED")
	if root == "" {
		t.Skip("SITENOTICE_SHARED is not set: the shared material is not there")
	}
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// sample is a document with a point, an outline, a case without a position, and
// nothing but trouble in its text.
func sample(trouble string) *api.Document {
	square, err := geo.DecodeGeoJSON([]byte(`{"type":"Polygon","coordinates":[[[-0.14,51.54],[-0.139,51.54],[-0.139,51.541],[-0.14,51.541],[-0.14,51.54]]]}`))
	if err != nil {
		panic(err)
	}
	shape, err := geo.EncodeWKB(square)
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC).UnixMilli()
	app := func(reference string, d alerts.Details) alerts.Application {
		d.Reference = reference
		return alerts.Application{Authority: "camden", Version: 3, FirstSeen: at, UpdatedAt: at + 60_000, Details: d}
	}
	return &api.Document{Title: "Planning applications near here", Base: "https://example.org", Self: "https://example.org/near.atom?radius=500&lat=1", Page: "https://example.org/near?radius=500&lat=1",
		Next: "https://example.org/near.atom?after=2026-01-01.7", Authorities: map[string]string{"camden": "London Borough of Camden"}, Today: "2026-11-23",
		Applications: []alerts.Application{
			app("2026/0001/P", alerts.Details{Address: "12 Lamplighter Street; rear, London", Description: "Extension\nand " + trouble, Kind: alerts.KindHouseholder, Status: alerts.StatusConsultation,
				CommentsUntil: "2026-12-05", CommentsSource: "council", CommentURL: "https://council.example/c", URL: "javascript:alert(1)",
				Site: alerts.Site{Lon: -0.1276, Lat: 51.5072, Method: alerts.MethodPoint, Uncertainty: 10}}),
			app("2026/0002/P", alerts.Details{Address: trouble, Description: trouble, Ward: trouble, Kind: alerts.KindFull, Scale: "major", Decision: alerts.DecisionRefused, Decided: "2026-11-01", CommentsUntil: "2026-10-05",
				Site: alerts.Site{Lon: -0.1395, Lat: 51.5405, Shape: shape, Method: alerts.MethodBoundary}}),
			app("2026/0003/P", alerts.Details{Description: "No place", Status: alerts.StatusPending}),
		}}
}

func written(t *testing.T, f api.Format, d *api.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCellsAreNoFormulas(t *testing.T) {
	var corpus struct {
		Neutralise []string `json:"neutralise"`
		Keep       []string `json:"keep_as_is"`
		Numbers    []string `json:"numeric_columns"`
	}
	shared(t, "delivery/corpora/csv_injection.json", &corpus)
	if len(corpus.Neutralise) == 0 || len(corpus.Keep) == 0 {
		t.Fatal("the corpus is empty")
	}
	for _, text := range append(corpus.Neutralise, `"=1+1`, `' =1`, " +44 20", "\n=1") {
		if got := api.Cell(text); got != "'"+text {
			t.Errorf("%q becomes %q", text, got)
		}
		rows, err := csv.NewReader(strings.NewReader(written(t, api.CSV, sample(text)))).ReadAll()
		if err != nil || len(rows) != 4 {
			t.Fatalf("%q: %d rows: %v", text, len(rows), err)
		}
		for _, name := range []string{"address", "description"} {
			if cell := rows[2][slices.Index(rows[0], name)]; !strings.HasPrefix(cell, "'") {
				t.Errorf("%q is written as %q", text, cell)
			}
		}
	}
	for _, text := range append(corpus.Keep, "", "Flat 2, 14 High St", "1 = 1") {
		if got := api.Cell(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	rows, _ := csv.NewReader(strings.NewReader(written(t, api.CSV, sample("x")))).ReadAll()
	if lon := rows[1][slices.Index(rows[0], "lon")]; lon != "-0.127600" {
		t.Errorf("the column lon has %q: numbers stay numbers", lon)
	}
}

// A value has one name, whatever the format.
func TestEveryFormatNamesAlike(t *testing.T) {
	d := sample("x")
	a := &d.Applications[1]
	a.Received, a.Valid, a.CommentsFrom, a.Committee, a.Withdrawn, a.AppealLodged, a.AppealDecided = "2026-10-01", "2026-10-01", "2026-10-01", "2026-10-01", "2026-10-01", "2026-10-01", "2026-10-01"
	a.Status, a.AppealDecision, a.URL, a.CommentURL, a.CommentsSource = alerts.StatusDecided, alerts.AppealAllowed, "https://council.example/c", "https://council.example/d", "council"
	var collection struct {
		Features []struct{ Properties map[string]any }
	}
	if err := json.Unmarshal([]byte(written(t, api.GeoJSON, d)), &collection); err != nil {
		t.Fatal(err)
	}
	members := collection.Features[1].Properties
	for name, value := range members["location"].(map[string]any) {
		members[name] = value
	}
	rows, err := csv.NewReader(strings.NewReader(written(t, api.CSV, d))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range rows[0] {
		said, known := members[name]
		if !known {
			t.Errorf("the column %s is no member of an application", name)
			continue
		}
		if text := strings.TrimPrefix(rows[2][i], "'"); text != fmt.Sprint(said) && !strings.Contains("lon lat", name) {
			t.Errorf("%s is %q in the spreadsheet and %v elsewhere", name, text, said)
		}
	}
}

// Other people's programs read what we write as we mean it, whatever the text holds.
func TestOtherProgramsReadTheOutputs(t *testing.T) {
	var corpus struct {
		HTML  []string `json:"html"`
		Log   []string `json:"json_and_log"`
		Spoof []string `json:"text_spoof"`
	}
	shared(t, "delivery/corpora/hostile_feed_text.json", &corpus)
	for _, trouble := range append(append(append(corpus.HTML, corpus.Log...), corpus.Spoof...), "a\x00b\x1b[31m", "]]>", "END:VEVENT\r\nBEGIN:VEVENT", strings.Repeat("é", 500), "日本語 مرحبا 🏠") {
		d := sample(trouble)
		feed, err := gofeed.NewParser().ParseString(written(t, api.Atom, d))
		if err != nil {
			t.Fatalf("%.40q: a feed reader cannot read it: %v", trouble, err)
		}
		if len(feed.Items) != 3 || feed.Title != d.Title || feed.FeedLink != d.Self || feed.Items[0].Link != "https://example.org/applications/camden/2026%2F0001%2FP" ||
			feed.Items[0].UpdatedParsed.UTC().Format(time.RFC3339) != "2026-11-20T09:01:00Z" || feed.Items[0].Author.Name != "London Borough of Camden" {
			t.Errorf("%.40q: a feed reader sees %+v", trouble, feed)
		}
		if point := feed.Items[0].Extensions["georss"]["point"]; len(point) != 1 || point[0].Value != "51.507200 -0.127600" {
			t.Errorf("the position in the feed is %v", point)
		}
		calendar, err := ics.ParseCalendar(strings.NewReader(written(t, api.Calendar, d)))
		if err != nil {
			t.Fatalf("%.40q: a calendar cannot read it: %v", trouble, err)
		}
		events := calendar.Events() // of what is still to be decided and has a date
		if len(events) != 1 {
			t.Fatalf("%.40q: the calendar has %d entries", trouble, len(events))
		}
		start, err := events[0].GetAllDayStartAt()
		if err != nil || start.Format("2006-01-02") != "2026-12-05" {
			t.Errorf("the entry is on %v: %v", start, err)
		}
		if got := events[0].GetProperty(ics.ComponentPropertySummary).Value; got != "Last day to comment: 12 Lamplighter Street; rear, London" {
			t.Errorf("the entry is called %q", got)
		}
		var collection struct {
			Type     string
			Features []struct {
				Type       string
				Geometry   json.RawMessage
				Properties api.Application
			}
		}
		if err := json.Unmarshal([]byte(written(t, api.GeoJSON, d)), &collection); err != nil || len(collection.Features) != 3 {
			t.Fatalf("%.40q: %d features: %v", trouble, len(collection.Features), err)
		}
		if p := collection.Features[0].Properties; p.CouncilURL != "" || p.CommentURL != "https://council.example/c" {
			t.Errorf("a link that is none of the web is passed on: %q", p.CouncilURL)
		}
		if g := string(collection.Features[2].Geometry); g != "null" {
			t.Errorf("a case without a position has the geometry %s", g)
		}
		shape, err := geo.DecodeGeoJSON(collection.Features[1].Geometry)
		if err != nil || len(shape.FlatCoords()) != 10 {
			t.Errorf("the outline is %v: %v", shape, err)
		}
		if lines := strings.Count(written(t, api.NDJSON, d), "\n"); lines != 3 {
			t.Errorf("%.40q: %d lines of NDJSON", trouble, lines)
		}
	}
}

func TestCalendarLinesAreShortAndWhole(t *testing.T) {
	text := written(t, api.Calendar, sample(strings.Repeat("ŵ🏠", 200)))
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || !utf8.ValidString(line) {
			t.Errorf("a line has %d bytes or part of a character: %q", len(line), line)
		}
	}
}

func TestADocumentIsSentOnce(t *testing.T) {
	for _, f := range api.Formats {
		first := httptest.NewRecorder()
		if err := f.Serve(first, httptest.NewRequest(http.MethodGet, "/", nil), sample("x")); err != nil {
			t.Fatal(err)
		}
		tag := first.Header().Get("ETag")
		again := httptest.NewRequest(http.MethodGet, "/", nil)
		again.Header.Set("If-None-Match", tag)
		second := httptest.NewRecorder()
		if err := f.Serve(second, again, sample("x")); err != nil {
			t.Fatal(err)
		}
		if first.Code != http.StatusOK || tag == "" || second.Code != http.StatusNotModified || second.Body.Len() != 0 {
			t.Errorf("%s: %d with the tag %s, then %d with %d bytes", f.Extension, first.Code, tag, second.Code, second.Body.Len())
		}
		other := httptest.NewRecorder()
		if err := f.Serve(other, again, sample("y")); err != nil || other.Code != http.StatusOK {
			t.Errorf("%s: what has changed is not sent: %d %v", f.Extension, other.Code, err)
		}
		if got := first.Header().Get("Content-Type"); got != f.MIME {
			t.Errorf("%s comes as %s", f.Extension, got)
		}
	}
}
