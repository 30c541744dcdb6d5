package alerts

// EventType says what happened to an application.
type EventType string

// The types of event.
const (
	EventReceived      EventType = "received"       // first seen
	EventAmended       EventType = "amended"        // what is proposed, where or as what, changed
	EventConsultation  EventType = "consultation"   // the comment period opens or moves
	EventCommittee     EventType = "committee"      // it goes to a committee, or that date moves
	EventDecided       EventType = "decided"        //
	EventWithdrawn     EventType = "withdrawn"      //
	EventAppealed      EventType = "appealed"       //
	EventAppealDecided EventType = "appeal_decided" //
	EventLocated       EventType = "located"        // gained or changed its position
	EventCorrected     EventType = "corrected"      // an earlier decision or state was wrong
	EventRemoved       EventType = "removed"        // taken down: a tombstone
	EventRecalled      EventType = "recalled"       // what a mistaken file said of it was taken back
)

// EventTypes lists all types in the order in which they are told.
var EventTypes = []EventType{EventReceived, EventConsultation, EventAmended, EventCommittee, EventDecided,
	EventWithdrawn, EventAppealed, EventAppealDecided, EventLocated, EventCorrected, EventRemoved, EventRecalled}

// EventState says whether an event may notify anybody.
type EventState string

// The states of an event. Only a live one has a sequence number.
const (
	EventLive      EventState = "live"
	EventSilenced  EventState = "silenced"  // born silent: a first import, a backfill, or beyond the age horizon
	EventHeld      EventState = "held"      // waits for an operator's release
	EventCollapsed EventState = "collapsed" // was held; a release told its net effect in another event
)

// An Event is something that happened to an application: an immutable snapshot
// of it before and after. Its key is (ApplicationID, Version, Type).
type Event struct {
	ID            int64
	Seq           int64 // 0 unless the state is live
	ApplicationID int64
	Authority     string // slug
	Version       int    // of the application after the change
	Type          EventType
	State         EventState
	At            int64    // unix ms at which the change was applied
	RunID         int64    // the run that brought it
	Late          bool     // published late: undecided, but its dates are older than the age horizon
	Before        *Details // nil when first seen
	After         Details
}
