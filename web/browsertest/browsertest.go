// Package browsertest drives a real Chromium for tests of the pages: it types,
// tabs and clicks as a person would, takes pictures, and asks axe whether
// everybody can use what is shown. Only tests import it.
package browsertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	browserdomain "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A Size is a window's size in CSS pixels.
type Size struct{ Width, Height int64 }

// The sizes at which pages are tried.
var (
	Desktop = Size{1280, 900}
	Phone   = Size{390, 844}
	Narrow  = Size{320, 640} // also what 400 % zoom leaves of a desktop
)

// A Page is one tab of the browser. Its methods fail the test when something does
// not go as asked.
type Page struct {
	t   testing.TB
	ctx context.Context
}

// patience is how long one step may take on a busy machine.
const patience = 30 * time.Second

// browser is the one Chromium of the test process; it ends with the process.
var browser = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		for _, other := range []string{"chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
			if path, err = exec.LookPath(other); err == nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("no Chromium found: install it (on Debian: apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	return ctx, chromedp.Do(ctx)
})

// Open opens a tab of that size without scripts, since every page must work
// without, and goes to url.
func Open(t testing.TB, size Size, url string) *Page {
	t.Helper()
	if testing.Short() {
		t.Skip("no browser in a short run: the full one has it")
	}
	parent, err := browser()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // makes the tab, which lives as long as this context
		t.Fatalf("open a tab: %v", err)
	}
	p := &Page{t, ctx}
	p.Resize(size)
	p.Scripts(false)
	p.Dark(false)
	p.Go(url)
	return p
}

func (p *Page) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v\non the page:\n%s", what, err, p.excerpt())
	}
}

func ask[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// excerpt is the beginning of what the page shows, for messages.
func (p *Page) excerpt() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 1500)"))
	if err != nil {
		return err.Error()
	}
	return text
}

// Resize gives the window another size.
func (p *Page) Resize(size Size) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(size.Width, size.Height))
}

// Scripts switches scripts on the pages on or off.
func (p *Page) Scripts(on bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		p.t.Fatalf("switch scripts: %v", err)
	}
}

// still asks pages to leave out transitions: in the middle of one colours have a
// contrast that nobody has to read.
var still = &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"}

// Dark asks pages for their dark or light colours.
func (p *Page) Dark(on bool) {
	p.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, still}}); err != nil {
		p.t.Fatalf("ask for %s colours: %v", scheme, err)
	}
}

