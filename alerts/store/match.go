package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sitenotice/sitenotice/alerts"
)

// ClaimMatch claims the next range of the event log for a matching pass, of at
// most limit events, until now plus lease. A range whose pass died is handed out
// again exactly as it was, once its lease has run out. The claim is empty when
// nothing is new, or when another pass holds it.
func (s *Store) ClaimMatch(ctx context.Context, limit int, now time.Time, lease time.Duration) (c alerts.Claim, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		var leaseUntil, counted int64
		err := tx.QueryRowContext(ctx, `SELECT position, claimed, claim_no, lease_until FROM watermark WHERE name = 'match'`+s.dialect.forUpdate).
			Scan(&c.From, &c.To, &c.No, &leaseUntil)
		if err != nil {
			return err
		}
		if c.To > c.From && leaseUntil > now.UnixMilli() {
			c = alerts.Claim{}
			return nil
		}
		if c.To == c.From {
			// Numbers become visible in order and without gaps, so whatever the counter
			// shows is there to be read.
			if err := tx.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'event'`).Scan(&counted); err != nil {
				return err
			}
			if c.To = min(counted, c.From+int64(limit)); c.IsEmpty() {
				c = alerts.Claim{}
				return nil
			}
		}
		c.No++
		_, err = tx.ExecContext(ctx, `UPDATE watermark SET claimed = $1, claim_no = $2, lease_until = $3 WHERE name = 'match'`,
			c.To, c.No, now.Add(lease).UnixMilli())
		return err
	})
	if err != nil {
		return alerts.Claim{}, fmt.Errorf("claim events for matching: %w", err)
	}
	return c, nil
}

// HoldMatch extends the lease of a claim to until. It returns
// [alerts.ErrConflict] when the claim has passed to somebody else or is done.
func (s *Store) HoldMatch(ctx context.Context, c alerts.Claim, until time.Time) error {
	return s.moveMatch(ctx, "hold the claim on", c, `UPDATE watermark SET lease_until = $1 WHERE name = 'match' AND claim_no = $2 AND position = $3 AND claimed = $4`,
		until.UnixMilli(), c.No, c.From, c.To)
}

// DropMatch gives a claim back, so that the next pass repeats it at once.
func (s *Store) DropMatch(ctx context.Context, c alerts.Claim) error {
	return s.moveMatch(ctx, "give back", c, `UPDATE watermark SET lease_until = 0 WHERE name = 'match' AND claim_no = $1 AND position = $2 AND claimed = $3`,
		c.No, c.From, c.To)
}

// FinishMatch moves the watermark over a claimed range; only now are its matches
// owed. It returns [alerts.ErrConflict] when the claim has passed to somebody
// else.
func (s *Store) FinishMatch(ctx context.Context, c alerts.Claim) error {
	return s.moveMatch(ctx, "finish", c, `UPDATE watermark SET position = $1, lease_until = 0 WHERE name = 'match' AND claim_no = $2 AND position = $3 AND claimed = $4`,
		c.To, c.No, c.From, c.To)
}

func (s *Store) moveMatch(ctx context.Context, what string, c alerts.Claim, query string, args ...any) error {
	var moved int64
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		moved, err = res.RowsAffected()
		return err
	})
	if err == nil && moved == 0 {
		err = fmt.Errorf("another pass has taken it over: %w", alerts.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("%s the events %d to %d: %w", what, c.From+1, c.To, err)
	}
	return nil
}

// EventsBetween returns the live events with from < seq ≤ to in order. Those of
// hidden applications are left out, but for the one that says that a case was
// taken down.
func (s *Store) EventsBetween(ctx context.Context, from, to int64) ([]alerts.Event, error) {
	events, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.Event, err error) {
		err = scanEvent(rows, &e)
		return e, err
	}, `SELECT `+eventColumns+`
		FROM event e JOIN application a ON a.id = e.application_id
		WHERE e.seq > $1 AND e.seq <= $2 AND (NOT a.hidden OR e.type = 'removed') ORDER BY e.seq`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read the events %d to %d: %w", from+1, to, err)
	}
	return events, nil
}

// eventColumns are what scanEvent reads, of event e and application a, before
// whatever more is asked for.
const eventColumns = `e.id, e.seq, e.application_id, a.authority, e.version, e.type, e.state, e.at, e.run_id, e.late, e.before, e.after`

func scanEvent(rows *sql.Rows, e *alerts.Event, more ...any) error {
	var seq sql.NullInt64
	err := rows.Scan(append([]any{&e.ID, &seq, &e.ApplicationID, &e.Authority, &e.Version, &e.Type, &e.State, &e.At, &e.RunID, &e.Late,
		asJSON[*alerts.Details]{&e.Before}, asJSON[alerts.Details]{&e.After}}, more...)...)
	e.Seq = seq.Int64
	return err
}

// How many versions are read by one statement; and with how many keys they are
// looked up, and how many of them picked out, before reading all of them is
// quicker.
const (
	versionPage = 10_000
	scopeKeys   = 2_000
	scopeLimit  = 200_000
)

// Candidates yields every version of a subscription that could want an event
// with from < seq ≤ to that asks with one of the keys, and perhaps others, each
// once and in the order of their ids. They come without labels and cadences,
// which decide nothing. A version is valid until yield returns.
//
// The versions of a claimed range do not change while it is claimed: new ones
// begin after it, and old ones end at its end at the earliest. So they are read
// page by page, and no read keeps SQLite's log from being folded in.
func (s *Store) Candidates(ctx context.Context, keys []string, from, to int64, yield func(*alerts.Version) error) error {
	err := s.candidates(ctx, keys, from, to, yield)
	if err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	return nil
}

func (s *Store) candidates(ctx context.Context, keys []string, from, to int64, yield func(*alerts.Version) error) error {
	ids, few, err := s.versionsAt(ctx, keys)
	if err != nil {
		return err
	}
	if few {
		for page := range slices.Chunk(ids, versionPage) {
			_, _, err := s.versions(ctx, yield, `SELECT `+versionColumns+` FROM subscription_version
				WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND to_seq > $2 AND from_seq < $3 ORDER BY id`, list(page), from, to)
			if err != nil {
				return err
			}
		}
		return nil
	}
	for last := int64(0); ; {
		n, id, err := s.versions(ctx, yield, `SELECT `+versionColumns+` FROM subscription_version
			WHERE id > $1 AND to_seq > $2 AND from_seq < $3 ORDER BY id LIMIT $4`, last, from, to, versionPage)
		if err != nil || n < versionPage {
			return err
		}
		last = id
	}
}

// versionsAt returns the ids of the versions found under the keys in order;
// few is false when there are too many to be worth picking out.
func (s *Store) versionsAt(ctx context.Context, keys []string) (ids []int64, few bool, err error) {
	places := 0 // every event has a key of its own case, which few versions have
	for _, key := range keys {
		if !strings.HasPrefix(key, "application:") {
			places++
		}
	}
	if places > scopeKeys {
		return nil, false, nil
	}
	ids, err = collect(ctx, s.read, scanInt, `
		SELECT DISTINCT version_id FROM subscription_scope WHERE key IN (SELECT value FROM json_each($1)) LIMIT $2`, list(keys), scopeLimit+1)
	slices.Sort(ids)
	return ids, len(ids) <= scopeLimit, err
}

// versionColumns are what scanVersion reads, before whatever more is asked for.
const versionColumns = `id, subscription_id, recipient_id, from_seq, to_seq, filter, area, lon, lat, radius, ring, shape, carve_out, code`

func scanVersion(rows *sql.Rows, v *alerts.Version, more ...any) error {
	var filter string
	a := &v.Area
	err := rows.Scan(append([]any{&v.ID, &v.SubscriptionID, &v.RecipientID, &v.From, &v.To, &filter,
		&a.Kind, &a.Centre.Lon, &a.Centre.Lat, &a.Radius, &a.Ring, &a.Shape, &a.CarveOut, &a.Code}, more...)...)
	if err == nil && filter != "" {
		if err = json.Unmarshal([]byte(filter), &v.Filter); err != nil {
			err = fmt.Errorf("the filter of version %d: %w", v.ID, err)
		}
	}
	return err
}

// versions yields the rows of a query and returns how many there were and the
// last id.
func (s *Store) versions(ctx context.Context, yield func(*alerts.Version) error, query string, args ...any) (n int, last int64, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var v alerts.Version
		if err := scanVersion(rows, &v); err != nil {
			return n, last, err
		}
		n, last = n+1, v.ID
		if err := yield(&v); err != nil {
			return n, last, err
		}
	}
	return n, last, rows.Err()
}

// maxMatchesPerTx keeps the transactions of a pass short, so that a sign-up on
// SQLite does not wait for long.
const maxMatchesPerTx = 5_000

// AddMatches enters matches in the ledger, leaving those that are there already
// as they are. They are not owed before [Store.FinishMatch].
func (s *Store) AddMatches(ctx context.Context, matches []alerts.Match) error {
	slices.SortFunc(matches, func(a, b alerts.Match) int {
		return cmp.Or(cmp.Compare(a.VersionID, b.VersionID), cmp.Compare(a.Seq, b.Seq))
	})
	for batch := range slices.Chunk(matches, maxMatchesPerTx) {
		if err := s.addMatches(ctx, batch); err != nil {
			return fmt.Errorf("enter %d matches in the ledger: %w", len(batch), err)
		}
		step("after")
	}
	return nil
}

var matchColumns = []string{"version_id", "seq", "recipient_id", "correction", "closes"}

func (s *Store) addMatches(ctx context.Context, batch []alerts.Match) error {
	if s.dialect.copyMatches != nil {
		return s.dialect.copyMatches(ctx, s.write, batch)
	}
	rows := make([][]any, len(batch))
	cells := make([]any, 0, len(batch)*len(matchColumns))
	for i, m := range batch {
		cells = append(cells, m.VersionID, m.Seq, m.RecipientID, m.Correction, string(m.Closes))
		rows[i] = cells[i*len(matchColumns) : (i+1)*len(matchColumns)]
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		return s.dialect.insert(ctx, tx, "match", matchColumns, rows, "ON CONFLICT DO NOTHING")
	})
}

// copyMatches writes a batch by COPY, which takes half the time of INSERT …
// ON CONFLICT but does not do with rows that are there already. Those there are
// only when a pass is repeated.
//
// The commit need not reach the disk: matches are owed only once the watermark has
// moved, and that commit makes durable whatever was committed before it.
func copyMatches(ctx context.Context, db *sql.DB, batch []alerts.Match) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		pg := driver.(*stdlib.Conn).Conn()
		inTx := func(fn func(tx pgx.Tx) error) error {
			return pgx.BeginFunc(ctx, pg, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
					return err
				}
				return fn(tx)
			})
		}
		err := inTx(func(tx pgx.Tx) error {
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"match"}, matchColumns, pgx.CopyFromSlice(len(batch), func(i int) ([]any, error) {
				m := &batch[i]
				return []any{m.VersionID, m.Seq, m.RecipientID, m.Correction, string(m.Closes)}, nil
			}))
			return err
		})
		const uniqueViolation = "23505"
		if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) || refused.Code != uniqueViolation {
			return err
		}
		var versions, seqs, recipients []int64
		var corrections []bool
		var closes []string
		for _, m := range batch {
			versions, seqs, recipients = append(versions, m.VersionID), append(seqs, m.Seq), append(recipients, m.RecipientID)
			corrections, closes = append(corrections, m.Correction), append(closes, string(m.Closes))
		}
		return inTx(func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO match (version_id, seq, recipient_id, correction, closes)
				SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::text[]) ON CONFLICT DO NOTHING`,
				versions, seqs, recipients, corrections, closes)
			return err
		})
	})
}
