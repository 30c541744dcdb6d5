package deliver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// MaxEvents is the longest body that SendGrid's Event Webhook may send us.
const MaxEvents = 2 << 20

// How old and how much ahead of our clock the moment may be at which events were
// signed. SendGrid goes on trying for a day.
const (
	eventsAge   = 25 * time.Hour
	eventsAhead = 5 * time.Minute
)

// SendGridEvents reads what SendGrid's Event Webhook reports.
type SendGridEvents struct {
	keys   alerts.Keys
	public *ecdsa.PublicKey
}

// NewSendGridEvents takes the verification key that SendGrid shows for its signed
// Event Webhook: base64 of an ECDSA key on the curve P-256.
func NewSendGridEvents(key string, keys alerts.Keys) (*SendGridEvents, error) {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		return nil, errors.New("the verification key of SendGrid's Event Webhook is not base64: copy it from Mail Settings, Signed Event Webhook")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("the verification key of SendGrid's Event Webhook cannot be read: copy it from Mail Settings, Signed Event Webhook")
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("the verification key of SendGrid's Event Webhook is of another kind than SendGrid's: copy it from Mail Settings, Signed Event Webhook")
	}
	return &SendGridEvents{keys, public}, nil
}

// Read checks the signature of a request and returns the reports in it that are
// about mails of ours. alerts.ErrBadToken: SendGrid did not sign it; an
// *alerts.InvalidError: it did, but it is not what it sends, or too old.
//
// Nothing separates the timestamp from the body in what is signed, so both must be
// of the form that SendGrid gives them.
func (e *SendGridEvents) Read(signature, timestamp string, body []byte, now time.Time) ([]alerts.MailReport, error) {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || len(timestamp) != 10 || seconds < 0 || timestamp[0] == '+' {
		return nil, &alerts.InvalidError{Field: "timestamp", Problem: "The timestamp is not ten digits"}
	}
	der, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return nil, alerts.ErrBadToken
	}
	h := sha256.New()
	h.Write([]byte(timestamp))
	h.Write(body)
	if !ecdsa.VerifyASN1(e.public, h.Sum(nil), der) {
		return nil, alerts.ErrBadToken
	}
	if at := time.Unix(seconds, 0); now.Sub(at) > eventsAge || at.Sub(now) > eventsAhead {
		return nil, &alerts.InvalidError{Field: "timestamp", Problem: "These events were signed too long ago, or the clocks differ"}
	}
	var events []json.RawMessage
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, &alerts.InvalidError{Field: "body", Problem: "The body is not a JSON array"}
	}
	var reports []alerts.MailReport
	for _, raw := range events {
		var event map[string]any // exact names: an argument called "Event" is not the event
		if json.Unmarshal(raw, &event) != nil {
			continue
		}
		if r, ok := e.report(event); ok {
			reports = append(reports, r)
		}
	}
	return reports, nil
}

// report makes a report of an event; ok is false for one that is not about a mail
// of ours, or of a kind that says nothing.
func (e *SendGridEvents) report(event map[string]any) (r alerts.MailReport, ok bool) {
	text := func(name string) string { s, _ := event[name].(string); return s }
	delivery, err := e.keys.ReadDeliveryTag(text("delivery_id"))
	if err != nil {
		return r, false
	}
	r = alerts.MailReport{Source: "sendgrid", Delivery: delivery, Address: text("email"), Status: statusIn.FindString(text("status"))}
	switch text("event") {
	case "processed", "deferred":
		r.Kind = alerts.ReportAccepted
	case "delivered":
		r.Kind = alerts.ReportDelivered
	case "bounce":
		r.Kind = bounceKind(r.Status, text("reason"), text("type"), text("bounce_classification"))
	case "dropped":
		r.Kind = droppedKind(text("reason"))
	case "spamreport":
		r.Kind = alerts.ReportComplaint
	case "unsubscribe", "group_unsubscribe":
		r.Kind = alerts.ReportUnsubscribe
	default: // opens and clicks, which we do not ask for; a resubscription, for which there is no consent
		return r, false
	}
	r.Key = "sendgrid:" + text("sg_event_id")
	if id := text("sg_event_id"); id == "" || len(id) > 100 {
		r.Key = "sendgrid:" + string(r.Kind) + ":" + strconv.FormatInt(delivery, 10)
	}
	return r, true
}

func bounceKind(status, reason, kind, classification string) alerts.ReportKind {
	switch strings.ToLower(classification) {
	case "invalid address":
		return alerts.ReportHard
	case "reputation", "content", "technical failure", "technical", "frequency or volume too high":
		return alerts.ReportBlocked
	}
	if strings.EqualFold(kind, "blocked") {
		return alerts.ReportBlocked
	}
	return alerts.FailureKind(status, reason)
}

// droppedKind classes why SendGrid did not even try.
func droppedKind(reason string) alerts.ReportKind {
	reason = strings.ToLower(reason)
	switch {
	case strings.HasPrefix(reason, "bounced address"), reason == "invalid":
		return alerts.ReportHard
	case strings.HasPrefix(reason, "spam reporting address"):
		return alerts.ReportComplaint
	case strings.HasPrefix(reason, "unsubscribed address"):
		return alerts.ReportUnsubscribe
	}
	return alerts.ReportBlocked // our content, our account
}
