package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

type linksPage struct {
	Email   string
	Problem string
	Mailbox bool
}

// showLinks offers to mail a link to one's alerts.
func (s *Server) showLinks(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "links.html", "Manage your alerts", linksPage{})
}

// sendLink mails a manage link to whoever is subscribed, and says the same to
// everybody.
func (s *Server) sendLink(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	address, fault := alerts.ParseAddress(r.PostForm.Get("email"))
	if fault != nil {
		return s.render(w, r, http.StatusUnprocessableEntity, "links.html", "Error: Manage your alerts",
			linksPage{Email: clip(r.PostForm.Get("email"), 400), Problem: fault.Problem})
	}
	err := s.Store.RequestLink(r.Context(), s.Keys.AddressKeys(address), s.client(r), s.Limits, s.Now(), func(l alerts.Letter) (alerts.Delivery, error) {
		m := ManageMail{Recipient: l.Recipient}
		m.ManageURL, m.Valid = s.manageURL(l.Recipient.ID, alerts.RequestedManageDays)
		return s.addressed(s.ManageMail(m))
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/links/sent", http.StatusSeeOther)
	return nil
}

func (s *Server) sentLink(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "linksent.html", "Check your e-mail", linksPage{Mailbox: s.Mailbox})
}

// A holder is somebody who came by a manage link.
type holder struct {
	Token     string
	Recipient int64
	Until     alerts.Date // last day on which the link works
}

// Path is the address of the page, or of something below it.
func (h holder) Path(below ...string) string {
	return strings.Join(append([]string{"/manage/" + h.Token}, below...), "/")
}

// holderOf reads the manage token in the address.
func (s *Server) holderOf(r *http.Request) (h holder, err error) {
	h.Token = mux.Vars(r)["token"]
	subject, err := s.Keys.Verify("manage", h.Token)
	if err != nil {
		return h, err
	}
	id, day, _ := strings.Cut(subject, ":")
	h.Recipient, err = strconv.ParseInt(id, 10, 64)
	last, err2 := alerts.ParseDate(day)
	if err != nil || err2 != nil || last == "" {
		return h, alerts.ErrBadToken
	}
	h.Until = last
	if last < alerts.DateOf(s.Now()) {
		return h, alerts.ErrExpired
	}
	return h, nil
}

type managePage struct {
	Holder  holder
	Address string // as its owner may see it
	Areas   []manageArea
	Ended   []manageArea
	Done    string
	Place   placeForm // of the form that adds an area
	Add     signUpForm
	Wished  []string
	Erase   string // problem beside the box
	Kept    int64
	Today   alerts.Date
}

type manageArea struct {
	alerts.Subscription
	Edit     signUpForm
	Label    string
	Coverage []alerts.Coverage
	Paused   string // until when, in words; empty when it is not paused
	Problem  string // beside the pause date
	Open     bool   // the form is unfolded, because of a problem in it
}

// Kinds says which kinds of application are wanted.
func (a manageArea) Kinds() string { return kindWords(a.Current.Filter) }

// Near is the address of the list of applications in the area; empty if it is no
// circle.
func (a manageArea) Near() string {
	if a.Current.Area.Kind != alerts.AreaCircle {
		return ""
	}
	f := placeForm{Lat: strconv.FormatFloat(a.Current.Area.Centre.Lat, 'f', 5, 64), Lon: strconv.FormatFloat(a.Current.Area.Centre.Lon, 'f', 5, 64)}
	return f.Near(a.Current.Area.Radius)
}

// Uncovered are the councils of the area that no feed covers.
func (a manageArea) Uncovered() []alerts.Coverage { return uncovered(a.Coverage) }

// doneWords is what a page says after a change; the code comes in the address, so
// anything else says nothing.
var doneWords = map[string]string{
	"added":   "The area has been added.",
	"edited":  "Your change has been saved. It counts from the next application on.",
	"paused":  "The area is paused. We go on looking and will send what you missed in one mail when you resume.",
	"resumed": "The area is no longer paused. What you missed comes in one mail.",
	"stopped": "You will get no more mail about this area. If that was a mistake, take it up again below.",
	"undone":  "You follow this area again.",
	"wished":  "We will write once when that council is covered.",
}

// manage shows a person's alerts.
func (s *Server) manage(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holderOf(r)
	if errors.Is(err, alerts.ErrExpired) {
		return s.render(w, r, http.StatusGone, "expired.html", "This link has expired", linksPage{})
	}
	if err != nil {
		return err
	}
	return s.renderManage(w, r, http.StatusOK, h, func(p *managePage) { p.Done = doneWords[r.URL.Query().Get("done")] })
}

func (s *Server) renderManage(w http.ResponseWriter, r *http.Request, status int, h holder, change func(*managePage)) error {
	ctx := r.Context()
	standing, err := s.Store.Standing(ctx, h.Recipient)
	if errors.Is(err, alerts.ErrNotFound) || err == nil && standing.Recipient.Address == "" {
		return s.render(w, r, http.StatusOK, "erased.html", "Nothing is kept about you", nil)
	}
	if err != nil {
		return err
	}
	now := s.Now()
	page := managePage{Holder: h, Address: standing.Recipient.Address, Today: alerts.DateOf(now),
		Place: placeForm{Radius: alerts.DefaultRadius, HavePostcodes: s.Postcodes != nil}, Add: signUpForm{Cadence: cmp.Or(s.Cadence, alerts.Daily), Radius: alerts.DefaultRadius}}
	if page.Wished, err = s.Store.CoverageWishes(ctx, h.Recipient); err != nil {
		return err
	}
	for _, sub := range standing.Subscriptions {
		a := manageArea{Subscription: sub, Label: sub.Current.Area.Label,
			Edit: signUpForm{Radius: sub.Current.Area.Radius, Cadence: sub.Current.Cadence, Groups: groupsOf(sub.Current.Filter)}}
		if sub.PausedUntil > now.UnixMilli() {
			a.Paused = "until you resume it"
			if sub.PausedUntil != alerts.Forever {
				a.Paused = "until " + alerts.DateOf(time.UnixMilli(sub.PausedUntil)).Long()
			}
		}
		if a.Coverage, err = s.coverage(ctx, sub.Current.Area); err != nil {
			return err
		}
		page.Areas = append(page.Areas, a)
	}
	if id, err := strconv.ParseInt(r.URL.Query().Get("ended"), 10, 64); err == nil {
		if sub, err := s.Store.Subscription(ctx, id); err == nil && sub.RecipientID == h.Recipient && sub.State == alerts.SubscriptionEnded && sub.Current.ID != 0 {
			page.Ended = append(page.Ended, manageArea{Subscription: sub, Label: sub.Current.Area.Label})
		}
	}
	title := "Your alerts"
	change(&page)
	if status >= 400 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "manage.html", title, page)
}

