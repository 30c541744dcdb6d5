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

// Act is what somebody has done who redacts an application so; empty where nothing
// is redacted.
func (r Redaction) Act() string {
	switch r {
	case RedactWords:
		return "redacted the description"
	case RedactAddress:
		return "redacted the description and the address"
	case RedactAll:
		return "took down"
	}
	return ""
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

// A Takedown is what became of an application that was redacted.
type Takedown struct {
	Before  Redaction
	Queued  int // mails that had not gone out, which are written anew without it
	Blanked int // mails that had, whose stored words were removed
}

// A RedactedRecord is an application as whoever takes things down finds it, hidden or
// not.
type RedactedRecord struct {
	ID int64
	Ref
	Redaction Redaction
	Hidden    bool
}
