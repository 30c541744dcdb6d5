package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// listPage is how many applications a page lists at a time, and documentPage how
// many a document for programs holds.
const (
	listPage     = 50
	documentPage = 200
)

// A listFilter is how a list is narrowed, as the address says it.
type listFilter struct {
	Words     string
	Groups    []string // of kinds
	Stage     alerts.Stage
	MajorOnly bool
	Days      int         // listed in the last so many days; 0 for any time
	Since     alerts.Date // listed on or after, in addresses written by hand
}

// filterDays are the times on offer, and what they are called.
var filterDays = []struct {
	Days  int
	Label string
}{{0, "At any time"}, {7, "In the last 7 days"}, {30, "In the last 30 days"}, {90, "In the last 90 days"}, {365, "In the last year"}}

var stageLabels = map[alerts.Stage]string{
	alerts.StageAny:       "All, decided or not",
	alerts.StageOpen:      "Still to be decided",
	alerts.StageDecided:   "Decided",
	alerts.StageWithdrawn: "Withdrawn",
}

// readFilter reads how a list is narrowed; what makes no sense narrows nothing.
func readFilter(v url.Values) listFilter {
	f := listFilter{Words: alerts.Line(v.Get("words"), alerts.MaxSearch), MajorOnly: v.Get("major") == "1"}
	for _, g := range kindGroups {
		if slices.Contains(v["kind"], g.Key) {
			f.Groups = append(f.Groups, g.Key)
		}
	}
	if stage := alerts.Stage(v.Get("state")); slices.Contains(alerts.Stages, stage) {
		f.Stage = stage
	}
	if days, err := strconv.Atoi(v.Get("days")); err == nil && days > 0 && days <= 36_500 {
		f.Days = days
	}
	if since, err := alerts.ParseDate(v.Get("since")); err == nil {
		f.Since = since
	}
	return f
}

// put adds the filter to the values of an address.
func (f listFilter) put(v url.Values) {
	if f.Words != "" {
		v.Set("words", f.Words)
	}
	if len(f.Groups) > 0 {
		v["kind"] = f.Groups
	}
	if f.Stage != "" {
		v.Set("state", string(f.Stage))
	}
	if f.MajorOnly {
		v.Set("major", "1")
	}
	if f.Days > 0 {
		v.Set("days", strconv.Itoa(f.Days))
	}
	if f.Since != "" {
		v.Set("since", string(f.Since))
	}
}

// apply narrows a query.
func (f listFilter) apply(q *alerts.Query, today alerts.Date) {
	if f.Words != "" {
		q.Words = alerts.ParseSearch(f.Words)
	}
	q.Kinds, q.Stage, q.MajorOnly, q.Since = filterOf(f.Groups).Kinds, f.Stage, f.MajorOnly, f.Since
	if f.Days > 0 {
		q.Since = max(q.Since, today.AddDays(-f.Days))
	}
}

// Any reports whether the filter narrows anything.
func (f listFilter) Any() bool {
	return f.Words != "" || len(f.Groups) > 0 || f.Stage != "" || f.MajorOnly || f.Days > 0 || f.Since != ""
}

// Ticked reports whether a group of kinds was chosen.
func (f listFilter) Ticked(group string) bool { return slices.Contains(f.Groups, group) }

// Said lists in words how the list is narrowed.
func (f listFilter) said(l alerts.Language) []string {
	var out []string
	if f.Stage != "" {
		out = append(out, l.Word(stageLabels[f.Stage]))
	}
	for _, g := range kindGroups {
		if f.Ticked(g.Key) {
			out = append(out, l.Word(g.Label))
		}
	}
	if f.MajorOnly {
		out = append(out, l.Say("Major schemes only"))
	}
	for _, d := range filterDays {
		if d.Days == f.Days && f.Days > 0 {
			out = append(out, l.Word(d.Label))
		}
	}
	if f.Since != "" {
		out = append(out, l.Say("Since %s", f.Since))
	}
	if f.Words != "" {
		out = append(out, l.Say("With “%s”", f.Words))
	}
	return out
}

// A place of a list: the path of its page and what names the place or council in
// the query.
type listAddress struct {
	path   string
	values url.Values
}

