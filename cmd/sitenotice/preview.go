package main

import (
	"context"
	"io"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

// reckon counts whom events would reach; of so many applications, 0 for all.
func (s *service) reckon(ctx context.Context, most int) *alerts.Reckoning {
	return &alerts.Reckoning{Today: alerts.DateOf(s.now()), Most: most, Candidates: func(keys []string, from, to int64, yield func(*alerts.Version) error) error {
		return s.store.Candidates(ctx, keys, from, to, yield)
	}}
}

// preview counts whom a release of a feed's held events would reach.
func (s *service) preview(ctx context.Context, f alerts.Feed) (alerts.Reach, error) {
	r := s.reckon(ctx, 0)
	err := s.store.Held(ctx, f, s.now(), r.Add)
	return r.Reach, err
}

// rehearse reports on a file as importing it into the feed would read it, and whom it
// would tell.
func (s *service) rehearse(ctx context.Context, f alerts.Feed, file io.Reader, o ingest.Options) (*alerts.Report, error) {
	r := s.reckon(ctx, rehearsed)
	report, err := s.ingest.Rehearse(ctx, f, file, o, r.Add)
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

// importFile reads a file into a feed, showing on a terminal how far it has come.
func (s *service) importFile(ctx context.Context, f alerts.Feed, d *feed.Declaration, c *feedImport, file io.Reader, std streams) (alerts.Run, error) {
	meter := newMeter(file, newProgress(std.err, "reading "+f.Slug))
	defer meter.progress.end()
	return s.ingest.Import(ctx, f, meter, ingest.Options{Adapter: adapterFor(d, c.Adapter, c.File), Encoding: c.Encoding, Source: c.File, Silent: c.Silent})
}
