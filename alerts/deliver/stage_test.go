package deliver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A world is a queue of deliveries in a real store, a relay and a clock.
type world struct {
	testing.TB
	*store.Store
	db    *sql.DB
	e     storetest.Engine
	relay *delivertest.Relay
	smtp  *deliver.SMTP
	mu    sync.Mutex
	at    time.Time
}

func eachWorld(t *testing.T, test func(t *testing.T, w *world)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(t, newWorld(t, e)) })
	}
}

func newWorld(t testing.TB, e storetest.Engine) *world {
	s, err := store.Open(t.Context(), e.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, Store: s, db: e.DB(t), e: e, relay: &delivertest.Relay{}, at: time.Date(2026, 5, 5, 6, 0, 0, 0, time.UTC)}
	w.relay.Start(t)
	w.smtp = smtpSender(t, w.relay)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

func (w *world) count(query string, args ...any) (n int64) {
	w.Helper()
	if err := w.db.QueryRow(query, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

// dump writes out all that is stored.
func (w *world) dump() string { return w.e.Dump(w.TB, w.db) }

// person adds a subscriber and returns the id.
func (w *world) person(name string) (id int64) {
	w.Helper()
	if err := w.db.QueryRow(`INSERT INTO recipient (kind, address, address_key, state, created_at) VALUES ('subscriber', $1, $2, 'active', 0) RETURNING id`,
		name+"@example.org", "key of "+name).Scan(&id); err != nil {
		w.Fatal(err)
	}
	return id
}

// queue queues a mail to a person.
func (w *world) queue(recipient int64, kind alerts.DeliveryKind, name string) int64 {
	w.Helper()
	d := alerts.Delivery{Kind: kind, RecipientID: recipient, MessageID: name + "@alerts.example.org", Subject: name, Text: "text", HTML: "<p>html</p>", NextAt: w.now().UnixMilli(), CreatedAt: w.now().UnixMilli()}
	if kind == alerts.DeliveryAlert {
		d.Cadence = alerts.Daily
	}
	id, err := w.Enqueue(w.Context(), d)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// many queues n alerts to as many people.
func (w *world) many(n int) {
	w.Helper()
	for i := range n {
		w.queue(w.person(fmt.Sprint("resident", i)), alerts.DeliveryAlert, fmt.Sprint("alert", i))
	}
}

func (w *world) stage() *deliver.Stage {
	return &deliver.Stage{Store: w.Store, Sender: w.smtp, Name: "mail", Now: w.now, Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0.5 }}
}

func (w *world) pass() deliver.Result {
	w.Helper()
	r, err := w.stage().Run(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// arrived counts the copies of each message that the relay has accepted.
func (w *world) arrived() map[string]int {
	copies := map[string]int{}
	for _, m := range w.relay.Accepted() {
		copies[strings.Trim(m.Header("Message-Id"), "<>")]++
	}
	return copies
}

func (w *world) wantOnce(n int) {
	w.Helper()
	got := w.arrived()
	if len(got) != n {
		w.Errorf("%d messages arrived, want %d", len(got), n)
	}
	for id, copies := range got {
		if copies != 1 {
			w.Errorf("%s arrived %d times", id, copies)
		}
	}
}

func (w *world) state(id int64) (s alerts.DeliveryState) {
	w.Helper()
	if err := w.db.QueryRow(`SELECT state FROM delivery WHERE id = $1`, id).Scan(&s); err != nil {
		w.Fatal(err)
	}
	return s
}

func TestAPassSendsWhatIsDueOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(150)
		if r := w.pass(); r.Sent != 150 {
			t.Errorf("%+v", r)
		}
		if r := w.pass(); r.Worked() {
			t.Errorf("the second pass: %+v", r)
		}
		w.wantOnce(150)
	})
}

func TestAPassLeavesNothingRunning(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(50)
		w.pass() // what the database and the relay keep for good is there now
		running := goleak.IgnoreCurrent()
		for i := range 20 {
			w.queue(w.person(fmt.Sprint("more", i)), alerts.DeliveryAlert, fmt.Sprint("more", i))
		}
		w.pass()
		goleak.VerifyNone(t, running)
	})
}

func TestSeveralProcessesSendEachMailOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(200)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				sender, err := deliver.NewSMTP(w.relay.URL(), from)
				if err != nil {
					t.Error(err)
					return
				}
				s := w.stage()
				s.Sender = sender
				if _, err := s.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		w.wantOnce(200)
	})
}

// A mortal store dies at a call: before it has done its work, or after.
type mortal struct {
	deliver.Store
	mu        sync.Mutex
	claims    int // calls that work
	records   int
	afterwork bool
}

var errKilled = errors.New("killed")

func (m *mortal) left(n *int) (dies bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*n--
	return *n < 0
}

func (m *mortal) ClaimDeliveries(ctx context.Context, sender string, limit int, now time.Time, lease time.Duration) ([]alerts.Delivery, error) {
	dies := m.left(&m.claims)
	if dies && !m.afterwork {
		return nil, errKilled
	}
	d, err := m.Store.ClaimDeliveries(ctx, sender, limit, now, lease)
	if dies {
		return nil, errKilled
	}
	return d, err
}

func (m *mortal) RecordAttempts(ctx context.Context, sender string, attempts []alerts.Attempt, now time.Time) error {
	dies := m.left(&m.records)
	if dies && !m.afterwork {
		return errKilled
	}
	if err := m.Store.RecordAttempts(ctx, sender, attempts, now); err != nil {
		return err
	}
	if dies {
		return errKilled
	}
	return nil
}

// Killed with messages in flight, nothing can be given back.
func (m *mortal) ReturnDeliveries(context.Context, []alerts.Delivery, time.Time) error {
	return errKilled
}

// Invariant 5: wherever a process dies, every message arrives; at most those in
// flight arrive again, under the same name; none that was recorded does.
func TestAKillRepeatsAtMostWhatWasInFlight(t *testing.T) {
	for _, c := range []struct {
		name            string
		claims, records int
		after           bool
	}{{"before the first claim", 0, 99, false}, {"after the first claim", 0, 99, true}, {"before the first record", 99, 0, false}, {"after the first record", 99, 0, true}, {"before the second record", 99, 1, false}} {
		t.Run(c.name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				w.many(120)
				s := w.stage()
				s.Store = &mortal{Store: w.Store, claims: c.claims, records: c.records, afterwork: c.after}
				s.Batch, s.Concurrency, s.Patience = 8, 4, time.Millisecond
				if _, err := s.Run(t.Context()); !errors.Is(err, errKilled) {
					t.Fatalf("it lives: %v", err)
				}
				recorded := map[string]bool{}
				rows, err := w.db.Query(`SELECT message_id FROM delivery WHERE state = 'sent'`)
				if err != nil {
					t.Fatal(err)
				}
				for rows.Next() {
					var id string
					if err := rows.Scan(&id); err != nil {
						t.Fatal(err)
					}
					recorded[id] = true
				}
				rows.Close()
				before := w.arrived()
				w.wait(deliver.DefaultLease + time.Second)
				for passes := 0; w.count(`SELECT count(*) FROM delivery WHERE state = 'queued'`) > 0 && passes < 1000; passes++ {
					w.pass() // one may pass over rows that the dead one still has locked
				}
				twice := 0
				for id, copies := range w.arrived() {
					if copies > 1 {
						twice++
					}
					if copies > 1 && recorded[id] || copies > 2 {
						t.Errorf("%s arrived %d times, recorded: %v", id, copies, recorded[id])
					}
				}
				if n := len(w.arrived()); n != 120 {
					t.Errorf("%d of 120 arrived", n)
				}
				if inFlight := len(before) - len(recorded); twice > inFlight {
					t.Errorf("%d arrived twice, %d were in flight", twice, inFlight)
				}
			})
		})
	}
}

