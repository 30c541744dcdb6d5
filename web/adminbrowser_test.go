package web_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web/browsertest"
)

// TestAnOperatorAtWork signs in, looks somebody up, sends a mail again and releases
// what is held, in a real browser without scripts; axe looks at every page.
func TestAnOperatorAtWork(t *testing.T) {
	s := newSite(t, storetest.Engines(t)[0])
	s.server.Limits.SignUpsPerClientHour = 1000
	person := s.subscribed("jo@example.org")
	s.told(person, "1 new near NW1 8NH")
	s.hold()
	s.exec(`UPDATE run SET quarantined = 1, rows_read = 412, new = 38, changed = 12`)
	s.exec(`INSERT INTO quarantine (run_id, ord, line, column_name, value, reason) SELECT id, 1, 7, 'received', '31/02/2026', 'this is no date' FROM run`)
	s.exec(`INSERT INTO sender (name, failures, paused_until, reason) VALUES ('mail', 3, $1, 'connect: no route to host')`, s.now.Add(time.Hour).UnixMilli())
	s.exec(`INSERT INTO notice (key, at, text) VALUES ('held:camden', $1, 'The feed camden brings 99 pieces of news where at most 50 were to be expected; nobody is told until somebody has looked.')`, s.now.UnixMilli())
	s.exec(`INSERT INTO feed_fault (feed_id, kind, detail, since) SELECT id, 'rows', 'Of its 412 rows 1 cannot be used', $1 FROM feed`, s.now.UnixMilli())
	s.exec(`INSERT INTO endpoint (id, name, url, format, state, reason, challenge, created_at, tried_at) VALUES (77, 'our server', 'x', 'standard', 'disabled', 'nothing but failed for five days', 'x', 0, $1)`, s.now.UnixMilli())
	s.grant("op@example.org", alerts.ScopeOperator, alerts.RoleOwner)
	p := browsertest.Open(t, browsertest.Desktop, s.url+"/sign-in?to=/admin")
	look := func(name string) {
		t.Helper()
		for _, c := range sizes {
			p.Resize(c.size)
			p.FitsWidth()
			p.Axe()
			if c.name != "narrow" {
				shot(t, p, name+"-"+c.name)
			}
		}
		p.Resize(browsertest.Desktop)
	}
	p.Fill("Your e-mail address", "op@example.org")
	p.Submit()
	p.Expect("Check your e-mail")
	p.Go(s.url + s.mailLink("/sign-in/"))
	p.Click("Sign in")
	p.Expect("Looking after the service", "Mail rests after 3 failures")
	look("admin")
	p.Click("People")
	p.Click("Look up")
	p.Expect("Say why, for the record")
	look("admin-people-error")
	p.Fill("E-mail address, or number", "jo@example.org")
	p.Fill("Why", "says that the mail of Monday never came")
	p.Submit()
	p.Expect(fmt.Sprintf("Person %d", person), "jo@example.org gets alerts")
	look("admin-person")
	p.Click("why they were told of 2026/0001/P")
	p.Expect("Why, or why not")
	look("admin-why")
	p.Go(fmt.Sprintf("%s/admin/people/%d", s.url, person))
	p.Click("Send mail")
	p.Expect("A copy is on its way")
	p.Click("Registers")
	look("admin-feeds")
	p.Click("camden")
	p.Expect("It would tell 1 person about 2 applications")
	look("admin-feed")
	p.Fill("Why", "the council has a new system")
	p.Click("Release it")
	p.Expect("Released: what was held is on its way")
	p.Click("Applications")
	p.Fill("Reference", "2026/0001/P")
	p.Submit()
	p.Click("Take something away")
	look("admin-records")
	p.Click("What was done")
	p.Expect("Sent a mail again", "Released held news: 1 person, 2 applications")
	look("admin-trail")
	p.Dark(true)
	p.Axe()
	shot(t, p, "admin-trail-dark")
	p.Dark(false)
	s.advance(31 * time.Minute)
	p.Go(fmt.Sprintf("%s/admin/people/%d", s.url, person))
	p.Click("Yes, erase everything")
	p.Click("Erase")
	p.Expect("Please sign in again")
	look("admin-again")
	s.advance(time.Hour)
	p.Go(fmt.Sprintf("%s/admin/people/%d", s.url, person))
	p.Expect("Why do you need to see this?")
	look("admin-open")
}
