// Package demo is a sample borough: invented planning applications at invented
// addresses between Camden Town and King's Cross, the same ones every time, and
// a register that goes on changing like a real one.
package demo

import (
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// header names the columns of the borough's register, as feed.yaml maps them.
var header = []string{"key", "reference", "address", "proposal", "type", "scale", "status", "decision",
	"received", "valid", "comments_until", "decided", "longitude", "latitude", "url"}

// A proposal is something that people apply for; %d becomes a small number.
type proposal struct {
	kind, suffix, scale string
	text                string
}

var proposals = []proposal{
	{"householder", "HSE", "other", "Single storey rear extension and %d roof lights"},
	{"householder", "HSE", "other", "Loft conversion with rear dormer and %d windows"},
	{"householder", "HSE", "other", "Basement extension with front lightwell, %d m deep"},
	{"full", "FUL", "minor", "Change of a shop to %d flats, with a new shopfront"},
	{"full", "FUL", "minor", "Erection of a mansard roof storey to make %d flats"},
	{"full", "FUL", "major", "Demolition of the warehouse and a seven storey building with %d0 homes and shops on the ground floor"},
	{"full", "FUL", "minor", "%d air source heat pumps on the roof behind an acoustic screen"},
	{"change_of_use", "COU", "minor", "Change from an office to a nursery for %d0 children"},
	{"listed_building", "LBC", "other", "Repair of the front railings and %d sash windows"},
	{"advertisement", "ADV", "other", "%d illuminated fascia signs and a projecting sign"},
	{"trees_conservation_area", "TCA", "other", "Crown reduction of %d lime trees by 2 m"},
	{"trees_tpo", "TPO", "other", "Removal of %d dead branches of a plane tree over the footway"},
	{"prior_approval", "PRI", "other", "Prior approval: change of an office to %d flats"},
	{"conditions", "DOC", "other", "Details of materials and %d drawings required by condition"},
	{"telecoms", "TEL", "other", "Replacement of %d antennas on the roof"},
}

var streets = []string{"Lamplighter Street", "Coalwharf Road", "Ropewalk Place", "Old Turnpike Road", "Gasholder Walk", "Wheelwright Mews",
	"Kingfisher Terrace", "Piano Yard", "Farrier Street", "Lockkeeper's Row", "Mulberry Gardens", "Saddlers Lane", "Hopper Street", "Tollgate Square"}

// An entry is one line of the register.
type entry struct {
	key       int
	reference string
	address   string
	proposal  proposal
	text      string
	status    string
	decision  string
	received  alerts.Date
	valid     alerts.Date
	until     alerts.Date
	decided   alerts.Date
	place     geo.Point
}

// A Borough is the register of the sample borough. It is not safe for use by
// several goroutines at once.
type Borough struct {
	random  *rand.Rand
	places  []Postcode
	entries []*entry
	today   alerts.Date
	next    int
}

// NewBorough returns the register as it stands on the day: the same for the same
// day, with a year of applications.
func NewBorough(places []Postcode, today alerts.Date) *Borough {
	b := &Borough{random: rand.New(rand.NewPCG(1969, 1974)), places: places, today: today, next: 1}
	const applications = 420
	for i := range applications {
		age := 365 - i*365/applications
		e := b.apply(today.AddDays(-age))
		switch {
		case age > 60 && b.random.IntN(20) > 0, age > 42 && b.random.IntN(2) == 0:
			b.decide(e, e.received.AddDays(min(age-1, 35+b.random.IntN(25))))
		case b.random.IntN(30) == 0:
			e.status = "withdrawn"
		}
	}
	return b
}

// apply adds an application received on the day.
func (b *Borough) apply(received alerts.Date) *entry {
	p := proposals[b.random.IntN(len(proposals))]
	at := b.places[b.random.IntN(len(b.places))]
	number := 1 + b.random.IntN(140)
	e := &entry{
		key:       b.next,
		reference: fmt.Sprintf("%s/%05d/%s", string(received)[2:4], b.next, p.suffix),
		address:   fmt.Sprintf("%d %s, London %s", number, streets[b.random.IntN(len(streets))], at.Code),
		proposal:  p,
		text:      fmt.Sprintf(p.text, 2+b.random.IntN(7)),
		status:    "pending",
		received:  received,
		valid:     received.AddDays(b.random.IntN(4)),
		place:     geo.Point{Lon: at.Point.Lon + (b.random.Float64()-.5)*.0016, Lat: at.Point.Lat + (b.random.Float64()-.5)*.001},
	}
	if e.valid > b.today {
		e.valid = b.today
	}
	if !slices.Contains([]string{"conditions", "trees_conservation_area", "prior_approval"}, p.kind) {
		e.until = e.valid.AddDays(24) // this council publishes a date for most cases
	}
	b.next++
	b.entries = append(b.entries, e)
	return e
}

func (b *Borough) decide(e *entry, on alerts.Date) {
	e.status, e.decided = "decided", on
	e.decision = []string{"approved", "approved_conditions", "approved_conditions", "refused"}[b.random.IntN(4)]
}

// Step lets one thing happen on the day: mostly a new application, sometimes a
// decision, an amended proposal, a moved deadline or a withdrawal.
func (b *Borough) Step(today alerts.Date) {
	b.today = today
	dice := b.random.IntN(10)
	if dice < 6 {
		b.apply(today)
		return
	}
	var open []*entry
	for _, e := range b.entries {
		if e.status == "pending" {
			open = append(open, e)
		}
	}
	if len(open) == 0 {
		b.apply(today)
		return
	}
	e := open[b.random.IntN(len(open))]
	switch dice {
	case 6, 7:
		b.decide(e, today)
	case 8:
		e.text = fmt.Sprintf(e.proposal.text, 2+b.random.IntN(7)) + " (amended plans)"
		if e.until != "" {
			e.until = max(e.until, today).AddDays(14)
		}
	default:
		e.status = "withdrawn"
	}
}

// WriteCSV writes the whole register, as a council would export it.
func (b *Borough) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	coordinate := func(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }
	for _, e := range b.entries {
		if err := out.Write([]string{strconv.Itoa(e.key), e.reference, e.address, e.text, e.proposal.kind, e.proposal.scale, e.status, e.decision,
			string(e.received), string(e.valid), string(e.until), string(e.decided), coordinate(e.place.Lon), coordinate(e.place.Lat),
			"https://planning.sample-borough.example/case/" + strconv.Itoa(e.key)}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