func TestASuccessCountsFromAnyClaimAndAFailureOnlyFromTheLast(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		claim := func() alerts.Delivery {
			d, err := w.ClaimDeliveries(t.Context(), "mail", 1, w.now(), time.Minute)
			if err != nil || len(d) != 1 {
				t.Fatal(d, err)
			}
			return d[0]
		}
		record := func(d alerts.Delivery, then alerts.DeliveryState, class alerts.FailureClass) {
			t.Helper()
			if err := w.RecordAttempts(t.Context(), "mail", []alerts.Attempt{{Delivery: d, Then: then, RetryAt: w.now().UnixMilli(), Outcome: alerts.Outcome{Class: class}}}, w.now()); err != nil {
				t.Fatal(err)
			}
		}
		id := w.queue(w.person("pat"), alerts.DeliveryAlert, "a")
		old := claim()
		w.wait(2 * time.Minute) // its lease runs out
		last := claim()
		record(old, alerts.DeliveryGivenUp, alerts.Permanent)
		record(old, alerts.DeliveryQueued, alerts.Temporary)
		if got := w.state(id); got != alerts.DeliveryQueued || w.count(`SELECT attempts FROM delivery WHERE id = $1`, id) != 0 {
			t.Errorf("an old claim's failure makes it %s", got)
		}
		record(old, alerts.DeliverySent, alerts.Accepted)
		if got := w.state(id); got != alerts.DeliverySent {
			t.Errorf("an old claim's success leaves it %s", got)
		}
		record(last, alerts.DeliveryGivenUp, alerts.Permanent)
		record(last, alerts.DeliveryQueued, alerts.Temporary)
		if got := w.state(id); got != alerts.DeliverySent {
			t.Errorf("a failure after the success makes it %s", got)
		}
	})
}

func TestAnOutageOfEightDaysLosesAndRepeatsNothing(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(20)
		w.relay.Stop()
		for end := w.now().Add(8 * 24 * time.Hour); w.now().Before(end); w.wait(time.Hour) {
			if r := w.pass(); r.Sent+r.Retried+r.GivenUp != 0 || r.Rests.IsZero() && r.Worked() {
				t.Fatalf("while the relay is away: %+v", r)
			}
		}
		if n := w.count(`SELECT coalesce(max(attempts), 0) FROM delivery`); n != 0 {
			t.Errorf("an outage counted against a delivery %d times", n)
		}
		w.relay.Restart(t)
		w.wait(time.Hour)
		for range 3 {
			w.pass()
			w.wait(time.Minute)
		}
		w.wantOnce(20)
	})
}

func TestASenderThatRestsIsTriedWithOneMailFirst(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(5)
		w.relay.Stop()
		r := w.pass()
		if rest := r.Rests.Sub(w.now()); rest < 20*time.Second || rest > time.Minute {
			t.Fatalf("it rests %v", rest)
		}
		w.relay.Restart(t)
		if r := w.pass(); r.Worked() {
			t.Errorf("it works while it rests: %+v", r)
		}
		w.wait(time.Minute)
		claimed, err := w.ClaimDeliveries(t.Context(), "mail", 10, w.now(), time.Minute)
		if err != nil || len(claimed) != 1 {
			t.Errorf("%d claimed after a rest (%v), want 1", len(claimed), err)
		}
	})
}

func TestFailuresAreTriedAgainMoreAndMoreRarelyAndThenGivenUp(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.relay.OnRcpt = func(string) error {
			return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"}
		}
		id := w.queue(w.person("pat"), alerts.DeliveryAlert, "a")
		start, tries := w.now(), 0
		for w.state(id) == alerts.DeliveryQueued {
			if r := w.pass(); r.Worked() {
				tries++
			}
			next := time.UnixMilli(w.count(`SELECT next_at FROM delivery WHERE id = $1`, id))
			w.wait(max(next.Sub(w.now()), 0))
		}
		if took := w.now().Sub(start); tries != 10 || took < 60*time.Hour || took > 90*time.Hour || w.state(id) != alerts.DeliveryGivenUp {
			t.Errorf("%d tries in %v; it is %s", tries, took, w.state(id))
		}
		if n := w.count(`SELECT count(*) FROM attempt WHERE delivery_id = $1`, id); n != 10 {
			t.Errorf("%d attempts are on record", n)
		}
	})
}

