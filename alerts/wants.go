package alerts

import (
	"fmt"
	"math"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/twpayne/go-geom"
)

// A Place is a site decoded once and asked many times.
type Place struct {
	Site Site
	geom geom.T // nil when unlocated
	Ward string
	id   int64 // of the case; 0 when it is not an event that asks
}

// NewPlace decodes a case's site and ward; d may be nil.
func NewPlace(d *Details) (Place, error) {
	if d == nil {
		return Place{}, nil
	}
	g, err := d.Site.Geometry()
	if err != nil {
		return Place{}, fmt.Errorf("read the boundary of %s: %w", d.Reference, err)
	}
	return Place{Site: d.Site, geom: g, Ward: d.Ward}, nil
}

// isPoint reports whether the place is its point and nothing more.
func (p *Place) isPoint() bool { return len(p.Site.Shape) == 0 }

// A Candidate is an event with its places decoded, ready to be asked about.
type Candidate struct {
	*Event
	Was, Is Place
}

// CorrectsEarlier reports whether an event of the type concerns those who were
// told of the case where it was before, too.
func (t EventType) CorrectsEarlier() bool {
	return t == EventLocated || t == EventCorrected || t.TakesBack()
}

// TakesBack reports whether an event of the type concerns only those who were told
// of the case.
func (t EventType) TakesBack() bool { return t == EventRemoved || t == EventRecalled }

// NewCandidate decodes the places of an event.
func NewCandidate(e *Event) (*Candidate, error) {
	was, err := NewPlace(e.Before)
	if err != nil {
		return nil, err
	}
	is, err := NewPlace(&e.After)
	if err != nil {
		return nil, err
	}
	was.id, is.id = e.ApplicationID, e.ApplicationID
	return &Candidate{e, was, is}, nil
}

// A Ground is a version's area decoded once and asked many times. It is safe for
// use by several goroutines.
type Ground struct {
	*Area
	shape *geo.Prepared
	rest  *geo.Prepared // everything outside the carve-out, its edge included; nil when nothing is carved out
}

// NewGround decodes an area, which must not change while the ground is in use.
func NewGround(a *Area) (*Ground, error) {
	g := &Ground{Area: a}
	if len(a.Shape) > 0 {
		shape, err := geo.DecodeWKB(a.Shape)
		if err != nil {
			return nil, fmt.Errorf("read the area %q: %w", a.Label, err)
		}
		if g.shape, err = geo.Prepare(shape); err != nil {
			return nil, fmt.Errorf("prepare the area %q: %w", a.Label, err)
		}
	}
	if a.Kind == AreaPolygon && g.shape == nil {
		return nil, fmt.Errorf("read the area %q: it has no outline", a.Label)
	}
	if len(a.CarveOut) > 0 {
		carveOut, err := geo.DecodeWKB(a.CarveOut)
		if err == nil {
			g.rest, err = geo.Prepare(complement(carveOut))
		}
		if err != nil {
			return nil, fmt.Errorf("read what is taken out of the area %q: %w", a.Label, err)
		}
	}
	return g, nil
}

// complement returns the world without the polygons of g: a sheet with a hole
// for each of them, and an island for each hole in one of them.
func complement(g geom.T) geom.T {
	var polygons []*geom.Polygon
	switch g := g.(type) {
	case *geom.Polygon:
		polygons = []*geom.Polygon{g}
	case *geom.MultiPolygon:
		for i := range g.NumPolygons() {
			polygons = append(polygons, g.Polygon(i))
		}
	}
	flat := []float64{-180, -90, 180, -90, 180, 90, -180, 90, -180, -90}
	ends := []int{len(flat)}
	for _, p := range polygons {
		flat = append(flat, p.LinearRing(0).FlatCoords()...)
		ends = append(ends, len(flat))
	}
	endss := [][]int{ends}
	for _, p := range polygons {
		for i := 1; i < p.NumLinearRings(); i++ {
			flat = append(flat, p.LinearRing(i).FlatCoords()...)
			endss = append(endss, []int{len(flat)})
		}
	}
	return geom.NewMultiPolygonFlat(geom.XY, flat, endss)
}

// Interest is how a version answers an event.
type Interest int

// The answers.
const (
	NotWanted  Interest = iota
	Wanted              // an alert
	Correction          // only if this subscription was told of the case before: it is elsewhere, or gone
)

// An Answer is an Interest and why, for the person who asks "why did this reach
// me?" or "why not?".
type Answer struct {
	Interest Interest
	Reason   Sentence // a clause without a full stop: "it is 180 m from NW1 8NH, within 500 m"
}

// Wants decides whether a version of a subscription wants an event, and says
// why. It reads nothing but its arguments.
func Wants(v *Version, ground *Ground, c *Candidate) Answer {
	interest, refusal, found := decide(v, ground, c)
	if !refusal.IsZero() {
		return Answer{interest, refusal}
	}
	reason := ground.words(found)
	switch {
	case interest == Correction && c.Type == EventRemoved:
		reason = Sentencef("it was taken down")
	case interest == Correction && c.Type == EventRecalled:
		reason = Sentencef("what a mistaken file said of it was taken back")
	case interest == Correction:
		reason = Sentencef("it turns out to be elsewhere: %s", reason)
	case interest == NotWanted && found.inside():
		reason = Sentencef("it was inside the area before it moved, and still is")
	}
	return Answer{interest, reason}
}

