package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// GroupStore is what the pages of groups read and write.
type GroupStore interface {
	AddGroup(ctx context.Context, name, owner string, account int64, now time.Time) (alerts.Group, error)
	Group(ctx context.Context, id int64) (alerts.Group, error)
	Groups(ctx context.Context, account int64) ([]alerts.Group, error)
	ChangeGroup(ctx context.Context, g alerts.Group) error
	RemoveGroup(ctx context.Context, group int64, now time.Time) error

	Members(ctx context.Context, group int64) ([]alerts.Member, error)
	SetRole(ctx context.Context, group, account int64, role alerts.Role) error
	RemoveMember(ctx context.Context, group, account int64, now time.Time) error
	Invite(ctx context.Context, i alerts.Invitation, addressKeys []string, by int64, now time.Time, write func(alerts.Invitation, alerts.Letter) (alerts.Delivery, error)) error
	Invited(ctx context.Context, group int64, now time.Time) ([]alerts.Invitation, error)
	Invitation(ctx context.Context, secret string, now time.Time) (alerts.Invitation, error)
	Accept(ctx context.Context, secret, name, before string, now time.Time) (group int64, session string, err error)
	CancelInvitation(ctx context.Context, group, id int64) error

	AddGroupArea(ctx context.Context, a alerts.GroupArea, now time.Time) (alerts.GroupArea, error)
	GroupAreas(ctx context.Context, group int64) ([]alerts.GroupArea, error)
	GroupArea(ctx context.Context, id int64) (alerts.GroupArea, error)
	RemoveGroupArea(ctx context.Context, group, id int64, now time.Time) error

	AddToken(ctx context.Context, t alerts.Token, secret string, now time.Time) (alerts.Token, error)
	Tokens(ctx context.Context, group int64) ([]alerts.Token, error)
	UseToken(ctx context.Context, secret string, now time.Time) (alerts.Token, error)
	RevokeToken(ctx context.Context, group, id int64, now time.Time) error
}

// A groupPage is what every page of a group shows: which group, what the reader may
// do there, and what has just been done.
type groupPage struct {
	Group    alerts.Group
	Me       alerts.Account
	Role     alerts.Role
	Here     string // the part of the address that tells the pages apart
	Done     string
	Problems []*alerts.InvalidError
}

// Path is the address of a page of the group.
func (p groupPage) Path(below ...any) string {
	path := "/groups/" + strconv.FormatInt(p.Group.ID, 10)
	for _, b := range below {
		path += "/" + fmt.Sprint(b)
	}
	return path
}

// CanChange reports whether the reader may change things.
func (p groupPage) CanChange() bool { return p.Role.Includes(alerts.RoleMember) }

// IsOwner reports whether the reader may say who is in the group.
func (p groupPage) IsOwner() bool { return p.Role == alerts.RoleOwner }

// ProblemAt is the problem beside a field.
func (p groupPage) ProblemAt(field string) string { return problemAt(p.Problems, field) }

// A section is one of the pages of a group.
type section struct{ Here, Name string }

// Sections are the pages of the group that the reader may open.
func (p groupPage) Sections() []section {
	if p.IsOwner() {
		return groupSections
	}
	return groupSections[:len(groupSections)-1] // the settings come last
}

var groupSections = []section{{"", "Overview"}, {"cases", "Cases"}, {"meetings", "Meetings"}, {"areas", "Areas"}, {"members", "Members"}, {"endpoints", "Webhooks"}, {"share", "Website"}, {"tokens", "Access for programs"}, {"settings", "Settings"}}

// groupDone is what a page says after a change; the code comes in the address, so
// anything else says nothing.
var groupDone = map[string]string{
	"made":       "The group has been made. Now say what it watches.",
	"joined":     "Welcome: you are in the group now.",
	"area":       "The area has been added.",
	"unarea":     "The area has been removed; the group’s webhooks hear of it no longer.",
	"invited":    "If that person is not in the group yet, an invitation is on its way. It can be accepted for seven days.",
	"cancelled":  "The invitation has been taken back.",
	"role":       "The role has been changed.",
	"removed":    "The person is no longer in the group, and what they made for programs no longer works.",
	"revoked":    "It no longer works, from now on.",
	"meeting":    "The meeting has been entered.",
	"unmeeting":  "The meeting has been removed.",
	"unendpoint": "It has been removed.",
	"saved":      "Your change has been saved.",
}

// ofThisGroup is what every page of a group begins with.
func (s *Server) ofThisGroup(r *http.Request, a alerts.Account, here string) (groupPage, error) {
	id, _ := ofGroup(r).Group()
	g, err := s.Store.Group(r.Context(), id)
	done := r.URL.Query().Get("done")
	return groupPage{Group: g, Me: a, Role: a.Role(g.Scope()), Here: here, Done: cmp.Or(groupDone[done], endpointDone[done])}, err
}

// back leads to a page of the group after something was done.
func (p groupPage) back(w http.ResponseWriter, r *http.Request, done string) error {
	to := p.Path()
	if p.Here != "" {
		to = p.Path(p.Here)
	}
	http.Redirect(w, r, to+"?done="+done, http.StatusSeeOther)
	return nil
}

