// Package postcode knows how British postcodes are written and where they are.
//
// [Parse] and [Find] are the grammar. A [Table] holds every postcode of Great
// Britain in about 6.5 MB of memory, made by [Import] from a file that the
// operator downloads: no postcode data comes with the program, as its licences
// differ from country to country.
package postcode

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// A Code is a well-formed postcode in its usual spelling, capitals with one
// space before the last three characters: "NW1 8NH". Whether it exists is for
// [Table.Lookup] to say.
type Code string

// Outward is the part before the space, the post town's district: "NW1".
func (c Code) Outward() string { s, _, _ := strings.Cut(string(c), " "); return s }

// Inward is the part after the space: "8NH".
func (c Code) Inward() string { _, s, _ := strings.Cut(string(c), " "); return s }

// Sector is the code without its last two letters: "NW1 8".
func (c Code) Sector() string {
	if len(c) < 2 {
		return string(c)
	}
	return string(c[:len(c)-2])
}

// A SyntaxError says why something is not a postcode, in a sentence for the
// person who typed it. Suggestion is what they may have meant, if letters and
// digits that look alike were mixed up; it is for offering, never for using
// unasked.
type SyntaxError struct {
	Input, Problem, Suggestion string
	Shown                      string // what was typed, where Problem begins with it
}

func (e *SyntaxError) Error() string {
	if e.Suggestion != "" {
		return e.Problem + " Did you mean " + e.Suggestion + "?"
	}
	return e.Problem
}

// A PartialError says that only the beginning of a postcode was given. Sector is
// empty when there was only an outward part.
type PartialError struct{ Input, Outward, Sector string }

func (e *PartialError) Error() string {
	part := e.Sector
	if part == "" {
		part = e.Outward
	}
	return fmt.Sprintf("%s is only the first part of a postcode and covers a wide area. Enter the whole postcode, such as NW1 8NH.", part)
}

// Parse reads a postcode as people type it: any case, any spacing, with
// no-break or zero-width spaces from copying. The error is a [SyntaxError] or a
// [PartialError].
//
// The grammar is loose on purpose, since stricter patterns refuse real codes
// that have been terminated; it was tried on all 2,719,923 codes known. It also
// takes GIR 0AA and the old NPT codes of Newport.
func Parse(s string) (Code, error) {
	words := split(s)
	compact := strings.Join(words, "")
	if code, ok := canonical(compact); ok {
		return code, nil
	}
	shown := strings.Join(words, " ")
	if len(shown) > 20 {
		shown = shown[:20] + "…"
	}
	fail := func(problem string) (Code, error) {
		return "", &SyntaxError{Input: s, Problem: problem}
	}
	failed := func(shown, problem string) (Code, error) {
		return "", &SyntaxError{Input: s, Problem: shown + problem, Shown: shown}
	}
	switch {
	case compact == "":
		return fail("Enter a postcode, such as NW1 8NH.")
	case strings.HasPrefix(compact, "BFPO"):
		return fail("A BFPO number is a forces address without a place on the map. Place a pin on the map instead.")
	case overseas[shown]:
		return failed(shown, " is the code of an overseas territory, where planning is not part of the United Kingdom's.")
	}
	if err := partial(s, words); err != nil {
		return "", err
	}
	if fixed, ok := repair(compact); ok {
		return "", &SyntaxError{Input: s, Suggestion: string(fixed), Problem: shown + " is not a postcode.", Shown: shown}
	}
	if code, ok := Find(s); ok {
		return "", &SyntaxError{Input: s, Suggestion: string(code), Problem: "There is more here than a postcode."}
	}
	return failed(shown, " is not a postcode. Postcodes look like NW1 8NH; check yours, or place a pin on the map.")
}

// split folds a text to the words of capitals and digits in it. Zero-width
// characters vanish; anything else separates words.
func split(s string) []string {
	const longest = 64 // a postcode in any spelling is far shorter
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.FieldsFunc(fold(s), func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// fold turns letters into capitals, full-width forms into plain ones, any kind
// of space into an ordinary one, and drops what cannot be seen.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case r < 0x80:
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r): // zero-width spaces and joiners, soft hyphen, byte order mark
			return -1
		case '!' <= r-0xFEE0 && r-0xFEE0 <= '~':
			return unicode.ToUpper(r - 0xFEE0)
		}
		return r
	}, s)
}

// units has the twenty letters that end a postcode. C, I, K, M, O and V do not,
// as they are easily misread.
const units = "ABDEFGHJLNPQRSTUWXYZ"

func letter(b byte) bool { return 'A' <= b && b <= 'Z' }
func digit(b byte) bool  { return '0' <= b && b <= '9' }

// unitIndex numbers the letters of units from 0, and everything else -1.
var unitIndex = func() (index [256]int8) {
	for i := range index {
		index[i] = int8(strings.IndexByte(units, byte(i)))
	}
	return index
}()

func inward(s string) bool {
	return len(s) == 3 && digit(s[0]) && unitIndex[s[1]] >= 0 && unitIndex[s[2]] >= 0
}

