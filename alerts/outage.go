package alerts

import "time"

// This file is silence: when it means that nothing happened, and when it does not.

// An Outage is a time in which an authority's register was not read.
type Outage struct {
	ID        int64
	Authority string // slug
	Name      string
	Since     int64 // unix ms at which it was noticed
	LastRead  int64 // unix ms of the last complete reading before; 0 when none is known
	EndedAt   int64 // unix ms of the reading that ended it; 0 while it lasts
	// Subscriptions are those of the recipient at hand whose areas touch the authority.
	Subscriptions []int64
}

// OutageAfter is how long a register must have been stale before subscribers hear of
// it. It is stale only after days as it is; what passes within hours, such as our own
// restart after a long stop, is nobody's worry.
const OutageAfter = 6 * time.Hour

// Readings are how often an authority's register was read lately.
type Readings struct {
	Checks int // readings, good and bad
	Failed int // of which nothing could be used
}

// ReadingsDays is over how many days readings are counted: always the same, so that
// the first of a month looks like any other day.
const ReadingsDays = 30

// A Month is a calendar month, "2026-11".
type Month string

// PreviousMonth returns the last calendar month that is over in London.
func PreviousMonth(now time.Time) Month {
	t := now.In(London)
	return Month(time.Date(t.Year(), t.Month()-1, 1, 0, 0, 0, 0, London).Format("2006-01"))
}

// Bounds are the first moment of the month in London and the first after it.
func (m Month) Bounds() (from, to time.Time) {
	from, err := time.ParseInLocation("2006-01", string(m), London)
	if err != nil {
		return time.Time{}, time.Time{}
	}
	return from, from.AddDate(0, 1, 0)
}

// In writes the month for a reader: "November 2026".
func (m Month) In(l Language) string {
	from, _ := m.Bounds()
	return l.MonthOf(from)
}

// A QuietMonth is a month in which a recipient was sent nothing, and what speaks for
// it that there was nothing to send.
type QuietMonth struct {
	Recipient     Recipient
	Subscriptions []Subscription // that are active and not paused
	Month         Month
	Councils      []QuietCouncil // that the areas touch, by name
}

// A QuietCouncil is what was read of one council in a month.
type QuietCouncil struct {
	Coverage
	Readings
	Received int  // applications that came to the council in the month, anywhere in it
	Held     bool // some of its news waits for a person
}

// IsProven reports whether the month's silence means that nothing happened: each of
// the councils was read, not too seldom to tell, and holds nothing back. Nobody gets a
// note otherwise.
func (q *QuietMonth) IsProven() bool {
	for _, c := range q.Councils {
		if c.Held || c.Checks-c.Failed < 4 { // a weekly list makes four
			return false
		}
	}
	return len(q.Councils) > 0 && len(q.Subscriptions) > 0
}
