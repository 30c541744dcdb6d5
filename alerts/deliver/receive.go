package deliver

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// MaxInbound is how much of a message that arrives is read: what says why a mail
// bounced comes before the copy of the mail.
const MaxInbound = 1 << 20

// What a message that arrives may be besides a report.
var (
	// ErrAutomatic says that nobody wrote the message: an absence note, for example.
	ErrAutomatic = errors.New("an automatic answer")
	// ErrNotOurs says that nothing in the message names a mail of ours.
	ErrNotOurs = errors.New("it names no mail of ours")
	// ErrUnclear says that the message answers a mail of ours and says nothing that we understand.
	ErrUnclear = errors.New("it says nothing that we understand")
)

// Receive reads one message that arrived at the inbound address: a bounce
// (RFC 3464, or in the words of servers that do not follow it), a complaint
// (RFC 5965), or a wish to stop. recipients are the addresses in its envelope,
// where they are known.
//
// Anybody can send mail here. What it is about is believed only from an address of
// our own making, with a keyed hash in it, or from the Message-ID of a mail of
// ours, which nobody can guess.
func Receive(r io.Reader, in alerts.Inbound, recipients []string) (alerts.MailReport, error) {
	report := alerts.MailReport{Source: "mail"}
	b, err := io.ReadAll(io.LimitReader(r, MaxInbound))
	if err != nil {
		return report, fmt.Errorf("read the message: %w", err)
	}
	b = bytes.TrimLeft(b, "\r\n")
	if bytes.HasPrefix(b, []byte("From ")) { // as mailbox files and some pipes have it
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return report, ErrNotOurs // no message at all
	}
	body := &inbound{header: m.Header}
	body.read(textproto.MIMEHeader(m.Header), m.Body, 0)
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc"} {
		recipients = append(recipients, addresses(m.Header[name])...)
	}
	for _, to := range recipients {
		tag, err := in.Read(to)
		if err != nil {
			continue
		}
		if tag.Recipient != 0 { // whatever the mail says: writing to this address is the wish
			if body.automatic() || body.failure() {
				return report, ErrAutomatic
			}
			report.Kind, report.Recipient, report.Cadences = alerts.ReportUnsubscribe, tag.Recipient, tag.Cadences
			report.Key = fmt.Sprintf("%s:mail:to:%d", report.Kind, tag.Recipient)
			return report, nil
		}
		report.Delivery = tag.Delivery
	}
	if report.Delivery == 0 {
		if report.MessageID = body.messageID(); report.MessageID == "" {
			return report, ErrNotOurs
		}
	}
	if err := body.classify(&report); err != nil {
		return report, err
	}
	report.Key = fmt.Sprintf("%s:mail:%d:%s", report.Kind, report.Delivery, report.MessageID)
	return report, nil
}

// An inbound is what is of interest in a message.
type inbound struct {
	header   mail.Header
	status   []textproto.MIMEHeader // the groups of a delivery status
	feedback textproto.MIMEHeader   // of a complaint
	original textproto.MIMEHeader   // the header of the mail that it is about
	text     string                 // the beginning of what it says in plain text
}

// maxDepth and maxParts are how deep and how wide a message is looked into.
const (
	maxDepth = 5
	maxParts = 50
	maxText  = 16 << 10
)

// read goes through a part and those in it. What cannot be read is passed over:
// bounces are often cut off.
func (m *inbound) read(header textproto.MIMEHeader, body io.Reader, depth int) {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	switch {
	case strings.HasPrefix(kind, "multipart/") && depth < maxDepth:
		parts := multipart.NewReader(body, parameters["boundary"])
		for range maxParts {
			part, err := parts.NextRawPart()
			if err != nil {
				return
			}
			m.read(part.Header, part, depth+1)
		}
	case kind == "message/delivery-status":
		r := textproto.NewReader(bufio.NewReader(body))
		for range maxParts {
			group, err := r.ReadMIMEHeader()
			if len(group) > 0 {
				m.status = append(m.status, group)
			}
			if err != nil {
				return
			}
		}
	case kind == "message/feedback-report":
		m.feedback, _ = textproto.NewReader(bufio.NewReader(body)).ReadMIMEHeader()
	case kind == "message/rfc822" || kind == "text/rfc822-headers" || kind == "message/rfc822-headers":
		if m.original == nil {
			m.original, _ = textproto.NewReader(bufio.NewReader(body)).ReadMIMEHeader()
		}
	case kind == "text/plain" && m.text == "":
		b, _ := io.ReadAll(io.LimitReader(body, maxText))
		m.text = strings.ToValidUTF8(string(b), "")
	}
}

// classify says what a message about a mail of ours reports of it.
func (m *inbound) classify(report *alerts.MailReport) error {
	if m.feedback != nil {
		switch strings.ToLower(strings.TrimSpace(m.feedback.Get("Feedback-Type"))) {
		case "abuse", "fraud", "other", "opt-out":
			report.Kind = alerts.ReportComplaint
			return nil
		}
		return ErrUnclear // "not-spam", for example
	}
	if m.status != nil {
		for _, group := range m.status {
			m.worse(report, group)
		}
		if report.Kind == "" {
			return ErrAutomatic // delayed, relayed, expanded: more may follow
		}
		return nil
	}
	if m.failure() {
		report.Status = statusIn.FindString(m.text)
		report.Kind = alerts.FailureKind(report.Status, m.text)
		return nil
	}
	if m.automatic() {
		return ErrAutomatic
	}
	if m.wantsToStop() {
		report.Kind = alerts.ReportUnsubscribe
		return nil
	}
	return ErrUnclear
}

