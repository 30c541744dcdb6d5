package web

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// AdminStore is what the pages of those who run the service read and write.
type AdminStore interface {
	HeldFeeds(ctx context.Context) ([]alerts.HeldFeed, error)
	FaultyFeeds(ctx context.Context, from, limit int) ([]alerts.FaultyFeed, error)
	Rests(ctx context.Context) ([]alerts.SenderRest, error)
	DisabledEndpoints(ctx context.Context, from, limit int) ([]alerts.DisabledEndpoint, error)
	Notices(ctx context.Context, from, limit int) ([]alerts.Notice, error)
	DisputedPlaces(ctx context.Context, after int64, limit int) ([]alerts.DisputedPlace, error)

	Feed(ctx context.Context, slug string) (alerts.Feed, error)
	Runs(ctx context.Context, feedID int64, limit int) ([]alerts.Run, error)
	Quarantined(ctx context.Context, runID int64, limit int) ([]alerts.Fault, error)
	Hold(ctx context.Context, f alerts.Feed) (alerts.Hold, error)
	Held(ctx context.Context, f alerts.Feed, now time.Time, yield func([]alerts.Event) error) error
	Candidates(ctx context.Context, keys []string, from, to int64, yield func(*alerts.Version) error) error
	HeldRequest(ctx context.Context, f alerts.Feed) (*alerts.HeldRequest, error)
	DecideHeld(ctx context.Context, f alerts.Feed, d alerts.HeldDecision, agreeAt string, now time.Time) (alerts.HeldStep, error)
	Release(ctx context.Context, f alerts.Feed, last int64, now time.Time) (int, error)
	Discard(ctx context.Context, f alerts.Feed, last int64) (int64, error)

	FindRecipients(ctx context.Context, addressKeys []string) ([]alerts.Recipient, error)
	Suppression(ctx context.Context, addressKeys []string) (reason string, at int64, err error)
	Unsuppress(ctx context.Context, addressKeys []string, act alerts.Act, now time.Time) error
	MailsTo(ctx context.Context, recipient, before int64, limit int) ([]alerts.SentMail, error)
	SendAgain(ctx context.Context, recipient, mail int64, messageID string, act alerts.Act, now time.Time) error
	EndFor(ctx context.Context, recipient, sub int64, act alerts.Act, now time.Time) error
	EraseFor(ctx context.Context, recipient int64, barred bool, act alerts.Act, now time.Time) error

	FindRecords(ctx context.Context, number string, limit int) ([]alerts.RedactedRecord, error)
	Redact(ctx context.Context, ref alerts.Ref, r alerts.Redaction, act alerts.Act, now time.Time) (alerts.Takedown, error)
	Restore(ctx context.Context, ref alerts.Ref, act alerts.Act, now time.Time) error

	RecordAct(ctx context.Context, a alerts.Act, now time.Time) error
	Acts(ctx context.Context, subject string, kind alerts.ActKind, before int64, limit int) ([]alerts.Act, error)
	LookedFor(ctx context.Context, who string, recipient int64, since time.Time) (reason string, err error)
	ActorNames(ctx context.Context, accounts []int64) (map[string]string, error)
}

// ofFeed is the scope of the feed that an address names.
func ofFeed(r *http.Request) alerts.Scope { return alerts.FeedScope(variable(r, "feed")) }

func ofService(*http.Request) alerts.Scope { return alerts.ScopeOperator }

// operates lets in who has the role, or a mightier one, in running the service. To
// anybody else there is no such page.
func (s *Server) operates(role alerts.Role, h signedIn) handler {
	return unkept(s.needs(role, ofService, h))
}

// tends lets in who has the role in running the service, and the contact of the feed
// that the address names.
func (s *Server) tends(role alerts.Role, h signedIn) handler {
	return unkept(s.signed(func(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
		if !a.May(alerts.ScopeOperator, role) && !a.May(ofFeed(r), role) {
			return alerts.ErrNotFound
		}
		return h(w, r, a)
	}))
}

// unkept has nobody keep the answer, whatever it is.
func unkept(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Robots-Tag", "noindex")
		return h(w, r)
	}
}

type againPage struct {
	Address string
	To      string
	Minutes int
}

// lately asks somebody who signed in too long ago for what cannot be taken back to
// sign in again; the mail leads back to the page that has the button.
func (s *Server) lately(h signedIn) signedIn {
	return func(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
		if a.SignedInLately(s.Now()) {
			return h(w, r, a)
		}
		return s.render(w, r, http.StatusForbidden, "adminagain.html", "Please sign in again",
			againPage{a.Address, alerts.OwnPath(path.Dir(r.URL.EscapedPath()), "/admin"), int(alerts.RecentSignIn.Minutes())})
	}
}

