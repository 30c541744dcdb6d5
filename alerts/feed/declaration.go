// Package feed reads councils' files: one file per format, which turns bytes into
// records, and the declaration that says what a council's columns and codes mean.
package feed

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sitenotice/sitenotice/alerts"
)

// A Declaration says where a feed comes from and what it means. It is written in
// YAML; docs/feeds.md explains every line.
type Declaration struct {
	Feed        string      `yaml:"feed"`           // short and stable: "york"
	Like        string      `yaml:"like,omitempty"` // a preset whose adapters and codes it takes over
	Authority   Authority   `yaml:"authority,omitempty"`
	Authorities []Authority `yaml:"authorities,omitempty"` // of a feed of several; rows name theirs in the column "authority"
	Schedule    string      `yaml:"schedule,omitempty"`    // cron expression, read in UTC
	Contact     string      `yaml:"contact,omitempty"`     // e-mail address of who mends the feed
	Precedence  int         `yaml:"precedence,omitempty"`
	HorizonDays int         `yaml:"horizon_days,omitempty"` // 0 for 90
	Licence     string      `yaml:"licence,omitempty"`      // shown with the data
	URL         string      `yaml:"url,omitempty"`          // of the first adapter, when that is taken over
	Adapters    []Adapter   `yaml:"adapters,omitempty"`
	Codes       Codes       `yaml:"codes,omitempty"`

	written []byte // as [Declare] wrote it, before what it takes over
}

// Authority names a planning authority of a feed.
type Authority struct {
	Slug     string   `yaml:"slug"`
	Name     string   `yaml:"name"`
	District string   `yaml:"district,omitempty"` // GSS code
	Website  string   `yaml:"website,omitempty"`
	As       []string `yaml:"as,omitempty"` // how a feed of several writes it, besides its name
}

// All lists the authorities of the feed, the first of them its own.
func (d *Declaration) All() []Authority {
	if len(d.Authorities) > 0 {
		return d.Authorities
	}
	return []Authority{d.Authority}
}

// An Adapter is one form in which a feed's data comes. A feed may have several;
// the first is the one that the schedule reads.
type Adapter struct {
	Name      string              `yaml:"name"`
	Like      string              `yaml:"like,omitempty"`      // another adapter of the feed, for all that is not said here
	Format    string              `yaml:"format,omitempty"`    // csv, json, geojson, xml, yaml, xlsx or tables
	URL       string              `yaml:"url,omitempty"`       // or a file's path
	Headers   map[string]string   `yaml:"headers,omitempty"`   // sent with every request; "env:NAME" is the operator's to fill in
	Paging    Paging              `yaml:"paging,omitempty"`    // how a source is read that gives a part at a time
	Encoding  string              `yaml:"encoding,omitempty"`  // utf-8 unless said otherwise
	CRS       string              `yaml:"crs,omitempty"`       // of easting and northing: EPSG:27700
	Records   string              `yaml:"records,omitempty"`   // JSON: the path to the list, "." for one record; XML: the element; XLSX: the sheet
	Inside    string              `yaml:"inside,omitempty"`    // JSON: the object of each record in which the columns are
	Tables    map[string]Table    `yaml:"tables,omitempty"`    // of the format "tables"
	Columns   map[string]string   `yaml:"columns,omitempty"`   // our field → their column, or path in JSON and XML (see [expression])
	Dates     map[string]string   `yaml:"dates,omitempty"`     // our field → layout; "default" for all others
	Missing   []string            `yaml:"missing,omitempty"`   // cells that mean nothing: "-", "N/A"
	Shifted   map[string][]string `yaml:"shifted,omitempty"`   // their column → cells that show that the row has shifted
	Templates map[string]string   `yaml:"templates,omitempty"` // our field → text with {source_key} or {reference}
}

// Codes says what a council's codes mean. A status may bring a decision with it:
// "decided approved". A decision of "none" is no decision, and "withdrawn" is the
// status. In a code, * stands for anything.
type Codes struct {
	Kind     map[string]string `yaml:"kind,omitempty"`
	Status   map[string]string `yaml:"status,omitempty"`
	Decision map[string]string `yaml:"decision,omitempty"`
	Scale    map[string]string `yaml:"scale,omitempty"`
	Appeal   map[string]string `yaml:"appeal,omitempty"`
}

