package feed

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// Propose says what a file of which nothing is known seems to be. What said holds
// already (an encoding, a sheet, a path) is taken as it is. The file is opened as
// often as it takes. It returns a *BrokenError for a file in which no list can be
// found.
func Propose(file func() (io.ReadCloser, error), said alerts.Proposal) (*alerts.Proposal, error) {
	p := &alerts.Proposal{Feed: said.Feed, Authority: said.Authority, Name: said.Name}
	a := &Adapter{Name: "file", Encoding: said.Encoding, Records: said.Records}
	if err := opened(file, endless, func(r *bufio.Reader) (err error) { a.Format, err = formatOf(r); return err }); err != nil {
		return nil, err
	}
	if a.Format == "csv" && a.Encoding == "" {
		if err := opened(file, endless, func(r *bufio.Reader) (err error) { a.Encoding, err = guessEncoding(r); return err }); err != nil {
			return nil, err
		}
	}
	var columns *sample
	most := int64(4 * maxRecord) // so long may what is sampled be
	if a.Format == "xlsx" {
		most = endless
	}
	if err := opened(file, most, func(r *bufio.Reader) (err error) { columns, p.Sheets, err = takeSample(r, a); return err }); err != nil {
		return nil, err
	}
	p.Format, p.Encoding, p.Records = a.Format, a.Encoding, a.Records
	for _, c := range columns.columns {
		layout, dates := guessLayout(c.cells, p.Format)
		if !dates {
			layout = ""
		}
		p.Columns = append(p.Columns, alerts.ColumnSample{Name: c.name, Cells: fewCells(c.cells), Layout: layout})
	}
	if known, err := knownForm(file, a); err != nil {
		return nil, err
	} else if known != nil {
		p.Like, p.Inside, p.Records = known.like, known.adapter.Inside, known.adapter.Records
		for _, n := range columnNames {
			from, ok := known.adapter.Columns[n.field]
			choice := alerts.FieldChoice{Field: n.field, From: from}
			if ok && dateFields[n.field] {
				choice.Layout = cmp.Or(known.adapter.Dates[n.field], known.adapter.Dates["default"], "2006-01-02")
			}
			p.Fields = append(p.Fields, choice)
		}
		return p, nil
	}
	p.Fields = guessColumns(columns.columns, p.Format)
	return p, nil
}

// endless is no limit of what may be read of a file that is not held in memory.
const endless = math.MaxInt64

// opened opens a file, unpacks it if it is compressed, and has it read, at most so
// many bytes of it.
func opened(file func() (io.ReadCloser, error), most int64, read func(r *bufio.Reader) error) error {
	f, err := file()
	if err != nil {
		return err
	}
	defer f.Close()
	r, in, closer, err := open(f)
	if err != nil {
		return err
	}
	defer closer()
	in.record = most
	return read(bufio.NewReaderSize(r, sampleBytes))
}

// fewCells picks three cells that differ, short enough to show.
func fewCells(cells []string) (few []string) {
	for _, c := range cells {
		if c = alerts.Line(c, 60); !slices.Contains(few, c) {
			if few = append(few, c); len(few) == 3 {
				break
			}
		}
	}
	return few
}

// A form is a form or feed that comes with the program.
type form struct {
	like    string
	adapter *Adapter
	filled  int
}

// knownForm returns the form that a file has, of those that come with the program:
// the one that fills the most fields, if nearly all rows are right by it.
func knownForm(file func() (io.ReadCloser, error), a *Adapter) (best *form, err error) {
	for _, name := range append(Shapes(), Presets()...) {
		d, err := named(name)
		if err != nil {
			return nil, err
		}
		for i := range d.Adapters {
			known := &d.Adapters[i]
			if known.Format != a.Format {
				continue
			}
			filled, err := fills(file, d, known)
			if err != nil {
				return nil, err
			}
			if least := 5; filled >= least && (best == nil || filled > best.filled) {
				best = &form{name, known, filled}
			}
		}
	}
	return best, nil
}

// fills counts the fields that the rows at the beginning of a file fill when an
// adapter reads them; 0 when a fifth of them has a fault.
func fills(file func() (io.ReadCloser, error), d *Declaration, a *Adapter) (int, error) {
	f, err := file()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows, good := 0, 0
	var filled alerts.Field
	all := alerts.Field(0)
	for name := range a.Columns {
		all |= filledFrom(name)
	}
	var beginning io.Reader = f
	if a.Format != "tables" { // an archive has its list at its end
		beginning = io.LimitReader(f, 8*sampleBytes)
	}
	err = d.Read(a.Name, beginning, func(row Row) error {
		if len(row.Faults) == 0 {
			good++
			filled |= all.FilledBy(&row.Record.Details)
		}
		if rows++; rows == sampleRows/3 {
			return errEnough
		}
		return nil
	})
	var b *BrokenError
	if err != nil && !errors.Is(err, errEnough) && !errors.As(err, &b) {
		return 0, err
	}
	if rows == 0 || good*5 < rows*4 || !filled.Has(alerts.FieldReference) || !filled.Has(alerts.FieldDescription) && !filled.Has(alerts.FieldAddress) {
		return 0, nil
	}
	n := 0
	for ; filled != 0; filled &= filled - 1 {
		n++
	}
	return n, nil
}

