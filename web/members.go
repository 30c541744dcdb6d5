package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// An InviteMail is what a mail has to say that asks somebody into a group.
type InviteMail struct {
	Recipient alerts.Recipient
	Group     string
	AcceptURL string
}

// roleWords are the roles in words.
var roleWords = map[alerts.Role]string{
	alerts.RoleOwner:  "owner",
	alerts.RoleMember: "member",
	alerts.RoleViewer: "viewer",
}

type membersPage struct {
	groupPage
	Members []alerts.Member
	Invited []alerts.Invitation // shown to owners alone
	Email   string
	Roles   []alerts.Role
}

// members shows who is in the group. Addresses are for owners; the others see
// names.
func (s *Server) members(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "members")
	if err != nil {
		return err
	}
	return s.renderMembers(w, r, http.StatusOK, p, "")
}

func (s *Server) renderMembers(w http.ResponseWriter, r *http.Request, status int, p groupPage, email string) (err error) {
	page := membersPage{groupPage: p, Email: email, Roles: alerts.Roles}
	if page.Members, err = s.Store.Members(r.Context(), p.Group.ID); err != nil {
		return err
	}
	if p.IsOwner() {
		if page.Invited, err = s.Store.Invited(r.Context(), p.Group.ID, s.Now()); err != nil {
			return err
		}
	}
	title := "Members: " + p.Group.Name
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "groupmembers.html", title, page)
}

func readRole(s string) (alerts.Role, *alerts.InvalidError) {
	if role := alerts.Role(s); slices.Contains(alerts.Roles, role) {
		return role, nil
	}
	return "", &alerts.InvalidError{Field: "role", Problem: "Choose what this person may do"}
}

// invite asks somebody into the group by mail.
func (s *Server) invite(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "members")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	address, fault := alerts.ParseAddress(r.PostForm.Get("email"))
	if fault != nil {
		p.Problems = append(p.Problems, fault)
	}
	role, fault := readRole(r.PostForm.Get("role"))
	if fault != nil {
		p.Problems = append(p.Problems, fault)
	}
	if len(p.Problems) > 0 {
		return s.renderMembers(w, r, http.StatusUnprocessableEntity, p, clip(r.PostForm.Get("email"), 400))
	}
	err = s.Store.Invite(r.Context(), alerts.Invitation{Group: p.Group, Address: address, Role: role}, s.Keys.AddressKeys(address), a.ID, s.Now(),
		func(i alerts.Invitation, l alerts.Letter) (alerts.Delivery, error) {
			return s.addressed(s.InviteMail(InviteMail{Recipient: l.Recipient, Group: i.Group.Name, AcceptURL: s.BaseURL + "/invitations/" + l.Secret}))
		})
	if err != nil {
		if fault, err = asProblem(err); err != nil {
			return err
		}
		p.Problems = append(p.Problems, fault)
		return s.renderMembers(w, r, http.StatusUnprocessableEntity, p, address)
	}
	return p.back(w, r, "invited")
}

func (s *Server) cancelInvitation(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "members")
	if err != nil {
		return err
	}
	if err := s.Store.CancelInvitation(r.Context(), p.Group.ID, number(r, "invitation")); err != nil {
		return err
	}
	return p.back(w, r, "cancelled")
}

// lastOwner tells that a group needs an owner.
func lastOwner(err error) error {
	if errors.Is(err, alerts.ErrConflict) {
		return &alerts.InvalidError{Problem: "A group needs an owner. Make somebody else an owner first, or end the group in its settings"}
	}
	return err
}

func (s *Server) setRole(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "members")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	role, fault := readRole(r.PostForm.Get("role"))
	if fault != nil {
		return fault
	}
	if err := s.Store.SetRole(r.Context(), p.Group.ID, number(r, "account"), role); err != nil {
		return lastOwner(err)
	}
	return p.back(w, r, "role")
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "members")
	if err != nil {
		return err
	}
	if err := s.Store.RemoveMember(r.Context(), p.Group.ID, number(r, "account"), s.Now()); err != nil {
		return lastOwner(err)
	}
	return p.back(w, r, "removed")
}

// leaveGroup is open to everybody in the group.
func (s *Server) leaveGroup(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	id, _ := ofGroup(r).Group()
	if err := s.Store.RemoveMember(r.Context(), id, a.ID, s.Now()); err != nil {
		return lastOwner(err)
	}
	http.Redirect(w, r, "/account?done=left", http.StatusSeeOther)
	return nil
}

type invitationPage struct {
	alerts.Invitation
	Secret   string
	Mine     string
	Problems []*alerts.InvalidError
	Expired  bool
}

// ProblemAt is the problem beside a field.
func (p invitationPage) ProblemAt(field string) string { return problemAt(p.Problems, field) }

// showInvitation says into what somebody is asked, and has a button.
func (s *Server) showInvitation(w http.ResponseWriter, r *http.Request) error {
	secret := mux.Vars(r)["secret"]
	i, err := s.Store.Invitation(r.Context(), secret, s.Now())
	if errors.Is(err, alerts.ErrExpired) || errors.Is(err, alerts.ErrNotFound) {
		return s.render(w, r, http.StatusGone, "invitation.html", "This invitation cannot be used", invitationPage{Expired: true})
	}
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "invitation.html", "Join "+i.Group.Name, invitationPage{Invitation: i, Secret: secret})
}

// accept lets somebody into the group, and signs them in: whoever has the link has
// the mailbox.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	secret := mux.Vars(r)["secret"]
	name, fault := alerts.CleanName(r.PostForm.Get("mine"), "mine", "Enter a name by which the others know you")
	if fault != nil {
		i, err := s.Store.Invitation(r.Context(), secret, s.Now())
		if err != nil {
			return err
		}
		return s.render(w, r, http.StatusUnprocessableEntity, "invitation.html", "Error: Join "+i.Group.Name,
			invitationPage{Invitation: i, Secret: secret, Mine: clip(r.PostForm.Get("mine"), 200), Problems: []*alerts.InvalidError{fault}})
	}
	group, session, err := s.Store.Accept(r.Context(), secret, name, s.sessionSecret(r), s.Now())
	if errors.Is(err, alerts.ErrExpired) || errors.Is(err, alerts.ErrNotFound) {
		return s.render(w, r, http.StatusGone, "invitation.html", "This invitation cannot be used", invitationPage{Expired: true})
	}
	if err != nil {
		return err
	}
	s.keep(w, session)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, fmt.Sprintf("/groups/%d?done=joined", group), http.StatusSeeOther)
	return nil
}
