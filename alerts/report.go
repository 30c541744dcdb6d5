package alerts

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Report says what is in a source and what is wrong with it, before anything is
// stored.
type Report struct {
	Feed       string         `json:"feed"`
	Adapter    string         `json:"adapter"`
	Rows       int            `json:"rows"`
	Good       int            `json:"good"`
	Faulty     int            `json:"faulty"`     // rows that would be left out
	Duplicates int            `json:"duplicates"` // rows whose key occurred before
	Located    int            `json:"located"`
	Boundaries int            `json:"boundaries"` // located by the site's own outline
	Misplaced  int            `json:"misplaced"`  // with coordinates that are no place in the United Kingdom
	Astray     int            `json:"astray"`     // with a point far from their own outline; the outline counts
	Deadlines  int            `json:"deadlines"`  // with a published end of comments
	Earliest   Date           `json:"earliest"`   // received
	Latest     Date           `json:"latest"`
	Codes      []CodeUse      `json:"codes"`
	Characters []CharacterUse `json:"characters"` // unusual ones: a sign that the encoding is wrong
	Faults     []Fault        `json:"faults"`     // the first MaxFaults
	Broken     string         `json:"broken"`     // why it could not be read to its end; empty when it was

	// Of a file that is held against what is stored of its feed:
	Outside    int           `json:"outside"`   // with a position outside the council's area; it does not count
	LookedUp   int           `json:"looked_up"` // without a position of their own, found by property number or postcode
	New        int           `json:"new"`
	Changed    int           `json:"changed"`
	Unchanged  int           `json:"unchanged"`
	Renumbered []Renumbering `json:"renumbered,omitempty"` // cases that seem to have got another number
	Verdict    Verdict       `json:"verdict,omitempty"`    // what importing it now would be
	Reason     string        `json:"reason,omitempty"`
	Tells      *Reach        `json:"tells,omitempty"`
}

// A Reach is what importing a file, or releasing what is held, would send.
type Reach struct {
	Silent       bool `json:"silent"` // a first reading: it tells nobody, whatever it holds
	People       int  `json:"people"`
	Applications int  `json:"applications"`
	Old          int  `json:"old"`     // applications received more than OldDays ago
	More         bool `json:"more"`    // there are more than were looked at
	Rounded      bool `json:"rounded"` // People is rounded; see [Reach.ForTheUploader]
}

// OldDays is from when on an application counts as old in what would be sent.
const OldDays = 60

// ForTheUploader returns the reach as it may be shown to somebody who has only a
// feed's token: who makes up an application must not learn from the exact number
// whether anybody follows the place.
func (r Reach) ForTheUploader() Reach {
	r.Rounded = true
	r.People = r.People / roundedTo * roundedTo
	return r
}

// roundedTo is to which number of people a reach is rounded, downwards.
const roundedTo = 10

// String says the reach in a sentence.
func (r Reach) String() string {
	if r.Silent {
		return "This is the register’s first reading, so it would tell nobody: it is the state from which news is counted."
	}
	if r.Applications == 0 {
		return "It would tell nobody: nothing in it is news."
	}
	applications, people := English.Plural(r.Applications, "application", "applications"), English.Plural(r.People, "person", "people")
	if r.More {
		applications = "more than " + applications
	}
	switch {
	case r.Rounded && r.People == 0:
		people = fmt.Sprintf("fewer than %d people", roundedTo)
	case r.Rounded:
		people = "about " + people
	}
	old := ""
	switch r.Old {
	case 0:
	case 1:
		old = fmt.Sprintf("; 1 of them is over %d days old", OldDays)
	default:
		old = fmt.Sprintf("; %s of them are over %d days old", Thousands(r.Old), OldDays)
	}
	return fmt.Sprintf("It would tell %s about %s%s.", people, applications, old)
}

// MaxFaults is how many faults a report lists, and a run keeps; all are counted.
const MaxFaults = 1000

// A CodeUse is one code of the council, how often it occurs and what it is taken
// to mean.
type CodeUse struct {
	Field   string `json:"field"` // kind, status or decision
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Mapped  bool   `json:"mapped"`
	Count   int    `json:"count"`
}

