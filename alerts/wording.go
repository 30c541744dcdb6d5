package alerts

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sitenotice/sitenotice/geo"
)

// This file puts canonical values into the words that pages and mails share: plain
// British English, without planners' shorthand.

var kindLabels = map[Kind]string{
	KindOther:          "Other",
	KindFull:           "Full planning permission",
	KindHouseholder:    "Householder",
	KindOutline:        "Outline permission",
	KindReserved:       "Reserved matters",
	KindListed:         "Listed building consent",
	KindAdvert:         "Advertisement consent",
	KindTreesTPO:       "Protected trees",
	KindTreesArea:      "Trees in a conservation area",
	KindLawfulExisting: "Certificate for an existing use",
	KindLawfulProposed: "Certificate for a proposed use",
	KindPriorApproval:  "Prior approval",
	KindConditions:     "Details required by a condition",
	KindVariation:      "Change of a condition",
	KindNonMaterial:    "Non-material amendment",
	KindPIP:            "Permission in principle",
	KindChangeOfUse:    "Change of use",
	KindDemolition:     "Demolition in a conservation area",
	KindEIA:            "Environmental impact assessment",
	KindHazardous:      "Hazardous substances consent",
	KindMinerals:       "Minerals or waste",
	KindTelecoms:       "Telecommunications",
	KindCouncilOwn:     "The council’s own scheme",
	KindNeighbour:      "Consultation by a neighbouring council",
	KindPreApplication: "Before an application",
}

var statusLabels = map[Status]string{
	StatusUnknown:       "To be decided",
	StatusReceived:      "Received",
	StatusInvalid:       "Not yet valid",
	StatusPending:       "Under consideration",
	StatusConsultation:  "Open for comments",
	StatusCommittee:     "Before a committee",
	StatusDecided:       "Decided",
	StatusWithdrawn:     "Withdrawn",
	StatusAppealLodged:  "Appeal lodged",
	StatusAppealDecided: "Appeal decided",
	StatusCalledIn:      "Called in by the government",
	StatusClosed:        "Closed",
}

var decisionLabels = map[Decision]string{
	DecisionApproved:           "Approved",
	DecisionApprovedConditions: "Approved with conditions",
	DecisionRefused:            "Refused",
	DecisionSplit:              "Approved in part, refused in part",
	DecisionPriorNotRequired:   "Prior approval not required",
	DecisionPriorGranted:       "Prior approval given",
	DecisionPriorRefused:       "Prior approval refused",
	DecisionNoObjection:        "No objection",
	DecisionObjection:          "Objection raised",
	DecisionCertificateGranted: "Certificate granted",
	DecisionCertificateRefused: "Certificate refused",
	DecisionNotDetermined:      "Not determined",
	DecisionOther:              "Decided",
}

var appealLabels = map[AppealDecision]string{
	AppealAllowed:   "Allowed",
	AppealDismissed: "Dismissed",
	AppealSplit:     "Allowed in part",
	AppealWithdrawn: "Withdrawn",
	AppealModified:  "Notice modified",
	AppealOther:     "Decided",
}

var eventLabels = map[EventType]string{
	EventReceived:      "First seen",
	EventAmended:       "Amended",
	EventConsultation:  "Comments open, or their closing date changed",
	EventCommittee:     "To be decided by a committee",
	EventDecided:       "Decided",
	EventWithdrawn:     "Withdrawn",
	EventAppealed:      "Appeal lodged",
	EventAppealDecided: "Appeal decided",
	EventLocated:       "Position published or changed",
	EventCorrected:     "Corrected by the council",
	EventRemoved:       "Taken down",
	EventRecalled:      "Taken back: a file of the council was mistaken",
}

// label returns the words for a value; one that is not in the table is shown as it
// is, made fit to show.
func label[T ~string](l Language, labels map[T]string, v T) string {
	if words, ok := labels[v]; ok {
		return l.Word(words)
	}
	return Capital(Line(strings.ReplaceAll(string(v), "_", " "), 60))
}

// KindLabel names a kind of application: "Householder".
func (l Language) KindLabel(k Kind) string { return label(l, kindLabels, k) }

// StatusLabel names a stage: "Under consideration".
func (l Language) StatusLabel(s Status) string { return label(l, statusLabels, s) }

