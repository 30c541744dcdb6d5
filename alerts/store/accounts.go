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

// This file is how people who run things sign in, and what they may do.

// RequestSignIn queues a mail with a link that signs the owner of an address in,
// and then leads to destination. addressKeys are the keyed hashes of the address,
// the first to be stored.
//
// It answers alike whether the address is known or not; only alerts.ErrTooMany,
// which depends on the client alone, is told apart.
func (s *Store) RequestSignIn(ctx context.Context, address string, addressKeys []string, client, domain, destination string, limits alerts.Limits, now time.Time, write alerts.Writer) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if ok, err := allow(ctx, tx, limits.Client(client, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		if err := admit(ctx, tx, limits.Everybody(domain, now)); err != nil {
			return err
		}
		if suppressed, err := isSuppressed(ctx, tx, addressKeys); err != nil || suppressed {
			return err
		}
		if ok, err := allow(ctx, tx, limits.SignInLinks(addressKeys[0], now)); err != nil || !ok {
			return err
		}
		if proven, err := isProven(ctx, tx, addressKeys); err != nil {
			return err
		} else if !proven {
			if ok, err := allowUnasked(ctx, tx, limits, addressKeys, now); err != nil || !ok {
				return err
			}
		}
		to, err := s.findOrAddAccount(ctx, tx, address, addressKeys, now)
		if err != nil {
			return err
		}
		letter := alerts.Letter{Kind: alerts.DeliverySignIn, Recipient: to, Secret: alerts.NewSecret()}
		if _, err := tx.ExecContext(ctx, `INSERT INTO token (hash, purpose, recipient_id, created_at, expires_at, destination) VALUES ($1, 'sign-in', $2, $3, $4, $5)`,
			alerts.HashSecret(letter.Secret), to.ID, now.UnixMilli(), now.Add(alerts.SignInFor).UnixMilli(), destination); err != nil {
			return err
		}
		return queueLetter(ctx, tx, letter, now, write)
	})
	if err != nil && !errors.Is(err, alerts.ErrTooMany) && !errors.Is(err, alerts.ErrBusy) {
		return fmt.Errorf("store the request to sign in: %w", err)
	}
	return err
}

// findOrAddAccount returns the account with that address, locked. One that is new,
// or never signed in, is kept as long as an unconfirmed sign-up.
func (s *Store) findOrAddAccount(ctx context.Context, tx *sql.Tx, address string, addressKeys []string, now time.Time) (alerts.Recipient, error) {
	to, err := s.findOrAddRecipient(ctx, tx, "account", address, addressKeys, now)
	if err != nil || to.State == alerts.RecipientActive {
		return to, err
	}
	to.State = alerts.RecipientPending
	_, err = tx.ExecContext(ctx, `UPDATE recipient SET state = 'pending', ended_at = 0, created_at = $1 WHERE id = $2`, now.UnixMilli(), to.ID)
	return to, err
}

// SignInLink returns whom a link would sign in. It changes nothing.
// alerts.ErrExpired: the link has run out or has been used.
func (s *Store) SignInLink(ctx context.Context, secret string, now time.Time) (alerts.Account, error) {
	a, _, err := signInLink(ctx, s.read, secret, "", now)
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		return a, fmt.Errorf("read the sign-in link: %w", err)
	}
	return a, err
}

func signInLink(ctx context.Context, q querier, secret, forUpdate string, now time.Time) (a alerts.Account, destination string, err error) {
	var expires, used int64
	err = one(q.QueryRowContext(ctx, `SELECT recipient_id, destination, expires_at, used_at FROM token WHERE hash = $1 AND purpose = 'sign-in'`+forUpdate,
		alerts.HashSecret(secret)).Scan(&a.ID, &destination, &expires, &used))
	if err != nil {
		return a, "", err
	}
	if used > 0 || now.UnixMilli() >= expires {
		return a, "", alerts.ErrExpired
	}
	err = one(q.QueryRowContext(ctx, `SELECT address FROM recipient WHERE id = $1 AND kind = 'account' AND address <> ''`, a.ID).Scan(&a.Address))
	return a, destination, err
}

