package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3/database"

	"github.com/sitenotice/sitenotice/alerts"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	driver "modernc.org/sqlite"        // the driver "sqlite"
	codes "modernc.org/sqlite/lib"
)

// A dialect is the complete list of differences between the engines. All other
// SQL is one text for both: $1 parameters in order of appearance, ON CONFLICT,
// RETURNING, IS DISTINCT FROM, lists as one JSON parameter through json_each.
type dialect struct {
	engine      string // also the directory under migrations/
	driver      string
	goose       database.Dialect
	forUpdate   string                                                            // appended to a SELECT in a transaction that will change the row; SQLite's write transactions are exclusive anyway
	skipLocked  string                                                            // appended to a SELECT that claims rows
	intValue    string                                                            // the value column of json_each as an integer
	parameter   func(n int) string                                                // the n-th of a statement with very many; numbered ones take SQLite's parser time that grows with the square of their number
	insertInto  string                                                            // begins a statement of many rows. When a row cannot be inserted the transaction is given up; with OR FAIL SQLite keeps no copies of pages so as to take back the statement alone
	scrub       string                                                            // run after an erasure, so that no old copy of a page stays in the journal
	copyMatches func(ctx context.Context, db *sql.DB, batch []alerts.Match) error // quicker than statements of many rows; nil where there is nothing quicker
	search      string                                                            // the ids of at most $2 applications, the latest first, with every word of $1
	word        func(word string, begins bool) string                             // one word of that, joined by and
	and         string
	tidySearch  string // merges at most $1 pages of the index of words; empty where nothing need be merged
}

var (
	sqlite = dialect{engine: "sqlite", driver: "sqlite", goose: database.DialectSQLite3, intValue: "value",
		parameter: func(int) string { return "?" }, insertInto: "INSERT OR FAIL INTO", scrub: "PRAGMA wal_checkpoint(TRUNCATE)",
		search: `SELECT rowid FROM application_search WHERE application_search MATCH $1 ORDER BY rowid DESC LIMIT $2`, and: " AND ",
		tidySearch: `INSERT INTO application_search (application_search, rank) VALUES ('merge', $1)`,
		word:       func(word string, begins bool) string { return `"` + word + `"` + map[bool]string{true: "*"}[begins] }}

	postgres = dialect{engine: "postgres", driver: "pgx", goose: database.DialectPostgres,
		forUpdate: " FOR UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED", intValue: "value::bigint",
		parameter: func(n int) string { return "$" + strconv.Itoa(n) }, insertInto: "INSERT INTO",
		copyMatches: copyMatches,
		search:      `SELECT id FROM application WHERE words @@ to_tsquery('simple', $1) ORDER BY id DESC LIMIT $2`, and: " & ",
		word: func(word string, begins bool) string { return "'" + word + "'" + map[bool]string{true: ":*"}[begins] }}
)

// open returns a pool for writing and one for reading; on PostgreSQL they are
// the same.
func (d dialect) open(ctx context.Context, dsn string) (write, read *sql.DB, err error) {
	if d.engine == "postgres" {
		db, err := sql.Open(d.driver, dsn)
		if err != nil {
			return nil, nil, err
		}
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16) // by default all but two would be closed after use, with the statements they have prepared
		return db, db, db.PingContext(ctx)
	}
	path := strings.TrimPrefix(dsn, "sqlite:")
	if dir := filepath.Dir(path); dir != "." {
		if _, err := os.Stat(dir); err != nil {
			return nil, nil, fmt.Errorf("the folder %s does not exist or cannot be read; create it, or name another with --data", dir)
		}
	}
	// A new file is its owner's alone, whatever the folder is; SQLite gives the journal
	// the same rights.
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
		f.Close()
	}
	name := func(pragmas ...string) string {
		q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{
			"busy_timeout(10000)", "foreign_keys(1)", "secure_delete(1)", "temp_store(2)", "journal_size_limit(67108864)"}, pragmas...)}
		return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	}
	if write, err = sql.Open(d.driver, name("journal_mode(WAL)", "synchronous(FULL)", "cache_size(-32768)", "wal_autocheckpoint(4000)")); err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1) // SQLite has one writer; waiting here is fairer than in its busy handler
	if err := pingNew(ctx, write); err != nil {
		write.Close()
		return nil, nil, err
	}
	if read, err = sql.Open(d.driver, name("query_only(1)", "cache_size(-8192)")); err != nil {
		write.Close()
		return nil, nil, err
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	return write, read, nil
}

// pingNew connects to a SQLite file. While others make it a database with a
// write-ahead log at the same moment, SQLite says that it is locked without waiting
// as busy_timeout tells it to.
func pingNew(ctx context.Context, db *sql.DB) (err error) {
	for range 100 {
		var busy *driver.Error
		if err = db.PingContext(ctx); !errors.As(err, &busy) || busy.Code()&0xff != codes.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}
