package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A world is the whole program in this process, with a clock of its own: a village
// with a register, pages, and mail that is captured.
type world struct {
	*testing.T
	*service
	engine storetest.Engine
	db     *sql.DB
	url    string
	log    *output
	source string // the village's register, a CSV file

	mu sync.Mutex
	at time.Time
}

func eachWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(newWorld(t, e, nil)) })
	}
}

func newWorld(t *testing.T, e storetest.Engine, change func(*Config)) *world {
	t.Helper()
	w := &world{T: t, engine: e, log: &output{}, source: filepath.Join(t.TempDir(), "village.csv"), at: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)}
	cfg := &Config{Data: t.TempDir(), DB: e.DSN, Listen: "127.0.0.1:0", BaseURL: "http://alerts.example.org", Mail: "capture", From: "Sitenotice <alerts@example.org>",
		Contact: "operator@example.org", Keys: alerts.NewKeys(), SecondPersonAbove: alerts.SecondPersonAbove, anyHost: true, now: w.now}
	if change != nil {
		change(cfg)
	}
	s, err := newService(t.Context(), cfg, slog.New(slog.NewTextHandler(w.log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	w.service, w.db = s, e.DB(t)
	w.register("")
	declaration := filepath.Join(t.TempDir(), "village.yaml")
	if err := os.WriteFile(declaration, []byte("feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - name: village\n    format: csv\n    url: "+w.source+
		"\n    columns: {source_key: key, reference: reference, description: proposal, received: received, lon: lon, lat: lat, address: address}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&feedAdd{Name: declaration}).Run(t.Context(), cfg, streams{out: io.Discard, err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	pages, err := s.pages()
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(pages)
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// register writes the village's register: a row for each proposal, "" for none yet.
func (w *world) register(proposals ...string) {
	w.Helper()
	var b strings.Builder
	b.WriteString("key,reference,proposal,received,lon,lat,address\n")
	for i, p := range proposals {
		if p != "" {
			fmt.Fprintf(&b, "%d,26/%d/FUL,%s,2026-11-20,-0.1426,51.5390,%d Rosemary Lane\n", i, i, p, i)
		}
	}
	if err := os.WriteFile(w.source, []byte(b.String()), 0o600); err != nil {
		w.Fatal(err)
	}
}

// read reads the register.
func (w *world) read() {
	w.Helper()
	if err := (&feedRun{Feed: "village"}).Run(w.Context(), w.cfg, streams{out: io.Discard, err: io.Discard}); err != nil {
		w.Fatal(err)
	}
}

// pass makes a pass of each stage but ingest, or of those named.
func (w *world) pass(stages ...string) {
	w.Helper()
	if len(stages) == 0 {
		stages = []string{"match", "compose", "deliver"}
	}
	for _, name := range stages {
		for _, p := range w.passes() {
			if p.name == name {
				if _, err := p.run(w.Context()); err != nil {
					w.Fatal(err)
				}
			}
		}
	}
}

// page fetches a page.
func (w *world) page(path string) (status int, body string) {
	w.Helper()
	res, err := http.Get(w.url + path)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// subscribe signs a person up near Rosemary Lane, through the pages, and confirms.
func (w *world) subscribe(address string, cadence alerts.Cadence) (recipient int64) {
	w.Helper()
	post(w.T, w.url+"/subscriptions", url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {string(cadence)}, "email": {address}})
	w.pass("deliver")
	var raw string
	if err := w.db.QueryRow(`SELECT text FROM delivery WHERE kind = 'confirm' ORDER BY id DESC LIMIT 1`).Scan(&raw); err != nil {
		w.Fatal(err)
	}
	link := strings.Replace(regexp.MustCompile(`http://[^/\s]+/confirm/[A-Za-z0-9_-]+`).FindString(raw), "http://alerts.example.org", w.url, 1)
	version := versionBox.FindStringSubmatch(get(w.T, link))
	if version == nil {
		w.Fatalf("no button behind %q", link)
	}
	post(w.T, link, url.Values{"version": {version[1]}})
	return w.one(`SELECT id FROM recipient WHERE address = $1`, address)
}

// one reads a single number.
func (w *world) one(query string, args ...any) (n int64) {
	w.Helper()
	if err := w.db.QueryRow(query, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

// run runs a command on the world's database and returns what it prints.
func (w *world) run(c interface {
	Run(context.Context, *Config, streams) error
}) (string, error) {
	var out strings.Builder
	err := c.Run(w.Context(), w.cfg, streams{in: strings.NewReader(""), out: &out, err: &out})
	return out.String(), err
}

// traces says where a text is still to be found: in the database's rows, in the
// bytes of its files, in the log.
func (w *world) traces(text string) (found []string) {
	w.Helper()
	for line := range strings.Lines(w.engine.Dump(w.T, w.db)) {
		if strings.Contains(strings.ToLower(line), strings.ToLower(text)) {
			found = append(found, "row of "+line[:min(len(line), 60)])
		}
	}
	if path, ok := strings.CutPrefix(w.engine.DSN, "sqlite:"); ok {
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + suffix)
			if err != nil && !os.IsNotExist(err) {
				w.Fatal(err)
			}
			if strings.Contains(strings.ToLower(string(b)), strings.ToLower(text)) {
				found = append(found, "bytes of "+filepath.Base(path)+suffix)
			}
		}
	}
	if strings.Contains(strings.ToLower(w.log.String()), strings.ToLower(text)) {
		found = append(found, "the log")
	}
	return found
}