// statusIn finds an enhanced status code of failure in running text.
var statusIn = regexp.MustCompile(`\b[45]\.\d{1,3}\.\d{1,3}\b`)

// worse takes over what one group of a delivery status says, if it is graver than
// what is known so far.
func (m *inbound) worse(report *alerts.MailReport, group textproto.MIMEHeader) {
	detail := group.Get("Diagnostic-Code")
	status := statusIn.FindString(group.Get("Status"))
	if code := statusIn.FindString(detail); status == "" || strings.HasSuffix(status, ".0.0") && code != "" {
		status = code // "5.0.0" says less than what the server said
	}
	kind := alerts.ReportKind("")
	switch strings.ToLower(strings.TrimSpace(group.Get("Action"))) {
	case "failed":
		kind = alerts.FailureKind(status, detail)
	case "delivered":
		kind = alerts.ReportDelivered
	}
	if gravity[kind] <= gravity[report.Kind] {
		return
	}
	report.Kind, report.Status = kind, status
	report.Address = ""
	for _, name := range []string{"Original-Recipient", "Final-Recipient"} {
		if _, address, ok := strings.Cut(group.Get(name), ";"); ok && report.Address == "" {
			report.Address = strings.Trim(strings.TrimSpace(address), "<>")
		}
	}
}

// gravity orders what a delivery status may say.
var gravity = map[alerts.ReportKind]int{alerts.ReportDelivered: 1, alerts.ReportSoft: 2, alerts.ReportBlocked: 3, alerts.ReportRefused: 4, alerts.ReportHard: 5}

// failure reports whether the message says in a server's own words that a mail did
// not arrive.
func (m *inbound) failure() bool {
	if m.status != nil || m.header.Get("X-Failed-Recipients") != "" {
		return true
	}
	from := addresses(m.header["From"])
	if len(from) == 0 {
		return false
	}
	local, _, _ := strings.Cut(strings.ToLower(from[0]), "@")
	if local != "mailer-daemon" && local != "postmaster" && local != "mail-daemon" && local != "mdaemon" {
		return false
	}
	subject := strings.ToLower(m.header.Get("Subject"))
	for _, words := range []string{"undeliver", "failure", "failed", "returned mail", "not be delivered", "couldn't be delivered", "rejected", "returning message"} {
		if strings.Contains(subject, words) {
			return !strings.Contains(subject, "delay") && !strings.Contains(subject, "warning")
		}
	}
	return false
}

// automatic reports whether nobody wrote the message by hand.
func (m *inbound) automatic() bool {
	if v := strings.ToLower(strings.TrimSpace(m.header.Get("Auto-Submitted"))); v != "" && v != "no" {
		return true
	}
	switch strings.ToLower(strings.TrimSpace(m.header.Get("Precedence"))) {
	case "auto_reply", "junk", "bulk", "list":
		return true
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "List-Id"} {
		if m.header.Get(name) != "" {
			return true
		}
	}
	subject := strings.ToLower(m.header.Get("Subject"))
	return strings.HasPrefix(subject, "automatic reply") || strings.HasPrefix(subject, "auto:") || strings.HasPrefix(subject, "out of office")
}

// wantsToStop reports whether a person asks for it in so many words: in the
// subject, or in the first line.
func (m *inbound) wantsToStop() bool {
	subject := m.header.Get("Subject")
	if decoded, err := new(mime.WordDecoder).DecodeHeader(subject); err == nil {
		subject = decoded
	}
	for {
		prefix, rest, ok := strings.Cut(subject, ":")
		if !ok || len(strings.TrimSpace(prefix)) > 3 { // Re:, AW:, SV:
			break
		}
		subject = rest
	}
	first := ""
	for line := range strings.Lines(m.text) {
		if first = strings.TrimSpace(line); first != "" {
			break
		}
	}
	return stopWord(subject) || stopWord(first)
}

func stopWord(s string) bool {
	switch strings.ToLower(strings.Trim(strings.Join(strings.Fields(s), " "), ".! ")) {
	case "unsubscribe", "unsubscribe me", "please unsubscribe", "please unsubscribe me", "stop", "please stop", "remove", "remove me", "please remove me", "opt out", "dad-danysgrifio":
		return true
	}
	return false
}

// messageID finds the Message-ID of the mail that a message is about: of the copy
// in it, else of what it answers.
func (m *inbound) messageID() string {
	for _, value := range []string{m.original.Get("Message-Id"), m.header.Get("In-Reply-To"), m.header.Get("References")} {
		for field := range strings.FieldsSeq(value) {
			if id := strings.Trim(field, "<>"); strings.Count(id, "@") == 1 && len(id) <= 200 {
				return id
			}
		}
	}
	return ""
}

// addresses reads the addresses in header fields, those of which can be read.
func addresses(values []string) (all []string) {
	for _, v := range values {
		list, err := mail.ParseAddressList(v)
		if err != nil {
			all = append(all, strings.Trim(strings.TrimSpace(v), "<>"))
			continue
		}
		for _, a := range list {
			all = append(all, a.Address)
		}
	}
	return all
}
