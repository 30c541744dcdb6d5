package web

import (
	"cmp"
	"net/http"
	"strings"
)

// A contactPage is a page that says who runs the service and how they are reached.
type contactPage struct {
	Operator   []string // who runs it: a name, and lines of an address; empty when nobody has said
	Contact    string   // e-mail address; may be empty
	Complaints string   // e-mail address for complaints; may be empty
}

func (s *Server) contactPage() contactPage {
	p := contactPage{Contact: s.Contact, Complaints: cmp.Or(s.Complaints, s.Contact)}
	for line := range strings.SplitSeq(s.Operator, ",") {
		if line = strings.TrimSpace(line); line != "" {
			p.Operator = append(p.Operator, line)
		}
	}
	return p
}

func (s *Server) about(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "about.html", "About this service", s.contactPage())
}

func (s *Server) privacy(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "privacy.html", "Privacy", s.contactPage())
}

func (s *Server) accessibility(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "accessibility.html", "Accessibility", s.contactPage())
}

func (s *Server) complaints(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "complaints.html", "Complaints", s.contactPage())
}
