package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what an endpoint wants to hear: subscriptions like a person's, of the
// cadence alerts.Hook.

// EndpointAreas returns an endpoint's subscriptions that have not ended, oldest first.
func (s *Store) EndpointAreas(ctx context.Context, endpoint int64) ([]alerts.Subscription, error) {
	subs, err := subscriptions(ctx, s.read, `s.recipient_id = $1 AND s.state <> 'ended'`, endpoint)
	if err != nil {
		return nil, fmt.Errorf("read the areas of endpoint %d: %w", endpoint, err)
	}
	return subs, nil
}

// AddEndpointArea lets an endpoint hear of an area, already checked, from the next
// event on. alerts.ErrConflict: it hears of it already, or of as many as it may.
func (s *Store) AddEndpointArea(ctx context.Context, endpoint int64, area alerts.Area, filter alerts.Filter, now time.Time) (sub alerts.Subscription, err error) {
	err = s.changingEndpoint(ctx, endpoint, "add an area", func(tx *sql.Tx, _ *alerts.Endpoint) error {
		subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended'`, endpoint)
		if err != nil {
			return err
		}
		if len(subs) >= alerts.MaxEndpointAreas {
			return alerts.ErrConflict
		}
		for _, have := range subs {
			if alerts.SameExtent(have.Current.Area, area) {
				return alerts.ErrConflict
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE recipient SET state = 'active', ended_at = 0 WHERE id = $1 AND state <> 'active'`, endpoint); err != nil {
			return err
		}
		sub = alerts.Subscription{RecipientID: endpoint, State: alerts.SubscriptionActive, CreatedAt: now.UnixMilli()}
		if err := tx.QueryRowContext(ctx, `INSERT INTO subscription (recipient_id, state, created_at) VALUES ($1, 'active', $2) RETURNING id`,
			endpoint, now.UnixMilli()).Scan(&sub.ID); err != nil {
			return err
		}
		sub.Current = alerts.Version{SubscriptionID: sub.ID, RecipientID: endpoint, Area: area, Filter: filter, Cadence: alerts.Hook}
		if err := putVersion(ctx, tx, &sub.Current, now); err != nil {
			return err
		}
		claimed, err := s.lockWatermark(ctx, tx)
		if err != nil {
			return err
		}
		return activate(ctx, tx, &sub, claimed, now)
	})
	return sub, err
}

// EditEndpointArea changes an area or its filter, from the next event on; what it
// was owed before stays owed where it still wants it. alerts.ErrConflict: the endpoint
// hears of that area already.
func (s *Store) EditEndpointArea(ctx context.Context, endpoint, sub int64, area alerts.Area, filter alerts.Filter, now time.Time) error {
	return s.changingEndpoint(ctx, endpoint, "change the area", func(tx *sql.Tx, _ *alerts.Endpoint) error {
		have, err := ownSubscription(ctx, tx, endpoint, sub)
		if err != nil {
			return err
		}
		if have.State != alerts.SubscriptionActive {
			return alerts.ErrNotFound
		}
		subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended'`, endpoint)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(subs, func(o alerts.Subscription) bool { return o.ID != sub && alerts.SameExtent(o.Current.Area, area) }) {
			return alerts.ErrConflict
		}
		next := alerts.Version{SubscriptionID: sub, RecipientID: endpoint, Area: area, Filter: filter, Cadence: alerts.Hook}
		if reflect.DeepEqual(have.Current.Area, area) && sameWish(have.Current, next) {
			return nil
		}
		return s.succeed(ctx, tx, have.Current, next, now)
	})
}

// RemoveEndpointArea ends one area; what is owed of it and of no other is closed.
func (s *Store) RemoveEndpointArea(ctx context.Context, endpoint, sub int64, now time.Time) error {
	ended, err := s.end(ctx, endpoint, "/endpoints", now, func(have alerts.Subscription) bool { return have.ID == sub })
	if err == nil && len(ended) == 0 {
		err = fmt.Errorf("remove the area: %w", alerts.ErrNotFound)
	}
	return err
}
