package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/web/api"
)

// handover reads files that councils hand over by program.
type handover struct{ *service }

// open finds the feed and the adapter that a program names.
func (h handover) open(ctx context.Context, slug, adapter string) (alerts.Feed, *feed.Declaration, error) {
	f, err := h.store.Feed(ctx, slug)
	if err != nil {
		return f, nil, err
	}
	d, err := feed.Parse(f.Declaration)
	if err != nil {
		return f, nil, &api.FileError{Problem: "The feed's declaration is not right: " + err.Error()}
	}
	if _, err := d.Adapter(adapter); err != nil {
		return f, nil, &api.FileError{Problem: err.Error()}
	}
	return f, d, nil
}

func (h handover) Check(ctx context.Context, slug, adapter string, file io.Reader) (any, error) {
	_, d, err := h.open(ctx, slug, adapter)
	if err != nil {
		return nil, err
	}
	return d.Check(adapter, file)
}

func (h handover) Fixes(ctx context.Context, slug, adapter string, file io.Reader, to io.Writer) error {
	_, d, err := h.open(ctx, slug, adapter)
	if err != nil {
		return err
	}
	return d.Fixes(adapter, file, to)
}

// faultsShown is how many faults an answer lists; all are counted.
const faultsShown = 100

func (h handover) Import(ctx context.Context, slug, adapter string, file io.Reader) (alerts.Run, []alerts.Fault, error) {
	f, _, err := h.open(ctx, slug, adapter)
	if err != nil {
		return alerts.Run{}, nil, err
	}
	run, err := h.ingest.Import(ctx, f, file, ingest.Options{Adapter: adapter, Source: "handed over by a program"})
	if err != nil {
		return run, nil, err
	}
	faults, err := h.store.Quarantined(ctx, run.ID, faultsShown)
	return run, faults, err
}

type feedToken struct {
	Feed   string `arg:"" help:"The feed."`
	Revoke bool   `help:"End the feed's token; make no other."`
}

// Run makes a token with which a council's program hands over the feed's file, in
// place of an earlier one, and shows it this once.
func (c *feedToken) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	f, err := s.store.Feed(ctx, c.Feed)
	if err != nil {
		return fmt.Errorf("%w: \"sitenotice feed list\" lists the feeds", err)
	}
	if c.Revoke {
		was, err := s.store.SetFeedToken(ctx, f.ID, "", s.now())
		if err != nil {
			return err
		}
		if !was {
			return errors.New("the feed has no token")
		}
		fmt.Fprintln(std.out, "The token works no more.")
		return nil
	}
	token := alerts.NewSecret()
	was, err := s.store.SetFeedToken(ctx, f.ID, alerts.HashSecret(token), s.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s\nIt is shown this once. Hand the file over with:\n  curl --data-binary @FILE -H 'Authorization: Bearer TOKEN' %s/api/v1/feeds/%s/import\nAdd ?dry_run=1 to only hear what is in it.\n", token, cfg.BaseURL, f.Slug)
	if was {
		fmt.Fprintln(std.out, "The one before works no more.")
	}
	return nil
}
