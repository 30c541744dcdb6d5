package postcode

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/xuri/excelize/v2"
)

// ImportOptions are the choices of an operator.
type ImportOptions struct {
	// AllowNI keeps the postcodes of Northern Ireland (BT), which are not under
	// the Open Government Licence; the operator must hold a licence.
	AllowNI bool

	// Progress, if set, is called now and then with how many bytes of unpacked
	// CSV have been read, of how many.
	Progress func(done, total int64)
}

// An ImportReport counts what became of the rows of a file: every row is in
// exactly one of the last five.
type ImportReport struct {
	Release    string
	Rows       int
	Live       int // in use, with a place
	Terminated int // with or without a place
	Unlocated  int // in use, without a place
	SkippedNI  int // of Northern Ireland, for want of AllowNI
	Skipped    int // not a postcode, off the map, or a second row of the same code
}

// Import reads a file of postcodes and writes a table of them to another file,
// which is replaced only when everything has succeeded. It reads
//
//   - OS Code-Point Open: the zip as downloaded (columns by position);
//   - ONSPD and NSPL of the Office for National Statistics: the zip as
//     downloaded, or a CSV from it (columns by name, which change each year);
//   - any CSV with a header naming at least postcode, and lat and lon or
//     easting and northing; also district, ward and their names.
func Import(ctx context.Context, source, table string, opts ImportOptions) (ImportReport, error) {
	imp := &importer{opts: opts, builder: newBuilder()}
	if err := imp.read(ctx, source); err != nil {
		return ImportReport{}, fmt.Errorf("import postcodes from %s: %w", filepath.Base(source), err)
	}
	file, err := imp.finish()
	if err != nil {
		return ImportReport{}, fmt.Errorf("import postcodes from %s: %w", filepath.Base(source), err)
	}
	if err := replace(table, file); err != nil {
		return ImportReport{}, fmt.Errorf("write the postcode table: %w", err)
	}
	return imp.report, nil
}

