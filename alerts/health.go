package alerts

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Survey is what a run saw of its source besides counts: what the health of a
// feed is judged by later, when the source itself is gone.
type Survey struct {
	Newest   Date        // the latest date received that is not in the future; "" when no row has one
	Columns  []Column    // of the source; empty when too little was read to say
	Unmapped []CodeCount // codes that the declaration does not know, the most frequent first
}

// A Column is one column of a source.
type Column struct {
	Name string
	Used bool // a field is filled from it
}

// A CodeCount is a council's code and in how many rows it stands.
type CodeCount struct {
	Field string // kind, status or decision
	Code  string
	Count int
}

// How much of a source's columns and codes a survey keeps.
const (
	MaxColumns  = 200
	MaxUnmapped = 50
)

// HealthMemory is how many runs [HealthOf] looks back on.
const HealthMemory = 30

// A FeedHistory is what the health of a feed is judged by.
type FeedHistory struct {
	Feed Feed
	Runs []Run // the latest finished runs, newest first, at most HealthMemory
	News []Run // the latest runs that brought something, newest first, at most HealthMemory
	Held bool  // some of its news waits for a person
}

// HealthState is how a feed is, in one word.
type HealthState string

// The states.
const (
	HealthGood   HealthState = "healthy"
	HealthPerson HealthState = "needs_a_person"
	HealthNew    HealthState = "not_read_yet"
	HealthPaused HealthState = "paused"
)

// FaultKind is one way in which a feed can need a person.
type FaultKind string

// The kinds, the most pressing first.
const (
	FaultFailed  FaultKind = "failed"  // the last reading changed nothing
	FaultHeld    FaultKind = "held"    // news waits for a person
	FaultStale   FaultKind = "stale"   // no good reading for too long
	FaultColumns FaultKind = "columns" // columns that were used have gone
	FaultPartial FaultKind = "partial" // the last reading was not whole
	FaultQuiet   FaultKind = "quiet"   // readings work but bring nothing any more
	FaultRows    FaultKind = "rows"    // many rows are left out
	FaultCodes   FaultKind = "codes"   // many rows have codes that mean nothing to us
)

// publicWords are what everybody may read. They repeat nothing of the source: its
// errors may hold addresses with passwords, and its cells names.
var publicWords = map[FaultKind]string{
	FaultFailed:  "the last reading did not work, so what was read before it is shown",
	FaultHeld:    "it brought far more news than usual, which is shown here but told to nobody until a person has looked at it",
	FaultStale:   "it has not been read completely for longer than usual",
	FaultColumns: "some of its columns have gone",
	FaultPartial: "the last reading was not whole; nothing was taken away because of that",
	FaultQuiet:   "it can be read, but nothing in it has changed for much longer than usual",
	FaultRows:    "many of its rows have a fault and are left out",
	FaultCodes:   "many of its rows use codes whose meaning we have not been told",
}

// Words says what is wrong so that everybody may read it; Detail of a [FeedFault]
// says more to whoever mends the feed.
func (k FaultKind) Words(l Language) string {
	if words, ok := publicWords[k]; ok {
		return l.Word(words)
	}
	return l.Say("something is wrong with it")
}

// A FeedFault is something about a feed that a person has to mend.
type FeedFault struct {
	Kind   FaultKind
	Detail string // sentences for the feed's contact: what, and what to do next
}

// noticeable are the faults of which the operator gets a notice when they are seen;
// of those of a single run there is one as soon as the run is judged.
var noticeable = []FaultKind{FaultStale, FaultQuiet, FaultColumns, FaultRows, FaultCodes}

// FaultNotices returns the notices that the faults of a feed make, and the keys of
// those that they do not make, or no longer.
func FaultNotices(f Feed, faults []FeedFault, now time.Time) (notices []Notice, others []string) {
	for _, kind := range noticeable {
		key := string(kind) + ":" + f.Slug
		i := slices.IndexFunc(faults, func(fault FeedFault) bool { return fault.Kind == kind })
		if i < 0 {
			others = append(others, key)
			continue
		}
		notices = append(notices, Notice{Key: key, At: now.UnixMilli(), Text: "The feed " + f.Slug + " needs a person. " + faults[i].Detail})
	}
	return notices, others
}

