package postcode

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
)

// A Row is one postcode on its way into a table. Its place is the easting and
// northing in metres of the British National Grid or, if both are 0 and always
// for Northern Ireland, the point; without either the code is kept as having no
// place. Places are kept to the metre.
type Row struct {
	Code              Code
	Easting, Northing int
	Point             geo.Point
	Quality           Quality // 0 means the usual: InBuilding, or TerminatedPlace
	Ward, District    string  // GSS codes
	Terminated        string  // "2019-05", or empty for a code in use
}

// NewTable makes a table of rows in any order. Where a code occurs twice, the
// row in use wins over the terminated one, and a later row over an earlier.
// Names of wards and districts, by GSS code, may be nil. Lines of attribution
// that meta lacks are made up from its year.
func NewTable(rows []Row, names map[string]string, meta Meta) (*Table, error) {
	b := newBuilder()
	for _, row := range rows {
		if err := b.add(row); err != nil {
			return nil, fmt.Errorf("make a postcode table: %s: %w", row.Code, err)
		}
	}
	for code, name := range names {
		b.names[code] = name
	}
	if meta.Attribution == nil && meta.Year > 0 {
		meta.Attribution = attribution(meta.Year, false, false)
	}
	file, err := b.file(meta)
	if err != nil {
		return nil, fmt.Errorf("make a postcode table: %w", err)
	}
	return Read(file)
}

// attribution is the lines that the licences of postcode data ask for.
func attribution(year int, ons, northern bool) []string {
	lines := []string{
		fmt.Sprintf("Contains OS data © Crown copyright and database right %d.", year),
		fmt.Sprintf("Contains Royal Mail data © Royal Mail copyright and database right %d.", year),
		fmt.Sprintf("Contains National Statistics data © Crown copyright and database right %d.", year),
	}
	if ons {
		lines = append(lines, "Source: Office for National Statistics licensed under the Open Government Licence v.3.0.")
	}
	if northern {
		lines = append(lines, "Contains Northern Ireland postcodes, which are not under the Open Government Licence but under the operator's own licence from Land & Property Services.")
	}
	return lines
}

// An entry is a row packed small, since there are millions.
type entry struct {
	out               uint32
	easting, northing int32 // easting is nowhere if it has no place
	number            uint16
	ward              uint16 // index of builder.pairs, or noWard
	month             uint16
	quality           Quality
}

const nowhere = math.MinInt32

var errOffGrid = errors.New("its place is not in the United Kingdom")

// A builder gathers entries and writes the file of a table.
type builder struct {
	entries []entry
	pairs   map[[2]string]uint16 // ward, district
	names   map[string]string    // of wards and districts
}

func newBuilder() *builder {
	return &builder{pairs: map[[2]string]uint16{}, names: map[string]string{}}
}

func (b *builder) add(row Row) error {
	var e entry
	var number int
	var ok bool
	if e.out, number, ok = packCode(row.Code); !ok {
		return errors.New("it is not in the form of a postcode")
	}
	e.number = uint16(number)
	if e.month, ok = parseMonth(row.Terminated); !ok {
		return fmt.Errorf("%q is not a month such as 2019-05", row.Terminated)
	}
	easting, northing := float64(row.Easting), float64(row.Northing)
	if row.Point != (geo.Point{}) && (northern(row.Code) || row.Easting == 0 && row.Northing == 0) {
		if !geo.InUK(row.Point) {
			return errOffGrid
		}
		easting, northing = geo.ToBNG(row.Point)
	} else if northern(row.Code) {
		easting, northing = 0, 0 // Irish Grid, if anything
	}
	e.easting, e.northing = int32(math.Round(easting)), int32(math.Round(northing))
	switch {
	case e.easting == 0 && e.northing == 0:
		e.easting = nowhere
	case easting < -400e3 || easting > 700e3 || northing < -100e3 || northing > 1300e3:
		return errOffGrid
	}
	usual := InBuilding
	if e.month != 0 {
		usual = TerminatedPlace
	}
	if e.quality = row.Quality; e.quality == 0 {
		e.quality = usual
	}
	e.ward = noWard
	if pair := [2]string{row.Ward, row.District}; pair != [2]string{} {
		if e.ward, ok = b.pairs[pair]; !ok {
			if len(b.pairs) >= noWard {
				return errors.New("there are more than 65,000 different wards: this cannot be a list of postcodes")
			}
			e.ward = uint16(len(b.pairs))
			b.pairs[[2]string{strings.Clone(row.Ward), strings.Clone(row.District)}] = e.ward
		}
	}
	b.entries = append(b.entries, e)
	return nil
}

