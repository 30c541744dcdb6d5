package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the places that a group watches, and the tokens that let its
// programs in.

// AddGroupArea gives a group another place. An InvalidError says why it cannot.
func (s *Store) AddGroupArea(ctx context.Context, a alerts.GroupArea, now time.Time) (alerts.GroupArea, error) {
	a.CreatedAt = now.UnixMilli()
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, a.GroupID); err != nil {
			return err
		}
		have, err := groupAreas(ctx, tx, a.GroupID)
		if err != nil {
			return err
		}
		if len(have) >= alerts.MaxGroupAreas {
			return &alerts.InvalidError{Field: "area", Problem: fmt.Sprintf("A group can watch %d areas. Remove one first", alerts.MaxGroupAreas)}
		}
		for _, b := range have {
			if alerts.SameExtent(a.Area, b.Area) {
				return &alerts.InvalidError{Field: "area", Problem: "The group watches this area already"}
			}
		}
		var filter any = ""
		if !a.Filter.IsZero() {
			filter = asJSON[alerts.Filter]{&a.Filter}
		}
		return tx.QueryRowContext(ctx, `INSERT INTO group_area (group_id, authority, filter, area, lon, lat, radius, shape, code, label, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`, a.GroupID, a.Authority, filter, a.Area.Kind,
			a.Area.Centre.Lon, a.Area.Centre.Lat, a.Area.Radius, a.Area.Shape, a.Area.Code, a.Area.Label, a.CreatedAt).Scan(&a.ID)
	})
	if err != nil {
		return a, fmt.Errorf("add an area to group %d: %w", a.GroupID, err)
	}
	return a, nil
}

// GroupAreas returns the places that a group watches, the oldest first.
func (s *Store) GroupAreas(ctx context.Context, group int64) ([]alerts.GroupArea, error) {
	all, err := groupAreas(ctx, s.read, group)
	if err != nil {
		return nil, fmt.Errorf("list the areas of group %d: %w", group, err)
	}
	return all, nil
}

// GroupArea returns one place that a group watches.
func (s *Store) GroupArea(ctx context.Context, id int64) (alerts.GroupArea, error) {
	found, err := collect(ctx, s.read, scanGroupArea, groupAreaQuery+`WHERE id = $1`, id)
	if err == nil && len(found) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.GroupArea{}, fmt.Errorf("read area %d: %w", id, err)
	}
	return found[0], nil
}

const groupAreaQuery = `SELECT id, group_id, authority, nullif(filter, ''), area, lon, lat, radius, shape, code, label, created_at FROM group_area `

func scanGroupArea(rows *sql.Rows) (a alerts.GroupArea, err error) {
	return a, rows.Scan(&a.ID, &a.GroupID, &a.Authority, asJSON[alerts.Filter]{&a.Filter}, &a.Area.Kind, &a.Area.Centre.Lon, &a.Area.Centre.Lat, &a.Area.Radius,
		&a.Area.Shape, &a.Area.Code, &a.Area.Label, &a.CreatedAt)
}

func groupAreas(ctx context.Context, q querier, group int64) ([]alerts.GroupArea, error) {
	return collect(ctx, q, scanGroupArea, groupAreaQuery+`WHERE group_id = $1 ORDER BY id`, group)
}

