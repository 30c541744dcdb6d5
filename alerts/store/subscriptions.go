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

// This file is the life of a subscription that exists: edited, paused, ended, taken
// up again. It begins in signup.go, and what is forgotten is in forget.go. Every
// method that changes what is wanted locks the recipient first and the matcher's
// watermark last.

// Edit changes what a subscription asks for, from the next event on: its version
// ends and a new one begins. Matches of the old version stay owed.
// [alerts.ErrConflict]: another subscription of the recipient is for that area.
func (s *Store) Edit(ctx context.Context, recipient, sub int64, w alerts.Wish, now time.Time) error {
	return s.changing(ctx, recipient, "change the subscription", func(tx *sql.Tx, _ alerts.Recipient) error {
		have, err := ownSubscription(ctx, tx, recipient, sub)
		if err != nil {
			return err
		}
		if have.State == alerts.SubscriptionEnded {
			return alerts.ErrNotFound
		}
		w.Area = s.approximate(alerts.SignUp{Area: w.Area}).Area
		next := w.Apply(have.Current)
		if sameWish(have.Current, next) {
			return nil
		}
		if !alerts.SameArea(have.Current.Area, next.Area) {
			others, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended' AND s.id <> $2`, recipient, sub)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(others, func(o alerts.Subscription) bool { return alerts.SameArea(o.Current.Area, next.Area) }) {
				return alerts.ErrConflict
			}
		}
		if err := addConsent(ctx, tx, recipient, sub, "edit", "/manage", now); err != nil {
			return err
		}
		if have.State == alerts.SubscriptionPending {
			return putVersion(ctx, tx, &next, now)
		}
		return s.succeed(ctx, tx, have.Current, next, now)
	})
}

func sameWish(a, b alerts.Version) bool {
	return list([]alerts.Wish{a.Wish()}) == list([]alerts.Wish{b.Wish()})
}

// succeed ends a version and puts its successor in force at the same point of
// the event log.
func (s *Store) succeed(ctx context.Context, tx *sql.Tx, old, next alerts.Version, now time.Time) error {
	claimed, err := s.lockWatermark(ctx, tx)
	if err != nil {
		return err
	}
	if err := endVersion(ctx, tx, old.ID, claimed); err != nil {
		return err
	}
	next.From, next.To = claimed, alerts.Forever
	if err := putVersion(ctx, tx, &next, now); err != nil {
		return err
	}
	return putInForce(ctx, tx, &next, now)
}

