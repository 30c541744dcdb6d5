package store

import (
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// Hint says in a sentence what a person can do about a fault of the database
// itself (a full disk, a file that cannot be read, a server that does not answer);
// empty when err is nothing of the kind. In none of these cases is anything lost
// that was stored: a transaction that did not commit did not happen.
func Hint(err error) string {
	var lite *driver.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff { // the low byte is the primary code
		case codes.SQLITE_FULL:
			return "the disk is full: free some space and start again; nothing that was stored is harmed"
		case codes.SQLITE_READONLY, codes.SQLITE_PERM:
			return "the database cannot be written to: check who owns the data folder, and that its disk can be written to"
		case codes.SQLITE_CANTOPEN:
			return "the database cannot be opened: check that the data folder exists, who owns it, and that its disk can be written to"
		case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
			return "another program holds the database: wait for it, or stop it, and try again"
		case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
			return "the file is damaged or is no SQLite database: move it aside and restore the last backup"
		case codes.SQLITE_IOERR:
			return "the disk cannot be read or written: check it before starting again"
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == "53100":
			return "the disk of the PostgreSQL server is full: free some space; nothing that was stored is harmed"
		case pg.Code == "3D000":
			return "the database does not exist: make it with createdb"
		case pg.Code[:2] == "28":
			return "PostgreSQL refuses the user or the password: check them in --db"
		case pg.Code[:2] == "57":
			return "the PostgreSQL server is stopping or starting: try again in a minute"
		}
	}
	if Away(err) {
		return "PostgreSQL does not answer: is it running, and is the address in --db right?"
	}
	return ""
}

// Away reports whether err comes of a PostgreSQL server that is not there at the
// moment: it does not answer, starts, stops, or has broken the connection off. What
// it refuses (a password, a name) is another matter.
func Away(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code[:2] == "57"
	}
	var connect *pgconn.ConnectError
	var network *net.OpError // not net.Error, which faults of the disk are too
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sqldriver.ErrBadConn)
}
