package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

type homePage struct {
	Form    placeForm
	Covered []alerts.Coverage
	Mailbox bool
}

// Locates reports whether the page offers to ask the device where it is.
func (homePage) Locates() bool { return true }

// home is the postcode box.
func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	return s.renderHome(w, r, http.StatusOK, placeForm{Radius: alerts.DefaultRadius, HavePostcodes: s.Postcodes != nil})
}

func (s *Server) renderHome(w http.ResponseWriter, r *http.Request, status int, form placeForm) error {
	all, err := s.Store.Authorities(r.Context())
	if err != nil {
		return err
	}
	page := homePage{Form: form, Mailbox: s.Mailbox}
	for _, c := range all {
		if c.Covered() {
			page.Covered = append(page.Covered, c)
		}
	}
	title := "Planning applications near you"
	if form.Problem != nil {
		page.Form.Problem = form.Problem.Said(languageOf(r))
		title = "Error: " + title
	}
	return s.render(w, r, status, "home.html", title, page)
}

type areaPage struct {
	listing
	Form     placeForm
	Spot     spot
	Map      sketch
	Coverage []alerts.Coverage
	SignUp   wishForm
}

// OtherArea is the address of the form for another kind of area, or for this place
// on a map.
func (p areaPage) OtherArea(kind string) string {
	return newTab(wishPage{Tabs: "/sign-up", Form: p.SignUp}, kind, "").Href
}

// Within is the address of the same list for another radius.
func (p areaPage) Within(radius float64) string { return p.Form.address(radius).with(p.Filter, "") }

// Uncovered are the authorities in the area that no feed covers.
func (p areaPage) Uncovered() []alerts.Coverage { return uncovered(p.Coverage) }

func uncovered(all []alerts.Coverage) []alerts.Coverage {
	return slices.DeleteFunc(slices.Clone(all), alerts.Coverage.Covered)
}

// near lists the applications around a place and offers the sign-up.
func (s *Server) near(w http.ResponseWriter, r *http.Request) error {
	l := languageOf(r)
	form, at, ok := s.find(l, r.URL.Query())
	if !ok {
		if !form.Asked() {
			form.Problem = &alerts.InvalidError{Field: "postcode", Problem: "Enter a postcode"}
			if !form.HavePostcodes {
				form.Problem = &alerts.InvalidError{Field: "lat", Problem: "Enter a latitude and a longitude"}
			}
		}
		return s.renderHome(w, r, http.StatusUnprocessableEntity, form)
	}
	ctx, asked := r.Context(), r.URL.Query()
	list, apps, err := s.list(ctx, alerts.Query{Area: at.circle(form.Radius)}, readFilter(asked), form.address(form.Radius), parseCursor(asked.Get("after")))
	if err != nil {
		return err
	}
	page := areaPage{listing: list, Form: form, Spot: at,
		SignUp: wishForm{Area: alerts.AreaCircle, Place: form, At: at, Found: true, Radius: form.Radius, Cadence: s.proposed(), Remind: alerts.DefaultRemind}}
	if page.SignUp.Distances, err = s.around(ctx, at.Centre, form.Radius); err != nil {
		return err
	}
	if page.Coverage, err = s.coverage(ctx, alerts.Area{Kind: alerts.AreaCircle, Centre: at.Centre, Radius: form.Radius}); err != nil {
		return err
	}
	names := map[string]string{}
	for _, c := range page.Coverage {
		names[c.Slug] = c.Name
	}
	for i, a := range apps {
		it := &page.Items[i]
		it.Number = i + 1
		it.From(l, at.Centre, a)
		if len(names) > 1 {
			it.Authority = names[a.Authority]
		}
	}
	page.Map = areaSketch(l, at.Centre, form.Radius, at.Label, apps)
	return s.render(w, r, http.StatusOK, "near.html", l.Say("Planning applications within %s of %s", alerts.Metres(form.Radius), at.Label), page)
}

func parseCursor(s string) alerts.Cursor {
	day, id, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(id, 10, 64)
	listed, err2 := alerts.ParseDate(day)
	if err != nil || err2 != nil || listed == "" || n <= 0 {
		return alerts.Cursor{}
	}
	return alerts.Cursor{Listed: listed, ID: n}
}

// coverage says of every authority that an area touches how far it is covered: by
// the districts of the postcodes in it, and by the applications in it. A district
// of which nothing is known but its name is in the answer without a slug.
func (s *Server) coverage(ctx context.Context, a alerts.Area) ([]alerts.Coverage, error) {
	var slugs []string
	var districts []alerts.Authority
	touching := func(centre geo.Point, radius float64) {
		if s.Postcodes == nil {
			return
		}
		for _, d := range s.Postcodes.Districts(centre, radius) {
			if !slices.ContainsFunc(districts, func(have alerts.Authority) bool { return have.District == d.Code }) {
				districts = append(districts, alerts.Authority{Name: d.Name, District: d.Code})
			}
		}
	}
	switch a.Kind {
	case alerts.AreaCircle:
		var err error
		if slugs, err = s.Store.AuthoritiesNear(ctx, a.Centre, a.Radius); err != nil {
			return nil, err
		}
		touching(a.Centre, a.Radius)
	case alerts.AreaPolygon:
		spots, apart, err := spread(a)
		if err != nil {
			return nil, err
		}
		for _, p := range spots {
			touching(p, apart)
		}
		if len(districts) == 0 {
			if slugs, err = s.Store.AuthoritiesNear(ctx, a.Centre, apart*spreadSteps/2); err != nil {
				return nil, err
			}
		}
	case alerts.AreaAuthority:
		slugs = []string{a.Code}
	case alerts.AreaApplication:
		id, _ := a.Case()
		ref, err := s.Store.RefOf(ctx, id)
		if err != nil && !errors.Is(err, alerts.ErrNotFound) {
			return nil, err
		}
		slugs = []string{ref.Authority}
	case alerts.AreaWard:
		if code := s.districtOfWard(a.Code); code != "" {
			districts = append(districts, alerts.Authority{Name: s.Postcodes.DistrictName(code), District: code})
		} else {
			touching(a.Centre, 500)
		}
	}
	codes := make([]string, len(districts))
	for i, d := range districts {
		codes[i] = d.District
	}
	known, err := s.Store.Coverage(ctx, slugs, codes)
	if err != nil {
		return nil, err
	}
	for _, d := range districts {
		if !slices.ContainsFunc(known, func(c alerts.Coverage) bool { return c.District == d.District }) {
			if d.Name == "" {
				d.Name = languageIn(ctx).Say("the council of district %s", d.District)
			}
			known = append(known, alerts.Coverage{Authority: d})
		}
	}
	return known, nil
}

