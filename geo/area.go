package geo

import (
	"fmt"
	"math"

	geom "github.com/twpayne/go-geom"
)

// The limits of a drawn area, and why.
const (
	MaxAreaCorners = 5_000 // a test costs a few microseconds at this size
	MinAreaM2      = 100   // less is a slip of the hand
	MaxAreaM2      = 500e6 // 500 km²; the largest London borough has 150
	MaxAreaEdgeM   = 20e3  // a straight edge strays 11 m from the great circle
)

// areaBox is where a corner of a drawn area may be.
var areaBox = Box{MinLon: -9, MinLat: 49, MaxLon: 2.5, MaxLat: 61.5}

// An AreaError says what is wrong with a drawn area, in a sentence for the
// person who drew it, and where, if there is one place to point at.
type AreaError struct {
	Format string // as of [fmt.Sprintf], for whoever says it in another language
	Args   []any
	At     *Point
}

func (e *AreaError) Error() string { return fmt.Sprintf(e.Format, e.Args...) }

func areaError(at *Point, format string, args ...any) error {
	return &AreaError{format, args, at}
}

// ValidateArea checks an area that a person drew or uploaded, and returns it
// tidied: coordinates rounded to six decimals, repeated corners dropped, rings
// closed, outer rings counter-clockwise and holes clockwise. The error is an
// [AreaError]. The geometry itself is left as it is.
//
// An outline that crosses itself is refused and never repaired, since any
// repair decides for its author which part was meant.
func ValidateArea(g geom.T) (geom.T, error) {
	if c, ok := g.(*geom.GeometryCollection); ok && c.Empty() {
		g = nil
	}
	switch g.(type) {
	case *geom.Polygon, *geom.MultiPolygon, *geom.GeometryCollection:
	case nil:
		return nil, areaError(nil, "There is no area here. Draw one on the map, or upload one.")
	default:
		return nil, areaError(nil, "A point is not an area. Draw an outline around the place you mean.")
	}
	g, err := clean(g)
	if err != nil {
		return nil, areaError(nil, "This area cannot be read: %v.", err)
	}
	polygons := rings(g)
	if polygons == nil {
		return nil, areaError(nil, "A point is not an area. Draw an outline around the place you mean.")
	}
	if err := checkWhere(g); err != nil {
		return nil, err
	}
	corners := 0
	for i, polygon := range polygons {
		tidied := make([][]float64, 0, len(polygon))
		for k, ring := range polygon {
			ring = tidy(ring)
			at := &Point{ring[0], ring[1]}
			if len(ring) < 8 {
				return nil, areaError(at, "An outline has fewer than three different corners. Add corners, or delete it.")
			}
			if (signedArea(ring) > 0) != (k == 0) {
				reverse(ring)
			}
			corners += len(ring)/2 - 1
			tidied = append(tidied, ring)
		}
		polygons[i] = tidied
	}
	if corners > MaxAreaCorners {
		return nil, areaError(nil, "The area has %d corners; at most %d are possible. Simplify its outline.", corners, MaxAreaCorners)
	}
	out := fromRings(polygons)
	if err := checkEdges(polygons); err != nil {
		return nil, err
	}
	if at, ok := selfCrossing(polygons); ok {
		return nil, areaError(&at, "The outline crosses or touches itself near %.5f, %.5f (latitude, longitude). Move a corner so that no two lines meet there.", at.Lat, at.Lon)
	}
	s, err := simple(out)
	if err == nil {
		err = validate(s)
	}
	if err != nil {
		return nil, areaError(nil, "The outlines do not fit together: a hole must lie inside its area, and areas must not overlap. Delete one of them, or draw them again.")
	}
	switch m2 := Area(out); {
	case m2 < MinAreaM2:
		return nil, areaError(nil, "The area is only %.0f m²; it must have at least %d m². Draw it larger.", m2, MinAreaM2)
	case m2 > MaxAreaM2:
		return nil, areaError(nil, "The area is %.0f km²; at most %.0f km² are possible. Draw it smaller, or choose an authority instead.", m2/1e6, MaxAreaM2/1e6)
	}
	return out, nil
}

