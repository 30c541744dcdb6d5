package api

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// Cell makes text safe as a cell of a spreadsheet: what a program would take for a
// formula, also after a quote or a separator, gets an apostrophe in front, which
// makes it text. Numbers that are meant as such do not go through here.
func Cell(text string) string {
	begin := strings.TrimLeft(text, " \"';,|\u00a0")
	if begin != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(begin)[0]) {
		return "'" + text
	}
	return text
}

// csvColumns are the columns of a list, each with the name that its value has in the
// other formats too.
var csvColumns = []struct {
	name  string
	value func(a *Application) string
}{
	{"authority", func(a *Application) string { return Cell(a.Authority) }},
	{"authority_name", func(a *Application) string { return Cell(a.AuthorityName) }},
	{"reference", func(a *Application) string { return Cell(a.Reference) }},
	{"address", func(a *Application) string { return Cell(a.Address) }},
	{"description", func(a *Application) string { return Cell(a.Description) }},
	{"kind", func(a *Application) string { return Cell(a.Kind) }},
	{"kind_label", func(a *Application) string { return Cell(a.KindLabel) }},
	{"major", func(a *Application) string { return strconv.FormatBool(*a.Major) }},
	{"open", func(a *Application) string { return strconv.FormatBool(*a.Open) }},
	{"state_label", func(a *Application) string { return Cell(a.StateLabel) }},
	{"status", func(a *Application) string { return Cell(a.Status) }},
	{"decision", func(a *Application) string { return Cell(a.Decision) }},
	{"received", func(a *Application) string { return Cell(a.Received) }},
	{"valid", func(a *Application) string { return Cell(a.Valid) }},
	{"comments_from", func(a *Application) string { return Cell(a.CommentsFrom) }},
	{"comments_until", func(a *Application) string { return Cell(a.CommentsUntil) }},
	{"comments_source", func(a *Application) string { return Cell(a.CommentsSource) }},
	{"committee", func(a *Application) string { return Cell(a.Committee) }},
	{"decided", func(a *Application) string { return Cell(a.Decided) }},
	{"withdrawn", func(a *Application) string { return Cell(a.Withdrawn) }},
	{"appeal_lodged", func(a *Application) string { return Cell(a.AppealLodged) }},
	{"appeal_decided", func(a *Application) string { return Cell(a.AppealDecided) }},
	{"appeal_decision", func(a *Application) string { return Cell(a.AppealDecision) }},
	{"lon", located(func(l *alerts.LocationJSON) string { return strconv.FormatFloat(l.Lon, 'f', 6, 64) })},
	{"lat", located(func(l *alerts.LocationJSON) string { return strconv.FormatFloat(l.Lat, 'f', 6, 64) })},
	{"method", located(func(l *alerts.LocationJSON) string { return Cell(l.Method) })},
	{"uncertainty_m", located(func(l *alerts.LocationJSON) string { return strconv.FormatFloat(l.Uncertainty, 'f', -1, 64) })},
	{"ward", func(a *Application) string { return Cell(a.Ward) }},
	{"url", func(a *Application) string { return Cell(a.URL) }},
	{"council_url", func(a *Application) string { return Cell(a.CouncilURL) }},
	{"comment_url", func(a *Application) string { return Cell(a.CommentURL) }},
	{"first_seen", func(a *Application) string { return a.FirstSeen }},
	{"updated_at", func(a *Application) string { return a.UpdatedAt }},
}

// located is the value of a column about where a case is; empty when that is not known.
func located(value func(*alerts.LocationJSON) string) func(*Application) string {
	return func(a *Application) string {
		if a.Location == nil {
			return ""
		}
		return value(a.Location)
	}
}

// writeCSV writes one application a line, in UTF-8, with a header (RFC 4180).
func writeCSV(w io.Writer, d *Document) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	row := make([]string, len(csvColumns))
	for i, c := range csvColumns {
		row[i] = c.name
	}
	out.Write(row)
	for i := range d.Applications {
		a := d.application(&d.Applications[i])
		for j, c := range csvColumns {
			row[j] = c.value(&a)
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}
