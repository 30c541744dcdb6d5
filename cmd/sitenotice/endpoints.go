package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

type endpointsCommand struct {
	List    endpointsList    `cmd:"" help:"Say how each endpoint is."`
	Add     endpointsAdd     `cmd:"" help:"Add an endpoint with an area, and send it a ping; prints its secret once."`
	Ping    endpointsPing    `cmd:"" help:"Send a ping now: switches an endpoint on that proves itself."`
	Confirm endpointsConfirm `cmd:"" help:"Switch a chat room's endpoint on with the code that its ping showed there."`
	Log     endpointsLog     `cmd:"" help:"Show the latest deliveries of an endpoint and what it answered."`
	Recover endpointsRecover `cmd:"" help:"Send again what an endpoint has missed in the last 14 days."`
	Test    endpointsTest    `cmd:"" help:"Send the latest real events of an endpoint's areas, marked as tests."`
	Rotate  endpointsRotate  `cmd:"" help:"Give an endpoint a new secret; the old one signs too for a day."`
	Pause   endpointsPause   `cmd:"" help:"Hold everything back."`
	Resume  endpointsResume  `cmd:"" help:"End a pause; what was held back is sent."`
	Remove  endpointsRemove  `cmd:"" help:"Delete an endpoint with its queue and secrets."`
}

// anEndpoint is the argument that names an endpoint.
type anEndpoint struct {
	Endpoint int64 `arg:"" help:"The endpoint's number (in \"endpoints list\")."`
}

// with opens the service for a command about one endpoint, and explains a number
// that does not exist.
func (a anEndpoint) with(ctx context.Context, cfg *Config, std streams, fn func(s *service) error) error {
	if _, err := os.Stat(cfg.Data); err != nil && cfg.DB == "" {
		return fmt.Errorf("there is no data folder %s: name yours with --data", cfg.Data)
	}
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	err = fn(s)
	switch {
	case errors.Is(err, alerts.ErrNotFound):
		return fmt.Errorf("there is no endpoint %d: see \"sitenotice endpoints list\"", a.Endpoint)
	case errors.Is(err, alerts.ErrTooMany):
		return errors.New("that was done too often; please try again in an hour")
	}
	return err
}

type endpointsList struct{}

// Run prints a line for each endpoint, without its path: that of a chat room is a
// secret.
func (endpointsList) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.openStore(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	type row struct {
		Endpoint     int64  `json:"endpoint"`
		Group        int64  `json:"group,omitempty"`
		Name         string `json:"name"`
		Host         string `json:"host"`
		Format       string `json:"format"`
		State        string `json:"state"`
		Reason       string `json:"reason,omitempty"`
		Waiting      int    `json:"waiting"`
		Failures     int    `json:"failures"` // attempts since the last success
		LastSuccess  string `json:"last_success,omitempty"`
		FailingSince string `json:"failing_since,omitempty"`
	}
	rows := []row{}
	for after := int64(0); ; {
		page, err := s.AllEndpoints(ctx, after, 200)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			rows = append(rows, row{e.ID, e.GroupID, e.Name, alerts.LinkHost(e.Shown), string(e.Format), string(e.State), e.Reason, e.Waiting, e.Failures, moment(e.SucceededAt), moment(e.FailingSince)})
			after = e.ID
		}
	}
	if cfg.JSON {
		return printJSON(std.out, rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(std.out, "There are no endpoints. Add one with: sitenotice endpoints add URL --authority SLUG")
		return err
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENDPOINT\tNAME\tHOST\tFORMAT\tSTATE\tWAITING\tFAILURES\tLAST SUCCESS (UTC)")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.Endpoint, r.Name, r.Host, r.Format, r.State, r.Waiting, r.Failures, cmp.Or(r.LastSuccess, "never"))
	}
	return w.Flush()
}

// moment writes a time of the store; "" when it never was.
func moment(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339)
}

