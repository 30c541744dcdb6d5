package storetest

import (
	"database/sql"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A Register is where a test lets things happen to applications: events are
// written straight into the tables, as ingest writes them.
type Register struct {
	db    *sql.DB
	cases map[alerts.Ref]*alerts.Details
	ids   map[alerts.Ref]int64
}

// NewRegister returns an empty register of a database.
func NewRegister(db *sql.DB) *Register {
	return &Register{db: db, cases: map[alerts.Ref]*alerts.Details{}, ids: map[alerts.Ref]int64{}}
}

// An Occurrence is an event to be.
type Occurrence struct {
	Authority, Reference string
	Type                 alerts.EventType
	Details              alerts.Details    // after it; the reference is filled in
	State                alerts.EventState // live unless set
	Late                 bool
}

// ID returns the id of an application to which something has happened.
func (r *Register) ID(authority, reference string) int64 {
	return r.ids[alerts.Ref{Authority: authority, Number: reference}]
}

// IDs lists the ids of all applications to which something has happened, in order.
func (r *Register) IDs() []int64 { return slices.Sorted(maps.Values(r.ids)) }

// Happen commits events in one transaction.
func (r *Register) Happen(t testing.TB, now time.Time, list ...Occurrence) {
	t.Helper()
	if err := r.Begin(t, now, list...).Commit(); err != nil {
		t.Fatal(err)
	}
}

// Begin writes events and leaves the transaction open. They are numbered from the
// counter by its last statements.
func (r *Register) Begin(t testing.TB, now time.Time, list ...Occurrence) *sql.Tx {
	t.Helper()
	tx, err := r.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			tx.Rollback()
			t.Fatal(err)
		}
	}
	asText := func(d *alerts.Details) any {
		if d == nil {
			return nil
		}
		b, err := json.Marshal(d)
		must(err)
		return string(b)
	}
	var live []int64
	for _, o := range list {
		ref := alerts.Ref{Authority: o.Authority, Number: o.Reference}
		d := o.Details
		d.Reference = o.Reference
		was, id := r.cases[ref], r.ids[ref]
		if id == 0 {
			must(tx.QueryRow(`INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, details)
				VALUES ($1, $2, 1, 0, 0, '2026-05-01', $3) RETURNING id`, o.Authority, o.Reference, asText(&d)).Scan(&id))
			r.ids[ref] = id
		} else {
			_, err := tx.Exec(`UPDATE application SET version = version + 1, details = $1 WHERE id = $2`, asText(&d), id)
			must(err)
		}
		if d.Site.Located() {
			_, err := tx.Exec(`UPDATE application SET cell = $1, lon = $2, lat = $3 WHERE id = $4`, cellOf(d.Site.Lon, d.Site.Lat), d.Site.Lon, d.Site.Lat, id)
			must(err)
		}
		r.cases[ref] = &d
		state := o.State
		if state == "" {
			state = alerts.EventLive
		}
		var event int64
		must(tx.QueryRow(`INSERT INTO event (application_id, version, type, state, late, at, run_id, before, after)
			VALUES ($1, (SELECT version FROM application WHERE id = $2), $3, $4, $5, $6, 1, $7, $8) RETURNING id`,
			id, id, string(o.Type), string(state), o.Late, now.UnixMilli(), asText(was), asText(&d)).Scan(&event))
		if state == alerts.EventLive {
			live = append(live, event)
		}
	}
	if len(live) > 0 {
		var last int64
		must(tx.QueryRow(`UPDATE counter SET value = value + $1 WHERE name = 'event' RETURNING value`, len(live)).Scan(&last))
		for i, event := range live {
			_, err := tx.Exec(`UPDATE event SET seq = $1 WHERE id = $2`, last-int64(len(live)-1-i), event)
			must(err)
		}
	}
	return tx
}

// cellOf is the cell in which a place is looked for, as the store reckons it.
func cellOf(lon, lat float64) int64 {
	return int64(math.Floor(lat/.05))*10000 + int64(math.Floor(lon/.08))
}
