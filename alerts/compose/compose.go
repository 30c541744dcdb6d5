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
	ComposeFor(ctx context.Context, subscribers []int64, now time.Time, ready []alerts.Cadence, past alerts.Past, write func(alerts.Bulletin) (alerts.Delivery, error)) (deliveries int, err error)
	// SkipDue moves the due moment of those who are owed nothing.
	SkipDue(ctx context.Context, c alerts.Cadence, now time.Time) error
	// Authorities returns all authorities and when each was last read.
	Authorities(ctx context.Context) ([]alerts.Coverage, error)
	// Readings returns how often each authority's register was read in a time, by slug.
	Readings(ctx context.Context, from, to time.Time) (map[string]alerts.Readings, error)
	// ClaimTick takes up one period of some scheduled work; false when it is done or somebody is at it.
	ClaimTick(ctx context.Context, name, period string, now time.Time, lease time.Duration) (bool, error)
	// FinishTick says that a period's work is done.
	FinishTick(ctx context.Context, name, period string, now time.Time) error
	// RefreshReminders brings the closing dates of armed reminders up to date.
	RefreshReminders(ctx context.Context, now time.Time) error
	// NoteOutages opens and ends outages of authorities.
	NoteOutages(ctx context.Context, now time.Time) error
	// TellOutages has mails written to those whose areas touch an authority that is not read.
	TellOutages(ctx context.Context, limit int, now time.Time, write func(alerts.Recipient, []alerts.Outage, []alerts.Subscription) (alerts.Delivery, error)) (mails int, more bool, err error)
	// TellQuiet has notes written to those who were sent nothing in the last calendar month.
	TellQuiet(ctx context.Context, limit int, now time.Time, write func(alerts.QuietMonth) (alerts.Delivery, error)) (mails int, more bool, err error)
	// TellNotices has one mail written of what the operator has not been told.
	TellNotices(ctx context.Context, address, addressKey string, now time.Time, write func([]alerts.Notice) (alerts.Delivery, error)) ([]alerts.Notice, error)
	// TellContacts has mails written to the contacts of feeds that have a fault, or have lost one, of which they have not been told.
	TellContacts(ctx context.Context, limit int, now time.Time, addressKey func(string) string, write func(alerts.FeedNews) (alerts.Delivery, error)) (mails int, err error)
	// TellDisputes has mails written to the contacts of feeds that give places which people say are wrong.
	TellDisputes(ctx context.Context, limit int, now time.Time, addressKey func(string) string, write func(alerts.DisputedPlace) (alerts.Delivery, error)) (mails int, more bool, err error)
	// TellCoverage has mails written to those who wait for a council to be covered.
	TellCoverage(ctx context.Context, limit int, now time.Time, write func(alerts.Recipient, []alerts.Coverage) (alerts.Delivery, error)) (mails int, err error)
	// EndFollowed ends what follows an application of which nothing more is to be expected, and has the last mail written.
	EndFollowed(ctx context.Context, limit int, now time.Time, write func(alerts.FollowEnd) (alerts.Delivery, error)) (ended int, err error)
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
	Welsh       bool           // who asked for Welsh is written to in Welsh
	Now         func() time.Time
	Log         *slog.Logger

	l alerts.Language // of the reader; see in
}

// in is the stage for a reader of a language: what it says and the addresses of the
// pages to which it leads are in that.
func (s *Stage) in(l alerts.Language) *Stage {
	if !s.Welsh || l.IsEnglish() {
		return s
	}
	out := *s
	out.l = l
	out.BaseURL += l.Path()
	return &out
}

