package web_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// operator signs in somebody who runs the service, in a browser of their own.
func (s *site) operator(email string, role alerts.Role) *site {
	s.Helper()
	s.server.Limits.SignUpsPerClientHour, s.server.Limits.SignInLinksPerDay = 1000, 1000
	s.grant(email, alerts.ScopeOperator, role)
	other := s.another()
	other.signIn(email)
	return other
}

// contact makes an address the contact of the feed camden and signs it in.
func (s *site) contact(email string) *site {
	s.Helper()
	s.server.Limits.SignUpsPerClientHour = 1000
	s.exec(`UPDATE feed SET contact = $1 WHERE slug = 'camden'`, email)
	other := s.another()
	other.signIn(email)
	return other
}

// hold has news of the first two applications held.
func (s *site) hold() {
	s.Helper()
	var run int
	if err := s.db.QueryRow(`INSERT INTO run (feed_id, period, silent, verdict, reason, started_at, finished_at, applied) SELECT id, $1, FALSE, 'held', 'it brings 99 pieces of news', $2, $3, TRUE FROM feed WHERE slug = 'camden' RETURNING id`,
		fmt.Sprint("p", s.now.UnixNano(), s.count(`SELECT count(*) FROM run`)), s.now.UnixMilli(), s.now.UnixMilli()).Scan(&run); err != nil {
		s.Fatal(err)
	}
	s.exec(`UPDATE event SET state = 'held', run_id = $1 WHERE application_id IN (1, 2) AND state <> 'held'`, run)
}

// holdAgain has one more piece of news held.
func (s *site) holdAgain(application, version int) {
	s.Helper()
	s.exec(`INSERT INTO event (application_id, version, type, state, at, run_id, after) SELECT application_id, $1, 'amended', 'held', $2, run_id, after FROM event WHERE application_id = $3 ORDER BY id LIMIT 1`, version, s.now.UnixMilli(), application)
}

var heldFields = regexp.MustCompile(`name="(last|events)" value="(\d+)"`)

// decide presses a button about what is held of camden, as the page shows it now.
func (s *site) decide(what, reason string) reply {
	s.Helper()
	values := []string{"reason", reason}
	for _, m := range heldFields.FindAllStringSubmatch(s.get("/admin/feeds/camden").Body, 2) {
		values = append(values, m[1], m[2])
	}
	return s.post("/admin/feeds/camden/"+what, values...)
}

// acts counts what the record has of something.
func (s *site) acts(what, subject string) int {
	s.Helper()
	return s.count(`SELECT count(*) FROM act WHERE what LIKE $1 AND subject = $2`, what+"%", subject)
}

var adminRoute = regexp.MustCompile(`(get|post|getSlowly|postSlowly)\("(/admin[^"]*)", s\.(operates|tends)\((\w+)`)

