package alerts

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAChangedTextIsToldByItsChangedPhrases(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"Erection of 12 homes with parking", "Erection of 18 homes with parking", "12 → 18 homes"},
		{"Change of use of a shop to a café with 10 seats outside", "Change of use of a shop to a café with 40 seats outside", "10 → 40 seats"},
		{"Rear extension, 3 m deep", "Rear extension, 4.5m deep", "3 m → 4.5m deep"},
		{"Two-storey rear extension", "Two-storey rear extension with a roof terrace", "added: “with a roof terrace”"},
		{"Rear extension with a roof terrace and new windows", "Rear extension and new windows", "taken out: “with a roof terrace”"},
		{"Change of use from a shop to a café", "Change of use from a shop to a restaurant", "“café” → “restaurant”"},
		{"Use as a bar, with 12 flats above and a yard behind", "Use as a club, with 18 flats above and a yard behind", "12 → 18 flats; “bar” → “club”"},
		{"12 one-bedroom and 3 two-bedroom flats over a shop", "10 one-bedroom and 5 two-bedroom flats over a shop", "12 → 10 one-bedroom; 3 → 5 two-bedroom"},
		{"Rear extension.", "Rear Extension", ""},
		{"Rear extension", "Demolition of the works and 90 homes in four blocks", "?"},
		{"", "Rear extension", "added: “Rear extension”"},
	} {
		changes, ok := TextChanges(c.old, c.new)
		words := make([]string, len(changes))
		for i, change := range changes {
			words[i] = change.Words(English)
		}
		got := strings.Join(words, "; ")
		if !ok {
			got = "?"
		}
		if got != c.want {
			t.Errorf("%q to %q: %q, want %q", c.old, c.new, got, c.want)
		}
	}
}

// No number may change without being told as one, and nothing is told of equal texts.
func TestAChangedNumberIsNeverLeftOut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"rear", "extension", "of", "homes", "12", "3", "and", "–", "flats", "(amended)", "£5"}), 1, 40).Draw(rt, "words")
		text := strings.Join(words, " ")
		if changes, ok := TextChanges(text, text); !ok || len(changes) != 0 {
			rt.Fatalf("equal texts differ: %v", changes)
		}
		at := rapid.IntRange(0, len(words)).Draw(rt, "at")
		one := strings.Join(append(append(append([]string{}, words[:at]...), "17"), words[at:]...), " ")
		other := strings.Join(append(append(append([]string{}, words[:at]...), "18"), words[at:]...), " ")
		changes, ok := TextChanges(one, other)
		if !ok || len(changes) != 1 || changes[0].Old != "17" || changes[0].New != "18" {
			rt.Fatalf("%q to %q: %v", one, other, changes)
		}
	})
}

func TestADateThatMovesNamesTheYearOnce(t *testing.T) {
	if got := English.DateChange("2026-05-12", "2026-05-26"); got != "12 May → 26 May 2026" {
		t.Error(got)
	}
	if got := English.DateChange("2026-12-28", "2027-01-11"); got != "28 December 2026 → 11 January 2027" {
		t.Error(got)
	}
}
