package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// An endpointJSON is an endpoint as its group's programs see it.
type endpointJSON struct {
	ID            int64                `json:"id"`
	Name          string               `json:"name"`
	URL           string               `json:"url"` // its host; what follows may be a secret
	Format        alerts.HookFormat    `json:"format"`
	State         alerts.EndpointState `json:"state"`
	Reason        string               `json:"reason,omitempty"` // why it was disabled
	CreatedAt     string               `json:"created_at"`
	VerifiedAt    string               `json:"verified_at,omitempty"`
	Sequence      int64                `json:"sequence"` // of the last delivery made for it
	LastSuccessAt string               `json:"last_success_at,omitempty"`
	FailingSince  string               `json:"failing_since,omitempty"`
	Waiting       int                  `json:"waiting"` // deliveries in its queue
	Secrets       []secretJSON         `json:"secrets"`
	Secret        string               `json:"secret,omitempty"` // shown once, when it is made
}

type secretJSON struct {
	CreatedAt string `json:"created_at"`
	ExpiresAt string `json:"expires_at,omitempty"` // of one that was replaced
}

func moment(ms int64) string {
	if ms == 0 {
		return ""
	}
	return alerts.WireTime(ms)
}

func newEndpoint(e alerts.Endpoint) endpointJSON {
	out := endpointJSON{ID: e.ID, Name: e.Name, URL: e.Shown, Format: e.Format, State: e.State, Reason: e.Reason, CreatedAt: moment(e.CreatedAt), VerifiedAt: moment(e.VerifiedAt),
		Sequence: e.Sequence, LastSuccessAt: moment(e.SucceededAt), FailingSince: moment(e.FailingSince), Waiting: e.Waiting, Secrets: []secretJSON{}}
	for _, s := range e.Secrets {
		out.Secrets = append(out.Secrets, secretJSON{moment(s.CreatedAt), moment(s.ExpiresAt)})
	}
	return out
}

func number(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(variable(r, name), 10, 64)
	return n
}

// mine is the endpoint in the address, if it is the caller's.
func (a *API) mine(r *http.Request, c caller) (alerts.Endpoint, error) {
	e, err := a.Store.Endpoint(r.Context(), number(r, "endpoint"))
	if err == nil && (e.GroupID != c.token.GroupID || e.GroupID == 0) {
		err = alerts.ErrNotFound
	}
	return e, err
}

// own answers about the endpoint in the address, if it is the caller's.
func (a *API) own(answer func(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error) resource {
	return func(w http.ResponseWriter, r *http.Request, c caller) error {
		e, err := a.mine(r, c)
		if err != nil {
			return err
		}
		return answer(w, r, e)
	}
}

// inState says what to do when something is not possible in the state in which an
// endpoint is.
func inState(e alerts.Endpoint, err error) error {
	if !errors.Is(err, alerts.ErrConflict) {
		return err
	}
	detail := "This is possible once the endpoint is active. It is " + string(e.State) + "."
	switch {
	case e.State == alerts.EndpointPending && e.Format.IsChat():
		detail = "The endpoint has not proved itself yet: a ping to it (POST …/ping) shows a code in the room; send that to …/confirm."
	case e.State == alerts.EndpointPending:
		detail = "The endpoint has not proved itself yet: send it a ping (POST …/ping), which your program answers with the challenge in it."
	case e.State == alerts.EndpointDisabled:
		detail = "The endpoint was switched off: send it a ping (POST …/ping), which your program answers with the challenge in it."
	case e.State == alerts.EndpointPaused:
		detail = "The endpoint is paused: resume it first (POST …/resume)."
	}
	return &fault{status: http.StatusConflict, detail: detail}
}

// show answers with an endpoint as it is now.
func (a *API) show(w http.ResponseWriter, r *http.Request, id int64) error {
	e, err := a.Store.Endpoint(r.Context(), id)
	if err != nil {
		return err
	}
	return reply(w, r, newEndpoint(e))
}

func (a *API) endpoints(w http.ResponseWriter, r *http.Request, c caller) error {
	all, err := a.Store.Endpoints(r.Context(), c.token.GroupID)
	if err != nil {
		return err
	}
	out := struct {
		Endpoints []endpointJSON `json:"endpoints"`
	}{[]endpointJSON{}}
	for _, e := range all {
		out.Endpoints = append(out.Endpoints, newEndpoint(e))
	}
	return reply(w, r, out)
}

func (a *API) endpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	return reply(w, r, newEndpoint(e))
}

