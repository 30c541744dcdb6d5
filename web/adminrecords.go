package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/sitenotice/sitenotice/alerts"
)

// redactionWords say what has been taken away of an application.
var redactionWords = map[alerts.Redaction]string{
	alerts.RedactNothing: "shown as the council publishes it",
	alerts.RedactWords:   "its description has been taken away",
	alerts.RedactAddress: "its description and its address have been taken away",
	alerts.RedactAll:     "it has been taken down: it is shown nowhere",
}

type recordsPage struct {
	adminPage
	Typed   string
	Records []recordRow
}

// A recordRow is an application that was found, and what was done about it.
type recordRow struct {
	alerts.RedactedRecord
	Words string
	Href  string // of its page; empty when it has none
	Acts  []actRow
}

// Can reports whether there is more to take away.
func (r recordRow) Can(more alerts.Redaction) bool {
	return !r.Redaction.Includes(more)
}

// mostRecords is how many councils' applications with one reference are shown.
const mostRecords = 20

// records finds an application by its reference, hidden or not.
func (s *Server) records(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	return s.renderRecords(w, r, http.StatusOK, newAdminPage(r, a, "records"), r.URL.Query().Get("reference"))
}

func (s *Server) renderRecords(w http.ResponseWriter, r *http.Request, status int, p adminPage, reference string) error {
	page := recordsPage{adminPage: p, Typed: alerts.Line(reference, alerts.MaxReference)}
	if page.Typed != "" {
		found, err := s.Store.FindRecords(r.Context(), page.Typed, mostRecords)
		if err != nil {
			return err
		}
		for _, rec := range found {
			row := recordRow{RedactedRecord: rec, Words: redactionWords[rec.Redaction]}
			if !rec.Hidden {
				row.Href = alerts.ApplicationPath(rec.Ref)
			}
			acts, err := s.Store.Acts(r.Context(), alerts.RecordSubject(rec.Ref), "", 0, adminGlance)
			if err != nil {
				return err
			}
			if row.Acts, err = s.actRows(r.Context(), acts, p); err != nil {
				return err
			}
			page.Records = append(page.Records, row)
		}
	}
	title := "Applications"
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "adminrecords.html", title, page)
}

// redactRecord takes something of an application away, or all of it.
func (s *Server) redactRecord(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	p := newAdminPage(r, a, "records")
	ref := alerts.Ref{Authority: r.PostForm.Get("authority"), Number: r.PostForm.Get("reference")}
	reason := p.reason(r)
	how := alerts.Redaction(r.PostForm.Get("how"))
	if how.Act() == "" {
		p.Problems = append(p.Problems, alerts.Invalid("how", "Choose what is to be taken away"))
	}
	if len(p.Problems) > 0 {
		return s.renderRecords(w, r, http.StatusUnprocessableEntity, p, ref.Number)
	}
	if ok, err := s.isRecord(r, ref); err != nil || !ok {
		return cmp.Or(err, alerts.ErrNotFound)
	}
	if _, err := s.Store.Redact(r.Context(), ref, how, p.act(alerts.ActRecord, how.Act(), alerts.RecordSubject(ref), reason), s.Now()); err != nil {
		return err
	}
	return recordsBack(w, r, ref, "redacted")
}

// restoreRecord lifts a redaction.
func (s *Server) restoreRecord(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	p := newAdminPage(r, a, "records")
	ref := alerts.Ref{Authority: r.PostForm.Get("authority"), Number: r.PostForm.Get("reference")}
	reason := p.reason(r)
	if len(p.Problems) > 0 {
		return s.renderRecords(w, r, http.StatusUnprocessableEntity, p, ref.Number)
	}
	if ok, err := s.isRecord(r, ref); err != nil || !ok {
		return cmp.Or(err, alerts.ErrNotFound)
	}
	if err := s.Store.Restore(r.Context(), ref, p.act(alerts.ActRecord, "restored", alerts.RecordSubject(ref), reason), s.Now()); err != nil {
		return err
	}
	return recordsBack(w, r, ref, "restored")
}

// isRecord reports whether an application goes by exactly that reference, so that the
// record of what was done speaks of it as the pages do.
func (s *Server) isRecord(r *http.Request, ref alerts.Ref) (bool, error) {
	found, err := s.Store.FindRecords(r.Context(), ref.Number, mostRecords)
	return slices.ContainsFunc(found, func(rec alerts.RedactedRecord) bool { return rec.Ref == ref }), err
}

func recordsBack(w http.ResponseWriter, r *http.Request, ref alerts.Ref, done string) error {
	http.Redirect(w, r, "/admin/records?"+url.Values{"reference": {ref.Number}, "done": {done}}.Encode(), http.StatusSeeOther)
	return nil
}
