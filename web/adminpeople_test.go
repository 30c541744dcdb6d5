package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// break makes every write to the record fail.
func (s *site) breakRecord() {
	s.Helper()
	if s.engine.Name == "postgres" {
		s.exec(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$`)
		s.exec(`CREATE TRIGGER full_disk BEFORE INSERT ON act FOR EACH ROW EXECUTE FUNCTION full_disk()`)
		return
	}
	s.exec(`CREATE TRIGGER full_disk BEFORE INSERT ON act BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
}

func (s *site) mendRecord() {
	s.Helper()
	s.exec(map[string]string{"postgres": `DROP TRIGGER full_disk ON act`, "sqlite": `DROP TRIGGER full_disk`}[s.engine.Name])
}

// told enters into the ledger that a person was told of application 1 in a mail, and
// returns the mail.
func (s *site) told(person int64, subject string) (mail int64) {
	s.Helper()
	seq := s.count(`SELECT coalesce(max(seq), 0) + 1 FROM event`)
	s.exec(`UPDATE event SET state = 'live', seq = $1 WHERE application_id = 1`, seq)
	s.exec(`UPDATE watermark SET position = $1, claimed = $2`, seq, seq)
	s.exec(`UPDATE counter SET value = $1 WHERE name = 'event'`, seq)
	if err := s.db.QueryRow(`INSERT INTO delivery (kind, recipient_id, cadence, state, priority, message_id, subject, text, html, headers, next_at, created_at, sent_at)
		VALUES ('alert', $1, 'daily', 'sent', 10, $2, $3, 'One new application: 12 Lamplighter Street', '<html><body class="a"><p>12 Lamplighter Street</p></body></html>', $4, 0, $5, $6) RETURNING id`,
		person, "told@example.org", subject, `[{"Name":"List-Id","Value":"<daily.example.org>"}]`, s.now.UnixMilli(), s.now.UnixMilli()).Scan(&mail); err != nil {
		s.Fatal(err)
	}
	s.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) SELECT version_id, $1, recipient_id, $2 FROM subscription WHERE recipient_id = $3`, seq, mail, person)
	return mail
}

func TestAPersonIsFoundByAddressOrNumberWithAReason(t *testing.T) {
	eachSite(t, func(s *site) {
		person := s.subscribed("jo.findme@example.org")
		op := s.operator("op@example.org", alerts.RoleOwner)
		page := fmt.Sprintf("/admin/people/%d", person)
		op.expect(op.get(page), http.StatusOK, "Why do you need to see this?")
		if strings.Contains(op.get(page).Body, "findme") {
			t.Fatal("shown without a reason")
		}
		op.expect(op.post("/admin/people", "who", "jo.findme@example.org", "reason", " "), http.StatusUnprocessableEntity, "Say why, for the record")
		op.expect(op.post("/admin/people", "who", "findme", "reason", "complaint"), http.StatusUnprocessableEntity, "Enter an e-mail address, or the number")
		op.expect(op.post("/admin/people", "who", "nobody@example.org", "reason", "complaint"), http.StatusOK, "Nothing is kept about that person")
		for _, who := range []string{"JO.findme+x@example.org", fmt.Sprint(person), s.server.Keys.AddressKeys("jo.findme@example.org")[0]} {
			r := op.post("/admin/people", "who", who, "reason", "complaint of 23 November")
			op.expect(r, http.StatusSeeOther)
			if to := r.Header.Get("Location"); to != page {
				t.Errorf("%s leads to %s", who, to)
			}
		}
		r := op.get(page)
		op.expect(r, http.StatusOK, "jo.findme@example.org gets alerts", "“complaint of 23 November”", "Within 500 m of a place near NW1 8", "Once a day", "Looked at what is kept", "Asked to confirm")
		if strings.Contains(r.Body, "8NH") || strings.Contains(r.Body, "51.53") {
			t.Error("the page says where the person lives")
		}
		if n := s.acts(alerts.ActLooked, alerts.RecipientSubject(person)); n != 3 {
			t.Errorf("%d looks in the record, want 3", n)
		}
		if s.count(`SELECT count(*) FROM act WHERE reason LIKE '%@%' OR subject LIKE '%@%' OR what LIKE '%@%'`) != 0 || strings.Contains(s.log.String(), "findme") {
			t.Error("an address is in the record or in the log")
		}
		// Each operator opens it for themselves, and for an hour.
		second := s.operator("second@example.org", alerts.RoleOwner)
		second.expect(second.get(page), http.StatusOK, "Why do you need to see this?")
		second.expect(second.post(page+"/erase", "sure", "yes"), http.StatusForbidden, "Why do you need to see this?")
		s.advance(time.Hour)
		op.expect(op.get(page), http.StatusOK, "Why do you need to see this?")
		op.expect(op.post(page+"/open", "reason", ""), http.StatusUnprocessableEntity)
		op.expect(op.post(page+"/open", "reason", "still the same complaint"), http.StatusSeeOther)
		op.expect(op.get(page), http.StatusOK, "still the same complaint")
		// The person can see it, but not who it was.
		own := s.get("/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", person)) + "/data.json")
		s.expect(own, http.StatusOK, "what_people_who_run_this_did", alerts.ActLooked)
		if strings.Contains(own.Body, "complaint") || strings.Contains(own.Body, "account") {
			t.Error("the person is shown why, or by whom")
		}
		op.expect(op.post("/admin/people/999/open", "reason", "a guess"), http.StatusNotFound)
	})
}

func TestNobodyGoesThroughPeopleOneByOne(t *testing.T) {
	eachSite(t, func(s *site) {
		op := s.operator("op@example.org", alerts.RoleOwner)
		for i := range 20 {
			op.expect(op.post("/admin/people", "who", fmt.Sprint(1000+i), "reason", "curious"), http.StatusOK)
		}
		op.expect(op.post("/admin/people", "who", "1", "reason", "curious"), http.StatusTooManyRequests)
		op.expect(op.post("/admin/people/1/open", "reason", "curious"), http.StatusTooManyRequests)
		if n := s.count(`SELECT count(*) FROM act WHERE what LIKE 'looked for somebody%'`); n != 20 {
			t.Errorf("%d looks in the record", n)
		}
	})
}

func TestAMailIsSentAgain(t *testing.T) {
	eachSite(t, func(s *site) {
		person := s.subscribed("jo@example.org")
		mail := s.told(person, "1 new near NW1 8NH")
		op := s.operator("op@example.org", alerts.RoleOwner)
		page := fmt.Sprintf("/admin/people/%d", person)
		op.expect(op.post(page+"/open", "reason", "says it never came"), http.StatusSeeOther)
		r := op.get(page)
		op.expect(r, http.StatusOK, "Daily mail", "Accepted by the next mail server on 23 November 2026 at 09:30, London time.", "camden 2026/0001/P")
		why := fmt.Sprintf("%s/why/%d/1", page, s.count(`SELECT max(id) FROM subscription`))
		if !strings.Contains(r.Body, why) {
			t.Errorf("no link to %s", why)
		}
		r = op.get(why)
		op.expect(r, http.StatusOK, "Told on 23 November 2026 09:30 in the daily mail", "their place, within 500 m")
		if strings.Contains(r.Body, "8NH") {
			t.Error("the explanation says where the person lives")
		}
		op.expect(op.get(page+"/why?reference=2026/0001/P"), http.StatusOK, why)
		op.expect(op.get(fmt.Sprintf("%s/why/%d/1", page, 999)), http.StatusNotFound)

		again := fmt.Sprintf("%s/mails/%d/again", page, mail)
		for range alerts.SentAgainPerDay {
			op.expect(op.post(again), http.StatusSeeOther)
		}
		op.expect(op.post(again), http.StatusUnprocessableEntity, "3 mails a day may be sent again")
		var subject, text, html, headers, id string
		if err := s.db.QueryRow(`SELECT subject, text, html, headers, message_id FROM delivery WHERE again_of = $1 ORDER BY id LIMIT 1`, mail).Scan(&subject, &text, &html, &headers, &id); err != nil {
			t.Fatal(err)
		}
		if subject != "Sent again: 1 new near NW1 8NH" || !strings.HasPrefix(text, "This is a copy of the mail that we sent you on 23 November 2026 at 09:30, London time.") || !strings.Contains(text, "Lamplighter") ||
			!strings.HasPrefix(html, `<html><body class="a"><p style`) || !strings.Contains(headers, "told@example.org") || !strings.Contains(headers, "List-Id") || id == "told@example.org" {
			t.Errorf("the copy is %q %q %q %q %q", subject, text, html, headers, id)
		}
		if s.acts(alerts.ActSentAgain, alerts.RecipientSubject(person)) != 3 || s.count(`SELECT count(*) FROM act WHERE what = $1 AND reason = 'says it never came'`, alerts.ActSentAgain) != 3 {
			t.Error("the record lacks what was sent again, or why")
		}
		if n := s.count(`SELECT count(*) FROM match`); n != 1 {
			t.Errorf("%d matches: a copy tells nothing by itself", n)
		}
		confirm := s.count(`SELECT min(id) FROM delivery WHERE kind = 'confirm'`)
		op.expect(op.post(fmt.Sprintf("%s/mails/%d/again", page, confirm)), http.StatusUnprocessableEntity, "cannot be sent again")
		other := s.subscribed("kim@example.org")
		op.expect(op.post(fmt.Sprintf("/admin/people/%d/open", other), "reason", "x"), http.StatusSeeOther)
		op.expect(op.post(fmt.Sprintf("/admin/people/%d/mails/%d/again", other, mail)), http.StatusNotFound)
	})
}

// A copy that waits is not sent when something in it is taken down meanwhile, and its
// words go with those of the mail.
func TestACopyGoesWithWhatIsTakenDown(t *testing.T) {
	eachSite(t, func(s *site) {
		person := s.subscribed("jo@example.org")
		mail := s.told(person, "1 new")
		op := s.operator("op@example.org", alerts.RoleOwner)
		page := fmt.Sprintf("/admin/people/%d", person)
		op.expect(op.post(page+"/open", "reason", "says it never came"), http.StatusSeeOther)
		again := fmt.Sprintf("%s/mails/%d/again", page, mail)
		for range 2 {
			op.expect(op.post(again), http.StatusSeeOther)
		}
		s.exec(`UPDATE delivery SET state = 'sent', next_at = 0 WHERE kind = 'confirm' OR kind = 'sign-in'`)
		// One has been claimed and comes back to the queue, one waits.
		s.exec(`UPDATE delivery SET claim_no = 1 WHERE id = (SELECT max(id) FROM delivery WHERE again_of IS NOT NULL)`)
		s.exec(`UPDATE application SET redacted = 'words', redacted_at = $1 WHERE id = 1`, s.now.Add(time.Minute).UnixMilli())
		s.advance(2 * time.Minute)
		claimed, err := s.store.ClaimDeliveries(t.Context(), "mail", 10, s.now, time.Minute)
		if err != nil || len(claimed) != 0 {
			t.Errorf("%d mails would go out: %v", len(claimed), err)
		}
		if n := s.count(`SELECT count(*) FROM delivery WHERE again_of = $1 AND state = 'cancelled' AND text = ''`, mail); n != 2 {
			t.Errorf("%d copies are cancelled", n)
		}
		op.expect(op.post(again), http.StatusUnprocessableEntity, "cannot be sent again")

		s.exec(`UPDATE application SET redacted = '', redacted_at = 0`)
		s.exec(`DELETE FROM allowance`)
		op.expect(op.post(again), http.StatusSeeOther)
		s.exec(`UPDATE delivery SET state = 'sent' WHERE again_of IS NOT NULL AND state = 'queued'`)
		op.expect(op.post("/admin/records/redact", "authority", "camden", "reference", "2026/0001/P", "how", "all", "reason", "asked by the council"), http.StatusSeeOther)
		if n := s.count(`SELECT count(*) FROM delivery WHERE text LIKE '%Lamplighter%' AND kind = 'alert'`); n != 0 {
			t.Errorf("%d mails still have its words", n)
		}
	})
}

func TestASubscriptionIsEndedAndAPersonErased(t *testing.T) {
	eachSite(t, func(s *site) {
		person := s.subscribed("jo.findme@example.org")
		sub := s.count(`SELECT max(id) FROM subscription`)
		op := s.operator("op@example.org", alerts.RoleOwner)
		page := fmt.Sprintf("/admin/people/%d", person)
		op.expect(op.post(page+"/open", "reason", "asked by letter"), http.StatusSeeOther)
		end := fmt.Sprintf("%s/subscriptions/%d/end", page, sub)

		s.breakRecord()
		op.expect(op.post(end), http.StatusInternalServerError)
		op.expect(op.post(page+"/erase", "sure", "yes"), http.StatusInternalServerError)
		if s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`) != 1 || s.count(`SELECT count(*) FROM recipient WHERE address = 'jo.findme@example.org'`) != 1 {
			t.Fatal("done without being recorded")
		}
		s.mendRecord()

		op.expect(op.post(end), http.StatusSeeOther)
		op.expect(op.post(end), http.StatusNotFound)
		if s.count(`SELECT count(*) FROM subscription WHERE state = 'active'`) != 0 || s.acts(alerts.ActEnded, alerts.RecipientSubject(person)) != 1 {
			t.Error("the subscription has not ended, or the record lacks it")
		}
		op.expect(op.post(page+"/erase"), http.StatusUnprocessableEntity, "Tick the box if you are sure")
		op.expect(op.post(page+"/erase", "sure", "yes"), http.StatusSeeOther)
		op.expect(op.get(page), http.StatusOK, "This person was erased", "Erased, recipient")
		if strings.Contains(s.engine.Dump(t, s.db), "findme") {
			t.Error("something is left")
		}
		self := s.count(`SELECT account_id FROM role WHERE scope = 'operator'`)
		op.expect(op.post(fmt.Sprintf("/admin/people/%d/open", self), "reason", "to try"), http.StatusSeeOther)
		op.expect(op.post(fmt.Sprintf("/admin/people/%d/erase", self), "sure", "yes"), http.StatusUnprocessableEntity, "Take its role away first")
	})
}

