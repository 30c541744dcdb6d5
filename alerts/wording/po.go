package wording

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// read reads a catalogue from a PO file, the format of gettext, for which
// translators have editors. Of that format it knows what those editors write of
// plain entries: comments, msgid, msgid_plural, msgstr, and texts over several lines.
func read(tag, text string) (*Catalogue, error) {
	parsed, err := language.Parse(tag)
	if err != nil {
		return nil, err
	}
	c := &Catalogue{Name: tag, tag: parsed, sentences: map[string]string{}, counted: map[countKey][]string{}}
	var id, plural string
	var strs []string
	var at *string // the text that a line goes on with
	started := 0   // the line on which the entry began
	flush := func() error {
		defer func() { id, plural, strs, at = "", "", nil, nil }()
		switch {
		case id == "": // the head of the file, or nothing
			return nil
		case plural != "":
			key := countKey{id, plural}
			if len(strs) != len(forms) {
				return fmt.Errorf("%s.po:%d: %q has %d forms, not %d", tag, started, id, len(strs), len(forms))
			}
			if _, twice := c.counted[key]; twice {
				return fmt.Errorf("%s.po:%d: %q is there twice", tag, started, id)
			}
			c.counted[key] = strs
		default:
			if _, twice := c.sentences[id]; twice {
				return fmt.Errorf("%s.po:%d: %q is there twice", tag, started, id)
			}
			if len(strs) != 1 || strs[0] == "" {
				return nil // not translated yet
			}
			c.sentences[id] = strs[0]
		}
		return nil
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, quoted, _ := strings.Cut(line, " ")
		if strings.HasPrefix(line, `"`) {
			word, quoted = "", line
		}
		value, err := strconv.Unquote(strings.TrimSpace(quoted))
		if err != nil {
			return nil, fmt.Errorf("%s.po:%d: %s is not a quoted text", tag, number, quoted)
		}
		switch {
		case word == "" && at != nil:
			*at += value
			continue
		case word == "msgid":
			if err := flush(); err != nil {
				return nil, err
			}
			started, at = number, &id
		case word == "msgid_plural":
			at = &plural
		case word == "msgstr", strings.HasPrefix(word, "msgstr["):
			strs = append(strs, "")
			at = &strs[len(strs)-1]
		default:
			return nil, fmt.Errorf("%s.po:%d: %q is not known", tag, number, line)
		}
		*at = value
	}
	return c, flush()
}