// Every page of those who run the service is tried as everybody there is.
func TestAdminPagesAreForThoseWhoMayUseThem(t *testing.T) {
	source, err := os.ReadFile("server.go")
	if err != nil {
		t.Fatal(err)
	}
	routes := adminRoute.FindAllStringSubmatch(string(source), -1)
	if all := strings.Count(string(source), `"/admin`); all != len(routes) || all < 20 {
		t.Fatalf("%d of %d routes below /admin say who may use them", len(routes), all)
	}
	eachSite(t, func(s *site) {
		person := s.subscribed("jo@example.org")
		s.hold()
		s.exec(`INSERT INTO feed (slug, authority, declaration, contact) VALUES ('islington', 'camden', '', 'other@example.org')`)
		operator, viewer := s.operator("op@example.org", alerts.RoleOwner), s.operator("viewer@example.org", alerts.RoleViewer)
		contact := s.contact("planning@camden.example")
		other := s.another()
		other.signIn("Other@example.org")
		member := s.another()
		member.signIn("gwen@example.org")
		member.newGroup("A group")
		stranger := s.another()
		ids := map[string]string{"feed": "camden", "person": fmt.Sprint(person), "mail": "1", "subscription": fmt.Sprint(s.count(`SELECT max(id) FROM subscription`)), "case": "1"}
		form := url.Values{"reason": {"to try"}, "sure": {"yes"}, "who": {"jo@example.org"}, "last": {"2"}, "events": {"2"}, "authority": {"camden"}, "reference": {"2026/0001/P"}, "how": {"all"}}
		before := s.engine.Dump(t, s.db)
		for _, route := range routes {
			method := strings.ToUpper(strings.TrimSuffix(route[1], "Slowly"))
			path := placeholder.ReplaceAllStringFunc(route[2], func(p string) string { return ids[placeholder.FindStringSubmatch(p)[1]] })
			// Viewers look, but at no people; a feed's contact comes to the page of that feed.
			looks := method == "GET" && !strings.HasPrefix(path, "/admin/people")
			ofFeed := strings.HasPrefix(path, "/admin/feeds/camden")
			for name, who := range map[string]*site{"a stranger": stranger, "somebody in a group": member, "the contact of another feed": other, "the contact of the feed": contact, "a viewer": viewer, "an operator": operator} {
				let := name == "an operator" || name == "a viewer" && looks || name == "the contact of the feed" && ofFeed
				if let && method == "POST" {
					continue // does what it says, which other tests look at
				}
				r := who.do(who.request(method, path, form))
				switch {
				case let && r.StatusCode != http.StatusOK:
					t.Errorf("%s %s: %s gets %d", method, path, name, r.StatusCode)
				case !let && name == "a stranger" && (r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/sign-in")):
					t.Errorf("%s %s: a stranger gets %d", method, path, r.StatusCode)
				case !let && name != "a stranger" && r.StatusCode != http.StatusNotFound:
					t.Errorf("%s %s: %s gets %d", method, path, name, r.StatusCode)
				}
				if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Robots-Tag") != "noindex" {
					t.Errorf("%s %s: %s gets Cache-Control %q and X-Robots-Tag %q", method, path, name, r.Header.Get("Cache-Control"), r.Header.Get("X-Robots-Tag"))
				}
			}
			if method == "POST" {
				r := operator.request(method, path, form)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				s.expect(operator.do(r), http.StatusForbidden)
			}
		}
		if after := s.engine.Dump(t, s.db); after != before {
			t.Errorf("looking, or being refused, changed something:\n%s\nwas\n%s", after, before)
		}
	})
}

// A role that is taken away, or a declaration that names another contact, counts for
// who is signed in already.
func TestARoleEndsAtOnce(t *testing.T) {
	eachSite(t, func(s *site) {
		op := s.operator("op@example.org", alerts.RoleOwner)
		op.expect(op.get("/account"), http.StatusOK, "Look after this service")
		op.expect(op.get("/admin"), http.StatusOK, "Looking after the service")
		id := int64(s.count(`SELECT account_id FROM role WHERE scope = 'operator'`))
		if err := s.store.Revoke(t.Context(), id, alerts.ScopeOperator, "command line", s.now); err != nil {
			t.Fatal(err)
		}
		op.expect(op.get("/admin"), http.StatusNotFound)
		if s.acts("made an operator", fmt.Sprintf("account %d", id)) != 1 || s.acts("took the role owner of operator away", fmt.Sprintf("account %d", id)) != 1 {
			t.Error("who was given a role, and lost it, is not in the record")
		}
		contact := s.contact("planning@camden.example")
		contact.expect(contact.get("/account"), http.StatusOK, `<a href="/admin/feeds/camden">camden</a>`)
		contact.expect(contact.get("/admin/feeds/camden"), http.StatusOK, "The latest readings")
		s.exec(`UPDATE feed SET contact = 'new@camden.example'`)
		contact.expect(contact.get("/admin/feeds/camden"), http.StatusNotFound)
	})
}

// Nothing that is asked for on the web makes anybody an operator.
func TestNobodyBecomesOperatorThroughTheWeb(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("mallory@example.org")
		for _, form := range [][]string{
			{"/groups", "name", "operator", "mine", "operator", "scope", "operator", "role", "owner"},
			{"/sign-in", "email", "mallory@example.org", "to", "/admin", "role", "operator", "scope", "operator"},
		} {
			s.post(form[0], form[1:]...)
		}
		s.post(s.mailLink("/sign-in/"), "role", "owner", "scope", "operator")
		if n := s.count(`SELECT count(*) FROM role WHERE scope = 'operator'`); n != 0 {
			t.Error("somebody runs the service now")
		}
		s.expect(s.get("/admin"), http.StatusNotFound)
	})
}

