package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is how people leave groups, and how groups end. Whoever changes several
// rows locks the group before the people and the endpoints in it.

// RemoveMember takes somebody out of a group: their tokens end, and no case stays
// with them. alerts.ErrConflict: the group would be left without an owner.
func (s *Store) RemoveMember(ctx context.Context, group, account int64, now time.Time) error {
	return s.changingMembers(ctx, group, account, func(tx *sql.Tx, all []alerts.Member) error {
		if alerts.LastOwner(all, account) {
			return alerts.ErrConflict
		}
		return leave(ctx, tx, group, account, now)
	})
}

// leave takes an account out of a group that has an owner besides. Its endpoints go
// to that owner.
func leave(ctx context.Context, tx *sql.Tx, group, account int64, now time.Time) error {
	scope := alerts.GroupScope(group)
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`DELETE FROM role WHERE account_id = $1 AND scope = $2`, []any{account, scope}},
		{`UPDATE api_token SET revoked_at = $1 WHERE account_id = $2 AND group_id = $3 AND revoked_at = 0`, []any{now.UnixMilli(), account, group}},
		{`UPDATE endpoint SET owner_id = (SELECT min(account_id) FROM role WHERE scope = $1 AND role = 'owner') WHERE group_id = $2 AND owner_id = $3`, []any{scope, group, account}},
		{`UPDATE triage SET assignee = 0 WHERE group_id = $1 AND assignee = $2`, []any{group, account}},
		{`DELETE FROM hide_vote WHERE group_id = $1 AND account_id = $2`, []any{group, account}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// lockGroupsOf locks the groups in which an account is, and returns them.
func (s *Store) lockGroupsOf(ctx context.Context, tx *sql.Tx, account int64) ([]int64, error) {
	ids, err := collect(ctx, tx, scanInt, `SELECT g.id FROM role o JOIN community g ON o.scope = 'group:' || CAST(g.id AS TEXT) WHERE o.account_id = $1 ORDER BY g.id`, account)
	for _, id := range ids {
		if err == nil {
			err = s.lockGroup(ctx, tx, id)
		}
	}
	return ids, err
}

// leaveGroups takes an account that is erased out of its groups. A group of which it
// was the only owner goes to [alerts.Heir], and ends when nobody else is in it.
func (s *Store) leaveGroups(ctx context.Context, tx *sql.Tx, account int64, now time.Time) error {
	groups, err := s.lockGroupsOf(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, group := range groups {
		all, err := members(ctx, tx, group)
		if err != nil {
			return err
		}
		if alerts.LastOwner(all, account) {
			heir, ok := alerts.Heir(all, account)
			if !ok {
				if err := s.removeGroup(ctx, tx, group, now); err != nil {
					return err
				}
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE role SET role = 'owner' WHERE account_id = $1 AND scope = $2`, heir.AccountID, alerts.GroupScope(group)); err != nil {
				return err
			}
		}
		if err := leave(ctx, tx, group, account, now); err != nil {
			return err
		}
	}
	return nil
}

// RemoveGroup forgets a group and everything that is its own, and deletes its
// endpoints.
func (s *Store) RemoveGroup(ctx context.Context, group int64, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, group); err != nil {
			return err
		}
		return s.removeGroup(ctx, tx, group, now)
	})
	if err != nil {
		return fmt.Errorf("remove group %d: %w", group, err)
	}
	return s.scrub(ctx)
}

func (s *Store) removeGroup(ctx context.Context, tx *sql.Tx, group int64, now time.Time) error {
	endpoints, err := collect(ctx, tx, scanInt, `SELECT id FROM endpoint WHERE group_id = $1 AND state <> 'deleted' ORDER BY id`, group)
	if err != nil {
		return err
	}
	for _, id := range endpoints {
		if err := s.deleteEndpoint(ctx, tx, id, now); err != nil {
			return err
		}
	}
	for _, table := range []string{"invitation", "group_area", "api_token", "meeting", "triage", "hide_vote", "triage_log"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE group_id = $1`, group); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM role WHERE scope = $1`, alerts.GroupScope(group)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM community WHERE id = $1`, group)
	return err
}
