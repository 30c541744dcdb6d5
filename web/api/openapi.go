package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// OpenAPI describes every resource. It is written by hand; tests hold it and the
// routes together, and every answer against it.
//
//go:embed openapi.yaml
var OpenAPI []byte

// description is the description itself.
func (a *API) description(w http.ResponseWriter, r *http.Request, _ caller) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	ServeTagged(w, r, OpenAPI)
	return nil
}

// A Guide is the description as a page shows it.
type Guide struct {
	Intro  []string // paragraphs
	Topics []Topic
}

// A Topic is some resources that belong together.
type Topic struct {
	Name        string
	Description string
	Operations  []Operation
}

// An Operation is one method of one resource.
type Operation struct {
	ID, Method, Path, Summary string
	Description               string
	Token                     bool // it needs one
	Parameters                []Parameter
	Example                   string // of the body
	Answers                   []Answer
}

// A Parameter is one that an operation takes.
type Parameter struct {
	Name, In, Description, Type string
	Required                    bool
}

// An Answer is one that an operation may give.
type Answer struct{ Status, Description string }

// document is the part of the description that a page shows.
type document struct {
	Info struct {
		Description string `yaml:"description"`
	} `yaml:"info"`
	Tags []struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	} `yaml:"tags"`
	Paths      yaml.Node `yaml:"paths"`
	Components struct {
		Parameters map[string]parameter `yaml:"parameters"`
		Responses  map[string]struct {
			Description string `yaml:"description"`
		} `yaml:"responses"`
	} `yaml:"components"`
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name        string `yaml:"name"`
	In          string `yaml:"in"`
	Description string `yaml:"description"`
	Required    bool   `yaml:"required"`
	Schema      struct {
		Type    string   `yaml:"type"`
		Enum    []string `yaml:"enum"`
		Format  string   `yaml:"format"`
		Minimum *float64 `yaml:"minimum"`
		Maximum *float64 `yaml:"maximum"`
		Default string   `yaml:"default"`
	} `yaml:"schema"`
}

type operation struct {
	Tags        []string              `yaml:"tags"`
	ID          string                `yaml:"operationId"`
	Summary     string                `yaml:"summary"`
	Description string                `yaml:"description"`
	Security    []map[string][]string `yaml:"security"`
	Parameters  []parameter           `yaml:"parameters"`
	Body        struct {
		Content map[string]struct {
			Example any `yaml:"example"`
		} `yaml:"content"`
	} `yaml:"requestBody"`
	Responses yaml.Node `yaml:"responses"`
}

// NewGuide reads the description for a page, in the order in which it is written.
func NewGuide(description []byte) (g Guide, err error) {
	var d document
	if err := yaml.Unmarshal(description, &d); err != nil {
		return g, fmt.Errorf("read the description: %w", err)
	}
	g.Intro = paragraphs(d.Info.Description)
	at := map[string]int{}
	for _, t := range d.Tags {
		at[t.Name] = len(g.Topics)
		g.Topics = append(g.Topics, Topic{Name: t.Name, Description: t.Description})
	}
	for i := 0; i+1 < len(d.Paths.Content); i += 2 {
		path, methods := d.Paths.Content[i].Value, d.Paths.Content[i+1]
		for j := 0; j+1 < len(methods.Content); j += 2 {
			var o operation
			if err := methods.Content[j+1].Decode(&o); err != nil {
				return g, fmt.Errorf("read %s of %s: %w", methods.Content[j].Value, path, err)
			}
			topic, known := at[slices.Concat(o.Tags, []string{""})[0]]
			if !known {
				return g, fmt.Errorf("%s of %s has no topic", methods.Content[j].Value, path)
			}
			g.Topics[topic].Operations = append(g.Topics[topic].Operations, d.operation(path, methods.Content[j].Value, &o))
		}
	}
	return g, nil
}

func (d *document) operation(path, method string, o *operation) Operation {
	out := Operation{ID: o.ID, Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Description: strings.Join(paragraphs(o.Description), " "), Token: len(o.Security) > 0}
	for _, p := range o.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = d.Components.Parameters[name]
		}
		shown := Parameter{Name: p.Name, In: map[string]string{"path": "in the address", "query": "after the ?", "header": "as a header"}[p.In], Description: p.Description, Type: p.Schema.Type, Required: p.Required}
		switch {
		case len(p.Schema.Enum) > 0:
			shown.Type = strings.Join(p.Schema.Enum, ", ")
		case p.Schema.Minimum != nil && p.Schema.Maximum != nil:
			shown.Type = fmt.Sprintf("%s from %g to %g", p.Schema.Type, *p.Schema.Minimum, *p.Schema.Maximum)
		case p.Schema.Format == "date":
			shown.Type = "day"
		}
		if p.Schema.Default != "" {
			shown.Type += ", " + p.Schema.Default + " unless given"
		}
		out.Parameters = append(out.Parameters, shown)
	}
	if body, ok := o.Body.Content["application/json"]; ok {
		out.Example = exampleOf(body.Example)
	}
	for i := 0; i+1 < len(o.Responses.Content); i += 2 {
		var r struct {
			Ref         string `yaml:"$ref"`
			Description string `yaml:"description"`
		}
		if status := o.Responses.Content[i].Value; o.Responses.Content[i+1].Decode(&r) == nil && r.Ref == "" {
			out.Answers = append(out.Answers, Answer{status, r.Description})
		}
	}
	return out
}

// paragraphs splits a text at its empty lines and joins the lines of each, without the
// marks around names.
func paragraphs(text string) (out []string) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if part = strings.Join(strings.Fields(strings.ReplaceAll(part, "`", "")), " "); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// exampleOf writes an example as JSON.
func exampleOf(example any) string {
	b, err := json.MarshalIndent(example, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}
