package alerts

// A Proposal is what a file that nobody has declared is taken to be. A person
// corrects it and tries it again, until it is a declaration.
type Proposal struct {
	Feed      string // short name that the declaration gives the feed,
	Authority string // and the council's,
	Name      string // and the council's name; the first two may be empty

	Like     string   // form or feed that comes with the program and that the file has; empty for none
	Format   string   // csv, xlsx, json, …
	Encoding string   // of a CSV
	Records  string   // path, element or sheet, as in a declaration
	Inside   string   // as in a declaration
	Sheets   []string // of a workbook

	Columns []ColumnSample // of the file, at most MaxColumns
	Fields  []FieldChoice
	Codes   []CodeChoice
}

// A ColumnSample is a column of a file and a few cells of it.
type ColumnSample struct {
	Name   string
	Cells  []string
	Layout string // of its dates, if it holds any
}

// A FieldChoice says in which column one field stands, as an expression of a
// declaration.
type FieldChoice struct {
	Field  string
	From   string // empty when it stands in none
	Layout string // of a date
}

// A CodeChoice says what one code of a file means, as a word of a declaration.
type CodeChoice struct {
	Field string // kind, status or decision
	Code  string
	Count int
	Means string // empty while nobody has said
}

// Choice returns what is chosen for a field.
func (p *Proposal) Choice(field string) FieldChoice {
	for _, c := range p.Fields {
		if c.Field == field {
			return c
		}
	}
	return FieldChoice{Field: field}
}

// Choose makes a choice for a field.
func (p *Proposal) Choose(c FieldChoice) {
	for i := range p.Fields {
		if p.Fields[i].Field == c.Field {
			p.Fields[i] = c
			return
		}
	}
	p.Fields = append(p.Fields, c)
}