type endpointsAdd struct {
	URL       string  `arg:"" name:"url" help:"Where webhooks go, https://…"`
	Name      string  `help:"How you will know it." default:""`
	Format    string  `help:"standard, slack, discord, teams or matrix." default:"standard"`
	Group     int64   `help:"The community group whose it is." default:"0"`
	Authority string  `help:"Hear of everything of this authority (its slug)."`
	Ward      string  `help:"Hear of a ward (its GSS code)."`
	Near      string  `help:"Hear of a circle around LATITUDE,LONGITUDE."`
	Radius    float64 `help:"Of the circle, in metres." default:"500"`
	Polygon   string  `help:"Hear of an area drawn in a GeoJSON file." type:"existingfile"`
}

// Run adds the endpoint and tries it.
func (c *endpointsAdd) Run(ctx context.Context, cfg *Config, std streams) error {
	area, err := c.area()
	if err != nil {
		return err
	}
	s, err := newService(ctx, cfg, cfg.log(std.err), nil)
	if err != nil {
		return err
	}
	defer s.close()
	n, err := alerts.NewEndpoint{GroupID: c.Group, Name: cmp.Or(c.Name, alerts.LinkHost(c.URL), "endpoint"), Format: alerts.HookFormat(c.Format)}.Check(c.URL, s.hookPolicy(), s.keys)
	if err != nil {
		return usage("%v", err)
	}
	if area.Kind == alerts.AreaAuthority {
		if _, err := s.store.Authority(ctx, area.Code); err != nil {
			return fmt.Errorf("%w: is %q the slug of an authority? See \"sitenotice feed list\"", err, area.Code)
		}
	}
	secret := alerts.NewHookSecret()
	e, err := s.store.CreateEndpoint(ctx, n, s.keys.SealSecret(secret), s.now(), s.compose.Ping)
	if err != nil {
		return err
	}
	if _, err := s.store.AddEndpointArea(ctx, e.ID, area, alerts.Filter{}, s.now()); err != nil {
		return err
	}
	if cfg.JSON {
		return printJSON(std.out, map[string]any{"endpoint": e.ID, "url": e.Shown, "secret": secret, "state": e.State})
	}
	fmt.Fprintf(std.out, "Endpoint %d is made. Its secret, shown this once:\n\n  %s\n\n", e.ID, secret)
	return s.tryEndpoint(ctx, e.ID, std.out)
}

// area reads which area was asked for; exactly one.
func (c *endpointsAdd) area() (a alerts.Area, err error) {
	given := 0
	if c.Authority != "" {
		given++
		a = alerts.Area{Kind: alerts.AreaAuthority, Code: c.Authority, Label: c.Authority}
	}
	if c.Ward != "" {
		given++
		a = alerts.Area{Kind: alerts.AreaWard, Code: c.Ward, Label: c.Ward}
	}
	if c.Near != "" {
		given++
		lat, lon, ok := strings.Cut(c.Near, ",")
		y, err1 := strconv.ParseFloat(strings.TrimSpace(lat), 64)
		x, err2 := strconv.ParseFloat(strings.TrimSpace(lon), 64)
		if !ok || err1 != nil || err2 != nil || !geo.InUK(geo.Point{Lon: x, Lat: y}) || !(c.Radius >= 50 && c.Radius <= 50_000) {
			return a, usage("--near %q should be latitude and longitude in the United Kingdom, for example 51.5390,-0.1426, and --radius between 50 and 50,000 metres", c.Near)
		}
		a = alerts.Area{Kind: alerts.AreaCircle, Centre: geo.Point{Lon: x, Lat: y}, Radius: c.Radius, Label: c.Near}
	}
	if c.Polygon != "" {
		given++
		b, err := os.ReadFile(c.Polygon)
		if err != nil {
			return a, err
		}
		g, err := geo.DecodeGeoJSON(b)
		if err == nil {
			g, err = geo.ValidateArea(g)
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", c.Polygon, err)
		}
		a = alerts.Area{Kind: alerts.AreaPolygon, Label: "drawn area"}
		if a.Shape, err = geo.EncodeWKB(g); err != nil {
			return a, err
		}
	}
	if given != 1 {
		return a, usage("say what the endpoint is to hear of, by one of --authority, --ward, --near or --polygon")
	}
	return a, nil
}

// hookPolicy says which addresses endpoints may have.
func (s *service) hookPolicy() alerts.URLPolicy { return s.policy }

