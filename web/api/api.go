// Package api is the interface for programs.
package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
)

// Store is the part of the store that the interface reads and writes.
type Store interface {
	// FeedTokenHash returns the hash of a feed's token; empty when there is none.
	FeedTokenHash(ctx context.Context, slug string) (string, error)
	// Allow counts one use of an allowance; false when it is used up.
	Allow(ctx context.Context, a alerts.Allowance) (bool, error)

	List(ctx context.Context, q alerts.Query, after alerts.Cursor, limit int) (alerts.Page, error)
	Application(ctx context.Context, ref alerts.Ref) (alerts.Application, error)
	Authorities(ctx context.Context) ([]alerts.Coverage, error)
	Authority(ctx context.Context, slug string) (alerts.Coverage, error)
	Events(ctx context.Context, after int64, authority string, limit int) (found []alerts.Event, last int64, err error)
	LastEvent(ctx context.Context) (int64, error)

	UseToken(ctx context.Context, secret string, now time.Time) (alerts.Token, error)
	Begin(ctx context.Context, key, request string, now time.Time) (status int, sealed string, err error)
	Finish(ctx context.Context, key string, status int, sealed string) error

	GroupAreas(ctx context.Context, group int64) ([]alerts.GroupArea, error)
	AddGroupArea(ctx context.Context, a alerts.GroupArea, now time.Time) (alerts.GroupArea, error)
	Boundary(ctx context.Context, kind alerts.BoundaryKind, code string) (alerts.Boundary, error)
	FindBoundaries(ctx context.Context, kind alerts.BoundaryKind, text string, limit int) ([]alerts.Boundary, error)
	WardAuthorities(ctx context.Context, code string) ([]string, error)

	RemoveGroupArea(ctx context.Context, group, id int64, now time.Time) error
	EndpointStore
}

// EndpointStore is the part of the store that keeps endpoints and what they are sent.
type EndpointStore interface {
	Endpoints(ctx context.Context, group int64) ([]alerts.Endpoint, error)
	Endpoint(ctx context.Context, id int64) (alerts.Endpoint, error)
	CreateEndpoint(ctx context.Context, n alerts.NewEndpoint, sealed string, now time.Time, ping alerts.PingWriter) (alerts.Endpoint, error)
	EditEndpoint(ctx context.Context, id int64, n alerts.NewEndpoint, now time.Time, ping alerts.PingWriter) (alerts.Endpoint, error)
	DeleteEndpoint(ctx context.Context, id int64, now time.Time) error
	PingEndpoint(ctx context.Context, id int64, now time.Time, ping alerts.PingWriter) error
	ConfirmEndpoint(ctx context.Context, id int64, code string, now time.Time) error
	RotateSecret(ctx context.Context, id int64, sealed string, overlap time.Duration, now time.Time) error
	PauseEndpoint(ctx context.Context, id int64) error
	ResumeEndpoint(ctx context.Context, id int64) error
	TestFire(ctx context.Context, endpoint int64, n int, now time.Time, write alerts.HookWriter) (ids []string, err error)
	Recover(ctx context.Context, endpoint int64, r alerts.Recovery, now time.Time) (alerts.Recovered, error)
	Snapshot(ctx context.Context, endpoint int64, cursor alerts.SnapshotCursor, limit int) (cases []alerts.Application, next alerts.SnapshotCursor, err error)
	EndpointAreas(ctx context.Context, endpoint int64) ([]alerts.Subscription, error)
	EditEndpointArea(ctx context.Context, endpoint, sub int64, area alerts.Area, filter alerts.Filter, now time.Time) error
	AddEndpointArea(ctx context.Context, endpoint int64, area alerts.Area, filter alerts.Filter, now time.Time) (alerts.Subscription, error)
	RemoveEndpointArea(ctx context.Context, endpoint, sub int64, now time.Time) error
	EndpointDeliveries(ctx context.Context, endpoint int64, state alerts.DeliveryState, before int64, limit int) (found []alerts.HookDelivery, next int64, err error)
	EndpointDelivery(ctx context.Context, endpoint int64, messageID string) (alerts.HookDelivery, error)
	Attempts(ctx context.Context, endpoint, delivery int64) ([]alerts.HookAttempt, error)
	Resend(ctx context.Context, endpoint int64, messageID string, now time.Time) error
}