// acting reads the link and the form of a change on the manage page.
func (s *Server) acting(r *http.Request) (holder, error) {
	h, err := s.holderOf(r)
	if err != nil {
		return h, err
	}
	if err := r.ParseForm(); err != nil {
		return h, badForm(err)
	}
	return h, nil
}

// areaID is the number of the subscription in the address.
func areaID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(mux.Vars(r)["id"], 10, 64)
	if err != nil {
		return 0, alerts.ErrNotFound
	}
	return id, nil
}

// back returns to the manage page, to say what was done.
func back(w http.ResponseWriter, r *http.Request, h holder, done string, more ...string) error {
	v := url.Values{"done": {done}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	http.Redirect(w, r, h.Path()+"?"+v.Encode(), http.StatusSeeOther)
	return nil
}

// addArea adds another area at once: who holds the link has the address.
func (s *Server) addArea(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	form, at, ok := s.find(r.PostForm)
	add := readSignUp(r.PostForm)
	if !ok {
		if form.Problem == nil {
			form.Problem = &alerts.InvalidError{Field: "postcode", Problem: "Enter a postcode"}
			if !form.HavePostcodes {
				form.Problem.Field, form.Problem.Problem = "lat", "Enter a latitude and a longitude"
			}
		}
		return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(p *managePage) { p.Place, p.Add = form, add })
	}
	area := alerts.Area{Kind: alerts.AreaCircle, Centre: at.Centre, Radius: add.Radius, Label: at.Label}
	if label := alerts.CleanLabel(r.PostForm.Get("label")); label != "" {
		area.Label = label
	}
	if add.Problems = alerts.CheckWish(area, alerts.Filter{}, add.Cadence); len(add.Problems) == 0 {
		_, err = s.Store.AddArea(r.Context(), h.Recipient, alerts.SignUp{Area: area, Filter: filterOf(add.Groups), Cadence: add.Cadence, Page: "/manage"}, s.Now())
		if err == nil {
			return back(w, r, h, "added")
		}
		if !errors.Is(err, alerts.ErrConflict) {
			return err
		}
		form.Problem = &alerts.InvalidError{Field: "postcode", Problem: "You already follow this area: change it above"}
		if form.ByPosition() {
			form.Problem.Field = "lat"
		}
	}
	return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(p *managePage) { p.Place, p.Add = form, add })
}

