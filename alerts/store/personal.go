package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file answers for one person: what is kept about them, and finding them.

// FindRecipients returns the recipients with an address, by its keyed hashes,
// whatever their kind.
func (s *Store) FindRecipients(ctx context.Context, addressKeys []string) ([]alerts.Recipient, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (r alerts.Recipient, err error) {
		return r, rows.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language)
	}, `SELECT id, kind, address, state, language FROM recipient WHERE address_key IN (SELECT value FROM json_each($1)) ORDER BY id`, list(addressKeys))
}

// Suppression returns why an address is not written to; alerts.ErrNotFound when it
// may be.
func (s *Store) Suppression(ctx context.Context, addressKeys []string) (reason string, at int64, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT reason, at FROM suppression WHERE address_key IN (SELECT value FROM json_each($1)) ORDER BY at LIMIT 1`, list(addressKeys)).Scan(&reason, &at))
	return reason, at, err
}

// Unsuppress lets an address be written to again, if its owner signs up.
func (s *Store) Unsuppress(ctx context.Context, addressKeys []string, act alerts.Act, now time.Time) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM suppression WHERE address_key IN (SELECT value FROM json_each($1))`, list(addressKeys))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return alerts.ErrNotFound
		}
		return recordAct(ctx, tx, act, now)
	})
}

// Personal returns everything that is kept about a recipient.
func (s *Store) Personal(ctx context.Context, recipient int64) (p alerts.Personal, err error) {
	if p, err = s.personal(ctx, recipient); err != nil {
		return p, fmt.Errorf("read what is kept about recipient %d: %w", recipient, err)
	}
	return p, nil
}

func (s *Store) personal(ctx context.Context, recipient int64) (p alerts.Personal, err error) {
	p = alerts.Personal{Number: recipient, Areas: []alerts.PersonalArea{}, Earlier: []alerts.PersonalArea{}, Wishes: []string{}, Reminders: []alerts.PersonalReminder{}, Outages: []alerts.PersonalOutage{}, Consents: []alerts.PersonalConsent{}, Mails: []alerts.PersonalMail{}, Reports: []alerts.PersonalReport{}, Links: []alerts.PersonalLink{}, Muted: []alerts.PersonalMute{}, Places: []alerts.PersonalPlace{}, Handled: []alerts.PersonalHandling{}}
	var since, confirmed, ended int64
	if err := one(s.read.QueryRowContext(ctx, `SELECT kind, address, state, language, created_at, confirmed_at, ended_at, remind, notes FROM recipient WHERE id = $1`, recipient).
		Scan(&p.Kind, &p.Address, &p.State, &p.Language, &since, &confirmed, &ended, &p.Remind, &p.Notes)); err != nil {
		return p, err
	}
	p.Since, p.Confirmed, p.Ended = moment(since), maybe(confirmed), maybe(ended)
	if err := gather(ctx, s.read, &p.Areas, personalArea, personalAreas+` AND s.version_id = v.id ORDER BY v.subscription_id`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Earlier, personalArea, personalAreas+` AND s.version_id <> v.id ORDER BY v.subscription_id, v.id`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Wishes, func(rows *sql.Rows) (d string, err error) { return d, rows.Scan(&d) },
		`SELECT district FROM coverage_wish WHERE recipient_id = $1 ORDER BY district`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Reminders, func(rows *sql.Rows) (r alerts.PersonalReminder, err error) {
		return r, rows.Scan(&r.Authority, &r.Reference, &r.Closes, &r.Told)
	}, `SELECT a.authority, a.reference, m.deadline, m.told FROM reminder m JOIN application a ON a.id = m.application_id WHERE m.recipient_id = $1 ORDER BY m.deadline, m.application_id`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Outages, func(rows *sql.Rows) (o alerts.PersonalOutage, err error) {
		var since int64
		err = rows.Scan(&o.Authority, &since)
		o.Since = moment(since)
		return o, err
	}, `SELECT o.authority, o.since FROM outage_told t JOIN outage o ON o.id = t.outage_id WHERE t.recipient_id = $1 ORDER BY o.id`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Consents, func(rows *sql.Rows) (c alerts.PersonalConsent, err error) {
		var at int64
		err = rows.Scan(&c.Subscription, &at, &c.What, &c.Wording, &c.Page)
		c.At = moment(at)
		return c, err
	}, `SELECT subscription_id, at, method, wording, page FROM consent WHERE recipient_id = $1 ORDER BY id`, recipient); err != nil {
		return p, err
	}
	if p.Mails, err = s.personalMails(ctx, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Reports, func(rows *sql.Rows) (r alerts.PersonalReport, err error) {
		var at int64
		err = rows.Scan(&r.Mail, &at, &r.Kind, &r.Status)
		r.At = moment(at)
		return r, err
	}, `SELECT delivery_id, at, kind, status FROM mail_report WHERE recipient_id = $1 ORDER BY at, key`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Links, func(rows *sql.Rows) (l alerts.PersonalLink, err error) {
		var made, until int64
		err = rows.Scan(&l.Purpose, &made, &until)
		l.Made, l.Until = moment(made), moment(until)
		return l, err
	}, `SELECT purpose, created_at, expires_at FROM token WHERE recipient_id = $1 ORDER BY created_at`, recipient); err != nil {
		return p, err
	}
	if err := gather(ctx, s.read, &p.Handled, func(rows *sql.Rows) (a alerts.PersonalHandling, err error) {
		var at int64
		err = rows.Scan(&at, &a.What)
		a.At = moment(at)
		return a, err
	}, `SELECT at, what FROM act WHERE subject = $1 ORDER BY id`, alerts.RecipientSubject(recipient)); err != nil {
		return p, err
	}
	if err := s.personalControl(ctx, recipient, &p); err != nil {
		return p, err
	}
	if err := s.personalGroups(ctx, recipient, &p); err != nil {
		return p, err
	}
	var sup alerts.PersonalSuppression
	var at int64
	switch err := one(s.read.QueryRowContext(ctx, `SELECT p.reason, p.at FROM suppression p JOIN recipient r ON r.address_key = p.address_key WHERE r.id = $1`, recipient).Scan(&sup.Reason, &at)); {
	case err == nil:
		sup.Since = moment(at)
		p.Suppressed = &sup
	case !errors.Is(err, alerts.ErrNotFound):
		return p, err
	}
	return p, nil
}

