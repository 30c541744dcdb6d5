package ingest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

// A register is a server that behaves as one kind of open data service does.
type register struct {
	*httptest.Server
	requests []string // method, path and decoded query
	before   func(n int, w http.ResponseWriter) (answered bool)
	cut      int // the answer to this request breaks off; 0 for none
	slept    []time.Duration
}

func serve(t *testing.T, answer func(r *http.Request, body []byte) (int, any)) *register {
	s := &register{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		query, _ := url.QueryUnescape(r.URL.RawQuery)
		s.requests = append(s.requests, r.Method+" "+r.URL.Path+"?"+query+" "+string(body))
		n := len(s.requests)
		if s.before != nil && s.before(n, w) {
			return
		}
		code, value := answer(r, body)
		text, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if n == s.cut {
			text = text[:len(text)/2]
		}
		w.Write(text)
	}))
	t.Cleanup(s.Close)
	return s
}

// read makes the world read a declaration whose server is s. Waiting is noted, not
// done; the world's clock moves on instead.
func (s *register) read(w *world) {
	s.slept = nil
	w.stage.Source = &ingest.Fetcher{Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Contact: "operator@example.org", Now: func() time.Time { return w.now }, Secret: func(name string) string { return "value of " + name },
		Sleep: func(_ context.Context, d time.Duration) error {
			s.slept = append(s.slept, d)
			w.now = w.now.Add(d)
			return nil
		}}
}

// declared returns a preset, or a declaration like a shape, with its address moved
// to the server.
func (s *register) declared(t *testing.T, name, address string) string {
	text, ok := feed.Preset(name)
	if !ok {
		return "feed: village\nlike: " + name + "\nauthority: {slug: village, name: Village Council}\nschedule: \"@daily\"\nurl: " + s.URL + address + "\n"
	}
	moved := regexp.MustCompile(`url: https://[^/\s]+(/\S*)\n    (headers|paging)`).ReplaceAllString(string(text), "url: "+s.URL+address+"\n    $2")
	if moved == string(text) {
		t.Fatalf("%s has no address to move", name)
	}
	return moved
}

