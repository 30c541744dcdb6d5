package compose_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/audit"
	"github.com/sitenotice/sitenotice/alerts/compose"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

func TestAskedForOneTidyMail(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		atHome := w.subscribe("pat", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.subscribe("pat", circle(office, 500, "the office"), alerts.Immediate)
		w.happen(alerts.EventReceived, "near both", at(home))
		w.happen(alerts.EventReceived, "near the office", at(office))
		w.composed(1)
		mail := w.oneMail()
		for _, once := range []string{"Reference near both,", "Also within 500 m of the office", "Within 500 m of NW1 8NH\n", "Within 500 m of the office\n"} {
			if n := strings.Count(mail.Text, once); n != 1 {
				t.Errorf("%q occurs %d times, want once:\n%s", once, n, mail.Text)
			}
		}
		w.wasTold(atHome, "received near both", "received near the office")
		if n := w.count(`SELECT count(*) FROM match WHERE delivery_id IS NULL`); n != 0 {
			t.Errorf("%d matches are still owed", n)
		}
	})
}

func TestDigestsComeAtSevenAndNothingIsToldTwice(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) { // it is Monday
		daily := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		weekly := w.subscribe("wim", circle(home, 500, "NW1 8NH"), alerts.Weekly)
		w.happen(alerts.EventReceived, "1", at(home))
		w.composed(0)
		w.until("2026-05-05 06:59")
		w.composed(0)
		w.until("2026-05-05 07:00")
		w.composed(1)
		w.composed(0) // running twice makes nothing
		w.wasTold(daily, "received 1")
		w.until("2026-05-05 07:05")
		w.happen(alerts.EventReceived, "2", at(home))
		w.composed(0)
		w.until("2026-05-06 10:00") // three hours late
		w.composed(1)
		w.wasTold(daily, "received 1", "received 2")
		w.until("2026-05-07 07:00") // Thursday
		w.composed(1)
		w.wasTold(weekly, "received 1", "received 2")
		w.happen(alerts.EventReceived, "3", at(home))
		w.until("2026-05-15 12:00") // eight days of nothing
		w.composed(2)
		w.wasTold(daily, "received 1", "received 2", "received 3")
		w.wasTold(weekly, "received 1", "received 2", "received 3")
		w.happen(alerts.EventReceived, "4", at(home))
		w.composed(0)
		w.until("2026-05-16 07:00")
		w.composed(1)
	})
}

// What is muted is not told, in whatever area, from the next mail on; what was owed
// meanwhile stays untold when the mute is undone.
func TestAskedForHearingNoMoreOfOneThing(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.exec("DELETE FROM mute")
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		other := w.subscribe("bo", circle(home, 500, "NW1 8NH"), alerts.Daily)
		house := at(home)
		house.Address = "14 Lamplighter Street, London NW1 8NH"
		w.happen(alerts.EventReceived, "1", at(home)) // owed before it is muted
		w.match()
		m, _ := alerts.MuteOf(alerts.MuteSite, 0, "camden", &alerts.Details{Address: at(home).Address})
		m.RecipientID = sub.RecipientID
		if err := w.Mute(t.Context(), m, w.now); err != nil {
			t.Fatal(err)
		}
		w.happen(alerts.EventReceived, "2", at(home))
		w.happen(alerts.EventReceived, "3", house)
		w.until("2026-05-05 07:00")
		w.composed(2)
		w.wasTold(sub, "received 3")
		w.wasTold(other, "received 1", "received 2", "received 3")
		if got := w.closed(sub); len(got) != 1 || got[0] != alerts.ClosedByMute {
			t.Errorf("closed because %q, want because of the mute", got)
		}
		mutes, err := w.Mutes(t.Context(), sub.RecipientID)
		if err != nil || len(mutes) != 1 {
			t.Fatal(mutes, err)
		}
		if err := w.Unmute(t.Context(), sub.RecipientID, mutes[0].ID); err != nil {
			t.Fatal(err)
		}
		w.happen(alerts.EventAmended, "2", at(home))
		w.until("2026-05-06 07:00")
		w.composed(2)
		w.wasTold(sub, "received 3", "amended 2")
	})
}

