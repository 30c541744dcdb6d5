package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestAPageListsAllThatALongMailTells(t *testing.T) {
	eachSite(t, func(s *site) {
		recipient := s.subscribed("jo@example.org")
		var version, application int64
		for _, q := range []struct {
			query string
			to    *int64
		}{{`SELECT min(id) FROM subscription_version`, &version}, {`SELECT min(id) FROM application WHERE NOT hidden`, &application}} {
			if err := s.db.QueryRow(q.query).Scan(q.to); err != nil {
				t.Fatal(err)
			}
		}
		s.exec(`INSERT INTO delivery (kind, recipient_id, state, priority, message_id, subject, text, html, next_at, created_at) VALUES ('alert', $1, 'sent', 10, 'long@mail', 'x', 'x', '', 0, 0)`, recipient)
		const news = 230
		for i := range news {
			s.exec(`INSERT INTO event (seq, application_id, version, type, state, at, run_id, after) SELECT $1, id, $2, 'amended', 'live', 0, 1, details FROM application WHERE id = $3`, 10_000+i, 1000+i, application)
			s.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) SELECT $1, $2, $3, id FROM delivery WHERE message_id = 'long@mail'`, version, 10_000+i, recipient)
		}
		listed, pages := 0, 0
		path := "/told/" + s.server.Keys.Sign("told", "long@mail")
		for path != "" && pages < 5 {
			r := s.get(path)
			s.expect(r, http.StatusOK, "Your mail told of 1 application.")
			listed += strings.Count(r.Body, "<li><a href=")
			pages++
			_, next, ok := strings.Cut(r.Body, `<a href="/told/`)
			for ok && !strings.Contains(next[:strings.IndexByte(next, '"')], "after") {
				_, next, ok = strings.Cut(next, `<a href="/told/`)
			}
			if path = ""; ok {
				path = "/told/" + next[:strings.IndexByte(next, '"')]
			}
		}
		if listed != news || pages != 3 {
			t.Errorf("%d listed on %d pages, want %d on 3", listed, pages, news)
		}
		s.expect(s.get("/told/forged."+s.server.Keys.Sign("told", "long@mail")[5:]), http.StatusNotFound)
		s.expect(s.get("/told/"+s.server.Keys.Sign("stop", "long@mail")), http.StatusNotFound)
		if err := s.store.Erase(t.Context(), recipient, s.now); err != nil {
			t.Fatal(err)
		}
		s.expect(s.get("/told/"+s.server.Keys.Sign("told", "long@mail")), http.StatusOK, "Nothing is kept of this mail any more")
	})
}

func TestAClosingDateGoesIntoACalendar(t *testing.T) {
	eachSite(t, func(s *site) {
		d := s.details(1)
		d.Reference, d.CommentsUntil, d.Address, d.Description = "26/9/X", "2026-12-31", "1 Mill Lane; BEGIN:VEVENT, London", strings.Repeat("Söme länge text, ", 40)+"\nEND:VCALENDAR"
		d.Status, d.Decision, d.Decided, d.Withdrawn = alerts.StatusPending, "", "", ""
		s.addApplication("camden", d)
		r := s.get("/applications/camden/26%2F9%2FX/deadline.ics")
		s.expect(r, http.StatusOK, "DTSTART;VALUE=DATE:20261231", "DTEND;VALUE=DATE:20270101", `SUMMARY:Last day to comment: 1 Mill Lane\; BEGIN:VEVENT\, London`)
		if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/calendar") {
			t.Error(kind)
		}
		for _, line := range strings.Split(r.Body, "\r\n") {
			if len(line) > 75 {
				t.Errorf("a line of %d bytes: %s", len(line), line)
			}
		}
		if strings.Count(r.Body, "\nEND:VCALENDAR") != 1 || strings.Count(r.Body, "\nBEGIN:VEVENT") != 1 {
			t.Errorf("what the feed says forges lines:\n%s", r.Body)
		}
		d.Reference, d.Decision = "26/10/X", alerts.DecisionRefused
		s.addApplication("camden", d)
		s.expect(s.get("/applications/camden/26%2F10%2FX/deadline.ics"), http.StatusNotFound)
		s.expect(s.get("/applications/camden/none/deadline.ics"), http.StatusNotFound)
	})
}

