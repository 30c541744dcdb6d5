package alerts

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// An Endpoint is where a group's webhooks go. It is a recipient: what it wants to
// hear are subscriptions of the cadence [Hook].
type Endpoint struct {
	ID           int64 // its recipient's
	GroupID      int64 // whose it is; 0 for the operator's own
	OwnerID      int64 // the recipient who is told when it fails; 0 for the operator
	Name         string
	Address      string // to which webhooks go, sealed with the key ring, since it may be a secret; empty once deleted
	Shown        string // what may be shown of it: "https://hooks.example.org/…"
	Format       HookFormat
	State        EndpointState
	Reason       string // why it was disabled, a sentence
	Challenge    string // what a receiver echoes, or its owner types in, to prove that it wants them
	CreatedAt    int64  // unix ms
	VerifiedAt   int64  // unix ms; 0 until the address is proved
	Sequence     int64  // of the last delivery composed for it
	TriedAt      int64  // unix ms of the last attempt; 0 when there was none
	SucceededAt  int64  // unix ms of the last success; 0 when there was none
	FailingSince int64  // unix ms; 0 while it works
	Failures     int    // attempts since the last success
	RestsUntil   int64  // unix ms; nothing is sent before, as it asked or because it fails
	Network      bool   // the last attempt met nobody
	News, Told   EndpointNews
	Waiting      int // deliveries in its queue
	Secrets      []EndpointSecret
}

// EndpointState is whether events flow to an endpoint.
type EndpointState string

// The states of an endpoint. What happens while it is paused or disabled waits.
const (
	EndpointPending  EndpointState = "pending"  // has not proved that it wants them
	EndpointActive   EndpointState = "active"   //
	EndpointPaused   EndpointState = "paused"   // by its owner
	EndpointDisabled EndpointState = "disabled" // it asked for it, or nothing but failed for days; a ping that succeeds enables it
	EndpointDeleted  EndpointState = "deleted"
)

// An EndpointSecret is what an endpoint's deliveries are signed with.
type EndpointSecret struct {
	ID        int64
	Sealed    string // with the key ring; see [Keys.OpenSecret]
	CreatedAt int64  // unix ms
	ExpiresAt int64  // unix ms; 0 for the one in force
}

// HookFormat is the form of what an endpoint is sent.
type HookFormat string

// The formats. All but the standard one are messages for people in a chat room.
const (
	FormatStandard HookFormat = "standard" // Standard Webhooks, for programs
	FormatSlack    HookFormat = "slack"    // incoming webhooks of Slack
	FormatDiscord  HookFormat = "discord"
	FormatTeams    HookFormat = "teams"  // adaptive cards, to a workflow of Microsoft Teams
	FormatMatrix   HookFormat = "matrix" // generic webhooks of matrix-hookshot
)

// HookFormats lists all formats.
var HookFormats = []HookFormat{FormatStandard, FormatSlack, FormatDiscord, FormatTeams, FormatMatrix}

// IsChat reports whether people read what is sent, and not a program.
func (f HookFormat) IsChat() bool { return f != FormatStandard }

// The types of webhook that are not news of a case.
const HookPing = "endpoint.ping"

// HookType is the name of an event on the wire: "application.received".
func HookType(t EventType) string { return "application." + string(t) }

// Limits of endpoints.
const (
	MaxEndpointName  = 80
	MaxEndpointAreas = 20
	MaxEndpointURL   = 2048
	MaxHookBody      = 20_000         // bytes of one payload
	MaxAnswer        = 4 << 10        // bytes of an answer that are kept
	SecretOverlap    = 24 * time.Hour // how long the old secret still signs after a rotation
	MaxSecretOverlap = 7 * 24 * time.Hour
	MaxTestEvents    = 10 // that are sent at a time to try an endpoint out
)

// PingsPerHour is how often an endpoint may be pinged: until it has answered, a
// ping is a request to a stranger.
const PingsPerHour = 10

// Pings is the allowance of pings to an endpoint.
func Pings(endpoint int64, now time.Time) Allowance {
	return Allowance{Key: fmt.Sprintf("ping:%d", endpoint), Period: now.UTC().Format("2006-01-02T15"), Limit: PingsPerHour}
}

// NewEndpoint is what is asked for when an endpoint is made or changed, checked.
type NewEndpoint struct {
	GroupID int64 // 0 for the operator's own
	OwnerID int64 // the recipient who is told when it fails; 0 for the operator
	Name    string
	Format  HookFormat
	Address string // sealed
	Shown   string // what may be shown of it
}

// Check returns the endpoint as it is stored, with the address that somebody typed
// sealed, or what is wrong with it as an [InvalidError].
func (n NewEndpoint) Check(url string, policy URLPolicy, keys Keys) (NewEndpoint, error) {
	n, err := n.checkNames()
	if err != nil {
		return n, err
	}
	if url, err = policy.Check(url); err == nil {
		n.Address, n.Shown = keys.SealSecret(url), ShownAddress(url)
	}
	return n, err
}

// Change returns an endpoint with what somebody wants changed of it: what is nil
// stays. An address that is typed again as it was is not a new one.
func (e *Endpoint) Change(name, url *string, format *HookFormat, policy URLPolicy, keys Keys) (NewEndpoint, error) {
	n := NewEndpoint{GroupID: e.GroupID, OwnerID: e.OwnerID, Name: e.Name, Format: e.Format, Address: e.Address, Shown: e.Shown}
	if name != nil {
		n.Name = *name
	}
	if format != nil {
		n.Format = *format
	}
	if url == nil {
		return n.checkNames()
	}
	n, err := n.Check(*url, policy, keys)
	if err != nil {
		return n, err
	}
	// One that cannot be opened any more is replaced.
	if was, err := keys.OpenSecret(e.Address); err == nil {
		if is, err := keys.OpenSecret(n.Address); err == nil && is == was {
			n.Address = e.Address
		}
	}
	return n, nil
}

