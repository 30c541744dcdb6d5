package alerts_test

import (
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Welsh changes the first letter of a noun after some numbers, and keeps it singular.
func TestNounsAfterNumbersInBothLanguages(t *testing.T) {
	for _, c := range []struct {
		one, many string
		english   map[int]string
		welsh     map[int]string
	}{
		{"application", "applications", map[int]string{0: "0 applications", 1: "1 application", 2: "2 applications", 1204: "1,204 applications"},
			map[int]string{0: "0 cais", 1: "1 cais", 2: "2 gais", 3: "3 chais", 4: "4 cais", 6: "6 chais", 11: "11 cais", 1204: "1,204 cais"}},
		{"day", "days", map[int]string{1: "1 day", 3: "3 days"}, map[int]string{0: "0 diwrnod", 1: "1 diwrnod", 2: "2 ddiwrnod", 3: "3 diwrnod", 6: "6 diwrnod", 11: "11 diwrnod"}},
		{"home", "homes", map[int]string{1: "1 home", 2: "2 homes"}, map[int]string{1: "1 cartref", 2: "2 gartref", 3: "3 chartref", 6: "6 chartref", 11: "11 cartref"}},
		{"time", "times", map[int]string{1: "1 time", 2: "2 times"}, map[int]string{1: "1 waith", 2: "2 waith", 3: "3 gwaith", 6: "6 gwaith", 11: "11 gwaith"}},
		{"mail", "mails", nil, map[int]string{0: "0 e-bost", 1: "1 e-bost", 2: "2 e-bost", 3: "3 e-bost", 6: "6 e-bost", 11: "11 e-bost"}},
	} {
		for l, wants := range map[alerts.Language]map[int]string{alerts.English: c.english, alerts.Welsh: c.welsh} {
			for n, want := range wants {
				if got := l.Plural(n, c.one, c.many); got != want {
					t.Errorf("%s: %q, want %q", l, got, want)
				}
			}
		}
	}
}

func TestDatesAndMomentsInBothLanguages(t *testing.T) {
	at := time.Date(2026, 12, 1, 18, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{alerts.Welsh.Day("2026-12-12"), "12 Rhagfyr 2026"},
		{alerts.Welsh.Day("2026-05-01"), "1 Mai 2026"},
		{alerts.Welsh.ShortDay("2026-02-09"), "9 Chwef"},
		{alerts.Welsh.Day(""), ""},
		{alerts.English.Day("2026-12-12"), "12 December 2026"},
		{alerts.English.ShortDay("2026-02-09"), "9 Feb"},
		{alerts.Welsh.Moment(at.UnixMilli()), "1 Rhagfyr 2026 am 18:05, amser Llundain"},
		{alerts.English.Moment(at.UnixMilli()), "1 December 2026 at 18:05, London time"},
		{alerts.Welsh.When(at.UnixMilli(), at.Add(time.Hour)), "heddiw am 18:05"},
		{alerts.Welsh.When(at.UnixMilli(), at.AddDate(0, 0, 1)), "ddoe am 18:05"},
		{alerts.Welsh.When(at.UnixMilli(), at.AddDate(0, 0, 9)), "ar 1 Rhagfyr am 18:05"},
		{alerts.Welsh.When(at.UnixMilli(), at.AddDate(0, 1, 9)), "ar 1 Rhagfyr 2026 am 18:05"},
		{alerts.English.When(at.UnixMilli(), at.AddDate(0, 0, 9)), "on 1 December at 18:05"},
		{alerts.Month("2026-10").In(alerts.Welsh), "Hydref 2026"},
		{alerts.Welsh.DateChange("2026-05-12", "2026-05-26"), "12 Mai → 26 Mai 2026"},
		{alerts.Welsh.LeftWords("2026-12-14", "2026-12-12"), "2 ddiwrnod ar ôl"},
		{alerts.Welsh.LeftWords("2026-12-12", "2026-12-12"), "heddiw yw’r diwrnod olaf"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// "And" is ac before a vowel, else a, which makes c, p and t breathy; names keep their
// first letter.
func TestListingInWelsh(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{"coed"}, "coed"},
		{[]string{"dyddiol", "wythnosol"}, "dyddiol ac wythnosol"},
		{[]string{"apeliadau", "penderfyniadau"}, "apeliadau a phenderfyniadau"},
		{[]string{"arwyddion", "mwynau", "coed"}, "arwyddion, mwynau a choed"},
		{[]string{"York", "Camden"}, "York a Camden"},
		{[]string{"3", "7"}, "3 a 7"},
		{[]string{"“tree”", "“Mill Lane”"}, "“tree” a “Mill Lane”"},
	} {
		if got := alerts.Welsh.Listing(c.words); got != c.want {
			t.Errorf("%q: %q, want %q", c.words, got, c.want)
		}
	}
}

// What is worded before its reader is known can be said to each in their language.
func TestASentenceIsSaidInTheLanguageOfItsReader(t *testing.T) {
	s := alerts.Sentencef("it turns out to be elsewhere: %s", alerts.Sentencef("it is %s from %s, further than %s", "1.3 km", "NW1 8NH", "500 m"))
	if got, want := s.String(), "it turns out to be elsewhere: it is 1.3 km from NW1 8NH, further than 500 m"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := s.In(alerts.Welsh), "mae’n troi allan ei fod mewn man arall: mae 1.3 km o NW1 8NH, ymhellach na 500 m"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	fault := alerts.Invalid("ring", "Choose a distance up to %s for major schemes", "20 km")
	if fault.Error() != "Choose a distance up to 20 km for major schemes" || fault.In(alerts.Welsh) != "Dewiswch bellter hyd at 20 km ar gyfer cynlluniau mawr" {
		t.Errorf("%q and %q", fault, fault.In(alerts.Welsh))
	}
	if l := alerts.ParseLanguage("fr"); l != alerts.English {
		t.Errorf("fr is %q", l)
	}
}
