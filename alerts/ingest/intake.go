package ingest

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/geo"
)

// intakeBatch is how many rows are compared with what is stored at a time.
const intakeBatch = 2_000

// An intake compares the rows of a run with what is stored and stages those that
// say something else. Rows are read and placed while those before them are compared
// and staged. It holds two batches of rows, and the keys of all.
type intake struct {
	stage  *Stage
	places Locator // nil when nothing is known of places
	run    alerts.Run
	counts alerts.Counts
	rows   []alerts.Record
	index  map[string]int // of rows, by source key
	faults []alerts.Fault
	kept   int // faults stored
	survey *feed.Surveyor

	comparison
	working <-chan error // what became of the batch that is being compared; nil when none is

	byReference bool                 // the source has no key of its own: see renumber.go
	renumbered  []alerts.Renumbering // cases that seem to have got another number

	outside  int // rows with a position that is not in their authority
	lookedUp int // rows whose position was looked up

	// rehearse takes what would be staged, when nothing is to be stored; else nil.
	rehearse func(rows []alerts.Staged) error
}

// A comparison is what belongs to whoever compares the rows.
type comparison struct {
	found   alerts.Counts // of new, changed and unchanged rows, and of those that came before
	seeds   [2]maphash.Seed
	seen    map[rowKey]seenRow       // every row so far
	fresh   []alerts.Staged          // what is to be staged next
	staged  int                      // rows put there so far
	gone    []int                    // of those, the places of rows that do not count any more
	unheard map[string]alerts.Record // new rows, by source key, until there are too many to look for old numbers
}

// A rowKey is a source key hashed twice over, and a seenRow what is kept of the row in
// case another repeats it: a file of a million rows takes 40 MB so, not 200.
type (
	rowKey  [2]uint64
	seenRow struct {
		says   uint32 // of its hash
		staged int32  // its place among what is staged; notStaged when it says nothing new
	}
)

func (c *comparison) keyOf(sourceKey string) rowKey {
	return rowKey{maphash.String(c.seeds[0], sourceKey), maphash.String(c.seeds[1], sourceKey)}
}

const notStaged = -1

func newIntake(ctx context.Context, s *Stage, run alerts.Run, a *feed.Adapter) (in *intake, err error) {
	_, keyed := a.Columns["source_key"]
	in = &intake{stage: s, run: run, byReference: !keyed, index: map[string]int{}, comparison: comparison{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, seen: map[rowKey]seenRow{}, unheard: map[string]alerts.Record{}}, survey: feed.NewSurveyor(a, alerts.DateOf(s.Now()))}
	if s.Places != nil {
		in.places, err = s.Places(ctx)
	}
	return in, err
}

// add takes one row of the source.
func (in *intake) add(ctx context.Context, row feed.Row) error {
	in.counts.Rows++
	in.survey.Add(&row)
	if len(row.Faults) > 0 {
		in.counts.Quarantined++
		if room := alerts.MaxFaults - in.kept - len(in.faults); room > 0 {
			in.faults = append(in.faults, row.Faults[:min(room, len(row.Faults))]...)
		}
		return nil
	}
	r := row.Record
	r.FeedID = in.run.FeedID
	if err := in.place(ctx, &r, row.Turned); err != nil {
		return err
	}
	switch given, is := row.Record.Details.Site.Located(), r.Details.Site; {
	case given && !is.Given():
		in.outside++
	case is.Located() && !is.Given():
		in.lookedUp++
	}
	if !r.Details.Site.Located() {
		in.counts.Unlocated++
	}
	if at, twice := in.index[r.SourceKey]; twice {
		in.counts.Duplicates++
		in.rows[at] = r // of rows that disagree the last one counts
		return nil
	}
	in.index[r.SourceKey] = len(in.rows)
	in.rows = append(in.rows, r)
	if len(in.rows) < intakeBatch {
		return nil
	}
	return in.flush(ctx)
}

