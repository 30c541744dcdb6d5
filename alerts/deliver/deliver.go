// Package deliver hands queued deliveries to the next server: it claims what is
// due, sends it, and records what came of it.
//
// A delivery is sent at least once. What a process had in flight when it was
// killed is sent again, under the same Message-ID, when its lease has run out;
// what is recorded as sent never is.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Store is the part of the store that this stage reads and writes.
type Store interface {
	// ClaimDeliveries takes deliveries that are due, the most urgent first, and hides
	// them until the lease ends. It takes none while the sender rests.
	ClaimDeliveries(ctx context.Context, sender string, limit int, now time.Time, lease time.Duration) ([]alerts.Delivery, error)
	// RecordAttempts records what came of deliveries; repeating it changes nothing.
	RecordAttempts(ctx context.Context, sender string, attempts []alerts.Attempt, now time.Time) error
	// ReturnDeliveries gives claims back as if they had never been made, to be due at a moment.
	ReturnDeliveries(ctx context.Context, claims []alerts.Delivery, at time.Time) error
	// PauseSender lets a sender rest after a relay-wide failure; rest is told how many there were in a row.
	PauseSender(ctx context.Context, sender, reason string, now time.Time, rest func(failures int) time.Duration) (until time.Time, err error)
}

// A Sender hands one delivery to the next server. It is called from several
// goroutines at once and obeys the deadline of its context. One that keeps
// connections open is also an io.Closer: closed at the end of a pass, it can be
// used again in the next.
type Sender interface {
	Send(ctx context.Context, d alerts.Delivery) alerts.Outcome
}

// Stage makes passes that send what is due.
type Stage struct {
	Store  Store
	Sender Sender
	Name   string // of the sender; all processes with the same name rest together
	Now    func() time.Time
	Log    *slog.Logger

	Batch       int            // deliveries claimed at a time; 0 for DefaultBatch
	Concurrency int            // sends at a time; 0 for DefaultConcurrency
	Timeout     time.Duration  // for one send; 0 for DefaultTimeout
	Lease       time.Duration  // how long a claim hides a delivery, longer than Timeout; 0 for DefaultLease
	Grace       time.Duration  // how long sends may go on after ctx has ended; 0 for DefaultGrace
	Patience    time.Duration  // how long recording is tried again when the database fails; 0 for DefaultPatience
	Jitter      func() float64 // of [0, 1), spreads retries; nil for a random one
}

// The defaults of a Stage.
const (
	DefaultBatch       = 64 // small, so that a confirmation overtakes a queue of digests
	DefaultConcurrency = 16
	DefaultTimeout     = time.Minute
	DefaultLease       = 5 * time.Minute
	DefaultGrace       = 5 * time.Second
	DefaultPatience    = 30 * time.Second
)

// How outcomes are gathered for a transaction: at most so many, waiting for
// company at most so long. A success that waits is one that a kill repeats.
const (
	recordBatch  = 50
	recordLinger = 20 * time.Millisecond
)

// Result is what a pass did.
type Result struct {
	Sent    int
	Retried int       // failed for now, tried again later
	GivenUp int       // failed for good
	Rests   time.Time // when the sender met a relay-wide failure: until then it rests
}

// Worked reports whether the pass did anything.
func (r Result) Worked() bool { return r.Sent+r.Retried+r.GivenUp > 0 }

// Run makes one pass: it sends until nothing is due, the sender has to rest, or
// ctx ends. When ctx ends, sends under way get a short while to finish.
func (s *Stage) Run(ctx context.Context) (Result, error) {
	p := &pass{Stage: *s}
	if err := p.setDefaults(); err != nil {
		return Result{}, err
	}
	return p.run(ctx)
}

// A pass is one run of the stage.
type pass struct {
	Stage
	jobs    chan claim
	records chan alerts.Attempt
	stop    context.CancelCauseFunc // ends claiming; sends under way go on
	down    atomic.Bool             // the sender met a relay-wide failure
	result  Result                  // of the recorder, and of the pass when that has ended

	mu       sync.Mutex
	returned []alerts.Delivery // claimed and not sent
	culprits []alerts.Delivery // whose sending met the relay-wide failure
	reason   string
}

// A claim is a delivery with the moment at which it is anybody's again.
type claim struct {
	alerts.Delivery
	until time.Time
}