// An adminPage is what every page of those who run the service begins with.
type adminPage struct {
	Me       alerts.Account
	Here     string // the part of the address that tells the pages apart
	Done     string
	Problems []*alerts.InvalidError
}

// adminDone is what a page says after a change; the code comes in the address, so
// anything else says nothing.
var adminDone = map[string]string{
	"released":  "Released: what was held is on its way to those who follow these places.",
	"discarded": "Discarded: the applications are stored and shown, and nobody is told of what was held.",
	"asked":     "Your wish has been noted. It takes effect when a second person wants the same within 24 hours.",
	"waiting":   "You have asked for this already. Somebody else has to want the same.",
	"again":     "A copy is on its way. Its subject and its first line say that it was sent again.",
	"ended":     "The subscription has ended. The person can take it up again for 28 days, by a link in an old mail.",
	"erased":    "Erased: address, areas, mails and matches are gone.",
	"redacted":  "Done: pages, search and the log of events no longer have it. Mail that waits is written anew without it.",
	"restored":  "Done: what was taken away comes back with the next reading of a register that has it.",
	"allowed":   "Done: the address can be signed up again.",
}

func newAdminPage(r *http.Request, a alerts.Account, here string) adminPage {
	return adminPage{Me: a, Here: here, Done: adminDone[r.URL.Query().Get("done")]}
}

// ProblemAt is the problem beside a field.
func (p adminPage) ProblemAt(field string) string { return problemAt(p.Problems, field) }

// Operates reports whether the reader may change things everywhere.
func (p adminPage) Operates() bool { return p.Me.May(alerts.ScopeOperator, alerts.RoleOwner) }

// Oversees reports whether the reader may look at more than registers of their own.
func (p adminPage) Oversees() bool { return p.Me.May(alerts.ScopeOperator, alerts.RoleViewer) }

// An adminSection is one of the pages of those who run the service.
type adminSection struct{ Here, Name, Href string }

// Sections are the pages that the reader may open.
func (p adminPage) Sections() []adminSection {
	all := []adminSection{{"", "Overview", "/admin"}, {"feeds", "Registers", "/admin/feeds"}, {"people", "People", "/admin/people"}, {"records", "Applications", "/admin/records"}, {"trail", "What was done", "/admin/trail"}}
	switch {
	case !p.Oversees():
		return nil
	case !p.Operates():
		return slices.DeleteFunc(all, func(s adminSection) bool { return s.Here == "people" })
	}
	return all
}

// act is something that the reader does.
func (p adminPage) act(kind alerts.ActKind, what, subject, reason string) alerts.Act {
	return alerts.Act{Kind: kind, Who: p.Me.Actor(), What: what, Subject: subject, Reason: reason}
}

// reason reads why something is done, and notes what is wrong with it.
func (p *adminPage) reason(r *http.Request) string {
	reason, fault := alerts.ParseReason(r.PostForm.Get("reason"))
	if fault != nil {
		p.Problems = append(p.Problems, fault)
	}
	return reason
}

// adminList is how many lines a list has on a page, and adminGlance how many on the
// overview.
const (
	adminList   = 50
	adminGlance = 10
)

// A pager is a page of a list by its number.
type pager struct {
	at   int // from 1
	base string
}

func pagerOf(r *http.Request, base string) pager {
	at, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || at < 1 || at > 10_000 {
		at = 1
	}
	return pager{at, base}
}

func (p pager) from() int { return (p.at - 1) * adminList }

// Newer is the address of the page before; empty on the first.
func (p pager) newer() string {
	if p.at == 1 {
		return ""
	}
	return p.base + "?page=" + strconv.Itoa(p.at-1)
}

func (p pager) older(more bool) string {
	if !more {
		return ""
	}
	return p.base + "?page=" + strconv.Itoa(p.at+1)
}

// cut returns what is shown of a list of which one more than that was asked for.
func cut[T any](list []T, n int) (shown []T, more bool) {
	if len(list) > n {
		return list[:n], true
	}
	return list, false
}

type overviewAdmin struct {
	adminPage
	Held      []alerts.HeldFeed
	Faults    []alerts.FaultyFeed
	MoreFault bool
	Senders   []alerts.SenderRest
	Endpoints []alerts.DisabledEndpoint
	MoreEnds  bool
	Places    []alerts.DisputedPlace
	MorePlace bool
	Notices   []alerts.Notice
	MoreNotes bool
}

