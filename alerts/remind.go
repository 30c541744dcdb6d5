package alerts

import (
	"slices"
	"time"
)

// This file is reminders: that a case of which somebody was told can be commented on
// for a few days more. What is armed and what has been told is stored, one row for
// each person and case, so that an outage delays a reminder and nothing repeats it.

// RemindChoices are the days before a closing date that a subscriber may choose.
var RemindChoices = []int{1, 2, 3, 5, 7, 14}

// DefaultRemind is what forms propose. Nobody is reminded who has not chosen it.
const DefaultRemind = 3

// remindHour is from when in the day, in London, reminders go out: with the digests.
const remindHour = digestHour

// Preferences are a recipient's wishes that hold for all areas.
type Preferences struct {
	Remind int  // days before a case closes; 0 for never
	Notes  bool // a note after a calendar month in which nothing was sent
}

// Check returns the faults in what a form asks for.
func (p Preferences) Check() []*InvalidError {
	if p.Remind != 0 && !slices.Contains(RemindChoices, p.Remind) {
		return []*InvalidError{Invalid("remind", "Choose from the numbers of days in the list, or no reminder")}
	}
	return nil
}

// RemindWords says when somebody is to be reminded: "A reminder 3 days before comments
// close"; "" for never.
func (l Language) RemindWords(days int) string {
	if days == 0 {
		return ""
	}
	return l.Say("A reminder %s before comments close", l.Plural(days, "day", "days"))
}

// A Reminder is a case of which a recipient was told while it was open.
type Reminder struct {
	ApplicationID int64
	Authority     string
	Details       *Details // as the case stands now
	Told          Date     // the closing date of which the recipient knows that it is near; "" for none
}

// A Reminding is what becomes of the reminder of a case: the closing date that has
// been told, or that nobody is to be told.
type Reminding struct {
	ApplicationID int64
	Deadline      Date // of the case
	Told          Date
}

// RemindersFrom reports whether reminders may go out at this hour of the day.
func RemindersFrom(now time.Time) bool { return now.In(London).Hour() >= remindHour }

// IsOver reports whether there is nothing to be reminded of any more: the case is
// decided, or cannot be commented on.
func (r *Reminder) IsOver(today Date) bool {
	d := r.Details
	return !d.IsOpen() || d.CommentsUntil != "" && d.CommentsUntil < today
}

// remind adds to what is told the reminders that are due, and arms those of the
// cases that are told now.
//
// A case told within the days of a reminder needs none: the mail says how many days
// are left. A closing date that moves is another one, of which nobody has been
// reminded.
func (c *composing) remind() error {
	if c.Remind == 0 {
		return nil
	}
	today := DateOf(c.now)
	near := func(d *Details) bool {
		return d.CommentsUntil >= today && today.DaysUntil(d.CommentsUntil) <= c.Remind
	}
	told := map[int64]bool{}
	for _, n := range c.out.Bulletin.Cases {
		if told[n.ApplicationID] = true; n.Correction || !n.Details.IsOpen() {
			continue
		}
		r := Reminding{ApplicationID: n.ApplicationID, Deadline: n.Details.CommentsUntil}
		if near(n.Details) {
			r.Told = r.Deadline
		}
		c.out.Reminded = append(c.out.Reminded, r)
	}
	if !RemindersFrom(c.now) {
		return nil
	}
	for _, r := range c.Reminders {
		if told[r.ApplicationID] || r.IsOver(today) || !near(r.Details) || r.Told == r.Details.CommentsUntil {
			continue
		}
		subs, paused, err := c.wanting(&r)
		if err != nil {
			return err
		}
		if len(subs) == 0 && paused {
			continue // until the pause ends, or the case closes
		}
		c.out.Reminded = append(c.out.Reminded, Reminding{r.ApplicationID, r.Details.CommentsUntil, r.Details.CommentsUntil})
		if len(subs) == 0 {
			continue // wanted no more
		}
		b := &c.out.Bulletin
		n := CaseNews{ApplicationID: r.ApplicationID, Authority: r.Authority, Details: r.Details}
		for _, sub := range subs {
			n.Subscriptions = append(n.Subscriptions, sub.ID)
			b.Cadence = slower(b.Cadence, sub.Current.Cadence)
			if !slices.ContainsFunc(b.Subscriptions, func(s Subscription) bool { return s.ID == sub.ID }) {
				b.Subscriptions = append(b.Subscriptions, sub)
			}
		}
		b.Reminders = append(b.Reminders, n)
	}
	slices.SortFunc(c.out.Bulletin.Subscriptions, func(a, b Subscription) int { return int(a.ID - b.ID) })
	return nil
}

// wanting returns the subscriptions that want to hear of a case as it stands, and
// whether a paused one is among those that would.
func (c *composing) wanting(r *Reminder) (subs []Subscription, paused bool, err error) {
	if Muted(c.Mutes, r.ApplicationID, r.Authority, r.Details) {
		return nil, false, nil
	}
	e := &Event{ApplicationID: r.ApplicationID, Authority: r.Authority, Seq: 1,
		Type: EventCorrected, After: *r.Details} // which passes every choice of kinds of news
	for _, sub := range c.Subscriptions {
		if sub.State != SubscriptionActive {
			continue
		}
		wanted, err := stillWanted(&sub, e)
		if err != nil {
			return nil, false, err
		}
		switch {
		case !wanted:
		case sub.PausedUntil > c.now.UnixMilli():
			paused = true
		default:
			subs = append(subs, sub)
		}
	}
	return subs, paused, nil
}
