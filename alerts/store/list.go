package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file lists the applications that somebody looks for, for pages, feed readers
// and programs alike: from the index that fits, page by page, the newest first.

// How many applications one page of a list may read to find what it lists, and how
// many of those with the words that are looked for are put in order.
const (
	maxScan    = 20_000
	maxOrdered = 10_000
)

// List returns up to limit of the applications that a query asks for, the newest
// first, after the cursor. The listing may be shorter although there are more, when
// few of those looked at were among them. The query must name a place, a council or
// words; otherwise the listing is empty.
func (s *Store) List(ctx context.Context, q alerts.Query, after alerts.Cursor, limit int) (found alerts.Page, err error) {
	l := &lister{Store: s, query: &q, limit: limit}
	switch {
	case q.Area.Kind == alerts.AreaCircle, q.Area.Kind == alerts.AreaPolygon:
		if l.ground, err = alerts.NewGround(&q.Area); err == nil {
			err = l.scan(ctx, after, l.inArea)
		}
	case q.Area.Kind == alerts.AreaAuthority && (q.Authority == "" || q.Authority == q.Area.Code):
		q.Authority = q.Area.Code
		err = l.scan(ctx, after, l.ofAuthority)
	case q.Area.Kind == alerts.AreaWard:
		if l.ground, err = alerts.NewGround(&q.Area); err == nil {
			err = l.scan(ctx, after, l.ofWard)
		}
	case q.Area.Kind != "":
	case !q.Words.IsZero():
		err = l.withWords(ctx, after)
	case q.Authority != "":
		err = l.scan(ctx, after, l.ofAuthority)
	}
	if err != nil {
		return alerts.Page{}, fmt.Errorf("list applications: %w", err)
	}
	return l.found, nil
}

// A lister is one call of List.
type lister struct {
	*Store
	query  *alerts.Query
	ground *alerts.Ground // nil when the place does not matter
	limit  int
	last   alerts.Cursor // of the last application found
	found  alerts.Page
}

// scan goes through candidates, the newest first, until the list is full.
func (l *lister) scan(ctx context.Context, after alerts.Cursor, next func(ctx context.Context, after alerts.Cursor, n int) ([]candidate, error)) error {
	batch := l.limit + 1 + l.limit/4
	for looked := 0; ; batch = min(4*batch, 2_000) {
		candidates, err := next(ctx, after, batch)
		if err != nil {
			return err
		}
		full, err := l.take(ctx, candidates)
		if err != nil || full || len(candidates) < batch {
			return err
		}
		after = candidates[len(candidates)-1].cursor()
		if looked += len(candidates); looked >= maxScan {
			l.found.Next = after
			return nil
		}
	}
}

// take adds those of the candidates that are asked for to the list; full is true
// once there are more than it can hold.
func (l *lister) take(ctx context.Context, candidates []candidate) (full bool, err error) {
	ids := make([]int64, 0, len(candidates))
	for _, c := range candidates {
		if l.query.Area.Kind != alerts.AreaCircle || geo.Distance(l.query.Area.Centre, c.at) <= max(l.query.Area.Radius, l.query.Area.Ring)+edgeMargin {
			ids = append(ids, c.id)
		}
	}
	apps, err := l.applicationsByID(ctx, ids)
	if err != nil {
		return false, err
	}
	for _, c := range candidates {
		app, ok := apps[c.id]
		if !ok || !l.query.Keeps(&app) {
			continue
		}
		if l.ground != nil {
			if inside, err := contains(l.ground, app); err != nil {
				return false, err
			} else if !inside {
				continue
			}
		}
		if len(l.found.Applications) == l.limit {
			l.found.Next = l.last
			return true, nil
		}
		l.found.Applications = append(l.found.Applications, app)
		l.last = c.cursor()
	}
	return false, nil
}

func (c candidate) cursor() alerts.Cursor { return alerts.Cursor{Listed: c.listed, ID: c.id} }

// inArea returns the next candidates in the box around the area.
func (l *lister) inArea(ctx context.Context, after alerts.Cursor, n int) ([]candidate, error) {
	box, _, err := l.query.Area.Reach()
	if err != nil {
		return nil, err
	}
	return l.inBox(ctx, box.Grow(edgeMargin), after, l.query.Since, l.query.Until, n)
}

// ofAuthority returns the next candidates of an authority.
func (l *lister) ofAuthority(ctx context.Context, after alerts.Cursor, n int) ([]candidate, error) {
	return collect(ctx, l.read, func(rows *sql.Rows) (c candidate, err error) { return c, rows.Scan(&c.id, &c.listed) },
		`SELECT id, listed FROM application WHERE authority = $1 AND NOT hidden AND listed >= $2 AND listed <= $3 AND (listed, id) < ($4, $5)
			ORDER BY listed DESC, id DESC LIMIT $6`, l.query.Authority, l.query.Since, until(l.query.Until), afterListed(after), afterID(after), n)
}

