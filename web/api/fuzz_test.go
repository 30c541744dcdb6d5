package api

import (
	"errors"
	"math"
	"net/url"
	"testing"

	"github.com/sitenotice/sitenotice/alerts"
)

// Whatever a program asks for, it is understood as something that can be, or refused
// with the parameter and a sentence. A cursor is believed only if it is one of ours.
func FuzzParameters(f *testing.F) {
	cursor := writeCursor(alerts.Cursor{Listed: "2026-02-01", ID: 17})
	for _, query := range []string{"lat=51.54&lon=-0.14&radius_m=500", "bbox=-0.15,51.53,-0.13,51.55&kind=full,householder&stage=open&major=true", "authority=camden&listed_from=2026-01-01&limit=5&cursor=" + cursor,
		"cursor=" + writeSnapshotCursor(alerts.SnapshotCursor{Begun: true, AsOf: 5, After: 7}) + "&q=%22high+street%22+the", "lat=NaN&lon=1e400", "bbox=1,2,3", "radius_m=5", "kind=", "limit=-1", "a=1&a=2", "postcode=NW1+8NH",
		`polygon={"type":"Polygon","coordinates":[[[-0.15,51.54],[-0.14,51.54],[-0.14,51.55],[-0.15,51.54]]]}`, "polygon={", "%zz",
		"authority=camden&status=pending,decided&decision=refused&received_from=2026-01-01&decided_until=2026-02-30&closing_from=2026-03-01&closing_until=2026-02-01"} {
		f.Add(query)
	}
	a := &API{}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		refused := func(err error) {
			var p *fault
			if !errors.As(err, &p) || p.detail == "" {
				t.Errorf("%q: %v", text, err)
			}
		}
		if q, err := a.query(v); err != nil {
			refused(err)
		} else {
			if q.Area.Kind == "" && q.Authority == "" && q.Words.IsZero() {
				t.Errorf("%q asks for everything", text)
			}
			if c := q.Area.Centre; q.Area.Kind == alerts.AreaCircle && (alerts.CheckPlace(c) != nil || !(q.Area.Radius >= alerts.MinRadius && q.Area.Radius <= alerts.MaxRadius) || math.IsNaN(c.Lat)) {
				t.Errorf("%q asks for %+v", text, q.Area)
			}
			if q.Area.Kind == alerts.AreaPolygon && len(q.Area.Shape) == 0 {
				t.Errorf("%q asks for an area without an outline", text)
			}
		}
		if n, err := pageSize(v); err != nil {
			refused(err)
		} else if n < 1 || n > maxPage {
			t.Errorf("%q: %d on a page", text, n)
		}
		if c, err := readCursor(v.Get("cursor")); err != nil {
			refused(err)
		} else if again, err := readCursor(writeCursor(c)); c.ID != 0 && (err != nil || again != c) {
			t.Errorf("%q: %+v, then %+v", text, c, again)
		}
		if c, err := readSnapshotCursor(v.Get("cursor")); err != nil {
			refused(err)
		} else if again, err := readSnapshotCursor(writeSnapshotCursor(c)); c.Begun && (err != nil || again != c) {
			t.Errorf("%q: %+v, then %+v", text, c, again)
		}
	})
}
