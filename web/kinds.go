package web

import (
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// kindGroups are the kinds of application as forms offer them.
var kindGroups = alerts.KindGroups

// filterOf makes a filter of the groups of kinds that were ticked; none or all of
// them means everything.
func filterOf(groups []string) alerts.Filter { return alerts.Filter{Kinds: alerts.KindsOf(groups)} }

// kindWords says which kinds a filter lets through: "only trees".
func kindWords(f alerts.Filter) string {
	words := alerts.English.FilterWords(alerts.Filter{Kinds: f.Kinds})[0]
	return strings.ToLower(words[:1]) + words[1:]
}

// problemAt is the problem beside a field.
func problemAt(problems []*alerts.InvalidError, field string) string {
	for _, p := range problems {
		if p.Field == field {
			return p.Problem
		}
	}
	return ""
}
