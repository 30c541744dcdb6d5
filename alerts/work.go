package alerts

import (
	"cmp"
	"fmt"
	"time"
)

// This file judges whether the work gets done: by the pages, when somebody asks
// whether the service is ready, and by the alarm, which nobody has to ask.

// Work is how one part of the work stands.
type Work struct {
	Name    string    // a stage's, "webhooks", or a task of the night
	Moved   time.Time // when it last came to something, or found that there was nothing to do; zero for never
	Waiting int       // what it could do now, counted up to [MostCounted]
	Since   time.Time // from when the oldest of that could have been done; zero for nothing
}

// MostCounted is how far what waits is counted: beyond it the exact number is of no
// use to anybody, and dear.
const MostCounted = 100_000

// The parts of the work.
const (
	WorkIngest       = "ingest"
	WorkMatch        = "match"
	WorkCompose      = "compose"
	WorkDeliver      = "deliver"
	WorkHooks        = "webhooks"
	WorkHousekeeping = "housekeeping"
	WorkAudit        = "audit"
)

// WorkNames lists the parts in the order in which work flows.
var WorkNames = []string{WorkIngest, WorkMatch, WorkCompose, WorkDeliver, WorkHooks, WorkHousekeeping, WorkAudit}

// A workRule is how long a part of the work may take.
type workRule struct {
	still time.Duration // without any sign of life; 0 for one that works once a day
	late  time.Duration // that something waits; 0 for as long as it likes
	// Waiting too long stops the work for good, or until a person helps. It does not
	// where somebody else is slow.
	stuck      bool
	does       string // what it does not do when it is still, in words
	whatIsLate string
}

// workRules: a stage looks for work every few seconds, so that a quarter of an hour
// without a sign of life is no chance; a council's server may take longer than that
// to answer.
var workRules = map[string]workRule{
	WorkIngest:       {time.Hour, 3 * time.Hour, true, "reads feeds", "A feed should have been read %s and has not been; another reads as usual. See which with: sitenotice feed list"},
	WorkMatch:        {15 * time.Minute, time.Hour, true, "works out who is to be told", "News has been waiting to be matched since %s."},
	WorkCompose:      {15 * time.Minute, 3 * time.Hour, true, "writes mail", "A digest should have been written %s and has not been."},
	WorkDeliver:      {15 * time.Minute, 3 * time.Hour, false, "hands mail over", "Mail has been waiting to be handed over since %s. Is the relay slow?"},
	WorkHooks:        {15 * time.Minute, 0, false, "sends webhooks", ""},
	WorkHousekeeping: {0, 12 * time.Hour, true, "", "The nightly housekeeping, which forgets what has had its time, was due %s and has not been done."},
	WorkAudit:        {0, 12 * time.Hour, true, "", "The nightly check of who was told what was due %s and has not been done."},
}

// deadAfter is for how long no stage at all has to be silent for there to be nobody
// who works.
const deadAfter = 15 * time.Minute

// A SenderRest is a sender that the other side does not let through.
type SenderRest struct {
	Name     string // "mail" or "webhooks"
	Failures int    // relay-wide ones in a row
	Until    int64  // unix ms; then it tries again
	Reason   string // what the other side said
}

// downFrom is how many relay-wide failures in a row make a fault: with the rests
// between them about half an hour.
const downFrom = 6

// A WorkFault is something that keeps the work from being done in time.
type WorkFault struct {
	Key   string `json:"key"` // the same for as long as it lasts
	Text  string `json:"text"`
	Stuck bool   `json:"stuck"` // it will not go on by itself
}

