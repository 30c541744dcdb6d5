package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A visitor is a browser in which somebody has signed in.
type visitor struct {
	*world
	client *http.Client
}

// signIn signs somebody in by the link in a mail that is really composed and sent.
func (w *world) signIn(address string) *visitor {
	w.Helper()
	jar, _ := cookiejar.New(nil)
	v := &visitor{w, &http.Client{Jar: jar}}
	v.post("/sign-in", url.Values{"email": {address}})
	w.pass("deliver")
	var text string
	if err := w.db.QueryRow(`SELECT text FROM delivery WHERE kind = 'sign-in' ORDER BY id DESC LIMIT 1`).Scan(&text); err != nil {
		w.Fatal(err)
	}
	if page := v.post(regexp.MustCompile(`/sign-in/[A-Za-z0-9_-]+`).FindString(text), nil); !strings.Contains(page, address) {
		w.Fatalf("%s has not signed in:\n%s", address, page)
	}
	return v
}

func (v *visitor) send(r *http.Request) string {
	v.Helper()
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := v.client.Do(r)
	if err != nil {
		v.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.Fatal(err)
	}
	return string(b)
}

func (v *visitor) get(path string) string {
	v.Helper()
	r, err := http.NewRequest(http.MethodGet, v.url+path, nil)
	if err != nil {
		v.Fatal(err)
	}
	return v.send(r)
}

func (v *visitor) post(path string, form url.Values) string {
	v.Helper()
	r, err := http.NewRequest(http.MethodPost, v.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(r)
}

// file sends a file to be looked at, without a token.
func (v *visitor) file(feed, name, content string) string {
	v.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	form.WriteField("feed", feed)
	form.WriteField("token", "")
	part, _ := form.CreateFormFile("file", name)
	io.WriteString(part, content)
	form.Close()
	r, err := http.NewRequest(http.MethodPost, v.url+"/feeds/check", &b)
	if err != nil {
		v.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	return v.send(r)
}

// flood makes a register that brings more than it ever has.
func flood(n int) (proposals []string) {
	for i := range n {
		proposals = append(proposals, fmt.Sprintf("A porch at number %d", i))
	}
	return proposals
}

var heldForm = regexp.MustCompile(`name="(last|events)" value="(\d+)"`)

// The whole of it: a flood is held, one operator asks for its release, another agrees,
// a person is told, and an operator who has a reason to finds what they were sent and
// why, and sends it again.
func TestOperatorsReleaseAndAnswerForIt(t *testing.T) {
	inFull(t)
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			w := newWorld(t, e, func(cfg *Config) { cfg.SecondPersonAbove = 0 })
			w.register("A barn")
			w.read()
			person := w.subscribe("jo@example.org", alerts.Immediate)
			w.register(append([]string{"A barn"}, flood(60)...)...)
			w.read()
			w.pass()
			for _, address := range []string{"first@example.org", "second@example.org"} {
				if out, err := w.run(&operatorsAdd{Address: address, Role: "operator"}); err != nil {
					t.Fatal(out, err)
				}
			}
			first, second := w.signIn("first@example.org"), w.signIn("second@example.org")
			release := func(v *visitor) string {
				form := url.Values{"reason": {"the council has a new system"}}
				for _, m := range heldForm.FindAllStringSubmatch(v.get("/admin/feeds/village"), 2) {
					form.Set(m[1], m[2])
				}
				return v.post("/admin/feeds/village/release", form)
			}
			if page := first.get("/admin"); !strings.Contains(page, "60 applications") {
				t.Errorf("the overview does not show what is held:\n%s", page)
			}
			if page := first.get("/admin/feeds/village"); !strings.Contains(page, "It would tell 1 person about 60 applications.") || !strings.Contains(page, "50 more applications") {
				t.Errorf("the page does not say what a release would tell:\n%s", page)
			}
			release(first)
			w.pass()
			if n := w.one(`SELECT count(*) FROM delivery WHERE kind = 'alert'`); n != 0 {
				t.Fatal("one person alone has released it")
			}
			if n := w.one(`SELECT count(*) FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE d.kind = 'notice' AND r.address = 'operator@example.org' AND d.text LIKE '%http://alerts.example.org/admin/feeds/village%'`); n != 1 {
				t.Error("nobody was asked to agree")
			}
			if page := release(second); !strings.Contains(page, "Released: what was held is on its way") {
				t.Errorf("not released:\n%s", page)
			}
			w.pass()
			mail := w.one(`SELECT id FROM delivery WHERE kind = 'alert' AND state = 'sent' AND recipient_id = $1`, person)

			first.post("/admin/people", url.Values{"who": {"jo@example.org"}, "reason": {"says it never came"}})
			page := first.get(fmt.Sprintf("/admin/people/%d", person))
			why := regexp.MustCompile(`/admin/people/\d+/why/\d+/\d+`).FindString(page)
			if !strings.Contains(page, "jo@example.org") || !strings.Contains(page, "Alert, as it happened") || !strings.Contains(page, "village 26/1/FUL") || why == "" {
				t.Fatalf("the page lacks what was sent:\n%s", page)
			}
			if page := first.get(why); !strings.Contains(page, "Told on 23 November 2026") {
				t.Errorf("the page does not say why:\n%s", page)
			}
			if page := first.post(fmt.Sprintf("/admin/people/%d/mails/%d/again", person, mail), nil); !strings.Contains(page, "A copy is on its way") {
				t.Errorf("not sent again:\n%s", page)
			}
			w.pass()
			var raw []byte
			if err := w.db.QueryRow(`SELECT raw FROM captured WHERE subject LIKE 'Sent again: %' AND address = 'jo@example.org'`).Scan(&raw); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(raw), "This is a copy of the mail") || !strings.Contains(string(raw), "References: <") {
				t.Errorf("the copy is\n%s", raw)
			}
			if traces := w.log.String(); strings.Contains(traces, "jo@") {
				t.Error("the address is in the log")
			}
			if out, err := w.run(&auditCommand{}); err != nil {
				t.Errorf("the ledger: %s%v", out, err)
			}
		})
	}
}

