package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web"
)

// TestGETChangesNothing is invariant 9: a scanner that opens every link of every
// page and mail, with every harmless method, leaves the database as it was.
func TestGETChangesNothing(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		s.expect(s.post("/links", "email", "jo@example.org"), http.StatusSeeOther)
		s.expect(s.signUp("pending@example.org"), http.StatusSeeOther)
		s.deliver()
		k := s.server.Keys
		queue := []string{"/", "/near?postcode=NW1+8NH", "/near?lat=51.5397&lon=-0.1425&radius=10000", "/robots.txt", "/healthz", "/favicon.ico", "/accessibility", "/complaints", "/authorities/camden/report",
			"/subscriptions/sent", "/links/sent", "/no-such-page",
			"/u/" + k.Sign("unsubscribe", fmt.Sprintf("%d:daily", id)), "/stop/" + k.Sign("stop", "1"), "/never/" + k.Sign("never", fmt.Sprint(id)),
			"/manage/" + k.Sign("manage", fmt.Sprintf("%d:2026-12-30", id))}
		for _, post := range []string{"/subscriptions", "/links"} { // also what only takes forms
			queue = append(queue, post+"?email=x@example.org&postcode=NW1+8NH&radius=500&frequency=daily")
		}
		var mails []string
		rows, err := s.db.Query(`SELECT text FROM delivery`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			mails = append(mails, text)
		}
		rows.Close()
		for _, text := range mails {
			for _, l := range link.FindAllString(text, -1) {
				queue = append(queue, strings.TrimPrefix(l, s.url))
			}
		}
		before := s.engine.Dump(t, s.db)
		address := regexp.MustCompile(`(?:href|src|action)="([^"]+)"`)
		seen := map[string]bool{}
		for len(queue) > 0 {
			path := queue[0]
			queue = queue[1:]
			if seen[path] || !strings.HasPrefix(path, "/") {
				continue
			}
			seen[path] = true
			if len(seen) > 1500 {
				t.Fatal("the pages have no end")
			}
			for _, method := range []string{http.MethodHead, http.MethodOptions, http.MethodGet} {
				r := s.do(s.request(method, path, nil))
				if r.StatusCode >= 500 {
					t.Errorf("%s %s: status %d", method, path, r.StatusCode)
				}
				if method == http.MethodGet {
					for _, m := range address.FindAllStringSubmatch(r.Body, -1) {
						queue = append(queue, strings.TrimPrefix(html.UnescapeString(m[1]), s.url))
					}
				}
			}
		}
		for _, must := range []string{"/manage/", "/confirm/", "/u/", "/never/", "/stop/", "/dev/mail/1/html", "/applications/camden/2026%2F0001%2FP", "/authorities/camden"} {
			found := false
			for path := range seen {
				found = found || strings.HasPrefix(path, must)
			}
			if !found {
				t.Errorf("the crawl did not come to %s", must)
			}
		}
		if after := s.engine.Dump(t, s.db); after != before {
			t.Errorf("looking at pages changed the database; it was\n%s\nand is\n%s", before, after)
		}
	})
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		for _, path := range []string{"/", "/near?postcode=x", "/no-such-page", "/healthz", "/subscriptions", "//", "/u/x",
			"/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))} {
			h := s.get(path).Header
			csp := h.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: Content-Security-Policy %q", path, csp)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
				if h.Get(name) != want {
					t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
				}
			}
			if h.Get("Permissions-Policy") == "" {
				t.Errorf("%s: no Permissions-Policy", path)
			}
			if strings.HasPrefix(path, "/manage") && h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be stored: %q", path, h.Get("Cache-Control"))
			}
			if len(h.Values("Set-Cookie")) > 0 {
				t.Errorf("%s sets a cookie", path)
			}
		}
		if s.get("/").Header.Get("Strict-Transport-Security") != "" {
			t.Error("HSTS over plain http")
		}
		s.server.BaseURL = "https://alerts.example.org"
		w := httptest.NewRecorder()
		s.server.Handler().ServeHTTP(w, httptest.NewRequest("GET", "https://alerts.example.org/", nil))
		if w.Code != 200 || w.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("over https: status %d, HSTS %q", w.Code, w.Header().Get("Strict-Transport-Security"))
		}
	})
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo@example.org")
		before := s.engine.Dump(t, s.db)
		undo := "/u/" + s.server.Keys.Sign("unsubscribe", fmt.Sprintf("%d:daily", id)) + "/undo"
		for _, path := range []string{"/subscriptions", "/links", undo, "/manage/" + s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id)) + "/erase"} {
			r := s.request(http.MethodPost, path, url.Values{"sure": {"yes"}, "email": {"x@example.org"}})
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			s.expect(s.do(r), http.StatusForbidden, "sent from another website")
			r = s.request(http.MethodPost, path, url.Values{"sure": {"yes"}})
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
			s.expect(s.do(r), http.StatusForbidden)
		}
		if s.engine.Dump(t, s.db) != before {
			t.Error("a foreign form changed something")
		}
	})
}

