package feed

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// readXML reads the elements that the adapter names with "records", wherever they
// stand. Columns are paths of element names from there, whatever their namespace
// and case; "@name" at the end is an attribute. RSS and Atom with GeoRSS are read
// like this too.
//
// Two faults of real exporters are tolerated: control characters, which XML
// forbids, and an end that is missing after the last whole record.
func readXML(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	dec := xml.NewDecoder(&legalXML{r: r})
	dec.Strict = false
	dec.Entity = xml.HTMLEntity
	dec.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(label)
		if err != nil {
			return nil, broken("the XML is in the encoding %q, which is not known", label)
		}
		return e.NewDecoder().Reader(in), nil
	}
	n := 0
	var names []string
	for {
		token, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return broken("the XML has no %q; it has %s", a.Records, excerpt(names))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && n > 0 && atEnd(dec, err):
			return nil
		case err != nil:
			return brokenXML(err, n)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !strings.EqualFold(start.Name.Local, a.Records) {
			if len(names) < 10 {
				names = append(names, start.Name.Local)
			}
			continue
		}
		line, _ := dec.InputPos()
		e, err := readElement(dec, start, 0)
		if err != nil {
			return brokenXML(err, n)
		}
		n++
		if err := yield(line, e); err != nil {
			return err
		}
	}
}

// atEnd reports whether the decoder fails only because the closing tags after the
// last record are cut off.
func atEnd(dec *xml.Decoder, err error) bool {
	var syntax *xml.SyntaxError
	if !errors.As(err, &syntax) || !strings.Contains(syntax.Msg, "EOF") && !strings.Contains(syntax.Msg, "end element") && !strings.Contains(syntax.Msg, "closed by") {
		return false
	}
	_, err = dec.Token() // nothing may follow
	return err != nil
}

func brokenXML(err error, n int) error {
	var b *BrokenError
	if errors.As(err, &b) {
		return err
	}
	return broken("the XML breaks off after record %d: %v", n, err)
}

// An element is a record of XML: text, attributes and elements within.
type element struct {
	name     string
	text     strings.Builder
	attrs    []xml.Attr
	children []*element
}

// maxDepth and maxElements bound a record.
const (
	maxDepth    = 20
	maxElements = 10_000
)

func readElement(dec *xml.Decoder, start xml.StartElement, depth int) (*element, error) {
	if depth > maxDepth {
		return nil, broken("a record of the XML is nested more than %d deep", maxDepth)
	}
	e := &element{name: start.Name.Local, attrs: start.Attr}
	for {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			child, err := readElement(dec, t, depth+1)
			if err != nil {
				return nil, err
			}
			if e.children = append(e.children, child); len(e.children) > maxElements {
				return nil, broken("a record of the XML has more than %d elements", maxElements)
			}
		case xml.CharData:
			e.text.Write(t)
		case xml.EndElement:
			return e, nil
		}
	}
}

func (e *element) cell(path string) string {
	name, rest, deeper := strings.Cut(path, "/")
	if attr, ok := strings.CutPrefix(name, "@"); ok {
		for _, a := range e.attrs {
			if strings.EqualFold(a.Name.Local, attr) {
				return a.Value
			}
		}
		return ""
	}
	for _, child := range e.children {
		if !strings.EqualFold(child.name, name) {
			continue
		}
		text := child.text.String()
		if deeper {
			text = child.cell(rest)
		}
		if strings.TrimSpace(text) != "" {
			return text
		}
	}
	return ""
}

// legalXML leaves out what XML 1.0 does not allow and exporters write all the
// same: control characters, plain or as references like &#x12;.
type legalXML struct{ r *bufio.Reader }

func (l *legalXML) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if n > 0 && l.r.Buffered() == 0 {
			return n, nil
		}
		c, err := l.r.ReadByte()
		if err != nil {
			return n, err
		}
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			continue
		}
		if c == '&' {
			next, _ := l.r.Peek(8)
			if ref, _, ok := bytes.Cut(next, []byte(";")); ok && controlReference(ref) {
				l.r.Discard(len(ref) + 1)
				continue
			}
		}
		p[n] = c
		n++
	}
	return n, nil
}

// controlReference reports whether "#x12" or "#18" stands for a control character
// that XML forbids.
func controlReference(ref []byte) bool {
	digits, ok := bytes.CutPrefix(ref, []byte("#"))
	if !ok {
		return false
	}
	base := 10
	if hex, ok := bytes.CutPrefix(bytes.ToLower(digits), []byte("x")); ok {
		digits, base = hex, 16
	}
	code := 0
	for _, d := range digits {
		v := strings.IndexByte("0123456789abcdef", d)
		if v < 0 || v >= base || code > 0xffff {
			return false
		}
		code = code*base + v
	}
	return len(digits) > 0 && code < ' ' && code != '\t' && code != '\n' && code != '\r'
}
