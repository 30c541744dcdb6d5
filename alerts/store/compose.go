package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is composing: what is owed and due becomes deliveries.

// MarkDue notes how far the event log had come when a due moment was first looked
// at, and reports whether the matcher has come as far.
func (s *Store) MarkDue(ctx context.Context, due time.Time) (reached bool, err error) {
	const query = `SELECT seq <= (SELECT position FROM watermark WHERE name = 'match') FROM due_mark WHERE due_at = $1`
	err = one(s.read.QueryRowContext(ctx, query, due.UnixMilli()).Scan(&reached))
	if errors.Is(err, alerts.ErrNotFound) {
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO due_mark (due_at, seq) SELECT CAST($1 AS BIGINT), value FROM counter WHERE name = 'event' ON CONFLICT DO NOTHING`, due.UnixMilli()); err != nil {
				return err
			}
			return tx.QueryRowContext(ctx, query, due.UnixMilli()).Scan(&reached)
		})
	}
	if err != nil {
		return false, fmt.Errorf("mark the due moment %s: %w", due.UTC().Format(time.RFC3339), err)
	}
	return reached, nil
}

// DueSubscribers returns up to limit subscribers in order, with ids above after,
// to whom something may have to be told now: because a mail of a ready cadence is
// due, because a case closes before the next digest or of which they are to be
// reminded, or because an outage is over.
func (s *Store) DueSubscribers(ctx context.Context, after int64, limit int, now time.Time, ready []alerts.Cadence) ([]int64, error) {
	closing := func(c alerts.Cadence) alerts.Date { return alerts.DateOf(alerts.NextDue(c, now)) }
	ids, err := collect(ctx, s.read, scanInt, `SELECT DISTINCT m.recipient_id FROM match m
		WHERE m.recipient_id > $1 AND m.delivery_id IS NULL AND m.closed IS NULL
		AND m.seq <= (SELECT position FROM watermark WHERE name = 'match')
		AND EXISTS (SELECT 1 FROM due d WHERE d.recipient_id = m.recipient_id
			AND (d.next_at <= $2 AND d.cadence IN (SELECT value FROM json_each($3))
			OR m.closes >= $4 AND (d.cadence = 'daily' AND m.closes <= $5 OR d.cadence = 'weekly' AND m.closes <= $6)))
		ORDER BY m.recipient_id LIMIT $7`,
		after, now.UnixMilli(), list(ready), alerts.DateOf(now), closing(alerts.Daily), closing(alerts.Weekly), limit)
	var reminders, recoveries []int64
	if err == nil {
		reminders, err = s.dueReminders(ctx, after, limit, now)
	}
	if err == nil {
		recoveries, err = s.dueRecoveries(ctx, after, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("look for mail that is due: %w", err)
	}
	if len(reminders)+len(recoveries) > 0 { // the first of all are among the first of each
		ids = append(append(ids, reminders...), recoveries...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
		ids = ids[:min(len(ids), limit)]
	}
	return ids, nil
}

// ComposeFor decides for each of the given subscribers what is told now, has it
// put into words, and stores the deliveries, the matches that they tell, those
// that will never be told and the next due moments: all in one transaction. A
// subscriber whom another process is busy with is left to it. past keeps what else
// is known of the sites, from one call to the next. write is called by several
// goroutines at once.
func (s *Store) ComposeFor(ctx context.Context, subscribers []int64, now time.Time, ready []alerts.Cadence, past alerts.Past, write func(alerts.Bulletin) (alerts.Delivery, error)) (deliveries int, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		all, err := s.owed(ctx, tx, subscribers, now)
		if err != nil {
			return err
		}
		compositions := make([]alerts.Composition, len(all))
		for i, owed := range all {
			if compositions[i], err = owed.Compose(now, ready); err != nil {
				return err
			}
		}
		if err := s.addPast(ctx, tx, compositions, past); err != nil {
			return err
		}
		mails, err := writeMails(compositions, write)
		if err != nil {
			return err
		}
		for i, owed := range all {
			c := &compositions[i]
			var id int64
			if !c.IsEmpty() {
				if id, err = tellMatches(ctx, tx, owed.Recipient.ID, c, mails[i], now); err != nil {
					return err
				}
				deliveries++
			}
			if err := closeAndMove(ctx, tx, owed.Recipient.ID, c); err != nil {
				return err
			}
			if err := s.storeReminded(ctx, tx, owed.Recipient.ID, c.Reminded, id); err != nil {
				return err
			}
			if err := storeResumed(ctx, tx, owed.Recipient.ID, c.Resumed, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("compose mail: %w", err)
	}
	return deliveries, nil
}

// writeMails has what is told put into words, on all processors at once: writing takes
// longer than everything else, and the transaction stays open meanwhile.
func writeMails(compositions []alerts.Composition, write func(alerts.Bulletin) (alerts.Delivery, error)) ([]alerts.Delivery, error) {
	mails, errs := make([]alerts.Delivery, len(compositions)), make([]error, len(compositions))
	var taken atomic.Int64
	var writers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(compositions)) {
		writers.Go(func() {
			for i := taken.Add(1) - 1; i < int64(len(compositions)); i = taken.Add(1) - 1 {
				if c := &compositions[i]; !c.IsEmpty() {
					mails[i], errs[i] = write(c.Bulletin)
				}
			}
		})
	}
	writers.Wait()
	return mails, errors.Join(errs...)
}

// tellMatches stores a delivery and says of its matches that it tells them.
func tellMatches(ctx context.Context, tx *sql.Tx, recipient int64, c *alerts.Composition, d alerts.Delivery, now time.Time) (id int64, err error) {
	files := inlineFiles(d.Inline)
	if err := tx.QueryRowContext(ctx, `INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, inline_files, next_at, created_at)
		VALUES ('alert', $1, $2, 'queued', $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
		recipient, c.Bulletin.Cadence, alerts.DeliveryAlert.Priority(), d.MessageID, d.Subject, d.Text, d.HTML, asJSON[[]alerts.Header]{&d.Headers}, files,
		now.UnixMilli(), now.UnixMilli()).Scan(&id); err != nil {
		return 0, err
	}
	return id, eachVersion(c.Tell, func(version int64, seqs []int64) error {
		return setMatches(ctx, tx, `delivery_id = $1`, id, version, seqs)
	})
}

