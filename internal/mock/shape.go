package mock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// A problem is what is wrong with a request. Dialects put it into their words.
type problem struct {
	kind problemKind
	// path leads to the member: names and indexes.
	path []any
	// want and got say what was expected and found.
	want, got string
	// message and code, where set, replace the dialect's own.
	message, code string
	// status is 400 where it is 0.
	status  int
	allowed []string
}

type problemKind int

const (
	plainProblem problemKind = iota
	unknownMember
	missingMember
	wrongType
	notAllowed   // not one of allowed
	belowMinimum // want is the minimum
	aboveMaximum
	tooShort // fewer elements or characters than want
	tooLong
	unauthorized
	notFound
	malformedJSON
)

// problemf makes a problem that is told in these words.
func problemf(path []any, code, format string, args ...any) *problem {
	return &problem{path: path, code: code, message: fmt.Sprintf(format, args...)}
}

// dotted is a path as a.0.b, indexed as a[0].b.
func (p *problem) dotted() string {
	var b strings.Builder
	for i, s := range p.path {
		if i > 0 {
			b.WriteByte('.')
		}
		fmt.Fprint(&b, s)
	}
	return b.String()
}

func (p *problem) indexed() string {
	var b strings.Builder
	for i, s := range p.path {
		switch s := s.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, s)
		}
	}
	return b.String()
}

// A rule says what a value must be. Values are those of encoding/json with
// UseNumber.
type rule func(path []any, v any) *problem

// at is path with one more step, on memory of its own.
func at(path []any, step ...any) []any { return append(slices.Clip(slices.Clone(path)), step...) }

// member is a rule and whether the member must be there.
type member struct {
	rule rule
	need bool
}

func must(r rule) member { return member{r, true} }
func may(r rule) member  { return member{r, false} }

type members map[string]member

// object demands these members and no others.
func object(ms members) rule {
	names := slices.Sorted(maps.Keys(ms))
	return func(path []any, v any) *problem {
		o, ok := v.(map[string]any)
		if !ok {
			return mistyped(path, "an object", v)
		}
		for _, n := range slices.Sorted(maps.Keys(o)) {
			if _, ok := ms[n]; !ok {
				return &problem{kind: unknownMember, path: at(path, n)}
			}
		}
		for _, n := range names {
			m := ms[n]
			x, ok := o[n]
			if !ok {
				if m.need {
					return &problem{kind: missingMember, path: at(path, n)}
				}
				continue
			}
			if p := m.rule(at(path, n), x); p != nil {
				return p
			}
		}
		return nil
	}
}

// with is ms and more.
func (ms members) with(more members) members {
	out := members{}
	for n, m := range ms {
		out[n] = m
	}
	for n, m := range more {
		out[n] = m
	}
	return out
}

// tagged chooses the rule by the string member tag; without it by fallback.
func tagged(tag, fallback string, variants map[string]rule) rule {
	names := slices.Sorted(maps.Keys(variants))
	return func(path []any, v any) *problem {
		o, ok := v.(map[string]any)
		if !ok {
			return mistyped(path, "an object", v)
		}
		name := fallback
		if t, ok := o[tag]; ok {
			if name, ok = t.(string); !ok {
				return mistyped(at(path, tag), "a string", t)
			}
		} else if fallback == "" {
			return &problem{kind: missingMember, path: at(path, tag)}
		}
		r, ok := variants[name]
		if !ok {
			return &problem{kind: notAllowed, path: at(path, tag), got: name, allowed: names}
		}
		return r(path, v)
	}
}

// null also takes null.
func null(r rule) rule {
	return func(path []any, v any) *problem {
		if v == nil {
			return nil
		}
		return r(path, v)
	}
}

func anything([]any, any) *problem { return nil }

func text(path []any, v any) *problem {
	if _, ok := v.(string); !ok {
		return mistyped(path, "a string", v)
	}
	return nil
}

// nonEmpty is a text of at least one character.
func nonEmpty(path []any, v any) *problem {
	if p := text(path, v); p != nil {
		return p
	}
	if v == "" {
		return &problem{kind: tooShort, path: path, want: "1", got: "string"}
	}
	return nil
}

func boolean(path []any, v any) *problem {
	if _, ok := v.(bool); !ok {
		return mistyped(path, "a boolean", v)
	}
	return nil
}

func oneOf(values ...string) rule {
	return func(path []any, v any) *problem {
		s, ok := v.(string)
		if !ok {
			return mistyped(path, "a string", v)
		}
		if !slices.Contains(values, s) {
			return &problem{kind: notAllowed, path: path, got: s, allowed: values}
		}
		return nil
	}
}

// number is a number of low..high, given in decimal; an empty bound is none.
func number(low, high string) rule { return numeric("a number", low, high) }

// integer is a whole number of low..high.
func integer(low, high string) rule { return numeric("an integer", low, high) }

func numeric(want, low, high string) rule {
	return func(path []any, v any) *problem {
		n, ok := v.(json.Number)
		if !ok {
			return mistyped(path, want, v)
		}
		x, ok := new(big.Rat).SetString(n.String())
		if !ok || want == "an integer" && !x.IsInt() {
			return mistyped(path, want, v)
		}
		if low != "" && x.Cmp(rat(low)) < 0 {
			return &problem{kind: belowMinimum, path: path, want: low, got: n.String()}
		}
		if high != "" && x.Cmp(rat(high)) > 0 {
			return &problem{kind: aboveMaximum, path: path, want: high, got: n.String()}
		}
		return nil
	}
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("mock: a rule's bound is no number: " + s)
	}
	return r
}

// list has low..high elements; high 0 is no limit.
func list(r rule, low, high int) rule {
	return func(path []any, v any) *problem {
		l, ok := v.([]any)
		if !ok {
			return mistyped(path, "an array", v)
		}
		if len(l) < low {
			return &problem{kind: tooShort, path: path, want: fmt.Sprint(low), got: "array"}
		}
		if high > 0 && len(l) > high {
			return &problem{kind: tooLong, path: path, want: fmt.Sprint(high), got: fmt.Sprint(len(l))}
		}
		for i, e := range l {
			if p := r(at(path, i), e); p != nil {
				return p
			}
		}
		return nil
	}
}

// mapOf has any names and these values.
func mapOf(r rule) rule {
	return func(path []any, v any) *problem {
		o, ok := v.(map[string]any)
		if !ok {
			return mistyped(path, "an object", v)
		}
		for _, n := range slices.Sorted(maps.Keys(o)) {
			if p := r(at(path, n), o[n]); p != nil {
				return p
			}
		}
		return nil
	}
}

// byKind chooses by the kind of JSON value; a kind without a rule is refused.
type byKind struct {
	text, list, object, number, boolean rule
	want                                string
}

func (k byKind) rule(path []any, v any) *problem {
	var r rule
	switch v.(type) {
	case string:
		r = k.text
	case []any:
		r = k.list
	case map[string]any:
		r = k.object
	case json.Number:
		r = k.number
	case bool:
		r = k.boolean
	}
	if r == nil {
		return mistyped(path, k.want, v)
	}
	return r(path, v)
}

// base64Data is a text in standard base64, not empty.
func base64Data(path []any, v any) *problem {
	if p := nonEmpty(path, v); p != nil {
		return p
	}
	if _, err := base64.StdEncoding.DecodeString(v.(string)); err != nil {
		return problemf(path, "invalid_base64", "Invalid base64 data")
	}
	return nil
}

func mistyped(path []any, want string, v any) *problem {
	return &problem{kind: wrongType, path: path, want: want, got: kindOf(v)}
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "a decimal"
		}
		return "an integer"
	}
	return "an object"
}
