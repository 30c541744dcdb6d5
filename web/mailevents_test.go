package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

// A mail service is answered so that it goes on trying only if that may help.
func TestTheMailServiceIsAnswered(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.post("/mail/sendgrid/events"), http.StatusNotFound)
		var answer error
		var got string
		s.server.MailEvents = func(_ context.Context, signature, timestamp string, body []byte) error {
			got = signature + " " + timestamp + " " + string(body)
			return answer
		}
		s.server.AnyHost = true
		front := httptest.NewServer(s.server.Handler())
		defer front.Close()
		send := func(method, body string) (int, string) {
			r, err := http.NewRequest(method, front.URL+"/mail/sendgrid/events", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", "sig")
			r.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", "1600112502")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(text)
		}
		body := "[" + strings.Repeat(" ", 1<<20) + "]\r\n"
		for _, c := range []struct {
			err  error
			want int
		}{{nil, 204}, {alerts.ErrBadToken, 403}, {&alerts.InvalidError{Problem: "No"}, 400}, {errors.New("the socket broke"), 500}} {
			answer = c.err
			code, text := send(http.MethodPost, body)
			if code != c.want || got != "sig 1600112502 "+body || strings.Contains(text, "socket") {
				t.Errorf("%v is answered %d %q", c.err, code, text)
			}
		}
		if code, _ := send(http.MethodPost, strings.Repeat("x", 3<<20)); code != http.StatusRequestEntityTooLarge {
			t.Errorf("3 MB: %d", code)
		}
		if code, _ := send(http.MethodGet, ""); code != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", code)
		}
	})
}
