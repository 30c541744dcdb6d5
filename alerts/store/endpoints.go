package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the life of an endpoint: made, proved, changed, paused, deleted. What
// it wants to hear is in endpointareas.go, what it is sent in the files hooks….go.
// Whoever changes more than its row locks its recipient first.

// CreateEndpoint stores an endpoint, already checked, with its sealed secret, and
// queues the ping by which it is to prove that it wants to be written to. An
// InvalidError says that its group has as many as it may.
func (s *Store) CreateEndpoint(ctx context.Context, n alerts.NewEndpoint, sealed string, now time.Time, ping alerts.PingWriter) (e alerts.Endpoint, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.roomForEndpoint(ctx, tx, n.GroupID); err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO recipient (kind, state, created_at) VALUES ('endpoint', 'active', $1) RETURNING id`, now.UnixMilli()).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO endpoint (id, group_id, owner_id, name, url, shown, format, state, challenge, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9)`,
			id, sql.NullInt64{Int64: n.GroupID, Valid: n.GroupID != 0}, n.OwnerID, n.Name, n.Address, n.Shown, n.Format, alerts.NewChallenge(n.Format), now.UnixMilli()); err != nil {
			return err
		}
		if err := addSecret(ctx, tx, id, sealed, now); err != nil {
			return err
		}
		if e, err = s.endpoint(ctx, tx, id); err != nil {
			return err
		}
		return s.queuePing(ctx, tx, e, now, ping)
	})
	if err != nil {
		return e, fmt.Errorf("store the endpoint: %w", err)
	}
	return e, nil
}

// roomForEndpoint counts a group's endpoints, with the group locked so that of two
// that are made at once the second counts the first.
func (s *Store) roomForEndpoint(ctx context.Context, tx *sql.Tx, group int64) error {
	if group == 0 {
		return nil // the operator's own
	}
	if err := s.lockGroup(ctx, tx, group); err != nil {
		return err
	}
	var have int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM endpoint WHERE group_id = $1 AND state <> 'deleted'`, group).Scan(&have); err != nil {
		return err
	}
	if have >= alerts.MaxGroupEndpoints {
		return alerts.Invalid("url", "A group can have %d of these. Remove one first", alerts.MaxGroupEndpoints)
	}
	return nil
}

// SealAddresses encrypts the addresses of endpoints that were stored as they are.
func (s *Store) SealAddresses(ctx context.Context, keys alerts.Keys) error {
	plain, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Endpoint, err error) { return e, rows.Scan(&e.ID, &e.Address) },
		`SELECT id, url FROM endpoint WHERE url LIKE 'http%'`)
	for _, e := range plain {
		if err == nil {
			_, err = s.write.ExecContext(ctx, `UPDATE endpoint SET url = $1, shown = $2 WHERE id = $3 AND url = $4`, keys.SealSecret(e.Address), alerts.ShownAddress(e.Address), e.ID, e.Address)
		}
	}
	if err != nil {
		return fmt.Errorf("encrypt the addresses of endpoints: %w", err)
	}
	if len(plain) == 0 {
		return nil
	}
	return s.scrub(ctx)
}

func addSecret(ctx context.Context, tx *sql.Tx, endpoint int64, sealed string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO endpoint_secret (endpoint_id, sealed, created_at) VALUES ($1, $2, $3)`, endpoint, sealed, now.UnixMilli())
	return err
}

