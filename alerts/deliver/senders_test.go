package deliver_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
)

const from = "Sitenotice <alerts@example.org>"

// aMail is a digest as compose writes it.
func aMail() alerts.Delivery {
	return alerts.Delivery{ID: 7, Kind: alerts.DeliveryAlert, Address: "pat@example.net", MessageID: "abc123@alerts.example.org",
		Subject: "2 applications near NW1 8NH – comment by 12 Dec", Text: "A café\n" + strings.Repeat("x", 2000) + "\n.\nThe end\n", HTML: "<p>A café</p>" + strings.Repeat("y", 2000),
		Headers: []alerts.Header{{Name: "List-Unsubscribe", Value: "<https://alerts.example.org/u/" + strings.Repeat("a", 120) + ">"}, {Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"},
			{Name: "List-Id", Value: "<daily.alerts.example.org>"}, {Name: "Auto-Submitted", Value: "auto-generated"}}}
}

func smtpSender(t testing.TB, r *delivertest.Relay) *deliver.SMTP {
	t.Helper()
	s, err := deliver.NewSMTP(r.URL(), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	d := aMail()
	if o := smtpSender(t, relay).Send(within(t, 10*time.Second), d); o.Class != alerts.Accepted {
		t.Fatalf("%+v", o)
	}
	m := relay.Accepted()[0]
	if m.From != "alerts@example.org" || m.To != d.Address {
		t.Errorf("envelope %s to %s", m.From, m.To)
	}
	for i, line := range strings.Split(m.Raw, "\r\n") {
		if len(line) > 998 {
			t.Errorf("line %d has %d characters", i+1, len(line))
		}
	}
	if !strings.Contains(m.Raw, "List-Unsubscribe: "+d.Headers[0].Value+"\r\n") {
		t.Error("the link to unsubscribe was folded or encoded")
	}
	parsed, err := mail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil || subject != d.Subject {
		t.Errorf("subject %q (%v)", subject, err)
	}
	for name, want := range map[string]string{"Message-Id": "<abc123@alerts.example.org>", "To": "<pat@example.net>", "List-Id": "<daily.alerts.example.org>", "X-Mailer": "", "User-Agent": ""} {
		if got := parsed.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s (%v)", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, parameters["boundary"])
	for _, want := range []struct{ kind, body string }{{"text/plain", d.Text}, {"text/html", d.HTML}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || !strings.HasPrefix(part.Header.Get("Content-Type"), want.kind) || strings.ReplaceAll(string(body), "\r\n", "\n") != want.body {
			t.Errorf("%s is %q (%v)", part.Header.Get("Content-Type"), body, err)
		}
	}
}

// withPicture is a mail whose HTML shows a picture that goes with it.
func withPicture() alerts.Delivery {
	d := aMail()
	d.HTML = `<p><img src="cid:where1.abc123@alerts.example.org" alt="Sketch"></p>`
	d.Inline = []alerts.Inline{{ID: "where1.abc123@alerts.example.org", Name: "where-1.png", Type: "image/png", Data: []byte("\x89PNG\r\n\x1a\n and so on")}}
	return d
}

func TestAPictureArrivesWithTheHTMLThatShowsIt(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	d := withPicture()
	if o := smtpSender(t, relay).Send(within(t, 10*time.Second), d); o.Class != alerts.Accepted {
		t.Fatalf("%+v", o)
	}
	parsed, err := mail.ReadMessage(strings.NewReader(relay.Accepted()[0].Raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" {
		t.Fatalf("%s (%v)", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, parameters["boundary"])
	body, err := parts.NextPart()
	if err != nil || !strings.HasPrefix(body.Header.Get("Content-Type"), "multipart/alternative") {
		t.Fatalf("%v (%v)", body, err)
	}
	picture, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, picture))
	if err != nil || string(data) != string(d.Inline[0].Data) {
		t.Errorf("%q (%v)", data, err)
	}
	for name, want := range map[string]string{"Content-Id": "<where1.abc123@alerts.example.org>", "Content-Type": "image/png", "Content-Disposition": "inline"} {
		if got := picture.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, bad := range []alerts.Inline{{ID: "a@b>\r\nX: y", Name: "a.png", Type: "image/png"}, {ID: "a@b", Name: "a\".png", Type: "image/png"}, {ID: "a@b", Name: "a.html", Type: "text/html"}} {
		d.Inline = []alerts.Inline{bad}
		if o := smtpSender(t, relay).Send(within(t, 10*time.Second), d); o.Class != alerts.Permanent {
			t.Errorf("%+v was sent: %+v", bad, o)
		}
	}
}

func answer(code int, enhanced [3]int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// What a relay answers decides what follows; and whatever it answers, the next
// message goes through.
func TestARelaysAnswersAreClassed(t *testing.T) {
	for _, c := range []struct {
		name  string
		relay *delivertest.Relay
		class alerts.FailureClass
	}{
		{"no such mailbox", &delivertest.Relay{OnRcpt: first(answer(550, [3]int{5, 1, 1}, "no such user pat@example.net"))}, alerts.DeadAddress},
		{"policy", &delivertest.Relay{OnRcpt: first(answer(550, [3]int{5, 7, 1}, "rejected by policy"))}, alerts.Permanent},
		{"mailbox full", &delivertest.Relay{OnRcpt: first(answer(452, [3]int{4, 2, 2}, "mailbox full"))}, alerts.Temporary},
		{"greylisted", &delivertest.Relay{OnRcpt: first(answer(451, [3]int{4, 7, 1}, "greylisted"))}, alerts.Temporary},
		{"going away", &delivertest.Relay{OnRcpt: first(answer(421, [3]int{4, 3, 2}, "shutting down"))}, alerts.SenderDown},
		{"we may not relay", &delivertest.Relay{OnRcpt: first(answer(554, [3]int{5, 7, 1}, "relay access denied"))}, alerts.SenderDown},
		{"our address is refused", &delivertest.Relay{OnMail: first(answer(553, [3]int{5, 1, 8}, "sender refused"))}, alerts.SenderDown},
		{"spam", &delivertest.Relay{OnData: firstMessage(answer(554, [3]int{5, 7, 1}, "looks like spam"))}, alerts.Permanent},
		{"busy after the data", &delivertest.Relay{OnData: firstMessage(answer(451, [3]int{4, 3, 0}, "try again"))}, alerts.Temporary},
		{"hung up after the data", &delivertest.Relay{OnData: firstMessage(delivertest.ErrHangUp)}, alerts.Temporary},
		{"accepted and hung up", &delivertest.Relay{OnData: firstMessage(delivertest.ErrAcceptAndHangUp)}, alerts.Temporary},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.relay.Start(t)
			s := smtpSender(t, c.relay)
			o := s.Send(within(t, 10*time.Second), aMail())
			if o.Class != c.class || o.Detail == "" || strings.Contains(o.Detail, "pat@") {
				t.Errorf("%+v, want %s", o, c.class)
			}
			if o := s.Send(within(t, 10*time.Second), aMail()); o.Class != alerts.Accepted {
				t.Errorf("the next message: %+v", o)
			}
		})
	}
}

// first answers the first call with err and the others well.
func first(err error) func(string) error {
	var once sync.Once
	return func(string) (answer error) {
		once.Do(func() { answer = err })
		return answer
	}
}

func firstMessage(err error) func(delivertest.Message) error {
	f := first(err)
	return func(delivertest.Message) error { return f("") }
}

func TestARelayThatDoesNotLetUsInRestsTheSender(t *testing.T) {
	t.Run("wrong password", func(t *testing.T) {
		relay := &delivertest.Relay{Password: "right"}
		relay.Start(t)
		s, err := deliver.NewSMTP("smtp://sitenotice:wrong@"+relay.Address(), from)
		if err != nil {
			t.Fatal(err)
		}
		if o := s.Send(within(t, 10*time.Second), aMail()); o.Class != alerts.SenderDown || strings.Contains(o.Detail, "wrong") {
			t.Errorf("%+v", o)
		}
		if o := smtpSender(t, relay).Send(within(t, 10*time.Second), aMail()); o.Class != alerts.Accepted {
			t.Errorf("with the right password: %+v", o)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		relay := &delivertest.Relay{}
		relay.Start(t)
		relay.Stop()
		s := smtpSender(t, relay)
		if o := s.Send(within(t, 10*time.Second), aMail()); o.Class != alerts.SenderDown {
			t.Errorf("%+v", o)
		}
		relay.Restart(t)
		if o := s.Send(within(t, 10*time.Second), aMail()); o.Class != alerts.Accepted {
			t.Errorf("when it is back: %+v", o)
		}
	})
	t.Run("it was restarted while a connection was idle", func(t *testing.T) {
		relay := &delivertest.Relay{}
		relay.Start(t)
		s := smtpSender(t, relay)
		for range 2 {
			if o := s.Send(within(t, 10*time.Second), aMail()); o.Class != alerts.Accepted {
				t.Fatalf("%+v", o)
			}
			relay.Stop()
			relay.Restart(t)
		}
	})
	t.Run("it is too slow", func(t *testing.T) {
		release := make(chan struct{})
		relay := &delivertest.Relay{OnData: func(delivertest.Message) error { <-release; return nil }}
		relay.Start(t)
		defer close(release)
		if o := smtpSender(t, relay).Send(within(t, 300*time.Millisecond), aMail()); o.Class != alerts.Temporary {
			t.Errorf("%+v", o)
		}
	})
}

func TestWhatWouldForgeAHeaderIsNeverSent(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	s := smtpSender(t, relay)
	for name, spoil := range map[string]func(*alerts.Delivery){
		"subject":       func(d *alerts.Delivery) { d.Subject = "a\r\nBcc: x@example.org" },
		"address":       func(d *alerts.Delivery) { d.Address = "a@example.org\r\nRCPT TO:<b@example.org>" },
		"two addresses": func(d *alerts.Delivery) { d.Address = "a@example.org, b@example.org" },
		"message id":    func(d *alerts.Delivery) { d.MessageID = "a@b>\r\nX: y" },
		"header value":  func(d *alerts.Delivery) { d.Headers[0].Value = "a\nX: y" },
		"header name":   func(d *alerts.Delivery) { d.Headers[0].Name = "X: y\r\nZ" },
		"From":          func(d *alerts.Delivery) { d.Headers[0].Name = "From" },
	} {
		d := aMail()
		spoil(&d)
		if o := s.Send(within(t, 10*time.Second), d); o.Class != alerts.Permanent {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if n := len(relay.Accepted()); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

func TestTheSendersAddressesAreChecked(t *testing.T) {
	for _, bad := range []string{"", "example.org", "http://example.org", "smtp://", "smtp://host:0", "smtp://host/path", "smtp://u:p%@host"} {
		if _, err := deliver.NewSMTP(bad, from); err == nil {
			t.Errorf("%q is taken for a relay", bad)
		}
	}
	if _, err := deliver.NewSMTP("smtp://host", "nobody"); err == nil {
		t.Error("mail may come from nobody")
	}
	if _, err := deliver.NewSendGrid("", "", from, testKeys); err == nil {
		t.Error("SendGrid without a key")
	}
}

func TestSendGridGetsTheMessageAndItsAnswersAreClassed(t *testing.T) {
	var mu sync.Mutex
	var got map[string]any
	code, header, body := 202, http.Header{}, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/v3/mail/send" || r.Header.Get("Authorization") != "Bearer KEY" {
			t.Errorf("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		got = nil
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}))
	defer server.Close()
	s, err := deliver.NewSendGrid("KEY", server.URL, from, testKeys)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := aMail()
	if o := s.Send(within(t, 10*time.Second), d); o.Class != alerts.Accepted {
		t.Fatalf("%+v", o)
	}
	headers := got["headers"].(map[string]any)
	for name, want := range map[string]string{"Message-ID": "<" + d.MessageID + ">", "List-Unsubscribe": d.Headers[0].Value, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} {
		if headers[name] != want {
			t.Errorf("%s: %v, want %s", name, headers[name], want)
		}
	}
	tracking := fmt.Sprint(got["tracking_settings"])
	if strings.Contains(tracking, "true") || strings.Count(tracking, "enable:false") < 4 {
		t.Errorf("something is tracked: %s", tracking)
	}
	if content := got["content"].([]any); content[0].(map[string]any)["type"] != "text/plain" || content[0].(map[string]any)["value"] != d.Text {
		t.Errorf("content %v", content)
	}
	if o := s.Send(within(t, 10*time.Second), withPicture()); o.Class != alerts.Accepted {
		t.Fatalf("%+v", o)
	}
	if a := fmt.Sprint(got["attachments"]); !strings.Contains(a, "content_id:where1.abc123@alerts.example.org") || !strings.Contains(a, "disposition:inline") || !strings.Contains(a, "type:image/png") || !strings.Contains(a, "filename:where-1.png") {
		t.Errorf("attachments %s", a)
	}
	for _, c := range []struct {
		code  int
		class alerts.FailureClass
	}{{400, alerts.Permanent}, {401, alerts.SenderDown}, {403, alerts.SenderDown}, {413, alerts.Permanent}, {429, alerts.Temporary}, {500, alerts.Temporary}, {503, alerts.Temporary}, {302, alerts.SenderDown}} {
		mu.Lock()
		code, header, body = c.code, http.Header{"Retry-After": {"120"}, "Location": {"https://elsewhere.example"}}, `{"errors":[{"message":"does not like pat@example.net","field":"to"}]}`
		mu.Unlock()
		o := s.Send(within(t, 10*time.Second), d)
		if o.Class != c.class || strings.Contains(o.Detail, "pat@") {
			t.Errorf("%d: %+v, want %s", c.code, o, c.class)
		}
		if c.code == 429 && o.RetryAfter != 2*time.Minute {
			t.Errorf("asked to wait two minutes, waits %v", o.RetryAfter)
		}
	}
	server.Close()
	if o := s.Send(within(t, 10*time.Second), d); o.Class != alerts.SenderDown {
		t.Errorf("nobody there: %+v", o)
	}
}

func TestOutsideProductionOnlyTheListIsWrittenTo(t *testing.T) {
	relay := &delivertest.Relay{}
	relay.Start(t)
	box := mailbox{}
	s := &deliver.AllowOnly{Addresses: []string{"Pat@example.net"}, Sender: smtpSender(t, relay), Otherwise: &deliver.Capture{Store: &box, From: from}}
	for _, to := range []string{"pat@example.net", "resident@example.com"} {
		d := aMail()
		d.Address = to
		if o := s.Send(within(t, 10*time.Second), d); o.Class != alerts.Accepted {
			t.Errorf("%s: %+v", to, o)
		}
	}
	if sent := relay.Accepted(); len(sent) != 1 || sent[0].To != "pat@example.net" {
		t.Errorf("sent %v", sent)
	}
	if len(box.kept) != 1 || box.kept[0] != "resident@example.com" {
		t.Errorf("kept %v", box.kept)
	}
}

type mailbox struct{ kept []string }

func (b *mailbox) Capture(_ context.Context, m alerts.Captured, _ string) error {
	b.kept = append(b.kept, m.Address)
	return nil
}
