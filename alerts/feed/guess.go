package feed

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file guesses from names and cells what the columns and codes of an unknown
// file mean. A guess is only ever shown to a person.

// columnNames are the names under which councils' systems export each field, folded
// by plainName, the likeliest first.
var columnNames = []struct {
	field string
	names string
}{
	{"reference", "reference refval casereference applicationnumber applicationno applicationref applicationreference referenceno referencenumber refno ref casenumber caseno appno appref apprefno paref panumber planningapplicationno planningapplicationnumber planningapplicationreference planningreference planningref lpaappno councilreference uid applicationid"},
	{"source_key", "keyval pk casekey applicationkey globalid systemid"},
	{"address", "siteaddress address propertyaddress developmentaddress applicationaddress fulladdress addresstext locationtext sitelocation addressline location singleline site"},
	{"postcode", "postcode sitepostcode postalcode"},
	{"uprn", "uprn siteuprn"},
	{"ward", "ward wardcode wardname geoarealabel"},
	{"description", "proposal description developmentdescription proposaldescription applicationdescription descriptionofproposal developmentproposal casetext proposaltext details desc"},
	{"kind", "applicationtype apptype dcapptyp casetype planningapplicationtype servicetypelabel applicationtypefull typeofapplication type"},
	{"scale", "scale developmentscale classificationlabel appsize"},
	{"status", "status dcstat casestatus applicationstatus planningapplicationstatus systemstatus currentstatus appstate stage state"},
	{"decision", "decision decsn decisiondescription decisiontext decisioncode planningdecision outcome"},
	{"decision_by", "decisionlevel determiningbody decisionby decisionmaker decidedby decidinglevel"},
	{"received", "datereceived receiveddate received dateapprecv applicationreceived receivedon registereddate dateregistered registrationdate registered casedate applicationdate datelodged startdate"},
	{"valid", "datevalid validdate valid dateapval datevalidated validateddate validated validfromdate validationdate applicationvalid"},
	{"comments_from", "consultationstart consultationstartdate publicconsultationstartdate onnoticefrom noticefrom commentsfrom"},
	{"comments_until", "consultationend consultationenddate publicconsultationenddate consultationexpiry consultationexpirydate commentsuntil commentsby closingdateforcomments lastdateforcomments lastdateconsultationcomments neighbourconsultationexpiry standardconsultationexpiry consultationdeadline onnoticeto commentdate"},
	{"committee", "committeedate meetingdate committee"},
	{"target", "targetdate decisiontargetdate targetdecisiondate determinationdeadline decisiondue statutorydate expirydate"},
	{"decided", "decisiondate datedecision decisionissued decisionissueddate decisionissueddate decideddate datedecided decisionmade decidedon dateofdecision"},
	{"withdrawn", "withdrawndate datewithdrawn withdrawnon"},
	{"appeal_ref", "appealref appealreference appealno"},
	{"appeal_lodged", "appeallodged appeallodgeddate appealstartdate dateappeallodged"},
	{"appeal_decided", "appealdecisiondate dateappealdecision appealdecided"},
	{"appeal_decision", "appealdecision appealresult appealoutcome"},
	{"lon", "longitude lon lng long"},
	{"lat", "latitude lat"},
	{"easting", "easting eastings mapeast gridrefeasting"},
	{"northing", "northing northings mapnorth gridrefnorthing"},
	{"x", "geox x xcoord xcoordinate pointx"},
	{"y", "geoy y ycoord ycoordinate pointy"},
	{"boundary", "geometry siteboundary boundary polygon wkt geom thegeom point"},
	{"url", "url caseurl applicationurl link infourl weblink documentationurl publicaccessurl"},
	{"comment_url", "commenturl"},
}

