package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// formatWords are the formats of webhooks as the form offers them.
var formatWords = map[alerts.HookFormat]string{
	alerts.FormatStandard: "A program of your own",
	alerts.FormatSlack:    "Slack, Mattermost or Rocket.Chat",
	alerts.FormatDiscord:  "Discord",
	alerts.FormatTeams:    "Microsoft Teams",
	alerts.FormatMatrix:   "Matrix, through hookshot",
}

// stateWords are the states of an endpoint.
var stateWords = map[alerts.EndpointState]string{
	alerts.EndpointPending:  "has not proved itself yet",
	alerts.EndpointActive:   "working",
	alerts.EndpointPaused:   "paused",
	alerts.EndpointDisabled: "switched off",
}

// deliveryWords are the states of a delivery.
var deliveryWords = map[alerts.DeliveryState]string{
	alerts.DeliveryQueued:    "waits",
	alerts.DeliverySent:      "accepted",
	alerts.DeliveryGivenUp:   "given up",
	alerts.DeliveryCancelled: "cancelled",
}

// An endpointItem is an endpoint as pages show it.
type endpointItem struct {
	alerts.Endpoint
	Format string // in words
	State  string // in words
	Chat   bool
	Path   string
}

func (p groupPage) endpointItem(e alerts.Endpoint) endpointItem {
	state := stateWords[e.State]
	if e.State == alerts.EndpointActive && e.FailingSince > 0 {
		state = "failing; what waits is tried again"
	}
	return endpointItem{Endpoint: e, Format: formatWords[e.Format], State: state, Chat: e.Format.IsChat(), Path: p.Path("endpoints", e.ID)}
}

// Needs reports whether the endpoint waits for its proof.
func (e endpointItem) Needs() bool { return e.Endpoint.State == alerts.EndpointPending }

// IsActive reports whether events flow.
func (e endpointItem) IsActive() bool { return e.Endpoint.State == alerts.EndpointActive }

// IsPaused reports whether its group has paused it.
func (e endpointItem) IsPaused() bool { return e.Endpoint.State == alerts.EndpointPaused }

type endpointsPage struct {
	groupPage
	Endpoints []endpointItem
	Areas     []alerts.GroupArea
	Form      endpointForm
	Formats   []alerts.HookFormat
}

type endpointForm struct {
	Name, URL string
	Format    alerts.HookFormat
	Areas     []string
}

// Ticked reports whether an area was chosen.
func (f endpointForm) Ticked(id int64) bool {
	return slices.Contains(f.Areas, strconv.FormatInt(id, 10))
}

func (s *Server) groupEndpoints(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "endpoints")
	if err != nil {
		return err
	}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	form := endpointForm{Format: alerts.FormatStandard}
	for _, area := range areas {
		form.Areas = append(form.Areas, strconv.FormatInt(area.ID, 10))
	}
	return s.renderEndpoints(w, r, http.StatusOK, p, form)
}

func (s *Server) renderEndpoints(w http.ResponseWriter, r *http.Request, status int, p groupPage, form endpointForm) error {
	page := endpointsPage{groupPage: p, Form: form, Formats: alerts.HookFormats}
	all, err := s.Store.Endpoints(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	for _, e := range all {
		page.Endpoints = append(page.Endpoints, p.endpointItem(e))
	}
	if page.Areas, err = s.Store.GroupAreas(r.Context(), p.Group.ID); err != nil {
		return err
	}
	title := "Webhooks: " + p.Group.Name
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "groupendpoints.html", title, page)
}

