package alerts

import (
	"slices"
	"time"
)

// Owed is all that one recipient is owed, and what decides how much of it is told
// now.
type Owed struct {
	Recipient     Recipient
	Due           map[Cadence]int64 // unix ms of the next mail of each cadence
	Subscriptions []Subscription
	Mutes         []Mute
	Matches       []OwedMatch // in order of their sequence numbers
	Remind        int         // days before a case closes that the recipient is reminded of it; 0 for never
	Reminders     []Reminder  // cases of which the recipient was told
	Recovered     []Outage    // that are over, of which the recipient was told
}

// An OwedMatch is a match that no delivery tells, with its event.
type OwedMatch struct {
	Match
	SubscriptionID int64
	Event          *Event
	Latest         *Details // the case as its latest numbered event left it
	Hidden         bool     // the case has been taken down
	Told           bool     // of a correction, or of a place that is disputed: the subscription was told of the case before
	Placing        Placing  // of the case
	FoundAt        int64    // unix ms at which a check found that it was missing; 0 when it was not
}

// A Composition is what becomes of what a recipient is owed. Matches in none of
// its lists stay owed.
type Composition struct {
	Bulletin Bulletin
	Tell     []Match // by the bulletin; empty when there is none to send
	Close    []Closing
	NextDue  map[Cadence]int64 // unix ms; of the cadences whose next mail moves
	Reminded []Reminding       // what is told, or known not to be wanted, of closing dates
	Resumed  []int64           // outages that the bulletin says are over
}

// IsEmpty reports whether there is nothing to send.
func (c *Composition) IsEmpty() bool {
	return len(c.Tell)+len(c.Bulletin.Reminders)+len(c.Bulletin.Recovered) == 0
}

// A Closing is a match that will never be told, and why.
type Closing struct {
	Match
	Why string
}

// A Bulletin is what one mail tells one person.
type Bulletin struct {
	Recipient     Recipient
	Cadence       Cadence        // that brought it about
	Subscriptions []Subscription // that it serves, oldest first
	Cases         []CaseNews     // in order of their first events
	Reminders     []CaseNews     // told before and about to close: they have no events
	Recovered     []Outage       // councils that are read again
}

// Serves lists the cadences of the subscriptions that the bulletin serves.
func (b *Bulletin) Serves() []Cadence {
	var out []Cadence
	for _, c := range []Cadence{Immediate, Daily, Weekly} {
		if slices.ContainsFunc(b.Subscriptions, func(s Subscription) bool { return s.Current.Cadence == c }) {
			out = append(out, c)
		}
	}
	return out
}

// CaseNews is what happened to one application.
type CaseNews struct {
	ApplicationID int64
	Authority     string     // slug
	Details       *Details   // as the latest numbered event left it
	Events        []*Event   // to be told, in order
	Subscriptions []int64    // that it concerns
	Correction    bool       // it only corrects what was told before: it is elsewhere, or gone
	Past          []PastCase // other applications on its site; filled in by the store
	Disputed      bool       // people say that it is not where its feed says
	FoundAt       int64      // unix ms at which a check found that somebody had been left out; 0 when nobody was
}

// Why matches are closed without being told.
const (
	ClosedByEnd    = "the subscription was ended" // taking it up again opens them
	ClosedByMute   = "its case, site or kind was muted"
	closedHidden   = "the case was taken down"
	closedUnwanted = "no longer wanted, since the subscription was changed"
	closedUntold   = "it corrects what had not been told"
	closedMoved    = "the case was corrected before it was told"
)

// Compose decides what of all that is owed is told now. ready lists the cadences
// whose due moment the matcher has come up to.
//
// An event that is due to one subscription is told once, whatever other
// subscriptions of the person want it. A pause holds back what only the paused
// subscription wants. A case on which people can no longer comment when the next
// digest comes goes at once, as immediate mail does.
func (o *Owed) Compose(now time.Time, ready []Cadence) (Composition, error) {
	c := composing{Owed: o, now: now, out: Composition{NextDue: map[Cadence]int64{}}}
	if o.Recipient.State != RecipientActive {
		return c.out, nil
	}
	if err := c.sift(); err != nil {
		return c.out, err
	}
	c.dropMoot()
	c.pick(ready)
	c.gather()
	return c.out, c.remind()
}

// A HookComposition is what becomes of what an endpoint is owed: one webhook for
// each event.
type HookComposition struct {
	News  []HookNews // in the order of their events, numbered on from the endpoint's last
	Tell  []Match    // by the webhooks
	Close []Closing
}