// SignIn uses up a sign-in link and begins a session, whose secret it returns
// together with the page to go to. It ends the session that the same browser had.
func (s *Store) SignIn(ctx context.Context, secret, before string, now time.Time) (session, destination string, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		a, to, err := signInLink(ctx, tx, secret, s.dialect.forUpdate, now)
		if err != nil {
			return err
		}
		destination = to
		if _, err := tx.ExecContext(ctx, `UPDATE token SET used_at = $1 WHERE hash = $2`, now.UnixMilli(), alerts.HashSecret(secret)); err != nil {
			return err
		}
		session, err = beginSession(ctx, tx, a.ID, before, now)
		return err
	})
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		return "", "", fmt.Errorf("sign in: %w", err)
	}
	return session, destination, err
}

// beginSession makes a session of an account whose owner has just shown that the
// address is theirs, and ends the one that the same browser had.
func beginSession(ctx context.Context, tx *sql.Tx, account int64, before string, now time.Time) (session string, err error) {
	if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'active', ended_at = 0, confirmed_at = $1 WHERE id = $2`, now.UnixMilli(), account); err != nil {
		return "", err
	}
	if before != "" {
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE hash = $1`, alerts.HashSecret(before)); err != nil {
			return "", err
		}
	}
	session = alerts.NewSecret()
	_, err = tx.ExecContext(ctx, `INSERT INTO session (hash, account_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		alerts.HashSecret(session), account, now.UnixMilli(), now.UnixMilli(), now.Add(alerts.SessionFor).UnixMilli())
	return session, err
}

// Session returns who is signed in with a session's secret; alerts.ErrNotFound
// when nobody is, or no longer. Once a day it notes that the session is in use,
// which makes it last longer.
func (s *Store) Session(ctx context.Context, secret string, now time.Time) (a alerts.Account, err error) {
	hash := alerts.HashSecret(secret)
	var seen int64
	err = one(s.read.QueryRowContext(ctx, `SELECT r.id, r.address, s.created_at, s.seen_at FROM session s JOIN recipient r ON r.id = s.account_id
		WHERE s.hash = $1 AND s.expires_at > $2 AND r.kind = 'account' AND r.address <> ''`, hash, now.UnixMilli()).Scan(&a.ID, &a.Address, &a.SignedInAt, &seen))
	if err == nil {
		a.Grants, err = grants(ctx, s.read, a.ID)
	}
	if err == nil && alerts.Stale(seen, now) {
		_, err = s.write.ExecContext(ctx, `UPDATE session SET seen_at = $1, expires_at = $2 WHERE hash = $3`, now.UnixMilli(), now.Add(alerts.SessionFor).UnixMilli(), hash)
	}
	if err != nil {
		return alerts.Account{}, fmt.Errorf("read the session: %w", err)
	}
	return a, nil
}

// grants are the roles that an account was given, and those of a feed whose
// declaration names its address as the contact: nobody has to give these, and a
// declaration that names another takes them away.
func grants(ctx context.Context, q querier, account int64) ([]alerts.Grant, error) {
	given, err := collect(ctx, q, scanGrant, `SELECT scope, role FROM role WHERE account_id = $1 ORDER BY created_at, scope`, account)
	if err != nil {
		return nil, err
	}
	contact, err := collect(ctx, q, scanGrant, `SELECT 'feed:' || f.slug, 'member' FROM feed f JOIN recipient r ON lower(r.address) = lower(f.contact)
		WHERE f.contact <> '' AND r.id = $1 AND r.kind = 'account' ORDER BY f.slug`, account)
	for _, g := range contact {
		if !slices.ContainsFunc(given, func(have alerts.Grant) bool { return have.Scope == g.Scope }) {
			given = append(given, g)
		}
	}
	return given, err
}

func scanGrant(rows *sql.Rows) (g alerts.Grant, err error) { return g, rows.Scan(&g.Scope, &g.Role) }

// SignOut ends a session.
func (s *Store) SignOut(ctx context.Context, secret string) error {
	if _, err := s.write.ExecContext(ctx, `DELETE FROM session WHERE hash = $1`, alerts.HashSecret(secret)); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// SignOutEverywhere ends all sessions of an account, and its sign-in links that
// have not been used.
func (s *Store) SignOutEverywhere(ctx context.Context, account int64) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE account_id = $1`, account); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM token WHERE recipient_id = $1 AND purpose = 'sign-in'`, account)
		return err
	})
	if err != nil {
		return fmt.Errorf("sign out everywhere: %w", err)
	}
	return nil
}

// Sessions returns when the sessions of an account were last in use, latest first.
func (s *Store) Sessions(ctx context.Context, account int64, now time.Time) ([]int64, error) {
	return collect(ctx, s.read, scanInt, `SELECT seen_at FROM session WHERE account_id = $1 AND expires_at > $2 ORDER BY seen_at DESC`, account, now.UnixMilli())
}

// Grant gives the account with an address a role within a scope, in place of the
// one that it had, and records by whom. The account need not have signed in yet.
func (s *Store) Grant(ctx context.Context, address string, addressKeys []string, g alerts.Grant, by string, now time.Time) (account int64, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		to, err := s.findOrAddAccount(ctx, tx, address, addressKeys, now)
		if err != nil {
			return err
		}
		account = to.ID
		if err := grant(ctx, tx, account, g, now); err != nil {
			return err
		}
		return recordAct(ctx, tx, g.Act(account, by), now)
	})
	if err != nil {
		return 0, fmt.Errorf("give the role %s of %s: %w", g.Role, g.Scope, err)
	}
	return account, nil
}

func grant(ctx context.Context, tx *sql.Tx, account int64, g alerts.Grant, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO role (account_id, scope, role, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, scope) DO UPDATE SET role = excluded.role`, account, g.Scope, g.Role, now.UnixMilli())
	return err
}