func TestADueMomentWithoutNewsPasses(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		both := w.subscribe("bo", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.subscribe("bo", circle(far, 500, "E8 4AA"), alerts.Weekly)
		w.happen(alerts.EventReceived, "1", at(far)) // so that Bo is owed something all the time
		w.until("2026-05-05 07:00")
		w.composed(0)
		w.until("2026-05-05 07:01")
		w.happen(alerts.EventReceived, "2", at(home))
		w.composed(0)
		w.until("2026-05-06 06:59")
		w.composed(0)
		w.until("2026-05-06 07:00")
		w.composed(2)
		w.until("2026-05-06 07:01")
		w.happen(alerts.EventReceived, "3", at(home))
		w.composed(0)
		w.wasTold(both, "received 2")
	})
}

func TestDigestsKeepTheirHourWhenClocksChange(t *testing.T) {
	for _, change := range []struct{ name, eve, morning string }{
		{"an hour is skipped", "2027-03-27 12:00", "2027-03-28 07:00"},
		{"an hour is repeated", "2026-10-24 12:00", "2026-10-25 07:00"},
	} {
		t.Run(change.name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				w.until(change.eve)
				sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
				w.happen(alerts.EventReceived, "1", at(home))
				made := 0
				for w.now.Before(mustTime(t, change.morning).Add(26 * time.Hour)) {
					n := w.compose()
					if made += n; n > 0 && !w.now.Equal(mustTime(t, change.morning)) {
						t.Errorf("composed at %v", w.now.In(alerts.London))
					}
					w.wait(15 * time.Minute)
				}
				if made != 1 {
					t.Errorf("%d mails, want 1", made)
				}
				w.wasTold(sub, "received 1")
			})
		})
	}
}

func mustTime(t *testing.T, s string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", s, alerts.London)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestImmediateMailComesAtMostOnceAnHour(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "1", at(home))
		w.composed(1)
		w.wait(time.Minute)
		w.happen(alerts.EventReceived, "2", at(home))
		w.happen(alerts.EventReceived, "3", at(home))
		w.composed(0)
		w.wait(58 * time.Minute)
		w.composed(0)
		w.wait(time.Minute)
		w.composed(1)
		w.wasTold(sub, "received 1", "received 2", "received 3")
	})
}

func TestWhatClosesBeforeTheNextDigestGoesAtOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) { // Monday 4 May, 10:00
		daily := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		weekly := w.subscribe("wim", circle(home, 500, "NW1 8NH"), alerts.Weekly)
		w.happen(alerts.EventReceived, "tomorrow", closing(home, "2026-05-05"))
		w.happen(alerts.EventReceived, "thursday", closing(home, "2026-05-07"))
		w.happen(alerts.EventReceived, "friday", closing(home, "2026-05-08"))
		w.happen(alerts.EventReceived, "past", closing(home, "2026-05-03"))
		w.composed(2)
		for _, d := range w.send() {
			if d.Cadence != alerts.Immediate {
				t.Errorf("a mail that goes at once is called %s", d.Cadence)
			}
		}
		w.wasTold(daily, "received tomorrow")
		w.wasTold(weekly, "received tomorrow", "received thursday")
		w.happen(alerts.EventReceived, "today", closing(home, "2026-05-04"))
		w.composed(0) // within the hour of the last
		w.wait(time.Hour)
		w.composed(2)
		w.until("2026-05-07 07:00")
		w.composed(2)
		w.wasTold(daily, "received tomorrow", "received today", "received thursday", "received friday", "received past")
		w.wasTold(weekly, "received tomorrow", "received thursday", "received today", "received friday", "received past")
	})
}

func TestAnotherCadenceRepeatsAndLosesNothing(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "told at once", at(home))
		w.composed(1)
		w.happen(alerts.EventReceived, "owed when she changes", at(home))
		w.edit(sub, 500, alerts.Daily)
		w.wait(2 * time.Hour)
		w.composed(0)
		w.until("2026-05-05 07:00")
		w.composed(1)
		w.edit(sub, 500, alerts.Immediate)
		w.wait(2 * time.Hour)
		w.composed(0)
		w.wasTold(sub, "received told at once", "received owed when she changes")
	})
}

