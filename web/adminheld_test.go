package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

func (s *site) released() int {
	return s.count(`SELECT count(*) FROM event WHERE state = 'live' AND application_id IN (1, 2)`)
}

func TestHeldNewsIsShownAndReleased(t *testing.T) {
	eachSite(t, func(s *site) {
		s.subscribed("jo@example.org")
		s.hold()
		s.exec(`UPDATE application SET details = replace(details, '2026-10-30', '2026-08-30') WHERE id = 2`)
		op := s.operator("op@example.org", alerts.RoleOwner)
		op.expect(op.get("/admin/feeds/camden"), http.StatusOK, "It would tell 1 person about 2 applications; 1 of them is over 60 days old.", "2026/0001/P", "Coalwharf Yard", "12 November 2026")
		op.expect(op.decide("release", ""), http.StatusUnprocessableEntity, "Say why, for the record")
		op.expect(op.decide("release", "asked by jo@example.org"), http.StatusUnprocessableEntity, "Leave addresses out")
		if s.released() != 0 {
			t.Fatal("released without a reason")
		}
		r := op.decide("release", "the council moved to another system")
		op.expect(r, http.StatusSeeOther)
		if s.released() != 2 || s.count(`SELECT count(*) FROM held_request`) != 0 {
			t.Errorf("%d live events", s.released())
		}
		op.expect(op.get(r.Header.Get("Location")), http.StatusOK, "Released: what was held is on its way", "Released held news: 1 person, 2 applications", "the council moved to another system", "op@example.org")
		if s.count(`SELECT count(*) FROM act WHERE kind = 'feed' AND who LIKE 'account %' AND subject = 'feed camden'`) != 1 {
			t.Error("the release is not in the record")
		}
		s.expect(op.post("/admin/feeds/camden/release", "reason", "again", "last", "2", "events", "2"), http.StatusConflict)
	})
}

