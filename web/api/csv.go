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

// writeCSV writes one application a line, in UTF-8, with a header (RFC 4180).
func writeCSV(w io.Writer, d *Document) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	out.Write([]string{"authority", "reference", "address", "description", "kind", "major", "state", "status", "decision", "received", "valid",
		"comments_until", "comments_until_according_to", "decided", "withdrawn", "appeal_lodged", "appeal_decided", "appeal_decision",
		"longitude", "latitude", "position", "uncertainty_m", "ward", "council_page", "comment_page", "page"})
	for i := range d.Applications {
		a := &d.Applications[i]
		p := d.properties(a)
		var lon, lat, uncertainty string
		if a.Site.Located() {
			lon, lat = strconv.FormatFloat(a.Site.Lon, 'f', 6, 64), strconv.FormatFloat(a.Site.Lat, 'f', 6, 64)
			uncertainty = strconv.FormatFloat(a.Site.Uncertainty, 'f', -1, 64)
		}
		out.Write([]string{Cell(p.AuthorityName), Cell(alerts.Line(p.Reference, 200)), Cell(p.Address), Cell(p.Description), Cell(p.KindLabel), strconv.FormatBool(p.Major),
			p.StatusLabel, Cell(string(p.Status)), Cell(string(p.Decision)), string(p.Received), string(p.Valid),
			string(p.CommentsUntil), Cell(p.CommentsSource), string(p.Decided), string(p.Withdrawn), string(p.AppealLodged), string(p.AppealDecided), Cell(string(p.AppealDecision)),
			lon, lat, string(p.Position), uncertainty, Cell(p.Ward), Cell(p.URL), Cell(p.CommentURL), p.Page})
	}
	out.Flush()
	return out.Error()
}