func TestNothingIsSentAboutWhatWasEndedHiddenOrUnwantedMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, sub alerts.Subscription)
		why    string
	}{
		{"ended", func(w *world, sub alerts.Subscription) {
			if _, err := w.End(w.Context(), sub.ID, "/stop", w.now); err != nil {
				w.Fatal(err)
			}
		}, alerts.ClosedByEnd},
		{"hidden", func(w *world, _ alerts.Subscription) { w.exec(`UPDATE application SET hidden = TRUE`) }, "the case was taken down"},
		{"a smaller radius", func(w *world, sub alerts.Subscription) { w.edit(sub, 100, alerts.Daily) }, "no longer wanted, since the subscription was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, w *world) {
				sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
				w.happen(alerts.EventReceived, "1", at(office))
				c.change(w, sub)
				w.until("2026-05-05 07:00")
				w.composed(0)
				if got := strings.Join(w.closed(sub), "; "); got != c.why {
					t.Errorf("closed because %q, want %q", got, c.why)
				}
				if n := w.owed(sub); n != 0 {
					t.Errorf("%d matches are still owed", n)
				}
			})
		})
	}
}

func TestACaseChangedTwiceIsOneCardWithItsLatestState(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.subscribe("dora", circle(far, 500, "E8 4AA"), alerts.Daily)
		w.happen(alerts.EventReceived, "1", at(home))
		first := at(home)
		first.Description = "Two-storey rear extension"
		w.happen(alerts.EventAmended, "1", first)
		w.happen(alerts.EventDecided, "1", decided(home))
		w.until("2026-05-05 07:00")
		w.composed(1)
		mail := w.oneMail()
		if n := strings.Count(mail.Text, "Reference 1,"); n != 1 {
			t.Errorf("the case is shown %d times", n)
		}
		for _, want := range []string{"New · Changed · Approved", "Approved on 20 May 2026"} {
			if !strings.Contains(mail.Text, want) {
				t.Errorf("%q is missing in\n%s", want, mail.Text)
			}
		}
	})
}

func TestAnEventThatIsHeldShowsInNothing(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "1", at(home))
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "1", Type: alerts.EventDecided, Details: decided(home), State: alerts.EventHeld})
		w.match()
		w.composed(1)
		if mail := w.oneMail(); strings.Contains(mail.Text, "Approved") || strings.Contains(mail.HTML, "Approved") {
			t.Errorf("a held decision is told:\n%s", mail.Text)
		}
	})
}

func TestAPauseHoldsMailBackAndResumingCatchesUpInOne(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		if err := w.Pause(t.Context(), sub.RecipientID, sub.ID, alerts.Forever, w.now); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			w.happen(alerts.EventReceived, number(i), closing(home, alerts.DateOf(w.now)))
			w.wait(24 * time.Hour)
			w.composed(0)
		}
		if err := w.Resume(t.Context(), sub.RecipientID, sub.ID, w.now); err != nil {
			t.Fatal(err)
		}
		w.composed(1)
		w.composed(0)
		w.wasTold(sub, "received "+number(0), "received "+number(1), "received "+number(2))
	})
}

func TestAPauseOfOneAreaDoesNotHoldBackAnother(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		paused := w.subscribe("pat", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		open := w.subscribe("pat", circle(office, 500, "the office"), alerts.Immediate)
		if err := w.Pause(t.Context(), paused.RecipientID, paused.ID, alerts.Forever, w.now); err != nil {
			t.Fatal(err)
		}
		w.happen(alerts.EventReceived, "both", at(home))
		w.composed(1)
		mail := w.oneMail()
		if strings.Contains(mail.Text, "NW1 8NH\n---") {
			t.Errorf("the paused area has a section:\n%s", mail.Text)
		}
		if err := w.Resume(t.Context(), paused.RecipientID, paused.ID, w.now); err != nil {
			t.Fatal(err)
		}
		w.wait(2 * time.Hour)
		w.composed(0) // told already
		w.wasTold(open, "received both")
	})
}

