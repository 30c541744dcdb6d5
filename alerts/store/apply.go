package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file applies judged runs to the applications, and tells or silences what was
// held. A change, its event and the event's number commit together.

// ApplyBatch applies staged rows of a run, which are the next in order, in one
// transaction. It may be repeated after any failure, and extends the run's lease.
func (s *Store) ApplyBatch(ctx context.Context, r alerts.Run, f alerts.Feed, rows []alerts.Staged, now time.Time, lease time.Duration) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if err := holdRun(ctx, tx, r, now.Add(lease)); err != nil {
			return err
		}
		b := &batch{store: s, tx: tx, run: r, feed: f, now: now, telling: alerts.Telling{
			Silent: r.Silent, Held: r.Verdict == alerts.VerdictHeld, Today: alerts.DateOf(now), HorizonDays: f.HorizonDays}}
		if err := b.load(ctx, rows); err != nil {
			return err
		}
		for i := range rows {
			b.apply(&rows[i])
		}
		events, after, err := b.save(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM staged WHERE run_id = $1 AND ord <= $2`, r.ID, rows[len(rows)-1].Ord)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE run SET events = events + $1 WHERE id = $2`, len(events), r.ID); err != nil {
			return err
		}
		return s.writeNews(ctx, tx, events, after) // numbers last
	})
	if err != nil {
		return fmt.Errorf("apply rows of the run: %w", err)
	}
	return nil
}

// A batch is the applications that a transaction touches, as they are becoming.
type batch struct {
	store   *Store
	tx      *sql.Tx
	run     alerts.Run
	feed    alerts.Feed
	now     time.Time
	telling alerts.Telling

	byKey   map[string]*application    // by source key of this feed
	byRef   map[[2]string]*application // by authority and reference key
	touched []*application             // in the order of the rows
	aliases []alias                    // that are new
	news    []news
}

// An alias is a reference by which an application is known.
type alias struct {
	key         [2]string // authority, reference key
	application *application
}

// news is an event of an application that may not have its id yet.
type news struct {
	alerts.Event
	application *application
	after       string // as it is stored
}

// An application in a batch, with all its records.
type application struct {
	alerts.Application
	records  []ranked // in order of precedence
	text     string   // its details as they are stored
	isNew    bool
	redacted alerts.Redaction
	placing  alerts.Placing
	settled  bool // its feed gives another place than the one that people doubted
	held     bool // it has events that wait for a release
	touched  bool
}

// A ranked record knows where it stands among the records of its application.
type ranked struct {
	alerts.Record
	precedence int
	runID      int64
	hash       string
	changed    bool
}

