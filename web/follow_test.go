package web_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/sitenotice/sitenotice/alerts"
)

const lamplighter = "/applications/camden/2026%2F0001%2FP"

func TestAskedForFollowingOneApplication(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get(lamplighter), http.StatusOK, "Follow this application", "5 December 2026", "Last day to comment", "to come", lamplighter+"/deadline.ics")
		wrong := s.post(lamplighter+"/follow", "email", "jo@")
		s.expect(wrong, http.StatusUnprocessableEntity, "Enter an e-mail address like name@example.org", `value="jo@"`)
		if r := s.post(lamplighter+"/follow", "email", "jo@example.org"); r.StatusCode != http.StatusSeeOther {
			t.Fatalf("following answers %d", r.StatusCode)
		}
		s.expect(s.get(s.mailLink("/confirm/")), http.StatusOK, "About the application 2026/0001/P, 12 Lamplighter Street", "As it happens")
		s.confirm(s.mailLink("/confirm/"))
		if n := s.count(`SELECT count(*) FROM subscription_version v JOIN subscription s ON s.version_id = v.id WHERE v.area = 'application' AND v.code = '1' AND v.cadence = 'immediate' AND s.state = 'active'`); n != 1 {
			t.Errorf("%d subscriptions follow it", n)
		}
		if n := s.count(`SELECT count(*) FROM subscription_scope WHERE key = 'application:1'`); n != 1 {
			t.Errorf("%d keys lead to who follows it", n)
		}
		s.expect(s.get("/applications/camden/2025%2F9000%2FT"), http.StatusOK, "nothing more to follow: it was withdrawn on 1 July 2025")
	})
}

