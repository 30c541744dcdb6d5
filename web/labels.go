package web

import (
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

func plain[T ~string](v T) string { return capital(clean(strings.ReplaceAll(string(v), "_", " "), 60)) }

func kindLabel(k alerts.Kind) string             { return plain(k) }
func statusLabel(s alerts.Status) string         { return plain(s) }
func decisionLabel(d alerts.Decision) string     { return plain(d) }
func appealLabel(a alerts.AppealDecision) string { return plain(a) }
func eventOf(e *alerts.Event) string             { return plain(e.Type) }

// kindOf is the kind in words, empty when the council gave none.
func kindOf(d *alerts.Details) string {
	if d.Kind == "" {
		return ""
	}
	return kindLabel(d.Kind)
}

// stateOf says how far a case has come: its decision, else its stage.
func stateOf(d *alerts.Details) string {
	on := func(what string, day alerts.Date) string {
		if day == "" {
			return what
		}
		return what + " on " + day.Long()
	}
	switch {
	case d.IsWithdrawn():
		return on("Withdrawn", d.Withdrawn)
	case d.AppealDecision != alerts.AppealNone:
		return on("Appeal: "+appealLabel(d.AppealDecision), d.AppealDecided)
	case d.AppealIsLodged():
		return on("Appeal lodged", d.AppealLodged)
	case d.Decision != alerts.DecisionNone:
		return on(decisionLabel(d.Decision), d.Decided)
	case d.IsDecided():
		return on("Decided", d.Decided)
	case d.Status == alerts.StatusUnknown:
		return "To be decided"
	}
	return statusLabel(d.Status)
}
