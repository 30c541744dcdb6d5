package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// Course returns how the applications to an authority have gone lately.
func (s *Store) Course(ctx context.Context, slug string, today alerts.Date) (c alerts.Course, err error) {
	var first alerts.Date
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(min(listed), '') FROM application WHERE authority = $1`, slug).Scan(&first)
	if from, to, months, ok := alerts.CourseMonths(first, today); ok && err == nil {
		var received int
		err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM application WHERE authority = $1 AND NOT hidden AND listed >= $2 AND listed <= $3`, slug, from, to).Scan(&received)
		c.Came(received, months)
	}
	var cases []alerts.Details
	if err == nil {
		from, to := alerts.CourseSpan(today)
		cases, err = collect(ctx, s.read, func(rows *sql.Rows) (d alerts.Details, err error) { return d, rows.Scan(asJSON[alerts.Details]{&d}) },
			`SELECT details FROM application WHERE authority = $1 AND NOT hidden AND listed >= $2 AND listed <= $3 ORDER BY listed DESC, id DESC LIMIT $4`, slug, from, to, alerts.CourseMost)
	}
	if err != nil {
		return c, fmt.Errorf("count how the applications to %s went: %w", slug, err)
	}
	c.Settle(cases)
	return c, nil
}