// addEndpoint makes an endpoint that hears of the areas ticked, and shows its secret,
// this once.
func (s *Server) addEndpoint(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "endpoints")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form := endpointForm{Name: clip(r.PostForm.Get("name"), 200), URL: clip(r.PostForm.Get("url"), 3000), Format: alerts.HookFormat(r.PostForm.Get("format")), Areas: r.PostForm["areas"]}
	wish, err := alerts.NewEndpoint{GroupID: p.Group.ID, OwnerID: a.ID, Name: form.Name, Format: form.Format}.Check(form.URL, s.HookPolicy, s.Keys)
	secret := alerts.NewHookSecret()
	var e alerts.Endpoint
	if err == nil {
		e, err = s.Store.CreateEndpoint(r.Context(), wish, s.Keys.SealSecret(secret), s.Now(), s.Ping)
	}
	if err != nil {
		fault, err := asProblem(err)
		if err != nil {
			return err
		}
		p.Problems = append(p.Problems, fault)
		return s.renderEndpoints(w, r, http.StatusUnprocessableEntity, p, form)
	}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	for _, area := range areas {
		if form.Ticked(area.ID) {
			if _, err := s.Store.AddEndpointArea(r.Context(), e.ID, area.Area, area.Filter, s.Now()); err != nil && !errors.Is(err, alerts.ErrConflict) {
				return err
			}
		}
	}
	return s.renderEndpoint(w, r, http.StatusCreated, p, e.ID, secret)
}

type endpointPage struct {
	groupPage
	Endpoint endpointItem
	Heard    []alerts.Subscription
	Others   []alerts.GroupArea // areas of the group that it does not hear of
	Secret   string             // shown this once
	Log      []deliveryItem
	Failed   string // why the latest ping failed, a sentence; empty when it did not, or waits
	More     string
	Days     int // how far back what was missed can be sent again
	Earliest alerts.Date
	Today    alerts.Date
	Now      int64
}

// A deliveryItem is a delivery as pages show it.
type deliveryItem struct {
	alerts.HookDelivery
	What  string
	State string
	Path  string
}

func (e endpointItem) deliveryItem(d alerts.HookDelivery) deliveryItem {
	it := deliveryItem{HookDelivery: d, State: deliveryWords[d.State], What: d.Type, Path: e.Path + "/deliveries/" + d.MessageID}
	switch {
	case d.IsPing():
		it.What = "ping"
	case d.IsTest():
		it.What = "test with " + d.Type
	}
	return it
}

// ownEndpoint is the endpoint in the address, if it is the group's.
func (s *Server) ownEndpoint(r *http.Request, p groupPage) (alerts.Endpoint, error) {
	e, err := s.Store.Endpoint(r.Context(), number(r, "endpoint"))
	if err == nil && e.GroupID != p.Group.ID {
		err = alerts.ErrNotFound
	}
	return e, err
}

func (s *Server) groupEndpoint(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "endpoints")
	if err != nil {
		return err
	}
	e, err := s.ownEndpoint(r, p)
	if err != nil {
		return err
	}
	return s.renderEndpoint(w, r, http.StatusOK, p, e.ID, "")
}

func (s *Server) renderEndpoint(w http.ResponseWriter, r *http.Request, status int, p groupPage, id int64, secret string) error {
	e, err := s.Store.Endpoint(r.Context(), id)
	if err != nil {
		return err
	}
	page := endpointPage{groupPage: p, Endpoint: p.endpointItem(e), Secret: secret, Days: alerts.RecoverDays, Earliest: alerts.DateOf(s.Now()).AddDays(1 - alerts.RecoverDays), Today: alerts.DateOf(s.Now()), Now: s.Now().UnixMilli()}
	if page.Heard, err = s.Store.EndpointAreas(r.Context(), id); err != nil {
		return err
	}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	for _, area := range areas {
		if !slices.ContainsFunc(page.Heard, area.IsHeardBy) {
			page.Others = append(page.Others, area)
		}
	}
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	log, next, err := s.Store.EndpointDeliveries(r.Context(), id, "", max(before, 0), 20)
	if err != nil {
		return err
	}
	for _, d := range log {
		page.Log = append(page.Log, page.Endpoint.deliveryItem(d))
	}
	if i := slices.IndexFunc(log, func(d alerts.HookDelivery) bool { return d.IsPing() }); i >= 0 && log[i].State == alerts.DeliveryGivenUp {
		tries, err := s.Store.Attempts(r.Context(), id, log[i].ID)
		if err != nil {
			return err
		}
		if len(tries) > 0 {
			page.Failed = tries[len(tries)-1].Detail
		}
	}
	if next != 0 {
		page.More = fmt.Sprintf("%s?before=%d#log", page.Endpoint.Path, next)
	}
	title := e.Name + ": " + p.Group.Name
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "groupendpoint.html", title, page)
}

