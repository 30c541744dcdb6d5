package deliver_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
)

var testKeys = func() alerts.Keys {
	keys, err := alerts.ParseKeys(alerts.NewKeys())
	if err != nil {
		panic(err)
	}
	return keys
}()

func testInbound(t testing.TB) alerts.Inbound {
	t.Helper()
	in, err := alerts.ParseInbound("bounces@example.org", testKeys)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

const testMessageID = "nM0pQvZk2x7Yf1sDd3cA0g@alerts.example.org"

// arriving reads a message of testdata/inbound, addressed to the return path of a
// delivery.
func arriving(t testing.TB, name string, delivery int64) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "inbound", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("{{to}}"), []byte(testInbound(t).ReturnPath(delivery)))
	return bytes.ReplaceAll(b, []byte("{{id}}"), []byte(testMessageID))
}

// What each message of testdata/inbound is.
var arrivals = map[string]struct {
	kind   alerts.ReportKind
	status string
	by     string // what proves it: the return path or the Message-ID
	err    error
}{
	"postfix-unknown-user":  {alerts.ReportHard, "5.1.1", "return path", nil},
	"exchange-mailbox-full": {alerts.ReportSoft, "5.2.2", "return path", nil},
	"postfix-expired":       {alerts.ReportSoft, "4.4.1", "return path", nil},
	"postfix-delayed":       {err: deliver.ErrAutomatic},
	"reputation":            {alerts.ReportBlocked, "5.7.26", "return path", nil},
	"exim-unknown-user":     {alerts.ReportHard, "5.1.1", "return path", nil},
	"qmail":                 {alerts.ReportSoft, "", "return path", nil},
	"forwarded-to-dead":     {alerts.ReportHard, "5.1.1", "return path", nil},
	"cut-off":               {alerts.ReportHard, "5.1.10", "return path", nil},
	"complaint":             {alerts.ReportComplaint, "", "Message-ID", nil},
	"not-spam":              {err: deliver.ErrUnclear},
	"vacation":              {err: deliver.ErrAutomatic},
	"reply-stop":            {alerts.ReportUnsubscribe, "", "Message-ID", nil},
	"reply-question":        {err: deliver.ErrUnclear},
	"forged":                {err: deliver.ErrNotOurs},
}

func TestMailThatComesBackIsUnderstood(t *testing.T) {
	files, err := filepath.Glob("testdata/inbound/*.eml")
	if err != nil || len(files) != len(arrivals) {
		t.Fatalf("%d files, %d expectations: %v", len(files), len(arrivals), err)
	}
	for name, want := range arrivals {
		t.Run(name, func(t *testing.T) {
			raw := arriving(t, name, 7)
			for what, b := range map[string][]byte{"as it is": raw, "with CRLF": bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")),
				"from a mailbox": append([]byte("From MAILER-DAEMON  Tue May  5 06:00:04 2026\n"), raw...)} {
				got, err := deliver.Receive(bytes.NewReader(b), testInbound(t), nil)
				if !errors.Is(err, want.err) {
					t.Fatalf("%s: %v, want %v", what, err, want.err)
				}
				if want.err != nil {
					continue
				}
				if got.Kind != want.kind || got.Status != want.status || got.Key == "" {
					t.Errorf("%s: %+v, want %s %s", what, got, want.kind, want.status)
				}
				if by := map[bool]string{true: "return path", false: "Message-ID"}[got.Delivery == 7]; by != want.by || got.Delivery == 0 && got.MessageID != testMessageID {
					t.Errorf("%s: it is known by its %s: %+v", what, by, got)
				}
			}
		})
	}
}

// The envelope says more than a header that a list or a forwarder has rewritten.
func TestTheEnvelopeNamesTheDelivery(t *testing.T) {
	raw := bytes.ReplaceAll(arriving(t, "qmail", 7), []byte("To: bounces+"), []byte("To: somebody+"))
	if _, err := deliver.Receive(bytes.NewReader(raw), testInbound(t), nil); !errors.Is(err, deliver.ErrNotOurs) {
		t.Errorf("without an envelope: %v", err)
	}
	if got, err := deliver.Receive(bytes.NewReader(raw), testInbound(t), []string{testInbound(t).ReturnPath(7)}); err != nil || got.Delivery != 7 {
		t.Errorf("with one: %+v, %v", got, err)
	}
}

func TestWritingToTheUnsubscribeAddressIsTheWish(t *testing.T) {
	to := testInbound(t).Unsubscribe(9, []alerts.Cadence{alerts.Weekly})
	for name, raw := range map[string]string{
		"as mail programs write it": "To: " + to + "\nSubject: unsubscribe\nFrom: resident@example.org\n\n",
		"with a name":               "To: \"Stop\" <" + to + ">\nFrom: resident@example.org\n\nThank you\n",
		"without a subject":         "To: " + to + "\n\n",
	} {
		got, err := deliver.Receive(strings.NewReader(raw), testInbound(t), nil)
		if err != nil || got.Kind != alerts.ReportUnsubscribe || got.Recipient != 9 || !slices.Equal(got.Cadences, []alerts.Cadence{alerts.Weekly}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := deliver.Receive(strings.NewReader("To: "+to+"\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nAway\n"), testInbound(t), nil); !errors.Is(err, deliver.ErrAutomatic) {
		t.Errorf("an absence note: %+v, %v", got, err)
	}
}

// Whatever arrives, nothing is believed that names no mail of ours.
func FuzzReceive(f *testing.F) {
	for name := range arrivals {
		f.Add(arriving(f, name, 7))
	}
	in := testInbound(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := deliver.Receive(bytes.NewReader(raw), in, nil)
		if err != nil {
			return
		}
		if r.Kind == "" || r.Key == "" || r.Delivery == 0 && r.MessageID == "" && r.Recipient == 0 {
			t.Errorf("%+v", r)
		}
		if r.Delivery != 0 && !bytes.Contains(bytes.ToLower(raw), []byte(testKeys.DeliveryTag(r.Delivery))) && !bytes.Contains(raw, []byte("=?")) {
			t.Errorf("delivery %d is not in the message", r.Delivery)
		}
	})
}
