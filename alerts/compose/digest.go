package compose

import (
	"cmp"
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
	maxCards = 50     // shown in full
	maxBrief = 100    // then, in one line each; the rest is counted
	maxHTML  = 90_000 // bytes
)

// A digest is what a mail of alerts says, before it is text or HTML.
type digest struct {
	Subject  string
	Title    string
	Sections []section
	Footer   footer
}

// A section is the news of one area.
type section struct {
	Title string // "Within 500 m of NW1 8NH"
	Cards []card
	Brief []card // shown in one line each
	More  int    // not shown at all
	All   string // page with all of them
}

// A card is the news of one application.
type card struct {
	Tags        []string // what happened: "New", "Open for comments"
	Title       string   // its address
	Where       string   // "180 m north-east of NW1 8NH"
	Also        string   // "Also within 1 km of N1C 4AG"
	Description string
	Facts       []string // "Householder", "Under consideration"
	Deadline    string   // until when to comment, and who says so
	Open        bool     // the deadline is still to come
	Notes       []string
	Changes     []change
	Council     string // the council's page
	CouncilHost string
	Comment     string // where the council takes comments, while it does
	Page        string // ours
	Reference   string
	Authority   string
}

// A change is one field that has changed.
type change struct {
	Field           alerts.Field
	Label, Old, New string
}

// A footer says why a mail came and how to stop it.
type footer struct {
	Areas       []areaLink
	Stop        string // all that the message serves
	StopWords   string // "Stop all daily alerts"
	Manage      string
	Read        []string // when each council was last read
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
}

