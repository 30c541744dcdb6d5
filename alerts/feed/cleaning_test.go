package feed_test

import (
	"bytes"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
)

// A cleaned rule is shown by a line of a real file: the bytes that make it necessary,
// where they stand, and what becomes of them.
type cleaned struct {
	rule      string
	file      string // below feeds/
	raw       string // stands in the file
	read      string // the preset or form, and its adapter after a slash
	encoding  string
	line      int // as the report gives it: of the file, or of JSON the record's number
	reference string
	holds     func(r *feed.Row) bool

	// altered makes the line of a real one, where none of the samples has it.
	altered func(file []byte) []byte
}

const (
	iomAnnual = "isle-of-man/annual/"
	yorkCSV   = "york/Planning_Applications.csv"
	brisbane  = "openaustralia/brisbane.xml"
	plainIOM  = "isle-of-man/delegated"
)

func describes(words string) func(*feed.Row) bool {
	return func(r *feed.Row) bool { return strings.Contains(r.Record.Details.Description, words) }
}

func addressed(address string) func(*feed.Row) bool {
	return func(r *feed.Row) bool { return r.Record.Details.Address == address }
}

func unlocated(r *feed.Row) bool { return len(r.Faults) == 0 && !r.Record.Details.Site.Located() }

func swapped(one, other string) func([]byte) []byte {
	return func(b []byte) []byte {
		return []byte(strings.NewReplacer(one, other, other, one).Replace(string(b)))
	}
}

func replaced(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(with), 1) }
}

