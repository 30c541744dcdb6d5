package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

type operatorsCommand struct {
	Add    operatorsAdd    `cmd:"" help:"Let somebody see the operator's pages; they sign in with a link sent to the address."`
	List   operatorsList   `cmd:"" help:"List the operators."`
	Remove operatorsRemove `cmd:"" help:"Take somebody's access away, at once."`
}

type operatorsAdd struct {
	Address string `arg:"" help:"E-mail address."`
}

// Run makes somebody an operator.
func (c *operatorsAdd) Run(ctx context.Context, cfg *Config, std streams) error {
	address, fault := alerts.ParseAddress(c.Address)
	if fault != nil {
		return usage("%q is not an e-mail address like name@example.org", c.Address)
	}
	s, err := cfg.openStore(ctx, true)
	if err != nil {
		return err
	}
	defer s.Close()
	keys, err := cfg.keys()
	if err != nil {
		return err
	}
	if _, err := s.Grant(ctx, address, keys.AddressKeys(address), alerts.Grant{Scope: alerts.ScopeOperator, Role: alerts.RoleOwner}, cfg.clock()); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s is an operator now. Sign in at %s/sign-in\n", address, cfg.BaseURL)
	return nil
}

type operatorsList struct{}

// Run lists the operators.
func (c *operatorsList) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	holders, err := s.Holders(ctx, alerts.ScopeOperator)
	if err != nil {
		return err
	}
	if cfg.JSON {
		addresses := []string{}
		for _, h := range holders {
			addresses = append(addresses, h.Address)
		}
		return json.NewEncoder(std.out).Encode(addresses)
	}
	if len(holders) == 0 {
		fmt.Fprintln(std.out, "There is no operator yet. Add one with: sitenotice operators add ADDRESS")
	}
	for _, h := range holders {
		fmt.Fprintln(std.out, h.Address)
	}
	return nil
}

type operatorsRemove struct {
	Address string `arg:"" help:"E-mail address."`
}

// Run takes an operator's access away.
func (c *operatorsRemove) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	holders, err := s.Holders(ctx, alerts.ScopeOperator)
	if err != nil {
		return err
	}
	for _, h := range holders {
		if h.Address == c.Address {
			if err := s.Revoke(ctx, h.ID, alerts.ScopeOperator); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s is no operator any more.\n", h.Address)
			return nil
		}
	}
	return fmt.Errorf("%s is no operator; sitenotice operators list shows who is", c.Address)
}
