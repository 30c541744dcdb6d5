package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what a group makes of cases, and when it meets.

// AddMeeting stores a day on which a group meets. alerts.ErrConflict: it meets on
// that day already. An InvalidError says that there are too many.
func (s *Store) AddMeeting(ctx context.Context, m alerts.Meeting, now time.Time) (alerts.Meeting, error) {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, m.GroupID); err != nil {
			return err
		}
		var n, same int
		if err := tx.QueryRowContext(ctx, `SELECT count(*), count(CASE WHEN day = $1 THEN 1 END) FROM meeting WHERE group_id = $2`, m.Day, m.GroupID).Scan(&n, &same); err != nil {
			return err
		}
		if same > 0 {
			return alerts.ErrConflict
		}
		if n >= alerts.MaxMeetings {
			return &alerts.InvalidError{Field: "day", Problem: fmt.Sprintf("A group can have %d meetings here. Remove some that are long past", alerts.MaxMeetings)}
		}
		return tx.QueryRowContext(ctx, `INSERT INTO meeting (group_id, day, title, created_at) VALUES ($1, $2, $3, $4) RETURNING id`, m.GroupID, m.Day, m.Title, now.UnixMilli()).Scan(&m.ID)
	})
	if err != nil {
		return m, fmt.Errorf("add a meeting to group %d: %w", m.GroupID, err)
	}
	return m, nil
}

// Meetings returns when a group meets, the earliest first.
func (s *Store) Meetings(ctx context.Context, group int64) ([]alerts.Meeting, error) {
	all, err := collect(ctx, s.read, func(rows *sql.Rows) (m alerts.Meeting, err error) {
		return m, rows.Scan(&m.ID, &m.GroupID, &m.Day, &m.Title)
	}, `SELECT id, group_id, day, title FROM meeting WHERE group_id = $1 ORDER BY day`, group)
	if err != nil {
		return nil, fmt.Errorf("list the meetings of group %d: %w", group, err)
	}
	return all, nil
}

// RemoveMeeting takes a meeting away.
func (s *Store) RemoveMeeting(ctx context.Context, group, id int64) error {
	var was int64
	if err := one(s.write.QueryRowContext(ctx, `DELETE FROM meeting WHERE id = $1 AND group_id = $2 RETURNING id`, id, group).Scan(&was)); err != nil {
		return fmt.Errorf("remove the meeting: %w", err)
	}
	return nil
}

// Triages returns what a group has made of the cases named.
func (s *Store) Triages(ctx context.Context, group int64, applications []int64) (map[int64]alerts.Triage, error) {
	out := make(map[int64]alerts.Triage, len(applications))
	for _, id := range applications {
		out[id] = alerts.Triage{ApplicationID: id}
	}
	these := ` group_id = $1 AND application_id IN (SELECT ` + s.dialect.intValue + ` FROM json_each($2))`
	found, err := collect(ctx, s.read, func(rows *sql.Rows) (t alerts.Triage, err error) {
		return t, rows.Scan(&t.ApplicationID, &t.State, &t.Assignee, &t.AssigneeName)
	}, `SELECT t.application_id, t.state, t.assignee, coalesce(o.name, '') FROM triage t LEFT JOIN role o ON o.account_id = t.assignee AND o.scope = 'group:' || CAST(t.group_id AS TEXT)
		WHERE t.`+these[1:], group, list(applications))
	if err == nil {
		for _, t := range found {
			out[t.ApplicationID] = t
		}
		err = s.eachPair(ctx, `SELECT application_id, account_id FROM hide_vote WHERE`+these+` ORDER BY at`, func(application, account int64) {
			t := out[application]
			t.Votes = append(t.Votes, account)
			out[application] = t
		}, group, list(applications))
	}
	if err == nil {
		err = s.eachPair(ctx, `SELECT application_id, count(*) FROM triage_log WHERE`+these+` AND action = 'note' GROUP BY application_id`, func(application, n int64) {
			t := out[application]
			t.Notes = int(n)
			out[application] = t
		}, group, list(applications))
	}
	if err != nil {
		return nil, fmt.Errorf("read what group %d made of cases: %w", group, err)
	}
	return out, nil
}

// eachPair calls f with the two integers of each row.
func (s *Store) eachPair(ctx context.Context, query string, f func(a, b int64), args ...any) error {
	pairs, err := collect(ctx, s.read, func(rows *sql.Rows) (p [2]int64, err error) { return p, rows.Scan(&p[0], &p[1]) }, query, args...)
	for _, p := range pairs {
		f(p[0], p[1])
	}
	return err
}

