package store

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// How long what concerns people is kept at most.
const (
	keepLedger  = 396 * 24 * time.Hour     // 13 months: who was told of what
	keepReports = 90 * 24 * time.Hour      // what others said of mails
	keepProofs  = 6 * 366 * 24 * time.Hour // consents of people who were erased, acts
	keepNotices = 366 * 24 * time.Hour     // that the operator was told of
)

// retention says of each table how long its rows are kept and why. A table that is
// not in it fails a test, so that nobody adds one without having thought of it.
var retention = map[string]string{
	"authority":            "public record: as long as the service runs",
	"feed":                 "as long as the feed is read; its contact is a council's address",
	"feed_authority":       "as long as the feed is read",
	"feed_fault":           "until whoever mends it has been told that it is over",
	"feed_token":           "until another is made; a hash",
	"run":                  "as long as the feed is read: counts, no rows",
	"staged":               "until the run is applied, minutes as a rule",
	"quarantine":           "the last 10 runs of a feed: the cell that could not be read",
	"record":               "public record: as long as the service runs; names are never stored",
	"application":          "public record: as long as the service runs; names are never stored",
	"application_words":    "as the application",
	"application_search":   "as the application",
	"alias":                "as the application",
	"event":                "as the application",
	"boundary":             "until another is imported",
	"uprn":                 "until another is imported",
	"counter":              "as long as the service runs: numbers",
	"watermark":            "as long as the service runs: numbers",
	"tick":                 "30 days",
	"sender":               "as long as the service runs: whether mail flows",
	"notice":               "a year after it was told; names people by number only",
	"pulse":                "as long as the service runs: when each stage last worked",
	"alarm":                "until the operator has been told that it is over",
	"act":                  "6 years: who looked at whom, took what down, released what, and why; names people by number only",
	"held_request":         "a day, or until what two people agreed to is done; the record of acts has it",
	"recipient":            "the address until 28 days after the last subscription ends, 7 days if it was never confirmed; then a number, so that old links answer",
	"subscription":         "the number and dates, so that old links answer; what it asked for is in its versions",
	"subscription_version": "until the person is erased; one that was changed or ended, at most 13 months",
	"subscription_scope":   "until the matcher has passed the end of the version",
	"consent":              "until 6 years after the person is erased: number, date, version of the words",
	"token":                "7 days after it ran out; a hash",
	"coverage_wish":        "until the person is erased, or 30 days after they were told",
	"suppression":          "for good: a keyed hash of the address, so that it is never written to again",
	"allowance":            "about two months: keyed hashes, counts",
	"match":                "13 months, or until the person is erased",
	"due":                  "until the person stops",
	"due_mark":             "30 days",
	"delivery":             "its words 30 days after it went; that it went, 13 months; until the person is erased if that comes first",
	"mail_report":          "90 days: codes, no words",
	"attempt":              "30 days",
	"captured":             "the last 1,000 mails, and only where mail is captured instead of sent",
	"session":              "30 days after it was last used; a hash",
	"role":                 "until it is taken away, or the account is erased",
	"community":            "as long as the group wants",
	"invitation":           "until it is answered or runs out",
	"group_area":           "as long as the group wants: areas that a group watches, not where anybody lives",
	"api_token":            "as long as the group wants; a hash",
	"idempotency":          "a day",
	"meeting":              "as long as the group wants",
	"triage":               "as long as the group wants",
	"hide_vote":            "as long as the group wants",
	"triage_log":           "as long as the group wants: what its members wrote, under the names they chose",
	"endpoint":             "until its owner deletes it",
	"endpoint_secret":      "until it runs out or the endpoint is deleted; sealed",
	"mute":                 "until the person lifts it or is erased",
	"place_check":          "as the application: what people found out about its place",
	"place_report":         "until somebody has decided about the place, 90 days at most: a keyed hash, or the number of a person; until the person is erased",
	"address_move":         "7 days after it ran out, or until the person is erased",
	"reminder":             "until the case is decided, or the person is erased",
	"outage":               "as long as the feed is read: when a register was away",
	"outage_told":          "30 days after the outage is over, or until the person is erased",
	"audit_run":            "as long as the service runs: counts",
	"reach":                "as long as the service runs: counts",
	"timeliness":           "as long as the service runs: counts",
	"endpoint_area":        "until its owner deletes it",
}

// Retention returns how long the rows of each table are kept.
func Retention() map[string]string { return maps.Clone(retention) }

