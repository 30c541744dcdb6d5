package ingest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/geo"
)

// A yorkRow is a case as York's snapshots write it.
type yorkRow map[string]any

func yorkRows(t *testing.T, cases ...yorkCase) *strings.Reader {
	t.Helper()
	rows := []yorkRow{}
	for _, c := range cases {
		rows = append(rows, yorkRow{"keyval": c.KeyVal, "ref": c.Ref, "proposal": c.Proposal, "status": c.Status, "received_date": c.Received, "lat": c.Lat, "lon": c.Lon})
	}
	b, err := json.Marshal(map[string]any{"applications": rows})
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReader(string(b))
}

// yorkWeeks are the weekly snapshots, in order.
func yorkWeeks(t *testing.T) []map[string]yorkCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(shared(t, "feeds/york/weekly/york-2026-02-11.json.gz")), "*.gz"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d snapshots, %v", len(files), err)
	}
	var weeks []map[string]yorkCase
	for _, f := range files {
		weeks = append(weeks, yorkSnapshot(t, f))
	}
	return weeks
}

// York corrected the numbers of some cases, one of them a slip of the pen: the system's
// own key stayed. That is nobody's news, and both numbers lead to the case.
func TestACorrectedReferenceIsAnAlias(t *testing.T) {
	text, _ := feed.Preset("york")
	weeks := yorkWeeks(t)
	var before, after []yorkCase
	for i := 1; i < len(weeks); i++ {
		for key, is := range weeks[i] {
			if was, known := weeks[i-1][key]; known && was.Ref != is.Ref && !slices.ContainsFunc(before, func(c yorkCase) bool { return c.KeyVal == key }) {
				is.Status, is.Proposal = was.Status, was.Proposal // the number alone
				before, after = append(before, was), append(after, is)
			}
		}
	}
	if len(before) < 3 {
		t.Fatalf("only %d cases of York's got another number", len(before))
	}
	eachWorld(t, string(text), func(t *testing.T, w *world) {
		w.read("york-json", yorkRows(t, before...))
		_, last := w.events(0)
		if run := w.read("york-json", yorkRows(t, after...)); run.New != 0 || run.Changed != len(after) || run.Newsworthy != 0 {
			t.Errorf("%+v", run)
		}
		w.wantNews(&last, "")
		for i := range before {
			was, err1 := w.store.Application(t.Context(), alerts.Ref{Authority: "york", Number: before[i].Ref})
			is, err2 := w.store.Application(t.Context(), alerts.Ref{Authority: "york", Number: after[i].Ref})
			if err1 != nil || err2 != nil || was.ID != is.ID || alerts.ReferenceKey(is.Reference) != alerts.ReferenceKey(after[i].Ref) {
				t.Errorf("%s, now %s: %d and %d (%v, %v)", before[i].Ref, after[i].Ref, was.ID, is.ID, err1, err2)
			}
		}
		if n := w.count(`SELECT count(*) FROM application`); n != len(before) {
			t.Errorf("%d applications of %d cases", n, len(before))
		}
	})
}

// A portal that numbers its records anew brings nothing that is new: cases keep to
// their references, and what happens to them next is told once.
func TestAPortalThatRenumbersIsNoNews(t *testing.T) {
	text, _ := feed.Preset("york")
	var cases []yorkCase
	for _, c := range yorkWeeks(t)[0] {
		if c.Status == "PCO" {
			cases = append(cases, c)
		}
	}
	slices.SortFunc(cases, func(a, b yorkCase) int { return cmp.Compare(a.KeyVal, b.KeyVal) })
	cases = cases[:40]
	eachWorld(t, string(text), func(t *testing.T, w *world) {
		w.read("york-json", yorkRows(t, cases...))
		_, last := w.events(0)
		renumbered := slices.Clone(cases)
		for i := range renumbered {
			renumbered[i].KeyVal = fmt.Sprintf("NEW%05d", i)
		}
		if run := w.read("york-json", yorkRows(t, renumbered...)); run.Verdict != alerts.VerdictComplete {
			t.Errorf("%s: %s", run.Verdict, run.Reason)
		}
		w.wantNews(&last, "")
		if n := w.count(`SELECT count(*) FROM application`); n != len(cases) {
			t.Errorf("%d applications of %d cases", n, len(cases))
		}
		renumbered[7].Status = "WDN"
		w.read("york-json", yorkRows(t, renumbered...))
		w.wantNews(&last, "withdrawn "+strings.Join(strings.Fields(renumbered[7].Ref), " "))
		w.read("york-json", yorkRows(t, renumbered...))
		w.wantNews(&last, "")
	})
}

