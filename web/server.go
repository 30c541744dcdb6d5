// Package web serves the pages: where people look up what is proposed near them,
// sign up for alerts, and change or stop them. Every page is made on the server
// and works without JavaScript.
//
// GET and HEAD change nothing, ever: links in mails are opened by scanners.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gorilla/mux"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
	"github.com/sitenotice/sitenotice/geo/postcode"
	"github.com/sitenotice/sitenotice/web/api"
)

// Store is what the pages read and write.
type Store interface {
	AccountStore
	AdminStore
	GroupStore
	CaseStore
	api.EndpointStore

	Near(ctx context.Context, centre geo.Point, radius float64, after alerts.Cursor, limit int) ([]alerts.Application, alerts.Cursor, error)
	Density(ctx context.Context, centre geo.Point, radius float64, others []float64, since alerts.Date) (int, []alerts.Within, error)
	CasesIn(ctx context.Context, area alerts.Area, authorities []string, since alerts.Date, limit int) ([]alerts.CaseHistory, bool, error)
	WardAuthorities(ctx context.Context, code string) ([]string, error)
	FindBoundaries(ctx context.Context, kind alerts.BoundaryKind, text string, limit int) ([]alerts.Boundary, error)
	Boundary(ctx context.Context, kind alerts.BoundaryKind, code string) (alerts.Boundary, error)
	AuthoritiesNear(ctx context.Context, centre geo.Point, radius float64) ([]string, error)
	ByAuthority(ctx context.Context, slug string, after alerts.Cursor, limit int) ([]alerts.Application, alerts.Cursor, error)
	List(ctx context.Context, q alerts.Query, after alerts.Cursor, limit int) (alerts.Page, error)
	ByReference(ctx context.Context, authority, number string, limit int) ([]alerts.Application, error)
	Application(ctx context.Context, ref alerts.Ref) (alerts.Application, error)
	RefOf(ctx context.Context, application int64) (alerts.Ref, error)
	Explain(ctx context.Context, subscription int64, ref alerts.Ref) (alerts.Explanation, error)
	History(ctx context.Context, application int64) ([]alerts.Event, error)
	OnSite(ctx context.Context, app *alerts.Application) ([]alerts.Application, error)
	Placing(ctx context.Context, application int64) (alerts.Placing, error)
	ReportPlace(ctx context.Context, application, recipient int64, client string, limits alerts.Limits, now time.Time) error
	Authorities(ctx context.Context) ([]alerts.Coverage, error)
	Authority(ctx context.Context, slug string) (alerts.Coverage, error)
	Coverage(ctx context.Context, slugs, districts []string) ([]alerts.Coverage, error)
	AuthorityFeeds(ctx context.Context, slugs []string) (map[string][]alerts.Feed, error)
	Histories(ctx context.Context, feeds []alerts.Feed) ([]alerts.FeedHistory, error)
	Timeliness(ctx context.Context, slugs []string) (map[string]alerts.Timeliness, error)
	Trust(ctx context.Context) (alerts.Trust, error)
	Course(ctx context.Context, slug string, today alerts.Date) (alerts.Course, error)
	Reach(ctx context.Context, authority string) ([]alerts.Tally, error)

	Subscribe(ctx context.Context, r alerts.SignUp, addressKeys []string, limits alerts.Limits, now time.Time, write alerts.Writer) error
	RequestLink(ctx context.Context, addressKeys []string, client string, limits alerts.Limits, now time.Time, write alerts.Writer) error
	Awaiting(ctx context.Context, secret string, now time.Time) (alerts.Standing, error)
	Confirm(ctx context.Context, secret string, versions []int64, now time.Time) (alerts.Standing, error)
	Standing(ctx context.Context, recipient int64) (alerts.Standing, error)
	Subscription(ctx context.Context, id int64) (alerts.Subscription, error)
	AddArea(ctx context.Context, recipient int64, r alerts.SignUp, now time.Time) (alerts.Subscription, error)
	Edit(ctx context.Context, recipient, sub int64, w alerts.Wish, now time.Time) error
	Pause(ctx context.Context, recipient, sub int64, until int64, now time.Time) error
	Resume(ctx context.Context, recipient, sub int64, now time.Time) error
	End(ctx context.Context, sub int64, page string, now time.Time) (alerts.Subscription, error)
	EndCadences(ctx context.Context, recipient int64, cs []alerts.Cadence, page string, now time.Time) ([]alerts.Subscription, error)
	Undo(ctx context.Context, recipient, which int64, cs []alerts.Cadence, now time.Time) ([]alerts.Subscription, error)
	Erase(ctx context.Context, recipient int64, now time.Time) error
	Suppress(ctx context.Context, recipient int64, reason string, now time.Time) error
	WishCoverage(ctx context.Context, recipient int64, districts []string, now time.Time) error
	CoverageWishes(ctx context.Context, recipient int64) ([]string, error)
	Personal(ctx context.Context, recipient int64) (alerts.Personal, error)
	ApplicationByID(ctx context.Context, id int64) (alerts.Application, error)
	Mutes(ctx context.Context, recipient int64) ([]alerts.Mute, error)
	Mute(ctx context.Context, m alerts.Mute, now time.Time) error
	Unmute(ctx context.Context, recipient, mute int64) error
	AskMove(ctx context.Context, recipient int64, address string, addressKeys []string, limits alerts.Limits, now time.Time, write alerts.Writer) error
	PendingMove(ctx context.Context, recipient int64, now time.Time) (alerts.Move, error)
	DropMove(ctx context.Context, recipient int64) error
	AwaitingMove(ctx context.Context, secret string, now time.Time) (alerts.Move, error)
	AgreeMove(ctx context.Context, secret string, addressKey func(string) string, now time.Time) (alerts.Move, error)
	Preferences(ctx context.Context, recipient int64) (alerts.Preferences, error)
	SetLanguage(ctx context.Context, recipient int64, l alerts.Language, now time.Time) error
	SetPreferences(ctx context.Context, recipient int64, p alerts.Preferences, now time.Time) error
	SetExtras(ctx context.Context, recipient int64, cs []alerts.Cadence, on bool, now time.Time) (changed bool, err error)
	Told(ctx context.Context, messageID string, after int64, limit int) (told []alerts.Event, applications int, err error)

	Feeds(ctx context.Context) ([]alerts.Feed, error)
	Allow(ctx context.Context, a alerts.Allowance) (bool, error)

	CapturedMail(ctx context.Context, limit int) ([]alerts.Captured, error)
	CapturedMessage(ctx context.Context, id int64) (alerts.Captured, error)
	Ping(ctx context.Context) error
}

