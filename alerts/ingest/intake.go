package ingest

import (
	"context"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/geo"
)

// intakeBatch is how many rows are compared with what is stored at a time.
const intakeBatch = 2_000

// An intake compares the rows of a run with what is stored and stages those that
// say something else. It holds one batch of rows, and the keys of all.
type intake struct {
	stage  *Stage
	places Locator // nil when nothing is known of places
	run    alerts.Run
	counts alerts.Counts
	rows   []alerts.Record
	index  map[string]int    // of rows, by source key
	seen   map[string]string // hash of every row so far, by source key
	staged int
	store  <-chan error // what became of the batch that is being stored; nil when none is
	faults []alerts.Fault
	kept   int // faults stored
	survey *feed.Surveyor

	outside  int // rows with a position that is not in their authority
	lookedUp int // rows whose position was looked up

	// rehearse takes what would be staged, when nothing is to be stored; else nil.
	rehearse func(rows []alerts.Staged) error
}

func newIntake(ctx context.Context, s *Stage, run alerts.Run, a *feed.Adapter) (in *intake, err error) {
	in = &intake{stage: s, run: run, index: map[string]int{}, seen: map[string]string{}, survey: feed.NewSurveyor(a, alerts.DateOf(s.Now()))}
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
	if _, twice := in.seen[r.SourceKey]; twice {
		in.counts.Duplicates++
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

// flush compares the batch with what is stored and stages what differs.
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
	keys := make([]string, len(in.rows))
	for i := range in.rows {
		keys[i] = in.rows[i].SourceKey
	}
	known, err := in.stage.Store.Known(ctx, in.run.FeedID, keys)
	if err != nil {
		return err
	}
	var fresh []alerts.Staged
	var different []string // keys of rows that are stored and may say something else
	for i := range in.rows {
		r := &in.rows[i]
		hash := r.Hash()
		was, stored := known[r.SourceKey]
		before, twice := in.seen[r.SourceKey]
		switch {
		case twice && before == hash:
			// the same row again
		case stored && !twice && was.Supplied == r.Supplied && was.Hash == hash:
			in.counts.Unchanged++
		case stored:
			different = append(different, r.SourceKey)
		default:
			fresh = append(fresh, alerts.Staged{Hash: hash, Record: *r})
			if !twice {
				in.counts.New++
				in.counts.Newsworthy += in.newsworthy(nil, &r.Details)
			}
		}
		in.seen[r.SourceKey] = hash
	}
	if err := in.overlay(ctx, different, known, &fresh); err != nil {
		return err
	}
	clear(in.index)
	in.rows = in.rows[:0]
	if in.rehearse != nil {
		return in.rehearse(fresh)
	}
	if len(fresh) == 0 {
		return in.stage.Store.HoldRun(ctx, in.run, in.stage.Now().Add(in.stage.lease()))
	}
	for i := range fresh {
		fresh[i].Ord = in.staged
		in.staged++
	}
	if err := in.wait(); err != nil {
		return err
	}
	stored := make(chan error, 1)
	go func() { stored <- in.stage.Store.Stage(ctx, in.run, fresh, in.stage.Now().Add(in.stage.lease())) }()
	in.store = stored
	return nil
}

// wait returns when nothing is being stored any more. Rows are read and compared
// while those before them are stored.
func (in *intake) wait() error {
	if in.store == nil {
		return nil
	}
	defer func() { in.store = nil }()
	return <-in.store
}

// overlay lays rows over what is stored of them, so that what an adapter does not
// supply stays, and picks those that still differ.
func (in *intake) overlay(ctx context.Context, keys []string, known map[string]alerts.KnownRecord, fresh *[]alerts.Staged) error {
	if len(keys) == 0 {
		return nil
	}
	stored, err := in.stage.Store.Records(ctx, in.run.FeedID, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		was, ok := stored[key]
		row := in.rows[in.index[key]]
		if !ok {
			*fresh = append(*fresh, alerts.Staged{Hash: row.Hash(), Record: row})
			continue
		}
		next := was.Overlay(row)
		hash := next.Hash()
		if hash == known[key].Hash {
			in.counts.Unchanged++
			continue
		}
		in.counts.Changed++
		in.counts.Newsworthy += in.newsworthy(&was.Details, &next.Details)
		*fresh = append(*fresh, alerts.Staged{Hash: hash, Record: next})
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
