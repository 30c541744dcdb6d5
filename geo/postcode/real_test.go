package postcode_test

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// shared gives the path of a file of real data, which is too large or not free
// to be kept here. With SITENOTICE_SHARED set the file must exist.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("SITENOTICE_SHARED")
	if root == "" {
		t.Skip("SITENOTICE_SHARED is not set: it names the folder with the real postcode files")
	}
	path := filepath.Join(append([]string{root, "geo", "postcodes"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("SITENOTICE_SHARED is set, but %v", err)
	}
	return path
}

// codePoint imports the whole of Code-Point Open once for all tests.
var codePoint = struct {
	sync.Once
	path   string
	report postcode.ImportReport
	took   time.Duration
	err    error
}{}

func codePointTable(t testing.TB) *postcode.Table {
	t.Helper()
	source := shared(t, "codepo_gb.zip")
	codePoint.Do(func() {
		dir, err := os.MkdirTemp("", "postcodes")
		if err != nil {
			codePoint.err = err
			return
		}
		codePoint.path = filepath.Join(dir, "postcodes.bin")
		start := time.Now()
		codePoint.report, codePoint.err = postcode.Import(context.Background(), source, codePoint.path, postcode.ImportOptions{})
		codePoint.took = time.Since(start)
	})
	if codePoint.err != nil {
		t.Fatal(codePoint.err)
	}
	table, err := postcode.Open(codePoint.path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMain(m *testing.M) {
	code := m.Run()
	if codePoint.path != "" {
		os.RemoveAll(filepath.Dir(codePoint.path))
	}
	os.Exit(code)
}

func TestCodePointImport(t *testing.T) {
	table := codePointTable(t)
	want := postcode.ImportReport{Release: "Code-Point Open 2025.4.0", Rows: 1745849, Live: 1745013, Unlocated: 836}
	if codePoint.report != want {
		t.Errorf("report is %+v, want %+v", codePoint.report, want)
	}
	info, err := os.Stat(codePoint.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("imported in %v; the table has %d bytes", codePoint.took.Round(time.Millisecond), info.Size())
	if info.Size() > 6_500_000 {
		t.Errorf("the table has %d bytes, more than 6.5 MB", info.Size())
	}
	if got := table.Attribution(); len(got) != 3 || !strings.HasSuffix(got[0], "2025.") {
		t.Errorf("attribution is %q", got)
	}
}

func TestCodePointEveryRow(t *testing.T) {
	table := codePointTable(t)
	z, err := zip.OpenReader(shared(t, "codepo_gb.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	type point struct{ e, n int }
	sharing := map[point]int{}
	eachRow := func(f func(code postcode.Code, c []string, e, n int)) {
		for _, file := range z.File {
			if !strings.HasPrefix(file.Name, "Data/CSV/") {
				continue
			}
			r, err := file.Open()
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(r)
			for lines.Scan() {
				c := strings.Split(strings.ReplaceAll(lines.Text(), `"`, ""), ",")
				e, _ := strconv.Atoi(c[2])
				n, _ := strconv.Atoi(c[3])
				f(postcode.Code(c[0]), c, e, n)
			}
			r.Close()
		}
	}
	eachRow(func(_ postcode.Code, _ []string, e, n int) { sharing[point{e, n}]++ })
	rows, wrong := 0, 0
	eachRow(func(code postcode.Code, c []string, e, n int) {
		rows++
		quality, _ := strconv.Atoi(c[1])
		got, err := table.Lookup(code)
		want := postcode.Place{Code: code, Quality: postcode.Quality(quality / 10)}
		var wantErr error
		if e == 0 {
			wantErr = postcode.ErrUnlocated
		} else {
			want = postcode.Place{Code: code, Quality: want.Quality, Point: got.Point, Easting: e, Northing: n,
				District: c[8], Ward: c[9], Shared: sharing[point{e, n}]}
		}
		if (got != want || err != wantErr) && wrong < 10 {
			wrong++
			t.Errorf("%s is %+v, %v; want %+v, %v", code, got, err, want, wantErr)
		}
	})
	if rows != 1745849 {
		t.Errorf("looked up %d rows, want 1745849", rows)
	}
}

func TestCodePointCheckValues(t *testing.T) {
	table := codePointTable(t)
	for _, c := range []struct {
		code     postcode.Code
		lat, lon float64 // by OSTN15, GEO.md section 3
		ward     string
		wardName string
		district string
	}{
		{"N1C 4AG", 51.533481, -0.125043, "E05013666", "King's Cross", "Camden"},
		{"NW1 8NH", 51.539703, -0.142539, "E05013655", "Camden Town", "Camden"},
		{"SW1A 1AA", 51.501010, -0.141563, "E05013806", "St. James's", "City of Westminster"},
		{"EH1 1YZ", 55.950328, -3.193018, "S13002929", "City Centre", "City of Edinburgh"},
	} {
		p, err := table.Lookup(c.code)
		if err != nil {
			t.Errorf("%s: %v", c.code, err)
			continue
		}
		if d := geo.Distance(p.Point, geo.Point{Lon: c.lon, Lat: c.lat}); d > 5 {
			t.Errorf("%s is %.1f m from where it should be", c.code, d)
		}
		if p.Ward != c.ward || table.WardName(p.Ward) != c.wardName || table.DistrictName(p.District) != c.district {
			t.Errorf("%s is in %s %q, %s %q; want %s %q, %q", c.code, p.Ward, table.WardName(p.Ward), p.District, table.DistrictName(p.District), c.ward, c.wardName, c.district)
		}
	}
	if p, _ := table.Lookup("NW1 0GS"); p.Shared != 1162 || !p.Crowded() {
		t.Errorf("NW1 0GS shares its point with %d codes, want 1162", p.Shared)
	}
	for code, want := range map[postcode.Code]error{"NW1 9ZZ": postcode.ErrUnknown, "BT1 1AA": postcode.ErrUnlocated, "JE2 3AB": postcode.ErrUnlocated, "BX1 1LT": postcode.ErrUnlocated} {
		if _, err := table.Lookup(code); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", code, err, want)
		}
	}
}

func TestCodePointNear(t *testing.T) {
	table := codePointTable(t)
	home := geo.Point{Lon: -0.142539, Lat: 51.539703} // NW1 8NH
	for _, c := range []struct {
		radius float64
		want   string
	}{
		{1, ""}, {10, "E09000007"}, {1000, "E09000007"}, {2000, "E09000007 E09000019 E09000033"},
	} {
		var codes []string
		start := time.Now()
		for _, d := range table.Districts(home, c.radius) {
			codes = append(codes, d.Code)
		}
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("districts within %v m took %v", c.radius, took)
		}
		if got := strings.Join(codes, " "); got != c.want {
			t.Errorf("districts within %v m are %s, want %s", c.radius, got, c.want)
		}
	}
	ward, district, distance, ok := table.NearestWard(home)
	if !ok || ward != "E05013655" || district != "E09000007" || distance > 5 {
		t.Errorf("nearest ward is %s %s, %.0f m away (%v)", ward, district, distance, ok)
	}
	box, ok := table.DistrictExtent("E09000007")
	if !ok || !box.Contains(home) || box.MaxLat-box.MinLat > 0.1 || box.MaxLon-box.MinLon > 0.15 {
		t.Errorf("the extent of Camden is %+v, %v", box, ok)
	}
	if n := len(table.AllDistricts()); n != 350 {
		t.Logf("%d districts", n)
	}
}

// TestCodePointDistrictsByCounting compares the scan by sectors with one by rows.
func TestCodePointDistrictsByCounting(t *testing.T) {
	table := codePointTable(t)
	f, err := os.Open(shared(t, "camden_postcodes.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	centre := geo.Point{Lon: -0.142539, Lat: 51.539703}
	for _, radius := range []float64{50, 333, 700, 1500, 2999, 8000} {
		want := map[string]bool{}
		for _, r := range rows[1:] {
			p, err := table.Lookup(postcode.Code(r[0]))
			if err != nil {
				t.Fatal(err)
			}
			lat, _ := strconv.ParseFloat(r[1], 64)
			lon, _ := strconv.ParseFloat(r[2], 64)
			if d := geo.Distance(p.Point, geo.Point{Lon: lon, Lat: lat}); d > 5 {
				t.Fatalf("%s is %.1f m from where camden_postcodes.csv has it", r[0], d)
			}
			if geo.Distance(centre, p.Point) <= radius {
				want[p.Ward] = true
			}
		}
		got := map[string]bool{}
		for _, w := range table.Wards(centre, radius) {
			if w.District == "E09000007" {
				got[w.Code] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("wards of Camden within %v m are %v, want %v", radius, got, want)
		}
	}
}

func TestNSPLSample(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postcodes.bin")
	report, err := postcode.Import(context.Background(), shared(t, "nspl_sample", "NSPL_NOV_2021_UK_sample.zip"), path, postcode.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// WC and HX have 20 codes without a place, some of them terminated; of IM
	// none has one.
	want := postcode.ImportReport{Release: "NSPL Nov 2021", Rows: 20957, Live: 8286 - 6, Terminated: 4846 + 1765 + 1418, Unlocated: 4642 + 6}
	if report.Rows != want.Rows || report.Terminated != want.Terminated || report.Live+report.Unlocated != 2609+5677+4642 || report.Release != want.Release || report.Skipped+report.SkippedNI != 0 {
		t.Errorf("report is %+v, want about %+v", report, want)
	}
	table, err := postcode.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Attribution(); len(got) != 4 || !strings.Contains(got[0], "2021") {
		t.Errorf("attribution is %q", got)
	}
	z, err := zip.OpenReader(shared(t, "nspl_sample", "NSPL_NOV_2021_UK_sample.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	worst := 0.0
	for _, file := range z.File {
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(f)
		head, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		column := map[string]int{}
		for i, name := range head {
			column[name] = i
		}
		for {
			c, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			get := func(name string) string { return c[column[name]] }
			p, err := table.Lookup(postcode.Code(get("pcds")))
			if (p.Terminated != "") != (get("doterm") != "") || strings.ReplaceAll(p.Terminated, "-", "") != get("doterm") {
				t.Fatalf("%s is terminated %q, want %s", get("pcds"), p.Terminated, get("doterm"))
			}
			if get("lat") == "99.999999" {
				if !errors.Is(err, postcode.ErrUnlocated) {
					t.Fatalf("%s: %v, want ErrUnlocated", get("pcds"), err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", get("pcds"), err)
			}
			lat, _ := strconv.ParseFloat(get("lat"), 64)
			lon, _ := strconv.ParseFloat(get("long"), 64)
			worst = max(worst, geo.Distance(p.Point, geo.Point{Lon: lon, Lat: lat}))
			if p.Ward != get("ward") || p.District != get("laua") {
				t.Fatalf("%s is in %s, %s; want %s, %s", get("pcds"), p.Ward, p.District, get("ward"), get("laua"))
			}
			if q := get("osgrdind"); strconv.Itoa(int(p.Quality)) != q {
				t.Fatalf("%s has quality %d, want %s", get("pcds"), p.Quality, q)
			}
		}
		f.Close()
	}
	if worst > 5.5 {
		t.Errorf("a place is %.1f m away from its latitude and longitude", worst)
	}
}

func TestLatLonSample(t *testing.T) {
	for _, allow := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "postcodes.bin")
		report, err := postcode.Import(context.Background(), shared(t, "nspl_latlon_sample.csv"), path, postcode.ImportOptions{AllowNI: allow})
		if err != nil {
			t.Fatal(err)
		}
		// 20 rows of Northern Ireland; 3159+1494+19 have coordinates.
		wantNI, wantLive := 20, 3159+1494
		if allow {
			wantNI, wantLive = 0, 3159+1494+19
		}
		if report.Rows != 5000 || report.SkippedNI != wantNI || report.Live != wantLive || report.Unlocated != 5000-wantNI-wantLive {
			t.Errorf("with AllowNI %v the report is %+v", allow, report)
		}
		table, err := postcode.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(shared(t, "nspl_latlon_sample.csv"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[1:] {
			code, err := postcode.Parse(r[0])
			if err != nil {
				t.Fatal(err)
			}
			p, err := table.Lookup(code)
			if r[1] == "" || strings.HasPrefix(r[0], "BT") && !allow {
				if !errors.Is(err, postcode.ErrUnlocated) {
					t.Fatalf("%s: %v, want ErrUnlocated", code, err)
				}
				continue
			}
			lat, _ := strconv.ParseFloat(r[1], 64)
			lon, _ := strconv.ParseFloat(r[2], 64)
			if d := geo.Distance(p.Point, geo.Point{Lon: lon, Lat: lat}); err != nil || d > math.Sqrt2/2+0.01 {
				t.Fatalf("%s is %.2f m away (%v)", code, d, err)
			}
		}
	}
}

func BenchmarkImport(b *testing.B) {
	source := shared(b, "codepo_gb.zip")
	path := filepath.Join(b.TempDir(), "postcodes.bin")
	for b.Loop() {
		if _, err := postcode.Import(context.Background(), source, path, postcode.ImportOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	codePointTable(b)
	for b.Loop() {
		if _, err := postcode.Open(codePoint.path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup looks up every thirtieth code of the country in a scattered
// order, so that the table is not in the cache by the last lookup.
func BenchmarkLookup(b *testing.B) {
	table := codePointTable(b)
	z, err := zip.OpenReader(shared(b, "codepo_gb.zip"))
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var codes []postcode.Code
	row := 0
	for _, file := range z.File {
		if !strings.HasPrefix(file.Name, "Data/CSV/") {
			continue
		}
		f, err := file.Open()
		if err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if row++; row%30 == 0 {
				code, _, _ := strings.Cut(lines.Text(), ",")
				codes = append(codes, postcode.Code(strings.Trim(code, `"`)))
			}
		}
		f.Close()
	}
	const stride = 10_007 // a prime: visits all codes in a scattered order
	i := 0
	for b.Loop() {
		i = (i + stride) % len(codes)
		table.Lookup(codes[i])
	}
}

func BenchmarkNear(b *testing.B) {
	table := codePointTable(b)
	home := geo.Point{Lon: -0.142539, Lat: 51.539703}
	b.Run("districts within 5 km", func(b *testing.B) {
		for b.Loop() {
			table.Districts(home, 5000)
		}
	})
	b.Run("nearest ward", func(b *testing.B) {
		for b.Loop() {
			table.NearestWard(home)
		}
	})
}
