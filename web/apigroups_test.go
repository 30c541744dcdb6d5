package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

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
			{on("/recover"), `{"since":"2020-01-01T00:00:00Z"}`, 422, "#/since"},
			{on("/recover"), `{"since":"2026-11-20T00:00:00Z","until":"2026-11-19T00:00:00Z"}`, 422, "#/until"},
			{on("/recover"), `{"since":"2026-11-20T00:00:00Z","until":"later"}`, 422, "#/until"},
			{on("/recover"), `{"after_sequence":5,"until_sequence":4}`, 422, "#/until_sequence"},
			{on("/recover"), `{"since":"2026-11-20T00:00:00Z","after_sequence":1}`, 422, "#/since"},
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
		s.expect(s.call("POST", on("/test"), token, `{}`), http.StatusConflict, "has not proved itself yet: send it a ping")
		s.expect(s.call("POST", "/areas", token, `area=camden`, "Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType)
		s.expect(s.call("POST", "/areas", token, `{"area":{"type":"`+strings.Repeat("x", 100_000)+`"}}`), http.StatusRequestEntityTooLarge)
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
		s.expect(s.call("PATCH", on(fmt.Sprintf("/subscriptions/%d", sub)), token, `{"filter":{"events":["received"]}}`), http.StatusOK, `"events":["received"]`, `"type":"polygon"`)
		s.expect(s.call("PATCH", on(fmt.Sprintf("/subscriptions/%d", sub)), token, `{"filter":{"events":["born"]}}`), http.StatusUnprocessableEntity, "#/filter/events/0")
		s.expect(s.call("POST", on("/subscriptions"), token, `{"area":{"type":"authority","authority":"camden"}}`), http.StatusCreated)
		s.expect(s.call("PATCH", on(fmt.Sprintf("/subscriptions/%d", sub)), token, `{"area":{"type":"authority","authority":"camden"}}`), http.StatusConflict)
		s.expect(s.call("PATCH", on(fmt.Sprintf("/subscriptions/%d", sub)), token, `{"filter":{}}`), http.StatusOK)
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
		s.expect(s.call("GET", on("/deliveries?state=given_up"), token, ""), http.StatusOK, `"deliveries":[]`)
		s.expect(s.call("GET", on("/deliveries?state=queued&limit=1"), token, ""), http.StatusOK, `"state":"queued"`, `state=queued"`)
		s.expect(s.call("GET", on("/deliveries?state=lost"), token, ""), http.StatusBadRequest, `"parameter":"state"`)
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

// Each address of the corpus is refused, or not, by the interface itself, in words
// that tell nothing of our network.
func TestOddAddressesAreRefusedByTheInterface(t *testing.T) {
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the corpus is not read")
	}
	b, err := os.ReadFile(filepath.Join(dir, "delivery", "corpora", "ssrf_urls.json"))
	if err != nil {
		t.Fatal(err)
	}
	var corpus struct {
		Cases []struct{ URL, Verdict, Why string }
	}
	if err := json.Unmarshal(b, &corpus); err != nil || len(corpus.Cases) < 60 {
		t.Fatalf("%d addresses: %v", len(corpus.Cases), err)
	}
	s := newSite(t, storetest.Engines(t)[0])
	_, token := s.program("gwen")
	for _, c := range corpus.Cases {
		t.Run(c.URL, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"name": "x", "url": c.URL})
			if err != nil {
				t.Fatal(err)
			}
			r := s.call("POST", "/endpoints", token, string(body))
			if want := map[bool]int{true: http.StatusUnprocessableEntity, false: http.StatusCreated}[c.Verdict == "reject"]; r.StatusCode != want {
				t.Errorf("%d, want %d (%s): %s", r.StatusCode, want, c.Why, r.Body)
			}
			if c.Verdict != "reject" {
				s.expect(s.call("DELETE", fmt.Sprintf("/endpoints/%d", got[struct{ ID int64 }](s, r).ID), token, ""), http.StatusNoContent)
			} else if !strings.Contains(r.Body, `"pointer":"#/url"`) || strings.Contains(r.Body, "private") || strings.Contains(r.Body, "loopback") {
				t.Errorf("%s", r.Body)
			}
		})
	}
}
