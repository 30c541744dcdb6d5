package feed

import (
	"cmp"
	"fmt"
	"net/url"
	"time"
)

// An offset is a list asked for from a record on, as planning.data.gov.uk and UK
// PlanIt give it. It goes on from the records that came, not from those asked for,
// since an answer may be cut short.
type offset struct {
	a    *Adapter
	from int
}

func newOffset(a *Adapter) protocol { return &offset{a: a} }

func (o *offset) request() Request {
	p := o.a.Paging
	return Request{Method: "GET", URL: asked(o.a.URL, cmp.Or(p.SizeParameter, "limit"), fmt.Sprint(cmp.Or(p.Size, 100)), cmp.Or(p.AtParameter, "offset"), fmt.Sprint(o.from))}
}

func (o *offset) first(time.Time) Request { return o.request() }

func (o *offset) follow(p page) (Request, bool, error) {
	o.from += p.rows
	total, known := number(p.aside[o.a.Paging.Total])
	switch {
	case known && o.from >= total, !known && p.rows < cmp.Or(o.a.Paging.Size, 100):
		return Request{}, true, nil
	case p.rows == 0:
		return Request{}, true, short(o.from, total)
	}
	return o.request(), false, nil
}

// A pages is a list in numbered pages, as the public API of BOPS gives it.
type pages struct {
	a    *Adapter
	page int
	seen int
}

func newPages(a *Adapter) protocol { return &pages{a: a, page: 1} }

func (g *pages) request() Request {
	p := g.a.Paging
	size := ""
	if p.Size > 0 {
		size = fmt.Sprint(p.Size)
	}
	return Request{Method: "GET", URL: asked(g.a.URL, cmp.Or(p.AtParameter, "page"), fmt.Sprint(g.page), cmp.Or(p.SizeParameter, "per_page"), size)}
}

func (g *pages) first(time.Time) Request { return g.request() }

// follow takes Total for the number of records there are.
func (g *pages) follow(p page) (Request, bool, error) {
	g.seen += p.rows
	total, known := number(lookup(p.aside, g.a.Paging.Total))
	switch {
	case known && g.seen >= total, !known && p.rows == 0:
		return Request{}, true, nil
	case p.rows == 0:
		return Request{}, true, short(g.seen, total)
	}
	g.page++
	return g.request(), false, nil
}

// A links is a list whose answers say where the next part is.
type links struct {
	a    *Adapter
	last string
	seen int
}

func newLinks(a *Adapter) protocol { return &links{a: a, last: a.URL} }

func (l *links) first(time.Time) Request { return Request{Method: "GET", URL: l.a.URL} }

func (l *links) follow(p page) (Request, bool, error) {
	l.seen += p.rows
	next := text(lookup(p.aside, l.a.Paging.Next))
	if next == "" || p.rows == 0 {
		if total, known := number(lookup(p.aside, l.a.Paging.Total)); known && l.seen < total {
			return Request{}, true, short(l.seen, total)
		}
		return Request{}, true, nil
	}
	base, err := url.Parse(l.last)
	if err != nil {
		return Request{}, true, err
	}
	to, err := base.Parse(next)
	if err != nil || to.Host != base.Host || to.Scheme != base.Scheme {
		return Request{}, true, broken("the source says to go on at %q, which is another server", next)
	}
	if to.String() == l.last {
		return Request{}, true, broken("the source says to go on where it has just been read")
	}
	l.last = to.String()
	return Request{Method: "GET", URL: l.last}, false, nil
}

// lookup finds a value beside the records by its path: whole, or within an object.
func lookup(aside map[string]any, path string) any {
	if v, ok := aside[path]; ok {
		return v
	}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' {
			continue
		}
		if inner, ok := aside[path[:i]].(map[string]any); ok {
			return lookup(inner, path[i+1:])
		}
	}
	return nil
}
