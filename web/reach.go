package web

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// A reachPage is how many people a council's applications reached.
type reachPage struct {
	alerts.Coverage
	Base   string // the page's address, without an ending
	Months []alerts.PublishedMonth
	Fewest int
}

func (s *Server) reachOf(r *http.Request) (p reachPage, err error) {
	slug, err := url.PathUnescape(mux.Vars(r)["slug"])
	if err != nil {
		return p, alerts.ErrNotFound
	}
	if p.Coverage, err = s.Store.Authority(r.Context(), slug); err != nil {
		return p, err
	}
	tallies, err := s.Store.Reach(r.Context(), slug)
	if err != nil {
		return p, err
	}
	p.Base, p.Fewest, p.Months = "/authorities/"+url.PathEscape(slug)+"/report", alerts.Fewest, []alerts.PublishedMonth{}
	for i := range tallies {
		p.Months = append(p.Months, tallies[i].Published())
	}
	return p, nil
}

// reach shows how many people a council's applications reached, and how early.
func (s *Server) reach(w http.ResponseWriter, r *http.Request) error {
	p, err := s.reachOf(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "reach.html", languageOf(r).Say("Who was told: %s", p.Name), p)
}

// reachJSON is the same for programs.
func (s *Server) reachJSON(w http.ResponseWriter, r *http.Request) error {
	p, err := s.reachOf(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(struct {
		Authority string                  `json:"authority"`
		Name      string                  `json:"name"`
		Fewest    int                     `json:"null_below_people"`
		Months    []alerts.PublishedMonth `json:"months"`
	}{p.Slug, p.Name, p.Fewest, p.Months})
}

// reachCSV is the same for spreadsheets.
func (s *Server) reachCSV(w http.ResponseWriter, r *http.Request) error {
	p, err := s.reachOf(r)
	if err != nil {
		return err
	}
	sheet(w, "who-was-told.csv")
	out := csv.NewWriter(w)
	out.UseCRLF = true
	out.Write(alerts.ReachColumns)
	for i := range p.Months {
		out.Write(p.Months[i].Cells())
	}
	out.Flush()
	return out.Error()
}
