package torture

import (
	"database/sql"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// settle lets the program finish what it was killed in: days pass, and each of its
// stages makes passes.
func (w *world) settle() {
	w.Helper()
	w.mu.Lock()
	w.lethal = 0
	w.mu.Unlock()
	w.kill(false)
	for range 10 { // more than a week
		w.ahead += 19 * time.Hour
		for _, stage := range []string{"ingest", "match", "compose", "deliver"} {
			w.command("pass", stage)
		}
	}
}

// The most that a kill can repeat: what is being sent, and what was sent and not
// recorded yet.
const inFlight = 16 + 50

// check compares what arrived with what was owed, by the ledger, by brute force,
// and by what the village knows.
func (w *world) check() {
	w.Helper()
	w.command("audit")
	db := w.engine.DB(w)
	count := func(query string) (n int64) {
		w.Helper()
		w.must(db.QueryRow(query).Scan(&n))
		return n
	}
	events := count(`SELECT value FROM counter WHERE name = 'event'`)
	if n := count(`SELECT count(*) FROM event WHERE seq IS NOT NULL`); n != events {
		w.Errorf("%d events are numbered up to %d: there is a gap", n, events)
	}
	if n := count(`SELECT count(*) FROM (SELECT v.subscription_id, m.seq FROM match m JOIN subscription_version v ON v.id = m.version_id
		WHERE m.delivery_id IS NOT NULL GROUP BY v.subscription_id, m.seq HAVING count(*) > 1) twice`); n != 0 {
		w.Errorf("%d events were told to a subscription twice", n)
	}

	type arrival struct{ id, to string }
	const group = "" // the endpoint has no e-mail address
	arrived := map[arrival]bool{}
	times := map[string][]time.Time{}
	for _, r := range w.receipts() {
		id := strings.Trim(r.messageID, "<>")
		arrived[arrival{id, r.to}] = true
		times[id] = append(times[id], r.at)
	}
	w.mu.Lock()
	webhooks := w.webhooks
	w.mu.Unlock()
	numbered := map[int64]string{}
	for _, h := range webhooks {
		arrived[arrival{h.id, group}] = true
		times[h.id] = append(times[h.id], h.at)
		if was := numbered[h.sequence]; was != "" && was != h.id {
			w.Errorf("two webhooks have the number %d: %s and %s", h.sequence, was, h.id)
		}
		numbered[h.sequence] = h.id
	}
	for n := int64(1); n <= int64(len(numbered)); n++ {
		if numbered[n] == "" {
			w.Errorf("the group has no webhook with the number %d, and %d in all", n, len(numbered))
		}
	}
	owed, told := 0, 0
	rows, err := db.Query(`SELECT m.version_id, m.seq, m.closed, d.state, d.message_id, r.address FROM match m
		JOIN recipient r ON r.id = m.recipient_id LEFT JOIN delivery d ON d.id = m.delivery_id`)
	w.must(err)
	defer rows.Close()
	for rows.Next() {
		var version, seq int64
		var closed, state, id sql.NullString
		var address string
		w.must(rows.Scan(&version, &seq, &closed, &state, &id, &address))
		owed++
		switch {
		case closed.Valid:
			w.Errorf("the match of version %d and event %d was closed: %s", version, seq, closed.String)
		case state.String != string(alerts.DeliverySent):
			w.Errorf("version %d has not been told of event %d: the delivery is %q", version, seq, state.String)
		case !arrived[arrival{id.String, address}]:
			w.Errorf("version %d counts as told of event %d, but nothing has arrived", version, seq)
		default:
			told++
		}
	}
	w.must(rows.Err())

	duplicates := 0
	for id, at := range times {
		for i := 1; i < len(at); i++ {
			duplicates++
			if !w.diedBetween(at[i-1], at[i]) {
				w.Errorf("message %s arrived twice, %v apart, and nobody was killed in between", id, at[i].Sub(at[i-1]))
			}
		}
	}
	if most := len(w.kills) * inFlight; duplicates > most {
		w.Errorf("%d duplicates after %d kills", duplicates, len(w.kills))
	}
	w.checkTheVillage()
	w.Logf("%d kills, %d events, %d people and a group, %d matches owed, %d told, %d mails and webhooks, %d duplicates under one name each",
		len(w.kills), events, len(w.people), owed, told, len(times), duplicates)
	if told == 0 {
		w.Error("nobody was told of anything: this proves nothing")
	}
}

// diedBetween reports whether the program was killed about when a message was
// accepted, and before it was accepted again.
func (w *world) diedBetween(first, second time.Time) bool {
	const busy = 5 * time.Second // how long recording may take on a busy machine
	for _, at := range w.kills {
		if at.After(first.Add(-busy)) && at.Before(first.Add(busy)) && at.Before(second) {
			return true
		}
	}
	return false
}

// checkTheVillage looks only at who lives where, what was written in the register,
// and what arrived.
func (w *world) checkTheVillage() {
	w.Helper()
	mails := map[string][]string{}
	for _, r := range w.receipts() {
		if !strings.Contains(r.text, "/confirm/") {
			mails[r.to] = append(mails[r.to], r.text)
		}
	}
	must := 0
	var webhooks strings.Builder
	for _, h := range w.webhooks {
		webhooks.WriteString(h.body)
	}
	for _, h := range w.houses {
		if heard := strings.Contains(webhooks.String(), h.token()); heard != (h.written > 0 || h.ended > 0) {
			w.Errorf("the group was told of %s: %t; it was written in turn %d and decided in turn %d", h.reference(), heard, h.written, h.ended)
		}
	}
	for _, p := range w.people {
		heard := strings.Join(mails[p.address()], "\n")
		for _, h := range w.houses {
			told := strings.Contains(heard, h.token())
			near := p.green == h.green
			switch {
			case told && !near:
				w.Errorf("%s was told of %s, which is at the other green", p.address(), h.reference())
			case told && p.mayHear == 0:
				w.Errorf("%s was told of %s and never confirmed", p.address(), h.reference())
			case told && h.written == 0 && h.ended == 0:
				w.Errorf("%s was told of %s, which was there before", p.address(), h.reference())
			case near && p.hears > 0 && (h.written >= p.hears || h.ended >= p.hears):
				must++
				if !told {
					w.Errorf("%s confirmed before turn %d and was never told of %s, written in turn %d, decided in turn %d", p.address(), p.hears, h.reference(), h.written, h.ended)
				}
			}
		}
	}
	if must == 0 {
		w.Error("nobody had to be told of anything: this proves nothing")
	}
}
