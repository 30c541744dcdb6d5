package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
)

// tables lists the tables of the schema, without those that migrations and the full
// text index keep for themselves.
func (d *desk) tables() (all []string) {
	d.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if d.engine.Name == "postgres" {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`
	}
	rows, err := d.db.Query(query)
	if err != nil {
		d.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			d.Fatal(err)
		}
		if !strings.HasPrefix(name, "goose_") && !strings.HasPrefix(name, "application_search_") {
			all = append(all, name)
		}
	}
	return all
}

func TestEveryTableSaysHowLongItsRowsAreKept(t *testing.T) {
	rules := store.Retention()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "privacy.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	eachDesk(t, func(d *desk) {
		for _, table := range d.tables() {
			known[table] = true
			if rules[table] == "" {
				d.Errorf("how long are the rows of %s kept, and why? Say so in retention.go and in docs/privacy.md", table)
			}
		}
	})
	for table, rule := range rules {
		if !known[table] && !slices.Contains([]string{"endpoint_area", "mute", "address_move", "reminder", "outage", "outage_told", "application_words", "application_search"}, table) {
			t.Errorf("there is no table %s", table)
		}
		if !strings.Contains(string(doc), "| `"+table+"` | "+rule+" |") {
			t.Errorf("docs/privacy.md lacks the line\n| `%s` | %s |", table, rule)
		}
	}
}

// After thirteen months the ledger forgets who was told of what; what is still owed
// stays owed.
func TestTheLedgerForgetsAfterThirteenMonths(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		old, fresh := d.now.Add(-400*24*time.Hour).UnixMilli(), d.now.Add(-300*24*time.Hour).UnixMilli()
		for seq, at := range []int64{old, old, old, fresh} {
			d.exec(`INSERT INTO event (seq, application_id, version, type, state, at, run_id, after) VALUES ($1, 1, $2, 'received', 'live', $3, 1, '{}')`, seq+1, seq+1, at)
		}
		d.exec(`UPDATE subscription_version SET created_at = $1`, old)
		d.exec(`UPDATE subscription SET created_at = $1`, old)
		d.exec(`DELETE FROM delivery`)
		for i, at := range []int64{old, old, fresh} {
			d.exec(`INSERT INTO delivery (id, kind, recipient_id, state, priority, message_id, subject, text, html, next_at, created_at, sent_at) VALUES ($1, 'alert', $2, 'sent', 10, $3, '', '', '', 0, $4, $5)`, 901+i, sub.RecipientID, fmt.Sprint("m", i), at, at)
		}
		d.exec(`UPDATE delivery SET state = 'queued' WHERE id = 902`)
		d.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) VALUES ($1, 1, $2, 901)`, sub.Current.ID, sub.RecipientID)
		d.exec(`INSERT INTO match (version_id, seq, recipient_id, closed) VALUES ($1, 2, $2, 'no longer wanted')`, sub.Current.ID, sub.RecipientID)
		d.exec(`INSERT INTO match (version_id, seq, recipient_id) VALUES ($1, 3, $2)`, sub.Current.ID, sub.RecipientID)
		d.exec(`INSERT INTO match (version_id, seq, recipient_id, delivery_id) VALUES ($1, 4, $2, 903)`, sub.Current.ID, sub.RecipientID)
		for range 2 {
			if err := d.Housekeeping(d.Context(), d.now); err != nil {
				d.Fatal(err)
			}
			d.want("matches of old events that were told or closed", 0, `SELECT count(*) FROM match WHERE seq <= 2`)
			d.want("matches that are owed, or of this year", 2, `SELECT count(*) FROM match`)
			d.want("old mails", 0, `SELECT count(*) FROM delivery WHERE id = 901`)
			d.want("mails of this year, or that wait", 2, `SELECT count(*) FROM delivery WHERE id > 900`)
			d.want("versions in force", 1, `SELECT count(*) FROM subscription_version`)
			if seq, err := d.Forgotten(d.Context()); err != nil || seq != 3 {
				d.Errorf("the audit begins after %d, %v", seq, err)
			}
		}
		if st, err := d.Standing(d.Context(), sub.RecipientID); err != nil || len(st.Subscriptions) != 1 {
			d.Errorf("%+v, %v", st, err)
		}
	})
}

