package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the queue of deliveries: what waits is claimed under a lease, and
// what came of it is recorded.

// Enqueue puts a delivery that tells no matches (a notice, a letter) in the queue
// and returns its id. One with the same Message-ID is there already: its id.
func (s *Store) Enqueue(ctx context.Context, d alerts.Delivery) (id int64, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		err := one(tx.QueryRowContext(ctx, `INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, inline_files, next_at, created_at)
			VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (message_id) DO NOTHING RETURNING id`,
			d.Kind, d.RecipientID, d.Cadence, d.Kind.Priority(), d.MessageID, d.Subject, d.Text, d.HTML, asJSON[[]alerts.Header]{&d.Headers}, inlineFiles(d.Inline), d.NextAt, d.CreatedAt).Scan(&id))
		if errors.Is(err, alerts.ErrNotFound) {
			err = tx.QueryRowContext(ctx, `SELECT id FROM delivery WHERE message_id = $1`, d.MessageID).Scan(&id)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("queue a %s: %w", d.Kind, err)
	}
	return id, nil
}

// ClaimDeliveries takes up to limit mails that are due, the most urgent first, and
// hides them until the lease ends. A sender that rests gets none, and one that has
// just rested a single one to try. What may not be sent any more is cancelled on
// the way: to a recipient who has ended or is suppressed, or with an application
// that has been hidden since (what else such a mail told is owed again at once).
func (s *Store) ClaimDeliveries(ctx context.Context, sender string, limit int, now time.Time, lease time.Duration) (claimed []alerts.Delivery, err error) {
	for more := true; more && len(claimed) == 0 && err == nil; {
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			claimed, more, err = s.claimDeliveries(ctx, tx, sender, limit, now.UnixMilli(), now.Add(lease).UnixMilli())
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("take deliveries from the queue: %w", err)
	}
	return claimed, nil
}

// claimDeliveries is one such transaction; more when there was something due,
// even if all of it was cancelled.
func (s *Store) claimDeliveries(ctx context.Context, tx *sql.Tx, sender string, limit int, now, until int64) (claimed []alerts.Delivery, more bool, err error) {
	var failures, paused int64
	err = one(tx.QueryRowContext(ctx, `SELECT failures, paused_until FROM sender WHERE name = $1`, sender).Scan(&failures, &paused))
	if err != nil && !errors.Is(err, alerts.ErrNotFound) || paused > now {
		return nil, false, ignoreNotFound(err)
	}
	if failures > 0 {
		limit = 1
	}
	var due []int64
	for _, priority := range alerts.Priorities { // one by one, so that the index finds them past those that wait
		ids, err := collect(ctx, tx, scanInt, `SELECT id FROM delivery WHERE state = 'queued' AND kind <> 'webhook' AND priority = $1 AND next_at <= $2
			ORDER BY next_at, id LIMIT $3`+s.dialect.skipLocked, priority, now, limit-len(due))
		if err != nil {
			return nil, false, err
		}
		if due = append(due, ids...); len(due) >= limit {
			break
		}
	}
	if len(due) == 0 {
		return nil, false, nil
	}
	unwanted, err := s.unwanted(ctx, tx, due)
	if err != nil {
		return nil, false, err
	}
	hidden, err := s.tellingHidden(ctx, tx, due)
	if err != nil {
		return nil, false, err
	}
	redacted, err := s.tellingRedacted(ctx, tx, due)
	if err != nil {
		return nil, false, err
	}
	for _, id := range redacted {
		if !slices.Contains(hidden, id) {
			hidden = append(hidden, id)
		}
	}
	stale, err := s.againStale(ctx, tx, due)
	if err != nil {
		return nil, false, err
	}
	hidden = append(hidden, stale...)
	for id, why := range unwanted {
		if err := cancelDelivery(ctx, tx, id, why); err != nil {
			return nil, false, err
		}
		if err := closeMatches(ctx, tx, id, why); err != nil {
			return nil, false, err
		}
	}
	for _, id := range hidden {
		if _, gone := unwanted[id]; gone {
			continue
		}
		if err := s.recompose(ctx, tx, id, now); err != nil {
			return nil, false, err
		}
	}
	due = slices.DeleteFunc(due, func(id int64) bool {
		_, gone := unwanted[id]
		return gone || slices.Contains(hidden, id)
	})
	if len(due) == 0 {
		return nil, true, nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE delivery SET next_at = $1, claim_no = claim_no + 1 WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`, until, list(due)); err != nil {
		return nil, false, err
	}
	claimed, err = collect(ctx, tx, func(rows *sql.Rows) (d alerts.Delivery, err error) {
		return d, rows.Scan(&d.ID, &d.Kind, &d.RecipientID, &d.Address, &d.Cadence, &d.State, &d.MessageID, &d.Subject, &d.Text, &d.HTML,
			asJSON[[]alerts.Header]{&d.Headers}, asJSON[[]alerts.Inline]{&d.Inline}, &d.Attempts, &d.ClaimNo, &d.NextAt, &d.CreatedAt)
	}, `SELECT d.id, d.kind, d.recipient_id, r.address, d.cadence, d.state, d.message_id, d.subject, d.text, d.html,
			coalesce(nullif(d.headers, ''), '[]'), nullif(d.inline_files, ''), d.attempts, d.claim_no, d.next_at, d.created_at
		FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE d.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(due))
	order := make(map[int64]int, len(due))
	for i, id := range due {
		order[id] = i
	}
	slices.SortFunc(claimed, func(a, b alerts.Delivery) int { return order[a.ID] - order[b.ID] })
	return claimed, true, err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, alerts.ErrNotFound) {
		return nil
	}
	return err
}

