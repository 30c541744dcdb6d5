package feed

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// charsets are the encodings that a declaration may name; nil is UTF-8.
var charsets = map[string]*charmap.Charmap{
	"":             nil,
	"utf-8":        nil,
	"windows-1252": charmap.Windows1252,
	"iso-8859-1":   charmap.ISO8859_1,
	"mac-roman":    charmap.Macintosh,
	"cp850":        charmap.CodePage850,
}

func decoderOf(encoding string) (*charmap.Charmap, error) {
	c, ok := charsets[strings.ToLower(encoding)]
	if !ok {
		return nil, fmt.Errorf("encoding: %q is not one of utf-8, windows-1252, iso-8859-1, mac-roman, cp850", encoding)
	}
	return c, nil
}

// decode turns a cell into UTF-8. A cell that is not what its feed declares as
// UTF-8 is taken for windows-1252, which is what it nearly always is.
func decode(cell string, declared *charmap.Charmap) string {
	if declared == nil {
		if utf8.ValidString(cell) {
			return cell
		}
		declared = charmap.Windows1252
	}
	s, err := declared.NewDecoder().String(cell)
	if err != nil {
		return strings.ToValidUTF8(cell, "\uFFFD")
	}
	return s
}

// maxRunes is how much of one cell is kept.
const maxRunes = 10_000

// clean makes one line of plain text of a cell: entities and literal \n resolved,
// control, direction and zero-width characters gone, runs of space collapsed.
func clean(s string) string {
	if plain(s) {
		return s
	}
	if strings.ContainsRune(s, '&') {
		s = html.UnescapeString(s)
	}
	if strings.ContainsRune(s, '\\') {
		s = strings.NewReplacer(`\r\n`, " ", `\n`, " ", `\r`, " ", `\t`, " ").Replace(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	space, runes := false, 0
	for _, r := range norm.NFC.String(s) {
		switch {
		case unicode.IsSpace(r) || r == 0:
			space = b.Len() > 0
			continue
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			continue // Cf holds the direction marks and zero-width characters
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		if runes++; runes == maxRunes {
			break
		}
	}
	return b.String()
}

// plain reports whether clean would change nothing, for the many cells that are.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '&', c == '\\':
			return false
		case c == ' ' && (i == 0 || i == len(s)-1 || s[i+1] == ' '):
			return false
		}
	}
	return len(s) <= maxRunes
}

// looksLikeHTML reports whether an answer is a web page: an error page, a captcha
// or a log-in form with status 200.
func looksLikeHTML(start []byte) bool {
	start = bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n"))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html")) ||
		bytes.HasPrefix(start, []byte("<head")) || bytes.HasPrefix(start, []byte("<body"))
}
