package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// maxBody is more than any form here can fill but one in which areas are drawn; a
// one-click POST is 26 bytes.
const maxBody = 64 << 10

// maxDrawn is more than two outlines of as many corners as are possible.
const maxDrawn = 1 << 20

// mayDraw reports whether a request may bring outlines.
func mayDraw(r *http.Request) bool {
	return r.URL.Path == "/subscriptions" || r.URL.Path == "/links/again" || strings.HasPrefix(r.URL.Path, "/manage/") || strings.HasPrefix(r.URL.Path, "/groups/")
}

// maxTime is how long a page may take before it is given up.
const maxTime = 15 * time.Second

// A handler writes a page or returns why it cannot; [classify] decides what the
// visitor is told.
type handler func(w http.ResponseWriter, r *http.Request) error

// errMethod says that the address exists, but not for this method.
var errMethod = errors.New("method not allowed")

// errOrigin says that a form was sent from another site.
var errOrigin = errors.New("cross-origin request")

// errHost says that the service was asked for under a foreign name.
var errHost = errors.New("wrong host")

// classify says how an error is told: the status, and a sentence that is safe to
// show. What it does not know is a 500, whose detail goes to the log alone.
func classify(l alerts.Language, err error) (status int, text string) {
	var invalid *alerts.InvalidError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &invalid):
		return http.StatusUnprocessableEntity, invalid.In(l) + "."
	case errors.Is(err, alerts.ErrNotFound):
		return http.StatusNotFound, l.Say("There is no such page. The link may be incomplete, or what it showed has been taken down.")
	case errors.Is(err, alerts.ErrBadToken):
		return http.StatusNotFound, l.Say("This link is not complete or not valid. Please copy the whole of it from the mail, up to the last character.")
	case errors.Is(err, alerts.ErrExpired):
		return http.StatusGone, l.Say("This link has expired.")
	case errors.Is(err, alerts.ErrTooMany):
		return http.StatusTooManyRequests, l.Say("That was asked for too often from your connection. Please try again in an hour.")
	case errors.Is(err, alerts.ErrBusy):
		return http.StatusTooManyRequests, "So many people ask for this at the moment that we take no more requests for now. Please try again in an hour."
	case errors.Is(err, alerts.ErrConflict):
		return http.StatusConflict, l.Say("This has changed meanwhile. Please go back and reload the page.")
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed, l.Say("This page does not understand that kind of request.")
	case errors.Is(err, errOrigin):
		return http.StatusForbidden, l.Say("This form was sent from another website, so we did nothing. Please use the form on our own page.")
	case errors.Is(err, errHost):
		return http.StatusMisdirectedRequest, l.Say("This service is not known under that name.")
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, l.Say("That was more than this form can take.")
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, l.Say("This took too long. Please try again in a minute.")
	}
	return http.StatusInternalServerError, l.Say("Something went wrong on our side. It has been noted; please try again in a few minutes.")
}

// page turns a handler into an http.Handler that tells errors as pages.
func (s *Server) page(h handler) http.Handler { return s.within(maxTime, h) }

// within is page with another limit of its time.
func (s *Server) within(limit time.Duration, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		r = r.WithContext(ctx)
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// fail tells an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the visitor has gone
	}
	if errors.Is(err, errSignedOut) {
		toSignIn(w, r)
		return
	}
	status, text := classify(languageOf(r), err)
	if status >= 500 {
		s.Log.Error("page failed", "method", r.Method, "route", routeOf(r), "error", err)
	}
	if err := s.render(w, r, status, "error.html", "Sorry", errorPage{Status: status, Text: text, Expired: errors.Is(err, alerts.ErrExpired), language: languageOf(r)}); err != nil {
		s.Log.Error("error page failed", "error", err)
		http.Error(w, text, status)
	}
}

type errorPage struct {
	Status  int
	Text    string
	Expired bool

	language alerts.Language
}

// Heading names the kind of error.
func (p errorPage) Heading() string {
	switch l := p.language; {
	case p.Status == http.StatusNotFound:
		return l.Say("Page not found")
	case p.Expired:
		return l.Say("This link has expired")
	case p.Status >= 500:
		return l.Say("Sorry, that did not work")
	}
	return p.language.Say("That was not possible")
}

