package alerts

import (
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/geo"
)

// This file is what happens when people say that an application is not where a feed
// says it is: the place is held back from those who would hear of the case for the
// first time, whoever mends the feed is told, and somebody decides.

// DisputeReports is how many people have to say that a place is wrong before it is
// disputed. One can be mistaken, and is not told that others agree.
const DisputeReports = 3

// A dispute holds news back for a while only: otherwise three people could see to it
// that nobody hears of their own application.
const (
	DisputeHold   = 7 * 24 * time.Hour
	disputeNotice = 7 // days before comments close, from which nothing is held back
)

// PlaceState is what became of a place that people doubted.
type PlaceState string

// The states of a place.
const (
	PlaceUndoubted PlaceState = ""
	PlaceDisputed  PlaceState = "disputed" // nobody has decided yet
	PlaceKept      PlaceState = "kept"     // it is right after all
	PlaceDropped   PlaceState = "dropped"  // it is wrong, and the right one is not known
	PlaceMoved     PlaceState = "moved"    // it is wrong, and the right one is known
)

// A Placing is what people found out about where an application is, as against what
// a feed says. The zero Placing is that nobody doubts it.
type Placing struct {
	State     PlaceState
	About     Site   // what the feed says, without its outline
	Ward      string // that followed from it
	Right     Site   // of PlaceMoved
	RightWard string
	At        int64 // unix ms at which it came to be so
}

// Concerns reports whether a place is the one that the placing is about. Feeds write
// the same place with more or fewer digits.
func (p *Placing) Concerns(s Site) bool {
	return p.State != PlaceUndoubted && s.Located() && geo.Distance(p.About.Point(), s.Point()) < 5
}

// IsDisputed reports whether nobody has decided yet.
func (p *Placing) IsDisputed() bool { return p.State == PlaceDisputed }

// MayBeDoubted reports whether it is of use to say that a place is wrong.
func (p *Placing) MayBeDoubted() bool {
	return p.State == PlaceUndoubted || p.State == PlaceDisputed
}

// Reported is the placing after so many people have said that the place of d is
// wrong.
func (p Placing) Reported(people int, d *Details, now time.Time) Placing {
	if p.State != PlaceUndoubted || people < DisputeReports || !d.Site.Located() {
		return p
	}
	return Placing{State: PlaceDisputed, About: pointOnly(d.Site), Ward: d.Ward, At: now.UnixMilli()}
}

// pointOnly is a site without its outline.
func pointOnly(s Site) Site {
	s.Shape = nil
	return s
}

// A PlaceDecision is what somebody found out about a place: State is what it is
// from now on, Right the place of PlaceMoved.
type PlaceDecision struct {
	State     PlaceState
	Right     geo.Point
	Ward      string // in which the wrong place lies; a case that names another keeps it
	RightWard string
}

// Decide is the placing of a case after a decision. d is what its feeds say of it, and
// has a position.
func (c PlaceDecision) Decide(d *Details, now time.Time) Placing {
	p := Placing{State: c.State, About: pointOnly(d.Site), At: now.UnixMilli()}
	if c.State == PlaceMoved {
		p.Right = Site{Lon: c.Right.Lon, Lat: c.Right.Lat, Method: MethodChecked, Uncertainty: DefaultUncertainty[MethodChecked]}
	}
	if c.State != PlaceKept && d.Ward == c.Ward {
		p.Ward, p.RightWard = c.Ward, c.RightWard
	}
	return p
}

// Apply returns what is shown of a case of which a feed says d. A place that is not
// the one that was found wrong counts.
func (p *Placing) Apply(d Details) Details {
	if p.State != PlaceDropped && p.State != PlaceMoved || !p.Concerns(d.Site) {
		return d
	}
	d.Site = p.Right
	if p.Ward != "" && d.Ward == p.Ward {
		d.Ward = p.RightWard
	}
	return d
}

// HoldsBack reports whether a dispute keeps news of a case from a subscription: from
// one that would hear of it because of where it is, and has heard nothing of it
// yet. It does so for a week at most, and not once comments close within one.
func (p *Placing) HoldsBack(area AreaKind, told bool, d *Details, now time.Time) bool {
	switch {
	case !p.IsDisputed() || !p.Concerns(d.Site):
		return false
	case told || area == AreaAuthority || area == AreaApplication:
		return false
	case now.UnixMilli()-p.At >= DisputeHold.Milliseconds():
		return false
	}
	today := DateOf(now)
	closes := d.CommentsUntil
	return !(d.IsOpen() && closes >= today && today.DaysUntil(closes) <= disputeNotice)
}

// Words says what became of a place, for everybody, in a sentence or two; "" when
// there is nothing to say.
func (p *Placing) Words(l Language) string {
	day := DateOf(time.UnixMilli(p.At))
	switch p.State {
	case PlaceDisputed:
		return l.Say("Several people have told us that this application is not where the map shows it. Whoever publishes it has been asked, and until that is settled we hold it back from most of those who would first hear of it now.")
	case PlaceKept:
		return l.Say("People doubted the place of this application. It was checked on %s, and it is right.", day)
	case PlaceDropped:
		return l.Say("The place that the council’s data gives was found to be wrong on %s. The right one is not known yet, so the application is on no map.", day)
	case PlaceMoved:
		return l.Say("The place that the council’s data gives was found to be wrong. This one was put in its place on %s.", day)
	}
	return ""
}

// A DisputedPlace is an application whose place nobody has decided about yet.
type DisputedPlace struct {
	Application
	Placing
	People int    // who said that it is wrong
	Feed   Feed   // that says where it is
	Name   string // of the authority
}

// NoticeKey names the notice to the operator.
func (p *DisputedPlace) NoticeKey() string { return fmt.Sprintf("place:%d", p.Application.ID) }

// Notice is what the operator is told.
func (p *DisputedPlace) Notice() string {
	return fmt.Sprintf("%d people say that %s %s is not where its feed says (%.5f, %.5f). It is held back from those who would first hear of it now, for a week at most. Decide: sitenotice applications place %s %s --keep, --drop or --at LATITUDE,LONGITUDE.",
		p.People, p.Authority, Line(p.Reference, 60), p.About.Lat, p.About.Lon, p.Authority, Line(p.Reference, 60))
}
