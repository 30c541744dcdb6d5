// Package torture kills the real program over and over while feeds are read, people
// sign up and mail goes out, and then asks whether everybody got what they were
// owed. It has tests only.
package torture

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// program builds the program once, with the places to die and the clock that runs
// ahead.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sitenotice-torture-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sitenotice")
	build := exec.Command("go", "build", "-tags", "torture", "-o", path, "github.com/sitenotice/sitenotice/cmd/sitenotice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// The village has two greens, far enough apart that nobody can mean both by
// chance.
var greens = []struct{ lon, lat float64 }{{-0.1426, 51.5390}, {-0.0900, 51.5390}} // 3.6 km

// A house is a case in the village's register.
type house struct {
	n        int
	green    int
	received alerts.Date
	closes   alerts.Date
	decided  bool
	written  int // the turn in which it entered the register
	ended    int // the turn in which its decision did
}

func (h *house) reference() string { return fmt.Sprintf("26/%06d", h.n) }

// token is a word that occurs in the case's description and nowhere else.
func (h *house) token() string { return fmt.Sprintf("porch%06d", h.n) }

// A person signs up, confirms, and waits for mail.
type person struct {
	n       int
	green   int
	cadence alerts.Cadence
	asked   bool
	mayHear int // since which turn news may reach them: the confirmation was sent off
	hears   int // since which turn it must: the confirmation was answered
}

func (p *person) address() string { return fmt.Sprintf("resident%d@example.org", p.n) }

// A world is the village, its people, and the program that is being tortured.
type world struct {
	*testing.T
	engine  storetest.Engine
	env     []string
	relay   *delivertest.Relay
	listen  string
	source  string
	random  *rand.Rand
	turn    int
	ahead   time.Duration
	houses  []*house
	people  []*person
	roles   []string // a process each
	running []*process
	log     *printed

	mu       sync.Mutex
	kills    []time.Time
	accepted []receipt
	webhooks []hook
	lethal   int  // how many more messages and webhooks are taken before the program dies; 0 for never
	refuses  bool // whether the one at which it does is refused
}

// A hook is one time that the group's program took a webhook.
type hook struct {
	at       time.Time
	id       string
	sequence int64
	body     string
}

// A receipt is one time that the relay took a message.
type receipt struct {
	at        time.Time
	messageID string
	to        string
	subject   string
	text      string
}

// printed is what all processes have printed so far.
type printed struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

type process struct {
	*exec.Cmd
	done chan struct{}
}

// newWorld makes a village whose register has been read once, in silence.
func newWorld(t *testing.T, engine storetest.Engine, roles ...string) *world {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SITENOTICE_TORTURE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("SITENOTICE_TORTURE_SEED=%d", seed)
	w := &world{T: t, engine: engine, roles: roles, random: rand.New(rand.NewPCG(seed, 1)), relay: &delivertest.Relay{}, log: &printed{}}
	w.relay.OnData = w.take
	w.relay.Start(t)
	// Below the ports that the system gives to those who connect: one who asks again
	// and again for a port that nobody listens on may come to be given it.
	for l, err := net.Listener(nil), error(nil); l == nil; {
		w.listen = fmt.Sprintf("127.0.0.1:%d", 20000+w.random.IntN(10000))
		if l, err = net.Listen("tcp", w.listen); err == nil {
			l.Close()
		}
	}
	dir := t.TempDir()
	w.source = filepath.Join(dir, "village.csv")
	w.env = []string{"SITENOTICE_DB=" + engine.DSN, "SITENOTICE_KEYS=" + alerts.NewKeys(), "SITENOTICE_DATA=" + dir, "SITENOTICE_MAIL=" + w.relay.URL(),
		"SITENOTICE_BASE_URL=http://" + w.listen, "SITENOTICE_FROM=Sitenotice <alerts@example.org>", "SITENOTICE_LISTEN=" + w.listen, "SITENOTICE_LOG_LEVEL=error"}
	declaration := filepath.Join(dir, "village.yaml")
	w.must(os.WriteFile(declaration, []byte("feed: village\nauthority: {slug: village, name: Village Council}\nschedule: \"@every 1m\"\nadapters:\n  - name: village\n    format: csv\n    url: "+w.source+
		"\n    columns: {source_key: key, reference: reference, description: proposal, received: received, comments_until: closes, status: status, decision: decision, lon: lon, lat: lat, address: address}\n"+
		"codes:\n  status: {Open: consultation, Decided: decided}\n  decision: {Granted: approved}\n"), 0o600))
	for range 40 { // what was there before; also what makes a few new cases no flood
		w.build()
	}
	w.write()
	w.command("feed", "add", declaration)
	w.command("feed", "run", "village")
	receiver := httptest.NewServer(http.HandlerFunc(w.receive))
	t.Cleanup(receiver.Close)
	if out := w.command("endpoints", "add", receiver.URL, "--authority", "village"); !strings.Contains(out, "active") {
		w.Fatalf("the endpoint is not switched on:\n%s", out)
	}
	w.turn = 1
	t.Cleanup(func() {
		w.kill(false)
		if text := w.log.String(); t.Failed() && text != "" {
			t.Logf("the program printed, at last\n%s", text[max(0, len(text)-4000):])
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

func (w *world) build() {
	today := alerts.DateOf(w.now())
	h := &house{n: len(w.houses) + 1, green: w.random.IntN(len(greens)), received: today, written: w.turn}
	if w.random.IntN(3) > 0 {
		h.closes = today.AddDays(w.random.IntN(30))
	}
	w.houses = append(w.houses, h)
}

// write publishes the register as it is, whole and at once.
func (w *world) write() {
	var b strings.Builder
	b.WriteString("key,reference,proposal,received,closes,status,decision,lon,lat,address\n")
	for _, h := range w.houses {
		status, decision := "Open", ""
		if h.decided {
			status, decision = "Decided", "Granted"
		}
		g := greens[h.green]
		fmt.Fprintf(&b, "%d,%s,A %s,%s,%s,%s,%s,%v,%v,%d High Street\n", h.n, h.reference(), h.token(), h.received, h.closes, status, decision, g.lon, g.lat, h.n)
	}
	w.must(os.WriteFile(w.source+".new", []byte(b.String()), 0o600))
	w.must(os.Rename(w.source+".new", w.source))
}

// live lets a day or so pass in the village: new cases, and decisions on old ones.
func (w *world) live() {
	w.turn++
	for range 1 + w.random.IntN(3) {
		w.build()
	}
	for range w.random.IntN(3) {
		if h := w.houses[w.random.IntN(len(w.houses))]; !h.decided {
			h.decided, h.ended = true, w.turn
		}
	}
	w.write()
}

// command runs the program to its end.
func (w *world) command(args ...string) string {
	w.Helper()
	out, err := w.prepare(nil, args...).CombinedOutput()
	if err != nil {
		w.Fatalf("sitenotice %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) prepare(env []string, args ...string) *exec.Cmd {
	w.Helper()
	path, err := program()
	w.must(err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(append(append(os.Environ(), w.env...), "SITENOTICE_TORTURE_AHEAD="+w.ahead.String()), env...)
	return cmd
}

// start runs the program in each of its roles, and waits until it can be asked for
// pages, unless it is dead before that.
func (w *world) start(env ...string) {
	w.Helper()
	for _, role := range w.roles {
		cmd := w.prepare(env, "serve", "--role", role)
		cmd.Stdout, cmd.Stderr = w.log, w.log
		w.must(cmd.Start())
		p := &process{cmd, make(chan struct{})}
		go func() {
			cmd.Wait()
			close(p.done)
		}()
		w.mu.Lock()
		w.running = append(w.running, p)
		w.mu.Unlock()
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		res, err := (&http.Client{Timeout: time.Second}).Get("http://" + w.listen + "/healthz")
		if err == nil {
			res.Body.Close()
			return
		}
		if os.IsTimeout(err) {
			w.Logf("the pages did not answer within a second: %v", err)
		}
		if w.dead() {
			return
		}
		<-time.After(10 * time.Millisecond) // another process is waited for
	}
	for _, p := range w.running {
		p.Process.Signal(syscall.SIGQUIT)
		<-p.done
	}
	w.Fatalf("the program does not answer\n%s", w.log)
}

// dead reports whether a process of the program has ended, or all were killed.
func (w *world) dead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.running) == 0 {
		return true
	}
	for _, p := range w.running {
		select {
		case <-p.done:
			return true
		default:
		}
	}
	return false
}

// kill ends the program at once, wherever it is, and notes when.
func (w *world) kill(note bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.running {
		_ = p.Process.Signal(syscall.SIGKILL)
	}
	for _, p := range w.running {
		<-p.done
	}
	if note && len(w.running) > 0 {
		w.kills = append(w.kills, time.Now())
	}
	w.running = nil
}

// perhapsDie kills the program if this is the message to die of, and reports whether
// it is to be refused.
func (w *world) perhapsDie() (refused bool) {
	w.mu.Lock()
	dies, refuses := w.lethal == 1, w.refuses
	w.lethal = max(0, w.lethal-1)
	w.mu.Unlock()
	if dies {
		w.kill(true)
	}
	return dies && refuses
}

// receive is the group's program.
func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var body struct {
		Type string
		Data struct {
			Challenge string
			Sequence  int64
		}
	}
	if err != nil || json.Unmarshal(raw, &body) != nil {
		http.Error(rw, "this is no webhook", http.StatusBadRequest)
		return
	}
	if body.Type == "endpoint.ping" {
		json.NewEncoder(rw).Encode(map[string]string{"challenge": body.Data.Challenge})
		return
	}
	if w.perhapsDie() {
		http.Error(rw, "not now", http.StatusServiceUnavailable)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.webhooks = append(w.webhooks, hook{time.Now(), r.Header.Get("webhook-id"), body.Data.Sequence, string(raw)})
}

// take is the relay when it has read a message.
func (w *world) take(m delivertest.Message) error {
	if w.perhapsDie() {
		return delivertest.ErrHangUp
	}
	parsed, err := mail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(quotedprintable.NewReader(parsed.Body))
	if err != nil {
		body = []byte(m.Raw)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepted = append(w.accepted, receipt{time.Now(), parsed.Header.Get("Message-Id"), m.To, parsed.Header.Get("Subject"), string(body)})
	return nil
}

func (w *world) receipts() []receipt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]receipt(nil), w.accepted...)
}

var (
	confirmLink = regexp.MustCompile(`http://[^/\s]+/confirm/[A-Za-z0-9_-]+`)
	versionBox  = regexp.MustCompile(`name="version" value="(\d+)"`)
)

// ask lets more people sign up, and those who have a confirmation press its button.
// Whatever breaks off is tried again another time.
func (w *world) ask(more int) {
	for ; more > 0 && len(w.people) < 30; more-- {
		cadence := []alerts.Cadence{alerts.Immediate, alerts.Daily, alerts.Weekly}[w.random.IntN(3)]
		w.people = append(w.people, &person{n: len(w.people) + 1, green: w.random.IntN(len(greens)), cadence: cadence})
	}
	client := http.Client{Timeout: 5 * time.Second}
	do := func(res *http.Response, err error) (string, bool) {
		if err != nil {
			return "", false
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), err == nil && res.StatusCode == http.StatusOK
	}
	letters := map[string]string{}
	for _, r := range w.receipts() {
		if link := confirmLink.FindString(r.text); link != "" {
			letters[r.to] = link
		}
	}
	for _, p := range w.people {
		link := letters[p.address()]
		switch {
		case p.hears > 0:
		case link != "":
			page, ok := do(client.Get(link))
			if !ok {
				return
			}
			if strings.Contains(page, "Confirmed already") {
				p.hears = w.turn + 1
				continue
			}
			version := versionBox.FindStringSubmatch(page)
			if version == nil {
				continue // of an older letter: the link has been replaced
			}
			p.mayHear = cmp.Or(p.mayHear, w.turn)
			if _, ok := do(client.PostForm(link, url.Values{"version": {version[1]}})); !ok {
				return
			}
			p.hears = w.turn + 1
		case !p.asked:
			g := greens[p.green]
			_, p.asked = do(client.PostForm("http://"+w.listen+"/subscriptions", url.Values{"lat": {fmt.Sprint(g.lat)}, "lon": {fmt.Sprint(g.lon)},
				"radius": {"500"}, "frequency": {string(p.cadence)}, "email": {p.address()}}))
			if !p.asked {
				return
			}
		}
	}
}
