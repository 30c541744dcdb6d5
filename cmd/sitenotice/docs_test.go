package main

import (
	"os"
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