// Act does something about a case on a member's behalf, and puts it on record. What
// changes nothing is not recorded. to is whom a case is assigned to.
func (s *Store) Act(ctx context.Context, group int64, e alerts.TriageEntry, to int64, now time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockGroup(ctx, tx, group); err != nil {
			return err
		}
		all, err := members(ctx, tx, group)
		if err != nil {
			return err
		}
		name := func(account int64) (string, bool) {
			i := slices.IndexFunc(all, func(m alerts.Member) bool { return m.AccountID == account })
			if i < 0 {
				return "", false
			}
			return all[i].Name, true
		}
		var known bool
		if e.Name, known = name(e.AccountID); !known {
			return alerts.ErrNotFound
		}
		var changed bool
		switch e.Action {
		case alerts.ActRelevant, alerts.ActIgnored, alerts.ActUndecided:
			state := map[alerts.TriageAction]alerts.TriageState{alerts.ActRelevant: alerts.TriageRelevant, alerts.ActIgnored: alerts.TriageIgnored}[e.Action]
			changed, err = s.put(ctx, tx, group, e.ApplicationID, "state", state, now)
		case alerts.ActAssigned:
			if e.Text, known = name(to); !known {
				return &alerts.InvalidError{Field: "to", Problem: "Choose somebody who is in the group"}
			}
			changed, err = s.put(ctx, tx, group, e.ApplicationID, "assignee", to, now)
		case alerts.ActUnassigned:
			changed, err = s.put(ctx, tx, group, e.ApplicationID, "assignee", int64(0), now)
		case alerts.ActNote:
			changed = true
		case alerts.ActHide:
			changed, err = affected(tx.ExecContext(ctx, `INSERT INTO hide_vote (group_id, application_id, account_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, group, e.ApplicationID, e.AccountID, now.UnixMilli()))
		case alerts.ActUnhide:
			changed, err = affected(tx.ExecContext(ctx, `DELETE FROM hide_vote WHERE group_id = $1 AND application_id = $2 AND account_id = $3`, group, e.ApplicationID, e.AccountID))
		default:
			return &alerts.InvalidError{Field: "action", Problem: "Choose what to do with the case"}
		}
		if err != nil || !changed {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO triage_log (group_id, application_id, account_id, name, at, action, text) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			group, e.ApplicationID, e.AccountID, e.Name, now.UnixMilli(), e.Action, e.Text)
		return err
	})
	if err != nil {
		return fmt.Errorf("record what group %d made of a case: %w", group, err)
	}
	return nil
}

// put sets a column of a group's view of a case; changed is false when it had that
// value already. The column's name is the program's own.
func (s *Store) put(ctx context.Context, tx *sql.Tx, group, application int64, column string, value any, now time.Time) (changed bool, err error) {
	if value == alerts.TriageOpen || value == int64(0) { // as a case is of which nobody has said anything
		return affected(tx.ExecContext(ctx, `UPDATE triage SET `+column+` = $1, updated_at = $2 WHERE group_id = $3 AND application_id = $4 AND `+column+` <> $5`,
			value, now.UnixMilli(), group, application, value))
	}
	return affected(tx.ExecContext(ctx, `INSERT INTO triage (group_id, application_id, `+column+`, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (group_id, application_id) DO UPDATE SET `+column+` = excluded.`+column+`, updated_at = excluded.updated_at
		WHERE triage.`+column+` IS DISTINCT FROM excluded.`+column, group, application, value, now.UnixMilli()))
}

func affected(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// TriageLog returns what was done about a case, or with application 0 about all, the
// earliest first, after the entry with that id.
func (s *Store) TriageLog(ctx context.Context, group, application, after int64, limit int) ([]alerts.TriageEntry, error) {
	all, err := collect(ctx, s.read, func(rows *sql.Rows) (e alerts.TriageEntry, err error) {
		return e, rows.Scan(&e.ID, &e.ApplicationID, &e.Ref.Authority, &e.Ref.Number, &e.AccountID, &e.Name, &e.At, &e.Action, &e.Text)
	}, `SELECT l.id, l.application_id, coalesce(a.authority, ''), coalesce(a.reference, ''), l.account_id, l.name, l.at, l.action, l.text
		FROM triage_log l LEFT JOIN application a ON a.id = l.application_id AND NOT a.hidden
		WHERE l.group_id = $1 AND ($2 = 0 OR l.application_id = $3) AND l.id > $4 ORDER BY l.id LIMIT $5`, group, application, application, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the record of group %d: %w", group, err)
	}
	return all, nil
}
