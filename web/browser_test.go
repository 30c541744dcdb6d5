package web_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/compose"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web"
	"github.com/sitenotice/sitenotice/web/browsertest"
)

var (
	update = flag.Bool("update", false, "save pictures of the main pages in docs/screenshots")
	shots  = flag.String("shots", "", "save pictures of all pages in this folder")
)

// kept are the pictures that documents show.
var kept = []string{"home-desktop", "home-phone", "area-desktop", "area-phone", "application-decided-desktop", "confirm-desktop", "manage-desktop", "mail-desktop", "dark-area"}

// shot saves a picture when it is asked for.
func shot(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	save := func(dir string) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		p.Screenshot(filepath.Join(dir, name+".png"))
	}
	if *shots != "" {
		save(*shots)
	}
	if *update && slices.Contains(kept, name) {
		save(filepath.Join("..", "docs", "screenshots"))
	}
}

var sizes = []struct {
	name string
	size browsertest.Size
}{{"desktop", browsertest.Desktop}, {"phone", browsertest.Phone}, {"narrow", browsertest.Narrow}}

// TestAPersonSignsUpAndStops is the whole way in a real browser without scripts:
// typing, tabbing and pressing Enter, with axe looking at every page.
func TestAPersonSignsUpAndStops(t *testing.T) {
	for _, c := range sizes {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, storetest.Engines(t)[0])
			s.server.ConfirmMail = func(m web.ConfirmMail) (alerts.Delivery, error) { // as it is written outside of tests
				return s.compose.Confirm(compose.Confirmation{Area: m.Area, Filter: m.Filter, Cadence: m.Cadence, Remind: m.Remind, Coverage: m.Coverage, Already: m.Already, ConfirmURL: m.ConfirmURL, ManageURL: m.ManageURL, NeverURL: m.NeverURL})
			}
			p := browsertest.Open(t, c.size, s.url+"/")
			look := func(name string) {
				t.Helper()
				p.FitsWidth()
				p.Axe()
				shot(t, p, name+"-"+c.name)
			}
			look("home")
			p.Fill("Your postcode", "nwi 8nh")
			p.Submit()
			p.Expect("NWI 8NH is not a postcode", "Did you mean NW1 8NH?")
			if got := p.Value("Your postcode"); got != "nwi 8nh" {
				t.Errorf("the field holds %q: what was typed is lost", got)
			}
			look("home-error")
			p.Click("NW1 8NH")
			p.Expect("Planning near NW1 8NH", "12 Lamplighter Street", "In the last 90 days there were 3 new applications within 500 m")
			look("area")
			p.Click("200 m")
			p.Expect("2 new applications within 200 m") // one is 10 m outside, and as uncertain
			p.Click("Once a week")
			p.Fill("Your e-mail address", "jo@example")
			p.Submit()
			p.Expect("Please check the form", "Around NW1 8NH", "Enter an e-mail address like name@example.org")
			if got := p.Value("Your e-mail address"); got != "jo@example" {
				t.Errorf("the field holds %q", got)
			}
			look("area-error")
			p.Fill("Your e-mail address", "jo@example.org")
			p.Click("Sign up")
			p.Expect("Check your e-mail")
			look("sent")
			s.deliver()
			p.Click("Open the captured mail")
			look("mailbox")
			p.Click("Confirm your planning alerts: NW1 8NH")
			p.Expect("Within 200 m of NW1 8NH", "A reminder 3 days before comments close")
			look("mail")
			p.Go(s.url + s.mailLink("/confirm/"))
			p.Expect("Within 200 m of NW1 8NH", "All kinds of application", "Once a week")
			look("confirm")
			p.Click("Confirm")
			p.Expect("Your alerts are confirmed")
			look("confirmed")
			p.Click("Change or stop your alerts")
			p.Expect("Your alerts", "For jo@example.org")
			look("manage")
			p.Click("Change within 200 m of NW1 8NH")
			p.Expect("Change an area")
			p.Click("As it happens")
			p.Click("Fit the area")
			look("manage-edit")
			p.Fill("Name of this area", "home")
			p.Click("Save")
			p.Expect("Your change has been saved", "Within 200 m of home", "As it happens")
			id := s.count(`SELECT max(id) FROM recipient`)
			p.Go(s.url + "/u/" + s.server.Keys.Sign("unsubscribe", fmt.Sprintf("%d:immediate", id)))
			p.Expect("Stop these alerts?")
			look("stop")
			p.Click("Stop them")
			p.Expect("Your alerts have been stopped")
			look("stopped")
			p.Click("That was a mistake: send them again")
			p.Expect("You follow this again")
			look("undone")
		})
	}
}