var cleaning = []cleaned{
	{rule: "UTF-8 with a byte order mark", file: yorkCSV, raw: "\xef\xbb\xbfDATEAPRECV,", read: "york/york", line: 2, reference: "25/00417/CLU",
		holds: func(r *feed.Row) bool { return r.Record.Details.Received == "2025-02-28" }},
	{rule: "UTF-8 without one", file: "doncaster/doncaster-conditions-data-2023-planning-application.csv", raw: "caf\xc3\xa9/office", read: "doncaster/doncaster", line: 194, reference: "23/00418/FUL", holds: describes("café/office")},
	{rule: "windows-1252", file: iomAnnual + "2011-delegated-decisions.csv", raw: "fa\xe7ade", read: plainIOM, line: 1504, reference: "11/01359/B", holds: describes("existing front façade")},
	{rule: "Mac Roman", file: iomAnnual + "2016-planning-applications.csv", raw: "m\x8enage", read: "isle-of-man/applications", encoding: "mac-roman", line: 471, reference: "16/00769/B", holds: describes("existing ménage")},
	{rule: "code page 850", file: iomAnnual + "2016-delegated-decisions.csv", raw: "caf\x82", read: plainIOM, encoding: "cp850", line: 898, reference: "16/00238/C", holds: describes("to a café and")},
	{rule: "lines that end with CR alone", file: iomAnnual + "2016-planning-applications.csv", raw: "Property Address\rPermitted,15/01297/CON", read: "isle-of-man/applications", encoding: "mac-roman", line: 3, reference: "15/01297/CON", holds: describes("Registered Building Consent")},
	{rule: "mixed line ends", file: iomAnnual + "2023-delegated-decisions.csv", raw: "Isle Of Man\r\r\",PER,27-Jul-23\r\n", read: plainIOM, line: 2, reference: "21/00365/A", holds: func(r *feed.Row) bool { return r.Record.Details.Decided == "2023-07-27" }},
	{rule: "CR inside a quoted cell", file: iomAnnual + "2023-delegated-decisions.csv", raw: "\"Field 312909 And 312711\rMain Road\r", read: plainIOM, line: 2, reference: "21/00365/A", holds: addressed("Field 312909 And 312711 Main Road St Johns Isle Of Man")},
	{rule: "CR at the end of a quoted cell", file: yorkCSV, raw: "24/00859/LBC\r\"", read: "york/york", line: 117, reference: "25/00635/LBC", holds: func(r *feed.Row) bool { return strings.HasSuffix(r.Record.Details.Description, "24/00859/LBC") }},
	{rule: "line breaks inside a cell", file: "london-pld/recent-a.json", raw: `\r`, read: "london/london-saved", reference: "21/07125/TCA", holds: func(r *feed.Row) bool { return !strings.ContainsAny(r.Record.Details.Description, "\r\n") }},
	{rule: "a title row above the header", file: iomAnnual + "2011-delegated-decisions.csv", raw: "Decisions issued under delegated authority 1/1/11 - 31/12/11,,,,\r\nProposal,", read: plainIOM, line: 3, reference: "11/00650/B", holds: addressed("6 & 8 West Street Ramsey Isle Of Man")},
	{rule: "columns in another order", file: iomAnnual + "2023-delegated-decisions.csv", raw: "Planning Application No,Proposal,Property Address,", read: plainIOM, line: 2, reference: "21/00365/A", holds: describes("Approval in principle")},
	{rule: "columns under another name", file: iomAnnual + "2011-delegated-decisions.csv", raw: "Proposal,Address,Decision,", read: plainIOM, line: 4, reference: "11/00600/B", holds: addressed("Site Off Station Road Ballaugh Isle Of Man")},
	{rule: "columns that a file lacks", file: "doncaster/doncaster-conditions-data-2023-planning-application.csv", raw: "reference,description,decision-date,organisation,", read: "planning-data/planning-data-csv", line: 2, reference: "23/00002/FUL", holds: func(r *feed.Row) bool { return r.Record.Details.Decided != "" && r.Record.Details.Address == "" }},
	{rule: "a backslash and an n", file: "isle-of-man/weekly/2023-01-06-planning-applications.csv", raw: `14 Ballakermeen Drive\nDouglas\nIsle Of Man\nIM1 4HN`, read: "isle-of-man/weekly", line: 2, reference: "22/00595/B", holds: describes("14 Ballakermeen Drive Douglas Isle Of Man IM1 4HN")},
	{rule: "control characters", file: "doncaster/doncaster-conditions-data-2023-planning-application.csv", raw: "Sandall 1970) \x10\x10\x10AMENDED", read: "doncaster/doncaster", line: 611, reference: "23/01332/TPO", holds: describes("Sandall 1970) AMENDED")},
	{rule: "a control character within a word", file: iomAnnual + "2013-planning-applications.csv", raw: "inert and C\x16D wastes", read: "isle-of-man/applications", line: 223, reference: "12/01671/B", holds: describes("inert and CD wastes")},
	{rule: "entities of XML", file: brisbane, raw: "page=wrapper&amp;key=A002473596", read: "openaustralia/openaustralia-xml", line: 6, reference: "A002473596", holds: func(r *feed.Row) bool { return strings.HasSuffix(r.Record.Details.URL, "wrapper&key=A002473596") }},
	{rule: "entities of HTML, in any format", file: yorkCSV, raw: "House in Multiple Occupation", read: "york/york", line: 2, reference: "25/00417/CLU", altered: replaced("House in Multiple", "House &amp; Caf&eacute; in&nbsp;&#77;ultiple"), holds: describes("House & Café in Multiple")},
	{rule: "characters that XML forbids", file: brisbane, raw: "25 CORONA AVE", read: "openaustralia/openaustralia-xml", line: 6, reference: "A002473596", altered: replaced("25 CORONA AVE", "25 &#x1;COR\x12ONA&#x16; AVE"), holds: addressed("25 CORONA AVE ASHGROVE QLD 4060")},
	{rule: "the last end tag is cut off", file: brisbane, raw: "</planning>", read: "openaustralia/openaustralia-xml", line: 36, reference: "A002473665", altered: replaced("</planning>", "</plan"), holds: func(r *feed.Row) bool { return r.Record.Details.Address != "" }},
	{rule: "a row that has shifted", file: "digital-land/datasets/planning-application.csv", raw: "DC/15/092295", read: "shifted", line: 18, reference: "DC/15/092295", holds: func(r *feed.Row) bool {
		return len(r.Faults) == 1 && r.Faults[0].Column == "officer-name" && r.Faults[0].Value == "major"
	}},
	{rule: "a last row that counts the others", file: iomAnnual + "2011-delegated-decisions.csv", raw: "\r\n,,,,1542\r\n", read: plainIOM, line: 1544, reference: "11/01337/B", holds: func(r *feed.Row) bool { return r.Record.Details.Decided == "2011-11-07" }},
	{rule: "a space behind a code", file: "lga/example-planning-applications.csv", raw: ",Live ,OSGB36,", read: "lga/lga", line: 22, reference: "14/00440/CMA", holds: func(r *feed.Row) bool { return r.Record.Details.Status == alerts.StatusPending }},
	{rule: "a tab before a cell", file: "doncaster/doncaster-conditions-data-2023-planning-application-condition.csv", raw: ",\tlocal-authority:DNC,", read: "tabbed", line: 2, reference: "23/00002/FUL-1", holds: addressed("local-authority:DNC")},
	{rule: "zeros before a property's number", file: "london-pld/recent-a.json", raw: `"uprn": "010033571614"`, read: "london/london-saved", reference: "21/07233/ADLBC", holds: func(r *feed.Row) bool { return r.Record.Details.UPRN == "10033571614" }},
	{rule: "several property's numbers", file: "lga/example-planning-applications.csv", raw: ",Live ,OSGB36,474671,148563,", read: "numbers", line: 22, reference: "14/00440/CMA", altered: replaced(",474671,148563,", ",0474671|148563,148563,"), holds: func(r *feed.Row) bool { return r.Record.Details.UPRN == "474671" }},

	{rule: "dates 05/06/2013", file: "lga/example-planning-applications.csv", raw: `05/06/2013,Decided`, read: "lga/lga", line: 2, reference: "13/00858/HCC3S", holds: func(r *feed.Row) bool { return r.Record.Details.Target == "2013-06-05" }},
	{rule: "dates 17-Jun-11", file: iomAnnual + "2011-delegated-decisions.csv", raw: "PER,17-Jun-11,11/00650/B", read: plainIOM, line: 3, reference: "11/00650/B", holds: func(r *feed.Row) bool { return r.Record.Details.Decided == "2011-06-17" }},
	{rule: "dates 30 May 2022", file: "isle-of-man/weekly/2023-01-06-planning-applications.csv", raw: `"30 May 2022"`, read: "isle-of-man/weekly", line: 2, reference: "22/00595/B", holds: func(r *feed.Row) bool { return r.Record.Details.Received == "2022-05-30" }},
	{rule: "dates 2025/02/28 00:00:00+00", file: yorkCSV, raw: "2025/02/28 00:00:00+00,PDE", read: "york/york", line: 2, reference: "25/00417/CLU", holds: func(r *feed.Row) bool { return r.Record.Details.Received == "2025-02-28" }},
	{rule: "dates 2015-11-12T00:00:00.000", file: "camden/2eiu-s2cw.RECONSTRUCTED-one-row.json", raw: `2015-11-12T00:00:00.000`, read: "camden/camden", line: 1, reference: "2015/6278/P", holds: func(r *feed.Row) bool { return r.Record.Details.Valid == "2015-11-12" }},
	{rule: "dates 14/09/2021, in JSON", file: "london-pld/recent-a.json", raw: `"valid_date": "14/09/2021"`, read: "london/london-saved", line: 1, reference: "76756/APP/2021/3487", holds: func(r *feed.Row) bool { return r.Record.Details.Valid == "2021-09-14" }},
	{rule: "dates 2024-02-18T15:54:31.021Z", file: "odp/postSubmissionApplication/planningPermission/fullHouseholder-03-consultation.json", raw: `2024-02-18T15:54:31.021Z`, read: "odp/odp", line: 1, reference: "ABC-123-XYZ", holds: func(r *feed.Row) bool { return r.Record.Details.Received == "2024-02-18" }},
	{rule: "dates 2026/02/10, and - for none", file: "york/weekly/york-2026-02-11.json.gz", read: "york/york-json", line: 1, reference: "26/00268/TCNOT", holds: func(r *feed.Row) bool {
		return r.Record.Details.Received == "2026-02-10" && r.Record.Details.Valid == ""
	}},

	{rule: "latitude and longitude that have changed places", file: yorkCSV, raw: "LATITUDE,LONGITUDE", read: "york/york", line: 2, reference: "25/00417/CLU", altered: func(b []byte) []byte {
		return swapped("LATITUDE", "LONGITUDE")(replaced(",498.26373108,458957,451035,", ",498.26373108,,,")(b))
	}, holds: func(r *feed.Row) bool {
		s := r.Record.Details.Site
		return s.Lat > 53.95 && s.Lat < 53.96 && s.Lon > -1.11 && s.Lon < -1.10
	}},
	{rule: "easting and northing that have changed places, for who knows the authority", file: yorkCSV, raw: ",458957,451035,", read: "york/york", line: 2, reference: "25/00417/CLU", altered: func(b []byte) []byte {
		return bytes.Replace(bytes.Replace(b, []byte(",498.26373108,458957,451035,"), []byte(",498.26373108,451035,458957,"), 1), []byte(",53.9520617354924,-1.10310832200018,"), []byte(",,,"), 1)
	}, holds: func(r *feed.Row) bool {
		return r.Turned.Lat > 53.95 && r.Turned.Lat < 53.96 && r.Turned.Lon > -1.11 && r.Turned.Lon < -1.10
	}},
	{rule: "null island of the National Grid", file: "london-pld/recent-a.json", raw: "49.766807", read: "london/london-saved", reference: "21/07130/AD7", holds: unlocated},
	{rule: "null island of longitude and latitude", file: yorkCSV, raw: ",53.9520617354924,-1.10310832200018,", read: "york/york", line: 2, reference: "25/00417/CLU", altered: func(b []byte) []byte {
		return bytes.Replace(bytes.Replace(b, []byte(",498.26373108,458957,451035,"), []byte(",498.26373108,0,0,"), 1), []byte(",53.9520617354924,-1.10310832200018,"), []byte(",0,0,"), 1)
	}, holds: unlocated},
	{rule: "a centroid far from its own polygon", file: "london-pld/Camden-2025_0225_P.json", raw: `"wgs84_polygon"`, read: "london/london-document", line: 1, reference: "2025/0225/P", holds: func(r *feed.Row) bool {
		return r.Astray && r.Record.Details.Site.Method == alerts.MethodBoundary
	}},
	{rule: "eastings with an empty reference system beside them", file: "lga/example-planning-applications.csv", raw: ",Live ,OSGB36,474671,148563,", read: "lga/lga", line: 22, reference: "14/00440/CMA", altered: replaced(",Live ,OSGB36,474671,148563,", ",Live ,,474671,148563,"), holds: func(r *feed.Row) bool { return r.Record.Details.Site.Located() }},

	{rule: "references stay as they are", file: "digital-land/datasets/planning-application.csv", raw: "132900/LPL/2022,", read: "shifted", line: 2, reference: "132900/LPL/2022", holds: func(r *feed.Row) bool { return r.Record.SourceKey == "132900/LPL/2022" }},
	{rule: "references stay as they are, whatever a year may seem", file: "openaustralia/swan.expected.yml", raw: "council_reference: BAC-63/2019", read: "openaustralia/openaustralia-yaml", line: 2, reference: "BAC-63/2019", holds: func(r *feed.Row) bool { return r.Record.SourceKey == "BAC-63/2019" }},
}

