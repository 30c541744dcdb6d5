package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
	qr "github.com/piglig/go-qr"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// This file is what else an application's page offers: its course in dates, the
// calendar of its closing date, following it by mail, and a notice to print.

// A milestone is one day in the course of a case.
type milestone struct {
	Day    alerts.Date
	What   string
	Coming bool // it is still to come, as far as the council has said
}

// timeline lists the dates that a council has published of a case, in order.
func timeline(l alerts.Language, d *alerts.Details, today alerts.Date) []milestone {
	var out []milestone
	add := func(day alerts.Date, past, coming string) {
		if day == "" {
			return
		}
		past, coming = l.Word(past), l.Word(coming)
		m := milestone{Day: day, What: past}
		if day > today || day == today && coming != "" {
			if m.Coming = true; coming == "" {
				coming = past
			}
			m.What = coming
		}
		out = append(out, m)
	}
	add(d.Received, "The council received it", "")
	add(d.Valid, "The council accepted it as complete", "")
	add(d.CommentsFrom, "Comments could be sent from here on", "Comments can be sent from here on")
	if d.IsOpen() {
		add(d.CommentsUntil, "Comments closed", "Last day to comment")
	} else {
		add(d.CommentsUntil, "Comments closed", "")
	}
	add(d.Committee, "It went before a committee", "It goes before a committee")
	if d.IsOpen() {
		add(d.Target, "The council meant to decide by this day", "The council means to decide by this day")
	}
	decision := "Decided"
	if d.Decision != alerts.DecisionNone {
		decision = l.DecisionLabel(d.Decision)
	}
	add(d.Decided, decision, "")
	add(d.Withdrawn, "The applicant withdrew it", "")
	add(d.AppealLodged, "The applicant appealed", "")
	outcome := "The appeal was decided"
	if d.AppealDecision != alerts.AppealNone {
		outcome = l.AppealWords(d.AppealDecision)
	}
	add(d.AppealDecided, outcome, "The appeal is to be decided")
	slices.SortStableFunc(out, func(a, b milestone) int { return cmp.Compare(a.Day, b.Day) })
	return out
}

// oneCase is a document of one application.
func (s *Server) oneCase(r *http.Request, app alerts.Application, below string) (*api.Document, error) {
	names, err := s.namesOf(r.Context(), []alerts.Application{app})
	page := s.BaseURL + alerts.ApplicationPath(app.Ref())
	return &api.Document{Title: alerts.Line(app.Reference, 60), Self: page + below, Page: page, Base: s.BaseURL,
		Applications: []alerts.Application{app}, Authorities: names, Today: alerts.DateOf(s.Now())}, err
}

// deadline is the closing date of one application as a calendar; there is none when
// the council has published none, or comments do not matter any more.
func (s *Server) deadline(w http.ResponseWriter, r *http.Request) error {
	app, moved, err := s.asked(w, r, "/deadline.ics")
	if err != nil || moved {
		return err
	}
	if !app.IsOpen() || app.CommentsUntil == "" {
		return alerts.ErrNotFound
	}
	doc, err := s.oneCase(r, app, "/deadline.ics")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="last-day-to-comment.ics"`)
	return api.Calendar.Serve(w, r, doc)
}

// feature is one application as GeoJSON.
func (s *Server) feature(w http.ResponseWriter, r *http.Request) error {
	app, moved, err := s.asked(w, r, "/feature.geojson")
	if err != nil || moved {
		return err
	}
	doc, err := s.oneCase(r, app, "/feature.geojson")
	if err != nil {
		return err
	}
	return api.Feature.Serve(w, r, doc)
}

// A followForm is the form that follows an application, as typed.
type followForm struct {
	Email   string
	Problem string
}

// follow asks to be told of one application until nothing more can come of it.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	app, moved, err := s.asked(w, r, "")
	if err != nil || moved {
		return err
	}
	sign, problems := alerts.SignUp{Address: r.PostForm.Get("email"), Area: alerts.CaseArea(&app), Cadence: alerts.Immediate, Language: languageOf(r), Page: "/follow", Client: s.client(r)}.Check()
	if len(problems) > 0 {
		return s.renderApplication(w, r, http.StatusUnprocessableEntity, app, followForm{Email: clip(r.PostForm.Get("email"), 400), Problem: problems[0].In(languageOf(r))})
	}
	if r.PostForm.Get("website") != "" { // no person sees this field
		http.Redirect(w, r, "/subscriptions/sent", http.StatusSeeOther)
		return nil
	}
	return s.subscribe(w, r, sign)
}

// shortPath is a short way to an application's page, for codes that are printed.
func shortPath(application int64) string { return "/a/" + strconv.FormatInt(application, 10) }

// shortLink leads from a printed code to the application's page.
func (s *Server) shortLink(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(mux.Vars(r)["id"], 10, 64)
	if err != nil {
		return alerts.ErrNotFound
	}
	ref, err := s.Store.RefOf(r.Context(), id)
	if err != nil {
		return err
	}
	http.Redirect(w, r, alerts.ApplicationPath(ref)+"#follow", http.StatusFound)
	return nil
}

type noticePage struct {
	item
	Full      string
	Council   string // its name
	CommentAt string // where comments are sent, without the scheme, to be typed
	Source    string
	Short     string // the address of the code, without the scheme, to be typed
	Code      string // an SVG path
	Size      int    // of the code in modules, its margin included
}

// notice is a page to print on A4 and put up: what is proposed, until when people can
// comment, and a code that leads to the application.
func (s *Server) notice(w http.ResponseWriter, r *http.Request) error {
	app, moved, err := s.asked(w, r, "/notice")
	if err != nil || moved {
		return err
	}
	names, err := s.namesOf(r.Context(), []alerts.Application{app})
	if err != nil {
		return err
	}
	l := languageOf(r)
	page := noticePage{item: newItem(l, app, alerts.DateOf(s.Now())), Full: alerts.Line(app.Description, 900), Council: names[app.Authority], Source: l.SourceWords(&app.Details)}
	address := s.BaseURL + shortPath(app.ID)
	page.Short = withoutScheme(address)
	if at := alerts.WebLink(app.CommentURL); len(at) <= 80 {
		page.CommentAt = withoutScheme(at)
	}
	if page.Code, page.Size, err = codePath(address); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "notice.html", languageOf(r).Say("Notice: %s", page.Reference), page)
}

func withoutScheme(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return address
	}
	return strings.TrimSuffix(strings.TrimPrefix(address, u.Scheme+"://"), "/")
}

// codeMargin is the white around a code that readers need, in modules.
const codeMargin = 4

// codePath draws a QR code as an SVG path in which a module is one unit, and returns
// how many units the code and its margin have. A quarter of it may be dirty.
func codePath(text string) (path string, size int, err error) {
	code, err := qr.EncodeText(text, qr.Quartile)
	if err != nil {
		return "", 0, fmt.Errorf("draw the code of %s: %w", text, err)
	}
	var b strings.Builder
	for y := range code.Size() {
		for x := 0; x < code.Size(); x++ {
			run := 0
			for x+run < code.Size() && code.Module(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+codeMargin, y+codeMargin, run, run)
				x += run
			}
		}
	}
	return b.String(), code.Size() + 2*codeMargin, nil
}
