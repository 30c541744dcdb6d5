package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the queues of webhooks, one for each endpoint. What is claimed is an
// endpoint, for as long as a lease lasts, with a few of its deliveries: so nobody
// is sent more at a time than one process sends it, and a slow one delays no other.

// probes is how many endpoints are tried after an outage of our own before the
// others are.
const probes = 3

// longestLease is more than any lease: one that ends later was given before the
// clock was put back.
const longestLease = time.Hour

const hookDeliveryColumns = `d.id, d.recipient_id, d.message_id, d.subject, coalesce(d.sequence, 0), coalesce(d.event_seq, 0), d.state, d.text, d.attempts, d.claim_no, d.next_at, d.created_at, d.sent_at`

func scanHookDelivery(rows *sql.Rows) (d alerts.HookDelivery, err error) {
	return d, rows.Scan(&d.ID, &d.EndpointID, &d.MessageID, &d.Type, &d.Sequence, &d.EventSeq, &d.State, &d.Body, &d.Attempts, &d.ClaimNo, &d.NextAt, &d.CreatedAt, &d.SentAt)
}

// ClaimHooks takes up to limit endpoints that have something due, those that were
// served longest ago first, with up to each of their deliveries, and hides them
// until the lease ends. only, when not 0, is the one endpoint to look at. A case
// that was taken down since it was put into words is written anew: that it was.
func (s *Store) ClaimHooks(ctx context.Context, sender string, only int64, limit, each int, now time.Time, lease time.Duration, write alerts.HookWriter) (claims []alerts.HookClaim, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		claims, err = s.claimHooks(ctx, tx, sender, only, limit, each, now.UnixMilli(), now.Add(lease).UnixMilli(), write)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take webhooks from their queues: %w", err)
	}
	return claims, nil
}

func (s *Store) claimHooks(ctx context.Context, tx *sql.Tx, sender string, only int64, limit, each int, now, until int64, write alerts.HookWriter) ([]alerts.HookClaim, error) {
	var failures, paused int64
	err := one(tx.QueryRowContext(ctx, `SELECT failures, paused_until FROM sender WHERE name = $1`, sender).Scan(&failures, &paused))
	if err != nil && !errors.Is(err, alerts.ErrNotFound) || paused > now {
		return nil, ignoreNotFound(err)
	}
	if failures > 0 {
		limit = min(limit, probes)
	}
	const queued = `EXISTS (SELECT 1 FROM delivery d WHERE d.recipient_id = e.id AND d.kind = 'webhook' AND d.state = 'queued' AND d.priority = `
	ids, err := collect(ctx, tx, scanInt, `SELECT e.id FROM endpoint e WHERE (e.lease_until <= $1 OR e.lease_until > $2) AND e.state <> 'deleted' AND ($3 = 0 OR e.id = $4)
		AND (`+queued+`$5 AND d.next_at <= $6) OR e.state = 'active' AND e.rests_until <= $7 AND `+queued+`$8 AND d.next_at <= $9))
		ORDER BY e.lease_until, e.id LIMIT $10`+s.dialect.skipLocked,
		now, now+longestLease.Milliseconds(), only, only, alerts.PingPriority, now, now, alerts.DeliveryWebhook.Priority(), now, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET lease_until = $1, claim_no = claim_no + 1 WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`, until, list(ids)); err != nil {
		return nil, err
	}
	numbers := map[int64]int64{}
	if _, err := collect(ctx, tx, func(rows *sql.Rows) (_ int, err error) {
		var id, no int64
		err = rows.Scan(&id, &no)
		numbers[id] = no
		return 0, err
	}, `SELECT id, claim_no FROM endpoint WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids)); err != nil {
		return nil, err
	}
	endpoints, err := s.endpoints(ctx, tx, `e.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids))
	if err != nil {
		return nil, err
	}
	var due []int64
	for _, e := range endpoints {
		last := alerts.PingPriority
		if e.State == alerts.EndpointActive && e.RestsUntil <= now {
			last = alerts.DeliveryWebhook.Priority()
		}
		for priority := alerts.PingPriority; priority <= last; priority++ {
			some, err := collect(ctx, tx, scanInt, `SELECT id FROM delivery WHERE recipient_id = $1 AND kind = 'webhook' AND state = 'queued' AND priority = $2 AND next_at <= $3
				ORDER BY next_at, id LIMIT $4`, e.ID, priority, now, each)
			if err != nil {
				return nil, err
			}
			due = append(due, some...)
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE delivery SET next_at = $1, claim_no = claim_no + 1 WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`, until, list(due)); err != nil {
		return nil, err
	}
	if err := s.rewriteHidden(ctx, tx, endpoints, due, write); err != nil {
		return nil, err
	}
	deliveries, err := collect(ctx, tx, scanHookDelivery, `SELECT `+hookDeliveryColumns+` FROM delivery d
		WHERE d.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND d.state = 'queued' ORDER BY d.priority, d.sequence, d.id`, list(due))
	if err != nil {
		return nil, err
	}
	claims := make([]alerts.HookClaim, len(endpoints))
	of := make(map[int64]*alerts.HookClaim, len(endpoints))
	for i, e := range endpoints {
		claims[i] = alerts.HookClaim{Endpoint: e, No: numbers[e.ID]}
		of[e.ID] = &claims[i]
	}
	for _, d := range deliveries {
		of[d.EndpointID].Deliveries = append(of[d.EndpointID].Deliveries, d)
	}
	return claims, nil
}