// A Band is what a reading usually brings.
type Band struct{ Low, High int }

// A Drift is a change of a source's columns.
type Drift struct {
	Since time.Time // of the first reading that saw it
	Gone  []string
	Added []string
	Used  []string // of those gone, the ones that a field was filled from
}

// Health is how a feed is.
type Health struct {
	State    HealthState
	Faults   []FeedFault   // when it needs a person, the most pressing first
	LastGood time.Time     // zero when it was never read completely
	LastNews time.Time     // of the latest reading that brought something
	Cadence  time.Duration // between good readings, learned; 0 while too few are known
	Rhythm   time.Duration // between days that bring something, learned; 0 likewise
	Expected time.Time     // the next good reading; zero when nobody can say
	Band     Band          // new and changed: nine readings in ten bring at least Low, nine in ten at most High
	BandOf   int           // from how many readings that was learned; 0 when from too few
	Newest   Date          // the newest date received in the latest good reading that had any
	Bad      int           // rows left out of the latest reading that had any
	Rows     int           // of that reading
	Unmapped []CodeCount   // of that reading
	Drift    *Drift        // nil when the columns are as they were
}

// What the rules below take for usual.
const (
	fewestGaps  = 3                   // before a rhythm counts as learned
	fewestNews  = 4                   // likewise, for saying that a feed has gone quiet
	fewestBand  = 5                   // readings before a band means anything
	staleFactor = 3                   // times the usual
	staleFloor  = 48 * time.Hour      // a feed is never stale sooner
	lateBy      = 12 * time.Hour      // and never before a scheduled reading is so late
	quietFloor  = 10 * 24 * time.Hour // councils close between Christmas and New Year
	manyShare   = 10                  // one row in ten is many
	manyAtLeast = 10                  // and fewer are never many
)

// HealthOf judges a feed by its history. A feed is stale when its last good reading
// is older than three times its usual pace and than two days, and a scheduled one
// is overdue.
func HealthOf(h FeedHistory, now time.Time) Health {
	f := &h.Feed
	out := Health{State: HealthGood}
	good := goodRuns(h.Runs)
	if f.LastComplete > 0 {
		out.LastGood = time.UnixMilli(f.LastComplete)
	}
	if len(h.News) > 0 {
		out.LastNews = time.UnixMilli(h.News[0].FinishedAt)
	}
	out.Cadence = usualGap(good, fewestGaps, f.Schedule == "") // several tries of one afternoon are no rhythm
	out.Rhythm = usualGap(loud(h.News), fewestNews, true)
	out.Expected = expected(f.Schedule, out.LastGood, out.Cadence)
	out.Band, out.BandOf = band(good)
	if i := slices.IndexFunc(h.Runs, func(r Run) bool { return r.Rows > 0 }); i >= 0 {
		out.Rows, out.Bad, out.Unmapped = h.Runs[i].Rows, h.Runs[i].Quarantined, h.Runs[i].Unmapped
	}
	if i := slices.IndexFunc(good, func(r Run) bool { return r.Newest != "" }); i >= 0 {
		out.Newest = good[i].Newest
	}
	out.Drift = drift(h.Runs)
	out.Faults = faults(h, &out, now)
	switch {
	case f.Paused:
		out.State, out.Faults = HealthPaused, nil
	case len(out.Faults) > 0:
		out.State = HealthPerson
	case f.LastComplete == 0:
		out.State = HealthNew
	}
	return out
}

// Reason says in plain words why the feed needs a person, so that everybody may
// read it; empty when it does not.
func (h *Health) Reason(l Language) string {
	words := make([]string, len(h.Faults))
	for i, f := range h.Faults {
		words[i] = f.Kind.Words(l)
	}
	return strings.Join(words, "; ")
}

// NewestAge is how many days ago the newest application was received; ok is false
// when no date is known.
func (h *Health) NewestAge(now time.Time) (days int, ok bool) {
	if h.Newest == "" {
		return 0, false
	}
	return h.Newest.DaysUntil(DateOf(now)), true
}

// goodRuns are those that read all there is. A held run has read it too.
func goodRuns(runs []Run) (good []Run) {
	for _, r := range runs {
		if r.Verdict == VerdictComplete || r.Verdict == VerdictHeld {
			good = append(good, r)
		}
	}
	return good
}

