package geo

import (
	"math"

	geom "github.com/twpayne/go-geom"
)

// Nearest finds the point of a geometry that is nearest to p, and its distance
// in metres. Inside a polygon, or on its edge, that is p itself at distance 0;
// inside a hole it is on the edge of the hole. An empty geometry is infinitely
// far away, at the zero Point.
//
// Edges are first compared on the plane that touches WGS84 at p; those that
// could be nearest are then measured with [Distance].
func Nearest(p Point, g geom.T) (Point, float64) {
	s := newSearch(p)
	switch g := g.(type) {
	case nil:
	case *geom.Polygon, *geom.MultiPolygon:
		for _, polygon := range rings(g) {
			if inPolygon(p, polygon) {
				return p, 0
			}
			for _, ring := range polygon {
				s.ring(ring)
			}
		}
	case *geom.GeometryCollection:
		for _, part := range g.Geoms() {
			if q, d := Nearest(p, part); d < s.distance {
				s.nearest, s.distance = q, d
			}
		}
	default:
		flat, stride := g.FlatCoords(), g.Stride()
		for i := 0; stride > 1 && i+1 < len(flat); i += stride {
			s.point(Point{flat[i], flat[i+1]})
		}
	}
	return s.nearest, s.distance
}

// A search is the state of one look for the nearest point.
type search struct {
	from           Point
	perLon, perLat float64 // metres per degree at from
	nearest        Point
	distance       float64 // metres
}

func newSearch(from Point) search {
	perLon, perLat := metresPerDegree(from.Lat)
	return search{from: from, perLon: perLon, perLat: perLat, distance: math.Inf(1)}
}

func (s *search) point(q Point) {
	if d := Distance(s.from, q); d < s.distance {
		s.nearest, s.distance = q, d
	}
}

func (s *search) ring(ring []float64) {
	if len(ring) < 4 {
		return
	}
	x0, y0 := (ring[0]-s.from.Lon)*s.perLon, (ring[1]-s.from.Lat)*s.perLat
	for i := 2; i+1 < len(ring); i += 2 {
		x1, y1 := (ring[i]-s.from.Lon)*s.perLon, (ring[i+1]-s.from.Lat)*s.perLat
		t := footOf(x0, y0, x1, y1)
		// The flat distance is off by 0.26 % at 50 km and in proportion
		// nearer by (GEO.md 5.3); allow about three times that.
		flat := math.Sqrt(square(x0+t*(x1-x0)) + square(y0+t*(y1-y0)))
		if flat*(1-2e-7*flat)-1e-6 < s.distance {
			s.edge(Point{ring[i-2], ring[i-1]}, Point{ring[i], ring[i+1]}, t)
		}
		x0, y0 = x1, y1
	}
}

// edge measures the edge a-b, whose nearest point is about t of the way along.
// The square of the distance is all but a parabola in t, so the lowest point of
// the parabola through three values near t corrects the guess of the plane.
func (s *search) edge(a, b Point, t float64) {
	at := func(t float64) Point {
		switch { // the ends exactly
		case t <= 0:
			return a
		case t >= 1:
			return b
		}
		return Point{a.Lon + t*(b.Lon-a.Lon), a.Lat + t*(b.Lat-a.Lat)}
	}
	for _, h := range [2]float64{0.25, 0.05} {
		mid := min(max(t, h), 1-h)
		f0, f1, f2 := square(Distance(s.from, at(mid-h))), square(Distance(s.from, at(mid))), square(Distance(s.from, at(mid+h)))
		bend := f0 - 2*f1 + f2
		if !(bend > 0) {
			break // an edge of no length
		}
		t = min(max(mid+h*(f0-f2)/(2*bend), 0), 1)
	}
	s.point(at(t))
}

func square(x float64) float64 { return x * x }

// footOf is how far along the segment from (x0,y0) to (x1,y1), from 0 to 1,
// the point nearest to the origin lies.
func footOf(x0, y0, x1, y1 float64) float64 {
	dx, dy := x1-x0, y1-y0
	length2 := dx*dx + dy*dy
	if length2 == 0 {
		return 0
	}
	return min(max(-(x0*dx+y0*dy)/length2, 0), 1)
}

// inPolygon says whether a point is in a polygon, outer ring first, or on its
// edge. A point on the edge of a hole is in the polygon.
func inPolygon(p Point, polygon [][]float64) bool {
	if len(polygon) == 0 {
		return false
	}
	inside, onEdge := inRing(p, polygon[0])
	if onEdge || !inside {
		return onEdge
	}
	for _, hole := range polygon[1:] {
		inside, onEdge := inRing(p, hole)
		if onEdge {
			return true
		}
		if inside {
			return false
		}
	}
	return true
}

// inRing counts how often the ray east of a point crosses a closed ring, by the
// even-odd rule.
func inRing(p Point, ring []float64) (inside, onEdge bool) {
	for i := 2; i+1 < len(ring); i += 2 {
		x0, y0, x1, y1 := ring[i-2], ring[i-1], ring[i], ring[i+1]
		if (y0 > p.Lat) == (y1 > p.Lat) {
			// Both ends on one side of the ray: only an edge along it can touch.
			if y0 == p.Lat && y1 == p.Lat && min(x0, x1) <= p.Lon && p.Lon <= max(x0, x1) {
				return false, true
			}
			if x1 == p.Lon && y1 == p.Lat {
				return false, true
			}
			continue
		}
		side := turn(x0, y0, x1, y1, p.Lon, p.Lat)
		if side == 0 {
			return false, true
		}
		if (side > 0) == (y1 > y0) {
			inside = !inside
		}
	}
	return inside, false
}

// turn is positive when c lies left of the line from a to b, negative when it
// lies right, and 0 when it is on it.
func turn(ax, ay, bx, by, cx, cy float64) float64 {
	return (bx-ax)*(cy-ay) - (by-ay)*(cx-ax)
}
