package feed

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

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
	adapter  *Adapter
	meaning  *meaning
	slug     string // of the authority
	missing  map[string]bool
	fields   []fieldMap
	supplied alerts.Field
	key      string // column of the source key
}

// A fieldMap fills one field from one column.
type fieldMap struct {
	name   string
	column string
	layout string // of dates
	set    func(d *alerts.Details, value string)
}

// setters write the fields that are plain text.
var setters = map[string]func(d *alerts.Details, v string){
	"reference":       func(d *alerts.Details, v string) { d.Reference = v },
	"address":         func(d *alerts.Details, v string) { d.Address = v },
	"postcode":        func(d *alerts.Details, v string) { d.Postcode = v },
	"uprn":            func(d *alerts.Details, v string) { d.UPRN = v },
	"description":     func(d *alerts.Details, v string) { d.Description = v },
	"scale":           func(d *alerts.Details, v string) { d.Scale = strings.ToLower(v) },
	"decision_by":     func(d *alerts.Details, v string) { d.DecisionBy = v },
	"appeal_ref":      func(d *alerts.Details, v string) { d.AppealRef = v },
	"appeal_decision": func(d *alerts.Details, v string) { d.AppealDecision = alerts.AppealDecision(v) },
	"url":             func(d *alerts.Details, v string) { d.URL = alerts.WebLink(v) },
	"comment_url":     func(d *alerts.Details, v string) { d.CommentURL = alerts.WebLink(v) },
	"ward":            func(d *alerts.Details, v string) { d.Ward = v },
	"received":        func(d *alerts.Details, v string) { d.Received = alerts.Date(v) },
	"valid":           func(d *alerts.Details, v string) { d.Valid = alerts.Date(v) },
	"comments_from":   func(d *alerts.Details, v string) { d.CommentsFrom = alerts.Date(v) },
	"comments_until":  func(d *alerts.Details, v string) { d.CommentsUntil = alerts.Date(v) },
	"committee":       func(d *alerts.Details, v string) { d.Committee = alerts.Date(v) },
	"target":          func(d *alerts.Details, v string) { d.Target = alerts.Date(v) },
	"decided":         func(d *alerts.Details, v string) { d.Decided = alerts.Date(v) },
	"withdrawn":       func(d *alerts.Details, v string) { d.Withdrawn = alerts.Date(v) },
	"appeal_lodged":   func(d *alerts.Details, v string) { d.AppealLodged = alerts.Date(v) },
	"appeal_decided":  func(d *alerts.Details, v string) { d.AppealDecided = alerts.Date(v) },
}

