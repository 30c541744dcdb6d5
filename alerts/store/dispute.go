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

// This file keeps what people say of the places of applications, and what was
// decided about them.

const placingColumns = `p.state, p.about, p.ward, p.place, p.right_ward, p.at`

// placingScan are the destinations of placingColumns, which may all be NULL.
type placingScan struct {
	state, ward, rightWard sql.NullString
	at                     sql.NullInt64
	about, right           alerts.Site
}

func (c *placingScan) into() []any {
	return []any{&c.state, asJSON[alerts.Site]{&c.about}, &c.ward, asJSON[alerts.Site]{&c.right}, &c.rightWard, &c.at}
}

func (c *placingScan) placing() alerts.Placing {
	return alerts.Placing{State: alerts.PlaceState(c.state.String), About: c.about, Ward: c.ward.String, Right: c.right, RightWard: c.rightWard.String, At: c.at.Int64}
}

// Placing returns what people found out about the place of an application.
func (s *Store) Placing(ctx context.Context, application int64) (alerts.Placing, error) {
	p, err := placingOf(ctx, s.read, application)
	if err != nil {
		return p, fmt.Errorf("read what became of the place of application %d: %w", application, err)
	}
	return p, nil
}

func placingOf(ctx context.Context, q querier, application int64) (alerts.Placing, error) {
	var c placingScan
	err := one(q.QueryRowContext(ctx, `SELECT `+placingColumns+` FROM place_check p WHERE p.application_id = $1`, application).Scan(c.into()...))
	if errors.Is(err, alerts.ErrNotFound) {
		err = nil
	}
	return c.placing(), err
}

// ReportPlace notes that somebody says that an application is not where the map shows
// it: once for each place that such reports come from, and once for each person.
// recipient is who followed the link in a mail, or 0. With enough of them the place is
// disputed. [alerts.ErrTooMany]: it was said of too many applications today.
func (s *Store) ReportPlace(ctx context.Context, application, recipient int64, client string, limits alerts.Limits, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		for _, a := range limits.Places(client, recipient, now) {
			if ok, err := allow(ctx, tx, a); err != nil {
				return err
			} else if !ok {
				return alerts.ErrTooMany
			}
		}
		var d alerts.Details
		var authority string
		var hidden bool
		if err := one(tx.QueryRowContext(ctx, `SELECT authority, hidden, details FROM application WHERE id = $1`+s.dialect.forUpdate, application).
			Scan(&authority, &hidden, asJSON[alerts.Details]{&d})); err != nil {
			return err
		}
		p, err := placingOf(ctx, tx, application)
		if err != nil {
			return err
		}
		if hidden || !d.Site.Located() || !p.MayBeDoubted() {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO place_report (application_id, client, recipient_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			application, client, recipient, now.UnixMilli()); err != nil {
			return err
		}
		var people int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM place_report WHERE application_id = $1`, application).Scan(&people); err != nil {
			return err
		}
		if p.IsDisputed() {
			_, err := tx.ExecContext(ctx, `UPDATE place_check SET people = $1 WHERE application_id = $2`, people, application)
			return err
		}
		if p = p.Reported(people, &d, now); !p.IsDisputed() {
			return nil
		}
		if err := putPlacing(ctx, tx, application, p, people); err != nil {
			return err
		}
		place := alerts.DisputedPlace{Application: alerts.Application{ID: application, Authority: authority, Details: d}, Placing: p, People: people}
		if err := putNotice(ctx, tx, place.NoticeKey(), place.Notice(), now); err != nil {
			return err
		}
		return recordAct(ctx, tx, alerts.Act{Kind: alerts.ActRecord, Who: alerts.English.Plural(people, "person", "people"), What: "disputed the place of", Subject: alerts.RecordSubject(alerts.Ref{Authority: authority, Number: d.Reference}), Reason: "it is not where the map shows it"}, now)
	})
	if err != nil && !errors.Is(err, alerts.ErrTooMany) {
		return fmt.Errorf("note that the place of application %d is said to be wrong: %w", application, err)
	}
	return err
}

func putPlacing(ctx context.Context, tx *sql.Tx, application int64, p alerts.Placing, people int) error {
	right := alerts.Site{}
	if p.State == alerts.PlaceMoved {
		right = p.Right
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO place_check (application_id, state, about, ward, place, right_ward, people, at, told_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
		ON CONFLICT (application_id) DO UPDATE SET state = excluded.state, about = excluded.about, ward = excluded.ward, place = excluded.place,
		right_ward = excluded.right_ward, at = excluded.at`,
		application, p.State, asJSON[alerts.Site]{&p.About}, p.Ward, asJSON[alerts.Site]{&right}, p.RightWard, people, p.At)
	return err
}

