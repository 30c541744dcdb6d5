package ingest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	csvpkg "encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

// shared names a file of the shared samples. Where they are named they must be
// there; where they are not, the test says that it is skipped.
func shared(t testing.TB, path string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("whole registers are not read in a short run: the full one does")
	}
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not here")
	}
	path = filepath.Join(dir, path)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// yorkCase is what the brute-force comparison looks at in a snapshot.
type yorkCase struct {
	KeyVal   string   `json:"keyval"`
	Ref      string   `json:"ref"`
	Status   string   `json:"status"`
	Proposal string   `json:"proposal"`
	Received string   `json:"received_date"`
	Lat      *float64 `json:"lat"`
	Lon      *float64 `json:"lon"`
}

func yorkSnapshot(t testing.TB, path string) map[string]yorkCase {
	t.Helper()
	z, err := gzip.NewReader(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Applications []yorkCase }
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]yorkCase{}
	for _, c := range doc.Applications {
		out[c.KeyVal] = c
	}
	return out
}

var yorkOver = strings.Fields("PER HAPP LBC GR3 REF HREF CER NOB NOC OBJ PERLHE REFLHE OBJLHE")

// TestYorkReplayGivesTheEventsThatTheFilesJustify replays half a year of a council's
// register and compares with a comparison of the files that shares no code with
// the program: a case that was not there is received; one that gets a decision's
// code is decided; one that gets WDN is withdrawn; one whose proposal has other
// letters or digits is amended; nothing else happens in them.
func TestYorkReplayGivesTheEventsThatTheFilesJustify(t *testing.T) {
	text, _ := feed.Preset("york")
	weeks, err := filepath.Glob(filepath.Join(filepath.Dir(shared(t, "feeds/york/weekly/york-2026-02-11.json.gz")), "*.gz"))
	if err != nil || len(weeks) != 14 {
		t.Fatalf("%d weekly snapshots, %v", len(weeks), err)
	}
	eachWorld(t, string(text), func(t *testing.T, w *world) {
		run := w.read("york", open(t, shared(t, "feeds/york/Planning_Applications.csv")))
		if run.Verdict != "complete" || run.New != 2227 || !run.Silent || run.Events != 2227 || run.Unlocated != 0 {
			t.Fatalf("first import: %+v", run)
		}
		if n := w.count(`SELECT count(*) FROM event WHERE seq IS NOT NULL OR state <> 'silenced'`); n != 0 {
			t.Fatalf("%d events of the first import could be told", n)
		}
		_, last := w.events(0)
		type state struct {
			decided, withdrawn bool
			proposal           string
		}
		was := map[string]state{}
		rows, err := w.db.Query(`SELECT source_key, details FROM record`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var key, details string
			if err := rows.Scan(&key, &details); err != nil {
				t.Fatal(err)
			}
			var d struct {
				StatusRaw   string `json:"status_raw"`
				DecisionRaw string `json:"decision_raw"`
				Description string `json:"description"`
			}
			if err := json.Unmarshal([]byte(details), &d); err != nil {
				t.Fatal(err)
			}
			// One case has its decision while its status still says "pending decision".
			was[key] = state{d.DecisionRaw != "" && d.DecisionRaw != "WDN" && d.DecisionRaw != "INVNOD", d.StatusRaw == "WDN", lettersAndDigits(d.Description)}
		}
		rows.Close()
		total := 0
		for _, week := range weeks {
			w.now = snapshotTime(t, week)
			is := yorkSnapshot(t, week)
			var want []entry
			for key, c := range is {
				ref := strings.Join(strings.Fields(c.Ref), " ")
				before, known := was[key]
				now := state{before.decided || slices.Contains(yorkOver, c.Status), before.withdrawn || c.Status == "WDN", lettersAndDigits(c.Proposal)}
				was[key] = now
				if !known {
					want = append(want, entry{ref, "received", ""})
					continue
				}
				if now.decided && !before.decided {
					want = append(want, entry{ref, "decided", ""})
				}
				if now.withdrawn && !before.withdrawn {
					want = append(want, entry{ref, "withdrawn", ""})
				}
				if now.proposal != before.proposal {
					want = append(want, entry{ref, "amended", ""})
				}
			}
			run := w.read("york-json", open(t, week))
			if run.Verdict != "complete" && run.Verdict != "held" {
				t.Errorf("%s: %s: %s", filepath.Base(week), run.Verdict, run.Reason)
			}
			var got []entry
			got, last = w.events(last)
			for i := range got {
				got[i].State = ""
			}
			compareEntries(t, filepath.Base(week), got, want)
			total += len(got)
			if again := w.read("york-json", open(t, week)); again.New+again.Changed+again.Events != 0 {
				t.Errorf("%s again: %+v", filepath.Base(week), again)
			}
		}
		t.Logf("%d events in %d snapshots", total, len(weeks))
	})
}

// lettersAndDigits drops everything else.
func lettersAndDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

