package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file reads the ledger and what it should follow from for an audit. It
// shares no SQL with matching, so that a fault there is not hidden here.

// MatchPosition returns how far the ledger is complete: the sequence number of
// the last event all of whose matches are in it.
func (s *Store) MatchPosition(ctx context.Context) (position int64, err error) {
	if err := s.read.QueryRowContext(ctx, `SELECT position FROM watermark WHERE name = 'match'`).Scan(&position); err != nil {
		return 0, fmt.Errorf("read the position of the ledger: %w", err)
	}
	return position, nil
}

// LoggedEvents returns the numbered events with from < seq ≤ to, but for those of
// cases that were taken down since.
func (s *Store) LoggedEvents(ctx context.Context, from, to int64) ([]alerts.Event, error) {
	events, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Event, err error) {
		err = rows.Scan(&e.Seq, &e.Type, &e.ApplicationID, &e.Authority, asJSON[*alerts.Details]{&e.Before}, asJSON[alerts.Details]{&e.After})
		return e, err
	}, `SELECT seq, type, application_id, (SELECT authority FROM application WHERE id = application_id), before, after FROM event
		WHERE seq BETWEEN $1 AND $2 AND (type = 'removed' OR application_id NOT IN (SELECT id FROM application WHERE hidden)) ORDER BY seq`, from+1, to)
	if err != nil {
		return nil, fmt.Errorf("read the event log: %w", err)
	}
	return events, nil
}

// LoggedVersions returns up to limit versions after one, in order, that were in
// force for some event of the range.
func (s *Store) LoggedVersions(ctx context.Context, after, from, to int64, limit int) ([]alerts.Version, error) {
	versions, err := collect(ctx, s.read, func(rows *sql.Rows) (v alerts.Version, err error) {
		a := &v.Area
		var filter sql.NullString
		err = rows.Scan(&v.ID, &v.SubscriptionID, &v.RecipientID, &v.From, &v.To, &a.Kind, &a.Code, &a.Centre.Lat, &a.Centre.Lon,
			&a.Radius, &a.Ring, &a.Shape, &a.CarveOut, &filter)
		if err == nil && filter.Valid {
			err = asJSON[alerts.Filter]{&v.Filter}.Scan(filter.String)
		}
		return v, err
	}, `SELECT id, subscription_id, recipient_id, from_seq, to_seq, area, code, lat, lon, radius, ring, shape, carve_out, NULLIF(filter, '')
		FROM subscription_version WHERE id > $1 AND from_seq < $2 AND to_seq > $3 ORDER BY id LIMIT $4`, after, to, from, limit)
	if err != nil {
		return nil, fmt.Errorf("read versions of subscriptions: %w", err)
	}
	return versions, nil
}

// LoggedMatches returns what the ledger holds of a span of versions for the
// events with from < seq ≤ to, told or not.
func (s *Store) LoggedMatches(ctx context.Context, firstVersion, lastVersion, from, to int64) ([]alerts.Match, error) {
	matches, err := collect(ctx, s.read, func(rows *sql.Rows) (m alerts.Match, err error) {
		err = rows.Scan(&m.VersionID, &m.Seq, &m.RecipientID, &m.Correction, &m.Closes)
		return m, err
	}, `SELECT version_id, seq, recipient_id, correction, closes FROM match
		WHERE version_id BETWEEN $1 AND $2 AND seq BETWEEN $3 AND $4`, firstVersion, lastVersion, from+1, to)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return matches, nil
}