// WorkFaults returns what keeps the work from being done, in the order in which work
// flows. A part of which nothing has ever been heard is at fault: nobody does it.
func WorkFaults(work []Work, rests []SenderRest, now time.Time) (faults []WorkFault) {
	var last time.Time // that anything showed a sign of life
	for _, w := range work {
		rule := workRules[w.Name]
		if rule.still > 0 && now.Sub(w.Moved) > rule.still {
			text := fmt.Sprintf("Nothing %s: there has never been a sign of life of the stage %s.", rule.does, w.Name)
			if !w.Moved.IsZero() {
				text = fmt.Sprintf("Nothing %s: there has been no sign of life of the stage %s since %s.", rule.does, w.Name, dayAndTime(w.Moved))
			}
			faults = append(faults, WorkFault{"still:" + w.Name, text, true})
		}
		if w.Moved.After(last) {
			last = w.Moved
		}
		if rule.late > 0 && w.Waiting > 0 && now.Sub(w.Since) > rule.late {
			faults = append(faults, WorkFault{"late:" + w.Name, fmt.Sprintf(rule.whatIsLate, "on "+dayAndTime(w.Since)), rule.stuck})
		}
	}
	if now.Sub(last) > deadAfter { // one fault, not one for each of them
		text := "Nothing is being done: no worker has ever run. Start one with: sitenotice serve"
		if !last.IsZero() {
			text = "Nothing is being done: no worker has shown a sign of life since " + dayAndTime(last) + ". Start one with: sitenotice serve"
		}
		faults = []WorkFault{{"still", text, true}}
	}
	for _, r := range rests {
		if r.Failures >= downFrom {
			faults = append(faults, WorkFault{"down:" + r.Name, fmt.Sprintf("The sender of %s rests: the other side does not let it through (%s). Nothing is lost; it is tried again and again.", r.Name, cmp.Or(Line(r.Reason, 200), "no reason given")), false})
		}
	}
	return faults
}

// An Alarm is a fault of the work from when it is first seen until the operator has
// been told that it is over.
type Alarm struct {
	WorkFault
	Since int64 // unix ms at which it was first seen
	Told  int64 // unix ms at which the operator was; 0 before
	Gone  int64 // unix ms since when it has not been seen any more; 0 while it is
}

// alarmPatience is how long a fault has to last before it is told, and be gone before
// that is: a program that was just started catches up with what waits, and what comes
// and goes is one fault.
const alarmPatience = 5 * time.Minute

// AlarmNews is what follows from a look at the work.
type AlarmNews struct {
	Raised  []Alarm // to be told now
	Over    []Alarm // told before, to be told that they are over
	Kept    []Alarm // all that is to be remembered, those raised included
	Forget  []string
	Current []Alarm // that the operator knows of and that go on
}

// IsEmpty reports whether there is nothing to tell.
func (n *AlarmNews) IsEmpty() bool { return len(n.Raised)+len(n.Over) == 0 }

// NextAlarms decides what is told of faults, given what is remembered of earlier
// ones: each once, and once that it is over.
func NextAlarms(known []Alarm, faults []WorkFault, now time.Time) (n AlarmNews) {
	at := now.UnixMilli()
	// A clock that was put back must not keep an alarm waiting.
	lasted := func(since int64) bool { return since > at || at-since >= alarmPatience.Milliseconds() }
	seen := map[string]bool{}
	remembered := map[string]Alarm{}
	for _, a := range known {
		remembered[a.Key] = a
	}
	for _, f := range faults {
		seen[f.Key] = true
		a, is := remembered[f.Key]
		if !is {
			a.Since = at
		}
		if a.Told == 0 || !is {
			a.WorkFault = f
		}
		a.Gone = 0
		if a.Told == 0 && lasted(a.Since) {
			a.Told = at
			n.Raised = append(n.Raised, a)
		}
		if a.Told > 0 {
			n.Current = append(n.Current, a)
		}
		n.Kept = append(n.Kept, a)
	}
	for _, a := range known {
		switch {
		case seen[a.Key]:
		case a.Told == 0:
			n.Forget = append(n.Forget, a.Key)
		case a.Gone == 0:
			a.Gone = at
			n.Kept, n.Current = append(n.Kept, a), append(n.Current, a)
		case lasted(a.Gone):
			n.Over, n.Forget = append(n.Over, a), append(n.Forget, a.Key)
		default:
			n.Kept, n.Current = append(n.Kept, a), append(n.Current, a)
		}
	}
	return n
}

// A Check is one thing that has to be so for the work to finish by itself.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"` // what is wrong, without secrets; or how it stands
}
