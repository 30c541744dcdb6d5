package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// alarmEvery is how often it is looked whether the work gets done.
const alarmEvery = time.Minute

// watch looks whether the work gets done, until ctx ends: in every process, so that
// one that serves pages notices that nobody works any more. It is no stage and waits
// for none.
func (s *service) watch(ctx context.Context) {
	tick := time.NewTicker(alarmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// A look that hangs, as a stage may, must not be the last.
		look, cancel := context.WithTimeout(ctx, alarmEvery)
		if err := s.look(look); err != nil && ctx.Err() == nil {
			s.log.Error("it cannot be seen whether the work gets done", "error", err)
		}
		cancel()
	}
}

// look looks once. It queues a mail to the operator of each fault that is new and of
// each that is over, hands mail over itself, for the stage that should may be what is
// broken, and calls the address of the ping. When it cannot look it calls nobody:
// silence is the alarm.
func (s *service) look(ctx context.Context) error {
	work, rests, err := s.work(ctx)
	if err != nil {
		return err
	}
	key := ""
	if s.cfg.Contact != "" {
		key = s.keys.AddressKeys(s.cfg.Contact)[0]
	}
	news, mine, err := s.store.RaiseAlarms(ctx, alerts.WorkFaults(work, rests, s.now()), s.cfg.Contact, key, s.now(), s.compose.Alarm)
	if err != nil || !mine {
		return err
	}
	for _, a := range news.Raised {
		s.log.Error("the work does not get done", "fault", a.Key, "text", a.Text)
	}
	for _, a := range news.Over {
		s.log.Info("the work gets done again", "fault", a.Key)
	}
	if !news.IsEmpty() && s.cfg.Contact != "" {
		// Not as the stage does it, of which it would be a sign of life.
		byHand := *s.deliver
		byHand.Store = s.store
		_, err = byHand.Run(ctx)
	}
	return errors.Join(err, s.ping(ctx, len(news.Current) == 0))
}

// ping tells a service that raises an alarm when it hears nothing, as healthchecks.io
// does, that all is well, or that it is not.
func (s *service) ping(ctx context.Context, well bool) error {
	if s.cfg.AlarmPing == "" {
		return nil
	}
	address := s.cfg.AlarmPing
	if !well {
		address = strings.TrimRight(address, "/") + "/fail"
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return errors.New("the address of the ping cannot be used")
	}
	res, err := s.strange.Do(r)
	if err != nil {
		var secret *url.Error // it names the address, which is a secret
		if errors.As(err, &secret) {
			err = secret.Err
		}
		return errors.Join(errors.New("the ping was not heard"), err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	if res.StatusCode >= 300 {
		return errors.New("the ping was answered with " + res.Status)
	}
	return nil
}

// validatePing refuses an address that could not be called.
func (c *Config) validatePing() error {
	if c.AlarmPing == "" {
		return nil
	}
	if u, err := url.Parse(c.AlarmPing); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return usage("SITENOTICE_ALARM_PING must be an address like https://hc-ping.com/your-id, without a query")
	}
	return nil
}
