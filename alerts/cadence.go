package alerts

import "time"

// Cadence is how often a recipient wants to hear.
type Cadence string

// The cadences.
const (
	Immediate Cadence = "immediate" // one mail a pass, at most one an hour
	Daily     Cadence = "daily"     // 07:00 in London
	Weekly    Cadence = "weekly"    // Thursday 07:00 in London
	Hook      Cadence = "webhook"   // one delivery an event, for endpoints
)

// Mail that comes at no cadence, by the names under which its links stop it.
const (
	Reminders Cadence = "reminders" // of closing dates
	Notes     Cadence = "notes"     // after a month in which nothing was sent
)

// ImmediateGap is the least time between two immediate mails to one person.
const ImmediateGap = time.Hour

// digestHour is outside 01:00–02:00, the hour that a change of clocks skips or repeats.
const digestHour = 7

// NextDue returns the first moment strictly after t at which mail of the cadence
// is due. For immediate it is ImmediateGap after t, which is when the last mail
// was composed.
func NextDue(c Cadence, t time.Time) time.Time {
	switch c {
	case Daily, Weekly:
		local := t.In(London)
		for day := 0; ; day++ {
			// time.Date normalises the day and finds the offset in force on it.
			due := time.Date(local.Year(), local.Month(), local.Day()+day, digestHour, 0, 0, 0, London)
			if due.After(t) && (c == Daily || due.Weekday() == time.Thursday) {
				return due.UTC()
			}
		}
	case Hook:
		return t
	}
	return t.Add(ImmediateGap)
}

// PreviousDue returns the last moment not after t at which a digest of the
// cadence was due; t itself for a cadence without fixed moments.
func PreviousDue(c Cadence, t time.Time) time.Time {
	if c != Daily && c != Weekly {
		return t
	}
	due := NextDue(c, t.AddDate(0, 0, -8))
	for next := NextDue(c, due); !next.After(t); next = NextDue(c, due) {
		due = next
	}
	return due
}

// ClosesBefore reports whether comments close on a day by which the digest due
// at next would come too late to be of use: on or before the day of that digest.
func ClosesBefore(closes Date, next time.Time) bool {
	return closes != "" && closes <= DateOf(next)
}
