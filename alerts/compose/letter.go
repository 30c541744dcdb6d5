package compose

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A letter is a short mail about somebody's own affairs: a few paragraphs, perhaps
// a list and a button, and small print.
type letter struct {
	Subject string
	Title   string
	Lead    []string // paragraphs before the list
	List    []string
	Button  string // its label
	Link    string // where it leads
	After   []string
	Small   []link // small print
	Home    string
	Contact string
	l       alerts.Language
}

// A link is a sentence that ends in an address, or without one.
type link struct{ Words, URL string }

// letter makes the mail. What stands in it as one English sentence is said in the
// language of the stage here; what has something filled in was said before.
func (s *Stage) letter(kind alerts.DeliveryKind, l letter) (alerts.Delivery, error) {
	l.l, l.Home, l.Contact = s.l, s.BaseURL, s.Contact
	for _, text := range []*string{&l.Subject, &l.Title, &l.Button} {
		*text = s.l.Word(*text)
	}
	for _, texts := range [][]string{l.Lead, l.After} {
		for i := range texts {
			texts[i] = s.l.Word(texts[i])
		}
	}
	for i := range l.Small {
		l.Small[i].Words = s.l.Word(l.Small[i].Words)
	}
	if l.Title == "" {
		l.Title = l.Subject
	}
	html, err := l.html()
	if err != nil {
		return alerts.Delivery{}, err
	}
	return alerts.Delivery{Kind: kind, MessageID: s.messageID(), Subject: l.Subject, Text: l.text(), HTML: html,
		Headers: []alerts.Header{{Name: "Auto-Submitted", Value: "auto-generated"}, {Name: "Content-Language", Value: s.l.Tag()}}}, nil
}

// A Confirmation is what the mail says that asks whether an address is its
// owner's.
type Confirmation struct {
	Language   alerts.Language // of the reader
	Area       alerts.Area
	Filter     alerts.Filter
	Cadence    alerts.Cadence
	Remind     int               // days before comments close; 0 for no reminders
	Coverage   []alerts.Coverage // of each authority that the area touches
	Already    bool              // the area is followed already
	ConfirmURL string            // empty when Already
	ManageURL  string            // empty unless Already
	NeverURL   string
}

// Confirm writes the mail that asks for a confirmation; or, when the area is
// followed already, the one that says so, for the page must answer both alike.
func (s *Stage) Confirm(c Confirmation) (alerts.Delivery, error) {
	s = s.in(c.Language)
	area := s.l.AreaWords(c.Area)
	never := link{"Never write to this address again", c.NeverURL}
	if c.Already {
		return s.letter(alerts.DeliveryConfirm, letter{
			Subject: s.l.Say("You follow this area already: %s", alerts.Line(c.Area.Label, 40)),
			Title:   "You follow this area already",
			Lead:    []string{s.l.Say("Somebody, probably you, asked for planning alerts %s. You get them already, so there is nothing to confirm.", area)},
			Button:  "Change or stop your alerts",
			Link:    c.ManageURL,
			Small:   []link{{"You did not ask? Then there is nothing to do.", ""}, never},
		})
	}
	l := letter{
		Subject: s.l.Say("Confirm your planning alerts: %s", alerts.Line(c.Area.Label, 40)),
		Title:   "Confirm your planning alerts",
		Lead: []string{"Somebody, probably you, asked us to write to this address about planning applications:",
			s.wished(c) + "."},
		Button: "See and confirm",
		Link:   c.ConfirmURL,
		After:  []string{s.l.Say("The link opens a page with a button. It works for %d days.", int(alerts.ConfirmFor/(24*time.Hour)))},
		Small:  []link{{"You did not ask? Then do nothing: you will not hear from us again, and the request is forgotten after a few days.", ""}, never},
	}
	for _, a := range c.Coverage {
		if a.Covered() {
			l.List = append(l.List, s.l.Say("%s: we read its applications", a.Name))
		} else {
			l.List = append(l.List, s.l.Say("%s: we cannot read its applications yet. The page offers to tell you when we can", a.Name))
		}
	}
	if len(l.List) > 0 {
		l.Lead = append(l.Lead, "Councils in this area:")
	}
	return s.letter(alerts.DeliveryConfirm, l)
}