// Feeds reads files that councils hand over. It returns alerts.ErrConflict when the
// feed is being read already, and a *FileError for a file that cannot be used.
type Feeds interface {
	// Check says what is in a file, what is wrong with it, and what importing it would
	// send; nothing is stored.
	Check(ctx context.Context, feed, adapter string, file io.Reader) (*alerts.Report, error)
	// Fixes writes the rows of a file that have a fault, as CSV; nothing is stored.
	Fixes(ctx context.Context, feed, adapter string, file io.Reader, to io.Writer) error
	// Import reads a file into the feed.
	Import(ctx context.Context, feed, adapter string, file io.Reader) (alerts.Run, []alerts.Fault, error)
}

// A FileError says in a sentence why a file, or what was asked of it, is not right.
type FileError struct{ Problem string }

func (e *FileError) Error() string { return e.Problem }

// API answers programs. All fields but Postcodes, Policy and Patience are required.
type API struct {
	Store      Store
	Feeds      Feeds
	Postcodes  Postcodes // nil: no table has been imported
	Keys       alerts.Keys
	Policy     alerts.URLPolicy // which addresses webhooks may go to
	Ping       alerts.PingWriter
	HookWriter func(ctx context.Context) (alerts.HookWriter, error)
	BaseURL    string                       // as people see the service, without a slash at the end
	Client     func(r *http.Request) string // where a request comes from, for counting
	Patience   time.Duration                // between two looks for new events; a second unless set
	Now        func() time.Time
	Log        *slog.Logger

	rates   rates
	waiting waiting
}

// Limits of what a stranger, or a council's program, can send.
const (
	MaxUpload      = 256 << 20 // bytes of one file
	uploadTime     = 15 * time.Minute
	uploadsPerHour = 60 // with one feed's token
)

// ImportPath is where files are handed over.
const ImportPath = "/api/v1/feeds/{feed}/import"

// Register adds the routes.
func (a *API) Register(r *mux.Router) {
	r.HandleFunc(ImportPath, a.importFile).Methods(http.MethodPost)
	r.HandleFunc("/api/v1/schemas/{schema}", a.schema).Methods(http.MethodGet, http.MethodHead)
	a.routes(r)
}

// IsUpload reports whether a request may have a body of up to MaxUpload bytes.
func IsUpload(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/v1/feeds/") && strings.HasSuffix(r.URL.Path, "/import")
}

// problem writes an error (RFC 9457).
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

// Authorized reports whether a token is the feed's. It takes as long for a feed that
// does not exist.
func (a *API) Authorized(ctx context.Context, feed, token string) (bool, error) {
	return a.StillAuthorized(ctx, feed, alerts.HashSecret(strings.TrimSpace(token)))
}

// StillAuthorized reports whether a token of which the hash was kept is the feed's.
func (a *API) StillAuthorized(ctx context.Context, feed, tokenHash string) (bool, error) {
	hash, err := a.Store.FeedTokenHash(ctx, feed)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(tokenHash), []byte(hash)) == 1 && hash != "", nil
}

// Allowed counts a file that is handed over for a feed; false when that was too often
// in this hour. Only those who have the token are counted: nobody else can use it up.
func (a *API) Allowed(ctx context.Context, feed string) (bool, error) {
	return a.Store.Allow(ctx, alerts.Allowance{Key: "import:" + alerts.Line(feed, 100), Period: a.Now().UTC().Format("2006-01-02T15"), Limit: uploadsPerHour})
}

