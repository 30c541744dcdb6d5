package api

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// Limits of lists.
const (
	defaultPage = 50
	maxPage     = 200
	maxBoxM     = 100_000 // each way, of a box
)

// listParameters are what a list of applications can be asked for.
var listParameters = []string{"postcode", "lat", "lon", "radius_m", "bbox", "polygon", "authority", "kind", "stage", "major", "listed_from", "listed_until", "q", "limit", "cursor"}

// An applicationJSON is an application as the interface shows it.
type applicationJSON struct {
	alerts.CaseJSON
	Version   int    `json:"version"`
	FirstSeen string `json:"first_seen"`
	UpdatedAt string `json:"updated_at"`
}

func (a *API) applicationJSON(app *alerts.Application, names map[string]string) applicationJSON {
	return applicationJSON{alerts.Wire(app.Authority, names[app.Authority], &app.Details, a.BaseURL), app.Version, alerts.WireTime(app.FirstSeen), alerts.WireTime(app.UpdatedAt)}
}

// names are what authorities are called, by slug.
func (a *API) names(r *http.Request) (map[string]string, error) {
	all, err := a.Store.Authorities(r.Context())
	names := make(map[string]string, len(all))
	for _, c := range all {
		names[c.Slug] = c.Name
	}
	return names, err
}

type listJSON struct {
	Applications []applicationJSON `json:"applications"`
	Next         string            `json:"next,omitempty"`    // address of the rest
	Partial      bool              `json:"partial,omitempty"` // too many have the words: only those that came in last are listed
}

// applications lists what is asked for, the newest first, as JSON, GeoJSON, CSV or
// NDJSON. A page may be shorter than its limit although there are more.
func (a *API) applications(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r, listParameters...); err != nil {
		return err
	}
	v := r.URL.Query()
	q, err := a.query(v)
	if err != nil {
		return err
	}
	limit, err := pageSize(v)
	if err != nil {
		return err
	}
	after, err := readCursor(v.Get("cursor"))
	if err != nil {
		return err
	}
	format, suffix, err := formatOf(r)
	if err != nil {
		return err
	}
	page, err := a.Store.List(r.Context(), q, after, limit)
	if err != nil {
		return err
	}
	names, err := a.names(r)
	if err != nil {
		return err
	}
	next := ""
	if page.Next.ID != 0 {
		v.Set("cursor", writeCursor(page.Next))
		next = a.BaseURL + "/api/v1/applications" + suffix + "?" + v.Encode()
	}
	if format.Extension == "" {
		out := listJSON{Applications: []applicationJSON{}, Next: next, Partial: page.Partial}
		for i := range page.Applications {
			out.Applications = append(out.Applications, a.applicationJSON(&page.Applications[i], names))
		}
		if next != "" {
			w.Header().Set("Link", "<"+next+`>; rel="next"`)
		}
		return reply(w, r, out)
	}
	return format.Serve(w, r, &Document{Title: "Planning applications", Self: a.BaseURL + r.URL.RequestURI(), Page: a.BaseURL + "/", Next: next, Base: a.BaseURL,
		Applications: page.Applications, Authorities: names, Today: alerts.DateOf(a.Now())})
}

// application is one application, under any reference by which it has been known.
func (a *API) application(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r); err != nil {
		return err
	}
	number := variable(r, "reference")
	geoJSON := false
	if cut, ok := strings.CutSuffix(number, ".geojson"); ok {
		number, geoJSON = cut, true
	}
	app, err := a.Store.Application(r.Context(), alerts.Ref{Authority: variable(r, "authority"), Number: number})
	if err != nil {
		return err
	}
	names, err := a.names(r)
	if err != nil {
		return err
	}
	if format, _, err := formatOf(r); err == nil && format.Extension == GeoJSON.Extension {
		geoJSON = true
	}
	if geoJSON {
		var b strings.Builder
		if err := writeFeature(&b, &Document{Base: a.BaseURL, Applications: []alerts.Application{app}, Authorities: names}); err != nil {
			return err
		}
		w.Header().Set("Content-Type", GeoJSON.MIME)
		ServeTagged(w, r, []byte(b.String()))
		return nil
	}
	return reply(w, r, a.applicationJSON(&app, names))
}

// variable is a part of the address, unescaped.
func variable(r *http.Request, name string) string {
	v, err := url.PathUnescape(mux.Vars(r)[name])
	if err != nil {
		return ""
	}
	return v
}

