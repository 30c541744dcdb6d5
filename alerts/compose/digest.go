package compose

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// How much one mail shows. Mail programs cut off what is longer than about 100 KB,
// and with it the links that stop it.
const (
	maxShown = 40     // shown in full
	maxBrief = 80     // then, in one line each; a page lists all
	maxHTML  = 90_000 // bytes
)

// A digest is what a mail of alerts says, before it is text or HTML.
type digest struct {
	Subject  string
	Title    string
	Lead     []string // of councils that are read again
	Closing  []site   // reminders
	Sections []section
	Total    int    // cases
	Unshown  int    // of these, not in the mail
	All      string // page that lists all
	Footer   footer
	stops    []alerts.Cadence // by the link in its header
}

// A section is the news of one area.
type section struct {
	Title   string // "Within 500 m of NW1 8NH"
	Picture *picture
	Sites   []site
	Brief   []card // shown in one line each
	area    alerts.Area
}

// A picture shows where the sites of a section lie.
type picture struct {
	ID   string // Content-ID
	Alt  string
	Wide int
	High int
	locator
}

// A site is the news of all cases at one place.
type site struct {
	Number int
	Title  string // its address
	Where  string // "180 m north-east of NW1 8NH"
	Also   string // "Also within 1 km of N1C 4AG"
	Past   string // "3 earlier here: 2 refused, 1 approved"
	Around string // page that lists them
	Cases  []card
	place  alerts.Site
	// elsewhere says that the site is not in the area after all.
	elsewhere bool
}

// A card is the news of one application.
type card struct {
	Tags        []string // what happened: "New", "Open for comments"
	Title       string   // its address
	Description string
	Kind        string // "Householder"
	State       string // "Under consideration"
	Deadline    string // until when to comment, and how long that is
	Source      string // who says so
	Open        bool   // the deadline is still to come
	Soon        bool   // within days
	Notes       []string
	Changes     []change
	Council     string // the council's page
	CouncilHost string
	Comment     string // where the council takes comments, while it does
	CommentWays string // how to comment when the council gives no link
	Commenting  string // page on what counts in a comment
	Calendar    string // file with the deadline
	Page        string // ours
	Mute        string // page that offers to hear no more of it
	Reference   string
	Authority   string
}

// A footer says why a mail came, how to stop it, and how far its silence goes.
type footer struct {
	Areas       []areaLink
	Stop        string // all that the message serves
	StopWords   string // "Stop all daily alerts"
	Manage      string
	Read        []string // when each council was last read
	Reliability string   // page
	Commenting  string   // page
	Attribution []string
	Contact     string
	Home        string
}

// An areaLink stops one area.
type areaLink struct{ Words, Stop string }

// A writer puts bulletins into words; it lives for one pass.
type writer struct {
	*Stage
	now         time.Time
	today       alerts.Date
	authorities map[string]alerts.Coverage
	readings    map[string]alerts.Readings
}

// load reads what is known of the councils, when the first mail is written.
func (w *writer) load(ctx context.Context) error {
	if w.authorities != nil {
		return nil
	}
	all, err := w.Store.Authorities(ctx)
	if err != nil {
		return err
	}
	if w.readings, err = w.Store.Readings(ctx, w.now.AddDate(0, 0, -alerts.ReadingsDays), w.now); err != nil {
		return err
	}
	w.authorities = make(map[string]alerts.Coverage, len(all))
	for _, c := range all {
		w.authorities[c.Slug] = c
	}
	return nil
}

// bulletin writes the mail of a bulletin.
func (w *writer) bulletin(b alerts.Bulletin) (alerts.Delivery, error) {
	m := alerts.Delivery{Kind: alerts.DeliveryAlert, RecipientID: b.Recipient.ID, Cadence: b.Cadence, MessageID: w.messageID()}
	ranked := w.rank(&b)
	var d digest
	for shown := maxShown; ; shown = shown * 3 / 4 {
		d = w.digest(&b, ranked, m.MessageID, shown)
		var err error
		if m.HTML, err = d.html(); err != nil {
			return alerts.Delivery{}, err
		}
		if len(m.HTML) <= maxHTML || shown <= 1 {
			break
		}
	}
	for i := range d.Sections {
		if p := d.Sections[i].Picture; p != nil {
			png, err := p.draw()
			if err != nil {
				return alerts.Delivery{}, fmt.Errorf("draw where the sites lie: %w", err)
			}
			m.Inline = append(m.Inline, alerts.Inline{ID: p.ID, Name: fmt.Sprintf("where-%d.png", i+1), Type: "image/png", Data: png})
		}
	}
	m.Subject, m.Text = d.Subject, d.text()
	m.Headers = w.headers(b.Recipient.ID, d.Footer.Stop, d.stops, string(b.Cadence))
	return m, nil
}

