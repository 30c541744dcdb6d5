package alerts

import (
	"fmt"
	"time"
)

// This file is how a case is written for programs, in webhooks and wherever else one
// is sent as JSON. Names here never change their meaning; a change that a reader
// could trip over raises WireVersion.

// WireVersion is the version of the form in which cases are written.
const WireVersion = 1

// A CaseJSON is one case. Fields that the council has not published are left out,
// so that "unknown" is never mistaken for "none".
type CaseJSON struct {
	Authority            string        `json:"authority"`
	AuthorityName        string        `json:"authority_name,omitempty"`
	Reference            string        `json:"reference"`
	URL                  string        `json:"url,omitempty"`         // the page on this service
	CouncilURL           string        `json:"council_url,omitempty"` // the council's page of the case
	CommentURL           string        `json:"comment_url,omitempty"`
	Address              string        `json:"address,omitempty"`
	Postcode             string        `json:"postcode,omitempty"`
	UPRN                 string        `json:"uprn,omitempty"`
	Description          string        `json:"description,omitempty"`
	DescriptionTruncated bool          `json:"description_truncated,omitempty"`
	Kind                 string        `json:"kind,omitempty"`
	KindLabel            string        `json:"kind_label,omitempty"`
	Scale                string        `json:"scale,omitempty"`
	Major                *bool         `json:"major,omitempty"` // of ten homes or more, or as large otherwise
	Status               string        `json:"status,omitempty"`
	StatusLabel          string        `json:"status_label,omitempty"`
	Decision             string        `json:"decision,omitempty"`
	DecisionLabel        string        `json:"decision_label,omitempty"`
	DecisionBy           string        `json:"decision_by,omitempty"`
	Received             string        `json:"received,omitempty"`
	Valid                string        `json:"valid,omitempty"`
	CommentsFrom         string        `json:"comments_from,omitempty"`
	CommentsUntil        string        `json:"comments_until,omitempty"`
	CommentsSource       string        `json:"comments_source,omitempty"` // who published the closing date
	Committee            string        `json:"committee,omitempty"`
	Target               string        `json:"target,omitempty"`
	Decided              string        `json:"decided,omitempty"`
	Withdrawn            string        `json:"withdrawn,omitempty"`
	AppealReference      string        `json:"appeal_reference,omitempty"`
	AppealLodged         string        `json:"appeal_lodged,omitempty"`
	AppealDecided        string        `json:"appeal_decided,omitempty"`
	AppealDecision       string        `json:"appeal_decision,omitempty"`
	Ward                 string        `json:"ward,omitempty"`
	Open                 *bool         `json:"open,omitempty"`        // still to be decided
	StateLabel           string        `json:"state_label,omitempty"` // how far it has come, for a reader
	Location             *LocationJSON `json:"location,omitempty"`
}

// A LocationJSON is where a case is, and how well that is known.
type LocationJSON struct {
	Lon         float64 `json:"lon"` // WGS84 degrees
	Lat         float64 `json:"lat"`
	Method      string  `json:"method"`
	Uncertainty float64 `json:"uncertainty_m"`
}

// The most characters of a text that are written.
const (
	wireDescription = 3000
	wireAddress     = 300
	wireShort       = 120
)

// Wire writes a case for programs. base is the address of this service.
func Wire(authority, authorityName string, d *Details, base string) CaseJSON {
	short := func(s string) string { return Line(s, wireShort) }
	open, major := d.IsOpen(), d.IsMajor()
	c := CaseJSON{
		Authority: authority, AuthorityName: short(authorityName), Reference: Line(d.Reference, MaxReference),
		CouncilURL: WebLink(d.URL), CommentURL: WebLink(d.CommentURL),
		Address: Line(d.Address, wireAddress), Postcode: short(d.Postcode), UPRN: short(d.UPRN),
		Description: Line(d.Description, wireDescription), Kind: short(string(d.Kind)), Scale: short(d.Scale),
		Status: short(string(d.Status)), Decision: short(string(d.Decision)), DecisionBy: short(d.DecisionBy),
		Received: short(string(d.Received)), Valid: short(string(d.Valid)), CommentsFrom: short(string(d.CommentsFrom)), CommentsUntil: short(string(d.CommentsUntil)),
		Committee: short(string(d.Committee)), Target: short(string(d.Target)), Decided: short(string(d.Decided)), Withdrawn: short(string(d.Withdrawn)),
		AppealReference: short(d.AppealRef), AppealLodged: short(string(d.AppealLodged)), AppealDecided: short(string(d.AppealDecided)),
		AppealDecision: short(string(d.AppealDecision)), Ward: short(d.Ward), Open: &open, Major: &major,
		CommentsSource: short(English.SourceWords(d)), StateLabel: short(English.StateWords(d)),
	}
	c.DescriptionTruncated = len([]rune(c.Description)) == wireDescription
	if len(d.Reference) <= MaxReference {
		c.URL = base + ApplicationPath(Ref{authority, d.Reference})
	}
	if d.Kind != "" {
		c.KindLabel = English.KindLabel(d.Kind)
	}
	if d.Status != StatusUnknown {
		c.StatusLabel = English.StatusLabel(d.Status)
	}
	if d.Decision != DecisionNone {
		c.DecisionLabel = English.DecisionLabel(d.Decision)
	}
	if d.Site.Located() {
		c.Location = &LocationJSON{d.Site.Lon, d.Site.Lat, string(d.Site.Method), d.Site.Uncertainty}
	}
	return c
}

// WireBare names a case that was taken down and says nothing else of it.
func WireBare(authority string, d *Details) CaseJSON {
	return CaseJSON{Authority: authority, Reference: Line(d.Reference, MaxReference)}
}

// WireTime writes a moment for programs: UTC, to the millisecond.
func WireTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// A ChangeJSON is a member of a case that has changed; "" stands for "not published".
type ChangeJSON struct {
	Field string `json:"field"` // the member's name
	From  string `json:"from"`
	To    string `json:"to"`
}

// wireNames are the members of a case that are not called as the fields are.
var wireNames = map[Field]string{FieldURL: "council_url", FieldAppealRef: "appeal_reference", FieldSite: "location"}

// WireChanges lists the members that differ between two versions of a case; prev may
// be nil: then nothing differs.
func WireChanges(prev, next *Details) []ChangeJSON {
	var out []ChangeJSON
	for _, c := range Diff(prev, next) {
		if c.Field == FieldSite { // in a form that can be read
			c.Old, c.New = wirePlace(prev.Site), wirePlace(next.Site)
		}
		name := wireNames[c.Field]
		if name == "" {
			for _, rule := range fieldRules {
				if rule.Field == c.Field {
					name = rule.Name
				}
			}
		}
		out = append(out, ChangeJSON{name, Line(c.Old, wireShort), Line(c.New, wireShort)})
	}
	return out
}

func wirePlace(s Site) string {
	if !s.Located() {
		return ""
	}
	return fmt.Sprintf("%.5f,%.5f", s.Lon, s.Lat)
}
