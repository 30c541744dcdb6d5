package deliver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
)

// A behaviour is one way in which a receiver misbehaves, and what becomes of it.
type behaviour struct {
	answer http.HandlerFunc                                                                  // how it answers; or
	server func(t testing.TB) *receiver                                                      // how it is made
	check  func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) // after one pass; its first delivery has been tried
}

// wants returns a check of the last attempt.
func wants(state alerts.DeliveryState, class alerts.HookClass, status int) func(*testing.T, *square, alerts.Endpoint, *receiver, time.Duration) {
	return func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, _ time.Duration) {
		t.Helper()
		d, attempts := q.last(e)
		if len(attempts) != 1 || d.State != state || attempts[0].Class != class || attempts[0].Status != status {
			t.Errorf("the delivery is %s after %+v; want %s, %q %d", d.State, attempts, state, class, status)
		}
	}
}

// nextAfter checks how long after the attempt the next one is.
func nextAfter(t *testing.T, q *square, e alerts.Endpoint, least, most time.Duration) {
	t.Helper()
	d, _ := q.last(e)
	if in := time.UnixMilli(d.NextAt).Sub(q.now()); in < least || in > most {
		t.Errorf("the next attempt is in %v, want between %v and %v", in, least, most)
	}
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// raw starts a receiver that writes to the connection itself.
func raw(t testing.TB, write func(c net.Conn)) *receiver {
	return receive(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		write(c)
	})
}

// hang keeps a request open until the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip answers 200 and then one byte of its body at a time, for ever.
func drip(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := w.Write([]byte("x")); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// bomb is 50 MiB of nothing, packed small beforehand so that packing it is not taken
// for a slow answer.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range 50 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	return b.Bytes()
})

