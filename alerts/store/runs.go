package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is a run up to its verdict: claimed, read, staged, judged. What follows
// is in apply.go.

// StartRun begins a run of a feed for a period. The feed is leased to one run at a
// time, since rows that do not exist yet cannot be locked.
//
// It returns alerts.ErrConflict when another process works on the feed, or when
// the period is done. A run whose process died is handed out again, under a new
// claim number: as it was when it had its verdict, else from its beginning.
func (s *Store) StartRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) (alerts.Run, error) {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		var id int64
		if err := one(tx.QueryRowContext(ctx, `SELECT id FROM feed WHERE id = $1`+s.dialect.forUpdate, r.FeedID).Scan(&id)); err != nil {
			return err
		}
		open, err := collect(ctx, tx, func(rows *sql.Rows) (alerts.Run, error) { return scanRun(rows) },
			`SELECT `+runColumns+` FROM run r JOIN feed f ON f.id = r.feed_id WHERE r.feed_id = $1 AND r.finished_at = 0 ORDER BY r.id`, r.FeedID)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			var leaseUntil int64
			if err := tx.QueryRowContext(ctx, `SELECT lease_until FROM run WHERE id = $1`, open[0].ID).Scan(&leaseUntil); err != nil {
				return err
			}
			if leaseUntil > now.UnixMilli() {
				return alerts.ErrConflict
			}
			r = open[0]
			return s.retakeRun(ctx, tx, &r, now, lease)
		}
		err = tx.QueryRowContext(ctx, `INSERT INTO run (feed_id, period, source, silent, started_at, lease_until, adapter, incremental, claim_no)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1) ON CONFLICT (feed_id, period) DO NOTHING RETURNING id, claim_no`,
			r.FeedID, r.Period, r.Source, r.Silent, now.UnixMilli(), now.Add(lease).UnixMilli(), r.Adapter, r.Incremental).Scan(&r.ID, &r.ClaimNo)
		if errors.Is(err, sql.ErrNoRows) {
			return alerts.ErrConflict
		}
		r.StartedAt = now.UnixMilli()
		return err
	})
	if err != nil && !errors.Is(err, alerts.ErrConflict) {
		err = fmt.Errorf("begin a run of the feed: %w", err)
	}
	return r, err
}

