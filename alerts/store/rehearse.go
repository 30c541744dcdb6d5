package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file is what a wish is tried out on before somebody signs up.

// CasesIn returns applications in an area or a little outside it, with their
// events: the newest of those listed on or after a day, at most limit, and whether
// there are more. Those of a ward without an imported boundary are looked for among
// the applications to the given authorities.
func (s *Store) CasesIn(ctx context.Context, area alerts.Area, authorities []string, since alerts.Date, limit int) (cases []alerts.CaseHistory, more bool, err error) {
	ids, err := s.caseIDs(ctx, area, authorities, since, limit+1)
	if err == nil {
		more = len(ids) > limit
		ids = ids[:min(len(ids), limit)]
		for some := range slices.Chunk(ids, 500) {
			var found []alerts.CaseHistory
			if found, err = s.cases(ctx, some); err != nil {
				break
			}
			cases = append(cases, found...)
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the cases of an area: %w", err)
	}
	return cases, more, nil
}

func (s *Store) caseIDs(ctx context.Context, area alerts.Area, authorities []string, since alerts.Date, limit int) ([]int64, error) {
	box, ok, err := area.Reach()
	if err != nil {
		return nil, err
	}
	switch area.Kind {
	case alerts.AreaWard:
		b, err := s.Boundary(ctx, alerts.BoundaryWard, area.Code)
		if err == nil {
			box, ok = geo.Bounds(b.Area), true
		} else if !errors.Is(err, alerts.ErrNotFound) {
			return nil, err
		}
	case alerts.AreaAuthority:
		authorities = []string{area.Code}
	}
	if !ok {
		return collect(ctx, s.read, scanInt, `SELECT id FROM application WHERE authority IN (SELECT value FROM json_each($1)) AND NOT hidden AND listed >= $2
			ORDER BY listed DESC, id DESC LIMIT $3`, list(authorities), since, limit)
	}
	found, err := s.inBox(ctx, box.Grow(edgeMargin), alerts.Cursor{}, since, "", limit)
	ids := make([]int64, len(found))
	for i, c := range found {
		ids[i] = c.id
	}
	return ids, err
}

// cases reads applications with their events.
func (s *Store) cases(ctx context.Context, ids []int64) ([]alerts.CaseHistory, error) {
	apps, err := s.applicationsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	events, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Event, err error) {
		err = scanEvent(rows, &e)
		return e, err
	}, `SELECT `+eventColumns+` FROM event e JOIN application a ON a.id = e.application_id
		WHERE e.application_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY e.id`, list(ids))
	if err != nil {
		return nil, err
	}
	of := map[int64][]alerts.Event{}
	for _, e := range events {
		of[e.ApplicationID] = append(of[e.ApplicationID], e)
	}
	out := make([]alerts.CaseHistory, 0, len(ids))
	for _, id := range ids {
		if app, ok := apps[id]; ok {
			out = append(out, alerts.CaseHistory{Application: app, Events: of[id]})
		}
	}
	return out, nil
}
