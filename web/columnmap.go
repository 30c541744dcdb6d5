package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A columnMap is the form in which a person says what the columns and codes of a file
// mean.
type columnMap struct {
	*alerts.Proposal
	Groups    []fieldGroup
	Encodings []choice
	CodeLists []codeList
}

type fieldGroup struct {
	Title  string
	Open   bool
	Fields []mapField
}

type mapField struct {
	Name    string
	Label   string
	From    string
	Columns []choice
	Layout  string
	Layouts []choice // of a date
	Cells   []string // of the chosen column
}

// A choice is an option of a list.
type choice struct {
	Value string
	Label string
}

type codeList struct {
	Field string
	Title string
	Codes []alerts.CodeChoice
	Words []choice
}

// fieldWords are the fields that a person may fill from a column.
var fieldWords = []struct {
	title  string
	fields [][2]string
}{
	{"What residents need most", [][2]string{{"reference", "Application number"}, {"address", "Address of the site"}, {"description", "What is proposed"}, {"received", "Date received"},
		{"status", "How far it has come (status)"}, {"comments_until", "Last day for comments"}}},
	{"Where it is", [][2]string{{"postcode", "Postcode"}, {"uprn", "Property number (UPRN)"}, {"easting", "Easting"}, {"northing", "Northing"}, {"lon", "Longitude"}, {"lat", "Latitude"},
		{"x", "X, of whatever kind"}, {"y", "Y, of whatever kind"}, {"boundary", "Outline of the site (WKT or GeoJSON)"}, {"ward", "Ward"}}},
	{"The decision, and other dates", [][2]string{{"decision", "Decision"}, {"decided", "Date of the decision"}, {"decision_by", "Who decides: officers or a committee"}, {"valid", "Date from which it is valid"},
		{"comments_from", "First day for comments"}, {"committee", "Date of the committee"}, {"target", "Date by which the council means to decide"}, {"withdrawn", "Date withdrawn"},
		{"appeal_ref", "Appeal’s number"}, {"appeal_lodged", "Date of the appeal"}, {"appeal_decided", "Date of the appeal’s decision"}, {"appeal_decision", "Appeal’s decision"}}},
	{"Everything else", [][2]string{{"source_key", "The system’s own key, which stays when the number is corrected"}, {"kind", "Type of application"}, {"scale", "Scale: major, minor or other"},
		{"url", "Address of the council’s page"}, {"comment_url", "Address at which to comment"}}},
}

// isDate reports whether a field holds a date.
func isDate(field string) bool {
	return slices.Contains([]string{"received", "valid", "comments_from", "comments_until", "committee", "target", "decided", "withdrawn", "appeal_lodged", "appeal_decided"}, field)
}

// encodingWords are the encodings that can be chosen.
var encodingWords = []choice{{"utf-8", "UTF-8, as most systems write today"}, {"windows-1252", "Windows (1252), as older Excel writes"}, {"iso-8859-1", "ISO 8859-1"},
	{"mac-roman", "Macintosh"}, {"cp850", "DOS (850)"}}

// layoutWords shows a way of writing dates by an example.
func layoutWords(layout string) string {
	day := time.Date(2026, time.February, 28, 9, 30, 0, 0, time.UTC)
	switch layout {
	case "iso":
		return "2026-02-28T09:30:00, and the like"
	case "epoch-ms":
		return fmt.Sprintf("%d (milliseconds)", day.UnixMilli())
	case "excel":
		return "46081 (a spreadsheet’s own number)"
	case "01/02/2006":
		return "02/28/2026 (the month first)"
	}
	return day.Format(layout)
}

// codeWords says what a code's word means.
func codeWords(field, word string) string {
	switch status, decision, both := strings.Cut(word, " "); {
	case field == "kind":
		return alerts.English.KindLabel(alerts.Kind(word))
	case field == "status" && both:
		return "Decided: " + strings.ToLower(alerts.English.DecisionLabel(alerts.Decision(decision)))
	case field == "status":
		return alerts.English.StatusLabel(alerts.Status(status))
	case word == "none":
		return "No decision yet"
	case word == "withdrawn":
		return "Withdrawn"
	}
	return alerts.English.DecisionLabel(alerts.Decision(word))
}

