package wording

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// This file lays a catalogue over the source of a template. What is looked up is
// a whole sentence, or the sentences of a paragraph, as a translator reads it:
//
//	In the last {1} days there {if}was <strong>one</strong>{else}were <strong>{2}</strong>{end}.
//
// The numbers are what the template writes there, in their order; the tags are those
// of the source without what is in them; {if}, {with}, {range}, {else} and {end} are
// its conditions. A translation may move and repeat numbers and tags, but keeps the
// conditions in their order and each number within its own.

// A Template turns the source of an HTML template into another language's.
type Template struct {
	Catalogue *Catalogue
	// Local turns an address of the site's own pages into the language's; nil for
	// none. Addresses that the template writes go through the template function local,
	// which is to do the same.
	Local func(address string) string
	// Note is called with each sentence that is looked up and, for a noun after a
	// number, with both its English forms.
	Note func(english ...string)
}

// Source returns the translated source. What the catalogue lacks, or has with other
// placeholders, stays English.
func (t Template) Source(source string) string {
	var out strings.Builder
	t.run(&out, scan(source, true))
	return out.String()
}

// attributes are those whose value is language.
var attributes = regexp.MustCompile(`^(alt|title|aria-label|placeholder|data-say-[a-z]+)$`)

// run writes tokens, cut into stretches that no sentence goes across.
func (t Template) run(out *strings.Builder, tokens []token) {
	closes := partners(tokens)
	for start := 0; start < len(tokens); {
		end := start
		for end < len(tokens) && tokens[end].kind != breakToken {
			end++
		}
		t.stretch(out, tokens, start, end, closes)
		if end < len(tokens) {
			out.WriteString(t.verbatim(tokens[end]))
		}
		start = end + 1
	}
}

// partners says for each token that opens, goes on or closes something where the
// first and the last token of that are.
func partners(tokens []token) map[int][2]int {
	out := map[int][2]int{}
	var open []int
	for i, k := range tokens {
		switch k.kind {
		case openToken:
			open = append(open, i)
		case closeToken:
			for n := len(open) - 1; n >= 0; n-- {
				o := tokens[open[n]]
				if o.tag != k.tag || k.tag && o.name != k.name {
					continue
				}
				out[i], out[open[n]] = [2]int{open[n], i}, [2]int{open[n], i}
				open = open[:n]
				break
			}
		}
	}
	var groups []int
	for i, k := range tokens { // else belongs to the innermost condition
		switch {
		case k.kind == openToken && !k.tag:
			groups = append(groups, i)
		case k.kind == closeToken && !k.tag && len(groups) > 0:
			groups = groups[:len(groups)-1]
		case k.kind == elseToken && len(groups) > 0:
			out[i] = out[groups[len(groups)-1]]
		}
	}
	return out
}

// stretch writes tokens[start:end], cut further where something opens or closes whose
// other end lies beyond.
func (t Template) stretch(out *strings.Builder, tokens []token, start, end int, closes map[int][2]int) {
	from := start
	for i := start; i < end; i++ {
		switch tokens[i].kind {
		case openToken, closeToken, elseToken:
			if p, ok := closes[i]; !ok || p[0] < from || p[1] >= end || crosses(tokens[from:end], closes, p, from) {
				t.emit(out, nodes(tokens[from:i], closes, from))
				out.WriteString(t.verbatim(tokens[i]))
				from = i + 1
			}
		}
	}
	t.emit(out, nodes(tokens[from:end], closes, from))
}

// crosses reports whether something within p opens or closes outside of it.
func crosses(tokens []token, closes map[int][2]int, p [2]int, from int) bool {
	for i := p[0] + 1; i < p[1]; i++ {
		switch tokens[i-from].kind {
		case openToken, closeToken, elseToken:
			if q, ok := closes[i]; !ok || q[0] < p[0] || q[1] > p[1] {
				return true
			}
		}
	}
	return false
}

// A node is a text, a value, or something with an inside: an element, or a condition
// with its branches.
type node struct {
	token
	said     string // of a text: what is left of it by the marks that take white space away
	last     token
	between  []token // the elses
	branches [][]node
}

func nodes(tokens []token, closes map[int][2]int, base int) (out []node) {
	for i := 0; i < len(tokens); i++ {
		k := tokens[i]
		if k.kind != openToken {
			n := node{token: k, said: k.src}
			if i > 0 {
				n.trim(tokens[i-1], token{})
			}
			if i+1 < len(tokens) {
				n.trim(token{}, tokens[i+1])
			}
			out = append(out, n)
			continue
		}
		end := closes[base+i][1] - base
		n := node{token: k, last: tokens[end]}
		from := i + 1
		for j := i + 1; j < end; j++ {
			if tokens[j].kind == elseToken && closes[base+j][0] == base+i {
				n.between = append(n.between, tokens[j])
				n.branches = append(n.branches, inside(tokens, closes, base, from, j))
				from = j + 1
			}
		}
		n.branches = append(n.branches, inside(tokens, closes, base, from, end))
		out = append(out, n)
		i = end
	}
	return out
}

