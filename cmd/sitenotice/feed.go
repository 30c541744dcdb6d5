package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

type feedCommand struct {
	List     feedList     `cmd:"" help:"Say how each feed is."`
	Add      feedAdd      `cmd:"" help:"Add a feed that comes with the program, or your own declaration."`
	Check    feedCheck    `cmd:"" help:"Say what is in a file and what is wrong with it; store nothing."`
	Import   feedImport   `cmd:"" help:"Read a file into a feed by hand."`
	Run      feedRun      `cmd:"" help:"Read a feed from its address now."`
	Release  feedRelease  `cmd:"" help:"Tell what a held run brought, after saying what that would send."`
	Discard  feedDiscard  `cmd:"" help:"Silence what a held run brought."`
	Rollback feedRollback `cmd:"" help:"Take back a reading that was a mistake."`
	Token    feedToken    `cmd:"" help:"Make the token with which a council's program hands over the feed's file."`
	Reach    feedReach    `cmd:"" help:"Say whom a feed's applications reached, month by month, and how early: figures that the council may publish."`
	Export   feedExport   `cmd:"" help:"Print a feed's declaration."`
}

type feedList struct{}

// Run prints a line for each feed.
func (feedList) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	feeds, err := s.Feeds(ctx)
	if err != nil {
		return err
	}
	type row struct {
		Feed      string      `json:"feed"`
		Authority string      `json:"authority"`
		Schedule  string      `json:"schedule"`
		Paused    bool        `json:"paused"`
		LastGood  string      `json:"last_good"` // RFC 3339; empty when never
		LastRun   *alerts.Run `json:"last_run"`
	}
	rows := []row{}
	for _, f := range feeds {
		r := row{Feed: f.Slug, Authority: f.Authority, Schedule: f.Schedule, Paused: f.Paused}
		if f.LastComplete > 0 {
			r.LastGood = time.UnixMilli(f.LastComplete).UTC().Format(time.RFC3339)
		}
		runs, err := s.Runs(ctx, f.ID, 1)
		if err != nil {
			return err
		}
		if len(runs) > 0 {
			r.LastRun = &runs[0]
		}
		rows = append(rows, r)
	}
	if cfg.JSON {
		return printJSON(std.out, rows)
	}
	if len(rows) == 0 {
		fmt.Fprintf(std.out, "No feeds yet. Add one with: sitenotice feed add NAME, where NAME is %s or a YAML file.\n", strings.Join(feed.Presets(), ", "))
		return nil
	}
	w := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "FEED\tSCHEDULE (UTC)\tLAST GOOD READING\tLAST RUN")
	for _, r := range rows {
		last := "never read"
		if r.LastRun != nil {
			last = string(cmp.Or(r.LastRun.Verdict, "under way"))
			if r.LastRun.Reason != "" {
				last += ": " + r.LastRun.Reason
			}
		}
		if r.Paused {
			last = "paused; " + last
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Feed, cmp.Or(r.Schedule, "by hand"), cmp.Or(r.LastGood, "never"), last)
	}
	return w.Flush()
}

// declaration reads a declaration: of a preset by its name, else a file.
func declaration(name string) ([]byte, *feed.Declaration, error) {
	text, ok := feed.Preset(name)
	if !ok {
		var err error
		if text, err = os.ReadFile(name); errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("%s is neither a feed that comes with the program (%s) nor a file", name, strings.Join(feed.Presets(), ", "))
		} else if err != nil {
			return nil, nil, err
		}
	}
	d, err := feed.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, d, nil
}

// putFeed stores a declaration.
func putFeed(ctx context.Context, s feedPutter, text []byte, d *feed.Declaration) (alerts.Feed, error) {
	var authorities []alerts.Authority
	for _, a := range d.All() {
		authorities = append(authorities, alerts.Authority{Slug: a.Slug, Name: a.Name, District: a.District, Website: a.Website})
	}
	return s.PutFeed(ctx, alerts.Feed{Slug: d.Feed, Declaration: text, Schedule: d.Schedule, Contact: d.Contact,
		Precedence: d.Precedence, HorizonDays: cmp.Or(d.HorizonDays, defaultHorizonDays)}, authorities)
}