// wished says all that is asked for, as it is stored: the area, what is added to it
// and taken out, the filter and the cadence.
func (s *Stage) wished(c Confirmation) string {
	parts := append([]string{alerts.Capital(s.l.AreaWords(c.Area))}, s.l.AreaExtras(c.Area)...)
	parts = append(parts, s.l.FilterWords(c.Filter)...)
	parts = append(parts, alerts.Capital(s.l.CadenceWords(c.Cadence)))
	if words := s.l.RemindWords(c.Remind); words != "" {
		parts = append(parts, words)
	}
	return strings.Join(parts, ". ")
}

// A Moving is what the mails say that ask whether alerts may go to another address.
type Moving struct {
	Language alerts.Language // of the reader
	Move     alerts.Move     // NewEnd: this is the mail to the new address
	AgreeURL string
	NeverURL string // of the mail to the new address
}

// Move writes the mail that asks one end of a move to agree to it.
func (s *Stage) Move(m Moving) (alerts.Delivery, error) {
	s = s.in(m.Language)
	days := int(alerts.MoveFor / (24 * time.Hour))
	if m.Move.NewEnd {
		return s.letter(alerts.DeliveryConfirm, letter{
			Subject: "Are planning alerts to come to this address?",
			Lead:    []string{s.l.Say("Somebody, probably you, wants the planning alerts that go to %s to come here instead.", alerts.MaskAddress(m.Move.From))},
			Button:  "See and agree",
			Link:    m.AgreeURL,
			After:   []string{s.l.Say("The link opens a page with a button. The other address is asked as well; only when both have agreed do the alerts move. The link works for %d days.", days)},
			Small:   []link{{"You did not ask? Then do nothing: nothing will come.", ""}, {"Never write to this address again", m.NeverURL}},
		})
	}
	return s.letter(alerts.DeliveryManage, letter{
		Subject: "Are your planning alerts to go to another address?",
		Lead:    []string{s.l.Say("Somebody, probably you, wants your planning alerts to go to %s instead of here.", m.Move.To)},
		Button:  "See and agree",
		Link:    m.AgreeURL,
		After:   []string{s.l.Say("The link opens a page with a button. The new address is asked as well; only when both have agreed do the alerts move. The link works for %d days.", days)},
		Small:   []link{{"You did not ask? Then do nothing, and your alerts stay here. Somebody has got hold of a link to your alerts: do not pass our mails on.", ""}},
	})
}

// A Link is a requested link to one's subscriptions.
type Link struct {
	Language  alerts.Language // of the reader
	ManageURL string
	Valid     alerts.Date // the last day on which it works
}

// ManageLink writes the mail with a requested link.
func (s *Stage) ManageLink(l Link) (alerts.Delivery, error) {
	s = s.in(l.Language)
	return s.letter(alerts.DeliveryManage, letter{
		Subject: "Your link to your planning alerts",
		Lead:    []string{"You asked for a link to your planning alerts. It opens the page where you can change, pause, stop or erase them."},
		Button:  "Change or stop your alerts",
		Link:    l.ManageURL,
		After:   []string{s.l.Say("It works until %s. Whoever has it can change your alerts, so do not pass this mail on.", l.Valid)},
		Small:   []link{{"You did not ask? Then there is nothing to do; nobody but you has got this link.", ""}},
	})
}

// coverage writes the mail that says which councils are covered now.
func (s *Stage) coverage(to alerts.Recipient, covered []alerts.Coverage) (alerts.Delivery, error) {
	s = s.in(to.Language)
	names := make([]string, len(covered))
	for i, c := range covered {
		names[i] = c.Name
	}
	return s.letter(alerts.DeliveryCoverage, letter{
		Subject: alerts.Line(s.l.Say("Now covered: %s", s.l.Listing(names)), 120),
		Title:   "Your council is covered now",
		Lead: []string{s.l.Say("You asked us to tell you when we can read the applications of %s. Now we can.", s.l.Listing(names)),
			"There is nothing to do: your alerts include them from now on. What was published before today is on the pages of the site."},
		Button: "Change or stop your alerts",
		Link:   s.manageURL(to.ID, s.Now()),
	})
}