// spreadSteps is how many places along either side of a drawn area stand for it.
const spreadSteps = 8

// spread returns places all over a drawn area, and how far they are apart.
func spread(a alerts.Area) (spots []geo.Point, apart float64, err error) {
	shape, err := geo.DecodeWKB(a.Shape)
	if err != nil {
		return nil, 0, err
	}
	area, err := geo.Prepare(shape)
	if err != nil {
		return nil, 0, err
	}
	box := geo.Bounds(shape)
	lon, lat := (box.MaxLon-box.MinLon)/spreadSteps, (box.MaxLat-box.MinLat)/spreadSteps
	apart = geo.Distance(geo.Point{Lon: box.MinLon, Lat: box.MinLat}, geo.Point{Lon: box.MinLon + lon, Lat: box.MinLat + lat})
	for i := range spreadSteps {
		for k := range spreadSteps {
			p := geo.Point{Lon: box.MinLon + (float64(i)+.5)*lon, Lat: box.MinLat + (float64(k)+.5)*lat}
			if area.Intersects(geo.Geometry(p)) {
				spots = append(spots, p)
			}
		}
	}
	return append(spots, a.Centre), apart, nil
}

// A sketch is a plain locator map: no streets, but distances and directions are
// true.
type sketch struct {
	LeftOut []string // what is taken out of the area
	Label   string
	Centre  geo.Point
	Radius  float64
	Circle  float64  // radius in the picture's units
	Bounds  []string // SVG paths of the outline of an area that is no circle
	Half    float64  // radius of the inner ring
	HalfM   float64
	Marks   []mark
	Others  []mark   // other applications around a site, without numbers
	Outline []string // SVG paths of site boundaries
	Home    bool     // the middle is where the reader lives
	Pin     bool     // the middle is the site
	Plain   bool     // the area is no circle around the middle
	Inner   bool     // the area is the inner circle: the outer one goes as far as the case
	ScaleM  float64  // length of the scale bar
	Scale   float64  // in the picture's units
}

// RingLabel is how high the label of a ring stands.
func (k sketch) RingLabel(r float64) float64 { return sketchSize/2 - r - 5 }

// A mark is one place on a sketch.
type mark struct {
	X, Y  float64
	Text  string // "3", or "3+" where several are too close to tell apart
	Title string
	Open  bool // still to be decided
}

// The picture is a square of this many units, its centre in the middle.
const sketchSize, sketchCircle = 480, 208

func areaSketch(l alerts.Language, centre geo.Point, radius float64, label string, apps []alerts.Application) sketch {
	k := sketch{Label: label, Centre: centre, Radius: radius, Circle: sketchCircle, Half: sketchCircle / 2, HalfM: radius / 2, Home: true}
	scale := sketchCircle / radius
	k.ScaleM = roundLength(radius / 2)
	k.Scale = k.ScaleM * scale
	var numbers [][]string
	for i, a := range apps {
		if !a.Site.Located() {
			continue
		}
		x, y := project(centre, a.Site.Point(), scale)
		number := strconv.Itoa(i + 1)
		near := slices.IndexFunc(k.Marks, func(m mark) bool { return (m.X-x)*(m.X-x)+(m.Y-y)*(m.Y-y) < 19*19 })
		if near >= 0 {
			numbers[near] = append(numbers[near], number)
			k.Marks[near].Open = k.Marks[near].Open || a.IsOpen()
			continue
		}
		k.Marks = append(k.Marks, mark{X: x, Y: y, Open: a.IsOpen()})
		numbers = append(numbers, []string{number})
	}
	for i, n := range numbers {
		k.Marks[i].Text = n[0]
		k.Marks[i].Title = l.Say("Number %s", n[0])
		if len(n) > 1 {
			k.Marks[i].Text += "+"
			k.Marks[i].Title = l.Say("Numbers %s", l.Listing(n))
		}
	}
	return k
}

// project puts a place on the sketch, held inside the picture.
func project(centre, p geo.Point, scale float64) (x, y float64) {
	d := geo.Distance(centre, p) * scale
	sin, cos := sincos(geo.Bearing(centre, p))
	const edge = sketchSize/2 - 14
	hold := func(v float64) float64 { return sketchSize/2 + min(max(v, -edge), edge) }
	return hold(d * sin), hold(-d * cos)
}

// roundLength is the greatest 1, 2 or 5 times a power of ten that is not more
// than m.
func roundLength(m float64) float64 {
	best := 1.0
	for power := 1.0; power <= m; power *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if f*power <= m {
				best = f * power
			}
		}
	}
	return best
}
