package web

import "github.com/sitenotice/sitenotice/alerts"

// The words for canonical values are alerts'; these are their short names in
// handlers and templates.
var (
	kindLabel     = alerts.KindLabel
	statusLabel   = alerts.StatusLabel
	decisionLabel = alerts.DecisionLabel
	appealLabel   = alerts.AppealLabel
	eventLabel    = alerts.EventLabel
	stateOf       = alerts.StateWords
)

// kindOf is the kind in words, empty when the council gave none.
func kindOf(d *alerts.Details) string {
	if d.Kind == "" {
		return ""
	}
	return kindLabel(d.Kind)
}