// behaviours is what receivers do, by the names of the corpus.
var behaviours = map[string]behaviour{
	"200 fast":  {answer: status(200), check: wants(alerts.DeliverySent, "", 200)},
	"204 empty": {answer: status(204), check: wants(alerts.DeliverySent, "", 204)},
	"202 with 200 KB body": {
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(202)
			w.Write(bytes.Repeat([]byte("é"), 100<<10))
		},
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliverySent, "", 202)(t, q, e, r, took)
			_, attempts := q.last(e)
			if a := attempts[0].Answer; len(a) > alerts.MaxAnswer || len(a) < alerts.MaxAnswer-4 || !utf8.ValidString(a) || strings.ContainsRune(a, utf8.RuneError) {
				t.Errorf("%d bytes of the answer are kept, want %d whole characters' worth", len(a), alerts.MaxAnswer)
			}
		},
	},
	"103 Early Hints x100 then 200": {
		answer: func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
			}
			w.WriteHeader(200)
		},
		check: wants(alerts.DeliverySent, "", 200),
	},
	"304": {answer: status(304), check: wants(alerts.DeliveryQueued, alerts.HookStatus, 304)},
	"400": {
		answer: status(400),
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliveryQueued, alerts.HookStatus, 400)(t, q, e, r, took)
			nextAfter(t, q, e, 4*time.Second, 6*time.Second)
			q.wait(6 * time.Second)
			q.pass()
			if n := len(r.requests()); n != 2 {
				t.Errorf("%d requests, want a second one", n)
			}
		},
	},
	"410": {
		answer: status(410),
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, _ time.Duration) {
			if now := q.endpointNow(e); now.State != alerts.EndpointDisabled || now.News != alerts.NewsDisabled || now.Reason == "" {
				t.Errorf("the endpoint is %s (%s), its owner is to be told %q", now.State, now.Reason, now.News)
			}
			q.queue(e, 3)
			q.wait(100 * time.Hour)
			q.pass()
			if n := len(r.requests()); n != 1 {
				t.Errorf("%d requests, want none after the first", n)
			}
		},
	},
	"429 Retry-After: 120": {
		answer: status(429, "Retry-After", "120"),
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliveryQueued, alerts.HookStatus, 429)(t, q, e, r, took)
			nextAfter(t, q, e, 120*time.Second, 180*time.Second)
			q.queue(e, 3)
			q.wait(119 * time.Second)
			q.pass()
			if n := len(r.requests()); n != 1 {
				t.Errorf("%d requests, want the whole endpoint left alone", n)
			}
			q.wait(2 * time.Second)
			q.pass()
			if n := len(r.requests()); n == 1 {
				t.Error("no request after the time that it asked for")
			}
		},
	},
	"503 Retry-After: 99999999": {
		answer: status(503, "Retry-After", "99999999"),
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliveryQueued, alerts.HookStatus, 503)(t, q, e, r, took)
			nextAfter(t, q, e, 24*time.Hour, 24*time.Hour)
		},
	},
	"503 Retry-After: -5 / abc / 120.6": {
		answer: func() http.HandlerFunc {
			var n atomic.Int64
			asks := []string{"-5", "abc", "120.6"}
			return func(w http.ResponseWriter, r *http.Request) {
				status(503, "Retry-After", asks[(n.Add(1)-1)%3])(w, r)
			}
		}(),
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, _ time.Duration) {
			nextAfter(t, q, e, 4*time.Second, 6*time.Second) // -5
			q.wait(6 * time.Second)
			q.pass()
			nextAfter(t, q, e, 4*time.Minute, 6*time.Minute) // abc
			q.wait(6 * time.Minute)
			q.exec(`UPDATE delivery SET attempts = 0 WHERE recipient_id = $1`, e.ID)
			q.pass()
			nextAfter(t, q, e, 121*time.Second, 121*time.Second) // 120.6
		},
	},
	"accepts, never answers": {
		answer: hang,
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliveryQueued, alerts.HookTimeout, 0)(t, q, e, r, took)
			nextAfter(t, q, e, time.Minute, time.Minute)
			if took > 2*q.timeout {
				t.Errorf("it took %v", took)
			}
		},
	},
	"headers, then one body byte a second": {
		answer: drip,
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliverySent, "", 200)(t, q, e, r, took) // the status says what matters
			if took > 2*q.timeout {
				t.Errorf("it took %v, beyond the deadline of the whole attempt", took)
			}
		},
	},
	"gzip bomb body": {
		answer: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				w.WriteHeader(406)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb())
		},
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliverySent, "", 200)(t, q, e, r, took)
			if _, attempts := q.last(e); len(attempts[0].Answer) > alerts.MaxAnswer {
				t.Errorf("%d bytes of the answer are kept", len(attempts[0].Answer))
			}
		},
	},
	"1 MiB of response headers": {
		answer: func(w http.ResponseWriter, _ *http.Request) {
			for i := range 256 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 4<<10))
			}
		},
		check: wants(alerts.DeliveryQueued, alerts.HookTooLarge, 0),
	},
	"reset mid-body after 2xx status": {
		server: func(t testing.TB) *receiver {
			return raw(t, func(c net.Conn) {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
				c.(*net.TCPConn).SetLinger(0)
			})
		},
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliverySent, "", 200)(t, q, e, r, took)
			q.wait(time.Hour)
			q.pass()
			if n := len(r.requests()); n != 1 {
				t.Errorf("%d requests, want one", n)
			}
		},
	},
	"body with ANSI escapes, HTML, invalid UTF-8, NUL": {
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			w.Write([]byte("\x1b[31m<script>alert(1)</script>\xff\xfe\x00\u202e end"))
		},
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, took time.Duration) {
			wants(alerts.DeliveryQueued, alerts.HookStatus, 500)(t, q, e, r, took)
			_, attempts := q.last(e)
			if a := attempts[0].Answer; !utf8.ValidString(a) || strings.ContainsAny(a, "\x1b\x00\u202e") || !strings.Contains(a, "<script>") || !strings.HasSuffix(a, " end") {
				t.Errorf("kept: %q", a)
			}
		},
	},
	"Set-Cookie": {
		answer: status(200, "Set-Cookie", "session=1; Path=/"),
		check: func(t *testing.T, q *square, e alerts.Endpoint, r *receiver, _ time.Duration) {
			q.queue(e, 1)
			q.pass()
			for _, got := range r.requests() {
				if got.header.Get("Cookie") != "" {
					t.Error("a cookie was sent back")
				}
			}
		},
	},
}