// Postcodes says where postcodes are; *postcode.Table is one.
type Postcodes interface {
	Lookup(c postcode.Code) (postcode.Place, error)
	Districts(centre geo.Point, radiusM float64) []postcode.District
	DistrictName(code string) string
	DistrictExtent(code string) (geo.Box, bool)
	Wards(centre geo.Point, radiusM float64) []postcode.Ward
	WardsOf(district string) []postcode.Ward // of all districts when it is empty
	HasWard(code string) bool
	WardName(code string) string
	Attribution() []string
}

// A ConfirmMail is what a confirmation mail has to say: please press the button
// on the page ConfirmURL or, when Already is true, that the area is followed
// already and can be changed at ManageURL.
type ConfirmMail struct {
	Recipient  alerts.Recipient
	Area       alerts.Area
	Filter     alerts.Filter
	Cadence    alerts.Cadence
	Remind     int               // days before comments close; 0 for no reminders
	Coverage   []alerts.Coverage // of each authority that the area touches
	Already    bool
	ConfirmURL string // empty when Already
	ManageURL  string // empty unless Already
	NeverURL   string // never write to this address again
}

// A ManageMail is what a mail with a requested link has to say.
type ManageMail struct {
	Recipient alerts.Recipient
	ManageURL string
	Valid     alerts.Date // the last day on which it works
}

