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

// This file is the life of a subscription: asked for, confirmed, edited, paused,
// ended, taken up again, erased. Every method that changes what is wanted locks
// the recipient first and the matcher's watermark last.

// Subscribe stores a sign-up, already checked, and queues the mail that asks for
// its confirmation. addressKeys are the keyed hashes of its address, the first to
// be stored.
//
// It answers alike whether the address is new, known, subscribed or suppressed;
// only alerts.ErrTooMany, which depends on the client alone, is told apart. An
// address gets as many mails as limits allow, and one link confirms all that
// waits for confirmation.
func (s *Store) Subscribe(ctx context.Context, r alerts.SignUp, addressKeys []string, limits alerts.Limits, now time.Time, write alerts.Writer) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if ok, err := allow(ctx, tx, limits.Client(r.Client, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		if suppressed, err := isSuppressed(ctx, tx, addressKeys); err != nil || suppressed {
			return err
		}
		to, err := s.findOrAddSubscriber(ctx, tx, r.Address, addressKeys, now)
		if err != nil {
			return err
		}
		sub, already, err := s.stageSubscription(ctx, tx, to, r, now)
		if err != nil {
			return err
		}
		for _, a := range limits.Confirmations(addressKeys[0], now) {
			if ok, err := allow(ctx, tx, a); err != nil || !ok {
				return err
			}
		}
		letter := alerts.Letter{Kind: alerts.DeliveryConfirm, Recipient: to, Area: r.Area, Cadence: r.Cadence, Filter: r.Filter, Already: already}
		if !already {
			letter.Secret = alerts.NewSecret()
			if _, err := tx.ExecContext(ctx, `INSERT INTO token (hash, purpose, recipient_id, subscription_id, created_at, expires_at) VALUES ($1, 'confirm', $2, $3, $4, $5)`,
				alerts.HashSecret(letter.Secret), to.ID, sub, now.UnixMilli(), now.Add(alerts.ConfirmFor).UnixMilli()); err != nil {
				return err
			}
		}
		return queueLetter(ctx, tx, letter, now, write)
	})
	if err != nil && !errors.Is(err, alerts.ErrTooMany) {
		return fmt.Errorf("store the sign-up: %w", err)
	}
	return err
}

