package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/geo"
)

// row is a line of the village's register.
func row(key string, with ...string) string {
	cells := map[string]string{"key": key, "reference": "26/" + key, "proposal": "A porch", "status": "REG", "received": "2026-02-01", "lon": "-1.08", "lat": "53.96", "address": "1 High Street"}
	for i := 0; i+1 < len(with); i += 2 {
		cells[with[i]] = with[i+1]
	}
	var line []string
	for _, name := range strings.Split(strings.TrimSpace(villageHeader), ",") {
		line = append(line, cells[name])
	}
	return strings.Join(line, ",")
}

// news lists the events after the one with id as "type reference", with the state
// of those that are not live.
func (w *world) news(after *int64) string {
	w.t.Helper()
	entries, last := w.events(*after)
	*after = last
	var out []string
	for _, e := range entries {
		s := e.Type + " " + e.Reference
		if e.State != string(alerts.EventLive) {
			s += " (" + e.State + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (w *world) wantNews(after *int64, want string) {
	w.t.Helper()
	if got := w.news(after); got != want {
		w.t.Fatalf("events: %s\nwant:   %s", got, want)
	}
}

// sound checks what must hold of the event log at any time: live events are
// numbered from 1 without gaps, others not at all, and each has its change.
func (w *world) sound() {
	w.t.Helper()
	live, top, counter := w.count(`SELECT count(*) FROM event WHERE seq IS NOT NULL`), w.count(`SELECT coalesce(max(seq), 0) FROM event`), w.count(`SELECT value FROM counter WHERE name = 'event'`)
	if live != top || top != counter {
		w.t.Errorf("%d events are numbered, up to %d; the counter says %d", live, top, counter)
	}
	if n := w.count(`SELECT count(*) FROM event WHERE (state = 'live') <> (seq IS NOT NULL)`); n != 0 {
		w.t.Errorf("%d events are numbered though not live, or the reverse", n)
	}
	if n := w.count(`SELECT count(*) FROM event e JOIN application a ON a.id = e.application_id WHERE e.version > a.version`); n != 0 {
		w.t.Errorf("%d events are of versions that do not exist", n)
	}
}

func TestTheFirstImportTellsNobodyAndTheSameFileTwiceIsNoNews(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		var last int64
		if run := w.read("village", csv(row("1"), row("2"))); !run.Silent || run.New != 2 || run.Verdict != alerts.VerdictComplete {
			t.Fatalf("first import: %+v", run)
		}
		w.wantNews(&last, "received 26/1 (silenced), received 26/2 (silenced)")
		for range 2 {
			if run := w.read("village", csv(row("1"), row("2"), row("3"))); run.Silent {
				t.Fatalf("second import: %+v", run)
			}
		}
		w.wantNews(&last, "received 26/3")
		w.sound()
	})
}

func TestThereAndBackAgainIsThreeEvents(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		last := int64(1)
		for _, status := range []string{"REG", "WDN", "REG", "WDN"} {
			w.read("village", csv(row("0"), row("1", "status", status)))
		}
		w.wantNews(&last, "received 26/1, withdrawn 26/1, corrected 26/1, withdrawn 26/1")
		w.sound()
	})
}

func TestAbsenceIsNotAWithdrawal(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		var rows []string
		for i := range 40 {
			rows = append(rows, row(fmt.Sprint(i)))
		}
		w.read("village", csv(rows...))
		var last int64
		w.news(&last)
		// 39 of 40 is an ordinary day, 20 a partial answer, none a failure.
		for _, c := range []struct {
			rows    int
			verdict alerts.Verdict
		}{{39, alerts.VerdictComplete}, {20, alerts.VerdictPartial}, {0, alerts.VerdictFailed}, {40, alerts.VerdictComplete}} {
			run := w.read("village", csv(rows[:c.rows]...))
			if run.Verdict != c.verdict {
				t.Errorf("%d rows: %s (%s), want %s", c.rows, run.Verdict, run.Reason, c.verdict)
			}
			notices := w.count(`SELECT count(*) FROM notice`)
			if wantNotice := c.verdict != alerts.VerdictComplete; (notices > 0) != wantNotice {
				t.Errorf("%d rows: %d notices", c.rows, notices)
			}
		}
		w.wantNews(&last, "")
		if n := w.count(`SELECT count(*) FROM application WHERE NOT hidden`); n != 40 {
			t.Errorf("%d applications are left of 40", n)
		}
	})
}

