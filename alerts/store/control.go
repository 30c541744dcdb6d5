package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what a person controls besides their areas: what is muted, and at
// which address they are written to.

// Mutes returns what a recipient has muted, newest first.
func (s *Store) Mutes(ctx context.Context, recipient int64) ([]alerts.Mute, error) {
	mutes, err := mutesOf(ctx, s.read, []int64{recipient})
	if err != nil {
		return nil, fmt.Errorf("read what recipient %d has muted: %w", recipient, err)
	}
	return mutes, nil
}

func mutesOf(ctx context.Context, q querier, recipients []int64) ([]alerts.Mute, error) {
	return collect(ctx, q, func(rows *sql.Rows) (m alerts.Mute, err error) {
		return m, rows.Scan(&m.ID, &m.RecipientID, &m.What, &m.Key, &m.Label, &m.At)
	}, `SELECT id, recipient_id, what, key, label, created_at FROM mute WHERE recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) ORDER BY id DESC`, list(recipients))
}

// Mute silences what the mute names for its recipient, from the next mail on.
// Muting again changes nothing. [alerts.ErrTooMany]: there are [alerts.MaxMutes].
func (s *Store) Mute(ctx context.Context, m alerts.Mute, now time.Time) error {
	return s.changing(ctx, m.RecipientID, "mute", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address == "" {
			return alerts.ErrNotFound
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM mute WHERE recipient_id = $1`, m.RecipientID).Scan(&n); err != nil {
			return err
		}
		if n >= alerts.MaxMutes {
			return alerts.ErrTooMany
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO mute (recipient_id, what, key, label, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			m.RecipientID, m.What, m.Key, m.Label, now.UnixMilli())
		return err
	})
}

// Unmute undoes a mute of a recipient. What it kept back stays untold.
func (s *Store) Unmute(ctx context.Context, recipient, mute int64) error {
	return s.changing(ctx, recipient, "unmute", func(tx *sql.Tx, _ alerts.Recipient) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM mute WHERE recipient_id = $1 AND id = $2`, recipient, mute)
		return err
	})
}

// AskMove notes that a recipient wants their mail at another address, in place of
// an earlier wish, and queues a mail to either end. It answers alike whatever is
// known of the new address; one that must not be written to, or was written to
// often enough, gets no mail, and so the move is never made. [alerts.ErrConflict]:
// it is the address that the recipient has.
func (s *Store) AskMove(ctx context.Context, recipient int64, address string, addressKeys []string, limits alerts.Limits, now time.Time, write alerts.Writer) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		from, err := s.lockWithOwner(ctx, tx, recipient, addressKeys)
		if err != nil {
			return err
		}
		if from.Address == "" {
			return alerts.ErrNotFound
		}
		// Few a day: each writes to an address whose owner has not asked for it.
		if ok, err := allow(ctx, tx, limits.Move(recipient, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		suppressed, err := isSuppressed(ctx, tx, addressKeys)
		if err != nil {
			return err
		}
		move := alerts.Move{RecipientID: recipient, From: from.Address, To: address, Expires: now.Add(alerts.MoveFor).UnixMilli()}
		old, fresh := alerts.NewSecret(), alerts.NewSecret()
		target := int64(0)
		if !suppressed {
			to, err := s.findOrAddSubscriber(ctx, tx, address, addressKeys, now)
			if err != nil {
				return err
			}
			if to.ID == recipient {
				return alerts.ErrConflict
			}
			target = to.ID
			mailed := true
			for _, a := range limits.Confirmations(addressKeys[0], now) {
				ok, err := allow(ctx, tx, a)
				if err != nil {
					return err
				}
				mailed = mailed && ok
			}
			if mailed {
				seen := move
				seen.NewEnd = true
				if err := queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryConfirm, Recipient: to, Secret: fresh, Move: &seen}, now, write); err != nil {
					return err
				}
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO address_move (recipient_id, target_id, address, old_hash, new_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (recipient_id) DO UPDATE SET target_id = excluded.target_id, address = excluded.address, old_hash = excluded.old_hash, new_hash = excluded.new_hash,
			old_agreed = 0, new_agreed = 0, created_at = excluded.created_at, expires_at = excluded.expires_at, done_at = 0`,
			recipient, target, address, alerts.HashSecret(old), alerts.HashSecret(fresh), now.UnixMilli(), move.Expires); err != nil {
			return err
		}
		return queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryManage, Recipient: from, Secret: old, Move: &move}, now, write)
	})
	if err != nil {
		return fmt.Errorf("ask for another address: %w", err)
	}
	return nil
}

// lockWithOwner locks a recipient together with whoever has an address.
func (s *Store) lockWithOwner(ctx context.Context, tx *sql.Tx, recipient int64, addressKeys []string) (alerts.Recipient, error) {
	owner, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE kind = 'subscriber' AND address_key IN (SELECT value FROM json_each($1))`, list(addressKeys))
	if err == nil {
		err = s.lockInOrder(ctx, tx, append(owner, recipient)...)
	}
	if err != nil {
		return alerts.Recipient{}, err
	}
	return s.lockRecipient(ctx, tx, recipient)
}

// lockInOrder locks several recipients, always in one order: two people who take each
// other's address at the same moment must not wait for each other.
func (s *Store) lockInOrder(ctx context.Context, tx *sql.Tx, recipients ...int64) error {
	_, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY id`+s.dialect.forUpdate, list(recipients))
	return err
}

// PendingMove returns the move that a recipient has asked for and that is neither
// made nor run out. [alerts.ErrNotFound]: there is none.
func (s *Store) PendingMove(ctx context.Context, recipient int64, now time.Time) (alerts.Move, error) {
	m, _, err := readMove(ctx, s.read, `m.recipient_id = $1 AND m.done_at = 0 AND m.expires_at > $2`, recipient, now.UnixMilli())
	return m, err
}

// DropMove forgets the move that a recipient has asked for.
func (s *Store) DropMove(ctx context.Context, recipient int64) error {
	return s.changing(ctx, recipient, "drop the move to another address", func(tx *sql.Tx, _ alerts.Recipient) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM address_move WHERE recipient_id = $1 AND done_at = 0`, recipient)
		return err
	})
}