// stageSubscription makes the sign-up a pending subscription of the recipient. One
// for the same area that is pending already is changed to what is asked for now;
// one that is active stays as it is, and already is true.
func (s *Store) stageSubscription(ctx context.Context, tx *sql.Tx, to alerts.Recipient, r alerts.SignUp, now time.Time) (sub int64, already bool, err error) {
	subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended'`, to.ID)
	if err != nil {
		return 0, false, err
	}
	var pending []alerts.Subscription
	for _, have := range subs {
		if alerts.SameArea(have.Current.Area, r.Area) {
			if have.State == alerts.SubscriptionActive {
				return have.ID, true, nil
			}
			sub = have.ID
			if _, err := tx.ExecContext(ctx, `DELETE FROM subscription_version WHERE id = $1`, have.Current.ID); err != nil {
				return 0, false, err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE subscription SET created_at = $1 WHERE id = $2`, now.UnixMilli(), sub); err != nil {
				return 0, false, err
			}
		} else if have.State == alerts.SubscriptionPending {
			pending = append(pending, have)
		}
	}
	if sub == 0 {
		if len(subs) >= alerts.MaxAreas && len(pending) == 0 {
			return 0, true, nil // the mail says how to manage what there is
		}
		if len(pending) >= alerts.MaxPending || len(subs) >= alerts.MaxAreas {
			if err := deleteSubscription(ctx, tx, pending[0].ID); err != nil { // the oldest
				return 0, false, err
			}
		}
		if err := tx.QueryRowContext(ctx, `INSERT INTO subscription (recipient_id, state, created_at) VALUES ($1, 'pending', $2) RETURNING id`,
			to.ID, now.UnixMilli()).Scan(&sub); err != nil {
			return 0, false, err
		}
	}
	v := alerts.Version{SubscriptionID: sub, RecipientID: to.ID, Area: r.Area, Filter: r.Filter, Cadence: r.Cadence}
	if err := putVersion(ctx, tx, &v, now); err != nil {
		return 0, false, err
	}
	return sub, false, addConsent(ctx, tx, to.ID, sub, "sign-up", r.Page, now)
}

// findOrAddSubscriber returns the person with that address, locked. One who had
// ended becomes pending again.
func (s *Store) findOrAddSubscriber(ctx context.Context, tx *sql.Tx, address string, addressKeys []string, now time.Time) (alerts.Recipient, error) {
	to, err := s.subscriberByKey(ctx, tx, addressKeys)
	if errors.Is(err, alerts.ErrNotFound) {
		// Another sign-up may be doing the same: the conflict waits for it.
		if _, err := tx.ExecContext(ctx, `INSERT INTO recipient (kind, address, address_key, state, created_at) VALUES ('subscriber', $1, $2, 'pending', $3)
			ON CONFLICT (kind, address_key) DO NOTHING`, address, addressKeys[0], now.UnixMilli()); err != nil {
			return to, err
		}
		to, err = s.subscriberByKey(ctx, tx, addressKeys)
	}
	if err != nil || to.State != alerts.RecipientEnded {
		return to, err
	}
	to.State = alerts.RecipientPending
	_, err = tx.ExecContext(ctx, `UPDATE recipient SET state = 'pending', ended_at = 0 WHERE id = $1`, to.ID)
	return to, err
}

func (s *Store) subscriberByKey(ctx context.Context, tx *sql.Tx, addressKeys []string) (alerts.Recipient, error) {
	return scanRecipient(tx.QueryRowContext(ctx, `SELECT id, kind, address, state, language FROM recipient
		WHERE kind = 'subscriber' AND address_key IN (SELECT value FROM json_each($1)) ORDER BY id LIMIT 1`+s.dialect.forUpdate, list(addressKeys)))
}

func scanRecipient(row *sql.Row) (r alerts.Recipient, err error) {
	err = one(row.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language))
	return r, err
}

// Awaiting returns what the holder of a confirmation link has asked for. It
// changes nothing. alerts.ErrExpired: the link has run out.
func (s *Store) Awaiting(ctx context.Context, secret string, now time.Time) (alerts.Standing, error) {
	st, err := s.awaiting(ctx, s.read, secret, now)
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		return st, fmt.Errorf("read the confirmation link: %w", err)
	}
	return st, err
}

func (s *Store) awaiting(ctx context.Context, q querier, secret string, now time.Time) (st alerts.Standing, err error) {
	var recipient, expires int64
	if err := one(q.QueryRowContext(ctx, `SELECT recipient_id, expires_at FROM token WHERE hash = $1 AND purpose = 'confirm'`,
		alerts.HashSecret(secret)).Scan(&recipient, &expires)); err != nil {
		return st, err
	}
	if st.Recipient, err = scanRecipient(q.QueryRowContext(ctx, `SELECT id, kind, address, state, language FROM recipient WHERE id = $1`, recipient)); err != nil {
		return st, err
	}
	if now.UnixMilli() >= expires {
		return st, alerts.ErrExpired
	}
	st.Subscriptions, err = subscriptions(ctx, q, `s.recipient_id = $1 AND s.state <> 'ended'`, recipient)
	return st, err
}

// Confirm makes the subscriptions with the given current versions active, on the
// word of the holder of a confirmation link: versions and not subscriptions, so
// that what was shown is what is confirmed. Repeating it changes nothing.
func (s *Store) Confirm(ctx context.Context, secret string, versions []int64, now time.Time) (st alerts.Standing, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if st, err = s.awaiting(ctx, tx, secret, now); err != nil {
			return err
		}
		if _, err := s.lockRecipient(ctx, tx, st.Recipient.ID); err != nil {
			return err
		}
		if st, err = s.awaiting(ctx, tx, secret, now); err != nil { // again, under the lock
			return err
		}
		var confirmed []*alerts.Subscription
		for i := range st.Subscriptions {
			sub := &st.Subscriptions[i]
			if sub.State == alerts.SubscriptionPending && slices.Contains(versions, sub.Current.ID) {
				confirmed = append(confirmed, sub)
			}
		}
		if len(confirmed) == 0 {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'active', ended_at = 0, confirmed_at = $1 WHERE id = $2`, now.UnixMilli(), st.Recipient.ID); err != nil {
			return err
		}
		st.Recipient.State = alerts.RecipientActive
		if _, err := tx.ExecContext(ctx, `UPDATE token SET used_at = $1 WHERE hash = $2 AND used_at = 0`, now.UnixMilli(), alerts.HashSecret(secret)); err != nil {
			return err
		}
		claimed, err := s.lockWatermark(ctx, tx)
		if err != nil {
			return err
		}
		for _, sub := range confirmed {
			sub.State = alerts.SubscriptionActive
			if err := activate(ctx, tx, sub, claimed, now); err != nil {
				return err
			}
			if err := addConsent(ctx, tx, st.Recipient.ID, sub.ID, "confirm", "/confirm", now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		return st, fmt.Errorf("confirm: %w", err)
	}
	return st, err
}

// activate puts a subscription's current version, which must not have been in
// force, in force from claimed on.
func activate(ctx context.Context, tx *sql.Tx, sub *alerts.Subscription, claimed int64, now time.Time) error {
	v := &sub.Current
	v.From, v.To = claimed, alerts.Forever
	if _, err := tx.ExecContext(ctx, `UPDATE subscription_version SET from_seq = $1, to_seq = $2 WHERE id = $3`, v.From, v.To, v.ID); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE subscription SET state = 'active', ended_at = 0 WHERE id = $1`, sub.ID); err != nil {
		return err
	}
	return putInForce(ctx, tx, v, now)
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

// AddArea gives a person who has proved to own the address another area, active
// at once. alerts.ErrConflict: the area is followed already.
func (s *Store) AddArea(ctx context.Context, recipient int64, r alerts.SignUp, now time.Time) (sub alerts.Subscription, err error) {
	err = s.changing(ctx, recipient, "add an area", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address == "" {
			return alerts.ErrNotFound
		}
		id, already, err := s.stageSubscription(ctx, tx, to, r, now)
		if err != nil {
			return err
		}
		if already {
			return alerts.ErrConflict
		}
		subs, err := subscriptions(ctx, tx, `s.id = $1`, id)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'active', ended_at = 0, confirmed_at = $1 WHERE id = $2 AND state <> 'active'`, now.UnixMilli(), to.ID); err != nil {
			return err
		}
		claimed, err := s.lockWatermark(ctx, tx)
		if err != nil {
			return err
		}
		sub = subs[0]
		sub.State = alerts.SubscriptionActive
		return activate(ctx, tx, &sub, claimed, now)
	})
	return sub, err
}

