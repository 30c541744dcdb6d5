package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The examples of docs/api.md are run as they stand, against the demo: its address
// and a token, made as a person makes one, are all that is put in.
func TestTheExamplesForProgramsWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("no curl found: install it (on Debian: apt-get install curl)")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	start(t, []string{"SITENOTICE_DB=", "SITENOTICE_DATA="}, "demo", "--listen", address, "--step", "200ms", "--data", t.TempDir())
	base := "http://" + address
	eventually(t, "the home page", 20*time.Second, func() bool { return strings.Contains(get(t, base+"/"), "postcode") })
	token := groupToken(t, base)

	var script strings.Builder
	script.WriteString("set -eu\n")
	examples := 0
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		script.WriteString(m[1])
		examples += strings.Count(m[1], "curl ")
	}
	if examples < 15 {
		t.Fatalf("only %d examples were found", examples)
	}
	sh := exec.Command("sh", "-c", strings.NewReplacer("https://alerts.example.org", base, "Bearer TOKEN", "Bearer "+token).Replace(script.String()))
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"applications":[{`, "authority,", `"type":"FeatureCollection"`, `"postcode":"N1C 4AG"`, `"events":[{"sequence":1,`, "\nevent: application.",
		`"radius_m":800`, `"state":"pending"`, `"label":"the old town"`, `"as_of":`, `"queued":`, "endpoint.ping", "whsec_"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the examples do not show %s:\n%.4000s", want, out)
		}
	}
}

// groupToken signs somebody in by the link in the captured mailbox, makes a group and
// returns a token for its programs.
func groupToken(t *testing.T, base string) string {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	send := func(path string, form url.Values) (body, at string) {
		t.Helper()
		r, err := browser.PostForm(base+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode >= 400 {
			t.Fatalf("POST %s: %d, %v\n%.2000s", path, r.StatusCode, err, b)
		}
		return string(b), r.Request.URL.Path
	}
	send("/sign-in", url.Values{"email": {"gwen@example.org"}})
	var link string
	eventually(t, "the sign-in mail", 30*time.Second, func() bool {
		for _, m := range mailLink.FindAllStringSubmatch(get(t, base+"/dev/mail"), -1) {
			if strings.Contains(m[2], "sign in") {
				link = regexp.MustCompile(`/sign-in/[\w-]{43}`).FindString(html.UnescapeString(get(t, base+m[1])))
			}
		}
		return link != ""
	})
	send(link, nil)
	_, at := send("/groups", url.Values{"name": {"Friends of the sample borough"}, "mine": {"Gwen"}})
	page, _ := send(strings.TrimSuffix(at, "/areas")+"/tokens", url.Values{"name": {"examples"}, "for": {"write"}, "days": {"30"}})
	token := regexp.MustCompile(`sn_[\w-]{43}`).FindString(page)
	if token == "" {
		t.Fatalf("no token on\n%.2000s", page)
	}
	return token
}
