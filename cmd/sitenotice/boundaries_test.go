package main

import (
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/geo"
)

func TestPropertiesAreReadByTheNamesOfTheirColumns(t *testing.T) {
	for name, c := range map[string]struct {
		text, says string
		want       int
	}{
		"degrees":               {"UPRN,LATITUDE,LONGITUDE\n100,53.006,-0.994\n200,53.007,-0.993\n", "", 2},
		"a grid, and a mark":    {"\ufeffX_COORDINATE,Y_COORDINATE,uprn\n528913,183946,100\n", "", 1},
		"somewhere else":        {"UPRN,LATITUDE,LONGITUDE\n100,0,0\n200,48.85,2.35\n", "", 0},
		"without the number":    {"LATITUDE,LONGITUDE\n53,-1\n", "the columns UPRN and", 0},
		"no number":             {"UPRN,LATITUDE,LONGITUDE\n100,53,-1\nx,53,-1\n", "line 3", 1},
		"no property's number":  {"UPRN,LATITUDE,LONGITUDE\n-5,53,-1\n", "no property's number", 0},
		"a row that is cut off": {"UPRN,LATITUDE,LONGITUDE\n100,53,-1\n200,5", "line 3", 1},
	} {
		n := 0
		err := readProperties(strings.NewReader(c.text), func(store.Property) error { n++; return nil })
		if n != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d properties, %v", name, n, err)
		}
	}
}

func FuzzProperties(f *testing.F) {
	f.Add("UPRN,X_COORDINATE,Y_COORDINATE,LATITUDE,LONGITUDE\n100,0,0,53.006,-0.994\n")
	f.Add("\ufeffuprn, x_coordinate,y_coordinate\n1,528913,183946\n2,NaN,1e400\n")
	f.Fuzz(func(t *testing.T, text string) {
		err := readProperties(strings.NewReader(text), func(p store.Property) error {
			if p.UPRN < 1 || !geo.InUK(p.At) {
				t.Errorf("%+v is stored", p)
			}
			return nil
		})
		if err != nil && err.Error() == "" {
			t.Error("refused without a word")
		}
	})
}
