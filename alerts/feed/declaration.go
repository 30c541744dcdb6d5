// Package feed reads councils' files: one file per format, which turns bytes into
// records, and the declaration that says what a council's columns and codes mean.
package feed

import (
	"bytes"
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
	Feed        string    `yaml:"feed"` // short and stable: "york"
	Authority   Authority `yaml:"authority"`
	Schedule    string    `yaml:"schedule,omitempty"` // cron expression, read in UTC
	Contact     string    `yaml:"contact,omitempty"`  // e-mail address of who mends the feed
	Precedence  int       `yaml:"precedence,omitempty"`
	HorizonDays int       `yaml:"horizon_days,omitempty"` // 0 for 90
	Licence     string    `yaml:"licence,omitempty"`      // shown with the data
	Adapters    []Adapter `yaml:"adapters"`
	Codes       Codes     `yaml:"codes,omitempty"`
}

// Authority names the planning authority of a feed.
type Authority struct {
	Slug     string `yaml:"slug"`
	Name     string `yaml:"name"`
	District string `yaml:"district,omitempty"` // GSS code
	Website  string `yaml:"website,omitempty"`
}

// An Adapter is one form in which a feed's data comes. A feed may have several;
// the first is the one that the schedule reads.
type Adapter struct {
	Name      string            `yaml:"name"`
	Format    string            `yaml:"format"`              // csv, json or geojson
	URL       string            `yaml:"url,omitempty"`       // or a file's path
	Encoding  string            `yaml:"encoding,omitempty"`  // utf-8 unless said otherwise
	CRS       string            `yaml:"crs,omitempty"`       // of easting and northing: EPSG:27700
	Records   string            `yaml:"records,omitempty"`   // JSON: the path to the list, "result.items"
	Columns   map[string]string `yaml:"columns"`             // our field → their column, or path in JSON
	Dates     map[string]string `yaml:"dates,omitempty"`     // our field → layout; "default" for all others
	Missing   []string          `yaml:"missing,omitempty"`   // cells that mean nothing: "-", "N/A"
	Templates map[string]string `yaml:"templates,omitempty"` // our field → text with {source_key} or {reference}
}

// Codes says what a council's codes mean. A status may bring a decision with it:
// "decided approved". A decision of "none" is no decision.
type Codes struct {
	Kind     map[string]string `yaml:"kind,omitempty"`
	Status   map[string]string `yaml:"status,omitempty"`
	Decision map[string]string `yaml:"decision,omitempty"`
}

// places are the columns besides the canonical fields that an adapter may map.
var places = []string{"source_key", "lon", "lat", "easting", "northing", "boundary"}

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
	if err := d.check(); err != nil {
		return nil, err
	}
	return &d, nil
}

func (d *Declaration) check() error {
	switch {
	case !slugForm.MatchString(d.Feed):
		return fmt.Errorf("feed: %q should be a short name of small letters, digits and hyphens", d.Feed)
	case !slugForm.MatchString(d.Authority.Slug):
		return fmt.Errorf("authority.slug: %q should be a short name of small letters, digits and hyphens", d.Authority.Slug)
	case d.Authority.Name == "":
		return errors.New("authority.name is missing")
	case len(d.Adapters) == 0:
		return errors.New("adapters: at least one is needed")
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

// YAML writes the declaration.
func (d *Declaration) YAML() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(d)
	return b.Bytes(), err
}

//go:embed presets/*.yaml
var presets embed.FS

// Presets lists the feeds that come with the program.
func Presets() []string {
	entries, _ := presets.ReadDir("presets")
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	return names
}

// Preset returns the declaration of a feed that comes with the program, as YAML;
// false when there is none of that name.
func Preset(name string) ([]byte, bool) {
	text, err := presets.ReadFile("presets/" + name + ".yaml")
	return text, err == nil
}