// load reads the applications that the rows belong to, and locks their
// authorities, so that no other feed of the same ones applies meanwhile.
func (b *batch) load(ctx context.Context, staged []alerts.Staged) error {
	b.byKey, b.byRef = map[string]*application{}, map[[2]string]*application{}
	var keys []string
	references := map[string][]string{} // by authority
	for i := range staged {
		row := &staged[i]
		keys = append(keys, row.SourceKey)
		references[row.Authority] = append(references[row.Authority], alerts.ReferenceKey(row.Details.Reference))
	}
	authorities := make([]string, 0, len(references))
	for a := range references {
		authorities = append(authorities, a)
	}
	slices.Sort(authorities) // always in one order, so that two feeds cannot wait for each other
	for _, a := range authorities {
		var slug string
		err := b.tx.QueryRowContext(ctx, `SELECT slug FROM authority WHERE slug = $1`+b.store.dialect.forUpdate, a).Scan(&slug)
		if err != nil {
			return fmt.Errorf("the authority %s: %w", a, one(err))
		}
	}
	var ids []int64
	type link struct {
		key         [2]string
		application int64
	}
	owners, err := collect(ctx, b.tx, func(rows *sql.Rows) (l link, err error) { return l, rows.Scan(&l.key[1], &l.application) },
		`SELECT source_key, application_id FROM record WHERE feed_id = $1 AND source_key IN (SELECT value FROM json_each($2))`, b.run.FeedID, list(keys))
	if err != nil {
		return err
	}
	var named []link
	for _, a := range authorities {
		found, err := collect(ctx, b.tx, func(rows *sql.Rows) (l link, err error) {
			l.key[0] = a
			return l, rows.Scan(&l.key[1], &l.application)
		}, `SELECT reference_key, application_id FROM alias WHERE authority = $1 AND reference_key IN (SELECT value FROM json_each($2))`, a, list(references[a]))
		if err != nil {
			return err
		}
		named = append(named, found...)
	}
	for _, l := range slices.Concat(owners, named) {
		ids = append(ids, l.application)
	}
	slices.Sort(ids)
	apps, err := b.applications(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, l := range owners {
		b.byKey[l.key[1]] = apps[l.application]
	}
	for _, l := range named {
		b.byRef[l.key] = apps[l.application]
	}
	return nil
}

// applications reads applications with their records.
func (b *batch) applications(ctx context.Context, ids []int64) (map[int64]*application, error) {
	apps := make(map[int64]*application, len(ids))
	if len(ids) == 0 {
		return apps, nil
	}
	in := `IN (SELECT ` + b.store.dialect.intValue + ` FROM json_each($1))`
	found, err := collect(ctx, b.tx, func(rows *sql.Rows) (*application, error) {
		a := &application{}
		return a, rows.Scan(&a.ID, &a.Authority, &a.Version, &a.Hidden, &a.FirstSeen, &a.UpdatedAt, asJSON[alerts.Details]{&a.Details}, &a.redacted)
	}, `SELECT id, authority, version, hidden, first_seen, updated_at, details, redacted FROM application WHERE id `+in+` ORDER BY id`+b.store.dialect.forUpdate, list(ids))
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		apps[a.ID] = a
	}
	stored, err := collect(ctx, b.tx, func(rows *sql.Rows) (r ranked, err error) {
		return r, rows.Scan(&r.FeedID, &r.SourceKey, &r.ApplicationID, &r.Supplied, asJSON[alerts.Details]{&r.Details}, &r.precedence, &r.runID, &r.hash)
	}, `SELECT r.feed_id, r.source_key, r.application_id, r.supplied, r.details, f.precedence, r.run_id, r.hash
		FROM record r JOIN feed f ON f.id = r.feed_id WHERE r.application_id `+in, list(ids))
	if err != nil {
		return nil, err
	}
	for _, r := range stored {
		if a := apps[r.ApplicationID]; a != nil {
			r.Authority = a.Authority
			a.records = append(a.records, r)
		}
	}
	if _, err := collect(ctx, b.tx, func(rows *sql.Rows) (x struct{}, err error) {
		var id int64
		var c placingScan
		if err = rows.Scan(append([]any{&id}, c.into()...)...); err == nil && apps[id] != nil {
			apps[id].placing = c.placing()
		}
		return x, err
	}, `SELECT p.application_id, `+placingColumns+` FROM place_check p WHERE p.application_id `+in, list(ids)); err != nil {
		return nil, err
	}
	held, err := collect(ctx, b.tx, scanInt, `SELECT DISTINCT application_id FROM event WHERE state = 'held' AND application_id `+in, list(ids))
	if err != nil {
		return nil, err
	}
	for _, id := range held {
		if a := apps[id]; a != nil {
			a.held = true
		}
	}
	return apps, nil
}

