package deliver_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
)

// answering is a client's other side that always gives one answer.
type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// A webhook's receiver may answer anything. What is kept of it is short, inert text;
// only 200 to 299 is accepted, and of a ping only what repeats its challenge; nobody
// can have us wait for more than a day.
func FuzzHookAnswer(f *testing.F) {
	const challenge = "ABCD1234"
	for _, body := range []string{"", challenge, ` {"challenge":"ABCD1234"}`, `{"challenge":5}`, "no\x1b[31m\u202e\xff", strings.Repeat("é", alerts.MaxAnswer), strings.Repeat("\xff", alerts.MaxAnswer+5)} {
		for _, wait := range []string{"", "120", "1e9", "0.5", "-1", "99999999999999999999", "...", "Wed, 25 Nov 2026 15:00:00 GMT", "Wed, 25 Nov 1026 15:00:00 GMT"} {
			f.Add(body, 200, wait, true)
			f.Add(body, 503, wait, false)
		}
	}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	endpoint := &alerts.Endpoint{Address: testKeys.SealSecret("https://hooks.example.org/"), Format: alerts.FormatStandard, Challenge: challenge, Secrets: []alerts.EndpointSecret{{Sealed: testKeys.SealSecret(alerts.NewHookSecret())}}}
	f.Fuzz(func(t *testing.T, body string, status int, wait string, ping bool) {
		w := &deliver.Webhook{Keys: testKeys, UserAgent: "Sitenotice", Client: &http.Client{Transport: answering(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {wait}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
		}), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
		d := alerts.HookDelivery{MessageID: "msg_1", Type: "application.received", Body: []byte("{}")}
		if ping {
			d.Type = alerts.HookPing
		}
		o := w.Send(t.Context(), endpoint, d, now)
		if !utf8.ValidString(o.Answer) || len(o.Answer) > alerts.MaxAnswer || strings.ContainsAny(o.Answer, "\x00\x1b\r\u202e") {
			t.Errorf("%q is kept as %q", body, o.Answer)
		}
		if o.RetryAfter < 0 || o.RetryAfter > 24*time.Hour {
			t.Errorf("%q has us wait for %s", wait, o.RetryAfter)
		}
		repeats := strings.Contains(body, challenge) || strings.Contains(body, `\u`) // JSON may write a letter so
		if accepted := o.Class == alerts.HookAccepted; accepted && (status < 200 || status > 299 || ping && !repeats) || !accepted && o.Detail == "" {
			t.Errorf("%d %q: %+v", status, body, o)
		}
	})
}

// Whatever SendGrid signs, what is reported is about a mail of ours.
func FuzzSendGridEvents(f *testing.F) {
	e := testEvents(f)
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	stamp := strconv.FormatInt(now.Unix(), 10)
	ours := testKeys.DeliveryTag(17)
	for _, body := range []string{`[{"event":"bounce","sg_event_id":"e","delivery_id":"` + ours + `","email":"pat@example.org","status":"5.1.1","reason":"no such user","type":"bounce"}]`,
		`[{"event":"dropped","delivery_id":"` + ours + `","reason":"Bounced Address"},{"event":5},null,[],"x"]`, `[{"event":"delivered","delivery_id":"` + ours[1:] + `"}]`, `{}`, `[`, ``} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		reports, err := e.Read(signEvents(t, stamp, body), stamp, body, now)
		if err != nil && (err.Error() == "" || len(reports) > 0) {
			t.Errorf("%v, with %d reports", err, len(reports))
		}
		for _, r := range reports {
			if r.Delivery != 17 || r.Kind == "" || r.Key == "" || len(r.Key) > 200 {
				t.Errorf("%q: %+v", body, r)
			}
		}
	})
}
