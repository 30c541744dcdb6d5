package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/wording"
	"github.com/sitenotice/sitenotice/web/api"
)

//go:embed templates/*.html
var templateFiles embed.FS

// The folder vendor holds what make assets fetched, or nothing but a dot-file.
//
//go:embed assets/site.css assets/icon.svg assets/map.js assets/locate.js all:assets/vendor
var assetFiles embed.FS

// An asset is a file that browsers may keep for ever: its address changes with
// its content.
type assetFile struct {
	address string
	mime    string
	content []byte
}

var (
	assets    = loadAssets()
	templates = sync.OnceValue(loadTemplates)
)

const (
	styleType  = "text/css; charset=utf-8"
	scriptType = "text/javascript; charset=utf-8"
)

// mapScripts and mapStyle are what a page with a map to draw on asks for, in the
// order in which it needs them.
var mapScripts, mapStyle = []string{"leaflet.js", "terra-draw.umd.js", "terra-draw-leaflet-adapter.umd.js", "map.js"}, "leaflet.css"

func loadAssets() map[string]assetFile {
	out := map[string]assetFile{}
	add := func(file, mime string) {
		b, err := assetFiles.ReadFile("assets/" + file)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(file, "vendor/") {
			return // pages do without
		}
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		name := path.Base(file)
		ext := path.Ext(name)
		out[name] = assetFile{"/assets/" + strings.TrimSuffix(name, ext) + "-" + base64.RawURLEncoding.EncodeToString(sum[:6]) + ext, mime, b}
	}
	add("site.css", styleType)
	add("icon.svg", "image/svg+xml")
	add("map.js", scriptType)
	add(locateScript, scriptType)
	add("vendor/"+mapStyle, styleType)
	for _, name := range mapScripts[:3] {
		add("vendor/"+name, scriptType)
	}
	return out
}

// hasMap reports whether the scripts that draw maps were there when the program
// was built.
func hasMap() bool {
	for _, name := range append([]string{mapStyle}, mapScripts...) {
		if _, ok := assets[name]; !ok {
			return false
		}
	}
	return true
}

// locateScript asks the device where it is, when somebody presses a button for it.
const locateScript = "locate.js"

// A locating page has that button.
type locating interface{ Locates() bool }

// A mapped page has a map that scripts draw, when they are there.
type mapped interface{ Mapped() bool }

// loadTemplates parses every page. [Server.Handler] calls it, so that a broken one stops the
// program and not a visitor; commands that show no pages go without the 20 MB.
func loadTemplates() map[alerts.Language]map[string]*template.Template {
	out := map[alerts.Language]map[string]*template.Template{}
	for _, l := range alerts.Languages {
		out[l.Language] = loadLanguage(l.Language)
	}
	return out
}

// frames are what all pages are made of.
var frames = []string{"layout.html", "parts.html", "lists.html", "wishparts.html"}

// adminParts are what the pages of those who run the service are made of besides.
const adminParts = "adminparts.html"

// loadLanguage parses the pages in one language. Those that the catalogue does not
// cover are left out of any but English.
func loadLanguage(l alerts.Language) map[string]*template.Template {
	funcs := template.FuncMap{
		"asset":       func(name string) string { return assets[name].address },
		"metres":      alerts.Metres,
		"moment":      l.Moment,
		"day":         l.Day,
		"monthName":   func(m alerts.Month) string { return m.In(l) },
		"shortDay":    l.ShortDay,
		"say":         l.Say,
		"word":        l.Word,
		"local":       func(address string) string { return local(l, address) },
		"plural":      l.Plural,
		"ago":         func(d time.Duration) string { return ago(l, d) },
		"span":        func(ms int64) string { return span(l, ms) },
		"cadence":     l.CadenceWords,
		"count":       alerts.Thousands,
		"consent":     func() string { return l.Word(alerts.ConsentWords) },
		"radii":       radii,
		"kinds":       func() []alerts.KindGroup { return alerts.KindGroups },
		"news":        func() []alerts.EventGroup { return alerts.EventGroups },
		"capital":     alerts.Capital,
		"hookName":    func(f alerts.HookFormat) string { return formatWords[f] },
		"took":        took,
		"roleName":    func(r alerts.Role) string { return roleWords[r] },
		"sentence":    ended,
		"areaName":    l.AreaWords,
		"extras":      l.AreaExtras,
		"wants":       l.FilterWords,
		"languages":   func() any { return alerts.Languages },
		"problem":     func(text, id string) problemText { return problemText{text, id} },
		"fieldID":     fieldID,
		"tab":         func(p wishPage, kind, words string) tab { return newTab(p, kind, l.Word(words)) },
		"remind":      func(days int, problem string) remindChoice { return remindChoice{days, problem} },
		"deref":       func(n *int) int { return *n },
		"reminds":     func() []int { return alerts.RemindChoices },
		"remindWords": l.RemindWords,
	}
	parse := func(t *template.Template, page string) {
		source, err := templateFiles.ReadFile("templates/" + page)
		if err != nil {
			panic(err)
		}
		template.Must(t.Parse(sourceIn(l, string(source))))
	}
	base := template.New(frames[0]).Funcs(funcs)
	parse(base, frames[0])
	for _, page := range frames[1:] {
		parse(base.New(page), page)
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err)
	}
	out := map[string]*template.Template{}
	for _, name := range names {
		page := path.Base(name)
		if slices.Contains(frames, page) || page == adminParts || !l.IsEnglish() && !translated[page] {
			continue
		}
		out[page] = template.Must(base.Clone())
		if strings.HasPrefix(page, "admin") {
			parse(out[page].New(adminParts), adminParts)
		}
		parse(out[page].New(page), page)
	}
	return out
}

