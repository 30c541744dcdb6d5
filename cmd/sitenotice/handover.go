package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/web/api"
)

// handover reads files that councils hand over, by program or on a page.
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

func (h handover) Check(ctx context.Context, slug, adapter string, file io.Reader) (*alerts.Report, error) {
	f, _, err := h.open(ctx, slug, adapter)
	if err != nil {
		return nil, err
	}
	report, err := h.rehearse(ctx, f, file, ingest.Options{Adapter: adapter})
	if err != nil {
		return nil, err
	}
	shown := report.Tells.ForTheUploader()
	report.Tells = &shown
	return report, nil
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
	run, err := h.ingest.Import(ctx, f, file, ingest.Options{Adapter: adapter, Source: "handed over by the council"})
	if err != nil {
		return run, nil, err
	}
	faults, err := h.store.Quarantined(ctx, run.ID, faultsShown)
	return run, faults, err
}

func (h handover) AdapterFor(ctx context.Context, slug, name string) (string, error) {
	_, d, err := h.open(ctx, slug, "")
	if err != nil {
		return "", err
	}
	return adapterFor(d, "", name), nil
}

// fileError makes a fault of a file one that its sender is told.
func fileError(err error) error {
	var broken *feed.BrokenError
	var refused *ingest.SourceError
	switch {
	case errors.As(err, &broken):
		return &api.FileError{Problem: broken.Problem}
	case errors.As(err, &refused):
		return &api.FileError{Problem: refused.Problem} // what lies beneath may name addresses within
	}
	return err
}

func (h handover) Propose(file func() (io.ReadCloser, error), said alerts.Proposal) (*alerts.Proposal, error) {
	p, err := feed.Propose(file, said)
	return p, fileError(err)
}

func (h handover) Try(p *alerts.Proposal, file io.Reader) (*alerts.Report, error) {
	return feed.Try(p, file)
}

func (h handover) TryFixes(p *alerts.Proposal, file io.Reader, to io.Writer) error {
	d, err := feed.Declare(p)
	if err != nil {
		return err
	}
	return d.Fixes("", file, to)
}

func (h handover) Declaration(p *alerts.Proposal) ([]byte, error) {
	d, err := feed.Declare(p)
	if err != nil {
		return nil, err
	}
	return d.Written(p.Codes), nil
}

func (h handover) Layouts() []string              { return feed.Layouts() }
func (h handover) Meanings(field string) []string { return feed.Meanings(field) }

// Fetch opens an address that somebody typed: a public one, asked once.
func (h handover) Fetch(ctx context.Context, address string, most int64) (io.ReadCloser, error) {
	f := &ingest.Fetcher{Client: h.strange, Guarded: h.strange, Contact: cmp.Or(h.cfg.Contact, h.cfg.BaseURL), MaxBytes: most, Timeout: time.Minute, Attempts: 1}
	answer, err := f.Open(ctx, feed.Request{Method: http.MethodGet, URL: address}, ingest.Answer{})
	return answer.Body, fileError(err)
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