// inside are the nodes of tokens[from:end], their outer white space taken away where
// the tokens around them do.
func inside(tokens []token, closes map[int][2]int, base, from, end int) []node {
	out := nodes(tokens[from:end], closes, base+from)
	if len(out) == 0 {
		return out
	}
	out[0].trim(tokens[from-1], token{})
	out[len(out)-1].trim(token{}, tokens[end])
	return out
}

// trim takes away the white space that the actions beside a text take away.
func (n *node) trim(before, after token) {
	if n.kind != textToken {
		return
	}
	if !before.tag && before.kind != textToken && strings.HasSuffix(before.src, " -}}") {
		n.said = strings.TrimLeft(n.said, white)
	}
	if !after.tag && after.kind != textToken && strings.HasPrefix(after.src, "{{- ") {
		n.said = strings.TrimRight(n.said, white)
	}
}

const white = " \t\r\n"

func (n node) isGroup() bool { return n.kind == openToken && !n.tag }

var entity = regexp.MustCompile(`&[a-zA-Z]+;|&#\w+;`)

// speaks reports whether there is language in nodes, at any depth or at the top only.
func speaks(all []node, deep bool) bool {
	for _, n := range all {
		if n.kind == textToken && strings.ContainsFunc(entity.ReplaceAllString(n.src, ""), unicode.IsLetter) {
			return true
		}
		if deep {
			for _, b := range n.branches {
				if speaks(b, true) {
					return true
				}
			}
		}
	}
	return false
}

// emit writes nodes between which a sentence may run.
func (t Template) emit(out *strings.Builder, all []node) {
	if !speaks(all, true) {
		t.plain(out, all)
		return
	}
	if !speaks(all, false) || len(all) == 1 && all[0].kind == openToken {
		for _, n := range all { // nothing is said between them, so each is by itself
			if n.kind != openToken {
				out.WriteString(t.verbatim(n.token))
				continue
			}
			out.WriteString(t.verbatim(n.token))
			for i, b := range n.branches {
				if i > 0 {
					out.WriteString(t.verbatim(n.between[i-1]))
				}
				t.emit(out, b)
			}
			out.WriteString(t.verbatim(n.last))
		}
		return
	}
	if parts := cut(all); len(parts) > 1 {
		for _, p := range parts {
			t.emit(out, p)
		}
		return
	}
	t.sentence(out, all)
}

// plain writes nodes in which nothing is said but in attributes.
func (t Template) plain(out *strings.Builder, all []node) {
	for _, n := range all {
		out.WriteString(t.verbatim(n.token))
		if n.kind != openToken {
			continue
		}
		for i, b := range n.branches {
			if i > 0 {
				out.WriteString(t.verbatim(n.between[i-1]))
			}
			t.plain(out, b)
		}
		out.WriteString(t.verbatim(n.last))
	}
}

// dot separates what stands side by side in one line.
const dot = "·"

// cut parts nodes at dots and around conditions that hold whole sentences.
func cut(all []node) (parts [][]node) {
	var split []node
	for _, n := range all {
		if n.kind != textToken || !strings.Contains(n.src, dot) {
			split = append(split, n)
			continue
		}
		for i, piece := range strings.SplitAfter(n.src, dot) {
			before, found := strings.CutSuffix(piece, dot)
			if i == 0 && before == "" || before != "" {
				split = append(split, node{token: token{kind: textToken, src: before}, said: before})
			}
			if found {
				split = append(split, node{token: token{kind: breakToken, src: dot}})
			}
		}
	}
	var part []node
	next := func() {
		if len(part) > 0 {
			parts = append(parts, part)
		}
		part = nil
	}
	for i, n := range split {
		switch {
		case n.kind == breakToken:
			next()
			parts = append(parts, []node{{token: token{kind: textToken, src: dot}, said: dot}})
		case n.isGroup() && apart(part, n, split[i+1:]):
			next()
			parts = append(parts, []node{n})
		default:
			part = append(part, n)
		}
	}
	next()
	return parts
}

