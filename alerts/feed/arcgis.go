package feed

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// An arcgis is a layer of an ArcGIS FeatureServer or MapServer, asked for GeoJSON in
// longitude and latitude. It is read by offsets in the order of its key, so rows
// must not come or go meanwhile: their number is asked before and after.
type arcgis struct {
	a        *Adapter
	offset   int
	before   int
	began    bool
	counting bool
}

func newArcGIS(a *Adapter) protocol { return &arcgis{a: a} }

func (g *arcgis) counts() bool { return g.counting }

func (g *arcgis) query(parameters ...string) Request {
	return Request{Method: "GET", URL: asked(strings.TrimSuffix(g.a.URL, "/")+"/query", append([]string{"where", "1=1"}, parameters...)...)}
}

func (g *arcgis) first(time.Time) Request { return g.count() }

func (g *arcgis) count() Request {
	g.counting = true
	return g.query("returnCountOnly", "true", "f", "json")
}

func (g *arcgis) rows() Request {
	key := cmp.Or(g.a.Paging.Key, "OBJECTID")
	return g.query("outFields", strings.Join(g.a.columnsOf(key), ","), "outSR", "4326", "f", "geojson", "orderByFields", key,
		"resultOffset", fmt.Sprint(g.offset), "resultRecordCount", fmt.Sprint(cmp.Or(g.a.Paging.Size, 1000)))
}

func (g *arcgis) follow(p page) (Request, bool, error) {
	if g.counting {
		g.counting = false
		n, ok := number(p.aside["count"])
		switch {
		case !ok:
			return Request{}, true, broken("the source does not say how many features it has")
		case !g.began:
			g.began, g.before = true, n
			return g.rows(), false, nil
		case n != g.before:
			return Request{}, true, broken("the source changed while it was read: %d features before, %d after", g.before, n)
		case g.offset < n:
			return Request{}, true, short(g.offset, n)
		}
		return Request{}, true, nil
	}
	g.offset += p.rows
	more := text(p.aside["exceededTransferLimit"]) == "true"
	if properties, ok := p.aside["properties"].(map[string]any); ok {
		more = more || text(properties["exceededTransferLimit"]) == "true"
	}
	if p.rows > 0 && (more || g.offset < g.before) {
		return g.rows(), false, nil
	}
	return g.count(), false, nil
}