// TestAPersonSignsUpInWelsh is the same way in Welsh, where words are longer, as narrow
// as a page can be; the last pages are one's own.
func TestAPersonSignsUpInWelsh(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := browsertest.Open(t, browsertest.Narrow, s.url+"/")
	look := func(name string) {
		t.Helper()
		p.FitsWidth()
		p.Axe()
		shot(t, p, "cy-"+name)
	}
	p.Click("Cymraeg")
	p.Expect("Gwybod beth sydd ar y gweill yn eich ymyl")
	look("home")
	p.Fill("Eich cod post", "nonsense")
	p.Submit()
	p.Expect("Nid yw NONSENSE yn god post")
	look("home-error")
	p.Fill("Eich cod post", "nw1 8nh")
	p.Submit()
	p.Expect("Cynllunio ger NW1 8NH", "Yn y 90 diwrnod diwethaf roedd 3 o geisiadau newydd o fewn 500 m")
	look("area")
	p.Click("Unwaith yr wythnos")
	p.Fill("Eich cyfeiriad e-bost", "jo@example")
	p.Submit()
	p.Expect("Gwiriwch y ffurflen", "Rhowch gyfeiriad e-bost fel enw@example.org")
	look("area-error")
	p.Fill("Eich cyfeiriad e-bost", "jo@example.org")
	p.Click("Tanysgrifio")
	p.Expect("Edrychwch ar eich e-bost")
	look("sent")
	if s.count(`SELECT count(*) FROM recipient WHERE language = 'cy'`) != 1 {
		t.Error("the mails are not to be in Welsh")
	}
	s.deliver()
	link := s.mailLink("/cy/confirm/")
	p.Go(s.url + link)
	p.Expect("O fewn 500 m i NW1 8NH", "Pob math o gais", "Unwaith yr wythnos")
	look("confirm")
	p.Click("Cadarnhau")
	p.Expect("Mae eich hysbysiadau wedi’u cadarnhau")
	p.Click("Newid neu atal eich hysbysiadau")
	p.Expect("Eich hysbysiadau", "Ar gyfer jo@example.org")
	look("manage")
	p.Choose("Ysgrifennwch fy negeseuon yn", "en")
	p.Click("Cadw eich dewis iaith")
	p.Expect("O hyn ymlaen daw eich negeseuon yn yr iaith a ddewisoch")
	if s.count(`SELECT count(*) FROM recipient WHERE language = 'en'`) != 1 {
		t.Error("the mails are not to be in English")
	}
	p.Go(s.url + "/cy/applications/camden/2026%2F0001%2FP")
	look("application")
	p.Click("English")
	p.Expect("Follow this application")
}

