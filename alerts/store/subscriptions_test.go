package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// A desk is where people sign up in these tests: a store, its rows, a clock, and
// the letters that were written.
type desk struct {
	*testing.T
	*store.Store
	engine storetest.Engine
	db     *sql.DB
	keys   alerts.Keys
	now    time.Time
	mu     sync.Mutex
	mail   []alerts.Letter
}

func eachDesk(t *testing.T, test func(d *desk)) {
	keys, err := alerts.ParseKeys(alerts.NewKeys())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			s, err := store.Open(t.Context(), e.DSN)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(&desk{T: t, Store: s, engine: e, db: e.DB(t), keys: keys, now: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)})
		})
	}
}

var camden = geo.Point{Lon: -0.14254, Lat: 51.53970}

func circle(p geo.Point, radius float64, label string) alerts.Area {
	return alerts.Area{Kind: alerts.AreaCircle, Centre: p, Radius: radius, Label: label}
}

func (d *desk) write(l alerts.Letter) (alerts.Delivery, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mail = append(d.mail, l)
	return alerts.Delivery{MessageID: alerts.NewSecret() + "@test", Subject: "Hello", Text: "To " + l.Recipient.Address}, nil
}

func (d *desk) signUp(address string, area alerts.Area, c alerts.Cadence) {
	d.Helper()
	if err := d.trySignUp(address, area, c); err != nil {
		d.Fatalf("sign up %s: %v", address, err)
	}
}

func (d *desk) trySignUp(address string, area alerts.Area, c alerts.Cadence) error {
	return d.Subscribe(d.Context(), alerts.SignUp{Address: address, Area: area, Cadence: c, Page: "/near", Client: alerts.HashSecret(address)},
		d.keys.AddressKeys(address), alerts.DefaultLimits, d.now, d.write)
}

// confirm presses the button of the last letter.
func (d *desk) confirm() alerts.Standing {
	d.Helper()
	secret := d.mail[len(d.mail)-1].Secret
	st, err := d.Awaiting(d.Context(), secret, d.now)
	if err != nil {
		d.Fatal(err)
	}
	var versions []int64
	for _, sub := range st.Subscriptions {
		versions = append(versions, sub.Current.ID)
	}
	if st, err = d.Confirm(d.Context(), secret, versions, d.now); err != nil {
		d.Fatal(err)
	}
	return st
}

// one reads a single number.
func (d *desk) one(query string, args ...any) (n int64) {
	d.Helper()
	if err := d.db.QueryRow(query, args...).Scan(&n); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
	return n
}

func (d *desk) want(what string, want int64, query string, args ...any) {
	d.Helper()
	if got := d.one(query, args...); got != want {
		d.Errorf("%s: %d, want %d", what, got, want)
	}
}

func (d *desk) exec(query string, args ...any) {
	d.Helper()
	if _, err := d.db.Exec(query, args...); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
}

func TestAHundredEqualSignUpsAreOne(t *testing.T) {
	eachDesk(t, func(d *desk) {
		limits := alerts.DefaultLimits
		limits.SignUpsPerClientHour = 1000
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				err := d.Subscribe(context.Background(), alerts.SignUp{Address: "jo@example.org", Area: circle(camden, 500, "NW1 8NH"), Cadence: alerts.Daily, Page: "/near", Client: "c"},
					d.keys.AddressKeys("jo@example.org"), limits, d.now, d.write)
				if err != nil {
					d.Error(err)
				}
			})
		}
		wg.Wait()
		d.want("recipients", 1, `SELECT count(*) FROM recipient`)
		d.want("subscriptions", 1, `SELECT count(*) FROM subscription`)
		d.want("versions", 1, `SELECT count(*) FROM subscription_version`)
		d.want("mails", 1, `SELECT count(*) FROM delivery`)
		d.confirm()
		d.want("active subscriptions", 1, `SELECT count(*) FROM subscription WHERE state = 'active'`)
	})
}

func TestPendingSubscriptionsAreInvisibleToMatching(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		d.want("scope rows", 0, `SELECT count(*) FROM subscription_scope`)
		d.want("due rows", 0, `SELECT count(*) FROM due`)
		d.want("open versions", 0, `SELECT count(*) FROM subscription_version WHERE to_seq > from_seq`)
		d.want("confirmation mails before all else", 1, `SELECT count(*) FROM delivery WHERE kind = 'confirm' AND priority = 0 AND state = 'queued'`)
	})
}

