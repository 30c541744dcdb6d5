package torture

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

var kills = flag.Int("kills", 15, "how often the program is killed at random points on each engine")

// roles are the processes in which the program runs on each engine.
var roles = map[string][]string{"sqlite": {"all"}, "postgres": {"web", "worker", "worker"}}

func eachWorld(t *testing.T, test func(w *world)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(newWorld(t, e, roles[e.Name]...)) })
	}
}

// Invariant 5: a kill repeats at most the messages in flight, loses none, and
// repeats none that was recorded.
func TestKilledAtRandomNothingIsLost(t *testing.T) {
	eachWorld(t, func(w *world) {
		for range *kills {
			w.live()
			w.ahead += w.leap()
			w.mu.Lock()
			if w.lethal, w.refuses = 0, w.random.IntN(2) == 0; w.random.IntN(3) == 0 {
				w.lethal = 1 + w.random.IntN(8)
			}
			w.mu.Unlock()
			w.start()
			until := time.Now().Add(time.Duration(w.random.IntN(900)) * time.Millisecond)
			w.ask(1)
			for time.Now().Before(until) && !w.dead() {
				<-time.After(5 * time.Millisecond) // the program works meanwhile
			}
			w.kill(true)
		}
		w.settle()
		w.check()
	})
}

// leap is how much later the program comes back: later than every lease, seldom by
// days.
func (w *world) leap() time.Duration {
	if w.random.IntN(6) == 0 {
		return time.Duration(20+w.random.IntN(60)) * time.Hour
	}
	return time.Duration(10+w.random.IntN(120)) * time.Minute
}

// The same at each commit of every method of the store that the program takes, just
// before it and just after.
func TestKilledAtEveryCommitNothingIsLost(t *testing.T) {
	eachWorld(t, func(w *world) {
		names := filepath.Join(w.TempDir(), "steps")
		w.env = append(w.env, "SITENOTICE_TORTURE_STEPS="+names)
		done := map[string]bool{}
		for {
			step := w.nextStep(names, done)
			if step == "" && len(done) > 20 {
				break
			}
			if w.turn > 400 {
				w.Fatalf("after %d turns there are still new steps: %v", w.turn, step)
			}
			done[step] = true
			w.live()
			w.ahead += w.leap()
			w.start("SITENOTICE_TORTURE_KILL=" + step + "#" + []string{"1", "2"}[w.random.IntN(2)])
			w.ask(1)
			for until := time.Now().Add(600 * time.Millisecond); time.Now().Before(until) && !w.dead(); {
				<-time.After(5 * time.Millisecond) // the program works meanwhile
			}
			w.kill(true)
		}
		delete(done, "")
		w.Logf("killed at %d steps", len(done))
		for _, expected := range []string{"StartRun", "Stage", "JudgeRun", "ApplyBatch", "FinishRun", "ClaimMatch", "AddMatches", "FinishMatch", "ComposeFor",
			"ClaimDeliveries", "RecordAttempts", "ComposeHooks", "ClaimHooks", "RecordHooks", "Subscribe", "Confirm"} {
			if !done["after "+expected] {
				w.Errorf("never killed after %s", expected)
			}
		}
		w.settle()
		w.check()
	})
}

// nextStep returns a step that the program has taken and was not killed at yet; ""
// when there is none.
func (w *world) nextStep(file string, done map[string]bool) string {
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	for _, name := range slices.Sorted(strings.SplitSeq(strings.TrimSpace(string(b)), "\n")) {
		if name != "" && !done[name] {
			return name
		}
	}
	return ""
}
