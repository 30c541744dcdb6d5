package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file turns what endpoints are owed into webhooks: one for each endpoint and
// event, with the exact bytes that will be sent.

// DueEndpoints returns up to limit endpoints in order, with ids above after, that
// are owed something and may be told now.
func (s *Store) DueEndpoints(ctx context.Context, after int64, limit int) ([]int64, error) {
	ids, err := collect(ctx, s.read, scanInt, `SELECT e.id FROM endpoint e WHERE e.id > $1 AND e.state = 'active'
		AND EXISTS (SELECT 1 FROM match m WHERE m.recipient_id = e.id AND m.delivery_id IS NULL AND m.closed IS NULL
			AND m.seq <= (SELECT position FROM watermark WHERE name = 'match')) ORDER BY e.id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("look for webhooks that are due: %w", err)
	}
	return ids, nil
}

// ComposeHooks has the next events that an endpoint is owed put into words, and
// stores the webhooks, numbered without gaps, together with what they tell; from at
// most limit matches in one transaction. more says that there may be others. An
// endpoint that another process is busy with is left to it.
func (s *Store) ComposeHooks(ctx context.Context, endpoint int64, limit int, now time.Time, write alerts.HookWriter) (made int, more bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		mine, err := collect(ctx, tx, scanInt, `SELECT id FROM recipient WHERE id = $1`+s.dialect.skipLocked, endpoint)
		if err != nil || len(mine) == 0 {
			return err
		}
		e, err := s.lockEndpoint(ctx, tx, endpoint)
		if err != nil || e.State != alerts.EndpointActive {
			return ignoreNotFound(err)
		}
		owed := alerts.Owed{}
		if owed.Matches, more, err = s.owedToEndpoint(ctx, tx, endpoint, limit); err != nil || len(owed.Matches) == 0 {
			return err
		}
		if owed.Subscriptions, err = subscriptions(ctx, tx, `s.recipient_id = $1`, endpoint); err != nil {
			return err
		}
		told, err := s.hooksOf(ctx, tx, endpoint, owed.Matches)
		if err != nil {
			return err
		}
		c, err := owed.Hooks(&e, told)
		if err != nil {
			return err
		}
		more = more && len(c.Tell)+len(c.Close) > 0
		deliveries := make([]alerts.HookDelivery, len(c.News))
		for i, n := range c.News {
			body, err := write(n)
			if err != nil {
				return fmt.Errorf("write the webhook of event %d: %w", n.Event.Seq, err)
			}
			deliveries[i] = alerts.HookDelivery{EndpointID: endpoint, MessageID: alerts.HookID(endpoint, n.Event.Seq, n.Event.At), Type: alerts.HookType(n.Event.Type),
				Sequence: n.Sequence, EventSeq: n.Event.Seq, Body: body}
		}
		if err := s.queueHooks(ctx, tx, deliveries, now); err != nil {
			return err
		}
		if made = len(deliveries); made > 0 {
			if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET sequence = $1 WHERE id = $2`, e.Sequence+int64(made), endpoint); err != nil {
				return err
			}
		}
		err = eachVersion(c.Tell, func(version int64, seqs []int64) error {
			return setMatches(ctx, tx, `delivery_id = (SELECT d.id FROM delivery d WHERE d.recipient_id = $1 AND d.event_seq = match.seq)`, endpoint, version, seqs)
		})
		if err != nil {
			return err
		}
		return closeAndMove(ctx, tx, endpoint, &alerts.Composition{Close: c.Close})
	})
	if err != nil {
		return 0, false, fmt.Errorf("compose webhooks for endpoint %d: %w", endpoint, err)
	}
	return made, more, nil
}

// owedToEndpoint returns the first matches of an endpoint that nothing tells, in the
// order of their events: whole events only.
func (s *Store) owedToEndpoint(ctx context.Context, tx *sql.Tx, endpoint int64, limit int) (matches []alerts.OwedMatch, more bool, err error) {
	limit = max(limit, alerts.MaxEndpointAreas+1) // so that the first event is whole
	matches, err = collect(ctx, tx, func(rows *sql.Rows) (m alerts.OwedMatch, err error) {
		return m, rows.Scan(&m.VersionID, &m.Seq, &m.RecipientID, &m.Correction, &m.Closes, &m.SubscriptionID)
	}, `SELECT m.version_id, m.seq, m.recipient_id, m.correction, m.closes, coalesce(v.subscription_id, 0)
		FROM match m LEFT JOIN subscription_version v ON v.id = m.version_id
		WHERE m.recipient_id = $1 AND m.delivery_id IS NULL AND m.closed IS NULL
		AND m.seq <= (SELECT position FROM watermark WHERE name = 'match') ORDER BY m.seq, m.version_id LIMIT $2`, endpoint, limit)
	if err != nil || len(matches) == 0 {
		return nil, false, err
	}
	if more = len(matches) == limit; more {
		last := matches[len(matches)-1].Seq
		if i := slices.IndexFunc(matches, func(m alerts.OwedMatch) bool { return m.Seq == last }); i > 0 {
			matches = matches[:i]
		}
	}
	return matches, more, addEvents(ctx, tx, matches)
}

// hooksOf returns which of the matches' events an endpoint has a webhook of.
func (s *Store) hooksOf(ctx context.Context, tx *sql.Tx, endpoint int64, matches []alerts.OwedMatch) (map[int64]bool, error) {
	seqs := make([]int64, len(matches))
	for i, m := range matches {
		seqs[i] = m.Seq
	}
	have, err := collect(ctx, tx, scanInt, `SELECT event_seq FROM delivery WHERE recipient_id = $1 AND event_seq IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`, endpoint, list(seqs))
	told := make(map[int64]bool, len(have))
	for _, seq := range have {
		told[seq] = true
	}
	return told, err
}

var hookColumns = []string{"kind", "recipient_id", "state", "priority", "message_id", "subject", "text", "html", "headers", "next_at", "created_at", "sequence", "event_seq"}

// queueHooks puts webhooks in their endpoints' queues.
func (s *Store) queueHooks(ctx context.Context, tx *sql.Tx, deliveries []alerts.HookDelivery, now time.Time) error {
	rows := make([][]any, len(deliveries))
	number := func(n int64) any {
		if n == 0 {
			return nil
		}
		return n
	}
	for i, d := range deliveries {
		priority := alerts.DeliveryWebhook.Priority()
		if d.IsPing() {
			priority = alerts.PingPriority
		}
		rows[i] = []any{alerts.DeliveryWebhook, d.EndpointID, alerts.DeliveryQueued, priority, d.MessageID, d.Type, string(d.Body), "", "[]",
			now.UnixMilli(), now.UnixMilli(), number(d.Sequence), number(d.EventSeq)}
	}
	return s.dialect.insert(ctx, tx, "delivery", hookColumns, rows, "")
}
