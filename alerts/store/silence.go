package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file is what lets silence be trusted: how often registers are read, who has
// been told that one is not, and the note after a month in which nothing was sent.

// Readings returns how often each authority's register was read in a time, by slug.
func (s *Store) Readings(ctx context.Context, from, to time.Time) (map[string]alerts.Readings, error) {
	return readings(ctx, s.read, from, to)
}

func readings(ctx context.Context, q querier, from, to time.Time) (map[string]alerts.Readings, error) {
	out := map[string]alerts.Readings{}
	_, err := collect(ctx, q, func(rows *sql.Rows) (x struct{}, err error) {
		var slug string
		var r alerts.Readings
		err = rows.Scan(&slug, &r.Checks, &r.Failed)
		out[slug] = r
		return x, err
	}, `SELECT fa.authority, count(*), count(CASE WHEN r.verdict = 'failed' THEN 1 END) FROM run r JOIN feed_authority fa ON fa.feed_id = r.feed_id
		WHERE r.finished_at >= $1 AND r.finished_at < $2 AND r.finished_at > 0 GROUP BY fa.authority`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count the readings: %w", err)
	}
	return out, nil
}

// NoteOutages opens an outage of each authority all of whose feeds have been stale
// for long enough, and ends those whose authority is read again. While what was read
// is held, an outage goes on: nobody could be told what came.
func (s *Store) NoteOutages(ctx context.Context, now time.Time) error {
	type found struct {
		authority string
		lastRead  int64
	}
	stale, err := collect(ctx, s.read, func(rows *sql.Rows) (f found, err error) { return f, rows.Scan(&f.authority, &f.lastRead) },
		`SELECT fa.authority, max(f.last_complete) FROM feed_authority fa JOIN feed f ON f.id = fa.feed_id AND NOT f.paused
			LEFT JOIN feed_fault x ON x.feed_id = f.id AND x.kind = 'stale' AND x.mended_at = 0 AND x.since <= $1
		WHERE NOT EXISTS (SELECT 1 FROM outage o WHERE o.authority = fa.authority AND o.ended_at = 0)
		GROUP BY fa.authority HAVING count(*) = count(x.feed_id) AND max(f.last_complete) > 0`, now.Add(-alerts.OutageAfter).UnixMilli())
	if err != nil {
		return fmt.Errorf("look for registers that are not read: %w", err)
	}
	for _, f := range stale {
		var b geo.Box
		err := s.inTx(ctx, func(tx *sql.Tx) error {
			if err := tx.QueryRowContext(ctx, `SELECT coalesce(min(lon), 0), coalesce(max(lon), 0), coalesce(min(lat), 0), coalesce(max(lat), 0) FROM application
				WHERE authority = $1 AND cell IS NOT NULL AND NOT hidden`, f.authority).Scan(&b.MinLon, &b.MaxLon, &b.MinLat, &b.MaxLat); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO outage (authority, since, last_read, min_lon, max_lon, min_lat, max_lat) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
				f.authority, now.UnixMilli(), f.lastRead, b.MinLon, b.MaxLon, b.MinLat, b.MaxLat)
			return err
		})
		if err != nil {
			return fmt.Errorf("note that %s is not read: %w", f.authority, err)
		}
	}
	open, err := collect(ctx, s.read, scanInt, `SELECT o.id FROM outage o WHERE o.ended_at = 0
		AND EXISTS (SELECT 1 FROM feed_authority fa JOIN feed f ON f.id = fa.feed_id WHERE fa.authority = o.authority AND NOT f.paused AND f.last_complete > o.last_read)
		AND NOT EXISTS (SELECT 1 FROM event e JOIN run r ON r.id = e.run_id JOIN feed_authority fa ON fa.feed_id = r.feed_id WHERE e.state = 'held' AND fa.authority = o.authority)`)
	if err != nil || len(open) == 0 {
		return err
	}
	_, err = s.write.ExecContext(ctx, `UPDATE outage SET ended_seq = (SELECT value FROM counter WHERE name = 'event'),
			ended_at = (SELECT max(f.last_complete) FROM feed_authority fa JOIN feed f ON f.id = fa.feed_id WHERE fa.authority = outage.authority)
		WHERE ended_at = 0 AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(open))
	if err != nil {
		return fmt.Errorf("note that a register is read again: %w", err)
	}
	return nil
}

// TellOutages walks through the subscribers, up to limit at a time, and has a mail
// written to each whose areas touch an authority that is not read. Each hears of an
// outage once. more says that the walk is not at its end.
func (s *Store) TellOutages(ctx context.Context, limit int, now time.Time, write func(alerts.Recipient, []alerts.Outage, []alerts.Subscription) (alerts.Delivery, error)) (mails int, more bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		type walked struct {
			alerts.Outage
			passed int64
			extent geo.Box
		}
		outages, err := collect(ctx, tx, func(rows *sql.Rows) (o walked, err error) {
			return o, rows.Scan(&o.ID, &o.Authority, &o.Since, &o.LastRead, &o.passed, &o.extent.MinLon, &o.extent.MaxLon, &o.extent.MinLat, &o.extent.MaxLat)
		}, `SELECT id, authority, since, last_read, passed, min_lon, max_lon, min_lat, max_lat FROM outage WHERE ended_at = 0 AND told_at = 0 ORDER BY passed, id`+s.dialect.skipLocked)
		if err != nil || len(outages) == 0 {
			return err
		}
		for i := range outages { // those that are as far as the first are walked together: one mail names them all
			if outages[i].passed != outages[0].passed {
				outages = outages[:i]
				break
			}
		}
		people, err := collect(ctx, tx, func(rows *sql.Rows) (r alerts.Recipient, err error) {
			return r, rows.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language)
		}, `SELECT id, kind, address, state, language FROM recipient WHERE kind = 'subscriber' AND state = 'active' AND id > $1 ORDER BY id LIMIT $2`, outages[0].passed, limit)
		if err != nil {
			return err
		}
		ids := make([]int64, len(people))
		for i, p := range people {
			ids[i] = p.ID
		}
		subs, err := subscriptions(ctx, tx, `s.state = 'active' AND s.paused_until <= $1 AND s.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($2))`, now.UnixMilli(), list(ids))
		if err != nil {
			return err
		}
		of := map[int64][]alerts.Subscription{}
		for _, sub := range subs {
			of[sub.RecipientID] = append(of[sub.RecipientID], sub)
		}
		for _, to := range people {
			var concern []alerts.Outage
			touched := map[int64]alerts.Subscription{}
			for _, o := range outages {
				hit := false
				for _, sub := range of[to.ID] {
					touches, err := s.touches(ctx, tx, sub.Current.Area, o.Authority, o.extent)
					if err != nil {
						return err
					}
					if touches {
						hit, touched[sub.ID] = true, sub
					}
				}
				if hit {
					concern = append(concern, o.Outage)
				}
			}
			if len(concern) == 0 {
				continue
			}
			var served []alerts.Subscription
			for _, sub := range of[to.ID] {
				if _, ok := touched[sub.ID]; ok {
					served = append(served, sub)
				}
			}
			id, err := s.queueWritten(ctx, tx, to, now, func() (alerts.Delivery, error) { return write(to, concern, served) })
			if err != nil {
				return err
			}
			for _, o := range concern {
				if _, err := tx.ExecContext(ctx, `INSERT INTO outage_told (outage_id, recipient_id, delivery_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, o.ID, to.ID, id); err != nil {
					return err
				}
			}
			mails++
		}
		more = len(people) == limit
		for _, o := range outages {
			passed, told := o.passed, int64(0)
			if len(people) > 0 {
				passed = people[len(people)-1].ID
			}
			if !more {
				told = now.UnixMilli()
			}
			if _, err := tx.ExecContext(ctx, `UPDATE outage SET passed = $1, told_at = $2 WHERE id = $3`, passed, told, o.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("tell of registers that are not read: %w", err)
	}
	return mails, more, nil
}

