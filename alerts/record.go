package alerts

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
)

// A Field is one canonical field of [Details], as a bit. The values are stored:
// add new ones at the end and never reuse one.
type Field uint64

// The fields.
const (
	FieldReference Field = 1 << iota
	FieldAddress
	FieldPostcode
	FieldUPRN
	FieldDescription
	FieldKind // with KindRaw
	FieldScale
	FieldStatus   // with StatusRaw
	FieldDecision // with DecisionRaw
	FieldDecisionBy
	FieldReceived
	FieldValid
	FieldCommentsFrom
	FieldCommentsUntil // with CommentsSource
	FieldCommittee
	FieldTarget
	FieldDecided
	FieldWithdrawn
	FieldAppealRef
	FieldAppealLodged
	FieldAppealDecided
	FieldAppealDecision
	FieldURL
	FieldCommentURL
	FieldWard
	FieldSite
)

// A fieldRule is what the rules need to know of one field.
type fieldRule struct {
	Field Field
	Name  string // as in JSON and in feed mappings
	Label string // for a reader: "description"
	copy  func(to, from *Details)
	text  func(*Details) string // the value for comparing and showing
	has   func(*Details) bool   // whether there is a value
}

func text[T ~string](f Field, name, label string, at func(*Details) *T, with ...func(*Details) *string) fieldRule {
	return fieldRule{f, name, label,
		func(to, from *Details) {
			*at(to) = *at(from)
			for _, w := range with {
				*w(to) = *w(from)
			}
		},
		func(d *Details) string { return string(*at(d)) },
		func(d *Details) bool { return *at(d) != "" },
	}
}

// fieldRules is the table of all fields, in the order in which changes are told.
var fieldRules = []fieldRule{
	text(FieldReference, "reference", "reference", func(d *Details) *string { return &d.Reference }),
	text(FieldDescription, "description", "description", func(d *Details) *string { return &d.Description }),
	text(FieldAddress, "address", "address", func(d *Details) *string { return &d.Address }),
	text(FieldPostcode, "postcode", "postcode", func(d *Details) *string { return &d.Postcode }),
	text(FieldUPRN, "uprn", "property number", func(d *Details) *string { return &d.UPRN }),
	text(FieldKind, "kind", "type", func(d *Details) *Kind { return &d.Kind }, func(d *Details) *string { return &d.KindRaw }),
	text(FieldScale, "scale", "scale", func(d *Details) *string { return &d.Scale }),
	text(FieldStatus, "status", "status", func(d *Details) *Status { return &d.Status }, func(d *Details) *string { return &d.StatusRaw }),
	text(FieldDecision, "decision", "decision", func(d *Details) *Decision { return &d.Decision }, func(d *Details) *string { return &d.DecisionRaw }),
	text(FieldDecisionBy, "decision_by", "decided by", func(d *Details) *string { return &d.DecisionBy }),
	text(FieldReceived, "received", "received", func(d *Details) *Date { return &d.Received }),
	text(FieldValid, "valid", "valid from", func(d *Details) *Date { return &d.Valid }),
	text(FieldCommentsFrom, "comments_from", "comments from", func(d *Details) *Date { return &d.CommentsFrom }),
	text(FieldCommentsUntil, "comments_until", "comment by", func(d *Details) *Date { return &d.CommentsUntil }, func(d *Details) *string { return &d.CommentsSource }),
	text(FieldCommittee, "committee", "committee date", func(d *Details) *Date { return &d.Committee }),
	text(FieldTarget, "target", "target date", func(d *Details) *Date { return &d.Target }),
	text(FieldDecided, "decided", "decided on", func(d *Details) *Date { return &d.Decided }),
	text(FieldWithdrawn, "withdrawn", "withdrawn on", func(d *Details) *Date { return &d.Withdrawn }),
	text(FieldAppealRef, "appeal_ref", "appeal reference", func(d *Details) *string { return &d.AppealRef }),
	text(FieldAppealLodged, "appeal_lodged", "appeal lodged", func(d *Details) *Date { return &d.AppealLodged }),
	text(FieldAppealDecided, "appeal_decided", "appeal decided", func(d *Details) *Date { return &d.AppealDecided }),
	text(FieldAppealDecision, "appeal_decision", "appeal decision", func(d *Details) *AppealDecision { return &d.AppealDecision }),
	text(FieldURL, "url", "council's page", func(d *Details) *string { return &d.URL }),
	text(FieldCommentURL, "comment_url", "comment page", func(d *Details) *string { return &d.CommentURL }),
	text(FieldWard, "ward", "ward", func(d *Details) *string { return &d.Ward }),
	{FieldSite, "site", "position",
		func(to, from *Details) { to.Site = from.Site },
		func(d *Details) string { return d.Site.fingerprint() },
		func(d *Details) bool { return d.Site.Located() }},
}

