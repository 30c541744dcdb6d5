package feed

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A socrata is a dataset of the Socrata open data API, version 2.0: Camden's. It is
// read by keyset, since offsets drift when rows are added meanwhile; the last key
// of a full page is asked for again, as its rows may go on.
//
// Before and after, the source is asked how many keys there are and when it was
// loaded: a reading during which that has changed is not complete.
type socrata struct {
	a        *Adapter
	where    string
	counting bool
	before   string
	began    bool
}

func newSocrata(a *Adapter) protocol { return &socrata{a: a} }

func (s *socrata) size() int { return cmp.Or(s.a.Paging.Size, 5_000) }

// counts reports whether the request under way asks how much there is.
func (s *socrata) counts() bool { return s.counting }

func (s *socrata) first(since time.Time) Request {
	if p := s.a.Paging; !since.IsZero() {
		var any []string
		for _, column := range p.Since {
			any = append(any, fmt.Sprintf("%s >= '%s'", column, since.UTC().Format("2006-01-02T15:04:05")))
		}
		if p.Open != "" {
			any = append(any, p.Open)
		}
		s.where = "(" + strings.Join(any, " OR ") + ")"
	}
	return s.count()
}

func (s *socrata) count() Request {
	s.counting = true
	selected := fmt.Sprintf("count(distinct %s) as n", s.a.Paging.Key)
	if s.a.Paging.Drift != "" {
		selected += fmt.Sprintf(", max(%s) as loaded", s.a.Paging.Drift)
	}
	return Request{Method: "GET", URL: asked(s.a.URL, "$select", selected, "$where", s.where)}
}

func (s *socrata) rows(after string) Request {
	where := s.where
	if after != "" {
		if where != "" {
			where += " AND "
		}
		if _, err := strconv.ParseInt(after, 10, 64); err != nil {
			after = "'" + strings.ReplaceAll(after, "'", "''") + "'"
		}
		where += s.a.Paging.Key + " > " + after
	}
	return Request{Method: "GET", URL: asked(s.a.URL, "$select", strings.Join(s.a.columnsOf(s.a.Paging.Key), ", "), "$where", where,
		"$order", cmp.Or(s.a.Paging.Order, s.a.Paging.Key+" ASC"), "$limit", fmt.Sprint(s.size()))}
}

func (s *socrata) follow(p page) (Request, bool, error) {
	if s.counting {
		s.counting = false
		counted := text(p.aside["0"])
		switch {
		case !s.began:
			s.began, s.before = true, counted
			return s.rows(""), false, nil
		case counted != s.before:
			return Request{}, true, broken("the source was loaded anew while it was read (%s before, %s after); the next reading goes over it again", s.before, counted)
		}
		return Request{}, true, nil
	}
	if p.rows < s.size() {
		return s.count(), false, nil
	}
	last := p.keys[len(p.keys)-1]
	for i := len(p.keys) - 1; i >= 0; i-- {
		if p.keys[i] != last {
			return s.rows(p.keys[i]), false, nil
		}
	}
	return Request{}, true, broken("%s rows have the same key %s", fmt.Sprint(p.rows), last)
}