// places are the columns besides the canonical fields that an adapter may map. x
// and y are coordinates of any kind, told apart by their size; point is latitude
// and longitude in one cell, as in GeoRSS.
var places = []string{"source_key", "authority", "lon", "lat", "easting", "northing", "x", "y", "point", "boundary"}

// slugForm is what a feed's or authority's short name may look like.
var slugForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Parse reads a declaration and checks it. Its errors name the line or the field
// that is wrong.
func Parse(text []byte) (*Declaration, error) {
	var d Declaration
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&d); errors.Is(err, io.EOF) {
		return nil, errors.New("the declaration is empty")
	} else if err != nil {
		return nil, fmt.Errorf("the declaration is not right: %s", strings.TrimPrefix(strings.ReplaceAll(err.Error(), "yaml: ", ""), "unmarshal errors:\n  "))
	}
	if err := d.inherit(); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return &d, nil
}

// inherit fills in what the declaration takes over from a preset, and adapters from
// others of the feed.
func (d *Declaration) inherit() error {
	if d.Like != "" {
		text, ok := Preset(d.Like)
		if !ok {
			text, ok = shape(d.Like)
		}
		if !ok {
			return fmt.Errorf("like: %q is not one of %s", d.Like, strings.Join(append(Shapes(), Presets()...), ", "))
		}
		var base Declaration
		if err := yaml.Unmarshal(text, &base); err != nil {
			return fmt.Errorf("like: %s: %w", d.Like, err)
		}
		if len(d.Adapters) == 0 {
			d.Adapters = base.Adapters
		}
		for _, c := range []struct{ own, from *map[string]string }{{&d.Codes.Kind, &base.Codes.Kind}, {&d.Codes.Status, &base.Codes.Status},
			{&d.Codes.Decision, &base.Codes.Decision}, {&d.Codes.Scale, &base.Codes.Scale}, {&d.Codes.Appeal, &base.Codes.Appeal}} {
			merged := maps.Clone(*c.from)
			if merged == nil {
				merged = map[string]string{}
			}
			maps.Copy(merged, *c.own)
			*c.own = merged
		}
	}
	if d.URL != "" && len(d.Adapters) > 0 {
		d.Adapters[0].URL = d.URL
	}
	for i := range d.Adapters {
		a := &d.Adapters[i]
		if a.Like == "" {
			continue
		}
		at := slices.IndexFunc(d.Adapters[:i], func(b Adapter) bool { return b.Name == a.Like })
		if at < 0 {
			return fmt.Errorf("adapter %q: like: there is no adapter %q before it", a.Name, a.Like)
		}
		b := &d.Adapters[at]
		a.Format, a.Encoding, a.CRS = cmp.Or(a.Format, b.Format), cmp.Or(a.Encoding, b.Encoding), cmp.Or(a.CRS, b.CRS)
		if a.Records == "" && a.Inside == "" {
			a.Records, a.Inside = b.Records, b.Inside
		}
		if a.Columns == nil {
			a.Columns = b.Columns
		}
		if a.Dates == nil {
			a.Dates = b.Dates
		}
		if a.Missing == nil {
			a.Missing = b.Missing
		}
		if a.Templates == nil {
			a.Templates = b.Templates
		}
		if a.Shifted == nil {
			a.Shifted = b.Shifted
		}
	}
	return nil
}

func (d *Declaration) check() error {
	switch {
	case !slugForm.MatchString(d.Feed):
		return fmt.Errorf("feed: %q should be a short name of small letters, digits and hyphens", d.Feed)
	case len(d.Authorities) > 0 && d.Authority.Slug != "":
		return errors.New("authority and authorities: name one or the other")
	case len(d.Adapters) == 0:
		return errors.New("adapters: at least one is needed")
	}
	for _, a := range d.All() {
		if !slugForm.MatchString(a.Slug) {
			return fmt.Errorf("authority.slug: %q should be a short name of small letters, digits and hyphens", a.Slug)
		}
		if a.Name == "" {
			return errors.New("authority.name is missing")
		}
	}
	if d.Schedule != "" {
		if err := alerts.CheckSchedule(d.Schedule); err != nil {
			return fmt.Errorf("schedule: %w", err)
		}
	}
	for i := range d.Adapters {
		a := &d.Adapters[i]
		if err := a.check(); err != nil {
			return fmt.Errorf("adapter %q: %w", a.Name, err)
		}
		if len(d.Authorities) > 0 && a.Columns["authority"] == "" {
			return fmt.Errorf("adapter %q: columns: authority is missing: which column says whose application it is?", a.Name)
		}
		if slices.ContainsFunc(d.Adapters[:i], func(b Adapter) bool { return b.Name == a.Name }) {
			return fmt.Errorf("two adapters are called %q", a.Name)
		}
	}
	_, err := d.Codes.compile()
	return err
}

