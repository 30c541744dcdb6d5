package demo

import (
	"bytes"
	_ "embed" // the files beside this one
	"encoding/csv"
	"fmt"
	"strconv"

	"github.com/sitenotice/sitenotice/geo"
)

//go:embed postcodes.csv
var postcodesCSV []byte

// FeedYAML declares the sample borough's feed.
//
//go:embed feed.yaml
var FeedYAML []byte

// A Postcode is one of the sample district.
type Postcode struct {
	Code              string
	Easting, Northing int // British National Grid metres, to 10 m
	Ward, District    string
	Point             geo.Point
}

// Attribution lists the lines that the postcodes' licence asks to be shown.
var Attribution = []string{
	"Contains OS data © Crown copyright and database right 2025.",
	"Contains Royal Mail data © Royal Mail copyright and database right 2025.",
	"Contains National Statistics data © Crown copyright and database right 2025.",
}

// Postcodes returns the sample district's postcodes.
func Postcodes() ([]Postcode, error) {
	r := csv.NewReader(bytes.NewReader(postcodesCSV))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the sample postcodes: %w", err)
	}
	var out []Postcode
	for _, row := range rows[1:] {
		e, err1 := strconv.Atoi(row[1])
		n, err2 := strconv.Atoi(row[2])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("read the sample postcode %s: its grid reference is not a number", row[0])
		}
		out = append(out, Postcode{Code: row[0], Easting: e, Northing: n, Ward: row[3], District: row[4], Point: geo.FromBNG(float64(e), float64(n))})
	}
	return out, nil
}
