package web_test

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sitenotice/sitenotice/web/api"
)

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

func TestApplicationsForPrograms(t *testing.T) {
	eachSite(t, func(s *site) {
		for query, want := range map[string][]string{
			"postcode=NW1+8NH&radius_m=200":                                       {"2026/0001/P", "2026/0003/L"},
			"postcode=nw18nh&radius_m=1000":                                       {"2026/0001/P", "2026/0002/P", "2026/0003/L", "2025/9000/T"},
			"lat=51.539703&lon=-0.142539&radius_m=130":                            {"2026/0001/P"},
			"bbox=-0.15,51.53,-0.13,51.55&stage=open":                             {"2026/0001/P", "2026/0002/P"},
			"polygon=" + url.QueryEscape(outline) + "&stage=decided":              {"2026/0003/L"},
			"authority=camden&kind=householder,listed_building":                   {"2026/0001/P", "2026/0003/L"},
			"authority=camden&kind=householder&kind=full":                         {"2026/0001/P", "2026/0002/P"},
			"authority=camden&major=true":                                         {"2026/0002/P"},
			"authority=camden&stage=withdrawn":                                    {"2025/9000/T"},
			"authority=camden&status=consultation":                                {"2026/0001/P"},
			"authority=camden&decision=refused,approved_conditions":               {"2026/0003/L"},
			"authority=camden&received_from=2026-09-02&received_until=2026-11-11": {"2026/0002/P"},
			"authority=camden&decided_from=2020-01-01":                            {"2026/0003/L"},
			"authority=camden&closing_from=2026-11-23":                            {"2026/0001/P"},
			"authority=camden&closing_until=2026-11-22":                           nil,
			"authority=camden&listed_from=2026-09-01":                             {"2026/0001/P", "2026/0002/P", "2026/0003/L"},
			"authority=camden&listed_until=2026-09-01":                            {"2026/0003/L", "2025/9000/T"},
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
			"authority=camden&kind=castle": "kind", "authority=camden&stage=late": "stage", "authority=camden&major=maybe": "major", "authority=camden&listed_from=yesterday": "listed_from", "authority=camden&received_until=x": "received_until",
			"authority=camden&decided_from=2026-13-01": "decided_from", "authority=camden&closing_from=2026-02-02&closing_until=2026-02-01": "closing_until", "authority=camden&status=lost": "status", "authority=camden&decision=maybe": "decision",
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