func TestTakingAnAreaUpAgainDoesNotRepeatWhatAnotherTold(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		stopped := w.subscribe("pat", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.subscribe("pat", circle(office, 500, "the office"), alerts.Immediate)
		w.happen(alerts.EventReceived, "both", at(home))
		w.happen(alerts.EventReceived, "only the first", at(geo.Point{Lon: home.Lon - 0.005, Lat: home.Lat}))
		if _, err := w.End(t.Context(), stopped.ID, "/stop", w.now); err != nil {
			t.Fatal(err)
		}
		w.composed(1)
		w.wasTold(stopped, "received both")
		if _, err := w.Undo(t.Context(), stopped.RecipientID, stopped.ID, nil, w.now); err != nil {
			t.Fatal(err)
		}
		w.until("2026-05-05 07:00")
		w.composed(1)
		w.wasTold(stopped, "received both", "received only the first")
	})
}

func TestACorrectionReachesOnlyWhoWasTold(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		told := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		waiting := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.happen(alerts.EventReceived, "1", at(home))
		w.composed(1)
		w.send()
		w.wait(2 * time.Hour)
		w.happen(alerts.EventLocated, "1", at(far))
		w.composed(1)
		mail := w.oneMail()
		if !strings.HasPrefix(mail.Subject, "Correction: ") || !strings.Contains(strings.Join(strings.Fields(mail.Text), " "), "it is not within 500 m of NW1 8NH") {
			t.Errorf("the correction says %q:\n%s", mail.Subject, mail.Text)
		}
		w.wasTold(told, "received 1", "located 1")
		w.until("2026-05-05 07:00")
		w.composed(0)
		if got := strings.Join(w.closed(waiting), "; "); got != "it corrects what had not been told; the case was corrected before it was told" {
			t.Errorf("closed because %q", got)
		}
	})
}

func TestARemovedCaseIsToldToWhoHadHeardOfIt(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "1", at(home))
		w.composed(1)
		w.send()
		w.wait(2 * time.Hour)
		w.happen(alerts.EventRemoved, "1", at(home))
		w.exec(`UPDATE application SET hidden = TRUE`)
		w.composed(1)
		if mail := w.oneMail(); !strings.HasPrefix(mail.Subject, "Taken down: ") {
			t.Errorf("the subject is %q", mail.Subject)
		}
		w.wasTold(sub, "received 1", "removed 1")
	})
}

// A mistaken file is taken back: who was told hears of it, who was not hears of
// nothing, and what is still to be sent is not.
func TestWhatIsTakenBackIsCorrectedOnlyForWhoHadHeardOfIt(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		told := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		waiting := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.happen(alerts.EventDecided, "1", at(home))
		w.composed(1)
		w.send()
		w.wait(2 * time.Hour)
		w.happen(alerts.EventRecalled, "1", at(home))
		w.composed(1)
		mail := w.oneMail()
		if !strings.Contains(strings.Join(strings.Fields(mail.Text), " "), "the file in which we read it was a mistake") {
			t.Errorf("%q:\n%s", mail.Subject, mail.Text)
		}
		w.wasTold(told, "decided 1", "recalled 1")
		w.until("2026-05-05 07:00")
		w.composed(0)
		if got := w.closed(waiting); len(got) != 2 {
			t.Errorf("closed because %q", got)
		}
	})
}

func TestDigestsWaitForTheMatcherButNotForLong(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		w.happen(alerts.EventReceived, "matched", at(home))
		w.until("2026-05-05 06:59")
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "not yet", Type: alerts.EventReceived, Details: at(home)})
		w.until("2026-05-05 07:00")
		w.composed(0)
		w.until("2026-05-05 07:10")
		w.composed(0)
		w.match()
		w.composed(1)
		mail := w.oneMail()
		if !strings.Contains(mail.Text, "Reference matched,") || !strings.Contains(mail.Text, "Reference not yet,") {
			t.Errorf("the digest lacks something:\n%s", mail.Text)
		}
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "late", Type: alerts.EventReceived, Details: at(home)})
		w.match()
		w.register.Happen(t, w.now, storetest.Occurrence{Authority: "camden", Reference: "stuck", Type: alerts.EventReceived, Details: at(home)})
		w.until("2026-05-06 07:00")
		w.composed(0)
		w.until("2026-05-06 07:15")
		w.composed(1) // the matcher is stuck; what there is goes out
	})
}

