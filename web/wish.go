package web

import (
	"cmp"
	"context"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// A wishForm is what somebody asks for as typed: where, what and how often.
type wishForm struct {
	Area      alerts.AreaKind
	Place     placeForm // of a circle; of other areas where the map begins
	At        spot      // the place found; of a circle
	Found     bool
	Radius    float64
	Ring      float64
	Ward      string // code
	Authority string // slug
	Name      string // of the ward or the council
	Outline   string
	Carve     string
	Label     string

	Kinds   []string
	Events  []string
	Include string
	Exclude string
	Major   bool

	Cadence alerts.Cadence
	Remind  int // days before comments close; of a sign-up
	Email   string

	Problems  []*alerts.InvalidError
	Distances distances // to choose between, of a circle
	Map       *mapView  // nil where nothing can be drawn
}

// ProblemAt is the problem beside a field.
func (f wishForm) ProblemAt(field string) string { return problemAt(f.Problems, field) }

// Kind reports whether a group of kinds was chosen; News, a group of news.
func (f wishForm) Kind(group string) bool { return slices.Contains(f.Kinds, group) }

// News reports whether a group of news was chosen.
func (f wishForm) News(group string) bool { return slices.Contains(f.Events, group) }

// Narrowed reports whether the form asks for less than everything, so that this
// part of it is to be seen.
func (f wishForm) Narrowed() bool {
	return len(f.Kinds)+len(f.Events) > 0 || f.Include+f.Exclude != "" || f.Major ||
		f.ProblemAt("include")+f.ProblemAt("exclude")+f.ProblemAt("kinds")+f.ProblemAt("events") != ""
}

// Fitted reports whether the area has a ring, a part left out or a name of its own.
func (f wishForm) Fitted() bool {
	named := f.Label != "" && f.Label != f.Name && f.Label != f.At.Label
	return f.Ring > 0 || f.Carve != "" || named || f.ProblemAt("ring")+f.ProblemAt("carve") != ""
}

// HasRing reports whether the area can have a wider ring.
func (f wishForm) HasRing() bool {
	return f.Area == alerts.AreaCircle || f.Area == alerts.AreaPolygon
}

// IsCircle, IsDrawn, IsWard and IsAuthority tell templates the kind of area.
func (f wishForm) IsCircle() bool    { return f.Area == alerts.AreaCircle }
func (f wishForm) IsDrawn() bool     { return f.Area == alerts.AreaPolygon }
func (f wishForm) IsWard() bool      { return f.Area == alerts.AreaWard }
func (f wishForm) IsAuthority() bool { return f.Area == alerts.AreaAuthority }

// Rings are the distances on offer for major schemes.
func (f wishForm) Rings() []float64 {
	out := []float64{1000, 2000, 5000, 10_000, 20_000}
	if i, found := slices.BinarySearch(out, f.Ring); !found && f.Ring > 0 {
		out = slices.Insert(out, i, f.Ring)
	}
	return out
}

// readWish reads the form, but for its place.
func readWish(v url.Values) wishForm {
	number := func(name string) float64 {
		n, err := strconv.ParseFloat(v.Get(name), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return 0
		}
		return n
	}
	remind, err := strconv.Atoi(cmp.Or(v.Get("remind"), "0"))
	if err != nil {
		remind = -1
	}
	return wishForm{
		Area:   cmp.Or(alerts.AreaKind(v.Get("area")), alerts.AreaCircle),
		Radius: number("radius"), Ring: number("ring"),
		Ward: clip(v.Get("ward"), 60), Authority: clip(v.Get("authority"), 60),
		Outline: strings.TrimSpace(v.Get("outline")), Carve: strings.TrimSpace(v.Get("carve")), Label: clip(v.Get("label"), 60),
		Kinds: v["kinds"], Events: v["events"], Include: clip(v.Get("include"), 2000), Exclude: clip(v.Get("exclude"), 2000), Major: v.Get("major") == "yes",
		Cadence: alerts.Cadence(v.Get("frequency")), Remind: remind, Email: clip(v.Get("email"), 400),
	}
}

// formOf is the form filled in with what a subscription asks for.
func (s *Server) formOf(w alerts.Wish) wishForm {
	a, f := w.Area, w.Filter
	return wishForm{
		Area:  a.Kind,
		Place: placeForm{Lat: degrees(a.Centre.Lat), Lon: degrees(a.Centre.Lon), Radius: a.Radius, HavePostcodes: s.Postcodes != nil},
		At:    spot{Centre: a.Centre, Label: a.Label}, Found: true,
		Radius: a.Radius, Ring: a.Ring, Outline: alerts.OutlineText(a.Shape), Carve: alerts.OutlineText(a.CarveOut), Label: a.Label,
		Ward: codeOf(a, alerts.AreaWard), Authority: codeOf(a, alerts.AreaAuthority), Name: a.Label,
		Kinds: alerts.KindGroupsOf(f.Kinds), Events: alerts.EventGroupsOf(f.Events),
		Include: strings.Join(f.Include, ", "), Exclude: strings.Join(f.Exclude, ", "), Major: f.MajorOnly,
		Cadence: w.Cadence,
	}
}

func codeOf(a alerts.Area, k alerts.AreaKind) string {
	if a.Kind == k {
		return a.Code
	}
	return ""
}

func degrees(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// wish reads a form and returns what it asks for. What is wrong with it stays in
// the form, beside its fields.
func (s *Server) wish(ctx context.Context, v url.Values) (wishForm, alerts.Wish, error) {
	f := readWish(v)
	place, at, found := s.find(languageIn(ctx), v)
	f.Place, f.At, f.Found = place, at, found
	w := alerts.Wish{Cadence: f.Cadence, Filter: alerts.Filter{Kinds: alerts.KindsOf(f.Kinds), Events: alerts.EventsOf(f.Events),
		Include: alerts.WordList(f.Include), Exclude: alerts.WordList(f.Exclude), MajorOnly: f.Major}}
	a := &w.Area
	a.Kind, a.Ring = f.Area, f.Ring
	outline := func(field, text string) []byte {
		wkb, err := alerts.ParseOutline(text)
		if err != nil {
			f.Problems = append(f.Problems, alerts.InvalidOutline(field, err))
		}
		return wkb
	}
	a.CarveOut = outline("carve", f.Carve)
	switch f.Area {
	case alerts.AreaCircle:
		a.Centre, a.Radius, a.Label = at.Centre, f.Radius, at.Label
		if !found && place.Problem == nil {
			f.Place.Problem = s.missingPlace()
		}
		if !found {
			f.Problems = append(f.Problems, f.Place.Problem)
		}
	case alerts.AreaPolygon:
		a.Shape, a.Label = outline("outline", f.Outline), languageIn(ctx).Say("the area you drew")
		if g, err := geo.DecodeWKB(a.Shape); err == nil {
			a.Centre = geo.Centre(g)
		}
	case alerts.AreaWard:
		ward, problem, err := s.ward(ctx, f.Ward)
		if err != nil {
			return f, w, err
		}
		a.Code, a.Label, a.Centre, f.Name = ward.Code, ward.Name, ward.Centre, ward.Name
		if problem != nil {
			f.Problems = append(f.Problems, problem)
		}
	case alerts.AreaAuthority:
		name, centre, err := s.authorityPlace(ctx, f.Authority)
		if err != nil {
			return f, w, err
		}
		if name != "" {
			a.Code, a.Label, a.Centre, f.Name = f.Authority, name, centre, name
		}
	}
	if f.Label != "" {
		a.Label = f.Label
	}
	a.Label = alerts.CleanLabel(a.Label)
	for _, p := range alerts.CheckWish(w.Area, w.Filter, w.Cadence) {
		placed := p.Field == "lat" && !found
		if !placed && f.ProblemAt(p.Field) == "" { // what was typed says more than what was made of it
			f.Problems = append(f.Problems, p)
		}
	}
	return f, w, nil
}

// missingPlace is what is said when no place was typed.
func (s *Server) missingPlace() *alerts.InvalidError {
	if s.Postcodes == nil {
		return &alerts.InvalidError{Field: "lat", Problem: "Enter a latitude and a longitude"}
	}
	return &alerts.InvalidError{Field: "postcode", Problem: "Enter a postcode"}
}