// elsewhere are the behaviours of the corpus that have tests of their own.
var elsewhere = map[string]string{
	"TLS expired / wrong host / self-signed / TLS 1.1 only": "TestOnlyAValidCertificateWillDo",
	"worker killed -9 between send and record":              "TestAKilledWorkerRepeatsWhatWasInFlightUnderTheSameIDs",
	"two workers race for one delivery":                     "TestSeveralWorkersSendEachWebhookOnceAndFewAtATime",
	"secret rotated while queued":                           "TestBothSecretsSignDuringARotation",
	"clock jumps back or forward":                           "TestAClockThatJumpsStopsNothing",
}

func TestWhateverAReceiverDoesTheHealthyOneNextToItHearsInTime(t *testing.T) {
	bomb()
	if dir := os.Getenv("SITENOTICE_SHARED"); dir != "" {
		var corpus struct{ Receivers []struct{ Name string } }
		b, err := os.ReadFile(filepath.Join(dir, "delivery", "corpora", "receiver_behaviours.json"))
		if err == nil {
			err = json.Unmarshal(b, &corpus)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range corpus.Receivers {
			if _, known := behaviours[r.Name]; !known && elsewhere[r.Name] == "" {
				t.Errorf("nothing tests how we bear %q", r.Name)
			}
		}
	}
	eachSquare(t, func(t *testing.T, q *square) {
		q.timeout = 2 * time.Second
		for name, b := range behaviours {
			t.Run(name, func(t *testing.T) {
				make := b.server
				if make == nil {
					make = func(t testing.TB) *receiver { return receive(t, b.answer) }
				}
				bad, good := make(t), receive(t, nil)
				e, _ := q.active(bad.URL)
				healthy, _ := q.active(good.URL)
				q.queue(e, 1)
				q.queue(healthy, 5)
				start := time.Now()
				q.pass()
				took := time.Since(start)
				if n := len(good.ids()); n != 5 {
					t.Fatalf("%d of 5 webhooks reached the healthy endpoint", n)
				}
				good.mu.Lock()
				last := good.when[len(good.when)-1]
				good.mu.Unlock()
				if waited := last.Sub(start); waited > q.timeout {
					t.Errorf("the healthy endpoint waited %v", waited)
				}
				b.check(t, q, e, bad, took)
				q.exec(`UPDATE endpoint SET state = 'paused'`)
			})
		}
	})
}

func TestOneEndpointThatHangsHoldsUpOnlyItself(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		q.timeout = 3 * time.Second
		slow, good := receive(t, hang), receive(t, nil)
		bad, _ := q.active(slow.URL)
		healthy, _ := q.active(good.URL)
		q.queue(bad, 10)
		q.queue(healthy, 1)
		done := make(chan deliver.Result)
		go func() {
			r, err := q.stage().Run(t.Context())
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		// While the one hangs, the other hears of what happens meanwhile.
		for want := 1; want <= 5; want++ {
			deadline := time.After(2 * time.Second)
			for len(good.requests()) < want {
				select {
				case <-done:
					t.Fatal("the pass ended while an endpoint was being tried")
				case <-deadline:
					t.Fatalf("%d of %d webhooks have reached the healthy endpoint", len(good.requests()), want)
				case <-time.After(5 * time.Millisecond):
				}
			}
			if want < 5 {
				q.queue(healthy, 1)
			}
		}
		if r := <-done; r.Sent != 5 {
			t.Errorf("%+v", r)
		}
		if n := len(slow.requests()); n > 4 {
			t.Errorf("%d requests were open at the endpoint that hangs", n)
		}
	})
}

