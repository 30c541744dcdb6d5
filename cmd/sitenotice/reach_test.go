package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A council's report says how many people heard and how early, once a month is over;
// of a month in which few did it says so, and no more.
func TestTheReportOfReachCountsPeopleAndPointsAtNobody(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.register("A barn")
		w.read()
		months := func() (months []alerts.PublishedMonth) {
			w.Helper()
			status, body := w.page("/authorities/village/report.json")
			var got struct{ Months []alerts.PublishedMonth }
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
				w.Fatalf("status %d: %v\n%s", status, err, body)
			}
			return got.Months
		}
		if _, page := w.page("/authorities/village/report"); !strings.Contains(page, "No month has been counted yet") {
			w.Error(page)
		}
		for i := range 4 {
			w.subscribe(fmt.Sprintf("r%d@example.org", i), alerts.Daily)
		}
		// Four people in November, told of a porch some 22 hours after it was read.
		w.register("A barn", "A porch")
		w.read()
		w.pass("match")
		w.wait(21*time.Hour + 30*time.Minute) // 07:00 the next day
		w.pass()
		w.wait(8 * 24 * time.Hour) // into December
		if err := w.audit(w.Context()); err != nil {
			w.Fatal(err)
		}
		got := months()
		if len(got) != 1 || got[0].Month != "2026-11" || got[0].Applications != 1 || got[0].People != nil || got[0].Told != nil || got[0].Alerts != nil || got[0].HoursMedian != nil {
			w.Fatalf("of four people it says %+v", got)
		}
		// Three more in December: seven are told, shown as five.
		for i := range 3 {
			w.subscribe(fmt.Sprintf("s%d@example.org", i), alerts.Daily)
		}
		w.register("A barn", "A porch", "A shed", "A well")
		w.read()
		w.pass("match")
		w.wait(24 * time.Hour)
		w.pass()
		w.wait(35 * 24 * time.Hour)
		for _, who := range []string{"r0@example.org", "s1@example.org"} { // who has been forgotten was counted
			if err := w.store.MeasureReach(w.Context(), w.now()); err != nil {
				w.Fatal(err)
			}
			if err := w.store.Erase(w.Context(), w.one(`SELECT id FROM recipient WHERE address = $1`, who), w.now()); err != nil {
				w.Fatal(err)
			}
		}
		if err := w.audit(w.Context()); err != nil {
			w.Fatal(err)
		}
		got = months()
		if len(got) != 2 || got[0].Month != "2026-12" || got[0].Applications != 2 || got[0].People == nil || *got[0].People != 5 || *got[0].Told != 2 || *got[0].Alerts != 10 ||
			*got[0].HoursMedian != 24 || *got[0].HoursP95 != 24 || got[0].DaysMedian != nil || got[1].People != nil {
			b, _ := json.Marshal(got)
			w.Errorf("of seven people it says %s", b)
		}
		_, page := w.page("/authorities/village/report")
		for _, want := range []string{"December 2026", "Fewer than 5 people were told", "At least 5 people were told of 2 applications, in at least 10 alerts.", "went out within 24 hours", `href="/authorities/village/report.csv"`} {
			if !strings.Contains(page, want) {
				w.Errorf("the page lacks %q\n%s", want, page)
			}
		}
		if _, page := w.page("/authorities/village"); !strings.Contains(page, `href="/authorities/village/report"`) {
			w.Error("the council's page does not lead there")
		}
		if _, sheet := w.page("/authorities/village/report.csv"); !strings.Contains(sheet, "2026-12,2,2,5,10,24,24,,\r\n") || !strings.Contains(sheet, "2026-11,1,fewer than 5,fewer than 5,fewer than 5,,,,\r\n") {
			w.Errorf("the CSV is\n%s", sheet)
		}
		for _, c := range []*feedReach{{Feed: "village"}, {Feed: "village", CSV: true}} {
			if out, err := w.run(c); err != nil || !strings.Contains(out, "2026-12") || !strings.Contains(out, "fewer than 5") {
				w.Errorf("the command prints %v\n%s", err, out)
			}
		}
		if status, _ := w.page("/authorities/nowhere/report"); status != 404 {
			w.Errorf("of a council that is not there: %d", status)
		}
	})
}

// How many days were left to comment is counted to the council's own date.
func TestDaysLeftAreCountedToThePublishedDate(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.register("A barn")
		w.read()
		for i := range 6 {
			w.subscribe(fmt.Sprintf("r%d@example.org", i), alerts.Immediate)
		}
		w.register("A barn", "A porch")
		w.read()
		w.pass()
		w.exec(`UPDATE match SET closes = '2026-12-07' WHERE delivery_id IS NOT NULL`)
		w.wait(10 * 24 * time.Hour)
		if err := w.store.MeasureReach(w.Context(), w.now()); err != nil {
			w.Fatal(err)
		}
		tallies, err := w.store.Reach(w.Context(), "village")
		if err != nil || len(tallies) != 1 || tallies[0].Dated != (alerts.Lead{People: 6, Alerts: 6, Median: 14, P95: 14}) || tallies[0].New != (alerts.Lead{People: 6, Alerts: 6}) {
			w.Errorf("counted %+v (%v), want 14 days left and no whole hour", tallies, err)
		}
		all, err := w.store.Reach(w.Context(), "")
		if err != nil || len(all) != 12 || all[0].People != 6 || all[1].People != 0 {
			w.Errorf("of all together: %+v (%v)", all, err)
		}
	})
}
