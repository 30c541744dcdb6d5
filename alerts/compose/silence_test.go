package compose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// set stores what a subscriber wants of reminders and notes.
func (w *world) prefer(sub alerts.Subscription, p alerts.Preferences) {
	w.Helper()
	if err := w.SetPreferences(w.Context(), sub.RecipientID, p, w.now); err != nil {
		w.Fatal(err)
	}
}

// flat is the text of a mail on one line.
func flat(d alerts.Delivery) string { return strings.Join(strings.Fields(d.Text), " ") }

// all accepts all mail that is due, of whatever kind, and returns it.
func (w *world) all() []alerts.Delivery {
	w.Helper()
	var out []alerts.Delivery
	for {
		claimed, err := w.ClaimDeliveries(w.Context(), "test", 100, w.now, time.Minute)
		if err != nil {
			w.Fatal(err)
		}
		if len(claimed) == 0 {
			return out
		}
		var attempts []alerts.Attempt
		for _, d := range claimed {
			attempts = append(attempts, alerts.Attempt{Delivery: d, At: w.now.UnixMilli(), Then: alerts.DeliverySent})
		}
		if err := w.RecordAttempts(w.Context(), "test", attempts, w.now); err != nil {
			w.Fatal(err)
		}
		out = append(out, claimed...)
	}
}

// publish changes the application's row, as a reading without an event would.
func (w *world) moveDeadline(reference string, until alerts.Date) {
	w.Helper()
	w.happen(alerts.EventConsultation, reference, closing(home, until))
}

func TestAReminderComesOnceForEachClosingDate(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) { // Monday 4 May, 10:00
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.subscribe("nobody", circle(home, 500, "NW1 8NH"), alerts.Immediate) // who has not asked for reminders
		w.prefer(sub, alerts.Preferences{Remind: 3, Notes: true})
		w.happen(alerts.EventReceived, "1", closing(home, "2026-05-20"))
		w.composed(2)
		w.send()
		w.until("2026-05-17 06:59")
		w.composed(0)
		w.until("2026-05-17 07:00")
		w.composed(1)
		mail := w.all()[0]
		if want := "Reminder: rear extension at 12 Lamplighter Street; comment by 20 May (3 days left)"; mail.Subject != want {
			t.Errorf("the subject is %q, want %q", mail.Subject, want)
		}
		if !strings.Contains(flat(mail), "We told you of this before. It is not decided yet.") || !strings.Contains(flat(mail), "Stop all reminders of closing dates:") {
			t.Error(mail.Text)
		}
		w.composed(0)
		w.until("2026-05-18 07:00")
		w.composed(0)
		// A closing date that moves is another one.
		w.moveDeadline("1", "2026-06-10")
		w.composed(2) // the change itself
		w.send()
		w.until("2026-06-06 12:00")
		w.composed(0)
		w.until("2026-06-07 07:00")
		w.composed(1)
		w.send()
		w.until("2026-06-09 07:00")
		w.composed(0)
	})
}

func TestAReminderSurvivesAnOutageAndIsNotSentTooLate(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.prefer(sub, alerts.Preferences{Remind: 7})
		w.happen(alerts.EventReceived, "1", closing(home, "2026-05-20"))
		w.happen(alerts.EventReceived, "2", closing(home, "2026-05-13"))
		w.composed(1)
		w.send()
		w.until("2026-05-18 03:00") // nobody was at work for days
		w.composed(0)               // and nobody is woken at night
		w.until("2026-05-18 08:00")
		w.composed(1)
		if mail := w.all()[0]; !strings.Contains(mail.Subject, "(2 days left)") || strings.Contains(mail.Text, "13 May") {
			t.Errorf("%s\n%s", mail.Subject, mail.Text)
		}
	})
}

