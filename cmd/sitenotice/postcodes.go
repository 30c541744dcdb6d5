package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

type postcodesCommand struct {
	Import postcodesImport `cmd:"" help:"Build the table from Code-Point Open, ONSPD or NSPL."`
	Lookup postcodesLookup `cmd:"" help:"Say where a postcode is."`
}

type postcodesImport struct {
	File    string `arg:"" help:"The zip or CSV as published." type:"existingfile"`
	AllowNI bool   `name:"allow-ni" help:"Take Northern Ireland's rows too; they are not under the Open Government Licence."`
}

// Run builds the table beside the old one and swaps it in when it is whole.
func (c *postcodesImport) Run(ctx context.Context, cfg *Config, std streams) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w; name another with --data", err)
	}
	progress := newProgress(std.err, "reading postcodes")
	report, err := postcode.Import(ctx, c.File, cfg.postcodesPath(), postcode.ImportOptions{AllowNI: c.AllowNI, Progress: progress.show})
	progress.end()
	if err != nil {
		return err
	}
	if cfg.JSON {
		return printJSON(std.out, report)
	}
	fmt.Fprintf(std.out, "%s: %s postcodes, %s of them in use, %s closed, %s without a position.\n", report.Release,
		alerts.Thousands(report.Rows), alerts.Thousands(report.Live), alerts.Thousands(report.Terminated), alerts.Thousands(report.Unlocated))
	if report.SkippedNI > 0 {
		fmt.Fprintf(std.out, "%s of Northern Ireland were left out: they need a licence of their own (--allow-ni).\n", alerts.Thousands(report.SkippedNI))
	}
	return nil
}

type postcodesLookup struct {
	Postcode string `arg:"" help:"In any spelling, for example n1c4ag."`
}

// Run tells malformed, unknown and closed postcodes apart.
func (c *postcodesLookup) Run(cfg *Config, std streams) error {
	code, err := postcode.Parse(c.Postcode)
	if err != nil {
		return err
	}
	table, err := cfg.postcodes()
	if err != nil {
		return err
	}
	if table == nil {
		return errors.New("there is no postcode table yet; make one with\n  sitenotice postcodes import codepo_gb.zip\n(Code-Point Open is free from Ordnance Survey)")
	}
	place, err := table.Lookup(code)
	switch {
	case errors.Is(err, postcode.ErrUnknown):
		if why, ok := postcode.NonGeographic(code); ok {
			return fmt.Errorf("%s: %s", code, why)
		}
		return fmt.Errorf("%s has the form of a postcode, but there is no such postcode in the table (%s)", code, table.Meta().Release)
	case errors.Is(err, postcode.ErrUnlocated):
		return fmt.Errorf("%s exists, but has no position", code)
	case err != nil:
		return err
	}
	if cfg.JSON {
		return printJSON(std.out, place)
	}
	fmt.Fprintf(std.out, "%s: %.6f, %.6f (latitude, longitude); grid %d, %d", place.Code, place.Point.Lat, place.Point.Lon, place.Easting, place.Northing)
	for _, area := range []struct{ kind, code, name string }{
		{"ward", place.Ward, table.WardName(place.Ward)}, {"district", place.District, table.DistrictName(place.District)},
	} {
		if area.code != "" {
			fmt.Fprintf(std.out, "; %s %s", area.kind, strings.TrimSpace(area.code+" "+area.name))
		}
	}
	fmt.Fprintln(std.out)
	if place.Terminated != "" {
		fmt.Fprintf(std.out, "It was closed in %s; this is its last place.\n", place.Terminated)
	}
	if place.Shared >= 20 {
		fmt.Fprintf(std.out, "%d postcodes share this point, so it is probably a mail centre.\n", place.Shared)
	}
	return nil
}