// plainName folds the name of a column, or the last part of a path, to its letters
// and digits.
func plainName(name string) string {
	if i := strings.LastIndexAny(name, "./"); i >= 0 && i < len(name)-1 && !strings.ContainsRune(name, ' ') {
		name = name[i+1:]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// guessColumns chooses a column for each field that one seems to hold.
func guessColumns(columns []sampled, format string) []alerts.FieldChoice {
	var choices []alerts.FieldChoice
	used := map[string]bool{}
	for _, n := range columnNames {
		choice := alerts.FieldChoice{Field: n.field}
		fits := func(c *sampled) bool {
			if used[c.name] || len(c.cells) == 0 && n.field == "reference" {
				return false
			}
			if dateFields[n.field] {
				layout, ok := guessLayout(c.cells, format)
				choice.Layout = layout
				return ok
			}
			return plausibleCells(n.field, c.cells)
		}
		for name := range strings.FieldsSeq(n.names) {
			if i := slices.IndexFunc(columns, func(c sampled) bool { return plainName(c.name) == name }); i >= 0 && fits(&columns[i]) {
				choice.From = columns[i].name
				break
			}
		}
		if choice.From == "" {
			for name := range strings.FieldsSeq(n.names) {
				const telling = 8 // letters: a shorter name is part of too many others
				if i := slices.IndexFunc(columns, func(c sampled) bool { return len(name) >= telling && strings.Contains(plainName(c.name), name) }); i >= 0 && fits(&columns[i]) {
					choice.From = columns[i].name
					break
				}
			}
		}
		if choice.From == "" {
			choice.Layout = ""
		}
		used[choice.From] = true
		choices = append(choices, choice)
	}
	return choices
}

// plausibleCells reports whether cells can be of a field, for the fields whose cells
// have a form of their own.
func plausibleCells(field string, cells []string) bool {
	within := func(low, high float64) bool {
		for _, cell := range cells {
			if v, err := strconv.ParseFloat(cell, 64); err != nil || v != 0 && (v < low || v > high) {
				return false
			}
		}
		return true
	}
	switch field {
	case "lon", "lat":
		return within(-180, 180)
	case "easting":
		return within(1, 1_300_000)
	case "northing":
		return within(1, 1_300_000)
	case "x", "y":
		return within(-2e7, 2e7)
	case "url", "comment_url":
		return !slices.ContainsFunc(cells, func(c string) bool { return alerts.WebLink(c) == "" })
	case "boundary":
		return !slices.ContainsFunc(cells, func(c string) bool { _, _, ok := boundary(c); return !ok })
	case "address": // not the key of a row elsewhere
		spaced := 0
		for _, c := range cells {
			if strings.Contains(c, " ") {
				spaced++
			}
		}
		return spaced*2 >= len(cells)
	case "kind", "scale", "status", "decision", "decision_by", "appeal_decision":
		_, dates := guessLayout(cells, "csv")
		return !dates
	case "reference":
		distinct := map[string]bool{}
		for _, c := range cells {
			if len(c) > 100 {
				return false
			}
			distinct[c] = true
		}
		return len(distinct)*2 > len(cells) // a list of cases does not repeat few numbers
	}
	return true
}

// layouts are the ways in which dates are written that a guess tries, in this order:
// day before month, as in this country, unless that cannot be.
var layouts = []string{time.DateOnly, "iso", "02/01/2006", "2/1/2006", "02/01/06", "02/01/2006 15:04", "02/01/2006 15:04:05", "2006/01/02", "2006/01/02 15:04:05-07",
	"02-01-2006", "02.01.2006", "02-Jan-06", "02-Jan-2006", "2 Jan 2006", "2 January 2006", "Mon 02 Jan 2006", "Jan 2, 2006", "epoch-ms", "01/02/2006"}

// Layouts lists the ways of writing dates that can be chosen from.
func Layouts() []string { return append(slices.Clone(layouts), "excel") }

// guessLayout finds the way in which all dates of a column are written. With cells
// that no way fits it takes the one that fits most, if that is three in five of them.
func guessLayout(cells []string, format string) (string, bool) {
	if len(cells) == 0 {
		return "", false
	}
	tried := layouts
	if format == "xlsx" {
		tried = append([]string{"excel"}, tried...)
	}
	best, most := "", 0
	for _, layout := range tried {
		n := 0
		for _, cell := range cells {
			if _, err := parseDate(cell, layout); err == nil {
				n++
			}
		}
		if n > most {
			best, most = layout, n
		}
	}
	return best, most*5 >= len(cells)*3
}

// A hint says what a code means whose text holds all of some words.
type hint struct {
	words string // parts of words, all of which occur; or alternatives between |
	means string
}

var hints = map[string][]hint{
	"status": {
		{"withdr", "withdrawn"}, {"appeal decid|appeal determ|appeal dismiss|appeal allow|appeal upheld", "appeal_decided"}, {"appeal", "appeal_lodged"},
		{"called in|call in|secretary of state|sos", "called_in"}, {"undetermined|undecided|not determined|awaiting|pending|under consideration|in progress|being considered|assess", "pending"},
		{"consult|comment|publicity", "consultation"}, {"invalid|incomplete|insufficient", "invalid"}, {"committee", "committee"},
		{"refus", "decided refused"}, {"split", "decided split"}, {"condition", "decided approved_conditions"}, {"approv|grant|permit|consent", "decided approved"},
		{"decid|determin|decision|complete", "decided"}, {"closed|archiv|lapsed|supersed|not required|cancel|dispos|no further|returned|expired", "closed"},
		{"regist|receiv|new|submit|lodged", "received"}, {"valid|live|current|open", "pending"},
	},
	"decision": {
		{"withdr", "withdrawn"}, {"prior approv refus|prior refus", "prior_approval_refused"}, {"prior not req|not required", "prior_approval_not_required"},
		{"prior grant|prior given|prior approved|prior permit", "prior_approval_granted"}, {"certificate refus|lawful refus", "certificate_refused"},
		{"certificate|lawful", "certificate_granted"}, {"refus|reject|dismiss", "refused"}, {"split|part approv", "split"}, {"no objection|raise no obj", "no_objection"}, {"objection|object", "objection"},
		{"condition", "approved_conditions"}, {"undetermined|undecided|pending|awaiting|no decision", "none"}, {"not determined|non determ|disposed", "not_determined"},
		{"approv|grant|permit|accept|consent|allow", "approved"},
	},
	"kind": {
		{"household", "householder"}, {"outline", "outline"}, {"reserved", "reserved_matters"}, {"listed", "listed_building"}, {"advert|signage|sign consent", "advertisement"},
		{"tree conservation|trees in conservation", "trees_conservation_area"}, {"tree|tpo", "trees_tpo"}, {"telecom", "telecoms"},
		{"lawful existing|cleud", "lawful_existing"}, {"lawful|certificate|clopud", "lawful_proposed"}, {"prior approv|prior notif|permitted dev|gpdo", "prior_approval"},
		{"variation|s73|section 73|removal of condition", "variation_s73"}, {"non-material|non material|nma", "non_material"}, {"condition|discharge", "conditions"},
		{"permission in principle", "permission_in_principle"}, {"change of use", "change_of_use"}, {"demoli", "demolition_ca"}, {"environmental|scoping|screening|eia", "eia"},
		{"hazardous", "hazardous"}, {"mineral|waste", "minerals_waste"}, {"pre-app|preapp|pre app", "pre_app"}, {"neighbouring auth|consultation", "consultation_neighbour"},
		{"regulation 3|council own", "council_own"}, {"full", "full"},
	},
}

// guessMeaning says what a code seems to mean; "" for one that says nothing. Codes
// that are abbreviations are for a person.
func guessMeaning(field, code string) string {
	code = strings.ToLower(code)
	for _, h := range hints[field] {
		for alternative := range strings.SplitSeq(h.words, "|") {
			all := strings.Contains(code, alternative)
			if !all && strings.Contains(alternative, " ") {
				all = true
				for word := range strings.FieldsSeq(alternative) {
					all = all && strings.Contains(code, word)
				}
			}
			if all {
				return h.means
			}
		}
	}
	return ""
}

// Meanings lists the words that a code of a field can be given, as a declaration
// writes them.
func Meanings(field string) []string {
	var words []string
	switch field {
	case "kind":
		for _, k := range alerts.Kinds {
			words = append(words, string(k))
		}
	case "status":
		for _, s := range statuses {
			words = append(words, string(s))
		}
		for _, d := range decisions {
			words = append(words, string(alerts.StatusDecided)+" "+string(d))
		}
	case "decision":
		for _, d := range decisions {
			words = append(words, string(d))
		}
		words = append(words, string(alerts.StatusWithdrawn), "none")
	}
	return words
}
