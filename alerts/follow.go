package alerts

import (
	"strconv"
	"time"
)

// This file is following one application until nothing more can come of it.

// FollowMonths is how many months after a decision an application is followed when
// nobody appeals. An appeal can be made for six months at most; registers take a while
// to show it.
const FollowMonths = 8

// CaseArea is the area of a subscription that follows one application.
func CaseArea(a *Application) Area {
	label := Line(a.Reference, 30)
	if address := Line(a.Address, 100); address != "" {
		label += ", " + address
	}
	return Area{Kind: AreaApplication, Code: strconv.FormatInt(a.ID, 10), Centre: a.Site.Point(), Label: CleanLabel(label)}
}

// Case returns the id of the application that an area of kind [AreaApplication]
// follows.
func (a Area) Case() (id int64, ok bool) {
	if a.Kind != AreaApplication {
		return 0, false
	}
	id, err := strconv.ParseInt(a.Code, 10, 64)
	return id, err == nil && id > 0
}

// A FollowEnd is that an application need not be followed any more.
type FollowEnd struct {
	Application  Application
	Subscription Subscription
	Recipient    Recipient
	Why          Sentence // a clause without a full stop: "it was withdrawn on 3 May 2026"
}

// FollowEnds says why nothing more is to be expected of a case; nothing while something
// is. updated is when it last changed, unix ms, for a decision without a date.
func FollowEnds(d *Details, hidden bool, updated int64, today Date) Sentence {
	switch {
	case hidden:
		return Sentencef("it was taken down")
	case d.AppealIsDecided() && d.AppealDecided == "":
		return Sentencef("its appeal was decided")
	case d.AppealIsDecided():
		return Sentencef("its appeal was decided on %s", d.AppealDecided)
	case d.AppealIsLodged():
		return Sentence{}
	case d.IsWithdrawn() && d.Withdrawn == "":
		return Sentencef("it was withdrawn")
	case d.IsWithdrawn():
		return Sentencef("it was withdrawn on %s", d.Withdrawn)
	case d.IsDecided():
		decided := d.Decided
		if decided == "" {
			decided = DateOf(time.UnixMilli(updated))
		}
		if decided.AddMonths(FollowMonths) >= today {
			return Sentence{}
		}
		if d.Decided == "" {
			return Sentencef("it was decided and no appeal has been published since")
		}
		return Sentencef("it was decided on %s and no appeal has been published since", d.Decided)
	}
	return Sentence{}
}