func (p *pass) setDefaults() error {
	setDefault(&p.Batch, DefaultBatch)
	setDefault(&p.Concurrency, DefaultConcurrency)
	setDefault(&p.Timeout, DefaultTimeout)
	setDefault(&p.Lease, DefaultLease)
	setDefault(&p.Grace, DefaultGrace)
	setDefault(&p.Patience, DefaultPatience)
	if p.Jitter == nil {
		p.Jitter = rand.Float64
	}
	if p.Lease <= p.Timeout {
		return fmt.Errorf("deliver: the lease (%v) must be longer than one send may take (%v)", p.Lease, p.Timeout)
	}
	return nil
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

func (p *pass) run(ctx context.Context) (Result, error) {
	claiming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Sends and records outlive ctx: a send that is cut off may have arrived.
	sending, end := outlive(ctx, p.Grace)
	defer end()

	p.stop = stop
	p.jobs = make(chan claim, p.Concurrency)
	p.records = make(chan alerts.Attempt, recordBatch)

	var workers, recorder sync.WaitGroup
	for range p.Concurrency {
		workers.Go(func() {
			for c := range p.jobs {
				p.send(claiming, sending, c)
			}
		})
	}
	var recordErr error
	recorder.Go(func() { recordErr = p.record(context.WithoutCancel(ctx)) })

	err := p.claim(claiming)
	close(p.jobs)
	workers.Wait()
	close(p.records)
	recorder.Wait()
	if closer, ok := p.Sender.(io.Closer); ok {
		_ = closer.Close() // idle connections; what was sent has been answered
	}
	return p.result, errors.Join(err, recordErr, p.settle(context.WithoutCancel(ctx)))
}

// claim feeds the workers until nothing is due or the pass is stopped. It claims
// few at a time while sending is slow, so that what is urgent overtakes.
func (p *pass) claim(ctx context.Context) error {
	for batch := min(p.Concurrency, p.Batch); ctx.Err() == nil; {
		now := p.Now()
		claims, err := p.Store.ClaimDeliveries(ctx, p.Name, batch, now, p.Lease)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("claim deliveries: %w", err)
		}
		if len(claims) == 0 {
			return nil
		}
		until := now.Add(p.Lease)
		for i, d := range claims {
			select {
			case p.jobs <- claim{d, until}:
			case <-ctx.Done():
				p.giveBack(claims[i:]...)
				return nil
			}
		}
		switch took := p.Now().Sub(now); {
		case took < 250*time.Millisecond:
			batch = min(batch*2, p.Batch)
		case took > time.Second:
			batch = max(batch/2, 1)
		}
	}
	return nil
}

// send makes one attempt, unless the pass has been stopped or the lease could
// run out on the way.
func (p *pass) send(claiming, sending context.Context, c claim) {
	start := p.Now()
	if claiming.Err() != nil {
		p.giveBack(c.Delivery)
		return
	}
	if start.Add(p.Timeout).After(c.until) {
		return // it will be claimed again, perhaps elsewhere
	}
	ctx, cancel := context.WithTimeout(sending, p.Timeout)
	defer cancel()
	o := p.Sender.Send(ctx, c.Delivery)
	if sending.Err() != nil && o.Class != alerts.Accepted {
		return // cut off by us, perhaps after it had arrived: the lease decides
	}
	if o.Class == alerts.SenderDown {
		p.mu.Lock()
		p.culprits = append(p.culprits, c.Delivery)
		p.reason = o.Detail
		p.mu.Unlock()
		p.down.Store(true)
		p.stop(nil)
		return
	}
	now := p.Now()
	a := alerts.Attempt{Delivery: c.Delivery, At: start.UnixMilli(), Took: now.Sub(start), Outcome: o}
	var at time.Time
	if a.Then, at = after(c.Delivery, o, now, p.Jitter()); a.Then == alerts.DeliveryQueued {
		a.RetryAt = at.UnixMilli()
	}
	p.records <- a
}

func (p *pass) giveBack(claims ...alerts.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.returned = append(p.returned, claims...)
}

// record writes outcomes as they come in, those that came together in one
// transaction. When the database fails for longer than Patience, it stops the
// pass; what is unrecorded then will be sent again.
func (p *pass) record(ctx context.Context) (err error) {
	batches(p.records, recordBatch, func(batch []alerts.Attempt) {
		if err != nil {
			return // only empty the channel, so that the workers come to an end
		}
		if err = p.write(ctx, batch); err != nil {
			p.stop(err)
			return
		}
		for _, a := range batch {
			switch a.Then {
			case alerts.DeliverySent:
				p.result.Sent++
			case alerts.DeliveryQueued:
				p.result.Retried++
			case alerts.DeliveryGivenUp:
				p.result.GivenUp++
				p.Log.Warn("gave a delivery up", "delivery", a.Delivery.ID, "class", a.Outcome.Class)
			}
		}
	})
	return err
}

// write records a batch, and tries again for a while when it cannot: what has
// been sent and is not recorded is sent twice.
func (p *pass) write(ctx context.Context, batch []alerts.Attempt) error {
	err := insist(ctx, p.Patience, func() error { return p.Store.RecordAttempts(ctx, p.Name, batch, p.Now()) })
	if err != nil {
		return fmt.Errorf("record what was sent; up to %d messages will be sent again: %w", len(batch), err)
	}
	return nil
}

// settle gives back what was claimed and not sent, and lets the sender rest if
// it met a relay-wide failure.
func (p *pass) settle(ctx context.Context) error {
	now := p.Now()
	back := now
	var errs []error
	if p.down.Load() {
		until, err := p.Store.PauseSender(ctx, p.Name, p.reason, now, restAfter)
		if err != nil {
			errs = append(errs, fmt.Errorf("let the sender %s rest: %w", p.Name, err))
			until = now.Add(restAfter(1))
		}
		p.result.Rests = until
		p.Log.Error("the sender rests: the mail relay or service does not take our mail; nothing is lost and no try is counted", "sender", p.Name, "until", until, "reason", p.reason)
		// The next try after the rest is made with another delivery.
		if err := p.Store.ReturnDeliveries(ctx, p.culprits, until.Add(time.Second)); err != nil {
			errs = append(errs, fmt.Errorf("give claims back: %w", err))
		}
	}
	if len(p.returned) > 0 {
		if err := p.Store.ReturnDeliveries(ctx, p.returned, back); err != nil {
			errs = append(errs, fmt.Errorf("give claims back: %w", err))
		}
	}
	return errors.Join(errs...)
}
