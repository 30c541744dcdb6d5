package feed

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	geom "github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// geometryColumn is how a GeoJSON feature's own geometry is asked for.
const geometryColumn = "geometry()"

// dateFields are the fields that hold a date.
var dateFields = map[string]bool{"received": true, "valid": true, "comments_from": true, "comments_until": true, "committee": true,
	"target": true, "decided": true, "withdrawn": true, "appeal_lodged": true, "appeal_decided": true}

// A mapping turns rows into records as one adapter declares. It is compiled once
// and used for every row.
type mapping struct {
	adapter   *Adapter
	meaning   *meaning
	authority string            // slug, of a feed of one authority
	slugs     map[string]string // of a feed of several, by how rows write them
	missing   map[string]bool
	columns   map[string]expression // by field or place
	fields    []fieldMap
	supplied  alerts.Field
	shifted   map[string]map[string]bool // column → cells that show that the row has shifted
	key       expression                 // of the source key
}

// A fieldMap fills one field from one expression.
type fieldMap struct {
	name   string
	from   expression
	layout string // of dates
	set    func(d *alerts.Details, value string)
}

// setters write the fields that are plain text.
var setters = map[string]func(d *alerts.Details, v string){
	"reference":      func(d *alerts.Details, v string) { d.Reference = v },
	"address":        func(d *alerts.Details, v string) { d.Address = v },
	"postcode":       func(d *alerts.Details, v string) { d.Postcode = v },
	"uprn":           func(d *alerts.Details, v string) { d.UPRN = propertyNumber(v) },
	"description":    func(d *alerts.Details, v string) { d.Description = v },
	"decision_by":    func(d *alerts.Details, v string) { d.DecisionBy = v },
	"appeal_ref":     func(d *alerts.Details, v string) { d.AppealRef = v },
	"url":            func(d *alerts.Details, v string) { d.URL = alerts.WebLink(v) },
	"comment_url":    func(d *alerts.Details, v string) { d.CommentURL = alerts.WebLink(v) },
	"ward":           func(d *alerts.Details, v string) { d.Ward = v },
	"received":       func(d *alerts.Details, v string) { d.Received = alerts.Date(v) },
	"valid":          func(d *alerts.Details, v string) { d.Valid = alerts.Date(v) },
	"comments_from":  func(d *alerts.Details, v string) { d.CommentsFrom = alerts.Date(v) },
	"comments_until": func(d *alerts.Details, v string) { d.CommentsUntil = alerts.Date(v) },
	"committee":      func(d *alerts.Details, v string) { d.Committee = alerts.Date(v) },
	"target":         func(d *alerts.Details, v string) { d.Target = alerts.Date(v) },
	"decided":        func(d *alerts.Details, v string) { d.Decided = alerts.Date(v) },
	"withdrawn":      func(d *alerts.Details, v string) { d.Withdrawn = alerts.Date(v) },
	"appeal_lodged":  func(d *alerts.Details, v string) { d.AppealLodged = alerts.Date(v) },
	"appeal_decided": func(d *alerts.Details, v string) { d.AppealDecided = alerts.Date(v) },
}

// propertyNumber returns a unique property reference number without the zeros before
// it: of several the first, and "" for what is none.
func propertyNumber(s string) string {
	first, _, _ := strings.Cut(s, "|") // as the LGA's schema parts them
	first = strings.TrimLeft(strings.TrimSpace(first), "0")
	if strings.Trim(first, "0123456789") != "" {
		return ""
	}
	return first
}

func newMapping(d *Declaration, a *Adapter) (*mapping, error) {
	meaning, err := d.Codes.compile()
	if err != nil {
		return nil, err
	}
	m := &mapping{adapter: a, meaning: meaning, authority: d.Authority.Slug, slugs: map[string]string{}, missing: map[string]bool{},
		columns: map[string]expression{}, shifted: map[string]map[string]bool{}}
	for _, a := range d.Authorities {
		for _, name := range append([]string{a.Slug, a.Name, a.District}, a.As...) {
			m.slugs[fold(name)] = a.Slug
		}
	}
	for _, s := range a.Missing {
		m.missing[clean(s)] = true
	}
	for column, cells := range a.Shifted {
		m.shifted[column] = map[string]bool{}
		for _, cell := range cells {
			m.shifted[column][fold(cell)] = true
		}
	}
	for name, text := range a.Columns {
		from := parseExpression(text)
		m.columns[name] = from
		if field, ok := alerts.FieldNamed(name); ok {
			m.supplied |= field
		}
		if set := setters[name]; set != nil {
			f := fieldMap{name: name, from: from, set: set}
			if dateFields[name] {
				f.layout = cmp.Or(a.Dates[name], a.Dates["default"], time.DateOnly)
			}
			m.fields = append(m.fields, f)
		}
	}
	slices.SortFunc(m.fields, func(a, b fieldMap) int { return strings.Compare(a.name, b.name) })
	if m.key = m.columns["source_key"]; m.key == nil {
		m.key = m.columns["reference"]
	}
	if m.placed() {
		m.supplied |= alerts.FieldSite
	}
	for name := range a.Templates {
		field, _ := alerts.FieldNamed(name)
		m.supplied |= field
	}
	return m, nil
}

