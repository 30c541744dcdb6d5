package alerts_test

import (
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sitenotice/sitenotice/alerts"
)

// A link is believed only if it is, to the letter, one that we would make.
func FuzzVerify(f *testing.F) {
	ring := func(s string) alerts.Keys {
		keys, err := alerts.ParseKeys(s)
		if err != nil {
			f.Fatal(err)
		}
		return keys
	}
	older, newer := "old:"+strings.Repeat("A", 43), "new:"+strings.Repeat("B", 42)+"A"
	keys, old := ring(newer+","+older), ring(older)
	good := keys.Sign("manage", "17:2026-12-24")
	for _, seed := range []string{good, old.Sign("manage", "17:2026-12-24"), keys.Sign("stop", "17"), good + "=", good + ".", strings.ToUpper(good), " " + good, "..", "", "new..", strings.Replace(good, "new", "old", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		subject, err := keys.Verify("manage", token)
		if err == nil && token != keys.Sign("manage", subject) && token != old.Sign("manage", subject) {
			t.Errorf("%q passes for %q", token, subject)
		}
	})
}

// What is taken for an address is one, in the form in which it is stored, and can
// do no harm in a header or a log.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"ann@example.org", " Ann@Example.ORG ", "Ann <ann@example.org>", "ann@[127.0.0.1]", "ann@localhost", "a\r\nBcc: b@example.org", "ann@exämple.org",
		`"a b"@example.org`, "ann@example.org,bob@example.org", strings.Repeat("a", 65) + "@example.org", "ann@ex..org", "ann\u00a0@example.org", "ann@example.org\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, problem := alerts.ParseAddress(text)
		if problem != nil {
			if problem.Problem == "" || !utf8.ValidString(problem.Problem) {
				t.Errorf("%q is refused without a word to show", text)
			}
			return
		}
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address || parsed.Name != "" {
			t.Errorf("%q became %q, which is no plain address (%v)", text, address, err)
		}
		if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || len(address) > 254 {
			t.Errorf("%q became %q", text, address)
		}
		if again, problem := alerts.ParseAddress(address); problem != nil || again != address {
			t.Errorf("%q became %q, and that %q", text, address, again)
		}
	})
}
