package store

import (
	"math"

	"github.com/sitenotice/sitenotice/geo"
)

// Lists of applications near a place are found by cells of a fixed grid, about
// 5.5 km each way in the United Kingdom: small enough that a street's circle
// reads little, large enough that one of 10 km needs few of them.
const cellLat, cellLon = 0.05, 0.08

// cellOf is the cell in which a point lies.
func cellOf(p geo.Point) int64 { return cellAt(cellRow(p.Lat), cellColumn(p.Lon)) }

func cellRow(lat float64) int64    { return int64(math.Floor(lat / cellLat)) }
func cellColumn(lon float64) int64 { return int64(math.Floor(lon / cellLon)) }

func cellAt(row, column int64) int64 { return row*10000 + column }

// cellCorner is the south-western corner of a cell.
func cellCorner(cell int64) (south, west float64) {
	row := (cell + 5000) / 10000 // columns west of Greenwich are negative
	return float64(row) * cellLat, float64(cell-row*10000) * cellLon
}

// cellsOf lists the cells that a box touches.
func cellsOf(b geo.Box) []int64 {
	cells := []int64{}
	for row := cellRow(b.MinLat); row <= cellRow(b.MaxLat); row++ {
		for column := cellColumn(b.MinLon); column <= cellColumn(b.MaxLon); column++ {
			cells = append(cells, cellAt(row, column))
		}
	}
	return cells
}
