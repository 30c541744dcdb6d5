package alerts

import (
	"fmt"
	"time"
)

// An Explanation is why a subscription was, or was not, told of what happened to
// an application.
type Explanation struct {
	Subscription Subscription
	Ref          Ref
	Hidden       bool // the case has been taken down
	Events       []ExplainedEvent
}

// An ExplainedEvent is one event of a case and what became of it for one
// subscription.
type ExplainedEvent struct {
	Event     Event
	FirstRead bool     // its run was silent: a first import or a backfill
	Matched   bool     // the matcher has come as far as this event
	Version   *Version // of the subscription that answered for it; nil if none was in force
	Answer    Answer   // of that version
	Match     *Match   // in the ledger; nil if there is none
	Closed    string   // why the match will never be told; empty while it may
	Delivery  *Delivery
}

// Words says what became of the event in one sentence without a full stop, with
// moments in London's time.
func (x *ExplainedEvent) Words(e *Explanation, now time.Time) string {
	switch x.Event.State {
	case EventSilenced:
		if x.FirstRead {
			return "Not told: it was part of the first import of the feed"
		}
		return "Not told: the case was over, and too old, when the council's feed first showed it"
	case EventHeld:
		return fmt.Sprintf("Not told yet: the import that brought it is held until an operator releases run %d", x.Event.RunID)
	case EventCollapsed:
		return "Not told by itself: the import that brought it was held, and its outcome was told as one piece of news"
	}
	if x.Match == nil {
		return x.unmatchedWords(e)
	}
	because := ""
	if x.Answer.Reason != "" {
		because = ": " + x.Answer.Reason
	}
	switch d := x.Delivery; {
	case x.Closed != "":
		return "Not told: " + x.Closed
	case d == nil && e.Hidden && x.Event.Type != EventRemoved:
		return "Not told: the case has been taken down"
	case d == nil && e.Subscription.PausedUntil == Forever:
		return "Not told yet, since the alerts are paused" + because
	case d == nil && e.Subscription.PausedUntil > now.UnixMilli():
		return "Not told yet, since the alerts are paused until " + moment(e.Subscription.PausedUntil) + because
	case d == nil && x.Match.Correction:
		return "To be told in the next mail if the case was told before" + because
	case d == nil:
		return "To be told in the next " + x.Version.mail() + because
	case d.State == DeliverySent:
		return "Told on " + moment(d.SentAt) + " in the " + d.Cadence.mail() + because
	case d.State == DeliveryQueued && d.Attempts > 0:
		return fmt.Sprintf("Not told yet, since its mail could not be sent so far (tried %d times, next on %s)%s", d.Attempts, moment(d.NextAt), because)
	case d.State == DeliveryQueued:
		return "Not told yet, since its mail is waiting to be sent" + because
	case d.State == DeliveryCancelled:
		return "Not told: its mail was cancelled before it was sent"
	}
	return "Not told: its mail could not be delivered"
}

func (x *ExplainedEvent) unmatchedWords(e *Explanation) string {
	switch {
	case e.Hidden && x.Event.Type != EventRemoved:
		return "Not told: the case has been taken down"
	case x.Version == nil && e.Subscription.State == SubscriptionPending:
		return "Not told: the subscription has not been confirmed"
	case x.Version == nil:
		return "Not told: the subscription was not in force at the time"
	case !x.Matched && x.Answer.Interest != NotWanted:
		return "Not told yet, since it has not been matched: " + x.Answer.Reason
	case x.Answer.Interest != NotWanted:
		return "Not told, though it should have been: " + x.Answer.Reason + ". Run sitenotice audit"
	}
	return "Not told: " + x.Answer.Reason
}

func (v *Version) mail() string {
	if v == nil {
		return "mail"
	}
	return v.Cadence.mail()
}

func (c Cadence) mail() string {
	switch c {
	case Immediate:
		return "immediate mail"
	case Daily:
		return "daily mail"
	case Weekly:
		return "weekly mail"
	case Hook:
		return "webhook"
	}
	return "mail"
}

// moment writes a moment for a reader: "3 May 2026 07:00".
func moment(ms int64) string { return time.UnixMilli(ms).In(London).Format("2 January 2006 15:04") }
