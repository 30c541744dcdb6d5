package geo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
)

// Two squares side by side that share an arc.
const squares = `{"type":"Topology","transform":{"scale":[0.01,0.01],"translate":[-1,53]},
"objects":{"areas":{"type":"GeometryCollection","geometries":[
 {"type":"Polygon","id":"E1","properties":{"name":"West"},"arcs":[[0,1]]},
 {"type":"MultiPolygon","properties":{"code":"E2","name":"East"},"arcs":[[[-1,2]]]}]}},
"arcs":[[[1,0],[0,1]],[[1,1],[-1,0],[0,-1],[1,0]],[[1,0],[1,0],[0,1],[-1,0]]]}`

func TestTopologyGivesAreasThatShareArcs(t *testing.T) {
	features, err := geo.ReadFeatures(strings.NewReader(squares), "")
	if err != nil || len(features) != 2 {
		t.Fatal(features, err)
	}
	if features[0].Properties["id"] != "E1" || features[1].Properties["name"] != "East" {
		t.Errorf("%v", features)
	}
	for i, inside := range []geo.Point{{Lon: -0.995, Lat: 53.005}, {Lon: -0.985, Lat: 53.005}} {
		area, err := geo.Prepare(features[i].Geometry)
		if err != nil {
			t.Fatal(err)
		}
		other := geo.Point{Lon: -0.98 - inside.Lon - 1, Lat: inside.Lat}
		if !area.Intersects(geo.Geometry(inside)) || area.Intersects(geo.Geometry(other)) {
			t.Errorf("area %d: %v", i, features[i].Geometry.FlatCoords())
		}
	}
}

func TestFilesThatHoldNoAreasAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "no GeoJSON or TopoJSON",
		"<html>":             "no GeoJSON or TopoJSON",
		`{"type":"Feature"}`: "feature 1",
		`{"type":"Point"}`:   `"Point"`,
		`{"type":"FeatureCollection","features":[]}`:                                                                    "no features",
		`{"type":"Topology","objects":{"a":{},"b":{}},"arcs":[]}`:                                                       "[a b]",
		`{"type":"Topology","objects":{"a":{"type":"Polygon","arcs":[[7]]}},"arcs":[]}`:                                 "no arc 7",
		`{"type":"Topology","objects":{"a":{"type":"LineString","arcs":[0]}},"arcs":[[[0,0],[1,1]]]}`:                   "no area",
		`{"type":"Topology","objects":{"a":{"type":"Polygon","arcs":[[-9223372036854775808]]}},"arcs":[[[0,0],[1,1]]]}`: "no arc",
	} {
		if _, err := geo.ReadFeatures(strings.NewReader(text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestPublishedBoundariesAreRead(t *testing.T) {
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not here")
	}
	camdenTown := geo.Point{Lon: -0.1426, Lat: 51.5390}
	for _, c := range []struct {
		file     string
		features int
		property string
		value    string // of the one in which Camden Town lies
	}{
		{"london_boroughs.geojson", 33, "GSS_CODE", "E09000007"},
		{"uk_lads_2021.topojson", 374, "AREACD", "E09000007"},
		{"camden_wards_2013.geojson", 18, "WD13NM", "Camden Town with Primrose Hill"},
		{"camden_town_ward_2023.geojson", 1, "", ""},
		{"lewisham_wards_2022.geojson", 19, "", ""},
		{"southwark_conservation_areas.geojson", 53, "", ""},
	} {
		f, err := os.Open(filepath.Join(dir, "geo", "boundaries", c.file))
		if err != nil {
			t.Fatal(err)
		}
		features, err := geo.ReadFeatures(f, "")
		f.Close()
		if err != nil || len(features) != c.features {
			t.Errorf("%s: %d features (%v)", c.file, len(features), err)
			continue
		}
		var found []any
		crossing := 0 // of its outlines, the United Kingdom's generalised ones have some
		for _, feature := range features {
			area, err := geo.Prepare(feature.Geometry)
			if err != nil {
				crossing++
				continue
			}
			if area.Intersects(geo.Geometry(camdenTown)) && c.property != "" {
				found = append(found, feature.Properties[c.property])
			}
		}
		if crossing > c.features/50 {
			t.Errorf("%s: %d outlines cross themselves", c.file, crossing)
		}
		if c.property != "" && (len(found) != 1 || found[0] != c.value) {
			t.Errorf("%s: Camden Town lies in %v, want %s", c.file, found, c.value)
		}
	}
}

func FuzzReadFeatures(f *testing.F) {
	f.Add(squares)
	f.Add(`{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":1},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		features, err := geo.ReadFeatures(strings.NewReader(text), "")
		if err != nil {
			return
		}
		for _, feature := range features {
			if feature.Geometry == nil {
				t.Fatal("a feature without a geometry")
			}
		}
	})
}
