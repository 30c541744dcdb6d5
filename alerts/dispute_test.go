package alerts_test

import (
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

var disputedAt = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

func misplaced() alerts.Details {
	return alerts.Details{Reference: "26/1", Ward: "E05000001", Status: alerts.StatusPending,
		Site: alerts.Site{Lon: -0.14, Lat: 51.54, Method: alerts.MethodPoint, Shape: []byte{1}}}
}

func TestThreePeopleDisputeAPlaceAndTwoDoNot(t *testing.T) {
	d := misplaced()
	for people, want := range []alerts.PlaceState{"", "", "", alerts.PlaceDisputed, alerts.PlaceDisputed} {
		if p := (alerts.Placing{}).Reported(people, &d, disputedAt); p.State != want {
			t.Errorf("%d people: %q, want %q", people, p.State, want)
		}
	}
	settled := alerts.Placing{State: alerts.PlaceKept, About: d.Site}
	if p := settled.Reported(9, &d, disputedAt); p.State != alerts.PlaceKept {
		t.Errorf("a place that was checked is disputed again: %+v", p)
	}
	d.Site = alerts.Site{}
	if p := (alerts.Placing{}).Reported(9, &d, disputedAt); p.State != "" {
		t.Errorf("a place that nobody has given is disputed: %+v", p)
	}
}

func TestADisputeHoldsBackOnlyWhatIsNewByPlaceAndNotForLong(t *testing.T) {
	d := misplaced()
	p := (alerts.Placing{}).Reported(alerts.DisputeReports, &d, disputedAt)
	closing := func(day alerts.Date) alerts.Details {
		c := d
		c.CommentsUntil = day
		return c
	}
	elsewhere := d
	elsewhere.Site.Lat += 0.01
	for _, c := range []struct {
		what  string
		area  alerts.AreaKind
		told  bool
		case_ alerts.Details
		after time.Duration
		want  bool
	}{
		{"a circle", alerts.AreaCircle, false, d, time.Hour, true},
		{"an outline", alerts.AreaPolygon, false, d, time.Hour, true},
		{"a ward, which follows from the place", alerts.AreaWard, false, d, time.Hour, true},
		{"a whole council", alerts.AreaAuthority, false, d, time.Hour, false},
		{"who follows that application", alerts.AreaApplication, false, d, time.Hour, false},
		{"who has heard of it", alerts.AreaCircle, true, d, time.Hour, false},
		{"after a week", alerts.AreaCircle, false, d, alerts.DisputeHold, false},
		{"just before", alerts.AreaCircle, false, d, alerts.DisputeHold - time.Minute, true},
		{"comments close in eight days", alerts.AreaCircle, false, closing("2026-05-12"), time.Hour, true},
		{"comments close in a week", alerts.AreaCircle, false, closing("2026-05-11"), time.Hour, false},
		{"comments close today", alerts.AreaCircle, false, closing("2026-05-04"), time.Hour, false},
		{"comments have closed", alerts.AreaCircle, false, closing("2026-05-03"), time.Hour, true},
		{"the feed has moved it", alerts.AreaCircle, false, elsewhere, time.Hour, false},
	} {
		if got := p.HoldsBack(c.area, c.told, &c.case_, disputedAt.Add(c.after)); got != c.want {
			t.Errorf("%s: held back %v, want %v", c.what, got, c.want)
		}
	}
	for _, state := range []alerts.PlaceState{alerts.PlaceUndoubted, alerts.PlaceKept, alerts.PlaceDropped, alerts.PlaceMoved} {
		q := p
		q.State = state
		if q.HoldsBack(alerts.AreaCircle, false, &d, disputedAt) {
			t.Errorf("a place in the state %q holds news back", state)
		}
	}
}

func TestADecisionAboutAPlaceStandsUntilTheFeedGivesAnother(t *testing.T) {
	d := misplaced()
	right := geo.Point{Lon: -0.08, Lat: 51.54}
	moved := alerts.PlaceDecision{State: alerts.PlaceMoved, Right: right, Ward: "E05000001", RightWard: "E05000009"}.Decide(&d, disputedAt)
	if got := moved.Apply(d); got.Site.Point() != right || got.Ward != "E05000009" || got.Site.Method != alerts.MethodChecked || len(got.Site.Shape) > 0 {
		t.Errorf("moved: %+v", got)
	}
	rounded := d
	rounded.Site.Lat += 0.00001
	if got := moved.Apply(rounded); got.Site.Point() != right {
		t.Errorf("the same place with other digits is believed again: %+v", got.Site)
	}
	other := d
	other.Site.Lat, other.Ward = 51.55, "E05000002"
	if got := moved.Apply(other); got.Site.Lat != 51.55 || got.Ward != "E05000002" {
		t.Errorf("another place of the feed does not count: %+v", got)
	}
	dropped := alerts.PlaceDecision{State: alerts.PlaceDropped, Ward: "E05000001"}.Decide(&d, disputedAt)
	if got := dropped.Apply(d); got.Site.Located() || got.Ward != "" {
		t.Errorf("dropped: %+v", got)
	}
	ownWard := alerts.PlaceDecision{State: alerts.PlaceDropped, Ward: "E05000777"}.Decide(&d, disputedAt)
	if got := ownWard.Apply(d); got.Ward != "E05000001" {
		t.Errorf("a ward that the council gave itself went with the place: %q", got.Ward)
	}
	kept := alerts.PlaceDecision{State: alerts.PlaceKept}.Decide(&d, disputedAt)
	if got := kept.Apply(d); got.Site.Point() != d.Site.Point() || len(got.Site.Shape) == 0 {
		t.Errorf("kept: %+v", got.Site)
	}
}