// A bar that mail put up is lifted; one that its owner wants stays.
func TestABarIsLiftedOnlyIfNobodyWantedIt(t *testing.T) {
	eachSite(t, func(s *site) {
		op := s.operator("op@example.org", alerts.RoleOwner)
		for email, why := range map[string]string{"full@example.org": alerts.DeadAddressWhy, "never@example.org": "asked never to be written to", "spam@example.org": "the mail was marked as spam"} {
			s.exec(`INSERT INTO suppression (address_key, reason, at) VALUES ($1, $2, $3)`, s.server.Keys.AddressKeys(email)[0], why, s.now.UnixMilli())
			r := op.post("/admin/people", "who", email, "reason", "asks why")
			op.expect(r, http.StatusOK, "Nothing is kept about that person", why)
			lift := op.post("/admin/people/allow", "who", email, "reason", "asks why")
			if email == "full@example.org" {
				op.expect(lift, http.StatusSeeOther)
			} else {
				op.expect(lift, http.StatusUnprocessableEntity, "because its owner wants it so")
			}
		}
		if s.count(`SELECT count(*) FROM suppression`) != 2 || s.acts(alerts.ActLetIn, "suppression") != 1 {
			t.Error("the wrong ones are barred")
		}
		person := s.subscribed("jo@example.org")
		s.exec(`INSERT INTO suppression (address_key, reason, at) SELECT address_key, $1, 0 FROM recipient WHERE id = $2`, alerts.RefusingAddressWhy, person)
		page := fmt.Sprintf("/admin/people/%d", person)
		op.expect(op.post(page+"/open", "reason", "new mailbox"), http.StatusSeeOther)
		op.expect(op.get(page), http.StatusOK, "the address keeps refusing mail", "Let it be written to again")
		op.expect(op.post(page+"/allow"), http.StatusSeeOther)
		op.expect(op.post(page+"/allow"), http.StatusUnprocessableEntity)
		if s.acts(alerts.ActLetIn, alerts.RecipientSubject(person)) != 1 {
			t.Error("the record lacks it")
		}
	})
}

