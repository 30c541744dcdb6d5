package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A village is a data folder with a small register in it, for the real program.
type village struct {
	*testing.T
	data, source string
	env          []string
}

func newVillage(t *testing.T, data string, env ...string) *village {
	t.Helper()
	v := &village{T: t, data: data, source: filepath.Join(t.TempDir(), "village.csv"), env: append([]string{"SITENOTICE_DB=", "SITENOTICE_DATA=" + data}, env...)}
	declaration := filepath.Join(t.TempDir(), "village.yaml")
	if err := os.WriteFile(declaration, []byte("feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - name: village\n    format: csv\n    url: "+v.source+
		"\n    columns: {source_key: key, reference: reference, description: proposal, received: received, lon: lon, lat: lat}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.register(200)
	v.must("feed", "add", declaration)
	v.must("feed", "run", "village")
	return v
}

func (v *village) register(rows int) {
	v.Helper()
	var b strings.Builder
	b.WriteString("key,reference,proposal,received,lon,lat\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,26/%d,%s,%s,-0.1426,51.5390\n", i, i, strings.Repeat("A porch. ", 20), time.Now().Format(time.DateOnly))
	}
	if err := os.WriteFile(v.source, []byte(b.String()), 0o600); err != nil {
		v.Fatal(err)
	}
}

// try runs the program and returns what it prints and its exit status.
func (v *village) try(args ...string) (string, int) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), time.Minute) // one that should have refused may serve for ever
	defer cancel()
	cmd := exec.CommandContext(ctx, "sitenotice", args...)
	cmd.Env = append(os.Environ(), v.env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		v.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (v *village) must(args ...string) string {
	v.Helper()
	out, code := v.try(args...)
	if code != 0 {
		v.Fatalf("sitenotice %s: status %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// refuses runs the program, which must fail in words, without a stack or a panic.
func (v *village) refuses(want string, args ...string) {
	v.Helper()
	out, code := v.try(args...)
	if code != 1 || !strings.Contains(out, want) || strings.Contains(out, "goroutine") || strings.Contains(out, "panic") {
		v.Errorf("sitenotice %s: status %d, want 1 and %q\n%s", strings.Join(args, " "), code, want, out)
	}
}

// The service goes on while it is copied, and the copy serves.
func TestABackupIsMadeWhileItRunsAndRestores(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	address := freePort(t)
	v := newVillage(t, filepath.Join(t.TempDir(), "data"), "SITENOTICE_MAIL="+relay.URL(), "SITENOTICE_LISTEN="+address, "SITENOTICE_BASE_URL=http://"+address, "SITENOTICE_FROM=Sitenotice <alerts@example.org>")
	start(t, v.env, "serve")
	eventually(t, "the home page", 20*time.Second, func() bool { return get(t, "http://"+address+"/healthz") != "" })
	post(t, "http://"+address+"/subscriptions", url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {"immediate"}, "email": {"jo@example.org"}})
	eventually(t, "the confirmation", 20*time.Second, func() bool { return len(relay.Accepted()) == 1 })
	confirm(t, body(t, relay.Accepted()[0]))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // people go on signing up
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				post(t, "http://"+address+"/subscriptions", url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {"daily"}, "email": {fmt.Sprintf("r%d@example.org", i)}})
			}
			if i == 8 {
				return // as many as one client may
			}
		}
	}()
	to := filepath.Join(t.TempDir(), "backup")
	out := v.must("backup", to)
	close(stop)
	<-done
	if !strings.Contains(out, "the database and the keys") {
		t.Error(out)
	}
	v.refuses("is there already: name a folder that is not", "backup", to)
	for _, name := range []string{"sitenotice.db", "keys.txt"} {
		if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	// The copy is a data folder; the links that were mailed work there.
	restored := &village{T: t, data: to, source: v.source, env: append([]string{"SITENOTICE_DB=", "SITENOTICE_DATA=" + to}, v.env[2:]...)}
	if out := restored.must("subscriptions", "list", "--json"); !strings.Contains(out, `"state": "active"`) {
		t.Errorf("restored: %s", out)
	}
	restored.must("audit")
	before, err := os.ReadFile(filepath.Join(v.data, "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(to, "keys.txt")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the keys differ: %v", err)
	}
	pg := &village{T: t, env: []string{"SITENOTICE_DB=postgres://nobody@127.0.0.1:1/none", "SITENOTICE_DATA=" + t.TempDir()}}
	pg.refuses("pg_dump --format=custom", "backup", filepath.Join(t.TempDir(), "b"))
}

