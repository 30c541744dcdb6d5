package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the log of webhooks, and what is sent again or for a test.

// EndpointDeliveries returns up to limit of an endpoint's deliveries in a state, or
// with "" in any, the newest first, with ids below before (0 for the first page), and
// where the next page begins; 0 when there is none. Bodies are left out.
func (s *Store) EndpointDeliveries(ctx context.Context, endpoint int64, state alerts.DeliveryState, before int64, limit int) (found []alerts.HookDelivery, next int64, err error) {
	found, err = collect(ctx, s.read, scanHookDelivery, `SELECT d.id, d.recipient_id, d.message_id, d.subject, coalesce(d.sequence, 0), coalesce(d.event_seq, 0), d.state, '',
		d.attempts, d.claim_no, d.next_at, d.created_at, d.sent_at
		FROM delivery d WHERE d.recipient_id = $1 AND d.kind = 'webhook' AND d.id < $2 AND (CAST($3 AS TEXT) = '' OR d.state = $4) ORDER BY d.id DESC LIMIT $5`,
		endpoint, cmp.Or(before, alerts.Forever), string(state), state, limit+1)
	if err != nil {
		return nil, 0, fmt.Errorf("list the deliveries of endpoint %d: %w", endpoint, err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].ID
	}
	return found, next, nil
}

// EndpointDelivery returns one of an endpoint's deliveries by its webhook-id, with
// its body.
func (s *Store) EndpointDelivery(ctx context.Context, endpoint int64, messageID string) (alerts.HookDelivery, error) {
	found, err := collect(ctx, s.read, scanHookDelivery, `SELECT `+hookDeliveryColumns+` FROM delivery d WHERE d.message_id = $1 AND d.recipient_id = $2 AND d.kind = 'webhook'`, messageID, endpoint)
	if err == nil && len(found) == 0 {
		err = alerts.ErrNotFound
	}
	if err != nil {
		return alerts.HookDelivery{}, fmt.Errorf("read delivery %s: %w", messageID, err)
	}
	return found[0], nil
}

// Attempts returns the tries of one of an endpoint's deliveries, oldest first.
func (s *Store) Attempts(ctx context.Context, endpoint, delivery int64) ([]alerts.HookAttempt, error) {
	found, err := collect(ctx, s.read, func(rows *sql.Rows) (a alerts.HookAttempt, err error) {
		return a, rows.Scan(&a.At, &a.Duration, &a.Class, &a.Detail, &a.Status, &a.Answer)
	}, `SELECT a.at, a.duration, a.class, a.detail, a.status, a.answer FROM attempt a JOIN delivery d ON d.id = a.delivery_id
		WHERE a.delivery_id = $1 AND d.recipient_id = $2 AND d.kind = 'webhook' ORDER BY a.n`, delivery, endpoint)
	if err != nil {
		return nil, fmt.Errorf("read the attempts at delivery %d: %w", delivery, err)
	}
	return found, nil
}

