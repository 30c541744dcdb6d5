package deliver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/mail"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	sgmail "github.com/sendgrid/sendgrid-go/helpers/mail"

	"github.com/sitenotice/sitenotice/alerts"
)

// SendGrid is a sender that hands mail to SendGrid's API.
type SendGrid struct {
	Now func() time.Time // to read how long we are asked to wait; nil for time.Now

	keys      alerts.Keys
	key, base string
	from      *mail.Address
	http      *http.Client
}

// NewSendGrid returns a sender for the API at base, which is https://api.sendgrid.com
// when empty. keys name deliveries to SendGrid, whose events name them to us.
func NewSendGrid(key, base, from string, keys alerts.Keys) (*SendGrid, error) {
	sender, err := parseFrom(from)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(key) == "" || !oneLine(key) {
		return nil, errors.New("SendGrid needs a key: set SITENOTICE_SENDGRID_KEY")
	}
	if base == "" {
		base = "https://api.sendgrid.com"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &SendGrid{keys: keys, key: key, base: strings.TrimRight(base, "/"), from: sender, http: &http.Client{
		Transport:     transport,
		Timeout:       time.Minute, // above any deadline of a context
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes the idle connections. The sender can be used again afterwards.
func (s *SendGrid) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// unknownWait is how long to wait before sending again what may have been accepted.
const unknownWait = 10 * time.Minute

// Send makes one call of the mail API. There is one client per message: the
// library's keeps the body of a request in itself.
func (s *SendGrid) Send(ctx context.Context, d alerts.Delivery) alerts.Outcome {
	if err := check(d); err != nil {
		return alerts.Outcome{Class: alerts.Permanent, Detail: detail(err.Error())}
	}
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) { written.Store(info.Err == nil) }})
	request := sendgrid.GetRequest(s.key, "/v3/mail/send", s.base)
	request.Method = rest.Post
	request.Body = sgmail.GetRequestBody(s.mail(d))
	client := rest.Client{HTTPClient: s.http}
	response, err := client.SendWithContext(ctx, request)
	switch {
	case err == nil:
		return answered(response, clock(s.Now))
	case written.Load(): // there is no telling; the Message-ID stays the same
		return alerts.Outcome{Class: alerts.Temporary, Detail: detail("no answer: " + err.Error()), RetryAfter: unknownWait}
	case ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return alerts.Outcome{Class: alerts.SenderDown, Detail: "the service did not take the request in time"}
	}
	return alerts.Outcome{Class: alerts.SenderDown, Detail: detail("connect: " + err.Error())}
}

// mail is a delivery as the API wants it. Every kind of tracking is turned off in
// so many words: left out, it would follow the account's setting.
func (s *SendGrid) mail(d alerts.Delivery) *sgmail.SGMailV3 {
	m := sgmail.NewV3MailInit(sgmail.NewEmail(s.from.Name, s.from.Address), d.Subject, sgmail.NewEmail("", d.Address), sgmail.NewContent("text/plain", d.Text))
	if d.HTML != "" {
		m.AddContent(sgmail.NewContent("text/html", d.HTML))
	}
	for _, f := range d.Inline {
		m.AddAttachment(sgmail.NewAttachment().SetContent(base64.StdEncoding.EncodeToString(f.Data)).SetType(f.Type).SetFilename(f.Name).SetDisposition("inline").SetContentID(f.ID))
	}
	m.SetHeader("Message-ID", "<"+d.MessageID+">")
	for _, h := range d.Headers {
		if !strings.EqualFold(h.Name, "Reply-To") {
			m.SetHeader(h.Name, h.Value)
		} else if a, err := mail.ParseAddress(h.Value); err == nil {
			m.SetReplyTo(sgmail.NewEmail(a.Name, a.Address))
		}
	}
	m.SetCustomArg("delivery_id", s.keys.DeliveryTag(d.ID))
	m.SetTrackingSettings(sgmail.NewTrackingSettings().
		SetClickTracking(sgmail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false)).
		SetOpenTracking(sgmail.NewOpenTrackingSetting().SetEnable(false)).
		SetSubscriptionTracking(sgmail.NewSubscriptionTrackingSetting().SetEnable(false)).
		SetGoogleAnalytics(sgmail.NewGaSetting().SetEnable(false)))
	return m
}

// answered classes the service's answer.
func answered(r *rest.Response, now time.Time) alerts.Outcome {
	o := alerts.Outcome{Detail: detail(fmt.Sprintf("%d %s", r.StatusCode, problems(r.Body)))}
	switch code := r.StatusCode; {
	case code == 202 || code == 200: // 200 is the sandbox's
	case code == 401 || code == 403 || code == 404 || code == 405 || code >= 300 && code < 400:
		o.Class = alerts.SenderDown // the key or the address of the service is wrong
	case code == 429 || code == 408 || code >= 500:
		o.Class, o.RetryAfter = alerts.Temporary, retryAfter(http.Header(r.Headers), now)
	default:
		o.Class = alerts.Permanent
	}
	return o
}

// problems picks the words out of an error answer.
func problems(body string) string {
	var answer struct {
		Errors []struct{ Message, Field string }
	}
	if json.Unmarshal([]byte(body), &answer) != nil {
		return ""
	}
	var all []string
	for _, e := range answer.Errors {
		all = append(all, strings.TrimSpace(e.Message+" "+e.Field))
	}
	return strings.Join(all, "; ")
}

// retryAfter reads how long we are asked to wait: Retry-After in seconds or as a
// date, or the moment at which SendGrid's limit starts afresh.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && n < 1e9 {
			return time.Duration(n * float64(time.Second))
		}
		if at, err := http.ParseTime(v); err == nil {
			return max(at.Sub(now), 0)
		}
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Reset")), 10, 64); err == nil && n > 0 && n < 1e11 {
		return max(time.Unix(n, 0).Sub(now), 0)
	}
	return 0
}
