package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A Document is a list of applications as programs read it, in whichever format.
type Document struct {
	Title string // "Planning applications within 500 m of NW1 8NH"
	Self  string // address of this document
	Page  string // address of the page that shows the same
	Next  string // address of the rest; empty when this is all
	Base  string // of the service, without a slash at the end

	Applications []alerts.Application
	Authorities  map[string]string // names by slug
	Today        alerts.Date
}

// link is the address of an application's page.
func (d *Document) link(a *alerts.Application) string {
	return d.Base + alerts.ApplicationPath(a.Ref())
}

// authority is the name of whoever decides on an application.
func (d *Document) authority(a *alerts.Application) string {
	if name := d.Authorities[a.Authority]; name != "" {
		return name
	}
	return a.Authority
}

// host is the name of the service, for identifiers.
func (d *Document) host() string {
	_, rest, _ := strings.Cut(d.Base, "://")
	host, _, _ := strings.Cut(rest, "/")
	name, _, _ := strings.Cut(host, ":")
	return name
}

// updated is when anything in the document last changed.
func (d *Document) updated() time.Time {
	var last int64
	for i := range d.Applications {
		last = max(last, d.Applications[i].UpdatedAt)
	}
	return time.UnixMilli(last).UTC()
}

// A Format is a way to write a document.
type Format struct {
	Extension string // of the addresses of its documents: "csv"
	MIME      string
	Label     string // for a reader
	write     func(w io.Writer, d *Document) error
}

// The formats.
var (
	Atom     = Format{"atom", "application/atom+xml; charset=utf-8", "Atom, for feed readers", writeAtom}
	Calendar = Format{"ics", "text/calendar; charset=utf-8", "Calendar of the closing dates", writeCalendar}
	CSV      = Format{"csv", "text/csv; charset=utf-8; header=present", "CSV, for spreadsheets", writeCSV}
	GeoJSON  = Format{"geojson", "application/geo+json", "GeoJSON, for maps", writeGeoJSON}
	Feature  = Format{"geojson", "application/geo+json", "GeoJSON of one application", writeFeature}
	NDJSON   = Format{"ndjson", "application/x-ndjson", "NDJSON, for programs", writeNDJSON}
)

// Formats lists the formats in the order in which pages offer them.
var Formats = []Format{Atom, Calendar, CSV, GeoJSON, NDJSON}

// FormatOf returns the format of an extension.
func FormatOf(extension string) (Format, bool) {
	for _, f := range Formats {
		if f.Extension == extension {
			return f, true
		}
	}
	return Format{}, false
}

// Write writes a document.
func (f Format) Write(w io.Writer, d *Document) error { return f.write(w, d) }

// Serve answers a request with a document. Any site may read it, and whoever has it
// already is told so.
func (f Format) Serve(w http.ResponseWriter, r *http.Request, d *Document) error {
	var b bytes.Buffer
	if err := f.write(&b, d); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", f.MIME)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Robots-Tag", "noindex")
	if f.Extension == CSV.Extension {
		h.Set("Content-Disposition", `attachment; filename="planning-applications.csv"`)
	}
	if d.Next != "" {
		h.Set("Link", "<"+d.Next+`>; rel="next"`)
	}
	ServeTagged(w, r, b.Bytes())
	return nil
}

// ServeTagged answers a request with a body that is known by its content: with 304
// and nothing more when the caller has it already. Its Content-Type is set before.
func ServeTagged(w http.ResponseWriter, r *http.Request, body []byte) {
	sum := sha256.Sum256(body)
	w.Header().Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