// A sick source leaves what is stored alone and tells somebody, in a sentence.
func TestBrokenAnswersHarmNothing(t *testing.T) {
	good := villageHeader + row("1") + "\n" + row("2") + "\n"
	for _, c := range []struct {
		name, answer string
		verdict      alerts.Verdict
		reason       string
	}{
		{"a web page", "<!DOCTYPE html><html><title>Sign in</title></html>", alerts.VerdictFailed, "web page"},
		{"nothing", "", alerts.VerdictFailed, ""},
		{"only a header", villageHeader, alerts.VerdictFailed, "not a single application"},
		{"other columns", "id,ref,what\n1,2,3\n", alerts.VerdictFailed, "column reference"},
		{"cut off within a quotation", good + `3,26/3,"A por`, alerts.VerdictPartial, "line 4"},
		{"cut off within the last cell", good + "3,26/3,A porch,REG,2026-02-01,,-1.08,53.96,\"1 Hi\n", alerts.VerdictPartial, "line 4"},
		{"JSON", `{"records": []}`, alerts.VerdictFailed, ""},
		{"zeros", strings.Repeat("\x00", 5000), alerts.VerdictFailed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWorld(t, village, func(t *testing.T, w *world) {
				w.read("village", bytes.NewBufferString(good))
				last := int64(2)
				before := w.count(`SELECT count(*) FROM record`)
				run := w.read("village", bytes.NewBufferString(c.answer))
				if run.Verdict != c.verdict || !strings.Contains(run.Reason, c.reason) || run.Reason == "" {
					t.Errorf("%s: %q, want %s with %q", run.Verdict, run.Reason, c.verdict, c.reason)
				}
				w.wantNews(&last, "")
				if after := w.count(`SELECT count(*) FROM record`); after != before {
					t.Errorf("%d records became %d", before, after)
				}
				var told string
				if err := w.db.QueryRow(`SELECT text FROM notice`).Scan(&told); err != nil || !strings.Contains(told, run.Reason) {
					t.Errorf("the notice says %q (%v)", told, err)
				}
				w.read("village", bytes.NewBufferString(good))
				if n := w.count(`SELECT count(*) FROM notice`); n != 0 {
					t.Errorf("%d notices are left when the feed is well again", n)
				}
			})
		})
	}
}

func TestABadRowIsQuarantinedAndTheRestGoesIn(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		run := w.read("village", csv(row("1"), row("2", "received", "31/13/2026"), row("3", "lat", "north"), row("4")))
		if run.Verdict != alerts.VerdictComplete || run.New != 2 || run.Quarantined != 2 {
			t.Fatalf("%+v", run)
		}
		faults, err := w.store.Quarantined(t.Context(), run.ID, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range faults {
			got = append(got, fmt.Sprintf("line %d, %s: %s", f.Line, f.Column, f.Value))
			if f.Reason == "" {
				t.Errorf("%+v has no reason", f)
			}
		}
		if want := "line 3, received: 31/13/2026; line 4, lat: north"; strings.Join(got, "; ") != want {
			t.Errorf("quarantined: %s, want %s", strings.Join(got, "; "), want)
		}
	})
}

func TestAnApplicationWithoutAPositionIsCountedAndTold(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		last := int64(1)
		run := w.read("village", csv(row("0"), row("1", "lon", "", "lat", ""), row("2", "lon", "0", "lat", "0")))
		if run.Unlocated != 2 {
			t.Errorf("%d rows are unlocated, want 2", run.Unlocated)
		}
		w.wantNews(&last, "received 26/1, received 26/2")
		c, err := w.store.Authority(t.Context(), "village")
		if err != nil || c.Applications != 3 || c.Unlocated != 2 {
			t.Errorf("the page counts %d, %d without a position (%v)", c.Applications, c.Unlocated, err)
		}
		w.read("village", csv(row("0"), row("1"), row("2", "lon", "0", "lat", "0")))
		w.wantNews(&last, "located 26/1")
	})
}

// swollen is a register with so much news that nobody can have meant it.
func swollen() []string {
	rows := []string{row("0", "status", "WDN")}
	for i := range 80 {
		rows = append(rows, row(fmt.Sprint(i+1)))
	}
	return rows
}

