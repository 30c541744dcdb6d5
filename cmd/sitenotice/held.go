package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// What both commands have that decide about held news.
type heldFlags struct {
	Feed   string `arg:"" help:"The feed."`
	Reason string `help:"Why, for the record; name nobody in it."`
	Alone  bool   `help:"There is nobody else to agree, though it concerns many: goes into the record with --reason."`
}

type feedRelease struct {
	heldFlags
	Yes bool `help:"Release without asking; without it, only say what would be sent."`
}

// Run says what a release would send and, with --yes, releases.
func (c *feedRelease) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	return s.decideHeld(ctx, std, alerts.HeldRelease, c.heldFlags, c.Yes)
}

type feedDiscard struct{ heldFlags }

// Run silences what is held of the feed. The applications stay.
func (c *feedDiscard) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	return s.decideHeld(ctx, std, alerts.HeldDiscard, c.heldFlags, true)
}

// decideHeld does with the held news of a feed what somebody at the command line
// wants. They are nobody in particular, so they are no second person either.
func (s *service) decideHeld(ctx context.Context, std streams, choice alerts.HeldChoice, c heldFlags, sure bool) error {
	f, err := s.store.Feed(ctx, c.Feed)
	if err != nil {
		return fmt.Errorf("%w: \"sitenotice feed list\" lists the feeds", err)
	}
	d := alerts.HeldDecision{Choice: choice, Who: commandLine, Reason: alerts.Line(c.Reason, alerts.MaxReason), Above: s.cfg.SecondPersonAbove, Alone: c.Alone}
	if c.Alone && d.Reason == "" {
		return usage("--alone needs --reason: why nobody else can agree, for the record")
	}
	if d.Hold, err = s.store.Hold(ctx, f); err != nil {
		return err
	}
	if d.Reach, err = s.preview(ctx, f); err != nil {
		return err
	}
	if d.Hold.Events == 0 {
		fmt.Fprintf(std.out, "Nothing of %s is held.\n", c.Feed)
		return nil
	}
	if s.cfg.JSON && !sure {
		return printJSON(std.out, d.Reach)
	}
	if choice == alerts.HeldRelease {
		fmt.Fprintf(std.out, "%s tell %s people about %s applications; %s of them are over %d days old.\n",
			map[bool]string{false: "A release would", true: "This will"}[sure], alerts.Thousands(d.Reach.People), alerts.Thousands(d.Reach.Applications), alerts.Thousands(d.Reach.Old), alerts.OldDays)
	}
	if !sure {
		fmt.Fprintf(std.out, "Release them with: sitenotice feed release %s --yes\nSilence them with:  sitenotice feed discard %s\n", c.Feed, c.Feed)
		return nil
	}
	if d.NeedsTwo() && !d.Alone {
		command := "release " + c.Feed + " --yes"
		if choice == alerts.HeldDiscard {
			command = "discard " + c.Feed
		}
		return fmt.Errorf("this concerns %s people, and above %s a second person has to agree: let two operators do it at %s, or, if there is nobody else, say so and why: sitenotice feed %s --alone --reason \"…\"",
			alerts.Thousands(d.Reach.People), alerts.Thousands(d.Above), s.heldPage(f), command)
	}
	step, err := s.store.DecideHeld(ctx, f, d, s.heldPage(f), s.now())
	if errors.Is(err, alerts.ErrConflict) {
		return errors.New("more was held meanwhile: look at it again")
	}
	if err != nil {
		return err
	}
	if step != alerts.HeldDo {
		return fmt.Errorf("a second person has to agree at %s", s.heldPage(f))
	}
	if choice == alerts.HeldDiscard {
		events, err := s.store.Discard(ctx, f, d.Hold.Last)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "Silenced: %s pieces of news. The applications are stored and shown all the same.\n", alerts.Thousands(int(events)))
		return nil
	}
	events, err := s.store.Release(ctx, f, d.Hold.Last, s.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Released: %s pieces of news.\n", alerts.Thousands(events))
	return nil
}

// heldPage is where the held news of a feed is looked at.
func (s *service) heldPage(f alerts.Feed) string {
	return strings.TrimRight(s.cfg.BaseURL, "/") + "/admin/feeds/" + url.PathEscape(f.Slug)
}
