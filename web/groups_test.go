package web_test

import (
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

// newGroup makes a group of which whoever is signed in is the owner.
func (s *site) newGroup(name string) (id int64) {
	s.Helper()
	s.expect(s.post("/groups", "name", name, "mine", "Gwen"), http.StatusSeeOther)
	return int64(s.count(`SELECT max(id) FROM community`))
}

// joined is another browser, signed in as a member of the group that s owns.
func (s *site) joined(group int64, email, name string, role alerts.Role) *site {
	s.Helper()
	s.expect(s.post(fmt.Sprintf("/groups/%d/invitations", group), "email", email, "role", string(role)), http.StatusSeeOther)
	other := s.another()
	other.expect(other.post(s.mailLink("/invitations/"), "mine", name), http.StatusSeeOther)
	return other
}

// A square around Camden Town.
const outline = `{"type":"Polygon","coordinates":[[[-0.15,51.535],[-0.135,51.535],[-0.135,51.545],[-0.15,51.545],[-0.15,51.535]]]}`

func TestAGroupFromSignInToMembersAreasAndTokens(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		s.expect(s.post("/groups", "name", " ", "mine", ""), http.StatusUnprocessableEntity, "Enter the name of the group", "Enter a name by which the others know you")
		g := s.newGroup("Friends of Lamplighter Street")
		path := func(below string) string { return fmt.Sprintf("/groups/%d%s", g, below) }
		s.expect(s.get("/account"), http.StatusOK, "Friends of Lamplighter Street")

		// Areas of every kind.
		s.expect(s.post(path("/areas"), "extent", "circle", "postcode", "NW1 8NH", "radius", "1000"), http.StatusSeeOther)
		s.expect(s.post(path("/areas"), "extent", "circle", "postcode", "NW1 8NH", "radius", "1000"), http.StatusUnprocessableEntity, "watches this area already")
		s.expect(s.post(path("/areas"), "extent", "ward", "postcode", "N1C 4AG"), http.StatusSeeOther)
		s.expect(s.post(path("/areas"), "extent", "authority", "council", "camden", "kinds", "trees"), http.StatusSeeOther)
		s.expect(s.post(path("/areas"), "extent", "outline", "outline", outline, "label", "the old town"), http.StatusSeeOther)
		s.expect(s.get(path("/areas")), http.StatusOK, "Within 1 km of NW1 8NH", "London Borough of Camden", "the old town", "Only trees")
		for name, form := range map[string][]string{
			"it is neither GeoJSON":                 {"extent", "outline", "outline", "{"},
			"A point is not an area":                {"extent", "outline", "outline", `{"type":"Point","coordinates":[-0.1,51.5]}`},
			"Choose a council":                      {"extent", "authority", "council", "atlantis"},
			"Enter a postcode":                      {"extent", "circle"},
			"NW1 8N is":                             {"extent", "circle", "postcode", "NW1 8N"},
			"Choose what the group is to watch":     {"postcode", "NW1 8NH"},
			"We do not know in which ward":          {"extent", "ward", "lat", "51.5", "lon", "-0.1"},
			"Draw an outline, or enter its corners": {"extent", "outline"},
			"Choose a circle or draw an outline":    {"extent", "ward", "postcode", "NW1 1XX", "closed", "yes"}, // a closed postcode without a ward
		} {
			s.expect(s.post(path("/areas"), form...), http.StatusUnprocessableEntity, name)
		}

		// Members, each with what their role allows.
		member := s.joined(g, "hal@example.org", "Hal", alerts.RoleMember)
		viewer := s.joined(g, "ida@example.org", "Ida", alerts.RoleViewer)
		s.expect(s.get(path("/members")), http.StatusOK, "Gwen", "Hal", "Ida", "hal@example.org")
		for _, other := range []*site{member, viewer} {
			r := other.get(path("/members"))
			other.expect(r, http.StatusOK, "Gwen", "Hal", "Ida")
			if strings.Contains(r.Body, "example.org") && strings.Contains(r.Body, "gwen@") {
				t.Error("who is no owner sees the addresses of others")
			}
			other.expect(other.post(path("/invitations"), "email", "x@example.org", "role", "owner"), http.StatusNotFound)
			other.expect(other.get(path("/settings")), http.StatusNotFound)
			other.expect(other.post(path("/remove"), "sure", "yes"), http.StatusNotFound)
		}
		viewer.expect(viewer.post(path("/areas"), "extent", "authority", "council", "camden"), http.StatusNotFound)
		viewer.expect(viewer.post(path("/tokens"), "name", "x", "for", "read", "days", "30"), http.StatusNotFound)
		member.expect(member.post(path("/areas/1/remove")), http.StatusSeeOther)

		// Tokens.
		r := member.post(path("/tokens"), "name", "our map", "for", "write", "days", "90")
		member.expect(r, http.StatusCreated, "Copy it now")
		token := regexp.MustCompile(`sn_[\w-]{43}`).FindString(r.Body)
		if token == "" || strings.Contains(s.engine.Dump(t, s.db), token) {
			t.Fatalf("the token %q is missing, or stored", token)
		}
		if body := member.get(path("/tokens")).Body; strings.Contains(body, token) || !strings.Contains(body, token[:10]) {
			t.Error("the token is shown again, or not even its beginning")
		}
		member.expect(member.post(path("/tokens"), "name", "x", "for", "read", "days", "0"), http.StatusUnprocessableEntity, "Choose how long")
		member.expect(member.post(path("/tokens"), "name", "x", "days", "30"), http.StatusUnprocessableEntity, "Choose what it may be used for")
		if tok, err := s.store.UseToken(t.Context(), token, s.now); err != nil || tok.GroupID != g || !tok.Allows(alerts.TokenWrite) {
			t.Errorf("%+v, %v", tok, err)
		}
		s.expect(s.get(path("/tokens")), http.StatusOK, "Last used about 23 November 2026", "made by Hal")

		// A mail about an endpoint leads to its page, by way of signing in.
		stranger := s.another()
		r = stranger.get(path("/endpoints"))
		s.expect(r, http.StatusSeeOther)
		s.expect(stranger.post("/sign-in", "email", "gwen@example.org", "to", path("/endpoints")), http.StatusSeeOther)
		if r = stranger.post(s.mailLink("/sign-in/")); r.Header.Get("Location") != path("/endpoints") {
			t.Errorf("after signing in it leads to %q", r.Header.Get("Location"))
		}
		stranger.expect(stranger.get(path("/endpoints")), http.StatusOK, "Webhooks")

		// Whoever leaves takes their tokens with them; the last owner cannot.
		s.expect(s.post(path("/leave")), http.StatusUnprocessableEntity, "A group needs an owner")
		id := s.count(`SELECT account_id FROM role WHERE name = 'Hal'`)
		s.expect(s.post(path(fmt.Sprintf("/members/%d/remove", id))), http.StatusSeeOther)
		member.expect(member.get(path("")), http.StatusNotFound)
		if _, err := s.store.UseToken(t.Context(), token, s.now); err == nil {
			t.Error("the token of somebody who was removed still works")
		}
		viewer.expect(viewer.post(path("/leave")), http.StatusSeeOther)
		viewer.expect(viewer.get(path("")), http.StatusNotFound)

		s.expect(s.get("/account/data.json"), http.StatusOK, `"of": "Friends of Lamplighter Street"`, `"name": "Gwen"`)
		s.expect(s.post("/account/erase"), http.StatusUnprocessableEntity, "Tick the box", "Nobody but you is in Friends of Lamplighter Street: it ends with your account")
		s.expect(s.post(path("/settings"), "name", "Lamplighters", "quorum", "99"), http.StatusUnprocessableEntity, "Enter a number from 1 to 10")
		s.expect(s.post(path("/settings"), "name", "Lamplighters", "quorum", "3"), http.StatusSeeOther)
		s.expect(s.post(path("/remove")), http.StatusUnprocessableEntity, "Tick the box")
		s.expect(s.post(path("/remove"), "sure", "yes"), http.StatusSeeOther)
		s.expect(s.get(path("")), http.StatusNotFound)
		s.expect(s.post("/account/erase", "sure", "yes"), http.StatusOK, "Your account has been erased")
		if strings.Contains(s.engine.Dump(t, s.db), "Gwen") {
			t.Error("something of the group or its owner is left")
		}
	})
}

