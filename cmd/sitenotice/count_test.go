package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// This file counts what is in the sample files anew. It shares nothing with the code
// that reads them: not a parser, not a rule, not a declaration.

// A counted is one row of a file as it is counted.
type counted struct {
	key, reference                       string
	faulty, located, outlined, closingOn bool
	received                             string // ISO
}

// tableOf reads a table whatever its line ends: the rows below the one that names a
// column, without blank rows and without a last one that only counts them.
func tableOf(t *testing.T, b []byte, column string) (rows []map[string]string) {
	t.Helper()
	var records [][]string
	record, cell, quoted := []string{}, []byte{}, false
	endCell := func() { record, cell = append(record, string(cell)), cell[:0] }
	endRow := func() {
		if endCell(); strings.TrimSpace(strings.Join(record, "")) != "" {
			records = append(records, record)
		}
		record = []string{}
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '"' && i+1 < len(b) && b[i+1] == '"':
			cell = append(cell, '"')
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
			cell = append(cell, c)
		case c == ',':
			endCell()
		case c == '\r' || c == '\n':
			endRow()
		default:
			cell = append(cell, c)
		}
	}
	endRow()
	var header []string
	for _, record := range records {
		if header == nil {
			for _, name := range record {
				if strings.TrimSpace(name) == column {
					header = record
				}
			}
			continue
		}
		row := map[string]string{}
		for i, cell := range record {
			if i < len(header) {
				row[strings.TrimSpace(header[i])] = strings.TrimSpace(cell)
			}
		}
		rows = append(rows, row)
	}
	if n := len(rows); n > 1 {
		if says, err := strconv.Atoi(strings.TrimSpace(strings.Join(records[len(records)-1], ""))); err == nil {
			if rows = rows[:n-1]; says != n-1 {
				t.Errorf("the last row counts %d, there are %d", says, n-1)
			}
		}
	}
	return rows
}

// columns counts a table row by row; key names the column of the key.
func columns(key string, more func(row map[string]string, c *counted)) func(*testing.T, []byte) []counted {
	return func(t *testing.T, b []byte) (all []counted) {
		for _, row := range tableOf(t, b, key) {
			c := counted{key: row[key], reference: row[key]}
			if more != nil {
				more(row, &c)
			}
			all = append(all, c)
		}
		return all
	}
}

func inBritain(lon, lat string) bool {
	x, err1 := strconv.ParseFloat(lon, 64)
	y, err2 := strconv.ParseFloat(lat, 64)
	return err1 == nil && err2 == nil && x > -9 && x < 2 && y > 49.8 && y < 61
}

func yorkRow(row map[string]string, c *counted) {
	c.reference = row["REFVAL"]
	c.located = inBritain(row["LONGITUDE"], row["LATITUDE"])
	c.received = strings.ReplaceAll(row["DATEAPRECV"], "/", "-")[:10]
}

func lgaRow(row map[string]string, c *counted) {
	c.located = row["GeoX"] != "" && row["GeoY"] != ""
	c.closingOn = row["PublicConsultationEndDate"] != ""
	if day := row["CaseDate"]; day != "" {
		c.received = day[6:10] + "-" + day[3:5] + "-" + day[:2]
	}
}

func weeklyRow(row map[string]string, c *counted) {
	if at, err := time.Parse("2 Jan 2006", row["Date"]); err == nil {
		c.received = at.Format(time.DateOnly)
	}
}

// objects counts the objects of a list that pick takes out of a document.
func objects[Document any](pick func(Document) []map[string]any, count func(object map[string]any) counted) func(*testing.T, []byte) []counted {
	return func(t *testing.T, b []byte) (all []counted) {
		var d Document
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		for _, object := range pick(d) {
			all = append(all, count(object))
		}
		return all
	}
}