func (w *world) fetch() alerts.Run {
	w.t.Helper()
	run, err := w.stage.Fetch(w.t.Context(), w.feed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.again()
	return run
}

// tomorrow lets the schedule read the feed on the next day.
func (w *world) tomorrow() alerts.Run {
	w.t.Helper()
	w.now = w.now.Add(24 * time.Hour)
	if _, err := w.stage.Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.again()
	runs, err := w.store.Runs(w.t.Context(), w.feed.ID, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return runs[0]
}

func (w *world) again() {
	w.t.Helper()
	f, err := w.store.Feed(w.t.Context(), w.feed.Slug)
	if err != nil {
		w.t.Fatal(err)
	}
	w.feed = f
}

// Camden's: every value is text, what is empty is absent, one order or none, and
// duplicate rows of one key.
func socrata(t *testing.T, rows *[]map[string]any) *register {
	newer := regexp.MustCompile(`(\w+) >= '([^']+)'`)
	above := regexp.MustCompile(`pk > (\d+)`)
	return serve(t, func(r *http.Request, _ []byte) (int, any) {
		q := r.URL.Query()
		if q.Get("$select") == "" || strings.Contains(q.Get("$select"), "applicant") {
			t.Errorf("everything is asked for, names too: %v", q)
		}
		var found []map[string]any
		for _, row := range *rows {
			in := q.Get("$where") == "" || !strings.Contains(q.Get("$where"), "(")
			for _, m := range newer.FindAllStringSubmatch(q.Get("$where"), -1) {
				in = in || fmt.Sprint(row[m[1]]) >= m[2] && row[m[1]] != nil
			}
			if strings.Contains(q.Get("$where"), "system_status in ('Registered', 'Appeal Lodged') OR system_status IS NULL") {
				status, there := row["system_status"]
				in = in || !there || status == "Registered" || status == "Appeal Lodged"
			}
			if m := above.FindStringSubmatch(q.Get("$where")); m != nil {
				least, _ := strconv.Atoi(m[1])
				pk, _ := strconv.Atoi(row["pk"].(string))
				in = in && pk > least
			}
			if in {
				found = append(found, row)
			}
		}
		if strings.HasPrefix(q.Get("$select"), "count(") {
			keys := map[any]bool{}
			for _, row := range found {
				keys[row["pk"]] = true
			}
			return 200, []any{map[string]any{"n": fmt.Sprint(len(keys)), "loaded": "2026-02-05T02:30:00.000"}}
		}
		if q.Get("$order") != "pk ASC, socrata_id ASC" {
			t.Errorf("pages without an order: %v", q)
		}
		slices.SortFunc(found, func(a, b map[string]any) int {
			x, _ := strconv.Atoi(a["pk"].(string))
			y, _ := strconv.Atoi(b["pk"].(string))
			return cmp.Or(x-y, strings.Compare(fmt.Sprint(a["socrata_id"]), fmt.Sprint(b["socrata_id"])))
		})
		limit, err := strconv.Atoi(q.Get("$limit"))
		if err != nil {
			limit = 1000
		}
		return 200, found[:min(limit, len(found))]
	})
}

func camdenRow(n int, status string, changed string) map[string]any {
	row := map[string]any{"pk": fmt.Sprint(n), "application_number": fmt.Sprintf("2026/%04d/P", n), "development_description": "A house",
		"development_address": "1 High Street  NW1 8NH", "application_type": "Full Planning Permission", "registered_date": "2026-01-10T00:00:00.000",
		"longitude": "-0.14", "latitude": "51.54", "applicant_name": "Somebody", "socrata_id": fmt.Sprint(n), "last_uploaded": "2026-02-05T02:30:00.000"}
	if status != "" {
		row["system_status"], row["system_status_change_date"] = status, changed
	}
	return row
}

func TestSocrataIsReadByKeysAndThenByChanges(t *testing.T) {
	var rows []map[string]any
	s := socrata(t, &rows)
	declaration := strings.Replace(s.declared(t, "camden", "/resource/2eiu-s2cw.json"), "size: 5000", "size: 10", 1)
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		rows = nil
		for n := range 25 {
			rows = append(rows, camdenRow(n+1, "Final Decision", "2026-01-20T00:00:00.000"))
		}
		rows[20] = camdenRow(21, "Registered", "2025-06-01T00:00:00.000")
		twin := camdenRow(10, "Final Decision", "2026-01-20T00:00:00.000") // a page ends between the two
		twin["socrata_id"] = "99"
		rows = append(rows, twin)
		s.requests = nil
		s.read(w)
		run := w.fetch()
		if run.Verdict != alerts.VerdictComplete || run.New != 25 || run.Incremental {
			t.Fatalf("%+v", run)
		}
		for i, pace := range s.slept {
			if pace < 900*time.Millisecond {
				t.Errorf("request %d came after %v", i+2, pace)
			}
		}
		_, last := w.events(0)

		// What has changed, and what is open, is asked for; not the rest.
		rows[2] = camdenRow(3, "Appeal Lodged", "2026-02-05T00:00:00.000")
		delete(rows[20], "system_status_change_date") // an open case changes without a date
		rows[20]["development_description"] = "Two houses"
		s.requests = nil
		if run := w.tomorrow(); !run.Incremental || run.Verdict != alerts.VerdictComplete || run.Rows > 4 {
			t.Errorf("%+v", run)
		}
		w.wantNews(&last, "appealed 2026/0003/P, amended 2026/0021/P")

		// Once a week everything is read all the same.
		rows[5]["development_description"] = "Nobody said that this had changed"
		var full int
		for range 7 {
			if run := w.tomorrow(); !run.Incremental {
				full++
			}
		}
		if full != 1 {
			t.Errorf("%d of 7 readings were of everything", full)
		}
		w.wantNews(&last, "amended 2026/0006/P")

		// Rows that come while it is read make it incomplete, and lose nothing.
		count := 0
		s.before = func(int, http.ResponseWriter) bool {
			if count++; count == 2 {
				rows = append(rows, camdenRow(2, "Registered", "2026-02-20T00:00:00.000"), camdenRow(26, "Registered", "2026-02-20T00:00:00.000"))
				rows[len(rows)-2]["pk"] = "0"
			}
			return false
		}
		if run := w.fetch(); run.Verdict != alerts.VerdictPartial || !strings.Contains(run.Reason, "loaded anew") {
			t.Errorf("%+v", run)
		}
		s.before = nil
	})
}

