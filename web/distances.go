package web

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/geo"
)

// recentDays is how far back is counted and rehearsed.
const recentDays = 90

// countedFar is how far out applications are counted where they are many; where
// they are few it costs nothing to look further.
const countedFar = 2000

// distances are those around a place that somebody may choose between, with what
// each would bring.
type distances struct {
	Days      int
	Rows      []distanceRow
	Suggested float64 // metres; 0 where there is nothing to go by
	Exactly   int     // applications within the chosen distance
}

// A distanceRow is one distance to choose.
type distanceRow struct {
	Radius float64 `json:"radius"`
	Name   string  `json:"name"`
	Rate   string  `json:"rate"` // "about 2 a week"; empty where no place is known
	Bar    int     `json:"bar"`  // of 100
}

// SuggestedRate says what the suggested distance would bring.
func (d distances) SuggestedRate() string {
	for _, row := range d.Rows {
		if row.Radius == d.Suggested {
			return row.Rate
		}
	}
	return ""
}

// around counts what the distances around a place would bring.
func (s *Server) around(ctx context.Context, centre geo.Point, chosen float64) (distances, error) {
	l := languageIn(ctx)
	d := distances{Days: recentDays}
	if !(chosen >= alerts.MinRadius && chosen <= alerts.MaxRadius) {
		chosen = alerts.DefaultRadius // what was chosen is at fault, and is said to be
	}
	since := alerts.DateOf(s.Now()).AddDays(-recentDays)
	offered := radii(chosen)
	count := func(upTo float64) (within []alerts.Within, err error) {
		var others []float64
		for _, r := range offered {
			if r <= upTo {
				others = append(others, r)
			}
		}
		d.Exactly, within, err = s.Store.Density(ctx, centre, chosen, others, since)
		return within, err
	}
	within, err := count(max(countedFar, chosen))
	if err != nil {
		return d, err
	}
	if n := len(within); n > 0 && within[n-1].Count*7 < alerts.BusyWeek*recentDays && within[n-1].Radius < alerts.MaxRadius {
		if within, err = count(alerts.MaxRadius); err != nil {
			return d, err
		}
	}
	most := 1
	for _, w := range within {
		most = max(most, w.Count)
	}
	for i, r := range offered {
		row := distanceRow{Radius: r, Name: alerts.Metres(r), Rate: l.Say("more than can be read")}
		if i < len(within) {
			row.Rate, row.Bar = l.RateWords(within[i].Count, recentDays), (100*within[i].Count+most-1)/most
		}
		d.Rows = append(d.Rows, row)
	}
	d.Suggested = alerts.SuggestRadius(within, recentDays)
	return d, nil
}

// uncounted are the distances to choose between while no place is known.
func uncounted(chosen float64) distances {
	d := distances{Days: recentDays}
	for _, r := range radii(chosen) {
		d.Rows = append(d.Rows, distanceRow{Radius: r, Name: alerts.Metres(r)})
	}
	return d
}

// density answers the map of a page when the place on it moves.
func (s *Server) density(w http.ResponseWriter, r *http.Request) error {
	form, at, ok := s.find(languageOf(r), r.URL.Query())
	if !ok {
		if form.Problem == nil {
			form.Problem = s.missingPlace()
		}
		return form.Problem
	}
	d, err := s.around(r.Context(), at.Centre, form.Radius)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(struct {
		Rows      []distanceRow `json:"rows"`
		Suggested float64       `json:"suggested"`
	}{d.Rows, d.Suggested})
}