// number is a part of the address that is an id; 0 if it is none.
func number(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(variable(r, name), 10, 64)
	return n
}

// asProblem returns the fault in what somebody typed, and otherwise the error.
func asProblem(err error) (*alerts.InvalidError, error) {
	var invalid *alerts.InvalidError
	if errors.As(err, &invalid) {
		return invalid, nil
	}
	return nil, err
}

type newGroupForm struct {
	Name, Mine string
	Problems   []*alerts.InvalidError
}

// ProblemAt is the problem beside a field.
func (f newGroupForm) ProblemAt(field string) string { return problemAt(f.Problems, field) }

// makeGroup begins a group.
func (s *Server) makeGroup(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form := newGroupForm{Name: clip(r.PostForm.Get("name"), 200), Mine: clip(r.PostForm.Get("mine"), 200)}
	name, fault := alerts.CleanName(form.Name, "name", "Enter the name of the group")
	if fault != nil {
		form.Problems = append(form.Problems, fault)
	}
	mine, fault := alerts.CleanName(form.Mine, "mine", "Enter a name by which the others know you")
	if fault != nil {
		form.Problems = append(form.Problems, fault)
	}
	if len(form.Problems) > 0 {
		return s.renderAccount(w, r, http.StatusUnprocessableEntity, a, form)
	}
	g, err := s.Store.AddGroup(r.Context(), name, mine, a.ID, s.Now())
	if err != nil {
		fault, err := asProblem(err)
		if err != nil {
			return err
		}
		form.Problems = append(form.Problems, fault)
		return s.renderAccount(w, r, http.StatusUnprocessableEntity, a, form)
	}
	http.Redirect(w, r, fmt.Sprintf("/groups/%d/areas?done=made", g.ID), http.StatusSeeOther)
	return nil
}

type overviewPage struct {
	groupPage
	Areas   []alerts.GroupArea
	Members []alerts.Member
	Tokens  int
	Meeting alerts.Meeting // the next; its ID is 0 when none is known
}

// group is a group's first page.
func (s *Server) group(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "")
	if err != nil {
		return err
	}
	page := overviewPage{groupPage: p}
	if page.Areas, err = s.Store.GroupAreas(r.Context(), p.Group.ID); err != nil {
		return err
	}
	if page.Members, err = s.Store.Members(r.Context(), p.Group.ID); err != nil {
		return err
	}
	tokens, err := s.Store.Tokens(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Valid(s.Now()) {
			page.Tokens++
		}
	}
	meetings, err := s.Store.Meetings(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	page.Meeting = nextMeeting(meetings, s.Now())
	return s.render(w, r, http.StatusOK, "group.html", p.Group.Name, page)
}

type groupSettingsPage struct {
	groupPage
	Name   string
	Quorum int
}

func (s *Server) groupSettings(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "settings")
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "groupsettings.html", "Settings: "+p.Group.Name, groupSettingsPage{p, p.Group.Name, p.Group.Quorum})
}

// changeGroup gives a group another name or quorum.
func (s *Server) changeGroup(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "settings")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	g := p.Group
	var fault *alerts.InvalidError
	if g.Name, fault = alerts.CleanName(r.PostForm.Get("name"), "name", "Enter the name of the group"); fault != nil {
		p.Problems = append(p.Problems, fault)
	}
	if g.Quorum, err = strconv.Atoi(r.PostForm.Get("quorum")); err != nil || g.Quorum < 1 || g.Quorum > 10 {
		p.Problems = append(p.Problems, &alerts.InvalidError{Field: "quorum", Problem: "Enter a number from 1 to 10"})
	}
	if len(p.Problems) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, "groupsettings.html", "Error: Settings: "+p.Group.Name,
			groupSettingsPage{p, clip(r.PostForm.Get("name"), 200), p.Group.Quorum})
	}
	if err := s.Store.ChangeGroup(r.Context(), g); err != nil {
		return err
	}
	return p.back(w, r, "saved")
}

// removeGroup ends a group, if the box is ticked.
func (s *Server) removeGroup(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "settings")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if r.PostForm.Get("sure") != "yes" {
		p.Problems = append(p.Problems, &alerts.InvalidError{Field: "sure", Problem: "Tick the box if you are sure"})
		return s.render(w, r, http.StatusUnprocessableEntity, "groupsettings.html", "Error: Settings: "+p.Group.Name, groupSettingsPage{p, p.Group.Name, p.Group.Quorum})
	}
	if err := s.Store.RemoveGroup(r.Context(), p.Group.ID, s.Now()); err != nil {
		return err
	}
	http.Redirect(w, r, "/account?done=ended", http.StatusSeeOther)
	return nil
}

// feedsOf are the feeds that an account looks after.
func feedsOf(a alerts.Account) (slugs []string) {
	for _, g := range a.Grants {
		if slug, ok := g.Scope.Feed(); ok {
			slugs = append(slugs, slug)
		}
	}
	return slugs
}