// Go opens another address in the tab.
func (p *Page) Go(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Fill clicks into the field with that label, empties it and types text.
func (p *Page) Fill(label, text string) {
	p.t.Helper()
	id := p.field(label)
	p.do("fill in "+label, chromedp.Click(chromedp.CSS(id)), chromedp.KeyEvent("a", chromedp.KeyModifiers(2)), chromedp.KeyEvent("\b"), chromedp.KeyEvent(text))
}

// Attach chooses a file in the field with that label.
func (p *Page) Attach(label, path string) {
	p.t.Helper()
	p.do("choose "+path, chromedp.SetUploadFiles(chromedp.CSS(p.field(label)), []string{path}))
}

// Choose chooses an option, by its value, in the list with that label.
func (p *Page) Choose(label, value string) {
	p.t.Helper()
	got := ask(p, "choose "+value, chromedp.Evaluate[string](fmt.Sprintf(`(e => { e.value = %q; return e.value })(document.querySelector(%q))`, value, p.field(label))))
	if got != value {
		p.t.Fatalf("the list %q has no %q", label, value)
	}
}

// Type types into whatever has the focus. "\t" moves on, "\r" is Enter.
func (p *Page) Type(keys string) {
	p.t.Helper()
	p.do("type", chromedp.KeyEvent(keys))
}

// Submit presses Enter and waits for the next page.
func (p *Page) Submit() {
	p.t.Helper()
	p.following("press Enter", chromedp.KeyEvent("\r"))
}

// Click clicks the button or link with that text, or else the label of a choice.
// With a button or link it waits for the page that follows.
func (p *Page) Click(text string) {
	p.t.Helper()
	selector := ask(p, "look for "+text, chromedp.Evaluate[string](fmt.Sprintf(`(() => {
		const want = %q, words = e => (e.innerText || e.value || '').replace(/\s+/g, ' ').trim();
		const all = [...document.querySelectorAll('button, a[href], input[type=submit], summary, label')].filter(e => e.checkVisibility());
		const e = all.find(e => words(e) === want) || all.find(e => words(e).startsWith(want)) || all.find(e => words(e).includes(want));
		if (!e) return '';
		e.scrollIntoView({block: 'center'});
		document.querySelectorAll('[data-clicked]').forEach(e => e.removeAttribute('data-clicked'));
		e.setAttribute('data-clicked', e.tagName);
		return e.tagName;
	})()`, text)))
	target := chromedp.Click(chromedp.CSS("[data-clicked]"))
	switch selector {
	case "":
		p.t.Fatalf("nothing to click says %q\non the page:\n%s", text, p.excerpt())
	case "LABEL", "SUMMARY":
		p.do("click "+text, target)
	default:
		p.following("click "+text, target)
	}
}

// Press presses the button with that text which leads to no other page, as those of
// scripts do.
func (p *Page) Press(text string) {
	p.t.Helper()
	found := ask(p, "look for "+text, chromedp.Evaluate[bool](fmt.Sprintf(`(() => {
		const e = [...document.querySelectorAll('button[type=button]')].filter(e => e.checkVisibility()).find(e => e.innerText.trim() === %q);
		if (!e) return false;
		e.scrollIntoView({block: 'center'});
		document.querySelectorAll('[data-clicked]').forEach(e => e.removeAttribute('data-clicked'));
		e.setAttribute('data-clicked', '');
		return true;
	})()`, text)))
	if !found {
		p.t.Fatalf("no button to press says %q\non the page:\n%s", text, p.excerpt())
	}
	p.do("press "+text, chromedp.Click(chromedp.CSS("[data-clicked]")))
}

// ClickIn clicks into an element at a fraction of its width and height.
func (p *Page) ClickIn(selector string, x, y float64) {
	p.t.Helper()
	at := ask(p, "look for "+selector, chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: 'center'});
		const r = e.getBoundingClientRect();
		return [r.left + r.width * %f, r.top + r.height * %f];
	})()`, selector, x, y)))
	p.do("click into "+selector, chromedp.MouseEvent(chromedp.MouseMoved, at[0], at[1]), chromedp.MouseClickXY(at[0], at[1]))
}

// Wait waits until an expression of the page's script is true.
func (p *Page) Wait(expression string) {
	p.t.Helper()
	ask(p, "wait for "+expression, chromedp.Poll[bool](expression))
}

// Ask returns the value of an expression of the page's script as text.
func (p *Page) Ask(expression string) string {
	p.t.Helper()
	return ask(p, "ask for "+expression, chromedp.Evaluate[string](expression))
}

// Locate tells pages that the device is at a place, and lets them ask.
func (p *Page) Locate(lat, lon float64) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	accuracy := 20.0
	if _, err := chromedp.Call(ctx, emulation.SetGeolocationOverride, emulation.SetGeolocationOverrideParams{Latitude: &lat, Longitude: &lon, Accuracy: &accuracy}); err != nil {
		p.t.Fatalf("place the device: %v", err)
	}
	if _, err := chromedp.CallBrowser(ctx, browserdomain.SetPermission, browserdomain.SetPermissionParams{
		Permission: &browserdomain.PermissionDescriptor{Name: "geolocation"}, Setting: browserdomain.PermissionSettingGranted}); err != nil {
		p.t.Fatalf("allow pages to ask where the device is: %v", err)
	}
}

// following does something that leads to another page and waits until it is there.
func (p *Page) following(what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		p.t.Fatalf("%s: %v\non the page:\n%s", what, err, p.excerpt())
	}
}

// field returns a selector of the field with that label.
func (p *Page) field(label string) string {
	p.t.Helper()
	id := ask(p, "look for the field "+label, chromedp.Evaluate[string](fmt.Sprintf(`(() => {
		const want = %q;
		const l = [...document.querySelectorAll('label')].find(l => l.innerText.replace(/\s+/g, ' ').trim().startsWith(want));
		if (!l || !l.control) return '';
		l.control.scrollIntoView({block: 'center'});
		return l.control.id;
	})()`, label)))
	if id == "" {
		p.t.Fatalf("no field is labelled %q\non the page:\n%s", label, p.excerpt())
	}
	return "#" + id
}

// Value returns what the field with that label holds.
func (p *Page) Value(label string) string {
	p.t.Helper()
	return ask(p, "read the field "+label, chromedp.Value(chromedp.CSS(p.field(label))))
}

// Text returns what the page shows.
func (p *Page) Text() string {
	p.t.Helper()
	return ask(p, "read the page", chromedp.Evaluate[string]("document.body.innerText"))
}

// Title returns the page's title.
func (p *Page) Title() string { p.t.Helper(); return ask(p, "read the title", chromedp.Title()) }

// URL returns the page's address.
func (p *Page) URL() string { p.t.Helper(); return ask(p, "read the address", chromedp.Location()) }

// Focused describes what has the focus: its tag, and its text, label or name.
func (p *Page) Focused() string {
	p.t.Helper()
	return ask(p, "read the focus", chromedp.Evaluate[string](`(e => e.tagName.toLowerCase() + ' ' +
		((e.labels && e.labels[0] && e.labels[0].innerText) || e.innerText || e.name || '').trim())(document.activeElement)`))
}

// Expect fails the test unless the page shows every one of the texts.
func (p *Page) Expect(texts ...string) {
	p.t.Helper()
	shown := strings.Join(strings.Fields(p.Text()), " ")
	for _, want := range texts {
		if !strings.Contains(shown, want) {
			p.t.Errorf("%s does not show %q but:\n%s", p.URL(), want, p.excerpt())
		}
	}
}

// FitsWidth fails the test when the page has to be scrolled sideways.
func (p *Page) FitsWidth() {
	p.t.Helper()
	if over := ask(p, "measure", chromedp.Evaluate[int]("document.documentElement.scrollWidth - document.documentElement.clientWidth")); over > 0 {
		p.t.Errorf("%s is %d px wider than the window", p.URL(), over)
	}
}

// Screenshot writes a picture of the whole page as PNG.
func (p *Page) Screenshot(path string) {
	p.t.Helper()
	picture := ask(p, "take a picture", chromedp.FullScreenshot(100))
	if _, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil {
		p.t.Fatalf("the picture is no PNG: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// axeSource is axe-core's script as npm has fetched it.
var axeSource = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("axe-core is not there: run make assets (%w)", err)
	}
	return string(b), nil
})

// Axe fails the test when axe finds a violation of WCAG 2.2 A or AA.
func (p *Page) Axe() {
	p.t.Helper()
	source, err := axeSource()
	if err != nil {
		p.t.Fatal(err)
	}
	p.Scripts(true)
	defer p.Scripts(false)
	p.do("load axe", chromedp.Evaluate[chromedp.Void](source+"\n;undefined"))
	report := ask(p, "run axe", chromedp.Evaluate[string](`axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
		.then(r => JSON.stringify(r.violations.map(v => ({Rule: v.id, Impact: v.impact, Help: v.help, Where: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))}))))`, chromedp.EvalAwaitPromise))
	var violations []struct {
		Rule, Impact, Help string
		Where              []string
	}
	if err := json.Unmarshal([]byte(report), &violations); err != nil {
		p.t.Fatalf("read axe's report: %v", err)
	}
	for _, v := range violations {
		p.t.Errorf("%s: %s (%s, %s)\n\t%s", p.URL(), v.Help, v.Rule, v.Impact, strings.Join(v.Where, "\n\t"))
	}
}
