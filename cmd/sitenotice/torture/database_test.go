package torture

import (
	"database/sql"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// What can happen to PostgreSQL under a program that goes on. Nothing is lost, and,
// since nobody is killed who has sent something and not yet noted it, nothing is
// sent twice either.
func TestTheDatabaseFailsAndNothingIsLost(t *testing.T) {
	rounds := max(3, *kills/5)
	for name, fault := range map[string]func(*world, *storetest.Cluster, *proxy){
		"it crashes": func(w *world, c *storetest.Cluster, _ *proxy) {
			c.Crash(w)
			w.idle(100)
			c.Start(w)
		},
		"it does not answer for a while": func(w *world, c *storetest.Cluster, _ *proxy) {
			c.Pause(w)
			w.idle(1500)
			c.Resume(w)
		},
		"connections break": func(w *world, _ *storetest.Cluster, p *proxy) {
			for range 20 {
				p.cut()
				w.idle(50)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := storetest.NewCluster(t)
			admin, err := sql.Open("pgx", cluster.DSN)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := admin.Exec("CREATE DATABASE village"); err != nil {
				t.Fatal(err)
			}
			admin.Close()
			p := newProxy(t, cluster.Socket())
			user, err := url.Parse(cluster.DSN)
			if err != nil {
				t.Fatal(err)
			}
			dsn := url.URL{Scheme: "postgres", User: user.User, Host: p.listener.Addr().String(), Path: "/village", RawQuery: "sslmode=disable"}
			w := newWorld(t, storetest.Engine{Name: "postgres", DSN: dsn.String()}, roles["postgres"]...)
			w.start()
			w.ask(10) // the most that one machine may ask for in an hour
			w.confirmed()
			w.stop()
			for range rounds {
				w.live()
				w.ahead += w.leap()
				w.start()
				w.idle(w.random.IntN(300))
				fault(w, cluster, p)
				w.ask(1)
				w.idle(w.random.IntN(700))
				w.stop()
			}
			w.settle()
			w.check()
		})
	}
}

// confirmed waits until everybody who has asked has answered the letter.
func (w *world) confirmed() {
	w.Helper()
	for range 300 {
		w.idle(100)
		w.ask(0)
		if !slices.ContainsFunc(w.people, func(p *person) bool { return p.hears == 0 }) {
			return
		}
	}
	w.Fatalf("not everybody who has asked could confirm within 30 s\n%s", w.log)
}

// idle lets the program work for some milliseconds.
func (w *world) idle(ms int) { <-time.After(time.Duration(ms) * time.Millisecond) }

// stop asks the program to end, which it does when it has finished what is under
// way.
func (w *world) stop() {
	w.Helper()
	w.mu.Lock()
	running := w.running
	w.running = nil
	w.mu.Unlock()
	for _, p := range running {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range running {
		select {
		case <-p.done:
			if code := p.ProcessState.ExitCode(); code != 0 {
				w.Errorf("the program ended with status %d\n%s", code, w.log)
			}
		case <-time.After(time.Minute):
			_ = p.Process.Signal(syscall.SIGQUIT)
			<-p.done
			w.Fatalf("the program does not end\n%s", w.log)
		}
	}
}

// A proxy stands between the program and the server, and can break every connection
// that there is.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
}

func newProxy(t testing.TB, socket string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, open: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", socket)
			if err != nil {
				near.Close()
				continue
			}
			p.mu.Lock()
			p.open[near], p.open[far] = true, true
			p.mu.Unlock()
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				to.Close()
				from.Close()
				p.mu.Lock()
				delete(p.open, to)
				delete(p.open, from)
				p.mu.Unlock()
			}
			serving.Go(func() { pass(near, far) })
			serving.Go(func() { pass(far, near) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		serving.Wait()
	})
	return p
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, as when a machine in between restarts
		}
		c.Close()
	}
}