// editArea changes radius, label, kinds and frequency.
func (s *Server) editArea(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	sub, err := s.ownArea(r, h, id)
	if err != nil {
		return err
	}
	edit := readSignUp(r.PostForm)
	wish := alerts.Wish{Radius: edit.Radius, Label: r.PostForm.Get("label"), Filter: filterOf(edit.Groups), Cadence: edit.Cadence}
	next := wish.Apply(sub.Current)
	if edit.Problems = alerts.CheckWish(next.Area, next.Filter, next.Cadence); len(edit.Problems) > 0 {
		return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(p *managePage) {
			for i := range p.Areas {
				if a := &p.Areas[i]; a.ID == id {
					a.Edit, a.Open, a.Label = edit, true, clip(r.PostForm.Get("label"), 60)
				}
			}
		})
	}
	if err := s.Store.Edit(r.Context(), h.Recipient, id, wish, s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "edited")
}

func (s *Server) actingOn(r *http.Request) (h holder, id int64, err error) {
	if h, err = s.acting(r); err == nil {
		id, err = areaID(r)
	}
	return h, id, err
}

func (s *Server) ownArea(r *http.Request, h holder, id int64) (alerts.Subscription, error) {
	sub, err := s.Store.Subscription(r.Context(), id)
	if err == nil && sub.RecipientID != h.Recipient {
		err = alerts.ErrNotFound
	}
	return sub, err
}

// pauseArea holds mail back until a day, or until further notice.
func (s *Server) pauseArea(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	until := int64(alerts.Forever)
	if typed := strings.TrimSpace(r.PostForm.Get("until")); typed != "" {
		day, err := alerts.ParseDate(typed)
		today := alerts.DateOf(s.Now())
		problem := ""
		switch {
		case err != nil:
			problem = "Enter a date like " + string(today.AddDays(14)) + ", or leave it empty"
		case day <= today:
			problem = "Choose a day after today, or leave it empty"
		case day > today.AddDays(366):
			problem = "Choose a day within a year, or leave it empty"
		}
		if problem != "" {
			return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(p *managePage) {
				for i := range p.Areas {
					if a := &p.Areas[i]; a.ID == id {
						a.Problem, a.Open = problem, true
					}
				}
			})
		}
		t := day.Time()
		until = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, alerts.London).UnixMilli()
	}
	if err := s.Store.Pause(r.Context(), h.Recipient, id, until, s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "paused")
}

func (s *Server) resumeArea(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	if err := s.Store.Resume(r.Context(), h.Recipient, id, s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "resumed")
}

func (s *Server) stopArea(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	if _, err := s.ownArea(r, h, id); err != nil {
		return err
	}
	if _, err := s.Store.End(r.Context(), id, "/manage", s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "stopped", "ended", strconv.FormatInt(id, 10))
}

func (s *Server) undoArea(w http.ResponseWriter, r *http.Request) error {
	h, id, err := s.actingOn(r)
	if err != nil {
		return err
	}
	if _, err := s.Store.Undo(r.Context(), h.Recipient, id, nil, s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "undone")
}

func (s *Server) wishCoverage(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	standing, err := s.Store.Standing(r.Context(), h.Recipient)
	if err != nil {
		return err
	}
	if err := s.storeWishes(r, standing, r.PostForm["tell"]); err != nil {
		return err
	}
	return back(w, r, h, "wished")
}

// erase forgets the person, once the box is ticked.
func (s *Server) erase(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	if r.PostForm.Get("sure") != "yes" {
		return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(p *managePage) {
			p.Erase = "Tick the box if you want everything erased"
		})
	}
	if err := s.Store.Erase(r.Context(), h.Recipient, s.Now()); err != nil && !errors.Is(err, alerts.ErrNotFound) {
		return err
	}
	return s.render(w, r, http.StatusOK, "erased.html", "Everything has been erased", true)
}

// ownData is a person's own copy of what is kept about them.
func (s *Server) ownData(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holderOf(r)
	if err != nil {
		return err
	}
	own, err := s.Store.Personal(r.Context(), h.Recipient)
	if err != nil {
		return err
	}
	head := w.Header()
	head.Set("Content-Type", "application/json; charset=utf-8")
	head.Set("Content-Disposition", `attachment; filename="sitenotice.json"`)
	head.Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(own)
}
