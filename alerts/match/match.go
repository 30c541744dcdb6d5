// Package match enters in the ledger who is owed which event: it takes the new
// events of the log past every subscription that could want them.
package match

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Store is the part of the store that this stage reads and writes.
type Store interface {
	ClaimMatch(ctx context.Context, limit int, now time.Time, lease time.Duration) (alerts.Claim, error)
	HoldMatch(ctx context.Context, c alerts.Claim, until time.Time) error
	DropMatch(ctx context.Context, c alerts.Claim) error
	FinishMatch(ctx context.Context, c alerts.Claim) error
	EventsBetween(ctx context.Context, from, to int64) ([]alerts.Event, error)
	Candidates(ctx context.Context, keys []string, from, to int64, yield func(*alerts.Version) error) error
	AddMatches(ctx context.Context, matches []alerts.Match) error
}

// Stage makes matching passes.
type Stage struct {
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
	Limit int           // events of one pass; 0 for DefaultLimit
	Lease time.Duration // how long a pass that died holds up the next; 0 for DefaultLease
}

// The defaults of a Stage.
const (
	DefaultLimit = 2_000
	DefaultLease = 30 * time.Second // held again in time by a pass that lives
)

// Result is what a pass did.
type Result struct {
	Events  int  // in the range; those of hidden applications are not counted
	Matches int  // that are owed because of them
	More    bool // there was a range to do, so another pass may find the next
}

// How many versions go to a worker at a time, and how many matches to the store.
const (
	chunkSize = 1_024
	batchSize = 5_000
	workers   = 2
)

// Run makes one pass: it claims the events after the watermark, at most Limit,
// enters every match in the ledger and moves the watermark. A pass that ends in
// any other way leaves its range to the next one, which repeats it exactly.
func (s *Stage) Run(ctx context.Context) (r Result, err error) {
	limit := s.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	claim, err := s.Store.ClaimMatch(ctx, limit, s.Now(), s.lease())
	if err != nil || claim.IsEmpty() {
		return Result{}, err
	}
	if r, err = s.match(ctx, claim); err == nil {
		err = s.Store.FinishMatch(ctx, claim)
	}
	if err != nil {
		// Not needed, only quicker than waiting for the lease to run out.
		if dropErr := s.Store.DropMatch(context.WithoutCancel(ctx), claim); dropErr != nil && !errors.Is(dropErr, alerts.ErrConflict) {
			err = errors.Join(err, dropErr)
		}
		return Result{}, err
	}
	r.More = true
	s.Log.Info("matched", "events", r.Events, "matches", r.Matches, "position", claim.To)
	return r, nil
}

func (s *Stage) lease() time.Duration {
	if s.Lease <= 0 {
		return DefaultLease
	}
	return s.Lease
}

// match streams the candidates of the claimed events past their index.
func (s *Stage) match(ctx context.Context, claim alerts.Claim) (Result, error) {
	events, err := s.Store.EventsBetween(ctx, claim.From, claim.To)
	if err != nil || len(events) == 0 {
		return Result{}, err
	}
	index, err := newIndex(events, s.Log)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg      sync.WaitGroup
		chunks  = make(chan []alerts.Version, workers)
		matches [workers]int
		today   = alerts.DateOf(s.Now())
	)
	for w := range workers {
		wg.Go(func() {
			n, err := s.decide(ctx, index, chunks, today)
			if matches[w] = n; err != nil {
				cancel(err)
			}
		})
	}
	chunk := make([]alerts.Version, 0, chunkSize)
	send := func() error {
		select {
		case chunks <- chunk:
			chunk = make([]alerts.Version, 0, chunkSize)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	renewAt := s.Now().Add(s.lease() / 3)
	err = s.Store.Candidates(ctx, index.keys, claim.From, claim.To, func(v *alerts.Version) error {
		if chunk = append(chunk, *v); len(chunk) < chunkSize {
			return nil
		}
		if now := s.Now(); now.After(renewAt) {
			if err := s.Store.HoldMatch(ctx, claim, now.Add(s.lease())); err != nil {
				return err
			}
			renewAt = now.Add(s.lease() / 3)
		}
		return send()
	})
	if err == nil {
		err = send()
	}
	if err != nil {
		cancel(err)
	}
	close(chunks)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return Result{}, cause // what failed first, not what that failure stopped
	}
	r := Result{Events: len(events)}
	for _, n := range matches {
		r.Matches += n
	}
	return r, nil
}

// decide asks each version of the chunks which events it wants, and enters them
// in the ledger.
func (s *Stage) decide(ctx context.Context, x *index, chunks <-chan []alerts.Version, today alerts.Date) (n int, err error) {
	finder := x.finder()
	var batch []alerts.Match
	for chunk := range chunks {
		for i := range chunk {
			v := &chunk[i]
			err := finder.wanted(v, func(e *alerts.Event, interest alerts.Interest) {
				batch = append(batch, alerts.MatchOf(v, e, interest, today))
			})
			if err != nil {
				// Sign-up checks areas, so this is damage. Nobody else should wait for it.
				s.Log.Error("a subscription cannot be matched", "subscription", v.SubscriptionID, "version", v.ID, "error", err)
			}
			if len(batch) >= batchSize {
				if err := s.Store.AddMatches(ctx, batch); err != nil {
					return n, err
				}
				n, batch = n+len(batch), batch[:0]
			}
		}
	}
	return n + len(batch), s.Store.AddMatches(ctx, batch)
}
