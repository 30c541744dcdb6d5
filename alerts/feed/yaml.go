package feed

import (
	"bufio"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxYAML is the most bytes of a YAML source, which is held in memory.
const maxYAML = 32 << 20

// readYAML reads a list of mappings, as scrapers of the OpenAustralia family write
// them. All values are text.
func readYAML(_ *Adapter, r *bufio.Reader, yield func(line int, c cells) error) error {
	text, err := io.ReadAll(io.LimitReader(r, maxYAML+1))
	if err != nil {
		return err
	}
	if len(text) > maxYAML {
		return broken("the YAML is larger than %d MB; use JSON", maxYAML>>20)
	}
	var list []yaml.Node
	if err := yaml.Unmarshal(text, &list); err != nil {
		return broken("the data is no YAML list of records: %v", err)
	}
	for i := range list {
		node := &list[i]
		row := yamlRow{}
		if node.Kind == yaml.MappingNode {
			for k := 0; k+1 < len(node.Content); k += 2 {
				if v := node.Content[k+1]; v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
					row[node.Content[k].Value] = v.Value
				}
			}
		}
		if err := yield(node.Line, row); err != nil {
			return err
		}
	}
	return nil
}

type yamlRow map[string]string

func (r yamlRow) cell(column string) string { return r[column] }
