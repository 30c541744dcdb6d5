package api

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// writeAtom writes a document as RFC 4287 has it, with the position as GeoRSS and
// pages as in RFC 5005.
func writeAtom(w io.Writer, d *Document) error {
	type link struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr,omitempty"`
		Href string `xml:"href,attr"`
	}
	type text struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
	type category struct {
		Term  string `xml:"term,attr"`
		Label string `xml:"label,attr"`
	}
	type entry struct {
		ID        string    `xml:"id"`
		Title     text      `xml:"title"`
		Link      link      `xml:"link"`
		Published string    `xml:"published"`
		Updated   string    `xml:"updated"`
		Author    string    `xml:"author>name"`
		Category  *category `xml:"category,omitempty"`
		Summary   text      `xml:"summary"`
		Point     string    `xml:"http://www.georss.org/georss point,omitempty"`
	}
	feed := struct {
		XMLName   xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		ID        string   `xml:"id"`
		Title     text     `xml:"title"`
		Updated   string   `xml:"updated"`
		Generator string   `xml:"generator"`
		Links     []link   `xml:"link"`
		Entries   []entry  `xml:"entry"`
	}{ID: d.Self, Title: text{"text", d.Title}, Updated: d.updated().Format(time.RFC3339), Generator: "Sitenotice",
		Links: []link{{"self", "application/atom+xml", d.Self}, {"alternate", "text/html", d.Page}}}
	if d.Next != "" {
		feed.Links = append(feed.Links, link{"next", "application/atom+xml", d.Next})
	}
	for i := range d.Applications {
		a := &d.Applications[i]
		e := entry{ID: d.link(a), Title: text{"text", headline(a)}, Link: link{"alternate", "text/html", d.link(a)},
			Published: time.UnixMilli(a.FirstSeen).UTC().Format(time.RFC3339), Updated: time.UnixMilli(a.UpdatedAt).UTC().Format(time.RFC3339),
			Author: d.authority(a), Summary: text{"text", summary(a, d.Today)}}
		if a.Kind != "" {
			e.Category = &category{string(a.Kind), alerts.English.KindLabel(a.Kind)}
		}
		if a.Site.Located() {
			e.Point = fmt.Sprintf("%.6f %.6f", a.Site.Lat, a.Site.Lon)
		}
		feed.Entries = append(feed.Entries, e)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	return xml.NewEncoder(w).Encode(feed)
}

// headline names an application in one line: where it is, and how far it has come.
func headline(a *alerts.Application) string {
	where := alerts.Line(a.Address, 120)
	if where == "" {
		where = alerts.Line(a.Reference, 60)
	}
	return where + ": " + lowerFirst(alerts.English.StateWords(&a.Details))
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// summary says what is proposed and until when people can comment.
func summary(a *alerts.Application, today alerts.Date) string {
	parts := []string{alerts.Line(a.Description, 2000)}
	if a.IsOpen() {
		parts = append(parts, alerts.English.DeadlineWords(&a.Details, today)+".")
	}
	parts = append(parts, "Reference "+alerts.Line(a.Reference, 60)+".")
	return strings.TrimSpace(strings.Join(parts, "\n"))
}
