package compose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file says what happened to a case, and what is the point of a mail.

// A change is one field that has changed.
type change struct {
	Label string // "Comment by"; "" when the words say enough
	Words string // "12 → 18 homes"
	Loud  bool   // a number: material however little of the text it is
	whole bool   // the whole description is in it
}

// toldFields are the fields of which a type of event tells the change. What the
// card says anyway is not among them.
var toldFields = map[alerts.EventType][]alerts.Field{
	alerts.EventAmended:      {alerts.FieldDescription, alerts.FieldAddress, alerts.FieldKind, alerts.FieldScale},
	alerts.EventConsultation: {alerts.FieldCommentsFrom, alerts.FieldCommentsUntil},
	alerts.EventCommittee:    {alerts.FieldCommittee},
	alerts.EventCorrected: {alerts.FieldStatus, alerts.FieldDecision, alerts.FieldDecided, alerts.FieldWithdrawn, alerts.FieldCommentsUntil,
		alerts.FieldAppealRef, alerts.FieldAppealLodged, alerts.FieldAppealDecided, alerts.FieldAppealDecision},
}

// changes lists what differs from what was known before the first of the events,
// changed numbers first.
func changes(n alerts.CaseNews) (out []change) {
	if len(n.Events) == 0 {
		return nil
	}
	var fields []alerts.Field
	for _, e := range n.Events {
		fields = append(fields, toldFields[e.Type]...)
	}
	last := n.Events[len(n.Events)-1]
	for _, c := range alerts.Diff(n.Events[0].Before, &last.After) {
		if !slices.Contains(fields, c.Field) {
			continue
		}
		was, is := alerts.Line(alerts.English.ValueWords(c.Field, c.Old), 500), alerts.Line(alerts.English.ValueWords(c.Field, c.New), 500)
		if was == is || was == "" && c.Field != alerts.FieldCommentsFrom {
			continue // said elsewhere, and new
		}
		if c.Field == alerts.FieldDescription {
			out = append(out, descriptionChanges(was, is)...)
			continue
		}
		label := alerts.Capital(c.Label)
		if c.Field == alerts.FieldCommentsUntil {
			label = "Closing date"
		}
		out = append(out, change{Label: label, Words: changeWords(c, was, is)})
	}
	slices.SortStableFunc(out, func(a, b change) int {
		switch {
		case a.Loud == b.Loud:
			return 0
		case a.Loud:
			return -1
		}
		return 1
	})
	return out
}

// descriptionChanges shows a changed description by its changed phrases, or whole
// when it has become another.
func descriptionChanges(was, is string) (out []change) {
	phrases, ok := alerts.TextChanges(was, is)
	if !ok || is == "" {
		return []change{{Label: "Now described as", Words: is, whole: true}, {Label: "Before", Words: was}}
	}
	for _, p := range phrases {
		c := change{Label: "Description", Words: p.Words(alerts.English), Loud: p.IsNumber()}
		if c.Loud {
			c.Label = ""
		}
		out = append(out, c)
	}
	return out
}

// changeWords says what a field is now and was before.
func changeWords(c alerts.FieldChange, was, is string) string {
	switch {
	case is == "":
		return "none now; it was " + was
	case was == "":
		return is
	}
	old, err1 := alerts.ParseDate(c.Old)
	day, err2 := alerts.ParseDate(c.New)
	if err1 == nil && err2 == nil {
		return alerts.English.DateChange(old, day)
	}
	return was + " → " + is
}

// isTakenDown reports whether the news is that nothing may be shown of a case any
// more. Then nothing is, not even what we had told before.
func isTakenDown(n alerts.CaseNews) bool {
	return n.Correction && len(n.Events) > 0 && n.Events[len(n.Events)-1].Type == alerts.EventRemoved
}

