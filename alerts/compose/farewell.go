package compose

import (
	"github.com/sitenotice/sitenotice/alerts"
)

// farewell writes the last mail about an application that somebody followed.
func (s *Stage) farewell(e alerts.FollowEnd) (alerts.Delivery, error) {
	a := &e.Application
	name := e.Subscription.Current.Area.Label
	l := letter{
		Subject: "The last mail about " + alerts.Line(name, 70),
		Title:   "Nothing more to follow",
		Lead: []string{"You asked us to follow the application " + name + " to its end.",
			"It has come to it: " + e.Why.String() + ". So this is the last mail about it, and we have ended the alert. There is nothing for you to do."},
		Small: []link{{"Your other alerts, if you have any, go on as before.", ""}},
	}
	if !a.Hidden {
		l.Lead = append(l.Lead, "How it stands now: "+alerts.English.StateWords(&a.Details)+".")
		l.Button, l.Link = "The application and its history", s.BaseURL+alerts.ApplicationPath(a.Ref())
	}
	return s.letter(alerts.DeliveryEnded, l)
}
