package geo_test

import (
	"math"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/tidwall/geodesic"
	geom "github.com/twpayne/go-geom"
	"pgregory.net/rapid"
)

// somewhere draws a point between Scilly and Shetland.
func somewhere(t *rapid.T) geo.Point {
	return geo.Point{Lon: rapid.Float64Range(-8, 2).Draw(t, "lon"), Lat: rapid.Float64Range(49.9, 60.9).Draw(t, "lat")}
}

// away goes a distance in metres in a direction along the geodesic.
func away(p geo.Point, bearing, metres float64) (q geo.Point) {
	geodesic.WGS84.Direct(p.Lat, p.Lon, bearing, metres, &q.Lat, &q.Lon, nil)
	return q
}

// exact is the geodesic distance.
func exact(a, b geo.Point) (d float64) {
	geodesic.WGS84.Inverse(a.Lat, a.Lon, b.Lat, b.Lon, &d, nil, nil)
	return d
}

// tolerance is how far the mid-latitude formula may be off (GEO.md 5.3).
func tolerance(metres float64) float64 { return 0.001 + 5e-15*metres*metres*metres }

func TestDistanceAndBearingAgreeWithGeodesic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := somewhere(t)
		bearing := rapid.Float64Range(0, 359.99).Draw(t, "bearing")
		metres := rapid.Float64Range(0, 50e3).Draw(t, "metres")
		b := away(a, bearing, metres)
		if got := geo.Distance(a, b); math.Abs(got-metres) > tolerance(metres) {
			t.Errorf("distance is %v, want %v", got, metres)
		}
		if geo.Distance(a, b) != geo.Distance(b, a) {
			t.Errorf("the way back differs: %v and %v", geo.Distance(a, b), geo.Distance(b, a))
		}
		if off := math.Abs(math.Mod(geo.Bearing(a, b)-bearing+540, 360) - 180); metres > 1 && off > 1 {
			t.Errorf("bearing is %v, want %v", geo.Bearing(a, b), bearing)
		}
	})
}

func TestCompass(t *testing.T) {
	for _, c := range []struct {
		bearing float64
		want    string
	}{
		{0, "north"}, {22.4, "north"}, {22.5, "north-east"}, {45, "north-east"}, {90, "east"}, {135, "south-east"},
		{180, "south"}, {225, "south-west"}, {270, "west"}, {315, "north-west"}, {337.5, "north"}, {359.9, "north"},
		{360, "north"}, {-45, "north-west"}, {-1, "north"}, {725, "north"}, {math.NaN(), "north"}, {math.Inf(1), "north"},
	} {
		if got := geo.Compass(c.bearing); got != c.want {
			t.Errorf("Compass(%v) is %q, want %q", c.bearing, got, c.want)
		}
	}
}

func TestBearing(t *testing.T) {
	home := geo.Point{Lon: -0.14, Lat: 51.54}
	for _, c := range []struct {
		to   geo.Point
		want float64
	}{
		{home, 0},
		{geo.Point{Lon: -0.14, Lat: 51.55}, 0}, {geo.Point{Lon: -0.13, Lat: 51.54}, 90},
		{geo.Point{Lon: -0.14, Lat: 51.53}, 180}, {geo.Point{Lon: -0.15, Lat: 51.54}, 270},
	} {
		if got := geo.Bearing(home, c.to); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("bearing of %v is %v, want %v", c.to, got, c.want)
		}
	}
}

func TestGrownBoxHoldsAllWithinReach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somewhere(t)
		radius := rapid.Float64Range(0, 60e3).Draw(t, "radius")
		box := geo.CircleBox(p, radius)
		q := away(p, rapid.Float64Range(0, 360).Draw(t, "bearing"), radius)
		if geo.Distance(p, q) <= radius && !box.Contains(q) {
			t.Fatalf("%+v lacks %v, %v m from %v", box, q, geo.Distance(p, q), p)
		}
		if over := (box.MaxLat - box.MinLat) * 110574 / 2; over > radius*1.02+1 {
			t.Fatalf("a box of %v m for a radius of %v m", over, radius)
		}
	})
}

func TestBox(t *testing.T) {
	empty := geo.Bounds(nil)
	if !empty.Empty() || !empty.Grow(100).Empty() || empty.Intersects(geo.Box{MinLon: -180, MinLat: -90, MaxLon: 180, MaxLat: 90}) {
		t.Errorf("the empty box %+v meets something", empty)
	}
	a := geo.Box{MinLon: 0, MinLat: 50, MaxLon: 1, MaxLat: 51}
	if !a.Intersects(geo.Box{MinLon: 1, MinLat: 51, MaxLon: 2, MaxLat: 52}) {
		t.Error("boxes that touch at a corner do not meet")
	}
	if a.Intersects(geo.Box{MinLon: 1.000001, MinLat: 50, MaxLon: 2, MaxLat: 51}) {
		t.Error("boxes side by side meet")
	}
	if got := a.Grow(-5); got != a {
		t.Errorf("a negative distance makes %+v", got)
	}
	polar := geo.CircleBox(geo.Point{Lat: 89.99}, 5000)
	if polar.MaxLon-polar.MinLon < 360 {
		t.Errorf("a circle around the pole has %+v", polar)
	}
}