// Recover puts deliveries back in the queue, each under the id it had. Those that are
// in the queue already are only brought forward, so that asking twice sends nothing
// twice. alerts.ErrTooMany: too often.
func (s *Store) Recover(ctx context.Context, endpoint int64, r alerts.Recovery, now time.Time) (out alerts.Recovered, err error) {
	if r, err = r.Check(now); err != nil {
		return out, err
	}
	out.Since = r.Since
	err = s.changingEndpoint(ctx, endpoint, "send again", func(tx *sql.Tx, _ *alerts.Endpoint) error {
		if ok, err := allow(ctx, tx, alerts.Recoveries(endpoint, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		done := []string{string(alerts.DeliveryGivenUp)}
		if r.Accepted {
			done = append(done, string(alerts.DeliverySent))
		}
		// What rests between two tries need not wait; what is under way is left alone.
		const again = `(d.state IN (SELECT value FROM json_each($1)) OR d.state = 'queued' AND d.attempts > 0 AND d.next_at > $2
			AND EXISTS (SELECT 1 FROM endpoint e WHERE e.id = d.recipient_id AND e.lease_until <= $3))`
		type row struct{ id, sequence int64 }
		found, err := collect(ctx, tx, func(rows *sql.Rows) (f row, err error) { return f, rows.Scan(&f.id, &f.sequence) },
			`SELECT d.id, d.sequence FROM delivery d WHERE `+again+` AND d.recipient_id = $4 AND d.kind = 'webhook' AND d.event_seq IS NOT NULL AND d.text <> ''
			AND d.created_at >= $5 AND d.created_at < $6 AND d.sequence > $7 AND d.sequence <= $8 ORDER BY d.sequence LIMIT $9`,
			list(done), now.UnixMilli(), now.UnixMilli(), endpoint, r.Since, cmp.Or(r.Until, alerts.Forever), r.After, cmp.Or(r.UpTo, alerts.Forever), alerts.MaxRecovered+1)
		if err != nil {
			return err
		}
		if out.More = len(found) > alerts.MaxRecovered; out.More {
			found = found[:alerts.MaxRecovered]
		}
		ids := make([]int64, len(found))
		for i, f := range found {
			ids[i], out.Last = f.id, f.sequence
		}
		out.Queued = len(ids)
		if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'queued', attempts = CASE WHEN state = 'queued' THEN attempts ELSE 0 END, next_at = $1, error = ''
			WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`, now.UnixMilli(), list(ids)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE endpoint SET rests_until = 0 WHERE id = $1`, endpoint) // whoever asks says that it works again
		return err
	})
	return out, err
}

// Resend puts one delivery back in the queue, whatever became of it.
func (s *Store) Resend(ctx context.Context, endpoint int64, messageID string, now time.Time) error {
	return s.changingEndpoint(ctx, endpoint, "send again", func(tx *sql.Tx, _ *alerts.Endpoint) error {
		if ok, err := allow(ctx, tx, alerts.Recoveries(endpoint, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		done, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'queued', attempts = 0, next_at = $1, error = ''
			WHERE message_id = $2 AND recipient_id = $3 AND kind = 'webhook' AND event_seq IS NOT NULL AND text <> '' AND state IN ('given_up', 'sent')`,
			now.UnixMilli(), messageID, endpoint)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstOf(err, alerts.ErrNotFound)
		}
		return nil
	})
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// testScan is how many of the latest events are looked through for some that would
// have reached an endpoint.
const testScan = 2_000

// TestFire queues up to n webhooks of real past events that the endpoint's areas
// would have brought, the newest; if there are none, of whatever happened last. They
// are marked as tests and have no number. It returns their webhook-ids.
func (s *Store) TestFire(ctx context.Context, endpoint int64, n int, now time.Time, write alerts.HookWriter) (ids []string, err error) {
	n = min(max(n, 1), alerts.MaxTestEvents)
	events, err := s.pastEvents(ctx, endpoint, n)
	if err != nil {
		return nil, fmt.Errorf("look for past events: %w", err)
	}
	err = s.changingEndpoint(ctx, endpoint, "send a test", func(tx *sql.Tx, e *alerts.Endpoint) error {
		if e.State != alerts.EndpointActive {
			return alerts.ErrConflict
		}
		if ok, err := allow(ctx, tx, alerts.Pings(endpoint, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		var deliveries []alerts.HookDelivery
		for _, event := range slices.Backward(events) {
			body, err := write(alerts.HookNews{Endpoint: e, Event: &event.Event, InArea: event.inArea, Subscriptions: event.subscriptions, Test: true})
			if err != nil {
				return err
			}
			d := alerts.HookDelivery{EndpointID: endpoint, MessageID: alerts.NewHookID(now), Type: alerts.HookType(event.Type), Body: body}
			deliveries, ids = append(deliveries, d), append(ids, d.MessageID)
		}
		return s.queueHooks(ctx, tx, deliveries, now)
	})
	return ids, err
}

// A pastEvent is an event as an endpoint's areas see it today.
type pastEvent struct {
	alerts.Event
	inArea        bool
	subscriptions []int64
}

// pastEvents returns the newest events that an endpoint's areas would have brought,
// or the newest of all.
func (s *Store) pastEvents(ctx context.Context, endpoint int64, n int) (found []pastEvent, err error) {
	subs, err := s.EndpointAreas(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	grounds := make([]*alerts.Ground, len(subs))
	for i := range subs {
		subs[i].Current.From, subs[i].Current.To = -1, alerts.Forever
		if grounds[i], err = alerts.NewGround(&subs[i].Current.Area); err != nil {
			return nil, err
		}
	}
	events, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Event, err error) { return e, scanEvent(rows, &e) },
		`SELECT `+eventColumns+` FROM event e JOIN application a ON a.id = e.application_id
		WHERE e.state IN ('live', 'silenced') AND NOT a.hidden AND e.type NOT IN ('removed', 'recalled') AND NOT `+recalled+` ORDER BY e.id DESC LIMIT $1`, testScan)
	if err != nil {
		return nil, err
	}
	for i := range events {
		candidate, err := alerts.NewCandidate(&events[i])
		if err != nil {
			return nil, err
		}
		p := pastEvent{Event: events[i]}
		for j := range subs {
			if alerts.Decide(&subs[j].Current, grounds[j], candidate) == alerts.Wanted {
				p.inArea, p.subscriptions = true, append(p.subscriptions, subs[j].ID)
			}
		}
		if p.inArea {
			if found = append(found, p); len(found) == n {
				return found, nil
			}
		}
	}
	if len(found) == 0 {
		for _, e := range events[:min(n, len(events))] {
			found = append(found, pastEvent{Event: e})
		}
	}
	return found, nil
}
