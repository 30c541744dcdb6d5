package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestAListIsNarrowedByItsAddress(t *testing.T) {
	eachSite(t, func(s *site) {
		near := "/near?postcode=NW1+8NH&radius=1000"
		for query, want := range map[string][]string{
			"":                               {"12 Lamplighter Street", "Coalwharf Yard", "3 Piano Yard", "Tollgate Square"},
			"&state=open":                    {"12 Lamplighter Street", "Coalwharf Yard"},
			"&state=decided":                 {"3 Piano Yard"},
			"&state=withdrawn":               {"Tollgate Square"},
			"&major=1":                       {"Coalwharf Yard"},
			"&kind=trees&kind=heritage":      {"3 Piano Yard", "Tollgate Square"},
			"&days=30":                       {"12 Lamplighter Street", "Coalwharf Yard"},
			"&since=2026-11-01":              {"12 Lamplighter Street"},
			"&words=yard":                    {"Coalwharf Yard", "3 Piano Yard"},
			"&words=%22piano+yard%22":        {"3 Piano Yard"},
			"&words=yard&state=open&major=1": {"Coalwharf Yard"},
			"&state=nonsense&days=-3&kind=x": {"12 Lamplighter Street", "Coalwharf Yard", "3 Piano Yard", "Tollgate Square"},
		} {
			for _, page := range []string{near + query, "/authorities/camden?" + strings.TrimPrefix(query, "&")} {
				r := s.get(page)
				for _, address := range []string{"12 Lamplighter Street", "Coalwharf Yard", "3 Piano Yard", "Tollgate Square"} {
					shown, wanted := strings.Contains(r.Body, `">`+address), false
					for _, w := range want {
						wanted = wanted || w == address
					}
					if r.StatusCode != http.StatusOK || shown != wanted {
						t.Errorf("%s: status %d, %s is shown: %t, want %t", page, r.StatusCode, address, shown, wanted)
					}
				}
			}
		}
		r := s.get(near + "&state=open&words=yard")
		s.expect(r, http.StatusOK, "Still to be decided", "With “yard”", "Show everything", "/near.csv?postcode=NW1+8NH&radius=1000&state=open&words=yard")
		s.expect(s.get(near+"&words=submarine"), http.StatusOK, "No applications here", "show everything here")
	})
}

func TestAnyListIsForFeedReadersAndMaps(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, list := range []string{"/near%s?postcode=NW1+8NH&radius=1000&state=open", "/authorities/camden%s?state=open", "/search%s?q=london&state=open"} {
			page := s.get(fmt.Sprintf(list, ""))
			for extension, mime := range map[string]string{"atom": "application/atom+xml; charset=utf-8", "geojson": "application/geo+json", "csv": "text/csv; charset=utf-8; header=present", "ics": "text/calendar; charset=utf-8", "ndjson": "application/x-ndjson"} {
				path := fmt.Sprintf(list, "."+extension)
				r := s.get(path)
				if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != mime || r.Header.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("%s: %d as %s", path, r.StatusCode, r.Header.Get("Content-Type"))
				}
				if !strings.Contains(r.Body, "12 Lamplighter Street") || strings.Contains(r.Body, "3 Piano Yard") || extension != "ics" && !strings.Contains(r.Body, "Coalwharf Yard") {
					t.Errorf("%s is not the list of the page: %s", path, clip(r.Body))
				}
				if !strings.Contains(page.Body, "."+extension+"?") && extension != "ndjson" {
					t.Errorf("the page has no link to its %s", extension)
				}
				again := s.request(http.MethodGet, path, nil)
				again.Header.Set("If-None-Match", r.Header.Get("ETag"))
				if r := s.do(again); r.StatusCode != http.StatusNotModified {
					t.Errorf("%s is sent twice: %d", path, r.StatusCode)
				}
			}
		}
		s.expect(s.get("/near.atom"), http.StatusUnprocessableEntity)
		s.expect(s.get("/near.exe?postcode=NW1+8NH"), http.StatusNotFound)
		s.expect(s.get("/authorities/nowhere.atom"), http.StatusNotFound)
		s.expect(s.get("/search.csv?q=%2F%2F"), http.StatusUnprocessableEntity)
		s.mu.Lock()
		defer s.mu.Unlock()
		if strings.Contains(s.log.String(), "NW1") || strings.Contains(s.log.String(), "london") {
			t.Error("a postcode or what somebody looked for is in the log")
		}
	})
}

// A document that does not hold everything says where the rest is, and the rest is
// each application once.
func TestADocumentGoesOn(t *testing.T) {
	eachSite(t, func(s *site) {
		for i := range 450 {
			s.addApplication("camden", alerts.Details{Reference: fmt.Sprintf("P/%d", i), Received: alerts.Date(fmt.Sprintf("2026-10-%02d", 1+i%7))})
		}
		seen := map[string]int{}
		for path := "/authorities/camden.geojson"; path != ""; {
			var doc struct {
				Links    []struct{ Rel, Href string }
				Features []struct{ ID string }
			}
			if err := json.Unmarshal([]byte(s.get(path).Body), &doc); err != nil {
				t.Fatal(err)
			}
			path = ""
			for _, f := range doc.Features {
				seen[f.ID]++
			}
			for _, l := range doc.Links {
				if l.Rel == "next" {
					path = l.Href
				}
			}
		}
		if len(seen) != 454 {
			t.Errorf("%d applications of 454", len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s comes %d times", id, n)
			}
		}
	})
}

