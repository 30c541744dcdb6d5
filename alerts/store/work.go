package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/migrations"
)

// This file is what is known of how the work gets on, and of what keeps it.

// pulseEvery is how exactly a sign of life is known: the row is not written for each
// of them.
const pulseEvery = 30 * time.Second

// Beat notes a sign of life of a stage.
func (s *Store) Beat(ctx context.Context, name string, now time.Time) error {
	_, err := s.beat(ctx, s.write, name, now)
	if err != nil {
		return fmt.Errorf("note a sign of life of %s: %w", name, err)
	}
	return nil
}

// beat reports whether the last sign of life was long enough ago to be replaced. One
// from the future was given before the clock was put back.
func (s *Store) beat(ctx context.Context, q querier, name string, now time.Time) (bool, error) {
	at := now.UnixMilli()
	done, err := q.ExecContext(ctx, `INSERT INTO pulse (name, moved_at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET moved_at = excluded.moved_at
		WHERE pulse.moved_at <= $3 OR pulse.moved_at > excluded.moved_at`, name, at, at-pulseEvery.Milliseconds())
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Work returns how each stage stands: when it last showed a sign of life, and what
// waits for it.
func (s *Store) Work(ctx context.Context, now time.Time) ([]alerts.Work, error) {
	at := now.UnixMilli()
	moved := map[string]int64{}
	_, err := collect(ctx, s.read, func(rows *sql.Rows) (_ int, err error) {
		var name string
		var at int64
		err = rows.Scan(&name, &at)
		moved[name] = at
		return 0, err
	}, `SELECT name, moved_at FROM pulse`)
	if err != nil {
		return nil, fmt.Errorf("read the stages' signs of life: %w", err)
	}
	ingest, err := s.feedsDue(ctx, now)
	if err != nil {
		return nil, err
	}
	out := []alerts.Work{ingest}
	for _, part := range []struct {
		name, query string
		args        []any
	}{
		// Counting back from the end is exact: numbers have no gaps.
		{alerts.WorkMatch, `SELECT (SELECT value FROM counter WHERE name = 'event') - position, coalesce((SELECT e.at FROM event e WHERE e.seq = position + 1), 0) FROM watermark WHERE name = 'match'`, nil},
		{alerts.WorkCompose, `SELECT count(*), coalesce(min(next_at), 0) FROM (SELECT d.next_at FROM due d JOIN recipient r ON r.id = d.recipient_id AND r.state = 'active' AND r.kind = 'subscriber'
			WHERE d.cadence IN ('daily', 'weekly') AND d.next_at <= $1 ORDER BY d.next_at LIMIT $2) w`, []any{at, alerts.MostCounted}},
		{alerts.WorkDeliver, `SELECT count(*), coalesce(min(next_at), 0) FROM (SELECT next_at FROM delivery WHERE state = 'queued' AND kind <> 'webhook' AND next_at <= $1 LIMIT $2) w`, []any{at, alerts.MostCounted}},
		{alerts.WorkHooks, `SELECT count(*), coalesce(min(next_at), 0) FROM (SELECT d.next_at FROM delivery d JOIN endpoint e ON e.id = d.recipient_id AND e.state = 'active' AND e.rests_until <= $1
			WHERE d.kind = 'webhook' AND d.state = 'queued' AND d.next_at <= $2 LIMIT $3) w`, []any{at, at, alerts.MostCounted}},
	} {
		w := alerts.Work{Name: part.name}
		var since int64
		if err := s.read.QueryRowContext(ctx, part.query, part.args...).Scan(&w.Waiting, &since); err != nil {
			return nil, fmt.Errorf("look what waits for %s: %w", part.name, err)
		}
		if w.Waiting > 0 {
			w.Since = timeOf(since)
		}
		out = append(out, w)
	}
	for i := range out {
		out[i].Moved = timeOf(moved[out[i].Name])
	}
	return out, nil
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// feedsDue is what waits to be read: feeds whose schedule has named a moment since
// their latest run began, and that nobody is reading. One that was never read is not
// counted: it may have been added this minute.
func (s *Store) feedsDue(ctx context.Context, now time.Time) (alerts.Work, error) {
	w := alerts.Work{Name: alerts.WorkIngest}
	type row struct {
		schedule      string
		started, held int64
	}
	feeds, err := collect(ctx, s.read, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.schedule, &r.started, &r.held) },
		`SELECT f.schedule, r.started_at, CASE WHEN r.finished_at = 0 THEN r.lease_until ELSE 0 END FROM feed f JOIN run r ON r.id = (SELECT max(l.id) FROM run l WHERE l.feed_id = f.id)
		WHERE NOT f.paused AND f.schedule <> ''`)
	if err != nil {
		return w, fmt.Errorf("look which feeds wait to be read: %w", err)
	}
	for _, f := range feeds {
		schedule, err := alerts.ParseSchedule(f.schedule)
		if err != nil || f.held > now.UnixMilli() {
			continue
		}
		at, _, ok := alerts.LastPeriod(schedule, now)
		if !ok || f.started >= at.UnixMilli() {
			continue
		}
		w.Waiting++
		if w.Since.IsZero() || at.Before(w.Since) {
			w.Since = at
		}
	}
	return w, nil
}

