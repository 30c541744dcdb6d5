package alerts_test

import (
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestTheMonthInWhichARegisterBeginsIsNotCounted(t *testing.T) {
	for _, c := range []struct {
		first, from, to alerts.Date
		months          int
		ok              bool
	}{
		{"2020-01-15", "2025-11-01", "2026-10-31", 12, true},
		{"2026-07-31", "2026-08-01", "2026-10-31", 3, true},
		{"2026-08-01", "2026-09-01", "2026-10-31", 2, false},
		{"2026-11-02", "2026-11-01", "2026-10-31", 0, false},
		{"", "", "", 0, false},
	} {
		from, to, months, ok := alerts.CourseMonths(c.first, "2026-11-23")
		if from != c.from || to != c.to || months != c.months || ok != c.ok {
			t.Errorf("since %s: %s to %s, %d months, %v", c.first, from, to, months, ok)
		}
	}
}

func TestACourseSaysOnlyWhatTheDataSupports(t *testing.T) {
	decided := func(after int) alerts.Details {
		d := alerts.Details{Status: alerts.StatusDecided, Decision: alerts.DecisionApproved, Received: "2025-08-01", Valid: "2025-08-05"}
		if after > 0 {
			d.Decided = d.Valid.AddDays(after)
		}
		return d
	}
	open := alerts.Details{Status: alerts.StatusPending, Received: "2025-08-01"}
	withdrawn := alerts.Details{Status: alerts.StatusWithdrawn, Received: "2025-08-01"}
	settle := func(cases ...alerts.Details) (c alerts.Course) {
		c.Settle(cases)
		return c
	}
	many := func(n int, d alerts.Details) (out []alerts.Details) {
		for range n {
			out = append(out, d)
		}
		return out
	}
	if c := settle(many(29, decided(50))...); c != (alerts.Course{}) {
		t.Errorf("of 29 cases: %+v", c)
	}
	cases := append(many(21, decided(40)), many(10, decided(0))...)
	cases = append(append(append(cases, many(18, decided(90))...), many(4, withdrawn)...), many(7, open)...)
	c := settle(cases...)
	if c.Looked != 60 || c.Decided != 49 || c.DecidedOf() != 82 || c.WithdrawnOf() != 7 || c.Dated != 39 || c.Median != 40 {
		t.Errorf("%+v, %d %%, %d %%", c, c.DecidedOf(), c.WithdrawnOf())
	}
	if c := settle(append(many(19, decided(40)), many(20, decided(0))...)...); c.Decided != 39 || c.Median != 0 || c.Dated != 0 {
		t.Errorf("a median of 19 dates: %+v", c)
	}
}
