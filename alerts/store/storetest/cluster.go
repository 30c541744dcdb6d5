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
	"sync"
	"syscall"
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

// start makes a cluster in a temporary folder and runs it on a socket there, as
// the child of a small shell that watches this process through a pipe: when the
// test process ends, however it ends, the pipe closes, and the watcher stops the
// server and removes the folder.
func start() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("/tmp", "sitenotice-pg-") // short: a socket's path may have 107 bytes
	if err != nil {
		return "", err
	}
	as, name, err := owner(dir)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, "db")
	command := func(program string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, program), args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
		return c
	}
	if out, err := command("initdb", "-D", folder, "-U", name, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C").CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	alive, held, err := os.Pipe()
	if err != nil {
		return "", err
	}
	var log bytes.Buffer
	server := command("postgres", "-D", folder, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "max_wal_size=2GB", "-c", "log_min_messages=fatal")
	watcher := command("")
	watcher.Path = "/bin/sh"
	watcher.Args = append([]string{"sh", "-c", `dir=$1; shift; "$@" & cat; kill -QUIT $! 2>/dev/null; wait $!; cd /; rm -rf "$dir"`, "watcher", dir}, server.Args...)
	watcher.Stdin, watcher.Stdout, watcher.Stderr = alive, &log, &log
	if err := watcher.Start(); err != nil {
		return "", fmt.Errorf("start postgres: %w", err)
	}
	alive.Close()
	watched = append(watched, held)
	for range 300 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", dir).Run()
		cancel()
		if err == nil {
			return (&url.URL{Scheme: "postgres", User: url.User(name), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}).String(), nil
		}
		<-time.After(100 * time.Millisecond) // another process's start can be waited for in no other way
	}
	held.Close()
	watcher.Wait()
	return "", fmt.Errorf("postgres did not answer within 30 seconds\n%s", log.String())
}

// watched keeps open the pipe whose closing tells the watcher that this process is
// gone.
var watched []*os.File

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
