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

// This file is groups and who is in them. That somebody may do something is seen
// to by whoever calls; that a group keeps an owner is seen to here, since two may
// leave at once.

// AddGroup makes a group, with the account as its owner.
func (s *Store) AddGroup(ctx context.Context, name, owner string, account int64, now time.Time) (g alerts.Group, err error) {
	g = alerts.Group{Name: name, Quorum: 2, CreatedAt: now.UnixMilli()}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := s.lockRecipient(ctx, tx, account); err != nil {
			return err
		}
		var owned int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM role WHERE account_id = $1 AND role = 'owner' AND scope LIKE 'group:%'`, account).Scan(&owned); err != nil {
			return err
		}
		if owned >= alerts.MaxGroupsOfAccount {
			return &alerts.InvalidError{Field: "name", Problem: fmt.Sprintf("You own %d groups already, which is as many as one person can", owned)}
		}
		if err := tx.QueryRowContext(ctx, `INSERT INTO community (name, quorum, created_at) VALUES ($1, $2, $3) RETURNING id`, g.Name, g.Quorum, g.CreatedAt).Scan(&g.ID); err != nil {
			return err
		}
		return join(ctx, tx, account, g.ID, alerts.RoleOwner, owner, now)
	})
	if err != nil {
		return g, fmt.Errorf("make the group: %w", err)
	}
	return g, nil
}

func join(ctx context.Context, tx *sql.Tx, account, group int64, role alerts.Role, name string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO role (account_id, scope, role, name, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account_id, scope) DO UPDATE SET name = excluded.name`, account, alerts.GroupScope(group), role, name, now.UnixMilli())
	return err
}

