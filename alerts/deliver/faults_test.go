package deliver_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
)

// until makes passes, with the clock moved on to the next moment at which something
// is due, until nothing is queued or the days are over.
func (w *world) until(s *deliver.Stage, days int) {
	w.Helper()
	for end := w.now().Add(time.Duration(days) * 24 * time.Hour); w.now().Before(end); {
		if _, err := s.Run(w.Context()); err != nil {
			w.Fatal(err)
		}
		if w.count(`SELECT count(*) FROM delivery WHERE state = 'queued'`) == 0 {
			return
		}
		next := max(w.count(`SELECT min(next_at) FROM delivery WHERE state = 'queued'`), w.count(`SELECT coalesce(max(paused_until), 0) FROM sender`))
		w.wait(max(time.UnixMilli(next).Sub(w.now()), time.Second))
	}
	w.Fatalf("after %d days %d mails are still queued", days, w.count(`SELECT count(*) FROM delivery WHERE state = 'queued'`))
}

// Every mail arrives in the end, whatever the relay does in between: once, or once
// more where it broke off after it had accepted one.
func TestEveryMailSurvivesARelaysFaults(t *testing.T) {
	const mails = 30
	nth := func(answer func(n int) error) func(string) error {
		var mu sync.Mutex
		n := 0
		return func(string) error {
			mu.Lock()
			defer mu.Unlock()
			n++
			return answer(n)
		}
	}
	refuse := func(code int, enhanced smtp.EnhancedCode) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: "not now"}
	}
	for _, c := range []struct {
		name    string
		prepare func(w *world)
		again   int // how many copies more than one each may arrive
	}{
		{"4xx at the recipient", func(w *world) {
			w.relay.OnRcpt = nth(func(n int) error {
				if n%3 == 0 {
					return refuse(450, smtp.EnhancedCode{4, 2, 1})
				}
				return nil
			})
		}, 0},
		{"greylisting: the first try of each is refused", func(w *world) {
			seen := map[string]bool{}
			var mu sync.Mutex
			w.relay.OnRcpt = func(to string) error {
				mu.Lock()
				defer mu.Unlock()
				if !seen[to] {
					seen[to] = true
					return refuse(451, smtp.EnhancedCode{4, 7, 1})
				}
				return nil
			}
		}, 0},
		{"421 in the middle of a run", func(w *world) {
			w.relay.OnMail = nth(func(n int) error {
				if n%7 == 0 {
					return refuse(421, smtp.EnhancedCode{4, 3, 2})
				}
				return nil
			})
		}, 0},
		{"5xx for our own address until the relay is mended", func(w *world) {
			w.relay.OnMail = nth(func(n int) error {
				if n < 40 {
					return refuse(550, smtp.EnhancedCode{5, 7, 1})
				}
				return nil
			})
		}, 0},
		{"it hangs up before the end of the data", func(w *world) {
			broken := nth(func(n int) error {
				if n%4 == 0 {
					return delivertest.ErrHangUp
				}
				return nil
			})
			w.relay.OnData = func(delivertest.Message) error { return broken("") }
		}, 0},
		{"it accepts and hangs up", func(w *world) {
			broken := nth(func(n int) error {
				if n <= 5 {
					return delivertest.ErrAcceptAndHangUp
				}
				return nil
			})
			w.relay.OnData = func(delivertest.Message) error { return broken("") }
		}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				c.prepare(w)
				w.many(mails)
				w.until(w.stage(), 4)
				copies, more := w.arrived(), 0
				for id, n := range copies {
					if more += n - 1; n > 2 {
						t.Errorf("%s arrived %d times", id, n)
					}
				}
				if len(copies) != mails || more > c.again {
					t.Errorf("%d of %d arrived, %d of them again; want at most %d again", len(copies), mails, more, c.again)
				}
				if n := w.count(`SELECT count(*) FROM delivery WHERE state <> 'sent'`); n != 0 {
					t.Errorf("%d are not recorded as sent", n)
				}
			})
		})
	}
}

