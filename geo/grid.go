package geo

import (
	"math"

	geom "github.com/twpayne/go-geom"
)

// An ellipsoid is given by its semi-major axis in metres and the square of its
// first eccentricity.
type ellipsoid struct{ a, e2 float64 }

var (
	wgs84    = ellipsoid{wgs84A, wgs84E2}
	airy1830 = ellipsoid{6377563.396, 1 - (6356256.909*6356256.909)/(6377563.396*6377563.396)}
)

// A shift is a seven-parameter Helmert transformation of cartesian coordinates:
// metres, a scale difference, and small rotations in radians.
type shift struct{ tx, ty, tz, scale, rx, ry, rz float64 }

const arcSeconds = radians / 3600

// osgb36ToWGS84 is the transformation of Ordnance Survey, "A guide to
// coordinate systems in Great Britain", section 6.6, in its reverse direction.
var osgb36ToWGS84 = shift{446.448, -125.157, 542.060, -20.4894e-6, 0.1502 * arcSeconds, 0.2470 * arcSeconds, 0.8421 * arcSeconds}

func (s shift) apply(x, y, z float64) (float64, float64, float64) {
	k := 1 + s.scale
	return s.tx + k*x - s.rz*y + s.ry*z,
		s.ty + s.rz*x + k*y - s.rx*z,
		s.tz - s.ry*x + s.rx*y + k*z
}

// undo inverts apply exactly enough: two rounds of correction leave less than a
// micrometre.
func (s shift) undo(x, y, z float64) (float64, float64, float64) {
	u, v, w := x, y, z
	for range 3 {
		fx, fy, fz := s.apply(u, v, w)
		u, v, w = u+x-fx, v+y-fy, w+z-fz
	}
	return u, v, w
}

// cartesian turns latitude and longitude in radians, at height zero, into
// geocentric metres.
func (e ellipsoid) cartesian(lat, lon float64) (x, y, z float64) {
	sinLat, cosLat := math.Sincos(lat)
	sinLon, cosLon := math.Sincos(lon)
	n := e.a / math.Sqrt(1-e.e2*sinLat*sinLat)
	return n * cosLat * cosLon, n * cosLat * sinLon, n * (1 - e.e2) * sinLat
}

// geographic turns geocentric metres near the surface into latitude and
// longitude in radians, by Bowring's formula (Survey Review 1976), which is
// exact to far less than a micrometre at these heights.
func (e ellipsoid) geographic(x, y, z float64) (lat, lon float64) {
	p := math.Sqrt(x*x + y*y)
	f := math.Sqrt(1 - e.e2) // b/a
	// sine and cosine of the reduced latitude, without an arctangent
	tan := z / (p * f)
	cos := 1 / math.Sqrt(1+tan*tan)
	sin := tan * cos
	lat = math.Atan((z + e.e2/(1-e.e2)*f*e.a*sin*sin*sin) / (p - e.e2*e.a*cos*cos*cos))
	return lat, math.Atan2(y, x)
}

// A transverseMercator is a national grid: an ellipsoid, the scale on the
// central meridian, the true origin in radians, and the false origin in metres.
type transverseMercator struct {
	ellipsoid
	f0, lat0, lon0, e0, n0 float64

	meridian [4]float64 // arc length from the equator: c0 φ + c1 sin 2φ + c2 sin 4φ + c3 sin 6φ, scaled by a f0
	foot     [4]float64 // the reverse: φ = μ + d1 sin 2μ + d2 sin 4μ + …
	arc0     float64    // arc length of the true origin
}

// newTransverseMercator prepares the series in the third flattening n, as given
// by Ordnance Survey (arc) and Snyder, "Map Projections", equation 3-26 (foot).
func newTransverseMercator(e ellipsoid, f0, lat0, lon0, e0, n0 float64) *transverseMercator {
	t := &transverseMercator{ellipsoid: e, f0: f0, lat0: lat0 * radians, lon0: lon0 * radians, e0: e0, n0: n0}
	b := math.Sqrt(1 - e.e2)
	n := (1 - b) / (1 + b)
	n2, n3, n4 := n*n, n*n*n, n*n*n*n
	rectifying := e.a * f0 / (1 + n) * (1 + n2/4 + n4/64)
	t.meridian = [4]float64{
		rectifying,
		e.a * f0 / (1 + n) * (-3.0/2*n + 3.0/16*n3),
		e.a * f0 / (1 + n) * (15.0/16*n2 - 15.0/64*n4),
		e.a * f0 / (1 + n) * (-35.0 / 48 * n3),
	}
	t.foot = [4]float64{3.0/2*n - 27.0/32*n3, 21.0/16*n2 - 55.0/32*n4, 151.0 / 96 * n3, 1097.0 / 512 * n4}
	t.arc0 = t.arc(t.lat0)
	return t
}

// series sums c[0] sin 2x + c[1] sin 4x + …, by multiples of one sine and cosine.
func series(x float64, c []float64) float64 {
	sin2, cos2 := math.Sincos(2 * x)
	sum, previous, sin := 0.0, 0.0, sin2
	for _, k := range c {
		sum += k * sin
		previous, sin = sin, 2*cos2*sin-previous
	}
	return sum
}

