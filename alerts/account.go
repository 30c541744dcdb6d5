package alerts

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Role is what an account may do within a scope.
type Role string

// The roles, each including what the next may do.
const (
	RoleOwner  Role = "owner"  // also says who else may do what, and ends it all
	RoleMember Role = "member" // changes things
	RoleViewer Role = "viewer" // looks at them
)

// Roles lists the roles, the mightiest first.
var Roles = []Role{RoleOwner, RoleMember, RoleViewer}

// Includes reports whether who has the role may do what needs another.
func (r Role) Includes(need Role) bool {
	have, want := slices.Index(Roles, r), slices.Index(Roles, need)
	return have >= 0 && want >= 0 && have <= want
}

// A Scope is what a role counts for.
type Scope string

// ScopeOperator is the whole service.
const ScopeOperator Scope = "operator"

// GroupScope is one community group.
func GroupScope(id int64) Scope { return Scope("group:" + strconv.FormatInt(id, 10)) }

// FeedScope is one council's feed.
func FeedScope(slug string) Scope { return Scope("feed:" + slug) }

// Feed returns the slug of the feed that the scope is; ok is false for others.
func (s Scope) Feed() (slug string, ok bool) { return strings.CutPrefix(string(s), "feed:") }

// Group returns the id of the group that the scope is; ok is false for others.
func (s Scope) Group() (id int64, ok bool) {
	text, ok := strings.CutPrefix(string(s), "group:")
	id, err := strconv.ParseInt(text, 10, 64)
	return id, ok && err == nil
}

// A Grant is a role within a scope.
type Grant struct {
	Scope Scope
	Role  Role
}

// An Account is somebody who signs in. Its ID is that of its recipient.
type Account struct {
	ID         int64
	Address    string
	Grants     []Grant
	SignedInAt int64 // unix ms, of the session that it comes from; 0 when it comes from none
}

// Role returns the account's role within a scope; empty when it has none.
func (a Account) Role(scope Scope) Role {
	for _, g := range a.Grants {
		if g.Scope == scope {
			return g.Role
		}
	}
	return ""
}

// May reports whether the account may do within a scope what needs a role.
func (a Account) May(scope Scope, need Role) bool { return a.Role(scope).Includes(need) }

// RecentSignIn is how long ago somebody may have signed in who does what cannot be
// taken back: erases a person, or has many written to.
const RecentSignIn = 30 * time.Minute

// SignedInLately reports whether the account's owner has shown not long ago that the
// address is theirs.
func (a Account) SignedInLately(now time.Time) bool {
	return now.UnixMilli()-a.SignedInAt <= RecentSignIn.Milliseconds()
}

// OperatorRoles are the roles of those who run the service, as the command names
// them. They are given by the command alone.
var OperatorRoles = map[string]Role{"operator": RoleOwner, "viewer": RoleViewer}

// OperatorRole names a role of those who run the service.
func OperatorRole(r Role) string {
	if r == RoleViewer {
		return "viewer"
	}
	return "operator"
}

// Act is how the record tells that an account was given a role.
func (g Grant) Act(account int64, by string) Act {
	what := fmt.Sprintf("gave the role %s of %s", g.Role, g.Scope)
	if g.Scope == ScopeOperator {
		what = "made " + map[string]string{"operator": "an operator", "viewer": "a viewer of the operator's pages"}[OperatorRole(g.Role)]
	}
	return Act{Kind: ActAccess, Who: by, What: what, Subject: Account{ID: account}.Actor()}
}

// SignInFor is how long the link in a sign-in mail works; it works once.
const SignInFor = time.Hour

// SessionFor is how long somebody stays signed in without coming back.
const SessionFor = 30 * 24 * time.Hour

// SessionStep is how often coming back is noted, so that looking at pages does not
// write to the database each time.
const SessionStep = 24 * time.Hour

// Stale reports whether a session last noted at seen has to be noted again.
func Stale(seen int64, now time.Time) bool { return now.UnixMilli()-seen >= SessionStep.Milliseconds() }

var ownPath = regexp.MustCompile(`^/[A-Za-z0-9][A-Za-z0-9/_~.%-]{0,200}$`)

// OwnPath returns path if it can only be the address of a page of ours, and
// otherwise instead. What comes with a request must not lead to another site.
func OwnPath(path, instead string) string {
	if !ownPath.MatchString(path) || strings.Contains(path, "//") || strings.Contains(path, "..") {
		return instead
	}
	return path
}