// queuePing puts a ping first in the endpoint's queue, in place of one that waits.
func (s *Store) queuePing(ctx context.Context, tx *sql.Tx, e alerts.Endpoint, now time.Time, ping alerts.PingWriter) error {
	if ok, err := allow(ctx, tx, alerts.Pings(e.ID, now)); err != nil {
		return err
	} else if !ok {
		return alerts.ErrTooMany
	}
	if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'cancelled', error = 'another ping was asked for' WHERE recipient_id = $1 AND kind = 'webhook' AND state = 'queued' AND priority = $2`,
		e.ID, alerts.PingPriority); err != nil {
		return err
	}
	body, err := ping(e)
	if err != nil {
		return fmt.Errorf("write the ping: %w", err)
	}
	d := alerts.HookDelivery{EndpointID: e.ID, MessageID: alerts.NewHookID(now), Type: alerts.HookPing, Body: body}
	return s.queueHooks(ctx, tx, []alerts.HookDelivery{d}, now)
}

// PingEndpoint queues a ping: it shows whether an endpoint is reached, and switches
// on one that waits for it or was disabled. alerts.ErrTooMany: too often.
func (s *Store) PingEndpoint(ctx context.Context, id int64, now time.Time, ping alerts.PingWriter) error {
	return s.changingEndpoint(ctx, id, "ping the endpoint", func(tx *sql.Tx, e *alerts.Endpoint) error {
		return s.queuePing(ctx, tx, *e, now, ping)
	})
}

// ConfirmEndpoint switches a chat room's endpoint on when the code that its ping
// showed there has been typed in. Each try counts as a ping, so that codes cannot be
// guessed.
func (s *Store) ConfirmEndpoint(ctx context.Context, id int64, code string, now time.Time) error {
	wrong := false
	err := s.changingEndpoint(ctx, id, "confirm the endpoint", func(tx *sql.Tx, e *alerts.Endpoint) error {
		if ok, err := allow(ctx, tx, alerts.Pings(id, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		if wrong = !alerts.SameCode(e.Challenge, code); wrong {
			return nil // the try stays counted
		}
		return s.switchOn(ctx, tx, e, now)
	})
	if err == nil && wrong {
		return &alerts.InvalidError{Field: "code", Problem: "That is not the code of the latest test message in the room"}
	}
	return err
}

// switchOn makes an endpoint that has proved itself active, unless its owner has
// paused it.
func (s *Store) switchOn(ctx context.Context, tx *sql.Tx, e *alerts.Endpoint, now time.Time) error {
	if e.State == alerts.EndpointPending || e.State == alerts.EndpointDisabled {
		e.State, e.Reason = alerts.EndpointActive, ""
	}
	_, err := tx.ExecContext(ctx, `UPDATE endpoint SET state = $1, reason = $2, verified_at = $3, failing_since = 0, failures = 0, rests_until = 0, news = '', told = '' WHERE id = $4`,
		e.State, e.Reason, now.UnixMilli(), e.ID)
	return err
}

// EditEndpoint changes an endpoint's name, owner, address and format. A new address
// or format has to be proved again: until then everything waits.
func (s *Store) EditEndpoint(ctx context.Context, id int64, n alerts.NewEndpoint, now time.Time, ping alerts.PingWriter) (alerts.Endpoint, error) {
	var changed alerts.Endpoint
	err := s.changingEndpoint(ctx, id, "change the endpoint", func(tx *sql.Tx, e *alerts.Endpoint) error {
		moved := e.Address != n.Address || e.Format != n.Format
		e.Name, e.Address, e.Shown, e.Format, e.OwnerID = n.Name, n.Address, n.Shown, n.Format, n.OwnerID
		if moved {
			e.State, e.Reason, e.Challenge, e.VerifiedAt = alerts.EndpointPending, "", alerts.NewChallenge(e.Format), 0
		}
		if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET name = $1, url = $2, shown = $3, format = $4, owner_id = $5, state = $6, reason = $7, challenge = $8, verified_at = $9 WHERE id = $10`,
			e.Name, e.Address, e.Shown, e.Format, e.OwnerID, e.State, e.Reason, e.Challenge, e.VerifiedAt, id); err != nil {
			return err
		}
		changed = *e
		if !moved {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET failing_since = 0, failures = 0, rests_until = 0, news = '', told = '' WHERE id = $1`, id); err != nil {
			return err
		}
		return s.queuePing(ctx, tx, *e, now, ping)
	})
	return changed, err
}

// RotateSecret puts a new sealed secret in force at once. The old one signs too for
// a while, so that the receiver can be changed in peace; older ones no more.
func (s *Store) RotateSecret(ctx context.Context, id int64, sealed string, overlap time.Duration, now time.Time) error {
	overlap = min(max(overlap, 0), alerts.MaxSecretOverlap)
	return s.changingEndpoint(ctx, id, "change the secret", func(tx *sql.Tx, _ *alerts.Endpoint) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM endpoint_secret WHERE endpoint_id = $1 AND expires_at > 0`, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE endpoint_secret SET expires_at = $1 WHERE endpoint_id = $2`, max(1, now.Add(overlap).UnixMilli()), id); err != nil {
			return err
		}
		return addSecret(ctx, tx, id, sealed, now)
	})
}

// PauseEndpoint holds back all that an endpoint would be sent; matching goes on.
func (s *Store) PauseEndpoint(ctx context.Context, id int64) error {
	return s.changingEndpoint(ctx, id, "pause the endpoint", func(tx *sql.Tx, e *alerts.Endpoint) error {
		if e.State != alerts.EndpointActive && e.State != alerts.EndpointPaused {
			return alerts.ErrConflict
		}
		_, err := tx.ExecContext(ctx, `UPDATE endpoint SET state = 'paused' WHERE id = $1`, id)
		return err
	})
}

// ResumeEndpoint ends a pause; what was held back is sent now, in order.
func (s *Store) ResumeEndpoint(ctx context.Context, id int64) error {
	return s.changingEndpoint(ctx, id, "resume the endpoint", func(tx *sql.Tx, e *alerts.Endpoint) error {
		if e.State != alerts.EndpointActive && e.State != alerts.EndpointPaused {
			return alerts.ErrConflict
		}
		_, err := tx.ExecContext(ctx, `UPDATE endpoint SET state = 'active' WHERE id = $1`, id)
		return err
	})
}

// DeleteEndpoint ends an endpoint for good: its areas, its queue, its secrets and
// its address.
func (s *Store) DeleteEndpoint(ctx context.Context, id int64, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error { return s.deleteEndpoint(ctx, tx, id, now) })
	if err != nil {
		return fmt.Errorf("delete the endpoint: %w", err)
	}
	return nil
}

func (s *Store) deleteEndpoint(ctx context.Context, tx *sql.Tx, id int64, now time.Time) error {
	if _, err := s.lockRecipient(ctx, tx, id); err != nil {
		return err
	}
	if _, err := s.lockEndpoint(ctx, tx, id); err != nil {
		return err
	}
	if _, err := s.endSome(ctx, tx, id, "/endpoints", now, func(alerts.Subscription) bool { return true }); err != nil {
		return err
	}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`UPDATE recipient SET state = 'ended', ended_at = $1 WHERE id = $2 AND state <> 'ended'`, []any{now.UnixMilli(), id}},
		{`UPDATE endpoint SET state = 'deleted', url = '', shown = '', challenge = '', reason = '', news = '' WHERE id = $1`, []any{id}},
		{`DELETE FROM endpoint_secret WHERE endpoint_id = $1`, []any{id}},
		{`UPDATE delivery SET state = 'cancelled', error = 'the endpoint was deleted' WHERE recipient_id = $1 AND state = 'queued' AND kind = 'webhook'`, []any{id}},
		{`UPDATE delivery SET text = '', subject = '' WHERE recipient_id = $1 AND kind = 'webhook'`, []any{id}},
		{`UPDATE attempt SET answer = '', detail = '' WHERE delivery_id IN (SELECT id FROM delivery WHERE recipient_id = $1 AND kind = 'webhook')`, []any{id}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// Endpoint returns one endpoint with its secrets and the length of its queue. One
// that was deleted is not found.
func (s *Store) Endpoint(ctx context.Context, id int64) (alerts.Endpoint, error) {
	found, err := s.listEndpoints(ctx, `e.id = $1 AND e.state <> 'deleted'`, id)
	if err == nil && len(found) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.Endpoint{}, fmt.Errorf("read endpoint %d: %w", id, err)
	}
	return found[0], nil
}

// Endpoints returns a group's endpoints, oldest first; of group 0, the operator's
// own.
func (s *Store) Endpoints(ctx context.Context, group int64) ([]alerts.Endpoint, error) {
	found, err := s.listEndpoints(ctx, `coalesce(e.group_id, 0) = $1 AND e.state <> 'deleted'`, group)
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	return found, nil
}

// AllEndpoints returns up to limit endpoints with ids above after, in order.
func (s *Store) AllEndpoints(ctx context.Context, after int64, limit int) ([]alerts.Endpoint, error) {
	found, err := s.listEndpoints(ctx, `e.id IN (SELECT id FROM endpoint WHERE id > $1 AND state <> 'deleted' ORDER BY id LIMIT $2)`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	return found, nil
}

// listEndpoints reads endpoints with the lengths of their queues.
func (s *Store) listEndpoints(ctx context.Context, where string, args ...any) ([]alerts.Endpoint, error) {
	found, err := s.endpoints(ctx, s.read, where, args...)
	for i := range found {
		if err == nil {
			err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM delivery WHERE recipient_id = $1 AND kind = 'webhook' AND state = 'queued'`, found[i].ID).Scan(&found[i].Waiting)
		}
	}
	return found, err
}

