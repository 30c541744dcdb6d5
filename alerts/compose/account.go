package compose

import (
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// SignIn writes the mail with a link that signs somebody in.
func (s *Stage) SignIn(url string) (alerts.Delivery, error) {
	return s.letter(alerts.DeliverySignIn, letter{
		Subject: "Your link to sign in",
		Lead:    []string{"Somebody, probably you, asked to sign in with this address."},
		Button:  "Sign in",
		Link:    url,
		After:   []string{"The link opens a page with a button. It works once, and for an hour. Whoever has it can sign in as you, so do not pass this mail on."},
		Small:   []link{{"You did not ask? Then there is nothing to do; nobody but you has got this link.", ""}},
	})
}

// Invitation writes the mail that asks somebody into a group. The group's name is
// all that somebody else wrote in it.
func (s *Stage) Invitation(group, url string) (alerts.Delivery, error) {
	name := alerts.Line(group, 60)
	return s.letter(alerts.DeliveryInvite, letter{
		Subject: "You are asked to join a group: " + name,
		Title:   "You are asked to join a group",
		Lead:    []string{"Somebody asks you to join “" + name + "”, a group that watches over planning applications together on this service."},
		Button:  "See the invitation",
		Link:    url,
		After:   []string{fmt.Sprintf("The link opens a page with a button. It works once, and for %d days. Whoever has it can join in your place, so do not pass this mail on.", int(alerts.InviteFor/(24*time.Hour)))},
		Small:   []link{{"You do not know this group? Then do nothing: the invitation is forgotten after a few days.", ""}},
	})
}
