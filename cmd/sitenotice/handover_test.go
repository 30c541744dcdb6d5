package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store/storetest"
)

// A council's program rehearses its file, gets back the rows to mend, and hands it
// over; nobody else can.
func TestACouncilHandsOverItsFile(t *testing.T) {
	const village = "feed: village\nauthority: {slug: village, name: Village Council}\nadapters:\n  - {name: v, format: csv, columns: {reference: ref, description: what, received: got, status: state}}\ncodes: {status: {REG: received}}\n"
	const file = "ref,what,got,state\n1,A house,2026-02-01,REG\n2,=cmd|' /C calc'!A0,31/31/26,HUH\n3,A shed,2026-02-02,HUH\n"
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := &Config{Data: dir, DB: e.DSN, BaseURL: "http://sitenotice.example", Mail: "capture", From: "Sitenotice <alerts@sitenotice.example>", Keys: alerts.NewKeys(), anyHost: true}
			s, err := newService(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			path := filepath.Join(dir, "village.yaml")
			if err := os.WriteFile(path, []byte(village), 0o600); err != nil {
				t.Fatal(err)
			}
			text, d, err := declaration(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := putFeed(t.Context(), s.store, text, d)
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
			defer server.Close()
			send := func(path, token, accept, kind string, body io.Reader) (int, string, http.Header) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Accept", accept)
				if kind != "" {
					req.Header.Set("Content-Type", kind)
				}
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+token)
				}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				answer, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return res.StatusCode, string(answer), res.Header
			}
			stored := func() (n int) {
				t.Helper()
				apps, _, err := s.store.ByAuthority(t.Context(), "village", alerts.Cursor{}, 10)
				if err != nil {
					t.Fatal(err)
				}
				return len(apps)
			}

			// Strangers are told the same whether the feed exists.
			var refusals []string
			for _, c := range [][2]string{{"village", ""}, {"village", "wrong"}, {"hamlet", "right"}} {
				code, answer, header := send("/api/v1/feeds/"+c[0]+"/import", c[1], "", "", strings.NewReader(file))
				if code != http.StatusUnauthorized || header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%v: %d %s", c, code, answer)
				}
				refusals = append(refusals, answer)
			}
			if refusals[0] != refusals[1] || refusals[1] != refusals[2] || stored() != 0 {
				t.Errorf("%q, %d stored", refusals, stored())
			}

			code, answer, _ := send("/api/v1/feeds/village/import?dry_run=1", "right", "", "", strings.NewReader(file))
			var report struct {
				Rows, Good, Faulty int
				Faults             []alerts.Fault
			}
			if err := json.Unmarshal([]byte(answer), &report); err != nil || code != 200 || report.Rows != 3 || report.Good != 2 || report.Faulty != 1 || report.Faults[0].Line != 3 || report.Faults[0].Value != "31/31/26" {
				t.Errorf("%d %s (%v)", code, answer, err)
			}
			code, answer, _ = send("/api/v1/feeds/village/import?dry_run=1", "right", "text/csv", "", strings.NewReader(file))
			if want := "ref,what,got,state,line,what is wrong\n2,'=cmd|' /C calc'!A0,31/31/26,HUH,3,got: this is not a date like 2026-02-28\n"; code != 200 || answer != want {
				t.Errorf("%d %q, want %q", code, answer, want)
			}
			if stored() != 0 {
				t.Error("a rehearsal stores something")
			}

			// As a form, as browsers and some programs send it.
			var form bytes.Buffer
			m := multipart.NewWriter(&form)
			part, _ := m.CreateFormFile("file", "register.csv")
			io.WriteString(part, file)
			m.Close()
			code, answer, _ = send("/api/v1/feeds/village/import", "right", "", m.FormDataContentType(), &form)
			if code != 200 || !strings.Contains(answer, `"verdict":"complete"`) || !strings.Contains(answer, `"left_out":1`) || stored() != 2 {
				t.Errorf("%d %s, %d stored", code, answer, stored())
			}
			for body, want := range map[string]string{"<html>": "web page", "other,columns\n1,2\n": "no row has the column ref", "": "empty"} {
				if code, answer, _ := send("/api/v1/feeds/village/import", "right", "", "", strings.NewReader(body)); code != http.StatusUnprocessableEntity || !strings.Contains(answer, want) {
					t.Errorf("%q: %d %s", body, code, answer)
				}
			}
			if code, answer, _ := send("/api/v1/feeds/village/import?adapter=x", "right", "", "", strings.NewReader(file)); code != http.StatusUnprocessableEntity || !strings.Contains(answer, "no adapter") {
				t.Errorf("%d %s", code, answer)
			}
			if stored() != 2 {
				t.Errorf("%d are stored", stored())
			}
			// A program that has gone wild is stopped; a stranger cannot use up what the council has.
			for range 70 {
				if code, _, _ = send("/api/v1/feeds/village/import", "wrong", "", "", strings.NewReader("")); code != http.StatusUnauthorized {
					t.Errorf("a stranger is answered %d", code)
				}
			}
			if code, _, _ = send("/api/v1/feeds/village/import?dry_run=1", "right", "", "", strings.NewReader(file)); code != 200 {
				t.Errorf("the council is answered %d", code)
			}
			for range 70 {
				code, _, _ = send("/api/v1/feeds/village/import?dry_run=1", "right", "", "", strings.NewReader(file))
			}
			if code != http.StatusTooManyRequests {
				t.Errorf("a file can be sent as often as one likes: %d", code)
			}
		})
	}
}
