package alerts

import (
	"fmt"
	"time"
)

// A Date is a civil date in ISO form, "2026-03-14"; empty when unknown. Planning
// dates are days on a council's calendar, so they have no time and no zone, and
// comparing them as strings compares them as dates.
type Date string

// London is the zone in which councils' days begin and digests are due.
var London = mustLoad("Europe/London")

func mustLoad(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // cmd/sitenotice embeds time/tzdata, so this cannot happen there
	}
	return loc
}

// DateOf returns the day in London at the moment t.
func DateOf(t time.Time) Date { return Date(t.In(London).Format(time.DateOnly)) }

// ParseDate accepts an ISO date or the empty string.
func ParseDate(s string) (Date, error) {
	if s == "" {
		return "", nil
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fmt.Errorf("%q is not a date like 2026-03-14", s)
	}
	return Date(s), nil
}

// Time returns midnight UTC of the date, for counting days; the zero time when
// the date is empty or malformed.
func (d Date) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// AddDays returns the date n days later (earlier when n is negative).
func (d Date) AddDays(n int) Date {
	if d == "" {
		return ""
	}
	return Date(d.Time().AddDate(0, 0, n).Format(time.DateOnly))
}

// AddMonths returns the date n months later.
func (d Date) AddMonths(n int) Date {
	if d == "" {
		return ""
	}
	return Date(d.Time().AddDate(0, n, 0).Format(time.DateOnly))
}

// DaysUntil counts the days from d to other; negative when other is earlier.
func (d Date) DaysUntil(other Date) int {
	return int(other.Time().Sub(d.Time()) / (24 * time.Hour))
}

// Long writes the date for a reader: "12 December 2026".
func (d Date) Long() string { return d.format("2 January 2006") }

// Short writes the date for a subject line: "12 Dec".
func (d Date) Short() string { return d.format("2 Jan") }

func (d Date) format(layout string) string {
	if d == "" {
		return ""
	}
	return d.Time().Format(layout)
}