// columnMap makes the form of a proposal.
func (d *desk) columnMap(p *alerts.Proposal) *columnMap {
	m := &columnMap{Proposal: p}
	if p.Format == "csv" {
		m.Encodings = encodingWords
	}
	columns := []choice{{"", "– in no column –"}}
	cells := map[string][]string{}
	for _, c := range p.Columns {
		label := c.Name
		if len(c.Cells) > 0 {
			label += " – " + alerts.Line(c.Cells[0], 40)
		}
		columns = append(columns, choice{c.Name, alerts.Line(label, 90)})
		cells[c.Name] = c.Cells
	}
	var layouts []choice
	for _, l := range d.Files.Layouts() {
		layouts = append(layouts, choice{l, layoutWords(l)})
	}
	for i, g := range fieldWords {
		group := fieldGroup{Title: g.title, Open: i == 0}
		for _, f := range g.fields {
			chosen := p.Choice(f[0])
			field := mapField{Name: f[0], Label: f[1], From: chosen.From, Columns: columns, Layout: chosen.Layout, Cells: cells[chosen.From]}
			if _, plain := cells[chosen.From]; !plain && chosen.From != "" { // several columns together, as the form that the file has
				field.Columns = append([]choice{{chosen.From, alerts.Line(chosen.From, 90)}}, columns...)
			}
			if isDate(f[0]) {
				field.Layouts = layouts
				if chosen.Layout != "" && !slices.ContainsFunc(layouts, func(l choice) bool { return l.Value == chosen.Layout }) {
					field.Layouts = append([]choice{{chosen.Layout, layoutWords(chosen.Layout)}}, layouts...)
				}
			}
			group.Fields = append(group.Fields, field)
		}
		m.Groups = append(m.Groups, group)
	}
	for _, l := range []codeList{{Field: "status", Title: "Its codes for how far a case has come"}, {Field: "decision", Title: "Its codes for decisions"}, {Field: "kind", Title: "Its codes for types"}} {
		for _, c := range p.Codes {
			if c.Field == l.Field {
				l.Codes = append(l.Codes, c)
			}
		}
		if len(l.Codes) == 0 {
			continue
		}
		l.Words = []choice{{"", "– not said –"}}
		for _, word := range d.Files.Meanings(l.Field) {
			l.Words = append(l.Words, choice{word, codeWords(l.Field, word)})
		}
		m.CodeLists = append(m.CodeLists, l)
	}
	return m
}

// Chosen counts the fields of a group that stand in a column.
func (g fieldGroup) Chosen() (n int) {
	for _, f := range g.Fields {
		if f.From != "" {
			n++
		}
	}
	return n
}

// readMap reads the form of a map: what is said of the file as a whole, and how to
// correct a proposal by the rest.
func readMap(v url.Values) (said alerts.Proposal, correct func(p *alerts.Proposal)) {
	get := func(name string, most int) string { return clip(strings.TrimSpace(v.Get(name)), most) }
	said = alerts.Proposal{Feed: get("name", 60), Name: get("council", 100), Encoding: get("encoding", 20), Records: get("records", 200)}
	said.Authority = said.Feed
	return said, func(p *alerts.Proposal) {
		for _, g := range fieldWords {
			for _, f := range g.fields {
				from, ok := v["from."+f[0]]
				if !ok {
					continue
				}
				c := alerts.FieldChoice{Field: f[0], From: clip(from[0], 300), Layout: get("layout."+f[0], 40)}
				known := c.From == "" || c.From == p.Choice(f[0]).From || slices.ContainsFunc(p.Columns, func(s alerts.ColumnSample) bool { return s.Name == c.From })
				if !known { // of another sheet, or another reading of the file
					continue
				}
				if isDate(f[0]) && c.From != get("was."+f[0], 300) { // another column: its dates are written in their own way
					c.Layout = ""
					if i := slices.IndexFunc(p.Columns, func(s alerts.ColumnSample) bool { return s.Name == c.From }); i >= 0 {
						c.Layout = p.Columns[i].Layout
					}
				}
				p.Choose(c)
			}
		}
		fields, codes, means := v["codefield"], v["code"], v["means"]
		for i := range min(len(fields), len(codes), len(means)) {
			p.Codes = append(p.Codes, alerts.CodeChoice{Field: fields[i], Code: clip(codes[i], 200), Means: clip(means[i], 60)})
		}
	}
}

// share says how many of a number something is so.
func share(n, of int) string {
	switch {
	case of == 0 || n == 0:
		return "none"
	case n == of:
		return "all"
	}
	percent := fmt.Sprintf("%d %%", n*100/of)
	if n*100 < of {
		percent = "less than 1 %"
	}
	return alerts.Thousands(n) + " (" + percent + ")"
}
