package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

type operatorsCommand struct {
	Add    operatorsAdd    `cmd:"" help:"Let somebody see the operator's pages; they sign in with a link sent to the address."`
	List   operatorsList   `cmd:"" help:"List the operators."`
	Remove operatorsRemove `cmd:"" help:"Take somebody's access away, at once."`
}

type operatorsAdd struct {
	Address string `arg:"" help:"E-mail address."`
	Role    string `enum:"operator,viewer" default:"operator" help:"operator, or viewer: looks at everything but people, and changes nothing."`
}

// Run makes somebody an operator, or a viewer of the operator's pages.
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
	if _, err := s.Grant(ctx, address, keys.AddressKeys(address), alerts.Grant{Scope: alerts.ScopeOperator, Role: alerts.OperatorRoles[c.Role]}, commandLine, cfg.clock()); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s is %s now. Sign in at %s/sign-in\n", address, article(c.Role), cfg.BaseURL)
	return nil
}

// article puts one before the name of a role.
func article(role string) string {
	if role == "viewer" {
		return "a viewer"
	}
	return "an operator"
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
		type row struct {
			Address string `json:"address"`
			Role    string `json:"role"`
		}
		rows := []row{}
		for _, h := range holders {
			rows = append(rows, row{h.Address, alerts.OperatorRole(h.Role(alerts.ScopeOperator))})
		}
		return printJSON(std.out, rows)
	}
	if len(holders) == 0 {
		fmt.Fprintln(std.out, "There is no operator yet. Add one with: sitenotice operators add ADDRESS")
	}
	for _, h := range holders {
		fmt.Fprintf(std.out, "%s  %s\n", h.Address, alerts.OperatorRole(h.Role(alerts.ScopeOperator)))
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
		if strings.EqualFold(h.Address, c.Address) {
			if err := s.Revoke(ctx, h.ID, alerts.ScopeOperator, commandLine, cfg.clock()); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "%s is no %s any more.\n", h.Address, alerts.OperatorRole(h.Role(alerts.ScopeOperator)))
			return nil
		}
	}
	return fmt.Errorf("%s is no operator; sitenotice operators list shows who is", c.Address)
}
