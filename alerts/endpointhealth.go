package alerts

import (
	"fmt"
	"slices"
	"time"
)

// This file is how an endpoint fares: what an attempt to reach it means for it as a
// whole. What it means for the one delivery is in alerts/deliver/retry.go.

// HookClass says what kind of failure an attempt at a webhook met. A name that does
// not exist, a closed port and an address that we refuse to dial are one class: the
// difference would let strangers explore networks from here.
type HookClass string

// The classes.
const (
	HookAccepted  HookClass = ""
	HookConnect   HookClass = "connect"   // nobody was reached
	HookTLS       HookClass = "tls"       // somebody was, but could not prove who they are
	HookTimeout   HookClass = "timeout"   // no whole answer in time
	HookStatus    HookClass = "status"    // an answer other than 2xx
	HookTooLarge  HookClass = "too_large" // headers without end
	HookChallenge HookClass = "challenge" // a ping that was not echoed
)

// A HookOutcome is what one attempt at a webhook came to.
type HookOutcome struct {
	Class      HookClass
	Status     int           // HTTP; 0 without an answer
	Detail     string        // a sentence for its owner
	Cause      string        // for the operator's log only: dns, connect, blocked
	Answer     string        // the first [MaxAnswer] bytes as text
	RetryAfter time.Duration // as the other side asked; 0 if it did not
}

// The answers that mean something for an endpoint as a whole.
const (
	gone            = 410 // stop for good
	tooManyRequests = 429
	badGateway      = 502
	unavailable     = 503
	gatewayTimeout  = 504
)

// Network reports whether the fault may lie with our own connection: nobody
// answered at all.
func (o HookOutcome) Network() bool {
	return slices.Contains([]HookClass{HookConnect, HookTLS, HookTimeout}, o.Class) && o.Status == 0
}

// A HookTry is one attempt at a webhook, and what follows from it.
type HookTry struct {
	Delivery  HookDelivery // as it was claimed
	Challenge string       // of the endpoint then
	At        int64        // unix ms
	Took      time.Duration
	Outcome   HookOutcome
	Then      DeliveryState // DeliverySent, DeliveryGivenUp, or DeliveryQueued to try again
	RetryAt   int64         // unix ms; of every failure, for one that turns out not to count
}

// EndpointNews is what an endpoint's owner is to be told of it.
type EndpointNews string

// What owners are told, each more pressing than the one before, and once until the
// endpoint has worked again.
const (
	NewsNone      EndpointNews = ""
	NewsFailing   EndpointNews = "failing"   // for a day
	NewsExhausted EndpointNews = "exhausted" // a delivery was given up
	NewsDisabled  EndpointNews = "disabled"
)

var newsOrder = []EndpointNews{NewsNone, NewsFailing, NewsExhausted, NewsDisabled}

// tell notes news for the owner, unless as pressing ones were told already.
func (e *Endpoint) tell(n EndpointNews) {
	rank := func(n EndpointNews) int { return slices.Index(newsOrder, n) }
	if rank(n) > rank(e.Told) && rank(n) > rank(e.News) {
		e.News = n
	}
}

// When failing becomes news, and when an endpoint is disabled.
const (
	FailingIsNews   = 24 * time.Hour
	DisableAfter    = 120 * time.Hour
	DisableAttempts = 10
	NewsGap         = 24 * time.Hour // between two mails about one endpoint
)

// calm is how long an endpoint that keeps failing rests after so many failures in a
// row: its other deliveries need not meet the same fault at full speed.
var calm = []struct {
	failures int
	rest     time.Duration
}{{20, 5 * time.Minute}, {10, time.Minute}, {5, 15 * time.Second}, {3, 2 * time.Second}}

// Least rests after an answer that asks for less traffic, and after none.
const (
	tooManyRest = time.Minute
	gatewayRest = 15 * time.Second
	longestRest = 24 * time.Hour
)

