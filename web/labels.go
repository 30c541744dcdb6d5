package web

import (
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

var kindLabels = map[alerts.Kind]string{
	alerts.KindOther:          "Other",
	alerts.KindFull:           "Full planning permission",
	alerts.KindHouseholder:    "Householder",
	alerts.KindOutline:        "Outline permission",
	alerts.KindReserved:       "Reserved matters",
	alerts.KindListed:         "Listed building consent",
	alerts.KindAdvert:         "Advertisement consent",
	alerts.KindTreesTPO:       "Protected trees",
	alerts.KindTreesArea:      "Trees in a conservation area",
	alerts.KindLawfulExisting: "Certificate for an existing use",
	alerts.KindLawfulProposed: "Certificate for a proposed use",
	alerts.KindPriorApproval:  "Prior approval",
	alerts.KindConditions:     "Details required by a condition",
	alerts.KindVariation:      "Change of a condition",
	alerts.KindNonMaterial:    "Non-material amendment",
	alerts.KindPIP:            "Permission in principle",
	alerts.KindChangeOfUse:    "Change of use",
	alerts.KindDemolition:     "Demolition in a conservation area",
	alerts.KindEIA:            "Environmental impact assessment",
	alerts.KindHazardous:      "Hazardous substances consent",
	alerts.KindMinerals:       "Minerals or waste",
	alerts.KindTelecoms:       "Telecommunications",
	alerts.KindCouncilOwn:     "The council’s own scheme",
	alerts.KindNeighbour:      "Consultation by a neighbouring council",
	alerts.KindPreApplication: "Before an application",
}

var statusLabels = map[alerts.Status]string{
	alerts.StatusUnknown:       "To be decided",
	alerts.StatusReceived:      "Received",
	alerts.StatusInvalid:       "Not yet valid",
	alerts.StatusPending:       "Under consideration",
	alerts.StatusConsultation:  "Open for comments",
	alerts.StatusCommittee:     "Before a committee",
	alerts.StatusDecided:       "Decided",
	alerts.StatusWithdrawn:     "Withdrawn",
	alerts.StatusAppealLodged:  "Appeal lodged",
	alerts.StatusAppealDecided: "Appeal decided",
	alerts.StatusCalledIn:      "Called in by the government",
	alerts.StatusClosed:        "Closed",
}

var decisionLabels = map[alerts.Decision]string{
	alerts.DecisionApproved:           "Approved",
	alerts.DecisionApprovedConditions: "Approved with conditions",
	alerts.DecisionRefused:            "Refused",
	alerts.DecisionSplit:              "Approved in part, refused in part",
	alerts.DecisionPriorNotRequired:   "Prior approval not required",
	alerts.DecisionPriorGranted:       "Prior approval given",
	alerts.DecisionPriorRefused:       "Prior approval refused",
	alerts.DecisionNoObjection:        "No objection",
	alerts.DecisionObjection:          "Objection raised",
	alerts.DecisionCertificateGranted: "Certificate granted",
	alerts.DecisionCertificateRefused: "Certificate refused",
	alerts.DecisionNotDetermined:      "Not determined",
	alerts.DecisionOther:              "Decided",
}

var appealLabels = map[alerts.AppealDecision]string{
	alerts.AppealAllowed:   "Allowed",
	alerts.AppealDismissed: "Dismissed",
	alerts.AppealSplit:     "Allowed in part",
	alerts.AppealWithdrawn: "Withdrawn",
	alerts.AppealModified:  "Notice modified",
	alerts.AppealOther:     "Decided",
}

var eventLabels = map[alerts.EventType]string{
	alerts.EventReceived:      "First seen",
	alerts.EventAmended:       "Amended",
	alerts.EventConsultation:  "Comments open, or their closing date changed",
	alerts.EventCommittee:     "To be decided by a committee",
	alerts.EventDecided:       "Decided",
	alerts.EventWithdrawn:     "Withdrawn",
	alerts.EventAppealed:      "Appeal lodged",
	alerts.EventAppealDecided: "Appeal decided",
	alerts.EventLocated:       "Position published or changed",
	alerts.EventCorrected:     "Corrected by the council",
	alerts.EventRemoved:       "Taken down",
}

// word is the label of a value; one that is not in the table is shown as it is,
// made fit to show.
func word[T ~string](labels map[T]string, v T) string {
	if label, ok := labels[v]; ok {
		return label
	}
	return capital(clean(strings.ReplaceAll(string(v), "_", " "), 60))
}

func kindLabel(k alerts.Kind) string             { return word(kindLabels, k) }
func statusLabel(s alerts.Status) string         { return word(statusLabels, s) }
func decisionLabel(d alerts.Decision) string     { return word(decisionLabels, d) }
func appealLabel(a alerts.AppealDecision) string { return word(appealLabels, a) }
func eventLabel(t alerts.EventType) string       { return word(eventLabels, t) }

// kindOf is the kind in words, empty when the council gave none.
func kindOf(d *alerts.Details) string {
	if d.Kind == "" {
		return ""
	}
	return kindLabel(d.Kind)
}

// stateOf says how far a case has come: its decision, else its stage.
func stateOf(d *alerts.Details) string {
	on := func(what string, day alerts.Date) string {
		if day == "" {
			return what
		}
		return what + " on " + day.Long()
	}
	switch {
	case d.IsWithdrawn():
		return on("Withdrawn", d.Withdrawn)
	case d.AppealDecision != alerts.AppealNone:
		return on("Appeal "+strings.ToLower(appealLabel(d.AppealDecision)), d.AppealDecided)
	case d.AppealIsLodged():
		return on("Appeal lodged", d.AppealLodged)
	case d.Decision != alerts.DecisionNone:
		return on(decisionLabel(d.Decision), d.Decided)
	case d.IsDecided():
		return on("Decided", d.Decided)
	}
	return statusLabel(d.Status)
}
