package main

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// What is taken down is nowhere any longer: not on pages, in the event log, in mail
// that waits or was kept, nor in what the feed says next; and who had been told
// hears of it.
func TestATakedownIsEverywhere(t *testing.T) {
	inFull(t)
	const words = "Zanzibar"
	for name, c := range map[string]struct {
		command applicationsRedact
		status  int
		address bool // whether it still shows
	}{
		"the description":       {applicationsRedact{}, 200, true},
		"the address too":       {applicationsRedact{Address: true}, 200, false},
		"all of it, and hidden": {applicationsRedact{Hide: true}, 404, false},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				t := w.T
				w.register("", "", "A porch")
				w.read()
				w.subscribe("told@example.org", alerts.Immediate)
				w.subscribe("waits@example.org", alerts.Daily)
				w.register("Porch for Mrs "+words, "A garage", "A porch")
				w.read()
				w.pass()
				if n := w.one(`SELECT count(*) FROM captured WHERE address = 'told@example.org' AND subject NOT LIKE 'Confirm%'`); n != 1 {
					t.Fatalf("%d were told of two", n)
				}
				w.wait(24 * time.Hour)
				w.pass("match", "compose") // the daily mail is written and waits
				if n := w.one(`SELECT count(*) FROM delivery WHERE state = 'queued' AND text LIKE '%` + words + `%'`); n != 1 {
					t.Fatalf("%d mails wait", n)
				}
				if len(w.traces(words)) == 0 {
					t.Fatal("it is not there to begin with")
				}
				c.command.Authority, c.command.Reference, c.command.Reason = "village", "26/0/ful", "names a person; asked for by her"
				out, err := w.run(&c.command)
				if err != nil || !strings.Contains(out, "1 mail that waits is written anew") || !strings.Contains(out, "1 sent mail is no longer kept") {
					t.Fatalf("%s%v", out, err)
				}
				if found := w.traces(words); len(found) > 0 {
					t.Errorf("it is still in %v", found)
				}
				if shows := len(w.traces("0 Rosemary Lane")) > 0; shows != c.address {
					t.Errorf("the address is there: %v", shows)
				}
				if status, _ := w.page("/applications/village/" + url.PathEscape("26/0/FUL")); status != c.status {
					t.Errorf("its page answers %d", status)
				}
				// Its feed goes on bringing it, unchanged and changed.
				w.read()
				w.register("Porch for Mrs "+words, "A garage", "A porch")
				w.read()
				w.register("Porch and garage for Mrs "+words, "A garage", "A porch")
				w.read()
				w.pass()
				if found := w.traces(words); len(found) > 0 {
					t.Errorf("the feed brings it back: %v", found)
				}
				var mails []string
				rows, err := w.db.Query(`SELECT address, subject FROM captured WHERE subject NOT LIKE 'Confirm%' ORDER BY id`)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				for rows.Next() {
					var address, subject string
					if err := rows.Scan(&address, &subject); err != nil {
						t.Fatal(err)
					}
					mails = append(mails, address+": "+subject)
				}
				if !slices.ContainsFunc(mails, func(s string) bool { return strings.HasPrefix(s, "waits@example.org: ") }) {
					t.Errorf("the mail that waited was lost: %v\n%s", mails, grepRows(w, "delivery ", "due ", "match "))
				}
				if n := w.one(`SELECT count(*) FROM event WHERE type = 'removed'`); n != map[bool]int64{true: 1}[c.command.Hide] {
					t.Errorf("%d tombstones", n)
				}
				if hears := slices.ContainsFunc(mails, func(s string) bool { return strings.HasPrefix(s, "told@example.org: ") }); hears != c.command.Hide {
					t.Errorf("who had been told hears of it: %v; %v", hears, mails)
				}
				if acts, err := w.store.Acts(t.Context(), "", "", 0, 10); err != nil || len(acts) != 1 || acts[0].Who != commandLine || acts[0].Reason != c.command.Reason {
					t.Errorf("%+v, %v", acts, err)
				}
				if _, err := w.run(&auditCommand{}); err != nil {
					t.Error(err)
				}
				if out, err := w.run(&c.command); err != nil || !strings.Contains(out, "taken down before") {
					t.Errorf("again: %s%v", out, err)
				}
			})
		})
	}
}

func TestARedactionCanBeLifted(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.T
		w.register("A porch")
		w.read()
		if _, err := w.run(&applicationsRedact{Authority: "village", Reference: "26/0/FUL", Reason: "a mistake", Hide: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.run(&applicationsRestore{Authority: "village", Reference: "26/0/FUL", Reason: "it was the wrong one"}); err != nil {
			t.Fatal(err)
		}
		w.read()
		if status, body := w.page("/applications/village/" + url.PathEscape("26/0/FUL")); status != 200 || !strings.Contains(body, "A porch") {
			t.Errorf("its page answers %d", status)
		}
		if _, err := w.run(&applicationsRestore{Authority: "village", Reference: "26/0/FUL", Reason: "again"}); err == nil || !strings.Contains(err.Error(), "nothing has been taken away") {
			t.Errorf("again: %v", err)
		}
		if _, err := w.run(&applicationsRedact{Authority: "village", Reference: "26/9/FUL", Reason: "x"}); err == nil || !strings.Contains(err.Error(), "there is no application village 26/9/FUL") {
			t.Errorf("one that is not there: %v", err)
		}
	})
}

func grepRows(w *world, prefixes ...string) (out string) {
	for line := range strings.Lines(w.engine.Dump(w.T, w.db)) {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				out += line[:min(len(line), 200)] + "\n"
			}
		}
	}
	return out
}
