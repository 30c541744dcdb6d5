package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/compose"
	"github.com/sitenotice/sitenotice/alerts/deliver"
	"github.com/sitenotice/sitenotice/alerts/ingest"
	"github.com/sitenotice/sitenotice/alerts/match"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/geo/postcode"
	"github.com/sitenotice/sitenotice/web"
	"github.com/sitenotice/sitenotice/web/api"
)

// A service is the program put together: the stages, the pages, and what they
// share.
type service struct {
	cfg       *Config
	log       *slog.Logger
	store     *store.Store
	keys      alerts.Keys
	postcodes *postcode.Table // nil when none has been imported
	now       func() time.Time
	inbound   alerts.Inbound
	events    *deliver.SendGridEvents // nil unless SendGrid reports to us
	strange   *http.Client            // for addresses that strangers type

	ingest  *ingest.Stage
	match   *match.Stage
	compose *compose.Stage
	deliver *deliver.Stage
	hooks   *deliver.Hooks
	policy  alerts.URLPolicy // of what webhooks may be sent to

	counts   *counts
	observed *observer // the store, as the stages see it

	readyMu     sync.Mutex
	readyAt     time.Time
	readyChecks []alerts.Check
}

// newService opens what the configuration names and wires it together. The
// postcode table may be given; nil means the one in the data folder.
func newService(ctx context.Context, cfg *Config, log *slog.Logger, table *postcode.Table) (s *service, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s = &service{cfg: cfg, log: log, postcodes: table, now: cfg.clock, strange: guarded()}
	if s.store, err = cfg.openStore(ctx, true); err != nil {
		return nil, err
	}
	defer func(opened *store.Store) {
		if err != nil {
			opened.Close()
		}
	}(s.store)
	s.store.ApproximatePlaces = cfg.ApproximatePlaces
	if s.keys, err = cfg.keys(); err != nil {
		return nil, err
	}
	if err := s.store.SealAddresses(ctx, s.keys); err != nil {
		return nil, err
	}
	if s.postcodes == nil {
		if s.postcodes, err = cfg.postcodes(); err != nil {
			return nil, err
		}
	}
	s.counts = newCounts()
	s.observed = &observer{Store: s.store, counts: s.counts, now: s.now, log: log, last: map[string]time.Time{}}
	s.ingest = &ingest.Stage{Store: s.observed, Now: s.now, Log: log, Places: s.places,
		Source: &ingest.Fetcher{Client: trusted(), Guarded: guarded(), Contact: cmp.Or(cfg.Contact, cfg.BaseURL), Secret: os.Getenv}}
	s.match = &match.Stage{Store: s.observed, Now: s.now, Log: log}
	if s.inbound, err = alerts.ParseInbound(cfg.Inbound, s.keys); err != nil {
		return nil, usage("--inbound: %v", err)
	}
	if cfg.SendgridEventsKey != "" {
		if s.events, err = deliver.NewSendGridEvents(cfg.SendgridEventsKey, s.keys); err != nil {
			return nil, usage("SITENOTICE_SENDGRID_EVENTS_KEY: %v", err)
		}
	}
	s.compose = &compose.Stage{Store: s.observed, Keys: s.keys, BaseURL: cfg.BaseURL, Inbound: s.inbound, Contact: cfg.Contact, Attribution: s.attribution(), Welsh: cfg.Welsh, Now: s.now, Log: log}
	sender, err := s.sender()
	if err != nil {
		return nil, err
	}
	s.deliver = &deliver.Stage{Store: s.observed, Sender: sender, Name: "mail", Now: s.now, Log: log}
	guard, err := hookGuard()
	if err != nil {
		return nil, err
	}
	s.policy = relaxed(alerts.URLPolicy{Guard: guard})
	tombstones, err := s.compose.HookWriter(ctx)
	if err != nil {
		return nil, err
	}
	s.hooks = &deliver.Hooks{Store: s.observed, Write: tombstones, Now: s.now, Log: log,
		Sender: &deliver.Webhook{Client: deliver.HookClient(s.policy.Guard, nil, nil), Keys: s.keys, UserAgent: "Sitenotice (+" + cfg.BaseURL + ")"}}
	return s, nil
}

func (s *service) close() { s.store.Close() }

// sender is how mail leaves, as --mail says.
func (s *service) sender() (deliver.Sender, error) {
	capture := &deliver.Capture{Store: s.store, From: s.cfg.From, Now: s.now}
	var sender deliver.Sender
	switch mail := s.cfg.Mail; {
	case mail == "capture":
		return capture, nil
	case mail == "sendgrid":
		if s.cfg.SendgridKey == "" {
			return nil, usage("--mail sendgrid needs the API key in SITENOTICE_SENDGRID_KEY")
		}
		sendgrid, err := deliver.NewSendGrid(s.cfg.SendgridKey, s.cfg.SendgridURL, s.cfg.From, s.keys)
		if err != nil {
			return nil, err
		}
		sender = sendgrid
	case strings.HasPrefix(mail, "smtp://"), strings.HasPrefix(mail, "smtps://"):
		smtp, err := deliver.NewSMTP(mail, s.cfg.From)
		if err != nil {
			return nil, usage("--mail: %v", err)
		}
		smtp.Inbound = s.inbound
		sender = smtp
	default:
		return nil, usage("--mail %q is neither capture, sendgrid nor an address like smtp://user:password@host:587", redactURL(mail))
	}
	if len(s.cfg.AllowOnly) > 0 {
		sender = &deliver.AllowOnly{Addresses: s.cfg.AllowOnly, Sender: sender, Otherwise: capture}
	}
	return sender, nil
}

