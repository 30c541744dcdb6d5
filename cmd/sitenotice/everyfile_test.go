package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A sampleFile says how files of the samples are read, and how they are counted.
type sampleFile struct {
	pattern           string // below feeds/
	feed              string // a preset, or the feed that declaration makes
	adapter, encoding string
	declaration       string // after "feed: …"; empty for a preset
	count             func(t *testing.T, b []byte) []counted
	refused           string // what is said of a file that is no register; it has no count
}

const sampleCouncil = "authority: {slug: sample, name: Sample Council}\n"

func likeShape(shape string) string { return "like: " + shape + "\n" + sampleCouncil }

// anyTable reads a table that is no list of applications as if it were one, so that
// its rows can be counted all the same.
func anyTable(column string) string {
	return sampleCouncil + "adapters:\n  - name: table\n    format: csv\n    columns: {reference: " + column + "}\n"
}

// sampleFiles name every file there is; of several that fit, the first counts.
var sampleFiles = []sampleFile{
	{pattern: "york/Planning_Applications.csv", feed: "york", adapter: "york", count: columns("KEYVAL", yorkRow)},
	{pattern: "york/weekly/*.json.gz", feed: "york", adapter: "york-json", count: objects(under("applications"), yorkObject)},
	{pattern: "york/daily/*.json", feed: "york", adapter: "york-json", count: objects(under("applications"), yorkObject)},
	{pattern: "isle-of-man/annual/2016-planning-applications.csv", feed: "isle-of-man", adapter: "applications", encoding: "mac-roman", count: columns("PA Ref", nil)},
	{pattern: "isle-of-man/annual/*-planning-applications.csv", feed: "isle-of-man", adapter: "applications", count: columns("PA Ref", nil)},
	{pattern: "isle-of-man/annual/2016-delegated-decisions.csv", feed: "isle-of-man", adapter: "delegated", encoding: "cp850", count: columns("Planning Application No", nil)},
	{pattern: "isle-of-man/annual/*-delegated-decisions.csv", feed: "isle-of-man", adapter: "delegated", count: columns("Planning Application No", nil)},
	{pattern: "isle-of-man/annual/2019-appeals.csv", feed: "isle-of-man", adapter: "appeals", encoding: "cp850", count: columns("PA Ref", nil)},
	{pattern: "isle-of-man/annual/2023-appeals.csv", feed: "isle-of-man", adapter: "appeals", encoding: "mac-roman", count: columns("PA Ref", nil)},
	{pattern: "isle-of-man/annual/*-appeals.csv", feed: "isle-of-man", adapter: "appeals", count: columns("PA Ref", nil)},
	{pattern: "isle-of-man/weekly/*.csv", feed: "isle-of-man", adapter: "weekly", count: columns("Application Number", weeklyRow)},
	{pattern: "camden/*.json", feed: "camden", adapter: "camden", count: objects(itself, camdenObject)},
	{pattern: "london-pld/Camden-*.json", feed: "london", adapter: "london-document", count: objects(single, londonObject)},
	{pattern: "london-pld/*.json", feed: "london", adapter: "london-saved", count: objects(func(d map[string]any) (all list) {
		for _, hit := range under("rawResponse", "hits", "hits")(d) {
			source, _ := hit["_source"].(map[string]any)
			all = append(all, source)
		}
		return all
	}, londonObject)},
	{pattern: "doncaster/*-planning-application.csv", feed: "doncaster", adapter: "doncaster", count: columns("reference", nil)},
	{pattern: "lga/example-*.csv", feed: "hampshire", declaration: likeShape("lga"), adapter: "lga", count: columns("CaseReference", lgaRow)},
	{pattern: "odp/postSubmissionApplication/planningPermission/*.json", feed: "householder", declaration: likeShape("odp"), adapter: "odp", count: objects(single, odpObject)},
	{pattern: "odp/postSubmissionApplication/lawfulDevelopmentCertificate/*.json", feed: "certificate", declaration: likeShape("odp"), adapter: "odp", count: objects(single, odpObject)},
	{pattern: "openaustralia/*.yml", feed: "tasmania", declaration: likeShape("openaustralia"), adapter: "openaustralia-yaml", count: scraped},
	{pattern: "openaustralia/brisbane.xml", feed: "brisbane", declaration: likeShape("openaustralia"), adapter: "openaustralia-xml", count: brisbane},
	{pattern: "openaustralia/example1_page1.json", feed: "atdis", declaration: likeShape("openaustralia"), adapter: "atdis", count: objects(under("response"), atdisObject)},
	{pattern: "digital-land/datasets.zip", feed: "specification", declaration: likeShape("specification"), adapter: "specification", count: specification},

	// Tables beside those of applications: conditions, documents, lists of codes, settings.
	{pattern: "digital-land/config/*_endpoint.csv", feed: "endpoints", declaration: anyTable("endpoint"), adapter: "table", count: columns("endpoint", nil)},
	{pattern: "digital-land/config/*_source.csv", feed: "sources", declaration: anyTable("source"), adapter: "table", count: columns("source", nil)},
	{pattern: "digital-land/config/*_column.csv", feed: "columns", declaration: anyTable("column"), adapter: "table", count: columns("column", nil)},
	{pattern: "digital-land/config/*_concat.csv", feed: "concats", declaration: anyTable("field"), adapter: "table", count: columns("field", nil)},
	{pattern: "digital-land/config/*_entity-organisation.csv", feed: "ranges", declaration: anyTable("entity-minimum"), adapter: "table", count: columns("entity-minimum", nil)},
	{pattern: "digital-land/*/*.csv", feed: "tables", declaration: anyTable("reference"), adapter: "table", count: columns("reference", nil)},
	{pattern: "doncaster/*.csv", feed: "conditions", declaration: anyTable("reference"), adapter: "table", count: columns("reference", nil)},

	// What is no data says so.
	{pattern: "lga/*.pdf", refused: "is a PDF"},
	{pattern: "lga/PlanningApplications.*", refused: "no column of the file seems to hold the application's number"},
	{pattern: "*.md", refused: "no column of the file seems to hold the application's number"},
}

