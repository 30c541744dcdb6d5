package compose

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// This file draws the small picture of where the sites of a mail lie. It is drawn
// here, not fetched, so that nobody learns who opens a mail and no map server has to
// answer thousands of them. Sixteen colours keep it at a few kilobytes.

// How many pictures a mail has, and how many sites one shows. One, of the area with
// the most pressing news, is calmer than several, and drawing costs about as much as
// writing all of the mail. With more sites than that a picture would be all numbers.
const (
	maxPictures = 1
	maxMarks    = 20
)

// A locator is what a picture shows.
type locator struct {
	Area  alerts.Area
	Marks []mark
}

// A mark is one site.
type mark struct {
	Number int // as the mail numbers it
	Site   alerts.Site
}

// leastShown is how many metres the shorter side shows at least: a neighbour's house
// is not shown as if it were streets away.
const leastShown = 90

// picture says what the picture of a section shows; nil when none of its sites has a
// position. It is drawn later, once it is known that the mail is not too long.
func (s *section) picture(l alerts.Language, id string) *picture {
	p := picture{ID: id, Wide: pictureWidth, High: pictureHeight, locator: locator{Area: s.area}}
	var words []string
	for _, told := range s.Sites {
		if len(p.Marks) == maxMarks {
			break
		}
		if !told.place.Located() || told.elsewhere {
			continue
		}
		p.Marks = append(p.Marks, mark{told.Number, told.place})
		if told.Where != "" {
			words = append(words, fmt.Sprintf("%d: %s.", told.Number, told.Where))
		}
	}
	if len(p.Marks) == 0 {
		return nil
	}
	p.Alt = alerts.Line(l.Say("Sketch of where the sites lie, north at the top.")+" "+strings.Join(words, " "), 600)
	return &p
}

// draw makes the picture as PNG.
func (l *locator) draw() ([]byte, error) {
	shapes := make([]geom.T, len(l.Marks))
	box := geo.Box{MinLon: 180, MinLat: 90, MaxLon: -180, MaxLat: -90}
	for i, m := range l.Marks {
		g, err := m.Site.Geometry()
		if err != nil || g == nil {
			return nil, err
		}
		shapes[i] = g
		box = box.Union(geo.Bounds(g).Grow(m.Site.Uncertainty))
	}
	if l.hasHome() {
		box = l.around(box)
	}
	c := newCanvas(box)
	defer sheets.Put(c.Paletted)
	if err := c.ground(&l.Area); err != nil {
		return nil, err
	}
	for _, m := range l.Marks { // first, for they would cover what is known better
		c.rough(m.Site)
	}
	for _, g := range shapes {
		c.outlines(g)
	}
	if l.hasHome() {
		c.home(l.Area.Centre)
	}
	c.badges(l.Marks)
	c.north()
	c.scaleBar()
	return encodePNG(c.Paletted), nil
}

// around is the box to show of a circle, so that the subscriber's place is in the
// middle: as much as the sites need, and the whole circle when that is most of it.
func (l *locator) around(sites geo.Box) geo.Box {
	reach := l.Area.Radius / 3
	for _, p := range []geo.Point{{Lon: sites.MinLon, Lat: sites.MinLat}, {Lon: sites.MaxLon, Lat: sites.MaxLat}, {Lon: sites.MinLon, Lat: sites.MaxLat}, {Lon: sites.MaxLon, Lat: sites.MinLat}} {
		dLat := geo.Distance(l.Area.Centre, geo.Point{Lon: l.Area.Centre.Lon, Lat: p.Lat})
		dLon := geo.Distance(l.Area.Centre, geo.Point{Lon: p.Lon, Lat: l.Area.Centre.Lat})
		reach = max(reach, dLat, dLon*pictureHeight/pictureWidth)
	}
	if reach > .6*l.Area.Radius {
		reach = max(reach, l.Area.Radius)
	}
	box := geo.CircleBox(l.Area.Centre, reach)
	wide := (box.MaxLon - box.MinLon) * (float64(pictureWidth)/pictureHeight - 1) / 2
	box.MinLon, box.MaxLon = box.MinLon-wide, box.MaxLon+wide
	return box
}

// hasHome reports whether the area is around a place of the subscriber's own.
func (l *locator) hasHome() bool { return l.Area.Kind == alerts.AreaCircle }