// replace writes a file under another name and then puts it in place, so that
// neither a crash nor a full disk can leave half a table.
func replace(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once renamed, as it should
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Chmod(tmp.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// An importer is one import under way.
type importer struct {
	opts    ImportOptions
	builder *builder
	report  ImportReport
	year    int
	ons     bool
	north   bool

	done, total, told int64
}

// A part is one CSV to read: a file, or one of a zip.
type part struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
}

func (imp *importer) read(ctx context.Context, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("it is a folder: give the zip file as it was downloaded")
	}
	imp.report.Release, imp.year = strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)), info.ModTime().Year()
	var parts []part
	start := make([]byte, 4)
	if n, _ := io.ReadFull(f, start); bytes.Equal(start[:n], []byte("PK\x03\x04")) {
		if parts, err = imp.openZip(f, info.Size()); err != nil {
			return err
		}
	} else {
		imp.releaseFromName(source)
		parts = []part{{source, info.Size(), func() (io.ReadCloser, error) { return os.Open(source) }}}
	}
	for _, p := range parts {
		imp.total += p.size
	}
	for _, p := range parts {
		if err := imp.readPart(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

var (
	codePointName = regexp.MustCompile(`(?i)(^|/)[a-z]{1,2}\.csv$`)
	onsName       = regexp.MustCompile(`(?i)(ONSPD|NSPL)[_ -]?([A-Z]{3})[A-Z]*[_ -](\d{4})`)
)

// openZip chooses what to read of a zip, and takes the release's name and the
// names of wards from it.
func (imp *importer) openZip(f io.ReaderAt, size int64) ([]part, error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, errors.New("the zip file is incomplete or damaged: download it again")
	}
	var codePoint, ons, split, other []part
	for _, f := range z.File {
		lower := strings.ToLower(f.Name)
		p := part{f.Name, int64(f.UncompressedSize64), f.Open}
		switch {
		case strings.HasSuffix(lower, "codelist.xlsx") && path.Base(lower) == "codelist.xlsx":
			imp.readNames(f)
		case path.Base(lower) == "metadata.txt":
			imp.readMetadata(f)
		case !strings.HasSuffix(lower, ".csv"):
		case codePointName.MatchString(f.Name):
			codePoint = append(codePoint, p)
		case onsName.MatchString(path.Base(f.Name)) && strings.Contains(lower, "multi_csv/"):
			split = append(split, p)
		case onsName.MatchString(path.Base(f.Name)):
			ons = append(ons, p)
		default:
			other = append(other, p)
		}
	}
	switch {
	case len(codePoint) > 0:
		return codePoint, nil
	case len(ons) > 0: // the big file has the same rows as the split ones
		imp.releaseFromName(ons[0].name)
		return []part{slices.MaxFunc(ons, func(a, b part) int { return cmp.Compare(a.size, b.size) })}, nil
	case len(split) > 0:
		imp.releaseFromName(split[0].name)
		return split, nil
	case len(other) == 1:
		return other, nil
	}
	return nil, errNoPostcodes
}

var errNoPostcodes = errors.New("there are no postcodes in it: give the zip of Code-Point Open, ONSPD or NSPL, or a CSV with a header that names postcode, lat and lon")

// releaseFromName takes the release from a file name such as
// NSPL_NOV_2021_UK.csv.
func (imp *importer) releaseFromName(name string) {
	if m := onsName.FindStringSubmatch(path.Base(filepath.ToSlash(name))); m != nil {
		month := strings.ToUpper(m[2])
		imp.report.Release = fmt.Sprintf("%s %s%s %s", strings.ToUpper(m[1]), month[:1], strings.ToLower(month[1:]), m[3])
		imp.year, _ = strconv.Atoi(m[3])
		imp.ons = true
	}
}

// readMetadata takes the release from Code-Point Open's Doc/metadata.txt.
func (imp *importer) readMetadata(f *zip.File) {
	r, err := f.Open()
	if err != nil {
		return
	}
	defer r.Close()
	lines := bufio.NewScanner(io.LimitReader(r, 1<<16))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.ToUpper(strings.TrimSpace(key)) {
		case "DATASET VERSION NUMBER":
			imp.report.Release = "Code-Point Open " + value
		case "COPYRIGHT DATE":
			if year, err := strconv.Atoi(value[:min(4, len(value))]); err == nil {
				imp.year = year
			}
		}
	}
}

// readNames takes the names of districts and wards from Doc/Codelist.xlsx, whose
// sheets have a name and a GSS code to a row. They are a nicety: a workbook that
// cannot be read leaves the names empty.
func (imp *importer) readNames(f *zip.File) {
	r, err := f.Open()
	if err != nil {
		return
	}
	defer r.Close()
	book, err := excelize.OpenReader(io.LimitReader(r, 64<<20))
	if err != nil {
		return
	}
	defer book.Close()
	for _, sheet := range book.GetSheetList() {
		rows, err := book.Rows(sheet)
		if err != nil {
			continue
		}
		for rows.Next() {
			if cells, err := rows.Columns(); err == nil && len(cells) >= 2 && gssCode.MatchString(cells[1]) {
				imp.builder.names[cells[1]] = plainName(cells[0])
			}
		}
		rows.Close()
	}
}

var gssCode = regexp.MustCompile(`^[EWSN]\d{8}$`)

// plainName drops the kind of area that Ordnance Survey adds to a name, and one
// of two equal languages: "Camden London Boro" is Camden.
func plainName(name string) string {
	name = strings.TrimSpace(name)
	for _, kind := range []string{" (B)", " London Boro", " District", " Ward", " ED"} {
		name = strings.TrimSuffix(name, kind)
	}
	if welsh, english, ok := strings.Cut(name, " - "); ok && welsh == english {
		name = english
	}
	return name
}