func endVersion(ctx context.Context, tx *sql.Tx, version, claimed int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE subscription_version SET to_seq = $1 WHERE id = $2 AND to_seq > $3`, claimed, version, claimed)
	return err
}

// Pause holds back a subscription's mail until a moment (alerts.Forever for until
// further notice); matching goes on.
func (s *Store) Pause(ctx context.Context, recipient, sub int64, until int64, now time.Time) error {
	return s.changing(ctx, recipient, "pause the subscription", func(tx *sql.Tx, _ alerts.Recipient) error {
		if have, err := ownSubscription(ctx, tx, recipient, sub); err != nil {
			return err
		} else if have.State != alerts.SubscriptionActive {
			return alerts.ErrNotFound
		}
		_, err := tx.ExecContext(ctx, `UPDATE subscription SET paused_until = $1 WHERE id = $2`, until, sub)
		return err
	})
}

// Resume ends a pause and makes what was held back due now, as one catch-up.
func (s *Store) Resume(ctx context.Context, recipient, sub int64, now time.Time) error {
	return s.changing(ctx, recipient, "resume the subscription", func(tx *sql.Tx, _ alerts.Recipient) error {
		have, err := ownSubscription(ctx, tx, recipient, sub)
		if err != nil {
			return err
		}
		if have.State != alerts.SubscriptionActive || have.PausedUntil <= now.UnixMilli() {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE subscription SET paused_until = 0 WHERE id = $1`, sub); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO due (recipient_id, cadence, next_at) VALUES ($1, $2, $3)
			ON CONFLICT (recipient_id, cadence) DO UPDATE SET next_at = excluded.next_at WHERE due.next_at > excluded.next_at`,
			recipient, have.Current.Cadence, now.UnixMilli())
		return err
	})
}

// End stops one subscription and returns it as it is now. Ending it again, or
// after it was erased, changes nothing.
func (s *Store) End(ctx context.Context, sub int64, page string, now time.Time) (alerts.Subscription, error) {
	have, err := s.Subscription(ctx, sub)
	if err != nil || have.State == alerts.SubscriptionEnded {
		return have, err
	}
	ended, err := s.end(ctx, have.RecipientID, page, now, func(other alerts.Subscription) bool { return other.ID == sub })
	if err == nil && len(ended) == 1 {
		return ended[0], nil
	}
	return have, err
}

// EndCadences stops all of a recipient's subscriptions of these cadences, as one
// click on the link in a mail does, and returns those that were stopped now.
func (s *Store) EndCadences(ctx context.Context, recipient int64, cs []alerts.Cadence, page string, now time.Time) ([]alerts.Subscription, error) {
	return s.end(ctx, recipient, page, now, func(sub alerts.Subscription) bool { return slices.Contains(cs, sub.Current.Cadence) })
}

func (s *Store) end(ctx context.Context, recipient int64, page string, now time.Time, which func(alerts.Subscription) bool) (ended []alerts.Subscription, err error) {
	err = s.changing(ctx, recipient, "stop the alerts", func(tx *sql.Tx, _ alerts.Recipient) error {
		ended, err = s.endSome(ctx, tx, recipient, page, now, which)
		return err
	})
	return ended, err
}

// endSome stops some of the subscriptions of a recipient, who is locked.
func (s *Store) endSome(ctx context.Context, tx *sql.Tx, recipient int64, page string, now time.Time, which func(alerts.Subscription) bool) (ended []alerts.Subscription, err error) {
	subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended'`, recipient)
	if err != nil {
		return nil, err
	}
	for _, sub := range subs {
		if which(sub) {
			ended = append(ended, sub)
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(ended)) // one that was never confirmed is simply gone
	for i := range ended {
		sub := &ended[i]
		ids[i] = sub.ID
		if err := addConsent(ctx, tx, recipient, sub.ID, "stop", page, now); err != nil {
			return nil, err
		}
		if sub.State == alerts.SubscriptionPending {
			if err := deleteSubscription(ctx, tx, sub.ID); err != nil {
				return nil, err
			}
		}
		sub.State, sub.EndedAt = alerts.SubscriptionEnded, now.UnixMilli()
	}
	if _, err := tx.ExecContext(ctx, `UPDATE subscription SET state = 'ended', paused_until = 0, ended_at = $1 WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`,
		now.UnixMilli(), list(ids)); err != nil {
		return nil, err
	}
	if len(ended) == len(subs) {
		if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'ended', ended_at = $1 WHERE id = $2 AND state <> 'ended'`, now.UnixMilli(), recipient); err != nil {
			return nil, err
		}
	}
	if err := s.withdraw(ctx, tx, recipient, ids, now); err != nil {
		return nil, err
	}
	claimed, err := s.lockWatermark(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, sub := range ended {
		if err := endVersion(ctx, tx, sub.Current.ID, claimed); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// withdraw closes what is owed to ended subscriptions, also where it is in a mail
// that no sender has taken up yet; what such a mail told other subscriptions is
// owed again.
func (s *Store) withdraw(ctx context.Context, tx *sql.Tx, recipient int64, subs []int64, now time.Time) error {
	versions := `(SELECT id FROM subscription_version WHERE subscription_id IN (SELECT ` + s.dialect.intValue + ` FROM json_each($%d)))`
	unsent, err := collect(ctx, tx, scanInt, `UPDATE delivery SET state = 'cancelled', subject = '', text = '', html = '', headers = '[]', inline_files = ''
		WHERE recipient_id = $1 AND state = 'queued' AND kind = 'alert' AND claim_no = 0
		AND (id IN (SELECT delivery_id FROM match WHERE delivery_id IS NOT NULL AND version_id IN `+fmt.Sprintf(versions, 2)+`)
			OR NOT EXISTS (SELECT 1 FROM match WHERE match.delivery_id = delivery.id)) RETURNING id`, recipient, list(subs)) // the latter only remind, perhaps for these areas
	if err != nil {
		return err
	}
	if len(unsent) > 0 {
		if _, err := tx.ExecContext(ctx, `UPDATE match SET delivery_id = NULL WHERE delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(unsent)); err != nil {
			return err
		}
		for _, id := range unsent {
			if err := untell(ctx, tx, id); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE due SET next_at = $1 WHERE recipient_id = $2 AND next_at > $3`, now.UnixMilli(), recipient, now.UnixMilli()); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE match SET closed = $1 WHERE recipient_id = $2 AND delivery_id IS NULL AND closed IS NULL AND version_id IN `+fmt.Sprintf(versions, 3),
		alerts.ClosedByEnd, recipient, list(subs))
	return err
}

