package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// A Row is one row of a source: the record it makes, or what is wrong with it.
type Row struct {
	Line      int // of the file, from 1; of JSON the number of the record
	Record    alerts.Record
	Faults    []alerts.Fault // when there are any, the record is not to be used
	Unmapped  []Code         // codes that the declaration does not know
	Misplaced bool           // it has coordinates, but they are no place in the United Kingdom
	Astray    bool           // it has an outline, which counts, and a point far from it

	// Turned is where the application is if easting and northing have changed places;
	// the zero Point when that is no place either. Only who knows where the authority
	// is can tell.
	Turned geo.Point

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

// objects are cells of a form that nests: a column may hold an object.
type objects interface {
	// object returns the object in a column, nil when none is there.
	object(column string) map[string]any
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
	r, in, closer, err := open(source)
	if err != nil {
		return err
	}
	defer closer()
	if a.Format == "xlsx" || a.Format == "tables" || a.Format == "yaml" { // read whole, with limits of their own
		in.record = math.MaxInt64
	}
	var mine error // what yield returned, to be told apart from faults of the source
	err = formats[a.Format](a, r, func(line int, c cells) error {
		in.next()
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

// Limits of what is unpacked from a source, and of one record of it: what makes up
// its rows in memory.
const (
	maxUnpacked = 4 << 30
	maxRecord   = 8 << 20
)

// A bounded source fails when it is endless, or one record of it is: a quotation that
// nobody closed, or a few bytes of compressed data that stand for a thousand million.
type bounded struct {
	from   io.Reader
	left   int64 // bytes that may still be read,
	record int64 // and of the record that is being read
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.left -= int64(n)
	if b.record != math.MaxInt64 {
		b.record -= int64(n)
	}
	switch {
	case b.left < 0:
		return n, broken("the source unpacks to more than a feed may be")
	case b.record < 0:
		return n, broken("a record is longer than %d MB: is a quotation mark or a bracket not closed?", maxRecord>>20)
	}
	return n, err
}

// next says that another record begins.
func (b *bounded) next() {
	if b.record != math.MaxInt64 {
		b.record = maxRecord
	}
}

// open unpacks a source that is compressed and refuses what is plainly no data.
func open(source io.Reader) (r *bufio.Reader, in *bounded, closer func() error, err error) {
	closer = func() error { return nil }
	in = &bounded{from: source, left: maxUnpacked, record: maxRecord}
	r = bufio.NewReaderSize(in, 64<<10)
	if start, _ := r.Peek(2); len(start) == 2 && start[0] == 0x1f && start[1] == 0x8b {
		packed := bufio.NewReaderSize(source, 64<<10)
		z, err := gzip.NewReader(io.MultiReader(bytes.NewReader(peeked(r)), packed))
		if err != nil {
			return nil, nil, nil, broken("the compressed data cannot be unpacked: %v", err)
		}
		closer = z.Close
		in.from = z
		r = bufio.NewReaderSize(in, 64<<10)
	}
	start, err := r.Peek(512)
	var b *BrokenError
	switch {
	case len(start) == 0 && errors.Is(err, io.EOF):
		return nil, nil, nil, broken("the source is empty")
	case len(start) == 0 && errors.As(err, &b):
		return nil, nil, nil, err
	case len(start) == 0:
		return nil, nil, nil, broken("the source cannot be read: %v", err)
	case looksLikeHTML(start):
		return nil, nil, nil, broken("the source is a web page instead of data: perhaps an error, a log-in or a captcha page")
	}
	return r, in, closer, nil
}

// peeked returns what a reader has taken in.
func peeked(r *bufio.Reader) []byte {
	start, _ := r.Peek(r.Buffered())
	return start
}
