package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// An areaJSON is a place, as programs name and read it.
type areaJSON struct {
	Type      alerts.AreaKind `json:"type"`
	Lon       *float64        `json:"lon,omitempty"` // of a circle, with lat, or postcode
	Lat       *float64        `json:"lat,omitempty"`
	Postcode  string          `json:"postcode,omitempty"`
	Radius    float64         `json:"radius_m,omitempty"`
	Geometry  json.RawMessage `json:"geometry,omitempty"`  // of a polygon, GeoJSON
	Ward      string          `json:"ward,omitempty"`      // GSS code
	Authority string          `json:"authority,omitempty"` // slug; of a ward the one in which it is
	Label     string          `json:"label,omitempty"`
}

func newArea(area alerts.Area, authority string) (out areaJSON, err error) {
	out = areaJSON{Type: area.Kind, Label: area.Label}
	switch area.Kind {
	case alerts.AreaCircle:
		out.Lon, out.Lat, out.Radius = &area.Centre.Lon, &area.Centre.Lat, area.Radius
	case alerts.AreaWard:
		out.Ward, out.Authority = area.Code, authority
	case alerts.AreaAuthority:
		out.Authority = area.Code
	case alerts.AreaPolygon:
		g, err := geo.DecodeWKB(area.Shape)
		if err != nil {
			return out, err
		}
		if out.Geometry, err = geo.EncodeGeoJSON(g); err != nil {
			return out, err
		}
	}
	return out, nil
}

// readArea checks a place that a program names; pointer says where in the body it is.
func (a *API) readArea(r *http.Request, in *areaJSON, pointer string) (area alerts.Area, authority string, err error) {
	if in == nil {
		return area, "", badMember(pointer, "Name an area: an object with its type.")
	}
	area.Kind = in.Type
	switch in.Type {
	case alerts.AreaCircle:
		area.Radius, area.Label = in.Radius, in.Postcode
		if in.Radius < alerts.MinRadius || in.Radius > alerts.MaxRadius {
			return area, "", badMember(pointer+"/radius_m", "radius_m is between %d and %d.", alerts.MinRadius, alerts.MaxRadius)
		}
		switch {
		case in.Postcode != "":
			place, err := a.lookup(in.Postcode)
			if err != nil {
				var f *fault
				if errors.As(err, &f) {
					err = badMember(pointer+"/postcode", "%s", f.detail)
				}
				return area, "", err
			}
			area.Centre, area.Label = place.Point, string(place.Code)
		case in.Lat == nil || in.Lon == nil:
			return area, "", badMember(pointer+"/lat", "A circle needs lat and lon, or a postcode.")
		default:
			area.Centre = geo.Point{Lon: *in.Lon, Lat: *in.Lat}
			if invalid := alerts.CheckPlace(area.Centre); invalid != nil {
				return area, "", badMember(pointer+"/lat", "%s.", invalid.Problem)
			}
			area.Label = fmt.Sprintf("%.5f, %.5f", area.Centre.Lat, area.Centre.Lon)
		}
	case alerts.AreaPolygon:
		g, err := geo.DecodeGeoJSON(in.Geometry)
		if err == nil {
			g, err = geo.ValidateArea(g)
		}
		if err == nil {
			area.Shape, err = geo.EncodeWKB(g)
		}
		if err != nil {
			return area, "", badMember(pointer+"/geometry", "geometry is the outline of an area as GeoJSON: %s.", strings.TrimRight(err.Error(), "."))
		}
		area.Centre = geo.Centre(g)
		area.Label = fmt.Sprintf("the outline around %.4f, %.4f", area.Centre.Lat, area.Centre.Lon)
	case alerts.AreaWard, alerts.AreaAuthority:
		name := ""
		if in.Authority != "" || in.Type == alerts.AreaAuthority {
			c, err := a.Store.Authority(r.Context(), in.Authority)
			if errors.Is(err, alerts.ErrNotFound) {
				return area, "", badMember(pointer+"/authority", "There is no authority %q. See /api/v1/authorities.", alerts.Line(in.Authority, 60))
			}
			if err != nil {
				return area, "", err
			}
			name, authority = c.Name, c.Slug
		}
		area.Code, area.Label = authority, name
		if in.Type == alerts.AreaWard {
			if area.Code = in.Ward; area.Code == "" {
				return area, "", badMember(pointer+"/ward", "A ward needs its code, like E05013656. /api/v1/wards?q=NAME finds it.")
			}
			if area.Label, err = a.wardName(r.Context(), in.Ward); errors.Is(err, alerts.ErrNotFound) {
				return area, "", badMember(pointer+"/ward", "We know no ward of the code %s. /api/v1/wards?q=NAME finds those that we know.", alerts.Line(in.Ward, 60))
			}
			if err != nil {
				return area, "", err
			}
		} else {
			authority = ""
		}
	default:
		return area, "", badMember(pointer+"/type", "type is circle, polygon, ward or authority.")
	}
	if label := alerts.CleanLabel(in.Label); label != "" {
		area.Label = label
	}
	return area, authority, nil
}

