package deliver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// BenchmarkWebhooks sends webhooks of about 1 KB to 200 servers on loopback, beside
// four that hang, drip, answer 500 and are down, each with a queue as long. It counts
// up to the last webhook that a healthy one accepts, signatures, database and log
// included; and how long after it was due the slowest of a second, small round came.
func BenchmarkWebhooks(b *testing.B) {
	ca := newAuthority(b)
	for _, e := range storetest.Engines(b) {
		for _, scheme := range []string{"http", "https"} {
			b.Run(e.Name+"/"+scheme, func(b *testing.B) {
				for b.Loop() {
					benchmarkWebhooks(b, e, scheme, ca)
				}
			})
		}
	}
}

func benchmarkWebhooks(b *testing.B, e storetest.Engine, scheme string, ca *authority) {
	const healthy, each = 200, 100
	q := newSquare(b, e)
	q.exec(`UPDATE endpoint SET state = 'paused'`)
	q.client = deliver.HookClient(loopback, nil, ca.pool)
	var accepted atomic.Int64
	reached := make(chan struct{}, 1)
	var want atomic.Int64
	var mu sync.Mutex
	var late []time.Duration
	var due atomic.Pointer[time.Time]
	server := func(answer http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then does a server notice that its client has gone
			answer(w, r)
		}))
		s.Config.ErrorLog = quiet
		if scheme == "https" {
			s.TLS = tlsConfig(ca, b)
			s.StartTLS()
		} else {
			s.Start()
		}
		b.Cleanup(func() {
			s.CloseClientConnections()
			s.Close()
		})
		return s
	}
	accept := func(http.ResponseWriter, *http.Request) {
		if from := due.Load(); from != nil {
			mu.Lock()
			late = append(late, time.Since(*from))
			mu.Unlock()
		}
		if accepted.Add(1) == want.Load() {
			reached <- struct{}{}
		}
	}
	var good, bad []alerts.Endpoint
	for range healthy {
		endpoint, _ := q.active(server(accept).URL)
		good = append(good, endpoint)
	}
	for _, answer := range []http.HandlerFunc{hang, drip, status(500)} {
		endpoint, _ := q.active(server(answer).URL)
		bad = append(bad, endpoint)
	}
	down, _ := q.active(strings.Replace(closedPort(b), "http", scheme, 1))
	bad = append(bad, down)
	q.fill(append(slices.Clone(good), bad...), each)
	want.Store(healthy * each)

	s := q.stage()
	s.Gap, s.Timeout, s.Grace, s.Poll, s.Now = 0, 0, 10*time.Millisecond, 0, time.Now
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := s.Run(ctx)
		done <- err
	}()
	<-reached
	took := time.Since(start)
	// What happens while the bad ones are being tried reaches the others at once.
	now := time.Now()
	due.Store(&now)
	want.Add(healthy)
	q.fill(good, 1)
	<-reached
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(late)
	b.ReportMetric(healthy*each/took.Seconds(), "webhooks/s")
	b.ReportMetric(float64(late[len(late)*99/100].Milliseconds()), "ms-p99-beside-the-bad")
	b.ReportMetric(0, "ns/op")
}

// fill puts n webhooks in each endpoint's queue, of the size of a real one.
func (q *square) fill(endpoints []alerts.Endpoint, n int) {
	q.Helper()
	tx, err := q.db.Begin()
	if err != nil {
		q.Fatal(err)
	}
	defer tx.Rollback()
	for _, e := range endpoints {
		for i := range n {
			at := time.Now().UnixMilli()
			if _, err := tx.Exec(`INSERT INTO delivery (kind, recipient_id, state, priority, message_id, subject, text, html, next_at, created_at)
				VALUES ('webhook', $1, 'queued', 20, $2, 'application.received', $3, '', $4, $5)`,
				e.ID, alerts.NewHookID(time.Now()), fmt.Sprintf(`{"type":"application.received","data":{"sequence":%d,"text":%q}}`, i, strings.Repeat("text ", 200)), at, at); err != nil {
				q.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		q.Fatal(err)
	}
}