func TestForeignHostsReachNoLink(t *testing.T) {
	var corpus struct{ Requests []map[string]string }
	shared(t, "delivery/corpora/host_header.json", &corpus)
	eachSite(t, func(s *site) {
		s.server.BaseURL = "https://alerts.example.org"
		s.server.Limits.SignUpsPerClientHour = 100
		front := httptest.NewServer(s.server.Handler())
		defer front.Close()
		form := "postcode=NW1+8NH&radius=500&frequency=daily&email="
		for i, headers := range corpus.Requests {
			target := "/subscriptions"
			if t, ok := headers["request-target"]; ok {
				target = strings.Replace(t, "/signup", "/subscriptions", 1)
			}
			body := form + fmt.Sprintf("p%d%%40example.org", i)
			raw := "POST " + target + " HTTP/1.1\r\n"
			for name, value := range headers {
				if name != "request-target" {
					raw += name + ": " + value + "\r\n"
				}
			}
			raw += fmt.Sprintf("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
			conn, err := net.Dial("tcp", front.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, raw)
			w, err := http.ReadResponse(bufio.NewReader(conn), nil)
			conn.Close()
			if err != nil {
				t.Fatal(err)
			}
			ours := headers["Host"] == "alerts.example.org" && headers["request-target"] == ""
			if want := map[bool]int{true: http.StatusSeeOther, false: http.StatusMisdirectedRequest}[ours]; w.StatusCode != want {
				t.Errorf("%v: status %d, want %d", headers, w.StatusCode, want)
			}
			if l := w.Header.Get("Location"); strings.Contains(l, "evil") || strings.Contains(l, "javascript") {
				t.Errorf("%v: sent to %s", headers, l)
			}
		}
		for _, l := range link.FindAllString(s.lastMail(), -1) {
			if !strings.HasPrefix(l, "https://alerts.example.org/") {
				t.Errorf("the mail links to %s", l)
			}
		}
	})
}

func TestHostileTextIsShownAsText(t *testing.T) {
	var corpus struct {
		HTML     []string `json:"html"`
		URLs     []string `json:"urls"`
		Provider []string `json:"template_and_provider"`
		Log      []string `json:"json_and_log"`
		Spoof    []string `json:"text_spoof"`
	}
	shared(t, "delivery/corpora/hostile_feed_text.json", &corpus)
	eachSite(t, func(s *site) {
		texts := append(append(append(append(corpus.HTML, corpus.URLs...), corpus.Provider...), corpus.Log...), corpus.Spoof...)
		texts = append(texts, strings.Repeat("x", 64<<10), "a\x00b")
		for i, text := range texts {
			d := alerts.Details{Reference: fmt.Sprintf("H/%d/%s", i, text), Address: text, Description: text, KindRaw: text, Kind: alerts.Kind(text), Status: alerts.Status(text),
				DecisionBy: text, CommentsSource: text, CommentsUntil: "2026-12-05", URL: text, CommentURL: text, AppealRef: text, Ward: text, Received: "2026-11-22",
				Site: alerts.Site{Lon: home.Lon, Lat: home.Lat, Method: alerts.MethodPoint}}
			d.Reference = strings.ReplaceAll(d.Reference, "\x00", "") // PostgreSQL stores no NUL at all
			if len(d.Reference) > 150 {
				d.Reference = fmt.Sprintf("H/%d", i)
			}
			id := s.addApplication("camden", d)
			before := d
			before.Description, before.Address = "was "+text, "was "+text
			s.addEvent(id, 2, alerts.EventAmended, &before, d)
			page := s.get("/applications/camden/" + url.PathEscape(d.Reference))
			if page.StatusCode != http.StatusOK {
				t.Errorf("%.60q: status %d", text, page.StatusCode)
			}
			checkHarmless(t, text, page.Body)
		}
		checkHarmless(t, "the area page", s.get("/near?postcode=NW1+8NH&radius=500").Body)
		checkHarmless(t, "the council's page", s.get("/authorities/camden").Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if strings.Contains(s.log.String(), "\x1b") || strings.Contains(s.log.String(), "forged") {
			t.Error("a feed's text is in the log")
		}
	})
}

var (
	tag       = regexp.MustCompile(`(?i)<(script|img|base|meta|style|iframe|h1|/table)\b[^>]*>`)
	allowed   = regexp.MustCompile(`^<(img src="/assets/icon-|meta charset="utf-8"|meta name="(viewport|color-scheme|robots)"|h1>|h1 |iframe class="mail")`)
	reference = regexp.MustCompile(`(?i)(href|src|action)="([^"]*)"`)
)

// checkHarmless looks for markup, links and invisible characters that only a
// hostile text can have brought.
func checkHarmless(t *testing.T, what, body string) {
	t.Helper()
	for _, m := range tag.FindAllString(body, -1) {
		if !allowed.MatchString(m) {
			t.Errorf("%.60q: the page has %s", what, m)
		}
	}
	for _, m := range reference.FindAllStringSubmatch(body, -1) {
		u, err := url.Parse(html.UnescapeString(m[2]))
		if err != nil || u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "mailto" || u.User != nil || strings.HasPrefix(m[2], "//") {
			t.Errorf("%.60q: the page leads to %s", what, m[2])
		}
	}
	for _, r := range []rune{'\u202e', '\u2028', '\u2029', '\u200b', 0x1b, 0} {
		if strings.ContainsRune(body, r) {
			t.Errorf("%.60q: the page has the character %U", what, r)
		}
	}
}

func TestLogsHoldNothingPersonal(t *testing.T) {
	eachSite(t, func(s *site) {
		id := s.subscribed("jo.findme@example.org")
		manage := s.server.Keys.Sign("manage", fmt.Sprintf("%d:2026-12-01", id))
		s.get("/manage/" + manage)
		s.get("/near?postcode=NW1+8NH")
		s.post("/manage/"+manage+"/erase", "sure", "yes")
		s.mu.Lock()
		log := s.log.String()
		s.mu.Unlock()
		for _, trace := range []string{"findme", manage, "NW1", "8NH", "127.0.0.1"} {
			if strings.Contains(log, trace) {
				t.Errorf("the log has %q", trace)
			}
		}
		for _, want := range []string{"route=/manage/{token}/erase", "route=/near", "route=/confirm/{secret}", "status=303"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %s:\n%s", want, clip(log))
			}
		}
	})
}

func TestLimitsAndMistakes(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.do(s.request(http.MethodPost, "/links", url.Values{"email": {strings.Repeat("x", 100<<10)}})), http.StatusRequestEntityTooLarge)
		s.expect(s.do(s.request(http.MethodPost, "/subscriptions", url.Values{"outline": {strings.Repeat("x", 2<<20)}})), http.StatusRequestEntityTooLarge)
		s.expect(s.do(s.request(http.MethodPut, "/", nil)), http.StatusMethodNotAllowed)
		s.expect(s.get("/no-such-page"), http.StatusNotFound, "Page not found")
		s.expect(s.get("/applications/camden/none"), http.StatusNotFound)
		s.expect(s.get("/applications/camden/%00"), http.StatusNotFound)
		s.expect(s.get("/authorities/atlantis"), http.StatusNotFound)
		s.expect(s.get("/near?postcode=NW1+8NH&radius=abc&after=%27%3B--"), http.StatusOK)
		s.expect(s.get("/near?postcode=NW1+8NH&radius=1e308"), http.StatusOK)
		s.expect(s.get("/near?postcode=NW1+8NH&radius=NaN"), http.StatusOK)
		s.expect(s.get("/healthz"), http.StatusOK, "ok")
		s.db.Exec(`DROP TABLE counter`)
		s.expect(s.get("/healthz"), http.StatusServiceUnavailable, "does not answer")
	})
}

