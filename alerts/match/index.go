package match

import (
	"log/slog"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
)

// An index finds the events that a version of a subscription could want: by the
// boxes of their old and new sites, by ward, by authority and by case. It is not changed
// once it is made.
type index struct {
	events      []alerts.Candidate
	keys        []string // under which the store looks for candidates
	boxes       grid
	byWard      map[string][]int32
	byAuthority map[string][]int32
	byCase      map[int64][]int32
}

func newIndex(events []alerts.Event, log *slog.Logger) (*index, error) {
	x := &index{byWard: map[string][]int32{}, byAuthority: map[string][]int32{}, byCase: map[int64][]int32{}}
	var boxes []boxed
	for i := range events {
		e := &events[i]
		c, err := alerts.NewCandidate(e)
		if err != nil {
			// Ingest checks outlines, so this is damage. Nobody should miss the case for it.
			log.Error("an outline cannot be read; its point is used", "event", e.Seq, "error", err)
			e = withoutOutlines(e)
			if c, err = alerts.NewCandidate(e); err != nil {
				return nil, err
			}
		}
		keys, err := alerts.EventKeys(e)
		if err != nil {
			return nil, err
		}
		x.keys = append(x.keys, keys...)
		n := int32(len(x.events))
		x.events = append(x.events, *c)
		x.byAuthority[e.Authority] = append(x.byAuthority[e.Authority], n)
		x.byCase[e.ApplicationID] = append(x.byCase[e.ApplicationID], n)
		for _, ward := range slices.Compact([]string{c.Is.Ward, c.Was.Ward}) {
			if ward != "" {
				x.byWard[ward] = append(x.byWard[ward], n)
			}
		}
		for _, p := range []alerts.Place{c.Is, c.Was} {
			if !p.Site.Located() {
				continue
			}
			box, err := p.Site.Box()
			if err != nil {
				return nil, err
			}
			if !box.Empty() {
				boxes = append(boxes, boxed{box, n})
			}
		}
	}
	x.boxes = newGrid(boxes)
	slices.Sort(x.keys)
	x.keys = slices.Compact(x.keys)
	return x, nil
}

// withoutOutlines returns the event with its sites reduced to their points.
func withoutOutlines(e *alerts.Event) *alerts.Event {
	out := *e
	out.After.Site.Shape = nil
	if e.Before != nil {
		was := *e.Before
		was.Site.Shape = nil
		out.Before = &was
	}
	return &out
}

// A finder is one worker's use of an index.
type finder struct {
	*index
	hits []int32
}

func (x *index) finder() *finder { return &finder{index: x} }

// wanted yields the events that the version wants, in order. The error is of its
// area.
func (f *finder) wanted(v *alerts.Version, yield func(*alerts.Event, alerts.Interest)) error {
	hits, err := f.candidates(v)
	if err != nil || len(hits) == 0 {
		return err
	}
	ground, err := alerts.NewGround(&v.Area)
	if err != nil {
		return err
	}
	for _, i := range hits {
		c := &f.events[i]
		if interest := alerts.Decide(v, ground, c); interest != alerts.NotWanted {
			yield(c.Event, interest)
		}
	}
	return nil
}

func (f *finder) candidates(v *alerts.Version) ([]int32, error) {
	switch v.Area.Kind {
	case alerts.AreaWard:
		return f.byWard[v.Area.Code], nil
	case alerts.AreaAuthority:
		return f.byAuthority[v.Area.Code], nil
	case alerts.AreaApplication:
		id, _ := v.Area.Case()
		return f.byCase[id], nil
	}
	box, ok, err := v.Area.Reach()
	if err != nil || !ok {
		return nil, err
	}
	f.hits = f.boxes.search(box, f.hits[:0])
	if len(f.hits) > 1 {
		slices.Sort(f.hits)
		f.hits = slices.Compact(f.hits) // an event may have two boxes, and a box lie in many cells
	}
	return f.hits, nil
}
