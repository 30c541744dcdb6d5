package alerts

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var midday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// allWell is how the work stands when it gets done.
func allWell() []Work {
	var out []Work
	for _, name := range WorkNames {
		w := Work{Name: name, Moved: midday.Add(-20 * time.Second)}
		if workRules[name].still == 0 {
			w.Moved = time.Time{}
		}
		out = append(out, w)
	}
	return out
}

func keysOf(faults []WorkFault) (keys []string) {
	for _, f := range faults {
		key := f.Key
		if f.Stuck {
			key += "!"
		}
		keys = append(keys, key)
	}
	return keys
}

func TestWorkIsAtFaultWhenItIsStillOrLate(t *testing.T) {
	set := func(name string, change func(w *Work)) []Work {
		work := allWell()
		change(&work[slices.IndexFunc(work, func(w Work) bool { return w.Name == name })])
		return work
	}
	waits := func(name string, d time.Duration) []Work {
		return set(name, func(w *Work) { w.Waiting, w.Since = 3, midday.Add(-d) })
	}
	still := func(name string, d time.Duration) []Work {
		return set(name, func(w *Work) { w.Moved = midday.Add(-d) })
	}
	dead := allWell()
	for i := range dead {
		if !dead[i].Moved.IsZero() {
			dead[i].Moved = midday.Add(-16 * time.Minute)
		}
	}
	never := allWell()
	for i := range never {
		never[i].Moved = time.Time{}
	}
	down := func(failures int) []SenderRest {
		return []SenderRest{{Name: "mail", Failures: failures, Until: midday.UnixMilli(), Reason: "connection refused"}}
	}
	for _, c := range []struct {
		name  string
		work  []Work
		rests []SenderRest
		want  []string // "!" for what does not go on by itself
	}{
		{"all well", allWell(), nil, nil},
		{"matching still for a quarter of an hour", still(WorkMatch, 15*time.Minute), nil, nil},
		{"and longer", still(WorkMatch, 15*time.Minute+time.Second), nil, []string{"still:match!"}},
		{"a stage that was never seen", set(WorkHooks, func(w *Work) { w.Moved = time.Time{} }), nil, []string{"still:webhooks!"}},
		{"a large feed read for half an hour", still(WorkIngest, 30*time.Minute), nil, nil},
		{"and for more than an hour without a batch", still(WorkIngest, 61*time.Minute), nil, []string{"still:ingest!"}},
		{"no worker", dead, nil, []string{"still!"}},
		{"no worker ever", never, nil, []string{"still!"}},
		{"a clock put back", still(WorkMatch, -time.Hour), nil, nil},
		{"news for an hour", waits(WorkMatch, time.Hour), nil, nil},
		{"and longer", waits(WorkMatch, time.Hour+time.Second), nil, []string{"late:match!"}},
		{"a digest three hours late", waits(WorkCompose, 3*time.Hour+time.Second), nil, []string{"late:compose!"}},
		{"a slow relay goes on by itself", waits(WorkDeliver, 4*time.Hour), nil, []string{"late:deliver"}},
		{"webhooks wait for their receivers", waits(WorkHooks, 70*time.Hour), nil, nil},
		{"a feed that was not read", waits(WorkIngest, 4*time.Hour), nil, []string{"late:ingest!"}},
		{"a night without its check", waits(WorkAudit, 13*time.Hour), nil, []string{"late:audit!"}},
		{"nor its housekeeping", waits(WorkHousekeeping, 13*time.Hour), nil, []string{"late:housekeeping!"}},
		{"a relay that was away for a moment", allWell(), down(5), nil},
		{"a relay that stays away", allWell(), down(6), []string{"down:mail"}},
	} {
		if got := keysOf(WorkFaults(c.work, c.rests, midday)); !slices.Equal(got, c.want) {
			t.Errorf("%s: faults %v, want %v", c.name, got, c.want)
		}
		for _, f := range WorkFaults(c.work, c.rests, midday) {
			if strings.Contains(f.Text, "%!") || !strings.HasSuffix(f.Text, ".") && !strings.HasSuffix(f.Text, "?") && !strings.Contains(f.Text, "with: sitenotice ") {
				t.Errorf("%s: %q is no sentence", c.name, f.Text)
			}
		}
	}
}

// An alarm is told once when it has lasted, and once when it is over; what comes and
// goes is one alarm.
func TestAnAlarmIsToldOnceAndOnceThatItIsOver(t *testing.T) {
	fault := []WorkFault{{"still:match", "Nothing matches.", true}}
	var known []Alarm
	raised, over := 0, 0
	look := func(minute int, faults []WorkFault) AlarmNews {
		n := NextAlarms(known, faults, midday.Add(time.Duration(minute)*time.Minute))
		raised, over = raised+len(n.Raised), over+len(n.Over)
		for _, f := range n.Forget {
			if slices.ContainsFunc(n.Kept, func(a Alarm) bool { return a.Key == f }) {
				t.Fatalf("minute %d: %s is kept and forgotten", minute, f)
			}
		}
		known = n.Kept
		return n
	}
	for minute := range 5 {
		if n := look(minute, fault); !n.IsEmpty() || len(n.Current) > 0 {
			t.Fatalf("minute %d: told too soon: %+v", minute, n)
		}
	}
	if n := look(5, fault); len(n.Raised) != 1 || len(n.Current) != 1 {
		t.Fatalf("after five minutes: %+v", n)
	}
	for minute := 6; minute < 60; minute++ {
		faults := fault
		if minute%4 == 0 {
			faults = nil // it flickers
		}
		if n := look(minute, faults); len(n.Current) != 1 {
			t.Fatalf("minute %d: %+v", minute, n)
		}
	}
	for minute := 60; minute < 70; minute++ {
		look(minute, nil)
	}
	if raised != 1 || over != 1 || len(known) != 0 {
		t.Errorf("raised %d times, over %d times, %d remembered; want 1, 1, 0", raised, over, len(known))
	}
	look(70, fault)
	look(71, nil)
	if raised != 1 || over != 1 || len(known) != 0 {
		t.Errorf("a fault of a minute: raised %d times, over %d times, %d remembered", raised, over, len(known))
	}
	for minute := 80; minute < 86; minute++ {
		look(minute, fault)
	}
	if raised != 2 {
		t.Errorf("the next fault was raised %d times in all, want 2", raised)
	}
}
