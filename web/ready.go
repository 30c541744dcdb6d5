package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// health answers monitors: 200 when the database answers.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	AnswerHealth(w, r, s.Store, s.Log)
	return nil
}

// AnswerHealth answers monitors: 200 when the database answers.
func AnswerHealth(w http.ResponseWriter, r *http.Request, database interface{ Ping(context.Context) error }, log *slog.Logger) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := database.Ping(r.Context()); err != nil {
		log.Error("the database does not answer", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "the database does not answer")
		return
	}
	fmt.Fprintln(w, "ok")
}

// ready answers monitors: 200 when work would finish without anybody's help.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	AnswerReady(w, r, s.Ready(r.Context()))
	return nil
}

// AnswerReady tells what was checked, as text, or as JSON to who asks for it.
func AnswerReady(w http.ResponseWriter, r *http.Request, checks []alerts.Check) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	ready := !slices.ContainsFunc(checks, func(c alerts.Check) bool { return !c.OK })
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") || r.URL.Query().Get("format") == "json" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(struct {
			Ready  bool           `json:"ready"`
			Checks []alerts.Check `json:"checks"`
		}{ready, checks})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	word := map[bool]string{true: "ok ", false: "NOT"}
	for _, c := range checks {
		fmt.Fprintf(w, "%s %s: %s\n", word[c.OK], c.Name, c.Text)
	}
	fmt.Fprintln(w, map[bool]string{true: "ready", false: "not ready"}[ready])
}
