// Package ingest reads councils' feeds: it fetches what is due, stages what is new
// or different, judges the run, and has it applied.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/geo"
)

// Store is the part of the store that this stage reads and writes.
type Store interface {
	Feeds(ctx context.Context) ([]alerts.Feed, error)
	StartRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) (alerts.Run, error)
	HoldRun(ctx context.Context, r alerts.Run, until time.Time) error
	Known(ctx context.Context, feedID int64, keys []string) (map[string]alerts.KnownRecord, error)
	Records(ctx context.Context, feedID int64, keys []string) (map[string]alerts.Record, error)
	Stage(ctx context.Context, r alerts.Run, rows []alerts.Staged, until time.Time) error
	Unstage(ctx context.Context, r alerts.Run, ords []int) error
	Received(ctx context.Context, feedID int64, authority string, days []alerts.Date) ([]alerts.Record, error)
	Renumber(ctx context.Context, feedID int64, cases []alerts.Renumbering) error
	Staged(ctx context.Context, r alerts.Run, after int) ([]alerts.Staged, error)
	Quarantine(ctx context.Context, r alerts.Run, ord int, faults []alerts.Fault) error
	LastFull(ctx context.Context, feedID int64, adapter string) (int64, error)
	Habits(ctx context.Context, feedID int64, adapter string) (alerts.Habits, error)
	JudgeRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) error
	Rehearse(ctx context.Context, r alerts.Run, f alerts.Feed, rows []alerts.Staged, renumbered []alerts.Renumbering, now time.Time) ([]alerts.Event, error)
	ApplyBatch(ctx context.Context, r alerts.Run, f alerts.Feed, rows []alerts.Staged, now time.Time, lease time.Duration) error
	FinishRun(ctx context.Context, r alerts.Run, etag, lastModified string, now time.Time) (alerts.Run, error)
	Held(ctx context.Context, f alerts.Feed, now time.Time, yield func([]alerts.Event) error) error
	Notice(ctx context.Context, key, text string, now time.Time) error
	ClearNotice(ctx context.Context, key string) (was bool, err error)
	Histories(ctx context.Context, feeds []alerts.Feed) ([]alerts.FeedHistory, error)
	SetFaults(ctx context.Context, f alerts.Feed, faults []alerts.FeedFault, now time.Time) error
}

// A Locator finds places that a feed does not give itself. What it does not know
// it leaves empty.
type Locator interface {
	// Within reports whether a place can be one of the authority's; true when nothing
	// is known of where the authority is.
	Within(authority string, p geo.Point) bool
	// Property returns where a unique property reference number is.
	Property(ctx context.Context, uprn string) (at geo.Point, ok bool, err error)
	// PostcodeIn finds the first postcode in a text that has a position.
	PostcodeIn(text string) (postcode string, at geo.Point, ok bool)
	// WardAt returns the code of the ward at a place.
	WardAt(p geo.Point) string
}

// Stage reads feeds.
type Stage struct {
	Store  Store
	Source Source                                 // where feeds' data comes from
	Places func(context.Context) (Locator, error) // asked once a run; nil when nothing is known of places
	Now    func() time.Time
	Log    *slog.Logger
	Lease  time.Duration // how long a run that died holds up the feed; 0 for DefaultLease
}

// DefaultLease is extended with every batch of a run that lives.
const DefaultLease = 2 * time.Minute

func (s *Stage) lease() time.Duration {
	if s.Lease <= 0 {
		return DefaultLease
	}
	return s.Lease
}

// Result is what a pass did.
type Result struct {
	Runs   int
	Events int
}

