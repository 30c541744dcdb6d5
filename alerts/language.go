package alerts

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts/wording"
)

// A Language is one in which people can be written to: "en" or "cy". Anything else,
// and none, is English.
type Language string

// The languages.
const (
	English Language = "en"
	Welsh   Language = "cy"
)

// Languages are those on offer, and what each calls itself.
var Languages = []struct {
	Language Language
	Name     string
}{{English, "English"}, {Welsh, "Cymraeg"}}

// ParseLanguage reads a language from a form; English unless it is another of ours.
func ParseLanguage(s string) Language {
	if Language(s) == Welsh {
		return Welsh
	}
	return English
}

// IsEnglish reports whether what is said needs no catalogue.
func (l Language) IsEnglish() bool { return l != Welsh }

// Tag is the language as web pages and mails name it.
func (l Language) Tag() string {
	if l.IsEnglish() {
		return "en-GB"
	}
	return string(l)
}

// Path is what the addresses of the language's pages begin with: "/cy", and nothing
// for English.
func (l Language) Path() string {
	if l.IsEnglish() {
		return ""
	}
	return "/" + string(l)
}

// Catalogue returns the sentences of the language; nil for English.
func (l Language) Catalogue() *wording.Catalogue {
	if l.IsEnglish() {
		return nil
	}
	return wording.For(string(l))
}

// Word says a sentence that nothing is filled into.
func (l Language) Word(english string) string { return l.Catalogue().Word(english) }

// Say says a sentence: an English format as of [fmt.Sprintf] and what fills it in.
// Dates and sentences among that are said in the language, too.
func (l Language) Say(format string, args ...any) string {
	return l.Catalogue().Say(format, l.fill(args)...)
}

func (l Language) fill(args []any) []any {
	filled := args
	for i, a := range args {
		var said string
		switch a := a.(type) {
		case Date:
			said = l.Day(a)
		case Sentence:
			said = a.In(l)
		default:
			continue
		}
		if &filled[0] == &args[0] { // what was handed in stays as it is
			filled = append([]any(nil), args...)
		}
		filled[i] = said
	}
	return filled
}

// Plural says a number and its noun: "1 application", "1,204 applications".
func (l Language) Plural(n int, one, many string) string {
	return Thousands(n) + " " + l.Catalogue().Noun(n, one, many)
}

// Day writes a date for a reader: "12 December 2026".
func (l Language) Day(d Date) string {
	if l.IsEnglish() || d == "" {
		return d.Long()
	}
	t := d.Time()
	return strconv.Itoa(t.Day()) + " " + l.Word(months[t.Month()-1]) + " " + strconv.Itoa(t.Year())
}

// ShortDay writes a date for a subject line: "12 Dec".
func (l Language) ShortDay(d Date) string {
	if l.IsEnglish() || d == "" {
		return d.Short()
	}
	t := d.Time()
	return strconv.Itoa(t.Day()) + " " + l.Word(shortMonths[t.Month()-1])
}

// MonthOf writes the month of a moment: "December 2026".
func (l Language) MonthOf(t time.Time) string {
	return l.Word(months[t.Month()-1]) + " " + strconv.Itoa(t.Year())
}

// Moment writes a moment with its zone: "23 November 2026 at 14:05, London time".
func (l Language) Moment(ms int64) string {
	t := time.UnixMilli(ms).In(London)
	return l.Say("%s at %s, London time", DateOf(t), t.Format("15:04"))
}

// dayTime writes a moment in London: "3 May 2026 07:00".
func (l Language) dayTime(ms int64) string {
	t := time.UnixMilli(ms).In(London)
	return l.Day(DateOf(t)) + " " + t.Format("15:04")
}

// months and shortMonths are the names that the catalogue knows them by.
var (
	months      = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	shortMonths = []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
)

// Listing joins words: "a", "a and b", "a, b and c".
func (l Language) Listing(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := words[len(words)-1]
	before := strings.Join(words[:len(words)-1], ", ")
	if l == Welsh {
		return before + " " + welshAnd(last)
	}
	return before + " and " + last
}

// welshAnd puts "and" before a word: "ac" before a vowel, else "a", which makes c, p
// and t breathy. Names keep their first letter.
func welshAnd(word string) string {
	first, _ := utf8.DecodeRuneInString(word)
	switch {
	case strings.ContainsRune("aeiouwyâêîôûŵŷAEIOUWYÂÊÎÔÛŴŶ", first):
		return "ac " + word
	case first == 'c' && !strings.HasPrefix(word, "ch"), first == 'p' && !strings.HasPrefix(word, "ph"), first == 't' && !strings.HasPrefix(word, "th"):
		return "a " + word[:1] + "h" + word[1:]
	}
	return "a " + word
}

// A Sentence is said in the language of whoever reads it: an English format and what
// fills it in. It is for what is worded before the reader is known: why something
// was told, what is wrong with a form.
type Sentence struct {
	Format string
	Args   []any
}

// Sentencef makes a sentence of an English format and what fills it in.
func Sentencef(format string, args ...any) Sentence { return Sentence{format, args} }

// IsZero reports whether nothing is said.
func (s Sentence) IsZero() bool { return s.Format == "" }

// In says the sentence in a language.
func (s Sentence) In(l Language) string {
	if len(s.Args) == 0 {
		return l.Word(s.Format)
	}
	return l.Say(s.Format, s.Args...)
}

// String says the sentence in English.
func (s Sentence) String() string { return s.In(English) }
