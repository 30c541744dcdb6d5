package alerts

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of groups.
const (
	MaxGroupName       = 80
	MaxGroupsOfAccount = 10 // that one account may own
	MaxMembers         = 100
	MaxGroupAreas      = 20
	MaxGroupEndpoints  = 10
	MaxTokens          = 20 // that are in force
	MaxMeetings        = 200
	MaxNote            = 2000 // characters
	InvitationsPerDay  = 20   // of one group
)

// InviteFor is how long an invitation can be accepted.
const InviteFor = 7 * 24 * time.Hour

// A Group is people who watch over places together: a residents' association, a
// parish council, a civic society.
type Group struct {
	ID        int64
	Name      string
	Quorum    int   // how many have to agree to hide a case
	CreatedAt int64 // unix ms
}

// Scope is what a role in the group counts for.
func (g Group) Scope() Scope { return GroupScope(g.ID) }

// CleanName makes one printable line of what a group or a person is called; the
// fault is beside the field.
func CleanName(s, field, problem string) (string, *InvalidError) {
	if s = Line(s, MaxGroupName); s == "" {
		return "", Invalid(field, problem)
	}
	return s, nil
}

// A Member is somebody in a group.
type Member struct {
	AccountID int64
	Address   string // shown to owners alone
	Name      string // how the others know them
	Role      Role
	Since     int64 // unix ms
}

// LastOwner reports whether an account is the only owner among the members, who
// can neither leave nor be made less.
func LastOwner(members []Member, account int64) bool {
	owners := 0
	is := false
	for _, m := range members {
		if m.Role == RoleOwner {
			owners++
			is = is || m.AccountID == account
		}
	}
	return is && owners == 1
}

// Heir is who becomes the owner of a group when its only owner is erased: of those
// who may do most, who has been in it longest. ok is false when nobody is left.
func Heir(members []Member, leaving int64) (heir Member, ok bool) {
	for _, m := range members { // the longest come first
		if m.AccountID != leaving && (!ok || m.Role != heir.Role && m.Role.Includes(heir.Role)) {
			heir, ok = m, true
		}
	}
	return heir, ok
}

// An Invitation waits for somebody to accept it.
type Invitation struct {
	ID        int64
	Group     Group
	AccountID int64
	Address   string
	Role      Role
	InvitedBy string // name
	ExpiresAt int64  // unix ms
}

// A GroupArea is a place that a group watches.
type GroupArea struct {
	ID        int64
	GroupID   int64
	Area      Area
	Filter    Filter
	Authority string // slug of the authority in which a ward is; may be empty
	CreatedAt int64  // unix ms
}

// IsHeardBy reports whether a subscription of one of the group's endpoints is for
// this area.
func (a GroupArea) IsHeardBy(s Subscription) bool {
	return SameExtent(a.Area, s.Current.Area)
}

// A TokenScope is what a token lets a program do.
type TokenScope string

// The scopes of tokens.
const (
	TokenRead  TokenScope = "read"  // see the group's areas, endpoints and deliveries
	TokenWrite TokenScope = "write" // and change them
	TokenFeeds TokenScope = "feeds" // fetch the group's news and calendars, by address alone
)

// TokenScopes lists the scopes.
var TokenScopes = []TokenScope{TokenRead, TokenWrite, TokenFeeds}

// The lifetimes that a token may be given, in days; 0 for no end, which only the
// address of a feed may have.
var TokenDays = []int{30, 90, 365, 0}

// A Token lets a program, or a feed reader, in on behalf of a group.
type Token struct {
	ID        int64
	GroupID   int64
	AccountID int64 // who made it
	Name      string
	Start     string // its first characters
	Scopes    []TokenScope
	CreatedAt int64 // unix ms
	ExpiresAt int64 // unix ms; Forever for no end
	LastUsed  int64 // unix ms, to about an hour; 0 for never
	RevokedAt int64 // unix ms; 0 while it is in force
}

// TokenStep is how often the use of a token is noted.
const TokenStep = time.Hour

// Valid reports whether the token is in force.
func (t Token) Valid(now time.Time) bool { return t.RevokedAt == 0 && now.UnixMilli() < t.ExpiresAt }

// Allows reports whether the token may be used for something.
func (t Token) Allows(s TokenScope) bool {
	return slices.Contains(t.Scopes, s) || s == TokenRead && slices.Contains(t.Scopes, TokenWrite)
}

// Endless reports whether the token has no end.
func (t Token) Endless() bool { return t.ExpiresAt == Forever }

// NewToken returns a fresh token for programs: something random, after a mark by
// which programs that look for leaked secrets can tell it.
func NewToken(scopes []TokenScope) string {
	if slices.Contains(scopes, TokenFeeds) {
		return "snf_" + NewSecret()
	}
	return "sn_" + NewSecret()
}

// TokenStart is what is shown of a token afterwards.
func TokenStart(token string) string { return token[:min(len(token), 10)] }

// A TokenWish is what is asked for when a token is made.
type TokenWish struct {
	Name   string
	Scopes []TokenScope
	Days   int
}

// Check returns the wish as it is stored, and when it ends; or what is wrong with it.
func (w TokenWish) Check(now time.Time) (TokenWish, int64, *InvalidError) {
	var fault *InvalidError
	if w.Name, fault = CleanName(w.Name, "name", "Enter a name, so that you know later what uses it"); fault != nil {
		return w, 0, fault
	}
	if len(w.Scopes) == 0 {
		return w, 0, Invalid("scopes", "Choose what it may be used for")
	}
	for _, s := range w.Scopes {
		if !slices.Contains(TokenScopes, s) {
			return w, 0, Invalid("scopes", "Choose what it may be used for: read, write or feeds")
		}
	}
	// What is in the address of a feed is seen by more programs than what is in a header.
	if feeds := slices.Contains(w.Scopes, TokenFeeds); feeds && len(w.Scopes) > 1 {
		return w, 0, Invalid("scopes", "The address of a feed cannot be used for anything else. Make two")
	} else if !slices.Contains(TokenDays, w.Days) || w.Days == 0 && !feeds {
		return w, 0, Invalid("days", "Choose how long it is to last: 30, 90 or 365 days")
	}
	if w.Days == 0 {
		return w, Forever, nil
	}
	return w, now.Add(time.Duration(w.Days) * 24 * time.Hour).UnixMilli(), nil
}

// NoteLine makes a note printable and not too long; line breaks stay.
func NoteLine(s string) string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(s, "")) {
		lines = append(lines, Line(line, MaxNote))
	}
	s = strings.TrimSpace(strings.Join(lines, "\n"))
	if runes := []rune(s); len(runes) > MaxNote {
		s = string(runes[:MaxNote])
	}
	return s
}

// Invitations is the allowance of invitations of a group.
func Invitations(group int64, now time.Time) Allowance {
	return Allowance{"invite:" + strconv.FormatInt(group, 10), string(DateOf(now)), InvitationsPerDay}
}
