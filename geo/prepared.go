package geo

import (
	"fmt"
	"math"

	sf "github.com/peterstace/simplefeatures/geom"
	geom "github.com/twpayne/go-geom"
)

// A Prepared is an area indexed for being asked about many sites. It is safe
// for use by several goroutines.
type Prepared struct {
	area   geom.T
	bounds Box
	index  sf.PreparedGeometry
}

// Prepare indexes a valid polygon or multipolygon (or a point). The geometry
// must not be changed afterwards.
func Prepare(g geom.T) (*Prepared, error) {
	g, err := clean(g)
	if err != nil {
		return nil, fmt.Errorf("prepare an area: %w", err)
	}
	s, err := simple(g)
	if err == nil {
		err = validate(s)
	}
	var index sf.PreparedGeometry
	if err == nil {
		err = guard(func() (err error) { index, err = sf.Prepare(s); return err })
	}
	if err != nil {
		return nil, fmt.Errorf("prepare an area: %w", err)
	}
	return &Prepared{area: g, bounds: Bounds(g), index: index}, nil
}

// Bounds is the smallest box around the area.
func (p *Prepared) Bounds() Box { return p.bounds }

// Intersects says whether the area and a site have a point in common; touching
// counts. An empty site meets nothing. Sites may be invalid, as feeds publish
// outlines that cross themselves: what is inside is then decided by the even-odd
// rule.
func (p *Prepared) Intersects(g geom.T) bool {
	if g == nil || !p.bounds.Intersects(Bounds(g)) {
		return false
	}
	s, err := simple(g)
	if err != nil {
		return false
	}
	var meets bool
	if guard(func() (err error) { meets, err = p.index.Intersects(s); return err }) == nil {
		return meets
	}
	return meet(p.area, g)
}

// DistanceM is the distance in metres between the area and a site, 0 where they
// meet, infinite for an empty site. It is measured between the corners of each
// and the edges of the other, as by [Nearest].
func (p *Prepared) DistanceM(g geom.T) float64 {
	if g == nil {
		return math.Inf(1)
	}
	if p.Intersects(g) {
		return 0
	}
	least := leastDistance(g, p.area)
	if len(rings(g)) > 0 {
		least = min(least, leastDistance(p.area, g))
	}
	return least
}

// leastDistance is the least distance from a corner of one geometry to another
// geometry. Where they are apart, either this or its reverse is the distance
// between the two.
func leastDistance(corners, g geom.T) float64 {
	least := math.Inf(1)
	flat, stride := corners.FlatCoords(), corners.Stride()
	for i := 0; stride > 1 && i+1 < len(flat); i += stride {
		_, d := Nearest(Point{flat[i], flat[i+1]}, g)
		least = min(least, d)
	}
	return least
}

// meet compares two geometries by brute force: a corner of one in the other, or
// two edges that meet.
func meet(a, b geom.T) bool {
	return cornerWithin(a, b) || cornerWithin(b, a) || edgesMeet(rings(a), rings(b))
}

func cornerWithin(corners, g geom.T) bool {
	flat, stride := corners.FlatCoords(), corners.Stride()
	polygons := rings(g)
	for i := 0; stride > 1 && i+1 < len(flat); i += stride {
		for _, polygon := range polygons {
			if inPolygon(Point{flat[i], flat[i+1]}, polygon) {
				return true
			}
		}
	}
	return false
}

func edgesMeet(a, b [][][]float64) bool {
	for _, pa := range a {
		for _, ra := range pa {
			for _, pb := range b {
				for _, rb := range pb {
					for i := 2; i+1 < len(ra); i += 2 {
						for j := 2; j+1 < len(rb); j += 2 {
							if _, ok := crossing(ra[i-2:i+2], rb[j-2:j+2]); ok {
								return true
							}
						}
					}
				}
			}
		}
	}
	return false
}

// crossing finds a point that two edges (x0, y0, x1, y1) have in common.
func crossing(a, b []float64) (Point, bool) {
	if max(a[0], a[2]) < min(b[0], b[2]) || max(b[0], b[2]) < min(a[0], a[2]) ||
		max(a[1], a[3]) < min(b[1], b[3]) || max(b[1], b[3]) < min(a[1], a[3]) {
		return Point{}, false
	}
	b0 := turn(a[0], a[1], a[2], a[3], b[0], b[1])
	b1 := turn(a[0], a[1], a[2], a[3], b[2], b[3])
	a0 := turn(b[0], b[1], b[2], b[3], a[0], a[1])
	a1 := turn(b[0], b[1], b[2], b[3], a[2], a[3])
	if (b0 > 0) == (b1 > 0) && b0 != 0 && b1 != 0 || (a0 > 0) == (a1 > 0) && a0 != 0 && a1 != 0 {
		return Point{}, false
	}
	switch {
	case b0 == 0 && within(a, b[0], b[1]):
		return Point{b[0], b[1]}, true
	case b1 == 0 && within(a, b[2], b[3]):
		return Point{b[2], b[3]}, true
	case a0 == 0 && within(b, a[0], a[1]):
		return Point{a[0], a[1]}, true
	case a1 == 0 && within(b, a[2], a[3]):
		return Point{a[2], a[3]}, true
	case b0 == 0 || b1 == 0 || a0 == 0 || a1 == 0:
		return Point{}, false
	}
	t := a0 / (a0 - a1)
	return Point{a[0] + t*(a[2]-a[0]), a[1] + t*(a[3]-a[1])}, true
}

// within says whether a point of an edge's line lies within the edge's box.
func within(edge []float64, x, y float64) bool {
	return min(edge[0], edge[2]) <= x && x <= max(edge[0], edge[2]) &&
		min(edge[1], edge[3]) <= y && y <= max(edge[1], edge[3])
}