// sourceIn is the source of a template in a language.
func sourceIn(l alerts.Language, source string) string {
	if l.IsEnglish() {
		return source
	}
	return wording.Template{Catalogue: l.Catalogue(), Local: func(address string) string { return local(l, address) }}.Source(source)
}

// problemText is what is wrong with a field, and the field's id.
type problemText struct{ Text, ID string }

// A remindChoice is how many days before a closing date somebody wants to be
// reminded, and what is wrong with that.
type remindChoice struct {
	Days    int
	Problem string
}

// fieldID is the id of the element to go to for a field at fault.
func fieldID(field string) string {
	switch field {
	case "frequency":
		return "immediate"
	case "radius":
		return "radius-500" // always on offer
	case "kinds":
		return "kind-homes"
	case "events":
		return "news-new"
	case "ward":
		return "ward-error"
	case "authority":
		return "authority-error"
	case "area":
		return "main"
	}
	return field
}

// A tab leads to one kind of area.
type tab struct {
	Words, Href string
	Here        bool
}

func newTab(p wishPage, kind, words string) tab {
	v := url.Values{"area": {kind}}
	switch f := p.Form.Place; {
	case p.Form.Found && f.ByPosition():
		v.Set("lat", f.Lat)
		v.Set("lon", f.Lon)
	case p.Form.Found && kind != "authority":
		v.Set("postcode", f.Postcode)
	}
	return tab{words, p.Tabs + "?" + v.Encode(), string(p.Form.Area) == kind}
}

// A frame is what every page has around it.
type frame struct {
	Title       string
	Lang        string // of the page: "en-GB"
	Others      []otherLanguage
	Page        any
	Mailbox     bool
	Contact     string
	Attribution []string
	Private     bool     // kept out of search engines
	Councils    bool     // there are pages for councils
	Styles      []string // addresses, besides the site's own
	Scripts     []string // addresses, in order; only pages with a map have any
}

// private are the pages that are one person's own, or whose address is secret.
var private = []string{"/manage/", "/confirm/", "/u/", "/stop/", "/never/", "/told/", "/why/", "/mute/", "/move/", "/dev/", "/subscriptions", "/links", "/sign-in", "/account", "/groups", "/invitations", "/embed/", "/f/", "/admin", "/feeds/check/"}

// render makes a page in memory and then sends it, so that an error never leaves
// half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name, title string, page any) error {
	l := languageOf(r)
	if !translated[name] {
		l = alerts.English
	}
	if rest, fault := strings.CutPrefix(title, "Error: "); fault {
		title = l.Say("Error: %s", l.Word(rest))
	}
	f := frame{Title: l.Word(title), Lang: l.Tag(), Others: s.others(r, name, l), Page: page, Mailbox: s.Mailbox, Contact: s.Contact, Councils: s.API != nil && s.Files != nil}
	if s.Postcodes != nil {
		f.Attribution = s.Postcodes.Attribution()
	}
	for _, p := range private {
		f.Private = f.Private || strings.HasPrefix(r.URL.Path, p)
	}
	f.Private = f.Private || status >= 400 || r.Method == http.MethodPost // what somebody sent is theirs
	if page, ok := page.(locating); ok && page.Locates() {
		f.Scripts = append(f.Scripts, assets[locateScript].address)
	}
	if page, ok := page.(mapped); ok && page.Mapped() && hasMap() {
		f.Styles = append(f.Styles, assets[mapStyle].address)
		for _, name := range mapScripts {
			f.Scripts = append(f.Scripts, assets[name].address)
		}
	}
	if !f.Private {
		for i, o := range f.Others {
			f.Others[i].Whole = s.BaseURL + o.Href
		}
	}
	var b bytes.Buffer
	if err := templates()[l][name].Execute(&b, f); err != nil {
		return fmt.Errorf("make the page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", l.Tag())
	if len(f.Scripts) > 0 {
		h.Set("Content-Security-Policy", s.mapPolicy())
		h.Set("Permissions-Policy", permissions("geolocation=(self)"))
	}
	if f.Private {
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if status == http.StatusTooManyRequests {
		h.Set("Retry-After", "3600")
	}
	if status == http.StatusOK && !f.Private && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		api.ServeTagged(w, r, b.Bytes())
		return nil
	}
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the visitor may have gone
	return nil
}

// mapPolicy is what a page with a map may load: our own scripts, what they ask of
// us, and pictures of the map from the host that the operator named.
func (s *Server) mapPolicy() string {
	pictures := "'self' data:"
	if u, err := url.Parse(s.Tiles); err == nil && u.Host != "" {
		pictures += " " + u.Scheme + "://" + u.Host
	}
	return contentPolicy("img-src "+pictures, "script-src 'self'", "connect-src 'self'")
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) error {
	for _, a := range assets {
		if a.address == "/assets/"+mux.Vars(r)["file"] {
			w.Header().Set("Content-Type", a.mime)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
			return nil
		}
	}
	return alerts.ErrNotFound
}

func (s *Server) favicon(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, assets["icon.svg"].address, http.StatusFound)
	return nil
}

func (s *Server) robots(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, "User-agent: *\n")
	for _, p := range private {
		fmt.Fprintf(w, "Disallow: %s\n", p)
		if in := local(alerts.Welsh, p); s.Welsh && in != p {
			fmt.Fprintf(w, "Disallow: %s\n", in)
		}
	}
	return nil
}
