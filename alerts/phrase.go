package alerts

import (
	"slices"
	"strings"
	"unicode"
)

// A TextChange is one place at which a text has changed.
type TextChange struct {
	Old, New string // the words that went and those that came in their place; one of them may be empty
	Next     string // the word after a changed number, which says what it counts: "homes"
}

// IsNumber reports whether a number has become another. That is material however
// little of the text it is.
func (c TextChange) IsNumber() bool { return hasDigit(c.Old) && hasDigit(c.New) }

// Words says what has changed: "12 → 18 homes".
func (c TextChange) Words(l Language) string {
	switch {
	case c.Old == "":
		return l.Say("added: “%s”", c.New)
	case c.New == "":
		return l.Say("taken out: “%s”", c.Old)
	case c.IsNumber() && c.Next != "":
		return c.Old + " → " + c.New + " " + c.Next
	case c.IsNumber():
		return c.Old + " → " + c.New
	}
	return "“" + c.Old + "” → “" + c.New + "”"
}

// How much of a text may change before it is easier to read it whole, and how long a
// text is compared word by word.
const (
	maxTextChanges  = 4
	maxPhraseWords  = 25
	maxComparedText = 600 // words
)

// TextChanges compares two versions of a text word by word and returns where they
// differ, changed numbers first. ok is false when so much has changed that the
// whole text says it better. Case and punctuation at the ends of words make no
// difference.
func TextChanges(old, new string) (changes []TextChange, ok bool) {
	was, is := strings.Fields(old), strings.Fields(new)
	if len(was) > maxComparedText || len(is) > maxComparedText {
		return nil, false
	}
	a, b := foldWords(was), foldWords(is)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	kept := commonWords(a[head:len(a)-tail], b[head:len(b)-tail])
	kept = append(kept, [2]int{len(a) - tail - head, len(b) - tail - head}) // where the common end begins
	i, j, changed, replaced := head, head, 0, 0
	for _, k := range kept {
		toI, toJ := head+k[0], head+k[1]
		if toI > i || toJ > j {
			c := TextChange{Old: trimWord(strings.Join(was[i:toI], " ")), New: trimWord(strings.Join(is[j:toJ], " "))}
			if c.IsNumber() && toJ < len(is) && toJ-j <= 2 {
				if next := trimWord(is[toJ]); !hasDigit(next) {
					c.Next = next
				}
			}
			if c.Old != c.New {
				changes = append(changes, c)
				changed += max(toI-i, toJ-j)
				if c.Old != "" && c.New != "" {
					replaced += max(toI-i, toJ-j)
				}
			}
		}
		i, j = toI+1, toJ+1
	}
	if len(changes) > maxTextChanges || changed > maxPhraseWords || replaced > 3 && replaced*2 > max(len(was), len(is)) {
		return nil, false
	}
	slices.SortStableFunc(changes, func(a, b TextChange) int {
		switch {
		case a.IsNumber() == b.IsNumber():
			return 0
		case a.IsNumber():
			return -1
		}
		return 1
	})
	return changes, true
}

// commonWords returns the places of a longest sequence of words that both lists
// have in the same order.
func commonWords(a, b []string) (places [][2]int) {
	length := make([][]int, len(a)+1) // of the longest common sequence from here on
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			places = append(places, [2]int{i, j})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return places
}

func foldWords(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = strings.ToLower(trimWord(w)); out[i] == "" {
			out[i] = w // a dash between spaces
		}
	}
	return out
}

// trimWord takes punctuation from the ends of a word or phrase, but leaves what
// belongs to a number: "£5", "10%", "2m²".
func trimWord(w string) string {
	return strings.TrimFunc(w, func(r rune) bool { return unicode.IsPunct(r) && r != '%' || r == '“' || r == '”' })
}

func hasDigit(s string) bool { return strings.ContainsFunc(s, unicode.IsDigit) }

// DateChange says that a day has become another: "12 May → 26 May 2026".
func (l Language) DateChange(old, new Date) string {
	if len(old) >= 4 && len(new) >= 4 && old[:4] == new[:4] {
		return l.ShortDay(old) + " → " + l.Day(new)
	}
	return l.Day(old) + " → " + l.Day(new)
}