// A MoveMail is what a mail has to say that asks whether alerts may go to another
// address.
type MoveMail struct {
	Recipient alerts.Recipient // whom this mail goes to
	Move      alerts.Move      // NewEnd: this is the mail to the new address
	AgreeURL  string
	NeverURL  string // of the mail to the new address: never write to it again
}

// A Server serves the pages. All fields but Postcodes, Contact and TrustedProxies
// are required.
type Server struct {
	Store     Store
	Postcodes Postcodes // nil: no table has been imported
	Keys      alerts.Keys
	Limits    alerts.Limits

	// These put mails into words; they fill in Subject, Text, HTML and Headers, and
	// MessageID if they care to.
	ConfirmMail func(ConfirmMail) (alerts.Delivery, error)
	ManageMail  func(ManageMail) (alerts.Delivery, error)
	MoveMail    func(MoveMail) (alerts.Delivery, error)
	SignInMail  func(SignInMail) (alerts.Delivery, error)
	InviteMail  func(InviteMail) (alerts.Delivery, error)

	SecondPersonAbove int // people, for more of whom two have to decide about held news

	HookPolicy alerts.URLPolicy // which addresses webhooks may go to
	Ping       alerts.PingWriter
	HookWriter func(ctx context.Context) (alerts.HookWriter, error)

	BaseURL        string         // as people see the service, without a slash at the end
	AnyHost        bool           // answer whatever Host is asked for, as a demo does; otherwise only that of BaseURL
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Cadence        alerts.Cadence // that the sign-up form proposes; daily unless set
	Mailbox        bool           // mail is captured: show it at /dev/mail
	Contact        string         // e-mail address of whoever runs the service
	Operator       string         // who they are: a name, and an address, with commas between its lines
	Complaints     string         // e-mail address for complaints; Contact unless set
	Tiles          string         // address of the map's pictures with {z}, {x} and {y}; maps do without unless set
	TilesCredit    string         // who is to be named for them
	Now            func() time.Time
	Welsh          bool // pages and mails are there in Welsh, too
	Log            *slog.Logger

	API *api.API // for programs; nil for none

	// MailEvents takes what a mail service reports of mails, as it signed it;
	// nil when none reports. alerts.ErrBadToken: the signature is not the service's.
	MailEvents func(ctx context.Context, signature, timestamp string, body []byte) error

	// Ready says what has to be so for work to finish without anybody's help; nil for
	// no such page. Seen is told of every request; nil for nobody.
	Ready func(ctx context.Context) []alerts.Check
	Seen  func(method, route string, status int, took time.Duration)

	Files   Files  // looks into councils' files; nil, or API nil, for no such pages
	Uploads string // folder in which such files wait for the next step

	courses courses
}