// in is the writer for a reader of a language.
func (w *writer) in(l alerts.Language) *writer {
	if stage := w.Stage.in(l); stage != w.Stage {
		out := *w
		out.Stage = stage
		return &out
	}
	return w
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
	if err := s.prepare(ctx, now); err != nil {
		return r, err
	}
	w := &writer{Stage: s, now: now, today: alerts.DateOf(now)}
	past := alerts.Past{}
	batch := firstBatch
	for after := int64(0); ; {
		subscribers, err := s.Store.DueSubscribers(ctx, after, batch, now, ready)
		if err != nil {
			return r, err
		}
		if len(subscribers) == 0 {
			break
		}
		if err := w.load(ctx); err != nil {
			return r, err
		}
		start := time.Now() // of the stopwatch, not of the day
		made, err := s.Store.ComposeFor(ctx, subscribers, now, ready, past, w.bulletin)
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
	letters, err := w.tell(ctx)
	r.Deliveries += letters
	return r, err
}

// prepare brings up to date what else than news people may have to be told of.
func (s *Stage) prepare(ctx context.Context, now time.Time) error {
	if err := s.Store.NoteOutages(ctx, now); err != nil {
		return err
	}
	if !alerts.RemindersFrom(now) {
		return nil
	}
	const task = "reminders"
	day := string(alerts.DateOf(now))
	mine, err := s.Store.ClaimTick(ctx, task, day, now, refreshLease)
	if err != nil || !mine {
		return err
	}
	if err := s.Store.RefreshReminders(ctx, now); err != nil {
		return err
	}
	return s.Store.FinishTick(ctx, task, day, now)
}

// refreshLease is after how long whoever brings closing dates up to date is taken
// for dead.
const refreshLease = 10 * time.Minute

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

// How many people are gone through in one transaction when it is looked for whom an
// outage or a quiet month concerns.
const (
	outageBatch = 100
	quietBatch  = 25
)

// tell writes what is not news of applications: to the operator, to the contacts of
// feeds, to those who wait for a council to be covered, of outages and quiet months.
func (w *writer) tell(ctx context.Context) (letters int, err error) {
	key := ""
	if w.Contact != "" {
		key = w.Keys.AddressKeys(w.Contact)[0]
	}
	notices, err := w.Store.TellNotices(ctx, w.Contact, key, w.now, w.notices)
	if err != nil {
		return 0, err
	}
	for _, n := range notices {
		w.Log.Warn("for the operator", "notice", n.Key, "text", n.Text)
	}
	if len(notices) > 0 && w.Contact != "" {
		letters++
	}
	for _, step := range []func() (mails int, more bool, err error){
		func() (int, bool, error) {
			mails, told, err := w.Store.TellEndpoints(ctx, letterBatch, w.now, w.endpointNews)
			return mails, told > 0, err
		},
		func() (int, bool, error) {
			mails, err := w.Store.TellContacts(ctx, letterBatch, w.now, w.addressKey, w.contact)
			return mails, mails > 0, err
		},
		func() (int, bool, error) {
			return w.Store.TellDisputes(ctx, letterBatch, w.now, w.addressKey, w.disputed)
		},
		func() (int, bool, error) {
			mails, err := w.Store.TellCoverage(ctx, letterBatch, w.now, w.coverage)
			return mails, mails > 0, err
		},
		func() (int, bool, error) {
			ended, err := w.Store.EndFollowed(ctx, letterBatch, w.now, w.farewell)
			return ended, ended == letterBatch, err
		},
		func() (int, bool, error) {
			return w.Store.TellOutages(ctx, outageBatch, w.now, func(to alerts.Recipient, outages []alerts.Outage, subs []alerts.Subscription) (alerts.Delivery, error) {
				if err := w.load(ctx); err != nil {
					return alerts.Delivery{}, err
				}
				return w.outage(to, outages, subs)
			})
		},
		func() (int, bool, error) {
			if !alerts.RemindersFrom(w.now) {
				return 0, false, nil // notes come at a civil hour, too
			}
			return w.Store.TellQuiet(ctx, quietBatch, w.now, w.quiet)
		},
	} {
		for more := true; more; {
			var mails int
			mails, more, err = step()
			letters += mails
			if err != nil {
				return letters, err
			}
		}
	}
	return letters, nil
}

// addressKey is the keyed hash by which an address is known.
func (s *Stage) addressKey(address string) string { return s.Keys.AddressKeys(address)[0] }

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
