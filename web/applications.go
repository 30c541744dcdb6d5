package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// mostOnSite is how many other applications on a site its page lists.
const mostOnSite = 12

// sketchMost is how many other applications the sketch of a site shows.
const sketchMost = 25

type applicationPage struct {
	item
	AuthorityName string
	AuthoritySlug string
	Full          string // the description, or its beginning
	Rest          string // of a very long one
	Facts         []fact
	Council       string // the council's page of the case
	CouncilHost   string
	CommentURL    string
	Source        string // of the comment deadline
	Map           sketch
	Near          string // address of the list around it
	Position      string // how the position is known
	History       []historyItem
	Timeline      []milestone
	Others        string // how the other applications on the site ended; empty when there are none
	OnSite        []item // the latest of them
	Doubt         doubt
	Follow        followForm
	Ends          string // why there is nothing more to follow; empty while there is
	Mailbox       bool
}

// A fact is one line of an application's details.
type fact struct{ Name, Value string }

// A historyItem is one event.
type historyItem struct {
	What    string
	At      string
	Late    bool
	Changes []alerts.FieldChange // in words
}

// asked finds the application that an address names. Another spelling, or an old
// reference, leads to the current one: moved is true when the answer is given.
func (s *Server) asked(w http.ResponseWriter, r *http.Request, below string) (app alerts.Application, moved bool, err error) {
	vars := mux.Vars(r)
	slug, err1 := url.PathUnescape(vars["authority"])
	number, err2 := url.PathUnescape(vars["reference"])
	if err1 != nil || err2 != nil || len(number) > alerts.MaxReference || strings.ContainsRune(slug+number, 0) {
		return app, false, alerts.ErrNotFound
	}
	app, err = s.Store.Application(r.Context(), alerts.Ref{Authority: slug, Number: number})
	if err == nil && app.Reference != number {
		http.Redirect(w, r, alerts.ApplicationPath(app.Ref())+below, http.StatusFound)
		return app, true, nil
	}
	return app, false, err
}

// application shows one application and what has happened to it.
func (s *Server) application(w http.ResponseWriter, r *http.Request) error {
	app, moved, err := s.asked(w, r, "")
	if err != nil || moved {
		return err
	}
	return s.renderApplication(w, r, http.StatusOK, app, followForm{})
}

func (s *Server) renderApplication(w http.ResponseWriter, r *http.Request, status int, app alerts.Application, form followForm) error {
	authority, err := s.Store.Authority(r.Context(), app.Authority)
	if err != nil {
		return err
	}
	events, err := s.Store.History(r.Context(), app.ID)
	if err != nil {
		return err
	}
	l, today := languageOf(r), alerts.DateOf(s.Now())
	page := applicationPage{item: newItem(l, app, today), AuthorityName: authority.Name, AuthoritySlug: authority.Slug,
		Full: alerts.Line(app.Description, 5000), Facts: facts(l, &app.Details), Timeline: timeline(l, &app.Details, today),
		Council: alerts.WebLink(app.URL), CommentURL: alerts.WebLink(app.CommentURL), Source: l.SourceWords(&app.Details),
		Follow: form, Ends: alerts.FollowEnds(&app.Details, false, app.UpdatedAt, today).In(l), Mailbox: s.Mailbox}
	page.Full, page.Rest = beginning(page.Full)
	page.CouncilHost = alerts.LinkHost(page.Council)
	if app.Site.Located() {
		if page.Map, err = siteSketch(l, app); err != nil {
			return err
		}
		around, _, err := s.Store.Near(r.Context(), app.Site.Point(), page.Map.Radius, alerts.Cursor{}, sketchMost)
		if err != nil {
			return err
		}
		for _, a := range around {
			if a.ID != app.ID {
				x, y := project(app.Site.Point(), a.Site.Point(), sketchCircle/page.Map.Radius)
				page.Map.Others = append(page.Map.Others, mark{X: x, Y: y, Title: alerts.Line(a.Address, 80)})
			}
		}
		page.Position = l.PositionWords(app.Site)
		page.Near = placeForm{Lat: strconv.FormatFloat(app.Site.Lat, 'f', 5, 64), Lon: strconv.FormatFloat(app.Site.Lon, 'f', 5, 64)}.Near(alerts.DefaultRadius)
	}
	placing, err := s.Store.Placing(r.Context(), app.ID)
	if err != nil {
		return err
	}
	page.Doubt = s.doubtOf(r, &app, placing, page.Href+"/place")
	others, err := s.Store.OnSite(r.Context(), &app)
	if err != nil {
		return err
	}
	page.Others = l.OnSiteWords(others)
	for _, other := range others[:min(len(others), mostOnSite)] {
		page.OnSite = append(page.OnSite, newItem(l, other, today))
	}
	for _, e := range events {
		page.History = append(page.History, newHistoryItem(l, e))
	}
	title := page.Reference + ": " + alerts.Line(page.Address, 80)
	if form.Problem != "" {
		title = "Error: " + title
	}
	return s.render(w, r, status, "application.html", title, page)
}

// How much of a description is shown before what can be done about the application;
// one that is only a little longer is shown whole.
const (
	longDescription = 900
	beginningOf     = 600
)