// parseMonth reads "2019-05" or "201905"; empty is 0.
func parseMonth(s string) (uint16, bool) {
	if s == "" {
		return 0, true
	}
	digits := s
	if len(s) == 7 && s[4] == '-' {
		digits = s[:4] + s[5:]
	}
	n, err := strconv.Atoi(digits)
	year, month := n/100, n%100
	if err != nil || len(digits) != 6 || year < firstYear || year > 2200 || month < 1 || month > 12 {
		return 0, false
	}
	return uint16((year-firstYear)*12 + month), true
}

// sort puts the entries in order of code and drops all but one of each.
func (b *builder) sort() {
	slices.SortStableFunc(b.entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.out, y.out), cmp.Compare(x.number, y.number), cmp.Compare(live(x), live(y)))
	})
	kept := b.entries[:0]
	for i, e := range b.entries {
		if i+1 < len(b.entries) && b.entries[i+1].out == e.out && b.entries[i+1].number == e.number {
			continue // the last is in use, if any is
		}
		kept = append(kept, e)
	}
	b.entries = kept
}

func live(e entry) int {
	if e.month == 0 {
		return 1
	}
	return 0
}

// wards lists the pairs in order of ward and district, and for each number
// given out by add its place in that order.
func (b *builder) wards() (pairs [][2]string, order []uint16) {
	for pair := range b.pairs {
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(x, y [2]string) int {
		return cmp.Or(strings.Compare(x[0], y[0]), strings.Compare(x[1], y[1]))
	})
	order = make([]uint16, len(pairs))
	for i, pair := range pairs {
		order[b.pairs[pair]] = uint16(i)
	}
	return pairs, order
}

// file writes all sections; see format.go.
func (b *builder) file(meta Meta) ([]byte, error) {
	b.sort()
	pairs, order := b.wards()
	for i := range b.entries {
		if w := b.entries[i].ward; w != noWard {
			b.entries[i].ward = order[w]
		}
	}
	outcodes := []byte{}
	index := make([]int, len(b.entries)) // of each entry's outcode
	n := -1
	for i, e := range b.entries {
		if i == 0 || e.out != b.entries[i-1].out {
			outcodes = binary.BigEndian.AppendUint32(outcodes, e.out)
			n++
		}
		index[i] = n
	}
	if n >= 0xFFFF {
		return nil, errors.New("there are more than 65,000 different outward parts: this cannot be a list of postcodes")
	}
	var unlocated, qualities []byte
	live, terminated := planeWriter{}, planeWriter{terminated: true}
	var points []uint64
	meta.Live, meta.Terminated, meta.Unlocated = 0, 0, 0
	for i, e := range b.entries {
		id := codeID(index[i], int(e.number))
		switch {
		case e.month != 0:
			meta.Terminated++
		case e.easting == nowhere:
			meta.Unlocated++
		default:
			meta.Live++
		}
		if e.easting == nowhere {
			unlocated = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(unlocated, id), e.month)
			continue
		}
		usual := InBuilding
		if e.month != 0 {
			usual = TerminatedPlace
			terminated.add(index[i], e)
		} else {
			live.add(index[i], e)
			points = append(points, pointID(e.easting, e.northing))
		}
		if e.quality != usual {
			qualities = append(binary.LittleEndian.AppendUint32(qualities, id), byte(e.quality))
		}
	}
	live.flush()
	terminated.flush()
	names, err := b.namesJSON(pairs)
	if err != nil {
		return nil, err
	}
	about, err := json.Marshal(meta)
	if err != nil {
		return nil, err
	}
	out := []byte(magic)
	for _, section := range [][]byte{about, names, outcodes, live.out, terminated.out, unlocated, qualities, sharedPoints(points)} {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(section)))
		out = append(out, section...)
	}
	out = append(out, make([]byte, padding)...)
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli)), nil
}

// sharedPoints lists the points at which there are several codes.
func sharedPoints(points []uint64) []byte {
	slices.Sort(points)
	var out []byte
	for i := 0; i < len(points); {
		j := i + 1
		for j < len(points) && points[j] == points[i] {
			j++
		}
		if j-i > 1 {
			out = appendU24(appendU24(out, uint32(points[i]>>32)), uint32(points[i]))
			out = binary.LittleEndian.AppendUint16(out, uint16(min(j-i, 0xFFFF)))
		}
		i = j
	}
	return out
}

