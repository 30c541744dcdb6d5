package browsertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

const form = `<!doctype html><html lang="en-GB"><head><title>Form</title><meta name="viewport" content="width=device-width"></head>
<body><main><h1>Form</h1><form action="/done"><label for="p">Postcode</label> <input id="p" name="p" value="old">
<button>Find</button></form><script>document.title = 'Scripted'</script></main></body></html>`

func serve(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'")
		if r.URL.Path == "/done" {
			io.WriteString(w, `<!doctype html><html lang="en-GB"><title>Done</title><main><h1>You typed `+r.FormValue("p")+`</h1></main>`)
			return
		}
		io.WriteString(w, form)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAPersonFillsInAForm(t *testing.T) {
	p := Open(t, Phone, serve(t))
	if p.Title() != "Form" {
		t.Errorf("scripts ran: the title is %q", p.Title())
	}
	p.Fill("Postcode", "N1C 4AG")
	if got := p.Value("Postcode"); got != "N1C 4AG" {
		t.Errorf("the field holds %q", got)
	}
	p.Type("\t")
	if got := p.Focused(); got != "button Find" {
		t.Errorf("Tab leads to %q", got)
	}
	p.Submit()
	p.Expect("You typed N1C 4AG")
	p.Axe()
	p.FitsWidth()
	p.Screenshot(filepath.Join(t.TempDir(), "done.png"))

	p.Go(serve(t))
	p.Click("Find")
	p.Expect("You typed old")
}
