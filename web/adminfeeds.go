package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// feedPath is where those who look after a register find it.
func feedPath(slug string) string { return "/admin/feeds/" + url.PathEscape(slug) }

type adminFeedsPage struct {
	adminPage
	Feeds        []adminFeedRow
	Newer, Older string
}

type adminFeedRow struct {
	Slug, Href string
	State      string
	Faults     []alerts.FeedFault
	LastGood   int64
}

// adminFeeds lists all registers.
func (s *Server) adminFeeds(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	all, err := s.Store.Feeds(r.Context())
	if err != nil {
		return err
	}
	at := pagerOf(r, "/admin/feeds")
	from := min(at.from(), len(all))
	shown, more := cut(all[from:], adminList)
	histories, err := s.Store.Histories(r.Context(), shown)
	if err != nil {
		return err
	}
	page := adminFeedsPage{adminPage: newAdminPage(r, a, "feeds"), Newer: at.newer(), Older: at.older(more)}
	for _, h := range histories {
		health := alerts.HealthOf(h, s.Now())
		page.Feeds = append(page.Feeds, adminFeedRow{h.Feed.Slug, feedPath(h.Feed.Slug), feedHealth{State: health.State}.StateWords(), health.Faults, unixMilli(health.LastGood)})
	}
	return s.render(w, r, http.StatusOK, "adminfeeds.html", "Registers", page)
}

// verdictWords say what became of a reading.
var verdictWords = map[alerts.Verdict]string{
	alerts.VerdictNone:     "under way",
	alerts.VerdictComplete: "complete",
	alerts.VerdictPartial:  "partial",
	alerts.VerdictFailed:   "failed",
	alerts.VerdictHeld:     "held",
}

// What is looked at of a register.
const (
	runsShown   = 20
	faultsShown = 20
	samples     = 10
	mostReached = 2_000 // applications whose readers are counted; held news of more needs a second person anyway
)

type adminFeedPage struct {
	adminPage
	Feed     alerts.Feed
	State    string
	LastGood int64
	Faults   []alerts.FeedFault
	Runs     []runRow
	Bad      []alerts.Fault // of the latest reading that left rows out
	BadOf    alerts.Run
	Held     *heldPart
	Acts     []actRow
	Tends    bool // the reader may decide
	Upload   string
	Typed    string // reason
}

type runRow struct {
	alerts.Run
	Words string
}

// A heldPart is what is held of a register, and what may be done with it.
type heldPart struct {
	Hold      alerts.Hold
	Reach     string
	Samples   []heldSample
	More      int // applications beyond the samples; 0 also where they were not counted
	Two       bool
	Above     int
	Asked     *alerts.HeldRequest // waits for a second person
	AskedName string
	Mine      bool                // the reader asked
	Broken    *alerts.HeldRequest // was agreed, and is not finished
}

// Releases and Discards report whether the one or the other was asked for.
func (h *heldPart) Releases() bool { return h.Asked != nil && h.Asked.Choice == alerts.HeldRelease }

// Discards is the same of discarding.
func (h *heldPart) Discards() bool { return h.Asked != nil && h.Asked.Choice == alerts.HeldDiscard }

// A heldSample is one application of which something is held.
type heldSample struct {
	Reference, Address, Received, What, Href string
}

// adminFeed shows a register to whoever looks after it.
func (s *Server) adminFeed(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.renderFeed(w, r, http.StatusOK, newAdminPage(r, a, "feeds"), "")
}

func (s *Server) renderFeed(w http.ResponseWriter, r *http.Request, status int, p adminPage, typed string) error {
	ctx := r.Context()
	f, err := s.Store.Feed(ctx, variable(r, "feed"))
	if err != nil {
		return err
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(checkTime)) // where there is no deadline none is needed
	scope := alerts.FeedScope(f.Slug)
	page := adminFeedPage{adminPage: p, Feed: f, Typed: typed, Tends: p.Operates() || p.Me.May(scope, alerts.RoleMember)}
	if s.API != nil && s.Files != nil && page.Tends {
		page.Upload = checkPath + "?feed=" + url.QueryEscape(f.Slug)
	}
	histories, err := s.Store.Histories(ctx, []alerts.Feed{f})
	if err != nil {
		return err
	}
	health := alerts.HealthOf(histories[0], s.Now())
	page.State, page.LastGood, page.Faults = feedHealth{State: health.State}.StateWords(), unixMilli(health.LastGood), health.Faults
	runs, err := s.Store.Runs(ctx, f.ID, runsShown)
	if err != nil {
		return err
	}
	for _, run := range runs {
		page.Runs = append(page.Runs, runRow{run, verdictWords[run.Verdict]})
		if run.Quarantined > 0 && page.BadOf.ID == 0 {
			page.BadOf = run
		}
	}
	if page.BadOf.ID != 0 {
		if page.Bad, err = s.Store.Quarantined(ctx, page.BadOf.ID, faultsShown); err != nil {
			return err
		}
	}
	if page.Held, err = s.heldPart(ctx, f, p); err != nil {
		return err
	}
	if p.Oversees() {
		acts, err := s.Store.Acts(ctx, alerts.FeedSubject(f.Slug), "", 0, adminGlance)
		if err != nil {
			return err
		}
		if page.Acts, err = s.actRows(ctx, acts, p); err != nil {
			return err
		}
	}
	title := "The register " + f.Slug
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "adminfeed.html", title, page)
}