// AwaitingMove returns the move that a link from one of its two mails is about. It
// changes nothing. [alerts.ErrExpired]: the link has run out.
func (s *Store) AwaitingMove(ctx context.Context, secret string, now time.Time) (alerts.Move, error) {
	m, _, err := s.moveBySecret(ctx, s.read, secret, now)
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		err = fmt.Errorf("read the link of a move: %w", err)
	}
	return m, err
}

func (s *Store) moveBySecret(ctx context.Context, q querier, secret string, now time.Time) (m alerts.Move, target int64, err error) {
	hash := alerts.HashSecret(secret)
	m, target, err = readMove(ctx, q, `m.old_hash = $1`, hash)
	if errors.Is(err, alerts.ErrNotFound) {
		m, target, err = readMove(ctx, q, `m.new_hash = $1`, hash)
		m.NewEnd = true
	}
	if err != nil {
		return alerts.Move{}, 0, err
	}
	if !m.Done && now.UnixMilli() >= m.Expires {
		return m, target, alerts.ErrExpired
	}
	return m, target, nil
}

func readMove(ctx context.Context, q querier, where string, args ...any) (m alerts.Move, target int64, err error) {
	var oldAgreed, newAgreed, done int64
	err = one(q.QueryRowContext(ctx, `SELECT m.recipient_id, m.target_id, r.address, m.address, m.old_agreed, m.new_agreed, m.done_at, m.expires_at,
		EXISTS (SELECT 1 FROM subscription s WHERE s.recipient_id = m.target_id AND s.state = 'active')
		FROM address_move m JOIN recipient r ON r.id = m.recipient_id WHERE `+where, args...).
		Scan(&m.RecipientID, &target, &m.From, &m.To, &oldAgreed, &newAgreed, &done, &m.Expires, &m.Taken))
	m.OldAgreed, m.NewAgreed, m.Done = oldAgreed > 0, newAgreed > 0, done > 0
	m.Taken = m.Taken && !m.Done
	return m, target, err
}

// AgreeMove notes that the end which a link came to agrees, and makes the move when
// both do: links, areas and what is owed stay, the address changes. Repeating it
// changes nothing. A new address that has alerts of its own is left alone.
func (s *Store) AgreeMove(ctx context.Context, secret string, addressKey func(string) string, now time.Time) (m alerts.Move, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		var target int64
		if m, target, err = s.moveBySecret(ctx, tx, secret, now); err != nil {
			return err
		}
		if err := s.lockInOrder(ctx, tx, m.RecipientID, target); err != nil {
			return err
		}
		if m, target, err = s.moveBySecret(ctx, tx, secret, now); err != nil || m.Done { // again, under the lock
			return err
		}
		column := "old_agreed"
		if m.NewEnd {
			column, m.NewAgreed = "new_agreed", true
		} else {
			m.OldAgreed = true
		}
		if _, err := tx.ExecContext(ctx, `UPDATE address_move SET `+column+` = $1 WHERE recipient_id = $2 AND `+column+` = 0`, now.UnixMilli(), m.RecipientID); err != nil {
			return err
		}
		if !m.OldAgreed || !m.NewAgreed || m.Taken {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE address_move SET done_at = $1, target_id = recipient_id WHERE recipient_id = $2`, now.UnixMilli(), m.RecipientID); err != nil {
			return err
		}
		if err := s.erase(ctx, tx, target, now); err != nil { // it was there to be written to, once
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE recipient SET address = $1, address_key = $2 WHERE id = $3`, m.To, addressKey(m.To), m.RecipientID); err != nil {
			return err
		}
		m.Done = true
		return addConsent(ctx, tx, m.RecipientID, 0, "move", "/move", now)
	})
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		return m, fmt.Errorf("agree to another address: %w", err)
	}
	return m, err
}