// apart reports whether a condition between other nodes holds sentences of its own.
func apart(before []node, n node, after []node) bool {
	begins, ends := true, true
	for _, b := range n.branches {
		first, last := edge(b, true), edge(b, false)
		begins = begins && strings.HasPrefix(first, dot)
		ends = ends && (first == "" && last == "" || endsSentence(last))
	}
	left := edge(before, false)
	if !begins && !(len(before) == 0 || !speaks(before, true) && !hasValue(before) || endsSentence(left)) {
		return false
	}
	for len(after) > 0 && after[0].kind == textToken && strings.TrimSpace(after[0].src) == "" {
		after = after[1:]
	}
	if len(after) == 0 || after[0].isGroup() && begins || after[0].kind == breakToken {
		return true
	}
	right := edge(after, true)
	return ends && beginsSentence(right) || strings.HasPrefix(right, dot)
}

func hasValue(all []node) bool {
	return slices.ContainsFunc(all, func(n node) bool { return n.kind == valueToken || n.kind == openToken })
}

// edge is the text at the beginning or the end of nodes; of a value or a condition it
// is one that begins and ends like a sentence or does not, as far as one can tell.
func edge(all []node, first bool) string {
	for len(all) > 0 && all[0].kind == textToken && strings.TrimSpace(all[0].src) == "" {
		all = all[1:]
	}
	for len(all) > 0 && all[len(all)-1].kind == textToken && strings.TrimSpace(all[len(all)-1].src) == "" {
		all = all[:len(all)-1]
	}
	if len(all) == 0 {
		return ""
	}
	n := all[len(all)-1]
	if first {
		n = all[0]
	}
	switch {
	case n.kind == textToken:
		return strings.TrimSpace(n.src)
	case n.kind == openToken && len(n.branches) > 0:
		return edge(n.branches[0], first)
	}
	return "x"
}

func endsSentence(s string) bool {
	return s != "" && strings.ContainsRune(".?!:…", []rune(s)[len([]rune(s))-1])
}

func beginsSentence(s string) bool {
	for _, r := range s {
		return unicode.IsUpper(r)
	}
	return false
}

var spaces = regexp.MustCompile(`\s+`)

// sentence looks nodes up, and writes what it finds or the nodes themselves.
func (t Template) sentence(out *strings.Builder, all []node) {
	k := keyOf(all)
	english := strings.TrimSpace(k.text.String())
	if english == "" {
		t.plain(out, all)
		return
	}
	if t.Note != nil {
		t.Note(english)
	}
	translated, ok := "", false
	if t.Catalogue != nil {
		translated, ok = t.Catalogue.lookup(english)
	}
	if !ok || Agree(english, translated) != nil {
		t.plain(out, all)
		return
	}
	whole := k.text.String()
	if strings.HasPrefix(whole, " ") {
		out.WriteByte(' ')
	}
	controls := 0
	rest := translated
	for _, m := range placeholder.FindAllString(translated, -1) {
		before, after, _ := strings.Cut(rest, m)
		out.WriteString(before)
		rest = after
		switch {
		case k.places[m] != nil:
			out.WriteString(t.bare(*k.places[m]))
		case controls < len(k.controls):
			out.WriteString(trimmed(t.verbatim(k.controls[controls])))
			controls++
		}
	}
	out.WriteString(rest)
	if strings.HasSuffix(whole, " ") {
		out.WriteByte(' ')
	}
}

// bare is a token as it stands within a sentence.
func (t Template) bare(k token) string {
	if k.tag {
		return t.verbatim(k)
	}
	return trimmed(t.verbatim(k))
}

// A key is what nodes are looked up by, and what its placeholders stand for.
type key struct {
	text     strings.Builder
	places   map[string]*token
	controls []token
	values   int
	tags     map[string]int
}

func keyOf(all []node) *key {
	k := &key{places: map[string]*token{}, tags: map[string]int{}}
	k.add(all)
	text := spaces.ReplaceAllString(k.text.String(), " ")
	k.text.Reset()
	k.text.WriteString(text)
	return k
}

func (k *key) add(all []node) {
	place := func(name string, t token) {
		k.places[name] = &t
		k.text.WriteString(name)
	}
	for _, n := range all {
		switch {
		case n.kind == textToken:
			k.text.WriteString(n.said)
		case n.kind != openToken:
			k.values++
			place("{"+strconv.Itoa(k.values)+"}", n.token)
		case n.tag:
			k.tags[n.name]++
			name := n.name
			if i := k.tags[n.name]; i > 1 {
				name += strconv.Itoa(i)
			}
			place("<"+name+">", n.token)
			k.add(n.branches[0])
			place("</"+name+">", n.last)
		default:
			k.controls = append(k.controls, n.token)
			k.text.WriteString("{" + n.name + "}")
			for i, b := range n.branches {
				if i > 0 {
					k.controls = append(k.controls, n.between[i-1])
					k.text.WriteString("{else}")
				}
				k.add(b)
			}
			k.controls = append(k.controls, n.last)
			k.text.WriteString("{end}")
		}
	}
}

