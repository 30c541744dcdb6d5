package alerts

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func TestFiguresThatStandOnFewPeopleAreNotShown(t *testing.T) {
	tally := func(people, fresh, dated int) Tally {
		return Tally{Month: "2026-10", Applications: 40, Told: 13, People: people, Alerts: 28, New: Lead{fresh, 20, 3, 26}, Dated: Lead{dated, 9, 17, 4}}
	}
	for _, c := range []struct {
		name string
		t    Tally
		want string
	}{
		{"nobody", tally(0, 0, 0), `{"month":"2026-10","applications":40,"applications_told":null,"people_told_at_least":null,"alerts_at_least":null,"hours_to_alert_median":null,"hours_to_alert_95_in_100":null,"days_left_to_comment_median":null,"days_left_to_comment_95_in_100":null}`},
		{"four", tally(4, 4, 4), `{"month":"2026-10","applications":40,"applications_told":null,"people_told_at_least":null,"alerts_at_least":null,"hours_to_alert_median":null,"hours_to_alert_95_in_100":null,"days_left_to_comment_median":null,"days_left_to_comment_95_in_100":null}`},
		{"five, of whom four were told something new", tally(5, 4, 4), `{"month":"2026-10","applications":40,"applications_told":13,"people_told_at_least":5,"alerts_at_least":25,"hours_to_alert_median":null,"hours_to_alert_95_in_100":null,"days_left_to_comment_median":null,"days_left_to_comment_95_in_100":null}`},
		{"nine", tally(9, 9, 5), `{"month":"2026-10","applications":40,"applications_told":13,"people_told_at_least":5,"alerts_at_least":25,"hours_to_alert_median":3,"hours_to_alert_95_in_100":26,"days_left_to_comment_median":17,"days_left_to_comment_95_in_100":4}`},
	} {
		got, err := json.Marshal(c.t.Published())
		if err != nil || string(got) != c.want {
			t.Errorf("%s: shown\n%s, want\n%s (%v)", c.name, got, c.want, err)
		}
	}
}

// One person more or less changes nothing that is shown, nine times in ten.
func TestTwoReportsDifferByNoSinglePerson(t *testing.T) {
	steps := 0
	for n := Fewest; n < 1000; n++ {
		a, b := Tally{People: n, Alerts: n}, Tally{People: n + 1, Alerts: n + 1}
		if d := *b.Published().People - *a.Published().People; d != 0 {
			steps++
			if d != reachRounding {
				t.Errorf("%d people are shown %d apart from %d", n+1, d, n)
			}
		}
	}
	if steps != 199 {
		t.Errorf("%d steps", steps)
	}
}

func TestRankFindsMedianAndTail(t *testing.T) {
	for _, c := range []struct {
		s           Spread
		median, p95 int
	}{
		{Spread{}, 0, 0}, {Spread{7: 1}, 7, 7}, {Spread{1: 1, 3: 1}, 1, 3}, {Spread{0: 94, 50: 6}, 0, 50}, {Spread{0: 95, 50: 5}, 0, 0}, {Spread{-3: 2, 10: 3}, 10, 10},
	} {
		if m, p := c.s.Rank(.5), c.s.Rank(.95); m != c.median || p != c.p95 {
			t.Errorf("%v: median %d and p95 %d, want %d and %d", c.s, m, p, c.median, c.p95)
		}
	}
}

func TestMonthsGoBackOverTheYear(t *testing.T) {
	got := MonthsBefore(time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC), 5) // April in London
	if want := []Month{"2026-03", "2026-02", "2026-01", "2025-12", "2025-11"}; !slices.Equal(got, want) {
		t.Errorf("months %v, want %v", got, want)
	}
}
