package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// toldEvents is how many pieces of news a page of a long mail lists.
const toldEvents = 100

type toldPage struct {
	Applications int
	Items        []toldItem
	First, More  string
	Later        bool
}

// A toldItem is one piece of news that a mail tells.
type toldItem struct {
	What      string
	Address   string
	Reference string
	Deadline  string
	Link      string
}

// told lists everything that a mail tells, for mails that have no room for all of
// it. It reads the ledger, so that nothing of it depends on what the mail showed.
func (s *Server) told(w http.ResponseWriter, r *http.Request) error {
	token := mux.Vars(r)["token"]
	message, err := s.Keys.Verify("told", token)
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil || after < 0 {
		after = 0
	}
	events, applications, err := s.Store.Told(r.Context(), message, after, toldEvents+1)
	if err != nil {
		return err
	}
	page := toldPage{Applications: applications, First: "/told/" + token, Later: after > 0}
	if len(events) > toldEvents {
		events = events[:toldEvents]
		page.More = page.First + "?after=" + strconv.FormatInt(events[toldEvents-1].Seq, 10)
	}
	today := alerts.DateOf(s.Now())
	for i := range events {
		e := &events[i]
		item := toldItem{What: alerts.EventLabel(e.Type), Address: alerts.Line(e.After.Address, 160), Reference: alerts.Line(e.After.Reference, 60),
			Link: alerts.ApplicationPath(alerts.Ref{Authority: e.Authority, Number: e.After.Reference})}
		if item.Address == "" {
			item.Address = "Application " + item.Reference
		}
		if len(e.After.Reference) > alerts.MaxReference {
			item.Link = "/authorities/" + url.PathEscape(e.Authority)
		}
		if e.After.IsOpen() && e.After.CommentsUntil != "" {
			item.Deadline = alerts.DeadlineWords(&e.After, today)
		}
		page.Items = append(page.Items, item)
	}
	return s.render(w, r, http.StatusOK, "told.html", "Everything in your mail", page)
}

// commenting says what counts in a comment.
func (s *Server) commenting(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "commenting.html", "What counts in a comment", nil)
}

// deadline is the last day to comment on an application as a calendar file.
func (s *Server) deadline(w http.ResponseWriter, r *http.Request) error {
	vars := mux.Vars(r)
	slug, err1 := url.PathUnescape(vars["authority"])
	number, err2 := url.PathUnescape(vars["reference"])
	if err1 != nil || err2 != nil || len(number) > alerts.MaxReference || strings.ContainsRune(slug+number, 0) {
		return alerts.ErrNotFound
	}
	app, err := s.Store.Application(r.Context(), alerts.Ref{Authority: slug, Number: number})
	if err != nil {
		return err
	}
	if app.CommentsUntil == "" || !app.IsOpen() {
		return alerts.ErrNotFound
	}
	h := w.Header()
	h.Set("Content-Type", "text/calendar; charset=utf-8; method=PUBLISH")
	h.Set("Content-Disposition", `attachment; filename="closing-date.ics"`)
	h.Set("Cache-Control", "no-cache")
	_, err = w.Write([]byte(s.calendar(&app)))
	return err
}

// calendar writes an event of one whole day (RFC 5545). Its name stays the same when
// the day moves, so that a calendar moves it too.
func (s *Server) calendar(app *alerts.Application) string {
	page := s.BaseURL + alerts.ApplicationPath(app.Ref())
	var b strings.Builder
	line := func(name, value string) { b.WriteString(foldCalendar(name + ":" + value)) }
	day := func(d alerts.Date) string { return strings.ReplaceAll(string(d), "-", "") }
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//Sitenotice//Closing date//EN")
	line("METHOD", "PUBLISH")
	line("BEGIN", "VEVENT")
	line("UID", "closing-"+strconv.FormatInt(app.ID, 10)+"@"+hostOf(s.BaseURL))
	line("DTSTAMP", time.UnixMilli(app.UpdatedAt).UTC().Format("20060102T150405Z"))
	line("SEQUENCE", strconv.Itoa(app.Version))
	line("DTSTART;VALUE=DATE", day(app.CommentsUntil))
	line("DTEND;VALUE=DATE", day(app.CommentsUntil.AddDays(1)))
	line("SUMMARY", calendarText("Last day to comment: "+alerts.Line(app.Address, 120)))
	line("DESCRIPTION", calendarText(alerts.Line(app.Description, 500)+"\nReference "+alerts.Line(app.Reference, 60)+".\nThe date is as the council published it; look at its own page before you rely on it.\n"+page))
	line("URL", page)
	line("TRANSP", "TRANSPARENT")
	line("END", "VEVENT")
	line("END", "VCALENDAR")
	return b.String()
}

// calendarText escapes what would end a value.
func calendarText(s string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`).Replace(s)
}

// foldCalendar breaks a line after at most 75 bytes, never within a character.
func foldCalendar(s string) string {
	var b strings.Builder
	width := 0
	for _, r := range s {
		n := len(string(r))
		if width+n > 75 {
			b.WriteString("\r\n ")
			width = 1
		}
		b.WriteRune(r)
		width += n
	}
	return b.String() + "\r\n"
}