// inlineFiles is how the files of a message are stored: "" for none.
func inlineFiles(files []alerts.Inline) string {
	if len(files) == 0 {
		return ""
	}
	b, err := json.Marshal(files)
	if err != nil {
		panic(err) // text and bytes cannot fail
	}
	return string(b)
}

// closeAndMove stores what will never be told, and when mail is due next.
func closeAndMove(ctx context.Context, tx *sql.Tx, recipient int64, c *alerts.Composition) error {
	closed := map[string][]alerts.Match{}
	for _, m := range c.Close {
		closed[m.Why] = append(closed[m.Why], m.Match)
	}
	for why, matches := range closed {
		if err := eachVersion(matches, func(version int64, seqs []int64) error {
			return setMatches(ctx, tx, `closed = $1`, why, version, seqs)
		}); err != nil {
			return err
		}
	}
	for cadence, next := range c.NextDue {
		if _, err := tx.ExecContext(ctx, `INSERT INTO due (recipient_id, cadence, next_at) VALUES ($1, $2, $3)
			ON CONFLICT (recipient_id, cadence) DO UPDATE SET next_at = excluded.next_at`, recipient, cadence, next); err != nil {
			return err
		}
	}
	return nil
}

// eachVersion calls fn with the sequence numbers of each version's matches.
func eachVersion(matches []alerts.Match, fn func(version int64, seqs []int64) error) error {
	seqs := map[int64][]int64{}
	for _, m := range matches {
		seqs[m.VersionID] = append(seqs[m.VersionID], m.Seq)
	}
	for version, list := range seqs {
		if err := fn(version, list); err != nil {
			return err
		}
	}
	return nil
}

