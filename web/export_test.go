package web

import "testing"

// WithoutMap runs the rest of a test as if the scripts that draw maps had not been
// there when the program was built.
func WithoutMap(t testing.TB) {
	for _, name := range append([]string{mapStyle}, mapScripts...) {
		if kept, ok := assets[name]; ok {
			delete(assets, name)
			t.Cleanup(func() { assets[name] = kept })
		}
	}
}