// A filterJSON narrows what is wanted; left out, everything is.
type filterJSON struct {
	Kinds     []alerts.Kind      `json:"kinds,omitempty"`
	Events    []alerts.EventType `json:"events,omitempty"`
	Include   []string           `json:"include,omitempty"`
	Exclude   []string           `json:"exclude,omitempty"`
	MajorOnly bool               `json:"major_only,omitempty"`
}

func (in *filterJSON) filter(pointer string) (f alerts.Filter, err error) {
	if in == nil {
		return f, nil
	}
	f = alerts.Filter{Kinds: in.Kinds, Events: in.Events, Include: in.Include, Exclude: in.Exclude, MajorOnly: in.MajorOnly}
	for i, k := range f.Kinds {
		if k != "" && !slices.Contains(alerts.Kinds, k) {
			return f, badMember(fmt.Sprintf("%s/kinds/%d", pointer, i), "There is no kind %q. There are: %s.", alerts.Line(string(k), 60), strings.Trim(fmt.Sprint(alerts.Kinds), "[]"))
		}
	}
	for i, e := range f.Events {
		if !slices.Contains(alerts.EventTypes, e) {
			return f, badMember(fmt.Sprintf("%s/events/%d", pointer, i), "There is no type of event %q. There are: %s.", alerts.Line(string(e), 60), strings.Trim(fmt.Sprint(alerts.EventTypes), "[]"))
		}
	}
	for name, words := range map[string][]string{"include": f.Include, "exclude": f.Exclude} {
		if len(words) > 50 {
			return f, badMember(pointer+"/"+name, "%s has at most 50 words.", name)
		}
		for i := range words {
			if words[i] = alerts.Line(words[i], 60); words[i] == "" {
				return f, badMember(fmt.Sprintf("%s/%s/%d", pointer, name, i), "This word is empty.")
			}
		}
	}
	return f, nil
}

func newFilter(f alerts.Filter) *filterJSON {
	if f.IsZero() {
		return nil
	}
	return &filterJSON{f.Kinds, f.Events, f.Include, f.Exclude, f.MajorOnly}
}

// A watchJSON is a place that is watched: one of a group's areas, or an endpoint's
// subscription.
type watchJSON struct {
	ID        int64       `json:"id"`
	Area      areaJSON    `json:"area"`
	Filter    *filterJSON `json:"filter,omitempty"`
	CreatedAt string      `json:"created_at"`
}

// wish is a place that is to be watched.
type wish struct {
	Area   *areaJSON   `json:"area"`
	Filter *filterJSON `json:"filter"`
}

func (a *API) areas(w http.ResponseWriter, r *http.Request, c caller) error {
	all, err := a.Store.GroupAreas(r.Context(), c.token.GroupID)
	if err != nil {
		return err
	}
	out := struct {
		Areas []watchJSON `json:"areas"`
	}{[]watchJSON{}}
	for _, g := range all {
		area, err := newArea(g.Area, g.Authority)
		if err != nil {
			return err
		}
		out.Areas = append(out.Areas, watchJSON{g.ID, area, newFilter(g.Filter), moment(g.CreatedAt)})
	}
	return reply(w, r, out)
}

