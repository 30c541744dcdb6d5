package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/geo"
)

type boundariesCommand struct {
	Import     boundariesImport `cmd:"" help:"Read the outlines of authorities or wards from GeoJSON or TopoJSON."`
	List       boundariesList   `cmd:"" help:"List the outlines."`
	Properties propertiesImport `cmd:"" help:"Read where properties are from a CSV such as OS Open UPRN."`
}

type boundariesImport struct {
	File   string `arg:"" help:"GeoJSON or TopoJSON in longitude and latitude." type:"existingfile"`
	Kind   string `required:"" enum:"authority,ward" help:"authority or ward."`
	Code   string `help:"The property that holds the code (default: the one that usually does)."`
	Name   string `help:"The property that holds the name (default: the one that usually does)."`
	Object string `help:"The object of a TopoJSON file that has several."`
}

// codeProperties and nameProperties are the properties that usually hold a code and
// a name, best first.
var (
	codeProperties = map[string][]string{
		"authority": {`LPA\d\dCD`, `LAD\d\dCD`, `CTYUA\d\dCD`, `GSS_?CODE`, `AREACD`, `CODE`, `REFERENCE`, `ID`},
		"ward":      {`WD\d\dCD`, `WARD_?CODE`, `GSS_?CODE`, `AREACD`, `CODE`, `REFERENCE`, `ID`},
	}
	nameProperties = map[string][]string{
		"authority": {`LPA\d\dNM`, `LAD\d\dNM`, `CTYUA\d\dNM`, `AREANM`, `NAME`},
		"ward":      {`WD\d\dNM`, `WARD_?NAME`, `AREANM`, `NAME`},
	}
)

// Run stores the outlines and says what was taken for their codes and names.
func (c *boundariesImport) Run(ctx context.Context, cfg *Config, std streams) error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	features, err := geo.ReadFeatures(file, c.Object)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	have := slices.Sorted(maps.Keys(features[0].Properties))
	pick := func(asked, what, flag string, usual []string) (string, error) {
		if asked == "" {
			for _, form := range usual {
				exactly := regexp.MustCompile("(?i)^" + form + "$")
				if i := slices.IndexFunc(have, exactly.MatchString); i >= 0 {
					return have[i], nil
				}
			}
			return "", fmt.Errorf("%s: which property holds the %s? Name one with --%s: %s", c.File, what, flag, strings.Join(have, ", "))
		}
		if !slices.Contains(have, asked) {
			return "", fmt.Errorf("%s: there is no property %q; there are %s", c.File, asked, strings.Join(have, ", "))
		}
		return asked, nil
	}
	code, err := pick(c.Code, "code", "code", codeProperties[c.Kind])
	if err != nil {
		return err
	}
	name, err := pick(c.Name, "name", "name", nameProperties[c.Kind])
	if err != nil {
		return err
	}
	var boundaries []alerts.Boundary
	var rough []string
	seen := map[string]bool{}
	for i, f := range features {
		b := alerts.Boundary{Kind: alerts.BoundaryKind(c.Kind), Code: property(f, code), Name: property(f, name),
			Area: f.Geometry, Source: filepath.Base(c.File)}
		if b.Code == "" || seen[b.Code] {
			return fmt.Errorf("%s: feature %d: its code (%s) is missing or occurs twice", c.File, i+1, code)
		}
		if !geo.InUK(geo.Centre(b.Area)) {
			return fmt.Errorf("%s: %s lies outside the United Kingdom: the file must be in longitude and latitude (WGS84), not in a grid", c.File, b.Code)
		}
		if _, err := geo.Prepare(b.Area); err != nil && b.Kind == alerts.BoundaryWard {
			return fmt.Errorf("%s: the outline of %s cannot be used: %w", c.File, b.Code, err)
		} else if err != nil {
			rough = append(rough, b.Name)
		}
		seen[b.Code] = true
		boundaries = append(boundaries, b)
	}
	s, err := cfg.openStore(ctx, true)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.PutBoundaries(ctx, boundaries, cfg.clock()); err != nil {
		return err
	}
	first := boundaries[0]
	fmt.Fprintf(std.out, "Stored %s outlines of the kind %s; the code is %s and the name %s, for example %s %s.\n",
		alerts.Thousands(len(boundaries)), c.Kind, code, name, first.Code, first.Name)
	if len(rough) > 0 {
		fmt.Fprintf(std.out, "These cross themselves, so that only the rectangles around them count: %s.\n", strings.Join(rough, ", "))
	}
	return nil
}

