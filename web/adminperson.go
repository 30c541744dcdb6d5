package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is one person's page: what they follow, roughly where, what they were
// sent and why, and what can be done for them.

type personPage struct {
	adminPage
	Number     int64
	Kind       string
	Person     alerts.Personal
	Reason     string // why the page was opened
	Areas      []personArea
	Mails      []personMail
	Older      string
	Others     []alerts.Recipient // kept under the same address
	Liftable   bool
	Acts       []actRow
	Reference  string
	EraseFault string
}

// Path is the address of the page, or of something below it.
func (p personPage) Path(below ...any) string {
	path := personPath(p.Number)
	for _, b := range below {
		path += "/" + fmt.Sprint(b)
	}
	return path
}

// Gone reports whether the person was erased.
func (p personPage) Gone() bool { return p.Person.Address == "" }

// A personArea is a subscription as it is shown: what is followed, and roughly where.
type personArea struct {
	alerts.PersonalArea
	Words  string
	Often  alerts.Cadence
	Active bool
}

type personMail struct {
	alerts.SentMail
	What, Outcome string
}

var personKinds = map[string]string{
	"subscriber": "gets alerts",
	"account":    "signs in to run something",
	"contact":    "is told when a register or the service needs a person",
}

// mailWords say what a mail was for.
var mailWords = map[alerts.DeliveryKind]string{
	alerts.DeliveryConfirm:  "Asked to confirm",
	alerts.DeliveryManage:   "Link to change alerts",
	alerts.DeliverySignIn:   "Link to sign in",
	alerts.DeliveryInvite:   "Invitation to a group",
	alerts.DeliveryAlert:    "Alert",
	alerts.DeliveryQuiet:    "Note that nothing was new",
	alerts.DeliveryOutage:   "Note that a register was not read",
	alerts.DeliveryCoverage: "Note that a council is covered now",
	alerts.DeliveryEnded:    "Last mail about an application",
	alerts.DeliveryNotice:   "Notice",
}

// cadenceMails say what kind of alert a mail was.
var cadenceMails = map[alerts.Cadence]string{
	alerts.Immediate: "Alert, as it happened",
	alerts.Daily:     "Daily mail",
	alerts.Weekly:    "Weekly mail",
}

// fateWords say what is known of a mail since it was accepted.
var fateWords = map[string]string{
	"delivered":  "The recipient’s server has taken it.",
	"bounced":    "It came back.",
	"complained": "It was marked as spam.",
}

func newPersonMail(m alerts.SentMail) personMail {
	p := personMail{SentMail: m, What: cmp.Or(cadenceMails[m.Cadence], mailWords[m.Kind], string(m.Kind))}
	if m.AgainOf != 0 {
		p.What = "Copy, sent again: " + strings.ToLower(cmp.Or(mailWords[m.Kind], string(m.Kind)))
	}
	switch m.State {
	case alerts.DeliverySent:
		p.Outcome = strings.TrimSpace("Accepted by the next mail server on " + alerts.English.Moment(m.SentAt) + ". " + fateWords[m.Fate])
	case alerts.DeliveryGivenUp:
		p.Outcome = ended(strings.TrimSuffix("Given up: "+m.Error, ": "))
	case alerts.DeliveryCancelled:
		p.Outcome = ended(strings.TrimSuffix("Not sent: "+m.Error, ": "))
	default:
		p.Outcome = "Waits to be sent."
		if m.Attempts > 0 {
			p.Outcome = fmt.Sprintf("Could not be sent so far, tried %s: %s", alerts.English.Plural(m.Attempts, "time", "times"), ended(m.Error))
		}
	}
	return p
}

// personMails is how many mails a page shows.
const personMails = 20

// seenPerson returns why the reader has opened a person's page within the last hour;
// ok is false when they have not, and has then asked them why they need to.
func (s *Server) seenPerson(w http.ResponseWriter, r *http.Request, p adminPage, id int64) (reason string, ok bool, err error) {
	reason, err = s.Store.LookedFor(r.Context(), p.Me.Actor(), id, s.Now().Add(-alerts.LookFor))
	if err == nil {
		return reason, true, nil
	}
	if !errors.Is(err, alerts.ErrNotFound) {
		return "", false, err
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusForbidden
	}
	return "", false, s.renderOpen(w, r, status, p, id)
}

// person shows a person's page.
func (s *Server) person(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p := newAdminPage(r, a, "people")
	id := number(r, "person")
	reason, ok, err := s.seenPerson(w, r, p, id)
	if !ok {
		return err
	}
	return s.renderPerson(w, r, http.StatusOK, p, id, reason)
}

