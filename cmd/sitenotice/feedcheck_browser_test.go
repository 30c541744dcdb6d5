package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/web/browsertest"
)

var shots = flag.String("shots", "", "save pictures of the pages in this folder")

// A council's data officer goes the whole way in a real browser without scripts, with
// axe looking at every page.
func TestADataOfficerUsesThePages(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	register := write("register.csv", villageFile)
	export := write("export.csv", "Case No.,Wo,Proposal,Applicant Name,State,Type of application,Logged,Closing date for comments,Easting,Northing\n"+
		"26/1,\"1 High Street, York\",\"Two houses, with parking\",Ann Example,Pending,Full application,03/02/2026,26/02/2026,460300,451800\n"+
		"26/2,\"2 High Street, York\",A shed,Bo Example,ZX9,Householder application,04/02/2026,,460310,451810\n"+
		"26/3,\"3 High Street, York\",A barn at the farm at the end of the lane,Cy Example,ZX9,Works to trees (TPO),4 Feb 2026,,460320,451820\n")
	for _, c := range []struct {
		name string
		size browsertest.Size
	}{{"desktop", browsertest.Desktop}, {"phone", browsertest.Phone}, {"narrow", browsertest.Narrow}} {
		t.Run(c.name, func(t *testing.T) {
			s := newCouncil(t, storetest.Engines(t)[0])
			p := browsertest.Open(t, c.size, s.url+"/feeds/check")
			look := func(name string) {
				t.Helper()
				p.FitsWidth()
				p.Axe()
				if *shots != "" {
					p.Screenshot(filepath.Join(*shots, name+"-"+c.name+".png"))
				}
			}
			p.Expect("Check a register")
			look("check")
			p.Choose("Whose register is it?", "village")
			p.Fill("The register’s token", "wrong")
			p.Attach("The file", register)
			p.Click("Look at the file")
			p.Expect("The token is missing or not the one of this register")
			if got := p.Value("Whose register is it?"); got != "village" {
				t.Errorf("the list says %q: what was chosen is lost", got)
			}
			look("check-error")
			p.Fill("The register’s token", "right")
			p.Attach("The file", register)
			p.Click("Look at the file")
			p.Expect("What is in register.csv", "it would tell nobody", "Rows to mend", "Download the rows to mend")
			look("report")
			p.Click("Hand it over")
			p.Expect("The file is taken in", "2 new")
			look("imported")

			p.Click("Check another file")
			p.Attach("The file", export)
			p.Click("Look at the file")
			p.Expect("What the columns mean", "The declaration")
			look("map")
			p.Choose("Address of the site", "Wo")
			p.Choose("Date received", "Logged")
			p.Choose("Application number", "")
			p.Click("Look again with these columns")
			p.Expect("Choose the column that holds the application’s number")
			look("map-error")
			p.Choose("Application number", "Case No.")
			p.Choose("ZX9", "withdrawn")
			p.Fill("Its name", "Village Council")
			p.Fill("A short name for addresses", "hamlet")
			p.Click("Look again with these columns")
			p.Expect("2 can be used, 1 cannot", "ZX9: withdrawn", "name: Village Council", "feed: hamlet")
			look("map-again")
			p.Dark(true)
			look("map-dark")
			p.Dark(false)
		})
	}
}
