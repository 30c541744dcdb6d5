package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

const feedColumns = `id, slug, authority, declaration, schedule, contact, precedence, paused, horizon_days, etag, last_modified, last_complete`

func scanFeed(rows interface{ Scan(...any) error }) (f alerts.Feed, err error) {
	var declaration string
	err = rows.Scan(&f.ID, &f.Slug, &f.Authority, &declaration, &f.Schedule, &f.Contact, &f.Precedence, &f.Paused, &f.HorizonDays, &f.ETag, &f.LastModified, &f.LastComplete)
	f.Declaration = []byte(declaration)
	return f, err
}

// PutFeed adds a feed, or changes the one of that slug; what its runs have learned
// stays. The authority is added or renamed with it.
//
// A feed of several names a website or district only where it knows them: what
// another feed says stays.
func (s *Store) PutFeed(ctx context.Context, f alerts.Feed, authorities []alerts.Authority) (stored alerts.Feed, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		for _, a := range authorities {
			name := "excluded.name"
			if len(authorities) > 1 {
				name = "authority.name"
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO authority (slug, name, district, website) VALUES ($1, $2, $3, $4)
				ON CONFLICT (slug) DO UPDATE SET name = `+name+`,
					district = CASE WHEN excluded.district = '' THEN authority.district ELSE excluded.district END,
					website = CASE WHEN excluded.website = '' THEN authority.website ELSE excluded.website END`,
				a.Slug, a.Name, a.District, a.Website); err != nil {
				return err
			}
		}
		stored, err = scanFeed(tx.QueryRowContext(ctx, `INSERT INTO feed (slug, authority, declaration, schedule, contact, precedence, horizon_days)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (slug) DO UPDATE SET authority = excluded.authority, declaration = excluded.declaration, schedule = excluded.schedule,
				contact = excluded.contact, precedence = excluded.precedence, horizon_days = excluded.horizon_days, etag = '', last_modified = ''
			RETURNING `+feedColumns, f.Slug, authorities[0].Slug, string(f.Declaration), f.Schedule, f.Contact, f.Precedence, f.HorizonDays))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM feed_authority WHERE feed_id = $1`, stored.ID); err != nil {
			return err
		}
		rows := make([][]any, len(authorities))
		for i, a := range authorities {
			rows[i] = []any{stored.ID, a.Slug}
		}
		return s.dialect.insert(ctx, tx, "feed_authority", []string{"feed_id", "authority"}, rows, "")
	})
	if err != nil {
		return f, fmt.Errorf("store the feed %s: %w", f.Slug, err)
	}
	return stored, nil
}

// AuthoritiesOf returns the slugs of the authorities whose applications a feed brings.
func (s *Store) AuthoritiesOf(ctx context.Context, f alerts.Feed) ([]string, error) {
	slugs, err := collect(ctx, s.read, func(rows *sql.Rows) (slug string, err error) { return slug, rows.Scan(&slug) },
		`SELECT authority FROM feed_authority WHERE feed_id = $1 ORDER BY authority`, f.ID)
	if err != nil {
		return nil, fmt.Errorf("list the authorities of the feed %s: %w", f.Slug, err)
	}
	return slugs, nil
}

// PauseFeed stops or restarts a feed's schedule.
func (s *Store) PauseFeed(ctx context.Context, slug string, paused bool) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		var id int64
		return one(tx.QueryRowContext(ctx, `UPDATE feed SET paused = $1 WHERE slug = $2 RETURNING id`, paused, slug).Scan(&id))
	})
}

// Feeds returns all feeds by slug.
func (s *Store) Feeds(ctx context.Context) ([]alerts.Feed, error) {
	feeds, err := collect(ctx, s.read, func(rows *sql.Rows) (alerts.Feed, error) { return scanFeed(rows) },
		`SELECT `+feedColumns+` FROM feed ORDER BY slug`)
	if err != nil {
		return nil, fmt.Errorf("list the feeds: %w", err)
	}
	return feeds, nil
}

