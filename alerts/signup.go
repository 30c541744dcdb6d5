package alerts

import (
	"fmt"
	"math"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/sitenotice/sitenotice/geo"
)

// The radii that a subscriber may choose between, in metres.
const (
	MinRadius     = 50
	MaxRadius     = 10_000
	DefaultRadius = 500
)

// ConfirmFor is how long the link in a confirmation mail works, and how long an
// unconfirmed sign-up is kept.
const ConfirmFor = 7 * 24 * time.Hour

// ManageDays is how many days the manage link in an alert works; one that was
// asked for works for RequestedManageDays.
const (
	ManageDays          = 30
	RequestedManageDays = 1
)

// MaxAreas is how many areas one person may follow, and MaxPending how many of
// them may wait for confirmation; older ones give way.
const (
	MaxAreas   = 50
	MaxPending = 5
)

// UndoFor is how long an ended subscription can be taken up again from the page
// that ended it.
const UndoFor = 28 * 24 * time.Hour

// ConsentVersion names the words of [ConsentWords]; it is stored with each
// consent, so change it whenever they change.
const ConsentVersion = "2026-11-23"

// ConsentWords is what a person agrees to by signing up, shown above the button.
const ConsentWords = "We will write to this address about planning applications in this area, as often as you choose, " +
	"once you have confirmed it. Every mail has a link that stops it. We keep your address and the area for this and nothing else."

// A SignUp is what a person asks for on a form.
type SignUp struct {
	Address  string
	Area     Area
	Filter   Filter
	Cadence  Cadence
	Language Language // of the page, and from now on of the mails
	Remind   int      // days before comments close on which to be reminded; 0 for no wish
	Page     string   // the page on which it was asked for, kept with the consent
	Client   string   // where the request came from, as [ClientKey] writes it; counted, never stored with the sign-up
	Domain   string   // the keyed hash of the address's domain, likewise; see [Keys.DomainKey]
}

// Check returns the sign-up with its address in the form in which it is stored,
// and every fault in it, each beside its field.
func (s SignUp) Check() (SignUp, []*InvalidError) {
	var faults []*InvalidError
	address, err := ParseAddress(s.Address)
	if err != nil {
		faults = append(faults, err)
	}
	s.Address = address
	s.Area.Label = CleanLabel(s.Area.Label)
	faults = append(faults, Preferences{Remind: s.Remind}.Check()...)
	return s, append(faults, CheckWish(s.Area, s.Filter, s.Cadence)...)
}

// CheckPlace returns the fault in a place that somebody typed, if there is one.
func CheckPlace(p geo.Point) *InvalidError {
	inside := func(lon, lat float64) bool { return lon >= -8.7 && lon <= 1.8 && lat >= 49.8 && lat <= 60.9 }
	switch {
	case math.IsNaN(p.Lon) || math.IsNaN(p.Lat):
		return Invalid("lat", "Enter the latitude and longitude as numbers, like 51.5397 and -0.1425")
	case inside(p.Lon, p.Lat):
		return nil
	case inside(p.Lat, p.Lon):
		return Invalid("lat", "Latitude and longitude seem to be swapped: in the United Kingdom the latitude is between 49.8 and 60.9")
	}
	return Invalid("lat", "This place is outside the United Kingdom: its latitudes are 49.8 to 60.9, its longitudes -8.7 to 1.8")
}

// Kinds lists the kinds of application in the order in which forms offer them.
var Kinds = []Kind{KindHouseholder, KindFull, KindOutline, KindReserved, KindChangeOfUse, KindListed, KindDemolition,
	KindTreesTPO, KindTreesArea, KindAdvert, KindTelecoms, KindPriorApproval, KindLawfulExisting, KindLawfulProposed,
	KindConditions, KindVariation, KindNonMaterial, KindPIP, KindEIA, KindHazardous, KindMinerals, KindCouncilOwn,
	KindNeighbour, KindPreApplication, KindOther}

// CleanLabel makes one printable line of at most 60 characters of what a
// subscriber calls an area.
func CleanLabel(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > 60 {
		s = strings.TrimSpace(string(runes[:60]))
	}
	return s
}

