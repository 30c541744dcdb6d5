package geo_test

import (
	"os"
	"path/filepath"
	"testing"
)

// shared gives the path of a file of real data, which is not kept here. With
// SITENOTICE_SHARED set the file must exist.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("SITENOTICE_SHARED")
	if root == "" {
		t.Skip("SITENOTICE_SHARED is not set: it names the folder with test points and boundaries")
	}
	path := filepath.Join(append([]string{root, "geo"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("SITENOTICE_SHARED is set, but %v", err)
	}
	return path
}