// defaultHorizonDays is how old a case that is over may be when it is first seen,
// to be told all the same.
const defaultHorizonDays = 90

type feedPutter interface {
	PutFeed(ctx context.Context, f alerts.Feed, authorities []alerts.Authority) (alerts.Feed, error)
}

type feedAdd struct {
	Name string `arg:"" help:"A feed that comes with the program, or a YAML file."`
}

// Run adds the feed, or changes the one of that name.
func (c *feedAdd) Run(ctx context.Context, cfg *Config, std streams) error {
	text, d, err := declaration(c.Name)
	if err != nil {
		return err
	}
	s, err := cfg.openStore(ctx, true)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := putFeed(ctx, s, text, d); err != nil {
		return err
	}
	of := d.All()[0].Name
	if n := len(d.All()); n > 1 {
		of = fmt.Sprintf("%d authorities", n)
	}
	fmt.Fprintf(std.out, "Added the feed %s of %s. Its first reading tells nobody.\n", d.Feed, of)
	return nil
}

// adapterFor guesses by the file's ending which adapter of a feed reads it.
func adapterFor(d *feed.Declaration, asked, file string) string {
	if asked != "" {
		return asked
	}
	name := strings.TrimSuffix(strings.ToLower(file), ".gz")
	for _, a := range d.Adapters {
		if strings.HasSuffix(name, "."+a.Format) {
			return a.Name
		}
	}
	return ""
}

type feedImport struct {
	Feed     string `arg:"" help:"The feed."`
	File     string `arg:"" help:"The file; - for standard input."`
	Adapter  string `help:"The form of the file, when the feed has several (default: the one that fits its name, else the first)."`
	Encoding string `help:"Of this file, when it is not the declared one: utf-8, windows-1252, iso-8859-1, mac-roman or cp850."`
	Silent   bool   `help:"Tell nobody, as of a backfill. A feed's first reading is silent anyway."`
}

// importHeap is how much memory an import has for itself, beside what the database
// takes. It is a limit for the collector of garbage, which works harder near it.
const importHeap = 80 << 20

// Run reads the file into the feed.
func (c *feedImport) Run(ctx context.Context, cfg *Config, std streams) error {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // unless GOMEMLIMIT says otherwise
		debug.SetMemoryLimit(importHeap)
	}
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	f, err := s.feedNamed(ctx, c.Feed)
	if err != nil {
		return err
	}
	d, err := feed.Parse(f.Declaration)
	if err != nil {
		return err
	}
	file, err := openInput(ctx, cfg, c.File, std)
	if err != nil {
		return err
	}
	defer file.Close()
	run, err := s.importFile(ctx, f, d, c, file, std)
	if errors.Is(err, alerts.ErrConflict) {
		return fmt.Errorf("the feed %s is being read at this moment; try again when that is done", c.Feed)
	}
	if err != nil {
		return err
	}
	return reportRun(ctx, s, cfg, std, run)
}

// feedNamed returns a stored feed; one that comes with the program is added when
// it is first asked for.
func (s *service) feedNamed(ctx context.Context, name string) (alerts.Feed, error) {
	f, err := s.store.Feed(ctx, name)
	if !errors.Is(err, alerts.ErrNotFound) {
		return f, err
	}
	text, ok := feed.Preset(name)
	if !ok {
		return f, fmt.Errorf("there is no feed %q: add it with \"sitenotice feed add\" first", name)
	}
	d, err := feed.Parse(text)
	if err != nil {
		return f, err
	}
	return putFeed(ctx, s.store, text, d)
}