func TestConfirmTakesEffectFromWhatIsClaimed(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.exec(`UPDATE watermark SET position = 40, claimed = 57`)
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		st := d.confirm()
		sub := st.Subscriptions[0]
		if sub.State != alerts.SubscriptionActive || st.Recipient.State != alerts.RecipientActive {
			d.Errorf("after confirming: %s, %s", sub.State, st.Recipient.State)
		}
		if sub.Current.From != 57 || sub.Current.To != alerts.Forever {
			d.Errorf("in force for (%d, %d], want from 57 on", sub.Current.From, sub.Current.To)
		}
		keys, err := sub.Current.ScopeKeys()
		if err != nil {
			d.Fatal(err)
		}
		d.want("scope rows", int64(len(keys)), `SELECT count(*) FROM subscription_scope WHERE version_id = $1`, sub.Current.ID)
		d.want("the next daily mail", time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC).UnixMilli(), `SELECT next_at FROM due WHERE cadence = 'daily'`)
	})
}

func TestConfirmingAgainChangesNothing(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Immediate)
		d.confirm()
		before := d.engine.Dump(d.T, d.db)
		for range 4 {
			d.now = d.now.Add(time.Minute)
			d.confirm()
		}
		if after := d.engine.Dump(d.T, d.db); after != before {
			d.Error("confirming five times is not as good as once")
		}
		d.want("consents", 1, `SELECT count(*) FROM consent WHERE method = 'confirm' AND wording = $1`, alerts.ConsentVersion)
	})
}

func TestConfirmDoesNotReviveWhatWasStopped(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		st := d.confirm()
		if _, err := d.End(d.Context(), st.Subscriptions[0].ID, "/stop", d.now); err != nil {
			d.Fatal(err)
		}
		if _, err := d.Confirm(d.Context(), d.mail[0].Secret, []int64{st.Subscriptions[0].Current.ID}, d.now); err != nil {
			d.Fatal(err)
		}
		d.want("active subscriptions", 0, `SELECT count(*) FROM subscription WHERE state = 'active'`)
	})
}

func TestConfirmLinkRunsOut(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		secret := d.mail[0].Secret
		d.now = d.now.Add(alerts.ConfirmFor - time.Second)
		if _, err := d.Awaiting(d.Context(), secret, d.now); err != nil {
			d.Errorf("a second before the end: %v", err)
		}
		d.now = d.now.Add(time.Second)
		if _, err := d.Awaiting(d.Context(), secret, d.now); !errors.Is(err, alerts.ErrExpired) {
			d.Errorf("at the end: %v, want ErrExpired", err)
		}
		if _, err := d.Confirm(d.Context(), secret, []int64{1}, d.now); !errors.Is(err, alerts.ErrExpired) {
			d.Errorf("confirm at the end: %v, want ErrExpired", err)
		}
		if _, err := d.Awaiting(d.Context(), "forged", d.now); !errors.Is(err, alerts.ErrNotFound) {
			d.Errorf("a forged link: %v, want ErrNotFound", err)
		}
	})
}

func TestOnlyWhatWasShownIsConfirmed(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		shown, err := d.Awaiting(d.Context(), d.mail[0].Secret, d.now)
		if err != nil {
			d.Fatal(err)
		}
		d.signUp("jo@example.org", circle(camden, 5000, "NW1 8NH"), alerts.Daily) // while the page was open
		st, err := d.Confirm(d.Context(), d.mail[0].Secret, []int64{shown.Subscriptions[0].Current.ID}, d.now)
		if err != nil {
			d.Fatal(err)
		}
		if len(st.Subscriptions) != 1 || st.Subscriptions[0].State != alerts.SubscriptionPending || st.Subscriptions[0].Current.Area.Radius != 5000 {
			d.Errorf("what was confirmed is not what was shown: %+v", st.Subscriptions)
		}
	})
}

func TestOneMailADayConfirmsTwoAreas(t *testing.T) {
	eachDesk(t, func(d *desk) {
		allotment := geo.Point{Lon: -0.15, Lat: 51.56}
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		d.signUp("Jo+plots@Example.org", circle(allotment, 200, "allotment"), alerts.Weekly)
		d.want("mails", 1, `SELECT count(*) FROM delivery`)
		if st := d.confirm(); len(st.Subscriptions) != 2 {
			d.Errorf("the link confirms %d areas, want both", len(st.Subscriptions))
		}
		d.want("active subscriptions", 2, `SELECT count(*) FROM subscription WHERE state = 'active'`)
		d.now = d.now.Add(24 * time.Hour)
		d.signUp("jo@example.org", circle(camden, 1000, "home"), alerts.Weekly)
		last := d.mail[len(d.mail)-1]
		if len(d.mail) != 2 || !last.Already || last.Secret != "" {
			d.Errorf("the same area again: %d mails, the last %+v; want one that says it is followed already", len(d.mail), last)
		}
		d.want("subscriptions", 2, `SELECT count(*) FROM subscription`)
	})
}