func TestHeldNewsIsDiscarded(t *testing.T) {
	eachSite(t, func(s *site) {
		s.hold()
		contact := s.contact("planning@camden.example")
		contact.expect(contact.decide("discard", "a test of ours"), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM event WHERE state = 'silenced' AND application_id IN (1, 2)`); n != 2 || s.released() != 0 {
			t.Errorf("%d silenced", n)
		}
		if s.acts("discarded held news", "feed camden") != 1 {
			t.Error("the record lacks it")
		}
	})
}

// Above the threshold two different people have to want the same of the same news,
// within a day.
func TestASecondPersonMustAgree(t *testing.T) {
	eachSite(t, func(s *site) {
		s.server.SecondPersonAbove = 0
		s.subscribed("jo@example.org")
		s.hold()
		first, second := s.operator("first@example.org", alerts.RoleOwner), s.operator("second@example.org", alerts.RoleOwner)
		first.expect(first.get("/admin/feeds/camden"), http.StatusOK, "so two have to decide")

		r := first.decide("release", "I have looked")
		first.expect(r, http.StatusSeeOther)
		first.expect(first.get(r.Header.Get("Location")), http.StatusOK, "takes effect when a second person wants the same", "You asked for this to be released", "Somebody else has to want the same before 24 November 2026 at 09:30, London time")
		first.expect(first.get("/admin"), http.StatusOK, "a second person must agree")
		for range 2 {
			first.expect(first.decide("release", "I want it"), http.StatusSeeOther)
		}
		if s.released() != 0 || s.count(`SELECT count(*) FROM act WHERE subject = 'feed camden'`) != 1 || s.count(`SELECT count(*) FROM notice WHERE key = 'agree:camden' AND text LIKE '%/admin/feeds/camden'`) != 1 {
			t.Fatal("one person alone has released it, or nobody was asked to agree")
		}

		second.expect(second.get("/admin/feeds/camden"), http.StatusOK, "first@example.org asked for this to be released", "I have looked", "I agree: release it")
		second.expect(second.decide("discard", "no, tell nobody"), http.StatusSeeOther) // wants something else
		if s.released() != 0 || s.count(`SELECT count(*) FROM event WHERE state = 'held'`) != 2 {
			t.Fatal("two people who want different things have decided")
		}
		first.expect(first.decide("release", "I insist"), http.StatusSeeOther)
		s.advance(24 * time.Hour)
		first.signIn("first@example.org")
		second.signIn("second@example.org")
		second.expect(second.decide("release", "a day later"), http.StatusSeeOther)
		if s.released() != 0 {
			t.Fatal("a wish of yesterday still counts")
		}
		s.holdAgain(1, 5)
		first.expect(first.get("/admin/feeds/camden"), http.StatusOK, "so two have to decide")
		first.expect(first.decide("release", "there is more now"), http.StatusSeeOther)
		if s.released() != 0 {
			t.Fatal("agreed to what the other has not seen")
		}
		second.expect(second.decide("release", "I agree"), http.StatusSeeOther)
		if s.released() != 2 || s.count(`SELECT count(*) FROM event WHERE state = 'held'`) != 0 || s.count(`SELECT count(*) FROM notice WHERE key LIKE 'agree:%'`) != 0 {
			t.Errorf("%d live events", s.released())
		}
		if s.acts("released held news", "feed camden") != 1 || s.acts("asked for held news to be released", "feed camden") != 4 || s.acts("asked for held news to be discarded", "feed camden") != 1 {
			t.Error("the record differs from what was done")
		}
	})
}

// What came while somebody looked is neither released nor discarded with the rest.
func TestOnlyWhatWasSeenIsReleased(t *testing.T) {
	eachSite(t, func(s *site) {
		s.hold()
		op := s.operator("op@example.org", alerts.RoleOwner)
		page := heldFields.FindAllStringSubmatch(op.get("/admin/feeds/camden").Body, 2)
		s.holdAgain(3, 7)
		op.expect(op.post("/admin/feeds/camden/release", "reason", "looked", page[0][1], page[0][2], page[1][1], page[1][2]), http.StatusConflict, "This has changed meanwhile")
		if s.released() != 0 || s.count(`SELECT count(*) FROM act WHERE subject = 'feed camden'`) != 0 {
			t.Fatal("something was released")
		}
		hold, err := s.store.Hold(t.Context(), alerts.Feed{ID: int64(s.count(`SELECT id FROM feed`))})
		if err != nil || hold.Events != 3 {
			t.Fatal(hold, err)
		}
		if _, err := s.store.Release(t.Context(), alerts.Feed{ID: int64(s.count(`SELECT id FROM feed`)), Slug: "camden", HorizonDays: 90}, hold.Last-1, s.now); err != nil {
			t.Fatal(err)
		}
		if s.released() != 2 || s.count(`SELECT count(*) FROM event WHERE state = 'held'`) != 1 {
			t.Errorf("%d live, %d held", s.released(), s.count(`SELECT count(*) FROM event WHERE state = 'held'`))
		}
	})
}

// The contact of a register sees how it is and what was left out, and learns from no
// number whether anybody follows one place.
func TestAFeedContactLooksAfterTheirRegister(t *testing.T) {
	eachSite(t, func(s *site) {
		for i := range 12 {
			s.server.Limits.SignUpsPerClientHour = 1000
			s.subscribed(fmt.Sprintf("jo%d@example.org", i))
		}
		s.hold()
		run := s.count(`SELECT max(id) FROM run`)
		s.exec(`UPDATE run SET quarantined = 1, rows_read = 9 WHERE id = $1`, run)
		s.exec(`INSERT INTO quarantine (run_id, ord, line, column_name, value, reason) VALUES ($1, 1, 7, 'received', '31/02/2026', 'this is no date')`, run)
		contact := s.contact("planning@camden.example")
		r := contact.get("/admin/feeds/camden")
		contact.expect(r, http.StatusOK, "It would tell about 10 people about 2 applications", "this is no date", "31/02/2026", "Your account")
		if strings.Contains(r.Body, "12 people") || strings.Contains(r.Body, `href="/admin"`) || strings.Contains(r.Body, "/admin/trail") {
			t.Error("the contact sees what is not theirs")
		}
		contact.expect(contact.decide("release", "checked at the council"), http.StatusSeeOther)
		if s.released() != 2 {
			t.Errorf("%d live events", s.released())
		}
	})
}

// What cannot be taken back needs a sign-in of the last half hour.
func TestWhatCannotBeTakenBackNeedsARecentSignIn(t *testing.T) {
	eachSite(t, func(s *site) {
		person := s.subscribed("jo@example.org")
		s.hold()
		op := s.operator("op@example.org", alerts.RoleOwner)
		s.advance(31 * time.Minute)
		erase := fmt.Sprintf("/admin/people/%d/erase", person)
		op.expect(op.post(fmt.Sprintf("/admin/people/%d/open", person), "reason", "asked by phone"), http.StatusSeeOther)
		for path, do := range map[string]func() reply{
			fmt.Sprintf("/admin/people/%d", person): func() reply { return op.post(erase, "sure", "yes") },
			"/admin/feeds/camden":                   func() reply { return op.decide("release", "looked") },
		} {
			r := do()
			op.expect(r, http.StatusForbidden, "Please sign in again", "op@example.org", `name="to" value="`+path+`"`)
		}
		op.expect(op.decide("discard", "looked"), http.StatusForbidden, "Please sign in again")
		if s.released() != 0 || s.count(`SELECT count(*) FROM recipient WHERE address = 'jo@example.org'`) != 1 || s.count(`SELECT count(*) FROM event WHERE state = 'held'`) != 2 {
			t.Fatal("done all the same")
		}
		op.expect(op.post("/sign-in", "email", "op@example.org", "to", fmt.Sprintf("/admin/people/%d", person)), http.StatusSeeOther)
		r := op.post(op.mailLink("/sign-in/"))
		if to := r.Header.Get("Location"); to != fmt.Sprintf("/admin/people/%d", person) {
			t.Errorf("signing in again leads to %s", to)
		}
		op.expect(op.post(erase, "sure", "yes"), http.StatusSeeOther)
		op.expect(op.decide("release", "looked"), http.StatusSeeOther)
		if s.released() != 2 || s.count(`SELECT count(*) FROM recipient WHERE address = 'jo@example.org'`) != 0 {
			t.Error("not done after signing in again")
		}
	})
}