// retire removes what has had its time of the ledger, of mail and of the proofs.
func (s *Store) retire(ctx context.Context, now time.Time) error {
	if err := s.retireLedger(ctx, now.Add(-keepLedger)); err != nil {
		return fmt.Errorf("clear away the old ledger: %w", err)
	}
	before := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	for _, step := range []struct {
		what, query string
		args        []any
	}{
		{"old reports on mails", `DELETE FROM mail_report WHERE key IN (SELECT key FROM mail_report WHERE at < $1 LIMIT $2)`, []any{before(keepReports)}},
		{"old doubts about places", `DELETE FROM place_report WHERE (application_id, client) IN (SELECT application_id, client FROM place_report WHERE at < $1 LIMIT $2)`, []any{before(keepReports)}},
		{"old acts", `DELETE FROM act WHERE id IN (SELECT id FROM act WHERE at < $1 ORDER BY id LIMIT $2)`, []any{before(keepProofs)}},
		{"old consents", `DELETE FROM consent WHERE id IN (SELECT c.id FROM consent c JOIN recipient r ON r.id = c.recipient_id WHERE c.at < $1 AND r.address = '' ORDER BY c.id LIMIT $2)`, []any{before(keepProofs)}},
		{"wishes about held news that lapsed", `DELETE FROM held_request WHERE feed_id IN (SELECT feed_id FROM held_request WHERE agreed_at = 0 AND asked_at < $1 LIMIT $2)`, []any{before(alerts.AgreeWithin)}},
		{"old notices", `DELETE FROM notice WHERE key IN (SELECT key FROM notice WHERE told_at > 0 AND told_at < $1 LIMIT $2)`, []any{before(keepNotices)}},
		{"who was told of outages that are over", `DELETE FROM outage_told WHERE (outage_id, recipient_id) IN (SELECT t.outage_id, t.recipient_id FROM outage_told t JOIN outage o ON o.id = t.outage_id WHERE o.ended_at > 0 AND o.ended_at < $1 LIMIT $2)`, []any{before(keepWords)}},
		{"wishes that came true", `DELETE FROM coverage_wish WHERE (recipient_id, district) IN (SELECT recipient_id, district FROM coverage_wish WHERE told_at > 0 AND told_at < $1 LIMIT $2)`, []any{before(keepWords)}},
	} {
		if err := s.sweep(ctx, step.query, step.args); err != nil {
			return fmt.Errorf("clear away %s: %w", step.what, err)
		}
	}
	return nil
}

// retireLedger removes matches of events from before a moment, but for those that
// are still owed; then mails that tell nothing any more, and versions that nothing
// speaks of. The audit begins after the last event that was forgotten.
func (s *Store) retireLedger(ctx context.Context, cutoff time.Time) error {
	var last int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM event WHERE at < $1`, cutoff.UnixMilli()).Scan(&last); err != nil || last == 0 {
		return err
	}
	if _, err := s.write.ExecContext(ctx, `INSERT INTO counter (name, value) VALUES ('forgotten', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE counter.value < excluded.value`, last); err != nil {
		return err
	}
	for after := int64(0); ; {
		versions, err := collect(ctx, s.read, scanInt, `SELECT id FROM subscription_version WHERE id > $1 AND from_seq < $2 ORDER BY id LIMIT $3`, after, last, housekeepingBatch)
		if err != nil || len(versions) == 0 {
			if err != nil {
				return err
			}
			break
		}
		after = versions[len(versions)-1]
		if _, err := s.write.ExecContext(ctx, `DELETE FROM match WHERE version_id IN (SELECT `+s.dialect.intValue+` FROM json_each($1)) AND seq <= $2 AND (delivery_id IS NOT NULL OR closed IS NOT NULL)`, list(versions), last); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM delivery WHERE id IN (SELECT d.id FROM delivery d WHERE d.created_at < $1 AND d.state <> 'queued'
			AND d.id < coalesce((SELECT id FROM delivery WHERE created_at >= $2 ORDER BY id LIMIT 1), 9223372036854775807)
			AND NOT EXISTS (SELECT 1 FROM match m WHERE m.delivery_id = d.id) ORDER BY d.id LIMIT $3)`,
		`DELETE FROM subscription_version WHERE id IN (SELECT v.id FROM subscription_version v JOIN subscription s ON s.id = v.subscription_id
			WHERE v.created_at < $1 AND s.created_at < $2 AND v.to_seq <= (SELECT value FROM counter WHERE name = 'forgotten') AND (s.state = 'ended' OR s.version_id <> v.id) AND v.from_seq < v.to_seq
			AND NOT EXISTS (SELECT 1 FROM match m WHERE m.version_id = v.id) ORDER BY v.id LIMIT $3)`,
	} {
		if err := s.sweep(ctx, query, []any{cutoff.UnixMilli(), cutoff.UnixMilli()}); err != nil {
			return err
		}
	}
	return nil
}

// Forgotten is the number of the last event whose matches have had their time.
func (s *Store) Forgotten(ctx context.Context) (seq int64, err error) {
	err = one(s.read.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = 'forgotten'`).Scan(&seq))
	return seq, ignoreNotFound(err)
}

// forgetAll forgets who never confirmed and who stopped, until nobody is left.
func (s *Store) forgetAll(ctx context.Context, now time.Time) error {
	for _, forget := range []func(context.Context, time.Time) (int, error){s.ForgetUnconfirmed, s.ForgetEnded} {
		for {
			if n, err := forget(ctx, now); err != nil {
				return err
			} else if n == 0 {
				break
			}
		}
	}
	return nil
}
