package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// shared reads a sample file; the test is skipped when the samples are not here,
// and fails when they should be.
func shared(t *testing.T, path string, into any) {
	t.Helper()
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not here")
	}
	b, err := os.ReadFile(filepath.Join(dir, path))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFromPostcodeToConfirmedAlerts(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get("/"), http.StatusOK, "Your postcode", "London Borough of Camden")
		s.expect(s.get("/near?postcode=nw18nh&radius=500"), http.StatusOK, "Planning near NW1 8NH", "12 Lamplighter Street", "120 m north-east",
			"Comment by 5 December 2026 (12 days left)", "The council has published no closing date for comments", "3 new applications within 500 m")
		r := s.signUp("Jo.Bloggs@Example.org")
		s.expect(r, http.StatusSeeOther)
		if r.Header.Get("Location") != "/subscriptions/sent" {
			t.Errorf("sent on to %s", r.Header.Get("Location"))
		}
		s.expect(s.get("/subscriptions/sent"), http.StatusOK, "Check your e-mail", "/dev/mail")
		path := s.mailLink("/confirm/")
		s.expect(s.get(path), http.StatusOK, "Within 500 m of NW1 8NH", "Covered: London Borough of Camden")
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`); n != 0 {
			t.Fatalf("%d active before anybody pressed the button", n)
		}
		s.expect(s.confirm(path), http.StatusOK, "Your alerts are confirmed", "Within 500 m of NW1 8NH")
		s.expect(s.confirm(path), http.StatusOK, "Confirmed already")
		if n := s.count(`SELECT count(*) FROM consent WHERE method = 'confirm'`); n != 1 {
			t.Errorf("%d consents, want 1", n)
		}
	})
}

func TestConfirmPressedTwiceAtOnce(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.signUp("jo@example.org"), http.StatusSeeOther)
		path := s.mailLink("/confirm/")
		version := hiddenVersion.FindStringSubmatch(s.get(path).Body)[1]
		answers := make(chan reply, 5)
		for range cap(answers) {
			go func() { answers <- s.post(path, "version", version) }()
		}
		for range cap(answers) {
			s.expect(<-answers, http.StatusOK, "Your alerts are confirmed")
		}
		if n := s.count(`SELECT count(*) FROM consent WHERE method = 'confirm'`); n != 1 {
			t.Errorf("%d consents, want 1", n)
		}
	})
}

func TestTellMeWhenItIsCovered(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.post("/subscriptions", "postcode", "N1C 4AG", "radius", "1000", "frequency", "daily", "email", "jo@example.org"), http.StatusSeeOther)
		path := s.mailLink("/confirm/")
		s.expect(s.get(path), http.StatusOK, "Covered: London Borough of Camden", "Not covered yet: Islington", "Write once when Islington is covered")
		version := hiddenVersion.FindStringSubmatch(s.get(path).Body)[1]
		s.expect(s.post(path, "version", version, "tell", "E09000019", "tell", "E00000000"), http.StatusOK)
		if n := s.count(`SELECT count(*) FROM coverage_wish`); n != 1 {
			t.Errorf("%d wishes, want the one for the district that the area touches", n)
		}
	})
}

func TestTheFormKeepsWhatWasTyped(t *testing.T) {
	eachSite(t, func(s *site) {
		r := s.post("/subscriptions", "postcode", "NW1 8NH", "radius", "2000", "frequency", "weekly", "kinds", "trees", "kinds", "use", "email", "jo@example")
		s.expect(r, http.StatusUnprocessableEntity, "Please check the form", "Enter an e-mail address like name@example.org",
			`value="jo@example"`, `value="2000" checked`, `value="weekly" checked`, `value="trees" checked`, `value="use" checked`, `aria-describedby="email-error"`)
		r = s.post("/subscriptions", "postcode", "NW1 8NH", "radius", "1", "email", `"><script>x</script>@example.org`)
		s.expect(r, http.StatusUnprocessableEntity, "Choose a distance between 50 m and 10 km", "Choose how often you want to hear from us")
		if strings.Contains(r.Body, "<script>") {
			t.Error("what was typed is not escaped")
		}
		s.expect(s.post("/subscriptions", "postcode", "nonsense", "email", "jo@example.org"), http.StatusUnprocessableEntity, "NONSENSE is not a postcode")
		if n := s.count(`SELECT count(*) FROM recipient`); n != 0 {
			t.Errorf("%d people stored", n)
		}
	})
}

