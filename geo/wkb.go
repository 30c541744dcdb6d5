package geo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	geom "github.com/twpayne/go-geom"
	"github.com/twpayne/go-geom/encoding/wkb"
)

// EncodeWKB is a geometry as little-endian ISO well-known binary, the form in
// which the database keeps geometries.
func EncodeWKB(g geom.T) ([]byte, error) {
	if g == nil {
		return nil, errors.New("encode WKB: no geometry")
	}
	b, err := wkb.Marshal(g, wkb.NDR)
	if err != nil {
		return nil, fmt.Errorf("encode WKB: %w", err)
	}
	return b, nil
}

// DecodeWKB reads ISO well-known binary of either byte order: a point,
// multipoint, polygon or multipolygon. As with all decoders here the answer has
// X and Y only, is finite, and its rings are closed.
//
// It does not use go-geom's reader, which recurses and makes room for as many
// elements as the bytes claim to hold: here a count is believed only as far as
// there are bytes left to fill it.
func DecodeWKB(b []byte) (geom.T, error) {
	r := wkbReader{rest: b}
	g, err := r.geometry()
	if err == nil && len(r.rest) > 0 {
		err = errors.New("there are bytes after the end of the geometry")
	}
	if err == nil {
		g, err = clean(g)
	}
	if err != nil {
		return nil, fmt.Errorf("decode WKB: %w", err)
	}
	return g, nil
}

// The geometry types of well-known binary that can be places.
const (
	wkbPoint        = 1
	wkbPolygon      = 3
	wkbMultiPoint   = 4
	wkbMultiPolygon = 6
)

var errShortWKB = errors.New("it ends in the middle of the geometry")

type wkbReader struct {
	rest  []byte
	order binary.ByteOrder
}

func (r *wkbReader) geometry() (geom.T, error) {
	kind, stride, err := r.header()
	if err != nil {
		return nil, err
	}
	switch kind {
	case wkbPoint:
		flat, err := r.positions(nil, 1, stride)
		return geom.NewPointFlat(geom.XY, flat), err
	case wkbPolygon:
		flat, ends, err := r.polygon(nil, stride)
		return geom.NewPolygonFlat(geom.XY, flat, ends), err
	case wkbMultiPoint:
		n, err := r.count(5 + 8*stride)
		var flat []float64
		for ; n > 0 && err == nil; n-- {
			if err = r.member(wkbPoint, &stride); err == nil {
				flat, err = r.positions(flat, 1, stride)
			}
		}
		return geom.NewMultiPointFlat(geom.XY, flat), err
	case wkbMultiPolygon:
		n, err := r.count(5 + 4)
		var flat []float64
		var endss [][]int
		for ; n > 0 && err == nil; n-- {
			if err = r.member(wkbPolygon, &stride); err == nil {
				var ends []int
				flat, ends, err = r.polygon(flat, stride)
				endss = append(endss, ends)
			}
		}
		return geom.NewMultiPolygonFlat(geom.XY, flat, endss), err
	}
	return nil, fmt.Errorf("type %d is neither point nor polygon", kind)
}

// header reads byte order and type; stride is the number of values to a position.
func (r *wkbReader) header() (kind, stride int, err error) {
	if len(r.rest) < 5 {
		return 0, 0, errShortWKB
	}
	switch r.rest[0] {
	case 0:
		r.order = binary.BigEndian
	case 1:
		r.order = binary.LittleEndian
	default:
		return 0, 0, errors.New("it does not begin with a byte order")
	}
	code := r.order.Uint32(r.rest[1:])
	r.rest = r.rest[5:]
	strides := [4]int{2, 3, 3, 4} // XY, XYZ, XYM, XYZM
	if code >= 4000 {
		return 0, 0, fmt.Errorf("type %d is not one of ISO well-known binary", code)
	}
	return int(code % 1000), strides[code/1000], nil
}

// member reads the header of a part, which must be of the wanted kind.
func (r *wkbReader) member(want int, stride *int) error {
	kind, s, err := r.header()
	if err == nil && kind != want {
		err = fmt.Errorf("a part is of type %d instead of %d", kind, want)
	}
	*stride = s
	return err
}

// count reads how many elements follow, each of at least size bytes.
func (r *wkbReader) count(size int) (int, error) {
	if len(r.rest) < 4 {
		return 0, errShortWKB
	}
	n := r.order.Uint32(r.rest)
	r.rest = r.rest[4:]
	if uint64(n)*uint64(size) > uint64(len(r.rest)) {
		return 0, errShortWKB
	}
	return int(n), nil
}

func (r *wkbReader) positions(flat []float64, n, stride int) ([]float64, error) {
	if len(r.rest) < n*stride*8 {
		return flat, errShortWKB
	}
	for ; n > 0; n-- {
		flat = append(flat, math.Float64frombits(r.order.Uint64(r.rest)), math.Float64frombits(r.order.Uint64(r.rest[8:])))
		r.rest = r.rest[stride*8:]
	}
	return flat, nil
}

// polygon appends the rings of one polygon to flat.
func (r *wkbReader) polygon(flat []float64, stride int) ([]float64, []int, error) {
	n, err := r.count(4)
	if err != nil {
		return flat, nil, err
	}
	ends := make([]int, 0, n)
	for ; n > 0; n-- {
		points, err := r.count(stride * 8)
		if err != nil {
			return flat, nil, err
		}
		if flat, err = r.positions(flat, points, stride); err != nil {
			return flat, nil, err
		}
		ends = append(ends, len(flat))
	}
	return flat, ends, nil
}