func TestADeadAddressEndsItsOwner(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.relay.OnRcpt = func(string) error {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		pat := w.person("pat")
		w.queue(pat, alerts.DeliveryAlert, "a")
		w.exec(`INSERT INTO match (version_id, seq, recipient_id) VALUES (1, 1, $1)`, pat)
		if r := w.pass(); r.GivenUp != 1 {
			t.Errorf("%+v", r)
		}
		w.queue(pat, alerts.DeliveryAlert, "b")
		w.pass()
		for what, query := range map[string]string{
			"people who are not ended":  `SELECT count(*) FROM recipient WHERE state <> 'ended'`,
			"matches that are owed":     `SELECT count(*) FROM match WHERE closed IS NULL`,
			"mails that are not over":   `SELECT count(*) FROM delivery WHERE state NOT IN ('given_up', 'cancelled')`,
			"addresses not suppressed":  `SELECT 1 - count(*) FROM suppression`,
			"attempts but the only one": `SELECT count(*) - 1 FROM attempt`,
		} {
			if n := w.count(query); n != 0 {
				t.Errorf("%d %s", n, what)
			}
		}
	})
}

func TestNobodyIsWrittenToAfterTheyEnded(t *testing.T) {
	for name, end := range map[string]string{
		"ended":      `UPDATE recipient SET state = 'ended' WHERE id = $1`,
		"erased":     `UPDATE recipient SET address = '', address_key = NULL, state = 'ended' WHERE id = $1`,
		"suppressed": `INSERT INTO suppression (address_key, reason, at) SELECT address_key, 'asked', 0 FROM recipient WHERE id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				pat := w.person("pat")
				id := w.queue(pat, alerts.DeliveryAlert, "a")
				w.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) VALUES (1, 1, $1, $2)`, pat, id)
				w.queue(w.person("other"), alerts.DeliveryAlert, "b")
				w.exec(end, pat)
				w.pass()
				if got := w.arrived(); len(got) != 1 || got["b@alerts.example.org"] != 1 {
					t.Errorf("arrived: %v", got)
				}
				if w.state(id) != alerts.DeliveryCancelled || w.count(`SELECT count(*) FROM match WHERE closed IS NULL`) != 0 {
					t.Errorf("the mail is %s, %d matches are open", w.state(id), w.count(`SELECT count(*) FROM match WHERE closed IS NULL`))
				}
				if n := w.count(`SELECT count(*) FROM delivery WHERE state = 'cancelled' AND text <> ''`); n != 0 {
					t.Error("the words of a cancelled mail are kept")
				}
			})
		})
	}
}

