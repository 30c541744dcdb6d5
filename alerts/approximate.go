package alerts

import (
	"fmt"
	"math"
	"regexp"

	"github.com/sitenotice/sitenotice/geo"
)

// approximateTo is the side of the squares to whose middles places are moved, in
// metres.
const approximateTo = 100

var (
	fullPostcode = regexp.MustCompile(`(?i)\b([a-z]{1,2}[0-9][a-z0-9]?) ?([0-9])[a-z]{2}\b`)
	coordinates  = regexp.MustCompile(`-?[0-9]{1,2}\.[0-9]+, *-?[0-9]{1,2}\.[0-9]+`)
)

// Approximate returns the area as it is stored where exact places are not to be:
// the centre of a circle in the middle of a square of 100 m, a postcode in its
// label cut to the sector. An area that is drawn, or a ward's, stays as it is: it is
// not where anybody lives.
func (a Area) Approximate() Area {
	if a.Kind != AreaCircle {
		return a
	}
	// Degrees are enough: the square need not be one of a map.
	lat := approximateTo / 111_195.0
	a.Centre.Lat = (math.Floor(a.Centre.Lat/lat) + 0.5) * lat
	lon := lat / math.Cos(a.Centre.Lat*math.Pi/180)
	a.Centre.Lon = (math.Floor(a.Centre.Lon/lon) + 0.5) * lon
	a.Centre = geo.Point{Lon: math.Round(a.Centre.Lon*1e5) / 1e5, Lat: math.Round(a.Centre.Lat*1e5) / 1e5}
	a.Label = fullPostcode.ReplaceAllString(a.Label, "$1 $2")
	a.Label = coordinates.ReplaceAllString(a.Label, fmt.Sprintf("%.3f, %.3f", a.Centre.Lat, a.Centre.Lon))
	return a
}
