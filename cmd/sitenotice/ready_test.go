package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// everyStage makes a pass of each stage, ingest too, and does the night's tasks.
func (w *world) everyStage() {
	w.Helper()
	w.pass("ingest", "match", "compose", "deliver", "webhooks")
	w.housekeep(w.Context())
}

// askReady asks anew whether the service is ready; the answer to an earlier question
// would hold for a moment.
func (w *world) askReady() (status int, body string) {
	w.Helper()
	w.readyMu.Lock()
	w.readyAt = time.Time{}
	w.readyMu.Unlock()
	return w.page("/readyz")
}

func TestReadyIsRedOnlyWhileWorkWouldNotFinishByItself(t *testing.T) {
	eachWorld(t, func(w *world) {
		expect := func(when string, status int, texts ...string) {
			t.Helper()
			got, body := w.askReady()
			if got != status {
				w.Errorf("%s: status %d, want %d\n%s", when, got, status, body)
			}
			for _, text := range texts {
				if !strings.Contains(body, text) {
					w.Errorf("%s: lacks %q\n%s", when, text, body)
				}
			}
			if strings.Contains(body, w.cfg.Data) || w.cfg.DB != "" && strings.Contains(body, w.cfg.DB) {
				w.Errorf("%s: it tells where things are\n%s", when, body)
			}
		}
		expect("before any work", 503, "no worker has ever run", "not ready")
		w.pass("ingest", "match", "compose", "deliver", "webhooks")
		expect("as soon as a new service works", 200) // its first night is yet to come
		w.everyStage()
		expect("after a pass of each stage", 200, "ok  database", "\nready\n")

		w.wait(20 * time.Minute)
		w.pass("ingest", "compose", "deliver", "webhooks")
		expect("nothing is matched", 503, "NOT still:match: Nothing works out who is to be told")
		w.pass("match")
		expect("and then it is", 200)
		w.wait(28 * time.Hour)
		w.pass("ingest", "match", "compose", "deliver", "webhooks")
		expect("the morning after", 200)
		w.wait(10 * time.Hour)
		w.pass("ingest", "match", "compose", "deliver", "webhooks")
		expect("the evening after", 503, "NOT late:audit", "NOT late:housekeeping")
		w.everyStage()
		expect("and then it is done", 200)

		// The relay is away: work finishes by itself once it is back.
		w.exec(`INSERT INTO sender (name, failures, paused_until, reason) VALUES ('mail', 900, $1, 'dial tcp 10.1.2.3:25: connection refused')`, w.now().Add(15*time.Minute).UnixMilli())
		expect("the relay is away", 200, "ok  down:mail: the sender rests")
		if _, body := w.askReady(); strings.Contains(body, "10.1.2.3") {
			w.Error("it tells strangers where the relay is")
		}

		w.exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
		expect("a migration is missing", 503, "NOT schema: migrations are missing: sitenotice migrate")
		w.exec(`ALTER TABLE goose_db_version RENAME TO elsewhere`)
		expect("there is no schema", 503, "NOT schema: it cannot be read")
		w.store.Close()
		expect("the database is away", 503, "NOT database: it does not answer")
		if status, _ := w.page("/healthz"); status != 503 {
			w.Errorf("/healthz says %d without a database", status)
		}
	})
}

