package postcode

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"

	"github.com/sitenotice/sitenotice/geo"
)

// ErrUnknown is the answer to a code that is well formed but in no list.
var ErrUnknown = errors.New("we do not know this postcode: check it, or place a pin on the map instead")

// ErrUnlocated is the answer to a code that has no place: it is in use, or was,
// or is of a kind that cannot be placed, but nobody publishes where it is.
var ErrUnlocated = errors.New("this postcode has no known place: place a pin on the map instead")

// Quality says how a postcode's place was found, by the indicator of the Office
// for National Statistics. Ordnance Survey's is ten times this.
type Quality uint8

// The qualities that matter to a reader of the code.
const (
	InBuilding      Quality = 1 // in the building nearest to the mean of its addresses
	SectorMean      Quality = 6 // the mean of a whole sector, mostly PO boxes
	TerminatedPlace Quality = 8 // the last place known of a terminated code
	NoPlace         Quality = 9
)

// A Place is where a postcode is.
type Place struct {
	Code              Code
	Point             geo.Point
	Easting, Northing int // British National Grid in metres; 0, 0 in Northern Ireland
	Quality           Quality
	Ward, District    string // GSS codes such as E05013666 and E09000007; may be empty
	Terminated        string // the month a code was terminated, "2019-05"; empty for one in use
	Shared            int    // how many codes in use are at this very point, itself included
}

// Crowded says that so many codes share the point that it must be a mail centre
// or a large user, around which a radius means little.
func (p Place) Crowded() bool { return p.Shared >= 20 }

// A District is a local authority district.
type District struct{ Code, Name string }

// A Ward is an electoral ward; District is the code of its district.
type Ward struct{ Code, Name, District string }

// Meta describes the release from which a table was made.
type Meta struct {
	Release     string   `json:"release"`     // "Code-Point Open 2025.4.0"
	Year        int      `json:"year"`        // of the copyright
	Attribution []string `json:"attribution"` // the lines its licence asks for
	Live        int      `json:"live"`        // codes in use that have a place
	Terminated  int      `json:"terminated"`  // terminated codes, with or without a place
	Unlocated   int      `json:"unlocated"`   // codes in use without a place
}

// A Table answers where postcodes are. It does not change once made, and is
// safe for use by several goroutines.
type Table struct {
	data []byte // the whole file; see format.go
	meta Meta

	outcodes         []uint32 // four letters each, padded with spaces, in order
	live, terminated plane
	unlocated        []codeMonth
	qualities        map[uint32]Quality // by code id, where not the usual one
	shared           map[uint64]uint16  // codes at a point, where several

	districts []districtEntry // in order of code
	wards     []wardEntry     // the pairs of ward and district that postcodes have
	northern  bool            // has postcodes of Northern Ireland
}

// Open reads a table from a file made by [Import].
func Open(path string) (*Table, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open postcode table: %w", err)
	}
	t, err := Read(b)
	if err != nil {
		return nil, fmt.Errorf("open postcode table %s: %w", path, err)
	}
	return t, nil
}

// Read makes a table of the bytes of its file, which it keeps and which must
// not be changed. It checks the checksum and then every length and reference,
// so that no bytes whatever can make a lookup fail later.
func Read(b []byte) (*Table, error) {
	t := &Table{data: b}
	if err := t.parse(); err != nil {
		return nil, err
	}
	return t, nil
}

// WriteTo writes the table as [Read] reads it.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(t.data)
	return int64(n), err
}

// Meta describes the release from which the table was made.
func (t *Table) Meta() Meta { return t.meta }

// Attribution is the lines to print wherever the data is used, with the year of
// the release imported.
func (t *Table) Attribution() []string { return slices.Clone(t.meta.Attribution) }

