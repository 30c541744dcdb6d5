package alerts

import (
	"fmt"
	"strings"
	"time"
)

// An Act is something that a person did to what others see or get, or saw of
// somebody, kept so that it can be accounted for. It names no address and repeats
// nothing that was taken away. Nothing changes it afterwards.
type Act struct {
	ID      int64
	At      int64 // unix ms
	Kind    ActKind
	Who     string // "command line", or "account 12"
	What    string // a verb in the past: "redacted"
	Subject string // "york 26/00268/FUL", "recipient 7", "feed york", "account 12"
	Reason  string
}

// An ActKind is what an act was about.
type ActKind string

// The kinds.
const (
	ActPerson ActKind = "person" // somebody who is written to
	ActRecord ActKind = "record" // an application
	ActFeed   ActKind = "feed"   // what a feed brought
	ActAccess ActKind = "access" // who may do what
)

// ActKinds lists the kinds.
var ActKinds = []ActKind{ActPerson, ActRecord, ActFeed, ActAccess}

// Actor is how an account is named in what it did.
func (a Account) Actor() string { return fmt.Sprintf("account %d", a.ID) }

// RecipientSubject is how a person is named in what was done to them.
func RecipientSubject(recipient int64) string { return fmt.Sprintf("recipient %d", recipient) }

// FeedSubject is how a feed is named in what was done with what it brought.
func FeedSubject(slug string) string { return "feed " + slug }

// RecordSubject is how an application is named in what was done to it.
func RecordSubject(ref Ref) string { return ref.Authority + " " + ref.Number }

// MaxReason is how long a reason may be, in characters.
const MaxReason = 500

// ParseReason reads why somebody does something, for the record.
func ParseReason(s string) (string, *InvalidError) {
	s = Line(s, MaxReason)
	switch {
	case s == "":
		return "", Invalid("reason", "Say why, for the record")
	case strings.Contains(s, "@"):
		return "", Invalid("reason", "Leave addresses out of the reason: the record is kept for six years")
	}
	return s, nil
}

// LookFor is how long somebody who has said why may look at a person's page before
// they are asked again.
const LookFor = time.Hour

// What the record says of a look at a person.
const (
	ActLooked    = "looked at what is kept"
	ActExported  = "exported what is kept"
	ActSentAgain = "sent a mail again"
	ActEnded     = "ended a subscription"
	ActErased    = "erased"
	ActLetIn     = "let an address be written to again"
)