// in walks down a document; what is not there is nil.
func in(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func word(value any) string {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

type list = []map[string]any

func itself(d list) list           { return d }
func single(d map[string]any) list { return list{d} }
func under(path ...string) func(map[string]any) list {
	return func(d map[string]any) (all list) {
		values, _ := in(d, path...).([]any)
		for _, v := range values {
			object, _ := v.(map[string]any)
			all = append(all, object)
		}
		return all
	}
}

func yorkObject(o map[string]any) counted {
	return counted{key: word(o["keyval"]), reference: word(o["ref"]), located: inBritain(word(o["lon"]), word(o["lat"])), received: strings.ReplaceAll(word(o["received_date"]), "/", "-")}
}

func camdenObject(o map[string]any) counted {
	return counted{key: word(o["pk"]), reference: word(o["application_number"]), located: inBritain(word(o["longitude"]), word(o["latitude"])), received: word(o["registered_date"])[:10]}
}

func londonObject(o map[string]any) counted {
	outlined := len(word(in(o, "wgs84_polygon", "type"))) > 0
	return counted{key: word(o["id"]), reference: word(o["lpa_name"]) + " " + word(o["lpa_app_no"]), outlined: outlined, closingOn: word(o["last_date_consultation_comments"]) != "",
		located: outlined || inBritain(word(in(o, "centroid", "lon")), word(in(o, "centroid", "lat")))}
}

func odpObject(o map[string]any) counted {
	outlined := in(o, "submission", "data", "property", "boundary", "site", "geometry") != nil || in(o, "submission", "data", "proposal", "boundary", "site", "geometry") != nil
	received := word(in(o, "data", "validation", "receivedAt"))
	if received == "" {
		received = word(in(o, "data", "submission", "submittedAt"))
	}
	reference := word(in(o, "data", "application", "reference"))
	return counted{key: reference, reference: reference, located: outlined, outlined: outlined, closingOn: in(o, "data", "consultation", "endDate") != nil, received: received[:10]}
}

func atdisObject(o map[string]any) counted {
	info := in(o, "application", "info")
	reference := word(in(info, "dat_id"))
	return counted{key: reference, reference: reference, closingOn: in(info, "notification_end_date") != nil, received: word(in(info, "lodgement_date"))[:10]}
}

// scraped counts the YAML of scrapers, which has a field a line.
func scraped(_ *testing.T, b []byte) (all []counted) {
	field := regexp.MustCompile(`(?m)^(- |  )(council_reference|date_received|on_notice_to): '?([^'\n]*)'?$`)
	for _, m := range field.FindAllStringSubmatch(string(b), -1) {
		switch name, value := m[2], m[3]; name {
		case "council_reference":
			all = append(all, counted{key: value, reference: value})
		case "date_received":
			all[len(all)-1].received = value
		case "on_notice_to":
			all[len(all)-1].closingOn = value != ""
		}
	}
	return all
}

func brisbane(t *testing.T, b []byte) (all []counted) {
	var d struct {
		Applications []struct {
			Reference string `xml:"council_reference"`
			Received  string `xml:"date_received"`
			Until     string `xml:"on_notice_to"`
		} `xml:"applications>application"`
	}
	if err := xml.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	for _, a := range d.Applications {
		all = append(all, counted{key: a.Reference, reference: a.Reference, received: a.Received, closingOn: a.Until != ""})
	}
	return all
}

// specification counts the archive of linked tables: the list of applications with what
// the timeline says of the end of comments. A row has shifted when its officer is a
// size, and when the date of its withdrawal is no date.
func specification(t *testing.T, b []byte) (all []counted) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	table := func(name, column string) []map[string]string {
		f, err := z.Open("datasets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(f); err != nil {
			t.Fatal(err)
		}
		return tableOf(t, text.Bytes(), column)
	}
	ends, sites := map[string]bool{}, map[string]string{}
	for _, event := range table("planning-permission-timeline.csv", "reference") {
		if event["permission-process-event"] == "consultation-end" {
			ends[event["planning-application"]] = true
		}
	}
	for _, site := range table("site.csv", "reference") {
		sites[site["reference"]] = site["geometry"]
	}
	day := regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	for _, row := range table("planning-application.csv", "reference") {
		c := counted{key: row["reference"], reference: row["reference"], received: row["received-date"], closingOn: ends[row["reference"]], located: sites[row["site"]] != "", outlined: sites[row["site"]] != ""}
		officer, withdrawn := strings.ToLower(row["officer-name"]), row["withdrawn-date"]
		c.faulty = officer == "major" || officer == "minor" || withdrawn != "" && !day.MatchString(withdrawn)
		all = append(all, c)
	}
	return all
}