func TestSeveralWorkersSendEachWebhookOnceAndFewAtATime(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		var open, most atomic.Int64
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			n := open.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer open.Add(-1)
			time.Sleep(2 * time.Millisecond) // a receiver that does something
		})
		e, _ := q.active(r.URL)
		q.queue(e, 100)
		var workers sync.WaitGroup
		for range 3 {
			workers.Go(func() {
				if _, err := q.stage().Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		ids := r.ids()
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s arrived %d times", id, n)
			}
		}
		if len(ids) != 100 || most.Load() > 2 {
			t.Errorf("%d webhooks arrived, at most %d at a time", len(ids), most.Load())
		}
	})
}

func TestBothSecretsSignDuringARotation(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, nil)
		e, old := q.active(r.URL)
		q.queue(e, 1) // before the rotation
		fresh := alerts.NewHookSecret()
		if err := q.RotateSecret(t.Context(), e.ID, q.keys.SealSecret(fresh), alerts.SecretOverlap, q.now()); err != nil {
			t.Fatal(err)
		}
		verify := func(secret string, got received) error {
			return alerts.VerifyHook(secret, got.header.Get("webhook-id"), got.header.Get("webhook-timestamp"), got.header.Get("webhook-signature"), got.body, q.now())
		}
		q.pass()
		got := r.requests()[0]
		if signatures := strings.Split(got.header.Get("webhook-signature"), " "); len(signatures) != 2 || verify(old, got) != nil || verify(fresh, got) != nil {
			t.Errorf("signed with %q", got.header.Get("webhook-signature"))
		}
		newest := got
		newest.header.Set("webhook-signature", strings.Split(got.header.Get("webhook-signature"), " ")[0])
		if verify(fresh, newest) != nil {
			t.Error("the new secret's signature is not the first")
		}
		q.wait(alerts.SecretOverlap)
		q.queue(e, 1)
		q.pass()
		if got = r.requests()[1]; verify(old, got) == nil || verify(fresh, got) != nil {
			t.Error("the old secret still signs after a day")
		}
	})
}

func TestAClockThatJumpsStopsNothing(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, nil)
		e, secret := q.active(r.URL)
		for _, jump := range []time.Duration{0, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
			q.wait(jump)
			before := len(r.requests())
			q.queue(e, 1)
			q.pass()
			if len(r.requests()) != before+1 {
				t.Fatalf("nothing was sent after a jump of %v", jump)
			}
			got := r.requests()[before]
			if err := alerts.VerifyHook(secret, got.header.Get("webhook-id"), got.header.Get("webhook-timestamp"), got.header.Get("webhook-signature"), got.body, q.now()); err != nil {
				t.Errorf("after a jump of %v the time of the attempt is %s", jump, got.header.Get("webhook-timestamp"))
			}
		}
		// What rests until a moment far ahead is found again by the daily housekeeping.
		q.queue(e, 1)
		q.exec(`UPDATE delivery SET next_at = $1 WHERE state = 'queued'`, q.now().AddDate(10, 0, 0).UnixMilli())
		q.exec(`UPDATE endpoint SET rests_until = $1, lease_until = $2`, q.now().AddDate(10, 0, 0).UnixMilli(), q.now().AddDate(10, 0, 0).UnixMilli())
		if err := q.Housekeeping(t.Context(), q.now()); err != nil {
			t.Fatal(err)
		}
		if r := q.pass(); r.Sent != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAPassOfWebhooksLeavesNothingRunning(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, nil)
		e, _ := q.active(r.URL)
		q.queue(e, 5)
		q.pass()
		running := goleak.IgnoreCurrent()
		q.queue(e, 20)
		q.pass()
		r.CloseClientConnections()
		goleak.VerifyNone(t, running)
	})
}

