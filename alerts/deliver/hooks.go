package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// HookStore is the part of the store that the queues of webhooks need.
type HookStore interface {
	// ClaimHooks takes endpoints that have something due, with some of their deliveries, and hides them until the lease ends.
	ClaimHooks(ctx context.Context, sender string, only int64, limit, each int, now time.Time, lease time.Duration, write alerts.HookWriter) ([]alerts.HookClaim, error)
	// RecordHooks records what came of webhooks and gives endpoints back; outage says that most fail together.
	RecordHooks(ctx context.Context, sender string, tries []alerts.HookTry, done []alerts.HookClaim, now time.Time) (outage bool, err error)
	// PauseSender lets a sender rest after a failure of our own; rest is told how many there were in a row.
	PauseSender(ctx context.Context, sender, reason string, now time.Time, rest func(failures int) time.Duration) (until time.Time, err error)
}

// A HookSender makes one attempt at a webhook. It is called from several goroutines
// at once and obeys the deadline of its context.
type HookSender interface {
	Send(ctx context.Context, e *alerts.Endpoint, d alerts.HookDelivery, at time.Time) alerts.HookOutcome
	CloseIdle()
}

// Hooks makes passes that send the webhooks that are due. Each endpoint is served by
// itself, a few requests at a time: a slow one holds up nothing but its own queue.
type Hooks struct {
	Store  HookStore
	Sender HookSender
	Write  alerts.HookWriter // puts what was taken down meanwhile into words
	Now    func() time.Time
	Log    *slog.Logger
	Only   int64 // the one endpoint to serve; 0 for all

	Endpoints   int            // served at a time; 0 for DefaultEndpoints
	Concurrency int            // requests at a time to one endpoint; 0 for DefaultHookConcurrency
	Batch       int            // deliveries claimed at a time for one endpoint; 0 for DefaultHookBatch
	Gap         time.Duration  // between two requests to one endpoint; 0 for DefaultHookGap, negative for none
	Timeout     time.Duration  // for one attempt, the answer's body included; 0 for DefaultHookTimeout
	Lease       time.Duration  // how long a claim hides an endpoint; 0 for DefaultHookLease
	Grace       time.Duration  // how long attempts may go on after ctx has ended; 0 for DefaultGrace
	Patience    time.Duration  // how long recording is tried again when the database fails; 0 for DefaultPatience
	Poll        time.Duration  // how often new work is looked for while some endpoint is slow; 0 for DefaultPoll
	Jitter      func() float64 // of [0, 1), spreads retries; nil for a random one
}

// The defaults of Hooks.
const (
	DefaultEndpoints       = 512
	DefaultHookConcurrency = 2
	DefaultHookBatch       = 16
	DefaultHookGap         = 20 * time.Millisecond
	DefaultHookTimeout     = 15 * time.Second
	DefaultHookLease       = time.Minute
	DefaultPoll            = 250 * time.Millisecond
)

// claimAtOnce is how many endpoints one transaction claims.
const claimAtOnce = 64

// HookSenderName is the name under which all processes that send webhooks rest
// together.
const HookSenderName = "webhooks"

// Run makes one pass: it sends until nothing is due and nothing is under way, or ctx
// ends. While some endpoints are slow it goes on serving the others.
func (s *Hooks) Run(ctx context.Context) (Result, error) {
	p := &hookPass{Hooks: *s}
	setDefault(&p.Endpoints, DefaultEndpoints)
	setDefault(&p.Concurrency, DefaultHookConcurrency)
	setDefault(&p.Batch, DefaultHookBatch)
	setDefault(&p.Timeout, DefaultHookTimeout)
	setDefault(&p.Lease, DefaultHookLease)
	setDefault(&p.Grace, DefaultGrace)
	setDefault(&p.Patience, DefaultPatience)
	setDefault(&p.Poll, DefaultPoll)
	if p.Gap == 0 {
		p.Gap = DefaultHookGap
	}
	if p.Jitter == nil {
		p.Jitter = rand.Float64
	}
	if p.Lease <= p.Timeout {
		return Result{}, fmt.Errorf("deliver: the lease (%v) must be longer than one attempt may take (%v)", p.Lease, p.Timeout)
	}
	return p.run(ctx)
}

