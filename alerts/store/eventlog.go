package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what programs read of the event log, and how one of their requests
// that comes twice is answered once.

// Events returns up to limit of the events with a number above after, in order, and
// how far it has looked: further than the last of them when others are left out.
// Those of applications that were taken down are left out, but for the one that says
// so. authority may be empty for all.
func (s *Store) Events(ctx context.Context, after int64, authority string, limit int) (found []alerts.Event, last int64, err error) {
	type row struct {
		alerts.Event
		hidden bool
	}
	rows, err := collect(ctx, s.read, func(rows *sql.Rows) (r row, err error) {
		var before sql.NullString
		err = rows.Scan(&r.ID, &r.Seq, &r.ApplicationID, &r.Authority, &r.Version, &r.Type, &r.Late, &r.At, &before, asJSON[alerts.Details]{&r.After}, &r.hidden)
		if err == nil && before.Valid {
			r.Before = new(alerts.Details)
			err = asJSON[alerts.Details]{r.Before}.Scan(before.String)
		}
		return r, err
	}, `SELECT e.id, e.seq, e.application_id, a.authority, e.version, e.type, e.late, e.at, e.before, e.after, a.hidden
		FROM event e JOIN application a ON a.id = e.application_id WHERE e.seq > $1 ORDER BY e.seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read the event log: %w", err)
	}
	last = after
	for _, r := range rows {
		last = r.Seq
		if r.hidden && r.Type != alerts.EventRemoved || authority != "" && r.Authority != authority {
			continue
		}
		r.State = alerts.EventLive
		found = append(found, r.Event)
	}
	return found, last, nil
}

// LastEvent returns the number of the latest event.
func (s *Store) LastEvent(ctx context.Context) (seq int64, err error) {
	if err = s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'event'`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the number of the latest event: %w", err)
	}
	return seq, nil
}

// IdempotentFor is how long the answer to a request is kept that may come again.
const IdempotentFor = 24 * time.Hour

// answeringFor is how long a request may take before it is taken for broken off.
const answeringFor = time.Minute

// Begin notes that a request with a key of the caller's own is being answered, or
// returns what the same request was answered before. alerts.ErrConflict: it is being
// answered at this moment. An InvalidError: the key was used for something else.
func (s *Store) Begin(ctx context.Context, key, request string, now time.Time) (status int, sealed string, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		fresh, err := affected(tx.ExecContext(ctx, `INSERT INTO idempotency (key, request, created_at) VALUES ($1, $2, $3)
			ON CONFLICT (key) DO UPDATE SET request = excluded.request, status = 0, answer = '', created_at = excluded.created_at
			WHERE idempotency.created_at <= $4 OR idempotency.status = 0 AND idempotency.created_at <= $5`,
			key, request, now.UnixMilli(), now.Add(-IdempotentFor).UnixMilli(), now.Add(-answeringFor).UnixMilli()))
		if err != nil || fresh {
			return err
		}
		var asked string
		if err := tx.QueryRowContext(ctx, `SELECT request, status, answer FROM idempotency WHERE key = $1`, key).Scan(&asked, &status, &sealed); err != nil {
			return err
		}
		switch {
		case asked != request:
			return &alerts.InvalidError{Field: "Idempotency-Key", Problem: "This key was used for another request. Use a new one for each"}
		case status == 0:
			return alerts.ErrConflict
		}
		return nil
	})
	var invalid *alerts.InvalidError
	if err != nil && !errors.Is(err, alerts.ErrConflict) && !errors.As(err, &invalid) {
		return 0, "", fmt.Errorf("look for an earlier request: %w", err)
	}
	return status, sealed, err
}

// Finish keeps the answer to a request that may come again; status 0 forgets that
// there was one, so that it can be tried again.
func (s *Store) Finish(ctx context.Context, key string, status int, sealed string) error {
	query, args := `UPDATE idempotency SET status = $1, answer = $2 WHERE key = $3`, []any{status, sealed, key}
	if status == 0 {
		query, args = `DELETE FROM idempotency WHERE key = $1`, []any{key}
	}
	if _, err := s.write.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("keep the answer to a request: %w", err)
	}
	return nil
}
