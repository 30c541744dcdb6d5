package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// freePort returns an address on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the command until the test ends.
func start(t *testing.T, env []string, args ...string) *output {
	t.Helper()
	out := &output{}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Args[0] = "sitenotice" // what TestMain runs the program for
	cmd.Path = filepath.Join(commandDir(t), "sitenotice")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("sitenotice %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		if t.Failed() {
			t.Logf("sitenotice %s printed\n%s", strings.Join(args, " "), out)
		}
	})
	return out
}

// commandDir is where TestMain has put the program: first on the path.
func commandDir(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sitenotice")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(path)
}

// output is what a running command has printed so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// eventually waits for a real program to come to something.
func eventually(t *testing.T, what string, within time.Duration, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", within, what)
		}
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	return string(b)
}

func post(t *testing.T, address string, form url.Values) string {
	t.Helper()
	res, err := http.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s (%v)\n%s", address, res.Status, err, b)
	}
	return string(b)
}

var (
	confirmLink = regexp.MustCompile(`http://[^/\s]+/confirm/[A-Za-z0-9_-]+`)
	versionBox  = regexp.MustCompile(`name="version" value="(\d+)"`)
	mailLink    = regexp.MustCompile(`href="(/dev/mail/\d+)">([^<]*)`)
)

// confirm presses the button of a confirmation mail.
func confirm(t *testing.T, text string) {
	t.Helper()
	link := confirmLink.FindString(text)
	version := versionBox.FindStringSubmatch(get(t, link))
	if version == nil {
		t.Fatalf("no button behind %q", link)
	}
	post(t, link, url.Values{"version": {version[1]}})
}

// A newcomer runs the demo, signs up, confirms in the captured mailbox, and sees an
// alert arrive within a minute; and stops it from the mail program.
func TestTheDemoShowsAnAlertWithinAMinute(t *testing.T) {
	address := freePort(t)
	start(t, []string{"SITENOTICE_DB=", "SITENOTICE_DATA="}, "demo", "--listen", address, "--step", "300ms", "--data", t.TempDir())
	base := "http://" + address
	eventually(t, "the home page", 20*time.Second, func() bool { return strings.Contains(get(t, base+"/"), "postcode") })
	began := time.Now()
	post(t, base+"/subscriptions", url.Values{"postcode": {"n1c4ag"}, "radius": {"2000"}, "frequency": {"immediate"}, "email": {"pat@example.org"}})
	captured := func(confirmation bool) (page string) {
		for _, m := range mailLink.FindAllStringSubmatch(get(t, base+"/dev/mail"), -1) {
			if strings.HasPrefix(m[2], "Confirm") == confirmation {
				return get(t, base+m[1])
			}
		}
		return ""
	}
	var letter string
	eventually(t, "the confirmation", 20*time.Second, func() bool { letter = captured(true); return letter != "" })
	confirm(t, letter)
	var alert string
	eventually(t, "an alert", time.Minute-time.Since(began), func() bool { alert = captured(false); return alert != "" })
	t.Logf("the alert came %v after the sign-up", time.Since(began).Round(100*time.Millisecond))
	oneClick := regexp.MustCompile(`http://[^/\s]+/u/[A-Za-z0-9._-]+`).FindString(alert)
	if oneClick == "" {
		t.Fatalf("no way to stop it in\n%s", alert)
	}
	if page := post(t, oneClick, url.Values{"List-Unsubscribe": {"One-Click"}}); !strings.Contains(page, "have been stopped") {
		t.Errorf("the one click answers\n%s", page)
	}
	if page := post(t, oneClick, url.Values{"List-Unsubscribe": {"One-Click"}}); !strings.Contains(page, "Already stopped") {
		t.Errorf("the second click answers\n%s", page)
	}
}