// forgetPlacing ends a dispute about a place that a feed does not give any more.
func forgetPlacing(ctx context.Context, tx *sql.Tx, applications []int64) error {
	for _, query := range []string{`DELETE FROM place_check WHERE application_id = $1`, `DELETE FROM place_report WHERE application_id = $1`} {
		for _, id := range applications {
			if _, err := tx.ExecContext(ctx, query, id); err != nil {
				return err
			}
		}
	}
	for _, id := range applications {
		place := alerts.DisputedPlace{Application: alerts.Application{ID: id}}
		if _, err := tx.ExecContext(ctx, `DELETE FROM notice WHERE key = $1`, place.NoticeKey()); err != nil {
			return err
		}
	}
	return nil
}

// DecidePlace stores what somebody found out about the place of an application, and
// raises the event of its move. Those who were told wrongly hear it once; those who
// were missed are alerted when the right place is known; what was held back goes out,
// or is closed. [alerts.ErrConflict]: its feed gives it no place at all.
func (s *Store) DecidePlace(ctx context.Context, ref alerts.Ref, c alerts.PlaceDecision, act alerts.Act, now time.Time) (was, is alerts.Placing, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		app, err := s.lockApplication(ctx, tx, ref)
		if err != nil {
			return err
		}
		if was, err = placingOf(ctx, tx, app.ID); err != nil {
			return err
		}
		given := app.Details // as its feeds have it
		if was.State == alerts.PlaceDropped || was.State == alerts.PlaceMoved {
			given.Site = was.About
			if was.Ward != "" && given.Ward == was.RightWard {
				given.Ward = was.Ward
			}
		}
		if given, err = s.outlined(ctx, tx, app.ID, given); err != nil {
			return err
		}
		if app.Hidden || !given.Site.Located() {
			return alerts.ErrConflict
		}
		is = c.Decide(&given, now)
		if err := errors.Join(recordAct(ctx, tx, act, now), forgetPlacing(ctx, tx, []int64{app.ID}), putPlacing(ctx, tx, app.ID, is, 0)); err != nil {
			return err
		}
		return s.replace(ctx, tx, app, is.Apply(given), now)
	})
	if err != nil {
		return was, is, fmt.Errorf("decide about the place of %s %s: %w", ref.Authority, ref.Number, err)
	}
	return was, is, nil
}

// outlined gives back to the place that a feed gives the outline that a placing leaves
// out.
func (s *Store) outlined(ctx context.Context, tx *sql.Tx, application int64, d alerts.Details) (alerts.Details, error) {
	records, err := collect(ctx, tx, func(rows *sql.Rows) (r alerts.Details, err error) { return r, rows.Scan(asJSON[alerts.Details]{&r}) },
		`SELECT details FROM record WHERE application_id = $1`, application)
	for _, r := range records {
		if r.Site.Located() && r.Site.Point() == d.Site.Point() {
			d.Site = r.Site
		}
	}
	return d, err
}

// replace stores an application with another place and writes the events of that, the
// last thing of a transaction.
func (s *Store) replace(ctx context.Context, tx *sql.Tx, app redactable, next alerts.Details, now time.Time) error {
	if len(alerts.Diff(&app.Details, &next)) == 0 {
		return nil
	}
	held, err := collect(ctx, tx, scanInt, `SELECT 1 FROM event WHERE application_id = $1 AND state = 'held' LIMIT 1`, app.ID)
	if err != nil {
		return err
	}
	listed, cell, lon, lat := shownAt(&next, app.FirstSeen)
	if _, err := tx.ExecContext(ctx, updateApplication, next.Reference, app.Version+1, now.UnixMilli(), listed, cell, lon, lat, asJSON[alerts.Details]{&next}, app.ID); err != nil {
		return err
	}
	events := alerts.News(&app.Details, next, alerts.Telling{Held: len(held) > 0, Today: alerts.DateOf(now)})
	for i := range events {
		e := &events[i]
		e.ApplicationID, e.Authority, e.Version, e.At = app.ID, app.Authority, app.Version+1, now.UnixMilli()
	}
	return s.writeEvents(ctx, tx, events)
}

