package feed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// meaning is what the codes of one feed mean, ready for looking up.
type meaning struct {
	kind     table[alerts.Kind]
	status   table[outcome]
	decision table[outcome]
	scale    table[string]
	appeal   table[alerts.AppealDecision]
}

// outcome is a status and, where the code says so, the decision with it.
type outcome struct {
	status   alerts.Status
	decision alerts.Decision
}

// A table is what codes of one field mean. Codes are compared without regard to
// case and outer space; one that is named whole comes before patterns, and of those
// the longest counts.
type table[T any] struct {
	whole    map[string]T
	patterns []pattern[T] // longest first
}

// A pattern is a code in which * stands for anything.
type pattern[T any] struct {
	code  string
	parts []string // between the asterisks
	means T
}

func (p *pattern[T]) matches(code string) bool {
	rest, ok := strings.CutPrefix(code, p.parts[0])
	if !ok {
		return false
	}
	last := len(p.parts) - 1
	for _, part := range p.parts[1:last] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, p.parts[last])
}

func newTable[T any](field string, codes map[string]string, parse func(word string) (T, bool)) (t table[T], err error) {
	t.whole = make(map[string]T, len(codes))
	for code, word := range codes {
		means, ok := parse(word)
		if !ok {
			return t, fmt.Errorf("codes.%s: %s: there is no %s %q", field, code, field, word)
		}
		if parts := strings.Split(fold(code), "*"); len(parts) > 1 {
			t.patterns = append(t.patterns, pattern[T]{fold(code), parts, means})
		} else {
			t.whole[fold(code)] = means
		}
	}
	slices.SortFunc(t.patterns, func(a, b pattern[T]) int {
		return cmp.Or(len(b.code)-len(a.code), strings.Compare(a.code, b.code))
	})
	return t, nil
}

func (t *table[T]) means(code string) (means T, ok bool) {
	code = fold(code)
	if means, ok = t.whole[code]; ok {
		return means, true
	}
	for i := range t.patterns {
		if t.patterns[i].matches(code) {
			return t.patterns[i].means, true
		}
	}
	return means, false
}

func fold(code string) string { return strings.ToUpper(strings.TrimSpace(code)) }

func (c Codes) compile() (m *meaning, err error) {
	m = &meaning{}
	if m.kind, err = newTable("kind", c.Kind, oneOf(alerts.Kinds)); err != nil {
		return nil, err
	}
	m.decision, err = newTable("decision", c.Decision, func(word string) (o outcome, ok bool) {
		if word == string(alerts.StatusWithdrawn) { // which some councils write where the decision stands
			return outcome{status: alerts.StatusWithdrawn}, true
		}
		o.decision, ok = orNone(oneOf(decisions))(word)
		return o, ok
	})
	if err != nil {
		return nil, err
	}
	if m.appeal, err = newTable("appeal", c.Appeal, orNone(oneOf(appealDecisions))); err != nil {
		return nil, err
	}
	if m.scale, err = newTable("scale", c.Scale, oneOf([]string{"major", "minor", "other"})); err != nil {
		return nil, err
	}
	m.status, err = newTable("status", c.Status, func(words string) (o outcome, ok bool) {
		status, decision, both := strings.Cut(words, " ")
		o = outcome{alerts.Status(status), alerts.Decision(decision)}
		return o, slices.Contains(statuses, o.status) && (!both || slices.Contains(decisions, o.decision))
	})
	return m, err
}

func oneOf[T ~string](all []T) func(string) (T, bool) {
	return func(word string) (T, bool) { return T(word), slices.Contains(all, T(word)) }
}

func orNone[T ~string](parse func(string) (T, bool)) func(string) (T, bool) {
	return func(word string) (T, bool) {
		if word == "none" {
			return "", true
		}
		return parse(word)
	}
}

var statuses = []alerts.Status{alerts.StatusReceived, alerts.StatusInvalid, alerts.StatusPending, alerts.StatusConsultation, alerts.StatusCommittee,
	alerts.StatusDecided, alerts.StatusWithdrawn, alerts.StatusAppealLodged, alerts.StatusAppealDecided, alerts.StatusCalledIn, alerts.StatusClosed}

var decisions = []alerts.Decision{alerts.DecisionApproved, alerts.DecisionApprovedConditions, alerts.DecisionRefused, alerts.DecisionSplit,
	alerts.DecisionPriorNotRequired, alerts.DecisionPriorGranted, alerts.DecisionPriorRefused, alerts.DecisionNoObjection, alerts.DecisionObjection,
	alerts.DecisionCertificateGranted, alerts.DecisionCertificateRefused, alerts.DecisionNotDetermined, alerts.DecisionOther}

var appealDecisions = []alerts.AppealDecision{alerts.AppealAllowed, alerts.AppealDismissed, alerts.AppealSplit, alerts.AppealWithdrawn,
	alerts.AppealModified, alerts.AppealOther}
