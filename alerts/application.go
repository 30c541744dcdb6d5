package alerts

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sitenotice/sitenotice/geo"
)

// A Ref names an application: councils number their own, so a number means
// nothing without its authority. Numbers contain slashes.
type Ref struct {
	Authority string // the authority's slug, for example "york"
	Number    string // as the council writes it, for example "26/00268/FUL"
}

// An Authority is a local planning authority.
type Authority struct {
	Slug     string // short and stable, for URLs: "camden"
	Name     string // "London Borough of Camden"
	District string // GSS code of the district it plans for, "E09000007"; may be empty
	Website  string
}

// ReferenceKey returns the form by which references are compared: Unicode NFKC,
// upper case, no white space around slashes, inner runs of space collapsed. A reference is otherwise opaque.
func ReferenceKey(number string) string {
	fields := strings.FieldsFunc(norm.NFKC.String(number), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u200b' || r == '\ufeff'
	})
	s := strings.ToUpper(strings.Join(fields, " "))
	s = strings.ReplaceAll(s, " /", "/")
	return strings.ReplaceAll(s, "/ ", "/")
}

// Status is the stage of a case, apart from its decision.
type Status string

// The stages of a case (see "Canonical status" in docs/feeds.md).
const (
	StatusUnknown       Status = ""
	StatusReceived      Status = "received"
	StatusInvalid       Status = "invalid"
	StatusPending       Status = "pending" // valid and under consideration
	StatusConsultation  Status = "consultation"
	StatusCommittee     Status = "committee"
	StatusDecided       Status = "decided"
	StatusWithdrawn     Status = "withdrawn"
	StatusAppealLodged  Status = "appeal_lodged"
	StatusAppealDecided Status = "appeal_decided"
	StatusCalledIn      Status = "called_in"
	StatusClosed        Status = "closed"
)

// Statuses lists the statuses that are known, in their usual order.
var Statuses = []Status{StatusReceived, StatusInvalid, StatusPending, StatusConsultation, StatusCommittee, StatusDecided, StatusWithdrawn,
	StatusAppealLodged, StatusAppealDecided, StatusCalledIn, StatusClosed}

// Decision is the authority's own decision. An appeal never overwrites it.
type Decision string

// The decisions.
const (
	DecisionNone               Decision = ""
	DecisionApproved           Decision = "approved"
	DecisionApprovedConditions Decision = "approved_conditions"
	DecisionRefused            Decision = "refused"
	DecisionSplit              Decision = "split"
	DecisionPriorNotRequired   Decision = "prior_approval_not_required"
	DecisionPriorGranted       Decision = "prior_approval_granted"
	DecisionPriorRefused       Decision = "prior_approval_refused"
	DecisionNoObjection        Decision = "no_objection"
	DecisionObjection          Decision = "objection"
	DecisionCertificateGranted Decision = "certificate_granted"
	DecisionCertificateRefused Decision = "certificate_refused"
	DecisionNotDetermined      Decision = "not_determined"
	DecisionOther              Decision = "other" // decided, but the code is not in the feed's table
)

// Decisions lists the decisions.
var Decisions = []Decision{DecisionApproved, DecisionApprovedConditions, DecisionRefused, DecisionSplit, DecisionPriorNotRequired, DecisionPriorGranted,
	DecisionPriorRefused, DecisionNoObjection, DecisionObjection, DecisionCertificateGranted, DecisionCertificateRefused, DecisionNotDetermined, DecisionOther}

// AppealDecision is the outcome of an appeal against the authority.
type AppealDecision string

// The outcomes of appeals.
const (
	AppealNone      AppealDecision = ""
	AppealAllowed   AppealDecision = "allowed"
	AppealDismissed AppealDecision = "dismissed"
	AppealSplit     AppealDecision = "split"
	AppealWithdrawn AppealDecision = "withdrawn"
	AppealModified  AppealDecision = "notice_modified"
	AppealOther     AppealDecision = "other"
)

// Kind is the canonical type of an application.
type Kind string

// The kinds of application.
const (
	KindOther          Kind = "other"
	KindFull           Kind = "full"
	KindHouseholder    Kind = "householder"
	KindOutline        Kind = "outline"
	KindReserved       Kind = "reserved_matters"
	KindListed         Kind = "listed_building"
	KindAdvert         Kind = "advertisement"
	KindTreesTPO       Kind = "trees_tpo"
	KindTreesArea      Kind = "trees_conservation_area"
	KindLawfulExisting Kind = "lawful_existing"
	KindLawfulProposed Kind = "lawful_proposed"
	KindPriorApproval  Kind = "prior_approval"
	KindConditions     Kind = "conditions"
	KindVariation      Kind = "variation_s73"
	KindNonMaterial    Kind = "non_material"
	KindPIP            Kind = "permission_in_principle"
	KindChangeOfUse    Kind = "change_of_use"
	KindDemolition     Kind = "demolition_ca"
	KindEIA            Kind = "eia"
	KindHazardous      Kind = "hazardous"
	KindMinerals       Kind = "minerals_waste"
	KindTelecoms       Kind = "telecoms"
	KindCouncilOwn     Kind = "council_own"
	KindNeighbour      Kind = "consultation_neighbour"
	KindPreApplication Kind = "pre_app"
)

// Method says how a site's position is known, best first.
type Method string

// The rungs of the location ladder.
const (
	MethodNone     Method = ""         // unlocated
	MethodBoundary Method = "boundary" // the site's own outline
	MethodPoint    Method = "point"    // plotted by the authority
	MethodUPRN     Method = "uprn"     // looked up in an address table
	MethodPostcode Method = "postcode" // the postcode in its address
	MethodChecked  Method = "checked"  // put right by hand, because the data gave a wrong one
)

