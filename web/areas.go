package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is how a person adds an area and changes one of theirs, with the same
// form as for signing up.

func (s *Server) addAreaPage(h holder) wishPage {
	return wishPage{Heading: "Add an area", Action: h.Path("areas"), Tabs: h.Path("areas", "new"), Button: "Add this area", Back: h.Path()}
}

// showAddArea asks where another area is to be.
func (s *Server) showAddArea(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holderOf(r)
	if errors.Is(err, alerts.ErrExpired) {
		return s.expired(w, r)
	}
	if err != nil {
		return err
	}
	return s.startWish(w, r, s.addAreaPage(h))
}

// addArea adds another area at once: who holds the link has the address.
func (s *Server) addArea(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	page := s.addAreaPage(h)
	form, wish, err := s.wish(r.Context(), r.PostForm)
	if err != nil {
		return err
	}
	if rehearses(r.PostForm) {
		return s.previewWish(w, r, page, form, wish)
	}
	if len(form.Problems) == 0 {
		_, err = s.Store.AddArea(r.Context(), h.Recipient, alerts.SignUp{Area: wish.Area, Filter: wish.Filter, Cadence: wish.Cadence, Page: "/manage"}, s.Now())
		if err == nil {
			return back(w, r, h, "added")
		}
		if !errors.Is(err, alerts.ErrConflict) {
			return err
		}
		form.Problems = append(form.Problems, alreadyFollowed(&form))
	}
	return s.renderWish(w, r, http.StatusUnprocessableEntity, page, form)
}

// alreadyFollowed is what is said, beside the field that says where, when another
// area of the person is the same.
func alreadyFollowed(f *wishForm) *alerts.InvalidError {
	p := &alerts.InvalidError{Field: string(f.Area), Problem: "You already follow this area: change it on the page of your alerts"}
	switch f.Area {
	case alerts.AreaPolygon:
		p.Field = "outline"
	case alerts.AreaCircle:
		p.Field = "postcode"
		if f.Place.ByPosition() || !f.Place.HavePostcodes {
			p.Field = "lat"
		}
		f.Place.Problem, f.Found = p, false // so that the field is there
	}
	return p
}

func (s *Server) areaPage(h holder, id int64) wishPage {
	return wishPage{Heading: "Change an area", Action: h.Path("areas", strconv.FormatInt(id, 10)), Button: "Save", Back: h.Path()}
}

// showArea shows what a subscription asks for, to be changed.
func (s *Server) showArea(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holderOf(r)
	if errors.Is(err, alerts.ErrExpired) {
		return s.expired(w, r)
	}
	if err != nil {
		return err
	}
	id, err := areaID(r)
	if err != nil {
		return err
	}
	sub, err := s.ownArea(r, h, id)
	if err != nil {
		return err
	}
	if sub.State == alerts.SubscriptionEnded {
		return alerts.ErrNotFound
	}
	return s.renderWish(w, r, http.StatusOK, s.areaPage(h, id), s.formOf(sub.Current.Wish()))
}

// editArea changes what a subscription asks for, or rehearses the change.
func (s *Server) editArea(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	sub, err := s.ownArea(r, h, id)
	if err != nil {
		return err
	}
	page := s.areaPage(h, id)
	form, wish, err := s.wish(r.Context(), s.stayingAt(r.PostForm, sub.Current.Area))
	if err != nil {
		return err
	}
	keepPlace(&wish.Area, sub.Current.Area, form)
	if rehearses(r.PostForm) {
		return s.previewWish(w, r, page, form, wish)
	}
	if len(form.Problems) == 0 {
		err := s.Store.Edit(r.Context(), h.Recipient, id, wish, s.Now())
		if err == nil {
			return back(w, r, h, "edited")
		}
		if !errors.Is(err, alerts.ErrConflict) {
			return err
		}
		form.Problems = append(form.Problems, alreadyFollowed(&form))
	}
	return s.renderWish(w, r, http.StatusUnprocessableEntity, page, form)
}

// stayingAt returns a form in which the place is filled in where none was typed.
func (s *Server) stayingAt(v url.Values, was alerts.Area) url.Values {
	asked := v.Get("postcode")+v.Get("lat")+v.Get("lon") != ""
	if asked || was.Kind != alerts.AreaCircle || v.Get("area") != "" && v.Get("area") != string(alerts.AreaCircle) {
		return v
	}
	v.Set("lat", degrees(was.Centre.Lat))
	v.Set("lon", degrees(was.Centre.Lon))
	return v
}

// keepPlace leaves the centre of a circle as it was stored when the form names the
// same, which it does in fewer digits; and lets a circle that moves lose the name of
// the place that it was around.
func keepPlace(a *alerts.Area, was alerts.Area, f wishForm) {
	switch {
	case a.Kind != alerts.AreaCircle || was.Kind != alerts.AreaCircle || !f.Found:
	case alerts.SameArea(*a, was):
		a.Centre = was.Centre
		if f.Label == "" {
			a.Label = was.Label
		}
	case f.Label == was.Label:
		a.Label = f.At.Label
	}
}
