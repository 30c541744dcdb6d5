package feed

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Paging says how a source is read that gives a part at a time, in the terms of its
// kind. The zero Paging is a source that gives everything at once.
type Paging struct {
	Kind  string        `yaml:"kind,omitempty"`  // socrata, elasticsearch, arcgis, offset, page or link
	Size  int           `yaml:"size,omitempty"`  // records asked for at a time
	Pace  time.Duration `yaml:"pace,omitempty"`  // least time between two requests
	Key   string        `yaml:"key,omitempty"`   // the column by which records are ordered
	Order string        `yaml:"order,omitempty"` // the whole order, when the key alone does not settle it
	Total string        `yaml:"total,omitempty"` // path to how many records there are
	Next  string        `yaml:"next,omitempty"`  // path to the address of the next part

	SizeParameter string `yaml:"size_parameter,omitempty"` // what the source calls the number of records asked for,
	AtParameter   string `yaml:"at_parameter,omitempty"`   // and from which record, or which page

	// What makes it enough to ask for what has changed.
	Since   []string      `yaml:"since,omitempty"`   // columns of dates of which one moves with every change
	Open    string        `yaml:"open,omitempty"`    // a condition for cases that are asked for again every time
	Drift   string        `yaml:"drift,omitempty"`   // a column whose greatest value says that the source was loaded anew
	Overlap time.Duration `yaml:"overlap,omitempty"` // how far before the last reading to begin; 0 for 48h
	Full    time.Duration `yaml:"full,omitempty"`    // how often everything is read all the same; 0 for never
}

// A Request is what to ask of a source.
type Request struct {
	Method string // GET or POST
	URL    string
	Header map[string]string // values of "env:NAME" are the operator's to fill in
	Body   []byte
	Pace   time.Duration // least time since the last request
}

// defaultOverlap covers a source that shows a change only some time after its date.
const defaultOverlap = 48 * time.Hour

// maxRequests bounds a walk whose source never says that it is at its end.
const maxRequests = 20_000

var envName = regexp.MustCompile(`^env:SITENOTICE_FEED_[A-Z0-9_]+$`)

// checkRequests checks what an adapter says of its requests.
func (a *Adapter) checkRequests() error {
	for name, value := range a.Headers {
		if strings.HasPrefix(value, "env:") && !envName.MatchString(value) {
			return fmt.Errorf("headers: %s: only variables named SITENOTICE_FEED_… can be sent", name)
		}
		if strings.ContainsAny(name+value, "\r\n") {
			return fmt.Errorf("headers: %s: a header is one line", name)
		}
	}
	p := a.Paging
	if p.Kind == "" {
		return nil
	}
	if _, ok := protocols[p.Kind]; !ok {
		return fmt.Errorf("paging.kind: %q is not one of %s", p.Kind, strings.Join(slices.Sorted(maps.Keys(protocols)), ", "))
	}
	if a.Format != "json" && a.Format != "geojson" {
		return errors.New("paging: only json and geojson can be read in parts")
	}
	if p.Size < 0 || p.Size > 50_000 || p.Pace < 0 || p.Overlap < 0 || p.Full < 0 {
		return errors.New("paging: size is at most 50000, and times are not negative")
	}
	return nil
}

// A page is the answer to one request, as far as a protocol looks at it.
type page struct {
	rows  int
	keys  []string       // of the records, when the paging names a key
	last  map[string]any // the last record
	aside map[string]any // what stands beside the records, by path
}

// A protocol decides what to ask next of one kind of source.
type protocol interface {
	// first returns what to ask to begin with. Since is zero to ask for everything.
	first(since time.Time) Request
	// follow returns what to ask after an answer; done when there is no more. An
	// error says that what came cannot be all.
	follow(p page) (next Request, done bool, err error)
}

// protocols make a protocol for an adapter, by the kind of paging.
var protocols = map[string]func(a *Adapter) protocol{
	"socrata": newSocrata, "elasticsearch": newElasticsearch, "arcgis": newArcGIS, "offset": newOffset, "page": newPages, "link": newLinks,
}

// A Walk reads a source from its first request to its last.
type Walk struct {
	adapter  *Adapter
	mapping  *mapping
	protocol protocol // nil when everything comes at once
	next     Request
	done     bool
	requests int
	rows     int
	read     func(source io.Reader, yield func(Row) error) error
}

