package feed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// meaning is what the codes of one feed mean, ready for looking up. Codes are
// compared without regard to case and outer space.
type meaning struct {
	kind     map[string]alerts.Kind
	status   map[string]outcome
	decision map[string]alerts.Decision
}

// outcome is a status and, where the code says so, the decision with it.
type outcome struct {
	status   alerts.Status
	decision alerts.Decision
}

func (c Codes) compile() (*meaning, error) {
	m := &meaning{map[string]alerts.Kind{}, map[string]outcome{}, map[string]alerts.Decision{}}
	for code, word := range c.Kind {
		if !slices.Contains(alerts.Kinds, alerts.Kind(word)) {
			return nil, fmt.Errorf("codes.kind: %s: there is no kind %q", code, word)
		}
		m.kind[fold(code)] = alerts.Kind(word)
	}
	for code, words := range c.Status {
		status, decision, _ := strings.Cut(words, " ")
		o := outcome{alerts.Status(status), alerts.Decision(decision)}
		if !slices.Contains(statuses, o.status) || decision != "" && !slices.Contains(decisions, o.decision) {
			return nil, fmt.Errorf("codes.status: %s: %q is not a status, nor a status and a decision", code, words)
		}
		m.status[fold(code)] = o
	}
	for code, word := range c.Decision {
		d := alerts.Decision(word)
		if word == "none" {
			d = alerts.DecisionNone
		} else if !slices.Contains(decisions, d) {
			return nil, fmt.Errorf("codes.decision: %s: there is no decision %q", code, word)
		}
		m.decision[fold(code)] = d
	}
	return m, nil
}

func fold(code string) string { return strings.ToUpper(strings.TrimSpace(code)) }

var statuses = []alerts.Status{alerts.StatusReceived, alerts.StatusInvalid, alerts.StatusPending, alerts.StatusConsultation, alerts.StatusCommittee,
	alerts.StatusDecided, alerts.StatusWithdrawn, alerts.StatusAppealLodged, alerts.StatusAppealDecided, alerts.StatusCalledIn, alerts.StatusClosed}

var decisions = []alerts.Decision{alerts.DecisionApproved, alerts.DecisionApprovedConditions, alerts.DecisionRefused, alerts.DecisionSplit,
	alerts.DecisionPriorNotRequired, alerts.DecisionPriorGranted, alerts.DecisionPriorRefused, alerts.DecisionNoObjection, alerts.DecisionObjection,
	alerts.DecisionCertificateGranted, alerts.DecisionCertificateRefused, alerts.DecisionNotDetermined, alerts.DecisionOther}