// Lookup finds the place of a postcode. The error is [ErrUnknown] or
// [ErrUnlocated]. A terminated code is not an error: its last place is returned
// with the month in Terminated. With ErrUnlocated the Place has the code and,
// if there is one, that month.
func (t *Table) Lookup(c Code) (Place, error) {
	out, number, ok := packCode(c)
	if !ok {
		return Place{Code: c}, ErrUnknown
	}
	index, ok := slices.BinarySearch(t.outcodes, out)
	if ok {
		if p, ok := t.live.find(index, number); ok {
			return t.place(c, index, number, p), nil
		}
		if p, ok := t.terminated.find(index, number); ok {
			return t.place(c, index, number, p), nil
		}
		if i, ok := slices.BinarySearchFunc(t.unlocated, codeID(index, number), codeMonth.compare); ok {
			return Place{Code: c, Quality: NoPlace, Terminated: monthText(t.unlocated[i].month)}, ErrUnlocated
		}
	}
	if _, nowhere := NonGeographic(c); nowhere || northern(c) && !t.northern {
		return Place{Code: c, Quality: NoPlace}, ErrUnlocated
	}
	return Place{Code: c}, ErrUnknown
}

// northern says whether a code is of Northern Ireland.
func northern(c Code) bool { return strings.HasPrefix(string(c), "BT") }

func (t *Table) place(c Code, index, number int, p packed) Place {
	place := Place{
		Code:    c,
		Point:   geo.FromBNG(float64(p.easting), float64(p.northing)),
		Easting: int(p.easting), Northing: int(p.northing),
		Quality:    InBuilding,
		Terminated: monthText(p.month),
	}
	if p.month != 0 {
		place.Quality = TerminatedPlace
	}
	if q, ok := t.qualities[codeID(index, number)]; ok {
		place.Quality = q
	}
	if int(p.ward) < len(t.wards) {
		w := t.wards[p.ward]
		place.Ward, place.District = w.code, t.districtCode(w.district)
	}
	if p.month == 0 {
		place.Shared = 1
		if n, ok := t.shared[pointID(p.easting, p.northing)]; ok {
			place.Shared = int(n)
		}
	}
	if northern(c) {
		place.Easting, place.Northing = 0, 0
	}
	return place
}

func (t *Table) districtCode(i int) string {
	if i < 0 || i >= len(t.districts) {
		return ""
	}
	return t.districts[i].code
}

// DistrictName is the name of a district by its GSS code, empty if the release
// did not say.
func (t *Table) DistrictName(code string) string {
	if i, ok := t.district(code); ok {
		return t.districts[i].name
	}
	return ""
}

func (t *Table) district(code string) (int, bool) {
	return slices.BinarySearchFunc(t.districts, code, func(d districtEntry, code string) int { return strings.Compare(d.code, code) })
}

// WardName is the name of a ward by its GSS code, empty if the release did not
// say.
func (t *Table) WardName(code string) string {
	if w, ok := t.ward(code); ok {
		return w.name
	}
	return ""
}

// HasWard says whether any postcode of the table lies in a ward, by its GSS
// code. Wards are renumbered at each review, so a code stored with a
// subscription can vanish with an import.
func (t *Table) HasWard(code string) bool { _, ok := t.ward(code); return ok }

func (t *Table) ward(code string) (wardEntry, bool) {
	i, ok := slices.BinarySearchFunc(t.wards, code, func(w wardEntry, code string) int { return strings.Compare(w.code, code) })
	if !ok || code == "" {
		return wardEntry{}, false
	}
	return t.wards[i], true
}

// AllDistricts lists the districts of the table in order of code.
func (t *Table) AllDistricts() []District {
	out := make([]District, len(t.districts))
	for i, d := range t.districts {
		out[i] = District{d.code, d.name}
	}
	return out
}

// WardsOf lists the wards of a district in order of code, or all if the district
// is empty.
func (t *Table) WardsOf(district string) []Ward {
	var out []Ward
	for _, w := range t.wards {
		if d := t.districtCode(w.district); w.code != "" && (district == "" || d == district) {
			out = append(out, Ward{w.code, w.name, d})
		}
	}
	return out
}

// A plane is the packed places of one kind of code, in use or terminated.
type plane struct {
	data    []byte
	sectors []sector
	first   []int32 // by outcode index × 10 + digit, the sector's index, or -1
}