// tryEndpoint sends what waits for one endpoint, and says what came of its ping.
func (s *service) tryEndpoint(ctx context.Context, id int64, out io.Writer) error {
	hooks := *s.hooks
	hooks.Only = id
	if _, err := hooks.Run(ctx); err != nil {
		return err
	}
	e, err := s.store.Endpoint(ctx, id)
	if err != nil {
		return err
	}
	found, _, err := s.store.EndpointDeliveries(ctx, id, "", 0, 50)
	if err != nil {
		return err
	}
	for _, d := range found {
		if !d.IsPing() {
			continue
		}
		attempts, err := s.store.Attempts(ctx, id, d.ID)
		if err != nil {
			return err
		}
		switch last := len(attempts) - 1; {
		case last < 0:
			fmt.Fprintln(out, "The ping waits; another process may be sending it. See \"sitenotice endpoints log\".")
		case attempts[last].Class != alerts.HookAccepted:
			fmt.Fprintln(out, "The ping failed. "+attempts[last].Detail)
		case e.Format.IsChat() && e.State == alerts.EndpointPending:
			fmt.Fprintf(out, "The ping arrived. Switch the endpoint on with the code that it shows in the room:\n\n  sitenotice endpoints confirm %d CODE\n", id)
		default:
			fmt.Fprintln(out, "The ping was answered.")
		}
		break
	}
	fmt.Fprintf(out, "Endpoint %d is %s.\n", id, e.State)
	return nil
}

type endpointsPing struct{ anEndpoint }

// Run sends a ping and waits for the answer.
func (c *endpointsPing) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error {
		if err := s.store.PingEndpoint(ctx, c.Endpoint, s.now(), s.compose.Ping); err != nil {
			return err
		}
		return s.tryEndpoint(ctx, c.Endpoint, std.out)
	})
}

type endpointsConfirm struct {
	anEndpoint
	Code string `arg:"" help:"As the test message shows it."`
}

// Run switches a chat room's endpoint on.
func (c *endpointsConfirm) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error {
		if err := s.store.ConfirmEndpoint(ctx, c.Endpoint, c.Code, s.now()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out, "Endpoint %d is switched on.\n", c.Endpoint)
		return err
	})
}

type endpointsLog struct {
	anEndpoint
	Limit int `help:"How many deliveries." default:"20"`
}

// Run prints an endpoint's deliveries, the newest first, each with its last attempt.
func (c *endpointsLog) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error {
		if _, err := s.store.Endpoint(ctx, c.Endpoint); err != nil {
			return err
		}
		found, _, err := s.store.EndpointDeliveries(ctx, c.Endpoint, "", 0, min(max(c.Limit, 1), 1000))
		if err != nil {
			return err
		}
		type attempt struct {
			At       string `json:"at"`
			Duration int64  `json:"duration_ms"`
			Class    string `json:"class,omitempty"`
			Status   int    `json:"status,omitempty"`
			Detail   string `json:"detail,omitempty"`
			Answer   string `json:"answer,omitempty"`
		}
		type row struct {
			ID       string    `json:"id"`
			Type     string    `json:"type"`
			Sequence int64     `json:"sequence,omitempty"`
			State    string    `json:"state"`
			Next     string    `json:"next_attempt,omitempty"`
			Attempts []attempt `json:"attempts"`
		}
		rows := []row{}
		for _, d := range found {
			attempts, err := s.store.Attempts(ctx, c.Endpoint, d.ID)
			if err != nil {
				return err
			}
			r := row{ID: d.MessageID, Type: d.Type, Sequence: d.Sequence, State: string(d.State), Attempts: []attempt{}}
			for _, a := range attempts {
				r.Attempts = append(r.Attempts, attempt{moment(a.At), a.Duration, string(a.Class), a.Status, a.Detail, a.Answer})
			}
			if d.State == alerts.DeliveryQueued {
				r.Next = moment(d.NextAt)
			}
			rows = append(rows, r)
		}
		if cfg.JSON {
			return printJSON(std.out, rows)
		}
		w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tTYPE\tSEQUENCE\tSTATE\tTRIES\tLAST TRY (UTC)\tSTATUS\tTOOK\tWHAT CAME OF IT")
		for _, r := range rows {
			at, status, took, detail := "", "", "", ""
			if n := len(r.Attempts); n > 0 {
				a := r.Attempts[n-1]
				at, took, detail = a.At, fmt.Sprintf("%d ms", a.Duration), cmp.Or(a.Detail, "accepted")
				if a.Status != 0 {
					status = strconv.Itoa(a.Status)
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\t%s\t%s\t%s\n", r.ID, r.Type, r.Sequence, r.State, len(r.Attempts), at, status, took, detail)
		}
		return w.Flush()
	})
}

