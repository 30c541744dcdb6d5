package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sitenotice/sitenotice/alerts"
)

// How much of the past a rehearsal looks at: cases listed so many days back, since
// decisions and appeals come late, the newest so many of them; and how much of it a
// page shows.
const (
	rehearsedBack  = 2 * 365
	rehearsedCases = 2000
	rehearsedPage  = 20
)

// A rehearsalView is a rehearsal as the page shows it.
type rehearsalView struct {
	alerts.Rehearsal
	Rate     string // "about 1 mail a week"
	Told     []rehearsedItem
	LeftOut  []rehearsedItem
	NextTold int // number of the next page; 0 when there is none
	NextLeft int
	OpenLeft bool // the list of what is left out is being read
	Cut      bool // there were more cases than are looked at
}

// A rehearsedItem is one piece of news of the past.
type rehearsedItem struct {
	item
	News   string
	On     alerts.Date
	Reason string
}

// rehearses reports whether a form was sent to see what it would have brought.
func rehearses(v url.Values) bool {
	return v.Get("do") == "preview" || v.Has("told") || v.Has("left")
}

// previewWish shows what a wish would have sent in the last weeks, without storing
// anything.
func (s *Server) previewWish(w http.ResponseWriter, r *http.Request, page wishPage, form wishForm, wish alerts.Wish) error {
	form.Email = clip(r.PostForm.Get("email"), 400)
	if len(form.Problems) > 0 {
		return s.renderWish(w, r, http.StatusUnprocessableEntity, page, form)
	}
	l := languageOf(r)
	ctx, today := r.Context(), alerts.DateOf(s.Now())
	coverage, err := s.coverage(ctx, wish.Area)
	if err != nil {
		return err
	}
	page.Coverage = coverage
	var slugs []string
	for _, c := range coverage {
		if c.Slug != "" {
			slugs = append(slugs, c.Slug)
		}
	}
	cases, cut, err := s.Store.CasesIn(ctx, wish.Area, slugs, today.AddDays(-rehearsedBack), rehearsedCases)
	if err != nil {
		return err
	}
	past, err := alerts.Rehearse(wish, cases, today.AddDays(-recentDays), today)
	if err != nil {
		return err
	}
	view := &rehearsalView{Rehearsal: past, Rate: l.MailRateWords(past.Mails, past.Days), Cut: cut}
	view.Told, view.NextTold = rehearsed(l, past.Hits, r.PostForm.Get("told"), wish.Area, today)
	view.LeftOut, view.NextLeft = rehearsed(l, past.Misses, r.PostForm.Get("left"), wish.Area, today)
	view.OpenLeft = r.PostForm.Has("left")
	page.Rehearsal = view
	return s.renderWish(w, r, http.StatusOK, page, form)
}

// rehearsed is one page of what was found, and the number of the next.
func rehearsed(l alerts.Language, found []alerts.Rehearsed, asked string, area alerts.Area, today alerts.Date) (items []rehearsedItem, next int) {
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 || (n-1)*rehearsedPage >= len(found) {
		n = 1
	}
	from, to := (n-1)*rehearsedPage, min(n*rehearsedPage, len(found))
	for _, f := range found[from:to] {
		it := rehearsedItem{item: newItem(l, *f.Application, today), News: l.EventLabel(f.Type), On: f.On, Reason: alerts.Capital(f.Reason.In(l))}
		if area.Kind == alerts.AreaCircle {
			it.From(l, area.Centre, *f.Application)
		}
		items = append(items, it)
	}
	if to < len(found) {
		next = n + 1
	}
	return items, next
}
