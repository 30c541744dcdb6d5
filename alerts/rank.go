package alerts

import "cmp"

// A Weight says how pressing a case is in a mail: the smallest is told first.
type Weight struct {
	class    int
	closes   Date
	distance float64
}

// The classes, the most pressing first.
const (
	closesSoon = iota // a few days are left to have a say, and then never again
	openMajor         // what changes a neighbourhood most, while it can be commented on
	openDated         // the rest of what can be commented on until a known day
	open              // and of what is undecided without one: it may close any day
	putRight          // what we said was wrong: it asks for nothing but to be known
	over              // outcomes, which wait for no one
)

// soonDays is how many days before it closes a case comes before all others: a
// weekend to write in lies within it, whatever the day of the mail.
const soonDays = 7

// Weigh decides how pressing the news of a case is on a day. distance is how far it
// is, in metres, from the area under which it is told.
//
// What people can still act on comes first, and first of all what they soon cannot.
// Among equals the nearer one comes first, since that is whom it concerns most;
// among those that close soon, the earlier one.
func Weigh(n *CaseNews, distance float64, today Date) Weight {
	d := n.Details
	w := Weight{class: over, distance: distance}
	if !d.IsOpen() || n.Correction {
		if n.Correction {
			w.class = putRight
		}
		return w
	}
	if d.CommentsUntil >= today {
		w.closes = d.CommentsUntil
	}
	switch {
	case w.closes != "" && today.DaysUntil(w.closes) <= soonDays:
		w.class = closesSoon
	case d.IsMajor() && (w.closes != "" || d.CommentsUntil == ""):
		w.class = openMajor
	case w.closes != "":
		w.class = openDated
	default:
		w.class = open
	}
	return w
}

// Closes is the day until which the case can be commented on, where one is published
// and has not passed; "" otherwise.
func (w Weight) Closes() Date { return w.closes }

// Compare orders weights, the most pressing first.
func (w Weight) Compare(v Weight) int {
	if c := cmp.Compare(w.class, v.class); c != 0 {
		return c
	}
	if w.class == closesSoon && w.closes != v.closes {
		return cmp.Compare(w.closes, v.closes)
	}
	return cmp.Or(cmp.Compare(w.distance, v.distance), cmp.Compare(w.closes, v.closes))
}
