package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file takes away what must not be shown any longer, everywhere at once, and
// keeps the record of who did so.

// Redact takes away what r says of an application, for good: on pages and in
// search, in the event log, in mails that wait and in the stored words of those
// that were sent, and in whatever a feed brings of it later. With RedactAll it is
// hidden, and who had been told of it hears that it was taken down. One that
// breaks off is finished by repeating it.
func (s *Store) Redact(ctx context.Context, ref alerts.Ref, r alerts.Redaction, act alerts.Act, now time.Time) (done alerts.Takedown, err error) {
	var id int64
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		app, err := s.lockApplication(ctx, tx, ref)
		if err != nil {
			return err
		}
		id, done.Before = app.ID, app.redacted
		if err := recordAct(ctx, tx, act, now); err != nil {
			return err
		}
		if app.redacted.Includes(r) && app.redacted != alerts.RedactNothing {
			return nil
		}
		return s.redact(ctx, tx, app, r, now)
	})
	if err == nil {
		err = s.redactMails(ctx, id, now, &done)
	}
	if err == nil {
		// Words that are gone stay in the file of the index until its parts are merged.
		err = errors.Join(s.tidySearch(ctx), s.scrub(ctx))
	}
	if err != nil {
		return done, fmt.Errorf("redact %s %s: %w", ref.Authority, ref.Number, err)
	}
	return done, nil
}

// A redactable is an application that is locked.
type redactable struct {
	alerts.Application
	redacted alerts.Redaction
}

// lockApplication reads an application, hidden or not, and keeps every feed of its
// authority from being applied meanwhile.
func (s *Store) lockApplication(ctx context.Context, tx *sql.Tx, ref alerts.Ref) (a redactable, err error) {
	var slug string
	if err := one(tx.QueryRowContext(ctx, `SELECT slug FROM authority WHERE slug = $1`+s.dialect.forUpdate, ref.Authority).Scan(&slug)); err != nil {
		return a, err
	}
	err = one(tx.QueryRowContext(ctx, `SELECT id, authority, version, hidden, first_seen, details, redacted FROM application
		WHERE id = (SELECT application_id FROM alias WHERE authority = $1 AND reference_key = $2)`+s.dialect.forUpdate, ref.Authority, alerts.ReferenceKey(ref.Number)).
		Scan(&a.ID, &a.Authority, &a.Version, &a.Hidden, &a.FirstSeen, asJSON[alerts.Details]{&a.Details}, &a.redacted))
	return a, err
}

// redact cuts an application down, its records and its events, and numbers the
// event that it is gone as the last thing of all.
func (s *Store) redact(ctx context.Context, tx *sql.Tx, app redactable, r alerts.Redaction, now time.Time) error {
	left := r.Apply(app.Details)
	hide := r == alerts.RedactAll && !app.Hidden
	version := app.Version
	if hide {
		version++
	}
	listed, cell, lon, lat := shownAt(&left, app.FirstSeen)
	if _, err := tx.ExecContext(ctx, updateApplication, left.Reference, version, now.UnixMilli(), listed, cell, lon, lat, asJSON[alerts.Details]{&left}, app.ID); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE application SET redacted = $1, redacted_at = $2, hidden = (hidden OR $3) WHERE id = $4`, r, now.UnixMilli(), hide, app.ID); err != nil {
		return err
	}
	type record struct {
		feed    int64
		key     string
		details alerts.Details
	}
	records, err := collect(ctx, tx, func(rows *sql.Rows) (c record, err error) {
		return c, rows.Scan(&c.feed, &c.key, asJSON[alerts.Details]{&c.details})
	}, `SELECT feed_id, source_key, details FROM record WHERE application_id = $1`, app.ID)
	if err != nil {
		return err
	}
	for _, c := range records { // the hash stays: the row as it is now brings nothing new
		left := r.Apply(c.details)
		if _, err := tx.ExecContext(ctx, `UPDATE record SET details = $1 WHERE feed_id = $2 AND source_key = $3`, asJSON[alerts.Details]{&left}, c.feed, c.key); err != nil {
			return err
		}
	}
	type snapshots struct {
		id     int64
		before *alerts.Details
		after  alerts.Details
	}
	events, err := collect(ctx, tx, func(rows *sql.Rows) (c snapshots, err error) {
		return c, rows.Scan(&c.id, asJSON[*alerts.Details]{&c.before}, asJSON[alerts.Details]{&c.after})
	}, `SELECT id, before, after FROM event WHERE application_id = $1`, app.ID)
	if err != nil {
		return err
	}
	for _, c := range events {
		var before any
		if c.before != nil {
			b, err := json.Marshal(r.Apply(*c.before))
			if err != nil {
				return err
			}
			before = string(b)
		}
		after := r.Apply(c.after)
		if _, err := tx.ExecContext(ctx, `UPDATE event SET before = $1, after = $2 WHERE id = $3`, before, asJSON[alerts.Details]{&after}, c.id); err != nil {
			return err
		}
	}
	if !hide {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE event SET state = 'silenced' WHERE application_id = $1 AND state = 'held'`, app.ID); err != nil {
		return err
	}
	return s.writeEvents(ctx, tx, []alerts.Event{{ApplicationID: app.ID, Authority: app.Authority, Version: version, Type: alerts.EventRemoved, State: alerts.EventLive, At: now.UnixMilli(), After: left}})
}

