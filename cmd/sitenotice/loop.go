package main

import (
	"context"
	"log/slog"
	"time"
)

// A loop makes passes of one stage: every so often, and at once when the stage
// before it has done something. It keeps nothing between passes; missing a wake
// only means waiting for the next turn.
type loop struct {
	name  string
	every time.Duration
	wake  chan struct{} // capacity 1
	next  []*loop       // woken after a pass that did something; none for the last
	pass  func(ctx context.Context) (worked bool, err error)
}

func newLoop(name string, every time.Duration, pass func(ctx context.Context) (bool, error)) *loop {
	return &loop{name: name, every: every, wake: make(chan struct{}, 1), pass: pass}
}

// poke asks for a pass without waiting for it.
func (l *loop) poke() {
	select {
	case l.wake <- struct{}{}:
	default: // one is asked for already
	}
}

// longestRest is how long a stage that keeps failing rests between tries.
const longestRest = time.Minute

// run makes passes until ctx ends. A pass that fails is logged and tried again,
// with growing rests, so that a database that is away for a while comes back to a
// service that is still there.
func (l *loop) run(ctx context.Context, log *slog.Logger) {
	rest := l.every
	for {
		worked, err := l.pass(ctx)
		for _, next := range l.next {
			if worked {
				next.poke()
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			rest = min(max(rest, time.Second)*2, longestRest)
			log.Error("pass failed; it will be tried again", "stage", l.name, "in", rest, "error", err)
		default:
			rest = l.every
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-l.wake:
			timer.Stop()
		}
	}
}
