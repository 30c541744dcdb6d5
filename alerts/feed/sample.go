package feed

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

// This file takes a sample of a file of which nothing is known: its form, its columns
// and some cells of each.

// A sampled is a column of an unknown file with cells that are filled.
type sampled struct {
	name  string
	cells []string
}

// How much of an unknown file is looked at.
const (
	sampleRows  = 300
	sampleBytes = 1 << 20
	maxSampled  = 200 // columns
)

// errEnough ends the reading of a sample.
var errEnough = errors.New("enough")

// A sample gathers columns in the order in which they come.
type sample struct {
	columns []sampled
	rows    int
}

func (s *sample) add(name, cell string) {
	name, cell = strings.TrimSpace(name), clean(cell)
	i := slices.IndexFunc(s.columns, func(c sampled) bool { return c.name == name })
	if i < 0 {
		if len(s.columns) == maxSampled || name == "" || len(name) > 100 {
			return
		}
		i = len(s.columns)
		s.columns = append(s.columns, sampled{name: name})
	}
	if cell != "" && len(cell) <= maxRecord/100 {
		s.columns[i].cells = append(s.columns[i].cells, cell)
	}
}

// row counts a row; it returns errEnough after the last one that is looked at.
func (s *sample) row() error {
	if s.rows++; s.rows >= sampleRows {
		return errEnough
	}
	return nil
}

// formatOf tells the form of a source by its beginning.
func formatOf(r *bufio.Reader) (string, error) {
	start, _ := r.Peek(4 << 10)
	text := strings.TrimLeft(strings.TrimPrefix(string(start), "\ufeff"), " \t\r\n")
	switch {
	case strings.HasPrefix(text, "PK\x03\x04"):
		return "xlsx", nil
	case strings.HasPrefix(text, "\xd0\xcf\x11\xe0"):
		return "", broken("the file is an old Excel workbook (.xls): save it as .xlsx or as CSV")
	case strings.HasPrefix(text, "%PDF"):
		return "", broken("the file is a PDF: export the table itself, as CSV or .xlsx")
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", broken("the file is in UTF-16: save it as UTF-8 (in Excel: \"CSV UTF-8\")")
	case bytes.IndexByte(start, 0) >= 0:
		return "", broken("the file is not text, a workbook or a zip archive: export the register as CSV, JSON, XML or .xlsx")
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "json", nil
	case strings.HasPrefix(text, "<"):
		return "xml", nil
	case strings.HasPrefix(text, "- "), strings.HasPrefix(text, "---"):
		return "yaml", nil
	}
	line, _, _ := strings.Cut(text, "\n")
	for sign, name := range map[string]string{"\t": "tabs", ";": "semicolons", "|": "upright strokes"} {
		if n := strings.Count(line, sign); n > 1 && n > strings.Count(line, ",") {
			return "", broken("the cells seem to be separated by %s: save the table with commas between them", name)
		}
	}
	return "csv", nil
}

// takeSample looks at a source in its form. Hints are what a person has said of it.
func takeSample(r *bufio.Reader, a *Adapter) (*sample, []string, error) {
	s := &sample{}
	var sheets []string
	var err error
	switch a.Format {
	case "csv":
		err = s.csv(r, a.Encoding)
	case "xlsx":
		sheets, err = s.xlsx(r, a)
	case "json":
		err = s.json(r, a)
	case "xml":
		err = s.xml(r, a)
	case "yaml":
		err = readYAML(a, r, func(_ int, c cells) error {
			row := c.(yamlRow)
			for _, name := range sortedKeys(row) {
				s.add(name, row[name])
			}
			return s.row()
		})
	}
	if err != nil && !errors.Is(err, errEnough) {
		var b *BrokenError
		if !errors.As(err, &b) {
			err = broken("the file cannot be read: %v", err)
		}
		if s.rows == 0 { // what was there before it broke is sample enough
			return nil, sheets, err
		}
	}
	if s.rows == 0 || len(s.columns) == 0 {
		return nil, sheets, broken("the file has no rows in which an application could be")
	}
	s.columns = slices.DeleteFunc(s.columns, func(c sampled) bool { return personal(c.name) })
	return s, sheets, nil
}

