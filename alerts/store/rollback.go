package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file takes a mistaken import back.

// recalled reports whether what the event e told was taken back since.
const recalled = `EXISTS (SELECT 1 FROM event r WHERE r.application_id = e.application_id AND r.type = 'recalled' AND r.run_id = e.run_id AND e.type <> 'recalled')`

// A Rollback is what became of the applications that a mistaken import touched.
type Rollback struct {
	Removed  int // that it had brought: they are gone
	Restored int // that it had changed: they are as before
	Left     int // that another reading has changed since: they stay as they are
}

// Rollback takes a run of a feed back. What it told and is still to be sent is not
// sent; who was told hears that it was a mistake. One that breaks off is finished by
// repeating it.
func (s *Store) Rollback(ctx context.Context, f alerts.Feed, runID int64, now time.Time) (done Rollback, err error) {
	for after := int64(0); ; {
		var ids []int64
		err := s.inTx(ctx, func(tx *sql.Tx) (err error) {
			ids, err = collect(ctx, tx, scanInt, `SELECT id FROM application WHERE id > $1 AND NOT hidden AND id IN (SELECT application_id FROM event WHERE run_id = $2)
				ORDER BY id LIMIT $3`+s.dialect.forUpdate, after, runID, heldBatch)
			if err != nil {
				return err
			}
			var news []alerts.Event
			for _, id := range ids {
				e, err := s.rollback(ctx, tx, f, runID, id, now, &done)
				if err != nil {
					return err
				}
				if e != nil {
					news = append(news, *e)
				}
			}
			return s.writeEvents(ctx, tx, news) // numbers last
		})
		if err != nil {
			return done, fmt.Errorf("take back the run %d of the feed %s: %w", runID, f.Slug, err)
		}
		if len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		for _, query := range []string{
			`UPDATE run SET verdict = 'failed', reason = 'it was taken back by hand' WHERE id = $1`,
			// A feed whose only good reading was taken back begins anew, silently.
			`UPDATE feed SET etag = '', last_modified = '', last_complete = coalesce((SELECT max(finished_at) FROM run r WHERE r.feed_id = feed.id AND r.verdict IN ('complete', 'held')), 0)
				WHERE id = (SELECT feed_id FROM run WHERE id = $1)`,
		} {
			if _, err := tx.ExecContext(ctx, query, runID); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// rollback takes back what the run did to one application, and returns the event
// that says so.
func (s *Store) rollback(ctx context.Context, tx *sql.Tx, f alerts.Feed, runID, id int64, now time.Time, done *Rollback) (*alerts.Event, error) {
	var authority string
	var version int
	var firstSeen int64
	var is alerts.Details
	if err := tx.QueryRowContext(ctx, `SELECT authority, version, first_seen, details FROM application WHERE id = $1`, id).
		Scan(&authority, &version, &firstSeen, asJSON[alerts.Details]{&is}); err != nil {
		return nil, err
	}
	type step struct {
		run     int64
		version int
		kind    alerts.EventType
		before  *alerts.Details
	}
	steps, err := collect(ctx, tx, func(rows *sql.Rows) (st step, err error) {
		return st, rows.Scan(&st.run, &st.version, &st.kind, asJSON[*alerts.Details]{&st.before})
	}, `SELECT run_id, version, type, before FROM event WHERE application_id = $1 ORDER BY version, id`, id)
	if err != nil {
		return nil, err
	}
	var first *step
	for i := range steps {
		switch st := &steps[i]; {
		case st.run == runID && st.kind == alerts.EventRecalled:
			return nil, nil // taken back before
		case st.run == runID && first == nil:
			first = st
		case first != nil && st.run != runID:
			done.Left++
			return nil, nil
		}
	}
	if first == nil {
		return nil, nil
	}
	event := &alerts.Event{ApplicationID: id, Authority: authority, Version: version + 1, State: alerts.EventLive, At: now.UnixMilli(), RunID: runID, Before: &is}
	if first.before == nil {
		done.Removed++
		event.Type, event.After = alerts.EventRemoved, is
		for _, query := range []string{
			`DELETE FROM record WHERE application_id = $1`, // so that it is new when it comes again
			`DELETE FROM alias WHERE application_id = $1`,
			`UPDATE application SET hidden = TRUE, version = version + 1 WHERE id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, query, id); err != nil {
				return nil, err
			}
		}
		return event, nil
	}
	done.Restored++
	event.Type, event.After = alerts.EventRecalled, *first.before
	listed, cell, lon, lat := shownAt(first.before, firstSeen)
	if _, err := tx.ExecContext(ctx, updateApplication, first.before.Reference, version+1, now.UnixMilli(), listed, cell, lon, lat, asJSON[alerts.Details]{first.before}, id); err != nil {
		return nil, err
	}
	// Without a hash the record is compared anew when it is next read.
	_, err = tx.ExecContext(ctx, `UPDATE record SET details = $1, hash = '' WHERE application_id = $2 AND feed_id = $3`, asJSON[alerts.Details]{first.before}, id, f.ID)
	return event, err
}
