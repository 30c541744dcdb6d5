package feed

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/sitenotice/sitenotice/alerts"
)

// A Row is one row of a source: the record it makes, or what is wrong with it.
type Row struct {
	Line      int // of the file, from 1; of JSON the number of the record
	Record    alerts.Record
	Faults    []alerts.Fault // when there are any, the record is not to be used
	Unmapped  []Code         // codes that the declaration does not know
	Misplaced bool           // it has coordinates, but they are no place in the United Kingdom

	cells cells // as they stand in the source, while the row is being looked at
}

// A Code is a council's code in one of the coded fields.
type Code struct {
	Field string // kind, status or decision
	Code  string
}

// A BrokenError says that a source could not be read to its end, or not at all.
// The rows before are good.
type BrokenError struct {
	Problem string // a sentence for a person
}

func (e *BrokenError) Error() string { return e.Problem }

func broken(format string, args ...any) error { return &BrokenError{fmt.Sprintf(format, args...)} }

// A cells gives one row's cells to the mapping.
type cells interface {
	// cell returns the text in a column, "" when there is none.
	cell(column string) string
}

// A format reads the rows of a source, calling yield for each with its line.
type format func(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error

// formats are the forms of data that can be read, by the name in a declaration.
var formats = map[string]format{"csv": readCSV, "json": readJSON, "geojson": readGeoJSON, "xml": readXML, "yaml": readYAML,
	"xlsx": readXLSX, "tables": readTables}

// Read reads a source in the form that the adapter of that name declares (the
// first when name is empty) and calls yield for each row in order, with bounded
// memory. Compressed sources (gzip) are unpacked.
//
// It returns what yield returned, or a *BrokenError when the source is not what
// was declared or breaks off.
func (d *Declaration) Read(name string, source io.Reader, yield func(Row) error) error {
	a, err := d.Adapter(name)
	if err != nil {
		return err
	}
	m, err := newMapping(d, a)
	if err != nil {
		return err
	}
	r, closer, err := open(source)
	if err != nil {
		return err
	}
	defer closer()
	var mine error // what yield returned, to be told apart from faults of the source
	err = formats[a.Format](a, r, func(line int, c cells) error {
		row := m.row(line, c)
		row.cells = c
		mine = yield(row)
		return mine
	})
	if err == nil || mine != nil {
		return mine
	}
	var b *BrokenError
	if errors.As(err, &b) {
		return err
	}
	return broken("the source breaks off: %v", err)
}

// open unpacks a source that is compressed and refuses what is plainly no data.
func open(source io.Reader) (r *bufio.Reader, closer func() error, err error) {
	closer = func() error { return nil }
	r = bufio.NewReaderSize(source, 64<<10)
	if start, _ := r.Peek(2); len(start) == 2 && start[0] == 0x1f && start[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, broken("the compressed data cannot be unpacked: %v", err)
		}
		closer = z.Close
		r = bufio.NewReaderSize(z, 64<<10)
	}
	start, err := r.Peek(512)
	switch {
	case len(start) == 0 && errors.Is(err, io.EOF):
		return nil, nil, broken("the source is empty")
	case len(start) == 0:
		return nil, nil, broken("the source cannot be read: %v", err)
	case looksLikeHTML(start):
		return nil, nil, broken("the source is a web page instead of data: perhaps an error, a log-in or a captcha page")
	}
	return r, closer, nil
}