func TestAFaultIsToldBlandlyAndLogged(t *testing.T) {
	eachSite(t, func(s *site) {
		s.exec(`DROP TABLE alias`)
		r := s.get("/applications/camden/x")
		s.expect(r, http.StatusInternalServerError, "Something went wrong on our side")
		if strings.Contains(r.Body, "alias") || strings.Contains(r.Body, "SQL") {
			t.Error("the page tells the detail")
		}
		s.mu.Lock()
		if !strings.Contains(s.log.String(), "alias") {
			t.Error("the log does not")
		}
		s.mu.Unlock()
		s.server.ConfirmMail = func(m web.ConfirmMail) (alerts.Delivery, error) { panic("no words") }
		s.expect(s.signUp("jo@example.org"), http.StatusInternalServerError, "Something went wrong")
		if n := s.count(`SELECT count(*) FROM recipient`); n != 0 {
			t.Errorf("a sign-up without its mail was stored (%d)", n)
		}
	})
}

func TestHiddenApplicationsAreNowhere(t *testing.T) {
	eachSite(t, func(s *site) {
		s.exec(`UPDATE application SET hidden = TRUE WHERE reference = '2026/0001/P'`)
		s.expect(s.get("/applications/camden/2026%2F0001%2FP"), http.StatusNotFound)
		for _, path := range []string{"/near?postcode=NW1+8NH", "/authorities/camden"} {
			if r := s.get(path); strings.Contains(r.Body, "Lamplighter") {
				t.Errorf("%s shows it", path)
			}
		}
		s.expect(s.get("/near?postcode=NW1+8NH"), http.StatusOK, "2 new applications")
	})
}

