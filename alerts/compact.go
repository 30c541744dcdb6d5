package alerts

import (
	"encoding/binary"
	"errors"
	"math"
)

// The compact form of details is what is hashed, and what is kept of a row until its
// run is applied: every field in the order of strings, each after its length, then
// the numbers of the site. It is not for keeping: it changes with [Details].

// strings returns all text of the details, in one order.
func (d *Details) strings() [30]*string {
	return [...]*string{
		&d.Reference, &d.Address, &d.Postcode, &d.UPRN, &d.Description, &d.KindRaw, (*string)(&d.Kind), &d.Scale, &d.StatusRaw, (*string)(&d.Status),
		&d.DecisionRaw, (*string)(&d.Decision), &d.DecisionBy, (*string)(&d.Received), (*string)(&d.Valid), (*string)(&d.CommentsFrom), (*string)(&d.CommentsUntil),
		&d.CommentsSource, (*string)(&d.Committee), (*string)(&d.Target), (*string)(&d.Decided), (*string)(&d.Withdrawn), &d.AppealRef, (*string)(&d.AppealLodged),
		(*string)(&d.AppealDecided), (*string)(&d.AppealDecision), &d.URL, &d.CommentURL, &d.Ward, (*string)(&d.Site.Method),
	}
}

// AppendCompact adds the compact form of the details to b.
func (d *Details) AppendCompact(b []byte) []byte {
	for _, s := range d.strings() {
		b = appendText(b, *s)
	}
	b = appendText(b, d.Site.Shape)
	for _, n := range []float64{d.Site.Lon, d.Site.Lat, d.Site.Uncertainty} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
	}
	return b
}

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errCompact = errors.New("the compact form of a record is damaged")

// ReadCompact sets the details to those whose compact form b begins with, and returns
// what follows them.
func (d *Details) ReadCompact(b []byte) (rest []byte, err error) {
	*d = Details{}
	for _, s := range d.strings() {
		if *s, b, err = cutText(b); err != nil {
			return nil, err
		}
	}
	shape, b, err := cutText(b)
	if err != nil || len(b) < 24 {
		return nil, errCompact
	}
	if shape != "" {
		d.Site.Shape = []byte(shape)
	}
	for i, n := range []*float64{&d.Site.Lon, &d.Site.Lat, &d.Site.Uncertainty} {
		*n = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return b[24:], nil
}

func cutText(b []byte) (s string, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return "", nil, errCompact
	}
	return string(b[used : used+int(n)]), b[used+int(n):], nil
}

// AppendCompact adds the compact form of a staged record to b: what it is, and its
// details.
func (s *Staged) AppendCompact(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.Ord)), uint64(s.Supplied))
	for _, text := range []string{s.SourceKey, s.Authority, s.Hash} {
		b = appendText(b, text)
	}
	return s.Details.AppendCompact(b)
}

// ReadCompact sets the staged record to that whose compact form b begins with, and
// returns what follows it.
func (s *Staged) ReadCompact(b []byte) (rest []byte, err error) {
	var numbers [2]uint64
	for i := range numbers {
		n, used := binary.Uvarint(b)
		if used <= 0 {
			return nil, errCompact
		}
		numbers[i], b = n, b[used:]
	}
	s.Ord, s.Supplied = int(numbers[0]), Field(numbers[1])
	for _, text := range []*string{&s.SourceKey, &s.Authority, &s.Hash} {
		if *text, b, err = cutText(b); err != nil {
			return nil, err
		}
	}
	return s.Details.ReadCompact(b)
}
