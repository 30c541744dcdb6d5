package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// Links that stop mail work for as long as the keys do, also when everything they
// speak of has been erased: then they say "already stopped".

// A stopPage asks whether to stop, or says that it is done.
type stopPage struct {
	Action  string // where the button posts to
	What    string // "daily alerts", "alerts about NW1 8NH"
	Stopped bool   // by this request
	Already bool   // there was nothing left to stop
	CanUndo bool
	Undone  bool
	Areas   []string // that were, or would be, stopped
}

// cadenceLink reads an unsubscribe link: who, and which of their mails.
func (s *Server) cadenceLink(r *http.Request) (recipient int64, cs []alerts.Cadence, err error) {
	subject, err := s.Keys.Verify("unsubscribe", mux.Vars(r)["token"])
	if err != nil {
		return 0, nil, err
	}
	id, cadences, _ := strings.Cut(subject, ":")
	if recipient, err = strconv.ParseInt(id, 10, 64); err != nil {
		return 0, nil, alerts.ErrBadToken
	}
	for c := range strings.SplitSeq(cadences, ",") {
		cs = append(cs, alerts.Cadence(c))
	}
	return recipient, cs, nil
}

// isExtra reports whether a link stops mail that belongs to no area.
func isExtra(cs []alerts.Cadence) bool {
	return len(cs) == 1 && (cs[0] == alerts.Reminders || cs[0] == alerts.Notes)
}

// cadenceAlerts names the mail of some cadences: "daily and weekly alerts".
func cadenceAlerts(l alerts.Language, cs []alerts.Cadence) string {
	switch {
	case isExtra(cs) && cs[0] == alerts.Reminders:
		return l.Say("reminders of closing dates")
	case isExtra(cs):
		return l.Say("notes about months without news")
	}
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = l.CadenceName(c)
	}
	return l.Say("%s alerts", l.Listing(names))
}

// followed returns the labels of what a recipient follows with some cadences.
func (s *Server) followed(r *http.Request, recipient int64, cs []alerts.Cadence) (labels []string, err error) {
	standing, err := s.Store.Standing(r.Context(), recipient)
	if errors.Is(err, alerts.ErrNotFound) {
		return nil, nil
	}
	for _, sub := range standing.Subscriptions {
		if slices.Contains(cs, sub.Current.Cadence) {
			labels = append(labels, languageOf(r).AreaWords(sub.Current.Area))
		}
	}
	return labels, err
}

func (s *Server) showUnsubscribe(w http.ResponseWriter, r *http.Request) error {
	recipient, cs, err := s.cadenceLink(r)
	if err != nil {
		return err
	}
	if isExtra(cs) {
		p, err := s.Store.Preferences(r.Context(), recipient)
		if err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return err
		}
		on := cs[0] == alerts.Reminders && p.Remind > 0 || cs[0] == alerts.Notes && p.Notes
		return s.renderStop(w, r, stopPage{Action: r.URL.EscapedPath(), What: cadenceAlerts(languageOf(r), cs), Already: !on})
	}
	labels, err := s.followed(r, recipient, cs)
	if err != nil {
		return err
	}
	return s.renderStop(w, r, stopPage{Action: r.URL.EscapedPath(), What: cadenceAlerts(languageOf(r), cs), Areas: labels, Already: len(labels) == 0})
}

// unsubscribe stops all that a message served. Nothing but the address counts:
// not the body, no cookie, no origin (RFC 8058). Doing it again is as good.
func (s *Server) unsubscribe(w http.ResponseWriter, r *http.Request) error {
	recipient, cs, err := s.cadenceLink(r)
	if err != nil {
		return err
	}
	if isExtra(cs) {
		changed, err := s.Store.SetExtras(r.Context(), recipient, cs, false, s.Now())
		if err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return err
		}
		return s.renderStop(w, r, stopPage{Action: r.URL.EscapedPath(), What: cadenceAlerts(languageOf(r), cs), Stopped: changed, Already: !changed, CanUndo: changed})
	}
	ended, err := s.Store.EndCadences(r.Context(), recipient, cs, "/u", s.Now())
	if err != nil && !errors.Is(err, alerts.ErrNotFound) {
		return err
	}
	page := stopPage{Action: r.URL.EscapedPath(), What: cadenceAlerts(languageOf(r), cs), Stopped: len(ended) > 0, Already: len(ended) == 0, CanUndo: len(ended) > 0}
	for _, sub := range ended {
		page.Areas = append(page.Areas, languageOf(r).AreaWords(sub.Current.Area))
	}
	return s.renderStop(w, r, page)
}

func (s *Server) undoUnsubscribe(w http.ResponseWriter, r *http.Request) error {
	recipient, cs, err := s.cadenceLink(r)
	if err != nil {
		return err
	}
	if isExtra(cs) {
		changed, err := s.Store.SetExtras(r.Context(), recipient, cs, true, s.Now())
		if err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return err
		}
		return s.renderStop(w, r, stopPage{Action: strings.TrimSuffix(r.URL.EscapedPath(), "/undo"), What: cadenceAlerts(languageOf(r), cs), Undone: changed, Already: !changed})
	}
	restored, err := s.Store.Undo(r.Context(), recipient, 0, cs, s.Now())
	if err != nil && !errors.Is(err, alerts.ErrNotFound) {
		return err
	}
	return s.renderUndone(w, r, cadenceAlerts(languageOf(r), cs), restored)
}