// loud are runs without first imports and backfills, which bring years at once.
func loud(runs []Run) (out []Run) {
	for _, r := range runs {
		if !r.Silent {
			out = append(out, r)
		}
	}
	return out
}

// usualGap is the median time between runs; 0 when fewer than fewest gaps are
// known. With byDay several runs of one day in London count as one.
func usualGap(runs []Run, fewest int, byDay bool) time.Duration {
	var gaps []time.Duration
	var later time.Time
	for _, r := range runs {
		at := time.UnixMilli(r.FinishedAt)
		if !later.IsZero() {
			if byDay && DateOf(at) == DateOf(later) {
				continue
			}
			gaps = append(gaps, later.Sub(at))
		}
		later = at
	}
	if len(gaps) < fewest {
		return 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// expected is when the next good reading is to come.
func expected(schedule string, lastGood time.Time, cadence time.Duration) time.Time {
	if lastGood.IsZero() {
		return time.Time{}
	}
	if schedule != "" {
		if s, err := ParseSchedule(schedule); err == nil {
			return s.Next(lastGood.UTC())
		}
	}
	if cadence > 0 {
		return lastGood.Add(cadence)
	}
	return time.Time{}
}

// staleFrom is from when on the last good reading is too old; zero for never.
func staleFrom(f *Feed, h *Health) time.Time {
	if h.Expected.IsZero() {
		return time.Time{}
	}
	at := h.LastGood.Add(max(staleFactor*h.Cadence, staleFloor))
	if due := h.Expected.Add(lateBy); f.Schedule != "" && due.After(at) {
		return due // it is read more rarely now than it used to be
	}
	return at
}

// band is what nine in ten readings reach and what nine in ten do not exceed.
func band(good []Run) (b Band, of int) {
	var n []int
	for _, r := range loud(good) {
		n = append(n, r.New+r.Changed)
	}
	if len(n) < fewestBand {
		return Band{}, 0
	}
	slices.Sort(n)
	rank := func(p float64) int { return n[max(int(math.Ceil(p*float64(len(n))))-1, 0)] }
	return Band{rank(.1), rank(.9)}, len(n)
}

// drift compares the columns of the latest run that saw any with the latest that
// saw others in the same form of the data.
func drift(runs []Run) *Drift {
	i := slices.IndexFunc(runs, func(r Run) bool { return len(r.Columns) > 0 })
	if i < 0 {
		return nil
	}
	latest := &runs[i]
	d := &Drift{Since: time.UnixMilli(latest.StartedAt)}
	for j := i + 1; j < len(runs); j++ {
		r := &runs[j]
		if r.Adapter != latest.Adapter || len(r.Columns) == 0 {
			continue
		}
		for _, c := range r.Columns {
			if !hasColumn(latest.Columns, c.Name) {
				d.Gone = append(d.Gone, c.Name)
				if c.Used {
					d.Used = append(d.Used, c.Name)
				}
			}
		}
		for _, c := range latest.Columns {
			if !hasColumn(r.Columns, c.Name) {
				d.Added = append(d.Added, c.Name)
			}
		}
		if len(d.Gone)+len(d.Added) > 0 {
			return d
		}
		d.Since = time.UnixMilli(r.StartedAt)
	}
	return nil
}

func hasColumn(columns []Column, name string) bool {
	return slices.ContainsFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
}

// faults lists what a person has to mend, the most pressing first.
func faults(h FeedHistory, is *Health, now time.Time) (out []FeedFault) {
	fault := func(k FaultKind, format string, args ...any) {
		out = append(out, FeedFault{k, fmt.Sprintf(format, args...)})
	}
	f := &h.Feed
	var last Run
	if len(h.Runs) > 0 {
		last = h.Runs[0]
	}
	at := time.UnixMilli(last.FinishedAt)
	if last.Verdict == VerdictFailed {
		fault(FaultFailed, "It was read on %s and nothing could be used: %s. What was stored before is untouched.", dayAndTime(at), last.Reason)
	}
	if h.Held {
		fault(FaultHeld, "It brought far more news than usual, and nobody is told of it until somebody has looked. See what would be sent with: sitenotice feed release %s", f.Slug)
	}
	if from := staleFrom(f, is); !from.IsZero() && now.After(from) {
		usual := ""
		if is.Cadence > 0 {
			usual = " It is usually read " + English.EveryWords(is.Cadence) + "."
		}
		fault(FaultStale, "It was last read completely on %s.%s Is the file still published, under the same address?", dayAndTime(is.LastGood), usual)
	}
	if d := is.Drift; d != nil && len(d.Used) > 0 {
		fault(FaultColumns, "Since %s it lacks %s that we use: %s. Bring them back, or correct the declaration.", dayAndTime(d.Since), English.Plural(len(d.Used), "column", "columns"), English.quoted(d.Used))
	}
	if last.Verdict == VerdictPartial {
		fault(FaultPartial, "It was read on %s, but not the whole of it: %s.", dayAndTime(at), last.Reason)
	}
	if len(out) == 0 && is.Rhythm > 0 && now.Sub(is.LastNews) > max(staleFactor*is.Rhythm, 2*longestGap(loud(h.News)), quietFloor) {
		fault(FaultQuiet, "It can be read, but nothing in it has changed since %s; usually something does %s. Is the export still running?", dayAndTime(is.LastNews), English.EveryWords(is.Rhythm))
	}
	if many(is.Bad, is.Rows) && last.Verdict != VerdictFailed {
		fault(FaultRows, "Of %s rows %s have a fault and are left out. See which with: sitenotice feed check --feed %s FILE", Thousands(is.Rows), Thousands(is.Bad), f.Slug)
	}
	unknown, codes := 0, []string{}
	for _, u := range is.Unmapped {
		if u.Field != "kind" { // an unknown kind is shown as "other" and misleads nobody
			unknown += u.Count
			codes = append(codes, u.Field+" "+u.Code)
		}
	}
	if many(unknown, is.Rows) {
		fault(FaultCodes, "%s rows have codes that are not in its list, such as %s. Tell us what they mean, or add them to the declaration.", Thousands(unknown), English.quoted(codes[:min(len(codes), 5)]))
	}
	return out
}

func many(n, of int) bool { return n >= manyAtLeast && n*manyShare >= of }

// longestGap is the longest time between two runs that follow each other.
func longestGap(runs []Run) (longest time.Duration) {
	for i := 1; i < len(runs); i++ {
		longest = max(longest, time.Duration(runs[i-1].FinishedAt-runs[i].FinishedAt)*time.Millisecond)
	}
	return longest
}

func dayAndTime(t time.Time) string { return t.In(London).Format("2 January 2006 at 15:04") }

func (l Language) quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "“" + Line(w, 60) + "”"
	}
	return l.Listing(out)
}