// notes are what else a reader has to know.
func (w *writer) notes(n alerts.CaseNews, area alerts.Area) (notes []string) {
	if len(n.Events) == 0 {
		return nil
	}
	last := n.Events[len(n.Events)-1]
	switch {
	case isTakenDown(n):
		return []string{"We told you of this application. It has been taken down since, and we show no more of it."}
	case n.Correction && last.Type == alerts.EventRecalled:
		return []string{"We told you of this application, but the file in which we read it was a mistake. This is how it stands without that file."}
	case n.Correction && !last.After.Site.Located():
		return []string{"We told you of this application, but the place where it was shown was wrong. The right one is not known yet; should it be " + inArea(area) + " after all, you hear of it again. You need do nothing."}
	case n.Correction:
		return []string{"We told you of this application, but its position was wrong or has changed: it is not " + inArea(area) + ". You need do nothing."}
	}
	if n.FoundAt != 0 {
		notes = append(notes, "We should have told you of this earlier. Our nightly check found on "+alerts.DateOf(time.UnixMilli(n.FoundAt)).Long()+" that we had not, and we are sorry.")
	}
	if n.Disputed {
		notes = append(notes, "People say that its place on the map is wrong, and nobody has been able to settle it yet.")
	}
	for _, e := range n.Events {
		switch {
		case e.Late:
			day := ""
			if newest := e.After.Newest(); newest != "" {
				day = ": its own date is " + newest.Long()
			}
			return append(notes, "Published late"+day+", but the council’s data first showed it on "+alerts.DateOf(time.UnixMilli(e.At)).Long()+".")
		case e.Type == alerts.EventLocated && e.After.Site.Method == alerts.MethodChecked:
			notes = append(notes, "You hear of this late: until "+alerts.DateOf(time.UnixMilli(e.At)).Long()+" we showed it at a wrong place, going by the council’s data.")
		case e.Type == alerts.EventCorrected && e.Before != nil && e.Before.Site.Located() && !e.After.Site.Located():
			notes = append(notes, "It is not where it was shown before. The right place is not known yet.")
		case e.Type == alerts.EventLocated && e.Before != nil && e.Before.Site.Located():
			notes = append(notes, "You hear of this late: until "+alerts.DateOf(time.UnixMilli(e.At)).Long()+" the council’s data gave another position, outside your area.")
		case e.Type == alerts.EventLocated:
			notes = append(notes, "You hear of this late: until "+alerts.DateOf(time.UnixMilli(e.At)).Long()+" the council’s data gave no position for it.")
		case e.Type == alerts.EventCorrected:
			notes = append(notes, "The council has corrected what it had published.")
		}
	}
	return notes
}

