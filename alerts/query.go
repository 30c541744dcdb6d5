package alerts

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A Query is what somebody looks for among the applications: on a page, in a feed
// reader or through the interface for programs. Everything that it names must hold;
// the zero Query asks for nothing in particular.
type Query struct {
	Area      Area   // a circle, polygons, an authority or a ward; anywhere when its Kind is empty
	Authority string // slug; any when empty
	Words     Search
	Kinds     []Kind // any when empty; the Kind "" stands for those to which the council gave none
	Stage     Stage
	MajorOnly bool
	Since     Date // listed on or after
	Until     Date // listed on or before

	Statuses  []Status   // any when empty
	Decisions []Decision // any when empty
	Received  Days
	Decided   Days // by the council
	Closing   Days // when comments close, as published
}

// Days are days from one to another, both included; an empty bound is none.
type Days struct{ From, Until Date }

// Has reports whether a day is among them; one that is not known is only among all.
func (d Days) Has(day Date) bool {
	return d == Days{} || day != "" && day >= d.From && (d.Until == "" || day <= d.Until)
}

// A Stage is how far a case has come, as lists are narrowed by it.
type Stage string

// The stages by which a list can be narrowed.
const (
	StageAny       Stage = ""
	StageOpen      Stage = "open"      // still to be decided
	StageDecided   Stage = "decided"   // by the council, or on appeal
	StageWithdrawn Stage = "withdrawn" // by the applicant
)

// Stages lists the stages in the order in which forms offer them.
var Stages = []Stage{StageAny, StageOpen, StageDecided, StageWithdrawn}

// Narrowed reports whether the query asks for more than a place or a council.
func (q *Query) Narrowed() bool {
	return !q.Words.IsZero() || len(q.Kinds) > 0 || q.Stage != StageAny || q.MajorOnly || q.Since != "" || q.Until != ""
}

// Keeps reports whether a case is among those asked for, leaving aside where it is
// and when it was listed.
func (q *Query) Keeps(a *Application) bool {
	d := &a.Details
	switch {
	case q.Authority != "" && a.Authority != q.Authority,
		q.MajorOnly && !d.IsMajor(),
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, d.Kind),
		len(q.Statuses) > 0 && !slices.Contains(q.Statuses, d.Status),
		len(q.Decisions) > 0 && !slices.Contains(q.Decisions, d.Decision),
		!q.Received.Has(d.Received), !q.Decided.Has(d.Decided), !q.Closing.Has(d.CommentsUntil),
		q.Stage == StageOpen && !d.IsOpen(),
		q.Stage == StageDecided && !d.IsDecided() && !d.AppealIsDecided(),
		q.Stage == StageWithdrawn && !d.IsWithdrawn():
		return false
	}
	return q.Words.In(a)
}

// Limits of what is looked for, so that nobody can make the search work for long.
const (
	MaxSearch      = 200 // characters of what is typed
	maxSearchTerms = 12
)

// A Search is what somebody typed into the search box: terms that must all occur.
type Search struct {
	Typed string // tidied, to show again
	Terms []Term
}

// A Term is one or several words side by side, in the form of [Fold]. Whole is of a
// quoted one; of others the last word may be the beginning of a longer one.
type Term struct {
	Words []string
	Whole bool
}

// Begins reports whether words that go on count as the last of the term. Numbers do
// not go on, and a letter or two begin too much.
func (t Term) Begins() bool {
	last := t.Words[len(t.Words)-1]
	return !t.Whole && utf8.RuneCountInString(last) > 2 && strings.ContainsFunc(last, unicode.IsLetter)
}

// IsZero reports whether nothing is looked for.
func (s Search) IsZero() bool { return len(s.Terms) == 0 }

// stopWords are left out of what is looked for, unless they are quoted or there is
// nothing else.
var stopWords = map[string]bool{"a": true, "an": true, "and": true, "at": true, "by": true, "for": true, "from": true, "in": true,
	"near": true, "of": true, "on": true, "or": true, "the": true, "to": true, "with": true}

// ParseSearch reads what somebody typed. There are no operators: what looks like
// one is a word or a mark between words. Quotes keep words together.
func ParseSearch(typed string) Search {
	typed = Line(typed, MaxSearch)
	s := Search{Typed: typed}
	var stopped []Term
	for i, part := range strings.Split(strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`).Replace(typed), `"`) {
		if i%2 == 1 {
			if words := Fold(part); len(words) > 0 {
				s.Terms = append(s.Terms, Term{words, true})
			}
			continue
		}
		for field := range strings.FieldsSeq(part) {
			words := Fold(field)
			switch {
			case len(words) == 1 && stopWords[words[0]]:
				stopped = append(stopped, Term{words, false})
			case len(words) > 0:
				s.Terms = append(s.Terms, Term{words, false})
			}
		}
	}
	if len(s.Terms) == 0 {
		s.Terms = stopped
	}
	s.Terms = s.Terms[:min(len(s.Terms), maxSearchTerms)]
	return s
}

// In reports whether every term occurs in the reference, address or description of
// a case.
func (s Search) In(a *Application) bool {
	if s.IsZero() {
		return true
	}
	text := Fold(a.Reference + " " + a.Address + " " + a.Description)
	return !slices.ContainsFunc(s.Terms, func(t Term) bool { return !t.occurs(text) })
}

func (t Term) occurs(text []string) bool {
	last := len(t.Words) - 1
	for i := 0; i+last < len(text); i++ {
		if slices.Equal(text[i:i+last], t.Words[:last]) && (text[i+last] == t.Words[last] || t.Begins() && strings.HasPrefix(text[i+last], t.Words[last])) {
			return true
		}
	}
	return false
}

// Fold cuts a text into its words as they are compared: in lower case and without
// accents. Everything but letters and digits parts words.
func Fold(s string) []string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80
	}
	if !plain {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(s))
	}
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// LooseReference reduces a reference to what people rely on when they copy one from
// a notice or read it out: its letters and digits, without the marks and spaces that
// part them.
func LooseReference(number string) string {
	return looseMarks.Replace(ReferenceKey(number))
}

// looseMarks must agree with the index alias_loose.
var looseMarks = strings.NewReplacer("/", "", " ", "", "-", "", ".", "", "_", "")
