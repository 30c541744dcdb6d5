package api

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// This file reads which applications a program asks for, and how many.

// Limits of lists.
const (
	defaultPage = 50
	maxPage     = 200
	maxBoxM     = 100_000 // each way, of a box
)

// listParameters are what a list of applications can be asked for.
var listParameters = []string{"postcode", "lat", "lon", "radius_m", "bbox", "polygon", "authority", "kind", "status", "decision", "stage", "major",
	"listed_from", "listed_until", "received_from", "received_until", "decided_from", "decided_until", "closing_from", "closing_until", "q", "limit", "cursor"}

// listsOf are those of which several can be given.
var listsOf = []string{"kind", "status", "decision"}

// query reads what is asked for.
func (a *API) query(v url.Values) (q alerts.Query, err error) {
	for name := range v {
		if len(v[name]) > 1 && !slices.Contains(listsOf, name) {
			return q, badParameter(name, "%s is given more than once.", name)
		}
	}
	if q.Area, err = a.place(v); err != nil {
		return q, err
	}
	q.Authority = v.Get("authority")
	if q.Kinds, err = someOf(v, "kind", alerts.Kinds); err != nil {
		return q, err
	}
	if q.Statuses, err = someOf(v, "status", alerts.Statuses); err != nil {
		return q, err
	}
	if q.Decisions, err = someOf(v, "decision", alerts.Decisions); err != nil {
		return q, err
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
	listed := alerts.Days{}
	for _, days := range []struct {
		name string
		to   *alerts.Days
	}{{"listed", &listed}, {"received", &q.Received}, {"decided", &q.Decided}, {"closing", &q.Closing}} {
		if *days.to, err = readDays(v, days.name); err != nil {
			return q, err
		}
	}
	q.Since, q.Until = listed.From, listed.Until
	q.Words = alerts.ParseSearch(v.Get("q"))
	if q.Area.Kind == "" && q.Authority == "" && q.Words.IsZero() {
		return q, badParameter("authority", "Name a place (postcode, lat and lon, bbox or polygon), an authority, or words to look for (q).")
	}
	return q, nil
}

// someOf reads a list of words, each of which is one of all.
func someOf[T ~string](v url.Values, name string, all []T) (out []T, err error) {
	for _, list := range v[name] {
		for text := range strings.SplitSeq(list, ",") {
			one := T(strings.TrimSpace(text))
			if !slices.Contains(all, one) {
				return nil, badParameter(name, "There is no %s %q. There are: %s.", name, alerts.Line(text, 60), strings.Trim(fmt.Sprint(all), "[]"))
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// readDays reads the days from NAME_from to NAME_until.
func readDays(v url.Values, name string) (d alerts.Days, err error) {
	for end, day := range map[string]*alerts.Date{name + "_from": &d.From, name + "_until": &d.Until} {
		if text := v.Get(end); text != "" {
			if *day, err = alerts.ParseDate(text); err != nil {
				return d, badParameter(end, "%s is a day, like 2026-11-23.", end)
			}
		}
	}
	if d.Until != "" && d.Until < d.From {
		return d, badParameter(name+"_until", "%s_until is before %s_from.", name, name)
	}
	return d, nil
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