// Revoke takes an account's role within a scope away, and records by whom;
// alerts.ErrNotFound when it has none. What it has signed in to can do nothing from
// then on.
func (s *Store) Revoke(ctx context.Context, account int64, scope alerts.Scope, by string, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		var had alerts.Role
		if err := one(tx.QueryRowContext(ctx, `DELETE FROM role WHERE account_id = $1 AND scope = $2 RETURNING role`, account, scope).Scan(&had)); err != nil {
			return err
		}
		return recordAct(ctx, tx, alerts.Act{Kind: alerts.ActAccess, Who: by, What: fmt.Sprintf("took the role %s of %s away", had, scope), Subject: alerts.Account{ID: account}.Actor()}, now)
	})
	if err != nil {
		return fmt.Errorf("take the role of %s away: %w", scope, err)
	}
	return nil
}

// Holders returns the accounts that have a role within a scope, the oldest first.
func (s *Store) Holders(ctx context.Context, scope alerts.Scope) ([]alerts.Account, error) {
	all, err := collect(ctx, s.read, func(rows *sql.Rows) (a alerts.Account, err error) {
		g := alerts.Grant{Scope: scope}
		err = rows.Scan(&a.ID, &a.Address, &g.Role)
		a.Grants = []alerts.Grant{g}
		return a, err
	}, `SELECT r.id, r.address, o.role FROM role o JOIN recipient r ON r.id = o.account_id WHERE o.scope = $1 ORDER BY o.created_at, r.id`, scope)
	if err != nil {
		return nil, fmt.Errorf("list who may look after %s: %w", scope, err)
	}
	return all, nil
}

// forgetAccounts erases accounts that nobody has signed in to in time, and those
// without a role and a session. It returns how many.
func (s *Store) forgetAccounts(ctx context.Context, tx *sql.Tx, now time.Time) (int, error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE expires_at <= $1`, now.UnixMilli()); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM invitation WHERE expires_at <= $1`, now.UnixMilli()); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE created_at <= $1`, now.Add(-IdempotentFor).UnixMilli()); err != nil {
		return 0, err
	}
	idle, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE kind = 'account' AND address <> ''
		AND (state = 'pending' AND created_at < $1 OR state <> 'pending' AND confirmed_at < $2)
		AND NOT EXISTS (SELECT 1 FROM role WHERE account_id = recipient.id) AND NOT EXISTS (SELECT 1 FROM session WHERE account_id = recipient.id)
		ORDER BY id LIMIT $3`, now.Add(-alerts.ConfirmFor).UnixMilli(), now.Add(-alerts.SessionFor).UnixMilli(), forgetBatch)
	if err != nil {
		return 0, err
	}
	for _, id := range idle {
		if err := s.erase(ctx, tx, id, now); err != nil {
			return 0, err
		}
	}
	return len(idle), nil
}
