package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/sitenotice/sitenotice/alerts"
)

type feedReach struct {
	Feed string `arg:"" help:"The feed's name."`
	CSV  bool   `name:"csv" help:"Print the figures as CSV."`
}

// Run prints, for each authority of a feed, the months that are over as everybody may
// see them.
func (c *feedReach) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	f, err := s.Feed(ctx, c.Feed)
	if err != nil {
		return fmt.Errorf("%w: sitenotice feed list shows the feeds", err)
	}
	authorities, err := s.AuthoritiesOf(ctx, f)
	if err != nil {
		return err
	}
	if err := s.MeasureReach(ctx, cfg.clock()); err != nil {
		return err
	}
	type report struct {
		Authority string                  `json:"authority"`
		Months    []alerts.PublishedMonth `json:"months"`
	}
	reports := []report{}
	for _, slug := range authorities {
		tallies, err := s.Reach(ctx, slug)
		if err != nil {
			return err
		}
		r := report{slug, []alerts.PublishedMonth{}}
		for i := range tallies {
			r.Months = append(r.Months, tallies[i].Published())
		}
		reports = append(reports, r)
	}
	switch {
	case cfg.JSON:
		return printJSON(std.out, reports)
	case c.CSV:
		out := csv.NewWriter(std.out)
		out.Write(append([]string{"authority"}, alerts.ReachColumns...))
		for _, r := range reports {
			for i := range r.Months {
				out.Write(append([]string{r.Authority}, r.Months[i].Cells()...))
			}
		}
		out.Flush()
		return out.Error()
	}
	w := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "AUTHORITY\tMONTH\tNEW\tTOLD OF\tPEOPLE\tALERTS\tHOURS\t95 IN 100\tDAYS LEFT\t95 IN 100")
	none := true
	for _, r := range reports {
		for i := range r.Months {
			none = false
			fmt.Fprintln(w, r.Authority+"\t"+strings.Join(r.Months[i].Cells(), "\t"))
		}
	}
	if none {
		fmt.Fprintln(std.out, "No month has been counted yet: each is when it is over.")
		return nil
	}
	return w.Flush()
}