// reportRun prints what a run did. One that failed makes the command fail.
func reportRun(ctx context.Context, s *service, cfg *Config, std streams, run alerts.Run) error {
	faults, err := s.store.Quarantined(ctx, run.ID, 20)
	if err != nil {
		return err
	}
	if cfg.JSON {
		if err := printJSON(std.out, struct {
			alerts.Run
			Faults []alerts.Fault
		}{run, faults}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(std.out, "%s: %s. %s rows: %s new, %s changed, %s as before, %s left out; %s without a position. %s events",
			run.Feed, run.Verdict, alerts.Thousands(run.Rows), alerts.Thousands(run.New), alerts.Thousands(run.Changed), alerts.Thousands(run.Unchanged),
			alerts.Thousands(run.Quarantined), alerts.Thousands(run.Unlocated), alerts.Thousands(run.Events))
		switch {
		case run.Events == 0:
			fmt.Fprintln(std.out, ".")
		case run.Silent:
			fmt.Fprintln(std.out, ", which tell nobody.")
		case run.Verdict == alerts.VerdictHeld:
			fmt.Fprintf(std.out, ", which are held.\n%s: %s\nSee what they would send, and decide, with: sitenotice feed release %s\n", run.Verdict, run.Reason, run.Feed)
		default:
			fmt.Fprintln(std.out, ".")
		}
		if run.Verdict == alerts.VerdictPartial {
			fmt.Fprintf(std.out, "partial: %s\n", run.Reason)
		}
		for _, f := range faults {
			fmt.Fprintf(std.out, "  line %d, %s: %s: %q\n", f.Line, f.Column, f.Reason, f.Value)
		}
	}
	if run.Verdict == alerts.VerdictFailed {
		return fmt.Errorf("nothing was stored: %s", run.Reason)
	}
	return nil
}

type feedRun struct {
	Feed string `arg:"" help:"The feed."`
}

// Run reads the feed from its address, whatever its schedule says.
func (c *feedRun) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	f, err := s.feedNamed(ctx, c.Feed)
	if err != nil {
		return err
	}
	run, err := s.ingest.Fetch(ctx, f)
	if errors.Is(err, alerts.ErrConflict) {
		return fmt.Errorf("the feed %s is being read at this moment; try again when that is done", c.Feed)
	}
	if err != nil {
		return err
	}
	return reportRun(ctx, s, cfg, std, run)
}

type feedRollback struct {
	Feed    string `arg:"" help:"The feed."`
	Reading int64  `name:"run" help:"The reading, by its number; without it, the latest ones are listed."`
}

// Run takes a reading back, or lists those that could be.
func (c *feedRollback) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	f, err := s.store.Feed(ctx, c.Feed)
	if err != nil {
		return fmt.Errorf("%w: \"sitenotice feed list\" lists the feeds", err)
	}
	runs, err := s.store.Runs(ctx, f.ID, 50)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(runs, func(r alerts.Run) bool { return r.ID == c.Reading })
	if c.Reading != 0 && i < 0 {
		return fmt.Errorf("the reading %d is none of the latest of the feed %s; list them with: sitenotice feed rollback %s", c.Reading, c.Feed, c.Feed)
	}
	if c.Reading == 0 {
		w := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "RUN\tSTARTED (UTC)\tVERDICT\tNEW\tCHANGED\tSOURCE")
		for _, r := range runs {
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%s\n", r.ID, time.UnixMilli(r.StartedAt).UTC().Format(time.DateTime), r.Verdict, r.New, r.Changed, r.Source)
		}
		return w.Flush()
	}
	if runs[i].FinishedAt == 0 {
		return fmt.Errorf("the reading %d is not finished", c.Reading)
	}
	done, err := s.store.Rollback(ctx, f, c.Reading, s.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Taken back: %s applications are gone again and %s as they were before; %s were changed by later readings and stay. Who had been told hears of it.\n",
		alerts.Thousands(done.Removed), alerts.Thousands(done.Restored), alerts.Thousands(done.Left))
	return nil
}

type feedExport struct {
	Feed string `arg:"" help:"The feed."`
}

// Run prints the feed's declaration as YAML.
func (c *feedExport) Run(ctx context.Context, cfg *Config, std streams) error {
	text, ok := feed.Preset(c.Feed)
	if s, err := cfg.openStore(ctx, false); err == nil {
		defer s.Close()
		if f, err := s.Feed(ctx, c.Feed); err == nil {
			text, ok = f.Declaration, true
		}
	}
	if !ok {
		return fmt.Errorf("there is no feed %q", c.Feed)
	}
	_, err := std.out.Write(text)
	return err
}
