package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

// mails lists the subjects of the mails that went to an address, oldest first, without
// that of its confirmation.
func (c *council) mails(address string) (subjects []string) {
	c.Helper()
	for range 3 {
		for _, p := range c.service.passes() {
			if p.name == "ingest" {
				continue
			}
			if _, err := p.run(c.Context()); err != nil {
				c.Fatalf("%s: %v", p.name, err)
			}
		}
	}
	all, err := c.service.store.CapturedMail(c.Context(), 1000)
	if err != nil {
		c.Fatal(err)
	}
	for _, m := range all {
		if m.Address == address && m.Subject != "confirm" {
			subjects = append([]string{m.Subject}, subjects...)
		}
	}
	return subjects
}

// The whole way of a mistaken file: who had been told of it gets one correction, who was
// about to be told is not, and who never was hears nothing at all.
func TestAMistakeIsPutRightByOneMail(t *testing.T) {
	eachCouncil(t, func(c *council) {
		hand := func(file string) alerts.Run {
			t.Helper()
			f, err := c.service.store.Feed(c.Context(), "village")
			if err != nil {
				t.Fatal(err)
			}
			run, err := c.service.ingest.Import(c.Context(), f, strings.NewReader("ref,what,got,state,lon,lat\n"+file), ingest.Options{})
			if err != nil || run.Verdict != alerts.VerdictComplete {
				t.Fatalf("%+v %v", run, err)
			}
			return run
		}
		const near, far = ",-0.1425,51.5397\n", ",-0.2425,51.5397\n"
		const right = "1,A house,2026-11-01,REG" + near
		hand(right)
		c.followAs("told@example.org", alerts.Immediate)
		c.followAs("weekly@example.org", alerts.Weekly)
		mistake := hand(right + "2,A tower,2026-11-20,REG" + near + "3,Another tower,2026-11-20,REG" + near + "4,A far tower,2026-11-20,REG" + far)
		if got := c.mails("told@example.org"); len(got) != 1 {
			t.Fatalf("before: %q", got)
		}
		waiting := c.count(`SELECT count(*) FROM match m JOIN subscription_version v ON v.id = m.version_id WHERE m.delivery_id IS NULL AND m.closed IS NULL`)
		if waiting != 2 {
			t.Fatalf("%d pieces of news wait for the weekly mail", waiting)
		}
		f, err := c.service.store.Feed(c.Context(), "village")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // twice is once
			if _, err := c.service.store.Rollback(c.Context(), f, mistake.ID, c.service.now()); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now().Add(8 * 24 * time.Hour) // Thursday has been
		clock := func() time.Time { return now }
		c.service.match.Now, c.service.compose.Now, c.service.deliver.Now = clock, clock, clock
		got := c.mails("told@example.org")
		if len(got) != 2 {
			t.Errorf("who was told got %q", got)
		}
		if got := c.mails("weekly@example.org"); len(got) != 0 {
			t.Errorf("who was not told got %q", got)
		}
		now = now.Add(8 * 24 * time.Hour)
		if again := c.mails("told@example.org"); len(again) != len(got) {
			t.Errorf("told again: %q", again)
		}
		if c.stored() != 1 {
			t.Errorf("%d applications are shown", c.stored())
		}
	})
}
