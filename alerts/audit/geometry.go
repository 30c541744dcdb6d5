package audit

import (
	"math"

	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// Distances are chords through the earth between points of the WGS84 ellipsoid,
// bent back to arcs: within millimetres of the geodesic up to 20 km, and a way of
// reckoning that has nothing in common with the one that is audited. Edges are
// straight in longitude and latitude.

// A verdict is yes, no, or so near the edge that both are right.
type verdict uint8

const (
	no verdict = iota
	yes
	edge
)

func certainly(b bool) verdict {
	if b {
		return yes
	}
	return no
}

func (v verdict) not() verdict {
	switch v {
	case yes:
		return no
	case no:
		return yes
	}
	return edge
}

func (v verdict) and(w verdict) verdict {
	switch {
	case v == no || w == no:
		return no
	case v == yes && w == yes:
		return yes
	}
	return edge
}

func (v verdict) possible() []bool {
	switch v {
	case yes:
		return []bool{true}
	case no:
		return []bool{false}
	}
	return []bool{true, false}
}

// tolerance is by how much two ways of measuring a distance may differ: a few
// centimetres, and a hundred-thousandth of a long one.
func tolerance(metres float64) float64 { return 0.05 + metres*1e-5 }

// within compares a distance with a reach.
func within(distance, reach float64) verdict {
	switch t := tolerance(reach); {
	case distance <= reach-t:
		return yes
	case distance > reach+t:
		return no
	}
	return edge
}

type vector [3]float64

// earth is a point of the ellipsoid in metres from the middle of the earth.
func earth(lon, lat float64) vector {
	const a, f = 6378137.0, 1 / 298.257223563
	const e2 = f * (2 - f)
	λ, φ := lon*math.Pi/180, lat*math.Pi/180
	n := a / math.Sqrt(1-e2*math.Sin(φ)*math.Sin(φ))
	return vector{n * math.Cos(φ) * math.Cos(λ), n * math.Cos(φ) * math.Sin(λ), n * (1 - e2) * math.Sin(φ)}
}

// apart is the distance between two points of the ellipsoid.
func apart(p, q vector) float64 {
	const r = 6_371_000 // that it varies by a third of a per cent matters to nobody here
	chord := math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2])
	return 2 * r * math.Asin(min(1, chord/(2*r)))
}

// A place is a corner or a point: in degrees and on the ellipsoid.
type place struct {
	lon, lat float64
	at       vector
}

// A region is a list of polygons, each a list of closed rings, outer one first,
// and a ball around all of it.
type region struct {
	polygons [][][]place
	middle   vector
	radius   float64
}

func (r *region) corners(yield func(place) bool) {
	for _, polygon := range r.polygons {
		for _, ring := range polygon {
			for _, p := range ring {
				if !yield(p) {
					return
				}
			}
		}
	}
}

func (r *region) edges(yield func(a, b place) bool) {
	for _, polygon := range r.polygons {
		for _, ring := range polygon {
			for i := 1; i < len(ring); i++ {
				if !yield(ring[i-1], ring[i]) {
					return
				}
			}
		}
	}
}

func readRegion(wkb []byte) (region, error) {
	g, err := geo.DecodeWKB(wkb)
	if err != nil {
		return region{}, err
	}
	var r region
	add := func(p *geom.Polygon) {
		var rings [][]place
		for i := range p.NumLinearRings() {
			var ring []place
			for _, c := range p.LinearRing(i).Coords() {
				ring = append(ring, place{c.X(), c.Y(), earth(c.X(), c.Y())})
			}
			rings = append(rings, ring)
		}
		r.polygons = append(r.polygons, rings)
	}
	switch g := g.(type) {
	case *geom.Polygon:
		add(g)
	case *geom.MultiPolygon:
		for i := range g.NumPolygons() {
			add(g.Polygon(i))
		}
	case *geom.Point: // a site may have its point for an outline
		r.polygons = [][][]place{{{place{g.X(), g.Y(), earth(g.X(), g.Y())}}}}
	case *geom.MultiPoint:
		for _, c := range g.Coords() {
			r.polygons = append(r.polygons, [][]place{{place{c.X(), c.Y(), earth(c.X(), c.Y())}}})
		}
	}
	first := true
	for p := range r.corners {
		if first {
			r.middle, first = p.at, false
		}
		r.radius = max(r.radius, apart(r.middle, p.at))
	}
	return r, nil
}

// A site is an application's place: a region that may be a single point.
type site struct {
	region
	located bool
}

func readSite(s alerts.Site) (site, error) {
	if s.Method == alerts.MethodNone {
		return site{}, nil
	}
	if len(s.Shape) > 0 {
		r, err := readRegion(s.Shape)
		return site{r, true}, err
	}
	p := place{s.Lon, s.Lat, earth(s.Lon, s.Lat)}
	return site{region{polygons: [][][]place{{{p}}}, middle: p.at}, true}, nil
}

// near says whether a site comes within reach of a point.
func (s *site) near(lon, lat float64, p vector, reach float64) verdict {
	if apart(s.middle, p)-s.radius > reach+tolerance(reach)+1 {
		return no // not even the ball around it does
	}
	return within(s.distance(place{lon, lat, p}), reach)
}

