package web_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// another returns the same site with an empty cookie jar, as another browser
// would see it.
func (s *site) another() *site {
	s.Helper()
	other := &site{T: s.T, store: s.store, server: s.server, engine: s.engine, db: s.db, url: s.url, log: s.log, now: s.now}
	other.client = newClient()
	return other
}

// signIn asks for a link and presses the button behind it.
func (s *site) signIn(email string) (account int64) {
	s.Helper()
	s.expect(s.post("/sign-in", "email", email), http.StatusSeeOther)
	r := s.post(s.mailLink("/sign-in/"))
	s.expect(r, http.StatusSeeOther)
	return int64(s.count(`SELECT max(recipient_id) FROM delivery WHERE kind = 'sign-in' AND id = (SELECT max(id) FROM delivery)`))
}

func (s *site) grant(email string, scope alerts.Scope, role alerts.Role) int64 {
	s.Helper()
	id, err := s.store.Grant(s.Context(), email, s.server.Keys.AddressKeys(email), alerts.Grant{Scope: scope, Role: role}, "command line", s.now)
	if err != nil {
		s.Fatal(err)
	}
	return id
}

func TestSignInByLink(t *testing.T) {
	eachSite(t, func(s *site) {
		r := s.get("/account")
		s.expect(r, http.StatusSeeOther)
		if to := r.Header.Get("Location"); to != "/sign-in" {
			t.Errorf("a stranger is sent to %s", to)
		}
		s.expect(s.post("/sign-in", "email", "Gwen@Example.org"), http.StatusSeeOther)
		link := s.mailLink("/sign-in/")
		for range 2 { // scanners look first
			s.expect(s.get(link), http.StatusOK, "Gwen@example.org", "Sign in")
			s.expect(s.do(s.request(http.MethodHead, link, nil)), http.StatusOK)
		}
		r = s.post(link)
		s.expect(r, http.StatusSeeOther)
		if to := r.Header.Get("Location"); to != "/account" {
			t.Errorf("signing in leads to %s", to)
		}
		c := r.Cookies()
		if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].Domain != "" || c[0].MaxAge != 30*24*3600 || len(c[0].Value) < 43 {
			t.Errorf("the cookie is %v", c)
		}
		if n := s.count(`SELECT count(*) FROM session WHERE hash = $1`, c[0].Value); n != 0 {
			t.Error("the secret itself is stored")
		}
		r = s.get("/account")
		s.expect(r, http.StatusOK, "Signed in as Gwen@example.org", "1 device")
		if r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control of a page of one's own is %q", r.Header.Get("Cache-Control"))
		}
		s.expect(s.post(link), http.StatusGone, "works once")
		s.expect(s.get(link), http.StatusGone, "works once")
		s.expect(s.post("/sign-out"), http.StatusSeeOther)
		s.expect(s.get("/account"), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM session`); n != 0 {
			t.Errorf("%d sessions are left after signing out", n)
		}
	})
}

// What a stranger can learn by asking for a link is nothing: the answer is the same
// for an operator, a subscriber, somebody unknown and an address that may not be
// written to.
func TestSignInTellsNothingOfAnAddress(t *testing.T) {
	eachSite(t, func(s *site) {
		s.server.Limits.SignUpsPerClientHour = 100
		s.grant("operator@example.org", alerts.ScopeOperator, alerts.RoleOwner)
		never := s.subscribed("never@example.org")
		s.expect(s.post("/never/"+s.server.Keys.Sign("never", fmt.Sprint(never))), http.StatusOK)
		var first reply
		for i, email := range []string{"operator@example.org", "nobody@example.org", "never@example.org"} {
			r := s.post("/sign-in", "email", email)
			if i == 0 {
				first = r
			}
			if r.StatusCode != first.StatusCode || r.Body != first.Body || r.Header.Get("Location") != first.Header.Get("Location") {
				t.Errorf("%s is answered differently: %d %s", email, r.StatusCode, r.Header.Get("Location"))
			}
		}
		if n := s.count(`SELECT count(*) FROM delivery WHERE kind = 'sign-in'`); n != 2 {
			t.Errorf("%d mails, want 2: none to the address that may not be written to", n)
		}
		for range 20 {
			s.post("/sign-in", "email", "nobody@example.org")
		}
		if n := s.count(`SELECT count(*) FROM delivery WHERE kind = 'sign-in'`); n != 2 {
			t.Errorf("%d mails went out, want 2: one a day to somebody who has not shown that the address is theirs", n)
		}
		for range 20 {
			s.post("/sign-in", "email", "operator@example.org")
		}
		if n := s.count(`SELECT count(*) FROM delivery WHERE kind = 'sign-in'`); n != 1+alerts.DefaultLimits.SignInLinksPerDay {
			t.Errorf("%d mails went out, want %d to the operator and one to the stranger", n, alerts.DefaultLimits.SignInLinksPerDay)
		}
		for range 3 { // nor by way of a sign-up
			s.expect(s.signUp("nobody@example.org"), http.StatusSeeOther)
		}
		if n := s.count(`SELECT count(*) FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE r.address = 'nobody@example.org'`); n != 1 {
			t.Errorf("%d mails to a stranger in a day", n)
		}
		s.server.Limits.SignUpsPerClientHour = 1
		s.expect(s.post("/sign-in", "email", "more@example.org"), http.StatusTooManyRequests)
		s.expect(s.post("/sign-in", "email", "more@"), http.StatusUnprocessableEntity, "Enter an e-mail address like name@example.org")
	})
}

func TestSignInLinksAndSessionsEnd(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.post("/sign-in", "email", "gwen@example.org"), http.StatusSeeOther)
		link := s.mailLink("/sign-in/")
		s.advance(alerts.SignInFor)
		s.expect(s.get(link), http.StatusGone)
		s.expect(s.post(link), http.StatusGone)
		s.expect(s.post("/sign-in/"+strings.Repeat("A", 43)), http.StatusNotFound)

		s.advance(24 * time.Hour) // a stranger gets one mail a day
		s.signIn("gwen@example.org")
		s.advance(29 * 24 * time.Hour)
		s.expect(s.get("/account"), http.StatusOK) // which lengthens it
		s.advance(29 * 24 * time.Hour)
		s.expect(s.get("/account"), http.StatusOK)
		s.advance(30 * 24 * time.Hour)
		s.expect(s.get("/account"), http.StatusSeeOther)

		s.signIn("gwen@example.org")
		phone := s.another()
		phone.signIn("gwen@example.org")
		s.expect(phone.get("/account"), http.StatusOK, "2 devices")
		s.expect(s.post("/sign-in", "email", "gwen@example.org"), http.StatusSeeOther)
		waiting := s.mailLink("/sign-in/")
		s.expect(phone.post("/sign-out/everywhere"), http.StatusSeeOther)
		s.expect(s.get("/account"), http.StatusSeeOther)
		s.expect(s.post(waiting), http.StatusNotFound)
	})
}

// A session that somebody else put into the browser is not the one that signing in
// gives it.
func TestSignInBeginsAFreshSession(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("mallory@example.org")
		theirs := s.cookie()
		s.signIn("gwen@example.org")
		if s.cookie() == theirs {
			t.Fatal("signing in kept the session")
		}
		if n := s.count(`SELECT count(*) FROM session`); n != 1 {
			t.Errorf("%d sessions: that of before still works", n)
		}
		u, _ := url.Parse(s.url)
		s.client.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "chosen-by-mallory", Path: "/"}})
		s.expect(s.post("/sign-in", "email", "gwen@example.org"), http.StatusSeeOther)
		s.expect(s.post(s.mailLink("/sign-in/")), http.StatusSeeOther)
		if s.cookie() == "chosen-by-mallory" {
			t.Error("the browser's own word is the session")
		}
	})
}

func (s *site) cookie() string {
	u, _ := url.Parse(s.url)
	for _, c := range s.client.Jar.Cookies(u) {
		return c.Value
	}
	return ""
}

// Where a link leads after signing in was asked for by a stranger perhaps.
func TestSignInLeadsToNoOtherSite(t *testing.T) {
	eachSite(t, func(s *site) {
		s.server.Limits.SignUpsPerClientHour, s.server.Limits.SignInLinksPerDay = 1000, 1000
		for to, want := range map[string]string{
			"/groups/3": "/groups/3", "/applications/camden/2026%2F0001%2FP": "/applications/camden/2026%2F0001%2FP", "": "/account",
			"//evil.example": "/account", "https://evil.example/": "/account", `/\evil.example`: "/account", "/groups//evil.example": "/account",
			"javascript:alert(1)": "/account", "/groups/../../x": "/account", "/groups\r\nSet-Cookie: a=b": "/account", "/%2F/evil": "/account", "///": "/account", "evil.example": "/account",
		} {
			s.expect(s.post("/sign-in", "email", "gwen@example.org", "to", to), http.StatusSeeOther)
			r := s.post(s.mailLink("/sign-in/"))
			if got := r.Header.Get("Location"); got != want {
				t.Errorf("to=%q leads to %q, want %q", to, got, want)
			}
			if body := s.get("/sign-in?to=" + url.QueryEscape(to)).Body; want == "/account" && to != "" && strings.Contains(body, "evil") {
				t.Errorf("to=%q is in the form", to)
			}
		}
	})
}

func TestTheCookieOfAnHTTPSSiteIsSecure(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.post("/sign-in", "email", "gwen@example.org"), http.StatusSeeOther)
		link := s.mailLink("/sign-in/")
		s.server.BaseURL = "https://alerts.example.org"
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "https://alerts.example.org"+link, nil)
		r.TLS = &tls.ConnectionState{}
		s.server.Handler().ServeHTTP(w, r)
		c := w.Result().Cookies()
		if w.Code != http.StatusSeeOther || len(c) != 1 || c[0].Name != "__Host-session" || !c[0].Secure || !c[0].HttpOnly || c[0].Path != "/" || c[0].Domain != "" {
			t.Errorf("status %d, cookie %v", w.Code, c)
		}
	})
}

// Accounts that nobody uses are forgotten, and erasing one ends its sessions.
func TestUnusedAccountsAreForgotten(t *testing.T) {
	eachSite(t, func(s *site) {
		s.server.Limits.SignUpsPerClientHour = 100
		s.expect(s.post("/sign-in", "email", "never-came@example.org"), http.StatusSeeOther)
		id := s.signIn("gwen@example.org")
		s.grant("operator@example.org", alerts.ScopeOperator, alerts.RoleOwner)
		s.advance(8 * 24 * time.Hour)
		if _, err := s.store.ForgetUnconfirmed(t.Context(), s.now); err != nil {
			t.Fatal(err)
		}
		dump := s.engine.Dump(t, s.db)
		if strings.Contains(dump, "never-came@") || !strings.Contains(dump, "gwen@") || !strings.Contains(dump, "operator@") {
			t.Error("after a week only who never came is forgotten")
		}
		s.expect(s.get("/account"), http.StatusOK)
		if err := s.store.Erase(t.Context(), id, s.now); err != nil {
			t.Fatal(err)
		}
		s.expect(s.get("/account"), http.StatusSeeOther)
		if strings.Contains(s.engine.Dump(t, s.db), "gwen@") {
			t.Error("the address is still there")
		}
		s.signIn("idle@example.org")
		s.advance(31 * 24 * time.Hour)
		if _, err := s.store.ForgetUnconfirmed(t.Context(), s.now); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.engine.Dump(t, s.db), "idle@") {
			t.Error("who looks after nothing and stays away is still known")
		}
	})
}

func TestFormsOfAccountsFromOtherSitesAreRefused(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		for _, path := range []string{"/sign-out", "/sign-out/everywhere", "/sign-in"} {
			r := s.request(http.MethodPost, path, url.Values{"email": {"x@example.org"}})
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			s.expect(s.do(r), http.StatusForbidden)
		}
		s.expect(s.get("/account"), http.StatusOK)
	})
}
