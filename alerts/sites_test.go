package alerts

import (
	"testing"

	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/geo"
)

// siteSquare is a site with a square outline of so many metres a side around a place.
func siteSquare(lon, lat, side float64) Site {
	dLat, dLon := side/2/111_200, side/2/69_000
	shape, err := geo.EncodeWKB(geom.NewPolygonFlat(geom.XY, []float64{lon - dLon, lat - dLat, lon + dLon, lat - dLat, lon + dLon, lat + dLat, lon - dLon, lat + dLat, lon - dLon, lat - dLat}, []int{10}))
	if err != nil {
		panic(err)
	}
	return Site{Lon: lon, Lat: lat, Shape: shape, Method: MethodBoundary}
}

func TestCasesOfOneSiteBelongTogether(t *testing.T) {
	point := func(lon float64) Site { return Site{Lon: lon, Lat: 51.5, Method: MethodPoint} }
	for _, c := range []struct {
		name string
		a, b Details
		want bool
	}{
		{"one address in two spellings", Details{Address: "12 Mill Lane, London NW1 8NH"}, Details{Address: "12 MILL LANE,  LONDON"}, true},
		{"two houses", Details{Address: "12 Mill Lane"}, Details{Address: "14 Mill Lane"}, false},
		{"two flats of one house", Details{Address: "Flat 1, 12 Mill Lane"}, Details{Address: "Flat 2, 12 Mill Lane"}, false},
		{"one property, described differently", Details{Address: "Mill House", UPRN: "00123"}, Details{Address: "12 Mill Lane", UPRN: "123"}, true},
		{"one address, far apart", Details{Address: "1 High Street", Site: point(-.1)}, Details{Address: "1 High Street", Site: point(-.2)}, false},
		{"an address that says too little", Details{Address: "Mill Lane"}, Details{Address: "Mill Lane"}, false},
		{"outlines about one place", Details{Site: siteSquare(-.1, 51.5, 40)}, Details{Site: siteSquare(-.1001, 51.5, 30)}, true},
		{"outlines that touch", Details{Site: siteSquare(-.1, 51.5, 20)}, Details{Site: siteSquare(-.1+20./69_000, 51.5, 20)}, false},
		{"a house in a large scheme", Details{Site: siteSquare(-.1, 51.5, 400)}, Details{Site: point(-.1)}, false},
		{"a point in a small outline", Details{Site: siteSquare(-.1, 51.5, 30)}, Details{Site: point(-.1)}, true},
		{"two points at one place", Details{Site: point(-.1)}, Details{Site: point(-.1)}, false},
		{"nothing known", Details{}, Details{}, false},
	} {
		if got := PropertyOf(&c.a).SameSite(PropertyOf(&c.b)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if PropertyOf(&c.b).SameSite(PropertyOf(&c.a)) != c.want {
			t.Errorf("%s: the other way round it differs", c.name)
		}
	}
}

func TestSitesKeepTheOrderAndEveryCase(t *testing.T) {
	news := func(id int64, authority, address string, correction bool) CaseNews {
		return CaseNews{ApplicationID: id, Authority: authority, Details: &Details{Address: address}, Correction: correction}
	}
	sites := Sites([]CaseNews{news(1, "a", "12 Mill Lane", false), news(2, "a", "9 Mill Lane", false), news(3, "b", "12 Mill Lane", false),
		news(4, "a", "12 Mill Lane", true), news(5, "a", "12 mill lane", false)})
	var got [][]int64
	for _, s := range sites {
		var ids []int64
		for _, n := range s {
			ids = append(ids, n.ApplicationID)
		}
		got = append(got, ids)
	}
	want := [][]int64{{1, 5}, {2}, {3}, {4}}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if len(got[i]) != len(want[i]) || got[i][0] != want[i][0] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestThePastOfASiteIsCounted(t *testing.T) {
	if got := English.PastWords([]PastCase{{1, EndingApproved}, {2, EndingRefused}, {3, EndingRefused}}); got != "3 earlier here: 2 refused, 1 approved" {
		t.Error(got)
	}
	if got := English.PastWords(nil); got != "" {
		t.Error(got)
	}
	if got := EndingOf(&Details{Decision: DecisionRefused, AppealDecision: AppealAllowed}); got != EndingApproved {
		t.Error(got)
	}
}

func TestWhatCanBeActedOnComesFirst(t *testing.T) {
	const today = Date("2026-05-04")
	w := func(d Details, distance float64, correction bool) Weight {
		return Weigh(&CaseNews{Details: &d, Correction: correction}, distance, today)
	}
	order := []struct {
		name string
		Weight
	}{
		{"closes today", w(Details{CommentsUntil: today}, 900, false)},
		{"closes in a week", w(Details{CommentsUntil: "2026-05-11"}, 10, false)},
		{"major, later", w(Details{CommentsUntil: "2026-05-30", Scale: "major"}, 800, false)},
		{"near, later", w(Details{CommentsUntil: "2026-06-20"}, 50, false)},
		{"farther, earlier", w(Details{CommentsUntil: "2026-05-30"}, 60, false)},
		{"open without a date", w(Details{}, 10, false)},
		{"comments over", w(Details{CommentsUntil: "2026-05-01"}, 20, false)},
		{"correction", w(Details{CommentsUntil: "2026-05-05"}, 0, true)},
		{"decided", w(Details{Decision: DecisionRefused, Scale: "major"}, 0, false)},
	}
	for i := 1; i < len(order); i++ {
		if order[i-1].Compare(order[i].Weight) >= 0 || order[i].Compare(order[i-1].Weight) <= 0 {
			t.Errorf("%q does not come before %q", order[i-1].name, order[i].name)
		}
	}
}
