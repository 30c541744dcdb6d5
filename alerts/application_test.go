package alerts_test

import (
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestReferenceKeyJoinsSpellingsOfOneReference(t *testing.T) {
	for _, same := range [][]string{
		{"26/01471/TR", "26/01471/tr", " 26/01471/TR ", "26 /01471/ TR", "26/01471/TR\u200b", "２６/01471/TR"},
		{"CA//12/01582", "CA//12/01582 "},
		{"P/00404/12 A", "P/00404/12   A", "P/00404/12\u00a0A"},
	} {
		for _, s := range same[1:] {
			if alerts.ReferenceKey(s) != alerts.ReferenceKey(same[0]) {
				t.Errorf("%q and %q are one reference", s, same[0])
			}
		}
	}
	if alerts.ReferenceKey("26/00374/FUL") == alerts.ReferenceKey("326/00374/FUL") {
		t.Error("references are opaque: another digit is another reference")
	}
}

func TestDates(t *testing.T) {
	if got := alerts.DateOf(time.Date(2026, 6, 30, 23, 30, 0, 0, time.UTC)); got != "2026-07-01" {
		t.Errorf("half past midnight in London is on %s, want 2026-07-01", got)
	}
	d := alerts.Date("2026-12-12")
	if got := d.Long(); got != "12 December 2026" {
		t.Errorf("Long = %q", got)
	}
	if got := alerts.Date("2028-02-28").AddDays(2); got != "2028-03-01" {
		t.Errorf("28 February 2028 and two days = %s", got)
	}
	if got := alerts.Date("2026-03-28").DaysUntil("2026-03-30"); got != 2 {
		t.Errorf("days across the change of clocks = %d, want 2", got)
	}
	if alerts.Date("").Long() != "" || alerts.Date("").AddDays(3) != "" {
		t.Error("an unknown date stays unknown")
	}
	if _, err := alerts.ParseDate("03/04/2026"); err == nil {
		t.Error("03/04/2026 could be either day and must be refused")
	}
}
