package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web"
)

// nightly are the tasks of the night, of which it can be said whether they are late.
var nightly = []struct{ name, at string }{{alerts.WorkHousekeeping, housekeepingAt}, {alerts.WorkAudit, auditAt}}

// work returns how everything stands that has to be done, and which senders rest.
func (s *service) work(ctx context.Context) ([]alerts.Work, []alerts.SenderRest, error) {
	now := s.now()
	work, err := s.store.Work(ctx, now)
	if err != nil {
		return nil, nil, err
	}
	for _, task := range nightly {
		w := alerts.Work{Name: task.name}
		schedule, err := alerts.ParseSchedule(task.at)
		if err != nil {
			return nil, nil, err
		}
		if at, period, ok := alerts.LastPeriod(schedule, now); ok {
			due, err := s.store.IsTickDue(ctx, task.name, period, at)
			if err != nil {
				return nil, nil, err
			}
			if due {
				w.Waiting, w.Since = 1, at
			}
		}
		work = append(work, w)
	}
	rests, err := s.store.Rests(ctx)
	return work, rests, err
}

// leastFree is with how much room on the disk it counts as full: less than a batch
// of a large feed may need.
const leastFree = 64 << 20

// readyFor is how long an answer to whether the service is ready holds, so that
// strangers cannot keep the database busy with the question.
const readyFor = 5 * time.Second

// ready says of each thing that has to be so, for work to finish without anybody's
// help, whether it is. The texts hold no secret.
func (s *service) ready(ctx context.Context) []alerts.Check {
	s.readyMu.Lock()
	defer s.readyMu.Unlock()
	if now := time.Now(); s.readyAt.IsZero() || now.Sub(s.readyAt) >= readyFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		s.readyChecks, s.readyAt = s.lookReady(ctx), time.Now()
	}
	return s.readyChecks
}

func (s *service) lookReady(ctx context.Context) (checks []alerts.Check) {
	add := func(name string, ok bool, format string, args ...any) bool {
		checks = append(checks, alerts.Check{Name: name, OK: ok, Text: fmt.Sprintf(format, args...)})
		return ok
	}
	s.checkDisk(add)
	if err := s.store.Ping(ctx); err != nil {
		s.log.Error("not ready: the database does not answer", "error", err)
		add("database", false, "it does not answer")
		return checks
	}
	add("database", true, "it answers")
	switch current, err := s.store.IsCurrent(ctx); {
	case err != nil:
		s.log.Error("not ready: the schema cannot be read", "error", err)
		add("schema", false, "it cannot be read")
		return checks
	case !add("schema", current, "%s", map[bool]string{true: "it is the one that this program works with", false: "migrations are missing: sitenotice migrate"}[current]):
		return checks
	}
	work, rests, err := s.work(ctx)
	if err != nil {
		s.log.Error("not ready: it cannot be seen what waits", "error", err)
		add("work", false, "it cannot be seen what waits")
		return checks
	}
	stuck := 0
	for _, f := range alerts.WorkFaults(work, rests, s.now()) {
		if strings.HasPrefix(f.Key, "down:") {
			add(f.Key, true, "the sender rests, for the other side does not let it through; it is tried again and again")
			continue // what the other side said is for the log and the operator's mail
		}
		add(f.Key, !f.Stuck, "%s", f.Text)
		if f.Stuck {
			stuck++
		}
	}
	add("work", stuck == 0, "%s", map[bool]string{true: "every stage shows signs of life and nothing has waited too long", false: "see above"}[stuck == 0])
	return checks
}

// checkDisk looks whether there is room where the data is.
func (s *service) checkDisk(add func(name string, ok bool, format string, args ...any) bool) {
	folder := s.cfg.Data
	if path, ok := strings.CutPrefix(s.cfg.DB, "sqlite:"); ok {
		folder = filepath.Dir(path)
	}
	free, writable, err := freeIn(folder)
	switch {
	case err != nil:
		s.log.Error("not ready: the data folder cannot be looked at", "error", err)
		add("disk", false, "the data folder cannot be looked at")
	case !writable:
		add("disk", false, "the data folder's disk can only be read")
	case free < leastFree:
		add("disk", false, "the data folder's disk is full: %d MB are free, and %d are needed", free>>20, leastFree>>20)
	default:
		add("disk", true, "there is room")
	}
}

// answerHealth answers monitors of a process without pages: 200 when the database
// answers.
func (s *service) answerHealth(w http.ResponseWriter, r *http.Request) {
	web.AnswerHealth(w, r, s.store, s.log)
}

// answerReady answers them whether work would finish by itself.
func (s *service) answerReady(w http.ResponseWriter, r *http.Request) {
	web.AnswerReady(w, r, s.ready(r.Context()))
}