// queueWritten has a mail of alerts written and puts it in the queue.
func (s *Store) queueWritten(ctx context.Context, tx *sql.Tx, to alerts.Recipient, now time.Time, write func() (alerts.Delivery, error)) (id int64, err error) {
	d, err := write()
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, next_at, created_at)
		VALUES ($1, $2, '', 'queued', $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
		d.Kind, to.ID, d.Kind.Priority(), d.MessageID, d.Subject, d.Text, d.HTML, asJSON[[]alerts.Header]{&d.Headers}, now.UnixMilli(), now.UnixMilli()).Scan(&id)
	return id, err
}

// touches reports whether an area holds, or could hold, applications to an
// authority: whether some lie in its box. extent is where the authority's lie; zero
// when that is not known.
func (s *Store) touches(ctx context.Context, q querier, a alerts.Area, authority string, extent geo.Box) (bool, error) {
	if a.Kind == alerts.AreaAuthority {
		return a.Code == authority, nil
	}
	box, ok, err := s.reach(ctx, q, a)
	if err != nil || !ok || extent != (geo.Box{}) && !box.Intersects(extent) {
		return false, err
	}
	found, err := collect(ctx, q, scanInt, `SELECT 1 FROM application WHERE cell IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND NOT hidden
		AND lon BETWEEN $2 AND $3 AND lat BETWEEN $4 AND $5 AND authority = $6 LIMIT 1`, list(cellsOf(box)), box.MinLon, box.MaxLon, box.MinLat, box.MaxLat, authority)
	return len(found) > 0, err
}

