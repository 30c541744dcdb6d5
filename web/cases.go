package web

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// CaseStore is what groups' work on cases reads and writes.
type CaseStore interface {
	InAreas(ctx context.Context, areas []alerts.GroupArea, q alerts.Query, after alerts.Cursor, limit int) (alerts.Page, error)
	NewsIn(ctx context.Context, areas []alerts.GroupArea, since int64, limit int) ([]alerts.GroupCase, error)
	InGroup(ctx context.Context, areas []alerts.GroupArea, application int64) (alerts.Application, error)
	Triages(ctx context.Context, group int64, applications []int64) (map[int64]alerts.Triage, error)
	Act(ctx context.Context, group int64, e alerts.TriageEntry, to int64, now time.Time) error
	TriageLog(ctx context.Context, group, application, after int64, limit int) ([]alerts.TriageEntry, error)

	AddMeeting(ctx context.Context, m alerts.Meeting, now time.Time) (alerts.Meeting, error)
	Meetings(ctx context.Context, group int64) ([]alerts.Meeting, error)
	RemoveMeeting(ctx context.Context, group, id int64) error
}

// How many cases a page lists, and how many it looks at to find them.
const (
	casesPage   = 25
	casesLooked = 1_000
)

// A caseView is which of its cases a group looks at.
type caseView struct{ Key, Name string }

// caseViews are the views, the first being the usual one.
var caseViews = []caseView{{"", "To be looked at"}, {"relevant", "Relevant"}, {"mine", "Assigned to me"}, {"ignored", "Ignored"}, {"hidden", "Hidden"}, {"all", "All"}}

// has reports whether a case belongs into the view.
func (v caseView) has(a *alerts.Application, t alerts.Triage, quorum int, me int64) bool {
	hidden := t.Hidden(quorum)
	switch v.Key {
	case "relevant":
		return t.State == alerts.TriageRelevant && !hidden
	case "mine":
		return t.Assignee == me
	case "ignored":
		return t.State == alerts.TriageIgnored
	case "hidden":
		return hidden
	case "all":
		return true
	}
	return t.State == alerts.TriageOpen && !hidden && a.IsOpen()
}

type casesListPage struct {
	groupPage
	Views []caseView
	View  caseView
	Cases []caseItem
	More  string
	Later bool
	Areas int
}

// A caseItem is a case as a group's pages show it.
type caseItem struct {
	item
	Path   string
	Triage alerts.Triage
	Words  string // what the group made of it
}

func (p groupPage) caseItem(a alerts.Application, t alerts.Triage, today alerts.Date) caseItem {
	return caseItem{item: newItem(alerts.English, a, today), Path: p.Path("cases", a.ID), Triage: t, Words: triageWords(t, p.Group.Quorum)}
}

// triageWords says what a group made of a case.
func triageWords(t alerts.Triage, quorum int) string {
	words := map[alerts.TriageState]string{alerts.TriageRelevant: "Relevant", alerts.TriageIgnored: "Ignored"}[t.State]
	add := func(s string) {
		if words != "" {
			words += ", "
		}
		words += s
	}
	if t.AssigneeName != "" {
		add("assigned to " + t.AssigneeName)
	}
	if t.Notes > 0 {
		add(alerts.English.Plural(t.Notes, "note", "notes"))
	}
	if t.Hidden(quorum) {
		add("hidden")
	} else if n := len(t.Votes); n > 0 {
		add(strconv.Itoa(n) + " of " + strconv.Itoa(quorum) + " want to hide it")
	}
	return alerts.Capital(words)
}

// cases lists what the group has to look at.
func (s *Server) cases(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "cases")
	if err != nil {
		return err
	}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	page := casesListPage{groupPage: p, Views: caseViews, View: caseViews[0], Areas: len(areas)}
	for _, v := range caseViews {
		if v.Key == r.URL.Query().Get("show") {
			page.View = v
		}
	}
	after := parseCursor(r.URL.Query().Get("after"))
	page.Later = after.ID != 0
	var q alerts.Query
	if page.View.Key == "" {
		q.Stage = alerts.StageOpen
	}
	today := alerts.DateOf(s.Now())
	for looked := 0; looked < casesLooked && len(page.Cases) < casesPage; looked += casesPage {
		found, err := s.Store.InAreas(r.Context(), areas, q, after, casesPage)
		if err != nil {
			return err
		}
		ids := make([]int64, len(found.Applications))
		for i := range found.Applications {
			ids[i] = found.Applications[i].ID
		}
		triages, err := s.Store.Triages(r.Context(), p.Group.ID, ids)
		if err != nil {
			return err
		}
		for _, app := range found.Applications {
			if t := triages[app.ID]; page.View.has(&app, t, p.Group.Quorum, a.ID) {
				page.Cases = append(page.Cases, p.caseItem(app, t, today))
			}
		}
		if after = found.Next; after.ID == 0 {
			break
		}
	}
	if after.ID != 0 {
		page.More = p.Path("cases") + "?" + url.Values{"show": {page.View.Key}, "after": {string(after.Listed) + "." + strconv.FormatInt(after.ID, 10)}}.Encode()
	}
	return s.render(w, r, http.StatusOK, "groupcases.html", "Cases: "+p.Group.Name, page)
}

