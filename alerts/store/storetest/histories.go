package storetest

import (
	"flag"
	"strconv"
	"testing"
)

// Histories sets how many random histories the property tests of a test try,
// unless the command line says so with -rapid.checks.
func Histories(t testing.TB, n int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if was != f.DefValue {
		return
	}
	if testing.Short() {
		n = max(1, n/4)
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) })
}
