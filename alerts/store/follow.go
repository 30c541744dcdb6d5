package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file ends what follows one application, once nothing more can come of it.

// RefOf returns the reference of an application, also of one that has been taken down.
func (s *Store) RefOf(ctx context.Context, application int64) (ref alerts.Ref, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT authority, reference FROM application WHERE id = $1`, application).Scan(&ref.Authority, &ref.Number))
	if err != nil {
		return ref, fmt.Errorf("read application %d: %w", application, err)
	}
	return ref, nil
}

// A followed is a subscription in force that follows one application.
type followed struct {
	subscription, recipient, version int64
}

// EndFollowed ends the subscriptions that follow an application of which nothing more
// is to be expected, once all that happened to it has been sent, and has a mail
// written to each that says so. It returns how many it ended; at most limit.
func (s *Store) EndFollowed(ctx context.Context, limit int, now time.Time, write func(alerts.FollowEnd) (alerts.Delivery, error)) (ended int, err error) {
	ends, err := s.followEnds(ctx, limit, now)
	for _, e := range ends {
		if err == nil {
			err = s.endFollowed(ctx, e, now, write)
			ended++
		}
	}
	if err != nil {
		return ended, fmt.Errorf("end what follows an application: %w", err)
	}
	return ended, nil
}

// followEnds looks for what can be ended. Keys of the scope begin alike, so that only
// what follows an application is read.
func (s *Store) followEnds(ctx context.Context, limit int, now time.Time) (ends []alerts.FollowEnd, err error) {
	var all []followed
	apps := map[int64]alerts.Application{}
	_, err = collect(ctx, s.read, func(rows *sql.Rows) (x struct{}, err error) {
		var f followed
		var a alerts.Application
		if err = rows.Scan(&f.subscription, &f.recipient, &f.version, &a.ID, &a.Authority, &a.Version, &a.Hidden, &a.UpdatedAt, asJSON[alerts.Details]{&a.Details}); err == nil {
			all = append(all, f)
			apps[f.subscription] = a
		}
		return x, err
	}, `SELECT s.id, s.recipient_id, v.id, a.id, a.authority, a.version, a.hidden, a.updated_at, a.details
		FROM subscription_scope k JOIN subscription_version v ON v.id = k.version_id JOIN subscription s ON s.version_id = v.id
		JOIN application a ON a.id = CAST(v.code AS BIGINT)
		WHERE k.key >= 'application:' AND k.key < 'application;' AND v.area = 'application' AND s.state = 'active'
		AND NOT EXISTS (SELECT 1 FROM event e WHERE e.application_id = a.id AND (e.state = 'held' OR e.seq > (SELECT position FROM watermark WHERE name = 'match')))
		AND NOT EXISTS (SELECT 1 FROM match m WHERE m.version_id = v.id AND m.delivery_id IS NULL AND m.closed IS NULL)
		AND NOT EXISTS (SELECT 1 FROM match m JOIN delivery d ON d.id = m.delivery_id WHERE m.version_id = v.id AND d.state = 'queued')
		ORDER BY s.id`)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		a := apps[f.subscription]
		why := alerts.FollowEnds(&a.Details, a.Hidden, a.UpdatedAt, alerts.DateOf(now))
		if why.IsZero() {
			continue
		}
		if len(ends) == limit {
			break
		}
		ends = append(ends, alerts.FollowEnd{Application: a, Why: why,
			Subscription: alerts.Subscription{ID: f.subscription, RecipientID: f.recipient, Current: alerts.Version{ID: f.version}}})
	}
	return ends, nil
}

func (s *Store) endFollowed(ctx context.Context, e alerts.FollowEnd, now time.Time, write func(alerts.FollowEnd) (alerts.Delivery, error)) error {
	return s.inTx(ctx, func(tx *sql.Tx) (err error) {
		if e.Recipient, err = s.lockRecipient(ctx, tx, e.Subscription.RecipientID); err != nil {
			return err
		}
		ended, err := s.endSome(ctx, tx, e.Recipient.ID, "/follow", now, func(sub alerts.Subscription) bool {
			return sub.ID == e.Subscription.ID && sub.State == alerts.SubscriptionActive && sub.Current.ID == e.Subscription.Current.ID
		})
		if err != nil || len(ended) == 0 || e.Recipient.Address == "" {
			return err
		}
		e.Subscription = ended[0]
		return queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryEnded, Recipient: e.Recipient}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(e) })
	})
}
