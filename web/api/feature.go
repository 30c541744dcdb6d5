package api

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// Properties are what programs are told of an application. Names of people are not
// among them, since they are not stored.
type Properties struct {
	Authority      string                `json:"authority"`
	AuthorityName  string                `json:"authority_name"`
	Reference      string                `json:"reference"`
	Page           string                `json:"page"`
	Version        int                   `json:"version"`
	FirstSeen      string                `json:"first_seen"`
	UpdatedAt      string                `json:"updated_at"`
	Address        string                `json:"address,omitempty"`
	Description    string                `json:"description,omitempty"`
	Kind           alerts.Kind           `json:"kind,omitempty"`
	KindLabel      string                `json:"kind_label,omitempty"`
	Major          bool                  `json:"major"`
	Open           bool                  `json:"open"` // still to be decided
	Status         alerts.Status         `json:"status,omitempty"`
	StatusLabel    string                `json:"status_label"`
	Decision       alerts.Decision       `json:"decision,omitempty"`
	Received       alerts.Date           `json:"received,omitempty"`
	Valid          alerts.Date           `json:"valid,omitempty"`
	CommentsFrom   alerts.Date           `json:"comments_from,omitempty"`
	CommentsUntil  alerts.Date           `json:"comments_until,omitempty"` // as the council published it
	CommentsSource string                `json:"comments_source,omitempty"`
	Committee      alerts.Date           `json:"committee,omitempty"`
	Target         alerts.Date           `json:"target,omitempty"`
	Decided        alerts.Date           `json:"decided,omitempty"`
	Withdrawn      alerts.Date           `json:"withdrawn,omitempty"`
	AppealLodged   alerts.Date           `json:"appeal_lodged,omitempty"`
	AppealDecided  alerts.Date           `json:"appeal_decided,omitempty"`
	AppealDecision alerts.AppealDecision `json:"appeal_decision,omitempty"`
	Ward           string                `json:"ward,omitempty"`
	Position       alerts.Method         `json:"position,omitempty"`      // how the position is known; absent when it is not
	Uncertainty    float64               `json:"uncertainty_m,omitempty"` // how far off it may be, in metres
	URL            string                `json:"url,omitempty"`           // the council's page
	CommentURL     string                `json:"comment_url,omitempty"`
}

// properties describes an application of a document.
func (d *Document) properties(a *alerts.Application) Properties {
	p := Properties{
		Authority: a.Authority, AuthorityName: d.authority(a), Reference: a.Reference, Page: d.link(a), Version: a.Version,
		FirstSeen: stamp(a.FirstSeen), UpdatedAt: stamp(a.UpdatedAt),
		Address: alerts.Line(a.Address, 500), Description: alerts.Line(a.Description, 5000),
		Kind: a.Kind, Major: a.IsMajor(), Open: a.IsOpen(), Status: a.Status, StatusLabel: alerts.English.StateWords(&a.Details), Decision: a.Decision,
		Received: a.Received, Valid: a.Valid, CommentsFrom: a.CommentsFrom, CommentsUntil: a.CommentsUntil, CommentsSource: alerts.English.SourceWords(&a.Details),
		Committee: a.Committee, Target: a.Target, Decided: a.Decided, Withdrawn: a.Withdrawn,
		AppealLodged: a.AppealLodged, AppealDecided: a.AppealDecided, AppealDecision: a.AppealDecision,
		Ward: alerts.Line(a.Ward, 100), Position: a.Site.Method, Uncertainty: a.Site.Uncertainty,
		URL: alerts.WebLink(a.URL), CommentURL: alerts.WebLink(a.CommentURL),
	}
	if a.Kind != "" {
		p.KindLabel = alerts.English.KindLabel(a.Kind)
	}
	return p
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// A feature is an application on the map (RFC 7946); its geometry is null when its
// position is not known.
type feature struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Geometry   json.RawMessage `json:"geometry"`
	Properties Properties      `json:"properties"`
}

func (d *Document) feature(a *alerts.Application) (feature, error) {
	f := feature{"Feature", d.link(a), json.RawMessage("null"), d.properties(a)}
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
