package compose

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
)

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":        func(words []string) string { return strings.Join(words, " · ") },
	"more":        more,
	"words":       change.words,
	"footerWords": func() string { return footerWords },
}).ParseFS(templateFiles, "templates/*.html"))

func (d *digest) html() (string, error) { return execute("digest.html", d) }
func (l *letter) html() (string, error) { return execute("letter.html", l) }

func execute(name string, view any) (string, error) {
	var b strings.Builder
	err := templates.ExecuteTemplate(&b, name, view)
	return b.String(), err
}

// textWidth is how wide the plain text is, so that quoting it once does not break
// its lines.
const textWidth = 72

// A page is plain text in the making.
type page struct{ strings.Builder }

// put writes a paragraph, its lines wrapped and indented; first is what the first
// line begins with instead.
func (p *page) put(first, indent, text string) {
	line := first
	width := utf8.RuneCountInString(first)
	empty := true
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if !empty && width+1+n > textWidth {
			p.WriteString(line + "\n")
			line, width, empty = indent, utf8.RuneCountInString(indent), true
		}
		if !empty {
			line += " "
			width++
		}
		line += word
		width += n
		empty = false
	}
	p.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (p *page) blank() { p.WriteByte('\n') }

// heading writes a line and rules it off.
func (p *page) heading(text, rule string) {
	p.put("", "", text)
	p.WriteString(strings.Repeat(rule, min(utf8.RuneCountInString(text), textWidth)) + "\n\n")
}

func (d *digest) text() string {
	var p page
	p.heading(d.Title, "=")
	number := 0
	for _, s := range d.Sections {
		p.heading(s.Title, "-")
		for _, c := range s.Cards {
			number++
			c.text(&p, number)
		}
		if len(s.Brief) > 0 {
			p.put("", "", "In brief:")
			p.blank()
		}
		for _, c := range s.Brief {
			p.put("  * ", "    ", strings.Join(c.Tags, ", ")+": "+c.Title+" ("+c.Reference+")")
			p.put("    ", "    ", c.Page)
		}
		if s.More > 0 {
			p.blank()
			p.put("", "", more(s.More)+":")
			p.put("", "", s.All)
		}
		if len(s.Brief)+s.More > 0 {
			p.blank()
		}
	}
	d.Footer.text(&p)
	return p.String()
}

func (c *card) text(p *page, number int) {
	const in = "   "
	p.put(pad(number), in, strings.ToUpper(strings.Join(c.Tags, " · ")))
	p.put(in, in, c.Title)
	for _, line := range []string{c.Where, c.Also, c.Deadline, c.Description, strings.Join(c.Facts, " · ")} {
		if line != "" {
			p.put(in, in, line)
		}
	}
	for _, ch := range c.Changes {
		p.put(in, in+"  ", ch.Label+": "+ch.words())
	}
	for _, note := range c.Notes {
		p.put(in, in, note)
	}
	p.put(in, in, "Reference "+c.Reference+", "+c.Authority)
	if c.Comment != "" {
		p.put(in, in, "Comment: "+c.Comment)
	}
	if c.Council != "" {
		p.put(in, in, "Council: "+c.Council)
	}
	p.put(in, in, "History: "+c.Page)
	p.blank()
}

// words says what a field is now and was before.
func (c change) words() string {
	if c.New == "" {
		return "none now; it was " + c.Old
	}
	if c.Old == "" {
		return c.New
	}
	return c.New + " (before: " + c.Old + ")"
}

func pad(n int) string { return fmt.Sprintf("%-3s", fmt.Sprintf("%d. ", n)) }

// more says how many applications are not shown.
func more(n int) string { return "And " + alerts.Plural(n, "more application", "more applications") }

func (f *footer) text(p *page) {
	p.WriteString(strings.Repeat("-", textWidth) + "\n")
	p.put("", "", "You get this because you asked for planning alerts:")
	for _, a := range f.Areas {
		p.put("* ", "  ", a.Words)
		p.put("  ", "  ", "Stop this one: "+a.Stop)
	}
	p.blank()
	p.put("", "", f.StopWords+": "+f.Stop)
	p.put("", "", "Change, pause or erase: "+f.Manage)
	p.blank()
	for _, line := range f.Read {
		p.put("", "  ", "Last read: "+line+", London time.")
	}
	p.put("", "", footerWords)
	if f.Contact != "" {
		p.put("", "", "Questions: "+f.Contact)
	}
	p.blank()
	for _, line := range f.Attribution {
		p.put("", "", line)
	}
}

// footerWords is in every mail of alerts.
const footerWords = "All of this is as the councils publish it, and their own pages are what counts. A closing date is shown only where the council publishes one."

func (l *letter) text() string {
	var p page
	p.heading(l.Title, "=")
	for _, paragraph := range l.Lead {
		p.put("", "", paragraph)
		p.blank()
	}
	for _, item := range l.List {
		p.put("* ", "  ", item)
	}
	if len(l.List) > 0 {
		p.blank()
	}
	if l.Link != "" {
		p.put("", "", l.Button+":")
		p.put("", "", l.Link)
		p.blank()
	}
	for _, paragraph := range l.After {
		p.put("", "", paragraph)
		p.blank()
	}
	p.WriteString(strings.Repeat("-", textWidth) + "\n")
	for _, s := range l.Small {
		if s.URL != "" {
			s.Words += ": " + s.URL
		}
		p.put("", "", s.Words)
	}
	p.put("", "", "Sitenotice: "+l.Home)
	if l.Contact != "" {
		p.put("", "", "Questions: "+l.Contact)
	}
	return p.String()
}
