package postcode_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
	"pgregory.net/rapid"
)

// The codes, wards and districts of these rows are made up; so are the places.
var rows = []postcode.Row{
	{Code: "NW1 8NH", Easting: 528913, Northing: 183946, Ward: "E05000001", District: "E09000001"},
	{Code: "NW1 8NJ", Easting: 528950, Northing: 183900, Ward: "E05000001", District: "E09000001", Quality: 5},
	{Code: "NW1 8NL", Easting: 528950, Northing: 183900, Ward: "E05000002", District: "E09000001"},
	{Code: "NW1 9AA", Point: geo.Point{Lon: -0.13, Lat: 51.54}, Ward: "E05000002", District: "E09000001"},
	{Code: "NW1 8AA"},
	{Code: "NW1 8AB", Easting: 528000, Northing: 183000, Ward: "E05000001", District: "E09000001", Terminated: "2019-05"},
	{Code: "NW1 8AD", Terminated: "1996-12"},
	{Code: "E1 6AN", Easting: 533500, Northing: 181700, District: "E09000002"},
	{Code: "GIR 0AA", Easting: 533500, Northing: 181700, Terminated: "2003-01"},
	{Code: "BT1 5GS", Easting: 333832, Northing: 374013, Point: geo.Point{Lon: -5.93007, Lat: 54.59663}},
	{Code: "ZE2 9XJ", Easting: 460000, Northing: 1213000},
}

func smallTable(t testing.TB) *postcode.Table {
	t.Helper()
	table, err := postcode.NewTable(rows, map[string]string{"E09000001": "Northborough", "E05000001": "Hill"}, postcode.Meta{Release: "made up", Year: 2026})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLookup(t *testing.T) {
	table := smallTable(t)
	for _, c := range []struct {
		code postcode.Code
		want postcode.Place
		err  error
	}{
		{"NW1 8NH", postcode.Place{Easting: 528913, Northing: 183946, Quality: 1, Ward: "E05000001", District: "E09000001", Shared: 1}, nil},
		{"NW1 8NJ", postcode.Place{Easting: 528950, Northing: 183900, Quality: 5, Ward: "E05000001", District: "E09000001", Shared: 2}, nil},
		{"NW1 8NL", postcode.Place{Easting: 528950, Northing: 183900, Quality: 1, Ward: "E05000002", District: "E09000001", Shared: 2}, nil},
		{"NW1 8AB", postcode.Place{Easting: 528000, Northing: 183000, Quality: 8, Ward: "E05000001", District: "E09000001", Terminated: "2019-05"}, nil},
		{"E1 6AN", postcode.Place{Easting: 533500, Northing: 181700, Quality: 1, District: "E09000002", Shared: 1}, nil},
		{"GIR 0AA", postcode.Place{Easting: 533500, Northing: 181700, Quality: 8, Terminated: "2003-01"}, nil},
		{"ZE2 9XJ", postcode.Place{Easting: 460000, Northing: 1213000, Quality: 1, Shared: 1}, nil},
		{"NW1 8AA", postcode.Place{Quality: 9}, postcode.ErrUnlocated},
		{"NW1 8AD", postcode.Place{Quality: 9, Terminated: "1996-12"}, postcode.ErrUnlocated},
		{"JE2 3AB", postcode.Place{Quality: 9}, postcode.ErrUnlocated},
		{"NW1 8NN", postcode.Place{}, postcode.ErrUnknown},
		{"NW1 7NH", postcode.Place{}, postcode.ErrUnknown},
		{"SW1A 1AA", postcode.Place{}, postcode.ErrUnknown},
		{"BT1 5GT", postcode.Place{}, postcode.ErrUnknown}, // this table has Northern Ireland
		{"nw18nh", postcode.Place{}, postcode.ErrUnknown},
		{"", postcode.Place{}, postcode.ErrUnknown},
	} {
		c.want.Code = c.code
		if c.want.Easting != 0 {
			c.want.Point = geo.FromBNG(float64(c.want.Easting), float64(c.want.Northing))
		}
		if got, err := table.Lookup(c.code); got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%q is %+v, %v; want %+v, %v", c.code, got, err, c.want, c.err)
		}
	}
	belfast, err := table.Lookup("BT1 5GS")
	if d := geo.Distance(belfast.Point, geo.Point{Lon: -5.93007, Lat: 54.59663}); err != nil || d > 0.8 || belfast.Easting != 0 {
		t.Errorf("BT1 5GS is %+v, %v m off, %v", belfast, d, err)
	}
	if p, err := table.Lookup("NW1 9AA"); err != nil || geo.Distance(p.Point, geo.Point{Lon: -0.13, Lat: 51.54}) > 0.8 {
		t.Errorf("NW1 9AA is %+v, %v", p, err)
	}
}