// DefaultUncertainty is how far, in metres, a position found by each method may
// be from the site, unless the feed says otherwise.
var DefaultUncertainty = map[Method]float64{MethodBoundary: 0, MethodPoint: 10, MethodUPRN: 10, MethodPostcode: 100, MethodChecked: 10}

// A Site is where an application is. The zero Site is unlocated.
type Site struct {
	Lon         float64 `json:"lon,omitempty"` // WGS84 degrees; a point on the surface when there is a boundary
	Lat         float64 `json:"lat,omitempty"`
	Shape       []byte  `json:"shape,omitempty"` // WKB of the boundary, lon/lat; empty for a point
	Method      Method  `json:"method,omitempty"`
	Uncertainty float64 `json:"uncertainty,omitempty"` // metres
}

// Located reports whether the position is known at all.
func (s Site) Located() bool { return s.Method != MethodNone }

// Given reports whether the council itself gave the position, so that it was not
// looked up.
func (s Site) Given() bool { return s.Method == MethodBoundary || s.Method == MethodPoint }

// Point returns the site's representative point.
func (s Site) Point() geo.Point { return geo.Point{Lon: s.Lon, Lat: s.Lat} }

// Details is what feeds say of an application: the canonical fields. Names of
// applicants, agents and officers have no place in it.
type Details struct {
	Reference      string         `json:"reference,omitempty"`
	Address        string         `json:"address,omitempty"`
	Postcode       string         `json:"postcode,omitempty"`
	UPRN           string         `json:"uprn,omitempty"`
	Description    string         `json:"description,omitempty"`
	KindRaw        string         `json:"kind_raw,omitempty"` // the council's own code or label
	Kind           Kind           `json:"kind,omitempty"`
	Scale          string         `json:"scale,omitempty"` // "major", "minor", "other" or empty
	StatusRaw      string         `json:"status_raw,omitempty"`
	Status         Status         `json:"status,omitempty"`
	DecisionRaw    string         `json:"decision_raw,omitempty"`
	Decision       Decision       `json:"decision,omitempty"`
	DecisionBy     string         `json:"decision_by,omitempty"` // "delegated", "committee", …
	Received       Date           `json:"received,omitempty"`
	Valid          Date           `json:"valid,omitempty"`
	CommentsFrom   Date           `json:"comments_from,omitempty"`
	CommentsUntil  Date           `json:"comments_until,omitempty"` // as published; never computed
	CommentsSource string         `json:"comments_source,omitempty"`
	Committee      Date           `json:"committee,omitempty"`
	Target         Date           `json:"target,omitempty"` // the council's own target for deciding
	Decided        Date           `json:"decided,omitempty"`
	Withdrawn      Date           `json:"withdrawn,omitempty"`
	AppealRef      string         `json:"appeal_ref,omitempty"`
	AppealLodged   Date           `json:"appeal_lodged,omitempty"`
	AppealDecided  Date           `json:"appeal_decided,omitempty"`
	AppealDecision AppealDecision `json:"appeal_decision,omitempty"`
	URL            string         `json:"url,omitempty"`         // the council's page of the case
	CommentURL     string         `json:"comment_url,omitempty"` // where the council takes comments
	Ward           string         `json:"ward,omitempty"`        // GSS code, or the feed's own name for it
	Site           Site           `json:"site,omitzero"`
}

// Newest returns the latest of the dates at which the case moved, for deciding
// whether it is old news; empty when the feed gave none of them.
func (d *Details) Newest() Date { return max(d.Received, d.Valid, d.Decided, d.Withdrawn) }

// IsDecided reports whether the authority has decided the case, whatever
// happened on appeal afterwards.
func (d *Details) IsDecided() bool {
	return d.Decision != DecisionNone || d.Decided != "" || d.Status == StatusDecided
}

// IsWithdrawn reports whether the applicant has withdrawn the case.
func (d *Details) IsWithdrawn() bool { return d.Status == StatusWithdrawn || d.Withdrawn != "" }

// AppealIsLodged reports whether there is, or was, an appeal.
func (d *Details) AppealIsLodged() bool {
	return d.Status == StatusAppealLodged || d.AppealLodged != "" || d.AppealRef != "" || d.AppealIsDecided()
}

// AppealIsDecided reports whether an appeal has been decided.
func (d *Details) AppealIsDecided() bool {
	return d.Status == StatusAppealDecided || d.AppealDecision != AppealNone || d.AppealDecided != ""
}

// AtCommittee reports whether the case has been sent to a committee.
func (d *Details) AtCommittee() bool { return d.Status == StatusCommittee || d.Committee != "" }

// IsOpen reports whether the case is still to be decided.
func (d *Details) IsOpen() bool {
	return !d.IsDecided() && !d.IsWithdrawn() && d.Status != StatusClosed && !d.AppealIsDecided()
}

// IsMajor reports whether the authority classes the scheme as major.
func (d *Details) IsMajor() bool { return d.Scale == "major" || d.Kind == KindEIA }

// An Application is one planning application: the merged view of its records.
type Application struct {
	ID        int64
	Authority string // slug
	Version   int    // 1 when first seen, one more with each applied change
	Hidden    bool   // taken down or redacted: shown nowhere, told to nobody
	FirstSeen int64  // unix ms
	UpdatedAt int64  // unix ms
	Details
}

// Ref returns the application's name.
func (a *Application) Ref() Ref { return Ref{a.Authority, a.Reference} }
