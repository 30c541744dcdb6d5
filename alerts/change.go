package alerts

import (
	"strings"
	"unicode"
)

// Changes compares an application with its previous version (nil if there was
// none) and returns the types of event that the difference raises, in the order
// of [EventTypes]. It returns nothing when a feed repeats what is already known.
//
// A class (decided, withdrawn, appealed, appeal decided) raises its event when
// it is entered, with or without a date. Leaving it, or another decision in its
// place, raises corrected.
func Changes(prev *Details, next *Details) []EventType {
	if prev == nil {
		return []EventType{EventReceived}
	}
	raised := map[EventType]bool{
		EventConsultation: prev.CommentsFrom != next.CommentsFrom && next.CommentsFrom != "" ||
			prev.CommentsUntil != next.CommentsUntil && next.CommentsUntil != "" ||
			prev.Status != StatusConsultation && next.Status == StatusConsultation,
		EventAmended:       amended(prev, next),
		EventCommittee:     !prev.AtCommittee() && next.AtCommittee() || prev.Committee != next.Committee && next.Committee != "",
		EventDecided:       !prev.IsDecided() && next.IsDecided(),
		EventWithdrawn:     !prev.IsWithdrawn() && next.IsWithdrawn(),
		EventAppealed:      !prev.AppealIsLodged() && next.AppealIsLodged(),
		EventAppealDecided: !prev.AppealIsDecided() && next.AppealIsDecided(),
		EventLocated:       next.Site.Located() && prev.Site.fingerprint() != next.Site.fingerprint(),
		EventCorrected:     corrected(prev, next),
	}
	var out []EventType
	for _, t := range EventTypes {
		if raised[t] {
			out = append(out, t)
		}
	}
	return out
}

// corrected reports whether something that was told earlier proved wrong. A status
// that only moves on, from decided to an appeal or from an appeal back to decided,
// takes nothing back.
func corrected(prev, next *Details) bool {
	appealByStatus := prev.AppealRef == "" && prev.AppealLodged == "" && !prev.AppealIsDecided()
	return prev.IsDecided() && !next.IsDecided() && !next.AppealIsLodged() ||
		prev.Decision != DecisionNone && next.Decision != DecisionNone && prev.Decision != next.Decision ||
		prev.Decided != "" && next.Decided != "" && prev.Decided != next.Decided ||
		prev.IsWithdrawn() && !next.IsWithdrawn() ||
		prev.AppealIsLodged() && !next.AppealIsLodged() && !(appealByStatus && next.IsDecided()) ||
		prev.AppealIsDecided() && !next.AppealIsDecided() ||
		prev.AppealDecision != AppealNone && next.AppealDecision != AppealNone && prev.AppealDecision != next.AppealDecision ||
		prev.CommentsUntil != "" && next.CommentsUntil == "" ||
		prev.Site.Located() && !next.Site.Located()
}

// amended reports a change to what is proposed that a neighbour would want to
// hear of. Case, punctuation and spacing alone are not one; any other letter, or
// any digit, is.
func amended(prev, next *Details) bool {
	return substance(prev.Description) != substance(next.Description) && next.Description != "" ||
		substance(prev.Address) != substance(next.Address) && prev.Address != "" && next.Address != "" ||
		prev.Kind != next.Kind && prev.Kind != "" && next.Kind != "" && next.Kind != KindOther ||
		prev.Scale != next.Scale && prev.Scale != "" && next.Scale != ""
}

// substance reduces a text to its letters and digits. A point, hyphen or slash
// between digits stays (1.5 is not 15), and so does the gap in "1 2".
func substance(s string) string {
	isDigit := func(r rune) bool { return unicode.IsDigit(r) }
	runes := []rune(s)
	var b strings.Builder
	var last rune // the last letter or digit that was kept
	gap := false
	for i, r := range runes {
		switch {
		case unicode.IsLetter(r) || isDigit(r):
			if gap && isDigit(last) && isDigit(r) {
				b.WriteByte(' ')
			}
			b.WriteRune(unicode.ToLower(r))
			last, gap = r, false
		case strings.ContainsRune(".-/", r) && i > 0 && i+1 < len(runes) && isDigit(runes[i-1]) && isDigit(runes[i+1]):
			b.WriteRune(r)
			last = r
		default:
			gap = true
		}
	}
	return b.String()
}

// Likeness is what a case keeps when a council gives it another number: what is
// proposed, where, and since when. It is "" when the council does not say all three.
func (d *Details) Likeness() string {
	address, proposed := substance(d.Address), substance(d.Description)
	if address == "" || proposed == "" || d.Received == "" {
		return ""
	}
	return string(d.Received) + "\n" + address + "\n" + proposed
}

// A FieldChange is one field that differs between two versions of a case.
type FieldChange struct {
	Field    Field
	Label    string // for a reader, lower case: "comment by"
	Old, New string // canonical values; empty when absent
}

// Diff lists the fields that differ between two versions of a case, in the order
// in which they are told. prev may be nil: then nothing differs.
func Diff(prev, next *Details) []FieldChange {
	if prev == nil {
		return nil
	}
	var out []FieldChange
	for _, rule := range fieldRules {
		was, is := rule.text(prev), rule.text(next)
		if was != is {
			out = append(out, FieldChange{rule.Field, rule.Label, was, is})
		}
	}
	return out
}

// Horizon says whether a change to a case is old news at the given day. Silent
// cases are those that are over (decided, withdrawn, closed) and whose newest date
// is more than horizonDays old; late ones are undecided, of which somebody may
// still have a say: they are told, labelled "published late".
//
// Only the first sight of a case can be old news: a change to a case that is
// already known has happened since the feed was last read.
func Horizon(prev, next *Details, today Date, horizonDays int) (silent, late bool) {
	newest := next.Newest()
	if prev != nil || newest == "" || newest >= today.AddDays(-horizonDays) {
		return false, false
	}
	if next.IsOpen() {
		return false, true
	}
	return true, false
}

// A Telling is how the events of a run may be told.
type Telling struct {
	Silent      bool // the run is a first import or a backfill
	Held        bool // the run is held, or the application has events that are
	Today       Date
	HorizonDays int
}

// News returns the events that a change of a case gives rise to, each with its
// type, state and snapshots; the store adds the rest. prev is nil when the case is
// first seen.
func News(prev *Details, next Details, how Telling) []Event {
	var events []Event
	silent, late := Horizon(prev, &next, how.Today, how.HorizonDays)
	for _, t := range Changes(prev, &next) {
		e := Event{Type: t, State: EventLive, Late: late, Before: prev, After: next}
		switch {
		case how.Silent || silent:
			e.State = EventSilenced
		case how.Held:
			e.State = EventHeld
		}
		events = append(events, e)
	}
	return events
}