// Decide is [Wants] without the words, for the many.
func Decide(v *Version, ground *Ground, c *Candidate) Interest {
	interest, _, _ := decide(v, ground, c)
	return interest
}

// decide is the rule. The refusal, when there is one, is the whole reason;
// otherwise it lies in the place found.
//
// A correction passes every filter: whether it is owed depends on what was told
// of the case, and that was decided by the case as it was then.
func decide(v *Version, ground *Ground, c *Candidate) (Interest, Sentence, finding) {
	if !v.InForce(c.Seq) {
		return NotWanted, Sentencef("the subscription did not ask for this at the time"), finding{}
	}
	is := ground.find(&c.Is, c.Authority, c.After.IsMajor())
	was := false
	if c.Type.CorrectsEarlier() && c.Before != nil {
		was = ground.find(&c.Was, c.Authority, c.Before.IsMajor()).inside()
	}
	switch {
	case c.Type.TakesBack() && (is.inside() || was):
		return Correction, Sentence{}, is
	case !is.inside() && was:
		return Correction, Sentence{}, is
	case !is.inside():
		return NotWanted, Sentence{}, is
	case c.Type == EventLocated && was:
		return NotWanted, Sentence{}, is
	}
	if why := v.Filter.refuses(c.Type, &c.After); !why.IsZero() {
		return NotWanted, why, is
	}
	return Wanted, Sentence{}, is
}

// A finding is where a place lies in relation to an area.
type finding struct {
	where           where
	distance, limit float64 // metres, where the position decides
}

type where byte

const (
	unlocated where = iota
	tooFar
	carvedOut
	elsewhere // another ward or authority
	within    // by position; this and what follows is inside
	byCode    // by ward or authority
)

func (f finding) inside() bool { return f.where >= within }

// Contains reports whether a place lies in the area, and says why. The edge
// counts as inside, also the edge of what is carved out. A place whose position
// is uncertain counts when it may be inside, and a site when any part of it is.
func (g *Ground) Contains(p Place, authority string, major bool) (bool, Sentence) {
	f := g.find(&p, authority, major)
	return f.inside(), g.words(f)
}

func (g *Ground) find(p *Place, authority string, major bool) finding {
	f := finding{where: elsewhere}
	switch g.Kind {
	case AreaAuthority:
		if authority != g.Code {
			return f
		}
		f.where = byCode
	case AreaWard:
		if p.Ward == "" || p.Ward != g.Code {
			return f
		}
		f.where = byCode
	case AreaApplication:
		if id, ok := g.Case(); !ok || p.id != id {
			return f
		}
		f.where = byCode
	case AreaCircle:
		if p.geom == nil {
			return finding{where: unlocated}
		}
		f = finding{within, 0, g.Radius}
		if p.isPoint() {
			f.distance = geo.Distance(g.Centre, p.Site.Point())
		} else {
			_, f.distance = geo.Nearest(g.Centre, p.geom)
		}
	case AreaPolygon:
		if p.geom == nil {
			return finding{where: unlocated}
		}
		f = finding{within, g.shape.DistanceM(p.geom), 0}
	}
	if f.where == within {
		if major {
			f.limit = max(f.limit, g.Ring)
		}
		if !(f.distance-p.Site.Uncertainty <= f.limit) { // so that NaN is outside
			f.where = tooFar
			return f
		}
	}
	if g.rest != nil && p.geom != nil && g.rest.DistanceM(p.geom) > p.Site.Uncertainty {
		f.where = carvedOut
	}
	return f
}

// words says what was found.
func (g *Ground) words(f finding) Sentence {
	switch f.where {
	case unlocated:
		return Sentencef("the council has published no position for it")
	case carvedOut:
		return Sentencef("it is in the part that was taken out of the area")
	case elsewhere:
		switch g.Kind {
		case AreaWard:
			return Sentencef("it is not in the ward %s", g.name())
		case AreaApplication:
			return Sentencef("it is another application than the one that is followed")
		}
		return Sentencef("it is an application to another council")
	case byCode:
		switch g.Kind {
		case AreaWard:
			return Sentencef("it is in the ward %s", g.name())
		case AreaApplication:
			return Sentencef("it is the application that is followed")
		}
		return Sentencef("it is an application to %s", g.name())
	case tooFar:
		if g.Kind == AreaPolygon {
			return Sentencef("it is %s outside %s", Metres(f.distance), g.name())
		}
		return Sentencef("it is %s from %s, further than %s", Metres(f.distance), g.name(), Metres(f.limit))
	}
	switch {
	case g.Kind == AreaPolygon && f.distance > 0:
		return Sentencef("it is %s from %s", Metres(f.distance), g.name())
	case g.Kind == AreaPolygon:
		return Sentencef("it is inside %s", g.name())
	case f.distance > f.limit:
		return Sentencef("it is about %s from %s, and its position is known only roughly", Metres(f.distance), g.name())
	}
	return Sentencef("it is %s from %s, within %s", Metres(f.distance), g.name(), Metres(f.limit))
}

func (g *Ground) name() any {
	if g.Label != "" {
		return g.Label
	}
	return Sentencef("the area")
}

// Metres writes a distance for a reader: "180 m", "1.4 km".
func Metres(m float64) string {
	switch {
	case m < 1:
		return "0 m"
	case m < 9.5:
		return fmt.Sprintf("%.0f m", m)
	case m < 997.5:
		return fmt.Sprintf("%.0f m", math.Round(m/5)*5)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", m/1000), ".0") + " km"
}
