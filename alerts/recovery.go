package alerts

import (
	"fmt"
	"time"
)

// This file is how a receiver gets again what it lacks.

// RecoverDays is how far back webhooks can be sent again.
const RecoverDays = 14

// RecoversPerHour is how often what an endpoint missed may be asked for again.
const RecoversPerHour = 12

// MaxRecovered is how many webhooks are sent again at a time, the earliest first.
const MaxRecovered = 10_000

// Recoveries is the allowance of recoveries of an endpoint.
func Recoveries(endpoint int64, now time.Time) Allowance {
	return Allowance{Key: fmt.Sprintf("recover:%d", endpoint), Period: now.UTC().Format("2006-01-02T15"), Limit: RecoversPerHour}
}

// A Recovery asks for webhooks to be sent again, each under the id that it had, by
// when they were made or by their numbers. Those that wait already are brought
// forward and not doubled.
type Recovery struct {
	Since, Until int64 // unix ms: made at Since or later, and before Until; 0 for no bound
	After, UpTo  int64 // numbers: above After, up to UpTo; 0 for no bound
	Accepted     bool  // also those that the receiver has accepted, for one that has lost its data
}

// Check says what is wrong with a request, as an [InvalidError] with the name of the
// member, and returns it with its bounds drawn in to what can still be sent.
func (r Recovery) Check(now time.Time) (Recovery, error) {
	floor := now.AddDate(0, 0, -RecoverDays)
	switch {
	case r.Since != 0 && r.Since < floor.UnixMilli():
		return r, Invalid("since", "Webhooks can be sent again for %d days: name a time after %s, and read the snapshot for what was before", RecoverDays, WireTime(floor.UnixMilli()))
	case r.Since > now.UnixMilli():
		return r, Invalid("since", "This time is yet to come")
	case r.Until != 0 && r.Until <= max(r.Since, floor.UnixMilli()):
		return r, Invalid("until", "The end of the time must come after its beginning")
	case r.After < 0:
		return r, Invalid("after_sequence", "The number is 0 or more")
	case r.UpTo != 0 && r.UpTo <= r.After:
		return r, Invalid("until_sequence", "The last number must be above the one after which to begin")
	}
	r.Since = max(r.Since, floor.UnixMilli())
	return r, nil
}

// A Recovered is what a recovery puts on its way.
type Recovered struct {
	Queued int
	Since  int64 // unix ms: what was made before was left out
	Last   int64 // the highest number of them; 0 for none
	More   bool  // there are more above it, which can be asked for next
}