// The Planning London Datahub's: a snapshot that is scrolled through.
func elasticsearch(t *testing.T, documents *[]map[string]any) *register {
	type scroll struct {
		rest []map[string]any
		size int
	}
	open := map[string]*scroll{}
	next := 0
	return serve(t, func(r *http.Request, body []byte) (int, any) {
		if r.Header.Get("X-API-AllowRequest") != "value of SITENOTICE_FEED_LONDON" {
			return 403, map[string]any{"message": "Forbidden"}
		}
		var ask struct {
			Size   int
			Total  bool     `json:"track_total_hits"`
			Source []string `json:"_source"`
			Query  struct {
				Range map[string]struct{ Gte string }
			}
			Scroll   string
			ScrollID string `json:"scroll_id"`
		}
		if err := json.Unmarshal(body, &ask); err != nil {
			t.Error(err)
		}
		var sc *scroll
		total := 0
		switch {
		case r.Method == "POST" && r.URL.Path == "/api-guest/applications/_search" && r.URL.Query().Get("scroll") != "":
			sc = &scroll{size: ask.Size}
			for _, d := range *documents {
				if since, ok := ask.Query.Range["last_updated"]; !ok || d["last_updated"].(string) >= since.Gte {
					kept := map[string]any{}
					for _, name := range ask.Source {
						kept[name] = d[name]
					}
					sc.rest = append(sc.rest, map[string]any{"_id": d["id"], "_source": kept})
				}
			}
			if len(ask.Source) == 0 || slices.Contains(ask.Source, "application_details") {
				t.Error("whole documents are asked for")
			}
			if total = len(sc.rest); !ask.Total {
				total = min(total, 10_000)
			}
			next++
			open[fmt.Sprint("scroll", next)] = sc
			ask.ScrollID = fmt.Sprint("scroll", next)
		case r.Method == "POST" && r.URL.Path == "/api-guest/_search/scroll" && ask.Scroll != "":
			if sc = open[ask.ScrollID]; sc == nil {
				return 404, map[string]any{"error": map[string]any{"type": "search_context_missing_exception"}}
			}
		default:
			t.Errorf("%s %s is asked for", r.Method, r.URL)
			return 400, map[string]any{}
		}
		hits := sc.rest[:min(sc.size, len(sc.rest))]
		sc.rest = sc.rest[len(hits):]
		return 200, map[string]any{"_scroll_id": ask.ScrollID, "timed_out": false, "_shards": map[string]any{"failed": 0},
			"hits": map[string]any{"total": map[string]any{"value": total, "relation": "eq"}, "hits": hits}}
	})
}

func londonDocument(borough string, n int, updated string) map[string]any {
	return map[string]any{"id": fmt.Sprintf("%s-%d", borough, n), "lpa_name": borough, "lpa_app_no": fmt.Sprintf("26/%05d/FUL", n), "description": "A house",
		"application_type": "All Other", "status": "Application Received", "valid_date": "13/01/2026", "last_date_consultation_comments": "20/02/2026",
		"centroid": map[string]any{"lat": 51.5, "lon": -0.1}, "last_updated": updated, "last_updated_by": []string{"a", "b"}, "application_details": map[string]any{}}
}

func TestElasticsearchIsScrolledAndThenAskedForChanges(t *testing.T) {
	var documents []map[string]any
	s := elasticsearch(t, &documents)
	declaration := strings.Replace(s.declared(t, "london", "/api-guest/applications/_search"), "size: 2000", "size: 10", 1)
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		documents = nil
		for n := range 25 {
			documents = append(documents, londonDocument([]string{"Camden", "Kingston", "Hammersmith & Fulham"}[n%3], n, "2026-02-01T00:00:00Z"))
		}
		documents = append(documents, londonDocument("Atlantis", 99, "2026-02-01T00:00:00Z"))
		s.read(w)
		run := w.fetch()
		if run.Verdict != alerts.VerdictComplete || run.New != 25 || run.Quarantined != 1 {
			t.Fatalf("%+v", run)
		}
		if n := w.count(`SELECT count(*) FROM application WHERE authority = 'kingston-upon-thames'`); n != 8 {
			t.Errorf("%d applications of Kingston", n)
		}
		if n := w.count(`SELECT count(*) FROM feed_authority`); n != 35 {
			t.Errorf("the feed is of %d authorities", n)
		}
		_, last := w.events(0)
		documents[1] = londonDocument("Kingston", 1, "2026-02-06T01:00:00Z")
		documents[1]["last_date_consultation_comments"] = "27/02/2026"
		documents[2] = londonDocument("Hammersmith & Fulham", 2, "2026-02-06T01:00:00Z") // touched, not changed
		if run := w.tomorrow(); !run.Incremental || run.Rows != 2 || run.Changed != 1 || run.Verdict != alerts.VerdictComplete {
			t.Errorf("%+v", run)
		}
		w.wantNews(&last, "consultation 26/00001/FUL")

		// A page that breaks off makes the reading partial; the next one has it all.
		documents = append(documents, londonDocument("Camden", 100, "2026-02-07T01:00:00Z"))
		s.requests, s.cut = nil, 1
		if run := w.tomorrow(); run.Verdict == alerts.VerdictComplete {
			t.Errorf("%+v", run)
		}
		s.cut = 0
		w.tomorrow()
		w.wantNews(&last, "received 26/00100/FUL")
	})
}

