package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/web/api"
)

// embedItems is how many applications a page shows that is part of another site's.
const embedItems = 20

// embedPolicy is for pages that other sites show as part of theirs: the same as for
// all others, but that they may. There is no script, no form and no cookie on them.
const embedPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors *"

type embedPage struct {
	Title    string
	Label    string
	Items    []item
	Map      *sketch // nil for the list alone
	Updated  string
	Home     string
	Coverage []alerts.Coverage
}

// embedKey names one area of a group in the address of what other sites show. It
// works for as long as the group watches the area.
func (s *Server) embedKey(area int64) string {
	return s.Keys.Sign("embed", strconv.FormatInt(area, 10))
}

// embedList and embedMap are what a parish's own site shows of an area.
func (s *Server) embedList(w http.ResponseWriter, r *http.Request) error { return s.embed(w, r, false) }
func (s *Server) embedMap(w http.ResponseWriter, r *http.Request) error  { return s.embed(w, r, true) }

func (s *Server) embed(w http.ResponseWriter, r *http.Request, withMap bool) error {
	subject, err := s.Keys.Verify("embed", variable(r, "key"))
	if err != nil {
		return err
	}
	id, _ := strconv.ParseInt(subject, 10, 64)
	area, err := s.Store.GroupArea(r.Context(), id)
	if err != nil {
		return err
	}
	found, err := s.Store.InAreas(r.Context(), []alerts.GroupArea{area}, alerts.Query{}, alerts.Cursor{}, embedItems)
	if err != nil {
		return err
	}
	page := embedPage{Title: "Planning applications: " + area.Area.Label, Label: area.Area.Label, Home: s.BaseURL, Updated: alerts.English.Moment(s.Now().UnixMilli())}
	today := alerts.DateOf(s.Now())
	for i, app := range found.Applications {
		it := newItem(alerts.English, app, today)
		it.Number, it.Href = i+1, s.BaseURL+it.Href
		page.Items = append(page.Items, it)
	}
	if withMap {
		if page.Map, err = areaMap(area.Area, found.Applications); err != nil {
			return err
		}
	}
	if page.Coverage, err = s.coverage(r.Context(), area.Area); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := templates()[alerts.English]["embed.html"].ExecuteTemplate(&b, "embed.html", page); err != nil {
		return fmt.Errorf("make what other sites show: %w", err)
	}
	h := w.Header()
	h.Set("Content-Security-Policy", embedPolicy)
	h.Del("X-Frame-Options")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", "en-GB")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Robots-Tag", "noindex")
	w.WriteHeader(http.StatusOK)
	_, _ = b.WriteTo(w) // the visitor may have gone
	return nil
}

// areaMap draws an area of any form with the applications in it.
func areaMap(a alerts.Area, apps []alerts.Application) (*sketch, error) {
	if a.Kind == alerts.AreaCircle {
		k := areaSketch(alerts.English, a.Centre, a.Radius, a.Label, apps)
		k.Home = false
		return &k, nil
	}
	var centre geo.Point
	reach := 0.0 // metres
	var rings [][]geo.Point
	if a.Kind == alerts.AreaPolygon {
		g, err := geo.DecodeWKB(a.Shape)
		if err != nil {
			return nil, err
		}
		rings = geo.Rings(g)
		box := geo.Bounds(g)
		centre = geo.Point{Lon: (box.MinLon + box.MaxLon) / 2, Lat: (box.MinLat + box.MaxLat) / 2}
		reach = geo.Distance(centre, geo.Point{Lon: box.MaxLon, Lat: box.MaxLat})
	} else {
		n := 0
		var sum geo.Point
		for _, app := range apps {
			if app.Site.Located() {
				n, sum.Lon, sum.Lat = n+1, sum.Lon+app.Site.Lon, sum.Lat+app.Site.Lat
			}
		}
		if n == 0 {
			return nil, nil
		}
		centre = geo.Point{Lon: sum.Lon / float64(n), Lat: sum.Lat / float64(n)}
		for _, app := range apps {
			if app.Site.Located() {
				reach = max(reach, geo.Distance(centre, app.Site.Point()))
			}
		}
	}
	k := areaSketch(alerts.English, centre, max(1.05*reach, 200), a.Label, apps)
	k.Home, k.Plain = false, true
	k.Bounds = paths(centre, rings, sketchCircle/max(1.05*reach, 200))
	return &k, nil
}

// The private addresses that the news of a group has for feed readers and calendars.
const (
	newsPath    = "/f/%s/news.atom"
	closingPath = "/f/%s/closing.ics"
)

// privateFeed is the group's news as Atom, or its closing dates as a calendar, for
// whoever has the address. It is told to nobody else, and kept by no cache between.
func (s *Server) privateFeed(f api.Format) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		t, err := s.Store.UseToken(r.Context(), variable(r, "token"), s.Now())
		if err != nil {
			return err
		}
		if !t.Allows(alerts.TokenFeeds) {
			return alerts.ErrNotFound
		}
		doc, err := s.groupDocument(r.Context(), t.GroupID, f)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := f.Write(&b, doc); err != nil {
			return err
		}
		w.Header().Set("Content-Type", f.MIME)
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Set("X-Robots-Tag", "noindex")
		api.ServeTagged(w, r, b.Bytes())
		return nil
	}
}

// groupDocument is what is newest in a group's areas or, for a calendar, what is
// still to be decided there. The document does not say where it was fetched.
func (s *Server) groupDocument(ctx context.Context, group int64, f api.Format) (*api.Document, error) {
	g, err := s.Store.Group(ctx, group)
	if err != nil {
		return nil, err
	}
	areas, err := s.Store.GroupAreas(ctx, group)
	if err != nil {
		return nil, err
	}
	var q alerts.Query
	limit := 50
	if f.Extension == api.Calendar.Extension {
		q.Stage, limit = alerts.StageOpen, 500
	}
	found, err := s.Store.InAreas(ctx, areas, q, alerts.Cursor{}, limit)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Authorities(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, c := range all {
		names[c.Slug] = c.Name
	}
	page := s.BaseURL + groupPage{Group: g}.Path("cases")
	return &api.Document{Title: "Planning applications for " + alerts.Line(g.Name, alerts.MaxGroupName), Self: page + "." + f.Extension, Page: page, Base: s.BaseURL,
		Applications: found.Applications, Authorities: names, Today: alerts.DateOf(s.Now())}, nil
}

type sharePage struct {
	groupPage
	Areas []shareArea
}

// A shareArea is what a site needs to show an area.
type shareArea struct {
	alerts.GroupArea
	List, Map       string // addresses
	ListCode, MapTo string // what to paste
}

// groupShare says how the group's own website shows its areas.
func (s *Server) groupShare(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "share")
	if err != nil {
		return err
	}
	page := sharePage{groupPage: p}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	for _, area := range areas {
		at := s.BaseURL + "/embed/" + url.PathEscape(s.embedKey(area.ID))
		page.Areas = append(page.Areas, shareArea{area, at + "/list", at + "/map", frameCode(at+"/list", area.Area.Label), frameCode(at+"/map", area.Area.Label)})
	}
	return s.render(w, r, http.StatusOK, "groupshare.html", "Website: "+p.Group.Name, page)
}

// frameCode is what a site pastes to show an address.
func frameCode(address, label string) string {
	title := strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;").Replace("Planning applications: " + label)
	return `<iframe src="` + address + `" title="` + title + `" width="100%" height="640" loading="lazy" referrerpolicy="no-referrer"></iframe>`
}
