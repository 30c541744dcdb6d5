package alerts_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// noon is when the tests below ask how a feed is: a Monday.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// readings makes n good runs of 100 rows with one change, newest first: the first
// one so long before noon, the others step apart.
func readings(first, step time.Duration, n int) (runs []alerts.Run) {
	for i := range n {
		at := noon.Add(-first - time.Duration(i)*step).UnixMilli()
		runs = append(runs, alerts.Run{Adapter: "csv", Verdict: alerts.VerdictComplete, StartedAt: at, FinishedAt: at, Counts: alerts.Counts{Rows: 100, Changed: 1}})
	}
	return runs
}

// historyOf is the history of a feed with these runs, read daily at 04:40.
func historyOf(runs []alerts.Run) alerts.FeedHistory {
	h := alerts.FeedHistory{Feed: alerts.Feed{Slug: "york", Schedule: "40 4 * * *"}, Runs: runs}
	for _, r := range runs {
		if h.Feed.LastComplete == 0 && r.Verdict == alerts.VerdictComplete {
			h.Feed.LastComplete = r.FinishedAt
		}
		if r.New+r.Changed > 0 {
			h.News = append(h.News, r)
		}
	}
	return h
}

// latest is a daily feed whose latest run is changed.
func latest(change func(r *alerts.Run)) alerts.FeedHistory {
	runs := readings(7*hour, day, 10)
	change(&runs[0])
	return historyOf(runs)
}

func TestWhenAFeedNeedsAPerson(t *testing.T) {
	schedule := func(h alerts.FeedHistory, spec string) alerts.FeedHistory { h.Feed.Schedule = spec; return h }
	paused, held := historyOf(readings(90*day, day, 10)), historyOf(readings(7*hour, day, 10))
	paused.Feed.Paused, held.Held = true, true
	failed := alerts.Run{Verdict: alerts.VerdictFailed, Reason: "no answer", FinishedAt: noon.UnixMilli()}
	for _, c := range []struct {
		name    string
		history alerts.FeedHistory
		state   alerts.HealthState
		kinds   string // of the faults
		says    string // in the detail of the first fault
	}{
		{"never read", historyOf(nil), alerts.HealthNew, "", ""},
		{"read every day", historyOf(readings(7*hour, day, 10)), alerts.HealthGood, "", ""},
		{"one night missed", historyOf(readings(31*hour, day, 10)), alerts.HealthGood, "", ""},
		{"three days exactly", historyOf(readings(3*day, day, 10)), alerts.HealthGood, "", ""},
		{"three days and a minute", historyOf(readings(3*day+time.Minute, day, 10)), alerts.HealthPerson, "stale", "usually read about once a day"},
		{"an hourly feed has two days", schedule(historyOf(readings(47*hour, hour, 20)), "@hourly"), alerts.HealthGood, "", ""},
		{"an hourly feed after two days", schedule(historyOf(readings(49*hour, hour, 20)), "@hourly"), alerts.HealthPerson, "stale", "about once an hour"},
		{"a schedule that was made rarer", schedule(historyOf(readings(6*day, day, 10)), "0 12 * * 2"), alerts.HealthGood, "", ""},
		{"weekdays only, on Monday", schedule(historyOf(readings(3*day+50*time.Minute, day, 10)), "0 11 * * 1-5"), alerts.HealthGood, "", ""},
		{"by hand, nothing learned", schedule(historyOf(readings(90*day, day, 2)), ""), alerts.HealthGood, "", ""},
		{"by hand, five tries of one afternoon", schedule(historyOf(readings(90*day, time.Minute, 5)), ""), alerts.HealthGood, "", ""},
		{"by hand, once a week until a month ago", schedule(historyOf(readings(29*day, 7*day, 6)), ""), alerts.HealthPerson, "stale", "about once a week"},
		{"paused", paused, alerts.HealthPaused, "", ""},
		{"held", held, alerts.HealthPerson, "held", "feed release york"},
		{"failed", latest(func(r *alerts.Run) { r.Verdict, r.Reason = alerts.VerdictFailed, "the source is empty" }), alerts.HealthPerson, "failed", "the source is empty"},
		{"failed before it was ever read", historyOf([]alerts.Run{failed}), alerts.HealthPerson, "failed", "23 November 2026 at 12:00"},
		{"failed for days", historyOf(append([]alerts.Run{failed}, readings(4*day, day, 10)...)), alerts.HealthPerson, "failed stale", "no answer"},
		{"partial", latest(func(r *alerts.Run) { r.Verdict, r.Reason = alerts.VerdictPartial, "it breaks off" }), alerts.HealthPerson, "partial", "it breaks off"},
		{"a tenth of the rows left out", latest(func(r *alerts.Run) { r.Quarantined = 10 }), alerts.HealthPerson, "rows", "Of 100 rows 10"},
		{"a few rows left out", latest(func(r *alerts.Run) { r.Quarantined = 9 }), alerts.HealthGood, "", ""},
		{"an unknown status in a tenth", latest(func(r *alerts.Run) { r.Unmapped = []alerts.CodeCount{{Field: "status", Code: "HUH", Count: 10}} }), alerts.HealthPerson, "codes", "status HUH"},
		{"unknown kinds mislead nobody", latest(func(r *alerts.Run) { r.Unmapped = []alerts.CodeCount{{Field: "kind", Code: "HUH", Count: 90}} }), alerts.HealthGood, "", ""},
		{"a column that was used has gone", columns("A", "A", "A B*", "A B*"), alerts.HealthPerson, "columns", "Since 22 November 2026 at 05:00 it lacks 1 column that we use: “B”"},
		{"a column that nobody used has gone", columns("A", "A", "A B", "A B"), alerts.HealthGood, "", ""},
		{"another form of the data has other columns", columns("json:A", "A B*", "json:A", "A B*"), alerts.HealthGood, "", ""},
		{"quiet over Christmas", quiet(9 * day), alerts.HealthGood, "", ""},
		{"quiet for a fortnight", quiet(14 * day), alerts.HealthPerson, "quiet", "usually something does about once a day"},
	} {
		got := alerts.HealthOf(c.history, noon)
		var kinds []string
		for _, f := range got.Faults {
			kinds = append(kinds, string(f.Kind))
		}
		if all := strings.Join(kinds, " "); got.State != c.state || all != c.kinds {
			t.Errorf("%s: %s %q, want %s %q", c.name, got.State, all, c.state, c.kinds)
		}
		if c.says != "" && (len(got.Faults) == 0 || !strings.Contains(got.Faults[0].Detail, c.says)) {
			t.Errorf("%s: it says %+v, want %q", c.name, got.Faults, c.says)
		}
		if (got.Reason(alerts.English) != "") != (got.State == alerts.HealthPerson) {
			t.Errorf("%s: %s for the reason %q", c.name, got.State, got.Reason(alerts.English))
		}
		for _, f := range got.Faults {
			if f.Kind.Words(alerts.English) == alerts.FaultKind("").Words(alerts.English) {
				t.Errorf("%s: nobody has said in public words what %s is", c.name, f.Kind)
			}
		}
	}
}

