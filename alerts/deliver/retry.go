package deliver

import (
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

// restAfter returns how long a sender rests after so many relay-wide failures in a
// row, this one included.
func restAfter(failures int) time.Duration {
	return rests[min(max(failures, 1), len(rests))-1]
}
