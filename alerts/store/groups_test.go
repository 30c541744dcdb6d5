package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// account makes an account that has signed in.
func (d *desk) account(address string) int64 {
	d.Helper()
	if err := d.RequestSignIn(d.Context(), address, d.keys.AddressKeys(address), alerts.HashSecret(address), "", "", alerts.DefaultLimits, d.now, d.write); err != nil {
		d.Fatal(err)
	}
	letter := d.mail[len(d.mail)-1]
	if _, _, err := d.SignIn(d.Context(), letter.Secret, "", d.now); err != nil {
		d.Fatal(err)
	}
	return letter.Recipient.ID
}

// group makes a group with an owner, and others in the order in which they came.
func (d *desk) group(owner int64, others ...alerts.Member) alerts.Group {
	d.Helper()
	g, err := d.AddGroup(d.Context(), "Lamplighters", "Gwen", owner, d.now)
	if err != nil {
		d.Fatal(err)
	}
	for i, m := range others {
		d.exec(`INSERT INTO role (account_id, scope, role, name, created_at) VALUES ($1, $2, $3, $4, $5)`, m.AccountID, string(g.Scope()), string(m.Role), m.Name, d.now.UnixMilli()+int64(i)+1)
	}
	return g
}

const secretURL = "https://hooks.example.org/services/T0KEN"

func (d *desk) tryEndpoint(group, owner int64) (alerts.Endpoint, error) {
	n, err := alerts.NewEndpoint{GroupID: group, OwnerID: owner, Name: "room"}.Check(secretURL, alerts.URLPolicy{}, d.keys)
	if err != nil {
		return alerts.Endpoint{}, err
	}
	return d.CreateEndpoint(d.Context(), n, d.keys.SealSecret(alerts.NewHookSecret()), d.now, func(alerts.Endpoint) ([]byte, error) { return []byte("{}"), nil })
}

func (d *desk) groupEndpoint(group, owner int64) alerts.Endpoint {
	d.Helper()
	e, err := d.tryEndpoint(group, owner)
	if err != nil {
		d.Fatal(err)
	}
	return e
}

func TestAGroupHasTenEndpointsHoweverManyAreMadeAtOnce(t *testing.T) {
	eachDesk(t, func(d *desk) {
		gwen := d.account("gwen@example.org")
		g := d.group(gwen)
		var mu sync.Mutex
		made, refused := 0, 0
		var all sync.WaitGroup
		for range 2 * alerts.MaxGroupEndpoints {
			all.Go(func() {
				_, err := d.tryEndpoint(g.ID, gwen)
				mu.Lock()
				defer mu.Unlock()
				var full *alerts.InvalidError
				switch {
				case err == nil:
					made++
				case errors.As(err, &full):
					refused++
				default:
					d.Error(err)
				}
			})
		}
		all.Wait()
		if made != alerts.MaxGroupEndpoints || refused != alerts.MaxGroupEndpoints {
			d.Errorf("%d were made and %d refused", made, refused)
		}
		d.want("endpoints", alerts.MaxGroupEndpoints, `SELECT count(*) FROM endpoint`)
		if _, err := d.tryEndpoint(g.ID+1, gwen); !errors.Is(err, alerts.ErrNotFound) {
			d.Errorf("in a group that is not there: %v", err)
		}
	})
}

func TestTheAddressOfAnEndpointIsASecret(t *testing.T) {
	eachDesk(t, func(d *desk) {
		gwen := d.account("gwen@example.org")
		g := d.group(gwen)
		e := d.groupEndpoint(g.ID, gwen)
		if strings.Contains(d.engine.Dump(d.T, d.db), "T0KEN") {
			d.Error("it is stored as it is")
		}
		if e.Shown != "https://hooks.example.org/…" {
			d.Errorf("%q is shown", e.Shown)
		}
		if url, err := d.keys.OpenSecret(e.Address); err != nil || url != secretURL {
			d.Errorf("%q, %v", url, err)
		}
		// One from before addresses were secrets.
		d.exec(`UPDATE endpoint SET url = $1, shown = ''`, secretURL)
		for range 2 {
			if err := d.SealAddresses(d.Context(), d.keys); err != nil {
				d.Fatal(err)
			}
			now, err := d.Endpoint(d.Context(), e.ID)
			if url, err2 := d.keys.OpenSecret(now.Address); err != nil || err2 != nil || url != secretURL || now.Shown != e.Shown {
				d.Errorf("%+v, %v, %v", now, err, err2)
			}
		}
		if strings.Contains(d.engine.Dump(d.T, d.db), "T0KEN") {
			d.Error("an old one stays as it was")
		}
		if err := d.DeleteEndpoint(d.Context(), e.ID, d.now); err != nil {
			d.Fatal(err)
		}
		d.want("addresses of deleted endpoints", 0, `SELECT count(*) FROM endpoint WHERE url <> '' OR shown <> ''`)
	})
}