// DecisionLabel names a decision: "Approved with conditions".
func (l Language) DecisionLabel(d Decision) string { return label(l, decisionLabels, d) }

// AppealLabel names the outcome of an appeal: "Dismissed".
func (l Language) AppealLabel(a AppealDecision) string { return label(l, appealLabels, a) }

// AppealWords says how an appeal ended: "Appeal dismissed".
func (l Language) AppealWords(a AppealDecision) string {
	return l.Say("Appeal %s", uncapital(l.AppealLabel(a)))
}

// EventLabel names what happened: "Amended".
func (l Language) EventLabel(t EventType) string { return label(l, eventLabels, t) }

// StateWords says how far a case has come: its decision, else its stage.
func (l Language) StateWords(d *Details) string {
	on := func(what string, day Date) string {
		if day == "" {
			return what
		}
		return l.Say("%s on %s", what, day)
	}
	switch {
	case d.IsWithdrawn():
		return on(l.StatusLabel(StatusWithdrawn), d.Withdrawn)
	case d.AppealDecision != AppealNone:
		return on(l.AppealWords(d.AppealDecision), d.AppealDecided)
	case d.AppealIsLodged():
		return on(l.StatusLabel(StatusAppealLodged), d.AppealLodged)
	case d.Decision != DecisionNone:
		return on(l.DecisionLabel(d.Decision), d.Decided)
	case d.IsDecided():
		return on(l.StatusLabel(StatusDecided), d.Decided)
	}
	return l.StatusLabel(d.Status)
}

// DeadlineWords says until when comments can be sent. It is the council's date or
// none: we compute no deadlines.
func (l Language) DeadlineWords(d *Details, today Date) string {
	switch until := d.CommentsUntil; {
	case until == "":
		return l.Say("The council has published no closing date for comments")
	case until < today:
		return l.Say("Comments closed on %s", until)
	case until == today:
		return l.Say("Comment by today, %s", until)
	default:
		return l.Say("Comment by %s (%s)", until, l.LeftWords(until, today))
	}
}

// ValueWords puts the canonical value of a field, as [Diff] gives it, into words.
func (l Language) ValueWords(f Field, v string) string {
	if v == "" {
		return ""
	}
	switch f {
	case FieldKind:
		return l.KindLabel(Kind(v))
	case FieldStatus:
		return l.StatusLabel(Status(v))
	case FieldDecision:
		return l.DecisionLabel(Decision(v))
	case FieldAppealDecision:
		return l.AppealLabel(AppealDecision(v))
	}
	if d, err := ParseDate(v); err == nil {
		return l.Day(d)
	}
	return Line(v, 600)
}

// PositionWords says how well a position is known.
func (l Language) PositionWords(s Site) string {
	switch s.Method {
	case MethodNone:
		return l.Say("no position")
	case MethodBoundary:
		return l.Say("the outline of the site, as the council drew it")
	case MethodPoint:
		return l.Say("a point that the council plotted")
	case MethodUPRN:
		return l.Say("the point of the property in an address table")
	case MethodChecked:
		return l.Say("a point that was put right by hand")
	case MethodPostcode:
		return l.Say("the middle of the postcode in its address, so only good to about %s", Metres(s.Uncertainty))
	}
	return l.Say("a point")
}

// Line makes text from a feed fit to show: one line, without control characters,
// marks that change the direction of writing or invisible ones, and of at most n
// characters. Escaping is for the template.
func Line(s string, n int) string {
	s = norm.NFC.String(strings.ToValidUTF8(s, "\ufffd"))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > n {
		return strings.TrimSpace(string(runes[:n-1])) + "…"
	}
	return s
}

// WebLink returns an address from a feed if it is one to follow: http or https,
// without a user name that makes it look like another host; "" otherwise.
func WebLink(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(s) > 2000 {
		return ""
	}
	return u.String()
}

// LinkHost is the host of an address, to show beside a link.
func LinkHost(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}

// MaxReference is the most bytes of a reference for which there is a page.
const MaxReference = 200

// ApplicationPath is the path of an application's page on the site. A reference is
// one segment of it, slashes and all.
func ApplicationPath(ref Ref) string {
	return "/applications/" + url.PathEscape(ref.Authority) + "/" + url.PathEscape(ref.Number)
}