// unwanted returns which of the deliveries may not be sent to their recipients,
// and why.
func (s *Store) unwanted(ctx context.Context, tx *sql.Tx, ids []int64) (map[int64]string, error) {
	type row struct {
		id         int64
		kind       alerts.DeliveryKind
		state      alerts.RecipientState
		address    string
		suppressed bool
	}
	rows, err := collect(ctx, tx, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.id, &r.kind, &r.state, &r.address, &r.suppressed)
	}, `SELECT d.id, d.kind, coalesce(r.state, ''), coalesce(r.address, ''), p.address_key IS NOT NULL
		FROM delivery d LEFT JOIN recipient r ON r.id = d.recipient_id LEFT JOIN suppression p ON p.address_key = r.address_key
		WHERE d.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids))
	if err != nil {
		return nil, err
	}
	why := map[int64]string{}
	for _, r := range rows {
		switch {
		case r.address == "":
			why[r.id] = "the recipient was erased"
		case r.suppressed:
			why[r.id] = "the address is not to be written to"
		case !r.state.Takes(r.kind):
			why[r.id] = "the recipient has ended"
		}
	}
	return why, nil
}

// tellingHidden returns which of the deliveries tell of an application that has
// been hidden, other than that it was taken down, or tell what was taken back.
func (s *Store) tellingHidden(ctx context.Context, tx *sql.Tx, ids []int64) ([]int64, error) {
	return collect(ctx, tx, scanInt, `SELECT DISTINCT delivery_id FROM match WHERE delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))
		AND seq IN (SELECT e.seq FROM event e JOIN application a ON a.id = e.application_id
			WHERE e.seq IN (SELECT seq FROM match WHERE delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))) AND (a.hidden AND e.type <> 'removed' OR `+recalled+`))
		UNION SELECT m.delivery_id FROM reminder m JOIN application a ON a.id = m.application_id AND a.hidden WHERE m.delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($3))`, list(ids), list(ids), list(ids))
}

// tellingRedacted returns which of the deliveries were written before an
// application that they tell of was redacted. Mostly none was, which is soon seen.
func (s *Store) tellingRedacted(ctx context.Context, tx *sql.Tx, ids []int64) ([]int64, error) {
	redacted, err := collect(ctx, tx, scanInt, `SELECT id FROM application WHERE redacted_at > 0 AND redacted_at >= (SELECT min(created_at) FROM delivery WHERE id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)))`, list(ids))
	if err != nil || len(redacted) == 0 {
		return nil, err
	}
	return collect(ctx, tx, scanInt, `SELECT DISTINCT m.delivery_id FROM match m JOIN delivery d ON d.id = m.delivery_id
		WHERE m.delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND d.kind = 'alert'
		AND EXISTS (SELECT 1 FROM event e JOIN application a ON a.id = e.application_id WHERE e.seq = m.seq AND e.type <> 'removed' AND a.redacted_at > d.created_at)`, list(ids))
}

func cancelDelivery(ctx context.Context, tx *sql.Tx, id int64, why string) error {
	_, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'cancelled', error = $1, subject = '', text = '', html = '', headers = '[]', inline_files = '' WHERE id = $2 AND state = 'queued'`, why, id)
	return err
}

