package geo

import (
	"errors"
	"fmt"
	"math"

	sf "github.com/peterstace/simplefeatures/geom"
	geom "github.com/twpayne/go-geom"
)

// Geometry is a point as a go-geom geometry.
func Geometry(p Point) geom.T {
	return geom.NewPointFlat(geom.XY, []float64{p.Lon, p.Lat})
}

// rings gives the flat XY coordinates of each ring of each polygon of a
// geometry; nil for points.
func rings(g geom.T) [][][]float64 {
	switch g := g.(type) {
	case *geom.Polygon:
		return [][][]float64{cut(g.FlatCoords(), 0, g.Ends(), g.Stride())}
	case *geom.MultiPolygon:
		polygons := make([][][]float64, 0, len(g.Endss()))
		start := 0
		for _, ends := range g.Endss() {
			polygons = append(polygons, cut(g.FlatCoords(), start, ends, g.Stride()))
			if len(ends) > 0 {
				start = ends[len(ends)-1]
			}
		}
		return polygons
	}
	return nil
}

// cut splits flat coordinates at the ends of rings, copying only if there is
// more than X and Y to a position.
func cut(flat []float64, start int, ends []int, stride int) [][]float64 {
	out := make([][]float64, 0, len(ends))
	for _, end := range ends {
		ring := flat[start:end:end]
		if stride > 2 {
			ring = flatXY(ring, stride)
		}
		out = append(out, ring)
		start = end
	}
	return out
}

// flatXY drops whatever follows X and Y in each position.
func flatXY(flat []float64, stride int) []float64 {
	if stride <= 2 {
		return flat
	}
	out := make([]float64, 0, len(flat)/stride*2)
	for i := 0; i+1 < len(flat); i += stride {
		out = append(out, flat[i], flat[i+1])
	}
	return out
}

// fromRings makes a polygon of one polygon's rings, a multipolygon of several.
func fromRings(polygons [][][]float64) geom.T {
	m := multiPolygon(polygons)
	if len(polygons) == 1 {
		return geom.NewPolygonFlat(geom.XY, m.FlatCoords(), m.Endss()[0])
	}
	return m
}

func multiPolygon(polygons [][][]float64) *geom.MultiPolygon {
	var flat []float64
	endss := make([][]int, 0, len(polygons))
	for _, polygon := range polygons {
		ends := make([]int, 0, len(polygon))
		for _, ring := range polygon {
			flat = append(flat, ring...)
			ends = append(ends, len(flat))
		}
		endss = append(endss, ends)
	}
	return geom.NewMultiPolygonFlat(geom.XY, flat, endss)
}

// errEmpty is returned for a geometry without a single position.
var errEmpty = errors.New("the geometry is empty: it has no coordinates")

// clean turns what a decoder produced into one of the four types this package
// works with: X and Y only, finite, rings closed, nothing empty. A collection
// becomes the multipolygon of its polygons or, if it has none, the multipoint
// of its points.
func clean(g geom.T) (geom.T, error) {
	switch g := g.(type) {
	case nil:
		return nil, errEmpty
	case *geom.GeometryCollection:
		return cleanCollection(g)
	case *geom.Point, *geom.MultiPoint:
		flat := flatXY(g.FlatCoords(), g.Stride())
		if len(flat) == 0 {
			return nil, errEmpty
		}
		if err := finite(flat); err != nil {
			return nil, err
		}
		if _, ok := g.(*geom.Point); ok {
			return geom.NewPointFlat(geom.XY, flat), nil
		}
		return geom.NewMultiPointFlat(geom.XY, flat), nil
	case *geom.Polygon, *geom.MultiPolygon:
		if err := finite(flatXY(g.FlatCoords(), g.Stride())); err != nil {
			return nil, err
		}
		polygons, err := closeRings(rings(g))
		if err != nil {
			return nil, err
		}
		if _, ok := g.(*geom.MultiPolygon); ok {
			return multiPolygon(polygons), nil
		}
		return fromRings(polygons), nil
	}
	return nil, fmt.Errorf("a %s cannot be a place: use a point or a polygon", typeName(g))
}

func cleanCollection(c *geom.GeometryCollection) (geom.T, error) {
	var polygons [][][]float64
	var points []float64
	for _, part := range c.Geoms() {
		g, err := clean(part)
		if errors.Is(err, errEmpty) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if area := rings(g); area != nil {
			polygons = append(polygons, area...)
		} else {
			points = append(points, g.FlatCoords()...)
		}
	}
	return together(polygons, points)
}

// together is what a collection of polygons and points stands for: the polygons,
// or the points if it has no polygons.
func together(polygons [][][]float64, points []float64) (geom.T, error) {
	switch {
	case len(polygons) > 0:
		return fromRings(polygons), nil
	case len(points) == 2:
		return geom.NewPointFlat(geom.XY, points), nil
	case len(points) > 2:
		return geom.NewMultiPointFlat(geom.XY, points), nil
	}
	return nil, errEmpty
}

func typeName(g geom.T) string {
	switch g.(type) {
	case *geom.LineString, *geom.MultiLineString, *geom.LinearRing:
		return "line"
	}
	return fmt.Sprintf("%T", g)
}

func finite(flat []float64) error {
	for _, v := range flat {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("a coordinate is not a finite number")
		}
	}
	return nil
}

