package alerts

import (
	"cmp"
	"slices"
	"time"
)

// A Meeting is a day on which a group meets.
type Meeting struct {
	ID      int64
	GroupID int64
	Day     Date
	Title   string
}

// firstPackDays is how far back the pack of a group's first meeting looks.
const firstPackDays = 28

// TriageState is what a group thinks of a case.
type TriageState string

// What a group can think of a case.
const (
	TriageOpen     TriageState = "" // nobody has said
	TriageRelevant TriageState = "relevant"
	TriageIgnored  TriageState = "ignored"
)

// A Triage is what a group has made of a case.
type Triage struct {
	ApplicationID int64
	State         TriageState
	Assignee      int64   // account; 0 for nobody
	AssigneeName  string  // as the others know them; empty for nobody
	Votes         []int64 // accounts that want the case out of sight
	Notes         int
}

// Hidden reports whether enough members want the case out of sight.
func (t Triage) Hidden(quorum int) bool { return len(t.Votes) >= max(quorum, 1) }

// HasVoted reports whether a member wants the case out of sight.
func (t Triage) HasVoted(account int64) bool { return slices.Contains(t.Votes, account) }

// A TriageAction is something that a member did about a case.
type TriageAction string

// What members do about cases.
const (
	ActRelevant   TriageAction = "relevant"
	ActIgnored    TriageAction = "ignored"
	ActUndecided  TriageAction = "undecided"
	ActAssigned   TriageAction = "assigned"
	ActUnassigned TriageAction = "unassigned"
	ActNote       TriageAction = "note"
	ActHide       TriageAction = "hide"
	ActUnhide     TriageAction = "unhide"
)

// A TriageEntry is one line of a group's record of what was done about cases.
type TriageEntry struct {
	ID            int64
	ApplicationID int64
	Ref           Ref
	AccountID     int64
	Name          string // of whoever did it, as they were known then
	At            int64  // unix ms
	Action        TriageAction
	Text          string // of a note, or the name of whom it was assigned to
}

// A GroupCase is a case in a group's areas.
type GroupCase struct {
	Application
	News   []EventType // since the last meeting, in the order in which they are told
	Triage Triage
}

// A Pack is what lies before a group when it meets.
type Pack struct {
	Meeting  Meeting
	Previous Date // the meeting before; empty for none
	Since    Date // news of this day and later is in it
	Next     Date // the meeting after; empty for none
	Wards    []PackWard
	LeftOut  int // cases that the group does not want to see
}

// A PackWard is what a pack has of one ward.
type PackWard struct {
	Ward    string      // code, or the council's name for it; empty when it is not known
	TooSoon []GroupCase // comments close before the meeting
	LastDay []GroupCase // comments close after it, and before the next one
	New     []GroupCase
	Decided []GroupCase
	Running []GroupCase // known longer, with news
}

// Cases is how many cases the ward has in the pack; one may be in two lists.
func (w PackWard) Cases() int {
	seen := map[int64]bool{}
	for _, list := range [][]GroupCase{w.TooSoon, w.LastDay, w.New, w.Decided, w.Running} {
		for _, c := range list {
			seen[c.ID] = true
		}
	}
	return len(seen)
}

// Around returns the meetings before and after a day, of those given.
func Around(meetings []Meeting, day Date) (previous, next Date) {
	for _, m := range meetings {
		if m.Day < day {
			previous = max(previous, m.Day)
		}
		if m.Day > day && (next == "" || m.Day < next) {
			next = m.Day
		}
	}
	return previous, next
}

// PackSince is the first day whose news belongs into the pack of a meeting.
func PackSince(meetings []Meeting, m Meeting) Date {
	if previous, _ := Around(meetings, m.Day); previous != "" {
		return previous
	}
	return m.Day.AddDays(-firstPackDays)
}

// NewPack sorts cases for a meeting. News counts by when this service learnt of it,
// not by what the council dates it, so that what is published late is in the next
// pack and not lost between two. Closing dates are the council's own.
func NewPack(meetings []Meeting, m Meeting, quorum int, cases []GroupCase, now time.Time) Pack {
	p := Pack{Meeting: m, Since: PackSince(meetings, m)}
	p.Previous, p.Next = Around(meetings, m.Day)
	today := DateOf(now)
	wards := map[string]*PackWard{}
	for _, c := range cases {
		if c.Triage.State == TriageIgnored || c.Triage.Hidden(quorum) {
			p.LeftOut++
			continue
		}
		w := wards[c.Ward]
		if w == nil {
			w = &PackWard{Ward: c.Ward}
		}
		fresh := slices.Contains(c.News, EventReceived) || DateOf(time.UnixMilli(c.FirstSeen)) >= p.Since && c.Received >= p.Since
		ended := slices.ContainsFunc(c.News, func(t EventType) bool {
			return t == EventDecided || t == EventWithdrawn || t == EventAppealDecided
		})
		in := false
		add := func(list *[]GroupCase) { *list, in = append(*list, c), true }
		if until := c.CommentsUntil; c.IsOpen() && until >= today {
			switch {
			case until < m.Day:
				add(&w.TooSoon)
			case p.Next == "" || until < p.Next:
				add(&w.LastDay)
			}
		}
		switch {
		case ended:
			add(&w.Decided)
		case fresh:
			add(&w.New)
		case len(c.News) > 0:
			add(&w.Running)
		}
		if in {
			wards[c.Ward] = w
		}
	}
	for _, w := range wards {
		for _, list := range [][]GroupCase{w.TooSoon, w.LastDay, w.New, w.Decided, w.Running} {
			slices.SortFunc(list, func(a, b GroupCase) int {
				relevant := func(c GroupCase) int { return map[bool]int{true: 0, false: 1}[c.Triage.State == TriageRelevant] }
				closing := func(c GroupCase) Date { return cmp.Or(c.CommentsUntil, "9999-99-99") }
				return cmp.Or(cmp.Compare(relevant(a), relevant(b)), cmp.Compare(closing(a), closing(b)), cmp.Compare(a.Address, b.Address), cmp.Compare(a.ID, b.ID))
			})
		}
		p.Wards = append(p.Wards, *w)
	}
	slices.SortFunc(p.Wards, func(a, b PackWard) int { // where it is not known comes last
		return cmp.Or(cmp.Compare(map[bool]int{true: 1, false: 0}[a.Ward == ""], map[bool]int{true: 1, false: 0}[b.Ward == ""]), cmp.Compare(a.Ward, b.Ward))
	})
	return p
}
