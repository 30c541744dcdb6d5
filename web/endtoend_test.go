package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/match"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web/browsertest"
)

// A receiver is a group's own program: it checks each webhook with a library that is
// not ours, echoes challenges, and remembers what came. It can be broken.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	broken bool
	got    []arrival
	bad    []string
}

type arrival struct {
	ID, Type string
	Data     struct {
		Sequence    int64
		Test        bool
		Challenge   string
		Application struct{ Reference string }
	}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(req.Body)
	if r.broken {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	check, err := standardwebhooks.NewWebhook(r.secret)
	if err == nil {
		err = check.VerifyIgnoringTimestamp(body, req.Header) // the test has a clock of its own
	}
	if err != nil {
		r.bad = append(r.bad, err.Error())
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a := arrival{ID: req.Header.Get("webhook-id")}
	if err := json.Unmarshal(body, &a); err != nil {
		r.bad = append(r.bad, err.Error())
	}
	r.got = append(r.got, a)
	fmt.Fprint(w, a.Data.Challenge)
}

func (r *receiver) set(change func(r *receiver)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// news are the numbers and references of what came, but for pings and tests.
func (r *receiver) news() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.got {
		if a.Data.Sequence > 0 {
			all = append(all, fmt.Sprintf("%d %s", a.Data.Sequence, a.Data.Application.Reference))
		}
	}
	return all
}

// ids are the webhook-ids of a sequence number, as often as it came.
func (r *receiver) ids(sequence int64) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.got {
		if a.Data.Sequence == sequence {
			all = append(all, a.ID)
		}
	}
	return all
}

// loopback lets webhooks go to the test's own receivers and nowhere else that is
// not public.
func (s *site) loopback() {
	s.server.HookPolicy = alerts.URLPolicy{PlainHTTP: true, Guard: alerts.Guard{Permit: func(at netip.AddrPort) bool { return at.Addr().IsLoopback() }}}
	s.server.API.Policy = s.server.HookPolicy
}

// work makes a pass of each stage behind the pages, with what really sends.
func (s *site) work() {
	s.Helper()
	m := &match.Stage{Store: s.store, Now: s.server.Now, Log: s.server.Log}
	if _, err := m.Run(s.Context()); err != nil {
		s.Fatal(err)
	}
	if _, err := s.compose.Run(s.Context()); err != nil {
		s.Fatal(err)
	}
	write, err := s.compose.HookWriter(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	h := &deliver.Hooks{Store: s.store, Write: write, Now: s.server.Now, Log: s.server.Log, Gap: -1, Poll: 10 * time.Millisecond,
		Sender: &deliver.Webhook{Client: deliver.HookClient(s.server.HookPolicy.Guard, nil, nil), Keys: s.server.Keys, UserAgent: "Sitenotice"}}
	if _, err := h.Run(s.Context()); err != nil {
		s.Fatal(err)
	}
}

var whsec = regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)

// A group goes from signing in to a webhook for a drawn area that is verified,
// signed, and sent again when it was missed: with the pages alone, in a browser
// without scripts.
func TestAGroupSetsUpAWebhookWithThePages(t *testing.T) {
	for _, c := range sizes[:2] {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, storetest.Engines(t)[0])
			s.loopback()
			r := newReceiver(t)
			p := browsertest.Open(t, c.size, s.url+"/account")
			look := func(name string) {
				t.Helper()
				p.FitsWidth()
				p.Axe()
				shot(t, p, "groups-"+name+"-"+c.name)
			}
			p.Expect("Sign in", "There is no password")
			look("sign-in")
			p.Fill("Your e-mail address", "gwen@example.org")
			p.Click("Send me a link")
			p.Expect("Check your e-mail")
			look("sign-in-sent")
			p.Go(s.url + s.mailLink("/sign-in/"))
			p.Expect("You are about to sign in as gwen@example.org")
			look("sign-in-link")
			p.Click("Sign in")
			p.Expect("Your account", "Your groups")
			look("account")
			p.Fill("Name of the group", "Friends of Lamplighter Street")
			p.Fill("Your name, as the others", "Gwen")
			p.Click("Start the group")
			p.Expect("Friends of Lamplighter Street", "The group has been made", "Add an area")
			look("areas-empty")
			p.Click("An outline of your own")
			p.Fill("Corners of the area", "51.535, -0.15\n51.535, -0.135\n51.545, -0.135\n51.545, -0.15")
			p.Fill("Name of this area", "the old town")
			p.Click("Add this area")
			p.Expect("The area has been added", "the old town")
			look("areas")

			p.Click("Webhooks")
			p.Expect("signed, numbered without gaps")
			look("endpoints-empty")
			p.Fill("Name by which you will know it", "our server")
			p.Fill("Address to send to", "https://127.0.0.1/x y")
			p.Click("Add it")
			p.Expect("The address contains a space")
			look("endpoints-error")
			p.Fill("Address to send to", r.URL+"/planning")
			p.Click("Add it")
			p.Expect("Copy the secret now", "has not proved itself yet", "the old town")
			look("endpoint-secret")
			secret := whsec.FindString(p.Text())
			s.work() // before the program knows its secret
			p.Go(s.url + fmt.Sprintf("/groups/1/endpoints/%d", s.count(`SELECT max(id) FROM endpoint`)))
			p.Expect("The last ping failed. It answered 401")
			look("endpoint-ping-failed")
			r.set(func(r *receiver) { r.secret, r.bad = secret, nil })
			p.Click("Send another ping")
			s.work()
			p.Go(s.url + fmt.Sprintf("/groups/1/endpoints/%d", s.count(`SELECT max(id) FROM endpoint`)))
			p.Expect("working", "ping: accepted")
			if strings.Contains(p.Text(), "whsec_") {
				t.Error("the secret is shown again")
			}
			look("endpoint-active")
			p.Click("Send three past events as a test")
			p.Expect("Real past events are on their way")
			s.work()

			s.live("2026/0001/P", alerts.EventAmended)
			s.work()
			r.set(func(r *receiver) { r.broken = true })
			s.live("2026/0002/P", alerts.EventAmended)
			s.work()
			if got := r.news(); !slices.Equal(got, []string{"1 2026/0001/P"}) {
				t.Fatalf("arrived before it broke: %v", got)
			}
			p.Go(p.URL())
			p.Expect("number 2: waits", "failing; what waits is tried again")
			look("endpoint-failing")
			r.set(func(r *receiver) { r.broken = false })
			p.Click("Send again what it missed")
			p.Fill("Or everything after number", "0")
			p.Click("Also what it has accepted")
			p.Click("Send again")
			p.Expect("What it missed is being sent again")
			s.advance(2 * time.Hour) // it rests after a failure
			s.work()
			if got := r.news(); !slices.Contains(got, "2 2026/0002/P") {
				t.Errorf("arrived in the end: %v", got)
			}
			if ids := r.ids(1); len(ids) != 2 || ids[0] != ids[1] {
				t.Errorf("the first came again as %v", ids)
			}
			if len(r.bad) > 0 {
				t.Errorf("not signed as they should be: %v", r.bad)
			}
			p.Go(p.URL())
			p.Expect("number 2: accepted")
			look("endpoint-recovered")
			p.Click("application.amended")
			p.Expect("What was sent, to the byte", "Accepted", "2026/0002/P")
			look("delivery")
			p.Click("our server")
			p.Click("Change the secret")
			p.Expect("Copy the secret now", "signs until")

			// And everything else that a group has, looked at.
			for _, page := range []struct{ name, path string }{
				{"overview", ""}, {"members", "/members"}, {"meetings", "/meetings"}, {"cases", "/cases"}, {"settings", "/settings"}, {"tokens", "/tokens"},
			} {
				p.Go(s.url + "/groups/1" + page.path)
				look(page.name)
			}
			p.Fill("What uses it", "our map")
			p.Click("Make it")
			p.Expect("Copy it now", "sn_")
			look("token")
			p.Go(s.url + "/groups/1/cases")
			p.Click("12 Lamplighter Street")
			p.Fill("A note for the group", "Is the roof lower than next door?")
			p.Click("Add the note")
			p.Click("It is relevant")
			p.Expect("Relevant, 1 note")
			look("case")
			s.expectMeeting(p)
			look("pack")
			p.Go(s.url + "/api")
			look("api")
		})
	}
}

