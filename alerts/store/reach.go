package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// MeasureReach counts whom each authority's applications reached in the last months,
// of those months that have not been counted: what is counted once stays, also when
// the people have been forgotten.
func (s *Store) MeasureReach(ctx context.Context, now time.Time) error {
	for _, month := range alerts.MonthsBefore(now, alerts.ReachMonths) {
		var done bool
		err := s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM reach WHERE authority = '' AND month = $1)`, month).Scan(&done)
		if err == nil && !done {
			err = s.measureReach(ctx, month)
		}
		if err != nil {
			return fmt.Errorf("count who was reached in %s: %w", month, err)
		}
	}
	return nil
}

// toldIn picks what was told in a time by mail to subscribers: one row for each event
// and person, however many of their areas it concerned.
const toldIn = `WITH told AS (SELECT a.authority, e.application_id, e.type, e.at, d.sent_at, m.recipient_id, max(m.closes) AS closes
	FROM delivery d JOIN match m ON m.delivery_id = d.id JOIN event e ON e.seq = m.seq JOIN application a ON a.id = e.application_id
	WHERE d.kind = 'alert' AND d.state = 'sent' AND d.sent_at >= $1 AND d.sent_at < $2 AND NOT m.correction
	GROUP BY a.authority, e.application_id, e.seq, e.type, e.at, d.sent_at, m.recipient_id) `

func (s *Store) measureReach(ctx context.Context, month alerts.Month) error {
	from, to := month.Bounds()
	tallies := map[string]*alerts.Tally{"": {Month: month}}
	of := func(authority string) *alerts.Tally {
		if tallies[authority] == nil {
			tallies[authority] = &alerts.Tally{Authority: authority, Month: month}
		}
		return tallies[authority]
	}
	_, err := collect(ctx, s.read, func(rows *sql.Rows) (_ int, err error) {
		var authority string
		var n int
		err = rows.Scan(&authority, &n)
		of(authority).Applications = n
		tallies[""].Applications += n
		return 0, err
	}, `SELECT a.authority, count(*) FROM event e JOIN application a ON a.id = e.application_id
		WHERE e.type = 'received' AND e.seq IS NOT NULL AND e.at >= $1 AND e.at < $2 GROUP BY a.authority`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return err
	}
	// Of each authority, and of all together: a person may follow several.
	for _, by := range []string{`authority`, `CAST('' AS TEXT)`} {
		_, err := collect(ctx, s.read, func(rows *sql.Rows) (_ int, err error) {
			var authority string
			var t alerts.Tally
			if err = rows.Scan(&authority, &t.Told, &t.People, &t.Alerts, &t.New.People, &t.New.Alerts, &t.Dated.People, &t.Dated.Alerts); err == nil {
				have := of(authority)
				t.Authority, t.Month, t.Applications = authority, month, have.Applications
				*have = t
			}
			return 0, err
		}, toldIn+`SELECT `+by+`, count(DISTINCT application_id), count(DISTINCT recipient_id), count(*),
				count(DISTINCT CASE WHEN type = 'received' THEN recipient_id END), count(CASE WHEN type = 'received' THEN 1 END),
				count(DISTINCT CASE WHEN type = 'received' AND closes <> '' THEN recipient_id END), count(CASE WHEN type = 'received' AND closes <> '' THEN 1 END)
			FROM told GROUP BY 1 HAVING count(*) > 0`, from.UnixMilli(), to.UnixMilli())
		if err != nil {
			return err
		}
	}
	if err := s.leads(ctx, from, to, of); err != nil {
		return err
	}
	rows := make([][]any, 0, len(tallies))
	for _, t := range tallies {
		rows = append(rows, []any{t.Authority, string(t.Month), t.Applications, t.Told, t.People, t.Alerts, t.New.People, t.New.Alerts, t.New.Median, t.New.P95, t.Dated.People, t.Dated.Alerts, t.Dated.Median, t.Dated.P95})
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		return s.dialect.insert(ctx, tx, "reach", []string{"authority", "month", "applications", "told", "people", "alerts", "new_people", "new_alerts", "hours_median", "hours_p95", "dated_people", "dated_alerts", "days_median", "days_p95"},
			rows, "ON CONFLICT DO NOTHING")
	})
}

// leads works out how early alerts about new applications came, to the hour and the day.
func (s *Store) leads(ctx context.Context, from, to time.Time, of func(authority string) *alerts.Tally) error {
	hours, days := map[string]alerts.Spread{}, map[string]alerts.Spread{}
	add := func(spreads map[string]alerts.Spread, authority string, v, n int) {
		for _, a := range []string{authority, ""} {
			if spreads[a] == nil {
				spreads[a] = alerts.Spread{}
			}
			spreads[a][v] += n
		}
	}
	_, err := collect(ctx, s.read, func(rows *sql.Rows) (_ int, err error) {
		var authority string
		var closes alerts.Date
		var took, sent int64 // hours
		var n int
		if err = rows.Scan(&authority, &took, &sent, &closes, &n); err != nil {
			return 0, err
		}
		add(hours, authority, int(took), n)
		if closes != "" {
			on := alerts.DateOf(time.UnixMilli(sent * time.Hour.Milliseconds()))
			add(days, authority, max(on.DaysUntil(closes), 0), n)
		}
		return 0, nil
	}, toldIn+`SELECT authority, (sent_at - at + 3599999) / 3600000, sent_at / 3600000, closes, count(*) FROM told WHERE type = 'received' AND sent_at >= at GROUP BY 1, 2, 3, 4`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return err
	}
	for authority, s := range hours {
		t := of(authority)
		t.New.Median, t.New.P95 = s.Rank(.5), s.Rank(.95)
	}
	for authority, s := range days {
		t := of(authority)
		t.Dated.Median, t.Dated.P95 = s.Rank(.5), s.Rank(.05)
	}
	return nil
}

// Reach returns what was counted of an authority, the latest month first.
func (s *Store) Reach(ctx context.Context, authority string) ([]alerts.Tally, error) {
	tallies, err := collect(ctx, s.read, func(rows *sql.Rows) (t alerts.Tally, err error) {
		return t, rows.Scan(&t.Authority, &t.Month, &t.Applications, &t.Told, &t.People, &t.Alerts, &t.New.People, &t.New.Alerts, &t.New.Median, &t.New.P95, &t.Dated.People, &t.Dated.Alerts, &t.Dated.Median, &t.Dated.P95)
	}, `SELECT authority, month, applications, told, people, alerts, new_people, new_alerts, hours_median, hours_p95, dated_people, dated_alerts, days_median, days_p95
		FROM reach WHERE authority = $1 ORDER BY month DESC LIMIT $2`, authority, alerts.ReachMonths)
	if err != nil {
		return nil, fmt.Errorf("read who was reached: %w", err)
	}
	return tallies, nil
}
