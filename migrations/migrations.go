// Package migrations embeds the schema: numbered SQL files, forward only, one
// directory per engine with the same names in both. A file that has shipped is
// never edited.
package migrations

import "embed"

// Files holds sqlite/NNNN_*.sql and postgres/NNNN_*.sql.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS
