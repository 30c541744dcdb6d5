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
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
)

// The file of a table, numbers little-endian:
//
//	magic, a line of text with the version
//	sections, each a u32 length and that many bytes, in this order:
//	  meta        JSON of [Meta], readable so that the licence can be seen
//	  names       deflated JSON of the districts and wards
//	  outcodes    four letters each, padded with spaces, ascending
//	  live        a plane (below)
//	  terminated  a plane
//	  unlocated   u32 code id, u16 month of termination or 0; ascending
//	  qualities   u32 code id, u8 quality, where it is not the usual one
//	  shared      u24 easting, u24 northing, u16 codes in use there, where two
//	              or more
//	padding of 16 zeros, and the CRC-32C of everything before it
//
// A plane is sectors one after another, ascending: u16 outcode index, u8 digit,
// a map of the 400 units in use (50 bytes, unit = 20 × first letter + second);
// u24 least easting, u24 least northing, u8 bits each that the blocks' corners
// need; u16 number of wards and their u16 indices; u16 earliest month of
// termination and u8 bits for later ones; then blocks of sixteen codes in unit
// order, bit-packed: five bits each for the widths of easting and northing, the
// corner of the block from the sector's, and per code easting and northing from
// the block's corner, the place of its ward in the sector's list, its month.
//
// A code's id is its outcode's index × 4,000 + digit × 400 + unit.
const (
	magic = "SITENOTICE POSTCODES 1\n"

	unitsPerSector   = 400
	codesPerOutcode  = 10 * unitsPerSector
	bitmapBytes      = unitsPerSector / 8
	sectorHeaderSize = 2 + 1 + bitmapBytes + 3 + 3 + 1 + 1 + 2
	blockCodes       = 16
	widthBits        = 5 // of a width from 0 to 24
	maxWidth         = 24
	noWard           = 0xFFFF
	padding          = 16

	// gridBias is added to eastings and northings so that Northern Ireland and
	// the outermost isles are positive.
	gridBias = 500_000

	// Months count from January 1900, which is 1.
	firstYear = 1900

	maxNames = 4 << 20 // bytes of names, unpacked; Great Britain has half a million
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("the file is damaged: import the postcodes again with `sitenotice postcodes import`")

type (
	codeMonth struct {
		id    uint32
		month uint16
	}
	districtEntry struct {
		code, name string
		extent     geo.Box
	}
	wardEntry struct {
		code, name string
		district   int // index, or -1
	}
)

func (c codeMonth) compare(id uint32) int { return cmp.Compare(c.id, id) }

func codeID(outcode, number int) uint32 { return uint32(outcode*codesPerOutcode + number) }

func pointID(easting, northing int32) uint64 {
	return uint64(easting+gridBias)<<32 | uint64(uint32(northing+gridBias))
}

// packCode turns a code into its outcode as four letters and its number in it.
func packCode(c Code) (out uint32, number int, ok bool) {
	n := len(c) - 4
	if n < 2 || n > 4 || c[n] != ' ' {
		return 0, 0, false
	}
	first, second := unitIndex[c[n+2]], unitIndex[c[n+3]]
	if !digit(c[n+1]) || first < 0 || second < 0 {
		return 0, 0, false
	}
	out = uint32(c[0])<<24 | uint32(c[1])<<16 | ' '<<8 | ' '
	if n > 2 {
		out = out&^0xFF00 | uint32(c[2])<<8
	}
	if n > 3 {
		out = out&^0xFF | uint32(c[3])
	}
	return out, int(c[n+1]-'0')*unitsPerSector + int(first)*20 + int(second), true
}

func monthText(m uint16) string {
	if m == 0 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d", firstYear+int(m-1)/12, int(m-1)%12+1)
}

// namesSection is the JSON of names. A ward's district is an index, or -1.
type namesSection struct {
	Districts []struct {
		Code   string     `json:"c"`
		Name   string     `json:"n,omitempty"`
		Extent [4]float64 `json:"b"`
	} `json:"districts"`
	Wards []struct {
		Code     string `json:"c"`
		Name     string `json:"n,omitempty"`
		District int    `json:"d"`
	} `json:"wards"`
}

// parse reads t.data, checking all that lookups rely on.
func (t *Table) parse() error {
	b := t.data
	if !bytes.HasPrefix(b, []byte(magic)) {
		if bytes.HasPrefix(b, []byte(magic[:len(magic)-2])) {
			return errors.New("the file was made by another version of this program: import the postcodes again with `sitenotice postcodes import`")
		}
		return errors.New("this is not a postcode table: make one with `sitenotice postcodes import`")
	}
	if len(b) < len(magic)+padding+4 {
		return errDamaged
	}
	body := len(b) - 4
	if crc32.Checksum(b[:body], castagnoli) != u32(b[body:]) {
		return errDamaged
	}
	at, end := len(magic), body-padding
	section := func() []byte {
		if end-at < 4 || uint64(u32(b[at:])) > uint64(end-at-4) {
			at = end + 1 // noticed below
			return nil
		}
		start := at + 4
		at = start + int(u32(b[at:]))
		return b[start:at]
	}
	meta, names, outcodes, live, terminated := section(), section(), section(), section(), section()
	unlocated, qualities, shared := section(), section(), section()
	if at != end {
		return errDamaged
	}
	if err := json.Unmarshal(meta, &t.meta); err != nil {
		return errDamaged
	}
	for _, err := range []error{
		t.parseNames(names), t.parseOutcodes(outcodes),
		t.parseLists(unlocated, qualities, shared),
		t.live.parse(live, len(t.outcodes), len(t.wards)), t.terminated.parse(terminated, len(t.outcodes), len(t.wards)),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) parseNames(b []byte) error {
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxNames))
	if err != nil {
		return errDamaged
	}
	var names namesSection
	if err := json.Unmarshal(raw, &names); err != nil {
		return errDamaged
	}
	for _, d := range names.Districts {
		t.districts = append(t.districts, districtEntry{d.Code, d.Name, geo.Box{MinLon: d.Extent[0], MinLat: d.Extent[1], MaxLon: d.Extent[2], MaxLat: d.Extent[3]}})
	}
	for _, w := range names.Wards {
		if w.District < -1 || w.District >= len(t.districts) {
			return errDamaged
		}
		t.wards = append(t.wards, wardEntry{w.Code, w.Name, w.District})
	}
	if len(t.wards) > noWard ||
		!slices.IsSortedFunc(t.districts, func(a, b districtEntry) int { return strings.Compare(a.code, b.code) }) ||
		!slices.IsSortedFunc(t.wards, func(a, b wardEntry) int { return strings.Compare(a.code, b.code) }) {
		return errDamaged
	}
	return nil
}