func newMapping(d *Declaration, a *Adapter) (*mapping, error) {
	meaning, err := d.Codes.compile()
	if err != nil {
		return nil, err
	}
	m := &mapping{adapter: a, meaning: meaning, slug: d.Authority.Slug, missing: map[string]bool{}, key: a.Columns["source_key"]}
	if m.key == "" {
		m.key = a.Columns["reference"]
	}
	for _, s := range a.Missing {
		m.missing[clean(s)] = true
	}
	for name, column := range a.Columns {
		if field, ok := alerts.FieldNamed(name); ok {
			m.supplied |= field
		}
		if set := setters[name]; set != nil {
			f := fieldMap{name: name, column: column, set: set}
			if dateFields[name] {
				if f.layout = a.Dates[name]; f.layout == "" {
					f.layout = a.Dates["default"]
				}
				if f.layout == "" {
					f.layout = time.DateOnly
				}
			}
			m.fields = append(m.fields, f)
		}
	}
	slices.SortFunc(m.fields, func(a, b fieldMap) int { return strings.Compare(a.name, b.name) })
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
	return m.adapter.Format == "geojson" || slices.ContainsFunc([]string{"lon", "easting", "boundary"}, func(c string) bool { return m.adapter.Columns[c] != "" })
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
	r.Authority, r.Supplied = m.slug, m.supplied
	d := &r.Details
	for _, f := range m.fields {
		value := m.value(c, f.column)
		if f.layout != "" && value != "" {
			date, err := parseDate(value, f.layout)
			if err != nil {
				fault(f.column, value, err.Error())
				continue
			}
			value = string(date)
		}
		if value != "" {
			f.set(d, value)
		}
	}
	r.SourceKey = m.value(c, m.key)
	switch {
	case d.Reference == "":
		fault(m.adapter.Columns["reference"], "", "the application's reference is missing")
	case len(d.Reference) > 100:
		fault(m.adapter.Columns["reference"], d.Reference, "this is too long for a reference; have the columns shifted?")
	case r.SourceKey == "":
		fault(m.key, "", "the key of the record is missing")
	}
	m.codes(c, &row)
	site, problem := m.site(c)
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

// value returns a cell's text, cleaned; "" when it means nothing.
func (m *mapping) value(c cells, column string) string {
	if column == "" {
		return ""
	}
	v := clean(c.cell(column))
	if m.missing[v] {
		return ""
	}
	return v
}

// codes fills kind, status and decision through the feed's tables.
func (m *mapping) codes(c cells, row *Row) {
	d, columns := &row.Record.Details, m.adapter.Columns
	unmapped := func(field, code string) { row.Unmapped = append(row.Unmapped, Code{field, code}) }
	if d.KindRaw = m.value(c, columns["kind"]); d.KindRaw != "" {
		kind, ok := m.meaning.kind[fold(d.KindRaw)]
		if !ok {
			kind = alerts.KindOther
			unmapped("kind", d.KindRaw)
		}
		d.Kind = kind
	}
	var implied alerts.Decision
	if d.StatusRaw = m.value(c, columns["status"]); d.StatusRaw != "" {
		o, ok := m.meaning.status[fold(d.StatusRaw)]
		if !ok {
			unmapped("status", d.StatusRaw)
		}
		d.Status, implied = o.status, o.decision
	}
	if d.DecisionRaw = m.value(c, columns["decision"]); d.DecisionRaw != "" {
		decision, ok := m.meaning.decision[fold(d.DecisionRaw)]
		if !ok {
			decision = alerts.DecisionOther
			unmapped("decision", d.DecisionRaw)
		}
		d.Decision = decision
	} else if implied != alerts.DecisionNone {
		d.Decision = implied
		row.Record.Supplied |= alerts.FieldDecision
	}
}

// hasPosition reports whether the row has any coordinates but zeros.
func (m *mapping) hasPosition(c cells) bool {
	for _, name := range []string{"lon", "easting"} {
		if v := m.value(c, m.adapter.Columns[name]); strings.Trim(v, "0.-") != "" {
			return true
		}
	}
	return false
}

// site returns where the row says the application is: its boundary, else its
// point. Coordinates that are no place in the United Kingdom leave it unlocated.
func (m *mapping) site(c cells) (alerts.Site, *alerts.Fault) {
	columns := m.adapter.Columns
	if m.adapter.Format == "geojson" {
		if site, ok := boundary(c.cell(geometryColumn)); ok {
			return site, nil
		}
	}
	if site, ok := boundary(m.value(c, columns["boundary"])); ok {
		return site, nil
	}
	for _, pair := range []struct{ x, y string }{{"lon", "lat"}, {"easting", "northing"}} {
		xs, ys := m.value(c, columns[pair.x]), m.value(c, columns[pair.y])
		if xs == "" || ys == "" {
			continue
		}
		x, err := coordinate(xs)
		if err != nil {
			return alerts.Site{}, &alerts.Fault{Column: columns[pair.x], Value: xs, Reason: err.Error()}
		}
		y, err := coordinate(ys)
		if err != nil {
			return alerts.Site{}, &alerts.Fault{Column: columns[pair.y], Value: ys, Reason: err.Error()}
		}
		p := geo.Point{Lon: x, Lat: y}
		if pair.x == "easting" {
			if x == 0 || y == 0 || m.adapter.CRS == "EPSG:4326" {
				continue
			}
			p = geo.FromBNG(x, y)
		}
		if geo.InUK(p) {
			return alerts.Site{Lon: p.Lon, Lat: p.Lat, Method: alerts.MethodPoint, Uncertainty: alerts.DefaultUncertainty[alerts.MethodPoint]}, nil
		}
	}
	return alerts.Site{}, nil
}

// boundary reads a site given as GeoJSON or WKT in longitude and latitude.
func boundary(text string) (alerts.Site, bool) {
	if text == "" || text == "null" {
		return alerts.Site{}, false
	}
	decode := geo.DecodeWKT
	site := alerts.Site{Method: alerts.MethodBoundary}
	g, err := decode(text)
	if strings.HasPrefix(text, "{") {
		g, err = geo.DecodeGeoJSON([]byte(text))
	}
	if err != nil || geo.Bounds(g).Empty() {
		return alerts.Site{}, false
	}
	centre := geo.Centre(g)
	if !geo.InUK(centre) {
		return alerts.Site{}, false
	}
	site.Lon, site.Lat = centre.Lon, centre.Lat
	if box := geo.Bounds(g); box.MinLon == box.MaxLon && box.MinLat == box.MaxLat {
		site.Method, site.Uncertainty = alerts.MethodPoint, alerts.DefaultUncertainty[alerts.MethodPoint]
		return site, true
	}
	if site.Shape, err = geo.EncodeWKB(g); err != nil {
		return alerts.Site{}, false
	}
	return site, true
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
// since 1970.
func parseDate(s, layout string) (alerts.Date, error) {
	if layout == "epoch-ms" {
		ms, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "", fmt.Errorf("this is not a number of milliseconds")
		}
		return plausible(alerts.DateOf(time.UnixMilli(ms)))
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return "", fmt.Errorf("this is not a date like %s", layout)
	}
	return plausible(alerts.Date(t.Format(time.DateOnly)))
}

func plausible(d alerts.Date) (alerts.Date, error) {
	if d < "1900-01-01" || d > "2200-01-01" {
		return "", fmt.Errorf("no application has a date in that year")
	}
	return d, nil
}