func (a listAddress) with(f listFilter, extension string) string {
	v := url.Values{}
	for name, values := range a.values {
		v[name] = values
	}
	f.put(v)
	path := a.path
	if extension != "" {
		path += "." + extension
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// follow adds the place in a list to its address.
func follow(address string, c alerts.Cursor) string {
	mark := "?"
	if strings.Contains(address, "?") {
		mark = "&"
	}
	return address + mark + "after=" + url.QueryEscape(string(c.Listed)+"."+strconv.FormatInt(c.ID, 10))
}

// A listing is a list on a page, with the ways to narrow it, to go on, and to take
// it away.
type listing struct {
	Items   []item
	Filter  listFilter
	Action  string      // where the form of the filter leads
	Hidden  [][2]string // what else the form sends
	All     string      // address without the filter
	First   string      // of the first page
	More    string      // of the next page; empty on the last
	Later   bool        // this is not the first page
	Partial bool
	Outputs []output
	NoWords bool     // the words are asked for elsewhere on the page
	Said    []string // how it is narrowed

	language alerts.Language
}

// An output is the same list in a format for programs.
type output struct{ Label, Href string }

// Stages are the stages on offer.
func (l listing) Stages() []alerts.Stage { return alerts.Stages }

// StageLabel names a stage.
func (l listing) StageLabel(s alerts.Stage) string { return l.language.Word(stageLabels[s]) }

// Times are the times on offer.
func (l listing) Times() any { return filterDays }

// list reads one page of a list.
func (s *Server) list(ctx context.Context, q alerts.Query, f listFilter, at listAddress, after alerts.Cursor) (listing, []alerts.Application, error) {
	today := alerts.DateOf(s.Now())
	f.apply(&q, today)
	page, err := s.Store.List(ctx, q, after, listPage)
	if err != nil {
		return listing{}, nil, err
	}
	in := languageIn(ctx)
	l := listing{language: in, Said: f.said(in), Filter: f, Action: at.path, First: at.with(f, ""), All: at.with(listFilter{}, ""), Later: after.ID != 0, Partial: page.Partial}
	for name, values := range at.values {
		for _, v := range values {
			l.Hidden = append(l.Hidden, [2]string{name, v})
		}
	}
	slices.SortFunc(l.Hidden, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	if page.Next.ID != 0 {
		l.More = follow(l.First, page.Next)
	}
	for _, format := range api.Formats {
		if format.Extension != api.NDJSON.Extension {
			l.Outputs = append(l.Outputs, output{in.Word(format.Label), at.with(f, format.Extension)})
		}
	}
	for _, a := range page.Applications {
		l.Items = append(l.Items, newItem(in, a, today))
	}
	return l, page.Applications, nil
}

// document answers with a list in a format for programs. A calendar holds what can
// still be commented on, however far down the list that is.
func (s *Server) document(w http.ResponseWriter, r *http.Request, q alerts.Query, f listFilter, at listAddress, title string) error {
	format, ok := api.FormatOf(mux.Vars(r)["format"])
	if !ok {
		return alerts.ErrNotFound
	}
	ctx := r.Context()
	today := alerts.DateOf(s.Now())
	f.apply(&q, today)
	after := parseCursor(r.URL.Query().Get("after"))
	if format.Extension == api.Calendar.Extension {
		q.Stage, after = alerts.StageOpen, alerts.Cursor{}
	}
	page, err := s.Store.List(ctx, q, after, documentPage)
	if err != nil {
		return err
	}
	self := s.BaseURL + at.with(f, format.Extension)
	doc := &api.Document{Title: title, Page: s.BaseURL + at.with(f, ""), Self: self, Base: s.BaseURL, Applications: page.Applications, Today: today}
	if page.Next.ID != 0 && format.Extension != api.Calendar.Extension {
		doc.Next = follow(self, page.Next)
	}
	if after.ID != 0 {
		doc.Self = follow(self, after)
	}
	if doc.Authorities, err = s.namesOf(ctx, page.Applications); err != nil {
		return err
	}
	return format.Serve(w, r, doc)
}

// namesOf returns the names of the authorities of applications by slug.
func (s *Server) namesOf(ctx context.Context, apps []alerts.Application) (map[string]string, error) {
	var slugs []string
	for _, a := range apps {
		if !slices.Contains(slugs, a.Authority) {
			slugs = append(slugs, a.Authority)
		}
	}
	known, err := s.Store.Coverage(ctx, slugs, nil)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(known))
	for _, c := range known {
		names[c.Slug] = c.Name
	}
	return names, nil
}

// nearDocument is the list around a place for programs.
func (s *Server) nearDocument(w http.ResponseWriter, r *http.Request) error {
	form, at, ok := s.find(alerts.English, r.URL.Query())
	if !ok {
		if form.Problem == nil {
			form.Problem = &alerts.InvalidError{Field: "postcode", Problem: "Name a place by postcode, or by lat and lon"}
		}
		return form.Problem
	}
	return s.document(w, r, alerts.Query{Area: at.circle(form.Radius)}, readFilter(r.URL.Query()), form.address(form.Radius),
		"Planning applications within "+alerts.Metres(form.Radius)+" of "+at.Label)
}

// authorityDocument is the list of a council for programs.
func (s *Server) authorityDocument(w http.ResponseWriter, r *http.Request) error {
	slug, err := url.PathUnescape(mux.Vars(r)["slug"])
	if err != nil {
		return alerts.ErrNotFound
	}
	known, err := s.Store.Coverage(r.Context(), []string{slug}, nil)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return alerts.ErrNotFound
	}
	return s.document(w, r, alerts.Query{Authority: slug}, readFilter(r.URL.Query()), authorityAddress(slug), "Planning applications to "+known[0].Name)
}

func authorityAddress(slug string) listAddress {
	return listAddress{path: "/authorities/" + url.PathEscape(slug)}
}
