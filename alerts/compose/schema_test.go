package compose_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// schemas are the published schemas of webhooks, by type.
type schemas struct {
	testing.TB
	compiler *jsonschema.Compiler
	raw      map[string]map[string]any
}

func readSchemas(t testing.TB) *schemas {
	files, err := filepath.Glob("../../web/api/schemas/*.json")
	if err != nil || len(files) != len(alerts.EventTypes)+2 {
		t.Fatalf("%d schemas for %d types of event: %v", len(files), len(alerts.EventTypes), err)
	}
	s := &schemas{t, jsonschema.NewCompiler(), map[string]map[string]any{}}
	s.compiler.AssertFormat()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := filepath.Base(file)
		if err := s.compiler.AddResource(name, doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s.raw[name] = doc.(map[string]any)
	}
	return s
}

// check validates a webhook, and sees that every member of it is described.
func (s *schemas) check(body []byte) {
	s.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		s.Fatal(err)
	}
	name := doc.(map[string]any)["type"].(string) + ".json"
	schema, err := s.compiler.Compile(name)
	if err != nil {
		s.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		s.Errorf("%v\n%s", err, body)
	}
	s.described(name, s.raw[name], doc)
}

func (s *schemas) described(where string, schema map[string]any, v any) {
	s.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = s.raw[ref]
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, member := range v {
			described, ok := properties[name].(map[string]any)
			if !ok {
				s.Errorf("%s: the member %q is in no schema", where, name)
				continue
			}
			s.described(where+"/"+name, described, member)
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, item := range v {
			s.described(where+"[]", items, item)
		}
	}
}

// strangeText returns the corpus of hostile text, or a few of its sort.
func strangeText(t testing.TB) []string {
	out := []string{"<script>alert(1)</script>", "\u202efdp.exe", "a\nlevel=error", "[x](javascript:alert(1))", "@everyone @room <!channel> <@U1> *b* _i_ `c` ~s~ > q", "\x00\x1b[31m", "\xff\xfe", strings.Repeat("é", 70_000)}
	dir := os.Getenv("SITENOTICE_SHARED")
	if dir == "" {
		return out
	}
	b, err := os.ReadFile(filepath.Join(dir, "delivery", "corpora", "hostile_feed_text.json"))
	corpus := map[string]any{}
	if err == nil {
		err = json.Unmarshal(b, &corpus)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range corpus {
		if list, ok := list.([]any); ok {
			for _, text := range list {
				out = append(out, text.(string))
			}
		}
	}
	return out
}

// strange is a case in every field of which a text is.
func strange(text string) alerts.Details {
	d := at(home)
	d.Address, d.Description, d.Postcode, d.UPRN, d.KindRaw, d.DecisionBy, d.Ward, d.AppealRef = text, text, text, text, text, text, text, text
	d.URL, d.CommentURL, d.CommentsSource = text, text, text
	return d
}

func TestEverySampleOfEveryTypeFollowsItsSchema(t *testing.T) {
	s := readSchemas(t)
	oneWorld(t, func(w *world) {
		write, err := w.stage().HookWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		full := decided(home)
		full.CommentsFrom, full.CommentsUntil, full.Committee, full.Target, full.Withdrawn, full.AppealLodged, full.AppealDecided = "2026-05-01", "2026-05-21", "2026-06-01", "2026-07-01", "2026-05-02", "2026-05-03", "2026-05-04"
		full.AppealRef, full.AppealDecision, full.URL, full.CommentURL, full.Ward, full.UPRN, full.Postcode, full.Scale, full.DecisionBy = "APP/1", alerts.AppealAllowed, "https://council.example/1", "https://council.example/1/comment", "E05013661", "100", "NW1 8NH", "major", "committee"
		bare := alerts.Details{}
		cases := []alerts.Details{full, bare, at(home)}
		for _, text := range strangeText(t) {
			cases = append(cases, strange(text))
		}
		for i, d := range cases {
			d.Reference = number(i)
			for _, kind := range alerts.EventTypes {
				before := at(home)
				e := &alerts.Event{Seq: int64(i + 1), Type: kind, Authority: "camden", At: w.now.UnixMilli(), Late: i%2 == 0, Before: &before, After: d}
				for _, n := range []alerts.HookNews{{Sequence: 7, InArea: true, Subscriptions: []int64{1, 2}}, {Test: true}, {Sequence: 1, Bare: true}} {
					if n.Bare && kind != alerts.EventRemoved && kind != alerts.EventRecalled {
						continue
					}
					n.Endpoint, n.Event = &alerts.Endpoint{ID: 3, Format: alerts.FormatStandard}, e
					body, err := write(n)
					if err != nil {
						t.Fatal(err)
					}
					s.check(body)
					if len(body) > alerts.MaxHookBody {
						t.Errorf("%s: %d bytes", kind, len(body))
					}
				}
			}
		}
		body, err := w.stage().Ping(alerts.Endpoint{ID: 3, Format: alerts.FormatStandard, Challenge: alerts.NewChallenge(alerts.FormatStandard)})
		if err != nil {
			t.Fatal(err)
		}
		s.check(body)
	})
}

func TestNoWebhookCarriesWhatBelongsToAPerson(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		area := circle(home, 500, "Mrs Applegarth's house")
		for _, format := range alerts.HookFormats {
			e := w.endpoint(format, area)
			w.happen(alerts.EventReceived, string(format), at(home))
			w.compose()
			bodies := 0
			rows, err := w.db.Query(`SELECT text FROM delivery WHERE recipient_id = $1`, e.ID)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var body string
				if err := rows.Scan(&body); err != nil {
					t.Fatal(err)
				}
				bodies++
				for _, personal := range []string{"Applegarth", "the society", "example.org/planning", "operator@example.org"} {
					if strings.Contains(body, personal) {
						t.Errorf("%s: %q is in %s", format, personal, body)
					}
				}
			}
			rows.Close()
			if bodies < 2 {
				t.Fatalf("%s: %d bodies", format, bodies)
			}
		}
	})
}

