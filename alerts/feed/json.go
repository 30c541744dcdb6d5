package feed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// readJSON reads a list of objects, which stands at the path that the adapter
// names, or is the whole document. Objects are read one at a time.
func readJSON(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	return readObjects(r, a.Records, func(n int, object map[string]any) error { return yield(n, jsonRow(object)) })
}

// readGeoJSON reads the features of a FeatureCollection. Columns name properties;
// the geometry is the site.
func readGeoJSON(a *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	return readObjects(r, "features", func(n int, feature map[string]any) error { return yield(n, geoJSONRow(feature)) })
}

// readObjects calls yield for each object of the list at path.
func readObjects(r *bufio.Reader, path string, yield func(n int, object map[string]any) error) error {
	if bom, _ := r.Peek(3); string(bom) == "\xef\xbb\xbf" {
		r.Discard(3)
	}
	dec := json.NewDecoder(r)
	dec.UseNumber()
	var steps []string
	if path != "" {
		steps = strings.Split(path, ".")
	}
	if err := descend(dec, steps); err != nil {
		return brokenJSON(err, 0)
	}
	n := 0
	for dec.More() {
		n++
		var object map[string]any
		if err := dec.Decode(&object); err != nil {
			var wrongType *json.UnmarshalTypeError
			if errors.As(err, &wrongType) {
				object = nil // not an object: the mapping finds no reference in it and says so
			} else {
				return brokenJSON(err, n)
			}
		}
		if err := yield(n, object); err != nil {
			return err
		}
	}
	// The rest must be there, or the answer was cut off.
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return brokenJSON(err, n)
		}
	}
}

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

// descend reads up to the opening bracket of the list at path.
func descend(dec *json.Decoder, path []string) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if len(path) == 0 {
		if token != json.Delim('[') {
			return broken("the data is not a list of records; name the path to the list with \"records\"")
		}
		return nil
	}
	if token != json.Delim('{') {
		return broken("the data has no %q", path[0])
	}
	var names []string
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		if name == path[0] {
			return descend(dec, path[1:])
		}
		names = append(names, fmt.Sprint(name))
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return err
		}
		if name == "error" || name == "errors" {
			return broken("the source answers with an error: %s", excerpt([]string{string(bytes.TrimSpace(skipped))}))
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	return broken("the data has no %q; it has %s", path[0], excerpt(names))
}

type jsonRow map[string]any

func (r jsonRow) cell(column string) string { return textAt(r, column) }

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

// textAt returns the value at a path of names as text: a string as it is, a
// number or boolean as JSON writes it, a list of them joined with commas, an
// object as JSON.
func textAt(object map[string]any, path string) string {
	value, ok := object[path] // a name may itself hold dots
	if !ok {
		name, rest, found := strings.Cut(path, ".")
		if !found {
			return ""
		}
		inner, _ := object[name].(map[string]any)
		return textAt(inner, rest)
	}
	return text(value)
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