const personalAreas = `SELECT v.subscription_id, s.state, v.created_at, s.paused_until, v.area, v.label, v.lat, v.lon, v.radius, v.ring, v.shape, v.carve_out, v.code, v.filter, v.cadence
	FROM subscription_version v JOIN subscription s ON s.id = v.subscription_id WHERE v.recipient_id = $1`

func personalArea(rows *sql.Rows) (a alerts.PersonalArea, err error) {
	var since, paused int64
	var filter string
	var shape, carve []byte
	if err = rows.Scan(&a.Subscription, &a.State, &since, &paused, &a.Area, &a.Label, &a.Latitude, &a.Longitude, &a.Radius, &a.Ring, &shape, &carve, &a.Code, &filter, &a.Frequency); err != nil {
		return a, err
	}
	a.Since = moment(since)
	if paused != 0 {
		a.PausedUntil = maybe(min(paused, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()))
	}
	if filter != "" {
		if err := (asJSON[alerts.Filter]{&a.Filter}).Scan(filter); err != nil {
			return a, err
		}
	}
	if a.Shape, err = geoJSON(shape); err == nil {
		a.CarveOut, err = geoJSON(carve)
	}
	return a, err
}

func geoJSON(wkb []byte) (json.RawMessage, error) {
	if len(wkb) == 0 {
		return nil, nil
	}
	g, err := geo.DecodeWKB(wkb)
	if err != nil {
		return nil, err
	}
	return geo.EncodeGeoJSON(g)
}

