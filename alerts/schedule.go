package alerts

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// ParseSchedule reads a cron expression of five fields, or @hourly, @daily, @every
// 10m and the like. Schedules are read in UTC, so that no change of clocks skips
// or repeats anything.
func ParseSchedule(spec string) (cron.Schedule, error) {
	if strings.Contains(spec, "TZ=") { // the parser panics on some of these
		return nil, fmt.Errorf("%q: schedules are read in UTC and name no zone", spec)
	}
	if every, ok := strings.CutPrefix(strings.TrimSpace(spec), "@every "); ok {
		d, err := time.ParseDuration(every)
		if err != nil || d < time.Minute {
			return nil, fmt.Errorf("%q: the shortest is @every 1m", spec)
		}
		return everyFrom(d), nil
	}
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("%q is not a schedule like \"40 4 * * *\" (minute, hour, day, month, weekday, in UTC): %w", spec, err)
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q never comes", spec)
	}
	return s, nil
}

// CheckSchedule returns what is wrong with a schedule, if anything.
func CheckSchedule(spec string) error {
	_, err := ParseSchedule(spec)
	return err
}

// everyFrom is a schedule of equal steps since 1970, so that every process
// arrives at the same moments.
type everyFrom time.Duration

func (e everyFrom) Next(t time.Time) time.Time {
	return t.Truncate(time.Duration(e)).Add(time.Duration(e))
}

// catchUp is how far back a missed moment is looked for.
const catchUp = 8 * 24 * time.Hour

// LastPeriod returns the latest moment at or before now that a schedule names,
// and its key, which is the same for every process. Several missed moments are
// one: what they would have done is done once. ok is false when there is none
// within the last eight days.
func LastPeriod(s cron.Schedule, now time.Time) (at time.Time, key string, ok bool) {
	now = now.UTC()
	// Look back further and further, so that a schedule of every minute is not
	// walked through for eight days.
	for back := 2 * time.Minute; ; back *= 4 {
		back = min(back, catchUp)
		for next := s.Next(now.Add(-back)); !next.IsZero() && !next.After(now); next = s.Next(next) {
			at, ok = next, true
		}
		if ok || back == catchUp {
			return at, at.UTC().Format("2006-01-02T15:04Z"), ok
		}
	}
}