// personal reports whether a column seems to hold names or addresses of people, which
// have no place in a feed. "Site" and "location" are of land.
func personal(name string) bool {
	plain := plainName(name)
	return slices.ContainsFunc([]string{"applicant", "agent", "officer", "surname", "forename", "email", "telephone", "phone", "councillor", "objector"}, func(part string) bool {
		return strings.Contains(plain, part)
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *sample) csv(r *bufio.Reader, encoding string) error {
	charset, err := decoderOf(encoding)
	if err != nil {
		return err
	}
	in := csv.NewReader(&lineEnds{r: r})
	in.FieldsPerRecord, in.LazyQuotes = -1, true
	return s.table(in.Read, func(cell string) string { return decode(cell, charset) })
}

// table samples rows with a header above them: the first row that is filled about as
// well as the fullest of those at the top.
func (s *sample) table(next func() ([]string, error), decode func(string) string) error {
	var top [][]string
	filled := func(record []string) (n int) {
		for _, cell := range record {
			if strings.TrimSpace(cell) != "" {
				n++
			}
		}
		return n
	}
	most := 0
	for len(top) <= titleRows {
		record, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		top = append(top, record)
		most = max(most, filled(record))
	}
	at := slices.IndexFunc(top, func(record []string) bool { return filled(record)*10 >= most*6 })
	if at < 0 || most == 0 {
		return broken("the file is empty")
	}
	header := top[at][:min(len(top[at]), maxSampled)]
	use := func(record []string) error {
		if blank(record) {
			return nil
		}
		for i, name := range header {
			cell := ""
			if i < len(record) {
				cell = decode(record[i])
			}
			s.add(clean(decode(name)), cell)
		}
		return s.row()
	}
	for _, record := range top[at+1:] {
		if err := use(record); err != nil {
			return err
		}
	}
	for {
		record, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := use(record); err != nil {
			return err
		}
	}
}

// xlsx samples a sheet: the one that is named, else the first.
func (s *sample) xlsx(r *bufio.Reader, a *Adapter) (sheets []string, err error) {
	file, err := spool(r)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if archive, err := zip.NewReader(file, info.Size()); err == nil && !slices.ContainsFunc(archive.File, func(f *zip.File) bool { return strings.HasPrefix(f.Name, "xl/") }) {
		return nil, s.tables(archive, a)
	}
	book, err := openWorkbook(file)
	if err != nil {
		return nil, err
	}
	defer book.Close()
	if sheets = book.GetSheetList(); len(sheets) > 20 {
		sheets = sheets[:20]
	}
	sheet := a.Records
	if sheet == "" {
		sheet = book.GetSheetName(0)
	}
	rows, err := book.Rows(sheet)
	if err != nil {
		return sheets, broken("the workbook has no sheet %q; it has %s", sheet, excerpt(sheets))
	}
	defer rows.Close()
	return sheets, s.table(func() ([]string, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		return rows.Columns()
	}, func(cell string) string { return cell })
}

// tables samples an archive of linked tables that one of the forms that come with the
// program joins: the columns of the list of applications, and "table.column" of others.
func (s *sample) tables(archive *zip.Reader, a *Adapter) error {
	for _, name := range Shapes() {
		d, err := named(name)
		if err != nil {
			return err
		}
		for i := range d.Adapters {
			joined := d.Adapters[i].Tables
			missing := slices.ContainsFunc(slices.Collect(maps.Values(joined)), func(t Table) bool {
				return !slices.ContainsFunc(archive.File, func(f *zip.File) bool { return path.Base(f.Name) == t.File })
			})
			if len(joined) == 0 || missing {
				continue
			}
			a.Format = "tables"
			for _, table := range sortedKeys(joined) {
				if err := s.linked(archive, table, joined[table], a.Encoding); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return broken("the file is a zip archive and no workbook: unpack it and choose the table of applications")
}

// linked samples one of the tables.
func (s *sample) linked(archive *zip.Reader, name string, t Table, encoding string) error {
	entry, closer, err := openEntry(archive, t.File, maxUnpacked)
	if err != nil {
		return err
	}
	defer closer.Close()
	one := &sample{}
	if err := one.csv(bufio.NewReader(entry), encoding); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	prefix := name + "."
	if t.Key == "" {
		prefix, s.rows = "", one.rows
	}
	for _, c := range one.columns {
		if t.Name == "" && len(s.columns) < maxSampled { // of events, the column is a cell
			s.columns = append(s.columns, sampled{prefix + c.name, c.cells})
		}
	}
	return nil
}

func openWorkbook(file io.Reader) (*excelize.File, error) {
	book, err := excelize.OpenReader(file, excelize.Options{RawCellValue: true, UnzipSizeLimit: maxWorkbook, UnzipXMLSizeLimit: 16 << 20})
	if err != nil {
		return nil, broken("the workbook cannot be opened: %v", err)
	}
	return book, nil
}

// json finds the list of records, unless it is named, and samples it. A list of
// features is GeoJSON.
func (s *sample) json(r *bufio.Reader, a *Adapter) error {
	start, _ := r.Peek(sampleBytes)
	if a.Records == "" {
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(start, []byte("\ufeff"))))
		path, found := findList(dec, nil)
		if !found && bytes.HasPrefix(bytes.TrimLeft(start, "\ufeff \t\r\n"), []byte("[")) {
			found = true
		}
		a.Records = strings.Join(path, ".")
		if !found {
			a.Records = "."
		}
	}
	if a.Records == "features" && bytes.Contains(start, []byte("FeatureCollection")) {
		a.Format, a.Records = "geojson", ""
		return readObjects(r, "features", nil, func(_ int, feature map[string]any) error {
			properties, _ := feature["properties"].(map[string]any)
			s.object("", properties, 0)
			return s.row()
		})
	}
	return readObjects(r, a.Records, nil, func(_ int, object map[string]any) error {
		s.object("", within(object, a.Inside), 0)
		return s.row()
	})
}

// object samples the values within an object, by their paths.
func (s *sample) object(prefix string, object map[string]any, depth int) {
	const deepest = 5
	for _, name := range sortedKeys(object) {
		path := prefix + name
		switch v := object[name].(type) {
		case map[string]any:
			if _, isShape := v["coordinates"]; isShape {
				s.add(path, text(v))
			} else if depth < deepest {
				s.object(path+".", v, depth+1)
			}
		default:
			s.add(path, text(v))
		}
	}
}

// findList returns the path to the first list of objects in the beginning of a
// document. The decoder stands before a value.
func findList(dec *json.Decoder, path []string) ([]string, bool) {
	token, err := dec.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('['):
		if dec.More() {
			token, err := dec.Token()
			if err != nil {
				return nil, false
			}
			if token == json.Delim('{') {
				return path, true
			}
		}
		return nil, false
	case json.Delim('{'):
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, false
			}
			key, _ := name.(string)
			var value json.RawMessage
			if err := dec.Decode(&value); err != nil && len(value) == 0 {
				// The sample ends in this value: what begins it may be the list.
				rest, _ := io.ReadAll(io.LimitReader(dec.Buffered(), sampleBytes))
				return findList(json.NewDecoder(bytes.NewReader(bytes.TrimLeft(rest, ": \t\r\n"))), append(slices.Clone(path), key))
			}
			if trimmed := bytes.TrimLeft(value, " \t\r\n"); len(path) < 3 && len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
				if found, ok := findList(json.NewDecoder(bytes.NewReader(value)), append(slices.Clone(path), key)); ok {
					return found, true
				}
			}
		}
	}
	return nil, false
}

