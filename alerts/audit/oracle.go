package audit

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sitenotice/sitenotice/alerts"
)

// An answer is what the ledger may hold for a pair. Near an edge it is more than
// one thing.
type answer uint8

const (
	noMatch answer = 1 << iota
	alertMatch
	correctionMatch
)

func (a answer) has(one answer) bool { return a&one != 0 }

func (a answer) several() bool { return a&(a-1) != 0 }

// An event, and a version, as the oracle sees them.
type event struct {
	*alerts.Event
	is, was site
}

type version struct {
	*alerts.Version
	centre  vector
	area    region
	carved  region
	include []string
	exclude []string
}

func readEvent(e *alerts.Event) (event, error) {
	is, err := readSite(e.After.Site)
	if err != nil {
		return event{}, err
	}
	out := event{Event: e, is: is}
	if e.Before != nil {
		out.was, err = readSite(e.Before.Site)
	}
	return out, err
}

func readVersion(v *alerts.Version) (out version, err error) {
	out = version{Version: v, centre: earth(v.Area.Centre.Lon, v.Area.Centre.Lat)}
	if len(v.Area.Shape) > 0 {
		if out.area, err = readRegion(v.Area.Shape); err != nil {
			return out, err
		}
	}
	if len(v.Area.CarveOut) > 0 {
		if out.carved, err = readRegion(v.Area.CarveOut); err != nil {
			return out, err
		}
	}
	out.include, out.exclude = wordList(v.Filter.Include), wordList(v.Filter.Exclude)
	return out, nil
}

// answers says what the ledger may hold for the version and the event.
func (v *version) answers(e *event) answer {
	if e.Seq <= v.From || e.Seq > v.To {
		return noMatch
	}
	var out answer
	for _, is := range v.holds(e, &e.is, &e.After).possible() {
		was := []bool{false}
		if e.Before != nil {
			was = v.holds(e, &e.was, e.Before).possible()
		}
		for _, was := range was {
			out |= v.answer(e, is, was)
		}
	}
	return out
}

// answer applies the rules to a case that is inside the area, was inside it
// before, both or neither.
func (v *version) answer(e *event, is, was bool) answer {
	switch e.Type {
	case alerts.EventRemoved, alerts.EventRecalled: // for those who were told
		if is || was {
			return correctionMatch
		}
		return noMatch
	case alerts.EventLocated: // for those to whom it is new, and those for whom it was wrong
		if is && was {
			return noMatch
		}
		if was {
			return correctionMatch
		}
	case alerts.EventCorrected:
		if was && !is {
			return correctionMatch
		}
	}
	if is && v.passes(e) {
		return alertMatch
	}
	return noMatch
}

// holds says whether the area holds a case as it is in details.
func (v *version) holds(e *event, s *site, d *alerts.Details) verdict {
	var in verdict
	switch v.Area.Kind {
	case alerts.AreaAuthority:
		in = certainly(e.Authority == v.Area.Code)
	case alerts.AreaApplication:
		in = certainly(fmt.Sprint(e.ApplicationID) == v.Area.Code)
	case alerts.AreaWard:
		in = certainly(d.Ward != "" && d.Ward == v.Area.Code)
	default:
		if !s.located {
			return no
		}
		reach := 0.0
		if v.Area.Kind == alerts.AreaCircle {
			reach = v.Area.Radius
		}
		if (d.Scale == "major" || d.Kind == alerts.KindEIA) && v.Area.Ring > reach {
			reach = v.Area.Ring
		}
		reach += d.Site.Uncertainty
		if v.Area.Kind == alerts.AreaCircle {
			in = s.near(v.Area.Centre.Lon, v.Area.Centre.Lat, v.centre, reach)
		} else {
			in = s.meets(&v.area, reach)
		}
	}
	if in == no || !s.located || len(v.Area.CarveOut) == 0 {
		return in
	}
	return in.and(s.sunkIn(&v.carved, d.Site.Uncertainty).not())
}

// passes applies the filter to the case as it is after the event.
func (v *version) passes(e *event) bool {
	f, d := &v.Filter, &e.After
	major := d.Scale == "major" || d.Kind == alerts.KindEIA
	if f.MajorOnly && !major || len(f.Kinds) > 0 && !slices.Contains(f.Kinds, d.Kind) {
		return false
	}
	if len(f.Events) > 0 && e.Type != alerts.EventCorrected {
		chosen := func(t alerts.EventType) bool { return slices.Contains(f.Events, t) }
		ok := chosen(e.Type) && e.Type != alerts.EventLocated
		if e.Type == alerts.EventLocated {
			switch appeal := d.AppealRef != "" || d.AppealLodged != "" || d.Status == alerts.StatusAppealLodged; {
			case d.AppealDecided != "" || d.AppealDecision != "" || d.Status == alerts.StatusAppealDecided:
				ok = chosen(alerts.EventAppealDecided)
			case appeal:
				ok = chosen(alerts.EventAppealed)
			case d.Withdrawn != "" || d.Status == alerts.StatusWithdrawn:
				ok = chosen(alerts.EventWithdrawn)
			case d.Decided != "" || d.Decision != "" || d.Status == alerts.StatusDecided:
				ok = chosen(alerts.EventDecided)
			default:
				ok = chosen(alerts.EventReceived) ||
					chosen(alerts.EventConsultation) && (d.CommentsFrom != "" || d.CommentsUntil != "" || d.Status == alerts.StatusConsultation) ||
					chosen(alerts.EventCommittee) && (d.Committee != "" || d.Status == alerts.StatusCommittee)
			}
		}
		if !ok {
			return false
		}
	}
	if len(v.include)+len(v.exclude) == 0 {
		return true
	}
	text := words(d.Description + " " + d.Address)
	return (len(v.include) == 0 || slices.ContainsFunc(v.include, func(w string) bool { return occurs(text, w) })) &&
		!slices.ContainsFunc(v.exclude, func(w string) bool { return occurs(text, w) })
}

// words cuts a text into its words, in lower case.
func words(s string) []string {
	var out []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	for _, r := range strings.ToLower(s) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			word.WriteRune(r)
		} else {
			end()
		}
	}
	end()
	return out
}

// wordList drops the entries of a filter that have no letter or digit.
func wordList(list []string) []string {
	var out []string
	for _, w := range list {
		if len(words(w)) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// occurs reports whether a phrase begins at a word of the text; its last word may
// be the beginning of a longer one.
func occurs(text []string, phrase string) bool {
	want := words(phrase)
	for i := 0; i+len(want) <= len(text); i++ {
		n := len(want) - 1
		if slices.Equal(text[i:i+n], want[:n]) && strings.HasPrefix(text[i+n], want[n]) {
			return true
		}
	}
	return false
}