var placeholder = regexp.MustCompile(`\{(?:\d+|if|with|range|else|end)\}|</?[a-z][a-z0-9]*>`)

// Agree says in what a translation's placeholders differ from those of the English.
func Agree(english, translated string) error {
	want, controls := outline(english)
	have, controls2 := outline(translated)
	if !slices.Equal(controls, controls2) {
		return fmt.Errorf("the conditions are %v, not %v", controls2, controls)
	}
	for p, at := range want {
		if len(have[p]) == 0 {
			return fmt.Errorf("%s is missing", p)
		}
		for _, where := range have[p] {
			if !slices.Contains(at, where) {
				return fmt.Errorf("%s stands in another branch", p)
			}
		}
	}
	for p := range have {
		if len(want[p]) == 0 {
			return fmt.Errorf("%s is not in the English", p)
		}
	}
	return nil
}

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[-+#0-9.]*([sdfgqvx%])`)

// outline lists where placeholders stand, by the branches around them, and the
// conditions.
func outline(s string) (places map[string][]string, controls []string) {
	places = map[string][]string{}
	var path []string
	branches := 0
	for _, p := range placeholder.FindAllString(s, -1) {
		switch p {
		case "{if}", "{with}", "{range}":
			branches++
			path = append(path, strconv.Itoa(branches))
			controls = append(controls, p)
		case "{else}":
			branches++
			if len(path) > 0 {
				path[len(path)-1] = strconv.Itoa(branches)
			}
			controls = append(controls, p)
		case "{end}":
			if len(path) > 0 {
				path = path[:len(path)-1]
			}
			controls = append(controls, p)
		default:
			places[p] = append(places[p], strings.Join(path, "/"))
		}
	}
	for i, m := range verb.FindAllStringSubmatch(s, -1) { // of sentences that the program fills in
		if m[2] == "%" {
			continue
		}
		at := m[1]
		if at == "" {
			at = strconv.Itoa(i + 1)
		}
		places["%"+at+m[2]] = append(places["%"+at+m[2]], "")
	}
	return places, controls
}

var (
	attribute = regexp.MustCompile(`([a-zA-Z-]+)="`)
	counted   = regexp.MustCompile(`\bplural\s[^"]*"([^"]*)" "([^"]*)"`)
	spoken    = regexp.MustCompile(`\b(?:say|tab)\s[^"]*(?:"[a-z]*" )?"([^"]*)"`)
)

// verbatim is a token by itself: as it is, but for what is language in it and for
// links.
func (t Template) verbatim(k token) string {
	if !k.tag {
		if k.kind != textToken {
			t.noteAction(k.src)
		}
		return k.src
	}
	if strings.HasPrefix(k.src, "</") || !strings.Contains(k.src, `="`) {
		return k.src
	}
	var out strings.Builder
	rest := k.src
	for {
		m := attribute.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		name := rest[m[2]:m[3]]
		out.WriteString(rest[:m[1]])
		rest = rest[m[1]:]
		end := valueEnd(rest)
		value := rest[:end]
		rest = rest[end:]
		switch {
		case attributes.MatchString(name):
			t.run(&out, scan(value, false))
		case t.Local != nil && (name == "href" || name == "action") && !strings.Contains(k.src, "hreflang="): // that leads to another language
			out.WriteString(t.link(value))
		default:
			for _, a := range scan(value, false) {
				t.verbatim(a)
			}
			out.WriteString(value)
		}
	}
	out.WriteString(rest)
	return out.String()
}

// valueEnd is where the value of an attribute ends.
func valueEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "{{"):
			i += actionEnd(s[i:]) - 1
		case s[i] == '"':
			return i
		}
	}
	return len(s)
}

// link has an address lead to a page of the language.
func (t Template) link(value string) string {
	parts := scan(value, false)
	if len(parts) == 0 {
		return value
	}
	switch first := parts[0]; {
	case first.kind == textToken && strings.HasPrefix(first.src, "/"):
		return t.Local(first.src) + value[len(first.src):]
	case first.kind == valueToken:
		inner := strings.TrimSpace(strings.Trim(trimmed(first.src), "{}"))
		return "{{local (" + inner + ")}}" + value[len(first.src):]
	}
	return value
}

// noteAction notes what an action says itself.
func (t Template) noteAction(src string) {
	if t.Note == nil {
		return
	}
	for _, m := range counted.FindAllStringSubmatch(src, -1) {
		t.Note(m[1], m[2])
	}
	for _, m := range spoken.FindAllStringSubmatch(src, -1) {
		t.Note(m[1])
	}
}