// oneWorld runs a test that reads nothing of the database but names.
func oneWorld(t *testing.T, test func(w *world)) { test(newWorld(t, storetest.Engines(t)[0])) }

// texts lists all strings in a JSON value, by the path that leads to them.
func texts(path string, v any, visit func(path, text string)) {
	switch v := v.(type) {
	case string:
		visit(path, v)
	case map[string]any:
		for name, member := range v {
			texts(path+"/"+name, member, visit)
		}
	case []any:
		for i, item := range v {
			texts(fmt.Sprint(path, "/", i), item, visit)
		}
	}
}

func TestFeedTextStaysTextInEveryChatRoom(t *testing.T) {
	oneWorld(t, func(w *world) {
		write, err := w.stage().HookWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strangeText(t) {
			d := strange(text)
			d.Reference = text[:min(len(text), 50)]
			for _, format := range []alerts.HookFormat{alerts.FormatSlack, alerts.FormatDiscord, alerts.FormatTeams, alerts.FormatMatrix} {
				body, err := write(alerts.HookNews{Endpoint: &alerts.Endpoint{ID: 3, Format: format}, Sequence: 1, InArea: true,
					Event: &alerts.Event{Seq: 1, Type: alerts.EventReceived, Authority: "camden", At: w.now.UnixMilli(), After: d}})
				if err != nil {
					t.Fatal(err)
				}
				if len(body) > alerts.MaxHookBody {
					t.Errorf("%s: %d bytes", format, len(body))
				}
				var doc any
				if err := json.Unmarshal(body, &doc); err != nil {
					t.Fatalf("%s: %v", format, err)
				}
				texts("", doc, func(path, s string) {
					if strings.ContainsAny(s, "\u202e\x00\x1b") {
						t.Errorf("%s%s: invisible characters are in %q", format, path, s)
					}
					if strings.HasPrefix(strings.ToLower(s), "javascript:") && (strings.HasSuffix(path, "url") || strings.Contains(path, "href")) {
						t.Errorf("%s%s leads to %q", format, path, s)
					}
					switch format {
					case alerts.FormatSlack:
						// The only angle brackets that are not escaped are those of our own links.
						outside := s
						for outside != "" && strings.HasPrefix(outside, "<http") {
							_, outside, _ = strings.Cut(outside, ">")
							outside = strings.TrimPrefix(outside, "\n")
						}
						if strings.ContainsAny(outside, "<>") {
							t.Errorf("slack%s: %q", path, s)
						}
					case alerts.FormatMatrix:
						if strings.Contains(s, "@room") || strings.HasSuffix(path, "html") && strings.Contains(s, "<script") {
							t.Errorf("matrix%s: %q", path, s)
						}
					case alerts.FormatDiscord:
						if strings.HasSuffix(path, "/title") || strings.HasSuffix(path, "/description") {
							for i, r := range s {
								if strings.ContainsRune("*_`~[<@", r) && (i == 0 || s[i-1] != '\\') {
									t.Errorf("discord%s: %q is not escaped in %q", path, r, s)
									break
								}
							}
						}
					}
				})
				switch m := doc.(map[string]any); format {
				case alerts.FormatDiscord:
					if parse := m["allowed_mentions"].(map[string]any)["parse"].([]any); len(parse) != 0 {
						t.Error("discord: mentions are allowed")
					}
				case alerts.FormatTeams:
					card := m["attachments"].([]any)[0].(map[string]any)["content"].(map[string]any)
					for _, block := range card["body"].([]any) {
						if kind := block.(map[string]any)["type"]; kind != "RichTextBlock" {
							t.Errorf("teams: feed text is in a %v, which is Markdown", kind)
						}
					}
				}
			}
		}
	})
}

