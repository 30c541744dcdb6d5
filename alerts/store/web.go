package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what else the pages read: authorities and how far they are
// covered, captured mail, and whether the database answers at all.

const coverageQuery = `SELECT a.slug, a.name, a.district, a.website, count(f.id), coalesce(max(f.last_complete), 0)
	FROM authority a LEFT JOIN feed_authority fa ON fa.authority = a.slug LEFT JOIN feed f ON f.id = fa.feed_id AND NOT f.paused `

func scanCoverage(rows *sql.Rows) (c alerts.Coverage, err error) {
	return c, rows.Scan(&c.Slug, &c.Name, &c.District, &c.Website, &c.Feeds, &c.LastRead)
}

// Authorities returns all authorities by name, and how far each is covered.
func (s *Store) Authorities(ctx context.Context) ([]alerts.Coverage, error) {
	all, err := collect(ctx, s.read, scanCoverage, coverageQuery+`GROUP BY a.slug, a.name, a.district, a.website ORDER BY a.name, a.slug`)
	if err != nil {
		return nil, fmt.Errorf("list the authorities: %w", err)
	}
	return all, nil
}

// Coverage returns the authorities with one of these slugs or districts, by name.
func (s *Store) Coverage(ctx context.Context, slugs, districts []string) ([]alerts.Coverage, error) {
	found, err := collect(ctx, s.read, scanCoverage, coverageQuery+`WHERE a.slug IN (SELECT value FROM json_each($1))
		OR a.district <> '' AND a.district IN (SELECT value FROM json_each($2))
		GROUP BY a.slug, a.name, a.district, a.website ORDER BY a.name, a.slug`, list(slugs), list(districts))
	if err != nil {
		return nil, fmt.Errorf("read what is covered: %w", err)
	}
	return found, nil
}

// Authority returns one authority with its counts.
func (s *Store) Authority(ctx context.Context, slug string) (c alerts.Coverage, err error) {
	found, err := collect(ctx, s.read, scanCoverage, coverageQuery+`WHERE a.slug = $1 GROUP BY a.slug, a.name, a.district, a.website`, slug)
	if err == nil && len(found) == 0 {
		err = alerts.ErrNotFound
	}
	if err == nil {
		c = found[0]
		err = s.read.QueryRowContext(ctx, `SELECT count(*), count(CASE WHEN cell IS NULL THEN 1 END) FROM application WHERE authority = $1 AND NOT hidden`, slug).
			Scan(&c.Applications, &c.Unlocated)
	}
	if err != nil {
		return c, fmt.Errorf("read the authority %s: %w", slug, err)
	}
	return c, nil
}

// CapturedMail returns the latest captured mails, newest first, without their
// text.
func (s *Store) CapturedMail(ctx context.Context, limit int) ([]alerts.Captured, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (m alerts.Captured, err error) {
		return m, rows.Scan(&m.ID, &m.At, &m.Address, &m.Subject)
	}, `SELECT id, at, address, subject FROM captured ORDER BY id DESC LIMIT $1`, limit)
}

// CapturedMessage returns one captured mail.
func (s *Store) CapturedMessage(ctx context.Context, id int64) (m alerts.Captured, err error) {
	m.ID = id
	err = one(s.read.QueryRowContext(ctx, `SELECT at, address, subject, raw FROM captured WHERE id = $1`, id).Scan(&m.At, &m.Address, &m.Subject, &m.Raw))
	if err != nil {
		return m, fmt.Errorf("read captured mail %d: %w", id, err)
	}
	return m, nil
}

// Ping reports whether the database answers and its schema is there.
func (s *Store) Ping(ctx context.Context) error {
	var n int64
	return s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'event'`).Scan(&n)
}
