package alerts

import (
	"fmt"
	"time"
)

// A HeldChoice is what may be done with what a feed's runs brought and nobody has
// been told.
type HeldChoice string

// The choices.
const (
	HeldRelease HeldChoice = "release" // tell it
	HeldDiscard HeldChoice = "discard" // silence it
)

// Past says that it was done: "released".
func (c HeldChoice) Past() string {
	if c == HeldDiscard {
		return "discarded"
	}
	return "released"
}

// AskWords is the notice that asks for a second person. at is the address of the page
// on which to agree, until when in unix ms.
func (c HeldChoice) AskWords(feed, at string, until int64) string {
	if c == HeldDiscard {
		return fmt.Sprintf("Somebody wants the held news of the feed %s to be told to nobody. It concerns so many people that a second person must agree, by %s, London time: %s", feed, English.dayTime(until), at)
	}
	return fmt.Sprintf("Somebody wants the held news of the feed %s to be told. It reaches so many people that a second person must agree, by %s, London time: %s", feed, English.dayTime(until), at)
}

// A Hold is what is held of a feed at a moment: the id of the last event, and how
// many there are. While both are the same nothing has come or gone.
type Hold struct{ Last, Events int64 }

// SecondPersonAbove is how many people the release or discarding of held news may
// concern before a second person has to agree, unless the operator says otherwise.
const SecondPersonAbove = 100

// AgreeWithin is how long somebody's wish waits for a second person.
const AgreeWithin = 24 * time.Hour

// A HeldRequest is what somebody wants done with the held news of a feed.
type HeldRequest struct {
	Choice   HeldChoice
	By       int64 // account
	At       int64 // unix ms
	Reason   string
	Hold     Hold  // of which it speaks
	Reach    Reach // as it was shown
	AgreedBy int64 // account; 0 while nobody else has agreed
	AgreedAt int64 // unix ms
}

// Until is when the request lapses, unix ms.
func (r *HeldRequest) Until() int64 { return r.At + AgreeWithin.Milliseconds() }

// Waits reports whether the request still waits for a second person: it has not
// lapsed, and what is held is what it spoke of.
func (r *HeldRequest) Waits(hold Hold, now time.Time) bool {
	return r != nil && r.AgreedAt == 0 && r.Hold == hold && now.UnixMilli() < r.Until()
}

// A HeldDecision is what somebody wants done now.
type HeldDecision struct {
	Choice HeldChoice
	By     int64  // account; 0 for the command line
	Who    string // as the record names them
	Reason string
	Hold   Hold  // as they saw it
	Reach  Reach // of doing it
	Above  int   // people, for more of whom a second person has to agree
	Alone  bool  // the command line says that there is nobody else, and why
}

// A HeldStep is what follows from a decision.
type HeldStep string

// The steps.
const (
	HeldDo   HeldStep = "do"   // it is done
	HeldAsk  HeldStep = "ask"  // it waits for somebody else
	HeldWait HeldStep = "wait" // the same person asked before: it still waits
)

// Step decides whether a decision takes effect, given what was asked before of the
// feed; nil for nothing. Beyond the threshold two different people have to want the
// same of the same news within a day. What was agreed and broke off is finished
// without asking again.
func (d HeldDecision) Step(asked *HeldRequest, now time.Time) HeldStep {
	switch {
	case !d.NeedsTwo(), d.Alone:
		return HeldDo
	case asked != nil && asked.AgreedAt > 0 && asked.Choice == d.Choice && d.Hold.Last <= asked.Hold.Last:
		return HeldDo
	case !asked.Waits(d.Hold, now) || asked.Choice != d.Choice:
		return HeldAsk
	case asked.By == d.By:
		return HeldWait
	}
	return HeldDo
}

// NeedsTwo reports whether the decision concerns so many that a second person has to
// agree. Where not all could be counted it does.
func (d HeldDecision) NeedsTwo() bool { return d.Reach.More || d.Reach.People > d.Above }

// Act is how the record tells what was done.
func (d HeldDecision) Act(feed string, step HeldStep) Act {
	what := "asked for held news to be " + d.Choice.Past()
	if step == HeldDo {
		what = d.Choice.Past() + " held news"
	}
	if d.Alone && d.NeedsTwo() {
		what += ", without a second person"
	}
	return Act{Kind: ActFeed, Who: d.Who, What: fmt.Sprintf("%s: %s, %s", what, English.Plural(d.Reach.People, "person", "people"), English.Plural(d.Reach.Applications, "application", "applications")),
		Subject: FeedSubject(feed), Reason: d.Reason}
}
