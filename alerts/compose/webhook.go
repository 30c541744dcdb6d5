package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// HookStore is the part of the store that composing webhooks reads and writes.
type HookStore interface {
	// DueEndpoints returns endpoints in order that are owed something and may be told now.
	DueEndpoints(ctx context.Context, after int64, limit int) ([]int64, error)
	// ComposeHooks stores an endpoint's next webhooks, with what they tell, in one transaction.
	ComposeHooks(ctx context.Context, endpoint int64, limit int, now time.Time, write alerts.HookWriter) (made int, more bool, err error)
	// TellEndpoints has mails written to the owners of endpoints of which there is news.
	TellEndpoints(ctx context.Context, limit int, now time.Time, write func(alerts.Endpoint) (alerts.Delivery, error)) (mails, told int, err error)
}

// A transaction composes at most so many matches of one endpoint; a pass takes turns,
// so that one with a long list delays no other.
const (
	hookBatch     = 200
	endpointBatch = 100
)

// hooks makes the webhooks that are owed.
func (s *Stage) hooks(ctx context.Context) (made int, err error) {
	write, err := s.HookWriter(ctx)
	if err != nil {
		return 0, err
	}
	for again := true; again; {
		again = false
		for after := int64(0); ; {
			endpoints, err := s.Store.DueEndpoints(ctx, after, endpointBatch)
			if err != nil {
				return made, err
			}
			if len(endpoints) == 0 {
				break
			}
			for _, id := range endpoints {
				n, more, err := s.Store.ComposeHooks(ctx, id, hookBatch, s.Now(), write)
				if ctx.Err() != nil {
					return made, ctx.Err()
				}
				if err != nil { // the others need not wait for this one
					s.Log.Error("webhooks of an endpoint cannot be composed; they stay owed", "endpoint", id, "error", err)
				}
				made, again = made+n, again || more
			}
			after = endpoints[len(endpoints)-1]
		}
	}
	return made, nil
}

// endpointNews writes the mail to the owner of an endpoint that fails or was
// switched off.
func (s *Stage) endpointNews(e alerts.Endpoint) (alerts.Delivery, error) {
	name := alerts.Line(e.Name, alerts.MaxEndpointName)
	l := letter{
		Subject: "Webhooks to “" + name + "” fail",
		Title:   "Your webhooks do not arrive",
		Lead:    []string{e.NewsWords()},
		After:   []string{"The delivery log shows what the endpoint answered. You get at most one mail a day about it."},
		Button:  "See the delivery log",
		Link:    s.BaseURL + "/",
	}
	if e.GroupID != 0 {
		l.Link = fmt.Sprintf("%s/groups/%d/endpoints/%d#log", s.BaseURL, e.GroupID, e.ID) // by way of signing in
	}
	if e.News == alerts.NewsDisabled {
		l.Subject, l.Title = "Webhooks to “"+name+"” were switched off", "Your webhooks were switched off"
		l.After = []string{"When it works again, send it a ping: if that succeeds, everything that waits is sent. The delivery log shows what the endpoint answered."}
	}
	return s.letter(alerts.DeliveryNotice, l)
}

// HookWriter returns what puts events into an endpoint's format, with the names that
// authorities have now.
func (s *Stage) HookWriter(ctx context.Context) (alerts.HookWriter, error) {
	authorities, err := s.Store.Authorities(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(authorities))
	for _, a := range authorities {
		names[a.Slug] = a.Name
	}
	return func(n alerts.HookNews) ([]byte, error) {
		if n.Endpoint.Format.IsChat() {
			return s.chatNews(n, names[n.Event.Authority])
		}
		return hookBody(n, names[n.Event.Authority], s.BaseURL)
	}, nil
}

// Ping writes the message that asks an endpoint to prove that it wants webhooks.
func (s *Stage) Ping(e alerts.Endpoint) ([]byte, error) {
	if e.Format.IsChat() {
		return s.chatPing(e)
	}
	return encode(hookJSON{Type: alerts.HookPing, Timestamp: alerts.WireTime(s.Now().UnixMilli()),
		Data: pingJSON{SchemaVersion: alerts.WireVersion, Endpoint: e.ID, Challenge: e.Challenge}})
}

// hookJSON is a webhook as Standard Webhooks has it.
type hookJSON struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // of the event, not of the attempt
	Data      any    `json:"data"`
}

type pingJSON struct {
	SchemaVersion int    `json:"schema_version"`
	Endpoint      int64  `json:"endpoint"`
	Challenge     string `json:"challenge"`
}

type newsJSON struct {
	SchemaVersion  int                 `json:"schema_version"`
	Endpoint       int64               `json:"endpoint"`
	Sequence       int64               `json:"sequence,omitempty"` // for this endpoint, without gaps; tests have none
	Event          int64               `json:"event,omitempty"`    // number in the event log
	Test           bool                `json:"test,omitempty"`
	InArea         bool                `json:"in_area"`
	PublishedLate  bool                `json:"published_late,omitempty"`
	Subscriptions  []int64             `json:"subscriptions"`
	Application    alerts.CaseJSON     `json:"application"`
	Changes        []alerts.ChangeJSON `json:"changes,omitempty"`
	ChangesOmitted int                 `json:"changes_omitted,omitempty"` // the rest is on the case's page
}

// hookChanges is the most changes that a webhook lists.
const hookChanges = 20

// hookBody writes what a program is sent of an event, of at most
// alerts.MaxHookBody bytes.
func hookBody(n alerts.HookNews, authority, base string) ([]byte, error) {
	e := n.Event
	data := newsJSON{SchemaVersion: alerts.WireVersion, Endpoint: n.Endpoint.ID, Sequence: n.Sequence, Event: e.Seq, Test: n.Test, InArea: n.InArea,
		Subscriptions: n.Subscriptions}
	if data.Subscriptions == nil {
		data.Subscriptions = []int64{}
	}
	if n.Bare || e.Type == alerts.EventRemoved {
		data.Application = alerts.WireBare(e.Authority, &e.After)
	} else {
		data.Application, data.PublishedLate = alerts.Wire(e.Authority, authority, &e.After, base), e.Late
		data.Changes = alerts.WireChanges(e.Before, &e.After)
		if more := len(data.Changes) - hookChanges; more > 0 {
			data.Changes, data.ChangesOmitted = data.Changes[:hookChanges], more
		}
	}
	message := hookJSON{Type: alerts.HookType(e.Type), Timestamp: alerts.WireTime(e.At), Data: &data}
	for {
		body, err := encode(message)
		if err != nil || len(body) <= alerts.MaxHookBody {
			return body, err
		}
		switch c := &data.Application; {
		case len(data.Changes) > 0:
			data.ChangesOmitted += len(data.Changes) - len(data.Changes)/2
			data.Changes = data.Changes[:len(data.Changes)/2]
		case len(c.Description) > 100:
			c.Description, c.DescriptionTruncated = alerts.Line(c.Description, len([]rune(c.Description))/2), true
		case c.CouncilURL != "" || c.CommentURL != "":
			c.CouncilURL, c.CommentURL = "", ""
		default:
			return nil, fmt.Errorf("the webhook of event %d has %d bytes, more than %d", e.Seq, len(body), alerts.MaxHookBody)
		}
	}
}

// encode writes JSON in one line. These bytes are stored, signed and sent.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
