package feed_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

// sample is the declaration that reads a sample: a preset, or one like a shape.
func sample(t testing.TB, name string) *feed.Declaration {
	t.Helper()
	if _, ok := feed.Preset(name); ok {
		return preset(t, name)
	}
	d, err := feed.Parse([]byte("feed: village\nlike: " + name + "\nauthority: {slug: village, name: Village Council}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The figures were counted by a script that shares nothing with this program.
func TestEverySampleIsReadWhole(t *testing.T) {
	const iom = "feeds/isle-of-man/annual/"
	type figures struct{ rows, faulty, located, boundaries, deadlines, decided, withdrawn int }
	for _, c := range []struct {
		declaration, adapter, encoding, file string
		want                                 figures
	}{
		{"camden", "", "", "feeds/camden/2eiu-s2cw.RECONSTRUCTED-one-row.json", figures{1, 0, 1, 0, 0, 1, 0}},
		{"london", "london-saved", "", "feeds/london-pld/recent-a.json", figures{250, 0, 226, 0, 132, 0, 0}},
		{"london", "london-saved", "", "feeds/london-pld/all_in_specific_time_in_past.json", figures{68, 0, 68, 0, 0, 0, 0}},
		{"london", "london-document", "", "feeds/london-pld/Camden-2025_0225_P.json", figures{1, 0, 1, 1, 1, 0, 0}},
		{"lga", "lga", "", "feeds/lga/example-planning-applications.csv", figures{25, 0, 22, 0, 25, 24, 1}},
		{"doncaster", "", "", "feeds/doncaster/doncaster-conditions-data-2023-planning-application.csv", figures{1126, 0, 0, 0, 0, 1126, 0}},
		{"openaustralia", "openaustralia-yaml", "", "feeds/openaustralia/hobart.expected.yml", figures{34, 0, 0, 0, 0, 0, 0}},
		{"openaustralia", "openaustralia-yaml", "", "feeds/openaustralia/swan.expected.yml", figures{93, 0, 0, 0, 0, 0, 0}},
		{"openaustralia", "openaustralia-xml", "", "feeds/openaustralia/brisbane.xml", figures{4, 0, 0, 0, 4, 0, 0}},
		{"isle-of-man", "applications", "", iom + "2011-planning-applications.csv", figures{1825, 0, 0, 0, 0, 1761, 64}},
		{"isle-of-man", "applications", "", iom + "2013-planning-applications.csv", figures{1465, 0, 0, 0, 0, 1430, 35}},
		{"isle-of-man", "applications", "mac-roman", iom + "2016-planning-applications.csv", figures{1371, 0, 0, 0, 0, 1336, 35}},
		{"isle-of-man", "applications", "", iom + "2019-planning-applications.csv", figures{1419, 0, 0, 0, 0, 1383, 36}},
		{"isle-of-man", "applications", "", iom + "2023-planning-applications.csv", figures{1387, 0, 0, 0, 0, 1347, 40}},
		{"isle-of-man", "delegated", "", iom + "2011-delegated-decisions.csv", figures{1542, 0, 0, 0, 0, 1542, 0}},
		{"isle-of-man", "delegated", "", iom + "2013-delegated-decisions.csv", figures{1150, 0, 0, 0, 0, 1150, 0}},
		{"isle-of-man", "delegated", "cp850", iom + "2016-delegated-decisions.csv", figures{1114, 0, 0, 0, 0, 1114, 0}},
		{"isle-of-man", "delegated", "", iom + "2019-delegated-decisions.csv", figures{1170, 0, 0, 0, 0, 1169, 1}},
		{"isle-of-man", "delegated", "", iom + "2023-delegated-decisions.csv", figures{1387, 0, 0, 0, 0, 1347, 40}},
		{"isle-of-man", "appeals", "", iom + "2011-appeals.csv", figures{224, 0, 0, 0, 0, 223, 1}},
		{"isle-of-man", "appeals", "", iom + "2013-appeals.csv", figures{161, 0, 0, 0, 0, 158, 3}},
		{"isle-of-man", "appeals", "", iom + "2016-appeals.csv", figures{75, 0, 0, 0, 0, 75, 0}},
		{"isle-of-man", "appeals", "cp850", iom + "2019-appeals.csv", figures{75, 0, 0, 0, 0, 75, 0}},
		{"isle-of-man", "appeals", "mac-roman", iom + "2023-appeals.csv", figures{70, 0, 0, 0, 0, 70, 0}},
	} {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			d := sample(t, c.declaration)
			if err := d.Encode(c.adapter, c.encoding); err != nil {
				t.Fatal(err)
			}
			var got figures
			count := func(row feed.Row) error {
				if d := &row.Record.Details; len(row.Faults) == 0 {
					if d.Decided != "" {
						got.decided++
					}
					if d.IsWithdrawn() {
						got.withdrawn++
					}
				}
				return nil
			}
			if err := d.Read(c.adapter, shared(t, c.file), count); err != nil {
				t.Fatal(err)
			}
			report, err := d.Check(c.adapter, shared(t, c.file))
			if err != nil || report.Broken != "" {
				t.Fatalf("%v\n%s", err, report)
			}
			got.rows, got.faulty, got.located, got.boundaries, got.deadlines = report.Rows, report.Faulty, report.Located, report.Boundaries, report.Deadlines
			if strings.HasPrefix(c.file, "feeds/london-pld") {
				got.decided, got.withdrawn = 0, 0 // London's have no dates that the others' columns could be counted by
			}
			if got != c.want {
				t.Errorf("%+v, want %+v\n%s", got, c.want, report)
			}
			// Three files hold a control byte, which is left out of what is kept; it is reported all the same.
			control := map[string]string{"2013-appeals.csv": "U+0016", "2013-planning-applications.csv": "U+0016",
				"doncaster-conditions-data-2023-planning-application.csv": "U+0010"}[filepath.Base(c.file)]
			if odd := report.Characters; control != "" {
				if len(odd) != 1 || odd[0].Name() != control {
					t.Errorf("the control byte %s is not reported: %+v", control, odd)
				}
			} else if len(odd) > 0 {
				t.Errorf("the encoding is wrong: %+v", odd)
			}
		})
	}
}

// An encoding that is declared wrongly shows in the report.
func TestAWrongEncodingIsReported(t *testing.T) {
	for file, adapter := range map[string]string{"2016-planning-applications.csv": "applications", "2016-delegated-decisions.csv": "delegated", "2023-appeals.csv": "appeals"} {
		report, err := preset(t, "isle-of-man").Check(adapter, shared(t, "feeds/isle-of-man/annual/"+file))
		if err != nil || len(report.Characters) == 0 {
			t.Errorf("%s: %v %+v", file, err, report.Characters)
		}
	}
}

// Text that was taken for another encoding twice over is valid UTF-8, and shows only in
// characters that nobody writes.
func TestDoubleEncodingIsReported(t *testing.T) {
	d, err := feed.Parse([]byte("feed: island\nauthority: {slug: island, name: Island}\nadapters: [{name: a, format: csv, columns: {reference: Ref, description: Proposal}}]"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := d.Check("", strings.NewReader("Ref,Proposal\n19/1,New man\u008age\n"))
	if err != nil || report.Good != 1 || len(report.Characters) != 1 || report.Characters[0].Name() != "U+008A" || !strings.HasPrefix(report.Characters[0].Example, "man") {
		t.Errorf("%v %+v", err, report)
	}
}

func TestWeeklyListsAreReadWhole(t *testing.T) {
	shared(t, "feeds/isle-of-man/weekly/2023-01-06-planning-applications.csv")
	files, err := filepath.Glob(filepath.Join(os.Getenv("SITENOTICE_SHARED"), "feeds/isle-of-man/weekly/*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, references := 0, map[string]bool{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		err = preset(t, "isle-of-man").Read("weekly", f, func(row feed.Row) error {
			rows++
			references[row.Record.SourceKey] = true
			if len(row.Faults) > 0 || row.Record.Details.Received == "" || strings.Contains(row.Record.Details.Description, `\n`) {
				t.Errorf("%s: %+v", name, row)
			}
			return nil
		})
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(files) != 52 || rows != 1335 || len(references) != 1247 {
		t.Errorf("%d files with %d rows of %d references", len(files), rows, len(references))
	}
}

// archive packs files as a publisher would.
func archive(t testing.TB, files map[string]io.Reader) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, r := range files {
		w, err := z.Create("datasets/" + name)
		if err == nil {
			_, err = io.Copy(w, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestLinkedTablesOfTheSpecification(t *testing.T) {
	files := map[string]io.Reader{}
	for _, name := range []string{"planning-application.csv", "site.csv", "decision-notice.csv", "planning-permission-timeline.csv"} {
		files[name] = shared(t, "feeds/digital-land/datasets/"+name)
	}
	byReference := map[string]alerts.Details{}
	var faulty []string
	decided, valid, until := 0, 0, 0
	err := sample(t, "specification").Read("", archive(t, files), func(row feed.Row) error {
		d := row.Record.Details
		if len(row.Faults) > 0 {
			faulty = append(faulty, d.Reference)
			return nil
		}
		byReference[d.Reference] = d
		if d.Decision != "" {
			decided++
		}
		if d.Valid != "" {
			valid++
		}
		if d.CommentsUntil != "" {
			until++
		}
		if len(row.Unmapped) > 0 {
			t.Errorf("%s: %v", d.Reference, row.Unmapped)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Two rows have "major" for an officer, and two another reference for the date of withdrawal: their cells have shifted.
	if strings.Join(faulty, " ") != "2012/2584 2026/0692 DC/15/092295 DC/16/097629" || len(byReference) != 17 {
		t.Errorf("%d good rows, and faults in %v", len(byReference), faulty)
	}
	first := byReference["132900/LPL/2022"]
	if first.Decision != alerts.DecisionApproved || first.Decided != "2022-05-16" || first.Postcode != "M23 0LH" || first.Received != "2022-03-21" ||
		first.Valid != "2022-03-21" || first.Kind != alerts.KindLawfulProposed || !strings.HasPrefix(first.Address, "St Michael") {
		t.Errorf("%+v", first)
	}
	if decided != 16 || valid != 16 || until != 6 {
		t.Errorf("%d decided, %d valid, %d with a deadline", decided, valid, until)
	}
}

func TestALifeOfAnApplicationOfOpenDigitalPlanning(t *testing.T) {
	for file, want := range map[string]alerts.Details{
		"01-submission":                       {Status: alerts.StatusReceived},
		"02-validation-01-invalid":            {Status: alerts.StatusInvalid},
		"03-consultation":                     {Status: alerts.StatusConsultation, CommentsUntil: "2024-03-11"},
		"04-assessment-01-council-determined": {Status: alerts.StatusDecided, Decision: alerts.DecisionApproved, CommentsUntil: "2024-03-11"},
		"05-appeal-03-appeal-determined":      {Status: alerts.StatusAppealLodged, Decision: alerts.DecisionApproved, AppealDecision: alerts.AppealAllowed, CommentsUntil: "2024-03-11"},
	} {
		n := 0
		err := sample(t, "odp").Read("", shared(t, "feeds/odp/postSubmissionApplication/planningPermission/fullHouseholder-"+file+".json"), func(row feed.Row) error {
			n++
			d := row.Record.Details
			if len(row.Faults) > 0 || d.Reference != "ABC-123-XYZ" || d.Kind != alerts.KindHouseholder || d.Site.Method != alerts.MethodBoundary || d.Postcode != "SW9 9RZ" {
				t.Errorf("%s: %+v", file, row)
			}
			if d.Status != want.Status || d.Decision != want.Decision || d.AppealDecision != want.AppealDecision || d.CommentsUntil != want.CommentsUntil {
				t.Errorf("%s: %s, %s, %s, until %s", file, d.Status, d.Decision, d.AppealDecision, d.CommentsUntil)
			}
			return nil
		})
		if err != nil || n != 1 {
			t.Errorf("%s: %d records (%v)", file, n, err)
		}
	}
}
