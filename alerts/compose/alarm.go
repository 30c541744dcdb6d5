package compose

import (
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Alarm writes the mail that tells the operator that work is not being done, or is
// done again.
func (s *Stage) Alarm(news alerts.AlarmNews) (alerts.Delivery, error) {
	at := func(ms int64) string { return time.UnixMilli(ms).In(alerts.London).Format("2 January 2006 15:04") }
	l := letter{Subject: "Sitenotice works as usual again"}
	if len(news.Raised) > 0 {
		l.Subject = "Sitenotice does not get its work done"
	}
	for _, a := range news.Raised {
		l.List = append(l.List, "Since "+at(a.Since)+": "+alerts.Line(a.Text, 500))
	}
	for _, a := range news.Over {
		l.List = append(l.List, "Over since "+at(a.Gone)+": "+alerts.Line(a.Text, 500))
	}
	if len(news.Raised) > 0 {
		l.After = append(l.After, "Nothing that was stored is lost. You get one mail about each fault, and one when it is over.")
	} else if n := len(news.Current); n > 0 {
		l.Subject = "Sitenotice still does not get all its work done"
	}
	return s.letter(alerts.DeliveryNotice, l)
}
