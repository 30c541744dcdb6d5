package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// CopyTo writes a copy of a SQLite database to a file that does not exist, as it is
// at one moment, while it is in use.
func (s *Store) CopyTo(ctx context.Context, path string) error {
	if s.dialect.engine != "sqlite" {
		return errors.New("only SQLite is copied like this")
	}
	// Made first, so that nobody else can read it at any moment.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return fmt.Errorf("copy the database %s: %w", redact(s.dsn), err)
	}
	if f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// CheckCopy reads a copy through and says whether it is whole.
func CheckCopy(ctx context.Context, path string) error {
	db, err := sql.Open(sqlite.driver, "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&immutable=1")
	if err != nil {
		return err
	}
	defer db.Close()
	found, err := collect(ctx, db, func(rows *sql.Rows) (line string, err error) { return line, rows.Scan(&line) }, `PRAGMA integrity_check(3)`)
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] != "ok" {
		return errors.New(strings.Join(found, "; "))
	}
	return nil
}