// addEndpoint makes an endpoint; a ping asks it to prove that it wants to be written to.
func (a *API) addEndpoint(w http.ResponseWriter, r *http.Request, c caller) error {
	var in struct {
		Name   string            `json:"name"`
		URL    string            `json:"url"`
		Format alerts.HookFormat `json:"format"`
	}
	if err := readBody(r, &in); err != nil {
		return err
	}
	wish, err := alerts.NewEndpoint{GroupID: c.token.GroupID, OwnerID: c.token.AccountID, Name: in.Name, Format: in.Format}.Check(in.URL, a.Policy, a.Keys)
	if err != nil {
		return inMember("", err)
	}
	secret := alerts.NewHookSecret()
	e, err := a.Store.CreateEndpoint(r.Context(), wish, a.Keys.SealSecret(secret), a.Now(), a.Ping)
	if full := new(alerts.InvalidError); errors.As(err, &full) {
		return &fault{status: http.StatusConflict, detail: full.Problem + "."}
	}
	if err != nil {
		return err
	}
	out := newEndpoint(e)
	out.Secret = secret
	return a.created(w, fmt.Sprintf("/endpoints/%d", e.ID), out)
}

func (a *API) editEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	in := struct {
		Name   *string            `json:"name"`
		URL    *string            `json:"url"`
		Format *alerts.HookFormat `json:"format"`
	}{}
	if err := readBody(r, &in); err != nil {
		return err
	}
	wish, err := e.Change(in.Name, in.URL, in.Format, a.Policy, a.Keys)
	if err != nil {
		return inMember("", err)
	}
	if _, err := a.Store.EditEndpoint(r.Context(), e.ID, wish, a.Now(), a.Ping); err != nil {
		return err
	}
	return a.show(w, r, e.ID)
}

func (a *API) removeEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	if err := a.Store.DeleteEndpoint(r.Context(), e.ID, a.Now()); err != nil {
		return err
	}
	return done(w)
}

func (a *API) pingEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	if err := a.Store.PingEndpoint(r.Context(), e.ID, a.Now(), a.Ping); err != nil {
		return err
	}
	return accepted(w, struct {
		Queued int `json:"queued"`
	}{1})
}

// confirmEndpoint takes the code that the ping to a chat room has shown there.
func (a *API) confirmEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	var in struct {
		Code string `json:"code"`
	}
	if err := readBody(r, &in); err != nil {
		return err
	}
	if !e.Format.IsChat() {
		return &fault{status: http.StatusConflict, detail: "A program proves itself by answering a ping with its challenge. Only chat rooms have a code."}
	}
	if err := a.Store.ConfirmEndpoint(r.Context(), e.ID, in.Code, a.Now()); err != nil {
		return inMember("/code", err)
	}
	return a.show(w, r, e.ID)
}

func (a *API) rotateSecret(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	in := struct {
		OverlapHours *int `json:"overlap_hours"`
	}{}
	if r.ContentLength != 0 {
		if err := readBody(r, &in); err != nil {
			return err
		}
	}
	overlap := alerts.SecretOverlap
	if in.OverlapHours != nil {
		overlap = time.Duration(*in.OverlapHours) * time.Hour
		if *in.OverlapHours < 0 || overlap > alerts.MaxSecretOverlap {
			return badMember("/overlap_hours", "overlap_hours is between 0 and %d.", int(alerts.MaxSecretOverlap/time.Hour))
		}
	}
	secret := alerts.NewHookSecret()
	if err := a.Store.RotateSecret(r.Context(), e.ID, a.Keys.SealSecret(secret), overlap, a.Now()); err != nil {
		return err
	}
	e, err := a.Store.Endpoint(r.Context(), e.ID)
	if err != nil {
		return err
	}
	out := newEndpoint(e)
	out.Secret = secret
	return reply(w, r, out)
}

func (a *API) pauseEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	if err := a.Store.PauseEndpoint(r.Context(), e.ID); err != nil {
		return inState(e, err)
	}
	return a.show(w, r, e.ID)
}

func (a *API) resumeEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	if err := a.Store.ResumeEndpoint(r.Context(), e.ID); err != nil {
		return inState(e, err)
	}
	return a.show(w, r, e.ID)
}

