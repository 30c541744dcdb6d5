package compose

import "github.com/sitenotice/sitenotice/alerts"

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
