package geo_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
	geom "github.com/twpayne/go-geom"
	"pgregory.net/rapid"
)

func wkt(t testing.TB, s string) geom.T {
	t.Helper()
	g, err := geo.DecodeWKT(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return g
}

func TestValidateAreaRefuses(t *testing.T) {
	long := "POLYGON ((" + strings.Repeat("-0.1 51.5, -0.1001 51.5001, ", 3000) + "-0.1 51.5))"
	for _, c := range []struct {
		name, wkt, problem string
		at                 *geo.Point
	}{
		{"a point", "POINT (-0.1 51.5)", "not an area", nil},
		{"a bowtie", "POLYGON ((-0.10 51.50, -0.09 51.51, -0.09 51.50, -0.10 51.51, -0.10 51.50))", "crosses or touches itself", &geo.Point{Lon: -0.095, Lat: 51.505}},
		{"a figure of eight", "POLYGON ((-0.10 51.50, -0.09 51.50, -0.08 51.51, -0.07 51.50, -0.07 51.52, -0.08 51.51, -0.10 51.50))", "touches itself", &geo.Point{Lon: -0.08, Lat: 51.51}},
		{"a spike", "POLYGON ((-0.10 51.50, -0.09 51.50, -0.08 51.50, -0.09 51.50, -0.09 51.51, -0.10 51.50))", "touches itself", &geo.Point{Lon: -0.09, Lat: 51.50}},
		{"a hole outside", "POLYGON ((-0.10 51.50, -0.09 51.50, -0.09 51.51, -0.10 51.50), (-0.20 51.50, -0.19 51.50, -0.19 51.51, -0.20 51.50))", "hole must lie inside", nil},
		{"overlapping parts", "MULTIPOLYGON (((-0.10 51.50, -0.08 51.50, -0.08 51.52, -0.10 51.52, -0.10 51.50)), ((-0.09 51.51, -0.07 51.51, -0.07 51.53, -0.09 51.53, -0.09 51.51)))", "crosses", &geo.Point{Lon: -0.08, Lat: 51.51}},
		{"equal parts", "MULTIPOLYGON (((-0.10 51.50, -0.08 51.50, -0.08 51.52, -0.10 51.50)), ((-0.10 51.50, -0.08 51.50, -0.08 51.52, -0.10 51.50)))", "must not overlap", nil},
		{"swapped", "POLYGON ((51.50 -0.10, 51.50 -0.09, 51.51 -0.09, 51.50 -0.10))", "swapped", &geo.Point{Lon: 51.5, Lat: -0.1}},
		{"a grid", "POLYGON ((528913 183946, 529013 183946, 529013 184046, 528913 183946))", "British National Grid", &geo.Point{Lon: 528913, Lat: 183946}},
		{"Paris", "POLYGON ((2.3 48.8, 2.4 48.8, 2.4 48.9, 2.3 48.8))", "outside the United Kingdom", &geo.Point{Lon: 2.3, Lat: 48.8}},
		{"zero", "POLYGON ((0 0, 0.1 0, 0.1 0.1, 0 0))", "outside the United Kingdom", &geo.Point{}},
		{"a speck", "POLYGON ((-0.1 51.5, -0.09999 51.5, -0.09999 51.50001, -0.1 51.5))", "at least 100 m²", nil},
		{"nothing once rounded", "POLYGON ((-0.1 51.5, -0.0999999 51.5, -0.0999999 51.5000001, -0.1 51.5))", "fewer than three", &geo.Point{Lon: -0.1, Lat: 51.5}},
		{"a county", "POLYGON ((-1.0 51.0, -0.8 51.0, -0.6 51.0, -0.6 51.15, -0.6 51.3, -0.8 51.3, -1.0 51.3, -1.0 51.15, -1.0 51.0))", "at most 500 km²", nil},
		{"a long side", "POLYGON ((-1.0 51.0, -0.6 51.0, -0.6 51.01, -1.0 51.0))", "one side of the area is 28 km long", &geo.Point{Lon: -1, Lat: 51}},
		{"too many corners", long, "at most 5000", nil},
	} {
		_, err := geo.ValidateArea(wkt(t, c.wkt))
		var problem *geo.AreaError
		if !errors.As(err, &problem) {
			t.Errorf("%s: %v, want an AreaError", c.name, err)
			continue
		}
		if !strings.Contains(strings.ToLower(problem.Error()), strings.ToLower(c.problem)) {
			t.Errorf("%s: %q, want something about %q", c.name, problem.Error(), c.problem)
		}
		if c.at != nil && (problem.At == nil || math.Hypot(problem.At.Lon-c.at.Lon, problem.At.Lat-c.at.Lat) > 1e-6) {
			t.Errorf("%s: points at %v, want %v", c.name, problem.At, *c.at)
		}
	}
	if _, err := geo.ValidateArea(nil); err == nil {
		t.Error("no area at all is accepted")
	}
}

func TestValidateAreaTidies(t *testing.T) {
	// Clockwise, unclosed, too many decimals, a corner twice, a hole the wrong way.
	g := wkt(t, "POLYGON ((-0.10000004 51.5, -0.1 51.51, -0.09 51.51, -0.09 51.51, -0.09 51.5, -0.10000004 51.5), (-0.098 51.502, -0.096 51.502, -0.096 51.504, -0.098 51.502))")
	got, err := geo.ValidateArea(g)
	if err != nil {
		t.Fatal(err)
	}
	want := wkt(t, "POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.51, -0.1 51.5), (-0.098 51.502, -0.096 51.504, -0.096 51.502, -0.098 51.502))")
	a, _ := geo.EncodeGeoJSON(got)
	b, _ := geo.EncodeGeoJSON(want)
	if string(a) != string(b) {
		t.Errorf("tidied to %s, want %s", a, b)
	}
	again, err := geo.ValidateArea(got)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := geo.EncodeGeoJSON(again); string(c) != string(a) {
		t.Errorf("tidying twice gives %s", c)
	}
}

func TestAreaOfSquares(t *testing.T) {
	// One kilometre by one at 52° N: 1/111.262 by 1/68.677 degrees.
	const dLat, dLon = 0.5 / 111.262, 0.5 / 68.677
	square := func(f float64) []float64 {
		return []float64{-f * dLon, 52 - f*dLat, f * dLon, 52 - f*dLat, f * dLon, 52 + f*dLat, -f * dLon, 52 + f*dLat, -f * dLon, 52 - f*dLat}
	}
	g := geom.NewPolygonFlat(geom.XY, append(square(1), square(0.5)...), []int{10, 20})
	if got := geo.Area(g); math.Abs(got-750e3) > 750 {
		t.Errorf("a square kilometre with a hole of a quarter has %v m²", got)
	}
	if got := geo.Area(geo.Geometry(geo.Point{})); got != 0 {
		t.Errorf("a point has %v m²", got)
	}
}

// star draws a valid polygon around a centre: corners in order of bearing.
func star(t *rapid.T, name string, centre geo.Point, size float64) geom.T {
	n := rapid.IntRange(4, 12).Draw(t, name+" corners")
	var flat []float64
	for i := range n {
		q := away(centre, float64(i)*360/float64(n), size*rapid.Float64Range(0.2, 1).Draw(t, name+" arm"))
		flat = append(flat, q.Lon, q.Lat)
	}
	return geom.NewPolygonFlat(geom.XY, append(flat, flat[0], flat[1]), []int{len(flat) + 2})
}

func TestStarsAreValidAndTheirCentresInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := star(t, "area", geo.Point{Lon: -1, Lat: rapid.Float64Range(50, 60).Draw(t, "lat")}, 3000)
		tidy, err := geo.ValidateArea(g)
		if err != nil {
			t.Fatal(err)
		}
		if _, d := geo.Nearest(geo.Centre(tidy), tidy); d != 0 {
			t.Fatalf("the centre is %v m outside", d)
		}
	})
}

func TestPreparedAgreesWithNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		home := geo.Point{Lon: -1, Lat: rapid.Float64Range(50, 60).Draw(t, "lat")}
		g := star(t, "area", home, 2000)
		area, err := geo.Prepare(g)
		if err != nil {
			t.Fatal(err)
		}
		p := away(home, rapid.Float64Range(0, 360).Draw(t, "bearing"), rapid.Float64Range(0, 4000).Draw(t, "metres"))
		_, d := geo.Nearest(p, g)
		if got := area.Intersects(geo.Geometry(p)); got != (d == 0) && d > 1e-6 {
			t.Fatalf("intersects is %v, but the point is %v m away", got, d)
		}
		if got := area.DistanceM(geo.Geometry(p)); math.Abs(got-d) > 1e-6 {
			t.Fatalf("the point is %v m away, want %v", got, d)
		}
		site := star(t, "site", p, 50)
		dSite := area.DistanceM(site)
		if dSite > d+1e-3 || dSite < d-51 {
			t.Fatalf("the site is %v m away, its centre %v", dSite, d)
		}
		if area.Intersects(site) != (dSite == 0) {
			t.Fatalf("intersects is %v at %v m", area.Intersects(site), dSite)
		}
		if dSite > 0 {
			other, err := geo.Prepare(site)
			if err != nil {
				t.Fatal(err)
			}
			if back := other.DistanceM(g); math.Abs(back-dSite) > 0.01 {
				t.Fatalf("%v m there, %v m back", dSite, back)
			}
		}
	})
}

