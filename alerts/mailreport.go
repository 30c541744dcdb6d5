package alerts

import (
	"strings"
	"time"
)

// A MailReport is what a mail server, SendGrid, or the person who got it, says of a
// mail that we sent.
type MailReport struct {
	Key       string // the same for a report that comes twice
	Kind      ReportKind
	Delivery  int64     // 0 when it is known by its Message-ID only
	MessageID string    // without angle brackets; "" when the delivery is known
	Recipient int64     // of a wish to stop that names no delivery
	Cadences  []Cadence // that are to stop; none for all
	Address   string    // that the report is about, if it says
	Status    string    // enhanced status code (RFC 3463), "" if it gives none
	Source    string    // "mail" or "sendgrid"
}

// ReportKind says what became of a mail.
type ReportKind string

// The kinds of report. Those that are no kind of failure come first.
const (
	ReportDelivered   ReportKind = "delivered"   // the recipient's server has taken it
	ReportAccepted    ReportKind = "accepted"    // whoever we gave it to has it, and is trying
	ReportHard        ReportKind = "hard"        // the address does not exist
	ReportRefused     ReportKind = "refused"     // refused for good, for another reason than the address
	ReportSoft        ReportKind = "soft"        // given up after trying: a full mailbox, a server that is away
	ReportBlocked     ReportKind = "blocked"     // refused because of us: our reputation, our content
	ReportComplaint   ReportKind = "complaint"   // marked as spam
	ReportUnsubscribe ReportKind = "unsubscribe" // asked to stop
)

// Failed reports whether the mail did not arrive.
func (k ReportKind) Failed() bool {
	return k == ReportHard || k == ReportRefused || k == ReportSoft || k == ReportBlocked
}

// When reports of a kind that are no proof by themselves amount to something: so
// many about one person in so long a time.
const (
	refusedTimes  = 2
	refusedWithin = 30 * 24 * time.Hour
	blockedTimes  = 5
	blockedWithin = 14 * 24 * time.Hour
)

// ReportsWithin is how far back [AfterReport] wants to know of earlier reports.
const ReportsWithin = refusedWithin

// BlockedPause is how long mail to a person rests whose server keeps refusing us.
const BlockedPause = 14 * 24 * time.Hour

// A ReportEffect is what follows from a report for the person.
type ReportEffect struct {
	End      bool   // every subscription ends
	Suppress bool   // and the address is not written to again, whoever signs it up
	Pause    bool   // mail rests for [BlockedPause]
	Why      string // in words, kept with what it ends
}

// AfterReport decides what follows from a report for the person whom the mail went
// to. earlier are the moments of earlier reports of the same kind, in unix
// milliseconds.
func AfterReport(kind ReportKind, earlier []int64, now time.Time) ReportEffect {
	since := func(d time.Duration) (n int) {
		for _, at := range earlier {
			if at > now.Add(-d).UnixMilli() {
				n++
			}
		}
		return n + 1
	}
	switch {
	case kind == ReportHard:
		return ReportEffect{End: true, Suppress: true, Why: DeadAddressWhy}
	case kind == ReportComplaint:
		return ReportEffect{End: true, Suppress: true, Why: "the mail was marked as spam"}
	case kind == ReportRefused && since(refusedWithin) >= refusedTimes:
		return ReportEffect{End: true, Suppress: true, Why: RefusingAddressWhy}
	case kind == ReportBlocked && since(blockedWithin) >= blockedTimes:
		return ReportEffect{Pause: true, Why: "the recipient's server keeps refusing mail from us"}
	}
	return ReportEffect{}
}

// deadStatuses say of an address that it is none: no such mailbox, no such domain,
// not an address, moved away, takes no mail.
var deadStatuses = map[string]bool{"5.1.1": true, "5.1.2": true, "5.1.3": true, "5.1.6": true, "5.1.10": true, "5.4.1": true, "5.4.4": true}

// FailureKind classes the status of a failure that is final. detail is what the
// other side said besides.
func FailureKind(status, detail string) ReportKind {
	detail = strings.ToLower(detail)
	switch {
	case deadStatuses[status]:
		return ReportHard
	case status == "5.2.2" || strings.HasPrefix(status, "4."): // a full mailbox; or tried for days
		return ReportSoft
	case strings.HasPrefix(status, "5.7.") || strings.Contains(detail, "spam") || strings.Contains(detail, "blocked") || strings.Contains(detail, "blacklist") || strings.Contains(detail, "reputation"):
		return ReportBlocked
	case strings.HasPrefix(status, "5."):
		return ReportRefused
	}
	return ReportSoft // nothing is sure but that it did not arrive
}