func TestReadyAnswersInJSON(t *testing.T) {
	w := newWorld(t, storetest.Engine{Name: "sqlite", DSN: "sqlite:" + filepath.Join(t.TempDir(), "sitenotice.db")}, nil)
	for _, query := range []string{"?format=json", ""} {
		r, _ := http.NewRequest(http.MethodGet, w.url+"/readyz"+query, nil)
		if query == "" {
			r.Header.Set("Accept", "application/json")
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var got struct {
			Ready  *bool
			Checks []alerts.Check
		}
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Ready == nil || *got.Ready || len(got.Checks) < 4 || res.StatusCode != 503 {
			t.Errorf("%q: status %d, %+v, %v", query, res.StatusCode, got, err)
		}
	}
}

func TestAFullDiskIsNotReady(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=80m"); err != nil {
		t.Fatalf("make a disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	w := newWorld(t, storetest.Engine{Name: "sqlite", DSN: "sqlite:" + filepath.Join(disk, "sitenotice.db")}, nil)
	w.everyStage()
	if status, body := w.askReady(); status != 200 {
		t.Errorf("with room: %d\n%s", status, body)
	}
	if err := os.WriteFile(filepath.Join(disk, "ballast"), make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := w.askReady(); status != 503 || !strings.Contains(body, "disk is full") {
		t.Errorf("full: %d\n%s", status, body)
	}
	other := t.TempDir()
	if err := syscall.Mount("none", other, "tmpfs", syscall.MS_RDONLY, "size=80m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(other, 0) })
	w.cfg.DB = "sqlite:" + filepath.Join(other, "sitenotice.db")
	if status, body := w.askReady(); status != 503 || !strings.Contains(body, "can only be read") {
		t.Errorf("read-only: %d\n%s", status, body)
	}
}

// The alarm needs none of the stages: it hands its own mail over. It tells each fault
// once, calls for help by its ping, and says when all is well.
func TestTheAlarmTellsTheOperatorWhenNobodyWorks(t *testing.T) {
	eachWorld(t, func(w *world) {
		var pings []string
		listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { pings = append(pings, r.URL.Path) }))
		defer listener.Close()
		w.strange, w.cfg.AlarmPing = listener.Client(), listener.URL+"/secret-id"
		look := func(minutes int) {
			t.Helper()
			for range minutes {
				if err := w.look(w.Context()); err != nil {
					w.Fatal(err)
				}
				w.wait(time.Minute)
			}
		}
		mails := func() (subjects []string) {
			t.Helper()
			captured, err := w.store.CapturedMail(w.Context(), 10)
			if err != nil {
				w.Fatal(err)
			}
			for _, m := range captured {
				if m.Address == "operator@example.org" {
					subjects = append(subjects, m.Subject)
				}
			}
			return subjects
		}
		last := func(path string) {
			t.Helper()
			if len(pings) == 0 || pings[len(pings)-1] != path {
				w.Errorf("the last ping went to %v, want %s", pings, path)
			}
		}
		w.everyStage()
		look(3)
		last("/secret-id")
		look(90) // and nobody works; the watcher alone is left
		if got := mails(); len(got) != 1 || got[0] != "Sitenotice does not get its work done" {
			w.Errorf("in an hour and a half the operator got %q, want one alarm", got)
		}
		last("/secret-id/fail")
		w.everyStage()
		for range 12 {
			w.everyStage()
			look(1)
		}
		if got := mails(); len(got) != 2 || got[0] != "Sitenotice works as usual again" {
			w.Errorf("when work goes on the operator has %q", got)
		}
		last("/secret-id")
		if strings.Contains(w.log.String(), "secret-id") {
			w.Error("the address of the ping is in the log")
		}
		// The service of the ping is away: that is an error, which does not show its address.
		listener.Close()
		if err := w.look(w.Context()); err == nil || strings.Contains(err.Error(), "secret-id") {
			w.Errorf("an unheard ping: %v", err)
		}
		// Without a database nobody is told that all is well.
		before := fmt.Sprint(pings)
		w.store.Close()
		if err := w.look(w.Context()); err == nil || fmt.Sprint(pings) != before {
			w.Errorf("without a database: %v, pings %v", err, pings)
		}
	})
}

// The address of the ping is configured, but must not lead inwards.
func TestThePingStaysOutOfTheNetworkWithin(t *testing.T) {
	w := newWorld(t, storetest.Engine{Name: "sqlite", DSN: "sqlite:" + filepath.Join(t.TempDir(), "sitenotice.db")}, nil)
	w.cfg.AlarmPing = "http://127.0.0.1:1/x"
	if err := w.ping(t.Context(), true); err == nil || !strings.Contains(err.Error(), "not on the public internet") {
		t.Errorf("a ping to this machine: %v", err)
	}
}
