package alerts

import (
	"cmp"
	"slices"
	"time"
)

// A CaseHistory is an application with its events, oldest first.
type CaseHistory struct {
	Application
	Events []Event
}

// A Rehearsal is what a subscription would have told of a stretch of the past, had
// it been in force.
type Rehearsal struct {
	Since, Until Date
	Days         int
	Hits, Misses []Rehearsed // newest first; misses are only those with a reason worth reading
	Mails        int         // that the hits would have come in
}

// A Rehearsed is one piece of news of the past and the answer to it.
type Rehearsed struct {
	Application *Application
	Type        EventType
	On          Date
	Reason      Sentence // a clause without a full stop
}

// Rehearse asks a wish about everything that was news on or after a day, of all the
// cases given. What came with a first import, which tells nobody, counts on the
// days that its dates give, as if the register had been read then.
func Rehearse(w Wish, cases []CaseHistory, since, today Date) (Rehearsal, error) {
	r := Rehearsal{Since: since, Until: today, Days: since.DaysUntil(today)}
	v := w.Apply(Version{To: Forever})
	ground, err := NewGround(&v.Area)
	if err != nil {
		return r, err
	}
	for i := range cases {
		c := &cases[i]
		for _, e := range pastNews(c, since, today) {
			candidate, err := NewCandidate(&e)
			if err != nil {
				return r, err
			}
			answer := Wants(&v, ground, candidate)
			found := Rehearsed{&c.Application, e.Type, DateOf(time.UnixMilli(e.At)), answer.Reason}
			switch {
			case answer.Interest == Wanted:
				r.Hits = append(r.Hits, found)
			case answer.Interest == NotWanted && e.Type != EventLocated:
				r.Misses = append(r.Misses, found)
			}
		}
	}
	newest := func(a, b Rehearsed) int {
		return cmp.Or(cmp.Compare(b.On, a.On), cmp.Compare(b.Application.ID, a.Application.ID))
	}
	slices.SortStableFunc(r.Hits, newest)
	slices.SortStableFunc(r.Misses, newest)
	r.Mails = mailsOf(r.Hits, v.Cadence)
	return r, nil
}

// mailsOf counts the mails that news would have come in: one a day with news, or
// one a week. Immediate mail is counted by the day too, since councils publish in
// batches.
func mailsOf(hits []Rehearsed, c Cadence) int {
	mails := map[Date]bool{}
	for _, h := range hits {
		day := h.On
		if c == Weekly {
			day = DateOf(NextDue(Weekly, h.On.Time()))
		}
		mails[day] = true
	}
	return len(mails)
}

// pastNews lists what was news of a case between two days. What a silent run
// brought is put on the days that its dates give.
func pastNews(c *CaseHistory, since, today Date) (news []Event) {
	silent := -1
	for i := range c.Events {
		if c.Events[i].State == EventSilenced {
			silent = i
		}
	}
	add := func(t EventType, on Date, d Details) {
		if on >= since && on <= today {
			news = append(news, Event{Seq: 1, ApplicationID: c.ID, Authority: c.Authority, Type: t, At: on.Time().Add(12 * time.Hour).UnixMilli(), After: d})
		}
	}
	if silent >= 0 {
		d := c.Events[silent].After
		add(EventReceived, cmp.Or(d.Received, d.Valid), d)
		add(EventDecided, d.Decided, d)
		add(EventWithdrawn, d.Withdrawn, d)
		add(EventAppealed, d.AppealLodged, d)
		add(EventAppealDecided, d.AppealDecided, d)
	}
	for _, e := range c.Events {
		if on := DateOf(time.UnixMilli(e.At)); e.State == EventLive && on >= since && on <= today {
			e.Seq, e.Authority = 1, c.Authority
			news = append(news, e)
		}
	}
	return news
}