// A sector is what lookups need to know of the codes NW1 8xx.
type sector struct {
	out, count, dictionary            uint16 // outcode index, codes, wards
	digit                             uint8
	eBits, nBits, wardBits, monthBits uint8
	month                             uint16 // the earliest month of termination
	easting, northing                 int32  // the south-west corner
	bitmap, dictionaryAt, stream      uint32 // positions in the plane's data, in bytes
}

// packed is one code's entry.
type packed struct {
	easting, northing int32
	ward              uint16 // index of the pair of ward and district; none if out of range
	month             uint16
}

// find looks a code up by its outcode's index and its number in it.
func (p *plane) find(index, number int) (packed, bool) {
	i := p.first[index*10+number/unitsPerSector]
	if i < 0 {
		return packed{}, false
	}
	s := &p.sectors[i]
	unit := number % unitsPerSector
	bitmap := p.data[s.bitmap : s.bitmap+bitmapBytes]
	if bitmap[unit/8]>>(unit%8)&1 == 0 {
		return packed{}, false
	}
	rank := bits.OnesCount8(bitmap[unit/8] & (1<<(unit%8) - 1))
	before := bitmap[:unit/8]
	for ; len(before) >= 8; before = before[8:] {
		rank += bits.OnesCount64(u64(before))
	}
	for _, b := range before {
		rank += bits.OnesCount8(b)
	}
	at, left := uint(0), int(s.count)
	stream := p.data[s.stream:]
	for ; rank >= blockCodes; rank -= blockCodes {
		at += s.blockBits(stream, at, blockCodes)
		left -= blockCodes
	}
	h := s.header(stream, at)
	return p.entry(s, h, stream, h.at+uint(rank)*s.entryBits(h)), true
}

// A blockHeader precedes up to sixteen codes that follow each other, and lie
// close together.
type blockHeader struct {
	eBits, nBits      uint
	easting, northing uint32 // from the sector's corner
	at                uint   // of the first entry
}

func (s *sector) header(stream []byte, at uint) blockHeader {
	e, n := uint(s.eBits), uint(s.nBits)
	return blockHeader{
		eBits: uint(readBits(stream, at, widthBits)), nBits: uint(readBits(stream, at+widthBits, widthBits)),
		easting: readBits(stream, at+2*widthBits, e), northing: readBits(stream, at+2*widthBits+e, n),
		at: at + 2*widthBits + e + n,
	}
}

func (s *sector) entryBits(h blockHeader) uint {
	return h.eBits + h.nBits + uint(s.wardBits) + uint(s.monthBits)
}

// blockBits is the length of the block at a bit position that has n codes.
func (s *sector) blockBits(stream []byte, at uint, n int) uint {
	e := uint(readBits(stream, at, widthBits))
	north := uint(readBits(stream, at+widthBits, widthBits))
	return 2*widthBits + uint(s.eBits) + uint(s.nBits) + uint(n)*(e+north+uint(s.wardBits)+uint(s.monthBits))
}

func (p *plane) entry(s *sector, h blockHeader, stream []byte, at uint) packed {
	out := packed{
		easting:  s.easting + int32(h.easting) + int32(readBits(stream, at, h.eBits)),
		northing: s.northing + int32(h.northing) + int32(readBits(stream, at+h.eBits, h.nBits)),
		ward:     noWard,
	}
	at += h.eBits + h.nBits
	if i := uint(readBits(stream, at, uint(s.wardBits))); i < uint(s.dictionary) {
		out.ward = u16(p.data[uint(s.dictionaryAt)+2*i:])
	}
	if s.month != 0 {
		out.month = s.month + uint16(readBits(stream, at+uint(s.wardBits), uint(s.monthBits)))
	}
	return out
}

// each calls f for every code of a sector until it returns false.
func (p *plane) each(s *sector, f func(packed) bool) {
	stream, at := p.data[s.stream:], uint(0)
	for left := int(s.count); left > 0; left -= blockCodes {
		h := s.header(stream, at)
		n := min(left, blockCodes)
		for i := range n {
			if !f(p.entry(s, h, stream, h.at+uint(i)*s.entryBits(h))) {
				return
			}
		}
		at = h.at + uint(n)*s.entryBits(h)
	}
}
