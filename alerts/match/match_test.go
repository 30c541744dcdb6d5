package match_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/match"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

func TestRunTellsThoseInside(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		near := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		far := w.subscribe(circle(haggerston, 500), alerts.Filter{})
		ward := w.subscribe(alerts.Area{Kind: alerts.AreaWard, Code: "E05013653"}, alerts.Filter{})
		council := w.subscribe(alerts.Area{Kind: alerts.AreaAuthority, Code: "camden"}, alerts.Filter{})
		w.happen(
			storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(north(camdenTown, 400)), Ward: "E05013653"}},
			storetest.Occurrence{Authority: "camden", Reference: "2", Type: alerts.EventReceived, Details: alerts.Details{Description: "no position"}},
			storetest.Occurrence{Authority: "islington", Reference: "3", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}},
			storetest.Occurrence{Authority: "camden", Reference: "4", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}, State: alerts.EventSilenced},
			storetest.Occurrence{Authority: "camden", Reference: "5", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}, State: alerts.EventHeld},
		)
		w.pass()
		for _, c := range []struct {
			who  string
			sub  alerts.Subscription
			want string
		}{
			{"near", near, "received 1, received 3"},
			{"far", far, ""},
			{"ward", ward, "received 1"},
			{"council", council, "received 1, received 2"},
		} {
			if got := w.told(c.sub); got != c.want {
				t.Errorf("%s: told %q, want %q", c.who, got, c.want)
			}
		}
		if err := w.problems(); err != nil {
			t.Error(err)
		}
	})
}

// Invariant 6: nothing is selected by a clock window.
func TestLateThingsAreMatchedOnceTheyCome(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		near := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		far := w.subscribe(circle(haggerston, 500), alerts.Filter{})
		council := w.subscribe(alerts.Area{Kind: alerts.AreaAuthority, Code: "camden"}, alerts.Filter{})

		// A case that is found only long after its dates.
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown), Received: "2019-01-02", Valid: "2019-01-09"}})
		w.now = w.now.AddDate(0, 0, 8) // the matcher is out of order
		// A position that comes ten days after the case, and moves later.
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "2", Type: alerts.EventReceived, Details: alerts.Details{}})
		w.pass()
		w.now = w.now.AddDate(0, 0, 10)
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "2", Type: alerts.EventLocated, Details: alerts.Details{Site: at(camdenTown)}})
		w.pass()
		w.now = w.now.AddDate(0, 0, 10)
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "2", Type: alerts.EventLocated, Details: alerts.Details{Site: at(haggerston)}})
		w.pass()

		for _, c := range []struct {
			sub  alerts.Subscription
			want string
		}{
			{near, "received 1, located 2, located 2?"},
			{far, "located 2"},
			{council, "received 1, received 2"},
		} {
			if got := w.told(c.sub); got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		}
		if err := w.problems(); err != nil {
			t.Error(err)
		}
	})
}

// A transaction that commits late must neither be skipped by a pass that runs
// meanwhile nor let later numbers overtake it.
func TestLateCommitIsNotSkipped(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		slow := w.begin(storetest.Occurrence{Authority: "camden", Reference: "slow", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		passed := make(chan error, 1)
		go func() {
			_, err := w.stage().Run(t.Context())
			passed <- err
		}()
		if w.s.Engine() == "postgres" { // SQLite's pass waits for the writer
			if err := <-passed; err != nil {
				t.Fatal(err)
			}
			passed <- nil
		}
		if err := slow.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-passed; err != nil {
			t.Fatal(err)
		}
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "quick", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		w.pass()
		if got, want := w.told(sub), "received slow, received quick"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		if err := w.problems(); err != nil {
			t.Error(err)
		}
	})
}

