package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// Files looks into files that councils have. Errors that are the file's own are
// *api.FileError.
type Files interface {
	// AdapterFor says as what a file of that name is read by a feed.
	AdapterFor(ctx context.Context, feed, name string) (string, error)
	// Propose says what an unknown file seems to be; what is said already is taken as it is.
	Propose(file func() (io.ReadCloser, error), said alerts.Proposal) (*alerts.Proposal, error)
	// Try checks a file by a proposal, and fills in the codes that it has.
	Try(p *alerts.Proposal, file io.Reader) (*alerts.Report, error)
	// TryFixes writes the rows of a file that have a fault by a proposal, as CSV.
	TryFixes(p *alerts.Proposal, file io.Reader, to io.Writer) error
	// Declaration writes a proposal as a declaration to keep.
	Declaration(p *alerts.Proposal) ([]byte, error)
	// Layouts and Meanings are what dates can be written like, and codes can mean.
	Layouts() []string
	Meanings(field string) []string
	// Fetch opens a public web address, of which at most so many bytes are read.
	Fetch(ctx context.Context, address string, most int64) (io.ReadCloser, error)
}

// Limits of what is looked at for people who may be anybody.
const (
	strangersFile  = 16 << 20 // bytes
	checksAtOnce   = 2
	checksPerHour  = 60 // of one connection
	fetchesPerHour = 20
	checkTime      = 2 * time.Minute
	takeTime       = 15 * time.Minute // of a council's file, to arrive or to be taken in
	maxCheckForm   = 512 << 10        // bytes of a form with a map of columns
)

// checkPath is where people have files looked at.
const checkPath = "/feeds/check"

// A desk is where files are looked at.
type desk struct {
	*Server
	kept *uploads
	busy chan struct{}
}

// errBusy says that too many files are being looked at.
var errBusy = alerts.Invalid("", "Several files are being looked at just now. Please try again in a minute")

func newDesk(s *Server) *desk {
	return &desk{Server: s, kept: &uploads{dir: s.Uploads, now: s.Now}, busy: make(chan struct{}, checksAtOnce)}
}

