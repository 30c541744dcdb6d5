package geo_test

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
	geom "github.com/twpayne/go-geom"
	"pgregory.net/rapid"
)

func TestNationalGridCheckValues(t *testing.T) {
	for _, c := range []struct {
		name              string
		easting, northing float64
		lat, lon          float64 // by OSTN15
	}{
		{"N1C 4AG", 530144, 183285, 51.533481, -0.125043},
		{"NW1 8NH", 528913, 183946, 51.539703, -0.142539},
		{"SW1A 1AA", 529090, 179645, 51.501010, -0.141563},
		{"EH1 1YZ", 325597, 673676, 55.950328, -3.193018},
	} {
		want := geo.Point{Lon: c.lon, Lat: c.lat}
		if d := geo.Distance(geo.FromBNG(c.easting, c.northing), want); d > 5 {
			t.Errorf("%s is %.2f m off", c.name, d)
		}
		if e, n := geo.ToBNG(want); math.Hypot(e-c.easting, n-c.northing) > 5 {
			t.Errorf("%s is at %.1f, %.1f; want %v, %v", c.name, e, n, c.easting, c.northing)
		}
	}
	if d := geo.Distance(geo.FromBNG(0, 0), geo.Point{Lon: -7.55716, Lat: 49.766807}); d > 5 {
		t.Errorf("the false origin is %.1f m off", d)
	}
}

func TestNationalGridThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, n := rapid.Float64Range(0, 700e3).Draw(t, "easting"), rapid.Float64Range(0, 1250e3).Draw(t, "northing")
		if e2, n2 := geo.ToBNG(geo.FromBNG(e, n)); math.Hypot(e2-e, n2-n) > 0.02 {
			t.Fatalf("%v, %v comes back as %v, %v", e, n, e2, n2)
		}
	})
}

// TestNationalGridTestPoints uses Ordnance Survey's own points for OSTN15.
func TestNationalGridTestPoints(t *testing.T) {
	read := func(name string) map[string][]string {
		f, err := os.Open(shared(t, "ostn15", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := csv.NewReader(f)
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]string{}
		for _, row := range rows[1:] {
			out[row[0]] = row[1:]
		}
		return out
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	degrees, metres := read("OSTN15_OSGM15_TestInput_ETRStoOSGB.txt"), read("OSTN15_OSGM15_TestOutput_ETRStoOSGB.txt")
	sum, worst := 0.0, 0.0
	for id, d := range degrees {
		m := metres[id]
		p := geo.Point{Lat: number(d[0]), Lon: number(d[1])}
		e, n := geo.ToBNG(p)
		off := math.Hypot(e-number(m[0]), n-number(m[1]))
		back := geo.Distance(geo.FromBNG(number(m[0]), number(m[1])), p)
		if off > 5 || back > 5 {
			t.Errorf("%s is %.2f m off on the way there, %.2f m back", id, off, back)
		}
		sum, worst = sum+back, max(worst, back)
	}
	if len(degrees) != 40 || math.Abs(sum/40-1.94) > 0.02 || math.Abs(worst-4.93) > 0.02 {
		t.Errorf("%d points are %.2f m off on average, %.2f m at worst; a right Helmert has 1.94 and 4.93", len(degrees), sum/40, worst)
	}
}

func TestGeometryFromBNG(t *testing.T) {
	flat := []float64{528913, 183946, 529013, 183946, 529013, 184046, 528913, 183946}
	g, err := geo.GeometryFromBNG(geom.NewPolygonFlat(geom.XY, flat, []int{8}))
	if err != nil {
		t.Fatal(err)
	}
	if area := geo.Area(g); math.Abs(area-5000) > 10 {
		t.Errorf("a triangle of 5,000 m² has %v", area)
	}
	if flat[0] != 528913 {
		t.Error("the original was changed")
	}
}

func BenchmarkFromBNG(b *testing.B) {
	for b.Loop() {
		geo.FromBNG(528913, 183946)
	}
}