// IsTickDue reports whether the work of a period, which began at a moment, is still
// to be done. A service that has done nothing at all before that moment owes nothing.
func (s *Store) IsTickDue(ctx context.Context, name, period string, at time.Time) (due bool, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tick WHERE claimed_at < $1) AND NOT EXISTS (SELECT 1 FROM tick WHERE name = $2 AND period = $3 AND done_at > 0)`,
		at.UnixMilli(), name, period).Scan(&due)
	if err != nil {
		return false, fmt.Errorf("look whether %s of %s is done: %w", name, period, err)
	}
	return due, nil
}

// Rests returns the senders that the other side does not let through.
func (s *Store) Rests(ctx context.Context) ([]alerts.SenderRest, error) {
	rests, err := collect(ctx, s.read, func(rows *sql.Rows) (r alerts.SenderRest, err error) {
		return r, rows.Scan(&r.Name, &r.Failures, &r.Until, &r.Reason)
	}, `SELECT name, failures, paused_until, reason FROM sender WHERE failures > 0 ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("look which senders rest: %w", err)
	}
	return rests, nil
}

// RaiseAlarms remembers the faults of the work and has a mail to the operator queued
// of what is new of them. mine is false, and nothing is done, when somebody has looked
// within the last half minute.
func (s *Store) RaiseAlarms(ctx context.Context, faults []alerts.WorkFault, address, addressKey string, now time.Time, write func(alerts.AlarmNews) (alerts.Delivery, error)) (news alerts.AlarmNews, mine bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if mine, err = s.beat(ctx, tx, "alarm", now); err != nil || !mine { // locks the others out, too
			return err
		}
		known, err := collect(ctx, tx, func(rows *sql.Rows) (a alerts.Alarm, err error) {
			return a, rows.Scan(&a.Key, &a.Text, &a.Stuck, &a.Since, &a.Told, &a.Gone)
		}, `SELECT key, text, stuck, since, told_at, gone_at FROM alarm ORDER BY since, key`)
		if err != nil {
			return err
		}
		news = alerts.NextAlarms(known, faults, now)
		if _, err := tx.ExecContext(ctx, `DELETE FROM alarm WHERE key IN (SELECT value FROM json_each($1))`, list(news.Forget)); err != nil {
			return err
		}
		for _, a := range news.Kept {
			if _, err := tx.ExecContext(ctx, `INSERT INTO alarm (key, text, stuck, since, told_at, gone_at) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (key) DO UPDATE SET text = excluded.text, stuck = excluded.stuck, told_at = excluded.told_at, gone_at = excluded.gone_at`,
				a.Key, a.Text, a.Stuck, a.Since, a.Told, a.Gone); err != nil {
				return err
			}
		}
		if news.IsEmpty() || address == "" {
			return nil
		}
		to, err := contact(ctx, tx, address, addressKey, now)
		if err != nil {
			return err
		}
		return queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryNotice, Recipient: to}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(news) })
	})
	if err != nil {
		return alerts.AlarmNews{}, false, fmt.Errorf("raise the alarm: %w", err)
	}
	return news, mine, nil
}

// IsCurrent reports whether the schema is the one that this program works with: no
// migration is missing.
func (s *Store) IsCurrent(ctx context.Context) (bool, error) {
	files, err := fs.Sub(migrations.Files, s.dialect.engine)
	if err != nil {
		return false, err
	}
	provider, err := goose.NewProvider(s.dialect.goose, s.read, files, goose.WithAllowOutofOrder(true))
	if err != nil {
		return false, fmt.Errorf("look at the schema: %w", err)
	}
	sources := provider.ListSources()
	var applied int64
	numbers := make([]int64, len(sources))
	for i, source := range sources {
		numbers[i] = source.Version
	}
	if err := s.read.QueryRowContext(ctx, `SELECT count(DISTINCT version_id) FROM goose_db_version WHERE version_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(numbers)).Scan(&applied); err != nil {
		return false, fmt.Errorf("look at the schema: %w", err)
	}
	return applied == int64(len(sources)), nil
}
