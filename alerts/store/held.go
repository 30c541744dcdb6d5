package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what becomes of held events: looked at, released, or discarded.

// heldBatch is how many applications are looked at or released at a time.
const heldBatch = 500

// heldOf picks the applications that wait because of runs of a feed.
const heldOf = `SELECT DISTINCT e.application_id FROM event e JOIN run r ON r.id = e.run_id WHERE e.state = 'held' AND r.feed_id = $1`

// Held returns what a release of a feed's held events would tell: for each
// application the net change from before the hold to now, in batches to yield.
func (s *Store) Held(ctx context.Context, f alerts.Feed, now time.Time, yield func([]alerts.Event) error) error {
	after := int64(0)
	for {
		ids, err := collect(ctx, s.read, scanInt, heldOf+` AND e.application_id > $2 ORDER BY e.application_id LIMIT $3`, f.ID, after, heldBatch)
		if err != nil {
			return fmt.Errorf("list the held applications: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		events, err := s.netNews(ctx, s.read, ids, f, now)
		if err != nil {
			return err
		}
		if err := yield(events); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// netNews collapses the held events of applications to what has changed between
// before the first of them and now.
func (s *Store) netNews(ctx context.Context, q querier, ids []int64, f alerts.Feed, now time.Time) ([]alerts.Event, error) {
	type heldCase struct {
		alerts.Event
		hidden bool
	}
	cases, err := collect(ctx, q, func(rows *sql.Rows) (c heldCase, err error) {
		return c, rows.Scan(&c.ApplicationID, &c.Authority, &c.Version, &c.hidden, &c.RunID, asJSON[*alerts.Details]{&c.Before}, asJSON[alerts.Details]{&c.After})
	}, `SELECT a.id, a.authority, a.version, a.hidden, e.run_id, e.before, a.details FROM application a
		JOIN event e ON e.id = (SELECT min(h.id) FROM event h WHERE h.state = 'held' AND h.application_id = a.id)
		WHERE a.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY a.id`, list(ids))
	if err != nil {
		return nil, fmt.Errorf("read held events: %w", err)
	}
	var out []alerts.Event
	for _, c := range cases {
		if c.hidden {
			continue
		}
		for _, e := range alerts.News(c.Before, c.After, alerts.Telling{Today: alerts.DateOf(now), HorizonDays: f.HorizonDays}) {
			e.ApplicationID, e.Authority, e.Version, e.RunID, e.At = c.ApplicationID, c.Authority, c.Version+1, c.RunID, now.UnixMilli()
			out = append(out, e)
		}
	}
	return out, nil
}

// Rehearse returns the events that applying staged rows of a run would write, and
// changes nothing. Those of applications that would be new have no id.
func (s *Store) Rehearse(ctx context.Context, r alerts.Run, f alerts.Feed, rows []alerts.Staged, renumbered []alerts.Renumbering, now time.Time) (events []alerts.Event, err error) {
	rehearsed := errors.New("rehearsed")
	r.ID = math.MaxInt64 // later than all that were, as it would be
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		b := &batch{store: s, tx: tx, run: r, feed: f, now: now, telling: alerts.Telling{Silent: r.Silent, Today: alerts.DateOf(now), HorizonDays: f.HorizonDays}}
		if err := renumber(ctx, tx, f.ID, renumbered); err != nil {
			return err
		}
		if err := b.load(ctx, rows); err != nil {
			return err
		}
		for i := range rows {
			b.apply(&rows[i])
		}
		for _, n := range b.news {
			n.Event.ApplicationID = n.application.ID
			events = append(events, n.Event)
		}
		return rehearsed
	})
	if !errors.Is(err, rehearsed) {
		return nil, fmt.Errorf("rehearse the feed %s: %w", f.Slug, err)
	}
	return events, nil
}

// Release tells what was held back of a feed, each application once by its net
// change, and returns how many events that made. A release that breaks off is
// finished by repeating it.
func (s *Store) Release(ctx context.Context, f alerts.Feed, now time.Time) (events int, err error) {
	for {
		var left int
		err := s.inTx(ctx, func(tx *sql.Tx) error {
			ids, err := collect(ctx, tx, scanInt, heldOf+` ORDER BY e.application_id LIMIT $2`, f.ID, heldBatch)
			if left = len(ids); err != nil || left == 0 {
				return err
			}
			// Whoever applies a run to one of these waits, and then sees them released.
			if _, err := collect(ctx, tx, scanInt, `SELECT id FROM application WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY id`+s.dialect.forUpdate, list(ids)); err != nil {
				return err
			}
			news, err := s.netNews(ctx, tx, ids, f, now)
			if err != nil {
				return err
			}
			for _, query := range []string{
				`UPDATE event SET state = 'collapsed' WHERE state = 'held' AND application_id IN (SELECT ` + s.dialect.intValue + ` FROM json_each($1))`,
				`UPDATE application SET version = version + 1 WHERE id IN (SELECT ` + s.dialect.intValue + ` FROM json_each($1))`,
			} {
				if _, err := tx.ExecContext(ctx, query, list(ids)); err != nil {
					return err
				}
			}
			events += len(news)
			return s.writeEvents(ctx, tx, news)
		})
		if err != nil {
			return events, fmt.Errorf("release the feed %s: %w", f.Slug, err)
		}
		if left == 0 {
			if err := s.settle(ctx, f, "released"); err != nil {
				return events, err
			}
			_, err := s.ClearNotice(ctx, "held:"+f.Slug)
			return events, err
		}
	}
}

// Discard silences what was held back of a feed and returns how many events that
// were.
func (s *Store) Discard(ctx context.Context, f alerts.Feed) (events int64, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE event SET state = 'silenced' WHERE state = 'held' AND application_id IN (`+heldOf+`)`, f.ID)
		if err != nil {
			return err
		}
		events, err = res.RowsAffected()
		return err
	})
	if err == nil {
		err = s.settle(ctx, f, "discarded")
	}
	if err != nil {
		return 0, fmt.Errorf("discard what is held of the feed %s: %w", f.Slug, err)
	}
	_, err = s.ClearNotice(ctx, "held:"+f.Slug)
	return events, err
}

// settle notes what somebody decided on a feed's held runs.
func (s *Store) settle(ctx context.Context, f alerts.Feed, decision string) error {
	_, err := s.write.ExecContext(ctx, `UPDATE run SET settled = $1 WHERE feed_id = $2 AND verdict = 'held' AND settled = '' AND applied`, decision, f.ID)
	if err != nil {
		return fmt.Errorf("note that what was held of the feed %s is %s: %w", f.Slug, decision, err)
	}
	return nil
}
