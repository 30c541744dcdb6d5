package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// A kindGroup is what a form offers instead of two dozen kinds.
type kindGroup struct {
	Key   string
	Label string
	Kinds []alerts.Kind
}

var kindGroups = []kindGroup{
	{"homes", "Extensions and alterations to homes", []alerts.Kind{alerts.KindHouseholder, alerts.KindLawfulExisting, alerts.KindLawfulProposed, alerts.KindPriorApproval}},
	{"building", "New buildings and larger schemes", []alerts.Kind{alerts.KindFull, alerts.KindOutline, alerts.KindReserved, alerts.KindPIP, alerts.KindEIA, alerts.KindCouncilOwn}},
	{"use", "Changes of use", []alerts.Kind{alerts.KindChangeOfUse}},
	{"heritage", "Listed buildings and demolition", []alerts.Kind{alerts.KindListed, alerts.KindDemolition}},
	{"trees", "Trees", []alerts.Kind{alerts.KindTreesTPO, alerts.KindTreesArea}},
	{"signs", "Signs, adverts and phone masts", []alerts.Kind{alerts.KindAdvert, alerts.KindTelecoms}},
	{"conditions", "Conditions and changes to permissions", []alerts.Kind{alerts.KindConditions, alerts.KindVariation, alerts.KindNonMaterial}},
	{"industry", "Minerals, waste and hazardous substances", []alerts.Kind{alerts.KindMinerals, alerts.KindHazardous}},
	{"other", "Anything else, and whatever the council gave no kind", []alerts.Kind{alerts.KindOther, alerts.KindNeighbour, alerts.KindPreApplication, ""}},
}

// filterOf makes a filter of the groups that were ticked; none or all of them
// means everything.
func filterOf(groups []string) (f alerts.Filter) {
	all := true
	for _, g := range kindGroups {
		if slices.Contains(groups, g.Key) {
			f.Kinds = append(f.Kinds, g.Kinds...)
		} else {
			all = false
		}
	}
	if all {
		return alerts.Filter{}
	}
	return f
}

// groupsOf is the reverse of filterOf.
func groupsOf(f alerts.Filter) (groups []string) {
	for _, g := range kindGroups {
		if slices.ContainsFunc(g.Kinds, func(k alerts.Kind) bool { return slices.Contains(f.Kinds, k) }) {
			groups = append(groups, g.Key)
		}
	}
	return groups
}

// kindWords says which kinds a filter lets through.
func kindWords(f alerts.Filter) string {
	groups := groupsOf(f)
	if len(groups) == 0 {
		return "all kinds of application"
	}
	var labels []string
	for _, g := range kindGroups {
		if slices.Contains(groups, g.Key) {
			labels = append(labels, strings.ToLower(g.Label[:1])+g.Label[1:])
		}
	}
	return "only " + alerts.Listing(labels)
}

// A signUpForm is the sign-up as typed.
type signUpForm struct {
	Radius   float64
	Cadence  alerts.Cadence
	Groups   []string
	Email    string
	Problems []*alerts.InvalidError
}

// ProblemAt is the problem beside a field.
func (f signUpForm) ProblemAt(field string) string { return problemAt(f.Problems, field) }

func problemAt(problems []*alerts.InvalidError, field string) string {
	for _, p := range problems {
		if p.Field == field {
			return p.Problem
		}
	}
	return ""
}

// Ticked reports whether a kind was chosen.
func (f signUpForm) Ticked(group string) bool { return slices.Contains(f.Groups, group) }

func readSignUp(v url.Values) signUpForm {
	f := signUpForm{Cadence: alerts.Cadence(v.Get("frequency")), Groups: v["kinds"], Email: clip(v.Get("email"), 400)}
	f.Radius, _ = strconv.ParseFloat(v.Get("radius"), 64)
	return f
}

// signUp stores a sign-up. Whatever is known of the address, the answer is the
// same.
func (s *Server) signUp(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form, at, ok := s.find(r.PostForm)
	if !ok {
		return s.renderHome(w, r, http.StatusUnprocessableEntity, form)
	}
	sign := readSignUp(r.PostForm)
	wish, problems := alerts.SignUp{
		Address: r.PostForm.Get("email"), // unclipped: what is cut could pass
		Area:    alerts.Area{Kind: alerts.AreaCircle, Centre: at.Centre, Radius: sign.Radius, Label: at.Label},
		Filter:  filterOf(sign.Groups),
		Cadence: sign.Cadence,
		Page:    "/near",
		Client:  s.client(r),
	}.Check()
	if len(problems) > 0 {
		sign.Problems = problems
		return s.renderArea(w, r, http.StatusUnprocessableEntity, form, at, sign)
	}
	if r.PostForm.Get("website") != "" { // no person sees this field
		http.Redirect(w, r, "/subscriptions/sent", http.StatusSeeOther)
		return nil
	}
	coverage, err := s.coverage(r.Context(), wish.Area)
	if err != nil {
		return err
	}
	err = s.Store.Subscribe(r.Context(), wish, s.Keys.AddressKeys(wish.Address), s.Limits, s.Now(), func(l alerts.Letter) (alerts.Delivery, error) {
		m := ConfirmMail{Recipient: l.Recipient, Area: l.Area, Kinds: kindWords(l.Filter), Cadence: l.Cadence, Coverage: coverage, Already: l.Already,
			NeverURL: s.BaseURL + "/never/" + s.Keys.Sign("never", strconv.FormatInt(l.Recipient.ID, 10))}
		if l.Already {
			m.ManageURL, _ = s.manageURL(l.Recipient.ID, alerts.RequestedManageDays)
		} else {
			m.ConfirmURL = s.BaseURL + "/confirm/" + l.Secret
		}
		return s.addressed(s.ConfirmMail(m))
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/subscriptions/sent", http.StatusSeeOther)
	return nil
}

// addressed gives a mail a Message-ID unless it has one.
func (s *Server) addressed(d alerts.Delivery, err error) (alerts.Delivery, error) {
	if d.MessageID == "" {
		host, _, _ := strings.Cut(hostOf(s.BaseURL), ":")
		d.MessageID = alerts.NewSecret()[:22] + "@" + host
	}
	return d, err
}

func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &alerts.InvalidError{Problem: "This form did not arrive whole. Please go back and send it again"}
}

type sentPage struct {
	Mailbox bool
	Days    int
}

func (s *Server) signedUp(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "sent.html", "Check your e-mail", sentPage{s.Mailbox, int(alerts.ConfirmFor / (24 * time.Hour))})
}

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

// Kinds says which kinds of application are wanted.
func (a confirmArea) Kinds() string { return kindWords(a.Current.Filter) }

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
		page.ManageURL, _ = s.manageURL(standing.Recipient.ID, alerts.RequestedManageDays)
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
func (s *Server) manageURL(recipient int64, days int) (string, alerts.Date) {
	last := alerts.DateOf(s.Now()).AddDays(days)
	return s.BaseURL + "/manage/" + s.Keys.Sign("manage", fmt.Sprintf("%d:%s", recipient, last)), last
}
