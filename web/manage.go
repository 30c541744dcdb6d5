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
	Kept    *keptForm // what was typed when the link ran out; nil for nothing
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
			linksPage{Email: clip(r.PostForm.Get("email"), 400), Problem: fault.In(languageOf(r))})
	}
	err := s.Store.RequestLink(r.Context(), s.Keys.AddressKeys(address), s.client(r), s.Limits, s.Now(), func(l alerts.Letter) (alerts.Delivery, error) {
		m := ManageMail{Recipient: l.Recipient}
		m.ManageURL, m.Valid = s.manageURL(l.Recipient.Language, l.Recipient.ID, alerts.RequestedManageDays)
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
	Ended   []manageArea // that were stopped by the change before
	Done    string
	Mutes   []alerts.Mute
	Move    *alerts.Move // asked for and not made yet
	NewMail string       // the other address, as typed
	Problem *alerts.InvalidError
	Extras  alerts.Preferences
	Tongue  alerts.Language // of the mails
	Tongues bool            // there are several to choose from
	Erase   string          // problem beside the box
	Today   alerts.Date
}

// ProblemAt is the problem beside a field of the settings.
func (p managePage) ProblemAt(field string) string {
	if p.Problem == nil || p.Problem.Field != field {
		return ""
	}
	return p.Problem.Problem
}

// Several reports whether more than one area is followed, so that all can be
// stopped at once.
func (p managePage) Several() bool { return len(p.Areas) > 1 }

type manageArea struct {
	alerts.Subscription
	Coverage []alerts.Coverage
	Paused   string // until when, in words; empty when it is not paused
	Until    string // the pause date as typed
	Problem  string // beside the pause date
}

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
	"tongue":  "From now on your mails come in the language you chose.",
	"extras":  "Your choice of reminders and notes has been saved.",
	"edited":  "Your change has been saved. It counts from the next application on.",
	"paused":  "The area is paused. We go on looking and will send what you missed in one mail when you resume.",
	"resumed": "The area is no longer paused. What you missed comes in one mail.",
	"stopped": "You will get no more mail about this area. If that was a mistake, take it up again below.",
	"undone":  "Taken up again: you hear of it from now on.",
	"ended":   "You will get no more alerts. If that was a mistake, take them up again below.",
	"wished":  "We will write once when that council is covered.",
	"unmuted": "You hear of it again from now on. What happened while it was muted is not told.",
	"moving":  "We have written to both addresses. Once the buttons in both mails have been pressed, your alerts go to the new one; until then nothing changes.",
	"stayed":  "Your alerts stay at the address they go to now.",
}

// manage shows a person's alerts.
func (s *Server) manage(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holderOf(r)
	if errors.Is(err, alerts.ErrExpired) {
		return s.expired(w, r)
	}
	if err != nil {
		return err
	}
	return s.renderManage(w, r, http.StatusOK, h, func(p *managePage) { p.Done = languageOf(r).Word(doneWords[r.URL.Query().Get("done")]) })
}

