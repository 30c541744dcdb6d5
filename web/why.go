package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file says why something was, or was not, told to somebody.

type whyPage struct {
	Token  string
	Gone   bool // the alert was erased, or the case is not known any more
	Told   bool // something of the case was told, or is about to be
	Area   string
	Case   item
	Hidden bool // the case has been taken down: nothing of it is shown
	Steps  []whyStep
	Map    sketch
	HasMap bool
	Ended  bool
	Placed bool // the case has a position
	Doubt  doubt
}

// A whyStep is one thing that happened, and what became of it.
type whyStep struct {
	What, At, Words string
	Told            bool
}

// why replays, for the holder of the link in a mail, whether a subscription was told
// of a case, event by event, and where the case lies.
func (s *Server) why(w http.ResponseWriter, r *http.Request) error {
	token := mux.Vars(r)["token"]
	subscription, application, err := s.Keys.ParseWhy(token)
	if err != nil {
		return err
	}
	page := whyPage{Token: token}
	ref, err := s.Store.RefOf(r.Context(), application)
	var x alerts.Explanation
	if err == nil {
		x, err = s.Store.Explain(r.Context(), subscription, ref)
	}
	if errors.Is(err, alerts.ErrNotFound) || err == nil && x.Subscription.Current.ID == 0 {
		page.Gone = true
		return s.render(w, r, http.StatusOK, "why.html", "Why this reached you", page)
	}
	if err != nil {
		return err
	}
	l, now := languageOf(r), s.Now()
	area := x.Subscription.Current.Area
	page.Area, page.Hidden, page.Ended = l.AreaWords(area), x.Hidden, x.Subscription.State == alerts.SubscriptionEnded
	for i := range x.Events {
		e := &x.Events[i]
		step := whyStep{What: l.EventLabel(e.Event.Type), At: l.Moment(e.Event.At), Words: e.Words(l, &x, now), Told: e.Match != nil && e.Closed == ""}
		page.Told = page.Told || step.Told
		page.Steps = append(page.Steps, step)
	}
	if !x.Hidden {
		app, err := s.Store.Application(r.Context(), ref)
		if err != nil {
			return err
		}
		page.Case = newItem(l, app, alerts.DateOf(now))
		page.Placed = app.Site.Located()
		page.Doubt = s.doubtOf(r, &app, x.Placing, "/why/"+token+"/place")
		if page.Map, page.HasMap, err = s.whySketch(r.Context(), l, area, app); err != nil {
			return err
		}
	}
	title := "Why this did not reach you"
	if page.Told {
		title = "Why this reached you"
	}
	return s.render(w, r, http.StatusOK, "why.html", title, page)
}

// whySketch draws an area and where a case lies in it, or beside it. There is no
// picture of a ward or a council whose outline has not been imported.
func (s *Server) whySketch(ctx context.Context, l alerts.Language, area alerts.Area, app alerts.Application) (k sketch, ok bool, err error) {
	if !app.Site.Located() {
		return k, false, nil
	}
	at := app.Site.Point()
	switch area.Kind {
	case alerts.AreaApplication:
		k, err = siteSketch(l, app)
		return k, err == nil, err
	case alerts.AreaCircle:
		reach := max(area.Radius, area.Ring)
		k = areaSketch(l, area.Centre, max(reach, roundUp(geo.Distance(area.Centre, at))), area.Label, nil)
		if k.Radius > reach {
			k.HalfM, k.Half, k.Inner = reach, reach*sketchCircle/k.Radius, true
		}
	default:
		g, err := s.groundOf(ctx, area)
		if err != nil || g == nil {
			return k, false, err
		}
		box := geo.Bounds(g)
		centre := geo.Point{Lon: (box.MinLon + box.MaxLon) / 2, Lat: (box.MinLat + box.MaxLat) / 2}
		reach := geo.Distance(centre, geo.Point{Lon: box.MaxLon, Lat: box.MaxLat})
		k = areaSketch(l, centre, roundUp(max(reach, geo.Distance(centre, at))), area.Label, nil)
		k.Home = false
		k.Bounds = paths(centre, geo.Rings(g), sketchCircle/k.Radius)
	}
	centre, scale := k.Centre, sketchCircle/k.Radius
	if len(area.CarveOut) > 0 {
		g, err := geo.DecodeWKB(area.CarveOut)
		if err != nil {
			return k, false, err
		}
		k.LeftOut = paths(centre, geo.Rings(g), scale)
	}
	g, err := app.Site.Geometry()
	if err != nil {
		return k, false, err
	}
	k.Outline = paths(centre, geo.Rings(g), scale)
	x, y := project(centre, at, scale)
	k.Marks = []mark{{X: x, Y: y, Text: "1", Title: alerts.Line(app.Reference, 60), Open: app.IsOpen()}}
	return k, true, nil
}

