package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
)

const head = `# What freehold vectors copy will do. All but what is under found can be edited:
#   namespaces   those that are copied; "" is the default one
#   mapping.ids  keep, text (as they are written), uuid (version 5, of index,
#                namespace and id), or uuid-text (the same as a text)
#   mapping.fields.NAME  {as: int | float | drop, name: NEW}
#   create       the collection that is made, where there is none
#   embed        the model that makes the vectors, and of which texts; leave_out
#                names records (ids) that are left out on purpose
#   data         data classes of the records; none: all there are
#   allow_forbidden  true: copy though found.perimeter forbids it
#   allow_metric     true: copy though the collection that is there measures by
#                another metric
# Then: freehold vectors copy --plan THIS_FILE
`

// Write writes the plan as a file.
func (p *Plan) Write() ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	out, err := yaml.JSONToYAML(text)
	if err != nil {
		return nil, err
	}
	return append([]byte(head), out...), nil
}

// Read reads a plan that was written, and perhaps edited.
func Read(file string, text []byte) (*Plan, error) {
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	p := &Plan{}
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	switch {
	case p.Version != Version:
		err = fmt.Errorf("the plan is of version %d, and this freehold knows %d", p.Version, Version)
	case p.From == "" || p.To == "":
		err = errors.New("from or to is missing")
	case len(p.Create.Vectors) == 0:
		err = errors.New("create.vectors is empty: nothing would be copied but payloads")
	default:
		err = p.Mapping.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}