// testEndpoint sends real past events, marked as tests.
func (a *API) testEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	in := struct {
		Count int `json:"count"`
	}{1}
	if r.ContentLength != 0 {
		if err := readBody(r, &in); err != nil {
			return err
		}
	}
	if in.Count < 1 || in.Count > alerts.MaxTestEvents {
		return badMember("/count", "count is between 1 and %d.", alerts.MaxTestEvents)
	}
	write, err := a.HookWriter(r.Context())
	if err != nil {
		return err
	}
	ids, err := a.Store.TestFire(r.Context(), e.ID, in.Count, a.Now(), write)
	if err != nil {
		return inState(e, err)
	}
	return accepted(w, struct {
		Deliveries []string `json:"deliveries"`
	}{append([]string{}, ids...)})
}

// recoverEndpoint sends again what an endpoint has missed, each under its id.
func (a *API) recoverEndpoint(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	var in struct {
		Since         string `json:"since"`
		Until         string `json:"until"`
		AfterSequence *int64 `json:"after_sequence"`
		UntilSequence *int64 `json:"until_sequence"`
		Accepted      bool   `json:"accepted"`
	}
	if err := readBody(r, &in); err != nil {
		return err
	}
	if (in.Since == "") == (in.AfterSequence == nil) {
		return badMember("/since", "Say from where: either since, a time, or after_sequence, a number.")
	}
	what := alerts.Recovery{Accepted: in.Accepted}
	for name, bound := range map[string]struct {
		text string
		at   *int64
	}{"since": {in.Since, &what.Since}, "until": {in.Until, &what.Until}} {
		if bound.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, bound.text)
		if *bound.at = at.UnixMilli(); err != nil || *bound.at <= 0 {
			return badMember("/"+name, "%s is a time with its zone, like 2026-11-23T07:00:00Z.", name)
		}
	}
	if in.AfterSequence != nil {
		what.After = *in.AfterSequence
	}
	if in.UntilSequence != nil {
		if what.UpTo = *in.UntilSequence; what.UpTo < 1 {
			return badMember("/until_sequence", "until_sequence is the number of a webhook, 1 or more.")
		}
	}
	done, err := a.Store.Recover(r.Context(), e.ID, what, a.Now())
	if err != nil {
		return inMember("", err)
	}
	return accepted(w, struct {
		Queued int    `json:"queued"`
		Since  string `json:"since"`                   // what was made before was left out
		Last   int64  `json:"last_sequence,omitempty"` // of them
		More   bool   `json:"more,omitempty"`          // ask again with this as after_sequence
	}{done.Queued, moment(done.Since), done.Last, done.More})
}

// snapshot lists all open cases in the endpoint's areas as one event left them;
// webhooks of later events carry on from there.
func (a *API) snapshot(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := onlyParameters(r, "cursor", "limit"); err != nil {
		return err
	}
	e, err := a.mine(r, c)
	if err != nil {
		return err
	}
	limit, err := pageSize(r.URL.Query())
	if err != nil {
		return err
	}
	from, err := readSnapshotCursor(r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	cases, next, err := a.Store.Snapshot(r.Context(), e.ID, from, limit)
	if err != nil {
		return err
	}
	names, err := a.names(r)
	if err != nil {
		return err
	}
	out := struct {
		AsOf         int64         `json:"as_of"` // number of the event after which this stands
		Applications []Application `json:"applications"`
		Next         string        `json:"next,omitempty"`
	}{next.AsOf, []Application{}, ""}
	for i := range cases {
		out.Applications = append(out.Applications, newApplication(&cases[i], names[cases[i].Authority], a.BaseURL))
	}
	if next.After != 0 {
		out.Next = fmt.Sprintf("%s/api/v1/endpoints/%d/snapshot?cursor=%s&limit=%d", a.BaseURL, e.ID, writeSnapshotCursor(next), limit)
	}
	return reply(w, r, out)
}

func writeSnapshotCursor(c alerts.SnapshotCursor) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d", c.AsOf, c.After))
}

func readSnapshotCursor(text string) (c alerts.SnapshotCursor, err error) {
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	asOf, after, ok := strings.Cut(string(b), " ")
	c.Begun = true
	var err2, err3 error
	c.AsOf, err2 = strconv.ParseInt(asOf, 10, 64)
	c.After, err3 = strconv.ParseInt(after, 10, 64)
	if errors.Join(err, err2, err3) != nil || !ok || c.AsOf < 0 || c.After < 1 {
		return c, badParameter("cursor", "This cursor is none of ours. Take it from the address in next, or leave it out to begin anew.")
	}
	return c, nil
}

