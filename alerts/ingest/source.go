package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// A Source opens the places that declarations name.
type Source interface {
	Open(ctx context.Context, url, etag, lastModified string) (Answer, error)
}

// An Answer is what a source had to say.
type Answer struct {
	Body         io.ReadCloser // nil when NotModified
	NotModified  bool
	ETag         string
	LastModified string
}

// Fetcher opens web addresses and files. Its errors are sentences for the person
// who mends the feed.
type Fetcher struct {
	Client   *http.Client  // whose transport may refuse addresses
	Contact  string        // named to the councils' servers, so that they can write to us
	MaxBytes int64         // of one answer; 0 for DefaultMaxBytes
	Timeout  time.Duration // of one answer, body included; 0 for DefaultTimeout
}

// The defaults of a Fetcher.
const (
	DefaultMaxBytes = 1 << 30
	DefaultTimeout  = 10 * time.Minute
)

// Open opens a web address, asking only for what is new, or a file.
func (f *Fetcher) Open(ctx context.Context, url, etag, lastModified string) (Answer, error) {
	if url == "" {
		return Answer{}, errors.New("the feed has no address; import a file")
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		file, err := os.Open(url)
		if err != nil {
			return Answer{}, fmt.Errorf("the file cannot be opened: %w", err)
		}
		return Answer{Body: file}, nil
	}
	timeout := f.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return Answer{}, err
	}
	req.Header.Set("User-Agent", strings.TrimSpace("Sitenotice (planning alerts; "+f.Contact+")"))
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	if lastModified != "" {
		req.Header.Set("If-Modified-Since", lastModified)
	}
	res, err := f.Client.Do(req)
	if err != nil {
		cancel()
		return Answer{}, fmt.Errorf("the source does not answer: %w", err)
	}
	a := Answer{ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified")}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode == http.StatusNotModified:
		a.NotModified = true
	case res.StatusCode != http.StatusOK:
		err = fmt.Errorf("the source answers %s", res.Status)
	case kind == "text/html":
		err = errors.New("the source answers with a web page instead of data: perhaps an error, a log-in or a captcha page")
	default:
		most := f.MaxBytes
		if most <= 0 {
			most = DefaultMaxBytes
		}
		a.Body = &body{io.LimitReader(res.Body, most+1), res.Body, cancel, most}
		return a, nil
	}
	res.Body.Close()
	cancel()
	return a, err
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
