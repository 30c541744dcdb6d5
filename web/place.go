package web

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// A placeForm is where somebody wants to look, as typed.
type placeForm struct {
	Postcode string
	Lat, Lon string
	Radius   float64 // metres; always one that can be chosen

	HavePostcodes bool // there is a table to look postcodes up in
	Problem       *alerts.InvalidError
	Suggestion    string // a postcode that may have been meant
	Closed        string // a postcode that was closed and whose last place is known: it may be used when somebody says so
	ClosedUsed    bool   // somebody has said so
}

// A spot is a place that was found.
type spot struct {
	Centre geo.Point
	Label  string   // "NW1 8NH"
	Notes  []string // what to know about the place, in sentences
}

// Asked reports whether anything was typed at all.
func (f placeForm) Asked() bool { return f.Postcode+f.Lat+f.Lon != "" }

// ProblemAt is the problem beside a field.
func (f placeForm) ProblemAt(field string) string {
	if f.Problem == nil || f.Problem.Field != field {
		return ""
	}
	return f.Problem.Problem
}

// ByPosition reports whether latitude and longitude were used.
func (f placeForm) ByPosition() bool { return f.Postcode == "" && f.Lat+f.Lon != "" }

// Near is the address of the area page for the form with another radius. It is
// whole, since a template would escape a query of several values as one.
func (f placeForm) Near(radius float64) string { return f.address(radius).with(listFilter{}, "") }

// address names the place in addresses.
func (f placeForm) address(radius float64) listAddress {
	v := url.Values{}
	if f.Postcode != "" {
		v.Set("postcode", f.Postcode)
	} else {
		v.Set("lat", f.Lat)
		v.Set("lon", f.Lon)
	}
	if f.ClosedUsed {
		v.Set("closed", "yes")
	}
	v.Set("radius", strconv.FormatFloat(radius, 'f', -1, 64))
	return listAddress{"/near", v}
}

// circle is the area around the spot.
func (at spot) circle(radius float64) alerts.Area {
	return alerts.Area{Kind: alerts.AreaCircle, Centre: at.Centre, Radius: radius, Label: at.Label}
}

// find reads the place from a form and looks it up. What is wrong with it is left
// in the form, beside its field.
func (s *Server) find(l alerts.Language, v url.Values) (form placeForm, at spot, ok bool) {
	form = placeForm{
		Postcode:      clip(v.Get("postcode"), 40),
		Lat:           clip(v.Get("lat"), 40),
		Lon:           clip(v.Get("lon"), 40),
		Radius:        alerts.DefaultRadius,
		HavePostcodes: s.Postcodes != nil,
		ClosedUsed:    v.Get("closed") == "yes",
	}
	if radius, err := strconv.ParseFloat(v.Get("radius"), 64); err == nil && radius >= alerts.MinRadius && radius <= alerts.MaxRadius {
		form.Radius = math.Round(radius)
	}
	switch {
	case form.Postcode != "":
		at, ok = s.findPostcode(l, &form)
	case form.Lat+form.Lon != "":
		at, ok = findPosition(&form)
	}
	return form, at, ok
}

func clip(s string, n int) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n])
	}
	return s
}

