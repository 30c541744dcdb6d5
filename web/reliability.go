package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// A feedHealth is how one feed is, for everybody to read: nothing in it comes from
// the source itself.
type feedHealth struct {
	Authority string             `json:"authority"` // slug
	Name      string             `json:"name"`      // of the authority
	Feed      string             `json:"feed"`
	State     alerts.HealthState `json:"state"`
	Reason    string             `json:"reason"` // why it needs a person; empty when it does not
	Every     string             `json:"every"`  // how often it is read, learned; empty while too little is known
	LastGood  int64              `json:"last_good_ms"`
	Expected  int64              `json:"expected_ms"` // the next good reading; 0 when nobody can say
	Newest    alerts.Date        `json:"newest_received"`
	Low       int                `json:"usual_news_low"` // nine readings in ten bring at least so many,
	High      int                `json:"usual_news_high"`
	Learned   bool               `json:"usual_news_known"`
	Rows      int                `json:"rows"`
	LeftOut   int                `json:"rows_left_out"`
	Codes     int                `json:"unmapped_codes"`
	Timely    alerts.Timeliness  `json:"timeliness"` // of the authority's alerts
	language  alerts.Language
}

// StateWords says the state to a reader.
func (h feedHealth) StateWords() string {
	l := h.language
	switch h.State {
	case alerts.HealthPerson:
		return l.Say("Needs a person")
	case alerts.HealthNew:
		return l.Say("Not read yet")
	case alerts.HealthPaused:
		return l.Say("Paused")
	}
	return l.Say("As usual")
}

// healthOf returns how the feeds of authorities are, in the order of the authorities.
func (s *Server) healthOf(ctx context.Context, authorities []alerts.Coverage) ([]feedHealth, error) {
	slugs := make([]string, len(authorities))
	for i, a := range authorities {
		slugs[i] = a.Slug
	}
	feeds, err := s.Store.AuthorityFeeds(ctx, slugs)
	if err != nil {
		return nil, err
	}
	var all []alerts.Feed
	at := map[int64]int{}
	for _, slug := range slugs {
		for _, f := range feeds[slug] {
			if _, known := at[f.ID]; !known {
				at[f.ID] = len(all)
				all = append(all, f)
			}
		}
	}
	histories, err := s.Store.Histories(ctx, all)
	if err != nil {
		return nil, err
	}
	timely, err := s.Store.Timeliness(ctx, slugs)
	if err != nil {
		return nil, err
	}
	l, now := languageIn(ctx), s.Now()
	out := []feedHealth{}
	for _, a := range authorities {
		for _, f := range feeds[a.Slug] {
			h := alerts.HealthOf(histories[at[f.ID]], now)
			one := feedHealth{Authority: a.Slug, Name: a.Name, Feed: f.Slug, State: h.State, Reason: h.Reason(l), Every: l.EveryWords(h.Cadence),
				Newest: h.Newest, Low: h.Band.Low, High: h.Band.High, Learned: h.BandOf > 0, Rows: h.Rows, LeftOut: h.Bad, Codes: len(h.Unmapped), Timely: timely[a.Slug], language: l}
			one.LastGood, one.Expected = unixMilli(h.LastGood), unixMilli(h.Expected)
			out = append(out, one)
		}
	}
	return out, nil
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// reliabilityPageSize is how many authorities one page shows.
const reliabilityPageSize = 100

type reliabilityPage struct {
	Trust alerts.Trust
	Feeds []feedHealth
	Older string // address of the next page
	Newer string
}

// reliabilityOf returns one page of how feeds are; more when there is another.
func (s *Server) reliabilityOf(r *http.Request) (feeds []feedHealth, page int, more bool, err error) {
	if page, err = strconv.Atoi(r.URL.Query().Get("page")); err != nil || page < 1 || page > 10_000 {
		page = 1
	}
	all, err := s.Store.Authorities(r.Context())
	if err != nil {
		return nil, page, false, err
	}
	from := min((page-1)*reliabilityPageSize, len(all))
	to := min(from+reliabilityPageSize, len(all))
	feeds, err = s.healthOf(r.Context(), all[from:to])
	return feeds, page, to < len(all), err
}

// reliability shows how every feed is.
func (s *Server) reliability(w http.ResponseWriter, r *http.Request) error {
	feeds, page, more, err := s.reliabilityOf(r)
	if err != nil {
		return err
	}
	p := reliabilityPage{Feeds: feeds}
	if p.Trust, err = s.Store.Trust(r.Context()); err != nil {
		return err
	}
	if more {
		p.Older = "/reliability?page=" + strconv.Itoa(page+1)
	}
	if page > 1 {
		p.Newer = "/reliability?page=" + strconv.Itoa(page-1)
	}
	return s.render(w, r, http.StatusOK, "reliability.html", "How well we are doing", p)
}

// reliabilityJSON is the same for programs.
func (s *Server) reliabilityJSON(w http.ResponseWriter, r *http.Request) error {
	feeds, page, more, err := s.reliabilityOf(r)
	if err != nil {
		return err
	}
	trust, err := s.Store.Trust(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(struct {
		Trust alerts.Trust `json:"nightly_check"`
		Feeds []feedHealth `json:"feeds"`
		Page  int          `json:"page"`
		More  bool         `json:"more"`
	}{trust, feeds, page, more})
}