// An application that a borough's own feed and London's both carry is one, and is
// told once.
func TestTwoFeedsOfOneApplicationTellOnce(t *testing.T) {
	var rows, documents []map[string]any
	camden, london := socrata(t, &rows), elasticsearch(t, &documents)
	eachWorld(t, camden.declared(t, "camden", "/resource/2eiu-s2cw.json"), func(t *testing.T, w *world) {
		rows = []map[string]any{camdenRow(1, "Final Decision", "2026-01-20T00:00:00.000")}
		documents = []map[string]any{londonDocument("Camden", 1, "2026-02-01T00:00:00Z")}
		documents[0]["lpa_app_no"] = "2026/0001/P"
		camden.read(w)
		w.fetch()
		own := w.feed
		w.feed = w.declare(london.declared(t, "london", "/api-guest/applications/_search"))
		w.fetch()
		all := w.feed
		_, last := w.events(0)
		if n := w.count(`SELECT count(*) FROM application`); n != 1 {
			t.Fatalf("%d applications", n)
		}
		rows = append(rows, camdenRow(2, "Registered", "2026-02-05T00:00:00.000"))
		twin := londonDocument("Camden", 2, "2026-02-06T00:00:00Z")
		twin["lpa_app_no"], twin["last_date_consultation_comments"] = "2026/0002/P ", "20/02/2026"
		documents = append(documents, twin)
		w.feed = own
		w.fetch()
		w.wantNews(&last, "received 2026/0002/P")
		w.feed = all
		w.fetch()
		w.wantNews(&last, "consultation 2026/0002/P") // the borough does not publish the deadline; London does
		w.feed = own
		w.fetch()
		w.wantNews(&last, "")
	})
}

