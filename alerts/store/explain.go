package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// Explain returns why a subscription was, or was not, told of each event of an
// application. It changes nothing. alerts.ErrNotFound: one of them does not exist.
func (s *Store) Explain(ctx context.Context, subscription int64, ref alerts.Ref) (x alerts.Explanation, err error) {
	if err := s.explain(ctx, subscription, ref, &x); err != nil {
		return x, fmt.Errorf("explain subscription %d and application %s %s: %w", subscription, ref.Authority, ref.Number, err)
	}
	return x, nil
}

func (s *Store) explain(ctx context.Context, subscription int64, ref alerts.Ref, x *alerts.Explanation) (err error) {
	if x.Subscription, err = s.Subscription(ctx, subscription); err != nil {
		return err
	}
	var application, position int64
	x.Ref.Authority = ref.Authority
	if err := one(s.read.QueryRowContext(ctx, `SELECT a.id, a.reference, a.hidden FROM alias JOIN application a ON a.id = alias.application_id
		WHERE alias.authority = $1 AND alias.reference_key = $2`, ref.Authority, alerts.ReferenceKey(ref.Number)).
		Scan(&application, &x.Ref.Number, &x.Hidden)); err != nil {
		return err
	}
	if position, err = s.MatchPosition(ctx); err != nil {
		return err
	}
	if x.Placing, err = placingOf(ctx, s.read, application); err != nil {
		return err
	}
	versions, err := s.versionsOf(ctx, subscription)
	if err != nil {
		return err
	}
	x.Events, err = collect(ctx, s.read, func(rows *sql.Rows) (e alerts.ExplainedEvent, err error) {
		return e, scanEvent(rows, &e.Event, &e.FirstRead)
	}, `SELECT `+eventColumns+`, coalesce(r.silent, FALSE)
		FROM event e JOIN application a ON a.id = e.application_id LEFT JOIN run r ON r.id = e.run_id
		WHERE e.application_id = $1 ORDER BY e.id`, application)
	if err != nil {
		return err
	}
	for i := range x.Events {
		if err := s.explainEvent(ctx, &x.Events[i], versions, position); err != nil {
			return err
		}
	}
	return nil
}

// explainEvent adds to an event the version that answered for it, its answer, the
// ledger's entry and the delivery.
func (s *Store) explainEvent(ctx context.Context, e *alerts.ExplainedEvent, versions []alerts.Version, position int64) error {
	if e.Event.State != alerts.EventLive {
		return nil
	}
	e.Matched = e.Event.Seq <= position
	for i := range versions {
		if versions[i].InForce(e.Event.Seq) {
			e.Version = &versions[i]
		}
	}
	if e.Version == nil {
		return nil
	}
	ground, err := alerts.NewGround(&e.Version.Area)
	if err != nil {
		return err
	}
	candidate, err := alerts.NewCandidate(&e.Event)
	if err != nil {
		return err
	}
	e.Answer = alerts.Wants(e.Version, ground, candidate)
	matches, err := collect(ctx, s.read, func(rows *sql.Rows) (m ledgerRow, err error) {
		m.Match = alerts.Match{VersionID: e.Version.ID, Seq: e.Event.Seq}
		return m, rows.Scan(&m.RecipientID, &m.Correction, &m.Closes, &m.delivery, &m.closed)
	}, `SELECT recipient_id, correction, closes, delivery_id, closed FROM match WHERE version_id = $1 AND seq = $2`, e.Version.ID, e.Event.Seq)
	if err != nil || len(matches) == 0 || !e.Matched {
		return err // before the watermark has passed it, a match is not owed
	}
	m := matches[0]
	e.Match, e.Closed = &m.Match, m.closed.String
	if !m.delivery.Valid {
		return nil
	}
	var d alerts.Delivery
	if err := one(s.read.QueryRowContext(ctx, `SELECT id, kind, recipient_id, cadence, state, attempts, next_at, created_at, sent_at FROM delivery WHERE id = $1`, m.delivery.Int64).
		Scan(&d.ID, &d.Kind, &d.RecipientID, &d.Cadence, &d.State, &d.Attempts, &d.NextAt, &d.CreatedAt, &d.SentAt)); err != nil {
		return err
	}
	e.Delivery = &d
	return nil
}

type ledgerRow struct {
	alerts.Match
	delivery sql.NullInt64
	closed   sql.NullString
}

// versionsOf returns all versions of a subscription, oldest first.
func (s *Store) versionsOf(ctx context.Context, subscription int64) ([]alerts.Version, error) {
	return collect(ctx, s.read, func(rows *sql.Rows) (v alerts.Version, err error) {
		err = scanVersion(rows, &v, &v.Cadence, &v.Area.Label)
		return v, err
	}, `SELECT `+versionColumns+`, cadence, label FROM subscription_version WHERE subscription_id = $1 ORDER BY id`, subscription)
}
