package compose

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
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
	l        alerts.Language
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
	w = w.in(b.Recipient.Language)
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
	d := digest{l: w.l, Subject: w.subject(b, news), Title: w.title(b), Footer: w.footer(b, stops), stops: stops, Total: len(b.Cases) + len(b.Reminders)}
	for _, o := range b.Recovered {
		d.Lead = append(d.Lead, w.recovered(o, len(b.Cases) > 0))
	}
	sections := make([]section, len(b.Subscriptions))
	for i, sub := range b.Subscriptions {
		sections[i] = section{Title: alerts.Capital(w.l.AreaWords(sub.Current.Area)), area: sub.Current.Area}
	}
	var order []int // of the areas
	number, shown, brief := 0, 0, 0
	for _, r := range news {
		s := &sections[r.at]
		if !r.reminder && !slices.Contains(order, r.at) && brief < maxBrief {
			order = append(order, r.at)
		}
		switch {
		case shown+len(r.cases) <= most || shown == 0:
			number, shown = number+1, shown+len(r.cases)
			told := w.site(r, b.Subscriptions[r.at], number, b.Recipient.ID)
			if r.reminder {
				d.Closing = append(d.Closing, told)
			} else {
				s.Sites = append(s.Sites, told)
			}
		case brief < maxBrief:
			for _, n := range r.cases {
				s.Brief = append(s.Brief, w.card(n, s.area))
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
			s.Picture = s.picture(w.l, fmt.Sprintf("where%d.%s", i+1, messageID))
		}
		d.Sections = append(d.Sections, sections[at])
	}
	if brief > 0 {
		d.All = w.BaseURL + "/told/" + w.Keys.Sign("told", messageID)
	}
	return d
}
