package feed_test

import (
	"testing"

	"github.com/sitenotice/sitenotice/alerts/feed"
)

// Every feed that comes with the program can be added as it is, and every shape
// with an authority.
func TestPresetsAndShapesAreRight(t *testing.T) {
	for _, name := range feed.Presets() {
		text, _ := feed.Preset(name)
		d, err := feed.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d.Feed != name || d.Licence == "" {
			t.Errorf("%s: it calls itself %q, licence %q", name, d.Feed, d.Licence)
		}
	}
	for _, name := range feed.Shapes() {
		d, err := feed.Parse([]byte("feed: village\nlike: " + name + "\nauthority: {slug: village, name: Village Council}\nurl: https://village.example/feed\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d.Adapters[0].URL != "https://village.example/feed" {
			t.Errorf("%s: the address is %q", name, d.Adapters[0].URL)
		}
	}
}