// readings are declarations for files of which only part is looked at here.
var readings = map[string]string{
	"shifted": "format: csv\ncolumns: {reference: reference, description: description}\nshifted: {officer-name: [major, minor]}\n",
	"tabbed":  "format: csv\ncolumns: {reference: reference, address: organisation}\n",
	"numbers": "format: csv\ncolumns: {reference: CaseReference, uprn: GeoX}\n",
}

// Every rule of cleaning has a line of a real file behind it, and does with it what it
// says. Where none of the samples has such a line, one of a real file is altered as
// councils' systems do.
func TestEveryRuleOfCleaningHasARealLine(t *testing.T) {
	for _, c := range cleaning {
		t.Run(c.rule, func(t *testing.T) {
			file, err := io.ReadAll(shared(t, "feeds/"+c.file))
			if err != nil {
				t.Fatal(err)
			}
			if c.raw != "" && !bytes.Contains(file, []byte(c.raw)) {
				t.Fatalf("%s has no %q", c.file, c.raw)
			}
			if c.altered != nil {
				was := file
				if file = c.altered(bytes.Clone(file)); bytes.Equal(file, was) {
					t.Fatal("nothing was altered")
				}
			}
			name, adapter := path.Split(c.read)
			var d *feed.Declaration
			if name == "" {
				d, adapter = declare(t, readings[c.read]), ""
			} else {
				d = sample(t, strings.TrimSuffix(name, "/"))
			}
			if err := d.Encode(adapter, c.encoding); err != nil {
				t.Fatal(err)
			}
			found := 0
			err = d.Read(adapter, bytes.NewReader(file), func(r feed.Row) error {
				if r.Record.Details.Reference == c.reference && (c.line == 0 || r.Line == c.line) {
					if found++; !c.holds(&r) {
						t.Errorf("%+v", r)
					}
				} else if r.Line == c.line && found == 0 {
					t.Errorf("line %d is %q", r.Line, r.Record.Details.Reference)
				}
				return nil
			})
			if err != nil || found == 0 {
				t.Errorf("%d rows of %s (%v)", found, c.reference, err)
			}
		})
	}
}