// groundOf is the outline of an area that is no circle; nil when it is not known.
func (s *Server) groundOf(ctx context.Context, area alerts.Area) (geom.T, error) {
	kind := alerts.BoundaryWard
	switch area.Kind {
	case alerts.AreaPolygon:
		return geo.DecodeWKB(area.Shape)
	case alerts.AreaAuthority:
		kind = alerts.BoundaryAuthority
	}
	b, err := s.Store.Boundary(ctx, kind, area.Code)
	if errors.Is(err, alerts.ErrNotFound) {
		return nil, nil
	}
	return b.Area, err
}

// roundUp is a length for the edge of a picture, a little more than m.
func roundUp(m float64) float64 {
	best := 100.0
	for _, r := range []float64{200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000} {
		if best >= m*1.1 {
			break
		}
		best = r
	}
	return best
}

type whyNotPage struct {
	Holder    holder
	Typed     string
	Found     []whyNotCase
	Areas     int
	Uncovered bool
}

// A whyNotCase is an application with the reference that was typed, and a link for
// each area of the person.
type whyNotCase struct {
	item
	Areas []whyNotArea
}

type whyNotArea struct{ Words, Href string }

// whyNot looks up, for somebody who manages their alerts, what became of a case.
func (s *Server) whyNot(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holderOf(r)
	if err != nil {
		return err
	}
	standing, err := s.Store.Standing(r.Context(), h.Recipient)
	if err != nil {
		return err
	}
	page := whyNotPage{Holder: h, Typed: alerts.Line(r.URL.Query().Get("reference"), alerts.MaxReference), Areas: len(standing.Subscriptions)}
	found, err := s.Store.ByReference(r.Context(), "", page.Typed, mostNamed)
	if err != nil {
		return err
	}
	if len(found) == 1 && len(standing.Subscriptions) == 1 {
		http.Redirect(w, r, s.Keys.WhyPath(standing.Subscriptions[0].ID, found[0].ID), http.StatusFound)
		return nil
	}
	names, err := s.namesOf(r.Context(), found)
	if err != nil {
		return err
	}
	for i, it := range s.named(languageOf(r), found, names) {
		c := whyNotCase{item: it}
		for _, sub := range standing.Subscriptions {
			c.Areas = append(c.Areas, whyNotArea{languageOf(r).AreaWords(sub.Current.Area), s.Keys.WhyPath(sub.ID, found[i].ID)})
		}
		page.Found = append(page.Found, c)
	}
	return s.render(w, r, http.StatusOK, "whynot.html", "Why did I not hear of it?", page)
}

// paths draws rings as SVG paths.
func paths(centre geo.Point, rings [][]geo.Point, scale float64) (out []string) {
	for _, ring := range rings {
		var path strings.Builder
		for i, p := range ring {
			x, y := project(centre, p, scale)
			path.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
			path.WriteString(strconv.FormatFloat(x, 'f', 1, 64) + " " + strconv.FormatFloat(y, 'f', 1, 64))
		}
		out = append(out, path.String()+"Z")
	}
	return out
}