// ParseAddress checks an e-mail address that somebody typed and returns it as it
// is stored: trimmed, its domain in ASCII and lower case, its local part as typed.
func ParseAddress(s string) (string, *InvalidError) {
	wrong := func() (string, *InvalidError) {
		return "", Invalid("email", "Enter an e-mail address like name@example.org")
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return "", Invalid("email", "Enter your e-mail address")
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 {
		return wrong()
	}
	local, domain := s[:at], s[at+1:]
	for _, r := range local {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]%`, r) {
			return wrong()
		}
	}
	domain, err := idna.Lookup.ToASCII(strings.ToLower(domain))
	if err != nil || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") || numeric(domain) {
		return wrong()
	}
	s = local + "@" + domain
	if len(local) > 64 || len(s) > 254 {
		return "", Invalid("email", "This e-mail address is too long")
	}
	if parsed, err := mail.ParseAddress(s); err != nil || parsed.Address != s || parsed.Name != "" {
		return wrong()
	}
	return s, nil
}

// numeric reports whether a domain ends like an IP address.
func numeric(domain string) bool {
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

// A Letter is a mail to one person about their own subscriptions, before it is
// put into words.
type Letter struct {
	Kind      DeliveryKind // DeliveryConfirm, DeliveryManage, DeliverySignIn or DeliveryInvite
	Recipient Recipient
	Area      Area    // that was asked for, of a confirmation
	Cadence   Cadence // of a confirmation
	Filter    Filter  // of a confirmation
	Remind    int     // of a confirmation
	Secret    string  // for the link that confirms, signs in or accepts; empty in others
	Already   bool    // the area is followed already: nothing to confirm, a manage link instead
	Move      *Move   // of the mails that ask whether alerts may go to another address
}

// A Writer puts a letter into words. The store calls it within a transaction, so
// that a sign-up and its mail are stored together or not at all.
type Writer func(Letter) (Delivery, error)

// A Standing is a recipient with the subscriptions that have not ended, oldest
// first.
type Standing struct {
	Recipient     Recipient
	Subscriptions []Subscription
}

// An Allowance limits how often something may be asked for.
type Allowance struct {
	Key    string // what is counted: a client, or an address by its keyed hash
	Period string // the hour, day or month of the count
	Limit  int
}

// Limits says how often strangers may ask for mail.
type Limits struct {
	SignUpsPerClientHour  int // sign-ups and requests for links of one client address
	SignUpsPerDomainHour  int // sign-ups and requests to sign in with addresses of one domain; 0 for any number
	SignUpsPerHour        int // the same of everybody together; 0 for any number
	ConfirmationsPerDay   int // confirmation mails to one address
	ConfirmationsPerMonth int // confirmation mails to one address
	ManageLinksPerDay     int // requested manage links to one address
	SignInLinksPerDay     int // sign-in links to one address
	MovesPerDay           int // wishes of one person for another address
	PlacesPerDay          int // places that one client, and one person, may say are wrong
}

// DefaultLimits are the limits unless the operator sets others.
var DefaultLimits = Limits{SignUpsPerClientHour: 10, SignUpsPerDomainHour: 100, SignUpsPerHour: 5_000, ConfirmationsPerDay: 1, ConfirmationsPerMonth: 5, ManageLinksPerDay: 3, SignInLinksPerDay: 6, MovesPerDay: 3, PlacesPerDay: 5}

// Client returns the allowance of a client for one sign-up or link.
func (l Limits) Client(client string, now time.Time) Allowance {
	return Allowance{"client:" + client, now.UTC().Format("2006-01-02T15"), l.SignUpsPerClientHour}
}

// Everybody returns the allowances of a domain, and of all together, for one sign-up
// or request to sign in: they hold when each request comes from somewhere else. They
// are counted before anything is looked up, so they tell nobody who is known.
func (l Limits) Everybody(domain string, now time.Time) (out []Allowance) {
	hour := now.UTC().Format("2006-01-02T15")
	if domain != "" && l.SignUpsPerDomainHour > 0 {
		out = append(out, Allowance{"domain:" + domain, hour, l.SignUpsPerDomainHour})
	}
	if l.SignUpsPerHour > 0 {
		out = append(out, Allowance{"everybody", hour, l.SignUpsPerHour})
	}
	return out
}

// publicDomains are of providers whose addresses belong to strangers to each other: a
// count of them would only keep people from signing up.
var publicDomains = map[string]bool{"gmail.com": true, "googlemail.com": true, "outlook.com": true, "hotmail.com": true, "hotmail.co.uk": true, "live.co.uk": true, "live.com": true,
	"msn.com": true, "yahoo.com": true, "yahoo.co.uk": true, "ymail.com": true, "icloud.com": true, "me.com": true, "mac.com": true, "aol.com": true, "btinternet.com": true, "sky.com": true,
	"virginmedia.com": true, "ntlworld.com": true, "talktalk.net": true, "blueyonder.co.uk": true, "proton.me": true, "protonmail.com": true, "fastmail.com": true, "gmx.co.uk": true, "gmx.com": true}

// DomainKey is the keyed hash under which the sign-ups of an address's domain are
// counted; empty for the large providers, whose addresses have nothing in common.
func (k Keys) DomainKey(address string) string {
	_, domain, _ := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "@")
	if publicDomains[domain] {
		return ""
	}
	return encoding.EncodeToString(k.ring[0].mac("domain", domain))
}

// Confirmations returns the allowances of an address for one confirmation mail.
func (l Limits) Confirmations(addressKey string, now time.Time) []Allowance {
	return []Allowance{
		{"confirm:" + addressKey, string(DateOf(now)), l.ConfirmationsPerDay},
		{"confirm:" + addressKey, string(DateOf(now))[:7], l.ConfirmationsPerMonth},
	}
}

// Places returns the allowances of a client, and of a recipient if there is one, to
// say that a place is wrong.
func (l Limits) Places(client string, recipient int64, now time.Time) []Allowance {
	out := []Allowance{{"place:" + client, string(DateOf(now)), l.PlacesPerDay}}
	if recipient != 0 {
		out = append(out, Allowance{fmt.Sprintf("place:%d", recipient), string(DateOf(now)), l.PlacesPerDay})
	}
	return out
}

// Move returns the allowance of a recipient for one move to another address.
func (l Limits) Move(recipient int64, now time.Time) Allowance {
	return Allowance{fmt.Sprintf("move:%d", recipient), string(DateOf(now)), l.MovesPerDay}
}

// ManageLinks returns the allowance of an address for one requested manage link.
func (l Limits) ManageLinks(addressKey string, now time.Time) Allowance {
	return Allowance{"manage:" + addressKey, string(DateOf(now)), l.ManageLinksPerDay}
}

// SignInLinks returns the allowance of an address for one sign-in link.
func (l Limits) SignInLinks(addressKey string, now time.Time) Allowance {
	return Allowance{"sign-in:" + addressKey, string(DateOf(now)), l.SignInLinksPerDay}
}
