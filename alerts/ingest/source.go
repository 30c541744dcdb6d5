package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts/feed"
)

// A Source opens the places that declarations name.
type Source interface {
	// Open asks a source. What is known of its last answer makes it say when nothing
	// has changed. It returns a *SourceError when the source does not answer with data.
	Open(ctx context.Context, r feed.Request, known Answer) (Answer, error)
}

// An Answer is what a source had to say.
type Answer struct {
	Body         io.ReadCloser // nil when NotModified
	NotModified  bool
	ETag         string
	LastModified string
}

// A SourceError says why a source could not be read, in a sentence for the person
// who mends the feed.
type SourceError struct {
	Problem string
	Err     error // may be nil
}

func (e *SourceError) Error() string {
	if e.Err == nil {
		return e.Problem
	}
	return e.Problem + ": " + e.Err.Error()
}

func (e *SourceError) Unwrap() error { return e.Err }

// A Fetcher opens web addresses and files. It is polite: it says who asks, keeps the
// pace that a feed names, waits as long as a server tells it to, and stops asking a
// server that goes on failing.
type Fetcher struct {
	Client  *http.Client             // for the addresses that declarations name; must not follow redirects by itself
	Guarded *http.Client             // for those to which a server sends us on: must refuse private addresses. Nil refuses them all
	Contact string                   // named to the councils' servers, so that they can write to us
	Secret  func(name string) string // fills in headers "env:NAME"; nil for none

	MaxBytes int64         // of one answer; 0 for DefaultMaxBytes
	Timeout  time.Duration // of one answer, body included; 0 for DefaultTimeout
	Attempts int           // how often to ask; 0 for five times
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error // nil waits by the clock

	mu   sync.Mutex
	last map[string]time.Time // when each host was asked last
}

// The defaults of a Fetcher, and how it asks again.
const (
	DefaultMaxBytes = 1 << 30
	DefaultTimeout  = 10 * time.Minute

	attempts     = 5
	firstBackoff = 2 * time.Second // doubled each time, give or take half
	longestWait  = 10 * time.Minute
	maxRedirects = 5
)

// Open opens a web address, asking only for what is new, or a file.
func (f *Fetcher) Open(ctx context.Context, r feed.Request, known Answer) (Answer, error) {
	if r.URL == "" {
		return Answer{}, &SourceError{Problem: "the feed has no address; import a file"}
	}
	address, err := url.Parse(r.URL)
	if err != nil {
		return Answer{}, &SourceError{"the address cannot be understood", err}
	}
	if address.Scheme != "https" && address.Scheme != "http" {
		file, err := os.Open(r.URL)
		if err != nil {
			return Answer{}, &SourceError{"the file cannot be opened", err}
		}
		return Answer{Body: file}, nil
	}
	for attempt := 0; ; attempt++ {
		if err := f.pace(ctx, address.Host, r.Pace); err != nil {
			return Answer{}, err
		}
		answer, wait, err := f.ask(ctx, r, known)
		if err == nil || wait < 0 || ctx.Err() != nil {
			return answer, err
		}
		if wait == 0 {
			wait = time.Duration(float64(firstBackoff<<attempt) * (0.5 + rand.Float64()))
		}
		if attempt == cmp.Or(f.Attempts, attempts)-1 || wait > longestWait {
			return answer, err
		}
		if err := f.sleep(ctx, wait); err != nil {
			return Answer{}, err
		}
	}
}

// pace waits until a host may be asked again.
func (f *Fetcher) pace(ctx context.Context, host string, pace time.Duration) error {
	f.mu.Lock()
	if f.last == nil {
		f.last = map[string]time.Time{}
	}
	next := f.now()
	if asked, ok := f.last[host]; ok && asked.Add(pace).After(next) {
		next = asked.Add(pace)
	}
	f.last[host] = next
	f.mu.Unlock()
	return f.sleep(ctx, next.Sub(f.now()))
}

