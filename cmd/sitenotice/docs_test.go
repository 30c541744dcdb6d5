package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The commands and targets that the documents name are ones that exist.
func TestTheDocumentsNameRealCommands(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	quoted := regexp.MustCompile(`"[^"]*"|'[^']*'`)
	comment := regexp.MustCompile(`\s+#.*$`)
	target := regexp.MustCompile(`\bmake ([a-z]+)\b`)
	commands := 0
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
				words := strings.Fields(comment.ReplaceAllString(quoted.ReplaceAllString(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "QUOTED"), ""))
				for len(words) > 0 && strings.Contains(words[0], "=") { // variables before the command
					words = words[1:]
				}
				if len(words) < 2 || filepath.Base(words[0]) != "sitenotice" {
					continue
				}
				commands++
				if err := parses(words[1:]); err != nil {
					t.Errorf("%s: %s: %v", filepath.Base(file), strings.Join(words, " "), err)
				}
			}
			for _, named := range target.FindAllStringSubmatch(m[1], -1) {
				if !strings.Contains(string(makefile), "\n"+named[1]+":") {
					t.Errorf("%s: there is no target %s", filepath.Base(file), named[1])
				}
			}
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands were found in the documents", commands)
	}
}

// parses checks a command line; whether the files that it names are there does not
// matter.
func parses(args []string) error {
	parser, err := kong.New(&commands{}, kong.Exit(func(int) {}), kong.NamedMapper("existingfile", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var name string
		err := ctx.Scan.PopValueInto("file", &name)
		target.SetString(name)
		return err
	})))
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	return err
}

// Each of the ten things that people ask for most has a test that bears its name.
func TestWhatPeopleAskForHasTests(t *testing.T) {
	root := filepath.Join("..", "..")
	doc, err := os.ReadFile(filepath.Join(root, "docs", "asked-for.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (TestAskedFor\w+)\(`)
	if err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "node_modules":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| \d+ \|.*$`).FindAllString(string(doc), -1)
	if len(rows) != 10 {
		t.Errorf("%d wishes, want ten", len(rows))
	}
	named := regexp.MustCompile("`(TestAskedFor\\w+)`")
	for _, row := range rows {
		found := named.FindAllStringSubmatch(row, -1)
		if len(found) == 0 {
			t.Errorf("no test: %s", row)
		}
		for _, m := range found {
			if !tests[m[1]] {
				t.Errorf("there is no test %s", m[1])
			}
			delete(tests, m[1])
		}
	}
	for name := range tests {
		t.Errorf("%s is not in docs/asked-for.md", name)
	}
}

// So are the commands within sentences, as far as they go, and the settings.
func TestTheDocumentsNameRealSettingsAndCommandsInSentences(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	deploy, err := filepath.Glob(filepath.Join("..", "..", "docs", "deploy", "*"))
	if err != nil || len(deploy) < 2 {
		t.Fatal(deploy, err)
	}
	parser, err := kong.New(&commands{}, kong.DefaultEnvars("SITENOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]bool{"SITENOTICE_SHARED": true, "SITENOTICE_MISSING": true} // of the tests
	for _, flag := range parser.Model.AllFlags(false) {
		for _, f := range flag {
			for _, name := range f.Envs {
				settings[name] = true
			}
		}
	}
	named := regexp.MustCompile(`SITENOTICE_[A-Z][A-Z_]*[A-Z]`)
	inline := regexp.MustCompile("`sitenotice ([a-z][^`]*)`")
	quoted := regexp.MustCompile(`"[^"]*"|'[^']*'`)
	commands, variables := 0, 0
	for _, file := range append(append(files, deploy...), filepath.Join("..", "..", "README.md")) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(b), -1) {
			variables++
			if !settings[name] && !strings.HasPrefix(name, "SITENOTICE_FEED_") { // those are named by declarations
				t.Errorf("%s names %s, which is no setting", filepath.Base(file), name)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(string(b), -1) {
			words := strings.Fields(quoted.ReplaceAllString(strings.TrimRight(strings.NewReplacer("NUMBER", "7", "STAGE", "match").Replace(m[1]), " …"), "QUOTED"))
			commands++
			if err := parses(words); err != nil && !strings.Contains(err.Error(), "expected ") && !strings.HasPrefix(err.Error(), "missing flags: ") {
				t.Errorf("%s: sitenotice %s: %v", filepath.Base(file), strings.Join(words, " "), err)
			}
		}
	}
	if commands < 20 || variables < 10 {
		t.Errorf("only %d commands and %d settings were found", commands, variables)
	}
}

// The unit is one that systemd understands, and gives few rights.
func TestTheUnitIsUnderstoodAndHardened(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy", "sitenotice.service"))
	if err != nil {
		t.Fatal(err)
	}
	// The program is not installed here; anything that can be run stands for it.
	unit := filepath.Join(t.TempDir(), "sitenotice.service")
	if err := os.WriteFile(unit, []byte(strings.Replace(string(b), "/usr/local/bin/sitenotice serve", "/bin/sh", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
		t.Errorf("its exposure is above 1.5: %v\n%s", err, out)
	}
}