func TestAnAddressGetsFiveConfirmationsAMonth(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.now = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
		for day := range 20 {
			d.signUp("victim@example.org", circle(geo.Point{Lon: -0.1, Lat: 51.5 + float64(day)/100}, 500, "x"), alerts.Daily)
			d.now = d.now.Add(24 * time.Hour)
		}
		d.want("mails", 5, `SELECT count(*) FROM delivery`)
		d.want("areas waiting", alerts.MaxPending, `SELECT count(*) FROM subscription WHERE state = 'pending'`)
	})
}

func TestAClientMayAskTenTimesAnHour(t *testing.T) {
	eachDesk(t, func(d *desk) {
		ask := func(i int) error {
			address := fmt.Sprintf("p%d@example.org", i)
			return d.Subscribe(d.Context(), alerts.SignUp{Address: address, Area: circle(camden, 500, "x"), Cadence: alerts.Daily, Client: "one client"},
				d.keys.AddressKeys(address), alerts.DefaultLimits, d.now, d.write)
		}
		for i := range 10 {
			if err := ask(i); err != nil {
				d.Fatal(err)
			}
		}
		if err := ask(10); !errors.Is(err, alerts.ErrTooMany) {
			d.Errorf("the eleventh: %v, want ErrTooMany", err)
		}
		d.now = d.now.Add(time.Hour)
		if err := ask(11); err != nil {
			d.Errorf("an hour later: %v", err)
		}
	})
}

func TestSuppressedAddressesHearNothing(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		if err := d.Suppress(d.Context(), d.mail[0].Recipient.ID, "asked", d.now); err != nil {
			d.Fatal(err)
		}
		d.now = d.now.Add(48 * time.Hour)
		d.signUp("JO@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		if err := d.RequestLink(d.Context(), d.keys.AddressKeys("jo@example.org"), "c", alerts.DefaultLimits, d.now, d.write); err != nil {
			d.Error(err)
		}
		if len(d.mail) != 1 {
			d.Errorf("%d mails, want only the first", len(d.mail))
		}
		d.want("people", 0, `SELECT count(*) FROM recipient WHERE address <> ''`)
	})
}

// seedMatch owes the subscription an event.
func (d *desk) seedMatch(v alerts.Version, seq int64) {
	d.exec(`INSERT INTO match (version_id, seq, recipient_id) VALUES ($1, $2, $3)`, v.ID, seq, v.RecipientID)
}

func TestEditStartsANewVersionWhereTheOldEnds(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		d.exec(`UPDATE watermark SET claimed = 12`)
		wish := alerts.Wish{Area: circle(camden, 2000, "home"), Cadence: alerts.Weekly, Filter: alerts.Filter{Kinds: []alerts.Kind{alerts.KindTreesTPO}}}
		if err := d.Edit(d.Context(), sub.RecipientID, sub.ID, wish, d.now); err != nil {
			d.Fatal(err)
		}
		d.want("end of the old version", 12, `SELECT to_seq FROM subscription_version WHERE id = $1`, sub.Current.ID)
		now, err := d.Subscription(d.Context(), sub.ID)
		if err != nil {
			d.Fatal(err)
		}
		v := now.Current
		if v.From != 12 || v.To != alerts.Forever || v.Area.Radius != 2000 || v.Area.Label != "home" || v.Cadence != alerts.Weekly || len(v.Filter.Kinds) != 1 || v.Area.Centre != camden {
			d.Errorf("the new version is %+v", v)
		}
		before := d.engine.Dump(d.T, d.db)
		if err := d.Edit(d.Context(), sub.RecipientID, sub.ID, wish, d.now); err != nil {
			d.Fatal(err)
		}
		if d.engine.Dump(d.T, d.db) != before {
			d.Error("an edit that changes nothing changed something")
		}
		if err := d.Edit(d.Context(), sub.RecipientID+1, sub.ID, wish, d.now); !errors.Is(err, alerts.ErrNotFound) {
			d.Errorf("a stranger's edit: %v, want ErrNotFound", err)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "NW1 8NH"), alerts.Weekly)
		sub := d.confirm().Subscriptions[0]
		until := d.now.Add(72 * time.Hour).UnixMilli()
		if err := d.Pause(d.Context(), sub.RecipientID, sub.ID, until, d.now); err != nil {
			d.Fatal(err)
		}
		d.want("paused until", until, `SELECT paused_until FROM subscription`)
		d.want("versions", 1, `SELECT count(*) FROM subscription_version WHERE to_seq = 9223372036854775807`)
		if err := d.Resume(d.Context(), sub.RecipientID, sub.ID, d.now); err != nil {
			d.Fatal(err)
		}
		d.want("paused until", 0, `SELECT paused_until FROM subscription`)
		d.want("the catch-up is due now", d.now.UnixMilli(), `SELECT next_at FROM due WHERE cadence = 'weekly'`)
	})
}