// Every file of the samples goes through the real commands, and what they report is
// what an independent count says, to the last row. Nobody is told of any of it.
func TestEveryFileIsReadAsItIsCounted(t *testing.T) {
	inFull(t)
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not there")
	}
	debug.SetMemoryLimit(1 << 40) // lest importing sets one for the tests after this
	defer debug.SetMemoryLimit(math.MaxInt64)
	root := filepath.Join(shared, "feeds")
	names := []string{"digital-land/datasets.zip"}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) < 140 {
		t.Fatalf("%d files (%v)", len(names), err)
	}
	e := storetest.Engines(t)[0]
	h := &backlog{T: t, dir: t.TempDir(), dsn: e.DSN, keys: map[string]map[string]bool{}, complete: map[string]int{}}
	for _, name := range names {
		i := slices.IndexFunc(sampleFiles, func(s sampleFile) bool { ok, _ := path.Match(s.pattern, name); return ok })
		if i < 0 {
			t.Errorf("nothing says how %s is read", name)
			continue
		}
		file := filepath.Join(root, name)
		if name == "digital-land/datasets.zip" {
			file = zipped(t, filepath.Join(root, "digital-land/datasets"))
		}
		t.Run(name, func(t *testing.T) {
			h.T = t
			if s := &sampleFiles[i]; s.count == nil {
				h.refuse(s, file)
			} else {
				h.take(s, name, file)
			}
		})
	}
	h.T = t
	h.stored(e.DB(t))
}

// A backlog gives files to one installation, one after another.
type backlog struct {
	*testing.T
	dir, dsn string
	keys     map[string]map[string]bool // of each feed so far: key → true
	complete map[string]int             // rows of each adapter's last complete reading
}

// command runs the program and reads the JSON that it prints.
func (h *backlog) command(into any, args ...string) (code int, complaint string) {
	h.Helper()
	var out, errs bytes.Buffer
	code = run(h.Context(), append(args, "--json", "--data", h.dir, "--db", h.dsn, "--log-level", "error"), streams{strings.NewReader(""), &out, &errs})
	if into != nil && out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), into); err != nil {
			h.Fatalf("%v: %s", err, out.String())
		}
	}
	return code, errs.String()
}

func (h *backlog) refuse(s *sampleFile, file string) {
	if code, complaint := h.command(nil, "feed", "check", file); code != exitFailed || !strings.Contains(complaint, s.refused) {
		h.Errorf("status %d, %s", code, complaint)
	}
}