// Undo takes up again what the recipient ended last, if that is not longer ago
// than alerts.UndoFor, and returns it. which narrows it to one subscription (0
// for all) and some cadences (none for all). What happened in between is not told.
func (s *Store) Undo(ctx context.Context, recipient, which int64, cs []alerts.Cadence, now time.Time) (restored []alerts.Subscription, err error) {
	err = s.changing(ctx, recipient, "take up the alerts again", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address == "" {
			return nil
		}
		subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state = 'ended' AND s.ended_at >= $2`, recipient, now.Add(-alerts.UndoFor).UnixMilli())
		if err != nil {
			return err
		}
		var last int64
		matching := subs[:0]
		for _, sub := range subs {
			if (which == 0 || sub.ID == which) && (len(cs) == 0 || slices.Contains(cs, sub.Current.Cadence)) && sub.Current.ID != 0 {
				matching = append(matching, sub)
				last = max(last, sub.EndedAt)
			}
		}
		for _, sub := range matching {
			if sub.EndedAt == last {
				restored = append(restored, sub)
			}
		}
		if len(restored) == 0 {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'active', ended_at = 0 WHERE id = $1`, recipient); err != nil {
			return err
		}
		for i := range restored {
			sub := &restored[i]
			sub.State, sub.EndedAt = alerts.SubscriptionActive, 0
			if _, err := tx.ExecContext(ctx, `UPDATE subscription SET state = 'active', ended_at = 0 WHERE id = $1`, sub.ID); err != nil {
				return err
			}
			// What another subscription has told the person meanwhile stays closed.
			if _, err := tx.ExecContext(ctx, `UPDATE match SET closed = NULL WHERE recipient_id = $1 AND closed = $2 AND delivery_id IS NULL
				AND version_id IN (SELECT id FROM subscription_version WHERE subscription_id = $3)
				AND seq NOT IN (SELECT told.seq FROM subscription s JOIN subscription_version v ON v.subscription_id = s.id JOIN match told ON told.version_id = v.id
					WHERE s.recipient_id = $4 AND told.delivery_id IS NOT NULL)`, recipient, alerts.ClosedByEnd, sub.ID, recipient); err != nil {
				return err
			}
			if err := addConsent(ctx, tx, recipient, sub.ID, "undo", "/u", now); err != nil {
				return err
			}
			if err := s.succeed(ctx, tx, sub.Current, sub.Current, now); err != nil {
				return err
			}
		}
		return nil
	})
	return restored, err
}

