package alerts

import (
	"testing"
	"time"
)

func TestWhoMayDecideAboutHeldNews(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	hold := Hold{Last: 90, Events: 12}
	decision := func(change func(d *HeldDecision)) HeldDecision {
		d := HeldDecision{Choice: HeldRelease, By: 2, Hold: hold, Reach: Reach{People: 214}, Above: 100}
		if change != nil {
			change(&d)
		}
		return d
	}
	asked := func(change func(r *HeldRequest)) *HeldRequest {
		r := &HeldRequest{Choice: HeldRelease, By: 1, At: now.Add(-time.Hour).UnixMilli(), Hold: hold}
		if change != nil {
			change(r)
		}
		return r
	}
	for _, c := range []struct {
		name     string
		decision HeldDecision
		asked    *HeldRequest
		want     HeldStep
	}{
		{"few people", decision(func(d *HeldDecision) { d.Reach.People = 100 }), nil, HeldDo},
		{"many people", decision(nil), nil, HeldAsk},
		{"more than were counted", decision(func(d *HeldDecision) { d.Reach = Reach{People: 3, More: true} }), nil, HeldAsk},
		{"somebody else asked for the same", decision(nil), asked(nil), HeldDo},
		{"the same person again", decision(func(d *HeldDecision) { d.By = 1 }), asked(nil), HeldWait},
		{"somebody else asked for the opposite", decision(func(d *HeldDecision) { d.Choice = HeldDiscard }), asked(nil), HeldAsk},
		{"somebody else asked a day ago", decision(nil), asked(func(r *HeldRequest) { r.At = now.Add(-AgreeWithin).UnixMilli() }), HeldAsk},
		{"somebody else asked just within a day", decision(nil), asked(func(r *HeldRequest) { r.At = now.Add(1 - AgreeWithin).Add(time.Millisecond).UnixMilli() }), HeldDo},
		{"more has come since", decision(func(d *HeldDecision) { d.Hold.Last++; d.Hold.Events++ }), asked(nil), HeldAsk},
		{"some has gone since", decision(func(d *HeldDecision) { d.Hold.Events-- }), asked(nil), HeldAsk},
		{"two agreed and it broke off", decision(func(d *HeldDecision) { d.By, d.Hold.Events = 1, 3 }), asked(func(r *HeldRequest) { r.AgreedBy, r.AgreedAt = 2, r.At }), HeldDo},
		{"two agreed and more has come", decision(func(d *HeldDecision) { d.Hold.Last++ }), asked(func(r *HeldRequest) { r.AgreedBy, r.AgreedAt = 2, r.At }), HeldAsk},
		{"two agreed to the opposite", decision(func(d *HeldDecision) { d.Choice = HeldDiscard }), asked(func(r *HeldRequest) { r.AgreedBy, r.AgreedAt = 2, r.At }), HeldAsk},
		{"alone, from the command line", decision(func(d *HeldDecision) { d.By, d.Alone = 0, true }), nil, HeldDo},
	} {
		if got := c.decision.Step(c.asked, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if act := decision(func(d *HeldDecision) { d.Alone, d.Who = true, "command line"; d.Reach.Applications = 9 }).Act("york", HeldDo); act.What != "released held news, without a second person: 214 people, 9 applications" || act.Subject != "feed york" {
		t.Errorf("the record says %q of %q", act.What, act.Subject)
	}
}

func TestASignInIsRecentForHalfAnHour(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]bool{0: true, RecentSignIn: true, RecentSignIn + time.Millisecond: false, 30 * 24 * time.Hour: false} {
		if got := (Account{SignedInAt: now.Add(-ago).UnixMilli()}).SignedInLately(now); got != want {
			t.Errorf("%v ago: %t", ago, got)
		}
	}
	if (Account{}).SignedInLately(now) {
		t.Error("who has not signed in at all is taken for recent")
	}
}

func TestWhichMailIsSentAgain(t *testing.T) {
	good := SentMail{Kind: DeliveryAlert, State: DeliverySent, Kept: true}
	if !good.MaySendAgain() {
		t.Error("an alert that was sent may not be sent again")
	}
	for name, change := range map[string]func(m *SentMail){
		"a link to sign in": func(m *SentMail) { m.Kind = DeliverySignIn }, "a confirmation": func(m *SentMail) { m.Kind = DeliveryConfirm }, "a link to change alerts": func(m *SentMail) { m.Kind = DeliveryManage },
		"one that waits": func(m *SentMail) { m.State = DeliveryQueued }, "one that was given up": func(m *SentMail) { m.State = DeliveryGivenUp },
		"one whose words are gone": func(m *SentMail) { m.Kept = false }, "a copy": func(m *SentMail) { m.AgainOf = 7 }, "a webhook": func(m *SentMail) { m.Kind = DeliveryWebhook },
	} {
		m := good
		if change(&m); m.MaySendAgain() {
			t.Errorf("%s may be sent again", name)
		}
	}
}
