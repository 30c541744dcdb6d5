package alerts

// An AuditRun is what one check of the ledger found.
type AuditRun struct {
	At       int64 // unix ms
	From, To int64 // of the events with From < Seq ≤ To
	Events   int
	Matches  int // that the ledger held
	Missing  int // that it should have held
	Extra    int // that it should not
	Mended   int // of the missing ones, entered late
}

// Trust is what all checks together say of the ledger.
type Trust struct {
	Nights  int   `json:"checks"`
	Since   int64 `json:"since_ms"` // of the first, unix ms
	Last    int64 `json:"last_ms"`  // of the latest, unix ms
	Missing int   `json:"missed"`
	Mended  int   `json:"told_late"`
	Extra   int   `json:"too_many"`
}

// Timeliness is how soon alerts of an authority's applications went out, over the
// last weeks.
type Timeliness struct {
	Authority string `json:"authority"` // slug
	At        int64  `json:"as_of_ms"`  // unix ms
	Told      int    `json:"alerts"`    // events told, once for each person
	Prompt    int    `json:"at_once"`   // of these, to people who want to hear at once
	Median    int64  `json:"median_ms"` // from reading the council's data to the mail's acceptance, of those
	P95       int64  `json:"p95_ms"`
}
