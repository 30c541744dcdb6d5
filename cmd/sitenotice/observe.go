package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
)

// An observer is the store as the stages see it: what they record is counted on the
// way, and is a sign of life of the stage.
type observer struct {
	*store.Store
	counts *counts
	now    func() time.Time
	log    *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // sign of life of each stage that was noted
}

// alive notes a sign of life of a stage, now and then. One that cannot be noted shows
// in the stage's own errors.
func (o *observer) alive(ctx context.Context, stage string) {
	const every = 30 * time.Second
	now := o.now()
	o.mu.Lock()
	last, is := o.last[stage]
	due := !is || now.Sub(last) >= every || now.Before(last)
	if due {
		o.last[stage] = now
	}
	o.mu.Unlock()
	if !due {
		return
	}
	if err := o.Beat(context.WithoutCancel(ctx), stage, now); err != nil {
		o.log.Debug("sign of life not noted", "stage", stage, "error", err)
		o.mu.Lock()
		delete(o.last, stage)
		o.mu.Unlock()
	}
}

// passed counts a pass of a stage.
func (o *observer) passed(ctx context.Context, name string, took time.Duration, err error) {
	o.counts.pass(name, took, err)
	// One feed that cannot be read makes a pass over all of them fail, and is told of by
	// itself; the others have been read.
	if err == nil || name == alerts.WorkIngest && ctx.Err() == nil {
		o.alive(ctx, name)
	}
}

// Stage keeps rows of a run.
func (o *observer) Stage(ctx context.Context, r alerts.Run, rows []alerts.Staged, until time.Time) error {
	err := o.Store.Stage(ctx, r, rows, until)
	if err == nil {
		o.alive(ctx, alerts.WorkIngest)
	}
	return err
}

// ApplyBatch applies rows of a run.
func (o *observer) ApplyBatch(ctx context.Context, r alerts.Run, f alerts.Feed, rows []alerts.Staged, now time.Time, lease time.Duration) error {
	err := o.Store.ApplyBatch(ctx, r, f, rows, now, lease)
	if err == nil {
		o.alive(ctx, alerts.WorkIngest)
	}
	return err
}

// JudgeRun stores a run's verdict; a failed run is finished by it.
func (o *observer) JudgeRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) error {
	err := o.Store.JudgeRun(ctx, r, now, lease)
	if err == nil && r.Verdict == alerts.VerdictFailed {
		o.counts.run(r.Verdict)
	}
	return err
}

// FinishRun marks a run as applied.
func (o *observer) FinishRun(ctx context.Context, r alerts.Run, etag, lastModified string, now time.Time) (alerts.Run, error) {
	r, err := o.Store.FinishRun(ctx, r, etag, lastModified, now)
	if err == nil {
		o.counts.run(r.Verdict)
	}
	return r, err
}

// HoldMatch extends the lease of a claim.
func (o *observer) HoldMatch(ctx context.Context, c alerts.Claim, until time.Time) error {
	err := o.Store.HoldMatch(ctx, c, until)
	if err == nil {
		o.alive(ctx, alerts.WorkMatch)
	}
	return err
}

// ComposeFor composes for some subscribers.
func (o *observer) ComposeFor(ctx context.Context, subscribers []int64, now time.Time, ready []alerts.Cadence, past alerts.Past, write func(alerts.Bulletin) (alerts.Delivery, error)) (int, error) {
	n, err := o.Store.ComposeFor(ctx, subscribers, now, ready, past, write)
	if err == nil {
		o.alive(ctx, alerts.WorkCompose)
	}
	return n, err
}

// RecordAttempts records what came of mails.
func (o *observer) RecordAttempts(ctx context.Context, sender string, attempts []alerts.Attempt, now time.Time) error {
	err := o.Store.RecordAttempts(ctx, sender, attempts, now)
	if err == nil {
		for _, a := range attempts {
			o.counts.mail(a.Delivery.Kind, a.Outcome.Class)
		}
		o.alive(ctx, alerts.WorkDeliver)
	}
	return err
}

// RecordHooks records what came of webhooks.
func (o *observer) RecordHooks(ctx context.Context, sender string, tries []alerts.HookTry, done []alerts.HookClaim, now time.Time) (bool, error) {
	outage, err := o.Store.RecordHooks(ctx, sender, tries, done, now)
	if err == nil {
		for _, t := range tries {
			o.counts.hook(t.Outcome.Class)
		}
		o.alive(ctx, alerts.WorkHooks)
	}
	return outage, err
}
