package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// A searchForm is what somebody looks for, as typed.
type searchForm struct {
	Words     string
	Authority string // slug
}

func readSearch(v url.Values) searchForm {
	return searchForm{Words: alerts.Line(v.Get("q"), alerts.MaxSearch), Authority: clip(v.Get("authority"), 100)}
}

// address names the search in addresses.
func (f searchForm) address() listAddress {
	v := url.Values{}
	if f.Words != "" {
		v.Set("q", f.Words)
	}
	if f.Authority != "" {
		v.Set("authority", f.Authority)
	}
	return listAddress{"/search", v}
}

// filter is how the search is narrowed otherwise.
func (f searchForm) filter(v url.Values) listFilter {
	narrow := readFilter(v)
	narrow.Words = ""
	return narrow
}

type searchPage struct {
	listing
	Search  searchForm
	Asked   bool
	Named   []item // that have what was typed as their reference
	Nothing bool   // there is no letter or digit in what was typed
	Council string // its name, when the search is within one
	Covered []alerts.Coverage
}

// mostNamed is how many applications may share a reference before the rest is left
// out: councils number alike.
const mostNamed = 20

// search finds applications by their words; a reference leads to its application at
// once.
func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	ctx, asked := r.Context(), r.URL.Query()
	form := readSearch(asked)
	after := parseCursor(asked.Get("after"))
	all, err := s.Store.Authorities(ctx)
	if err != nil {
		return err
	}
	page := searchPage{Search: form, Asked: form.Words != ""}
	names := map[string]string{}
	for _, c := range all {
		names[c.Slug] = c.Name
		if c.Covered() {
			page.Covered = append(page.Covered, c)
		}
	}
	if form.Authority != "" && names[form.Authority] == "" {
		form.Authority = ""
	}
	page.Council = names[form.Authority]
	if !page.Asked {
		return s.render(w, r, http.StatusOK, "search.html", "Search planning applications", page)
	}
	if strings.ContainsAny(form.Words, "0123456789") && after.ID == 0 {
		named, err := s.Store.ByReference(ctx, form.Authority, form.Words, mostNamed)
		if err != nil {
			return err
		}
		if len(named) == 1 {
			http.Redirect(w, r, alerts.ApplicationPath(named[0].Ref()), http.StatusFound)
			return nil
		}
		page.Named = s.named(languageOf(r), named, names)
	}
	query := alerts.Query{Authority: form.Authority, Words: alerts.ParseSearch(form.Words)}
	if page.Nothing = query.Words.IsZero(); !page.Nothing {
		list, apps, err := s.list(ctx, query, form.filter(asked), form.address(), after)
		if err != nil {
			return err
		}
		page.listing = list
		page.NoWords = true
		page.Items = slices.DeleteFunc(s.named(languageOf(r), apps, names), func(it item) bool {
			return slices.ContainsFunc(page.Named, func(have item) bool { return have.Href == it.Href })
		})
	}
	return s.render(w, r, http.StatusOK, "search.html", languageOf(r).Say("Search: %s", form.Words), page)
}

// named makes items that say whose they are.
func (s *Server) named(l alerts.Language, apps []alerts.Application, names map[string]string) []item {
	today := alerts.DateOf(s.Now())
	out := make([]item, len(apps))
	for i, a := range apps {
		out[i] = newItem(l, a, today)
		out[i].Authority = names[a.Authority]
	}
	return out
}

// searchDocument is what a search finds, for programs.
func (s *Server) searchDocument(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	form := readSearch(asked)
	query := alerts.Query{Authority: form.Authority, Words: alerts.ParseSearch(form.Words)}
	if query.Words.IsZero() {
		return &alerts.InvalidError{Field: "q", Problem: "Say in q which words to look for"}
	}
	return s.document(w, r, query, form.filter(asked), form.address(), "Planning applications with “"+form.Words+"”")
}