// Record takes an attempt into account. outage says that most endpoints failed
// together, so that the fault is ours: then the clock stands still for this one.
// Pings say nothing of how an endpoint fares, but a success is one.
func (e *Endpoint) Record(t HookTry, outage bool) {
	o := t.Outcome
	before := e.TriedAt
	e.TriedAt = max(e.TriedAt, t.At)
	if o.Class == HookAccepted {
		e.SucceededAt = max(e.SucceededAt, t.At)
		e.FailingSince, e.Failures, e.RestsUntil, e.Network = 0, 0, 0, false
		e.Told, e.News = NewsNone, NewsNone
		return
	}
	if o.Status == gone {
		e.disable("It answered 410 Gone, which asks us to stop.")
		return
	}
	if t.Delivery.IsPing() {
		return
	}
	e.Network = o.Network()
	if outage && o.Network() {
		if e.FailingSince != 0 {
			e.FailingSince += max(0, t.At-max(before, e.FailingSince))
		}
		return
	}
	e.Failures++
	if e.FailingSince == 0 {
		e.FailingSince = t.At
	}
	e.RestsUntil = max(e.RestsUntil, t.At+t.Took.Milliseconds()+e.rest(o).Milliseconds())
	failing := time.Duration(t.At-e.FailingSince) * time.Millisecond
	if failing >= FailingIsNews {
		e.tell(NewsFailing)
	}
	if t.Then == DeliveryGivenUp && !t.Delivery.IsTest() {
		e.tell(NewsExhausted)
	}
	if failing >= DisableAfter && e.Failures >= DisableAttempts {
		e.disable(fmt.Sprintf("Nothing could be delivered for %d days.", int(DisableAfter/(24*time.Hour))))
	}
}

func (e *Endpoint) disable(reason string) {
	if e.State != EndpointActive {
		return // one that is not switched on stays as it is
	}
	e.State, e.Reason = EndpointDisabled, reason
	e.tell(NewsDisabled)
}

// rest is how long the whole endpoint is left alone after a failure.
func (e *Endpoint) rest(o HookOutcome) time.Duration {
	var rest time.Duration
	for _, c := range calm {
		if e.Failures >= c.failures {
			rest = c.rest
			break
		}
	}
	switch o.Status {
	case tooManyRequests:
		rest = max(rest, tooManyRest, o.RetryAfter)
	case badGateway, gatewayTimeout:
		rest = max(rest, gatewayRest, o.RetryAfter)
	case unavailable:
		rest = max(rest, o.RetryAfter)
	}
	return min(rest, longestRest)
}

// OutageWindow is how long ago endpoints may have begun to fail for it to be
// together, and how long ago they must have been tried to be counted.
const OutageWindow = 15 * time.Minute

// A Census counts the endpoints that were tried within the outage window and had
// worked before it.
type Census struct {
	Tried   int
	Failing int // of them: those that answer nothing
}

// Adjust counts what the latest tries at an endpoint say, given the endpoint as it
// was when the others were counted.
func (c *Census) Adjust(e *Endpoint, network bool, now int64) {
	since := now - OutageWindow.Milliseconds()
	if e.State != EndpointActive || e.FailingSince != 0 && e.FailingSince < since {
		return // it has been failing by itself for long
	}
	if e.TriedAt < since {
		c.Tried++
	} else if e.Network {
		c.Failing--
	}
	if network {
		c.Failing++
	}
}

// leastOutage is how many endpoints have to fail together: of one or two, it is
// likelier that they share a server.
const leastOutage = 3

// IsOutage reports whether the fault is more likely to be ours than theirs: most
// endpoints stopped answering at about the same time.
func (c Census) IsOutage() bool { return c.Failing >= leastOutage && 2*c.Failing > c.Tried }

// WantsRest reports whether an answer asks for the whole endpoint to be left alone.
func (e *Endpoint) WantsRest(o HookOutcome) bool {
	switch o.Status {
	case gone, tooManyRequests, badGateway, gatewayTimeout:
		return true
	}
	return o.RetryAfter > 0
}

// NewsWords says what there is to tell of an endpoint, in sentences.
func (e *Endpoint) NewsWords() string {
	name := "The endpoint “" + Line(e.Name, MaxEndpointName) + "” (number " + fmt.Sprint(e.ID) + ")"
	switch e.News {
	case NewsFailing:
		return name + " has accepted nothing for a day. What it misses is tried again for about three days."
	case NewsExhausted:
		return name + " has not accepted a webhook in ten attempts over three days, so that one was given up. It can be sent again for fourteen days."
	case NewsDisabled:
		return name + " was switched off: " + e.Reason + " What happens meanwhile is kept, and sent when a ping to it succeeds."
	}
	return name + " works."
}