func TestInvitationsEnd(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		invite := func(email string) string {
			s.expect(s.post(fmt.Sprintf("/groups/%d/invitations", g), "email", email, "role", "viewer"), http.StatusSeeOther)
			return s.mailLink("/invitations/")
		}
		first := invite("hal@example.org")
		second := invite("hal@example.org")
		hal := s.another()
		hal.expect(hal.get(first), http.StatusGone, "cannot be used") // the newer one counts
		for range 2 {
			hal.expect(hal.get(second), http.StatusOK, "Gwen asks you, hal@example.org, to join")
		}
		hal.expect(hal.post(second, "mine", ""), http.StatusUnprocessableEntity, "Enter a name")
		s.advance(alerts.InviteFor)
		hal.expect(hal.get(second), http.StatusGone)
		hal.expect(hal.post(second, "mine", "Hal"), http.StatusGone)
		third := invite("hal@example.org")
		s.expect(s.post(fmt.Sprintf("/groups/%d/invitations/%d/cancel", g, s.count(`SELECT max(id) FROM invitation`))), http.StatusSeeOther)
		hal.expect(hal.post(third, "mine", "Hal"), http.StatusGone)
		fourth := invite("hal@example.org")
		hal.expect(hal.post(fourth, "mine", "Hal"), http.StatusSeeOther)
		s.another().expect(s.another().post(fourth, "mine", "Mallory"), http.StatusGone)
		hal.expect(hal.get(fmt.Sprintf("/groups/%d", g)), http.StatusOK, "Hal, viewer")

		mails := s.count(`SELECT count(*) FROM delivery WHERE kind = 'invite'`)
		s.expect(s.post(fmt.Sprintf("/groups/%d/invitations", g), "email", "hal@example.org", "role", "owner"), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM delivery WHERE kind = 'invite'`); n != mails {
			t.Error("somebody who is in the group is asked in again")
		}
		hal.expect(hal.get(fmt.Sprintf("/groups/%d", g)), http.StatusOK, "Hal, viewer")
		for range alerts.InvitationsPerDay {
			s.post(fmt.Sprintf("/groups/%d/invitations", g), "email", "x@example.org", "role", "viewer")
		}
		s.expect(s.post(fmt.Sprintf("/groups/%d/invitations", g), "email", "y@example.org", "role", "viewer"), http.StatusTooManyRequests)
	})
}

var groupRoute = regexp.MustCompile(`(get|post)\("(/groups/\{group:\[0-9\]\+\}[^"]*)", s\.needs\((\w+)`)

// groupRoutes are the routes of groups in the route list, with the role that each needs.
func groupRoutes(t *testing.T) (routes [][]string) {
	source, err := os.ReadFile("server.go")
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Count(string(source), `"/groups/{`); all != len(groupRoute.FindAllString(string(source), -1)) {
		t.Fatal("a route of groups does not say which role it needs")
	}
	for _, m := range groupRoute.FindAllStringSubmatch(string(source), -1) {
		routes = append(routes, m[1:])
	}
	if len(routes) < 15 {
		t.Fatalf("only %d routes found", len(routes))
	}
	return routes
}

var placeholder = regexp.MustCompile(`\{(\w+)[^}]*\}`)

// Nobody sees or changes anything of a group that is not theirs, whatever ids they
// put into an address: those of another group in their own, or the other's.
func TestAnotherGroupIsOutOfReach(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		theirs := s.newGroup("Theirs")
		ids := s.fill(theirs)
		mallory := s.another()
		mallory.signIn("mallory@example.org")
		own := mallory.newGroup("Own")
		stranger := s.another()
		before := s.engine.Dump(t, s.db)
		form := url.Values{"sure": {"yes"}, "name": {"pwned"}, "mine": {"pwned"}, "role": {"owner"}, "email": {"mallory@example.org"}, "quorum": {"1"}, "for": {"write"}, "days": {"30"}, "scopes": {"write"},
			"extent": {"authority"}, "council": {"camden"}, "day": {"2027-01-05"}, "state": {"relevant"}, "text": {"pwned"}, "url": {"https://hooks.example/x"}, "areas": {"1"}, "since": {"2026-01-01"}}
		for _, route := range groupRoutes(t) {
			method := strings.ToUpper(route[0])
			at := func(group int64) string {
				return placeholder.ReplaceAllStringFunc(route[1], func(p string) string {
					name := placeholder.FindStringSubmatch(p)[1]
					if name == "group" {
						return fmt.Sprint(group)
					}
					id, ok := ids[name]
					if !ok {
						t.Fatalf("%s: the test has no id for %s", route[1], name)
					}
					return id
				})
			}
			if r := mallory.do(mallory.request(method, at(theirs), form)); r.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: somebody who is not in the group gets %d", method, at(theirs), r.StatusCode)
			}
			if r := stranger.do(stranger.request(method, at(theirs), form)); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/sign-in") {
				t.Errorf("%s %s: somebody who has not signed in gets %d", method, at(theirs), r.StatusCode)
			}
			if !strings.Contains(strings.TrimPrefix(route[1], "/groups/{group"), "{") {
				continue
			}
			if r := mallory.do(mallory.request(method, at(own), form)); r.StatusCode != http.StatusNotFound && !strings.Contains(route[1], "cases") {
				t.Errorf("%s %s: another group's id within one's own gets %d", method, at(own), r.StatusCode)
			}
		}
		if after := s.engine.Dump(t, s.db); after != before {
			t.Errorf("something was changed:\n%s\nwas\n%s", after, before)
		}
	})
}