// setMatches changes matches that must still be owed: the recipient is locked, so
// nobody else can have told or closed them.
func setMatches[T any](ctx context.Context, tx *sql.Tx, set string, value T, version int64, seqs []int64) error {
	done, err := tx.ExecContext(ctx, `UPDATE match SET `+set+` WHERE version_id = $2 AND seq IN (SELECT CAST(value AS BIGINT) FROM json_each($3))
		AND delivery_id IS NULL AND closed IS NULL`, value, version, list(seqs))
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != int64(len(seqs)) {
		return errors.Join(err, fmt.Errorf("%d of %d matches of version %d are not owed any more: %w", int64(len(seqs))-n, len(seqs), version, alerts.ErrConflict))
	}
	return nil
}

// owed locks subscribers and reads what each is owed and when.
func (s *Store) owed(ctx context.Context, tx *sql.Tx, subscribers []int64, now time.Time) ([]*alerts.Owed, error) {
	all, err := collect(ctx, tx, func(rows *sql.Rows) (*alerts.Owed, error) {
		o := &alerts.Owed{Due: map[alerts.Cadence]int64{}}
		r := &o.Recipient
		return o, rows.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language, &o.Remind)
	}, `SELECT id, kind, address, state, language, remind FROM recipient WHERE kind = 'subscriber'
		AND id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) ORDER BY id`+s.dialect.skipLocked, list(subscribers))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	of := make(map[int64]*alerts.Owed, len(all))
	locked := make([]int64, len(all))
	var reminded []int64
	for i, o := range all {
		of[o.Recipient.ID], locked[i] = o, o.Recipient.ID
		if o.Remind > 0 {
			reminded = append(reminded, o.Recipient.ID)
		}
	}
	if err := readDue(ctx, tx, locked, of); err != nil {
		return nil, err
	}
	subs, err := subscriptions(ctx, tx, `s.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))`, list(locked))
	if err != nil {
		return nil, err
	}
	for _, sub := range subs {
		o := of[sub.RecipientID]
		o.Subscriptions = append(o.Subscriptions, sub)
	}
	mutes, err := mutesOf(ctx, tx, locked)
	if err != nil {
		return nil, err
	}
	for _, m := range mutes {
		of[m.RecipientID].Mutes = append(of[m.RecipientID].Mutes, m)
	}
	matches, err := collect(ctx, tx, func(rows *sql.Rows) (m alerts.OwedMatch, err error) {
		return m, rows.Scan(&m.VersionID, &m.Seq, &m.RecipientID, &m.Correction, &m.Closes, &m.FoundAt, &m.SubscriptionID)
	}, `SELECT m.version_id, m.seq, m.recipient_id, m.correction, m.closes, m.found_at, coalesce(v.subscription_id, 0)
		FROM match m LEFT JOIN subscription_version v ON v.id = m.version_id
		WHERE m.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND m.delivery_id IS NULL AND m.closed IS NULL
		AND m.seq <= (SELECT position FROM watermark WHERE name = 'match') ORDER BY m.seq, m.version_id`, list(locked))
	if err != nil {
		return nil, err
	}
	if err := addEvents(ctx, tx, matches); err != nil {
		return nil, err
	}
	if err := addTold(ctx, tx, matches); err != nil {
		return nil, err
	}
	for _, m := range matches {
		o := of[m.RecipientID]
		o.Matches = append(o.Matches, m)
	}
	if len(reminded) > 0 {
		if err := readReminders(ctx, tx, reminded, of, now); err != nil {
			return nil, err
		}
	}
	return all, s.readRecovered(ctx, tx, locked, of)
}

func readDue(ctx context.Context, tx *sql.Tx, recipients []int64, of map[int64]*alerts.Owed) error {
	type row struct {
		recipient, next int64
		cadence         alerts.Cadence
	}
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.recipient, &r.cadence, &r.next) },
		`SELECT recipient_id, cadence, next_at FROM due WHERE recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))`, list(recipients))
	for _, r := range rows {
		of[r.recipient].Due[r.cadence] = r.next
	}
	return err
}