// One process serves pages, two work; they share PostgreSQL and hand mail to a real
// relay. Everybody gets everything once.
func TestSeveralProcessesServeTogether(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	address := freePort(t)
	base := "http://" + address
	env := []string{"SITENOTICE_DB=" + storetest.PostgresURL(t), "SITENOTICE_KEYS=" + alerts.NewKeys(), "SITENOTICE_DATA=" + t.TempDir(),
		"SITENOTICE_MAIL=" + relay.URL(), "SITENOTICE_BASE_URL=" + base, "SITENOTICE_FROM=Sitenotice <alerts@example.org>", "SITENOTICE_LISTEN=" + address}
	source := filepath.Join(t.TempDir(), "village.csv")
	register := func(n int) {
		var b strings.Builder
		b.WriteString("key,reference,proposal,received,lon,lat,address\n")
		for i := range n {
			fmt.Fprintf(&b, "%d,26/%d,A porch,%s,-0.1426,51.5390,%d High Street\n", i, i, time.Now().Format(time.DateOnly), i)
		}
		if err := os.WriteFile(source, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	declaration := filepath.Join(t.TempDir(), "village.yaml")
	if err := os.WriteFile(declaration, []byte("feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - name: village\n    format: csv\n    url: "+source+
		"\n    columns: {source_key: key, reference: reference, description: proposal, received: received, lon: lon, lat: lat, address: address}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("sitenotice", args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("sitenotice %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	register(3)
	command("feed", "add", declaration)
	command("feed", "run", "village")
	start(t, env, "serve", "--role", "web")
	monitoring := freePort(t)
	start(t, env, "serve", "--role", "worker", "--metrics-listen", monitoring)
	start(t, env, "serve", "--role", "worker")
	eventually(t, "the home page", 20*time.Second, func() bool { return get(t, base+"/healthz") != "" })

	eventually(t, "a worker to be ready", 30*time.Second, func() bool { return strings.Contains(get(t, "http://"+monitoring+"/readyz"), "\nready\n") })
	eventually(t, "the pages to be ready", 30*time.Second, func() bool { return strings.Contains(get(t, base+"/readyz"), "\nready\n") })
	if text := get(t, "http://"+monitoring+"/metrics"); !strings.Contains(text, "sitenotice_stage_still_seconds") {
		t.Errorf("a worker's metrics are\n%s", text)
	}
	const people = 5
	for i := range people {
		post(t, base+"/subscriptions", url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {"immediate"}, "email": {fmt.Sprintf("resident%d@example.org", i)}})
	}
	eventually(t, "the confirmations", 20*time.Second, func() bool { return len(relay.Accepted()) == people })
	for _, m := range relay.Accepted() {
		confirm(t, body(t, m))
	}
	register(8)
	command("feed", "run", "village")
	eventually(t, "the alerts", 30*time.Second, func() bool { return len(relay.Accepted()) >= 2*people })
	command("pass", "compose")
	command("pass", "deliver")
	got := map[string]int{}
	for _, m := range relay.Accepted()[people:] {
		got[m.To]++
		if text := body(t, m); !strings.Contains(text, "5 applications near 51.53900, -0.14260") {
			t.Errorf("%s is told\n%s", m.To, text)
		}
		if m.Header("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || m.Header("List-Id") == "" {
			t.Error("an alert lacks its headers")
		}
	}
	for i := range people {
		if n := got[fmt.Sprintf("resident%d@example.org", i)]; n != 1 {
			t.Errorf("resident%d got %d alerts", i, n)
		}
	}
	command("audit")
	if out := command("explain", "--subscription", "1", "--application", "village/26/7"); !strings.Contains(out, "Told on ") {
		t.Errorf("explain says\n%s", out)
	}
	if out := command("explain", "--subscription", "1", "--application", "village/26/0", "--json"); !strings.Contains(out, "first import of the feed") {
		t.Errorf("explain says\n%s", out)
	}
}

// body is a message as it was sent, without the line breaks of its encoding.
func body(t *testing.T, m delivertest.Message) string {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(parsed.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(raw))
}

// A full disk is said in a sentence, and what was stored is whole.
func TestAFullDiskHarmsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("make a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	file := filepath.Join(t.TempDir(), "village.csv")
	declaration := filepath.Join(t.TempDir(), "village.yaml")
	if err := os.WriteFile(declaration, []byte("feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - name: village\n    format: csv\n    columns: {source_key: key, reference: reference, description: proposal}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(rows int) {
		b := strings.Builder{}
		b.WriteString("key,reference,proposal\n")
		for i := range rows {
			fmt.Fprintf(&b, "%d,26/%d,%s\n", i, i, strings.Repeat("A porch. ", 50))
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) (string, error) {
		cmd := exec.Command("sitenotice", args...)
		cmd.Env = append(os.Environ(), "SITENOTICE_DB=", "SITENOTICE_DATA="+filepath.Join(disk, "data"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := command("feed", "add", declaration); err != nil {
		t.Fatal(out, err)
	}
	write(5)
	if out, err := command("feed", "import", "village", file); err != nil {
		t.Fatal(out, err)
	}
	write(5000)
	if out, err := command("feed", "import", "village", file); err == nil || !strings.Contains(out, "the disk is full: free some space and start again; nothing that was stored is harmed") {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if out, err := command("audit"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := command("feed", "list"); err != nil || !strings.Contains(out, "village") {
		t.Errorf("%v\n%s", err, out)
	}
}
