package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"database/sql"
	"fmt"
	"html"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/feed"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
	"github.com/sitenotice/sitenotice/geo"
)

// A council is the whole program with one register, of a village, and its token.
type council struct {
	*testing.T
	service *service
	db      *sql.DB // for looking
	url     string
	folder  string // in which files wait
	log     *lockedLog
}

type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const villageDeclared = "feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - {name: v, format: csv, columns: {reference: ref, description: what, received: got, status: state, lon: lon, lat: lat}}\ncodes: {status: {REG: received}}\n"

func eachCouncil(t *testing.T, test func(c *council)) {
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) { test(newCouncil(t, e)) })
	}
}

func newCouncil(t *testing.T, e storetest.Engine) *council {
	t.Helper()
	dir := t.TempDir()
	c := &council{T: t, folder: filepath.Join(dir, "uploads"), log: &lockedLog{}}
	cfg := &Config{Data: dir, DB: e.DSN, BaseURL: "http://sitenotice.example", Mail: "capture", From: "Sitenotice <alerts@sitenotice.example>", Keys: alerts.NewKeys(), anyHost: true}
	s, err := newService(t.Context(), cfg, slog.New(slog.NewTextHandler(c.log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	c.service, c.db = s, e.DB(t)
	d, err := feed.Parse([]byte(villageDeclared))
	if err != nil {
		t.Fatal(err)
	}
	f, err := putFeed(t.Context(), s.store, []byte(villageDeclared), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.SetFeedToken(t.Context(), f.ID, alerts.HashSecret("right"), time.Now()); err != nil {
		t.Fatal(err)
	}
	pages, err := s.pages()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *council) count(query string, args ...any) (n int) {
	c.Helper()
	if err := c.db.QueryRow(query, args...).Scan(&n); err != nil {
		c.Fatalf("%s: %v", query, err)
	}
	return n
}

// follow has somebody follow the village.
func (c *council) follow(address string) { c.followAs(address, alerts.Immediate) }

func (c *council) followAs(address string, cadence alerts.Cadence) {
	c.Helper()
	many := alerts.Limits{SignUpsPerClientHour: 1e6, ConfirmationsPerDay: 1e6, ConfirmationsPerMonth: 1e6}
	area := alerts.Area{Kind: alerts.AreaCircle, Centre: geo.Point{Lon: -0.1425, Lat: 51.5397}, Radius: 500, Label: "home"}
	secret := ""
	err := c.service.store.Subscribe(c.Context(), alerts.SignUp{Address: address, Area: area, Cadence: cadence, Client: "test"}, c.service.keys.AddressKeys(address), many, time.Now(),
		func(l alerts.Letter) (alerts.Delivery, error) {
			secret = l.Secret
			return alerts.Delivery{MessageID: alerts.NewSecret() + "@test", Subject: "confirm", Text: "confirm"}, nil
		})
	if err != nil {
		c.Fatal(err)
	}
	standing, err := c.service.store.Awaiting(c.Context(), secret, time.Now())
	if err == nil {
		_, err = c.service.store.Confirm(c.Context(), secret, []int64{standing.Subscriptions[0].Current.ID}, time.Now())
	}
	if err != nil {
		c.Fatal(err)
	}
}

// An answered is what the server said.
type answered struct {
	code   int
	text   string // of a page, without tags
	body   string
	header http.Header
}

func (c *council) answer(res *http.Response, err error) answered {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(body), " "))
	return answered{res.StatusCode, strings.Join(strings.Fields(text), " "), string(body), res.Header}
}

// send sends the form of the page as a browser does.
func (c *council) send(feed, token, address, name string, file io.Reader) answered {
	c.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	m.WriteField("feed", feed)
	m.WriteField("token", token)
	part, err := m.CreateFormFile("file", name)
	if err != nil {
		c.Fatal(err)
	}
	if _, err := io.Copy(part, file); err != nil {
		c.Fatal(err)
	}
	m.WriteField("url", address)
	m.Close()
	return c.answer(http.Post(c.url+"/feeds/check", m.FormDataContentType(), &body))
}

// form returns the fields of the form on a page that goes to that address, as they stand.
func (a answered) form(t *testing.T, action string) url.Values {
	t.Helper()
	i := strings.Index(a.body, `<form action="`+action+`"`)
	if i < 0 {
		t.Fatalf("the page has no form to %s: %s", action, a.text)
	}
	text := a.body[i:]
	text = text[:strings.Index(text, "</form>")]
	v := url.Values{}
	field := regexp.MustCompile(`(?s)<input[^>]* name="([^"]+)"[^>]*>|<select[^>]* name="([^"]+)".*?</select>`)
	value := regexp.MustCompile(` value="([^"]*)"`)
	option := regexp.MustCompile(`<option( value="[^"]*")?( selected)?>([^<]*)`)
	for _, m := range field.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			got := ""
			if at := value.FindStringSubmatch(m[0]); at != nil {
				got = html.UnescapeString(at[1])
			}
			v.Add(m[1], got)
			continue
		}
		chosen, first := "", true
		for _, o := range option.FindAllStringSubmatch(m[0], -1) {
			is := html.UnescapeString(o[3])
			if o[1] != "" {
				is = html.UnescapeString(value.FindStringSubmatch(o[1])[1])
			}
			if first || o[2] != "" {
				chosen, first = is, false
			}
		}
		v.Add(m[2], chosen)
	}
	return v
}