// Run makes one pass: it reads every feed whose time has come, once per period
// whichever process comes first. A feed that goes wrong is told to somebody and
// does not keep the others waiting.
func (s *Stage) Run(ctx context.Context) (Result, error) {
	feeds, err := s.Store.Feeds(ctx)
	if err != nil {
		return Result{}, err
	}
	var result Result
	var errs []error
	for _, f := range feeds {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		if !f.Paused && f.Schedule != "" {
			run, ran, err := s.runDue(ctx, f)
			if err != nil {
				errs = append(errs, fmt.Errorf("feed %s: %w", f.Slug, err))
			}
			if ran {
				result.Runs++
				result.Events += run.Events
			}
		}
		// Also of a feed that is paused, handed over by hand or broken: people wait all the same.
		if err := s.closingWhileHeld(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("feed %s: %w", f.Slug, err))
		}
	}
	return result, errors.Join(append(errs, s.inspect(ctx))...)
}

// runDue reads a feed if its schedule says so.
func (s *Stage) runDue(ctx context.Context, f alerts.Feed) (run alerts.Run, ran bool, err error) {
	schedule, err := alerts.ParseSchedule(f.Schedule)
	if err != nil {
		return run, false, err
	}
	_, period, ok := alerts.LastPeriod(schedule, s.Now())
	if !ok {
		return run, false, nil
	}
	d, err := feed.Parse(f.Declaration)
	if err != nil {
		return run, false, err
	}
	adapter := &d.Adapters[0]
	since, err := s.since(ctx, f, adapter)
	if err != nil {
		return run, false, err
	}
	run, err = s.Store.StartRun(ctx, alerts.Run{FeedID: f.ID, Feed: f.Slug, Period: period, Source: adapter.URL, Adapter: adapter.Name,
		Incremental: !since.IsZero(), Silent: f.FirstImport()}, s.Now(), s.lease())
	if errors.Is(err, alerts.ErrConflict) {
		return run, false, nil
	}
	if err != nil {
		return run, false, err
	}
	run, err = s.read(ctx, run, f, d, adapter, nil)
	return run, true, err
}

// since is the moment from which it is enough to ask the adapter for changes, zero
// when everything is to be read.
func (s *Stage) since(ctx context.Context, f alerts.Feed, a *feed.Adapter) (time.Time, error) {
	if len(a.Paging.Since) == 0 || f.LastComplete == 0 {
		return time.Time{}, nil
	}
	full, err := s.Store.LastFull(ctx, f.ID, a.Name)
	if err != nil || full == 0 {
		return time.Time{}, err
	}
	return a.Incremental(time.UnixMilli(f.LastComplete), time.UnixMilli(full), s.Now()), nil
}

// Fetch reads a feed from its address now, whatever its schedule says, and all of
// it. It returns alerts.ErrConflict when the feed is being read already.
func (s *Stage) Fetch(ctx context.Context, f alerts.Feed) (alerts.Run, error) {
	return s.Import(ctx, f, nil, Options{})
}

// Options say how a file is imported by hand.
type Options struct {
	Adapter  string // the first of the feed when empty
	Encoding string // of this file, when it is not the declared one
	Source   string // the file's name, for the record
	Silent   bool   // tell nobody, as of a backfill; a feed's first import is silent anyway
	Key      string // makes the import once only: the same key is refused; empty for none
}

// Import reads a source by hand; nil data means the adapter's own address. It returns alerts.ErrConflict when the feed is
// being read already.
func (s *Stage) Import(ctx context.Context, f alerts.Feed, data io.Reader, o Options) (alerts.Run, error) {
	d, err := feed.Parse(f.Declaration)
	if err != nil {
		return alerts.Run{}, err
	}
	adapter, err := d.Adapter(o.Adapter)
	if err != nil {
		return alerts.Run{}, err
	}
	if err := d.Encode(adapter.Name, o.Encoding); err != nil {
		return alerts.Run{}, err
	}
	if o.Key == "" {
		o.Key = alerts.NewSecret()[:12]
	}
	if data == nil {
		o.Source = adapter.URL
	}
	start := alerts.Run{FeedID: f.ID, Feed: f.Slug, Period: "import " + s.Now().UTC().Format(time.RFC3339) + " " + o.Key, Source: o.Source, Adapter: adapter.Name, Silent: o.Silent || f.FirstImport()}
	for {
		run, err := s.Store.StartRun(ctx, start, s.Now(), s.lease())
		if err != nil {
			return run, err
		}
		if run.Period == start.Period {
			run, err := s.read(ctx, run, f, d, adapter, data)
			return run, errors.Join(err, s.inspectFeed(ctx, f.Slug))
		}
		// A run whose process died was handed out instead: finish that one first.
		if run, err = s.resume(ctx, run, f, d); err != nil {
			return run, err
		}
	}
}

