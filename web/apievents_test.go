package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

type eventList struct {
	Events []struct {
		Sequence    int64
		Type        string
		Application struct{ Reference, Address string }
	}
	After int64
	More  bool
}

func TestEventsForPrograms(t *testing.T) {
	eachSite(t, func(s *site) {
		for _, ref := range []string{"2026/0001/P", "2026/0002/P", "2026/0001/P", "2026/0003/L"} {
			s.live(ref, alerts.EventAmended)
		}
		all := got[eventList](s, s.call("GET", "/events?after=0", "", ""))
		if len(all.Events) != 4 || all.After != 4 || all.More || all.Events[0].Type != "application.amended" {
			t.Errorf("%+v", all)
		}
		two := got[eventList](s, s.call("GET", "/events?after=1&limit=2", "", ""))
		if len(two.Events) != 2 || two.After != 3 || !two.More {
			t.Errorf("%+v", two)
		}
		r := s.call("GET", "/events?after=1&limit=2", "", "", "Accept", "application/x-ndjson")
		if n := strings.Count(r.Body, "\n"); n != 2 || r.Header.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(r.Header.Get("Link"), "/events?after=3&limit=2>") {
			t.Errorf("a line for each: %d, %v", n, r.Header)
		}
		if none := got[eventList](s, s.call("GET", "/events", "", "")); len(none.Events) != 0 || none.After != 4 {
			t.Errorf("without after: %+v", none)
		}
		// What was taken down is passed over, and the numbers go on.
		s.exec(`UPDATE application SET hidden = TRUE WHERE reference = '2026/0001/P'`)
		s.live("2026/0001/P", alerts.EventRemoved)
		var seen []int64
		for after := int64(0); ; {
			page := got[eventList](s, s.call("GET", fmt.Sprintf("/events?after=%d&limit=1", after), "", ""))
			if page.After < after || page.After == after && page.More {
				t.Fatalf("after %d comes %d", after, page.After)
			}
			for _, e := range page.Events {
				seen = append(seen, e.Sequence)
				if e.Sequence == 5 && (e.Type != "application.removed" || e.Application.Address != "") {
					t.Errorf("a tombstone says %+v", e)
				}
			}
			if after = page.After; !page.More {
				break
			}
		}
		if !slices.Equal(seen, []int64{2, 4, 5}) {
			t.Errorf("events %v", seen)
		}
		s.expect(s.call("GET", "/events?after=99", "", ""), http.StatusBadRequest, "The latest event is number 5")
		s.expect(s.call("GET", "/events?after=x", "", ""), http.StatusBadRequest)
		s.expect(s.call("GET", "/events?wait=31", "", ""), http.StatusBadRequest)
	})
}

// Whoever waits is answered when something happens, and not before.
func TestWaitingForEvents(t *testing.T) {
	eachSite(t, func(s *site) {
		done := make(chan reply, 1)
		go func() { done <- s.call("GET", "/events?after=0&wait=30", "", "") }()
		select {
		case r := <-done:
			t.Fatalf("answered at once: %s", r.Body)
		case <-time.After(100 * time.Millisecond): // that nothing comes can be seen in no other way
		}
		s.live("2026/0001/P", alerts.EventAmended)
		select {
		case r := <-done:
			if page := got[eventList](s, r); len(page.Events) != 1 {
				t.Errorf("%s", r.Body)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no answer")
		}
		if page := got[eventList](s, s.call("GET", "/events?after=1&wait=0", "", "")); len(page.Events) != 0 || page.After != 1 {
			t.Errorf("%+v", page)
		}
	})
}

func TestEventsStream(t *testing.T) {
	eachSite(t, func(s *site) {
		s.live("2026/0001/P", alerts.EventAmended)
		s.live("2026/0002/P", alerts.EventAmended)
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		r, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/api/v1/events", nil)
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Last-Event-ID", "1")
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		if w.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%v", w.Header)
		}
		var ids []string
		lines := bufio.NewScanner(w.Body)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				ids = append(ids, id)
				if id == "2" {
					s.live("2026/0003/L", alerts.EventAmended)
				}
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if !json.Valid([]byte(data)) {
					t.Errorf("no JSON: %s", data)
				}
				if len(ids) == 2 {
					break
				}
			}
		}
		if !slices.Equal(ids, []string{"2", "3"}) {
			t.Errorf("ids %v (%v)", ids, lines.Err())
		}
	})
}
