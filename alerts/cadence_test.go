package alerts_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestNextDue(t *testing.T) {
	for _, c := range []struct {
		name    string
		cadence alerts.Cadence
		now     string // UTC
		want    string
	}{
		{"before seven", alerts.Daily, "2026-01-15T06:59:59Z", "2026-01-15T07:00:00Z"},
		{"at seven", alerts.Daily, "2026-01-15T07:00:00Z", "2026-01-16T07:00:00Z"},
		{"after seven", alerts.Daily, "2026-01-15T12:00:00Z", "2026-01-16T07:00:00Z"},
		{"in summer it is six in UTC", alerts.Daily, "2026-07-15T05:00:00Z", "2026-07-15T06:00:00Z"},
		{"night in which the clocks go forward", alerts.Daily, "2026-03-28T08:00:00Z", "2026-03-29T06:00:00Z"},
		{"the hour that is skipped", alerts.Daily, "2026-03-29T01:00:00Z", "2026-03-29T06:00:00Z"},
		{"night in which the clocks go back", alerts.Daily, "2026-10-24T08:00:00Z", "2026-10-25T07:00:00Z"},
		{"the hour that is repeated, first", alerts.Daily, "2026-10-25T00:30:00Z", "2026-10-25T07:00:00Z"},
		{"the hour that is repeated, second", alerts.Daily, "2026-10-25T01:30:00Z", "2026-10-25T07:00:00Z"},
		{"leap day", alerts.Daily, "2028-02-28T20:00:00Z", "2028-02-29T07:00:00Z"},
		{"after the leap day", alerts.Daily, "2028-02-29T20:00:00Z", "2028-03-01T07:00:00Z"},
		{"new year", alerts.Daily, "2026-12-31T20:00:00Z", "2027-01-01T07:00:00Z"},
		{"Wednesday", alerts.Weekly, "2026-11-25T12:00:00Z", "2026-11-26T07:00:00Z"},
		{"Thursday at seven", alerts.Weekly, "2026-11-26T07:00:00Z", "2026-12-03T07:00:00Z"},
		{"week in which the clocks go forward", alerts.Weekly, "2026-03-26T07:00:00Z", "2026-04-02T06:00:00Z"},
		{"week in which the clocks go back", alerts.Weekly, "2026-10-22T06:00:00Z", "2026-10-29T07:00:00Z"},
		{"weekly into a leap day's week", alerts.Weekly, "2028-02-24T07:00:00Z", "2028-03-02T07:00:00Z"},
		{"immediate", alerts.Immediate, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"},
		{"webhook", alerts.Hook, "2026-03-29T00:30:00Z", "2026-03-29T00:30:00Z"},
	} {
		got := alerts.NextDue(c.cadence, moment(t, c.now))
		if want := moment(t, c.want); !got.Equal(want) {
			t.Errorf("%s: NextDue(%s, %s) = %s, want %s", c.name, c.cadence, c.now, got.Format(time.RFC3339), c.want)
		}
	}
}

func moment(t testing.TB, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// From any moment of sixty years: a digest is due at seven in London on its day,
// within a day or a week, and no moment lies between two due ones.
func TestDueMomentsFollowEachOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 60*365*24*3600*1000).Draw(rt, "now")).UTC()
		cadence := rapid.SampledFrom([]alerts.Cadence{alerts.Daily, alerts.Weekly}).Draw(rt, "cadence")
		next := alerts.NextDue(cadence, now)
		local := next.In(alerts.London)
		if h, m, s := local.Clock(); h != 7 || m+s != 0 || local.Nanosecond() != 0 {
			rt.Errorf("due at %s", local)
		}
		longest := 25 * time.Hour
		if cadence == alerts.Weekly {
			longest = 7*24*time.Hour + time.Hour
			if local.Weekday() != time.Thursday {
				rt.Errorf("due on a %s", local.Weekday())
			}
		}
		if wait := next.Sub(now); wait <= 0 || wait > longest {
			rt.Errorf("due in %s", wait)
		}
		if again := alerts.NextDue(cadence, next.Add(-time.Millisecond)); !again.Equal(next) {
			rt.Errorf("just before %s the next is %s", next, again)
		}
		previous := alerts.PreviousDue(cadence, now)
		if previous.After(now) || !alerts.NextDue(cadence, previous).Equal(next) {
			rt.Errorf("PreviousDue(%s) = %s, but the next after it is not %s", now, previous, next)
		}
		if got := alerts.PreviousDue(cadence, next); !got.Equal(next) {
			rt.Errorf("PreviousDue at a due moment is %s, want %s", got, next)
		}
	})
}

func TestPreviousDueWithoutFixedMoments(t *testing.T) {
	now := moment(t, "2026-05-04T09:00:00Z")
	for _, c := range []alerts.Cadence{alerts.Immediate, alerts.Hook} {
		if got := alerts.PreviousDue(c, now); !got.Equal(now) {
			t.Errorf("PreviousDue(%s) = %s", c, got)
		}
	}
}

func TestClosesBefore(t *testing.T) {
	next := moment(t, "2026-05-07T06:00:00Z")
	for closes, want := range map[alerts.Date]bool{"": false, "2026-05-06": true, "2026-05-07": true, "2026-05-08": false} {
		if got := alerts.ClosesBefore(closes, next); got != want {
			t.Errorf("ClosesBefore(%q) = %v", closes, got)
		}
	}
	if !alerts.ClosesBefore("2026-06-01", moment(t, "2026-05-31T23:30:00Z")) {
		t.Error("half past midnight in London belongs to the new day")
	}
}
