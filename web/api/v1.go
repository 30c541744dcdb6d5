package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// A caller is whoever sent a request: somebody unknown, or a group's program.
type caller struct {
	token alerts.Token // its ID is 0 when there was none
	key   string       // by which requests are counted
}

// A resource answers a request or returns why it cannot; [API.fail] says it.
type resource func(w http.ResponseWriter, r *http.Request, c caller) error

// A fault is what is wrong with a request, said with its place in it.
type fault struct {
	status    int
	detail    string
	parameter string // of the query or the address
	pointer   string // JSON pointer into the body
}

func (f *fault) Error() string { return f.detail }

// badParameter says what is wrong with a parameter.
func badParameter(name, format string, args ...any) error {
	return &fault{status: http.StatusBadRequest, parameter: name, detail: fmt.Sprintf(format, args...)}
}

// badMember says what is wrong with a member of the body.
func badMember(pointer, format string, args ...any) error {
	return &fault{status: http.StatusUnprocessableEntity, pointer: pointer, detail: fmt.Sprintf(format, args...)}
}

// inMember says of a fault in what somebody sent where in the body it is.
func inMember(pointer string, err error) error {
	var invalid *alerts.InvalidError
	if errors.As(err, &invalid) {
		if pointer == "" && invalid.Field != "" {
			pointer = "/" + invalid.Field
		}
		return badMember(pointer, "%s.", invalid.Problem)
	}
	return err
}

// routes are all resources but the import of files, in the order of the description
// in openapi.yaml, which a test compares with them.
func (a *API) routes(r *mux.Router) {
	public := func(path string, h resource) {
		r.Handle("/api/v1"+path, a.serve(h, "", true)).Methods(http.MethodGet, http.MethodHead)
		r.HandleFunc("/api/v1"+path, preflight).Methods(http.MethodOptions)
	}
	read := func(path string, h resource) {
		r.Handle("/api/v1"+path, a.serve(h, alerts.TokenRead, false)).Methods(http.MethodGet, http.MethodHead)
	}
	write := func(method, path string, h resource) {
		r.Handle("/api/v1"+path, a.serve(h, alerts.TokenWrite, false)).Methods(method)
	}
	const post, patch, remove = http.MethodPost, http.MethodPatch, http.MethodDelete

	public("/openapi.yaml", a.description)
	public("/applications", a.applications)
	public("/applications.{format:geojson|csv|ndjson}", a.applications)
	public("/applications/{authority}/{reference}", a.application)
	public("/events", a.events)
	public("/authorities", a.authorities)
	public("/authorities/{authority}", a.authority)
	public("/freshness", a.freshness)
	public("/postcodes/{postcode}", a.postcode)
	public("/wards", a.wards)

	read("/areas", a.areas)
	write(post, "/areas", a.addArea)
	write(remove, "/areas/{area:[0-9]+}", a.removeArea)
	read("/endpoints", a.endpoints)
	write(post, "/endpoints", a.addEndpoint)
	read("/endpoints/{endpoint:[0-9]+}", a.own(a.endpoint))
	write(patch, "/endpoints/{endpoint:[0-9]+}", a.own(a.editEndpoint))
	write(remove, "/endpoints/{endpoint:[0-9]+}", a.own(a.removeEndpoint))
	write(post, "/endpoints/{endpoint:[0-9]+}/ping", a.own(a.pingEndpoint))
	write(post, "/endpoints/{endpoint:[0-9]+}/confirm", a.own(a.confirmEndpoint))
	write(post, "/endpoints/{endpoint:[0-9]+}/rotate", a.own(a.rotateSecret))
	write(post, "/endpoints/{endpoint:[0-9]+}/pause", a.own(a.pauseEndpoint))
	write(post, "/endpoints/{endpoint:[0-9]+}/resume", a.own(a.resumeEndpoint))
	write(post, "/endpoints/{endpoint:[0-9]+}/test", a.own(a.testEndpoint))
	write(post, "/endpoints/{endpoint:[0-9]+}/recover", a.own(a.recoverEndpoint))
	read("/endpoints/{endpoint:[0-9]+}/snapshot", a.snapshot)
	read("/endpoints/{endpoint:[0-9]+}/subscriptions", a.own(a.subscriptions))
	write(post, "/endpoints/{endpoint:[0-9]+}/subscriptions", a.own(a.addSubscription))
	write(patch, "/endpoints/{endpoint:[0-9]+}/subscriptions/{subscription:[0-9]+}", a.own(a.editSubscription))
	write(remove, "/endpoints/{endpoint:[0-9]+}/subscriptions/{subscription:[0-9]+}", a.own(a.removeSubscription))
	read("/endpoints/{endpoint:[0-9]+}/deliveries", a.deliveries)
	read("/endpoints/{endpoint:[0-9]+}/deliveries/{delivery}", a.own(a.delivery))
	write(post, "/endpoints/{endpoint:[0-9]+}/deliveries/{delivery}/resend", a.own(a.resend))

	r.PathPrefix("/api/v1/").Handler(a.serve(func(w http.ResponseWriter, r *http.Request, _ caller) error {
		return &fault{status: http.StatusNotFound, detail: "There is no such resource, or not for this method. See " + a.BaseURL + "/api for what there is."}
	}, "", true))
}