// ofWard returns the next candidates of a ward.
func (l *lister) ofWard(ctx context.Context, after alerts.Cursor, n int) ([]candidate, error) {
	return collect(ctx, l.read, func(rows *sql.Rows) (c candidate, err error) { return c, rows.Scan(&c.id, &c.listed) },
		`SELECT id, listed FROM application WHERE ward = $1 AND NOT hidden AND listed >= $2 AND listed <= $3 AND (listed, id) < ($4, $5)
			ORDER BY listed DESC, id DESC LIMIT $6`, l.query.Area.Code, l.query.Since, until(l.query.Until), afterListed(after), afterID(after), n)
}

// WardAuthorities returns the authorities of whose applications a register says that
// they are in a ward.
func (s *Store) WardAuthorities(ctx context.Context, code string) ([]string, error) {
	found, err := collect(ctx, s.read, func(rows *sql.Rows) (slug string, err error) { return slug, rows.Scan(&slug) },
		`SELECT DISTINCT authority FROM application WHERE ward = $1 AND NOT hidden ORDER BY authority`, code)
	if err != nil {
		return nil, fmt.Errorf("look for applications in the ward %s: %w", code, err)
	}
	return found, nil
}

// until is the day after which nothing is listed; no day is the end of time.
func until(d alerts.Date) alerts.Date {
	if d == "" {
		return "9999-99-99"
	}
	return d
}

// withWords lists what has the words that are looked for. Of words that very many
// have, only those that came in last are put in order; within one council its own
// list is gone through instead, since it is soon full.
func (l *lister) withWords(ctx context.Context, after alerts.Cursor) error {
	ids, err := collect(ctx, l.read, scanInt, l.dialect.search, l.dialect.words(l.query.Words), maxOrdered+1)
	if err != nil {
		return err
	}
	if len(ids) > maxOrdered {
		if l.query.Authority != "" {
			return l.scan(ctx, after, l.ofAuthority)
		}
		ids, l.found.Partial = ids[:maxOrdered], true
	}
	return l.scan(ctx, after, func(ctx context.Context, after alerts.Cursor, n int) ([]candidate, error) {
		return collect(ctx, l.read, func(rows *sql.Rows) (c candidate, err error) { return c, rows.Scan(&c.id, &c.listed) },
			`SELECT id, listed FROM application WHERE id IN (SELECT `+l.dialect.intValue+` FROM json_each($1)) AND NOT hidden
				AND ($2 = '' OR authority = $3) AND listed >= $4 AND listed <= $5 AND (listed, id) < ($6, $7) ORDER BY listed DESC, id DESC LIMIT $8`,
			list(ids), l.query.Authority, l.query.Authority, l.query.Since, until(l.query.Until), afterListed(after), afterID(after), n)
	})
}

// words writes a search as the engine wants it. Which words stand side by side is
// left to the rule: the index is only asked which of them occur.
func (d dialect) words(s alerts.Search) string {
	text := ""
	for _, t := range s.Terms {
		for i, w := range t.Words {
			if text != "" {
				text += d.and
			}
			text += d.word(w, i == len(t.Words)-1 && t.Begins())
		}
	}
	return text
}

// looseReference must be the expression of the index alias_loose, and agree with
// alerts.LooseReference.
const looseReference = `replace(replace(replace(replace(replace(reference_key, '/', ''), ' ', ''), '-', ''), '.', ''), '_', '')`

// ByReference returns the applications known by a reference, typed in any form, to
// one authority or, with an empty slug, to any: at most limit, by authority.
func (s *Store) ByReference(ctx context.Context, authority, number string, limit int) ([]alerts.Application, error) {
	loose := alerts.LooseReference(number)
	if loose == "" {
		return nil, nil
	}
	ids, err := collect(ctx, s.read, scanInt, `SELECT DISTINCT application_id FROM alias WHERE `+looseReference+` = $1 AND ($2 = '' OR authority = $3) LIMIT $4`,
		loose, authority, authority, limit)
	if err != nil {
		return nil, fmt.Errorf("look for a reference: %w", err)
	}
	found, err := s.applicationsByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look for a reference: %w", err)
	}
	out := make([]alerts.Application, 0, len(found))
	for _, a := range found {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b alerts.Application) int {
		if a.Authority != b.Authority {
			return map[bool]int{true: -1, false: 1}[a.Authority < b.Authority]
		}
		return int(a.ID - b.ID)
	})
	return out, nil
}

// tidyPages keeps each step of tidySearch short.
const tidyPages = 64

// tidySearch merges the parts of the index of words, a little at a time, until it is
// one: so that words of cases that were amended or taken down are gone from the file,
// and searches are quick.
func (s *Store) tidySearch(ctx context.Context) error {
	if s.dialect.tidySearch == "" {
		return nil
	}
	for pages := -tidyPages; ; pages = tidyPages { // the first, negative, asks for everything to be merged
		var before, after int64
		err := s.inTx(ctx, func(tx *sql.Tx) error {
			if err := tx.QueryRowContext(ctx, `SELECT total_changes()`).Scan(&before); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, s.dialect.tidySearch, pages); err != nil {
				return err
			}
			return tx.QueryRowContext(ctx, `SELECT total_changes()`).Scan(&after)
		})
		if err != nil || after-before < 2 { // one is the statement itself
			return err
		}
	}
}
