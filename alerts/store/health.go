package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is how feeds are: their history, what a person has to mend, and whom
// that is told.

// Histories returns what the health of feeds is judged by, in their order.
func (s *Store) Histories(ctx context.Context, feeds []alerts.Feed) ([]alerts.FeedHistory, error) {
	ids := make([]int64, len(feeds))
	out := make([]alerts.FeedHistory, len(feeds))
	at := make(map[int64]*alerts.FeedHistory, len(feeds))
	for i, f := range feeds {
		ids[i], out[i].Feed, at[f.ID] = f.ID, f, &out[i]
	}
	latest := func(which string) ([]alerts.Run, error) {
		return collect(ctx, s.read, func(rows *sql.Rows) (alerts.Run, error) { return scanRun(rows) },
			`SELECT `+runColumns+` FROM feed f JOIN run r ON r.feed_id = f.id AND `+fmt.Sprintf(which, "r")+`
				AND r.id >= coalesce((SELECT min(l.id) FROM (SELECT q.id FROM run q WHERE q.feed_id = f.id AND `+fmt.Sprintf(which, "q")+` ORDER BY q.id DESC LIMIT $1) l), 0)
			WHERE f.id IN (SELECT `+s.dialect.intValue+` FROM json_each($2)) ORDER BY f.id, r.id DESC`, alerts.HealthMemory, list(ids))
	}
	runs, err := latest(`%[1]s.finished_at > 0`)
	if err != nil {
		return nil, fmt.Errorf("read the feeds' runs: %w", err)
	}
	for _, r := range runs {
		at[r.FeedID].Runs = append(at[r.FeedID].Runs, r)
	}
	news, err := latest(`%[1]s.new + %[1]s.changed > 0 AND %[1]s.finished_at > 0`)
	if err != nil {
		return nil, fmt.Errorf("read the feeds' runs: %w", err)
	}
	for _, r := range news {
		at[r.FeedID].News = append(at[r.FeedID].News, r)
	}
	held, err := collect(ctx, s.read, scanInt, `SELECT DISTINCT r.feed_id FROM event e JOIN run r ON r.id = e.run_id
		WHERE e.state = 'held' AND r.feed_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids))
	if err != nil {
		return nil, fmt.Errorf("look for held news: %w", err)
	}
	for _, id := range held {
		at[id].Held = true
	}
	return out, nil
}

// AuthorityFeeds returns the feeds of authorities, by slug of the authority.
func (s *Store) AuthorityFeeds(ctx context.Context, slugs []string) (map[string][]alerts.Feed, error) {
	type pair struct {
		authority string
		feed      int64
	}
	pairs, err := collect(ctx, s.read, func(rows *sql.Rows) (p pair, err error) { return p, rows.Scan(&p.authority, &p.feed) },
		`SELECT authority, feed_id FROM feed_authority WHERE authority IN (SELECT value FROM json_each($1)) ORDER BY authority, feed_id`, list(slugs))
	if err != nil {
		return nil, fmt.Errorf("list the feeds of authorities: %w", err)
	}
	var ids []int64
	for _, p := range pairs {
		ids = append(ids, p.feed)
	}
	feeds, err := collect(ctx, s.read, func(rows *sql.Rows) (alerts.Feed, error) { return scanFeed(rows) },
		`SELECT `+feedColumns+` FROM feed WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids))
	if err != nil {
		return nil, fmt.Errorf("list the feeds of authorities: %w", err)
	}
	byID := make(map[int64]alerts.Feed, len(feeds))
	for _, f := range feeds {
		byID[f.ID] = f
	}
	out := map[string][]alerts.Feed{}
	for _, p := range pairs {
		out[p.authority] = append(out[p.authority], byID[p.feed])
	}
	return out, nil
}

