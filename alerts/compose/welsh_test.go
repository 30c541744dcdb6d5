package compose

import (
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// Who asked for Welsh is written to in Welsh: subject, text, HTML and header, and every
// link leads to a Welsh page. What councils and readers wrote stays as it is.
func TestMailsInWelshReadAsTheyShould(t *testing.T) {
	w := testWriter(t)
	w.Welsh = true
	mail := func(d alerts.Delivery, err error) alerts.Delivery {
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	cymro := alerts.Recipient{ID: 7, Language: alerts.Welsh}
	to := func(b alerts.Bulletin) alerts.Bulletin { b.Recipient = cymro; return b }
	area := alerts.Area{Kind: alerts.AreaCircle, Centre: geo.Point{Lon: -0.1426, Lat: 51.539}, Radius: 500, Label: "NW1 8NH"}
	read := alerts.Coverage{Authority: alerts.Authority{Name: "London Borough of Camden"}, Feeds: 1, LastRead: 1}
	outage := alerts.Outage{ID: 1, Authority: "camden", LastRead: now.AddDate(0, 0, -5).UnixMilli(), EndedAt: now.UnixMilli(), Subscriptions: []int64{1}}
	application := alerts.Application{ID: 1, Authority: "camden", Details: *sampleBulletin().Cases[2].Details}
	for name, d := range map[string]alerts.Delivery{
		"cy-digest":    mail(w.bulletin(to(sampleBulletin()))),
		"cy-together":  mail(w.bulletin(to(togetherBulletin()))),
		"cy-reminder":  mail(w.bulletin(to(reminderBulletin()))),
		"cy-corrected": mail(w.bulletin(to(correcting(alerts.EventCorrected, false)))),
		"cy-outage":    mail(w.outage(cymro, []alerts.Outage{outage}, sampleBulletin().Subscriptions)),
		"cy-quiet": mail(w.quiet(alerts.QuietMonth{Recipient: cymro, Subscriptions: sampleBulletin().Subscriptions[:1], Month: "2026-10",
			Councils: []alerts.QuietCouncil{{Coverage: w.authorities["camden"], Readings: alerts.Readings{Checks: 31, Failed: 1}, Received: 2}}})),
		"cy-confirm": mail(w.Confirm(Confirmation{Language: alerts.Welsh, Area: area, Cadence: alerts.Daily, Remind: 3, Coverage: []alerts.Coverage{read},
			Filter:     alerts.Filter{Kinds: alerts.KindsOf([]string{"homes", "trees"}), Include: []string{"Mill Lane"}},
			ConfirmURL: "https://alerts.example.org/cy/confirm/SECRET", NeverURL: "https://alerts.example.org/cy/never/TOKEN"})),
		"cy-manage": mail(w.ManageLink(Link{Language: alerts.Welsh, ManageURL: "https://alerts.example.org/cy/manage/TOKEN", Valid: "2026-11-24"})),
		"cy-farewell": mail(w.farewell(alerts.FollowEnd{Application: application, Recipient: cymro, Why: alerts.FollowEnds(&application.Details, false, 0, "2028-01-01"),
			Subscription: alerts.Subscription{Current: alerts.Version{Area: alerts.CaseArea(&application)}}})),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", d.Subject+"\n\n"+d.Text)
			golden(t, name+".html", strings.ReplaceAll(d.HTML, d.MessageID, "MESSAGE-ID"))
			if !strings.Contains(d.HTML, `<html lang="cy">`) {
				t.Error("the HTML does not say that it is Welsh")
			}
			language, unsubscribe := "", ""
			for _, h := range d.Headers {
				switch h.Name {
				case "Content-Language":
					language = h.Value
				case "List-Unsubscribe":
					unsubscribe = h.Value
				}
			}
			if language != "cy" {
				t.Errorf("Content-Language is %q", language)
			}
			if unsubscribe != "" && !strings.HasPrefix(unsubscribe, "<https://alerts.example.org/cy/u/") {
				t.Errorf("List-Unsubscribe is %s", unsubscribe)
			}
			for _, part := range strings.Split(d.Text+d.HTML, "https://alerts.example.org")[1:] {
				if !strings.HasPrefix(part, "/cy") {
					t.Errorf("a link leads to %.40s", part)
				}
			}
			checkHTML(t, d.HTML, nil)
		})
	}
}

// A service that does not offer Welsh writes English to everybody, and leads nobody to
// pages that are not there.
func TestNobodyIsWrittenToInALanguageThatIsNotOffered(t *testing.T) {
	w := testWriter(t)
	b := sampleBulletin()
	b.Recipient.Language = alerts.Welsh
	d, err := w.bulletin(b)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.HTML, `<html lang="en-GB">`) || strings.Contains(d.Text, "/cy/") {
		t.Errorf("%s", d.Text)
	}
}