func TestNobodyIsRemindedOfWhatIsOverMutedOrJustTold(t *testing.T) {
	for name, change := range map[string]func(w *world, sub alerts.Subscription){
		"decided": func(w *world, _ alerts.Subscription) {
			d := closing(home, "2026-05-20")
			d.Decision, d.Decided = alerts.DecisionRefused, "2026-05-06"
			w.happen(alerts.EventDecided, "1", d)
			w.composed(1)
			w.send()
		},
		"taken down": func(w *world, _ alerts.Subscription) { w.exec(`UPDATE application SET hidden = TRUE`) },
		"no longer wanted": func(w *world, sub alerts.Subscription) {
			if err := w.Edit(w.Context(), sub.RecipientID, sub.ID, alerts.Wish{Area: sub.Current.Area, Filter: alerts.Filter{Exclude: []string{"extension"}}, Cadence: alerts.Immediate}, w.now); err != nil {
				w.Fatal(err)
			}
		},
		"muted": func(w *world, sub alerts.Subscription) {
			m, _ := alerts.MuteOf(alerts.MuteKind, 1, "camden", &alerts.Details{Kind: alerts.KindHouseholder})
			m.RecipientID = sub.RecipientID
			if err := w.Mute(w.Context(), m, w.now); err != nil {
				w.Fatal(err)
			}
		},
		"reminders stopped": func(w *world, sub alerts.Subscription) {
			if _, err := w.SetExtras(w.Context(), sub.RecipientID, []alerts.Cadence{alerts.Reminders}, false, w.now); err != nil {
				w.Fatal(err)
			}
		},
		"the area ended": func(w *world, sub alerts.Subscription) {
			if _, err := w.End(w.Context(), sub.ID, "/stop", w.now); err != nil {
				w.Fatal(err)
			}
		},
		"held": func(w *world, _ alerts.Subscription) {
			w.exec(`INSERT INTO event (application_id, version, type, state, at, run_id, after) SELECT id, 99, 'amended', 'held', 0, 1, details FROM application`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
				w.prefer(sub, alerts.Preferences{Remind: 3})
				d := closing(home, "2026-05-20")
				d.Description = "Rear extension"
				w.happen(alerts.EventReceived, "1", d)
				w.composed(1)
				w.send()
				w.wait(2 * time.Hour)
				change(w, sub)
				w.until("2026-05-18 07:00")
				w.composed(0)
			})
		})
	}
	t.Run("told within the days", func(t *testing.T) {
		eachWorld(t, func(t *testing.T, w *world) {
			sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
			w.prefer(sub, alerts.Preferences{Remind: 7})
			w.happen(alerts.EventReceived, "1", closing(home, "2026-05-10"))
			w.composed(1)
			w.send()
			w.until("2026-05-09 07:00")
			w.composed(0)
		})
	})
}

func TestAReminderGoesWithTheDigestOfTheMorning(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.happen(alerts.EventReceived, "1", closing(home, "2026-05-20"))
		w.until("2026-05-05 07:00")
		w.composed(1)
		w.send()
		w.prefer(sub, alerts.Preferences{Remind: 3}) // also of what was told before
		w.until("2026-05-16 12:00")
		w.happen(alerts.EventReceived, "2", at(office))
		w.until("2026-05-17 07:00")
		w.composed(1)
		mail := w.all()[0]
		if text := flat(mail); !strings.Contains(text, "Closing soon, and not decided yet") || !strings.Contains(text, "Reference 1,") || !strings.Contains(text, "Reference 2,") || header(mail, "List-Id") != "<daily.alerts.alerts.example.org>" {
			t.Errorf("%s", mail.Text)
		}
	})
}

func TestAReminderThatCouldNotBeSentIsTriedAgain(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.prefer(sub, alerts.Preferences{Remind: 7})
		w.happen(alerts.EventReceived, "1", closing(home, "2026-05-20"))
		w.composed(1)
		w.send()
		w.until("2026-05-13 07:00")
		w.composed(1)
		claimed, err := w.ClaimDeliveries(t.Context(), "test", 1, w.now, time.Minute)
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		if err := w.RecordAttempts(t.Context(), "test", []alerts.Attempt{{Delivery: claimed[0], Then: alerts.DeliveryGivenUp, Outcome: alerts.Outcome{Class: alerts.Permanent}}}, w.now); err != nil {
			t.Fatal(err)
		}
		w.until("2026-05-14 07:00")
		w.composed(1)
		w.all()
		w.composed(0)
	})
}