func (a *API) addArea(w http.ResponseWriter, r *http.Request, c caller) error {
	var in wish
	if err := readBody(r, &in); err != nil {
		return err
	}
	g := alerts.GroupArea{GroupID: c.token.GroupID}
	var err error
	if g.Area, g.Authority, err = a.readArea(r, in.Area, "/area"); err != nil {
		return err
	}
	if g.Filter, err = in.Filter.filter("/filter"); err != nil {
		return err
	}
	if g, err = a.Store.AddGroupArea(r.Context(), g, a.Now()); err != nil {
		return inMember("/area", err)
	}
	area, err := newArea(g.Area, g.Authority)
	if err != nil {
		return err
	}
	return a.created(w, fmt.Sprintf("/areas/%d", g.ID), watchJSON{g.ID, area, newFilter(g.Filter), moment(g.CreatedAt)})
}

func (a *API) removeArea(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := a.Store.RemoveGroupArea(r.Context(), c.token.GroupID, number(r, "area"), a.Now()); err != nil {
		return err
	}
	return done(w)
}

func (a *API) subscriptions(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	subs, err := a.Store.EndpointAreas(r.Context(), e.ID)
	if err != nil {
		return err
	}
	out := struct {
		Subscriptions []watchJSON `json:"subscriptions"`
	}{[]watchJSON{}}
	for _, s := range subs {
		area, err := newArea(s.Current.Area, "")
		if err != nil {
			return err
		}
		out.Subscriptions = append(out.Subscriptions, watchJSON{s.ID, area, newFilter(s.Current.Filter), moment(s.CreatedAt)})
	}
	return reply(w, r, out)
}

func (a *API) addSubscription(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	var in wish
	if err := readBody(r, &in); err != nil {
		return err
	}
	area, authority, err := a.readArea(r, in.Area, "/area")
	if err != nil {
		return err
	}
	filter, err := in.Filter.filter("/filter")
	if err != nil {
		return err
	}
	s, err := a.Store.AddEndpointArea(r.Context(), e.ID, area, filter, a.Now())
	if errors.Is(err, alerts.ErrConflict) {
		return &fault{status: http.StatusConflict, detail: fmt.Sprintf("The endpoint hears of this area already, or of as many as it may: %d.", alerts.MaxEndpointAreas)}
	}
	if err != nil {
		return err
	}
	out, err := newArea(area, authority)
	if err != nil {
		return err
	}
	return a.created(w, fmt.Sprintf("/endpoints/%d/subscriptions/%d", e.ID, s.ID), watchJSON{s.ID, out, newFilter(filter), moment(s.CreatedAt)})
}

// editSubscription changes the area of a subscription, or what of it is wanted; what
// is left out stays.
func (a *API) editSubscription(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	var in wish
	if err := readBody(r, &in); err != nil {
		return err
	}
	subs, err := a.Store.EndpointAreas(r.Context(), e.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(subs, func(s alerts.Subscription) bool { return s.ID == number(r, "subscription") })
	if i < 0 {
		return alerts.ErrNotFound
	}
	area, authority, filter := subs[i].Current.Area, "", subs[i].Current.Filter
	if in.Area != nil {
		if area, authority, err = a.readArea(r, in.Area, "/area"); err != nil {
			return err
		}
	}
	if in.Filter != nil {
		if filter, err = in.Filter.filter("/filter"); err != nil {
			return err
		}
	}
	if err := a.Store.EditEndpointArea(r.Context(), e.ID, subs[i].ID, area, filter, a.Now()); err != nil {
		return err
	}
	out, err := newArea(area, authority)
	if err != nil {
		return err
	}
	return reply(w, r, watchJSON{subs[i].ID, out, newFilter(filter), moment(subs[i].CreatedAt)})
}

func (a *API) removeSubscription(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	if err := a.Store.RemoveEndpointArea(r.Context(), e.ID, number(r, "subscription"), a.Now()); err != nil {
		return err
	}
	return done(w)
}
