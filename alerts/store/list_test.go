package store_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/migrations"
)

// put stores an application as it is listed on a day, past the stages.
func (d *desk) put(authority string, listed alerts.Date, details alerts.Details) (id int64) {
	d.Helper()
	text, err := json.Marshal(details)
	if err != nil {
		d.Fatal(err)
	}
	var cell, lon, lat any
	if details.Site.Located() {
		cell, lon, lat = cellOfTest(details.Site.Lon, details.Site.Lat), details.Site.Lon, details.Site.Lat
	}
	if err := d.db.QueryRow(`INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, cell, lon, lat, details)
		VALUES ($1, $2, 1, 0, 0, $3, $4, $5, $6, $7) RETURNING id`, authority, details.Reference, string(listed), cell, lon, lat, string(text)).Scan(&id); err != nil {
		d.Fatal(err)
	}
	d.exec(`INSERT INTO alias (authority, reference_key, application_id) VALUES ($1, $2, $3)`, authority, alerts.ReferenceKey(details.Reference), id)
	return id
}

func cellOfTest(lon, lat float64) int64 {
	floor := func(v float64) int64 {
		n := int64(v)
		if float64(n) > v {
			n--
		}
		return n
	}
	return floor(lat/0.05)*10000 + floor(lon/0.08)
}

func (d *desk) count(query string) (n int) {
	d.Helper()
	if err := d.db.QueryRow(query).Scan(&n); err != nil {
		d.Fatal(err)
	}
	return n
}

// listed returns the references that a query lists, page by page.
func (d *desk) listed(q alerts.Query, limit int) (references []string) {
	d.Helper()
	for after := (alerts.Cursor{}); ; {
		page, err := d.List(d.Context(), q, after, limit)
		if err != nil {
			d.Fatal(err)
		}
		if len(page.Applications) > limit {
			d.Fatalf("a page of %d has %d", limit, len(page.Applications))
		}
		for _, a := range page.Applications {
			references = append(references, a.Reference)
		}
		if page.Next.ID == 0 {
			return references
		}
		after = page.Next
	}
}

func search(typed string) alerts.Query { return alerts.Query{Words: alerts.ParseSearch(typed)} }

func TestSearchFindsWhatIsThereAndNothingElse(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.put("york", "2026-05-01", alerts.Details{Reference: "26/00001/FUL", Address: "14 St John’s Street", Description: "Café with mixed-use space and 2.5m fence"})
		d.put("york", "2026-06-01", alerts.Details{Reference: "26/00002/TPO", Address: "Tŷ Gwyn, High Street", Description: "Felling of three lime trees"})
		d.put("camden", "2026-04-01", alerts.Details{Reference: "2026/0003/P", Address: "ÉGLISE Road", Description: "Street trees; \x00 odd < & > \\u0000 \"quotes\""})
		for typed, want := range map[string]string{
			"street":             "26/00002/TPO 26/00001/FUL 2026/0003/P", // newest first
			"tree":               "26/00002/TPO 2026/0003/P",
			"street tree":        "26/00002/TPO 2026/0003/P",
			`"high street"`:      "26/00002/TPO",
			`"street high"`:      "",
			"ree":                "",
			"cafe":               "26/00001/FUL",
			"ty gwyn":            "26/00002/TPO",
			"eglise":             "2026/0003/P",
			"john’s":             "26/00001/FUL",
			"mixed use":          "26/00001/FUL",
			"2.5m":               "26/00001/FUL",
			"26/00002":           "26/00002/TPO",
			"quotes":             "2026/0003/P",
			`tree' OR 1=1; --`:   "",
			`"`:                  "",
			`tree NEAR(lime, 2)`: "",
			"-trees":             "26/00002/TPO 2026/0003/P",
		} {
			if got := strings.Join(d.listed(search(typed), 2), " "); got != want {
				t.Errorf("%q finds %q, want %q", typed, got, want)
			}
		}
		if got := d.listed(alerts.Query{Words: alerts.ParseSearch("street"), Authority: "camden"}, 5); len(got) != 1 || got[0] != "2026/0003/P" {
			t.Errorf("within a council: %v", got)
		}
	})
}

