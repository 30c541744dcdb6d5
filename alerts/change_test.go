package alerts_test

import (
	"slices"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestAStatusThatMovesOnTakesNothingBack(t *testing.T) {
	for _, c := range []struct {
		name       string
		prev, next alerts.Details
		want       []alerts.EventType
	}{
		{"an appeal against a decision that only the status tells",
			alerts.Details{Status: alerts.StatusDecided}, alerts.Details{Status: alerts.StatusAppealLodged}, []alerts.EventType{alerts.EventAppealed}},
		{"the status after the appeal",
			alerts.Details{Status: alerts.StatusAppealLodged, Decision: alerts.DecisionRefused}, alerts.Details{Status: alerts.StatusDecided, Decision: alerts.DecisionRefused}, nil},
		{"an appeal that is gone with its reference",
			alerts.Details{Status: alerts.StatusDecided, AppealRef: "APP/1"}, alerts.Details{Status: alerts.StatusDecided}, []alerts.EventType{alerts.EventCorrected}},
		{"a decision that is taken back",
			alerts.Details{Status: alerts.StatusDecided}, alerts.Details{Status: alerts.StatusPending}, []alerts.EventType{alerts.EventCorrected}},
		{"another decision",
			alerts.Details{Decision: alerts.DecisionRefused}, alerts.Details{Decision: alerts.DecisionApproved}, []alerts.EventType{alerts.EventCorrected}},
		{"a withdrawal that is taken back",
			alerts.Details{Status: alerts.StatusWithdrawn}, alerts.Details{Status: alerts.StatusPending}, []alerts.EventType{alerts.EventCorrected}},
		{"pending states that come and go",
			alerts.Details{Status: alerts.StatusInvalid}, alerts.Details{Status: alerts.StatusReceived}, nil},
	} {
		var got []alerts.EventType
		for _, e := range alerts.News(&c.prev, c.next, alerts.Telling{Today: "2026-02-01", HorizonDays: 90}) {
			got = append(got, e.Type)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
