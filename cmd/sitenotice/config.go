package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/alerts/store"
	"github.com/sitenotice/sitenotice/geo/postcode"
)

// The defaults that other code has to know.
const (
	defaultData    = "sitenotice-data"
	defaultBaseURL = "http://localhost:8080"
)

// Config is what the operator may set, by flag or by variable.
type Config struct {
	Data              string   `help:"Folder for the database, the keys and the postcode table (default: sitenotice-data; for the demo a temporary one)."`
	DB                string   `name:"db" help:"Database: sqlite:PATH or postgres://… (default: sitenotice.db in the data folder)."`
	Listen            string   `help:"Address to serve pages on." default:"localhost:8080"`
	BaseURL           string   `name:"base-url" help:"Address of the service as people see it, for links in mails." default:"http://localhost:8080"`
	Mail              string   `help:"How mail is sent: capture (kept, shown at /dev/mail), smtp://user:password@host:port, or sendgrid (key in SITENOTICE_SENDGRID_KEY)." default:"capture"`
	From              string   `help:"From address of mails." default:"Sitenotice <alerts@localhost>"`
	Inbound           string   `help:"Address whose mail \"mail receive\" reads, like bounces@example.org: bounces, complaints, wishes to stop. Left out: mail offers no address to stop at."`
	Contact           string   `help:"E-mail address of the operator: for the footer, for feed servers, and for notices."`
	Operator          string   `help:"Who runs the service, for the pages on privacy and complaints: a name and a postal address, with commas between its lines."`
	Complaints        string   `help:"E-mail address for complaints (default: that of --contact)."`
	Tiles             string   `help:"Address of map pictures, with {z}, {x} and {y}, for example https://tiles.example.org/{z}/{x}/{y}.png; read their terms of use. Without it maps show applications and outlines only."`
	TilesCredit       string   `name:"tiles-credit" help:"Who is to be named on the map for its pictures, for example © OpenStreetMap contributors."`
	MetricsListen     string   `name:"metrics-listen" help:"Address on which to serve /metrics, /healthz and /readyz to your own monitoring, for example localhost:9090; a token in SITENOTICE_METRICS_TOKEN protects /metrics, and has to when other machines can reach it."`
	Welsh             bool     `help:"Pages and mails in Welsh, too: under /cy, and for who signs up there."`
	TrustedProxy      []string `name:"trusted-proxy" help:"Addresses of proxies whose X-Forwarded-For is believed."`
	AllowOnly         []string `name:"allow-only" help:"Outside production: addresses that may be mailed; all other mail is captured."`
	SecondPersonAbove int      `name:"second-person-above" help:"A second person has to agree when held news that is released or discarded concerns more people than this." default:"100"`
	ApproximatePlaces bool     `name:"approximate-places" help:"Keep the places that people follow to about 100 metres only."`
	JSON              bool     `name:"json" help:"Print results as JSON."`
	LogLevel          string   `name:"log-level" help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`

	MetricsToken      string           `name:"metrics-token" help:"What Prometheus shows as a bearer token." hidden:""`
	AlarmPing         string           `name:"alarm-ping" help:"Address that is called every minute while the work gets done, and with /fail behind it when it does not." hidden:""`
	SendgridKey       string           `name:"sendgrid-key" help:"API key of SendGrid." hidden:""`
	SendgridEventsKey string           `name:"sendgrid-events-key" help:"Verification key of SendGrid's signed Event Webhook." hidden:""`
	SendgridURL       string           `name:"sendgrid-url" help:"Base address of SendGrid's API." hidden:"" default:"https://api.sendgrid.com"`
	anyHost           bool             // the demo answers whatever host it is asked for
	proposed          alerts.Cadence   // what the sign-up form proposes; "" for the usual
	now               func() time.Time // the clock; nil for the usual one

	Keys string `help:"Key ring for links, id:key,id:key (default: keys.txt in the data folder; required with PostgreSQL)." hidden:""`
}

func (c *Config) validate() error {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return usage("--base-url %q is not an address like https://alerts.example.org", c.BaseURL)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if _, err := mail.ParseAddress(c.From); err != nil {
		return usage("--from %q is not an address like \"Sitenotice <alerts@example.org>\"", c.From)
	}
	if c.Contact != "" {
		if _, err := mail.ParseAddress(c.Contact); err != nil {
			return usage("--contact %q is not an e-mail address", c.Contact)
		}
	}
	if c.Complaints != "" {
		if _, err := mail.ParseAddress(c.Complaints); err != nil {
			return usage("--complaints %q is not an e-mail address", c.Complaints)
		}
	}
	for _, check := range []func() error{c.validateTiles, c.validateMetrics, c.validatePing} {
		if err := check(); err != nil {
			return err
		}
	}
	for _, p := range c.TrustedProxy {
		if _, err := netip.ParsePrefix(p); err != nil {
			if _, err := netip.ParseAddr(p); err != nil {
				return usage("--trusted-proxy %q is neither an address nor a range like 10.0.0.0/8", p)
			}
		}
	}
	return nil
}

