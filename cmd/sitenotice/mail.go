package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
)

type mailCommand struct {
	Receive mailReceive `cmd:"" help:"Read one message that arrived at the --inbound address from standard input: a bounce, a complaint, a wish to stop."`
}

type mailReceive struct {
	Recipient []string `help:"Address in the message's envelope (\"$${recipient}\" of a Postfix pipe). Otherwise it is looked for in ORIGINAL_RECIPIENT, RECIPIENT and the header."`
}

// tryAgain is the exit status by which a mail server keeps a message and hands it
// over again later (EX_TEMPFAIL).
const tryAgain = 75

// Run reads the message and does what it asks. Whatever it is, the status is 0,
// so that nothing is ever bounced back, unless it has to be handed over again.
func (c *mailReceive) Run(ctx context.Context, cfg *Config, std streams) error {
	if cfg.Inbound == "" {
		return &statusError{errors.New("name the address at which this mail arrives with --inbound, the same as for \"sitenotice serve\""), tryAgain}
	}
	later := func(err error) error { return &statusError{err, tryAgain} }
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return later(err)
	}
	defer s.Close()
	keys, err := cfg.keys()
	if err != nil {
		return later(err)
	}
	in, err := alerts.ParseInbound(cfg.Inbound, keys)
	if err != nil {
		return later(fmt.Errorf("--inbound: %w", err))
	}
	recipients := c.Recipient
	for _, name := range []string{"ORIGINAL_RECIPIENT", "RECIPIENT"} { // of Postfix's local delivery
		if v := os.Getenv(name); v != "" {
			recipients = append(recipients, v)
		}
	}
	report, err := deliver.Receive(std.in, in, recipients)
	switch {
	case errors.Is(err, deliver.ErrAutomatic), errors.Is(err, deliver.ErrNotOurs), errors.Is(err, deliver.ErrUnclear):
		fmt.Fprintf(std.out, "Ignored: %v.\n", err)
		return nil
	case err != nil:
		return later(err)
	}
	switch err := s.ReportMail(ctx, report, cfg.clock()); {
	case errors.Is(err, alerts.ErrNotFound):
		fmt.Fprintf(std.out, "Ignored: %v.\n", deliver.ErrNotOurs)
	case err != nil:
		return later(err)
	default:
		fmt.Fprintf(std.out, "Taken: %s.\n", report.Kind)
	}
	return nil
}

// mailEvents takes what SendGrid's Event Webhook reports.
func (s *service) mailEvents(ctx context.Context, signature, timestamp string, body []byte) error {
	reports, err := s.events.Read(signature, timestamp, body, s.now())
	if err != nil {
		return err
	}
	return s.store.ReportMails(ctx, reports, s.now())
}
