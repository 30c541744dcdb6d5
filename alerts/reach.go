package alerts

import (
	"fmt"
	"time"
)

// This file is how many people a council's applications reached through us, and how
// early: figures that the council may publish, and that point at nobody.

// Fewest is how many people a figure has to stand on to be shown. Whoever makes up an
// application must not learn from it whether somebody follows the place.
const Fewest = 5

// reachRounding is to which number people and alerts are rounded, downwards, so that
// the difference between two figures is no single person either.
const reachRounding = 5

// ReachMonths is how many months a report goes back.
const ReachMonths = 12

// MonthsBefore returns the last months that are over in London, the latest first.
func MonthsBefore(now time.Time, n int) []Month {
	from, _ := PreviousMonth(now).Bounds()
	months := make([]Month, n)
	for i := range months {
		months[i] = Month(from.AddDate(0, -i, 0).Format("2006-01"))
	}
	return months
}

// A Tally is what was counted of one authority's alerts in a month. It is kept as it
// was counted, and shown as [Tally.Published] says.
type Tally struct {
	Authority    string // slug; "" for all together
	Month        Month
	Applications int // that were new in the month and told, or free to be told, to whoever wanted
	Told         int // of which somebody was told something
	People       int // who were
	Alerts       int // an event told to a person is one
	New          Lead
	Dated        Lead
}

// A Lead is how early some alerts came: hours from reading of an application for the
// first time, or days that were left to comment.
type Lead struct {
	People int // who got such alerts
	Alerts int
	Median int
	P95    int // 95 in 100 came no later; of days left, had no fewer
}

// A PublishedMonth is a month of the report as everybody may see it: null where a
// figure would stand on fewer than [Fewest] people.
type PublishedMonth struct {
	Month        Month `json:"month"`
	Applications int   `json:"applications"`
	Told         *int  `json:"applications_told"`
	People       *int  `json:"people_told_at_least"`
	Alerts       *int  `json:"alerts_at_least"`
	HoursMedian  *int  `json:"hours_to_alert_median"`
	HoursP95     *int  `json:"hours_to_alert_95_in_100"`
	DaysMedian   *int  `json:"days_left_to_comment_median"`
	DaysP95      *int  `json:"days_left_to_comment_95_in_100"`
}

// Published returns what may be shown of a tally.
func (t *Tally) Published() PublishedMonth {
	p := PublishedMonth{Month: t.Month, Applications: t.Applications}
	down := func(n int) *int { n = n / reachRounding * reachRounding; return &n }
	same := func(n int) *int { return &n }
	if t.People < Fewest {
		return p
	}
	p.Told, p.People, p.Alerts = same(t.Told), down(t.People), down(t.Alerts)
	if t.New.People >= Fewest {
		p.HoursMedian, p.HoursP95 = same(t.New.Median), same(t.New.P95)
	}
	if t.Dated.People >= Fewest {
		p.DaysMedian, p.DaysP95 = same(t.Dated.Median), same(t.Dated.P95)
	}
	return p
}

// FewWords is what stands in place of a figure that is not shown.
var FewWords = fmt.Sprintf("fewer than %d", Fewest)

// A Spread is how often each number occurred.
type Spread map[int]int

// Rank returns the number that so many of the occurrences do not exceed, as a share.
func (s Spread) Rank(share float64) (v int) {
	all, least, most := 0, 0, 0
	for n, times := range s {
		if all == 0 {
			least, most = n, n
		}
		all, least, most = all+times, min(least, n), max(most, n)
	}
	below := 0
	for v = least; v < most; v++ {
		if below += s[v]; float64(below) >= share*float64(all) {
			break
		}
	}
	return v
}

// ReachColumns names what [PublishedMonth.Cells] returns.
var ReachColumns = []string{"month", "applications", "applications_told", "people_told_at_least", "alerts_at_least",
	"hours_to_alert_median", "hours_to_alert_95_in_100", "days_left_to_comment_median", "days_left_to_comment_95_in_100"}

// Cells returns the month as a line of a table; cells are empty where a figure is not
// shown.
func (p *PublishedMonth) Cells() []string {
	cells := []string{string(p.Month), fmt.Sprint(p.Applications)}
	for i, n := range []*int{p.Told, p.People, p.Alerts, p.HoursMedian, p.HoursP95, p.DaysMedian, p.DaysP95} {
		switch {
		case n != nil:
			cells = append(cells, fmt.Sprint(*n))
		case i < 3:
			cells = append(cells, FewWords)
		default:
			cells = append(cells, "")
		}
	}
	return cells
}