// stale says that Camden's feed has not been read for days.
func (w *world) stale(faults ...alerts.FeedFault) {
	w.Helper()
	f, err := w.Feed(w.Context(), "camden")
	if err != nil {
		w.Fatal(err)
	}
	if err := w.SetFaults(w.Context(), f, faults, w.now); err != nil {
		w.Fatal(err)
	}
	w.exec(`DELETE FROM notice`) // what the operator gets is another matter
}

func (w *world) readAgain() {
	w.Helper()
	w.exec(`UPDATE feed SET last_complete = $1 WHERE slug = 'camden'`, w.now.UnixMilli())
	w.stale()
}

func TestAskedForBeingToldWhenDataStopped(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) { // Monday 4 May, 10:00
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "old", Type: alerts.EventReceived, Details: at(home)})
		w.match()
		near := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.subscribe("far", circle(far, 500, "E8 4AA"), alerts.Daily)
		whole := w.subscribe("whole", alerts.Area{Kind: alerts.AreaAuthority, Code: "camden", Label: "Camden"}, alerts.Weekly)
		w.stale(alerts.FeedFault{Kind: alerts.FaultStale, Detail: "It was last read completely long ago."})
		w.composed(0) // it may be over within hours
		w.wait(7 * time.Hour)
		w.composed(2)
		mails := w.all()
		if len(mails) != 2 || mails[0].RecipientID != near.RecipientID || mails[1].RecipientID != whole.RecipientID {
			t.Fatalf("%+v", mails)
		}
		if m := mails[0]; m.Subject != "Not read at the moment: London Borough of Camden" || !strings.Contains(flat(m), "last read completely on 4 May 2026 at 07:00, London time") || m.Kind != alerts.DeliveryOutage {
			t.Errorf("%s\n%s", m.Subject, m.Text)
		}
		w.composed(0)
		w.wait(48 * time.Hour)
		w.composed(0)
		w.wait(time.Hour)
		w.readAgain()
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "meanwhile", Type: alerts.EventReceived, Details: at(home)})
		w.composed(0) // what was read has not been matched yet
		w.match()
		w.composed(2)
		for _, m := range w.all() {
			if text := flat(m); !strings.Contains(text, "It is being read again since 6 May 2026 at 18:00, London time. This is what came in the meantime near you.") || !strings.Contains(text, "Reference meanwhile,") || strings.Contains(text, "Reference old,") {
				t.Errorf("%s\n%s", m.Subject, m.Text)
			}
		}
		w.composed(0)
		w.until("2026-05-07 07:00")
		w.composed(0)
	})
}

func TestARegisterThatComesBackWithoutNewsSaysSo(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "old", Type: alerts.EventReceived, Details: at(home)})
		w.match()
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.stale(alerts.FeedFault{Kind: alerts.FaultStale, Detail: "x"})
		w.wait(7 * time.Hour)
		w.composed(1)
		w.all()
		w.wait(time.Hour)
		w.stale() // paused by the operator, say: mended, but not read
		w.composed(0)
		w.readAgain()
		w.exec(`INSERT INTO run (feed_id, period, silent, verdict, started_at, finished_at) SELECT id, 'x', FALSE, 'held', 1, 1 FROM feed`)
		w.exec(`INSERT INTO event (application_id, version, type, state, at, run_id, after) SELECT a.id, 99, 'amended', 'held', 0, r.id, a.details FROM application a, run r`)
		w.composed(0) // something is held, so nobody can say what came
		w.exec(`DELETE FROM event WHERE state = 'held'`)
		w.composed(1)
		m := w.all()[0]
		if m.Subject != "Read again: London Borough of Camden; nothing new near NW1 8NH" || !strings.Contains(flat(m), "Nothing new near you came in the meantime.") || m.RecipientID != sub.RecipientID {
			t.Errorf("%s\n%s", m.Subject, m.Text)
		}
		w.composed(0)
	})
}

