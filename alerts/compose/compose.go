// Package compose turns what is owed and due into mail: one message per person and
// due moment, and the letters that people and operators get about their own
// affairs. When something is told is decided by [alerts.Owed.Compose]; this package
// says how.
package compose

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Store is the part of the store that this stage reads and writes.
type Store interface {
	// MarkDue reports whether the matcher has reached what the event log held at a due moment.
	MarkDue(ctx context.Context, due time.Time) (reached bool, err error)
	// DueSubscribers returns subscribers in order to whom something may be told now.
	DueSubscribers(ctx context.Context, after int64, limit int, now time.Time, ready []alerts.Cadence) ([]int64, error)
	// ComposeFor stores the deliveries of these subscribers, with their matches, in one transaction.
	ComposeFor(ctx context.Context, subscribers []int64, now time.Time, ready []alerts.Cadence, write func(alerts.Bulletin) (alerts.Delivery, error)) (deliveries int, err error)
	// SkipDue moves the due moment of those who are owed nothing.
	SkipDue(ctx context.Context, c alerts.Cadence, now time.Time) error
	// Authorities returns all authorities and when each was last read.
	Authorities(ctx context.Context) ([]alerts.Coverage, error)
	// TellNotices has one mail written of what the operator has not been told.
	TellNotices(ctx context.Context, address, addressKey string, now time.Time, write func([]alerts.Notice) (alerts.Delivery, error)) ([]alerts.Notice, error)
	// TellContacts has mails written to the contacts of feeds that have a fault, or have lost one, of which they have not been told.
	TellContacts(ctx context.Context, limit int, now time.Time, addressKey func(string) string, write func(alerts.FeedNews) (alerts.Delivery, error)) (mails int, err error)
	// TellCoverage has mails written to those who wait for a council to be covered.
	TellCoverage(ctx context.Context, limit int, now time.Time, write func(alerts.Recipient, []alerts.Coverage) (alerts.Delivery, error)) (mails int, err error)
	HookStore
}

// Stage makes passes that compose what is due.
type Stage struct {
	Store       Store
	Keys        alerts.Keys
	BaseURL     string         // as people see the service, without a slash at the end
	Inbound     alerts.Inbound // where wishes to stop can be mailed; zero for nowhere
	Contact     string         // e-mail address of whoever runs the service; may be empty
	Attribution []string       // the lines that licences ask for
	Now         func() time.Time
	Log         *slog.Logger
}

// Result is what a pass did.
type Result struct {
	Deliveries int
}

// patience is how long after a due moment digests wait for the matcher to reach
// what the event log held then.
const patience = 15 * time.Minute

// A transaction composes for as many subscribers as keeps it short, at most so many.
const (
	firstBatch  = 10
	largeBatch  = 100
	shortEnough = 50 * time.Millisecond
)

// Run makes one pass: it composes for everybody to whom something is due.
func (s *Stage) Run(ctx context.Context) (Result, error) {
	var r Result
	now := s.Now()
	ready, err := s.ready(ctx, now)
	if err != nil {
		return r, err
	}
	w, err := s.writer(ctx, now)
	if err != nil {
		return r, err
	}
	batch := firstBatch
	for after := int64(0); ; {
		subscribers, err := s.Store.DueSubscribers(ctx, after, batch, now, ready)
		if err != nil {
			return r, err
		}
		if len(subscribers) == 0 {
			break
		}
		start := time.Now() // of the stopwatch, not of the day
		made, err := s.Store.ComposeFor(ctx, subscribers, now, ready, w.bulletin)
		r.Deliveries += made
		if err != nil {
			return r, err
		}
		after = subscribers[len(subscribers)-1]
		if time.Since(start) < shortEnough {
			batch = min(2*batch, largeBatch)
		} else {
			batch = max(batch/2, 1)
		}
	}
	for _, c := range ready {
		if c == alerts.Immediate {
			continue
		}
		if err := s.Store.SkipDue(ctx, c, now); err != nil {
			return r, err
		}
	}
	hooks, err := s.hooks(ctx)
	r.Deliveries += hooks
	if err != nil {
		return r, err
	}
	letters, err := s.tell(ctx, now)
	r.Deliveries += letters
	return r, err
}

// ready lists the cadences that need not wait for the matcher.
func (s *Stage) ready(ctx context.Context, now time.Time) ([]alerts.Cadence, error) {
	ready := []alerts.Cadence{alerts.Immediate}
	for _, c := range []alerts.Cadence{alerts.Daily, alerts.Weekly} {
		due := alerts.PreviousDue(c, now)
		reached, err := s.Store.MarkDue(ctx, due)
		if err != nil {
			return nil, err
		}
		if reached || now.Sub(due) >= patience {
			ready = append(ready, c)
		}
	}
	return ready, nil
}

// letterBatch is how many people are told of a council that is covered in one
// transaction.
const letterBatch = 50

// tell writes to the operator and to those who wait for a council to be covered.
func (s *Stage) tell(ctx context.Context, now time.Time) (letters int, err error) {
	key := ""
	if s.Contact != "" {
		key = s.Keys.AddressKeys(s.Contact)[0]
	}
	notices, err := s.Store.TellNotices(ctx, s.Contact, key, now, s.notices)
	if err != nil {
		return 0, err
	}
	for _, n := range notices {
		s.Log.Warn("for the operator", "notice", n.Key, "text", n.Text)
	}
	if len(notices) > 0 && s.Contact != "" {
		letters++
	}
	for {
		mails, told, err := s.Store.TellEndpoints(ctx, letterBatch, now, s.endpointNews)
		letters += mails
		if err != nil {
			return letters, err
		}
		if told == 0 {
			break
		}
	}
	for {
		mails, err := s.Store.TellContacts(ctx, letterBatch, now, func(address string) string { return s.Keys.AddressKeys(address)[0] }, s.contact)
		letters += mails
		if err != nil {
			return letters, err
		}
		if mails == 0 {
			break
		}
	}
	for {
		mails, err := s.Store.TellCoverage(ctx, letterBatch, now, s.coverage)
		letters += mails
		if err != nil || mails == 0 {
			return letters, err
		}
	}
}

// host is the domain that names our lists and messages.
func (s *Stage) host() string {
	u, err := url.Parse(s.BaseURL)
	if err != nil || u.Hostname() == "" {
		return "localhost"
	}
	return u.Hostname()
}

// messageID returns a name for a new message; it stays the same at every attempt
// to send it.
func (s *Stage) messageID() string { return alerts.NewSecret()[:22] + "@" + s.host() }

// manageURL is a link to a recipient's subscriptions that works for a while.
func (s *Stage) manageURL(recipient int64, now time.Time) string {
	return s.BaseURL + "/manage/" + s.Keys.Sign("manage", fmt.Sprintf("%d:%s", recipient, alerts.DateOf(now).AddDays(alerts.ManageDays)))
}

// unsubscribeURL is the link that stops all that a message serves, for ever valid.
func (s *Stage) unsubscribeURL(recipient int64, serves []alerts.Cadence) string {
	names := make([]string, len(serves))
	for i, c := range serves {
		names[i] = string(c)
	}
	return s.BaseURL + "/u/" + s.Keys.Sign("unsubscribe", fmt.Sprintf("%d:%s", recipient, strings.Join(names, ",")))
}
