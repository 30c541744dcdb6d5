package alerts_test

import (
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestExplanationInWords(t *testing.T) {
	now := moment(t, "2026-05-04T09:00:00Z")
	near := alerts.Answer{Interest: alerts.Wanted, Reason: alerts.Sentencef("it is %s from %s, within %s", "180 m", "NW1 8NH", "500 m")}
	far := alerts.Answer{Interest: alerts.NotWanted, Reason: alerts.Sentencef("it is 1.3 km from NW1 8NH, further than 500 m")}
	live := alerts.Event{State: alerts.EventLive, Type: alerts.EventReceived, RunID: 7}
	daily := &alerts.Version{Cadence: alerts.Daily}
	owed := &alerts.Match{}
	mail := func(state alerts.DeliveryState, attempts int) *alerts.Delivery {
		return &alerts.Delivery{State: state, Cadence: alerts.Daily, SentAt: moment(t, "2026-05-03T06:00:00Z").UnixMilli(), Attempts: attempts,
			NextAt: now.Add(time.Hour).UnixMilli()}
	}
	for _, c := range []struct {
		event  alerts.ExplainedEvent
		sub    alerts.Subscription
		hidden bool
		want   string
	}{
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed, Delivery: mail(alerts.DeliverySent, 1)}, alerts.Subscription{}, false,
			"Told on 3 May 2026 07:00 in the daily mail: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: far}, alerts.Subscription{}, false,
			"Not told: it is 1.3 km from NW1 8NH, further than 500 m"},
		{alerts.ExplainedEvent{Event: alerts.Event{State: alerts.EventSilenced}, FirstRead: true}, alerts.Subscription{}, false,
			"Not told: it was part of the first import of the feed"},
		{alerts.ExplainedEvent{Event: alerts.Event{State: alerts.EventSilenced}}, alerts.Subscription{}, false,
			"Not told: the case was over, and too old, when the council's feed first showed it"},
		{alerts.ExplainedEvent{Event: alerts.Event{State: alerts.EventHeld, RunID: 7}}, alerts.Subscription{}, false,
			"Not told yet: the import that brought it is held until an operator releases run 7"},
		{alerts.ExplainedEvent{Event: alerts.Event{State: alerts.EventCollapsed}}, alerts.Subscription{}, false,
			"Not told by itself: the import that brought it was held, and its outcome was told as one piece of news"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed}, alerts.Subscription{}, false,
			"To be told in the next daily mail: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed}, alerts.Subscription{PausedUntil: alerts.Forever}, false,
			"Not told yet, since the alerts are paused: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed}, alerts.Subscription{PausedUntil: now.Add(24 * time.Hour).UnixMilli()}, false,
			"Not told yet, since the alerts are paused until 5 May 2026 10:00: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed}, alerts.Subscription{PausedUntil: now.Add(-time.Hour).UnixMilli()}, false,
			"To be told in the next daily mail: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed, Delivery: mail(alerts.DeliveryQueued, 0)}, alerts.Subscription{}, false,
			"Not told yet, since its mail is waiting to be sent: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed, Delivery: mail(alerts.DeliveryQueued, 3)}, alerts.Subscription{}, false,
			"Not told yet, since its mail could not be sent so far (tried 3 times, next on 4 May 2026 11:00): it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed, Closed: "the alerts were stopped"}, alerts.Subscription{}, false,
			"Not told: the alerts were stopped"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed, Delivery: mail(alerts.DeliveryGivenUp, 9)}, alerts.Subscription{}, false,
			"Not told: its mail could not be delivered"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: owed, Delivery: mail(alerts.DeliveryCancelled, 0)}, alerts.Subscription{}, false,
			"Not told: its mail was cancelled before it was sent"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near, Match: &alerts.Match{Correction: true}}, alerts.Subscription{}, false,
			"To be told in the next mail if the case was told before: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Version: daily, Answer: near}, alerts.Subscription{}, false,
			"Not told yet, since it has not been matched: it is 180 m from NW1 8NH, within 500 m"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near}, alerts.Subscription{}, false,
			"Not told, though it should have been: it is 180 m from NW1 8NH, within 500 m. Run sitenotice audit"},
		{alerts.ExplainedEvent{Event: live, Matched: true}, alerts.Subscription{State: alerts.SubscriptionPending}, false,
			"Not told: the subscription has not been confirmed"},
		{alerts.ExplainedEvent{Event: live, Matched: true}, alerts.Subscription{State: alerts.SubscriptionActive}, false,
			"Not told: the subscription was not in force at the time"},
		{alerts.ExplainedEvent{Event: live, Matched: true, Version: daily, Answer: near}, alerts.Subscription{}, true,
			"Not told: the case has been taken down"},
	} {
		x := alerts.Explanation{Subscription: c.sub, Hidden: c.hidden}
		if got := c.event.Words(alerts.English, &x, now); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
