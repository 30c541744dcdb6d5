package postcode_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo/postcode"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]postcode.Code{
		"NW1 8NH": "NW1 8NH", "nw18nh": "NW1 8NH", " Nw1  8nH. ": "NW1 8NH", "N W 1 8 N H": "NW1 8NH",
		"NW1\u00a08NH": "NW1 8NH", "NW1\u200b8NH": "NW1 8NH", "\ufeffNW1 8NH\u200d": "NW1 8NH", "ＮＷ１ ８ｎｈ": "NW1 8NH",
		"E1 6AN": "E1 6AN", "E16AN": "E1 6AN", "E16 6AN": "E16 6AN", "EC1A 1BB": "EC1A 1BB", "W1A 0AX": "W1A 0AX", "m1-1ae": "M1 1AE",
		"GIR 0AA": "GIR 0AA", "npt 0ad": "NPT 0AD", "W1M 1AA": "W1M 1AA", "SW1A 2AA": "SW1A 2AA", "BT1 5GS": "BT1 5GS",
	} {
		if got, err := postcode.Parse(in); got != want || err != nil {
			t.Errorf("Parse(%q) is %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParsePartial(t *testing.T) {
	for in, want := range map[string]postcode.PartialError{
		"NW1": {Outward: "NW1"}, "e1": {Outward: "E1"}, "E16": {Outward: "E16"}, "W1A": {Outward: "W1A"},
		"E1 6": {Outward: "E1", Sector: "E1 6"}, "NW1 8": {Outward: "NW1", Sector: "NW1 8"}, "NW1\u00a08": {Outward: "NW1", Sector: "NW1 8"},
		"NW1 8N": {Outward: "NW1", Sector: "NW1 8"}, "SW1A1": {Outward: "SW1A", Sector: "SW1A 1"},
	} {
		want.Input = in
		_, err := postcode.Parse(in)
		var partial *postcode.PartialError
		if !errors.As(err, &partial) || *partial != want {
			t.Errorf("Parse(%q): %#v, want %#v", in, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ in, suggestion, problem string }{
		{"", "", "Enter a postcode"},
		{"  \u200b", "", "Enter a postcode"},
		{"SW1A OAA", "SW1A 0AA", "not a postcode"},
		{"SWIA 1AA", "SW1A 1AA", "not a postcode"},
		{"N1 lAA", "N1 1AA", "not a postcode"},
		{"NWl 8NH", "NW1 8NH", "not a postcode"},
		{"SO1O 1AA", "SO10 1AA", "not a postcode"},
		{"0X1 1AA", "OX1 1AA", "not a postcode"},
		{"NW1 8CK", "", "not a postcode"},
		{"ABC 1AA", "", "not a postcode"},
		{"NPT 0CD", "", "not a postcode"},
		{"12345", "", "not a postcode"},
		{"Camden", "", "not a postcode"},
		{"junkNW1 8NH", "", "not a postcode"},
		{"GIR 0AA junk", "GIR 0AA", "more here"},
		{"12 Camden Road, London NW1 8NH", "NW1 8NH", "more here"},
		{"BFPO 57", "", "forces"},
		{"ascn 1zz", "", "overseas"},
		{strings.Repeat("x", 1000), "", "not a postcode"},
	} {
		got, err := postcode.Parse(c.in)
		var syntax *postcode.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%q) is %q, %v; want a SyntaxError", c.in, got, err)
			continue
		}
		if syntax.Suggestion != c.suggestion || !strings.Contains(syntax.Problem, c.problem) || syntax.Input != c.in {
			t.Errorf("Parse(%q): %q, suggesting %q; want %q, suggesting %q", c.in, syntax.Problem, syntax.Suggestion, c.problem, c.suggestion)
		}
	}
}

func TestFind(t *testing.T) {
	for in, want := range map[string]postcode.Code{
		"12 Camden Road, London NW1 8NH":       "NW1 8NH",
		"Flat 1, 2 High St\nLondon\nnw18nh UK": "NW1 8NH",
		"Land at E1 6AN and E16 2AB":           "E1 6AN",
		"London EC1A\u00a01BB.":                "EC1A 1BB",
		"(W1A 0AX)":                            "W1A 0AX",
		"Old code NPT 0AD":                     "NPT 0AD",
		"GIR 0AA":                              "GIR 0AA",
		"2026/1234/P":                          "",
		"Unit B12 3CD":                         "", // C does not end a postcode
		"London NW1":                           "",
		"XNW1 8NHX":                            "",
		"":                                     "",
	} {
		if got, ok := postcode.Find(in); got != want || ok != (want != "") {
			t.Errorf("Find(%q) is %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestNonGeographic(t *testing.T) {
	for code, want := range map[postcode.Code]string{
		"BF1 2AA": "forces", "BX1 1LT": "large organisations", "XX1 1AA": "large", "QC1 1AA": "not addresses", "ZZ99 9ZZ": "unknown",
		"GX11 1AA": "Gibraltar", "GY1 1AA": "Guernsey", "JE2 3AB": "Jersey", "IM1 1AA": "Isle of Man",
		"NW1 8NH": "", "BT1 5GS": "", "B1 1AA": "", "ZZ9 9ZZ": "",
	} {
		reason, ok := postcode.NonGeographic(code)
		if ok != (want != "") || !strings.Contains(reason, want) {
			t.Errorf("NonGeographic(%s) is %q, %v", code, reason, ok)
		}
	}
}

func TestCodeParts(t *testing.T) {
	c := postcode.Code("EC1A 1BB")
	if c.Outward() != "EC1A" || c.Inward() != "1BB" || c.Sector() != "EC1A 1" {
		t.Errorf("%s has the parts %s, %s, %s", c, c.Outward(), c.Inward(), c.Sector())
	}
}

// anyCode draws a well-formed postcode.
func anyCode() *rapid.Generator[postcode.Code] {
	const units = "ABDEFGHJLNPQRSTUWXYZ"
	return rapid.Custom(func(t *rapid.T) postcode.Code {
		pattern := rapid.SampledFrom([]string{"A9", "A99", "A9A", "AA9", "AA99", "AA9A"}).Draw(t, "pattern") + " 9UU"
		return postcode.Code(strings.Map(func(r rune) rune {
			switch r {
			case 'A':
				return rune(rapid.SampledFrom([]byte("ABCDEFGHJKLMNPQRSTUVWXYZ")).Draw(t, "letter"))
			case '9':
				return rune(rapid.SampledFrom([]byte("0123456789")).Draw(t, "digit"))
			case 'U':
				return rune(rapid.SampledFrom([]byte(units)).Draw(t, "unit"))
			}
			return r
		}, pattern))
	})
}

func TestParseReadsAnySpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := anyCode().Draw(t, "code")
		spelt := string(code)
		if rapid.Bool().Draw(t, "lower") {
			spelt = strings.ToLower(spelt)
		}
		spelt = strings.Replace(spelt, " ", rapid.SampledFrom([]string{"", " ", "  ", "\u00a0", "\t", "\u200b", " \u200b", "-"}).Draw(t, "space"), 1)
		if got, err := postcode.Parse(spelt); got != code || err != nil {
			t.Fatalf("Parse(%q) is %q, %v; want %q", spelt, got, err, code)
		}
		if got, ok := postcode.Find("Flat 2, " + string(code) + ", London"); got != code || !ok {
			t.Fatalf("Find is %q, %v; want %q", got, ok, code)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"NW1 8NH", "E1 6", "SW1A OAA", "GIR 0AA", "BFPO 57", "ＮＷ１\u200b8NH", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, err := postcode.Parse(s)
		if err == nil {
			if again, err := postcode.Parse(string(code)); again != code || err != nil {
				t.Fatalf("%q is %q, which is %q, %v", s, code, again, err)
			}
			if found, ok := postcode.Find(string(code)); found != code || !ok {
				t.Fatalf("%q is not found in itself: %q", code, found)
			}
			return
		}
		var syntax *postcode.SyntaxError
		var partial *postcode.PartialError
		if !errors.As(err, &syntax) && !errors.As(err, &partial) || err.Error() == "" {
			t.Fatalf("%q: %T %v", s, err, err)
		}
		if syntax != nil && syntax.Suggestion != "" {
			if code, err := postcode.Parse(syntax.Suggestion); err != nil || string(code) != syntax.Suggestion {
				t.Fatalf("%q suggests %q: %v", s, syntax.Suggestion, err)
			}
		}
		postcode.Find(s)
	})
}