func (imp *importer) readPart(ctx context.Context, p part) error {
	f, err := p.open()
	if err != nil {
		return damaged(p, err)
	}
	defer f.Close()
	r := csv.NewReader(&countingReader{f, imp, ctx})
	r.ReuseRecord, r.FieldsPerRecord, r.LazyQuotes = true, -1, true
	var read func(record []string) (Row, error)
	for line := 1; ; line++ {
		record, err := r.Read()
		if err == io.EOF {
			return nil
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			imp.report.Rows++
			imp.report.Skipped++
			continue
		}
		if err != nil {
			return damaged(p, err)
		}
		if line == 1 {
			header, err := imp.layout(record)
			if err != nil {
				return fmt.Errorf("%s: %w", path.Base(filepath.ToSlash(p.name)), err)
			}
			if read = codePointRow; header != nil {
				read = header.row
				continue
			}
		}
		imp.report.Rows++
		row, err := read(record)
		if err != nil {
			imp.report.Skipped++
			continue
		}
		if northern(row.Code) {
			if !imp.opts.AllowNI {
				imp.report.SkippedNI++
				continue
			}
			imp.north = true
		}
		if err := imp.builder.add(row); err != nil {
			imp.report.Skipped++
		}
	}
}

// damaged explains an error of reading.
func damaged(p part, err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.As(err, &corrupt) {
		return fmt.Errorf("%s in it is damaged: download the file again", path.Base(p.name))
	}
	return err
}

// finish counts what remains and makes the file of the table.
func (imp *importer) finish() ([]byte, error) {
	r := &imp.report
	if len(imp.builder.entries) == 0 {
		if r.SkippedNI > 0 {
			return nil, errors.New("it has only postcodes of Northern Ireland, which need a licence of your own: see --allow-ni")
		}
		return nil, errNoPostcodes
	}
	if r.Skipped > r.Rows/2 {
		return nil, fmt.Errorf("%d of its %d rows make no sense, so it is probably something else: give the zip of Code-Point Open, ONSPD or NSPL", r.Skipped, r.Rows)
	}
	added := len(imp.builder.entries)
	meta := Meta{Release: r.Release, Year: imp.year, Attribution: attribution(imp.year, imp.ons, imp.north)}
	file, err := imp.builder.file(meta)
	if err != nil {
		return nil, err
	}
	t, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("check the new table: %w", err)
	}
	r.Live, r.Terminated, r.Unlocated = t.meta.Live, t.meta.Terminated, t.meta.Unlocated
	r.Skipped += added - len(imp.builder.entries)
	imp.tell(imp.total)
	return file, nil
}

// tell reports progress, about every megabyte.
func (imp *importer) tell(done int64) {
	if imp.opts.Progress != nil && (done-imp.told >= 1<<20 || done == imp.total && done > imp.told) {
		imp.told = done
		imp.opts.Progress(done, imp.total)
	}
}

// A countingReader reports progress and stops when the context ends.
type countingReader struct {
	io.Reader
	imp *importer
	ctx context.Context
}

func (r *countingReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.Reader.Read(b)
	r.imp.done += int64(n)
	r.imp.tell(r.imp.done)
	return n, err
}

// A header says in which column each field of a row is; -1 where there is none.
type header struct {
	postcode, terminated, easting, northing, quality int
	lat, lon, district, ward                         int
	districtName, wardName                           int
	names                                            map[string]string
}

// The names that columns have had over the years, the best first.
var (
	postcodeColumn   = regexp.MustCompile(`^(pcds|postcode|pcd|pcd7|pcd2|pcd8)$`)
	terminatedColumn = regexp.MustCompile(`^(doterm|terminated)$`)
	eastingColumn    = regexp.MustCompile(`^(oseast1m|east1m|eastings?)$`)
	northingColumn   = regexp.MustCompile(`^(osnrth1m|north1m|northings?)$`)
	qualityColumn    = regexp.MustCompile(`^(osgrdind|gridind|quality|pqi)$`)
	latColumn        = regexp.MustCompile(`^lat(itude)?$`)
	lonColumn        = regexp.MustCompile(`^(long?|lng|longitude)$`)
	districtColumn   = regexp.MustCompile(`^(lad(\d\dcd)?|os?laua|laua|district)$`)
	wardColumn       = regexp.MustCompile(`^(wd\d\dcd|osward|ward)$`)
)

