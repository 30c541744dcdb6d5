package postcode

import (
	"math"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
)

// The grid of eastings and northings stretches distances by up to this much
// within Great Britain; it is used to look for candidates, and the candidates
// are then measured with [geo.Distance].
const gridError = 0.001

// distanceTo is the distance in grid metres from a point to the box of a
// sector, and to its far corner.
func (s *sector) distanceTo(e, n float64) (near, far float64) {
	minE, minN := float64(s.easting), float64(s.northing)
	maxE, maxN := minE+float64(uint(1)<<s.eBits-1), minN+float64(uint(1)<<s.nBits-1)
	near = math.Hypot(max(minE-e, 0, e-maxE), max(minN-n, 0, n-maxN))
	far = math.Hypot(max(e-minE, maxE-e), max(n-minN, maxN-n))
	return near, far
}

// within calls found with the index of every pair of ward and district that has
// a postcode in use within a distance in metres, possibly several times.
func (t *Table) within(centre geo.Point, radiusM float64, found func(pair int)) {
	e, n := geo.ToBNG(centre)
	seen := make([]bool, len(t.wards))
	for i := range t.live.sectors {
		s := &t.live.sectors[i]
		near, far := s.distanceTo(e, n)
		if near*(1-gridError) > radiusM {
			continue
		}
		unseen := false
		for k := range int(s.dictionary) {
			pair := int(u16(t.live.data[int(s.dictionaryAt)+2*k:]))
			if pair >= len(t.wards) || seen[pair] {
				continue
			}
			if far*(1+gridError) <= radiusM { // the whole sector is inside
				seen[pair] = true
				found(pair)
				continue
			}
			unseen = true
		}
		if !unseen {
			continue
		}
		t.live.each(s, func(p packed) bool {
			pair := int(p.ward)
			if pair >= len(t.wards) || seen[pair] {
				return true
			}
			grid := math.Hypot(float64(p.easting)-e, float64(p.northing)-n)
			inside := grid*(1+gridError) <= radiusM
			if !inside && grid*(1-gridError) <= radiusM {
				inside = geo.Distance(centre, geo.FromBNG(float64(p.easting), float64(p.northing))) <= radiusM
			}
			if inside {
				seen[pair] = true
				found(pair)
			}
			return true
		})
	}
}

// Districts lists the districts that have a postcode in use within a
// distance in metres of a point, in order of code.
func (t *Table) Districts(centre geo.Point, radiusM float64) []District {
	var out []District
	t.within(centre, radiusM, func(pair int) {
		if d := t.wards[pair].district; d >= 0 {
			out = append(out, District{t.districts[d].code, t.districts[d].name})
		}
	})
	slices.SortFunc(out, func(a, b District) int { return strings.Compare(a.Code, b.Code) })
	return slices.Compact(out)
}

// Wards lists the wards that have a postcode in use within a distance in
// metres of a point, in order of code.
func (t *Table) Wards(centre geo.Point, radiusM float64) []Ward {
	var out []Ward
	t.within(centre, radiusM, func(pair int) {
		if w := t.wards[pair]; w.code != "" {
			out = append(out, Ward{w.code, w.name, t.districtCode(w.district)})
		}
	})
	slices.SortFunc(out, func(a, b Ward) int { return strings.Compare(a.Code, b.Code) })
	return slices.Compact(out)
}

// NearestWard is the ward and district of the postcode in use nearest to a
// point, and how far away that postcode is in metres. It is a guess: near a
// border the nearest postcode may lie across it. It is not ok if no postcode of
// the table has a ward.
func (t *Table) NearestWard(p geo.Point) (ward, district string, distanceM float64, ok bool) {
	e, n := geo.ToBNG(p)
	best, bestAt := math.Inf(1), packed{}
	search := func(s *sector) {
		t.live.each(s, func(q packed) bool {
			if int(q.ward) < len(t.wards) && t.wards[q.ward].code != "" {
				if d := math.Hypot(float64(q.easting)-e, float64(q.northing)-n); d < best {
					best, bestAt = d, q
				}
			}
			return true
		})
	}
	// The sector whose box is nearest gives a bound that spares nearly all others.
	first, least := -1, math.Inf(1)
	for i := range t.live.sectors {
		if near, far := t.live.sectors[i].distanceTo(e, n); near+far < least {
			first, least = i, near+far
		}
	}
	if first < 0 {
		return "", "", 0, false
	}
	search(&t.live.sectors[first])
	for i := range t.live.sectors {
		if near, _ := t.live.sectors[i].distanceTo(e, n); i != first && near < best {
			search(&t.live.sectors[i])
		}
	}
	if math.IsInf(best, 1) {
		return "", "", 0, false
	}
	w := t.wards[bestAt.ward]
	return w.code, t.districtCode(w.district), geo.Distance(p, geo.FromBNG(float64(bestAt.easting), float64(bestAt.northing))), true
}

// DistrictExtent is the box around the postcodes in use of a district, by its
// GSS code. Sites can lie outside it, as not all land has postcodes: grow it.
func (t *Table) DistrictExtent(code string) (geo.Box, bool) {
	i, ok := t.district(code)
	if !ok || t.districts[i].extent.Empty() {
		return geo.Box{}, false
	}
	return t.districts[i].extent, true
}
