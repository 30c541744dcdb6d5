package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// AccountStore is what signing in reads and writes.
type AccountStore interface {
	RequestSignIn(ctx context.Context, address string, addressKeys []string, client, domain, destination string, limits alerts.Limits, now time.Time, write alerts.Writer) error
	SignInLink(ctx context.Context, secret string, now time.Time) (alerts.Account, error)
	SignIn(ctx context.Context, secret, before string, now time.Time) (session, destination string, err error)
	Holders(ctx context.Context, scope alerts.Scope) ([]alerts.Account, error)
	Session(ctx context.Context, secret string, now time.Time) (alerts.Account, error)
	Sessions(ctx context.Context, account int64, now time.Time) ([]int64, error)
	SignOut(ctx context.Context, secret string) error
	SignOutEverywhere(ctx context.Context, account int64) error
}

// A SignInMail is what a mail with a sign-in link has to say.
type SignInMail struct {
	Recipient alerts.Recipient
	SignInURL string
}

// errSignedOut says that a page is for people who have signed in.
var errSignedOut = errors.New("not signed in")

// A signedIn handler is for people who have signed in.
type signedIn func(w http.ResponseWriter, r *http.Request, a alerts.Account) error

// signed lets in whoever has signed in.
func (s *Server) signed(h signedIn) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := s.account(r)
		if err != nil {
			return err
		}
		return h(w, r, a)
	}
}

// A scopeOf says for which scope somebody needs a role to use an address.
type scopeOf func(r *http.Request) alerts.Scope

// The scope that addresses name.
func ofGroup(r *http.Request) alerts.Scope { return alerts.Scope("group:" + variable(r, "group")) }

// needs lets in who has the role, or a mightier one, in the scope that the address
// names. To anybody else there is no such page.
func (s *Server) needs(role alerts.Role, scope scopeOf, h signedIn) handler {
	return s.signed(func(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
		if !a.May(scope(r), role) {
			return alerts.ErrNotFound
		}
		return h(w, r, a)
	})
}

// variable is a part of the address, unescaped.
func variable(r *http.Request, name string) string {
	v, err := url.PathUnescape(mux.Vars(r)[name])
	if err != nil {
		return ""
	}
	return v
}

// cookie is the name of the cookie that holds the session's secret. Over https its
// prefix makes browsers refuse one that another host set.
func (s *Server) cookie() string {
	if s.secure() {
		return "__Host-session"
	}
	return "session"
}

func (s *Server) secure() bool { return strings.HasPrefix(s.BaseURL, "https:") }

func (s *Server) sessionSecret(r *http.Request) string {
	c, err := r.Cookie(s.cookie())
	if err != nil {
		return ""
	}
	return c.Value
}

// keep gives the browser a session's secret; an empty one takes it away.
func (s *Server) keep(w http.ResponseWriter, secret string) {
	c := &http.Cookie{Name: s.cookie(), Value: secret, Path: "/", MaxAge: int(alerts.SessionFor / time.Second), HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// account returns who has signed in; errSignedOut when nobody has.
func (s *Server) account(r *http.Request) (alerts.Account, error) {
	secret := s.sessionSecret(r)
	if secret == "" {
		return alerts.Account{}, errSignedOut
	}
	a, err := s.Store.Session(r.Context(), secret, s.Now())
	if errors.Is(err, alerts.ErrNotFound) {
		err = errSignedOut
	}
	return a, err
}

// toSignIn leads somebody who has not signed in, or no longer is, to where they can
// and, if they only wanted to look, back.
func toSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/sign-in"
	if back := alerts.OwnPath(r.URL.EscapedPath(), ""); back != "" && back != "/account" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		to += "?to=" + url.QueryEscape(back)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

type signInPage struct {
	Email   string
	Problem string
	To      string
	Mailbox bool
	Account alerts.Account // of a link
	Secret  string         // of a link
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "signin.html", "Sign in", signInPage{To: alerts.OwnPath(r.URL.Query().Get("to"), "")})
}

// requestSignIn mails a link, and says the same whether the address is known or not.
func (s *Server) requestSignIn(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	to := alerts.OwnPath(r.PostForm.Get("to"), "")
	address, fault := alerts.ParseAddress(r.PostForm.Get("email"))
	if fault != nil {
		return s.render(w, r, http.StatusUnprocessableEntity, "signin.html", "Error: Sign in",
			signInPage{Email: clip(r.PostForm.Get("email"), 400), Problem: fault.Problem, To: to})
	}
	if r.PostForm.Get("website") != "" { // no person sees this field
		http.Redirect(w, r, "/sign-in/sent", http.StatusSeeOther)
		return nil
	}
	err := s.Store.RequestSignIn(r.Context(), address, s.Keys.AddressKeys(address), s.client(r), s.Keys.DomainKey(address), to, s.Limits, s.Now(), func(l alerts.Letter) (alerts.Delivery, error) {
		return s.addressed(s.SignInMail(SignInMail{Recipient: l.Recipient, SignInURL: s.BaseURL + "/sign-in/" + l.Secret}))
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/sign-in/sent", http.StatusSeeOther)
	return nil
}

func (s *Server) sentSignIn(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "signinsent.html", "Check your e-mail", signInPage{Mailbox: s.Mailbox})
}

// showSignInLink says whom the link signs in, and has a button: programs that open
// every link in a mail must not use it up.
func (s *Server) showSignInLink(w http.ResponseWriter, r *http.Request) error {
	secret := mux.Vars(r)["secret"]
	a, err := s.Store.SignInLink(r.Context(), secret, s.Now())
	if errors.Is(err, alerts.ErrExpired) {
		return s.renderUsedLink(w, r)
	}
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "signinlink.html", "Sign in", signInPage{Account: a, Secret: secret})
}

func (s *Server) renderUsedLink(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusGone, "signin.html", "This link has been used or has expired", signInPage{Problem: "expired"})
}

