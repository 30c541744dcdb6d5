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

// This file is what people who run the service do for somebody who is written to.
// Each change is recorded in its own transaction.

// MailsTo returns up to limit mails to a person before one (0 for all), the newest
// first, with what they were about and what became of them.
func (s *Store) MailsTo(ctx context.Context, recipient, before int64, limit int) ([]alerts.SentMail, error) {
	mails, err := s.mailsTo(ctx, recipient, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list the mails to recipient %d: %w", recipient, err)
	}
	return mails, nil
}

func (s *Store) mailsTo(ctx context.Context, recipient, before int64, limit int) ([]alerts.SentMail, error) {
	mails, err := collect(ctx, s.read, func(rows *sql.Rows) (m alerts.SentMail, err error) {
		return m, rows.Scan(&m.ID, &m.Kind, &m.Cadence, &m.CreatedAt, &m.SentAt, &m.State, &m.Fate, &m.Attempts, &m.Error, &m.Kept, &m.AgainOf)
	}, `SELECT id, kind, cadence, created_at, sent_at, state, fate, attempts, error, text <> '', coalesce(again_of, 0) FROM delivery
		WHERE recipient_id = $1 AND kind <> 'webhook' AND (CAST($2 AS BIGINT) = 0 OR id < $3) ORDER BY id DESC LIMIT $4`, recipient, before, before, limit)
	if err != nil || len(mails) == 0 {
		return mails, err
	}
	ids, told := make([]int64, len(mails)), make([]int64, len(mails))
	at := map[int64][]int{} // places in mails, by the mail whose matches they told
	for i, m := range mails {
		ids[i], told[i] = m.ID, m.ID
		if m.AgainOf != 0 {
			told[i] = m.AgainOf
		}
		at[told[i]] = append(at[told[i]], i)
	}
	if _, err := collect(ctx, s.read, func(rows *sql.Rows) (x struct{}, err error) {
		var mail int64
		var c alerts.SentCase
		if err := rows.Scan(&mail, &c.Subscription, &c.Application, &c.Authority, &c.Number); err != nil {
			return x, err
		}
		for _, i := range at[mail] {
			mails[i].About = append(mails[i].About, c)
		}
		return x, nil
	}, `SELECT DISTINCT m.delivery_id, v.subscription_id, a.id, a.authority, a.reference FROM match m JOIN subscription_version v ON v.id = m.version_id
		JOIN event e ON e.seq = m.seq JOIN application a ON a.id = e.application_id
		WHERE m.delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY 1, 4, 5, 2`, list(told)); err != nil {
		return nil, err
	}
	_, err = collect(ctx, s.read, func(rows *sql.Rows) (x struct{}, err error) {
		var at int64
		var r alerts.PersonalReport
		if err := rows.Scan(&r.Mail, &at, &r.Kind, &r.Status); err != nil {
			return x, err
		}
		r.At = moment(at)
		i := slices.Index(ids, r.Mail)
		mails[i].Reports = append(mails[i].Reports, r)
		return x, nil
	}, `SELECT delivery_id, at, kind, status FROM mail_report WHERE delivery_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) ORDER BY at, key`, list(ids))
	return mails, err
}

