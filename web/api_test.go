package web_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// described is the description, which every answer in these tests is held against.
var described = sync.OnceValues(func() (routers.Router, error) {
	for _, mime := range []string{"text/csv", "application/x-ndjson", "text/event-stream", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(mime, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			b, err := io.ReadAll(body)
			return string(b), err
		})
	}
	for _, mime := range []string{"application/geo+json"} {
		openapi3filter.RegisterBodyDecoder(mime, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			var v any
			return v, json.NewDecoder(body).Decode(&v)
		})
	}
	d, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		return nil, err
	}
	if err := d.Validate(context.Background()); err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(d)
})

// call asks the interface for programs, and holds the answer against the description.
// Headers come in pairs.
func (s *site) call(method, path, token, body string, headers ...string) reply {
	s.Helper()
	r, err := http.NewRequest(method, s.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	out := s.do(r)
	s.asDescribed(r, out)
	return out
}

func (s *site) asDescribed(r *http.Request, out reply) {
	s.Helper()
	router, err := described()
	if err != nil {
		s.Fatalf("the description is not right: %v", err)
	}
	if out.StatusCode == http.StatusMethodNotAllowed || r.Method == http.MethodOptions || r.Method == http.MethodHead {
		return
	}
	route, params, err := router.FindRoute(r)
	if err != nil {
		if out.StatusCode != http.StatusNotFound {
			s.Errorf("%s %s is not in the description and answers %d", r.Method, r.URL.Path, out.StatusCode)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: out.StatusCode, Header: out.Header,
		Body: io.NopCloser(strings.NewReader(out.Body)), Options: &openapi3filter.Options{IncludeResponseStatus: true}})
	if err != nil {
		s.Errorf("%s %s answers what the description does not say: %v\n%s", r.Method, r.URL, err, clip(out.Body))
	}
}

// got reads an answer as JSON.
func got[T any](s *site, r reply) (v T) {
	s.Helper()
	if err := json.Unmarshal([]byte(r.Body), &v); err != nil {
		s.Fatalf("%s %s: %v\n%s", r.Request.Method, r.Request.URL, err, clip(r.Body))
	}
	return v
}

// program makes a group with a token for everything.
func (s *site) program(name string) (group int64, token string) {
	s.Helper()
	s.signIn(name + "@example.org")
	group = s.newGroup(name)
	return group, s.newToken(group, "write")
}

func (s *site) newToken(group int64, what string) string {
	s.Helper()
	days := "30"
	if what == "feeds" {
		days = "0"
	}
	r := s.post(fmt.Sprintf("/groups/%d/tokens", group), "name", "program", "for", what, "days", days)
	s.expect(r, http.StatusCreated)
	return regexp.MustCompile(`snf?_[\w-]{43}`).FindString(r.Body)
}

// The description and the routes are the same list.
func TestTheDescriptionListsTheRoutes(t *testing.T) {
	source, err := os.ReadFile("api/v1.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{"POST " + api.ImportPath: true, "GET /api/v1/schemas/{schema}": true}
	for _, m := range regexp.MustCompile(`(?m)^\t(public|read|write)\((?:(post|patch|remove), )?"([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		method := map[string]string{"": "GET", "post": "POST", "patch": "PATCH", "remove": "DELETE"}[m[2]]
		have[method+" /api/v1"+placeholder.ReplaceAllString(m[3], "{$1}")] = true
	}
	if len(have) < 30 {
		t.Fatalf("only %d routes found", len(have))
	}
	d, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			said[method+" "+path] = true
			secured := op.Security != nil && len(*op.Security) > 0
			if public := strings.Contains(string(source), `public("`+regexp.MustCompile(`^/api/v1`).ReplaceAllString(path, "")+`"`); public == secured && !strings.Contains(path, "{") {
				t.Errorf("%s %s: the description says that it needs a token: %t", method, path, secured)
			}
		}
	}
	for route := range have {
		if !said[route] {
			t.Errorf("%s is not in the description", route)
		}
	}
	for route := range said {
		if !have[route] {
			t.Errorf("%s is described and does not exist", route)
		}
	}
}

type listed struct {
	Applications []struct {
		Authority, Reference, Address, Kind, Status string
		Open                                        bool
		Location                                    *struct{ Lon, Lat float64 }
	}
	Next   string
	Detail string
	Errors []struct{ Parameter, Pointer, Detail string }
}

func (l listed) references() (all []string) {
	for _, a := range l.Applications {
		all = append(all, a.Reference)
	}
	return all
}

func TestApplicationsForPrograms(t *testing.T) {
	eachSite(t, func(s *site) {
		for query, want := range map[string][]string{
			"postcode=NW1+8NH&radius_m=200":                          {"2026/0001/P", "2026/0003/L"},
			"postcode=nw18nh&radius_m=1000":                          {"2026/0001/P", "2026/0002/P", "2026/0003/L", "2025/9000/T"},
			"lat=51.539703&lon=-0.142539&radius_m=130":               {"2026/0001/P"},
			"bbox=-0.15,51.53,-0.13,51.55&stage=open":                {"2026/0001/P", "2026/0002/P"},
			"polygon=" + url.QueryEscape(outline) + "&stage=decided": {"2026/0003/L"},
			"authority=camden&kind=householder,listed_building":      {"2026/0001/P", "2026/0003/L"},
			"authority=camden&kind=householder&kind=full":            {"2026/0001/P", "2026/0002/P"},
			"authority=camden&major=true":                            {"2026/0002/P"},
			"authority=camden&stage=withdrawn":                       {"2025/9000/T"},
			"authority=camden&listed_from=2026-09-01":                {"2026/0001/P", "2026/0002/P", "2026/0003/L"},
			"authority=camden&listed_until=2026-09-01":               {"2026/0003/L", "2025/9000/T"},
			"q=roof+lights":            {"2026/0001/P"},
			"q=lime&authority=camden":  {"2025/9000/T"},
			"authority=atlantis":       nil,
			"bbox=-0.5,51.3,-0.4,51.4": nil,
		} {
			r := s.call("GET", "/applications?"+query, "", "")
			s.expect(r, http.StatusOK)
			if refs := got[listed](s, r).references(); !slices.Equal(refs, want) {
				t.Errorf("%s: %v, want %v", query, refs, want)
			}
			if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("ETag") == "" {
				t.Errorf("%s: headers %v", query, r.Header)
			}
		}
		// Whoever has it already is told so.
		r := s.call("GET", "/applications?authority=camden", "", "")
		if again := s.call("GET", "/applications?authority=camden", "", "", "If-None-Match", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || again.Body != "" {
			t.Errorf("asking again answers %d", again.StatusCode)
		}
		// Pages: each application once, whatever the size of the page.
		for _, limit := range []string{"1", "2", "3", "4"} {
			var all []string
			for next := "/applications?authority=camden&limit=" + limit; next != ""; {
				page := got[listed](s, s.call("GET", next, "", ""))
				all = append(all, page.references()...)
				next = strings.TrimPrefix(page.Next, s.url+"/api/v1")
				if len(all) > 10 {
					t.Fatal("the list has no end")
				}
			}
			if strings.Join(all, " ") != "2026/0001/P 2026/0002/P 2026/0003/L 2025/9000/T" {
				t.Errorf("by %s: %v", limit, all)
			}
		}
	})
}

// A cursor stays good when what stood there, or came before, is taken down.
func TestCursorsStandWhenRecordsAreHidden(t *testing.T) {
	eachSite(t, func(s *site) {
		first := got[listed](s, s.call("GET", "/applications?authority=camden&limit=2", "", ""))
		s.exec(`UPDATE application SET hidden = TRUE WHERE reference IN ('2026/0001/P', '2026/0002/P')`)
		second := got[listed](s, s.call("GET", strings.TrimPrefix(first.Next, s.url+"/api/v1"), "", ""))
		if !slices.Equal(second.references(), []string{"2026/0003/L", "2025/9000/T"}) {
			t.Errorf("after hiding the newest: %v", second.references())
		}
	})
}

func TestFormatsForPrograms(t *testing.T) {
	eachSite(t, func(s *site) {
		s.exec(`UPDATE application SET details = replace(details, '12 Lamplighter Street', '=HYPERLINK(1)') WHERE reference = '2026/0001/P'`)
		for _, c := range []struct{ path, accept, mime string }{
			{"/applications.geojson?authority=camden", "", "application/geo+json"},
			{"/applications?authority=camden", "application/geo+json", "application/geo+json"},
			{"/applications.csv?authority=camden", "", "text/csv"},
			{"/applications?authority=camden", "text/csv", "text/csv"},
			{"/applications.ndjson?authority=camden", "", "application/x-ndjson"},
			{"/applications?authority=camden", "application/x-ndjson", "application/x-ndjson"},
			{"/applications?authority=camden", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"},
		} {
			r := s.call("GET", c.path, "", "", "Accept", c.accept)
			s.expect(r, http.StatusOK)
			if !strings.HasPrefix(r.Header.Get("Content-Type"), c.mime) {
				t.Errorf("%s (%s): %s", c.path, c.accept, r.Header.Get("Content-Type"))
			}
			switch c.mime {
			case "text/csv":
				rows, err := csv.NewReader(strings.NewReader(r.Body)).ReadAll()
				if err != nil || len(rows) != 5 || strings.Contains(r.Body, ",=HYPERLINK") || !strings.Contains(r.Body, "'=HYPERLINK") {
					t.Errorf("%d rows, %v: %s", len(rows), err, r.Body)
				}
			case "application/x-ndjson":
				if n := len(strings.Split(strings.TrimSpace(r.Body), "\n")); n != 4 {
					t.Errorf("%d lines", n)
				}
			}
		}
		s.expect(s.call("GET", "/applications?authority=camden", "", "", "Accept", "image/png"), http.StatusNotAcceptable)
		r := s.call("GET", "/applications.csv?authority=camden&limit=2", "", "")
		if !strings.Contains(r.Header.Get("Link"), "/api/v1/applications.csv?") {
			t.Errorf("Link %q", r.Header.Get("Link"))
		}
		s.expect(s.call("GET", "/applications/camden/2026%2F0001%2FP", "", ""), http.StatusOK)
		s.expect(s.call("GET", "/applications/camden/2026%2F0001%2FP.geojson", "", ""), http.StatusOK, `"geometry":{"type":"Point"`)
		s.expect(s.call("GET", "/applications/camden/none", "", ""), http.StatusNotFound)
	})
}

// What is wrong with a request is said in a sentence, with its place.
func TestErrorsNameTheParameter(t *testing.T) {
	eachSite(t, func(s *site) {
		for query, want := range map[string]string{
			"": "authority", "colour=red": "colour", "postcode=NW1": "postcode", "postcode=ZZ99+9ZZ": "postcode", "lat=51.5": "lon", "lat=x&lon=1": "lat", "lat=10&lon=10": "lat",
			"postcode=NW1+8NH&radius_m=1e9": "radius_m", "postcode=NW1+8NH&radius_m=NaN": "radius_m", "radius_m=500&authority=camden": "radius_m", "bbox=1,2,3": "bbox", "bbox=a,b,c,d": "bbox",
			"bbox=-0.1,51.5,-0.2,51.6": "bbox", "bbox=-6,50,1,58": "bbox", "bbox=NaN,51,0,52": "bbox", "polygon=%7B%7D": "polygon", "polygon=" + url.QueryEscape(hugePolygon()): "polygon",
			"authority=camden&kind=castle": "kind", "authority=camden&stage=late": "stage", "authority=camden&major=maybe": "major", "authority=camden&listed_from=yesterday": "listed_from",
			"authority=camden&limit=0": "limit", "authority=camden&limit=201": "limit", "authority=camden&cursor=!!": "cursor", "authority=camden&cursor=eA": "cursor",
			"authority=camden&cursor=MjAyNi0wMS0wMSAtMQ": "cursor", "authority=camden&authority=york": "authority", "postcode=NW1+8NH&bbox=-0.15,51.53,-0.13,51.55": "bbox",
		} {
			s.server.API.Client = func(*http.Request) string { return query } // not what this is about
			r := s.call("GET", "/applications?"+query, "", "")
			p := got[listed](s, r)
			if r.StatusCode != http.StatusBadRequest || len(p.Errors) != 1 || p.Errors[0].Parameter != want || !strings.HasSuffix(p.Detail, ".") && !strings.HasSuffix(p.Detail, "!") {
				t.Errorf("%q: %d %+v, want the parameter %s", query, r.StatusCode, p, want)
			}
			if r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%q: %s", query, r.Header.Get("Content-Type"))
			}
		}
	})
}

// hugePolygon is far larger than an area may be.
func hugePolygon() string {
	return `{"type":"Polygon","coordinates":[[[-5,50],[1,50],[1,58],[-5,58],[-5,50]]]}`
}

func TestPlacesForPrograms(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.call("GET", "/authorities", "", ""), http.StatusOK, `"slug":"camden"`, `"covered":true`)
		s.expect(s.call("GET", "/authorities/camden", "", ""), http.StatusOK, `"applications":4`)
		s.expect(s.call("GET", "/authorities/atlantis", "", ""), http.StatusNotFound)
		s.expect(s.call("GET", "/freshness", "", ""), http.StatusOK, `"age_hours":3`)
		s.expect(s.call("GET", "/postcodes/n1c4ag", "", ""), http.StatusOK, `"postcode":"N1C 4AG"`, `"ward":"E05013666"`)
		s.expect(s.call("GET", "/postcodes/N1C", "", ""), http.StatusBadRequest)
		s.expect(s.call("GET", "/postcodes/ZZ9%209ZZ", "", ""), http.StatusNotFound)
		s.expect(s.call("GET", "/openapi.yaml", "", ""), http.StatusOK, "openapi: 3.1.0")
		s.expect(s.call("GET", "/nothing", "", ""), http.StatusNotFound)
		s.expect(s.get("/api"), http.StatusOK, "For programs", "/api/v1/applications", "needs a token")
	})
}

// live gives an event a number, as a run does that notifies.
func (s *site) live(reference string, t alerts.EventType) (seq int64) {
	s.Helper()
	id := int64(s.count(`SELECT id FROM application WHERE reference = $1`, reference))
	d := s.details(id)
	before := d
	d.Description += " as amended"
	version := s.count(`SELECT max(version) FROM event WHERE application_id = $1`, id) + 1
	s.addEvent(id, version, t, &before, d)
	seq = int64(s.count(`SELECT value FROM counter WHERE name = 'event'`)) + 1
	s.exec(`UPDATE event SET state = 'live', seq = $1 WHERE application_id = $2 AND version = $3`, seq, id, version)
	s.exec(`UPDATE counter SET value = $1 WHERE name = 'event'`, seq) // last, as the number becomes visible
	return seq
}

type eventList struct {
	Events []struct {
		Sequence    int64
		Type        string
		Application struct{ Reference, Address string }
	}
	After int64
	More  bool
}

func TestEventsForPrograms(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, ref := range []string{"2026/0001/P", "2026/0002/P", "2026/0001/P", "2026/0003/L"} {
			s.live(ref, alerts.EventAmended)
		}
		all := got[eventList](s, s.call("GET", "/events?after=0", "", ""))
		if len(all.Events) != 4 || all.After != 4 || all.More || all.Events[0].Type != "application.amended" {
			t.Errorf("%+v", all)
		}
		two := got[eventList](s, s.call("GET", "/events?after=1&limit=2", "", ""))
		if len(two.Events) != 2 || two.After != 3 || !two.More {
			t.Errorf("%+v", two)
		}
		if none := got[eventList](s, s.call("GET", "/events", "", "")); len(none.Events) != 0 || none.After != 4 {
			t.Errorf("without after: %+v", none)
		}
		// What was taken down is passed over, and the numbers go on.
		s.exec(`UPDATE application SET hidden = TRUE WHERE reference = '2026/0001/P'`)
		s.live("2026/0001/P", alerts.EventRemoved)
		var seen []int64
		for after := int64(0); ; {
			page := got[eventList](s, s.call("GET", fmt.Sprintf("/events?after=%d&limit=1", after), "", ""))
			if page.After < after || page.After == after && page.More {
				t.Fatalf("after %d comes %d", after, page.After)
			}
			for _, e := range page.Events {
				seen = append(seen, e.Sequence)
				if e.Sequence == 5 && (e.Type != "application.removed" || e.Application.Address != "") {
					t.Errorf("a tombstone says %+v", e)
				}
			}
			if after = page.After; !page.More {
				break
			}
		}
		if !slices.Equal(seen, []int64{2, 4, 5}) {
			t.Errorf("events %v", seen)
		}
		s.expect(s.call("GET", "/events?after=99", "", ""), http.StatusBadRequest, "The latest event is number 5")
		s.expect(s.call("GET", "/events?after=x", "", ""), http.StatusBadRequest)
		s.expect(s.call("GET", "/events?wait=31", "", ""), http.StatusBadRequest)
	})
}

// Whoever waits is answered when something happens, and not before.
func TestWaitingForEvents(t *testing.T) {
	eachSite(t, func(s *site) {
		done := make(chan reply, 1)
		go func() { done <- s.call("GET", "/events?after=0&wait=30", "", "") }()
		select {
		case r := <-done:
			t.Fatalf("answered at once: %s", r.Body)
		case <-time.After(100 * time.Millisecond): // that nothing comes can be seen in no other way
		}
		s.live("2026/0001/P", alerts.EventAmended)
		select {
		case r := <-done:
			if page := got[eventList](s, r); len(page.Events) != 1 {
				t.Errorf("%s", r.Body)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no answer")
		}
		if page := got[eventList](s, s.call("GET", "/events?after=1&wait=0", "", "")); len(page.Events) != 0 || page.After != 1 {
			t.Errorf("%+v", page)
		}
	})
}

func TestEventsStream(t *testing.T) {
	eachSite(t, func(s *site) {
		s.live("2026/0001/P", alerts.EventAmended)
		s.live("2026/0002/P", alerts.EventAmended)
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		r, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/api/v1/events", nil)
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Last-Event-ID", "1")
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		if w.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%v", w.Header)
		}
		var ids []string
		lines := bufio.NewScanner(w.Body)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				ids = append(ids, id)
				if id == "2" {
					s.live("2026/0003/L", alerts.EventAmended)
				}
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if !json.Valid([]byte(data)) {
					t.Errorf("no JSON: %s", data)
				}
				if len(ids) == 2 {
					break
				}
			}
		}
		if !slices.Equal(ids, []string{"2", "3"}) {
			t.Errorf("ids %v (%v)", ids, lines.Err())
		}
	})
}

// A token opens its own group and nothing else, for as long as it is in force.
func TestTokens(t *testing.T) {
	eachSite(t, func(s *site) {
		group, token := s.program("gwen")
		s.expect(s.call("GET", "/areas", "", ""), http.StatusUnauthorized, "needs a token of a group")
		for _, wrong := range []string{"sn_" + strings.Repeat("A", 43), "x", token + "x", token[:20], strings.ToUpper(token)} {
			s.expect(s.call("GET", "/areas", wrong, ""), http.StatusUnauthorized, "wrong, has run out or was ended")
		}
		s.expect(s.call("GET", "/applications?authority=camden", "x", ""), http.StatusUnauthorized)
		s.expect(s.call("GET", "/areas", "", "", "Authorization", "Basic "+token), http.StatusUnauthorized)
		s.expect(s.call("GET", "/areas", token, ""), http.StatusOK)
		reading := s.newToken(group, "read")
		s.expect(s.call("GET", "/areas", reading, ""), http.StatusOK)
		s.expect(s.call("POST", "/areas", reading, `{"area":{"type":"authority","authority":"camden"}}`), http.StatusForbidden, "only be used for reading")
		s.expect(s.call("GET", "/areas", s.newToken(group, "feeds"), ""), http.StatusUnauthorized)
		if r := s.call("GET", "/areas", token, ""); r.Header.Get("Access-Control-Allow-Origin") != "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("what is a group's own may be read by other sites, or kept: %v", r.Header)
		}
		s.advance(30 * 24 * time.Hour)
		s.expect(s.call("GET", "/areas", token, ""), http.StatusUnauthorized)
		s.expect(s.get("/account"), http.StatusSeeOther)
		s.signIn("gwen@example.org")
		fresh := s.newToken(group, "write")
		s.expect(s.call("GET", "/areas", fresh, ""), http.StatusOK)
		s.expect(s.post(fmt.Sprintf("/groups/%d/tokens/%d/revoke", group, s.count(`SELECT max(id) FROM api_token`))), http.StatusSeeOther)
		s.expect(s.call("GET", "/areas", fresh, ""), http.StatusUnauthorized)
	})
}

func TestRequestsAreCounted(t *testing.T) {
	eachSite(t, func(s *site) {
		_, token := s.program("gwen")
		for i := range api.PublicPerMinute {
			r := s.call("GET", "/freshness", "", "")
			if want := fmt.Sprintf(`"minute";r=%d;t=60`, api.PublicPerMinute-1-i); r.Header.Get("RateLimit") != want {
				t.Fatalf("RateLimit %s, want %s", r.Header.Get("RateLimit"), want)
			}
		}
		r := s.call("GET", "/freshness", "", "")
		s.expect(r, http.StatusTooManyRequests, "more than 60 requests in a minute")
		if r.Header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After %s", r.Header.Get("Retry-After"))
		}
		r = s.call("GET", "/freshness", token, "")
		s.expect(r, http.StatusOK)
		if !strings.Contains(r.Header.Get("RateLimit-Policy"), "q=600") {
			t.Errorf("with a token: %s", r.Header.Get("RateLimit-Policy"))
		}
		for range api.PublicPerMinute {
			s.call("GET", "/areas", "sn_wrong", "")
		}
		s.expect(s.call("GET", "/areas", "sn_wrong", ""), http.StatusTooManyRequests)
		s.advance(time.Minute)
		s.expect(s.call("GET", "/freshness", "", ""), http.StatusOK)
	})
}

// A POST with a key of the caller's own is done once.
func TestIdempotencyKeys(t *testing.T) {
	eachSite(t, func(s *site) {
		_, token := s.program("gwen")
		_, other := s.another().program("hal")
		body := `{"name":"our server","url":"https://hooks.example.org/planning"}`
		first := s.call("POST", "/endpoints", token, body, "Idempotency-Key", "one")
		s.expect(first, http.StatusCreated)
		again := s.call("POST", "/endpoints", token, body, "Idempotency-Key", "one")
		if again.StatusCode != http.StatusCreated || again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" || again.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("again: %d %v\n%s\n%s", again.StatusCode, again.Header, again.Body, first.Body)
		}
		if n := s.count(`SELECT count(*) FROM endpoint`); n != 1 {
			t.Errorf("%d endpoints", n)
		}
		secret := got[struct{ Secret string }](s, first).Secret
		if !strings.HasPrefix(secret, "whsec_") || strings.Contains(s.engine.Dump(t, s.db), secret) {
			t.Errorf("the secret %q is missing, or stored in the clear", secret)
		}
		s.expect(s.call("POST", "/endpoints", token, strings.Replace(body, "our", "the", 1), "Idempotency-Key", "one"), http.StatusUnprocessableEntity, "used for another request")
		s.expect(s.call("POST", "/endpoints", other, body, "Idempotency-Key", "one"), http.StatusCreated)
		s.expect(s.call("POST", "/endpoints", token, `{"name":"x","url":"http://127.0.0.1/"}`, "Idempotency-Key", "two"), http.StatusUnprocessableEntity)
		s.expect(s.call("POST", "/endpoints", token, body, "Idempotency-Key", "two"), http.StatusCreated) // nothing was made by the first
		s.expect(s.call("POST", "/endpoints", token, body, "Idempotency-Key", strings.Repeat("k", 300)), http.StatusBadRequest)
		s.advance(24 * time.Hour)
		s.expect(s.call("POST", "/endpoints", token, body, "Idempotency-Key", "one"), http.StatusCreated)
		var codes []int
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 4 {
			wg.Go(func() {
				r := s.call("POST", "/endpoints", token, body, "Idempotency-Key", "together")
				mu.Lock()
				codes = append(codes, r.StatusCode)
				mu.Unlock()
			})
		}
		wg.Wait()
		for _, c := range codes {
			if c != http.StatusCreated && c != http.StatusConflict {
				t.Errorf("together: %v", codes)
			}
		}
		if n := s.count(`SELECT count(*) FROM endpoint`); n != 5 {
			t.Errorf("%d endpoints, want 5", n)
		}
	})
}

// Each fault in a body is said with its place in it.
func TestErrorsNameTheMember(t *testing.T) {
	eachSite(t, func(s *site) {
		_, token := s.program("gwen")
		e := got[struct{ ID int64 }](s, s.call("POST", "/endpoints", token, `{"name":"a","url":"https://hooks.example.org/x"}`)).ID
		on := func(below string) string { return fmt.Sprintf("/endpoints/%d%s", e, below) }
		for _, c := range []struct {
			path, body string
			status     int
			pointer    string
		}{
			{"/areas", `{}`, 422, "#/area"},
			{"/areas", `{"area":{"type":"circle"}}`, 422, "#/area/radius_m"},
			{"/areas", `{"area":{"type":"circle","radius_m":500}}`, 422, "#/area/lat"},
			{"/areas", `{"area":{"type":"circle","radius_m":500,"postcode":"ZZ9"}}`, 422, "#/area/postcode"},
			{"/areas", `{"area":{"type":"blob"}}`, 422, "#/area/type"},
			{"/areas", `{"area":{"type":"ward"}}`, 422, "#/area/ward"},
			{"/areas", `{"area":{"type":"authority","authority":"atlantis"}}`, 422, "#/area/authority"},
			{"/areas", `{"area":{"type":"polygon","geometry":{"type":"Point","coordinates":[0,51]}}}`, 422, "#/area/geometry"},
			{"/areas", `{"area":{"type":"polygon","geometry":` + hugePolygon() + `}}`, 422, "#/area/geometry"},
			{"/areas", `{"area":{"type":"authority","authority":"camden"},"filter":{"kinds":["castle"]}}`, 422, "#/filter/kinds/0"},
			{"/areas", `{"area":{"type":"authority","authority":"camden"},"filter":{"events":["born"]}}`, 422, "#/filter/events/0"},
			{"/areas", `{"area":{"type":"authority","authority":"camden"},"filter":{"include":[" "]}}`, 422, "#/filter/include/0"},
			{"/areas", `{"area":{"type":"authority","authority":"camden"},"color":1}`, 422, "#/color"},
			{"/areas", `{"area":"camden"}`, 422, "#/area"},
			{"/areas", `{"area":{"type":"circle","radius_m":"far"}}`, 422, "#/area/radius_m"},
			{"/areas", `{`, 400, ""},
			{"/areas", `{} {}`, 400, ""},
			{"/endpoints", `{"name":"x","url":"http://hooks.example.org/"}`, 422, "#/url"},
			{"/endpoints", `{"name":"x","url":"https://localhost/"}`, 422, "#/url"},
			{"/endpoints", `{"name":"x","url":"https://169.254.169.254/"}`, 422, "#/url"},
			{"/endpoints", `{"url":"https://hooks.example.org/"}`, 422, "#/name"},
			{"/endpoints", `{"name":"x","url":"https://hooks.example.org/","format":"fax"}`, 422, "#/format"},
			{on("/recover"), `{}`, 422, "#/since"},
			{on("/recover"), `{"since":"yesterday"}`, 422, "#/since"},
			{on("/recover"), `{"after_sequence":-1}`, 422, "#/after_sequence"},
			{on("/rotate"), `{"overlap_hours":999}`, 422, "#/overlap_hours"},
			{on("/test"), `{"count":99}`, 422, "#/count"},
			{on("/confirm"), `{"code":"x"}`, 409, ""},
			{on("/pause"), ``, 409, ""},
		} {
			r := s.call("POST", c.path, token, c.body)
			p := got[listed](s, r)
			pointer := ""
			if len(p.Errors) > 0 {
				pointer = p.Errors[0].Pointer
			}
			if r.StatusCode != c.status || pointer != c.pointer {
				t.Errorf("%s %s: %d %s, want %d %s (%s)", c.path, c.body, r.StatusCode, pointer, c.status, c.pointer, p.Detail)
			}
		}
		s.expect(s.call("POST", "/areas", token, `area=camden`, "Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType)
		s.expect(s.call("POST", "/areas", token, `{"area":{"type":"`+strings.Repeat("x", 100_000)+`"}}`), http.StatusRequestEntityTooLarge)
	})
}

// Another group's endpoint is out of reach of a token, whatever is asked of it.
func TestAnotherGroupsEndpointsAreOutOfReach(t *testing.T) {
	eachSite(t, func(s *site) {
		_, theirs := s.program("gwen")
		_, mallory := s.another().program("mallory")
		e := got[struct{ ID int64 }](s, s.call("POST", "/endpoints", theirs, `{"name":"a","url":"https://hooks.example.org/x"}`)).ID
		sub := got[struct{ ID int64 }](s, s.call("POST", fmt.Sprintf("/endpoints/%d/subscriptions", e), theirs, `{"area":{"type":"authority","authority":"camden"}}`)).ID
		area := got[struct{ ID int64 }](s, s.call("POST", "/areas", theirs, `{"area":{"type":"authority","authority":"camden"}}`)).ID
		var delivery string
		if err := s.db.QueryRow(`SELECT message_id FROM delivery WHERE kind = 'webhook'`).Scan(&delivery); err != nil {
			t.Fatal(err)
		}
		mine := got[struct{ ID int64 }](s, s.call("POST", "/endpoints", mallory, `{"name":"m","url":"https://hooks.example.org/m"}`)).ID
		before := s.engine.Dump(t, s.db)
		bodies := map[string]string{"/subscriptions": `{"area":{"type":"authority","authority":"camden"}}`, "/recover": `{"after_sequence":0}`, "/confirm": `{"code":"x"}`}
		source, _ := os.ReadFile("api/v1.go")
		tried := 0
		for _, m := range regexp.MustCompile(`(?m)^\t(read|write)\((?:(post|patch|remove), )?"([^"]+\{[^"]+)"`).FindAllStringSubmatch(string(source), -1) {
			method := map[string]string{"": "GET", "post": "POST", "patch": "PATCH", "remove": "DELETE"}[m[2]]
			for _, at := range []int64{e, mine} {
				path := placeholder.ReplaceAllStringFunc(m[3], func(p string) string {
					switch placeholder.FindStringSubmatch(p)[1] {
					case "endpoint":
						return fmt.Sprint(at)
					case "subscription":
						return fmt.Sprint(sub)
					case "area":
						return fmt.Sprint(area)
					}
					return delivery
				})
				if at == mine && !strings.Contains(m[3], "subscription:") && !strings.Contains(m[3], "delivery") {
					continue
				}
				tried++
				body := ""
				for suffix, b := range bodies {
					if method == "POST" && strings.HasSuffix(path, suffix) {
						body = b
					}
				}
				if method == "PATCH" {
					body = `{"url":"https://evil.example/"}`
				}
				if r := s.call(method, path, mallory, body); r.StatusCode != http.StatusNotFound {
					t.Errorf("%s %s: %d %s", method, path, r.StatusCode, r.Body)
				}
			}
		}
		if tried < 20 {
			t.Errorf("only %d were tried", tried)
		}
		if s.engine.Dump(t, s.db) != before {
			t.Error("something was changed")
		}
	})
}

func TestOtherSitesMayReadWhatIsPublic(t *testing.T) {
	eachSite(t, func(s *site) {
		r := s.call("OPTIONS", "/applications", "", "", "Origin", "https://parish.example", "Access-Control-Request-Method", "GET")
		if r.StatusCode != http.StatusNoContent || r.Header.Get("Access-Control-Allow-Origin") != "*" || strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
		r = s.call("GET", "/applications?authority=camden", "", "", "Origin", "https://parish.example", "Sec-Fetch-Site", "cross-site")
		if r.StatusCode != http.StatusOK || r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
		if r := s.call("OPTIONS", "/endpoints", "", ""); r.Header.Get("Access-Control-Allow-Origin") != "" && r.StatusCode < 300 {
			t.Errorf("what is a group's own: %d %v", r.StatusCode, r.Header)
		}
	})
}

// With the interface: areas, an endpoint, its subscriptions and its log.
func TestAGroupsProgramSetsUpAnEndpoint(t *testing.T) {
	eachSite(t, func(s *site) {
		_, token := s.program("gwen")
		r := s.call("POST", "/areas", token, `{"area":{"type":"polygon","geometry":`+outline+`,"label":"the old town"},"filter":{"kinds":["householder"]}}`)
		s.expect(r, http.StatusCreated, "the old town")
		area := got[struct{ ID int64 }](s, r).ID
		s.expect(s.call("POST", "/areas", token, `{"area":{"type":"ward","ward":"E05013656","authority":"camden"}}`), http.StatusCreated)
		s.expect(s.call("GET", "/areas", token, ""), http.StatusOK, "the old town", "E05013656")
		s.expect(s.call("DELETE", fmt.Sprintf("/areas/%d", area), token, ""), http.StatusNoContent)
		s.expect(s.call("DELETE", fmt.Sprintf("/areas/%d", area), token, ""), http.StatusNotFound)

		e := got[struct{ ID int64 }](s, s.call("POST", "/endpoints", token, `{"name":"room","url":"https://hooks.slack.com/services/T0/B0/secret","format":"slack"}`)).ID
		on := func(below string) string { return fmt.Sprintf("/endpoints/%d%s", e, below) }
		r = s.call("GET", on(""), token, "")
		s.expect(r, http.StatusOK, `"state":"pending"`)
		if strings.Contains(r.Body, "secret\":\"") || strings.Contains(r.Body, "T0/B0") {
			t.Errorf("a chat room's address is shown: %s", r.Body)
		}
		var challenge string
		if err := s.db.QueryRow(`SELECT challenge FROM endpoint WHERE id = $1`, e).Scan(&challenge); err != nil {
			t.Fatal(err)
		}
		s.expect(s.call("POST", on("/confirm"), token, `{"code":"0000-0000"}`), http.StatusUnprocessableEntity)
		s.expect(s.call("POST", on("/confirm"), token, `{"code":"`+challenge+`"}`), http.StatusOK, `"state":"active"`)
		r = s.call("POST", on("/subscriptions"), token, `{"area":{"type":"polygon","geometry":`+outline+`}}`)
		s.expect(r, http.StatusCreated)
		sub := got[struct{ ID int64 }](s, r).ID
		s.expect(s.call("POST", on("/subscriptions"), token, `{"area":{"type":"polygon","geometry":`+outline+`}}`), http.StatusConflict)
		s.expect(s.call("GET", on("/subscriptions"), token, ""), http.StatusOK, `"type":"polygon"`)
		s.expect(s.call("GET", on("/snapshot"), token, ""), http.StatusOK, "2026/0001/P", "2026/0002/P")
		s.expect(s.call("GET", on("/snapshot?cursor=x"), token, ""), http.StatusBadRequest)
		s.expect(s.call("POST", on("/test"), token, `{"count":2}`), http.StatusAccepted, "evt_")
		r = s.call("GET", on("/deliveries?limit=2"), token, "")
		s.expect(r, http.StatusOK, "application.")
		log := got[struct {
			Deliveries []struct{ ID string }
			Next       string
		}](s, r)
		s.expect(s.call("GET", on("/deliveries/"+log.Deliveries[0].ID), token, ""), http.StatusOK, `"body":"`)
		s.expect(s.call("GET", strings.TrimPrefix(log.Next, s.url+"/api/v1"), token, ""), http.StatusOK, "endpoint.ping")
		s.expect(s.call("POST", on("/deliveries/"+log.Deliveries[0].ID+"/resend"), token, ""), http.StatusNotFound) // a test is not sent again
		s.expect(s.call("POST", on("/recover"), token, `{"after_sequence":0}`), http.StatusAccepted, `"queued":0`)
		s.expect(s.call("POST", on("/recover"), token, `{"since":"2026-11-20T00:00:00Z"}`), http.StatusAccepted)
		s.expect(s.call("POST", on("/pause"), token, ""), http.StatusOK, `"state":"paused"`)
		s.expect(s.call("POST", on("/resume"), token, ""), http.StatusOK, `"state":"active"`)
		s.expect(s.call("POST", on("/rotate"), token, ""), http.StatusOK, "whsec_", `"expires_at"`)
		s.expect(s.call("PATCH", on(""), token, `{"name":"our room"}`), http.StatusOK, "our room", `"state":"active"`)
		s.expect(s.call("PATCH", on(""), token, `{"url":"https://hooks.slack.com/services/T1"}`), http.StatusOK, `"state":"pending"`)
		s.expect(s.call("POST", on("/ping"), token, ""), http.StatusAccepted)
		s.expect(s.call("DELETE", on(fmt.Sprintf("/subscriptions/%d", sub)), token, ""), http.StatusNoContent)
		s.expect(s.call("DELETE", on(""), token, ""), http.StatusNoContent)
		s.expect(s.call("GET", on(""), token, ""), http.StatusNotFound)
		s.expect(s.call("GET", "/endpoints", token, ""), http.StatusOK, `"endpoints":[]`)
	})
}
