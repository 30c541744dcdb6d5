package web

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// uploads keeps files that are being looked at, from one step of a form to the next.
// A file is encrypted under a key that follows from its secret, which only the page of
// the person who sent it holds: what lies in the folder is of no use to anybody else,
// and of none to us once the page is closed. Files are removed after keepFor, or as soon
// as they are done with.
type uploads struct {
	dir string
	now func() time.Time
}

// keepFor is how long a file waits for the next step.
const keepFor = 30 * time.Minute

// How many bytes may lie in the folder: those of strangers must leave room for councils.
const (
	keepStrangers = 256 << 20
	keepAll       = 2 << 30
)

// An upload says what a kept file is.
type upload struct {
	Name  string `json:"name"`            // of the file, for showing
	Bytes int64  `json:"bytes,omitempty"` // when it is opened
	Feed  string `json:"feed,omitempty"`  // for which its sender had the token, or signed in as who looks after it; empty for a stranger
	Token string `json:"token,omitempty"` // hash of that token, so that one that was ended ends this too

	Account int64 `json:"account,omitempty"` // whose session stood in for the token

	secret string
}

// errFull says that too many files wait.
var errFull = errors.New("too many files are waiting")

// path is where the file of a secret lies.
func (u *uploads) path(up upload) string {
	kind := "s-" // of a stranger
	if up.Feed != "" {
		kind = "f-"
	}
	sum := sha256.Sum256([]byte("name " + up.secret))
	return filepath.Join(u.dir, kind+hex.EncodeToString(sum[:16]))
}

func stream(secret string) (cipher.Stream, error) {
	key := sha256.Sum256([]byte("key " + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewCTR(block, make([]byte, aes.BlockSize)), nil // the key is used once
}

// keep stores a file and returns what opens it again. It fails with what reading the
// file fails with.
func (u *uploads) keep(up upload, file io.Reader) (upload, error) {
	if err := os.MkdirAll(u.dir, 0o700); err != nil {
		return up, fmt.Errorf("keep a file: %w", err)
	}
	strangers, all := u.sweep()
	if all > keepAll || up.Feed == "" && strangers > keepStrangers {
		return up, errFull
	}
	up.secret = alerts.NewSecret()
	path := u.path(up)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return up, fmt.Errorf("keep a file: %w", err)
	}
	written, err := u.write(out, up, file)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chtimes(path, u.now(), u.now())
	}
	if err != nil {
		os.Remove(path)
		return up, err
	}
	up.Bytes = written
	time.AfterFunc(keepFor, func() { os.Remove(path) })
	return up, nil
}

func (u *uploads) write(out io.Writer, up upload, file io.Reader) (int64, error) {
	secret, err := stream(up.secret)
	if err != nil {
		return 0, err
	}
	note, err := json.Marshal(up)
	if err != nil {
		return 0, err
	}
	w := cipher.StreamWriter{S: secret, W: out}
	if _, err := w.Write(append(note, '\n')); err != nil {
		return 0, err
	}
	return io.Copy(w, file)
}

// open returns what is kept under a secret, and the file. It returns alerts.ErrExpired
// when there is none any more.
func (u *uploads) open(secret string) (up upload, file io.ReadCloser, err error) {
	for _, up = range []upload{{secret: secret, Feed: "some"}, {secret: secret}} {
		path := u.path(up)
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return up, nil, fmt.Errorf("open a kept file: %w", err)
		}
		info, err := f.Stat()
		if err != nil || u.now().Sub(info.ModTime()) > keepFor {
			f.Close()
			os.Remove(path)
			return up, nil, alerts.ErrExpired
		}
		key, err := stream(secret)
		if err != nil {
			f.Close()
			return up, nil, err
		}
		r := bufio.NewReaderSize(cipher.StreamReader{S: key, R: f}, 64<<10)
		note, err := r.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(note, &up)
		}
		if err != nil {
			f.Close()
			return up, nil, alerts.ErrExpired
		}
		up.Bytes = info.Size() - int64(len(note))
		return up, struct {
			io.Reader
			io.Closer
		}{r, f}, nil
	}
	return up, nil, alerts.ErrExpired
}

// drop removes a kept file.
func (u *uploads) drop(up upload) { os.Remove(u.path(up)) }

// sweep removes what has waited too long and counts the bytes of the rest.
func (u *uploads) sweep() (strangers, all int64) {
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return 0, 0
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		if u.now().Sub(info.ModTime()) > keepFor {
			os.Remove(filepath.Join(u.dir, e.Name()))
			continue
		}
		all += info.Size()
		if strings.HasPrefix(e.Name(), "s-") {
			strangers += info.Size()
		}
	}
	return strangers, all
}
