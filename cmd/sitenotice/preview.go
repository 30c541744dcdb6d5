package main

import (
	"context"
	"io"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

// A reckoning counts whom events would reach.
type reckoning struct {
	*service
	alerts.Reach
	people       map[int64]bool
	applications map[alerts.Ref]bool
	most         int // applications whose readers are counted; 0 for all
}

func (s *service) reckon(most int) *reckoning {
	return &reckoning{service: s, people: map[int64]bool{}, applications: map[alerts.Ref]bool{}, most: most}
}

// add counts events that would be told.
func (r *reckoning) add(ctx context.Context, events []alerts.Event) error {
	longAgo := alerts.DateOf(r.now()).AddDays(-alerts.OldDays)
	for i := range events {
		e := &events[i]
		if e.State != alerts.EventLive {
			continue
		}
		if ref := (alerts.Ref{Authority: e.Authority, Number: alerts.ReferenceKey(e.After.Reference)}); !r.applications[ref] {
			if r.most > 0 && len(r.applications) == r.most {
				r.More = true
				return nil
			}
			r.applications[ref] = true
			r.Applications++
			if e.After.Received != "" && e.After.Received < longAgo {
				r.Old++
			}
		}
		if err := r.reach(ctx, e, r.people); err != nil {
			return err
		}
		r.People = len(r.people)
	}
	return nil
}

// preview counts whom a release of a feed's held events would reach.
func (s *service) preview(ctx context.Context, f alerts.Feed) (alerts.Reach, error) {
	r := s.reckon(0)
	err := s.store.Held(ctx, f, s.now(), func(events []alerts.Event) error { return r.add(ctx, events) })
	return r.Reach, err
}

// rehearse reports on a file as importing it into the feed would read it, and whom it
// would tell.
func (s *service) rehearse(ctx context.Context, f alerts.Feed, file io.Reader, o ingest.Options) (*alerts.Report, error) {
	r := s.reckon(rehearsed)
	report, err := s.ingest.Rehearse(ctx, f, file, o, func(events []alerts.Event) error { return r.add(ctx, events) })
	if err != nil {
		return nil, err
	}
	t := report.Tells
	t.People, t.Applications, t.Old, t.More = r.People, r.Applications, r.Old, r.More
	return report, nil
}

// rehearsed is of how many applications a rehearsal counts the readers: a file that
// holds more news than that is held anyway.
const rehearsed = 2_000

// reach adds to people all who would be told of an event if it happened now.
func (s *service) reach(ctx context.Context, e *alerts.Event, people map[int64]bool) error {
	e.Seq = alerts.Forever // after everything, so that the versions in force now answer
	candidate, err := alerts.NewCandidate(e)
	if err != nil {
		return err
	}
	keys, err := alerts.EventKeys(e)
	if err != nil {
		return err
	}
	return s.store.Candidates(ctx, keys, e.Seq-1, e.Seq, func(v *alerts.Version) error {
		ground, err := alerts.NewGround(&v.Area)
		if err != nil {
			return err
		}
		if alerts.Wants(v, ground, candidate).Interest == alerts.Wanted {
			people[v.RecipientID] = true
		}
		return nil
	})
}

// importFile reads a file into a feed, showing on a terminal how far it has come.
func (s *service) importFile(ctx context.Context, f alerts.Feed, d *feed.Declaration, c *feedImport, file io.Reader, std streams) (alerts.Run, error) {
	meter := newMeter(file, newProgress(std.err, "reading "+f.Slug))
	defer meter.progress.end()
	return s.ingest.Import(ctx, f, meter, ingest.Options{Adapter: adapterFor(d, c.Adapter, c.File), Encoding: c.Encoding, Source: c.File, Silent: c.Silent})
}