func TestTheOverviewShowsWhatDoesNotGoOnByItself(t *testing.T) {
	eachSite(t, func(s *site) {
		op := s.operator("op@example.org", alerts.RoleViewer)
		op.expect(op.get("/admin"), http.StatusOK, "None is held", "Mail is going out", "None does", "None is", "There is nothing to look at")
		s.hold()
		s.exec(`INSERT INTO sender (name, failures, paused_until, reason) VALUES ('mail', 3, $1, 'no route to host')`, s.now.Add(time.Hour).UnixMilli())
		for i := range 60 {
			s.exec(`INSERT INTO notice (key, at, text) VALUES ($1, $2, $3)`, fmt.Sprint("n", i), s.now.Add(time.Duration(i)*time.Second).UnixMilli(), fmt.Sprintf("Notice number %d.", i))
		}
		s.exec(`INSERT INTO feed_fault (feed_id, kind, detail, since) SELECT id, 'stale', 'It has not been read for two days', $1 FROM feed`, s.now.UnixMilli())
		s.exec(`INSERT INTO endpoint (id, name, url, format, state, reason, challenge, created_at, tried_at) VALUES (77, 'our server', 'https://hooks.example/secret', 'standard', 'disabled', 'nothing but failed for five days', 'x', 0, $1)`, s.now.UnixMilli())
		r := op.get("/admin")
		op.expect(r, http.StatusOK, "camden: 2 applications", "Mail rests after 3 failures in a row: no route to host.", "It has not been read for two days.", "our server", "nothing but failed for five days", "Notice number 59.", "All notices")
		if strings.Contains(r.Body, "hooks.example") || strings.Contains(r.Body, "Notice number 49.") {
			t.Error("the overview shows a webhook's address, or more notices than fit")
		}
		op.expect(op.get("/admin/notices"), http.StatusOK, "Notice number 10.", "/admin/notices?page=2")
		op.expect(op.get("/admin/notices?page=2"), http.StatusOK, "Notice number 9.", "/admin/notices?page=1")
		op.expect(op.get("/admin/faults"), http.StatusOK, "two days")
		op.expect(op.get("/admin/endpoints"), http.StatusOK, "our server")
		op.expect(op.get("/admin/feeds"), http.StatusOK, "camden")
	})
}

// The record has the whole of what was done, page by page and as a file; no entry can
// be changed, whoever tries.
func TestTheRecordIsPagedFilteredAndStays(t *testing.T) {
	eachSite(t, func(s *site) {
		op := s.operator("op@example.org", alerts.RoleViewer)
		for i := range 60 {
			if err := s.store.RecordAct(t.Context(), alerts.Act{Kind: alerts.ActRecord, Who: "command line", What: "took down", Subject: fmt.Sprintf("camden 2026/%04d/P", i), Reason: "=HYPERLINK(1)"}, s.now); err != nil {
				t.Fatal(err)
			}
		}
		r := op.get("/admin/trail")
		op.expect(r, http.StatusOK, "Took down, camden 2026/0059/P", "Command line, 23 November 2026 at 09:30, London time")
		older := regexp.MustCompile(`/admin/trail\?before=\d+`).FindString(r.Body)
		op.expect(op.get(older), http.StatusOK, "Took down, camden 2026/0000/P", "Made a viewer")
		if body := op.get("/admin/trail?kind=access").Body; strings.Contains(body, "Took down") || !strings.Contains(body, "Made a viewer") {
			t.Error("the record of who may do what has something else")
		}
		r = op.get("/admin/trail.csv?kind=record")
		op.expect(r, http.StatusOK)
		rows, err := csv.NewReader(strings.NewReader(r.Body)).ReadAll()
		if err != nil || len(rows) != 61 || rows[1][7] != "'=HYPERLINK(1)" || rows[1][1] != "2026-11-23T09:30:00Z" || rows[60][6] != "camden 2026/0000/P" {
			t.Errorf("%d rows, %v, %v", len(rows), rows[min(1, len(rows)-1)], err)
		}
		if _, err := s.db.Exec(`UPDATE act SET reason = 'nothing to see'`); err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("the record can be changed: %v", err)
		}
	})
}
