package main

import (
	"context"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// A locator knows where places are: by imported boundaries and properties, and by
// the postcode table.
type locator struct {
	store   *store.Store
	table   *postcode.Table   // nil when there is none
	extents map[string]extent // by authority slug; only those of which something is known
	wards   []ward
}

// An extent is where an authority's applications can be.
type extent struct {
	box  geo.Box
	area *geo.Prepared // nil when only the box is known
}

type ward struct {
	code string
	area *geo.Prepared
}

// How far outside its authority, in metres, a place may be: boundaries are drawn
// roughly, and not all land has postcodes.
const (
	beyondBoundary  = 2_000
	beyondPostcodes = 5_000
)

// places reads what is known of places.
func (s *service) places(ctx context.Context) (ingest.Locator, error) {
	l := &locator{store: s.store, table: s.postcodes, extents: map[string]extent{}}
	boundaries, err := s.store.Boundaries(ctx)
	if err != nil {
		return nil, err
	}
	areas := map[string]extent{}
	for _, b := range boundaries {
		area, err := geo.Prepare(b.Area) // nil for an outline that crosses itself
		switch {
		case b.Kind == alerts.BoundaryAuthority:
			areas[b.Code] = extent{geo.Bounds(b.Area).Grow(beyondBoundary), area}
		case err != nil:
			s.log.Warn("a ward's outline cannot be used; import it again", "code", b.Code, "error", err)
		default:
			l.wards = append(l.wards, ward{b.Code, area})
		}
	}
	authorities, err := s.store.Authorities(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range authorities {
		for _, code := range []string{a.Slug, a.District} {
			if e, ok := areas[code]; ok && code != "" {
				l.extents[a.Slug] = e
				break // its own comes before its district's
			}
		}
		if _, known := l.extents[a.Slug]; !known && s.postcodes != nil && a.District != "" {
			if box, ok := s.postcodes.DistrictExtent(a.District); ok {
				l.extents[a.Slug] = extent{box: box.Grow(beyondPostcodes)}
			}
		}
	}
	return l, nil
}

func (l *locator) Within(authority string, p geo.Point) bool {
	e, known := l.extents[authority]
	switch {
	case !known:
		return geo.InUK(p)
	case !e.box.Contains(p):
		return false
	}
	return e.area == nil || e.area.DistanceM(geo.Geometry(p)) <= beyondBoundary
}

func (l *locator) Property(ctx context.Context, uprn string) (geo.Point, bool, error) {
	return l.store.PropertyAt(ctx, uprn)
}

func (l *locator) PostcodeIn(text string) (string, geo.Point, bool) {
	code, ok := postcode.Find(text)
	if !ok || l.table == nil {
		return string(code), geo.Point{}, false
	}
	place, err := l.table.Lookup(code)
	return string(code), place.Point, err == nil
}

// wardWithin is how far, in metres, the nearest postcode may be for its ward to
// stand for a place.
const wardWithin = 500

// WardAt prefers imported boundaries to postcodes.
func (l *locator) WardAt(p geo.Point) string {
	at := geo.Geometry(p)
	for _, w := range slices.Backward(l.wards) { // where outlines of two years overlap, the later code counts
		if w.area.Bounds().Contains(p) && w.area.Intersects(at) {
			return w.code
		}
	}
	if l.table == nil {
		return ""
	}
	code, _, distance, ok := l.table.NearestWard(p)
	if !ok || distance > wardWithin {
		return ""
	}
	return code
}