func TestAskedForNoFloods(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		last := int64(1)
		rows := swollen()
		if run := w.read("village", csv(rows...)); run.Verdict != alerts.VerdictHeld {
			t.Fatalf("%s (%s)", run.Verdict, run.Reason)
		}
		if got := w.news(&last); strings.Count(got, "(held)") != 81 {
			t.Fatalf("not all is held: %s", got)
		}
		if n := w.count(`SELECT count(*) FROM event WHERE seq IS NOT NULL`); n != 0 {
			t.Fatalf("%d events would be told", n)
		}
		// What happens to the same cases meanwhile queues behind; other cases go on.
		rows[1] = row("1", "status", "DEC", "decision", "GRANT")
		w.read("village", csv(append(rows, row("new"))...))
		w.wantNews(&last, "received 26/new, decided 26/1 (held)")

		what := 0
		if err := w.store.Held(t.Context(), w.feed, w.now, func(events []alerts.Event) error { what += len(events); return nil }); err != nil {
			t.Fatal(err)
		}
		told, err := w.store.Release(t.Context(), w.feed, alerts.Forever, w.now)
		if err != nil || told != 81 || what != 81 {
			t.Fatalf("a release of %d pieces of news, announced as %d (%v)", told, what, err)
		}
		released := w.news(&last)
		if !strings.Contains(released, "withdrawn 26/0") || strings.Count(released, "26/1,") != 1 {
			t.Errorf("released: %s", released)
		}
		if n := w.count(`SELECT count(*) FROM event WHERE state = 'held'`); n != 0 {
			t.Errorf("%d events are still held", n)
		}
		w.sound()
		if again, err := w.store.Release(t.Context(), w.feed, alerts.Forever, w.now); err != nil || again != 0 {
			t.Errorf("released again: %d (%v)", again, err)
		}
		// Somebody has looked and found it right, so as much is no surprise any more.
		for i := range 80 {
			rows = append(rows, row(fmt.Sprint("later", i)))
		}
		w.now = w.now.Add(24 * time.Hour)
		if run := w.read("village", csv(append(rows, row("new"))...)); run.Verdict != alerts.VerdictComplete || run.Newsworthy != 80 {
			t.Errorf("as much again is %s (%s), %d pieces of news", run.Verdict, run.Reason, run.Newsworthy)
		}
	})
}

// A register that is written once a week may be read every hour.
func TestQuietReadingsDoNotMakeTheWeeklyNewsAFlood(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		rows := []string{row("0")}
		for i := range 300 {
			rows = append(rows, row(fmt.Sprint("old", i)))
		}
		w.read("village", csv(rows...))
		for week := range 3 {
			for range alerts.FloodMemory + 1 {
				w.now = w.now.Add(time.Hour)
				w.read("village", csv(rows...))
			}
			for i := range 60 - 20*week {
				rows = append(rows, row(fmt.Sprint(week, "/", i)))
			}
			w.now = w.now.Add(time.Hour)
			if run := w.read("village", csv(rows...)); run.Verdict != alerts.VerdictComplete {
				t.Errorf("week %d is %s (%s)", week, run.Verdict, run.Reason)
			}
		}
	})
}

func TestADiscardedHoldTellsNobodyEver(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		w.read("village", csv(swollen()...))
		if _, err := w.store.Discard(t.Context(), w.feed, alerts.Forever); err != nil {
			t.Fatal(err)
		}
		_, last := w.events(0)
		w.read("village", csv(swollen()...))
		w.wantNews(&last, "")
		if n := w.count(`SELECT count(*) FROM event WHERE seq IS NOT NULL OR state = 'held'`); n != 0 {
			t.Errorf("%d events could be told", n)
		}
		rows := swollen()
		rows[1] = row("1", "status", "WDN")
		w.read("village", csv(rows...)) // later news is news again
		w.wantNews(&last, "withdrawn 26/1")
		w.sound()
	})
}

func TestSomebodyIsAlarmedWhenAHeldCaseIsAboutToClose(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		rows := swollen()
		rows[5] = row("5", "until", "2026-02-20")
		w.read("village", csv(rows...))
		w.stage.Source = answers("")
		w.feed = w.declare(strings.Replace(village, "feed: village\n", "feed: village\nschedule: \"@daily\"\n", 1))
		for day, alarmed := range map[string]int{"2026-02-06": 0, "2026-02-13": 1, "2026-02-21": 0} {
			at, err := time.Parse(time.DateOnly, day)
			if err != nil {
				t.Fatal(err)
			}
			w.now = at.Add(12 * time.Hour)
			if _, err := w.stage.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := w.count(`SELECT count(*) FROM notice WHERE key = 'closing:village'`); n != alarmed {
				t.Errorf("on %s: %d alarms, want %d", day, n, alarmed)
			}
		}
	})
}

// answers is a source that always gives the same text.
type answers string

