package feed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// readJSON reads a list of objects, which stands at the path that the adapter
// names, or is the whole document. Objects are read one at a time.
func readJSON(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	return readObjects(r, a.Records, nil, func(n int, object map[string]any) error { return yield(n, jsonRow(within(object, a.Inside))) })
}

// within returns the object at a path in another one.
func within(object map[string]any, path string) map[string]any {
	if path == "" {
		return object
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ = object[name].(map[string]any)
	}
	return object
}

// readGeoJSON reads the features of a FeatureCollection. Columns name properties;
// the geometry is the site.
func readGeoJSON(_ *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	return readObjects(r, "features", nil, func(n int, feature map[string]any) error { return yield(n, geoJSONRow(feature)) })
}

// readObjects calls yield for each object of the list at path; a path of "." is a
// document that is one record. What is said beside the lists goes to aside, when it
// is short: how many records there are, where the next page is.
func readObjects(r *bufio.Reader, path string, aside map[string]any, yield func(n int, object map[string]any) error) error {
	if bom, _ := r.Peek(3); string(bom) == "\xef\xbb\xbf" {
		r.Discard(3)
	}
	dec := json.NewDecoder(r)
	dec.UseNumber()
	n := 0
	if path == anyDocument {
		var value any
		if err := dec.Decode(&value); err != nil {
			return brokenJSON(err, 1)
		}
		switch value := value.(type) {
		case map[string]any:
			maps.Copy(aside, value)
		case []any:
			for i, v := range value {
				aside[strconv.Itoa(i)] = v
			}
		}
		if problem := aside["error"]; problem != nil {
			return broken("the source answers with an error: %s", excerpt([]string{text(problem)}))
		}
		return nil
	}
	if path == "." {
		n = 1
		var object map[string]any
		if err := dec.Decode(&object); err != nil {
			return brokenJSON(err, n)
		}
		if problem, ok := object["error"]; ok && problem != nil {
			return broken("the source answers with an error: %s", excerpt([]string{text(problem)}))
		}
		return yield(n, object)
	}
	d := descent{dec: dec, aside: aside, list: func() error {
		for dec.More() {
			n++
			var object map[string]any
			if err := dec.Decode(&object); err != nil {
				var wrongType *json.UnmarshalTypeError
				if !errors.As(err, &wrongType) {
					return brokenJSON(err, n)
				}
				object = nil // not an object: the mapping finds no reference in it and says so
			}
			if err := yield(n, object); err != nil {
				return yielded{err}
			}
		}
		_, err := dec.Token()
		return err
	}}
	var steps []string
	if path != "" {
		steps = strings.Split(path, ".")
	}
	err := d.descend(steps, "")
	var mine yielded
	if errors.As(err, &mine) {
		return mine.error
	}
	if err == nil { // the rest must be there, or the answer was cut off
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return brokenJSON(err, n)
}

// anyDocument is the path of a short document without records, which goes to aside
// as a whole.
const anyDocument = "*"

// yielded marks an error that is not the source's.
type yielded struct{ error }

func brokenJSON(err error, n int) error {
	var b *BrokenError
	if errors.As(err, &b) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return broken("the JSON breaks off after record %d", max(n-1, 0))
	}
	return broken("the data is no JSON, near record %d: %v", n, err)
}

// A descent reads a document down to the list of records, and on to its end.
type descent struct {
	dec   *json.Decoder
	aside map[string]any // nil when nobody asks
	list  func() error   // reads the list, after its opening bracket
}

// maxAside is the most bytes of a value beside the records that is looked at.
const maxAside = 64 << 10

func (d *descent) descend(path []string, at string) error {
	token, err := d.dec.Token()
	if err != nil {
		return err
	}
	if len(path) == 0 {
		if token != json.Delim('[') {
			return broken("the data is not a list of records; name the path to the list with \"records\"")
		}
		return d.list()
	}
	if token != json.Delim('{') {
		return broken("the data has no %q", path[0])
	}
	var names []string
	found := false
	for d.dec.More() {
		token, err := d.dec.Token()
		if err != nil {
			return err
		}
		name := fmt.Sprint(token)
		if name == path[0] && !found {
			found = true
			if err := d.descend(path[1:], at+name+"."); err != nil {
				return err
			}
			continue
		}
		names = append(names, name)
		var skipped json.RawMessage
		if err := d.dec.Decode(&skipped); err != nil {
			return err
		}
		if (name == "error" || name == "errors") && !slices.Contains([]string{"null", "[]", "{}", "false", `""`}, string(bytes.TrimSpace(skipped))) {
			return broken("the source answers with an error: %s", excerpt([]string{string(bytes.TrimSpace(skipped))}))
		}
		if d.aside != nil && len(skipped) <= maxAside {
			var value any
			dec := json.NewDecoder(bytes.NewReader(skipped))
			dec.UseNumber()
			if dec.Decode(&value) == nil {
				d.aside[at+name] = value
			}
		}
	}
	if _, err := d.dec.Token(); err != nil {
		return err
	}
	if !found {
		return broken("the data has no %q; it has %s", path[0], excerpt(names))
	}
	return nil
}

type jsonRow map[string]any

func (r jsonRow) cell(column string) string { return textAt(r, column) }

func (r jsonRow) object(column string) map[string]any {
	object, _ := valueAt(r, column).(map[string]any)
	return object
}

type geoJSONRow map[string]any

func (r geoJSONRow) cell(column string) string {
	if column == geometryColumn {
		return textAt(r, "geometry")
	}
	properties, _ := r["properties"].(map[string]any)
	if s := textAt(properties, column); s != "" || column != "id" {
		return s
	}
	return textAt(r, "id")
}

func (r geoJSONRow) object(column string) map[string]any {
	if column != geometryColumn {
		return nil
	}
	geometry, _ := r["geometry"].(map[string]any)
	return geometry
}

// textAt returns the value at a path of names as text: a string as it is, a
// number or boolean as JSON writes it, a list of them joined with commas, an
// object as JSON.
func textAt(object map[string]any, path string) string { return text(valueAt(object, path)) }

func valueAt(object map[string]any, path string) any {
	if value, ok := object[path]; ok { // a name may itself hold dots
		return value
	}
	name, rest, found := strings.Cut(path, ".")
	if !found {
		return nil
	}
	switch inner := object[name].(type) {
	case map[string]any:
		return valueAt(inner, rest)
	case []any: // "locations.0.address"
		if n, err := strconv.Atoi(strings.SplitN(rest, ".", 2)[0]); err == nil && n >= 0 && n < len(inner) {
			return valueAt(map[string]any{strconv.Itoa(n): inner[n]}, rest)
		}
	}
	return nil
}

func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	case []any:
		parts := make([]string, len(v))
		for i, part := range v {
			if _, nested := part.(map[string]any); nested {
				break
			}
			parts[i] = text(part)
		}
		if s := strings.Join(parts, ", "); strings.Trim(s, ", ") != "" {
			return s
		}
	}
	b, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(b)
}