// addEvents adds to each match its event, and the case as its latest numbered
// event left it. Events that are held have no number: they show in nothing.
func addEvents(ctx context.Context, tx *sql.Tx, matches []alerts.OwedMatch) error {
	seqs := make([]int64, 0, len(matches))
	for _, m := range matches {
		seqs = append(seqs, m.Seq)
	}
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	latest, err := collect(ctx, tx, scanInt, `SELECT max(e.seq) FROM event e WHERE e.seq <= (SELECT position FROM watermark WHERE name = 'match')
		AND e.application_id IN (SELECT application_id FROM event WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_each($1))) GROUP BY e.application_id`, list(seqs))
	if err != nil {
		return err
	}
	type known struct {
		alerts.Event
		hidden  bool
		placing placingScan
	}
	events, err := collect(ctx, tx, func(rows *sql.Rows) (k *known, err error) {
		k = new(known)
		return k, scanEvent(rows, &k.Event, append([]any{&k.hidden}, k.placing.into()...)...)
	}, `SELECT `+eventColumns+`, a.hidden OR `+recalled+`, `+placingColumns+` FROM event e JOIN application a ON a.id = e.application_id
		LEFT JOIN place_check p ON p.application_id = e.application_id
		WHERE e.seq IN (SELECT CAST(value AS BIGINT) FROM json_each($1))`, list(append(seqs, latest...)))
	if err != nil {
		return err
	}
	bySeq := make(map[int64]*known, len(events))
	last := make(map[int64]*known, len(events)) // of each application
	for _, k := range events {
		bySeq[k.Seq] = k
		if have := last[k.ApplicationID]; have == nil || have.Seq < k.Seq {
			last[k.ApplicationID] = k
		}
	}
	for i := range matches {
		m := &matches[i]
		k := bySeq[m.Seq]
		if k == nil {
			return fmt.Errorf("the ledger owes event %d, which does not exist", m.Seq)
		}
		m.Event, m.Hidden, m.Latest, m.Placing = &k.Event, k.hidden, &last[k.ApplicationID].After, k.placing.placing()
	}
	return nil
}

// addTold adds to corrections, and to what is disputed, whether their subscription was told of the case.
func addTold(ctx context.Context, tx *sql.Tx, matches []alerts.OwedMatch) error {
	var subs, applications []int64
	for _, m := range matches {
		if m.Correction || m.Placing.IsDisputed() {
			subs, applications = append(subs, m.SubscriptionID), append(applications, m.Event.ApplicationID)
		}
	}
	if len(subs) == 0 {
		return nil
	}
	type pair struct{ subscription, application int64 }
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (p pair, err error) { return p, rows.Scan(&p.subscription, &p.application) },
		`SELECT DISTINCT v.subscription_id, e.application_id FROM event e JOIN match m ON m.seq = e.seq JOIN subscription_version v ON v.id = m.version_id
		WHERE e.application_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND m.delivery_id IS NOT NULL
		AND m.version_id IN (SELECT id FROM subscription_version WHERE subscription_id IN (SELECT CAST(value AS BIGINT) FROM json_each($2)))`, list(applications), list(subs))
	told := make(map[pair]bool, len(rows))
	for _, p := range rows {
		told[p] = true
	}
	for i := range matches {
		m := &matches[i]
		m.Told = (m.Correction || m.Placing.IsDisputed()) && told[pair{m.SubscriptionID, m.Event.ApplicationID}]
	}
	return err
}

