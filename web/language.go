package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the language of a page. It is in the address and nowhere else: what
// lies under /cy is Welsh. Handlers see the address without it, and so need not know;
// what they say they say in the language that [languageOf] tells. Links and forms get
// it back when the page is made.

// translated are the pages that the catalogue covers. Others are for groups, councils
// and programs, and are English under any address.
var translated = map[string]bool{
	"home.html": true, "near.html": true, "search.html": true, "wish.html": true, "sent.html": true, "confirm.html": true,
	"links.html": true, "linksent.html": true, "manage.html": true, "mute.html": true, "move.html": true, "stop.html": true, "never.html": true,
	"erased.html": true, "complaints.html": true, "reach.html": true, "expired.html": true, "error.html": true, "application.html": true, "notice.html": true,
	"authorities.html": true, "authority.html": true, "reliability.html": true, "told.html": true, "why.html": true, "whynot.html": true,
	"about.html": true, "commenting.html": true, "privacy.html": true, "accessibility.html": true,
}

type languageKey struct{}

// languageOf is the language in which a request is answered.
func languageOf(r *http.Request) alerts.Language { return languageIn(r.Context()) }

// languageIn is [languageOf] the request that ctx belongs to.
func languageIn(ctx context.Context) alerts.Language {
	if l, ok := ctx.Value(languageKey{}).(alerts.Language); ok {
		return l
	}
	return alerts.English
}

// onlyEnglish are addresses of which there is no other language: they are for
// programs, or have none.
var onlyEnglish = []string{"/api/", "/assets/", "/dev/", "/embed/", "/f/"}

// speak takes the language off the address of a request, and puts it back on where
// the answer leads elsewhere. Where Welsh is not on offer its addresses are answered in
// English, so that links in mails of another time still work.
func (s *Server) speak(next http.Handler) http.Handler {
	const prefix = "/" + string(alerts.Welsh)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, prefix)
		if !ok || path != "" && path[0] != '/' {
			next.ServeHTTP(w, r)
			return
		}
		for _, p := range onlyEnglish {
			if strings.HasPrefix(path, p) {
				next.ServeHTTP(w, r) // which knows no such page
				return
			}
		}
		if s.Welsh {
			r = r.WithContext(context.WithValue(r.Context(), languageKey{}, alerts.Welsh))
			w = &leading{ResponseWriter: w, language: alerts.Welsh}
		} else {
			r = r.Clone(r.Context())
		}
		u := *r.URL
		if u.Path = path; path == "" {
			u.Path = "/"
		}
		u.RawPath = strings.TrimPrefix(u.RawPath, prefix)
		r.URL = &u
		next.ServeHTTP(w, r)
	})
}

// leading has redirects stay in a language.
type leading struct {
	http.ResponseWriter
	language alerts.Language
}

func (w *leading) WriteHeader(status int) {
	if to := w.Header().Get("Location"); to != "" {
		w.Header().Set("Location", local(w.language, to))
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets what controls a response find the writer beneath.
func (w *leading) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// local is an address of ours in a language; others stay as they are.
func local(l alerts.Language, address string) string {
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || l.Path() == "" {
		return address
	}
	for _, p := range onlyEnglish {
		if strings.HasPrefix(address, p) {
			return address
		}
	}
	if address == l.Path() || strings.HasPrefix(address, l.Path()+"/") {
		return address
	}
	if address == "/" {
		return l.Path()
	}
	return l.Path() + address
}

// at is where the pages of a language begin, without a slash at the end: for links
// in mails.
func (s *Server) at(l alerts.Language) string {
	if !s.Welsh {
		return s.BaseURL
	}
	return s.BaseURL + l.Path()
}

// An otherLanguage leads to the same page in another language.
type otherLanguage struct {
	Name, Tag, Href string
	Whole           string // the whole address, for search engines; empty for pages that are kept from them
}

// others are the same page in the other languages. What somebody has sent is not
// there to be asked for again, so from its answer they lead home.
func (s *Server) others(r *http.Request, page string, here alerts.Language) (out []otherLanguage) {
	if !s.Welsh || !translated[page] {
		return nil
	}
	for _, l := range alerts.Languages {
		if l.Language == here {
			continue
		}
		u := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			u = url.URL{Path: "/"}
		}
		out = append(out, otherLanguage{Name: l.Name, Tag: l.Language.Tag(), Href: local(l.Language, u.String())})
	}
	return out
}
