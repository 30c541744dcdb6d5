package web_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/compose"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
	"github.com/sitenotice/sitenotice/web"
	"github.com/sitenotice/sitenotice/web/api"
)

// A site is the pages on a real store, with a clock of its own, a small table of
// postcodes and a handful of applications around Camden Town.
type site struct {
	*testing.T
	store   *store.Store
	server  *web.Server
	engine  storetest.Engine
	db      *sql.DB
	url     string
	client  *http.Client // follows no redirects
	log     *strings.Builder
	compose *compose.Stage

	mu  sync.Mutex
	now time.Time
}

var home = geo.Point{Lon: -0.142539, Lat: 51.539703}

// eachSite runs a test on both engines.
func eachSite(t *testing.T, test func(s *site)) {
	t.Helper()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(newSite(t, e)) })
	}
}

func newSite(t *testing.T, e storetest.Engine) *site {
	t.Helper()
	db, err := store.Open(t.Context(), e.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := alerts.ParseKeys(alerts.NewKeys())
	if err != nil {
		t.Fatal(err)
	}
	table, err := postcode.NewTable([]postcode.Row{
		{Code: "NW1 8NH", Easting: 528913, Northing: 183946, Quality: 1, Ward: "E05013656", District: "E09000007"},
		{Code: "N1C 4AG", Easting: 530144, Northing: 183285, Quality: 1, Ward: "E05013666", District: "E09000007"},
		{Code: "N1 9AG", Easting: 530500, Northing: 183300, Quality: 1, Ward: "E05013700", District: "E09000019"},
		{Code: "NW1 1XX", Easting: 529500, Northing: 183300, Quality: 8, Terminated: "2019-05", District: "E09000007"},
	}, map[string]string{"E09000007": "Camden", "E09000019": "Islington"}, postcode.Meta{Release: "Test 2026", Attribution: []string{"Contains OS data © Crown copyright and database right 2026"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, store: db, engine: e, db: e.DB(t), now: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC), log: &strings.Builder{}}
	s.server = &web.Server{
		Store: db, Postcodes: table, Keys: keys, Limits: alerts.DefaultLimits, Mailbox: true, Welsh: true, Contact: "hello@example.org", SecondPersonAbove: alerts.SecondPersonAbove,
		ConfirmMail: func(m web.ConfirmMail) (alerts.Delivery, error) {
			text := "Please confirm " + m.ConfirmURL + "\n"
			if m.Already {
				text = "You already follow this area: " + m.ManageURL + "\n"
			}
			for _, c := range m.Coverage {
				text += fmt.Sprintf("%s covered: %t\n", c.Name, c.Covered())
			}
			return mailOf("Confirm your alerts", text+"Never again: "+m.NeverURL+"\n"), nil
		},
		ManageMail: func(m web.ManageMail) (alerts.Delivery, error) {
			return mailOf("Your link", "Manage "+m.ManageURL+" until "+string(m.Valid)+"\n"), nil
		},
		InviteMail: func(m web.InviteMail) (alerts.Delivery, error) {
			return mailOf("Join "+m.Group, "Accept "+m.AcceptURL+"\n"), nil
		},
		MoveMail: func(m web.MoveMail) (alerts.Delivery, error) {
			return mailOf("Another address?", "Agree "+m.AgreeURL+"\n"), nil
		},
		SignInMail: func(m web.SignInMail) (alerts.Delivery, error) {
			return mailOf("Your link to sign in", "Sign in "+m.SignInURL+"\n"), nil
		},
		Now: func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now },
		Log: slog.New(slog.NewTextHandler(lockedWriter{&s.mu, s.log}, nil)),
	}
	front := httptest.NewUnstartedServer(nil)
	s.url = "http://" + front.Listener.Addr().String()
	s.server.BaseURL = s.url
	s.compose = &compose.Stage{Store: db, Keys: keys, BaseURL: s.url, Now: s.server.Now, Log: s.server.Log}
	s.server.Ping, s.server.HookWriter = s.compose.Ping, s.compose.HookWriter
	s.server.API = &api.API{Store: db, Postcodes: table, Keys: keys, Ping: s.compose.Ping, HookWriter: s.compose.HookWriter, BaseURL: s.url, Patience: 5 * time.Millisecond,
		Now: s.server.Now, Log: s.server.Log}
	front.Config.Handler = s.server.Handler()
	front.Start()
	t.Cleanup(front.Close)
	s.client = newClient()
	s.seed()
	return s
}

func newClient() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

var link = regexp.MustCompile(`https?://[^\s"<>]+`)

// mailOf makes a mail of a text, with the same links in its HTML.
func mailOf(subject, text string) alerts.Delivery {
	return alerts.Delivery{Subject: subject, Text: text, HTML: `<!doctype html><html lang="en-GB"><head><title>` + html.EscapeString(subject) + `</title></head><body><p style="font-size:16px">` +
		link.ReplaceAllString(html.EscapeString(text), `<a href="$0">$0</a>`) + `</p></body></html>`}
}

func (s *site) exec(query string, args ...any) {
	s.Helper()
	if _, err := s.db.Exec(query, args...); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
}

func (s *site) count(query string, args ...any) (n int) {
	s.Helper()
	if err := s.db.QueryRow(query, args...).Scan(&n); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
	return n
}

// advance moves the clock.
func (s *site) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// seed stores the authorities and some applications.
func (s *site) seed() {
	s.exec(`INSERT INTO authority (slug, name, district, website) VALUES ('camden', 'London Borough of Camden', 'E09000007', 'https://www.camden.gov.uk/')`)
	s.exec(`INSERT INTO feed (slug, authority, declaration, last_complete) VALUES ('camden', 'camden', '', $1)`, s.now.Add(-3*time.Hour).UnixMilli())
	s.exec(`INSERT INTO feed_authority (feed_id, authority) SELECT id, authority FROM feed`)
	add := func(metres, bearing float64, d alerts.Details) int64 {
		d.Site = alerts.Site{Lon: home.Lon, Lat: home.Lat, Method: alerts.MethodPoint, Uncertainty: 10}
		east, north := along(metres, bearing)
		d.Site.Lon += east / 69_300
		d.Site.Lat += north / 111_260
		return s.addApplication("camden", d)
	}
	add(120, 45, alerts.Details{Reference: "2026/0001/P", Address: "12 Lamplighter Street, London NW1 8NH", Description: "Single storey rear extension and 2 roof lights",
		Kind: alerts.KindHouseholder, Status: alerts.StatusConsultation, Received: "2026-11-12", Valid: "2026-11-14", CommentsUntil: "2026-12-05", CommentsSource: "the council's register",
		URL: "https://planning.camden.example/2026-0001", CommentURL: "https://planning.camden.example/2026-0001/comment"})
	add(300, 200, alerts.Details{Reference: "2026/0002/P", Address: "Coalwharf Yard, London NW1", Description: "Demolition of the warehouse and a seven storey building with 40 homes and shops on the ground floor",
		Kind: alerts.KindFull, Scale: "major", Status: alerts.StatusPending, Received: "2026-10-30"})
	decided := add(210, 300, alerts.Details{Reference: "2026/0003/L", Address: "3 Piano Yard, London NW1 8NG", Description: "Repair of the front railings and 4 sash windows",
		Kind: alerts.KindListed, Status: alerts.StatusDecided, Decision: alerts.DecisionApprovedConditions, Decided: "2026-11-20", Received: "2026-09-01"})
	add(450, 90, alerts.Details{Reference: "2025/9000/T", Address: "Tollgate Square, London NW1", Description: "Crown reduction of 3 lime trees by 2 m",
		Kind: alerts.KindTreesArea, Status: alerts.StatusWithdrawn, Withdrawn: "2025-07-01", Received: "2025-05-10"})
	before := s.details(decided)
	before.Status, before.Decision, before.Decided = alerts.StatusPending, "", ""
	s.addEvent(decided, 2, alerts.EventDecided, &before, s.details(decided))
}

// along resolves a distance and a bearing into metres east and north.
func along(metres, bearing float64) (east, north float64) {
	p := map[float64][2]float64{45: {.7071, .7071}, 90: {1, 0}, 200: {-.342, -.9397}, 300: {-.866, .5}}[bearing]
	return p[0] * metres, p[1] * metres
}

func (s *site) details(id int64) (d alerts.Details) {
	var text string
	if err := s.db.QueryRow(`SELECT details FROM application WHERE id = $1`, id).Scan(&text); err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		s.Fatal(err)
	}
	return d
}