// closeMatches says of the matches of a delivery that they will never be told.
func closeMatches(ctx context.Context, tx *sql.Tx, delivery int64, why string) error {
	_, err := tx.ExecContext(ctx, `UPDATE match SET delivery_id = NULL, closed = $1 WHERE delivery_id = $2`, why, delivery)
	return err
}

// recompose cancels a delivery; what it told is owed again, and due at once.
func (s *Store) recompose(ctx context.Context, tx *sql.Tx, id, now int64) error {
	if err := cancelDelivery(ctx, tx, id, "an application in it was hidden or redacted; written anew without that"); err != nil {
		return err
	}
	return s.oweAgain(ctx, tx, id, func(alerts.Cadence) int64 { return now }, "WHERE due.next_at > excluded.next_at")
}

// oweAgain makes what a delivery told owed again, and moves the next mail of each
// cadence that it served; only says when.
func (s *Store) oweAgain(ctx context.Context, tx *sql.Tx, delivery int64, next func(alerts.Cadence) int64, only string) error {
	var recipient int64
	var cadence alerts.Cadence
	if err := tx.QueryRowContext(ctx, `SELECT recipient_id, cadence FROM delivery WHERE id = $1`, delivery).Scan(&recipient, &cadence); err != nil || cadence == "" {
		return err
	}
	served, err := collect(ctx, tx, func(rows *sql.Rows) (c alerts.Cadence, err error) { return c, rows.Scan(&c) },
		`SELECT DISTINCT v.cadence FROM match m JOIN subscription_version v ON v.id = m.version_id WHERE m.delivery_id = $1`, delivery)
	if err != nil {
		return err
	}
	if cadence == alerts.Immediate {
		served = nil // what belongs to a digest waits for it, unless it is urgent again
	}
	if !slices.Contains(served, cadence) {
		served = append(served, cadence)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE match SET delivery_id = NULL WHERE delivery_id = $1`, delivery); err != nil {
		return err
	}
	if err := untell(ctx, tx, delivery); err != nil {
		return err
	}
	for _, c := range served {
		if _, err := tx.ExecContext(ctx, `INSERT INTO due (recipient_id, cadence, next_at) VALUES ($1, $2, $3)
			ON CONFLICT (recipient_id, cadence) DO UPDATE SET next_at = excluded.next_at `+only, recipient, c, next(c)); err != nil {
			return err
		}
	}
	return nil
}

// RecordAttempts records what came of deliveries. A success counts whatever claim
// it comes from, for the message has gone out; a failure only if its claim is
// still the last one. Recording the same twice changes nothing.
func (s *Store) RecordAttempts(ctx context.Context, sender string, attempts []alerts.Attempt, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		var sent []int64
		for _, a := range attempts {
			if a.Then == alerts.DeliverySent {
				sent = append(sent, a.Delivery.ID)
			}
		}
		if len(sent) > 0 {
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'sent', sent_at = $1, error = '' WHERE state <> 'sent' AND fate = '' AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($2))`,
				now.UnixMilli(), list(sent)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE sender SET failures = 0, paused_until = 0, reason = '' WHERE name = $1 AND failures > 0`, sender); err != nil {
				return err
			}
		}
		for _, a := range attempts {
			if a.Then != alerts.DeliveryQueued {
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET attempts = $1, next_at = $2, error = $3 WHERE id = $4 AND claim_no = $5 AND state = 'queued'`,
				a.Delivery.Attempts+1, a.RetryAt, a.Outcome.Detail, a.Delivery.ID, a.Delivery.ClaimNo); err != nil {
				return err
			}
		}
		rows := make([][]any, len(attempts))
		for i, a := range attempts {
			rows[i] = []any{a.Delivery.ID, a.Delivery.Attempts + 1, a.At, a.Took.Milliseconds(), a.Outcome.Class, a.Outcome.Detail}
		}
		return s.dialect.insert(ctx, tx, "attempt", []string{"delivery_id", "n", "at", "duration", "class", "detail"}, rows, "ON CONFLICT DO NOTHING")
	})
	for _, a := range attempts { // each by itself: they lock their recipients
		if err == nil && a.Then == alerts.DeliveryGivenUp {
			err = s.inTx(ctx, func(tx *sql.Tx) error { return s.giveUp(ctx, tx, a, now) })
		}
	}
	if err != nil {
		return fmt.Errorf("record %d attempts: %w", len(attempts), err)
	}
	return nil
}

