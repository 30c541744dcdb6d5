package compose

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twpayne/go-geom"
	"golang.org/x/net/html"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func testWriter(t testing.TB) *writer {
	keys, err := alerts.ParseKeys("test:" + strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	s := &Stage{Keys: keys, BaseURL: "https://alerts.example.org", Contact: "operator@example.org",
		Attribution: []string{"Contains OS data © Crown copyright and database right 2026."}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	return &writer{Stage: s, now: now, today: alerts.DateOf(now), authorities: map[string]alerts.Coverage{
		"camden": {Authority: alerts.Authority{Slug: "camden", Name: "London Borough of Camden"}, Feeds: 1, LastRead: now.Add(-20 * time.Minute).UnixMilli()}},
		readings: map[string]alerts.Readings{"camden": {Checks: 38}}}
}

// sampleBulletin has one of each kind of news, in two areas.
func sampleBulletin() alerts.Bulletin {
	home := geo.Point{Lon: -0.1426, Lat: 51.5390}
	sub := func(id int64, p geo.Point, radius float64, label string, c alerts.Cadence) alerts.Subscription {
		return alerts.Subscription{ID: id, Current: alerts.Version{ID: id, Area: alerts.Area{Kind: alerts.AreaCircle, Centre: p, Radius: radius, Label: label}, Cadence: c}}
	}
	b := alerts.Bulletin{Recipient: alerts.Recipient{ID: 7}, Cadence: alerts.Daily, Subscriptions: []alerts.Subscription{
		sub(1, home, 500, "NW1 8NH", alerts.Daily), sub(2, geo.Point{Lon: -0.1238, Lat: 51.5308}, 1000, "N1C 4AG", alerts.Daily)}}
	add := func(id int64, subs []int64, d alerts.Details, before *alerts.Details, types ...alerts.EventType) *alerts.CaseNews {
		n := alerts.CaseNews{ApplicationID: id, Authority: "camden", Details: &d, Subscriptions: subs}
		for i, t := range types {
			n.Events = append(n.Events, &alerts.Event{Seq: id*10 + int64(i), ApplicationID: id, Authority: "camden", Type: t, At: now.Add(-time.Hour).UnixMilli(), Before: before, After: d})
		}
		b.Cases = append(b.Cases, n)
		return &b.Cases[len(b.Cases)-1]
	}
	site := func(dLon, dLat float64) alerts.Site {
		return alerts.Site{Lon: home.Lon + dLon, Lat: home.Lat + dLat, Method: alerts.MethodPoint}
	}
	base := alerts.Details{Reference: "2026/1042/P", Address: "12 Lamplighter Street, London NW1 8NH", Description: "Single-storey rear extension with a green roof", Kind: alerts.KindHouseholder,
		Status: alerts.StatusPending, Received: "2026-11-16", Site: site(0.002, 0.001), URL: "https://planning.camden.example/case/1042", CommentURL: "https://planning.camden.example/case/1042/comment",
		CommentsUntil: "2026-12-12", CommentsSource: "council"}
	add(1, []int64{1}, base, nil, alerts.EventReceived)

	changed := base
	changed.Reference, changed.Address, changed.Description = "2026/0988/P", "3 Wharf Yard, London N1C 4AG", "Change of use of the ground floor from a shop to a café with 40 seats outside"
	changed.Kind, changed.Site, changed.CommentsUntil, changed.CommentURL = alerts.KindChangeOfUse, site(0.017, -0.007), "2026-11-25", ""
	before := changed
	before.Description, before.CommentsUntil = "Change of use of the ground floor from a shop to a café with 10 seats outside", "2026-11-18"
	add(2, []int64{2}, changed, &before, alerts.EventConsultation, alerts.EventAmended)

	approved := base
	approved.Reference, approved.Address, approved.Site = "2026/0871/P", "Flat 2, 40 Bargehouse Lane, London NW1 9LN", site(-0.003, -0.002)
	approved.Decision, approved.Decided, approved.Status = alerts.DecisionRefused, "2026-11-20", alerts.StatusDecided
	undecided := approved
	undecided.Decision, undecided.Decided, undecided.Status = "", "", alerts.StatusPending
	add(3, []int64{1, 2}, approved, &undecided, alerts.EventDecided)

	late := base
	late.Reference, late.Address, late.Description, late.Received = "2026/0102/T", "Land behind the Old Brewery", "Fell one ash (protected)", "2026-02-02"
	late.Kind, late.CommentsUntil, late.URL, late.CommentURL = alerts.KindTreesTPO, "", "", ""
	late.Site.Uncertainty, late.Site.Method = 100, alerts.MethodPostcode
	add(4, []int64{1}, late, nil, alerts.EventReceived).Events[0].Late = true

	moved := base
	moved.Reference, moved.Address, moved.Site = "2026/1001/P", "90 Pound Lane, London NW5 1AA", site(0.001, 0.03)
	add(5, []int64{1}, moved, &base, alerts.EventLocated).Correction = true
	return b
}

// reminderBulletin reminds of one case.
func reminderBulletin() alerts.Bulletin {
	b := sampleBulletin()
	n := b.Cases[0]
	d := *n.Details
	d.CommentsUntil, n.Events = "2026-11-26", nil
	n.Details = &d
	b.Cases, b.Reminders, b.Subscriptions = nil, []alerts.CaseNews{n}, b.Subscriptions[:1]
	return b
}

// togetherBulletin has two cases on one site with a past, drawn as an outline.
func togetherBulletin() alerts.Bulletin {
	b := sampleBulletin()
	b.Subscriptions = b.Subscriptions[:1]
	full := b.Cases[0]
	d := *full.Details
	flat := []float64{-.1410, 51.5399, -.1402, 51.5399, -.1402, 51.5403, -.1410, 51.5403, -.1410, 51.5399}
	shape, err := geo.EncodeWKB(geom.NewPolygonFlat(geom.XY, flat, []int{len(flat)}))
	if err != nil {
		panic(err)
	}
	d.Site = alerts.Site{Lon: -.1406, Lat: 51.5401, Shape: shape, Method: alerts.MethodBoundary}
	d.Kind, d.Description = alerts.KindFull, "Conversion of the brewery to 18 flats with a roof terrace"
	was := d
	was.Description = "Conversion of the brewery to 12 flats"
	full.Details = &d
	full.Events = []*alerts.Event{{Seq: 1, ApplicationID: 1, Authority: "camden", Type: alerts.EventAmended, Before: &was, After: d}}
	full.Past = []alerts.PastCase{{ID: 90, Ending: alerts.EndingRefused}, {ID: 91, Ending: alerts.EndingRefused}, {ID: 92, Ending: alerts.EndingApproved}, {ID: 6, Ending: alerts.EndingOpen}}
	listed := d
	listed.Reference, listed.Kind, listed.Description = "2026/1043/L", alerts.KindListed, "Internal alterations"
	second := full
	second.ApplicationID, second.Details = 6, &listed
	second.Events = []*alerts.Event{{Seq: 2, ApplicationID: 6, Authority: "camden", Type: alerts.EventReceived, After: listed}}
	b.Cases = []alerts.CaseNews{full, second}
	return b
}

// correcting has one case of which something that was told is put right, or that
// reaches somebody who had been missed.
func correcting(t alerts.EventType, correction bool) alerts.Bulletin {
	b := sampleBulletin()
	b.Subscriptions = b.Subscriptions[:1]
	n := b.Cases[0]
	was, is := *n.Details, *n.Details
	switch t {
	case alerts.EventLocated:
		was.Site.Lat += .03
		if correction {
			was.Site, is.Site = is.Site, was.Site
		}
	case alerts.EventCorrected:
		was.Decision, was.Decided, was.Status = alerts.DecisionApproved, "2026-11-18", alerts.StatusDecided
		is.Decision, is.Decided, is.Status = alerts.DecisionRefused, "2026-11-18", alerts.StatusDecided
	}
	n.Details, n.Correction = &is, correction
	n.Events = []*alerts.Event{{Seq: 1, ApplicationID: 1, Authority: "camden", Type: t, At: now.Add(-time.Hour).UnixMilli(), Before: &was, After: is}}
	b.Cases = []alerts.CaseNews{n}
	return b
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run go test ./alerts/compose -update\n%s", name, got)
	}
}

func TestMailsReadAsTheyShould(t *testing.T) {
	w := testWriter(t)
	area := alerts.Area{Kind: alerts.AreaCircle, Centre: geo.Point{Lon: -0.1426, Lat: 51.539}, Radius: 500, Label: "NW1 8NH"}
	read := alerts.Coverage{Authority: alerts.Authority{Name: "London Borough of Camden"}, Feeds: 1, LastRead: 1}
	unread := alerts.Coverage{Authority: alerts.Authority{Name: "City of Westminster"}}
	mail := func(d alerts.Delivery, err error) alerts.Delivery {
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := sampleBulletin()
	one.Cases, one.Subscriptions, one.Cadence = one.Cases[:1], one.Subscriptions[:1], alerts.Immediate
	one.Subscriptions[0].Current.Cadence = alerts.Immediate
	w.authorities["york"] = alerts.Coverage{Authority: alerts.Authority{Slug: "york", Name: "City of York Council", Website: "https://www.york.gov.uk"}}
	outage := alerts.Outage{ID: 1, Authority: "camden", LastRead: now.AddDate(0, 0, -5).UnixMilli(), EndedAt: now.Add(-20 * time.Minute).UnixMilli(), Subscriptions: []int64{1}}
	recovered := one
	recovered.Recovered = []alerts.Outage{outage}
	silent := recovered
	silent.Cases = nil
	for name, d := range map[string]alerts.Delivery{
		"together":  mail(w.bulletin(togetherBulletin())),
		"reminder":  mail(w.bulletin(reminderBulletin())),
		"recovered": mail(w.bulletin(recovered)),
		"silent":    mail(w.bulletin(silent)),
		"located":   mail(w.bulletin(correcting(alerts.EventLocated, false))),
		"elsewhere": mail(w.bulletin(correcting(alerts.EventLocated, true))),
		"corrected": mail(w.bulletin(correcting(alerts.EventCorrected, false))),
		"removed":   mail(w.bulletin(correcting(alerts.EventRemoved, true))),
		"recalled":  mail(w.bulletin(correcting(alerts.EventRecalled, true))),
		"outage":    mail(w.outage(alerts.Recipient{ID: 7}, []alerts.Outage{outage, {ID: 2, Authority: "york"}}, sampleBulletin().Subscriptions)),
		"quiet": mail(w.quiet(alerts.QuietMonth{Recipient: alerts.Recipient{ID: 7}, Subscriptions: sampleBulletin().Subscriptions[:1], Month: "2026-10",
			Councils: []alerts.QuietCouncil{{Coverage: w.authorities["camden"], Readings: alerts.Readings{Checks: 31, Failed: 1}, Received: 204}}})),
		"digest": mail(w.bulletin(sampleBulletin())),
		"one":    mail(w.bulletin(one)),
		"confirm": mail(w.Confirm(Confirmation{Area: area, Cadence: alerts.Daily, Coverage: []alerts.Coverage{read, unread},
			ConfirmURL: "https://alerts.example.org/confirm/SECRET", NeverURL: "https://alerts.example.org/never/TOKEN"})),
		"already":  mail(w.Confirm(Confirmation{Area: area, Already: true, ManageURL: "https://alerts.example.org/manage/TOKEN", NeverURL: "https://alerts.example.org/never/TOKEN"})),
		"invite":   mail(w.Invitation("Friends of Lamplighter Street", "https://alerts.example.org/invitations/SECRET")),
		"sign-in":  mail(w.SignIn("https://alerts.example.org/sign-in/SECRET")),
		"manage":   mail(w.ManageLink(Link{ManageURL: "https://alerts.example.org/manage/TOKEN", Valid: "2026-11-24"})),
		"coverage": mail(w.coverage(alerts.Recipient{ID: 7}, []alerts.Coverage{unread})),
		"notice":   mail(w.notices([]alerts.Notice{{Key: "held:york", At: now.UnixMilli(), Text: "The feed york holds 3 pieces of news.\nDecide with: sitenotice feed release york"}})),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", d.Subject+"\n\n"+d.Text)
			golden(t, name+".html", strings.ReplaceAll(d.HTML, d.MessageID, "MESSAGE-ID"))
			for i, line := range strings.Split(d.Text, "\n") {
				if n := utf8.RuneCountInString(line); n > 76 && !strings.Contains(line, "https://") {
					t.Errorf("line %d of the text is %d characters wide: %s", i+1, n, line)
				}
			}
			if n := utf8.RuneCountInString(d.Subject); n > 120 {
				t.Errorf("the subject has %d characters", n)
			}
			checkHTML(t, d.HTML, nil)
		})
	}
}