// fill gives a group one of everything, and returns their ids by the names that
// routes have for them.
func (s *site) fill(group int64) map[string]string {
	s.Helper()
	path := fmt.Sprintf("/groups/%d", group)
	s.expect(s.post(path+"/areas", "extent", "outline", "outline", outline), http.StatusSeeOther)
	s.expect(s.post(path+"/tokens", "name", "map", "for", "write", "days", "30"), http.StatusCreated)
	s.expect(s.post(path+"/invitations", "email", "hal@example.org", "role", "viewer"), http.StatusSeeOther)
	s.expect(s.post(path+"/meetings", "day", "2026-12-08"), http.StatusSeeOther)
	s.expect(s.post(path+"/cases/1", "action", "note", "text", "Look at the roof"), http.StatusSeeOther)
	s.expect(s.post(path+"/endpoints", "name", "our server", "url", "https://hooks.example.org/planning", "format", "standard", "areas", "1"), http.StatusCreated, "Copy the secret now")
	var delivery string
	if err := s.db.QueryRow(`SELECT message_id FROM delivery WHERE kind = 'webhook'`).Scan(&delivery); err != nil {
		s.Fatal(err)
	}
	latest := func(query string, args ...any) string { return fmt.Sprint(s.count(query, args...)) }
	return map[string]string{
		"case":       "1",
		"delivery":   delivery,
		"endpoint":   latest(`SELECT max(id) FROM endpoint`),
		"meeting":    latest(`SELECT max(id) FROM meeting`),
		"area":       latest(`SELECT max(id) FROM group_area`),
		"token":      latest(`SELECT max(id) FROM api_token`),
		"invitation": latest(`SELECT max(id) FROM invitation`),
		"account":    latest(`SELECT max(account_id) FROM role WHERE scope = $1`, string(alerts.GroupScope(group))),
	}
}