// place fills in what the feed leaves open. A position that the feed gives counts
// unless it is outside its authority; else where it is with its axes the other way
// round; else the property's number has one, else the postcode in the address. The
// ward follows from the position.
func (in *intake) place(ctx context.Context, r *alerts.Record, turned geo.Point) error {
	if in.places == nil {
		return nil
	}
	d := &r.Details
	if d.Site.Located() && !in.places.Within(r.Authority, d.Site.Point()) {
		d.Site = alerts.Site{}
	}
	found := func(at geo.Point, method alerts.Method) {
		if !d.Site.Located() && in.places.Within(r.Authority, at) {
			d.Site = alerts.Site{Lon: at.Lon, Lat: at.Lat, Method: method, Uncertainty: alerts.DefaultUncertainty[method]}
			r.Supplied |= alerts.FieldSite
		}
	}
	if turned != (geo.Point{}) {
		found(turned, alerts.MethodPoint)
	}
	if !d.Site.Located() && d.UPRN != "" {
		at, ok, err := in.places.Property(ctx, d.UPRN)
		if err != nil {
			return err
		}
		if ok {
			found(at, alerts.MethodUPRN)
		}
	}
	if !d.Site.Located() || d.Postcode == "" {
		if code, at, ok := in.places.PostcodeIn(d.Postcode + " " + d.Address); ok {
			if d.Postcode == "" && r.Supplied.Has(alerts.FieldAddress) {
				d.Postcode = code
				r.Supplied |= alerts.FieldPostcode
			}
			found(at, alerts.MethodPostcode)
		}
	}
	if d.Ward == "" && d.Site.Located() && !r.Supplied.Has(alerts.FieldWard) {
		if d.Ward = in.places.WardAt(d.Site.Point()); d.Ward != "" {
			r.Supplied |= alerts.FieldWard
		}
	}
	return nil
}

// flush has the batch compared, once the one before it is.
func (in *intake) flush(ctx context.Context) error {
	if len(in.faults) > 0 && in.rehearse == nil {
		if err := in.stage.Store.Quarantine(ctx, in.run, in.kept, in.faults); err != nil {
			return err
		}
		in.kept, in.faults = in.kept+len(in.faults), in.faults[:0]
	}
	if len(in.rows) == 0 {
		return nil
	}
	if err := in.wait(); err != nil {
		return err
	}
	rows, compared := in.rows, make(chan error, 1)
	in.rows, in.working = make([]alerts.Record, 0, intakeBatch), compared
	clear(in.index)
	go func() { compared <- in.compare(ctx, rows) }()
	return nil
}

// wait returns when nothing is being compared any more.
func (in *intake) wait() error {
	if in.working == nil {
		return nil
	}
	defer func() { in.working = nil }()
	return <-in.working
}

// finish compares and stages what is left. Whole says that what is not in the source is
// not in the register any more.
func (in *intake) finish(ctx context.Context, whole bool) error {
	if err := errors.Join(in.flush(ctx), in.wait()); err != nil {
		return err
	}
	in.counts.New, in.counts.Changed, in.counts.Unchanged, in.counts.Newsworthy = in.found.New, in.found.Changed, in.found.Unchanged, in.found.Newsworthy
	in.counts.Duplicates += in.found.Duplicates
	if whole {
		if err := in.findRenumbered(ctx); err != nil {
			return err
		}
	}
	if len(in.fresh) > 0 {
		if err := in.put(ctx); err != nil {
			return err
		}
	}
	if len(in.gone) == 0 || in.rehearse != nil {
		return nil
	}
	slices.Sort(in.gone)
	return in.stage.Store.Unstage(ctx, in.run, in.gone)
}

