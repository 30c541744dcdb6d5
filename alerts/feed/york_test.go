package feed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/feed"
)

// shared opens a file of the shared samples. Where they are named they must be
// there; where they are not, the test says that it is skipped.
func shared(t testing.TB, path string) *os.File {
	t.Helper()
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not here")
	}
	f, err := os.Open(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func preset(t testing.TB, name string) *feed.Declaration {
	t.Helper()
	text, ok := feed.Preset(name)
	if !ok {
		t.Fatalf("there is no preset %q", name)
	}
	d, err := feed.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestYorkRegisterIsReadWhole(t *testing.T) {
	report, err := preset(t, "york").Check("york", shared(t, "feeds/york/Planning_Applications.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Rows != 2227 || report.Located != 2227 || report.Faulty != 0 || report.Duplicates != 0 || report.Broken != "" {
		t.Errorf("%s", report)
	}
	if report.Earliest != "2025-02-05" || report.Latest != "2026-02-04" {
		t.Errorf("received from %s to %s", report.Earliest, report.Latest)
	}
	var unmapped []string
	for _, u := range report.Unmapped() {
		unmapped = append(unmapped, u.Field+" "+u.Code)
	}
	want := []string{"decision AR", "decision AWC", "decision HH", "decision RC", "status AR", "status AWC", "status HH", "status RC"}
	if len(unmapped) != len(want) {
		t.Errorf("unmapped: %v, want %v", unmapped, want)
	}
	codes := map[string]int{}
	for _, u := range report.Codes {
		codes[u.Field]++
	}
	if codes["status"] != 24 || codes["decision"] != 19 || codes["kind"] != 27 {
		t.Errorf("distinct codes: %v", codes)
	}
}

func TestYorkSnapshotIsReadWhole(t *testing.T) {
	report, err := preset(t, "york").Check("york-json", shared(t, "feeds/york/weekly/york-2026-02-11.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Rows != 2225 || report.Faulty != 0 || report.Broken != "" {
		t.Errorf("%s", report)
	}
}