// DisputedPlaces returns up to limit applications whose place is disputed, with ids
// above after, in their order.
func (s *Store) DisputedPlaces(ctx context.Context, after int64, limit int) ([]alerts.DisputedPlace, error) {
	places, err := s.disputed(ctx, s.read, `p.application_id > $1 ORDER BY p.application_id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list the places that are disputed: %w", err)
	}
	return places, nil
}

// disputed reads disputed places, each with the feed whose word on it counts: of
// those that give a place, the one that takes precedence.
func (s *Store) disputed(ctx context.Context, q querier, where string, args ...any) ([]alerts.DisputedPlace, error) {
	places, err := collect(ctx, q, func(rows *sql.Rows) (d alerts.DisputedPlace, err error) {
		var c placingScan
		a := &d.Application
		err = rows.Scan(append([]any{&a.ID, &a.Authority, &a.FirstSeen, asJSON[alerts.Details]{&a.Details}, &d.Name, &d.People}, c.into()...)...)
		d.Placing = c.placing()
		return d, err
	}, `SELECT a.id, a.authority, a.first_seen, a.details, u.name, p.people, `+placingColumns+` FROM place_check p
		JOIN application a ON a.id = p.application_id JOIN authority u ON u.slug = a.authority
		WHERE p.state = 'disputed' AND NOT a.hidden AND `+where, args...)
	for i := range places {
		d := &places[i]
		feeds, err := collect(ctx, q, func(rows *sql.Rows) (f alerts.Feed, err error) { return scanFeed(rows) },
			`SELECT `+feedColumns+` FROM feed WHERE id IN (SELECT feed_id FROM record WHERE application_id = $1) ORDER BY precedence, id`, d.Application.ID)
		if err != nil {
			return nil, err
		}
		records, err := collect(ctx, q, func(rows *sql.Rows) (r alerts.Record, err error) { return r, rows.Scan(&r.FeedID, &r.Supplied) },
			`SELECT feed_id, supplied FROM record WHERE application_id = $1`, d.Application.ID)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(feeds, func(f alerts.Feed) bool {
			return slices.ContainsFunc(records, func(r alerts.Record) bool { return r.FeedID == f.ID && r.Supplied.Has(alerts.FieldSite) })
		})
		if at >= 0 {
			d.Feed = feeds[at]
		}
	}
	return places, err
}

// TellDisputes has one mail written to the contact of the feed that gives each
// disputed place, and returns how many that made; at most limit. Where there is no
// contact, the operator's notice has to do.
func (s *Store) TellDisputes(ctx context.Context, limit int, now time.Time, addressKey func(string) string, write func(alerts.DisputedPlace) (alerts.Delivery, error)) (mails int, more bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, scanInt, `SELECT application_id FROM place_check WHERE state = 'disputed' AND told_at = 0 ORDER BY application_id LIMIT $1`+s.dialect.skipLocked, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		more = len(ids) == limit
		places, err := s.disputed(ctx, tx, `p.application_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY p.application_id`, list(ids))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE place_check SET told_at = $1 WHERE application_id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`, now.UnixMilli(), list(ids)); err != nil {
			return err
		}
		for _, d := range places {
			if d.Feed.Contact == "" {
				continue
			}
			to, err := contact(ctx, tx, d.Feed.Contact, addressKey(d.Feed.Contact), now)
			if err != nil {
				return err
			}
			if err := queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryNotice, Recipient: to}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(d) }); err != nil {
				return err
			}
			mails++
		}
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("tell the contacts of feeds of disputed places: %w", err)
	}
	return mails, more, nil
}