// A folder that can only be read is said to be so, and left as it is.
func TestAReadOnlyFolderIsSaidToBeSo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a disk read-only")
	}
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatalf("make a disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	v := newVillage(t, filepath.Join(disk, "data"))
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--listen", freePort(t)}, {"feed", "run", "village"}, {"pass", "match"}} {
		v.refuses("that its disk can be written to", args...)
	}
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	v.must("feed", "run", "village")
	v.must("audit")
}

// A damaged page is said to be one; the program neither falls over nor makes it
// worse, and the backup brings everything back.
func TestADamagedDatabaseIsSaidToBeSo(t *testing.T) {
	inFull(t)
	v := newVillage(t, filepath.Join(t.TempDir(), "data"))
	backup := filepath.Join(t.TempDir(), "backup")
	v.must("backup", backup)
	path := filepath.Join(v.data, "sitenotice.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for page := 1; page < len(good)/4096; page++ {
		bad := bytes.Clone(good)
		for i := range 4096 {
			bad[page*4096+i] = byte(i * 7)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := v.try("backup", filepath.Join(t.TempDir(), "b"))
		if code == 0 {
			continue // a page that is not in use
		}
		seen++
		if code != 1 || !strings.Contains(out, "move it aside and restore the last backup") && !strings.Contains(out, "the copy is not whole") || strings.Contains(out, "goroutine") {
			t.Errorf("page %d: status %d\n%s", page, code, out)
		}
		if page%9 == 0 {
			if out, code := v.try("feed", "run", "village"); strings.Contains(out, "goroutine") || strings.Contains(out, "panic") || code > 1 {
				t.Errorf("page %d, feed run: status %d\n%s", page, code, out)
			}
		}
		for _, suffix := range []string{"-wal", "-shm"} {
			os.Remove(path + suffix)
		}
		if page > 60 {
			break
		}
	}
	if seen < 5 {
		t.Errorf("only %d pages were damaged so that it mattered", seen)
	}
	if err := os.WriteFile(path, []byte("this is no database, it is a letter to my aunt, long enough to be taken for a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.refuses("is no SQLite database: move it aside and restore the last backup", "feed", "list")
	restored := &village{T: t, env: []string{"SITENOTICE_DB=", "SITENOTICE_DATA=" + backup}}
	restored.must("feed", "list")
	restored.must("audit")
}

// A program that is older than the database touches nothing.
func TestAnOlderProgramRefusesANewerDatabase(t *testing.T) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			v := newVillage(t, t.TempDir(), "SITENOTICE_DB="+e.DSN, "SITENOTICE_KEYS="+alerts.NewKeys())
			db := e.DB(t)
			if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, $1)`, e.Name == "postgres"); err != nil {
				if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, 1)`); err != nil {
					t.Fatal(err)
				}
			}
			if e.Name == "sqlite" {
				if _, err := db.Exec(`UPDATE goose_db_version SET is_applied = 1`); err != nil {
					t.Fatal(err)
				}
			}
			before := e.Dump(t, db)
			for _, args := range [][]string{{"serve", "--listen", freePort(t)}, {"migrate"}, {"feed", "run", "village"}, {"pass", "deliver"}} {
				v.refuses("was made by a newer version of sitenotice (its schema is 9001", args...)
			}
			if after := e.Dump(t, db); after != before {
				t.Error("something was changed")
			}
		})
	}
}

