package match_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// Invariants 3, 4, 6 and 12: whatever happens in whatever order, and whichever
// passes die in the middle, the ledger is what brute force says it should be.
func TestLedgerEqualsOracleUnderAnyInterleaving(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		storetest.Histories(t, 60)
		rapid.Check(t, func(rt *rapid.T) {
			w.reset()
			h := &history{world: w, rt: rt}
			steps := rapid.IntRange(5, 25).Draw(rt, "steps")
			for range steps {
				h.step(true)
			}
			w.now = w.now.Add(time.Hour)
			w.pass()
			if err := w.problems(); err != nil {
				rt.Fatal(err)
			}
		})
	})
}

// A history is a random course of events.
type history struct {
	*world
	rt   *rapid.T
	subs []alerts.Subscription
}

func (h *history) step(withPasses bool) {
	actions := map[string]func(){
		"publish":   h.publish,
		"publish 2": h.publish,
		"subscribe": func() {
			if len(h.subs) < 12 {
				h.subs = append(h.subs, h.subscribe(drawArea(h.rt), drawFilter(h.rt)))
			}
		},
		"edit": func() {
			if sub := h.anySub(); sub != nil {
				wish := sub.Current.Wish()
				if wish.Area.Radius = rapid.Float64Range(50, 5000).Draw(h.rt, "radius"); rapid.Bool().Draw(h.rt, "elsewhere") {
					wish.Area = drawArea(h.rt)
				}
				wish.Filter, wish.Cadence = drawFilter(h.rt), alerts.Weekly
				if err := h.s.Edit(h.t.Context(), sub.RecipientID, sub.ID, wish, h.now); !errors.Is(err, alerts.ErrConflict) { // the area is another's
					h.must(err)
				}
			}
		},
		"end": func() {
			if sub := h.anySub(); sub != nil {
				_, err := h.s.End(h.t.Context(), sub.ID, "/stop", h.now)
				h.must(err)
			}
		},
		"undo": func() {
			if sub := h.anySub(); sub != nil {
				_, err := h.s.Undo(h.t.Context(), sub.RecipientID, sub.ID, nil, h.now)
				h.must(err)
			}
		},
		"pause": func() {
			if sub := h.anySub(); sub != nil {
				h.must(h.s.Pause(h.t.Context(), sub.RecipientID, sub.ID, alerts.Forever, h.now))
			}
		},
		"take down": func() {
			if key := h.anyCase(); key != 0 {
				h.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, key)
			}
		},
		"wait": func() { h.now = h.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(h.rt, "seconds")) * time.Second) },
	}
	if withPasses {
		actions["pass"] = func() { h.somePass() }
		actions["pass 2"] = func() { h.somePass() }
		actions["two at once"] = func() {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					stage := h.stage()
					stage.Limit = 3
					if _, err := stage.Run(h.t.Context()); err != nil && !errors.Is(err, alerts.ErrConflict) {
						h.t.Error(err)
					}
				})
			}
			wg.Wait()
		}
	}
	names := make([]string, 0, len(actions))
	for name := range actions {
		names = append(names, name)
	}
	slices.Sort(names)
	actions[rapid.SampledFrom(names).Draw(h.rt, "do")]()
}

// somePass runs a pass that dies at some call, or during which something happens
// at some call, or neither.
func (h *history) somePass() {
	m := &meddling{Store: h.s}
	switch rapid.IntRange(0, 2).Draw(h.rt, "fate") {
	case 0:
		m.kill, m.after = rapid.IntRange(1, 12).Draw(h.rt, "dies at"), rapid.Bool().Draw(h.rt, "after")
	case 1:
		m.at = rapid.IntRange(2, 12).Draw(h.rt, "meanwhile at")
		m.do = func() {
			for range rapid.IntRange(1, 3).Draw(h.rt, "steps meanwhile") {
				h.step(false)
			}
		}
	}
	stage := h.stage()
	stage.Store, stage.Limit = m, rapid.IntRange(1, 10).Draw(h.rt, "limit")
	if _, err := stage.Run(h.t.Context()); err != nil && !errors.Is(err, errKilled) {
		h.rt.Fatal(err)
	}
}