func (t *Table) parseOutcodes(b []byte) error {
	if len(b)%4 != 0 || len(b)/4 > 0xFFFF {
		return errDamaged
	}
	for i := 0; i < len(b); i += 4 {
		out := binary.BigEndian.Uint32(b[i:])
		if n := len(t.outcodes); n > 0 && t.outcodes[n-1] >= out {
			return errDamaged
		}
		t.outcodes = append(t.outcodes, out)
		t.northern = t.northern || bytes.HasPrefix(b[i:], []byte("BT"))
	}
	return nil
}

func (t *Table) parseLists(unlocated, qualities, shared []byte) error {
	if len(unlocated)%6 != 0 || len(qualities)%5 != 0 || len(shared)%8 != 0 {
		return errDamaged
	}
	t.unlocated = make([]codeMonth, 0, len(unlocated)/6)
	for b := unlocated; len(b) > 0; b = b[6:] {
		t.unlocated = append(t.unlocated, codeMonth{u32(b), u16(b[4:])})
	}
	t.qualities = make(map[uint32]Quality, len(qualities)/5)
	for b := qualities; len(b) > 0; b = b[5:] {
		t.qualities[u32(b)] = Quality(b[4])
	}
	t.shared = make(map[uint64]uint16, len(shared)/8)
	for b := shared; len(b) > 0; b = b[8:] {
		v := u64(b)
		t.shared[v&0xFFFFFF<<32|v>>24&0xFFFFFF] = uint16(v >> 48)
	}
	return nil
}

// parse indexes the sectors of a plane. Its data may be read up to the file's
// padding, which readBits relies on.
func (p *plane) parse(b []byte, outcodes, wards int) error {
	p.data = b[:len(b):min(cap(b), len(b)+8)]
	p.data = p.data[:cap(p.data)]
	p.first = make([]int32, outcodes*10)
	for i := range p.first {
		p.first[i] = -1
	}
	p.sectors = make([]sector, 0, len(b)/400)
	last := -1
	for at := 0; at < len(b); {
		s, next, ok := p.sector(b, at)
		if !ok || int(s.out) >= outcodes || s.digit > 9 {
			return errDamaged
		}
		for i := range int(s.dictionary) {
			if w := u16(b[int(s.dictionaryAt)+2*i:]); int(w) >= wards && w != noWard {
				return errDamaged
			}
		}
		key := int(s.out)*10 + int(s.digit)
		if key <= last {
			return errDamaged
		}
		p.first[key] = int32(len(p.sectors))
		p.sectors = append(p.sectors, s)
		last, at = key, next
	}
	return nil
}

// sector reads the sector at a position, and where the next one begins. Every
// block of it is followed to make sure that it ends within b.
func (p *plane) sector(b []byte, at int) (s sector, next int, ok bool) {
	if len(b)-at < sectorHeaderSize {
		return s, 0, false
	}
	s.out, s.digit, s.bitmap = u16(b[at:]), b[at+2], uint32(at+3)
	for _, octet := range b[s.bitmap : s.bitmap+bitmapBytes] {
		s.count += uint16(bits.OnesCount8(octet))
	}
	at += 3 + bitmapBytes
	s.easting = int32(u32(b[at-1:])>>8) - gridBias
	s.northing = int32(u32(b[at+2:])>>8) - gridBias
	s.eBits, s.nBits, s.dictionary = b[at+6], b[at+7], u16(b[at+8:])
	s.dictionaryAt = uint32(at + 10)
	at += 10 + 2*int(s.dictionary)
	if s.eBits > maxWidth || s.nBits > maxWidth || s.dictionary == 0 || len(b)-at < 3 {
		return s, 0, false
	}
	s.wardBits = uint8(bits.Len16(s.dictionary - 1))
	s.month, s.monthBits = u16(b[at:]), b[at+2]
	s.stream = uint32(at + 3)
	if s.monthBits > 16 {
		return s, 0, false
	}
	stream := p.data[s.stream:]
	limit := uint(len(b)-int(s.stream)) * 8
	bit := uint(0)
	for left := int(s.count); left > 0; left -= blockCodes {
		if bit+2*widthBits+uint(s.eBits)+uint(s.nBits) > limit {
			return s, 0, false
		}
		h := s.header(stream, bit)
		if h.eBits > maxWidth || h.nBits > maxWidth {
			return s, 0, false
		}
		if bit += s.blockBits(stream, bit, min(left, blockCodes)); bit > limit {
			return s, 0, false
		}
	}
	return s, int(s.stream) + int(bit+7)/8, true
}