// expectMeeting enters two meetings and opens the pack of the first.
func (s *site) expectMeeting(p *browsertest.Page) {
	s.Helper()
	for _, day := range []string{"2026-12-08", "2027-01-12"} {
		s.exec(`INSERT INTO meeting (group_id, day, title, created_at) VALUES (1, $1, 'planning committee', 0)`, day)
	}
	p.Go(s.url + "/groups/1/meetings")
	p.Click("8 December 2026")
	p.Expect("Pack for 8 December 2026", "Comments close before this meeting", "hold a special meeting", "12 Lamplighter Street")
}

// The same with the interface for programs alone, once there is a token.
func TestAGroupSetsUpAWebhookWithTheInterface(t *testing.T) {
	eachSite(t, func(s *site) {
		s.loopback()
		r := newReceiver(t)
		_, token := s.program("gwen")
		type made struct {
			ID     int64
			Secret string
			State  string
		}
		e := got[made](s, s.call("POST", "/endpoints", token, fmt.Sprintf(`{"name":"our server","url":%q}`, r.URL+"/planning"), "Idempotency-Key", "first"))
		r.set(func(r *receiver) { r.secret = e.Secret })
		on := func(below string) string { return fmt.Sprintf("/endpoints/%d%s", e.ID, below) }
		s.expect(s.call("POST", on("/subscriptions"), token, `{"area":{"type":"polygon","geometry":`+outline+`,"label":"the old town"}}`), http.StatusCreated)
		s.live("2026/0003/L", alerts.EventAmended) // nothing flows before it has proved itself
		s.work()
		if state := got[made](s, s.call("GET", on(""), token, "")).State; state != "active" {
			t.Fatalf("after the ping it is %s", state)
		}
		type snapshot struct {
			AsOf         int64 `json:"as_of"`
			Applications []struct{ Reference string }
		}
		snap := got[snapshot](s, s.call("GET", on("/snapshot"), token, ""))
		if len(snap.Applications) != 2 || snap.AsOf != 1 {
			t.Errorf("the snapshot is %+v", snap)
		}
		s.work()
		r.set(func(r *receiver) { r.broken = true })
		s.live("2026/0001/P", alerts.EventAmended)
		s.live("2026/0002/P", alerts.EventCommittee)
		s.work()
		log := got[struct {
			Deliveries []struct {
				ID, State string
				Sequence  int64
				Attempts  int
			}
		}](s, s.call("GET", on("/deliveries"), token, ""))
		failing := 0
		for _, d := range log.Deliveries {
			if d.State == "queued" && d.Attempts > 0 {
				failing++
				s.expect(s.call("GET", on("/deliveries/"+d.ID), token, ""), http.StatusOK, `"class":"status"`, `"status":500`)
			}
		}
		if failing == 0 {
			t.Errorf("no failed delivery in %+v", log)
		}
		r.set(func(r *receiver) { r.broken = false })
		s.expect(s.call("POST", on("/recover"), token, `{"after_sequence":0}`), http.StatusAccepted)
		s.advance(2 * time.Hour)
		s.work()
		news := r.news()
		for _, want := range []string{"2 2026/0001/P", "3 2026/0002/P"} {
			if !slices.Contains(news, want) {
				t.Errorf("%s has not arrived: %v", want, news)
			}
		}
		s.expect(s.call("POST", on("/recover"), token, `{"after_sequence":1}`), http.StatusAccepted, `"queued":0`)
		s.expect(s.call("POST", on("/recover"), token, `{"after_sequence":1,"until_sequence":3,"accepted":true}`), http.StatusAccepted, `"queued":2`, `"last_sequence":3`)
		s.work()
		for _, sequence := range []int64{2, 3} {
			if ids := r.ids(sequence); len(ids) != 2 || ids[0] != ids[1] {
				t.Errorf("number %d came as %v: replayed, each under its own id", sequence, ids)
			}
		}
		if len(r.bad) > 0 {
			t.Errorf("not signed as they should be: %v", r.bad)
		}
	})
}
