package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what does not go on without a person.

// HeldFeeds returns the feeds with held news, the longest held first.
func (s *Store) HeldFeeds(ctx context.Context) ([]alerts.HeldFeed, error) {
	held, err := collect(ctx, s.read, func(rows *sql.Rows) (h alerts.HeldFeed, err error) {
		return h, rows.Scan(&h.Slug, &h.Applications, &h.Since, &h.Asked)
	}, `SELECT f.slug, count(DISTINCT e.application_id), min(e.at), EXISTS (SELECT 1 FROM held_request q WHERE q.feed_id = f.id)
		FROM event e JOIN run r ON r.id = e.run_id JOIN feed f ON f.id = r.feed_id WHERE e.state = 'held' GROUP BY f.id, f.slug ORDER BY min(e.at), f.slug`)
	if err != nil {
		return nil, fmt.Errorf("list what is held: %w", err)
	}
	return held, nil
}

// FaultyFeeds returns what people have to mend of feeds, the oldest first, from one
// on; at most limit.
func (s *Store) FaultyFeeds(ctx context.Context, from, limit int) ([]alerts.FaultyFeed, error) {
	faults, err := collect(ctx, s.read, func(rows *sql.Rows) (f alerts.FaultyFeed, err error) {
		return f, rows.Scan(&f.Slug, &f.Fault.Kind, &f.Fault.Detail, &f.Since)
	}, `SELECT f.slug, x.kind, x.detail, x.since FROM feed_fault x JOIN feed f ON f.id = x.feed_id WHERE x.mended_at = 0 ORDER BY x.since, f.slug, x.kind LIMIT $1 OFFSET $2`, limit, from)
	if err != nil {
		return nil, fmt.Errorf("list the faults of feeds: %w", err)
	}
	return faults, nil
}

// DisabledEndpoints returns the webhooks that are switched off, the latest first, from
// one on; at most limit.
func (s *Store) DisabledEndpoints(ctx context.Context, from, limit int) ([]alerts.DisabledEndpoint, error) {
	endpoints, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.DisabledEndpoint, err error) {
		return e, rows.Scan(&e.ID, &e.Name, &e.Group, &e.Reason, &e.Since)
	}, `SELECT e.id, e.name, coalesce(c.name, ''), e.reason, e.tried_at FROM endpoint e LEFT JOIN community c ON c.id = e.group_id
		WHERE e.state = 'disabled' ORDER BY e.tried_at DESC, e.id DESC LIMIT $1 OFFSET $2`, limit, from)
	if err != nil {
		return nil, fmt.Errorf("list the webhooks that are switched off: %w", err)
	}
	return endpoints, nil
}

// Notices returns what a person should look at, told or not, the latest first, from
// one on; at most limit.
func (s *Store) Notices(ctx context.Context, from, limit int) ([]alerts.Notice, error) {
	notices, err := collect(ctx, s.read, func(rows *sql.Rows) (n alerts.Notice, err error) { return n, rows.Scan(&n.Key, &n.At, &n.Text) },
		`SELECT key, at, text FROM notice ORDER BY at DESC, key LIMIT $1 OFFSET $2`, limit, from)
	if err != nil {
		return nil, fmt.Errorf("list the notices: %w", err)
	}
	return notices, nil
}