func (s *site) addApplication(authority string, d alerts.Details) (id int64) {
	s.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		s.Fatal(err)
	}
	var cell, lon, lat any
	if d.Site.Located() {
		cell, lon, lat = int(math.Floor(d.Site.Lat/0.05))*10000+int(math.Floor(d.Site.Lon/0.08)), d.Site.Lon, d.Site.Lat
	}
	if err := s.db.QueryRow(`INSERT INTO application (authority, reference, version, first_seen, updated_at, listed, cell, lon, lat, details)
		VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9) RETURNING id`, authority, d.Reference, s.now.UnixMilli(), s.now.UnixMilli(), max(d.Received, "2020-01-01"), cell, lon, lat, string(b)).Scan(&id); err != nil {
		s.Fatal(err)
	}
	s.exec(`INSERT INTO alias (authority, reference_key, application_id) VALUES ($1, $2, $3)`, authority, alerts.ReferenceKey(d.Reference), id)
	s.addEvent(id, 1, alerts.EventReceived, nil, d)
	return id
}

func (s *site) addEvent(application int64, version int, t alerts.EventType, before *alerts.Details, after alerts.Details) {
	s.Helper()
	var was any
	if before != nil {
		b, _ := json.Marshal(before)
		was = string(b)
	}
	is, _ := json.Marshal(after)
	s.exec(`INSERT INTO event (application_id, version, type, state, at, run_id, before, after) VALUES ($1, $2, $3, 'silenced', $4, 1, $5, $6)`,
		application, version, t, s.now.UnixMilli(), was, string(is))
}