func (h *backlog) take(s *sampleFile, name, file string) {
	want, reading := addUp(s.count(h.T, unpacked(h.T, file)))
	if h.keys[s.feed] == nil {
		h.keys[s.feed] = map[string]bool{}
		declared := s.feed
		if s.declaration != "" {
			declared = filepath.Join(h.dir, s.feed+".yaml")
			if err := os.WriteFile(declared, []byte("feed: "+s.feed+"\n"+s.declaration), 0o600); err != nil {
				h.Fatal(err)
			}
		}
		if code, complaint := h.command(nil, "feed", "add", declared); code != exitDone {
			h.Fatal(complaint)
		}
	}
	encoding := encodingFlag(s.encoding)
	var r alerts.Report
	code, complaint := h.command(&r, slices.Concat([]string{"feed", "check", "--feed", s.feed, "--adapter", s.adapter, file}, encoding)...)
	got := figures{r.Rows, r.Faulty, r.Located, r.Boundaries, r.Deadlines, r.Duplicates, string(r.Earliest), string(r.Latest)}
	if code != exitDone || got != want || r.Good != want.rows-want.faulty || r.Broken != "" {
		h.Errorf("checked with status %d: %s\n got %+v\nwant %+v\n%s", code, complaint, got, want, &r)
	}

	var is alerts.Run
	code, complaint = h.command(&is, slices.Concat([]string{"feed", "import", "--silent", "--adapter", s.adapter, s.feed, file}, encoding)...)
	fresh := 0
	for key := range reading {
		if !h.keys[s.feed][key] {
			fresh++
		}
		h.keys[s.feed][key] = true
	}
	good := want.rows - want.faulty
	if code != exitDone || is.Rows != want.rows || is.Quarantined != want.faulty || is.Unlocated != good-want.located || is.Duplicates != want.repeated ||
		is.New != fresh || is.Changed+is.Unchanged != len(reading)-fresh || is.New != r.New || is.Changed != r.Changed || is.Unchanged != r.Unchanged {
		h.Errorf("imported with status %d: %s\n%+v\nwant %+v, %d of %d keys new\n%+v", code, complaint, is.Counts, want, fresh, len(reading), r)
	}
	verdict := alerts.VerdictComplete
	if good*10 < h.complete[s.feed+" "+s.adapter]*8 {
		verdict = alerts.VerdictPartial // it has shrunk by more than a fifth
	} else {
		h.complete[s.feed+" "+s.adapter] = want.rows
	}
	if is.Verdict != verdict || r.Verdict != verdict && r.Verdict != alerts.VerdictHeld { // silently nothing is held
		h.Errorf("it is %s (%s), and was to be %s; want %s", is.Verdict, is.Reason, r.Verdict, verdict)
	}
	h.Logf("| %s | %d | %d | %d | %d | %d |", name, is.Rows, r.Located, is.Quarantined, is.Duplicates, is.New)
}

// stored holds what is in the database in the end against the keys that were counted.
func (h *backlog) stored(db *sql.DB) {
	for feed, keys := range h.keys {
		rows, err := db.Query(`SELECT source_key FROM record WHERE feed_id = (SELECT id FROM feed WHERE slug = $1)`, feed)
		if err != nil {
			h.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
			var key string
			if err := rows.Scan(&key); err != nil {
				h.Fatal(err)
			}
			if !keys[key] && !strings.ContainsFunc(key, func(r rune) bool { return r > 127 }) {
				h.Errorf("%s: nobody counted %q", feed, key)
			}
		}
		if err := rows.Err(); err != nil || n != len(keys) {
			h.Errorf("%s: %d records of %d keys are stored (%v)", feed, n, len(keys), err)
		}
	}
	live := 0
	if err := db.QueryRow(`SELECT count(*) FROM event WHERE seq IS NOT NULL`).Scan(&live); err != nil || live > 0 {
		h.Errorf("%d events can be told (%v)", live, err)
	}
}

// figures is what is counted of a file.
type figures struct {
	rows, faulty, located, outlined, closingOn, repeated int
	earliest, latest                                     string
}

// addUp adds rows up; keys are those of the good ones.
func addUp(all []counted) (f figures, keys map[string]bool) {
	keys = map[string]bool{}
	for _, c := range all {
		f.rows++
		if c.faulty || c.key == "" {
			f.faulty++
			continue
		}
		if keys[c.key] {
			f.repeated++
		}
		keys[c.key] = true
		for n, is := range map[*int]bool{&f.located: c.located, &f.outlined: c.outlined, &f.closingOn: c.closingOn} {
			if is {
				*n++
			}
		}
		if day := c.received; day != "" {
			if f.earliest == "" || day < f.earliest {
				f.earliest = day
			}
			f.latest = max(f.latest, day)
		}
	}
	return f, keys
}

func encodingFlag(encoding string) []string {
	if encoding == "" {
		return nil
	}
	return []string{"--encoding", encoding}
}

func unpacked(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			b, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// zipped packs a folder of tables as a publisher would.
func zipped(t *testing.T, folder string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	files, err := filepath.Glob(filepath.Join(folder, "*.csv"))
	for _, name := range files {
		var w io.Writer
		if w, err = z.Create("datasets/" + filepath.Base(name)); err == nil {
			_, err = w.Write(unpacked(t, name))
		}
		if err != nil {
			break
		}
	}
	out := filepath.Join(t.TempDir(), "datasets.zip")
	if err == nil && z.Close() == nil && len(files) == 9 {
		err = os.WriteFile(out, b.Bytes(), 0o600)
	} else if err == nil {
		err = fmt.Errorf("%d tables", len(files))
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
