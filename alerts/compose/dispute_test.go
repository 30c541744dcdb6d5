package compose_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// disputes lets so many people say that the place of an application is wrong, and
// returns its number.
func (w *world) disputes(reference string, people int) int64 {
	w.Helper()
	id := w.count(`SELECT id FROM application WHERE reference = $1`, reference)
	for i := range people {
		if err := w.ReportPlace(w.Context(), id, 0, fmt.Sprintf("client %d", i), alerts.Limits{PlacesPerDay: 5}, w.now); err != nil {
			w.Fatal(err)
		}
	}
	return id
}

func (w *world) decide(reference string, c alerts.PlaceDecision) {
	w.Helper()
	act := alerts.Act{Who: "command line", What: string(c.State), Subject: "camden " + reference}
	if _, _, err := w.DecidePlace(w.Context(), alerts.Ref{Authority: "camden", Number: reference}, c, act, w.now); err != nil {
		w.Fatal(err)
	}
	w.match()
}

// recorded gives an application the record that a feed would have left.
func (w *world) recorded(reference string) {
	w.Helper()
	w.exec(`INSERT INTO record (feed_id, source_key, application_id, supplied, details, hash, run_id)
		SELECT f.id, a.reference, a.id, $1, a.details, '', 1 FROM application a, feed f WHERE a.reference = $2`, int64(alerts.FieldSite|alerts.FieldReference), reference)
	w.exec(`INSERT INTO alias (authority, reference_key, application_id) SELECT authority, $1, id FROM application WHERE reference = $2`, alerts.ReferenceKey(reference), reference)
}

func TestADisputedPlaceIsHeldBackFromNewPeopleUntilItIsKept(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		told := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "1", at(home))
		w.recorded("1")
		w.composed(1)
		w.wasTold(told, "received 1")
		fresh := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		council := w.subscribe("kit", alerts.Area{Kind: alerts.AreaAuthority, Code: "camden", Label: "Camden"}, alerts.Immediate)
		w.wait(2 * time.Hour)

		w.disputes("1", 2)
		if places, err := w.DisputedPlaces(w.Context(), 0, 10); err != nil || len(places) != 0 {
			t.Fatalf("two people dispute it: %+v (%v)", places, err)
		}
		w.disputes("1", 3)
		w.composed(1) // to the operator, and nobody else: the feed has no contact
		w.happen(alerts.EventConsultation, "1", closing(home, "2026-06-20"))
		w.compose()
		w.wasTold(told, "received 1", "consultation 1") // whoever knows of it hears how it goes on
		w.wasTold(council, "consultation 1")            // and whoever follows the council
		w.wasTold(fresh)
		if w.owed(fresh) != 1 {
			t.Fatalf("what is held back is not owed: %d", w.owed(fresh))
		}
		x, err := w.Explain(w.Context(), fresh.ID, alerts.Ref{Authority: "camden", Number: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if words := x.Events[1].Words(alerts.English, &x, w.now); !strings.HasPrefix(words, "Not told yet, since people say that its place is wrong") {
			t.Errorf("explained as %q", words)
		}
		w.wait(time.Hour)
		w.decide("1", alerts.PlaceDecision{State: alerts.PlaceKept})
		w.composed(1)
		w.wasTold(fresh, "consultation 1")
		w.wait(time.Hour)
		w.composed(0)
		w.wasTold(told, "received 1", "consultation 1")
	})
}

func TestThreePeopleCannotSilenceAnApplicationForLong(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.happen(alerts.EventReceived, "closes soon", closing(home, "2026-05-20"))
		w.happen(alerts.EventReceived, "never closes", at(office))
		w.disputes("closes soon", 3)
		w.disputes("never closes", 3)
		sub := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventAmended, "closes soon", closing(home, "2026-05-20"))
		w.happen(alerts.EventAmended, "never closes", at(office))
		w.compose()
		w.wasTold(sub)
		w.wait(8 * 24 * time.Hour) // less than a week is left to comment, and a week has passed
		w.compose()
		mail := w.oneMail()
		if text := strings.Join(strings.Fields(mail.Text), " "); strings.Count(text, "People say that its place on the map is wrong") != 2 {
			t.Errorf("the mail does not say that the places are disputed:\n%s", mail.Text)
		}
		w.wasTold(sub, "amended closes soon", "amended never closes")
	})
}

