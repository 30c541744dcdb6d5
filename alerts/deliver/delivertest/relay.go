// Package delivertest has the other side for tests of delivery: a mail relay that
// holds a real SMTP conversation, and answers as it is told.
package delivertest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Relay is an SMTP server on this machine. Its hooks are called at each step of
// a conversation; an error of type *smtp.SMTPError is its answer.
type Relay struct {
	OnMail   func(from string) error
	OnRcpt   func(to string) error
	OnData   func(m Message) error // after the message was read and before it is accepted
	Password string                // asked for when not empty; the user is "sitenotice"
	TLS      *tls.Config           // offers STARTTLS when not nil

	server   *smtp.Server
	listener net.Listener
	mu       sync.Mutex
	accepted []Message
}

// A Message is one that the relay was sent.
type Message struct {
	From, To string
	Raw      string
}

// Header returns a header field of the message, "" if it has none.
func (m Message) Header(name string) string {
	parsed, err := mail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		return ""
	}
	return parsed.Header.Get(name)
}

// Start makes the relay listen until the test ends.
func (r *Relay) Start(t testing.TB) {
	t.Helper()
	r.listen(t, "127.0.0.1:0")
	t.Cleanup(r.Stop)
}

func (r *Relay) listen(t testing.TB, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r.listener = listener
	r.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{relay: r, conn: c}, nil }))
	r.server.AllowInsecureAuth = true
	r.server.TLSConfig = r.TLS
	r.server.ErrorLog = discard{}
	r.server.ReadTimeout, r.server.WriteTimeout = 10*time.Second, 10*time.Second
	go r.server.Serve(listener)
}

// Stop breaks all conversations off and stops listening.
func (r *Relay) Stop() {
	r.listener.Close() // the server knows of it only once it serves
	r.server.Close()
}

// Restart listens again where the relay did before.
func (r *Relay) Restart(t testing.TB) {
	t.Helper()
	r.listen(t, r.listener.Addr().String())
}

// Address is where the relay listens, host:port.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// URL is the relay as --mail wants it.
func (r *Relay) URL() string {
	if r.Password != "" {
		return "smtp://sitenotice:" + r.Password + "@" + r.Address()
	}
	return "smtp://" + r.Address()
}

// Accepted returns the messages that were accepted so far.
func (r *Relay) Accepted() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Message(nil), r.accepted...)
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

type session struct {
	relay    *Relay
	conn     *smtp.Conn
	in       bool // authenticated
	from, to string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "sitenotice" || password != s.relay.Password {
			return smtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.relay.Password != "" && !s.in {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authentication required"}
	}
	s.from = from
	if s.relay.OnMail != nil {
		return s.relay.OnMail(from)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.relay.OnRcpt != nil {
		return s.relay.OnRcpt(to)
	}
	return nil
}

// ErrHangUp makes the relay break the connection off instead of answering.
var ErrHangUp = errors.New("hang up")

// ErrAcceptAndHangUp makes the relay accept a message and break the connection off
// before it can say so.
var ErrAcceptAndHangUp = errors.New("accept and hang up")

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := Message{s.from, s.to, string(raw)}
	if s.relay.OnData != nil {
		err = s.relay.OnData(m)
	}
	if err == nil || errors.Is(err, ErrAcceptAndHangUp) {
		s.relay.mu.Lock()
		s.relay.accepted = append(s.relay.accepted, m)
		s.relay.mu.Unlock()
	}
	if errors.Is(err, ErrHangUp) || errors.Is(err, ErrAcceptAndHangUp) {
		s.conn.Conn().Close()
	}
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
