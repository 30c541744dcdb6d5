package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	notADatabase := filepath.Join(t.TempDir(), "letter.db")
	if err := os.WriteFile(notADatabase, []byte(strings.Repeat("Dear Sir or Madam, ", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dsn, want string }{
		{"mysql://x", "neither sqlite:PATH nor postgres"},
		{"sqlite:" + filepath.Join(t.TempDir(), "absent", "x.db"), "does not exist"},
		{"sqlite:" + notADatabase, "not a database"},
		{"postgres://nobody:secret@127.0.0.1:1/none?connect_timeout=2", "127.0.0.1:1"},
	} {
		_, err := store.Open(context.Background(), c.dsn)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%q) = %v, want an error with %q", c.dsn, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestANewDatabaseIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sitenotice.db")
	s, err := store.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestHintSaysWhatToDo(t *testing.T) {
	_, err := store.Open(context.Background(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=2")
	if hint := store.Hint(err); !strings.Contains(hint, "is it running") {
		t.Errorf("Hint(%v) = %q", err, hint)
	}
	if store.Hint(context.Canceled) != "" {
		t.Error("a cancelled context is no fault of the database")
	}
}

func TestSeveralStartersMigrateOnce(t *testing.T) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			var wg sync.WaitGroup
			var applied [4]int
			for i := range applied {
				wg.Go(func() {
					s, err := store.Open(t.Context(), e.DSN)
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					if applied[i], err = s.Migrate(t.Context()); err != nil {
						t.Errorf("starter %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			starters := 0
			for _, n := range applied {
				if n > 0 {
					starters++
				}
			}
			if starters != 1 {
				t.Errorf("%d starters applied migrations, want 1 (%v)", starters, applied)
			}
		})
	}
}