// The command line is nobody in particular: above the threshold it is refused, unless
// somebody says that there is nobody else, and why.
func TestTheCommandLineIsNoSecondPerson(t *testing.T) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			w := newWorld(t, e, func(cfg *Config) { cfg.SecondPersonAbove = 0 })
			w.register("A barn")
			w.read()
			w.subscribe("jo@example.org", alerts.Immediate)
			w.register(append([]string{"A barn"}, flood(60)...)...)
			w.read()
			for name, c := range map[string]interface {
				Run(context.Context, *Config, streams) error
			}{
				"release": &feedRelease{heldFlags{Feed: "village", Reason: "looked"}, true}, "discard": &feedDiscard{heldFlags{Feed: "village", Reason: "looked"}},
			} {
				if out, err := w.run(c); err == nil || !strings.Contains(err.Error(), "a second person has to agree") || !strings.Contains(err.Error(), "http://alerts.example.org/admin/feeds/village") {
					t.Errorf("%s: %s%v", name, out, err)
				}
			}
			if _, err := w.run(&feedRelease{heldFlags{Feed: "village", Alone: true}, true}); err == nil || !strings.Contains(err.Error(), "--alone needs --reason") {
				t.Errorf("alone without a reason: %v", err)
			}
			if n := w.one(`SELECT count(*) FROM event WHERE state = 'held'`); n != 60 {
				t.Fatalf("%d events are held", n)
			}
			if out, err := w.run(&feedRelease{heldFlags{Feed: "village", Alone: true, Reason: "the other operator is away"}, true}); err != nil || !strings.Contains(out, "Released: 60 pieces of news") {
				t.Errorf("%s%v", out, err)
			}
			if n := w.one(`SELECT count(*) FROM act WHERE who = 'command line' AND subject = 'feed village' AND reason = 'the other operator is away' AND what = 'released held news, without a second person: 1 person, 60 applications'`); n != 1 {
				t.Error("the record lacks it")
			}
		})
	}
}

// Who looks after a register and has signed in sends its file without a token, also in
// the second step; a contact of another, or one who no longer is, does not.
func TestAFeedContactSendsAFileWithoutAToken(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.T
		w.register("A barn")
		w.read()
		w.exec(`UPDATE feed SET contact = 'planning@village.example'`)
		content, err := os.ReadFile(w.source)
		if err != nil {
			t.Fatal(err)
		}
		file := string(content) + "9,26/9/FUL,A shed,2026-11-21,-0.1426,51.5390,9 Rosemary Lane\n"
		contact, stranger := w.signIn("planning@village.example"), w.signIn("mallory@example.org")
		if page := stranger.file("village", "village.csv", file); !strings.Contains(page, "The token is missing") {
			t.Errorf("a stranger's file is taken:\n%s", page)
		}
		if page := contact.get("/feeds/check?feed=village"); !strings.Contains(page, `<option value="village" selected>`) {
			t.Error("the form does not know which register it is about")
		}
		page := contact.file("village", "village.csv", file)
		kept := regexp.MustCompile(`name="upload" value="([^"]+)"`).FindStringSubmatch(page)
		if kept == nil || !strings.Contains(page, "1 application is new to us") {
			t.Fatalf("the file is not looked at:\n%s", page)
		}
		if page := stranger.post("/feeds/check/import", url.Values{"upload": {kept[1]}, "sure": {"yes"}}); strings.Contains(page, "taken in") {
			t.Error("somebody else takes the file in")
		}
		page = contact.file("village", "village.csv", file)
		kept = regexp.MustCompile(`name="upload" value="([^"]+)"`).FindStringSubmatch(page)
		if page := contact.post("/feeds/check/import", url.Values{"upload": {kept[1]}, "sure": {"yes"}}); !strings.Contains(page, "taken in") {
			t.Errorf("the file is not taken in:\n%s", page)
		}
		if w.one(`SELECT count(*) FROM application`) != 2 || w.one(`SELECT count(*) FROM act WHERE subject = 'feed village' AND what LIKE 'handed over a file of 2 rows%'`) != 1 {
			t.Error("it is not stored, or not in the record")
		}
		w.wait(time.Minute)
		page = contact.file("village", "village.csv", file+"10,26/10/FUL,A hut,2026-11-21,-0.1426,51.5390,10 Rosemary Lane\n")
		kept = regexp.MustCompile(`name="upload" value="([^"]+)"`).FindStringSubmatch(page)
		w.exec(`UPDATE feed SET contact = ''`)
		if page := contact.post("/feeds/check/import", url.Values{"upload": {kept[1]}, "sure": {"yes"}}); strings.Contains(page, "taken in") || w.one(`SELECT count(*) FROM application`) != 2 {
			t.Error("who no longer looks after it takes a file in")
		}
	})
}