// SkipDue moves the due moment of everybody who is owed nothing when a digest is
// due, so that what comes later waits for the next one.
func (s *Store) SkipDue(ctx context.Context, c alerts.Cadence, now time.Time) error {
	const batch = 500
	for {
		done, err := s.write.ExecContext(ctx, `UPDATE due SET next_at = $1 WHERE cadence = $2 AND recipient_id IN (
			SELECT d.recipient_id FROM due d WHERE d.cadence = $3 AND d.next_at <= $4
			AND NOT EXISTS (SELECT 1 FROM match m WHERE m.recipient_id = d.recipient_id AND m.delivery_id IS NULL AND m.closed IS NULL) LIMIT $5)`,
			alerts.NextDue(c, now).UnixMilli(), c, c, now.UnixMilli(), batch)
		if err == nil {
			var n int64
			if n, err = done.RowsAffected(); err == nil && n == 0 {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("move the due moment of those who are owed nothing: %w", err)
		}
	}
}

// TellNotices has the notices that nobody has been told of put into one mail to
// the operator's contact, and marks them as told. Without an address they are only
// marked.
func (s *Store) TellNotices(ctx context.Context, address, addressKey string, now time.Time, write func([]alerts.Notice) (alerts.Delivery, error)) (notices []alerts.Notice, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if notices, err = collect(ctx, tx, func(rows *sql.Rows) (n alerts.Notice, err error) { return n, rows.Scan(&n.Key, &n.At, &n.Text) },
			`SELECT key, at, text FROM notice WHERE told_at = 0 ORDER BY at, key LIMIT 50`+s.dialect.skipLocked); err != nil || len(notices) == 0 {
			return err
		}
		keys := make([]string, len(notices))
		for i, n := range notices {
			keys[i] = n.Key
		}
		if _, err := tx.ExecContext(ctx, `UPDATE notice SET told_at = $1 WHERE key IN (SELECT value FROM json_each($2))`, now.UnixMilli(), list(keys)); err != nil || address == "" {
			return err
		}
		to, err := contact(ctx, tx, address, addressKey, now)
		if err != nil {
			return err
		}
		return queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryNotice, Recipient: to}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(notices) })
	})
	if err != nil {
		return nil, fmt.Errorf("tell the operator: %w", err)
	}
	return notices, nil
}

// TellCoverage writes to subscribers who asked to be told when a district is
// covered, once it is, and returns how many mails that made; at most limit.
func (s *Store) TellCoverage(ctx context.Context, limit int, now time.Time, write func(alerts.Recipient, []alerts.Coverage) (alerts.Delivery, error)) (mails int, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		recipients, err := collect(ctx, tx, func(rows *sql.Rows) (r alerts.Recipient, err error) {
			return r, rows.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language)
		}, `SELECT id, kind, address, state, language FROM recipient WHERE state = 'active' AND id IN (
				SELECT w.recipient_id FROM coverage_wish w JOIN authority a ON a.district = w.district
				JOIN feed_authority fa ON fa.authority = a.slug JOIN feed f ON f.id = fa.feed_id
				WHERE w.told_at = 0 AND f.last_complete > 0 AND NOT f.paused) ORDER BY id LIMIT $1`+s.dialect.skipLocked, limit)
		if err != nil {
			return err
		}
		for _, to := range recipients {
			districts, err := collect(ctx, tx, func(rows *sql.Rows) (d string, err error) { return d, rows.Scan(&d) },
				`SELECT district FROM coverage_wish WHERE recipient_id = $1 AND told_at = 0`, to.ID)
			if err != nil {
				return err
			}
			covered, err := collect(ctx, tx, scanCoverage, coverageQuery+`WHERE a.district IN (SELECT value FROM json_each($1))
				GROUP BY a.slug, a.name, a.district, a.website HAVING count(f.id) > 0 AND max(f.last_complete) > 0 ORDER BY a.name, a.slug`, list(districts))
			if err != nil {
				return err
			}
			if len(covered) == 0 {
				continue
			}
			told := make([]string, len(covered))
			for i, c := range covered {
				told[i] = c.District
			}
			if _, err := tx.ExecContext(ctx, `UPDATE coverage_wish SET told_at = $1 WHERE recipient_id = $2 AND district IN (SELECT value FROM json_each($3))`,
				now.UnixMilli(), to.ID, list(told)); err != nil {
				return err
			}
			if err := queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryCoverage, Recipient: to}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(to, covered) }); err != nil {
				return err
			}
			mails++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("tell who waits for a council to be covered: %w", err)
	}
	return mails, nil
}
