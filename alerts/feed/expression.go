package feed

import "strings"

// An expression says where a field's text stands, as a declaration writes it:
//
//	REFVAL                            one column, or path in JSON and XML
//	PA Ref | REFVAL                   the first of several that is filled
//	number + street , town , postcode joined: + by a space, a comma by comma and space
//	UPRN?                             a column that a file may lack
//
// The signs count only with spaces around them, so that a column's name may hold
// them. Parts that are empty leave no sign of themselves.
type expression []alternative

// An alternative is parts to be joined with commas, each of columns to be joined
// with spaces.
type alternative [][]column

type column struct {
	name     string
	optional bool
}

func parseExpression(text string) expression {
	var e expression
	for alt := range strings.SplitSeq(text, " | ") {
		var a alternative
		for part := range strings.SplitSeq(alt, " , ") {
			var columns []column
			for name := range strings.SplitSeq(part, " + ") {
				name, optional := strings.CutSuffix(strings.TrimSpace(name), "?")
				if name != "" {
					columns = append(columns, column{name, optional})
				}
			}
			a = append(a, columns)
		}
		e = append(e, a)
	}
	return e
}

// columns lists all columns that the expression names.
func (e expression) columns() (names []string) {
	for _, a := range e {
		for _, part := range a {
			for _, c := range part {
				names = append(names, c.name)
			}
		}
	}
	return names
}

// name is the first column, to tell a person where something is wrong.
func (e expression) name() string {
	if names := e.columns(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// lacks returns a column that the expression cannot do without and that is not
// there. One alternative is enough.
func (e expression) lacks(has func(name string) bool) (name string, lacks bool) {
	for _, a := range e {
		missing := ""
		for _, part := range a {
			for _, c := range part {
				if missing == "" && !c.optional && !has(c.name) {
					missing = c.name
				}
			}
		}
		if missing == "" {
			return "", false
		}
		if name == "" {
			name = missing
		}
	}
	return name, name != ""
}

// text puts the expression's text together from cells.
func (e expression) text(cell func(name string) string) string {
	for _, a := range e {
		if len(a) == 1 && len(a[0]) == 1 {
			if s := cell(a[0][0].name); s != "" {
				return s
			}
			continue
		}
		var parts []string
		for _, part := range a {
			var words []string
			for _, c := range part {
				if s := cell(c.name); s != "" {
					words = append(words, s)
				}
			}
			if len(words) > 0 {
				parts = append(parts, strings.Join(words, " "))
			}
		}
		if len(parts) > 0 {
			return strings.Join(parts, ", ")
		}
	}
	return ""
}
