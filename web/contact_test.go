package web_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// Who runs the service, and where complaints go, comes from the configuration; where
// nothing is configured the pages say so, and show no blanks.
func TestPagesSayHowWhoeverRunsTheServiceIsReached(t *testing.T) {
	s := newSite(t, storetest.Engine{Name: "sqlite", DSN: "sqlite:" + filepath.Join(t.TempDir(), "sitenotice.db")})
	pages := []string{"/about", "/privacy", "/accessibility", "/complaints"}
	s.server.Operator, s.server.Complaints = "Lamplighter <Trust>, 1 Mill Lane,, Camden", "wrong@example.org"
	for _, path := range pages {
		s.expect(s.get(path), http.StatusOK, "mailto:", `href="/complaints"`)
	}
	s.expect(s.get("/privacy"), http.StatusOK, "run by Lamplighter <Trust>, 1 Mill Lane, Camden.", "mailto:hello@example.org")
	s.expect(s.get("/complaints"), http.StatusOK, "run by Lamplighter <Trust>, 1 Mill Lane, Camden.", "mailto:wrong@example.org", "within 30 days", "ico.org.uk/make-a-complaint")
	s.server.Complaints = ""
	s.expect(s.get("/complaints"), http.StatusOK, "mailto:hello@example.org")
	s.server.Operator, s.server.Contact = "", ""
	for _, path := range pages {
		r := s.get(path)
		s.expect(r, http.StatusOK, "has not said yet how they can be reached")
		if strings.Contains(r.Body, "mailto:") || strings.Contains(r.Body, "run by .") {
			t.Errorf("%s shows a blank", path)
		}
	}
}
