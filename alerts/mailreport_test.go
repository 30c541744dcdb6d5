package alerts

import (
	"testing"
	"time"
)

func TestWhatFollowsFromAReport(t *testing.T) {
	now := time.Date(2026, 5, 5, 6, 0, 0, 0, time.UTC)
	ago := func(days ...float64) (at []int64) {
		for _, d := range days {
			at = append(at, now.Add(-time.Duration(d*24)*time.Hour).UnixMilli())
		}
		return at
	}
	for _, c := range []struct {
		name             string
		kind             ReportKind
		earlier          []int64
		end, stop, pause bool
	}{
		{"no such address", ReportHard, nil, true, true, false},
		{"a complaint", ReportComplaint, nil, true, true, false},
		{"refused once", ReportRefused, nil, false, false, false},
		{"refused twice in a month", ReportRefused, ago(29), true, true, false},
		{"refused twice, but long apart", ReportRefused, ago(31), false, false, false},
		{"a full mailbox, again and again", ReportSoft, ago(1, 2, 3, 4, 5, 6), false, false, false},
		{"blocked four times", ReportBlocked, ago(1, 2, 3), false, false, false},
		{"blocked five times", ReportBlocked, ago(1, 2, 3, 13), false, false, true},
		{"blocked five times, but over a longer time", ReportBlocked, ago(1, 2, 3, 15), false, false, false},
		{"delivered", ReportDelivered, ago(1, 2, 3), false, false, false},
	} {
		if e := AfterReport(c.kind, c.earlier, now); e.End != c.end || e.Suppress != c.stop || e.Pause != c.pause || (e.Why != "") != (e.End || e.Pause) {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

func TestStatusesAreClassed(t *testing.T) {
	for _, c := range []struct {
		status, detail string
		want           ReportKind
	}{
		{"5.1.1", "", ReportHard}, {"5.1.10", "", ReportHard}, {"5.4.1", "", ReportHard}, {"5.4.4", "", ReportHard},
		{"5.2.2", "mailbox full", ReportSoft}, {"4.4.1", "connection timed out", ReportSoft}, {"4.2.2", "", ReportSoft},
		{"5.7.1", "", ReportBlocked}, {"5.7.26", "", ReportBlocked}, {"5.0.0", "rejected as Spam", ReportBlocked},
		{"5.2.1", "mailbox disabled", ReportRefused}, {"5.0.0", "", ReportRefused}, {"5.3.4", "too large", ReportRefused},
		{"", "", ReportSoft}, {"", "host not found", ReportSoft}, {"5.1.11", "", ReportRefused},
	} {
		if got := FailureKind(c.status, c.detail); got != c.want {
			t.Errorf("%s %q is %s, want %s", c.status, c.detail, got, c.want)
		}
	}
}