// The index is kept up by whatever changes the applications, and forgets a case that
// is taken down: nothing of its words is left in it.
func TestSearchFollowsEveryChange(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.put("york", "2026-05-01", alerts.Details{Reference: "1", Address: "Mill Lane", Description: "Windmill"})
		found := func(typed string, want bool) {
			t.Helper()
			if got := len(d.listed(search(typed), 5)) == 1; got != want {
				t.Errorf("%q is found: %t, want %t", typed, got, want)
			}
		}
		found("windmill", true)
		d.exec(`UPDATE application SET details = '{"address":"Mill Lane","description":"Watermill"}' WHERE id = $1`, id)
		found("windmill", false)
		found("watermill lane", true)
		d.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, id)
		found("watermill", false)
		if err := d.Housekeeping(t.Context(), d.now); err != nil {
			t.Fatal(err)
		}
		if d.engine.Name == "sqlite" {
			if left := d.count(`SELECT count(*) FROM application_search_data WHERE instr(block, CAST('watermill' AS BLOB)) > 0 OR instr(block, CAST('atermill' AS BLOB)) > 0`); left != 0 {
				t.Error("the words of a case that was taken down are still in the index")
			}
		} else if left := d.count(`SELECT count(*) FROM application WHERE words IS NOT NULL`); left != 0 {
			t.Error("the words of a case that was taken down are still in the index")
		}
		d.exec(`UPDATE application SET details = '{"description":"Redacted"}' WHERE id = $1`, id)
		d.exec(`UPDATE application SET hidden = FALSE WHERE id = $1`, id)
		found("redacted", true)
		d.exec(`UPDATE application SET version = 2, updated_at = 7 WHERE id = $1`, id)
		found("redacted", true)
		d.exec(`DELETE FROM application WHERE id = $1`, id)
		found("redacted", false)
		if d.engine.Name == "sqlite" {
			d.exec(`INSERT INTO application_search (application_search) VALUES ('integrity-check')`)
		}
	})
}

// Both engines list exactly what the rule keeps, in the order of the list, whatever
// the filter and the size of the pages.
func TestListsAreWhatTheRuleKeeps(t *testing.T) {
	eachDesk(t, func(d *desk) {
		r := rand.New(rand.NewPCG(7, 11))
		words := []string{"tree", "trees", "treehouse", "street", "High", "flat", "flats", "12", "120", "café", "mixed-use", "shop's", "roof", "rooflight"}
		kinds := []alerts.Kind{"", alerts.KindFull, alerts.KindListed, alerts.KindTreesTPO}
		var all []alerts.Application
		for i := range 300 {
			var text []string
			for range 1 + r.IntN(6) {
				text = append(text, words[r.IntN(len(words))])
			}
			details := alerts.Details{Reference: fmt.Sprintf("R/%03d", i), Description: strings.Join(text, " "), Kind: kinds[r.IntN(len(kinds))]}
			switch r.IntN(4) {
			case 0:
				details.Decision = alerts.DecisionRefused
			case 1:
				details.Status = alerts.StatusWithdrawn
			case 2:
				details.Scale = "major"
			}
			if r.IntN(5) > 0 {
				details.Site = alerts.Site{Lon: camden.Lon + r.Float64()*0.03 - 0.015, Lat: camden.Lat + r.Float64()*0.02 - 0.01, Method: alerts.MethodPoint, Uncertainty: 10}
			}
			a := alerts.Application{Authority: []string{"york", "camden"}[r.IntN(2)], Details: details}
			listed := alerts.Date(fmt.Sprintf("2026-%02d-%02d", 1+r.IntN(12), 1+r.IntN(28)))
			a.ID = d.put(a.Authority, listed, details)
			a.Received = listed
			if i%17 == 0 {
				d.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, a.ID)
				continue
			}
			all = append(all, a)
		}
		slices.SortFunc(all, func(a, b alerts.Application) int {
			if a.Received != b.Received {
				return strings.Compare(string(b.Received), string(a.Received))
			}
			return int(b.ID - a.ID)
		})
		seen := 0
		for i := range 200 {
			var q alerts.Query
			switch r.IntN(3) {
			case 0:
				q.Area = circle(camden, 200+r.Float64()*1000, "")
			case 1:
				q.Authority = "york"
			}
			if r.IntN(2) == 0 || q.Area.Kind == "" && q.Authority == "" {
				q.Words = alerts.ParseSearch(words[r.IntN(len(words))] + " " + words[r.IntN(len(words))])
				if r.IntN(3) == 0 {
					q.Words = alerts.ParseSearch(`"` + words[r.IntN(len(words))] + " " + words[r.IntN(len(words))] + `"`)
				}
			}
			q.Stage = alerts.Stages[r.IntN(len(alerts.Stages))]
			if r.IntN(3) == 0 {
				q.Kinds = kinds[:1+r.IntN(3)]
			}
			q.MajorOnly = r.IntN(5) == 0
			if r.IntN(3) == 0 {
				q.Since = "2026-04-10"
			}
			if r.IntN(3) == 0 {
				q.Until = "2026-09-20"
			}
			var want []string
			for _, a := range all {
				kept := q.Keeps(&a) && a.Received >= q.Since && (q.Until == "" || a.Received <= q.Until)
				if q.Area.Kind != "" {
					kept = kept && a.Site.Located() && geo.Distance(camden, a.Site.Point())-a.Site.Uncertainty <= q.Area.Radius
				}
				if kept {
					want = append(want, a.Reference)
				}
			}
			seen += len(want)
			if got := d.listed(q, 1+r.IntN(20)); !slices.Equal(got, want) {
				t.Fatalf("query %d, %+v, lists\n%v\nwant\n%v", i, q, got, want)
			}
		}
		if seen < 1000 {
			t.Errorf("the queries find only %d: this tests little", seen)
		}
	})
}

