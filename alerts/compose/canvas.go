package compose

import (
	"image"
	"image/color"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/sitenotice/sitenotice/geo"
)

// This file draws lines, discs and letters in sixteen colours: all that a picture of
// a mail needs, with smooth edges and in a fraction of a millisecond.

// The size of a picture in pixels. It is shown at most so wide, and narrower on
// telephones.
const (
	pictureWidth  = 560
	pictureHeight = 224
	pictureMargin = 30
)

// The colours: shades of paper, ink, the subscriber's place and the sites. Each ramp
// runs from faint to full, for smooth edges.
const (
	paper = iota
	within
	ring
	wash // inside the outline of a site
	inkFaint
	inkHalf
	ink
	homeFaint
	homeHalf
	homeFull
	siteFaint
	siteHalf
	siteFull
	faded // where a site may be that is known only roughly
	white
)

var colours = color.Palette{
	paper: rgb(0xebe8de), within: rgb(0xf8f6f0), ring: rgb(0xa9a391), wash: rgb(0xf0c9b3),
	inkFaint: rgb(0xb9b7b0), inkHalf: rgb(0x73757a), ink: rgb(0x1c2126),
	homeFaint: rgb(0xa9bccb), homeHalf: rgb(0x5884a8), homeFull: rgb(0x0b4f8a),
	siteFaint: rgb(0xe3bba6), siteHalf: rgb(0xc67a52), siteFull: rgb(0x9a3b00),
	faded: rgb(0xf3dccf), white: rgb(0xffffff),
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xff}
}

// A ramp is the shades of one colour, the full one last.
type ramp [3]uint8

var (
	inkRamp   = ramp{inkFaint, inkHalf, ink}
	homeRamp  = ramp{homeFaint, homeHalf, homeFull}
	siteRamp  = ramp{siteFaint, siteHalf, siteFull}
	ringRamp  = ramp{0xff, ring, ring}
	whiteRamp = ramp{siteHalf, siteFaint, white} // upon the colour of a site
)

// A canvas is a picture in the making.
type canvas struct {
	*image.Paletted
	centre geo.Point
	scale  float64 // pixels a metre
	perLon float64 // metres a degree, at the centre
	perLat float64
}

// sheets are kept for the next picture.
var sheets = sync.Pool{New: func() any {
	return image.NewPaletted(image.Rect(0, 0, pictureWidth, pictureHeight), colours)
}}

func newCanvas(box geo.Box) *canvas {
	c := &canvas{Paletted: sheets.Get().(*image.Paletted)}
	clear(c.Pix) // to paper
	c.centre = geo.Point{Lon: (box.MinLon + box.MaxLon) / 2, Lat: (box.MinLat + box.MaxLat) / 2}
	c.perLon = geo.Distance(geo.Point{Lon: c.centre.Lon - .005, Lat: c.centre.Lat}, geo.Point{Lon: c.centre.Lon + .005, Lat: c.centre.Lat}) * 100
	c.perLat = geo.Distance(geo.Point{Lon: c.centre.Lon, Lat: c.centre.Lat - .005}, geo.Point{Lon: c.centre.Lon, Lat: c.centre.Lat + .005}) * 100
	high := max((box.MaxLat-box.MinLat)*c.perLat, leastShown)
	wide := max((box.MaxLon-box.MinLon)*c.perLon, leastShown)
	c.scale = min((pictureHeight-2*pictureMargin)/high, (pictureWidth-2*pictureMargin)/wide)
	return c
}

// at is where a place lies on the canvas.
func (c *canvas) at(p geo.Point) (x, y float64) {
	return pictureWidth/2 + (p.Lon-c.centre.Lon)*c.perLon*c.scale, pictureHeight/2 - (p.Lat-c.centre.Lat)*c.perLat*c.scale
}

// put mixes a colour into a pixel by how much of it is covered.
func (c *canvas) put(x, y int, covered float64, r ramp) {
	if x < 0 || y < 0 || x >= pictureWidth || y >= pictureHeight || covered < .17 {
		return
	}
	shade := r[0]
	switch {
	case covered > .83:
		shade = r[2]
	case covered > .5:
		shade = r[1]
	}
	at := &c.Pix[y*c.Stride+x]
	if shade == 0xff || covered <= .83 && *at == r[2] {
		return // nothing of the edge over what is full already
	}
	*at = shade
}

// span fills a row from one side to the other.
func (c *canvas) span(row int, from, to float64, colour uint8) {
	a, b := max(int(math.Round(from)), 0), min(int(math.Round(to)), pictureWidth)
	if a >= b {
		return
	}
	line := c.Pix[row*c.Stride+a : row*c.Stride+b]
	line[0] = colour
	for done := 1; done < len(line); done *= 2 {
		copy(line[done:], line[:done])
	}
}

// fill fills a ring by the even-odd rule; the outline drawn over it hides the steps
// of its edge.
func (c *canvas) fill(ring []float64, colour uint8) {
	var crossings []float64
	top, bottom := float64(pictureHeight), 0.0
	for i := 1; i < len(ring); i += 2 {
		top, bottom = min(top, ring[i]), max(bottom, ring[i])
	}
	for row := max(int(top), 0); row < min(int(bottom)+1, pictureHeight); row++ {
		y := float64(row) + .5
		crossings = crossings[:0]
		for i := 0; i+3 < len(ring); i += 2 {
			x0, y0, x1, y1 := ring[i], ring[i+1], ring[i+2], ring[i+3]
			if (y0 > y) != (y1 > y) {
				crossings = append(crossings, x0+(y-y0)/(y1-y0)*(x1-x0))
			}
		}
		sortFloats(crossings)
		for i := 0; i+1 < len(crossings); i += 2 {
			c.span(row, crossings[i], crossings[i+1], colour)
		}
	}
}

