package alerts

// A Claim is a matching pass's hold on a range of the event log: it enters the
// matches of the events with From < Seq ≤ To in the ledger, and nobody else does
// while its lease lasts.
type Claim struct {
	From, To int64
	No       int64 // fences the end of the pass: only the last claim of a range can move the watermark
}

// IsEmpty reports whether there is nothing to do.
func (c Claim) IsEmpty() bool { return c.From >= c.To }

// MatchOf returns the ledger's entry for a version that wants an event, given
// the day on which it is made.
func MatchOf(v *Version, e *Event, interest Interest, today Date) Match {
	m := Match{VersionID: v.ID, Seq: e.Seq, RecipientID: v.RecipientID, Correction: interest == Correction}
	if e.After.IsOpen() && e.After.CommentsUntil >= today {
		m.Closes = e.After.CommentsUntil
	}
	return m
}
