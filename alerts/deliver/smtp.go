package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/sitenotice/sitenotice/alerts"
)

// SMTP is a sender that hands mail to a relay. It keeps connections open between
// messages; it is safe for use by several goroutines.
type SMTP struct {
	Now     func() time.Time // for the Date of messages; nil for time.Now
	Inbound alerts.Inbound   // to which mail bounces, each to an address of its own; zero for the From address

	from           *mail.Address
	host           string
	port           int
	user, password string
	implicitTLS    bool        // smtps
	tls            *tls.Config // for tests that have their own authority; nil for the system's

	mu   sync.Mutex
	idle []*connection
}

// A connection is one to the relay, past greeting, TLS and authentication.
type connection struct {
	raw    net.Conn
	client *smtp.Client
	sent   int
}

// How a connection is used: so many messages, and not after it has been idle so
// long that the relay may have closed it.
const messagesPerConnection = 500

// NewSMTP reads an address like smtp://user:password@host:587 or smtps://host.
// STARTTLS is used when the relay offers it, and required to send a password to
// any host but this one.
func NewSMTP(address, from string) (*SMTP, error) {
	sender, err := parseFrom(from)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the mail relay cannot be read; it is like smtp://user:password@host:587, with special characters of the password percent-encoded")
	}
	s := &SMTP{from: sender, host: u.Hostname(), implicitTLS: u.Scheme == "smtps", port: 25}
	if u.Scheme != "smtp" && u.Scheme != "smtps" || s.host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("the address of the mail relay is like smtp://user:password@host:587 or smtps://user:password@host:465")
	}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
		s.port = 587
	}
	if s.implicitTLS {
		s.port = 465
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return nil, fmt.Errorf("the port of the mail relay, %q, is not between 1 and 65535", p)
		}
	}
	return s, nil
}

// Send hands one delivery to the relay.
func (s *SMTP) Send(ctx context.Context, d alerts.Delivery) alerts.Outcome {
	raw, err := message(d, s.from, clock(s.Now))
	if err != nil {
		return alerts.Outcome{Class: alerts.Permanent, Detail: detail(err.Error())}
	}
	for {
		c, fresh, err := s.connection(ctx)
		if err != nil {
			return alerts.Outcome{Class: alerts.SenderDown, Detail: detail("connect: " + err.Error())}
		}
		at, err := s.transaction(ctx, c, s.returnPath(d), d.Address, raw)
		if err == nil {
			s.keep(c)
			return alerts.Outcome{Detail: "accepted"}
		}
		var reply *textproto.Error
		if !errors.As(err, &reply) {
			c.raw.Close()
			if at == atMail && !fresh && ctx.Err() == nil {
				continue // the relay had closed the idle connection; it has seen nothing of this message
			}
			return lost(at, err)
		}
		if at == atMail && reply.Code == 421 && !fresh && ctx.Err() == nil {
			c.raw.Close() // said to the idle connection: it has had enough of it
			continue
		}
		if reply.Code == 421 || c.client.Reset() != nil {
			c.raw.Close()
		} else {
			s.keep(c)
		}
		return refused(at, reply)
	}
}

// returnPath is where a delivery comes back to when it cannot be delivered.
func (s *SMTP) returnPath(d alerts.Delivery) string {
	if s.Inbound.IsZero() {
		return s.from.Address
	}
	return s.Inbound.ReturnPath(d.ID)
}

// A phase of an SMTP transaction.
type phase string

const (
	atMail phase = "MAIL"
	atRcpt phase = "RCPT"
	atData phase = "DATA"
	atDot  phase = "end of data"
)

// transaction sends one message over c and says how far it came.
func (s *SMTP) transaction(ctx context.Context, c *connection, from, to string, raw []byte) (phase, error) {
	defer c.within(ctx)()
	c.sent++
	if err := c.client.Mail("<" + from + ">"); err != nil {
		return atMail, err
	}
	if err := c.client.Rcpt("<" + to + ">"); err != nil {
		return atRcpt, err
	}
	w, err := c.client.Data()
	if err != nil {
		return atData, err
	}
	if _, err := w.Write(raw); err != nil {
		return atData, err
	}
	return atDot, w.Close()
}