// EveryWords says how often something happens: "about once a day".
func (l Language) EveryWords(d time.Duration) string {
	round := func(unit time.Duration) int { return int(math.Round(float64(d) / float64(unit))) }
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return ""
	case round(time.Minute) < 50:
		return l.Say("about every %s", l.Plural(max(round(time.Minute), 1), "minute", "minutes"))
	case round(time.Hour) == 1:
		return l.Say("about once an hour")
	case round(time.Hour) < 20:
		return l.Say("about every %s", l.Plural(round(time.Hour), "hour", "hours"))
	case round(day) == 1:
		return l.Say("about once a day")
	case round(day) == 7:
		return l.Say("about once a week")
	case round(day) < 25:
		return l.Say("about every %s", l.Plural(round(day), "day", "days"))
	case round(day) < 36:
		return l.Say("about once a month")
	}
	return l.Say("about every %s", l.Plural(round(7*day), "week", "weeks"))
}

// FilledBy returns those of the fields that have a value in d.
func (f Field) FilledBy(d *Details) (filled Field) {
	for _, rule := range fieldRules {
		switch {
		case !f.Has(rule.Field):
		case rule.Field == FieldSite: // whose text is dear to make
			if d.Site.Located() {
				filled |= rule.Field
			}
		case rule.text(d) != "":
			filled |= rule.Field
		}
	}
	return filled
}

// FeedNews is what the contact of a feed has not been told of it yet.
type FeedNews struct {
	Feed      Feed
	Authority string      // its name
	New       []FeedFault // to mend
	Still     []FeedFault // that the contact knows of and that are not mended
	Mended    []FeedFault
}
