package compose

import (
	"github.com/sitenotice/sitenotice/alerts"
)

// farewell writes the last mail about an application that somebody followed.
func (s *Stage) farewell(e alerts.FollowEnd) (alerts.Delivery, error) {
	s = s.in(e.Recipient.Language)
	a := &e.Application
	name := e.Subscription.Current.Area.Label
	l := letter{
		Subject: s.l.Say("The last mail about %s", alerts.Line(name, 70)),
		Title:   "Nothing more to follow",
		Lead: []string{s.l.Say("You asked us to follow the application %s to its end.", name),
			s.l.Say("It has come to it: %s. So this is the last mail about it, and we have ended the alert. There is nothing for you to do.", e.Why)},
		Small: []link{{"Your other alerts, if you have any, go on as before.", ""}},
	}
	if !a.Hidden {
		l.Lead = append(l.Lead, s.l.Say("How it stands now: %s.", s.l.StateWords(&a.Details)))
		l.Button, l.Link = "The application and its history", s.BaseURL+alerts.ApplicationPath(a.Ref())
	}
	return s.letter(alerts.DeliveryEnded, l)
}