func (a answers) Open(context.Context, feed.Request, ingest.Answer) (ingest.Answer, error) {
	return ingest.Answer{Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

// A counted source counts how often it is read.
type counted struct {
	answers
	opened atomic.Int64
}

func (c *counted) Open(ctx context.Context, r feed.Request, known ingest.Answer) (ingest.Answer, error) {
	c.opened.Add(1)
	return c.answers.Open(ctx, r, known)
}

// onEvent runs a statement of the engine's own before each event is written.
func (w *world) onEvent(engine, sqlite, postgres string) {
	w.t.Helper()
	statements := []string{`CREATE TRIGGER on_event BEFORE INSERT ON event BEGIN ` + sqlite + `; END`}
	if engine == "postgres" {
		statements = []string{`CREATE FUNCTION on_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + postgres + `; RETURN NEW; END $$`,
			`CREATE TRIGGER on_event BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION on_event()`}
	}
	for _, s := range statements {
		if _, err := w.db.Exec(s); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Invariant 1: a change whose event cannot be written is not made.
func TestAChangeAndItsEventAreOne(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("1"), row("2")))
		_, last := w.events(0)
		w.onEvent(w.store.Engine(), `SELECT RAISE(ABORT, 'the disk is full')`, `RAISE EXCEPTION 'the disk is full'`)
		if _, err := w.tryRead("village", csv(row("1", "status", "WDN"), row("2"))); err == nil || !strings.Contains(err.Error(), "the disk is full") {
			t.Fatalf("nothing went wrong: %v", err)
		}
		app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/1"})
		if err != nil || app.IsWithdrawn() || w.count(`SELECT count(*) FROM record WHERE details LIKE '%withdrawn%'`) != 0 {
			t.Fatalf("the change was made without its event: %+v (%v)", app.Details, err)
		}
		if _, err := w.db.Exec(map[string]string{"sqlite": `DROP TRIGGER on_event`, "postgres": `DROP TRIGGER on_event ON event`}[w.store.Engine()]); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(ingest.DefaultLease + time.Second)
		w.read("village", csv(row("1", "status", "WDN"), row("2")))
		w.wantNews(&last, "withdrawn 26/1")
		w.sound()
	})
}

// A mortal store dies at its n-th call, before or after it has done its work.
type mortal struct {
	ingest.Store
	calls, dies int
	after       bool
}

var errKilled = errors.New("killed")

func (m *mortal) do(fn func() error) error {
	m.calls++
	if m.calls == m.dies && !m.after {
		return errKilled
	}
	if err := fn(); err != nil {
		return err
	}
	if m.calls >= m.dies {
		return errKilled
	}
	return nil
}

func (m *mortal) StartRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) (got alerts.Run, err error) {
	err = m.do(func() error { got, err = m.Store.StartRun(ctx, r, now, lease); return err })
	return got, err
}

func (m *mortal) Stage(ctx context.Context, r alerts.Run, rows []alerts.Staged, until time.Time) error {
	return m.do(func() error { return m.Store.Stage(ctx, r, rows, until) })
}

func (m *mortal) JudgeRun(ctx context.Context, r alerts.Run, now time.Time, lease time.Duration) error {
	return m.do(func() error { return m.Store.JudgeRun(ctx, r, now, lease) })
}

func (m *mortal) ApplyBatch(ctx context.Context, r alerts.Run, f alerts.Feed, rows []alerts.Staged, now time.Time, lease time.Duration) error {
	return m.do(func() error { return m.Store.ApplyBatch(ctx, r, f, rows, now, lease) })
}

func (m *mortal) FinishRun(ctx context.Context, r alerts.Run, etag, lastModified string, now time.Time) (got alerts.Run, err error) {
	err = m.do(func() error { got, err = m.Store.FinishRun(ctx, r, etag, lastModified, now); return err })
	return got, err
}

// Invariants 1 and 5: wherever a process dies, the next one finishes its run, and
// the log holds each event once.
func TestAKillAnywhereLosesAndRepeatsNothing(t *testing.T) {
	eachWorld(t, scheduled, func(t *testing.T, w *world) {
		var first, second []string
		for i := range 1200 { // three batches
			first = append(first, row(fmt.Sprint(i)))
			second = append(second, row(fmt.Sprint(i)))
			if i%13 == 0 {
				second[i] = row(fmt.Sprint(i), "status", "WDN")
			}
		}
		second = append(second, row("late"))
		w.stage.Source = answers(villageHeader + strings.Join(first, "\n") + "\n")
		w.pass()
		_, last := w.events(0)
		w.stage.Source = answers(villageHeader + strings.Join(second, "\n") + "\n")
		w.now = w.now.Add(24 * time.Hour)
		kills := 0
		for dies := 1; ; dies++ {
			m := &mortal{Store: w.store, dies: dies, after: dies%2 == 0}
			w.stage.Store = m
			_, err := w.stage.Run(t.Context())
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			kills++
			w.now = w.now.Add(ingest.DefaultLease + time.Second)
			w.sound()
		}
		if kills < 4 {
			t.Fatalf("only %d kills", kills)
		}
		entries, _ := w.events(last)
		count := map[entry]int{}
		for _, e := range entries {
			if count[e]++; count[e] > 1 {
				t.Errorf("%v is there twice", e)
			}
		}
		if len(entries) != 94 { // 93 withdrawn and one received
			t.Errorf("%d events, want 94", len(entries))
		}
		w.sound()
	})
}

const scheduled = "schedule: \"@daily\"\n" + village

func (w *world) pass() ingest.Result {
	w.t.Helper()
	r, err := w.stage.Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestAPeriodIsReadOnceAndAMissedOneCaughtUp(t *testing.T) {
	eachWorld(t, scheduled, func(t *testing.T, w *world) {
		source := &counted{answers: answers(villageHeader + row("1") + "\n")}
		w.stage.Source = source
		var group sync.WaitGroup
		for range 4 { // as many processes
			group.Go(func() {
				if _, err := w.stage.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, c := range []struct {
			later time.Duration
			runs  int
		}{{time.Hour, 1}, {24 * time.Hour, 2}, {time.Minute, 2}, {6 * 24 * time.Hour, 3} /* missed ones are one */, {time.Minute, 3}} {
			w.now = w.now.Add(c.later)
			w.pass()
			if n := w.count(`SELECT count(*) FROM run`); n != c.runs || source.opened.Load() != int64(c.runs) {
				t.Errorf("at %v: %d runs that read %d times, want %d", w.now, n, source.opened.Load(), c.runs)
			}
		}
	})
}

func TestABadFeedDoesNotStopTheOthers(t *testing.T) {
	eachWorld(t, scheduled, func(t *testing.T, w *world) {
		other := strings.NewReplacer("feed: village", "feed: hamlet", "slug: village", "slug: hamlet").Replace(scheduled)
		broken := strings.NewReplacer("feed: village", "feed: aaa", "slug: village", "slug: aaa").Replace(scheduled)
		w.declare(other)
		w.declare(broken)
		if _, err := w.db.Exec(`UPDATE feed SET declaration = 'no: [yaml' WHERE slug = 'aaa'`); err != nil {
			t.Fatal(err)
		}
		w.stage.Source = answers(villageHeader + row("1") + "\n")
		r, err := w.stage.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "feed aaa") || r.Runs != 2 {
			t.Errorf("%d feeds were read; %v", r.Runs, err)
		}
		if n := w.count(`SELECT count(*) FROM application`); n != 2 {
			t.Errorf("%d applications, want one of each good feed", n)
		}
	})
}

// Invariant 2: with several processes at work, whoever reads the log up to the
// highest number it sees has missed nothing.
func TestNumbersBecomeVisibleInOrder(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		feeds := []alerts.Feed{w.feed}
		for i := range 3 {
			slug := fmt.Sprintf("village%d", i)
			feeds = append(feeds, w.declare(strings.NewReplacer("feed: village", "feed: "+slug, "slug: village", "slug: "+slug).Replace(village)))
		}
		// Only changes: what adds applications takes turns anyway.
		const changes = 20
		register := func(changed int) io.Reader {
			var rows []string
			for i := range changes {
				rows = append(rows, row(fmt.Sprint(i), "status", map[bool]string{true: "WDN", false: "REG"}[i < changed]))
			}
			return csv(rows...)
		}
		for _, f := range feeds {
			if _, err := w.stage.Import(t.Context(), f, register(0), ingest.Options{Source: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		if w.store.Engine() == "postgres" { // so that transactions that took their numbers in one order could end in another
			w.onEvent("postgres", "", "PERFORM pg_sleep(random() * 0.01)")
		}
		done := make(chan struct{})
		var group, watcher sync.WaitGroup
		watcher.Go(func() {
			seen := 0
			for {
				var top, n int
				if err := w.db.QueryRow(`SELECT coalesce(max(seq), 0), count(seq) FROM event`).Scan(&top, &n); err != nil {
					t.Error(err)
					return
				}
				if top != n || top < seen {
					t.Errorf("%d events are visible up to number %d, before up to %d", n, top, seen)
					return
				}
				seen = top
				select {
				case <-done:
					return
				default:
				}
			}
		})
		for _, f := range feeds {
			group.Go(func() {
				f.LastComplete = 1
				for i := range changes {
					if _, err := w.stage.Import(context.Background(), f, register(i+1), ingest.Options{Source: "test"}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		close(done)
		watcher.Wait()
		w.sound()
		if n := w.count(`SELECT value FROM counter WHERE name = 'event'`); n != len(feeds)*changes {
			t.Errorf("%d events, want %d", n, len(feeds)*changes)
		}
	})
}

func TestPlacesComeFromThePostcodeInTheAddress(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.stage.Places = func(context.Context) (ingest.Locator, error) { return gazetteer{}, nil }
		w.read("village", csv(row("1", "lon", "", "lat", "", "address", "1 High Street YO1 7HH")))
		app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/1"})
		if err != nil {
			t.Fatal(err)
		}
		if app.Site.Method != alerts.MethodPostcode || app.Site.Uncertainty != 100 || app.Postcode != "YO1 7HH" || app.Ward != "E05000001" {
			t.Errorf("%+v", app.Details)
		}
	})
}

// A gazetteer knows one postcode, one property and one ward, and that the village
// lies between 53 and 54 degrees north.
type gazetteer struct{}

func (gazetteer) PostcodeIn(text string) (string, geo.Point, bool) {
	return "YO1 7HH", geo.Point{Lon: -1.08, Lat: 53.96}, strings.Contains(text, "YO1 7HH")
}
func (gazetteer) WardAt(geo.Point) string                   { return "E05000001" }
func (gazetteer) Within(authority string, p geo.Point) bool { return p.Lat > 53 && p.Lat < 54 }
func (gazetteer) Property(_ context.Context, uprn string) (geo.Point, bool, error) {
	return geo.Point{Lon: -1.07, Lat: 53.95}, uprn == "1234", nil
}

// The ladder: what the feed says, unless it is outside the authority; the
// property's number; the postcode; nothing.
func TestPlacesComeFromTheBestThatIsKnown(t *testing.T) {
	declaration := strings.Replace(village, "address: address", "address: address, uprn: uprn", 1)
	const header = "uprn," + villageHeader
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		w.stage.Places = func(context.Context) (ingest.Locator, error) { return gazetteer{}, nil }
		for i, c := range []struct {
			name, uprn, place string
			want              alerts.Method
			uncertainty       float64
		}{
			{"a point", "1234", "-1.09,53.97,1 High Street YO1 7HH", alerts.MethodPoint, 10},
			{"a point in another county", "1234", "-1.09,51.97,1 High Street YO1 7HH", alerts.MethodUPRN, 10},
			{"a property", "000000001234", ",,1 High Street YO1 7HH", alerts.MethodUPRN, 10},
			{"a property that is not known", "99", ",,1 High Street YO1 7HH", alerts.MethodPostcode, 100},
			{"a point in another county, and nothing else", "", "-1.09,51.97,1 High Street", alerts.MethodNone, 0},
			{"nothing", "", ",,Land north of the church", alerts.MethodNone, 0},
		} {
			run := w.read("", strings.NewReader(fmt.Sprintf("%s%s,%d,26/%d,A house,REG,,2026-02-01,,%s\n", header, c.uprn, i, i, c.place)))
			app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: fmt.Sprintf("26/%d", i)})
			if err != nil || app.Site.Method != c.want || app.Site.Uncertainty != c.uncertainty || (run.Unlocated == 1) != (c.want == alerts.MethodNone) {
				t.Errorf("%s: %+v, %d unlocated (%v)", c.name, app.Site, run.Unlocated, err)
			}
		}
	})
}

// A position that was looked up does not take the place of the council's own.
func TestAWorsePositionDoesNotReplaceABetter(t *testing.T) {
	declaration := strings.Replace(village, "codes:", `  - name: brief
    format: csv
    columns: {source_key: key, reference: reference, address: address}
codes:`, 1)
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		w.stage.Places = func(context.Context) (ingest.Locator, error) { return gazetteer{}, nil }
		w.read("village", strings.NewReader(villageHeader+"1,26/1,A house,REG,,2026-02-01,,-1.09,53.97,1 High Street YO1 7HH\n"))
		_, last := w.events(0)
		w.read("brief", strings.NewReader("key,reference,address\n1,26/1,2 High Street YO1 7HH\n"))
		w.wantNews(&last, "amended 26/1")
		w.read("village", strings.NewReader(villageHeader+"1,26/1,A house,REG,,2026-02-01,,,,2 High Street YO1 7HH\n"))
		w.wantNews(&last, "")
		app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/1"})
		if err != nil || app.Site.Method != alerts.MethodPoint || app.Site.Lat != 53.97 {
			t.Errorf("%+v (%v)", app.Site, err)
		}
	})
}

// A position that comes late is news for those around it.
func TestALatePositionIsTold(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("0")))
		_, last := w.events(0)
		w.read("village", csv(row("0"), row("1", "lon", "", "lat", "")))
		w.wantNews(&last, "received 26/1")
		w.read("village", csv(row("0"), row("1")))
		w.wantNews(&last, "located 26/1")
	})
}

func TestTheFetcherExplainsWhatASourceAnswers(t *testing.T) {
	data := villageHeader + row("1") + "\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			if r.Header.Get("If-None-Match") == `"1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("ETag", `"1"`)
			io.WriteString(w, data)
		case "/gzip":
			w.Header().Set("Content-Type", "application/gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, data)
			z.Close()
		case "/page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, "<html>Please log in</html>")
		case "/cut":
			w.Header().Set("Content-Length", "100000")
			io.WriteString(w, data)
		case "/huge":
			io.WriteString(w, strings.Repeat(data, 100))
		default:
			http.Error(w, "gone", http.StatusGone)
		}
	}))
	defer server.Close()
	for _, c := range []struct {
		path    string
		verdict alerts.Verdict
		reason  string
	}{
		{"/good", alerts.VerdictComplete, ""},
		{"/gzip", alerts.VerdictComplete, ""},
		{"/page", alerts.VerdictFailed, "web page"},
		{"/cut", alerts.VerdictPartial, "breaks off"},
		{"/huge", alerts.VerdictPartial, "larger than a feed may be"},
		{"/gone", alerts.VerdictFailed, "410 Gone"},
	} {
		t.Run(c.path, func(t *testing.T) {
			eachWorld(t, strings.Replace(village, "    format: csv\n", "    format: csv\n    url: "+server.URL+c.path+"\n", 1), func(t *testing.T, w *world) {
				w.stage.Source = &ingest.Fetcher{Client: server.Client(), MaxBytes: 2000, Sleep: func(context.Context, time.Duration) error { return nil }}
				run, err := w.stage.Fetch(t.Context(), w.feed)
				if err != nil || run.Verdict != c.verdict || !strings.Contains(run.Reason, c.reason) {
					t.Fatalf("%s: %q (%v), want %s with %q", run.Verdict, run.Reason, err, c.verdict, c.reason)
				}
				if c.path != "/good" {
					return
				}
				f, err := w.store.Feed(t.Context(), "village")
				if err != nil {
					t.Fatal(err)
				}
				if again, err := w.stage.Fetch(t.Context(), f); err != nil || again.Verdict != alerts.VerdictComplete || again.Rows != 0 {
					t.Errorf("what has not changed: %+v (%v)", again, err)
				}
			})
		})
	}
}

func TestAFileCanBeASource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "village.csv")
	if err := os.WriteFile(path, []byte(villageHeader+row("1")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eachWorld(t, strings.Replace(village, "    format: csv\n", "    format: csv\n    url: "+path+"\n", 1), func(t *testing.T, w *world) {
		w.stage = &ingest.Stage{Store: w.store, Source: &ingest.Fetcher{}, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
		if run, err := w.stage.Fetch(t.Context(), w.feed); err != nil || run.New != 1 {
			t.Errorf("%+v (%v)", run, err)
		}
	})
}

// What an adapter does not supply stays as another left it.
func TestAnAdapterLeavesAloneWhatItLacks(t *testing.T) {
	declaration := strings.Replace(village, "codes:", `  - name: brief
    format: csv
    columns: {source_key: key, reference: reference, description: proposal}
codes:`, 1)
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		w.read("village", csv(row("1", "status", "DEC", "decision", "GRANT")))
		_, last := w.events(0)
		w.read("brief", strings.NewReader("key,reference,proposal\n1,26/1,A porch\n"))
		w.wantNews(&last, "")
		w.read("brief", strings.NewReader("key,reference,proposal\n1,26/1,A larger porch\n"))
		w.wantNews(&last, "amended 26/1")
		app, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/1"})
		if err != nil || app.Decision != alerts.DecisionApproved || !app.Site.Located() || app.Description != "A larger porch" {
			t.Errorf("%+v (%v)", app.Details, err)
		}
	})
}

