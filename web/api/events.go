package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Limits of waiting for events.
const (
	maxWait     = 30 * time.Second
	streamFor   = 10 * time.Minute // then the program connects again, by itself
	quiet       = 15 * time.Second // after which a stream shows that it is alive
	maxWaiting  = 500              // requests that wait, of all callers
	maxPatience = 10               // of one
)

// waits reports whether a request wants to wait for what happens.
func waits(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/api/v1/events") && r.Method == http.MethodGet && (r.URL.Query().Get("wait") != "" || wantsStream(r))
}

func wantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// waiting counts the requests that wait. Its zero value is ready.
type waiting struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

func (q *waiting) enter(key string) (leave func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of == nil {
		q.of = map[string]int{}
	}
	if q.all >= maxWaiting || q.of[key] >= maxPatience {
		return nil, false
	}
	q.all++
	q.of[key]++
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.all--
		if q.of[key]--; q.of[key] == 0 {
			delete(q.of, key)
		}
	}, true
}

type eventJSON struct {
	Sequence      int64               `json:"sequence"`
	Type          string              `json:"type"`
	At            string              `json:"at"`
	PublishedLate bool                `json:"published_late,omitempty"`
	Application   alerts.CaseJSON     `json:"application"`
	Changes       []alerts.ChangeJSON `json:"changes,omitempty"`
}

func (a *API) eventJSON(e *alerts.Event, names map[string]string) eventJSON {
	out := eventJSON{Sequence: e.Seq, Type: alerts.HookType(e.Type), At: alerts.WireTime(e.At), PublishedLate: e.Late}
	if e.Type == alerts.EventRemoved {
		out.Application = alerts.WireBare(e.Authority, &e.After)
		return out
	}
	out.Application, out.Changes = alerts.Wire(e.Authority, names[e.Authority], &e.After, a.BaseURL), alerts.WireChanges(e.Before, &e.After)
	return out
}

type eventsJSON struct {
	Events []eventJSON `json:"events"`
	After  int64       `json:"after"`          // where to go on: also past what was left out
	More   bool        `json:"more,omitempty"` // there are more at once
}

// events lists what happened after an event, in order; with wait it waits for
// something to happen, and for who accepts text/event-stream it goes on.
func (a *API) events(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := onlyParameters(r, "after", "authority", "limit", "wait"); err != nil {
		return err
	}
	v := r.URL.Query()
	limit, err := pageSize(v)
	if err != nil {
		return err
	}
	last, err := a.Store.LastEvent(r.Context())
	if err != nil {
		return err
	}
	after := last
	text, name := v.Get("after"), "after"
	if id := r.Header.Get("Last-Event-ID"); id != "" && wantsStream(r) {
		text, name = id, "Last-Event-ID"
	}
	if text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			return badParameter(name, "%s is the number of an event: 0 for all, or the one after which to begin.", name)
		}
	}
	if after > last {
		return badParameter(name, "The latest event is number %d: %s cannot be more.", last, name)
	}
	if !waits(r) {
		return a.listEvents(w, r, after, v.Get("authority"), limit)
	}
	wait, err := strconv.Atoi(v.Get("wait"))
	if v.Get("wait") != "" && (err != nil || wait < 0 || wait > int(maxWait/time.Second)) {
		return badParameter("wait", "wait is a number of seconds up to %d.", int(maxWait/time.Second))
	}
	leave, ok := a.waiting.enter(c.key)
	if !ok {
		w.Header().Set("Retry-After", "30")
		return &fault{status: http.StatusTooManyRequests, detail: fmt.Sprintf("Too many of your requests are waiting already; at most %d can.", maxPatience)}
	}
	defer leave()
	if wantsStream(r) {
		return a.stream(w, r, after, v.Get("authority"))
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxWait + maxTime)) // where there is no deadline none is needed
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(wait)*time.Second)
	defer cancel()
	if err := a.until(ctx, after); err != nil && r.Context().Err() != nil {
		return err
	}
	return a.listEvents(w, r, after, v.Get("authority"), limit)
}

// until waits for an event with a number above after.
func (a *API) until(ctx context.Context, after int64) error {
	ticker := time.NewTicker(a.patience())
	defer ticker.Stop()
	for {
		last, err := a.Store.LastEvent(ctx)
		if err != nil || last > after {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (a *API) patience() time.Duration {
	if a.Patience > 0 {
		return a.Patience
	}
	return time.Second
}

func (a *API) listEvents(w http.ResponseWriter, r *http.Request, after int64, authority string, limit int) error {
	found, last, err := a.Store.Events(r.Context(), after, authority, limit)
	if err != nil {
		return err
	}
	names, err := a.names(r)
	if err != nil {
		return err
	}
	newest, err := a.Store.LastEvent(r.Context())
	if err != nil {
		return err
	}
	out := eventsJSON{Events: []eventJSON{}, After: last, More: last < newest && last > after}
	for i := range found {
		out.Events = append(out.Events, a.eventJSON(&found[i], names))
	}
	next := url.Values{"after": {strconv.FormatInt(last, 10)}, "limit": {strconv.Itoa(limit)}}
	if authority != "" {
		next.Set("authority", authority)
	}
	w.Header().Set("Link", "<"+a.BaseURL+"/api/v1/events?"+next.Encode()+`>; rel="next"`)
	if format, _, err := formatOf(r); err == nil && format.Extension == NDJSON.Extension {
		var b bytes.Buffer
		lines := json.NewEncoder(&b)
		for _, e := range out.Events {
			if err := lines.Encode(e); err != nil {
				return err
			}
		}
		w.Header().Set("Content-Type", NDJSON.MIME)
		ServeTagged(w, r, b.Bytes())
		return nil
	}
	return reply(w, r, out)
}

// stream sends events as they happen, as server-sent events. The id of each is its
// number, so that a browser or a program goes on where it was cut off.
func (a *API) stream(w http.ResponseWriter, r *http.Request, after int64, authority string) error {
	control := http.NewResponseController(w)
	ctx, cancel := context.WithTimeout(r.Context(), streamFor)
	defer cancel()
	names, err := a.names(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it back
	w.WriteHeader(http.StatusOK)
	send := func(text string) bool {
		control.SetWriteDeadline(time.Now().Add(maxTime))
		_, err := fmt.Fprint(w, text)
		return err == nil && control.Flush() == nil
	}
	if !send("retry: 5000\n\n") {
		return nil
	}
	for {
		found, last, err := a.Store.Events(ctx, after, authority, defaultPage)
		if err != nil {
			return nil // the answer has begun; whoever listens connects again
		}
		for i := range found {
			b, err := json.Marshal(a.eventJSON(&found[i], names))
			if err != nil || !send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", found[i].Seq, alerts.HookType(found[i].Type), b)) {
				return nil
			}
		}
		if after = last; len(found) > 0 {
			continue
		}
		still, stop := context.WithTimeout(ctx, quiet)
		err = a.until(still, after)
		stop()
		if ctx.Err() != nil || err != nil && !send(fmt.Sprintf(": alive\nid: %d\n\n", after)) {
			return nil
		}
	}
}