func snapshotTime(t testing.TB, path string) time.Time {
	t.Helper()
	at, err := time.Parse("york-2006-01-02.json.gz", filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(20 * time.Hour)
}

func compareEntries(t testing.TB, name string, got, want []entry) {
	t.Helper()
	sorted := func(in []entry) []string {
		var out []string
		for _, e := range in {
			out = append(out, fmt.Sprint(e))
		}
		slices.Sort(out)
		return out
	}
	g, w := sorted(got), sorted(want)
	if slices.Equal(g, w) {
		return
	}
	only := func(a, b []string) (out []string) {
		for _, s := range a {
			if !slices.Contains(b, s) {
				out = append(out, s)
			}
		}
		return out[:min(len(out), 10)]
	}
	t.Errorf("%s: %d events, want %d; only got %v; only wanted %v", name, len(g), len(w), only(g, w), only(w, g))
}

func TestYorkStalledDailySnapshotsAreNoNews(t *testing.T) {
	text, _ := feed.Preset("york")
	eachWorld(t, string(text), func(t *testing.T, w *world) {
		w.read("york-json", open(t, shared(t, "feeds/york/daily/york-2026-08-12.json")))
		_, last := w.events(0)
		run := w.read("york-json", open(t, shared(t, "feeds/york/daily/york-2026-08-17.json")))
		if got, _ := w.events(last); len(got) != 0 || run.Unchanged != 3195 {
			t.Errorf("a stalled feed gave %v (%+v)", got, run)
		}
	})
}

// A feed that stalls for a fortnight and then brings a hundred genuine cases at
// once is held: nobody is flooded. Nothing is lost: a release tells each case once,
// and what comes meanwhile follows.
func TestYorkStallAndCatchUp(t *testing.T) {
	text, _ := feed.Preset("york")
	all, err := csvpkg.NewReader(bufio.NewReader(skipBOM(open(t, shared(t, "feeds/york/Planning_Applications.csv"))))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	header, rows := all[0], all[1:]
	received := slices.Index(header, "DATEAPRECV")
	slices.SortStableFunc(rows, func(a, b []string) int { return strings.Compare(a[received], b[received]) })
	upTo := func(n int) io.Reader {
		var b bytes.Buffer
		out := csvpkg.NewWriter(&b)
		out.Write(header)
		out.WriteAll(rows[:n])
		return &b
	}
	eachWorld(t, string(text), func(t *testing.T, w *world) {
		n := len(rows) - 250
		w.read("york", upTo(n))
		for day := range 12 { // days of 5 to 15 new cases
			n += 5 + day%11
			if run := w.read("york", upTo(n)); run.Verdict != alerts.VerdictComplete {
				t.Fatalf("an ordinary day: %+v", run)
			}
			w.now = w.now.Add(24 * time.Hour)
		}
		numbered := func() int { return w.count(`SELECT count(*) FROM event WHERE seq IS NOT NULL`) }
		before := numbered()
		for range 14 {
			if run := w.read("york", upTo(n)); run.Verdict != alerts.VerdictComplete || run.Events != 0 {
				t.Fatalf("a day of the stall: %+v", run)
			}
			w.now = w.now.Add(24 * time.Hour)
		}
		n += 100
		run := w.read("york", upTo(n))
		if run.Verdict != alerts.VerdictHeld || run.New != 100 || numbered() != before {
			t.Fatalf("%+v; %d events could be told", run, numbered()-before)
		}
		if got := w.count(`SELECT count(*) FROM application`); got != n {
			t.Errorf("%d applications are shown, want %d", got, n)
		}
		if w.count(`SELECT count(*) FROM notice WHERE key = 'held:york'`) != 1 {
			t.Error("nobody is told that a run is held")
		}
		n += 7
		if run := w.read("york", upTo(n)); run.Verdict != alerts.VerdictComplete || run.New != 7 {
			t.Errorf("the day after: %+v", run)
		}
		f, err := w.store.Feed(t.Context(), "york")
		if err != nil {
			t.Fatal(err)
		}
		waiting := w.count(`SELECT count(DISTINCT application_id) FROM event WHERE state = 'held'`)
		after := numbered()
		if _, err := w.store.Release(t.Context(), f, alerts.Forever, w.now); err != nil {
			t.Fatal(err)
		}
		if told := w.count(`SELECT count(DISTINCT application_id) FROM event WHERE seq > $1`, after); told != waiting || waiting < 90 {
			t.Errorf("of %d cases that waited %d are told", waiting, told)
		}
		if twice := w.count(`SELECT count(*) FROM (SELECT application_id, type FROM event WHERE seq > $1 GROUP BY application_id, type HAVING count(*) > 1) d`, before); twice != 0 {
			t.Errorf("%d cases are told twice", twice)
		}
	})
}

func skipBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if start, _ := b.Peek(3); string(start) == "\ufeff" {
		b.Discard(3)
	}
	return b
}
