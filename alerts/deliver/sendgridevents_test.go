package deliver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
)

// eventsKey signs events as SendGrid would.
var eventsKey = func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

func publicKey(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func testEvents(t testing.TB) *deliver.SendGridEvents {
	t.Helper()
	e, err := deliver.NewSendGridEvents(publicKey(t, &eventsKey.PublicKey), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func signEvents(t testing.TB, timestamp string, body []byte) string {
	t.Helper()
	sum := sha256.Sum256(append([]byte(timestamp), body...))
	der, err := ecdsa.SignASN1(rand.Reader, eventsKey, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

var eventsAt = time.Unix(1777960800, 0)

func readEvents(t testing.TB, body []byte) []alerts.MailReport {
	t.Helper()
	at := strconv.FormatInt(eventsAt.Unix(), 10)
	reports, err := testEvents(t).Read(signEvents(t, at, body), at, body, eventsAt)
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func sharedJSON(t testing.TB, v any, elements ...string) {
	t.Helper()
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		t.Skip("SITENOTICE_SHARED is not set")
	}
	b, err := os.ReadFile(filepath.Join(append([]string{shared}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func TestSendGridsOwnVectorVerifies(t *testing.T) {
	var v struct {
		PublicKey string `json:"public_key"`
		Signature string
		Timestamp string
		Payload   []byte `json:"payload_b64"`
	}
	sharedJSON(t, &v, "delivery", "vectors", "sendgrid-eventwebhook.json")
	e, err := deliver.NewSendGridEvents(v.PublicKey, testKeys)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := strconv.ParseInt(v.Timestamp, 10, 64)
	now := time.Unix(at, 0)
	if _, err := e.Read(v.Signature, v.Timestamp, v.Payload, now); err != nil {
		t.Errorf("the vector: %v", err)
	}
	der, _ := base64.StdEncoding.DecodeString(v.Signature)
	body := string(v.Payload)
	forged, invalid := alerts.ErrBadToken, &alerts.InvalidError{}
	for name, c := range map[string]struct {
		signature, timestamp, body string
		now                        time.Time
		want                       error
	}{
		"the body trimmed":                 {v.Signature, v.Timestamp, strings.TrimSpace(body), now, forged},
		"a byte changed":                   {v.Signature, v.Timestamp, strings.Replace(body, "dropped", "Dropped", 1), now, forged},
		"a digit moved into the body":      {v.Signature, v.Timestamp[:9], v.Timestamp[9:] + body, now, invalid},
		"a digit moved into the timestamp": {v.Signature, v.Timestamp + body[:1], body[1:], now, invalid},
		"bytes after the signature":        {base64.StdEncoding.EncodeToString(append(der, 0)), v.Timestamp, body, now, forged},
		"no signature":                     {"", v.Timestamp, body, now, forged},
		"another timestamp":                {v.Signature, "1600112503", body, now, forged},
		"a sign before the timestamp":      {v.Signature, "+600112502", body, now, invalid},
		"24 hours later":                   {v.Signature, v.Timestamp, body, now.Add(24 * time.Hour), nil},
		"26 hours later":                   {v.Signature, v.Timestamp, body, now.Add(26 * time.Hour), invalid},
		"an hour before":                   {v.Signature, v.Timestamp, body, now.Add(-time.Hour), invalid},
	} {
		_, err := e.Read(c.signature, c.timestamp, []byte(c.body), c.now)
		var fault *alerts.InvalidError
		if c.want == error(invalid) && !errors.As(err, &fault) || c.want != error(invalid) && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeyOfAnotherKindIsRefusedAtTheStart(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"RSA": publicKey(t, &key.PublicKey), "P-384": publicKey(t, &other.PublicKey), "no base64": "§", "no key": "AAAA", "empty": ""} {
		if _, err := deliver.NewSendGridEvents(key, testKeys); err == nil || !strings.Contains(err.Error(), "Signed Event Webhook") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEachKindOfEventIsUnderstood(t *testing.T) {
	var corpus struct{ Events, Variants []map[string]any }
	sharedJSON(t, &corpus, "delivery", "corpora", "sendgrid_events.json")
	wants := map[string]alerts.ReportKind{"processed": alerts.ReportAccepted, "deferred": alerts.ReportAccepted, "delivered": alerts.ReportDelivered, "spamreport": alerts.ReportComplaint,
		"unsubscribe": alerts.ReportUnsubscribe, "group_unsubscribe": alerts.ReportUnsubscribe}
	for _, event := range corpus.Events {
		want := wants[event["event"].(string)]
		switch {
		case event["event"] == "bounce" && event["type"] == "blocked":
			want = alerts.ReportBlocked
		case event["event"] == "bounce":
			want = alerts.ReportHard // "Invalid Address"
		case event["event"] == "dropped" && event["reason"] == "Unsubscribed Address":
			want = alerts.ReportUnsubscribe
		case event["event"] == "dropped":
			want = alerts.ReportComplaint
		}
		for i, variant := range append(corpus.Variants, map[string]any{}) {
			e := maps.Clone(event)
			maps.Copy(e, variant)
			want := want
			if variant["event"] != nil { // the variant is another event
				want = alerts.ReportHard
			}
			if body, _ := json.Marshal([]any{e}); len(readEvents(t, body)) != 0 {
				t.Errorf("%v of a mail that is not ours is reported", e["event"])
			}
			e["delivery_id"] = testKeys.DeliveryTag(7)
			body, _ := json.Marshal([]any{e})
			reports := readEvents(t, body)
			if want == "" && len(reports) == 0 {
				continue
			}
			if len(reports) != 1 || reports[0].Kind != want || reports[0].Delivery != 7 || reports[0].Key != "sendgrid:"+e["sg_event_id"].(string) {
				t.Errorf("%v %v, variant %d: %+v, want %q", e["event"], e["reason"], i, reports, want)
			}
		}
	}
}

func TestAnArgumentCannotPassForAnEvent(t *testing.T) {
	body := fmt.Sprintf(`[{"event":"delivered","Event":"spamreport","EVENT":"spamreport","Email":"x@example.org","delivery_id":%q,"sg_event_id":"a"}, 7, null, "x", {"event":["bounce"],"delivery_id":%q}]`,
		testKeys.DeliveryTag(7), testKeys.DeliveryTag(8))
	if got := readEvents(t, []byte(body)); len(got) != 1 || got[0].Kind != alerts.ReportDelivered {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{`{}`, `"x"`, ``, `[`, `[]x`} {
		at := strconv.FormatInt(eventsAt.Unix(), 10)
		var invalid *alerts.InvalidError
		if _, err := testEvents(t).Read(signEvents(t, at, []byte(bad)), at, []byte(bad), eventsAt); !errors.As(err, &invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Events come late, several times and in any order.
func TestEventsEndWhatTheyMustOnce(t *testing.T) {
	event := func(kind, id string, delivery int64, more string) string {
		return fmt.Sprintf(`{"event":%q,"sg_event_id":%q,"delivery_id":%q%s}`, kind, id, testKeys.DeliveryTag(delivery), more)
	}
	for _, c := range []struct {
		name   string
		events func(id int64) string
		fate   string
		state  alerts.RecipientState
	}{
		{"delivered", func(id int64) string { return event("delivered", "1", id, "") }, "delivered", alerts.RecipientActive},
		{"delivered after a bounce", func(id int64) string {
			return event("bounce", "1", id, `,"status":"5.1.1","email":"Pat@Example.org"`) + "," + event("delivered", "2", id, "")
		}, "bounced", alerts.RecipientEnded},
		{"a bounce three times", func(id int64) string {
			b := event("bounce", "1", id, `,"status":"5.3.0"`)
			return b + "," + b + "," + b
		}, "bounced", alerts.RecipientActive},
		{"refused twice", func(id int64) string {
			return event("bounce", "1", id, `,"status":"5.3.0"`) + "," + event("bounce", "2", id, `,"status":"5.3.0"`)
		}, "bounced", alerts.RecipientEnded},
		{"spam", func(id int64) string { return event("delivered", "1", id, "") + "," + event("spamreport", "2", id, "") }, "complained", alerts.RecipientEnded},
		{"unsubscribed", func(id int64) string { return event("group_unsubscribe", "1", id, "") }, "", alerts.RecipientEnded},
		{"resubscribed, without a consent", func(id int64) string {
			return event("unsubscribe", "1", id, "") + "," + event("group_resubscribe", "2", id, "")
		}, "", alerts.RecipientEnded},
		{"opened", func(id int64) string { return event("open", "1", id, `,"ip":"192.0.2.9"`) }, "", alerts.RecipientActive},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				pat := w.person("pat")
				w.exec(`INSERT INTO subscription (recipient_id, state, created_at) VALUES ($1, 'active', 0)`, pat)
				id := w.queue(pat, alerts.DeliveryAlert, "a")
				w.pass()
				body := []byte("[" + c.events(id) + "]\r\n")
				for range 3 {
					if err := w.ReportMails(t.Context(), readEvents(t, body), w.now()); err != nil {
						t.Fatal(err)
					}
				}
				var fate string
				var state alerts.RecipientState
				if err := w.db.QueryRow(`SELECT d.fate, r.state FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE d.id = $1`, id).Scan(&fate, &state); err != nil || fate != c.fate || state != c.state {
					t.Errorf("its fate is %q, pat is %s (%v); want %q, %s", fate, state, err, c.fate, c.state)
				}
				if dump := w.dump(); strings.Contains(dump, "192.0.2.9") || strings.Contains(dump, "Pat@Example.org") {
					t.Error("more is kept than is needed")
				}
			})
		})
	}
}

func TestTenThousandEventsAtOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		id := w.queue(w.person("pat"), alerts.DeliveryAlert, "a")
		w.pass()
		var b strings.Builder
		for i := range 10_000 {
			fmt.Fprintf(&b, `,{"event":"delivered","sg_event_id":"e%d","delivery_id":%q,"email":"pat@example.org"}`, i, testKeys.DeliveryTag(id+int64(i)))
		}
		body := []byte("[" + b.String()[1:] + "]")
		if len(body) > deliver.MaxEvents {
			t.Fatalf("%d bytes are more than is taken", len(body))
		}
		if err := w.ReportMails(within(t, 20*time.Second), readEvents(t, body), w.now()); err != nil {
			t.Fatal(err)
		}
		if n := w.count(`SELECT count(*) FROM delivery WHERE fate = 'delivered'`); n != 1 {
			t.Errorf("%d", n)
		}
	})
}
