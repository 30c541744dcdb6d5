package web

import (
	"net/http"
	"net/url"
	"strconv"

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
	l, today := languageOf(r), alerts.DateOf(s.Now())
	for i := range events {
		e := &events[i]
		item := toldItem{What: l.EventLabel(e.Type), Address: alerts.Line(e.After.Address, 160), Reference: alerts.Line(e.After.Reference, 60),
			Link: alerts.ApplicationPath(alerts.Ref{Authority: e.Authority, Number: e.After.Reference})}
		if item.Address == "" {
			item.Address = l.Say("Application %s", item.Reference)
		}
		if len(e.After.Reference) > alerts.MaxReference {
			item.Link = "/authorities/" + url.PathEscape(e.Authority)
		}
		if e.After.IsOpen() && e.After.CommentsUntil != "" {
			item.Deadline = l.DeadlineWords(&e.After, today)
		}
		page.Items = append(page.Items, item)
	}
	return s.render(w, r, http.StatusOK, "told.html", "Everything in your mail", page)
}

// commenting says what counts in a comment.
func (s *Server) commenting(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "commenting.html", "What counts in a comment", nil)
}
