package weaviatetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/scanner"

	vectors "freehold/internal/vector"
)

// graphql answers one query: {Aggregate{C(tenant:...){meta{count}}}}, or
// {Get{C(nearVector:{...}, limit:N, where:{...}, tenant:...){_additional{id distance}}}}.
func (s *Server) graphql(body []byte) (any, error) {
	var in struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	p := parser{}
	p.s.Init(strings.NewReader(in.Query))
	p.s.Error = func(_ *scanner.Scanner, msg string) { p.fail(msg) }
	p.next()
	fields := p.selection()
	if p.err != nil || len(fields) != 1 || len(fields[0].of) != 1 {
		return map[string]any{"errors": []any{map[string]string{"message": fmt.Sprintf("Syntax Error GraphQL: %v in %s", p.err, in.Query)}}}, nil //nolint:nilerr // GraphQL's errors are answers
	}
	verb, of := fields[0].name, &fields[0].of[0]
	found, err := s.ask(verb, of)
	if err != nil {
		return map[string]any{"data": map[string]any{verb: map[string]any{of.name: nil}}, "errors": []any{map[string]string{"message": err.Error()}}}, nil //nolint:nilerr // so is this one
	}
	return map[string]any{"data": map[string]any{verb: map[string]any{of.name: found}}}, nil
}

func (s *Server) ask(verb string, of *field) (any, error) {
	c := s.all[of.name]
	if c == nil {
		return nil, fmt.Errorf("Cannot query field %q on type %q", of.name, verb) //nolint:staticcheck // these are the server's words
	}
	tenant, _ := of.arguments["tenant"].(string)
	space, err := c.space(tenant)
	if err != nil {
		return nil, err
	}
	if verb == "Aggregate" {
		return []any{map[string]any{"meta": map[string]int{"count": len(space)}}}, nil
	}
	near, ok := of.arguments["nearVector"].(map[string]any)
	limit, limited := of.arguments["limit"].(float64)
	if !ok || !limited || verb != "Get" {
		return nil, fmt.Errorf("this simulator searches by nearVector, with a limit")
	}
	return c.search(space, near, int(limit), of.arguments["where"])
}

func (c *class) search(space objects, near map[string]any, limit int, where any) (any, error) {
	ix, name := c.Index, ""
	if targets, ok := near["targetVectors"].([]any); ok && len(targets) == 1 {
		if name, ok = targets[0].(string); ok && c.Vectors[name] != nil {
			ix = c.Vectors[name].Index
		}
	}
	if ix == nil {
		return nil, fmt.Errorf("no target vector is given, and there are several")
	}
	list, ok := near["vector"].([]any)
	if !ok {
		return nil, fmt.Errorf("nearVector has no vector")
	}
	var query vectors.Vector
	for _, x := range list {
		f, ok := x.(float64)
		if !ok {
			return nil, fmt.Errorf("%v is no number", x)
		}
		query.Dense = append(query.Dense, float32(f))
	}
	type hit struct {
		id       string
		distance float64
	}
	var hits []hit
	for _, id := range space.ids() {
		o := space[id]
		v := vectors.Vector{Dense: o.Vector}
		if name != "" && json.Unmarshal(o.Vectors[name], &v.Dense) != nil {
			continue
		}
		ok, err := c.matches(o, where)
		if err != nil {
			return nil, err
		}
		if len(v.Dense) > 0 && len(v.Dense) != len(query.Dense) {
			return nil, fmt.Errorf("knn search: distance between entrypoint and query node: %d vs %d: vector lengths don't match", len(v.Dense), len(query.Dense))
		}
		if ok && len(v.Dense) > 0 {
			hits = append(hits, hit{id, distance(ix.Distance, &query, &v)})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.distance, b.distance) })
	out := []any{}
	for _, h := range hits[:min(limit, len(hits))] {
		out = append(out, map[string]any{"_additional": map[string]any{"id": h.id, "distance": h.distance}})
	}
	return out, nil
}

func distance(by string, a, b *vectors.Vector) float64 {
	switch by {
	case "dot":
		return -vectors.Dot.Score(a, b)
	case "l2-squared":
		return math.Pow(vectors.Euclid.Score(a, b), 2)
	case "manhattan":
		return vectors.Manhattan.Score(a, b)
	}
	return 1 - vectors.Cosine.Score(a, b)
}