// expired says that a manage link has run out, and offers another.
func (s *Server) expired(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusGone, "expired.html", "This link has expired", linksPage{})
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
	l, now := languageOf(r), s.Now()
	page := managePage{Tongue: standing.Recipient.Language, Tongues: s.Welsh, Holder: h, Address: standing.Recipient.Address, Today: alerts.DateOf(now)}
	if page.Mutes, err = s.Store.Mutes(ctx, h.Recipient); err != nil {
		return err
	}
	for i, m := range page.Mutes {
		page.Mutes[i].Label = m.Name(l)
	}
	if move, err := s.Store.PendingMove(ctx, h.Recipient, now); err == nil {
		page.Move = &move
	} else if !errors.Is(err, alerts.ErrNotFound) {
		return err
	}
	if page.Extras, err = s.Store.Preferences(ctx, h.Recipient); err != nil {
		return err
	}
	for _, sub := range standing.Subscriptions {
		a := manageArea{Subscription: sub}
		if sub.PausedUntil > now.UnixMilli() {
			a.Paused = l.Say("until you resume it")
			if sub.PausedUntil != alerts.Forever {
				a.Paused = l.Say("until %s", alerts.DateOf(time.UnixMilli(sub.PausedUntil)))
			}
		}
		if a.Coverage, err = s.coverage(ctx, sub.Current.Area); err != nil {
			return err
		}
		page.Areas = append(page.Areas, a)
	}
	for _, ended := range r.URL.Query()["ended"] {
		id, err := strconv.ParseInt(ended, 10, 64)
		if err != nil || len(page.Ended) == alerts.MaxAreas {
			break
		}
		if sub, err := s.Store.Subscription(ctx, id); err == nil && sub.RecipientID == h.Recipient && sub.State == alerts.SubscriptionEnded && sub.Current.ID != 0 {
			page.Ended = append(page.Ended, manageArea{Subscription: sub})
		}
	}
	title := "Your alerts"
	change(&page)
	if page.Problem != nil {
		page.Problem = page.Problem.Said(l)
	}
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

// setPreferences changes what somebody wants of mail about all areas.
func (s *Server) setPreferences(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	p := alerts.Preferences{Notes: r.PostForm.Get("notes") != ""}
	if p.Remind, err = strconv.Atoi(cmp.Or(r.PostForm.Get("remind"), "0")); err != nil {
		p.Remind = -1
	}
	if faults := p.Check(); len(faults) > 0 {
		return faults[0]
	}
	if err := s.Store.SetPreferences(r.Context(), h.Recipient, p, s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "extras")
}

// setLanguage changes the language of somebody's mails.
func (s *Server) setLanguage(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	if err := s.Store.SetLanguage(r.Context(), h.Recipient, alerts.ParseLanguage(r.PostForm.Get("language")), s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "tongue")
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
	l := languageOf(r)
	until := int64(alerts.Forever)
	if typed := strings.TrimSpace(r.PostForm.Get("until")); typed != "" {
		day, err := alerts.ParseDate(typed)
		today := alerts.DateOf(s.Now())
		problem := ""
		switch {
		case err != nil:
			problem = l.Say("Enter a date like %s, or leave it empty", string(today.AddDays(14)))
		case day <= today:
			problem = l.Say("Choose a day after today, or leave it empty")
		case day > today.AddDays(366):
			problem = l.Say("Choose a day within a year, or leave it empty")
		}
		if problem != "" {
			return s.renderManage(w, r, http.StatusUnprocessableEntity, h, func(p *managePage) {
				for i := range p.Areas {
					if a := &p.Areas[i]; a.ID == id {
						a.Problem, a.Until = problem, clip(typed, 20)
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

// stopAll stops every area at once.
func (s *Server) stopAll(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	ended, err := s.Store.EndCadences(r.Context(), h.Recipient, []alerts.Cadence{alerts.Immediate, alerts.Daily, alerts.Weekly}, "/manage", s.Now())
	if err != nil {
		return err
	}
	v := url.Values{"done": {"ended"}}
	for _, sub := range ended {
		v.Add("ended", strconv.FormatInt(sub.ID, 10))
	}
	http.Redirect(w, r, h.Path()+"?"+v.Encode(), http.StatusSeeOther)
	return nil
}

// undoAll takes up again what was stopped last, all of it.
func (s *Server) undoAll(w http.ResponseWriter, r *http.Request) error {
	h, err := s.acting(r)
	if err != nil {
		return err
	}
	if _, err := s.Store.Undo(r.Context(), h.Recipient, 0, nil, s.Now()); err != nil {
		return err
	}
	return back(w, r, h, "undone")
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
			p.Erase = languageOf(r).Say("Tick the box if you want everything erased")
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
	return s.sendOwnData(w, r, h.Recipient)
}

func (s *Server) sendOwnData(w http.ResponseWriter, r *http.Request, recipient int64) error {
	own, err := s.Store.Personal(r.Context(), recipient)
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