func TestApplicationPage(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get("/applications/camden/2026%2F0001%2FP"), http.StatusOK, "12 Lamplighter Street", "Single storey rear extension", "Comment by 5 December 2026 (12 days left), according to the council's register",
			`href="https://planning.camden.example/2026-0001" rel="noopener nofollow"`, "12 November 2026", "London time")
		s.expect(s.get("/applications/camden/2026%2F0003%2FL"), http.StatusOK, "20 November 2026", "Decision:")
		r := s.get("/applications/camden/2026%2F0001%2Fp")
		if l := r.Header.Get("Location"); r.StatusCode != http.StatusFound || l != "/applications/camden/2026%2F0001%2FP" {
			t.Errorf("another spelling: %d to %q", r.StatusCode, l)
		}
		s.exec(`INSERT INTO alias (authority, reference_key, application_id) VALUES ('camden', 'OLD/1', 1)`)
		if l := s.get("/applications/camden/OLD%2F1").Header.Get("Location"); l != "/applications/camden/2026%2F0001%2FP" {
			t.Errorf("an old reference leads to %q", l)
		}
		s.expect(s.get("/authorities/camden"), http.StatusOK, "last read completely 3 hours ago", "4 applications", "12 Lamplighter Street")
	})
}

func TestPagingShowsEachApplicationOnce(t *testing.T) {
	eachSite(t, func(s *site) {
		for i := range 60 {
			s.addApplication("camden", alerts.Details{Reference: fmt.Sprintf("P/%d", i), Address: fmt.Sprintf("%d Page Street", i), Received: alerts.Date(fmt.Sprintf("2026-10-%02d", 1+i%7)),
				Site: alerts.Site{Lon: home.Lon + float64(i-30)/100_000, Lat: home.Lat, Method: alerts.MethodPoint}})
		}
		for _, start := range []string{"/near?postcode=NW1+8NH", "/authorities/camden"} {
			times := map[string]int{}
			more := regexp.MustCompile(`<a href="([^"]+)">Older applications</a>`)
			for path := start; path != ""; {
				body := s.get(path).Body
				for _, m := range regexp.MustCompile(`>(\d+ Page Street)<`).FindAllStringSubmatch(body, -1) {
					times[m[1]]++
				}
				path = ""
				if m := more.FindStringSubmatch(body); m != nil {
					path = html.UnescapeString(m[1])
				}
			}
			if len(times) != 60 {
				t.Errorf("%s: %d of 60 shown", start, len(times))
			}
			for what, n := range times {
				if n != 1 {
					t.Errorf("%s: %s shown %d times", start, what, n)
				}
			}
		}
	})
}

