package web

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// actKinds are the kinds of act in words.
var actKinds = map[alerts.ActKind]string{
	alerts.ActPerson: "People",
	alerts.ActRecord: "Applications",
	alerts.ActFeed:   "Registers",
	alerts.ActAccess: "Who may do what",
}

// An actTab narrows the record to one kind.
type actTab struct {
	Name, Href string
	Here       bool
}

type trailPage struct {
	adminPage
	Kind  alerts.ActKind
	Tabs  []actTab
	Acts  []actRow
	Older string
	CSV   string
}

// readActKind reads to which kind the record is to be narrowed; what makes no sense
// narrows nothing.
func readActKind(r *http.Request) alerts.ActKind {
	if k := alerts.ActKind(r.URL.Query().Get("kind")); slices.Contains(alerts.ActKinds, k) {
		return k
	}
	return ""
}

func trailPath(base string, kind alerts.ActKind, before int64) string {
	v := url.Values{}
	if kind != "" {
		v.Set("kind", string(kind))
	}
	if before != 0 {
		v.Set("before", strconv.FormatInt(before, 10))
	}
	if len(v) == 0 {
		return base
	}
	return base + "?" + v.Encode()
}

// trail shows what people did, the newest first.
func (s *Server) trail(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	page := trailPage{adminPage: newAdminPage(r, a, "trail"), Kind: readActKind(r)}
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	acts, err := s.Store.Acts(r.Context(), "", page.Kind, max(before, 0), adminList+1)
	if err != nil {
		return err
	}
	acts, more := cut(acts, adminList)
	if more {
		page.Older = trailPath("/admin/trail", page.Kind, acts[len(acts)-1].ID)
	}
	if page.Acts, err = s.actRows(r.Context(), acts, page.adminPage); err != nil {
		return err
	}
	page.CSV = trailPath("/admin/trail.csv", page.Kind, 0)
	page.Tabs = append(page.Tabs, actTab{"Everything", "/admin/trail", page.Kind == ""})
	for _, k := range alerts.ActKinds {
		page.Tabs = append(page.Tabs, actTab{actKinds[k], trailPath("/admin/trail", k, 0), page.Kind == k})
	}
	return s.render(w, r, http.StatusOK, "admintrail.html", "What was done", page)
}

// trailCSV is the same as a file, all of it.
func (s *Server) trailCSV(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	kind := readActKind(r)
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(checkTime)) // where there is no deadline none is needed
	sheet(w, "record.csv")
	out := csv.NewWriter(w)
	out.Write([]string{"number", "time (UTC)", "kind", "who", "address", "what", "subject", "reason"})
	for before := int64(0); ; {
		acts, err := s.Store.Acts(r.Context(), "", kind, before, 500)
		if err != nil {
			return err
		}
		rows, err := s.actRows(r.Context(), acts, newAdminPage(r, a, ""))
		if err != nil {
			return err
		}
		for _, act := range rows {
			before = act.ID
			out.Write([]string{strconv.FormatInt(act.ID, 10), time.UnixMilli(act.At).UTC().Format(time.RFC3339), string(act.Kind), api.Cell(act.Who), api.Cell(act.Name), api.Cell(act.What), api.Cell(act.Subject), api.Cell(act.Reason)})
		}
		if len(acts) < 500 {
			out.Flush()
			return out.Error()
		}
	}
}
