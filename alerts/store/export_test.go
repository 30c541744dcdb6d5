package store

import "github.com/sitenotice/sitenotice/alerts"

// SnapshotIDs is for a test that looks at how the engine finds what is asked for.
func (s *Store) SnapshotIDs(subs []alerts.Subscription, after int64) (string, []any, error) {
	return s.snapshotIDs(subs, after)
}