// apply merges one row into its application and collects what that gives rise to.
// A record keeps to its application; a new one joins the application of its
// reference, or begins one.
func (b *batch) apply(row *alerts.Staged) {
	ref := [2]string{row.Authority, alerts.ReferenceKey(row.Details.Reference)}
	a := b.byKey[row.SourceKey]
	if a == nil {
		a = b.byRef[ref]
	}
	if a == nil {
		a = &application{isNew: true}
		a.Authority, a.FirstSeen = row.Authority, b.now.UnixMilli()
	}
	b.byKey[row.SourceKey] = a
	if b.byRef[ref] == nil {
		b.byRef[ref] = a
		b.aliases = append(b.aliases, alias{ref, a})
	}
	if !a.touched {
		a.touched = true
		b.touched = append(b.touched, a)
	}
	row.Details = a.redacted.Apply(row.Details)
	a.takeBack(&row.Record)
	a.put(ranked{Record: row.Record, precedence: b.feed.Precedence, runID: b.run.ID, hash: row.Hash, changed: true})

	records := make([]alerts.Record, len(a.records))
	for i, r := range a.records {
		records[i] = r.Record
	}
	next := alerts.Merge(records)
	if a.placing.State != alerts.PlaceUndoubted {
		if a.settled = next.Site.Located() && !a.placing.Concerns(next.Site); a.settled {
			a.placing = alerts.Placing{}
		}
		next = a.placing.Apply(next)
	}
	var prev *alerts.Details
	if a.Version > 0 {
		was := a.Details
		prev = &was
	}
	a.Details, a.UpdatedAt, a.text = next, b.now.UnixMilli(), asText(&next)
	if prev != nil && len(alerts.Diff(prev, &next)) == 0 {
		return // another code for the same, at most
	}
	a.Version++
	telling := b.telling
	telling.Held = telling.Held || a.held
	for _, e := range alerts.News(prev, next, telling) {
		e.Authority, e.Version, e.At, e.RunID = a.Authority, a.Version, b.now.UnixMilli(), b.run.ID
		if a.Hidden {
			e.State = alerts.EventSilenced
		}
		b.news = append(b.news, news{e, a, a.text})
	}
}

// takeBack clears what the feed takes back in this record of the case in its others: a
// portal that has numbered its records anew never says anything of the old ones again.
// What they said is still known by its hash, so that one which lives on is no news.
func (a *application) takeBack(row *alerts.Record) {
	at := slices.IndexFunc(a.records, func(r ranked) bool { return r.FeedID == row.FeedID && r.SourceKey == row.SourceKey })
	if at < 0 {
		return
	}
	for i := range a.records {
		if r := &a.records[i]; r.FeedID == row.FeedID && i != at && r.TakenBack(&a.records[at].Record, row) {
			r.changed = true
		}
	}
}

// put adds a record, or replaces what it said before, and keeps the records in
// order: by the precedence of their feeds, and within a feed the one that was read
// last first.
func (a *application) put(r ranked) {
	a.records = slices.DeleteFunc(a.records, func(have ranked) bool { return have.FeedID == r.FeedID && have.SourceKey == r.SourceKey })
	a.records = append(a.records, r)
	slices.SortStableFunc(a.records, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(x.precedence, y.precedence), cmp.Compare(x.FeedID, y.FeedID), cmp.Compare(y.runID, x.runID))
	})
}

// save writes the applications, records and aliases of a batch and returns the
// events, which are still to be written, with their snapshots as they are stored.
func (b *batch) save(ctx context.Context) (events []alerts.Event, after []string, err error) {
	var fresh, records, aliases [][]any
	var added []*application
	for _, a := range b.touched {
		if a.isNew {
			added = append(added, a)
		}
	}
	if err := b.number(ctx, added); err != nil {
		return nil, nil, err
	}
	update, err := b.tx.PrepareContext(ctx, updateApplication)
	if err != nil {
		return nil, nil, err
	}
	defer update.Close()
	for _, a := range b.touched {
		listed, cell, lon, lat := shownAt(&a.Details, a.FirstSeen)
		if a.isNew {
			fresh = append(fresh, []any{a.ID, a.Authority, a.Reference, a.Version, a.FirstSeen, a.UpdatedAt, listed, cell, lon, lat, a.text})
		} else if _, err := update.ExecContext(ctx, a.Reference, a.Version, a.UpdatedAt, listed, cell, lon, lat, a.text, a.ID); err != nil {
			return nil, nil, err
		}
		for i := range a.records {
			if r := &a.records[i]; r.changed {
				recorded := a.text // most applications have one record, which says the same
				if len(a.records) > 1 || a.placing.State != alerts.PlaceUndoubted {
					recorded = asText(&r.Details)
				}
				records = append(records, []any{r.FeedID, r.SourceKey, a.ID, int64(r.Supplied), recorded, r.hash, r.runID})
			}
		}
	}
	if err := b.settle(ctx); err != nil {
		return nil, nil, err
	}
	for _, l := range b.aliases {
		aliases = append(aliases, []any{l.key[0], l.key[1], l.application.ID})
	}
	if err := errors.Join(
		b.store.dialect.insert(ctx, b.tx, "application", []string{"id", "authority", "reference", "version", "first_seen", "updated_at", "listed", "cell", "lon", "lat", "details"}, fresh, ""),
		b.store.dialect.insert(ctx, b.tx, "record", []string{"feed_id", "source_key", "application_id", "supplied", "details", "hash", "run_id"}, records,
			`ON CONFLICT (feed_id, source_key) DO UPDATE SET application_id = excluded.application_id, supplied = excluded.supplied,
				details = excluded.details, hash = excluded.hash, run_id = excluded.run_id`),
		b.store.dialect.insert(ctx, b.tx, "alias", []string{"authority", "reference_key", "application_id"}, aliases, "ON CONFLICT DO NOTHING"),
	); err != nil {
		return nil, nil, err
	}
	events, after = make([]alerts.Event, len(b.news)), make([]string, len(b.news))
	for i, n := range b.news {
		events[i], after[i] = n.Event, n.after
		events[i].ApplicationID = n.application.ID
	}
	return events, after, nil
}