// reach is the box of an area; of a ward the one of its boundary, if that has been
// imported.
func (s *Store) reach(ctx context.Context, q querier, a alerts.Area) (geo.Box, bool, error) {
	if a.Kind != alerts.AreaWard {
		return a.Reach()
	}
	shapes, err := collect(ctx, q, func(rows *sql.Rows) (b []byte, err error) { return b, rows.Scan(&b) }, `SELECT area FROM boundary WHERE kind = 'ward' AND code = $1`, a.Code)
	if err != nil || len(shapes) == 0 {
		return geo.Box{}, false, err
	}
	g, err := geo.DecodeWKB(shapes[0])
	if err != nil {
		return geo.Box{}, false, err
	}
	return geo.Bounds(g), true, nil
}

// readRecovered adds to what is owed the outages that are over, of which the
// recipients were told, once the matcher has come up to what ended them.
func (s *Store) readRecovered(ctx context.Context, tx *sql.Tx, recipients []int64, of map[int64]*alerts.Owed) error {
	type row struct {
		recipient int64
		alerts.Outage
	}
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.recipient, &r.ID, &r.Authority, &r.Since, &r.LastRead, &r.EndedAt)
	}, `SELECT t.recipient_id, o.id, o.authority, o.since, o.last_read, o.ended_at FROM outage_told t JOIN outage o ON o.id = t.outage_id
		WHERE t.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND NOT t.ended_told AND o.ended_at > 0
		AND o.ended_seq <= (SELECT position FROM watermark WHERE name = 'match') ORDER BY t.recipient_id, o.id`, list(recipients))
	if err != nil {
		return err
	}
	for _, r := range rows {
		owed := of[r.recipient]
		for _, sub := range owed.Subscriptions {
			touches, err := s.touches(ctx, tx, sub.Current.Area, r.Authority, geo.Box{})
			if err != nil {
				return err
			}
			if touches {
				r.Subscriptions = append(r.Subscriptions, sub.ID)
			}
		}
		owed.Recovered = append(owed.Recovered, r.Outage)
	}
	return nil
}

// dueRecoveries returns subscribers who are to be told that an outage is over.
func (s *Store) dueRecoveries(ctx context.Context, after int64, limit int) ([]int64, error) {
	return collect(ctx, s.read, scanInt, `SELECT DISTINCT t.recipient_id FROM outage_told t JOIN outage o ON o.id = t.outage_id JOIN recipient r ON r.id = t.recipient_id
		WHERE NOT t.ended_told AND t.recipient_id > $1 AND o.ended_at > 0 AND o.ended_seq <= (SELECT position FROM watermark WHERE name = 'match') AND r.state = 'active'
		ORDER BY t.recipient_id LIMIT $2`, after, limit)
}

// storeResumed says that a recipient has been told that outages are over.
func storeResumed(ctx context.Context, tx *sql.Tx, recipient int64, outages []int64, delivery int64) error {
	for _, id := range outages {
		if _, err := tx.ExecContext(ctx, `UPDATE outage_told SET ended_told = TRUE, ended_by = $1 WHERE recipient_id = $2 AND outage_id = $3`, delivery, recipient, id); err != nil {
			return err
		}
	}
	return nil
}