// A hookPass is one run of Hooks.
type hookPass struct {
	Hooks
	records chan hookRecord
	freed   chan int // endpoints that have been given back
	stop    context.CancelCauseFunc
	result  Result // of the recorder
}

// A hookRecord is an attempt, or the end of serving an endpoint.
type hookRecord struct {
	try  *alerts.HookTry
	done *alerts.HookClaim
}

func (p *hookPass) run(ctx context.Context) (Result, error) {
	claiming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Attempts and records outlive ctx: one that is cut off may have arrived.
	sending, end := outlive(ctx, p.Grace)
	defer end()
	p.stop = stop
	p.records = make(chan hookRecord, 2*recordBatch)
	p.freed = make(chan int, p.Endpoints)

	var serving, recorder sync.WaitGroup
	var recordErr error
	recorder.Go(func() { recordErr = p.record(context.WithoutCancel(ctx)) })
	err := p.claim(claiming, func(c alerts.HookClaim, until time.Time) {
		serving.Go(func() { p.serve(claiming, sending, c, until) })
	})
	serving.Wait()
	close(p.records)
	recorder.Wait()
	p.Sender.CloseIdle()
	return p.result, errors.Join(err, recordErr)
}

// claim hands out endpoints until nothing is due and none is being served.
func (p *hookPass) claim(ctx context.Context, serve func(alerts.HookClaim, time.Time)) error {
	poll := time.NewTimer(p.Poll)
	defer poll.Stop()
	for busy := 0; ctx.Err() == nil; {
		if free := p.Endpoints - busy; free > 0 {
			now := p.Now()
			claims, err := p.Store.ClaimHooks(ctx, HookSenderName, p.Only, min(free, claimAtOnce), p.Batch, now, p.Lease, p.Write)
			switch {
			case err != nil && ctx.Err() == nil:
				return err
			case err != nil:
				return nil
			case len(claims) == 0 && busy == 0:
				return nil
			}
			for _, c := range claims {
				serve(c, now.Add(p.Lease))
			}
			if busy += len(claims); len(claims) > 0 {
				continue
			}
		}
		poll.Reset(p.Poll)
		select {
		case n := <-p.freed:
			busy -= n
		case <-poll.C:
		case <-ctx.Done():
		}
		for more := true; more; {
			select {
			case n := <-p.freed:
				busy -= n
			default:
				more = false
			}
		}
	}
	return nil
}