// checked adds readings of Camden's register in April.
func (w *world) checked(days int, verdict string) {
	w.Helper()
	for day := range days {
		at := mustTime(w.TB.(*testing.T), "2026-04-01 05:10").AddDate(0, 0, day).UnixMilli()
		w.exec(`INSERT INTO run (feed_id, period, silent, verdict, started_at, finished_at) SELECT id, $1, FALSE, $2, $3, $4 FROM feed`, verdict+alerts.DateOf(time.UnixMilli(at)).Short(), verdict, at, at)
	}
}

func TestAskedForProofThatSilenceMeansNothingHappened(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.now = mustTime(t, "2026-03-20 10:00").UTC()
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "old", Type: alerts.EventReceived, Details: at(home)})
		w.match()
		quiet := w.subscribe("quiet", circle(home, 500, "NW1 8NH"), alerts.Daily)
		told := w.subscribe("told", circle(far, 500, "E8 4AA"), alerts.Daily)
		stopped := w.subscribe("stopped", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.subscribe("nowhere", circle(far, 100, "a place of which we know nothing"), alerts.Daily)
		w.prefer(stopped, alerts.Preferences{Notes: false})
		w.exec(`UPDATE recipient SET noted = '2026-02'`)
		w.checked(24, "complete")
		w.checked(2, "failed")
		w.until("2026-04-10 10:00")
		w.subscribe("new", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.happen(alerts.EventReceived, "far", at(far))
		w.exec(`UPDATE application SET listed = CASE reference WHEN 'far' THEN '2026-04-10' ELSE '2026-03-20' END`)
		w.until("2026-04-11 07:00")
		w.compose()
		w.send()
		w.exec(`UPDATE recipient SET noted = '2026-03'`)
		w.until("2026-05-01 06:59")
		w.composed(0)
		w.until("2026-05-01 07:00")
		w.composed(1)
		m := w.all()[0]
		if m.RecipientID != quiet.RecipientID || m.Subject != "Nothing new near NW1 8NH in April 2026" {
			t.Errorf("to %d: %s", m.RecipientID, m.Subject)
		}
		if !strings.Contains(flat(m), "London Borough of Camden: 26 checks, 2 failed; 1 new application in all of it") {
			t.Error(m.Text)
		}
		if header(m, "List-Id") != "<notes.alerts.alerts.example.org>" {
			t.Error(m.Headers)
		}
		_ = told
		w.composed(0)
		w.until("2026-05-31 23:00")
		w.composed(0)
	})
}

func TestNobodyIsToldOfAQuietMonthThatCannotBeProven(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"hardly read":     func(w *world) { w.exec(`DELETE FROM run WHERE id NOT IN (SELECT min(id) FROM run)`) },
		"readings failed": func(w *world) { w.exec(`UPDATE run SET verdict = 'failed'`) },
		"news is held": func(w *world) {
			w.exec(`INSERT INTO event (application_id, version, type, state, at, run_id, after) SELECT a.id, 99, 'amended', 'held', 0, r.id, a.details FROM application a, (SELECT min(id) AS id FROM run) r`)
		},
		"something is owed": func(w *world) {
			w.happen(alerts.EventReceived, "late", at(home))
		},
		"an outage was told": func(w *world) {
			w.exec(`INSERT INTO delivery (kind, recipient_id, state, priority, message_id, subject, text, html, next_at, created_at) SELECT 'outage', id, 'sent', 10, 'x@y', '', '', '', 0, $1 FROM recipient WHERE kind = 'subscriber'`, w.now.UnixMilli())
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				w.now = mustTime(t, "2026-03-20 10:00").UTC()
				w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "old", Type: alerts.EventReceived, Details: at(home)})
				w.match()
				w.subscribe("quiet", circle(home, 500, "NW1 8NH"), alerts.Weekly)
				w.exec(`UPDATE recipient SET noted = '2026-03'`)
				w.checked(24, "complete")
				w.until("2026-05-01 06:50")
				w.composed(0)
				spoil(w)
				w.until("2026-05-01 07:00")
				w.composed(0)
				w.until("2026-05-02 07:00")
				w.composed(0)
			})
		})
	}
}