// columns is the history of a feed whose runs had these columns: "A B*" where a
// field is filled from B, "json:A" in another form of the data.
func columns(lists ...string) alerts.FeedHistory {
	runs := readings(7*hour, day, len(lists))
	for i, list := range lists {
		if adapter, rest, ok := strings.Cut(list, ":"); ok {
			runs[i].Adapter, list = adapter, rest
		}
		for _, name := range strings.Fields(list) {
			plain := strings.TrimSuffix(name, "*")
			runs[i].Columns = append(runs[i].Columns, alerts.Column{Name: plain, Used: plain != name})
		}
	}
	return historyOf(runs)
}

// quiet is a feed that goes on being read daily, but has brought nothing for so
// long.
func quiet(since time.Duration) alerts.FeedHistory {
	runs := readings(7*hour, day, 30)
	for i := range runs {
		if noon.Sub(time.UnixMilli(runs[i].FinishedAt)) < since {
			runs[i].Changed = 0
		}
	}
	h := historyOf(runs)
	h.News = readings(since+7*hour, day, 30)
	return h
}

func TestWhatIsLearnedOfAFeed(t *testing.T) {
	runs := readings(7*hour, day, 12)
	for i := range runs {
		runs[i].New, runs[i].Changed, runs[i].Newest = i, 0, alerts.DateOf(noon).AddDays(-2-i)
	}
	runs[11].Silent, runs[11].New = true, 5_000 // the first import
	runs[0].Quarantined, runs[0].Unmapped = 2, []alerts.CodeCount{{Field: "kind", Code: "ZZ", Count: 3}}
	runs = append([]alerts.Run{{Verdict: alerts.VerdictComplete, FinishedAt: noon.Add(-time.Hour).UnixMilli()}}, runs...) // not modified: no rows
	h := alerts.HealthOf(historyOf(runs), noon)
	if h.Cadence != day {
		t.Errorf("cadence %s", h.Cadence)
	}
	if want := time.Date(2026, 11, 24, 4, 40, 0, 0, time.UTC); !h.Expected.Equal(want) {
		t.Errorf("expected %s, want %s", h.Expected, want)
	}
	if h.Band != (alerts.Band{Low: 0, High: 9}) || h.BandOf != 12 {
		t.Errorf("band %+v of %d: the first import must not count", h.Band, h.BandOf)
	}
	if !h.LastGood.Equal(noon.Add(-time.Hour)) || !h.LastNews.Equal(noon.Add(-31*hour)) {
		t.Errorf("last good %s, last news %s", h.LastGood, h.LastNews)
	}
	if days, ok := h.NewestAge(noon); days != 2 || !ok {
		t.Errorf("the newest is %d days old (%t)", days, ok)
	}
	if h.Rows != 100 || h.Bad != 2 || len(h.Unmapped) != 1 {
		t.Errorf("rows %d, bad %d, unmapped %v: those of the latest reading that had rows", h.Rows, h.Bad, h.Unmapped)
	}
	if h := alerts.HealthOf(historyOf(readings(7*hour, day, 3)), noon); h.Cadence != 0 || h.BandOf != 0 {
		t.Errorf("cadence %s and band %+v from three readings", h.Cadence, h.Band)
	}
}

func TestDriftNamesWhatCameAndWent(t *testing.T) {
	d := alerts.HealthOf(columns("a C", "A C", "A B*"), noon).Drift
	if d == nil || !reflect.DeepEqual(d.Gone, []string{"B"}) || !reflect.DeepEqual(d.Added, []string{"C"}) || !d.Since.Equal(noon.Add(-31*hour)) {
		t.Errorf("drift %+v", d)
	}
	if d := alerts.HealthOf(columns("A B", "B A", "a b"), noon).Drift; d != nil {
		t.Errorf("another order or case is no drift: %+v", d)
	}
}

func TestEveryWords(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "", 90 * time.Second: "about every 2 minutes", 58 * time.Minute: "about once an hour", 6 * hour: "about every 6 hours",
		23 * hour: "about once a day", 3 * day: "about every 3 days", 7*day - hour: "about once a week", 30 * day: "about once a month", 70 * day: "about every 10 weeks"} {
		if got := alerts.English.EveryWords(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
