package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// This file decides about places of applications that people say are wrong.

type applicationsPlace struct {
	Authority string `arg:"" help:"The authority's short name, for example york."`
	Reference string `arg:"" help:"The reference, for example 26/00268/FUL."`
	Keep      bool   `help:"It is right: what was held back goes out."`
	Drop      bool   `help:"It is wrong and the right one is not known: whoever was told wrongly hears so."`
	At        string `placeholder:"LAT,LON" help:"It is wrong; this is the right one, as latitude and longitude: whoever was told wrongly hears so, whoever was missed is alerted."`
	Postcode  string `help:"As --at, with the middle of a postcode."`
	Reason    string `help:"Why, for the record."`
}

// Run decides about a place, whether or not it is disputed.
func (c *applicationsPlace) Run(ctx context.Context, cfg *Config, std streams) error {
	decision, what, err := c.decision(cfg)
	if err != nil {
		return err
	}
	svc, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer svc.close()
	ref := alerts.Ref{Authority: c.Authority, Number: c.Reference}
	app, err := svc.store.Application(ctx, ref)
	if errors.Is(err, alerts.ErrNotFound) {
		return noApplication(ref)
	}
	if err != nil {
		return err
	}
	places, err := svc.places(ctx)
	if err != nil {
		return err
	}
	before, err := svc.store.Placing(ctx, app.ID)
	if err != nil {
		return err
	}
	wrong := app.Site
	if before.State != alerts.PlaceUndoubted {
		wrong = before.About
	}
	if wrong.Located() {
		decision.Ward = places.WardAt(wrong.Point())
	}
	if decision.State == alerts.PlaceMoved {
		if !places.Within(c.Authority, decision.Right) {
			return fmt.Errorf("%.5f, %.5f is outside the area of %s: check the place; latitude comes first", decision.Right.Lat, decision.Right.Lon, c.Authority)
		}
		decision.RightWard = places.WardAt(decision.Right)
	}
	act := actOn(app.Ref(), what, c.Reason)
	was, is, err := svc.store.DecidePlace(ctx, ref, decision, act, svc.now())
	if errors.Is(err, alerts.ErrConflict) {
		return fmt.Errorf("no feed gives a place for %s %s, so there is nothing to decide", c.Authority, c.Reference)
	}
	if err != nil {
		return err
	}
	if cfg.JSON {
		return printJSON(std.out, struct {
			Before alerts.PlaceState `json:"before"`
			Now    alerts.PlaceState `json:"now"`
		}{was.State, is.State})
	}
	fmt.Fprintln(std.out, map[alerts.PlaceState]string{
		alerts.PlaceKept:    "Done: the place stands. What was held back goes out with the next mails, and nobody can dispute this place again.",
		alerts.PlaceDropped: "Done: the application is on no map. Whoever was told of it because of that place hears that it was wrong. Once a feed gives another place, it counts.",
		alerts.PlaceMoved:   "Done: the application is shown at the right place. Whoever was told wrongly hears so, and whoever was missed is alerted. Once a feed gives another place than the wrong one, it counts.",
	}[is.State])
	return nil
}

// decision reads the flags, of which there must be one.
func (c *applicationsPlace) decision(cfg *Config) (d alerts.PlaceDecision, what string, err error) {
	given := 0
	for _, is := range []bool{c.Keep, c.Drop, c.At != "", c.Postcode != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return d, "", usage("say one of --keep, --drop, --at LATITUDE,LONGITUDE and --postcode POSTCODE")
	}
	switch {
	case c.Keep:
		d.State, what = alerts.PlaceKept, "kept the place of"
	case c.Drop:
		d.State, what = alerts.PlaceDropped, "dropped the place of"
	default:
		d.State, what = alerts.PlaceMoved, "moved"
		d.Right, err = c.right(cfg)
	}
	return d, what, err
}

// right is the place that --at or --postcode gives.
func (c *applicationsPlace) right(cfg *Config) (p geo.Point, err error) {
	if c.Postcode != "" {
		code, err := postcode.Parse(c.Postcode)
		if err != nil {
			return p, usage("--postcode: %v", err)
		}
		table, err := cfg.postcodes()
		if err != nil {
			return p, err
		}
		if table == nil {
			return p, fmt.Errorf("no postcodes have been imported: give the place with --at LATITUDE,LONGITUDE, or run \"sitenotice postcodes import\" first")
		}
		place, err := table.Lookup(code)
		if err != nil {
			return p, fmt.Errorf("--postcode %s: %w", code, err)
		}
		return place.Point, nil
	}
	lat, lon, _ := strings.Cut(c.At, ",")
	var err1, err2 error
	p.Lat, err1 = strconv.ParseFloat(strings.TrimSpace(lat), 64)
	p.Lon, err2 = strconv.ParseFloat(strings.TrimSpace(lon), 64)
	if err1 != nil || err2 != nil {
		return p, usage("--at must be a latitude and a longitude, like 51.5397,-0.1425")
	}
	if fault := alerts.CheckPlace(p); fault != nil {
		return p, usage("--at: %s", fault.Problem)
	}
	return p, nil
}

type applicationsDisputed struct {
	After int64 `help:"Go on after the application with this number."`
	Limit int   `default:"50" help:"How many to list at most."`
}

// Run lists places that wait for a decision.
func (c *applicationsDisputed) Run(ctx context.Context, cfg *Config, std streams) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return usage("--limit must be between 1 and 1000")
	}
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	places, err := s.DisputedPlaces(ctx, c.After, c.Limit)
	if err != nil {
		return err
	}
	if cfg.JSON {
		type line struct {
			Number    int64   `json:"number"`
			Authority string  `json:"authority"`
			Reference string  `json:"reference"`
			Address   string  `json:"address"`
			Latitude  float64 `json:"latitude"`
			Longitude float64 `json:"longitude"`
			Position  string  `json:"position"`
			People    int     `json:"people"`
			Since     int64   `json:"since_ms"`
			Feed      string  `json:"feed"`
		}
		out := make([]line, len(places))
		for i, p := range places {
			out[i] = line{p.Application.ID, p.Authority, p.Reference, alerts.Line(p.Address, 200), p.About.Lat, p.About.Lon, string(p.About.Method), p.People, p.At, p.Feed.Slug}
		}
		return printJSON(std.out, out)
	}
	if len(places) == 0 {
		fmt.Fprintln(std.out, "No place is disputed.")
		return nil
	}
	for _, p := range places {
		fmt.Fprintf(std.out, "%d  %s %s  %s\n    shown at %.5f, %.5f: %s; %s say that it is wrong; from the feed %s\n", p.Application.ID, p.Authority, alerts.Line(p.Reference, 60), alerts.Line(p.Address, 100),
			p.About.Lat, p.About.Lon, alerts.English.PositionWords(p.About), alerts.English.Plural(p.People, "person", "people"), p.Feed.Slug)
	}
	if len(places) == c.Limit {
		fmt.Fprintf(std.out, "More may follow: --after %d\n", places[len(places)-1].Application.ID)
	}
	return nil
}