// Hooks decides which webhooks tell an endpoint what it is owed. told lists the
// events of which it has a webhook already. A case that has left its areas or was
// taken down is always told: it may know it from a snapshot.
func (o *Owed) Hooks(e *Endpoint, told map[int64]bool) (HookComposition, error) {
	c := composing{Owed: o}
	if err := c.sift(); err != nil {
		return HookComposition{}, err
	}
	out := HookComposition{Close: c.out.Close}
	for _, m := range c.live {
		out.Tell = append(out.Tell, m.Match)
		if told[m.Seq] {
			continue
		}
		if n := len(out.News); n == 0 || out.News[n-1].Event.Seq != m.Seq {
			out.News = append(out.News, HookNews{Endpoint: e, Event: m.Event, Sequence: e.Sequence + int64(n) + 1})
		}
		n := &out.News[len(out.News)-1]
		n.InArea = n.InArea || !m.Correction
		n.Subscriptions = append(n.Subscriptions, m.SubscriptionID)
	}
	return out, nil
}

// composing is the state of one [Owed.Compose].
type composing struct {
	*Owed
	now  time.Time
	live []OwedMatch // what can be told
	told map[int64]bool
	out  Composition
}

func (c *composing) subscription(id int64) *Subscription {
	for i := range c.Subscriptions {
		if c.Subscriptions[i].ID == id {
			return &c.Subscriptions[i]
		}
	}
	return nil
}

func (c *composing) close(m OwedMatch, why string) {
	c.out.Close = append(c.out.Close, Closing{m.Match, why})
}

// sift closes what is not to be told any more.
func (c *composing) sift() error {
	for _, m := range c.Matches {
		sub := c.subscription(m.SubscriptionID)
		switch {
		case sub == nil || sub.State == SubscriptionEnded:
			c.close(m, ClosedByEnd)
			continue
		case sub.State != SubscriptionActive:
			continue
		case m.Hidden && m.Event.Type != EventRemoved:
			c.close(m, closedHidden)
			continue
		case Muted(c.Mutes, m.Event.ApplicationID, m.Event.Authority, m.Latest):
			c.close(m, ClosedByMute)
			continue
		}
		if !m.Correction && m.VersionID != sub.Current.ID {
			wanted, err := stillWanted(sub, m.Event)
			if err != nil {
				return err
			}
			if !wanted {
				c.close(m, closedUnwanted)
				continue
			}
		}
		c.live = append(c.live, m)
	}
	return nil
}

// stillWanted asks a subscription as it is now, whenever it became so.
func stillWanted(sub *Subscription, e *Event) (bool, error) {
	v := sub.Current
	v.From, v.To = 0, Forever
	ground, err := NewGround(&v.Area)
	if err != nil {
		return false, err
	}
	candidate, err := NewCandidate(e)
	if err != nil {
		return false, err
	}
	return Decide(&v, ground, candidate) == Wanted, nil
}

// dropMoot closes corrections of what a subscription was never told, and with
// them what they correct.
func (c *composing) dropMoot() {
	type key struct{ subscription, application int64 }
	last := map[key]OwedMatch{}
	told := map[key]bool{}
	for _, m := range c.live {
		k := key{m.SubscriptionID, m.Event.ApplicationID}
		last[k] = m
		told[k] = told[k] || m.Told
	}
	c.live = slices.DeleteFunc(c.live, func(m OwedMatch) bool {
		k := key{m.SubscriptionID, m.Event.ApplicationID}
		switch {
		case told[k]:
			return false
		case m.Correction:
			c.close(m, closedUntold)
			return true
		case last[k].Correction:
			c.close(m, closedMoved)
			return true
		}
		return false
	})
}