// layout understands the first record of a CSV: nil means Code-Point Open, which
// has no header.
func (imp *importer) layout(record []string) (*header, error) {
	first := strings.TrimPrefix(record[0], "\ufeff")
	if _, err := Parse(first); err == nil {
		if len(record) == 19 {
			return nil, errors.New("this release of Code-Point Open is from before August 2011: get a current one")
		}
		if len(record) != 10 {
			return nil, fmt.Errorf("it has no header and %d columns, where Code-Point Open has 10: add a header that names postcode, lat and lon", len(record))
		}
		return nil, nil
	}
	names := make([]string, len(record))
	for i, name := range record {
		names[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
	}
	column := func(pattern *regexp.Regexp) int {
		return slices.IndexFunc(names, pattern.MatchString)
	}
	h := &header{
		postcode: slices.Index(names, "pcds"), terminated: column(terminatedColumn),
		easting: column(eastingColumn), northing: column(northingColumn), quality: column(qualityColumn),
		lat: column(latColumn), lon: column(lonColumn), district: column(districtColumn), ward: column(wardColumn),
		districtName: slices.Index(names, "district_name"), wardName: slices.Index(names, "ward_name"),
		names: imp.builder.names,
	}
	if h.postcode < 0 {
		h.postcode = column(postcodeColumn)
	}
	switch {
	case h.postcode < 0:
		return nil, errNoPostcodes
	case (h.lat < 0 || h.lon < 0) && (h.easting < 0 || h.northing < 0):
		return nil, errors.New("its header names neither lat and lon nor easting and northing")
	}
	return h, nil
}

// row reads a record by a header. A place that is missing in any of the ways
// known (see GEO: empty, 0, latitude 99.999999) is left out.
func (h *header) row(record []string) (Row, error) {
	field := func(i int) string {
		if i < 0 || i >= len(record) {
			return ""
		}
		return strings.TrimSpace(record[i])
	}
	code, err := Parse(field(h.postcode))
	if err != nil {
		return Row{}, err
	}
	row := Row{Code: code, Terminated: field(h.terminated), District: gss(field(h.district)), Ward: gss(field(h.ward)), Quality: quality(field(h.quality))}
	row.Easting, row.Northing = metres(field(h.easting)), metres(field(h.northing))
	lat, latErr := strconv.ParseFloat(field(h.lat), 64)
	lon, lonErr := strconv.ParseFloat(field(h.lon), 64)
	if latErr == nil && lonErr == nil && lat != 0 && lat < 90 {
		row.Point = geo.Point{Lon: lon, Lat: lat}
	}
	if row.Quality == NoPlace {
		row.Easting, row.Northing, row.Point = 0, 0, geo.Point{}
	}
	if name := field(h.districtName); name != "" && row.District != "" && h.names[row.District] == "" {
		h.names[strings.Clone(row.District)] = strings.Clone(name)
	}
	if name := field(h.wardName); name != "" && row.Ward != "" && h.names[row.Ward] == "" {
		h.names[strings.Clone(row.Ward)] = strings.Clone(name)
	}
	return row, nil
}

// codePointRow reads a record of Code-Point Open by position.
func codePointRow(record []string) (Row, error) {
	if len(record) != 10 {
		return Row{}, fmt.Errorf("it has %d columns instead of 10", len(record))
	}
	code, err := Parse(record[0])
	if err != nil {
		return Row{}, err
	}
	row := Row{Code: code, Quality: quality(record[1]), Easting: metres(record[2]), Northing: metres(record[3]), District: gss(record[8]), Ward: gss(record[9])}
	if row.Quality == NoPlace {
		row.Easting, row.Northing = 0, 0
	}
	return row, nil
}

// metres reads a grid reference, which may be padded with zeros; 0 if there is
// none.
func metres(s string) int {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n > -1e7 && n < 1e7) {
		return 0
	}
	return int(n + 0.5)
}

// quality reads a positional quality of either scale: Ordnance Survey's is ten
// times that of the Office for National Statistics.
func quality(s string) Quality {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 99 {
		return 0
	}
	if n >= 10 {
		n /= 10
	}
	return Quality(n)
}

// gss drops the pseudo-codes that mean "not applicable".
func gss(code string) string {
	if strings.HasSuffix(code, "99999999") {
		return ""
	}
	return code
}
