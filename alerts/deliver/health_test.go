package deliver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// keepTrying lets time pass and makes passes until a moment.
func (q *square) keepTrying(for_ time.Duration, step time.Duration) {
	for end := q.now().Add(for_); q.now().Before(end); {
		q.wait(step)
		q.exec(`DELETE FROM sender`)
		q.pass()
	}
}

func TestAWebhookIsTriedTenTimesInThreeDays(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, status(500))
		e, _ := q.active(r.URL)
		q.queue(e, 1)
		q.pass()
		start := q.now()
		for d, _ := q.last(e); d.State == alerts.DeliveryQueued; d, _ = q.last(e) {
			if time.UnixMilli(d.NextAt).Sub(q.now()) <= 0 {
				t.Fatalf("it is due again at %d", d.NextAt)
			}
			q.wait(time.UnixMilli(d.NextAt).Sub(q.now()))
			q.pass()
		}
		d, attempts := q.last(e)
		if d.State != alerts.DeliveryGivenUp || len(attempts) != 10 || len(r.ids()) != 1 {
			t.Fatalf("%s after %d attempts", d.State, len(attempts))
		}
		if took := q.now().Sub(start); took < 75*time.Hour || took > 76*time.Hour {
			t.Errorf("that took %v, want 75 h 35 m", took)
		}
		if now := q.endpointNow(e); now.News != alerts.NewsExhausted && now.Told != alerts.NewsExhausted {
			t.Errorf("its owner is not told that a webhook was given up: %q", now.News)
		}
		// It can be sent again, under the same id.
		again, err := q.Recover(t.Context(), e.ID, alerts.Recovery{Since: start.UnixMilli()}, q.now())
		if err != nil || again.Queued != 1 || again.Last != 1 {
			t.Fatalf("to be sent again: %+v, %v", again, err)
		}
		q.pass()
		if len(r.requests()) != 11 || len(r.ids()) != 1 {
			t.Errorf("%d requests with %d ids", len(r.requests()), len(r.ids()))
		}
	})
}

func TestAnEndpointThatNothingButFailsIsDisabledAfterFiveDays(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		var code atomic.Int64
		code.Store(500)
		r := receive(t, func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(int(code.Load()))
			w.Write([]byte(req.Header.Get("x")))
		})
		e, _ := q.active(r.URL)
		sometimes, _ := q.active(receive(t, func() http.HandlerFunc {
			var n atomic.Int64
			return func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1)%8 != 0 {
					w.WriteHeader(500)
				}
			}
		}()).URL)
		for day := range 5 {
			q.queue(e, 3)
			q.queue(sometimes, 3)
			q.keepTrying(24*time.Hour, 2*time.Hour)
			now := q.endpointNow(e)
			if day < 4 && now.State != alerts.EndpointActive {
				t.Fatalf("after %d days it is %s", day+1, now.State)
			}
			if day == 1 && now.News == "" && now.Told == "" {
				t.Error("its owner is not told that it has failed for a day")
			}
		}
		q.queue(e, 1)
		q.keepTrying(12*time.Hour, 2*time.Hour)
		if now := q.endpointNow(e); now.State != alerts.EndpointDisabled || now.News != alerts.NewsDisabled {
			t.Fatalf("after five and a half days it is %s, its owner is to be told %q", now.State, now.News)
		}
		if now := q.endpointNow(sometimes); now.State != alerts.EndpointActive {
			t.Errorf("one that works now and then is %s", now.State)
		}
		// A ping that is not echoed does not switch it on; one that is does, and what waited comes.
		code.Store(200)
		if err := q.PingEndpoint(t.Context(), e.ID, q.now(), ping); err != nil {
			t.Fatal(err)
		}
		q.only(e)
		if now := q.endpointNow(e); now.State != alerts.EndpointDisabled {
			t.Fatalf("after a ping without an echo it is %s", now.State)
		}
		waiting := q.endpointNow(e).Waiting
		e.Challenge = q.endpointNow(e).Challenge
		q.lead(e, receive(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(e.Challenge)) }).URL+"/")
		if err := q.PingEndpoint(t.Context(), e.ID, q.now(), ping); err != nil {
			t.Fatal(err)
		}
		q.only(e)
		q.wait(30 * time.Hour)
		q.only(e)
		if now := q.endpointNow(e); now.State != alerts.EndpointActive || now.Waiting != 0 || waiting == 0 || now.Failures != 0 {
			t.Errorf("after an echo it is %s; %d of %d still wait", now.State, now.Waiting, waiting)
		}
	})
}

