package web

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file lets people say that an application is not where the map shows it.

// A doubt is what is said beside a map of whether its place is right, and the form to
// say that it is not.
type doubt struct {
	Action string // where the form is posted to; empty when there is nothing to doubt
	Words  string // what became of the place; empty when nobody has doubted it
	Thanks bool   // this visitor has just said so
	People int    // who have to say so
}

// doubtOf is what is said of the place of an application.
func (s *Server) doubtOf(r *http.Request, app *alerts.Application, placing alerts.Placing, action string) doubt {
	d := doubt{Words: placing.Words(languageOf(r)), Thanks: r.URL.Query().Get("said") == "wrong", People: alerts.DisputeReports}
	if app.Site.Located() && placing.MayBeDoubted() {
		d.Action = action
	}
	return d
}

// doubtPlace takes from the page of an application that it is not where the map shows
// it. The answer is the same whether that counts or was said before.
func (s *Server) doubtPlace(w http.ResponseWriter, r *http.Request) error {
	app, moved, err := s.asked(w, r, "")
	if err != nil || moved {
		return err
	}
	return s.doubt(w, r, app.ID, 0, alerts.ApplicationPath(app.Ref()))
}

// doubtWhy takes it from the page that a mail's link leads to: so it counts once for
// that person, from wherever they say it.
func (s *Server) doubtWhy(w http.ResponseWriter, r *http.Request) error {
	token := mux.Vars(r)["token"]
	subscription, application, err := s.Keys.ParseWhy(token)
	if err != nil {
		return err
	}
	sub, err := s.Store.Subscription(r.Context(), subscription)
	if err != nil {
		return err
	}
	return s.doubt(w, r, application, sub.RecipientID, "/why/"+token)
}

func (s *Server) doubt(w http.ResponseWriter, r *http.Request, application, recipient int64, back string) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if r.PostForm.Get("website") == "" { // no person sees this field
		if err := s.Store.ReportPlace(r.Context(), application, recipient, s.client(r), s.Limits, s.Now()); err != nil {
			return err
		}
	}
	http.Redirect(w, r, back+"?said=wrong#place", http.StatusSeeOther)
	return nil
}