func sortFloats(v []float64) {
	for i := 1; i < len(v); i++ { // there are two, nearly always
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
}

func (c *canvas) outline(ring []float64, wide float64, r ramp) {
	for i := 0; i+3 < len(ring); i += 2 {
		c.line(ring[i], ring[i+1], ring[i+2], ring[i+3], wide, r)
	}
}

// line draws a straight line. Lines far outside are left out.
func (c *canvas) line(x0, y0, x1, y1, wide float64, r ramp) {
	half := wide/2 + 1
	if max(x0, x1) < -half || max(y0, y1) < -half || min(x0, x1) > pictureWidth+half || min(y0, y1) > pictureHeight+half {
		return
	}
	dx, dy := x1-x0, y1-y0
	long2 := dx*dx + dy*dy
	for y := max(int(min(y0, y1)-half), 0); y <= min(int(max(y0, y1)+half), pictureHeight-1); y++ {
		from, to := min(x0, x1)-half, max(x0, x1)+half
		if math.Abs(dy) > 1 { // only the stretch near the line
			at := x0 + (float64(y)+.5-y0)/dy*dx
			reach := half*math.Sqrt(long2)/math.Abs(dy) + math.Abs(dx/dy)
			from, to = max(from, at-reach), min(to, at+reach)
		}
		for x := max(int(from), 0); x <= min(int(to), pictureWidth-1); x++ {
			px, py := float64(x)+.5-x0, float64(y)+.5-y0
			t := 0.0
			if long2 > 0 {
				t = min(max((px*dx+py*dy)/long2, 0), 1)
			}
			c.put(x, y, wide/2+.5-math.Hypot(px-t*dx, py-t*dy), r)
		}
	}
}

// disc fills a circle.
func (c *canvas) disc(x, y, radius float64, r ramp) {
	for row := max(int(y-radius-1), 0); row <= min(int(y+radius+1), pictureHeight-1); row++ {
		dy := float64(row) + .5 - y
		inner, outer := radius-1, radius+1
		half := 0.0
		if inner > 0 && math.Abs(dy) < inner {
			half = math.Sqrt(inner*inner - dy*dy)
			c.span(row, x-half, x+half, r[2])
		}
		edge := math.Sqrt(max(outer*outer-dy*dy, 0))
		for _, side := range [2][2]float64{{x - edge, x - half}, {x + half, x + edge}} {
			for col := max(int(side[0]), 0); col <= min(int(side[1]), pictureWidth-1); col++ {
				c.put(col, row, radius+.5-math.Hypot(float64(col)+.5-x, dy), r)
			}
		}
	}
}

// circle draws the line of a circle.
func (c *canvas) circle(x, y, radius, wide float64, r ramp) {
	inner, outer := max(radius-wide/2-1, 0), radius+wide/2+1
	for row := max(int(y-outer), 0); row <= min(int(y+outer), pictureHeight-1); row++ {
		dy := float64(row) + .5 - y
		far := math.Sqrt(max(outer*outer-dy*dy, 0))
		near := math.Sqrt(max(inner*inner-dy*dy, 0))
		for _, side := range [2][2]float64{{x - far, x - near}, {x + near, x + far}} {
			for col := max(int(side[0]), 0); col <= min(int(side[1]), pictureWidth-1); col++ {
				c.put(col, row, wide/2+.5-math.Abs(math.Hypot(float64(col)+.5-x, dy)-radius), r)
			}
		}
	}
}

// A glyph is a letter as it is drawn.
type glyph struct {
	mask    *image.Alpha
	advance float64
}

// glyphs are the letters of a picture, drawn once for all.
var glyphs = sync.OnceValue(func() map[rune]glyph {
	parsed, err := opentype.Parse(gobold.TTF)
	if err != nil {
		panic(err) // the font is part of the program
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: 18, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(err)
	}
	out := map[rune]glyph{}
	for _, r := range "0123456789.kmN " {
		bounds, mask, at, advance, ok := face.Glyph(fixed.P(0, 0), r)
		if !ok {
			continue
		}
		copied := image.NewAlpha(bounds)
		for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
			for x := bounds.Min.X; x < bounds.Max.X; x++ {
				_, _, _, a := mask.At(at.X+x-bounds.Min.X, at.Y+y-bounds.Min.Y).RGBA()
				copied.SetAlpha(x, y, color.Alpha{A: uint8(a >> 8)})
			}
		}
		out[r] = glyph{copied, float64(advance) / 64}
	}
	return out
})

func textWide(s string) (wide float64) {
	for _, r := range s {
		wide += glyphs()[r].advance
	}
	return wide
}

// text writes letters; x is where they begin and y the line they stand on.
func (c *canvas) text(s string, x, y float64, r ramp) {
	for _, letter := range s {
		g := glyphs()[letter]
		if g.mask != nil {
			b := g.mask.Bounds()
			for py := b.Min.Y; py < b.Max.Y; py++ {
				for px := b.Min.X; px < b.Max.X; px++ {
					c.put(int(math.Round(x))+px, int(y)+py, float64(g.mask.AlphaAt(px, py).A)/255, r)
				}
			}
		}
		x += g.advance
	}
}
