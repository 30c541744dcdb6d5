package alerts

import (
	"strings"
	"time"
)

// MoveFor is how long the links that move alerts to another address work.
const MoveFor = 7 * 24 * time.Hour

// A Move is the wish of a person to get their mail at another address. It is made
// only when both ends have agreed: whoever reads the old mailbox, and whoever reads
// the new one.
type Move struct {
	RecipientID int64
	From, To    string // addresses
	NewEnd      bool   // seen from the new address
	OldAgreed   bool
	NewAgreed   bool
	Done        bool
	Taken       bool // the new address has alerts of its own, so that the move cannot be made
	Expires     int64
}

// MaskAddress writes an address so that its owner knows it and nobody else learns
// it: "j…s@example.org".
func MaskAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	local := []rune(address[:at])
	switch len(local) {
	case 0:
		return address[at:]
	case 1, 2:
		return string(local[:1]) + "…" + address[at:]
	}
	return string(local[:1]) + "…" + string(local[len(local)-1:]) + address[at:]
}
