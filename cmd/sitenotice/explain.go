package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/audit"
)

type explainCommand struct {
	Subscription int64  `required:"" help:"The subscription's number (on the manage page, and in \"subscriptions list\")."`
	Application  string `required:"" help:"Authority and reference, for example york/26/00268/FUL."`
}

// Run says, event by event, why the subscription was or was not told.
func (c *explainCommand) Run(ctx context.Context, cfg *Config, std streams) error {
	authority, number, ok := strings.Cut(c.Application, "/")
	if !ok {
		return usage("--application %q should be the authority and the reference, for example york/26/00268/FUL", c.Application)
	}
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	x, err := s.Explain(ctx, c.Subscription, alerts.Ref{Authority: authority, Number: number})
	if errors.Is(err, alerts.ErrNotFound) {
		return fmt.Errorf("%w: is the subscription's number right, and is %s an application that has been read?", err, c.Application)
	}
	if err != nil {
		return err
	}
	now := cfg.clock()
	if cfg.JSON {
		type row struct {
			Event string `json:"event"`
			At    string `json:"at"`
			Words string `json:"words"`
			Seq   int64  `json:"seq,omitempty"`
			State string `json:"state"`
		}
		rows := []row{}
		for i := range x.Events {
			e := &x.Events[i]
			rows = append(rows, row{string(e.Event.Type), time.UnixMilli(e.Event.At).UTC().Format(time.RFC3339), e.Words(alerts.English, &x, now), e.Event.Seq, string(e.Event.State)})
		}
		return printJSON(std.out, rows)
	}
	fmt.Fprintf(std.out, "Subscription %d (%s) and %s %s\n", c.Subscription, x.Subscription.Current.Area.Label, authority, x.Ref.Number)
	for i := range x.Events {
		e := &x.Events[i]
		fmt.Fprintf(std.out, "  %s  %s\n    %s.\n", time.UnixMilli(e.Event.At).In(alerts.London).Format("2006-01-02 15:04 MST"), e.Event.Type, e.Words(alerts.English, &x, now))
	}
	return nil
}

type auditCommand struct {
	After int64 `help:"Look at events after this number." default:"0"`
	UpTo  int64 `name:"up-to" help:"Look at events up to this number (default: as far as matching has come)."`
}

// Run compares the ledger with the oracle; differences make it fail.
func (c *auditCommand) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	to := c.UpTo
	if to == 0 {
		if to, err = s.MatchPosition(ctx); err != nil {
			return err
		}
	}
	forgotten, err := s.Forgotten(ctx) // whose matches have had their time
	if err != nil {
		return err
	}
	report, err := (&audit.Audit{Store: s}).Run(ctx, max(c.After, forgotten), to)
	if err != nil {
		return err
	}
	if cfg.JSON {
		err = printJSON(std.out, report)
	} else {
		_, err = fmt.Fprintf(std.out, "%s events, %s subscription versions, %s matches: %d missing, %d too many.\n",
			alerts.Thousands(report.Events), alerts.Thousands(report.Versions), alerts.Thousands(report.Matches), len(report.Missing), len(report.Extra))
	}
	if err == nil && !report.OK() {
		err = errors.New("the ledger differs from what brute force finds; see --json for the pairs")
	}
	return err
}