// rewriteHidden puts deliveries into words anew that were written before their case
// was hidden or redacted, or before a reading was taken back: of a hidden case a
// program is told, under the same number, that it is gone, and a chat room nothing.
func (s *Store) rewriteHidden(ctx context.Context, tx *sql.Tx, endpoints []alerts.Endpoint, ids []int64, write alerts.HookWriter) error {
	type row struct {
		id, sequence  int64
		endpoint      int64
		hidden, taken bool
		alerts.Event
	}
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (r row, err error) {
		return r, scanEvent(rows, &r.Event, &r.id, &r.endpoint, &r.sequence, &r.hidden, &r.taken)
	}, `SELECT `+eventColumns+`, d.id, d.recipient_id, coalesce(d.sequence, 0), a.hidden, `+recalled+` FROM delivery d JOIN event e ON e.seq = d.event_seq JOIN application a ON a.id = e.application_id
		WHERE d.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND e.type <> 'removed' AND (a.hidden OR a.redacted_at > d.created_at OR `+recalled+`)`, list(ids))
	if err != nil {
		return err
	}
	for _, r := range rows {
		e := &endpoints[slices.IndexFunc(endpoints, func(e alerts.Endpoint) bool { return e.ID == r.endpoint })]
		gone := r.hidden || r.taken
		if gone && e.Format.IsChat() {
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'cancelled', text = '', error = 'the case was taken down' WHERE id = $1`, r.id); err != nil {
				return err
			}
			continue
		}
		n := alerts.HookNews{Endpoint: e, Event: &r.Event, Sequence: r.sequence, Bare: gone}
		switch {
		case r.hidden:
			r.Type = alerts.EventRemoved
		case r.taken:
			r.Type = alerts.EventRecalled
		default:
			if err := s.whoseNews(ctx, tx, r.id, &n); err != nil {
				return err
			}
		}
		body, err := write(n)
		if err != nil {
			return fmt.Errorf("write the webhook of event %d anew: %w", r.Seq, err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE delivery SET subject = $1, text = $2 WHERE id = $3`, alerts.HookType(r.Type), string(body), r.id); err != nil {
			return err
		}
	}
	return nil
}