// tags say in a word or two what happened to a case, the most important first.
func tags(n alerts.CaseNews) (out []string) {
	if len(n.Events) == 0 {
		return nil
	}
	if n.Correction && !n.Events[len(n.Events)-1].Type.TakesBack() {
		return []string{"Correction"}
	}
	add := func(tag string) {
		if !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	for _, t := range alerts.EventTypes {
		for _, e := range n.Events {
			if e.Type == t {
				add(tag(e))
			}
		}
	}
	return out
}

func tag(e *alerts.Event) string {
	switch e.Type {
	case alerts.EventReceived:
		return "New"
	case alerts.EventConsultation:
		if e.Before != nil && e.Before.CommentsUntil != "" && e.Before.CommentsUntil != e.After.CommentsUntil {
			return "New closing date"
		}
		return "Open for comments"
	case alerts.EventAmended:
		return "Changed"
	case alerts.EventCommittee:
		if e.After.Committee != "" {
			return "Committee on " + e.After.Committee.Short()
		}
		return "Goes to a committee"
	case alerts.EventDecided:
		if e.After.Decision != alerts.DecisionNone {
			return alerts.English.DecisionLabel(e.After.Decision)
		}
		return "Decided"
	case alerts.EventAppealed:
		return "Appeal"
	case alerts.EventAppealDecided:
		if e.After.AppealDecision != alerts.AppealNone {
			return "Appeal " + strings.ToLower(alerts.English.AppealLabel(e.After.AppealDecision))
		}
	case alerts.EventLocated:
		if e.Before != nil && e.Before.Site.Located() {
			return "Position corrected"
		}
		return "Position now known"
	case alerts.EventRecalled:
		return "Taken back"
	case alerts.EventCorrected:
		return "Corrected"
	}
	return alerts.English.EventLabel(e.Type)
}

func nearWords(subs []alerts.Subscription) string {
	if len(subs) != 1 {
		return fmt.Sprintf("in your %d areas", len(subs))
	}
	a := subs[0].Current.Area
	switch {
	case a.Label == "":
		return "in your area"
	case a.Kind == alerts.AreaCircle:
		return "near " + alerts.Line(a.Label, 40)
	case a.Kind == alerts.AreaApplication:
		return "that you follow, " + alerts.Line(a.Label, 40)
	}
	return "in " + alerts.Line(a.Label, 40)
}

func (w *writer) title(b *alerts.Bulletin) string {
	switch {
	case len(b.Cases) > 0:
		return alerts.English.Plural(len(b.Cases), "application", "applications") + " " + nearWords(b.Subscriptions)
	case len(b.Reminders) > 0:
		return alerts.English.Plural(len(b.Reminders), "case closes", "cases close") + " for comments soon " + nearWords(b.Subscriptions)
	}
	return "Read again: " + w.authority(b.Recovered[0].Authority)
}

// maxSubject is how long a subject may be; the point comes first, for telephones show
// about forty characters of it.
const maxSubject = 120

// subject says the point: how many, where, what the most pressing are, and until when
// one can comment.
func (w *writer) subject(b *alerts.Bulletin, news []ranked) string {
	if len(news) == 0 {
		return alerts.Line(w.title(b)+"; nothing new "+nearWords(b.Subscriptions), maxSubject)
	}
	first := news[0]
	end := ""
	if day := first.weight.Closes(); day != "" {
		end = "; comment by " + day.Short()
		if first.reminder {
			end += " (" + alerts.English.LeftWords(day, w.today) + ")"
		}
	}
	count := len(b.Cases) + len(b.Reminders)
	if count == 1 || len(news) == 1 {
		n := first.cases[0]
		tag := "Reminder"
		if !first.reminder {
			tag = tags(n)[0]
		}
		if count > 1 {
			tag = fmt.Sprintf("%d %s", count, nearWords(b.Subscriptions))
		}
		return fit(tag+": ", []string{gist(n, true)}, end)
	}
	start := alerts.Thousands(count) + " " + nearWords(b.Subscriptions) + ": "
	if first.reminder {
		start = "Closing soon: "
	}
	var points []string
	for _, r := range news[:min(len(news), 4)] {
		point := gist(r.cases[0], len(points) == 0)
		if r.cases[0].Correction {
			point += " (correction)"
		}
		if !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	return fit(start, points, end)
}

// gist is what a case is about in a subject, with its street or without.
func gist(n alerts.CaseNews, street bool) string {
	if isTakenDown(n) {
		return "application " + alerts.Line(n.Details.Reference, 30)
	}
	g := alerts.English.Gist(n.Details)
	if at := alerts.StreetWords(n.Details.Address); street && at != "" {
		g += " at " + at
	} else if street && g == "an application" {
		g = "application " + alerts.Line(n.Details.Reference, 30)
	}
	if n.Correction {
		return g
	}
	switch alerts.EndingOf(n.Details) {
	case alerts.EndingRefused:
		g += " refused"
	case alerts.EndingApproved:
		g += " approved"
	case alerts.EndingWithdrawn:
		g += " withdrawn"
	}
	return g
}

// fit puts as many points between start and end as there is room for.
func fit(start string, points []string, end string) string {
	length := func(s string) int { return len([]rune(s)) }
	room := maxSubject - length(start) - length(end)
	text := alerts.Line(points[0], max(room, 20))
	for _, p := range points[1:] {
		if length(text)+2+length(p) > room-4 {
			break
		}
		text += ", " + p
	}
	return alerts.Line(start+text+end, maxSubject)
}
