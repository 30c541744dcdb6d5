package wording

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This test reads the templates and the program for every sentence that can be said in
// Welsh, and holds the catalogue to it: nothing is missing, nothing is left over, and
// each translation has the placeholders of its English.

// englishOnly are the templates for groups, councils and programs, by their first
// letters, and single ones.
var englishOnly = []string{"group", "feed", "account", "signin", "invitation", "api.", "embed", "mailbox", "mail.", "admin"}

// said are functions whose text arguments are sentences: by name, the arguments that
// are. Of two, they are the forms of a noun after 1 and after other numbers.
var said = map[string][]int{"Say": {0}, "Word": {0}, "Sentencef": {0}, "Invalid": {1}, "Plural": {1, 2}, "Noun": {1, 2}, "areaError": {1}, "fault": {0}, "signUpError": {0}}

// fields are those of our structs that hold a sentence, where it is written out.
var fields = map[string]bool{"Heading": true, "Intro": true, "Button": true, "Problem": true, "Subject": true, "Title": true}

// lists are such fields that hold several.
var lists = map[string]bool{"Lead": true, "After": true, "Small": true}

// tables are variables and constants that hold sentences. Of rows of several texts the
// one at the number is meant; -1 is every text.
var tables = map[string]int{
	"kindLabels": -1, "cadenceNames": -1, "statusLabels": -1, "decisionLabels": -1, "appealLabels": -1, "eventLabels": -1, "KindGroups": 1, "EventGroups": 1,
	"gists": 1, "kindGists": -1, "months": -1, "shortMonths": -1, "publicWords": -1, "fieldRules": 2, "compass": -1,
	"filterDays": -1, "Atom": 2, "Calendar": 2, "CSV": 2, "GeoJSON": 2, "stageLabels": -1, "doneWords": -1,
	"closedHidden": -1, "closedUnwanted": -1, "closedUntold": -1, "closedMoved": -1, "ConsentWords": -1, "footerWords": -1,
}

// calls are functions of pages whose text arguments are sentences, by the file.
var calls = map[string]map[string][]int{
	"web/follow.go":       {"add": {1, 2}},
	"web/applications.go": {"add": {0}, "day": {0}},
}

// sources are the packages that speak to residents; some files of them do not.
var sources = map[string][]string{
	"alerts":         {"endpoint", "endpointurl", "endpointhealth", "group", "account", "report", "meeting", "inbound", "health", "proposal", "takedown", "feed", "recovery", "act"},
	"alerts/compose": {"chat", "webhook", "account", "alarm"},
	"web": {"groups", "groupareas", "grouptokens", "members", "meetings", "cases", "endpoints", "account", "feedcheck", "columnmap", "uploads", "embed", "apipage",
		"mailbox", "mailevents", "ready"},
	"geo":                 {},
	"web/api/document.go": {},
}

// others are functions that write to people who run things, in files that speak to
// residents.
var others = map[string][]string{
	"alerts/compose/letter.go": {"contact", "disputed", "placeDoubted", "notices"},
}

// A spoken sentence, or the two forms of a noun, and where it was found.
type spokenAt struct {
	english []string
	where   string
}

func spokenSentences(t *testing.T) map[string]spokenAt {
	t.Helper()
	found := map[string]spokenAt{}
	note := func(where string, english ...string) {
		if key := strings.Join(english, "\x00"); strings.TrimSpace(english[0]) != "" {
			found[key] = spokenAt{english, where}
		}
	}
	for file, source := range templates(t) {
		name := filepath.Base(file)
		if slices.ContainsFunc(englishOnly, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		Template{Note: func(english ...string) { note(name, english...) }}.Source(source)
	}
	for folder, without := range sources {
		pattern := filepath.Join("..", "..", folder)
		if !strings.HasSuffix(folder, ".go") {
			pattern = filepath.Join(pattern, "*.go")
		}
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".go")
			if strings.HasSuffix(name, "_test") || slices.Contains(without, name) && name != "health" || strings.HasPrefix(name, "admin") {
				continue
			}
			parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			where := strings.TrimSuffix(folder, "/"+name+".go") + "/" + name + ".go"
			s := scanner{where: where, note: func(english ...string) { note(where, english...) }, tablesOnly: slices.Contains(without, name)}
			ast.Walk(&s, parsed)
		}
	}
	for _, sentence := range postcodeFaults(t) {
		note("geo/postcode/parse.go", sentence)
	}
	return found
}

// A scanner walks through a file and notes what it says.
type scanner struct {
	where      string
	note       func(english ...string)
	tablesOnly bool
}