func TestSignUpDuringPassIsToldOnceOrLater(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		first := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "before", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		var second alerts.Subscription
		stage := w.stage()
		stage.Store = &meddling{Store: w.s, at: 3, do: func() {
			second = w.subscribe(circle(camdenTown, 500), alerts.Filter{})
			if err := w.s.Edit(t.Context(), first.RecipientID, first.ID, alerts.Wish{Area: circle(camdenTown, 2000), Cadence: alerts.Weekly}, w.now); err != nil {
				t.Fatal(err)
			}
			w.happen(storetest.Occurrence{Authority: "camden", Reference: "during", Type: alerts.EventReceived, Details: alerts.Details{Site: at(north(camdenTown, 1500))}})
		}}
		if _, err := stage.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.pass()
		if got, want := w.told(first), "received before, received during"; got != want {
			t.Errorf("first was told %q, want %q", got, want)
		}
		if got, want := w.told(second), ""; got != want {
			t.Errorf("second was told %q, want %q", got, want)
		}
		if err := w.problems(); err != nil {
			t.Error(err)
		}
	})
}

func TestKilledPassRepeatsExactlyItsRange(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		for kill := 1; ; kill++ {
			stage := w.stage()
			dying := &meddling{Store: w.s, kill: kill}
			stage.Store = dying
			_, err := stage.Run(t.Context())
			if err == nil {
				break // it lived to the end
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if got := w.told(sub); got != "" {
				t.Errorf("killed at call %d: owed %q before the watermark moved", kill, got)
			}
			// What comes now must not enter the range that is repeated.
			w.happen(storetest.Occurrence{Authority: "camden", Reference: fmt.Sprintf("later %d", kill), Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
			if r, err := w.stage().Run(t.Context()); kill > 1 && (err != nil || r.Events > 0) {
				t.Errorf("killed at call %d: a pass during the lease did %+v, %v", kill, r, err)
			} else if kill == 1 {
				break // nothing was claimed, so that pass was a good one
			}
			claimed := w.count(`SELECT claimed FROM watermark WHERE name = 'match'`)
			w.now = w.now.Add(time.Minute)
			if _, err := w.stage().Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if position := w.count(`SELECT position FROM watermark WHERE name = 'match'`); position != claimed {
				t.Errorf("killed at call %d: the next pass moved the watermark to %d, want %d", kill, position, claimed)
			}
			w.pass()
			if err := w.problems(); err != nil {
				t.Errorf("killed at call %d: %v", kill, err)
			}
			w.reset()
			sub = w.subscribe(circle(camdenTown, 500), alerts.Filter{})
			w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		}
	})
}

// A pass that was slow to die must not move the watermark, nor may the one that
// took over be undone.
func TestOnlyTheLastClaimMovesTheWatermark(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		ctx := t.Context()
		slow, err := w.s.ClaimMatch(ctx, 10, w.now, time.Minute)
		if err != nil || slow.IsEmpty() {
			t.Fatalf("claim: %+v, %v", slow, err)
		}
		if c, err := w.s.ClaimMatch(ctx, 10, w.now.Add(59*time.Second), time.Minute); err != nil || !c.IsEmpty() {
			t.Errorf("a second pass claimed %+v, %v while the lease lasted", c, err)
		}
		quick, err := w.s.ClaimMatch(ctx, 10, w.now.Add(61*time.Second), time.Minute)
		if err != nil || quick.From != slow.From || quick.To != slow.To || quick.No == slow.No {
			t.Fatalf("took over %+v, %v after %+v", quick, err, slow)
		}
		for name, err := range map[string]error{
			"finish": w.s.FinishMatch(ctx, slow), "hold": w.s.HoldMatch(ctx, slow, w.now), "give back": w.s.DropMatch(ctx, slow),
		} {
			if !errors.Is(err, alerts.ErrConflict) {
				t.Errorf("%s after being taken over: %v, want a conflict", name, err)
			}
		}
		if p := w.count(`SELECT position FROM watermark WHERE name = 'match'`); p != 0 {
			t.Errorf("the watermark moved to %d", p)
		}
		if err := w.s.FinishMatch(ctx, quick); err != nil {
			t.Error(err)
		}
		if err := w.s.FinishMatch(ctx, quick); !errors.Is(err, alerts.ErrConflict) {
			t.Errorf("finish twice: %v, want a conflict", err)
		}
	})
}