// importFile reads a council's file into its feed, or with dry_run=1 says what is in
// it. With "Accept: text/csv" a dry run answers with the rows that have a fault.
func (a *API) importFile(w http.ResponseWriter, r *http.Request) {
	feed := mux.Vars(r)["feed"]
	if err := a.upload(w, r, feed); err != nil {
		var file *FileError
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			problem(w, http.StatusRequestEntityTooLarge, "The file is larger than 256 MB.")
		case errors.As(err, &file):
			problem(w, http.StatusUnprocessableEntity, file.Problem)
		case errors.Is(err, alerts.ErrConflict):
			w.Header().Set("Retry-After", "60")
			problem(w, http.StatusConflict, "The feed is being read at this moment. Try again in a minute.")
		default:
			a.Log.Error("an import by a program failed", "feed", feed, "error", err)
			problem(w, http.StatusInternalServerError, "Sorry, that did not work. Nothing that was stored is harmed; try again later.")
		}
	}
}

func (a *API) upload(w http.ResponseWriter, r *http.Request, feed string) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok, err := a.Authorized(r.Context(), feed, token); err != nil {
		return err
	} else if !ok || !bearer {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sitenotice"`)
		problem(w, http.StatusUnauthorized, "The feed's token is missing or wrong. Send it as: Authorization: Bearer TOKEN")
		return nil
	}
	ok, err := a.Allowed(r.Context(), feed)
	if err != nil {
		return err
	}
	if !ok {
		w.Header().Set("Retry-After", "3600")
		problem(w, http.StatusTooManyRequests, "This feed has been handed over too often in this hour. Try again in the next.")
		return nil
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(uploadTime)) // where there is no deadline none is needed
	control.SetWriteDeadline(time.Now().Add(uploadTime))
	var file io.Reader = r.Body
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		parts, err := r.MultipartReader()
		if err != nil {
			return &FileError{"The form cannot be read: " + err.Error()}
		}
		for {
			part, err := parts.NextPart()
			if err != nil {
				return &FileError{`The form has no field "file".`}
			}
			if part.FormName() == "file" {
				file = part
				break
			}
		}
	}
	adapter := r.URL.Query().Get("adapter")
	if dry := r.URL.Query().Get("dry_run"); dry == "1" || dry == "true" {
		if strings.Contains(r.Header.Get("Accept"), "text/csv") {
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", `attachment; filename="rows-to-mend.csv"`)
			return a.Feeds.Fixes(r.Context(), feed, adapter, file, w)
		}
		report, err := a.Feeds.Check(r.Context(), feed, adapter, file)
		if err != nil {
			return err
		}
		return answer(w, report)
	}
	run, faults, err := a.Feeds.Import(r.Context(), feed, adapter, file)
	if err != nil {
		return err
	}
	if run.Verdict == alerts.VerdictFailed {
		return &FileError{"Nothing was stored: " + run.Reason + "."}
	}
	type fault struct {
		Line   int    `json:"line"`
		Column string `json:"column"`
		Value  string `json:"value"`
		Reason string `json:"reason"`
	}
	out := struct {
		Verdict   alerts.Verdict `json:"verdict"`
		Reason    string         `json:"reason"`
		Rows      int            `json:"rows"`
		New       int            `json:"new"`
		Changed   int            `json:"changed"`
		Unchanged int            `json:"unchanged"`
		LeftOut   int            `json:"left_out"`
		Unlocated int            `json:"without_position"`
		Events    int            `json:"events"`
		Faults    []fault        `json:"faults"` // the first of them
	}{run.Verdict, run.Reason, run.Rows, run.New, run.Changed, run.Unchanged, run.Quarantined, run.Unlocated, run.Events, []fault{}}
	for _, f := range faults {
		out.Faults = append(out.Faults, fault(f))
	}
	return answer(w, out)
}

func answer(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}