// meets says whether a site comes within reach of an area; with no reach, whether
// they overlap.
func (s *site) meets(area *region, reach float64) verdict {
	if apart(s.middle, area.middle)-s.radius-area.radius > reach+tolerance(reach)+1 {
		return no
	}
	t := tolerance(reach)
	if reach > t {
		return within(s.region.gap(area), reach)
	}
	switch {
	case s.overlaps(area, t):
		return yes
	case s.region.gap(area) > reach+t:
		return no
	}
	return edge
}

// sunkIn says whether a site lies in a carved-out region so deep that it may not
// stick out, given its uncertainty.
func (s *site) sunkIn(hole *region, uncertainty float64) verdict {
	t := tolerance(uncertainty)
	touches := false
	for p := range s.corners {
		if hole.winds(p) == 0 {
			if hole.shore(p) > t {
				return no // a corner is well outside
			}
			touches = true
		}
	}
	for a, b := range s.edges {
		for c, d := range hole.edges {
			if crosses(a, b, c, d, t) {
				return no
			}
		}
	}
	for c := range hole.corners {
		if s.winds(c) != 0 && s.shore(c) > t {
			return no // an island of the rest lies in the site
		}
	}
	if touches {
		return within(0, uncertainty).not()
	}
	depth := math.Inf(1)
	for p := range s.corners {
		depth = min(depth, hole.shore(p))
	}
	if len(s.polygons) > 0 && len(s.polygons[0][0]) > 1 {
		for c := range hole.corners {
			depth = min(depth, s.shore(c))
		}
	}
	return within(depth, uncertainty).not()
}

// winds is how often the region winds around a place: 0 is outside. Holes run
// against their outer rings or not; so each ring counts by itself.
func (r *region) winds(p place) int {
	for _, polygon := range r.polygons {
		inside := len(polygon) > 0 && winding(polygon[0], p) != 0
		for _, hole := range polygon[min(1, len(polygon)):] {
			if winding(hole, p) != 0 {
				inside = false
			}
		}
		if inside {
			return 1
		}
	}
	return 0
}

// winding sums the angles under which the edges of a ring are seen from p.
func winding(ring []place, p place) int {
	sum := 0.0
	for i := 1; i < len(ring); i++ {
		ax, ay := ring[i-1].lon-p.lon, ring[i-1].lat-p.lat
		bx, by := ring[i].lon-p.lon, ring[i].lat-p.lat
		sum += math.Atan2(ax*by-ay*bx, ax*bx+ay*by)
	}
	return int(math.Round(sum / (2 * math.Pi)))
}

// shore is the distance from a place to the nearest edge of the region.
func (r *region) shore(p place) float64 {
	least := math.Inf(1)
	for _, polygon := range r.polygons {
		for _, ring := range polygon {
			if len(ring) == 1 {
				least = min(least, apart(p.at, ring[0].at))
			}
			for i := 1; i < len(ring); i++ {
				least = min(least, toEdge(p, ring[i-1], ring[i]))
			}
		}
	}
	return least
}

// distance is from a place to the region, 0 inside it.
func (r *region) distance(p place) float64 {
	if r.winds(p) != 0 {
		return 0
	}
	return r.shore(p)
}

// gap is the distance between two regions, 0 where they overlap.
func (r *region) gap(q *region) float64 {
	least := math.Inf(1)
	for p := range r.corners {
		least = min(least, q.distance(p))
	}
	for p := range q.corners {
		least = min(least, r.distance(p))
	}
	if r.overlaps(q, 0) {
		return 0
	}
	return least
}

// overlaps reports whether two regions overlap by more than t metres.
func (r *region) overlaps(q *region, t float64) bool {
	for p := range r.corners {
		if q.winds(p) != 0 && q.shore(p) > t {
			return true
		}
	}
	for p := range q.corners {
		if r.winds(p) != 0 && r.shore(p) > t {
			return true
		}
	}
	for a, b := range r.edges {
		for c, d := range q.edges {
			if crosses(a, b, c, d, t) {
				return true
			}
		}
	}
	return false
}

// crosses reports whether two edges cross with each end more than t metres from
// the other edge.
func crosses(a, b, c, d place, t float64) bool {
	side := func(p, q, r place) float64 { return (q.lon-p.lon)*(r.lat-p.lat) - (q.lat-p.lat)*(r.lon-p.lon) }
	if side(a, b, c)*side(a, b, d) >= 0 || side(c, d, a)*side(c, d, b) >= 0 {
		return false
	}
	return t == 0 || min(toEdge(a, c, d), toEdge(b, c, d), toEdge(c, a, b), toEdge(d, a, b)) > t
}

// toEdge is the distance from a place to an edge, found by narrowing down where
// along the edge it is least.
func toEdge(p, a, b place) float64 {
	at := func(t float64) float64 {
		lon, lat := a.lon+t*(b.lon-a.lon), a.lat+t*(b.lat-a.lat)
		return apart(p.at, earth(lon, lat))
	}
	low, high := 0.0, 1.0
	for range 60 {
		third := (high - low) / 3
		if at(low+third) < at(high-third) {
			high -= third
		} else {
			low += third
		}
	}
	return min(at(low), apart(p.at, a.at), apart(p.at, b.at))
}