func TestOurOwnOutageCountsAgainstNobody(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		var endpoints []alerts.Endpoint
		urls := map[int64]string{}
		for range 5 {
			r := receive(t, nil)
			e, _ := q.active(r.URL)
			endpoints = append(endpoints, e)
			urls[e.ID] = r.URL + "/"
			q.queue(e, 1)
		}
		q.pass() // all of them work
		down := closedPort(t)
		for _, e := range endpoints {
			q.lead(e, down)
			q.queue(e, 1)
		}
		for end := q.now().Add(6 * 24 * time.Hour); q.now().Before(end); {
			q.wait(time.Hour)
			q.pass()
		}
		for _, e := range endpoints {
			now := q.endpointNow(e)
			d, _ := q.last(e)
			if now.State != alerts.EndpointActive || d.State != alerts.DeliveryQueued || now.News != "" || d.Attempts > 1 {
				t.Errorf("after six days without a network: %s, its webhook %s after %d attempts that count, news %q", now.State, d.State, d.Attempts, now.News)
			}
			q.lead(e, urls[e.ID])
		}
		for range 4 {
			q.wait(time.Hour)
			q.pass()
		}
		for _, e := range endpoints {
			if d, _ := q.last(e); d.State != alerts.DeliverySent {
				t.Errorf("when the network is back its webhook is %s", d.State)
			}
		}
	})
}

func TestOneDeadEndpointAmongHealthyOnesIsNoOutage(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		dead, _ := q.active(closedPort(t))
		for range 3 {
			e, _ := q.active(receive(t, nil).URL)
			q.queue(e, 1)
		}
		q.queue(dead, 1)
		if r := q.pass(); !r.Rests.IsZero() {
			t.Errorf("everybody rests until %v", r.Rests)
		}
		if d, _ := q.last(dead); d.Attempts != 1 {
			t.Errorf("%d attempts count", d.Attempts)
		}
	})
}

func TestRecoverSendsWhatTheReceiverSaysItLacks(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, nil)
		e, _ := q.active(r.URL)
		start := q.now()
		q.queue(e, 5)
		q.pass()
		q.wait(time.Hour)
		q.queue(e, 2)
		q.pass()
		if len(r.requests()) != 7 {
			t.Fatalf("%d requests", len(r.requests()))
		}
		hour := start.Add(30 * time.Minute).UnixMilli()
		for _, c := range []struct {
			what string
			alerts.Recovery
			want int
		}{
			{"what was accepted is not sent again by itself", alerts.Recovery{Since: start.UnixMilli()}, 0},
			{"nor after a number", alerts.Recovery{After: 3}, 0},
			{"unless the receiver says so: after a number", alerts.Recovery{After: 3, Accepted: true}, 4},
			{"up to a number", alerts.Recovery{After: 3, UpTo: 4, Accepted: true}, 1},
			{"until a time", alerts.Recovery{Since: start.UnixMilli(), Until: hour, Accepted: true}, 5},
			{"since a time", alerts.Recovery{Since: hour, Accepted: true}, 2},
			{"from both sides", alerts.Recovery{Since: start.UnixMilli(), Until: hour, After: 1, UpTo: 6, Accepted: true}, 4},
		} {
			before := len(r.requests())
			var first alerts.Recovered
			for i := range 2 { // asking twice sends nothing twice
				got, err := q.Recover(t.Context(), e.ID, c.Recovery, q.now())
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					first = got
				} else if got.Queued != 0 {
					t.Errorf("%s: asked again, %d more", c.what, got.Queued)
				}
			}
			q.pass()
			if first.Queued != c.want || len(r.requests())-before != c.want || first.More {
				t.Errorf("%s: %+v and %d requests, want %d", c.what, first, len(r.requests())-before, c.want)
			}
			q.exec(`DELETE FROM allowance`)
		}
		if ids := r.ids(); len(ids) != 7 {
			t.Errorf("7 webhooks came under %d ids", len(ids))
		}
		q.wait((alerts.RecoverDays*24 + 1) * time.Hour)
		if got, err := q.Recover(t.Context(), e.ID, alerts.Recovery{Accepted: true}, q.now()); err != nil || got.Queued != 0 {
			t.Errorf("%d webhooks of more than fourteen days ago are sent again: %v", got.Queued, err)
		}
		for range alerts.RecoversPerHour + 1 {
			_, err := q.Recover(t.Context(), e.ID, alerts.Recovery{}, q.now())
			if err != nil && strings.Contains(err.Error(), alerts.ErrTooMany.Error()) {
				return
			}
		}
		t.Error("recover can be asked for without end")
	})
}

