package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/sitenotice/sitenotice/alerts"
)

type tokensPage struct {
	groupPage
	Tokens []groupToken
	Fresh  string // a token just made, shown this once
	Wish   alerts.TokenWish
	Feeds  []string // addresses that a fresh token opens
}

// A groupToken is a token as its page shows it.
type groupToken struct {
	alerts.Token
	By    string // who made it
	Valid bool
}

// For says what the token may be used for.
func (t groupToken) For() string {
	switch {
	case t.Allows(alerts.TokenFeeds):
		return "news and calendars by address"
	case t.Allows(alerts.TokenWrite):
		return "reading and changing"
	}
	return "reading"
}

func (s *Server) groupTokens(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "tokens")
	if err != nil {
		return err
	}
	return s.renderTokens(w, r, http.StatusOK, tokensPage{groupPage: p, Wish: alerts.TokenWish{Days: 365, Scopes: []alerts.TokenScope{alerts.TokenRead}}})
}

func (s *Server) renderTokens(w http.ResponseWriter, r *http.Request, status int, page tokensPage) error {
	tokens, err := s.Store.Tokens(r.Context(), page.Group.ID)
	if err != nil {
		return err
	}
	members, err := s.Store.Members(r.Context(), page.Group.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		g := groupToken{Token: t, By: "a former member", Valid: t.Valid(s.Now())}
		for _, m := range members {
			if m.AccountID == t.AccountID {
				g.By = m.Name
			}
		}
		page.Tokens = append(page.Tokens, g)
	}
	title := "Access for programs: " + page.Group.Name
	if len(page.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "grouptokens.html", title, page)
}

// addToken makes a token and shows it, this once.
func (s *Server) addToken(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "tokens")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	page := tokensPage{groupPage: p}
	wish := alerts.TokenWish{Name: clip(r.PostForm.Get("name"), 200)}
	switch r.PostForm.Get("for") {
	case "read":
		wish.Scopes = []alerts.TokenScope{alerts.TokenRead}
	case "write":
		wish.Scopes = []alerts.TokenScope{alerts.TokenRead, alerts.TokenWrite}
	case "feeds":
		wish.Scopes = []alerts.TokenScope{alerts.TokenFeeds}
	}
	if wish.Days, err = strconv.Atoi(r.PostForm.Get("days")); err != nil {
		wish.Days = -1
	}
	page.Wish = wish
	checked, ends, fault := wish.Check(s.Now())
	if fault == nil {
		secret := alerts.NewToken(checked.Scopes)
		_, err := s.Store.AddToken(r.Context(), alerts.Token{GroupID: p.Group.ID, AccountID: a.ID, Name: checked.Name, Scopes: checked.Scopes, ExpiresAt: ends}, secret, s.Now())
		if err == nil {
			page.Fresh = secret
			if checked.Scopes[0] == alerts.TokenFeeds {
				page.Feeds = []string{s.BaseURL + fmt.Sprintf(newsPath, secret), s.BaseURL + fmt.Sprintf(closingPath, secret)}
			}
			page.Wish = alerts.TokenWish{Days: 365, Scopes: []alerts.TokenScope{alerts.TokenRead}}
			return s.renderTokens(w, r, http.StatusCreated, page)
		}
		if fault, err = asProblem(err); err != nil {
			return err
		}
	}
	page.Problems = append(page.Problems, fault)
	return s.renderTokens(w, r, http.StatusUnprocessableEntity, page)
}

func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "tokens")
	if err != nil {
		return err
	}
	if err := s.Store.RevokeToken(r.Context(), p.Group.ID, number(r, "token"), s.Now()); err != nil {
		return err
	}
	return p.back(w, r, "revoked")
}