// pick decides which events are told now, and when each cadence is due next.
func (c *composing) pick(ready []Cadence) {
	now := c.now.UnixMilli()
	due := map[Cadence]bool{}
	for cadence, at := range c.Due {
		due[cadence] = at <= now && slices.Contains(ready, cadence)
	}
	rested := c.Due[Immediate] <= now // also when no mail has ever gone at once
	c.told = map[int64]bool{}
	hasty := false
	for _, m := range c.live {
		sub := c.subscription(m.SubscriptionID)
		cadence := sub.Current.Cadence
		switch {
		case sub.PausedUntil > now:
		case m.Placing.HoldsBack(sub.Current.Area.Kind, m.Told || m.Correction, m.Latest, c.now): // until somebody decides, or a week has passed
		case due[cadence] || c.catchesUp(m):
			c.told[m.Seq] = true
			hasty = hasty || cadence == Immediate
			c.out.Bulletin.Cadence = slower(c.out.Bulletin.Cadence, cadence)
		case rested && c.isUrgent(m, cadence):
			c.told[m.Seq], hasty = true, true
			c.out.Bulletin.Cadence = slower(c.out.Bulletin.Cadence, Immediate)
		}
	}
	for _, o := range c.Recovered {
		c.out.Resumed = append(c.out.Resumed, o.ID)
		if slices.ContainsFunc(c.Subscriptions, func(s Subscription) bool {
			return s.State == SubscriptionActive && s.PausedUntil <= now && slices.Contains(o.Subscriptions, s.ID)
		}) {
			c.out.Bulletin.Recovered = append(c.out.Bulletin.Recovered, o)
		}
	}
	for _, cadence := range []Cadence{Daily, Weekly} {
		if due[cadence] {
			c.out.NextDue[cadence] = NextDue(cadence, c.now).UnixMilli()
		}
	}
	if hasty {
		c.out.NextDue[Immediate] = NextDue(Immediate, c.now).UnixMilli()
	}
}

// catchesUp reports whether a match came of what was read when its council's
// outage ended: it goes with the mail that says so.
func (c *composing) catchesUp(m OwedMatch) bool {
	return slices.ContainsFunc(c.Recovered, func(o Outage) bool { return o.Authority == m.Event.Authority && m.Event.At >= o.LastRead })
}

// isUrgent reports whether the next digest would come too late for somebody who
// wants to comment. While one is being got ready, it is not.
func (c *composing) isUrgent(m OwedMatch, cadence Cadence) bool {
	return (cadence == Daily || cadence == Weekly) && c.Due[cadence] > c.now.UnixMilli() &&
		m.Closes >= DateOf(c.now) && ClosesBefore(m.Closes, NextDue(cadence, c.now))
}

// slower returns which of two cadences comes more rarely; "" is no cadence.
func slower(a, b Cadence) Cadence {
	order := []Cadence{"", Immediate, Daily, Weekly}
	if slices.Index(order, a) >= slices.Index(order, b) {
		return a
	}
	return b
}

// gather puts together what is told: every live match of the events that were
// picked, case by case.
func (c *composing) gather() {
	cases := map[int64]*CaseNews{}
	var order []int64
	served := map[int64]bool{}
	for _, m := range c.live {
		if !c.told[m.Seq] {
			continue
		}
		c.out.Tell = append(c.out.Tell, m.Match)
		if sub := c.subscription(m.SubscriptionID); sub.PausedUntil > c.now.UnixMilli() {
			continue // told by the way; its area is not named
		}
		n := cases[m.Event.ApplicationID]
		if n == nil {
			n = &CaseNews{ApplicationID: m.Event.ApplicationID, Authority: m.Event.Authority, Details: m.Latest, Correction: true}
			cases[n.ApplicationID] = n
			order = append(order, n.ApplicationID)
		}
		if !slices.ContainsFunc(n.Events, func(e *Event) bool { return e.Seq == m.Seq }) {
			n.Events = append(n.Events, m.Event)
		}
		if !slices.Contains(n.Subscriptions, m.SubscriptionID) {
			n.Subscriptions = append(n.Subscriptions, m.SubscriptionID)
		}
		n.Correction = n.Correction && m.Correction
		n.FoundAt = max(n.FoundAt, m.FoundAt)
		n.Disputed = n.Disputed || m.Placing.IsDisputed()
		served[m.SubscriptionID] = true
	}
	b := &c.out.Bulletin
	b.Recipient = c.Recipient
	for _, o := range b.Recovered { // whose areas are named even when they have no news
		for _, sub := range c.Subscriptions {
			if sub.State == SubscriptionActive && sub.PausedUntil <= c.now.UnixMilli() && slices.Contains(o.Subscriptions, sub.ID) {
				served[sub.ID] = true
				b.Cadence = slower(b.Cadence, sub.Current.Cadence)
			}
		}
	}
	for _, id := range order {
		b.Cases = append(b.Cases, *cases[id])
	}
	for _, sub := range c.Subscriptions {
		if served[sub.ID] {
			b.Subscriptions = append(b.Subscriptions, sub)
		}
	}
}