func TestARecoveryThatCannotBeSaysWhy(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	at := func(days int) int64 { return now.AddDate(0, 0, days).UnixMilli() }
	for _, c := range []struct {
		alerts.Recovery
		field string
	}{
		{alerts.Recovery{}, ""},
		{alerts.Recovery{Since: at(-14)}, ""},
		{alerts.Recovery{Since: at(-13), Until: at(-12), After: 4, UpTo: 5}, ""},
		{alerts.Recovery{Since: at(-14) - 1}, "since"},
		{alerts.Recovery{Since: at(1)}, "since"},
		{alerts.Recovery{Since: at(-2), Until: at(-2)}, "until"},
		{alerts.Recovery{Until: at(-20)}, "until"},
		{alerts.Recovery{After: -1}, "after_sequence"},
		{alerts.Recovery{After: 5, UpTo: 5}, "until_sequence"},
	} {
		got, err := c.Check(now)
		var invalid *alerts.InvalidError
		if errors.As(err, &invalid) != (c.field != "") || invalid != nil && invalid.Field != c.field {
			t.Errorf("%+v: %v", c.Recovery, err)
		}
		if err == nil && got.Since < at(-14) {
			t.Errorf("%+v reaches back to %d", c.Recovery, got.Since)
		}
	}
}

func TestAChatRoomIsSwitchedOnByItsCodeAlone(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
		e, _ := q.endpoint(r.URL, alerts.FormatSlack)
		q.pass()
		if now := q.endpointNow(e); now.State != alerts.EndpointPending {
			t.Fatalf("an answer alone makes it %s", now.State)
		}
		if err := q.ConfirmEndpoint(t.Context(), e.ID, "ZZZZ-ZZZZ", q.now()); err == nil {
			t.Error("a wrong code is accepted")
		}
		if err := q.ConfirmEndpoint(t.Context(), e.ID, strings.ToLower(strings.ReplaceAll(e.Challenge, "-", " ")), q.now()); err != nil {
			t.Fatal(err)
		}
		if now := q.endpointNow(e); now.State != alerts.EndpointActive {
			t.Errorf("it is %s", now.State)
		}
		for range alerts.PingsPerHour {
			if err := q.ConfirmEndpoint(t.Context(), e.ID, "ZZZZ-ZZZZ", q.now()); err != nil && strings.Contains(err.Error(), alerts.ErrTooMany.Error()) {
				return
			}
		}
		t.Error("codes can be guessed without end")
	})
}

