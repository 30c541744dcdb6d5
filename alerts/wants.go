package alerts

import (
	"fmt"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/twpayne/go-geom"
)

// A Place is a site decoded once and asked many times.
type Place struct {
	Site Site
	geom geom.T // nil when unlocated
	Ward string
}

// NewPlace decodes a case's site; d may be nil.
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

// A Candidate is an event with its places decoded, ready to be asked about.
type Candidate struct {
	*Event
	Was, Is Place
}

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
	return &Candidate{e, was, is}, nil
}

// A Ground is a version's area decoded once and asked many times.
type Ground struct {
	Area
	shape, carveOut *geo.Prepared
}

// NewGround decodes an area.
func NewGround(a Area) (*Ground, error) {
	g := &Ground{Area: a}
	for _, p := range []struct {
		wkb []byte
		to  **geo.Prepared
	}{{a.Shape, &g.shape}, {a.CarveOut, &g.carveOut}} {
		if len(p.wkb) == 0 {
			continue
		}
		shape, err := geo.DecodeWKB(p.wkb)
		if err != nil {
			return nil, fmt.Errorf("read the area %q: %w", a.Label, err)
		}
		if *p.to, err = geo.Prepare(shape); err != nil {
			return nil, fmt.Errorf("prepare the area %q: %w", a.Label, err)
		}
	}
	return g, nil
}

// Interest is how a version answers an event.
type Interest int

// The answers.
const (
	NotWanted  Interest = iota
	Wanted              // an alert
	Correction          // only if this subscription was told of the case before: it turns out to be elsewhere
)

// An Answer is an Interest and why, for the person who asks "why did this reach
// me?" or "why not?".
type Answer struct {
	Interest Interest
	Reason   string // a clause without a full stop: "it is 180 m from NW1 8NH, within 500 m"
}

// Wants decides whether a version of a subscription wants an event. It reads
// nothing but its arguments.
func Wants(v *Version, ground *Ground, c *Candidate) Answer {
	if !v.InForce(c.Seq) {
		return Answer{NotWanted, "the subscription did not ask for this at the time"}
	}
	if why := v.Filter.refuses(c.Type, &c.After); why != "" {
		return Answer{NotWanted, why}
	}
	inside, reason := ground.Contains(c.Is, c.Authority, c.After.IsMajor())
	if c.Type != EventLocated && c.Type != EventCorrected {
		if inside {
			return Answer{Wanted, reason}
		}
		return Answer{NotWanted, reason}
	}
	was := false
	if c.Before != nil {
		was, _ = ground.Contains(c.Was, c.Authority, c.Before.IsMajor())
	}
	switch {
	case c.Type == EventLocated && inside && was:
		return Answer{NotWanted, "it was inside the area before it moved, and still is"}
	case inside:
		return Answer{Wanted, reason}
	case was:
		return Answer{Correction, "it turns out to be elsewhere: " + reason}
	}
	return Answer{NotWanted, reason}
}

// Contains reports whether a place lies in the area, and says why. The edge
// counts as inside. A place whose position is uncertain counts when it may be.
func (g *Ground) Contains(p Place, authority string, major bool) (bool, string) {
	switch g.Kind {
	case AreaAuthority:
		if authority == g.Code {
			return true, "it is an application to " + g.name()
		}
		return false, "it is an application to another council"
	case AreaWard:
		if p.Ward != "" && p.Ward == g.Code {
			return true, "it is in the ward " + g.name()
		}
		return false, "it is not in the ward " + g.name()
	}
	if p.geom == nil {
		return false, "the council has published no position for it"
	}
	var distance float64
	limit := g.Radius
	if g.Kind == AreaCircle {
		_, distance = geo.Nearest(g.Centre, p.geom)
	} else {
		limit = 0
		if !g.shape.Intersects(p.geom) {
			distance = g.shape.DistanceM(p.geom)
		}
	}
	if major {
		limit = max(limit, g.Ring)
	}
	if g.carveOut != nil && g.carveOut.Intersects(p.geom) {
		return false, "it is in the part that was taken out of the area"
	}
	if distance-p.Site.Uncertainty > limit {
		if g.Kind == AreaPolygon {
			return false, fmt.Sprintf("it is %s outside %s", Metres(distance), g.name())
		}
		return false, fmt.Sprintf("it is %s from %s, further than %s", Metres(distance), g.name(), Metres(limit))
	}
	if g.Kind == AreaPolygon {
		return true, "it is inside " + g.name()
	}
	return true, fmt.Sprintf("it is %s from %s, within %s", Metres(distance), g.name(), Metres(limit))
}

func (g *Ground) name() string {
	if g.Label != "" {
		return g.Label
	}
	return "the area"
}

// Metres writes a distance for a reader: "180 m", "1.4 km".
func Metres(m float64) string {
	switch {
	case m < 1:
		return "0 m"
	case m < 995:
		return fmt.Sprintf("%.0f m", roundTo(m, 5))
	}
	return fmt.Sprintf("%.1f km", m/1000)
}

func roundTo(m, step float64) float64 {
	if m < step*2 {
		return float64(int(m + .5))
	}
	return float64(int(m/step+.5)) * step
}