// turn waits until a file may be looked at; done ends it.
func (d *desk) turn(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	select {
	case d.busy <- struct{}{}:
		return func() { <-d.busy }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

// A checkPage is the form as it was filled in.
type checkPage struct {
	Feeds   []string
	Feed    string
	URL     string
	Problem string
}

func (d *desk) show(w http.ResponseWriter, r *http.Request) error {
	return d.showForm(w, r, http.StatusOK, checkPage{Feed: alerts.Line(r.URL.Query().Get("feed"), 100)})
}

func (d *desk) showForm(w http.ResponseWriter, r *http.Request, status int, page checkPage) error {
	feeds, err := d.Store.Feeds(r.Context())
	if err != nil {
		return err
	}
	for _, f := range feeds {
		page.Feeds = append(page.Feeds, f.Slug)
	}
	slices.Sort(page.Feeds)
	title := "Check a register"
	if page.Problem != "" {
		title = "Error: " + title
	}
	return d.render(w, r, status, "feedcheck.html", title, page)
}

// refuse shows the form again with what is wrong, when that is for the person to mend.
func (d *desk) refuse(w http.ResponseWriter, r *http.Request, page checkPage, err error) error {
	var file *api.FileError
	var invalid *alerts.InvalidError
	var large *http.MaxBytesError
	status := http.StatusUnprocessableEntity
	switch {
	case errors.As(err, &file):
		page.Problem = file.Problem
	case errors.As(err, &invalid):
		page.Problem = invalid.Problem
	case errors.As(err, &large), errors.Is(err, errTooLong):
		status, page.Problem = http.StatusRequestEntityTooLarge, "The file is larger than we look at: 16 MB, or 256 MB with the token of a register that is set up here. Compress it with gzip, or send a part of it"
	case errors.Is(err, errFull):
		status, page.Problem = http.StatusServiceUnavailable, "Too many files are waiting to be looked at. Please try again in half an hour"
	case errors.Is(err, alerts.ErrExpired):
		status, page.Problem = http.StatusGone, "We keep a file for 30 minutes, and this one is not here any more. Please choose it again"
	case errors.Is(err, alerts.ErrConflict):
		status, page.Problem = http.StatusConflict, "This register is being read at this moment. Please try again in a minute"
	case errors.Is(err, context.DeadlineExceeded):
		status, page.Problem = http.StatusServiceUnavailable, "Looking at this file took too long. Please send a part of it"
	default:
		return err
	}
	page.Problem = strings.TrimSuffix(alerts.Capital(page.Problem), ".")
	return d.showForm(w, r, status, page)
}

// errTooLong says that a stranger's file is too long.
var errTooLong = errors.New("the file is too long")

// take takes a file, or the address of one, and reports on it.
func (d *desk) take(w http.ResponseWriter, r *http.Request) error {
	up, page, err := d.receive(w, r)
	if err != nil {
		return d.refuse(w, r, page, err)
	}
	if err := d.report(w, r, up, alerts.Proposal{}, nil); err != nil {
		d.kept.drop(up)
		return d.refuse(w, r, page, err)
	}
	return nil
}

// receive keeps what a form sends: the fields that come before the file say whose it is.
func (d *desk) receive(w http.ResponseWriter, r *http.Request) (up upload, page checkPage, err error) {
	if err := d.count(r, "check", checksPerHour); err != nil {
		return up, page, err
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(checkTime)) // where there is no deadline none is needed
	control.SetWriteDeadline(time.Now().Add(takeTime + checkTime))
	parts, err := r.MultipartReader()
	if err != nil {
		return up, page, &api.FileError{Problem: "This form did not arrive whole. Please go back and send it again"}
	}
	token := ""
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return up, page, badForm(err)
		}
		switch name := part.FormName(); name {
		case "feed", "token", "url":
			text, err := io.ReadAll(io.LimitReader(part, 4<<10))
			if err != nil {
				return up, page, badForm(err)
			}
			value := strings.TrimSpace(string(text))
			switch name {
			case "feed":
				page.Feed = alerts.Line(value, 100)
			case "token":
				token = value
			case "url":
				page.URL = value
			}
		case "file":
			if part.FileName() == "" {
				continue // none was chosen
			}
			if up, err = d.sender(r, page.Feed, token); err != nil {
				io.Copy(io.Discard, io.LimitReader(part, strangersFile)) // so that the browser comes to reading the answer
				return up, page, err
			}
			if up.Feed != "" {
				control.SetReadDeadline(time.Now().Add(takeTime))
			}
			up.Name = alerts.Line(path.Base(strings.ReplaceAll(part.FileName(), `\`, "/")), 100)
			up, err = d.kept.keep(up, d.bounded(up, part))
			return up, page, received(err)
		}
	}
	if page.URL == "" {
		return up, page, &api.FileError{Problem: "Choose a file, or give the web address of one"}
	}
	if up, err = d.sender(r, page.Feed, token); err != nil {
		return up, page, err
	}
	up, err = d.fetch(r, up, page.URL)
	return up, page, err
}

// received says what went wrong while a file arrived.
func received(err error) error {
	var large *http.MaxBytesError
	if err == nil || errors.As(err, &large) || errors.Is(err, errTooLong) || errors.Is(err, errFull) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, multipart.ErrMessageTooLarge) {
		return &api.FileError{Problem: "The file did not arrive whole. Please send it again"}
	}
	return err
}

// sender says on whose behalf a file comes: a feed's, with its token, or a stranger's.
func (d *desk) sender(r *http.Request, feed, token string) (upload, error) {
	if feed == "" {
		return upload{}, nil
	}
	up := upload{Feed: feed, Token: alerts.HashSecret(token)}
	ok, err := d.API.Authorized(r.Context(), feed, token)
	if err == nil && !ok && token == "" {
		if up.Account, err = d.tending(r, feed); up.Account != 0 {
			ok, up.Token = true, ""
		}
	}
	if err != nil {
		return upload{}, err
	}
	if !ok {
		return upload{}, &api.FileError{Problem: "The token is missing or not the one of this register. Whoever runs this service can make a new one"}
	}
	if ok, err := d.API.Allowed(r.Context(), feed); err != nil {
		return upload{}, err
	} else if !ok {
		return upload{}, alerts.ErrTooMany
	}
	return up, nil
}

// tending returns the account that is signed in if it looks after the feed; 0 if it
// does not.
func (d *desk) tending(r *http.Request, feed string) (int64, error) {
	a, err := d.account(r)
	if errors.Is(err, errSignedOut) {
		return 0, nil
	}
	if err != nil || !a.May(alerts.FeedScope(feed), alerts.RoleMember) && !a.May(alerts.ScopeOperator, alerts.RoleOwner) {
		return 0, err
	}
	return a.ID, nil
}

// count counts what one connection asks for.
func (d *desk) count(r *http.Request, what string, limit int) error {
	ok, err := d.Store.Allow(r.Context(), alerts.Allowance{Key: what + ":" + d.client(r), Period: d.Now().UTC().Format("2006-01-02T15"), Limit: limit})
	if err == nil && !ok {
		err = alerts.ErrTooMany
	}
	return err
}

// bounded fails when a stranger's file is longer than we look at. That of a council is
// bounded by the request.
func (d *desk) bounded(up upload, file io.Reader) io.Reader {
	if up.Feed != "" {
		return file
	}
	return io.MultiReader(io.LimitReader(file, strangersFile), tooLong{file})
}

// tooLong fails if there is anything left to read.
type tooLong struct{ rest io.Reader }

func (t tooLong) Read(p []byte) (int, error) {
	if n, err := t.rest.Read(p[:1]); n == 0 {
		return 0, err
	}
	return 0, errTooLong
}

// fetch keeps what a web address answers.
func (d *desk) fetch(r *http.Request, up upload, address string) (upload, error) {
	if err := d.count(r, "check-fetch", fetchesPerHour); err != nil {
		return up, err
	}
	if alerts.WebLink(address) == "" {
		return up, &api.FileError{Problem: "The address of the file should look like https://data.example.org/planning.csv"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTime/2)
	defer cancel()
	most := int64(strangersFile)
	if up.Feed != "" {
		most = api.MaxUpload
	}
	file, err := d.Files.Fetch(ctx, address, most)
	if err != nil {
		return up, err
	}
	defer file.Close()
	plain, _, _ := strings.Cut(address, "?")
	up.Name = alerts.Line(path.Base(plain), 100)
	up, err = d.kept.keep(up, d.bounded(up, file))
	if err != nil && !errors.Is(err, errFull) && !errors.Is(err, errTooLong) && r.Context().Err() == nil {
		err = &api.FileError{Problem: "The address answered, but its file did not arrive whole"}
	}
	return up, err
}

// reopen opens a kept file for another step. One whose feed has another token by now
// is gone.
func (d *desk) reopen(r *http.Request) (up upload, err error) {
	up, file, err := d.kept.open(r.PostForm.Get("upload"))
	if err != nil {
		return up, err
	}
	file.Close()
	if up.Feed == "" {
		return up, nil
	}
	ok := false
	if up.Account != 0 {
		var account int64
		account, err = d.tending(r, up.Feed)
		ok = account == up.Account
	} else {
		ok, err = d.API.StillAuthorized(r.Context(), up.Feed, up.Token)
	}
	if err != nil {
		return up, err
	} else if !ok {
		d.kept.drop(up)
		return up, alerts.ErrExpired
	}
	return up, nil
}

// step is a step after the first: its form names the kept file.
func (d *desk) step(next func(w http.ResponseWriter, r *http.Request, up upload) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(takeTime + checkTime))
		if err := r.ParseForm(); err != nil {
			return d.refuse(w, r, checkPage{}, badForm(err))
		}
		up, err := d.reopen(r)
		if err == nil {
			err = d.count(r, "check", checksPerHour)
		}
		if err == nil {
			err = next(w, r, up)
		}
		if err != nil {
			return d.refuse(w, r, checkPage{Feed: up.Feed}, err)
		}
		return nil
	}
}

// A reportPage is what was found in a file.
type reportPage struct {
	upload
	Secret   string
	Report   *alerts.Report
	Map      *columnMap // of a file that is not of a feed
	YAML     string
	Problem  string // of the map
	Problems []*alerts.InvalidError
}

// Usable reports whether the file can be taken in.
func (p reportPage) Usable() bool {
	return p.Feed != "" && p.Report.Good > 0 && p.Report.Verdict != alerts.VerdictFailed
}

// ProblemAt is the problem beside a field of the map.
func (p reportPage) ProblemAt(field string) string { return problemAt(p.Problems, field) }

// Share says how many of the good rows something is so, and which share that is.
func (p reportPage) Share(n int) string { return share(n, p.Report.Good) }

// Faults lists the first faults; all are in the rows to mend.
func (p reportPage) Faults() []alerts.Fault {
	const shown = 50
	return p.Report.Faults[:min(shown, len(p.Report.Faults))]
}

// report shows what is in a kept file, by its feed or by a map that a person may have
// corrected.
func (d *desk) report(w http.ResponseWriter, r *http.Request, up upload, said alerts.Proposal, correct func(p *alerts.Proposal)) error {
	done, err := d.turn(r.Context())
	if err != nil {
		return err
	}
	defer done()
	page := reportPage{upload: up, Secret: up.secret}
	ctx := r.Context()
	if up.Feed == "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, checkTime)
		defer cancel()
	}
	open := d.opener(ctx, up)
	if up.Feed != "" {
		adapter, err := d.Files.AdapterFor(r.Context(), up.Feed, up.Name)
		if err != nil {
			return err
		}
		file, err := open()
		if err != nil {
			return err
		}
		defer file.Close()
		if page.Report, err = d.API.Feeds.Check(r.Context(), up.Feed, adapter, file); err != nil {
			return err
		}
		return d.render(w, r, http.StatusOK, "feedreport.html", "What is in "+up.Name, page)
	}
	p, err := d.proposal(open, said, correct)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	status := http.StatusOK
	page.Report, err = d.Files.Try(p, file)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		var invalid *alerts.InvalidError
		if !errors.As(err, &invalid) {
			return err
		}
		status = http.StatusUnprocessableEntity
		page.Report, page.Problem = &alerts.Report{}, invalid.Problem
		page.Problems = []*alerts.InvalidError{invalid}
	} else {
		text, err := d.Files.Declaration(p)
		if err != nil {
			return err
		}
		page.YAML = string(text)
	}
	page.Map = d.columnMap(p)
	return d.render(w, r, status, "feedreport.html", "What is in "+up.Name, page)
}

// proposal is what an unknown file is taken to be.
func (d *desk) proposal(open func() (io.ReadCloser, error), said alerts.Proposal, correct func(p *alerts.Proposal)) (*alerts.Proposal, error) {
	p, err := d.Files.Propose(open, said)
	if err != nil {
		return nil, err
	}
	if correct != nil {
		correct(p)
	}
	return p, nil
}

// opener opens a kept file as often as it takes, for as long as the request lasts.
func (d *desk) opener(ctx context.Context, up upload) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		_, file, err := d.kept.open(up.secret)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{whileItLasts{ctx, file}, file}, nil
	}
}

// whileItLasts ends the reading of a file with its request.
type whileItLasts struct {
	ctx  context.Context
	file io.Reader
}

func (w whileItLasts) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.file.Read(p)
}

// again looks at an unknown file by a corrected map.
func (d *desk) again(w http.ResponseWriter, r *http.Request, up upload) error {
	said, correct := readMap(r.PostForm)
	return d.report(w, r, up, said, correct)
}

// fixes answers with the rows that have a fault. They are made for this answer only.
func (d *desk) fixes(w http.ResponseWriter, r *http.Request, up upload) error {
	done, err := d.turn(r.Context())
	if err != nil {
		return err
	}
	defer done()
	open := d.opener(r.Context(), up)
	var p *alerts.Proposal
	adapter := ""
	if up.Feed == "" {
		said, correct := readMap(r.PostForm)
		if p, err = d.proposal(open, said, correct); err != nil {
			return err
		}
		if _, err := d.Files.Declaration(p); err != nil {
			return err
		}
	} else if adapter, err = d.Files.AdapterFor(r.Context(), up.Feed, up.Name); err != nil {
		return err
	}
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	download(w, "text/csv; charset=utf-8", "rows-to-mend.csv")
	if up.Feed == "" {
		err = d.Files.TryFixes(p, file, w)
	} else {
		err = d.API.Feeds.Fixes(r.Context(), up.Feed, adapter, file, w)
	}
	if err != nil { // half of the answer may be on its way
		d.Log.Warn("rows to mend broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// declaration answers with the declaration that a map makes.
func (d *desk) declaration(w http.ResponseWriter, r *http.Request, up upload) error {
	done, err := d.turn(r.Context())
	if err != nil {
		return err
	}
	defer done()
	said, correct := readMap(r.PostForm)
	open := d.opener(r.Context(), up)
	p, err := d.proposal(open, said, correct)
	if err != nil {
		return err
	}
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := d.Files.Try(p, file); err != nil { // which finds the codes
		return err
	}
	text, err := d.Files.Declaration(p)
	if err != nil {
		return err
	}
	download(w, "application/yaml; charset=utf-8", cmp.Or(p.Feed, "my-council")+".yaml")
	_, err = io.Copy(w, bytes.NewReader(text))
	return err
}

func download(w http.ResponseWriter, kind, name string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
}

// An importedPage is what taking a file in did.
type importedPage struct {
	upload
	Run    alerts.Run
	Faults []alerts.Fault
}

// importFile takes a kept file into its feed. It goes on when the browser has gone.
func (d *desk) importFile(w http.ResponseWriter, r *http.Request, up upload) error {
	if up.Feed == "" {
		return &api.FileError{Problem: "Choose the register that this file belongs to, and give its token"}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), takeTime)
	defer cancel()
	adapter, err := d.Files.AdapterFor(ctx, up.Feed, up.Name)
	if err != nil {
		return err
	}
	file, err := d.opener(ctx, up)()
	if err != nil {
		return err
	}
	defer file.Close()
	run, faults, err := d.API.Feeds.Import(ctx, up.Feed, adapter, file)
	if err != nil {
		return err
	}
	if run.Verdict == alerts.VerdictFailed {
		return &api.FileError{Problem: "Nothing was stored: " + run.Reason}
	}
	d.kept.drop(up)
	if up.Account != 0 {
		act := alerts.Act{Kind: alerts.ActFeed, Who: alerts.Account{ID: up.Account}.Actor(), What: fmt.Sprintf("handed over a file of %s: %s", alerts.English.Plural(run.Rows, "row", "rows"), run.Verdict), Subject: alerts.FeedSubject(up.Feed)}
		if err := d.Store.RecordAct(ctx, act, d.Now()); err != nil {
			return err
		}
	}
	return d.render(w, r, http.StatusOK, "feedimported.html", "The file is taken in", importedPage{up, run, faults})
}