// Declare makes a declaration of a proposal. Its errors are *alerts.InvalidError,
// for the person who corrects it.
func Declare(p *alerts.Proposal) (*Declaration, error) {
	a := Adapter{Name: "file", Format: p.Format, Records: p.Records, Inside: p.Inside, Columns: map[string]string{}, Dates: map[string]string{}}
	if p.Encoding != "utf-8" {
		a.Encoding = p.Encoding
	}
	for _, c := range p.Fields {
		if c.From == "" {
			continue
		}
		a.Columns[c.Field] = c.From
		if dateFields[c.Field] && c.Layout != "" {
			a.Dates[c.Field] = c.Layout
		}
	}
	d := &Declaration{Feed: cmp.Or(p.Feed, "my-council"), Like: p.Like, Authority: Authority{Slug: cmp.Or(p.Authority, "my-council"), Name: cmp.Or(p.Name, "My Council")}}
	if p.Like != "" && a.Columns["authority"] == "" {
		a.takeDetails(p.Like)
	}
	for _, c := range p.Codes {
		if c.Means == "" {
			continue
		}
		to := map[string]*map[string]string{"kind": &d.Codes.Kind, "status": &d.Codes.Status, "decision": &d.Codes.Decision}[c.Field]
		if to == nil {
			continue
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[c.Code] = c.Means
	}
	if a.Columns["reference"] == "" {
		return nil, &alerts.InvalidError{Field: "reference", Problem: "Choose the column that holds the application’s number"}
	}
	d.Adapters = []Adapter{a}
	text, err := d.YAML()
	if err != nil {
		return nil, err
	}
	whole, err := Parse(text)
	if err != nil {
		return nil, &alerts.InvalidError{Problem: alerts.Capital(err.Error())}
	}
	whole.written = text
	return whole, nil
}

// takeDetails takes over what the form or feed of that name says besides columns of data
// in the adapter's format.
func (a *Adapter) takeDetails(like string) {
	d, err := named(like)
	if err != nil {
		return
	}
	for i := range d.Adapters {
		if b := &d.Adapters[i]; b.Format == a.Format {
			a.Tables, a.Shifted, a.Templates, a.Missing = b.Tables, b.Shifted, b.Templates, b.Missing
			return
		}
	}
}

// Try checks a file by a proposal, fills in the codes that it has and, for those that
// nobody has given a meaning, what they seem to mean.
func Try(p *alerts.Proposal, file io.Reader) (*alerts.Report, error) {
	d, err := Declare(p)
	if err != nil {
		return nil, err
	}
	report, err := d.Check("", file)
	if err != nil {
		return nil, err
	}
	said := p.Codes
	p.Codes = nil
	for i := range report.Codes {
		use := &report.Codes[i]
		choice := alerts.CodeChoice{Field: use.Field, Code: use.Code, Count: use.Count}
		at := slices.IndexFunc(said, func(c alerts.CodeChoice) bool { return c.Field == use.Field && c.Code == use.Code })
		switch {
		case at >= 0:
			choice.Means = said[at].Means
		case use.Mapped:
			continue // by the form that the file has
		default:
			choice.Means = guessMeaning(use.Field, use.Code)
		}
		if choice.Means != "" {
			use.Mapped, use.Meaning = true, choice.Means
		}
		if len(p.Codes) < maxChoices {
			p.Codes = append(p.Codes, choice)
		}
	}
	return report, nil
}

// maxChoices is for how many codes a form asks.
const maxChoices = 120

// Written returns a declaration that [Declare] made as YAML to be kept, with a list of
// the codes that have no meaning yet.
func (d *Declaration) Written(codes []alerts.CodeChoice) []byte {
	var b strings.Builder
	b.WriteString("# What the columns and codes of the register mean. Look through it, then:\n#   sitenotice feed check --feed THIS-FILE REGISTER\n#   sitenotice feed add THIS-FILE\n")
	b.Write(d.written)
	first := true
	for _, c := range codes {
		if c.Means == "" {
			if first {
				b.WriteString("# Codes that have no meaning yet:\n")
				first = false
			}
			fmt.Fprintf(&b, "#   %s: %q (%d rows)\n", c.Field, c.Code, c.Count)
		}
	}
	return []byte(b.String())
}
