package alerts

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// SendableAgain reports whether mail of this kind may be sent again at somebody's
// request. What holds a link that works once is not: whoever wants another asks for
// it themselves.
func (k DeliveryKind) SendableAgain() bool {
	switch k {
	case DeliveryAlert, DeliveryQuiet, DeliveryOutage, DeliveryCoverage, DeliveryEnded:
		return true
	}
	return false
}

// SentAgainPerDay is how many mails may be sent again to one person in a day.
const SentAgainPerDay = 3

// SentAgain returns the allowance of a person for one mail that is sent again.
func SentAgain(recipient int64, now time.Time) Allowance {
	return Allowance{fmt.Sprintf("again:%d", recipient), string(DateOf(now)), SentAgainPerDay}
}

// Again returns a copy of a mail that was sent, for sending it again. It is a message
// of its own, since mailboxes show no second one with a Message-ID that they have
// seen; its subject and first line say that it is a copy, and of when.
func (d Delivery) Again(l Language, messageID string, now time.Time) Delivery {
	said := l.Say("This is a copy of the mail that we sent you on %s. It was sent again at your request, or to make up for a fault; nothing in it is newer than that.", l.Moment(d.SentAt))
	again := d
	again.ID, again.State, again.Attempts, again.ClaimNo, again.SentAt, again.Cadence = 0, DeliveryQueued, 0, 0, 0, ""
	again.MessageID, again.NextAt, again.CreatedAt = messageID, now.UnixMilli(), now.UnixMilli()
	again.Subject = l.Say("Sent again: %s", d.Subject)
	again.Text = said + "\n\n" + d.Text
	if i := strings.Index(d.HTML, "<body"); i >= 0 {
		if end := strings.IndexByte(d.HTML[i:], '>'); end >= 0 {
			at := i + end + 1
			again.HTML = d.HTML[:at] + `<p style="margin:0;padding:12px 16px;background:#ffd60a;color:#2d2600;font-family:Arial,sans-serif;font-size:16px;line-height:24px">` + html.EscapeString(said) + "</p>" + d.HTML[at:]
		}
	}
	again.Headers = append([]Header{{"References", "<" + d.MessageID + ">"}}, d.Headers...)
	return again
}

// A SentMail is a mail as whoever looks after people sees it: that it was sent and
// what it was about, not its words.
type SentMail struct {
	ID        int64
	Kind      DeliveryKind
	Cadence   Cadence
	CreatedAt int64 // unix ms
	SentAt    int64 // unix ms; 0 until sent
	State     DeliveryState
	Fate      string // what is known since: delivered, bounced, complained; may be empty
	Attempts  int
	Error     string // why it is not sent, or was not
	Kept      bool   // its words are still there, so that it can be sent again
	AgainOf   int64  // the mail that it is a copy of; 0 for none
	About     []SentCase
	Reports   []PersonalReport
}

// A SentCase is an application that a mail told of, and the subscription that wanted
// it.
type SentCase struct {
	Subscription int64
	Application  int64
	Ref
}

// MaySendAgain reports whether the mail may be sent again.
func (m *SentMail) MaySendAgain() bool {
	return m.Kind.SendableAgain() && m.State == DeliverySent && m.Kept && m.AgainOf == 0
}

// liftable are the reasons for not writing to an address that are no wish of its
// owner's.
var liftable = []string{DeadAddressWhy, RefusingAddressWhy}

// Why an address is not written to, when that is because mail did not arrive.
const (
	DeadAddressWhy     = "the address does not exist"
	RefusingAddressWhy = "the address keeps refusing mail"
)

// MayLift reports whether an operator may let an address be written to again that is
// barred for a reason. Who asked never to be written to, or marked our mail as spam,
// has to come back by themselves.
func MayLift(reason string) bool {
	for _, r := range liftable {
		if r == reason {
			return true
		}
	}
	return false
}
