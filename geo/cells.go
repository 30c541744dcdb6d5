package geo

import (
	"math"
	"strconv"
)

// A Cell is the key of one cell of a grid over longitude and latitude, such as
// "c7:123:456" for level 7, column 123, row 456. Subscriptions are stored with
// the cells of [Cover]; an event asks for the cells of [Keys].
//
// Level 0 has cells of 4.096° by 2.56°, and each level halves both sides down
// to 0.016° by 0.01° at level 8, about 1.1 km square in England. A key with the
// letter "o" instead of "c" (overflow) names a cell of level 3 in a second list,
// which only very large events ask for.
type Cell string

const (
	finestLevel   = 8
	overflowLevel = 3 // 0.512° by 0.32°, about 35 km
	finestLon     = 0.016
	finestLat     = 0.01

	maxCover = 4  // cells of a cover
	maxKeys  = 64 // cells an event asks for at one level below overflowLevel
)

// The grid ends a little outside the United Kingdom. What lies beyond is put
// into the cells of its edge, so that answers stay right and keys stay few
// whatever box a feed may dream up.
var gridBox = Box{MinLon: -12.288, MinLat: 46.08, MaxLon: 6.144, MaxLat: 64}

// cellRange is the columns and rows of a box at one level, ends included.
type cellRange struct{ level, x0, y0, x1, y1 int }

func cellsAt(level int, b Box) cellRange {
	scale := float64(int(1) << (finestLevel - level))
	column := func(lon float64) int {
		return int(math.Floor(min(max(lon, gridBox.MinLon), gridBox.MaxLon) / (finestLon * scale)))
	}
	row := func(lat float64) int {
		return int(math.Floor(min(max(lat, gridBox.MinLat), gridBox.MaxLat) / (finestLat * scale)))
	}
	return cellRange{level, column(b.MinLon), row(b.MinLat), column(b.MaxLon), row(b.MaxLat)}
}

func (r cellRange) count() int { return (r.x1 - r.x0 + 1) * (r.y1 - r.y0 + 1) }

func (r cellRange) appendTo(cells []Cell, letter byte) []Cell {
	var text [32]byte
	for x := r.x0; x <= r.x1; x++ {
		for y := r.y0; y <= r.y1; y++ {
			key := append(text[:0], letter)
			key = strconv.AppendInt(key, int64(r.level), 10)
			key = strconv.AppendInt(append(key, ':'), int64(x), 10)
			key = strconv.AppendInt(append(key, ':'), int64(y), 10)
			cells = append(cells, Cell(key))
		}
	}
	return cells
}

// Cover is the list of cells to store for a subscription whose area lies in a
// box: the cells of the finest level at which at most four are needed, and for
// a small area the overflow cells it lies in, nearly always one. A circle of
// 200 m to 5 km typically has three or four cells in all, and no box has more
// than sixteen unless it is wider than the grid's coarsest level allows (larger
// than England). An empty box has none.
//
// Whenever two boxes a and b intersect, Cover(a) and Keys(b) have a cell in
// common. The reverse does not hold: sharing a cell makes a candidate, no more.
func Cover(b Box) []Cell {
	if b.Empty() {
		return nil
	}
	level := finestLevel
	cells := cellsAt(level, b)
	for level > 0 && cells.count() > maxCover {
		level--
		cells = cellsAt(level, b)
	}
	out := cells.appendTo(make([]Cell, 0, maxCover+2), 'c')
	if level > overflowLevel {
		out = cellsAt(overflowLevel, b).appendTo(out, 'o')
	}
	return out
}

// Keys is the list of cells an event asks for whose geometry, old or new, lies
// in a box already grown by its uncertainty: those that the box meets at every
// level, so nine for a point.
//
// Where a box meets more than 64 cells of a fine level (it is some 9 km across),
// those are not listed; it asks for the overflow cells it meets instead, each of
// which holds every small subscription thereabouts. So a whole county costs some
// hundred keys, the whole country some 2,000, and no box more than 5,000.
func Keys(b Box) []Cell {
	if b.Empty() {
		return nil
	}
	out := make([]Cell, 0, 16)
	overflow := false
	for level := 0; level <= finestLevel; level++ {
		cells := cellsAt(level, b)
		if level > overflowLevel && cells.count() > maxKeys {
			overflow = true
			break // finer levels need more still
		}
		out = cells.appendTo(out, 'c')
	}
	if overflow {
		out = cellsAt(overflowLevel, b).appendTo(out, 'o')
	}
	return out
}
