package api

import (
	"errors"
	"net/http"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// Postcodes says where postcodes are; *postcode.Table is one.
type Postcodes interface {
	Lookup(c postcode.Code) (postcode.Place, error)
	WardName(code string) string
	HasWard(code string) bool
	WardsOf(district string) []postcode.Ward
}

type authorityJSON struct {
	Slug     string `json:"slug"`
	Name     string `json:"name"`
	District string `json:"district,omitempty"` // GSS code
	Website  string `json:"website,omitempty"`
	Covered  bool   `json:"covered"`             // its applications are read
	LastRead string `json:"last_read,omitempty"` // when they were last read completely
}

func newAuthority(c alerts.Coverage) authorityJSON {
	out := authorityJSON{Slug: c.Slug, Name: c.Name, District: c.District, Website: alerts.WebLink(c.Website), Covered: c.Covered()}
	if c.LastRead > 0 {
		out.LastRead = alerts.WireTime(c.LastRead)
	}
	return out
}

func (a *API) authorities(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r); err != nil {
		return err
	}
	all, err := a.Store.Authorities(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Authorities []authorityJSON `json:"authorities"`
	}{[]authorityJSON{}}
	for _, c := range all {
		out.Authorities = append(out.Authorities, newAuthority(c))
	}
	return reply(w, r, out)
}

func (a *API) authority(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r); err != nil {
		return err
	}
	c, err := a.Store.Authority(r.Context(), variable(r, "authority"))
	if err != nil {
		return err
	}
	return reply(w, r, struct {
		authorityJSON
		Applications    int `json:"applications"`
		WithoutPosition int `json:"without_position"`
	}{newAuthority(c), c.Applications, c.Unlocated})
}

// freshness says how lately each authority's applications were read, so that nobody
// takes silence for "nothing happened".
func (a *API) freshness(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r); err != nil {
		return err
	}
	all, err := a.Store.Authorities(r.Context())
	if err != nil {
		return err
	}
	last, err := a.Store.LastEvent(r.Context())
	if err != nil {
		return err
	}
	type one struct {
		Authority string `json:"authority"`
		LastRead  string `json:"last_read,omitempty"`
		AgeHours  *int   `json:"age_hours,omitempty"`
	}
	out := struct {
		LatestEvent int64 `json:"latest_event"`
		Authorities []one `json:"authorities"`
	}{last, []one{}}
	now := a.Now().UnixMilli()
	for _, c := range all {
		if c.Feeds == 0 {
			continue
		}
		f := one{Authority: c.Slug}
		if c.LastRead > 0 {
			hours := int((now - c.LastRead) / 3_600_000)
			f.LastRead, f.AgeHours = alerts.WireTime(c.LastRead), &hours
		}
		out.Authorities = append(out.Authorities, f)
	}
	return reply(w, r, out)
}

// postcode says where a postcode is.
func (a *API) postcode(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r); err != nil {
		return err
	}
	if a.Postcodes == nil {
		return &fault{status: http.StatusNotFound, detail: "This service has no table of postcodes."}
	}
	code, err := postcode.Parse(variable(r, "postcode"))
	if err != nil {
		return badParameter("postcode", "%s is no full postcode, like N1C 4AG.", alerts.Line(variable(r, "postcode"), 20))
	}
	place, err := a.Postcodes.Lookup(code)
	if errors.Is(err, postcode.ErrUnknown) || errors.Is(err, postcode.ErrUnlocated) {
		return &fault{status: http.StatusNotFound, detail: "The postcode " + string(code) + " has no place that we know."}
	}
	if err != nil {
		return err
	}
	return reply(w, r, struct {
		Postcode   string  `json:"postcode"`
		Lon        float64 `json:"lon"`
		Lat        float64 `json:"lat"`
		Ward       string  `json:"ward,omitempty"` // GSS code
		WardName   string  `json:"ward_name,omitempty"`
		District   string  `json:"district,omitempty"` // GSS code
		Terminated string  `json:"terminated,omitempty"`
	}{string(place.Code), place.Point.Lon, place.Point.Lat, place.Ward, a.Postcodes.WardName(place.Ward), place.District, place.Terminated})
}
