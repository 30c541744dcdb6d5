package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	geom "github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// outlineAround is a square around a place, as corners and as a geometry.
func outlineAround(p geo.Point, half float64) (corners string, g geom.T) {
	lat, lon := half/111_260, half/69_300
	flat := []float64{}
	for _, c := range [][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}, {-1, -1}} {
		flat = append(flat, p.Lon+c[0]*lon, p.Lat+c[1]*lat)
	}
	for i := 0; i < 8; i += 2 {
		corners += fmt.Sprintf("%.6f, %.6f\n", flat[i+1], flat[i])
	}
	return corners, geom.NewPolygonFlat(geom.XY, flat, []int{10})
}

// Ask 2 of residents, "areas that fit", without scripts: a ward is found by name or
// postcode, a council by name, and each becomes what is stored.
func TestWardsAndCouncilsByName(t *testing.T) {
	eachSite(t, func(s *site) {
		_, square := outlineAround(home, 800)
		if err := s.store.PutBoundaries(t.Context(), []alerts.Boundary{{Kind: alerts.BoundaryWard, Code: "E05013656", Name: "Camden Town", Area: square, Source: "test"}}, s.now); err != nil {
			t.Fatal(err)
		}
		s.expect(s.get("/sign-up?area=ward&find=camden+t"), http.StatusOK, "Camden Town", `?area=ward&ward=E05013656`)
		s.expect(s.get("/sign-up?area=ward&postcode=NW1+8NH"), http.StatusOK, "Wards at and around NW1 8NH", "Camden Town", "Camden")
		s.expect(s.get("/sign-up?area=ward&find=atlantis"), http.StatusOK, "We know of no such ward")
		s.expect(s.get("/sign-up?area=ward&ward=E05013656"), http.StatusOK, "Ward: Camden Town", "Your e-mail address")
		s.expect(s.get("/sign-up?area=ward&ward=E05099999"), 422, "We do not know this ward")
		s.expect(s.post("/subscriptions", "area", "ward", "ward", "E05013656", "frequency", "daily", "email", "jo@example.org"), http.StatusSeeOther)
		if v := s.stored(); v.Area.Kind != alerts.AreaWard || v.Area.Code != "E05013656" || v.Area.Label != "Camden Town" {
			t.Errorf("stored is %+v", v.Area)
		}
		s.expect(s.get(s.mailLink("/confirm/")), http.StatusOK, "Camden Town", "Covered: London Borough of Camden")

		s.expect(s.get("/sign-up?area=authority&find=CAMDEN"), http.StatusOK, "London Borough of Camden", "?area=authority&authority=camden")
		s.expect(s.get("/sign-up?area=authority&find=atlantis"), http.StatusOK, "We know of no such council")
		s.expect(s.get("/sign-up?area=authority&authority=camden"), http.StatusOK, "Council: London Borough of Camden")
		s.expect(s.post("/subscriptions", "area", "authority", "authority", "camden", "frequency", "daily", "email", "al@example.org", "do", "preview"), http.StatusOK, "What this would have sent", "It is an application to London Borough of Camden")
		s.expect(s.post("/subscriptions", "area", "authority", "authority", "camden", "frequency", "daily", "email", "al@example.org"), http.StatusSeeOther)
		s.expect(s.post("/subscriptions", "area", "authority", "authority", "atlantis", "frequency", "daily", "email", "al@example.org"), 422, "Choose a council")
	})
}

// A ward of a council that names its wards in its own way is refused, with the
// reason, on the way in and at the end.
func TestAWardThatCannotBeToldApartIsRefused(t *testing.T) {
	eachSite(t, func(s *site) {
		s.addApplication("camden", alerts.Details{Reference: "X", Received: "2026-11-01", Ward: "Cantelowes (old)"})
		for _, r := range []reply{s.get("/sign-up?area=ward&ward=E05013656"),
			s.post("/subscriptions", "area", "ward", "ward", "E05013656", "frequency", "daily", "email", "jo@example.org")} {
			s.expect(r, 422, "names of its own, such as “Cantelowes (old)”")
		}
		s.addApplication("camden", alerts.Details{Reference: "Y", Received: "2026-11-02", Ward: "E05013656"})
		s.expect(s.get("/sign-up?area=ward&ward=E05013656"), http.StatusOK, "Your e-mail address")
		if n := s.count(`SELECT count(*) FROM recipient`); n != 0 {
			t.Errorf("%d people stored", n)
		}
	})
}