// admin shows what does not go on without a person.
func (s *Server) admin(w http.ResponseWriter, r *http.Request, a alerts.Account) (err error) {
	ctx := r.Context()
	page := overviewAdmin{adminPage: newAdminPage(r, a, "")}
	if page.Held, err = s.Store.HeldFeeds(ctx); err != nil {
		return err
	}
	faults, err := s.Store.FaultyFeeds(ctx, 0, adminGlance+1)
	if err != nil {
		return err
	}
	page.Faults, page.MoreFault = cut(faults, adminGlance)
	if page.Senders, err = s.Store.Rests(ctx); err != nil {
		return err
	}
	endpoints, err := s.Store.DisabledEndpoints(ctx, 0, adminGlance+1)
	if err != nil {
		return err
	}
	page.Endpoints, page.MoreEnds = cut(endpoints, adminGlance)
	places, err := s.Store.DisputedPlaces(ctx, 0, adminGlance+1)
	if err != nil {
		return err
	}
	page.Places, page.MorePlace = cut(places, adminGlance)
	notices, err := s.Store.Notices(ctx, 0, adminGlance+1)
	if err != nil {
		return err
	}
	page.Notices, page.MoreNotes = cut(notices, adminGlance)
	return s.render(w, r, http.StatusOK, "admin.html", "Looking after the service", page)
}

type adminListPage struct {
	adminPage
	Heading      string
	Faults       []alerts.FaultyFeed
	Endpoints    []alerts.DisabledEndpoint
	Places       []alerts.DisputedPlace
	Notices      []alerts.Notice
	Newer, Older string
}

// adminFaults, adminEndpoints and adminNotices show a whole list of which the overview
// has the beginning.
func (s *Server) adminFaults(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	page := adminListPage{adminPage: newAdminPage(r, a, "faults"), Heading: "What has to be mended of registers"}
	return renderList(s, w, r, &page, &page.Faults, s.Store.FaultyFeeds)
}

func (s *Server) adminEndpoints(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	page := adminListPage{adminPage: newAdminPage(r, a, "endpoints"), Heading: "Webhooks that are switched off"}
	return renderList(s, w, r, &page, &page.Endpoints, s.Store.DisabledEndpoints)
}

func (s *Server) adminNotices(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	page := adminListPage{adminPage: newAdminPage(r, a, "notices"), Heading: "Notices"}
	return renderList(s, w, r, &page, &page.Notices, s.Store.Notices)
}

// renderList shows a page of the list that read has, which is the part of the page to
// fill.
func renderList[T any](s *Server, w http.ResponseWriter, r *http.Request, page *adminListPage, part *[]T, read func(ctx context.Context, from, limit int) ([]T, error)) error {
	at := pagerOf(r, "/admin/"+page.Here)
	all, err := read(r.Context(), at.from(), adminList+1)
	if err != nil {
		return err
	}
	var more bool
	*part, more = cut(all, adminList)
	page.Newer, page.Older = at.newer(), at.older(more)
	return s.render(w, r, http.StatusOK, "adminlist.html", page.Heading, *page)
}

// adminPlaces shows all places that people doubt.
func (s *Server) adminPlaces(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	all, err := s.Store.DisputedPlaces(r.Context(), max(after, 0), adminList+1)
	if err != nil {
		return err
	}
	page := adminListPage{adminPage: newAdminPage(r, a, "places"), Heading: "Places that people doubt"}
	var more bool
	if page.Places, more = cut(all, adminList); more {
		page.Older = "/admin/places?after=" + strconv.FormatInt(page.Places[adminList-1].Application.ID, 10)
	}
	return s.render(w, r, http.StatusOK, "adminlist.html", page.Heading, page)
}

// An actRow is an act as it is shown.
type actRow struct {
	alerts.Act
	Name string // the address of who did it, while it is known
	Href string // of what it was done to; may be empty
}

// named says of acts who did them and where what they were done to is to be found.
func (s *Server) actRows(ctx context.Context, acts []alerts.Act, p adminPage) ([]actRow, error) {
	var accounts []int64
	for _, a := range acts {
		if id, ok := strings.CutPrefix(a.Who, "account "); ok {
			if n, err := strconv.ParseInt(id, 10, 64); err == nil && !slices.Contains(accounts, n) {
				accounts = append(accounts, n)
			}
		}
	}
	names, err := s.Store.ActorNames(ctx, accounts)
	if err != nil {
		return nil, err
	}
	rows := make([]actRow, len(acts))
	for i, a := range acts {
		rows[i] = actRow{Act: a, Name: names[a.Who]}
		_, what, _ := strings.Cut(a.Subject, " ")
		switch a.Kind {
		case alerts.ActFeed:
			rows[i].Href = feedPath(what)
		case alerts.ActRecord:
			rows[i].Href = "/admin/records?reference=" + url.QueryEscape(what)
		case alerts.ActPerson:
			if _, err := strconv.ParseInt(what, 10, 64); err == nil && p.Operates() {
				rows[i].Href = "/admin/people/" + what
			}
		}
	}
	return rows, nil
}
