package alerts_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

func TestSearchHasNoOperators(t *testing.T) {
	for typed, want := range map[string][]alerts.Term{
		`flats High Street`:        {{Words: []string{"flats"}}, {Words: []string{"high"}}, {Words: []string{"street"}}},
		`"High Street" flats`:      {{Words: []string{"high", "street"}, Whole: true}, {Words: []string{"flats"}}},
		`“high street”`:            {{Words: []string{"high", "street"}, Whole: true}},
		`mixed-use`:                {{Words: []string{"mixed", "use"}}},
		`tree AND NOT oak*`:        {{Words: []string{"tree"}}, {Words: []string{"not"}}, {Words: []string{"oak"}}},
		`the shop at the corner`:   {{Words: []string{"shop"}}, {Words: []string{"corner"}}},
		`the`:                      {{Words: []string{"the"}}},
		`Tŷ Gwyn café`:             {{Words: []string{"ty"}}, {Words: []string{"gwyn"}}, {Words: []string{"cafe"}}},
		`words:tree) OR (1=1; --`:  {{Words: []string{"words", "tree"}}, {Words: []string{"1", "1"}}},
		`"an unclosed quote`:       {{Words: []string{"an", "unclosed", "quote"}, Whole: true}},
		"a\u202eb\x00 \u200bc'":    {{Words: []string{"ab"}}, {Words: []string{"c"}}},
		`* & | ! <-> : ' " ^ NEAR`: {},
		``:                         nil,
	} {
		got := alerts.ParseSearch(typed).Terms
		if typed == `* & | ! <-> : ' " ^ NEAR` { // the word is within the quote that is never closed
			want = []alerts.Term{{Words: []string{"near"}, Whole: true}}
		}
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %v, want %v", typed, got, want)
		}
	}
	long := alerts.ParseSearch(strings.Repeat("word ", 10_000))
	if len(long.Terms) > 12 || len(long.Typed) > 4*alerts.MaxSearch {
		t.Errorf("a very long search has %d terms and %d bytes", len(long.Terms), len(long.Typed))
	}
}

func TestWordsAreFoundAtTheirBeginnings(t *testing.T) {
	a := alerts.Application{Details: alerts.Details{Reference: "26/00268/FUL", Address: "14 St John’s Street, Caerdydd", Description: "Felling of 3 lime trees; café with mixed-use space"}}
	for typed, want := range map[string]bool{
		"tree": true, "trees": true, "rees": false, "street lime": true, "street oak": false,
		`"lime trees"`: true, `"lime tree"`: false, `"trees lime"`: false, "mixed-use": true, "use-mixed": false,
		"cafe": true, "CAFÉ": true, "john's": true, "14": true, "1": false, "00268": true, "0026": false, "26/00268/ful": true, "li": false, "": true,
	} {
		if got := alerts.ParseSearch(typed).In(&a); got != want {
			t.Errorf("%q is found: %t, want %t", typed, got, want)
		}
	}
}

func TestAQueryKeepsWhatItNames(t *testing.T) {
	open := alerts.Application{Authority: "york", Details: alerts.Details{Kind: alerts.KindFull, Scale: "major", Status: alerts.StatusConsultation, Received: "2026-03-02", CommentsUntil: "2026-04-10"}}
	decided := alerts.Application{Authority: "york", Details: alerts.Details{Kind: alerts.KindListed, Decision: alerts.DecisionRefused, Received: "2026-03-01", Decided: "2026-05-01"}}
	withdrawn := alerts.Application{Authority: "camden", Details: alerts.Details{Status: alerts.StatusWithdrawn}}
	for _, c := range []struct {
		query alerts.Query
		want  [3]bool
	}{
		{alerts.Query{}, [3]bool{true, true, true}},
		{alerts.Query{Authority: "york"}, [3]bool{true, true, false}},
		{alerts.Query{Stage: alerts.StageOpen}, [3]bool{true, false, false}},
		{alerts.Query{Stage: alerts.StageDecided}, [3]bool{false, true, false}},
		{alerts.Query{Stage: alerts.StageWithdrawn}, [3]bool{false, false, true}},
		{alerts.Query{MajorOnly: true}, [3]bool{true, false, false}},
		{alerts.Query{Kinds: []alerts.Kind{alerts.KindListed, ""}}, [3]bool{false, true, true}},
		{alerts.Query{Words: alerts.ParseSearch("anything")}, [3]bool{}},
		{alerts.Query{Statuses: []alerts.Status{alerts.StatusWithdrawn, alerts.StatusConsultation}}, [3]bool{true, false, true}},
		{alerts.Query{Decisions: []alerts.Decision{alerts.DecisionRefused}}, [3]bool{false, true, false}},
		{alerts.Query{Received: alerts.Days{From: "2026-03-02"}}, [3]bool{true, false, false}},
		{alerts.Query{Received: alerts.Days{From: "2026-03-01", Until: "2026-03-01"}}, [3]bool{false, true, false}},
		{alerts.Query{Decided: alerts.Days{Until: "2026-05-01"}}, [3]bool{false, true, false}}, // what has not been decided is not decided by then
		{alerts.Query{Decided: alerts.Days{Until: "2026-04-30"}}, [3]bool{}},
		{alerts.Query{Closing: alerts.Days{From: "2026-04-01", Until: "2026-04-30"}}, [3]bool{true, false, false}},
	} {
		if got := [3]bool{c.query.Keeps(&open), c.query.Keeps(&decided), c.query.Keeps(&withdrawn)}; got != c.want {
			t.Errorf("%+v keeps %v, want %v", c.query, got, c.want)
		}
	}
}

func TestReferencesAreLooseWithoutTheirMarks(t *testing.T) {
	for _, typed := range []string{"26/00268/FUL", "26/00268/ful", " 26 / 00268 / FUL ", "26 00268 FUL", "26-00268-FUL", "2600268FUL", "26.00268.ful", "26_00268_FUL", "２６/００２６８/FUL"} {
		if got := alerts.LooseReference(typed); got != "2600268FUL" {
			t.Errorf("%q is %q", typed, got)
		}
	}
}