// placed reports whether the adapter says anything of where applications are.
func (m *mapping) placed() bool {
	return m.adapter.Format == "geojson" || slices.ContainsFunc([]string{"lon", "easting", "x", "point", "boundary"}, func(c string) bool { return m.columns[c] != nil })
}

// row makes a record of one row's cells.
func (m *mapping) row(line int, c cells) Row {
	row := Row{Line: line}
	fault := func(column, value, reason string) {
		if runes := []rune(value); len(runes) > 200 {
			value = string(runes[:200])
		}
		row.Faults = append(row.Faults, alerts.Fault{Line: line, Column: column, Value: value, Reason: reason})
	}
	r := &row.Record
	r.Authority, r.Supplied = m.authority, m.supplied
	d := &r.Details
	for _, f := range m.fields {
		value := m.value(c, f.from)
		if f.layout != "" && value != "" {
			date, err := parseDate(value, f.layout)
			if err != nil {
				fault(f.from.name(), value, err.Error())
				continue
			}
			value = string(date)
		}
		if value != "" {
			f.set(d, value)
		}
	}
	if len(m.slugs) > 0 {
		name := m.value(c, m.columns["authority"])
		slug, ok := m.slugs[fold(name)]
		if !ok {
			fault(m.columns["authority"].name(), name, "the feed has no authority of that name")
		}
		r.Authority = slug
	}
	r.SourceKey = m.value(c, m.key)
	switch {
	case d.Reference == "":
		fault(m.columns["reference"].name(), "", "the application's reference is missing")
	case len(d.Reference) > 100:
		fault(m.columns["reference"].name(), d.Reference, "this is too long for a reference; have the columns shifted?")
	case r.SourceKey == "":
		fault(m.key.name(), "", "the key of the record is missing")
	}
	for column, cells := range m.shifted {
		if v := clean(c.cell(column)); cells[fold(v)] {
			fault(column, v, "this belongs into another column; the row has shifted")
		}
	}
	m.codes(c, &row)
	site, problem := m.site(c, &row)
	if problem != nil {
		fault(problem.Column, problem.Value, problem.Reason)
	}
	d.Site = site
	row.Misplaced = !site.Located() && m.hasPosition(c)
	if d.CommentsUntil != "" {
		d.CommentsSource = "council"
	}
	for name, template := range m.adapter.Templates {
		filled := strings.NewReplacer("{source_key}", url.QueryEscape(r.SourceKey), "{reference}", url.QueryEscape(d.Reference)).Replace(template)
		setters[name](d, filled)
	}
	return row
}

// value returns an expression's text, cleaned; "" when it means nothing.
func (m *mapping) value(c cells, from expression) string {
	return from.text(func(column string) string {
		v := clean(c.cell(column))
		if m.missing[v] {
			return ""
		}
		return v
	})
}

// codes fills the coded fields through the feed's tables.
func (m *mapping) codes(c cells, row *Row) {
	d := &row.Record.Details
	unmapped := func(field, code string) { row.Unmapped = append(row.Unmapped, Code{field, code}) }
	if d.KindRaw = m.value(c, m.columns["kind"]); d.KindRaw != "" {
		kind, ok := m.meaning.kind.means(d.KindRaw)
		if !ok {
			kind = alerts.KindOther
			unmapped("kind", d.KindRaw)
		}
		d.Kind = kind
	}
	if code := m.value(c, m.columns["scale"]); code != "" {
		scale, ok := m.meaning.scale.means(code)
		if !ok {
			if scale = strings.ToLower(code); scale != "major" && scale != "minor" && scale != "other" {
				scale = ""
				unmapped("scale", code)
			}
		}
		d.Scale = scale
	}
	if code := m.value(c, m.columns["appeal_decision"]); code != "" {
		decision, ok := m.meaning.appeal.means(code)
		if !ok {
			decision = alerts.AppealOther
			unmapped("appeal", code)
		}
		d.AppealDecision = decision
	}
	var implied alerts.Decision
	if d.StatusRaw = m.value(c, m.columns["status"]); d.StatusRaw != "" {
		o, ok := m.meaning.status.means(d.StatusRaw)
		if !ok {
			unmapped("status", d.StatusRaw)
		}
		d.Status, implied = o.status, o.decision
	}
	if d.DecisionRaw = m.value(c, m.columns["decision"]); d.DecisionRaw != "" {
		o, ok := m.meaning.decision.means(d.DecisionRaw)
		if !ok {
			o.decision = alerts.DecisionOther
			unmapped("decision", d.DecisionRaw)
		}
		d.Decision = o.decision
		if o.status == alerts.StatusWithdrawn {
			m.withdrawn(row)
		}
	} else if implied != alerts.DecisionNone {
		d.Decision = implied
		row.Record.Supplied |= alerts.FieldDecision
	}
}