func TestAnEndpointHearsOfAnAreaForAsLongAsItsGroupHasIt(t *testing.T) {
	eachDesk(t, func(d *desk) {
		gwen := d.account("gwen@example.org")
		g, other := d.group(gwen), d.group(gwen)
		var watched []alerts.GroupArea
		for _, area := range []alerts.Area{circle(camden, 500, "near"), circle(camden, 2000, "wide"), {Kind: alerts.AreaAuthority, Code: "camden", Label: "Camden"}} {
			a, err := d.AddGroupArea(d.Context(), alerts.GroupArea{GroupID: g.ID, Area: area}, d.now)
			if err != nil {
				d.Fatal(err)
			}
			watched = append(watched, a)
		}
		mine, theirs := d.groupEndpoint(g.ID, gwen), d.groupEndpoint(other.ID, gwen)
		for _, e := range []alerts.Endpoint{mine, theirs} {
			for _, a := range watched {
				if _, err := d.AddEndpointArea(d.Context(), e.ID, a.Area, alerts.Filter{}, d.now); err != nil {
					d.Fatal(err)
				}
			}
		}
		hears := func(e alerts.Endpoint) (labels []string) {
			subs, err := d.EndpointAreas(d.Context(), e.ID)
			if err != nil {
				d.Fatal(err)
			}
			for _, s := range subs {
				labels = append(labels, s.Current.Area.Label)
			}
			return labels
		}
		if err := d.RemoveGroupArea(d.Context(), other.ID, watched[0].ID, d.now); !errors.Is(err, alerts.ErrNotFound) {
			d.Errorf("another group's area: %v", err)
		}
		for i, want := range [][]string{{"wide", "Camden"}, {"Camden"}, nil} {
			if err := d.RemoveGroupArea(d.Context(), g.ID, watched[i].ID, d.now); err != nil {
				d.Fatal(err)
			}
			if got := hears(mine); !slices.Equal(got, want) {
				d.Errorf("without %s it hears of %v, want %v", watched[i].Area.Label, got, want)
			}
		}
		if got := hears(theirs); len(got) != 3 {
			d.Errorf("another group's endpoint hears of %v", got)
		}
		if _, err := d.AddEndpointArea(d.Context(), mine.ID, watched[0].Area, alerts.Filter{}, d.now); err != nil {
			d.Errorf("it cannot hear of anything afterwards: %v", err)
		}
		d.want("recipients that have ended", 0, `SELECT count(*) FROM recipient WHERE kind = 'endpoint' AND state = 'ended'`)
	})
}

func TestWhenItsOnlyOwnerIsErasedAGroupGoesToTheNextOrEnds(t *testing.T) {
	eachDesk(t, func(d *desk) {
		gwen, hal, ida, jan := d.account("gwen@example.org"), d.account("hal@example.org"), d.account("ida@example.org"), d.account("jan@example.org")
		shared := d.group(gwen, alerts.Member{AccountID: hal, Role: alerts.RoleViewer, Name: "Hal"}, alerts.Member{AccountID: ida, Role: alerts.RoleMember, Name: "Ida"}, alerts.Member{AccountID: jan, Role: alerts.RoleMember, Name: "Jan"})
		alone := d.group(gwen)
		kept := d.groupEndpoint(shared.ID, gwen)
		d.groupEndpoint(alone.ID, gwen)
		d.exec(`INSERT INTO meeting (group_id, day, created_at) VALUES ($1, '2026-12-01', 0)`, alone.ID)
		if err := d.Erase(d.Context(), gwen, d.now); err != nil {
			d.Fatal(err)
		}
		all, err := d.Members(d.Context(), shared.ID)
		if err != nil || len(all) != 3 {
			d.Fatalf("%+v, %v", all, err)
		}
		for _, m := range all { // who may do most, and of those who has been in it longest
			if (m.AccountID == ida) != (m.Role == alerts.RoleOwner) {
				d.Errorf("%s is %s", m.Name, m.Role)
			}
		}
		if e, err := d.Endpoint(d.Context(), kept.ID); err != nil || e.OwnerID != ida {
			d.Errorf("who is told of the endpoint: %d, %v", e.OwnerID, err)
		}
		if _, err := d.Group(d.Context(), alone.ID); !errors.Is(err, alerts.ErrNotFound) {
			d.Errorf("a group with nobody in it: %v", err)
		}
		d.want("endpoints and meetings of the group that ended", 0, `SELECT (SELECT count(*) FROM endpoint WHERE group_id = $1 AND state <> 'deleted') + (SELECT count(*) FROM meeting)`, alone.ID)
	})
}

