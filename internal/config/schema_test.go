package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	schemaFile  = "../../config.schema.json"
	exampleFile = "../../config.example.yaml"
)

// scalarSchema is the schema of types that are single values in YAML.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	text := func(pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern}
	}
	switch t {
	case typeSecret:
		return text("")
	case typePath:
		return &jsonschema.Schema{Type: "string"}
	case typeDuration:
		return text(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+$`)
	case typeSize:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text(sizeText.String()), {Type: "integer", Minimum: "1"}}}
	case typePrefix:
		return text(`^[0-9a-fA-F.:]+(/[0-9]+)?$`)
	case typeYesNo:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Enum: []any{"yes", "no"}}, {Type: "boolean"}}}
	case typeDate:
		return text(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	case typeHedge:
		return text(`^(p[0-9.]+|[0-9].*)$`)
	case typeBudget, reflect.PointerTo(typeBudget):
		return text(budgetText.String())
	case typeShare, typeTolerance:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text(`^[0-9.]+(e-?[0-9]+)?\s*%?$`), {Type: "number", Minimum: "0"}}}
	case typeDecimal, reflect.PointerTo(typeDecimal):
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text(decimalText.String()), {Type: "number", Minimum: "0"}}}
	case typeRaw:
		return jsonschema.TrueSchema
	case typeNames:
		one := &jsonschema.Schema{Type: "string"}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: one}}}
	}
	if en, ok := reflect.Zero(t).Interface().(enum); ok {
		return enumSchema(en)
	}
	if t.Kind() == reflect.Map {
		if en, ok := reflect.Zero(t.Key()).Interface().(enum); ok && t.Elem().Kind() == reflect.Bool {
			return &jsonschema.Schema{Type: "object", PropertyNames: enumSchema(en), AdditionalProperties: &jsonschema.Schema{Type: "boolean"}}
		}
	}
	return nil
}

func enumSchema(en enum) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range en.values() {
		s.Enum = append(s.Enum, v)
	}
	return s
}

// generateSchema makes the schema from the types and their comments.
func generateSchema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Anonymous: true,
		Mapper: scalarSchema,
	}
	if err := r.AddGoComments("freehold/internal/config", "./"); err != nil {
		t.Fatal(err)
	}
	for k, v := range r.CommentMap {
		r.CommentMap[k] = strings.Join(strings.Fields(v), " ")
	}
	s := r.Reflect(&Config{})
	s.Title = "freehold configuration"
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	shorten(t, tree)
	allowReferences(tree)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(tree); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// shorten lets one key stand for the structs that take it alone.
func shorten(t *testing.T, tree map[string]any) {
	t.Helper()
	for _, typ := range []reflect.Type{reflect.TypeFor[RolloutStep]()} {
		defs, ok := tree["$defs"].(map[string]any)
		if !ok {
			t.Fatal("the schema has no $defs")
		}
		whole, ok := defs[typ.Name()].(map[string]any)
		if !ok {
			t.Fatalf("the schema has no %s", typ.Name())
		}
		s, ok := reflect.New(typ).Interface().(shortener)
		if !ok {
			t.Fatalf("no key stands for %s", typ.Name())
		}
		one, ok := whole["properties"].(map[string]any)[s.short()].(map[string]any)
		if !ok {
			t.Fatalf("%s has no %s", typ.Name(), s.short())
		}
		text, err := json.Marshal(one["anyOf"])
		if err != nil {
			t.Fatal(err)
		}
		var alone []any // a copy: what follows changes each place
		if err := json.Unmarshal(text, &alone); err != nil {
			t.Fatal(err)
		}
		defs[typ.Name()] = map[string]any{"anyOf": append(alone, whole)}
	}
}

// allowReferences lets ${...} stand for every single value: it is expanded
// before the value is read.
func allowReferences(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			allowReferences(x)
		}
	case map[string]any:
		for k, x := range v {
			if k != "propertyNames" {
				allowReferences(x)
			}
		}
		_, pattern := v["pattern"].(string) // else it is a key of that name
		constrained := v["type"] == "integer" || v["type"] == "number" || v["type"] == "boolean" || v["enum"] != nil || pattern
		if !constrained {
			return
		}
		inner := map[string]any{}
		for _, k := range []string{"type", "enum", "pattern", "minimum", "maximum"} {
			if x, ok := v[k]; ok {
				inner[k] = x
				delete(v, k)
			}
		}
		v["anyOf"] = []any{inner, map[string]any{"type": "string", "pattern": `\$\{(env|file):`}}
	}
}

func TestSchemaIsUpToDate(t *testing.T) {
	got := generateSchema(t)
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(want, got) {
		t.Fatalf("%s does not fit the types (%v); go test ./internal/config -update writes it anew", schemaFile, err)
	}
}

// TestEveryKeyIsDescribed: editors show the description of each key.
func TestEveryKeyIsDescribed(t *testing.T) {
	var tree map[string]any
	if err := json.Unmarshal(generateSchema(t), &tree); err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(v any, where string)
	walk = func(v any, where string) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		props, _ := m["properties"].(map[string]any)
		for name, p := range props {
			n++
			if d, _ := p.(map[string]any)["description"].(string); d == "" {
				t.Errorf("%s.%s has no description", where, name)
			}
		}
		for k, x := range m {
			walk(x, where+"/"+k)
		}
	}
	walk(tree, "")
	if n < 100 {
		t.Errorf("only %d keys were looked at", n)
	}
}

func compileSchema(t *testing.T) *validator.Schema {
	t.Helper()
	c := validator.NewCompiler()
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML file as the validator wants it.
func asJSON(t *testing.T, src []byte) any {
	t.Helper()
	rep := &report{}
	doc := parse(src, rep)
	if doc == nil || doc.root == nil {
		t.Fatal(rep.list)
	}
	v, err := validator.UnmarshalJSON(bytes.NewReader(rawText(doc.root.value)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rawText renders a tree as JSON with references as written.
func rawText(n *node) []byte {
	d := &decoder{rep: &report{}, exp: &expander{env: Env{
		LookupEnv: func(name string) (string, bool) { return "${env:" + name + "}", true },
		ReadFile:  func(name string) ([]byte, error) { return []byte("${file:" + name + "}"), nil },
	}, files: map[string]bool{}}}
	return d.raw(n)
}

func TestGoodFixturesFitTheSchema(t *testing.T) {
	schema := compileSchema(t)
	files, err := filepath.Glob("testdata/*.good.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, src)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, bad := range []string{"server: {listne: x}", "server: {auth: maybe}", "retries: {max: 99}", "timeouts: {idle: 3}", "workloads: {w: {}}", "slo: {}"} {
		if schema.Validate(asJSON(t, []byte(bad))) == nil {
			t.Errorf("the schema takes %q", bad)
		}
	}
}

// TestExample: the example loads without a word, fits the schema, and shows
// every key there is, in use or commented out.
func TestExample(t *testing.T) {
	src, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := compileSchema(t).Validate(asJSON(t, src)); err != nil {
		t.Error(err)
	}
	env := testEnv()
	env.LookupEnv = func(name string) (string, bool) { return "value-of-" + name, true }
	pem := []byte(certificate(t, time.Now()))
	env.ReadFile = func(name string) ([]byte, error) {
		if strings.Contains(name, "tls") {
			return pem, nil
		}
		return []byte("value"), nil
	}
	if cfg, ds := Parse(exampleFile, src, env); cfg == nil || len(ds) > 0 {
		t.Errorf("the example:\n%v", ds)
	}
	seen := map[string]bool{}
	var walk func(e *entry)
	walk = func(e *entry) {
		for _, c := range e.value.entries {
			seen[c.key] = true
			walk(c)
		}
	}
	walk(parse(src, &report{}).root)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[Config](), reflect.TypeFor[Server](), reflect.TypeFor[ServerTLS](), reflect.TypeFor[Limits](), reflect.TypeFor[Log](),
		reflect.TypeFor[Telemetry](), reflect.TypeFor[History](), reflect.TypeFor[Timeouts](), reflect.TypeFor[Retries](), reflect.TypeFor[Breaker](),
		reflect.TypeFor[Retention](), reflect.TypeFor[Provider](), reflect.TypeFor[ClientTLS](), reflect.TypeFor[Probe](), reflect.TypeFor[Model](),
		reflect.TypeFor[Deployment](), reflect.TypeFor[Price](), reflect.TypeFor[Params](), reflect.TypeFor[DataClass](), reflect.TypeFor[Workload](), reflect.TypeFor[Hedge](),
		reflect.TypeFor[Rule](), reflect.TypeFor[Variant](), reflect.TypeFor[SLO](), reflect.TypeFor[Budget](),
		reflect.TypeFor[Rollout](), reflect.TypeFor[RolloutShadow](), reflect.TypeFor[RolloutJudge](), reflect.TypeFor[RolloutGates](), reflect.TypeFor[RolloutLatency](), reflect.TypeFor[RolloutStep](),
	} {
		for _, key := range slices.Sorted(maps.Keys(fieldsOf(typ))) {
			if !seen[key] && !strings.Contains(string(src), "# "+key+":") {
				t.Errorf("%s is not shown: %s", key, typ)
			}
		}
	}
}