func TestTableNames(t *testing.T) {
	table := smallTable(t)
	if got := table.DistrictName("E09000001"); got != "Northborough" {
		t.Errorf("the district is called %q", got)
	}
	if table.WardName("E05000001") != "Hill" || table.WardName("E05000002") != "" || table.WardName("") != "" || table.DistrictName("E") != "" {
		t.Error("a ward or district has the wrong name")
	}
	if !table.HasWard("E05000002") || table.HasWard("E05000003") || table.HasWard("") {
		t.Error("HasWard is wrong")
	}
	if got, want := table.AllDistricts(), []postcode.District{{Code: "E09000001", Name: "Northborough"}, {Code: "E09000002"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("the districts are %v, want %v", got, want)
	}
	if got, want := table.WardsOf("E09000001"), []postcode.Ward{{Code: "E05000001", Name: "Hill", District: "E09000001"}, {Code: "E05000002", District: "E09000001"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("the wards are %v, want %v", got, want)
	}
	meta := table.Meta()
	if meta.Live != 7 || meta.Terminated != 3 || meta.Unlocated != 1 || len(meta.Attribution) != 3 || !strings.Contains(meta.Attribution[0], "2026") {
		t.Errorf("meta is %+v", meta)
	}
}

func TestNear(t *testing.T) {
	table := smallTable(t)
	home, err := table.Lookup("NW1 8NH")
	if err != nil {
		t.Fatal(err)
	}
	for radius, want := range map[float64]int{0.01: 1, 100: 1, 4000: 1, 6000: 2, 2e6: 2} {
		if got := table.Districts(home.Point, radius); len(got) != want {
			t.Errorf("%d districts within %v m, want %d", len(got), radius, want)
		}
	}
	if got := table.Wards(home.Point, 10); len(got) != 1 || got[0].Code != "E05000001" {
		t.Errorf("the wards within 10 m are %v", got)
	}
	if got := table.Wards(home.Point, 100); len(got) != 2 {
		t.Errorf("the wards within 100 m are %v", got)
	}
	ward, district, d, ok := table.NearestWard(geo.FromBNG(528913, 183956))
	if !ok || ward != "E05000001" || district != "E09000001" || d < 9.9 || d > 10.1 {
		t.Errorf("the nearest ward is %s in %s, %v m away, %v", ward, district, d, ok)
	}
	box, ok := table.DistrictExtent("E09000001")
	if !ok || !box.Contains(home.Point) || box.Contains(geo.FromBNG(528000, 183000)) {
		t.Errorf("the extent is %+v, %v, which should leave out terminated codes", box, ok)
	}
	if _, ok := table.DistrictExtent("E09000003"); ok {
		t.Error("a district that is not there has an extent")
	}
	empty, err := postcode.NewTable(nil, nil, postcode.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, ok := empty.NearestWard(home.Point); ok || empty.Districts(home.Point, 1e6) != nil {
		t.Error("an empty table has a ward")
	}
	if _, err := empty.Lookup("BT1 5GS"); !errors.Is(err, postcode.ErrUnlocated) {
		t.Errorf("BT1 5GS without Northern Ireland: %v", err)
	}
}

func TestNewTableRefuses(t *testing.T) {
	for name, row := range map[string]postcode.Row{
		"a spelling": {Code: "nw18nh"}, "a month": {Code: "NW1 8NH", Terminated: "May"}, "another month": {Code: "NW1 8NH", Terminated: "2019-13"},
		"France": {Code: "NW1 8NH", Point: geo.Point{Lon: 2.3, Lat: 48.8}}, "off the grid": {Code: "NW1 8NH", Easting: 5, Northing: 2_000_000},
	} {
		if _, err := postcode.NewTable([]postcode.Row{row}, nil, postcode.Meta{}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestTableKeepsAnyRows compares a table of random rows with a map of them.
func TestTableKeepsAnyRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outward := rapid.SampledFrom([]string{"N1", "NW1", "SW1A", "E16"})
		want := map[postcode.Code]postcode.Row{}
		var rows []postcode.Row
		for range rapid.IntRange(0, 120).Draw(t, "rows") {
			unit := func() string { return string("ABDEFGHJLNPQRSTUWXYZ"[rapid.IntRange(0, 19).Draw(t, "unit")]) }
			code := postcode.Code(fmt.Sprintf("%s %d%s%s", outward.Draw(t, "outward"), rapid.IntRange(0, 2).Draw(t, "digit"), unit(), unit()))
			if _, ok := want[code]; ok {
				continue
			}
			row := postcode.Row{Code: code, Quality: postcode.Quality(rapid.IntRange(1, 8).Draw(t, "quality"))}
			if rapid.IntRange(0, 5).Draw(t, "located") > 0 {
				row.Easting, row.Northing = rapid.IntRange(1, 700_000).Draw(t, "easting"), rapid.IntRange(1, 1_300_000).Draw(t, "northing")
				if ward := rapid.IntRange(0, 9).Draw(t, "ward"); ward > 0 {
					row.Ward, row.District = fmt.Sprintf("E0500000%d", ward), fmt.Sprintf("E0900000%d", ward%3)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "terminated") == 0 {
				row.Terminated = fmt.Sprintf("%d-%02d", rapid.IntRange(1970, 2026).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month"))
			}
			want[code] = row
			rows = append(rows, row)
		}
		table, err := postcode.NewTable(rows, nil, postcode.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		for code, row := range want {
			got, err := table.Lookup(code)
			if row.Easting == 0 {
				if !errors.Is(err, postcode.ErrUnlocated) || got.Terminated != row.Terminated {
					t.Fatalf("%+v is %+v, %v", row, got, err)
				}
				continue
			}
			if err != nil || got.Easting != row.Easting || got.Northing != row.Northing || got.Ward != row.Ward || got.District != row.District ||
				got.Quality != row.Quality || got.Terminated != row.Terminated {
				t.Fatalf("%+v is %+v, %v", row, got, err)
			}
		}
	})
}

// use asks a table everything.
func use(table *postcode.Table) {
	for _, r := range rows {
		table.Lookup(r.Code)
	}
	p := geo.Point{Lon: -0.14, Lat: 51.54}
	table.Districts(p, 1000)
	table.Districts(p, 1e7)
	table.Wards(p, 5000)
	table.NearestWard(p)
	table.DistrictExtent("E09000001")
	table.WardName("E05000001")
	table.DistrictName("E09000001")
	table.AllDistricts()
	table.WardsOf("")
}

// FuzzReadTable feeds hostile tables: their checksum is made right, so that the
// rest is read.
func FuzzReadTable(f *testing.F) {
	var file bytes.Buffer
	if _, err := smallTable(f).WriteTo(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("SITENOTICE POSTCODES 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if table, err := postcode.Read(b); err == nil {
			use(table)
		}
		if len(b) < 4 {
			return
		}
		b = bytes.Clone(b)
		body := b[:len(b)-4]
		b = binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		if table, err := postcode.Read(b); err == nil {
			use(table)
		}
	})
}

// TestEveryDamageIsNoticed changes and cuts a table at every byte.
func TestEveryDamageIsNoticed(t *testing.T) {
	var file bytes.Buffer
	if _, err := smallTable(t).WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	for i := range file.Len() {
		b := bytes.Clone(file.Bytes())
		b[i] ^= 0x10
		if _, err := postcode.Read(b); err == nil {
			t.Fatalf("a change of byte %d is not noticed", i)
		}
		if _, err := postcode.Read(file.Bytes()[:i]); err == nil {
			t.Fatalf("a cut at byte %d is not noticed", i)
		}
	}
	if _, err := postcode.Open(filepath.Join(t.TempDir(), "none.bin")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing table: %v", err)
	}
}

// zipped makes a zip of files by name.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	codePointCSV = `"NW1 8NH",10,528913,183946,"E92000001","","","","E09000001","E05000001"` + "\n" +
		`"NW1 8AA",90,0,0,"E92000001","","","","",""` + "\n"
	onsHeader = "pcd7,pcd8,pcds,dointr,doterm,usrtypind,east1m,north1m,gridind,lad26cd,wd26cd,ctry25cd,lat,long\n"
	onsCSV    = onsHeader +
		"NW1 8NH,NW1  8NH,NW1 8NH,198001,,0,528913,0183946,1,E09000001,E05000001,E92000001,51.539703,-0.142539\n" +
		"NW1 8AB,NW1  8AB,NW1 8AB,198001,201905,0,528000,0183000,8,E09000001,E05000001,E92000001,51.53,-0.155\n" +
		"JE2 3AB,JE2  3AB,JE2 3AB,198001,,0,,,9,L99999999,L99999999,L93000001,99.999999,0.000000\n" +
		"BT1 5GS,BT1  5GS,BT1 5GS,198001,,0,333832,374013,1,N09000003,N08000301,N92000002,54.59663,-5.93007\n"
)

func TestImport(t *testing.T) {
	for _, c := range []struct {
		name, file string
		content    []byte
		opts       postcode.ImportOptions
		want       postcode.ImportReport
	}{
		{"Code-Point Open", "codepo_gb.zip", zipped(t, map[string]string{
			"DATA/CSV/NW.CSV": codePointCSV, "Doc/metadata.txt": "ORDNANCE SURVEY\nDATASET VERSION NUMBER: 2031.1.0\nCOPYRIGHT DATE: 20310120\n", "Doc/Headers.csv": "PC,PQ\n",
		}), postcode.ImportOptions{}, postcode.ImportReport{Release: "Code-Point Open 2031.1.0", Rows: 2, Live: 1, Unlocated: 1}},
		{"ONSPD, the large file only", "x.zip", zipped(t, map[string]string{
			"Data/ONSPD_AUG_2026_UK.csv": onsCSV, "Data/multi_csv/ONSPD_AUG_2026_UK_NW.csv": onsCSV, "Documents/2026 wards.csv": "WD26CD,WD26NM\n",
		}), postcode.ImportOptions{}, postcode.ImportReport{Release: "ONSPD Aug 2026", Rows: 4, Live: 1, Terminated: 1, Unlocated: 1, SkippedNI: 1}},
		{"NSPL, the split files", "x.zip", zipped(t, map[string]string{"Data/multi_csv/NSPL_MAY_2025_UK_NW.csv": onsCSV}),
			postcode.ImportOptions{AllowNI: true}, postcode.ImportReport{Release: "NSPL May 2025", Rows: 4, Live: 2, Terminated: 1, Unlocated: 1}},
		{"a CSV from the zip", "NSPL_MAY_2025_UK.csv", []byte("\ufeff" + onsCSV),
			postcode.ImportOptions{}, postcode.ImportReport{Release: "NSPL May 2025", Rows: 4, Live: 1, Terminated: 1, Unlocated: 1, SkippedNI: 1}},
		{"a simple CSV", "ours.csv", []byte("Postcode,Latitude,Longitude,ward,ward_name,district,district_name\nnw18nh,51.539703,-0.142539,E05000001,Hill,E09000001,Northborough\nNW1 8AA,,0.00000,,,,\nnonsense,1,2,,,,\nNW1 8NH,51.5,-0.1,E05000001,,E09000001,\n"),
			postcode.ImportOptions{}, postcode.ImportReport{Release: "ours", Rows: 4, Live: 1, Unlocated: 1, Skipped: 2}},
	} {
		dir := t.TempDir()
		source, path := filepath.Join(dir, c.file), filepath.Join(dir, "postcodes.bin")
		if err := os.WriteFile(source, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		var done, total int64
		c.opts.Progress = func(d, all int64) { done, total = d, all }
		got, err := postcode.Import(context.Background(), source, path, c.opts)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
			continue
		}
		if done != total || total == 0 {
			t.Errorf("%s: progress ended at %d of %d", c.name, done, total)
		}
		table, err := postcode.Open(path)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		p, err := table.Lookup("NW1 8NH")
		if err != nil || p.Ward != "E05000001" || p.District != "E09000001" || geo.Distance(p.Point, geo.Point{Lon: -0.142539, Lat: 51.539703}) > 5 && c.name != "a simple CSV" {
			t.Errorf("%s: NW1 8NH is %+v, %v", c.name, p, err)
		}
		if files, _ := os.ReadDir(dir); len(files) != 2 {
			t.Errorf("%s leaves %v behind", c.name, files)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	whole := zipped(t, map[string]string{"Data/CSV/nw.csv": strings.Repeat(codePointCSV, 1000)})
	spoilt := bytes.Clone(whole)
	spoilt[len(spoilt)/4] ^= 0xFF
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"a truncated zip", whole[:len(whole)/2], "download it again"},
		{"a spoilt zip", spoilt, "download the file again"},
		{"another zip", zipped(t, map[string]string{"readme.txt": "hello"}), "there are no postcodes in it"},
		{"another CSV", []byte("name,age\nAda,36\n"), "there are no postcodes in it"},
		{"postcodes only", []byte("postcode\nNW1 8NH\n"), "neither lat and lon nor easting and northing"},
		{"an old release", []byte(`"NW1 8NH",10` + strings.Repeat(",1", 17) + "\n"), "before August 2011"},
		{"no header", []byte("NW1 8NH,51.5,-0.1\n"), "add a header"},
		{"mostly nonsense", []byte("postcode,lat,lon\nNW1 8NH,51.5,-0.1\nx,1,1\ny,1,1\nz,1,1\n"), "make no sense"},
		{"an empty file", nil, "there are no postcodes in it"},
		{"a web page", []byte("<!DOCTYPE html>\n<html><body>Not found</body></html>\n"), "there are no postcodes in it"},
		{"Northern Ireland", []byte("postcode,lat,lon\nBT1 5GS,54.59663,-5.93007\n"), "--allow-ni"},
	} {
		dir := t.TempDir()
		source, path := filepath.Join(dir, "source"), filepath.Join(dir, "postcodes.bin")
		for name, content := range map[string][]byte{source: c.content, path: []byte("the old table")} {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := postcode.Import(context.Background(), source, path, postcode.ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %q", c.name, err, c.want)
		}
		if b, _ := os.ReadFile(path); string(b) != "the old table" {
			t.Errorf("%s touches the old table", c.name)
		}
		if files, _ := os.ReadDir(dir); len(files) != 2 {
			t.Errorf("%s leaves %v behind", c.name, files)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	source := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(source, []byte(onsCSV), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := postcode.Import(ctx, source, source+".bin", postcode.ImportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled import: %v", err)
	}
}

// TestHostileBytesNeverPanic sets every byte of a table to several values, with
// the checksum made right again.
func TestHostileBytesNeverPanic(t *testing.T) {
	var file bytes.Buffer
	if _, err := smallTable(t).WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	read := 0
	for i := range file.Len() - 4 {
		for _, v := range []byte{0, 1, 2, 0x1F, 0x7F, 0x80, 0xFF} {
			b := bytes.Clone(file.Bytes())
			b[i] = v
			body := b[:len(b)-4]
			if table, err := postcode.Read(binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))); err == nil {
				read++
				use(table)
			}
		}
	}
	if read == 0 {
		t.Error("no table was read at all: the checksum must be wrong")
	}
}

// FuzzImport reads hostile files of postcodes: as they are, and as the only file of a
// zip under the names by which the publishers' are known.
func FuzzImport(f *testing.F) {
	names := []string{"", "Data/CSV/nw.csv", "Data/ONSPD_NOV_2025_UK.csv", "Data/multi_csv/NSPL_NOV_2025_UK_NW.csv", "other.csv", "Doc/metadata.txt", "Doc/Codelist.xlsx"}
	for i := range names {
		f.Add([]byte("\"NW1 8NH\",10,528913,183946,\"E92000001\",\"E19000003\",\"E18000007\",\"\",\"E09000007\",\"E05013653\"\n"), uint8(i))
		f.Add([]byte("pcds,doterm,oseast1m,osnrth1m,osgrdind,oslaua,osward,lat,long\nNW1 8NH,,528913,183946,1,E09000007,E05013653,51.54,-0.14\nNW1 8NJ,201905,,,9,,,99.999999,0\n"), uint8(i))
		f.Add([]byte("postcode,lat,lon,district,ward,district_name\nNW1 8NH,51.54,-0.14,E09000007,E05013653,Camden\nBT1 1AA,54.6,-5.9,,,\nx,,,,,\n"), uint8(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		dir := t.TempDir()
		source, table := filepath.Join(dir, "postcodes.csv"), filepath.Join(dir, "postcodes.table")
		if name := names[int(which)%len(names)]; name != "" {
			var b bytes.Buffer
			z := zip.NewWriter(&b)
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write(text)
			}
			if err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			text = b.Bytes()
		}
		if err := os.WriteFile(source, text, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := postcode.Import(t.Context(), source, table, postcode.ImportOptions{AllowNI: which >= 128})
		if err != nil {
			if _, gone := os.Stat(table); gone == nil {
				t.Errorf("%v, and there is a table", err)
			}
			return
		}
		if n := report.Live + report.Terminated + report.Unlocated + report.SkippedNI + report.Skipped; n != report.Rows {
			t.Errorf("%d rows are accounted for: %+v", n, report)
		}
		b, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		made, err := postcode.Read(b)
		if err != nil {
			t.Fatalf("the table that was made cannot be read: %v", err)
		}
		use(made)
	})
}
