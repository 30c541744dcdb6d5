//lint:file-ignore ST1005 errors here are sentences for the person who drew the outline

package alerts

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	geom "github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/geo"
)

// MaxRing is the widest ring for major schemes, in metres.
const MaxRing = 20_000

// The words of a filter: how many, and how long each.
const (
	MaxWords   = 20
	MaxWordLen = 60
)

// MaxOutline is the most bytes of an outline as somebody types or draws it.
const MaxOutline = 200 << 10

// A Wish is all that a subscriber may change about a subscription.
type Wish struct {
	Area    Area
	Filter  Filter
	Cadence Cadence
}

// Wish returns what the version asks for, to be changed.
func (v *Version) Wish() Wish { return Wish{v.Area, v.Filter, v.Cadence} }

// Apply returns the version changed as wished; it does not check the wish. An area
// keeps its name unless it gets another.
func (w Wish) Apply(v Version) Version {
	label := v.Area.Label
	v.Area, v.Filter, v.Cadence = w.Area, w.Filter, w.Cadence
	if v.Area.Label = CleanLabel(w.Area.Label); v.Area.Label == "" {
		v.Area.Label = label
	}
	return v
}

// CheckWish returns the faults in what a subscription asks for: its area, its
// filter and its cadence.
func CheckWish(a Area, f Filter, c Cadence) []*InvalidError {
	faults := checkArea(a)
	if len(faults) == 0 && coversAll(a) {
		faults = append(faults, Invalid("carve", "The part that is left out covers the whole area: nothing would be left"))
	}
	if c != Immediate && c != Daily && c != Weekly {
		faults = append(faults, Invalid("frequency", "Choose how often you want to hear from us"))
	}
	return append(faults, checkFilter(f)...)
}

func checkArea(a Area) (faults []*InvalidError) {
	add := func(fault *InvalidError) { faults = append(faults, fault) }
	switch a.Kind {
	case AreaCircle:
		if !(a.Radius >= MinRadius && a.Radius <= MaxRadius) {
			add(Invalid("radius", "Choose a distance between %s and %s", Metres(MinRadius), Metres(MaxRadius)))
		}
		if err := CheckPlace(a.Centre); err != nil {
			add(err)
		}
	case AreaWard:
		if a.Code == "" {
			add(Invalid("ward", "Choose a ward"))
		}
	case AreaAuthority:
		if a.Code == "" {
			add(Invalid("authority", "Choose a council"))
		}
	case AreaPolygon:
		if len(a.Shape) == 0 {
			add(Invalid("outline", "Draw an area on the map, or enter its corners"))
		} else if err := checkShape(a.Shape); err != nil {
			add(InvalidOutline("outline", err))
		}
	case AreaApplication:
		if _, ok := a.Case(); !ok {
			add(Invalid("area", "Choose an application"))
		}
	default:
		add(Invalid("area", "Choose an area"))
	}
	if len(a.CarveOut) > 0 {
		if err := checkShape(a.CarveOut); err != nil {
			add(InvalidOutline("carve", err))
		}
	}
	switch {
	case a.Ring == 0:
	case a.Kind != AreaCircle && a.Kind != AreaPolygon:
		add(Invalid("ring", "A wider ring is possible around a place or an area that you drew, not around a ward or a council"))
	case !(a.Ring > 0 && a.Ring <= MaxRing):
		add(Invalid("ring", "Choose a distance up to %s for major schemes", Metres(MaxRing)))
	case a.Kind == AreaCircle && a.Ring <= a.Radius:
		add(Invalid("ring", "Choose a distance for major schemes that is greater than %s, or none", Metres(a.Radius)))
	}
	return faults
}

func checkShape(wkb []byte) error {
	g, err := geo.DecodeWKB(wkb)
	if err != nil {
		return Invalid("", "This outline cannot be read. Draw it again")
	}
	_, err = geo.ValidateArea(g)
	return outlineError(err)
}

// outlineError is a fault in an outline as forms show faults: without the full
// stop, which they add.
func outlineError(err error) error {
	var fault *geo.AreaError
	if errors.As(err, &fault) {
		return Invalid("", strings.TrimSuffix(fault.Format, "."), fault.Args...)
	}
	return err
}

// InvalidOutline is a fault in an outline, in the field in which it was drawn.
func InvalidOutline(field string, err error) *InvalidError {
	var fault *InvalidError
	if errors.As(err, &fault) {
		return fault.At(field)
	}
	return &InvalidError{Field: field, Problem: err.Error()}
}

// coversAll reports whether what is left out of an area leaves nothing: none of
// the places of a fine grid over it. Of a ward or a council it cannot be said.
func coversAll(a Area) bool {
	if len(a.CarveOut) == 0 {
		return false
	}
	a.Ring = 0
	box, ok, err := a.Reach()
	if !ok || err != nil {
		return false
	}
	ground, err := NewGround(&a)
	if err != nil {
		return false
	}
	const steps = 40
	for i := range steps + 1 {
		for k := range steps + 1 {
			lon := box.MinLon + (box.MaxLon-box.MinLon)*float64(i)/steps
			lat := box.MinLat + (box.MaxLat-box.MinLat)*float64(k)/steps
			p, err := NewPlace(&Details{Site: Site{Lon: lon, Lat: lat, Method: MethodPoint}})
			if err != nil {
				return false
			}
			if inside, _ := ground.Contains(p, "", false); inside {
				return false
			}
		}
	}
	return true
}