// TestTheOtherPages looks at the pages that nothing is done on.
func TestTheOtherPages(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	recipient := s.subscribed("jo@example.org")
	s.exec(`INSERT INTO reach (authority, month, applications, told, people, alerts, new_people, new_alerts, hours_median, hours_p95, dated_people, dated_alerts, days_median, days_p95)
		VALUES ('camden', '2026-10', 214, 180, 1312, 4099, 1290, 2105, 2, 21, 1188, 1907, 17, 6), ('camden', '2026-09', 188, 2, 3, 4, 3, 4, 2, 21, 3, 4, 17, 6)`)
	manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", recipient))
	gone := s.subscribed("gone@example.org")
	if err := s.store.Erase(t.Context(), gone, s.now); err != nil {
		t.Fatal(err)
	}
	s.expect(s.post(manage+"/address", "email", "new@example.org"), http.StatusSeeOther)
	move := s.mailLink("/move/")
	s.expect(s.post(manage+"/preferences", "remind", "3", "notes", "yes"), http.StatusSeeOther)
	s.expect(s.post("/mute/"+s.server.Keys.Sign("mute", alerts.MuteSubject(recipient, 3)), "what", "site"), http.StatusOK)
	s.tell("told@example.org", recipient, 1)
	odd := s.oddApplication()
	for i := range alerts.DisputeReports {
		if err := s.store.ReportPlace(t.Context(), 2, 0, fmt.Sprint(i), alerts.DefaultLimits, s.now); err != nil {
			t.Fatal(err)
		}
	}
	p := browsertest.Open(t, browsertest.Desktop, s.url+"/")
	for _, page := range []struct{ name, path string }{
		{"application", "/applications/camden/2026%2F0001%2FP"},
		{"application-decided", "/applications/camden/2026%2F0003%2FL"},
		{"authority", "/authorities/camden"},
		{"authorities", "/authorities"},
		{"reliability", "/reliability"},
		{"area-terminated", "/near?postcode=NW1+1XX&radius=1000"},
		{"area-empty", "/near?lat=57.5&lon=-4.2&radius=2000"},
		{"area-narrowed", "/near?postcode=NW1+8NH&radius=1000&state=open&kind=building&words=yard"},
		{"area-none-fits", "/near?postcode=NW1+8NH&radius=1000&words=submarine"},
		{"search", "/search"},
		{"notice", "/applications/camden/2026%2F0001%2FP/notice"},
		{"why", s.server.Keys.WhyPath(int64(s.count(`SELECT min(id) FROM subscription`)), 1)},
		{"why-not", "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", recipient)) + "/why?reference=nonsense"},
		{"search-found", "/search?q=london"},
		{"search-nothing", "/search?q=zeppelin"},
		{"links", "/links"},
		{"links-sent", "/links/sent"},
		{"expired", "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-01-01", recipient))},
		{"never", "/never/" + s.server.Keys.Sign("never", fmt.Sprint(recipient))},
		{"about", "/about"},
		{"commenting", "/commenting"},
		{"told-nothing", "/told/" + s.server.Keys.Sign("told", "abc@example.org")},
		{"privacy", "/privacy"},
		{"accessibility", "/accessibility"},
		{"complaints", "/complaints"},
		{"report", "/authorities/camden/report"},
		{"not-found", "/no-such-page"},
		{"sign-up", "/sign-up?postcode=NW1+8NH"},
		{"sign-up-ward", "/sign-up?area=ward&find=hall"},
		{"sign-up-council", "/sign-up?area=authority"},
		{"sign-up-drawn", "/sign-up?area=polygon"},
		{"add-area", manage + "/areas/new?area=ward"},
		{"mute", "/mute/" + s.server.Keys.Sign("mute", alerts.MuteSubject(recipient, 1))},
		{"move", move},
		{"told", "/told/" + s.server.Keys.Sign("told", "told@example.org")},
		{"disputed", "/applications/camden/2026%2F0002%2FP"},
		{"odd", "/applications/camden/ODD%2F1"},
		{"odd-area", "/near?lat=51.7&lon=-0.3&radius=500"},
		{"odd-notice", "/applications/camden/ODD%2F1/notice"},
		{"odd-why", s.server.Keys.WhyPath(int64(s.count(`SELECT min(id) FROM subscription`)), odd)},
		{"why-not-found", manage + "/why?reference=ODD%2F1"},
		{"settings", manage},
		{"erased", "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", gone))},
	} {
		for _, c := range sizes {
			p.Resize(c.size)
			p.Go(s.url + page.path)
			p.FitsWidth()
			if c.name != "phone" { // which has the layout of a narrow window
				p.Axe()
			}
			if c.name != "desktop" || !strings.HasPrefix(page.name, "odd") {
				shot(t, p, page.name+"-"+c.name)
			}
		}
	}
	p.Dark(true)
	for _, page := range []struct{ name, path string }{
		{"home", "/"},
		{"area", "/near?postcode=NW1+8NH"},
		{"application", "/applications/camden/2026%2F0003%2FL"},
		{"manage", "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", recipient))},
	} {
		p.Resize(browsertest.Desktop)
		p.Go(s.url + page.path)
		p.Axe()
		shot(t, p, "dark-"+page.name)
	}
}

