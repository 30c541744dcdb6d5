package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file is where authorities, wards and properties are.

// PutBoundaries stores boundaries, in place of those of the same kind and code.
func (s *Store) PutBoundaries(ctx context.Context, boundaries []alerts.Boundary, now time.Time) error {
	rows := make([][]any, len(boundaries))
	for i, b := range boundaries {
		area, err := geo.EncodeWKB(b.Area)
		if err != nil {
			return fmt.Errorf("the boundary %s: %w", b.Code, err)
		}
		rows[i] = []any{string(b.Kind), b.Code, b.Name, area, b.Source, now.UnixMilli()}
	}
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := readAgain(ctx, tx); err != nil {
			return err
		}
		return s.dialect.insert(ctx, tx, "boundary", []string{"kind", "code", "name", "area", "source", "imported_at"}, rows,
			`ON CONFLICT (kind, code) DO UPDATE SET name = excluded.name, area = excluded.area, source = excluded.source, imported_at = excluded.imported_at`)
	})
	if err != nil {
		return fmt.Errorf("store boundaries: %w", err)
	}
	return nil
}

// readAgain makes every feed be read whole the next time, also when it has not
// changed: its applications may be placed otherwise now.
func readAgain(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE feed SET etag = '', last_modified = ''`)
	return err
}

// Boundaries returns all boundaries, by kind and code.
func (s *Store) Boundaries(ctx context.Context) ([]alerts.Boundary, error) {
	all, err := collect(ctx, s.read, func(rows *sql.Rows) (b alerts.Boundary, err error) {
		var area []byte
		if err := rows.Scan(&b.Kind, &b.Code, &b.Name, &area, &b.Source); err != nil {
			return b, err
		}
		b.Area, err = geo.DecodeWKB(area)
		return b, err
	}, `SELECT kind, code, name, area, source FROM boundary ORDER BY kind, code`)
	if err != nil {
		return nil, fmt.Errorf("read the boundaries: %w", err)
	}
	return all, nil
}

// FindBoundaries returns up to limit boundaries of a kind whose name contains a
// text, without their areas, in order of name.
func (s *Store) FindBoundaries(ctx context.Context, kind alerts.BoundaryKind, text string, limit int) ([]alerts.Boundary, error) {
	pattern := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(text)) + "%"
	found, err := collect(ctx, s.read, func(rows *sql.Rows) (b alerts.Boundary, err error) {
		return b, rows.Scan(&b.Kind, &b.Code, &b.Name)
	}, `SELECT kind, code, name FROM boundary WHERE kind = $1 AND lower(name) LIKE $2 ESCAPE '\' ORDER BY name, code LIMIT $3`, kind, pattern, limit)
	if err != nil {
		return nil, fmt.Errorf("look for boundaries: %w", err)
	}
	return found, nil
}

// Boundary returns one boundary. [alerts.ErrNotFound]: none was imported.
func (s *Store) Boundary(ctx context.Context, kind alerts.BoundaryKind, code string) (b alerts.Boundary, err error) {
	var area []byte
	if err = one(s.read.QueryRowContext(ctx, `SELECT kind, code, name, area, source FROM boundary WHERE kind = $1 AND code = $2`, kind, code).
		Scan(&b.Kind, &b.Code, &b.Name, &area, &b.Source)); err == nil {
		b.Area, err = geo.DecodeWKB(area)
	}
	if err != nil {
		return b, fmt.Errorf("read the boundary of the %s %s: %w", kind, code, err)
	}
	return b, nil
}

// A Property is where a unique property reference number is.
type Property struct {
	UPRN int64
	At   geo.Point
}

// PutProperties stores places of properties, in place of those of the same number.
func (s *Store) PutProperties(ctx context.Context, properties []Property) error {
	rows := make([][]any, len(properties))
	for i, p := range properties {
		rows[i] = []any{p.UPRN, p.At.Lon, p.At.Lat}
	}
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := readAgain(ctx, tx); err != nil {
			return err
		}
		return s.dialect.insert(ctx, tx, "uprn", []string{"uprn", "lon", "lat"}, rows, `ON CONFLICT (uprn) DO UPDATE SET lon = excluded.lon, lat = excluded.lat`)
	})
	if err != nil {
		return fmt.Errorf("store places of properties: %w", err)
	}
	return nil
}

// PropertyAt returns where a property is; false when that is not known.
func (s *Store) PropertyAt(ctx context.Context, uprn string) (at geo.Point, ok bool, err error) {
	n, err := strconv.ParseInt(uprn, 10, 64)
	if err != nil {
		return at, false, nil // no number, so no property
	}
	err = s.read.QueryRowContext(ctx, `SELECT lon, lat FROM uprn WHERE uprn = $1`, n).Scan(&at.Lon, &at.Lat)
	if errors.Is(err, sql.ErrNoRows) {
		return at, false, nil
	}
	return at, err == nil, err
}
