package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A person who has done everything that leaves a trace is erased, by each of the
// ways there are: no row, no byte of the database's files and no line of the log
// has them afterwards.
func TestErasureLeavesNoTraceAnywhere(t *testing.T) {
	inFull(t)
	const who = "jo.findme@example.org"
	for name, erase := range map[string]func(w *world, recipient int64){
		"by the command": func(w *world, _ int64) {
			c := &subscriptionsErase{Reason: "asked"}
			c.Who = "Jo.Findme@Example.org"
			if out, err := w.run(c); err != nil || !strings.Contains(out, "Erased") {
				w.Fatal(out, err)
			}
		},
		"by the page": func(w *world, recipient int64) {
			post(w.T, w.url+"/manage/"+w.keys.Sign("manage", fmt.Sprintf("%d:%s", recipient, alerts.DateOf(w.now()).AddDays(1)))+"/erase", url.Values{"sure": {"yes"}})
		},
		"by itself, four weeks after the last subscription ended": func(w *world, recipient int64) {
			post(w.T, w.url+"/u/"+w.keys.Sign("unsubscribe", fmt.Sprintf("%d:immediate,daily", recipient)), url.Values{})
			w.wait(28*24*time.Hour + time.Minute)
			w.housekeep(w.Context())
		},
		"by asking never to be written to": func(w *world, recipient int64) {
			post(w.T, w.url+"/never/"+w.keys.Sign("never", fmt.Sprint(recipient)), url.Values{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				t := w.T
				w.register("A barn")
				w.read()
				recipient := w.subscribe(who, alerts.Immediate)
				w.exec(`UPDATE subscription_version SET label = 'Findme Cottage', lat = 51.53912345`)
				w.register("A barn", "A porch")
				w.read()
				w.pass()
				post(w.T, w.url+"/links", url.Values{"email": {who}})
				w.register("A barn", "A porch", "A shed")
				w.read()
				w.wait(2 * time.Hour)
				w.pass("match", "compose") // one waits
				if err := w.store.ReportMail(t.Context(), alerts.MailReport{Key: "k", Kind: alerts.ReportSoft, Delivery: w.one(`SELECT max(id) FROM delivery WHERE kind = 'alert' AND state = 'sent'`), Address: who, Status: "5.2.2"}, w.now()); err != nil {
					t.Fatal(err)
				}
				if len(w.traces("findme")) < 4 {
					t.Fatalf("too little to erase: %v", w.traces("findme"))
				}
				erase(w, recipient)
				w.pass()
				if found := append(w.traces("findme"), w.traces("51.53912345")...); len(found) > 0 {
					t.Errorf("still in %v", found)
				}
				// The links in old mails go on answering.
				if page := post(w.T, w.url+"/u/"+w.keys.Sign("unsubscribe", fmt.Sprintf("%d:immediate", recipient)), url.Values{}); !strings.Contains(page, "Already stopped") {
					t.Error("the one click no longer answers")
				}
				if status, _ := w.page("/stop/" + w.keys.Sign("stop", "1")); status != 200 {
					t.Errorf("the link to stop answers %d", status)
				}
				c := &subscriptionsExport{}
				c.Who = who
				out, err := w.run(c)
				if barred := strings.Contains(name, "never"); err != nil || !strings.Contains(out, `"kept": []`) || strings.Contains(out, "not_written_to") != barred {
					t.Errorf("%s%v", out, err)
				}
			})
		})
	}
}

func TestPeopleAreFoundListedAndLetInAgain(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.T
		recipient := w.subscribe("jo@example.org", alerts.Daily)
		out, err := w.run(&subscriptionsList{State: "active", Limit: 100})
		if err != nil || !strings.Contains(out, "daily") || strings.Contains(out, "jo@") {
			t.Errorf("%s%v", out, err)
		}
		for _, who := range []string{"jo@example.org", "JO+x@example.org", fmt.Sprint(recipient)} {
			c := &subscriptionsExport{}
			c.Who = who
			if out, err := w.run(c); err != nil || !strings.Contains(out, `"address": "jo@example.org"`) || !strings.Contains(out, alerts.ConsentVersion) {
				t.Errorf("%s: %s%v", who, out, err)
			}
		}
		for who, want := range map[string]string{"99": "there is no person with the number 99", "jo": "neither an e-mail address nor a number", "-": "on standard input"} {
			c := &subscriptionsExport{}
			c.Who = who
			if _, err := w.run(c); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", who, err)
			}
		}
		erase := &subscriptionsErase{Reason: "asked", Suppress: true}
		erase.Who = "jo@example.org"
		if _, err := w.run(erase); err != nil {
			t.Fatal(err)
		}
		mails := w.one(`SELECT count(*) FROM delivery`)
		signUp := url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {"daily"}, "email": {"jo@example.org"}}
		post(w.T, w.url+"/subscriptions", signUp)
		if n := w.one(`SELECT count(*) FROM delivery`); n != mails {
			t.Error("a barred address is written to")
		}
		if out, err := w.run(&subscriptionsAllow{Address: "jo@example.org", Reason: "asked"}); err != nil || !strings.Contains(out, "can be signed up again") {
			t.Errorf("%s%v", out, err)
		}
		if _, err := w.run(&subscriptionsAllow{Address: "jo@example.org", Reason: "asked"}); err == nil {
			t.Error("lifted twice")
		}
		w.wait(24 * time.Hour)
		post(w.T, w.url+"/subscriptions", signUp)
		if n := w.one(`SELECT count(*) FROM delivery`); n != mails+1 {
			t.Error("an address that was let in again is not written to")
		}
	})
}

func TestWithApproximatePlacesNoHomeIsStored(t *testing.T) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			w := newWorld(t, e, func(c *Config) { c.ApproximatePlaces = true })
			w.subscribe("jo@example.org", alerts.Daily)
			for _, text := range []string{"51.539 ", "51.53900", "-0.1426 ", "-0.14260"} {
				if found := w.traces(text); len(found) > 0 {
					t.Errorf("%q is in %v", text, found)
				}
			}
			if n := w.one(`SELECT count(*) FROM subscription_version WHERE abs(lat - 51.539) < 0.0007 AND abs(lon + 0.1426) < 0.001`); n != 1 {
				t.Error("the place is not near, or not stored")
			}
		})
	}
}