// property returns a feature's property as text; "" when it has none.
func property(f geo.Feature, name string) string {
	if v := f.Properties[name]; v != nil {
		return strings.TrimSpace(fmt.Sprint(v))
	}
	return ""
}

type boundariesList struct{}

// Run prints a line for each outline.
func (boundariesList) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	boundaries, err := s.Boundaries(ctx)
	if err != nil {
		return err
	}
	type row struct {
		Kind   string  `json:"kind"`
		Code   string  `json:"code"`
		Name   string  `json:"name"`
		Km2    float64 `json:"km2"`
		Source string  `json:"source"`
	}
	rows := []row{}
	for _, b := range boundaries {
		rows = append(rows, row{string(b.Kind), b.Code, b.Name, geo.Area(b.Area) / 1e6, b.Source})
	}
	if cfg.JSON {
		return printJSON(std.out, rows)
	}
	w := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tCODE\tNAME\tKM²\tFROM")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%s\n", r.Kind, r.Code, r.Name, r.Km2, r.Source)
	}
	return w.Flush()
}

type propertiesImport struct {
	File string `arg:"" help:"CSV with the columns UPRN and X_COORDINATE, Y_COORDINATE (British National Grid) or LATITUDE, LONGITUDE." type:"existingfile"`
}

// propertyBatch is how many properties one transaction stores.
const propertyBatch = 5_000

// Run stores the places. It may be repeated after it broke off.
func (c *propertiesImport) Run(ctx context.Context, cfg *Config, std streams) error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	s, err := cfg.openStore(ctx, true)
	if err != nil {
		return err
	}
	defer s.Close()
	progress := newProgress(std.err, "reading properties")
	defer progress.end()
	var batch []store.Property
	stored := 0
	flush := func() error {
		err := s.PutProperties(ctx, batch)
		stored, batch = stored+len(batch), batch[:0]
		return err
	}
	err = readProperties(newMeter(file, progress), func(p store.Property) error {
		if batch = append(batch, p); len(batch) == propertyBatch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w (%s were stored before)", c.File, err, alerts.Thousands(stored))
	}
	progress.end()
	fmt.Fprintf(std.out, "Stored the places of %s properties.\n", alerts.Thousands(stored))
	return nil
}

// readProperties reads a table of properties and yields those that are somewhere in the
// United Kingdom.
func readProperties(r io.Reader, yield func(store.Property) error) error {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil {
		return fmt.Errorf("there is no header: %w", err)
	}
	at := map[string]int{}
	for i, name := range header {
		at[strings.ToUpper(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	uprn, ok := at["UPRN"]
	lon, hasLon := at["LONGITUDE"]
	lat, hasLat := at["LATITUDE"]
	east, hasEast := at["X_COORDINATE"]
	north, hasNorth := at["Y_COORDINATE"]
	if !ok || !(hasLon && hasLat || hasEast && hasNorth) {
		return fmt.Errorf("the columns UPRN and LATITUDE, LONGITUDE or X_COORDINATE, Y_COORDINATE are needed; there are %s", alerts.Line(strings.Join(header, ", "), 300))
	}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		number := func(i int) (v float64) {
			if err == nil {
				v, err = strconv.ParseFloat(row[i], 64)
			}
			return v
		}
		p := store.Property{}
		if p.UPRN, err = strconv.ParseInt(row[uprn], 10, 64); err == nil && p.UPRN < 1 {
			err = fmt.Errorf("%d is no property's number", p.UPRN)
		}
		if hasLon && hasLat {
			p.At = geo.Point{Lon: number(lon), Lat: number(lat)}
		} else {
			p.At = geo.FromBNG(number(east), number(north))
		}
		if line, _ := in.FieldPos(0); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if !geo.InUK(p.At) {
			continue
		}
		if err := yield(p); err != nil {
			return err
		}
	}
}
