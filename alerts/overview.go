package alerts

// What people who run the service find on its first page: what does not go on
// without a person.

// A HeldFeed is a feed with news that nobody is told of until somebody decides.
type HeldFeed struct {
	Slug         string
	Applications int
	Since        int64 // unix ms, of the first of its held events
	Asked        bool  // somebody has decided, and it concerns so many that a second person must agree
}

// A FaultyFeed is something that a person has to mend of a feed.
type FaultyFeed struct {
	Slug  string
	Fault FeedFault
	Since int64 // unix ms
}

// A DisabledEndpoint is a webhook that is switched off.
type DisabledEndpoint struct {
	ID     int64
	Name   string
	Group  string // whose it is; empty for the operator's own
	Reason string
	Since  int64 // unix ms, of its last attempt
}
