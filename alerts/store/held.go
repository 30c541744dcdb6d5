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

// heldOf picks the applications that wait because of events of a feed's runs, up to
// one of them.
const heldOf = `SELECT DISTINCT e.application_id FROM event e JOIN run r ON r.id = e.run_id WHERE e.state = 'held' AND r.feed_id = $1 AND e.id <= $2`

// Hold returns what is held of a feed.
func (s *Store) Hold(ctx context.Context, f alerts.Feed) (alerts.Hold, error) {
	return hold(ctx, s.read, f)
}

func hold(ctx context.Context, q querier, f alerts.Feed) (h alerts.Hold, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(e.id), 0), count(*) FROM event e JOIN run r ON r.id = e.run_id WHERE e.state = 'held' AND r.feed_id = $1`, f.ID).Scan(&h.Last, &h.Events)
	if err != nil {
		return h, fmt.Errorf("count what is held of the feed %s: %w", f.Slug, err)
	}
	return h, nil
}

// Held returns what a release of a feed's held events would tell: for each
// application the net change from before the hold to now, in batches to yield.
func (s *Store) Held(ctx context.Context, f alerts.Feed, now time.Time, yield func([]alerts.Event) error) error {
	after := int64(0)
	for {
		ids, err := collect(ctx, s.read, scanInt, heldOf+` AND e.application_id > $3 ORDER BY e.application_id LIMIT $4`, f.ID, alerts.Forever, after, heldBatch)
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

// Release tells what was held back of a feed up to an event, each application once by
// its net change, and returns how many events that made. A release that breaks off is
// finished by repeating it.
func (s *Store) Release(ctx context.Context, f alerts.Feed, last int64, now time.Time) (events int, err error) {
	for {
		var left int
		err := s.inTx(ctx, func(tx *sql.Tx) error {
			ids, err := collect(ctx, tx, scanInt, heldOf+` ORDER BY e.application_id LIMIT $3`, f.ID, last, heldBatch)
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
			return events, s.settleHeld(ctx, f, last, "released")
		}
	}
}

// Discard silences what was held back of a feed up to an event and returns how many
// events that were.
func (s *Store) Discard(ctx context.Context, f alerts.Feed, last int64) (events int64, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE event SET state = 'silenced' WHERE state = 'held' AND application_id IN (`+heldOf+`)`, f.ID, last)
		if err != nil {
			return err
		}
		events, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("discard what is held of the feed %s: %w", f.Slug, err)
	}
	return events, s.settleHeld(ctx, f, last, "discarded")
}

// settleHeld forgets what was asked about held news that is told or silenced now. The
// notice stays while more has come.
func (s *Store) settleHeld(ctx context.Context, f alerts.Feed, last int64, decision string) error {
	if err := s.settle(ctx, f, decision); err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, `DELETE FROM held_request WHERE feed_id = $1 AND last <= $2`, f.ID, last); err != nil {
		return fmt.Errorf("forget what was asked about the feed %s: %w", f.Slug, err)
	}
	if _, err := s.ClearNotice(ctx, "agree:"+f.Slug); err != nil {
		return err
	}
	if h, err := s.Hold(ctx, f); err != nil || h.Events > 0 {
		return err
	}
	_, err := s.ClearNotice(ctx, "held:"+f.Slug)
	return err
}

// HeldRequest returns what somebody wants done with the held news of a feed; nil when
// nobody has asked.
func (s *Store) HeldRequest(ctx context.Context, f alerts.Feed) (*alerts.HeldRequest, error) {
	return heldRequest(ctx, s.read, f)
}