func (h *history) must(err error) {
	if err != nil && !errors.Is(err, alerts.ErrNotFound) && !errors.Is(err, alerts.ErrConflict) && !errors.Is(err, alerts.ErrExpired) {
		h.rt.Fatal(err)
	}
}

func (h *history) anySub() *alerts.Subscription {
	if len(h.subs) == 0 {
		return nil
	}
	return &h.subs[rapid.IntRange(0, len(h.subs)-1).Draw(h.rt, "sub")]
}

// anyCase returns the id of an application to which something has happened, or 0.
func (h *history) anyCase() int64 {
	ids := h.register.IDs()
	if len(ids) == 0 {
		return 0
	}
	return rapid.SampledFrom(ids).Draw(h.rt, "case")
}

// publish commits a batch of events to old and new cases.
func (h *history) publish() {
	var list []storetest.Occurrence
	seen := map[string]bool{}
	for range rapid.IntRange(1, 5).Draw(h.rt, "events") {
		o := storetest.Occurrence{
			Authority: rapid.SampledFrom([]string{"camden", "islington"}).Draw(h.rt, "authority"),
			Reference: fmt.Sprint(rapid.IntRange(1, 8).Draw(h.rt, "reference")),
			Details:   drawDetails(h.rt),
			State:     rapid.SampledFrom([]alerts.EventState{"", "", "", alerts.EventSilenced, alerts.EventHeld}).Draw(h.rt, "state"),
		}
		key := o.Authority + " " + o.Reference
		if seen[key] {
			continue
		}
		seen[key] = true
		if o.Type = alerts.EventReceived; h.register.ID(o.Authority, o.Reference) != 0 {
			o.Type = rapid.SampledFrom([]alerts.EventType{alerts.EventAmended, alerts.EventDecided, alerts.EventLocated, alerts.EventLocated,
				alerts.EventCorrected, alerts.EventRemoved, alerts.EventRecalled}).Draw(h.rt, "type")
		}
		list = append(list, o)
	}
	h.happen(list...)
}

func drawPoint(rt *rapid.T) geo.Point {
	// A few kilometres across, so that chance meetings are many.
	return geo.Point{Lon: rapid.Float64Range(-0.16, -0.08).Draw(rt, "lon"), Lat: rapid.Float64Range(51.52, 51.56).Draw(rt, "lat")}
}

var wards = []string{"", "E05013653", "E05013666"}

func drawDetails(rt *rapid.T) alerts.Details {
	d := alerts.Details{
		Ward:        rapid.SampledFrom(wards).Draw(rt, "ward"),
		Scale:       rapid.SampledFrom([]string{"", "major"}).Draw(rt, "scale"),
		Kind:        rapid.SampledFrom([]alerts.Kind{alerts.KindFull, alerts.KindTreesTPO, alerts.KindEIA}).Draw(rt, "kind"),
		Status:      rapid.SampledFrom([]alerts.Status{"", alerts.StatusConsultation, alerts.StatusWithdrawn}).Draw(rt, "status"),
		Decision:    rapid.SampledFrom([]alerts.Decision{"", "", alerts.DecisionRefused}).Draw(rt, "decision"),
		Description: rapid.SampledFrom([]string{"Fell two trees", "Basement extension", "Loft"}).Draw(rt, "description"),
		Address:     "1 High Street",
	}
	switch rapid.IntRange(0, 3).Draw(rt, "position") {
	case 1:
		d.Site = at(drawPoint(rt))
	case 2:
		d.Site = at(drawPoint(rt))
		d.Site.Method, d.Site.Uncertainty = alerts.MethodPostcode, rapid.SampledFrom([]float64{10, 100, 1000}).Draw(rt, "uncertainty")
	case 3:
		p := drawPoint(rt)
		d.Site = at(p)
		d.Site.Method, d.Site.Shape = alerts.MethodBoundary, square(p, rapid.Float64Range(0.0002, 0.02).Draw(rt, "size"))
	}
	return d
}

