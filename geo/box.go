package geo

import (
	"math"

	geom "github.com/twpayne/go-geom"
)

// A Box is a rectangle in longitude and latitude, in degrees, edges included.
// A box whose least value exceeds its greatest is empty: it meets nothing. No
// box crosses the antimeridian.
type Box struct{ MinLon, MinLat, MaxLon, MaxLat float64 }

// emptyBox is what extending starts from.
var emptyBox = Box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}

// Bounds is the smallest box around a geometry, empty for an empty or nil one.
func Bounds(g geom.T) Box {
	b := emptyBox
	if g == nil {
		return b
	}
	if c, ok := g.(*geom.GeometryCollection); ok {
		for _, part := range c.Geoms() {
			b = b.Union(Bounds(part))
		}
		return b
	}
	flat, stride := g.FlatCoords(), g.Stride()
	for i := 0; stride > 1 && i+1 < len(flat); i += stride {
		b = b.extend(flat[i], flat[i+1])
	}
	return b
}

func (b Box) extend(lon, lat float64) Box {
	return Box{min(b.MinLon, lon), min(b.MinLat, lat), max(b.MaxLon, lon), max(b.MaxLat, lat)}
}

// Union is the smallest box around both boxes.
func (b Box) Union(c Box) Box {
	if b.Empty() {
		return c
	}
	if c.Empty() {
		return b
	}
	return b.extend(c.MinLon, c.MinLat).extend(c.MaxLon, c.MaxLat)
}

// Empty says that the box holds no point at all.
func (b Box) Empty() bool { return !(b.MinLon <= b.MaxLon && b.MinLat <= b.MaxLat) }

// Intersects says whether two boxes share a point; touching counts.
func (b Box) Intersects(c Box) bool {
	return b.MinLon <= c.MaxLon && c.MinLon <= b.MaxLon && b.MinLat <= c.MaxLat && c.MinLat <= b.MaxLat &&
		!b.Empty() && !c.Empty()
}

// Contains says whether a point lies in the box or on its edge.
func (b Box) Contains(p Point) bool {
	return b.MinLon <= p.Lon && p.Lon <= b.MaxLon && b.MinLat <= p.Lat && p.Lat <= b.MaxLat
}

// Grow widens the box by a distance in metres on every side. It errs outwards,
// by less than one per cent: whatever [Distance] puts within that many metres
// of the box is in the grown box. An empty box stays empty, and a negative
// distance changes nothing.
func (b Box) Grow(metres float64) Box {
	if b.Empty() || !(metres > 0) {
		return b
	}
	// Both radii of WGS84 are least at the equator, and circles of latitude
	// shrink towards the poles, so these two can only be too generous; slack is for
	// the rounding of the sums.
	const (
		leastM = radians * wgs84A * (1 - wgs84E2)
		slack  = 1e-12 // degrees, 0.1 µm
	)
	lat := metres/leastM + slack
	farthest := max(math.Abs(b.MinLat), math.Abs(b.MaxLat)) + lat
	lon := 360.0
	if farthest < 89.9 {
		lon = metres/(radians*wgs84A*math.Cos(farthest*radians)) + slack
	}
	return Box{b.MinLon - lon, b.MinLat - lat, b.MaxLon + lon, b.MaxLat + lat}
}

// CircleBox is a box around a circle given by its centre and its radius in
// metres, rounded outwards as by [Box.Grow].
func CircleBox(centre Point, radiusM float64) Box {
	return Box{centre.Lon, centre.Lat, centre.Lon, centre.Lat}.Grow(radiusM)
}

// ukBox is the sanity box for coordinates said to be in the United Kingdom.
var ukBox = Box{MinLon: -8.7, MinLat: 49.8, MaxLon: 1.8, MaxLat: 60.9}

// nullGrid is easting 0, northing 0, which feeds write for "unknown": a spot
// in the Atlantic south-west of Scilly.
var nullGrid = Point{Lon: -7.55716, Lat: 49.766807}

// InUK says whether a point can be in the United Kingdom at all: inside a
// generous box (which takes in Ireland and some of France's waters), and not a
// zero written for "unknown", whether as longitude and latitude or as British
// National Grid.
func InUK(p Point) bool {
	return ukBox.Contains(p) && Distance(p, nullGrid) > 50
}