// resume finishes a run whose process died. One that had no verdict is read again
// when its source can be; the file of an import by hand is gone.
func (s *Stage) resume(ctx context.Context, run alerts.Run, f alerts.Feed, d *feed.Declaration) (alerts.Run, error) {
	if run.Verdict == alerts.VerdictNone {
		run.Verdict, run.Reason = alerts.VerdictFailed, "it was interrupted; import the file again"
		return run, s.judged(ctx, &run, f)
	}
	return s.apply(ctx, run, f, "", "")
}

// read takes a run from its source to its end. data is nil when the source is to
// be fetched.
func (s *Stage) read(ctx context.Context, run alerts.Run, f alerts.Feed, d *feed.Declaration, adapter *feed.Adapter, data io.Reader) (alerts.Run, error) {
	if run.Verdict != alerts.VerdictNone { // handed out again after its process died
		return s.apply(ctx, run, f, f.ETag, f.LastModified)
	}
	if data == nil && run.Source != adapter.URL {
		return s.resume(ctx, run, f, d)
	}
	in, err := newIntake(ctx, s, run, adapter)
	if err != nil {
		return run, err
	}
	defer in.wait()
	take := func(row feed.Row) error { return in.add(ctx, row) }
	var last Answer
	if data != nil {
		err = d.Read(adapter.Name, data, take)
	} else {
		last, err = s.walk(ctx, run, f, d, adapter, take)
	}
	fault := ""
	var b *feed.BrokenError
	var refused *SourceError
	switch {
	case ctx.Err() != nil:
		return run, ctx.Err()
	case errors.As(err, &b):
		fault = b.Problem
	case errors.As(err, &refused):
		fault = refused.Error()
	case err != nil:
		return run, err
	case last.NotModified:
		run.Verdict = alerts.VerdictComplete
		if err := s.judged(ctx, &run, f); err != nil {
			return run, err
		}
		return s.apply(ctx, run, f, f.ETag, f.LastModified)
	}
	usual, err := s.Store.Habits(ctx, f.ID, adapter.Name)
	if err != nil {
		return run, err
	}
	if err := in.finish(ctx, in.whole(fault, usual)); err != nil {
		return run, err
	}
	run.Counts, run.Survey = in.counts, in.survey.Survey()
	if run.Incremental {
		run.Columns = nil // a few changed records need not fill them all
	}
	run.Verdict, run.Reason = alerts.Judge(run, fault, usual)
	if err := s.renumber(ctx, run, f, in.renumbered); err != nil {
		return run, err
	}
	if err := s.judged(ctx, &run, f); err != nil || run.Verdict == alerts.VerdictFailed {
		return run, err
	}
	return s.apply(ctx, run, f, last.ETag, last.LastModified)
}

// walk reads a source request by request and returns the last answer, its body
// closed.
func (s *Stage) walk(ctx context.Context, run alerts.Run, f alerts.Feed, d *feed.Declaration, adapter *feed.Adapter, take func(feed.Row) error) (last Answer, err error) {
	var since time.Time
	if run.Incremental {
		if since, err = s.since(ctx, f, adapter); err != nil {
			return last, err
		}
	}
	walk, err := d.Walk(adapter.Name, since)
	if err != nil {
		return last, err
	}
	for {
		request, more := walk.Next()
		if !more {
			return last, nil
		}
		var known Answer
		if walk.Once() {
			known = Answer{ETag: f.ETag, LastModified: f.LastModified}
		}
		if last, err = s.Source.Open(ctx, request, known); err != nil || last.NotModified {
			return last, err
		}
		err = walk.Read(last.Body, take)
		last.Body.Close()
		if err != nil {
			return last, err
		}
	}
}

