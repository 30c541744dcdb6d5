package alerts

// A Redaction is how much of what is said of an application has been taken away
// for good: what a feed brings of it later is cut down in the same way.
type Redaction string

// The redactions.
const (
	RedactNothing Redaction = ""
	RedactWords   Redaction = "words"   // the description
	RedactAddress Redaction = "address" // and the address, the postcode, the property number
	RedactAll     Redaction = "all"     // everything but that there was such a reference, and where: it is hidden
)

// Includes reports whether r takes away at least as much as other.
func (r Redaction) Includes(other Redaction) bool { return r.rank() >= other.rank() }

func (r Redaction) rank() int {
	switch r {
	case RedactWords:
		return 1
	case RedactAddress:
		return 2
	case RedactAll:
		return 3
	}
	return 0
}

// Apply returns what is left of d. The place stays, as a point, also of what is
// hidden: by it those are found who had been told.
func (r Redaction) Apply(d Details) Details {
	switch r {
	case RedactAll:
		site := d.Site
		site.Shape = nil
		return Details{Reference: d.Reference, Received: d.Received, Scale: d.Scale, Ward: d.Ward, Site: site}
	case RedactAddress:
		d.Address, d.Postcode, d.UPRN = "", "", ""
		fallthrough
	case RedactWords:
		d.Description = ""
	}
	return d
}

// An Act is something that a person did to what others see or get, kept so that it
// can be accounted for. It names no address and repeats nothing that was taken
// away.
type Act struct {
	ID      int64
	At      int64  // unix ms
	Who     string // "command line", or "account 12"
	What    string // a verb in the past: "redacted"
	Subject string // "york 26/00268/FUL", "recipient 7", "feed york"
	Reason  string
}
