package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// maxWards is how many wards are listed at a time.
const maxWards = 100

type wardJSON struct {
	Ward     string `json:"ward"` // GSS code
	Name     string `json:"name"`
	District string `json:"district,omitempty"` // GSS code
}

// wards lists the wards whose name contains a text, of the imported boundaries and of
// the table of postcodes.
func (a *API) wards(w http.ResponseWriter, r *http.Request, _ caller) error {
	if err := onlyParameters(r, "q"); err != nil {
		return err
	}
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if text == "" || len(text) > 60 {
		return badParameter("q", "q is part of the name of a ward.")
	}
	drawn, err := a.Store.FindBoundaries(r.Context(), alerts.BoundaryWard, text, maxWards)
	if err != nil {
		return err
	}
	found := []wardJSON{}
	for _, b := range drawn {
		found = append(found, wardJSON{Ward: b.Code, Name: b.Name})
	}
	if a.Postcodes != nil {
		for _, ward := range a.Postcodes.WardsOf("") {
			if i := slices.IndexFunc(found, func(f wardJSON) bool { return f.Ward == ward.Code }); i >= 0 {
				found[i].District = ward.District
			} else if strings.Contains(strings.ToLower(ward.Name), strings.ToLower(text)) {
				found = append(found, wardJSON{ward.Code, ward.Name, ward.District})
			}
		}
	}
	slices.SortFunc(found, func(a, b wardJSON) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Ward, b.Ward))
	})
	return reply(w, r, struct {
		Wards []wardJSON `json:"wards"`
		More  bool       `json:"more,omitempty"` // write more of the name
	}{found[:min(len(found), maxWards)], len(found) > maxWards})
}

// wardName is what a ward is called; alerts.ErrNotFound when nothing is known of it:
// no boundary, no postcode, no application.
func (a *API) wardName(ctx context.Context, code string) (string, error) {
	b, err := a.Store.Boundary(ctx, alerts.BoundaryWard, code)
	if err == nil || !errors.Is(err, alerts.ErrNotFound) {
		return b.Name, err
	}
	if a.Postcodes != nil && a.Postcodes.HasWard(code) {
		return cmp.Or(a.Postcodes.WardName(code), "ward "+code), nil
	}
	read, err := a.Store.WardAuthorities(ctx, code)
	if err == nil && len(read) == 0 {
		err = alerts.ErrNotFound
	}
	return "ward " + code, err
}