// redactMails has mails that wait written anew, and forgets the words of those that
// do not. A mail that a sender has taken up is left to it: claiming it again finds
// that it is older than the redaction.
func (s *Store) redactMails(ctx context.Context, application int64, now time.Time, done *alerts.Takedown) error {
	telling, err := collect(ctx, s.read, scanInt, `SELECT DISTINCT delivery_id FROM match WHERE delivery_id IS NOT NULL
		AND seq IN (SELECT seq FROM event WHERE application_id = $1 AND seq IS NOT NULL AND type <> 'removed')
		UNION SELECT delivery_id FROM reminder WHERE delivery_id IS NOT NULL AND application_id = $2`, application, application)
	if err != nil {
		return err
	}
	copies, err := collect(ctx, s.read, scanInt, `SELECT id FROM delivery WHERE again_of IS NOT NULL AND again_of IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(telling))
	if err != nil {
		return err
	}
	telling = append(telling, copies...)
	for len(telling) > 0 {
		some := telling[:min(len(telling), 200)]
		telling = telling[len(some):]
		if err := s.inTx(ctx, func(tx *sql.Tx) error {
			waiting, err := collect(ctx, tx, scanInt, `SELECT id FROM delivery WHERE state = 'queued' AND kind = 'alert' AND claim_no = 0 AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY id`+s.dialect.forUpdate, list(some))
			if err != nil {
				return err
			}
			for _, id := range waiting {
				if err := s.recompose(ctx, tx, id, now.UnixMilli()); err != nil {
					return err
				}
			}
			done.Queued += len(waiting)
			if _, err := tx.ExecContext(ctx, `DELETE FROM captured WHERE message_id IN (SELECT message_id FROM delivery WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)))`, list(some)); err != nil {
				return err
			}
			res, err := tx.ExecContext(ctx, `UPDATE delivery SET subject = '', text = '', html = '', headers = '[]', inline_files = '' WHERE state <> 'queued' AND subject <> '' AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(some))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			done.Blanked += int(n)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// redactStaged cuts rows down that are about to be stored for a while and belong to
// redacted applications. Mostly there are none.
func (s *Store) redactStaged(ctx context.Context, tx *sql.Tx, feed int64, rows []alerts.Staged) error {
	byKey, byRef := map[string]alerts.Redaction{}, map[[2]string]alerts.Redaction{}
	for query, keep := range map[string]func(authority, key string, r alerts.Redaction){
		`SELECT '', c.source_key, a.redacted FROM application a JOIN record c ON c.application_id = a.id WHERE a.redacted_at > 0 AND a.redacted <> '' AND c.feed_id = $1`:    func(_, key string, r alerts.Redaction) { byKey[key] = r },
		`SELECT l.authority, l.reference_key, a.redacted FROM application a JOIN alias l ON l.application_id = a.id WHERE a.redacted_at > 0 AND a.redacted <> '' AND $1 > 0`: func(authority, key string, r alerts.Redaction) { byRef[[2]string{authority, key}] = r },
	} {
		if _, err := collect(ctx, tx, func(rows *sql.Rows) (struct{}, error) {
			var authority, key string
			var r alerts.Redaction
			err := rows.Scan(&authority, &key, &r)
			keep(authority, key, r)
			return struct{}{}, err
		}, query, feed); err != nil {
			return err
		}
	}
	if len(byKey)+len(byRef) == 0 {
		return nil
	}
	for i := range rows {
		row := &rows[i]
		r := byKey[row.SourceKey]
		if r == alerts.RedactNothing {
			r = byRef[[2]string{row.Authority, alerts.ReferenceKey(row.Details.Reference)}]
		}
		row.Details = r.Apply(row.Details)
	}
	return nil
}

// Restore lifts a redaction. What was taken away comes back with the next reading
// of a feed that has it; until then there is nothing to show.
func (s *Store) Restore(ctx context.Context, ref alerts.Ref, act alerts.Act, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		app, err := s.lockApplication(ctx, tx, ref)
		if err != nil {
			return err
		}
		if app.redacted == alerts.RedactNothing {
			return alerts.ErrConflict
		}
		if err := recordAct(ctx, tx, act, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE application SET redacted = '', hidden = FALSE WHERE id = $1`, app.ID); err != nil {
			return err
		}
		// Without a hash a record is compared anew when it is next read.
		_, err = tx.ExecContext(ctx, `UPDATE record SET hash = '' WHERE application_id = $1`, app.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("restore %s %s: %w", ref.Authority, ref.Number, err)
	}
	return nil
}

// Redaction returns the redaction of an application and whether it is hidden.
func (s *Store) Redaction(ctx context.Context, ref alerts.Ref) (r alerts.Redaction, hidden bool, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT redacted, hidden FROM application WHERE id = (SELECT application_id FROM alias WHERE authority = $1 AND reference_key = $2)`,
		ref.Authority, alerts.ReferenceKey(ref.Number)).Scan(&r, &hidden))
	return r, hidden, err
}

// FindRecords returns the applications that are known by a reference, of whichever
// council, those that are hidden too; at most limit.
func (s *Store) FindRecords(ctx context.Context, number string, limit int) ([]alerts.RedactedRecord, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (r alerts.RedactedRecord, err error) {
		return r, rows.Scan(&r.ID, &r.Authority, &r.Number, &r.Redaction, &r.Hidden)
	}, `SELECT a.id, a.authority, a.reference, a.redacted, a.hidden FROM alias l JOIN application a ON a.id = l.application_id
		WHERE l.reference_key = $1 ORDER BY a.authority, a.id LIMIT $2`, alerts.ReferenceKey(number), limit)
}
