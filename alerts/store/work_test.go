package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// work returns how one part of the work stands.
func (d *desk) work(name string) alerts.Work {
	d.Helper()
	all, err := d.Work(d.Context(), d.now)
	if err != nil {
		d.Fatal(err)
	}
	for _, w := range all {
		if w.Name == name {
			return w
		}
	}
	d.Fatalf("nothing is known of %s", name)
	return alerts.Work{}
}

func TestWhatWaitsIsCountedFromWhenItCouldHaveBeenDone(t *testing.T) {
	eachDesk(t, func(d *desk) {
		expect := func(name string, waiting int, since time.Time) {
			t.Helper()
			if w := d.work(name); w.Waiting != waiting || !w.Since.Equal(since) {
				d.Errorf("%s: %d wait since %v, want %d since %v", name, w.Waiting, w.Since, waiting, since)
			}
		}
		ms := func(ago time.Duration) int64 { return d.now.Add(-ago).UnixMilli() }
		for _, name := range alerts.WorkNames[:5] {
			expect(name, 0, time.Time{})
		}
		// A feed that is due, one that is being read, one that is paused, one never read.
		d.exec(`INSERT INTO authority (slug, name) VALUES ('camden', 'Camden')`)
		for i, slug := range []string{"due", "busy", "paused", "fresh", "byhand"} {
			schedule := "0 * * * *"
			if slug == "byhand" {
				schedule = ""
			}
			d.exec(`INSERT INTO feed (id, slug, authority, declaration, schedule, paused) VALUES ($1, $2, 'camden', '', $3, $4)`, i+1, slug, schedule, slug == "paused")
			if slug != "fresh" {
				d.exec(`INSERT INTO run (feed_id, period, silent, started_at, finished_at, lease_until) VALUES ($1, 'x', $2, $3, $4, $5)`, i+1, false, ms(2*time.Hour),
					map[bool]int64{true: ms(time.Hour)}[slug != "busy"], d.now.Add(time.Minute).UnixMilli())
			}
		}
		expect(alerts.WorkIngest, 1, d.now.Add(-30*time.Minute)) // the hour before half past nine

		d.exec(`INSERT INTO event (seq, application_id, version, type, state, at, run_id, after) VALUES (1, 1, 1, 'received', 'live', $1, 1, '{}')`, ms(5*time.Minute))
		d.exec(`INSERT INTO event (seq, application_id, version, type, state, at, run_id, after) VALUES (2, 1, 2, 'received', 'live', $1, 1, '{}')`, ms(4*time.Minute))
		d.exec(`UPDATE counter SET value = 2 WHERE name = 'event'`)
		expect(alerts.WorkMatch, 2, d.now.Add(-5*time.Minute))
		d.exec(`UPDATE watermark SET position = 1, claimed = 1`)
		expect(alerts.WorkMatch, 1, d.now.Add(-4*time.Minute))

		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		d.confirm()
		d.exec(`UPDATE due SET next_at = $1`, ms(20*time.Minute))
		expect(alerts.WorkCompose, 1, d.now.Add(-20*time.Minute))
		d.exec(`UPDATE due SET next_at = $1`, ms(-20*time.Minute))
		expect(alerts.WorkCompose, 0, time.Time{})

		d.exec(`DELETE FROM delivery`)
		for i, next := range []int64{ms(10 * time.Minute), ms(time.Minute), ms(-time.Minute)} {
			d.exec(`INSERT INTO delivery (kind, recipient_id, state, priority, message_id, subject, text, html, next_at, created_at) VALUES ('alert', 1, 'queued', 10, $1, '', '', '', $2, 0)`, string(rune('a'+i)), next)
		}
		expect(alerts.WorkDeliver, 2, d.now.Add(-10*time.Minute))
		expect(alerts.WorkHooks, 0, time.Time{})

		if err := d.Beat(d.Context(), alerts.WorkMatch, d.now); err != nil {
			d.Fatal(err)
		}
		if w := d.work(alerts.WorkMatch); !w.Moved.Equal(d.now) {
			d.Errorf("the sign of life is of %v, want %v", w.Moved, d.now)
		}
		d.now = d.now.Add(-time.Hour) // the clock is put back
		if err := d.Beat(d.Context(), alerts.WorkMatch, d.now); err != nil {
			d.Fatal(err)
		}
		if w := d.work(alerts.WorkMatch); !w.Moved.Equal(d.now) {
			d.Errorf("after the clock was put back the sign of life is of %v, want %v", w.Moved, d.now)
		}
	})
}

func TestAMissingMigrationIsSeen(t *testing.T) {
	eachDesk(t, func(d *desk) {
		if current, err := d.IsCurrent(d.Context()); err != nil || !current {
			d.Fatalf("a fresh schema is current: %v, %v", current, err)
		}
		d.exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
		if current, err := d.IsCurrent(d.Context()); err != nil || current {
			d.Errorf("with a migration missing it is current: %v, %v", current, err)
		}
	})
}

// Whoever looks, and however often the program is started anew: the operator gets one
// mail about a fault, and one that it is over.
func TestAnAlarmSurvivesRestartsAndIsMailedOnce(t *testing.T) {
	eachDesk(t, func(d *desk) {
		fault := []alerts.WorkFault{{Key: "still:match", Text: "Nothing is matched.", Stuck: true}}
		key := d.keys.AddressKeys("op@example.org")[0]
		look := func(faults []alerts.WorkFault) (bool, alerts.AlarmNews) {
			t.Helper()
			news, mine, err := d.RaiseAlarms(d.Context(), faults, "op@example.org", key, d.now, func(alerts.AlarmNews) (alerts.Delivery, error) {
				return alerts.Delivery{MessageID: alerts.NewSecret(), Subject: "alarm"}, nil
			})
			if err != nil {
				d.Fatal(err)
			}
			return mine, news
		}
		mails := func() (n int) {
			t.Helper()
			if err := d.db.QueryRow(`SELECT count(*) FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE d.kind = 'notice' AND r.address = 'op@example.org'`).Scan(&n); err != nil {
				d.Fatal(err)
			}
			return n
		}
		for range 10 { // each look is by another process: nothing is kept but in the database
			if mine, _ := look(fault); !mine {
				d.Fatal("nobody looked, and it is said that somebody had")
			}
			if mine, _ := look(nil); mine {
				d.Fatal("two look in the same half minute")
			}
			d.now = d.now.Add(time.Minute)
		}
		if n := mails(); n != 1 {
			d.Errorf("%d mails about one fault", n)
		}
		for range 10 {
			look(nil)
			d.now = d.now.Add(time.Minute)
		}
		if n := mails(); n != 2 {
			d.Errorf("%d mails about a fault and its end, want 2", n)
		}
		// A mail that cannot be queued leaves the alarm untold, to be told at the next look.
		for range 5 {
			look(fault)
			d.now = d.now.Add(time.Minute)
		}
		broken := errors.New("no words")
		if _, _, err := d.RaiseAlarms(d.Context(), fault, "op@example.org", key, d.now, func(alerts.AlarmNews) (alerts.Delivery, error) { return alerts.Delivery{}, broken }); !errors.Is(err, broken) {
			d.Errorf("the mail could not be written, and the error is %v", err)
		}
		if _, news := look(fault); len(news.Raised) != 1 || mails() != 3 {
			d.Errorf("it is not told at the next look: %+v, %d mails", news, mails())
		}
	})
}
