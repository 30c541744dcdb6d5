package deliver

import (
	"context"
	"time"
)

// This file is what passes over mail and over webhooks have in common.

// outlive returns a context that goes on for grace after ctx has ended: what is cut
// off while it is being sent may have arrived. end must be called.
func outlive(ctx context.Context, grace time.Duration) (sending context.Context, end func()) {
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cut)
		context.AfterFunc(sending, func() { timer.Stop() })
	})
	return sending, func() { stop(); cut() }
}

// batches hands over what comes out of a channel until it is closed, at most so many
// at a time, those together that came within recordLinger.
func batches[T any](records <-chan T, most int, each func([]T)) {
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	for first := range records {
		batch := append(make([]T, 0, most), first)
		linger.Reset(recordLinger)
	gather:
		for len(batch) < most {
			select {
			case r, open := <-records:
				if !open {
					break gather
				}
				batch = append(batch, r)
			case <-linger.C:
				break gather
			}
		}
		each(batch)
	}
}

// insist does something again and again for as long as patience lasts, with growing
// pauses, and returns the last error when it never worked.
func insist(ctx context.Context, patience time.Duration, do func() error) error {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := do()
		if err == nil {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-limit.Done():
			timer.Stop()
			return err
		}
	}
}