func TestCapturedMailOnlyWhenItIsCaptured(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.signUp("jo@example.org"), http.StatusSeeOther)
		s.expect(s.get("/dev/mail"), http.StatusOK, "No mail yet")
		s.deliver()
		s.expect(s.get("/dev/mail"), http.StatusOK, "Confirm your alerts", "jo@example.org")
		s.expect(s.get("/dev/mail/1"), http.StatusOK, "Please confirm", "sandbox", "Mime-Version")
		r := s.get("/dev/mail/1/html")
		s.expect(r, http.StatusOK, `<base target="_top">`, "Please confirm")
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("the mail's own policy is %q", csp)
		}
		s.expect(s.get("/dev/mail/99"), http.StatusNotFound)
		s.server.Mailbox = false
		front := httptest.NewServer(s.server.Handler())
		defer front.Close()
		s.server.AnyHost = true
		if w, err := http.Get(front.URL + "/dev/mail"); err != nil || w.StatusCode == http.StatusOK {
			t.Errorf("shown although nothing is captured: %v, %v", w.StatusCode, err)
		}
	})
}

func TestClientsBehindATrustedProxy(t *testing.T) {
	// Counted by what the limit does, as the client is only kept as a hash.
	eachSite(t, func(s *site) {
		s.server.Limits.SignUpsPerClientHour = 1
		ask := func(i int, forwarded string) int {
			r := s.request(http.MethodPost, "/subscriptions", url.Values{"postcode": {"NW1 8NH"}, "radius": {"500"}, "frequency": {"daily"}, "email": {fmt.Sprintf("p%d@example.org", i)}})
			r.Header.Set("X-Forwarded-For", forwarded)
			return s.do(r).StatusCode
		}
		if a, b := ask(1, "198.51.100.1"), ask(2, "198.51.100.2"); a != 303 || b != 429 {
			t.Errorf("without a trusted proxy the header counted: %d, %d", a, b)
		}
		if err := json.Unmarshal([]byte(`["127.0.0.0/8", "203.0.113.0/24"]`), &s.server.TrustedProxies); err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			forwarded string
			want      int
		}{
			{"198.51.100.1", 303},
			{"198.51.100.1", 429},
			{"6.6.6.6, 198.51.100.1", 429},     // what a client writes itself does not count
			{"198.51.100.9, 203.0.113.7", 303}, // through another trusted hop
			{"2001:db8:1:2::1", 303},           //
			{"2001:db8:1:2:ffff::9", 429},      // the same /64
			{"2001:db8:1:3::1", 303},           //
			{"nonsense", 429},                  // counts as the proxy itself, whose turn was above
		} {
			if got := ask(10+i, c.forwarded); got != c.want {
				t.Errorf("X-Forwarded-For: %s: status %d, want %d", c.forwarded, got, c.want)
			}
		}
	})
}
