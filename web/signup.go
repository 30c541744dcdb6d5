package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A wishPage is where somebody says what they want to hear of: to sign up, or for
// an area of theirs.
type wishPage struct {
	Heading   string
	Intro     string
	Action    string // where the form is posted to
	Tabs      string // the address to which the kinds of area lead; empty when the kind is settled
	Button    string
	Back      string // the page that somebody came from; empty for none
	SignUp    bool   // asks for an address and for consent
	Ready     bool   // there is an area, so that the rest can be asked for
	Form      wishForm
	Finder    finder
	Rehearsal *rehearsalView // when a rehearsal was asked for
	Coverage  []alerts.Coverage
}

// Mapped reports whether the page has a map to draw on.
func (p wishPage) Mapped() bool { return p.Form.Map != nil }

// Locates reports whether the page offers to ask the device where it is.
func (p wishPage) Locates() bool { return !p.Ready && p.Form.IsCircle() }

// Uncovered are the councils of the area that no feed covers.
func (p wishPage) Uncovered() []alerts.Coverage { return uncovered(p.Coverage) }

// A finder lists wards or councils to choose from.
type finder struct {
	Text     string // what was looked for
	Near     string // the postcode around which wards are listed
	Wards    []wardFound
	Councils []alerts.Coverage
	More     bool // than are listed
	Asked    bool
	NoWards  bool // nothing is known of wards at all
}

// showSignUp asks where, what and how often; the place may be in the address.
func (s *Server) showSignUp(w http.ResponseWriter, r *http.Request) error {
	return s.startWish(w, r, s.signUpPage())
}

func (s *Server) signUpPage() wishPage {
	return wishPage{Heading: "Get alerts by e-mail", Intro: "Say where, and perhaps what, and leave an address. You can change all of it later.",
		Action: "/subscriptions", Tabs: "/sign-up", Button: "Sign up", SignUp: true}
}

// signUp stores a sign-up, or rehearses it. Whatever is known of the address, the
// answer to a sign-up is the same.
func (s *Server) signUp(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form, wish, err := s.wish(r.Context(), r.PostForm)
	if err != nil {
		return err
	}
	if rehearses(r.PostForm) {
		return s.previewWish(w, r, s.signUpPage(), form, wish)
	}
	sign, problems := alerts.SignUp{
		Address: r.PostForm.Get("email"), // unclipped: what is cut could pass
		Area:    wish.Area, Filter: wish.Filter, Cadence: wish.Cadence, Language: languageOf(r), Remind: form.Remind,
		Page:   "/sign-up",
		Client: s.client(r),
	}.Check()
	for _, p := range problems {
		if p.Field == "email" || p.Field == "remind" {
			form.Problems = append(form.Problems, p)
		}
	}
	if len(form.Problems) > 0 {
		return s.renderWish(w, r, http.StatusUnprocessableEntity, s.signUpPage(), form)
	}
	if r.PostForm.Get("website") != "" { // no person sees this field
		http.Redirect(w, r, "/subscriptions/sent", http.StatusSeeOther)
		return nil
	}
	return s.subscribe(w, r, sign)
}

