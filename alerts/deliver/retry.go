package deliver

import (
	"net/http"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// waits is how long a delivery rests after each failed attempt: about three days
// in all, so that a mailbox that fills up on Friday evening has until Monday.
var waits = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour,
	6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour}

// longestWait is the longest that the other side may ask us to wait.
const longestWait = 24 * time.Hour

// rests is how long a sender rests after each relay-wide failure in a row; the
// last one is repeated.
var rests = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute}

// after decides what follows from an outcome of a delivery that had failed
// d.Attempts times before. jitter, of [0, 1), spreads what failed together by ±20 %.
// Relay-wide failures are not decided here: they count against no delivery.
func after(d alerts.Delivery, o alerts.Outcome, now time.Time, jitter float64) (alerts.DeliveryState, time.Time) {
	switch o.Class {
	case alerts.Accepted:
		return alerts.DeliverySent, time.Time{}
	case alerts.Permanent, alerts.DeadAddress:
		return alerts.DeliveryGivenUp, time.Time{}
	}
	if d.Attempts >= len(waits) {
		return alerts.DeliveryGivenUp, time.Time{}
	}
	wait := time.Duration(float64(waits[d.Attempts]) * (0.8 + 0.4*jitter))
	wait = max(wait, min(o.RetryAfter, longestWait))
	return alerts.DeliveryQueued, now.Add(wait)
}

// hookRests is how long webhooks rest after each outage of our own in a row; the
// last one is repeated. It is short: an outage may be a mistaken guess, and then
// others wait for nothing.
var hookRests = []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}

func hookRestAfter(failures int) time.Duration {
	return hookRests[min(max(failures, 1), len(hookRests))-1]
}

// hookWaits is how long a webhook rests after each failed attempt, as Standard
// Webhooks proposes: ten attempts in 75 hours and a half.
var hookWaits = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// leastWait is how long a webhook rests at least after no answer in time, and after
// 429 Too Many Requests.
const leastWait = time.Minute

// afterHook decides what follows from an outcome of a webhook that had failed
// d.Attempts times before, and when it would be tried again if its failure does not
// count. Pings and tests are tried once: somebody looks on and can ask again.
func afterHook(d alerts.HookDelivery, o alerts.HookOutcome, now time.Time, jitter float64) (alerts.DeliveryState, time.Time) {
	if o.Class == alerts.HookAccepted {
		return alerts.DeliverySent, time.Time{}
	}
	wait := time.Duration(float64(hookWaits[min(d.Attempts, len(hookWaits)-1)]) * (0.8 + 0.4*jitter))
	wait = max(wait, min(o.RetryAfter, longestWait))
	if o.Class == alerts.HookTimeout || o.Status == http.StatusTooManyRequests {
		wait = max(wait, leastWait)
	}
	if d.Attempts >= len(hookWaits) || d.IsPing() || d.IsTest() {
		return alerts.DeliveryGivenUp, now.Add(wait)
	}
	return alerts.DeliveryQueued, now.Add(wait)
}

// restAfter returns how long a sender rests after so many relay-wide failures in a
// row, this one included.
func restAfter(failures int) time.Duration {
	return rests[min(max(failures, 1), len(rests))-1]
}