// retakeRun claims a run whose process died.
func (s *Store) retakeRun(ctx context.Context, tx *sql.Tx, r *alerts.Run, now time.Time, lease time.Duration) error {
	if r.Verdict == alerts.VerdictNone {
		for _, table := range []string{"staged", "quarantine"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE run_id = $1`, r.ID); err != nil {
				return err
			}
		}
		r.Counts = alerts.Counts{}
	}
	return tx.QueryRowContext(ctx, `UPDATE run SET claim_no = claim_no + 1, lease_until = $1 WHERE id = $2 RETURNING claim_no`,
		now.Add(lease).UnixMilli(), r.ID).Scan(&r.ClaimNo)
}

// HoldRun extends a run's lease. It returns alerts.ErrConflict when the run has
// passed to another process.
func (s *Store) HoldRun(ctx context.Context, r alerts.Run, until time.Time) error {
	return s.inTx(ctx, func(tx *sql.Tx) error { return holdRun(ctx, tx, r, until) })
}

func holdRun(ctx context.Context, tx *sql.Tx, r alerts.Run, until time.Time) error {
	var id int64
	err := one(tx.QueryRowContext(ctx, `UPDATE run SET lease_until = $1 WHERE id = $2 AND claim_no = $3 AND finished_at = 0 RETURNING id`,
		until.UnixMilli(), r.ID, r.ClaimNo).Scan(&id))
	if errors.Is(err, alerts.ErrNotFound) {
		return fmt.Errorf("the run has passed to another process: %w", alerts.ErrConflict)
	}
	return err
}

// Known returns what is stored of those records of a feed that are stored, by
// source key.
func (s *Store) Known(ctx context.Context, feedID int64, keys []string) (map[string]alerts.KnownRecord, error) {
	known := make(map[string]alerts.KnownRecord, len(keys))
	rows, err := s.read.QueryContext(ctx, `SELECT source_key, supplied, hash FROM record WHERE feed_id = $1 AND source_key IN (SELECT value FROM json_each($2))`, feedID, list(keys))
	if err != nil {
		return nil, fmt.Errorf("look up records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var k alerts.KnownRecord
		if err := rows.Scan(&key, &k.Supplied, &k.Hash); err != nil {
			return nil, err
		}
		known[key] = k
	}
	return known, rows.Err()
}

// Records returns the stored records of a feed with those source keys.
func (s *Store) Records(ctx context.Context, feedID int64, keys []string) (map[string]alerts.Record, error) {
	return records(ctx, s.read, feedID, keys)
}

func records(ctx context.Context, q querier, feedID int64, keys []string) (map[string]alerts.Record, error) {
	found, err := collect(ctx, q, func(rows *sql.Rows) (r alerts.Record, err error) {
		r.FeedID = feedID
		return r, rows.Scan(&r.SourceKey, &r.ApplicationID, &r.Authority, &r.Supplied, asJSON[alerts.Details]{&r.Details})
	}, `SELECT r.source_key, r.application_id, a.authority, r.supplied, r.details FROM record r JOIN application a ON a.id = r.application_id
		WHERE r.feed_id = $1 AND r.source_key IN (SELECT value FROM json_each($2))`, feedID, list(keys))
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	out := make(map[string]alerts.Record, len(found))
	for _, r := range found {
		out[r.SourceKey] = r
	}
	return out, nil
}

// Received returns the records of a feed of which the authority says that it received
// the applications on one of those days.
func (s *Store) Received(ctx context.Context, feedID int64, authority string, days []alerts.Date) ([]alerts.Record, error) {
	found, err := collect(ctx, s.read, func(rows *sql.Rows) (alerts.Record, error) {
		r := alerts.Record{FeedID: feedID, Authority: authority}
		return r, rows.Scan(&r.SourceKey, &r.ApplicationID, &r.Supplied, asJSON[alerts.Details]{&r.Details})
	}, `SELECT r.source_key, r.application_id, r.supplied, r.details FROM application a JOIN record r ON r.application_id = a.id
		WHERE a.authority = $1 AND a.listed IN (SELECT value FROM json_each($2)) AND r.feed_id = $3 AND NOT a.hidden`, authority, list(days), feedID)
	if err != nil {
		return nil, fmt.Errorf("look for records by the day: %w", err)
	}
	return found, nil
}

// Renumber makes the new numbers of cases lead to them, unless they lead somewhere
// already.
func (s *Store) Renumber(ctx context.Context, feedID int64, cases []alerts.Renumbering) error {
	return s.inTx(ctx, func(tx *sql.Tx) error { return renumber(ctx, tx, feedID, cases) })
}

func renumber(ctx context.Context, tx *sql.Tx, feedID int64, cases []alerts.Renumbering) error {
	for _, c := range cases {
		_, err := tx.ExecContext(ctx, `INSERT INTO alias (authority, reference_key, application_id)
			SELECT a.authority, $1, a.id FROM record r JOIN application a ON a.id = r.application_id
			WHERE r.feed_id = $2 AND r.source_key = $3 AND a.authority = $4 ON CONFLICT DO NOTHING`, alerts.ReferenceKey(c.Is), feedID, c.Key, c.Authority)
		if err != nil {
			return fmt.Errorf("note the new number of a case: %w", err)
		}
	}
	return nil
}

// stagedBatch is how many staged rows are kept and applied together, at most.
const stagedBatch = 500

// Stage keeps rows of a run that say something new until the run is judged. It
// extends the run's lease.
func (s *Store) Stage(ctx context.Context, r alerts.Run, rows []alerts.Staged, until time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := holdRun(ctx, tx, r, until); err != nil {
			return err
		}
		if err := s.redactStaged(ctx, tx, r.FeedID, rows); err != nil {
			return err
		}
		var values [][]any
		for batch := range slices.Chunk(rows, stagedBatch) {
			var kept []byte
			for i := range batch {
				kept = batch[i].AppendCompact(kept)
			}
			values = append(values, []any{r.ID, batch[len(batch)-1].Ord, kept})
		}
		return s.dialect.insert(ctx, tx, "staged", []string{"run_id", "ord", "batch"}, values, "")
	})
	if err != nil {
		return fmt.Errorf("stage %d rows: %w", len(rows), err)
	}
	return nil
}

// Unstage takes back the rows at these places, in order, of what a run has staged: a
// later row of the same record has taken their place.
func (s *Store) Unstage(ctx context.Context, r alerts.Run, ords []int) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		for len(ords) > 0 {
			var at int
			var kept, left []byte
			if err := tx.QueryRowContext(ctx, `SELECT ord, batch FROM staged WHERE run_id = $1 AND ord >= $2 ORDER BY ord LIMIT 1`, r.ID, ords[0]).Scan(&at, &kept); err != nil {
				return one(err)
			}
			last := -1
			for len(kept) > 0 {
				var row alerts.Staged
				var err error
				if kept, err = row.ReadCompact(kept); err != nil {
					return err
				}
				if _, gone := slices.BinarySearch(ords, row.Ord); !gone {
					left, last = row.AppendCompact(left), row.Ord
				}
			}
			var err error
			if last < 0 {
				_, err = tx.ExecContext(ctx, `DELETE FROM staged WHERE run_id = $1 AND ord = $2`, r.ID, at)
			} else { // a batch is known by its last row
				_, err = tx.ExecContext(ctx, `UPDATE staged SET ord = $1, batch = $2 WHERE run_id = $3 AND ord = $4`, last, left, r.ID, at)
			}
			if err != nil {
				return err
			}
			for len(ords) > 0 && ords[0] <= at {
				ords = ords[1:]
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take back what the run staged: %w", err)
	}
	return nil
}

// Staged returns the batch of a run's rows that follows the given place and is still
// to be applied; none when all are.
func (s *Store) Staged(ctx context.Context, r alerts.Run, after int) ([]alerts.Staged, error) {
	var kept []byte
	err := s.read.QueryRowContext(ctx, `SELECT batch FROM staged WHERE run_id = $1 AND ord > $2 ORDER BY ord LIMIT 1`, r.ID, after).Scan(&kept)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var rows []alerts.Staged
	for err == nil && len(kept) > 0 {
		row := alerts.Staged{Record: alerts.Record{FeedID: r.FeedID}}
		kept, err = row.ReadCompact(kept)
		rows = append(rows, row)
	}
	if err != nil {
		return nil, fmt.Errorf("read what the run staged: %w", err)
	}
	return rows, nil
}

// Quarantine keeps what is wrong with rows of a run; ord is the place of the first among all.
func (s *Store) Quarantine(ctx context.Context, r alerts.Run, ord int, faults []alerts.Fault) error {
	values := make([][]any, len(faults))
	for i, f := range faults {
		values[i] = []any{r.ID, ord + i, f.Line, f.Column, f.Value, f.Reason}
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		return s.dialect.insert(ctx, tx, "quarantine", []string{"run_id", "ord", "line", "column_name", "value", "reason"}, values, "")
	})
}

// JudgeRun stores a run's verdict and counts. A failed run's rows are dropped, and
// it is finished.
func (s *Store) JudgeRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := holdRun(ctx, tx, r, now.Add(lease)); err != nil {
			return err
		}
		finished := int64(0)
		if r.Verdict == alerts.VerdictFailed {
			finished = now.UnixMilli()
			if _, err := tx.ExecContext(ctx, `DELETE FROM staged WHERE run_id = $1`, r.ID); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE run SET verdict = $1, reason = $2, finished_at = $3, rows_read = $4, new = $5, changed = $6, newsworthy = $7,
			unchanged = $8, duplicates = $9, quarantined = $10, unlocated = $11, newest = $12, columns_seen = $13, unmapped = $14 WHERE id = $15`,
			r.Verdict, r.Reason, finished, r.Rows, r.New, r.Changed, r.Newsworthy, r.Unchanged, r.Duplicates, r.Quarantined, r.Unlocated,
			r.Newest, list(r.Columns), list(r.Unmapped), r.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("store the run's verdict: %w", err)
	}
	return nil
}

// FinishRun marks a run as applied. Of a complete one the feed keeps when it was,
// and by what its source can be asked whether anything is new.
func (s *Store) FinishRun(ctx context.Context, r alerts.Run, etag, lastModified string, now time.Time) (alerts.Run, error) {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := holdRun(ctx, tx, r, now); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `UPDATE run SET finished_at = $1, applied = TRUE WHERE id = $2 RETURNING events`, now.UnixMilli(), r.ID).Scan(&r.Events); err != nil {
			return err
		}
		r.FinishedAt, r.Applied = now.UnixMilli(), true
		if r.Verdict != alerts.VerdictComplete && r.Verdict != alerts.VerdictHeld {
			return nil
		}
		_, err := tx.ExecContext(ctx, `UPDATE feed SET last_complete = $1, etag = $2, last_modified = $3 WHERE id = $4`, now.UnixMilli(), etag, lastModified, r.FeedID)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("finish the run: %w", err)
	}
	return r, nil
}

// Notice stores something that a person should look at. The same key is told once
// until [Store.ClearNotice].
func (s *Store) Notice(ctx context.Context, key, text string, now time.Time) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO notice (key, at, text) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING`, key, now.UnixMilli(), text)
		return err
	})
}

// ClearNotice forgets a notice because its cause is mended; false when there was
// none.
func (s *Store) ClearNotice(ctx context.Context, key string) (was bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		err := one(tx.QueryRowContext(ctx, `DELETE FROM notice WHERE key = $1 RETURNING key`, key).Scan(&key))
		was = err == nil
		if errors.Is(err, alerts.ErrNotFound) {
			return nil
		}
		return err
	})
	return was, err
}