func TestADigestOfThousandsIsSummarisedAndLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands take too long in a short run: the full one has them")
	}
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		var list []storetest.Occurrence
		for i := range 3000 {
			d := at(home)
			d.Description = strings.Repeat("A long description of what is proposed. ", 40)
			list = append(list, storetest.Occurrence{Authority: "camden", Reference: number(i), Type: alerts.EventReceived, Details: d})
		}
		w.register.Happen(t, w.now, list...)
		w.match()
		w.until("2026-05-05 07:00")
		w.composed(1)
		mail := w.oneMail()
		if len(mail.HTML) > 90_000 || len(mail.Text) > 90_000 {
			t.Errorf("%d bytes of HTML and %d of text are too many", len(mail.HTML), len(mail.Text))
		}
		if !strings.Contains(strings.Join(strings.Fields(mail.Text), " "), "more than this mail has room for") || !strings.HasPrefix(mail.Subject, "3,000 near NW1 8NH: ") {
			t.Errorf("%q does not say how many there are", mail.Subject)
		}
		if n := w.owed(sub); n != 0 {
			t.Errorf("%d are still owed", n)
		}
	})
}

func TestAKillWhileComposingStoresAllOrNothing(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		subs := []alerts.Subscription{}
		for i := range 5 {
			subs = append(subs, w.subscribe(fmt.Sprintf("resident%d", i), circle(home, 500, "NW1 8NH"), alerts.Immediate))
		}
		w.happen(alerts.EventReceived, "1", at(home))
		for kill := range 5 {
			n := 0
			stage := w.stage()
			stage.Store = dyingStore{w.Store, func() bool { n++; return n > kill }}
			if _, err := stage.Run(t.Context()); !errors.Is(err, errKilled) {
				t.Fatalf("killed at mail %d: %v", kill, err)
			}
			if made, told := w.count(`SELECT count(*) FROM delivery WHERE kind = 'alert'`), w.count(`SELECT count(*) FROM match WHERE delivery_id IS NOT NULL`); made != told || made != 0 {
				t.Fatalf("killed at mail %d: %d deliveries for %d matches", kill, made, told)
			}
		}
		w.composed(5)
		for _, sub := range subs {
			w.wasTold(sub, "received 1")
		}
	})
}

var errKilled = errors.New("killed")

// A dyingStore dies while a mail is being written.
type dyingStore struct {
	compose.Store
	dies func() bool
}

func (d dyingStore) ComposeFor(ctx context.Context, subscribers []int64, now time.Time, ready []alerts.Cadence, past alerts.Past, write func(alerts.Bulletin) (alerts.Delivery, error)) (int, error) {
	var one sync.Mutex // several mails are written at once
	return d.Store.ComposeFor(ctx, subscribers, now, ready, past, func(b alerts.Bulletin) (alerts.Delivery, error) {
		one.Lock()
		dies := d.dies()
		one.Unlock()
		if dies {
			return alerts.Delivery{}, errKilled
		}
		return write(b)
	})
}

func TestTwoComposersTellEachPersonOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		const people = 40
		var subs []alerts.Subscription
		for i := range people {
			subs = append(subs, w.subscribe(fmt.Sprintf("resident%d", i), circle(home, 500, "NW1 8NH"), alerts.Immediate))
		}
		w.happen(alerts.EventReceived, "1", at(home))
		var group sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 4 {
			group.Go(func() {
				r, err := w.stage().Run(t.Context())
				mu.Lock()
				defer mu.Unlock()
				made += r.Deliveries
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		made += w.compose() // whom one process left to another that had passed him by
		if made != people {
			t.Errorf("%d mails for %d people", made, people)
		}
		for _, sub := range subs {
			w.wasTold(sub, "received 1")
		}
	})
}