func (s *Server) renderPerson(w http.ResponseWriter, r *http.Request, status int, p adminPage, id int64, reason string) error {
	ctx := r.Context()
	kept, err := s.Store.Personal(ctx, id)
	if err != nil || kept.Kind == "endpoint" {
		return cmp.Or(err, alerts.ErrNotFound)
	}
	page := personPage{adminPage: p, Number: id, Kind: cmp.Or(personKinds[kept.Kind], kept.Kind), Person: kept, Reason: reason, EraseFault: p.ProblemAt("sure")}
	for _, area := range kept.Areas {
		page.Areas = append(page.Areas, personArea{area, roughly(area), alerts.Cadence(area.Frequency), area.State != string(alerts.SubscriptionEnded)})
	}
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	mails, err := s.Store.MailsTo(ctx, id, max(before, 0), personMails+1)
	if err != nil {
		return err
	}
	mails, more := cut(mails, personMails)
	for _, m := range mails {
		page.Mails = append(page.Mails, newPersonMail(m))
	}
	if more {
		page.Older = fmt.Sprintf("%s?before=%d", page.Path(), mails[len(mails)-1].ID)
	}
	if kept.Address != "" {
		others, err := s.Store.FindRecipients(ctx, s.Keys.AddressKeys(kept.Address))
		if err != nil {
			return err
		}
		for _, o := range others {
			if o.ID != id && !notAPerson(o) {
				page.Others = append(page.Others, o)
			}
		}
	}
	page.Liftable = kept.Suppressed != nil && alerts.MayLift(kept.Suppressed.Reason)
	acts, err := s.Store.Acts(ctx, alerts.RecipientSubject(id), "", 0, adminGlance)
	if err != nil {
		return err
	}
	if page.Acts, err = s.actRows(ctx, acts, p); err != nil {
		return err
	}
	title := fmt.Sprintf("Person %d", id)
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "adminperson.html", title, page)
}

var sector = regexp.MustCompile(`(?i)\b([a-z]{1,2}[0-9][a-z0-9]?) ?([0-9])[a-z]{2}\b`)

// roughly says what an area is, and where to about a kilometre: enough to understand
// why somebody was told, too little to know where they live. What they call it may
// say where, so it is shown only of wards, councils and applications.
func roughly(a alerts.PersonalArea) string {
	switch alerts.AreaKind(a.Area) {
	case alerts.AreaCircle:
		where := fmt.Sprintf("a place near %.2f, %.2f", a.Latitude, a.Longitude)
		if m := sector.FindStringSubmatch(a.Label); m != nil {
			where = "a place near " + strings.ToUpper(m[1]) + " " + m[2]
		}
		return "Within " + alerts.Metres(a.Radius) + " of " + where
	case alerts.AreaPolygon:
		return "An outline that they drew"
	case alerts.AreaApplication:
		return "The application " + a.Label
	}
	return alerts.Capital(a.Label)
}

// forPerson does something for a person whose page the reader has opened, and leads
// back to it. The reason for which it was opened is the one that is kept.
func (s *Server) forPerson(done string, do func(r *http.Request, p adminPage, id int64, reason string) error) signedIn {
	return func(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		p := newAdminPage(r, a, "people")
		id := number(r, "person")
		reason, ok, err := s.seenPerson(w, r, p, id)
		if !ok {
			return err
		}
		if err := do(r, p, id, reason); err != nil {
			fault, err := asProblem(err)
			if err != nil {
				return err
			}
			p.Problems = append(p.Problems, fault)
			return s.renderPerson(w, r, http.StatusUnprocessableEntity, p, id, reason)
		}
		http.Redirect(w, r, personPath(id)+"?done="+done, http.StatusSeeOther)
		return nil
	}
}

// sendAgain sends a copy of a mail.
func (s *Server) sendAgain(r *http.Request, p adminPage, id int64, reason string) error {
	d, _ := s.addressed(alerts.Delivery{}, nil)
	err := s.Store.SendAgain(r.Context(), id, number(r, "mail"), d.MessageID, p.act(alerts.ActPerson, alerts.ActSentAgain, alerts.RecipientSubject(id), reason), s.Now())
	switch {
	case errors.Is(err, alerts.ErrTooMany):
		return alerts.Invalid("again", "No more than %s a day may be sent again to one person. Please try tomorrow", alerts.English.Plural(alerts.SentAgainPerDay, "mail", "mails"))
	case errors.Is(err, alerts.ErrConflict):
		return alerts.Invalid("again", "This mail cannot be sent again: it was not sent, its words are no longer kept, something in it was taken down, or the person is not written to any more")
	}
	return err
}

// endOne ends a subscription.
func (s *Server) endOne(r *http.Request, p adminPage, id int64, reason string) error {
	return s.Store.EndFor(r.Context(), id, number(r, "subscription"), p.act(alerts.ActPerson, alerts.ActEnded, alerts.RecipientSubject(id), reason), s.Now())
}