// SetFaults stores what a person has to mend of a feed now. What was stored before
// and is not among it is mended; nobody hears of a fault that was mended before it
// was told.
func (s *Store) SetFaults(ctx context.Context, f alerts.Feed, faults []alerts.FeedFault, now time.Time) error {
	kinds := make([]string, len(faults))
	for i, fault := range faults {
		kinds[i] = string(fault.Kind)
	}
	slices.Sort(kinds)
	have, err := collect(ctx, s.read, func(rows *sql.Rows) (k string, err error) { return k, rows.Scan(&k) },
		`SELECT kind FROM feed_fault WHERE feed_id = $1 AND mended_at = 0 ORDER BY kind`, f.ID)
	if err != nil {
		return fmt.Errorf("read the faults of the feed: %w", err)
	}
	if slices.Equal(have, kinds) { // nearly always: nothing is written then
		return nil
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		var id int64
		if err := one(tx.QueryRowContext(ctx, `SELECT id FROM feed WHERE id = $1`+s.dialect.forUpdate, f.ID).Scan(&id)); err != nil {
			return err
		}
		for _, fault := range faults {
			if _, err := tx.ExecContext(ctx, `INSERT INTO feed_fault (feed_id, kind, detail, since) VALUES ($1, $2, $3, $4)
				ON CONFLICT (feed_id, kind) DO UPDATE SET mended_at = 0`, f.ID, string(fault.Kind), fault.Detail, now.UnixMilli()); err != nil {
				return err
			}
		}
		notices, others := alerts.FaultNotices(f, faults, now)
		for _, n := range notices {
			if err := putNotice(ctx, tx, n.Key, n.Text, now); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM notice WHERE key IN (SELECT value FROM json_each($1))`, list(others)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM feed_fault WHERE feed_id = $1 AND told_at = 0 AND kind NOT IN (SELECT value FROM json_each($2))`, f.ID, list(kinds)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE feed_fault SET mended_at = $1 WHERE feed_id = $2 AND mended_at = 0 AND kind NOT IN (SELECT value FROM json_each($3))`, now.UnixMilli(), f.ID, list(kinds))
		return err
	})
	if err != nil {
		return fmt.Errorf("store the faults of the feed: %w", err)
	}
	return nil
}

// TellContacts has a mail written to the contact of each feed that has a fault, or
// has lost one, of which the contact has not been told, and returns how many mails
// that made; at most limit. The faults of a feed without a contact are marked as
// told: the operator has a notice of them.
func (s *Store) TellContacts(ctx context.Context, limit int, now time.Time, addressKey func(string) string, write func(alerts.FeedNews) (alerts.Delivery, error)) (mails int, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		feeds, err := collect(ctx, tx, func(rows *sql.Rows) (alerts.Feed, error) { return scanFeed(rows) },
			`SELECT `+feedColumns+` FROM feed WHERE id IN (SELECT feed_id FROM feed_fault WHERE told_at = 0 OR mended_at > 0) ORDER BY id LIMIT $1`+s.dialect.skipLocked, limit)
		if err != nil {
			return err
		}
		for _, f := range feeds {
			news := alerts.FeedNews{Feed: f}
			_, err := collect(ctx, tx, func(rows *sql.Rows) (x struct{}, err error) {
				var fault alerts.FeedFault
				var told, mended int64
				if err := rows.Scan(&fault.Kind, &fault.Detail, &told, &mended); err != nil {
					return x, err
				}
				switch {
				case mended > 0:
					news.Mended = append(news.Mended, fault)
				case told > 0:
					news.Still = append(news.Still, fault)
				default:
					news.New = append(news.New, fault)
				}
				return x, nil
			}, `SELECT kind, detail, told_at, mended_at FROM feed_fault WHERE feed_id = $1 ORDER BY since, kind`, f.ID)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM feed_fault WHERE feed_id = $1 AND mended_at > 0`, f.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE feed_fault SET told_at = $1 WHERE feed_id = $2 AND told_at = 0`, now.UnixMilli(), f.ID); err != nil {
				return err
			}
			if f.Contact == "" || len(news.New)+len(news.Mended) == 0 {
				continue
			}
			if err := tx.QueryRowContext(ctx, `SELECT name FROM authority WHERE slug = $1`, f.Authority).Scan(&news.Authority); err != nil {
				return err
			}
			to, err := contact(ctx, tx, f.Contact, addressKey(f.Contact), now)
			if err != nil {
				return err
			}
			if err := queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryNotice, Recipient: to}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(news) }); err != nil {
				return err
			}
			mails++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("tell the contacts of feeds: %w", err)
	}
	return mails, nil
}

// contact returns the recipient that stands for a contact's address.
func contact(ctx context.Context, tx *sql.Tx, address, addressKey string, now time.Time) (to alerts.Recipient, err error) {
	return to, tx.QueryRowContext(ctx, `INSERT INTO recipient (kind, address, address_key, state, created_at) VALUES ('contact', $1, $2, 'active', $3)
		ON CONFLICT (kind, address_key) DO UPDATE SET address = excluded.address RETURNING id, kind, address, state, language`, address, addressKey, now.UnixMilli()).
		Scan(&to.ID, &to.Kind, &to.Address, &to.State, &to.Language)
}

// SetFeedToken stores the hash of a feed's token, in place of an earlier one; an
// empty hash ends the token. It reports whether there was one before.
func (s *Store) SetFeedToken(ctx context.Context, feedID int64, hash string, now time.Time) (was bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `DELETE FROM feed_token WHERE feed_id = $1`, feedID)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if was = n > 0; err != nil || hash == "" {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO feed_token (feed_id, hash, made_at) VALUES ($1, $2, $3)`, feedID, hash, now.UnixMilli())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store the feed's token: %w", err)
	}
	return was, nil
}

// FeedTokenHash returns the hash of a feed's token; empty when the feed has none, or
// does not exist.
func (s *Store) FeedTokenHash(ctx context.Context, slug string) (hash string, err error) {
	found, err := collect(ctx, s.read, func(rows *sql.Rows) (h string, err error) { return h, rows.Scan(&h) },
		`SELECT t.hash FROM feed_token t JOIN feed f ON f.id = t.feed_id WHERE f.slug = $1`, slug)
	if err != nil {
		return "", fmt.Errorf("read the feed's token: %w", err)
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}

// Allow counts one use of an allowance; false when it is used up.
func (s *Store) Allow(ctx context.Context, a alerts.Allowance) (ok bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		ok, err = allow(ctx, tx, a)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("count a request: %w", err)
	}
	return ok, nil
}
