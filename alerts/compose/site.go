package compose

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file is the news of one place.

// A site is the news of all cases at one place.
type site struct {
	Number int
	Title  string // its address
	Where  string // "180 m north-east of NW1 8NH"
	Also   string // "Also within 1 km of N1C 4AG"
	Past   string // "3 earlier here: 2 refused, 1 approved"
	Around string // page that lists them
	Cases  []card
	place  alerts.Site
	// elsewhere says that the site is not in the area after all.
	elsewhere bool
}

// site tells of all cases at one place, to the subscription under whose area it is.
func (w *writer) site(r ranked, sub alerts.Subscription, number int, recipient int64) site {
	area, first := sub.Current.Area, r.cases[0].Details
	s := site{Number: number, Title: alerts.Line(first.Address, 160), Where: w.where(area, first.Site), place: first.Site, elsewhere: r.cases[0].Correction}
	if isTakenDown(r.cases[0]) {
		s.Title, s.Where = "", ""
	}
	if s.Title == "" {
		s.Title = w.l.Say("Application %s", alerts.Line(first.Reference, 60))
	}
	if len(r.others) > 0 {
		words := make([]string, len(r.others))
		for i, a := range r.others {
			words[i] = w.l.AreaWords(a)
		}
		s.Also = w.l.Say("Also %s", w.l.Listing(words))
	}
	var past []alerts.PastCase
	for _, n := range r.cases {
		c := w.card(n, area)
		if !n.Correction {
			c.Mute = w.BaseURL + "/mute/" + w.Keys.Sign("mute", alerts.MuteSubject(recipient, n.ApplicationID))
		}
		c.Why = w.why(sub.ID, n)
		if r.reminder {
			c.Tags = []string{w.l.Say("Reminder")}
			c.Notes = []string{w.l.Say("We told you of this before. It is not decided yet.")}
		}
		s.Cases = append(s.Cases, c)
		for _, p := range n.Past {
			known := slices.ContainsFunc(past, func(q alerts.PastCase) bool { return q.ID == p.ID })
			told := slices.ContainsFunc(r.cases, func(n alerts.CaseNews) bool { return n.ApplicationID == p.ID })
			if !known && !told {
				past = append(past, p)
			}
		}
	}
	if s.Past = w.l.PastWords(past); s.Past != "" && first.Site.Located() {
		s.Around = w.around(first.Site.Point(), alerts.MinRadius)
	}
	return s
}

// why is the page that says why a case reached a subscription; another one's, where
// only that was told of it.
func (w *writer) why(subscription int64, n alerts.CaseNews) string {
	if len(n.Subscriptions) > 0 && !slices.Contains(n.Subscriptions, subscription) {
		subscription = n.Subscriptions[0]
	}
	return w.BaseURL + w.Keys.WhyPath(subscription, n.ApplicationID)
}

// around is the page with everything near a place.
func (w *writer) around(p geo.Point, radius float64) string {
	number := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	return w.BaseURL + "/near?" + url.Values{"lat": {number(p.Lat, 5)}, "lon": {number(p.Lon, 5)}, "radius": {number(max(radius, alerts.MinRadius), 0)}}.Encode()
}

// nearest returns which of the areas that a case concerns has its centre nearest
// to it, the others, and how far it is. Areas without a centre come last.
func nearest(subs []alerts.Subscription, n alerts.CaseNews) (at int, others []alerts.Area, best float64) {
	at = -1
	g, err := n.Details.Site.Geometry()
	for i, sub := range subs {
		if !slices.Contains(n.Subscriptions, sub.ID) {
			continue
		}
		d := 1e9
		if err == nil && g != nil && hasCentre(sub.Current.Area) {
			_, d = geo.Nearest(sub.Current.Area.Centre, g)
		}
		if at < 0 || d < best {
			at, best = i, d
		}
	}
	for i, sub := range subs {
		if i != at && slices.Contains(n.Subscriptions, sub.ID) {
			others = append(others, sub.Current.Area)
		}
	}
	return at, others, best
}

func hasCentre(a alerts.Area) bool { return a.Centre != geo.Point{} }

// where says where a site lies as seen from an area's centre.
func (w *writer) where(a alerts.Area, s alerts.Site) string {
	if !s.Located() {
		return w.l.Say("The council has published no position for it")
	}
	if !hasCentre(a) {
		return ""
	}
	name := a.Label
	if name == "" {
		name = w.l.Say("the middle of your area")
	}
	return w.l.SeenFrom(a.Centre, name, s)
}

func (w *writer) inArea(a alerts.Area) string {
	words := w.l.AreaWords(a)
	if a.Kind == alerts.AreaCircle || a.Kind == alerts.AreaApplication {
		return words
	}
	return w.l.Say("in %s", words)
}
