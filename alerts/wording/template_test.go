package wording

import (
	"html/template"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// templates are the sources of all templates of the program.
func templates(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, folder := range []string{"../../web/templates/*.html", "../compose/templates/*.html"} {
		files, err := filepath.Glob(folder)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.ToSlash(file)] = string(text)
		}
	}
	return out
}

func TestWithoutACatalogueATemplateStaysAsItIs(t *testing.T) {
	for file, source := range templates(t) {
		if got := (Template{}).Source(source); got != source {
			t.Errorf("%s has become\n%s", file, got)
		}
	}
}

func TestWholeSentencesAreLookedUp(t *testing.T) {
	for _, c := range []struct {
		source string
		keys   []string
	}{
		{`<h1>Your alerts</h1>`, []string{"Your alerts"}},
		{"<p>For {{.Address}}. Keep\nit <strong>to yourself</strong>.</p>", []string{"For {1}. Keep it <strong>to yourself</strong>."}},
		{`<nav><a href="/a">One</a> <a href="/b">Two</a></nav>`, []string{"One", "Two"}},
		{`<p>Choose <a href="/a">one</a> or <a href="/b">two</a>.</p>`, []string{"Choose <a>one</a> or <a2>two</a2>."}},
		{`<h2>{{if .X}}Here{{else}}Not here{{end}}</h2>`, []string{"Here", "Not here"}},
		{`<p>North is up.{{if .X}} Dots are others.{{end}} Streets are left out.</p>`, []string{"North is up.", "Dots are others.", "Streets are left out."}},
		{`<p>There {{if .One}}was one{{else}}were {{.N}}{{end}} here.</p>`, []string{"There {if}was one{else}were {1}{end} here."}},
		{`<p><strong>{{.A}}</strong>{{with .B}} · {{.}}{{end}}{{if .C}} · approximate{{end}}</p>`, []string{"approximate"}},
		{"<p>{{.A}}\n{{- if .B}}, <a href=\"/x\">{{.B}}</a>{{end}}</p>", nil},
		{`<input aria-label="Name of {{.X}}" name="not words" placeholder="Like this">`, []string{"Name of {1}", "Like this"}},
		{`<p>{{plural .N "day" "days"}} left &amp; more</p>`, []string{"{1} left &amp; more", "day|days"}},
		{`<style>a { color: red }</style><script>var words = "no"</script><p>&nbsp;</p>`, nil},
		{`{{define "x"}}<p>In it</p>{{end}}{{template "x" .}}`, []string{"In it"}},
	} {
		var keys []string
		got := Template{Note: func(english ...string) { keys = append(keys, strings.Join(english, "|")) }}.Source(c.source)
		if !reflect.DeepEqual(keys, c.keys) || got != c.source {
			t.Errorf("%s\nlooks up %q, want %q, and becomes %s", c.source, keys, c.keys, got)
		}
	}
}

func catalogue(t *testing.T, pairs ...string) *Catalogue {
	t.Helper()
	c, err := read("cy", "")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		c.sentences[pairs[i]] = pairs[i+1]
	}
	return c
}

