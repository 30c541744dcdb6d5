package feed

import (
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Fixes reads a source as [Declaration.Read] does and writes the rows that have a
// fault as CSV: what each row has in the source's columns, its line, and what is
// wrong. Cells that a spreadsheet would run as a formula begin with an apostrophe.
// A source that breaks off is read as far as it goes.
func (d *Declaration) Fixes(adapter string, source io.Reader, to io.Writer) error {
	a, err := d.Adapter(adapter)
	if err != nil {
		return err
	}
	out := csv.NewWriter(to)
	var columns []string
	err = d.Read(a.Name, source, func(row Row) error {
		if len(row.Faults) == 0 {
			return nil
		}
		table, isTable := row.cells.(*tableRow)
		if columns == nil {
			if columns = columnsRead(a); isTable {
				columns = table.names
			}
			if err := writeSafe(out, append(slices.Clone(columns), "line", "what is wrong")); err != nil {
				return err
			}
		}
		cells := make([]string, len(columns), len(columns)+2)
		for i, name := range columns {
			switch {
			case !isTable:
				cells[i] = row.cells.cell(name)
			case i < len(table.record):
				cells[i] = table.decode(table.record[i])
			}
		}
		var wrong []string
		for _, f := range row.Faults {
			wrong = append(wrong, f.Column+": "+f.Reason)
		}
		return writeSafe(out, append(cells, strconv.Itoa(row.Line), strings.Join(wrong, "; ")))
	})
	out.Flush()
	var b *BrokenError
	if errors.As(err, &b) {
		err = nil
	}
	return errors.Join(err, out.Error())
}

// columnsRead lists the columns that an adapter reads, in order.
func columnsRead(a *Adapter) []string {
	names := map[string]bool{}
	for _, text := range a.Columns {
		for _, name := range parseExpression(text).columns() {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// writeSafe writes a record of which no cell is a formula (see OWASP, CSV
// injection).
func writeSafe(out *csv.Writer, cells []string) error {
	for i, cell := range cells {
		if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			if _, err := strconv.ParseFloat(cell, 64); err != nil { // a negative number is none
				cells[i] = "'" + cell
			}
		}
	}
	return out.Write(cells)
}
