package storetest

import (
	"database/sql"
	"testing"
)

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			db, err := sql.Open("pgx", PostgresURL(t))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE mine (n int)"); err != nil {
				t.Errorf("the database is not empty: %v", err)
			}
		})
	}
}
