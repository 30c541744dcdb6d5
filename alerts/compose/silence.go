package compose

import (
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
	words := w.l.Say("%s was last read %s", name, w.l.When(a.LastRead, w.now))
	if w.now.Sub(time.UnixMilli(a.LastRead)) > staleAfter {
		words = w.l.Say("%s has not been read completely since %s", name, alerts.DateOf(time.UnixMilli(a.LastRead)))
	}
	if r := w.readings[slug]; r.Checks > 0 {
		words += w.l.Say("; %s in the last %d days", w.l.Plural(r.Checks, "check", "checks"), alerts.ReadingsDays) + w.failedWords(r)
	}
	return words
}

func (w *writer) failedWords(r alerts.Readings) string {
	switch r.Failed {
	case 0:
		return w.l.Say(", none failed")
	case r.Checks:
		return w.l.Say(", all failed")
	}
	return w.l.Say(", %s failed", alerts.Thousands(r.Failed))
}

// recovered says that a council is read again, in the mail with what came meanwhile.
func (w *writer) recovered(o alerts.Outage, news bool) string {
	name := w.authority(o.Authority)
	words := w.l.Say("We told you that the planning register of %s could not be read. It is being read again since %s.", name, w.l.Moment(o.EndedAt)) + " "
	if news {
		return words + w.l.Say("This is what came in the meantime near you.")
	}
	return words + w.l.Say("Nothing new near you came in the meantime.")
}

// outage writes the mail that says that silence means nothing for a while.
func (w *writer) outage(to alerts.Recipient, outages []alerts.Outage, subs []alerts.Subscription) (alerts.Delivery, error) {
	w = w.in(to.Language)
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
		item := w.l.Say("%s: never read completely yet", names[i])
		if o.LastRead > 0 {
			item = w.l.Say("%s: last read completely on %s", names[i], w.l.Moment(o.LastRead))
		}
		if site := alerts.WebLink(w.authorities[o.Authority].Website); site != "" {
			item += ". " + w.l.Say("Its own site is %s", site)
		}
		l.List = append(l.List, item)
	}
	l.Subject = alerts.Line(w.l.Say("Not read at the moment: %s", w.l.Listing(names)), maxSubject)
	return w.stoppable(alerts.DeliveryOutage, l, to, subs, "outages")
}

// quiet writes the note after a month in which nothing was sent.
func (w *writer) quiet(q alerts.QuietMonth) (alerts.Delivery, error) {
	w = w.in(q.Recipient.Language)
	month := q.Month.In(w.l)
	l := letter{
		Subject: w.l.Say("Nothing new %s in %s", w.nearWords(q.Subscriptions), month),
		Lead:    []string{w.l.Say("There was nothing for us to send you in %s. We did look:", month)},
		After:   []string{"Your alerts go on as before."},
	}
	for _, c := range q.Councils {
		item := c.Name + ": " + w.l.Plural(c.Checks, "check", "checks") + w.failedWords(c.Readings)
		if c.Received > 0 {
			l.After = []string{"None of these was in your area and of a kind that you asked for. Your alerts go on as before."}
		}
		if c.Received == 0 {
			item += w.l.Say("; no new applications anywhere in it")
		} else {
			item += w.l.Say("; %s in all of it", w.l.Plural(c.Received, "new application", "new applications"))
		}
		l.List = append(l.List, item)
	}
	for _, sub := range q.Subscriptions {
		l.Small = append(l.Small, link{w.l.Say("You follow applications %s", w.l.AreaWords(sub.Current.Area)), ""})
	}
	stops := []alerts.Cadence{alerts.Notes}
	stop := w.unsubscribeURL(q.Recipient.ID, stops)
	l.Small = append(l.Small, link{"Change, pause or erase your alerts", w.manageURL(q.Recipient.ID, w.now)}, link{w.stopWords(stops), stop})
	d, err := w.letter(alerts.DeliveryQuiet, l)
	d.RecipientID, d.Headers = q.Recipient.ID, w.headers(q.Recipient.ID, stop, stops, string(alerts.Notes))
	return d, err
}

// stoppable writes a letter that is about subscriptions, with links that stop them.
func (w *writer) stoppable(kind alerts.DeliveryKind, l letter, to alerts.Recipient, subs []alerts.Subscription, list string) (alerts.Delivery, error) {
	stops := (&alerts.Bulletin{Subscriptions: subs}).Serves()
	stop := w.unsubscribeURL(to.ID, stops)
	for _, a := range w.areaLinks(subs) {
		l.Small = append(l.Small, link{w.l.Say("You follow applications %s. Stop this one", a.Words), a.Stop})
	}
	l.Small = append(l.Small, link{"Change, pause or erase your alerts", w.manageURL(to.ID, w.now)}, link{w.stopWords(stops), stop})
	d, err := w.letter(kind, l)
	d.RecipientID, d.Headers = to.ID, w.headers(to.ID, stop, stops, list)
	return d, err
}

// stopWords says what the link that stops a mail stops: "Stop all daily alerts".
func (w *writer) stopWords(cs []alerts.Cadence) string {
	switch {
	case len(cs) == 1 && cs[0] == alerts.Reminders:
		return w.l.Say("Stop all reminders of closing dates")
	case len(cs) == 1 && cs[0] == alerts.Notes:
		return w.l.Say("Stop these monthly notes")
	}
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = w.l.CadenceName(c)
	}
	return w.l.Say("Stop all %s alerts", w.l.Listing(names))
}
