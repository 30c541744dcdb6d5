package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is the record of what people did. It is written in the transaction of
// whatever was done, so that nothing is done without it.

func recordAct(ctx context.Context, tx *sql.Tx, a alerts.Act, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO act (at, kind, who, what, subject, reason) VALUES ($1, $2, $3, $4, $5, $6)`, now.UnixMilli(), a.Kind, a.Who, a.What, a.Subject, a.Reason)
	if err != nil {
		return fmt.Errorf("record what was done: %w", err)
	}
	return nil
}

// RecordAct keeps the record of an act that changes nothing by itself.
func (s *Store) RecordAct(ctx context.Context, a alerts.Act, now time.Time) error {
	return s.inTx(ctx, func(tx *sql.Tx) error { return recordAct(ctx, tx, a, now) })
}

// Acts returns up to limit acts before one (0 for all), the newest first. Subject and
// kind narrow them.
func (s *Store) Acts(ctx context.Context, subject string, kind alerts.ActKind, before int64, limit int) ([]alerts.Act, error) {
	acts, err := collect(ctx, s.read, func(rows *sql.Rows) (a alerts.Act, err error) {
		return a, rows.Scan(&a.ID, &a.At, &a.Kind, &a.Who, &a.What, &a.Subject, &a.Reason)
	}, `SELECT id, at, kind, who, what, subject, reason FROM act WHERE (CAST($1 AS TEXT) = '' OR subject = $2) AND (CAST($3 AS TEXT) = '' OR kind = $4)
		AND (CAST($5 AS BIGINT) = 0 OR id < $6) ORDER BY id DESC LIMIT $7`, subject, subject, kind, kind, before, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read the record of what was done: %w", err)
	}
	return acts, nil
}

// LookedFor returns why somebody last opened a person's page, if that was since a
// moment; alerts.ErrNotFound when they have not.
func (s *Store) LookedFor(ctx context.Context, who string, recipient int64, since time.Time) (reason string, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT reason FROM act WHERE subject = $1 AND who = $2 AND what = $3 AND at > $4 ORDER BY id DESC LIMIT 1`,
		alerts.RecipientSubject(recipient), who, alerts.ActLooked, since.UnixMilli()).Scan(&reason))
	if err != nil {
		return "", fmt.Errorf("look whether the page of recipient %d was opened: %w", recipient, err)
	}
	return reason, nil
}

// ActorNames returns the addresses of accounts that did things, by how the record
// names them. Those that were erased have none.
func (s *Store) ActorNames(ctx context.Context, accounts []int64) (map[string]string, error) {
	out := map[string]string{}
	_, err := collect(ctx, s.read, func(rows *sql.Rows) (x struct{}, err error) {
		var a alerts.Account
		err = rows.Scan(&a.ID, &a.Address)
		out[a.Actor()] = a.Address
		return x, err
	}, `SELECT id, address FROM recipient WHERE kind = 'account' AND address <> '' AND id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(accounts))
	if err != nil {
		return nil, fmt.Errorf("read who did it: %w", err)
	}
	return out, nil
}