func TestGivingUpOwesAgainAndWaitsADay(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		sub := w.subscribe("dora", circle(office, 500, "the office"), alerts.Weekly)
		w.happen(alerts.EventReceived, "1", closing(home, "2026-05-08"))
		w.until("2026-05-07 07:00") // Thursday: both are due, in one mail
		w.composed(1)
		claimed, err := w.ClaimDeliveries(t.Context(), "test", 10, w.now, time.Minute)
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		if got := strings.Join([]string{string(claimed[0].Cadence), header(claimed[0], "List-Id")}, " "); got != "weekly <weekly.alerts.alerts.example.org>" {
			t.Errorf("the mail is %s", got)
		}
		if err := w.RecordAttempts(t.Context(), "test", []alerts.Attempt{{Delivery: claimed[0], Then: alerts.DeliveryGivenUp, Outcome: alerts.Outcome{Class: alerts.Permanent}}}, w.now); err != nil {
			t.Fatal(err)
		}
		for w.now.Before(mustTime(t, "2026-05-08 07:00")) { // it closes tomorrow, so one more try goes at once
			n := w.compose()
			if n > 1 {
				t.Fatalf("%d mails at once", n)
			}
			if n == 1 {
				w.wasTold(sub, "received 1")
			}
			w.wait(time.Hour)
		}
		w.wasTold(sub, "received 1")
		w.until("2026-05-16 08:00")
		w.composed(0)
	})
}

func header(d alerts.Delivery, name string) string {
	for _, h := range d.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

func TestTheOperatorIsToldOnceOfEachNotice(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for _, key := range []string{"held:york", "failed:leeds"} {
			if err := w.Notice(t.Context(), key, "The feed needs a look.\nSee what it would send.", w.now); err != nil {
				t.Fatal(err)
			}
		}
		w.composed(1)
		w.composed(0)
		claimed, err := w.ClaimDeliveries(t.Context(), "test", 10, w.now, time.Minute)
		if err != nil || len(claimed) != 1 || claimed[0].Address != "operator@example.org" || claimed[0].Subject != "Sitenotice needs a look: 2 things" {
			t.Errorf("%v %+v", err, claimed)
		}
		if _, err := w.ClearNotice(t.Context(), "held:york"); err != nil {
			t.Fatal(err)
		}
		if err := w.Notice(t.Context(), "held:york", "Again.", w.now); err != nil {
			t.Fatal(err)
		}
		w.composed(1)
	})
}

func TestWhoAskedIsToldOnceWhenACouncilIsCovered(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Daily)
		if err := w.WishCoverage(t.Context(), sub.RecipientID, []string{"E09000019", "E09000007"}, w.now); err != nil {
			t.Fatal(err)
		}
		w.composed(1) // Camden is covered
		w.composed(0)
		w.exec(`INSERT INTO authority (slug, name, district) VALUES ('islington', 'London Borough of Islington', 'E09000019')`)
		w.exec(`INSERT INTO feed (slug, authority, declaration, last_complete) VALUES ('islington', 'islington', '', 0)`)
		w.exec(`INSERT INTO feed_authority (feed_id, authority) SELECT id, authority FROM feed WHERE slug = 'islington'`)
		w.composed(0) // declared, but not read yet
		w.exec(`UPDATE feed SET last_complete = 1`)
		w.composed(1)
		w.composed(0)
	})
}

