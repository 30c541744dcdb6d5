package web

import (
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// A mutePage offers to say no more of a case, its site or its kind, or says that it
// is done.
type mutePage struct {
	Action string
	Case   string // the application, in words
	Offers []muteOffer
	Done   *alerts.Mute // muted by this request
	Undone *alerts.Mute // unmuted by this request
	Gone   bool         // there is nobody, or nothing, to mute for any more
}

// A muteOffer is one thing that can be muted.
type muteOffer struct {
	What  alerts.MuteWhat
	Words string // the button
	Hint  string
	Muted bool
}

// muting reads a link from a mail: whose it is, and about which case. The
// application is nil when it has been taken down, or its reader erased.
func (s *Server) muting(r *http.Request) (recipient int64, app *alerts.Application, err error) {
	subject, err := s.Keys.Verify("mute", mux.Vars(r)["token"])
	if err != nil {
		return 0, nil, err
	}
	recipient, id, err := alerts.ParseMuteSubject(subject)
	if err != nil {
		return 0, nil, err
	}
	standing, err := s.Store.Standing(r.Context(), recipient)
	if errors.Is(err, alerts.ErrNotFound) || err == nil && standing.Recipient.Address == "" {
		return recipient, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	found, err := s.Store.ApplicationByID(r.Context(), id)
	if errors.Is(err, alerts.ErrNotFound) {
		return recipient, nil, nil
	}
	return recipient, &found, err
}

func (s *Server) showMute(w http.ResponseWriter, r *http.Request) error {
	recipient, app, err := s.muting(r)
	if err != nil {
		return err
	}
	if app == nil {
		return s.renderMute(w, r, mutePage{Gone: true})
	}
	mutes, err := s.Store.Mutes(r.Context(), recipient)
	if err != nil {
		return err
	}
	l := languageOf(r)
	page := mutePage{Action: r.URL.EscapedPath(), Case: caseWords(app)}
	for _, what := range []alerts.MuteWhat{alerts.MuteCase, alerts.MuteSite, alerts.MuteKind} {
		m, ok := alerts.MuteOf(what, app.ID, app.Authority, &app.Details)
		if !ok {
			continue
		}
		offer := muteOffer{What: what, Muted: muteIn(mutes, m) != 0}
		switch what {
		case alerts.MuteCase:
			offer.Words, offer.Hint = l.Say("Mute this application"), l.Say("You hear no more of this one. Others at the address still come.")
		case alerts.MuteSite:
			offer.Words, offer.Hint = l.Say("Mute this address"), l.Say("You hear of no application at %s.", m.Label)
		case alerts.MuteKind:
			offer.Words, offer.Hint = l.Say("Mute this kind"), l.Say("You hear of no application of the kind “%s”, in any of your areas.", m.Name(l))
		}
		page.Offers = append(page.Offers, offer)
	}
	return s.renderMute(w, r, page)
}

// muteIn returns the id of an equal mute, 0 if there is none.
func muteIn(mutes []alerts.Mute, m alerts.Mute) int64 {
	for _, have := range mutes {
		if have.What == m.What && have.Key == m.Key {
			return have.ID
		}
	}
	return 0
}

func caseWords(app *alerts.Application) string {
	if app.Address == "" {
		return alerts.Line(app.Reference, 60)
	}
	return alerts.Line(app.Address, 120) + " (" + alerts.Line(app.Reference, 60) + ")"
}

// mute silences what was chosen.
func (s *Server) mute(w http.ResponseWriter, r *http.Request) error {
	m, ok, err := s.chosenMute(r)
	if err != nil || !ok {
		return orElse(err, func() error { return s.renderMute(w, r, mutePage{Gone: true}) })
	}
	if err := s.Store.Mute(r.Context(), m, s.Now()); err != nil {
		if errors.Is(err, alerts.ErrTooMany) {
			return alerts.Invalid("", "You have muted %d things, which is as many as we keep. Undo one on the page of your alerts first", alerts.MaxMutes)
		}
		return err
	}
	return s.renderMute(w, r, mutePage{Action: r.URL.EscapedPath(), Done: &m})
}

// undoMute takes a mute back.
func (s *Server) undoMute(w http.ResponseWriter, r *http.Request) error {
	m, ok, err := s.chosenMute(r)
	if err != nil || !ok {
		return orElse(err, func() error { return s.renderMute(w, r, mutePage{Gone: true}) })
	}
	mutes, err := s.Store.Mutes(r.Context(), m.RecipientID)
	if err != nil {
		return err
	}
	if id := muteIn(mutes, m); id != 0 {
		if err := s.Store.Unmute(r.Context(), m.RecipientID, id); err != nil {
			return err
		}
	}
	return s.renderMute(w, r, mutePage{Action: r.URL.EscapedPath(), Undone: &m})
}

// orElse returns err or, when there is none, what otherwise does.
func orElse(err error, otherwise func() error) error {
	if err != nil {
		return err
	}
	return otherwise()
}

// chosenMute reads a mute form; false when there is nothing left to mute.
func (s *Server) chosenMute(r *http.Request) (m alerts.Mute, ok bool, err error) {
	recipient, app, err := s.muting(r)
	if err != nil || app == nil {
		return m, false, err
	}
	if err := r.ParseForm(); err != nil {
		return m, false, badForm(err)
	}
	what := alerts.MuteWhat(r.PostForm.Get("what"))
	if m, ok = alerts.MuteOf(what, app.ID, app.Authority, &app.Details); !ok {
		return m, false, &alerts.InvalidError{Problem: "Choose what to mute: the application, its address or its kind"}
	}
	m.RecipientID = recipient
	return m, true, nil
}

func (s *Server) renderMute(w http.ResponseWriter, r *http.Request, page mutePage) error {
	title := "Hear no more of this?"
	switch {
	case page.Done != nil:
		title = "Muted"
	case page.Undone != nil:
		title = "No longer muted"
	case page.Gone:
		title = "Nothing to mute"
	}
	for _, m := range []*alerts.Mute{page.Done, page.Undone} {
		if m != nil {
			m.Label = m.Name(languageOf(r))
		}
	}
	return s.render(w, r, http.StatusOK, "mute.html", title, page)
}

// unmute takes a mute back from the page of one's alerts.
func (s *Server) unmute(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	if err := s.Store.Unmute(r.Context(), h.Recipient, id); err != nil {
		return err
	}
	return back(w, r, h, "unmuted")
}
