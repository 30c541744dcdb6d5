package web

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// A mapView is what the script that draws the map is told.
type mapView struct {
	Lat      float64         `json:"lat"`
	Lon      float64         `json:"lon"`
	Zoom     int             `json:"zoom"`
	Pin      bool            `json:"pin"`    // the place is a pin that can be moved
	Draw     bool            `json:"draw"`   // the area is drawn
	Points   []mapPoint      `json:"points"` // applications there
	Boundary json.RawMessage `json:"boundary,omitempty"`
	Tiles    string          `json:"tiles"`
	Credit   string          `json:"credit"`
	Whole    bool            `json:"-"` // nothing can be left out of the area
}

type mapPoint struct {
	Lat   float64 `json:"lat"`
	Lon   float64 `json:"lon"`
	Label string  `json:"label"`
	Open  bool    `json:"open"`
}

// JSON is the view for an attribute of the map.
func (m *mapView) JSON() (string, error) {
	b, err := json.Marshal(m)
	return string(b), err
}

// mapPoints is how many applications a map shows.
const mapPoints = 60

// middle is where a map begins when nothing else says so: the middle of Great
// Britain.
var middle = geo.Point{Lon: -2.5, Lat: 54}

// mapOf says what the map of a form shows; nil when there is nothing to draw.
func (s *Server) mapOf(ctx context.Context, f *wishForm) (*mapView, error) {
	m := &mapView{Tiles: s.Tiles, Credit: s.TilesCredit, Zoom: 15, Points: []mapPoint{}}
	at := f.At.Centre
	radius := min(max(f.Radius, f.Ring, 1000), alerts.MaxRadius)
	switch f.Area {
	case alerts.AreaCircle:
		m.Pin = true
		if !f.Found {
			at, m.Zoom, radius = middle, 6, 0
		}
	case alerts.AreaPolygon:
		m.Draw = true
		if wkb, err := alerts.ParseOutline(f.Outline); err == nil && len(wkb) > 0 {
			if g, err := geo.DecodeWKB(wkb); err == nil {
				at = geo.Centre(g)
			}
		} else if !f.Found {
			at, m.Zoom, radius = middle, 6, 0
		}
	case alerts.AreaWard, alerts.AreaAuthority:
		g, err := s.outlineOf(ctx, f)
		if err != nil || g == nil {
			return nil, err // nothing to see, and so nothing to draw on
		}
		m.Boundary, at = g.json, g.centre
	}
	m.Lat, m.Lon = at.Lat, at.Lon
	if radius == 0 {
		return m, nil
	}
	apps, _, err := s.Store.Near(ctx, at, radius, alerts.Cursor{}, mapPoints)
	if err != nil {
		return nil, err
	}
	for _, a := range apps {
		if a.Site.Located() {
			m.Points = append(m.Points, mapPoint{a.Site.Lat, a.Site.Lon, alerts.Line(a.Address+": "+a.Description, 120), a.IsOpen()})
		}
	}
	return m, nil
}

type outline struct {
	json   json.RawMessage
	centre geo.Point
}

// outlineOf returns the imported outline of the form's ward or council, nil when
// there is none.
func (s *Server) outlineOf(ctx context.Context, f *wishForm) (*outline, error) {
	kind, codes := alerts.BoundaryWard, []string{f.Ward}
	if f.Area == alerts.AreaAuthority {
		kind, codes = alerts.BoundaryAuthority, []string{f.Authority}
		c, err := s.Store.Authority(ctx, f.Authority)
		if err == nil {
			codes = append(codes, c.District)
		} else if !errors.Is(err, alerts.ErrNotFound) {
			return nil, err
		}
	}
	for _, code := range codes {
		b, err := s.Store.Boundary(ctx, kind, code)
		if errors.Is(err, alerts.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text, err := geo.EncodeGeoJSON(b.Area)
		if err != nil {
			return nil, err
		}
		return &outline{text, geo.Centre(b.Area)}, nil
	}
	return nil, nil
}
