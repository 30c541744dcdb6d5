package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// Keeper is the part of the store in which a nightly audit keeps what it finds.
type Keeper interface {
	Store
	// AuditFrom returns from where to audit: all that has not been audited, and all
	// events since a moment.
	AuditFrom(ctx context.Context, since time.Time) (int64, error)
	// RecordAudit stores what was found, and returns how much of it is news; what was
	// missing is owed from now on, and what nobody asked for is not told if it has not
	// been.
	RecordAudit(ctx context.Context, r alerts.AuditRun, missing, extra []alerts.Match) (alerts.AuditRun, error)
	// Notice tells the operator something once.
	Notice(ctx context.Context, key, text string, now time.Time) error
}

// again is how far back a nightly audit looks at what has been audited before.
const again = 7 * 24 * time.Hour

// Night audits what is new since the last audit, and the last week again. Whoever
// was left out is told late, with a word that says so; the operator hears of every
// difference.
func Night(ctx context.Context, k Keeper, now time.Time) (Report, error) {
	from, err := k.AuditFrom(ctx, now.Add(-again))
	if err != nil {
		return Report{}, err
	}
	report, err := (&Audit{Store: k}).Run(ctx, from, math.MaxInt64)
	if err != nil {
		return report, err
	}
	matches := func(findings []Finding) []alerts.Match {
		out := make([]alerts.Match, len(findings))
		for i, f := range findings {
			out[i] = f.match
		}
		return out
	}
	run, err := k.RecordAudit(ctx, alerts.AuditRun{At: now.UnixMilli(), From: report.From, To: report.To, Events: report.Events, Matches: report.Matches},
		matches(report.Missing), matches(report.Extra))
	if err != nil || run.Missing+run.Extra == 0 {
		return report, err
	}
	text := fmt.Sprintf("The nightly check worked out again who should have been told of the events %d to %d, and differs from the ledger: %d were left out, and are told now, late; "+
		"%d were to be told of something they had not asked for, and are not, unless it has gone out. This is a fault in the program or the database: please report it with the output of \"sitenotice audit --json\".",
		report.From+1, report.To, run.Missing, run.Extra)
	return report, k.Notice(ctx, "audit:"+string(alerts.DateOf(now)), text, now)
}
