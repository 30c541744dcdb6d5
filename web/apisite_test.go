package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

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
	if r.Method != http.MethodOptions && out.Header.Get("RateLimit") == "" {
		s.Errorf("%s %s does not say how many requests are left", r.Method, r.URL)
	}
	if r.Method == http.MethodGet && out.StatusCode == http.StatusOK && out.Header.Get("ETag") == "" && out.Header.Get("Content-Type") != "text/event-stream" {
		s.Errorf("%s %s has no ETag", r.Method, r.URL)
	}
	if out.StatusCode >= 400 && out.StatusCode != http.StatusMethodNotAllowed && out.Header.Get("Content-Type") != "application/problem+json" {
		s.Errorf("%s %s answers %d as %s", r.Method, r.URL, out.StatusCode, out.Header.Get("Content-Type"))
	}
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

// hugePolygon is far larger than an area may be.
func hugePolygon() string {
	return `{"type":"Polygon","coordinates":[[[-5,50],[1,50],[1,58],[-5,58],[-5,50]]]}`
}