// A number that goes over to another case, or two that are exchanged, break nothing.
func TestReferencesThatChangePlaces(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("1"), row("2"), row("3")))
		_, last := w.events(0)
		for _, rows := range [][]string{
			{row("1", "reference", "26/2"), row("2"), row("3")},                      // two cases of one number
			{row("1", "reference", "26/2"), row("2", "reference", "26/1"), row("3")}, // exchanged
			{row("1"), row("2"), row("3"), row("4", "reference", "26/3")},            // a second record of a case
		} {
			if run := w.read("village", csv(rows...)); run.Verdict != alerts.VerdictComplete {
				t.Errorf("%s: %s", run.Verdict, run.Reason)
			}
			w.wantNews(&last, "")
		}
		w.read("village", csv(row("1"), row("2", "status", "WDN"), row("3"), row("4", "reference", "26/3")))
		w.wantNews(&last, "withdrawn 26/2")
		w.sound()
	})
}

// The states between receipt and decision come and go, as York's codes do, and nobody
// is told.
func TestStatesThatOscillateAreNoNews(t *testing.T) {
	text, _ := feed.Preset("york")
	var c yorkCase
	for _, c = range yorkWeeks(t)[0] {
		if c.Status == "REC" {
			break
		}
	}
	eachWorld(t, string(text), func(t *testing.T, w *world) {
		c := c
		c.Status = "REC"
		w.read("york-json", yorkRows(t, c))
		_, last := w.events(0)
		for _, status := range strings.Fields("INV REC INV PCO PDE PCO INVNOD INV INSFEE REC PCO") {
			c.Status = status
			w.read("york-json", yorkRows(t, c))
			w.wantNews(&last, "")
		}
		c.Status = "PER"
		w.read("york-json", yorkRows(t, c))
		w.wantNews(&last, "decided "+c.Ref)
	})
}

// Rows that repeat another are one; of those that disagree the last counts, however far
// apart they stand.
func TestRepeatedRowsAreOne(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		rows := []string{row("1"), row("2"), row("2"), row("3", "proposal", "A shed"), row("3", "proposal", "A barn")}
		for i := range 2500 { // more than are compared at a time
			rows = append(rows, row(fmt.Sprint(1000+i)))
		}
		rows = append(rows, row("1", "proposal", "Two houses"))
		run := w.read("village", csv(rows...))
		if run.Duplicates != 3 || run.New != 2503 {
			t.Errorf("%+v", run.Counts)
		}
		for number, want := range map[string]string{"26/1": "Two houses", "26/2": "A porch", "26/3": "A barn"} {
			if app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: number}); err != nil || app.Description != want {
				t.Errorf("%s: %q (%v), want %q", number, app.Description, err, want)
			}
		}
		_, last := w.events(0)
		for range 2 { // the same disagreement is not told again
			if run := w.read("village", csv(rows...)); run.Changed != 0 || run.Unchanged != 2503 {
				t.Errorf("the same file again: %+v", run.Counts)
			}
			w.wantNews(&last, "")
		}
		rows[0], rows[len(rows)-1] = row("1", "proposal", "Three houses"), row("1", "proposal", "A tower")
		if run := w.read("village", csv(append(rows, row("9"), row("9", "status", "WDN"))...)); run.Changed != 1 || run.New != 1 {
			t.Errorf("another disagreement: %+v", run.Counts)
		}
		w.wantNews(&last, "received 26/9, amended 26/1")
		w.sound()
	})
}

// What is over for long is no news when it is first seen; what is still open is, and
// says that it comes late.
func TestAskedForNoAncientApplications(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		_, last := w.events(0)
		w.read("village", csv(row("0"), row("1", "received", "2019-03-01", "status", "DEC", "decision", "GRANT"), row("2", "received", "2019-03-01"), row("3", "received", "2025-12-01", "status", "WDN")))
		w.wantNews(&last, "received 26/1 (silenced), received 26/2, received 26/3")
		if n := w.count(`SELECT count(*) FROM event e JOIN application a ON a.id = e.application_id WHERE e.late AND a.reference = '26/2'`); n != 1 {
			t.Error("what is published late does not say so")
		}
		if n := w.count(`SELECT count(*) FROM event WHERE late`); n != 1 {
			t.Errorf("%d events say that they are late", n)
		}
	})
}

// sheffield is a place of which only its extent is known.
type sheffield struct{ gazetteer }

func (sheffield) Within(_ string, p geo.Point) bool {
	return p.Lon > -1.81 && p.Lon < -1.32 && p.Lat > 53.30 && p.Lat < 53.51
}

