package web_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web/browsertest"
)

var frameSource = regexp.MustCompile(`src="[^"]*(/embed/[^"]+)"`)

// What a parish's site shows of ours has no cookie, no script and no form, and only
// it may be shown by others.
func TestOtherSitesShowAnArea(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		s.expect(s.post(fmt.Sprintf("/groups/%d/areas", g), "extent", "outline", "outline", outline, "label", `the "old" town & more`), http.StatusSeeOther)
		share := s.get(fmt.Sprintf("/groups/%d/share", g))
		s.expect(share, http.StatusOK, "It sets no cookies")
		if h := share.Header; !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Error("the group's own page may be framed")
		}
		codes := frameSource.FindAllStringSubmatch(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&amp;", "&").Replace(share.Body), -1)
		if len(codes) != 2 {
			t.Fatalf("codes %v in\n%s", codes, clip(share.Body))
		}
		parish := s.another()
		for i, c := range codes {
			r := parish.get(c[1])
			parish.expect(r, http.StatusOK, "12 Lamplighter Street", `the "old" town & more`, "London Borough of Camden, last read")
			h := r.Header
			if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors *") || strings.Contains(csp, "script-src") || !strings.Contains(csp, "default-src 'none'") || h.Get("X-Frame-Options") != "" {
				t.Errorf("headers %v", h)
			}
			if len(h.Values("Set-Cookie")) > 0 || strings.Contains(r.Body, "<script") || strings.Contains(r.Body, "<form") || strings.Contains(r.Body, "Lamplighters") || strings.Contains(r.Body, "Gwen") {
				t.Errorf("it has a cookie, a script, a form, or something of the group:\n%s", clip(r.Body))
			}
			if strings.Contains(r.Body, "<svg") != (i == 1) {
				t.Errorf("%s has a map: %t", c[1], i != 1)
			}
			parish.expect(parish.get(strings.Replace(c[1], "embed/", "embed/x", 1)), http.StatusNotFound)
		}
		s.expect(s.post(fmt.Sprintf("/groups/%d/areas/%d/remove", g, s.count(`SELECT max(id) FROM group_area`))), http.StatusSeeOther)
		parish.expect(parish.get(codes[0][1]), http.StatusNotFound)
	})
}

func TestFeedsOfAGroupArePrivate(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		s.expect(s.post(fmt.Sprintf("/groups/%d/areas", g), "extent", "outline", "outline", outline), http.StatusSeeOther)
		token := s.newToken(g, "feeds")
		reader := s.another()
		r := reader.get("/f/" + token + "/news.atom")
		reader.expect(r, http.StatusOK, "12 Lamplighter Street", "Planning applications for Lamplighters")
		if err := xml.Unmarshal([]byte(r.Body), new(struct{ XMLName xml.Name })); err != nil || strings.Contains(r.Body, token) {
			t.Errorf("%v; or the feed tells its own address", err)
		}
		if h := r.Header; h.Get("Access-Control-Allow-Origin") != "" || !strings.HasPrefix(h.Get("Cache-Control"), "private") || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("others may keep or read it: %v", h)
		}
		again := reader.request(http.MethodGet, "/f/"+token+"/news.atom", nil)
		again.Header.Set("If-None-Match", r.Header.Get("ETag"))
		reader.expect(reader.do(again), http.StatusNotModified)
		r = reader.get("/f/" + token + "/closing.ics")
		reader.expect(r, http.StatusOK, "BEGIN:VCALENDAR", "20261205")
		if strings.Contains(s.log.String(), token) {
			t.Error("the log holds the address")
		}
		if strings.Contains(s.engine.Dump(t, s.db), token) {
			t.Error("the database holds the address")
		}
		for _, other := range []string{s.newToken(g, "read"), "snf_" + strings.Repeat("A", 43), "x"} {
			reader.expect(reader.get("/f/"+other+"/news.atom"), http.StatusNotFound)
		}
		s.advance(25 * 24 * time.Hour)
		s.expect(s.post(fmt.Sprintf("/groups/%d/tokens/%d/revoke", g, s.count(`SELECT min(id) FROM api_token`))), http.StatusSeeOther)
		reader.expect(reader.get("/f/"+token+"/news.atom"), http.StatusNotFound)
	})
}

// An area is drawn with the mouse, and stored as drawn.
func TestAGroupDrawsAnArea(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	p := browsertest.Open(t, browsertest.Desktop, s.url+"/sign-in")
	p.Fill("Your e-mail address", "gwen@example.org")
	p.Click("Send me a link")
	p.Go(s.url + s.mailLink("/sign-in/"))
	p.Click("Sign in")
	p.Fill("Name of the group", "Lamplighters")
	p.Fill("Your name, as the others", "Gwen")
	p.Click("Start the group")
	s.exec(`INSERT INTO group_area (group_id, area, lon, lat, radius, label, created_at) VALUES (1, 'circle', -0.142539, 51.539703, 1000, 'NW1 8NH', 0)`)
	p.Scripts(true)
	p.Go(s.url + "/groups/1/areas")
	p.Wait(`document.documentElement.classList.contains('has-map')`)
	p.Press("Draw the area")
	for _, at := range [][2]float64{{.3, .3}, {.7, .3}, {.7, .7}, {.3, .7}} {
		p.ClickIn(".canvas", at[0], at[1])
	}
	p.Type("\r")
	p.Wait(`document.getElementById('outline').value.trim().split('\n').length === 4`)
	shot(t, p, "groups-draw-desktop")
	p.Axe()
	p.Scripts(true)
	p.Click("Add this area")
	p.Expect("The area has been added", "The outline around")
	if n := s.count(`SELECT count(*) FROM group_area WHERE area = 'polygon' AND length(shape) > 80`); n != 1 {
		t.Errorf("%d drawn areas are stored", n)
	}
	for _, c := range sizes {
		p.Resize(c.size)
		for _, page := range []struct{ name, path string }{{"embed-list", s.embedPath("list")}, {"embed-map", s.embedPath("map")}, {"share", "/groups/1/share"}} {
			p.Scripts(false)
			p.Go(s.url + page.path)
			p.FitsWidth()
			p.Axe()
			shot(t, p, "groups-"+page.name+"-"+c.name)
		}
	}
}

// embedPath is the address under which other sites show the latest area.
func (s *site) embedPath(what string) string {
	return "/embed/" + s.server.Keys.Sign("embed", fmt.Sprint(s.count(`SELECT max(id) FROM group_area`))) + "/" + what
}