// givenUpInARow is after how many mails in a row that could not be delivered a
// recipient is ended.
const givenUpInARow = 3

// giveUp ends the tries for a delivery. What it told is owed again, but not
// before the next regular mail at least a day on; if the address is dead, or has
// failed too often in a row, its owner is ended instead.
func (s *Store) giveUp(ctx context.Context, tx *sql.Tx, a alerts.Attempt, now time.Time) error {
	d := a.Delivery
	to, err := s.lockRecipient(ctx, tx, d.RecipientID)
	if err != nil {
		return err
	}
	var mine int64
	err = one(tx.QueryRowContext(ctx, `UPDATE delivery SET state = 'given_up', attempts = $1, error = $2 WHERE id = $3 AND claim_no = $4 AND state = 'queued' RETURNING id`,
		d.Attempts+1, a.Outcome.Detail, d.ID, d.ClaimNo).Scan(&mine))
	if err != nil {
		return ignoreNotFound(err) // somebody else has it, or has finished it
	}
	if a.Outcome.Class == alerts.DeadAddress {
		return s.endSuppressed(ctx, tx, to, d.ID, alerts.DeadAddressWhy, now)
	}
	return s.undelivered(ctx, tx, to, d, a.Outcome.Detail, now)
}

// endSuppressed ends a recipient, locked, whose address is not to be written to
// again.
func (s *Store) endSuppressed(ctx context.Context, tx *sql.Tx, to alerts.Recipient, delivery int64, why string, now time.Time) error {
	if err := suppress(ctx, tx, to.ID, why, now); err != nil {
		return err
	}
	if to.Kind == "contact" {
		if err := putNotice(ctx, tx, fmt.Sprintf("contact:%d", to.ID), fmt.Sprintf("Mail to a contact (recipient %d) has ended, because %s: give the operator or the feed another address.", to.ID, why), now); err != nil {
			return err
		}
	}
	return s.endRecipient(ctx, tx, to, delivery, why, now)
}

// suppress keeps the keyed hash of a recipient's address, so that nobody can sign
// it up.
func suppress(ctx context.Context, tx *sql.Tx, recipient int64, why string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO suppression (address_key, reason, at) SELECT address_key, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM recipient WHERE id = $3 AND address_key IS NOT NULL
		ON CONFLICT DO NOTHING`, why, now.UnixMilli(), recipient)
	return err
}

// undelivered makes what a delivery told owed again that was given up, but not
// before the next regular mail at least a day on; if mail has failed too often in a
// row, its owner, locked, is ended instead.
func (s *Store) undelivered(ctx context.Context, tx *sql.Tx, to alerts.Recipient, d alerts.Delivery, detail string, now time.Time) error {
	if to.State == alerts.RecipientEnded {
		return closeMatches(ctx, tx, d.ID, "the recipient has ended")
	}
	last, err := collect(ctx, tx, func(rows *sql.Rows) (state alerts.DeliveryState, err error) { return state, rows.Scan(&state) },
		`SELECT state FROM delivery WHERE recipient_id = $1 AND state IN ('sent', 'given_up') ORDER BY created_at DESC, id DESC LIMIT $2`, to.ID, givenUpInARow)
	if err != nil {
		return err
	}
	if len(last) == givenUpInARow && !slices.Contains(last, alerts.DeliverySent) {
		// Only if others do get their mail: our own fault ends nobody.
		var others int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM delivery WHERE state <> 'queued' AND subject <> '' AND created_at >= $1 AND state = 'sent' AND recipient_id <> $2 LIMIT 1) o`,
			d.CreatedAt, to.ID).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			if err := putNotice(ctx, tx, fmt.Sprintf("undeliverable:%d", to.ID), fmt.Sprintf("Recipient %d was ended: the last %d mails could not be delivered (%s).", to.ID, givenUpInARow, detail), now); err != nil {
				return err
			}
			return s.endRecipient(ctx, tx, to, d.ID, "mail could not be delivered", now)
		}
	}
	later := now.Add(24 * time.Hour)
	return s.oweAgain(ctx, tx, d.ID, func(c alerts.Cadence) int64 {
		if c == alerts.Immediate {
			return later.UnixMilli()
		}
		return alerts.NextDue(c, later).UnixMilli()
	}, "WHERE due.next_at < excluded.next_at")
}