// headers are those of mail that goes to many and can be stopped with one click.
func (w *writer) headers(recipient int64, stop string, stops []alerts.Cadence, list string) []alerts.Header {
	return []alerts.Header{
		{Name: "List-Unsubscribe", Value: w.listUnsubscribe(recipient, stop, stops)},
		{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"},
		{Name: "List-Id", Value: "<" + list + ".alerts." + w.host() + ">"},
		{Name: "Auto-Submitted", Value: "auto-generated"},
	}
}

// listUnsubscribe names the link that stops what a mail serves, and the address that
// does, where mail to us is read.
func (w *writer) listUnsubscribe(recipient int64, stop string, stops []alerts.Cadence) string {
	if w.Inbound.IsZero() {
		return "<" + stop + ">"
	}
	return "<" + stop + ">, <mailto:" + w.Inbound.Unsubscribe(recipient, stops) + "?subject=unsubscribe>"
}

// ranked is the news of one site, and where it belongs in the mail.
type ranked struct {
	cases    []alerts.CaseNews
	weight   alerts.Weight
	at       int // the area under which it is told
	others   []alerts.Area
	reminder bool
}

// rank puts cases on one site together, each under its nearest area, and the most
// pressing first.
func (w *writer) rank(b *alerts.Bulletin) []ranked {
	type weighed struct {
		n alerts.CaseNews
		ranked
	}
	weigh := func(cases []alerts.CaseNews) (out []ranked) {
		all := make([]weighed, len(cases))
		for i, n := range cases {
			all[i].n = n
			var distance float64
			all[i].at, all[i].others, distance = nearest(b.Subscriptions, n)
			all[i].weight = alerts.Weigh(&n, distance, w.today)
		}
		slices.SortStableFunc(all, func(a, b weighed) int { return a.weight.Compare(b.weight) })
		sorted := make([]alerts.CaseNews, len(all))
		first := make(map[int64]*ranked, len(all))
		for i := range all {
			sorted[i] = all[i].n
			first[all[i].n.ApplicationID] = &all[i].ranked
		}
		for _, cases := range alerts.Sites(sorted) {
			r := *first[cases[0].ApplicationID]
			r.cases = cases
			out = append(out, r)
		}
		return out
	}
	out := weigh(b.Reminders)
	for i := range out {
		out[i].reminder = true
	}
	return append(out, weigh(b.Cases)...)
}

// digest sorts the news by area, the area with the most pressing news first.
func (w *writer) digest(b *alerts.Bulletin, news []ranked, messageID string, most int) digest {
	stops := b.Serves()
	if len(b.Cases)+len(b.Recovered) == 0 {
		stops = []alerts.Cadence{alerts.Reminders}
	}
	d := digest{Subject: w.subject(b, news), Title: w.title(b), Footer: w.footer(b, stops), stops: stops, Total: len(b.Cases) + len(b.Reminders)}
	for _, o := range b.Recovered {
		d.Lead = append(d.Lead, w.recovered(o, len(b.Cases) > 0))
	}
	sections := make([]section, len(b.Subscriptions))
	for i, sub := range b.Subscriptions {
		sections[i] = section{Title: alerts.Capital(alerts.AreaWords(sub.Current.Area)), area: sub.Current.Area}
	}
	var order []int // of the areas
	number, shown, brief := 0, 0, 0
	for _, r := range news {
		area := b.Subscriptions[r.at].Current.Area
		s := &sections[r.at]
		if !r.reminder && !slices.Contains(order, r.at) && brief < maxBrief {
			order = append(order, r.at)
		}
		switch {
		case shown+len(r.cases) <= most || shown == 0:
			number, shown = number+1, shown+len(r.cases)
			told := w.site(r, area, number, b.Recipient.ID)
			if r.reminder {
				d.Closing = append(d.Closing, told)
			} else {
				s.Sites = append(s.Sites, told)
			}
		case brief < maxBrief:
			for _, n := range r.cases {
				s.Brief = append(s.Brief, w.card(n, area))
				brief++
			}
		default:
			d.Unshown += len(r.cases)
		}
		if brief > 0 {
			most = 0 // what comes after is not more pressing
		}
	}
	for i, at := range order {
		if s := &sections[at]; i < maxPictures {
			s.Picture = s.picture(fmt.Sprintf("where%d.%s", i+1, messageID))
		}
		d.Sections = append(d.Sections, sections[at])
	}
	if brief > 0 {
		d.All = w.BaseURL + "/told/" + w.Keys.Sign("told", messageID)
	}
	return d
}

// nearest returns which of the areas that a case concerns has its centre nearest
// to it, the others, and how far it is. Areas without a centre come last.
func nearest(subs []alerts.Subscription, n alerts.CaseNews) (at int, others []alerts.Area, best float64) {
	at = -1
	g, err := n.Details.Site.Geometry()
	for i, sub := range subs {
		if !slices.Contains(n.Subscriptions, sub.ID) {
			continue
		}
		d := 1e9
		if err == nil && g != nil && hasCentre(sub.Current.Area) {
			_, d = geo.Nearest(sub.Current.Area.Centre, g)
		}
		if at < 0 || d < best {
			at, best = i, d
		}
	}
	for i, sub := range subs {
		if i != at && slices.Contains(n.Subscriptions, sub.ID) {
			others = append(others, sub.Current.Area)
		}
	}
	return at, others, best
}

func hasCentre(a alerts.Area) bool { return a.Centre != geo.Point{} }

// around is the page with everything near a place.
func (w *writer) around(p geo.Point, radius float64) string {
	number := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	return w.BaseURL + "/near?" + url.Values{"lat": {number(p.Lat, 5)}, "lon": {number(p.Lon, 5)}, "radius": {number(max(radius, alerts.MinRadius), 0)}}.Encode()
}

// site tells of all cases at one place.
func (w *writer) site(r ranked, area alerts.Area, number int, recipient int64) site {
	first := r.cases[0].Details
	s := site{Number: number, Title: alerts.Line(first.Address, 160), Where: where(area, first.Site), place: first.Site, elsewhere: r.cases[0].Correction}
	if isTakenDown(r.cases[0]) {
		s.Title, s.Where = "", ""
	}
	if s.Title == "" {
		s.Title = "Application " + alerts.Line(first.Reference, 60)
	}
	if len(r.others) > 0 {
		words := make([]string, len(r.others))
		for i, a := range r.others {
			words[i] = alerts.AreaWords(a)
		}
		s.Also = "Also " + alerts.Listing(words)
	}
	var past []alerts.PastCase
	for _, n := range r.cases {
		c := w.card(n, area)
		if !n.Correction {
			c.Mute = w.BaseURL + "/mute/" + w.Keys.Sign("mute", alerts.MuteSubject(recipient, n.ApplicationID))
		}
		if r.reminder {
			c.Tags = []string{"Reminder"}
			c.Notes = []string{"We told you of this before. It is not decided yet."}
		}
		s.Cases = append(s.Cases, c)
		for _, p := range n.Past {
			known := slices.ContainsFunc(past, func(q alerts.PastCase) bool { return q.ID == p.ID })
			told := slices.ContainsFunc(r.cases, func(n alerts.CaseNews) bool { return n.ApplicationID == p.ID })
			if !known && !told {
				past = append(past, p)
			}
		}
	}
	if s.Past = alerts.PastWords(past); s.Past != "" && first.Site.Located() {
		s.Around = w.around(first.Site.Point(), alerts.MinRadius)
	}
	return s
}

// soonDays is from how many days before it closes a date is shown as pressing.
const soonDays = 7

func (w *writer) card(n alerts.CaseNews, area alerts.Area) card {
	d := n.Details
	if isTakenDown(n) {
		reference := alerts.Line(d.Reference, 60)
		return card{Tags: tags(n), Title: "Application " + reference, Reference: reference, Authority: w.authority(n.Authority), Notes: w.notes(n, area),
			Page: w.BaseURL + "/authorities/" + url.PathEscape(n.Authority)}
	}
	c := card{
		Tags:        tags(n),
		Title:       alerts.Line(d.Address, 160),
		Description: alerts.Line(d.Description, 500),
		State:       alerts.StateWords(d),
		Council:     alerts.WebLink(d.URL),
		Page:        w.page(alerts.Ref{Authority: n.Authority, Number: d.Reference}),
		Reference:   alerts.Line(d.Reference, 60),
		Authority:   w.authority(n.Authority),
		Changes:     changes(n),
		Notes:       w.notes(n, area),
	}
	if slices.ContainsFunc(c.Changes, func(ch change) bool { return ch.whole }) {
		c.Description = "" // it is among the changes
	}
	c.CouncilHost = alerts.LinkHost(c.Council)
	if c.Title == "" {
		c.Title = "Application " + c.Reference
	}
	if d.Kind != "" && d.Kind != alerts.KindOther {
		c.Kind = alerts.KindLabel(d.Kind)
	}
	if d.IsOpen() && !n.Correction {
		w.deadline(&c, n)
	}
	return c
}

// deadline says until when and where to comment. It is the council's date or none.
func (w *writer) deadline(c *card, n alerts.CaseNews) {
	d := n.Details
	until := d.CommentsUntil
	if until == "" {
		c.Deadline = "The council has published no closing date for comments"
	} else if until < w.today {
		c.Deadline = "Comments closed on " + until.Long()
	} else {
		c.Open, c.Soon = true, w.today.DaysUntil(until) <= soonDays
		c.Deadline = "Comment by " + until.Long() + " (" + alerts.LeftWords(until, w.today) + ")"
		c.Calendar = c.Page + "/deadline.ics"
		if !strings.Contains(c.Page, "/applications/") {
			c.Calendar = ""
		}
	}
	if source := alerts.SourceWords(d); source != "" && until != "" {
		c.Source = "according to " + source
	}
	if until != "" && !c.Open {
		return
	}
	c.Commenting = w.BaseURL + "/commenting"
	if c.Comment = alerts.WebLink(d.CommentURL); c.Comment == "" && c.Council != "" {
		c.Comment = c.Council
	}
	if c.Comment == c.Council {
		c.Council = "" // one link is enough
	}
	if c.Comment == "" {
		c.CommentWays = "To comment, write to the planning department of " + c.Authority + " and give the reference."
		if site := alerts.WebLink(w.authorities[n.Authority].Website); site != "" {
			c.Comment, c.CommentWays = site, "The council gives no link for comments: look for the reference on its site."
		}
	}
}

// page is the page of an application; of its council if the reference is too long
// for an address.
func (w *writer) page(ref alerts.Ref) string {
	if len(ref.Number) > alerts.MaxReference {
		return w.BaseURL + "/authorities/" + url.PathEscape(ref.Authority)
	}
	return w.BaseURL + alerts.ApplicationPath(ref)
}

func (w *writer) authority(slug string) string {
	if a, ok := w.authorities[slug]; ok && a.Name != "" {
		return a.Name
	}
	return slug
}

// where says where a site lies as seen from an area's centre.
func where(a alerts.Area, s alerts.Site) string {
	if !s.Located() {
		return "The council has published no position for it"
	}
	if !hasCentre(a) {
		return ""
	}
	name := a.Label
	if name == "" {
		name = "the middle of your area"
	}
	return alerts.SeenFrom(a.Centre, name, s)
}

func inArea(a alerts.Area) string {
	words := alerts.AreaWords(a)
	if a.Kind == alerts.AreaCircle || a.Kind == alerts.AreaApplication {
		return words
	}
	return "in " + words
}

func (w *writer) footer(b *alerts.Bulletin, stops []alerts.Cadence) footer {
	f := footer{Manage: w.manageURL(b.Recipient.ID, w.now), Attribution: w.Attribution, Contact: w.Contact, Home: w.BaseURL,
		Stop: w.unsubscribeURL(b.Recipient.ID, stops), StopWords: stopWords(stops), Reliability: w.BaseURL + "/reliability", Commenting: w.BaseURL + "/commenting"}
	f.Areas = w.areaLinks(b.Subscriptions)
	var slugs []string
	for _, cases := range [][]alerts.CaseNews{b.Cases, b.Reminders} {
		for _, n := range cases {
			if !slices.Contains(slugs, n.Authority) {
				slugs = append(slugs, n.Authority)
			}
		}
	}
	for _, o := range b.Recovered {
		if !slices.Contains(slugs, o.Authority) {
			slugs = append(slugs, o.Authority)
		}
	}
	slices.Sort(slugs)
	for _, slug := range slugs {
		if words := w.readWords(slug); words != "" {
			f.Read = append(f.Read, words)
		}
	}
	return f
}

func (w *writer) areaLinks(subs []alerts.Subscription) (links []areaLink) {
	for _, sub := range subs {
		links = append(links, areaLink{Words: alerts.AreaWords(sub.Current.Area) + ", " + alerts.CadenceWords(sub.Current.Cadence),
			Stop: w.BaseURL + "/stop/" + w.Keys.Sign("stop", strconv.FormatInt(sub.ID, 10))})
	}
	return links
}
