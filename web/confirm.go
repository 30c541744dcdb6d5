package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

type confirmPage struct {
	Secret    string
	Waiting   []confirmArea
	Active    []confirmArea
	Done      bool // this request confirmed something, or repeated what did
	ManageURL string
	Uncovered []alerts.Coverage
}

type confirmArea struct {
	alerts.Subscription
	Coverage []alerts.Coverage
}

// showConfirm shows what waits for confirmation, and a button.
func (s *Server) showConfirm(w http.ResponseWriter, r *http.Request) error {
	standing, err := s.Store.Awaiting(r.Context(), mux.Vars(r)["secret"], s.Now())
	if err != nil {
		return err
	}
	return s.renderConfirm(w, r, standing, false)
}

// confirm makes active what was shown.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	var versions []int64
	for _, v := range r.PostForm["version"] {
		if id, err := strconv.ParseInt(v, 10, 64); err == nil {
			versions = append(versions, id)
		}
	}
	standing, err := s.Store.Confirm(r.Context(), mux.Vars(r)["secret"], versions, s.Now())
	if err != nil {
		return err
	}
	if wishes := r.PostForm["tell"]; len(wishes) > 0 && standing.Recipient.State == alerts.RecipientActive {
		if err := s.storeWishes(r, standing, wishes); err != nil {
			return err
		}
	}
	confirmed := slices.ContainsFunc(standing.Subscriptions, func(sub alerts.Subscription) bool {
		return sub.State == alerts.SubscriptionActive && slices.Contains(versions, sub.Current.ID)
	})
	return s.renderConfirm(w, r, standing, confirmed)
}

func (s *Server) renderConfirm(w http.ResponseWriter, r *http.Request, standing alerts.Standing, done bool) error {
	page := confirmPage{Secret: mux.Vars(r)["secret"], Done: done}
	title := "Confirm your alerts"
	for _, sub := range standing.Subscriptions {
		coverage, err := s.coverage(r.Context(), sub.Current.Area)
		if err != nil {
			return err
		}
		area := confirmArea{sub, coverage}
		if sub.State == alerts.SubscriptionPending {
			page.Waiting = append(page.Waiting, area)
			for _, c := range uncovered(coverage) {
				if c.District != "" && !slices.ContainsFunc(page.Uncovered, func(have alerts.Coverage) bool { return have.District == c.District }) {
					page.Uncovered = append(page.Uncovered, c)
				}
			}
		} else {
			page.Active = append(page.Active, area)
		}
	}
	if len(page.Active) > 0 && (done || len(page.Waiting) == 0) {
		page.ManageURL, _ = s.manageURL(languageOf(r), standing.Recipient.ID, alerts.RequestedManageDays)
		title = "Your alerts are confirmed"
	}
	return s.render(w, r, http.StatusOK, "confirm.html", title, page)
}

// storeWishes remembers of which councils somebody wants to hear, if their areas
// touch them.
func (s *Server) storeWishes(r *http.Request, standing alerts.Standing, wishes []string) error {
	var districts []string
	for _, sub := range standing.Subscriptions {
		coverage, err := s.coverage(r.Context(), sub.Current.Area)
		if err != nil {
			return err
		}
		for _, c := range uncovered(coverage) {
			if c.District != "" && slices.Contains(wishes, c.District) {
				districts = append(districts, c.District)
			}
		}
	}
	if len(districts) == 0 {
		return nil
	}
	return s.Store.WishCoverage(r.Context(), standing.Recipient.ID, districts, s.Now())
}

// manageURL is a link to a person's subscriptions that works for some days.
func (s *Server) manageURL(l alerts.Language, recipient int64, days int) (string, alerts.Date) {
	last := alerts.DateOf(s.Now()).AddDays(days)
	return s.at(l) + "/manage/" + s.Keys.Sign("manage", fmt.Sprintf("%d:%s", recipient, last)), last
}
