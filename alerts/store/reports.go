package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what others report of mails that were sent: that they bounced, were
// marked as spam, or are to stop.

// ReportMail records a report and does what follows from it, once, however often
// it comes. alerts.ErrNotFound: no mail or person of ours is meant.
func (s *Store) ReportMail(ctx context.Context, r alerts.MailReport, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error { return s.reportMail(ctx, tx, r, now) })
	if err != nil {
		return fmt.Errorf("record what became of a mail: %w", err)
	}
	return nil
}

// ReportMails records reports by the number of their delivery; those about mails
// that are none of ours are passed over.
func (s *Store) ReportMails(ctx context.Context, reports []alerts.MailReport, now time.Time) error {
	var accepted, delivered []int64
	for _, r := range reports {
		switch r.Kind {
		case alerts.ReportDelivered:
			delivered = append(delivered, r.Delivery)
			accepted = append(accepted, r.Delivery)
		case alerts.ReportAccepted:
			accepted = append(accepted, r.Delivery)
		default: // each by itself: they lock their recipients
			if err := s.ReportMail(ctx, r, now); err != nil && !errors.Is(err, alerts.ErrNotFound) {
				return err
			}
		}
	}
	for _, step := range []struct {
		ids   []int64
		query string
		args  []any
	}{
		{accepted, `UPDATE delivery SET state = 'sent', sent_at = $1, error = '' WHERE state = 'queued' AND claim_no > 0 AND kind <> 'webhook' AND id IN `, []any{now.UnixMilli()}},
		{delivered, `UPDATE delivery SET fate = $1 WHERE fate = '' AND kind <> 'webhook' AND id IN `, []any{"delivered"}},
	} {
		slices.Sort(step.ids)
		for some := range slices.Chunk(slices.Compact(step.ids), 500) {
			query := step.query + fmt.Sprintf(`(SELECT `+s.dialect.intValue+` FROM json_each($%d))`, len(step.args)+1)
			if _, err := s.write.ExecContext(ctx, query, append(step.args, list(some))...); err != nil {
				return fmt.Errorf("record what became of %d mails: %w", len(some), err)
			}
		}
	}
	return nil
}

func (s *Store) reportMail(ctx context.Context, tx *sql.Tx, r alerts.MailReport, now time.Time) error {
	d := alerts.Delivery{ID: r.Delivery, RecipientID: r.Recipient}
	if r.Recipient == 0 {
		err := one(tx.QueryRowContext(ctx, `SELECT id, recipient_id, kind, cadence, created_at FROM delivery WHERE (id = $1 OR message_id = $2) AND kind <> 'webhook'`, r.Delivery, r.MessageID).
			Scan(&d.ID, &d.RecipientID, &d.Kind, &d.Cadence, &d.CreatedAt))
		if err != nil {
			return err
		}
	}
	to, err := s.lockRecipient(ctx, tx, d.RecipientID)
	if err != nil {
		return err
	}
	if r.Kind == alerts.ReportUnsubscribe {
		if to.State == alerts.RecipientEnded {
			return nil
		}
		if _, err := setExtras(ctx, tx, to.ID, r.Cadences, false, now); err != nil {
			return err
		}
		_, err := s.endSome(ctx, tx, to.ID, "mail", now, func(sub alerts.Subscription) bool {
			return len(r.Cadences) == 0 || slices.Contains(r.Cadences, sub.Current.Cadence)
		})
		return err
	}
	if r.Kind == alerts.ReportHard && r.Address != "" && to.Address != "" && !strings.EqualFold(r.Address, to.Address) {
		r.Kind = alerts.ReportRefused // some address behind theirs does not exist; theirs may well do
	}
	if r.Kind == alerts.ReportDelivered || r.Kind == alerts.ReportAccepted {
		return s.settleFate(ctx, tx, to, d, r, now)
	}
	earlier, err := collect(ctx, tx, scanInt, `SELECT at FROM mail_report WHERE recipient_id = $1 AND kind = $2 AND at > $3`, to.ID, r.Kind, now.Add(-alerts.ReportsWithin).UnixMilli())
	if err != nil {
		return err
	}
	var key string
	err = one(tx.QueryRowContext(ctx, `INSERT INTO mail_report (key, delivery_id, recipient_id, kind, status, source, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING RETURNING key`,
		r.Key, d.ID, to.ID, r.Kind, r.Status, r.Source, now.UnixMilli()).Scan(&key))
	if err != nil {
		return ignoreNotFound(err) // it came before
	}
	if err := s.settleFate(ctx, tx, to, d, r, now); err != nil {
		return err
	}
	switch effect := alerts.AfterReport(r.Kind, earlier, now); {
	case effect.Suppress:
		return s.endSuppressed(ctx, tx, to, d.ID, effect.Why, now)
	case effect.Pause:
		until := now.Add(alerts.BlockedPause).UnixMilli()
		if _, err := tx.ExecContext(ctx, `UPDATE subscription SET paused_until = $1 WHERE recipient_id = $2 AND state = 'active' AND paused_until < $3`, until, to.ID, until); err != nil {
			return err
		}
		return putNotice(ctx, tx, fmt.Sprintf("blocked:%d", to.ID), fmt.Sprintf("Mail to recipient %d rests for two weeks: %s (status %s). If it happens to many, look at SPF, DKIM, DMARC and the reputation of the sending address.", to.ID, effect.Why, r.Status), now)
	}
	return nil
}

// settleFate notes of the delivery what the report says of it. One that is reported
// on was accepted, also if we never heard so; one that failed after that is given
// up, and what it told is owed again.
func (s *Store) settleFate(ctx context.Context, tx *sql.Tx, to alerts.Recipient, d alerts.Delivery, r alerts.MailReport, now time.Time) error {
	fate := map[alerts.ReportKind]string{alerts.ReportDelivered: "delivered", alerts.ReportComplaint: "complained"}[r.Kind]
	if r.Kind.Failed() {
		fate = "bounced"
	}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`UPDATE delivery SET state = 'sent', sent_at = $1, error = '' WHERE id = $2 AND state = 'queued' AND claim_no > 0`, []any{now.UnixMilli(), d.ID}},
		// Reports come in any order: "delivered" never replaces anything.
		{`UPDATE delivery SET fate = $1 WHERE id = $2 AND (fate = '' OR $3)`, []any{fate, d.ID, fate != "delivered" && fate != ""}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	if !r.Kind.Failed() {
		return nil
	}
	var mine int64
	err := one(tx.QueryRowContext(ctx, `UPDATE delivery SET state = 'given_up', error = $1 WHERE id = $2 AND state = 'sent' RETURNING id`,
		strings.TrimSpace("it bounced: "+string(r.Kind)+" "+r.Status), d.ID).Scan(&mine))
	if err != nil {
		return ignoreNotFound(err)
	}
	return s.undelivered(ctx, tx, to, d, "it bounced, status "+r.Status, now)
}
