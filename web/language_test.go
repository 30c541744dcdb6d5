package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

var hrefs = regexp.MustCompile(`<[^>]*\b(?:href|action)="([^"]*)"[^>]*>`)

// The language of a page is in its address, and stays there wherever the page leads.
func TestPagesUnderCyAreWelshAndLeadToWelshPages(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, path := range []string{"/cy", "/cy/near?postcode=NW1+8NH", "/cy/search?q=tree", "/cy/sign-up?postcode=NW1+8NH", "/cy/authorities", "/cy/about", "/cy/links", "/cy/nowhere"} {
			r := s.get(path)
			if !strings.Contains(r.Body, `<html lang="cy">`) || r.Header.Get("Content-Language") != "cy" {
				s.Errorf("%s is not Welsh: %s", path, r.Header.Get("Content-Language"))
			}
			for _, m := range hrefs.FindAllStringSubmatch(r.Body, -1) {
				link := m[1]
				if strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "/cy") && !strings.HasPrefix(link, "/assets/") && !strings.HasPrefix(link, "/dev/") && !strings.Contains(m[0], "hreflang") {
					s.Errorf("%s leads to %s", path, link)
				}
			}
		}
		r := s.get("/near?postcode=NW1+8NH")
		if !strings.Contains(r.Body, `<html lang="en-GB">`) || !strings.Contains(r.Body, `href="/cy/near?postcode=NW1&#43;8NH" lang="cy" hreflang="cy"`) ||
			!strings.Contains(r.Body, `<link rel="alternate" hreflang="cy" href="`+s.server.BaseURL+`/cy/near?`) {
			s.Errorf("the English page does not lead to the Welsh one:\n%s", r.Body[:2000])
		}
		for path, want := range map[string]int{"/cyx": http.StatusNotFound, "/cy/cy": http.StatusNotFound, "/cy/api/v1/applications": http.StatusNotFound, "/cy/healthz": http.StatusOK} {
			if r := s.get(path); r.StatusCode != want {
				s.Errorf("%s: %d, want %d", path, r.StatusCode, want)
			}
		}
	})
}

// Who signs up on a Welsh page gets mails in Welsh. Who gets mail already decides for
// themselves: a stranger who types their address changes nothing.
func TestSigningUpInWelshMakesTheMailsWelsh(t *testing.T) {
	eachSite(t, func(s *site) {
		languages := func() int { return s.count(`SELECT count(*) FROM recipient WHERE language = 'cy'`) }
		r := s.post("/cy/subscriptions", "area", "circle", "postcode", "NW1 8NH", "radius", "500", "frequency", "daily", "email", "jo@example.org")
		if to := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || to != "/cy/subscriptions/sent" {
			s.Fatalf("%d to %q", r.StatusCode, to)
		}
		if languages() != 1 {
			s.Fatal("the mails are not to be in Welsh")
		}
		link := s.mailLink("/cy/confirm/")
		s.expect(s.post(link, "version", hiddenVersion.FindStringSubmatch(s.get(link).Body)[1]), http.StatusOK, "Mae eich hysbysiadau wedi’u cadarnhau")

		s.advance(25 * time.Hour) // for another mail to confirm
		s.post("/subscriptions", "area", "circle", "postcode", "N1 9AG", "radius", "500", "frequency", "daily", "email", "jo@example.org")
		if languages() != 1 {
			s.Error("a sign-up on an English page has changed the language of somebody who gets mail")
		}

		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-31", s.count(`SELECT max(id) FROM recipient`)))
		s.expect(s.post("/cy"+manage+"/language", "language", "fr"), http.StatusSeeOther)
		if languages() != 0 {
			s.Error("a language that there is none of is not English")
		}
		s.expect(s.post("/cy"+manage+"/language", "language", "cy"), http.StatusSeeOther)
		if languages() != 1 {
			s.Error("the language cannot be changed back")
		}
		if r := s.get("/cy" + manage + "/language"); r.StatusCode != http.StatusMethodNotAllowed {
			s.Errorf("GET answers %d", r.StatusCode)
		}
	})
}

// Where Welsh is not on offer, its addresses in old mails still lead to the pages.
func TestWelshAddressesWorkWhereWelshIsNotOnOffer(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	s.server.Welsh = false
	w := httptest.NewRecorder()
	s.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, s.url+"/cy/near?postcode=NW1+8NH", nil))
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `<html lang="en-GB">`) || strings.Contains(body, "Cymraeg") {
		t.Errorf("%d: %s", w.Code, body[:min(len(body), 300)])
	}
}