func drawArea(rt *rapid.T) alerts.Area {
	p := drawPoint(rt)
	a := alerts.Area{Centre: p}
	switch a.Kind = rapid.SampledFrom([]alerts.AreaKind{alerts.AreaCircle, alerts.AreaCircle, alerts.AreaPolygon, alerts.AreaWard, alerts.AreaAuthority, alerts.AreaApplication}).Draw(rt, "area"); a.Kind {
	case alerts.AreaCircle:
		a.Radius = rapid.Float64Range(50, 5000).Draw(rt, "radius")
	case alerts.AreaPolygon:
		a.Shape = square(p, rapid.Float64Range(0.001, 0.05).Draw(rt, "size"))
	case alerts.AreaWard:
		a.Code = rapid.SampledFrom(wards[1:]).Draw(rt, "code")
	case alerts.AreaAuthority:
		a.Code = rapid.SampledFrom([]string{"camden", "islington"}).Draw(rt, "code")
	case alerts.AreaApplication:
		a.Code = rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "code")
	}
	if rapid.IntRange(0, 3).Draw(rt, "has ring") == 0 {
		a.Ring = rapid.Float64Range(100, 8000).Draw(rt, "ring")
	}
	if rapid.IntRange(0, 3).Draw(rt, "has carve-out") == 0 {
		a.CarveOut = square(north(p, rapid.Float64Range(0, 500).Draw(rt, "away")), rapid.Float64Range(0.001, 0.03).Draw(rt, "carve-out"))
	}
	return a
}

func drawFilter(rt *rapid.T) alerts.Filter {
	switch rapid.IntRange(0, 8).Draw(rt, "filter") {
	case 0:
		return alerts.Filter{Kinds: []alerts.Kind{alerts.KindTreesTPO}}
	case 1:
		return alerts.Filter{Events: []alerts.EventType{alerts.EventReceived}}
	case 2:
		return alerts.Filter{Events: []alerts.EventType{alerts.EventDecided, alerts.EventConsultation}}
	case 3:
		return alerts.Filter{MajorOnly: true}
	case 4:
		return alerts.Filter{Include: []string{"tree", "base"}}
	case 5:
		return alerts.Filter{Exclude: []string{"tree"}}
	}
	return alerts.Filter{}
}

// What the store yields as candidates is a superset of what a full scan finds to
// be wanted.
func TestCandidatesEqualFullScan(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		storetest.Histories(t, 40)
		rapid.Check(t, func(rt *rapid.T) {
			w.reset()
			h := &history{world: w, rt: rt}
			for range rapid.IntRange(1, 8).Draw(rt, "subscriptions") {
				h.subs = append(h.subs, w.subscribe(drawArea(rt), drawFilter(rt)))
			}
			for range rapid.IntRange(1, 4).Draw(rt, "batches") {
				h.publish()
			}
			to := w.count(`SELECT value FROM counter WHERE name = 'event'`)
			events, err := w.s.EventsBetween(t.Context(), 0, to)
			if err != nil {
				rt.Fatal(err)
			}
			for i := range events {
				e := &events[i]
				keys, err := alerts.EventKeys(e)
				if err != nil {
					rt.Fatal(err)
				}
				c, err := alerts.NewCandidate(e)
				if err != nil {
					rt.Fatal(err)
				}
				found := map[int64]bool{}
				last := int64(math.MinInt64)
				err = w.s.Candidates(t.Context(), keys, 0, to, func(v *alerts.Version) error {
					if v.ID <= last {
						rt.Errorf("version %d after %d", v.ID, last)
					}
					last = v.ID
					found[v.ID] = true
					return nil
				})
				if err != nil {
					rt.Fatal(err)
				}
				for _, sub := range h.subs {
					ground, err := alerts.NewGround(&sub.Current.Area)
					if err != nil {
						rt.Fatal(err)
					}
					if a := alerts.Wants(&sub.Current, ground, c); a.Interest != alerts.NotWanted && !found[sub.Current.ID] {
						rt.Errorf("version %d wants event %d (%s) but is no candidate for it", sub.Current.ID, e.Seq, a.Reason)
					}
				}
			}
		})
	})
}