func TestPreparedTouching(t *testing.T) {
	area, err := geo.Prepare(wkt(t, "POLYGON ((-0.10 51.50, -0.08 51.50, -0.08 51.52, -0.10 51.52, -0.10 51.50), (-0.095 51.505, -0.085 51.505, -0.085 51.515, -0.095 51.515, -0.095 51.505))"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, wkt string
		want      bool
		metres    float64
	}{
		{"point on a corner", "POINT (-0.10 51.50)", true, 0},
		{"point on an edge", "POINT (-0.08 51.51)", true, 0},
		{"point in the hole", "POINT (-0.09 51.51)", false, 346.9},
		{"point on the hole's edge", "POINT (-0.085 51.51)", true, 0},
		{"square beside it", "POLYGON ((-0.08 51.50, -0.07 51.50, -0.07 51.52, -0.08 51.52, -0.08 51.50))", true, 0},
		{"square touching a corner", "POLYGON ((-0.08 51.52, -0.07 51.52, -0.07 51.53, -0.08 51.53, -0.08 51.52))", true, 0},
		{"square filling the hole", "POLYGON ((-0.095 51.505, -0.085 51.505, -0.085 51.515, -0.095 51.515, -0.095 51.505))", true, 0},
		{"square in the hole", "POLYGON ((-0.094 51.506, -0.086 51.506, -0.086 51.514, -0.094 51.514, -0.094 51.506))", false, 69.4},
		{"square around it", "POLYGON ((-0.2 51.4, 0 51.4, 0 51.6, -0.2 51.6, -0.2 51.4))", true, 0},
		{"bowtie across it", "POLYGON ((-0.11 51.49, -0.07 51.53, -0.07 51.49, -0.11 51.53, -0.11 51.49))", true, 0},
		{"elsewhere", "POINT (-0.07 51.51)", false, 694.1},
	} {
		g := wkt(t, c.wkt)
		if got := area.Intersects(g); got != c.want {
			t.Errorf("%s: intersects is %v", c.name, got)
		}
		if got := area.DistanceM(g); math.Abs(got-c.metres) > 0.5 {
			t.Errorf("%s is %v m away, want %v", c.name, got, c.metres)
		}
	}
	if area.Intersects(nil) || !math.IsInf(area.DistanceM(nil), 1) {
		t.Error("an area meets nothing at all")
	}
	if b := area.Bounds(); b != (geo.Box{MinLon: -0.10, MinLat: 51.50, MaxLon: -0.08, MaxLat: 51.52}) {
		t.Errorf("bounds are %+v", b)
	}
	if _, err := geo.Prepare(wkt(t, "POLYGON ((0 50, 1 51, 1 50, 0 51, 0 50))")); err == nil {
		t.Error("an invalid area is accepted")
	}
}

func TestBoroughsAreValidAreas(t *testing.T) {
	b, err := os.ReadFile(shared(t, "boundaries", "london_boroughs.geojson"))
	if err != nil {
		t.Fatal(err)
	}
	var collection struct{ Features []json.RawMessage }
	if err := json.Unmarshal(b, &collection); err != nil {
		t.Fatal(err)
	}
	for i, f := range collection.Features {
		g, err := geo.DecodeGeoJSON(f)
		if err != nil {
			t.Errorf("borough %d: %v", i, err)
			continue
		}
		if _, err := geo.ValidateArea(g); err != nil {
			t.Logf("borough %d: %v", i, err)
		}
		if km2 := geo.Area(g) / 1e6; km2 < 2 || km2 > 160 {
			t.Errorf("borough %d has %v km²", i, km2)
		}
		if _, err := geo.Prepare(g); err != nil {
			t.Errorf("borough %d: %v", i, err)
		}
	}
	if len(collection.Features) != 33 {
		t.Errorf("%d boroughs, want 33", len(collection.Features))
	}
}

func BenchmarkPreparedIntersects(b *testing.B) {
	var flat []float64
	for i := range 800 {
		sin, cos := math.Sincos(float64(i) * 2 * math.Pi / 800)
		r := 1 + 0.3*math.Sin(float64(i)/5)
		flat = append(flat, -0.1+0.03*r*cos, 51.5+0.02*r*sin)
	}
	area, err := geo.Prepare(geom.NewPolygonFlat(geom.XY, append(flat, flat[0], flat[1]), []int{len(flat) + 2}))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, wkt string }{
		{"point", "POINT (-0.12 51.51)"},
		{"site", "POLYGON ((-0.125 51.512, -0.1245 51.512, -0.1245 51.5125, -0.125 51.5125, -0.125 51.512))"},
	} {
		g := wkt(b, c.wkt)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				area.Intersects(g)
			}
		})
	}
}
