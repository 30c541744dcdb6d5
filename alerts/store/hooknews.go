package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// TellEndpoints has mails written to the owners of endpoints that fail or were
// disabled, at most one a day about each endpoint, and returns how many mails that
// made. Of an endpoint that has no owner with an address, the operator is told.
func (s *Store) TellEndpoints(ctx context.Context, limit int, now time.Time, write func(alerts.Endpoint) (alerts.Delivery, error)) (mails int, told int, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, scanInt, `SELECT id FROM endpoint WHERE news <> '' AND told_at <= $1 ORDER BY told_at, id LIMIT $2`+s.dialect.skipLocked,
			now.Add(-alerts.NewsGap).UnixMilli(), limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		endpoints, err := s.endpoints(ctx, tx, `e.id IN (SELECT `+s.dialect.intValue+` FROM json_each($1))`, list(ids))
		if err != nil {
			return err
		}
		for _, e := range endpoints {
			owners, err := s.endpointOwners(ctx, tx, e)
			if err != nil {
				return err
			}
			for _, to := range owners {
				if err := queueLetter(ctx, tx, alerts.Letter{Kind: alerts.DeliveryNotice, Recipient: to}, now, func(alerts.Letter) (alerts.Delivery, error) { return write(e) }); err != nil {
					return err
				}
				mails++
			}
			if len(owners) == 0 {
				if err := putNotice(ctx, tx, fmt.Sprintf("endpoint:%d:%s:%s", e.ID, e.News, alerts.DateOf(now)), e.NewsWords(), now); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, `UPDATE endpoint SET told = news, news = '', told_at = $1 WHERE id = $2`, now.UnixMilli(), e.ID); err != nil {
				return err
			}
			told++
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("tell the owners of endpoints: %w", err)
	}
	return mails, told, nil
}

// endpointOwners returns who is told of an endpoint: its owner, else the owners of
// its group.
func (s *Store) endpointOwners(ctx context.Context, tx *sql.Tx, e alerts.Endpoint) ([]alerts.Recipient, error) {
	group := ""
	if e.GroupID != 0 && e.OwnerID == 0 {
		group = fmt.Sprintf("group:%d", e.GroupID)
	}
	return collect(ctx, tx, func(rows *sql.Rows) (r alerts.Recipient, err error) {
		return r, rows.Scan(&r.ID, &r.Kind, &r.Address, &r.State, &r.Language)
	}, `SELECT id, kind, address, state, language FROM recipient WHERE state = 'active' AND address <> ''
		AND (id = $1 OR id IN (SELECT account_id FROM role WHERE scope = $2 AND role = 'owner')) ORDER BY id`, e.OwnerID, group)
}