func (c *council) post(path string, v url.Values) answered {
	c.Helper()
	return c.answer(http.PostForm(c.url+path, v))
}

func (c *council) expect(a answered, code int, texts ...string) {
	c.Helper()
	if a.code != code {
		c.Errorf("status %d, want %d: %s", a.code, code, a.text)
	}
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			c.Errorf("%q is missing in: %s", text, a.text)
		}
	}
}

// waiting counts the files that wait.
func (c *council) waiting() int {
	entries, _ := os.ReadDir(c.folder)
	return len(entries)
}

func (c *council) stored() int {
	c.Helper()
	apps, _, err := c.service.store.ByAuthority(c.Context(), "village", alerts.Cursor{}, 100)
	if err != nil {
		c.Fatal(err)
	}
	return len(apps)
}

const villageFile = "ref,what,got,state,lon,lat\n1,A house,2026-02-01,REG,-0.1425,51.5397\n2,=cmd|' /C calc'!A0,31/31/26,HUH,,\n3,A shed,2026-02-02,HUH,-0.1425,51.5397\n"

// The whole way of a council with a token: see what is in the file, mend it, hand it
// over; and hear whom the next one would tell before anybody is told.
func TestACouncilHandsOverItsFileOnAPage(t *testing.T) {
	eachCouncil(t, func(c *council) {
		page := c.answer(http.Get(c.url + "/feeds/check"))
		c.expect(page, 200, "Check a register", "village")

		for _, token := range []string{"", "wrong"} {
			c.expect(c.send("village", token, "", "register.csv", strings.NewReader(villageFile)), 422, "The token is missing or not the one of this register")
		}
		c.expect(c.send("hamlet", "right", "", "register.csv", strings.NewReader(villageFile)), 422, "The token is missing or not the one of this register")
		if c.waiting() != 0 {
			c.Errorf("%d files of people without a token wait", c.waiting())
		}

		page = c.send("village", "right", "", `C:\Planning\register.csv`, strings.NewReader(villageFile))
		c.expect(page, 200, "What is in register.csv", "3 rows were read: 2 can be used, 1 cannot", "2 applications are new to us", "first reading, so it would tell nobody",
			"With a closing date for comments none", "With a position all", "Codes whose meaning we have not been told", "status HUH 1", "3 got 31/31/26 This is not a date like 2026-02-28.")
		if strings.Contains(page.body, "right") || page.header.Get("Cache-Control") != "no-store" {
			c.Error("the page holds the token, or may be kept")
		}
		if c.stored() != 0 {
			c.Error("looking at a file stores something")
		}
		fixes := c.post("/feeds/check/fixes", page.form(t, "/feeds/check/fixes"))
		if want := "ref,what,got,state,lon,lat,line,what is wrong\n2,'=cmd|' /C calc'!A0,31/31/26,HUH,,,3,got: this is not a date like 2026-02-28\n"; fixes.body != want ||
			!strings.HasPrefix(fixes.header.Get("Content-Disposition"), "attachment") || fixes.header.Get("Cache-Control") != "no-store" {
			c.Errorf("%q %v", fixes.body, fixes.header)
		}
		hand := page.form(t, "/feeds/check/import")
		c.expect(c.post("/feeds/check/import", hand), 200, "The file is taken in", "2 new", "1 left out", "tells nobody", "has been deleted")
		if c.stored() != 2 || c.waiting() != 0 {
			c.Errorf("%d stored, %d files wait", c.stored(), c.waiting())
		}
		c.expect(c.post("/feeds/check/import", hand), 410, "not here any more") // pressed twice

		// Twelve people follow the place; the next file brings news.
		for n := range 12 {
			c.follow(fmt.Sprintf("p%d@example.org", n))
		}
		next := strings.Replace(villageFile, "1,A house", "1,Two houses", 1) + "4,A barn,2025-01-01,REG,-0.1426,51.5398\n"
		page = c.send("village", "right", "", "register.csv", strings.NewReader(next))
		c.expect(page, 200, "1 application is new to us, 1 says something else than before, and 1 is as before", "It would tell about 10 people about 2 applications; 2 of them are over 60 days old.")
		if n := c.count(`SELECT count(*) FROM event WHERE seq IS NOT NULL`); n != 0 {
			c.Errorf("looking at a file writes %d events", n)
		}
		c.expect(c.post("/feeds/check/import", page.form(t, "/feeds/check/import")), 200, "It brings 2 pieces of news")

		// A token that was ended meanwhile ends what it began.
		page = c.send("village", "right", "", "register.csv", strings.NewReader(next))
		f, err := c.service.store.Feed(c.Context(), "village")
		if err != nil {
			c.Fatal(err)
		}
		if _, err := c.service.store.SetFeedToken(c.Context(), f.ID, alerts.HashSecret("another"), time.Now()); err != nil {
			c.Fatal(err)
		}
		c.expect(c.post("/feeds/check/import", page.form(t, "/feeds/check/import")), 410, "not here any more")
		if strings.Contains(c.log.String(), "right") || strings.Contains(c.log.String(), page.form(t, "/feeds/check/import").Get("upload")) {
			c.Error("the log holds a token or a file's secret")
		}
	})
}

