package main

import (
	"context"
	"io"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

// oldDays is from when on an application counts as old in what a release would do.
const oldDays = 60

// A preview says what a release would send.
type preview struct {
	People       int `json:"people"`
	Applications int `json:"applications"`
	Old          int `json:"old"` // applications received more than oldDays ago
}

// preview counts whom a release of a feed's held events would reach.
func (s *service) preview(ctx context.Context, f alerts.Feed) (p preview, err error) {
	people, applications := map[int64]bool{}, map[int64]bool{}
	longAgo := alerts.DateOf(s.now()).AddDays(-oldDays)
	err = s.store.Held(ctx, f, s.now(), func(events []alerts.Event) error {
		for i := range events {
			e := &events[i]
			if e.State != alerts.EventLive {
				continue
			}
			if !applications[e.ApplicationID] {
				applications[e.ApplicationID] = true
				if e.After.Received != "" && e.After.Received < longAgo {
					p.Old++
				}
			}
			if err := s.reach(ctx, e, people); err != nil {
				return err
			}
		}
		return nil
	})
	p.People, p.Applications = len(people), len(applications)
	return p, err
}

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