// subscribe stores a sign-up that has no fault and answers as it answers everybody.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request, sign alerts.SignUp) error {
	coverage, err := s.coverage(r.Context(), sign.Area)
	if err != nil {
		return err
	}
	sign.Domain = s.Keys.DomainKey(sign.Address)
	err = s.Store.Subscribe(r.Context(), sign, s.Keys.AddressKeys(sign.Address), s.Limits, s.Now(), func(l alerts.Letter) (alerts.Delivery, error) {
		m := ConfirmMail{Recipient: l.Recipient, Area: l.Area, Filter: l.Filter, Cadence: l.Cadence, Remind: l.Remind, Coverage: coverage, Already: l.Already,
			NeverURL: s.at(l.Recipient.Language) + "/never/" + s.Keys.Sign("never", strconv.FormatInt(l.Recipient.ID, 10))}
		if l.Already {
			m.ManageURL, _ = s.manageURL(l.Recipient.Language, l.Recipient.ID, alerts.RequestedManageDays)
		} else {
			m.ConfirmURL = s.at(l.Recipient.Language) + "/confirm/" + l.Secret
		}
		return s.addressed(s.ConfirmMail(m))
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/subscriptions/sent", http.StatusSeeOther)
	return nil
}

// startWish begins a form from the address of the page: with the place, ward or
// council that is in it, or by asking for one.
func (s *Server) startWish(w http.ResponseWriter, r *http.Request, page wishPage) error {
	ctx, q := r.Context(), r.URL.Query()
	form := readWish(q)
	form.Cadence, form.Remind = s.proposed(), alerts.DefaultRemind
	form.Place, form.At, form.Found = s.find(languageIn(ctx), q)
	if form.Place.Problem != nil {
		form.Problems = append(form.Problems, form.Place.Problem)
	}
	text := clip(q.Get("find"), 60)
	page.Finder = finder{Text: text, Asked: text != "" || form.Place.Asked()}
	switch form.Area {
	case alerts.AreaPolygon:
		page.Ready = true
	case alerts.AreaWard:
		var err error
		if page.Ready, err = s.startWard(ctx, &page, &form); err != nil {
			return err
		}
	case alerts.AreaAuthority:
		name, _, err := s.authorityPlace(ctx, form.Authority)
		if err != nil {
			return err
		}
		if form.Name, page.Ready = name, name != ""; page.Ready {
			break
		}
		form.Authority = ""
		if page.Finder.Councils, page.Finder.More, err = s.findCouncils(ctx, text); err != nil {
			return err
		}
	default:
		form.Area = alerts.AreaCircle
		page.Ready = form.Found
	}
	page.Form = form
	status := http.StatusOK
	if len(form.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return s.finishWish(w, r, status, page)
}

// startWard looks a ward up, or wards to choose from.
func (s *Server) startWard(ctx context.Context, page *wishPage, form *wishForm) (ready bool, err error) {
	if form.Ward != "" {
		ward, problem, err := s.ward(ctx, form.Ward)
		if err != nil {
			return false, err
		}
		if problem == nil {
			form.Name = ward.Name
			return true, nil
		}
		form.Problems = append(form.Problems, problem)
	}
	f := &page.Finder
	any, _, err := s.findWards(ctx, "")
	if err != nil {
		return false, err
	}
	f.NoWards = len(any) == 0
	if f.Text != "" {
		f.Wards, f.More, err = s.findWards(ctx, f.Text)
		return false, err
	}
	if form.Found {
		f.Near = form.At.Label
		f.Wards, err = s.wardsNear(ctx, form.At.Centre)
	}
	return false, err
}

// proposed is how often the form proposes to write.
func (s *Server) proposed() alerts.Cadence {
	if s.Cadence != "" {
		return s.Cadence
	}
	return alerts.Daily
}

// renderWish shows a form that was sent, with its problems beside its fields.
func (s *Server) renderWish(w http.ResponseWriter, r *http.Request, status int, page wishPage, form wishForm) error {
	page.Form = form
	page.Ready = true
	return s.finishWish(w, r, status, page)
}

// finishWish adds what a form shows besides what was typed, and sends the page.
func (s *Server) finishWish(w http.ResponseWriter, r *http.Request, status int, page wishPage) error {
	ctx, form := r.Context(), &page.Form
	if page.Ready && form.IsCircle() && form.Found {
		chosen := form.Radius
		if chosen == 0 && r.Method != http.MethodPost {
			chosen = alerts.DefaultRadius
		}
		d, err := s.around(ctx, form.At.Centre, chosen)
		if err != nil {
			return err
		}
		if form.Distances = d; form.Radius == 0 && r.Method != http.MethodPost {
			form.Radius = alerts.DefaultRadius
			if d.Suggested > 0 {
				form.Radius = d.Suggested
			}
		}
	}
	if page.Ready && form.IsCircle() && !form.Found {
		form.Distances = uncounted(form.Radius)
	}
	if page.Ready && hasMap() {
		view, err := s.mapOf(ctx, form)
		if err != nil {
			return err
		}
		form.Map = view
	}
	for i, p := range form.Problems {
		form.Problems[i] = p.Said(languageIn(ctx))
	}
	if p := form.Place.Problem; p != nil {
		form.Place.Problem = p.Said(languageIn(ctx))
	}
	page.Heading, page.Intro, page.Button = languageIn(ctx).Word(page.Heading), languageIn(ctx).Word(page.Intro), languageIn(ctx).Word(page.Button)
	title := page.Heading
	if len(form.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "wish.html", title, page)
}

// addressed gives a mail a Message-ID unless it has one.
func (s *Server) addressed(d alerts.Delivery, err error) (alerts.Delivery, error) {
	if d.MessageID == "" {
		host, _, _ := strings.Cut(hostOf(s.BaseURL), ":")
		d.MessageID = alerts.NewSecret()[:22] + "@" + host
	}
	return d, err
}

func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &alerts.InvalidError{Problem: "This form did not arrive whole. Please go back and send it again"}
}

type sentPage struct {
	Mailbox bool
	Days    int
}

func (s *Server) signedUp(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "sent.html", "Check your e-mail", sentPage{s.Mailbox, int(alerts.ConfirmFor / (24 * time.Hour))})
}
