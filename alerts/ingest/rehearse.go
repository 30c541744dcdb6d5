package ingest

import (
	"context"
	"io"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

// rehearsalBatch is how many rows are rehearsed at a time.
const rehearsalBatch = 500

// Rehearse reports on a file as importing it into the feed now would read it, and
// stores nothing. The events that it would tell go to tell, as they would be written,
// but with no application's id where that is new.
func (s *Stage) Rehearse(ctx context.Context, f alerts.Feed, data io.Reader, o Options, tell func(events []alerts.Event) error) (*alerts.Report, error) {
	d, err := feed.Parse(f.Declaration)
	if err != nil {
		return nil, err
	}
	adapter, err := d.Adapter(o.Adapter)
	if err != nil {
		return nil, err
	}
	if err := d.Encode(adapter.Name, o.Encoding); err != nil {
		return nil, err
	}
	reporter, err := d.NewReporter(adapter.Name)
	if err != nil {
		return nil, err
	}
	run := alerts.Run{FeedID: f.ID, Feed: f.Slug, Adapter: adapter.Name, Silent: o.Silent || f.FirstImport()}
	in, err := newIntake(ctx, s, run, adapter)
	if err != nil {
		return nil, err
	}
	defer in.wait()
	in.rehearse = func(rows []alerts.Staged) error {
		if run.Silent {
			return nil
		}
		for batch := range slices.Chunk(rows, rehearsalBatch) {
			events, err := s.Store.Rehearse(ctx, run, f, batch, in.renumbered, s.Now())
			if err != nil {
				return err
			}
			if err := tell(events); err != nil {
				return err
			}
		}
		return nil
	}
	end := d.Read(adapter.Name, data, func(row feed.Row) error {
		reporter.Add(&row)
		return in.add(ctx, row)
	})
	report, err := reporter.Report(end)
	if err != nil {
		return nil, err
	}
	usual, err := s.Store.Habits(ctx, f.ID, adapter.Name)
	if err != nil {
		return nil, err
	}
	if err := in.finish(ctx, in.whole(report.Broken, usual)); err != nil {
		return nil, err
	}
	run.Counts = in.counts
	report.Verdict, report.Reason = alerts.Judge(run, report.Broken, usual)
	report.Outside, report.LookedUp, report.Renumbered = in.outside, in.lookedUp, in.renumbered
	report.New, report.Changed, report.Unchanged = in.counts.New, in.counts.Changed, in.counts.Unchanged
	report.Tells = &alerts.Reach{Silent: run.Silent}
	return report, nil
}