// A query that finds next to nothing does not read everything for one page, and
// still comes to the end.
func TestARareCaseIsFoundPageByPage(t *testing.T) {
	eachDesk(t, func(d *desk) {
		const many = 45_000
		numbers := `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 45000)
			INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, details) `
		if d.engine.Name == "sqlite" {
			d.exec(numbers + `SELECT 'york', 'C/' || i, 1, 0, 0, '2026-05-01', '{}' FROM n`)
		} else {
			d.exec(numbers + `SELECT 'york', 'C/' || i::text, 1, 0, 0, '2026-05-01', '{}' FROM n`)
		}
		d.exec(`UPDATE application SET details = '{"scale":"major"}' WHERE reference = 'C/3'`)
		q := alerts.Query{Authority: "york", MajorOnly: true}
		first, err := d.List(t.Context(), q, alerts.Cursor{}, 10)
		if err != nil || len(first.Applications) > 0 || first.Next.ID == 0 || first.Next.ID < many/3 {
			t.Errorf("the first page has %d and goes on at %v: %v", len(first.Applications), first.Next, err)
		}
		if got := d.listed(q, 10); !slices.Equal(got, []string{"C/3"}) {
			t.Errorf("all pages list %v", got)
		}
	})
}

func TestAReferenceIsFoundInAnyForm(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.put("york", "2026-05-01", alerts.Details{Reference: "26/00268/FUL"})
		d.put("york", "2026-05-01", alerts.Details{Reference: "26/00269/FUL"})
		other := d.put("leeds", "2026-05-01", alerts.Details{Reference: "26/00268/ful"})
		for _, typed := range []string{"26/00268/FUL", "26/00268/ful", "26 00268 ful", " 2600268FUL ", "26-00268-FUL", "26.00268.FUL"} {
			found, err := d.ByReference(t.Context(), "", typed, 10)
			if err != nil || len(found) != 2 || found[0].ID != other || found[1].ID != id {
				t.Errorf("%q finds %v: %v", typed, found, err)
			}
			if found, _ := d.ByReference(t.Context(), "york", typed, 10); len(found) != 1 || found[0].ID != id {
				t.Errorf("%q in york finds %v", typed, found)
			}
		}
		d.exec(`UPDATE application SET hidden = TRUE`)
		if found, _ := d.ByReference(t.Context(), "", "26/00268/FUL", 10); len(found) != 0 {
			t.Errorf("a case that was taken down is found: %v", found)
		}
		if found, err := d.ByReference(t.Context(), "", " / ", 10); err != nil || len(found) != 0 {
			t.Errorf("nothing finds %v: %v", found, err)
		}
	})
}

// What was stored before there was an index is in it once the schema is brought up to
// date.
func TestTheMigrationIndexesWhatIsThere(t *testing.T) {
	eachDesk(t, func(d *desk) {
		files, err := fs.Sub(migrations.Files, d.engine.Name)
		if err != nil {
			t.Fatal(err)
		}
		undo := []string{"DROP INDEX alias_loose", "ALTER TABLE application DROP COLUMN words"}
		dialect := goose.DialectPostgres
		if d.engine.Name == "sqlite" {
			dialect = goose.DialectSQLite3
			undo = []string{"DROP INDEX alias_loose", "DROP TRIGGER application_search_insert", "DROP TRIGGER application_search_update", "DROP TRIGGER application_search_hide", "DROP TRIGGER application_search_show",
				"DROP TRIGGER application_search_delete", "DROP TABLE application_search", "DROP VIEW application_words"}
		}
		for _, query := range undo {
			d.exec(query)
		}
		d.put("york", "2026-05-01", alerts.Details{Reference: "26/1", Description: "Observatory"})
		hidden := d.put("york", "2026-05-01", alerts.Details{Reference: "26/2", Description: "Observatory"})
		d.exec(`UPDATE application SET hidden = TRUE WHERE id = $1`, hidden)
		names, _ := fs.Glob(files, "*_search.sql")
		var version int64
		fmt.Sscanf(names[0], "%d", &version)
		provider, err := goose.NewProvider(goose.Dialect(dialect), d.db, files, goose.WithAllowOutofOrder(true))
		if err != nil {
			t.Fatal(err)
		}
		d.exec(`DELETE FROM goose_db_version WHERE version_id = $1`, version)
		if _, err := provider.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.listed(search("observatory"), 5); !slices.Equal(got, []string{"26/1"}) {
			t.Errorf("found %v", got)
		}
	})
}