func (s *scanner) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if slices.Contains(others[s.where], n.Name.Name) {
			return nil
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if column, ok := tables[name.Name]; ok && i < len(n.Values) {
				s.table(n.Values[i], column)
				return nil
			}
		}
	case *ast.CallExpr:
		if s.tablesOnly {
			break
		}
		name := ""
		switch f := n.Fun.(type) {
		case *ast.SelectorExpr:
			if name = f.Sel.Name; isEnglish(f.X) {
				return s
			}
		case *ast.Ident:
			name = f.Name
		}
		arguments, ok := said[name]
		if !ok {
			arguments, ok = calls[s.where][name]
		}
		if name == "append" && len(n.Args) > 1 {
			if to, ok := n.Args[0].(*ast.SelectorExpr); ok && lists[to.Sel.Name] {
				for _, a := range n.Args[1:] {
					s.note(text(a))
				}
			}
		}
		if name == "render" && len(n.Args) == 6 {
			s.note(text(n.Args[4]))
		}
		var texts []string
		for _, i := range arguments {
			if i < len(n.Args) {
				if one := text(n.Args[i]); one != "" {
					texts = append(texts, one)
				}
			}
		}
		switch {
		case !ok || len(texts) == 0:
		case name == "Plural" || name == "Noun":
			if len(texts) == 2 {
				s.note(texts...)
			}
		case name == "areaError": // forms say it without the full stop
			s.note(strings.TrimSuffix(texts[0], "."))
		default:
			for _, one := range texts {
				s.note(one)
			}
		}
	case *ast.CompositeLit:
		if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "link" && len(n.Elts) > 0 && !s.tablesOnly {
			s.note(text(n.Elts[0]))
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && !s.tablesOnly {
			if fields[key.Name] {
				s.note(text(n.Value))
			}
			if lists[key.Name] {
				if list, ok := n.Value.(*ast.CompositeLit); ok {
					s.list(list)
				}
			}
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			name := ""
			switch left := left.(type) {
			case *ast.Ident:
				name = left.Name
			case *ast.SelectorExpr:
				name = left.Sel.Name
			}
			if s.tablesOnly || i >= len(n.Rhs) {
				continue
			}
			if name == "title" || fields[name] {
				s.note(text(n.Rhs[i]))
			}
			if list, ok := n.Rhs[i].(*ast.CompositeLit); ok && lists[name] {
				s.list(list)
			}
		}
	}
	return s
}

// isEnglish reports whether something is said in English, whoever reads it.
func isEnglish(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "English"
	case *ast.SelectorExpr:
		return e.Sel.Name == "English"
	}
	return false
}

// list notes the texts of a list, and the first of each of its rows.
func (s *scanner) list(list *ast.CompositeLit) {
	for _, e := range list.Elts {
		if row, ok := e.(*ast.CompositeLit); ok && len(row.Elts) > 0 {
			e = row.Elts[0]
		}
		s.note(text(e))
	}
}

// table notes the sentences of a table.
func (s *scanner) table(value ast.Expr, column int) {
	literal, ok := value.(*ast.CompositeLit)
	if !ok {
		s.note(text(value))
		return
	}
	if column >= 0 && column < len(literal.Elts) && text(literal.Elts[0]) != "" { // a row by itself
		s.note(text(literal.Elts[column]))
		return
	}
	for _, e := range literal.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		switch e := e.(type) {
		case *ast.CompositeLit:
			for i, cell := range e.Elts {
				if column < 0 || i == column {
					s.note(text(cell))
				}
			}
		case *ast.CallExpr:
			if column >= 0 && column < len(e.Args) {
				s.note(text(e.Args[column]))
			}
		default:
			s.note(text(e))
		}
	}
}

// text is the value of a text written out, joined where it is long; "" for anything
// else.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == gotoken.STRING {
			s, _ := strconv.Unquote(e.Value)
			return s
		}
	case *ast.BinaryExpr:
		if left, right := text(e.X), text(e.Y); left != "" && right != "" && e.Op == gotoken.ADD {
			return left + right
		}
	}
	return ""
}

// postcodeFaults are what package postcode says, as the pages show it: without the full
// stop, and without a map to put a pin on.
func postcodeFaults(t *testing.T) (out []string) {
	t.Helper()
	parsed, err := parser.ParseFile(gotoken.NewFileSet(), filepath.Join("..", "..", "geo", "postcode", "parse.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != gotoken.STRING {
			return true
		}
		s := text(literal)
		if strings.HasSuffix(s, ".") && strings.Contains(s, " ") && !strings.Contains(s, "%") {
			if strings.HasPrefix(s, " ") { // after what was typed
				s = "%s" + s
			}
			pins := strings.NewReplacer("Place a pin on the map", "Enter latitude and longitude", "place a pin on the map", "enter latitude and longitude")
			out = append(out, strings.TrimSuffix(pins.Replace(s), "."))
		}
		return true
	})
	return out
}

func TestWelshSaysEverything(t *testing.T) {
	found := spokenSentences(t)
	if len(found) < 700 {
		t.Fatalf("only %d sentences were found: the test looks in the wrong places", len(found))
	}
	welsh := map[string][]string{}
	For("cy").Entries(func(english, translated []string) { welsh[strings.Join(english, "\x00")] = translated })
	if file := os.Getenv("SITENOTICE_MISSING"); file != "" { // a PO file of what is missing, to be filled in
		writeMissing(t, file, found, welsh)
	}
	for key, s := range found {
		translated, ok := welsh[key]
		if !ok {
			t.Errorf("%s: %q has no Welsh", s.where, s.english)
			continue
		}
		for _, one := range translated {
			if err := Agree(s.english[0], one); err != nil && len(s.english) == 1 {
				t.Errorf("%q: %v", one, err)
			}
			if strings.TrimSpace(one) == "" {
				t.Errorf("%q has an empty form", s.english)
			}
		}
	}
	for key := range welsh {
		if _, ok := found[key]; !ok {
			t.Errorf("nobody says %q", strings.Split(key, "\x00"))
		}
	}
}

func writeMissing(t *testing.T, file string, found map[string]spokenAt, welsh map[string][]string) {
	t.Helper()
	var entries []string
	for key, s := range found {
		if _, ok := welsh[key]; ok {
			continue
		}
		entry := "#: " + s.where + "\nmsgid " + strconv.Quote(s.english[0]) + "\n"
		if len(s.english) == 2 {
			entry += "msgid_plural " + strconv.Quote(s.english[1]) + "\n"
			for i := range forms {
				entry += "msgstr[" + strconv.Itoa(i) + "] \"\"\n"
			}
		} else {
			entry += "msgstr \"\"\n"
		}
		entries = append(entries, entry)
	}
	slices.Sort(entries)
	if err := os.WriteFile(file, []byte(strings.Join(entries, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}
