package alerts

import (
	"math/rand/v2"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
)

func TestAnApproximatePlaceIsNearAndNotExact(t *testing.T) {
	seen := map[geo.Point]bool{}
	for range 2000 {
		home := geo.Point{Lon: -0.14 + rand.Float64()*0.003, Lat: 51.53 + rand.Float64()*0.003}
		a := Area{Kind: AreaCircle, Centre: home, Radius: 500, Label: "NW1 8NH"}.Approximate()
		if d := geo.Distance(home, a.Centre); d > 72 {
			t.Fatalf("%v is moved by %.0f m", home, d)
		}
		if a.Radius != 500 || a.Label != "NW1 8" {
			t.Fatalf("%+v", a)
		}
		if again := a.Approximate(); again.Centre != a.Centre {
			t.Fatalf("%v, and again %v", a.Centre, again.Centre)
		}
		seen[a.Centre] = true
	}
	if len(seen) > 30 { // a field of 210 by 330 m
		t.Errorf("2,000 homes are still in %d places", len(seen))
	}
	for label, want := range map[string]string{"n1c4ag": "n1c 4", "Home, SW1A 1AA": "Home, SW1A 1", "51.53900, -0.14260": "51.540, -0.142", "Mum's": "Mum's", "M1 1AE and M1 1AF": "M1 1 and M1 1"} {
		if got := (Area{Kind: AreaCircle, Centre: geo.Point{Lon: -0.1426, Lat: 51.5399}, Label: label}).Approximate().Label; got != want {
			t.Errorf("%q becomes %q, want %q", label, got, want)
		}
	}
	ward := Area{Kind: AreaWard, Code: "E05013656", Label: "NW1 8NH"}
	if got := ward.Approximate(); got.Label != ward.Label {
		t.Errorf("%+v", got)
	}
}
