package alerts

import "slices"

// This file is what can honestly be said of a council's applications in numbers: how
// many come in, how many are decided, and how long that takes.

// Fewer cases than these carry no number: one more or less would change it.
const (
	courseFewest = 30 // cases, of which a share is decided
	courseDated  = 20 // decided cases with both dates
)

// A case has had its time to be decided when it came in between a year and a half and
// half a year ago. So many of them are looked at.
const (
	courseFrom = 18 // months ago
	courseTo   = 6
	CourseMost = 3_000
)

// A Course is how a council's applications have gone lately. A number that the data
// does not support is left at 0.
type Course struct {
	Months    int // full calendar months that the register is known for, at most 12
	Received  int // in these
	Looked    int // cases that have had their time
	Decided   int // of these, also after an appeal
	Withdrawn int // of these
	Median    int // days from being complete, or received, to the decision
	Dated     int // decided cases with both dates
}

// AMonth is how many applications come in in a month, on average.
func (c Course) AMonth() int {
	if c.Months == 0 {
		return 0
	}
	return (c.Received + c.Months/2) / c.Months
}

// DecidedOf is the share of the cases that have had their time, in per cent.
func (c Course) DecidedOf() int { return percent(c.Decided, c.Looked) }

// WithdrawnOf is the share of those that were withdrawn, in per cent.
func (c Course) WithdrawnOf() int { return percent(c.Withdrawn, c.Looked) }

func percent(n, of int) int {
	if of == 0 {
		return 0
	}
	return (200*n + of) / (2 * of)
}

// CourseMonths returns the first and the last day of the full months to count, for a
// register whose first application is listed on a day: not the month in which it
// begins, of which part is missing. ok is false when there are fewer than three.
func CourseMonths(first, today Date) (from, to Date, months int, ok bool) {
	if first == "" {
		return "", "", 0, false
	}
	begin := today[:8] + "01"
	to = begin.AddDays(-1)
	for from = begin; months < 12 && (from.AddMonths(-1))[:7] > first[:7]; months++ {
		from = from.AddMonths(-1)
	}
	return from, to, months, months >= 3
}

// Came adds how many cases came in in so many months.
func (c *Course) Came(received, months int) {
	if received >= courseFewest {
		c.Received, c.Months = received, months
	}
}

// CourseSpan returns between which days the cases came in that have had their time.
func CourseSpan(today Date) (from, to Date) {
	return today.AddMonths(-courseFrom), today.AddMonths(-courseTo)
}

// Settle adds how the cases went that have had their time.
func (c *Course) Settle(cases []Details) {
	if len(cases) < courseFewest {
		return
	}
	var days []int
	for i := range cases {
		d := &cases[i]
		c.Looked++
		switch {
		case d.IsWithdrawn():
			c.Withdrawn++
		case d.IsDecided():
			c.Decided++
			begun := d.Valid
			if begun == "" {
				begun = d.Received
			}
			if begun != "" && d.Decided >= begun {
				days = append(days, begun.DaysUntil(d.Decided))
			}
		}
	}
	if len(days) < courseDated {
		return
	}
	slices.Sort(days)
	c.Dated, c.Median = len(days), days[len(days)/2]
}