// A role suffices for what it is for and for nothing mightier.
func TestEachRouteOfAGroupNeedsItsRole(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		s.expect(s.post(fmt.Sprintf("/groups/%d/areas", g), "extent", "outline", "outline", outline), http.StatusSeeOther)
		people := map[string]*site{"viewer": s.joined(g, "ida@example.org", "Ida", alerts.RoleViewer), "member": s.joined(g, "hal@example.org", "Hal", alerts.RoleMember)}
		rank := map[string]int{"viewer": 0, "member": 1, "owner": 2}
		for _, route := range groupRoutes(t) {
			for role, person := range people {
				if strings.HasSuffix(route[1], "/leave") {
					continue
				}
				path := placeholder.ReplaceAllStringFunc(route[1], func(p string) string {
					if strings.HasPrefix(p, "{group:") {
						return fmt.Sprint(g)
					}
					return "999999"
				})
				r := person.do(person.request(strings.ToUpper(route[0]), path, nil))
				if rank[role] < rank[route[2]] && r.StatusCode != http.StatusNotFound {
					t.Errorf("%s %s needs %s, and a %s gets %d", route[0], path, route[2], role, r.StatusCode)
				}
				if rank[role] >= rank[route[2]] && r.StatusCode >= 500 {
					t.Errorf("%s %s: a %s gets %d", route[0], path, role, r.StatusCode)
				}
			}
		}
	})
}