// Ask 3 and F16: what is asked for in all its parts is what is stored, what the page
// that confirms shows, and what the edit form is filled with.
func TestEverythingAskedForIsStoredAndShown(t *testing.T) {
	eachSite(t, func(s *site) {
		carve, _ := outlineAround(geo.Point{Lon: home.Lon + .004, Lat: home.Lat}, 150)
		ask := []string{"postcode", "NW1 8NH", "radius", "500", "ring", "2000", "carve", carve, "label", "home", "frequency", "weekly", "kinds", "trees", "kinds", "use",
			"events", "new", "events", "decided", "include", "basement, Mill Lane", "exclude", "roof", "major", "yes", "email", "jo@example.org"}
		s.expect(s.post("/subscriptions", ask...), http.StatusSeeOther)
		v := s.stored()
		if a := v.Area; a.Radius != 500 || a.Ring != 2000 || strings.TrimSpace(alerts.OutlineText(a.CarveOut)) == "" || a.Label != "home" || v.Cadence != alerts.Weekly {
			t.Errorf("stored is %+v", v)
		}
		if f := v.Filter; len(f.Kinds) != 3 || len(f.Events) != 3 || len(f.Include) != 2 || len(f.Exclude) != 1 || !f.MajorOnly {
			t.Errorf("stored is %+v", v.Filter)
		}
		link := s.mailLink("/confirm/")
		words := []string{"Within 500 m of home", "Major schemes also within 2 km", "Without the part that you left out", "Only changes of use and trees", "Only major schemes",
			"Only this news: new applications and decisions and withdrawals", "“basement” and “Mill Lane”", "Not with any of these words: “roof”", "Once a week"}
		s.expect(s.get(link), http.StatusOK, words...)
		s.expect(s.confirm(link), http.StatusOK, words...)
		id := s.count(`SELECT max(id) FROM recipient`)
		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		s.expect(s.get(manage), http.StatusOK, words...)
		edit := fmt.Sprintf("%s/areas/%d", manage, s.count(`SELECT max(id) FROM subscription`))
		s.expect(s.get(edit), http.StatusOK, `value="500" checked`, `value="2000" selected`, `value="weekly" checked`, `id="kind-trees" name="kinds" value="trees" checked`, `id="news-new" name="events" value="new" checked`,
			`value="basement, Mill Lane"`, `value="roof"`, `id="major" name="major" value="yes" checked`, `value="home"`)
		// Saving the form as it is changes nothing, not even the place's last digit.
		before := s.count(`SELECT count(*) FROM subscription_version`)
		same := append(ask[2:len(ask)-2:len(ask)-2], "lat", fmt.Sprintf("%v", v.Area.Centre.Lat), "lon", fmt.Sprintf("%v", v.Area.Centre.Lon))
		s.expect(s.post(edit, same...), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM subscription_version`); n != before {
			t.Errorf("saving the form unchanged made %d versions", n-before)
		}
		// A fault anywhere loses nothing.
		faulty := append(same[:len(same):len(same)], "outline", "")
		for i := range faulty {
			if faulty[i] == "ring" {
				faulty[i+1] = "400"
			}
		}
		s.expect(s.post(edit, faulty...), 422, "greater than 500 m", `value="basement, Mill Lane"`, strings.SplitN(carve, "\n", 2)[0], `value="400" selected`)
	})
}

// Ask 9: a case, its address or its kind is muted from a link that needs a press,
// listed and undone.
func TestMuteFromALinkAndUndo(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		app := int64(s.count(`SELECT id FROM application WHERE reference = '2026/0001/P'`))
		link := "/mute/" + s.server.Keys.Sign("mute", alerts.MuteSubject(id, app))
		before := s.engine.Dump(t, s.db)
		s.expect(s.get(link), http.StatusOK, "12 Lamplighter Street", "Mute this application", "Mute this address", "Mute this kind")
		if s.engine.Dump(t, s.db) != before {
			t.Fatal("opening the link changed something")
		}
		s.expect(s.post(link, "what", "everything"), 422, "Choose what to mute")
		s.expect(s.post(link, "what", "site"), http.StatusOK, "You hear of no application at 12 Lamplighter Street")
		s.expect(s.post(link, "what", "site"), http.StatusOK, "Muted")
		s.expect(s.post(link, "what", "kind"), http.StatusOK, "of the kind “Householder”")
		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		s.expect(s.get(manage), http.StatusOK, "Everything at 12 Lamplighter Street", "Everything of the kind “Householder”")
		if n := s.count(`SELECT count(*) FROM mute`); n != 2 {
			t.Errorf("%d mutes, want 2", n)
		}
		s.expect(s.post(link+"/undo", "what", "site"), http.StatusOK, "No longer muted")
		s.expect(s.post(fmt.Sprintf("%s/unmute/%d", manage, s.count(`SELECT max(id) FROM mute`))), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM mute`); n != 0 {
			t.Errorf("%d mutes left", n)
		}
		other := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", s.subscribed("other@example.org")))
		s.expect(s.post(link, "what", "kind"), http.StatusOK)
		s.expect(s.post(fmt.Sprintf("%s/unmute/%d", other, s.count(`SELECT max(id) FROM mute`))), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM mute`); n != 1 {
			t.Error("somebody undid the mute of somebody else")
		}
		s.expect(s.post(manage+"/erase", "sure", "yes"), http.StatusOK)
		s.expect(s.get(link), http.StatusOK, "Nothing to mute")
		s.expect(s.post(link, "what", "kind"), http.StatusOK, "Nothing to mute")
	})
}

// Alerts move to another address when both ends have agreed, and not before; links
// and areas stay.
func TestAnAddressMovesWhenBothEndsAgree(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		s.expect(s.post(manage+"/address", "email", "Jo <new@example.org>"), 422, `value="Jo <new@example.org>"`)
		s.expect(s.post(manage+"/address", "email", "JO+tag@example.org"), 422, "go to this address already")
		s.expect(s.post(manage+"/address", "email", "new@example.org"), http.StatusSeeOther)
		s.expect(s.get(manage), http.StatusOK, "They are to go to new@example.org")
		links := map[string]string{}
		for _, who := range []string{"jo@example.org", "new@example.org"} {
			var text string
			if err := s.db.QueryRow(`SELECT d.text FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE r.address = $1 ORDER BY d.id DESC LIMIT 1`, who).Scan(&text); err != nil {
				t.Fatal(err)
			}
			links[who] = strings.TrimPrefix(link.FindString(text), s.url)
		}
		before := s.engine.Dump(t, s.db)
		s.expect(s.get(links["new@example.org"]), http.StatusOK, "j…@example.org", "Agree")
		s.expect(s.get(links["jo@example.org"]), http.StatusOK, "new@example.org instead of jo@example.org", "Agree")
		if s.engine.Dump(t, s.db) != before {
			t.Fatal("opening a link changed something")
		}
		for range 2 {
			s.expect(s.post(links["new@example.org"]), http.StatusOK, "Half done")
		}
		if n := s.count(`SELECT count(*) FROM recipient WHERE id = $1 AND address = 'jo@example.org'`, id); n != 1 {
			t.Fatal("one end alone moved the alerts")
		}
		s.expect(s.post(links["jo@example.org"]), http.StatusOK, "Your alerts have moved")
		s.expect(s.post(links["jo@example.org"]), http.StatusOK, "Your alerts have moved")
		s.expect(s.get(links["new@example.org"]), http.StatusOK, "Your alerts have moved")
		if n := s.count(`SELECT count(*) FROM recipient WHERE id = $1 AND address = 'new@example.org' AND state = 'active'`, id); n != 1 {
			t.Error("the alerts have not moved")
		}
		if n := s.count(`SELECT count(*) FROM recipient WHERE address LIKE '%@example.org'`); n != 1 {
			t.Errorf("%d addresses are kept, want 1", n)
		}
		s.expect(s.get(manage), http.StatusOK, "For new@example.org", "Within 500 m of NW1 8NH")
		s.advance(time.Minute)
		s.expect(s.post("/links", "email", "new@example.org"), http.StatusSeeOther)
		s.expect(s.get(s.mailLink("/manage/")), http.StatusOK, "For new@example.org")
	})
}

// An address with alerts of its own is left alone, and only it learns why.
func TestAMoveToSomebodyWithAlertsIsNotMade(t *testing.T) {
	eachSite(t, func(s *site) {
		s.subscribed("taken@example.org")
		id := s.subscribed("jo@example.org")
		s.advance(25 * time.Hour) // another confirmation may go to the address
		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		r := s.post(manage+"/address", "email", "taken@example.org")
		s.expect(r, http.StatusSeeOther)
		links := []string{}
		for _, who := range []string{"taken@example.org", "jo@example.org"} {
			var text string
			if err := s.db.QueryRow(`SELECT d.text FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE r.address = $1 AND d.subject = 'Another address?'`, who).Scan(&text); err != nil {
				t.Fatal(err)
			}
			links = append(links, strings.TrimPrefix(link.FindString(text), s.url))
		}
		s.expect(s.post(links[1]), http.StatusOK, "Half done")
		s.expect(s.post(links[0]), http.StatusOK, "This address has planning alerts of its own")
		s.expect(s.get(links[1]), http.StatusOK, "Half done")
		if n := s.count(`SELECT count(*) FROM recipient WHERE state = 'active' AND address <> ''`); n != 2 {
			t.Errorf("%d active people, want both as they were", n)
		}
		// Nobody moves alerts to an address that is barred, and the page says nothing of it.
		never := s.subscribed("never@example.org")
		s.expect(s.post("/never/"+s.server.Keys.Sign("never", fmt.Sprint(never))), http.StatusOK)
		mails := s.count(`SELECT count(*) FROM delivery`)
		if barred := s.post(manage+"/address", "email", "never@example.org"); barred.Header.Get("Location") != r.Header.Get("Location") {
			t.Error("a barred address is answered otherwise")
		}
		if n := s.count(`SELECT count(*) FROM delivery`); n != mails+1 {
			t.Errorf("%d mails, want one, to the old address", n-mails)
		}
	})
}

func TestStopEverythingAndTakeItUpAgain(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		s.expect(s.post(manage+"/areas", "postcode", "N1C 4AG", "radius", "500", "frequency", "weekly"), http.StatusSeeOther)
		s.expect(s.get(manage), http.StatusOK, "Stop all alerts")
		r := s.post(manage + "/stop")
		s.expect(r, http.StatusSeeOther)
		s.expect(s.get(r.Header.Get("Location")), http.StatusOK, "You will get no more alerts", "Take all of them up again", "You follow no area")
		s.expect(s.post(manage+"/undo"), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`); n != 2 {
			t.Errorf("%d active, want 2", n)
		}
	})
}

