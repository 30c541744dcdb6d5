package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sitenotice/sitenotice/alerts"
)

// counts is what this process has done, for Prometheus. A label holds a word of a
// short list, a route's template or a feed's name, never what a person has typed.
type counts struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	passes   *prometheus.HistogramVec
	runs     *prometheus.CounterVec
	mails    *prometheus.CounterVec
	hooks    *prometheus.CounterVec
}

func newCounts() *counts {
	c := &counts{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sitenotice_http_request_duration_seconds", Help: "How long requests took, by the template of their route.",
			Buckets: []float64{.005, .025, .1, .5, 2.5, 15}}, []string{"method", "route", "status"}),
		passes: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sitenotice_pass_duration_seconds", Help: "How long passes of stages took.",
			Buckets: []float64{.01, .1, 1, 10, 60, 600, 3600}}, []string{"stage", "outcome"}),
		runs:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sitenotice_runs_total", Help: "Readings of feeds that this process has finished, by what became of them."}, []string{"verdict"}),
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sitenotice_mails_total", Help: "Attempts to send mail, by kind of mail and class of outcome."}, []string{"kind", "class"}),
		hooks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sitenotice_webhooks_total", Help: "Attempts to send webhooks, by class of outcome."}, []string{"class"}),
	}
	c.registry.MustRegister(c.requests, c.passes, c.runs, c.mails, c.hooks, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return c
}

// class names an outcome; what it does not know, which can only be a mistake of ours,
// is not let through.
func class[T ~string](c T, known ...T) string {
	switch {
	case c == "":
		return "accepted"
	case slices.Contains(known, c):
		return string(c)
	}
	return "other"
}

func (c *counts) request(method, route string, status int, took time.Duration) {
	c.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (c *counts) pass(stage string, took time.Duration, err error) {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	c.passes.WithLabelValues(stage, outcome).Observe(took.Seconds())
}

func (c *counts) run(v alerts.Verdict) {
	c.runs.WithLabelValues(class(v, alerts.VerdictComplete, alerts.VerdictPartial, alerts.VerdictFailed, alerts.VerdictHeld)).Inc()
}

func (c *counts) mail(kind alerts.DeliveryKind, outcome alerts.FailureClass) {
	c.mails.WithLabelValues(string(kind), class(outcome, alerts.Temporary, alerts.Permanent, alerts.DeadAddress, alerts.SenderDown)).Inc()
}

func (c *counts) hook(outcome alerts.HookClass) {
	c.hooks.WithLabelValues(class(outcome, alerts.HookConnect, alerts.HookTLS, alerts.HookTimeout, alerts.HookStatus, alerts.HookTooLarge, alerts.HookChallenge)).Inc()
}

// A gauges reads the database when it is asked: how long what waits has waited, how
// old feeds are.
type gauges struct {
	*service
	waiting, oldest, still, feedAge, feedPaused, faults, rests *prometheus.Desc
}

func newGauges(s *service) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sitenotice_"+name, help, labels, nil)
	}
	return &gauges{service: s,
		waiting:    desc("queue_length", "What a stage could do now; counted up to "+strconv.Itoa(alerts.MostCounted)+".", "stage"),
		oldest:     desc("queue_oldest_seconds", "For how long the oldest of that has waited; 0 when nothing waits.", "stage"),
		still:      desc("stage_still_seconds", "How long ago a stage last showed a sign of life, to half a minute.", "stage"),
		feedAge:    desc("feed_age_seconds", "How long ago a feed was last read completely.", "feed"),
		feedPaused: desc("feed_paused", "1 while a feed is paused.", "feed"),
		faults:     desc("work_faults", "Faults that keep work from being done in time.", "stuck"),
		rests:      desc("sender_failures", "Failures in a row of a sender that the other side does not let through; 0 when it does.", "sender"),
	}
}

// Describe sends what there is to be known.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.waiting, g.oldest, g.still, g.feedAge, g.feedPaused, g.faults, g.rests} {
		ch <- d
	}
}

// Collect reads the database. What cannot be read makes the scrape fail, which is
// what an alarm on it is for.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := g.now()
	work, rests, err := g.work(ctx)
	var feeds []alerts.Feed
	if err == nil {
		feeds, err = g.store.Feeds(ctx)
	}
	if err != nil {
		g.log.Error("metrics cannot be read from the database", "error", err)
		ch <- prometheus.NewInvalidMetric(g.waiting, errors.New("the database does not answer"))
		return
	}
	since := func(t time.Time) float64 { return max(now.Sub(t).Seconds(), 0) }
	for _, w := range work {
		oldest := 0.
		if w.Waiting > 0 {
			oldest = since(w.Since)
		}
		set(g.waiting, float64(w.Waiting), w.Name)
		set(g.oldest, oldest, w.Name)
		if !w.Moved.IsZero() {
			set(g.still, since(w.Moved), w.Name)
		}
	}
	for _, f := range feeds {
		if f.LastComplete > 0 {
			set(g.feedAge, since(time.UnixMilli(f.LastComplete)), f.Slug)
		}
		paused := 0.
		if f.Paused {
			paused = 1
		}
		set(g.feedPaused, paused, f.Slug)
	}
	number := map[bool]float64{}
	for _, f := range alerts.WorkFaults(work, rests, now) {
		number[f.Stuck]++
	}
	set(g.faults, number[true], "true")
	set(g.faults, number[false], "false")
	failures := map[string]float64{"mail": 0, "webhooks": 0}
	for _, r := range rests {
		failures[r.Name] = float64(r.Failures)
	}
	for name, n := range failures {
		set(g.rests, n, name)
	}
}

// monitoring is what is served to the operator's own monitoring, apart from the pages.
func (s *service) monitoring() http.Handler {
	s.counts.registry.MustRegister(newGauges(s))
	metrics := promhttp.HandlerFor(s.counts.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 3, Timeout: 15 * time.Second})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.bearing(metrics))
	mux.HandleFunc("GET /healthz", s.answerHealth)
	mux.HandleFunc("GET /readyz", s.answerReady)
	return mux
}

// bearing lets through who shows the token, when there is one.
func (s *service) bearing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.MetricsToken != "" {
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			have, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.cfg.MetricsToken))
			if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "the token is missing or wrong: send Authorization: Bearer and what SITENOTICE_METRICS_TOKEN says", http.StatusUnauthorized)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// validateMetrics refuses to show the service's figures to everybody.
func (c *Config) validateMetrics() error {
	if c.MetricsListen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.MetricsListen)
	if err != nil {
		return usage("--metrics-listen %q is not an address like localhost:9090", c.MetricsListen)
	}
	addr, err := netip.ParseAddr(host)
	if local := host == "localhost" || err == nil && addr.IsLoopback(); !local && c.MetricsToken == "" {
		return usage("--metrics-listen %s can be reached from other machines: set a token in SITENOTICE_METRICS_TOKEN, or listen on localhost", c.MetricsListen)
	}
	return nil
}