// Two owners who leave at the same moment do not leave a group without one.
func TestAGroupKeepsAnOwner(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		hal := s.joined(g, "hal@example.org", "Hal", alerts.RoleOwner)
		done := make(chan int, 2)
		for _, p := range []*site{s, hal} {
			go func() { done <- p.post(fmt.Sprintf("/groups/%d/leave", g)).StatusCode }()
		}
		if a, b := <-done, <-done; a == b {
			t.Errorf("both got %d", a)
		}
		if n := s.count(`SELECT count(*) FROM role WHERE scope = $1 AND role = 'owner'`, string(alerts.GroupScope(g))); n != 1 {
			t.Errorf("%d owners are left", n)
		}
	})
}

func TestGroupFormsFromOtherSitesAreRefused(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		before := s.engine.Dump(t, s.db)
		for _, route := range groupRoutes(t) {
			if route[0] != "post" {
				continue
			}
			r := s.request(http.MethodPost, placeholder.ReplaceAllString(strings.Replace(route[1], "{group:[0-9]+}", fmt.Sprint(g), 1), "1"), url.Values{"sure": {"yes"}, "name": {"x"}})
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			s.expect(s.do(r), http.StatusForbidden)
		}
		if s.engine.Dump(t, s.db) != before {
			t.Error("a foreign form changed something")
		}
	})
}

// Looking at everything of one's own changes nothing either.
func TestLookingAtAGroupChangesNothing(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		ids := s.fill(g)
		ids["group"] = fmt.Sprint(g)
		before := s.engine.Dump(t, s.db)
		s.advance(time.Minute)
		for _, route := range groupRoutes(t) {
			path := placeholder.ReplaceAllStringFunc(route[1], func(p string) string { return (ids[placeholder.FindStringSubmatch(p)[1]]) })
			r := s.get(path)
			if r.StatusCode >= 500 || route[0] == "get" && r.StatusCode != http.StatusOK {
				t.Errorf("GET %s: %d", path, r.StatusCode)
			}
			if h := r.Header; !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("X-Frame-Options") != "DENY" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("GET %s may be framed or kept: %v", path, h)
			}
		}
		if s.engine.Dump(t, s.db) != before {
			t.Error("looking changed something")
		}
	})
}