// validateTiles refuses an address of map pictures that pages could not use: its
// host goes into their content security policy.
func (c *Config) validateTiles() error {
	if c.Tiles == "" {
		return nil
	}
	for _, part := range []string{"{z}", "{x}", "{y}"} {
		if !strings.Contains(c.Tiles, part) {
			return usage("--tiles %q lacks %s: it must be an address like https://tiles.example.org/{z}/{x}/{y}.png", c.Tiles, part)
		}
	}
	u, err := url.Parse(c.Tiles)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(u.Host, "{}*;, ") {
		return usage("--tiles %q must be an address of one host, like https://tiles.example.org/{z}/{x}/{y}.png", c.Tiles)
	}
	if c.TilesCredit == "" {
		return usage("--tiles needs --tiles-credit: who is to be named for the pictures, for example \"© OpenStreetMap contributors\"")
	}
	return nil
}

// lacking says what people should be told and nobody has configured.
func (c *Config) lacking() (warnings []string) {
	if c.Contact == "" {
		warnings = append(warnings, "nobody is told how to reach you: the pages on privacy, accessibility and complaints say that you have not said; and nobody is told when something is wrong. Give an e-mail address with --contact")
	}
	if c.Operator == "" {
		warnings = append(warnings, "the page on privacy does not say who is responsible, which the law asks for: give your name and postal address with --operator")
	}
	if c.Mail == "capture" {
		warnings = append(warnings, "no mail is sent: all of it is kept, and everybody can read it at /dev/mail. Name a relay with --mail")
	}
	return warnings
}

// clock is the time, which tests set.
func (c *Config) clock() time.Time {
	if c.now != nil {
		return c.now()
	}
	return clock()
}

// postgres reports whether the database is PostgreSQL.
func (c *Config) postgres() bool { return strings.HasPrefix(c.DB, "postgres") }

// log writes to w at the level asked for.
func (c *Config) log(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// connect opens the database without touching its schema. With create it makes
// the data folder and the file if need be; without, a folder that is not there is
// an error, so that a mistyped --data is not answered by an empty database.
func (c *Config) connect(ctx context.Context, create bool) (*store.Store, error) {
	if create {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w; name another with --data", err)
		}
	}
	if c.DB != "" {
		return store.Open(ctx, c.DB)
	}
	path := filepath.Join(c.Data, "sitenotice.db")
	if _, err := os.Stat(path); err != nil && !create {
		return nil, fmt.Errorf("there is no database in %s: name your data folder with --data, or begin with \"sitenotice serve\" or \"sitenotice feed add\", which make one", c.Data)
	}
	return store.Open(ctx, "sqlite:"+path)
}

// openStore opens the database as connect does and brings it up to date.
func (c *Config) openStore(ctx context.Context, create bool) (*store.Store, error) {
	s, err := c.connect(ctx, create)
	if err != nil {
		return nil, err
	}
	if _, err := s.Migrate(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// keys reads the key ring, or makes one in the data folder.
func (c *Config) keys() (alerts.Keys, error) {
	if c.Keys != "" {
		return alerts.ParseKeys(c.Keys)
	}
	if c.postgres() {
		return alerts.Keys{}, fmt.Errorf("with PostgreSQL set SITENOTICE_KEYS, the same for every process, for example\n  SITENOTICE_KEYS=%s", alerts.NewKeys())
	}
	path := filepath.Join(c.Data, "keys.txt")
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		b = []byte(alerts.NewKeys() + "\n")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if os.IsExist(err) { // another process was quicker
			if b, err = os.ReadFile(path); err != nil {
				return alerts.Keys{}, fmt.Errorf("read the keys: %w", err)
			}
			return parseKeyFile(path, b)
		}
		if err != nil {
			return alerts.Keys{}, fmt.Errorf("make the keys: %w", err)
		}
		_, err = f.Write(b)
		if err := firstError(err, f.Sync(), f.Close()); err != nil {
			return alerts.Keys{}, fmt.Errorf("make the keys: %w", err)
		}
	} else if err != nil {
		return alerts.Keys{}, fmt.Errorf("read the keys: %w", err)
	}
	return parseKeyFile(path, b)
}

func parseKeyFile(path string, b []byte) (alerts.Keys, error) {
	keys, err := alerts.ParseKeys(strings.TrimSpace(string(b)))
	if err != nil {
		return alerts.Keys{}, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// postcodesPath is where the postcode table lives.
func (c *Config) postcodesPath() string { return filepath.Join(c.Data, "postcodes.bin") }

// postcodes opens the postcode table; nil when none has been imported.
func (c *Config) postcodes() (*postcode.Table, error) {
	t, err := postcode.Open(c.postcodesPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return t, err
}