// A snapshot reads what lies near, and not everything that there is.
func TestASnapshotIsFoundInTheIndexes(t *testing.T) {
	eachDesk(t, func(d *desk) {
		var all []string
		for i := range 3_000 {
			all = append(all, fmt.Sprintf(`('camden', 'C/%d', 1, 0, 0, '2026-01-01', '{"ward":"E05%06d"}')`, i, i%300))
		}
		d.exec(`INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, details) VALUES ` + strings.Join(all, ","))
		explain := "EXPLAIN QUERY PLAN "
		if d.engine.Name == "postgres" {
			d.exec(`ANALYZE application`)
			explain = "EXPLAIN "
		}
		for index, area := range map[string]alerts.Area{"application_ward": {Kind: alerts.AreaWard, Code: "E05000007"}, "application_cell": circle(camden, 500, "home")} {
			query, args, err := d.SnapshotIDs([]alerts.Subscription{{Current: alerts.Version{Area: area}}}, 0)
			if err != nil {
				d.Fatal(err)
			}
			rows, err := d.db.Query(explain+query, args...)
			if err != nil {
				d.Fatal(err)
			}
			plan := ""
			for rows.Next() {
				columns, _ := rows.Columns()
				row := make([]any, len(columns))
				for i := range row {
					row[i] = new(any)
				}
				if err := rows.Scan(row...); err != nil {
					d.Fatal(err)
				}
				plan += fmt.Sprint(*row[len(row)-1].(*any)) + "\n"
			}
			rows.Close()
			if !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan on application") || strings.Contains(plan, "SCAN application\n") {
				d.Errorf("%s:\n%s", index, plan)
			}
		}
	})
}

// A ward is listed from its index, whoever plans for it.
func TestAWardIsListed(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.put("camden", "2026-05-01", alerts.Details{Reference: "C/1", Ward: "E05000138"})
		d.put("camden", "2026-05-02", alerts.Details{Reference: "C/2", Ward: "E05000139"})
		d.put("parkauthority", "2026-05-03", alerts.Details{Reference: "P/1", Ward: "E05000138"})
		ward := alerts.Query{Area: alerts.Area{Kind: alerts.AreaWard, Code: "E05000138"}}
		if got := d.listed(ward, 1); !slices.Equal(got, []string{"P/1", "C/1"}) {
			d.Errorf("%v", got)
		}
		if ward.Authority = "camden"; !slices.Equal(d.listed(ward, 5), []string{"C/1"}) {
			d.Errorf("of one authority: %v", d.listed(ward, 5))
		}
		if got, err := d.WardAuthorities(d.Context(), "E05000138"); err != nil || !slices.Equal(got, []string{"camden", "parkauthority"}) {
			d.Errorf("%v, %v", got, err)
		}
	})
}

// The councils around a place are known without counting a crowd each time: to a few
// hundred metres, and what is new at once.
func TestAuthoritiesNearAPlace(t *testing.T) {
	eachDesk(t, func(d *desk) {
		at := func(east, north float64) alerts.Details {
			return alerts.Details{Site: alerts.Site{Lon: camden.Lon + east/69_300, Lat: camden.Lat + north/111_260, Method: alerts.MethodPoint}}
		}
		near := func(radius float64) string {
			t.Helper()
			slugs, err := d.AuthoritiesNear(d.Context(), camden, radius)
			if err != nil {
				d.Fatal(err)
			}
			return strings.Join(slugs, " ")
		}
		for _, slug := range []string{"camden", "islington", "far"} {
			d.exec(`INSERT INTO authority (slug, name) VALUES ($1, $2) ON CONFLICT DO NOTHING`, slug, slug)
		}
		if got := near(500); got != "" {
			d.Errorf("at first %q", got)
		}
		for i, c := range []struct {
			slug         string
			east, north  float64
			at500, at5km string
		}{
			{"camden", 100, 0, "camden", "camden"},
			{"islington", 0, -3000, "camden", "camden islington"}, // the same cell or the next, whichever
			{"far", 20_000, 0, "camden", "camden islington"},
			{"islington", -300, 100, "camden islington", "camden islington"},
		} {
			details := at(c.east, c.north)
			details.Reference = fmt.Sprint(i)
			d.put(c.slug, "2026-11-01", details)
			for range 2 { // counted, and remembered
				if got := near(500); got != c.at500 {
					d.Errorf("after %s: within 500 m %q, want %q", c.slug, got, c.at500)
				}
				if got := near(5000); got != c.at5km {
					d.Errorf("after %s: within 5 km %q, want %q", c.slug, got, c.at5km)
				}
			}
		}
	})
}
