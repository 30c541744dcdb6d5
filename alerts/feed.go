package alerts

import "fmt"

// A Feed is one source of applications of one authority or several. Feeds live in
// the database; YAML is how they are written, exported and imported (see package
// alerts/feed for what the declaration holds).
type Feed struct {
	ID          int64
	Slug        string // "york"
	Authority   string // slug of the authority, or of the first of several
	Declaration []byte // the YAML
	Schedule    string // cron expression, read in UTC; empty when it is only imported by hand
	Contact     string // e-mail address of the person who mends the feed; may be empty
	Precedence  int    // among the feeds of one authority; the lowest wins
	Paused      bool
	HorizonDays int // see [Horizon]

	ETag         string // of the last good answer
	LastModified string
	LastComplete int64 // unix ms of the last complete run; 0 when there was none
}

// FirstImport reports whether the feed has never been read completely, so that
// whatever it holds is stored silently.
func (f *Feed) FirstImport() bool { return f.LastComplete == 0 }

// Verdict is what became of a run.
type Verdict string

// The verdicts.
const (
	VerdictNone     Verdict = ""         // still under way
	VerdictComplete Verdict = "complete" // all that the source has was read
	VerdictPartial  Verdict = "partial"  // what was read is applied; nothing is inferred from what is missing
	VerdictFailed   Verdict = "failed"   // nothing is applied
	VerdictHeld     Verdict = "held"     // applied, but its events wait for an operator
)

// A Run is one attempt to read a feed.
type Run struct {
	ID      int64
	FeedID  int64
	Feed    string // slug
	Period  string // unique within the feed, so that two processes never do it twice: a scheduled time, or an import's own key
	Source  string // URL or file name, without credentials
	Adapter string // by which it is read
	// Incremental says that only what had changed was asked for, so that the number of
	// rows means nothing.
	Incremental bool
	Silent      bool // first import or backfill: its events are born silenced
	Verdict     Verdict
	Reason      string // for a person, unless complete
	StartedAt   int64  // unix ms
	FinishedAt  int64  // unix ms; 0 while under way
	Applied     bool   // all staged rows have been applied
	ClaimNo     int64  // fences a process that lost the run to another
	Counts
	Survey
}

// Counts says what a run found.
type Counts struct {
	Rows        int // data rows read, bad ones included
	New         int // records not seen before
	Changed     int // records that say something else than before
	Newsworthy  int // new and changed records that seem to raise an event
	Unchanged   int
	Duplicates  int // rows whose key occurred earlier in the same run
	Quarantined int // rows left out because of a fault
	Unlocated   int // rows without a usable position
	Events      int // events written
}

// A Fault is one thing wrong with one row. The row it belongs to is left out
// (quarantined); the rest of the file goes in.
type Fault struct {
	Line   int    // 1 is the first line of the file; for JSON the record's number
	Column string // as the source names it
	Value  string // the cell, cut to 200 characters
	Reason string // a sentence
}

// The flood guard: a run may always bring floodFloor pieces of news, and beyond
// that floodFactor times the most that a recent run of the feed brought. A feed
// that has not shown its habits yet may bring a fifth of what it holds.
const (
	floodFloor  = 50
	floodFactor = 5
	floodShare  = 5 // one in five
)

// FloodMemory is how many of a feed's past runs that brought news its [Habits] look
// back on: however often it is read, it may publish once a week.
const FloodMemory = 30

// Habits are what a feed's earlier runs let expect of the next.
type Habits struct {
	Rows  int // of the last complete reading of everything by the same adapter; 0 when there was none
	Holds int // rows of the last complete reading of everything by any adapter
	News  int // the most that one of the latest runs brought which brought any; 0 when none has, but for a first import
}

// Judge decides a run's verdict from what was staged, and says why unless it is
// complete. fault is why the source could not be read to its end, empty when it
// was.
//
// Nothing is ever inferred from what is missing: an empty answer fails, a shrunken
// one is partial, and what is stored stays.
func Judge(run Run, fault string, usual Habits) (Verdict, string) {
	c := run.Counts
	good := c.Rows - c.Quarantined
	switch {
	case good == 0 && fault != "":
		return VerdictFailed, fault
	case c.Quarantined*2 > c.Rows:
		return VerdictFailed, "most of the rows have a fault: is the column map right?"
	case good == 0 && !run.Incremental:
		return VerdictFailed, "the source has not a single application in it"
	}
	if limit := usual.floodLimit(); !run.Silent && c.Newsworthy > limit {
		return VerdictHeld, fmt.Sprintf("it brings %d pieces of news where at most %d were to be expected; nobody is told until somebody has looked", c.Newsworthy, limit)
	}
	switch {
	case fault != "":
		return VerdictPartial, fault
	case usual.Shrunk(run):
		return VerdictPartial, fmt.Sprintf("it has %d applications where it had %d before; what is missing is kept", good, usual.Rows)
	}
	return VerdictComplete, ""
}

// Shrunk reports whether a run has more than a fifth fewer applications than the last
// complete reading of its adapter.
func (h Habits) Shrunk(run Run) bool {
	return !run.Incremental && (run.Rows-run.Quarantined)*10 < h.Rows*8
}

func (h Habits) floodLimit() int {
	if h.News == 0 {
		return max(floodFloor, h.Holds/floodShare)
	}
	return max(floodFloor, floodFactor*h.News)
}
