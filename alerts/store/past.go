package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// pastWithin is how far from a site, in metres, other applications on it are looked
// for. Councils plot one address at slightly different places.
const pastWithin = 60

// mostPast is of how many cases of one mail the past is looked up: those shown in
// full.
const mostPast = 40

// tile is the side of the squares, in degrees, by which the sites of a batch are
// found again; a little more than the usual box.
const tile = 0.002

// OnSite returns the other applications on the site of one, the newest first.
func (s *Store) OnSite(ctx context.Context, app *alerts.Application) ([]alerts.Application, error) {
	past := alerts.Past{}
	one := []alerts.Composition{{Bulletin: alerts.Bulletin{Cases: []alerts.CaseNews{{ApplicationID: app.ID, Authority: app.Authority, Details: &app.Details}}}}}
	others, err := []alerts.Application(nil), s.addPast(ctx, s.read, one, past)
	if found := past[app.ID]; err == nil && len(found) > 0 {
		ids := make([]int64, len(found))
		for i, p := range found {
			ids[i] = p.ID
		}
		others, err = collect(ctx, s.read, scanApplication, `SELECT `+applicationColumns+` FROM application WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND NOT hidden ORDER BY listed DESC, id DESC`, list(ids))
	}
	if err != nil {
		return nil, fmt.Errorf("look for other applications on the site of %s %s: %w", app.Authority, app.Reference, err)
	}
	return others, nil
}

// addPast adds to the cases that are about to be told what else has been applied for
// on their sites. What past holds already is not looked up again: in a pass, many
// people are told of the same cases.
func (s *Store) addPast(ctx context.Context, tx querier, compositions []alerts.Composition, past alerts.Past) error {
	type wanted struct {
		*alerts.CaseNews
		property alerts.Property
		box      geo.Box
	}
	var asked []wanted
	tiles := map[[2]int][]int{}
	cells := map[int64]bool{}
	each := func(fn func(n *alerts.CaseNews) error) error {
		for i := range compositions {
			b := &compositions[i].Bulletin
			left := mostPast
			for _, cases := range [][]alerts.CaseNews{b.Reminders, b.Cases} {
				for j := range cases[:min(len(cases), left)] {
					if err := fn(&cases[j]); err != nil {
						return err
					}
				}
				left = max(left-len(cases), 0)
			}
		}
		return nil
	}
	err := each(func(n *alerts.CaseNews) error {
		if _, known := past[n.ApplicationID]; known || n.Correction || !n.Details.Site.Located() {
			return nil
		}
		past[n.ApplicationID] = nil
		box, err := n.Details.Site.Box()
		if err != nil {
			return err
		}
		box = box.Grow(pastWithin)
		for x := tileOf(box.MinLon); x <= tileOf(box.MaxLon); x++ {
			for y := tileOf(box.MinLat); y <= tileOf(box.MaxLat); y++ {
				tiles[[2]int{x, y}] = append(tiles[[2]int{x, y}], len(asked))
			}
		}
		for _, c := range cellsOf(box) {
			cells[c] = true
		}
		asked = append(asked, wanted{n, alerts.PropertyOf(n.Details), box})
		return nil
	})
	if err != nil {
		return err
	}
	if len(asked) > 0 {
		all := asked[0].box
		for _, w := range asked {
			all = all.Union(w.box)
		}
		keys := make([]int64, 0, len(cells))
		for c := range cells {
			keys = append(keys, c)
		}
		found := map[int64][]int{} // applications, and for which cases
		_, err := collect(ctx, tx, func(rows *sql.Rows) (x struct{}, err error) {
			var id int64
			var at geo.Point
			var authority string
			if err := rows.Scan(&id, &authority, &at.Lon, &at.Lat); err != nil {
				return x, err
			}
			for _, i := range tiles[[2]int{tileOf(at.Lon), tileOf(at.Lat)}] {
				if w := asked[i]; w.ApplicationID != id && w.Authority == authority && w.box.Contains(at) {
					found[id] = append(found[id], i)
				}
			}
			return x, nil
		}, `SELECT id, authority, lon, lat FROM application WHERE cell IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND NOT hidden
			AND lon BETWEEN $2 AND $3 AND lat BETWEEN $4 AND $5`, list(keys), all.MinLon, all.MaxLon, all.MinLat, all.MaxLat)
		if err != nil {
			return err
		}
		ids := make([]int64, 0, len(found))
		for id := range found {
			ids = append(ids, id)
		}
		if len(ids) > 0 {
			if _, err := collect(ctx, tx, func(rows *sql.Rows) (x struct{}, err error) {
				a, err := scanApplication(rows)
				if err != nil {
					return x, err
				}
				property := alerts.PropertyOf(&a.Details)
				for _, i := range found[a.ID] {
					if w := asked[i]; w.property.SameSite(property) {
						past[w.ApplicationID] = append(past[w.ApplicationID], alerts.PastCase{ID: a.ID, Ending: alerts.EndingOf(&a.Details)})
					}
				}
				return x, nil
			}, `SELECT `+applicationColumns+` FROM application WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND NOT hidden ORDER BY id`, list(ids)); err != nil {
				return err
			}
		}
	}
	return each(func(n *alerts.CaseNews) error {
		n.Past = past[n.ApplicationID]
		return nil
	})
}

func tileOf(degrees float64) int { return int(math.Floor(degrees / tile)) }
