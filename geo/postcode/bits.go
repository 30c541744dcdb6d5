package postcode

import "encoding/binary"

// A bitWriter packs numbers of any width up to 32 bits, lowest bit first.
type bitWriter struct {
	out  []byte
	acc  uint64
	used uint
}

func (w *bitWriter) write(v uint32, width uint) {
	w.acc |= uint64(v) << w.used
	for w.used += width; w.used >= 8; w.used -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// flush fills the last byte.
func (w *bitWriter) flush() {
	if w.used > 0 {
		w.out = append(w.out, byte(w.acc))
		w.acc, w.used = 0, 0
	}
}

// readBits reads width bits, at most 32, from bit position at. There must be
// eight bytes from the first one on, for which tables end in padding.
func readBits(b []byte, at, width uint) uint32 {
	return uint32(binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & (1<<width - 1))
}

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