func TestEndingClosesWhatIsOwedAndUndoOpensIt(t *testing.T) {
	eachDesk(t, func(d *desk) {
		allotment := geo.Point{Lon: -0.15, Lat: 51.56}
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		d.signUp("jo@example.org", circle(allotment, 500, "allotment"), alerts.Weekly)
		st := d.confirm()
		home, plot := st.Subscriptions[0], st.Subscriptions[1]
		d.seedMatch(home.Current, 1)
		d.seedMatch(home.Current, 2)
		d.seedMatch(plot.Current, 2)
		d.exec(`INSERT INTO delivery (id, kind, recipient_id, cadence, state, priority, message_id, subject, text, html, next_at, created_at)
			VALUES (900, 'alert', $1, 'daily', 'queued', 10, 'm', 's', 't', 'h', 0, 0)`, home.RecipientID)
		d.exec(`UPDATE match SET delivery_id = 900 WHERE seq = 2`)
		d.exec(`UPDATE watermark SET position = 2, claimed = 5`)

		ended, err := d.EndCadences(d.Context(), home.RecipientID, []alerts.Cadence{alerts.Daily}, "/u", d.now)
		if err != nil || len(ended) != 1 || ended[0].ID != home.ID {
			d.Fatalf("ended %v, %v", ended, err)
		}
		d.want("end of the version", 5, `SELECT to_seq FROM subscription_version WHERE id = $1`, home.Current.ID)
		d.want("closed matches of home", 2, `SELECT count(*) FROM match WHERE version_id = $1 AND closed IS NOT NULL AND delivery_id IS NULL`, home.Current.ID)
		d.want("owed matches of the allotment", 1, `SELECT count(*) FROM match WHERE version_id = $1 AND closed IS NULL AND delivery_id IS NULL`, plot.Current.ID)
		d.want("cancelled mails", 1, `SELECT count(*) FROM delivery WHERE id = 900 AND state = 'cancelled' AND text = ''`)
		d.want("people still active", 1, `SELECT count(*) FROM recipient WHERE state = 'active'`)

		d.now = d.now.Add(time.Hour)
		before := d.engine.Dump(d.T, d.db)
		if again, err := d.EndCadences(d.Context(), home.RecipientID, []alerts.Cadence{alerts.Daily}, "/u", d.now); err != nil || len(again) != 0 {
			d.Errorf("again: %v, %v", again, err)
		}
		if d.engine.Dump(d.T, d.db) != before {
			d.Error("stopping twice is not as good as once")
		}

		restored, err := d.Undo(d.Context(), home.RecipientID, 0, []alerts.Cadence{alerts.Daily}, d.now)
		if err != nil || len(restored) != 1 {
			d.Fatalf("undo: %v, %v", restored, err)
		}
		d.want("owed matches of home", 2, `SELECT count(*) FROM match WHERE version_id = $1 AND closed IS NULL`, home.Current.ID)
		back, err := d.Subscription(d.Context(), home.ID)
		if err != nil || back.State != alerts.SubscriptionActive || back.Current.From != 5 || back.Current.To != alerts.Forever {
			d.Errorf("after the undo: %+v, %v", back, err)
		}
	})
}