// What somebody who signs in gets to see of themselves is all there is.
func TestAMembersCopyIsComplete(t *testing.T) {
	eachDesk(t, func(d *desk) {
		gwen := d.account("gwen@example.org")
		g := d.group(gwen)
		d.groupEndpoint(g.ID, gwen)
		d.exec(`INSERT INTO application (id, authority, reference, version, first_seen, updated_at, listed, details) VALUES (7, 'camden', '2026/0001/P', 1, 0, 0, '2026-11-01', '{}')`)
		for _, e := range []alerts.TriageEntry{{Action: alerts.ActNote, Text: "Is the roof lower?"}, {Action: alerts.ActAssigned}, {Action: alerts.ActHide}} {
			e.ApplicationID, e.AccountID = 7, gwen
			if err := d.Act(d.Context(), g.ID, e, gwen, d.now); err != nil {
				d.Fatal(err)
			}
		}
		token := alerts.NewToken([]alerts.TokenScope{alerts.TokenRead})
		if _, err := d.AddToken(d.Context(), alerts.Token{GroupID: g.ID, AccountID: gwen, Name: "our map", Scopes: []alerts.TokenScope{alerts.TokenRead}, ExpiresAt: d.now.Add(time.Hour).UnixMilli()}, token, d.now); err != nil {
			d.Fatal(err)
		}
		if err := d.Invite(d.Context(), alerts.Invitation{Group: g, Address: "hal@example.org", Role: alerts.RoleMember}, d.keys.AddressKeys("hal@example.org"), gwen, d.now,
			func(_ alerts.Invitation, l alerts.Letter) (alerts.Delivery, error) { return d.write(l) }); err != nil {
			d.Fatal(err)
		}
		p, err := d.Personal(d.Context(), gwen)
		if err != nil {
			d.Fatal(err)
		}
		if len(p.Roles) != 1 || p.Roles[0].Of != "Lamplighters" || p.Roles[0].Name != "Gwen" || len(p.Acts) != 3 || p.Acts[0].Text != "Is the roof lower?" || p.Acts[0].Reference != "2026/0001/P" ||
			len(p.Assigned) != 1 || len(p.Votes) != 1 || len(p.Tokens) != 1 || p.Tokens[0].Name != "our map" || len(p.Endpoints) != 1 || len(p.Invitations) != 1 || !p.Invitations[0].ByThem || len(p.Sessions) != 1 {
			d.Errorf("%+v", p)
		}
		if said := fmt.Sprintf("%+v", p); strings.Contains(said, "hal@example.org") || strings.Contains(said, token) || strings.Contains(said, "T0KEN") {
			d.Errorf("it tells what is somebody else's, or a secret: %s", said)
		}
		// Each table that names an account is answered for.
		answered := map[string]string{"session": "account_id", "role": "account_id", "invitation": "account_id invited_by", "api_token": "account_id", "hide_vote": "account_id",
			"triage_log": "account_id", "triage": "assignee", "endpoint": "owner_id"}
		for _, table := range d.tables() {
			rows, err := d.db.Query(`SELECT * FROM ` + table + ` WHERE 1 = 0`)
			if err != nil {
				d.Fatal(err)
			}
			columns, _ := rows.Columns()
			rows.Close()
			for _, c := range columns {
				if slices.Contains([]string{"account_id", "owner_id", "assignee", "invited_by", "by_id", "made_by"}, c) && !strings.Contains(answered[table], c) {
					d.Errorf("%s.%s names an account and is not in their copy", table, c)
				}
			}
		}
	})
}
