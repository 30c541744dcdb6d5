package compose

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the news of one application.

// A card is the news of one application.
type card struct {
	Tags        []string // what happened: "New", "Open for comments"
	Title       string   // its address
	Description string
	Kind        string // "Householder"
	State       string // "Under consideration"
	Deadline    string // until when to comment, and how long that is
	Source      string // who says so
	Open        bool   // the deadline is still to come
	Soon        bool   // within days
	Notes       []string
	Changes     []change
	Council     string // the council's page
	CouncilHost string
	Comment     string // where the council takes comments, while it does
	CommentWays string // how to comment when the council gives no link
	Commenting  string // page on what counts in a comment
	Calendar    string // file with the deadline
	Page        string // ours
	Mute        string // page that offers to hear no more of it
	Why         string // page that says why it reached the reader
	Reference   string
	Authority   string
	l           alerts.Language
}

// soonDays is from how many days before it closes a date is shown as pressing.
const soonDays = 7

func (w *writer) card(n alerts.CaseNews, area alerts.Area) card {
	d := n.Details
	if isTakenDown(n) {
		reference := alerts.Line(d.Reference, 60)
		return card{l: w.l, Tags: w.tags(n), Title: w.l.Say("Application %s", reference), Reference: reference, Authority: w.authority(n.Authority), Notes: w.notes(n, area),
			Page: w.BaseURL + "/authorities/" + url.PathEscape(n.Authority)}
	}
	c := card{
		l:           w.l,
		Tags:        w.tags(n),
		Title:       alerts.Line(d.Address, 160),
		Description: alerts.Line(d.Description, 500),
		State:       w.l.StateWords(d),
		Council:     alerts.WebLink(d.URL),
		Page:        w.page(alerts.Ref{Authority: n.Authority, Number: d.Reference}),
		Reference:   alerts.Line(d.Reference, 60),
		Authority:   w.authority(n.Authority),
		Changes:     w.changes(n),
		Notes:       w.notes(n, area),
	}
	if slices.ContainsFunc(c.Changes, func(ch change) bool { return ch.whole }) {
		c.Description = "" // it is among the changes
	}
	c.CouncilHost = alerts.LinkHost(c.Council)
	if c.Title == "" {
		c.Title = w.l.Say("Application %s", c.Reference)
	}
	if d.Kind != "" && d.Kind != alerts.KindOther {
		c.Kind = w.l.KindLabel(d.Kind)
	}
	if d.IsOpen() && !n.Correction {
		w.deadline(&c, n)
	}
	return c
}

// deadline says until when and where to comment. It is the council's date or none.
func (w *writer) deadline(c *card, n alerts.CaseNews) {
	d := n.Details
	until := d.CommentsUntil
	if until == "" {
		c.Deadline = w.l.Say("The council has published no closing date for comments")
	} else if until < w.today {
		c.Deadline = w.l.Say("Comments closed on %s", until)
	} else {
		c.Open, c.Soon = true, w.today.DaysUntil(until) <= soonDays
		c.Deadline = w.l.Say("Comment by %s (%s)", until, w.l.LeftWords(until, w.today))
		c.Calendar = c.Page + "/deadline.ics"
		if !strings.Contains(c.Page, "/applications/") {
			c.Calendar = ""
		}
	}
	if source := w.l.SourceWords(d); source != "" && until != "" {
		c.Source = w.l.Say("according to %s", source)
	}
	if until != "" && !c.Open {
		return
	}
	c.Commenting = w.BaseURL + "/commenting"
	if c.Comment = alerts.WebLink(d.CommentURL); c.Comment == "" && c.Council != "" {
		c.Comment = c.Council
	}
	if c.Comment == c.Council {
		c.Council = "" // one link is enough
	}
	if c.Comment == "" {
		c.CommentWays = w.l.Say("To comment, write to the planning department of %s and give the reference.", c.Authority)
		if site := alerts.WebLink(w.authorities[n.Authority].Website); site != "" {
			c.Comment, c.CommentWays = site, w.l.Say("The council gives no link for comments: look for the reference on its site.")
		}
	}
}

// page is the page of an application; of its council if the reference is too long
// for an address.
func (w *writer) page(ref alerts.Ref) string {
	if len(ref.Number) > alerts.MaxReference {
		return w.BaseURL + "/authorities/" + url.PathEscape(ref.Authority)
	}
	return w.BaseURL + alerts.ApplicationPath(ref)
}

func (w *writer) authority(slug string) string {
	if a, ok := w.authorities[slug]; ok && a.Name != "" {
		return a.Name
	}
	return slug
}

// A cardLink is one link of a card.
type cardLink struct {
	Words, URL string
	Strong     bool
}

// links are what a reader may do about a case, the most useful first.
func (c card) links() (out []cardLink) {
	add := func(words, url string, strong bool) {
		if url != "" {
			out = append(out, cardLink{words, url, strong})
		}
	}
	add(c.l.Say("Comment on the council’s site (%s)", alerts.LinkHost(c.Comment)), c.Comment, true)
	if c.Comment != "" {
		add(c.l.Say("What counts in a comment"), c.Commenting, false)
	}
	add(c.l.Say("Add the date to your calendar"), c.Calendar, false)
	add(c.l.Say("The council’s page (%s)", c.CouncilHost), c.Council, false)
	if c.State != "" { // nothing is left to see of one that was taken down
		add(c.l.Say("History"), c.Page, false)
	}
	add(c.l.Say("Why this reached me"), c.Why, false)
	add(c.l.Say("No more of this"), c.Mute, false)
	return out
}
