package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Variable names the data source of a PostgreSQL that is running already, for
// somebody who wants to use their own; its user must be able to create databases.
const Variable = "SITENOTICE_TEST_POSTGRES"

// cluster returns the data source name of the maintenance database of this
// process's cluster, which it starts on first use.
var cluster = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv(Variable); dsn != "" {
		return dsn, nil
	}
	return start()
})

// A Cluster is a PostgreSQL server of a test's own, in a temporary folder, that
// answers on a socket there.
type Cluster struct {
	DSN string // of its maintenance database

	bin, dir string
	as       *syscall.Credential
	held     *os.File  // the pipe whose closing stops the server
	watcher  *exec.Cmd // its parent
}

// start makes a cluster and runs it until the test process ends.
func start() (string, error) {
	c, err := newCluster("fsync=off", "full_page_writes=off")
	if err != nil {
		return "", err
	}
	watched = append(watched, c)
	return c.DSN, nil
}

// watched keeps open the pipe whose closing tells the watcher that this process is
// gone.
var watched []*Cluster

// NewCluster starts a server that a test may stop, restart and pause; it is removed
// when the test ends.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c, err := newCluster()
	if err != nil {
		t.Fatalf("start a PostgreSQL for the test: %v", err)
	}
	t.Cleanup(func() {
		c.Resume(t)
		c.Crash(t)
		os.RemoveAll(c.dir)
	})
	return c
}

func newCluster(settings ...string) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin}
	if c.dir, err = os.MkdirTemp("/tmp", "sitenotice-pg-"); err != nil { // short: a socket's path may have 107 bytes
		return nil, err
	}
	as, name, err := owner(c.dir)
	if err != nil {
		return nil, err
	}
	c.as = as
	c.DSN = (&url.URL{Scheme: "postgres", User: url.User(name), Path: "/postgres", RawQuery: url.Values{"host": {c.dir}}.Encode()}).String()
	if out, err := c.command("initdb", "-D", c.folder(), "-U", name, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	settings = append([]string{"listen_addresses=", "unix_socket_directories=" + c.dir, "max_connections=200", "shared_buffers=256MB", "max_wal_size=2GB", "log_min_messages=fatal"}, settings...)
	conf, err := os.OpenFile(filepath.Join(c.folder(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		fmt.Fprintf(conf, "%s = '%s'\n", name, value)
	}
	if err := conf.Close(); err != nil {
		return nil, err
	}
	return c, c.launch()
}

func (c *Cluster) folder() string { return filepath.Join(c.dir, "db") }

// Socket is the file on which the server answers.
func (c *Cluster) Socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+c.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Setpgid: true}
	return cmd
}

// launch runs the server as the child of a small shell that watches this process
// through a pipe: when the test process ends, however it ends, the pipe closes, and
// the watcher stops the server and removes the folder.
func (c *Cluster) launch() error {
	alive, held, err := os.Pipe()
	if err != nil {
		return err
	}
	var log bytes.Buffer
	c.watcher = c.command("")
	c.watcher.Path = "/bin/sh"
	c.watcher.Args = []string{"sh", "-c", `dir=$1; shift; "$@" & cat; kill -QUIT $! 2>/dev/null; wait $!; cd /; [ -e "$dir/crashed" ] || rm -rf "$dir"`,
		"watcher", c.dir, filepath.Join(c.bin, "postgres"), "-D", c.folder()}
	c.watcher.Stdin, c.watcher.Stdout, c.watcher.Stderr = alive, &log, &log
	if err := c.watcher.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	alive.Close()
	c.held = held
	for range 300 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = exec.CommandContext(ctx, filepath.Join(c.bin, "pg_isready"), "-q", "-h", c.dir).Run()
		cancel()
		if err == nil {
			return nil
		}
		<-time.After(100 * time.Millisecond) // another process's start can be waited for in no other way
	}
	held.Close()
	c.watcher.Wait()
	return fmt.Errorf("postgres did not answer within 30 seconds\n%s", log.String())
}

// Crash stops the server as "pg_ctl stop -m immediate" does: nothing is finished.
func (c *Cluster) Crash(t testing.TB) {
	t.Helper()
	if c.held == nil {
		return
	}
	if err := os.WriteFile(filepath.Join(c.dir, "crashed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.held.Close()
	c.held = nil
	_ = c.watcher.Wait() // its status is that of the server, which did not end well
}

// Start runs the server again after a crash.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := os.Remove(filepath.Join(c.dir, "crashed")); err != nil {
		t.Fatal(err)
	}
	if err := c.launch(); err != nil {
		t.Fatal(err)
	}
}

// Pause stops the server in its tracks: connections stay open, nothing answers.
func (c *Cluster) Pause(t testing.TB) { c.signal(t, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (c *Cluster) Resume(t testing.TB) { c.signal(t, syscall.SIGCONT) }

// signal sends a signal to the server and to all of its processes, which are in
// groups of their own.
func (c *Cluster) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.folder(), "postmaster.pid"))
	if err != nil {
		return // it does not run
	}
	first, _, _ := strings.Cut(string(b), "\n")
	master, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(master, s) // first, so that it starts no other
	out, _ := exec.Command("ps", "-o", "pid=", "--ppid", first).Output()
	for _, field := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(pid, s)
		}
	}
}

// binaries finds PostgreSQL's server programs.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.Sort(found)
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	for _, pattern := range []string{"/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql@*/bin/initdb", "/usr/local/opt/postgresql@*/bin/initdb"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return filepath.Dir(found[len(found)-1]), nil
		}
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("no initdb found: install PostgreSQL (on Debian: apt-get install postgresql), or name a running server in %s", Variable)
	}
	return filepath.Dir(path), nil
}

// owner says as whom the server runs: PostgreSQL refuses root, so root hands the
// folder to another user.
func owner(dir string) (as *syscall.Credential, name string, err error) {
	if os.Getuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return nil, "", err
		}
		return nil, u.Username, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid))); err != nil {
			return nil, "", err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, name, nil
	}
	return nil, "", errors.New("root may not run PostgreSQL, and there is neither a user postgres nor nobody")
}