// WishCoverage remembers that a recipient wants to be told when these districts
// are covered.
func (s *Store) WishCoverage(ctx context.Context, recipient int64, districts []string, now time.Time) error {
	return s.changing(ctx, recipient, "store the wish", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address == "" {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO coverage_wish (recipient_id, district, created_at) SELECT CAST($1 AS BIGINT), value, CAST($2 AS BIGINT) FROM json_each($3) WHERE TRUE ON CONFLICT DO NOTHING`,
			recipient, now.UnixMilli(), list(districts))
		return err
	})
}

// CoverageWishes returns the districts of which a recipient waits to hear.
func (s *Store) CoverageWishes(ctx context.Context, recipient int64) ([]string, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (d string, err error) { return d, rows.Scan(&d) },
		`SELECT district FROM coverage_wish WHERE recipient_id = $1 AND told_at = 0 ORDER BY district`, recipient)
}

// Standing returns a recipient with all subscriptions that have not ended.
func (s *Store) Standing(ctx context.Context, recipient int64) (st alerts.Standing, err error) {
	if st.Recipient, err = scanRecipient(s.read.QueryRowContext(ctx, `SELECT id, kind, address, state, language FROM recipient WHERE id = $1`, recipient)); err == nil {
		st.Subscriptions, err = subscriptions(ctx, s.read, `s.recipient_id = $1 AND s.state <> 'ended'`, recipient)
	}
	if err != nil {
		return st, fmt.Errorf("read the subscriptions of recipient %d: %w", recipient, err)
	}
	return st, nil
}

// Subscription returns one subscription, whatever its state; its current version
// is zero once it has been erased.
func (s *Store) Subscription(ctx context.Context, id int64) (alerts.Subscription, error) {
	subs, err := subscriptions(ctx, s.read, `s.id = $1`, id)
	if err == nil && len(subs) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.Subscription{}, fmt.Errorf("read subscription %d: %w", id, err)
	}
	return subs[0], nil
}

// changing runs a change to one recipient's affairs in a transaction that holds
// the recipient's row.
func (s *Store) changing(ctx context.Context, recipient int64, what string, fn func(*sql.Tx, alerts.Recipient) error) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		to, err := s.lockRecipient(ctx, tx, recipient)
		if err != nil {
			return err
		}
		return fn(tx, to)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *Store) lockRecipient(ctx context.Context, tx *sql.Tx, id int64) (alerts.Recipient, error) {
	return scanRecipient(tx.QueryRowContext(ctx, `SELECT id, kind, address, state, language FROM recipient WHERE id = $1`+s.dialect.forUpdate, id))
}

// lockWatermark keeps the matcher from claiming more until the transaction ends,
// and returns the last sequence number it has claimed.
func (s *Store) lockWatermark(ctx context.Context, tx *sql.Tx) (claimed int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT claimed FROM watermark WHERE name = 'match'`+s.dialect.forUpdate).Scan(&claimed)
	return claimed, err
}

// putVersion stores a version and makes it its subscription's current one.
func putVersion(ctx context.Context, tx *sql.Tx, v *alerts.Version, now time.Time) error {
	filter := ""
	if !v.Filter.IsZero() {
		b := list([]alerts.Filter{v.Filter})
		filter = b[1 : len(b)-1]
	}
	a := v.Area
	err := tx.QueryRowContext(ctx, `INSERT INTO subscription_version
		(subscription_id, recipient_id, from_seq, to_seq, created_at, cadence, filter, area, lon, lat, radius, ring, shape, carve_out, code, label)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING id`,
		v.SubscriptionID, v.RecipientID, v.From, v.To, now.UnixMilli(), v.Cadence, filter,
		a.Kind, a.Centre.Lon, a.Centre.Lat, a.Radius, a.Ring, a.Shape, a.CarveOut, a.Code, a.Label).Scan(&v.ID)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE subscription SET version_id = $1 WHERE id = $2`, v.ID, v.SubscriptionID)
	return err
}

// subscriptions reads subscriptions with their current versions, oldest first.
func subscriptions(ctx context.Context, q querier, where string, args ...any) ([]alerts.Subscription, error) {
	return collect(ctx, q, func(rows *sql.Rows) (sub alerts.Subscription, err error) {
		v := &sub.Current
		var filter string
		err = rows.Scan(&sub.ID, &sub.RecipientID, &sub.State, &sub.PausedUntil, &sub.CreatedAt, &sub.EndedAt, &sub.Remind,
			&v.ID, &v.From, &v.To, &v.Cadence, &filter, &v.Area.Kind, &v.Area.Centre.Lon, &v.Area.Centre.Lat, &v.Area.Radius, &v.Area.Ring,
			&v.Area.Shape, &v.Area.CarveOut, &v.Area.Code, &v.Area.Label)
		v.SubscriptionID, v.RecipientID = sub.ID, sub.RecipientID
		if err == nil && filter != "" {
			err = asJSON[alerts.Filter]{&v.Filter}.Scan(filter)
		}
		return sub, err
	}, `SELECT s.id, s.recipient_id, s.state, s.paused_until, s.created_at, s.ended_at, s.remind,
		coalesce(v.id, 0), coalesce(v.from_seq, 0), coalesce(v.to_seq, 0), coalesce(v.cadence, ''), coalesce(v.filter, ''), coalesce(v.area, ''),
		coalesce(v.lon, 0), coalesce(v.lat, 0), coalesce(v.radius, 0), coalesce(v.ring, 0), v.shape, v.carve_out, coalesce(v.code, ''), coalesce(v.label, '')
		FROM subscription s LEFT JOIN subscription_version v ON v.id = s.version_id WHERE `+where+` ORDER BY s.id`, args...)
}

func ownSubscription(ctx context.Context, tx *sql.Tx, recipient, sub int64) (alerts.Subscription, error) {
	subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.id = $2`, recipient, sub)
	if err == nil && len(subs) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.Subscription{}, err
	}
	return subs[0], nil
}

