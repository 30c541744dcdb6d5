package alerts

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/geo"
)

func TestParseAddressAnswersTheCorpus(t *testing.T) {
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not here")
	}
	b, err := os.ReadFile(filepath.Join(shared, "delivery/corpora/email_addresses.json"))
	if err != nil {
		t.Fatal(err)
	}
	var corpus struct {
		Cases []struct{ In, Verdict string }
	}
	if err := json.Unmarshal(b, &corpus); err != nil {
		t.Fatal(err)
	}
	for _, c := range corpus.Cases {
		got, fault := ParseAddress(c.In)
		if (fault == nil) != (c.Verdict == "accept") {
			t.Errorf("ParseAddress(%q) = %q, %v; want %s", c.In, got, fault, c.Verdict)
		}
	}
}

func TestParseAddressStoresOneForm(t *testing.T) {
	for in, want := range map[string]string{
		"  a@example.org ":   "a@example.org",
		"Jo.O'N@Example.ORG": "Jo.O'N@example.org",
		"a@例え.jp":            "a@xn--r8jz45g.jp",
		"a+tag@example.org":  "a+tag@example.org",
	} {
		if got, fault := ParseAddress(in); fault != nil || got != want {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", in, got, fault, want)
		}
	}
	for _, in := range []string{
		"", "a", "@example.org", "a@", "a@b", "a@.org", "a@b..org", "a b@example.org", "a@1.2.3.4", "a@example.org.", "a@-b.org",
		"a%b@example.org", `"a"@example.org`, "a,b@example.org", "a@example.org\r\nBcc: x@example.org", strings.Repeat("a", 65) + "@example.org",
	} {
		if got, fault := ParseAddress(in); fault == nil || got != "" {
			t.Errorf("ParseAddress(%q) = %q, accepted", in, got)
		}
	}
}

func TestCheckWishNamesTheFieldAtFault(t *testing.T) {
	home := geo.Point{Lon: -0.1425, Lat: 51.5397}
	circle := func(p geo.Point, radius float64) Area { return Area{Kind: AreaCircle, Centre: p, Radius: radius} }
	for _, c := range []struct {
		name    string
		area    Area
		filter  Filter
		cadence Cadence
		want    string // fields at fault
	}{
		{"good", circle(home, 500), Filter{}, Daily, ""},
		{"least radius", circle(home, MinRadius), Filter{}, Immediate, ""},
		{"greatest radius", circle(home, MaxRadius), Filter{}, Weekly, ""},
		{"too small", circle(home, 49), Filter{}, Daily, "radius"},
		{"too large", circle(home, 10_001), Filter{}, Daily, "radius"},
		{"no number", circle(home, math.NaN()), Filter{}, Daily, "radius"},
		{"in the sea off Ghana", circle(geo.Point{}, 500), Filter{}, Daily, "lat"},
		{"swapped", circle(geo.Point{Lon: home.Lat, Lat: home.Lon}, 500), Filter{}, Daily, "lat"},
		{"no cadence", circle(home, 500), Filter{}, "", "frequency"},
		{"webhook cadence", circle(home, 500), Filter{}, Hook, "frequency"},
		{"unknown kind", circle(home, 500), Filter{Kinds: []Kind{"castles"}}, Daily, "kinds"},
		{"everything", Area{}, Filter{}, "", "area frequency"},
	} {
		var fields []string
		for _, f := range CheckWish(c.area, c.filter, c.cadence) {
			fields = append(fields, f.Field)
			if f.Problem == "" || strings.HasSuffix(f.Problem, ".") {
				t.Errorf("%s: problem %q should be a sentence without a full stop", c.name, f.Problem)
			}
		}
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%s: faults in %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCleanLabelIsOnePrintableLine(t *testing.T) {
	for in, want := range map[string]string{
		" home ":                        "home",
		"a\r\nBcc: x":                   "a Bcc: x",
		"\u202eevil\u200b\x00":          "evil",
		"Mum\u00a0& Dad":                "Mum & Dad",
		strings.Repeat("x", 80):         strings.Repeat("x", 60),
		string([]byte{0xff, 'o', 'k'}):  "ok",
		"\x1b[31mred":                   "[31mred",
		"Caf\u00e9 \U0001F3E0 corner\t": "Caf\u00e9 \U0001F3E0 corner",
	} {
		if got := CleanLabel(in); got != want {
			t.Errorf("CleanLabel(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whoever changes the words changes their version: consents are stored with it.
func TestConsentWordsBelongToTheirVersion(t *testing.T) {
	if got, want := ConsentVersion+" "+HashSecret(ConsentWords)[:12], "2026-11-23 "; !strings.HasPrefix(got, want) || got != consentSeal {
		t.Errorf("the words of consent are sealed as %q, not %q: change ConsentVersion with the words, then the seal", consentSeal, got)
	}
}

const consentSeal = "2026-11-23 UBzKX5FmlTFY"