// formatOf is the format that a request asks for, by the suffix of its address or by
// Accept, and the suffix. The zero Format is JSON.
func formatOf(r *http.Request) (f Format, suffix string, err error) {
	if extension := mux.Vars(r)["format"]; extension != "" {
		f, _ = FormatOf(extension)
		return f, "." + extension, nil
	}
	accept := r.Header.Get("Accept")
	if accept == "" {
		return f, "", nil
	}
	for part := range strings.SplitSeq(accept, ",") { // the first that can be had
		kind, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/geo+json", "application/vnd.geo+json":
			return GeoJSON, "", nil
		case "text/csv":
			return CSV, "", nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl":
			return NDJSON, "", nil
		case "application/json", "application/*", "*/*", "text/html":
			return Format{}, "", nil
		}
	}
	return f, "", &fault{status: http.StatusNotAcceptable, detail: "This can be had as application/json, application/geo+json, text/csv and application/x-ndjson."}
}

// query reads what is asked for.
func (a *API) query(v url.Values) (q alerts.Query, err error) {
	for name := range v {
		if len(v[name]) > 1 && name != "kind" {
			return q, badParameter(name, "%s is given more than once.", name)
		}
	}
	if q.Area, err = a.place(v); err != nil {
		return q, err
	}
	q.Authority = v.Get("authority")
	for _, list := range v["kind"] {
		for k := range strings.SplitSeq(list, ",") {
			kind := alerts.Kind(strings.TrimSpace(k))
			if !slices.Contains(alerts.Kinds, kind) {
				return q, badParameter("kind", "There is no kind %q. There are: %s.", alerts.Line(k, 60), strings.Trim(fmt.Sprint(alerts.Kinds), "[]"))
			}
			q.Kinds = append(q.Kinds, kind)
		}
	}
	if q.Stage = alerts.Stage(v.Get("stage")); !slices.Contains(alerts.Stages, q.Stage) {
		return q, badParameter("stage", "stage is open, decided or withdrawn.")
	}
	switch major := v.Get("major"); major {
	case "", "false":
	case "true":
		q.MajorOnly = true
	default:
		return q, badParameter("major", "major is true or false.")
	}
	for name, day := range map[string]*alerts.Date{"listed_from": &q.Since, "listed_until": &q.Until} {
		if text := v.Get(name); text != "" {
			if *day, err = alerts.ParseDate(text); err != nil {
				return q, badParameter(name, "%s is a day, like 2026-11-23.", name)
			}
		}
	}
	q.Words = alerts.ParseSearch(v.Get("q"))
	if q.Area.Kind == "" && q.Authority == "" && q.Words.IsZero() {
		return q, badParameter("authority", "Name a place (postcode, lat and lon, bbox or polygon), an authority, or words to look for (q).")
	}
	return q, nil
}

// place reads the one place that is asked for.
func (a *API) place(v url.Values) (area alerts.Area, err error) {
	ways := 0
	for _, way := range []bool{v.Get("postcode") != "", v.Get("lat")+v.Get("lon") != "", v.Get("bbox") != "", v.Get("polygon") != ""} {
		if way {
			ways++
		}
	}
	if ways > 1 {
		return area, badParameter("bbox", "Name one place: postcode, lat and lon, bbox or polygon.")
	}
	circle := v.Get("postcode") != "" || v.Get("lat")+v.Get("lon") != ""
	if v.Get("radius_m") != "" && !circle {
		return area, badParameter("radius_m", "radius_m needs a postcode, or lat and lon.")
	}
	switch {
	case circle:
		area.Kind, area.Radius = alerts.AreaCircle, alerts.DefaultRadius
		if text := v.Get("radius_m"); text != "" {
			if area.Radius, err = strconv.ParseFloat(text, 64); err != nil || !(area.Radius >= alerts.MinRadius && area.Radius <= alerts.MaxRadius) {
				return area, badParameter("radius_m", "radius_m is between %d and %d.", alerts.MinRadius, alerts.MaxRadius)
			}
		}
		if text := v.Get("postcode"); text != "" {
			place, err := a.lookup(text)
			if err != nil {
				return area, err
			}
			area.Centre = place.Point
			return area, nil
		}
		for name, to := range map[string]*float64{"lat": &area.Centre.Lat, "lon": &area.Centre.Lon} {
			if *to, err = strconv.ParseFloat(v.Get(name), 64); err != nil {
				return area, badParameter(name, "%s is a number of degrees, like 51.5397.", name)
			}
		}
		if invalid := alerts.CheckPlace(area.Centre); invalid != nil {
			return area, badParameter("lat", "%s.", invalid.Problem)
		}
		return area, nil
	case v.Get("bbox") != "":
		return box(v.Get("bbox"))
	case v.Get("polygon") != "":
		g, err := geo.DecodeGeoJSON([]byte(v.Get("polygon")))
		if err == nil {
			g, err = geo.ValidateArea(g)
		}
		if err == nil {
			area.Kind = alerts.AreaPolygon
			area.Shape, err = geo.EncodeWKB(g)
		}
		if err != nil {
			return area, badParameter("polygon", "polygon is the outline of an area as GeoJSON: %s.", strings.TrimRight(err.Error(), "."))
		}
	}
	return area, nil
}