func (s *Stage) writer(ctx context.Context, now time.Time) (*writer, error) {
	all, err := s.Store.Authorities(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{Stage: s, now: now, today: alerts.DateOf(now), authorities: map[string]alerts.Coverage{}}
	for _, c := range all {
		w.authorities[c.Slug] = c
	}
	return w, nil
}

// bulletin writes the mail of a bulletin.
func (w *writer) bulletin(b alerts.Bulletin) (alerts.Delivery, error) {
	var d digest
	var html string
	for cards := maxCards; ; cards = cards * 3 / 4 {
		d = w.digest(b, cards)
		var err error
		if html, err = d.html(); err != nil {
			return alerts.Delivery{}, err
		}
		if len(html) <= maxHTML || cards <= 1 {
			break
		}
	}
	return alerts.Delivery{Kind: alerts.DeliveryAlert, RecipientID: b.Recipient.ID, Cadence: b.Cadence, MessageID: w.messageID(),
		Subject: d.Subject, Text: d.text(), HTML: html, Headers: []alerts.Header{
			{Name: "List-Unsubscribe", Value: w.listUnsubscribe(d.Footer.Stop, b)},
			{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"},
			{Name: "List-Id", Value: "<" + string(b.Cadence) + ".alerts." + w.host() + ">"},
			{Name: "Auto-Submitted", Value: "auto-generated"},
		}}, nil
}

// listUnsubscribe names the link that stops what a bulletin serves, and the address
// that does, where mail to us is read.
func (w *writer) listUnsubscribe(stop string, b alerts.Bulletin) string {
	if w.Inbound.IsZero() {
		return "<" + stop + ">"
	}
	return "<" + stop + ">, <mailto:" + w.Inbound.Unsubscribe(b.Recipient.ID, b.Serves()) + "?subject=unsubscribe>"
}

// digest sorts the news by area, each case under the nearest, and by how much it
// matters: first what people can still comment on.
func (w *writer) digest(b alerts.Bulletin, cards int) digest {
	cases := slices.Clone(b.Cases)
	slices.SortStableFunc(cases, func(a, b alerts.CaseNews) int {
		return cmp.Or(cmp.Compare(w.rank(a), w.rank(b)), cmp.Compare(a.Details.CommentsUntil, b.Details.CommentsUntil))
	})
	sections := make([]section, len(b.Subscriptions))
	for i, sub := range b.Subscriptions {
		sections[i] = section{Title: alerts.Capital(alerts.AreaWords(sub.Current.Area)), All: w.areaPage(sub.Current.Area)}
	}
	var order []int // of the areas, by what is most pressing in each
	for i, n := range cases {
		at, others := nearest(b.Subscriptions, n)
		s := &sections[at]
		if !slices.Contains(order, at) {
			order = append(order, at)
		}
		switch {
		case i < cards:
			s.Cards = append(s.Cards, w.card(n, b.Subscriptions[at].Current.Area, others))
		case i < cards+maxBrief:
			s.Brief = append(s.Brief, w.card(n, b.Subscriptions[at].Current.Area, nil))
		default:
			s.More++
		}
	}
	d := digest{Subject: w.subject(b, cases), Title: title(b), Footer: w.footer(b)}
	for _, at := range order {
		d.Sections = append(d.Sections, sections[at])
	}
	return d
}

// rank puts first what can be commented on by a known day, then what is open.
func (w *writer) rank(n alerts.CaseNews) int {
	switch d := n.Details; {
	case d.IsOpen() && d.CommentsUntil >= w.today && !n.Correction:
		return 0
	case d.IsOpen() && !n.Correction:
		return 1
	}
	return 2
}

// nearest returns which of the areas that a case concerns has its centre nearest
// to it, and the others. Areas without a centre come last.
func nearest(subs []alerts.Subscription, n alerts.CaseNews) (at int, others []alerts.Area) {
	at = -1
	best := 0.0
	distance := func(a alerts.Area) float64 {
		g, err := n.Details.Site.Geometry()
		if err != nil || g == nil || !hasCentre(a) {
			return 1e9
		}
		_, d := geo.Nearest(a.Centre, g)
		return d
	}
	for i, sub := range subs {
		if !slices.Contains(n.Subscriptions, sub.ID) {
			continue
		}
		if d := distance(sub.Current.Area); at < 0 || d < best {
			at, best = i, d
		}
	}
	for i, sub := range subs {
		if i != at && slices.Contains(n.Subscriptions, sub.ID) {
			others = append(others, sub.Current.Area)
		}
	}
	return at, others
}

func hasCentre(a alerts.Area) bool { return a.Centre != geo.Point{} }

// areaPage is the page with everything in an area.
func (w *writer) areaPage(a alerts.Area) string {
	switch {
	case a.Kind == alerts.AreaAuthority:
		return w.BaseURL + "/authorities/" + url.PathEscape(a.Code)
	case !hasCentre(a):
		return w.BaseURL + "/"
	}
	number := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	return w.BaseURL + "/near?" + url.Values{"lat": {number(a.Centre.Lat, 5)}, "lon": {number(a.Centre.Lon, 5)}, "radius": {number(max(a.Radius, alerts.MinRadius), 0)}}.Encode()
}

func (w *writer) card(n alerts.CaseNews, area alerts.Area, others []alerts.Area) card {
	d := n.Details
	c := card{
		Tags:        tags(n),
		Title:       alerts.Line(d.Address, 160),
		Where:       where(area, d.Site),
		Description: alerts.Line(d.Description, 500),
		Council:     alerts.WebLink(d.URL),
		Page:        w.page(alerts.Ref{Authority: n.Authority, Number: d.Reference}),
		Reference:   alerts.Line(d.Reference, 60),
		Authority:   w.authority(n.Authority),
		Changes:     changes(n),
	}
	if slices.ContainsFunc(c.Changes, func(ch change) bool { return ch.Field == alerts.FieldDescription && ch.New != "" }) {
		c.Description = "" // it is among the changes
	}
	c.CouncilHost = alerts.LinkHost(c.Council)
	if c.Title == "" {
		c.Title = "Application " + c.Reference
	}
	if len(others) > 0 {
		words := make([]string, len(others))
		for i, a := range others {
			words[i] = alerts.AreaWords(a)
		}
		c.Also = "Also " + alerts.Listing(words)
	}
	if d.Kind != "" && d.Kind != alerts.KindOther {
		c.Facts = append(c.Facts, alerts.KindLabel(d.Kind))
	}
	c.Facts = append(c.Facts, alerts.StateWords(d))
	if d.IsOpen() && !n.Correction {
		c.Deadline = alerts.DeadlineWords(d, w.today)
		if source := alerts.SourceWords(d); source != "" && d.CommentsUntil != "" {
			c.Deadline += ", according to " + source
		}
		if c.Open = d.CommentsUntil >= w.today; c.Open || d.CommentsUntil == "" {
			c.Comment = alerts.WebLink(d.CommentURL)
		}
	}
	c.Notes = w.notes(n, area)
	return c
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
	switch words := alerts.WhereWords(a.Centre, s); words {
	case "", "here":
		return "At " + name
	default:
		return alerts.Capital(words) + " of " + name
	}
}

// notes are what else a reader has to know.
func (w *writer) notes(n alerts.CaseNews, area alerts.Area) (notes []string) {
	last := n.Events[len(n.Events)-1]
	switch {
	case n.Correction && last.Type == alerts.EventRemoved:
		return []string{"We told you of this application. It has been taken down since, and we show no more of it."}
	case n.Correction && last.Type == alerts.EventRecalled:
		return []string{"We told you of this application, but the file in which we read it was a mistake. This is how it stands without that file."}
	case n.Correction:
		return []string{"We told you of this application, but its position was wrong or has changed: it is not " + inArea(area) + "."}
	}
	if n.FoundAt != 0 {
		notes = append(notes, "We should have told you of this earlier. Our nightly check found on "+alerts.DateOf(time.UnixMilli(n.FoundAt)).Long()+" that we had not, and we are sorry.")
	}
	for _, e := range n.Events {
		if e.Late {
			day := ""
			if newest := e.After.Newest(); newest != "" {
				day = ": its own date is " + newest.Long()
			}
			notes = append(notes, "Published late"+day+", but the council’s data first showed it on "+alerts.DateOf(time.UnixMilli(e.At)).Long()+".")
			break
		}
	}
	if n.Details.Site.Uncertainty >= 50 {
		notes = append(notes, "Its position is only approximate, so it may be further away or nearer.")
	}
	return notes
}

func inArea(a alerts.Area) string {
	words := alerts.AreaWords(a)
	if a.Kind == alerts.AreaCircle {
		return words
	}
	return "in " + words
}

// tags say in a word or two what happened to a case, the most important first.
func tags(n alerts.CaseNews) (out []string) {
	if n.Correction && !n.Events[len(n.Events)-1].Type.TakesBack() {
		return []string{"Correction"}
	}
	add := func(tag string) {
		if !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	for _, t := range alerts.EventTypes {
		for _, e := range n.Events {
			if e.Type == t {
				add(tag(e))
			}
		}
	}
	return out
}

func tag(e *alerts.Event) string {
	switch e.Type {
	case alerts.EventReceived:
		return "New"
	case alerts.EventConsultation:
		if e.Before != nil && e.Before.CommentsUntil != "" && e.Before.CommentsUntil != e.After.CommentsUntil {
			return "New closing date"
		}
		return "Open for comments"
	case alerts.EventAmended:
		return "Changed"
	case alerts.EventCommittee:
		if e.After.Committee != "" {
			return "Committee on " + e.After.Committee.Short()
		}
		return "Goes to a committee"
	case alerts.EventDecided:
		if e.After.Decision != alerts.DecisionNone {
			return alerts.DecisionLabel(e.After.Decision)
		}
		return "Decided"
	case alerts.EventAppealed:
		return "Appeal"
	case alerts.EventAppealDecided:
		if e.After.AppealDecision != alerts.AppealNone {
			return "Appeal " + strings.ToLower(alerts.AppealLabel(e.After.AppealDecision))
		}
	case alerts.EventLocated:
		return "Position now known"
	case alerts.EventCorrected:
		return "Corrected"
	}
	return alerts.EventLabel(e.Type)
}

// toldFields are the fields of which a type of event tells the change. What the
// card says anyway is not among them.
var toldFields = map[alerts.EventType][]alerts.Field{
	alerts.EventAmended:      {alerts.FieldDescription, alerts.FieldAddress, alerts.FieldKind, alerts.FieldScale},
	alerts.EventConsultation: {alerts.FieldCommentsFrom, alerts.FieldCommentsUntil},
	alerts.EventCommittee:    {alerts.FieldCommittee},
	alerts.EventCorrected: {alerts.FieldStatus, alerts.FieldDecision, alerts.FieldDecided, alerts.FieldWithdrawn, alerts.FieldCommentsUntil,
		alerts.FieldAppealRef, alerts.FieldAppealLodged, alerts.FieldAppealDecided, alerts.FieldAppealDecision},
}

// changes lists what differs from what was known before the first of the events.
func changes(n alerts.CaseNews) (out []change) {
	var fields []alerts.Field
	for _, e := range n.Events {
		fields = append(fields, toldFields[e.Type]...)
	}
	last := n.Events[len(n.Events)-1]
	for _, c := range alerts.Diff(n.Events[0].Before, &last.After) {
		if !slices.Contains(fields, c.Field) {
			continue
		}
		was, is := alerts.Line(alerts.ValueWords(c.Field, c.Old), 500), alerts.Line(alerts.ValueWords(c.Field, c.New), 500)
		if was == is || was == "" && c.Field != alerts.FieldCommentsFrom {
			continue // said elsewhere, and new
		}
		out = append(out, change{c.Field, alerts.Capital(c.Label), was, is})
	}
	return out
}

func nearWords(subs []alerts.Subscription) string {
	if len(subs) != 1 {
		return fmt.Sprintf("in your %d areas", len(subs))
	}
	a := subs[0].Current.Area
	switch {
	case a.Label == "":
		return "in your area"
	case a.Kind == alerts.AreaCircle:
		return "near " + a.Label
	}
	return "in " + a.Label
}

func title(b alerts.Bulletin) string {
	return alerts.Plural(len(b.Cases), "application", "applications") + " " + nearWords(b.Subscriptions)
}

// subject says the point in at most 120 characters.
func (w *writer) subject(b alerts.Bulletin, cases []alerts.CaseNews) string {
	deadline := ""
	if first := cases[0]; w.rank(first) == 0 {
		deadline = "comment by " + first.Details.CommentsUntil.Short()
	}
	if len(cases) == 1 {
		c := w.card(cases[0], b.Subscriptions[0].Current.Area, nil)
		subject := c.Tags[0] + ": " + alerts.Line(c.Title, 70)
		if deadline != "" {
			subject += " (" + deadline + ")"
		}
		return alerts.Line(subject, 120)
	}
	counts := map[string]int{}
	for _, n := range cases {
		counts[newsClass(n)]++
	}
	var parts []string
	for _, class := range []string{"new", "changed", "decided", "corrected"} {
		if n := counts[class]; n > 0 {
			parts = append(parts, alerts.Thousands(n)+" "+class)
		}
	}
	subject := alerts.Plural(len(cases), "application", "applications") + " " + alerts.Line(nearWords(b.Subscriptions), 50) + ": " + strings.Join(parts, ", ")
	if deadline != "" {
		subject += "; " + deadline
	}
	return alerts.Line(subject, 120)
}

// newsClass sorts a case's news roughly, for counting.
func newsClass(n alerts.CaseNews) string {
	has := func(types ...alerts.EventType) bool {
		return slices.ContainsFunc(n.Events, func(e *alerts.Event) bool { return slices.Contains(types, e.Type) })
	}
	switch {
	case n.Correction:
		return "corrected"
	case has(alerts.EventReceived, alerts.EventLocated):
		return "new"
	case has(alerts.EventDecided, alerts.EventWithdrawn, alerts.EventAppealDecided):
		return "decided"
	}
	return "changed"
}

func (w *writer) footer(b alerts.Bulletin) footer {
	serves := b.Serves()
	f := footer{Manage: w.manageURL(b.Recipient.ID, w.now), Attribution: w.Attribution, Contact: w.Contact, Home: w.BaseURL,
		Stop: w.unsubscribeURL(b.Recipient.ID, serves)}
	names := make([]string, len(serves))
	for i, c := range serves {
		names[i] = string(c)
	}
	f.StopWords = "Stop all " + alerts.Listing(names) + " alerts"
	for _, sub := range b.Subscriptions {
		f.Areas = append(f.Areas, areaLink{Words: alerts.AreaWords(sub.Current.Area) + ", " + alerts.CadenceWords(sub.Current.Cadence),
			Stop: w.BaseURL + "/stop/" + w.Keys.Sign("stop", strconv.FormatInt(sub.ID, 10))})
	}
	var slugs []string
	for _, n := range b.Cases {
		if !slices.Contains(slugs, n.Authority) {
			slugs = append(slugs, n.Authority)
		}
	}
	slices.Sort(slugs)
	for _, slug := range slugs {
		if a := w.authorities[slug]; a.LastRead > 0 {
			f.Read = append(f.Read, a.Name+": "+time.UnixMilli(a.LastRead).In(alerts.London).Format("2 January 2006 at 15:04"))
		}
	}
	return f
}
