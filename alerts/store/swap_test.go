package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

// together lets two calls run into a row that is locked, each as far as it comes, and
// then lets go: so they meet at the worst moment. On SQLite, where one writes at a
// time, they just start together.
func (d *desk) together(lock string, first, second func() error) (error, error) {
	d.Helper()
	tx, err := d.db.Begin()
	if err != nil {
		d.Fatal(err)
	}
	defer tx.Rollback()
	postgres := d.engine.Name == "postgres"
	if postgres {
		if _, err := tx.Exec(lock); err != nil {
			d.Fatal(err)
		}
	}
	one, other := make(chan error, 1), make(chan error, 1)
	go func() { one <- first() }()
	go func() { other <- second() }()
	for waiting := 0; postgres && waiting < 2; {
		if err := d.db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			d.Fatal(err)
		}
	}
	tx.Rollback()
	return <-one, <-other
}

func TestTwoPeopleWhoSwapAddressesDoNotWaitForEachOther(t *testing.T) {
	eachDesk(t, func(d *desk) {
		join := func(address string) int64 {
			d.signUp(address, circle(camden, 500, "home"), alerts.Daily)
			sub := d.confirm().Subscriptions[0]
			if _, err := d.End(d.Context(), sub.ID, "/stop", d.now); err != nil { // an address with alerts of its own is left alone
				d.Fatal(err)
			}
			return sub.RecipientID
		}
		ann, bob := join("ann@example.org"), join("bob@example.org")
		ask := func(who int64, address string) func() error {
			return func() error {
				return d.AskMove(d.Context(), who, address, d.keys.AddressKeys(address), alerts.DefaultLimits, d.now, d.write)
			}
		}
		d.exec(`DELETE FROM allowance`) // signing up has used up the mails of the day
		for _, who := range []int64{ann, bob} {
			d.exec(`INSERT INTO allowance (key, period, used) VALUES ($1, $2, 0)`, fmt.Sprintf("move:%d", who), string(alerts.DateOf(d.now)))
		}
		before := len(d.mail)
		err1, err2 := d.together(`SELECT key FROM allowance WHERE key LIKE 'move:%' FOR UPDATE`, ask(ann, "bob@example.org"), ask(bob, "ann@example.org"))
		if err1 != nil || err2 != nil {
			d.Fatalf("asking: %v; %v", err1, err2)
		}
		var olds, news []string // secrets
		for _, l := range d.mail[before:] {
			if l.Move.NewEnd {
				news = append(news, l.Secret)
			} else {
				olds = append(olds, l.Secret)
			}
		}
		agree := func(secret string) func() error {
			return func() error {
				_, err := d.AgreeMove(d.Context(), secret, func(a string) string { return d.keys.AddressKeys(a)[0] }, d.now)
				return err
			}
		}
		if len(olds) != 2 || len(news) != 2 {
			d.Fatalf("%d mails to the old addresses and %d to the new ones", len(olds), len(news))
		}
		for _, secret := range olds {
			if err := agree(secret)(); err != nil {
				d.Fatal(err)
			}
		}
		err1, err2 = d.together(`SELECT recipient_id FROM address_move FOR UPDATE`, agree(news[0]), agree(news[1]))
		for _, err := range []error{err1, err2} {
			if err != nil && !errors.Is(err, alerts.ErrNotFound) { // the other was there first, and has taken the address
				d.Errorf("agreeing: %v", err)
			}
		}
		if err1 != nil && err2 != nil {
			d.Errorf("neither moved: %v; %v", err1, err2)
		}
		d.want("people with an address", 1, `SELECT count(*) FROM recipient WHERE address <> ''`)
	})
}
