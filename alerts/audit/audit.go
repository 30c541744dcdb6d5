// Package audit asks again, by brute force, who should have been matched with
// which event, and compares the answer with the ledger. It shares no code with
// package match nor with the rule that match applies: own geometry, own filters,
// no index, every version against every event.
package audit

import (
	"context"
	"fmt"

	"github.com/sitenotice/sitenotice/alerts"
)

// Store is the part of the store that an audit reads. It changes nothing.
type Store interface {
	// MatchPosition is how far the ledger is complete.
	MatchPosition(ctx context.Context) (int64, error)
	// LoggedEvents returns the live events with from < seq ≤ to that may be told.
	LoggedEvents(ctx context.Context, from, to int64) ([]alerts.Event, error)
	// LoggedVersions returns up to limit versions with ids after the given one that
	// were in force at some point of the range, in order.
	LoggedVersions(ctx context.Context, after, from, to int64, limit int) ([]alerts.Version, error)
	// LoggedMatches returns the ledger's entries of a span of versions in the range.
	LoggedMatches(ctx context.Context, firstVersion, lastVersion, from, to int64) ([]alerts.Match, error)
}

// Audit compares the ledger with its oracle.
type Audit struct{ Store Store }

// A Finding is one difference.
type Finding struct {
	VersionID int64  `json:"version"`
	Seq       int64  `json:"seq"`
	Problem   string `json:"problem"`

	match alerts.Match // that should be there, of a missing one
}

// Report is what an audit found, over what still lives: subscriptions that were
// erased and cases that were taken down are not in it.
type Report struct {
	From     int64     `json:"from"` // events with From < seq ≤ To
	To       int64     `json:"to"`
	Events   int       `json:"events"`
	Versions int       `json:"versions"`
	Matches  int       `json:"matches"` // that the ledger holds
	Edge     int       `json:"edge"`    // pairs so near an edge that either answer is right
	Missing  []Finding `json:"missing"` // what the ledger should hold and does not
	Extra    []Finding `json:"extra"`   // what it holds and should not
}

// OK reports whether the ledger is as it should be.
func (r *Report) OK() bool { return len(r.Missing)+len(r.Extra) == 0 }

const (
	page       = 2_000
	maxEvents  = 5_000  // of one sweep over the versions
	maxFinding = 10_000 // of each kind; a ledger with more is broken beyond listing
)

// Run audits the events with from < seq ≤ to, as far as they have been matched.
func (a *Audit) Run(ctx context.Context, from, to int64) (Report, error) {
	position, err := a.Store.MatchPosition(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{From: from, To: max(from, min(to, position))}
	for from := r.From; from < r.To; from += maxEvents {
		if err := a.sweep(ctx, &r, from, min(from+maxEvents, r.To)); err != nil {
			return r, fmt.Errorf("audit the events %d to %d: %w", from+1, min(from+maxEvents, r.To), err)
		}
	}
	return r, nil
}

func (a *Audit) sweep(ctx context.Context, r *Report, from, to int64) error {
	logged, err := a.Store.LoggedEvents(ctx, from, to)
	if err != nil {
		return err
	}
	events := make([]event, 0, len(logged))
	bySeq := map[int64]bool{}
	for i := range logged {
		e, err := readEvent(&logged[i])
		if err != nil {
			return err
		}
		events = append(events, e)
		bySeq[e.Seq] = true
	}
	r.Events += len(events)
	for last := int64(0); ; {
		versions, err := a.Store.LoggedVersions(ctx, last, from, to, page)
		if err != nil || len(versions) == 0 {
			return err
		}
		first := versions[0].ID
		last = versions[len(versions)-1].ID
		matches, err := a.Store.LoggedMatches(ctx, first, last, from, to)
		if err != nil {
			return err
		}
		ledger := map[[2]int64]alerts.Match{}
		for _, m := range matches {
			if bySeq[m.Seq] {
				ledger[[2]int64{m.VersionID, m.Seq}] = m
			}
		}
		for i := range versions {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := readVersion(&versions[i])
			if err != nil {
				return err
			}
			r.Versions++
			for k := range events {
				e := &events[k]
				m, held := ledger[[2]int64{v.ID, e.Seq}]
				r.compare(&v, e, m, held)
			}
		}
	}
}

func (r *Report) compare(v *version, e *event, m alerts.Match, held bool) {
	may := v.answers(e)
	is := noMatch
	if held {
		r.Matches++
		if is = alertMatch; m.Correction {
			is = correctionMatch
		}
	}
	if may.several() {
		r.Edge++
	}
	finding := Finding{VersionID: v.ID, Seq: e.Seq, match: m}
	switch {
	case !may.has(is) && !held:
		finding.match = alerts.Match{VersionID: v.ID, Seq: e.Seq, RecipientID: v.RecipientID, Correction: !may.has(alertMatch)}
		if e.After.IsOpen() {
			finding.match.Closes = e.After.CommentsUntil
		}
		if finding.Problem = "no match"; len(r.Missing) < maxFinding {
			r.Missing = append(r.Missing, finding)
		}
		return
	case !may.has(is) && may.has(noMatch):
		finding.Problem = "a match that was not asked for"
	case !may.has(is):
		finding.Problem = "an alert and a correction mixed up"
	case held && m.RecipientID != v.RecipientID:
		finding.Problem = "a match for somebody else"
	default:
		return
	}
	if len(r.Extra) < maxFinding {
		r.Extra = append(r.Extra, finding)
	}
}