// beginning divides a very long text between two words.
func beginning(text string) (first, rest string) {
	runes := []rune(text)
	if len(runes) <= longDescription {
		return text, ""
	}
	at := beginningOf
	if space := strings.LastIndexByte(string(runes[:beginningOf]), ' '); space > 0 {
		at = len([]rune(string(runes[:beginningOf])[:space]))
	}
	return string(runes[:at]) + " …", "… " + strings.TrimSpace(string(runes[at:]))
}

func newHistoryItem(l alerts.Language, e alerts.Event) historyItem {
	h := historyItem{What: l.EventLabel(e.Type), At: l.Moment(e.At), Late: e.Late}
	for _, c := range alerts.Diff(e.Before, &e.After) {
		if c.Field == alerts.FieldSite {
			c.Old, c.New = l.PositionWords(e.Before.Site), l.PositionWords(e.After.Site)
		} else {
			c.Old, c.New = l.ValueWords(c.Field, c.Old), l.ValueWords(c.Field, c.New)
		}
		if c.Label = l.Word(c.Label); c.Old != c.New {
			h.Changes = append(h.Changes, c)
		}
	}
	return h
}

// facts are the details that have a value.
func facts(l alerts.Language, d *alerts.Details) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{l.Word(name), value})
		}
	}
	day := func(name string, d alerts.Date) { add(name, l.Day(d)) }
	add("Kind", kindOf(l, d))
	if raw := alerts.Line(d.KindRaw, 100); raw != "" && !strings.EqualFold(raw, kindOf(l, d)) {
		add("The council calls it", raw)
	}
	if d.Scale != "" {
		add("Scale", alerts.Capital(alerts.Line(d.Scale, 40)))
	}
	day("Received", d.Received)
	day("Valid from", d.Valid)
	day("Comments from", d.CommentsFrom)
	day("Goes to committee", d.Committee)
	day("Council's own target", d.Target)
	day("Decided", d.Decided)
	if d.DecisionBy != "" {
		add("Decided by", alerts.Line(d.DecisionBy, 60))
	}
	day("Withdrawn", d.Withdrawn)
	add("Appeal", alerts.Line(d.AppealRef, 60))
	day("Appeal lodged", d.AppealLodged)
	day("Appeal decided", d.AppealDecided)
	if d.AppealDecision != alerts.AppealNone {
		add("Outcome of the appeal", l.AppealLabel(d.AppealDecision))
	}
	return out
}

// siteSketch draws one site: its outline or point, with a circle for scale.
func siteSketch(l alerts.Language, app alerts.Application) (sketch, error) {
	g, err := app.Site.Geometry()
	if err != nil {
		return sketch{}, err
	}
	centre := app.Site.Point()
	reach := 0.0
	polygons := geo.Rings(g)
	for _, ring := range polygons {
		for _, p := range ring {
			reach = max(reach, geo.Distance(centre, p))
		}
	}
	radius := 0.0
	for _, r := range []float64{200, 500, 1000, 2000, 5000, 10_000, 20_000} {
		if radius = r; r >= reach*1.2 {
			break
		}
	}
	k := areaSketch(l, centre, radius, l.Say("the site"), nil)
	k.Pin = len(polygons) == 0
	k.Home = false
	k.Outline = paths(centre, polygons, sketchCircle/radius)
	return k, nil
}

type authoritiesPage struct{ Covered, Others []alerts.Coverage }

// authorities lists all councils that are known.
func (s *Server) authorities(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Store.Authorities(r.Context())
	if err != nil {
		return err
	}
	var page authoritiesPage
	for _, c := range all {
		if c.Covered() {
			page.Covered = append(page.Covered, c)
		} else {
			page.Others = append(page.Others, c)
		}
	}
	return s.render(w, r, http.StatusOK, "authorities.html", "Councils", page)
}

type authorityPage struct {
	alerts.Coverage
	listing
	Site      string // web address
	Registers []feedHealth
	Course    alerts.Course
	Ago       string
}

// authority shows how far one council is covered, and its applications.
func (s *Server) authority(w http.ResponseWriter, r *http.Request) error {
	slug, err := url.PathUnescape(mux.Vars(r)["slug"])
	if err != nil {
		return alerts.ErrNotFound
	}
	c, err := s.Store.Authority(r.Context(), slug)
	if err != nil {
		return err
	}
	registers, err := s.healthOf(r.Context(), []alerts.Coverage{c})
	if err != nil {
		return err
	}
	asked := r.URL.Query()
	list, _, err := s.list(r.Context(), alerts.Query{Authority: slug}, readFilter(asked), authorityAddress(slug), parseCursor(asked.Get("after")))
	if err != nil {
		return err
	}
	page := authorityPage{Coverage: c, listing: list, Registers: registers, Site: alerts.WebLink(c.Website)}
	if page.Course, err = s.courseOf(r.Context(), slug); err != nil {
		return err
	}
	if c.LastRead > 0 {
		page.Ago = ago(languageOf(r), s.Now().Sub(time.UnixMilli(c.LastRead)))
	}
	return s.render(w, r, http.StatusOK, "authority.html", c.Name, page)
}
