package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
)

// Webhook sends webhooks: signed, to addresses that strangers have chosen.
type Webhook struct {
	Client    *http.Client // of [HookClient]
	Keys      alerts.Keys
	UserAgent string
}

// Limits of what a receiver can make us take in.
const (
	maxHeaders  = 64 << 10
	maxBody     = 16 << 10
	bodyTime    = 3 * time.Second // for a body, once the status has said what matters
	connectTime = 5 * time.Second
)

// HookClient returns a client that dials nothing but what the guard allows. It looks
// at every address that a name has, at the moment of dialling, and uses no proxy,
// which would hide from it where a connection goes. It follows no redirect, keeps no
// cookies and expands nothing. resolver and roots are for tests; nil means the usual
// ones.
func HookClient(guard alerts.Guard, resolver *net.Resolver, roots *x509.CertPool) *http.Client {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	d := &guardedDialer{guard: guard, resolver: resolver}
	d.dialer.Control = guard.Control // looks again at what is really about to be dialled
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            d.dial,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaders,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        10 * time.Second,
			TLSHandshakeTimeout:    10 * time.Second,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		},
	}
}

// A guardedDialer resolves a name, looks at all its addresses, and dials them.
type guardedDialer struct {
	guard    alerts.Guard
	resolver *net.Resolver
	dialer   net.Dialer
}

func (d *guardedDialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs := []netip.Addr{}
	if literal, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, literal)
	} else if addrs, err = d.resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, err
	}
	// One bad address among good ones is no accident: none of them is dialled.
	for _, a := range addrs {
		if !d.guard.Allows(netip.AddrPortFrom(a, uint16(port))) {
			return nil, alerts.ErrNotPublic
		}
	}
	err = errors.New("the name has no address")
	for i, a := range addrs {
		some := ctx
		if deadline, ok := ctx.Deadline(); ok && i < len(addrs)-1 { // leave some time for the others
			var stop context.CancelFunc
			some, stop = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addrs)-i))
			defer stop()
		}
		var conn net.Conn
		if conn, err = d.dialer.DialContext(some, "tcp", netip.AddrPortFrom(a.Unmap(), uint16(port)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// CloseIdle closes the connections that are kept for the next webhook to the same
// host.
func (w *Webhook) CloseIdle() { w.Client.CloseIdleConnections() }

// Send makes one attempt at a webhook. It obeys the deadline of its context, body of
// the answer included.
func (w *Webhook) Send(ctx context.Context, e *alerts.Endpoint, d alerts.HookDelivery, at time.Time) alerts.HookOutcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var secrets []string
	for _, s := range e.Secrets {
		if s.ExpiresAt != 0 && s.ExpiresAt <= at.UnixMilli() {
			continue
		}
		secret, err := w.Keys.OpenSecret(s.Sealed)
		if err != nil {
			return alerts.HookOutcome{Class: alerts.HookConnect, Detail: "The webhook could not be signed; this is our fault.", Cause: err.Error()}
		}
		secrets = append(secrets, secret)
	}
	address, err := w.Keys.OpenSecret(e.Address)
	if err != nil {
		return alerts.HookOutcome{Class: alerts.HookConnect, Detail: "The webhook could not be addressed; this is our fault.", Cause: err.Error()}
	}
	signature, err := alerts.SignHook(secrets, d.MessageID, at, d.Body)
	if err != nil {
		return alerts.HookOutcome{Class: alerts.HookConnect, Detail: "The webhook could not be signed; this is our fault.", Cause: err.Error()}
	}
	var met met
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, met.trace()), http.MethodPost, address, bytes.NewReader(d.Body))
	if err != nil {
		return alerts.HookOutcome{Class: alerts.HookConnect, Detail: words[alerts.HookConnect], Cause: "url"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.UserAgent)
	req.Header.Set(alerts.HookIDHeader, d.MessageID)
	req.Header.Set(alerts.HookTimestampHeader, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(alerts.HookSignatureHeader, signature)
	// Without a value it is not sent: it tells net/http that a request may be repeated
	// when a kept connection turns out to be closed.
	req.Header["Idempotency-Key"] = nil
	resp, err := w.Client.Do(req)
	if err != nil {
		return met.failure(ctx, err)
	}
	defer resp.Body.Close()
	timer := time.AfterFunc(bodyTime, cancel)
	defer timer.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // however it ends, the status has been said
	return hookAnswer(resp, body, d, e.Challenge, e.Format, at)
}

// met is how far an attempt came. Connections are made in goroutines of their own,
// which may outlive the attempt.
type met struct{ connected, handshaken, secured atomic.Bool }

func (m *met) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				m.connected.Store(true)
			}
		},
		TLSHandshakeStart: func() { m.handshaken.Store(true) },
		TLSHandshakeDone:  func(_ tls.ConnectionState, err error) { m.secured.Store(err == nil) },
		GotConn: func(httptrace.GotConnInfo) {
			m.connected.Store(true)
			m.secured.Store(true)
		},
	}
}

