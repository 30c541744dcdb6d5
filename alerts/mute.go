package alerts

import (
	"slices"
	"strconv"
	"strings"
)

// A Mute is what a person wants to hear no more of, in all of their areas.
type Mute struct {
	ID          int64
	RecipientID int64
	What        MuteWhat
	Key         string
	Label       string // how the person knows it: an address, a reference, a kind
	At          int64  // unix ms
}

// MuteWhat is what a mute silences.
type MuteWhat string

// What can be muted.
const (
	MuteCase MuteWhat = "case" // one application
	MuteSite MuteWhat = "site" // every application at its address
	MuteKind MuteWhat = "kind" // every application of its kind
)

// MaxMutes is how many mutes one person may have.
const MaxMutes = 500

// MuteOf returns the mute of a case, its site or its kind; false when it has no
// address or kind to go by.
func MuteOf(what MuteWhat, application int64, authority string, d *Details) (m Mute, ok bool) {
	m.What = what
	switch what {
	case MuteCase:
		m.Key, m.Label = strconv.FormatInt(application, 10), Line(d.Reference, 60)
		if d.Address != "" {
			m.Label += ", " + Line(d.Address, 100)
		}
	case MuteSite:
		m.Key, m.Label = strings.Join(siteKeys(authority, d), "\n"), Line(d.Address, 160)
	case MuteKind:
		m.Key, m.Label = string(d.Kind), English.KindLabel(d.Kind)
	}
	return m, m.Key != ""
}

// Name is what is muted, in a language where it has words of ours.
func (m *Mute) Name(l Language) string {
	if m.What == MuteKind {
		return l.KindLabel(Kind(m.Key))
	}
	return m.Label
}

// Silences reports whether the mute is of a case.
func (m *Mute) Silences(application int64, authority string, d *Details) bool {
	switch m.What {
	case MuteCase:
		return m.Key == strconv.FormatInt(application, 10)
	case MuteKind:
		return d.Kind != "" && m.Key == string(d.Kind)
	case MuteSite:
		have := strings.Split(m.Key, "\n")
		return slices.ContainsFunc(siteKeys(authority, d), func(k string) bool { return slices.Contains(have, k) })
	}
	return false
}

// Muted reports whether one of the mutes is of a case.
func Muted(mutes []Mute, application int64, authority string, d *Details) bool {
	return slices.ContainsFunc(mutes, func(m Mute) bool { return m.Silences(application, authority, d) })
}

// siteKeys are what two applications at one site have in common: the property's
// number, or the address as written, whatever its case and punctuation.
func siteKeys(authority string, d *Details) (keys []string) {
	if d.UPRN != "" {
		keys = append(keys, "uprn "+d.UPRN)
	}
	if address := plain(d.Address); address != " " {
		keys = append(keys, "address "+authority+address)
	}
	return keys
}

// MuteSubject is what the token of a mute link binds: whose, and by which case.
func MuteSubject(recipient, application int64) string {
	return strconv.FormatInt(recipient, 10) + ":" + strconv.FormatInt(application, 10)
}

// ParseMuteSubject is the reverse of [MuteSubject].
func ParseMuteSubject(s string) (recipient, application int64, err error) {
	who, which, _ := strings.Cut(s, ":")
	recipient, err1 := strconv.ParseInt(who, 10, 64)
	application, err2 := strconv.ParseInt(which, 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, ErrBadToken
	}
	return recipient, application, nil
}
