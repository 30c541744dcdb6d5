package demo_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/cmd/sitenotice/demo"
	"github.com/sitenotice/sitenotice/geo"
)

func register(t *testing.T, steps int) string {
	t.Helper()
	places, err := demo.Postcodes()
	if err != nil {
		t.Fatal(err)
	}
	b := demo.NewBorough(places, "2026-11-23")
	for range steps {
		b.Step("2026-11-23")
	}
	var out bytes.Buffer
	if err := b.WriteCSV(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestBoroughIsTheSameEveryTime(t *testing.T) {
	if first, again := register(t, 50), register(t, 50); first != again {
		t.Error("two registers of the same day differ")
	}
	if register(t, 0) == register(t, 1) {
		t.Error("a step changes nothing")
	}
}

func TestRegisterIsReadWithoutAFault(t *testing.T) {
	d, err := feed.Parse(demo.FeedYAML)
	if err != nil {
		t.Fatal(err)
	}
	report, err := d.Check("", strings.NewReader(register(t, 200)))
	if err != nil {
		t.Fatal(err)
	}
	if report.Good < 420 || report.Faulty+report.Duplicates > 0 || report.Located != report.Good || len(report.Unmapped()) > 0 || report.Broken != "" {
		t.Errorf("%s", report)
	}
}

func TestSamplePostcodesLieInTheSampleDistrict(t *testing.T) {
	places, err := demo.Postcodes()
	if err != nil {
		t.Fatal(err)
	}
	if len(places) != 150 {
		t.Errorf("%d postcodes, want 150", len(places))
	}
	kingsCross := geo.Point{Lon: -0.1338, Lat: 51.5365}
	for _, p := range places {
		if d := geo.Distance(kingsCross, p.Point); d > 2000 || p.Easting%10+p.Northing%10 != 0 {
			t.Errorf("%s is %.0f m away, at %d, %d", p.Code, d, p.Easting, p.Northing)
		}
	}
}