// Incremental reports whether a reading can begin at a moment, and then which: since
// the last complete reading, with some overlap, unless everything is due again.
// Zero is the beginning.
func (a *Adapter) Incremental(lastComplete, lastFull, now time.Time) time.Time {
	p := a.Paging
	if len(p.Since) == 0 || lastFull.IsZero() || p.Full > 0 && now.Sub(lastFull) >= p.Full {
		return time.Time{}
	}
	return lastComplete.Add(-cmp.Or(p.Overlap, defaultOverlap))
}

// Walk begins to read a source by the adapter of that name (the first when it is
// empty). A zero since asks for everything, also of a source that can be asked for
// changes.
func (d *Declaration) Walk(name string, since time.Time) (*Walk, error) {
	a, err := d.Adapter(name)
	if err != nil {
		return nil, err
	}
	w := &Walk{adapter: a}
	if a.Paging.Kind == "" {
		w.next = Request{Method: "GET", URL: a.URL, Header: a.Headers, Pace: a.Paging.Pace}
		w.read = func(source io.Reader, yield func(Row) error) error { return d.Read(a.Name, source, yield) }
		return w, nil
	}
	if w.mapping, err = newMapping(d, a); err != nil {
		return nil, err
	}
	w.protocol = protocols[a.Paging.Kind](a)
	w.next = w.protocol.first(since)
	return w, nil
}

// Next returns what to ask next; false at the end.
func (w *Walk) Next() (Request, bool) {
	r := w.next
	r.Header = maps.Clone(r.Header)
	if r.Header == nil {
		r.Header = map[string]string{}
	}
	maps.Copy(r.Header, w.adapter.Headers)
	r.Pace = w.adapter.Paging.Pace
	return r, !w.done
}

// Once reports whether the source gives everything at once, so that it can be asked
// only for what is newer than the last answer.
func (w *Walk) Once() bool { return w.protocol == nil }

// Read reads the answer to what Next returned. It returns what yield returned, or a
// *BrokenError when the answer is not what was declared, breaks off, or shows that
// the source has changed meanwhile.
func (w *Walk) Read(answer io.Reader, yield func(Row) error) error {
	w.requests++
	if w.protocol == nil {
		w.done = true
		return w.read(answer, yield)
	}
	p := page{aside: map[string]any{}}
	r, in, closer, err := open(answer)
	if err != nil {
		return err
	}
	defer closer()
	path, row := w.adapter.Records, func(o map[string]any) cells { return jsonRow(within(o, w.adapter.Inside)) }
	if w.adapter.Format == "geojson" {
		path, row = "features", func(o map[string]any) cells { return geoJSONRow(o) }
	}
	var mine error
	if counter, ok := w.protocol.(interface{ counts() bool }); ok && counter.counts() {
		err = readObjects(r, anyDocument, p.aside, nil)
	} else {
		err = readObjects(r, path, p.aside, func(_ int, object map[string]any) error {
			in.next()
			w.rows++
			p.rows++
			p.last = object
			c := row(object)
			if key := w.adapter.Paging.Key; key != "" {
				p.keys = append(p.keys, c.cell(key))
			}
			mine = yield(w.mapping.row(w.rows, c))
			return mine
		})
	}
	if err != nil {
		if mine != nil {
			return mine
		}
		var b *BrokenError
		if errors.As(err, &b) {
			return err
		}
		return broken("the source breaks off: %v", err)
	}
	w.next, w.done, err = w.protocol.follow(p)
	if err == nil && !w.done && w.requests >= maxRequests {
		return broken("the source has not come to its end after %s requests", alerts.Thousands(maxRequests))
	}
	return err
}

// asked returns the address of a request with these parameters added to it.
func asked(address string, parameters ...string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // it was checked
	}
	q := u.Query()
	for i := 0; i+1 < len(parameters); i += 2 {
		if parameters[i+1] != "" {
			q.Set(parameters[i], parameters[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// columnsOf lists the source's columns that an adapter needs, in order: nothing
// else is asked for where a source lets us choose, names of people least of all.
func (a *Adapter) columnsOf(more ...string) []string {
	names := slices.Clone(more)
	for _, text := range a.Columns {
		for _, name := range parseExpression(text).columns() {
			name, _, _ = strings.Cut(name, ".")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" })
}

// short says that fewer records came than the source says it has.
func short(came, total int) error {
	return broken("the source says that it has %s records, but %s came", alerts.Thousands(total), alerts.Thousands(came))
}

// number reads a number that stands beside the records.
func number(v any) (int, bool) {
	var n int
	_, err := fmt.Sscan(text(v), &n)
	return n, err == nil
}
