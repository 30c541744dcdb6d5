package store

import (
	"context"
	"database/sql"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what is kept about somebody who signs in: what they may do, and what
// they did in groups.

// groupName is the name of the group that a row is of.
const groupName = `coalesce((SELECT name FROM community WHERE id = group_id), '')`

// personalGroups adds what groups keep about a person, and where they are signed in.
func (s *Store) personalGroups(ctx context.Context, account int64, p *alerts.Personal) error {
	p.Roles, p.Acts, p.Assigned, p.Votes = []alerts.PersonalRole{}, []alerts.PersonalAct{}, []alerts.PersonalCase{}, []alerts.PersonalCase{}
	p.Tokens, p.Endpoints, p.Invitations, p.Sessions = []alerts.PersonalToken{}, []alerts.PersonalEndpoint{}, []alerts.PersonalInvite{}, []alerts.PersonalSession{}
	if err := gather(ctx, s.read, &p.Roles, func(rows *sql.Rows) (r alerts.PersonalRole, err error) {
		var since int64
		err = rows.Scan(&r.Of, &r.Role, &r.Name, &since)
		r.Since = moment(since)
		return r, err
	}, `SELECT coalesce((SELECT g.name FROM community g WHERE o.scope = 'group:' || CAST(g.id AS TEXT)), o.scope), o.role, o.name, o.created_at
		FROM role o WHERE o.account_id = $1 ORDER BY o.created_at, o.scope`, account); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Acts, func(rows *sql.Rows) (a alerts.PersonalAct, err error) {
		var at int64
		err = rows.Scan(&a.Group, &a.Authority, &a.Reference, &at, &a.Name, &a.Action, &a.Text)
		a.At = moment(at)
		return a, err
	}, `SELECT `+groupName+`, a.authority, a.reference, l.at, l.name, l.action, l.text FROM triage_log l JOIN application a ON a.id = l.application_id
		WHERE l.account_id = $1 ORDER BY l.id`, account); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Assigned, personalCase, `SELECT `+groupName+`, a.authority, a.reference, t.updated_at FROM triage t JOIN application a ON a.id = t.application_id
		WHERE t.assignee = $1 ORDER BY t.group_id, t.application_id`, account); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Votes, personalCase, `SELECT `+groupName+`, a.authority, a.reference, v.at FROM hide_vote v JOIN application a ON a.id = v.application_id
		WHERE v.account_id = $1 ORDER BY v.group_id, v.application_id`, account); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Tokens, func(rows *sql.Rows) (t alerts.PersonalToken, err error) {
		var made, used, ended int64
		err = rows.Scan(&t.Group, &t.Name, &t.Start, &made, &used, &ended)
		t.Made, t.Used, t.Ended = moment(made), maybe(used), maybe(ended)
		return t, err
	}, `SELECT `+groupName+`, name, start, created_at, last_used_at, revoked_at FROM api_token WHERE account_id = $1 ORDER BY id`, account); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Endpoints, func(rows *sql.Rows) (e alerts.PersonalEndpoint, err error) { return e, rows.Scan(&e.Group, &e.Name) },
		`SELECT `+groupName+`, name FROM endpoint WHERE owner_id = $1 AND state <> 'deleted' ORDER BY id`, account); err != nil {
		return err
	}
	if err := gather(ctx, s.read, &p.Invitations, func(rows *sql.Rows) (i alerts.PersonalInvite, err error) {
		var at, until int64
		err = rows.Scan(&i.Group, &i.Role, &i.ByThem, &at, &until)
		i.At, i.Until = moment(at), moment(until)
		return i, err
	}, `SELECT `+groupName+`, role, invited_by = $1, created_at, expires_at FROM invitation WHERE invited_by = $2 OR account_id = $3 ORDER BY id`, account, account, account); err != nil {
		return err
	}
	return gather(ctx, s.read, &p.Sessions, func(rows *sql.Rows) (d alerts.PersonalSession, err error) {
		var since, used, until int64
		err = rows.Scan(&since, &used, &until)
		d.Since, d.Used, d.Until = moment(since), moment(used), moment(until)
		return d, err
	}, `SELECT created_at, seen_at, expires_at FROM session WHERE account_id = $1 ORDER BY created_at, hash`, account)
}

func personalCase(rows *sql.Rows) (c alerts.PersonalCase, err error) {
	var at int64
	err = rows.Scan(&c.Group, &c.Authority, &c.Reference, &at)
	c.At = moment(at)
	return c, err
}