// fingerprint tells sites apart at about a metre (1e-5 degrees), so that a
// portal's rounding is not a move.
func (s Site) fingerprint() string {
	if !s.Located() {
		return ""
	}
	round := func(v float64) float64 { return math.Round(v*1e5) / 1e5 }
	sum := sha256.Sum256(s.Shape)
	return fmt.Sprintf("%.5f,%.5f %s %.0f %x", round(s.Lon), round(s.Lat), s.Method, s.Uncertainty, sum[:4*min(1, len(s.Shape))])
}

// FieldNamed returns the field of that name, as mappings and JSON spell it.
func FieldNamed(name string) (Field, bool) {
	i := slices.IndexFunc(fieldRules, func(r fieldRule) bool { return r.Name == name })
	if i < 0 {
		return 0, false
	}
	return fieldRules[i].Field, true
}

// Has reports whether the set f contains field.
func (f Field) Has(field Field) bool { return f&field != 0 }

// A Record is what one feed says of one application. Its identity is the feed
// and the SourceKey.
type Record struct {
	FeedID        int64
	SourceKey     string // the source system's own key, for example Uniform's KEYVAL
	Authority     string // slug
	ApplicationID int64  // 0 until it has been applied
	Supplied      Field  // the fields that the feed has ever supplied
	Details       Details
}

// A KnownRecord is what is stored of a record, short: enough to see that nothing
// has changed.
type KnownRecord struct {
	Supplied Field
	Hash     string
}

// A Staged record is one that says something new, from when its run read it until
// the run has been judged and applied.
type Staged struct {
	Ord  int // its place among all that the run staged, from 0
	Hash string
	Record
}

// Overlay returns the record as it is once row has been read: what row does not
// supply stays as it was, and so does a position that the council gave when the row
// has only one that was looked up.
func (r Record) Overlay(row Record) Record {
	lookedUp := row.Details.Site.Located() && !row.Details.Site.Given()
	for _, rule := range fieldRules {
		if rule.Field == FieldSite && lookedUp && r.Details.Site.Given() {
			continue
		}
		if row.Supplied.Has(rule.Field) {
			rule.copy(&r.Details, &row.Details)
		}
	}
	r.Supplied |= row.Supplied
	r.FeedID, r.SourceKey, r.Authority = row.FeedID, row.SourceKey, row.Authority
	return r
}

// Hash identifies what the record says, as 32 hexadecimal digits. Equal hashes mean
// that nothing that the service keeps has changed.
func (r Record) Hash() string {
	d := r.Details
	d.Site.Lon, d.Site.Lat = math.Round(d.Site.Lon*1e5)/1e5, math.Round(d.Site.Lat*1e5)/1e5
	b := binary.AppendUvarint(appendText(make([]byte, 0, 1024), r.Authority), uint64(r.Supplied))
	b = d.AppendCompact(b)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// A Renumbering is a case that seems to have got another number.
type Renumbering struct {
	Authority string `json:"-"` // slug
	Was       string `json:"was"`
	Is        string `json:"is"`
	Key       string `json:"-"` // of the record under the old number
}

// TakenBack clears of another record of the same case and feed what the feed has just
// taken back in this one: a field that had a value before and has none now. It reports
// whether it cleared anything.
func (r *Record) TakenBack(before, now *Record) (cleared bool) {
	for _, rule := range fieldRules {
		if now.Supplied.Has(rule.Field) && rule.has(&before.Details) && !rule.has(&now.Details) && rule.has(&r.Details) {
			rule.copy(&r.Details, &Details{})
			cleared = true
		}
	}
	return cleared
}

// Merge returns the view of an application that its records give together. For
// each field the first record that supplies it with a value wins; records come
// in the authority's order of precedence. A position that a council gives comes
// before one that was looked up.
func Merge(records []Record) Details {
	var out Details
	given := slices.ContainsFunc(records, func(r Record) bool { return r.Details.Site.Given() })
	for _, rule := range fieldRules {
		for i := range records {
			if rule.Field == FieldSite && given && !records[i].Details.Site.Given() {
				continue
			}
			if records[i].Supplied.Has(rule.Field) && rule.has(&records[i].Details) {
				rule.copy(&out, &records[i].Details)
				break
			}
		}
	}
	return out
}
