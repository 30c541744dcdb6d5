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

// This file keeps what checks of the ledger found, enters what they found missing,
// and says how far the service can be trusted.

// AuditFrom returns from where the event log is to be audited again: all that has
// not been, and all since a moment.
func (s *Store) AuditFrom(ctx context.Context, since time.Time) (from int64, err error) {
	var recent int64
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(max(to_seq), 0) FROM audit_run`).Scan(&from)
	if err == nil {
		// From the end of the log, so that only what is recent is looked at.
		err = s.read.QueryRowContext(ctx, `SELECT seq FROM event WHERE seq IS NOT NULL AND at < $1 ORDER BY seq DESC LIMIT 1`, since.UnixMilli()).Scan(&recent)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("look how far the ledger has been audited: %w", err)
	}
	return min(from, recent), nil
}

// RecordAudit stores what an audit found, and returns how much of it is news.
// Matches that were missing are owed from now on, as found late; those that nobody
// asked for are taken out of the ledger, unless they have been told. It works in
// transactions of a few thousand rows; one that breaks off is completed by the next
// audit, which finds what is left.
func (s *Store) RecordAudit(ctx context.Context, r alerts.AuditRun, missing, extra []alerts.Match) (alerts.AuditRun, error) {
	var id, before int64
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(to_seq), 0) FROM audit_run`).Scan(&before); err != nil {
			return err
		}
		r.Missing, r.Mended, r.Extra = len(missing), 0, 0
		for _, m := range extra {
			if m.Seq > before { // those before have been counted
				r.Extra++
			}
		}
		return tx.QueryRowContext(ctx, `INSERT INTO audit_run (at, from_seq, to_seq, events, matches, missing, extra, mended) VALUES ($1, $2, $3, $4, $5, $6, $7, 0) RETURNING id`,
			r.At, r.From, r.To, r.Events, r.Matches, r.Missing, r.Extra).Scan(&id)
	})
	for batch := range slices.Chunk(missing, maxMatchesPerTx) {
		if err != nil {
			break
		}
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			rows := make([][]any, len(batch))
			for i, m := range batch {
				rows[i] = []any{m.VersionID, m.Seq, m.RecipientID, m.Correction, string(m.Closes), r.At}
			}
			if err := s.dialect.insert(ctx, tx, "match", []string{"version_id", "seq", "recipient_id", "correction", "closes", "found_at"}, rows, "ON CONFLICT DO NOTHING"); err != nil {
				return err
			}
			r.Mended += len(batch)
			_, err := tx.ExecContext(ctx, `UPDATE audit_run SET mended = $1 WHERE id = $2`, r.Mended, id)
			return err
		})
	}
	for batch := range slices.Chunk(extra, maxMatchesPerTx) {
		if err != nil {
			break
		}
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			return eachVersion(batch, func(version int64, seqs []int64) error {
				_, err := tx.ExecContext(ctx, `DELETE FROM match WHERE version_id = $1 AND seq IN (SELECT CAST(value AS BIGINT) FROM json_each($2))
					AND delivery_id IS NULL`, version, list(seqs))
				return err
			})
		})
	}
	if err != nil {
		return r, fmt.Errorf("store what the audit found: %w", err)
	}
	return r, nil
}

// Trust returns what all audits together say.
func (s *Store) Trust(ctx context.Context) (t alerts.Trust, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*), coalesce(min(at), 0), coalesce(max(at), 0), coalesce(sum(missing), 0), coalesce(sum(mended), 0), coalesce(sum(extra), 0) FROM audit_run`).
		Scan(&t.Nights, &t.Since, &t.Last, &t.Missing, &t.Mended, &t.Extra)
	if err != nil {
		return t, fmt.Errorf("read what the audits found: %w", err)
	}
	return t, nil
}

// MeasureTimeliness works out how soon alerts have gone out since a moment.
func (s *Store) MeasureTimeliness(ctx context.Context, since, now time.Time) error {
	found, err := collect(ctx, s.read, scanTimeliness, `
		WITH told AS (SELECT a.authority, d.cadence, d.sent_at - e.at AS took FROM delivery d JOIN match m ON m.delivery_id = d.id
			JOIN event e ON e.seq = m.seq JOIN application a ON a.id = e.application_id WHERE d.state = 'sent' AND d.sent_at >= $1),
		prompt AS (SELECT authority, took, row_number() OVER (PARTITION BY authority ORDER BY took) AS n, count(*) OVER (PARTITION BY authority) AS of
			FROM told WHERE cadence = 'immediate')
		SELECT t.authority, CAST($2 AS BIGINT), count(*), count(CASE WHEN t.cadence = 'immediate' THEN 1 END),
			coalesce((SELECT p.took FROM prompt p WHERE p.authority = t.authority AND p.n = (p.of + 1) / 2), 0),
			coalesce((SELECT p.took FROM prompt p WHERE p.authority = t.authority AND p.n = (p.of * 95 + 99) / 100), 0)
		FROM told t GROUP BY t.authority`, since.UnixMilli(), now.UnixMilli())
	if err == nil {
		rows := make([][]any, len(found))
		for i, t := range found {
			rows[i] = []any{t.Authority, t.At, t.Told, t.Prompt, t.Median, t.P95}
		}
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `DELETE FROM timeliness`); err != nil {
				return err
			}
			return s.dialect.insert(ctx, tx, "timeliness", []string{"authority", "at", "told", "prompt", "median", "p95"}, rows, "")
		})
	}
	if err != nil {
		return fmt.Errorf("work out how soon alerts went out: %w", err)
	}
	return nil
}

func scanTimeliness(rows *sql.Rows) (t alerts.Timeliness, err error) {
	return t, rows.Scan(&t.Authority, &t.At, &t.Told, &t.Prompt, &t.Median, &t.P95)
}

// Timeliness returns how soon alerts of authorities have gone out, as it was worked
// out last.
func (s *Store) Timeliness(ctx context.Context, slugs []string) (map[string]alerts.Timeliness, error) {
	found, err := collect(ctx, s.read, scanTimeliness, `SELECT authority, at, told, prompt, median, p95 FROM timeliness WHERE authority IN (SELECT value FROM json_each($1))`, list(slugs))
	if err != nil {
		return nil, fmt.Errorf("read how soon alerts went out: %w", err)
	}
	out := make(map[string]alerts.Timeliness, len(found))
	for _, t := range found {
		out[t.Authority] = t
	}
	return out, nil
}