type casePage struct {
	groupPage
	Case    caseItem
	Ref     alerts.Ref
	Triage  alerts.Triage
	Voted   bool
	Hidden  bool
	Members []alerts.Member
	Log     []logLine
	Text    string
}

// A logLine is a line of the record as a page shows it.
type logLine struct {
	alerts.TriageEntry
	Words string
}

// actWords says what was done, in the past tense.
var actWords = map[alerts.TriageAction]string{
	alerts.ActRelevant: "said that it is relevant", alerts.ActIgnored: "said that it is not relevant", alerts.ActUndecided: "took back what was said of it",
	alerts.ActAssigned: "assigned it to", alerts.ActUnassigned: "assigned it to nobody", alerts.ActNote: "wrote",
	alerts.ActHide: "voted to hide it", alerts.ActUnhide: "took back the vote to hide it",
}

// caseOf is the case in the address, if it lies in the group's areas.
func (s *Server) caseOf(r *http.Request, p groupPage) (alerts.Application, error) {
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return alerts.Application{}, err
	}
	return s.Store.InGroup(r.Context(), areas, number(r, "case"))
}

// groupCase shows a case, what the group made of it, and how it came to that.
func (s *Server) groupCase(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "cases")
	if err != nil {
		return err
	}
	return s.renderCase(w, r, http.StatusOK, p, "")
}

func (s *Server) renderCase(w http.ResponseWriter, r *http.Request, status int, p groupPage, text string) error {
	app, err := s.caseOf(r, p)
	if err != nil {
		return err
	}
	triages, err := s.Store.Triages(r.Context(), p.Group.ID, []int64{app.ID})
	if err != nil {
		return err
	}
	t := triages[app.ID]
	page := casePage{groupPage: p, Case: p.caseItem(app, t, alerts.DateOf(s.Now())), Ref: app.Ref(), Triage: t, Voted: t.HasVoted(p.Me.ID), Hidden: t.Hidden(p.Group.Quorum), Text: text}
	if page.Members, err = s.Store.Members(r.Context(), p.Group.ID); err != nil {
		return err
	}
	log, err := s.Store.TriageLog(r.Context(), p.Group.ID, app.ID, 0, 500)
	if err != nil {
		return err
	}
	for _, e := range log {
		page.Log = append(page.Log, logLine{e, actWords[e.Action]})
	}
	title := "Case " + alerts.Line(app.Reference, 60) + ": " + p.Group.Name
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "groupcase.html", title, page)
}

// act does something about a case.
func (s *Server) act(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "cases")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	app, err := s.caseOf(r, p)
	if err != nil {
		return err
	}
	e := alerts.TriageEntry{ApplicationID: app.ID, AccountID: a.ID, Action: alerts.TriageAction(r.PostForm.Get("action"))}
	to, _ := strconv.ParseInt(r.PostForm.Get("to"), 10, 64)
	if e.Action == alerts.ActAssigned && to == 0 {
		e.Action = alerts.ActUnassigned
	}
	if e.Action == alerts.ActNote {
		if e.Text = alerts.NoteLine(r.PostForm.Get("text")); e.Text == "" {
			p.Problems = append(p.Problems, &alerts.InvalidError{Field: "text", Problem: "Write a note first"})
			return s.renderCase(w, r, http.StatusUnprocessableEntity, p, "")
		}
	}
	if err := s.Store.Act(r.Context(), p.Group.ID, e, to, s.Now()); err != nil {
		return err
	}
	http.Redirect(w, r, p.Path("cases", app.ID)+"?done=saved", http.StatusSeeOther)
	return nil
}

// groupRecord is everything that was done about cases, for a spreadsheet.
func (s *Server) groupRecord(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "cases")
	if err != nil {
		return err
	}
	sheet(w, "record.csv")
	out := csv.NewWriter(w)
	out.Write([]string{"time (UTC)", "who", "what", "text", "council", "reference"})
	for after := int64(0); ; {
		log, err := s.Store.TriageLog(r.Context(), p.Group.ID, 0, after, 500)
		if err != nil {
			return err
		}
		for _, e := range log {
			after = e.ID
			out.Write([]string{time.UnixMilli(e.At).UTC().Format(time.RFC3339), api.Cell(e.Name), string(e.Action), api.Cell(e.Text), api.Cell(e.Ref.Authority), api.Cell(e.Ref.Number)})
		}
		if len(log) < 500 {
			out.Flush()
			return out.Error()
		}
	}
}

// sheet says that what follows is a file for spreadsheets.
func sheet(w http.ResponseWriter, name string) {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
}
