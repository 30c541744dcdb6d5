package match

import (
	"math"

	"github.com/sitenotice/sitenotice/geo"
)

// A boxed is an event, by its place in the index, and a box in which it lies.
type boxed struct {
	box   geo.Box
	event int32
}

// A grid finds the boxes that meet another. It cuts the least rectangle around
// them into gridSide × gridSide cells and keeps for each cell the boxes that meet
// it, one row of cells after another, so that a search reads one piece of the list
// per row. With the thousands of small boxes of a pass it takes a fraction of the
// time of an R-tree (see docs/benchmarks.md).
type grid struct {
	bounds         geo.Box
	perLon, perLat float64 // cells per degree
	starts         []int32 // of each cell's boxes in list; one more at the end
	list           []boxed
	large          []boxed // that meet more than maxCells cells
}

const (
	gridSide = 512
	maxCells = 256
)

func newGrid(boxes []boxed) grid {
	g := grid{bounds: geo.Bounds(nil), starts: make([]int32, gridSide*gridSide+1)}
	for _, b := range boxes {
		g.bounds = g.bounds.Union(b.box)
	}
	if g.bounds.Empty() {
		return g
	}
	// A rectangle without width or height is one cell wide or high.
	g.perLon = gridSide / max(g.bounds.MaxLon-g.bounds.MinLon, 1e-9)
	g.perLat = gridSide / max(g.bounds.MaxLat-g.bounds.MinLat, 1e-9)
	var small []boxed
	for _, b := range boxes {
		if x0, y0, x1, y1 := g.cells(b.box); (x1-x0+1)*(y1-y0+1) > maxCells {
			g.large = append(g.large, b)
		} else {
			small = append(small, b)
			for y := y0; y <= y1; y++ {
				for x := x0; x <= x1; x++ {
					g.starts[y*gridSide+x]++
				}
			}
		}
	}
	sum := int32(0)
	for i, n := range g.starts {
		sum += n
		g.starts[i] = sum // for now the end of each cell
	}
	g.list = make([]boxed, sum)
	for _, b := range small {
		x0, y0, x1, y1 := g.cells(b.box)
		for y := y0; y <= y1; y++ {
			for x := x0; x <= x1; x++ {
				g.starts[y*gridSide+x]--
				g.list[g.starts[y*gridSide+x]] = b
			}
		}
	}
	return g
}

// cells returns the first and last column and row of the cells that a box meets.
// What lies beyond the bounds counts to the cells at their edge.
func (g *grid) cells(b geo.Box) (x0, y0, x1, y1 int) {
	cell := func(v, least, per float64) int {
		return int(min(max(math.Floor((v-least)*per), 0), gridSide-1))
	}
	return cell(b.MinLon, g.bounds.MinLon, g.perLon), cell(b.MinLat, g.bounds.MinLat, g.perLat),
		cell(b.MaxLon, g.bounds.MinLon, g.perLon), cell(b.MaxLat, g.bounds.MinLat, g.perLat)
}

// search appends the events of the boxes that meet b; an event may occur more
// than once.
func (g *grid) search(b geo.Box, found []int32) []int32 {
	if !b.Intersects(g.bounds) {
		return found
	}
	x0, y0, x1, y1 := g.cells(b)
	for y := y0; y <= y1; y++ {
		row := g.list[g.starts[y*gridSide+x0]:g.starts[y*gridSide+x1+1]]
		for i := range row {
			if e := &row[i]; e.box.MinLon <= b.MaxLon && b.MinLon <= e.box.MaxLon && e.box.MinLat <= b.MaxLat && b.MinLat <= e.box.MaxLat {
				found = append(found, e.event)
			}
		}
	}
	for i := range g.large {
		if g.large[i].box.Intersects(b) {
			found = append(found, g.large[i].event)
		}
	}
	return found
}