func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return "…"
}

// attribution lists the lines that the licences of what is shown ask for.
func (s *service) attribution() []string {
	if s.postcodes == nil {
		return nil
	}
	return s.postcodes.Attribution()
}

// pages returns the pages.
func (s *service) pages() (http.Handler, error) {
	var proxies []netip.Prefix
	for _, p := range s.cfg.TrustedProxy {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			addr := netip.MustParseAddr(p) // validate has seen to it
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		proxies = append(proxies, prefix)
	}
	server := &web.Server{
		HookPolicy: s.policy, Ping: s.compose.Ping, HookWriter: s.compose.HookWriter,
		API:   &api.API{Store: s.store, Feeds: handover{s}, Keys: s.keys, Policy: s.policy, Ping: s.compose.Ping, HookWriter: s.compose.HookWriter, BaseURL: s.cfg.BaseURL, Now: s.now, Log: s.log},
		Files: handover{s}, Uploads: filepath.Join(s.cfg.Data, "uploads"),
		Store: s.store, Keys: s.keys, Limits: alerts.DefaultLimits, BaseURL: s.cfg.BaseURL, AnyHost: s.cfg.anyHost,
		TrustedProxies: proxies, Mailbox: s.cfg.Mail == "capture", Cadence: s.cfg.proposed, Contact: s.cfg.Contact, Operator: s.cfg.Operator, Complaints: s.cfg.Complaints, Now: s.now, Log: s.log,
		SecondPersonAbove: s.cfg.SecondPersonAbove,
		Tiles:             s.cfg.Tiles, TilesCredit: s.cfg.TilesCredit, Welsh: s.cfg.Welsh,
		ConfirmMail: func(m web.ConfirmMail) (alerts.Delivery, error) {
			return s.compose.Confirm(compose.Confirmation{Language: m.Recipient.Language, Area: m.Area, Filter: m.Filter, Cadence: m.Cadence, Remind: m.Remind, Coverage: m.Coverage, Already: m.Already,
				ConfirmURL: m.ConfirmURL, ManageURL: m.ManageURL, NeverURL: m.NeverURL})
		},
		ManageMail: func(m web.ManageMail) (alerts.Delivery, error) {
			return s.compose.ManageLink(compose.Link{Language: m.Recipient.Language, ManageURL: m.ManageURL, Valid: m.Valid})
		},
		InviteMail: func(m web.InviteMail) (alerts.Delivery, error) { return s.compose.Invitation(m.Group, m.AcceptURL) },
		MoveMail: func(m web.MoveMail) (alerts.Delivery, error) {
			return s.compose.Move(compose.Moving{Language: m.Recipient.Language, Move: m.Move, AgreeURL: m.AgreeURL, NeverURL: m.NeverURL})
		},
		Ready: s.ready, Seen: s.counts.request,
		SignInMail: func(m web.SignInMail) (alerts.Delivery, error) { return s.compose.SignIn(m.SignInURL) },
	}
	if s.events != nil {
		server.MailEvents = s.mailEvents
	}
	if s.postcodes != nil { // a nil *Table in the interface would not be nil
		server.Postcodes, server.API.Postcodes = s.postcodes, s.postcodes
	}
	return server.Handler(), nil
}

// passes are the stages by name, in the order in which work flows.
func (s *service) passes() []stagePass {
	passes := []stagePass{
		{"ingest", "ingest", func(ctx context.Context) (bool, error) {
			r, err := s.ingest.Run(ctx)
			return r.Events > 0, err
		}},
		{"match", "match", func(ctx context.Context) (bool, error) {
			worked := false
			for {
				r, err := s.match.Run(ctx)
				worked = worked || r.Matches > 0
				if err != nil || !r.More {
					return worked, err
				}
			}
		}},
		{"compose", "compose", func(ctx context.Context) (bool, error) {
			r, err := s.compose.Run(ctx)
			return r.Deliveries > 0, err
		}},
		{"deliver", "deliver", func(ctx context.Context) (bool, error) {
			r, err := s.deliver.Run(ctx)
			return r.Worked(), err
		}},
		{"webhooks", "deliver", func(ctx context.Context) (bool, error) {
			r, err := s.hooks.Run(ctx)
			return r.Worked(), err
		}},
	}
	for i, p := range passes {
		passes[i].run = func(ctx context.Context) (bool, error) {
			begin := time.Now()
			worked, err := p.run(ctx)
			s.observed.passed(ctx, p.name, time.Since(begin), err)
			return worked, err
		}
	}
	return passes
}

// A stagePass is how to make one pass of a stage. Delivering is done by one for mail
// and one for webhooks, neither of which waits for the other.
type stagePass struct {
	name  string
	stage string
	run   func(ctx context.Context) (worked bool, err error)
}

type passCommand struct {
	Stage string `arg:"" enum:"ingest,match,compose,deliver" help:"ingest, match, compose or deliver."`
}

// Run makes one pass of a stage.
func (c *passCommand) Run(ctx context.Context, cfg *Config, std streams) error {
	if _, err := os.Stat(cfg.Data); err != nil && cfg.DB == "" {
		return fmt.Errorf("there is no data folder %s: name yours with --data", cfg.Data)
	}
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	worked := false
	for _, p := range s.passes() {
		if p.stage != c.Stage {
			continue
		}
		did, err := p.run(ctx)
		if err != nil {
			return err
		}
		worked = worked || did
	}
	if !worked {
		fmt.Fprintln(std.out, "Nothing to do.")
	}
	return nil
}