type deliveryJSON struct {
	ID        string               `json:"id"` // the webhook-id
	Type      string               `json:"type"`
	Sequence  int64                `json:"sequence,omitempty"` // tests and pings have none
	Event     int64                `json:"event,omitempty"`
	State     alerts.DeliveryState `json:"state"`
	Attempts  int                  `json:"attempts"`
	CreatedAt string               `json:"created_at"`
	SentAt    string               `json:"sent_at,omitempty"`
	NextAt    string               `json:"next_attempt_at,omitempty"`
}

func newDelivery(d alerts.HookDelivery) deliveryJSON {
	out := deliveryJSON{ID: d.MessageID, Type: d.Type, Sequence: d.Sequence, Event: d.EventSeq, State: d.State, Attempts: d.Attempts, CreatedAt: moment(d.CreatedAt), SentAt: moment(d.SentAt)}
	if d.State == alerts.DeliveryQueued {
		out.NextAt = moment(d.NextAt)
	}
	return out
}

// deliveryStates are the states by which the log can be narrowed.
var deliveryStates = []alerts.DeliveryState{alerts.DeliveryQueued, alerts.DeliverySent, alerts.DeliveryGivenUp, alerts.DeliveryCancelled}

// deliveries is the log of what was sent, the newest first.
func (a *API) deliveries(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := onlyParameters(r, "cursor", "limit", "state"); err != nil {
		return err
	}
	e, err := a.mine(r, c)
	if err != nil {
		return err
	}
	limit, err := pageSize(r.URL.Query())
	if err != nil {
		return err
	}
	state := alerts.DeliveryState(r.URL.Query().Get("state"))
	if state != "" && !slices.Contains(deliveryStates, state) {
		return badParameter("state", "state is one of: %s.", strings.Trim(fmt.Sprint(deliveryStates), "[]"))
	}
	var before int64
	if text := r.URL.Query().Get("cursor"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			return badParameter("cursor", "This cursor is none of ours. Take it from the address in next, or leave it out to begin anew.")
		}
	}
	found, next, err := a.Store.EndpointDeliveries(r.Context(), e.ID, state, before, limit)
	if err != nil {
		return err
	}
	out := struct {
		Deliveries []deliveryJSON `json:"deliveries"`
		Next       string         `json:"next,omitempty"`
	}{[]deliveryJSON{}, ""}
	for _, d := range found {
		out.Deliveries = append(out.Deliveries, newDelivery(d))
	}
	if next != 0 {
		out.Next = fmt.Sprintf("%s/api/v1/endpoints/%d/deliveries?cursor=%d&limit=%d", a.BaseURL, e.ID, next, limit)
		if state != "" {
			out.Next += "&state=" + string(state)
		}
	}
	return reply(w, r, out)
}

type attemptJSON struct {
	At         string           `json:"at"`
	DurationMS int64            `json:"duration_ms"`
	Class      alerts.HookClass `json:"class,omitempty"` // absent when it was accepted
	Status     int              `json:"status,omitempty"`
	Detail     string           `json:"detail,omitempty"`
	Answer     string           `json:"answer,omitempty"` // the first 4 KiB
}

// delivery is one delivery with its attempts and the exact bytes that were sent.
func (a *API) delivery(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	d, err := a.Store.EndpointDelivery(r.Context(), e.ID, variable(r, "delivery"))
	if err != nil {
		return err
	}
	tries, err := a.Store.Attempts(r.Context(), e.ID, d.ID)
	if err != nil {
		return err
	}
	out := struct {
		deliveryJSON
		Body string        `json:"body"`
		Log  []attemptJSON `json:"log"`
	}{newDelivery(d), string(d.Body), []attemptJSON{}}
	for _, t := range tries {
		out.Log = append(out.Log, attemptJSON{moment(t.At), t.Duration, t.Class, t.Status, t.Detail, t.Answer})
	}
	return reply(w, r, out)
}

func (a *API) resend(w http.ResponseWriter, r *http.Request, e alerts.Endpoint) error {
	if err := a.Store.Resend(r.Context(), e.ID, variable(r, "delivery"), a.Now()); err != nil {
		return err
	}
	return accepted(w, struct {
		Queued int `json:"queued"`
	}{1})
}