// Feed returns the feed of that slug, or alerts.ErrNotFound.
func (s *Store) Feed(ctx context.Context, slug string) (alerts.Feed, error) {
	f, err := scanFeed(s.read.QueryRowContext(ctx, `SELECT `+feedColumns+` FROM feed WHERE slug = $1`, slug))
	if err != nil {
		return f, fmt.Errorf("read the feed %s: %w", slug, one(err))
	}
	return f, nil
}

const runColumns = `r.id, r.feed_id, f.slug, r.period, r.source, r.silent, r.verdict, r.reason, r.started_at, r.finished_at, r.applied, r.claim_no, r.adapter, r.incremental,
	r.rows_read, r.new, r.changed, r.newsworthy, r.unchanged, r.duplicates, r.quarantined, r.unlocated, r.events,
	r.newest, r.columns_seen, r.unmapped`

func scanRun(rows interface{ Scan(...any) error }) (r alerts.Run, err error) {
	return r, rows.Scan(&r.ID, &r.FeedID, &r.Feed, &r.Period, &r.Source, &r.Silent, &r.Verdict, &r.Reason, &r.StartedAt, &r.FinishedAt, &r.Applied, &r.ClaimNo, &r.Adapter, &r.Incremental,
		&r.Rows, &r.New, &r.Changed, &r.Newsworthy, &r.Unchanged, &r.Duplicates, &r.Quarantined, &r.Unlocated, &r.Events,
		&r.Newest, asJSON[[]alerts.Column]{&r.Columns}, asJSON[[]alerts.CodeCount]{&r.Unmapped})
}

// Runs returns a feed's latest runs, newest first.
func (s *Store) Runs(ctx context.Context, feedID int64, limit int) ([]alerts.Run, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (alerts.Run, error) { return scanRun(rows) },
		`SELECT `+runColumns+` FROM run r JOIN feed f ON f.id = r.feed_id WHERE r.feed_id = $1 ORDER BY r.id DESC LIMIT $2`, feedID, limit)
}

// Habits returns what a feed's earlier runs let expect of the next by an adapter. A run
// that was held and then released was as it should be.
func (s *Store) Habits(ctx context.Context, feedID int64, adapter string) (h alerts.Habits, err error) {
	const full = `verdict = 'complete' AND NOT incremental AND rows_read > 0 ORDER BY id DESC LIMIT 1`
	err = s.read.QueryRowContext(ctx, `SELECT
		coalesce((SELECT rows_read FROM run WHERE feed_id = $1 AND adapter = $2 AND `+full+`), 0),
		coalesce((SELECT rows_read FROM run WHERE feed_id = $3 AND `+full+`), 0),
		coalesce((SELECT max(newsworthy) FROM (SELECT newsworthy FROM run
			WHERE feed_id = $4 AND new + changed > 0 AND newsworthy > 0 AND NOT silent AND (verdict = 'complete' OR settled = 'released')
			ORDER BY id DESC LIMIT $5) AS latest), 0)`,
		feedID, adapter, feedID, feedID, alerts.FloodMemory).Scan(&h.Rows, &h.Holds, &h.News)
	if err != nil {
		return h, fmt.Errorf("read what is usual for the feed: %w", err)
	}
	return h, nil
}

// LastFull returns when the last complete run by an adapter began that asked for
// everything, unix ms; 0 when there was none.
func (s *Store) LastFull(ctx context.Context, feedID int64, adapter string) (at int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(max(started_at), 0) FROM run
		WHERE feed_id = $1 AND adapter = $2 AND verdict = 'complete' AND NOT incremental`, feedID, adapter).Scan(&at)
	return at, err
}

// Quarantined returns the faults that a run kept, in the order of the file.
func (s *Store) Quarantined(ctx context.Context, runID int64, limit int) ([]alerts.Fault, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (f alerts.Fault, err error) {
		return f, rows.Scan(&f.Line, &f.Column, &f.Value, &f.Reason)
	}, `SELECT line, column_name, value, reason FROM quarantine WHERE run_id = $1 ORDER BY ord LIMIT $2`, runID, limit)
}
