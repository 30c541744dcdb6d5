package alerts

import (
	"slices"
	"time"
)

// An Explanation is why a subscription was, or was not, told of what happened to
// an application.
type Explanation struct {
	Subscription Subscription
	Ref          Ref
	Hidden       bool // the case has been taken down
	Placing      Placing
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
func (x *ExplainedEvent) Words(l Language, e *Explanation, now time.Time) string {
	switch x.Event.State {
	case EventSilenced:
		if x.FirstRead {
			return l.Say("Not told: it was part of the first import of the feed")
		}
		return l.Say("Not told: the case was over, and too old, when the council's feed first showed it")
	case EventHeld:
		return l.Say("Not told yet: the import that brought it is held until an operator releases run %d", x.Event.RunID)
	case EventCollapsed:
		return l.Say("Not told by itself: the import that brought it was held, and its outcome was told as one piece of news")
	}
	if x.Match == nil {
		return x.unmatchedWords(l, e)
	}
	because := ""
	if !x.Answer.Reason.IsZero() {
		because = ": " + x.Answer.Reason.In(l)
	}
	switch d := x.Delivery; {
	case x.Closed != "":
		return l.Say("Not told: %s", l.Word(x.Closed))
	case d == nil && e.Hidden && x.Event.Type != EventRemoved:
		return l.Say("Not told: the case has been taken down")
	case d == nil && e.Subscription.PausedUntil == Forever:
		return l.Say("Not told yet, since the alerts are paused") + because
	case d == nil && e.Subscription.PausedUntil > now.UnixMilli():
		return l.Say("Not told yet, since the alerts are paused until %s", l.dayTime(e.Subscription.PausedUntil)) + because
	case d == nil && e.Placing.HoldsBack(e.Subscription.Current.Area.Kind, e.told() || x.Match.Correction, &x.Event.After, now):
		return l.Say("Not told yet, since people say that its place is wrong, and that is being looked into") + because
	case d == nil && x.Match.Correction:
		return l.Say("To be told in the next mail if the case was told before") + because
	case d == nil:
		return l.Say("To be told in the next %s", x.Version.mail(l)) + because
	case d.State == DeliverySent:
		return l.Say("Told on %s in the %s", l.dayTime(d.SentAt), d.Cadence.mail(l)) + because
	case d.State == DeliveryQueued && d.Attempts > 0:
		return l.Say("Not told yet, since its mail could not be sent so far (tried %s, next on %s)", l.Plural(d.Attempts, "time", "times"), l.dayTime(d.NextAt)) + because
	case d.State == DeliveryQueued:
		return l.Say("Not told yet, since its mail is waiting to be sent") + because
	case d.State == DeliveryCancelled:
		return l.Say("Not told: its mail was cancelled before it was sent")
	}
	return l.Say("Not told: its mail could not be delivered")
}

// told reports whether the subscription was told of anything of the case.
func (e *Explanation) told() bool {
	return slices.ContainsFunc(e.Events, func(x ExplainedEvent) bool { return x.Delivery != nil && x.Match != nil && !x.Match.Correction })
}

func (x *ExplainedEvent) unmatchedWords(l Language, e *Explanation) string {
	switch {
	case e.Hidden && x.Event.Type != EventRemoved:
		return l.Say("Not told: the case has been taken down")
	case x.Version == nil && e.Subscription.State == SubscriptionPending:
		return l.Say("Not told: the subscription has not been confirmed")
	case x.Version == nil:
		return l.Say("Not told: the subscription was not in force at the time")
	case !x.Matched && x.Answer.Interest != NotWanted:
		return l.Say("Not told yet, since it has not been matched: %s", x.Answer.Reason)
	case x.Answer.Interest != NotWanted:
		return l.Say("Not told, though it should have been: %s. Run sitenotice audit", x.Answer.Reason)
	}
	return l.Say("Not told: %s", x.Answer.Reason)
}

func (v *Version) mail(l Language) string {
	if v == nil {
		return l.Say("mail")
	}
	return v.Cadence.mail(l)
}

func (c Cadence) mail(l Language) string {
	switch c {
	case Immediate:
		return l.Say("immediate mail")
	case Daily:
		return l.Say("daily mail")
	case Weekly:
		return l.Say("weekly mail")
	case Hook:
		return l.Say("webhook")
	}
	return l.Say("mail")
}