// judged stores the verdict and tells somebody when a person is needed, once until
// the feed is well again.
func (s *Stage) judged(ctx context.Context, run *alerts.Run, f alerts.Feed) error {
	if err := s.Store.JudgeRun(ctx, *run, s.Now(), s.lease()); err != nil {
		return err
	}
	switch run.Verdict {
	case alerts.VerdictComplete:
		for _, fault := range []alerts.Verdict{alerts.VerdictFailed, alerts.VerdictPartial} {
			if _, err := s.Store.ClearNotice(ctx, string(fault)+":"+f.Slug); err != nil {
				return err
			}
		}
	default:
		s.Log.Warn("a feed needs somebody", "feed", f.Slug, "verdict", run.Verdict, "reason", run.Reason)
		text := fmt.Sprintf("The feed %s was read at %s and is %s: %s.", f.Slug, s.Now().In(alerts.London).Format("15:04 on 2 January 2006"), run.Verdict, run.Reason)
		if run.Verdict == alerts.VerdictHeld {
			text += fmt.Sprintf("\nSee what it would send, and decide, with: sitenotice feed release %s (or: feed discard %s)", f.Slug, f.Slug)
		}
		return s.Store.Notice(ctx, string(run.Verdict)+":"+f.Slug, text, s.Now())
	}
	return nil
}

// apply applies what is staged, batch by batch, and finishes the run.
func (s *Stage) apply(ctx context.Context, run alerts.Run, f alerts.Feed, etag, lastModified string) (alerts.Run, error) {
	// The next batch is read while one is applied.
	type read struct {
		rows []alerts.Staged
		err  error
	}
	ahead := func(after int) <-chan read {
		next := make(chan read, 1)
		go func() {
			rows, err := s.Store.Staged(ctx, run, after)
			next <- read{rows, err}
		}()
		return next
	}
	for next := ahead(-1); ; {
		batch := <-next
		if batch.err != nil {
			return run, batch.err
		}
		if len(batch.rows) == 0 {
			break
		}
		next = ahead(batch.rows[len(batch.rows)-1].Ord)
		if err := s.Store.ApplyBatch(ctx, run, f, batch.rows, s.Now(), s.lease()); err != nil {
			<-next
			return run, err
		}
	}
	run, err := s.Store.FinishRun(ctx, run, etag, lastModified, s.Now())
	if err == nil {
		s.Log.Info("feed read", "feed", f.Slug, "verdict", run.Verdict, "rows", run.Rows, "new", run.New, "changed", run.Changed, "quarantined", run.Quarantined, "events", run.Events)
	}
	return run, err
}

// closingDays is how near the end of comments of a held case alarms somebody.
const closingDays = 7

// closingWhileHeld tells somebody of held cases on which people can comment for a
// few days only.
func (s *Stage) closingWhileHeld(ctx context.Context, f alerts.Feed) error {
	today := alerts.DateOf(s.Now())
	closing := 0
	err := s.Store.Held(ctx, f, s.Now(), func(events []alerts.Event) error {
		for _, e := range events {
			if until := e.After.CommentsUntil; until >= today && until <= today.AddDays(closingDays) {
				closing++
			}
		}
		return nil
	})
	key := "closing:" + f.Slug
	if err != nil || closing == 0 {
		return errors.Join(err, second(s.Store.ClearNotice(ctx, key)))
	}
	return s.Store.Notice(ctx, key, fmt.Sprintf("The feed %s holds %d pieces of news about cases on which people can comment for %d days or less, and nobody has been told.\nDecide with: sitenotice feed release %s (or: feed discard %s)",
		f.Slug, closing, closingDays, f.Slug, f.Slug), s.Now())
}

func second(_ bool, err error) error { return err }
