package feed

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// readCSV reads comma-separated values with a header row. Columns are found by
// name, whatever their order and case. Blank rows are skipped; so are title rows
// above the header.
func readCSV(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	charset, err := decoderOf(a.Encoding)
	if err != nil {
		return err
	}
	in := csv.NewReader(io.MultiReader(&lineEnds{r: r}, strings.NewReader("\n"+endOfFile+"\n")))
	in.FieldsPerRecord, in.LazyQuotes, in.ReuseRecord = -1, true, true
	header, err := findHeader(a, in)
	if err != nil {
		return err
	}
	row := &csvRow{columns: make(map[string]int, len(a.Columns)), decode: func(s string) string { return decode(s, charset) }}
	for _, column := range a.Columns {
		row.columns[column] = slices.Index(header, columnKey(column))
	}
	var held []string // a row with too few cells: the last one of a file that was cut off must not be used
	heldLine := 0
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			if held != nil {
				return broken("the file seems to be cut off: its last row, line %d, has %d cells instead of %d", heldLine, len(held), len(header))
			}
			return nil
		}
		if err != nil {
			return broken("the file breaks off or is no CSV: %v", err)
		}
		if blank(record) || record[0] == endOfFile {
			continue
		}
		line, _ := in.FieldPos(0)
		if strings.Contains(record[len(record)-1], endOfFile) {
			return broken("the file seems to be cut off: the quotation in its last row, line %d, has no end", line)
		}
		if held != nil {
			row.record = held
			if err := yield(heldLine, row); err != nil {
				return err
			}
			held = nil
		}
		if len(record) < len(header) {
			held, heldLine = slices.Clone(record), line
			continue
		}
		row.record = record
		if err := yield(line, row); err != nil {
			return err
		}
	}
}

// endOfFile is a row that is put behind the last one. A quotation that is not
// closed, which the reader takes for a cell all the same, swallows it.
const endOfFile = "\x00end of file\x00"

// titleRows is how many rows may stand above the header.
const titleRows = 5

// findHeader reads up to and including the header row: the first that names the
// column of the reference. It fails when a column that is mapped is not there.
func findHeader(a *Adapter, in *csv.Reader) ([]string, error) {
	var first []string
	for range titleRows {
		record, err := in.Read()
		if err != nil || record[0] == endOfFile {
			break
		}
		header := make([]string, len(record))
		for i, name := range record {
			header[i] = columnKey(strings.TrimPrefix(name, "\ufeff"))
		}
		if first == nil {
			first = slices.Clone(record)
		}
		if !slices.Contains(header, columnKey(a.Columns["reference"])) {
			continue
		}
		var absent []string
		for _, column := range a.Columns {
			if !slices.Contains(header, columnKey(column)) {
				absent = append(absent, column)
			}
		}
		if len(absent) > 0 {
			slices.Sort(absent)
			return nil, broken("the column %s is not in the file; it has %s", strings.Join(absent, ", "), excerpt(record))
		}
		return header, nil
	}
	if first == nil {
		return nil, broken("the file is empty")
	}
	return nil, broken("no row has the column %s that should hold the reference; the file begins with %s", a.Columns["reference"], excerpt(first))
}

func excerpt(cells []string) string {
	return "\"" + alerts.Line(strings.Join(cells, ", "), 300) + "\""
}

// columnKey is how column names are compared.
func columnKey(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(name), " "))
}

func blank(record []string) bool {
	return !slices.ContainsFunc(record, func(s string) bool { return strings.TrimSpace(s) != "" })
}

type csvRow struct {
	columns map[string]int
	record  []string
	decode  func(string) string
}

func (r *csvRow) cell(column string) string {
	i, ok := r.columns[column]
	if !ok || i < 0 || i >= len(r.record) {
		return ""
	}
	return r.decode(r.record[i])
}

// lineEnds makes all line ends LF outside quoted cells, and lone CRs within them
// spaces, so that files with CR alone, or with mixed ends, have rows and true line
// numbers. encoding/csv treats a lone CR as text.
type lineEnds struct {
	r       *bufio.Reader
	quoted  bool
	start   bool // at the start of a cell
	began   bool
	pending bool // a quote within a quoted cell that may end it
}

func (l *lineEnds) Read(p []byte) (n int, err error) {
	if !l.began {
		l.began, l.start = true, true
		if bom, _ := l.r.Peek(3); string(bom) == "\xef\xbb\xbf" {
			l.r.Discard(3)
		}
	}
	for n < len(p) {
		if n > 0 && l.r.Buffered() == 0 {
			return n, nil
		}
		c, err := l.r.ReadByte()
		if err != nil {
			return n, err
		}
		if l.pending {
			l.pending = false
			l.quoted = c == '"' // doubled: the cell goes on
			if l.quoted {
				p[n] = c
				n++
				continue
			}
		}
		switch c {
		case '"':
			switch {
			case l.quoted:
				l.pending = true
			case l.start:
				l.quoted = true
			}
			l.start = false
		case '\r':
			next, _ := l.r.Peek(1)
			switch {
			case len(next) == 1 && next[0] == '\n':
				continue // the LF follows
			case l.quoted:
				c = ' '
			default:
				c, l.start = '\n', true
			}
		case '\n', ',':
			l.start = !l.quoted
		default:
			l.start = false
		}
		p[n] = c
		n++
	}
	return n, nil
}