func TestRemindersAndNotesAreChosenAndStoppedWithOneClick(t *testing.T) {
	eachSite(t, func(s *site) {
		recipient := s.subscribed("jo@example.org")
		manage := "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", recipient))
		preferences := func() alerts.Preferences {
			p, err := s.store.Preferences(t.Context(), recipient)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := preferences(); p != (alerts.Preferences{Notes: true}) {
			t.Errorf("at first %+v", p)
		}
		s.expect(s.post(manage+"/preferences", "remind", "5", "notes", "yes"), http.StatusSeeOther)
		s.expect(s.get(manage), http.StatusOK, `<option value="5" selected>5 days before</option>`)
		s.expect(s.post(manage+"/preferences", "remind", "4"), http.StatusUnprocessableEntity)
		s.expect(s.post(manage+"/preferences", "remind", "x"), http.StatusUnprocessableEntity)
		for _, extra := range []struct {
			name, words string
			on          func() bool
		}{{"reminders", "reminders of closing dates", func() bool { return preferences().Remind > 0 }}, {"notes", "notes about months without news", func() bool { return preferences().Notes }}} {
			link := "/u/" + s.server.Keys.Sign("unsubscribe", fmt.Sprintf("%d:%s", recipient, extra.name))
			s.expect(s.get(link), http.StatusOK, "Press the button, and you get no more "+extra.words)
			if !extra.on() {
				t.Fatalf("looking at the link stopped %s", extra.name)
			}
			s.expect(s.post(link, "List-Unsubscribe", "One-Click"), http.StatusOK, "You will get no more "+extra.words)
			if extra.on() {
				t.Errorf("%s go on", extra.name)
			}
			s.expect(s.post(link, "List-Unsubscribe", "One-Click"), http.StatusOK, "Already stopped")
			s.expect(s.post(link+"/undo"), http.StatusOK)
			if !extra.on() {
				t.Errorf("%s were not taken up again", extra.name)
			}
		}
		standing, err := s.store.Standing(t.Context(), recipient)
		if err != nil || len(standing.Subscriptions) != 1 || standing.Subscriptions[0].State != alerts.SubscriptionActive {
			t.Errorf("the area: %+v (%v)", standing, err)
		}
		if err := s.store.Erase(t.Context(), recipient, s.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		s.expect(s.post("/u/"+s.server.Keys.Sign("unsubscribe", fmt.Sprintf("%d:notes", recipient))), http.StatusOK, "Already stopped")
	})
}

func TestASignUpAsksForRemindersAndTheyCountOnceItIsConfirmed(t *testing.T) {
	eachSite(t, func(s *site) {
		reminded := func() int { return s.count(`SELECT coalesce(max(remind), 0) FROM recipient`) }
		s.expect(s.get("/sign-up?postcode=NW1+8NH"), http.StatusOK, "Remind me of closing dates", `<option value="3" selected>3 days before</option>`)
		form := func(remind, address string, more ...string) reply {
			return s.post("/subscriptions", append([]string{"postcode", "NW1 8NH", "radius", "500", "frequency", "daily", "remind", remind, "email", address}, more...)...)
		}
		s.expect(form("4", "jo@example.org"), http.StatusUnprocessableEntity, "Choose from the numbers of days in the list", `href="#remind"`)
		s.expect(form("7", "jo@"), http.StatusUnprocessableEntity, `<option value="7" selected>`)
		s.expect(form("7", "jo@example.org", "do", "preview"), http.StatusOK, `<option value="7" selected>`)
		s.expect(form("7", "jo@example.org"), http.StatusSeeOther)
		path := s.mailLink("/confirm/")
		s.expect(s.get(path), http.StatusOK, "A reminder 7 days before comments close")
		if n := reminded(); n != 0 {
			t.Fatalf("reminders %d days before, though nobody has confirmed", n)
		}
		s.expect(s.confirm(path), http.StatusOK, "Your alerts are confirmed")
		if n := reminded(); n != 7 {
			t.Errorf("reminders %d days before, want the 7 that were asked for", n)
		}
		// Somebody else types the same address: their wish counts for nothing unless its owner confirms.
		s.now = s.now.Add(48 * time.Hour)
		s.expect(s.post("/subscriptions", "postcode", "N1C 4AG", "radius", "500", "frequency", "daily", "remind", "14", "email", "jo@example.org"), http.StatusSeeOther)
		if n := reminded(); n != 7 {
			t.Errorf("reminders %d days before, on the word of somebody who typed an address", n)
		}
		// Who asks for no reminders with another area keeps those there are.
		s.expect(s.post("/subscriptions", "postcode", "N1C 4AG", "radius", "500", "frequency", "daily", "remind", "0", "email", "jo@example.org"), http.StatusSeeOther)
		s.expect(s.confirm(s.mailLink("/confirm/")), http.StatusOK)
		if n := reminded(); n != 7 {
			t.Errorf("reminders %d days before, want 7 still", n)
		}
	})
}
