package web

import (
	"math"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// ago writes how long before now something was, roughly.
func ago(l alerts.Language, d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return l.Say("a moment ago")
	case d < 2*time.Hour:
		return l.Say("%s ago", l.Plural(int(d.Minutes()), "minute", "minutes"))
	case d < 48*time.Hour:
		return l.Say("%s ago", l.Plural(int(d.Hours()), "hour", "hours"))
	}
	return l.Say("%s ago", l.Plural(int(d.Hours()/24), "day", "days"))
}

// span writes how long something takes, given in milliseconds: "40 seconds".
func span(l alerts.Language, ms int64) string {
	switch d := time.Duration(ms) * time.Millisecond; {
	case d < 100*time.Second:
		return l.Plural(max(1, int(math.Ceil(d.Seconds()))), "second", "seconds")
	case d < 100*time.Minute:
		return l.Plural(int(math.Ceil(d.Minutes())), "minute", "minutes")
	default:
		return l.Plural(int(math.Ceil(d.Hours())), "hour", "hours")
	}
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

func newItem(l alerts.Language, a alerts.Application, today alerts.Date) item {
	it := item{
		Reference:   alerts.Line(a.Reference, 60),
		Href:        alerts.ApplicationPath(a.Ref()),
		Address:     alerts.Line(a.Address, 200),
		Description: alerts.Line(a.Description, 300),
		Kind:        kindOf(l, &a.Details),
		State:       l.StateWords(&a.Details),
		Open:        a.IsOpen(),
		Listed:      l.Say("first seen %s", alerts.DateOf(time.UnixMilli(a.FirstSeen))),
		Unlocated:   !a.Site.Located(),
		Approximate: a.Site.Uncertainty >= 50,
	}
	if a.Received != "" {
		it.Listed = l.Say("received %s", a.Received)
	}
	if a.IsOpen() {
		it.Comment = l.DeadlineWords(&a.Details, today)
		it.Deadline = a.CommentsUntil >= today
	}
	return it
}

// From says where the application is as seen from a place.
func (it *item) From(l alerts.Language, centre geo.Point, a alerts.Application) {
	it.Where = l.WhereWords(centre, a.Site)
}

// kindOf is the kind in words, empty when the council gave none.
func kindOf(l alerts.Language, d *alerts.Details) string {
	if d.Kind == "" {
		return ""
	}
	return l.KindLabel(d.Kind)
}

// sincos is of an angle in degrees.
func sincos(degrees float64) (sin, cos float64) { return math.Sincos(degrees * math.Pi / 180) }

// ended ends a text with a full stop, unless it has an end of its own.
func ended(s string) string {
	if s == "" || strings.ContainsRune(".?!…", []rune(s)[len([]rune(s))-1]) {
		return s
	}
	return s + "."
}