func TestTranslationTakesThePlaceOfTheSentence(t *testing.T) {
	for _, c := range []struct{ source, english, welsh, want string }{
		{`<p>For {{.Name}} by <a href="{{.Href}}">{{.Day}}</a>.</p>`, "For {1} by <a>{2}</a>.", "Erbyn <a>{2}</a>, ar gyfer {1}.", `<p>Erbyn <a href="/cy/x?a=1&amp;b=2">dydd &lt;Llun&gt;</a>, ar gyfer Siân &amp; co.</p>`},
		{"<p> {{- if .No}} one {{- else}} many {{.Name}} {{- end}} here</p>", "{if} one{else} many {1}{end} here", "yma {if}un{else}llawer {1}{end}", "<p>yma llawer Siân &amp; co</p>"},
		{`<a href="/near?x={{.Href}}">Near</a>`, "Near", "Gerllaw", `<a href="/cy/near?x=%2fx%3fa%3d1%26b%3d2">Gerllaw</a>`},
		{`<form action="/near"><button title="Go on {{.Name}}">Go</button></form>`, "Go on {1}", "Ymlaen {1}", `<form action="/cy/near"><button title="Ymlaen Siân &amp; co">Go</button></form>`},
	} {
		local := func(s string) string {
			if strings.HasPrefix(s, "/") {
				return "/cy" + s
			}
			return s
		}
		source := Template{Catalogue: catalogue(t, c.english, c.welsh), Local: local}.Source(c.source)
		page, err := template.New("").Funcs(template.FuncMap{"local": local}).Parse(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var b strings.Builder
		if err := page.Execute(&b, map[string]any{"Name": "Siân & co", "Href": "/x?a=1&b=2", "Day": "dydd <Llun>", "No": false}); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("%s\ngives %s\nwant  %s", c.source, b.String(), c.want)
		}
	}
}

func TestAgreeRefusesOtherPlaceholders(t *testing.T) {
	for _, c := range []struct {
		english, welsh string
		ok             bool
	}{
		{"For {1} by {2}", "Erbyn {2} ar gyfer {1}", true},
		{"For {1}", "Ar gyfer", false},
		{"For us", "I {1}", false},
		{"{if}one{else}many {1}{end}", "{if}un{else}llawer {1}{end}", true},
		{"{if}one{else}many {1}{end}", "{if}un {1}{else}llawer{end}", false},
		{"{if}one{end} or {if}two{end}", "{if}un{end}", false},
		{"<a>one</a> <a2>two</a2>", "<a2>dau</a2> <a>un</a>", true},
		{"<a>one</a>", "un", false},
		{"%s of %d", "%[2]d o %[1]s", true},
		{"%s of %d", "%d o %s", false},
		{"100%% of %s", "100%% o %s", true},
	} {
		if err := Agree(c.english, c.welsh); (err == nil) != c.ok {
			t.Errorf("%q and %q: %v", c.english, c.welsh, err)
		}
	}
}

// What does not agree must never reach a reader.
func TestTranslationWithOtherPlaceholdersStaysEnglish(t *testing.T) {
	source := `<p>For {{.Name}}</p>`
	if got := (Template{Catalogue: catalogue(t, "For {1}", "Ar gyfer")}).Source(source); got != source {
		t.Errorf("got %s", got)
	}
}

func TestReadKnowsPluralsAndLinesThatGoOn(t *testing.T) {
	c, err := read("cy", `
# a comment
msgid ""
msgstr "Language: cy\n"

msgid ""
"For "
"you"
msgstr ""
"I "
"chi"

msgid "case"
msgid_plural "cases"
msgstr[0] "cais"
msgstr[1] "cais"
msgstr[2] "gais"
msgstr[3] "chais"
msgstr[4] "chais"
msgstr[5] "cais"

msgid "Not yet"
msgstr ""
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Word("For you"); got != "I chi" {
		t.Errorf("For you: %q", got)
	}
	if got := c.Word("Not yet"); got != "Not yet" {
		t.Errorf("Not yet: %q", got)
	}
	for n, want := range map[int]string{0: "cais", 1: "cais", 2: "gais", 3: "chais", 4: "cais", 5: "cais", 6: "chais", 7: "cais", 11: "cais", 13: "cais", 102: "cais"} {
		if got := c.Noun(n, "case", "cases"); got != want {
			t.Errorf("%d %s, want %s", n, got, want)
		}
	}
	for _, bad := range []string{"msgid \"a\"\nmsgstr \"b\"\nmsgid \"a\"\nmsgstr \"c\"\n", "msgid a\n", "msgctxt \"x\"\n", "msgid \"a\"\nmsgid_plural \"b\"\nmsgstr[0] \"c\"\n"} {
		if _, err := read("cy", bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
