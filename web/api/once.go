package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sitenotice/sitenotice/alerts"
)

// maxKey is the length of a key by which a request is known again.
const maxKey = 200

// kept is an answer that is given again. It may hold a secret that is shown once, so
// it is sealed in the database.
type kept struct {
	Type     string `json:"type"`
	Location string `json:"location,omitempty"`
	Body     []byte `json:"body"`
}

// once answers a POST with an Idempotency-Key once, and again with the same answer
// when it comes again within a day: whoever did not hear the first can ask again
// without making two. Other requests are answered as they come.
func (a *API) once(w http.ResponseWriter, r *http.Request, c caller, h resource) error {
	name := r.Header.Get("Idempotency-Key")
	if r.Method != http.MethodPost || name == "" {
		return h(w, r, c)
	}
	if len(name) > maxKey {
		return &fault{status: http.StatusBadRequest, detail: fmt.Sprintf("The Idempotency-Key is longer than %d characters.", maxKey)}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	key, request := hash(fmt.Sprint(c.token.ID), name), hash(r.Method, r.URL.Path, string(body))
	status, sealed, err := a.Store.Begin(r.Context(), key, request, a.Now())
	if errors.Is(err, alerts.ErrConflict) {
		w.Header().Set("Retry-After", "1")
		return &fault{status: http.StatusConflict, detail: "The same request is being answered at this moment. Try again in a second."}
	}
	if err != nil {
		return err
	}
	if status != 0 {
		text, err := a.Keys.OpenSecret(sealed)
		if err != nil {
			return err
		}
		var again kept
		if err := json.Unmarshal([]byte(text), &again); err != nil {
			return err
		}
		w.Header().Set("Idempotent-Replayed", "true")
		return again.write(w, status)
	}
	record := &recorder{header: w.Header()}
	err = h(record, r, c)
	if err != nil { // nothing was made: it can be tried again
		if forget := a.Store.Finish(r.Context(), key, 0, ""); forget != nil {
			return errors.Join(err, forget)
		}
		return err
	}
	first := kept{Type: record.header.Get("Content-Type"), Location: record.header.Get("Location"), Body: record.body.Bytes()}
	text, err := json.Marshal(first)
	if err != nil {
		return err
	}
	if err := a.Store.Finish(r.Context(), key, record.status(), a.Keys.SealSecret(string(text))); err != nil {
		return err
	}
	return first.write(w, record.status())
}

func (k kept) write(w http.ResponseWriter, status int) error {
	for name, value := range map[string]string{"Content-Type": k.Type, "Location": k.Location} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(status)
	_, err := w.Write(k.Body)
	return err
}

// hash is of several texts, kept apart.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// A recorder keeps an answer back.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}
