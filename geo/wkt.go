package geo

import (
	"errors"
	"fmt"
	"strings"

	geom "github.com/twpayne/go-geom"
	"github.com/twpayne/go-geom/encoding/wkt"
)

// maxText is how many bytes of GeoJSON or well-known text are read: many times
// the largest authority boundary published, and a bound on what a hostile file
// can cost. Forms are capped lower, by who serves them.
const maxText = 16 << 20

// DecodeWKT reads well-known text, longitude first: POINT, MULTIPOINT, POLYGON,
// MULTIPOLYGON and a collection of them. A PostGIS prefix SRID=4326; is
// accepted. The answer is as of [DecodeGeoJSON].
func DecodeWKT(s string) (geom.T, error) {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(strings.ToUpper(s[:min(len(s), 10)]), "SRID="); ok {
		if !strings.HasPrefix(rest, "4326;") {
			return nil, errors.New("decode WKT: only SRID 4326 (longitude, latitude) can be read")
		}
		s = s[len("SRID=4326;"):]
	}
	if len(s) > maxText {
		return nil, errors.New("decode WKT: the text is longer than 16 MB")
	}
	if strings.Count(strings.ToUpper(s), "GEOMETRYCOLLECTION") > 1 {
		return nil, errors.New("decode WKT: a collection within a collection cannot be read")
	}
	g, err := wkt.Unmarshal(s)
	if err == nil {
		g, err = clean(g)
	}
	if err != nil {
		return nil, fmt.Errorf("decode WKT: %w", err)
	}
	return g, nil
}
