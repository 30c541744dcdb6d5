package geo

import "math"

// WGS84 semi-major axis in metres and first eccentricity squared.
const (
	wgs84A  = 6378137.0
	wgs84F  = 1 / 298.257223563
	wgs84E2 = wgs84F * (2 - wgs84F)

	radians = math.Pi / 180
)

// A Point is a place on WGS84: degrees east, then degrees north.
type Point struct{ Lon, Lat float64 }

// metresPerDegree gives the length in metres of one degree of longitude and of
// latitude at a latitude in degrees, from the WGS84 radii of curvature
// N = a/√w and M = a(1-e²)/w√w, where w = 1 - e² sin²φ.
func metresPerDegree(lat float64) (perLon, perLat float64) {
	sin, cos := math.Sincos(lat * radians)
	w := 1 - wgs84E2*sin*sin
	n := wgs84A / math.Sqrt(w)
	return radians * n * cos, radians * n * (1 - wgs84E2) / w
}

// Distance is the distance between two points in metres, by the mid-latitude
// formula: the flat triangle whose sides are measured with the radii of WGS84
// at the mean latitude. In the United Kingdom it is within 4 mm of the geodesic
// at 10 km and within half a metre at 50 km.
func Distance(a, b Point) float64 {
	perLon, perLat := metresPerDegree((a.Lat + b.Lat) / 2)
	x, y := (b.Lon-a.Lon)*perLon, (b.Lat-a.Lat)*perLat
	return math.Sqrt(x*x + y*y)
}

// Bearing is the direction of one point from another in degrees clockwise from
// north, at least 0 and less than 360, in the flat triangle of [Distance]. The
// bearing of a point from itself is 0.
func Bearing(from, to Point) float64 {
	perLon, perLat := metresPerDegree((from.Lat + to.Lat) / 2)
	deg := math.Atan2((to.Lon-from.Lon)*perLon, (to.Lat-from.Lat)*perLat) / radians
	if deg < 0 {
		deg += 360
	}
	if deg >= 360 { // a tiny negative angle rounds up to a full turn
		deg = 0
	}
	return deg
}

var compass = [8]string{"north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"}

// Compass names the nearest of the eight points of the compass to a bearing in
// degrees: "north", "north-east" and so on. Halfway goes clockwise.
func Compass(bearing float64) string {
	eighth := math.Mod(math.Floor(bearing/45+0.5), 8)
	if !(eighth >= 0) { // negative, or no number at all
		eighth += 8
	}
	if !(eighth >= 0 && eighth < 8) {
		eighth = 0
	}
	return compass[int(eighth)]
}