func heldRequest(ctx context.Context, q querier, f alerts.Feed) (*alerts.HeldRequest, error) {
	var r alerts.HeldRequest
	err := one(q.QueryRowContext(ctx, `SELECT what, asked_by, asked_at, reason, last, events, reach, agreed_by, agreed_at FROM held_request WHERE feed_id = $1`, f.ID).
		Scan(&r.Choice, &r.By, &r.At, &r.Reason, &r.Hold.Last, &r.Hold.Events, asJSON[alerts.Reach]{&r.Reach}, &r.AgreedBy, &r.AgreedAt))
	if errors.Is(err, alerts.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was asked about the feed %s: %w", f.Slug, err)
	}
	return &r, nil
}

// DecideHeld records what somebody wants done with the held news of a feed, and says
// what follows: [Store.Release] or [Store.Discard] up to the decision's last event, or
// waiting for a second person, of whom a notice asks. alerts.ErrConflict: what is held
// is no longer what they saw.
func (s *Store) DecideHeld(ctx context.Context, f alerts.Feed, d alerts.HeldDecision, agreeAt string, now time.Time) (step alerts.HeldStep, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		var id int64
		if err := one(tx.QueryRowContext(ctx, `SELECT id FROM feed WHERE id = $1`+s.dialect.forUpdate, f.ID).Scan(&id)); err != nil {
			return err
		}
		have, err := hold(ctx, tx, f)
		if err != nil {
			return err
		}
		if have != d.Hold || have.Events == 0 {
			return alerts.ErrConflict
		}
		asked, err := heldRequest(ctx, tx, f)
		if err != nil {
			return err
		}
		if step = d.Step(asked, now); step == alerts.HeldWait {
			return nil
		}
		r := alerts.HeldRequest{Choice: d.Choice, By: d.By, At: now.UnixMilli(), Reason: d.Reason, Hold: have, Reach: d.Reach}
		if step == alerts.HeldDo {
			if r.AgreedBy, r.AgreedAt = d.By, now.UnixMilli(); asked.Waits(have, now) && asked.Choice == d.Choice {
				r.By, r.At, r.Reason = asked.By, asked.At, asked.Reason
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO held_request (feed_id, what, asked_by, asked_at, reason, last, events, reach, agreed_by, agreed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (feed_id) DO UPDATE SET what = excluded.what, asked_by = excluded.asked_by, asked_at = excluded.asked_at, reason = excluded.reason,
				last = excluded.last, events = excluded.events, reach = excluded.reach, agreed_by = excluded.agreed_by, agreed_at = excluded.agreed_at`,
			f.ID, r.Choice, r.By, r.At, r.Reason, r.Hold.Last, r.Hold.Events, asJSON[alerts.Reach]{&r.Reach}, r.AgreedBy, r.AgreedAt); err != nil {
			return err
		}
		if step == alerts.HeldAsk {
			if err := renewNotice(ctx, tx, "agree:"+f.Slug, d.Choice.AskWords(f.Slug, agreeAt, r.Until()), now); err != nil {
				return err
			}
		}
		return recordAct(ctx, tx, d.Act(f.Slug, step), now)
	})
	if err != nil && !errors.Is(err, alerts.ErrConflict) {
		err = fmt.Errorf("decide about what is held of the feed %s: %w", f.Slug, err)
	}
	return step, err
}

// renewNotice puts a notice that is told again although an earlier one of its key
// was.
func renewNotice(ctx context.Context, tx *sql.Tx, key, text string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notice (key, at, text) VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET at = excluded.at, text = excluded.text, told_at = 0`, key, now.UnixMilli(), text)
	return err
}

// settle notes what somebody decided on those held runs of a feed of which nothing is
// held any more.
func (s *Store) settle(ctx context.Context, f alerts.Feed, decision string) error {
	_, err := s.write.ExecContext(ctx, `UPDATE run SET settled = $1 WHERE feed_id = $2 AND verdict = 'held' AND settled = '' AND applied
		AND NOT EXISTS (SELECT 1 FROM event e WHERE e.run_id = run.id AND e.state = 'held')`, decision, f.ID)
	if err != nil {
		return fmt.Errorf("note that what was held of the feed %s is %s: %w", f.Slug, decision, err)
	}
	return nil
}