func TestQuarantineKeepsWhatALookNeeds(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		run := w.read("village", csv(row("1"), row("2"), row("3", "received", strings.Repeat("x", 5000))))
		faults, err := w.store.Quarantined(t.Context(), run.ID, 10)
		if err != nil || len(faults) != 1 {
			t.Fatal(faults, err)
		}
		if n := len([]rune(faults[0].Value)); n > 200 {
			t.Errorf("a cell of %d characters is kept", n)
		}
		if !slices.Contains([]int{4}, faults[0].Line) {
			t.Errorf("line %d", faults[0].Line)
		}
	})
}

// A mistaken import is taken back: what it brought is gone, what it changed is as
// before, and the right file is news again.
func TestAMistakenImportIsTakenBack(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("1"), row("2"), row("3")))
		_, last := w.events(0)
		mistake := w.read("village", csv(row("1", "status", "DEC", "decision", "REFUSE"), row("2", "lat", "53.5"), row("3"), row("4"), row("5")))
		w.wantNews(&last, "received 26/4, received 26/5, decided 26/1, located 26/2")
		w.read("village", csv(row("1", "status", "DEC", "decision", "REFUSE"), row("2", "lat", "53.5"), row("3"), row("4"), row("5", "status", "WDN")))
		w.wantNews(&last, "withdrawn 26/5")
		back := func() store.Rollback {
			t.Helper()
			done, err := w.store.Rollback(t.Context(), w.feed, mistake.ID, w.now)
			if err != nil {
				t.Fatal(err)
			}
			return done
		}
		if done := back(); done != (store.Rollback{Removed: 1, Restored: 2, Left: 1}) {
			t.Errorf("%+v", done)
		}
		w.wantNews(&last, "recalled 26/1, recalled 26/2, removed 26/4")
		if done := back(); done.Removed+done.Restored != 0 {
			t.Errorf("taken back twice: %+v", done)
		}
		w.wantNews(&last, "")
		one, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/1"})
		if err != nil || one.IsDecided() {
			t.Errorf("%+v (%v)", one, err)
		}
		if _, err := w.store.Application(t.Context(), alerts.Ref{Authority: "village", Number: "26/4"}); !errors.Is(err, alerts.ErrNotFound) {
			t.Errorf("26/4: %v", err)
		}
		w.sound()
		w.read("village", csv(row("1"), row("2"), row("3"), row("4"), row("5", "status", "WDN"))) // the right file
		w.wantNews(&last, "received 26/4")
		w.sound()
	})
}

