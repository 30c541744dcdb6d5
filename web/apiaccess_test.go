package web_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/web/api"
)

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
				if method == "PATCH" && strings.HasSuffix(m[3], "{endpoint:[0-9]+}") {
					body = `{"url":"https://evil.example/"}`
				} else if method == "PATCH" {
					body = `{"filter":{}}`
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
