package web_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

func TestAGroupSortsItsCases(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		path := func(below string) string { return fmt.Sprintf("/groups/%d%s", g, below) }
		s.expect(s.get(path("/cases")), http.StatusOK, "watches no area yet")
		s.expect(s.post(path("/areas"), "extent", "outline", "outline", outline), http.StatusSeeOther)
		hal := s.joined(g, "hal@example.org", "Hal", alerts.RoleMember)
		id := s.count(`SELECT id FROM application WHERE reference = '2026/0001/P'`)
		one := path(fmt.Sprintf("/cases/%d", id))
		shows := func(view string, want bool) {
			t.Helper()
			if got := strings.Contains(s.get(path("/cases?show="+view)).Body, "12 Lamplighter Street"); got != want {
				t.Errorf("%q shows it: %t", view, got)
			}
		}
		shows("", true)
		s.expect(s.get(one), http.StatusOK, "Nobody has said anything")
		s.expect(s.post(one, "action", "relevant"), http.StatusSeeOther)
		s.expect(s.post(one, "action", "relevant"), http.StatusSeeOther) // changes nothing
		shows("", false)
		shows("relevant", true)
		halID := s.count(`SELECT account_id FROM role WHERE name = 'Hal'`)
		s.expect(s.post(one, "action", "assigned", "to", fmt.Sprint(halID)), http.StatusSeeOther)
		hal.expect(hal.get(path("/cases?show=mine")), http.StatusOK, "12 Lamplighter Street", "Relevant, assigned to Hal")
		shows("mine", false)
		s.expect(s.post(one, "action", "note", "text", " "), http.StatusUnprocessableEntity, "Write a note first")
		s.expect(hal.post(one, "action", "note", "text", "=cmd|' /C calc'!A0 <script>\nIs the roof lower?"), http.StatusSeeOther)
		s.expect(s.post(one, "action", "assigned", "to", "999"), http.StatusUnprocessableEntity, "somebody who is in the group")
		s.expect(s.post(one, "action", "explode"), http.StatusUnprocessableEntity)

		// Two have to agree to hide it; one alone, twice, does not do.
		s.expect(s.post(one, "action", "hide"), http.StatusSeeOther)
		s.expect(s.post(one, "action", "hide"), http.StatusSeeOther)
		s.expect(s.get(one), http.StatusOK, "1 of 2 want to hide it")
		shows("relevant", true)
		s.expect(hal.post(one, "action", "hide"), http.StatusSeeOther)
		shows("relevant", false)
		shows("hidden", true)
		s.expect(hal.post(one, "action", "unhide"), http.StatusSeeOther)
		shows("relevant", true)

		r := s.get(path("/record.csv"))
		rows, err := csv.NewReader(strings.NewReader(r.Body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var acts []string
		for _, row := range rows[1:] {
			acts = append(acts, row[1]+" "+row[2])
		}
		if got := strings.Join(acts, ", "); got != "Gwen relevant, Gwen assigned, Hal note, Gwen hide, Hal hide, Hal unhide" {
			t.Errorf("the record says %s", got)
		}
		if !strings.HasPrefix(rows[3][3], "'=cmd") || rows[1][5] != "2026/0001/P" {
			t.Errorf("%q", rows)
		}
		if strings.Contains(s.get(one).Body, "<script>") {
			t.Error("a note is not escaped")
		}
		// A case outside the group's areas is none of theirs.
		far := s.addApplication("camden", alerts.Details{Reference: "2026/0099/P", Received: "2026-11-01", Site: alerts.Site{Lon: -0.3, Lat: 51.6, Method: alerts.MethodPoint}})
		s.expect(s.get(path(fmt.Sprintf("/cases/%d", far))), http.StatusNotFound)
		s.expect(s.post(path(fmt.Sprintf("/cases/%d", far)), "action", "relevant"), http.StatusNotFound)
		// Who leaves is forgotten, what was written stays.
		s.expect(hal.post("/account/erase", "sure", "yes"), http.StatusOK)
		s.expect(s.get(one), http.StatusOK, "a former member", "Is the roof lower?")
		if strings.Contains(s.get(one).Body, "assigned to Hal.") {
			t.Error("a case stays with somebody who is gone")
		}
	})
}

