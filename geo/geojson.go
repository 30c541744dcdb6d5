package geo

import (
	"encoding/json"
	"errors"
	"fmt"

	geom "github.com/twpayne/go-geom"
	"github.com/twpayne/go-geom/encoding/geojson"
)

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
	g, err := decodeGeoJSON(b)
	if err != nil {
		return nil, fmt.Errorf("decode GeoJSON: %w", err)
	}
	return g, nil
}

func decodeGeoJSON(b []byte) (geom.T, error) {
	if len(b) == 0 {
		return nil, errEmpty
	}
	var object any
	if err := json.Unmarshal(b, &object); err != nil {
		return nil, err
	}
	return GeoJSON(object)
}

// GeoJSON is [DecodeGeoJSON] of what package encoding/json has decoded into an any,
// its numbers float64 or json.Number.
func GeoJSON(object any) (geom.T, error) {
	g, err := geoJSON(object, 0)
	if err == nil {
		g, err = clean(g)
	}
	return g, err
}

// geoJSON reads any object of RFC 7946, as far as this package knows them.
func geoJSON(value any, depth int) (geom.T, error) {
	object, ok := value.(map[string]any)
	switch {
	case value == nil:
		return nil, errEmpty
	case !ok:
		return nil, errors.New("it is not an object")
	case depth > 4:
		return nil, errors.New("collections are nested too deep")
	}
	kind, _ := object["type"].(string)
	var flat []float64
	var ends []int
	var endss [][]int
	var err error
	switch c := object["coordinates"]; kind {
	case "Point":
		if flat, err = position(flat, c); err == nil {
			return geom.NewPointFlat(geom.XY, flat), nil
		}
	case "MultiPoint":
		if flat, err = positions(flat, c); err == nil {
			return geom.NewMultiPointFlat(geom.XY, flat), nil
		}
	case "Polygon":
		if flat, ends, err = ringPositions(flat, c); err == nil {
			return geom.NewPolygonFlat(geom.XY, flat, ends), nil
		}
	case "MultiPolygon":
		var polygons []any
		polygons, err = members(c)
		for i := 0; i < len(polygons) && err == nil; i++ {
			flat, ends, err = ringPositions(flat, polygons[i])
			endss = append(endss, ends)
		}
		if err == nil {
			return geom.NewMultiPolygonFlat(geom.XY, flat, endss), nil
		}
	case "Feature":
		return geoJSON(object["geometry"], depth+1)
	case "GeometryCollection":
		return collect(object["geometries"], depth)
	case "FeatureCollection":
		return collect(object["features"], depth)
	case "LineString", "MultiLineString":
		return nil, fmt.Errorf("a %s cannot be a place: use a point or a polygon", kind)
	case "":
		return nil, errors.New(`there is no "type"`)
	default:
		return nil, fmt.Errorf("%.40q is not a type of GeoJSON", kind)
	}
	return nil, fmt.Errorf("the coordinates of a %s: %w", kind, err)
}

// members returns the members of a list; nothing at all is empty.
func members(value any) ([]any, error) {
	switch list := value.(type) {
	case nil:
		return nil, errEmpty
	case []any:
		return list, nil
	}
	return nil, errors.New("they are not the lists that they should be")
}

// position adds the X and Y of a position to flat. JSON's null is no number.
func position(flat []float64, value any) ([]float64, error) {
	list, err := members(value)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, errEmpty
	case len(list) < 2:
		return nil, errors.New("a position needs a longitude and a latitude")
	}
	for _, n := range list[:2] {
		switch n := n.(type) {
		case float64:
			flat = append(flat, n)
		case json.Number:
			v, err := n.Float64()
			if err != nil {
				return nil, fmt.Errorf("%.40q is not a number", n)
			}
			flat = append(flat, v)
		case nil:
			return nil, errors.New("a coordinate is null")
		default:
			return nil, errors.New("a coordinate is not a number")
		}
	}
	return flat, nil
}

func positions(flat []float64, value any) ([]float64, error) {
	list, err := members(value)
	for i := 0; i < len(list) && err == nil; i++ {
		flat, err = position(flat, list[i])
	}
	return flat, err
}

func ringPositions(flat []float64, value any) (_ []float64, ends []int, err error) {
	list, err := members(value)
	for i := 0; i < len(list) && err == nil; i++ {
		flat, err = positions(flat, list[i])
		ends = append(ends, len(flat))
	}
	return flat, ends, err
}

// collect gathers the members of a collection, passing over empty ones such as
// features without a geometry.
func collect(value any, depth int) (geom.T, error) {
	var polygons [][][]float64
	var points []float64
	list, err := members(value)
	if err != nil && !errors.Is(err, errEmpty) {
		return nil, err
	}
	for _, m := range list {
		g, err := geoJSON(m, depth+1)
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
