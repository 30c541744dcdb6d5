package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// scrape reads what Prometheus would.
func scrape(t *testing.T, h http.Handler, token string) (status int, text string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Code, string(b)
}

// The whole way of an alert is counted; whatever people type and whatever links hold
// is in no metric, and every label is a word of a list.
func TestMetricsCountTheWorkAndNameNobody(t *testing.T) {
	eachWorld(t, func(w *world) {
		monitoring := w.monitoring()
		fetch := func() { // as the schedule does, in this process
			w.Helper()
			feeds, err := w.store.Feeds(w.Context())
			if err == nil {
				_, err = w.ingest.Fetch(w.Context(), feeds[0])
			}
			if err != nil {
				w.Fatal(err)
			}
		}
		w.register("A barn")
		fetch()
		w.pass("ingest")
		w.subscribe("jo.resident@example.org", alerts.Immediate)
		w.register("A barn", "A porch")
		fetch()
		w.pass("match", "compose", "deliver", "webhooks")
		// A visitor with an odd postcode, an odd method, an odd path and a token.
		for _, path := range []string{"/near?postcode=SW1A+1AA", "/manage/" + w.keys.Sign("manage", "1:2026-12-30"), "/jo.resident@example.org/SW1A1AA", "/search?q=jo.resident@example.org",
			"/applications/village/26%2F0%2FFUL", "/authorities/SW1A1AA"} {
			w.page(path)
		}
		r, _ := http.NewRequest("SW1A1AA", w.url+"/", nil)
		if res, err := http.DefaultClient.Do(r); err == nil {
			res.Body.Close()
		}
		http.PostForm(w.url+"/links", url.Values{"email": {"jo.resident@example.org"}})
		w.exec(`INSERT INTO sender (name, failures, paused_until, reason) VALUES ('webhooks', 3, 0, 'jo.resident@example.org')`)
		w.counts.pass("match", time.Second, errors.New("jo.resident@example.org cannot be matched"))
		w.counts.mail(alerts.DeliveryAlert, "jo.resident@example.org")

		status, text := scrape(w.T, monitoring, "")
		if status != 200 {
			w.Fatalf("status %d\n%s", status, text)
		}
		for _, want := range []string{
			`sitenotice_runs_total{verdict="complete"} 2`,
			`sitenotice_mails_total{class="accepted",kind="alert"} 1`,
			`sitenotice_mails_total{class="other",kind="alert"} 1`,
			`sitenotice_mails_total{class="accepted",kind="confirm"} 1`,
			`sitenotice_pass_duration_seconds_count{outcome="done",stage="match"}`,
			`sitenotice_pass_duration_seconds_count{outcome="failed",stage="match"} 1`,
			`sitenotice_http_request_duration_seconds_count{method="GET",route="/near",status=`,
			`route="/manage/{token}"`,
			`sitenotice_http_request_duration_seconds_count{method="other",route="-",status="405"} 1`,
			`sitenotice_queue_length{stage="deliver"} `,
			`sitenotice_queue_oldest_seconds{stage="match"} 0`,
			`sitenotice_stage_still_seconds{stage="compose"} `,
			`sitenotice_feed_age_seconds{feed="village"} 0`,
			`sitenotice_sender_failures{sender="webhooks"} 3`,
			`sitenotice_sender_failures{sender="mail"} 0`,
			`go_goroutines `,
		} {
			if !strings.Contains(text, want) {
				w.Errorf("lacks %s", want)
			}
		}
		for _, secret := range []string{"jo.res", "example.org", "SW1A", "1AA", "51.5", "26/", "26%2F", "2026-12-30", "porch", w.cfg.Data} {
			if strings.Contains(text, secret) {
				w.Errorf("a metric holds %q", secret)
			}
		}
		words := map[string][]string{"method": {"GET", "POST", "HEAD", "other"}, "stage": alerts.WorkNames, "outcome": {"done", "failed"}, "stuck": {"true", "false"}, "sender": {"mail", "webhooks"},
			"verdict": {"complete", "partial", "failed", "held"}, "kind": {"alert", "confirm", "manage"}, "class": {"accepted", "other"}, "feed": {"village"}}
		checked := 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "sitenotice_") {
				continue
			}
			for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(line, -1) {
				checked++
				switch label, value := m[1], m[2]; label {
				case "le", "status":
					if !regexp.MustCompile(`^(\d+(\.\d+)?|\+Inf)$`).MatchString(value) {
						w.Errorf("%s is %q", label, value)
					}
				case "route":
					if value != "-" && !strings.HasPrefix(value, "/") {
						w.Errorf("route %q is no template", value)
					}
				default:
					if !slices.Contains(words[label], value) {
						w.Errorf("the label %s has the value %q, which is not on the list", label, value)
					}
				}
			}
		}
		if checked < 100 {
			w.Errorf("only %d labels", checked)
		}
		w.store.Close()
		if status, text := scrape(w.T, monitoring, ""); status == 200 || strings.Contains(text, w.cfg.Data) {
			w.Errorf("without a database: status %d\n%s", status, text)
		}
	})
}

func TestMetricsAreShownToWhoHasTheToken(t *testing.T) {
	w := newWorld(t, storetest.Engine{Name: "sqlite", DSN: "sqlite:" + filepath.Join(t.TempDir(), "sitenotice.db")}, func(c *Config) { c.MetricsToken = "letmesee" })
	monitoring := w.monitoring()
	for token, want := range map[string]int{"": 401, "letmese": 401, "letmesee2": 401, "letmesee": 200} {
		if status, _ := scrape(t, monitoring, token); status != want {
			t.Errorf("with %q: status %d, want %d", token, status, want)
		}
	}
	if status, _ := w.page("/metrics"); status != 404 {
		t.Errorf("the pages answer /metrics with %d", status)
	}
	rec := httptest.NewRecorder()
	monitoring.ServeHTTP(rec, httptest.NewRequest("GET", "/healthz", nil))
	if rec.Code != 200 || !bytes.HasPrefix(rec.Body.Bytes(), []byte("ok")) {
		t.Errorf("/healthz of a worker: %d %s", rec.Code, rec.Body)
	}
}

func TestMetricsAreNotShownToEverybody(t *testing.T) {
	for _, c := range []struct {
		listen, token string
		ok            bool
	}{{"", "", true}, {"localhost:9090", "", true}, {"127.0.0.1:9090", "", true}, {"[::1]:9090", "", true}, {":9090", "", false}, {"0.0.0.0:9090", "", false},
		{"10.0.0.5:9090", "", false}, {"10.0.0.5:9090", "letmesee", true}, {"nonsense", "letmesee", false}} {
		cfg := Config{MetricsListen: c.listen, MetricsToken: c.token}
		if err := cfg.validateMetrics(); (err == nil) != c.ok || err != nil && !errors.Is(err, errUsage) {
			t.Errorf("listen on %q with token %q: %v", c.listen, c.token, err)
		}
	}
	for address, ok := range map[string]bool{"": true, "https://hc-ping.com/abc": true, "http://hc.example/x": true, "hc-ping.com/abc": false, "ftp://x/y": false, "https://x/y?z=1": false} {
		cfg := Config{AlarmPing: address}
		if err := cfg.validatePing(); (err == nil) != ok || err != nil && strings.Contains(err.Error(), fmt.Sprintf("%q", address)) {
			t.Errorf("ping %q: %v", address, err)
		}
	}
}