func checkFilter(f Filter) (faults []*InvalidError) {
	for _, k := range f.Kinds {
		if k != "" && !slices.Contains(Kinds, k) { // "" stands for cases to which the council gave no kind
			faults = append(faults, Invalid("kinds", "Choose from the kinds of application in the list"))
			break
		}
	}
	for _, t := range f.Events {
		if !slices.Contains(EventTypes, t) {
			faults = append(faults, Invalid("events", "Choose from the kinds of news in the list"))
			break
		}
	}
	for field, list := range map[string][]string{"include": f.Include, "exclude": f.Exclude} {
		long := slices.IndexFunc(list, func(w string) bool { return len([]rune(w)) > MaxWordLen })
		empty := slices.IndexFunc(list, func(w string) bool { return plain(w) == " " })
		switch {
		case len(list) > MaxWords:
			faults = append(faults, Invalid(field, "Enter at most %d words; these are %d", MaxWords, len(list)))
		case long >= 0:
			faults = append(faults, Invalid(field, "“%s” is longer than %d characters: separate words by commas", Line(list[long], 30), MaxWordLen))
		case empty >= 0:
			faults = append(faults, Invalid(field, "“%s” has no letter or digit to look for", Line(list[empty], 30)))
		}
	}
	slices.SortFunc(faults, func(a, b *InvalidError) int { return strings.Compare(a.Field, b.Field) })
	return faults
}

// WordList reads the words of a filter as somebody types them: separated by commas
// or on lines of their own.
func WordList(s string) (words []string) {
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		if w = strings.Join(strings.Fields(w), " "); w != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

// ParseOutline reads an area as a person draws or types it: GeoJSON, or the
// latitude and longitude of each corner on a line of its own. It returns WKB, none
// for an empty text; the fault is said without naming a field.
func ParseOutline(s string) (wkb []byte, err error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	if len(s) > MaxOutline {
		return nil, Invalid("", "This outline has too many corners: at most %d are possible. Simplify it", geo.MaxAreaCorners)
	}
	g, err := readOutline(s)
	if err == nil {
		g, err = geo.ValidateArea(g)
	}
	if err != nil {
		return nil, outlineError(err)
	}
	return geo.EncodeWKB(g)
}

func readOutline(s string) (geom.T, error) {
	if strings.HasPrefix(s, "{") {
		g, err := geo.DecodeGeoJSON([]byte(s))
		if err != nil {
			return nil, Invalid("", "This outline cannot be read: it is neither GeoJSON of an area nor a list of corners")
		}
		return g, nil
	}
	var flat []float64
	line := 0
	for text := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == ';' }) {
		line++
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		numbers := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
		if len(numbers) != 2 {
			return nil, Invalid("", "Line %d, “%s”, is no corner: enter its latitude and longitude, like 51.5397, -0.1425", line, Line(text, 40))
		}
		lat, err1 := strconv.ParseFloat(numbers[0], 64)
		lon, err2 := strconv.ParseFloat(numbers[1], 64)
		if err1 != nil || err2 != nil {
			return nil, Invalid("", "Line %d, “%s”, is no corner: enter its latitude and longitude, like 51.5397, -0.1425", line, Line(text, 40))
		}
		flat = append(flat, lon, lat)
	}
	if len(flat) < 6 {
		return nil, Invalid("", "An area has at least three corners: enter the latitude and longitude of each on a line of its own")
	}
	return geom.NewPolygonFlat(geom.XY, append(flat, flat[0], flat[1]), []int{len(flat) + 2}), nil
}

// OutlineText writes an area as [ParseOutline] reads it: a simple one as a list of
// corners, others as GeoJSON.
func OutlineText(wkb []byte) string {
	if len(wkb) == 0 {
		return ""
	}
	g, err := geo.DecodeWKB(wkb)
	if err != nil {
		return ""
	}
	if p, ok := g.(*geom.Polygon); ok && p.NumLinearRings() == 1 {
		flat := p.FlatCoords()
		var b strings.Builder
		for i := 0; i+3 < len(flat); i += 2 { // the last corner is the first
			fmt.Fprintf(&b, "%s, %s\n", strconv.FormatFloat(flat[i+1], 'f', -1, 64), strconv.FormatFloat(flat[i], 'f', -1, 64))
		}
		return b.String()
	}
	text, err := geo.EncodeGeoJSON(g)
	if err != nil {
		return ""
	}
	return string(text)
}

// SameExtent reports whether two areas are the same place, and as wide.
func SameExtent(a, b Area) bool { return SameArea(a, b) && a.Radius == b.Radius && a.Ring == b.Ring }

// SameArea reports whether two areas are the same place to the person who
// follows them: for circles the same centre, whatever the radius.
func SameArea(a, b Area) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case AreaCircle:
		return geo.Distance(a.Centre, b.Centre) < 5
	case AreaPolygon:
		return bytes.Equal(a.Shape, b.Shape)
	}
	return a.Code == b.Code
}