// changingEndpoint runs a change to an endpoint in a transaction that holds its
// recipient's row and its own.
func (s *Store) changingEndpoint(ctx context.Context, id int64, what string, fn func(*sql.Tx, *alerts.Endpoint) error) error {
	return s.changing(ctx, id, what, func(tx *sql.Tx, _ alerts.Recipient) error {
		e, err := s.lockEndpoint(ctx, tx, id)
		if err != nil {
			return err
		}
		return fn(tx, &e)
	})
}

func (s *Store) lockEndpoint(ctx context.Context, tx *sql.Tx, id int64) (alerts.Endpoint, error) {
	if _, err := collect(ctx, tx, scanInt, `SELECT id FROM endpoint WHERE id = $1`+s.dialect.forUpdate, id); err != nil {
		return alerts.Endpoint{}, err
	}
	return s.endpoint(ctx, tx, id)
}

func (s *Store) endpoint(ctx context.Context, q querier, id int64) (alerts.Endpoint, error) {
	found, err := s.endpoints(ctx, q, `e.id = $1 AND e.state <> 'deleted'`, id)
	if err == nil && len(found) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.Endpoint{}, err
	}
	return found[0], nil
}

// endpoints reads endpoints with their secrets, the newest secret first.
func (s *Store) endpoints(ctx context.Context, q querier, where string, args ...any) ([]alerts.Endpoint, error) {
	found, err := collect(ctx, q, func(rows *sql.Rows) (e alerts.Endpoint, err error) {
		return e, rows.Scan(&e.ID, &e.GroupID, &e.OwnerID, &e.Name, &e.Address, &e.Shown, &e.Format, &e.State, &e.Reason, &e.Challenge, &e.CreatedAt, &e.VerifiedAt, &e.Sequence,
			&e.TriedAt, &e.SucceededAt, &e.FailingSince, &e.Failures, &e.Network, &e.RestsUntil, &e.News, &e.Told)
	}, `SELECT e.id, coalesce(e.group_id, 0), e.owner_id, e.name, e.url, e.shown, e.format, e.state, e.reason, e.challenge, e.created_at, e.verified_at, e.sequence,
		e.tried_at, e.succeeded_at, e.failing_since, e.failures, e.network, e.rests_until, e.news, e.told
		FROM endpoint e WHERE `+where+` ORDER BY e.id`, args...)
	if err != nil || len(found) == 0 {
		return found, err
	}
	ids := make([]int64, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	secrets, err := s.secrets(ctx, q, ids)
	for i := range found {
		found[i].Secrets = secrets[found[i].ID]
	}
	return found, err
}

// secrets returns the secrets of endpoints, the newest first.
func (s *Store) secrets(ctx context.Context, q querier, endpoints []int64) (map[int64][]alerts.EndpointSecret, error) {
	type row struct {
		endpoint int64
		alerts.EndpointSecret
	}
	rows, err := collect(ctx, q, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.endpoint, &r.ID, &r.Sealed, &r.CreatedAt, &r.ExpiresAt)
	}, `SELECT endpoint_id, id, sealed, created_at, expires_at FROM endpoint_secret
		WHERE endpoint_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY endpoint_id, id DESC`, list(endpoints))
	out := make(map[int64][]alerts.EndpointSecret, len(endpoints))
	for _, r := range rows {
		out[r.endpoint] = append(out[r.endpoint], r.EndpointSecret)
	}
	return out, err
}