// Anybody can have a file of which nothing is known looked at, correct what its columns
// were taken for, and take home a declaration that works.
func TestAnUnknownFileBecomesADeclaration(t *testing.T) {
	const export = "Case No.,Wo,Proposal,Applicant Name,State,Logged\n26/1,\"1 High Street, York\",Two houses,Ann Example,Pending,03/02/2026\n26/2,\"2 High Street, York\",A shed,Bo Example,ZX9,04/02/2026\n26/3,\"3 High Street, York\",A barn,Cy Example,ZX9,4 Feb 2026\n"
	c := newCouncil(t, storetest.Engines(t)[0])
	page := c.send("", "", "", "export.csv", strings.NewReader(export))
	c.expect(page, 200, "What is in export.csv", "3 rows were read, and every one of them can be used", "What the columns mean", "The declaration")
	if strings.Contains(page.body, "Ann Example") {
		c.Error("the page shows the name of an applicant")
	}
	v := page.form(t, "/feeds/check/columns")
	if v.Get("from.reference") != "Case No." || v.Get("from.description") != "Proposal" || v.Get("from.address") != "" || v.Get("from.received") != "" {
		t.Errorf("%v", v)
	}
	v.Set("from.address", "Wo")
	v.Set("from.received", "Logged")
	v.Set("from.status", "State")
	v.Set("council", "Village: Council #1")
	v.Set("name", "hamlet")
	page = c.post("/feeds/check/columns", v)
	c.expect(page, 200, "3 rows were read: 2 can be used, 1 cannot", "4 Feb 2026", "Received 3 February 2026 to 4 February 2026", "02/01/2006", "ZX9")
	v = page.form(t, "/feeds/check/columns")
	if v.Get("layout.received") != "02/01/2006" || v.Get("from.address") != "Wo" || v.Get("council") != "Village: Council #1" {
		t.Errorf("%v", v)
	}
	for i, code := range v["code"] {
		if code == "ZX9" {
			v["means"][i] = "withdrawn"
		}
	}
	page = c.post("/feeds/check/columns", v)
	c.expect(page, 200, "ZX9: withdrawn")
	fixes := c.post("/feeds/check/fixes", page.form(t, "/feeds/check/columns"))
	if !strings.Contains(fixes.body, "26/3,") || strings.Contains(fixes.body, "26/1,") {
		t.Errorf("%q", fixes.body)
	}
	taken := c.post("/feeds/check/declaration", page.form(t, "/feeds/check/columns"))
	if !strings.Contains(taken.header.Get("Content-Disposition"), `"hamlet.yaml"`) {
		t.Errorf("%v", taken.header)
	}
	d, err := feed.Parse([]byte(taken.body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, taken.body)
	}
	report, err := d.Check("", strings.NewReader(export))
	if err != nil || report.Good != 2 || len(report.Unmapped()) != 0 || d.Authority.Name != "Village: Council #1" || d.Feed != "hamlet" {
		t.Errorf("%v %+v\n%s", err, report, taken.body)
	}

	// What cannot be right is said beside its field, and nothing typed is lost.
	v.Set("from.reference", "")
	page = c.post("/feeds/check/columns", v)
	c.expect(page, 422, "Choose the column that holds the application’s number")
	if got := page.form(t, "/feeds/check/columns"); got.Get("from.address") != "Wo" || got.Get("name") != "hamlet" {
		t.Errorf("%v", got)
	}
	v.Set("from.reference", "Case No.")
	v.Set("name", "Not A Slug")
	c.expect(c.post("/feeds/check/columns", v), 422, "should be a short name of small letters, digits and hyphens")
	// A file that nobody has declared cannot be handed over.
	c.expect(c.post("/feeds/check/import", v), 422, "Choose the register that this file belongs to")
}

