package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is where a program begins: all open cases in an endpoint's areas as one
// moment of the event log left them, so that the webhooks of later events carry on
// from there.

// How many applications one statement looks at, and how many statements a page is
// worth; and how far a site's point may lie from the part of it that counts.
const (
	snapshotScan   = 1_000
	snapshotScans  = 10
	snapshotMargin = 2_000 // metres
)

// Snapshot returns up to limit open cases in an endpoint's areas, in the order of
// their ids, as they were after event cursor.AsOf; of a zero cursor, after the
// latest one, which the returned cursor names. Pages are asked for until the
// cursor's After is 0; a page may be short.
//
// No gap and no overlap: every event after AsOf that the endpoint wants comes as a
// webhook, since its areas were in force before; what webhooks tell of events up to
// AsOf is in the snapshot.
func (s *Store) Snapshot(ctx context.Context, endpoint int64, cursor alerts.SnapshotCursor, limit int) (cases []alerts.Application, next alerts.SnapshotCursor, err error) {
	cases, next, err = s.snapshot(ctx, endpoint, cursor, limit)
	if err != nil {
		return nil, next, fmt.Errorf("take a snapshot for endpoint %d: %w", endpoint, err)
	}
	return cases, next, nil
}

func (s *Store) snapshot(ctx context.Context, endpoint int64, cursor alerts.SnapshotCursor, limit int) (cases []alerts.Application, next alerts.SnapshotCursor, err error) {
	if !cursor.Begun {
		cursor.Begun = true
		if err := s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'event'`).Scan(&cursor.AsOf); err != nil {
			return nil, next, err
		}
	}
	subs, err := s.EndpointAreas(ctx, endpoint)
	if err != nil {
		return nil, next, err
	}
	grounds := make([]*alerts.Ground, len(subs))
	for i := range subs {
		if grounds[i], err = alerts.NewGround(&subs[i].Current.Area); err != nil {
			return nil, next, err
		}
	}
	for range snapshotScans {
		query, args, err := s.snapshotIDs(subs, cursor.After)
		if err != nil {
			return nil, next, err
		}
		ids, err := collect(ctx, s.read, scanInt, query, args...)
		if err != nil {
			return nil, next, err
		}
		apps, err := s.applicationsAsOf(ctx, ids, cursor.AsOf)
		if err != nil {
			return nil, next, err
		}
		for _, id := range ids {
			if app, known := apps[id]; known && app.IsOpen() {
				inside, err := insideAny(subs, grounds, &app)
				if err != nil {
					return nil, next, err
				}
				if inside && len(cases) == limit {
					return cases, cursor, nil
				}
				if inside {
					cases = append(cases, app)
				}
			}
			cursor.After = id
		}
		if len(ids) < snapshotScan {
			cursor.After = 0
			break
		}
	}
	return cases, cursor, nil
}

// snapshotIDs is a statement for the next applications, by id, that can lie in the
// areas: found by cell, by authority and by ward, each in its index.
func (s *Store) snapshotIDs(subs []alerts.Subscription, after int64) (query string, args []any, err error) {
	var parts []string
	part := func(where string, value any) {
		parts = append(parts, fmt.Sprintf(`SELECT id FROM application WHERE `+where+` AND id > $%d`, len(args)+1, len(args)+2))
		args = append(args, value, after)
	}
	var cells []int64
	for _, sub := range subs {
		a := sub.Current.Area
		switch a.Kind {
		case alerts.AreaWard:
			part(`ward = $%d`, a.Code)
		case alerts.AreaAuthority:
			part(`authority = $%d`, a.Code)
		default:
			box, ok, err := a.Reach()
			if err != nil {
				return "", nil, err
			}
			if ok {
				cells = append(cells, cellsOf(box.Grow(snapshotMargin))...)
			}
		}
	}
	if len(cells) > 0 || len(parts) == 0 {
		part(`cell IN (SELECT `+s.dialect.intValue+` FROM json_each($%d))`, list(cells))
	}
	return `SELECT id FROM (` + strings.Join(parts, " UNION ") + `) AS near ORDER BY id LIMIT ` + fmt.Sprint(snapshotScan), args, nil
}

// insideAny reports whether a case lies in one of the areas, and is of a sort that is
// wanted there.
func insideAny(subs []alerts.Subscription, grounds []*alerts.Ground, app *alerts.Application) (bool, error) {
	place, err := alerts.NewPlace(&app.Details)
	if err != nil {
		return false, err
	}
	for i := range subs {
		if !subs[i].Current.Filter.Fits(&app.Details) {
			continue
		}
		if inside, _ := grounds[i].Contains(place, app.Authority, app.IsMajor()); inside {
			return true, nil
		}
	}
	return false, nil
}

// applicationsAsOf returns applications as the events up to a number left them. One
// whose first event came later, or is held, is not among them.
func (s *Store) applicationsAsOf(ctx context.Context, ids []int64, asOf int64) (map[int64]alerts.Application, error) {
	apps, err := s.applicationsByID(ctx, ids)
	if err != nil || len(ids) == 0 {
		return apps, err
	}
	// Those of which something happened later, or is held, are rolled back to the last
	// event that counts.
	later, err := collect(ctx, s.read, scanInt, `SELECT DISTINCT application_id FROM event WHERE application_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))
		AND (seq > $2 OR state = 'held')`, list(ids), asOf)
	if err != nil || len(later) == 0 {
		return apps, err
	}
	type state struct {
		id      int64
		version int
		alerts.Details
	}
	states, err := collect(ctx, s.read, func(rows *sql.Rows) (st state, err error) {
		return st, rows.Scan(&st.id, &st.version, asJSON[alerts.Details]{&st.Details})
	}, `SELECT application_id, version, after FROM event WHERE application_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))
		AND (seq <= $2 OR state = 'silenced') ORDER BY version`, list(later), asOf)
	if err != nil {
		return nil, err
	}
	last := map[int64]state{}
	for _, st := range states {
		last[st.id] = st
	}
	for _, id := range later {
		app, shown := apps[id]
		st, known := last[id]
		switch {
		case !shown:
		case !known:
			delete(apps, id)
		default:
			app.Version, app.Details = st.version, st.Details
			apps[id] = app
		}
	}
	return apps, nil
}