// A feed whose first and only reading is taken back begins anew, and tells nobody.
func TestAFirstImportThatIsTakenBackIsFirstAgain(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		run := w.read("village", csv(row("1"), row("2")))
		if _, err := w.store.Rollback(t.Context(), w.feed, run.ID, w.now); err != nil {
			t.Fatal(err)
		}
		if run := w.read("village", csv(row("1"), row("3"))); !run.Silent {
			t.Errorf("%+v", run)
		}
	})
}

// Feeds repeat what they say every day: a place that was found wrong does not come
// back with the next change, until the feed gives another.
func TestAPlaceFoundWrongStaysSoUntilTheFeedGivesAnother(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("1"), row("2")))
		last := int64(2)
		ref := alerts.Ref{Authority: "village", Number: "26/1"}
		place := func() alerts.Site {
			t.Helper()
			app, err := w.store.Application(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			return app.Site
		}
		decide := func(c alerts.PlaceDecision) {
			t.Helper()
			if _, _, err := w.store.DecidePlace(t.Context(), ref, c, alerts.Act{Who: "test", What: string(c.State)}, w.now); err != nil {
				t.Fatal(err)
			}
		}
		decide(alerts.PlaceDecision{State: alerts.PlaceDropped})
		w.wantNews(&last, "corrected 26/1")
		w.read("village", csv(row("1", "proposal", "A porch and a shed"), row("2")))
		w.wantNews(&last, "amended 26/1")
		if place().Located() {
			t.Fatalf("the wrong place is back: %+v", place())
		}
		decide(alerts.PlaceDecision{State: alerts.PlaceMoved, Right: geo.Point{Lon: -1.07, Lat: 53.97}})
		w.wantNews(&last, "located 26/1")
		w.read("village", csv(row("1", "proposal", "A shed"), row("2")))
		w.wantNews(&last, "amended 26/1")
		if at := place(); at.Lon != -1.07 || at.Method != alerts.MethodChecked {
			t.Fatalf("the right place is gone: %+v", at)
		}
		w.read("village", csv(row("1", "proposal", "A shed", "lon", "-1.09"), row("2")))
		w.wantNews(&last, "located 26/1")
		if at := place(); at.Lon != -1.09 || at.Method != alerts.MethodPoint {
			t.Fatalf("the feed's other place does not count: %+v", at)
		}
		if n := w.count(`SELECT count(*) FROM place_check`); n != 0 {
			t.Errorf("%d places are still held against a feed that has mended them", n)
		}
		w.read("village", csv(row("1", "proposal", "A shed"), row("2"))) // the old place again: nobody doubts it now
		w.wantNews(&last, "located 26/1")
		decide(alerts.PlaceDecision{State: alerts.PlaceDropped})
		decide(alerts.PlaceDecision{State: alerts.PlaceKept})
		w.wantNews(&last, "corrected 26/1, located 26/1")
		w.sound()
	})
}