func TestUndoComesToAnEnd(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		if _, err := d.End(d.Context(), sub.ID, "/stop", d.now); err != nil {
			d.Fatal(err)
		}
		d.want("people ended with their last area", 1, `SELECT count(*) FROM recipient WHERE state = 'ended' AND ended_at > 0`)
		d.now = d.now.Add(alerts.UndoFor + time.Minute)
		if restored, err := d.Undo(d.Context(), sub.RecipientID, sub.ID, nil, d.now); err != nil || len(restored) != 0 {
			d.Errorf("after four weeks: %v, %v", restored, err)
		}
	})
}

func TestSigningUpAgainAfterStopping(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		first := d.confirm().Subscriptions[0]
		if _, err := d.End(d.Context(), first.ID, "/stop", d.now); err != nil {
			d.Fatal(err)
		}
		d.now = d.now.Add(48 * time.Hour)
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		if st := d.confirm(); st.Recipient.State != alerts.RecipientActive || len(st.Subscriptions) != 1 || st.Subscriptions[0].State != alerts.SubscriptionActive {
			d.Errorf("after signing up again: %+v", st)
		}
	})
}

func TestErasureLeavesNothingPersonal(t *testing.T) {
	eachDesk(t, func(d *desk) {
		const address, label = "jo.findme@example.org", "Findme Cottage"
		d.signUp(address, circle(camden, 500, label), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		d.seedMatch(sub.Current, 1)
		d.exec(`INSERT INTO captured (message_id, at, address, subject, raw) SELECT message_id, 0, $1, subject, CAST($2 AS BYTEA) FROM delivery`, address, "To: "+address)
		if err := d.WishCoverage(d.Context(), sub.RecipientID, []string{"E09000007"}, d.now); err != nil {
			d.Fatal(err)
		}
		if !strings.Contains(d.engine.Dump(d.T, d.db), address) {
			d.Fatal("the address is not there to begin with")
		}
		for range 2 {
			if err := d.Erase(d.Context(), sub.RecipientID, d.now); err != nil {
				d.Fatal(err)
			}
		}
		dump := d.engine.Dump(d.T, d.db)
		for _, trace := range []string{"findme", "Findme", "51.5397"} {
			if i := strings.Index(dump, trace); i >= 0 {
				d.Errorf("%q is still kept: %s", trace, strings.SplitN(dump[max(0, i-80):], "\n", 2)[0])
			}
		}
		for _, table := range []string{"match", "due", "token", "subscription_version", "subscription_scope", "coverage_wish", "captured"} {
			d.want("rows of "+table, 0, `SELECT count(*) FROM `+table)
		}
		if path, ok := strings.CutPrefix(d.engine.DSN, "sqlite:"); ok {
			for _, suffix := range []string{"", "-wal"} {
				b, err := os.ReadFile(path + suffix)
				if err != nil {
					d.Fatal(err)
				}
				if strings.Contains(string(b), "findme") || strings.Contains(string(b), label) {
					d.Errorf("the file %s still has it", suffix)
				}
			}
		}
		if sub, err := d.Subscription(d.Context(), sub.ID); err != nil || sub.State != alerts.SubscriptionEnded {
			d.Errorf("old links: %+v, %v", sub, err)
		}
		if ended, err := d.EndCadences(d.Context(), sub.RecipientID, []alerts.Cadence{alerts.Daily}, "/u", d.now); err != nil || len(ended) != 0 {
			d.Errorf("unsubscribing after erasure: %v, %v", ended, err)
		}
	})
}

func TestUnconfirmedSignUpsAreForgotten(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		d.now = d.now.Add(alerts.ConfirmFor + time.Minute)
		n, err := d.ForgetUnconfirmed(d.Context(), d.now)
		if err != nil || n != 1 {
			d.Fatalf("forgot %d, %v", n, err)
		}
		if dump := d.engine.Dump(d.T, d.db); strings.Contains(dump, "jo@example.org") {
			d.Errorf("still kept:\n%s", dump)
		}
		if n, err := d.ForgetUnconfirmed(d.Context(), d.now); err != nil || n != 0 {
			d.Errorf("again: %d, %v", n, err)
		}
	})
}

