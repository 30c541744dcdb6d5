package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file finds a person. There is no list of people to go through: whoever looks
// has to know the address, or the number by which a notice names somebody, and to say
// why, which is kept.

// looksPerHour is how many people's pages somebody may open in an hour.
const looksPerHour = 20

type findPage struct {
	adminPage
	Who, Reason string
	Nobody      bool
	Barred      *alerts.PersonalSuppression
	Liftable    bool
}

// findPerson shows the form.
func (s *Server) findPerson(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.renderFind(w, r, http.StatusOK, findPage{adminPage: newAdminPage(r, a, "people")})
}

func (s *Server) renderFind(w http.ResponseWriter, r *http.Request, status int, page findPage) error {
	title := "People"
	if len(page.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "adminpeople.html", title, page)
}

// addressKey is what a keyed hash of an address looks like.
var addressKey = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// wanted returns the people that are meant by an address, the keyed hash of one, or a
// number, and the keyed hashes of the address.
func (s *Server) wanted(r *http.Request, who string) (found []alerts.Recipient, addressKeys []string, err error) {
	switch {
	case strings.Contains(who, "@"):
		addressKeys = s.Keys.AddressKeys(who)
	case addressKey.MatchString(who):
		addressKeys = []string{who}
	default:
		id, err := strconv.ParseInt(who, 10, 64)
		if err != nil || id < 1 {
			return nil, nil, alerts.Invalid("who", "Enter an e-mail address, or the number by which a notice names the person")
		}
		standing, err := s.Store.Standing(r.Context(), id)
		if errors.Is(err, alerts.ErrNotFound) {
			return nil, nil, nil
		}
		return slices.DeleteFunc([]alerts.Recipient{standing.Recipient}, notAPerson), nil, err
	}
	found, err = s.Store.FindRecipients(r.Context(), addressKeys)
	return slices.DeleteFunc(found, notAPerson), addressKeys, err
}

func notAPerson(r alerts.Recipient) bool { return r.Kind == "endpoint" }

// lookUp looks a person up and opens their page. The address is in the form alone, and
// so in no address of a page and no log.
func (s *Server) lookUp(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	page := findPage{adminPage: newAdminPage(r, a, "people"), Who: clip(r.PostForm.Get("who"), 400), Reason: clip(r.PostForm.Get("reason"), alerts.MaxReason)}
	reason := page.reason(r)
	var found []alerts.Recipient
	var keys []string
	if len(page.Problems) == 0 {
		if err := s.countLook(r, a); err != nil {
			return err
		}
		var err error
		if found, keys, err = s.wanted(r, page.Who); err != nil {
			fault, err := asProblem(err)
			if err != nil {
				return err
			}
			page.Problems = append(page.Problems, fault)
		}
	}
	if len(page.Problems) > 0 {
		return s.renderFind(w, r, http.StatusUnprocessableEntity, page)
	}
	if len(found) == 0 {
		if err := s.Store.RecordAct(r.Context(), page.act(alerts.ActPerson, "looked for somebody of whom nothing is kept", "nobody", reason), s.Now()); err != nil {
			return err
		}
		page.Nobody = true
		why, at, err := s.Store.Suppression(r.Context(), keys)
		if err == nil {
			page.Barred, page.Liftable = &alerts.PersonalSuppression{Since: time.UnixMilli(at), Reason: why}, alerts.MayLift(why)
		} else if !errors.Is(err, alerts.ErrNotFound) {
			return err
		}
		return s.renderFind(w, r, http.StatusOK, page)
	}
	for _, to := range found {
		if err := s.Store.RecordAct(r.Context(), page.act(alerts.ActPerson, alerts.ActLooked, alerts.RecipientSubject(to.ID), reason), s.Now()); err != nil {
			return err
		}
	}
	first := found[0]
	for _, to := range found {
		if to.Kind == "subscriber" {
			first = to
		}
	}
	http.Redirect(w, r, personPath(first.ID), http.StatusSeeOther)
	return nil
}

// countLook keeps somebody from going through people one by one.
func (s *Server) countLook(r *http.Request, a alerts.Account) error {
	ok, err := s.Store.Allow(r.Context(), alerts.Allowance{Key: fmt.Sprintf("look:%d", a.ID), Period: s.Now().UTC().Format("2006-01-02T15"), Limit: looksPerHour})
	if err == nil && !ok {
		err = alerts.ErrTooMany
	}
	return err
}

func personPath(id int64) string { return "/admin/people/" + strconv.FormatInt(id, 10) }

// openPerson notes why somebody opens a person's page.
func (s *Server) openPerson(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	id := number(r, "person")
	p := newAdminPage(r, a, "people")
	reason := p.reason(r)
	if len(p.Problems) > 0 {
		return s.renderOpen(w, r, http.StatusUnprocessableEntity, p, id)
	}
	if err := s.countLook(r, a); err != nil {
		return err
	}
	standing, err := s.Store.Standing(r.Context(), id)
	if err != nil || notAPerson(standing.Recipient) {
		return cmp.Or(err, alerts.ErrNotFound)
	}
	if err := s.Store.RecordAct(r.Context(), p.act(alerts.ActPerson, alerts.ActLooked, alerts.RecipientSubject(id), reason), s.Now()); err != nil {
		return err
	}
	http.Redirect(w, r, personPath(id), http.StatusSeeOther)
	return nil
}

type openPage struct {
	adminPage
	Number int64
	Typed  string
}

func (s *Server) renderOpen(w http.ResponseWriter, r *http.Request, status int, p adminPage, id int64) error {
	title := "Why do you need to see this?"
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "adminopen.html", title, openPage{p, id, ""})
}

// allowAddress lets an address be written to again that mail did not reach once.
func (s *Server) allowAddress(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	page := findPage{adminPage: newAdminPage(r, a, "people"), Who: clip(r.PostForm.Get("who"), 400), Reason: clip(r.PostForm.Get("reason"), alerts.MaxReason)}
	reason := page.reason(r)
	if !strings.Contains(page.Who, "@") {
		page.Problems = append(page.Problems, alerts.Invalid("who", "Enter an e-mail address like name@example.org"))
	}
	if len(page.Problems) > 0 {
		return s.renderFind(w, r, http.StatusUnprocessableEntity, page)
	}
	keys := s.Keys.AddressKeys(page.Who)
	why, _, err := s.Store.Suppression(r.Context(), keys)
	if err != nil {
		return err
	}
	if !alerts.MayLift(why) {
		return alerts.Invalid("", "This address is not written to because its owner wants it so. They can come back by themselves, or write to us")
	}
	if err := s.Store.Unsuppress(r.Context(), keys, page.act(alerts.ActPerson, alerts.ActLetIn, "suppression", reason), s.Now()); err != nil {
		return err
	}
	http.Redirect(w, r, "/admin/people?done=allowed", http.StatusSeeOther)
	return nil
}
