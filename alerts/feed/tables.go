package feed

import (
	"archive/zip"
	"bufio"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// A Table is one of the files that the format "tables" joins: CSV in one zip
// archive, as the MHCLG planning application data specification publishes them.
// The one without a key is the list of applications; of the others, columns are
// written "table.column".
type Table struct {
	File  string `yaml:"file"`            // its name in the archive, whatever folder it is in
	Key   string `yaml:"key,omitempty"`   // the column that says which application a row belongs to
	On    string `yaml:"on,omitempty"`    // the application's column that it is compared with; the reference unless said otherwise
	Name  string `yaml:"name,omitempty"`  // of a table of events: the column that names the event,
	Value string `yaml:"value,omitempty"` // and the one with its date. The column "table.event" is then that date, the latest of several, and "table.latest" the name of the latest event
	Last  string `yaml:"last,omitempty"`  // the row that counts is the one with the greatest cell in this column; the last in the file unless said
}

// latestEvent is the column that names an event table's latest event.
const latestEvent = "latest"

// readTables joins the tables of a zip archive. The secondary ones are held in
// memory; the list of applications is not.
func readTables(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	file, err := spool(r)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil {
		return broken("the source is no zip archive: %v", err)
	}
	j := join{on: map[string]string{}, rows: map[string]map[string]map[string]string{}}
	main := ""
	for _, name := range slices.Sorted(maps.Keys(a.Tables)) {
		t := a.Tables[name]
		if t.Key == "" {
			main = t.File
			continue
		}
		j.on[name] = t.On
		if t.On == "" {
			j.on[name] = parseExpression(a.Columns["reference"]).name()
		}
		rows, err := readSecondary(a, archive, t)
		if err != nil {
			return err
		}
		j.rows[name] = rows
	}
	entry, closer, err := openEntry(archive, main, maxUnpacked)
	if err != nil {
		return err
	}
	defer closer.Close()
	plain := *a
	plain.Columns = map[string]string{} // those of the list itself must be there
	for field, text := range a.Columns {
		if !slices.ContainsFunc(parseExpression(text).columns(), func(c string) bool { t, _, ok := strings.Cut(c, "."); _, table := a.Tables[t]; return ok && table }) {
			plain.Columns[field] = text
		}
	}
	for _, t := range a.Tables {
		if t.On != "" {
			plain.Columns["on "+t.On] = t.On
		}
	}
	return readCSV(&plain, bufio.NewReader(entry), func(line int, c cells) error {
		entry.next()
		return yield(line, joined{c, &j})
	})
}

// openEntry opens a file of an archive, of which at most so many bytes may be read.
func openEntry(archive *zip.Reader, name string, most int64) (*bounded, io.Closer, error) {
	var names []string
	for _, f := range archive.File {
		if path.Base(f.Name) != name || strings.HasPrefix(f.Name, "__MACOSX") {
			names = append(names, path.Base(f.Name))
			continue
		}
		if f.UncompressedSize64 > uint64(most) {
			return nil, nil, broken("%s is larger than %d MB", name, most>>20)
		}
		r, err := f.Open()
		if err != nil {
			return nil, nil, broken("%s cannot be unpacked: %v", name, err)
		}
		return &bounded{r, most, maxRecord}, r, nil
	}
	return nil, nil, broken("the archive has no %s; it has %s", name, excerpt(names))
}

// maxSecondary is the most bytes of a table that is held in memory.
const maxSecondary = 128 << 20

// readSecondary reads a table by its key.
func readSecondary(a *Adapter, archive *zip.Reader, t Table) (map[string]map[string]string, error) {
	entry, closer, err := openEntry(archive, t.File, maxSecondary)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	columns := map[string]string{"reference": t.Key}
	wanted := map[string]bool{}
	for name, other := range a.Tables {
		if other.File != t.File {
			continue
		}
		for _, text := range a.Columns {
			for _, c := range parseExpression(text).columns() {
				if column, ok := strings.CutPrefix(c, name+"."); ok && t.Name == "" {
					wanted[column] = true
				}
			}
		}
	}
	for _, column := range []string{t.Name, t.Value, t.Last} {
		if column != "" {
			wanted[column] = true
		}
	}
	for column := range wanted {
		columns["other "+column] = column
	}
	rows := map[string]map[string]string{}
	latest := map[string]string{} // the greatest date so far, by key
	plain := Adapter{Format: "csv", Encoding: a.Encoding, Columns: columns}
	err = readCSV(&plain, bufio.NewReader(entry), func(_ int, c cells) error {
		entry.next()
		key := fold(clean(c.cell(t.Key)))
		row := rows[key]
		if row == nil {
			row = map[string]string{}
			rows[key] = row
		}
		if t.Name != "" {
			event, date := clean(c.cell(t.Name)), clean(c.cell(t.Value))
			row[event] = max(row[event], date)
			if date >= latest[key] {
				latest[key], row[latestEvent] = date, event
			}
			return nil
		}
		if t.Last != "" {
			at := clean(c.cell(t.Last))
			if at < latest[key] {
				return nil
			}
			latest[key] = at
		}
		for column := range wanted {
			row[column] = strings.Clone(c.cell(column))
		}
		return nil
	})
	return rows, err
}

// A join finds the rows of the secondary tables: table → key → column → cell.
type join struct {
	on   map[string]string
	rows map[string]map[string]map[string]string
}

type joined struct {
	cells
	join *join
}

func (r joined) cell(column string) string {
	if table, name, ok := strings.Cut(column, "."); ok {
		if rows, ok := r.join.rows[table]; ok {
			return rows[fold(clean(r.cells.cell(r.join.on[table])))][name]
		}
	}
	return r.cells.cell(column)
}
