package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is reminders of closing dates: one row for each person and case, which
// knows the deadline and the one that has been told.

// Preferences returns what a recipient wants of all mail.
func (s *Store) Preferences(ctx context.Context, recipient int64) (p alerts.Preferences, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT remind, notes FROM recipient WHERE id = $1`, recipient).Scan(&p.Remind, &p.Notes))
	if err != nil {
		return p, fmt.Errorf("read the preferences of recipient %d: %w", recipient, err)
	}
	return p, nil
}

// SetPreferences changes what a recipient wants of all mail. Who asks for reminders
// is reminded of the open cases of which he has been told already, too.
func (s *Store) SetPreferences(ctx context.Context, recipient int64, p alerts.Preferences, now time.Time) error {
	return s.changing(ctx, recipient, "change the preferences", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address == "" {
			return alerts.ErrNotFound
		}
		return setPreferences(ctx, tx, recipient, p, now)
	})
}

func setPreferences(ctx context.Context, tx *sql.Tx, recipient int64, p alerts.Preferences, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE recipient SET remind = $1, notes = $2 WHERE id = $3`, p.Remind, p.Notes, recipient); err != nil {
		return err
	}
	if p.Remind == 0 {
		_, err := tx.ExecContext(ctx, `DELETE FROM reminder WHERE recipient_id = $1`, recipient)
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO reminder (recipient_id, application_id, deadline)
		SELECT m.recipient_id, e.application_id, max(m.closes) FROM subscription s
			JOIN subscription_version v ON v.subscription_id = s.id JOIN match m ON m.version_id = v.id JOIN event e ON e.seq = m.seq
		WHERE s.recipient_id = $1 AND m.delivery_id IS NOT NULL AND NOT m.correction AND m.closes >= $2
		GROUP BY m.recipient_id, e.application_id ON CONFLICT DO NOTHING`, recipient, alerts.DateOf(now))
	return err
}

// SetLanguage changes the language of all mail to a recipient.
func (s *Store) SetLanguage(ctx context.Context, recipient int64, l alerts.Language, now time.Time) error {
	return s.changing(ctx, recipient, "change the language", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address == "" {
			return alerts.ErrNotFound
		}
		return setLanguage(ctx, tx, recipient, l)
	})
}

func setLanguage(ctx context.Context, tx *sql.Tx, recipient int64, l alerts.Language) error {
	_, err := tx.ExecContext(ctx, `UPDATE recipient SET language = $1 WHERE id = $2`, l, recipient)
	return err
}

// SetExtras stops, or takes up again, mail that comes at no cadence, and reports
// whether that changed anything. Others among the cadences are left alone.
func (s *Store) SetExtras(ctx context.Context, recipient int64, cs []alerts.Cadence, on bool, now time.Time) (changed bool, err error) {
	err = s.changing(ctx, recipient, "change the preferences", func(tx *sql.Tx, to alerts.Recipient) error {
		if to.Address != "" {
			changed, err = setExtras(ctx, tx, recipient, cs, on, now)
		}
		return err
	})
	return changed, err
}

func setExtras(ctx context.Context, tx *sql.Tx, recipient int64, cs []alerts.Cadence, on bool, now time.Time) (changed bool, err error) {
	var have alerts.Preferences
	if err := tx.QueryRowContext(ctx, `SELECT remind, notes FROM recipient WHERE id = $1`, recipient).Scan(&have.Remind, &have.Notes); err != nil {
		return false, err
	}
	next := have
	if slices.Contains(cs, alerts.Reminders) {
		if next.Remind = 0; on {
			next.Remind = cmp.Or(have.Remind, alerts.DefaultRemind)
		}
	}
	if slices.Contains(cs, alerts.Notes) {
		next.Notes = on
	}
	if next == have {
		return false, nil
	}
	return true, setPreferences(ctx, tx, recipient, next, now)
}

// RefreshReminders brings the deadlines of armed reminders up to what the councils
// publish now, and forgets those of cases that are decided. A case with held news
// waits: what is held shows in nothing.
func (s *Store) RefreshReminders(ctx context.Context, now time.Time) error {
	const batch = 500
	for after := int64(0); ; {
		var n int
		err := s.inTx(ctx, func(tx *sql.Tx) error {
			apps, err := collect(ctx, tx, scanApplication, `SELECT `+applicationColumns+` FROM application WHERE id IN (
					SELECT DISTINCT application_id FROM reminder WHERE application_id > $1 ORDER BY application_id LIMIT $2)
				AND NOT EXISTS (SELECT 1 FROM event e WHERE e.application_id = application.id AND e.state = 'held') ORDER BY id`, after, batch)
			if err != nil {
				return err
			}
			var last sql.NullInt64
			if err := tx.QueryRowContext(ctx, `SELECT max(application_id) FROM (SELECT DISTINCT application_id FROM reminder WHERE application_id > $1 ORDER BY application_id LIMIT $2) r`, after, batch).Scan(&last); err != nil {
				return err
			}
			after, n = last.Int64, int(last.Int64)
			for _, a := range apps {
				if a.Hidden || !a.IsOpen() {
					_, err = tx.ExecContext(ctx, `DELETE FROM reminder WHERE application_id = $1`, a.ID)
				} else {
					_, err = tx.ExecContext(ctx, `UPDATE reminder SET deadline = $1 WHERE application_id = $2 AND deadline <> $3`, a.CommentsUntil, a.ID, a.CommentsUntil)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look at closing dates again: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// lastToRemind is, as an SQL expression over r.remind, the last deadline of which
// somebody is to be reminded on a day.
func lastToRemind(today alerts.Date) string {
	var b strings.Builder
	b.WriteString("CASE r.remind")
	for _, days := range alerts.RemindChoices {
		fmt.Fprintf(&b, " WHEN %d THEN '%s'", days, today.AddDays(days))
	}
	return b.String() + " ELSE '' END"
}

// dueReminders returns subscribers to whom a reminder may be due.
func (s *Store) dueReminders(ctx context.Context, after int64, limit int, now time.Time) ([]int64, error) {
	if !alerts.RemindersFrom(now) {
		return nil, nil
	}
	today := alerts.DateOf(now)
	return collect(ctx, s.read, scanInt, `SELECT DISTINCT m.recipient_id FROM reminder m JOIN recipient r ON r.id = m.recipient_id
		WHERE m.deadline <> m.told AND m.deadline BETWEEN $1 AND $2 AND m.deadline <= `+lastToRemind(today)+` AND m.recipient_id > $3 AND r.state = 'active'
		AND EXISTS (SELECT 1 FROM subscription s WHERE s.recipient_id = m.recipient_id AND s.state = 'active' AND s.paused_until <= $4)
		AND EXISTS (SELECT 1 FROM application a WHERE a.id = m.application_id AND NOT a.hidden)
		AND NOT EXISTS (SELECT 1 FROM event e WHERE e.application_id = m.application_id AND e.state = 'held')
		ORDER BY m.recipient_id LIMIT $5`, today, today.AddDays(slices.Max(alerts.RemindChoices)), after, now.UnixMilli(), limit)
}

// readReminders adds to what is owed the cases that close within days.
func readReminders(ctx context.Context, tx *sql.Tx, recipients []int64, of map[int64]*alerts.Owed, now time.Time) error {
	today := alerts.DateOf(now)
	_, err := collect(ctx, tx, func(rows *sql.Rows) (x struct{}, err error) {
		var recipient int64
		r := alerts.Reminder{Details: new(alerts.Details)}
		if err = rows.Scan(&recipient, &r.ApplicationID, &r.Told, &r.Authority, &r.Details.Reference, asJSON[alerts.Details]{r.Details}); err == nil {
			of[recipient].Reminders = append(of[recipient].Reminders, r)
		}
		return x, err
	}, `SELECT m.recipient_id, m.application_id, m.told, a.authority, a.reference, a.details FROM reminder m JOIN application a ON a.id = m.application_id
		WHERE m.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND m.deadline <> m.told AND m.deadline BETWEEN $2 AND $3 AND NOT a.hidden
		AND NOT EXISTS (SELECT 1 FROM event e WHERE e.application_id = m.application_id AND e.state = 'held')
		ORDER BY m.deadline, m.application_id`, list(recipients), today, today.AddDays(slices.Max(alerts.RemindChoices)))
	return err
}

// storeReminded stores what became of reminders; delivery is the mail that tells
// them, 0 for none.
func (s *Store) storeReminded(ctx context.Context, tx *sql.Tx, recipient int64, reminded []alerts.Reminding, delivery int64) error {
	if len(reminded) == 0 {
		return nil
	}
	rows := make([][]any, len(reminded))
	for i, r := range reminded {
		rows[i] = []any{recipient, r.ApplicationID, string(r.Deadline), string(r.Told), nil}
		if r.Told != "" && delivery != 0 {
			rows[i][4] = delivery
		}
	}
	return s.dialect.insert(ctx, tx, "reminder", []string{"recipient_id", "application_id", "deadline", "told", "delivery_id"}, rows, `ON CONFLICT (recipient_id, application_id)
		DO UPDATE SET deadline = excluded.deadline, told = CASE WHEN excluded.told = '' THEN reminder.told ELSE excluded.told END,
			delivery_id = CASE WHEN excluded.told = '' THEN reminder.delivery_id ELSE excluded.delivery_id END`)
}

// untell takes back what a delivery that was not sent would have said of closing
// dates and of the end of outages: it is to be told again.
func untell(ctx context.Context, tx *sql.Tx, delivery int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE reminder SET told = '', delivery_id = NULL WHERE delivery_id = $1`, delivery); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE outage_told SET ended_told = FALSE, ended_by = 0 WHERE ended_by = $1 AND ended_by > 0`, delivery)
	return err
}
