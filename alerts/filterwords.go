package alerts

import (
	"slices"
	"strings"
)

// A KindGroup is what a form offers instead of two dozen kinds.
type KindGroup struct {
	Key   string // in forms
	Label string
	Kinds []Kind
}

// KindGroups are the kinds of application as forms offer them; together they are
// all kinds.
var KindGroups = []KindGroup{
	{"homes", "Extensions and alterations to homes", []Kind{KindHouseholder}},
	{"building", "New buildings and larger schemes", []Kind{KindFull, KindOutline, KindReserved, KindPIP, KindEIA, KindCouncilOwn}},
	{"use", "Changes of use", []Kind{KindChangeOfUse}},
	{"prior", "Prior approvals and certificates", []Kind{KindPriorApproval, KindLawfulExisting, KindLawfulProposed}},
	{"heritage", "Listed buildings and demolition", []Kind{KindListed, KindDemolition}},
	{"trees", "Trees", []Kind{KindTreesTPO, KindTreesArea}},
	{"signs", "Signs, adverts and phone masts", []Kind{KindAdvert, KindTelecoms}},
	{"conditions", "Conditions and changes to permissions", []Kind{KindConditions, KindVariation, KindNonMaterial}},
	{"industry", "Minerals, waste and hazardous substances", []Kind{KindMinerals, KindHazardous}},
	{"other", "Anything else, and whatever the council gave no kind", []Kind{KindOther, KindNeighbour, KindPreApplication, ""}},
}

// An EventGroup is what a form offers instead of types of event.
type EventGroup struct {
	Key    string // in forms
	Label  string
	Events []EventType
}

// EventGroups are the kinds of news as forms offer them. That something was wrong,
// moved or was taken down is told in any case, to those whom it concerns.
var EventGroups = []EventGroup{
	{"new", "New applications", []EventType{EventReceived}},
	{"amended", "Amendments to what is proposed", []EventType{EventAmended}},
	{"deadline", "Comments that open, and closing dates that move", []EventType{EventConsultation}},
	{"committee", "Committee dates", []EventType{EventCommittee}},
	{"decided", "Decisions and withdrawals", []EventType{EventDecided, EventWithdrawn}},
	{"appeals", "Appeals", []EventType{EventAppealed, EventAppealDecided}},
}

// KindsOf returns the kinds of the groups that were chosen; none for none of them
// or all.
func KindsOf(groups []string) (kinds []Kind) {
	all := true
	for _, g := range KindGroups {
		if slices.Contains(groups, g.Key) {
			kinds = append(kinds, g.Kinds...)
		} else {
			all = false
		}
	}
	if all {
		return nil
	}
	return kinds
}

// EventsOf returns the types of event of the groups that were chosen; none for none
// of them or all.
func EventsOf(groups []string) (types []EventType) {
	all := true
	for _, g := range EventGroups {
		if slices.Contains(groups, g.Key) {
			types = append(types, g.Events...)
		} else {
			all = false
		}
	}
	if all {
		return nil
	}
	return types
}

// KindGroupsOf is the reverse of [KindsOf].
func KindGroupsOf(kinds []Kind) (groups []string) {
	for _, g := range KindGroups {
		if slices.ContainsFunc(g.Kinds, func(k Kind) bool { return slices.Contains(kinds, k) }) {
			groups = append(groups, g.Key)
		}
	}
	return groups
}

// EventGroupsOf is the reverse of [EventsOf].
func EventGroupsOf(types []EventType) (groups []string) {
	for _, g := range EventGroups {
		if slices.ContainsFunc(g.Events, func(t EventType) bool { return slices.Contains(types, t) }) {
			groups = append(groups, g.Key)
		}
	}
	return groups
}

// FilterWords says what a filter lets through, a sentence without a full stop for
// each of its parts. The first is always of the kinds.
func (l Language) FilterWords(f Filter) []string {
	out := []string{l.Say("All kinds of application")}
	if len(f.Kinds) > 0 {
		var labels []string
		for _, g := range KindGroups {
			chosen := func(k Kind) bool { return slices.Contains(f.Kinds, k) }
			switch {
			case !slices.ContainsFunc(g.Kinds, chosen):
			case slices.ContainsFunc(g.Kinds, func(k Kind) bool { return !chosen(k) }): // part of it, as only programs choose
				for _, k := range g.Kinds {
					if chosen(k) {
						labels = append(labels, uncapital(l.KindLabel(k)))
					}
				}
			default:
				labels = append(labels, uncapital(l.Word(g.Label)))
			}
		}
		out[0] = l.Say("Only %s", l.Listing(labels))
	}
	if f.MajorOnly {
		out = append(out, l.Say("Only major schemes"))
	}
	if len(f.Events) > 0 {
		var labels []string
		for _, g := range EventGroups {
			if slices.ContainsFunc(g.Events, func(t EventType) bool { return slices.Contains(f.Events, t) }) {
				labels = append(labels, uncapital(l.Word(g.Label)))
			}
		}
		out = append(out, l.Say("Only this news: %s", l.Listing(labels)))
	}
	if len(f.Include) > 0 {
		out = append(out, l.Say("Only with one of these words: %s", l.quoted(f.Include)))
	}
	if len(f.Exclude) > 0 {
		out = append(out, l.Say("Not with any of these words: %s", l.quoted(f.Exclude)))
	}
	return out
}

// AreaExtras says what an area has besides what [AreaWords] names, a sentence
// without a full stop for each.
func (l Language) AreaExtras(a Area) (out []string) {
	if a.Ring > 0 && a.Kind == AreaPolygon {
		out = append(out, l.Say("Major schemes also up to %s outside it", Metres(a.Ring)))
	} else if a.Ring > 0 {
		out = append(out, l.Say("Major schemes also within %s", Metres(a.Ring)))
	}
	if len(a.CarveOut) > 0 {
		out = append(out, l.Say("Without the part that you left out"))
	}
	return out
}

func uncapital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
