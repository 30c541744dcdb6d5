package alerts

import (
	"regexp"
	"strconv"
	"strings"
)

// This file says in a few words what an application is for, for a subject line.
// Whoever wants to know more opens the mail, so it only has to be right, not whole.

// homes finds how many homes a proposal makes. Up to three words may stand between
// the number and what it counts: "9 self-contained flats".
var homes = regexp.MustCompile(`(?i)\b(\d[\d,]*|two|three|four|five|six|seven|eight|nine|ten|twelve)(?:\s+[\pL][\pL-]*\.?){0,3}?\s+(homes|flats|dwellings|dwellinghouses|houses|apartments|maisonettes|bedspaces)\b`)

// becomes finds what a building is to be used as: "change … to a nursery".
var becomes = regexp.MustCompile(`(?i)\bto (?:form |create |use as )?(?:an? |the )?([\pL][\pL-]{2,20})`)

var spelt = map[string]int{"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12}

// gists are words that a description of works may hold and what they come to, the
// most telling first.
var gists = []struct{ word, gist string }{
	{"loft conversion", "loft conversion"}, {"basement", "basement"}, {"mansard", "mansard roof"}, {"roof extension", "roof extension"},
	{"rear extension", "rear extension"}, {"side extension", "side extension"}, {"storey extension", "extension"}, {"dormer", "dormer"}, {"extension", "extension"},
	{"air source heat", "heat pump"}, {"heat pump", "heat pump"}, {"solar", "solar panels"}, {"roof terrace", "roof terrace"}, {"shopfront", "shopfront"},
	{"fascia sign", "signs"}, {"antenna", "phone antennas"}, {"demolition", "demolition"}, {"demolish", "demolition"}, {"outbuilding", "outbuilding"},
	{"conservatory", "conservatory"}, {"garage", "garage"}, {"railings", "railings"}, {"sash window", "windows"}, {"windows", "windows"}, {"parking", "parking"},
}

// kindGists are what is said of a kind whatever the description says, or when it says
// nothing that is known.
var kindGists = map[Kind]struct {
	gist  string
	first bool
}{
	KindTreesTPO: {"tree works", true}, KindTreesArea: {"tree works", true}, KindAdvert: {"signs", true}, KindTelecoms: {"phone equipment", true},
	KindConditions: {"details of a condition", true}, KindHouseholder: {"work to a home", false}, KindListed: {"work to a listed building", false},
	KindChangeOfUse: {"change of use", false}, KindDemolition: {"demolition", false}, KindEIA: {"environmental impact", false},
	KindVariation: {"change of a condition", false}, KindNonMaterial: {"small amendment", false},
}

// Gist says what an application is for: "9 flats", "rear extension", "tree works".
func (l Language) Gist(d *Details) string {
	kind := kindGists[d.Kind]
	if kind.first {
		return l.Word(kind.gist)
	}
	text := Line(d.Description, 300)
	if m := homes.FindStringSubmatch(text); m != nil {
		n, ok := spelt[strings.ToLower(m[1])]
		if !ok {
			n, _ = strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
		}
		return l.homes(n, strings.ToLower(m[2]))
	}
	lower := strings.ToLower(text)
	if strings.Contains(lower, "change of use") || d.Kind == KindChangeOfUse {
		if m := becomes.FindStringSubmatch(text); m != nil {
			return l.Say("change of use to %s", strings.ToLower(m[1]))
		}
		return l.Say("change of use")
	}
	for _, g := range gists {
		if strings.Contains(lower, g.word) {
			return l.Word(g.gist)
		}
	}
	if kind.gist != "" {
		return l.Word(kind.gist)
	}
	if d.Kind != "" && d.Kind != KindOther {
		return strings.ToLower(l.KindLabel(d.Kind))
	}
	return l.Say("an application")
}

// homes counts homes by the noun that the council uses of them.
func (l Language) homes(n int, noun string) string {
	switch noun {
	case "flats":
		return l.Plural(n, "flat", "flats")
	case "houses":
		return l.Plural(n, "house", "houses")
	case "apartments":
		return l.Plural(n, "apartment", "apartments")
	case "maisonettes":
		return l.Plural(n, "maisonette", "maisonettes")
	case "bedspaces":
		return l.Plural(n, "bedspace", "bedspaces")
	}
	return l.Plural(n, "home", "homes")
}

// partOf begins addresses whose first part says nothing without the second.
var partOf = regexp.MustCompile(`(?i)^(flat|unit|apartment|apt|room|floor|ground|first|second|third|fourth|upper|lower|basement|shop|suite|plot|garages?|land|part|rear|the|\d+[a-z]?$)\b`)

// StreetWords is the part of an address by which neighbours know it: "14 High
// Street", without town and postcode; "" when there is no address.
func StreetWords(address string) string {
	parts := strings.Split(Line(address, 200), ",")
	words := strings.TrimSpace(parts[0])
	for _, part := range parts[1:] {
		if !partOf.MatchString(words) && hasDigit(words) || len(words) > 30 {
			break
		}
		if part = strings.TrimSpace(part); part == "" || !hasDigit(words) && !hasDigit(part) && !partOf.MatchString(words) {
			break
		}
		words += ", " + part
		if hasDigit(part) {
			break
		}
	}
	return Line(words, 45)
}
