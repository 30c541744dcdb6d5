package web_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
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
			p.Click("Confirm your alerts")
			p.Expect("Please confirm")
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

// TestTheOtherPages looks at the pages that nothing is done on.
func TestTheOtherPages(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	recipient := s.subscribed("jo@example.org")
	s.exec(`INSERT INTO reach (authority, month, applications, told, people, alerts, new_people, new_alerts, hours_median, hours_p95, dated_people, dated_alerts, days_median, days_p95)
		VALUES ('camden', '2026-10', 214, 180, 1312, 4099, 1290, 2105, 2, 21, 1188, 1907, 17, 6), ('camden', '2026-09', 188, 2, 3, 4, 3, 4, 2, 21, 3, 4, 17, 6)`)
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
	} {
		for _, c := range sizes {
			p.Resize(c.size)
			p.Go(s.url + page.path)
			p.FitsWidth()
			p.Axe()
			if c.name != "narrow" {
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

// TestTabbingFollowsTheEye goes through the home and area pages with the keyboard
// alone.
func TestTabbingFollowsTheEye(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := browsertest.Open(t, browsertest.Desktop, s.url+"/")
	var order []string
	for range 9 {
		p.Type("\t")
		order = append(order, p.Focused())
	}
	want := []string{"a Skip to the content", "a Sitenotice", "a Search", "a Councils", "a Your alerts", "a About", "a Captured mail", "input Your postcode", "summary Use latitude and longitude instead"}
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
