package compose

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/twpayne/go-geom"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

func sampleLocator() locator {
	b := togetherBulletin()
	area := b.Subscriptions[0].Current.Area
	area.Radius = 120
	return locator{Area: area, Marks: []mark{{1, b.Cases[0].Details.Site}, {12, sampleBulletin().Cases[3].Details.Site}}}
}

func TestAPictureIsSmallAndShowsWhatItShould(t *testing.T) {
	seen := map[any]int{}
	for _, l := range []locator{sampleLocator(), {Area: sampleLocator().Area, Marks: []mark{{1, wide()}}}} {
		data, err := l.draw()
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 6_000 {
			t.Errorf("%d bytes", len(data))
		}
		picture, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if b := picture.Bounds(); b.Dx() != pictureWidth || b.Dy() != pictureHeight {
			t.Errorf("%v", b)
		}
		for y := range pictureHeight {
			for x := range pictureWidth {
				seen[picture.At(x, y)]++
			}
		}
		if at := picture.At(pictureWidth/2, pictureHeight/2); at != colours[homeFull] {
			t.Errorf("the subscriber's place is not in the middle: %v", at)
		}
	}
	for name, c := range map[string]int{"the area": within, "its edge": ring, "the place": homeFull, "the sites": siteFull, "the outline": wash, "the letters": ink, "a rough position": faded} {
		if seen[colours[c]] == 0 {
			t.Errorf("%s is not in the pictures", name)
		}
	}
}

// wide is a site of a hundred metres near the sample's place.
func wide() alerts.Site {
	flat := []float64{-.1412, 51.5394, -.1396, 51.5394, -.1396, 51.5403, -.1412, 51.5403, -.1412, 51.5394}
	shape, err := geo.EncodeWKB(geom.NewPolygonFlat(geom.XY, flat, []int{len(flat)}))
	if err != nil {
		panic(err)
	}
	return alerts.Site{Lon: -.1404, Lat: 51.5399, Shape: shape, Method: alerts.MethodBoundary}
}

// Whatever feeds and people give, a picture comes of it.
func TestAnyPlaceCanBeDrawn(t *testing.T) {
	home := sampleBulletin().Subscriptions[0].Current.Area
	for name, l := range map[string]locator{
		"at home":           {Area: home, Marks: []mark{{1, alerts.Site{Lon: home.Centre.Lon, Lat: home.Centre.Lat, Method: alerts.MethodPoint}}}},
		"at the other end":  {Area: home, Marks: []mark{{1, alerts.Site{Lon: -8, Lat: 60, Method: alerts.MethodPoint}}}},
		"a vast rough area": {Area: home, Marks: []mark{{1, alerts.Site{Lon: -.14, Lat: 51.5, Method: alerts.MethodPostcode, Uncertainty: 1e6}}}},
		"a council":         {Area: alerts.Area{Kind: alerts.AreaAuthority, Code: "camden"}, Marks: sampleLocator().Marks},
		"a ward":            {Area: alerts.Area{Kind: alerts.AreaWard, Code: "E05", Centre: geo.Point{Lon: -.14, Lat: 51.5}}, Marks: sampleLocator().Marks[:1]},
		"all at one place":  {Area: home, Marks: make20()},
	} {
		if data, err := l.draw(); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

func make20() (marks []mark) {
	for i := range maxMarks {
		marks = append(marks, mark{i + 1, sampleBulletin().Cases[0].Details.Site})
	}
	return marks
}

// Whatever is drawn, the file says the same as the standard library would.
func TestPicturesAreWrittenAsTheyAre(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {7, 3}, {8, 2}, {9, 5}, {33, 4}, {600, 20}} {
		m := image.NewPaletted(image.Rect(0, 0, size.X, size.Y), colours)
		for i := range m.Pix {
			m.Pix[i] = uint8((i*7 + i/13) % len(colours))
		}
		got, err := png.Decode(bytes.NewReader(encodePNG(m)))
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		for y := range size.Y {
			for x := range size.X {
				if got.At(x, y) != m.At(x, y) {
					t.Fatalf("%v: pixel %d,%d is %v, want %v", size, x, y, got.At(x, y), m.At(x, y))
				}
			}
		}
	}
}

func BenchmarkDrawAPicture(b *testing.B) {
	l := sampleLocator()
	for b.Loop() {
		if _, err := l.draw(); err != nil {
			b.Fatal(err)
		}
	}
}
