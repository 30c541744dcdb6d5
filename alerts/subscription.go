package alerts

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/twpayne/go-geom"
)

// AreaKind is the form of an area.
type AreaKind string

// The forms of an area.
const (
	AreaCircle    AreaKind = "circle"
	AreaPolygon   AreaKind = "polygon"
	AreaWard      AreaKind = "ward"
	AreaAuthority AreaKind = "authority"

	AreaApplication AreaKind = "application" // one application, followed to its end
)

// An Area is where a subscription wants to hear of applications.
type Area struct {
	Kind     AreaKind
	Centre   geo.Point // of a circle; of other areas the place from which distances are told
	Radius   float64   // metres, of a circle
	Ring     float64   // metres: a wider radius that counts for major schemes only; 0 for none
	Shape    []byte    // WKB of the polygons, lon/lat
	CarveOut []byte    // WKB of polygons taken out of the area; empty for none
	Code     string    // ward code, the authority's slug, or the application's id
	Label    string    // how the subscriber knows it: "NW1 8NH", "home"
}

// Reach returns the box within which a site can be of interest, wider ring
// included; ok is false for areas that match by code.
func (a Area) Reach() (box geo.Box, ok bool, err error) {
	switch a.Kind {
	case AreaCircle:
		return geo.CircleBox(a.Centre, max(a.Radius, a.Ring)), true, nil
	case AreaPolygon:
		g, err := geo.DecodeWKB(a.Shape)
		if err != nil {
			return geo.Box{}, false, err
		}
		return geo.Bounds(g).Grow(a.Ring), true, nil
	}
	return geo.Box{}, false, nil
}

// A Filter narrows what a subscription wants. The zero Filter wants everything.
type Filter struct {
	Kinds     []Kind      `json:"kinds,omitempty"`
	Events    []EventType `json:"events,omitempty"`
	Include   []string    `json:"include,omitempty"` // words of which one must occur
	Exclude   []string    `json:"exclude,omitempty"` // words that must not occur
	MajorOnly bool        `json:"major_only,omitempty"`
}

// IsZero reports whether the filter lets everything through.
func (f Filter) IsZero() bool {
	return len(f.Kinds)+len(f.Events)+len(f.Include)+len(f.Exclude) == 0 && !f.MajorOnly
}

// refuses returns why the filter leaves out an event, if it does.
func (f *Filter) refuses(t EventType, d *Details) Sentence {
	switch {
	case f.IsZero():
		return Sentence{}
	case f.MajorOnly && !d.IsMajor():
		return Sentencef("it is not a major scheme")
	case len(f.Kinds) > 0 && !slices.Contains(f.Kinds, d.Kind):
		return Sentencef("its type is not among those chosen")
	case len(f.Events) > 0 && !slices.ContainsFunc(news(t, d), func(t EventType) bool { return slices.Contains(f.Events, t) }):
		return Sentencef("this kind of news is not among those chosen")
	case len(f.Include)+len(f.Exclude) == 0:
		return Sentence{}
	}
	text := plain(d.Description + " " + d.Address)
	occurs := func(word string) bool { w := plain(word); return w != " " && strings.Contains(text, w) }
	blank := func(word string) bool { return plain(word) == " " }
	if slices.ContainsFunc(f.Include, func(w string) bool { return !blank(w) }) && !slices.ContainsFunc(f.Include, occurs) {
		return Sentencef("none of the chosen words occurs in it")
	}
	if slices.ContainsFunc(f.Exclude, occurs) {
		return Sentencef("one of the excluded words occurs in it")
	}
	return Sentence{}
}

// Fits reports whether the filter lets a case through, whatever its news.
func (f Filter) Fits(d *Details) bool {
	f.Events = nil
	return f.refuses("", d).IsZero()
}

// plain reduces a text to its words in lower case with a space before each, so
// that what is looked for is found at the start of words only: "tree" in "trees",
// not in "street".
func plain(s string) string {
	return " " + strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " ")
}

// news returns the kinds of news that an event is for a filter. A correction is
// whatever somebody may have been told. A position that comes late is news of the
// case's latest state: while it is undecided, that it is there, that it can be
// commented on, that it goes to a committee; later, how it ended.
func news(t EventType, d *Details) []EventType {
	switch {
	case t == EventCorrected || t.TakesBack():
		return EventTypes
	case t != EventLocated:
		return []EventType{t}
	case d.AppealIsDecided():
		return []EventType{EventAppealDecided}
	case d.AppealIsLodged():
		return []EventType{EventAppealed}
	case d.IsWithdrawn():
		return []EventType{EventWithdrawn}
	case d.IsDecided():
		return []EventType{EventDecided}
	}
	out := []EventType{EventReceived}
	if d.Status == StatusConsultation || d.CommentsFrom != "" || d.CommentsUntil != "" {
		out = append(out, EventConsultation)
	}
	if d.AtCommittee() {
		out = append(out, EventCommittee)
	}
	return out
}

// Forever is the To of the version in force.
const Forever = math.MaxInt64

// A Version is what a subscription asks for between two moments of the event
// log. It is immutable: an edit ends one version and starts the next.
type Version struct {
	ID             int64
	SubscriptionID int64
	RecipientID    int64
	From, To       int64 // it wants events with From < Seq ≤ To
	Area           Area
	Filter         Filter
	Cadence        Cadence
}

// InForce reports whether the version is the one that answers for the event.
func (v *Version) InForce(seq int64) bool { return v.From < seq && seq <= v.To }

// ScopeKeys returns the keys under which candidates for the version are found:
// the cells of its reach, or its ward or authority.
func (v *Version) ScopeKeys() ([]string, error) {
	switch v.Area.Kind {
	case AreaWard:
		return []string{"ward:" + v.Area.Code}, nil
	case AreaAuthority:
		return []string{"authority:" + v.Area.Code}, nil
	case AreaApplication:
		return []string{"application:" + v.Area.Code}, nil
	}
	box, _, err := v.Area.Reach()
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, c := range geo.Cover(box) {
		keys = append(keys, string(c))
	}
	return keys, nil
}

// EventKeys returns the keys with which an event asks for candidates: the cells
// of its old and new sites grown by their uncertainty, its wards and its
// authority, and the case itself.
func EventKeys(e *Event) ([]string, error) {
	keys := []string{"authority:" + e.Authority, "application:" + strconv.FormatInt(e.ApplicationID, 10)}
	for _, d := range []*Details{e.Before, &e.After} {
		if d == nil {
			continue
		}
		if d.Ward != "" {
			keys = append(keys, "ward:"+d.Ward)
		}
		if !d.Site.Located() {
			continue
		}
		box, err := d.Site.Box()
		if err != nil {
			return nil, err
		}
		for _, c := range geo.Keys(box) {
			keys = append(keys, string(c))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// Geometry returns the site's boundary, or its point; nil when unlocated.
func (s Site) Geometry() (geom.T, error) {
	switch {
	case !s.Located():
		return nil, nil
	case len(s.Shape) > 0:
		return geo.DecodeWKB(s.Shape)
	}
	return geo.Geometry(s.Point()), nil
}

// Box returns the site's bounding box grown by its uncertainty.
func (s Site) Box() (geo.Box, error) {
	g, err := s.Geometry()
	if err != nil || g == nil {
		return geo.Box{}, err
	}
	return geo.Bounds(g).Grow(s.Uncertainty), nil
}