// compare compares rows with what is stored and stages those that differ.
func (in *intake) compare(ctx context.Context, rows []alerts.Record) error {
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].SourceKey
	}
	known, err := in.stage.Store.Known(ctx, in.run.FeedID, keys)
	if err != nil {
		return err
	}
	var different []*alerts.Record // that are stored and may say something else
	superseded := map[int]bool{}   // rows whose place a later one of the same key takes
	for i := range rows {
		r := &rows[i]
		hash := r.Hash()
		was, stored := known[r.SourceKey]
		key, says := in.keyOf(r.SourceKey), uint32(maphash.String(in.seeds[0], hash))
		before, twice := in.seen[key]
		if twice {
			in.found.Duplicates++
			if before.says == says {
				continue // the same row again
			}
			// Of rows that disagree the last one counts, and what came before it never was.
			switch {
			case before.staged == notStaged:
				in.found.Unchanged--
			case stored:
				in.found.Changed--
			default:
				in.found.New--
			}
			if before.staged != notStaged {
				superseded[int(before.staged)] = true
			}
		}
		in.seen[key] = seenRow{says, notStaged}
		switch {
		case stored && was.Supplied == r.Supplied && was.Hash == hash:
			in.found.Unchanged++
		case stored:
			different = append(different, r)
		default:
			in.stageNext(hash, *r)
			in.found.New++
			if in.byReference && len(in.unheard) <= maxUnheard {
				in.unheard[r.SourceKey] = *r
			}
			if !twice {
				in.found.Newsworthy += in.newsworthy(nil, &r.Details)
			}
		}
	}
	in.supersede(superseded)
	if err := in.overlay(ctx, different, known); err != nil {
		return err
	}
	switch {
	case len(in.fresh) >= intakeBatch:
		return in.put(ctx)
	case in.rehearse != nil:
		return nil
	}
	return in.stage.Store.HoldRun(ctx, in.run, in.stage.Now().Add(in.stage.lease()))
}

// stageNext has a record staged, in its turn.
func (in *intake) stageNext(hash string, r alerts.Record) {
	in.fresh = append(in.fresh, alerts.Staged{Ord: in.staged, Hash: hash, Record: r})
	key := in.keyOf(r.SourceKey)
	if row, ok := in.seen[key]; ok {
		row.staged = int32(in.staged)
		in.seen[key] = row
	}
	in.staged++
}

// supersede takes rows back that are about to be staged, and notes those that are.
func (in *intake) supersede(ords map[int]bool) {
	if len(ords) == 0 {
		return
	}
	in.fresh = slices.DeleteFunc(in.fresh, func(r alerts.Staged) bool {
		waits := ords[r.Ord]
		delete(ords, r.Ord)
		return waits
	})
	for ord := range ords {
		in.gone = append(in.gone, ord)
	}
}

// put stages what is to be staged.
func (in *intake) put(ctx context.Context) error {
	fresh := in.fresh
	in.fresh = in.fresh[:0]
	if in.rehearse != nil {
		return in.rehearse(fresh)
	}
	return in.stage.Store.Stage(ctx, in.run, fresh, in.stage.Now().Add(in.stage.lease()))
}

// overlay lays rows over what is stored of them, so that what an adapter does not
// supply stays, and picks those that still differ.
func (in *intake) overlay(ctx context.Context, rows []*alerts.Record, known map[string]alerts.KnownRecord) error {
	if len(rows) == 0 {
		return nil
	}
	keys := make([]string, len(rows))
	for i, row := range rows {
		keys[i] = row.SourceKey
	}
	stored, err := in.stage.Store.Records(ctx, in.run.FeedID, keys)
	if err != nil {
		return err
	}
	for _, row := range rows {
		was, ok := stored[row.SourceKey]
		if !ok {
			in.stageNext(row.Hash(), *row)
			continue
		}
		next := was.Overlay(*row)
		hash := next.Hash()
		if hash == known[row.SourceKey].Hash {
			in.found.Unchanged++
			continue
		}
		in.found.Changed++
		in.found.Newsworthy += in.newsworthy(&was.Details, &next.Details)
		in.stageNext(hash, next)
	}
	return nil
}

// newsworthy is 1 for a row that seems to raise an event that would be told.
func (in *intake) newsworthy(was, is *alerts.Details) int {
	for _, e := range alerts.News(was, *is, alerts.Telling{Today: alerts.DateOf(in.stage.Now()), HorizonDays: 90}) {
		if e.State == alerts.EventLive {
			return 1
		}
	}
	return 0
}
