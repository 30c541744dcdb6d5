package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
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
