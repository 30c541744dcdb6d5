package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	geom "github.com/twpayne/go-geom"
	"github.com/twpayne/go-geom/encoding/geojson"
)

// geoJSON is any GeoJSON object (RFC 7946), as far as this package reads it.
type geoJSON struct {
	Type        string          `json:"type"`
	Coordinates json.RawMessage `json:"coordinates"`
	Geometries  []*geoJSON      `json:"geometries"` // of a GeometryCollection
	Geometry    *geoJSON        `json:"geometry"`   // of a Feature
	Features    []*geoJSON      `json:"features"`   // of a FeatureCollection
}

// DecodeGeoJSON reads a GeoJSON geometry, Feature or FeatureCollection of
// points and polygons. The answer is a point, multipoint, polygon or
// multipolygon of finite X and Y, any further values dropped, with closed
// rings. Several geometries together become the multipolygon of their polygons
// or, if there are none, the multipoint of their points.
//
// Coordinates are not checked against any range, as some feeds write British
// National Grid into GeoJSON: ask [InUK], and see [GeometryFromBNG].
func DecodeGeoJSON(b []byte) (geom.T, error) {
	if len(b) > maxText {
		return nil, errors.New("decode GeoJSON: it is longer than 16 MB")
	}
	var object *geoJSON
	err := json.Unmarshal(b, &object)
	var g geom.T
	if err == nil {
		g, err = object.geom(0)
	}
	if err == nil {
		g, err = clean(g)
	}
	if err != nil {
		return nil, fmt.Errorf("decode GeoJSON: %w", err)
	}
	return g, nil
}

func (o *geoJSON) geom(depth int) (geom.T, error) {
	if o == nil {
		return nil, errEmpty
	}
	if depth > 4 {
		return nil, errors.New("collections are nested too deep")
	}
	switch o.Type {
	case "Point":
		var c []float64
		flat, err := o.flat(&c, func(flat []float64) ([]float64, error) { return position(flat, c) })
		if err != nil {
			return nil, err
		}
		return geom.NewPointFlat(geom.XY, flat), nil
	case "MultiPoint":
		var c [][]float64
		flat, err := o.flat(&c, func(flat []float64) ([]float64, error) { return positions(flat, c) })
		if err != nil {
			return nil, err
		}
		return geom.NewMultiPointFlat(geom.XY, flat), nil
	case "Polygon":
		var c [][][]float64
		var ends []int
		flat, err := o.flat(&c, func(flat []float64) (_ []float64, err error) {
			flat, ends, err = ringPositions(flat, c)
			return flat, err
		})
		if err != nil {
			return nil, err
		}
		return geom.NewPolygonFlat(geom.XY, flat, ends), nil
	case "MultiPolygon":
		var c [][][][]float64
		var endss [][]int
		flat, err := o.flat(&c, func(flat []float64) (_ []float64, err error) {
			for _, polygon := range c {
				var ends []int
				if flat, ends, err = ringPositions(flat, polygon); err != nil {
					return nil, err
				}
				endss = append(endss, ends)
			}
			return flat, nil
		})
		if err != nil {
			return nil, err
		}
		return geom.NewMultiPolygonFlat(geom.XY, flat, endss), nil
	case "Feature":
		return o.Geometry.geom(depth + 1)
	case "GeometryCollection":
		return collect(o.Geometries, depth)
	case "FeatureCollection":
		return collect(o.Features, depth)
	case "LineString", "MultiLineString":
		return nil, fmt.Errorf("a %s cannot be a place: use a point or a polygon", o.Type)
	case "":
		return nil, errors.New(`there is no "type"`)
	}
	return nil, fmt.Errorf("%.40q is not a type of GeoJSON", o.Type)
}

// flat decodes the coordinates into target, then lets read turn it into flat X
// and Y. JSON's null would pass as the number 0, so it is refused first.
func (o *geoJSON) flat(target any, read func([]float64) ([]float64, error)) ([]float64, error) {
	if len(o.Coordinates) == 0 {
		return nil, errEmpty
	}
	if bytes.Contains(o.Coordinates, []byte("null")) {
		return nil, errors.New("a coordinate is null")
	}
	if err := json.Unmarshal(o.Coordinates, target); err != nil {
		return nil, fmt.Errorf("the coordinates of a %s: %w", o.Type, err)
	}
	return read(nil)
}

func position(flat, c []float64) ([]float64, error) {
	if len(c) == 0 {
		return nil, errEmpty
	}
	if len(c) < 2 {
		return nil, errors.New("a position needs a longitude and a latitude")
	}
	return append(flat, c[0], c[1]), nil
}

func positions(flat []float64, c [][]float64) (_ []float64, err error) {
	for _, p := range c {
		if flat, err = position(flat, p); err != nil {
			return nil, err
		}
	}
	return flat, nil
}

func ringPositions(flat []float64, c [][][]float64) (_ []float64, ends []int, err error) {
	for _, ring := range c {
		if flat, err = positions(flat, ring); err != nil {
			return nil, nil, err
		}
		ends = append(ends, len(flat))
	}
	return flat, ends, nil
}

// collect gathers the members of a collection, passing over empty ones such as
// features without a geometry.
func collect(members []*geoJSON, depth int) (geom.T, error) {
	var polygons [][][]float64
	var points []float64
	for _, m := range members {
		g, err := m.geom(depth + 1)
		if err == nil {
			g, err = clean(g)
		}
		switch {
		case errors.Is(err, errEmpty):
		case err != nil:
			return nil, err
		default:
			if area := rings(g); area != nil {
				polygons = append(polygons, area...)
			} else {
				points = append(points, g.FlatCoords()...)
			}
		}
	}
	return together(polygons, points)
}

// EncodeGeoJSON is a geometry as a GeoJSON geometry object with coordinates
// rounded to six decimals, a tenth of a metre.
func EncodeGeoJSON(g geom.T) ([]byte, error) {
	if g == nil {
		return nil, errors.New("encode GeoJSON: no geometry")
	}
	b, err := geojson.Marshal(g, geojson.EncodeGeometryWithMaxDecimalDigits(6))
	if err != nil {
		return nil, fmt.Errorf("encode GeoJSON: %w", err)
	}
	return b, nil
}