// A relay whose certificate is not to be trusted gets nothing, and no mail's tries
// are used up while it is so.
func TestATLSFailureRestsTheSender(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		server := httptest.NewUnstartedServer(nil)
		server.StartTLS() // for its certificate, which no system trusts
		defer server.Close()
		relay := &delivertest.Relay{TLS: &tls.Config{Certificates: server.TLS.Certificates}}
		relay.Start(t)
		w.many(3)
		s := w.stage()
		s.Sender = smtpSender(t, relay)
		for end := w.now().Add(8 * 24 * time.Hour); w.now().Before(end); w.wait(time.Hour) {
			if r, err := s.Run(t.Context()); err != nil || r.Worked() {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if n := len(relay.Accepted()); n != 0 {
			t.Fatalf("%d mails went to a relay that nobody vouches for", n)
		}
		if n := w.count(`SELECT coalesce(max(attempts), 0) FROM delivery`); n != 0 {
			t.Errorf("tries were used up: %d", n)
		}
		w.until(w.stage(), 1) // the relay is mended
		w.wantOnce(3)
	})
}

func TestASlowRelayDelaysOnlyItsOwnMail(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.relay.OnData = func(m delivertest.Message) error {
			if m.To == "slow@example.org" {
				<-release
			}
			return nil
		}
		slow := w.queue(w.person("slow"), alerts.DeliveryAlert, "slow")
		w.many(40)
		s := w.stage()
		s.Timeout, s.Lease = 700*time.Millisecond, time.Minute
		if r, err := s.Run(t.Context()); err != nil || r.Sent != 40 || r.Retried != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		close(release)
		if got := w.state(slow); got != alerts.DeliveryQueued {
			t.Errorf("the slow one is %s", got)
		}
	})
}