// Nobody has to press a button for being forgotten.
func TestHousekeepingForgetsThoseWhoStopped(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		d.signUp("never.confirmed@example.org", circle(camden, 500, "home"), alerts.Daily)
		if _, err := d.End(d.Context(), sub.ID, "/stop", d.now); err != nil {
			d.Fatal(err)
		}
		d.now = d.now.Add(28*24*time.Hour + time.Minute)
		if err := d.Housekeeping(d.Context(), d.now); err != nil {
			d.Fatal(err)
		}
		if dump := d.engine.Dump(d.T, d.db); strings.Contains(dump, "jo@example.org") || strings.Contains(dump, "never.confirmed") {
			d.Errorf("still kept:\n%s", dump)
		}
		d.want("people who could be told from another", 0, `SELECT count(*) FROM recipient WHERE address_key IS NOT NULL`)
	})
}

// What a person gets to see of themselves is all there is.
func TestAPersonsCopyIsComplete(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "Findme Cottage"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		if err := d.Edit(d.Context(), sub.RecipientID, sub.ID, alerts.Wish{Area: circle(camden, 900, "Findme too"), Cadence: alerts.Weekly}, d.now); err != nil {
			d.Fatal(err)
		}
		if err := d.WishCoverage(d.Context(), sub.RecipientID, []string{"E09000007"}, d.now); err != nil {
			d.Fatal(err)
		}
		if err := d.Mute(d.Context(), alerts.Mute{RecipientID: sub.RecipientID, What: alerts.MuteSite, Key: "address camden findme", Label: "Findme Cottage"}, d.now); err != nil {
			d.Fatal(err)
		}
		if err := d.AskMove(d.Context(), sub.RecipientID, "findme@example.org", d.keys.AddressKeys("findme@example.org"), alerts.DefaultLimits, d.now, d.write); err != nil {
			d.Fatal(err)
		}
		d.exec(`INSERT INTO mail_report (key, delivery_id, recipient_id, kind, status, source, at) VALUES ('k', 1, $1, 'soft', '5.2.2', 'mail', 0)`, sub.RecipientID)
		place := d.put("camden", "2026-11-01", alerts.Details{Reference: "26/1"})
		d.exec(`INSERT INTO place_report (application_id, client, recipient_id, at) VALUES ($1, 'k', $2, 0)`, place, sub.RecipientID)
		p, err := d.Personal(d.Context(), sub.RecipientID)
		if err != nil {
			d.Fatal(err)
		}
		if len(p.Places) != 1 || p.Places[0].Reference != "26/1" {
			d.Errorf("places: %+v", p.Places)
		}
		if p.Address != "jo@example.org" || len(p.Areas) != 1 || p.Areas[0].Label != "Findme too" || p.Areas[0].Radius != 900 || len(p.Earlier) != 1 || p.Earlier[0].Label != "Findme Cottage" ||
			len(p.Wishes) != 1 || len(p.Consents) != 3 || len(p.Mails) != 2 || len(p.Muted) != 1 || p.Move == nil || p.Move.To != "findme@example.org" || p.Mails[0].Text == "" || len(p.Reports) != 1 || len(p.Links) != 1 || p.Consents[0].Wording != alerts.ConsentVersion {
			d.Errorf("%+v", p)
		}
		// Each table that names a recipient is answered for, or holds nothing but numbers.
		answered := []string{"recipient", "subscription", "subscription_version", "consent", "token", "coverage_wish", "match", "due", "delivery", "mail_report", "mute", "address_move", "reminder", "outage_told", "place_report"}
		for _, table := range d.tables() {
			rows, err := d.db.Query(`SELECT * FROM ` + table + ` WHERE 1 = 0`)
			if err != nil {
				d.Fatal(err)
			}
			columns, _ := rows.Columns()
			rows.Close()
			if slices.Contains(columns, "recipient_id") && !slices.Contains(answered, table) {
				d.Errorf("%s names a recipient and is not in their copy", table)
			}
		}
	})
}