// SourceWords says who published the closing date of a case; "" when that is not
// known.
func (l Language) SourceWords(d *Details) string {
	if d.CommentsSource == "council" {
		return l.Say("the council’s own data")
	}
	return Line(d.CommentsSource, 100)
}

// WhereWords says where a site lies as seen from a place: "180 m north-east";
// "here" within 10 m, "" when its position is not known. Approximate positions say
// so.
func (l Language) WhereWords(from geo.Point, s Site) string {
	g, err := s.Geometry()
	if err != nil || g == nil {
		return ""
	}
	nearest, d := geo.Nearest(from, g)
	switch {
	case d < 10:
		return l.Say("here")
	case s.Uncertainty >= Rough:
		return l.Say("about %s %s", Metres(d), l.direction(from, nearest))
	}
	return l.Say("%s %s", Metres(d), l.direction(from, nearest))
}

// SeenFrom says where a site lies as seen from a place with a name: "180 m
// north-west of NW1 8NH, to the edge of the site". How rough a position is, it says
// too; "" when none is known.
func (l Language) SeenFrom(from geo.Point, name string, s Site) string {
	g, err := s.Geometry()
	if err != nil || g == nil {
		return ""
	}
	nearest, d := geo.Nearest(from, g)
	direction := l.direction(from, nearest)
	switch {
	case s.Uncertainty >= Rough:
		return l.Say("About %s %s of %s. The position is approximate: it may be %s nearer or farther", Metres(d), direction, name, Metres(s.Uncertainty))
	case len(s.Shape) > 0 && d == 0:
		return l.Say("%s lies within the site", Capital(name))
	case d < 10:
		return l.Say("At %s", name)
	case len(s.Shape) > 0:
		return l.Say("%s %s of %s, to the edge of the site", Metres(d), direction, name)
	}
	return l.Say("%s %s of %s", Metres(d), direction, name)
}

// direction names the point of the compass in which a place lies.
func (l Language) direction(from, to geo.Point) string {
	return l.Word(geo.Compass(geo.Bearing(from, to)))
}

// Rough is the uncertainty, in metres, from which a position is called approximate.
const Rough = 50

// LeftWords says how many days there are to comment: "19 days left".
func (l Language) LeftWords(until, today Date) string {
	if n := today.DaysUntil(until); n > 0 {
		return l.Plural(n, "day left", "days left")
	}
	return l.Say("today is the last day")
}

// When writes a moment in London as people say it: "today at 06:10", "on 21
// November at 06:10".
func (l Language) When(ms int64, now time.Time) string {
	t := time.UnixMilli(ms).In(London)
	clock := t.Format("15:04")
	switch DateOf(t).DaysUntil(DateOf(now)) {
	case 0:
		return l.Say("today at %s", clock)
	case 1:
		return l.Say("yesterday at %s", clock)
	}
	if t.Year() != now.In(London).Year() {
		return l.Say("on %s at %s", DateOf(t), clock)
	}
	return l.Say("on %s at %s", strconv.Itoa(t.Day())+" "+l.Word(months[t.Month()-1]), clock)
}

// Thousands writes a count for a reader: "1,745,013".
func Thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Capital makes the first letter a capital.
func Capital(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return string(unicode.ToUpper(r[0])) + string(r[1:])
}

var cadenceNames = map[Cadence]string{Immediate: "immediate", Daily: "daily", Weekly: "weekly"}

// CadenceName names a cadence, as in "all daily alerts".
func (l Language) CadenceName(c Cadence) string { return label(l, cadenceNames, c) }

// CadenceWords says how often mail comes: "once a day at 07:00, London time".
func (l Language) CadenceWords(c Cadence) string {
	switch c {
	case Immediate:
		return l.Say("as it happens, at most one mail an hour")
	case Daily:
		return l.Say("once a day at 07:00, London time")
	case Weekly:
		return l.Say("once a week, on Thursdays at 07:00, London time")
	}
	return string(c)
}

// AreaWords says which area it is: "within 500 m of NW1 8NH".
func (l Language) AreaWords(a Area) string {
	name := a.Label
	if name == "" {
		name = fmt.Sprintf("%.5f, %.5f", a.Centre.Lat, a.Centre.Lon)
	}
	switch a.Kind {
	case AreaCircle:
		return l.Say("within %s of %s", Metres(a.Radius), name)
	case AreaApplication:
		return l.Say("about the application %s", name)
	}
	return name
}
