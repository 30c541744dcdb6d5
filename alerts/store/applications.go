package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file is what pages show of applications. Hidden ones are never in it.

// edgeMargin is how far outside a circle the representative point of a site may
// lie whose edge is still looked for.
const edgeMargin = 300

// Near returns up to limit applications in a circle, the newest first, that come
// after the cursor, and the cursor after the last of them; its ID is 0 when there
// are no more. A site counts by its edge, as in matching.
func (s *Store) Near(ctx context.Context, centre geo.Point, radius float64, after alerts.Cursor, limit int) ([]alerts.Application, alerts.Cursor, error) {
	l, err := s.List(ctx, alerts.Query{Area: alerts.Area{Kind: alerts.AreaCircle, Centre: centre, Radius: radius}}, after, limit)
	return l.Applications, l.Next, err
}

func contains(ground *alerts.Ground, app alerts.Application) (bool, error) {
	place, err := alerts.NewPlace(&app.Details)
	if err != nil {
		return false, err
	}
	inside, _ := ground.Contains(place, app.Authority, app.IsMajor())
	return inside, nil
}

// CountNear counts the applications in a circle that are listed on or after a day.
func (s *Store) CountNear(ctx context.Context, centre geo.Point, radius float64, since alerts.Date) (int, error) {
	n, _, err := s.Density(ctx, centre, radius, nil, since)
	return n, err
}

// plotted is how far a point that a council plotted may be from its site, in
// metres, as [alerts.DefaultUncertainty] has it.
const plotted = 10

// Density counts the applications in a circle that are listed on or after a day,
// and roughly, by their points alone, those within other distances from its centre.
func (s *Store) Density(ctx context.Context, centre geo.Point, radius float64, others []float64, since alerts.Date) (n int, within []alerts.Within, err error) {
	ground, err := alerts.NewGround(&alerts.Area{Kind: alerts.AreaCircle, Centre: centre, Radius: radius})
	if err != nil {
		return 0, nil, err
	}
	far := radius
	for _, r := range others {
		within = append(within, alerts.Within{Radius: r})
		far = max(far, r)
	}
	candidates, err := s.inBox(ctx, geo.CircleBox(centre, far+edgeMargin), alerts.Cursor{}, since, "", math.MaxInt32)
	if err != nil {
		return 0, nil, fmt.Errorf("count applications: %w", err)
	}
	var edge []int64 // inside or not by their edge or uncertainty
	for _, c := range candidates {
		d := geo.Distance(centre, c.at)
		switch {
		case d <= radius:
			n++
		case d <= radius+edgeMargin:
			edge = append(edge, c.id)
		}
		for i := range within {
			if d <= within[i].Radius+plotted {
				within[i].Count++
			}
		}
	}
	for some := range slices.Chunk(edge, 500) {
		apps, err := s.applicationsByID(ctx, some)
		if err != nil {
			return 0, nil, fmt.Errorf("count applications: %w", err)
		}
		for _, app := range apps {
			if inside, err := contains(ground, app); err != nil {
				return 0, nil, err
			} else if inside {
				n++
			}
		}
	}
	return n, within, nil
}

type candidate struct {
	id     int64
	listed alerts.Date
	at     geo.Point
}

// inBox returns the applications whose points lie in a box and that are listed
// within some days, the newest first. The index answers it without touching the rows.
//
// Few cells are asked one by one, each in the order of the index, so that no more of a
// crowded one is read than is listed; of several at once everything would be read and
// sorted.
func (s *Store) inBox(ctx context.Context, box geo.Box, after alerts.Cursor, since, to alerts.Date, limit int) ([]candidate, error) {
	scan := func(rows *sql.Rows) (c candidate, err error) {
		return c, rows.Scan(&c.id, &c.listed, &c.at.Lon, &c.at.Lat)
	}
	const query = `SELECT id, listed, lon, lat FROM application WHERE cell %s AND NOT hidden
		AND lon BETWEEN $2 AND $3 AND lat BETWEEN $4 AND $5 AND listed >= $6 AND listed <= $7 AND (listed, id) < ($8, $9)
		ORDER BY listed DESC, id DESC LIMIT $10`
	cells := cellsOf(box)
	if len(cells) > fewCells {
		return collect(ctx, s.read, scan, fmt.Sprintf(query, `IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`),
			list(cells), box.MinLon, box.MaxLon, box.MinLat, box.MaxLat, since, until(to), afterListed(after), afterID(after), limit)
	}
	var all []candidate
	for _, cell := range cells {
		some, err := collect(ctx, s.read, scan, fmt.Sprintf(query, `= $1`),
			cell, box.MinLon, box.MaxLon, box.MinLat, box.MaxLat, since, until(to), afterListed(after), afterID(after), limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.listed, a.listed), cmp.Compare(b.id, a.id)) })
	return all[:min(len(all), limit)], nil
}