// An easting and a northing that have changed places are a place too, of another
// county: only the authority's extent tells.
func TestAxesThatChangedPlacesAreFoundByTheExtent(t *testing.T) {
	declaration := strings.Replace(village, "lon: lon, lat: lat", "easting: lon, northing: lat", 1)
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		w.stage.Places = func(context.Context) (ingest.Locator, error) { return sheffield{}, nil }
		run := w.read("", csv(row("1", "lon", "435300", "lat", "387300"), row("2", "lon", "387300", "lat", "435300"), row("3", "lon", "530000", "lat", "180000"), row("4", "lon", "0", "lat", "0")))
		at := func(number string) geo.Point {
			app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: number})
			if err != nil {
				t.Fatal(err)
			}
			return app.Site.Point()
		}
		if at("26/1") != at("26/2") || at("26/1") == (geo.Point{}) {
			t.Errorf("%v and, with its axes turned, %v", at("26/1"), at("26/2"))
		}
		if at("26/3") != (geo.Point{}) || at("26/4") != (geo.Point{}) || run.Unlocated != 2 {
			t.Errorf("a place in London is %v, null island %v", at("26/3"), at("26/4"))
		}
	})
}

// A held case that is about to close alarms somebody, also of a feed that nobody reads
// by a schedule, and of one that is paused.
func TestAHeldCaseAlarmsWhoeverReadsTheFeed(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		rows := swollen()
		rows[5] = row("5", "until", "2026-02-10")
		if run := w.read("village", csv(rows...)); run.Verdict != alerts.VerdictHeld {
			t.Fatalf("%+v", run)
		}
		for range 2 {
			if _, err := w.stage.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.count(`SELECT count(*) FROM notice WHERE key = 'closing:village'`); n != 1 {
			t.Errorf("%d alarms", n)
		}
	})
}

// A rehearsal says what an import then does, and changes nothing.
func TestARehearsalIsTrue(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		rehearse := func(file string) (*alerts.Report, []string) {
			t.Helper()
			before := w.count(`SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM run) + (SELECT count(*) FROM staged) + (SELECT count(*) FROM quarantine) + (SELECT count(*) FROM application)`)
			f, err := w.store.Feed(t.Context(), "village")
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			report, err := w.stage.Rehearse(t.Context(), f, strings.NewReader(file), ingest.Options{}, func(events []alerts.Event) error {
				for _, e := range events {
					if e.State == alerts.EventLive {
						told = append(told, string(e.Type)+" "+e.After.Reference)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if after := w.count(`SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM run) + (SELECT count(*) FROM staged) + (SELECT count(*) FROM quarantine) + (SELECT count(*) FROM application)`); after != before {
				t.Errorf("a rehearsal writes %d rows", after-before)
			}
			return report, told
		}
		text := func(rows ...string) string { return villageHeader + strings.Join(rows, "\n") + "\n" }
		if r, told := rehearse(text(row("1"), row("2"))); !r.Tells.Silent || r.Verdict != alerts.VerdictComplete || len(told) != 0 || r.New != 2 {
			t.Errorf("first: %+v %v", r, told)
		}
		w.read("", csv(row("1"), row("2"), row("3")))
		next := []string{row("1", "status", "WDN"), row("2", "received", "31/31/26"), row("3"), row("4"), row("5", "received", "2011-01-01", "status", "DEC", "decision", "GRANT")}
		r, told := rehearse(text(next...))
		_, last := w.events(0)
		run := w.read("", csv(next...))
		entries, _ := w.events(last)
		var live []string
		for _, e := range entries {
			if e.State == string(alerts.EventLive) {
				live = append(live, e.Type+" "+e.Reference)
			}
		}
		slices.Sort(told)
		slices.Sort(live)
		if !slices.Equal(told, live) || r.Verdict != run.Verdict || r.New != run.New || r.Changed != run.Changed || r.Unchanged != run.Unchanged || r.Faulty != run.Quarantined {
			t.Errorf("rehearsed %v, %+v; told %v, %+v", told, r, live, run)
		}
		if r, _ := rehearse(text(swollen()...)); r.Verdict != alerts.VerdictHeld || r.Reason == "" {
			t.Errorf("a flood: %s %s", r.Verdict, r.Reason)
		}
		if r, _ := rehearse("other,columns\n1,2\n"); r.Verdict != alerts.VerdictFailed || r.Broken == "" {
			t.Errorf("another file: %s %s", r.Verdict, r.Reason)
		}
	})
}