// RemoveGroupArea takes a place away from a group, and from the endpoints of the
// group: what they are owed of it and of no other of their areas is closed.
func (s *Store) RemoveGroupArea(ctx context.Context, group, id int64, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, group); err != nil {
			return err
		}
		was, err := collect(ctx, tx, scanGroupArea, groupAreaQuery+`WHERE id = $1 AND group_id = $2`, id, group)
		if err == nil && len(was) == 0 {
			err = alerts.ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM group_area WHERE id = $1`, id); err != nil {
			return err
		}
		endpoints, err := collect(ctx, tx, scanInt, `SELECT id FROM endpoint WHERE group_id = $1 AND state <> 'deleted' ORDER BY id`, group)
		for _, e := range endpoints {
			if err == nil {
				_, err = s.lockRecipient(ctx, tx, e)
			}
			if err == nil {
				_, err = s.endSome(ctx, tx, e, "/endpoints", now, func(have alerts.Subscription) bool { return was[0].IsHeardBy(have) })
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove area %d: %w", id, err)
	}
	return nil
}

// AddToken stores a token, of which only the hash is kept. An InvalidError says why
// it cannot.
func (s *Store) AddToken(ctx context.Context, t alerts.Token, secret string, now time.Time) (alerts.Token, error) {
	t.Start, t.CreatedAt = alerts.TokenStart(secret), now.UnixMilli()
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, t.GroupID); err != nil {
			return err
		}
		var live int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM api_token WHERE group_id = $1 AND revoked_at = 0 AND expires_at > $2`, t.GroupID, t.CreatedAt).Scan(&live); err != nil {
			return err
		}
		if live >= alerts.MaxTokens {
			return &alerts.InvalidError{Field: "name", Problem: fmt.Sprintf("A group can have %d tokens in force. End one first", alerts.MaxTokens)}
		}
		return tx.QueryRowContext(ctx, `INSERT INTO api_token (hash, group_id, account_id, name, start, scopes, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`, alerts.HashSecret(secret), t.GroupID, t.AccountID, t.Name, t.Start,
			asJSON[[]alerts.TokenScope]{&t.Scopes}, t.CreatedAt, t.ExpiresAt).Scan(&t.ID)
	})
	if err != nil {
		return t, fmt.Errorf("store the token: %w", err)
	}
	return t, nil
}

const tokenQuery = `SELECT id, group_id, account_id, name, start, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_token `

func scanToken(rows *sql.Rows) (t alerts.Token, err error) {
	return t, rows.Scan(&t.ID, &t.GroupID, &t.AccountID, &t.Name, &t.Start, asJSON[[]alerts.TokenScope]{&t.Scopes}, &t.CreatedAt, &t.ExpiresAt, &t.LastUsed, &t.RevokedAt)
}

// Tokens returns a group's tokens, those in force first, the newest first.
func (s *Store) Tokens(ctx context.Context, group int64) ([]alerts.Token, error) {
	all, err := collect(ctx, s.read, scanToken, tokenQuery+`WHERE group_id = $1 ORDER BY revoked_at > 0, id DESC LIMIT 200`, group)
	if err != nil {
		return nil, fmt.Errorf("list the tokens of group %d: %w", group, err)
	}
	return all, nil
}

// UseToken returns the token that a program shows, if it is in force, and notes now
// and then that it is in use. alerts.ErrNotFound: it is not, or was never one.
func (s *Store) UseToken(ctx context.Context, secret string, now time.Time) (alerts.Token, error) {
	found, err := collect(ctx, s.read, scanToken, tokenQuery+`WHERE hash = $1`, alerts.HashSecret(secret))
	if err == nil && (len(found) == 0 || !found[0].Valid(now)) {
		return alerts.Token{}, alerts.ErrNotFound
	}
	if err == nil && now.UnixMilli()-found[0].LastUsed >= alerts.TokenStep.Milliseconds() {
		_, err = s.write.ExecContext(ctx, `UPDATE api_token SET last_used_at = $1 WHERE id = $2`, now.UnixMilli(), found[0].ID)
	}
	if err != nil {
		return alerts.Token{}, fmt.Errorf("read the token: %w", err)
	}
	return found[0], nil
}

// RevokeToken ends a token at once.
func (s *Store) RevokeToken(ctx context.Context, group, id int64, now time.Time) error {
	var was int64
	err := one(s.write.QueryRowContext(ctx, `UPDATE api_token SET revoked_at = $1 WHERE id = $2 AND group_id = $3 AND revoked_at = 0 RETURNING id`, now.UnixMilli(), id, group).Scan(&was))
	if errors.Is(err, alerts.ErrNotFound) {
		var n int
		if err2 := s.read.QueryRowContext(ctx, `SELECT count(*) FROM api_token WHERE id = $1 AND group_id = $2`, id, group).Scan(&n); err2 == nil && n > 0 {
			return nil // it has ended already
		}
	}
	if err != nil {
		return fmt.Errorf("end the token: %w", err)
	}
	return nil
}