// box reads min lon, min lat, max lon, max lat.
func box(text string) (area alerts.Area, err error) {
	var n [4]float64
	parts := strings.Split(text, ",")
	if len(parts) != 4 {
		return area, badParameter("bbox", "bbox is min lon, min lat, max lon, max lat, like -0.15,51.53,-0.13,51.55.")
	}
	for i, part := range parts {
		if n[i], err = strconv.ParseFloat(strings.TrimSpace(part), 64); err != nil || math.IsNaN(n[i]) || math.IsInf(n[i], 0) {
			return area, badParameter("bbox", "bbox is four numbers, like -0.15,51.53,-0.13,51.55.")
		}
	}
	low, high := geo.Point{Lon: n[0], Lat: n[1]}, geo.Point{Lon: n[2], Lat: n[3]}
	for _, p := range []geo.Point{low, high} {
		if invalid := alerts.CheckPlace(p); invalid != nil {
			return area, badParameter("bbox", "%s.", invalid.Problem)
		}
	}
	if low.Lon >= high.Lon || low.Lat >= high.Lat {
		return area, badParameter("bbox", "The first two numbers of bbox must be less than the last two.")
	}
	if geo.Distance(low, geo.Point{Lon: high.Lon, Lat: low.Lat}) > maxBoxM || geo.Distance(low, geo.Point{Lon: low.Lon, Lat: high.Lat}) > maxBoxM {
		return area, badParameter("bbox", "A box can be 100 km each way. Name an authority instead, or ask for several boxes.")
	}
	area.Kind = alerts.AreaPolygon
	area.Shape, err = geo.EncodeWKB(geom.NewPolygonFlat(geom.XY, []float64{low.Lon, low.Lat, high.Lon, low.Lat, high.Lon, high.Lat, low.Lon, high.Lat, low.Lon, low.Lat}, []int{10}))
	return area, err
}

// lookup finds a postcode that is a parameter.
func (a *API) lookup(text string) (place postcode.Place, err error) {
	if a.Postcodes == nil {
		return place, badParameter("postcode", "This service has no table of postcodes. Give lat and lon instead.")
	}
	code, err := postcode.Parse(text)
	if err == nil {
		place, err = a.Postcodes.Lookup(code)
	}
	if err != nil {
		return place, badParameter("postcode", "%s is no postcode that we can place. Check it, or give lat and lon instead.", alerts.Line(text, 20))
	}
	return place, nil
}

func pageSize(v url.Values) (int, error) {
	text := v.Get("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, badParameter("limit", "limit is between 1 and %d.", maxPage)
	}
	return n, nil
}

// Cursors are places in a list. They stay good when what stood there is taken down.
func writeCursor(c alerts.Cursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(c.Listed) + " " + strconv.FormatInt(c.ID, 10)))
}

func readCursor(text string) (c alerts.Cursor, err error) {
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	day, id, ok := strings.Cut(string(b), " ")
	n, err2 := strconv.ParseInt(id, 10, 64)
	listed, err3 := alerts.ParseDate(day)
	if err != nil || err2 != nil || err3 != nil || !ok || n < 1 || listed == "" {
		return c, badParameter("cursor", "This cursor is none of ours. Take it from the address in next, or leave it out to begin anew.")
	}
	return alerts.Cursor{Listed: listed, ID: n}, nil
}
