package compose

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"slices"
	"sync"
)

// encodePNG writes a picture of at most sixteen colours. The standard library's
// encoder looks at each pixel through an interface, which takes many times as long as
// the whole rest of a mail; this one packs two pixels into a byte and stores of each
// row only how it differs from the one above, which of a sketch is nearly nothing.
func encodePNG(m *image.Paletted) []byte {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	half := (w + 1) / 2
	e := encoders.Get().(*pngEncoder)
	defer encoders.Put(e)
	e.rows = slices.Grow(e.rows[:0], h*(half+1))[:h*(half+1)]
	clear(e.rows)
	rows := e.rows
	packed := make([]byte, 2*half)
	above, line := packed[:half], packed[half:]
	for y := range h {
		pixels := m.Pix[y*m.Stride : y*m.Stride+w]
		x := 0
		for ; x+8 <= w; x += 8 { // eight pixels into four bytes
			v := binary.LittleEndian.Uint64(pixels[x:])
			v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
			v = (v | v>>8) & 0x0000ffff0000ffff
			binary.LittleEndian.PutUint32(line[x/2:], uint32(v|v>>16))
		}
		for ; x < w; x += 2 {
			line[x/2] = pixels[x] << 4
			if x+1 < w {
				line[x/2] |= pixels[x+1]
			}
		}
		out := rows[y*(half+1) : (y+1)*(half+1)]
		out[0] = 2 // the filter "up"
		i := 0
		for ; i+8 <= half; i += 8 {
			if binary.LittleEndian.Uint64(line[i:]) != binary.LittleEndian.Uint64(above[i:]) { // else it stays nothing
				for k := i; k < i+8; k++ {
					out[k+1] = line[k] - above[k]
				}
			}
		}
		for ; i < half; i++ {
			out[i+1] = line[i] - above[i]
		}
		above, line = line, above
	}
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(nil, uint32(w))
	header = binary.BigEndian.AppendUint32(header, uint32(h))
	pngChunk(&b, "IHDR", append(header, 4, 3, 0, 0, 0)) // four bits, with a palette
	var palette []byte
	for _, c := range m.Palette {
		r, g, bl, _ := c.RGBA()
		palette = append(palette, byte(r>>8), byte(g>>8), byte(bl>>8))
	}
	pngChunk(&b, "PLTE", palette)
	e.data.Reset()
	e.deflate.Reset(&e.data)
	_, _ = e.deflate.Write(rows) // a buffer takes everything
	_ = e.deflate.Close()
	pngChunk(&b, "IDAT", e.data.Bytes())
	pngChunk(&b, "IEND", nil)
	return b.Bytes()
}

// A pngEncoder is what writing a picture needs, kept for the next: it is more memory
// than all the rest of a mail.
type pngEncoder struct {
	rows    []byte
	data    bytes.Buffer
	deflate *zlib.Writer
}

var encoders = sync.Pool{New: func() any {
	z, err := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	if err != nil {
		panic(err) // the level is one there is
	}
	return &pngEncoder{deflate: z}
}}

func pngChunk(b *bytes.Buffer, kind string, data []byte) {
	chunk := append([]byte(kind), data...)
	_ = binary.Write(b, binary.BigEndian, uint32(len(data)))
	b.Write(chunk)
	_ = binary.Write(b, binary.BigEndian, crc32.ChecksumIEEE(chunk))
}