// settle ends the disputes about places that feeds do not give any more.
func (b *batch) settle(ctx context.Context) error {
	var settled []int64
	for _, a := range b.touched {
		if a.settled {
			settled = append(settled, a.ID)
		}
	}
	return forgetPlacing(ctx, b.tx, settled)
}

const updateApplication = `UPDATE application SET reference = $1, version = $2, updated_at = $3, listed = $4, cell = $5, lon = $6, lat = $7, details = $8 WHERE id = $9`

// shownAt returns by what an application is found in lists and on maps: its day, and
// its cell and point, which are nil when it has no position.
func shownAt(d *alerts.Details, firstSeen int64) (listed string, cell, lon, lat any) {
	if d.Site.Located() {
		cell, lon, lat = cellOf(geo.Point{Lon: d.Site.Lon, Lat: d.Site.Lat}), d.Site.Lon, d.Site.Lat
	}
	listed = string(d.Received)
	if listed == "" {
		listed = string(alerts.DateOf(time.UnixMilli(firstSeen)))
	}
	return listed, cell, lon, lat
}

// number gives new applications their ids.
func (b *batch) number(ctx context.Context, added []*application) error {
	if len(added) == 0 {
		return nil
	}
	var last int64
	if err := b.tx.QueryRowContext(ctx, `UPDATE counter SET value = value + $1 WHERE name = 'application' RETURNING value`, len(added)).Scan(&last); err != nil {
		return err
	}
	for i, a := range added {
		a.ID = last - int64(len(added)) + int64(i) + 1
	}
	return nil
}

// writeEvents writes events and numbers those that are live. The counter's row is
// locked from here to the commit, and this is the last thing a transaction does:
// so numbers become visible in their order and without gaps.
func (s *Store) writeEvents(ctx context.Context, tx *sql.Tx, events []alerts.Event) error {
	after := make([]string, len(events))
	for i := range events {
		after[i] = asText(&events[i].After)
	}
	return s.writeNews(ctx, tx, events, after)
}

// writeNews is writeEvents with the later snapshots as they are stored.
func (s *Store) writeNews(ctx context.Context, tx *sql.Tx, events []alerts.Event, after []string) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([][]any, len(events))
	live := 0
	for i := range events {
		e := &events[i]
		rows[i] = []any{nil, e.ApplicationID, e.Version, e.Type, e.State, e.Late, e.At, e.RunID, asJSON[alerts.Details]{e.Before}, after[i]}
		if e.State == alerts.EventLive {
			live++
		}
	}
	if live > 0 {
		var last int64
		if err := tx.QueryRowContext(ctx, `UPDATE counter SET value = value + $1 WHERE name = 'event' RETURNING value`, live).Scan(&last); err != nil {
			return err
		}
		next := last - int64(live)
		for i := range events {
			if events[i].State == alerts.EventLive {
				next++
				events[i].Seq, rows[i][0] = next, next
			}
		}
	}
	return s.dialect.insert(ctx, tx, "event", []string{"seq", "application_id", "version", "type", "state", "late", "at", "run_id", "before", "after"}, rows, "")
}
