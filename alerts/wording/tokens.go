package wording

import (
	"regexp"
	"strings"
)

// A tokenKind is what a piece of a template's source is to a sentence.
type tokenKind int

const (
	textToken  tokenKind = iota
	valueToken           // an action that writes something
	openToken            // an action or a tag that something else closes
	elseToken
	closeToken
	breakToken // no sentence goes across it
)

// A token is a piece of a template's source.
type token struct {
	kind tokenKind
	src  string
	name string // of a tag "a", of an action "if"
	tag  bool
}

// inline are the tags that may stand in the middle of a sentence.
var inline = map[string]bool{"a": true, "abbr": true, "b": true, "bdi": true, "cite": true, "code": true, "del": true, "em": true, "i": true,
	"ins": true, "kbd": true, "mark": true, "q": true, "s": true, "small": true, "span": true, "strong": true, "sub": true, "sup": true, "time": true}

// silent are the tags whose content is not language.
var silent = map[string]bool{"style": true, "script": true}

// scan cuts a template's source into tokens, which put together again are the
// source. Without tags it is the value of an attribute.
func scan(source string, tags bool) (out []token) {
	var defines []bool // of each open block action: it stands outside of sentences
	for len(source) > 0 {
		n := 0
		switch {
		case strings.HasPrefix(source, "{{"):
			n = actionEnd(source)
			out = append(out, action(source[:n], &defines))
		case tags && isTag(source):
			n = tagEnd(source)
			t := tagOf(source[:n])
			if t.kind == openToken && silent[t.name] {
				if end := strings.Index(source, "</"+t.name); end > 0 {
					n = end
				}
			}
			t.src = source[:n]
			if !inline[t.name] {
				t.kind = breakToken
			}
			out = append(out, t)
		default:
			n = textEnd(source, tags)
			out = append(out, token{kind: textToken, src: source[:n]})
		}
		source = source[n:]
	}
	return out
}

func isTag(s string) bool {
	return len(s) > 1 && s[0] == '<' && (s[1] == '/' || s[1] == '!' || s[1] >= 'a' && s[1] <= 'z' || s[1] >= 'A' && s[1] <= 'Z')
}

func textEnd(s string, tags bool) int {
	for i := 1; i < len(s); i++ {
		if strings.HasPrefix(s[i:], "{{") || tags && isTag(s[i:]) {
			return i
		}
	}
	return len(s)
}

// actionEnd is where an action ends; texts and comments in it may hold braces.
func actionEnd(s string) int {
	inner := strings.TrimLeft(strings.TrimPrefix(s[2:], "-"), " \t\n")
	if strings.HasPrefix(inner, "/*") {
		if i := strings.Index(s, "*/"); i > 0 {
			if end := strings.Index(s[i:], "}}"); end >= 0 {
				return i + end + 2
			}
		}
		return len(s)
	}
	var quote byte
	for i := 2; i < len(s); i++ {
		switch {
		case quote != 0:
			if s[i] == '\\' && quote == '"' {
				i++
			} else if s[i] == quote {
				quote = 0
			}
		case s[i] == '"' || s[i] == '`':
			quote = s[i]
		case strings.HasPrefix(s[i:], "}}"):
			return i + 2
		}
	}
	return len(s)
}

// tagEnd is where a tag ends; attributes and actions in it may hold angles.
func tagEnd(s string) int {
	if strings.HasPrefix(s, "<!--") {
		if i := strings.Index(s, "-->"); i > 0 {
			return i + 3
		}
		return len(s)
	}
	var quote byte
	for i := 1; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "{{"):
			i += actionEnd(s[i:]) - 1
		case quote != 0:
			if s[i] == quote {
				quote = 0
			}
		case s[i] == '"' || s[i] == '\'':
			quote = s[i]
		case s[i] == '>':
			return i + 1
		}
	}
	return len(s)
}

var tagName = regexp.MustCompile(`^</?([A-Za-z][A-Za-z0-9]*)`)

func tagOf(src string) token {
	t := token{kind: breakToken, src: src, tag: true}
	m := tagName.FindStringSubmatch(src)
	if m == nil {
		return t
	}
	t.name, t.kind = strings.ToLower(m[1]), openToken
	if strings.HasPrefix(src, "</") {
		t.kind = closeToken
	}
	return t
}

// word is the first word of an action.
func word(src string) string {
	s := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(src, "{{"), "-"), " \t\n")
	if strings.HasPrefix(s, "/*") {
		return "/*"
	}
	if i := strings.IndexAny(s, " \t\n}("); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSuffix(s, "-")
}

var assigns = regexp.MustCompile(`^\{\{-?\s*\$\w+\s*:?=`)

func action(src string, defines *[]bool) token {
	t := token{kind: valueToken, src: src, name: word(src)}
	switch t.name {
	case "if", "with", "range":
		t.kind = openToken
		*defines = append(*defines, false)
	case "else":
		t.kind = elseToken
	case "end":
		t.kind = closeToken
		if n := len(*defines); n > 0 {
			if (*defines)[n-1] {
				t.kind = breakToken
			}
			*defines = (*defines)[:n-1]
		}
	case "define", "block":
		t.kind = breakToken
		*defines = append(*defines, true)
	case "template", "/*", "break", "continue":
		t.kind = breakToken
	default:
		if assigns.MatchString(src) {
			t.kind = breakToken
		}
	}
	return t
}

// trimmed is an action without the marks that take white space away beside it.
func trimmed(src string) string {
	if strings.HasPrefix(src, "{{- ") {
		src = "{{" + src[4:]
	}
	if strings.HasSuffix(src, " -}}") {
		src = src[:len(src)-4] + "}}"
	}
	return src
}