// Files that are too large, endless, or no files at all harm nothing.
func TestHostileFilesHarmNothing(t *testing.T) {
	inFull(t)
	c := newCouncil(t, storetest.Engines(t)[0])
	zeros := func(n int64) io.Reader { return io.LimitReader(endless('a'), n) }
	bomb := func(from io.Reader) io.Reader {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		io.Copy(z, from)
		z.Close()
		return &b
	}
	zipped := func(name string, from io.Reader) io.Reader {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, _ := z.Create(name)
		io.Copy(w, from)
		z.Close()
		return &b
	}
	wide := "reference" + strings.Repeat(",column", 10_000) + "\n26/1" + strings.Repeat(",x", 10_000) + "\n"
	for _, test := range []struct {
		name string
		file io.Reader
		code int
		want string
	}{
		{"large.csv", zeros(17 << 20), 413, "larger than we look at"},
		{"line.csv.gz", bomb(io.MultiReader(strings.NewReader("reference,description\n26/1,\""), zeros(64<<20))), 422, "longer than 8 MB"},
		{"object.json.gz", bomb(io.MultiReader(strings.NewReader(`[{"reference":"26/1","description":"x"},{"reference":"`), zeros(64<<20))), 200, "longer than 8 MB"},
		{"text.xml.gz", bomb(io.MultiReader(strings.NewReader(`<a><r><reference>1</reference><b>1</b><c>1</c></r><r><reference>`), zeros(64<<20))), 200, "longer than 8 MB"},
		{"bomb.xlsx", zipped("xl/workbook.xml", zeros(1<<30+1<<20)), 422, "workbook cannot be opened"},
		{"archive.zip", zipped("readme.txt", strings.NewReader("hello")), 422, "zip archive and no workbook"},
		{"program.exe", strings.NewReader("MZ\x90\x00\x03\x00\x00\x00"), 422, "not text"},
		{"empty.csv", strings.NewReader(""), 422, "empty"},
		{"page.csv", strings.NewReader("<!DOCTYPE html><title>Log in</title>"), 422, "web page"},
		{"wide.csv", strings.NewReader(wide), 200, "1 row was read"},
		{"<script>alert(1)</script>.csv", strings.NewReader("reference,description\n<script>alert(2)</script>,\"<img src=x onerror=alert(3)>\"\n"), 200, "1 row was read"},
	} {
		began := time.Now()
		a := c.send("", "", "", test.name, test.file)
		c.expect(a, test.code, test.want)
		if strings.Contains(a.body, "<script") || strings.Contains(a.body, "<img src=x") {
			t.Errorf("%s: the page runs what it is sent", test.name)
		}
		if len(a.body) > 2<<20 {
			t.Errorf("%s: the page has %d bytes", test.name, len(a.body))
		}
		t.Logf("%s: %v", test.name, time.Since(began))
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s took %v", test.name, took)
		}
	}
	for _, e := range []string{"", "not-a-secret", "../../etc/passwd", strings.Repeat("x", 10_000)} {
		c.expect(c.post("/feeds/check/columns", url.Values{"upload": {e}}), 410, "not here any more")
	}
	c.expect(c.answer(http.Post(c.url+"/feeds/check", "text/plain", strings.NewReader("x"))), 422, "did not arrive whole")
	c.expect(c.send("", "", "", "", strings.NewReader("")), 422, "Choose a file")
}

