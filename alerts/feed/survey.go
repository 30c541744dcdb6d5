package feed

import (
	"cmp"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
)

// A Surveyor gathers what a run sees of its source, row by row.
type Surveyor struct {
	adapter *Adapter
	today   alerts.Date
	names   []string // of a table's columns
	wanted  alerts.Field
	filled  alerts.Field // fields that some row filled
	rows    int
	newest  alerts.Date
	codes   map[Code]int
}

// enoughRows is how many rows must be read before a column of JSON or XML, where
// what is empty may be left out, can be said to have gone.
const enoughRows = 50

// NewSurveyor returns one for what an adapter reads; today tells dates that are
// still to come.
func NewSurveyor(a *Adapter, today alerts.Date) *Surveyor {
	s := &Surveyor{adapter: a, today: today, codes: map[Code]int{}}
	for name := range a.Columns {
		s.wanted |= filledFrom(name)
	}
	return s
}

// filledFrom is the field that shows whether a mapped column holds anything.
func filledFrom(name string) alerts.Field {
	if f, ok := alerts.FieldNamed(name); ok {
		return f
	}
	if name == "source_key" || name == "authority" {
		return alerts.FieldReference // without which there is no row
	}
	return alerts.FieldSite
}

// Add takes a row that was read.
func (s *Surveyor) Add(row *Row) {
	s.rows++
	if table, ok := row.cells.(*tableRow); ok && s.names == nil {
		s.names = table.names
	}
	if len(row.Faults) > 0 {
		return
	}
	d := &row.Record.Details
	if left := s.wanted &^ s.filled; left != 0 {
		s.filled |= left.FilledBy(d)
	}
	if d.Received > s.newest && d.Received <= s.today {
		s.newest = d.Received
	}
	for _, c := range row.Unmapped {
		const distinct = 1_000 // a column that holds no codes at all must not fill the memory
		if s.codes[c] > 0 || len(s.codes) < distinct {
			s.codes[c]++
		}
	}
}

// Survey says what was seen.
func (s *Surveyor) Survey() alerts.Survey {
	out := alerts.Survey{Newest: s.newest}
	switch {
	case s.names != nil:
		used := map[string]bool{}
		for _, text := range s.adapter.Columns {
			for _, column := range parseExpression(text).columns() {
				used[columnKey(column)] = true
			}
		}
		for _, name := range s.names[:min(len(s.names), alerts.MaxColumns)] {
			if plain := alerts.Line(clean(name), 100); plain != "" {
				out.Columns = append(out.Columns, alerts.Column{Name: plain, Used: used[columnKey(name)]})
			}
		}
	case s.rows >= enoughRows:
		for name, column := range s.adapter.Columns {
			if s.filled.Has(filledFrom(name)) {
				out.Columns = append(out.Columns, alerts.Column{Name: column, Used: true})
			}
		}
		slices.SortFunc(out.Columns, func(a, b alerts.Column) int { return cmp.Compare(a.Name, b.Name) })
		out.Columns = slices.Compact(out.Columns)
	}
	for c, n := range s.codes {
		out.Unmapped = append(out.Unmapped, alerts.CodeCount{Field: c.Field, Code: alerts.Line(c.Code, 100), Count: n})
	}
	slices.SortFunc(out.Unmapped, func(a, b alerts.CodeCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Code, b.Code))
	})
	out.Unmapped = out.Unmapped[:min(len(out.Unmapped), alerts.MaxUnmapped)]
	return out
}