func TestTheSameAnswerWhateverIsKnownOfAnAddress(t *testing.T) {
	eachSite(t, func(s *site) {
		s.subscribed("active@example.org")
		s.expect(s.signUp("pending@example.org"), http.StatusSeeOther)
		s.subscribed("never@example.org")
		id := s.count(`SELECT id FROM recipient WHERE address = 'never@example.org'`)
		s.expect(s.post("/never/"+s.server.Keys.Sign("never", fmt.Sprint(id))), http.StatusOK, "never write to this address again")
		s.server.Limits.SignUpsPerClientHour = 1000
		type seen struct {
			status         int
			location, body string
		}
		ask := func(path string, values ...string) seen {
			r := s.post(path, values...)
			return seen{r.StatusCode, r.Header.Get("Location"), r.Body}
		}
		var first, firstLink seen
		for i, who := range []string{"new", "active", "pending", "never", "pending"} {
			s.advance(time.Minute)
			got := ask("/subscriptions", "postcode", "NW1 8NH", "radius", "500", "frequency", "daily", "email", who+"@example.org")
			link := ask("/links", "email", who+"@example.org")
			if i == 0 {
				first, firstLink = got, link
			}
			if got != first || link != firstLink {
				t.Errorf("%s: %+v and %+v, but a new address %+v and %+v", who, got, link, first, firstLink)
			}
		}
		if first.status != http.StatusSeeOther || firstLink.status != http.StatusSeeOther {
			t.Errorf("answers %d and %d, want 303", first.status, firstLink.status)
		}
	})
}