// liftBar lets a person be written to again whom mail did not reach once.
func (s *Server) liftBar(r *http.Request, p adminPage, id int64, reason string) error {
	kept, err := s.Store.Personal(r.Context(), id)
	if err != nil {
		return err
	}
	if kept.Suppressed == nil || !alerts.MayLift(kept.Suppressed.Reason) {
		return alerts.Invalid("allow", "This address is not barred, or its owner wants it so")
	}
	return s.Store.Unsuppress(r.Context(), s.Keys.AddressKeys(kept.Address), p.act(alerts.ActPerson, alerts.ActLetIn, alerts.RecipientSubject(id), reason), s.Now())
}

// erasePerson forgets a person. Somebody who runs something has to be relieved of it
// first.
func (s *Server) erasePerson(r *http.Request, p adminPage, id int64, reason string) error {
	if r.PostForm.Get("sure") != "yes" {
		return alerts.Invalid("sure", "Tick the box if you are sure")
	}
	kept, err := s.Store.Personal(r.Context(), id)
	if err != nil {
		return err
	}
	if kept.Kind == "account" {
		operators, err := s.Store.Holders(r.Context(), alerts.ScopeOperator)
		if err != nil {
			return err
		}
		groups, err := s.Store.Groups(r.Context(), id)
		if err != nil {
			return err
		}
		for _, o := range operators {
			if o.ID == id {
				return alerts.Invalid("sure", "This account runs the service. Take its role away first, with the command sitenotice operators remove")
			}
		}
		if len(groups) > 0 {
			return alerts.Invalid("sure", "This account is in a group. Its owner can leave the group, or erase the account, on the page of the account")
		}
	}
	return s.Store.EraseFor(r.Context(), id, false, p.act(alerts.ActPerson, alerts.ActErased, alerts.RecipientSubject(id), reason), s.Now())
}

type personWhyPage struct {
	adminPage
	Number    int64
	Reference string
	Case      string
	Area      string
	Steps     []whyStep
	Found     []personWhyCase
	Asked     bool
}

// A personWhyCase is an application by the reference that was typed, with a link for
// each subscription.
type personWhyCase struct {
	Name  string
	Areas []whyNotArea
}

// personWhy says, event by event, why a person was or was not told of an application.
func (s *Server) personWhy(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	ctx := r.Context()
	p := newAdminPage(r, a, "people")
	id := number(r, "person")
	if _, ok, err := s.seenPerson(w, r, p, id); !ok {
		return err
	}
	page := personWhyPage{adminPage: p, Number: id}
	kept, err := s.Store.Personal(ctx, id)
	if err != nil {
		return err
	}
	area := func(sub int64) (alerts.PersonalArea, bool) {
		for _, a := range kept.Areas {
			if a.Subscription == sub {
				return a, true
			}
		}
		return alerts.PersonalArea{}, false
	}
	if variable(r, "subscription") == "" {
		page.Asked, page.Reference = true, alerts.Line(r.URL.Query().Get("reference"), alerts.MaxReference)
		found, err := s.Store.FindRecords(ctx, page.Reference, mostRecords)
		if err != nil {
			return err
		}
		for _, rec := range found {
			c := personWhyCase{Name: alerts.RecordSubject(rec.Ref)}
			for _, a := range kept.Areas {
				c.Areas = append(c.Areas, whyNotArea{roughly(a), fmt.Sprintf("%s/why/%d/%d", personPath(id), a.Subscription, rec.ID)})
			}
			page.Found = append(page.Found, c)
		}
		return s.render(w, r, http.StatusOK, "adminwhy.html", "Why, or why not", page)
	}
	followed, ok := area(number(r, "subscription"))
	if !ok {
		return alerts.ErrNotFound
	}
	ref, err := s.Store.RefOf(ctx, number(r, "case"))
	if err != nil {
		return err
	}
	x, err := s.Store.Explain(ctx, followed.Subscription, ref)
	if err != nil {
		return err
	}
	page.Case, page.Area = alerts.RecordSubject(x.Ref), roughly(followed)
	now := s.Now()
	for i := range x.Events {
		e := &x.Events[i]
		words := e.Words(alerts.English, &x, now)
		if e.Version != nil && e.Version.Area.Label != "" && e.Version.Area.Kind == alerts.AreaCircle {
			words = strings.ReplaceAll(words, e.Version.Area.Label, "their place") // which may say where they live
		}
		page.Steps = append(page.Steps, whyStep{What: alerts.English.EventLabel(e.Event.Type), At: alerts.English.Moment(e.Event.At), Words: words, Told: e.Match != nil && e.Closed == ""})
	}
	return s.render(w, r, http.StatusOK, "adminwhy.html", "Why, or why not", page)
}
