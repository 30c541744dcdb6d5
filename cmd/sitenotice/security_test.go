package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sitenotice/sitenotice/alerts"
)

// corpus returns every text of a file of hostile input.
func corpus(t *testing.T, name string) (texts []string) {
	t.Helper()
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		t.Skip("SITENOTICE_SHARED is not set: the sample files are not here")
	}
	b, err := os.ReadFile(filepath.Join(shared, "delivery", "corpora", name))
	if err != nil {
		t.Fatal(err)
	}
	var lists map[string]any
	if err := json.Unmarshal(b, &lists); err != nil {
		t.Fatal(err)
	}
	for key, list := range lists {
		entries, _ := list.([]any)
		for _, entry := range entries {
			if text, ok := entry.(string); ok && key != "about" {
				texts = append(texts, text)
			}
		}
	}
	if len(texts) < 10 {
		t.Fatalf("only %d texts in %s", len(texts), name)
	}
	return texts
}

// Whatever a register says of a case, the mail about it has the headers that we give
// it and no other, and its subject is one printable line.
func TestNoTextForgesAHeader(t *testing.T) {
	texts := corpus(t, "header_injection.json")
	ours := []string{"From", "To", "Subject", "Date", "Message-Id", "Mime-Version", "Content-Type", "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Auto-Submitted", "Precedence", "Feedback-Id", "X-Auto-Response-Suppress", "Reply-To", "Content-Language"}
	eachWorld(t, func(w *world) {
		w.register("A barn")
		w.read()
		w.subscribe("jo@example.org", alerts.Immediate)
		for i, text := range texts {
			var b bytes.Buffer
			out := csv.NewWriter(&b)
			out.Write([]string{"key", "reference", "proposal", "received", "lon", "lat", "address"})
			out.Write([]string{fmt.Sprint(100 + i), fmt.Sprintf("26/%d", 100+i), text, "2026-11-20", "-0.1426", "51.5390", text})
			out.Flush()
			if err := os.WriteFile(w.source, b.Bytes(), 0o600); err != nil {
				w.Fatal(err)
			}
			w.read()
			w.pass()
			w.wait(2 * time.Hour)
		}
		captured, err := w.store.CapturedMail(w.Context(), 100)
		if err != nil {
			w.Fatal(err)
		}
		alertsSeen := 0
		for _, c := range captured {
			c, err := w.store.CapturedMessage(w.Context(), c.ID)
			if err != nil {
				w.Fatal(err)
			}
			m, err := mail.ReadMessage(bytes.NewReader(c.Raw))
			if err != nil {
				w.Fatalf("a mail that cannot be read: %v\n%s", err, c.Raw)
			}
			if m.Header.Get("List-Id") != "" {
				alertsSeen++
			}
			for name, values := range m.Header {
				if !slices.Contains(ours, name) || len(values) != 1 {
					w.Errorf("the header %s is not ours, or there are several: %q", name, values)
				}
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil || strings.ContainsFunc(subject, func(r rune) bool { return !unicode.IsPrint(r) }) {
				w.Errorf("the subject %q is no printable line: %v", subject, err)
			}
			if to := m.Header.Get("To"); !strings.Contains(to, "example.org") || strings.Contains(to, "victim") {
				w.Errorf("it goes to %q", to)
			}
		}
		if alertsSeen < len(texts)*2/3 {
			w.Errorf("%d alerts of %d texts", alertsSeen, len(texts))
		}
	})
}

// Whatever gets into an error, the log has one line for one entry, without characters
// that move the cursor or turn the text around.
func TestTheLogKeepsEachEntryOnOneLine(t *testing.T) {
	texts := append(corpus(t, "hostile_feed_text.json"), corpus(t, "header_injection.json")...)
	texts = append(texts, "a\nlevel=ERROR msg=forged", "a\x1b[2Jb", "\u202eb", "a\r\nb", "a\u2028b")
	for _, text := range texts {
		var b bytes.Buffer
		log := (&Config{LogLevel: "info"}).log(&b)
		log.Error("pass failed", "error", errors.New(text), "text", text)
		got := b.String()
		if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") || strings.Count(got, "level=ERROR ") != 1+strings.Count(text, "level=ERROR ")*2 ||
			strings.ContainsFunc(strings.TrimSuffix(got, "\n"), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 }) {
			t.Errorf("%q is logged as %q", text, got)
		}
	}
}

// The page on security names tests that exist.
func TestThePageOnSecurityNamesRealTests(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	if err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() != "node_modules" || !d.IsDir() && !strings.HasSuffix(path, "_test.go") {
			return err
		}
		if d.IsDir() {
			return filepath.SkipDir
		}
		b, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
			tests[m[1]] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1)
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
	if len(named) < 40 {
		t.Errorf("only %d tests are named", len(named))
	}
}