// ShownAddress is what may be shown of the address of an endpoint: where it is, and
// not what follows, by which others could write there.
func ShownAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	shown := u.Scheme + "://" + u.Host + "/"
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		shown += "…"
	}
	return shown
}

// checkNames checks all but the address.
func (n NewEndpoint) checkNames() (NewEndpoint, error) {
	n.Name = Line(n.Name, MaxEndpointName)
	if n.Name == "" {
		return n, Invalid("name", "Enter a name by which you will know this address")
	}
	if n.Format == "" {
		n.Format = FormatStandard
	}
	known := false
	for _, f := range HookFormats {
		known = known || f == n.Format
	}
	if !known {
		return n, Invalid("format", "Choose one of the formats: standard, slack, discord, teams or matrix")
	}
	return n, nil
}

// crockford is the alphabet of ULIDs: no letter looks like a digit.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// HookID is the webhook-id of what tells an endpoint of an event: the same at every
// attempt, replay and recovery, for it follows from the pair. Its first part tells
// the time of the event, so that ids sort as the events do.
func HookID(endpoint, seq, at int64) string {
	return hookID(at, fmt.Sprintf("event %d to endpoint %d", seq, endpoint))
}

// NewHookID is the webhook-id of a ping or a test, of which there may be many.
func NewHookID(now time.Time) string { return hookID(now.UnixMilli(), NewSecret()) }

// hookID is "evt_" and a ULID: 48 bits of time and 80 that follow from a name.
func hookID(at int64, name string) string {
	sum := sha256.Sum256([]byte(name))
	var b [17]byte // 26 characters hold 130 bits: two zero bits come first
	binary.BigEndian.PutUint64(b[:8], uint64(at)<<16)
	copy(b[6:16], sum[:10])
	// Shift right by two bits, so that the text begins with the two zeros.
	var shifted [17]byte
	for i := range b {
		shifted[i] = b[i] >> 2
		if i > 0 {
			shifted[i] |= b[i-1] << 6
		}
	}
	return "evt_" + crockford.EncodeToString(shifted[:])[:26]
}

// NewChallenge returns what an endpoint must show to prove that it wants to be
// written to: long for a program, short for a person who reads it in a chat room
// and types it in.
func NewChallenge(f HookFormat) string {
	b := make([]byte, 20)
	rand.Read(b)
	s := crockford.EncodeToString(b)
	if f.IsChat() {
		return s[:4] + "-" + s[4:8]
	}
	return s
}

// Echoes reports whether an answer to a ping repeats its challenge: as the whole
// body, or as the member "challenge" of a JSON object.
func Echoes(challenge string, body []byte) bool {
	if challenge == "" {
		return false
	}
	if strings.TrimSpace(string(body)) == challenge {
		return true
	}
	var said struct {
		Challenge string `json:"challenge"`
	}
	return json.Unmarshal(body, &said) == nil && said.Challenge == challenge
}

// SameCode reports whether a person has typed a chat room's challenge, in whatever
// case and with or without its hyphen.
func SameCode(challenge, typed string) bool {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	}
	return challenge != "" && plain(challenge) == plain(typed)
}

// A HookDelivery is one webhook in an endpoint's queue or its log.
type HookDelivery struct {
	ID         int64
	EndpointID int64
	MessageID  string // the webhook-id
	Type       string // "application.received", "endpoint.ping"
	Sequence   int64  // for this endpoint; 0 for pings and tests
	EventSeq   int64  // of the event; 0 for pings and tests
	State      DeliveryState
	Body       []byte // the exact bytes; empty once forgotten
	Attempts   int    // that count
	ClaimNo    int64
	NextAt     int64 // unix ms; of one in the queue
	CreatedAt  int64 // unix ms
	SentAt     int64 // unix ms; 0 until sent
}

// IsPing reports whether it asks the endpoint to prove itself.
func (d *HookDelivery) IsPing() bool { return d.Type == HookPing }

// IsTest reports whether it shows a past event, to try the endpoint out.
func (d *HookDelivery) IsTest() bool { return !d.IsPing() && d.EventSeq == 0 }

// A HookClaim is an endpoint that one process serves for a while, with some of its
// queue.
type HookClaim struct {
	Endpoint   Endpoint
	No         int64 // fences the release
	Deliveries []HookDelivery
}

// A HookAttempt is one try, as the delivery log shows it.
type HookAttempt struct {
	At       int64 // unix ms
	Duration int64 // ms; 0 when no connection was made
	Class    HookClass
	Status   int    // HTTP; 0 when there was no answer
	Detail   string // a sentence
	Answer   string // the first [MaxAnswer] bytes, to be shown as text and nothing else
}

// A SnapshotCursor is how far a snapshot has been read. Its zero value begins one.
type SnapshotCursor struct {
	Begun bool
	AsOf  int64 // the number of the event after which the snapshot stands
	After int64 // id of the last application looked at; 0 when all have been
}

// A HookNews is what one webhook tells one endpoint.
type HookNews struct {
	Endpoint      *Endpoint
	Event         *Event
	Sequence      int64 // 0 for a test
	InArea        bool  // false when the case has left the endpoint's areas, or was taken down
	Subscriptions []int64
	Test          bool
	Bare          bool // names the case and says nothing else of it
}

// A PingWriter writes the body of a ping to an endpoint, which asks for its
// challenge back.
type PingWriter func(Endpoint) ([]byte, error)

// A HookWriter writes the body that tells an endpoint of an event, in its format.
type HookWriter func(HookNews) ([]byte, error)