func TestASnapshotAndTheWebhooksAfterItTellEverythingOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for seed := range uint64(6) {
			w.reset()
			random := rand.New(rand.NewPCG(seed, 1))
			wide := alerts.Area{Kind: alerts.AreaAuthority, Code: "camden", Label: "camden"}
			if seed%2 == 1 {
				wide = alerts.Area{Kind: alerts.AreaWard, Code: "E05000138", Label: "Kentish Town"}
			}
			e := w.endpoint(alerts.FormatStandard, wide, circle(home, 500, "home"))
			// What the receiver knows: the state of each open case, by reference.
			known := map[string]string{}
			apply := func(reference, state string) {
				if state == "closed" {
					delete(known, reference)
				} else {
					known[reference] = state
				}
			}
			state := func(description string, open bool) string {
				if !open {
					return "closed"
				}
				return description
			}
			versions := 0
			something := func() {
				i := random.IntN(12)
				versions++
				d := at(home)
				kind := alerts.EventAmended
				switch {
				case w.register.ID("camden", number(i)) == 0:
					kind = alerts.EventReceived
				case random.IntN(4) == 0:
					d = decided(home)
					kind = alerts.EventDecided
				}
				d.Description, d.Ward = fmt.Sprint("version ", versions), "E05000138"
				o := occurrence(number(i), d)
				o.Type = kind
				w.register.Happen(w, w.now, o)
				if random.IntN(2) == 0 {
					w.match()
				}
				if random.IntN(2) == 0 {
					w.compose()
				}
			}
			for range random.IntN(30) {
				something()
			}
			// The world goes on between two pages, or while they are read.
			between, goOn, stopped := something, make(chan struct{}), make(chan struct{})
			if seed >= 4 {
				between = func() {}
				go func() {
					defer close(stopped)
					for {
						select {
						case <-goOn:
							return
						default:
							something()
						}
					}
				}()
			} else {
				close(stopped)
			}
			asOf := int64(-1)
			for cursor := (alerts.SnapshotCursor{}); ; {
				cases, next, err := w.Snapshot(t.Context(), e.ID, cursor, 3)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range cases {
					if _, twice := known[c.Reference]; twice {
						t.Errorf("%s is in the snapshot twice", c.Reference)
					}
					apply(c.Reference, c.Description)
				}
				between()
				if asOf >= 0 && next.AsOf != asOf {
					t.Errorf("the snapshot stands at %d, then at %d", asOf, next.AsOf)
				}
				if asOf, cursor = next.AsOf, next; next.After == 0 {
					break
				}
			}
			close(goOn)
			<-stopped
			if then := w.openAsOf(asOf); fmt.Sprint(known) != fmt.Sprint(then) {
				t.Errorf("seed %d: the snapshot at event %d has\n%v\nwant\n%v", seed, asOf, known, then)
			}
			for range random.IntN(10) {
				something()
			}
			w.match()
			w.compose()
			seen := map[int64]bool{}
			for _, h := range w.hooks(e) {
				if seen[h.Data.Event] {
					t.Errorf("event %d has two webhooks", h.Data.Event)
				}
				seen[h.Data.Event] = true
				if h.Data.Event > asOf {
					apply(h.Data.Application.Reference, state(h.Data.Application.Description, *h.Data.Application.Open))
				}
			}
			want := map[string]string{}
			rows, err := w.db.Query(`SELECT reference, details FROM application`)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var reference, details string
				var d alerts.Details
				if err := rows.Scan(&reference, &details); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal([]byte(details), &d); err != nil {
					t.Fatal(err)
				}
				if d.IsOpen() {
					want[reference] = d.Description
				}
			}
			rows.Close()
			if fmt.Sprint(known) != fmt.Sprint(want) {
				t.Errorf("seed %d: the receiver knows\n%v\nwant\n%v", seed, known, want)
			}
			for event := asOf + 1; event <= w.count(`SELECT value FROM counter WHERE name = 'event'`); event++ {
				if !seen[event] {
					t.Errorf("seed %d: no webhook tells of event %d, after the snapshot at %d", seed, event, asOf)
				}
			}
		}
	})
}

