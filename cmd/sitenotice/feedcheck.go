package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

type feedCheck struct {
	Feed     string `help:"A feed that comes with the program, one that was added, or a YAML file. Without it, a declaration is proposed from the file."`
	Adapter  string `help:"The form of the file, when the feed has several (default: the one that fits its name, else the first)."`
	Encoding string `help:"Of this file, when it is not the declared one: utf-8, windows-1252, iso-8859-1, mac-roman or cp850."`
	Declare  string `placeholder:"YAML" help:"Write the proposed declaration to this file, which must not be there yet."`
	File     string `arg:"" help:"The file or its web address; - for standard input."`
}

// Run reports on the file. A file that is not whole, or has no good row, makes it
// fail.
func (c *feedCheck) Run(ctx context.Context, cfg *Config, std streams) error {
	if c.Feed == "" {
		return c.propose(ctx, cfg, std)
	}
	if c.Declare != "" {
		return usage("--declare writes a declaration that is proposed; leave out --feed")
	}
	text, d, err := declaration(c.Feed)
	var s *service
	var stored alerts.Feed
	if probe, openErr := cfg.openStore(ctx, false); openErr == nil {
		slug := c.Feed
		if err == nil {
			slug = d.Feed
		}
		f, feedErr := probe.Feed(ctx, slug)
		probe.Close()
		if feedErr == nil {
			if s, openErr = newService(ctx, cfg, cfg.log(std.err), nil); openErr != nil {
				return openErr
			}
			defer s.close()
			stored = f
			if err != nil {
				text = f.Declaration
				d, err = feed.Parse(text)
			}
		}
	}
	if err != nil {
		return err
	}
	file, err := openInput(ctx, cfg, c.File, std)
	if err != nil {
		return err
	}
	defer file.Close()
	adapter := adapterFor(d, c.Adapter, c.File)
	if err := d.Encode(adapter, c.Encoding); err != nil {
		return err
	}
	var report *alerts.Report
	if s != nil { // held against what is stored, by the declaration that was named
		stored.Declaration = text
		report, err = s.rehearse(ctx, stored, file, ingest.Options{Adapter: adapter, Encoding: c.Encoding})
	} else {
		report, err = d.Check(adapter, file)
	}
	if err != nil {
		return err
	}
	if cfg.JSON {
		err = printJSON(std.out, report)
	} else {
		_, err = fmt.Fprint(std.out, report)
	}
	return errors.Join(err, usable(report))
}

// usable makes the command fail for a file that is no use as it is.
func usable(report *alerts.Report) error {
	switch {
	case report.Broken != "":
		return errors.New(report.Broken)
	case report.Good == 0:
		return errors.New("there is not one good row in the file")
	}
	return nil
}

// propose says what an unknown file seems to be, and what would come of it.
func (c *feedCheck) propose(ctx context.Context, cfg *Config, std streams) error {
	name := c.File
	if name == "-" || webAddress(name) { // it is read more than once
		file, err := openInput(ctx, cfg, name, std)
		if err != nil {
			return err
		}
		kept, err := os.CreateTemp("", "sitenotice-check-*")
		if err != nil {
			file.Close()
			return err
		}
		defer os.Remove(kept.Name())
		_, err = io.Copy(kept, file)
		file.Close()
		if err = errors.Join(err, kept.Close()); err != nil {
			return err
		}
		name = kept.Name()
	}
	open := func() (io.ReadCloser, error) { return os.Open(name) }
	p, err := feed.Propose(open, alerts.Proposal{Encoding: c.Encoding})
	if err != nil {
		return err
	}
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	report, err := feed.Try(p, file)
	var invalid *alerts.InvalidError
	if errors.As(err, &invalid) {
		err = fmt.Errorf("no column of the file seems to hold the application's number; it has %s: write a declaration by hand (see docs/feeds.md)", columnNames(p))
	}
	if err != nil {
		return err
	}
	d, err := feed.Declare(p)
	if err != nil {
		return err
	}
	text := d.Written(p.Codes)
	if c.Declare != "" {
		out, err := os.OpenFile(c.Declare, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		if err = errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	if cfg.JSON {
		err = printJSON(std.out, struct {
			Like        string         `json:"like"`
			Report      *alerts.Report `json:"report"`
			Declaration string         `json:"declaration"`
		}{p.Like, report, string(text)})
		return errors.Join(err, usable(report))
	}
	if p.Like != "" {
		fmt.Fprintf(std.out, "The file has a form that comes with the program: %s\n", p.Like)
	}
	fmt.Fprintln(std.out, "Its columns seem to be:")
	w := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
	for _, f := range p.Fields {
		if f.From != "" {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", f.Field, f.From, f.Layout)
		}
	}
	w.Flush()
	fmt.Fprint(std.out, report)
	if c.Declare == "" {
		fmt.Fprintf(std.out, "Keep this as a declaration, to be corrected, with:\n  sitenotice feed check %s --declare my-council.yaml\n", c.File)
	} else {
		fmt.Fprintf(std.out, "Correct %s, look again with:\n  sitenotice feed check --feed %s %s\nand add it with:\n  sitenotice feed add %s\n", c.Declare, c.Declare, c.File, c.Declare)
	}
	return usable(report)
}

func columnNames(p *alerts.Proposal) string {
	var names []string
	for _, c := range p.Columns {
		names = append(names, c.Name)
	}
	return alerts.Line(strings.Join(names, ", "), 300)
}

func webAddress(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// openInput opens a file that an operator names: a path, a web address, or standard
// input.
func openInput(ctx context.Context, cfg *Config, name string, std streams) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(std.in), nil
	}
	if !webAddress(name) {
		return os.Open(name)
	}
	fetcher := &ingest.Fetcher{Client: trusted(), Guarded: guarded(), Contact: cmp.Or(cfg.Contact, cfg.BaseURL), Attempts: 2}
	answer, err := fetcher.Open(ctx, feed.Request{Method: http.MethodGet, URL: name}, ingest.Answer{})
	return answer.Body, err
}