// Group returns a group.
func (s *Store) Group(ctx context.Context, id int64) (g alerts.Group, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT id, name, quorum, created_at FROM community WHERE id = $1`, id).Scan(&g.ID, &g.Name, &g.Quorum, &g.CreatedAt))
	if err != nil {
		return g, fmt.Errorf("read group %d: %w", id, err)
	}
	return g, nil
}

// ChangeGroup gives a group another name or quorum.
func (s *Store) ChangeGroup(ctx context.Context, g alerts.Group) error {
	if _, err := s.write.ExecContext(ctx, `UPDATE community SET name = $1, quorum = $2 WHERE id = $3`, g.Name, g.Quorum, g.ID); err != nil {
		return fmt.Errorf("change group %d: %w", g.ID, err)
	}
	return nil
}

// Members returns who is in a group, the longest first.
func (s *Store) Members(ctx context.Context, group int64) ([]alerts.Member, error) {
	all, err := members(ctx, s.read, group)
	if err != nil {
		return nil, fmt.Errorf("list the members of group %d: %w", group, err)
	}
	return all, nil
}

func members(ctx context.Context, q querier, group int64) ([]alerts.Member, error) {
	return collect(ctx, q, func(rows *sql.Rows) (m alerts.Member, err error) {
		return m, rows.Scan(&m.AccountID, &m.Address, &m.Name, &m.Role, &m.Since)
	}, `SELECT r.id, r.address, o.name, o.role, o.created_at FROM role o JOIN recipient r ON r.id = o.account_id
		WHERE o.scope = $1 ORDER BY o.created_at, r.id`, alerts.GroupScope(group))
}

// lockGroup makes changes to who is in a group wait for each other.
func (s *Store) lockGroup(ctx context.Context, tx *sql.Tx, group int64) error {
	var id int64
	return one(tx.QueryRowContext(ctx, `SELECT id FROM community WHERE id = $1`+s.dialect.forUpdate, group).Scan(&id))
}

// SetRole gives a member another role. alerts.ErrConflict: the group would be left
// without an owner.
func (s *Store) SetRole(ctx context.Context, group, account int64, role alerts.Role) error {
	return s.changingMembers(ctx, group, account, func(tx *sql.Tx, all []alerts.Member) error {
		if role != alerts.RoleOwner && alerts.LastOwner(all, account) {
			return alerts.ErrConflict
		}
		_, err := tx.ExecContext(ctx, `UPDATE role SET role = $1 WHERE account_id = $2 AND scope = $3`, role, account, alerts.GroupScope(group))
		return err
	})
}

func (s *Store) changingMembers(ctx context.Context, group, account int64, fn func(*sql.Tx, []alerts.Member) error) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, group); err != nil {
			return err
		}
		all, err := members(ctx, tx, group)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(m alerts.Member) bool { return m.AccountID == account }) {
			return alerts.ErrNotFound
		}
		return fn(tx, all)
	})
	if err != nil {
		return fmt.Errorf("change who is in group %d: %w", group, err)
	}
	return nil
}

// Invite queues a mail that asks somebody into a group. One who is in it already,
// or may not be written to, gets none, and the answer is the same.
// alerts.ErrTooMany: the group has asked enough people today.
func (s *Store) Invite(ctx context.Context, i alerts.Invitation, addressKeys []string, by int64, now time.Time, write func(alerts.Invitation, alerts.Letter) (alerts.Delivery, error)) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, i.Group.ID); err != nil {
			return err
		}
		if ok, err := allow(ctx, tx, alerts.Invitations(i.Group.ID, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		all, err := members(ctx, tx, i.Group.ID)
		if err != nil {
			return err
		}
		if len(all) >= alerts.MaxMembers {
			return &alerts.InvalidError{Field: "email", Problem: fmt.Sprintf("A group can have %d members", alerts.MaxMembers)}
		}
		if suppressed, err := isSuppressed(ctx, tx, addressKeys); err != nil || suppressed {
			return err
		}
		to, err := s.findOrAddAccount(ctx, tx, i.Address, addressKeys, now)
		if err != nil || slices.ContainsFunc(all, func(m alerts.Member) bool { return m.AccountID == to.ID }) {
			return err
		}
		i.AccountID, i.ExpiresAt = to.ID, now.Add(alerts.InviteFor).UnixMilli()
		letter := alerts.Letter{Kind: alerts.DeliveryInvite, Recipient: to, Secret: alerts.NewSecret()}
		if _, err := tx.ExecContext(ctx, `INSERT INTO invitation (hash, group_id, account_id, role, invited_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (group_id, account_id) DO UPDATE SET hash = excluded.hash, role = excluded.role, invited_by = excluded.invited_by, created_at = excluded.created_at, expires_at = excluded.expires_at`,
			alerts.HashSecret(letter.Secret), i.Group.ID, to.ID, i.Role, by, now.UnixMilli(), i.ExpiresAt); err != nil {
			return err
		}
		return queueLetter(ctx, tx, letter, now, func(l alerts.Letter) (alerts.Delivery, error) { return write(i, l) })
	})
	if err != nil && !errors.Is(err, alerts.ErrTooMany) {
		return fmt.Errorf("invite into group %d: %w", i.Group.ID, err)
	}
	return err
}

const invitationQuery = `SELECT i.id, g.id, g.name, i.account_id, r.address, i.role, coalesce(o.name, ''), i.expires_at
	FROM invitation i JOIN community g ON g.id = i.group_id JOIN recipient r ON r.id = i.account_id
	LEFT JOIN role o ON o.account_id = i.invited_by AND o.scope = 'group:' || CAST(i.group_id AS TEXT) `

func scanInvitation(rows *sql.Rows) (i alerts.Invitation, err error) {
	return i, rows.Scan(&i.ID, &i.Group.ID, &i.Group.Name, &i.AccountID, &i.Address, &i.Role, &i.InvitedBy, &i.ExpiresAt)
}

// Invited returns the invitations of a group that wait.
func (s *Store) Invited(ctx context.Context, group int64, now time.Time) ([]alerts.Invitation, error) {
	return collect(ctx, s.read, scanInvitation, invitationQuery+`WHERE i.group_id = $1 AND i.expires_at > $2 ORDER BY i.id`, group, now.UnixMilli())
}

// Invitation returns what a link asks somebody into. It changes nothing.
// alerts.ErrExpired: it has run out.
func (s *Store) Invitation(ctx context.Context, secret string, now time.Time) (alerts.Invitation, error) {
	return invitation(ctx, s.read, secret, now)
}

func invitation(ctx context.Context, q querier, secret string, now time.Time) (alerts.Invitation, error) {
	found, err := collect(ctx, q, scanInvitation, invitationQuery+`WHERE i.hash = $1`, alerts.HashSecret(secret))
	switch {
	case err != nil:
		return alerts.Invitation{}, fmt.Errorf("read the invitation: %w", err)
	case len(found) == 0:
		return alerts.Invitation{}, alerts.ErrNotFound
	case found[0].ExpiresAt <= now.UnixMilli():
		return alerts.Invitation{}, alerts.ErrExpired
	}
	return found[0], nil
}

// Accept uses up an invitation: whoever has the link has the mailbox, so it also
// signs them in. It returns the group and the session's secret, and ends the
// session that the same browser had.
func (s *Store) Accept(ctx context.Context, secret, name, before string, now time.Time) (group int64, session string, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		i, err := invitation(ctx, tx, secret, now)
		if err != nil {
			return err
		}
		if err := s.lockGroup(ctx, tx, i.Group.ID); err != nil {
			return err
		}
		var id int64
		if err := one(tx.QueryRowContext(ctx, `DELETE FROM invitation WHERE hash = $1 RETURNING id`, alerts.HashSecret(secret)).Scan(&id)); err != nil {
			return err
		}
		group = i.Group.ID
		if err := join(ctx, tx, i.AccountID, group, i.Role, name, now); err != nil {
			return err
		}
		session, err = beginSession(ctx, tx, i.AccountID, before, now)
		return err
	})
	if err != nil && !errors.Is(err, alerts.ErrExpired) {
		return 0, "", fmt.Errorf("accept the invitation: %w", err)
	}
	return group, session, err
}

// CancelInvitation takes an invitation back.
func (s *Store) CancelInvitation(ctx context.Context, group, id int64) error {
	var was int64
	if err := one(s.write.QueryRowContext(ctx, `DELETE FROM invitation WHERE id = $1 AND group_id = $2 RETURNING id`, id, group).Scan(&was)); err != nil {
		return fmt.Errorf("take the invitation back: %w", err)
	}
	return nil
}

// Groups returns the groups that an account is in.
func (s *Store) Groups(ctx context.Context, account int64) ([]alerts.Group, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (g alerts.Group, err error) {
		return g, rows.Scan(&g.ID, &g.Name, &g.Quorum, &g.CreatedAt)
	}, `SELECT g.id, g.name, g.quorum, g.created_at FROM role o JOIN community g ON o.scope = 'group:' || CAST(g.id AS TEXT) WHERE o.account_id = $1 ORDER BY g.name, g.id`, account)
}