func (t *transverseMercator) arc(lat float64) float64 {
	return t.meridian[0]*lat + series(lat, t.meridian[1:])
}

// forward projects latitude and longitude in radians to eastings and northings,
// by the series of the Ordnance Survey guide, annexe C.1.
func (t *transverseMercator) forward(lat, lon float64) (e, n float64) {
	sin, cos := math.Sincos(lat)
	w := 1 - t.e2*sin*sin
	nu := t.a * t.f0 / math.Sqrt(w)
	eta2 := w/(1-t.e2) - 1 // ν/ρ - 1
	tan2 := sin * sin / (cos * cos)
	c2 := cos * cos
	l := lon - t.lon0
	l2 := l * l
	n = t.n0 + t.arc(lat) - t.arc0 + l2*nu*sin*cos*(1.0/2+
		l2*c2*((5-tan2+9*eta2)/24+l2*c2*(61-58*tan2+tan2*tan2)/720))
	e = t.e0 + l*nu*cos*(1+l2*c2*((1+eta2-tan2)/6+
		l2*c2*(5-18*tan2+tan2*tan2+14*eta2-58*tan2*eta2)/120))
	return e, n
}

// inverse is the reverse of forward, by annexe C.2.
func (t *transverseMercator) inverse(e, n float64) (lat, lon float64) {
	mu := (n - t.n0 + t.arc0) / t.meridian[0]
	foot := mu + series(mu, t.foot[:])
	sin, cos := math.Sincos(foot)
	w := 1 - t.e2*sin*sin
	nu := t.a * t.f0 / math.Sqrt(w)
	ratio := w / (1 - t.e2) // ν/ρ
	eta2 := ratio - 1
	tan := sin / cos
	tan2 := tan * tan
	x := (e - t.e0) / nu
	x2 := x * x
	lat = foot - tan*ratio*x2*(1.0/2-x2*((5+3*tan2+eta2-9*tan2*eta2)/24-x2*(61+90*tan2+45*tan2*tan2)/720))
	lon = t.lon0 + x/cos*(1-x2*((ratio+2*tan2)/6-x2*((5+28*tan2+24*tan2*tan2)/120-
		x2*(61+662*tan2+1320*tan2*tan2+720*tan2*tan2*tan2)/5040)))
	return lat, lon
}

var nationalGrid = newTransverseMercator(airy1830, 0.9996012717, 49, -2, 400000, -100000)

// FromWebMercator converts the coordinates of web maps (EPSG:3857), in metres, to
// WGS84.
func FromWebMercator(x, y float64) Point {
	return Point{Lon: x / wgs84A / radians, Lat: math.Atan(math.Sinh(y/wgs84A)) / radians}
}

// FromBNG converts eastings and northings of the British National Grid
// (EPSG:27700), in metres, to WGS84. The change of datum is Ordnance Survey's
// seven-parameter Helmert transformation, so the answer is within 5 m of the
// definitive one (OSTN15) everywhere in Great Britain, and within 1.7 m on
// average. A shift grid, should one be at hand, would take the place of the two
// calls between the projections here and in [ToBNG].
func FromBNG(easting, northing float64) Point {
	lat, lon := nationalGrid.inverse(easting, northing)
	lat, lon = wgs84.geographic(osgb36ToWGS84.apply(airy1830.cartesian(lat, lon)))
	return Point{Lon: lon / radians, Lat: lat / radians}
}

// ToBNG converts a WGS84 point to eastings and northings of the British
// National Grid in metres, as accurately as [FromBNG], which it reverses to
// within two centimetres, on land to millimetres. It means nothing far from Great Britain.
func ToBNG(p Point) (easting, northing float64) {
	lat, lon := airy1830.geographic(osgb36ToWGS84.undo(wgs84.cartesian(p.Lat*radians, p.Lon*radians)))
	return nationalGrid.forward(lat, lon)
}

// GeometryFromBNG converts every position of a geometry from the British
// National Grid to WGS84, for feeds that publish outlines in it.
func GeometryFromBNG(g geom.T) (geom.T, error) {
	out, err := clean(g)
	if err != nil {
		return nil, err
	}
	flat := append([]float64(nil), out.FlatCoords()...)
	for i := 0; i+1 < len(flat); i += 2 {
		p := FromBNG(flat[i], flat[i+1])
		flat[i], flat[i+1] = p.Lon, p.Lat
	}
	switch g := out.(type) {
	case *geom.Point:
		return geom.NewPointFlat(geom.XY, flat), nil
	case *geom.MultiPoint:
		return geom.NewMultiPointFlat(geom.XY, flat), nil
	case *geom.Polygon:
		return geom.NewPolygonFlat(geom.XY, flat, g.Ends()), nil
	case *geom.MultiPolygon:
		return geom.NewMultiPolygonFlat(geom.XY, flat, g.Endss()), nil
	}
	return out, nil
}
