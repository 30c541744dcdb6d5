package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/geo"
)

// This file knows which authorities have applications where, without counting a
// crowded cell for every page that asks.

// A presence says in which of 16 by 16 squares of a cell, about 350 m wide, an
// authority has applications.
type presence [4]uint64

const presenceSide = 16

// How long what is known of a cell is believed: what moves or is hidden shows later,
// what is new at once. And of how many new applications at most it is brought up to
// date instead of counted anew.
const (
	presenceFor  = 10 * time.Minute
	presenceMost = 5_000
	presentCells = 20_000 // remembered at most; the country has about as many
)

// present is what is known of each cell.
type present struct {
	mu    sync.Mutex
	cells map[int64]*cellPresence
}

type cellPresence struct {
	last  int64     // id up to which applications are in it
	until time.Time // of the stopwatch, not of the day
	of    map[string]presence
}

// AuthoritiesNear returns the slugs of the authorities with applications in the box
// around a circle, or within a few hundred metres of it.
func (s *Store) AuthoritiesNear(ctx context.Context, centre geo.Point, radius float64) ([]string, error) {
	box := geo.CircleBox(centre, radius)
	found := map[string]bool{}
	var last int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM application`).Scan(&last); err != nil {
		return nil, fmt.Errorf("look for the authorities around a place: %w", err)
	}
	for _, cell := range cellsOf(box) {
		of, err := s.presentIn(ctx, cell, last)
		if err != nil {
			return nil, fmt.Errorf("look for the authorities around a place: %w", err)
		}
		for slug, p := range of {
			if !found[slug] && p.touches(cell, box) {
				found[slug] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// presentIn returns which authorities have applications in a cell, up to the one with
// the id last. What it returns is never changed.
func (s *Store) presentIn(ctx context.Context, cell, last int64) (map[string]presence, error) {
	s.present.mu.Lock()
	known := s.present.cells[cell]
	s.present.mu.Unlock()
	from := int64(0)
	of := map[string]presence{}
	if known != nil && time.Now().Before(known.until) && last-known.last <= presenceMost {
		if last == known.last {
			return known.of, nil
		}
		from, of = known.last, maps.Clone(known.of)
	}
	query := `SELECT authority, lon, lat FROM application WHERE cell = $1 AND NOT hidden AND id <= $2`
	args := []any{cell, last}
	if from > 0 {
		query, args = query+` AND id > $3`, append(args, from)
	}
	if _, err := collect(ctx, s.read, func(rows *sql.Rows) (x struct{}, err error) {
		var slug string
		var at geo.Point
		if err = rows.Scan(&slug, &at.Lon, &at.Lat); err == nil {
			p := of[slug]
			p.add(cell, at)
			of[slug] = p
		}
		return x, err
	}, query, args...); err != nil {
		return nil, err
	}
	next := &cellPresence{last: last, until: time.Now().Add(presenceFor), of: of}
	if from > 0 {
		next.until = known.until
	}
	s.present.mu.Lock()
	defer s.present.mu.Unlock()
	if s.present.cells == nil || len(s.present.cells) >= presentCells {
		s.present.cells = map[int64]*cellPresence{}
	}
	s.present.cells[cell] = next
	return of, nil
}

// square is in which column and row of a cell's squares a place lies, or would.
func square(cell int64, at geo.Point) (column, row int) {
	south, west := cellCorner(cell)
	side := func(v float64) int { return min(max(int(v*presenceSide), 0), presenceSide-1) }
	return side((at.Lon - west) / cellLon), side((at.Lat - south) / cellLat)
}

func (p *presence) add(cell int64, at geo.Point) {
	column, row := square(cell, at)
	p[row/4] |= 1 << (row%4*presenceSide + column)
}

// touches reports whether one of the squares touches a box.
func (p *presence) touches(cell int64, box geo.Box) bool {
	west, south := square(cell, geo.Point{Lon: box.MinLon, Lat: box.MinLat})
	east, north := square(cell, geo.Point{Lon: box.MaxLon, Lat: box.MaxLat})
	for row := south; row <= north; row++ {
		for column := west; column <= east; column++ {
			if p[row/4]&(1<<(row%4*presenceSide+column)) != 0 {
				return true
			}
		}
	}
	return false
}
