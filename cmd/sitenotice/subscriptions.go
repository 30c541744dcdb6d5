package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
)

type subscriptionsCommand struct {
	List   subscriptionsList   `cmd:"" help:"List subscriptions by number; no addresses."`
	Export subscriptionsExport `cmd:"" help:"Print everything that is kept about a person, as JSON."`
	Erase  subscriptionsErase  `cmd:"" help:"Forget a person."`
	Allow  subscriptionsAllow  `cmd:"" help:"Let an address sign up again that is not written to."`
}

type subscriptionsList struct {
	State string `help:"Only those: pending, active or ended." enum:"pending,active,ended,all" default:"active"`
	After int64  `help:"Begin after this number." default:"0"`
	Limit int    `help:"How many at most." default:"100"`
}

// Run prints a line for each subscription. What a person calls an area may be their
// address, so it is left out.
func (c *subscriptionsList) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	state := c.State
	if state == "all" {
		state = ""
	}
	limit := max(1, min(c.Limit, 10_000))
	listed, err := s.ListSubscriptions(ctx, c.After, state, limit)
	if err != nil {
		return err
	}
	if cfg.JSON {
		type row struct {
			Subscription int64  `json:"subscription"`
			Person       int64  `json:"person"`
			State        string `json:"state"`
			Frequency    string `json:"frequency"`
			Area         string `json:"area"`
			Since        string `json:"since"`
		}
		rows := []row{}
		for _, l := range listed {
			rows = append(rows, row{l.ID, l.Recipient, l.State, l.Cadence, l.Area, time.UnixMilli(l.Since).UTC().Format(time.RFC3339)})
		}
		return printJSON(std.out, rows)
	}
	if len(listed) == 0 {
		fmt.Fprintln(std.out, "No such subscriptions.")
		return nil
	}
	w := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tPERSON\tSTATE\tFREQUENCY\tAREA\tSINCE")
	for _, l := range listed {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.Recipient, l.State, l.Cadence, l.Area, time.UnixMilli(l.Since).In(alerts.London).Format("2006-01-02 15:04 MST"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(listed) == limit {
		fmt.Fprintf(std.out, "There may be more: sitenotice subscriptions list --after %d\n", listed[limit-1].ID)
	}
	return nil
}

// A person names somebody by address or by number.
type person struct {
	Who string `arg:"" help:"The person's e-mail address or number; - to read it from standard input, which leaves no trace in the shell's history."`
}

// find returns the recipients that are meant, and the keyed hashes of the address.
func (p *person) find(ctx context.Context, cfg *Config, s *store.Store, std streams) (found []alerts.Recipient, addressKeys []string, err error) {
	who := p.Who
	if who == "-" {
		if who, err = bufio.NewReader(std.in).ReadString('\n'); err != nil && strings.TrimSpace(who) == "" {
			return nil, nil, usage("give the address or number on standard input")
		}
	}
	who = strings.TrimSpace(who)
	var id int64
	if _, err := fmt.Sscanf(who, "%d", &id); err == nil && !strings.Contains(who, "@") {
		standing, err := s.Standing(ctx, id)
		if errors.Is(err, alerts.ErrNotFound) {
			return nil, nil, fmt.Errorf("there is no person with the number %d", id)
		}
		return []alerts.Recipient{standing.Recipient}, nil, err
	}
	if !strings.Contains(who, "@") {
		return nil, nil, usage("%q is neither an e-mail address nor a number", who)
	}
	keys, err := cfg.keys()
	if err != nil {
		return nil, nil, err
	}
	addressKeys = keys.AddressKeys(who)
	found, err = s.FindRecipients(ctx, addressKeys)
	return found, addressKeys, err
}

type subscriptionsExport struct {
	person
	Reason string `help:"Why, for the record; name nobody in it."`
}

// Run prints what is kept about a person, who can see in it that this was done.
func (c *subscriptionsExport) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	found, addressKeys, err := c.find(ctx, cfg, s, std)
	if err != nil {
		return err
	}
	out := struct {
		Kept       []alerts.Personal           `json:"kept"`
		Suppressed *alerts.PersonalSuppression `json:"not_written_to,omitempty"`
	}{Kept: []alerts.Personal{}}
	for _, r := range found {
		if err := s.RecordAct(ctx, alerts.Act{Kind: alerts.ActPerson, Who: commandLine, What: alerts.ActExported, Subject: alerts.RecipientSubject(r.ID), Reason: alerts.Line(c.Reason, alerts.MaxReason)}, cfg.clock()); err != nil {
			return err
		}
		p, err := s.Personal(ctx, r.ID)
		if err != nil {
			return err
		}
		out.Kept = append(out.Kept, p)
	}
	if addressKeys != nil {
		switch reason, at, err := s.Suppression(ctx, addressKeys); {
		case err == nil:
			out.Suppressed = &alerts.PersonalSuppression{Since: time.UnixMilli(at).UTC(), Reason: reason}
		case !errors.Is(err, alerts.ErrNotFound):
			return err
		}
	}
	return printJSON(std.out, out)
}

type subscriptionsErase struct {
	person
	Suppress bool   `help:"Keep a keyed hash of the address, so that nobody can sign it up again."`
	Reason   string `required:"" help:"Why, for the record; name nobody in it."`
}

// Run forgets a person.
func (c *subscriptionsErase) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	found, _, err := c.find(ctx, cfg, s, std)
	if err != nil {
		return err
	}
	erased := 0
	for _, r := range found {
		if r.Address == "" {
			continue
		}
		act := alerts.Act{Kind: alerts.ActPerson, Who: commandLine, What: alerts.ActErased, Subject: alerts.RecipientSubject(r.ID), Reason: alerts.Line(c.Reason, alerts.MaxReason)}
		if err := s.EraseFor(ctx, r.ID, c.Suppress, act, cfg.clock()); err != nil {
			return err
		}
		erased++
	}
	if erased == 0 {
		fmt.Fprintln(std.out, "Nothing is kept about that person.")
		return nil
	}
	fmt.Fprintf(std.out, "Erased: address, areas, mail and matches. Old backups still have them until they are replaced; SendGrid keeps its own records (see docs/privacy.md).\n")
	return nil
}

type subscriptionsAllow struct {
	Address string `arg:"" help:"The address."`
	Reason  string `required:"" help:"Why, for the record; name nobody in it."`
}

// Run lifts the bar on an address.
func (c *subscriptionsAllow) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	keys, err := cfg.keys()
	if err != nil {
		return err
	}
	err = s.Unsuppress(ctx, keys.AddressKeys(c.Address), alerts.Act{Kind: alerts.ActPerson, Who: commandLine, What: alerts.ActLetIn, Subject: "suppression", Reason: alerts.Line(c.Reason, 500)}, cfg.clock())
	if errors.Is(err, alerts.ErrNotFound) {
		return errors.New("that address is not barred")
	}
	if err == nil {
		fmt.Fprintln(std.out, "Done: the address can be signed up again.")
	}
	return err
}