// A CharacterUse is a character that English text rarely has, how often it occurs
// and where for example.
type CharacterUse struct {
	Character string `json:"character"`
	Count     int    `json:"count"`
	Example   string `json:"example"` // the word
}

// Name shows the character, if it can be shown, and its number.
func (u CharacterUse) Name() string {
	if u.Character == "" {
		return ""
	}
	c := []rune(u.Character)[0]
	if unicode.IsPrint(c) {
		return fmt.Sprintf("%c U+%04X", c, c)
	}
	return fmt.Sprintf("U+%04X", c)
}

// Unmapped lists the codes that the declaration does not know.
func (r *Report) Unmapped() []CodeUse {
	return slices.DeleteFunc(slices.Clone(r.Codes), func(u CodeUse) bool { return u.Mapped })
}

// String writes the report for a terminal.
func (r *Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	share := func(n int) string {
		if r.Good == 0 {
			return "0"
		}
		if n == r.Good {
			return "all"
		}
		return fmt.Sprintf("%d (%d %%)", n, n*100/r.Good)
	}
	line("%s, read as %s", r.Feed, r.Adapter)
	if r.Broken != "" {
		line("  NOT WHOLE: %s", r.Broken)
	}
	line("  rows            %s", Thousands(r.Rows))
	if r.Faulty > 0 {
		line("  with a fault    %d (they would be left out)", r.Faulty)
	}
	if r.Duplicates > 0 {
		line("  repeated        %d (the last one counts)", r.Duplicates)
	}
	line("  located         %s", share(r.Located))
	line("  with a boundary %s", share(r.Boundaries))
	if r.Misplaced > 0 {
		line("  misplaced       %d (outside the United Kingdom; taken as without a position)", r.Misplaced)
	}
	if r.Outside > 0 {
		line("  outside         %d (not in the council's area; taken as without a position)", r.Outside)
	}
	if r.LookedUp > 0 {
		line("  looked up       %d (without a position of their own: by property number or postcode)", r.LookedUp)
	}
	if r.Astray > 0 {
		line("  astray          %d (the point is far from the site's own outline; the outline counts)", r.Astray)
	}
	line("  with a deadline %s", share(r.Deadlines))
	if r.Earliest != "" {
		line("  received        %s to %s", r.Earliest, r.Latest)
	}
	field := ""
	for _, use := range r.Codes {
		if use.Field != field {
			field = use.Field
			line("%s codes", field)
		}
		if use.Mapped {
			line("  %-12s %5d  %s", use.Code, use.Count, use.Meaning)
		} else {
			line("  %-12s %5d  NOT MAPPED", use.Code, use.Count)
		}
	}
	if len(r.Renumbered) > 0 {
		line("  renumbered      %d (seem to be the same cases under another number; not news)", len(r.Renumbered))
		for _, n := range r.Renumbered[:min(len(r.Renumbered), 10)] {
			line("    %s is now %s", n.Was, n.Is)
		}
	}
	if r.Verdict != VerdictNone {
		line("importing it")
		if r.Reason != "" {
			line("  would be %s: %s", r.Verdict, r.Reason)
		}
		if r.Tells != nil {
			line("  %s new, %s changed, %s as before", Thousands(r.New), Thousands(r.Changed), Thousands(r.Unchanged))
			line("  %s", r.Tells)
		}
	}
	if len(r.Characters) > 0 {
		line("unusual characters: is the encoding right?")
		for _, u := range r.Characters[:min(len(r.Characters), 10)] {
			line("  %-12s %5d  as in %s", u.Name(), u.Count, u.Example)
		}
	}
	if len(r.Faults) > 0 {
		line("faults")
		for _, f := range r.Faults[:min(len(r.Faults), 20)] {
			line("  line %d, %s: %s: %q", f.Line, f.Column, f.Reason, f.Value)
		}
		if more := r.Faulty - 20; more > 0 {
			line("  … and more; --json lists up to %d", MaxFaults)
		}
	}
	return b.String()
}