// openAsOf is what was open after an event, and how it was described, by reference.
func (w *world) openAsOf(event int64) map[string]string {
	rows, err := w.db.Query(`SELECT a.reference, e.after FROM event e JOIN application a ON a.id = e.application_id WHERE e.seq <= $1 ORDER BY e.seq`, event)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	open := map[string]string{}
	for rows.Next() {
		var reference, after string
		var d alerts.Details
		if err := rows.Scan(&reference, &after); err != nil {
			w.Fatal(err)
		}
		if err := json.Unmarshal([]byte(after), &d); err != nil {
			w.Fatal(err)
		}
		if delete(open, reference); d.IsOpen() {
			open[reference] = d.Description
		}
	}
	return open
}

func TestPastEventsCanBeSentForATest(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.happen(alerts.EventReceived, "before there was an endpoint", at(home))
		w.happen(alerts.EventReceived, "elsewhere", at(far))
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"))
		write, err := w.stage().HookWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.TestFire(t.Context(), e.ID, 5, w.now, write); err != nil {
			t.Fatal(err)
		}
		w.happen(alerts.EventReceived, "news", at(home))
		w.composed(1)
		hooks := w.hooks(e)
		if got := heard(hooks); got != "0 received before there was an endpoint, 1 received news" {
			t.Fatalf("heard %q", got)
		}
		if !hooks[0].Data.Test || hooks[1].Data.Test {
			t.Error("the test is not marked as one, or the news is")
		}
		s := readSchemas(t)
		for _, h := range hooks {
			s.check([]byte(h.body))
		}
	})
}

func TestTheOwnersOfAGroupHearOfAFailingEndpointOnceADay(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"))
		var owner int64
		if err := w.db.QueryRow(`INSERT INTO recipient (kind, address, address_key, state, created_at) VALUES ('account', 'olive@example.org', 'key', 'active', 0) RETURNING id`).Scan(&owner); err != nil {
			t.Fatal(err)
		}
		w.exec(`INSERT INTO role (account_id, scope, role, created_at) VALUES ($1, 'group:5', 'owner', 0)`, owner)
		w.exec(`UPDATE endpoint SET group_id = 5, news = 'failing' WHERE id = $1`, e.ID)
		w.composed(1)
		w.composed(0)
		w.exec(`UPDATE endpoint SET news = 'disabled', state = 'disabled', reason = 'It answered 410 Gone.' WHERE id = $1`, e.ID)
		w.wait(23 * time.Hour)
		w.composed(0) // at most one a day
		w.wait(time.Hour)
		w.composed(1)
		subjects := []string{}
		rows, err := w.db.Query(`SELECT subject, text FROM delivery WHERE recipient_id = $1 ORDER BY id`, owner)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s, text string
			if err := rows.Scan(&s, &text); err != nil {
				t.Fatal(err)
			}
			if log := fmt.Sprintf("/groups/5/endpoints/%d", e.ID); !strings.Contains(text, log) {
				t.Errorf("the mail does not lead to %s:\n%s", log, text)
			}
			subjects = append(subjects, s)
		}
		if want := []string{"Webhooks to “the society” fail", "Webhooks to “the society” were switched off"}; !slices.Equal(subjects, want) {
			t.Errorf("mails %q, want %q", subjects, want)
		}
	})
}

func TestTheOperatorHearsOfAnEndpointWithoutAnOwner(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		e := w.endpoint(alerts.FormatStandard, circle(home, 500, "home"))
		w.exec(`UPDATE endpoint SET news = 'failing' WHERE id = $1`, e.ID)
		w.compose()
		if n := w.count(`SELECT count(*) FROM notice WHERE key LIKE 'endpoint:%'`); n != 1 {
			t.Errorf("%d notices", n)
		}
	})
}
