package compose

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/wording"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are those of all mails in each language.
var templates = func() map[alerts.Language]*template.Template {
	out := map[alerts.Language]*template.Template{}
	for _, l := range alerts.Languages {
		out[l.Language] = loadTemplates(l.Language)
	}
	return out
}()

func loadTemplates(l alerts.Language) *template.Template {
	set := template.New("").Funcs(template.FuncMap{
		"join":        func(words []string) string { return strings.Join(words, " · ") },
		"more":        func(n int) string { return more(l, n) },
		"seeAll":      func(n int) string { return seeAll(l, n) },
		"links":       card.links,
		"cid":         func(id string) template.URL { return template.URL("cid:" + id) }, // our own, of letters that need no escaping
		"footerWords": func() string { return l.Word(footerWords) },
		"tag":         l.Tag,
	})
	for _, name := range []string{"parts.html", "digest.html", "letter.html"} {
		source, err := templateFiles.ReadFile("templates/" + name)
		if err != nil {
			panic(err)
		}
		template.Must(set.New(name).Parse(wording.Template{Catalogue: l.Catalogue()}.Source(string(source))))
	}
	return set
}

func (d *digest) html() (string, error) { return execute(d.l, "digest.html", d) }
func (l *letter) html() (string, error) { return execute(l.l, "letter.html", l) }

func execute(l alerts.Language, name string, view any) (string, error) {
	if l.IsEnglish() {
		l = alerts.English
	}
	var b strings.Builder
	err := templates[l].ExecuteTemplate(&b, name, view)
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
	for _, paragraph := range d.Lead {
		p.put("", "", paragraph)
		p.blank()
	}
	if len(d.Closing) > 0 {
		p.heading(d.l.Say("Closing soon, and not decided yet"), "-")
		for _, s := range d.Closing {
			s.text(&p)
		}
	}
	for _, s := range d.Sections {
		p.heading(s.Title, "-")
		for _, told := range s.Sites {
			told.text(&p)
		}
		if len(s.Brief) > 0 {
			p.put("", "", d.l.Say("In brief")+":")
			p.blank()
		}
		for _, c := range s.Brief {
			p.put("  * ", "    ", strings.Join(c.Tags, ", ")+": "+c.Title+" ("+c.Reference+")")
			p.put("    ", "    ", c.Page)
		}
		if len(s.Brief) > 0 {
			p.blank()
		}
	}
	if d.All != "" {
		words := seeAll(d.l, d.Total)
		if d.Unshown > 0 {
			words += ": " + more(d.l, d.Unshown)
		}
		p.put("", "", words+".")
		p.put("", "", d.All)
		p.blank()
	}
	d.Footer.text(&p, d.l)
	return p.String()
}

// in is how far what belongs to a site is indented: what a feed says never stands at
// the margin, where our own words are.
const in = "   "

func (s *site) text(p *page) {
	p.put(pad(s.Number), in, s.Title)
	for _, line := range []string{s.Where, s.Also} {
		if line != "" {
			p.put(in, in, line+".")
		}
	}
	for i, c := range s.Cases {
		if i > 0 {
			p.put(in, in, "-")
		}
		c.text(p)
	}
	if s.Past != "" {
		p.put(in, in, s.Past+".")
		if s.Around != "" {
			p.put(in, in, s.Around)
		}
	}
	p.blank()
}

func (c *card) text(p *page) {
	head := strings.Join(c.Tags, " · ")
	if c.Kind != "" {
		head += " (" + c.Kind + ")"
	}
	p.put(in, in, head)
	if c.Description != "" {
		p.put(in, in, c.Description)
	}
	for _, ch := range c.Changes {
		words := ch.Words
		if ch.Label != "" {
			words = ch.Label + ": " + words
		}
		p.put(in, in+"  ", words)
	}
	if c.Deadline != "" {
		words := c.Deadline
		if c.Source != "" {
			words += ", " + c.Source
		}
		p.put(in, in, words+".")
	}
	for _, note := range c.Notes {
		p.put(in, in, note)
	}
	if c.CommentWays != "" {
		p.put(in, in, c.CommentWays)
	}
	state := ""
	if c.State != "" {
		state = c.State + ". "
	}
	p.put(in, in, state+c.l.Say("Reference %s, %s", c.Reference, c.Authority))
	for _, l := range c.links() {
		p.put(in, in+"  ", l.Words+": "+l.URL)
	}
}

func pad(n int) string { return fmt.Sprintf("%-3s", fmt.Sprintf("%d. ", n)) }

// more says how many applications are not shown.
func more(l alerts.Language, n int) string {
	return l.Say("%s more than this mail has room for", l.Plural(n, "application", "applications"))
}

// seeAll names the page that lists everything a mail tells.
func seeAll(l alerts.Language, n int) string {
	return l.Say("See all %s on one page", alerts.Thousands(n))
}

func (f *footer) text(p *page, l alerts.Language) {
	p.WriteString(strings.Repeat("-", textWidth) + "\n")
	for _, line := range f.Read {
		p.put("", "", line+".")
	}
	p.put("", "", l.Say("How each council is read")+": "+f.Reliability)
	p.put("", "", l.Say("What counts in a comment")+": "+f.Commenting)
	p.blank()
	p.put("", "", l.Say("You get this because you asked for planning alerts:"))
	for _, a := range f.Areas {
		p.put("* ", "  ", a.Words)
		p.put("  ", "  ", l.Say("Stop this one")+": "+a.Stop)
	}
	p.blank()
	p.put("", "", f.StopWords+": "+f.Stop)
	p.put("", "", l.Say("Change, pause or erase")+": "+f.Manage)
	p.blank()
	p.put("", "", l.Word(footerWords))
	if f.Contact != "" {
		p.put("", "", l.Say("Questions: %s", f.Contact))
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
		p.put("", "", l.l.Say("Questions: %s", l.Contact))
	}
	return p.String()
}