// matches evaluates a where; nil matches all.
func (c *class) matches(o *object, where any) (bool, error) {
	if where == nil {
		return true, nil
	}
	w, ok := where.(map[string]any)
	if !ok {
		return false, fmt.Errorf("where is no object")
	}
	op, _ := w["operator"].(enum)
	if operands, ok := w["operands"].([]any); ok {
		if op != "And" && op != "Or" {
			return false, fmt.Errorf("operator %s has no operands", op)
		}
		for _, x := range operands {
			ok, err := c.matches(o, x)
			if err != nil || ok == (op == "Or") {
				return ok, err
			}
		}
		return op == "And", nil
	}
	path, ok := w["path"].([]any)
	if !ok || len(path) != 1 {
		return false, fmt.Errorf("where has no path")
	}
	name, _ := path[0].(string)
	value, there := o.Properties[name]
	if op == "IsNull" {
		if !c.Inverted.Nulls {
			return false, fmt.Errorf("nullstate must be indexed to be filterable: add indexNullState: true to the invertedIndexConfig")
		}
		return there != (w["valueBoolean"] == true), nil
	}
	want, err := c.operand(name, w)
	if err != nil {
		return false, err
	}
	values := []any{value}
	if list, ok := value.([]any); ok {
		values = list
	}
	some := func(is func(v any) bool) bool { return there && slices.ContainsFunc(values, is) }
	number := func(is func(x, y float64) bool) bool {
		return some(func(v any) bool {
			x, ok := v.(float64)
			y, both := want.(float64)
			return ok && both && is(x, y)
		})
	}
	switch op {
	case "Equal":
		return some(func(v any) bool { return v == want }), nil
	case "NotEqual":
		return !some(func(v any) bool { return v == want }), nil
	case "GreaterThan":
		return number(func(x, y float64) bool { return x > y }), nil
	case "GreaterThanEqual":
		return number(func(x, y float64) bool { return x >= y }), nil
	case "LessThan":
		return number(func(x, y float64) bool { return x < y }), nil
	case "LessThanEqual":
		return number(func(x, y float64) bool { return x <= y }), nil
	}
	return false, fmt.Errorf("operator %q is not known", op)
}

// operand is the value of a where, which has to be of the property's type.
func (c *class) operand(name string, w map[string]any) (any, error) {
	for _, p := range c.Properties {
		if p.Name != name {
			continue
		}
		kind := strings.TrimSuffix(p.Type[0], "[]")
		key := map[string]string{"text": "valueText", "uuid": "valueText", "int": "valueInt", "number": "valueNumber", "boolean": "valueBoolean"}[kind]
		v, ok := w[key]
		switch {
		case !ok:
			return nil, fmt.Errorf("data type filter cannot be used on type %q, use %q instead", kind, key)
		case kind == "text" && p.Tokens != "field":
			return nil, fmt.Errorf("this simulator does not compare words: tokenization is %q", p.Tokens)
		}
		return v, nil
	}
	return nil, fmt.Errorf("no such prop with name '%s' found in class '%s'", name, c.Class)
}

// field is a field of GraphQL, with its arguments and what is selected of it.
type field struct {
	name      string
	arguments map[string]any
	of        []field
}

// enum is a word of GraphQL that is no text.
type enum string

type parser struct {
	s   scanner.Scanner
	tok rune
	err error
}

func (p *parser) next() { p.tok = p.s.Scan() }

func (p *parser) fail(msg string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s at %s", msg, p.s.Position)
	}
	p.tok = scanner.EOF
}

// take takes a token that must be there.
func (p *parser) take(tok rune) string {
	if p.tok != tok {
		p.fail("expected " + scanner.TokenString(tok) + ", found " + scanner.TokenString(p.tok))
		return ""
	}
	text := p.s.TokenText()
	p.next()
	return text
}

func (p *parser) selection() (out []field) {
	p.take('{')
	for p.tok == scanner.Ident {
		f := field{name: p.take(scanner.Ident)}
		if p.tok == '(' {
			p.next()
			f.arguments = p.members(')')
		}
		if p.tok == '{' {
			f.of = p.selection()
		}
		out = append(out, f)
	}
	p.take('}')
	return out
}

func (p *parser) members(end rune) map[string]any {
	out := map[string]any{}
	for p.tok == scanner.Ident {
		name := p.take(scanner.Ident)
		p.take(':')
		out[name] = p.value()
		if p.tok == ',' {
			p.next()
		}
	}
	p.take(end)
	return out
}

func (p *parser) value() any {
	switch p.tok {
	case '{':
		p.next()
		return p.members('}')
	case '[':
		p.next()
		out := []any{}
		for p.tok != ']' && p.tok != scanner.EOF {
			if out = append(out, p.value()); p.tok == ',' {
				p.next()
			}
		}
		p.take(']')
		return out
	case scanner.String:
		var text string
		if err := json.Unmarshal([]byte(p.take(scanner.String)), &text); err != nil {
			p.fail(err.Error())
		}
		return text
	case '-':
		p.next()
		x, ok := p.value().(float64)
		if !ok {
			p.fail("- stands before a number")
		}
		return -x
	case scanner.Int, scanner.Float:
		x, err := strconv.ParseFloat(p.take(p.tok), 64)
		if err != nil {
			p.fail(err.Error())
		}
		return x
	}
	switch word := p.take(scanner.Ident); word {
	case "true", "false":
		return word == "true"
	default:
		return enum(word)
	}
}