// endpointDone is what the page of an endpoint says after something was done.
var endpointDone = map[string]string{
	"pinged":    "A ping is on its way.",
	"confirmed": "The code is right: it hears of what happens from now on.",
	"paused":    "It is paused. What happens meanwhile waits.",
	"resumed":   "It is no longer paused. What has waited is sent now.",
	"tested":    "Real past events are on their way, marked as tests.",
	"recovered": "What it missed is being sent again, each under the number that it had.",
	"resent":    "It is on its way again, under the number that it had.",
	"heard":     "It hears of that area from the next event on.",
	"unheard":   "It hears of that area no longer.",
	"renamed":   "Your change has been saved.",
	"moved":     "Your change has been saved. The new address has to prove itself; a ping is on its way.",
}

// changeEndpoint does one thing to an endpoint, as the button says.
func (s *Server) changeEndpoint(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "endpoints")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	e, err := s.ownEndpoint(r, p)
	if err != nil {
		return err
	}
	ctx, form, now := r.Context(), r.PostForm, s.Now()
	done := ""
	switch form.Get("action") {
	case "ping":
		done, err = "pinged", s.Store.PingEndpoint(ctx, e.ID, now, s.Ping)
	case "confirm":
		done, err = "confirmed", s.Store.ConfirmEndpoint(ctx, e.ID, clip(form.Get("code"), 40), now)
	case "pause":
		done, err = "paused", s.Store.PauseEndpoint(ctx, e.ID)
	case "resume":
		done, err = "resumed", s.Store.ResumeEndpoint(ctx, e.ID)
	case "test":
		write, err := s.HookWriter(ctx)
		if err != nil {
			return err
		}
		if _, err := s.Store.TestFire(ctx, e.ID, 3, now, write); err != nil {
			return err
		}
		done = "tested"
	case "rotate":
		secret := alerts.NewHookSecret()
		if err := s.Store.RotateSecret(ctx, e.ID, s.Keys.SealSecret(secret), alerts.SecretOverlap, now); err != nil {
			return err
		}
		return s.renderEndpoint(w, r, http.StatusOK, p, e.ID, secret)
	case "recover":
		done = "recovered"
		var what alerts.Recovery
		if what, err = readRecovery(form); err == nil {
			_, err = s.Store.Recover(ctx, e.ID, what, now)
		}
	case "hear":
		done, err = "heard", s.hear(r, p, e)
	case "unhear":
		sub, _ := strconv.ParseInt(form.Get("area"), 10, 64)
		done, err = "unheard", s.Store.RemoveEndpointArea(ctx, e.ID, sub, now)
	case "change":
		done, err = s.moveEndpoint(r, e)
	case "remove":
		if form.Get("sure") != "yes" {
			err = &alerts.InvalidError{Field: "sure", Problem: "Tick the box if you are sure"}
			break
		}
		if err := s.Store.DeleteEndpoint(ctx, e.ID, now); err != nil {
			return err
		}
		return p.back(w, r, "unendpoint")
	default:
		return alerts.ErrNotFound
	}
	if err != nil {
		fault, err := asProblem(err)
		if err != nil {
			return err
		}
		p.Problems = append(p.Problems, fault)
		return s.renderEndpoint(w, r, http.StatusUnprocessableEntity, p, e.ID, "")
	}
	http.Redirect(w, r, p.Path("endpoints", e.ID)+"?done="+done, http.StatusSeeOther)
	return nil
}