// TellQuiet settles for up to limit subscribers whether the last calendar month was
// one in which nothing was sent and nothing waits to be, and has a note written to
// those for whom it was. Each is settled once for each month, note or not. more says
// that others are left.
func (s *Store) TellQuiet(ctx context.Context, limit int, now time.Time, write func(alerts.QuietMonth) (alerts.Delivery, error)) (mails int, more bool, err error) {
	month := alerts.PreviousMonth(now)
	from, to := month.Bounds()
	waiting, err := collect(ctx, s.read, scanInt, `SELECT id FROM recipient WHERE kind = 'subscriber' AND state = 'active' AND notes AND noted < $1 ORDER BY noted, id LIMIT 1`, month)
	if err != nil || len(waiting) == 0 {
		return 0, false, err
	}
	read, err := s.Readings(ctx, from, to)
	if err != nil {
		return 0, false, err
	}
	councils := map[string]*alerts.QuietCouncil{}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		type person struct {
			alerts.Recipient
			confirmed int64
		}
		people, err := collect(ctx, tx, func(rows *sql.Rows) (p person, err error) {
			return p, rows.Scan(&p.ID, &p.Kind, &p.Address, &p.State, &p.Language, &p.confirmed)
		}, `SELECT id, kind, address, state, language, confirmed_at FROM recipient WHERE kind = 'subscriber' AND state = 'active' AND notes AND noted < $1
			ORDER BY noted, id LIMIT $2`+s.dialect.skipLocked, month, limit)
		if err != nil {
			return err
		}
		more = len(people) == limit
		for _, p := range people {
			if _, err := tx.ExecContext(ctx, `UPDATE recipient SET noted = $1 WHERE id = $2`, month, p.ID); err != nil {
				return err
			}
			if p.confirmed == 0 || p.confirmed >= from.UnixMilli() {
				continue // it was not a whole month
			}
			q := alerts.QuietMonth{Recipient: p.Recipient, Month: month}
			if quiet, err := s.wasQuiet(ctx, tx, p.ID, from); err != nil || !quiet {
				if err != nil {
					return err
				}
				continue
			}
			if q.Subscriptions, err = subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state = 'active' AND s.paused_until <= $2 AND s.created_at < $3`, p.ID, now.UnixMilli(), from.UnixMilli()); err != nil {
				return err
			}
			if q.Councils, err = s.councilsOf(ctx, tx, q.Subscriptions, read, from, to, councils); err != nil {
				return err
			}
			if !q.IsProven() {
				continue
			}
			if _, err := s.queueWritten(ctx, tx, p.Recipient, now, func() (alerts.Delivery, error) { return write(q) }); err != nil {
				return err
			}
			mails++
		}
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("write the notes of quiet months: %w", err)
	}
	return mails, more, nil
}

// wasQuiet reports whether a recipient was written to of no news since a moment, and
// is owed none.
func (s *Store) wasQuiet(ctx context.Context, tx *sql.Tx, recipient int64, since time.Time) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM delivery WHERE recipient_id = $1 AND created_at >= $2 AND kind IN ('alert', 'outage') AND state <> 'cancelled')
		+ (SELECT count(*) FROM match WHERE recipient_id = $3 AND delivery_id IS NULL AND closed IS NULL)`, recipient, since.UnixMilli(), recipient).Scan(&n)
	return n == 0, err
}

// councilsOf returns the authorities that some areas touch, and what was read of
// them; known keeps what has been looked up.
func (s *Store) councilsOf(ctx context.Context, tx *sql.Tx, subs []alerts.Subscription, read map[string]alerts.Readings, from, to time.Time, known map[string]*alerts.QuietCouncil) (out []alerts.QuietCouncil, err error) {
	var slugs []string
	for _, sub := range subs {
		a := sub.Current.Area
		if a.Kind == alerts.AreaAuthority {
			slugs = append(slugs, a.Code)
			continue
		}
		box, ok, err := s.reach(ctx, tx, a)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		found, err := collect(ctx, tx, func(rows *sql.Rows) (slug string, err error) { return slug, rows.Scan(&slug) },
			`SELECT DISTINCT authority FROM application WHERE cell IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND NOT hidden AND lon BETWEEN $2 AND $3 AND lat BETWEEN $4 AND $5`,
			list(cellsOf(box)), box.MinLon, box.MaxLon, box.MinLat, box.MaxLat)
		if err != nil {
			return nil, err
		}
		slugs = append(slugs, found...)
	}
	covered, err := collect(ctx, tx, scanCoverage, coverageQuery+`WHERE a.slug IN (SELECT value FROM json_each($1)) GROUP BY a.slug, a.name, a.district, a.website ORDER BY a.name, a.slug`, list(slugs))
	if err != nil {
		return nil, err
	}
	for _, c := range covered {
		q := known[c.Slug]
		if q == nil {
			q = &alerts.QuietCouncil{Coverage: c, Readings: read[c.Slug]}
			if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM application WHERE authority = $1 AND listed >= $2 AND listed < $3 AND NOT hidden),
				EXISTS (SELECT 1 FROM event e JOIN run r ON r.id = e.run_id JOIN feed_authority fa ON fa.feed_id = r.feed_id WHERE e.state = 'held' AND fa.authority = $4)`,
				c.Slug, alerts.DateOf(from), alerts.DateOf(to), c.Slug).Scan(&q.Received, &q.Held); err != nil {
				return nil, err
			}
			known[c.Slug] = q
		}
		out = append(out, *q)
	}
	return out, nil
}