func (s *Server) renderUndone(w http.ResponseWriter, r *http.Request, what string, restored []alerts.Subscription) error {
	page := stopPage{Action: strings.TrimSuffix(r.URL.EscapedPath(), "/undo"), What: what, Undone: len(restored) > 0, Already: len(restored) == 0}
	for _, sub := range restored {
		page.Areas = append(page.Areas, languageOf(r).AreaWords(sub.Current.Area))
	}
	return s.renderStop(w, r, page)
}

func (s *Server) renderStop(w http.ResponseWriter, r *http.Request, page stopPage) error {
	title := "Stop these alerts?"
	switch {
	case page.Stopped:
		title = "Your alerts have been stopped"
	case page.Undone:
		title = "You follow this again"
	case page.Already:
		title = "Already stopped"
	}
	return s.render(w, r, http.StatusOK, "stop.html", title, page)
}

// areaLink reads a link that stops one subscription. One that is gone altogether
// comes back without an error, ended.
func (s *Server) areaLink(r *http.Request) (sub alerts.Subscription, err error) {
	subject, err := s.Keys.Verify("stop", mux.Vars(r)["token"])
	if err != nil {
		return sub, err
	}
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return sub, alerts.ErrBadToken
	}
	sub, err = s.Store.Subscription(r.Context(), id)
	if errors.Is(err, alerts.ErrNotFound) {
		return alerts.Subscription{State: alerts.SubscriptionEnded}, nil
	}
	return sub, err
}

func aboutArea(l alerts.Language, sub alerts.Subscription) string {
	if sub.Current.ID == 0 {
		return l.Say("alerts about this area")
	}
	return l.Say("alerts about %s", l.AreaWords(sub.Current.Area))
}

func (s *Server) showStop(w http.ResponseWriter, r *http.Request) error {
	sub, err := s.areaLink(r)
	if err != nil {
		return err
	}
	return s.renderStop(w, r, stopPage{Action: r.URL.EscapedPath(), What: aboutArea(languageOf(r), sub), Already: sub.State == alerts.SubscriptionEnded})
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) error {
	sub, err := s.areaLink(r)
	if err != nil {
		return err
	}
	page := stopPage{Action: r.URL.EscapedPath(), What: aboutArea(languageOf(r), sub), Already: true}
	if sub.State != alerts.SubscriptionEnded {
		if _, err := s.Store.End(r.Context(), sub.ID, "/stop", s.Now()); err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return err
		}
		page.Stopped, page.Already, page.CanUndo = true, false, sub.State == alerts.SubscriptionActive
	}
	return s.renderStop(w, r, page)
}

func (s *Server) undoStop(w http.ResponseWriter, r *http.Request) error {
	sub, err := s.areaLink(r)
	if err != nil {
		return err
	}
	var restored []alerts.Subscription
	if sub.ID != 0 {
		if restored, err = s.Store.Undo(r.Context(), sub.RecipientID, sub.ID, nil, s.Now()); err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return err
		}
	}
	return s.renderUndone(w, r, aboutArea(languageOf(r), sub), restored)
}

type neverPage struct {
	Done bool
	Gone bool // the address had been erased before
}

func (s *Server) neverLink(r *http.Request) (recipient int64, err error) {
	subject, err := s.Keys.Verify("never", mux.Vars(r)["token"])
	if err != nil {
		return 0, err
	}
	if recipient, err = strconv.ParseInt(subject, 10, 64); err != nil {
		return 0, alerts.ErrBadToken
	}
	return recipient, nil
}

func (s *Server) showNever(w http.ResponseWriter, r *http.Request) error {
	recipient, err := s.neverLink(r)
	if err != nil {
		return err
	}
	standing, err := s.Store.Standing(r.Context(), recipient)
	if errors.Is(err, alerts.ErrNotFound) || err == nil && standing.Recipient.Address == "" {
		return s.render(w, r, http.StatusOK, "never.html", "This address has been erased", neverPage{Gone: true})
	}
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "never.html", "Never write to this address again?", neverPage{})
}

// never bars an address for good, for somebody whom others keep signing up.
func (s *Server) never(w http.ResponseWriter, r *http.Request) error {
	recipient, err := s.neverLink(r)
	if err != nil {
		return err
	}
	standing, err := s.Store.Standing(r.Context(), recipient)
	if errors.Is(err, alerts.ErrNotFound) || err == nil && standing.Recipient.Address == "" {
		return s.render(w, r, http.StatusOK, "never.html", "This address has been erased", neverPage{Gone: true})
	}
	if err != nil {
		return err
	}
	if err := s.Store.Suppress(r.Context(), recipient, "asked never to be written to", s.Now()); err != nil && !errors.Is(err, alerts.ErrNotFound) {
		return err
	}
	return s.render(w, r, http.StatusOK, "never.html", "We will never write to this address again", neverPage{Done: true})
}
