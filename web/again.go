package web

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file keeps what somebody typed when the link to their alerts runs out before
// they send it: it waits on the page that says so until a fresh link has come.

// What the page that says so adds to the form: the fresh link, and where the form was
// going, below the link.
const (
	againLink  = "again-link"
	againBelow = "again-below"
)

// A keptForm is a form that a link was too old for.
type keptForm struct {
	Below   string // where it was going: "areas/12"
	Fields  [][2]string
	Link    string // as typed
	Problem string // beside it
}

// keeps is a change on the page of somebody's alerts that takes more than a press of a
// button. It can be sent again with another link.
func (s *Server) keeps(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if !errors.Is(err, alerts.ErrExpired) {
			return err
		}
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		_, below, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/manage/"), "/")
		return s.renderKept(w, r, http.StatusGone, keptForm{Below: below}, r.PostForm)
	}
}

func (s *Server) renderKept(w http.ResponseWriter, r *http.Request, status int, kept keptForm, form url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name == againLink || name == againBelow {
			continue
		}
		for _, value := range form[name] {
			kept.Fields = append(kept.Fields, [2]string{name, value})
		}
	}
	return s.render(w, r, status, "expired.html", "This link has expired", linksPage{Kept: &kept})
}

// linkToken finds the token of a link to somebody's alerts in what they pasted.
var linkToken = regexp.MustCompile(`/manage/([A-Za-z0-9_.-]+)`)

var areaBelow = regexp.MustCompile(`^areas/([0-9]{1,18})(/pause)?$`)

// again sends a form that was kept, by the fresh link.
func (s *Server) again(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form := r.PostForm
	kept := keptForm{Below: clip(form.Get(againBelow), 60), Link: clip(form.Get(againLink), 400)}
	vars := map[string]string{}
	var h handler
	switch area := areaBelow.FindStringSubmatch(kept.Below); {
	case kept.Below == "areas":
		h = s.addArea
	case kept.Below == "address":
		h = s.askMove
	case kept.Below == "preferences":
		h = s.setPreferences
	case area != nil && area[2] != "":
		h, vars["id"] = s.pauseArea, area[1]
	case area != nil:
		h, vars["id"] = s.editArea, area[1]
	default:
		return alerts.ErrNotFound
	}
	if found := linkToken.FindStringSubmatch(kept.Link); found != nil {
		vars["token"] = found[1]
	}
	l := languageOf(r)
	next := mux.SetURLVars(r, vars)
	next.PostForm = maps.Clone(form)
	delete(next.PostForm, againLink)
	delete(next.PostForm, againBelow)
	next.Form = next.PostForm
	switch _, err := s.holderOf(next); {
	case errors.Is(err, alerts.ErrBadToken):
		kept.Problem = l.Word("Put in the whole link from the mail that we sent you, beginning with http")
	case errors.Is(err, alerts.ErrExpired):
		kept.Problem = l.Word("This link has run out, too: ask for a fresh one")
	case err != nil:
		return err
	default:
		return h(w, next)
	}
	return s.renderKept(w, r, http.StatusUnprocessableEntity, kept, form)
}