func addConsent(ctx context.Context, tx *sql.Tx, recipient, sub int64, method, page string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO consent (recipient_id, subscription_id, at, method, wording, page) VALUES ($1, $2, $3, $4, $5, $6)`,
		recipient, sub, now.UnixMilli(), method, alerts.ConsentVersion, page)
	return err
}

func scanInt(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }

// recipientByKey returns the recipient of a kind with that address, locked.
func (s *Store) recipientByKey(ctx context.Context, tx *sql.Tx, kind string, addressKeys []string) (alerts.Recipient, error) {
	return scanRecipient(tx.QueryRowContext(ctx, `SELECT id, kind, address, state, language FROM recipient
		WHERE kind = $1 AND address_key IN (SELECT value FROM json_each($2)) ORDER BY id LIMIT 1`+s.dialect.forUpdate, kind, list(addressKeys)))
}

// findOrAddRecipient returns the recipient of a kind with that address, locked; one
// that is new is pending.
func (s *Store) findOrAddRecipient(ctx context.Context, tx *sql.Tx, kind, address string, addressKeys []string, now time.Time) (alerts.Recipient, error) {
	to, err := s.recipientByKey(ctx, tx, kind, addressKeys)
	if !errors.Is(err, alerts.ErrNotFound) {
		return to, err
	}
	// Another request may be doing the same: the conflict waits for it.
	if _, err := tx.ExecContext(ctx, `INSERT INTO recipient (kind, address, address_key, state, created_at) VALUES ($1, $2, $3, 'pending', $4)
		ON CONFLICT (kind, address_key) DO NOTHING`, kind, address, addressKeys[0], now.UnixMilli()); err != nil {
		return to, err
	}
	return s.recipientByKey(ctx, tx, kind, addressKeys)
}

func scanRecipient(row *sql.Row) (r alerts.Recipient, err error) {
	err = one(row.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language))
	return r, err
}

// putInForce lets candidates for the version be found, and gives its cadence a
// due moment.
func putInForce(ctx context.Context, tx *sql.Tx, v *alerts.Version, now time.Time) error {
	keys, err := v.ScopeKeys()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO subscription_scope (key, version_id) SELECT value, CAST($1 AS BIGINT) FROM json_each($2) WHERE TRUE ON CONFLICT DO NOTHING`, v.ID, list(keys)); err != nil {
		return err
	}
	next := now
	if v.Cadence != alerts.Immediate {
		next = alerts.NextDue(v.Cadence, now)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO due (recipient_id, cadence, next_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, v.RecipientID, v.Cadence, next.UnixMilli())
	return err
}