// outward accepts A9, A99, A9A, AA9, AA99 and AA9A. The last letter is never I
// or O in any code known, so that those may be taken for 1 and 0.
func outward(s string) bool {
	n := 0
	for n < len(s) && n < 2 && letter(s[n]) {
		n++
	}
	if n == 0 || n == len(s) || !digit(s[n]) {
		return false
	}
	switch rest := s[n+1:]; len(rest) {
	case 0:
		return true
	case 1:
		return digit(rest[0]) || letter(rest[0]) && rest[0] != 'I' && rest[0] != 'O'
	}
	return false
}

// canonical spells a code of capitals and digits without spaces.
func canonical(compact string) (Code, bool) {
	n := len(compact) - 3
	if n < 2 || n > 4 || !inward(compact[n:]) {
		return "", false
	}
	out := compact[:n]
	if !outward(out) && out != "NPT" && compact != "GIR0AA" {
		return "", false
	}
	return Code(out + " " + compact[n:]), true
}

// partial recognises an outward part or a sector. It looks at the words as they
// were typed, because E1 6 without its space would be another outward part.
func partial(input string, words []string) error {
	switch len(words) {
	case 1:
		if outward(words[0]) {
			return &PartialError{Input: input, Outward: words[0]}
		}
		if n := len(words[0]) - 1; n > 1 && outward(words[0][:n]) && digit(words[0][n]) {
			return &PartialError{Input: input, Outward: words[0][:n], Sector: words[0][:n] + " " + words[0][n:]}
		}
	case 2:
		in := words[1]
		if outward(words[0]) && digit(in[0]) && (len(in) == 1 || len(in) == 2 && unitIndex[in[1]] >= 0) {
			return &PartialError{Input: input, Outward: words[0], Sector: words[0] + " " + in[:1]}
		}
	}
	return nil
}

// lookAlike swaps the letters and digits that people mix up.
func lookAlike(b byte) byte {
	switch b {
	case 'O':
		return '0'
	case '0':
		return 'O'
	case 'I', 'L':
		return '1'
	case '1':
		return 'I'
	}
	return 0
}

// repair tries every exchange of O with 0 and I with 1, and answers only when
// one way of the fewest exchanges makes a postcode.
func repair(compact string) (Code, bool) {
	if len(compact) < 5 || len(compact) > 7 {
		return "", false
	}
	var found Code
	fewest, ways := len(compact)+1, 0
	for mask := 1; mask < 1<<len(compact); mask++ {
		b := []byte(compact)
		swaps := 0
		for i := range b {
			if mask>>i&1 == 0 {
				continue
			}
			if b[i] = lookAlike(b[i]); b[i] == 0 {
				break
			}
			swaps++
		}
		code, ok := canonical(string(b))
		switch {
		case !ok:
		case swaps < fewest:
			found, fewest, ways = code, swaps, 1
		case swaps == fewest:
			ways++
		}
	}
	return found, ways == 1
}

var inText = regexp.MustCompile(`\b(?:([A-Z]{1,2}[0-9][0-9A-HJ-NP-Z]?|NPT)[ \t]{0,3}([0-9][ABD-HJLNP-UW-Z]{2})|(GIR)[ \t]{0,3}(0AA))\b`)

// Find returns the first well-formed postcode in a text such as an address.
func Find(text string) (Code, bool) {
	m := inText.FindStringSubmatch(fold(text))
	if m == nil {
		return "", false
	}
	return Code(m[1] + m[3] + " " + m[2] + m[4]), true
}

// overseas are the codes of British overseas territories that do not have the
// form of a postcode.
var overseas = map[string]bool{
	"ASCN 1ZZ": true, "BBND 1ZZ": true, "BIQQ 1ZZ": true, "FIQQ 1ZZ": true, "PCRN 1ZZ": true,
	"SIQQ 1ZZ": true, "STHL 1ZZ": true, "TDCU 1ZZ": true, "TKCA 1ZZ": true,
}

// NonGeographic says whether a code, though well formed, has no place in the
// United Kingdom's planning system, and why, in a sentence to show.
func NonGeographic(c Code) (reason string, ok bool) {
	out := c.Outward()
	area := strings.TrimRight(out, "0123456789")
	switch {
	case area == "BF":
		return "BF codes are forces addresses (BFPO) without a place on the map. Place a pin on the map instead.", true
	case area == "BX" || area == "XX":
		return "BX and XX codes belong to large organisations and have no place on the map. Place a pin on the map instead.", true
	case area == "QC":
		return "QC codes are not addresses and have no place on the map. Place a pin on the map instead.", true
	case out == "ZZ99":
		return "ZZ99 codes stand for unknown addresses and have no place on the map. Place a pin on the map instead.", true
	case area == "GX":
		return "Gibraltar decides its own planning applications; they are not part of this service.", true
	case area == "GY":
		return "Guernsey decides its own planning applications; they are not part of this service.", true
	case area == "JE":
		return "Jersey decides its own planning applications; they are not part of this service.", true
	case area == "IM":
		return "The Isle of Man decides its own planning applications; they are not part of this service.", true
	}
	return "", false
}
