package geo_test

import (
	"math"
	"slices"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
	"pgregory.net/rapid"
)

// anyBox draws boxes from points to the whole world, many with their edges on
// the edges of cells.
func anyBox(t *rapid.T, name string) geo.Box {
	coordinate := func(name string, low, high, cell float64) float64 {
		if rapid.Bool().Draw(t, name+" on edge") {
			return float64(rapid.IntRange(int(low/cell), int(high/cell)).Draw(t, name+" cell")) * cell
		}
		return rapid.Float64Range(low, high).Draw(t, name)
	}
	low, high := geo.Point{Lon: -9, Lat: 49}, geo.Point{Lon: 2.5, Lat: 61.5}
	if rapid.IntRange(0, 9).Draw(t, name+" far") == 0 {
		low, high = geo.Point{Lon: -180, Lat: -90}, geo.Point{Lon: 180, Lat: 90}
	}
	x, y := coordinate(name+" lon", low.Lon, high.Lon, 0.016), coordinate(name+" lat", low.Lat, high.Lat, 0.01)
	scale := rapid.SampledFrom([]float64{0, 0.001, 0.01, 0.05, 0.2, 1, 5, 30}).Draw(t, name+" size")
	w, h := rapid.Float64Range(0, 1).Draw(t, name+" width")*scale, rapid.Float64Range(0, 1).Draw(t, name+" height")*scale
	return geo.Box{MinLon: x, MinLat: y, MaxLon: x + w, MaxLat: y + h}
}

func share(a, b []geo.Cell) bool {
	return slices.ContainsFunc(a, func(c geo.Cell) bool { return slices.Contains(b, c) })
}

func TestIntersectingBoxesShareACell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyBox(t, "a")
		b := anyBox(t, "b")
		if rapid.Bool().Draw(t, "together") { // else they hardly ever meet
			dx := a.MinLon + rapid.Float64Range(0, 1).Draw(t, "dx")*(a.MaxLon-a.MinLon) - b.MaxLon
			dy := a.MinLat + rapid.Float64Range(0, 1).Draw(t, "dy")*(a.MaxLat-a.MinLat) - b.MaxLat
			b = geo.Box{MinLon: b.MinLon + dx, MinLat: b.MinLat + dy, MaxLon: b.MaxLon + dx, MaxLat: b.MaxLat + dy}
		}
		if a.Intersects(b) && !share(geo.Cover(a), geo.Keys(b)) {
			t.Fatalf("%+v and %+v meet, but not %v and %v", a, b, geo.Cover(a), geo.Keys(b))
		}
	})
}

func TestCoverIsSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		box := anyBox(t, "box")
		if n := len(geo.Cover(box)); n > 16 && (box.MaxLon-box.MinLon < 8 && box.MaxLat-box.MinLat < 5) {
			t.Fatalf("%+v has a cover of %d cells", box, n)
		}
		if n := len(geo.Keys(box)); n > 5000 {
			t.Fatalf("%+v has %d keys", box, n)
		}
	})
}

func TestCircleCovers(t *testing.T) {
	for _, radius := range []float64{200, 500, 1000, 2000, 5000, 10000} {
		total, most := 0, 0
		for i := range 1000 {
			p := geo.Point{Lon: -5 + 0.00611*float64(i), Lat: 50.1 + 0.00723*float64(i)}
			n := len(geo.Cover(geo.CircleBox(p, radius)))
			total, most = total+n, max(most, n)
		}
		t.Logf("a circle of %.0f m has %.1f cells on average, %d at most", radius, float64(total)/1000, most)
		if most > 8 {
			t.Errorf("a circle of %v m has %d cells", radius, most)
		}
	}
}

func TestCells(t *testing.T) {
	point := geo.Box{MinLon: -0.1425, MinLat: 51.5397, MaxLon: -0.1425, MaxLat: 51.5397}
	if got, want := geo.Cover(point), []geo.Cell{"c8:-9:5153", "o3:-1:161"}; !slices.Equal(got, want) {
		t.Errorf("the cover of a point is %v, want %v", got, want)
	}
	if got := geo.Keys(point); len(got) != 9 || got[8] != "c8:-9:5153" {
		t.Errorf("the keys of a point are %v, want nine", got)
	}
	for _, box := range []geo.Box{geo.Bounds(nil), {MinLon: math.NaN(), MaxLon: 1, MaxLat: 1}} {
		if geo.Cover(box) != nil || geo.Keys(box) != nil {
			t.Errorf("%+v has cells", box)
		}
	}
	world := geo.Box{MinLon: math.Inf(-1), MinLat: math.Inf(-1), MaxLon: math.Inf(1), MaxLat: math.Inf(1)}
	if n := len(geo.Keys(world)); n > 5000 {
		t.Errorf("the world has %d keys", n)
	}
	if !share(geo.Cover(point), geo.Keys(world)) || !share(geo.Cover(world), geo.Keys(point)) {
		t.Error("the world and a point share no cell")
	}
}

func BenchmarkCover(b *testing.B) {
	box := geo.CircleBox(geo.Point{Lon: -0.1425, Lat: 51.5397}, 1000)
	for b.Loop() {
		geo.Cover(box)
	}
}

func BenchmarkKeys(b *testing.B) {
	box := geo.CircleBox(geo.Point{Lon: -0.1425, Lat: 51.5397}, 100)
	for b.Loop() {
		geo.Keys(box)
	}
}
