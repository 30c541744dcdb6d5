package deliver

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A Mailbox keeps captured mail.
type Mailbox interface {
	Capture(ctx context.Context, m alerts.Captured, messageID string) error
}

// Capture is a sender that keeps mail instead of sending it, for demos and
// development.
type Capture struct {
	Store Mailbox
	From  string           // the From address
	Now   func() time.Time // nil for time.Now
}

// Send keeps the delivery as it would have gone out.
func (c *Capture) Send(ctx context.Context, d alerts.Delivery) alerts.Outcome {
	now := clock(c.Now)
	from, err := parseFrom(c.From)
	if err != nil {
		return alerts.Outcome{Class: alerts.SenderDown, Detail: err.Error()}
	}
	raw, err := message(d, from, now)
	if err != nil {
		return alerts.Outcome{Class: alerts.Permanent, Detail: detail(err.Error())}
	}
	if err := c.Store.Capture(ctx, alerts.Captured{At: now.UnixMilli(), Address: d.Address, Subject: d.Subject, Raw: raw}, d.MessageID); err != nil {
		return alerts.Outcome{Class: alerts.SenderDown, Detail: detail(err.Error())}
	}
	return alerts.Outcome{Detail: "captured"}
}

// AllowOnly is a sender for use outside production: it sends to the addresses on
// its list, and captures what is for anybody else.
type AllowOnly struct {
	Addresses []string
	Sender    Sender
	Otherwise Sender // a [Capture]
}

// Send sends a delivery to an address on the list and captures any other.
func (a *AllowOnly) Send(ctx context.Context, d alerts.Delivery) alerts.Outcome {
	for _, allowed := range a.Addresses {
		if strings.EqualFold(strings.TrimSpace(allowed), d.Address) {
			return a.Sender.Send(ctx, d)
		}
	}
	return a.Otherwise.Send(ctx, d)
}

// Close closes the connections that the sender keeps open.
func (a *AllowOnly) Close() error {
	if c, ok := a.Sender.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
