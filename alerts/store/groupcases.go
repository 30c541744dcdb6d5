package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the cases in a group's areas: listed, and what is new of them.

// listedOn is the day by which lists are ordered.
func listedOn(a *alerts.Application) alerts.Date {
	return cmp.Or(a.Received, alerts.DateOf(time.UnixMilli(a.FirstSeen)))
}

// before reports whether a place in a list comes before another, that is, is newer.
func before(a, b alerts.Cursor) bool {
	return a.Listed > b.Listed || a.Listed == b.Listed && a.ID > b.ID
}

// InAreas returns up to limit of the cases in any of the areas that a query asks
// for, the newest first, after the cursor; the query's own place is left aside. Each
// area's filter of kinds counts. The listing may be shorter although there are more.
func (s *Store) InAreas(ctx context.Context, areas []alerts.GroupArea, q alerts.Query, after alerts.Cursor, limit int) (alerts.Page, error) {
	var out alerts.Page
	var horizon alerts.Cursor // what lies beyond has not been looked at in every area
	seen := map[int64]bool{}
	for _, area := range areas {
		each := q
		each.Area, each.Authority = area.Area, area.Authority
		page, err := s.List(ctx, each, after, limit)
		if err != nil {
			return out, err
		}
		if page.Next.ID != 0 && (horizon.ID == 0 || before(page.Next, horizon)) {
			horizon = page.Next
		}
		for i := range page.Applications {
			a := &page.Applications[i]
			if !seen[a.ID] && area.Filter.Fits(&a.Details) {
				seen[a.ID] = true
				out.Applications = append(out.Applications, *a)
			}
		}
	}
	slices.SortFunc(out.Applications, func(a, b alerts.Application) int {
		return cmp.Or(cmp.Compare(listedOn(&b), listedOn(&a)), cmp.Compare(b.ID, a.ID))
	})
	place := func(i int) alerts.Cursor {
		return alerts.Cursor{Listed: listedOn(&out.Applications[i]), ID: out.Applications[i].ID}
	}
	for i := range out.Applications {
		if i == limit {
			out.Next, out.Applications = place(i-1), out.Applications[:i]
			return out, nil
		}
		if horizon.ID != 0 && before(horizon, place(i)) {
			out.Applications = out.Applications[:i]
			break
		}
	}
	out.Next = horizon
	return out, nil
}

// newsScan is how many events one statement looks at.
const newsScan = 5_000

// NewsIn returns the cases in any of the areas of which something happened at a
// moment or later, and what. Cases of a first import are no news.
func (s *Store) NewsIn(ctx context.Context, areas []alerts.GroupArea, since int64, limit int) ([]alerts.GroupCase, error) {
	cases, err := s.newsIn(ctx, areas, since, limit)
	if err != nil {
		return nil, fmt.Errorf("look for news in a group's areas: %w", err)
	}
	return cases, nil
}

func (s *Store) newsIn(ctx context.Context, areas []alerts.GroupArea, since int64, limit int) ([]alerts.GroupCase, error) {
	var cells []int64
	var authorities, wards []string
	grounds := make([]*alerts.Ground, len(areas))
	for i := range areas {
		a := areas[i].Area
		var err error
		if grounds[i], err = alerts.NewGround(&a); err != nil {
			return nil, err
		}
		switch a.Kind {
		case alerts.AreaAuthority:
			authorities = append(authorities, a.Code)
		case alerts.AreaWard:
			wards = append(wards, a.Code)
		default:
			box, _, err := a.Reach()
			if err != nil {
				return nil, err
			}
			cells = append(cells, cellsOf(box.Grow(edgeMargin))...)
		}
	}
	after, err := s.lastEventBefore(ctx, since)
	if err != nil {
		return nil, err
	}
	type news struct {
		id, application int64
		event           alerts.EventType
	}
	byCase := map[int64][]alerts.EventType{}
	var order []int64
	for {
		some, err := collect(ctx, s.read, func(rows *sql.Rows) (n news, err error) { return n, rows.Scan(&n.id, &n.application, &n.event) },
			`SELECT e.id, e.application_id, e.type FROM event e JOIN application a ON a.id = e.application_id
			WHERE e.id > $1 AND e.state = 'live' AND NOT a.hidden AND (a.cell IN (SELECT `+s.dialect.intValue+` FROM json_each($2)) OR a.authority IN (SELECT value FROM json_each($3))
				OR a.ward IN (SELECT value FROM json_each($4)))
			ORDER BY e.id LIMIT $5`, after, list(cells), list(authorities), list(wards), newsScan)
		if err != nil {
			return nil, err
		}
		for _, n := range some {
			after = n.id
			if byCase[n.application] == nil {
				order = append(order, n.application)
			}
			if !slices.Contains(byCase[n.application], n.event) {
				byCase[n.application] = append(byCase[n.application], n.event)
			}
		}
		if len(some) < newsScan {
			break
		}
	}
	var out []alerts.GroupCase
	for part := range slices.Chunk(order, 500) {
		apps, err := s.applicationsByID(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, id := range part {
			app, shown := apps[id]
			if !shown {
				continue
			}
			inside, err := inAny(areas, grounds, &app)
			if err != nil {
				return nil, err
			}
			if !inside {
				continue
			}
			slices.SortFunc(byCase[id], func(a, b alerts.EventType) int {
				return cmp.Compare(slices.Index(alerts.EventTypes, a), slices.Index(alerts.EventTypes, b))
			})
			if out = append(out, alerts.GroupCase{Application: app, News: byCase[id]}); len(out) == limit {
				return out, nil
			}
		}
	}
	return out, nil
}

// InGroup returns a case if it lies in one of the areas; alerts.ErrNotFound if not.
func (s *Store) InGroup(ctx context.Context, areas []alerts.GroupArea, application int64) (alerts.Application, error) {
	apps, err := s.applicationsByID(ctx, []int64{application})
	if err != nil {
		return alerts.Application{}, fmt.Errorf("read application %d: %w", application, err)
	}
	app, shown := apps[application]
	if !shown {
		return app, alerts.ErrNotFound
	}
	grounds := make([]*alerts.Ground, len(areas))
	for i := range areas {
		if grounds[i], err = alerts.NewGround(&areas[i].Area); err != nil {
			return app, err
		}
	}
	inside, err := inAny(areas, grounds, &app)
	if err == nil && !inside {
		err = alerts.ErrNotFound
	}
	return app, err
}

func inAny(areas []alerts.GroupArea, grounds []*alerts.Ground, app *alerts.Application) (bool, error) {
	for i := range areas {
		if !areas[i].Filter.Fits(&app.Details) {
			continue
		}
		if inside, err := contains(grounds[i], *app); err != nil || inside {
			return inside, err
		}
	}
	return false, nil
}

// lastEventBefore returns the id of the last event before a moment. Ids and times
// run alike, so that it is found by halving.
func (s *Store) lastEventBefore(ctx context.Context, at int64) (int64, error) {
	var low, high int64 // the answer is in [low, high]
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM event`).Scan(&high); err != nil {
		return 0, err
	}
	for low < high {
		middle := low + (high-low+1)/2
		var then int64
		err := one(s.read.QueryRowContext(ctx, `SELECT at FROM event WHERE id >= $1 ORDER BY id LIMIT 1`, middle).Scan(&then))
		if err != nil {
			return 0, err
		}
		if then < at {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, nil
}