// guard wraps the router in what must happen for every request, also for those
// that match no route. From outside in: log and recover, headers, host, size,
// origin.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	// Mail programs in browsers send the one click of RFC 8058 from their own origin.
	origin.AddInsecureBypassPattern("POST /u/{token}")
	origin.SetDenyHandler(s.page(func(http.ResponseWriter, *http.Request) error { return errOrigin }))
	inner := origin.Handler(next)
	host := hostOf(s.BaseURL)
	secure := strings.HasPrefix(s.BaseURL, "https:")
	return s.record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy("img-src 'self' data:"))
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer, even on pages whose address is secret: with it older
		// browsers send "Origin: null" with our own forms, which are then refused.
		// No other site is told anything either way.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", permissions("geolocation=()"))
		h.Set("X-Frame-Options", "DENY")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !s.AnyHost && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" && !strings.EqualFold(withoutPort(r.Host, secure), host) {
			s.fail(w, r, errHost)
			return
		}
		most := int64(maxBody)
		switch {
		case api.IsUpload(r):
			most = api.MaxUpload
		case r.URL.Path == mailEventsPath:
			most = maxMailEvents
		case r.Method == http.MethodPost && r.URL.Path == checkPath:
			most = api.MaxUpload + maxBody // the fields beside the file
		case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, checkPath):
			most = maxCheckForm
		case mayDraw(r):
			most = maxDrawn
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		inner.ServeHTTP(w, r)
	}))
}

// contentPolicy is what a page may load, besides its style: nothing unless more
// says so, and nothing that stands in the page itself.
func contentPolicy(more ...string) string {
	return "default-src 'none'; style-src 'self'; " + strings.Join(more, "; ") + "; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// permissions is what a page may ask of a device, besides what location says.
func permissions(location string) string {
	return "camera=(), " + location + ", microphone=(), payment=(), usb=()"
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return withoutPort(u.Host, u.Scheme == "https")
}

// withoutPort removes the port that goes without saying.
func withoutPort(host string, secure bool) string {
	if secure {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// A seen is what the log says of a request.
type seen struct {
	http.ResponseWriter
	route  string
	status int
	bytes  int64
}

type seenKey struct{}

func (s *seen) WriteHeader(status int) {
	if s.status == 0 && status >= 200 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *seen) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(b)
	s.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// record logs each request, by the template of its route: paths hold tokens and
// queries hold postcodes. A panic becomes a 500.
func (s *Server) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		note := &seen{ResponseWriter: w, route: "-"}
		r = r.WithContext(context.WithValue(r.Context(), seenKey{}, note))
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.Error("page panicked", "route", note.route, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if note.status == 0 {
					s.fail(note, r, fmt.Errorf("panic: %v", p))
				}
			}
			took := time.Since(begin)
			s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", method(r)), slog.String("route", note.route),
				slog.Int("status", note.status), slog.Int64("bytes", note.bytes), slog.Duration("took", took))
			if s.Seen != nil {
				s.Seen(method(r), note.route, note.status, took)
			}
		}()
		next.ServeHTTP(note, r)
	})
}

// method is the request's method, if it is one that anybody uses.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return r.Method
	}
	return "other"
}

// noteRoute tells the log which route matched.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if note, ok := r.Context().Value(seenKey{}).(*seen); ok {
			if template, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
				note.route = template
			}
		}
		next.ServeHTTP(w, r)
	})
}

func routeOf(r *http.Request) string {
	if note, ok := r.Context().Value(seenKey{}).(*seen); ok {
		return note.route
	}
	return "-"
}

// client identifies where a request comes from for counting: the address, or for
// IPv6 its /64, as a keyed hash. Behind trusted proxies it is the right-most hop
// of X-Forwarded-For that is not one of them.
func (s *Server) client(r *http.Request) string {
	addr := netip.Addr{}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		addr = at.Addr().Unmap()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	return s.Keys.AddressKeys(addr.String())[0]
}

func (s *Server) trusts(addr netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
