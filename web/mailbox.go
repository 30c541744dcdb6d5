package web

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// The captured mailbox shows mail that was kept instead of sent, for demos and
// development. It has routes only when mail is captured.

type mailboxPage struct{ Mails []alerts.Captured }

func (s *Server) mailbox(w http.ResponseWriter, r *http.Request) error {
	mails, err := s.Store.CapturedMail(r.Context(), 200)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "mailbox.html", "Captured mail", mailboxPage{mails})
}

type mailPage struct {
	alerts.Captured
	Text    string
	HasHTML bool
	Headers []fact
}

func (s *Server) captured(r *http.Request) (alerts.Captured, *message, error) {
	id, err := strconv.ParseInt(mux.Vars(r)["id"], 10, 64)
	if err != nil {
		return alerts.Captured{}, nil, alerts.ErrNotFound
	}
	c, err := s.Store.CapturedMessage(r.Context(), id)
	if err != nil {
		return c, nil, err
	}
	m, err := readMessage(c.Raw)
	if err != nil {
		return c, nil, fmt.Errorf("read captured mail %d: %w", id, err)
	}
	return c, m, nil
}

func (s *Server) mail(w http.ResponseWriter, r *http.Request) error {
	c, m, err := s.captured(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "mail.html", c.Subject, mailPage{c, m.text, m.html != "", m.headers})
}

// mailHTML is the HTML of a mail by itself, for the frame on its page: it may
// style itself and be followed, and nothing else.
func (s *Server) mailHTML(w http.ResponseWriter, r *http.Request) error {
	_, m, err := s.captured(r)
	if err != nil {
		return err
	}
	if m.html == "" {
		return alerts.ErrNotFound
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, err = io.WriteString(w, m.framed())
	return err
}

func (s *Server) mailRaw(w http.ResponseWriter, r *http.Request) error {
	c, _, err := s.captured(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(c.Raw)
	return err
}

// A message is a mail taken apart.
type message struct {
	headers    []fact
	text, html string
	inline     map[string]string // Content-ID → data: address
}

func readMessage(raw []byte) (*message, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	out := &message{inline: map[string]string{}}
	words := new(mime.WordDecoder)
	for name, values := range m.Header {
		for _, v := range values {
			if decoded, err := words.DecodeHeader(v); err == nil {
				v = decoded
			}
			out.headers = append(out.headers, fact{name, v})
		}
	}
	slices.SortFunc(out.headers, func(a, b fact) int { return strings.Compare(a.Name, b.Name) })
	return out, out.part(textproto.MIMEHeader(m.Header), m.Body, 0)
}

func (m *message) part(h textproto.MIMEHeader, body io.Reader, depth int) error {
	if depth > 5 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.part(p.Header, p, depth+1); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch {
	case kind == "text/plain" && m.text == "":
		m.text = string(b)
	case kind == "text/html" && m.html == "":
		m.html = string(b)
	case strings.HasPrefix(kind, "image/"):
		m.inline[strings.Trim(h.Get("Content-Id"), "<>")] = "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(b)
	}
	return nil
}

// framed is the HTML with its pictures in place and its links leading out of the
// frame.
func (m *message) framed() string {
	html := m.html
	for id, data := range m.inline {
		if id != "" {
			html = strings.ReplaceAll(html, "cid:"+id, data)
		}
	}
	const target = `<base target="_top">`
	if i := strings.Index(strings.ToLower(html), "<head>"); i >= 0 {
		return html[:i+6] + target + html[i+6:]
	}
	return target + html
}
