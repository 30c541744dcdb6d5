package store

import (
	"context"
	"fmt"
	"time"
)

// How long things are kept that nobody needs for ever.
const (
	keepAttempts   = 30 * 24 * time.Hour // the log of sends
	keepWords      = 30 * 24 * time.Hour // what a mail said
	keepTicks      = 30 * 24 * time.Hour
	keepDueMarks   = 30 * 24 * time.Hour
	keepCaptured   = 1_000 // captured mails
	keepQuarantine = 10    // runs of a feed whose bad rows are kept
)

// longestHookWait is more than a webhook ever waits between two tries.
const longestHookWait = 36 * time.Hour

// housekeepingBatch keeps each transaction short, so that a sign-up on SQLite does
// not wait for long.
const housekeepingBatch = 500

// Housekeeping removes what has had its time: scope rows of versions that the
// matcher has passed, links and sign-ups that ran out, old ticks, attempts and due
// marks, the words of old mail, all but the last captured mails and the last runs'
// quarantine, the ledger after 13 months, and people who never confirmed or who
// stopped four weeks ago. It works in small transactions and can be stopped at any point.
func (s *Store) Housekeeping(ctx context.Context, now time.Time) error {
	before := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	for _, step := range []struct {
		what, query string
		args        []any
	}{
		{"scopes of ended versions", `DELETE FROM subscription_scope WHERE version_id IN (
			SELECT v.id FROM subscription_version v WHERE v.to_seq <= (SELECT position FROM watermark WHERE name = 'match')
			AND EXISTS (SELECT 1 FROM subscription_scope c WHERE c.version_id = v.id) LIMIT $1)`, nil},
		{"old ticks", `DELETE FROM tick WHERE (name, period) IN (SELECT name, period FROM tick WHERE claimed_at < $1 AND lease_until < $2 LIMIT $3)`,
			[]any{before(keepTicks), now.UnixMilli()}},
		{"old attempts", `DELETE FROM attempt WHERE (delivery_id, n) IN (SELECT delivery_id, n FROM attempt WHERE at < $1 LIMIT $2)`, []any{before(keepAttempts)}},
		{"words of old mail", `UPDATE delivery SET subject = '', text = '', html = '', headers = '[]', inline_files = '' WHERE id IN (
			SELECT id FROM delivery WHERE state <> 'queued' AND subject <> '' AND created_at < $1 AND sent_at < $2 LIMIT $3)`,
			[]any{before(keepWords), before(keepWords)}},
		{"webhooks that rest beyond any wait, since the clock was put back", `UPDATE delivery SET next_at = $1 WHERE id IN (SELECT id FROM delivery WHERE kind = 'webhook' AND state = 'queued' AND next_at > $2 LIMIT $3)`,
			[]any{now.UnixMilli(), now.Add(longestHookWait).UnixMilli()}},
		{"rests of endpoints beyond any wait", `UPDATE endpoint SET rests_until = $1 WHERE id IN (SELECT id FROM endpoint WHERE rests_until > $2 LIMIT $3)`,
			[]any{now.UnixMilli(), now.Add(longestHookWait).UnixMilli()}},
		{"captured mail", `DELETE FROM captured WHERE id IN (SELECT id FROM captured WHERE id <= (SELECT max(id) FROM captured) - $1 ORDER BY id LIMIT $2)`, []any{keepCaptured}},
		{"old due marks", `DELETE FROM due_mark WHERE due_at IN (SELECT due_at FROM due_mark WHERE due_at < $1 LIMIT $2)`, []any{before(keepDueMarks)}},
		{"quarantine of old runs", `DELETE FROM quarantine WHERE run_id IN (
			SELECT r.id FROM run r WHERE EXISTS (SELECT 1 FROM quarantine q WHERE q.run_id = r.id)
			AND $1 <= (SELECT count(*) FROM run later WHERE later.feed_id = r.feed_id AND later.id > r.id) LIMIT $2)`, []any{keepQuarantine}},
	} {
		if err := s.sweep(ctx, step.query, step.args); err != nil {
			return fmt.Errorf("clear away %s: %w", step.what, err)
		}
	}
	if err := s.tidySearch(ctx); err != nil {
		return fmt.Errorf("tidy the index of words: %w", err)
	}
	if err := s.retire(ctx, now); err != nil {
		return err
	}
	return s.forgetAll(ctx, now) // links and allowances too
}

// sweep repeats a statement, whose last parameter is how many rows it may take,
// until it finds nothing more.
func (s *Store) sweep(ctx context.Context, query string, args []any) error {
	for {
		done, err := s.write.ExecContext(ctx, query, append(args[:len(args):len(args)], housekeepingBatch)...)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
	}
}