func TestOneClientIsHeldBack(t *testing.T) {
	eachSite(t, func(s *site) {
		for i := range 10 {
			s.expect(s.signUp(fmt.Sprintf("p%d@example.org", i)), http.StatusSeeOther)
		}
		r := s.signUp("p10@example.org")
		s.expect(r, http.StatusTooManyRequests, "Please try again in an hour")
		if r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
}

func TestRobotsThatFillEverythingAreNotStored(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.post("/subscriptions", "postcode", "NW1 8NH", "radius", "500", "frequency", "daily", "email", "bot@example.org", "website", "https://spam.example"), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM recipient`); n != 0 {
			t.Errorf("%d stored", n)
		}
	})
}

func TestEmailCorpusAtTheForm(t *testing.T) {
	var corpus struct {
		Cases []struct{ In, Verdict string }
	}
	shared(t, "delivery/corpora/email_addresses.json", &corpus)
	eachSite(t, func(s *site) {
		s.server.Limits.SignUpsPerClientHour = 1000
		for _, c := range corpus.Cases {
			want := http.StatusSeeOther
			if c.Verdict == "reject" {
				want = http.StatusUnprocessableEntity
			}
			if r := s.signUp(c.In); r.StatusCode != want {
				t.Errorf("%q: status %d, want %d", c.In, r.StatusCode, want)
			}
		}
		if n := s.count(`SELECT count(*) FROM recipient WHERE address LIKE '%victim%'`); n != 0 {
			t.Error("a header was injected")
		}
	})
}

func TestPostcodesThatCannotBeUsed(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, c := range []struct {
			postcode string
			status   int
			want     []string
		}{
			{"", 422, []string{"Enter a postcode"}},
			{"xyz", 422, []string{"XYZ is not a postcode"}},
			{"NWI 8NH", 422, []string{"Did you mean", "NW1 8NH"}},
			{"NW1", 422, []string{"only the beginning of a postcode"}},
			{"E1 6", 422, []string{"only the beginning of a postcode"}},
			{"NW1 9ZZ", 422, []string{"We do not know the postcode NW1 9ZZ"}},
			{"BFPO 57", 422, []string{"forces address"}},
			{"JE2 3AB", 422, []string{"latitude and longitude", "Jersey"}},
			{"NW1 1XX", 422, []string{"was closed in May 2019", "Use the last place of NW1 1XX"}},
			{"NW1 1XX&closed=yes", 200, []string{"was closed in May 2019", "last place", "Planning near NW1 1XX"}},
			{"nw1\u00a08nh", 200, []string{"Planning near NW1 8NH"}},
		} {
			r := s.do(s.request(http.MethodGet, "/near?postcode="+strings.ReplaceAll(c.postcode, " ", "+"), nil))
			s.expect(r, c.status, c.want...)
			if c.status == 422 && (!strings.Contains(r.Body, `id="postcode-error"`) || !strings.Contains(r.Body, `aria-invalid="true"`)) {
				t.Errorf("%q: the problem is not beside the field", c.postcode)
			}
			if strings.Contains(strings.ToLower(r.Body), "pin on the map") {
				t.Errorf("%q: there is no map to place a pin on", c.postcode)
			}
		}
	})
}

func TestPlacesByLatitudeAndLongitude(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get("/near?lat=51.5397&lon=-0.1425"), http.StatusOK, "Planning near 51.53970, -0.14250", "12 Lamplighter Street")
		s.expect(s.get("/near?lat=51.5397%2C+-0.1425"), http.StatusOK, "12 Lamplighter Street")
		s.expect(s.get("/near?lat=-0.1425&lon=51.5397"), 422, "seem to be swapped")
		s.expect(s.get("/near?lat=NaN&lon=1"), 422, "as numbers")
		s.expect(s.get("/near?lat=1e999&lon=1"), 422, "as numbers")
		s.expect(s.get("/near?lat=0&lon=0"), 422, "outside the United Kingdom")
		s.expect(s.get("/near"), 422, "Enter a postcode")
		s.server.Postcodes = nil
		s.expect(s.get("/"), http.StatusOK, "no table of postcodes yet", "Latitude")
		s.expect(s.get("/near?postcode=NW1+8NH"), 422, "no table of postcodes")
		s.expect(s.get("/near?lat=51.5397&lon=-0.1425"), http.StatusOK, "12 Lamplighter Street", "London Borough of Camden")
	})
}

func TestManageFromTheLink(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		s.expect(s.post("/links", "email", " JO@example.org "), http.StatusSeeOther)
		path := s.mailLink("/manage/")
		sub := s.count(`SELECT id FROM subscription`)
		area := fmt.Sprintf("%s/areas/%d", path, sub)
		s.expect(s.get(path), http.StatusOK, "jo@example.org", "Within 500 m of NW1 8NH", "All kinds of application", "Once a day", "until the end of 24 November 2026")

		s.expect(s.post(area, "radius", "2000", "frequency", "weekly", "kinds", "trees", "label", "home <b>"), http.StatusSeeOther)
		s.expect(s.get(path+"?done=edited"), http.StatusOK, "Within 2 km of home <b>", "Only trees", "Once a week", "Your change has been saved")
		s.expect(s.post(area, "radius", "7", "frequency", "hourly"), 422, "Choose a distance", "Choose how often")
		s.expect(s.post(area+"/pause", "until", "yesterday"), 422, "Enter a date like 2026-12-07")
		s.expect(s.post(area+"/pause", "until", "2026-11-23"), 422, "Choose a day after today")
		s.expect(s.post(area+"/pause", "until", "2026-12-01"), http.StatusSeeOther)
		s.expect(s.get(path), http.StatusOK, "Paused until 1 December 2026")
		s.expect(s.post(area+"/resume"), http.StatusSeeOther)
		s.expect(s.post(area+"/pause", "until", ""), http.StatusSeeOther)
		s.expect(s.get(path), http.StatusOK, "Paused until you resume it")
		s.expect(s.post(area+"/resume"), http.StatusSeeOther)

		s.expect(s.post(path+"/areas", "postcode", "N1C 4AG", "radius", "500", "frequency", "daily"), http.StatusSeeOther)
		s.expect(s.post(path+"/areas", "postcode", "n1c4ag", "radius", "200", "frequency", "daily"), 422, "You already follow this area")
		s.expect(s.post(path+"/areas", "postcode", "", "radius", "200", "frequency", "daily"), 422, "Enter a postcode")
		s.expect(s.get(path), http.StatusOK, "Within 500 m of N1C 4AG", "Islington")

		r := s.get(path + "/data.json")
		var data struct {
			Address string
			Areas   []struct{ State string }
		}
		if err := json.Unmarshal([]byte(r.Body), &data); err != nil || data.Address != "jo@example.org" || len(data.Areas) != 2 {
			t.Errorf("own data: %v\n%s", err, r.Body)
		}

		r = s.post(area + "/stop")
		s.expect(r, http.StatusSeeOther)
		s.expect(s.get(r.Header.Get("Location")), http.StatusOK, "Take up “within 2 km of home <b>” again")
		s.expect(s.post(area+"/undo"), http.StatusSeeOther)
		s.expect(s.get(path), http.StatusOK, "Within 2 km of home <b>")

		other := s.subscribed("other@example.org")
		foreign := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", other))
		for _, action := range []string{"", "/pause", "/stop"} {
			s.expect(s.post(fmt.Sprintf("%s/areas/%d%s", foreign, sub, action), "radius", "500", "frequency", "daily"), http.StatusNotFound)
		}

		s.expect(s.post(path+"/erase"), 422, "Tick the box")
		s.expect(s.post(path+"/erase", "sure", "yes"), http.StatusOK, "Everything has been erased")
		s.expect(s.get(path), http.StatusOK, "Nothing is kept about you")
		s.expect(s.post(path+"/erase", "sure", "yes"), http.StatusOK)
		if strings.Contains(s.engine.Dump(t, s.db), "jo@example.org") {
			t.Error("the address is still kept")
		}
		for _, late := range []struct{ path, want string }{
			{"/u/" + s.server.Keys.Sign("unsubscribe", fmt.Sprintf("%d:weekly", id)), "Already stopped"},
			{"/stop/" + s.server.Keys.Sign("stop", fmt.Sprint(sub)), "Already stopped"},
		} {
			s.expect(s.get(late.path), http.StatusOK, late.want)
			s.expect(s.post(late.path), http.StatusOK, late.want)
			s.expect(s.post(late.path+"/undo"), http.StatusOK, late.want)
		}
	})
}

func TestOneClickStopsAllThatAMailServed(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		path := "/u/" + s.server.Keys.Sign("unsubscribe", fmt.Sprintf("%d:daily,weekly", id)) // of a mail that served both
		s.expect(s.get(path), http.StatusOK, "Stop these alerts?", "daily and weekly alerts", "Within 500 m of NW1 8NH")
		multipart := "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
		for i, c := range []struct{ name, kind, body, origin, site string }{
			{"urlencoded", "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", "", ""},
			{"multipart", "multipart/form-data; boundary=x", multipart, "", ""},
			{"from webmail", "multipart/form-data; boundary=x", multipart, "https://mail.example", "cross-site"},
			{"no body", "", "", "", ""},
			{"nonsense", "text/plain", "\x00\xff", "null", ""},
		} {
			r := s.request(http.MethodPost, path, nil)
			r.Body, r.ContentLength = http.NoBody, 0
			if c.body != "" {
				r, _ = http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(c.body))
			}
			r.Header = http.Header{"Content-Type": {c.kind}}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			want := "Already stopped"
			if i == 0 {
				want = "Your alerts have been stopped"
			}
			s.expect(s.do(r), http.StatusOK, want)
		}
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'ended'`); n != 1 {
			t.Errorf("%d ended, want 1", n)
		}
		s.expect(s.post(path+"/undo"), http.StatusOK, "You follow this again")
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`); n != 1 {
			t.Errorf("%d active after the undo, want 1", n)
		}
	})
}

func TestStopOneOfTwoAreas(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		link := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		s.expect(s.post(link+"/areas", "postcode", "N1C 4AG", "radius", "500", "frequency", "daily"), http.StatusSeeOther)
		first := s.count(`SELECT min(id) FROM subscription`)
		path := "/stop/" + s.server.Keys.Sign("stop", fmt.Sprint(first))
		s.expect(s.get(path), http.StatusOK, "no more alerts about within 500 m of NW1 8NH")
		s.expect(s.post(path), http.StatusOK, "have been stopped")
		s.expect(s.post(path), http.StatusOK, "Already stopped")
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`); n != 1 {
			t.Errorf("%d active, want the other one", n)
		}
		s.expect(s.post(path+"/undo"), http.StatusOK, "You follow this again")
	})
}