func TestAPageIsSentOnce(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, path := range []string{"/", "/near?postcode=NW1+8NH", "/authorities/camden", "/applications/camden/2026%2F0001%2FP"} {
			first := s.get(path)
			again := s.request(http.MethodGet, path, nil)
			again.Header.Set("If-None-Match", first.Header.Get("ETag"))
			if r := s.do(again); first.Header.Get("ETag") == "" || r.StatusCode != http.StatusNotModified || r.Body != "" {
				t.Errorf("%s is sent twice: %d", path, r.StatusCode)
			}
		}
		s.addApplication("camden", alerts.Details{Reference: "NEW/1", Address: "1 New Street", Received: "2026-11-23", Site: alerts.Site{Lon: home.Lon, Lat: home.Lat, Method: alerts.MethodPoint}})
		s.expect(s.get("/near?postcode=NW1+8NH"), http.StatusOK, "1 New Street")
	})
}

func TestAReferenceLeadsToItsApplication(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, typed := range []string{"2026/0003/L", "2026/0003/l", "2026 0003 L", "20260003L", "2026-0003-l"} {
			if r := s.get("/search?q=" + url.QueryEscape(typed)); r.StatusCode != http.StatusFound || r.Header.Get("Location") != "/applications/camden/2026%2F0003%2FL" {
				t.Errorf("%q: %d to %s", typed, r.StatusCode, r.Header.Get("Location"))
			}
		}
		s.exec(`INSERT INTO authority (slug, name, district) VALUES ('islington', 'London Borough of Islington', 'E09000019')`)
		s.addApplication("islington", alerts.Details{Reference: "2026/0003/L", Address: "9 Angel Walk", Received: "2026-11-01"})
		s.expect(s.get("/search?q=2026%2F0003%2FL"), http.StatusOK, "With this reference", "9 Angel Walk", "3 Piano Yard", "London Borough of Islington")
		if r := s.get("/search?q=2026%2F0003%2FL&authority=islington"); r.Header.Get("Location") != "/applications/islington/2026%2F0003%2FL" {
			t.Errorf("within a council: %d to %s", r.StatusCode, r.Header.Get("Location"))
		}
	})
}

func TestSearchTakesWhateverIsTyped(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get("/search"), http.StatusOK, "Words or a reference")
		s.expect(s.get("/search?q=railings"), http.StatusOK, "3 Piano Yard", "Approved with conditions")
		s.expect(s.get("/search?q=yard&state=open"), http.StatusOK, "Coalwharf Yard")
		s.expect(s.get("/search?q=zeppelin"), http.StatusOK, "Nothing found", "Try fewer words")
		s.expect(s.get("/search?q=%21%21%21"), http.StatusOK, "no letter or number")
		for _, typed := range []string{`"`, `'`, `"" OR 1`, `a AND`, `NOT`, `*`, `(`, `{words}:x`, `railings* NEAR/3 "`, `\`, "a\x00b", "\xff\xfe", strings.Repeat("x", 20_000), strings.Repeat(`"a" `, 5_000), "🏠", "مرحبا"} {
			r := s.get("/search?q=" + url.QueryEscape(typed))
			if r.StatusCode != http.StatusOK {
				t.Errorf("%.40q: status %d", typed, r.StatusCode)
			}
			checkHarmless(t, typed, r.Body)
		}
		s.exec(`UPDATE application SET hidden = TRUE WHERE reference = '2026/0003/L'`)
		s.expect(s.get("/search?q=railings"), http.StatusOK, "Nothing found")
		s.expect(s.get("/search?q=2026%2F0003%2FL"), http.StatusOK, "Nothing found")
	})
}

func TestTheCourseOfACouncilsApplicationsInNumbers(t *testing.T) {
	eachSite(t, func(s *site) {
		if strings.Contains(s.get("/authorities/camden").Body, "in numbers") {
			t.Error("four applications carry numbers")
		}
		for i := range 40 {
			d := alerts.Details{Reference: fmt.Sprintf("N/%d", i), Received: "2026-01-10", Valid: "2026-01-12", Status: alerts.StatusPending}
			if i < 30 {
				d.Status, d.Decision, d.Decided = alerts.StatusDecided, alerts.DecisionApproved, "2026-03-09"
			}
			s.addApplication("camden", d)
		}
		s.exec(`INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, details) VALUES ('camden', 'first', 1, 0, 0, '2024-01-01', '{}')`)
		s.advance(2 * time.Hour) // what was counted is believed for an hour
		s.expect(s.get("/authorities/camden"), http.StatusOK, "In the last 12 full months 42 applications came in: about 4 a month",
			"Of 40 applications that came in between 18 and 6 months ago, 75 % are decided and 0 % were withdrawn", "Half of the decisions were made within 56 days")
	})
}