func TestASubjectSaysOnceHowACaseHasEnded(t *testing.T) {
	w := testWriter(t)
	for decision, want := range map[alerts.Decision]string{
		alerts.DecisionRefused:            "Refused: rear extension at 12 Lamplighter Street",
		alerts.DecisionApprovedConditions: "Approved with conditions: rear extension at 12 Lamplighter Street",
	} {
		b := sampleBulletin()
		b.Cases, b.Subscriptions = b.Cases[:1], b.Subscriptions[:1]
		n := &b.Cases[0]
		was, is := *n.Details, *n.Details
		is.Status, is.Decision, is.Decided = alerts.StatusDecided, decision, alerts.DateOf(now)
		n.Details, n.Events = &is, []*alerts.Event{{Type: alerts.EventDecided, ApplicationID: n.ApplicationID, Before: &was, After: is, At: now.UnixMilli()}}
		d, err := w.bulletin(b)
		if err != nil || d.Subject != want {
			t.Errorf("the subject is %q, want %q (%v)", d.Subject, want, err)
		}
	}
}

func TestAlertsCarryTheHeadersThatStopThem(t *testing.T) {
	w := testWriter(t)
	b := sampleBulletin()
	b.Subscriptions[1].Current.Cadence = alerts.Weekly
	b.Cadence = alerts.Weekly
	d, err := w.bulletin(b)
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{}
	for _, h := range d.Headers {
		headers[h.Name] = h.Value
	}
	token, ok := strings.CutPrefix(strings.Trim(headers["List-Unsubscribe"], "<>"), "https://alerts.example.org/u/")
	if subject, err := w.Keys.Verify("unsubscribe", token); !ok || err != nil || subject != "7:daily,weekly" {
		t.Errorf("List-Unsubscribe %q stops %q: %v", headers["List-Unsubscribe"], subject, err)
	}
	for name, want := range map[string]string{"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "List-Id": "<weekly.alerts.alerts.example.org>", "Auto-Submitted": "auto-generated"} {
		if headers[name] != want {
			t.Errorf("%s: %q, want %q", name, headers[name], want)
		}
	}
	if !strings.HasSuffix(d.MessageID, "@alerts.example.org") {
		t.Errorf("Message-ID %s", d.MessageID)
	}
	letter, err := w.ManageLink(Link{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []alerts.Header{{Name: "Auto-Submitted", Value: "auto-generated"}, {Name: "Content-Language", Value: "en-GB"}}; !slices.Equal(letter.Headers, want) {
		t.Errorf("a letter carries %v", letter.Headers)
	}
}

// checkHTML refuses what a mail must not have: scripts, pictures, styles and links
// from elsewhere than its own template. foreign is a text in no attribute or
// element that it may form.
func checkHTML(t *testing.T, source string, hosts []string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	allowed := append([]string{"https://alerts.example.org", "https://planning.camden.example/", "mailto:operator@example.org", "https://www.york.gov.uk"}, hosts...)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "form", "input", "link", "base", "svg":
			t.Errorf("the mail holds <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" && !strings.HasPrefix(a.Val, "cid:where") || a.Key == "background" {
				t.Errorf("the mail holds %s=%q", a.Key, a.Val)
			}
			if a.Key == "href" {
				ok := false
				for _, prefix := range allowed {
					ok = ok || strings.HasPrefix(a.Val, prefix)
				}
				if !ok {
					t.Errorf("the mail links to %q", a.Val)
				}
			}
			if a.Key == "http-equiv" {
				t.Errorf("the mail holds http-equiv=%q", a.Val)
			}
		}
	}
	for _, once := range []string{"<h1", "<title>", "<html lang="} {
		if strings.Count(source, once) != 1 {
			t.Errorf("%s occurs %d times", once, strings.Count(source, once))
		}
	}
}

// What a feed says can be anything; it must stay text, in its place.
func TestHostileFeedTextStaysText(t *testing.T) {
	texts := []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "a\r\nBcc: victim@example.org\r\n\r\nhello", "\u202efdp.exe", "a\u2028b\u2029c", "\x1b[31mred",
		"--\r\nStop this one: http://evil.example/", strings.Repeat("Ѩ", 100_000), "{{.Secret}} <% %> [unsubscribe]", "\xff\xfe bad bytes", "a\x00b", " ", "="}
	urls := []string{"javascript:alert(1)", "data:text/html,x", "https://user:pass@evil.example/", "//evil.example", "https://evil.example/\r\nX: y", "file:///etc/passwd", "mailto:x@example.com?bcc=y@example.com"}
	if dir := os.Getenv("SITENOTICE_SHARED"); dir != "" {
		b, err := os.ReadFile(filepath.Join(dir, "delivery/corpora/hostile_feed_text.json"))
		if err != nil {
			t.Fatal(err)
		}
		var corpus map[string]any
		if err := json.Unmarshal(b, &corpus); err != nil {
			t.Fatal(err)
		}
		for name, list := range corpus {
			entries, _ := list.([]any)
			for _, entry := range entries {
				if s, ok := entry.(string); ok && name == "urls" {
					urls = append(urls, s)
				} else if ok {
					texts = append(texts, s)
				}
			}
		}
	} else {
		t.Log("SITENOTICE_SHARED is not set: only the handful of texts in the test is tried")
	}
	w := testWriter(t)
	for i := range max(len(texts), len(urls)) {
		text, url := texts[i%len(texts)], urls[i%len(urls)]
		b := sampleBulletin()
		for j := range b.Cases {
			d := *b.Cases[j].Details
			d.Reference, d.Address, d.Description, d.CommentsSource, d.Ward = text, text, text, text, text
			d.URL, d.CommentURL = url, url
			b.Cases[j].Details = &d
			for _, e := range b.Cases[j].Events {
				e.After = d
			}
		}
		m, err := w.bulletin(b)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if strings.ContainsFunc(m.Subject, func(r rune) bool { return r < ' ' || r == 0x2028 || r == 0x202e }) || utf8.RuneCountInString(m.Subject) > 120 {
			t.Errorf("%q makes the subject %q", text, m.Subject)
		}
		var hosts []string
		if safe := alerts.WebLink(url); safe != "" {
			hosts = append(hosts, safe)
		}
		checkHTML(t, m.HTML, hosts)
		if len(m.HTML) > maxHTML {
			t.Errorf("%.40q makes %d bytes of HTML", text, len(m.HTML))
		}
		// All that the feed says is indented or behind a number: a line at the margin is ours.
		for line := range strings.SplitSeq(m.Text, "\n") {
			if strings.HasPrefix(line, "Stop this one: http://evil") || strings.HasPrefix(line, "Bcc:") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x202e }) {
				t.Errorf("%q forges the line %q", text, line)
			}
		}
		if strings.Contains(m.Text, "javascript:") && !strings.Contains(text, "javascript:") || strings.Contains(m.Text, "user:pass@") && !strings.Contains(text, "user:pass@") {
			t.Errorf("the text links to %q", url)
		}
	}
}