// within makes all reading and writing on a connection end with ctx.
func (c *connection) within(ctx context.Context) (done func()) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Time{}
	}
	c.raw.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { c.raw.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// connection returns an idle connection or makes one; fresh says which.
func (s *SMTP) connection(ctx context.Context) (c *connection, fresh bool, err error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.mu.Unlock()
	if c != nil {
		return c, false, nil
	}
	c = &connection{}
	timeout := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		if timeout = time.Until(deadline); timeout <= 0 {
			return nil, true, context.DeadlineExceeded
		}
	}
	bounded := func() {}
	defer func() { bounded() }()
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(timeout), gomail.WithoutSMTPUTF8(), gomail.WithTLSPolicy(s.policy()),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			var dialer net.Dialer
			raw, err := dialer.DialContext(dialing, network, address)
			if err != nil {
				return nil, err
			}
			c.raw = raw
			bounded = c.within(ctx)
			if !s.implicitTLS {
				return raw, nil
			}
			secure := tls.Client(raw, s.tlsConfig())
			return secure, secure.HandshakeContext(dialing)
		}),
	}
	if s.implicitTLS {
		options = append(options, gomail.WithSSL())
	}
	if s.user != "" {
		kinds := []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5}
		if loopback(s.host) {
			kinds = append(kinds, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc)
		}
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password), gomail.WithOpportunisticSMTPAuth(kinds...))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return nil, true, err
	}
	if err := client.SetTLSConfig(s.tlsConfig()); err != nil {
		return nil, true, err
	}
	if c.client, err = client.DialToSMTPClientWithContext(ctx); err != nil {
		if c.raw != nil {
			c.raw.Close()
		}
		return nil, true, err
	}
	return c, true, nil
}

func (s *SMTP) policy() gomail.TLSPolicy {
	if s.user != "" && !loopback(s.host) {
		return gomail.TLSMandatory
	}
	return gomail.TLSOpportunistic
}

func (s *SMTP) tlsConfig() *tls.Config {
	if s.tls != nil {
		return s.tls.Clone()
	}
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
}

func loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost"
}

// keep puts a connection aside for the next message.
func (s *SMTP) keep(c *connection) {
	if c.sent >= messagesPerConnection {
		c.quit()
		return
	}
	s.mu.Lock()
	s.idle = append(s.idle, c)
	s.mu.Unlock()
}

func (c *connection) quit() {
	c.raw.SetDeadline(time.Now().Add(time.Second))
	_ = c.client.Quit()
	c.raw.Close()
}

// Close ends the idle connections. The sender can be used again afterwards.
func (s *SMTP) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
	return nil
}

// lost classes a connection that broke off or ran out of time. Before the
// recipient was named it is the relay's fault; after the end of data the message
// may have been accepted, so that it is sent again under the same Message-ID.
func lost(at phase, err error) alerts.Outcome {
	o := alerts.Outcome{Class: alerts.Temporary, Detail: detail(fmt.Sprintf("the connection was lost at %s: %v", at, err))}
	if at == atMail {
		o.Class = alerts.SenderDown
	}
	return o
}

// enhanced is an enhanced status code (RFC 3463) at the start of a reply.
var enhanced = regexp.MustCompile(`^([245])\.(\d{1,3})\.(\d{1,3})\b`)

// refused classes a relay's answer.
func refused(at phase, reply *textproto.Error) alerts.Outcome {
	o := alerts.Outcome{Class: alerts.Temporary, Detail: detail(fmt.Sprintf("%s: %d %s", at, reply.Code, reply.Msg))}
	code := enhanced.FindString(reply.Msg)
	switch {
	case reply.Code == 421, reply.Code == 530, reply.Code == 534, reply.Code == 535, reply.Code == 538, reply.Code == 454 && at == atMail:
		o.Class = alerts.SenderDown // going away, or we are not (or no longer) let in
	case reply.Code < 500:
	case at == atMail && reply.Code != 552:
		o.Class = alerts.SenderDown // our own address is refused: it is so for every message
	case at == atRcpt && strings.HasPrefix(code, "5.7.") && strings.Contains(strings.ToLower(reply.Msg), "relay"):
		o.Class = alerts.SenderDown // "relay access denied": we are not let in
	case (at == atRcpt || at == atDot) && (reply.Code == 550 || reply.Code == 551 || reply.Code == 553) && deadCodes[code]:
		o.Class = alerts.DeadAddress
	default:
		o.Class = alerts.Permanent
	}
	return o
}

// deadCodes are the enhanced codes that say of an address that it is none: no
// such mailbox, no such domain, not an address, moved away, takes no mail.
var deadCodes = map[string]bool{"5.1.1": true, "5.1.2": true, "5.1.3": true, "5.1.6": true, "5.1.10": true}
