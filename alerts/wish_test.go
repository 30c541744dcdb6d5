package alerts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
)

// square is the outline of a square around a place, as somebody types it.
func square(at geo.Point, side float64) string {
	lat, lon := side/2/111_260, side/2/69_300
	var b strings.Builder
	for _, c := range [][2]float64{{-1, -1}, {-1, 1}, {1, 1}, {1, -1}} {
		fmt.Fprintf(&b, "%.6f, %.6f\n", at.Lat+c[0]*lat, at.Lon+c[1]*lon)
	}
	return b.String()
}

var camdenTown = geo.Point{Lon: -0.1425, Lat: 51.5397}

func TestOutlinesAsPeopleTypeThem(t *testing.T) {
	many := strings.Repeat("51.5, -0.1\n51.6, -0.2\n", 10_000)
	for _, c := range []struct{ name, text, fault string }{
		{"corners on lines", square(camdenTown, 400), ""},
		{"corners with semicolons", "51.54,-0.15; 51.54,-0.14; 51.55,-0.14", ""},
		{"corners with blank lines and Windows ends", "51.54 -0.15\r\n\r\n51.54 -0.14\r\n51.55 -0.14\r\n", ""},
		{"GeoJSON", `{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[-0.15,51.54],[-0.14,51.54],[-0.14,51.55],[-0.15,51.54]]]}}`, ""},
		{"two corners", "51.54, -0.15\n51.54, -0.14", "at least three corners"},
		{"words", "Camden Town\nPrimrose Hill", "Line 1, “Camden Town”, is no corner"},
		{"one number in a line", "51.54, -0.15\n51.54\n51.55, -0.14", "Line 2, “51.54”, is no corner"},
		{"crossing itself", "51.54, -0.15\n51.55, -0.14\n51.55, -0.15\n51.54, -0.14", "crosses or touches itself near"},
		{"longitude first", "-0.15, 51.54\n-0.14, 51.54\n-0.14, 51.55", "swapped"},
		{"outside the country", "48.85, 2.35\n48.86, 2.35\n48.86, 2.36", "outside the United Kingdom"},
		{"a metre across", square(camdenTown, 1), "at least 100 m²"},
		{"too large", square(camdenTown, 24_000), "km"},
		{"too many corners", many, "too many corners"},
		{"a point", `{"type":"Point","coordinates":[-0.15,51.54]}`, "A point is not an area"},
		{"broken GeoJSON", `{"type":"Polygon","coordinates":[[[`, "cannot be read"},
		{"a line", `{"type":"LineString","coordinates":[[-0.15,51.54],[-0.14,51.54]]}`, "cannot be read"},
		{"nothing in it", `{"type":"FeatureCollection","features":[]}`, "cannot be read"},
		{"NaN", "NaN, NaN\nNaN, 1\n1, 1", ""},
		{"infinity", "Inf, 1\n1, Inf\n1, 1", "x"},
	} {
		wkb, err := ParseOutline(c.text)
		switch {
		case c.name == "NaN" || c.name == "infinity":
			if err == nil {
				t.Errorf("%s: it was accepted", c.name)
			}
		case c.fault == "" && (err != nil || len(wkb) == 0):
			t.Errorf("%s: %v", c.name, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v, want something of %q", c.name, err, c.fault)
		case c.fault != "" && strings.HasSuffix(err.Error(), "."):
			t.Errorf("%s: %q ends in a full stop, which forms add", c.name, err)
		}
	}
	if wkb, err := ParseOutline(" \n"); wkb != nil || err != nil {
		t.Errorf("nothing typed: %v, %v", wkb, err)
	}
}

// What a form shows of a stored outline is read as the same outline.
func TestOutlineTextIsReadAsItWas(t *testing.T) {
	for _, text := range []string{square(camdenTown, 400),
		`{"type":"MultiPolygon","coordinates":[[[[-0.15,51.54],[-0.14,51.54],[-0.14,51.55],[-0.15,51.54]]],[[[-0.13,51.54],[-0.12,51.54],[-0.12,51.55],[-0.13,51.54]]]]}`,
		`{"type":"Polygon","coordinates":[[[-0.15,51.54],[-0.13,51.54],[-0.13,51.56],[-0.15,51.56],[-0.15,51.54]],[[-0.145,51.545],[-0.145,51.55],[-0.14,51.55],[-0.145,51.545]]]}`} {
		wkb, err := ParseOutline(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseOutline(OutlineText(wkb))
		if err != nil || !slices.Equal(wkb, again) {
			t.Errorf("%s\nis shown as\n%s\nwhich is read as another outline (%v)", text, OutlineText(wkb), err)
		}
	}
}

func FuzzParseOutline(f *testing.F) {
	f.Add(square(camdenTown, 400))
	f.Add(`{"type":"Polygon","coordinates":[[[-0.15,51.54],[-0.14,51.54],[-0.14,51.55],[-0.15,51.54]]]}`)
	f.Add("51.54,-0.15;51.54,-0.14;51.55,-0.14")
	f.Fuzz(func(t *testing.T, text string) {
		wkb, err := ParseOutline(text)
		if err != nil || len(wkb) == 0 {
			return
		}
		if faults := CheckWish(Area{Kind: AreaPolygon, Shape: wkb}, Filter{}, Daily); len(faults) > 0 {
			t.Fatalf("%q is read but not accepted: %v", text, faults[0])
		}
		again, err := ParseOutline(OutlineText(wkb))
		if err != nil || !slices.Equal(again, wkb) {
			t.Fatalf("%q is shown as something else: %v", text, err)
		}
	})
}

func TestAreasThatCannotBe(t *testing.T) {
	outline := func(text string) []byte {
		wkb, err := ParseOutline(text)
		if err != nil {
			t.Fatal(err)
		}
		return wkb
	}
	circle := Area{Kind: AreaCircle, Centre: camdenTown, Radius: 500}
	with := func(change func(*Area)) Area {
		a := circle
		change(&a)
		return a
	}
	for _, c := range []struct {
		name  string
		area  Area
		field string
	}{
		{"a ring", with(func(a *Area) { a.Ring = 2000 }), ""},
		{"a ring inside the circle", with(func(a *Area) { a.Ring = 400 }), "ring"},
		{"a ring around the country", with(func(a *Area) { a.Ring = 500_000 }), "ring"},
		{"a negative ring", with(func(a *Area) { a.Ring = -1 }), "ring"},
		{"a ring around a ward", Area{Kind: AreaWard, Code: "E05013656", Ring: 2000}, "ring"},
		{"half left out", with(func(a *Area) { a.CarveOut = outline(square(geo.Point{Lon: -0.1325, Lat: 51.5397}, 1200)) }), ""},
		{"all left out", with(func(a *Area) { a.CarveOut = outline(square(camdenTown, 1500)) }), "carve"},
		{"all left out of a drawn area", Area{Kind: AreaPolygon, Shape: outline(square(camdenTown, 400)), CarveOut: outline(square(camdenTown, 900))}, "carve"},
		{"a carve-out that is none", with(func(a *Area) { a.CarveOut = []byte{1, 2, 3} }), "carve"},
		{"no ward", Area{Kind: AreaWard}, "ward"},
		{"no council", Area{Kind: AreaAuthority}, "authority"},
		{"nothing drawn", Area{Kind: AreaPolygon}, "outline"},
		{"an outline that is none", Area{Kind: AreaPolygon, Shape: []byte("no")}, "outline"},
		{"no kind", Area{}, "area"},
	} {
		got := ""
		if faults := CheckWish(c.area, Filter{}, Daily); len(faults) > 0 {
			got = faults[0].Field
		}
		if got != c.field {
			t.Errorf("%s: the fault is beside %q, want %q", c.name, got, c.field)
		}
	}
}

func TestWordsOfAFilter(t *testing.T) {
	if got := WordList(" basement ,Mill  Lane\nroof;basement,, "); !slices.Equal(got, []string{"basement", "Mill Lane", "roof"}) {
		t.Errorf("%q", got)
	}
	for _, c := range []struct {
		filter Filter
		field  string
	}{
		{Filter{Include: []string{"basement"}, Exclude: []string{"Mill Lane"}}, ""},
		{Filter{Include: slices.Repeat([]string{"x"}, 21)}, "include"},
		{Filter{Exclude: []string{strings.Repeat("x", 61)}}, "exclude"},
		{Filter{Include: []string{"!?"}}, "include"},
		{Filter{Events: []EventType{"born"}}, "events"},
		{Filter{Kinds: []Kind{"castle"}}, "kinds"},
	} {
		got := ""
		if faults := CheckWish(Area{Kind: AreaCircle, Centre: camdenTown, Radius: 500}, c.filter, Daily); len(faults) > 0 {
			got = faults[0].Field
		}
		if got != c.field {
			t.Errorf("%+v: the fault is beside %q, want %q", c.filter, got, c.field)
		}
	}
}

// The groups of the forms are all kinds and all news that can be chosen, each once.
func TestGroupsAreEverythingOnce(t *testing.T) {
	kinds := map[Kind]int{}
	for _, g := range KindGroups {
		for _, k := range g.Kinds {
			kinds[k]++
		}
		if got := KindGroupsOf(KindsOf([]string{g.Key})); !slices.Equal(got, []string{g.Key}) {
			t.Errorf("%s comes back as %q", g.Key, got)
		}
	}
	for _, k := range append(slices.Clone(Kinds), "") {
		if kinds[k] != 1 {
			t.Errorf("the kind %q is in %d groups, want 1", k, kinds[k])
		}
	}
	for _, g := range EventGroups {
		if got := EventGroupsOf(EventsOf([]string{g.Key})); !slices.Equal(got, []string{g.Key}) {
			t.Errorf("%s comes back as %q", g.Key, got)
		}
	}
	var all []string
	for _, g := range KindGroups {
		all = append(all, g.Key)
	}
	if got := KindsOf(all); got != nil {
		t.Errorf("all groups are %q, want everything", got)
	}
}

func TestFilterInWords(t *testing.T) {
	got := strings.Join(English.FilterWords(Filter{Kinds: KindsOf([]string{"trees", "use"}), Events: EventsOf([]string{"new", "decided"}),
		Include: []string{"basement"}, Exclude: []string{"roof", "Mill Lane"}, MajorOnly: true}), "\n")
	want := "Only changes of use and trees\nOnly major schemes\nOnly this news: new applications and decisions and withdrawals\n" +
		"Only with one of these words: “basement”\nNot with any of these words: “roof” and “Mill Lane”"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := English.FilterWords(Filter{}); !slices.Equal(got, []string{"All kinds of application"}) {
		t.Errorf("%q", got)
	}
	if got := English.FilterWords(Filter{Kinds: []Kind{KindTelecoms}})[0]; got != "Only telecommunications" {
		t.Errorf("part of a group: %q", got)
	}
}

func TestHowOftenInWords(t *testing.T) {
	for n, want := range map[int]string{0: "none in 90 days", 1: "fewer than one a month", 3: "about 1 a month", 9: "about 3 a month", 13: "about 1 a week", 26: "about 2 a week", 116: "about 9 a week", 15_000: "about 1,167 a week"} {
		if got := English.RateWords(n, 90); got != want {
			t.Errorf("%d in 90 days: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "no mail in 90 days", 13: "about 1 mail a week", 26: "about 2 mails a week", 3: "about 1 mail a month"} {
		if got := English.MailRateWords(n, 90); got != want {
			t.Errorf("%d mails in 90 days: %q, want %q", n, got, want)
		}
	}
}

func TestSuggestedRadius(t *testing.T) {
	bands := func(counts ...int) (out []Within) {
		for i, r := range []float64{100, 200, 500, 1000, 2000, 5000, 10_000} {
			if i < len(counts) {
				out = append(out, Within{r, counts[i]})
			}
		}
		return out
	}
	for _, c := range []struct {
		name   string
		counts []int
		want   float64
	}{
		{"the middle of a city", []int{60, 200, 900, 3000, 9000}, 100},
		{"a suburb", []int{1, 6, 26, 116, 400}, 500},
		{"a village", []int{0, 0, 2, 4, 9, 30, 90}, 5000},
		{"the Highlands", []int{0, 0, 0, 0, 0, 1, 3}, 10_000},
		{"three in a village and no more", []int{0, 0, 3, 3, 3, 3, 3}, 500},
		{"nowhere", []int{0, 0, 0}, 0},
		{"unknown", nil, 0},
	} {
		if got := SuggestRadius(bands(c.counts...), 90); got != c.want {
			t.Errorf("%s: %v m, want %v m", c.name, got, c.want)
		}
	}
}