// withdrawn makes a case withdrawn that says so where its decision should stand; the
// decision's date is then that of the withdrawal.
func (m *mapping) withdrawn(row *Row) {
	d := &row.Record.Details
	if d.Status == alerts.StatusUnknown {
		d.Status = alerts.StatusWithdrawn
		row.Record.Supplied |= alerts.FieldStatus
	}
	if d.Decided != "" {
		d.Decided, d.Withdrawn = "", cmp.Or(d.Withdrawn, d.Decided)
		row.Record.Supplied |= alerts.FieldWithdrawn
	}
}

// hasPosition reports whether the row has any coordinates but zeros.
func (m *mapping) hasPosition(c cells) bool {
	for _, name := range []string{"lon", "easting", "x", "point"} {
		if v := m.value(c, m.columns[name]); strings.Trim(v, "0.- ") != "" {
			return true
		}
	}
	return false
}

// pairs are the columns that give a point, and how their two numbers are to be
// understood, best first.
var pairs = []struct {
	x, y  string
	point func(x, y float64, crs string) (geo.Point, bool)
}{
	{"lon", "lat", func(x, y float64, _ string) (geo.Point, bool) { return degrees(x, y) }},
	{"easting", "northing", func(x, y float64, crs string) (geo.Point, bool) {
		if x == 0 || y == 0 || crs == "EPSG:4326" {
			return geo.Point{}, false
		}
		p := geo.FromBNG(x, y)
		return p, geo.InUK(p)
	}},
	{"x", "y", func(x, y float64, _ string) (geo.Point, bool) { return anyCRS(x, y) }},
}

// degrees returns the point of a longitude and a latitude, also when they have
// changed places, which in the United Kingdom cannot be mistaken.
func degrees(x, y float64) (geo.Point, bool) {
	for _, p := range []geo.Point{{Lon: x, Lat: y}, {Lon: y, Lat: x}} {
		if geo.InUK(p) {
			return p, true
		}
	}
	return geo.Point{}, false
}

// anyCRS tells by their size what two coordinates are: degrees, Web Mercator, or
// British National Grid.
func anyCRS(x, y float64) (geo.Point, bool) {
	switch {
	case x == 0 || y == 0:
		return geo.Point{}, false
	case math.Abs(x) <= 180 && math.Abs(y) <= 180:
		return degrees(x, y)
	}
	p := geo.FromBNG(x, y)
	if y > 5e6 {
		p = geo.FromWebMercator(x, y)
	}
	return p, geo.InUK(p)
}

// site returns where the row says the application is: its boundary, else its
// point. Coordinates that are no place in the United Kingdom leave it unlocated.
//
// It notes in the row what is odd about the position.
func (m *mapping) site(c cells, row *Row) (alerts.Site, *alerts.Fault) {
	point, problem := m.point(c, row)
	outline := func(column string) (alerts.Site, bool) {
		site, box, ok := boundaryIn(c, column)
		row.Astray = ok && point.Located() && !box.Grow(astrayBeyond).Contains(point.Point())
		return site, ok
	}
	if m.adapter.Format == "geojson" {
		if site, ok := outline(geometryColumn); ok {
			return site, nil
		}
	}
	if from := m.columns["boundary"]; from != nil {
		for _, name := range from.columns() { // the first that is a place, not the first that is filled
			if site, ok := outline(name); ok {
				return site, nil
			}
		}
	}
	return point, problem
}

// astrayBeyond is how far, in metres, a point may be from the outline that it should
// be in. London's data has them half a kilometre away.
const astrayBeyond = 100