// Handler returns all pages.
func (s *Server) Handler() http.Handler {
	templates() // what is broken in them must show now
	guide()
	// References contain slashes, which arrive as %2F.
	r := mux.NewRouter().UseEncodedPath().SkipClean(true)
	get := func(path string, h handler) { r.Handle(path, s.page(h)).Methods(http.MethodGet, http.MethodHead) }
	post := func(path string, h handler) { r.Handle(path, s.page(h)).Methods(http.MethodPost) }
	getSlowly := func(path string, h handler) {
		r.Handle(path, s.within(checkTime, h)).Methods(http.MethodGet, http.MethodHead)
	}
	postSlowly := func(path string, h handler) { r.Handle(path, s.within(checkTime, h)).Methods(http.MethodPost) }

	get("/", s.home)
	get("/near", s.near)
	get("/near.{format}", s.nearDocument)
	get("/search", s.search)
	get("/search.{format}", s.searchDocument)
	get("/near/density.json", s.density)

	get("/sign-up", s.showSignUp)
	post("/subscriptions", s.signUp)
	get("/subscriptions/sent", s.signedUp)
	get("/confirm/{secret}", s.showConfirm)
	post("/confirm/{secret}", s.confirm)

	get("/links", s.showLinks)
	post("/links", s.sendLink)
	get("/links/sent", s.sentLink)
	post("/links/again", s.again)
	get("/manage/{token}", s.manage)
	get("/manage/{token}/data.json", s.ownData)
	get("/manage/{token}/why", s.whyNot)
	get("/manage/{token}/areas/new", s.showAddArea)
	get("/manage/{token}/areas/{id}", s.showArea)
	post("/manage/{token}/areas", s.keeps(s.addArea))
	post("/manage/{token}/areas/{id}", s.keeps(s.editArea))
	post("/manage/{token}/areas/{id}/pause", s.keeps(s.pauseArea))
	post("/manage/{token}/areas/{id}/resume", s.resumeArea)
	post("/manage/{token}/areas/{id}/stop", s.stopArea)
	post("/manage/{token}/areas/{id}/undo", s.undoArea)
	post("/manage/{token}/coverage", s.wishCoverage)
	post("/manage/{token}/stop", s.stopAll)
	post("/manage/{token}/undo", s.undoAll)
	post("/manage/{token}/unmute/{id}", s.unmute)
	post("/manage/{token}/address", s.keeps(s.askMove))
	post("/manage/{token}/address/drop", s.dropMove)
	post("/manage/{token}/preferences", s.keeps(s.setPreferences))
	post("/manage/{token}/language", s.setLanguage)
	post("/manage/{token}/erase", s.erase)
	get("/move/{secret}", s.showMove)
	post("/move/{secret}", s.agreeMove)
	get("/mute/{token}", s.showMute)
	post("/mute/{token}", s.mute)
	post("/mute/{token}/undo", s.undoMute)

	get("/u/{token}", s.showUnsubscribe)
	post("/u/{token}", s.unsubscribe) // one click, also from mail programs
	post("/u/{token}/undo", s.undoUnsubscribe)
	get("/stop/{token}", s.showStop)
	post("/stop/{token}", s.stop)
	post("/stop/{token}/undo", s.undoStop)
	get("/never/{token}", s.showNever)
	post("/never/{token}", s.never)

	get("/sign-in", s.showSignIn)
	post("/sign-in", s.requestSignIn)
	get("/sign-in/sent", s.sentSignIn)
	get("/sign-in/{secret}", s.showSignInLink)
	post("/sign-in/{secret}", s.signIn)
	post("/sign-out", s.signOut)
	post("/sign-out/everywhere", s.signed(s.signOutEverywhere))
	get("/account", s.signed(s.showAccount))
	get("/account/data.json", s.signed(s.accountData))
	post("/account/erase", s.signed(s.eraseAccount))

	const owner, member, viewer = alerts.RoleOwner, alerts.RoleMember, alerts.RoleViewer
	post("/groups", s.signed(s.makeGroup))
	get("/groups/{group:[0-9]+}", s.needs(viewer, ofGroup, s.group))
	post("/groups/{group:[0-9]+}/leave", s.needs(viewer, ofGroup, s.leaveGroup))
	get("/groups/{group:[0-9]+}/areas", s.needs(viewer, ofGroup, s.groupAreas))
	post("/groups/{group:[0-9]+}/areas", s.needs(member, ofGroup, s.addGroupArea))
	post("/groups/{group:[0-9]+}/areas/{area:[0-9]+}/remove", s.needs(member, ofGroup, s.removeGroupArea))
	get("/groups/{group:[0-9]+}/members", s.needs(viewer, ofGroup, s.members))
	post("/groups/{group:[0-9]+}/members/{account:[0-9]+}/role", s.needs(owner, ofGroup, s.setRole))
	post("/groups/{group:[0-9]+}/members/{account:[0-9]+}/remove", s.needs(owner, ofGroup, s.removeMember))
	post("/groups/{group:[0-9]+}/invitations", s.needs(owner, ofGroup, s.invite))
	post("/groups/{group:[0-9]+}/invitations/{invitation:[0-9]+}/cancel", s.needs(owner, ofGroup, s.cancelInvitation))
	get("/groups/{group:[0-9]+}/cases", s.needs(viewer, ofGroup, s.cases))
	get("/groups/{group:[0-9]+}/cases/{case:[0-9]+}", s.needs(viewer, ofGroup, s.groupCase))
	post("/groups/{group:[0-9]+}/cases/{case:[0-9]+}", s.needs(member, ofGroup, s.act))
	get("/groups/{group:[0-9]+}/record.csv", s.needs(viewer, ofGroup, s.groupRecord))
	get("/groups/{group:[0-9]+}/meetings", s.needs(viewer, ofGroup, s.meetings))
	post("/groups/{group:[0-9]+}/meetings", s.needs(member, ofGroup, s.addMeeting))
	get("/groups/{group:[0-9]+}/meetings/{meeting:[0-9]+}", s.needs(viewer, ofGroup, s.pack))
	get("/groups/{group:[0-9]+}/meetings/{meeting:[0-9]+}/pack.csv", s.needs(viewer, ofGroup, s.packCSV))
	post("/groups/{group:[0-9]+}/meetings/{meeting:[0-9]+}/remove", s.needs(member, ofGroup, s.removeMeeting))
	get("/groups/{group:[0-9]+}/endpoints", s.needs(viewer, ofGroup, s.groupEndpoints))
	post("/groups/{group:[0-9]+}/endpoints", s.needs(member, ofGroup, s.addEndpoint))
	get("/groups/{group:[0-9]+}/endpoints/{endpoint:[0-9]+}", s.needs(viewer, ofGroup, s.groupEndpoint))
	post("/groups/{group:[0-9]+}/endpoints/{endpoint:[0-9]+}", s.needs(member, ofGroup, s.changeEndpoint))
	get("/groups/{group:[0-9]+}/endpoints/{endpoint:[0-9]+}/deliveries/{delivery}", s.needs(viewer, ofGroup, s.groupDelivery))
	post("/groups/{group:[0-9]+}/endpoints/{endpoint:[0-9]+}/deliveries/{delivery}/resend", s.needs(member, ofGroup, s.resend))
	get("/groups/{group:[0-9]+}/tokens", s.needs(viewer, ofGroup, s.groupTokens))
	post("/groups/{group:[0-9]+}/tokens", s.needs(member, ofGroup, s.addToken))
	post("/groups/{group:[0-9]+}/tokens/{token:[0-9]+}/revoke", s.needs(member, ofGroup, s.revokeToken))
	get("/groups/{group:[0-9]+}/settings", s.needs(owner, ofGroup, s.groupSettings))
	post("/groups/{group:[0-9]+}/settings", s.needs(owner, ofGroup, s.changeGroup))
	post("/groups/{group:[0-9]+}/remove", s.needs(owner, ofGroup, s.removeGroup))
	get("/groups/{group:[0-9]+}/share", s.needs(viewer, ofGroup, s.groupShare))
	get("/embed/{key}/list", s.embedList)
	get("/embed/{key}/map", s.embedMap)
	get("/f/{token}/news.atom", s.privateFeed(api.Atom))
	get("/f/{token}/closing.ics", s.privateFeed(api.Calendar))
	get("/invitations/{secret}", s.showInvitation)
	post("/invitations/{secret}", s.accept)
	if s.MailEvents != nil {
		post(mailEventsPath, s.mailEvents)
	}

	get("/admin", s.operates(viewer, s.admin))
	get("/admin/faults", s.operates(viewer, s.adminFaults))
	get("/admin/endpoints", s.operates(viewer, s.adminEndpoints))
	get("/admin/places", s.operates(viewer, s.adminPlaces))
	get("/admin/notices", s.operates(viewer, s.adminNotices))
	get("/admin/feeds", s.operates(viewer, s.adminFeeds))
	getSlowly("/admin/feeds/{feed}", s.tends(viewer, s.adminFeed))
	postSlowly("/admin/feeds/{feed}/release", s.tends(member, s.lately(s.releaseHeld)))
	postSlowly("/admin/feeds/{feed}/discard", s.tends(member, s.lately(s.discardHeld)))
	get("/admin/people", s.operates(owner, s.findPerson))
	post("/admin/people", s.operates(owner, s.lookUp))
	post("/admin/people/allow", s.operates(owner, s.allowAddress))
	get("/admin/people/{person:[0-9]+}", s.operates(owner, s.person))
	post("/admin/people/{person:[0-9]+}/open", s.operates(owner, s.openPerson))
	get("/admin/people/{person:[0-9]+}/why", s.operates(owner, s.personWhy))
	get("/admin/people/{person:[0-9]+}/why/{subscription:[0-9]+}/{case:[0-9]+}", s.operates(owner, s.personWhy))
	post("/admin/people/{person:[0-9]+}/mails/{mail:[0-9]+}/again", s.operates(owner, s.forPerson("again", s.sendAgain)))
	post("/admin/people/{person:[0-9]+}/subscriptions/{subscription:[0-9]+}/end", s.operates(owner, s.forPerson("ended", s.endOne)))
	post("/admin/people/{person:[0-9]+}/allow", s.operates(owner, s.forPerson("allowed", s.liftBar)))
	post("/admin/people/{person:[0-9]+}/erase", s.operates(owner, s.lately(s.forPerson("erased", s.erasePerson))))
	get("/admin/records", s.operates(viewer, s.records))
	post("/admin/records/redact", s.operates(owner, s.redactRecord))
	post("/admin/records/restore", s.operates(owner, s.restoreRecord))
	get("/admin/trail", s.operates(viewer, s.trail))
	getSlowly("/admin/trail.csv", s.operates(viewer, s.trailCSV))

	get("/authorities", s.authorities)
	get("/authorities/{slug}.{format:[a-z]+}", s.authorityDocument)
	get("/authorities/{slug}", s.authority)
	get("/authorities/{slug}/report", s.reach)
	get("/authorities/{slug}/report.json", s.reachJSON)
	get("/authorities/{slug}/report.csv", s.reachCSV)
	get("/reliability", s.reliability)
	get("/reliability.json", s.reliabilityJSON)
	get("/applications/{authority}/{reference}", s.application)
	get("/applications/{authority}/{reference}/deadline.ics", s.deadline)
	get("/told/{token}", s.told)
	get("/applications/{authority}/{reference}/feature.geojson", s.feature)
	get("/applications/{authority}/{reference}/notice", s.notice)
	post("/applications/{authority}/{reference}/follow", s.follow)
	post("/applications/{authority}/{reference}/place", s.doubtPlace)
	get("/a/{id:[0-9]+}", s.shortLink)
	get("/why/{token}", s.why)
	post("/why/{token}/place", s.doubtWhy)

	get("/about", s.about)
	get("/commenting", s.commenting)
	get("/privacy", s.privacy)
	get("/accessibility", s.accessibility)
	get("/complaints", s.complaints)

	if s.Mailbox {
		get("/dev/mail", s.mailbox)
		get("/dev/mail/{id:[0-9]+}", s.mail)
		get("/dev/mail/{id:[0-9]+}/html", s.mailHTML)
		get("/dev/mail/{id:[0-9]+}/raw", s.mailRaw)
	}
	if s.API != nil {
		s.API.Client = s.client
		get("/api", s.apiPage)
		s.API.Register(r)
	}
	if s.API != nil && s.Files != nil {
		d := newDesk(s)
		get(checkPath, d.show)
		files := func(path string, limit time.Duration, h handler) {
			r.Handle(path, s.within(limit, h)).Methods(http.MethodPost)
		}
		files(checkPath, takeTime, d.take)
		files(checkPath+"/columns", checkTime, d.step(d.again))
		files(checkPath+"/fixes", checkTime, d.step(d.fixes))
		files(checkPath+"/declaration", checkTime, d.step(d.declaration))
		files(checkPath+"/import", takeTime, d.step(d.importFile))
	}
	get("/assets/{file}", s.asset)
	get("/favicon.ico", s.favicon)
	get("/robots.txt", s.robots)
	get("/healthz", s.health)
	if s.Ready != nil {
		get("/readyz", s.ready)
	}

	r.NotFoundHandler = s.page(func(http.ResponseWriter, *http.Request) error { return alerts.ErrNotFound })
	r.MethodNotAllowedHandler = s.page(func(http.ResponseWriter, *http.Request) error { return errMethod })
	r.Use(noteRoute)
	return s.speak(s.guard(r))
}
