package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/deliver/delivertest"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// dsn is what a mail server sends to a return path.
const dsn = "From: MAILER-DAEMON@mx.example.net\nTo: %s\nSubject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n" +
	"Content-Type: multipart/report; report-type=delivery-status; boundary=\"b1\"\n\n--b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n" +
	"Final-Recipient: rfc822; %s\nAction: failed\nStatus: 5.1.1\n\n--b1--\n"

// A program serves, another reads what comes back, as a mail server would start it.
func TestMailThatComesBackStopsMail(t *testing.T) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			relay := &delivertest.Relay{}
			relay.Start(t)
			address := freePort(t)
			base := "http://" + address
			data := t.TempDir()
			dsnDB := e.DSN
			env := []string{"SITENOTICE_DB=" + dsnDB, "SITENOTICE_KEYS=" + alerts.NewKeys(), "SITENOTICE_DATA=" + data, "SITENOTICE_MAIL=" + relay.URL(), "SITENOTICE_BASE_URL=" + base,
				"SITENOTICE_FROM=Sitenotice <alerts@example.org>", "SITENOTICE_LISTEN=" + address, "SITENOTICE_INBOUND=bounces@example.org"}
			run := func(in string, more []string, args ...string) (string, int) {
				t.Helper()
				cmd := exec.Command("sitenotice", args...)
				cmd.Env = append(append(os.Environ(), env...), more...)
				cmd.Stdin = strings.NewReader(in)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return string(out), cmd.ProcessState.ExitCode()
			}
			receive := func(in, want string) {
				t.Helper()
				if out, code := run(in, nil, "mail", "receive"); code != 0 || !strings.Contains(out, want) {
					t.Errorf("status %d, %q; want %q", code, out, want)
				}
			}
			source := filepath.Join(t.TempDir(), "village.csv")
			register := func(n int) {
				b := "key,reference,proposal,received,lon,lat\n"
				for i := range n {
					b += fmt.Sprintf("%d,26/%d,A porch,%s,-0.1426,51.5390\n", i, i, time.Now().Format(time.DateOnly))
				}
				if err := os.WriteFile(source, []byte(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			declaration := filepath.Join(t.TempDir(), "village.yaml")
			if err := os.WriteFile(declaration, []byte("feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - name: village\n    format: csv\n    url: "+source+
				"\n    columns: {source_key: key, reference: reference, description: proposal, received: received, lon: lon, lat: lat}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			register(1)
			for _, args := range [][]string{{"feed", "add", declaration}, {"feed", "run", "village"}} {
				if out, code := run("", nil, args...); code != 0 {
					t.Fatal(out)
				}
			}
			start(t, env, "serve")
			eventually(t, "the home page", 20*time.Second, func() bool { return get(t, base+"/healthz") != "" })
			for _, who := range []string{"gone", "stops", "stays"} {
				post(t, base+"/subscriptions", url.Values{"lat": {"51.539"}, "lon": {"-0.1426"}, "radius": {"500"}, "frequency": {"immediate"}, "email": {who + "@example.org"}})
			}
			eventually(t, "the confirmations", 20*time.Second, func() bool { return len(relay.Accepted()) == 3 })
			for _, m := range relay.Accepted() {
				if !strings.HasPrefix(m.From, "bounces+b-") {
					t.Errorf("the return path is %s", m.From)
				}
				confirm(t, body(t, m))
			}
			register(3)
			if out, code := run("", nil, "feed", "run", "village"); code != 0 {
				t.Fatal(out)
			}
			eventually(t, "the alerts", 30*time.Second, func() bool { return len(relay.Accepted()) == 6 })
			unsubscribe := regexp.MustCompile(`<mailto:([^?>]+)\?subject=unsubscribe>`)
			for _, m := range relay.Accepted()[3:] {
				switch m.To {
				case "gone@example.org":
					receive(fmt.Sprintf(dsn, m.From, m.To), "Taken: hard")
					receive(fmt.Sprintf(dsn, m.From, m.To), "Taken: hard")
				case "stops@example.org":
					to := unsubscribe.FindStringSubmatch(m.Header("List-Unsubscribe"))
					if to == nil {
						t.Fatalf("List-Unsubscribe is %s", m.Header("List-Unsubscribe"))
					}
					receive("To: "+to[1]+"\nSubject: unsubscribe\n\n", "Taken: unsubscribe")
				}
			}
			receive(fmt.Sprintf(dsn, "bounces+b-1-aaaaaaaaaaaaaaaaaaaa@example.org", "stays@example.org"), "Ignored: it names no mail of ours")
			receive("", "Ignored")
			receive("\x00\xff\n\n", "Ignored")
			db := e.DB(t)
			for query, want := range map[string]int{
				`SELECT count(*) FROM recipient WHERE state = 'active' AND address = 'stays@example.org'`: 1,
				`SELECT count(*) FROM recipient WHERE state = 'ended'`:                                    2,
				`SELECT count(*) FROM suppression`:                                                        1,
				`SELECT count(*) FROM consent WHERE method = 'stop' AND page = 'mail'`:                    1,
			} {
				var n int
				if err := db.QueryRow(query).Scan(&n); err != nil || n != want {
					t.Errorf("%s: %d (%v), want %d", query, n, err, want)
				}
			}
			// A mail server that cannot hand a message over keeps it.
			if out, code := run(fmt.Sprintf(dsn, "x", "y"), []string{"SITENOTICE_INBOUND="}, "mail", "receive"); code != 75 || !strings.Contains(out, "--inbound") {
				t.Errorf("without an address: status %d, %s", code, out)
			}
			if out, code := run("x", []string{"SITENOTICE_DB=postgres://nobody@127.0.0.1:1/none"}, "mail", "receive"); code != 75 {
				t.Errorf("without a database: status %d, %s", code, out)
			}
		})
	}
}
