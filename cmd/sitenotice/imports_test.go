package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sitenotice/sitenotice/"

// arrows says which of our packages each package may import. Those that only tests
// use are left out; so is cmd/sitenotice, the only place that wires.
var arrows = map[string][]string{
	"geo":                 {},
	"migrations":          {},
	"geo/postcode":        {"geo"},
	"alerts":              {"alerts/wording", "geo"},
	"alerts/wording":      {},
	"alerts/feed":         {"alerts", "geo"},
	"alerts/ingest":       {"alerts", "alerts/feed", "geo"},
	"alerts/match":        {"alerts", "geo"},
	"alerts/compose":      {"alerts", "alerts/wording", "geo"},
	"alerts/deliver":      {"alerts"},
	"alerts/audit":        {"alerts", "geo"},
	"alerts/store":        {"alerts", "geo", "migrations"},
	"web":                 {"alerts", "alerts/wording", "geo", "geo/postcode", "web/api"},
	"web/api":             {"alerts", "geo", "geo/postcode"},
	"cmd/sitenotice":      nil,
	"cmd/sitenotice/demo": nil,
}

// forTests are packages that only tests import.
var forTests = []string{"alerts/store/storetest", "alerts/deliver/delivertest", "web/browsertest"}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && file != root) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		folder := path.Dir(filepath.ToSlash(relative))
		if slices.Contains(forTests, folder) {
			return nil
		}
		allowed, known := arrows[folder]
		if !known {
			t.Errorf("%s: the package %s is not in the design", relative, folder)
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, isOurs := strings.CutPrefix(imported, module)
			switch {
			case isOurs && slices.Contains(forTests, ours):
				t.Errorf("%s imports %s, which is for tests", relative, ours)
			case isOurs && allowed != nil && !slices.Contains(allowed, ours):
				t.Errorf("%s imports %s; %s may import %s", relative, ours, folder, strings.Join(allowed, ", "))
			case imported == "database/sql" && folder != "alerts/store":
				t.Errorf("%s imports database/sql: every SQL statement belongs in alerts/store", relative)
			case imported == "C":
				t.Errorf("%s needs cgo", relative)
			case imported == "net/http" && folder == "alerts":
				t.Errorf("%s imports net/http: rules read nothing but their arguments", relative)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheTopLevelIsTheDesigns(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"alerts", "cmd", "docs", "geo", "migrations", "web", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "sitenotice", "sitenotice-data"}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s is at the top level", e.Name())
		}
	}
}
