package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// health is how the world's feed is now.
func (w *world) health() alerts.Health {
	w.t.Helper()
	f, err := w.store.Feed(context.Background(), w.feed.Slug)
	if err != nil {
		w.t.Fatal(err)
	}
	histories, err := w.store.Histories(context.Background(), []alerts.Feed{f})
	if err != nil {
		w.t.Fatal(err)
	}
	return alerts.HealthOf(histories[0], w.now)
}

func (w *world) faults() string {
	w.t.Helper()
	rows, err := w.db.Query(`SELECT kind FROM feed_fault WHERE mended_at = 0 ORDER BY kind`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var k string
		if err := rows.Scan(&k); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, k)
	}
	return strings.Join(out, " ")
}

func TestARunKeepsWhatItSawOfItsSource(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		w.read("village", csv(row("1"), row("2", "status", "HUH", "received", "2026-02-04"), row("3", "status", "HUH", "received", "2062-02-04"), row("4", "received", "31/31/26")))
		h := w.health()
		if h.Newest != "2026-02-04" {
			t.Errorf("the newest is %q: a date to come is a slip of the pen", h.Newest)
		}
		if len(h.Unmapped) != 1 || h.Unmapped[0] != (alerts.CodeCount{Field: "status", Code: "HUH", Count: 2}) {
			t.Errorf("unmapped: %+v", h.Unmapped)
		}
		if h.Rows != 4 || h.Bad != 1 || h.State != alerts.HealthGood {
			t.Errorf("%+v", h)
		}
		w.read("village", strings.NewReader("extra,"+villageHeader+"x,"+row("1")+"\n"))
		if d := w.health().Drift; d == nil || len(d.Gone) != 0 || len(d.Added) != 1 || d.Added[0] != "extra" {
			t.Errorf("drift %+v", d)
		}
	})
}

func TestAColumnOfJSONThatHasGoneIsNoticed(t *testing.T) {
	const declaration = `
feed: village
authority: {slug: village, name: Village Council}
adapters:
  - {name: json, format: json, columns: {reference: ref, description: what, decided: when}}
`
	eachWorld(t, declaration, func(t *testing.T, w *world) {
		file := func(member string) *strings.Reader {
			var items []string
			for i := range 50 {
				items = append(items, fmt.Sprintf(`{"ref": "26/%d", "what": "A porch", %q: "2026-01-01"}`, i, member))
			}
			return strings.NewReader("[" + strings.Join(items, ",") + "]")
		}
		w.read("json", file("when"))
		w.read("json", file("decided_on"))
		if got := w.faults(); got != "columns" {
			t.Errorf("faults %q", got)
		}
		if n := w.count(`SELECT count(*) FROM notice WHERE key = 'columns:village'`); n != 1 {
			t.Errorf("%d notices for the operator", n)
		}
		w.read("json", file("when"))
		if got, n := w.faults(), w.count(`SELECT count(*) FROM notice`); got != "" || n != 0 {
			t.Errorf("mended, but faults %q and %d notices", got, n)
		}
	})
}

func TestAStaleFeedIsSeenByThePassThatFindsNothingToRead(t *testing.T) {
	eachWorld(t, village, func(t *testing.T, w *world) {
		for i := range 6 {
			w.read("village", csv(row("1"), row(fmt.Sprint(i))))
			w.now = w.now.Add(24 * time.Hour)
		}
		w.pass()
		if got := w.faults(); got != "" {
			t.Fatalf("faults %q", got)
		}
		w.now = w.now.Add(3 * 24 * time.Hour)
		w.pass()
		w.pass()
		if got := w.faults(); got != "stale" {
			t.Fatalf("faults %q, want stale", got)
		}
		if n := w.count(`SELECT count(*) FROM notice WHERE key = 'stale:village'`); n != 1 {
			t.Errorf("%d notices for the operator", n)
		}
		w.read("village", csv(row("1"), row("5")))
		if got := w.faults(); got != "" {
			t.Errorf("read again, but faults %q", got)
		}
	})
}
