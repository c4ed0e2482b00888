package judge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"freehold/internal/cascade"
	"freehold/internal/jsondoor"
)

// jsonValues compares JSON answers by their fields.
type jsonValues struct {
	schema *jsonschema.Schema // nil: any
	fenced bool
	fields fields
}

func newJSON(spec Spec) (Judge, error) {
	f, err := newFields(spec)
	if err != nil {
		return nil, err
	}
	m := jsonValues{fenced: spec.Fenced, fields: f}
	if len(spec.Schema) > 0 {
		if m.schema, err = compile(spec.Schema); err != nil {
			return nil, err
		}
	}
	return scored{m}, nil
}

// compile reads a schema. What it refers to must be in it: nothing is loaded.
func compile(schema []byte) (*jsonschema.Schema, error) {
	doc, err := parseJSON(string(schema))
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	const name = "freehold:schema"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	s, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return s, nil
}

// parseJSON reads one value, numbers as they are written. Objects with two
// members of one name are refused: nobody knows what they say.
func parseJSON(text string) (any, error) {
	doc, err := jsondoor.Parse([]byte(text), nil)
	if err != nil {
		return nil, err
	}
	doc.Release()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// value reads an answer.
func (m jsonValues) value(text string) (any, error) {
	text = strings.TrimSpace(text)
	if m.fenced {
		text = unfenced(text)
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	if m.schema == nil {
		return v, nil
	}
	if err := m.schema.Validate(v); err != nil {
		return nil, errors.New("breaks the schema at " + rule(err))
	}
	return v, nil
}

// rule is the first one of a schema that a value breaks. It names no place of
// the value, whose members may have names that tell something.
func rule(err error) string {
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return "an unknown place"
	}
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	_, at, _ := strings.Cut(e.SchemaURL, "#")
	return strings.Join(append([]string{at}, e.ErrorKind.KeywordPath()...), "/")
}

// unfenced takes a text out of the markdown fence that is all of it.
func unfenced(s string) string {
	body, ok := strings.CutPrefix(s, "```")
	if !ok {
		return s
	}
	if body, ok = strings.CutSuffix(body, "```"); !ok {
		return s
	}
	if first, rest, ok := strings.Cut(body, "\n"); ok && !strings.ContainsAny(first, "{[\"") {
		body = rest // behind the language's name
	}
	return strings.TrimSpace(body)
}

func (m jsonValues) fits(w *Expected) error {
	_, err := m.right(w)
	return err
}

// right is the value that is expected.
func (m jsonValues) right(w *Expected) (any, error) {
	switch {
	case len(w.JSON) > 0:
		v, err := parseJSON(string(w.JSON))
		if err != nil {
			return nil, fmt.Errorf("the expected JSON: %w", err)
		}
		return v, nil
	case len(w.Texts) > 0:
		v, err := parseJSON(w.Texts[0])
		if err != nil {
			return nil, fmt.Errorf("the expected text is no JSON: %w", err)
		}
		return v, nil
	}
	return nil, errors.New("the expected answer has no JSON to compare with")
}

func (m jsonValues) unusable(a *Answer) string {
	if _, err := m.value(a.Text); err != nil {
		return err.Error()
	}
	return ""
}

func (m jsonValues) against(a *Answer, w *Expected) finding {
	got, err := m.value(a.Text)
	if err != nil {
		return finding{detail: err.Error()}
	}
	want, err := m.right(w)
	if err != nil {
		return finding{detail: err.Error()}
	}
	return m.fields.share(got, want)
}

func (m jsonValues) agree(a, b *Answer) finding {
	x, err := m.value(a.Text)
	if err != nil {
		return finding{detail: err.Error()}
	}
	y, err := m.value(b.Text)
	if err != nil {
		return finding{detail: err.Error()}
	}
	return m.fields.share(x, y)
}

// fields compares JSON values field by field.
type fields struct {
	ignore    [][]string
	tolerance Tolerance
}

func newFields(spec Spec) (fields, error) {
	f := fields{tolerance: spec.Tolerance}
	if err := spec.Tolerance.check(); err != nil {
		return f, err
	}
	for _, p := range spec.Ignore {
		rest, ok := strings.CutPrefix(p, "/")
		if !ok {
			return f, fmt.Errorf("ignore: %.80q is no JSON pointer: it begins with a slash, as in /items/*/id", p)
		}
		path := strings.Split(rest, "/")
		for i := range path {
			path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(path[i])
		}
		f.ignore = append(f.ignore, path)
	}
	return f, nil
}

// share is how many of the fields that either value has are in both and equal.
// Fields are what has no members: also an empty object or list. Elements of
// lists are compared by their places.
func (f fields) share(a, b any) finding {
	x, y := map[string]any{}, map[string]any{}
	f.leaves(x, nil, a)
	f.leaves(y, nil, b)
	all := len(y)
	equal := 0
	var odd []string
	for path, v := range x {
		w, ok := y[path]
		if !ok {
			all++
		}
		if ok && f.equal(v, w) {
			equal++
		} else {
			odd = append(odd, path)
		}
	}
	for path := range y {
		if _, ok := x[path]; !ok {
			odd = append(odd, path)
		}
	}
	if len(odd) == 0 {
		return finding{score: 1} // also where everything is ignored
	}
	slices.Sort(odd)
	first := odd[0]
	if first == "" {
		first = "the value itself"
	}
	return finding{float64(equal) / float64(all), fmt.Sprintf("%d of %d fields differ", len(odd), all), "first " + clip(first, maxDetail)}
}

// leaves collects the fields under v by their JSON pointers.
func (f fields) leaves(into map[string]any, path []string, v any) {
	if f.ignored(path) {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			for _, name := range slices.Sorted(maps.Keys(v)) {
				f.leaves(into, append(path, name), v[name])
			}
			return
		}
	case []any:
		if len(v) > 0 {
			for i, e := range v {
				f.leaves(into, append(path, strconv.Itoa(i)), e)
			}
			return
		}
	}
	into[pointer(path)] = v
}

func pointer(path []string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	return b.String()
}

func (f fields) ignored(path []string) bool {
	return slices.ContainsFunc(f.ignore, func(p []string) bool {
		return slices.EqualFunc(p, path, func(want, is string) bool { return want == "*" || want == is })
	})
}

// equal compares two fields: numbers by value, all else as it is.
func (f fields) equal(a, b any) bool {
	x, number := a.(json.Number)
	y, too := b.(json.Number)
	if number != too {
		return false
	}
	if !number {
		s, err := json.Marshal(a)
		t, not := json.Marshal(b)
		return err == nil && not == nil && bytes.Equal(s, t)
	}
	if cascade.Key(string(x), true) == cascade.Key(string(y), true) {
		return true
	}
	if f.tolerance == (Tolerance{}) {
		return false // 2^53 and the next whole number are not one
	}
	v, err := x.Float64()
	w, not := y.Float64()
	return err == nil && not == nil && f.tolerance.near(v, w)
}
