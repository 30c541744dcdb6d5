package alerts

import (
	"encoding/base32"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
)

// An Inbound is the address at which mail about our mail arrives: bounces,
// complaints and wishes to stop. Each message gets an address of its own under it,
// with a keyed hash in it, so that what arrives there can be believed. The zero
// value is "there is none".
type Inbound struct {
	local, domain string // the local part has one *, where the tag goes
	keys          Keys
}

// ParseInbound reads an address like bounces@example.org, whose own addresses are
// bounces+TAG@example.org; or one with a * where the tag is to go, like
// *@bounces.example.org. "" is none.
func ParseInbound(address string, keys Keys) (Inbound, error) {
	if address == "" {
		return Inbound{}, nil
	}
	local, domain, _ := strings.Cut(address, "@")
	given := local
	if !strings.Contains(local, "*") {
		local += "+*"
	}
	in := Inbound{local, strings.ToLower(domain), keys}
	sample := in.address("u-" + strings.Repeat("z", 13) + "-diw-" + strings.Repeat("a", tagMAC)) // the longest
	if parsed, err := mail.ParseAddress(sample); err != nil || parsed.Address != sample || given == "" || strings.Count(in.local, "*") != 1 || strings.Index(sample, "@") > 64 {
		return Inbound{}, fmt.Errorf("%q is not an address like bounces@example.org, or like *@bounces.example.org, whose part before the @ has at most 20 characters", address)
	}
	return in, nil
}

// IsZero reports whether there is no such address.
func (i Inbound) IsZero() bool { return i.domain == "" }

func (i Inbound) address(tag string) string {
	return strings.Replace(i.local, "*", tag, 1) + "@" + i.domain
}

// tagMAC is how many characters of the hash a tag has: 100 bits.
const tagMAC = 20

// lower is base32 in lower case: mail servers do not all keep the case of addresses.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (k key) tag(purpose, subject string) string {
	return lower.EncodeToString(k.mac(purpose, subject))[:tagMAC]
}

// ReturnPath is the address to which a delivery bounces.
func (i Inbound) ReturnPath(delivery int64) string {
	return i.address("b-" + i.keys.DeliveryTag(delivery))
}

// DeliveryTag names a delivery to others, who cannot make up another: it holds its
// number and a keyed hash of it.
func (k Keys) DeliveryTag(delivery int64) string {
	n := strconv.FormatInt(delivery, 36)
	return n + "-" + k.ring[0].tag("delivery", n)
}

// ReadDeliveryTag returns the delivery that a tag names; ErrBadToken when the tag
// is not one of ours.
func (k Keys) ReadDeliveryTag(tag string) (delivery int64, err error) {
	n, mac, _ := strings.Cut(strings.ToLower(tag), "-")
	if !slices.ContainsFunc(k.ring, func(k key) bool { return !k.leaked && equal(mac, k.tag("delivery", n)) }) {
		return 0, ErrBadToken
	}
	if delivery, err = strconv.ParseInt(n, 36, 64); err != nil {
		return 0, ErrBadToken
	}
	return delivery, nil
}

// Unsubscribe is the address to write to for stopping a recipient's mails of some
// cadences.
func (i Inbound) Unsubscribe(recipient int64, cs []Cadence) string {
	subject := strconv.FormatInt(recipient, 36) + "-" + cadenceLetters(cs)
	return i.address("u-" + subject + "-" + i.keys.ring[0].tag("unsubscribe by mail", subject))
}

// cadenceLetters writes cadences as their initials.
func cadenceLetters(cs []Cadence) string {
	letters := make([]string, len(cs))
	for n, c := range cs {
		letters[n] = string(c)[:1]
	}
	slices.Sort(letters)
	return strings.Join(letters, "")
}

// A Tagged is what one of our own addresses says: which delivery came back, or whose
// mails are to stop.
type Tagged struct {
	Delivery  int64 // of a return path
	Recipient int64 // of an address to unsubscribe
	Cadences  []Cadence
}

// Read returns what one of the addresses says that [Inbound.ReturnPath] and
// [Inbound.Unsubscribe] make; ErrBadToken for any other.
func (i Inbound) Read(address string) (t Tagged, err error) {
	before, after, _ := strings.Cut(strings.ToLower(i.local), "*")
	local, domain, _ := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "@")
	if i.IsZero() || domain != i.domain || len(local) < len(before)+len(after) || !strings.HasPrefix(local, before) || !strings.HasSuffix(local, after) {
		return t, ErrBadToken
	}
	kind, rest, _ := strings.Cut(local[len(before):len(local)-len(after)], "-")
	switch kind {
	case "b":
		t.Delivery, err = i.keys.ReadDeliveryTag(rest)
		return t, err
	case "u":
		parts := strings.Split(rest, "-")
		if len(parts) != 3 {
			return t, ErrBadToken
		}
		subject := parts[0] + "-" + parts[1]
		if !slices.ContainsFunc(i.keys.ring, func(k key) bool { return !k.leaked && equal(parts[2], k.tag("unsubscribe by mail", subject)) }) {
			return t, ErrBadToken
		}
		for _, c := range []Cadence{Immediate, Daily, Weekly, Reminders, Notes} {
			if strings.Contains(parts[1], string(c)[:1]) {
				t.Cadences = append(t.Cadences, c)
			}
		}
		if t.Recipient, err = strconv.ParseInt(parts[0], 36, 64); err != nil {
			return Tagged{}, ErrBadToken
		}
		return t, nil
	}
	return t, ErrBadToken
}