// whoseNews adds to news which of the endpoint's areas a delivery concerns.
func (s *Store) whoseNews(ctx context.Context, tx *sql.Tx, delivery int64, n *alerts.HookNews) error {
	_, err := collect(ctx, tx, func(rows *sql.Rows) (_ int, err error) {
		var sub int64
		var correction bool
		if err = rows.Scan(&sub, &correction); err == nil {
			n.Subscriptions, n.InArea = append(n.Subscriptions, sub), n.InArea || !correction
		}
		return 0, err
	}, `SELECT DISTINCT v.subscription_id, m.correction FROM match m JOIN subscription_version v ON v.id = m.version_id WHERE m.delivery_id = $1 ORDER BY v.subscription_id`, delivery)
	return err
}

// RecordHooks records what came of webhooks, and gives back the endpoints in done
// with those deliveries that were not tried, as if they had never been claimed. A
// success counts whatever claim it comes from, a failure only if its claim is still
// the last one. outage says that most endpoints fail together: then what failed for
// want of an answer counts against nobody.
func (s *Store) RecordHooks(ctx context.Context, sender string, tries []alerts.HookTry, done []alerts.HookClaim, now time.Time) (outage bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if outage, err = s.recordHealth(ctx, tx, sender, tries, now); err != nil {
			return err
		}
		if err := s.recordTries(ctx, tx, tries, outage, now); err != nil {
			return err
		}
		for _, c := range done {
			for _, d := range c.Deliveries {
				if _, err := tx.ExecContext(ctx, `UPDATE delivery SET next_at = $1 WHERE id = $2 AND claim_no = $3 AND state = 'queued'`, now.UnixMilli(), d.ID, d.ClaimNo); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET lease_until = $1 WHERE id = $2 AND claim_no = $3`, now.UnixMilli(), c.Endpoint.ID, c.No); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("record %d attempts at webhooks: %w", len(tries), err)
	}
	return outage, nil
}

// recordTries records what came of each delivery.
func (s *Store) recordTries(ctx context.Context, tx *sql.Tx, tries []alerts.HookTry, outage bool, now time.Time) error {
	var sent []int64
	rows := make([][]any, len(tries))
	for i, t := range tries {
		d, o := t.Delivery, t.Outcome
		rows[i] = []any{d.ID, d.ClaimNo, t.At, t.Took.Milliseconds(), o.Class, o.Detail, o.Status, o.Answer}
		attempts, then := d.Attempts+1, t.Then
		if outage && o.Network() && !d.IsPing() {
			attempts, then = d.Attempts, alerts.DeliveryQueued
		}
		switch then {
		case alerts.DeliverySent:
			sent = append(sent, d.ID)
		case alerts.DeliveryQueued:
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET attempts = $1, next_at = $2, error = $3 WHERE id = $4 AND claim_no = $5 AND state = 'queued'`,
				attempts, t.RetryAt, o.Detail, d.ID, d.ClaimNo); err != nil {
				return err
			}
		case alerts.DeliveryGivenUp:
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'given_up', attempts = $1, error = $2 WHERE id = $3 AND claim_no = $4 AND state = 'queued'`,
				attempts, o.Detail, d.ID, d.ClaimNo); err != nil {
				return err
			}
		}
	}
	if len(sent) > 0 {
		if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'sent', sent_at = $1, error = '' WHERE state <> 'sent' AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`,
			now.UnixMilli(), list(sent)); err != nil {
			return err
		}
	}
	return s.dialect.insert(ctx, tx, "attempt", []string{"delivery_id", "n", "at", "duration", "class", "detail", "status", "answer"}, rows, "ON CONFLICT DO NOTHING")
}

// remembered is how exactly the last success of an endpoint that always works is
// known: its row is not written for each of them.
const remembered = time.Minute

