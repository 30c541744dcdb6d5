package alerts

import "time"

// RecipientState is whether a recipient may be written to.
type RecipientState string

// The states of a recipient.
const (
	RecipientPending RecipientState = "pending" // address not confirmed: confirmations only
	RecipientActive  RecipientState = "active"
	RecipientEnded   RecipientState = "ended" // stopped, bounced for good, or erased
)

// A Recipient is somebody to whom deliveries go: a subscriber, an endpoint, or
// the operator's contact for a feed.
type Recipient struct {
	ID       int64
	Kind     string // "subscriber", "endpoint" or "contact"
	Address  string // e-mail address; empty once erased
	State    RecipientState
	Language Language
}

// Takes reports whether a recipient in this state may be sent a delivery of a kind. The
// mail that says that the last alert has ended itself goes to one who has ended.
func (s RecipientState) Takes(k DeliveryKind) bool {
	return s == RecipientActive || s == RecipientPending && k.introduces() || s == RecipientEnded && k == DeliveryEnded
}

// A Subscription is a standing request of a recipient.
type Subscription struct {
	ID          int64
	RecipientID int64
	State       SubscriptionState
	PausedUntil int64   // unix ms; 0 when not paused; Forever when until further notice
	CreatedAt   int64   // unix ms
	EndedAt     int64   // unix ms; 0 while it lives
	Current     Version // the one in force, or last in force
	Remind      int     // of one that waits for confirmation: reminders that were asked for with it, in days before comments close
}

// SubscriptionState is the life of a subscription.
type SubscriptionState string

// The states of a subscription.
const (
	SubscriptionPending SubscriptionState = "pending" // waits for the confirmation
	SubscriptionActive  SubscriptionState = "active"
	SubscriptionEnded   SubscriptionState = "ended"
)

// A Match is one entry of the ledger: that a version of a subscription is owed
// an event.
type Match struct {
	VersionID   int64
	Seq         int64 // of the event
	RecipientID int64
	Correction  bool // owed only if the subscription was told of the case before
	Closes      Date // the published end of comments, for digests that would be too late; may be empty
}

// DeliveryKind says what a delivery is for.
type DeliveryKind string

// The kinds of delivery.
const (
	DeliveryConfirm  DeliveryKind = "confirm"  // "is this your address?"
	DeliveryManage   DeliveryKind = "manage"   // a link to one's subscriptions
	DeliverySignIn   DeliveryKind = "sign-in"  // a link that signs somebody in who runs something
	DeliveryInvite   DeliveryKind = "invite"   // somebody is asked into a group
	DeliveryAlert    DeliveryKind = "alert"    // an immediate mail or a digest
	DeliveryQuiet    DeliveryKind = "quiet"    // "nothing new near you last month"
	DeliveryOutage   DeliveryKind = "outage"   // "your council's register has not been read for a while"
	DeliveryCoverage DeliveryKind = "coverage" // "your council is covered now"
	DeliveryEnded    DeliveryKind = "ended"    // the last mail about an application that was followed
	DeliveryNotice   DeliveryKind = "notice"   // to the operator or a feed's contact
	DeliveryWebhook  DeliveryKind = "webhook"
)

// introduces reports whether a delivery of this kind goes to people who have not
// proved yet that the address is theirs.
func (k DeliveryKind) introduces() bool {
	return k == DeliveryConfirm || k == DeliverySignIn || k == DeliveryInvite
}

// Priority orders deliveries of one sender; the lowest goes first. A person
// who waits for a confirmation must not wait behind a queue of digests.
func (k DeliveryKind) Priority() int {
	switch k {
	case DeliveryConfirm, DeliveryManage, DeliverySignIn, DeliveryInvite:
		return 0
	case DeliveryNotice:
		return 5
	case DeliveryWebhook:
		return 20 // in queues of their own, one for each endpoint
	}
	return 10
}

// PingPriority is the priority of a ping: an endpoint that has to prove itself has
// nothing sent before it.
const PingPriority = 19

// Priorities lists what [DeliveryKind.Priority] returns for mail, most urgent first.
var Priorities = []int{0, 5, 10}

// DeliveryState is the outcome of a delivery so far.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryQueued    DeliveryState = "queued"
	DeliverySent      DeliveryState = "sent" // accepted by the next server
	DeliveryGivenUp   DeliveryState = "given_up"
	DeliveryCancelled DeliveryState = "cancelled" // nothing left in it to tell, or nobody to tell it to
)

// A Delivery is one message to one recipient.
type Delivery struct {
	ID          int64
	Kind        DeliveryKind
	RecipientID int64
	Address     string  // of the recipient, read when claimed
	Cadence     Cadence // of alerts
	State       DeliveryState
	MessageID   string // without angle brackets; the same at every attempt
	Subject     string
	Text, HTML  string
	Headers     []Header
	Inline      []Inline // pictures that the HTML shows
	Attempts    int
	ClaimNo     int64 // fences retry and give-up
	NextAt      int64 // unix ms
	CreatedAt   int64 // unix ms
	SentAt      int64 // unix ms; 0 until sent
}

// A Header is one extra header field of a message.
type Header struct{ Name, Value string }

// An Inline is a file within a message, which its HTML shows as cid:ID.
type Inline struct {
	ID   string `json:"id"` // Content-ID, without angle brackets
	Name string `json:"name"`
	Type string `json:"type"` // "image/png"
	Data []byte `json:"data"`
}

// An Outcome is what one attempt to send came to.
type Outcome struct {
	Class      FailureClass  // empty when accepted
	Detail     string        // what the other side said, cut to 500 characters; no personal data
	RetryAfter time.Duration // as the other side asked; 0 if it did not
}

// An Attempt is one try to send a delivery, and what follows from it.
type Attempt struct {
	Delivery Delivery // as it was claimed
	At       int64    // unix ms
	Took     time.Duration
	Outcome  Outcome
	Then     DeliveryState // DeliverySent, DeliveryGivenUp, or DeliveryQueued to try again
	RetryAt  int64         // unix ms; of a delivery that is tried again
}

// FailureClass says what kind of failure an attempt met, and so what follows.
type FailureClass string

// The classes of failure.
const (
	Accepted    FailureClass = ""
	Temporary   FailureClass = "temporary"    // of this message: try it again later
	Permanent   FailureClass = "permanent"    // of this message: never again
	DeadAddress FailureClass = "dead_address" // the address does not exist: end the recipient
	SenderDown  FailureClass = "sender_down"  // relay-wide (connect, authentication, 421, 401): pause the sender, count against no delivery
)
