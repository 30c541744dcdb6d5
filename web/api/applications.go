package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

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
	Applications []Application `json:"applications"`
	Next         string        `json:"next,omitempty"`    // address of the rest
	Partial      bool          `json:"partial,omitempty"` // too many have the words: only those that came in last are listed
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
		out := listJSON{Applications: []Application{}, Next: next, Partial: page.Partial}
		for i := range page.Applications {
			out.Applications = append(out.Applications, newApplication(&page.Applications[i], names[page.Applications[i].Authority], a.BaseURL))
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
	return reply(w, r, newApplication(&app, names[app.Authority], a.BaseURL))
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
