// Package wording says in another language what pages and mails say in English.
// English is what stands in the program and in its templates, and is what the one
// catalogue of a language is looked up by: a sentence that it lacks stays English,
// and a test fails. What the sentences are about is not this package's business.
package wording

import (
	_ "embed"
	"fmt"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed cy.po
var welsh string

// A Catalogue holds the sentences of one language by their English. A nil one is
// English.
type Catalogue struct {
	Name      string // the tag of the language: "cy"
	tag       language.Tag
	sentences map[string]string
	counted   map[countKey][]string // forms of nouns after a number, in the order of forms
}

// A countKey is an English noun as it follows the number 1, and any other.
type countKey struct{ one, many string }

// forms are the plural forms in the order in which a PO file numbers them.
var forms = []plural.Form{plural.Zero, plural.One, plural.Two, plural.Few, plural.Many, plural.Other}

var catalogues = map[string]*Catalogue{"cy": mustRead("cy", welsh)}

// For returns the catalogue of a language; nil, which is English, for any that there
// is none of.
func For(tag string) *Catalogue { return catalogues[tag] }

func mustRead(tag, text string) *Catalogue {
	c, err := read(tag, text)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return c
}

// Word returns a sentence that has no placeholders.
func (c *Catalogue) Word(english string) string {
	if c == nil {
		return english
	}
	if s, ok := c.sentences[english]; ok {
		return s
	}
	return english
}

// Say returns a sentence with its placeholders filled in, as [fmt.Sprintf] does. A
// translation may name them in another order: %[2]s.
func (c *Catalogue) Say(format string, args ...any) string {
	if c == nil {
		return fmt.Sprintf(format, args...)
	}
	return fmt.Sprintf(c.Word(format), args...)
}

// Noun returns the form of a noun that follows the number n. English has one for 1
// and one for all others; Welsh has up to six, for its first letter changes.
func (c *Catalogue) Noun(n int, one, many string) string {
	if c != nil {
		if words, ok := c.counted[countKey{one, many}]; ok {
			form := plural.Cardinal.MatchPlural(c.tag, n, 0, 0, 0, 0)
			for i, f := range forms {
				if f == form {
					return words[i]
				}
			}
		}
	}
	if n == 1 {
		return one
	}
	return many
}

// lookup finds a sentence of a template.
func (c *Catalogue) lookup(key string) (string, bool) {
	s, ok := c.sentences[key]
	return s, ok
}

// Entries calls f with every entry: the English of a noun after a number has both
// its forms, and the translation as many as the language; of a sentence there is
// one each.
func (c *Catalogue) Entries(f func(english, translated []string)) {
	for k, v := range c.sentences {
		f([]string{k}, []string{v})
	}
	for k, v := range c.counted {
		f([]string{k.one, k.many}, v)
	}
}

// String names the language, for messages.
func (c *Catalogue) String() string {
	if c == nil {
		return "English"
	}
	return strings.ToUpper(c.Name)
}
