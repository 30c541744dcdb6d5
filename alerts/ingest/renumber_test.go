package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/ingest"
)

// keyless is the village's register without keys of its own.
var keyless = strings.Replace(village, "source_key: key, ", "", 1)

// A case whose old number has gone when a new one comes with the same proposal, at the
// same address and received on the same day, is the same case: nobody hears of a new
// one, both numbers lead to it, and somebody is told.
func TestACaseUnderAnotherNumberIsTheSame(t *testing.T) {
	house := func(reference string, with ...string) string {
		return row(reference, append([]string{"reference", reference, "proposal", "A house", "address", "7 Mill Lane", "received", "2026-01-20"}, with...)...)
	}
	others := func(rows ...string) []string {
		for i := range 8 {
			rows = append(rows, row(fmt.Sprint(100+i), "address", fmt.Sprintf("%d High Street", i)))
		}
		return rows
	}
	cases := []struct {
		name          string
		before, after []string
		news          string
		renumbered    int
	}{
		{"a slip that is corrected", others(house("326/00374/FUL")), others(house("26/00374/FUL")), "", 1},
		{"spelt a little otherwise", others(house("26/1")), others(house("26/2", "address", "7 mill  Lane.", "proposal", "A house.")), "", 1},
		{"decided at the same time", others(house("26/1")), others(house("26/2", "status", "DEC", "decision", "GRANT")), "decided 26/2", 1},
		{"the old number is there still, as of a listed building's two", others(house("26/1")), others(house("26/1"), house("26/2")), "received 26/2", 0},
		{"another proposal", others(house("26/1")), others(house("26/2", "proposal", "2 houses")), "received 26/2", 0},
		{"another address", others(house("26/1")), others(house("26/2", "address", "17 Mill Lane")), "received 26/2", 0},
		{"another day", others(house("26/1")), others(house("26/2", "received", "2026-01-21")), "received 26/2", 0},
		{"no address", others(house("26/1", "address", "")), others(house("26/2", "address", "")), "received 26/2", 0},
		{"two that it could have been", others(house("26/1"), house("26/3")), others(house("26/2")), "received 26/2", 0},
		{"two that it could be", others(house("26/1")), others(house("26/2"), house("26/3")), "received 26/2, received 26/3", 0},
		{"a file that has shrunk", others(house("26/1")), []string{house("26/2")}, "received 26/2", 0},
		{"a file that breaks off", others(house("26/1")), append(others(house("26/2")), `9,"26/9`), "received 26/2", 0},
	}
	eachWorld(t, keyless, func(t *testing.T, w *world) {
		for _, c := range cases {
			for _, query := range []string{"DELETE FROM record", "DELETE FROM alias", "DELETE FROM application", "DELETE FROM event", "DELETE FROM notice", "DELETE FROM run", "UPDATE counter SET value = 0", "UPDATE feed SET last_complete = 0"} {
				if _, err := w.db.Exec(query); err != nil {
					t.Fatal(err)
				}
			}
			w.read("", csv(c.before...))
			_, last := w.events(0)
			f, err := w.store.Feed(t.Context(), "village")
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			report, err := w.stage.Rehearse(t.Context(), f, csv(c.after...), ingest.Options{}, func(events []alerts.Event) error {
				for _, e := range events {
					told = append(told, string(e.Type)+" "+e.After.Reference)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			run := w.read("", csv(c.after...))
			if news := w.news(&last); news != c.news {
				t.Errorf("%s: the news is %q", c.name, news)
			}
			if strings.Join(told, ", ") != c.news || len(report.Renumbered) != c.renumbered || report.New != run.New || report.Changed != run.Changed {
				t.Errorf("%s: rehearsed: %v, %v; %d new, %d changed; read: %+v", c.name, told, report.Renumbered, report.New, report.Changed, run.Counts)
			}
			if n := w.count(`SELECT count(*) FROM notice WHERE key = 'renumbered:village'`); n != c.renumbered {
				t.Errorf("%s: %d notices", c.name, n)
			}
			for _, r := range report.Renumbered {
				was, err1 := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: r.Was})
				is, err2 := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: r.Is})
				if err1 != nil || err2 != nil || was.ID != is.ID || is.Reference != r.Is || run.New != 0 {
					t.Errorf("%s: %s is %d, %s is %d (%v, %v); %+v", c.name, r.Was, was.ID, r.Is, is.ID, err1, err2, run.Counts)
				}
			}
			w.read("", csv(c.after...))
			if news := w.news(&last); news != "" {
				t.Errorf("%s: read again, the news is %q", c.name, news)
			}
			w.sound()
		}
	})
}

// What a portal takes back after it has numbered its records anew is gone: nothing is
// filled in from what the old record said. A second record that lives on neither brings
// it back nor makes news of it.
func TestWhatIsTakenBackIsNotFilledFromAnOldRecord(t *testing.T) {
	until := func(day string) []string { return []string{"reference", "26/1", "until", day} }
	eachWorld(t, village, func(t *testing.T, w *world) {
		deadline := func() alerts.Date {
			t.Helper()
			a, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/1"})
			if err != nil {
				t.Fatal(err)
			}
			return a.CommentsUntil
		}
		w.read("", csv(row("OLD1", until("2026-03-01")...), row("2")))
		_, last := w.events(0)
		w.read("", csv(row("NEW1", until("2026-03-01")...), row("2")))
		w.wantNews(&last, "")
		w.read("", csv(row("NEW1", until("2026-03-08")...), row("2")))
		w.wantNews(&last, "consultation 26/1")
		w.read("", csv(row("NEW1", until("")...), row("2")))
		w.wantNews(&last, "corrected 26/1")
		if n := w.count(`SELECT count(*) FROM record WHERE source_key = 'OLD1' AND run_id = (SELECT max(id) FROM run)`); n != 0 {
			t.Error("the old record counts as one that was read just now, and may come before the new one")
		}
		if day := deadline(); day != "" {
			t.Errorf("people are told to comment until %s, which the council has taken back", day)
		}
		w.read("", csv(row("NEW1", until("")...), row("2")))
		w.wantNews(&last, "")

		// Both in the file: the one that changes counts, and the other one is no news.
		w.read("", csv(row("NEW1", until("2026-03-15")...), row("OLD1", until("2026-03-01")...), row("2")))
		w.news(&last)
		both := []string{row("NEW1", until("")...), row("OLD1", until("2026-03-01")...), row("2")}
		w.read("", csv(both...))
		w.news(&last)
		day := deadline()
		for range 2 {
			w.read("", csv(both...))
			w.wantNews(&last, "")
		}
		if deadline() != day {
			t.Errorf("%s, then %s", day, deadline())
		}
		w.sound()
	})
}