func TestAMailAboutAHiddenCaseIsWrittenAnew(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		pat := w.person("pat")
		id := w.queue(pat, alerts.DeliveryAlert, "a")
		w.exec(`INSERT INTO subscription_version (id, subscription_id, recipient_id, from_seq, to_seq, created_at, cadence, area) VALUES (1, 1, $1, 0, 9, 0, 'daily', 'circle')`, pat)
		register := storetest.NewRegister(w.db)
		for _, reference := range []string{"hidden", "shown"} {
			register.Happen(t, w.now(), storetest.Occurrence{Authority: "camden", Reference: reference, Type: alerts.EventReceived})
		}
		w.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) VALUES (1, 1, $1, $2), (1, 2, $3, $4)`, pat, id, pat, id)
		w.exec(`UPDATE application SET hidden = TRUE WHERE reference = 'hidden'`)
		w.pass()
		if n := len(w.arrived()); n != 0 || w.state(id) != alerts.DeliveryCancelled {
			t.Errorf("%d mails arrived; it is %s", n, w.state(id))
		}
		if n := w.count(`SELECT count(*) FROM match WHERE delivery_id IS NULL AND closed IS NULL`); n != 2 {
			t.Errorf("%d matches are owed again, want 2", n)
		}
		if n := w.count(`SELECT count(*) FROM due WHERE recipient_id = $1 AND next_at <= $2`, pat, w.now().UnixMilli()); n != 1 {
			t.Error("the mail is not due again")
		}
	})
}

func TestAskedForMailThatArrives(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(300)
		var once sync.Once
		w.relay.OnData = func(delivertest.Message) error {
			once.Do(func() { w.queue(w.person("waiting"), alerts.DeliveryConfirm, "confirm") })
			return nil
		}
		s := w.stage()
		s.Batch, s.Concurrency = 16, 2
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(w.relay.Accepted(), func(m delivertest.Message) bool { return strings.HasPrefix(m.Header("Message-Id"), "<confirm@") })
		if at < 0 || at > 40 {
			t.Errorf("the confirmation came as number %d", at)
		}
		w.wantOnce(301)
	})
}

// When the program is told to stop, what is in flight is finished and the rest
// given back at once.
func TestStoppingFinishesWhatIsUnderWay(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(100)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var once sync.Once
		w.relay.OnData = func(delivertest.Message) error { once.Do(stop); return nil }
		s := w.stage()
		s.Concurrency = 4
		if _, err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(w.arrived()); n == 0 || n == 100 {
			t.Fatalf("%d arrived before the stop", n)
		}
		if n := w.count(`SELECT count(*) FROM delivery WHERE state = 'queued' AND next_at > $1`, w.now().UnixMilli()); n != 0 {
			t.Errorf("%d claims were not given back", n)
		}
		w.relay.OnData = nil
		w.pass()
		w.wantOnce(100)
	})
}

func TestATickIsDoneOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		claim := func(want bool) {
			t.Helper()
			if got, err := w.ClaimTick(t.Context(), "housekeeping", "2026-05-05T03:40Z", w.now(), time.Minute); err != nil || got != want {
				t.Fatalf("claimed: %v (%v), want %v", got, err, want)
			}
		}
		claim(true)
		claim(false)
		w.wait(2 * time.Minute) // whoever claimed it died
		claim(true)
		if err := w.FinishTick(t.Context(), "housekeeping", "2026-05-05T03:40Z", w.now()); err != nil {
			t.Fatal(err)
		}
		w.wait(time.Hour)
		claim(false)
	})
}

func TestHousekeepingForgetsTheWordsOfOldMailOnly(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.many(2)
		w.pass()
		w.wait(29 * 24 * time.Hour)
		w.queue(w.person("late"), alerts.DeliveryAlert, "late")
		for _, c := range []struct{ days, kept int }{{29, 3}, {31, 1}} {
			if err := w.Housekeeping(t.Context(), time.Date(2026, 5, 5+c.days, 6, 0, 0, 0, time.UTC)); err != nil {
				t.Fatal(err)
			}
			if n := w.count(`SELECT count(*) FROM delivery WHERE text <> ''`); n != int64(c.kept) {
				t.Errorf("after %d days the words of %d mails are kept, want %d", c.days, n, c.kept)
			}
		}
		if n := w.count(`SELECT count(*) FROM delivery`); n != 3 {
			t.Errorf("%d deliveries are left of 3", n)
		}
		if n := w.count(`SELECT count(*) FROM attempt`); n != 0 {
			t.Errorf("%d attempts of a month ago are kept", n)
		}
	})
}

func BenchmarkDeliver(b *testing.B) {
	for _, e := range storetest.Engines(b) {
		b.Run(e.Name, func(b *testing.B) {
			w := newWorld(b, e)
			const mails = 3000
			for range b.N {
				b.StopTimer()
				w.exec(`DELETE FROM delivery`)
				w.exec(`DELETE FROM attempt`)
				w.exec(`DELETE FROM recipient`)
				w.many(mails)
				b.StartTimer()
				r, err := w.stage().Run(b.Context())
				if err != nil || r.Sent != mails {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(b.N*mails)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}
