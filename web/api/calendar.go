package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
)

// writeCalendar writes the published closing dates of the applications that are
// still to be decided (RFC 5545): a whole day each, which leaves the day free. A
// date that the council moves is the same entry in a later version.
func writeCalendar(w io.Writer, d *Document) error {
	var b strings.Builder
	line := func(name, value string) { foldLine(&b, name+":"+value) }
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//Sitenotice//Planning applications//EN")
	line("CALSCALE", "GREGORIAN")
	line("METHOD", "PUBLISH")
	line("X-WR-CALNAME", calendarText("Comments close: "+d.Title))
	line("REFRESH-INTERVAL;VALUE=DURATION", "PT12H")
	line("X-PUBLISHED-TTL", "PT12H")
	for i := range d.Applications {
		a := &d.Applications[i]
		if !a.IsOpen() || a.CommentsUntil == "" {
			continue
		}
		day, err := time.Parse("2006-01-02", string(a.CommentsUntil))
		if err != nil {
			return fmt.Errorf("the closing date of %s %s: %w", a.Authority, a.Reference, err)
		}
		sum := sha256.Sum256([]byte(a.Authority + "\x00" + alerts.ReferenceKey(a.Reference)))
		line("BEGIN", "VEVENT")
		line("UID", "comments-"+hex.EncodeToString(sum[:12])+"@"+d.host())
		line("DTSTAMP", time.UnixMilli(a.UpdatedAt).UTC().Format("20060102T150405Z"))
		line("SEQUENCE", fmt.Sprint(a.Version))
		line("DTSTART;VALUE=DATE", day.Format("20060102"))
		line("DTEND;VALUE=DATE", day.AddDate(0, 0, 1).Format("20060102"))
		where := alerts.Line(a.Address, 200)
		if where == "" {
			where = alerts.Line(a.Reference, 60)
		}
		line("SUMMARY", calendarText("Last day to comment: "+where))
		description := alerts.Line(a.Description, 1000) + "\nReference " + alerts.Line(a.Reference, 60) + ", " + d.authority(a) + "."
		if source := alerts.English.SourceWords(&a.Details); source != "" {
			description += "\nThe closing date comes from " + source + ". Check it on the council’s page before you rely on it."
		}
		if comment := alerts.WebLink(a.CommentURL); comment != "" {
			description += "\nComment at " + comment
		}
		line("DESCRIPTION", calendarText(strings.TrimSpace(description)))
		if where := alerts.Line(a.Address, 200); where != "" {
			line("LOCATION", calendarText(where))
		}
		if a.Site.Located() {
			line("GEO", fmt.Sprintf("%.6f;%.6f", a.Site.Lat, a.Site.Lon))
		}
		line("URL", d.link(a))
		line("TRANSP", "TRANSPARENT")
		line("END", "VEVENT")
	}
	line("END", "VCALENDAR")
	_, err := io.WriteString(w, b.String())
	return err
}

// calendarText escapes what has a meaning in the text of a calendar.
func calendarText(s string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(s)
}

// foldLine writes a line in pieces of at most 75 bytes, never within a character.
func foldLine(b *strings.Builder, line string) {
	for room := 75; len(line) > room; room = 74 {
		cut := room
		for cut > 0 && !utf8.RuneStart(line[cut]) {
			cut--
		}
		b.WriteString(line[:cut] + "\r\n ")
		line = line[cut:]
	}
	b.WriteString(line + "\r\n")
}