// endRecipient ends a recipient, locked, whom mail does not reach, with all
// subscriptions, and closes what is owed.
func (s *Store) endRecipient(ctx context.Context, tx *sql.Tx, to alerts.Recipient, delivery int64, why string, now time.Time) error {
	if err := closeMatches(ctx, tx, delivery, why); err != nil {
		return err
	}
	subs, err := subscriptions(ctx, tx, `s.recipient_id = $1 AND s.state <> 'ended'`, to.ID)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if err := addConsent(ctx, tx, to.ID, sub.ID, "stop", "delivery", now); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`UPDATE recipient SET state = 'ended', ended_at = $1 WHERE id = $2 AND state <> 'ended'`, []any{now.UnixMilli(), to.ID}},
		{`UPDATE subscription SET state = 'ended', paused_until = 0, ended_at = $1 WHERE recipient_id = $2 AND state <> 'ended'`, []any{now.UnixMilli(), to.ID}},
		{`UPDATE match SET closed = $1 WHERE recipient_id = $2 AND delivery_id IS NULL AND closed IS NULL`, []any{why, to.ID}},
		{`DELETE FROM due WHERE recipient_id = $1`, []any{to.ID}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	// Other mail to the same recipient is cancelled, with its matches, when it is claimed.
	claimed, err := s.lockWatermark(ctx, tx)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if err := endVersion(ctx, tx, sub.Current.ID, claimed); err != nil {
			return err
		}
	}
	return nil
}

func putNotice(ctx context.Context, tx *sql.Tx, key, text string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notice (key, at, text) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING`, key, now.UnixMilli(), text)
	return err
}

// ReturnDeliveries gives claims back as if they had never been made, to be due
// at a moment. One that has been claimed again since is left alone.
func (s *Store) ReturnDeliveries(ctx context.Context, claims []alerts.Delivery, at time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		for _, d := range claims {
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET next_at = $1 WHERE id = $2 AND claim_no = $3 AND state = 'queued'`, at.UnixMilli(), d.ID, d.ClaimNo); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("give %d claims back: %w", len(claims), err)
	}
	return nil
}

// PauseSender lets a sender rest after a relay-wide failure. rest is told how many
// there have been in a row, this one included; several processes that meet the
// same one count it once.
func (s *Store) PauseSender(ctx context.Context, sender, reason string, now time.Time, rest func(failures int) time.Duration) (until time.Time, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO sender (name, failures, paused_until, reason) VALUES ($1, 0, 0, '') ON CONFLICT (name) DO NOTHING`, sender); err != nil {
			return err
		}
		var failures, paused int64
		if err := tx.QueryRowContext(ctx, `SELECT failures, paused_until FROM sender WHERE name = $1`+s.dialect.forUpdate, sender).Scan(&failures, &paused); err != nil {
			return err
		}
		if paused > now.UnixMilli() {
			until = time.UnixMilli(paused)
			return nil
		}
		until = now.Add(rest(int(failures) + 1))
		_, err := tx.ExecContext(ctx, `UPDATE sender SET failures = failures + 1, paused_until = $1, reason = $2 WHERE name = $3`, until.UnixMilli(), reason, sender)
		return err
	})
	if err != nil {
		return until, fmt.Errorf("let the sender %s rest: %w", sender, err)
	}
	return until, nil
}

// Capture keeps a mail instead of sending it. The same message twice is kept once.
func (s *Store) Capture(ctx context.Context, m alerts.Captured, messageID string) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO captured (message_id, at, address, subject, raw) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (message_id) DO NOTHING`,
		messageID, m.At, m.Address, m.Subject, m.Raw)
	if err != nil {
		return fmt.Errorf("capture a mail: %w", err)
	}
	return nil
}