// serve sends an endpoint's deliveries, few at a time. It leaves the rest when the
// endpoint wants to be left alone, when the pass is stopped, or when the lease could
// run out on the way.
func (p *hookPass) serve(claiming, sending context.Context, c alerts.HookClaim, until time.Time) {
	var mu sync.Mutex
	var last time.Time
	stopped := false
	rest := c.Deliveries
	next := func() (d alerts.HookDelivery, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if !last.IsZero() && p.Gap > 0 && len(rest) > 0 {
			if pause := p.Gap - time.Since(last); pause > 0 { // of the stopwatch, not of the day
				timer := time.NewTimer(pause)
				select {
				case <-timer.C:
				case <-claiming.Done():
				}
				timer.Stop()
			}
		}
		if len(rest) == 0 || stopped || claiming.Err() != nil || p.Now().Add(p.Timeout).After(until) {
			return d, false
		}
		d, rest, last = rest[0], rest[1:], time.Now()
		return d, true
	}
	var workers sync.WaitGroup
	for range min(p.Concurrency, len(c.Deliveries)) {
		workers.Go(func() {
			for d, ok := next(); ok; d, ok = next() {
				if p.try(sending, &c.Endpoint, d) {
					mu.Lock()
					stopped = true
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	c.Deliveries = rest
	p.records <- hookRecord{done: &c}
}

// try makes one attempt, and reports whether the endpoint should be left alone for
// now.
func (p *hookPass) try(sending context.Context, e *alerts.Endpoint, d alerts.HookDelivery) (enough bool) {
	start := p.Now()
	ctx, cancel := context.WithTimeout(sending, p.Timeout)
	defer cancel()
	o := p.Sender.Send(ctx, e, d, start)
	if sending.Err() != nil && o.Class != alerts.HookAccepted {
		return true // cut off by us, perhaps after it had arrived: the lease decides
	}
	now := p.Now()
	t := alerts.HookTry{Delivery: d, Challenge: e.Challenge, At: start.UnixMilli(), Took: now.Sub(start), Outcome: o}
	if o.Class == alerts.HookConnect {
		t.Took = 0 // how long it took would tell a closed port from a blocked one
	}
	var at time.Time
	if t.Then, at = afterHook(d, o, now, p.Jitter()); t.Then != alerts.DeliverySent {
		t.RetryAt = at.UnixMilli()
		p.Log.Debug("a webhook was not accepted", "endpoint", e.ID, "delivery", d.ID, "class", o.Class, "cause", o.Cause, "status", o.Status)
	}
	p.records <- hookRecord{try: &t}
	// A refusal of one webhook says nothing of the next; anything else may.
	return o.Class != alerts.HookAccepted && (o.Class != alerts.HookStatus || e.WantsRest(o))
}

// record writes attempts as they come in, those that came together in one
// transaction. When the database fails for longer than Patience, it stops the pass;
// what is unrecorded then will be sent again, under the same ids.
func (p *hookPass) record(ctx context.Context) (err error) {
	batches(p.records, 2*recordBatch, func(batch []hookRecord) {
		var tries []alerts.HookTry
		var done []alerts.HookClaim
		for _, r := range batch {
			if r.try != nil {
				tries = append(tries, *r.try)
			} else {
				done = append(done, *r.done)
			}
		}
		if err == nil {
			if err = p.write(ctx, tries, done); err != nil {
				p.stop(err)
			}
		}
		if len(done) > 0 {
			p.freed <- len(done)
		}
	})
	return err
}

// write records a batch, and tries again for a while when it cannot.
func (p *hookPass) write(ctx context.Context, tries []alerts.HookTry, done []alerts.HookClaim) error {
	outage := false
	err := insist(ctx, p.Patience, func() (err error) {
		outage, err = p.Store.RecordHooks(ctx, HookSenderName, tries, done, p.Now())
		return err
	})
	if err != nil {
		return fmt.Errorf("record what was sent; up to %d webhooks will be sent again: %w", len(tries), err)
	}
	p.count(tries)
	if outage {
		return p.rest(ctx)
	}
	return nil
}

func (p *hookPass) count(tries []alerts.HookTry) {
	for _, t := range tries {
		switch t.Then {
		case alerts.DeliverySent:
			p.result.Sent++
		case alerts.DeliveryQueued:
			p.result.Retried++
		case alerts.DeliveryGivenUp:
			p.result.GivenUp++
		}
	}
}

// rest lets all processes rest when most endpoints fail together: the fault is ours.
func (p *hookPass) rest(ctx context.Context) error {
	now := p.Now()
	until, err := p.Store.PauseSender(ctx, HookSenderName, "most endpoints cannot be reached", now, hookRestAfter)
	if err != nil {
		return err
	}
	if p.result.Rests.Before(until) {
		p.result.Rests = until
		p.Log.Error("webhooks rest: most endpoints cannot be reached, so the fault is likely ours; nothing is lost and no try is counted", "until", until)
	}
	p.stop(nil)
	return nil
}
