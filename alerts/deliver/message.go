package deliver

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/sitenotice/sitenotice/alerts"
)

// message writes a delivery as RFC 5322: the text part first, then the HTML one,
// both quoted-printable, so that no line is too long for any server. Pictures go with
// the HTML, which shows them by their Content-ID.
func message(d alerts.Delivery, from *mail.Address, at time.Time) ([]byte, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(from)
	m.ToMailAddress(&mail.Address{Address: d.Address})
	m.Subject(d.Subject)
	m.SetDateWithValue(at)
	m.SetMessageIDWithValue(d.MessageID)
	for _, h := range d.Headers {
		if isASCII(h.Value) && len(h.Value) <= 900 {
			// As it stands: an encoded word or a fold within <https://…> would break the link.
			m.SetGenHeaderPreformatted(gomail.Header(h.Name), h.Value)
		} else {
			m.SetGenHeader(gomail.Header(h.Name), h.Value)
		}
	}
	m.SetBodyString(gomail.TypeTextPlain, d.Text)
	if d.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, d.HTML)
	}
	size := len(d.Text) + len(d.HTML)*5/4 + 2048
	for _, f := range d.Inline {
		size += len(f.Data)*3/2 + 300
		m.EmbedReadSeeker(f.Name, bytes.NewReader(f.Data), gomail.WithFileContentID("<"+f.ID+">"), gomail.WithFileContentType(gomail.ContentType(f.Type)))
	}
	var b bytes.Buffer
	b.Grow(size)
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write the message: %w", err)
	}
	return b.Bytes(), nil
}

// parseFrom reads the address that mail comes from.
func parseFrom(from string) (*mail.Address, error) {
	a, err := mail.ParseAddress(from)
	if err != nil || !isASCII(a.Address) || !oneLine(a.Name) {
		return nil, fmt.Errorf("the From address %q is not one like Sitenotice <alerts@example.org>", from)
	}
	return a, nil
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

// ours are the headers that only this package sets.
var ours = []string{"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding",
	"received", "return-path", "dkim-signature", "x-mailer", "user-agent"}

// check refuses what could make a header that nobody meant to write. What it
// refuses will never become better.
func check(d alerts.Delivery) error {
	if a, err := mail.ParseAddress(d.Address); err != nil || a.Name != "" || a.Address != d.Address || !isASCII(d.Address) || strings.ContainsAny(d.Address, " \t<>\"(),:;") {
		return errors.New("the recipient's address is not one that can be written to")
	}
	if !oneLine(d.Subject) {
		return errors.New("the subject is more than one printable line")
	}
	if d.MessageID == "" || !isASCII(d.MessageID) || !oneLine(d.MessageID) || strings.ContainsAny(d.MessageID, " <>") || strings.Count(d.MessageID, "@") != 1 {
		return errors.New("the Message-ID is not of the form part@host")
	}
	seen := map[string]bool{}
	for _, h := range d.Headers {
		name := strings.ToLower(h.Name)
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
			return errors.New("a header has no proper name")
		}
		if slices.Contains(ours, name) || seen[name] {
			return fmt.Errorf("the header %s may not be set, or not twice", h.Name)
		}
		seen[name] = true
		if !oneLine(h.Value) {
			return fmt.Errorf("the header %s is more than one printable line", h.Name)
		}
	}
	if d.Text == "" {
		return errors.New("the message has no text part")
	}
	for _, f := range d.Inline {
		if !inlineID.MatchString(f.ID) || !inlineName.MatchString(f.Name) || !strings.HasPrefix(f.Type, "image/") || !inlineName.MatchString(strings.TrimPrefix(f.Type, "image/")) {
			return errors.New("a picture has no proper name")
		}
	}
	return nil
}

// What a picture within a message may be called.
var (
	inlineID   = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$`)
	inlineName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// oneLine reports whether s is valid UTF-8 without control characters and line
// separators.
func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029'
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// addressLike finds e-mail addresses, which servers like to repeat.
var addressLike = regexp.MustCompile(`[^\s<>"'(),;:=]+@[^\s<>"'(),;:]+`)

// detail makes one line of at most 500 characters of what the other side said,
// without the addresses in it.
func detail(s string) string {
	s = addressLike.ReplaceAllString(strings.ToValidUTF8(s, ""), "(address)")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f && r <= 0x9f }), " ")
	if r := []rune(s); len(r) > 500 {
		s = string(r[:500])
	}
	return s
}
