package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// ClaimTick takes up one period of some scheduled work, for example "digest" of
// "2026-11-23T07:00Z". It reports false when the period is done, or somebody else
// is at it and their lease has not run out.
func (s *Store) ClaimTick(ctx context.Context, name, period string, now time.Time, lease time.Duration) (bool, error) {
	var got string
	err := one(s.write.QueryRowContext(ctx, `INSERT INTO tick (name, period, claimed_at, lease_until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name, period) DO UPDATE SET claimed_at = excluded.claimed_at, lease_until = excluded.lease_until
		WHERE tick.done_at = 0 AND tick.lease_until <= excluded.claimed_at RETURNING period`,
		name, period, now.UnixMilli(), now.Add(lease).UnixMilli()).Scan(&got))
	if errors.Is(err, alerts.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim %s of %s: %w", name, period, err)
	}
	return true, nil
}

// FinishTick says that a period's work is done for good.
func (s *Store) FinishTick(ctx context.Context, name, period string, now time.Time) error {
	_, err := s.write.ExecContext(ctx, `UPDATE tick SET done_at = $1 WHERE name = $2 AND period = $3 AND done_at = 0`, now.UnixMilli(), name, period)
	if err != nil {
		return fmt.Errorf("finish %s of %s: %w", name, period, err)
	}
	return nil
}