func (a *Adapter) check() error {
	if a.Name == "" {
		return errors.New("name is missing")
	}
	if _, ok := formats[a.Format]; !ok {
		return fmt.Errorf("format: %q is not one of %s", a.Format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	if _, err := decoderOf(a.Encoding); err != nil {
		return err
	}
	if a.CRS != "" && a.CRS != "EPSG:4326" && a.CRS != "EPSG:27700" {
		return fmt.Errorf("crs: %q is neither EPSG:4326 (longitude, latitude) nor EPSG:27700 (British National Grid)", a.CRS)
	}
	if u, err := url.Parse(a.URL); err != nil || u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("url: %q is neither a web address nor a file's path", a.URL)
	}
	if err := a.checkRequests(); err != nil {
		return err
	}
	if (a.Format == "tables") != (len(a.Tables) > 0) {
		return errors.New("tables: name the tables that are joined, with the format \"tables\"")
	}
	for field := range a.Columns {
		if _, ok := alerts.FieldNamed(field); !ok && !slices.Contains(places, field) || field == "site" {
			return fmt.Errorf("columns: there is no field %q", field)
		}
	}
	for field := range a.Templates {
		if field != "url" && field != "comment_url" {
			return fmt.Errorf("templates: only url and comment_url can be made from others, not %q", field)
		}
	}
	if a.Columns["reference"] == "" {
		return errors.New("columns: reference is missing: which column holds the application's number?")
	}
	for field := range a.Dates {
		if field != "default" && !dateFields[field] {
			return fmt.Errorf("dates: %q is not a date", field)
		}
	}
	return nil
}

// Adapter returns the adapter of that name, or the first when name is empty.
func (d *Declaration) Adapter(name string) (*Adapter, error) {
	if name == "" {
		return &d.Adapters[0], nil
	}
	var names []string
	for i := range d.Adapters {
		if d.Adapters[i].Name == name {
			return &d.Adapters[i], nil
		}
		names = append(names, d.Adapters[i].Name)
	}
	return nil, fmt.Errorf("the feed %s has no adapter %q; it has %s", d.Feed, name, strings.Join(names, ", "))
}

// Encode says that a file which the adapter of that name is to read is in another
// encoding than declared; an empty one changes nothing.
func (d *Declaration) Encode(name, encoding string) error {
	a, err := d.Adapter(name)
	if err != nil || encoding == "" {
		return err
	}
	if _, err := decoderOf(encoding); err != nil {
		return err
	}
	a.Encoding = encoding
	return nil
}

// YAML writes the declaration.
func (d *Declaration) YAML() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(d)
	return b.Bytes(), err
}

//go:embed presets/*.yaml shapes/*.yaml
var embedded embed.FS

// Presets lists the feeds that come with the program.
func Presets() []string { return namesIn("presets") }

// Shapes lists the forms of data that come with the program and that a declaration
// can be "like": formats that many councils publish, without a council.
func Shapes() []string { return namesIn("shapes") }

// named returns a form or feed that comes with the program.
func named(name string) (*Declaration, error) {
	text, ok := shape(name)
	if !ok {
		text, _ = Preset(name)
	} else if !bytes.Contains(text, []byte("authority:")) {
		text = append([]byte("feed: any\nauthority: {slug: any, name: Any}\n"), text...)
	}
	return Parse(text)
}

func namesIn(folder string) []string {
	entries, _ := embedded.ReadDir(folder)
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	return names
}

func shape(name string) ([]byte, bool) {
	text, err := embedded.ReadFile("shapes/" + name + ".yaml")
	return text, err == nil
}

// Preset returns the declaration of a feed that comes with the program, as YAML;
// false when there is none of that name.
func Preset(name string) ([]byte, bool) {
	text, err := embedded.ReadFile("presets/" + name + ".yaml")
	return text, err == nil
}
