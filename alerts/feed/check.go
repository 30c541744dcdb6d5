package feed

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
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
	Deadlines  int            `json:"deadlines"`  // with a published end of comments
	Earliest   alerts.Date    `json:"earliest"`   // received
	Latest     alerts.Date    `json:"latest"`
	Codes      []CodeUse      `json:"codes"`
	Characters []CharacterUse `json:"characters"` // unusual ones: a sign that the encoding is wrong
	Faults     []alerts.Fault `json:"faults"`     // the first MaxFaults
	Broken     string         `json:"broken"`     // why it could not be read to its end; empty when it was
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

// usualCharacters are those beyond ASCII that English, Welsh and planning text have.
const usualCharacters = "£€§©®°±²³µ·º¼½¾×÷ÀÁÂÄÇÈÉÊËÌÍÎÏÑÒÓÔÖÙÚÛÜàáâäãåæçèéêëìíîïñòóôöøùúûüýÿŵŷŴŶ–—‘’“”•…™⅓⅔⅛⅜⅝⅞≤≥−"

// words counts the unusual characters of a text.
func (r *Report) words(text string) {
	for _, c := range text {
		if c < 0x7f || strings.ContainsRune(usualCharacters, c) {
			continue
		}
		i := slices.IndexFunc(r.Characters, func(u CharacterUse) bool { return u.Character == string(c) })
		if i < 0 {
			if len(r.Characters) == 50 {
				continue
			}
			i = len(r.Characters)
			example := ""
			for word := range strings.FieldsSeq(text) {
				if example == "" && strings.ContainsRune(word, c) {
					example = alerts.Line(word, 40)
				}
			}
			r.Characters = append(r.Characters, CharacterUse{Character: string(c), Example: example})
		}
		r.Characters[i].Count++
	}
}

// Unmapped lists the codes that the declaration does not know.
func (r *Report) Unmapped() []CodeUse {
	return slices.DeleteFunc(slices.Clone(r.Codes), func(u CodeUse) bool { return u.Mapped })
}

// Check reads a source as [Declaration.Read] does and reports on it. A source
// that is broken gives a report that says so, not an error.
func (d *Declaration) Check(adapter string, source io.Reader) (*Report, error) {
	a, err := d.Adapter(adapter)
	if err != nil {
		return nil, err
	}
	report := &Report{Feed: d.Feed, Adapter: a.Name}
	seen := map[string]bool{}
	uses := map[Code]*CodeUse{}
	err = d.Read(a.Name, source, func(row Row) error {
		report.add(row, seen, uses)
		return nil
	})
	var b *BrokenError
	if errors.As(err, &b) {
		report.Broken = b.Problem
	} else if err != nil {
		return nil, err
	}
	for _, use := range uses {
		report.Codes = append(report.Codes, *use)
	}
	slices.SortFunc(report.Codes, func(a, b CodeUse) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return report, nil
}

func (r *Report) add(row Row, seen map[string]bool, uses map[Code]*CodeUse) {
	r.Rows++
	if len(row.Faults) > 0 {
		r.Faulty++
		r.Faults = append(r.Faults, row.Faults[:min(len(row.Faults), MaxFaults-len(r.Faults))]...)
		return
	}
	r.Good++
	if seen[row.Record.SourceKey] {
		r.Duplicates++
	}
	seen[row.Record.SourceKey] = true
	d := &row.Record.Details
	r.words(d.Description)
	r.words(d.Address)
	if d.Site.Located() {
		r.Located++
	}
	if d.Site.Method == alerts.MethodBoundary {
		r.Boundaries++
	}
	if row.Misplaced {
		r.Misplaced++
	}
	if d.CommentsUntil != "" {
		r.Deadlines++
	}
	if d.Received != "" {
		if r.Earliest == "" || d.Received < r.Earliest {
			r.Earliest = d.Received
		}
		r.Latest = max(r.Latest, d.Received)
	}
	status := string(d.Status)
	if d.Decision != "" && d.DecisionRaw == "" {
		status += " " + string(d.Decision)
	}
	decision := string(d.Decision)
	switch {
	case decision == "" && d.Status == alerts.StatusWithdrawn && d.StatusRaw == "":
		decision = "withdrawn"
	case decision == "":
		decision = "none"
	}
	for _, c := range []struct{ field, raw, meaning string }{
		{"kind", d.KindRaw, string(d.Kind)}, {"status", d.StatusRaw, status}, {"decision", d.DecisionRaw, decision},
	} {
		if c.raw == "" {
			continue
		}
		code := Code{c.field, c.raw}
		use := uses[code]
		if use == nil {
			use = &CodeUse{Field: c.field, Code: c.raw, Meaning: c.meaning, Mapped: !slices.Contains(row.Unmapped, code)}
			uses[code] = use
		}
		use.Count++
	}
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
	line("  rows            %s", alerts.Thousands(r.Rows))
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
	if len(r.Characters) > 0 {
		line("unusual characters: is the encoding right?")
		for _, u := range r.Characters[:min(len(r.Characters), 10)] {
			line("  %-12s %5d  as in %s", fmt.Sprintf("%s U+%04X", u.Character, []rune(u.Character)[0]), u.Count, u.Example)
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