// workerFor is the variable that makes a test process a worker.
const workerFor = "SITENOTICE_TEST_HOOK_WORKER"

// TestMain runs the tests, or a worker of one that is going to be killed.
func TestMain(m *testing.M) {
	if dsn := os.Getenv(workerFor); dsn != "" {
		worker(dsn)
		return
	}
	os.Exit(m.Run())
}

func TestAKilledWorkerRepeatsWhatWasInFlightUnderTheSameIDs(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		var kill atomic.Pointer[os.Process]
		var n atomic.Int64
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 8 {
				kill.Load().Kill() // it has sent this one, and will never record it
			}
		})
		e, _ := q.active(r.URL)
		q.queue(e, 30)
		q.exec(`UPDATE delivery SET next_at = 0`)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), workerFor+"="+q.dsn)
		ready, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill.Store(cmd.Process)
		ready.Close()
		if err := cmd.Wait(); err == nil {
			t.Fatal("the worker was not killed")
		}
		q.mu.Lock()
		q.at = time.Now().Add(2 * deliver.DefaultHookLease) // the worker's clock is the real one
		q.mu.Unlock()
		q.pass()
		ids := r.ids()
		twice := 0
		for _, n := range ids {
			if n > 1 {
				twice++
			}
		}
		// In flight at the kill: two requests, and what was not recorded yet.
		if len(ids) != 30 || twice == 0 || twice > 16 {
			t.Errorf("%d of 30 webhooks arrived, %d of them twice", len(ids), twice)
		}
		if left := q.count(`SELECT count(*) FROM delivery WHERE state <> 'sent' AND event_seq IS NOT NULL AND recipient_id = $1`, e.ID); left != 0 {
			t.Errorf("%d are not recorded as sent", left)
		}
	})
}

// authority is a certificate authority of the tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate for a host that ends at a moment.
func (a *authority) issue(t testing.TB, host string, ends time.Time) tls.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: ends, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// tlsConfig is a server's with a valid certificate for loopback.
func tlsConfig(a *authority, t testing.TB) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.issue(t, "127.0.0.1", time.Now().Add(time.Hour))}}
}

func TestOnlyAValidCertificateWillDo(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	inAnHour := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		config *tls.Config
		ok     bool
	}{
		{"valid", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", inAnHour)}}, true},
		{"expired", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Now().Add(-time.Hour))}}, false},
		{"of another host", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "hooks.example.org", inAnHour)}}, false},
		{"of an unknown authority", &tls.Config{Certificates: []tls.Certificate{other.issue(t, "127.0.0.1", inAnHour)}}, false},
		{"TLS 1.1 only", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", inAnHour)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSquare(t, func(t *testing.T, q *square) {
				q.client = deliver.HookClient(q.guard, nil, ca.pool)
				r := &receiver{}
				r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.got = append(r.got, received{header: req.Header})
				}))
				r.TLS = c.config
				r.Config.ErrorLog = quiet
				r.StartTLS()
				defer r.Close()
				e, _ := q.active(strings.Replace(r.URL, "http://", "https://", 1))
				q.queue(e, 1)
				q.pass()
				d, attempts := q.last(e)
				switch {
				case c.ok && d.State != alerts.DeliverySent:
					t.Errorf("%s: %+v", d.State, attempts)
				case !c.ok && (attempts[0].Class != alerts.HookTLS || len(r.requests()) != 0 || d.State != alerts.DeliveryQueued):
					t.Errorf("%s: %+v; %d requests", d.State, attempts, len(r.requests()))
				}
			})
		})
	}
}

// worker makes one pass of a database's webhooks by the real clock, as a process that
// is going to be killed.
func worker(dsn string) {
	var wait [1]byte
	os.Stdin.Read(wait[:]) // until the parent is ready to kill it
	q := &square{}
	if err := q.serveOnce(context.Background(), dsn); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