type endpointsRecover struct {
	anEndpoint
	Since    time.Time `help:"What was made since (RFC 3339, for example 2026-05-05T00:00:00Z)."`
	Until    time.Time `help:"And before."`
	After    *int64    `name:"after-sequence" help:"What has a higher sequence number."`
	UpTo     int64     `name:"until-sequence" help:"And no higher than this."`
	Accepted bool      `help:"Also what was accepted, for a receiver that has lost its data."`
}

// Run puts deliveries back in the queue.
func (c *endpointsRecover) Run(ctx context.Context, cfg *Config, std streams) error {
	r := alerts.Recovery{UpTo: c.UpTo, Accepted: c.Accepted}
	switch {
	case c.After != nil && c.Since.IsZero():
		r.After = *c.After
	case c.After == nil && !c.Since.IsZero():
		r.Since = c.Since.UnixMilli()
	default:
		return usage("say from where, by --since or by --after-sequence")
	}
	if !c.Until.IsZero() {
		r.Until = c.Until.UnixMilli()
	}
	return c.with(ctx, cfg, std, func(s *service) error {
		done, err := s.store.Recover(ctx, c.Endpoint, r, s.now())
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s will be sent again, each under the id it had.\n", alerts.English.Plural(done.Queued, "webhook", "webhooks"))
		if done.More {
			fmt.Fprintf(std.out, "There are more: ask again with --after-sequence %d.\n", done.Last)
		}
		return nil
	})
}

type endpointsTest struct {
	anEndpoint
	Events int `help:"How many, at most 10." default:"1"`
}

// Run queues tests.
func (c *endpointsTest) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error {
		write, err := s.compose.HookWriter(ctx)
		if err != nil {
			return err
		}
		ids, err := s.store.TestFire(ctx, c.Endpoint, c.Events, s.now(), write)
		if errors.Is(err, alerts.ErrConflict) {
			return fmt.Errorf("endpoint %d is not switched on: send it a ping first", c.Endpoint)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(std.out, "%s will be sent, marked as tests.\n", alerts.English.Plural(len(ids), "past event", "past events"))
		return err
	})
}

type endpointsRotate struct {
	anEndpoint
	Overlap time.Duration `help:"How long the old secret signs too, at most a week." default:"24h"`
}

// Run makes a new secret and prints it once.
func (c *endpointsRotate) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error {
		secret := alerts.NewHookSecret()
		if err := s.store.RotateSecret(ctx, c.Endpoint, s.keys.SealSecret(secret), c.Overlap, s.now()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out, "The new secret, shown this once:\n\n  %s\n\nThe old one signs too for %v.\n", secret, min(max(c.Overlap, 0), alerts.MaxSecretOverlap))
		return err
	})
}

type endpointsPause struct{ anEndpoint }

// Run pauses an endpoint.
func (c *endpointsPause) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error { return c.explain(s.store.PauseEndpoint(ctx, c.Endpoint)) })
}

type endpointsResume struct{ anEndpoint }

// Run ends a pause.
func (c *endpointsResume) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error { return c.explain(s.store.ResumeEndpoint(ctx, c.Endpoint)) })
}

func (a anEndpoint) explain(err error) error {
	if errors.Is(err, alerts.ErrConflict) {
		return fmt.Errorf("endpoint %d is not switched on: send it a ping first", a.Endpoint)
	}
	return err
}

type endpointsRemove struct{ anEndpoint }

// Run deletes an endpoint.
func (c *endpointsRemove) Run(ctx context.Context, cfg *Config, std streams) error {
	return c.with(ctx, cfg, std, func(s *service) error {
		if err := s.store.DeleteEndpoint(ctx, c.Endpoint, s.now()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out, "Endpoint %d is deleted.\n", c.Endpoint)
		return err
	})
}