func TestAPackForEachMeeting(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		path := func(below string) string { return fmt.Sprintf("/groups/%d%s", g, below) }
		s.expect(s.post(path("/areas"), "extent", "authority", "council", "camden"), http.StatusSeeOther)
		for day, want := range map[string]string{"": "Enter the day", "2026-13-01": "Enter the day", "2036-01-01": "next three"} {
			s.expect(s.post(path("/meetings"), "day", day), http.StatusUnprocessableEntity, want)
		}
		for _, day := range []string{"2026-11-10", "2026-12-08", "2027-01-12"} {
			s.expect(s.post(path("/meetings"), "day", day, "title", "planning committee"), http.StatusSeeOther)
		}
		s.expect(s.post(path("/meetings"), "day", "2026-12-08"), http.StatusUnprocessableEntity, "a meeting on that day already")
		s.expect(s.get(path("")), http.StatusOK, "8 December 2026", "the pack for it")
		ward := func(reference, code string) {
			id := s.count(`SELECT id FROM application WHERE reference = $1`, reference)
			s.exec(`UPDATE application SET details = replace(details, '"reference"', '"ward":"`+code+`","reference"') WHERE id = $1`, id)
		}
		ward("2026/0001/P", "E05013656")
		ward("2025/9000/T", "Old Ward")
		s.live("2025/9000/T", alerts.EventAmended)
		s.live("2026/0003/L", alerts.EventDecided)
		december := path(fmt.Sprintf("/meetings/%d", s.count(`SELECT id FROM meeting WHERE day = '2026-12-08'`)))
		r := s.get(december)
		s.expect(r, http.StatusOK, "News since the meeting of 10 November 2026", "The meeting after this one is on 12 January 2027",
			"Ask the council for an extension, or hold a special meeting", "12 Lamplighter Street", "Old Ward", "Ward not known", "Decided since the last meeting (1)", "Known longer, with news (1)")
		rows, err := csv.NewReader(strings.NewReader(s.get(december + "/pack.csv").Body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		lists := map[string]string{}
		for _, row := range rows[1:] {
			lists[row[2]] += row[1] + ";"
		}
		for reference, want := range map[string]string{
			"2026/0001/P": "Comments close before this meeting;New since the last meeting;", "2026/0003/L": "Decided since the last meeting;", "2025/9000/T": "Known longer, with news;",
		} {
			if lists[reference] != want {
				t.Errorf("%s is in %q, want %q", reference, lists[reference], want)
			}
		}
		// The next pack takes what this one did not, and no case that is ignored.
		s.advance(20 * 24 * time.Hour)
		s.signIn("gwen@example.org")
		s.live("2026/0002/P", alerts.EventCommittee)
		january := path(fmt.Sprintf("/meetings/%d", s.count(`SELECT id FROM meeting WHERE day = '2027-01-12'`)))
		r = s.get(january)
		s.expect(r, http.StatusOK, "Coalwharf Yard", "News since the meeting of 8 December 2026")
		if strings.Contains(r.Body, "3 Piano Yard") {
			t.Error("what was in the pack before is in this one too")
		}
		s.expect(s.post(path(fmt.Sprintf("/cases/%d", s.count(`SELECT id FROM application WHERE reference = '2026/0002/P'`))), "action", "ignored"), http.StatusSeeOther)
		r = s.get(january)
		s.expect(r, http.StatusOK, "1 case is left out")
		if strings.Contains(r.Body, "Coalwharf Yard") {
			t.Error("an ignored case is in the pack")
		}
		s.expect(s.post(january+"/remove"), http.StatusSeeOther)
		s.expect(s.get(january), http.StatusNotFound)
	})
}

// Areas of a ward list what is in that ward.
func TestAWardIsWatched(t *testing.T) {
	eachSite(t, func(s *site) {
		s.signIn("gwen@example.org")
		g := s.newGroup("Lamplighters")
		s.expect(s.post(fmt.Sprintf("/groups/%d/areas", g), "extent", "ward", "postcode", "NW1 8NH"), http.StatusSeeOther)
		s.exec(`UPDATE application SET details = replace(details, '"reference"', '"ward":"E05013656","reference"') WHERE reference = '2026/0002/P'`)
		r := s.get(fmt.Sprintf("/groups/%d/cases?show=all", g))
		s.expect(r, http.StatusOK, "Coalwharf Yard")
		if strings.Contains(r.Body, "12 Lamplighter Street") {
			t.Error("a case of another ward is listed")
		}
	})
}

// A ward is chosen by its name, its code or a postcode in it: from imported
// boundaries, the table of postcodes, or what a register says of its applications.
func TestAWardIsChosenByItsNameOrCode(t *testing.T) {
	eachSite(t, func(s *site) {
		shape, err := geo.DecodeGeoJSON([]byte(outline))
		if err != nil {
			t.Fatal(err)
		}
		for code, name := range map[string]string{"E05000001": "Kentish Town North", "E05000002": "Kentish Town South", "E05000003": "Holborn"} {
			if err := s.store.PutBoundaries(t.Context(), []alerts.Boundary{{Kind: alerts.BoundaryWard, Code: code, Name: name, Area: shape, Source: "test"}}, s.now); err != nil {
				t.Fatal(err)
			}
		}
		s.exec(`UPDATE application SET details = replace(details, '"reference"', '"ward":"E05000099","reference"') WHERE reference = '2026/0002/P'`)
		_, token := s.program("gwen")
		add := func(values ...string) reply {
			return s.post("/groups/1/areas", append([]string{"extent", "ward"}, values...)...)
		}
		s.expect(add(), http.StatusUnprocessableEntity, "Enter")
		s.expect(add("ward", "Atlantis"), http.StatusUnprocessableEntity, "We know no ward of the name “Atlantis”")
		s.expect(add("ward", "E05999999"), http.StatusUnprocessableEntity, "We do not know this ward")
		s.expect(add("ward", "kentish"), http.StatusUnprocessableEntity, "Several wards have this name", `value="E05000001"`, "Kentish Town South")
		s.expect(add("ward", "kentish", "wardcode", "E05000002"), http.StatusSeeOther)
		s.expect(add("ward", "holborn"), http.StatusSeeOther)
		s.expect(add("ward", "e05000099"), http.StatusSeeOther) // a register has it
		s.expect(add("postcode", "NW1 8NH"), http.StatusSeeOther)
		s.expect(s.get("/groups/1/areas"), http.StatusOK, "Kentish Town South", "Holborn", "Ward E05000099")
		s.expect(s.get("/groups/1/cases?show=all"), http.StatusOK, "Coalwharf Yard")

		s.expect(s.call("GET", "/wards?q=kentish", "", ""), http.StatusOK, `"ward":"E05000001"`, `"ward":"E05000002"`)
		s.expect(s.call("GET", "/wards", "", ""), http.StatusBadRequest, `"parameter":"q"`)
		s.expect(s.call("POST", "/areas", token, `{"area":{"type":"ward","ward":"E05000001"}}`), http.StatusCreated, "Kentish Town North")
		s.expect(s.call("POST", "/areas", token, `{"area":{"type":"ward","ward":"E05999999"}}`), http.StatusUnprocessableEntity, "#/area/ward", "We know no ward")
	})
}