func TestHiddenCasesAreToldToNobody(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		w.hide("camden", "1")
		w.pass()
		if got := w.told(sub); got != "" {
			t.Errorf("told %q of a hidden case", got)
		}
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventRemoved, Details: alerts.Details{Site: at(camdenTown)}})
		w.pass()
		if got, want := w.told(sub), "removed 1?"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		if err := w.problems(); err != nil {
			t.Error(err)
		}
	})
}

func TestClosingDateIsKeptWhileItIsOfUse(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		for i, c := range []struct {
			d    alerts.Details
			want string
		}{
			{alerts.Details{CommentsUntil: "2026-05-04"}, "2026-05-04"}, // today
			{alerts.Details{CommentsUntil: "2026-05-03"}, ""},
			{alerts.Details{CommentsUntil: "2026-06-01", Decision: alerts.DecisionApproved}, ""},
			{alerts.Details{}, ""},
		} {
			c.d.Site = at(camdenTown)
			w.happen(storetest.Occurrence{Authority: "camden", Reference: fmt.Sprint(i), Type: alerts.EventReceived, Details: c.d})
			w.pass()
			var got string
			if err := w.db.QueryRow(`SELECT closes FROM match WHERE seq = (SELECT position FROM watermark WHERE name = 'match')`).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("case %d: closes %q, want %q", i, got, c.want)
			}
		}
	})
}

// A damaged area must not keep everybody else waiting.
func TestDamagedAreaStopsNobodyElse(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		bad := w.subscribe(alerts.Area{Kind: alerts.AreaPolygon, Shape: square(camdenTown, 0.01)}, alerts.Filter{})
		good := w.subscribe(circle(camdenTown, 500), alerts.Filter{})
		w.exec(`UPDATE subscription_version SET shape = $1 WHERE subscription_id = $2`, []byte{1, 2, 3}, bad.ID)
		w.happen(storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventReceived, Details: alerts.Details{Site: at(camdenTown)}})
		w.pass()
		if got, want := w.told(good), "received 1"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

var errKilled = errors.New("killed")

// meddling is a store that does something at its nth call, or dies at it: that
// call, before or after it has taken effect, and all later ones fail.
type meddling struct {
	match.Store
	mu       sync.Mutex
	calls    int
	at, kill int
	after    bool
	do       func()
}

func (m *meddling) call(fn func() error) error {
	m.mu.Lock()
	m.calls++
	n := m.calls
	m.mu.Unlock()
	if m.kill > 0 && (n > m.kill || n == m.kill && !m.after) {
		return errKilled
	}
	if n == m.at {
		m.do()
	}
	if err := fn(); err != nil {
		return err
	}
	if n == m.kill {
		return errKilled
	}
	return nil
}

func (m *meddling) ClaimMatch(ctx context.Context, limit int, now time.Time, lease time.Duration) (c alerts.Claim, err error) {
	err = m.call(func() error { c, err = m.Store.ClaimMatch(ctx, limit, now, lease); return err })
	return c, err
}

func (m *meddling) HoldMatch(ctx context.Context, c alerts.Claim, until time.Time) error {
	return m.call(func() error { return m.Store.HoldMatch(ctx, c, until) })
}

func (m *meddling) DropMatch(ctx context.Context, c alerts.Claim) error {
	return m.call(func() error { return m.Store.DropMatch(ctx, c) })
}

func (m *meddling) FinishMatch(ctx context.Context, c alerts.Claim) error {
	return m.call(func() error { return m.Store.FinishMatch(ctx, c) })
}

func (m *meddling) EventsBetween(ctx context.Context, from, to int64) (events []alerts.Event, err error) {
	err = m.call(func() error { events, err = m.Store.EventsBetween(ctx, from, to); return err })
	return events, err
}

func (m *meddling) Candidates(ctx context.Context, keys []string, from, to int64, yield func(*alerts.Version) error) error {
	return m.call(func() error {
		return m.Store.Candidates(ctx, keys, from, to, func(v *alerts.Version) error {
			return m.call(func() error { return yield(v) })
		})
	})
}

func (m *meddling) AddMatches(ctx context.Context, matches []alerts.Match) error {
	return m.call(func() error { return m.Store.AddMatches(ctx, matches) })
}
