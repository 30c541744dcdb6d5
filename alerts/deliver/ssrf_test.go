package deliver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
)

// names is a name server of the tests; an answer may change from one question to the
// next.
func names(t testing.TB, zone map[string]func(asked int) []string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]*atomic.Int64{}
	for name := range zone {
		asked[name] = new(atomic.Int64)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		question := q.Question[0]
		name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
		answer, known := zone[name]
		if !known {
			m.Rcode = dns.RcodeNameError
		} else {
			n := asked[name].Load()
			if question.Qtype == dns.TypeA {
				n = asked[name].Add(1)
			}
			for _, text := range answer(int(n)) {
				rr, err := dns.NewRR(question.Name + " 0 IN " + text)
				if err != nil {
					t.Error(err)
					continue
				}
				if _, alias := rr.(*dns.CNAME); alias {
					m.Answer = append(m.Answer, rr)
					if target, err := dns.NewRR(rr.(*dns.CNAME).Target + " 0 IN A 127.0.0.1"); err == nil && question.Qtype == dns.TypeA {
						m.Answer = append(m.Answer, target)
					}
				} else if rr.Header().Rrtype == question.Qtype {
					m.Answer = append(m.Answer, rr)
				}
			}
		}
		w.WriteMsg(m)
	})}
	go server.ActivateAndServe()
	<-started
	t.Cleanup(func() { server.Shutdown() })
	return &net.Resolver{PreferGo: true, Dial: (&localDialer{conn.LocalAddr().String()}).dial}
}

// A trap stands for what is on our network: it counts who connects.
func trap(t testing.TB) (port uint16, caught *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	caught = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			caught.Add(1)
			c.Close()
		}
	}()
	_, text, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(text)
	return uint16(n), caught
}

// public is the address that stands for the public internet in these tests.
var public = netip.MustParseAddr("127.0.0.2")