// More than one transaction's worth of sign-ups lapsed, all by people who stay: the
// one who goes comes after them, and is forgotten in the same night.
func TestManyUnconfirmedSignUpsAreForgottenInOneGo(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("stays@example.org", circle(camden, 500, "home"), alerts.Daily)
		d.confirm()
		d.exec(`INSERT INTO subscription (recipient_id, state, created_at) SELECT r.id, 'pending', $1
			FROM recipient r, json_each('[`+strings.Repeat("0,", 249)+`0]') WHERE r.address = 'stays@example.org'`, d.now.UnixMilli())
		d.signUp("goes@example.org", circle(camden, 500, "home"), alerts.Daily)
		d.now = d.now.Add(alerts.ConfirmFor + time.Minute)
		if n, err := d.ForgetUnconfirmed(d.Context(), d.now); err != nil || n != 1 {
			d.Errorf("forgot %d people, %v; want the one who never confirmed", n, err)
		}
		d.want("sign-ups that wait", 0, `SELECT count(*) FROM subscription WHERE state = 'pending'`)
		d.want("people", 1, `SELECT count(*) FROM recipient WHERE address <> ''`)
		d.want("areas of who stays", 1, `SELECT count(*) FROM subscription WHERE state = 'active'`)
	})
}

func TestAddAreaNeedsNoMail(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		if _, err := d.AddArea(d.Context(), sub.RecipientID, alerts.SignUp{Area: circle(camden, 900, "again"), Cadence: alerts.Daily}, d.now); !errors.Is(err, alerts.ErrConflict) {
			d.Errorf("the same place: %v, want ErrConflict", err)
		}
		added, err := d.AddArea(d.Context(), sub.RecipientID, alerts.SignUp{Area: circle(geo.Point{Lon: -1.08, Lat: 53.96}, 900, "York"), Cadence: alerts.Weekly}, d.now)
		if err != nil || added.State != alerts.SubscriptionActive || added.Current.To != alerts.Forever {
			d.Errorf("added %+v, %v", added, err)
		}
		d.want("mails", 1, `SELECT count(*) FROM delivery`)
	})
}

func TestThoseWhoStoppedAreForgottenAfterFourWeeks(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.signUp("jo@example.org", circle(camden, 500, "home"), alerts.Daily)
		sub := d.confirm().Subscriptions[0]
		if _, err := d.End(d.Context(), sub.ID, "/stop", d.now); err != nil {
			d.Fatal(err)
		}
		d.now = d.now.Add(alerts.UndoFor)
		if n, err := d.ForgetEnded(d.Context(), d.now); err != nil || n != 0 {
			d.Errorf("while it can be undone: forgot %d, %v", n, err)
		}
		d.now = d.now.Add(time.Minute)
		if n, err := d.ForgetEnded(d.Context(), d.now); err != nil || n != 1 {
			d.Errorf("after that: forgot %d, %v", n, err)
		}
		if strings.Contains(d.engine.Dump(d.T, d.db), "jo@example.org") {
			d.Error("the address is still kept")
		}
	})
}

// Whatever is asked for from however many places: a domain, and all together, get so
// many mails an hour, and nobody learns who is known.
func TestADomainAndAllTogetherMayAskSoOftenAnHour(t *testing.T) {
	eachDesk(t, func(d *desk) {
		limits := alerts.DefaultLimits
		limits.SignUpsPerDomainHour, limits.SignUpsPerHour = 3, 6
		n := 0
		ask := func(address string) error {
			n++
			return d.Subscribe(d.Context(), alerts.SignUp{Address: address, Area: circle(camden, 500, "x"), Cadence: alerts.Daily, Client: alerts.NewSecret(), Domain: d.keys.DomainKey(address)},
				d.keys.AddressKeys(address), limits, d.now, d.write)
		}
		for i := range 3 {
			if err := ask(string(rune('a'+i)) + "@victim.example"); err != nil {
				d.Fatal(err)
			}
		}
		for _, address := range []string{"d@victim.example", "a@VICTIM.example"} { // known or not
			if err := ask(address); !errors.Is(err, alerts.ErrBusy) {
				d.Errorf("the fourth of a domain, %s: %v", address, err)
			}
		}
		for i := range 3 { // a large provider's addresses have nothing in common
			if err := ask(string(rune('a'+i)) + "@gmail.com"); err != nil {
				d.Fatal(err)
			}
		}
		if err := ask("x@elsewhere.example"); !errors.Is(err, alerts.ErrBusy) {
			d.Errorf("the seventh of all: %v", err)
		}
		if err := d.RequestSignIn(d.Context(), "y@elsewhere.example", d.keys.AddressKeys("y@elsewhere.example"), "c", "", "", limits, d.now, d.write); !errors.Is(err, alerts.ErrBusy) {
			d.Errorf("a request to sign in: %v", err)
		}
		d.now = d.now.Add(time.Hour)
		if err := ask("d@victim.example"); err != nil {
			d.Errorf("an hour later: %v", err)
		}
	})
}
