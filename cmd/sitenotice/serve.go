package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/audit"
	"github.com/sitenotice/sitenotice/alerts/store"
)

type serveCommand struct {
	Role string `enum:"all,web,worker" default:"all" help:"web serves pages, worker runs the schedule and the stages, all does both."`
}

// Run serves until it is interrupted; then it finishes what is under way.
func (c *serveCommand) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := patiently(ctx, cfg, cfg.log(std.err))
	if err != nil {
		return err
	}
	defer s.close()
	if s.postcodes == nil {
		s.log.Warn("there is no postcode table, so people can only give latitude and longitude; make one with: sitenotice postcodes import FILE")
	}
	for _, warning := range cfg.lacking() {
		s.log.Warn(warning)
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() { s.watch(ctx) })
	if cfg.MetricsListen != "" {
		listener, err := net.Listen("tcp", cfg.MetricsListen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w; name another address with --metrics-listen", cfg.MetricsListen, err)
		}
		handler := s.monitoring()
		s.log.Info("serving to monitoring", "address", listener.Addr().String())
		group.Go(func() {
			if err := answer(ctx, listener, handler); err != nil {
				s.log.Error("monitoring is not served any more", "error", err)
			}
		})
	}
	if c.Role != "web" {
		s.toil(ctx, &group)
	}
	if c.Role == "worker" {
		<-ctx.Done()
		return nil
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; name another address with --listen", cfg.Listen, err)
	}
	return s.serve(ctx, listener)
}

// patience is how long a service that starts waits for its database, which may be
// starting too.
const patience = 2 * time.Minute

// patiently makes the service, and while PostgreSQL is away tries again.
func patiently(ctx context.Context, cfg *Config, log *slog.Logger) (*service, error) {
	last := time.Now().Add(patience)
	for rest := time.Second; ; rest = min(2*rest, 10*time.Second) {
		s, err := newService(ctx, cfg, log, nil)
		if err == nil || !store.Away(err) || !time.Now().Before(last) {
			return s, err
		}
		log.Warn("the database does not answer; it will be tried again", "in", rest, "error", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(rest):
		}
	}
}

// serve answers requests until ctx ends, and then lets those under way finish.
func (s *service) serve(ctx context.Context, listener net.Listener) error {
	pages, err := s.pages()
	if err != nil {
		listener.Close()
		return err
	}
	s.log.Info("serving", "address", listener.Addr().String(), "base-url", s.cfg.BaseURL)
	return answer(ctx, listener, pages)
}

// answer serves a handler until ctx ends.
func answer(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		return err
	}
}

// How often each stage looks for work by itself. Work that a stage of this process
// hands on is taken up at once.
var turns = map[string]time.Duration{"match": 2 * time.Second, "compose": 5 * time.Second, "deliver": time.Second, "webhooks": time.Second}

// When what nobody waits for is done, in UTC: when little else goes on. The exact
// hours are of no importance, and are never ones that a change of clocks skips or
// repeats.
const (
	housekeepingAt = "40 3 * * *"
	auditAt        = "10 4 * * *"
)

// timelinessSpan is over how long it is shown how soon alerts go out.
const timelinessSpan = 30 * 24 * time.Hour

// toil runs the schedule and the stages until ctx ends. The group is done when the
// last pass has ended.
func (s *service) toil(ctx context.Context, group *sync.WaitGroup) {
	var ingest *loop
	var next, same []*loop // of the stage after, and of this one
	stage := ""
	for _, p := range slices.Backward(s.passes()) {
		if p.stage != stage {
			next, same, stage = same, nil, p.stage
		}
		l := newLoop(p.name, turns[p.name], p.run)
		l.next = next
		same = append(same, l)
		if l.name == "ingest" {
			ingest = l
			ingest.every = time.Hour // cron wakes it every minute
		}
		group.Go(func() { l.run(ctx, s.log) })
	}
	schedule := cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.Recover(cron.DiscardLogger)))
	schedule.Schedule(cron.Every(time.Minute), cron.FuncJob(ingest.poke))
	schedule.Schedule(cron.Every(time.Minute), cron.FuncJob(func() { s.housekeep(ctx) }))
	schedule.Start()
	group.Go(func() {
		<-ctx.Done()
		<-schedule.Stop().Done()
	})
}

// housekeep does once a day, whichever process comes first, what nobody waits for.
// A day that was missed is caught up.
func (s *service) housekeep(ctx context.Context) {
	for _, task := range []struct {
		name, at string
		do       func(ctx context.Context) error
	}{
		{alerts.WorkHousekeeping, housekeepingAt, func(ctx context.Context) error { return s.store.Housekeeping(ctx, s.now()) }},
		{alerts.WorkAudit, auditAt, s.audit},
	} {
		if err := s.onceAPeriod(ctx, task.name, task.at, task.do); err != nil && ctx.Err() == nil {
			s.log.Error(task.name+" failed; it will be tried again", "error", err)
		}
	}
}

// audit works out again who should have been told of what, and how soon they were.
func (s *service) audit(ctx context.Context) error {
	report, err := audit.Night(ctx, s.store, s.now())
	if err != nil {
		return err
	}
	s.log.Info("audited", "events", report.Events, "versions", report.Versions, "matches", report.Matches, "missing", len(report.Missing), "extra", len(report.Extra))
	if err := s.store.MeasureTimeliness(ctx, s.now().Add(-timelinessSpan), s.now()); err != nil {
		return err
	}
	return s.store.MeasureReach(ctx, s.now())
}
