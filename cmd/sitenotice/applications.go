package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

type applicationsCommand struct {
	Redact   applicationsRedact   `cmd:"" help:"Take down what must not be shown: from pages, search, mails and whatever a feed brings later."`
	Place    applicationsPlace    `cmd:"" help:"Decide about a place that people say is wrong: keep it, drop it, or say where the application is."`
	Disputed applicationsDisputed `cmd:"" help:"List the applications whose place people say is wrong."`
	Restore  applicationsRestore  `cmd:"" help:"Lift a redaction; what was taken away comes back with the next reading of its feed."`
}

type applicationsRedact struct {
	Authority string `arg:"" help:"The authority's short name, for example york."`
	Reference string `arg:"" help:"The reference, for example 26/00268/FUL."`
	Reason    string `required:"" help:"Why, for the record. Do not repeat what is taken down."`
	Address   bool   `help:"Take away the address too, not only the description."`
	Hide      bool   `help:"Take the whole application down: it is shown nowhere, and who had been told of it hears so."`
}

// Run redacts an application, hidden or not.
func (c *applicationsRedact) Run(ctx context.Context, cfg *Config, std streams) error {
	r := alerts.RedactWords
	switch {
	case c.Hide:
		r = alerts.RedactAll
	case c.Address:
		r = alerts.RedactAddress
	}
	if strings.TrimSpace(c.Reason) == "" {
		return usage("--reason must say why, for the record")
	}
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	ref := alerts.Ref{Authority: c.Authority, Number: c.Reference}
	done, err := s.Redact(ctx, ref, r, actOn(ref, r.Act(), c.Reason), cfg.clock())
	if errors.Is(err, alerts.ErrNotFound) {
		return noApplication(ref)
	}
	if err != nil {
		return err
	}
	if cfg.JSON {
		return printJSON(std.out, struct {
			Before  string `json:"before"`
			Now     string `json:"now"`
			Queued  int    `json:"mails_written_anew"`
			Blanked int    `json:"mails_blanked"`
		}{string(done.Before), string(r), done.Queued, done.Blanked})
	}
	if done.Before.Includes(r) {
		fmt.Fprintf(std.out, "It was taken down before as far as that. %s and %s.\n", again(done.Queued), blanked(done.Blanked))
		return nil
	}
	fmt.Fprintf(std.out, "Done: pages, search and the log of events no longer have it. %s and %s. What a feed brings of it later is cut down in the same way.\n", again(done.Queued), blanked(done.Blanked))
	if c.Hide {
		fmt.Fprintln(std.out, "Those who had been told of it will hear that it was taken down. Mail that has left cannot be called back.")
	}
	return nil
}

// commandLine is who acts when it is not somebody who has signed in.
const commandLine = "command line"

// actOn is what the command line does to an application, for the record.
func actOn(ref alerts.Ref, what, reason string) alerts.Act {
	return alerts.Act{Kind: alerts.ActRecord, Who: commandLine, What: what, Subject: alerts.RecordSubject(ref), Reason: alerts.Line(reason, alerts.MaxReason)}
}

func noApplication(ref alerts.Ref) error {
	return fmt.Errorf("there is no application %s %s: give the authority's short name, as in \"sitenotice feed list\", and the reference as the council writes it", ref.Authority, ref.Number)
}

func again(n int) string {
	return alerts.English.Plural(n, "mail that waits is written anew", "mails that wait are written anew")
}

func blanked(n int) string {
	return alerts.English.Plural(n, "sent mail is no longer kept", "sent mails are no longer kept")
}

type applicationsRestore struct {
	Authority string `arg:"" help:"The authority's short name."`
	Reference string `arg:"" help:"The reference."`
	Reason    string `required:"" help:"Why, for the record."`
}

// Run lifts a redaction.
func (c *applicationsRestore) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	ref := alerts.Ref{Authority: c.Authority, Number: c.Reference}
	err = s.Restore(ctx, ref, actOn(ref, "restored", c.Reason), cfg.clock())
	switch {
	case errors.Is(err, alerts.ErrNotFound):
		return fmt.Errorf("there is no application %s %s", c.Authority, c.Reference)
	case errors.Is(err, alerts.ErrConflict):
		return fmt.Errorf("nothing has been taken away of %s %s", c.Authority, c.Reference)
	case err != nil:
		return err
	}
	fmt.Fprintln(std.out, "Done: what was taken away comes back with the next reading of a feed that has it.")
	return nil
}