func TestInUK(t *testing.T) {
	for _, c := range []struct {
		name string
		p    geo.Point
		want bool
	}{
		{"Camden", geo.Point{Lon: -0.1425, Lat: 51.5397}, true},
		{"Unst", geo.Point{Lon: -0.85, Lat: 60.8}, true},
		{"Scilly", geo.Point{Lon: -6.3, Lat: 49.9}, true},
		{"Lowestoft", geo.Point{Lon: 1.76, Lat: 52.48}, true},
		{"Fermanagh", geo.Point{Lon: -8.1, Lat: 54.4}, true},
		{"zero, zero", geo.Point{}, false},
		{"zero, zero of the National Grid", geo.Point{Lon: -7.55716, Lat: 49.766807}, false},
		{"swapped", geo.Point{Lon: 51.5397, Lat: -0.1425}, false},
		{"a grid reference", geo.Point{Lon: 528913, Lat: 183946}, false},
		{"nothing", geo.Point{Lon: math.NaN(), Lat: math.NaN()}, false},
		{"Jersey", geo.Point{Lon: -2.1, Lat: 49.2}, false},
	} {
		if got := geo.InUK(c.p); got != c.want {
			t.Errorf("InUK of %s is %v", c.name, got)
		}
	}
}

// TestNearestAgreesWithGeodesic walks along every edge in small steps and
// measures each with the geodesic.
func TestNearestAgreesWithGeodesic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		centre := somewhere(t)
		size := rapid.SampledFrom([]float64{20, 300, 5000, 15000}).Draw(t, "size")
		n := rapid.IntRange(3, 8).Draw(t, "corners")
		var flat []float64
		for i := range n {
			q := away(centre, float64(i)*360/float64(n), size*rapid.Float64Range(0.2, 1).Draw(t, "arm"))
			flat = append(flat, q.Lon, q.Lat)
		}
		flat = append(flat, flat[0], flat[1])
		polygon := geom.NewPolygonFlat(geom.XY, flat, []int{len(flat)})
		p := away(centre, rapid.Float64Range(0, 360).Draw(t, "bearing"), rapid.Float64Range(0, 20e3).Draw(t, "metres"))
		q, d := geo.Nearest(p, polygon)
		if got := exact(p, q); math.Abs(got-d) > tolerance(d) {
			t.Fatalf("the nearest point is %v m away, not %v", got, d)
		}
		least := math.Inf(1)
		for i := 2; i < len(flat); i += 2 {
			for k := 0; k <= 200; k++ {
				f := float64(k) / 200
				least = min(least, exact(p, geo.Point{Lon: flat[i-2] + f*(flat[i]-flat[i-2]), Lat: flat[i-1] + f*(flat[i+1]-flat[i-1])}))
			}
		}
		if d > least+tolerance(least) {
			t.Fatalf("nearest is %v m away, but a point of an edge only %v", d, least)
		}
		if d == 0 && q != p {
			t.Fatalf("inside, the nearest point of %v is %v", p, q)
		}
	})
}

func TestNearest(t *testing.T) {
	const lon, lat = -0.14, 51.54
	at := func(dx, dy float64) geo.Point { return geo.Point{Lon: lon + dx/1000, Lat: lat + dy/1000} }
	square := func(dx, dy, size float64) []float64 {
		a, b := at(dx-size, dy-size), at(dx+size, dy+size)
		return []float64{a.Lon, a.Lat, b.Lon, a.Lat, b.Lon, b.Lat, a.Lon, b.Lat, a.Lon, a.Lat}
	}
	ring := geom.NewPolygonFlat(geom.XY, append(square(0, 0, 3), square(0, 0, 2)...), []int{10, 20})
	two := geom.NewMultiPolygonFlat(geom.XY, append(square(0, 0, 1), square(9, 0, 1)...), [][]int{{10}, {20}})
	for _, c := range []struct {
		name string
		from geo.Point
		g    geom.T
		want geo.Point
	}{
		{"a point", at(0, 0), geo.Geometry(at(1, 1)), at(1, 1)},
		{"the nearer of two points", at(0, 0), geom.NewMultiPointFlat(geom.XY, []float64{at(4, 0).Lon, at(4, 0).Lat, at(-2, 0).Lon, at(-2, 0).Lat}), at(-2, 0)},
		{"inside", at(2.5, 0), ring, at(2.5, 0)},
		{"on the outer edge", at(3, 0), ring, at(3, 0)},
		{"on the edge of the hole", at(2, 1), ring, at(2, 1)},
		{"in the hole", at(1.9, 0), ring, at(2, 0)},
		{"outside", at(5, 1), ring, at(3, 1)},
		{"beyond a corner", at(5, 5), ring, at(3, 3)},
		{"the second part", at(6, 0), two, at(8, 0)},
	} {
		got, d := geo.Nearest(c.from, c.g)
		if geo.Distance(got, c.want) > 0.01 || math.Abs(d-geo.Distance(c.from, c.want)) > 0.01 {
			t.Errorf("%s: nearest is %v, %v m away; want %v, %v m", c.name, got, d, c.want, geo.Distance(c.from, c.want))
		}
	}
	if _, d := geo.Nearest(at(0, 0), nil); !math.IsInf(d, 1) {
		t.Errorf("nothing at all is %v m away", d)
	}
}

func BenchmarkDistance(b *testing.B) {
	p, q := geo.Point{Lon: -0.14, Lat: 51.54}, geo.Point{Lon: -0.15, Lat: 51.55}
	for b.Loop() {
		geo.Distance(p, q)
	}
}