func TestARecordIsTakenDownAndShownAgain(t *testing.T) {
	eachSite(t, func(s *site) {
		op := s.operator("op@example.org", alerts.RoleOwner)
		const page = "/applications/camden/2026%2F0001%2FP"
		op.expect(op.get("/admin/records?reference=nonsense"), http.StatusOK, "No application is known by the reference")
		op.expect(op.get("/admin/records?reference=2026/0001/p"), http.StatusOK, "2026/0001/P", "Shown as the council publishes it")
		form := []string{"authority", "camden", "reference", "2026/0001/P"}
		op.expect(op.post("/admin/records/redact", append(form, "how", "all")...), http.StatusUnprocessableEntity, "Say why, for the record")
		op.expect(op.post("/admin/records/redact", append(form, "how", "everything", "reason", "x")...), http.StatusUnprocessableEntity, "Choose what is to be taken away")
		op.expect(op.post("/admin/records/redact", "authority", "camden", "reference", "2026/9999/P", "how", "all", "reason", "x"), http.StatusNotFound)
		s.expect(s.get(page), http.StatusOK)
		r := op.post("/admin/records/redact", append(form, "how", "all", "reason", "asked by the council")...)
		op.expect(r, http.StatusSeeOther)
		s.expect(s.get(page), http.StatusNotFound)
		op.expect(op.get(r.Header.Get("Location")), http.StatusOK, "Done: pages, search", "It has been taken down", "asked by the council", "op@example.org")
		op.expect(op.post("/admin/records/restore", append(form, "reason", "")...), http.StatusUnprocessableEntity)
		op.expect(op.post("/admin/records/restore", append(form, "reason", "a mistake")...), http.StatusSeeOther)
		op.expect(op.post("/admin/records/restore", append(form, "reason", "a mistake")...), http.StatusConflict)
		s.expect(s.get(page), http.StatusOK)
		if s.acts("took down", "camden 2026/0001/P") != 1 || s.acts("restored", "camden 2026/0001/P") != 1 {
			t.Error("the record differs")
		}
	})
}
