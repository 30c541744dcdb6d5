package deliver_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A square is a database with endpoints around it, each a real server on loopback,
// and a clock. Attempts go through the real client; its guard has been told to let
// these servers through, and nothing else.
type square struct {
	testing.TB
	*store.Store
	db      *sql.DB
	dsn     string
	keys    alerts.Keys
	client  *http.Client
	guard   alerts.Guard
	timeout time.Duration

	mu sync.Mutex
	at time.Time
}

// loopback is a guard that lets tests through to their own servers.
var loopback = alerts.Guard{Permit: func(at netip.AddrPort) bool { return at.Addr().IsLoopback() }}

var squareKeys = "test:" + strings.Repeat("A", 43)

// quiet is for servers whose clients misbehave on purpose.
var quiet = log.New(io.Discard, "", 0)

func eachSquare(t *testing.T, test func(t *testing.T, q *square)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(t, newSquare(t, e)) })
	}
}

func newSquare(t testing.TB, e storetest.Engine) *square {
	s, err := store.Open(t.Context(), e.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := alerts.ParseKeys(squareKeys)
	if err != nil {
		t.Fatal(err)
	}
	q := &square{TB: t, Store: s, db: e.DB(t), dsn: e.DSN, keys: keys, timeout: time.Second, at: time.Date(2026, 5, 5, 6, 0, 0, 0, time.UTC)}
	q.guard = loopback
	q.client = deliver.HookClient(q.guard, nil, nil)
	return q
}

func (q *square) now() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.at
}

// wait lets time pass.
func (q *square) wait(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.at = q.at.Add(d)
}

func (q *square) exec(query string, args ...any) {
	q.Helper()
	if _, err := q.db.Exec(query, args...); err != nil {
		q.Fatalf("%s: %v", query, err)
	}
}

func (q *square) count(query string, args ...any) (n int64) {
	q.Helper()
	if err := q.db.QueryRow(query, args...).Scan(&n); err != nil {
		q.Fatalf("%s: %v", query, err)
	}
	return n
}

// ping writes pings as compose does, in short.
func ping(e alerts.Endpoint) ([]byte, error) {
	return fmt.Appendf(nil, `{"type":"endpoint.ping","timestamp":"2026-05-05T06:00:00.000Z","data":{"challenge":%q}}`, e.Challenge), nil
}

// tombstone writes webhooks as compose does, in short.
func tombstone(n alerts.HookNews) ([]byte, error) {
	return fmt.Appendf(nil, `{"type":%q,"data":{"sequence":%d}}`, alerts.HookType(n.Event.Type), n.Sequence), nil
}

// endpoint makes an endpoint at an address that has not proved itself yet, with its
// ping in the queue, and returns its secret too.
func (q *square) endpoint(url string, format alerts.HookFormat) (alerts.Endpoint, string) {
	q.Helper()
	n, err := alerts.NewEndpoint{Name: "test", Format: format}.Check(url, alerts.URLPolicy{Guard: q.guard, PlainHTTP: true}, q.keys)
	if err != nil {
		q.Fatal(err)
	}
	secret := alerts.NewHookSecret()
	e, err := q.CreateEndpoint(q.Context(), n, q.keys.SealSecret(secret), q.now(), ping)
	if err != nil {
		q.Fatal(err)
	}
	return e, secret
}

// lead makes an endpoint's webhooks go elsewhere, without any proof.
func (q *square) lead(e alerts.Endpoint, url string) {
	q.Helper()
	q.exec(`UPDATE endpoint SET url = $1 WHERE id = $2`, q.keys.SealSecret(url), e.ID)
}

// active makes an endpoint that has proved itself.
func (q *square) active(url string) (alerts.Endpoint, string) {
	q.Helper()
	e, secret := q.endpoint(url, alerts.FormatStandard)
	q.exec(`UPDATE delivery SET state = 'cancelled' WHERE recipient_id = $1`, e.ID)
	q.exec(`UPDATE endpoint SET state = 'active', verified_at = 1 WHERE id = $1`, e.ID)
	return e, secret
}

// queue puts n webhooks in an endpoint's queue, numbered on from the last.
func (q *square) queue(e alerts.Endpoint, n int) {
	q.Helper()
	for range n {
		seq := q.count(`UPDATE endpoint SET sequence = sequence + 1 WHERE id = $1 RETURNING sequence`, e.ID)
		q.exec(`INSERT INTO delivery (kind, recipient_id, state, priority, message_id, subject, text, html, next_at, created_at, sequence, event_seq)
			VALUES ('webhook', $1, 'queued', 20, $2, 'application.received', $3, '', $4, $5, $6, $7)`,
			e.ID, alerts.HookID(e.ID, seq, q.now().UnixMilli()), fmt.Sprintf(`{"type":"application.received","data":{"sequence":%d,"text":"<&\u00e9🏚"}}`, seq), q.now().UnixMilli(), q.now().UnixMilli(), seq, seq)
	}
}