func TestArcGISIsReadByOffsets(t *testing.T) {
	var features []map[string]any
	s := serve(t, func(r *http.Request, _ []byte) (int, any) {
		q := r.URL.Query()
		if q.Get("returnCountOnly") == "true" {
			return 200, map[string]any{"count": len(features)}
		}
		if q.Get("orderByFields") != "OBJECTID" || q.Get("outSR") != "4326" {
			t.Errorf("%v", q)
		}
		from, _ := strconv.Atoi(q.Get("resultOffset"))
		end := min(from+7, len(features)) // fewer than asked for: the server's own limit
		return 200, map[string]any{"type": "FeatureCollection", "features": features[min(from, end):end], "properties": map[string]any{"exceededTransferLimit": end < len(features)}}
	})
	eachWorld(t, s.declared(t, "arcgis", "/FeatureServer/0"), func(t *testing.T, w *world) {
		features = nil
		for n := range 20 {
			features = append(features, map[string]any{"type": "Feature", "properties": map[string]any{"OBJECTID": n, "KEYVAL": fmt.Sprint("K", n), "REFVAL": fmt.Sprintf("26/%d", n),
				"PROPOSAL": "A house", "DATEAPRECV": 1769904000000}, "geometry": map[string]any{"type": "Point", "coordinates": []float64{-1.08, 53.96}}})
		}
		s.read(w)
		run := w.fetch()
		if run.Verdict != alerts.VerdictComplete || run.New != 20 || run.Unlocated != 0 {
			t.Fatalf("%+v", run)
		}
		if n := w.count(`SELECT count(*) FROM application WHERE listed = '2026-02-01'`); n != 20 {
			t.Errorf("%d applications of 1 February", n)
		}
		// A row that goes while it is read shifts the others: one may have been missed.
		n := 0
		s.before = func(int, http.ResponseWriter) bool {
			if n++; n == 3 {
				features = features[1:]
			}
			return false
		}
		if run := w.fetch(); run.Verdict != alerts.VerdictPartial {
			t.Errorf("%+v", run)
		}
		s.before = nil
	})
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	entity := func(n int) map[string]any {
		return map[string]any{"entity": n, "reference": fmt.Sprintf("26/%d", n), "description": "A house", "start-date": "2026-02-01", "point": "POINT(-1.08 53.96)"}
	}
	record := func(n int) map[string]any {
		return map[string]any{"name": fmt.Sprintf("Village/26/%d", n), "uid": fmt.Sprintf("26/%d", n), "description": "A house", "app_state": "Undecided", "start_date": "2026-02-01",
			"location_x": -1.08, "location_y": 53.96, "other_fields": map[string]any{"applicant_name": "See source", "comment_date": "2026-03-01"}}
	}
	odp := func(n int) map[string]any {
		return map[string]any{"applicationType": "pp.full.householder", "metadata": map[string]any{"id": fmt.Sprint(n)},
			"data":       map[string]any{"application": map[string]any{"reference": fmt.Sprintf("26/%d", n), "stage": "consultation", "status": "undetermined"}},
			"submission": map[string]any{"data": map[string]any{"property": map[string]any{"address": map[string]any{"latitude": 53.96, "longitude": -1.08}}}}}
	}
	atdis := func(n int) map[string]any {
		return map[string]any{"application": map[string]any{"info": map[string]any{"dat_id": fmt.Sprintf("26/%d", n), "description": "A house", "status": "OPEN"},
			"locations": []any{map[string]any{"address": map[string]any{"street": "1 High Street"}}}}}
	}
	list := func(n, from, to int, make func(int) map[string]any) []any {
		out := []any{}
		for i := from; i < min(to, n); i++ {
			out = append(out, make(i))
		}
		return out
	}
	number := func(r *http.Request, name string) int { n, _ := strconv.Atoi(r.URL.Query().Get(name)); return n }
	const all = 23
	for name, c := range map[string]struct {
		shape, adapter string
		pace           time.Duration
		answer         func(r *http.Request, missing int) any
	}{
		"planning.data.gov.uk": {"planning-data", "", time.Second, func(r *http.Request, missing int) any {
			from := number(r, "offset")
			return map[string]any{"entities": list(all, from, from+10, entity), "count": all + missing, "links": map[string]any{}}
		}},
		"PlanIt cuts pages short": {"planit", "", 61 * time.Second, func(r *http.Request, missing int) any {
			from := number(r, "index")
			return map[string]any{"records": list(all, from, from+6, record), "total": all + missing, "from": from, "pg_sz": 300}
		}},
		"BOPS": {"odp", "odp-api", time.Second, func(r *http.Request, missing int) any {
			page := number(r, "page")
			return map[string]any{"data": list(all, (page-1)*10, page*10, odp), "pagination": map[string]any{"currentPage": page, "totalResults": all + missing}}
		}},
		"ATDIS": {"openaustralia", "atdis", 0, func(r *http.Request, missing int) any {
			page := max(number(r, "page"), 1)
			next := any(nil)
			if page < 3 {
				next = fmt.Sprintf("/list?page=%d", page+1)
			}
			return map[string]any{"response": list(all, (page-1)*10, page*10, atdis), "count": all + missing, "pagination": map[string]any{"next": next}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			missing := 0
			s := serve(t, func(r *http.Request, _ []byte) (int, any) { return 200, c.answer(r, missing) })
			declaration := s.declared(t, c.shape, "/list?kept=yes")
			if c.adapter != "" { // the one that is not the first
				d, err := feed.Parse([]byte(declaration))
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(d.Adapters, func(a feed.Adapter) bool { return a.Name == c.adapter })
				d.Adapters[0], d.Like, d.URL = d.Adapters[i], "", ""
				d.Adapters[0].Like, d.Adapters[0].URL = "", s.URL+"/list?kept=yes"
				d.Adapters = d.Adapters[:1]
				text, err := d.YAML()
				if err != nil {
					t.Fatal(err)
				}
				declaration = string(text)
			}
			eachWorld(t, declaration, func(t *testing.T, w *world) {
				missing, s.requests = 0, nil
				s.read(w)
				run := w.fetch()
				if run.Verdict != alerts.VerdictComplete || run.New != all {
					t.Fatalf("%+v\n%s", run, strings.Join(s.requests, "\n"))
				}
				if name != "ATDIS" && !strings.Contains(s.requests[1], "kept=yes") {
					t.Errorf("the address's own parameters are lost: %s", s.requests[1])
				}
				if n := w.count(`SELECT count(*) FROM application WHERE details LIKE '%See source%'`); n != 0 {
					t.Errorf("%d applications hold \"See source\"", n)
				}
				for _, d := range s.slept {
					if d < c.pace-c.pace/10 {
						t.Errorf("a request came after %v", d)
					}
				}
				if c.pace > 0 && len(s.slept) == 0 {
					t.Error("all requests came at once")
				}
				missing = 5
				if run := w.fetch(); run.Verdict != alerts.VerdictPartial || name != "ATDIS" && !strings.Contains(run.Reason, "28 records, but 23 came") {
					t.Errorf("five records are not given: %+v", run)
				}
			})
		})
	}
}

func TestTheFetcherIsPolite(t *testing.T) {
	s := serve(t, func(*http.Request, []byte) (int, any) { return 200, []any{} })
	ask := func(w *world) error {
		s.requests = nil
		s.read(w)
		answer, err := w.stage.Source.Open(t.Context(), feed.Request{Method: "GET", URL: s.URL}, ingest.Answer{})
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	eachWorld(t, village, func(t *testing.T, w *world) {
		for _, c := range []struct {
			name     string
			before   func(n int, w http.ResponseWriter) bool
			requests int
			waits    func(d []time.Duration) bool
			fails    string
		}{
			{"asked to wait, in seconds", func(n int, w http.ResponseWriter) bool {
				if n == 1 {
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(429)
				}
				return n == 1
			}, 2, func(d []time.Duration) bool { return len(d) == 1 && d[0] == 7*time.Second }, ""},
			{"asked to wait, by date", func(n int, rw http.ResponseWriter) bool {
				if n == 1 {
					rw.Header().Set("Retry-After", w.now.Add(90*time.Second).UTC().Format(http.TimeFormat))
					rw.WriteHeader(503)
				}
				return n == 1
			}, 2, func(d []time.Duration) bool { return len(d) == 1 && d[0] > 80*time.Second && d[0] <= 90*time.Second }, ""},
			{"asked to come back tomorrow", func(_ int, w http.ResponseWriter) bool {
				w.Header().Set("Retry-After", "86400")
				w.WriteHeader(429)
				return true
			}, 1, func(d []time.Duration) bool { return len(d) == 0 }, "429"},
			{"goes on failing", func(_ int, w http.ResponseWriter) bool { w.WriteHeader(502); return true }, 5, func(d []time.Duration) bool {
				for i := range d { // 2, 4, 8 and 16 seconds, give or take half
					if middle := 2 * time.Second << i; d[i] < middle/2 || d[i] > middle*3/2 {
						return false
					}
				}
				return len(d) == 4
			}, "502"},
			{"not there", func(_ int, w http.ResponseWriter) bool { w.WriteHeader(404); return true }, 1, func(d []time.Duration) bool { return len(d) == 0 }, "404"},
			{"sent on to another server", func(_ int, w http.ResponseWriter) bool {
				w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
				w.WriteHeader(302)
				return true
			}, 1, func(d []time.Duration) bool { return len(d) == 0 }, "another server, 169.254.169.254"},
			{"sent round in circles", func(_ int, w http.ResponseWriter) bool {
				w.Header().Set("Location", "/again")
				w.WriteHeader(302)
				return true
			}, 5, func(d []time.Duration) bool { return len(d) == 0 }, "again and again"},
		} {
			s.before = c.before
			err := ask(w)
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %q", c.name, err, c.fails)
			}
			if len(s.requests) != c.requests || !c.waits(s.slept) {
				t.Errorf("%s: %d requests after waits of %v", c.name, len(s.requests), s.slept)
			}
		}
		s.before = nil
	})
}

// A secret of the operator's goes to the feed's own server and to no other.
func TestHeadersStayWithTheirServer(t *testing.T) {
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, "other "+r.Header.Get("X-Key"))
		w.Write([]byte("[]"))
	}))
	defer other.Close()
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, "own "+r.Header.Get("X-Key")+" "+r.Header.Get("User-Agent"))
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer own.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	f := &ingest.Fetcher{Client: client, Guarded: client, Contact: "operator@example.org", Secret: func(string) string { return "secret" }}
	answer, err := f.Open(t.Context(), feed.Request{Method: "GET", URL: own.URL, Header: map[string]string{"X-Key": "env:SITENOTICE_FEED_X"}}, ingest.Answer{})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if !bytes.Equal(text, []byte("[]")) || len(got) != 2 || got[0] != "own secret Sitenotice (planning alerts; operator@example.org)" || got[1] != "other " {
		t.Errorf("%q %q", text, got)
	}
}
