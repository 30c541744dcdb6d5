package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	geom "github.com/twpayne/go-geom"
)

// A Feature is a geometry with what is said of it.
type Feature struct {
	Properties map[string]any
	Geometry   geom.T
}

// MaxFeatures is the most bytes of a file of features.
const MaxFeatures = 256 << 20

// ReadFeatures reads a GeoJSON Feature or FeatureCollection, or an object of a
// TopoJSON topology (the only one, when object is empty), in longitude and
// latitude. Geometries are cleaned as by [DecodeGeoJSON].
func ReadFeatures(r io.Reader, object string) ([]Feature, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFeatures+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxFeatures {
		return nil, fmt.Errorf("the file is larger than %d MB", MaxFeatures>>20)
	}
	var head struct {
		Type     string
		Features []struct {
			ID         any
			Properties map[string]any
			Geometry   json.RawMessage
		}
		ID         any
		Properties map[string]any
		Geometry   json.RawMessage
		topology
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	dec.UseNumber() // codes may be numbers
	if err := dec.Decode(&head); err != nil {
		return nil, fmt.Errorf("the file is no GeoJSON or TopoJSON: %w", err)
	}
	var out []Feature
	add := func(id any, properties map[string]any, g geom.T, err error) error {
		if err == nil {
			g, err = clean(g)
		}
		if err != nil {
			return fmt.Errorf("feature %d: %w", len(out)+1, err)
		}
		out = append(out, Feature{withID(id, properties), g})
		return nil
	}
	switch head.Type {
	case "FeatureCollection":
		for _, f := range head.Features {
			g, err := decodeGeoJSON(f.Geometry)
			if err := add(f.ID, f.Properties, g, err); err != nil {
				return nil, err
			}
		}
	case "Feature":
		g, err := decodeGeoJSON(head.Geometry)
		if err := add(head.ID, head.Properties, g, err); err != nil {
			return nil, err
		}
	case "Topology":
		geometries, err := head.topology.object(object)
		if err != nil {
			return nil, err
		}
		for _, t := range geometries {
			g, err := head.topology.geom(t)
			if err := add(t.ID, t.Properties, g, err); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("the file holds a %q and no features: GeoJSON or TopoJSON is needed", head.Type)
	}
	if len(out) == 0 {
		return nil, errors.New("the file has no features")
	}
	return out, nil
}

// withID puts a feature's own id among its properties, unless one has that name.
func withID(id any, properties map[string]any) map[string]any {
	if id == nil || properties["id"] != nil {
		return properties
	}
	out := maps.Clone(properties)
	if out == nil {
		out = map[string]any{}
	}
	out["id"] = id
	return out
}

// A topology is TopoJSON: geometries made of arcs that neighbours share. Arcs are
// steps on a grid when there is a transform.
type topology struct {
	Arcs      [][][2]float64
	Transform *struct{ Scale, Translate [2]float64 }
	Objects   map[string]*topoGeometry

	placed [][]float64 // arcs in degrees
}

type topoGeometry struct {
	Type       string
	ID         any
	Properties map[string]any
	Geometries []*topoGeometry
	Arcs       json.RawMessage
}

// object returns the geometries of an object.
func (t *topology) object(name string) ([]*topoGeometry, error) {
	names := slices.Sorted(maps.Keys(t.Objects))
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	o := t.Objects[name]
	if o == nil {
		return nil, fmt.Errorf("name one of the objects of the topology: %v", names)
	}
	for _, arc := range t.Arcs {
		flat := make([]float64, 0, 2*len(arc))
		x, y := 0.0, 0.0
		for _, p := range arc {
			if t.Transform == nil {
				flat = append(flat, p[0], p[1])
				continue
			}
			x, y = x+p[0], y+p[1]
			flat = append(flat, x*t.Transform.Scale[0]+t.Transform.Translate[0], y*t.Transform.Scale[1]+t.Transform.Translate[1])
		}
		t.placed = append(t.placed, flat)
	}
	if o.Type == "GeometryCollection" {
		return o.Geometries, nil
	}
	return []*topoGeometry{o}, nil
}

func (t *topology) geom(g *topoGeometry) (geom.T, error) {
	if g == nil {
		return nil, errEmpty
	}
	var polygons [][][]int
	switch g.Type {
	case "Polygon":
		var rings [][]int
		if err := json.Unmarshal(g.Arcs, &rings); err != nil {
			return nil, err
		}
		polygons = [][][]int{rings}
	case "MultiPolygon":
		if err := json.Unmarshal(g.Arcs, &polygons); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a %q of a topology is no area", g.Type)
	}
	var out [][][]float64
	for _, rings := range polygons {
		var polygon [][]float64
		for _, arcs := range rings {
			ring, err := t.ring(arcs)
			if err != nil {
				return nil, err
			}
			polygon = append(polygon, ring)
		}
		if len(polygon) > 0 {
			out = append(out, polygon)
		}
	}
	if len(out) == 0 {
		return nil, errEmpty
	}
	return fromRings(out), nil
}

// ring joins arcs end to end; arc -1-n is arc n backwards.
func (t *topology) ring(arcs []int) (ring []float64, err error) {
	for _, i := range arcs {
		back := i < 0
		if back {
			i = ^i
		}
		if i >= len(t.placed) {
			return nil, fmt.Errorf("the topology has no arc %d", i)
		}
		arc := t.placed[i]
		for k := 0; k+1 < len(arc); k += 2 {
			at := k
			if back {
				at = len(arc) - 2 - k
			}
			if n := len(ring); k == 0 && n >= 2 { // the last point of the arc before
				continue
			}
			ring = append(ring, arc[at], arc[at+1])
		}
	}
	return ring, nil
}