// endless is an endless row of one byte.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// A file that waits can be read by nobody who has the folder only, and is gone after
// half an hour.
func TestAFileThatWaitsIsSealedAndForgotten(t *testing.T) {
	c := newCouncil(t, storetest.Engines(t)[0])
	now := time.Now()
	c.service.now = func() time.Time { return now }
	pages, err := c.service.pages()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages)
	defer server.Close()
	c.url = server.URL
	page := c.send("", "", "", "export.csv", strings.NewReader("reference,description,applicant\n26/1,A house,Ann Example\n"))
	v := page.form(t, "/feeds/check/columns")
	entries, err := os.ReadDir(c.folder)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v %v", entries, err)
	}
	path := filepath.Join(c.folder, entries[0].Name())
	kept, err := os.ReadFile(path)
	if err != nil || bytes.Contains(kept, []byte("Ann")) || bytes.Contains(kept, []byte("export.csv")) || strings.Contains(path, v.Get("upload")) {
		t.Errorf("%v: the file lies there to be read", err)
	}
	for _, p := range []string{c.folder, path} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, for others to see", p, info.Mode())
		}
	}
	c.expect(c.post("/feeds/check/columns", v), 200, "1 row was read")
	now = now.Add(31 * time.Minute)
	c.expect(c.post("/feeds/check/columns", v), 410, "not here any more")
	if c.waiting() != 0 {
		t.Error("the file is still there")
	}
	// One that nobody asks for again goes when the next one comes.
	c.send("", "", "", "export.csv", strings.NewReader("reference,description\n26/1,A house\n"))
	now = now.Add(31 * time.Minute)
	c.send("", "", "", "export.csv", strings.NewReader("reference,description\n26/1,A house\n"))
	if c.waiting() != 1 {
		t.Errorf("%d files wait", c.waiting())
	}
}

// An address is fetched from the public internet only, whatever it says and wherever
// it sends us on.
func TestAnAddressWithinIsNotFetched(t *testing.T) {
	c := newCouncil(t, storetest.Engines(t)[0])
	asked := 0
	within := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		io.WriteString(w, "reference,description\n26/1,secret\n")
	}))
	defer within.Close()
	for _, address := range []string{within.URL + "/planning.csv", "http://localhost:80/x", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://0/", "http://2130706433/",
		"http://168.63.129.16/", "http://10.0.0.1/", "http://[fd00::1]/", "https://example.org:22/"} {
		c.expect(c.send("", "", address, "", strings.NewReader("")), 422, "source does not answer")
	}
	for _, address := range []string{"/etc/passwd", "file:///etc/passwd", "register.csv", "ftp://example.org/x", "http://user@example.org/", "gopher://x"} {
		c.expect(c.send("", "", address, "", strings.NewReader("")), 422, "should look like https://")
	}
	if asked != 0 || c.waiting() != 0 {
		t.Errorf("asked %d times, %d files wait", asked, c.waiting())
	}

	// A public address is fetched and looked at like a file that was sent. The client that
	// refuses what is within gives way, so that a server here can stand for one out there.
	c.service.strange = within.Client()
	c.expect(c.send("", "", within.URL+"/planning.csv?key=1", "", strings.NewReader("")), 200, "What is in planning.csv", "1 row was read")
	for range 30 {
		c.send("", "", within.URL+"/planning.csv", "", strings.NewReader(""))
	}
	c.expect(c.send("", "", within.URL+"/planning.csv", "", strings.NewReader("")), 429, "too often")
	if asked > 21 {
		t.Errorf("a stranger can have an address asked %d times", asked)
	}
}

// Many at once wait for their turn; one file is taken in once.
func TestManyFilesAtOnce(t *testing.T) {
	c := newCouncil(t, storetest.Engines(t)[0])
	page := c.send("village", "right", "", "register.csv", strings.NewReader(villageFile))
	hand := page.form(t, "/feeds/check/import")
	var group sync.WaitGroup
	codes := make([]int, 6)
	for i := range codes {
		group.Go(func() {
			if i%2 == 0 {
				codes[i] = c.post("/feeds/check/import", hand).code
			} else {
				codes[i] = c.send("", "", "", "export.csv", strings.NewReader(villageFile)).code
			}
		})
	}
	group.Wait()
	taken := 0
	for i, code := range codes {
		switch {
		case i%2 == 0 && code == 200:
			taken++
		case i%2 == 0 && code != 409 && code != 410, i%2 == 1 && code != 200:
			t.Errorf("%d: %d", i, code)
		}
	}
	if taken == 0 || c.stored() != 2 || c.count(`SELECT count(*) FROM event`) != 2 {
		t.Errorf("taken in %d times, %d stored", taken, c.stored())
	}
}
