package api

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// An Application is an application as every format has it: the case as webhooks write
// it too, and how it stands here. Names of people are not among it, since they are
// not stored.
type Application struct {
	alerts.CaseJSON
	Version   int    `json:"version"`
	FirstSeen string `json:"first_seen"`
	UpdatedAt string `json:"updated_at"`
}

func newApplication(a *alerts.Application, authorityName, base string) Application {
	return Application{alerts.Wire(a.Authority, authorityName, &a.Details, base), a.Version, alerts.WireTime(a.FirstSeen), alerts.WireTime(a.UpdatedAt)}
}

func (d *Document) application(a *alerts.Application) Application {
	return newApplication(a, d.authority(a), d.Base)
}

// A feature is an application on the map (RFC 7946); its geometry is null when its
// position is not known.
type feature struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Geometry   json.RawMessage `json:"geometry"`
	Properties Application     `json:"properties"`
}

func (d *Document) feature(a *alerts.Application) (feature, error) {
	f := feature{"Feature", d.link(a), json.RawMessage("null"), d.application(a)}
	g, err := a.Site.Geometry()
	if err == nil && g != nil {
		f.Geometry, err = geo.EncodeGeoJSON(g)
	}
	if err != nil {
		return f, fmt.Errorf("write the outline of %s %s: %w", a.Authority, a.Reference, err)
	}
	return f, nil
}

type webLink struct {
	Rel  string `json:"rel"`
	Type string `json:"type"`
	Href string `json:"href"`
}

func writeGeoJSON(w io.Writer, d *Document) error {
	collection := struct {
		Type     string    `json:"type"`
		Title    string    `json:"title"`
		Links    []webLink `json:"links"`
		Features []feature `json:"features"`
	}{"FeatureCollection", d.Title, []webLink{{"self", "application/geo+json", d.Self}, {"alternate", "text/html", d.Page}}, []feature{}}
	if d.Next != "" {
		collection.Links = append(collection.Links, webLink{"next", "application/geo+json", d.Next})
	}
	for i := range d.Applications {
		f, err := d.feature(&d.Applications[i])
		if err != nil {
			return err
		}
		collection.Features = append(collection.Features, f)
	}
	return json.NewEncoder(w).Encode(collection)
}

// writeNDJSON writes one GeoJSON feature a line.
func writeNDJSON(w io.Writer, d *Document) error {
	enc := json.NewEncoder(w)
	for i := range d.Applications {
		f, err := d.feature(&d.Applications[i])
		if err != nil {
			return err
		}
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

// writeFeature writes the first application of a document alone, as a GeoJSON feature.
func writeFeature(w io.Writer, d *Document) error {
	f, err := d.feature(&d.Applications[0])
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(f)
}