// point returns where the row's coordinates are.
func (m *mapping) point(c cells, row *Row) (alerts.Site, *alerts.Fault) {
	for _, pair := range pairs {
		columnX, columnY := m.columns[pair.x], m.columns[pair.y]
		xs, ys := m.value(c, columnX), m.value(c, columnY)
		if xs == "" || ys == "" {
			continue
		}
		x, err := coordinate(xs)
		if err != nil {
			return alerts.Site{}, &alerts.Fault{Column: columnX.name(), Value: xs, Reason: err.Error()}
		}
		y, err := coordinate(ys)
		if err != nil {
			return alerts.Site{}, &alerts.Fault{Column: columnY.name(), Value: ys, Reason: err.Error()}
		}
		if pair.x != "lon" && x != y { // of degrees, it can be seen
			if p, ok := pair.point(y, x, m.adapter.CRS); ok {
				row.Turned = p
			}
		}
		if p, ok := pair.point(x, y, m.adapter.CRS); ok {
			return plotted(p), nil
		}
	}
	if lat, lon, ok := strings.Cut(m.value(c, m.columns["point"]), " "); ok { // GeoRSS has latitude first
		y, err1 := coordinate(lat)
		x, err2 := coordinate(strings.TrimSpace(lon))
		if err1 == nil && err2 == nil {
			if p, ok := degrees(x, y); ok {
				return plotted(p), nil
			}
		}
	}
	return alerts.Site{}, nil
}

// plotted is the site of a point that the council gives.
func plotted(p geo.Point) alerts.Site {
	return alerts.Site{Lon: p.Lon, Lat: p.Lat, Method: alerts.MethodPoint, Uncertainty: alerts.DefaultUncertainty[alerts.MethodPoint]}
}

// boundaryIn reads the site in a column, and the box around it. What has been decoded
// already is not written down to be read again.
func boundaryIn(c cells, column string) (alerts.Site, geo.Box, bool) {
	if o, ok := c.(objects); ok {
		if object := o.object(column); object != nil {
			g, err := geo.GeoJSON(object)
			if err != nil {
				return alerts.Site{}, geo.Box{}, false
			}
			return outlined(g)
		}
	}
	return boundary(strings.TrimSpace(c.cell(column)))
}

// boundary reads a site given as GeoJSON or WKT in longitude and latitude, and the box
// around it.
func boundary(text string) (alerts.Site, geo.Box, bool) {
	if text == "" || text == "null" {
		return alerts.Site{}, geo.Box{}, false
	}
	decode := geo.DecodeWKT
	if strings.HasPrefix(text, "{") {
		decode = func(text string) (geom.T, error) { return geo.DecodeGeoJSON([]byte(text)) }
	}
	g, err := decode(text)
	if err != nil {
		return alerts.Site{}, geo.Box{}, false
	}
	return outlined(g)
}

// outlined is the site of an outline that is in the United Kingdom, and the box around it.
func outlined(g geom.T) (alerts.Site, geo.Box, bool) {
	box := geo.Bounds(g)
	if box.Empty() {
		return alerts.Site{}, geo.Box{}, false
	}
	centre := geo.Centre(g)
	if !geo.InUK(centre) {
		return alerts.Site{}, geo.Box{}, false
	}
	site := alerts.Site{Method: alerts.MethodBoundary, Lon: centre.Lon, Lat: centre.Lat}
	if box.MinLon == box.MaxLon && box.MinLat == box.MaxLat {
		return plotted(centre), box, true
	}
	var err error
	if site.Shape, err = geo.EncodeWKB(g); err != nil {
		return alerts.Site{}, geo.Box{}, false
	}
	return site, box, true
}

func coordinate(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("this is not a number")
	}
	return v, nil
}

// parseDate reads a date in one layout, as written: a time and a zone that come
// with it do not move it to another day. The layout "epoch-ms" is milliseconds
// since 1970, "excel" the days of a spreadsheet, and "iso" a date with whatever
// may follow it after a T or a space.
func parseDate(s, layout string) (alerts.Date, error) {
	switch layout {
	case "epoch-ms":
		ms, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "", fmt.Errorf("this is not a number of milliseconds")
		}
		return plausible(alerts.DateOf(time.UnixMilli(ms)))
	case "excel":
		days, err := strconv.ParseFloat(s, 64)
		if err != nil || !(days >= 1 && days < 200_000) {
			return "", fmt.Errorf("this is not a date of a spreadsheet")
		}
		return plausible(alerts.Date(time.Date(1899, 12, 30+int(days), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)))
	case "iso":
		layout = time.DateOnly
		if len(s) > 10 && (s[10] == 'T' || s[10] == ' ') {
			s = s[:10]
		}
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return "", fmt.Errorf("this is not a date like %s", exampleDay.Format(layout))
	}
	return plausible(alerts.Date(t.Format(time.DateOnly)))
}

// exampleDay shows how dates are written: its day cannot be taken for a month.
var exampleDay = time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)

func plausible(d alerts.Date) (alerts.Date, error) {
	if d < "1900-01-01" || d > "2200-01-01" {
		return "", fmt.Errorf("no application has a date in that year")
	}
	return d, nil
}
