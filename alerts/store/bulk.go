package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// rowsPerInsert keeps a statement well below both engines' limits on parameters.
const rowsPerInsert = 100

// insert adds many rows by few statements. conflict is what follows the values,
// for example ON CONFLICT DO NOTHING.
func insert(ctx context.Context, q querier, table string, columns []string, rows [][]any, conflict string) error {
	for chunk := range slices.Chunk(rows, rowsPerInsert) {
		var b strings.Builder
		b.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ")
		args := make([]any, 0, len(chunk)*len(columns))
		for i, row := range chunk {
			if i > 0 {
				b.WriteString(", ")
			}
			for j := range row {
				b.WriteByte("(,"[min(j, 1)])
				b.WriteByte('$')
				b.WriteString(strconv.Itoa(len(args) + j + 1))
			}
			b.WriteByte(')')
			args = append(args, row...)
		}
		if _, err := q.ExecContext(ctx, b.String()+" "+conflict, args...); err != nil {
			return err
		}
	}
	return nil
}