// What bounces after the relay took it is known by its return path.
func TestABounceComesBackToItsDelivery(t *testing.T) {
	for name, want := range map[string]struct {
		fate    string
		ended   int64
		owed    int64
		suppres int64
	}{
		"postfix-unknown-user":  {"bounced", 1, 0, 1},
		"exchange-mailbox-full": {"bounced", 0, 1, 0},
		"forwarded-to-dead":     {"bounced", 0, 1, 0},
		"reputation":            {"bounced", 0, 1, 0},
		"complaint":             {"complained", 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				w.smtp.Inbound = testInbound(t)
				resident := w.person("resident")
				var id int64
				if name == "complaint" { // it names the Message-ID only
					var err error
					if id, err = w.Enqueue(t.Context(), alerts.Delivery{Kind: alerts.DeliveryAlert, Cadence: alerts.Daily, RecipientID: resident, MessageID: testMessageID, Subject: "a", Text: "text", NextAt: w.now().UnixMilli(), CreatedAt: w.now().UnixMilli()}); err != nil {
						t.Fatal(err)
					}
				} else {
					id = w.queue(resident, alerts.DeliveryAlert, "a")
				}
				w.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) VALUES (1, 1, $1, $2)`, resident, id)
				w.pass()
				returned := w.relay.Accepted()[0].From
				if returned != testInbound(t).ReturnPath(id) {
					t.Fatalf("the return path is %s", returned)
				}
				report, err := deliver.Receive(bytes.NewReader(arriving(t, name, 999)), testInbound(t), []string{returned})
				if name != "complaint" {
					raw := bytes.ReplaceAll(arriving(t, name, 999), []byte(testInbound(t).ReturnPath(999)), []byte(returned))
					report, err = deliver.Receive(bytes.NewReader(raw), testInbound(t), nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				for range 3 { // mail servers repeat themselves
					if err := w.ReportMail(t.Context(), report, w.now()); err != nil {
						t.Fatal(err)
					}
				}
				var fate string
				if err := w.db.QueryRow(`SELECT fate FROM delivery WHERE id = $1`, id).Scan(&fate); err != nil || fate != want.fate {
					t.Errorf("its fate is %q (%v), want %q", fate, err, want.fate)
				}
				for what, c := range map[string]struct {
					want  int64
					query string
				}{
					"reports":       {1, `SELECT count(*) FROM mail_report`},
					"people ended":  {want.ended, `SELECT count(*) FROM recipient WHERE state = 'ended'`},
					"matches owed":  {want.owed, `SELECT count(*) FROM match WHERE delivery_id IS NULL AND closed IS NULL`},
					"suppressed":    {want.suppres, `SELECT count(*) FROM suppression`},
					"due next time": {want.owed, `SELECT count(*) FROM due`},
				} {
					if got := w.count(c.query); got != c.want {
						t.Errorf("%s: %d, want %d", what, got, c.want)
					}
				}
				// An acceptance that is recorded late does not undo it.
				if err := w.RecordAttempts(t.Context(), "mail", []alerts.Attempt{{Delivery: alerts.Delivery{ID: id, ClaimNo: 1}, Then: alerts.DeliverySent}}, w.now()); err != nil {
					t.Fatal(err)
				}
				if got := w.state(id); want.fate == "bounced" && got != alerts.DeliveryGivenUp && want.ended == 0 {
					t.Errorf("it is %s", got)
				}
			})
		})
	}
}

func TestSoftBouncesAddUp(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		full, well := w.person("full"), w.person("well")
		for i, day := range []string{"a", "b", "c"} {
			id := w.queue(full, alerts.DeliveryAlert, day)
			w.queue(well, alerts.DeliveryAlert, "other "+day)
			w.exec(`UPDATE delivery SET message_id = 'other' || $1 || '@x.example' WHERE message_id = $2`, day, "other "+day+"@alerts.example.org")
			w.pass()
			w.wait(24 * time.Hour)
			if got := w.count(`SELECT count(*) FROM recipient WHERE state = 'ended'`); got != 0 {
				t.Fatalf("after %d bounces %d are ended", i, got)
			}
			if err := w.ReportMail(t.Context(), alerts.MailReport{Key: day, Kind: alerts.ReportSoft, Delivery: id, Status: "5.2.2", Source: "mail"}, w.now()); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.count(`SELECT count(*) FROM recipient WHERE state = 'ended' AND id = $1`, full); got != 1 {
			t.Error("three mails in a row that bounced end nothing")
		}
		if got := w.count(`SELECT count(*) FROM suppression`); got != 0 {
			t.Error("a full mailbox bars the address for good")
		}
	})
}

func TestAPersonWhoseServerKeepsRefusingUsIsLeftInPeaceForAWhile(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		pat := w.person("pat")
		w.exec(`INSERT INTO subscription (recipient_id, state, created_at) VALUES ($1, 'active', 0)`, pat)
		for i := range 5 {
			if got := w.count(`SELECT count(*) FROM subscription WHERE paused_until > 0`); got != 0 {
				t.Fatalf("after %d it rests", i)
			}
			d := alerts.Delivery{Kind: alerts.DeliveryConfirm, RecipientID: pat, MessageID: alerts.NewSecret() + "@x.example", Subject: "a", Text: "text", NextAt: w.now().UnixMilli(), CreatedAt: w.now().UnixMilli()}
			id, err := w.Enqueue(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			w.exec(`UPDATE delivery SET state = 'cancelled' WHERE id = $1`, id) // only the reports count here
			if err := w.ReportMail(t.Context(), alerts.MailReport{Key: alerts.NewSecret(), Kind: alerts.ReportBlocked, Delivery: id, Status: "5.7.1"}, w.now()); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.count(`SELECT count(*) FROM subscription WHERE paused_until = $1`, w.now().Add(14*24*time.Hour).UnixMilli()); got != 1 {
			t.Error("mail does not rest")
		}
		if got := w.count(`SELECT count(*) FROM notice WHERE key LIKE 'blocked:%'`); got != 1 {
			t.Error("the operator is not told")
		}
	})
}

// A fake of SendGrid's API that keeps what it was sent, and answers as it is told.
type sendGrid struct {
	*httptest.Server
	mu     sync.Mutex
	got    []map[string]any
	answer func(w http.ResponseWriter)
}

func newSendGrid(t testing.TB) *sendGrid {
	g := &sendGrid{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Error(err)
		}
		g.mu.Lock()
		g.got = append(g.got, m)
		answer := g.answer
		g.mu.Unlock()
		if answer != nil {
			answer(w)
			return
		}
		w.WriteHeader(202)
	}))
	t.Cleanup(g.Close)
	return g
}

// hangUp takes the request and breaks off before it answers.
func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func (g *sendGrid) sent() []map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]map[string]any(nil), g.got...)
}

// argument is the custom argument that names the delivery.
func argument(m map[string]any) string {
	if args, ok := m["custom_args"].(map[string]any); ok {
		return args["delivery_id"].(string)
	}
	args, _ := m["personalizations"].([]any)[0].(map[string]any)["custom_args"].(map[string]any)
	s, _ := args["delivery_id"].(string)
	return s
}

// A call whose answer never came may have been a success: it is not repeated before
// SendGrid has had time to say so, and not at all if it does.
func TestAnAmbiguousCallIsReconciledBeforeItIsRepeated(t *testing.T) {
	for _, said := range []string{"", "processed", "delivered", "deferred", "bounce"} {
		t.Run("said: "+said, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				g := newSendGrid(t)
				sender, err := deliver.NewSendGrid("KEY", g.URL, from, testKeys)
				if err != nil {
					t.Fatal(err)
				}
				defer sender.Close()
				s := w.stage()
				s.Sender = sender
				id := w.queue(w.person("pat"), alerts.DeliveryAlert, "a")
				g.answer = hangUp
				if r, err := s.Run(t.Context()); err != nil || r.Retried != 1 {
					t.Fatalf("%+v, %v", r, err)
				}
				g.mu.Lock()
				g.answer = nil
				g.mu.Unlock()
				w.wait(9 * time.Minute)
				if r, err := s.Run(t.Context()); err != nil || r.Worked() {
					t.Fatalf("within ten minutes: %+v, %v", r, err)
				}
				if said != "" {
					body, _ := json.Marshal([]map[string]any{{"event": said, "email": "pat@example.org", "sg_event_id": "e1", "status": "4.4.1", "type": "bounce", "delivery_id": argument(g.sent()[0])}})
					if err := w.ReportMails(t.Context(), readEvents(t, body), w.now()); err != nil {
						t.Fatal(err)
					}
				}
				w.wait(2 * time.Minute)
				w.until(s, 1)
				sent := g.sent()
				if want := map[bool]int{true: 2, false: 1}[said == ""]; len(sent) != want {
					t.Errorf("it was sent %d times, want %d", len(sent), want)
				}
				first, last := sent[0], sent[len(sent)-1]
				if a, b := first["headers"].(map[string]any)["Message-ID"], last["headers"].(map[string]any)["Message-ID"]; a != b || a != "<a@alerts.example.org>" {
					t.Errorf("its Message-ID was %v, then %v", a, b)
				}
				if got, want := w.state(id), map[bool]alerts.DeliveryState{true: alerts.DeliveryGivenUp, false: alerts.DeliverySent}[said == "bounce"]; got != want {
					t.Errorf("it is %s, want %s", got, want)
				}
				if strings.Contains(argument(first), "pat") || argument(first) == "" {
					t.Errorf("SendGrid is told %q", argument(first))
				}
			})
		})
	}
}

func TestSendGridsRefusalsLoseNothing(t *testing.T) {
	for _, code := range []int{429, 500, 503, 401} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				g := newSendGrid(t)
				sender, err := deliver.NewSendGrid("KEY", g.URL, from, testKeys)
				if err != nil {
					t.Fatal(err)
				}
				s := w.stage()
				s.Sender = sender
				w.many(5)
				left := 7
				g.answer = func(rw http.ResponseWriter) {
					g.mu.Lock()
					defer g.mu.Unlock()
					if left--; left >= 0 {
						rw.Header().Set("X-RateLimit-Reset", "1777960860")
						rw.WriteHeader(code)
						g.got = g.got[:len(g.got)-1]
						return
					}
					rw.WriteHeader(202)
				}
				w.until(s, 4)
				if n := len(g.sent()); n != 5 {
					t.Errorf("%d were accepted, want 5", n)
				}
			})
		})
	}
}
