package web

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// clean makes text from a feed fit to show: one line, without control
// characters, marks that change the direction of writing, or invisible ones, and
// of at most n characters. Escaping is for the template.
func clean(s string, n int) string {
	s = norm.NFC.String(strings.ToValidUTF8(s, "\ufffd"))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > n {
		return strings.TrimSpace(string(runes[:n-1])) + "…"
	}
	return s
}

// webLink returns an address from a feed if it is one to follow: http or https,
// without a user name that makes it look like another host.
func webLink(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(s) > 2000 {
		return ""
	}
	return u.String()
}

// linkHost is the host of an address, to show beside a link.
func linkHost(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}

// moment writes a time with its zone in words: "23 November 2026 at 14:05, London
// time".
func moment(ms int64) string {
	return time.UnixMilli(ms).In(alerts.London).Format("2 January 2006 at 15:04") + ", London time"
}

// ago writes how long before now something was, roughly.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return "a moment ago"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// plural writes a number and its noun: "1 application", "1,204 applications".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// list joins words: "a", "a and b", "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func capital(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return string(unicode.ToUpper(r[0])) + string(r[1:])
}

// cadenceWords says how often mail comes: "once a day at 07:00, London time".
func cadenceWords(c alerts.Cadence) string {
	switch c {
	case alerts.Immediate:
		return "as it happens, at most one mail an hour"
	case alerts.Daily:
		return "once a day at 07:00, London time"
	case alerts.Weekly:
		return "once a week, on Thursdays at 07:00, London time"
	}
	return string(c)
}

// cadenceName is the adjective: "daily".
func cadenceName(c alerts.Cadence) string { return string(c) }

// areaName says which area it is: "within 500 m of NW1 8NH".
func areaName(a alerts.Area) string {
	label := a.Label
	if label == "" {
		label = fmt.Sprintf("%.5f, %.5f", a.Centre.Lat, a.Centre.Lon)
	}
	if a.Kind == alerts.AreaCircle {
		return "within " + alerts.Metres(a.Radius) + " of " + label
	}
	return label
}

// An item is an application in a list.
type item struct {
	Number      int
	Reference   string
	Href        string
	Address     string
	Description string
	Kind        string
	State       string
	Open        bool
	Comment     string // what can be said of the deadline; empty once it is decided
	Deadline    bool   // it is still to come
	Listed      string
	Where       string // "180 m to the north-east"
	Approximate bool   // the position is no better than about 100 m
	Unlocated   bool
	Authority   string // its name, where several are in one list
}

func newItem(a alerts.Application, today alerts.Date) item {
	it := item{
		Reference:   clean(a.Reference, 60),
		Href:        applicationPath(a.Ref()),
		Address:     clean(a.Address, 200),
		Description: clean(a.Description, 300),
		Kind:        kindOf(&a.Details),
		State:       stateOf(&a.Details),
		Open:        a.IsOpen(),
		Listed:      "first seen " + alerts.DateOf(time.UnixMilli(a.FirstSeen)).Long(),
		Unlocated:   !a.Site.Located(),
		Approximate: a.Site.Uncertainty >= 50,
	}
	if a.Received != "" {
		it.Listed = "received " + a.Received.Long()
	}
	if a.IsOpen() {
		it.Comment = deadline(&a.Details, today)
		it.Deadline = a.CommentsUntil >= today
	}
	return it
}

// From says where the application is as seen from a place.
func (it *item) From(centre geo.Point, a alerts.Application) {
	g, err := a.Site.Geometry()
	if err != nil || g == nil {
		return
	}
	nearest, d := geo.Nearest(centre, g)
	if d < 10 {
		it.Where = "here"
		return
	}
	it.Where = alerts.Metres(d) + " " + geo.Compass(geo.Bearing(centre, nearest))
}

// applicationPath is the address of an application's page. A reference is one
// segment of it, slashes and all.
func applicationPath(ref alerts.Ref) string {
	return "/applications/" + url.PathEscape(ref.Authority) + "/" + url.PathEscape(ref.Number)
}

// deadline says until when comments can be sent. It is the council's date or none:
// we compute no deadlines.
func deadline(d *alerts.Details, today alerts.Date) string {
	switch until := d.CommentsUntil; {
	case until == "":
		return "The council has published no closing date for comments"
	case until < today:
		return "Comments closed on " + until.Long()
	case until == today:
		return "Comment by today, " + until.Long()
	default:
		return fmt.Sprintf("Comment by %s (%s left)", until.Long(), plural(today.DaysUntil(until), "day", "days"))
	}
}

// sincos is of an angle in degrees.
func sincos(degrees float64) (sin, cos float64) { return math.Sincos(degrees * math.Pi / 180) }
