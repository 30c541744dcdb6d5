package alerts

import (
	"slices"
	"testing"
	"time"
)

func noon(d Date) int64 { return d.Time().Add(12 * time.Hour).UnixMilli() }

// A rehearsal tells each past event once, on its day, and what a first import
// brought on the days that its dates give.
func TestRehearsalOfThePast(t *testing.T) {
	site := Site{Lon: camdenTown.Lon, Lat: camdenTown.Lat, Method: MethodPoint}
	far := Site{Lon: camdenTown.Lon + 0.02, Lat: camdenTown.Lat, Method: MethodPoint}
	fresh := Details{Reference: "fresh", Kind: KindTreesTPO, Received: "2026-10-01", Description: "Fell an oak", Site: site}
	old := Details{Reference: "old", Kind: KindFull, Received: "2026-01-01", Decided: "2026-10-05", Decision: DecisionRefused, Site: site}
	ancient := Details{Reference: "ancient", Kind: KindFull, Received: "2020-01-01", Decided: "2020-02-01", Decision: DecisionRefused, Site: site}
	away := Details{Reference: "away", Kind: KindFull, Received: "2026-10-02", Site: far}
	amended := fresh
	amended.Description = "Fell two oaks"
	received := func(d Details, state EventState, on Date) Event {
		return Event{Type: EventReceived, State: state, At: noon(on), After: d}
	}
	cases := []CaseHistory{
		{Application{ID: 1, Authority: "camden", Details: amended}, []Event{received(fresh, EventSilenced, "2026-11-01"),
			{Type: EventAmended, State: EventLive, At: noon("2026-11-10"), Before: &fresh, After: amended}}},
		{Application{ID: 2, Authority: "camden", Details: old}, []Event{received(old, EventSilenced, "2026-11-01")}},
		{Application{ID: 3, Authority: "camden", Details: ancient}, []Event{received(ancient, EventSilenced, "2026-11-01")}},
		{Application{ID: 4, Authority: "camden", Details: away}, []Event{received(away, EventLive, "2026-10-02"), received(away, EventHeld, "2026-10-03"), received(away, EventCollapsed, "2026-10-03")}},
	}
	rehearse := func(f Filter, c Cadence) Rehearsal {
		t.Helper()
		r, err := Rehearse(Wish{Area: Area{Kind: AreaCircle, Centre: camdenTown, Radius: 500, Label: "home"}, Filter: f, Cadence: c}, cases, "2026-08-25", "2026-11-23")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	list := func(items []Rehearsed) (out []string) {
		for _, i := range items {
			out = append(out, string(i.On)+" "+i.Application.Reference+" "+string(i.Type)+": "+i.Reason.String())
		}
		return out
	}
	r := rehearse(Filter{}, Daily)
	if got, want := list(r.Hits), []string{"2026-11-10 fresh amended: it is 0 m from home, within 500 m", "2026-10-05 old decided: it is 0 m from home, within 500 m",
		"2026-10-01 fresh received: it is 0 m from home, within 500 m"}; !slices.Equal(got, want) {
		t.Errorf("hits\n%q\nwant\n%q", got, want)
	}
	if got, want := list(r.Misses), []string{"2026-10-02 away received: it is 1.4 km from home, further than 500 m"}; !slices.Equal(got, want) {
		t.Errorf("misses\n%q\nwant\n%q", got, want)
	}
	if r.Mails != 3 || r.Days != 90 {
		t.Errorf("%d mails in %d days, want 3 in 90", r.Mails, r.Days)
	}
	if r := rehearse(Filter{}, Weekly); r.Mails != 3 { // Thursdays 1 October, 8 October and 12 November
		t.Errorf("%d weekly mails, want 3", r.Mails)
	}
	r = rehearse(Filter{Kinds: []Kind{KindTreesTPO}, Events: []EventType{EventAmended}}, Daily)
	if len(r.Hits) != 1 || len(r.Misses) != 3 || r.Misses[0].Reason.String() != "its type is not among those chosen" {
		t.Errorf("filtered: %q and %q", list(r.Hits), list(r.Misses))
	}
}

func TestMutesSilenceWhatTheyName(t *testing.T) {
	a := Details{Reference: "A", Address: "12 Lamplighter Street, London", Kind: KindHouseholder}
	sameAddress := Details{Reference: "B", Address: "12 LAMPLIGHTER STREET  London.", Kind: KindListed}
	neighbour := Details{Reference: "C", Address: "14 Lamplighter Street, London", Kind: KindHouseholder}
	byNumber := Details{Reference: "D", Address: "Flat above the shop", UPRN: "5", Kind: KindListed}
	sameNumber := Details{Reference: "E", Address: "12a Lamplighter Street", UPRN: "5"}
	silences := func(what MuteWhat, of Details, id int64, d Details, authority string, as int64) bool {
		t.Helper()
		m, ok := MuteOf(what, id, "camden", &of)
		if !ok {
			t.Fatalf("%s of %s cannot be muted", what, of.Reference)
		}
		return Muted([]Mute{m}, as, authority, &d)
	}
	for _, c := range []struct {
		name string
		got  bool
		want bool
	}{
		{"the case", silences(MuteCase, a, 1, a, "camden", 1), true},
		{"another case at its address", silences(MuteCase, a, 1, sameAddress, "camden", 2), false},
		{"the site, otherwise spelled", silences(MuteSite, a, 1, sameAddress, "camden", 2), true},
		{"the house next door", silences(MuteSite, a, 1, neighbour, "camden", 3), false},
		{"the same address elsewhere", silences(MuteSite, a, 1, a, "york", 4), false},
		{"the same property", silences(MuteSite, byNumber, 1, sameNumber, "camden", 5), true},
		{"the kind", silences(MuteKind, a, 1, neighbour, "camden", 3), true},
		{"another kind", silences(MuteKind, a, 1, sameAddress, "camden", 2), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %t", c.name, c.got)
		}
	}
	for _, what := range []MuteWhat{MuteSite, MuteKind, "everything"} {
		if _, ok := MuteOf(what, 1, "camden", &Details{Reference: "X"}); ok {
			t.Errorf("%s of a case without address and kind can be muted", what)
		}
	}
}
