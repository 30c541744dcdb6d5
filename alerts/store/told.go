package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// Told returns up to limit of the events that a mail tells, in their order, with
// sequence numbers above after, and how many applications it tells of in all. What
// has been taken down since is not among them. A mail that was erased, or is older
// than the ledger goes back, tells nothing.
func (s *Store) Told(ctx context.Context, messageID string, after int64, limit int) (told []alerts.Event, applications int, err error) {
	const of = `FROM event e JOIN application a ON a.id = e.application_id WHERE NOT a.hidden
		AND e.seq IN (SELECT m.seq FROM match m JOIN delivery d ON d.id = m.delivery_id WHERE d.message_id = $1)`
	if err = s.read.QueryRowContext(ctx, `SELECT count(DISTINCT e.application_id) `+of, messageID).Scan(&applications); err == nil {
		told, err = collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Event, err error) { return e, scanEvent(rows, &e) },
			`SELECT `+eventColumns+` `+of+` AND e.seq > $2 ORDER BY e.seq LIMIT $3`, messageID, after, limit)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read what a mail tells: %w", err)
	}
	return told, applications, nil
}