// readRecovery reads what is to be sent again: the days of which, or the numbers
// above which.
func readRecovery(form url.Values) (what alerts.Recovery, err error) {
	what.Accepted = form.Get("accepted") == "yes"
	if sequence := form.Get("sequence"); sequence != "" {
		if what.After, err = strconv.ParseInt(sequence, 10, 64); err != nil || what.After < 0 {
			return what, &alerts.InvalidError{Field: "sequence", Problem: "Enter the number of the last webhook that arrived, like 41"}
		}
		return what, nil
	}
	day, err := alerts.ParseDate(form.Get("since"))
	if err != nil || day == "" {
		return what, &alerts.InvalidError{Field: "since", Problem: "Enter the first day, or the number of the last webhook that arrived"}
	}
	what.Since = day.Time().UnixMilli()
	last, err := alerts.ParseDate(form.Get("until"))
	if err != nil {
		return what, &alerts.InvalidError{Field: "until", Problem: "Enter the last day, or leave it empty for today"}
	}
	if last != "" {
		what.Until = last.AddDays(1).Time().UnixMilli()
	}
	return what, nil
}

// hear lets an endpoint hear of one of the group's areas.
func (s *Server) hear(r *http.Request, p groupPage, e alerts.Endpoint) error {
	id, _ := strconv.ParseInt(r.PostForm.Get("area"), 10, 64)
	area, err := s.Store.GroupArea(r.Context(), id)
	if errors.Is(err, alerts.ErrNotFound) || err == nil && area.GroupID != p.Group.ID {
		return &alerts.InvalidError{Field: "area", Problem: "Choose one of the group’s areas"}
	}
	if err != nil {
		return err
	}
	_, err = s.Store.AddEndpointArea(r.Context(), e.ID, area.Area, area.Filter, s.Now())
	if errors.Is(err, alerts.ErrConflict) {
		return &alerts.InvalidError{Field: "area", Problem: fmt.Sprintf("It hears of this area already, or of as many as it may: %d", alerts.MaxEndpointAreas)}
	}
	return err
}

// moveEndpoint gives an endpoint another name or, if one was typed, another address.
func (s *Server) moveEndpoint(r *http.Request, e alerts.Endpoint) (done string, err error) {
	name := r.PostForm.Get("name")
	var url *string
	if to := r.PostForm.Get("url"); to != "" {
		url = &to
	}
	wish, err := e.Change(&name, url, nil, s.HookPolicy, s.Keys)
	if err != nil {
		return "", err
	}
	done = "renamed"
	if wish.Address != e.Address {
		done = "moved"
	}
	_, err = s.Store.EditEndpoint(r.Context(), e.ID, wish, s.Now(), s.Ping)
	return done, err
}

type deliveryPage struct {
	groupPage
	Endpoint endpointItem
	Delivery deliveryItem
	Body     string
	Attempts []alerts.HookAttempt
	Again    bool // it can be sent again
}

// groupDelivery shows the exact bytes of one delivery, and each attempt.
func (s *Server) groupDelivery(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "endpoints")
	if err != nil {
		return err
	}
	e, err := s.ownEndpoint(r, p)
	if err != nil {
		return err
	}
	d, err := s.Store.EndpointDelivery(r.Context(), e.ID, variable(r, "delivery"))
	if err != nil {
		return err
	}
	page := deliveryPage{groupPage: p, Endpoint: p.endpointItem(e), Body: string(d.Body), Again: d.EventSeq != 0 && (d.State == alerts.DeliverySent || d.State == alerts.DeliveryGivenUp)}
	page.Delivery = page.Endpoint.deliveryItem(d)
	if page.Attempts, err = s.Store.Attempts(r.Context(), e.ID, d.ID); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "groupdelivery.html", "Delivery "+d.MessageID+": "+p.Group.Name, page)
}

// resend sends one delivery again.
func (s *Server) resend(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "endpoints")
	if err != nil {
		return err
	}
	e, err := s.ownEndpoint(r, p)
	if err != nil {
		return err
	}
	if err := s.Store.Resend(r.Context(), e.ID, variable(r, "delivery"), s.Now()); err != nil {
		return err
	}
	http.Redirect(w, r, p.Path("endpoints", e.ID)+"?done=resent", http.StatusSeeOther)
	return nil
}

// took writes how long an attempt lasted.
func took(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
