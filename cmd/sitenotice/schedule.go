package main

import (
	"context"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// taskLease is how long a task of the schedule may take before another process
// takes it for dead.
const taskLease = 30 * time.Minute

// onceAPeriod does a task if the schedule's latest moment has not been served yet,
// by this process or any other. What fails is tried again in the same period.
func (s *service) onceAPeriod(ctx context.Context, name, spec string, task func(ctx context.Context) error) error {
	schedule, err := alerts.ParseSchedule(spec)
	if err != nil {
		return err
	}
	_, period, ok := alerts.LastPeriod(schedule, s.now())
	if !ok {
		return nil
	}
	mine, err := s.store.ClaimTick(ctx, name, period, s.now(), taskLease)
	if err != nil || !mine {
		return err
	}
	if err := task(ctx); err != nil {
		return err
	}
	return s.store.FinishTick(ctx, name, period, s.now())
}