func TestANewAddressHasToProveItself(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r, other := receive(t, nil), receive(t, nil)
		e, _ := q.active(r.URL)
		change := func(name, url string) {
			t.Helper()
			n, err := e.Change(&name, &url, nil, alerts.URLPolicy{Guard: q.guard, PlainHTTP: true}, q.keys)
			if err == nil {
				_, err = q.EditEndpoint(t.Context(), e.ID, n, q.now(), ping)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if change("renamed", r.URL+"/"); q.endpointNow(e).State != alerts.EndpointActive {
			t.Error("the same address has to prove itself again")
		}
		change("moved", other.URL+"/")
		q.queue(e, 3)
		q.pass()
		if len(r.requests()) != 0 || len(other.requests()) != 1 {
			t.Errorf("%d requests at the old address, %d at the new one; want a ping alone", len(r.requests()), len(other.requests()))
		}
	})
}

func TestAWebhookOfACaseTakenDownMeanwhileSaysOnlyThat(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, nil)
		e, _ := q.active(r.URL)
		q.exec(`INSERT INTO application (id, authority, reference, version, hidden, first_seen, updated_at, listed, details) VALUES (900, 'x', '1', 1, TRUE, 0, 0, '', '{}')`)
		q.exec(`INSERT INTO event (id, seq, application_id, version, type, state, at, run_id, after) VALUES (900, 1, 900, 1, 'received', 'live', 0, 1, '{}')`)
		q.queue(e, 1)
		q.pass()
		got := r.requests()
		if len(got) != 1 || string(got[0].body) != `{"type":"application.removed","data":{"sequence":1}}` {
			t.Errorf("sent %q", got)
		}
		// One that was redacted since is written from what is left of it.
		q.exec(`UPDATE application SET hidden = FALSE, redacted_at = $1`, q.now().Add(time.Minute).UnixMilli())
		if _, err := q.Recover(t.Context(), e.ID, alerts.Recovery{Accepted: true}, q.now()); err != nil {
			t.Fatal(err)
		}
		q.pass()
		if got = r.requests(); len(got) != 2 || string(got[1].body) != `{"type":"application.received","data":{"sequence":1}}` {
			t.Errorf("sent %q", got)
		}
	})
}

// The package of npm is the second of the two verifiers that are not ours.
func TestTheNodeLibraryAcceptsOurSignatures(t *testing.T) {
	const library = "../../web/node_modules/standardwebhooks"
	if _, err := os.Stat(library); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("standardwebhooks is not there: run make assets")
		}
		t.Skip("standardwebhooks is not there: run make assets")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("node is not installed")
		}
		t.Skip("node is not installed")
	}
	path, err := filepath.Abs(library)
	if err != nil {
		t.Fatal(err)
	}
	eachSquare(t, func(t *testing.T, q *square) {
		q.mu.Lock()
		q.at = time.Now() // the library's clock cannot be set
		q.mu.Unlock()
		r := receive(t, nil)
		e, old := q.active(r.URL)
		fresh := alerts.NewHookSecret()
		if err := q.RotateSecret(t.Context(), e.ID, q.keys.SealSecret(fresh), alerts.SecretOverlap, q.now()); err != nil {
			t.Fatal(err)
		}
		q.queue(e, 1)
		q.pass()
		got := r.requests()[0]
		input, err := json.Marshal(map[string]any{"path": path, "secrets": []string{old, fresh}, "body": string(got.body), "headers": map[string]string{
			"webhook-id": got.header.Get("webhook-id"), "webhook-timestamp": got.header.Get("webhook-timestamp"), "webhook-signature": got.header.Get("webhook-signature")}})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(node, "-e", `
			const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
			const { Webhook } = require(input.path);
			for (const secret of input.secrets) {
				new Webhook(secret).verify(input.body, input.headers);
				let accepted = false;
				try { new Webhook(secret).verify(input.body + " ", input.headers); accepted = true } catch {}
				if (accepted) throw new Error("other bytes are accepted");
			}
			console.log("verified");`)
		cmd.Stdin = strings.NewReader(string(input))
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "verified" {
			t.Errorf("%v: %s", err, out)
		}
	})
}
