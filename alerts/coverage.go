package alerts

// A Coverage says how far an authority is read.
type Coverage struct {
	Authority
	Feeds        int   // that are not paused
	LastRead     int64 // unix ms of the last complete reading; 0 when there was none
	Applications int   // known, without hidden ones; only filled in for a single authority
	Unlocated    int   // of these, without a position
}

// Covered reports whether applications to the authority reach anybody.
func (c Coverage) Covered() bool { return c.Feeds > 0 && c.LastRead > 0 }

// A Cursor is a place in a list of applications, which run from the newest to the
// oldest. The zero Cursor is before the newest.
type Cursor struct {
	Listed Date // the day by which lists are ordered
	ID     int64
}

// A Page is one page of a list of applications, the newest first.
type Page struct {
	Applications []Application
	Next         Cursor // where to go on; its ID is 0 when there are no more
	Partial      bool   // so many have the words looked for that only those that came in last are listed
}

// A Captured is a mail that was kept instead of sent.
type Captured struct {
	ID      int64
	At      int64 // unix ms
	Address string
	Subject string
	Raw     []byte // the message as it would have gone out; nil in lists
}

// A Notice is something that a person who runs the service should look at.
type Notice struct {
	Key  string // for example held:york
	At   int64  // unix ms
	Text string
}