func TestAskedForTheRightPlaceOnTheMap(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		told := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "1", at(home))
		w.recorded("1")
		w.composed(1)
		w.send()
		w.disputes("1", 3)
		w.compose()
		late := w.subscribe("dora", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		missed := w.subscribe("fay", circle(far, 500, "E2 8DY"), alerts.Immediate)
		w.happen(alerts.EventAmended, "1", at(home))
		w.wait(2 * time.Hour)
		w.compose()
		w.wasTold(told, "received 1", "amended 1")
		w.wait(2 * time.Hour)
		w.decide("1", alerts.PlaceDecision{State: alerts.PlaceDropped})
		w.compose()
		mail := w.oneMail()
		if text := strings.Join(strings.Fields(mail.Text), " "); !strings.HasPrefix(mail.Subject, "Correction: ") || !strings.Contains(text, "the place where it was shown was wrong. The right one is not known yet") {
			t.Errorf("the correction says %q:\n%s", mail.Subject, mail.Text)
		}
		w.wasTold(told, "received 1", "amended 1", "corrected 1")
		w.wasTold(late)
		if w.owed(late) != 0 {
			t.Errorf("what was held back for a wrong place is still owed")
		}
		// The right place comes later: only who was missed hears of it.
		w.wait(2 * time.Hour)
		w.decide("1", alerts.PlaceDecision{State: alerts.PlaceMoved, Right: far})
		w.compose()
		if mail := w.oneMail(); mail.RecipientID != missed.RecipientID || !strings.Contains(strings.Join(strings.Fields(mail.Text), " "), "we showed it at a wrong place") {
			t.Errorf("to %d: %q:\n%s", mail.RecipientID, mail.Subject, mail.Text)
		}
		w.wasTold(missed, "located 1")
		w.wasTold(told, "received 1", "amended 1", "corrected 1")
		w.wasTold(late)
	})
}

func TestAPlaceThatIsMovedIsCorrectedHereAndAlertedThere(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		told := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		missed := w.subscribe("fay", circle(far, 500, "E2 8DY"), alerts.Daily)
		w.happen(alerts.EventReceived, "1", at(home))
		w.recorded("1")
		w.composed(1)
		w.send()
		w.wait(2 * time.Hour)
		w.decide("1", alerts.PlaceDecision{State: alerts.PlaceMoved, Right: far}) // nobody need have disputed it
		w.composed(1)
		w.wasTold(told, "received 1", "located 1")
		w.until("2026-05-05 07:00")
		w.composed(1)
		w.wasTold(missed, "located 1")
		if _, _, err := w.DecidePlace(w.Context(), alerts.Ref{Authority: "camden", Number: "none"}, alerts.PlaceDecision{State: alerts.PlaceKept}, alerts.Act{}, w.now); !errors.Is(err, alerts.ErrNotFound) {
			t.Errorf("an application that does not exist: %v", err)
		}
	})
}

func TestTheContactOfAFeedHearsOnceOfADisputedPlace(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.exec(`UPDATE feed SET contact = 'maps@camden.example'`)
		w.happen(alerts.EventReceived, "1", at(home))
		w.recorded("1")
		id := w.disputes("1", 3)
		w.composed(2) // to the contact and to the operator
		for i := range 3 {
			if err := w.ReportPlace(w.Context(), id, 0, fmt.Sprintf("another %d", i), alerts.Limits{PlacesPerDay: 5}, w.now); err != nil {
				t.Fatal(err)
			}
		}
		w.composed(0)
		var text string
		if err := w.db.QueryRow(`SELECT text FROM delivery WHERE recipient_id = (SELECT id FROM recipient WHERE address = 'maps@camden.example')`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"3 people have told us that the application 1 of London Borough of Camden is not where the map shows it", "latitude 51.53900 and longitude -0.14260", "/applications/camden/1"} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("the mail lacks %q:\n%s", want, text)
			}
		}
		places, err := w.DisputedPlaces(w.Context(), 0, 10)
		if err != nil || len(places) != 1 || places[0].People != 6 || places[0].Feed.Slug != "camden" || places[0].Name != "London Borough of Camden" {
			t.Errorf("listed: %+v (%v)", places, err)
		}
		if places, err := w.DisputedPlaces(w.Context(), id, 10); err != nil || len(places) != 0 {
			t.Errorf("the next page: %+v (%v)", places, err)
		}
		w.decide("1", alerts.PlaceDecision{State: alerts.PlaceKept})
		w.disputes("1", 5)
		w.composed(0)
		if n := w.count(`SELECT count(*) FROM place_report`) + w.count(`SELECT count(*) FROM notice WHERE key LIKE 'place:%'`); n != 0 {
			t.Errorf("%d reports and notices are left of a place that was checked", n)
		}
		acts, err := w.Acts(w.Context(), "camden 1", "", 0, 10)
		if err != nil || len(acts) != 2 || acts[1].Who != "3 people" || acts[1].What != "disputed the place of" || acts[0].What != "kept" {
			t.Errorf("on record: %+v (%v)", acts, err)
		}
	})
}

func TestEachPersonDoubtsAPlaceOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		sub := w.subscribe("ida", circle(home, 500, "NW1 8NH"), alerts.Immediate)
		w.happen(alerts.EventReceived, "1", at(home))
		w.happen(alerts.EventReceived, "2", at(geo.Point{Lon: -0.1427, Lat: 51.5391}))
		id, other := w.count(`SELECT id FROM application WHERE reference = '1'`), w.count(`SELECT id FROM application WHERE reference = '2'`)
		limits := alerts.Limits{PlacesPerDay: 5}
		say := func(application, recipient int64, client string) error {
			return w.ReportPlace(w.Context(), application, recipient, client, limits, w.now)
		}
		for _, from := range []struct {
			recipient int64
			client    string
		}{{sub.RecipientID, "home"}, {sub.RecipientID, "office"}, {0, "home"}, {0, "home"}} {
			if err := say(id, from.recipient, from.client); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.count(`SELECT count(*) FROM place_report`); n != 1 {
			t.Errorf("one person counts for %d", n)
		}
		for range 2 {
			if err := say(other, 0, "home"); err != nil {
				t.Fatal(err)
			}
		}
		if err := say(other, 0, "home"); !errors.Is(err, alerts.ErrTooMany) {
			t.Errorf("a sixth from one place in a day: %v", err)
		}
		if err := w.Erase(w.Context(), sub.RecipientID, w.now); err != nil {
			t.Fatal(err)
		}
		if n := w.count(`SELECT count(*) FROM place_report WHERE recipient_id > 0`); n != 0 {
			t.Errorf("%d reports of somebody who was erased", n)
		}
	})
}

func TestEachCaseInAMailLeadsToWhyItReachedItsReader(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		here := w.subscribe("ida", circle(home, 200, "NW1 8NH"), alerts.Daily)
		there := w.subscribe("ida", circle(far, 200, "E2 8DY"), alerts.Daily)
		w.happen(alerts.EventReceived, "1", at(home))
		elsewhere := at(far)
		elsewhere.Address = "9 Canal Wharf, London E2 8DY"
		w.happen(alerts.EventReceived, "2", elsewhere)
		w.until("2026-05-05 07:00")
		w.composed(1)
		mail := w.oneMail()
		want := map[[2]int64]bool{}
		for reference, sub := range map[string]alerts.Subscription{"1": here, "2": there} {
			want[[2]int64{sub.ID, w.count(`SELECT id FROM application WHERE reference = $1`, reference)}] = true
		}
		for _, word := range strings.Fields(mail.Text) {
			token, ok := strings.CutPrefix(word, "https://alerts.example.org/why/")
			if !ok {
				continue
			}
			sub, application, err := w.keys.ParseWhy(token)
			if err != nil || !want[[2]int64{sub, application}] {
				t.Errorf("a link to subscription %d and application %d (%v)", sub, application, err)
			}
			delete(want, [2]int64{sub, application})
			if !strings.Contains(mail.HTML, word) {
				t.Error("the link is not in the HTML part")
			}
		}
		if len(want) > 0 {
			t.Errorf("no link for %v in\n%s", want, mail.Text)
		}
	})
}
