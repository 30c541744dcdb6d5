package geo_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
	geom "github.com/twpayne/go-geom"
)

func TestDecodeGeoJSON(t *testing.T) {
	const triangle = `[[[-0.1,51.5],[-0.09,51.5],[-0.09,51.51],[-0.1,51.5]]]`
	for _, c := range []struct{ name, in, want string }{
		{"point", `{"type":"Point","coordinates":[-0.1,51.5]}`, "POINT (-0.1 51.5)"},
		{"point with height", `{"type":"Point","coordinates":[-0.1,51.5,20]}`, "POINT (-0.1 51.5)"},
		{"multipoint", `{"type":"MultiPoint","coordinates":[[-0.1,51.5],[-0.2,51.5]]}`, "MULTIPOINT (-0.1 51.5, -0.2 51.5)"},
		{"polygon", `{"type":"Polygon","coordinates":` + triangle + `}`, "POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5))"},
		{"unclosed polygon", `{"type":"Polygon","coordinates":[[[-0.1,51.5],[-0.09,51.5],[-0.09,51.51]]]}`, "POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5))"},
		{"mixed dimensions", `{"type":"Polygon","coordinates":[[[-0.1,51.5,1],[-0.09,51.5],[-0.09,51.51,2],[-0.1,51.5]]]}`, "POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5))"},
		{"multipolygon", `{"type":"MultiPolygon","coordinates":[` + triangle + `]}`, "MULTIPOLYGON (((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5)))"},
		{"feature", `{"type":"Feature","properties":null,"geometry":{"type":"Point","coordinates":[-0.1,51.5]}}`, "POINT (-0.1 51.5)"},
		{"collection", `{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[-0.1,51.5]},{"type":"Polygon","coordinates":` + triangle + `}]}`, "POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5))"},
		{"features", `{"type":"FeatureCollection","features":[{"type":"Feature","geometry":null},{"type":"Feature","geometry":{"type":"Point","coordinates":[-0.1,51.5]}}]}`, "POINT (-0.1 51.5)"},
		{"grid references", `{"type":"Point","coordinates":[528913,183946]}`, "POINT (528913 183946)"},
	} {
		got, err := geo.DecodeGeoJSON([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if want := wkt(t, c.want); !reflect.DeepEqual(got.FlatCoords(), want.FlatCoords()) || reflect.TypeOf(got) != reflect.TypeOf(want) {
			t.Errorf("%s is %T %v, want %s", c.name, got, got.FlatCoords(), c.want)
		}
	}
}

func TestDecodeGeoJSONRefuses(t *testing.T) {
	for _, in := range []string{
		``, `null`, `[]`, `{}`, `"Point"`, `{"type":"Polygon"}`, `{"type":"Point","coordinates":[]}`,
		`{"type":"Point","coordinates":[null,51.5]}`, `{"type":"Point","coordinates":null}`, `{"type":"Point","coordinates":["-0.1","51.5"]}`,
		`{"type":"Point","coordinates":[-0.1]}`, `{"type":"Point","coordinates":[1e999,51.5]}`,
		`{"type":"LineString","coordinates":[[-0.1,51.5],[-0.2,51.5]]}`,
		`{"type":"Polygon","coordinates":[]}`, `{"type":"Polygon","coordinates":[[]]}`, `{"type":"Polygon","coordinates":[[[-0.1,51.5],[-0.1,51.6]]]}`,
		`{"type":"Feature","geometry":null}`, `{"type":"FeatureCollection","features":[]}`, `{"type":"GeometryCollection","geometries":[null]}`,
		`{"type":"Circle","coordinates":[-0.1,51.5]}`,
		strings.Repeat(`{"type":"GeometryCollection","geometries":[`, 50) + strings.Repeat(`]}`, 50),
	} {
		if g, err := geo.DecodeGeoJSON([]byte(in)); err == nil {
			t.Errorf("%s is read as %v", in, g)
		} else if !strings.HasPrefix(err.Error(), "decode GeoJSON: ") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestDecodeWKTRefuses(t *testing.T) {
	for _, in := range []string{"", "POINT", "POINT EMPTY", "POINT (1)", "LINESTRING (0 50, 1 51)", "POLYGON ((0 50, 1 51))", "SRID=27700;POINT (1 2)", "CIRCLE (1 2)",
		"GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (1 2)))"} {
		if g, err := geo.DecodeWKT(in); err == nil {
			t.Errorf("%q is read as %v", in, g)
		}
	}
	if p := wkt(t, " SRID=4326;POINT Z (-0.1 51.5 3)"); !reflect.DeepEqual(p.FlatCoords(), []float64{-0.1, 51.5}) {
		t.Errorf("a point with SRID and height is %v", p.FlatCoords())
	}
}

func TestWKBThereAndBack(t *testing.T) {
	for _, s := range []string{
		"POINT (-0.1 51.5)",
		"MULTIPOINT (-0.1 51.5, -0.2 51.6)",
		"POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5), (-0.098 51.502, -0.096 51.504, -0.096 51.502, -0.098 51.502))",
		"MULTIPOLYGON (((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5)), ((-0.2 51.5, -0.19 51.5, -0.19 51.51, -0.2 51.5)))",
		"MULTIPOLYGON (((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5)))",
	} {
		g := wkt(t, s)
		b, err := geo.EncodeWKB(g)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		got, err := geo.DecodeWKB(b)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		again, _ := geo.EncodeWKB(got)
		if !bytes.Equal(b, again) {
			t.Errorf("%s comes back as %v", s, got.FlatCoords())
		}
	}
	if _, err := geo.EncodeWKB(nil); err == nil {
		t.Error("nothing is encoded")
	}
}

func TestDecodeWKB(t *testing.T) {
	for _, c := range []struct{ name, hex, want string }{
		{"big-endian", "00000000013ff00000000000004000000000000000", "[1 2]"},
		{"with height", "01e9030000000000000000f03f00000000000000400000000000000840", "[1 2]"},
		{"short", "0101000000000000000000f03f", ""},
		{"empty", "", ""},
		{"not finite", "0101000000000000000000f87f0000000000000040", ""},
		{"infinitely many rings", "0103000000ffffffff", ""},
		{"infinitely many parts", "0106000000ffffffff", ""},
		{"infinitely many points", "010300000001000000ffffffff0000000000000000", ""},
		{"a line", "01020000000000000000", ""},
		{"bytes after the end", "0101000000000000000000f03f000000000000004000", ""},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		g, err := geo.DecodeWKB(b)
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v, %v", c.name, g, err)
		} else if err == nil && !reflect.DeepEqual(g.FlatCoords(), []float64{1, 2}) {
			t.Errorf("%s is %v, want %s", c.name, g.FlatCoords(), c.want)
		}
	}
}

// checkDecoded says what every decoder promises.
func checkDecoded(t *testing.T, g geom.T) {
	t.Helper()
	switch g.(type) {
	case *geom.Point, *geom.MultiPoint, *geom.Polygon, *geom.MultiPolygon:
	default:
		t.Fatalf("decoded a %T", g)
	}
	if len(g.FlatCoords()) == 0 || g.Stride() != 2 {
		t.Fatalf("decoded %v with %d values to a position", g.FlatCoords(), g.Stride())
	}
	for _, v := range g.FlatCoords() {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("decoded %v", v)
		}
	}
	geo.Centre(g)
	geo.Nearest(geo.Point{Lon: -0.1, Lat: 51.5}, g)
	if area, err := geo.ValidateArea(g); err == nil {
		if _, err := geo.Prepare(area); err != nil {
			t.Fatalf("a valid area cannot be prepared: %v", err)
		}
	}
	b, err := geo.EncodeWKB(g)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := geo.DecodeWKB(b); err != nil {
		t.Fatal(err)
	}
	if _, err := geo.EncodeGeoJSON(g); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecodeGeoJSON(f *testing.F) {
	f.Add([]byte(`{"type":"Point","coordinates":[-0.1,51.5]}`))
	f.Add([]byte(`{"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":[[[[-0.1,51.5],[-0.09,51.5],[-0.09,51.51],[-0.1,51.5]]]]}}`))
	f.Add([]byte(`{"type":"GeometryCollection","geometries":[{"type":"Polygon","coordinates":[[[-0.1,51.5,1],[-0.09,51.5],[-0.09,51.51]]]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := geo.DecodeGeoJSON(b); err == nil {
			checkDecoded(t, g)
		}
	})
}

func FuzzDecodeWKB(f *testing.F) {
	for _, s := range []string{"POINT (-0.1 51.5)", "MULTIPOINT (-0.1 51.5, -0.2 51.6)", "POLYGON ((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5))",
		"MULTIPOLYGON (((-0.1 51.5, -0.09 51.5, -0.09 51.51, -0.1 51.5)), ((-0.2 51.5, -0.19 51.5, -0.19 51.51, -0.2 51.5)))"} {
		b, err := geo.EncodeWKB(wkt(f, s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := geo.DecodeWKB(b); err == nil {
			checkDecoded(t, g)
		}
	})
}

func FuzzDecodeWKT(f *testing.F) {
	f.Add("POINT (-0.1 51.5)")
	f.Add("SRID=4326;MULTIPOLYGON Z (((-0.1 51.5 1, -0.09 51.5 1, -0.09 51.51 1, -0.1 51.5 1)))")
	f.Fuzz(func(t *testing.T, s string) {
		if g, err := geo.DecodeWKT(s); err == nil {
			checkDecoded(t, g)
		}
	})
}
