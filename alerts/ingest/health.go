package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// inspect judges how every feed is and stores what a person has to mend, also of
// those that are only imported by hand and of those that are read no more: that a
// feed has gone stale shows in no run.
func (s *Stage) inspect(ctx context.Context) error {
	feeds, err := s.Store.Feeds(ctx) // again: what was read has changed some
	if err != nil {
		return err
	}
	const batch = 50
	for len(feeds) > 0 {
		n := min(len(feeds), batch)
		if err := s.inspectThese(ctx, feeds[:n]); err != nil {
			return err
		}
		feeds = feeds[n:]
	}
	return nil
}

// inspectFeed does the same for one feed.
func (s *Stage) inspectFeed(ctx context.Context, slug string) error {
	if ctx.Err() != nil {
		return nil // the next pass will see to it
	}
	feeds, err := s.Store.Feeds(ctx)
	if err != nil {
		return err
	}
	for _, f := range feeds {
		if f.Slug == slug {
			return s.inspectThese(ctx, []alerts.Feed{f})
		}
	}
	return nil
}

func (s *Stage) inspectThese(ctx context.Context, feeds []alerts.Feed) error {
	histories, err := s.Store.Histories(ctx, feeds)
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range histories {
		health := alerts.HealthOf(h, s.Now())
		if err := s.Store.SetFaults(ctx, h.Feed, health.Faults, s.Now()); err != nil {
			errs = append(errs, fmt.Errorf("feed %s: %w", h.Feed.Slug, err))
		}
	}
	return errors.Join(errs...)
}
