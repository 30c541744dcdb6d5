package feed

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// readCSV reads comma-separated values with a header row.
func readCSV(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	charset, err := decoderOf(a.Encoding)
	if err != nil {
		return err
	}
	in := csv.NewReader(io.MultiReader(&lineEnds{r: r}, strings.NewReader("\n"+endOfFile+"\n")))
	in.FieldsPerRecord, in.LazyQuotes, in.ReuseRecord = -1, true, true
	next := func() (int, []string, error) {
		record, err := in.Read()
		if errors.Is(err, io.EOF) || err == nil && record[0] == endOfFile {
			return 0, nil, io.EOF
		}
		if err != nil {
			return 0, nil, broken("the file breaks off or is no CSV: %v", err)
		}
		line, _ := in.FieldPos(0)
		if strings.Contains(record[len(record)-1], endOfFile) {
			return line, nil, broken("the file seems to be cut off: the quotation in its last row, line %d, has no end", line)
		}
		return line, record, nil
	}
	return readTable(a, next, func(s string) string { return decode(s, charset) }, false, yield)
}

// endOfFile is a row that is put behind the last one. A quotation that is not
// closed, which the reader takes for a cell all the same, swallows it.
const endOfFile = "\x00end of file\x00"

// readTable reads rows with a header above them, which next gives until io.EOF.
// Columns are found by name, whatever their order and case. Blank rows are skipped;
// so are title rows above the header. A last row that holds nothing but the number
// of rows is what it says: the file is whole only if it is right.
//
// ragged tables, as spreadsheets are, leave out empty cells at the end of a row. In
// others a last row with too few cells is one that was cut off, and is not used.
func readTable(a *Adapter, next func() (line int, record []string, err error), decode func(string) string, ragged bool, yield func(line int, c cells) error) error {
	header, names, err := findHeader(a, next)
	if err != nil {
		return err
	}
	row := &tableRow{names: names, columns: map[string]int{}, decode: decode}
	for _, text := range a.Columns {
		for _, column := range parseExpression(text).columns() {
			row.columns[column] = slices.Index(header, columnKey(column))
		}
	}
	for column := range a.Shifted {
		row.columns[column] = slices.Index(header, columnKey(column))
	}
	var held []string // a row that must not be used if it is the last one
	heldLine, rows := 0, 0
	use := func(line int, record []string) error {
		rows++
		row.record = record
		return yield(line, row)
	}
	for {
		line, record, err := next()
		if errors.Is(err, io.EOF) {
			n, isCount := rowCount(held)
			switch {
			case held == nil || isCount && n == rows:
				return nil
			case isCount:
				return broken("the file says at its end that it has %d rows, but %d are there", n, rows)
			}
			return broken("the file seems to be cut off: its last row, line %d, has %d cells instead of %d", heldLine, len(held), len(header))
		}
		_, isCount := rowCount(held)
		if err != nil && !isCount {
			return err
		}
		if err == nil && blank(record) {
			continue
		}
		if held != nil {
			if err := use(heldLine, held); err != nil {
				return err
			}
			held = nil
		}
		if err != nil {
			return err
		}
		if _, isCount := rowCount(record); isCount && rows > 0 && len(header) > 1 || !ragged && len(record) < len(header) {
			held, heldLine = slices.Clone(record), line
			continue
		}
		if err := use(line, record); err != nil {
			return err
		}
	}
}

// rowCount reports whether a row has a single filled cell with a whole number in
// it, and which.
func rowCount(record []string) (n int, ok bool) {
	for _, cell := range record {
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		if ok {
			return 0, false
		}
		var err error
		if n, err = strconv.Atoi(cell); err != nil {
			return 0, false
		}
		ok = true
	}
	return n, ok
}

// titleRows is how many rows may stand above the header.
const titleRows = 5

// findHeader reads up to and including the header row: the first that names the
// column of the reference, as keys to compare and as they are written. It fails when a
// column that is mapped is not there.
func findHeader(a *Adapter, next func() (int, []string, error)) (header, names []string, err error) {
	var first []string
	for range titleRows {
		_, record, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		header := make([]string, len(record))
		for i, name := range record {
			header[i] = columnKey(strings.TrimPrefix(name, "\ufeff"))
		}
		if first == nil {
			first = slices.Clone(record)
		}
		has := func(column string) bool { return slices.Contains(header, columnKey(column)) }
		if _, lacks := parseExpression(a.Columns["reference"]).lacks(has); lacks {
			continue
		}
		var absent []string
		for _, text := range a.Columns {
			if column, lacks := parseExpression(text).lacks(has); lacks {
				absent = append(absent, column)
			}
		}
		if len(absent) > 0 {
			slices.Sort(absent)
			return nil, nil, broken("the column %s is not in the file; it has %s", strings.Join(slices.Compact(absent), ", "), excerpt(record))
		}
		return header, slices.Clone(record), nil
	}
	if first == nil {
		return nil, nil, broken("the file is empty")
	}
	return nil, nil, broken("no row has the column %s that should hold the reference; the file begins with %s", a.Columns["reference"], excerpt(first))
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

type tableRow struct {
	names   []string // of the columns, as the header writes them
	columns map[string]int
	record  []string
	decode  func(string) string
}

func (r *tableRow) cell(column string) string {
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
