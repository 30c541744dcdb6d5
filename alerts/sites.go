package alerts

import (
	"regexp"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
)

// This file decides which applications concern one site. Works to one building are
// often applied for several times over (planning permission, listed building
// consent, details of conditions), and a neighbour thinks of them as one thing.

// How far apart two places with one address may be plotted, and how large an outline
// may be to stand for one site: a scheme of several hectares holds many.
const (
	sameAddressWithin = 250 // metres
	largestSite       = 10_000
)

// postcodeAtEnd is left out of addresses when they are compared, for councils give
// it for some of their applications only.
var postcodeAtEnd = regexp.MustCompile(`(?i)[,\s]*\b[a-z]{1,2}\d[a-z\d]?\s*\d[a-z]{2}\s*$`)

// A Property is a case with what tells its site from others, worked out once.
type Property struct {
	*Details
	address string // "" when it is too vague: it needs a house number, or a name of some length
	uprn    string
}

// PropertyOf returns the property that a case is about.
func PropertyOf(d *Details) Property {
	address := substance(postcodeAtEnd.ReplaceAllString(d.Address, ""))
	if !hasDigit(address) && len(address) < 16 {
		address = ""
	}
	return Property{d, address, strings.TrimLeft(d.UPRN, "0")}
}

// SameSite reports whether two applications to one council concern one site: the
// same property, the same address, or outlines of which each holds the middle of the
// other. Outlines that only touch are neighbours.
func (p Property) SameSite(q Property) bool {
	if p.uprn != "" && p.uprn == q.uprn {
		return true
	}
	if p.address != "" && p.address == q.address {
		return !p.Site.Located() || !q.Site.Located() || geo.Distance(p.Site.Point(), q.Site.Point()) <= sameAddressWithin
	}
	return holds(&p.Site, &q.Site) && holds(&q.Site, &p.Site)
}

// holds reports whether a site's outline, or its point, holds the middle of another.
func holds(a, b *Site) bool {
	if len(a.Shape) == 0 {
		// A point that the council plotted may stand for the outline around it.
		return len(b.Shape) > 0 && a.Method == MethodPoint
	}
	if !b.Given() || geo.Distance(a.Point(), b.Point()) > 1000 {
		return false
	}
	g, err := a.Geometry()
	if err != nil || g == nil || len(b.Shape) == 0 && geo.Area(g) > largestSite {
		return false
	}
	_, d := geo.Nearest(b.Point(), g)
	return d == 0
}

// mostTogether is how many cases are shown as one site; a campus or an estate under
// one address has many, and they have little to do with each other.
const mostTogether = 6

// Sites puts cases on one site together; both the sites and the cases of each stay
// in the order in which they come. A case that is only corrected stays by itself:
// it may not be where it seemed.
func Sites(cases []CaseNews) (sites [][]CaseNews) {
	type key struct{ authority, what string }
	at := map[key]int{}
	var first []Property // of each site
	var outlines []int   // sites that may be found by their outlines, and not too many of them
	for _, n := range cases {
		p := PropertyOf(n.Details)
		keys := []key{{n.Authority, "u" + p.uprn}, {n.Authority, "a" + p.address}}
		found := -1
		joins := func(j int) bool {
			return sites[j][0].Authority == n.Authority && len(sites[j]) < mostTogether && first[j].SameSite(p)
		}
		if !n.Correction {
			for _, k := range keys {
				if j, ok := at[k]; ok && found < 0 && len(k.what) > 1 && joins(j) {
					found = j
				}
			}
			for i := 0; found < 0 && n.Details.Site.Given() && i < len(outlines); i++ {
				if joins(outlines[i]) {
					found = outlines[i]
				}
			}
		}
		if found >= 0 {
			sites[found] = append(sites[found], n)
			continue
		}
		sites, first = append(sites, []CaseNews{n}), append(first, p)
		if n.Correction {
			continue
		}
		for _, k := range keys {
			at[k] = len(sites) - 1
		}
		if n.Details.Site.Given() && len(outlines) < 200 {
			outlines = append(outlines, len(sites)-1)
		}
	}
	return sites
}

// Ending is how a case ended, as neighbours speak of it.
type Ending string

// The endings, in the order in which they are counted.
const (
	EndingRefused   Ending = "refused"
	EndingApproved  Ending = "approved"
	EndingWithdrawn Ending = "withdrawn"
	EndingOther     Ending = "decided otherwise"
	EndingOpen      Ending = "undecided"
)

var endings = []Ending{EndingRefused, EndingApproved, EndingWithdrawn, EndingOther, EndingOpen}

// EndingOf returns how a case ended. An appeal that was allowed approves what the
// council had refused.
func EndingOf(d *Details) Ending {
	switch {
	case d.IsWithdrawn():
		return EndingWithdrawn
	case d.AppealDecision == AppealAllowed || d.AppealDecision == AppealSplit:
		return EndingApproved
	}
	switch d.Decision {
	case DecisionApproved, DecisionApprovedConditions, DecisionPriorGranted, DecisionPriorNotRequired, DecisionCertificateGranted, DecisionNoObjection:
		return EndingApproved
	case DecisionRefused, DecisionPriorRefused, DecisionCertificateRefused:
		return EndingRefused
	}
	if d.IsOpen() {
		return EndingOpen
	}
	return EndingOther
}

// A PastCase is another application on the site of a case.
type PastCase struct {
	ID     int64
	Ending Ending
}

// Past keeps, while a pass lasts, the other applications on the sites of cases by
// the id of the case.
type Past map[int64][]PastCase

// OnSiteWords counts the other applications on a site: "3 others here: 2 refused, 1
// approved"; "" when there are none.
func (l Language) OnSiteWords(others []Application) string {
	past := make([]PastCase, len(others))
	for i := range others {
		past[i] = PastCase{others[i].ID, EndingOf(&others[i].Details)}
	}
	if len(past) == 0 {
		return ""
	}
	return l.Say("%s: %s", l.Plural(len(past), "other here", "others here"), l.countEndings(past))
}

// PastWords counts other applications on a site: "3 earlier here: 2 refused, 1
// approved"; "" when there are none.
func (l Language) PastWords(past []PastCase) string {
	if len(past) == 0 {
		return ""
	}
	return l.Say("%s: %s", l.Plural(len(past), "earlier here", "earlier here"), l.countEndings(past))
}

// countEndings says how many ended how: "2 refused, 1 approved".
func (l Language) countEndings(past []PastCase) string {
	counts := map[Ending]int{}
	for _, p := range past {
		counts[p.Ending]++
	}
	var parts []string
	for _, o := range endings {
		if n := counts[o]; n > 0 {
			parts = append(parts, l.ending(o, n))
		}
	}
	return strings.Join(parts, ", ")
}

func (l Language) ending(o Ending, n int) string {
	switch o {
	case EndingRefused:
		return l.Plural(n, "refused", "refused")
	case EndingApproved:
		return l.Plural(n, "approved", "approved")
	case EndingWithdrawn:
		return l.Plural(n, "withdrawn", "withdrawn")
	case EndingOpen:
		return l.Plural(n, "undecided", "undecided")
	}
	return l.Plural(n, "decided otherwise", "decided otherwise")
}
