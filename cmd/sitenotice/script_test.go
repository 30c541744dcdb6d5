package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sitenotice": main})
}

// The scripts in testdata/script run the real command, each on both engines.
func TestCommand(t *testing.T) {
	inFull(t)
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		t.Log("SITENOTICE_SHARED is not set: the scripts that read the sample files are skipped")
	} else if abs, err := filepath.Abs(shared); err == nil {
		shared = abs
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: "testdata/script",
				Setup: func(env *testscript.Env) error {
					env.Setenv("SITENOTICE_DATA", filepath.Join(env.WorkDir, "data"))
					env.Setenv("SHARED", shared)
					if engine == "postgres" {
						env.Setenv("SITENOTICE_DB", storetest.PostgresURL(env.T().(testing.TB)))
						env.Setenv("SITENOTICE_KEYS", alerts.NewKeys())
					}
					return nil
				},
				Condition: func(condition string) (bool, error) {
					switch condition {
					case "shared":
						return shared != "", nil
					case "sqlite", "postgres":
						return condition == engine, nil
					}
					return false, errors.New("no such condition")
				},
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"status": status,
					"json":   isJSON,
				},
				RequireExplicitExec: true,
			})
		})
	}
}

// status runs a command that must exit with a status: status 2 sitenotice …
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// isJSON checks that the last command printed one JSON value, and that it holds
// each of the texts given.
func isJSON(ts *testscript.TestScript, _ bool, args []string) {
	out := ts.ReadFile("stdout")
	if !json.Valid([]byte(out)) {
		ts.Fatalf("this is no JSON: %s", out)
	}
	for _, want := range args {
		if !strings.Contains(out, want) {
			ts.Fatalf("%s is not in %s", want, out)
		}
	}
}

// inFull leaves a test to the full run: it takes long, and the race detector would
// find nothing in it that it does not find elsewhere.
func inFull(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("left to the full run")
	}
}
