package feed_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

// sampleFile opens a file of the samples as often as it takes.
func sampleFile(t *testing.T, name string) func() (io.ReadCloser, error) {
	t.Helper()
	shared(t, "feeds/"+name)
	return func() (io.ReadCloser, error) {
		return os.Open(filepath.Join(os.Getenv("SITENOTICE_SHARED"), "feeds", name))
	}
}

func textFile(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

func try(t *testing.T, p *alerts.Proposal, open func() (io.ReadCloser, error)) *alerts.Report {
	t.Helper()
	f, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	report, err := feed.Try(p, f)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// chosen lists the choices of a proposal as "field=column (layout)".
func chosen(p *alerts.Proposal) string {
	var parts []string
	for _, c := range p.Fields {
		if c.From != "" {
			part := c.Field + "=" + c.From
			if c.Layout != "" {
				part += " (" + c.Layout + ")"
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// Each real file is known for what it is, or its columns are found; tried as it is
// proposed, all its rows are right.
func TestRealFilesAreProposedAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		file, like, format, encoding, records string
		rows                                  int
	}{
		{"york/Planning_Applications.csv", "york", "csv", "utf-8", "", 2227},
		{"york/weekly/york-2026-02-11.json.gz", "york", "json", "", "applications", 2225},
		{"lga/example-planning-applications.csv", "lga", "csv", "utf-8", "", 25},
		{"camden/2eiu-s2cw.RECONSTRUCTED-one-row.json", "camden", "json", "", "", 1},
		{"london-pld/recent-a.json", "london", "json", "", "rawResponse.hits.hits", 250},
		{"openaustralia/brisbane.xml", "openaustralia", "xml", "", "application", 4},
		{"openaustralia/hobart.expected.yml", "openaustralia", "yaml", "", "", 34},
		{"isle-of-man/annual/2011-delegated-decisions.csv", "isle-of-man", "csv", "windows-1252", "", 1542}, // a title row above, a trailer below
		{"isle-of-man/annual/2016-delegated-decisions.csv", "isle-of-man", "csv", "cp850", "", 1114},
		{"isle-of-man/annual/2016-planning-applications.csv", "isle-of-man", "csv", "mac-roman", "", 1371}, // CR-only
		{"isle-of-man/weekly/2023-01-06-planning-applications.csv", "", "csv", "utf-8", "", 19},
		{"doncaster/doncaster-conditions-data-2023-planning-application.csv", "", "csv", "utf-8", "", 1126},
		{"digital-land/datasets/planning-application.csv", "", "csv", "utf-8", "", 21},
	} {
		open := sampleFile(t, c.file)
		p, err := feed.Propose(open, alerts.Proposal{})
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if p.Like != c.like || p.Format != c.format || p.Encoding != c.encoding || p.Records != c.records {
			t.Errorf("%s: like %q, %s, %s, records %q: %s", c.file, p.Like, p.Format, p.Encoding, p.Records, chosen(p))
		}
		if r := try(t, p, open); r.Rows != c.rows || r.Good != c.rows || r.Broken != "" {
			t.Errorf("%s: %d rows, %d good, %s: %v", c.file, r.Rows, r.Good, r.Broken, r.Faults)
		}
	}
	p, err := feed.Propose(sampleFile(t, "doncaster/doncaster-conditions-data-2023-planning-application.csv"), alerts.Proposal{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := chosen(p), "reference=reference; description=description; decided=decision-date (2006-01-02)"; got != want {
		t.Errorf("Doncaster: %s, want %s", got, want)
	}
}

// The export of a system that nobody has declared: a title row, names and dates as its
// users like them, and people's names, which are not even offered.
const unknownExport = `"Weekly export, 3 February 2026",,,,,,,,,,
App No,Site Address,Proposal,Applicant Name,Case Officer,Application Type,Current Status,Date Received,Closing Date for Comments,Easting,Northing
26/00001/FUL,"1 High Street, York",Two houses,Ann Example,B. Officer,Full application,Pending consideration,03/02/2026,26/02/2026,460300,451800
26/00002/HSE,"2 High Street, York",Extension,Ann Example,B. Officer,Householder application,Permission granted,13/01/2026,,460310,451810
26/00003/TPO,"3 High Street, York",Fell an oak,Cy Example,B. Officer,Works to trees (TPO),ZX9,14/01/2026,,460320,451820
`

func TestColumnsAndCodesOfAnUnknownExportAreProposed(t *testing.T) {
	open := textFile(unknownExport)
	p, err := feed.Propose(open, alerts.Proposal{Feed: "village", Authority: "village", Name: "Village Council"})
	if err != nil {
		t.Fatal(err)
	}
	want := "reference=App No; address=Site Address; description=Proposal; kind=Application Type; status=Current Status; received=Date Received (02/01/2006); " +
		"comments_until=Closing Date for Comments (02/01/2006); easting=Easting; northing=Northing"
	if got := chosen(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, c := range p.Columns {
		if strings.Contains(c.Name, "Applicant") || strings.Contains(c.Name, "Officer") {
			t.Errorf("the column %q is offered", c.Name)
		}
	}
	r := try(t, p, open)
	if r.Rows != 3 || r.Good != 3 || r.Located != 3 || r.Deadlines != 1 {
		t.Errorf("%+v", r)
	}
	means := map[string]string{}
	for _, c := range p.Codes {
		means[c.Field+" "+c.Code] = c.Means
	}
	for code, want := range map[string]string{"status Pending consideration": "pending", "status Permission granted": "decided approved", "status ZX9": "",
		"kind Full application": "full", "kind Householder application": "householder", "kind Works to trees (TPO)": "trees_tpo"} {
		if got, ok := means[code]; got != want || !ok {
			t.Errorf("%s means %q, want %q", code, got, want)
		}
	}

	// A person says what the machine did not know, and takes the declaration home.
	for i := range p.Codes {
		if p.Codes[i].Code == "ZX9" {
			p.Codes[i].Means = "withdrawn"
		}
	}
	p.Choose(alerts.FieldChoice{Field: "ward", From: "Case Officer"}) // that column is theirs to choose, if they insist
	p.Choose(alerts.FieldChoice{Field: "ward"})
	if r = try(t, p, open); len(r.Unmapped()) != 0 {
		t.Errorf("%+v", r.Unmapped())
	}
	d, err := feed.Declare(p)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := feed.Parse(d.Written(p.Codes))
	if err != nil {
		t.Fatalf("%v in\n%s", err, d.Written(p.Codes))
	}
	f, _ := open()
	if report, err := whole.Check("", f); err != nil || report.Good != 3 || len(report.Unmapped()) != 0 || whole.Authority.Name != "Village Council" || whole.Feed != "village" {
		t.Errorf("%+v %v of\n%s", report, err, d.Written(p.Codes))
	}

	p.Choose(alerts.FieldChoice{Field: "reference"})
	var invalid *alerts.InvalidError
	if _, err := feed.Declare(p); !errors.As(err, &invalid) || invalid.Field != "reference" {
		t.Errorf("without a reference: %v", err)
	}
}

// Days and months are told apart by all cells of a column, never by one.
func TestTheWayOfWritingDatesIsGuessedFromAllOfThem(t *testing.T) {
	for _, c := range []struct{ dates, want string }{
		{"03/04/2025 05/06/2025", "02/01/2006"}, {"3/4/2025 13/4/2025", "2/1/2006"}, {"03/14/2025 04/03/2025", "01/02/2006"}, {"15-Feb-11 31-Jan-11", "02-Jan-06"},
		{"2025-02-28T00:00:00.000 2025-03-01T00:00:00.000", "iso"}, {"2025-02-28 2025-03-01", "2006-01-02"}, {"1740700800000 1740787200000", "epoch-ms"}, {"2025/02/28 2025/03/01", "2006/01/02"},
		{"soon later", ""},
	} {
		text := "Reference,Date Received,Description\n"
		for i, date := range strings.Fields(c.dates) {
			text += string(rune('A'+i)) + "," + date + ",A house\n"
		}
		p, err := feed.Propose(textFile(text), alerts.Proposal{})
		if err != nil {
			t.Errorf("%s: %v", c.dates, err)
		} else if got := p.Choice("received").Layout; got != c.want {
			t.Errorf("%s: %q, want %q", c.dates, got, c.want)
		}
	}
}

func TestAWorkbookIsProposedSheetBySheet(t *testing.T) {
	book := excelize.NewFile()
	defer book.Close()
	book.SetSheetName("Sheet1", "Notes")
	book.NewSheet("Register")
	for cell, value := range map[string]any{"A1": "Read me"} {
		book.SetCellValue("Notes", cell, value)
	}
	book.SetSheetRow("Register", "A1", &[]any{"Reference", "Description", "Date received"})
	book.SetSheetRow("Register", "A2", &[]any{"26/1", "A house", 46054.0})
	book.SetSheetRow("Register", "A3", &[]any{"26/2", "A shed", 46055.0})
	path := filepath.Join(t.TempDir(), "register.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) { return os.Open(path) }
	p, err := feed.Propose(open, alerts.Proposal{Records: "Register"})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sheets) != 2 || p.Choice("received").Layout != "excel" {
		t.Errorf("%v %s", p.Sheets, chosen(p))
	}
	if r := try(t, p, open); r.Good != 2 || r.Latest != "2026-02-02" {
		t.Errorf("%+v", r)
	}
}

// The linked tables of the national specification are known for what they are in one
// archive, and their shifted rows are left out; one of them alone is read as it is.
func TestAnArchiveOfLinkedTablesIsProposed(t *testing.T) {
	pack := func(names ...string) func() (io.ReadCloser, error) {
		files := map[string]io.Reader{}
		for _, name := range names {
			files[name] = shared(t, "feeds/digital-land/datasets/"+name)
		}
		packed, err := io.ReadAll(archive(t, files))
		if err != nil {
			t.Fatal(err)
		}
		return textFile(string(packed))
	}
	tables := []string{"planning-application.csv", "site.csv", "decision-notice.csv", "planning-permission-timeline.csv", "planning-application-document.csv"}
	open := pack(tables...)
	p, err := feed.Propose(open, alerts.Proposal{Feed: "suffolk", Authority: "suffolk", Name: "Suffolk"})
	if err != nil || p.Like != "specification" || p.Format != "tables" {
		t.Fatalf("%v %+v", err, p)
	}
	names := map[string]bool{}
	for _, c := range p.Columns {
		names[c.Name] = true
	}
	if !names["received-date"] || !names["site.address-text"] || !names["decision-notice.decision"] || names["officer-name"] {
		t.Errorf("columns: %v", names)
	}
	if r := try(t, p, open); r.Rows != 21 || r.Faulty != 4 || r.Deadlines != 6 || r.Broken != "" {
		t.Errorf("%s", r)
	}
	d, err := feed.Declare(p)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := feed.Parse(d.Written(p.Codes))
	if err != nil {
		t.Fatalf("%v in\n%s", err, d.Written(p.Codes))
	}
	r, _ := open()
	if report, err := kept.Check("", r); err != nil || report.Good != 17 {
		t.Errorf("%v, %s", err, report)
	}

	var broken *feed.BrokenError
	if _, err := feed.Propose(pack("site.csv", "planning-permission-timeline.csv"), alerts.Proposal{}); !errors.As(err, &broken) || !strings.Contains(broken.Problem, "unpack it") {
		t.Errorf("without the list: %v", err)
	}
	alone, err := feed.Propose(sampleFile(t, "digital-land/datasets/planning-application.csv"), alerts.Proposal{})
	if err != nil || strings.Contains(chosen(alone), "address=") {
		t.Errorf("the key of a site is taken for its address: %v %s", err, chosen(alone))
	}
}

// What is no register is said to be none, in a sentence that helps.
func TestWhatIsNoTableIsExplained(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "empty",
		"<!doctype html><html>":       "web page",
		"%PDF-1.7 …":                  "PDF",
		"\xd0\xcf\x11\xe0\xa1\xb1":    "old Excel",
		"\xff\xfeR\x00e\x00f\x00":     "UTF-16",
		"\x7fELF\x02\x01\x01\x00\x00": "not text",
		"a;b;c;d\n1;2;3;4\n":          "semicolons",
		"a\tb\tc\n1\t2\t3\n":          "tabs",
		"one,two,three\n":             "no rows",
		"{}":                          "no rows",
		"<a><b/></a>":                 "no element that repeats",
		"PK\x03\x04rubbish":           "workbook",
	} {
		_, err := feed.Propose(textFile(text), alerts.Proposal{})
		var broken *feed.BrokenError
		if !errors.As(err, &broken) || !strings.Contains(broken.Problem, want) {
			t.Errorf("%q: %v, want a word of %q", text, err, want)
		}
	}
}

// Whatever is sent, a proposal is made or refused, and never panics.
func FuzzPropose(f *testing.F) {
	for _, seed := range []string{unknownExport, `{"hits":{"hits":[{"_source":{"reference":"1","a":{"b":[1,2]}}}]}}`, "<a><r><x>1</x><y>2</y><z>3</z></r></a>", "- reference: 1\n  description: x\n", "a,b\n1,2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		open := textFile(string(text))
		p, err := feed.Propose(open, alerts.Proposal{})
		if err != nil {
			return
		}
		r, _ := open()
		if _, err := feed.Try(p, r); err == nil {
			d, err := feed.Declare(p)
			if err != nil {
				t.Fatalf("tried, but not declared: %v", err)
			}
			if _, err := feed.Parse(d.Written(p.Codes)); err != nil {
				t.Fatalf("what is written cannot be read: %v in\n%s", err, d.Written(p.Codes))
			}
		}
	})
}