// ground draws the subscriber's area lighter than what is around it. Of a ward or a
// council there is no outline at hand: then all of it is light.
func (c *canvas) ground(a *alerts.Area) error {
	switch a.Kind {
	case alerts.AreaCircle:
		x, y := c.at(a.Centre)
		r := a.Radius * c.scale
		for row := range pictureHeight {
			dy := float64(row) + .5 - y
			if half := r*r - dy*dy; half > 0 {
				half = math.Sqrt(half)
				c.span(row, x-half, x+half, within)
			}
		}
		c.circle(x, y, r, 1.6, ringRamp)
	case alerts.AreaPolygon:
		g, err := geo.DecodeWKB(a.Shape)
		if err != nil {
			return err
		}
		for _, r := range geo.Rings(g) {
			c.fill(c.ring(r), within)
		}
		for _, r := range geo.Rings(g) {
			c.outline(c.ring(r), 1.6, ringRamp)
		}
	default:
		for row := range pictureHeight {
			c.span(row, 0, pictureWidth, within)
		}
	}
	return nil
}

func (c *canvas) ring(points []geo.Point) []float64 {
	out := make([]float64, 0, 2*len(points))
	for _, p := range points {
		x, y := c.at(p)
		out = append(out, x, y)
	}
	return out
}

// rough draws around a rough position how rough it is.
func (c *canvas) rough(s alerts.Site) {
	if len(s.Shape) == 0 && s.Uncertainty >= alerts.Rough {
		x, y := c.at(s.Point())
		c.disc(x, y, s.Uncertainty*c.scale, ramp{0xff, faded, faded})
	}
}

// outlines draws the outline of a site, if it has one.
func (c *canvas) outlines(g geom.T) {
	rings := geo.Rings(g)
	for _, r := range rings {
		c.fill(c.ring(r), wash)
	}
	for _, r := range rings {
		c.outline(c.ring(r), 2, siteRamp)
	}
}

// home draws the subscriber's place: a ring and a point.
func (c *canvas) home(p geo.Point) {
	x, y := c.at(p)
	c.disc(x, y, 13, ramp{0xff, white, white})
	c.circle(x, y, 11, 3.2, homeRamp)
	c.disc(x, y, 5, homeRamp)
}

const badgeRadius = 15

// badges numbers the sites. One that would cover another is put beside it, with a
// line to where it belongs.
func (c *canvas) badges(marks []mark) {
	type place struct{ x, y float64 }
	var taken []place
	free := func(x, y float64) bool {
		if x < badgeRadius+1 || y < badgeRadius+1 || x > pictureWidth-badgeRadius-1 || y > pictureHeight-badgeRadius-1 {
			return false
		}
		for _, t := range taken {
			if math.Hypot(t.x-x, t.y-y) < 2*badgeRadius+1 {
				return false
			}
		}
		return true
	}
	for _, m := range marks {
		px, py := c.at(m.Site.Point())
		x, y := px, py
		for try := 0; try < 60 && !free(x, y); try++ {
			angle, away := float64(try)*2.4, 8+2.6*float64(try) // a spiral
			x, y = px+away*math.Cos(angle), py+away*math.Sin(angle)
		}
		taken = append(taken, place{x, y})
		if x != px || y != py {
			c.line(px, py, x, y, 1.6, siteRamp)
			c.disc(px, py, 3, siteRamp)
		}
	}
	for i, m := range marks { // above all lines
		x, y := taken[i].x, taken[i].y
		c.disc(x, y, badgeRadius+1.4, ramp{0xff, white, white})
		c.disc(x, y, badgeRadius, siteRamp)
		number := strconv.Itoa(m.Number)
		c.text(number, x-textWide(number)/2, y+6.5, whiteRamp)
	}
}

// north draws an arrow with its letter in the corner.
func (c *canvas) north() {
	const x, top = pictureWidth - 22.0, 14.0
	c.line(x, top, x, top+24, 1.8, inkRamp)
	c.line(x, top, x-5, top+8, 1.8, inkRamp)
	c.line(x, top, x+5, top+8, 1.8, inkRamp)
	c.text("N", x-textWide("N")/2, top+44, inkRamp)
}

// scaleBar draws a round number of metres.
func (c *canvas) scaleBar() {
	metres := 10.0
	for _, m := range []float64{20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000} {
		if m*c.scale <= 140 {
			metres = m
		}
	}
	const x, y = 16.0, pictureHeight - 14.0
	end := x + metres*c.scale
	c.line(x, y, end, y, 2, inkRamp)
	c.line(x, y-5, x, y+2, 2, inkRamp)
	c.line(end, y-5, end, y+2, 2, inkRamp)
	c.text(alerts.Metres(metres), end+8, y+3, inkRamp)
}
