package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/cmd/sitenotice/demo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

type demoCommand struct {
	Step time.Duration `help:"How often something happens in the sample borough." default:"4s"`
}

// Run shows the whole service with a sample borough until it is interrupted.
func (c *demoCommand) Run(ctx context.Context, cfg *Config, std streams) error {
	if c.Step < 100*time.Millisecond {
		return usage("--step %s is too quick to follow", c.Step)
	}
	if cfg.DB != "" || cfg.Mail != "capture" {
		return usage("the demo keeps its mail and uses a database of its own; use \"sitenotice serve\" for the real thing")
	}
	if cfg.Data == "" {
		dir, err := os.MkdirTemp("", "sitenotice-demo-")
		if err != nil {
			return fmt.Errorf("make a folder for the demo: %w; name one with --data", err)
		}
		defer os.RemoveAll(dir)
		cfg.Data = dir
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; name another address with --listen, for example localhost:8081", cfg.Listen, err)
	}
	defer listener.Close()
	if cfg.BaseURL == defaultBaseURL {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		cfg.BaseURL = "http://localhost:" + port
	}
	cfg.anyHost, cfg.Welsh = true, true
	cfg.proposed = alerts.Immediate // so that nobody waits for tomorrow's mail to see one
	places, err := demo.Postcodes()
	if err != nil {
		return err
	}
	table, err := samplePostcodes(places)
	if err != nil {
		return err
	}
	s, err := newService(ctx, cfg, cfg.log(std.err), table)
	if err != nil {
		return err
	}
	defer s.close()
	borough := demo.NewBorough(places, alerts.DateOf(s.now()))
	if err := s.publish(ctx, borough); err != nil {
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.toil(ctx, &group)
	group.Go(func() { s.goOn(ctx, borough, c.Step) })
	fmt.Fprintf(std.out, `The sample borough is open:

  %[1]s            look up a postcode such as N1C 4AG or NW1 8NH, and sign up
  %[1]s/dev/mail   the captured mailbox: confirm there, and see alerts arrive

Its applications are invented; something happens every %[2]s. Stop it with Ctrl-C.
`, cfg.BaseURL, c.Step)
	return s.serve(ctx, listener)
}

// samplePostcodes builds the table of the sample district.
func samplePostcodes(places []demo.Postcode) (*postcode.Table, error) {
	var rows []postcode.Row
	for _, p := range places {
		code, err := postcode.Parse(p.Code)
		if err != nil {
			return nil, fmt.Errorf("sample postcode %s: %w", p.Code, err)
		}
		rows = append(rows, postcode.Row{Code: code, Easting: p.Easting, Northing: p.Northing, Quality: 1, Ward: p.Ward, District: p.District})
	}
	return postcode.NewTable(rows, map[string]string{"E09000007": "Camden"}, postcode.Meta{Release: "sample district", Year: 2025, Attribution: demo.Attribution})
}

// publish reads the borough's register as it stands into its feed.
func (s *service) publish(ctx context.Context, borough *demo.Borough) error {
	d, err := feed.Parse(demo.FeedYAML)
	if err != nil {
		return err
	}
	f, err := s.store.Feed(ctx, d.Feed)
	if errors.Is(err, alerts.ErrNotFound) {
		f, err = putFeed(ctx, s.store, demo.FeedYAML, d)
	}
	if err != nil {
		return err
	}
	var register bytes.Buffer
	if err := borough.WriteCSV(&register); err != nil {
		return err
	}
	run, err := s.ingest.Import(ctx, f, io.Reader(&register), ingest.Options{Source: "sample borough"})
	if err == nil && run.Verdict == alerts.VerdictFailed {
		err = errors.New(run.Reason)
	}
	return err
}

// goOn lets something happen in the borough every so often.
func (s *service) goOn(ctx context.Context, borough *demo.Borough, step time.Duration) {
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			borough.Step(alerts.DateOf(s.now()))
			if err := s.publish(ctx, borough); err != nil && ctx.Err() == nil {
				s.log.Error("the sample borough's register cannot be read", "error", err)
			}
		}
	}
}
