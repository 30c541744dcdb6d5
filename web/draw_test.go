package web_test

import (
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web/browsertest"
)

// onMap opens a page with scripts and waits for its map.
func onMap(t *testing.T, s *site, size browsertest.Size, path string) *browsertest.Page {
	t.Helper()
	p := browsertest.Open(t, size, s.url+"/about")
	p.Scripts(true)
	p.Go(s.url + path)
	p.Wait(`document.documentElement.classList.contains('has-map')`)
	return p
}

// stored is what the only subscription asks for.
func (s *site) stored() alerts.Version {
	s.Helper()
	sub, err := s.store.Subscription(s.Context(), int64(s.count(`SELECT max(id) FROM subscription`)))
	if err != nil {
		s.Fatal(err)
	}
	return sub.Current
}

// An area is drawn corner by corner, rehearsed, signed up for, shown on the page
// that confirms it, and is what is stored.
func TestDrawAnAreaOnTheMap(t *testing.T) {
	for _, c := range sizes[:2] {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, storetest.Engines(t)[0])
			p := onMap(t, s, c.size, "/sign-up?area=polygon&postcode=NW1+8NH")
			p.Press("Draw the area")
			for _, at := range [][2]float64{{.3, .3}, {.7, .3}, {.7, .7}, {.3, .7}} {
				p.ClickIn(".canvas", at[0], at[1])
			}
			p.Type("\r")
			p.Wait(`document.getElementById('outline').value.trim().split('\n').length === 4`)
			p.Expect("The area is drawn, with 4 corners")
			typed := p.Value("Corners of the area")
			p.FitsWidth()
			shot(t, p, "draw-"+c.name)
			p.Axe()
			p.Scripts(true)
			p.Fill("Your e-mail address", "jo@example.org")
			p.Click("Show first what this would send")
			p.Expect("What this would have sent", "12 Lamplighter Street", "Nothing has been stored yet")
			if n := s.count(`SELECT count(*) FROM recipient`); n != 0 {
				t.Fatalf("a rehearsal stored %d people", n)
			}
			p.Wait(`document.documentElement.classList.contains('has-map')`)
			if got := p.Value("Corners of the area"); strings.TrimSpace(got) != strings.TrimSpace(typed) {
				t.Errorf("what was drawn is lost: %q became %q", typed, got)
			}
			if got := p.Value("Your e-mail address"); got != "jo@example.org" {
				t.Errorf("the address is lost: %q", got)
			}
			shot(t, p, "rehearsal-"+c.name)
			p.Click("Sign up")
			p.Expect("Check your e-mail")
			if v := s.stored(); v.Area.Kind != alerts.AreaPolygon || strings.TrimSpace(alerts.OutlineText(v.Area.Shape)) == "" {
				t.Errorf("stored is %+v", v.Area)
			}
			p.Go(s.url + s.mailLink("/confirm/"))
			p.Expect("The area you drew", "All kinds of application")
		})
	}
}

// The pin moves by mouse and by the keys; the form asks for the place it is at, and
// the numbers beside the distances follow.
func TestMoveThePin(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := onMap(t, s, browsertest.Desktop, "/sign-up?postcode=NW1+8NH")
	before := p.Ask(`document.querySelector('[data-distance="500"] [data-rate]').textContent`)
	p.Press("Move the pin")
	p.ClickIn(".canvas", .95, .95)
	p.Wait(`!!document.querySelector('#wish [name=lat]')`)
	p.Wait(`document.querySelector('[data-distance="500"] [data-rate]').textContent !== '` + before + `'`)
	p.Ask(`(document.querySelector('.pin').focus(), '')`)
	lat := p.Ask(`document.querySelector('#wish [name=lat]').value`)
	p.Type("\u0304") // the arrow up
	p.Wait(`document.querySelector('#wish [name=lat]').value > '` + lat + `'`)
	lat = p.Ask(`document.querySelector('#wish [name=lat]').value`)
	p.Fill("Your e-mail address", "jo@example.org")
	p.Click("Sign up")
	p.Expect("Check your e-mail")
	if got := s.stored().Area; got.Kind != alerts.AreaCircle || got.Centre.Lat > 51.5396 || !strings.HasPrefix(got.Label, lat) {
		t.Errorf("stored is %+v, the pin was at latitude %s", got, lat)
	}
}

// A part is drawn out of a circle, and what lies in it is left out with the reason.
func TestDrawAPartToLeaveOut(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := onMap(t, s, browsertest.Desktop, "/sign-up?postcode=NW1+8NH&radius=500")
	p.Press("Draw a part to leave out")
	for _, at := range [][2]float64{{.5, .02}, {.98, .02}, {.98, .5}, {.5, .5}} { // north-east
		p.ClickIn(".canvas", at[0], at[1])
	}
	p.Type("\r")
	p.Expect("The part is left out")
	p.Click("Show first what this would send")
	p.Click("1 piece of news it would have left out")
	p.Expect("It is in the part that was taken out of the area", "3 Piano Yard")
	// What the form holds is drawn again, and can be removed.
	p.Wait(`document.documentElement.classList.contains('has-map')`)
	p.Wait(`[...document.querySelectorAll('.leaflet-pane path')].some(e => e.getAttribute('stroke') === '#b3121d')`)
	shot(t, p, "carve-desktop")
	p.Press("Remove what is drawn")
	p.Wait(`document.getElementById('carve').value === ''`)
}

func TestUseMyLocation(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := browsertest.Open(t, browsertest.Phone, s.url+"/about")
	p.Scripts(true)
	p.Locate(51.5397, -0.1425)
	p.Go(s.url + "/")
	p.Press("Use my location")
	p.Wait(`document.getElementById('lat').value === '51.53970'`)
	p.Click("Show what is planned")
	p.Expect("Planning near 51.53970, -0.14250", "12 Lamplighter Street")
}