// contact writes the mail to whoever mends a feed: what is wrong, once, and once
// that it is mended.
func (s *Stage) contact(n alerts.FeedNews) (alerts.Delivery, error) {
	name := alerts.Line(n.Authority, 60)
	l := letter{
		Subject: "The planning applications of " + name + ": a look is needed",
		Title:   "Your applications need a look",
		Lead:    []string{"People rely on us to tell them of planning applications of " + name + ". We read them from the feed “" + n.Feed.Slug + "”, and you are named as the person to ask."},
		After:   []string{"You hear of each thing once, and once when it is mended. Nothing that we read before is lost."},
		Button:  "How we read it",
		Link:    s.BaseURL + "/authorities/" + url.PathEscape(n.Feed.Authority),
	}
	if len(n.New) == 0 {
		l.Subject = "The planning applications of " + name + ": mended"
		l.Title = "Thank you: it is mended"
		if len(n.Still) > 0 {
			l.Title = "Some of it is mended"
		}
	}
	for _, part := range []struct {
		faults []alerts.FeedFault
		words  string
	}{{n.New, ""}, {n.Mended, "Mended: "}, {n.Still, "Still so: "}} {
		for _, f := range part.faults {
			text := alerts.Line(f.Detail, 600)
			if part.words != "" {
				text = part.words + f.Kind.Words(alerts.English) + "."
			}
			l.List = append(l.List, text)
		}
	}
	return s.letter(alerts.DeliveryNotice, l)
}

// disputed writes the mail to whoever mends a feed that people say a place in it is
// wrong.
func (s *Stage) disputed(p alerts.DisputedPlace) (alerts.Delivery, error) {
	reference, name := alerts.Line(p.Reference, 60), alerts.Line(p.Name, 60)
	shown := fmt.Sprintf("It is shown at latitude %.5f and longitude %.5f", p.About.Lat, p.About.Lon)
	switch p.About.Method {
	case alerts.MethodPostcode:
		shown += ", the middle of the postcode in its address, since the data gives no position."
	case alerts.MethodUPRN:
		shown += ", where an address table has its property number, since the data gives no position."
	default:
		shown += ", as the data gives it."
	}
	return s.letter(alerts.DeliveryNotice, letter{
		Subject: "Is the place of " + reference + " right?",
		Title:   "People say that a place is wrong",
		Lead: []string{fmt.Sprintf("%s have told us that the application %s of %s is not where the map shows it.", alerts.English.Plural(p.People, "person", "people"), reference, name),
			"We read it from the feed “" + p.Feed.Slug + "”, and you are named as the person to ask. " + shown},
		Button: "See it on the map",
		Link:   s.BaseURL + alerts.ApplicationPath(p.Ref()),
		After: []string{"If it is wrong, please put it right in your data: we read it again by ourselves, tell those whom it concerns, and there is nothing else to do. If it is right, please tell whoever runs this service.",
			"Meanwhile we hold the application back from those who would first hear of it because of its place, for a week at most. You hear of this once."},
	})
}

// notices writes the mail to the operator.
func (s *Stage) notices(notices []alerts.Notice) (alerts.Delivery, error) {
	l := letter{
		Subject: "Sitenotice needs a look: " + alerts.Line(strings.ReplaceAll(notices[0].Key, ":", " "), 60),
		Title:   alerts.English.Plural(len(notices), "thing needs a look", "things need a look"),
	}
	if len(notices) > 1 {
		l.Subject = fmt.Sprintf("Sitenotice needs a look: %d things", len(notices))
	}
	for _, n := range notices {
		var lines []string
		for line := range strings.Lines(n.Text) {
			lines = append(lines, alerts.Line(line, 500))
		}
		l.List = append(l.List, time.UnixMilli(n.At).In(alerts.London).Format("2 January 2006 15:04")+": "+strings.Join(lines, " "))
	}
	return s.letter(alerts.DeliveryNotice, l)
}