// What ends a case ends what follows it, once it has been told; and one that goes on
// does not.
func TestWhatFollowsACaseEndsItself(t *testing.T) {
	eachSite(t, func(s *site) {
		s.post(lamplighter+"/follow", "email", "jo@example.org")
		s.confirm(s.mailLink("/confirm/"))
		s.exec(`UPDATE delivery SET state = 'sent'`)
		end := func() int {
			t.Helper()
			n, err := s.store.EndFollowed(t.Context(), 50, s.server.Now(), func(e alerts.FollowEnd) (alerts.Delivery, error) {
				return mailOf("Last mail", "It has come to its end: "+e.Why.String()+", said to "+e.Recipient.Address), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		set := func(change func(d *alerts.Details)) {
			t.Helper()
			d := s.details(1)
			change(&d)
			s.exec(`UPDATE application SET details = $1 WHERE id = 1`, jsonOf(t, d))
		}
		if n := end(); n != 0 {
			t.Fatalf("%d ended of a case that is open", n)
		}
		set(func(d *alerts.Details) {
			d.Status, d.Decision, d.Decided = alerts.StatusDecided, alerts.DecisionRefused, "2026-11-23"
		})
		if n := end(); n != 0 {
			t.Fatalf("%d ended on the day of the decision", n)
		}
		s.advance(5 * 31 * 24 * time.Hour)
		set(func(d *alerts.Details) { d.AppealLodged, d.Status = "2027-04-01", alerts.StatusAppealLodged })
		s.advance(24 * 31 * 24 * time.Hour)
		if n := end(); n != 0 {
			t.Fatalf("%d ended while an appeal is under way", n)
		}
		set(func(d *alerts.Details) {
			d.AppealDecided, d.AppealDecision, d.Status = "2029-01-05", alerts.AppealDismissed, alerts.StatusAppealDecided
		})
		// Its last news is owed: the end waits for it.
		s.exec(`INSERT INTO match (version_id, seq, recipient_id) SELECT id, 0, recipient_id FROM subscription_version WHERE area = 'application'`)
		if n := end(); n != 0 {
			t.Fatalf("%d ended before its last news was told", n)
		}
		s.exec(`UPDATE match SET closed = 'told'`)
		if n := end(); n != 1 {
			t.Fatalf("%d ended after the appeal was decided", n)
		}
		if got := s.lastMail(); !strings.Contains(got, "its appeal was decided on 5 January 2029, said to jo@example.org") {
			t.Errorf("the last mail says %q", got)
		}
		if n := end(); n != 0 {
			t.Errorf("%d ended twice", n)
		}
		if n := s.count(`SELECT count(*) FROM subscription WHERE state = 'ended'`); n != 1 {
			t.Errorf("%d are ended", n)
		}
	})
}

var codeShape = regexp.MustCompile(`viewBox="0 0 (\d+) \d+" role="img" aria-label="Code[^>]*>.*?<path d="([^"]+)"`)

// The code on the notice is read by somebody else's reader, from the picture that the
// page draws, and leads to the application.
func TestTheCodeOnTheNoticeLeadsToTheApplication(t *testing.T) {
	eachSite(t, func(s *site) {
		r := s.get(lamplighter + "/notice")
		s.expect(r, http.StatusOK, "12 Lamplighter Street", "Comment by 5 December 2026", "This sheet is not the council’s own notice", "planning.camden.example/2026-0001/comment")
		m := codeShape.FindStringSubmatch(r.Body)
		if m == nil {
			t.Fatal("there is no code")
		}
		var size int
		fmt.Sscan(m[1], &size)
		const scale = 6
		picture := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
		for i := range picture.Pix {
			picture.Pix[i] = 255
		}
		for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1`).FindAllStringSubmatch(m[2], -1) {
			var x, y, n int
			fmt.Sscan(run[1], &x)
			fmt.Sscan(run[2], &y)
			fmt.Sscan(run[3], &n)
			for px := x * scale; px < (x+n)*scale; px++ {
				for py := y * scale; py < (y+1)*scale; py++ {
					picture.Set(px, py, color.Black)
				}
			}
		}
		bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
		if err != nil {
			t.Fatal(err)
		}
		read, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
		if err != nil {
			t.Fatalf("the code cannot be read: %v", err)
		}
		if got, want := read.GetText(), s.url+"/a/1"; got != want {
			t.Fatalf("the code says %q, want %q", got, want)
		}
		if l := s.get(read.GetText()).Header.Get("Location"); l != lamplighter+"#follow" {
			t.Errorf("it leads to %q", l)
		}
		s.expect(s.get("/a/99999"), http.StatusNotFound)
		s.expect(s.get("/a/99999999999999999999"), http.StatusNotFound)
	})
}

func TestAClosingDateGoesIntoTheCalendar(t *testing.T) {
	eachSite(t, func(s *site) {
		r := s.get(lamplighter + "/deadline.ics")
		s.expect(r, http.StatusOK, "DTSTART;VALUE=DATE:20261205", "UID:comments-")
		s.expect(s.get("/applications/camden/2026%2F0002%2FP/deadline.ics"), http.StatusNotFound) // no date is published
		s.expect(s.get("/applications/camden/2026%2F0003%2FL/deadline.ics"), http.StatusNotFound) // decided
		if l := s.get("/applications/camden/2026%2F0001%2Fp/deadline.ics").Header.Get("Location"); l != lamplighter+"/deadline.ics" {
			t.Errorf("another spelling leads to %q", l)
		}
		s.expect(s.get(lamplighter+"/feature.geojson"), http.StatusOK, `"type":"Feature"`, `"reference":"2026/0001/P"`)
	})
}

func TestAskedForWhetherICanCommentAndByWhen(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get(lamplighter), http.StatusOK, "Comment by 5 December 2026 (12 days left), according to the council's register", "Comment on it there", "What counts in a comment", "Put the closing date in your calendar")
		s.expect(s.get("/near?postcode=NW1+8NH&radius=500"), http.StatusOK, "Comment by 5 December 2026 (12 days left)", "The council has published no closing date for comments")
		s.expect(s.get("/commenting"), http.StatusOK, "comment")
		undated := s.get("/applications/camden/2026%2F0002%2FP")
		s.expect(undated, http.StatusOK, "The council has published no closing date for comments")
		decided := s.get("/applications/camden/2026%2F0003%2FL")
		for _, words := range []string{"Comment by", "Comment on it there", "closing date in your calendar"} {
			if strings.Contains(undated.Body, "days left") || strings.Contains(decided.Body, words) {
				t.Errorf("a date of our own making, or one for what is decided: %q", words)
			}
		}
		s.advance(13 * 24 * time.Hour)
		closed := s.get(lamplighter)
		s.expect(closed, http.StatusOK, "Comments closed on 5 December 2026")
		if strings.Contains(closed.Body, "Put the closing date in your calendar") {
			t.Error("a date that has passed is offered for the calendar")
		}
	})
}

func TestWhyAndWhyNot(t *testing.T) {
	eachSite(t, func(s *site) {
		recipient := s.subscribed("jo@example.org")
		sub := int64(s.count(`SELECT id FROM subscription`))
		d := s.details(1)
		d.Description = "Two storey rear extension"
		s.exec(`UPDATE counter SET value = 1 WHERE name = 'event'`)
		s.addEvent(1, 2, alerts.EventAmended, ptr(s.details(1)), d)
		s.exec(`UPDATE event SET state = 'live', seq = 1 WHERE application_id = 1 AND version = 2`)
		s.exec(`UPDATE watermark SET position = 1, claimed = 1`)
		s.exec(`UPDATE subscription_version SET from_seq = 0`)
		s.exec(`INSERT INTO match (version_id, seq, recipient_id) SELECT id, 1, recipient_id FROM subscription_version`)
		path := s.server.Keys.WhyPath(sub, 1)
		yes := s.get(path)
		s.expect(yes, http.StatusOK, "Why this reached you", "12 Lamplighter Street", "Amended", "it is 120 m from NW1 8NH, within 500 m", "Sketch map around NW1 8NH")
		if got := yes.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("the page may be kept: %q", got)
		}
		s.advance(20 * 365 * 24 * time.Hour)
		s.expect(s.get(path), http.StatusOK, "Why this reached you")
		s.expect(s.get(s.server.Keys.WhyPath(sub, 4)), http.StatusOK, "Why this did not reach you", "Not told: the case was over")
		s.expect(s.get(path+"x"), http.StatusNotFound)
		s.expect(s.get("/why/"+s.server.Keys.Sign("manage", "1:1")), http.StatusNotFound)

		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2050-01-01", recipient)) + "/why"
		s.expect(s.get(manage), http.StatusOK, "Reference of the application")
		s.expect(s.get(manage+"?reference=2099%2F1"), http.StatusOK, "We know of no application with the reference “2099/1”")
		if l := s.get(manage + "?reference=2025+9000+t").Header.Get("Location"); l != s.server.Keys.WhyPath(sub, 4) {
			t.Errorf("a reference leads to %q", l)
		}
		if err := s.store.Erase(t.Context(), recipient, s.server.Now()); err != nil {
			t.Fatal(err)
		}
		gone := s.get(path)
		s.expect(gone, http.StatusOK, "Nothing is kept about this any more")
		if strings.Contains(gone.Body, "NW1") {
			t.Error("the place of somebody who was erased is shown")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if strings.Contains(s.log.String(), path) {
			t.Error("a token is in the log")
		}
	})
}

func TestThePageOfAnApplicationTellsWhatElseWasAppliedForThere(t *testing.T) {
	eachSite(t, func(s *site) {
		if strings.Contains(s.get(lamplighter).Body, "What else was applied for here") {
			t.Error("something is said to have been applied for before")
		}
		d := s.details(1)
		d.Reference, d.Description, d.Decision, d.Status = "2019/0001/P", "Roof terrace", alerts.DecisionRefused, alerts.StatusDecided
		d.Received = "2019-03-01"
		s.addApplication("camden", d)
		d.Reference, d.Description, d.Address = "2018/0007/P", "Two storey rear extension", "12 LAMPLIGHTER STREET, LONDON"
		s.addApplication("camden", d)
		d.Reference, d.Address = "2018/0008/P", "14 Lamplighter Street, London NW1 8NH" // next door
		s.addApplication("camden", d)
		page := s.get(lamplighter)
		s.expect(page, http.StatusOK, "What else was applied for here", "2 others here: 2 refused", "2019/0001/P", "Roof terrace", "2018/0007/P", "received 1 March 2019")
		if strings.Contains(page.Body, "2018/0008/P") {
			t.Error("what the neighbours applied for is taken for the same site")
		}
		s.exec(`UPDATE application SET hidden = TRUE WHERE reference = '2019/0001/P'`)
		s.expect(s.get(lamplighter), http.StatusOK, "1 other here: 1 refused")
	})
}

// postFrom posts as a visitor from another address, as a proxy tells it.
func (s *site) postFrom(address, path string) reply {
	s.Helper()
	s.server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	r := s.request(http.MethodPost, path, nil)
	r.Header.Set("X-Forwarded-For", address)
	return s.do(r)
}

func TestSayingThatAPlaceIsWrong(t *testing.T) {
	eachSite(t, func(s *site) {
		recipient := s.subscribed("jo@example.org")
		why := s.server.Keys.WhyPath(int64(s.count(`SELECT id FROM subscription`)), 1)
		reports := func() int { return s.count(`SELECT count(*) FROM place_report`) }
		s.expect(s.get(lamplighter), http.StatusOK, "Wrong place?", "This is the wrong place")
		s.expect(s.get(why), http.StatusOK, "Wrong place?", why+"/place")
		for _, path := range []string{lamplighter + "/place", why + "/place"} {
			s.expect(s.get(path), http.StatusMethodNotAllowed)
		}
		s.expect(s.post(lamplighter+"/place", "website", "x"), http.StatusSeeOther) // a machine
		if n := reports(); n != 0 {
			t.Fatalf("%d reports before anybody made one", n)
		}
		first := s.postFrom("203.0.113.1", why+"/place")
		s.expect(first, http.StatusSeeOther)
		s.expect(s.get(first.Header.Get("Location")), http.StatusOK, "Thank you. When 3 people say so")
		s.expect(s.postFrom("203.0.113.9", why+"/place"), http.StatusSeeOther)         // the same person elsewhere
		s.expect(s.postFrom("203.0.113.1", lamplighter+"/place"), http.StatusSeeOther) // and without the link
		s.expect(s.postFrom("203.0.113.2", lamplighter+"/place"), http.StatusSeeOther)
		if n := reports(); n != 2 {
			t.Fatalf("two people count for %d", n)
		}
		if n := s.count(`SELECT count(*) FROM place_check`); n != 0 {
			t.Fatal("disputed on the word of two")
		}
		s.expect(s.postFrom("203.0.113.3", lamplighter+"/place"), http.StatusSeeOther)
		s.expect(s.get(lamplighter), http.StatusOK, "Several people have told us that this application is not where the map shows it")
		s.expect(s.get(why), http.StatusOK, "Several people have told us")
		if n := s.count(`SELECT count(*) FROM place_report WHERE client LIKE '%203%' OR client NOT LIKE '___________________________________________'`); n != 0 {
			t.Error("where reports came from is kept")
		}
		for range 2 {
			s.postFrom("203.0.113.3", lamplighter+"/place")
		}
		s.expect(s.postFrom("203.0.113.3", lamplighter+"/place"), http.StatusSeeOther)
		s.expect(s.postFrom("203.0.113.3", lamplighter+"/place"), http.StatusSeeOther)
		s.expect(s.postFrom("203.0.113.3", lamplighter+"/place"), http.StatusTooManyRequests)
		own, err := s.store.Personal(t.Context(), recipient)
		if err != nil || len(own.Places) != 1 || own.Places[0].Reference != "2026/0001/P" {
			t.Errorf("not in the person's own copy: %+v (%v)", own.Places, err)
		}
		ref := alerts.Ref{Authority: "camden", Number: "2026/0001/P"}
		if _, _, err := s.store.DecidePlace(t.Context(), ref, alerts.PlaceDecision{State: alerts.PlaceDropped}, alerts.Act{}, s.server.Now()); err != nil {
			t.Fatal(err)
		}
		dropped := s.get(lamplighter)
		s.expect(dropped, http.StatusOK, "was found to be wrong on 23 November 2026", "so the application is on no map")
		if strings.Contains(dropped.Body, "Wrong place?") || strings.Contains(dropped.Body, "The council has published no position") {
			t.Error("a place that was dropped can be doubted, or is said never to have been published")
		}
	})
}

func ptr[T any](v T) *T { return &v }

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
