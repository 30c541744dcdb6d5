package compose

import (
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what mails say of how councils are read, so that a reader can tell
// "nothing happened" from "nobody looked".

// staleAfter is from when a reading is called old: councils publish on working days,
// and a register that is read weekly is old after eight.
const staleAfter = 8 * 24 * time.Hour

// readWords says when a council was last read and how well that goes: "London
// Borough of Camden was last read today at 06:10; 38 checks in the last 30 days, none
// failed"; "" when it never was.
func (w *writer) readWords(slug string) string {
	a := w.authorities[slug]
	if a.LastRead == 0 {
		return ""
	}
	name := w.authority(slug)
	words := name + " was last read " + alerts.English.When(a.LastRead, w.now)
	if w.now.Sub(time.UnixMilli(a.LastRead)) > staleAfter {
		words = name + " has not been read completely since " + alerts.DateOf(time.UnixMilli(a.LastRead)).Long()
	}
	if r := w.readings[slug]; r.Checks > 0 {
		words += "; " + checkWords(r) + fmt.Sprintf(" in the last %d days", alerts.ReadingsDays)
		words += failedWords(r)
	}
	return words
}

func checkWords(r alerts.Readings) string { return alerts.English.Plural(r.Checks, "check", "checks") }

func failedWords(r alerts.Readings) string {
	switch r.Failed {
	case 0:
		return ", none failed"
	case r.Checks:
		return ", all failed"
	}
	return ", " + alerts.Thousands(r.Failed) + " failed"
}

// recovered says that a council is read again, in the mail with what came meanwhile.
func (w *writer) recovered(o alerts.Outage, news bool) string {
	name := w.authority(o.Authority)
	words := "We told you that the planning register of " + name + " could not be read. It is being read again since " + moment(o.EndedAt) + ". "
	if news {
		return words + "This is what came in the meantime near you."
	}
	return words + "Nothing new near you came in the meantime."
}

// outage writes the mail that says that silence means nothing for a while.
func (w *writer) outage(to alerts.Recipient, outages []alerts.Outage, subs []alerts.Subscription) (alerts.Delivery, error) {
	names := make([]string, len(outages))
	l := letter{
		Title: "We cannot read your council at the moment",
		Lead:  []string{"We have not been able to read these planning registers, so hearing nothing from us does not mean that nothing is happening:"},
		After: []string{"We keep trying. You get one mail when it works again, with everything that came in the meantime.",
			"Until then look at the council’s own site for new applications and their closing dates."},
		Button: "How each council is read",
		Link:   w.BaseURL + "/reliability",
	}
	for i, o := range outages {
		names[i] = w.authority(o.Authority)
		item := names[i] + ": "
		if o.LastRead > 0 {
			item += "last read completely on " + moment(o.LastRead)
		} else {
			item += "never read completely yet"
		}
		if site := alerts.WebLink(w.authorities[o.Authority].Website); site != "" {
			item += ". Its own site is " + site
		}
		l.List = append(l.List, item)
	}
	l.Subject = alerts.Line("Not read at the moment: "+alerts.English.Listing(names), maxSubject)
	return w.stoppable(alerts.DeliveryOutage, l, to, subs, "outages")
}

// quiet writes the note after a month in which nothing was sent.
func (w *writer) quiet(q alerts.QuietMonth) (alerts.Delivery, error) {
	month := q.Month.In(alerts.English)
	l := letter{
		Subject: "Nothing new " + nearWords(q.Subscriptions) + " in " + month,
		Lead:    []string{"There was nothing for us to send you in " + month + ". We did look:"},
		After:   []string{"Your alerts go on as before."},
	}
	for _, c := range q.Councils {
		item := c.Name + ": " + alerts.English.Plural(c.Checks, "check", "checks") + failedWords(c.Readings) + "; "
		if c.Received > 0 {
			l.After = []string{"None of these was in your area and of a kind that you asked for. Your alerts go on as before."}
		}
		if c.Received == 0 {
			item += "no new applications anywhere in it"
		} else {
			item += alerts.English.Plural(c.Received, "new application", "new applications") + " in all of it"
		}
		l.List = append(l.List, item)
	}
	for _, sub := range q.Subscriptions {
		l.Small = append(l.Small, link{"You follow applications " + alerts.English.AreaWords(sub.Current.Area), ""})
	}
	stops := []alerts.Cadence{alerts.Notes}
	stop := w.unsubscribeURL(q.Recipient.ID, stops)
	l.Small = append(l.Small, link{"Change, pause or erase your alerts", w.manageURL(q.Recipient.ID, w.now)}, link{stopWords(stops), stop})
	d, err := w.letter(alerts.DeliveryQuiet, l)
	d.RecipientID, d.Headers = q.Recipient.ID, w.headers(q.Recipient.ID, stop, stops, string(alerts.Notes))
	return d, err
}

// stoppable writes a letter that is about subscriptions, with links that stop them.
func (w *writer) stoppable(kind alerts.DeliveryKind, l letter, to alerts.Recipient, subs []alerts.Subscription, list string) (alerts.Delivery, error) {
	stops := (&alerts.Bulletin{Subscriptions: subs}).Serves()
	stop := w.unsubscribeURL(to.ID, stops)
	for _, a := range w.areaLinks(subs) {
		l.Small = append(l.Small, link{"You follow applications " + a.Words + ". Stop this one", a.Stop})
	}
	l.Small = append(l.Small, link{"Change, pause or erase your alerts", w.manageURL(to.ID, w.now)}, link{stopWords(stops), stop})
	d, err := w.letter(kind, l)
	d.RecipientID, d.Headers = to.ID, w.headers(to.ID, stop, stops, list)
	return d, err
}

// stopWords says what the link that stops a mail stops: "Stop all daily alerts".
func stopWords(cs []alerts.Cadence) string {
	switch {
	case len(cs) == 1 && cs[0] == alerts.Reminders:
		return "Stop all reminders of closing dates"
	case len(cs) == 1 && cs[0] == alerts.Notes:
		return "Stop these monthly notes"
	}
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = string(c)
	}
	return "Stop all " + alerts.English.Listing(names) + " alerts"
}

func moment(ms int64) string {
	return time.UnixMilli(ms).In(alerts.London).Format("2 January 2006 at 15:04") + ", London time"
}
