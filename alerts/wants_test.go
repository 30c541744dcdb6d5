package alerts_test

import (
	"math"
	"strings"
	"testing"

	"github.com/twpayne/go-geom"
	"pgregory.net/rapid"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

var home = geo.Point{Lon: -0.142539, Lat: 51.539703}

// north returns the point that lies so many metres north of home.
func north(metres float64) geo.Point {
	low, high := home.Lat, home.Lat+1
	for range 80 {
		if mid := (low + high) / 2; geo.Distance(home, geo.Point{Lon: home.Lon, Lat: mid}) < metres {
			low = mid
		} else {
			high = mid
		}
	}
	return geo.Point{Lon: home.Lon, Lat: low}
}

func pointAt(p geo.Point, uncertainty float64) alerts.Site {
	return alerts.Site{Lon: p.Lon, Lat: p.Lat, Method: alerts.MethodPoint, Uncertainty: uncertainty}
}

// box is the WKB of a rectangle, with rectangular holes, each given by its
// western, southern, eastern and northern edge.
func box(t testing.TB, edges ...[4]float64) []byte {
	t.Helper()
	var flat []float64
	var ends []int
	for _, e := range edges {
		flat = append(flat, e[0], e[1], e[2], e[1], e[2], e[3], e[0], e[3], e[0], e[1])
		ends = append(ends, len(flat))
	}
	b, err := geo.EncodeWKB(geom.NewPolygonFlat(geom.XY, flat, ends))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask asks a version that has always been in force.
func ask(t testing.TB, area alerts.Area, filter alerts.Filter, e alerts.Event) alerts.Answer {
	t.Helper()
	if area.Label == "" {
		area.Label = "NW1 8NH"
	}
	v := alerts.Version{To: alerts.Forever, Area: area, Filter: filter}
	if e.Seq == 0 {
		e.Seq = 1
	}
	if e.Type == "" {
		e.Type = alerts.EventReceived
	}
	ground, err := alerts.NewGround(&area)
	if err != nil {
		t.Fatal(err)
	}
	c, err := alerts.NewCandidate(&e)
	if err != nil {
		t.Fatal(err)
	}
	a := alerts.Wants(&v, ground, c)
	if d := alerts.Decide(&v, ground, c); d != a.Interest {
		t.Errorf("Decide = %v, Wants = %v", d, a)
	}
	if a.Reason.IsZero() || strings.HasSuffix(a.Reason.String(), ".") {
		t.Errorf("reason %q is no clause", a.Reason)
	}
	return a
}

func received(s alerts.Site) alerts.Event { return alerts.Event{After: alerts.Details{Site: s}} }

func TestCircle(t *testing.T) {
	exactly := geo.Distance(home, north(500))
	for _, c := range []struct {
		name   string
		radius float64
		ring   float64
		major  bool
		site   alerts.Site
		want   alerts.Interest
		reason string
	}{
		{"inside", 500, 0, false, pointAt(north(180), 0), alerts.Wanted, "it is 180 m from NW1 8NH, within 500 m"},
		{"on the edge", exactly, 0, false, pointAt(north(500), 0), alerts.Wanted, "within 500 m"},
		{"a hair outside", math.Nextafter(exactly, 0), 0, false, pointAt(north(500), 0), alerts.NotWanted, "further than 500 m"},
		{"far", 500, 0, false, pointAt(north(1300), 0), alerts.NotWanted, "it is 1.3 km from NW1 8NH, further than 500 m"},
		{"may be inside", 500, 0, false, pointAt(north(590), 100), alerts.Wanted, "about 590 m from NW1 8NH, and its position is known only roughly"},
		{"cannot be inside", 500, 0, false, pointAt(north(605), 100), alerts.NotWanted, "further than 500 m"},
		{"major in the ring", 500, 2000, true, pointAt(north(1300), 0), alerts.Wanted, "within 2 km"},
		{"minor in the ring", 500, 2000, false, pointAt(north(1300), 0), alerts.NotWanted, "further than 500 m"},
		{"ring smaller than radius", 500, 100, true, pointAt(north(300), 0), alerts.Wanted, "within 500 m"},
		{"unlocated", 500, 0, false, alerts.Site{}, alerts.NotWanted, "published no position"},
		{"no number", 500, 0, false, pointAt(geo.Point{Lon: math.NaN(), Lat: 51}, 0), alerts.NotWanted, "further than"},
		{"outline with its centre outside", 500, 0, false,
			alerts.Site{Lon: home.Lon, Lat: 51.548, Method: alerts.MethodBoundary, Shape: box(t, [4]float64{home.Lon - .001, 51.543, home.Lon + .001, 51.553})},
			alerts.Wanted, "it is 365 m from NW1 8NH"},
		{"circle in the hole of an outline", 500, 0, false,
			alerts.Site{Lon: -.18, Lat: 51.54, Method: alerts.MethodBoundary, Shape: box(t, [4]float64{-.2, 51.5, -.1, 51.6}, [4]float64{-.16, 51.53, -.12, 51.55})},
			alerts.NotWanted, "further than 500 m"},
		{"circle inside an outline", 500, 0, false,
			alerts.Site{Lon: -.18, Lat: 51.54, Method: alerts.MethodBoundary, Shape: box(t, [4]float64{-.2, 51.5, -.1, 51.6})},
			alerts.Wanted, "it is 0 m from NW1 8NH"},
	} {
		e := received(c.site)
		if c.major {
			e.After.Scale = "major"
		}
		got := ask(t, alerts.Area{Kind: alerts.AreaCircle, Centre: home, Radius: c.radius, Ring: c.ring}, alerts.Filter{}, e)
		if got.Interest != c.want || !strings.Contains(got.Reason.String(), c.reason) {
			t.Errorf("%s: %v, want %v because %q", c.name, got, c.want, c.reason)
		}
	}
}

func TestAskedForAreasThatFit(t *testing.T) {
	area := alerts.Area{Kind: alerts.AreaPolygon, Shape: box(t, [4]float64{-.2, 51.5, -.1, 51.6}), Label: "our ward"}
	holed := alerts.Area{Kind: alerts.AreaPolygon, Shape: box(t, [4]float64{-.2, 51.5, -.1, 51.6}, [4]float64{-.16, 51.54, -.14, 51.56})}
	carved := area
	carved.CarveOut = box(t, [4]float64{-.16, 51.54, -.14, 51.56})
	ringed := area
	ringed.Ring = 2000
	doughnut := area // what is taken out has a hole, which stays in
	doughnut.CarveOut = box(t, [4]float64{-.16, 51.54, -.12, 51.58}, [4]float64{-.15, 51.55, -.13, 51.57})
	circle := alerts.Area{Kind: alerts.AreaCircle, Centre: geo.Point{Lon: -.15, Lat: 51.55}, Radius: 3000, CarveOut: carved.CarveOut}
	council := alerts.Area{Kind: alerts.AreaAuthority, Code: "camden", CarveOut: carved.CarveOut}
	outline := func(w, s, e, n float64) alerts.Site {
		return alerts.Site{Lon: (w + e) / 2, Lat: (s + n) / 2, Method: alerts.MethodBoundary, Shape: box(t, [4]float64{w, s, e, n})}
	}
	point := func(lon, lat, uncertainty float64) alerts.Site {
		return pointAt(geo.Point{Lon: lon, Lat: lat}, uncertainty)
	}
	for _, c := range []struct {
		name string
		area alerts.Area
		site alerts.Site
		want bool
	}{
		{"inside", area, point(-.19, 51.51, 0), true},
		{"on the edge", area, point(-.2, 51.55, 0), true},
		{"on a corner", area, point(-.2, 51.5, 0), true},
		{"outside", area, point(-.0999, 51.55, 0), false},
		{"outside by less than its uncertainty", area, point(-.0999, 51.55, 10), true},
		{"outline overlapping", area, outline(-.101, 51.55, -.09, 51.56), true},
		{"outline touching", area, outline(-.1, 51.55, -.09, 51.56), true},
		{"outline around the area", area, outline(-.3, 51.4, 0, 51.7), true},
		{"in the hole", holed, point(-.15, 51.55, 0), false},
		{"on the edge of the hole", holed, point(-.16, 51.55, 0), true},
		{"in the ring, not major", ringed, point(-.09, 51.55, 0), false},
		{"carved out", carved, point(-.15, 51.55, 0), false},
		{"on the edge of what is carved out", carved, point(-.16, 51.55, 0), true},
		{"carved out, perhaps", carved, point(-.1599, 51.55, 100), true},
		{"carved out, surely", carved, point(-.15, 51.55, 100), false},
		{"outline carved out", carved, outline(-.151, 51.549, -.149, 51.551), false},
		{"outline carved out in part", carved, outline(-.161, 51.549, -.149, 51.551), true},
		{"outline around what is carved out", carved, outline(-.17, 51.53, -.13, 51.57), true},
		{"island in what is carved out", doughnut, point(-.14, 51.56, 0), true},
		{"carved out around the island", doughnut, point(-.155, 51.56, 0), false},
		{"circle, carved out", circle, point(-.15, 51.55, 0), false},
		{"circle, not carved out", circle, point(-.165, 51.55, 0), true},
		{"council, carved out", council, point(-.15, 51.55, 0), false},
		{"council, elsewhere", council, point(-.19, 51.55, 0), true},
		{"council, unlocated", council, alerts.Site{}, true},
	} {
		e := received(c.site)
		e.Authority = "camden"
		got := ask(t, c.area, alerts.Filter{}, e)
		if (got.Interest == alerts.Wanted) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	major := received(point(-.09, 51.55, 0))
	major.After.Kind = alerts.KindEIA
	if got := ask(t, ringed, alerts.Filter{}, major); got.Interest != alerts.Wanted || got.Reason.String() != "it is 695 m from our ward" {
		t.Errorf("major in the ring of a polygon: %v", got)
	}
}

// Invariant 12: a case without a position still reaches those who follow its
// ward or its council.
func TestUnlocatedCaseReachesWardAndCouncil(t *testing.T) {
	e := alerts.Event{Authority: "camden", After: alerts.Details{Ward: "E05013653"}}
	for _, c := range []struct {
		area alerts.Area
		want alerts.Interest
	}{
		{alerts.Area{Kind: alerts.AreaAuthority, Code: "camden"}, alerts.Wanted},
		{alerts.Area{Kind: alerts.AreaAuthority, Code: "islington"}, alerts.NotWanted},
		{alerts.Area{Kind: alerts.AreaWard, Code: "E05013653"}, alerts.Wanted},
		{alerts.Area{Kind: alerts.AreaWard, Code: "E05013666"}, alerts.NotWanted},
		{alerts.Area{Kind: alerts.AreaWard, Code: ""}, alerts.NotWanted},
		{alerts.Area{Kind: alerts.AreaCircle, Centre: home, Radius: 1e6}, alerts.NotWanted},
	} {
		if got := ask(t, c.area, alerts.Filter{}, e); got.Interest != c.want {
			t.Errorf("%s %q: %v, want %v", c.area.Kind, c.area.Code, got, c.want)
		}
	}
	e.After.Ward = ""
	if got := ask(t, alerts.Area{Kind: alerts.AreaWard, Code: ""}, alerts.Filter{}, e); got.Interest != alerts.NotWanted {
		t.Errorf("no ward against no ward: %v", got)
	}
}

func TestMovedCaseReachesNewlyInsideAndCorrectsNewlyOutside(t *testing.T) {
	area := alerts.Area{Kind: alerts.AreaCircle, Centre: home, Radius: 500}
	in, out, nowhere := pointAt(north(100), 0), pointAt(north(2000), 0), alerts.Site{}
	roughlyIn := pointAt(north(550), 100)
	for _, c := range []struct {
		name    string
		kind    alerts.EventType
		was, is alerts.Site
		want    alerts.Interest
	}{
		{"found inside", alerts.EventLocated, nowhere, in, alerts.Wanted},
		{"found outside", alerts.EventLocated, nowhere, out, alerts.NotWanted},
		{"moved in", alerts.EventLocated, out, in, alerts.Wanted},
		{"moved within", alerts.EventLocated, roughlyIn, in, alerts.NotWanted},
		{"moved out", alerts.EventLocated, in, out, alerts.Correction},
		{"moved about outside", alerts.EventLocated, out, pointAt(north(3000), 0), alerts.NotWanted},
		{"position lost", alerts.EventCorrected, in, nowhere, alerts.Correction},
		{"decision corrected inside", alerts.EventCorrected, in, in, alerts.Wanted},
		{"decision corrected outside", alerts.EventCorrected, out, out, alerts.NotWanted},
		{"amended while it moved out", alerts.EventAmended, in, out, alerts.NotWanted},
		{"amended while it moved in", alerts.EventAmended, out, in, alerts.Wanted},
		{"taken down inside", alerts.EventRemoved, in, in, alerts.Correction},
		{"taken down and emptied", alerts.EventRemoved, in, nowhere, alerts.Correction},
		{"taken down outside", alerts.EventRemoved, out, out, alerts.NotWanted},
	} {
		e := alerts.Event{Type: c.kind, Before: &alerts.Details{Site: c.was}, After: alerts.Details{Site: c.is}}
		if got := ask(t, area, alerts.Filter{}, e); got.Interest != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// Whether a correction is owed depends on what was told, not on what the
	// filter makes of the case now.
	e := alerts.Event{Type: alerts.EventLocated, Before: &alerts.Details{Site: in}, After: alerts.Details{Site: out, Decision: alerts.DecisionRefused}}
	if got := ask(t, area, alerts.Filter{Events: []alerts.EventType{alerts.EventReceived}}, e); got.Interest != alerts.Correction {
		t.Errorf("moved out, decided since, of somebody who follows new cases: %v", got)
	}
}

func TestVersionAnswersForItsTimeOnly(t *testing.T) {
	area := alerts.Area{Kind: alerts.AreaAuthority, Code: "camden"}
	ground, err := alerts.NewGround(&area)
	if err != nil {
		t.Fatal(err)
	}
	v := alerts.Version{From: 10, To: 20, Area: area}
	for seq, want := range map[int64]bool{9: false, 10: false, 11: true, 20: true, 21: false} {
		c, err := alerts.NewCandidate(&alerts.Event{Seq: seq, Authority: "camden"})
		if err != nil {
			t.Fatal(err)
		}
		if got := alerts.Wants(&v, ground, c); (got.Interest == alerts.Wanted) != want {
			t.Errorf("event %d: %v", seq, got)
		}
	}
	pending := alerts.Version{}
	if pending.InForce(0) || pending.InForce(1) {
		t.Error("a version that waits for its confirmation answers for nothing")
	}
}

func TestAskedForLessNoiseByTypeSizeAndWord(t *testing.T) {
	tree := alerts.Details{Kind: alerts.KindTreesTPO, Description: "Fell 2 trees (T1, T2)", Address: "St. John's House, 5 Oak Street"}
	open := alerts.Details{Kind: alerts.KindFull, Scale: "major", Status: alerts.StatusConsultation, Committee: "2026-06-01"}
	decided := alerts.Details{Kind: alerts.KindFull, Decision: alerts.DecisionRefused}
	kinds := func(k ...alerts.Kind) alerts.Filter { return alerts.Filter{Kinds: k} }
	events := func(e ...alerts.EventType) alerts.Filter { return alerts.Filter{Events: e} }
	include := func(w ...string) alerts.Filter { return alerts.Filter{Include: w} }
	exclude := func(w ...string) alerts.Filter { return alerts.Filter{Exclude: w} }
	for _, c := range []struct {
		name   string
		filter alerts.Filter
		kind   alerts.EventType
		d      alerts.Details
		want   bool
	}{
		{"everything", alerts.Filter{}, alerts.EventReceived, tree, true},
		{"kind chosen", kinds(alerts.KindTreesTPO), alerts.EventReceived, tree, true},
		{"kind not chosen", kinds(alerts.KindFull), alerts.EventReceived, tree, false},
		{"news chosen", events(alerts.EventReceived), alerts.EventReceived, tree, true},
		{"news not chosen", events(alerts.EventDecided), alerts.EventReceived, tree, false},
		{"correction always", events(alerts.EventDecided), alerts.EventCorrected, tree, true},
		{"located while new", events(alerts.EventReceived), alerts.EventLocated, tree, true},
		{"located while in consultation, follows new cases", events(alerts.EventReceived), alerts.EventLocated, open, true},
		{"located while in consultation, follows those", events(alerts.EventConsultation), alerts.EventLocated, open, true},
		{"located on its way to committee", events(alerts.EventCommittee), alerts.EventLocated, open, true},
		{"located without consultation", events(alerts.EventConsultation), alerts.EventLocated, tree, false},
		{"located after the decision, follows decisions", events(alerts.EventDecided), alerts.EventLocated, decided, true},
		{"located after the decision, follows new cases", events(alerts.EventReceived), alerts.EventLocated, decided, false},
		{"major", alerts.Filter{MajorOnly: true}, alerts.EventReceived, open, true},
		{"not major", alerts.Filter{MajorOnly: true}, alerts.EventReceived, tree, false},
		{"word", include("trees"), alerts.EventReceived, tree, true},
		{"beginning of a word, any case", include("TREE"), alerts.EventReceived, tree, true},
		{"end of a word", include("rees"), alerts.EventReceived, tree, false},
		{"a word inside another is not excluded", exclude("tree"), alerts.EventReceived, alerts.Details{Address: "5 Oak Street"}, true},
		{"excluded", exclude("oak"), alerts.EventReceived, tree, false},
		{"phrase across punctuation", include("st johns", "st john's house"), alerts.EventReceived, tree, true},
		{"one of several", include("basement", "oak"), alerts.EventReceived, tree, true},
		{"none of several", include("basement", "loft"), alerts.EventReceived, tree, false},
		{"blank word", include(" ", ""), alerts.EventReceived, tree, true},
		{"blank exclusion", exclude("", "?"), alerts.EventReceived, tree, true},
		{"included and excluded", alerts.Filter{Include: []string{"tree"}, Exclude: []string{"oak"}}, alerts.EventReceived, tree, false},
	} {
		e := alerts.Event{Authority: "camden", Type: c.kind, Before: &alerts.Details{Site: pointAt(north(9e4), 0)}, After: c.d}
		e.After.Site = pointAt(home, 0)
		got := ask(t, alerts.Area{Kind: alerts.AreaCircle, Centre: home, Radius: 500}, c.filter, e)
		if (got.Interest == alerts.Wanted) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestDamagedAreaIsAnError(t *testing.T) {
	for name, a := range map[string]alerts.Area{
		"no outline":    {Kind: alerts.AreaPolygon},
		"no WKB":        {Kind: alerts.AreaPolygon, Shape: []byte("junk")},
		"bad carve-out": {Kind: alerts.AreaCircle, Radius: 5, CarveOut: []byte{1}},
	} {
		if _, err := alerts.NewGround(&a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := alerts.NewCandidate(&alerts.Event{After: alerts.Details{Site: alerts.Site{Method: alerts.MethodBoundary, Shape: []byte("junk")}}}); err == nil {
		t.Error("a damaged outline: no error")
	}
}

func TestMetres(t *testing.T) {
	for m, want := range map[float64]string{0: "0 m", .4: "0 m", 3.4: "3 m", 9.4: "9 m", 9.6: "10 m", 12: "10 m", 178: "180 m", 996: "995 m", 997: "995 m", 998: "1 km",
		1000: "1 km", 1340: "1.3 km", 2000: "2 km", 12345: "12.3 km"} {
		if got := alerts.Metres(m); got != want {
			t.Errorf("Metres(%v) = %q, want %q", m, got, want)
		}
	}
}

// Whatever an area wants, it is found under the keys that the event asks with.
func TestWantedEventsShareAKey(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		point := func(name string) geo.Point {
			return geo.Point{Lon: rapid.Float64Range(-7, 1.7).Draw(rt, name+" lon"), Lat: rapid.Float64Range(50, 60).Draw(rt, name+" lat")}
		}
		centre := point("centre")
		reach := rapid.Float64Range(50, 20_000).Draw(rt, "reach")
		bearing := rapid.Float64Range(0, 2*math.Pi).Draw(rt, "bearing")
		uncertainty := rapid.SampledFrom([]float64{0, 10, 100, 2000}).Draw(rt, "uncertainty")
		away := (reach + uncertainty) * rapid.Float64Range(0, 1).Draw(rt, "away")
		perLat := geo.Distance(centre, geo.Point{Lon: centre.Lon, Lat: centre.Lat + .01}) * 100
		perLon := geo.Distance(centre, geo.Point{Lon: centre.Lon + .01, Lat: centre.Lat}) * 100
		site := geo.Point{Lon: centre.Lon + away*math.Sin(bearing)/perLon, Lat: centre.Lat + away*math.Cos(bearing)/perLat}
		area := alerts.Area{Kind: alerts.AreaCircle, Centre: centre, Radius: reach}
		if rapid.Bool().Draw(rt, "ring") {
			area.Radius, area.Ring = 100, reach
		}
		e := alerts.Event{After: alerts.Details{Site: pointAt(site, uncertainty), Scale: "major"}}
		if ask(t, area, alerts.Filter{}, e).Interest == alerts.NotWanted {
			return
		}
		v := alerts.Version{Area: area}
		have, err := v.ScopeKeys()
		if err != nil {
			rt.Fatal(err)
		}
		if len(have) > 16 {
			rt.Errorf("%d keys", len(have))
		}
		want, err := alerts.EventKeys(&e)
		if err != nil {
			rt.Fatal(err)
		}
		for _, k := range have {
			for _, w := range want {
				if k == w {
					return
				}
			}
		}
		rt.Errorf("no common key: %v and %v", have, want)
	})
}