// Edit changes what a subscription asks for, from the next event on: its version
// ends and a new one begins. Matches of the old version stay owed.
func (s *Store) Edit(ctx context.Context, recipient, sub int64, w alerts.Wish, now time.Time) error {
	return s.changing(ctx, recipient, "change the subscription", func(tx *sql.Tx, _ alerts.Recipient) error {
		have, err := ownSubscription(ctx, tx, recipient, sub)
		if err != nil {
			return err
		}
		if have.State == alerts.SubscriptionEnded {
			return alerts.ErrNotFound
		}
		next := w.Apply(have.Current)
		if sameWish(have.Current, next) {
			return nil
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
	return a.Cadence == b.Cadence && a.Area.Radius == b.Area.Radius && a.Area.Label == b.Area.Label &&
		list([]alerts.Filter{a.Filter}) == list([]alerts.Filter{b.Filter})
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
		subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended'`, recipient)
		if err != nil {
			return err
		}
		for _, sub := range subs {
			if which(sub) {
				ended = append(ended, sub)
			}
		}
		if len(ended) == 0 {
			return nil
		}
		ids := make([]int64, len(ended)) // one that was never confirmed is simply gone
		for i := range ended {
			sub := &ended[i]
			ids[i] = sub.ID
			if err := addConsent(ctx, tx, recipient, sub.ID, "stop", page, now); err != nil {
				return err
			}
			if sub.State == alerts.SubscriptionPending {
				if err := deleteSubscription(ctx, tx, sub.ID); err != nil {
					return err
				}
			}
			sub.State, sub.EndedAt = alerts.SubscriptionEnded, now.UnixMilli()
		}
		if _, err := tx.ExecContext(ctx, `UPDATE subscription SET state = 'ended', paused_until = 0, ended_at = $1 WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`,
			now.UnixMilli(), list(ids)); err != nil {
			return err
		}
		if len(ended) == len(subs) {
			if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'ended', ended_at = $1 WHERE id = $2 AND state <> 'ended'`, now.UnixMilli(), recipient); err != nil {
				return err
			}
		}
		if err := s.withdraw(ctx, tx, recipient, ids, now); err != nil {
			return err
		}
		claimed, err := s.lockWatermark(ctx, tx)
		if err != nil {
			return err
		}
		for _, sub := range ended {
			if err := endVersion(ctx, tx, sub.Current.ID, claimed); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// withdraw closes what is owed to ended subscriptions, also where it is in a mail
// that no sender has taken up yet; what such a mail told other subscriptions is
// owed again.
func (s *Store) withdraw(ctx context.Context, tx *sql.Tx, recipient int64, subs []int64, now time.Time) error {
	versions := `(SELECT id FROM subscription_version WHERE subscription_id IN (SELECT ` + s.dialect.intValue + ` FROM json_each($%d)))`
	unsent, err := collect(ctx, tx, scanInt, `UPDATE delivery SET state = 'cancelled', subject = '', text = '', html = '', headers = '[]'
		WHERE recipient_id = $1 AND state = 'queued' AND kind = 'alert' AND claim_no = 0
		AND id IN (SELECT delivery_id FROM match WHERE delivery_id IS NOT NULL AND version_id IN `+fmt.Sprintf(versions, 2)+`) RETURNING id`, recipient, list(subs))
	if err != nil {
		return err
	}
	if len(unsent) > 0 {
		if _, err := tx.ExecContext(ctx, `UPDATE match SET delivery_id = NULL WHERE delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(unsent)); err != nil {
			return err
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

// Erase forgets a person: address, areas, mail and matches. What stays are counts
// and the bare facts of consent, which name nobody; links in old mails keep
// answering "already stopped".
func (s *Store) Erase(ctx context.Context, recipient int64, now time.Time) error {
	err := s.changing(ctx, recipient, "erase", func(tx *sql.Tx, _ alerts.Recipient) error {
		return s.erase(ctx, tx, recipient, now)
	})
	if err != nil {
		return err
	}
	return s.scrub(ctx)
}

// Suppress erases a person who wants never to be written to again, and keeps the
// keyed hash of the address so that nobody can sign it up.
func (s *Store) Suppress(ctx context.Context, recipient int64, reason string, now time.Time) error {
	err := s.changing(ctx, recipient, "suppress the address", func(tx *sql.Tx, _ alerts.Recipient) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO suppression (address_key, reason, at) SELECT address_key, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM recipient WHERE id = $3 AND address_key IS NOT NULL
			ON CONFLICT DO NOTHING`, reason, now.UnixMilli(), recipient); err != nil {
			return err
		}
		return s.erase(ctx, tx, recipient, now)
	})
	if err != nil {
		return err
	}
	return s.scrub(ctx)
}

func (s *Store) erase(ctx context.Context, tx *sql.Tx, recipient int64, now time.Time) error {
	at := now.UnixMilli()
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`UPDATE recipient SET address = '', address_key = NULL, state = 'ended', ended_at = CASE WHEN ended_at = 0 THEN $1 ELSE ended_at END WHERE id = $2`, []any{at, recipient}},
		{`UPDATE subscription SET state = 'ended', paused_until = 0, version_id = 0, ended_at = CASE WHEN ended_at = 0 THEN $1 ELSE ended_at END WHERE recipient_id = $2`, []any{at, recipient}},
		{`DELETE FROM match WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM subscription_scope WHERE version_id IN (SELECT id FROM subscription_version WHERE recipient_id = $1)`, []any{recipient}},
		{`DELETE FROM subscription_version WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM captured WHERE message_id IN (SELECT message_id FROM delivery WHERE recipient_id = $1)`, []any{recipient}},
		{`UPDATE delivery SET subject = '', text = '', html = '', headers = '[]', error = '', state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END WHERE recipient_id = $1`, []any{recipient}},
		{`UPDATE attempt SET detail = '' WHERE delivery_id IN (SELECT id FROM delivery WHERE recipient_id = $1)`, []any{recipient}},
		{`DELETE FROM due WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM token WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM coverage_wish WHERE recipient_id = $1`, []any{recipient}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// ForgetUnconfirmed erases sign-ups that nobody confirmed in time, and the
// allowances and links that no longer count. It returns how many people it forgot.
func (s *Store) ForgetUnconfirmed(ctx context.Context, now time.Time) (forgotten int, err error) {
	before := now.Add(-alerts.ConfirmFor).UnixMilli()
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		stale, err := collect(ctx, tx, scanInt, `SELECT id FROM subscription WHERE state = 'pending' AND created_at < $1 ORDER BY id LIMIT 500`, before)
		if err != nil {
			return err
		}
		for _, id := range stale {
			if err := deleteSubscription(ctx, tx, id); err != nil {
				return err
			}
		}
		people, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE kind = 'subscriber' AND state = 'pending' AND created_at < $1 AND address <> ''
			AND NOT EXISTS (SELECT 1 FROM subscription WHERE recipient_id = recipient.id AND state <> 'ended') ORDER BY id LIMIT 500`, before)
		if err != nil {
			return err
		}
		for _, id := range people {
			if err := s.erase(ctx, tx, id, now); err != nil {
				return err
			}
		}
		forgotten = len(people)
		if _, err := tx.ExecContext(ctx, `DELETE FROM token WHERE expires_at < $1`, before); err != nil {
			return err
		}
		// Periods sort as text: months ("2026-11"), days and hours.
		_, err = tx.ExecContext(ctx, `DELETE FROM allowance WHERE period < $1`, string(alerts.DateOf(now).AddDays(-62))[:7])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget unconfirmed sign-ups: %w", err)
	}
	if forgotten > 0 {
		err = s.scrub(ctx)
	}
	return forgotten, err
}

// ForgetEnded erases people whose last subscription ended longer ago than it can
// be taken up again, and returns how many it forgot; at most 500 at a time.
func (s *Store) ForgetEnded(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		people, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE kind = 'subscriber' AND state = 'ended' AND address <> '' AND ended_at < $1
			ORDER BY id LIMIT 500`, now.Add(-alerts.UndoFor).UnixMilli())
		if err != nil {
			return err
		}
		for _, id := range people {
			if err := s.erase(ctx, tx, id, now); err != nil {
				return err
			}
		}
		forgotten = len(people)
		return nil
	})
	if err == nil && forgotten > 0 {
		err = s.scrub(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("forget those who stopped: %w", err)
	}
	return forgotten, nil
}

// RequestLink queues a mail with a manage link if a person with that address is
// subscribed, and answers alike if not.
func (s *Store) RequestLink(ctx context.Context, addressKeys []string, client string, limits alerts.Limits, now time.Time, write alerts.Writer) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if ok, err := allow(ctx, tx, limits.Client(client, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		if suppressed, err := isSuppressed(ctx, tx, addressKeys); err != nil || suppressed {
			return err
		}
		to, err := s.subscriberByKey(ctx, tx, addressKeys)
		if errors.Is(err, alerts.ErrNotFound) || err == nil && to.State != alerts.RecipientActive {
			return nil
		}
		if err != nil {
			return err
		}
		if ok, err := allow(ctx, tx, limits.ManageLinks(addressKeys[0], now)); err != nil || !ok {
			return err
		}
		return queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryManage, Recipient: to}, now, write)
	})
	if err != nil && !errors.Is(err, alerts.ErrTooMany) {
		return fmt.Errorf("store the request for a link: %w", err)
	}
	return err
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

// Consents returns all consents of a recipient, oldest first.
func (s *Store) Consents(ctx context.Context, recipient int64) ([]alerts.Consent, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (c alerts.Consent, err error) {
		return c, rows.Scan(&c.SubscriptionID, &c.At, &c.Method, &c.Wording, &c.Page)
	}, `SELECT subscription_id, at, method, wording, page FROM consent WHERE recipient_id = $1 ORDER BY id`, recipient)
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

// scrub overwrites what was deleted where the engine would keep it for a while.
func (s *Store) scrub(ctx context.Context) error {
	if s.dialect.scrub == "" {
		return nil
	}
	_, err := s.write.ExecContext(ctx, s.dialect.scrub)
	return err
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
		err = rows.Scan(&sub.ID, &sub.RecipientID, &sub.State, &sub.PausedUntil, &sub.CreatedAt, &sub.EndedAt,
			&v.ID, &v.From, &v.To, &v.Cadence, &filter, &v.Area.Kind, &v.Area.Centre.Lon, &v.Area.Centre.Lat, &v.Area.Radius, &v.Area.Ring,
			&v.Area.Shape, &v.Area.CarveOut, &v.Area.Code, &v.Area.Label)
		v.SubscriptionID, v.RecipientID = sub.ID, sub.RecipientID
		if err == nil && filter != "" {
			err = asJSON[alerts.Filter]{&v.Filter}.Scan(filter)
		}
		return sub, err
	}, `SELECT s.id, s.recipient_id, s.state, s.paused_until, s.created_at, s.ended_at,
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

// deleteSubscription removes a subscription that was never confirmed.
func deleteSubscription(ctx context.Context, tx *sql.Tx, id int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM subscription_version WHERE subscription_id = $1`, id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM subscription WHERE id = $1`, id)
	return err
}

func addConsent(ctx context.Context, tx *sql.Tx, recipient, sub int64, method, page string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO consent (recipient_id, subscription_id, at, method, wording, page) VALUES ($1, $2, $3, $4, $5, $6)`,
		recipient, sub, now.UnixMilli(), method, alerts.ConsentVersion, page)
	return err
}

// allow counts one use of an allowance; false when it is used up.
func allow(ctx context.Context, tx *sql.Tx, a alerts.Allowance) (bool, error) {
	var used int64
	err := one(tx.QueryRowContext(ctx, `INSERT INTO allowance (key, period, used) VALUES ($1, $2, 1)
		ON CONFLICT (key, period) DO UPDATE SET used = allowance.used + 1 WHERE allowance.used < $3 RETURNING used`, a.Key, a.Period, a.Limit).Scan(&used))
	if errors.Is(err, alerts.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func isSuppressed(ctx context.Context, tx *sql.Tx, addressKeys []string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM suppression WHERE address_key IN (SELECT value FROM json_each($1))`, list(addressKeys)).Scan(&n)
	return n > 0, err
}

// queueLetter has a letter written and puts it first in the queue.
func queueLetter(ctx context.Context, tx *sql.Tx, l alerts.Letter, now time.Time, write alerts.Writer) error {
	d, err := write(l)
	if err != nil {
		return fmt.Errorf("write the %s mail: %w", l.Kind, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, next_at, created_at)
		VALUES ($1, $2, '', 'queued', $3, $4, $5, $6, $7, $8, $9, $10)`,
		l.Kind, l.Recipient.ID, l.Kind.Priority(), d.MessageID, d.Subject, d.Text, d.HTML, asJSON[[]alerts.Header]{&d.Headers}, now.UnixMilli(), now.UnixMilli())
	return err
}

func scanInt(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }
