package feed

import (
	"cmp"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/sitenotice/sitenotice/alerts"
)

// usualCharacters are those beyond ASCII that English, Welsh and planning text have.
const usualCharacters = "\u00a0£€§©®°±²³µ·º¼½¾×÷ÀÁÂÄÇÈÉÊËÌÍÎÏÑÒÓÔÖÙÚÛÜàáâäãåæçèéêëìíîïñòóôöøùúûüýÿŵŷŴŶ–—‘’“”•…™⅓⅔⅛⅜⅝⅞≤≥−"

// unusual reports whether a character is one that a wrong encoding, or a broken
// export, leaves behind.
func unusual(c rune) bool {
	if c < ' ' {
		return c != '\t' && c != '\n' && c != '\r'
	}
	return c >= 0x7f && !strings.ContainsRune(usualCharacters, c)
}

// What a report keeps in memory, whatever the file holds.
const (
	maxCharacters = 50
	maxCodes      = 1_000
	maxKeys       = 2_000_000 // rows whose repetition is noticed
)

// A Reporter makes a report of rows, which [Declaration.Read] yields.
type Reporter struct {
	report alerts.Report
	texts  []string // columns in which words stand
	seen   map[uint64]struct{}
	seed   maphash.Seed
	uses   map[Code]*alerts.CodeUse
}

// NewReporter returns one for what the adapter of that name reads.
func (d *Declaration) NewReporter(adapter string) (*Reporter, error) {
	a, err := d.Adapter(adapter)
	if err != nil {
		return nil, err
	}
	r := &Reporter{report: alerts.Report{Feed: d.Feed, Adapter: a.Name}, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed(), uses: map[Code]*alerts.CodeUse{}}
	for _, field := range []string{"description", "address"} {
		r.texts = append(r.texts, parseExpression(a.Columns[field]).columns()...)
	}
	return r, nil
}

// Check reads a source as [Declaration.Read] does and reports on it. A source
// that is broken gives a report that says so, not an error.
func (d *Declaration) Check(adapter string, source io.Reader) (*alerts.Report, error) {
	r, err := d.NewReporter(adapter)
	if err != nil {
		return nil, err
	}
	err = d.Read(adapter, source, func(row Row) error {
		r.Add(&row)
		return nil
	})
	return r.Report(err)
}

// Report returns the report once everything was read; end is what the reading
// returned. An end that is no fault of the source is returned.
func (r *Reporter) Report(end error) (*alerts.Report, error) {
	var b *BrokenError
	if errors.As(end, &b) {
		r.report.Broken = b.Problem
	} else if end != nil {
		return nil, end
	}
	for _, use := range r.uses {
		r.report.Codes = append(r.report.Codes, *use)
	}
	slices.SortFunc(r.report.Codes, func(a, b alerts.CodeUse) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return &r.report, nil
}

// Add takes a row that was read.
func (r *Reporter) Add(row *Row) {
	n := &r.report
	n.Rows++
	for _, column := range r.texts { // as they stand there: what is unusual is left out of what is kept
		r.words(row.cells.cell(column))
	}
	if len(row.Faults) > 0 {
		n.Faulty++
		n.Faults = append(n.Faults, row.Faults[:min(len(row.Faults), alerts.MaxFaults-len(n.Faults))]...)
		return
	}
	n.Good++
	key := maphash.String(r.seed, row.Record.SourceKey)
	if _, twice := r.seen[key]; twice {
		n.Duplicates++
	} else if len(r.seen) < maxKeys {
		r.seen[key] = struct{}{}
	}
	d := &row.Record.Details
	if d.Site.Located() {
		n.Located++
	}
	if d.Site.Method == alerts.MethodBoundary {
		n.Boundaries++
	}
	if row.Misplaced {
		n.Misplaced++
	}
	if row.Astray {
		n.Astray++
	}
	if d.CommentsUntil != "" {
		n.Deadlines++
	}
	if d.Received != "" {
		if n.Earliest == "" || d.Received < n.Earliest {
			n.Earliest = d.Received
		}
		n.Latest = max(n.Latest, d.Received)
	}
	r.codes(row)
}

// codes counts the codes of a good row.
func (r *Reporter) codes(row *Row) {
	d := &row.Record.Details
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
		use := r.uses[code]
		if use == nil {
			if len(r.uses) == maxCodes {
				continue
			}
			use = &alerts.CodeUse{Field: c.field, Code: alerts.Line(c.raw, 200), Meaning: c.meaning, Mapped: !slices.Contains(row.Unmapped, code)}
			r.uses[code] = use
		}
		use.Count++
	}
}

// words counts the unusual characters of a text.
func (r *Reporter) words(text string) {
	if !strings.ContainsFunc(text, unusual) {
		return
	}
	for _, c := range norm.NFC.String(text) { // an accent that stands by itself is usual enough
		if !unusual(c) {
			continue
		}
		i := slices.IndexFunc(r.report.Characters, func(u alerts.CharacterUse) bool { return u.Character == string(c) })
		if i < 0 {
			if len(r.report.Characters) == maxCharacters {
				continue
			}
			i = len(r.report.Characters)
			example := ""
			for word := range strings.FieldsSeq(text) {
				if example == "" && strings.ContainsRune(word, c) {
					example = alerts.Line(word, 40)
				}
			}
			r.report.Characters = append(r.report.Characters, alerts.CharacterUse{Character: string(c), Example: example})
		}
		r.report.Characters[i].Count++
	}
}
