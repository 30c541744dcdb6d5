package web

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// A wardFound is a ward that can be chosen.
type wardFound struct {
	Code, Name string
	Council    string // the name of its district; may be empty
	Centre     geo.Point
	district   string
}

// maxFound is how many wards or councils are listed at a time.
const maxFound = 40

// wardsNear lists the wards around a place, the likeliest first.
func (s *Server) wardsNear(ctx context.Context, at geo.Point) ([]wardFound, error) {
	if s.Postcodes == nil {
		return nil, nil
	}
	var out []wardFound
	for _, radius := range []float64{50, 500, 1500} {
		for _, w := range s.Postcodes.Wards(at, radius) {
			if !slices.ContainsFunc(out, func(have wardFound) bool { return have.Code == w.Code }) && len(out) < maxFound {
				out = append(out, s.asFound(w))
			}
		}
	}
	return s.nameWards(ctx, out)
}

func (s *Server) asFound(w postcode.Ward) wardFound {
	return wardFound{Code: w.Code, Name: cmp.Or(w.Name, s.Postcodes.WardName(w.Code)), Council: s.Postcodes.DistrictName(w.District), district: w.District}
}

// nameWards gives wards the names of their imported boundaries, where the table of
// postcodes has none.
func (s *Server) nameWards(ctx context.Context, wards []wardFound) ([]wardFound, error) {
	for i := range wards {
		if wards[i].Name != "" {
			continue
		}
		b, err := s.Store.Boundary(ctx, alerts.BoundaryWard, wards[i].Code)
		if err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return nil, err
		}
		wards[i].Name = cmp.Or(b.Name, languageIn(ctx).Say("Ward %s", wards[i].Code))
	}
	return wards, nil
}

// findWards lists the wards whose name contains a text, and whether there are more.
func (s *Server) findWards(ctx context.Context, text string) (out []wardFound, more bool, err error) {
	drawn, err := s.Store.FindBoundaries(ctx, alerts.BoundaryWard, text, maxFound+1)
	if err != nil {
		return nil, false, err
	}
	for _, b := range drawn {
		w := wardFound{Code: b.Code, Name: b.Name}
		w.district = s.districtOfWard(b.Code)
		if s.Postcodes != nil {
			w.Council = s.Postcodes.DistrictName(w.district)
		}
		out = append(out, w)
	}
	if s.Postcodes != nil {
		lower := strings.ToLower(text)
		for _, w := range s.Postcodes.WardsOf("") {
			if len(out) > maxFound {
				break
			}
			if strings.Contains(strings.ToLower(w.Name), lower) && !slices.ContainsFunc(out, func(have wardFound) bool { return have.Code == w.Code }) {
				out = append(out, s.asFound(w))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b wardFound) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Council, b.Council))
	})
	return out[:min(len(out), maxFound)], len(out) > maxFound, nil
}

// districtOfWard is the code of the district that a ward belongs to, "" when that
// is not known.
func (s *Server) districtOfWard(code string) string {
	if s.Postcodes == nil {
		return ""
	}
	for _, w := range s.Postcodes.WardsOf("") {
		if w.Code == code {
			return w.District
		}
	}
	return ""
}

// gss is what a ward's code looks like; feeds that have something else name wards
// in their own way.
var gss = regexp.MustCompile(`^[EWSN]\d{8}$`)

// wardSample is how many of a council's newest applications show how it names its
// wards.
const wardSample = 200

// ward returns a ward by its code. The problem is why nobody can be told of the
// applications in it, in words for the person who chose it.
func (s *Server) ward(ctx context.Context, code string) (w wardFound, problem *alerts.InvalidError, err error) {
	if code == "" {
		return w, nil, nil // CheckWish says what is missing
	}
	b, err := s.Store.Boundary(ctx, alerts.BoundaryWard, code)
	drawn := err == nil
	if err != nil && !errors.Is(err, alerts.ErrNotFound) {
		return w, nil, err
	}
	placed := s.Postcodes != nil && s.Postcodes.HasWard(code)
	read, err := s.Store.WardAuthorities(ctx, code)
	if err != nil {
		return w, nil, err
	}
	if !drawn && !placed && len(read) == 0 {
		return w, alerts.Invalid("ward", "We do not know this ward, neither by its outline nor by its postcodes nor from a council’s register. Choose one from the list, or a distance instead"), nil
	}
	w = wardFound{Code: code, Name: cmp.Or(b.Name, languageIn(ctx).Say("Ward %s", code)), district: s.districtOfWard(code)}
	if placed {
		w.Name = cmp.Or(b.Name, s.Postcodes.WardName(code), languageIn(ctx).Say("Ward %s", code))
		w.Council = s.Postcodes.DistrictName(w.district)
		if box, ok := s.Postcodes.DistrictExtent(w.district); ok {
			w.Centre = geo.Point{Lon: (box.MinLon + box.MaxLon) / 2, Lat: (box.MinLat + box.MaxLat) / 2}
		}
	}
	if drawn {
		w.Centre = geo.Centre(b.Area)
	}
	councils, err := s.councilsOf(ctx, w.district)
	if err != nil {
		return w, nil, err
	}
	for _, c := range councils {
		apps, _, err := s.Store.ByAuthority(ctx, c.Slug, alerts.Cursor{}, wardSample)
		if err != nil {
			return w, nil, err
		}
		own := ""
		coded := false
		for i := range apps {
			if ward := apps[i].Ward; gss.MatchString(ward) {
				coded = true
			} else if ward != "" {
				own = ward
			}
		}
		if own != "" && !coded {
			return w, alerts.Invalid("ward", "The register of %s gives its wards names of its own, such as “%s”, so we cannot tell which of its applications are in %s. Choose a distance, the whole council, or draw an area",
				c.Name, alerts.Line(own, 40), w.Name), nil
		}
	}
	return w, nil, nil
}

// councilsOf returns what is known of the councils that plan for a district.
func (s *Server) councilsOf(ctx context.Context, district string) ([]alerts.Coverage, error) {
	if district == "" {
		return nil, nil
	}
	return s.Store.Coverage(ctx, nil, []string{district})
}

// authorityPlace returns a council's name and the middle of its area; no name when
// there is no such council.
func (s *Server) authorityPlace(ctx context.Context, slug string) (name string, centre geo.Point, err error) {
	if slug == "" {
		return "", centre, nil
	}
	c, err := s.Store.Authority(ctx, slug)
	if errors.Is(err, alerts.ErrNotFound) {
		return "", centre, nil
	}
	if err != nil {
		return "", centre, err
	}
	for _, code := range []string{c.Slug, c.District} {
		b, err := s.Store.Boundary(ctx, alerts.BoundaryAuthority, code)
		if err == nil {
			return c.Name, geo.Centre(b.Area), nil
		}
		if !errors.Is(err, alerts.ErrNotFound) {
			return "", centre, err
		}
	}
	if s.Postcodes != nil {
		if box, ok := s.Postcodes.DistrictExtent(c.District); ok {
			centre = geo.Point{Lon: (box.MinLon + box.MaxLon) / 2, Lat: (box.MinLat + box.MaxLat) / 2}
		}
	}
	return c.Name, centre, nil
}

// findCouncils lists the councils whose name contains a text, and whether there are
// more.
func (s *Server) findCouncils(ctx context.Context, text string) (out []alerts.Coverage, more bool, err error) {
	all, err := s.Store.Authorities(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, c := range all {
		if strings.Contains(strings.ToLower(c.Name), strings.ToLower(text)) {
			out = append(out, c)
		}
	}
	return out[:min(len(out), maxFound)], len(out) > maxFound, nil
}