func (s *Server) findPostcode(l alerts.Language, form *placeForm) (at spot, ok bool) {
	fault := func(format string, args ...any) (spot, bool) {
		form.Problem = alerts.Invalid("postcode", format, args...)
		return spot{}, false
	}
	code, err := postcode.Parse(form.Postcode)
	var syntax *postcode.SyntaxError
	var partial *postcode.PartialError
	switch {
	case errors.As(err, &syntax):
		form.Suggestion = syntax.Suggestion
		if rest, ok := strings.CutPrefix(syntax.Problem, syntax.Shown); ok && syntax.Shown != "" {
			return fault("%s"+pins.Replace(strings.TrimRight(rest, ".")), syntax.Shown)
		}
		return fault(sentence(syntax.Problem))
	case errors.As(err, &partial):
		return fault("%s is only the beginning of a postcode. Enter all of it, like N1C 4AG", clip(form.Postcode, 10))
	case err != nil:
		return fault("Enter a full postcode, like N1C 4AG")
	}
	form.Postcode = string(code)
	if s.Postcodes == nil {
		return fault("This service has no table of postcodes. Enter latitude and longitude instead")
	}
	place, err := s.Postcodes.Lookup(code)
	if errors.Is(err, postcode.ErrUnknown) || errors.Is(err, postcode.ErrUnlocated) {
		if why, yes := postcode.NonGeographic(code); yes {
			return fault(sentence(why))
		}
	}
	switch {
	case errors.Is(err, postcode.ErrUnknown):
		return fault("We do not know the postcode %s. Check it, or enter latitude and longitude instead", code)
	case errors.Is(err, postcode.ErrUnlocated) && place.Terminated != "":
		return fault("The postcode %s was closed in %s and nobody publishes where it was. Enter latitude and longitude instead", code, month(l, place.Terminated))
	case errors.Is(err, postcode.ErrUnlocated):
		return fault("The postcode %s exists, but nobody publishes where it is. Enter latitude and longitude instead", code)
	case err != nil:
		return fault("We could not look this postcode up. Enter latitude and longitude instead")
	}
	if place.Terminated != "" && !form.ClosedUsed {
		form.Closed = string(code)
		return fault("The postcode %s was closed in %s. Enter the one in use now, or use its last place", code, month(l, place.Terminated))
	}
	form.ClosedUsed = place.Terminated != ""
	at = spot{Centre: place.Point, Label: string(code)}
	if place.Terminated != "" {
		at.Notes = append(at.Notes, l.Say("The postcode %s was closed in %s. We use the last place it had.", code, month(l, place.Terminated)))
	}
	if place.Crowded() {
		at.Notes = append(at.Notes, l.Say("%d postcodes share the position of %s, so it is probably that of a mail centre and not of an address. A circle around it means little: use the postcode of a neighbour, or latitude and longitude.", place.Shared, code))
	}
	if place.Quality == 5 || place.Quality == postcode.SectorMean {
		at.Notes = append(at.Notes, l.Say("The position of %s is only roughly known: it was worked out from the postcodes around it.", code))
	}
	return at, true
}

// pins are what package postcode advises where there is a map to click on.
var pins = strings.NewReplacer("place a pin on the map", "enter latitude and longitude", "Place a pin on the map", "Enter latitude and longitude")

// sentence gives a text from elsewhere a capital and no full stop.
func sentence(s string) string {
	s = pins.Replace(strings.TrimRight(strings.TrimSpace(s), "."))
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// month writes "2019-05" for a reader.
func month(l alerts.Language, s string) string {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return s
	}
	return l.MonthOf(t)
}

func findPosition(form *placeForm) (at spot, ok bool) {
	if form.Lon == "" { // both pasted into one field
		if lat, lon, both := strings.Cut(form.Lat, ","); both {
			form.Lat, form.Lon = strings.TrimSpace(lat), strings.TrimSpace(lon)
		}
	}
	lat, err1 := strconv.ParseFloat(form.Lat, 64)
	lon, err2 := strconv.ParseFloat(form.Lon, 64)
	if err1 != nil || err2 != nil {
		lat = math.NaN()
	}
	p := geo.Point{Lon: math.Round(lon*1e5) / 1e5, Lat: math.Round(lat*1e5) / 1e5}
	if form.Problem = alerts.CheckPlace(p); form.Problem != nil {
		return spot{}, false
	}
	return spot{Centre: p, Label: fmt.Sprintf("%.5f, %.5f", p.Lat, p.Lon)}, true
}

// radii are the distances on offer, the chosen one among them.
func radii(chosen float64) []float64 {
	out := []float64{100, 200, 500, 1000, 2000, 5000, 10_000}
	if i, found := slices.BinarySearch(out, chosen); !found && chosen >= alerts.MinRadius && chosen <= alerts.MaxRadius {
		out = slices.Insert(out, i, chosen)
	}
	return out
}
