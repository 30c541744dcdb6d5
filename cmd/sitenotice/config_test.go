package main

import (
	"strings"
	"testing"
)

func TestWhatNobodyHasConfiguredIsSaidAtStart(t *testing.T) {
	all := Config{Contact: "op@example.org", Operator: "Lamplighter Trust", Mail: "smtp://relay.example"}
	if got := all.lacking(); len(got) > 0 {
		t.Errorf("everything is configured, and it warns: %q", got)
	}
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Contact = "" }, "--contact"},
		{func(c *Config) { c.Operator = "" }, "--operator"},
		{func(c *Config) { c.Mail = "capture" }, "--mail"},
	} {
		cfg := all
		c.change(&cfg)
		if got := cfg.lacking(); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("warnings %q, want one that names %s", got, c.want)
		}
	}
	bad := Config{BaseURL: "https://a.example", From: "a@b.example", Complaints: "nobody"}
	if err := bad.validate(); err == nil || !strings.Contains(err.Error(), "--complaints") {
		t.Errorf("an address for complaints that is none: %v", err)
	}
}
