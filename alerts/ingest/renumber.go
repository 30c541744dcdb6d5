package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file finds cases that a register without keys of its own has given another
// number: the old number has gone, and a new one has come with the same proposal at the
// same address, received on the same day.

// maxUnheard is of how many new rows at most the old numbers are looked for: a run that
// brings more is no day's corrections.
const maxUnheard = 1_000

// whole reports whether everything that the register has was read, so that a number
// that is not there has gone.
func (in *intake) whole(fault string, usual alerts.Habits) bool {
	so := in.run
	so.Counts = in.counts
	return fault == "" && !in.run.Incremental && !usual.Shrunk(so)
}

// findRenumbered looks among the new rows for cases that are known under a number that
// has gone. It counts them as changed, and does not count what they do not tell. Where
// two could be one, neither is.
func (in *intake) findRenumbered(ctx context.Context) error {
	if len(in.unheard) == 0 || len(in.unheard) > maxUnheard {
		return nil
	}
	type alike struct {
		is  []alerts.Record
		was []alerts.Record
	}
	cases := map[string]*alike{}
	days := map[string][]alerts.Date{} // by authority
	for _, r := range in.unheard {
		likeness := r.Details.Likeness()
		if likeness == "" {
			continue
		}
		likeness = r.Authority + "\n" + likeness
		if cases[likeness] == nil {
			cases[likeness] = &alike{}
			days[r.Authority] = append(days[r.Authority], r.Details.Received)
		}
		cases[likeness].is = append(cases[likeness].is, r)
	}
	for authority, days := range days {
		slices.Sort(days)
		known, err := in.stage.Store.Received(ctx, in.run.FeedID, authority, slices.Compact(days))
		if err != nil {
			return err
		}
		for _, r := range known {
			if _, there := in.seen[in.keyOf(r.SourceKey)]; there {
				continue
			}
			if c := cases[authority+"\n"+r.Details.Likeness()]; c != nil {
				c.was = append(c.was, r)
			}
		}
	}
	for _, c := range cases {
		if len(c.is) != 1 || len(c.was) != 1 {
			continue
		}
		is, was := &c.is[0], &c.was[0]
		in.renumbered = append(in.renumbered, alerts.Renumbering{Authority: is.Authority, Was: was.Details.Reference, Is: is.Details.Reference, Key: was.SourceKey})
		in.counts.New--
		in.counts.Changed++
		in.counts.Newsworthy += in.newsworthy(&was.Details, &is.Details) - in.newsworthy(nil, &is.Details)
	}
	slices.SortFunc(in.renumbered, func(a, b alerts.Renumbering) int { return strings.Compare(a.Was, b.Was) })
	return nil
}

// renumber makes the new numbers of cases lead to them, before the run is applied, and
// tells somebody, who may see that it was a mistake.
func (s *Stage) renumber(ctx context.Context, run alerts.Run, f alerts.Feed, cases []alerts.Renumbering) error {
	key := "renumbered:" + f.Slug
	if run.Verdict == alerts.VerdictComplete {
		if _, err := s.Store.ClearNotice(ctx, key); err != nil {
			return err
		}
	}
	if len(cases) == 0 || run.Verdict == alerts.VerdictFailed {
		return nil
	}
	if err := s.Store.Renumber(ctx, run.FeedID, cases); err != nil {
		return err
	}
	const shown = 20
	var b strings.Builder
	fmt.Fprintf(&b, "The feed %s has %s: the old number has gone, and the new one has the same proposal, address and day. Nobody was told of a new case.", f.Slug,
		alerts.English.Plural(len(cases), "application that seems to have got another number", "applications that seem to have got another number"))
	for _, c := range cases[:min(len(cases), shown)] {
		fmt.Fprintf(&b, "\n%s is now %s", c.Was, c.Is)
	}
	if more := len(cases) - shown; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	fmt.Fprintf(&b, "\nIf that is wrong, take the reading back with: sitenotice feed rollback %s", f.Slug)
	return s.Store.Notice(ctx, key, b.String(), s.Now())
}
