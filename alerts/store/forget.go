package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what is forgotten, on request and in time.

// Erase forgets a person: address, areas, mail and matches. What stays are counts
// and the bare facts of consent, which name nobody; links in old mails keep
// answering "already stopped".
func (s *Store) Erase(ctx context.Context, recipient int64, now time.Time) error {
	err := s.erasing(ctx, recipient, func(tx *sql.Tx) error { return s.erase(ctx, tx, recipient, now) })
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	return s.scrub(ctx)
}

// Suppress erases a person who wants never to be written to again, and keeps the
// keyed hash of the address so that nobody can sign it up.
func (s *Store) Suppress(ctx context.Context, recipient int64, reason string, now time.Time) error {
	err := s.erasing(ctx, recipient, func(tx *sql.Tx) error {
		if err := suppress(ctx, tx, recipient, reason, now); err != nil {
			return err
		}
		return s.erase(ctx, tx, recipient, now)
	})
	if err != nil {
		return fmt.Errorf("suppress the address: %w", err)
	}
	return s.scrub(ctx)
}

// erasing runs fn in a transaction that holds the person's groups and then the person.
func (s *Store) erasing(ctx context.Context, recipient int64, fn func(*sql.Tx) error) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := s.lockGroupsOf(ctx, tx, recipient); err != nil {
			return err
		}
		if _, err := s.lockRecipient(ctx, tx, recipient); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (s *Store) erase(ctx context.Context, tx *sql.Tx, recipient int64, now time.Time) error {
	at := now.UnixMilli()
	if err := s.leaveGroups(ctx, tx, recipient, now); err != nil {
		return err
	}
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
		{`UPDATE delivery SET subject = '', text = '', html = '', headers = '[]', inline_files = '', error = '', state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END WHERE recipient_id = $1`, []any{recipient}},
		{`UPDATE attempt SET detail = '' WHERE delivery_id IN (SELECT id FROM delivery WHERE recipient_id = $1)`, []any{recipient}},
		{`DELETE FROM due WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM token WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM coverage_wish WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM session WHERE account_id = $1`, []any{recipient}},
		{`DELETE FROM role WHERE account_id = $1`, []any{recipient}},
		{`DELETE FROM invitation WHERE account_id = $1`, []any{recipient}},
		{`UPDATE api_token SET revoked_at = $1 WHERE account_id = $2 AND revoked_at = 0`, []any{at, recipient}},
		{`UPDATE triage SET assignee = 0 WHERE assignee = $1`, []any{recipient}},
		{`DELETE FROM hide_vote WHERE account_id = $1`, []any{recipient}},
		{`UPDATE triage_log SET name = 'a former member' WHERE account_id = $1`, []any{recipient}},
		{`DELETE FROM mute WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM address_move WHERE recipient_id = $1 OR target_id = $2`, []any{recipient, recipient}},
		{`DELETE FROM place_report WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM reminder WHERE recipient_id = $1`, []any{recipient}},
		{`DELETE FROM outage_told WHERE recipient_id = $1`, []any{recipient}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// forgetBatch is how many people, or sign-ups, a transaction forgets.
const forgetBatch = 100

// ForgetUnconfirmed erases sign-ups that nobody confirmed in time, and the
// allowances and links that no longer count, in small transactions until none is
// left. It returns how many people it forgot.
func (s *Store) ForgetUnconfirmed(ctx context.Context, now time.Time) (forgotten int, err error) {
	for more := true; more && err == nil; {
		var people int
		people, more, err = s.forgetSome(ctx, now)
		forgotten += people
	}
	if err == nil && forgotten > 0 {
		err = s.scrub(ctx)
	}
	if err != nil {
		return forgotten, fmt.Errorf("forget unconfirmed sign-ups: %w", err)
	}
	return forgotten, nil
}

// forgetSome is one transaction of [Store.ForgetUnconfirmed]. Sign-ups may be of
// people who stay, so that forgetting nobody does not mean that nothing is left.
func (s *Store) forgetSome(ctx context.Context, now time.Time) (forgotten int, more bool, err error) {
	before := now.Add(-alerts.ConfirmFor).UnixMilli()
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		stale, err := collect(ctx, tx, scanInt, `SELECT id FROM subscription WHERE state = 'pending' AND created_at < $1 ORDER BY id LIMIT $2`, before, forgetBatch)
		if err != nil {
			return err
		}
		for _, id := range stale {
			if err := deleteSubscription(ctx, tx, id); err != nil {
				return err
			}
		}
		people, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE kind = 'subscriber' AND state = 'pending' AND created_at < $1 AND address <> ''
			AND NOT EXISTS (SELECT 1 FROM subscription WHERE recipient_id = recipient.id AND state <> 'ended') ORDER BY id LIMIT $2`, before, forgetBatch)
		if err != nil {
			return err
		}
		for _, id := range people {
			if err := s.erase(ctx, tx, id, now); err != nil {
				return err
			}
		}
		accounts, err := s.forgetAccounts(ctx, tx, now)
		if err != nil {
			return err
		}
		forgotten = len(people) + accounts
		if more = max(len(stale), len(people), accounts) == forgetBatch; more {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM token WHERE expires_at < $1`, before); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM address_move WHERE expires_at < $1`, before); err != nil {
			return err
		}
		// Periods sort as text: months ("2026-11"), days and hours.
		_, err = tx.ExecContext(ctx, `DELETE FROM allowance WHERE period < $1`, string(alerts.DateOf(now).AddDays(-62))[:7])
		return err
	})
	return forgotten, more && err == nil, err
}

// ForgetEnded erases people whose last subscription ended longer ago than it can
// be taken up again, and returns how many it forgot; a batch at a time.
func (s *Store) ForgetEnded(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		people, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE kind = 'subscriber' AND state = 'ended' AND address <> '' AND ended_at < $1
			ORDER BY id LIMIT $2`, now.Add(-alerts.UndoFor).UnixMilli(), forgetBatch)
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

// scrub overwrites what was deleted where the engine would keep it for a while.
func (s *Store) scrub(ctx context.Context) error {
	if s.dialect.scrub == "" {
		return nil
	}
	_, err := s.write.ExecContext(ctx, s.dialect.scrub)
	return err
}

// deleteSubscription removes a subscription that was never confirmed.
func deleteSubscription(ctx context.Context, tx *sql.Tx, id int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM subscription_version WHERE subscription_id = $1`, id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM subscription WHERE id = $1`, id)
	return err
}