// recordHealth takes the tries into account for each endpoint.
func (s *Store) recordHealth(ctx context.Context, tx *sql.Tx, sender string, tries []alerts.HookTry, now time.Time) (outage bool, err error) {
	byEndpoint := map[int64][]alerts.HookTry{}
	remarkable := map[int64]bool{}
	worked := false
	for _, t := range tries {
		id := t.Delivery.EndpointID
		byEndpoint[id] = append(byEndpoint[id], t)
		ok := t.Outcome.Class == alerts.HookAccepted
		worked = worked || ok
		remarkable[id] = remarkable[id] || !ok || t.Delivery.IsPing()
	}
	var outages int64 // in a row, that have not ended
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(failures), 0) FROM sender WHERE name = $1`, sender).Scan(&outages); err != nil {
		return false, err
	}
	if worked && outages > 0 {
		if _, err := tx.ExecContext(ctx, `UPDATE sender SET failures = 0, paused_until = 0, reason = '' WHERE name = $1`, sender); err != nil {
			return false, err
		}
	}
	ids := slices.Sorted(maps.Keys(byEndpoint))
	// Endpoints that go on working are not worth a write every time.
	changed, err := collect(ctx, tx, scanInt, `SELECT id FROM endpoint WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND (failing_since > 0 OR succeeded_at < $2)`,
		list(ids), now.Add(-remembered).UnixMilli())
	if err != nil {
		return false, err
	}
	for _, id := range changed {
		remarkable[id] = true
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return !remarkable[id] })
	if len(ids) == 0 {
		return false, nil
	}
	if _, err := collect(ctx, tx, scanInt, `SELECT id FROM endpoint WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY id`+s.dialect.forUpdate, list(ids)); err != nil {
		return false, err
	}
	endpoints, err := s.endpoints(ctx, tx, `e.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND e.state <> 'deleted'`, list(ids))
	if err != nil {
		return false, err
	}
	// An outage goes on until somebody is reached.
	if outage = outages > 0 && !worked && slices.ContainsFunc(tries, func(t alerts.HookTry) bool { return t.Outcome.Network() }); !outage {
		if outage, err = s.isOutage(ctx, tx, endpoints, byEndpoint, now); err != nil {
			return false, err
		}
	}
	for i := range endpoints {
		e := &endpoints[i]
		mine := byEndpoint[e.ID]
		slices.SortFunc(mine, func(a, b alerts.HookTry) int { return cmp.Compare(a.At, b.At) })
		for _, t := range mine {
			e.Record(t, outage)
			proved := t.Delivery.IsPing() && t.Outcome.Class == alerts.HookAccepted && t.Challenge == e.Challenge && (!e.Format.IsChat() || e.VerifiedAt > 0)
			if proved {
				if err := s.switchOn(ctx, tx, e, now); err != nil {
					return false, err
				}
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET state = $1, reason = $2, tried_at = $3, succeeded_at = $4, failing_since = $5, failures = $6, network = $7, rests_until = $8, news = $9, told = $10 WHERE id = $11`,
			e.State, e.Reason, e.TriedAt, e.SucceededAt, e.FailingSince, e.Failures, e.Network, e.RestsUntil, e.News, e.Told, e.ID); err != nil {
			return false, err
		}
	}
	return outage, nil
}

// isOutage reports whether most endpoints fail together, these tries included.
func (s *Store) isOutage(ctx context.Context, tx *sql.Tx, endpoints []alerts.Endpoint, tries map[int64][]alerts.HookTry, now time.Time) (bool, error) {
	var c alerts.Census
	since := now.Add(-alerts.OutageWindow).UnixMilli()
	if err := tx.QueryRowContext(ctx, `SELECT count(*), count(CASE WHEN network THEN 1 END) FROM endpoint
		WHERE tried_at >= $1 AND state = 'active' AND (failing_since = 0 OR failing_since >= $2)`, since, since).Scan(&c.Tried, &c.Failing); err != nil {
		return false, err
	}
	for i := range endpoints {
		e := &endpoints[i]
		mine := tries[e.ID]
		network := !slices.ContainsFunc(mine, func(t alerts.HookTry) bool { return !t.Outcome.Network() })
		c.Adjust(e, network, now.UnixMilli())
	}
	return c.IsOutage(), nil
}