// SendAgain queues a copy of a mail that was sent to a person. alerts.ErrConflict: it
// is not one that may be sent again, or the person may not be written to.
// alerts.ErrTooMany: enough was sent again today.
func (s *Store) SendAgain(ctx context.Context, recipient, mail int64, messageID string, act alerts.Act, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		to, err := s.lockRecipient(ctx, tx, recipient)
		if err != nil {
			return err
		}
		var d alerts.Delivery
		var copyOf int64
		if err := one(tx.QueryRowContext(ctx, `SELECT id, kind, recipient_id, state, message_id, subject, text, html, coalesce(nullif(headers, ''), '[]'), nullif(inline_files, ''), created_at, sent_at, coalesce(again_of, 0)
			FROM delivery WHERE id = $1 AND recipient_id = $2`, mail, recipient).
			Scan(&d.ID, &d.Kind, &d.RecipientID, &d.State, &d.MessageID, &d.Subject, &d.Text, &d.HTML, asJSON[[]alerts.Header]{&d.Headers}, asJSON[[]alerts.Inline]{&d.Inline}, &d.CreatedAt, &d.SentAt, &copyOf)); err != nil {
			return err
		}
		old := alerts.SentMail{Kind: d.Kind, State: d.State, Kept: d.Text != "", AgainOf: copyOf}
		if !old.MaySendAgain() || !to.State.Takes(d.Kind) {
			return alerts.ErrConflict
		}
		again := d.Again(alerts.Language(to.Language), messageID, now)
		var id int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, inline_files, next_at, created_at, again_of)
			VALUES ($1, $2, '', 'queued', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`, again.Kind, recipient, again.Kind.Priority(), again.MessageID, again.Subject, again.Text, again.HTML,
			asJSON[[]alerts.Header]{&again.Headers}, inlineFiles(again.Inline), again.NextAt, again.CreatedAt, mail).Scan(&id); err != nil {
			return err
		}
		unwanted, err := s.unwanted(ctx, tx, []int64{id})
		if err != nil {
			return err
		}
		stale, err := s.againStale(ctx, tx, []int64{id})
		if err != nil {
			return err
		}
		if len(unwanted)+len(stale) > 0 {
			return alerts.ErrConflict
		}
		if ok, err := allow(ctx, tx, alerts.SentAgain(recipient, now)); err != nil {
			return err
		} else if !ok {
			return alerts.ErrTooMany
		}
		return recordAct(ctx, tx, act, now)
	})
	if err != nil && !errors.Is(err, alerts.ErrConflict) && !errors.Is(err, alerts.ErrTooMany) {
		err = fmt.Errorf("send a mail again to recipient %d: %w", recipient, err)
	}
	return err
}

// againStale returns which of the deliveries are copies of mails that tell of an
// application that has been hidden or redacted since. Mostly none is a copy at all.
func (s *Store) againStale(ctx context.Context, tx *sql.Tx, ids []int64) ([]int64, error) {
	copies := map[int64][]int64{} // by the mail that they are of
	if _, err := collect(ctx, tx, func(rows *sql.Rows) (x struct{}, err error) {
		var id, of int64
		err = rows.Scan(&id, &of)
		copies[of] = append(copies[of], id)
		return x, err
	}, `SELECT id, again_of FROM delivery WHERE again_of IS NOT NULL AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids)); err != nil || len(copies) == 0 {
		return nil, err
	}
	var of, stale []int64
	for id := range copies {
		of = append(of, id)
	}
	hidden, err := s.tellingHidden(ctx, tx, of)
	if err != nil {
		return nil, err
	}
	redacted, err := s.tellingRedacted(ctx, tx, of)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(append(hidden, redacted...)))) {
		stale = append(stale, copies[id]...)
	}
	return stale, nil
}

// EndFor ends one subscription of a person. alerts.ErrNotFound: it is not theirs, or
// has ended.
func (s *Store) EndFor(ctx context.Context, recipient, sub int64, act alerts.Act, now time.Time) error {
	return s.changing(ctx, recipient, "end a subscription", func(tx *sql.Tx, _ alerts.Recipient) error {
		ended, err := s.endSome(ctx, tx, recipient, "/admin", now, func(other alerts.Subscription) bool { return other.ID == sub })
		if err != nil {
			return err
		}
		if len(ended) == 0 {
			return alerts.ErrNotFound
		}
		return recordAct(ctx, tx, act, now)
	})
}

// EraseFor forgets a person as [Store.Erase] does. With barred their address is never
// written to again either.
func (s *Store) EraseFor(ctx context.Context, recipient int64, barred bool, act alerts.Act, now time.Time) error {
	err := s.changing(ctx, recipient, "erase", func(tx *sql.Tx, _ alerts.Recipient) error {
		if barred {
			if err := suppress(ctx, tx, recipient, "asked never to be written to", now); err != nil {
				return err
			}
		}
		if err := s.erase(ctx, tx, recipient, now); err != nil {
			return err
		}
		return recordAct(ctx, tx, act, now)
	})
	if err != nil {
		return err
	}
	return s.scrub(ctx)
}