// oddApplication stores an application with all that feeds have in store for a page:
// forty lines, one long word, writing from the right, signs that are pictures.
func (s *site) oddApplication() int64 {
	s.Helper()
	return s.addApplication("camden", alerts.Details{Reference: "ODD/1", Kind: alerts.KindFull, Status: alerts.StatusConsultation, Received: "2026-11-20", CommentsUntil: "2026-12-01",
		Address:     "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogochlaan 1234567890123456789012345678901234567890, \u05e8\u05d7\u05d5\u05d1 \u05d4\u05e0\u05d1\u05d9\u05d0\u05d9\u05dd \U0001F3D7\uFE0F",
		Description: strings.Repeat("Line of a description that goes on and on, and on,\n", 40) + strings.Repeat("Unbreakable", 30) + " \u0634\u0627\u0631\u0639 \U0001F3E1\U0001F333 <b>bold</b> &amp;",
		KindRaw:     strings.Repeat("KINDWITHOUTSPACES", 6), StatusRaw: "x", URL: "https://planning.camden.example/" + strings.Repeat("a", 180),
		Site: alerts.Site{Lon: -0.3, Lat: 51.7, Method: alerts.MethodPostcode, Uncertainty: 100}})
}

// tell makes a mail that told a person of the events of an application.
func (s *site) tell(messageID string, recipient, application int64) {
	s.Helper()
	s.exec(`INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, next_at, created_at) VALUES ('alert', $1, 'daily', 'sent', 1, $2, 'x', 'x', 'x', '[]', 0, 0)`, recipient, messageID)
	s.exec(`UPDATE event SET state = 'live', seq = id WHERE application_id = $1`, application)
	s.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) SELECT (SELECT min(id) FROM subscription_version WHERE recipient_id = $1), e.seq, CAST($2 AS BIGINT), (SELECT max(id) FROM delivery)
		FROM event e WHERE e.application_id = $3 AND e.seq IS NOT NULL`, recipient, recipient, application)
}

// Where the scripts that draw maps were not there when the program was built, every
// form still asks for the same and every page is whole.
func TestPagesWithoutAMap(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	recipient := s.subscribed("jo@example.org")
	web.WithoutMap(t)
	manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", recipient))
	p := browsertest.Open(t, browsertest.Narrow, s.url+"/")
	p.Scripts(true) // of which there are none for maps
	for _, path := range []string{"/sign-up?postcode=NW1+8NH", "/sign-up?area=polygon", manage + "/areas/new?area=polygon", fmt.Sprintf("%s/areas/%d", manage, s.count(`SELECT min(id) FROM subscription`))} {
		p.Go(s.url + path)
		p.FitsWidth()
		p.Axe()
	}
	p.Go(s.url + "/sign-up?area=polygon")
	p.Fill("Corners of the area", "51.54, -0.15\n51.54, -0.13\n51.53, -0.14")
	p.Click("Once a week")
	p.Fill("Your e-mail address", "ann@example.org")
	p.Click("Sign up")
	p.Expect("Check your e-mail")
}

// TestTabbingFollowsTheEye goes through the home and area pages with the keyboard
// alone.
func TestTabbingFollowsTheEye(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := browsertest.Open(t, browsertest.Desktop, s.url+"/")
	var order []string
	for range 10 {
		p.Type("\t")
		order = append(order, p.Focused())
	}
	want := []string{"a Skip to the content", "a Sitenotice", "a Cymraeg", "a Search", "a Councils", "a Your alerts", "a About", "a Captured mail", "input Your postcode", "summary Use latitude and longitude instead"}
	if strings.Join(order, "; ") != strings.Join(want, "; ") {
		t.Errorf("tabbing goes\n%s\nwant\n%s", strings.Join(order, "; "), strings.Join(want, "; "))
	}
	p.Go(s.url + "/")
	p.Fill("Your postcode", "n1c 4ag")
	p.Type("\t\t")
	if got := p.Focused(); got != "button Show what is planned" {
		t.Fatalf("the focus is on %q", got)
	}
	p.Submit()
	p.Expect("Planning near N1C 4AG")
}