// xml finds the element that is a record, unless it is named, and samples it.
func (s *sample) xml(r *bufio.Reader, a *Adapter) error {
	if a.Records == "" {
		start, _ := r.Peek(sampleBytes)
		if a.Records = findElement(start); a.Records == "" {
			return broken("the XML has no element that repeats and has several others in it")
		}
	}
	return readXML(a, r, func(_ int, c cells) error {
		s.element("", c.(*element), 0)
		return s.row()
	})
}

func (s *sample) element(prefix string, e *element, depth int) {
	for _, attr := range e.attrs {
		s.add(prefix+"@"+attr.Name.Local, attr.Value)
	}
	for _, child := range e.children {
		if len(child.children) > 0 && depth < 4 {
			s.element(prefix+child.name+"/", child, depth+1)
			continue
		}
		s.add(prefix+child.name, child.text.String())
	}
}

// findElement returns the name of the element that most often has at least three
// others directly in it.
func findElement(start []byte) string {
	dec := xml.NewDecoder(&legalXML{r: bufio.NewReader(bytes.NewReader(start))})
	dec.Strict, dec.Entity = false, xml.HTMLEntity
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	type open struct {
		name     string
		children int
	}
	var stack []open
	counts := map[string]int{}
	best := ""
	for {
		token, err := dec.Token()
		if err != nil {
			return best
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(stack) > 0 {
				stack[len(stack)-1].children++
			}
			if len(stack) > maxDepth {
				return best
			}
			stack = append(stack, open{name: t.Name.Local})
		case xml.EndElement:
			if len(stack) == 0 {
				return best
			}
			e := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if e.children >= 3 {
				if counts[e.name]++; best == "" || counts[e.name] > counts[best] {
					best = e.name
				}
			}
		}
	}
}

// guessEncoding chooses the encoding in which the bytes of a whole text that are not
// ASCII make the fewest characters that English lacks.
func guessEncoding(r io.Reader) (string, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	valid := true
	counts := [256]int{}
	for {
		c, size, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if c == '\ufffd' && size == 1 {
			valid = false
			in.UnreadRune()
			b, _ := in.ReadByte()
			counts[b]++
		} else if c >= 0x80 { // bytes that also are UTF-8 by accident
			for _, b := range []byte(string(c)) {
				counts[b]++
			}
		}
	}
	if valid {
		return "utf-8", nil
	}
	best, least := "", 0
	for _, name := range []string{"windows-1252", "mac-roman", "cp850"} {
		odd := 0
		for b, n := range counts {
			if n == 0 {
				continue
			}
			s, err := charsets[name].NewDecoder().String(string([]byte{byte(b)}))
			if c := []rune(s); err != nil || len(c) != 1 || unusual(c[0]) {
				odd += 10 * n
			} else if !strings.ContainsRune("£’‘“”–—éèêëàâáäçñóöòôíïîúüÉ½¼²°•…", c[0]) {
				odd += n
			}
		}
		if best == "" || odd < least {
			best, least = name, odd
		}
	}
	return best, nil
}