func (s *Store) personalMails(ctx context.Context, recipient int64) ([]alerts.PersonalMail, error) {
	out := []alerts.PersonalMail{}
	err := gather(ctx, s.read, &out, func(rows *sql.Rows) (m alerts.PersonalMail, err error) {
		var made, sent int64
		err = rows.Scan(&m.Number, &m.Kind, &made, &sent, &m.State, &m.Fate, &m.Subject, &m.Text)
		m.Made, m.Sent = moment(made), maybe(sent)
		return m, err
	}, `SELECT id, kind, created_at, sent_at, state, fate, subject, text FROM delivery WHERE recipient_id = $1 ORDER BY id`, recipient)
	if err != nil {
		return nil, err
	}
	about := map[int64][]string{}
	if _, err := collect(ctx, s.read, func(rows *sql.Rows) (struct{}, error) {
		var id int64
		var authority, reference string
		err := rows.Scan(&id, &authority, &reference)
		about[id] = append(about[id], authority+" "+reference)
		return struct{}{}, err
	}, `SELECT DISTINCT m.delivery_id, a.authority, a.reference FROM match m JOIN event e ON e.seq = m.seq JOIN application a ON a.id = e.application_id
		WHERE m.delivery_id IN (SELECT id FROM delivery WHERE recipient_id = $1) ORDER BY 1, 2, 3`, recipient); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].About = about[out[i].Number]
	}
	return out, nil
}

// gather replaces *out, an empty list, with what a query finds, if it finds any.
func gather[T any](ctx context.Context, q querier, out *[]T, scan func(*sql.Rows) (T, error), query string, args ...any) error {
	found, err := collect(ctx, q, scan, query, args...)
	if len(found) > 0 {
		*out = found
	}
	return err
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// maybe is a moment that may not have come.
func maybe(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := moment(ms)
	return &t
}

// A Listed subscription is one line of a list for the operator.
type Listed struct {
	ID, Recipient int64
	State         string
	Cadence       string
	Area          string
	Label         string
	Since         int64 // unix ms
}

// ListSubscriptions returns up to limit subscriptions after one, by number. state
// narrows them; "" for all.
func (s *Store) ListSubscriptions(ctx context.Context, after int64, state string, limit int) ([]Listed, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (l Listed, err error) {
		return l, rows.Scan(&l.ID, &l.Recipient, &l.State, &l.Since, &l.Cadence, &l.Area, &l.Label)
	}, `SELECT s.id, s.recipient_id, s.state, s.created_at, coalesce(v.cadence, ''), coalesce(v.area, ''), coalesce(v.label, '')
		FROM subscription s LEFT JOIN subscription_version v ON v.id = s.version_id
		WHERE s.id > $1 AND (CAST($2 AS TEXT) = '' OR s.state = $3) ORDER BY s.id LIMIT $4`, after, state, state, limit)
}

// personalControl adds what a person has muted, and whether they are moving.
func (s *Store) personalControl(ctx context.Context, recipient int64, p *alerts.Personal) error {
	if err := gather(ctx, s.read, &p.Muted, func(rows *sql.Rows) (m alerts.PersonalMute, err error) {
		var at int64
		err = rows.Scan(&m.What, &m.Key, &m.Label, &at)
		m.At = moment(at)
		return m, err
	}, `SELECT what, key, label, created_at FROM mute WHERE recipient_id = $1 ORDER BY id`, recipient); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Places, func(rows *sql.Rows) (d alerts.PersonalPlace, err error) {
		var at int64
		err = rows.Scan(&d.Authority, &d.Reference, &at)
		d.At = moment(at)
		return d, err
	}, `SELECT a.authority, a.reference, r.at FROM place_report r JOIN application a ON a.id = r.application_id WHERE r.recipient_id = $1 ORDER BY r.at, a.id`, recipient); err != nil {
		return err
	}
	var m alerts.PersonalMove
	var asked, old, fresh, done, until int64
	err := one(s.read.QueryRowContext(ctx, `SELECT address, created_at, old_agreed, new_agreed, done_at, expires_at FROM address_move WHERE recipient_id = $1`, recipient).
		Scan(&m.To, &asked, &old, &fresh, &done, &until))
	if errors.Is(err, alerts.ErrNotFound) {
		return nil
	}
	m.Asked, m.OldAgreed, m.NewAgreed, m.Done, m.Until = moment(asked), maybe(old), maybe(fresh), maybe(done), moment(until)
	p.Move = &m
	return err
}