// checkWhere refuses corners that cannot be in the United Kingdom.
func checkWhere(g geom.T) error {
	flat := g.FlatCoords()
	outside, swapped := -1, true
	for i := 0; i+1 < len(flat); i += 2 {
		if !areaBox.Contains(Point{flat[i], flat[i+1]}) && outside < 0 {
			outside = i
		}
		swapped = swapped && areaBox.Contains(Point{flat[i+1], flat[i]})
	}
	if outside < 0 {
		return nil
	}
	at := Point{flat[outside], flat[outside+1]}
	if swapped {
		return areaError(&at, "Latitude and longitude seem to be swapped: GeoJSON has longitude first. Swap them and try again.")
	}
	if at.Lon > 1000 || at.Lat > 1000 {
		return areaError(&at, "The area is not in degrees but in some grid, perhaps British National Grid. Convert it to longitude and latitude (WGS84) first.")
	}
	return areaError(&at, "A corner at %.5f, %.5f (latitude, longitude) is outside the United Kingdom. Move or delete it.", at.Lat, at.Lon)
}

// tidy is a closed ring rounded to six decimals, without repeated corners, in
// memory of its own. It may come out with too few corners to be a ring.
func tidy(ring []float64) []float64 {
	out := make([]float64, 0, len(ring))
	for i := 0; i+1 < len(ring); i += 2 {
		x, y := math.Round(ring[i]*1e6)/1e6, math.Round(ring[i+1]*1e6)/1e6
		if n := len(out); n >= 2 && out[n-2] == x && out[n-1] == y {
			continue
		}
		out = append(out, x, y)
	}
	return out
}

func reverse(ring []float64) {
	for i, j := 0, len(ring)-2; i < j; i, j = i+2, j-2 {
		ring[i], ring[i+1], ring[j], ring[j+1] = ring[j], ring[j+1], ring[i], ring[i+1]
	}
}

func checkEdges(polygons [][][]float64) error {
	for _, polygon := range polygons {
		for _, ring := range polygon {
			for i := 2; i+1 < len(ring); i += 2 {
				a, b := Point{ring[i-2], ring[i-1]}, Point{ring[i], ring[i+1]}
				if d := Distance(a, b); d > MaxAreaEdgeM {
					return areaError(&a, "One side of the area is %.0f km long; at most %.0f km are possible. Add corners along it, or draw a smaller area.", d/1000, MaxAreaEdgeM/1000)
				}
			}
		}
	}
	return nil
}

// selfCrossing finds a place where edges meet that must not: two edges of one
// ring that are not neighbours, neighbours that run back over each other, or
// edges of different rings that cross. (Rings may touch at a corner.) It
// compares all pairs, 5,000 corners in some 40 ms.
func selfCrossing(polygons [][][]float64) (Point, bool) {
	var all [][]float64
	for _, polygon := range polygons {
		all = append(all, polygon...)
	}
	for i, ring := range all {
		if at, ok := ringCrossing(ring); ok {
			return at, true
		}
		for _, other := range all[:i] {
			if at, ok := properCrossing(ring, other); ok {
				return at, true
			}
		}
	}
	return Point{}, false
}

func ringCrossing(ring []float64) (Point, bool) {
	edges := len(ring)/2 - 1
	for i := range edges {
		a := ring[2*i : 2*i+4]
		for j := i + 1; j < edges; j++ {
			b := ring[2*j : 2*j+4]
			switch {
			case j == i+1:
				if runsBack(a[0], a[1], a[2], a[3], b[2], b[3]) {
					return Point{a[2], a[3]}, true
				}
			case i == 0 && j == edges-1:
				if runsBack(b[0], b[1], b[2], b[3], a[2], a[3]) {
					return Point{b[2], b[3]}, true
				}
			default:
				if at, ok := crossing(a, b); ok {
					return at, true
				}
			}
		}
	}
	return Point{}, false
}

// runsBack says whether the way a-b-c turns back over itself at b, as a spike
// does.
func runsBack(ax, ay, bx, by, cx, cy float64) bool {
	return turn(ax, ay, bx, by, cx, cy) == 0 && (bx-ax)*(cx-bx)+(by-ay)*(cy-by) < 0
}

// properCrossing finds a place where the edges of two rings cross each other
// within both edges; mere touching is left to the validity check.
func properCrossing(r, s []float64) (Point, bool) {
	for i := 0; i+3 < len(r); i += 2 {
		for j := 0; j+3 < len(s); j += 2 {
			a, b := r[i:i+4], s[j:j+4]
			at, ok := crossing(a, b)
			if !ok {
				continue
			}
			ends := at == (Point{a[0], a[1]}) || at == (Point{a[2], a[3]}) ||
				at == (Point{b[0], b[1]}) || at == (Point{b[2], b[3]})
			if !ends {
				return at, true
			}
		}
	}
	return Point{}, false
}