// words is what owners are told of each class. A blocked address, a closed port and
// a name that does not exist get the same words.
var words = map[alerts.HookClass]string{
	alerts.HookConnect:   "No connection could be made: check that the name exists, and that it can be reached from the public internet on this port.",
	alerts.HookTLS:       "A secure connection could not be made: check that the certificate is valid for this name and not expired, and that TLS 1.2 or newer is offered.",
	alerts.HookTimeout:   "There was no answer within 15 seconds: accept the webhook first and do the work afterwards.",
	alerts.HookTooLarge:  "The answer's headers were larger than 64 KB.",
	alerts.HookChallenge: "It answered, but did not repeat the challenge of the ping.",
}

// failure says what an attempt without an answer came to.
func (m *met) failure(ctx context.Context, err error) alerts.HookOutcome {
	out := func(class alerts.HookClass, cause string) alerts.HookOutcome {
		return alerts.HookOutcome{Class: class, Detail: words[class], Cause: cause}
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, alerts.ErrNotPublic):
		return out(alerts.HookConnect, "blocked")
	case errors.As(err, &dns):
		return out(alerts.HookConnect, "dns")
	case !m.connected.Load():
		return out(alerts.HookConnect, "connect")
	case strings.Contains(err.Error(), "headers exceeded") || strings.Contains(err.Error(), "1xx"):
		return out(alerts.HookTooLarge, "headers")
	case m.handshaken.Load() && !m.secured.Load() && ctx.Err() == nil:
		return out(alerts.HookTLS, "tls")
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return out(alerts.HookTimeout, "timeout")
	}
	o := out(alerts.HookConnect, "broken")
	o.Detail = "The connection was closed without an answer."
	return o
}

// hookAnswer says what an answer means.
func hookAnswer(resp *http.Response, body []byte, d alerts.HookDelivery, challenge string, format alerts.HookFormat, now time.Time) alerts.HookOutcome {
	o := alerts.HookOutcome{Status: resp.StatusCode, Answer: inert(body)}
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		if d.IsPing() && !format.IsChat() && !alerts.Echoes(challenge, body) {
			o.Class, o.Detail = alerts.HookChallenge, words[alerts.HookChallenge]
		}
		return o
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		o.Detail = fmt.Sprintf("It answered %d, a redirect; webhooks go to the address itself and nowhere else.", resp.StatusCode)
	case resp.StatusCode == http.StatusGone:
		o.Detail = "It answered 410 Gone, which asks us to stop."
	default:
		o.Detail = fmt.Sprintf("It answered %d; only 200 to 299 count as accepted.", resp.StatusCode)
	}
	o.Class = alerts.HookStatus
	o.RetryAfter = waitAsked(resp.Header.Get("Retry-After"), now)
	return o
}

// waitAsked reads how long the other side wants us to wait: seconds, with a
// fraction or without, or a date. What makes no sense is 0.
func waitAsked(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s != "" && strings.Trim(s, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0
		}
		return min(time.Duration(math.Ceil(min(seconds, longestWait.Seconds())))*time.Second, longestWait)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), longestWait)
	}
	return 0
}

// inert makes text of the beginning of an answer: valid, without control characters
// that a terminal or a database would take for something else.
func inert(body []byte) string {
	cut := len(body) > alerts.MaxAnswer
	if cut {
		body = body[:alerts.MaxAnswer]
		for i := 1; i < utf8.UTFMax && i < len(body); i++ { // not in the middle of a character
			if utf8.RuneStart(body[len(body)-i]) {
				if !utf8.FullRune(body[len(body)-i:]) {
					body = body[:len(body)-i]
				}
				break
			}
		}
	}
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(string(body), "\ufffd"))
	for len(text) > alerts.MaxAnswer { // replacement characters are longer than what they stand for
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}
