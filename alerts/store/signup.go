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

// This file is how a subscription begins: asked for, confirmed by mail, or added by
// somebody who has proved to own the address.

// Subscribe stores a sign-up, already checked, and queues the mail that asks for
// its confirmation. addressKeys are the keyed hashes of its address, the first to
// be stored.
//
// It answers alike whether the address is new, known, subscribed or suppressed;
// only alerts.ErrTooMany, which depends on the client alone, and alerts.ErrBusy, which
// depends on how many ask, are told apart. An
// address gets as many mails as limits allow, and one link confirms all that
// waits for confirmation.
func (s *Store) Subscribe(ctx context.Context, r alerts.SignUp, addressKeys []string, limits alerts.Limits, now time.Time, write alerts.Writer) error {
	r = s.approximate(r)
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if ok, err := allow(ctx, tx, limits.Client(r.Client, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		if err := admit(ctx, tx, limits.Everybody(r.Domain, now)); err != nil {
			return err
		}
		if suppressed, err := isSuppressed(ctx, tx, addressKeys); err != nil || suppressed {
			return err
		}
		to, err := s.findOrAddSubscriber(ctx, tx, r.Address, addressKeys, now)
		if err != nil {
			return err
		}
		if to.State == alerts.RecipientPending && r.Language != "" && r.Language != to.Language { // a stranger cannot change it for who gets mail
			to.Language = r.Language
			if err := setLanguage(ctx, tx, to.ID, r.Language); err != nil {
				return err
			}
		}
		sub, already, err := s.stageSubscription(ctx, tx, to, r, now)
		if err != nil {
			return err
		}
		if ok, err := allowUnasked(ctx, tx, limits, addressKeys, now); err != nil || !ok {
			return err
		}
		letter := alerts.Letter{Kind: alerts.DeliveryConfirm, Recipient: to, Area: r.Area, Cadence: r.Cadence, Filter: r.Filter, Remind: r.Remind, Already: already}
		if !already {
			letter.Secret = alerts.NewSecret()
			if _, err := tx.ExecContext(ctx, `INSERT INTO token (hash, purpose, recipient_id, subscription_id, created_at, expires_at) VALUES ($1, 'confirm', $2, $3, $4, $5)`,
				alerts.HashSecret(letter.Secret), to.ID, sub, now.UnixMilli(), now.Add(alerts.ConfirmFor).UnixMilli()); err != nil {
				return err
			}
		}
		return queueLetter(ctx, tx, letter, now, write)
	})
	if err != nil && !errors.Is(err, alerts.ErrTooMany) && !errors.Is(err, alerts.ErrBusy) {
		return fmt.Errorf("store the sign-up: %w", err)
	}
	return err
}

// approximate moves the place that is asked for, where exact places are not kept.
func (s *Store) approximate(r alerts.SignUp) alerts.SignUp {
	if s.ApproximatePlaces {
		r.Area = r.Area.Approximate()
	}
	return r
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
	if _, err := tx.ExecContext(ctx, `UPDATE subscription SET remind = $1 WHERE id = $2`, r.Remind, sub); err != nil {
		return 0, false, err
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
	to, err := s.findOrAddRecipient(ctx, tx, "subscriber", address, addressKeys, now)
	if err != nil || to.State != alerts.RecipientEnded {
		return to, err
	}
	to.State = alerts.RecipientPending
	_, err = tx.ExecContext(ctx, `UPDATE recipient SET state = 'pending', ended_at = 0 WHERE id = $1`, to.ID)
	return to, err
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
			if err := remindAsAsked(ctx, tx, sub, now); err != nil {
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

// remindAsAsked gives a person the reminders that a sign-up asked for, now that it is
// confirmed: anybody can fill in the form, so until then it changes nothing.
func remindAsAsked(ctx context.Context, tx *sql.Tx, sub *alerts.Subscription, now time.Time) error {
	if sub.Remind == 0 {
		return nil
	}
	var p alerts.Preferences
	if err := tx.QueryRowContext(ctx, `SELECT remind, notes FROM recipient WHERE id = $1`, sub.RecipientID).Scan(&p.Remind, &p.Notes); err != nil {
		return err
	}
	p.Remind, sub.Remind = sub.Remind, 0
	if _, err := tx.ExecContext(ctx, `UPDATE subscription SET remind = 0 WHERE id = $1`, sub.ID); err != nil {
		return err
	}
	return setPreferences(ctx, tx, sub.RecipientID, p, now)
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

// AddArea gives a person who has proved to own the address another area, active
// at once. alerts.ErrConflict: the area is followed already.
func (s *Store) AddArea(ctx context.Context, recipient int64, r alerts.SignUp, now time.Time) (sub alerts.Subscription, err error) {
	r = s.approximate(r)
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
		to, err := s.recipientByKey(ctx, tx, "subscriber", addressKeys)
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

// admit counts one use of each of the allowances that are everybody's.
func admit(ctx context.Context, tx *sql.Tx, allowances []alerts.Allowance) error {
	for _, a := range allowances {
		if ok, err := allow(ctx, tx, a); err != nil {
			return err
		} else if !ok {
			return alerts.ErrBusy
		}
	}
	return nil
}

// allowUnasked counts a mail to somebody of whom nobody knows whether they want it: all
// such mails to one address together are as many as its confirmations may be.
func allowUnasked(ctx context.Context, tx *sql.Tx, limits alerts.Limits, addressKeys []string, now time.Time) (bool, error) {
	for _, a := range limits.Confirmations(addressKeys[0], now) {
		if ok, err := allow(ctx, tx, a); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// isProven reports whether somebody has shown that an address is theirs, or the
// operator has given it a role.
func isProven(ctx context.Context, tx *sql.Tx, addressKeys []string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM recipient r WHERE r.address_key IN (SELECT value FROM json_each($1))
		AND (r.state = 'active' OR EXISTS (SELECT 1 FROM role o WHERE o.account_id = r.id))`, list(addressKeys)).Scan(&n)
	return n > 0, err
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
