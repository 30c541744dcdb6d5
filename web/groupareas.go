package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// An areaForm is what a group wants to watch, as typed.
type areaForm struct {
	Place    placeForm
	Extent   string      // circle, ward, district, authority or outline
	Council  string      // slug
	Ward     string      // its name or code, as typed
	Wards    []wardFound // of that name, to choose from
	Outline  string      // GeoJSON
	Label    string
	Groups   []string // of kinds
	Problems []*alerts.InvalidError
}

// ProblemAt is the problem beside a field.
func (f areaForm) ProblemAt(field string) string { return problemAt(f.Problems, field) }

// Ticked reports whether a kind was chosen.
func (f areaForm) Ticked(group string) bool { return len(f.Groups) > 0 && contains(f.Groups, group) }

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

type areasPage struct {
	groupPage
	Areas    []groupArea
	Form     areaForm
	Councils []alerts.Coverage
	Map      *mapView // nil where nothing can be drawn
}

// Mapped reports whether the page has a map to draw on.
func (p areasPage) Mapped() bool { return p.Map != nil }

// A groupArea is an area as its page shows it.
type groupArea struct {
	alerts.GroupArea
	Kinds string // which kinds of application, in words
	Near  string // address of the list of its applications; empty if it is no circle
}

func newGroupArea(a alerts.GroupArea) groupArea {
	out := groupArea{GroupArea: a, Kinds: kindWords(a.Filter)}
	if a.Area.Kind == alerts.AreaCircle {
		out.Near = manageArea{Subscription: alerts.Subscription{Current: alerts.Version{Area: a.Area}}}.Near()
	}
	return out
}

func (s *Server) groupAreas(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "areas")
	if err != nil {
		return err
	}
	return s.renderAreas(w, r, http.StatusOK, p, areaForm{Extent: "circle", Place: placeForm{Radius: 1000, HavePostcodes: s.Postcodes != nil}})
}

func (s *Server) renderAreas(w http.ResponseWriter, r *http.Request, status int, p groupPage, form areaForm) error {
	page := areasPage{groupPage: p, Form: form}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	for _, a := range areas {
		page.Areas = append(page.Areas, newGroupArea(a))
	}
	all, err := s.Store.Authorities(r.Context())
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Covered() {
			page.Councils = append(page.Councils, c)
		}
	}
	if p.CanChange() && hasMap() {
		at := wishForm{Area: alerts.AreaPolygon, Outline: form.Outline, Radius: 1000}
		if len(areas) > 0 { // people draw near what they watch already
			at.At.Centre, at.Found = areas[len(areas)-1].Area.Centre, areas[len(areas)-1].Area.Centre != geo.Point{}
		}
		if page.Map, err = s.mapOf(r.Context(), &at); err != nil {
			return err
		}
		page.Map.Whole = true
	}
	title := "Areas: " + p.Group.Name
	if len(form.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "groupareas.html", title, page)
}

// addGroupArea gives the group another place to watch.
func (s *Server) addGroupArea(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "areas")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form := areaForm{Extent: r.PostForm.Get("extent"), Council: clip(r.PostForm.Get("council"), 100), Outline: r.PostForm.Get("outline"),
		Label: clip(r.PostForm.Get("label"), 200), Groups: r.PostForm["kinds"]}
	area, err := s.readArea(r.Context(), &form, r.PostForm)
	if err != nil {
		return err
	}
	if len(form.Problems) == 0 {
		area.GroupID, area.Filter = p.Group.ID, filterOf(form.Groups)
		if label := alerts.CleanLabel(form.Label); label != "" {
			area.Area.Label = label
		}
		_, err := s.Store.AddGroupArea(r.Context(), area, s.Now())
		if err == nil {
			return p.back(w, r, "area")
		}
		fault, err := asProblem(err)
		if err != nil {
			return err
		}
		form.Problems = append(form.Problems, fault)
	}
	return s.renderAreas(w, r, http.StatusUnprocessableEntity, p, form)
}

// readArea makes an area of the form; what is wrong with it is in the form's
// problems.
func (s *Server) readArea(ctx context.Context, form *areaForm, v url.Values) (area alerts.GroupArea, err error) {
	place, at, ok := s.find(alerts.English, v)
	form.Place = place
	fault := func(field, problem string) (alerts.GroupArea, error) {
		invalid := &alerts.InvalidError{Field: field, Problem: problem}
		if field == "postcode" {
			form.Place.Problem = invalid
		}
		form.Problems = append(form.Problems, invalid)
		return area, nil
	}
	if strings.TrimSpace(form.Outline) != "" && !place.Asked() && form.Council == "" {
		form.Extent = "outline" // drawing one says so
	}
	switch form.Extent {
	case "circle":
		if !ok {
			if place.Problem == nil {
				return fault("postcode", "Enter a postcode")
			}
			form.Problems = append(form.Problems, place.Problem)
			return area, nil
		}
		area.Area = alerts.Area{Kind: alerts.AreaCircle, Centre: at.Centre, Radius: place.Radius, Label: at.Label}
	case "ward":
		form.Ward = clip(v.Get("ward"), 60)
		if chosen := clip(v.Get("wardcode"), 60); chosen != "" {
			form.Ward = chosen
		}
		if strings.TrimSpace(form.Ward) != "" {
			return s.wardNamed(ctx, form)
		}
		if !ok {
			if place.Problem == nil {
				return fault("ward", "Enter the name of the ward, its code, or a postcode in it")
			}
			form.Problems = append(form.Problems, place.Problem)
			return area, nil
		}
		return s.wardOf(ctx, form, at.Centre)
	case "authority":
		c, err := s.Store.Authority(ctx, form.Council)
		if errors.Is(err, alerts.ErrNotFound) {
			return fault("council", "Choose a council")
		}
		if err != nil {
			return area, err
		}
		area.Area = alerts.Area{Kind: alerts.AreaAuthority, Code: c.Slug, Label: c.Name}
	case "outline":
		outline, problem := readOutline(form.Outline)
		if problem != "" {
			return fault("outline", problem)
		}
		area.Area = outline
	default:
		return fault("extent", "Choose what the group is to watch")
	}
	return area, nil
}

// wardNamed is the ward that was typed, by its name or its code. When several have
// that name, they are in the form to choose from.
func (s *Server) wardNamed(ctx context.Context, form *areaForm) (area alerts.GroupArea, err error) {
	fault := func(format string, args ...any) (alerts.GroupArea, error) {
		form.Problems = append(form.Problems, alerts.Invalid("ward", format, args...))
		return area, nil
	}
	typed := strings.TrimSpace(form.Ward)
	code := strings.ToUpper(typed)
	if !gss.MatchString(code) {
		found, more, err := s.findWards(ctx, typed)
		if err != nil {
			return area, err
		}
		if exact := slices.DeleteFunc(slices.Clone(found), func(w wardFound) bool { return !strings.EqualFold(w.Name, typed) }); len(exact) > 0 {
			found, more = exact, false
		}
		switch {
		case more:
			return fault("Very many wards have “%s” in their name. Write more of it", typed)
		case len(found) == 0:
			return fault("We know no ward of the name “%s”. Write it as the council does, or enter its code, like E05013656", typed)
		case len(found) > 1:
			form.Wards = found
			return fault("Several wards have this name. Choose one")
		}
		code = found[0].Code
	}
	ward, problem, err := s.ward(ctx, code)
	if err != nil {
		return area, err
	}
	if problem != nil {
		form.Problems = append(form.Problems, problem)
		return area, nil
	}
	area.Area = alerts.Area{Kind: alerts.AreaWard, Code: ward.Code, Centre: ward.Centre, Label: ward.Name}
	return area, nil
}

// wardOf is the ward in which a place lies, as an area.
func (s *Server) wardOf(ctx context.Context, form *areaForm, at geo.Point) (area alerts.GroupArea, err error) {
	fault := func(problem string) (alerts.GroupArea, error) {
		form.Place.Problem = &alerts.InvalidError{Field: "postcode", Problem: problem}
		form.Problems = append(form.Problems, form.Place.Problem)
		return area, nil
	}
	var place postcode.Place
	if s.Postcodes != nil && form.Place.Postcode != "" {
		place, err = s.Postcodes.Lookup(postcode.Code(form.Place.Postcode))
	}
	if err != nil || place.Ward == "" {
		return fault("We do not know in which ward this place is. Choose a circle or draw an outline instead")
	}
	area.Area = alerts.Area{Kind: alerts.AreaWard, Code: place.Ward, Centre: at, Label: s.Postcodes.WardName(place.Ward)}
	if area.Area.Label == "" {
		area.Area.Label = "ward " + place.Ward
	}
	return area, nil
}

// readOutline makes an area of what somebody drew, typed or pasted.
func readOutline(text string) (area alerts.Area, problem string) {
	shape, err := alerts.ParseOutline(text)
	if err == nil && len(shape) == 0 {
		return area, "Draw an outline, or enter its corners"
	}
	if err != nil {
		return area, strings.TrimRight(err.Error(), ".")
	}
	g, err := geo.DecodeWKB(shape)
	if err != nil {
		return area, sentence(err.Error())
	}
	centre := geo.Centre(g)
	return alerts.Area{Kind: alerts.AreaPolygon, Shape: shape, Centre: centre,
		Label: "the outline around " + strconv.FormatFloat(centre.Lat, 'f', 4, 64) + ", " + strconv.FormatFloat(centre.Lon, 'f', 4, 64)}, ""
}

func (s *Server) removeGroupArea(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "areas")
	if err != nil {
		return err
	}
	if err := s.Store.RemoveGroupArea(r.Context(), p.Group.ID, number(r, "area"), s.Now()); err != nil {
		return err
	}
	return p.back(w, r, "unarea")
}