// A migration that is killed at any moment is finished by the next start.
func TestAKilledMigrationIsFinishedByTheNext(t *testing.T) {
	inFull(t)
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			env := append(os.Environ(), "SITENOTICE_DATA="+t.TempDir(), "SITENOTICE_DB="+e.DSN, "SITENOTICE_KEYS="+alerts.NewKeys())
			kills := 0
			for i := range 40 { // later and later, so that the first are killed wherever this runs
				cmd := exec.Command("sitenotice", "migrate")
				cmd.Env = env
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				timer := time.AfterFunc(time.Duration(5+5*i+rand.IntN(10))*time.Millisecond, func() { cmd.Process.Kill() })
				err := cmd.Wait()
				timer.Stop()
				if err == nil {
					break
				}
				kills++
			}
			v := &village{T: t, env: env[len(env)-3:]}
			v.must("migrate")
			if out := v.must("feed", "list"); !strings.Contains(out, "No feeds yet") {
				t.Error(out)
			}
			t.Logf("killed %d times", kills)
			if kills == 0 {
				t.Error("it was never killed half-way")
			}
		})
	}
}

// Two programs on one SQLite file share the work; on one address the second says
// what is wrong.
func TestTwoServersOnOneFileHarmNothing(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	first, second := freePort(t), freePort(t)
	v := newVillage(t, filepath.Join(t.TempDir(), "data"), "SITENOTICE_MAIL="+relay.URL(), "SITENOTICE_BASE_URL=http://"+first, "SITENOTICE_FROM=Sitenotice <alerts@example.org>")
	start(t, v.env, "serve", "--listen", first)
	start(t, v.env, "serve", "--listen", second)
	eventually(t, "the home page", 20*time.Second, func() bool { return get(t, "http://"+first+"/healthz") != "" })
	v.refuses("name another address with --listen", "serve", "--listen", first)
	const people = 6
	for i := range people {
		post(t, "http://"+first+"/subscriptions", url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {"immediate"}, "email": {fmt.Sprintf("r%d@example.org", i)}})
	}
	eventually(t, "the confirmations", 30*time.Second, func() bool { return len(relay.Accepted()) == people })
	for _, m := range relay.Accepted() {
		confirm(t, body(t, m))
	}
	v.register(205)
	v.must("feed", "run", "village")
	eventually(t, "the alerts", 30*time.Second, func() bool { return len(relay.Accepted()) >= 2*people })
	v.must("pass", "compose")
	v.must("pass", "deliver")
	copies := map[string]int{}
	for _, m := range relay.Accepted() {
		copies[m.To+" "+m.Header("Message-Id")]++
	}
	if len(copies) != 2*people || len(relay.Accepted()) != 2*people {
		t.Errorf("%d mails, %d of them different; want %d", len(relay.Accepted()), len(copies), 2*people)
	}
	v.must("audit")
}

// A clock that is an hour fast, and then is put right, repeats and loses nothing.
func TestAClockThatIsAnHourWrongRepeatsAndLosesNothing(t *testing.T) {
	for name, wrong := range map[string]time.Duration{"fast": time.Hour, "slow": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(w *world) {
				t := w.T
				w.register("A barn")
				w.read()
				w.subscribe("now@example.org", alerts.Immediate)
				w.subscribe("daily@example.org", alerts.Daily)
				w.wait(wrong)
				w.register("A barn", "A porch")
				w.read()
				w.pass()
				w.wait(-wrong)
				w.register("A barn", "A porch", "A shed")
				w.read()
				for range 30 { // an hour and a day of minutes and hours
					w.pass()
					w.wait(time.Hour)
				}
				for _, who := range []string{"now", "daily"} {
					for _, what := range []string{"A porch", "A shed"} {
						if n := w.one(`SELECT count(*) FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE r.address = $1 AND d.state = 'sent' AND d.text LIKE $2`, who+"@example.org", "%"+what+"%"); n != 1 {
							t.Errorf("%s heard of %s %d times", who, what, n)
						}
					}
				}
				if _, err := w.run(&auditCommand{}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