// A reply is an answer with its body read.
type reply struct {
	*http.Response
	Body string
}

func (s *site) do(r *http.Request) reply {
	s.Helper()
	w, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		s.Fatal(err)
	}
	return reply{w, string(b)}
}

func (s *site) request(method, path string, form url.Values) *http.Request {
	s.Helper()
	if !strings.HasPrefix(path, "http") {
		path = s.url + path
	}
	r, err := http.NewRequest(method, path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func (s *site) get(path string) reply { s.Helper(); return s.do(s.request(http.MethodGet, path, nil)) }

// post sends a form; the values come in pairs.
func (s *site) post(path string, values ...string) reply {
	s.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		form.Add(values[i], values[i+1])
	}
	return s.do(s.request(http.MethodPost, path, form))
}

var markup = regexp.MustCompile(`<[^>]*>`)

// expect fails the test unless an answer has that status and shows all of the texts.
func (s *site) expect(r reply, status int, texts ...string) {
	s.Helper()
	if r.StatusCode != status {
		s.Errorf("%s %s: status %d, want %d\n%s", r.Request.Method, r.Request.URL, r.StatusCode, status, clip(r.Body))
	}
	body := html.UnescapeString(r.Body)
	shown := html.UnescapeString(strings.Join(strings.Fields(markup.ReplaceAllString(r.Body, "")), " "))
	for _, want := range texts {
		if !strings.Contains(body, want) && !strings.Contains(shown, want) {
			s.Errorf("%s %s does not show %q", r.Request.Method, r.Request.URL, want)
		}
	}
}

func clip(s string) string {
	if len(s) > 3000 {
		return s[:3000] + "…"
	}
	return s
}

// signUp sends the sign-up form for home.
func (s *site) signUp(email string) reply {
	s.Helper()
	return s.post("/subscriptions", "postcode", "NW1 8NH", "radius", "500", "frequency", "daily", "email", email)
}

// lastMail is the text of the mail queued last.
func (s *site) lastMail() string {
	s.Helper()
	var text string
	if err := s.db.QueryRow(`SELECT text FROM delivery ORDER BY id DESC LIMIT 1`).Scan(&text); err != nil {
		s.Fatal(err)
	}
	return text
}

// mailLink is the first link in the last mail whose path begins like that, as a
// path.
func (s *site) mailLink(prefix string) string {
	s.Helper()
	for _, l := range link.FindAllString(s.lastMail(), -1) {
		if path, ok := strings.CutPrefix(l, s.url); ok && strings.HasPrefix(path, prefix) {
			return path
		}
	}
	s.Fatalf("no link to %s in\n%s", prefix, s.lastMail())
	return ""
}

var hiddenVersion = regexp.MustCompile(`name="version" value="(\d+)"`)

// confirm presses the button on the page that a link leads to.
func (s *site) confirm(path string) reply {
	s.Helper()
	var values []string
	for _, m := range hiddenVersion.FindAllStringSubmatch(s.get(path).Body, -1) {
		values = append(values, "version", m[1])
	}
	return s.post(path, values...)
}

// subscribed signs an address up, confirms it and returns its recipient.
func (s *site) subscribed(email string) (recipient int64) {
	s.Helper()
	s.expect(s.signUp(email), http.StatusSeeOther)
	s.expect(s.confirm(s.mailLink("/confirm/")), http.StatusOK, "Your alerts are confirmed")
	return int64(s.count(`SELECT max(recipient_id) FROM delivery`))
}

// deliver moves queued mails to the captured mailbox, as the sender does.
func (s *site) deliver() {
	s.Helper()
	rows, err := s.db.Query(`SELECT d.id, d.message_id, d.subject, d.text, d.html, r.address FROM delivery d JOIN recipient r ON r.id = d.recipient_id WHERE d.state = 'queued'`)
	if err != nil {
		s.Fatal(err)
	}
	type mail struct {
		id                                    int64
		message, subject, text, html, address string
	}
	var mails []mail
	for rows.Next() {
		var m mail
		if err := rows.Scan(&m.id, &m.message, &m.subject, &m.text, &m.html, &m.address); err != nil {
			s.Fatal(err)
		}
		mails = append(mails, m)
	}
	rows.Close()
	for _, m := range mails {
		raw := "From: Sitenotice <alerts@example.org>\r\nTo: " + m.address + "\r\nSubject: " + m.subject + "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + m.text + "\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + m.html + "\r\n--b--\r\n"
		s.exec(`INSERT INTO captured (message_id, at, address, subject, raw) VALUES ($1, $2, $3, $4, $5)`, m.message, s.now.UnixMilli(), m.address, m.subject, []byte(raw))
		s.exec(`UPDATE delivery SET state = 'sent' WHERE id = $1`, m.id)
	}
}

// How each register is read is for everybody to see; what is in its errors is not.
func TestHowRegistersAreReadIsPublic(t *testing.T) {
	eachSite(t, func(s *site) {
		s.expect(s.get("/reliability"), http.StatusOK, "London Borough of Camden", "As usual.", "Last read completely on")
		s.exec(`INSERT INTO run (feed_id, period, silent, verdict, reason, started_at, finished_at, rows_read, newest)
			SELECT id, 'p', FALSE, 'failed', 'the source at https://user:secret@data.example answers 500', $1, $2, 0, '' FROM feed`, s.now.UnixMilli(), s.now.UnixMilli())
		for _, path := range []string{"/reliability", "/authorities/camden", "/reliability.json"} {
			r := s.get(path)
			s.expect(r, http.StatusOK, "the last reading did not work")
			if strings.Contains(r.Body, "secret") {
				s.Errorf("%s shows the source's error", path)
			}
		}
		var page struct {
			Feeds []struct {
				Authority, State string
				LastGood         int64 `json:"last_good_ms"`
			}
		}
		if err := json.Unmarshal([]byte(s.get("/reliability.json").Body), &page); err != nil || len(page.Feeds) != 1 || page.Feeds[0].State != "needs_a_person" || page.Feeds[0].LastGood == 0 {
			s.Errorf("%+v (%v)", page, err)
		}
		s.expect(s.get("/reliability?page=2"), http.StatusOK, "No register is read yet")
	})
}

// Every choice of kinds that the form offers can be made.
func TestEachKindCanBeChosen(t *testing.T) {
	eachSite(t, func(s *site) {
		for i, key := range []string{"homes", "building", "use", "heritage", "trees", "signs", "conditions", "industry", "other"} {
			r := s.post("/subscriptions", "postcode", "NW1 8NH", "radius", "500", "frequency", "daily", "kinds", key, "email", fmt.Sprintf("dora%d@example.org", i))
			if r.StatusCode != http.StatusSeeOther && !strings.Contains(r.Body, "Check your e-mail") {
				s.Errorf("%s: %d", key, r.StatusCode)
			}
		}
	})
}