func (q *square) stage() *deliver.Hooks {
	return &deliver.Hooks{Store: q.Store, Sender: &deliver.Webhook{Client: q.client, Keys: q.keys, UserAgent: "Sitenotice"}, Write: tombstone, Now: q.now,
		Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0.5 }, Timeout: q.timeout, Gap: -1, Poll: 10 * time.Millisecond}
}

// serveOnce makes a pass in a process of its own, by the real clock.
func (q *square) serveOnce(ctx context.Context, dsn string) (err error) {
	if q.keys, err = alerts.ParseKeys(squareKeys); err != nil {
		return err
	}
	if q.Store, err = store.Open(ctx, dsn); err != nil {
		return err
	}
	q.client, q.timeout = deliver.HookClient(loopback, nil, nil), 10*time.Second
	s := q.stage()
	s.Now = time.Now
	_, err = s.Run(ctx)
	return err
}

func (q *square) pass() deliver.Result {
	q.Helper()
	r, err := q.stage().Run(q.Context())
	if err != nil {
		q.Fatal(err)
	}
	return r
}

// only makes a pass for one endpoint, as if none had failed before.
func (q *square) only(e alerts.Endpoint) deliver.Result {
	q.Helper()
	q.exec(`DELETE FROM sender`)
	s := q.stage()
	s.Only = e.ID
	r, err := s.Run(q.Context())
	if err != nil {
		q.Fatal(err)
	}
	return r
}

// endpointNow reads an endpoint anew.
func (q *square) endpointNow(e alerts.Endpoint) alerts.Endpoint {
	q.Helper()
	e, err := q.Endpoint(q.Context(), e.ID)
	if err != nil {
		q.Fatal(err)
	}
	return e
}

// last returns the newest delivery of an endpoint and its attempts.
func (q *square) last(e alerts.Endpoint) (alerts.HookDelivery, []alerts.HookAttempt) {
	q.Helper()
	found, _, err := q.EndpointDeliveries(q.Context(), e.ID, "", 0, 1)
	if err != nil || len(found) == 0 {
		q.Fatalf("no delivery: %v", err)
	}
	attempts, err := q.Attempts(q.Context(), e.ID, found[0].ID)
	if err != nil {
		q.Fatal(err)
	}
	return found[0], attempts
}

// A receiver is a server that notes what it is sent.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	when []time.Time // by the stopwatch
}

// received is one request as it arrived.
type received struct {
	header http.Header
	body   []byte
}

// receive starts a receiver that answers as told.
func receive(t testing.TB, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, received{req.Header.Clone(), body})
		r.when = append(r.when, time.Now())
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	r.Config.ErrorLog = quiet
	r.Start()
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *receiver) requests() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// ids counts how often each webhook-id arrived.
func (r *receiver) ids() map[string]int {
	out := map[string]int{}
	for _, g := range r.requests() {
		out[g.header.Get(alerts.HookIDHeader)]++
	}
	return out
}

// closedPort is an address on loopback at which nobody listens.
func closedPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String() + "/"
}

func TestAWebhookIsSignedOverItsExactBytesAndSentOnce(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		r := receive(t, nil)
		e, secret := q.active(r.URL + "/planning?x=1")
		q.queue(e, 20)
		if r := q.pass(); r.Sent != 20 {
			t.Fatalf("%+v", r)
		}
		if r := q.pass(); r.Worked() {
			t.Errorf("the second pass: %+v", r)
		}
		for _, got := range r.requests() {
			if err := alerts.VerifyHook(secret, got.header.Get("webhook-id"), got.header.Get("webhook-timestamp"), got.header.Get("webhook-signature"), got.body, q.now()); err != nil {
				t.Errorf("%v: %s", err, got.body)
			}
			if !strings.HasPrefix(got.header.Get("webhook-id"), "evt_") || strings.Contains(got.header.Get("webhook-id"), ".") {
				t.Errorf("the id %q", got.header.Get("webhook-id"))
			}
		}
		if n := len(r.ids()); n != 20 {
			t.Errorf("%d webhooks arrived, want 20", n)
		}
		if now := q.endpointNow(e); now.Waiting != 0 || now.Failures != 0 || now.SucceededAt == 0 {
			t.Errorf("%+v", now)
		}
	})
}

func TestAnEndpointHearsNothingUntilItHasEchoedTheChallenge(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		answer := "ok"
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
		e, _ := q.endpoint(r.URL, alerts.FormatStandard)
		q.queue(e, 1)
		q.pass()
		if n := len(r.requests()); n != 1 {
			t.Fatalf("%d requests, want the ping alone", n)
		}
		if now := q.endpointNow(e); now.State != alerts.EndpointPending {
			t.Fatalf("the endpoint is %s", now.State)
		}
		answer = fmt.Sprintf(`{"challenge":%q}`, e.Challenge)
		if err := q.PingEndpoint(q.Context(), e.ID, q.now(), ping); err != nil {
			t.Fatal(err)
		}
		q.pass()
		if now := q.endpointNow(e); now.State != alerts.EndpointActive || now.VerifiedAt == 0 {
			t.Fatalf("the endpoint is %s", now.State)
		}
		q.pass()
		if n := len(r.requests()); n != 3 {
			t.Errorf("%d requests, want two pings and a webhook", n)
		}
	})
}