// onPublic starts a receiver at the public address and the trap's port.
func onPublic(t testing.TB, port uint16) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(public, port).String())
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{header: req.Header.Clone()})
	}))
	r.Listener.Close()
	r.Listener = l
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func TestNamesThatLeadIntoOurNetworkAreNotDialled(t *testing.T) {
	eachSquare(t, func(t *testing.T, q *square) {
		port, caught := trap(t)
		receiver := onPublic(t, port)
		proxy, proxied := trap(t)
		for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
			t.Setenv(variable, "http://127.0.0.1:"+strconv.Itoa(int(proxy)))
		}
		always := func(answers ...string) func(int) []string { return func(int) []string { return answers } }
		resolver := names(t, map[string]func(int) []string{
			"honest.test":      always("A 127.0.0.2"),
			"127.0.0.1.nip.io": always("A 127.0.0.1"),
			"localtest.me":     always("AAAA ::1", "A 127.0.0.1"),
			"mixed.test":       always("A 127.0.0.2", "A 127.0.0.1"),
			"six.test":         always("A 127.0.0.2", "AAAA ::1"),
			"cname.test":       always("CNAME localhost."),
			"metadata.test":    always("A 169.254.169.254"),
			"azure.test":       always("A 168.63.129.16"),
			"mapped.test":      always("AAAA ::ffff:127.0.0.1"),
			"rebind.test": func(asked int) []string { // good when it is looked at first, bad from then on
				if asked <= 1 {
					return []string{"A 127.0.0.2"}
				}
				return []string{"A 127.0.0.1"}
			},
		})
		q.guard = alerts.Guard{Ports: []uint16{port}, Permit: func(at netip.AddrPort) bool { return at.Addr() == public && at.Port() == port }}
		q.client = deliver.HookClient(q.guard, resolver, nil)
		at := func(host string) alerts.Endpoint {
			e, _ := q.active("http://" + host + ":" + strconv.Itoa(int(port)) + "/planning")
			q.queue(e, 1)
			return e
		}
		blocked := map[string]alerts.Endpoint{}
		for _, host := range []string{"127.0.0.1.nip.io", "localtest.me", "mixed.test", "six.test", "cname.test", "metadata.test", "azure.test", "mapped.test"} {
			blocked[host] = at(host)
		}
		honest, rebinding, unknown := at("honest.test"), at("rebind.test"), at("unknown.test")
		closed, _ := q.active("http://honest.test:" + strconv.Itoa(int(port)) + "/")
		q.lead(closed, "http://closed.test:1/")
		q.queue(closed, 1)
		// One by one: all of them failing together would be taken for a fault of our own.
		for _, e := range append(slices.Collect(maps.Values(blocked)), honest, rebinding, unknown, closed) {
			q.only(e)
		}
		if d, _ := q.last(honest); d.State != alerts.DeliverySent {
			t.Fatalf("the honest receiver's webhook is %s", d.State)
		}
		_, attempts := q.last(unknown)
		want := attempts[0]
		for host, e := range blocked {
			d, attempts := q.last(e)
			if d.State != alerts.DeliveryQueued || attempts[0].Class != alerts.HookConnect {
				t.Errorf("%s: %s, %+v", host, d.State, attempts)
			}
			// Nothing tells a blocked address from a name that does not exist or a closed port.
			if a := attempts[0]; a.Detail != want.Detail || a.Duration != want.Duration || a.Status != want.Status || a.Class != want.Class {
				t.Errorf("%s: %+v differs from %+v", host, a, want)
			}
		}
		if _, a := q.last(closed); a[0].Detail != want.Detail || a[0].Duration != 0 {
			t.Errorf("a closed port: %+v", a)
		}
		if d, _ := q.last(rebinding); d.State != alerts.DeliverySent {
			t.Fatalf("the first webhook to the rebinding name is %s", d.State)
		}
		q.queue(rebinding, 1)
		q.only(rebinding)
		if d, attempts := q.last(rebinding); d.State != alerts.DeliveryQueued || attempts[0].Class != alerts.HookConnect {
			t.Errorf("after the name was bound to us: %s, %+v", d.State, attempts)
		}
		if n := caught.Load(); n != 0 {
			t.Errorf("our network was reached %d times", n)
		}
		if n := proxied.Load(); n != 0 {
			t.Errorf("the proxy of the environment was used %d times", n)
		}
		if n := len(receiver.requests()); n != 2 {
			t.Errorf("%d requests at the public address, want 2", n)
		}
	})
}

func TestARedirectIsAFailureAndItsTargetIsNeverVisited(t *testing.T) {
	var corpus struct {
		Redirects []struct {
			Status   int
			Location string
		}
	}
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the corpus is not read")
	}
	b, err := os.ReadFile(filepath.Join(dir, "delivery", "corpora", "ssrf_urls.json"))
	if err == nil {
		err = json.Unmarshal(b, &corpus)
	}
	if err != nil || len(corpus.Redirects) == 0 {
		t.Fatalf("%d redirects: %v", len(corpus.Redirects), err)
	}
	eachSquare(t, func(t *testing.T, q *square) {
		port, caught := trap(t)
		redirects := append(corpus.Redirects, corpus.Redirects[0])
		redirects[len(redirects)-1].Location = "http://127.0.0.1:" + strconv.Itoa(int(port)) + "/"
		for _, c := range redirects {
			t.Run(fmt.Sprint(c.Status, " to ", c.Location), func(t *testing.T) {
				r := receive(t, status(c.Status, "Location", c.Location))
				e, _ := q.active(r.URL)
				q.queue(e, 1)
				q.pass()
				d, attempts := q.last(e)
				if d.State != alerts.DeliveryQueued || attempts[0].Status != c.Status || attempts[0].Class != alerts.HookStatus || len(r.requests()) != 1 {
					t.Errorf("%s, %+v, %d requests", d.State, attempts, len(r.requests()))
				}
			})
		}
		if caught.Load() != 0 {
			t.Error("a redirect was followed")
		}
	})
}

// A localDialer asks the tests' name server whatever server is meant.
type localDialer struct{ address string }

func (d *localDialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "udp", d.address)
}
