package alerts

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shared returns a file of the sample data; the test is skipped when there is none.
func shared(t *testing.T, path ...string) []byte {
	t.Helper()
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		t.Skip("SITENOTICE_SHARED is not set: the corpus is not read")
	}
	b, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOnlyThePublicInternetMayBeDialled(t *testing.T) {
	r := csv.NewReader(strings.NewReader(string(shared(t, "delivery", "corpora", "ssrf_addresses.csv"))))
	r.Comment, r.FieldsPerRecord = '#', 4
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 50 {
		t.Fatalf("%d addresses: %v", len(rows), err)
	}
	// A real dialer asks; where it would go on, it is stopped before it connects.
	stopped := errors.New("stopped")
	dialer := net.Dialer{Timeout: time.Second, Control: func(network, address string, c syscall.RawConn) error {
		if err := (Guard{}).Control(network, address, c); err != nil {
			return err
		}
		return stopped
	}}
	for _, row := range rows {
		t.Run(row[0], func(t *testing.T) {
			at := netip.AddrPortFrom(netip.MustParseAddr(row[0]), 443)
			if got := (Guard{}).Allows(at); got != (row[1] == "allow") {
				t.Errorf("allowed %v, want %s (%s)", got, row[1], row[2])
			}
			want := ErrNotPublic
			if row[1] == "allow" {
				want = stopped
			}
			if conn, err := dialer.Dial("tcp", at.String()); !errors.Is(err, want) {
				// A machine without IPv6, or a zone that is no interface, is not even asked.
				if !strings.Contains(fmt.Sprint(err), "address family not supported") && !strings.Contains(fmt.Sprint(err), "no such network interface") {
					t.Errorf("dialled: %v, %v; want %v (%s)", conn, err, want, row[2])
				}
			}
		})
	}
}

func TestAddressesBesideTheCorpusAreRefusedToo(t *testing.T) {
	own := netip.MustParseAddr("1.1.1.1")
	for _, c := range []struct {
		guard Guard
		at    string
		want  bool
	}{
		{Guard{}, "8.8.8.8:443", true},
		{Guard{}, "8.8.8.8:8443", true},
		{Guard{}, "8.8.8.8:80", false},
		{Guard{}, "8.8.8.8:22", false},
		{Guard{}, "168.63.129.16:443", false}, // Azure's, which looks public
		{Guard{}, "[::ffff:168.63.129.16]:443", false},
		{Guard{}, "[fe80::1%eth0]:443", false},
		{Guard{}, "[2606:4700:4700::1111%eth0]:443", false},
		{Guard{}, "[::ffff:8.8.8.8]:443", true},
		{Guard{}, "240.0.0.1:443", false},
		{Guard{Own: []netip.Addr{own}}, "1.1.1.1:443", false}, // ours, however public
		{Guard{Own: []netip.Addr{own}}, "[::ffff:1.1.1.1]:443", false},
		{Guard{Own: []netip.Addr{own}}, "1.0.0.1:443", true},
	} {
		if got := c.guard.Allows(netip.MustParseAddrPort(c.at)); got != c.want {
			t.Errorf("%s: allowed %v, want %v", c.at, got, c.want)
		}
	}
}

func TestOddAddressesAreRefusedWhenAnEndpointIsMade(t *testing.T) {
	var corpus struct {
		Cases []struct{ URL, Verdict, Why string }
	}
	if err := json.Unmarshal(shared(t, "delivery", "corpora", "ssrf_urls.json"), &corpus); err != nil || len(corpus.Cases) < 60 {
		t.Fatalf("%d addresses: %v", len(corpus.Cases), err)
	}
	for _, c := range corpus.Cases {
		t.Run(c.URL, func(t *testing.T) {
			got, err := (URLPolicy{}).Check(c.URL)
			var invalid *InvalidError
			switch {
			case c.Verdict == "reject" && !errors.As(err, &invalid):
				t.Errorf("%q (%s) is stored as %q", c.URL, c.Why, got)
			case c.Verdict != "reject" && err != nil:
				t.Errorf("%q (%s): %v", c.URL, c.Why, err)
			case c.Verdict == "reject" && (invalid.Field != "url" || strings.Contains(invalid.Problem, "%!")):
				t.Errorf("%q: %+v", c.URL, invalid)
			}
		})
	}
}

func TestAnAddressIsStoredInOneForm(t *testing.T) {
	for given, want := range map[string]string{
		"HTTPS://Hooks.Example.ORG/A?b=%2F#frag":             "https://hooks.example.org/A?b=%2F",
		"https://hooks.example.org":                          "https://hooks.example.org/",
		"https://hooks.example.org:443/x":                    "https://hooks.example.org/x",
		"https://hooks.example.org:8443/x":                   "https://hooks.example.org:8443/x",
		"https://bücher.example/hook":                        "https://xn--bcher-kva.example/hook",
		"https://hooks.example.org./x":                       "https://hooks.example.org/x",
		"https://hooks.example.org/%0d%0aX-Injected:%201":    "https://hooks.example.org/%0d%0aX-Injected:%201",
		"https://8.8.8.8/x":                                  "https://8.8.8.8/x",
		"https://[2606:4700:4700::1111]/x":                   "https://[2606:4700:4700::1111]/x",
		"  https://hooks.example.org/a/../b  ":               "https://hooks.example.org/a/../b",
		"https://HOOKS.example.org/Path%20with/MiXeD%2fcase": "https://hooks.example.org/Path%20with/MiXeD%2fcase",
	} {
		got, err := (URLPolicy{}).Check(given)
		if err != nil || got != want {
			t.Errorf("%q is stored as %q, want %q (%v)", given, got, want, err)
		}
		if again, err := (URLPolicy{}).Check(got); err != nil || again != got {
			t.Errorf("%q becomes %q when it is checked again (%v)", got, again, err)
		}
	}
	for _, odd := range []string{"https://user:secret@hooks.example.org/", "https://hooks.example.org:/", "https://hooks.example.org:65536/", "https://1.2.3/", "https://db.corp/", "https://a_b/"} {
		if got, err := (URLPolicy{}).Check(odd); err == nil {
			t.Errorf("%q is stored as %q", odd, got)
		}
	}
	if _, err := (URLPolicy{}).Check("https://hooks.example.org/" + strings.Repeat("a", MaxEndpointURL)); err == nil {
		t.Error("an address of more than 2,048 characters is accepted")
	}
}

func TestRefusalsSayNothingOfOurNetwork(t *testing.T) {
	words := map[string]bool{}
	for _, u := range []string{"https://127.0.0.1/", "https://10.1.2.3/", "https://168.63.129.16/", "https://printer.local/", "https://db/", "https://[::1]/", "https://100.100.100.200/"} {
		_, err := (URLPolicy{}).Check(u)
		if err == nil {
			t.Fatalf("%s is accepted", u)
		}
		words[err.Error()] = true
	}
	if len(words) != 1 {
		t.Errorf("the words tell our networks apart: %v", words)
	}
}

func FuzzEndpointAddress(f *testing.F) {
	for _, s := range []string{"https://hooks.example.org/", "https://127.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://[::ffff:7f00:1]:8443/", "https://a@b/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := (URLPolicy{}).Check(s)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, "https://") || strings.ContainsAny(got, "\r\n\\ ") || strings.Contains(got, "#") {
			t.Errorf("%q is stored as %q", s, got)
		}
		if again, err := (URLPolicy{}).Check(got); err != nil || again != got {
			t.Errorf("%q is stored as %q, which becomes %q (%v)", s, got, again, err)
		}
	})
}
