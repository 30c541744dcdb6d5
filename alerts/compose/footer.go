package compose

import (
	"slices"
	"strconv"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what stands below every mail of alerts, and in its header.

// A footer says why a mail came, how to stop it, and how far its silence goes.
type footer struct {
	Areas       []areaLink
	Stop        string // all that the message serves
	StopWords   string // "Stop all daily alerts"
	Manage      string
	Read        []string // when each council was last read
	Reliability string   // page
	Commenting  string   // page
	Attribution []string
	Contact     string
	Home        string
}

// An areaLink stops one area.
type areaLink struct{ Words, Stop string }

func (w *writer) footer(b *alerts.Bulletin, stops []alerts.Cadence) footer {
	f := footer{Manage: w.manageURL(b.Recipient.ID, w.now), Attribution: w.Attribution, Contact: w.Contact, Home: w.BaseURL,
		Stop: w.unsubscribeURL(b.Recipient.ID, stops), StopWords: w.stopWords(stops), Reliability: w.BaseURL + "/reliability", Commenting: w.BaseURL + "/commenting"}
	f.Areas = w.areaLinks(b.Subscriptions)
	var slugs []string
	for _, cases := range [][]alerts.CaseNews{b.Cases, b.Reminders} {
		for _, n := range cases {
			if !slices.Contains(slugs, n.Authority) {
				slugs = append(slugs, n.Authority)
			}
		}
	}
	for _, o := range b.Recovered {
		if !slices.Contains(slugs, o.Authority) {
			slugs = append(slugs, o.Authority)
		}
	}
	slices.Sort(slugs)
	for _, slug := range slugs {
		if words := w.readWords(slug); words != "" {
			f.Read = append(f.Read, words)
		}
	}
	return f
}

func (w *writer) areaLinks(subs []alerts.Subscription) (links []areaLink) {
	for _, sub := range subs {
		links = append(links, areaLink{Words: w.l.AreaWords(sub.Current.Area) + ", " + w.l.CadenceWords(sub.Current.Cadence),
			Stop: w.BaseURL + "/stop/" + w.Keys.Sign("stop", strconv.FormatInt(sub.ID, 10))})
	}
	return links
}

// headers are those of mail that goes to many and can be stopped with one click.
func (w *writer) headers(recipient int64, stop string, stops []alerts.Cadence, list string) []alerts.Header {
	return []alerts.Header{
		{Name: "List-Unsubscribe", Value: w.listUnsubscribe(recipient, stop, stops)},
		{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"},
		{Name: "List-Id", Value: "<" + list + ".alerts." + w.host() + ">"},
		{Name: "Auto-Submitted", Value: "auto-generated"},
		{Name: "Content-Language", Value: w.l.Tag()},
	}
}

// listUnsubscribe names the link that stops what a mail serves, and the address that
// does, where mail to us is read.
func (w *writer) listUnsubscribe(recipient int64, stop string, stops []alerts.Cadence) string {
	if w.Inbound.IsZero() {
		return "<" + stop + ">"
	}
	return "<" + stop + ">, <mailto:" + w.Inbound.Unsubscribe(recipient, stops) + "?subject=unsubscribe>"
}