func (f *Fetcher) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fetcher) sleep(ctx context.Context, d time.Duration) error {
	switch {
	case d <= 0:
		return ctx.Err()
	case f.Sleep != nil:
		return f.Sleep(ctx, d)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// ask makes one request. wait is how long to wait before asking again when that may
// help: 0 when the server does not say; negative when it will not help.
func (f *Fetcher) ask(ctx context.Context, r feed.Request, known Answer) (a Answer, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(f.Timeout, DefaultTimeout))
	res, err := f.follow(ctx, r, known)
	if err != nil {
		cancel()
		var refused *SourceError
		if errors.As(err, &refused) {
			return Answer{}, -1, err
		}
		return Answer{}, 0, &SourceError{"the source does not answer", err}
	}
	a = Answer{ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified")}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode == http.StatusNotModified:
		a.NotModified = true
	case res.StatusCode == http.StatusOK && kind == "text/html":
		err, wait = &SourceError{Problem: "the source answers with a web page instead of data: perhaps an error, a log-in or a captcha page"}, -1
	case res.StatusCode == http.StatusOK:
		most := cmp.Or(f.MaxBytes, DefaultMaxBytes)
		a.Body = &body{io.LimitReader(res.Body, most+1), res.Body, cancel, most}
		return a, 0, nil
	default:
		err, wait = &SourceError{Problem: "the source answers " + res.Status}, -1
		if res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 {
			wait = retryAfter(res.Header.Get("Retry-After"), f.now())
		}
	}
	res.Body.Close()
	cancel()
	return a, wait, err
}

// follow makes a request and the ones to which the server sends it on. What a feed
// sends in headers goes to its own host only.
func (f *Fetcher) follow(ctx context.Context, r feed.Request, known Answer) (*http.Response, error) {
	at, method, body, client := r.URL, r.Method, r.Body, f.Client
	own, _ := url.Parse(r.URL)
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
		if err != nil {
			return nil, &SourceError{"the address cannot be understood", err}
		}
		if req.URL.Host == own.Host && req.URL.Scheme == own.Scheme {
			for name, value := range r.Header {
				if secret, ok := strings.CutPrefix(value, "env:"); ok {
					if f.Secret != nil {
						value = f.Secret(secret)
					}
					if value == "" || f.Secret == nil {
						return nil, &SourceError{Problem: fmt.Sprintf("the source wants the header %s: set its value in the variable %s", name, secret)}
					}
				}
				req.Header.Set(name, value)
			}
		}
		req.Header.Set("User-Agent", strings.TrimSpace("Sitenotice (planning alerts; "+f.Contact+")"))
		if known.ETag != "" {
			req.Header.Set("If-None-Match", known.ETag)
		}
		if known.LastModified != "" {
			req.Header.Set("If-Modified-Since", known.LastModified)
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		to := res.Header.Get("Location")
		if res.StatusCode < 300 || res.StatusCode > 399 || res.StatusCode == http.StatusNotModified || to == "" {
			return res, nil
		}
		res.Body.Close()
		next, err := req.URL.Parse(to)
		if err != nil || next.Scheme != "https" && next.Scheme != own.Scheme {
			return nil, &SourceError{Problem: fmt.Sprintf("the source sends us on to %q, which is no address to follow", to)}
		}
		if next.Host != own.Host {
			if client = f.Guarded; client == nil {
				return nil, &SourceError{Problem: fmt.Sprintf("the source sends us on to another server, %s: put that address into the feed if it is right", next.Host)}
			}
		}
		if res.StatusCode != http.StatusTemporaryRedirect && res.StatusCode != http.StatusPermanentRedirect {
			method, body = http.MethodGet, nil
		}
		at = next.String()
	}
	return nil, &SourceError{Problem: "the source sends us on again and again"}
}

// retryAfter reads how long a server asks us to wait, in seconds or as a date
// (RFC 9110, section 10.2.3); 0 when it does not say.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(header)); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// body ends its request when it is closed, and fails beyond a length.
type body struct {
	io.Reader
	closer io.Closer
	cancel context.CancelFunc
	left   int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errors.New("the answer is larger than a feed may be")
	}
	return n, err
}

func (b *body) Close() error {
	err := b.closer.Close()
	b.cancel()
	return err
}