// namesJSON is the section of names: every ward and district that a code has,
// and the box around the codes in use of each district.
func (b *builder) namesJSON(pairs [][2]string) ([]byte, error) {
	number := map[string]int{}
	var codes []string
	for _, pair := range pairs {
		if _, ok := number[pair[1]]; !ok && pair[1] != "" {
			number[pair[1]] = 0
			codes = append(codes, pair[1])
		}
	}
	slices.Sort(codes)
	var names namesSection
	for i, code := range codes {
		number[code] = i
		names.Districts = append(names.Districts, struct {
			Code   string     `json:"c"`
			Name   string     `json:"n,omitempty"`
			Extent [4]float64 `json:"b"`
		}{Code: code, Name: b.names[code]})
	}
	for _, pair := range pairs {
		district := -1
		if pair[1] != "" {
			district = number[pair[1]]
		}
		names.Wards = append(names.Wards, struct {
			Code     string `json:"c"`
			Name     string `json:"n,omitempty"`
			District int    `json:"d"`
		}{pair[0], b.names[pair[0]], district})
	}
	extents := make([]geo.Box, len(codes))
	for i := range extents {
		extents[i] = geo.Bounds(nil)
	}
	for _, e := range b.entries {
		if e.easting == nowhere || e.month != 0 || e.ward == noWard || names.Wards[e.ward].District < 0 {
			continue
		}
		box := &extents[names.Wards[e.ward].District]
		p := geo.FromBNG(float64(e.easting), float64(e.northing))
		*box = box.Union(geo.Box{MinLon: p.Lon, MinLat: p.Lat, MaxLon: p.Lon, MaxLat: p.Lat})
	}
	for i, box := range extents {
		if box.Empty() {
			box = geo.Box{MinLon: 1, MinLat: 1} // JSON has no infinity; this is as empty
		}
		round := func(x float64, to func(float64) float64) float64 { return to(x*1e6) / 1e6 }
		names.Districts[i].Extent = [4]float64{
			round(box.MinLon, math.Floor), round(box.MinLat, math.Floor), round(box.MaxLon, math.Ceil), round(box.MaxLat, math.Ceil)}
	}
	raw, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// A planeWriter packs entries in order of code into the sectors of a plane.
type planeWriter struct {
	out        []byte
	terminated bool
	index      int     // outcode of the sector under way
	sector     []entry // its entries
}

func (w *planeWriter) add(index int, e entry) {
	if len(w.sector) > 0 && (index != w.index || e.number/unitsPerSector != w.sector[0].number/unitsPerSector) {
		w.flush()
	}
	w.index = index
	w.sector = append(w.sector, e)
}

// spread is the least value and the bits that the others need above it.
func spread(entries []entry, value func(entry) int32) (least int32, width uint) {
	least, most := int32(math.MaxInt32), int32(math.MinInt32)
	for _, e := range entries {
		least, most = min(least, value(e)), max(most, value(e))
	}
	return least, uint(bits.Len32(uint32(most - least)))
}

func easting(e entry) int32  { return e.easting }
func northing(e entry) int32 { return e.northing }
func month(e entry) int32    { return int32(e.month) }

// flush writes the sector under way.
func (w *planeWriter) flush() {
	if len(w.sector) == 0 {
		return
	}
	var units [bitmapBytes]byte
	var dictionary []uint16
	for _, e := range w.sector {
		unit := e.number % unitsPerSector
		units[unit/8] |= 1 << (unit % 8)
		if !slices.Contains(dictionary, e.ward) {
			dictionary = append(dictionary, e.ward)
		}
	}
	minE, eBits := spread(w.sector, easting)
	minN, nBits := spread(w.sector, northing)
	var minMonth int32
	var monthBits uint
	if w.terminated {
		minMonth, monthBits = spread(w.sector, month)
	}
	wardBits := uint(bits.Len(uint(len(dictionary) - 1)))

	w.out = binary.LittleEndian.AppendUint16(w.out, uint16(w.index))
	w.out = append(w.out, byte(w.sector[0].number/unitsPerSector))
	w.out = append(w.out, units[:]...)
	w.out = appendU24(appendU24(w.out, uint32(minE+gridBias)), uint32(minN+gridBias))
	w.out = append(w.out, byte(eBits), byte(nBits))
	w.out = binary.LittleEndian.AppendUint16(w.out, uint16(len(dictionary)))
	for _, ward := range dictionary {
		w.out = binary.LittleEndian.AppendUint16(w.out, ward)
	}
	w.out = append(binary.LittleEndian.AppendUint16(w.out, uint16(minMonth)), byte(monthBits))
	stream := bitWriter{out: w.out}
	for block := range slices.Chunk(w.sector, blockCodes) {
		blockE, eWidth := spread(block, easting)
		blockN, nWidth := spread(block, northing)
		stream.write(uint32(eWidth), widthBits)
		stream.write(uint32(nWidth), widthBits)
		stream.write(uint32(blockE-minE), eBits)
		stream.write(uint32(blockN-minN), nBits)
		for _, e := range block {
			stream.write(uint32(e.easting-blockE), eWidth)
			stream.write(uint32(e.northing-blockN), nWidth)
			stream.write(uint32(slices.Index(dictionary, e.ward)), wardBits)
			if w.terminated {
				stream.write(uint32(int32(e.month)-minMonth), monthBits)
			}
		}
	}
	stream.flush()
	w.out = stream.out
	w.sector = w.sector[:0]
}

func appendU24(b []byte, v uint32) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16))
}