// fewCells is how many cells are asked one by one; a circle of 4 km touches as many.
const fewCells = 12

// afterListed and afterID put the zero cursor before every application.
func afterListed(c alerts.Cursor) string {
	if c == (alerts.Cursor{}) {
		return "9999-99-99"
	}
	return string(c.Listed)
}

func afterID(c alerts.Cursor) int64 {
	if c == (alerts.Cursor{}) {
		return math.MaxInt64
	}
	return c.ID
}

const applicationColumns = `id, authority, reference, version, hidden, first_seen, updated_at, details`

func scanApplication(rows *sql.Rows) (a alerts.Application, err error) {
	var reference string
	if err = rows.Scan(&a.ID, &a.Authority, &reference, &a.Version, &a.Hidden, &a.FirstSeen, &a.UpdatedAt, asJSON[alerts.Details]{&a.Details}); err == nil {
		a.Reference = reference
	}
	return a, err
}

func (s *Store) applicationsByID(ctx context.Context, ids []int64) (map[int64]alerts.Application, error) {
	out := make(map[int64]alerts.Application, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	apps, err := collect(ctx, s.read, scanApplication, `SELECT `+applicationColumns+` FROM application
		WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND NOT hidden`, list(ids))
	for _, a := range apps {
		out[a.ID] = a
	}
	return out, err
}

// ByAuthority returns up to limit applications to an authority, the newest first,
// after the cursor, and the cursor after the last of them; its ID is 0 when there
// are no more.
func (s *Store) ByAuthority(ctx context.Context, slug string, after alerts.Cursor, limit int) ([]alerts.Application, alerts.Cursor, error) {
	l, err := s.List(ctx, alerts.Query{Authority: slug}, after, limit)
	return l.Applications, l.Next, err
}

// Application returns an application by any reference under which it has been
// known, in any spelling; its own Reference is the current one.
func (s *Store) Application(ctx context.Context, ref alerts.Ref) (alerts.Application, error) {
	apps, err := collect(ctx, s.read, scanApplication, `SELECT `+applicationColumns+` FROM application
		WHERE id IN (SELECT application_id FROM alias WHERE authority = $1 AND reference_key = $2) AND NOT hidden`,
		ref.Authority, alerts.ReferenceKey(ref.Number))
	if err == nil && len(apps) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.Application{}, fmt.Errorf("read application %s %s: %w", ref.Authority, ref.Number, err)
	}
	return apps[0], nil
}

// ApplicationByID returns an application by its id.
func (s *Store) ApplicationByID(ctx context.Context, id int64) (alerts.Application, error) {
	apps, err := s.applicationsByID(ctx, []int64{id})
	app, ok := apps[id]
	if err == nil && !ok {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.Application{}, fmt.Errorf("read application %d: %w", id, err)
	}
	return app, nil
}

// History returns the events of an application, the newest first.
func (s *Store) History(ctx context.Context, application int64) ([]alerts.Event, error) {
	events, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Event, err error) {
		var seq sql.NullInt64
		var before sql.NullString
		err = rows.Scan(&e.ID, &seq, &e.ApplicationID, &e.Version, &e.Type, &e.State, &e.Late, &e.At, &e.RunID, &before, asJSON[alerts.Details]{&e.After})
		e.Seq = seq.Int64
		if err == nil && before.Valid {
			e.Before = new(alerts.Details)
			err = asJSON[alerts.Details]{e.Before}.Scan(before.String)
		}
		return e, err
	}, `SELECT id, seq, application_id, version, type, state, late, at, run_id, before, after FROM event
		WHERE application_id = $1 AND state NOT IN ('held', 'collapsed') ORDER BY version DESC, id DESC`, application)
	if err != nil {
		return nil, fmt.Errorf("read the history of application %d: %w", application, err)
	}
	return events, nil
}