func TestTheContactOfAFeedHearsOfEachFaultOnceAndWhenItIsMended(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.exec(`UPDATE feed SET contact = 'data@camden.example' WHERE slug = 'camden'`)
		f, err := w.Feed(t.Context(), "camden")
		if err != nil {
			t.Fatal(err)
		}
		stale := alerts.FeedFault{Kind: alerts.FaultStale, Detail: "It was last read completely on <b>Monday</b>."}
		set := func(faults ...alerts.FeedFault) {
			t.Helper()
			if err := w.SetFaults(t.Context(), f, faults, w.now); err != nil {
				t.Fatal(err)
			}
		}
		last := func() alerts.Delivery {
			t.Helper()
			claimed, err := w.ClaimDeliveries(t.Context(), "test", 10, w.now, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range claimed {
				if d.Address == "data@camden.example" {
					return d
				}
			}
			t.Fatalf("nothing to the contact among %d mails", len(claimed))
			return alerts.Delivery{}
		}
		set(stale)
		w.composed(2) // one to whoever runs the service
		if d := last(); d.Subject != "The planning applications of London Borough of Camden: a look is needed" || !strings.Contains(d.Text, "<b>Monday</b>") || strings.Contains(d.HTML, "<b>Monday") {
			t.Errorf("%+v", d)
		}
		set(stale)
		w.composed(0)
		set()
		w.composed(1)
		if d := last(); d.Subject != "The planning applications of London Borough of Camden: mended" || !strings.Contains(d.Text, "Mended: it has not been read completely") {
			t.Errorf("%+v", d)
		}
		w.composed(0)
		set(stale)
		set() // mended before anybody was told
		w.composed(0)
	})
}

// Somebody who was left out, by whatever fault, is told late and with a word that
// says so; what nobody asked for is not told. The next night finds nothing.
func TestNightlyAuditTellsThoseWhoWereLeftOut(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		near := w.subscribe("ann", circle(home, 500, "NW1 8NH"), alerts.Daily)
		away := w.subscribe("bob", circle(far, 500, "E2 8AA"), alerts.Daily)
		w.happen(alerts.EventReceived, "2026/0001/P", at(home))
		w.happen(alerts.EventReceived, "2026/0002/P", at(home))
		// Two faults at once: the ledger loses one match, and gains one too many.
		w.exec(`DELETE FROM match WHERE seq = 2`)
		w.exec(`INSERT INTO match (version_id, seq, recipient_id) VALUES ($1, 1, $2)`, away.Current.ID, away.RecipientID)
		w.until("2026-05-05 05:10")
		night := func() audit.Report {
			t.Helper()
			r, err := audit.Night(t.Context(), w.Store, w.now)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if r := night(); len(r.Missing) != 1 || len(r.Extra) != 1 {
			t.Fatalf("the audit found %+v", r)
		}
		w.until("2026-05-05 07:00")
		w.composed(2) // the digest, and a notice to the operator
		d := w.oneMail()
		if d.RecipientID != near.RecipientID || strings.Count(strings.Join(strings.Fields(d.Text), " "), "We should have told you of this earlier. Our nightly check found on 5 May 2026 that we had not") != 1 {
			t.Errorf("the mail says\n%s", d.Text)
		}
		if n := w.count(`SELECT count(*) FROM match WHERE version_id = $1`, away.Current.ID); n != 0 {
			t.Errorf("the match too many is still there")
		}
		if r := night(); !r.OK() {
			t.Errorf("the next audit found %+v", r)
		}
		trust, err := w.Trust(t.Context())
		if want := (alerts.Trust{Nights: 2, Since: trust.Since, Last: trust.Last, Missing: 1, Mended: 1, Extra: 1}); err != nil || trust != want {
			t.Errorf("in public: %+v, want %+v (%v)", trust, want, err)
		}
	})
}

// How soon alerts went out is worked out of what was sent at once.
func TestTimelinessIsMeasured(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.subscribe("ann", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.subscribe("bob", circle(home, 500, "NW1 8NH"), alerts.Weekly)
		for i := range 4 {
			w.happen(alerts.EventReceived, number(i), at(home))
			w.wait(time.Duration(i+1) * time.Minute)
			w.compose()
			w.send()
			w.wait(2 * time.Hour)
		}
		if err := w.MeasureTimeliness(t.Context(), w.now.AddDate(0, 0, -30), w.now); err != nil {
			t.Fatal(err)
		}
		got, err := w.Timeliness(t.Context(), []string{"camden"})
		want := alerts.Timeliness{Authority: "camden", At: w.now.UnixMilli(), Told: 4, Prompt: 4, Median: 2 * 60_000, P95: 4 * 60_000}
		if err != nil || got["camden"] != want {
			t.Errorf("got %+v, want %+v (%v)", got["camden"], want, err)
		}
	})
}