// maxTime is how long an answer may take that is not waited for on purpose.
const maxTime = 15 * time.Second

// serve is what happens around every resource: the token, the count, the errors.
func (a *API) serve(h resource, need alerts.TokenScope, public bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		if public && r.Header.Get("Authorization") == "" {
			header.Set("Access-Control-Allow-Origin", "*")
			header.Set("Access-Control-Expose-Headers", "ETag, Link, RateLimit, RateLimit-Policy, Retry-After")
			header.Set("Cross-Origin-Resource-Policy", "cross-origin")
			header.Set("Cache-Control", "public, no-cache")
		}
		header.Set("Vary", "Accept, Authorization")
		c, err := a.admit(w, r, need)
		if err == nil {
			if waits(r) {
				err = h(w, r, c)
			} else {
				ctx, cancel := context.WithTimeout(r.Context(), maxTime)
				defer cancel()
				err = a.once(w, r.WithContext(ctx), c, h)
			}
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// admit says who the caller is, and counts the request.
func (a *API) admit(w http.ResponseWriter, r *http.Request, need alerts.TokenScope) (c caller, err error) {
	text := r.Header.Get("Authorization")
	client := a.Client(r)
	if text == "" {
		c.key = client
		if need != "" {
			err = &fault{status: http.StatusUnauthorized, detail: "This needs a token of a group. Make one on the group's pages and send it as: Authorization: Bearer TOKEN"}
		}
		return c, errors.Join(a.count(w, "client "+c.key, PublicPerMinute), err)
	}
	bad := &fault{status: http.StatusUnauthorized, detail: "The token is wrong, has run out or was ended. Send one that is in force as: Authorization: Bearer TOKEN"}
	if a.rates.used("wrong "+client, a.Now()) >= PublicPerMinute { // so that tokens cannot be tried out
		return c, a.count(w, "wrong "+client, PublicPerMinute)
	}
	secret, ok := strings.CutPrefix(text, "Bearer ")
	if ok {
		c.token, err = a.Store.UseToken(r.Context(), strings.TrimSpace(secret), a.Now())
	}
	switch {
	case err != nil && !errors.Is(err, alerts.ErrNotFound):
		return c, err
	case !ok || err != nil || c.token.Allows(alerts.TokenFeeds):
		return caller{}, errors.Join(a.count(w, "wrong "+client, PublicPerMinute), bad)
	}
	c.key = fmt.Sprint("token ", c.token.ID)
	if err := a.count(w, c.key, TokenPerMinute); err != nil {
		return c, err
	}
	if need != "" && !c.token.Allows(need) {
		return c, &fault{status: http.StatusForbidden, detail: "This token may only be used for reading. Make one on the group's pages that may also change things."}
	}
	return c, nil
}

// problemJSON is an error as RFC 9457 has it.
type problemJSON struct {
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Errors []faultJSON `json:"errors,omitempty"`
}

type faultJSON struct {
	Detail    string `json:"detail"`
	Parameter string `json:"parameter,omitempty"`
	Pointer   string `json:"pointer,omitempty"` // JSON pointer, in a URI fragment
}

// fail tells an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the caller has gone
	}
	var f *fault
	var invalid *alerts.InvalidError
	var large *http.MaxBytesError
	p := problemJSON{Status: http.StatusInternalServerError, Detail: "Sorry, that did not work. It has been noted; try again later."}
	var limited *limitError
	switch {
	case errors.As(err, &limited):
		p.Status, p.Detail = http.StatusTooManyRequests, limited.Error()
	case errors.As(err, &f):
		p.Status, p.Detail = f.status, f.detail
		if f.pointer != "" || f.parameter != "" {
			one := faultJSON{Detail: f.detail, Parameter: f.parameter}
			if f.pointer != "" {
				one.Pointer = "#" + f.pointer
			}
			p.Errors = []faultJSON{one}
		}
	case errors.As(err, &invalid):
		p.Status, p.Detail = http.StatusUnprocessableEntity, invalid.Problem+"."
	case errors.As(err, &large):
		p.Status, p.Detail = http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is larger than %d KiB.", large.Limit>>10)
	case errors.Is(err, alerts.ErrNotFound):
		p.Status, p.Detail = http.StatusNotFound, "There is no such thing, or it is not your group's."
	case errors.Is(err, alerts.ErrConflict):
		p.Status, p.Detail = http.StatusConflict, "That is not possible in the state that it is in, or exists already. Read it again."
	case errors.Is(err, alerts.ErrTooMany):
		p.Status, p.Detail = http.StatusTooManyRequests, "That was asked for too often. Try again in an hour."
		w.Header().Set("Retry-After", "3600")
	case errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Detail = http.StatusServiceUnavailable, "This took too long. Ask for less, or try again in a minute."
		w.Header().Set("Retry-After", "60")
	default:
		a.Log.Error("a request by a program failed", "method", r.Method, "error", err)
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sitenotice"`)
	}
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// preflight lets pages of other sites ask for what is public; never with a token.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD")
	h.Set("Access-Control-Allow-Headers", "Accept, If-None-Match, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// reply answers with JSON that the caller may have already.
func reply(w http.ResponseWriter, r *http.Request, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	ServeTagged(w, r, append(b, '\n'))
	return nil
}

// created answers that something was made, and where it is.
func (a *API) created(w http.ResponseWriter, path string, value any) error {
	w.Header().Set("Location", a.BaseURL+"/api/v1"+path)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(value)
}

// done answers that something was done of which there is nothing to show.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// accepted answers with what will follow from something that was asked for.
func accepted(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(value)
}

// readBody takes the body of a request apart. What it does not know is refused, so that
// a misspelt name is not taken for one left out.
func readBody(r *http.Request, into any) error {
	if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); t != "" && strings.TrimSpace(strings.ToLower(t)) != "application/json" {
		return &fault{status: http.StatusUnsupportedMediaType, detail: "Send the body as JSON, with Content-Type: application/json."}
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var large *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &large):
		return err
	case errors.As(err, &kind):
		return badMember("/"+strings.ReplaceAll(kind.Field, ".", "/"), "This must be %s, not %s.", article(kind.Type.Kind().String()), article(kind.Value))
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field "):
		name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return badMember("/"+alerts.Line(name, 60), "There is no member of the name %s here.", alerts.Line(name, 60))
	case err != nil:
		return &fault{status: http.StatusBadRequest, detail: "The body cannot be read as JSON: " + alerts.Line(err.Error(), 200) + "."}
	case dec.More():
		return &fault{status: http.StatusBadRequest, detail: "The body has something after its end."}
	}
	return nil
}

// article puts a kind of JSON into words.
func article(kind string) string {
	switch kind {
	case "slice", "array":
		return "an array"
	case "struct", "map", "object", "ptr":
		return "an object"
	case "int", "int64", "float64", "number":
		return "a number"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

// onlyParameters refuses parameters that a resource does not know.
func onlyParameters(r *http.Request, names ...string) error {
	for name := range r.URL.Query() {
		if !slices.Contains(names, name) {
			return badParameter(alerts.Line(name, 60), "There is no parameter of the name %s here. There are: %s.", alerts.Line(name, 60), strings.Join(names, ", "))
		}
	}
	return nil
}
