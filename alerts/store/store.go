// Package store keeps everything in a database: SQLite in a data directory, or
// PostgreSQL. It holds every SQL statement of the program and supplies the
// transaction around each rule of package alerts; it decides nothing itself.
//
// Each file serves one stage or audience and is named for it.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/migrations"
)

// A Store is an open database. Its methods may be called from several goroutines
// and, on PostgreSQL, from several processes and machines.
type Store struct {
	ApproximatePlaces bool // keep the places that people follow to about 100 m only; set before use

	write, read *sql.DB
	dialect     dialect
	dsn         string
	present     present
}

// Open opens the database named by dsn, "sqlite:PATH" or "postgres://…". A SQLite
// file that does not exist is created; its folder must exist. Call [Store.Migrate]
// before anything else.
func Open(ctx context.Context, dsn string) (*Store, error) {
	d := sqlite
	switch {
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		d = postgres
	case !strings.HasPrefix(dsn, "sqlite:"):
		return nil, fmt.Errorf("open database: %q is neither sqlite:PATH nor postgres://…", redact(dsn))
	}
	write, read, err := d.open(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", redact(dsn), err)
	}
	return &Store{write: write, read: read, dialect: d, dsn: dsn}, nil
}

// redact removes the user and password from a data source name.
func redact(dsn string) string {
	if scheme, rest, ok := strings.Cut(dsn, "://"); ok {
		if i := strings.LastIndex(rest, "@"); i >= 0 {
			return scheme + "://…" + rest[i:]
		}
	}
	return dsn
}

// Close waits for running statements and closes the database.
func (s *Store) Close() error {
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// Engine names the database engine: "sqlite" or "postgres".
func (s *Store) Engine() string { return s.dialect.engine }

// Migrate brings the schema up to date and returns how many files were applied.
// Several processes may call it at once; one does the work and the others wait.
// Where there is nothing to do nobody waits for anybody.
func (s *Store) Migrate(ctx context.Context) (applied int, err error) {
	files, err := fs.Sub(migrations.Files, s.dialect.engine)
	if err != nil {
		return 0, err
	}
	// Files that were written side by side may arrive in another order than their
	// numbers; none builds on another's.
	options := []goose.ProviderOption{goose.WithAllowOutofOrder(true)}
	if s.Ping(ctx) == nil { // there is a schema, so asking what it lacks makes nothing
		provider, err := goose.NewProvider(s.dialect.goose, s.write, files, options...)
		if err != nil {
			return 0, fmt.Errorf("migrate: %w", err)
		}
		if err := s.refuseNewer(ctx, provider); err != nil {
			return 0, err
		}
		if pending, err := provider.HasPending(ctx); err == nil && !pending {
			return 0, nil
		}
	}
	if s.dialect.engine == "postgres" {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // asked for every second, for five minutes
		if err != nil {
			return 0, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	} else {
		unlock, err := s.lockMigration(ctx)
		if err != nil {
			return 0, err
		}
		defer unlock()
	}
	provider, err := goose.NewProvider(s.dialect.goose, s.write, files, options...)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	if err := s.refuseNewer(ctx, provider); err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return len(results), fmt.Errorf("bring the database %s up to date: %w", redact(s.dsn), err)
	}
	return len(results), nil
}

// refuseNewer returns an error if the database has a schema that this program does
// not know: it must not touch it.
func (s *Store) refuseNewer(ctx context.Context, provider *goose.Provider) error {
	have, know, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("look at the schema of the database %s: %w", redact(s.dsn), err)
	}
	if have > know {
		return fmt.Errorf("the database %s was made by a newer version of sitenotice (its schema is %d, this program knows %d): start that version again, or restore the backup from before the upgrade; nothing was changed", redact(s.dsn), have, know)
	}
	return nil
}

// lockMigration keeps other processes from migrating the same SQLite file: they
// wait for a write transaction on a small file beside it.
func (s *Store) lockMigration(ctx context.Context) (unlock func(), err error) {
	db, err := sql.Open(s.dialect.driver, "file:"+strings.TrimPrefix(s.dsn, "sqlite:")+".migrating?_pragma=busy_timeout(60000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("lock the database for migration: %w", err)
	}
	return func() { tx.Rollback(); db.Close() }, nil
}

// inTx runs fn in a write transaction and commits unless fn returns an error.
func (s *Store) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	step("before")
	defer step("after")
	return tx.Commit()
}

// A querier is a database or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads all rows of a query through scan.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// one turns "no row" into alerts.ErrNotFound.
func one(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.ErrNotFound
	}
	return err
}

// list is a JSON array, to be unpacked with json_each.
func list[T any](items []T) string {
	if items == nil {
		return "[]"
	}
	b, err := json.Marshal(items)
	if err != nil {
		panic(err) // slices of integers and strings cannot fail
	}
	return string(b)
}

// asText returns details as they are stored.
func asText(d *alerts.Details) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("store %s: %v", d.Reference, err)) // only NaN can do this; adapters refuse it
	}
	return string(b)
}

// asJSON stores a value as JSON text and reads it back; SQL NULL is the zero value.
type asJSON[T any] struct{ V *T }

func (j asJSON[T]) Value() (driver.Value, error) {
	if j.V == nil {
		return nil, nil
	}
	b, err := json.Marshal(j.V)
	return string(b), err
}

func (j asJSON[T]) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(src), j.V)
	case []byte:
		return json.Unmarshal(src, j.V)
	}
	return fmt.Errorf("read JSON from %T", src)
}