func TestLinksThatAreNotOurs(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		k := s.server.Keys
		manage := k.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		before := s.engine.Dump(t, s.db)
		for _, c := range []struct {
			name, path string
			status     int
		}{
			{"forged", "/manage/k1.MToyMDI2LTEyLTAx.AAAA", 404},
			{"altered", "/manage/" + manage[:len(manage)-2] + "AA", 404},
			{"cut short", "/manage/" + manage[:len(manage)-6], 404},
			{"for another purpose", "/manage/" + k.Sign("unsubscribe", fmt.Sprintf("%d:2026-12-01", id)), 404},
			{"for another purpose", "/u/" + manage, 404},
			{"for another purpose", "/stop/" + k.Sign("unsubscribe", fmt.Sprint(id)), 404},
			{"for another purpose", "/never/" + k.Sign("stop", fmt.Sprint(id)), 404},
			{"another key", "/u/" + func() string {
				other, _ := alerts.ParseKeys(alerts.NewKeys())
				return other.Sign("unsubscribe", fmt.Sprintf("%d:daily", id))
			}(), 404},
			{"300 years old", "/manage/" + k.Sign("manage", fmt.Sprintf("%d:1726-11-23", id)), 410},
			{"yesterday's", "/manage/" + k.Sign("manage", fmt.Sprintf("%d:2026-11-22", id)), 410},
			{"without a day", "/manage/" + k.Sign("manage", fmt.Sprint(id)), 404},
			{"without a person", "/manage/" + k.Sign("manage", ":2026-12-01"), 404},
			{"unknown secret", "/confirm/" + alerts.NewSecret(), 404},
		} {
			s.expect(s.get(c.path), c.status)
			r := s.post(c.path + map[bool]string{true: "/erase", false: ""}[strings.HasPrefix(c.path, "/manage/")])
			if r.StatusCode != c.status {
				t.Errorf("POST to a link %s (%s): status %d, want %d", c.name, c.path, r.StatusCode, c.status)
			}
		}
		if s.engine.Dump(t, s.db) != before {
			t.Error("a link that is not ours changed something")
		}
		s.expect(s.get("/manage/"+k.Sign("manage", fmt.Sprintf("%d:1726-11-23", id))), 410, "This link has expired", "Send me a link")
		// Links that stop mail do not age.
		s.advance(100 * 365 * 24 * time.Hour)
		s.expect(s.post("/u/"+k.Sign("unsubscribe", fmt.Sprintf("%d:daily", id))), http.StatusOK, "have been stopped")
	})
}

func TestExpiredConfirmation(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.signUp("jo@example.org"), http.StatusSeeOther)
		path := s.mailLink("/confirm/")
		s.advance(alerts.ConfirmFor)
		s.expect(s.get(path), http.StatusGone, "This link has expired", "sign up again")
		s.expect(s.post(path, "version", "1"), http.StatusGone)
	})
}