// reckon counts whom the release of a register's held news would reach, and shows
// each event to look.
func (s *Server) reckon(ctx context.Context, f alerts.Feed, look func(alerts.Event)) (alerts.Reach, error) {
	count := &alerts.Reckoning{Today: alerts.DateOf(s.Now()), Most: mostReached, Candidates: func(keys []string, from, to int64, yield func(*alerts.Version) error) error {
		return s.Store.Candidates(ctx, keys, from, to, yield)
	}}
	enough := errors.New("enough")
	err := s.Store.Held(ctx, f, s.Now(), func(events []alerts.Event) error {
		for _, e := range events {
			look(e)
		}
		if err := count.Add(events); err != nil || !count.More {
			return err
		}
		return enough
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return count.Reach, err
}

// heldPart returns what is held of a register; nil when nothing is.
func (s *Server) heldPart(ctx context.Context, f alerts.Feed, p adminPage) (*heldPart, error) {
	held, err := s.Store.Hold(ctx, f)
	if err != nil || held.Events == 0 {
		return nil, err
	}
	part := &heldPart{Hold: held, Above: s.SecondPersonAbove}
	seen := map[int64]bool{}
	reach, err := s.reckon(ctx, f, func(e alerts.Event) {
		if seen[e.ApplicationID] {
			return
		}
		if seen[e.ApplicationID] = true; len(part.Samples) == samples {
			return
		}
		part.Samples = append(part.Samples, heldSample{Reference: alerts.Line(e.After.Reference, 60), Address: alerts.Line(e.After.Address, 120), Received: e.After.Received.Long(),
			What: alerts.English.EventLabel(e.Type), Href: alerts.ApplicationPath(alerts.Ref{Authority: e.Authority, Number: e.After.Reference})})
	})
	if err != nil {
		return nil, err
	}
	part.More = len(seen) - len(part.Samples)
	part.Two = alerts.HeldDecision{Reach: reach, Above: s.SecondPersonAbove}.NeedsTwo()
	shown := reach
	if !p.Oversees() { // who makes the register must not learn whether anybody follows one place
		shown = reach.ForTheUploader()
	}
	part.Reach = shown.String()
	asked, err := s.Store.HeldRequest(ctx, f)
	switch {
	case err != nil || asked == nil:
		return part, err
	case asked.AgreedAt > 0 && held.Last <= asked.Hold.Last:
		part.Broken = asked
	case asked.Waits(held, s.Now()):
		part.Asked, part.Mine = asked, asked.By == p.Me.ID
		names, err := s.Store.ActorNames(ctx, []int64{asked.By})
		if err != nil {
			return nil, err
		}
		part.AskedName = names[alerts.Account{ID: asked.By}.Actor()]
	}
	return part, nil
}

// releaseHeld and discardHeld decide about what is held of a register.
func (s *Server) releaseHeld(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.decideHeld(w, r, a, alerts.HeldRelease)
}

func (s *Server) discardHeld(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.decideHeld(w, r, a, alerts.HeldDiscard)
}

func (s *Server) decideHeld(w http.ResponseWriter, r *http.Request, a alerts.Account, choice alerts.HeldChoice) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(checkTime)) // where there is no deadline none is needed
	f, err := s.Store.Feed(r.Context(), variable(r, "feed"))
	if err != nil {
		return err
	}
	p := newAdminPage(r, a, "feeds")
	reason := p.reason(r)
	if len(p.Problems) > 0 {
		return s.renderFeed(w, r, http.StatusUnprocessableEntity, p, clip(r.PostForm.Get("reason"), alerts.MaxReason))
	}
	d := alerts.HeldDecision{Choice: choice, By: a.ID, Who: a.Actor(), Reason: reason, Above: s.SecondPersonAbove}
	d.Hold.Last, _ = strconv.ParseInt(r.PostForm.Get("last"), 10, 64)
	d.Hold.Events, _ = strconv.ParseInt(r.PostForm.Get("events"), 10, 64)
	if d.Reach, err = s.reckon(r.Context(), f, func(alerts.Event) {}); err != nil {
		return err
	}
	step, err := s.Store.DecideHeld(r.Context(), f, d, s.BaseURL+feedPath(f.Slug), s.Now())
	if err != nil {
		return err
	}
	done := map[alerts.HeldStep]string{alerts.HeldAsk: "asked", alerts.HeldWait: "waiting"}[step]
	if step == alerts.HeldDo {
		done = choice.Past()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), checkTime) // a browser that goes away breaks nothing off
		defer cancel()
		if choice == alerts.HeldRelease {
			_, err = s.Store.Release(ctx, f, d.Hold.Last, s.Now())
		} else {
			_, err = s.Store.Discard(ctx, f, d.Hold.Last)
		}
		if err != nil {
			return err
		}
	}
	http.Redirect(w, r, feedPath(f.Slug)+"?done="+done, http.StatusSeeOther)
	return nil
}