// closeRings repeats the first position of every ring that does not end with
// it, and drops polygons without rings.
func closeRings(polygons [][][]float64) ([][][]float64, error) {
	out := polygons[:0:0]
	for _, polygon := range polygons {
		if len(polygon) == 0 {
			continue
		}
		closed := make([][]float64, 0, len(polygon))
		for _, ring := range polygon {
			if n := len(ring); n >= 2 && (ring[0] != ring[n-2] || ring[1] != ring[n-1]) {
				ring = append(ring[:n:n], ring[0], ring[1])
			}
			if len(ring) < 8 {
				return nil, errors.New("an outline needs at least three corners")
			}
			closed = append(closed, ring)
		}
		out = append(out, closed)
	}
	if len(out) == 0 {
		return nil, errEmpty
	}
	return out, nil
}

// simple gives a geometry to simplefeatures without copying coordinates, which
// therefore must not change afterwards.
func simple(g geom.T) (sf.Geometry, error) {
	switch g := g.(type) {
	case *geom.Point:
		if flat := g.FlatCoords(); len(flat) >= 2 {
			return sf.NewPointXY(flat[0], flat[1]).AsGeometry(), nil
		}
	case *geom.MultiPoint:
		return sf.NewMultiPointXY(flatXY(g.FlatCoords(), g.Stride())...).AsGeometry(), nil
	case *geom.Polygon:
		return simplePolygon(rings(g)[0]).AsGeometry(), nil
	case *geom.MultiPolygon:
		polygons := rings(g)
		parts := make([]sf.Polygon, len(polygons))
		for i, polygon := range polygons {
			parts[i] = simplePolygon(polygon)
		}
		return sf.NewMultiPolygon(parts).AsGeometry(), nil
	}
	return sf.Geometry{}, fmt.Errorf("compare geometries: a %T is neither point nor polygon", g)
}

func simplePolygon(polygon [][]float64) sf.Polygon {
	lines := make([]sf.LineString, len(polygon))
	for i, ring := range polygon {
		lines[i] = sf.NewLineString(sf.NewSequence(ring, sf.DimXY))
	}
	return sf.NewPolygon(lines)
}

// validate says what is wrong with a geometry by the rules of the OGC.
func validate(s sf.Geometry) error { return guard(s.Validate) }

// guard turns a panic of simplefeatures into an error. It panics where rounding
// contradicts what it has established already, which takes coordinates that are
// no place on earth; but then those are what a broken feed may have.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its coordinates cannot be computed with: %v", r)
		}
	}()
	return f()
}

// Centre is a point that stands for a geometry on a map: the point itself, the
// first of several points, or for polygons a point inside them (the point on
// surface of simplefeatures, well within the widest part). An empty geometry
// has its centre at the zero Point.
func Centre(g geom.T) Point {
	if g == nil {
		return Point{}
	}
	flat := g.FlatCoords()
	if len(flat) < 2 {
		return Point{}
	}
	if len(rings(g)) > 0 {
		if s, err := simple(g); err == nil && validate(s) == nil {
			var inside sf.Point
			err := guard(func() error { inside = s.PointOnSurface(); return nil })
			if xy, ok := inside.XY(); ok && err == nil {
				return Point{xy.X, xy.Y}
			}
		}
		b := Bounds(g)
		p, _ := Nearest(Point{(b.MinLon + b.MaxLon) / 2, (b.MinLat + b.MaxLat) / 2}, g)
		return p
	}
	return Point{flat[0], flat[1]}
}

// Area is the area of a geometry in square metres, 0 for points. Each polygon
// is measured flat with the WGS84 radii at its middle latitude, good to a
// tenth of one per cent up to the size of a borough. Holes are taken off
// whichever way their rings turn.
func Area(g geom.T) float64 {
	total := 0.0
	for _, polygon := range rings(g) {
		b := emptyBox
		for i := 0; len(polygon) > 0 && i+1 < len(polygon[0]); i += 2 {
			b = b.extend(polygon[0][i], polygon[0][i+1])
		}
		perLon, perLat := metresPerDegree((b.MinLat + b.MaxLat) / 2)
		for i, ring := range polygon {
			a := math.Abs(signedArea(ring)) * perLon * perLat
			if i > 0 {
				a = -a
			}
			total += a
		}
	}
	return max(total, 0)
}

// signedArea is the area of a closed ring in square degrees, positive when it
// runs counter-clockwise.
func signedArea(ring []float64) float64 {
	sum := 0.0
	for i := 0; i+3 < len(ring); i += 2 {
		// Relative to the first corner, so that a small ring far from the
		// origin keeps its digits.
		x0, y0 := ring[i]-ring[0], ring[i+1]-ring[1]
		x1, y1 := ring[i+2]-ring[0], ring[i+3]-ring[1]
		sum += x0*y1 - x1*y0
	}
	return sum / 2
}

// Rings lists the outer and inner rings of polygons; none of any other geometry.
func Rings(g geom.T) (rings [][]Point) {
	add := func(p *geom.Polygon) {
		for i := range p.NumLinearRings() {
			var ring []Point
			for _, c := range p.LinearRing(i).Coords() {
				ring = append(ring, Point{Lon: c.X(), Lat: c.Y()})
			}
			rings = append(rings, ring)
		}
	}
	switch g := g.(type) {
	case *geom.Polygon:
		add(g)
	case *geom.MultiPolygon:
		for i := range g.NumPolygons() {
			add(g.Polygon(i))
		}
	}
	return rings
}
