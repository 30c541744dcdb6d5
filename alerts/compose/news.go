package compose

import (
	"slices"
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
func (w *writer) changes(n alerts.CaseNews) (out []change) {
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
		was, is := alerts.Line(w.l.ValueWords(c.Field, c.Old), 500), alerts.Line(w.l.ValueWords(c.Field, c.New), 500)
		if was == is || was == "" && c.Field != alerts.FieldCommentsFrom {
			continue // said elsewhere, and new
		}
		if c.Field == alerts.FieldDescription {
			out = append(out, w.descriptionChanges(was, is)...)
			continue
		}
		label := alerts.Capital(w.l.Word(c.Label))
		if c.Field == alerts.FieldCommentsUntil {
			label = w.l.Say("Closing date")
		}
		out = append(out, change{Label: label, Words: w.changeWords(c, was, is)})
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
func (w *writer) descriptionChanges(was, is string) (out []change) {
	phrases, ok := alerts.TextChanges(was, is)
	if !ok || is == "" {
		return []change{{Label: w.l.Say("Now described as"), Words: is, whole: true}, {Label: w.l.Say("Before"), Words: was}}
	}
	for _, p := range phrases {
		c := change{Label: w.l.Say("Description"), Words: p.Words(w.l), Loud: p.IsNumber()}
		if c.Loud {
			c.Label = ""
		}
		out = append(out, c)
	}
	return out
}

// changeWords says what a field is now and was before.
func (w *writer) changeWords(c alerts.FieldChange, was, is string) string {
	switch {
	case is == "":
		return w.l.Say("none now; it was %s", was)
	case was == "":
		return is
	}
	old, err1 := alerts.ParseDate(c.Old)
	day, err2 := alerts.ParseDate(c.New)
	if err1 == nil && err2 == nil {
		return w.l.DateChange(old, day)
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
		return []string{w.l.Say("We told you of this application. It has been taken down since, and we show no more of it.")}
	case n.Correction && last.Type == alerts.EventRecalled:
		return []string{w.l.Say("We told you of this application, but the file in which we read it was a mistake. This is how it stands without that file.")}
	case n.Correction && !last.After.Site.Located():
		return []string{w.l.Say("We told you of this application, but the place where it was shown was wrong. The right one is not known yet; should it be %s after all, you hear of it again. You need do nothing.", w.inArea(area))}
	case n.Correction:
		return []string{w.l.Say("We told you of this application, but its position was wrong or has changed: it is not %s. You need do nothing.", w.inArea(area))}
	}
	if n.FoundAt != 0 {
		notes = append(notes, w.l.Say("We should have told you of this earlier. Our nightly check found on %s that we had not, and we are sorry.", alerts.DateOf(time.UnixMilli(n.FoundAt))))
	}
	if n.Disputed {
		notes = append(notes, w.l.Say("People say that its place on the map is wrong, and nobody has been able to settle it yet."))
	}
	for _, e := range n.Events {
		switch {
		case e.Late:
			shown := alerts.DateOf(time.UnixMilli(e.At))
			if newest := e.After.Newest(); newest != "" {
				return append(notes, w.l.Say("Published late: its own date is %s, but the council’s data first showed it on %s.", newest, shown))
			}
			return append(notes, w.l.Say("Published late: the council’s data first showed it on %s.", shown))
		case e.Type == alerts.EventLocated && e.After.Site.Method == alerts.MethodChecked:
			notes = append(notes, w.l.Say("You hear of this late: until %s we showed it at a wrong place, going by the council’s data.", alerts.DateOf(time.UnixMilli(e.At))))
		case e.Type == alerts.EventCorrected && e.Before != nil && e.Before.Site.Located() && !e.After.Site.Located():
			notes = append(notes, w.l.Say("It is not where it was shown before. The right place is not known yet."))
		case e.Type == alerts.EventLocated && e.Before != nil && e.Before.Site.Located():
			notes = append(notes, w.l.Say("You hear of this late: until %s the council’s data gave another position, outside your area.", alerts.DateOf(time.UnixMilli(e.At))))
		case e.Type == alerts.EventLocated:
			notes = append(notes, w.l.Say("You hear of this late: until %s the council’s data gave no position for it.", alerts.DateOf(time.UnixMilli(e.At))))
		case e.Type == alerts.EventCorrected:
			notes = append(notes, w.l.Say("The council has corrected what it had published."))
		}
	}
	return notes
}

// tags say in a word or two what happened to a case, the most important first.
func (w *writer) tags(n alerts.CaseNews) (out []string) {
	if len(n.Events) == 0 {
		return nil
	}
	if n.Correction && !n.Events[len(n.Events)-1].Type.TakesBack() {
		return []string{w.l.Say("Correction")}
	}
	add := func(tag string) {
		if !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	for _, t := range alerts.EventTypes {
		for _, e := range n.Events {
			if e.Type == t {
				add(w.tag(e))
			}
		}
	}
	return out
}

func (w *writer) tag(e *alerts.Event) string {
	switch e.Type {
	case alerts.EventReceived:
		return w.l.Say("New")
	case alerts.EventConsultation:
		if e.Before != nil && e.Before.CommentsUntil != "" && e.Before.CommentsUntil != e.After.CommentsUntil {
			return w.l.Say("New closing date")
		}
		return w.l.Say("Open for comments")
	case alerts.EventAmended:
		return w.l.Say("Changed")
	case alerts.EventCommittee:
		if e.After.Committee != "" {
			return w.l.Say("Committee on %s", w.l.ShortDay(e.After.Committee))
		}
		return w.l.Say("Goes to a committee")
	case alerts.EventDecided:
		if e.After.Decision != alerts.DecisionNone {
			return w.l.DecisionLabel(e.After.Decision)
		}
		return w.l.Say("Decided")
	case alerts.EventAppealed:
		return w.l.Say("Appeal")
	case alerts.EventAppealDecided:
		if e.After.AppealDecision != alerts.AppealNone {
			return w.l.AppealWords(e.After.AppealDecision)
		}
	case alerts.EventLocated:
		if e.Before != nil && e.Before.Site.Located() {
			return w.l.Say("Position corrected")
		}
		return w.l.Say("Position now known")
	case alerts.EventRecalled:
		return w.l.Say("Taken back")
	case alerts.EventCorrected:
		return w.l.Say("Corrected")
	}
	return w.l.EventLabel(e.Type)
}

func (w *writer) nearWords(subs []alerts.Subscription) string {
	if len(subs) != 1 {
		return w.l.Say("in your %s", w.l.Plural(len(subs), "area", "areas"))
	}
	a := subs[0].Current.Area
	switch {
	case a.Label == "":
		return w.l.Say("in your area")
	case a.Kind == alerts.AreaCircle:
		return w.l.Say("near %s", alerts.Line(a.Label, 40))
	case a.Kind == alerts.AreaApplication:
		return w.l.Say("that you follow, %s", alerts.Line(a.Label, 40))
	}
	return w.l.Say("in %s", alerts.Line(a.Label, 40))
}

func (w *writer) title(b *alerts.Bulletin) string {
	switch {
	case len(b.Cases) > 0:
		return w.l.Plural(len(b.Cases), "application", "applications") + " " + w.nearWords(b.Subscriptions)
	case len(b.Reminders) > 0:
		return w.l.Say("%s for comments soon %s", w.l.Plural(len(b.Reminders), "case closes", "cases close"), w.nearWords(b.Subscriptions))
	}
	return w.l.Say("Read again: %s", w.authority(b.Recovered[0].Authority))
}

// maxSubject is how long a subject may be; the point comes first, for telephones show
// about forty characters of it.
const maxSubject = 120

// subject says the point: how many, where, what the most pressing are, and until when
// one can comment.
func (w *writer) subject(b *alerts.Bulletin, news []ranked) string {
	if len(news) == 0 {
		return alerts.Line(w.l.Say("%s; nothing new %s", w.title(b), w.nearWords(b.Subscriptions)), maxSubject)
	}
	first := news[0]
	end := ""
	if day := first.weight.Closes(); day != "" {
		end = w.l.Say("; comment by %s", w.l.ShortDay(day))
		if first.reminder {
			end += " (" + w.l.LeftWords(day, w.today) + ")"
		}
	}
	count := len(b.Cases) + len(b.Reminders)
	if count == 1 || len(news) == 1 {
		n := first.cases[0]
		what, start := w.gist(n, true), w.l.Say("Reminder")
		switch {
		case count > 1:
			start = alerts.Thousands(count) + " " + w.nearWords(b.Subscriptions)
		case !first.reminder:
			start = w.tags(n)[0]
			if w.saysEnding(n, start) {
				what = w.about(n, true)
			}
		}
		return fit(start+": ", []string{what}, end)
	}
	start := alerts.Thousands(count) + " " + w.nearWords(b.Subscriptions) + ": "
	if first.reminder {
		start = w.l.Say("Closing soon:") + " "
	}
	var points []string
	for _, r := range news[:min(len(news), 4)] {
		point := w.gist(r.cases[0], len(points) == 0)
		if r.cases[0].Correction {
			point = w.l.Say("%s (correction)", point)
		}
		if !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	return fit(start, points, end)
}

// saysEnding reports whether a tag says how the case has ended.
func (w *writer) saysEnding(n alerts.CaseNews, said string) bool {
	return slices.ContainsFunc(n.Events, func(e *alerts.Event) bool {
		return (e.Type == alerts.EventDecided || e.Type == alerts.EventWithdrawn) && w.tag(e) == said
	})
}

// gist is what a case is about in a subject, with its street or without, and how it
// has ended.
func (w *writer) gist(n alerts.CaseNews, street bool) string {
	g := w.about(n, street)
	if isTakenDown(n) || n.Correction {
		return g
	}
	switch alerts.EndingOf(n.Details) {
	case alerts.EndingRefused:
		g = w.l.Say("%s refused", g)
	case alerts.EndingApproved:
		g = w.l.Say("%s approved", g)
	case alerts.EndingWithdrawn:
		g = w.l.Say("%s withdrawn", g)
	}
	return g
}

// about is what a case is about in a subject, with its street or without.
func (w *writer) about(n alerts.CaseNews, street bool) string {
	if isTakenDown(n) {
		return w.l.Say("application %s", alerts.Line(n.Details.Reference, 30))
	}
	g := w.l.Gist(n.Details)
	if at := alerts.StreetWords(n.Details.Address); street && at != "" {
		g = w.l.Say("%s at %s", g, at)
	} else if street && g == w.l.Say("an application") {
		g = w.l.Say("application %s", alerts.Line(n.Details.Reference, 30))
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