// F15: a confirm link that is prefetched and pressed five times activates once.
func TestAConfirmLinkOpenedFiveTimesActivatesOnce(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.signUp("jo@example.org"), http.StatusSeeOther)
		path := s.mailLink("/confirm/")
		for range 5 {
			s.expect(s.get(path), http.StatusOK, "Confirm your alerts")
			s.do(s.request(http.MethodHead, path, nil))
		}
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`); n != 0 {
			t.Fatal("opening the link activated something")
		}
		version := hiddenVersion.FindStringSubmatch(s.get(path).Body)[1]
		for range 5 {
			s.expect(s.post(path, "version", version), http.StatusOK)
		}
		if n, mails := s.count(`SELECT count(*) FROM consent WHERE method = 'confirm'`), s.count(`SELECT count(*) FROM delivery`); n != 1 || mails != 1 {
			t.Errorf("%d activations and %d mails, want 1 of each", n, mails)
		}
	})
}

func TestALinkThatRunsOutLosesNothingThatWasTyped(t *testing.T) {
	eachSite(t, func(s *site) {
		recipient := s.subscribed("jo@example.org")
		link := func(day string) string {
			return "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:%s", recipient, day))
		}
		old, fresh := link("2026-11-22"), s.url+link("2026-12-24")
		typed := []string{"postcode", "N1C 4AG", "radius", "1000", "frequency", "weekly", "kinds", "trees", "kinds", "use", "label", `Gran's "house"`}
		r := s.post(old+"/areas", typed...)
		s.expect(r, http.StatusGone, "This link has expired", "What you typed is still on this page", `name="kinds" value="use"`, `name="again-below" value="areas"`)
		again := append(append([]string{}, typed...), "again-below", "areas", "again-link")
		s.expect(s.post("/links/again", append(again, "no link")...), http.StatusUnprocessableEntity, "Put in the whole link", `name="radius" value="1000"`, `aria-describedby="again-link-hint again-link-error"`)
		s.expect(s.post("/links/again", append(again, s.url+old)...), http.StatusUnprocessableEntity, "This link has run out, too", `name="label"`)
		s.expect(s.post("/links/again", append(append([]string{}, again...), fresh, "do", "preview")...), http.StatusOK, "What this would have sent", "N1C 4AG")
		if n := s.count(`SELECT count(*) FROM subscription`); n != 1 {
			t.Fatalf("%d areas before anything was saved", n)
		}
		s.expect(s.post("/links/again", append(again, " Manage: "+fresh+" ")...), http.StatusSeeOther)
		var label string
		if err := s.db.QueryRow(`SELECT label FROM subscription_version ORDER BY id DESC LIMIT 1`).Scan(&label); err != nil || label != `Gran's "house"` {
			t.Errorf("stored as %q (%v)", label, err)
		}
		for below, values := range map[string][]string{"areas/1": {"radius", "800", "frequency", "daily"}, "areas/1/pause": {"until", "2026-12-24"}, "address": {"email", "new@example.org"}, "preferences": {"remind", "5"}} {
			s.expect(s.post(old+"/"+below, values...), http.StatusGone, "What you typed is still on this page", `value="`+below+`"`)
			s.expect(s.post("/links/again", append(values, "again-below", below, "again-link", fresh)...), http.StatusSeeOther)
		}
		s.expect(s.post("/links/again", "again-below", "erase", "sure", "yes", "again-link", fresh), http.StatusNotFound)
		s.expect(s.post(old+"/erase", "sure", "yes"), http.StatusGone)
	})
}
