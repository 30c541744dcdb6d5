package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// rowsPerInsert keeps a statement well below both engines' limits on parameters.
const rowsPerInsert = 500

// insert adds many rows by few statements. conflict is what follows the values,
// for example ON CONFLICT DO NOTHING.
func (d dialect) insert(ctx context.Context, tx *sql.Tx, table string, columns []string, rows [][]any, conflict string) error {
	prepare := func(rows int) (*sql.Stmt, error) {
		var b strings.Builder
		b.WriteString(d.insertInto + " " + table + " (" + strings.Join(columns, ", ") + ") VALUES ")
		for i := range rows * len(columns) {
			switch {
			case i == 0:
				b.WriteByte('(')
			case i%len(columns) == 0:
				b.WriteString("), (")
			default:
				b.WriteString(", ")
			}
			b.WriteString(d.parameter(i + 1))
		}
		return tx.PrepareContext(ctx, b.String()+") "+conflict)
	}
	var full *sql.Stmt
	args := make([]any, 0, min(len(rows), rowsPerInsert)*len(columns))
	for chunk := range slices.Chunk(rows, rowsPerInsert) {
		statement := full
		if len(chunk) < rowsPerInsert || full == nil {
			var err error
			if statement, err = prepare(len(chunk)); err != nil {
				return err
			}
			defer statement.Close()
			if len(chunk) == rowsPerInsert {
				full = statement
			}
		}
		args = args[:0]
		for _, row := range chunk {
			args = append(args, row...)
		}
		if _, err := statement.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
