package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// askMove writes to both ends when somebody wants their mail at another address.
// What is known of the new one makes no difference to the answer.
func (s *Server) askMove(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	refuse := func(p *alerts.InvalidError) error {
		return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(page *managePage) {
			page.Problem, page.NewMail = p, clip(r.PostForm.Get("email"), 400)
		})
	}
	address, fault := alerts.ParseAddress(r.PostForm.Get("email"))
	if fault != nil {
		return refuse(fault)
	}
	err = s.Store.AskMove(r.Context(), h.Recipient, address, s.Keys.AddressKeys(address), s.Limits, s.Now(), func(l alerts.Letter) (alerts.Delivery, error) {
		m := MoveMail{Recipient: l.Recipient, Move: *l.Move, AgreeURL: s.at(l.Recipient.Language) + "/move/" + l.Secret}
		if l.Move.NewEnd {
			m.NeverURL = s.at(l.Recipient.Language) + "/never/" + s.Keys.Sign("never", strconv.FormatInt(l.Recipient.ID, 10))
		}
		return s.addressed(s.MoveMail(m))
	})
	switch {
	case errors.Is(err, alerts.ErrConflict):
		return refuse(&alerts.InvalidError{Field: "email", Problem: "Your alerts go to this address already"})
	case errors.Is(err, alerts.ErrTooMany):
		return refuse(&alerts.InvalidError{Field: "email", Problem: "You have asked for this several times today. Please try again tomorrow"})
	case err != nil:
		return err
	}
	return back(w, r, h, "moving")
}

// dropMove forgets that somebody wanted their mail elsewhere.
func (s *Server) dropMove(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	if err := s.Store.DropMove(r.Context(), h.Recipient); err != nil {
		return err
	}
	return back(w, r, h, "stayed")
}

// A movePage asks one end of a move to agree to it, or says how far it is.
type movePage struct {
	Secret string
	Move   alerts.Move
	From   string // as the reader of the page may see it
	To     string
}

// Agreed reports whether this end has agreed.
func (p movePage) Agreed() bool {
	if p.Move.NewEnd {
		return p.Move.NewAgreed
	}
	return p.Move.OldAgreed
}

func (s *Server) showMove(w http.ResponseWriter, r *http.Request) error {
	m, err := s.Store.AwaitingMove(r.Context(), mux.Vars(r)["secret"], s.Now())
	if err != nil {
		return err
	}
	return s.renderMove(w, r, m)
}

func (s *Server) agreeMove(w http.ResponseWriter, r *http.Request) error {
	m, err := s.Store.AgreeMove(r.Context(), mux.Vars(r)["secret"], func(address string) string { return s.Keys.AddressKeys(address)[0] }, s.Now())
	if err != nil {
		return err
	}
	return s.renderMove(w, r, m)
}

func (s *Server) renderMove(w http.ResponseWriter, r *http.Request, m alerts.Move) error {
	page := movePage{Secret: mux.Vars(r)["secret"], Move: m, From: m.From, To: m.To}
	if m.NewEnd { // the new address need not be the same person's
		page.From = alerts.MaskAddress(m.From)
	}
	title := "Move your alerts to another address?"
	switch {
	case m.Done:
		title = "Your alerts have moved"
	case m.Taken && m.NewEnd && m.NewAgreed:
		title = "Your alerts have not moved"
	case page.Agreed():
		title = "Half done"
	}
	return s.render(w, r, http.StatusOK, "move.html", title, page)
}