// signIn uses up the link. The session is new, whatever the browser brought along.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	session, to, err := s.Store.SignIn(r.Context(), mux.Vars(r)["secret"], s.sessionSecret(r), s.Now())
	if errors.Is(err, alerts.ErrExpired) {
		return s.renderUsedLink(w, r)
	}
	if err != nil {
		return err
	}
	s.keep(w, session)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, alerts.OwnPath(to, "/account"), http.StatusSeeOther)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	if secret := s.sessionSecret(r); secret != "" {
		if err := s.Store.SignOut(r.Context(), secret); err != nil {
			return err
		}
	}
	return s.signedOut(w, r)
}

func (s *Server) signOutEverywhere(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := s.Store.SignOutEverywhere(r.Context(), a.ID); err != nil {
		return err
	}
	return s.signedOut(w, r)
}

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) error {
	s.keep(w, "")
	http.Redirect(w, r, "/sign-in?done=out", http.StatusSeeOther)
	return nil
}

type accountPage struct {
	Account  alerts.Account
	Sessions int
	Operator bool
	Feeds    []string
	Groups   []alerts.Group
	Ends     []groupEnd // what becomes of groups of which they are the only owner, if they are erased
	Form     newGroupForm
	Problem  string // beside the box that erases
	Done     string
}

// accountDone is what the page says after something was done elsewhere.
var accountDone = map[string]string{
	"left":  "You have left the group.",
	"ended": "The group has been ended.",
}

// showAccount is where somebody finds what they look after.
func (s *Server) showAccount(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.renderAccount(w, r, http.StatusOK, a, newGroupForm{})
}

func (s *Server) renderAccount(w http.ResponseWriter, r *http.Request, status int, a alerts.Account, form newGroupForm) error {
	page, err := s.accountPage(r, a)
	if err != nil {
		return err
	}
	page.Form = form
	title := "Your account"
	if len(form.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "account.html", title, page)
}

func (s *Server) accountPage(r *http.Request, a alerts.Account) (page accountPage, err error) {
	page = accountPage{Account: a, Operator: a.May(alerts.ScopeOperator, alerts.RoleViewer), Feeds: feedsOf(a), Done: accountDone[r.URL.Query().Get("done")]}
	sessions, err := s.Store.Sessions(r.Context(), a.ID, s.Now())
	if err != nil {
		return page, err
	}
	page.Sessions = len(sessions)
	if page.Groups, err = s.Store.Groups(r.Context(), a.ID); err != nil {
		return page, err
	}
	for _, g := range page.Groups {
		members, err := s.Store.Members(r.Context(), g.ID)
		if err != nil {
			return page, err
		}
		if alerts.LastOwner(members, a.ID) {
			heir, _ := alerts.Heir(members, a.ID)
			page.Ends = append(page.Ends, groupEnd{g.Name, heir.Name})
		}
	}
	return page, nil
}

// A groupEnd is who will own a group when its only owner is erased; nobody when it
// ends with them.
type groupEnd struct{ Group, Heir string }

// accountData is somebody's own copy of what is kept about their account.
func (s *Server) accountData(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.sendOwnData(w, r, a.ID)
}

// eraseAccount forgets somebody, if the box is ticked.
func (s *Server) eraseAccount(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	page, err := s.accountPage(r, a)
	if err != nil {
		return err
	}
	if r.PostForm.Get("sure") != "yes" {
		page.Problem = "Tick the box if you are sure"
		return s.render(w, r, http.StatusUnprocessableEntity, "account.html", "Error: Your account", page)
	}
	if err := s.Store.Erase(r.Context(), a.ID, s.Now()); err != nil {
		return err
	}
	s.keep(w, "")
	return s.render(w, r, http.StatusOK, "accounterased.html", "Your account has been erased", nil)
}
