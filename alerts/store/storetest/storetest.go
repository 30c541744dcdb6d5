// Package storetest gives tests a fresh database of each engine: a SQLite file,
// and a database in a throw-away PostgreSQL cluster that is started on first use
// and stopped when the test process ends. Nothing has to be prepared.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// An Engine is one kind of database with a fresh, empty one to use.
type Engine struct {
	Name string // "sqlite" or "postgres"
	DSN  string // as store.Open wants it
}

// Engines returns a fresh database of each engine. They are removed when the test
// ends. Under the race detector there is PostgreSQL only: several connections work on
// it at once, while SQLite, itself Go that the detector slows down tenfold, has one
// writer at a time.
func Engines(t testing.TB) []Engine {
	t.Helper()
	postgres := Engine{"postgres", PostgresURL(t)}
	if raced {
		return []Engine{postgres}
	}
	return []Engine{{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "sitenotice.db")}, postgres}
}

var databases atomic.Int64

// PostgresURL makes an empty database in the cluster and returns its data source
// name. The test fails, and says what to install, when there is no PostgreSQL.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base, err := cluster()
	if err != nil {
		t.Fatalf("start a PostgreSQL for the tests: %v", err)
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))
	if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("make a database for the test: %v", err)
	}
	t.Cleanup(func() {
		admin, err := sql.Open("pgx", base)
		if err == nil {
			_, err = admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
			admin.Close()
		}
		if err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	dsn, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	dsn.Path = "/" + name
	return dsn.String()
}