// The text has what the HTML has.
func TestTextAndHTMLTellTheSame(t *testing.T) {
	w := testWriter(t)
	d, err := w.bulletin(sampleBulletin())
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(d.Text), " ")
	for _, address := range regexp.MustCompile(`href="(https://[^"]+)"`).FindAllStringSubmatch(d.HTML, -1) {
		if !strings.Contains(flat, html.UnescapeString(address[1])) {
			t.Errorf("only the HTML has %s", address[1])
		}
	}
	for _, n := range sampleBulletin().Cases {
		for _, s := range []string{n.Details.Reference, n.Details.Address} {
			if !strings.Contains(flat, s) || !strings.Contains(html.UnescapeString(d.HTML), s) {
				t.Errorf("%q is not in both", s)
			}
		}
	}
}

func BenchmarkWriteADigest(b *testing.B) {
	w := testWriter(b)
	bulletin := sampleBulletin()
	for b.Loop() {
		d, err := w.bulletin(bulletin)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(d.HTML) + len(d.Text)))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

// BenchmarkWriteDigests writes them as a pass does, on all processors.
func BenchmarkWriteDigests(b *testing.B) {
	w := testWriter(b)
	b.RunParallel(func(pb *testing.PB) {
		bulletin := sampleBulletin()
		for pb.Next() {
			if _, err := w.bulletin(bulletin); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

func ExampleStage_ManageLink() {
	s := &Stage{BaseURL: "https://alerts.example.org"}
	d, _ := s.ManageLink(Link{ManageURL: "https://alerts.example.org/manage/TOKEN", Valid: "2026-11-24"})
	fmt.Println(d.Subject)
	// Output: Your link to your planning alerts
}
