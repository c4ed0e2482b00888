package mock

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"sort"
	"strings"
)

// sample is a value that satisfies a JSON schema, chosen by key. It knows the
// words of structured outputs: types, enum, const, properties, items, bounds,
// formats, anyOf, oneOf, allOf and local references; not pattern, not, if.
func sample(schema any, key uint64) any {
	return (&sampler{root: schema}).value(schema, key, 0)
}

type sampler struct{ root any }

func (s *sampler) value(schema any, key uint64, depth int) any {
	o, ok := schema.(map[string]any)
	if !ok {
		return prose(key).words(0, 2) // true: anything
	}
	if ref, ok := o["$ref"].(string); ok {
		if depth > 64 {
			return nil
		}
		return s.value(s.find(ref), key, depth+1)
	}
	if c, ok := o["const"]; ok {
		return c
	}
	if e, ok := o["enum"].([]any); ok && len(e) > 0 {
		return e[key%uint64(len(e))]
	}
	if all, ok := o["allOf"].([]any); ok {
		return s.value(s.merge(o, all), key, depth+1)
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if of, ok := o[word].([]any); ok && len(of) > 0 {
			pick := of[mix(key)%uint64(len(of))]
			if depth > 6 {
				pick = s.shallow(of)
			}
			rest := map[string]any{}
			for k, v := range o {
				if k != word {
					rest[k] = v
				}
			}
			return s.value(s.merge(rest, []any{pick}), mix(key+1), depth+1)
		}
	}
	switch t := o["type"].(type) {
	case string:
		return s.typed(t, o, key, depth)
	case []any:
		if len(t) > 0 {
			name := t[key%uint64(len(t))]
			if depth > 6 && slices.Contains(t, any("null")) {
				name = "null"
			}
			if n, ok := name.(string); ok {
				return s.typed(n, o, key, depth)
			}
		}
	}
	if o["properties"] != nil {
		return s.typed("object", o, key, depth)
	}
	if o["items"] != nil {
		return s.typed("array", o, key, depth)
	}
	return s.typed("string", o, key, depth)
}

// shallow prefers an alternative that does not go deeper.
func (s *sampler) shallow(of []any) any {
	for _, a := range of {
		if o, ok := a.(map[string]any); ok && o["$ref"] == nil && o["properties"] == nil && o["items"] == nil {
			return a
		}
	}
	return of[0]
}

func (s *sampler) typed(t string, o map[string]any, key uint64, depth int) any {
	switch t {
	case "null":
		return nil
	case "boolean":
		return key%2 == 0
	case "integer":
		return s.number(o, key, true)
	case "number":
		return s.number(o, key, false)
	case "array":
		n := whole(o["minItems"], 0)
		if n == 0 && depth <= 6 {
			n = 1 + int(key%2)
		}
		if high := whole(o["maxItems"], math.MaxInt32); n > high {
			n = high
		}
		out := make([]any, 0, n)
		prefix, _ := o["prefixItems"].([]any)
		for i := range n {
			of := o["items"]
			if i < len(prefix) {
				of = prefix[i]
			}
			out = append(out, s.value(of, mix(key+uint64(i)), depth+1))
		}
		return out
	case "object":
		out := map[string]any{}
		props, _ := o["properties"].(map[string]any)
		required, _ := o["required"].([]any)
		for _, n := range slices.Sorted(maps.Keys(props)) {
			if depth > 6 && !slices.Contains(required, any(n)) {
				continue
			}
			out[n] = s.value(props[n], hash(key, n), depth+1)
		}
		for _, r := range required {
			if n, ok := r.(string); ok {
				if _, there := out[n]; !there {
					out[n] = s.value(o["additionalProperties"], hash(key, n), depth+1)
				}
			}
		}
		return out
	}
	return s.text(o, key)
}

func (s *sampler) text(o map[string]any, key uint64) string {
	switch o["format"] {
	case "date-time":
		return "2024-05-17T08:30:00Z"
	case "date":
		return "2024-05-17"
	case "time":
		return "08:30:00Z"
	case "duration":
		return "PT90S"
	case "email":
		return "someone@example.com"
	case "hostname":
		return "host.example.com"
	case "ipv4":
		return "192.0.2.1"
	case "ipv6":
		return "2001:db8::1"
	case "uuid":
		return "3f2c8a52-5d0e-4f6a-9b7e-2a1c0d9e8f70"
	case "uri":
		return "https://example.com/a"
	}
	t := strings.TrimSuffix(prose(key).words(0, 3), ".")
	r := []rune(t)
	for len(r) < whole(o["minLength"], 0) {
		r = append(r, 'x')
	}
	if high := whole(o["maxLength"], math.MaxInt32); len(r) > high {
		r = r[:high]
	}
	return string(r)
}

// number is the least value of the bounds, or a small one.
func (s *sampler) number(o map[string]any, key uint64, isInt bool) any {
	x := new(big.Rat).SetInt64(int64(key % 100))
	step := big.NewRat(1, 1)
	if m, ok := decimal(o["multipleOf"]); ok && m.Sign() > 0 {
		step = m
		if isInt && !m.IsInt() {
			step = new(big.Rat).SetInt(m.Num()) // n/d times d
		}
		x.SetInt64(0)
	} else if !isInt {
		x.Add(x, big.NewRat(1, 2))
	}
	// multiple is the least multiple of step that is at least x.
	multiple := func(x *big.Rat) *big.Rat {
		q := new(big.Rat).Quo(x, step)
		n := new(big.Int).Div(q.Num(), q.Denom())
		if !q.IsInt() {
			n.Add(n, big.NewInt(1))
		}
		return new(big.Rat).Mul(new(big.Rat).SetInt(n), step)
	}
	inside := func(x *big.Rat) bool {
		if b, ok := decimal(o["minimum"]); ok && x.Cmp(b) < 0 {
			return false
		}
		if b, ok := decimal(o["exclusiveMinimum"]); ok && x.Cmp(b) <= 0 {
			return false
		}
		if b, ok := decimal(o["maximum"]); ok && x.Cmp(b) > 0 {
			return false
		}
		if b, ok := decimal(o["exclusiveMaximum"]); ok && x.Cmp(b) >= 0 {
			return false
		}
		return true
	}
	candidates := []*big.Rat{x}
	for _, word := range []string{"minimum", "exclusiveMinimum"} {
		if b, ok := decimal(o[word]); ok {
			m := multiple(b)
			candidates = append(candidates, m, new(big.Rat).Add(m, step), b)
		}
	}
	for _, word := range []string{"maximum", "exclusiveMaximum"} {
		if b, ok := decimal(o[word]); ok {
			m := multiple(b)
			candidates = append(candidates, new(big.Rat).Sub(m, step), m, b)
		}
	}
	low, hasLow := decimal(first(o, "minimum", "exclusiveMinimum"))
	high, hasHigh := decimal(first(o, "maximum", "exclusiveMaximum"))
	if hasLow && hasHigh && !isInt {
		mid := new(big.Rat).Add(low, high)
		candidates = append(candidates, mid.Quo(mid, big.NewRat(2, 1)))
	}
	for _, c := range candidates {
		if inside(c) && (!isInt || c.IsInt()) {
			if o["multipleOf"] == nil || new(big.Rat).Quo(c, step).IsInt() {
				return rational(c)
			}
		}
	}
	return rational(x)
}

func rational(x *big.Rat) json.Number {
	if x.IsInt() {
		return json.Number(x.Num().String())
	}
	return json.Number(strings.TrimRight(x.FloatString(12), "0"))
}

func first(o map[string]any, names ...string) any {
	for _, n := range names {
		if v, ok := o[n]; ok {
			return v
		}
	}
	return nil
}

func decimal(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

func whole(v any, otherwise int) int {
	if n, ok := v.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return int(i)
		}
	}
	return otherwise
}

// merge lays the schemas of all over o.
func (s *sampler) merge(o map[string]any, all []any) map[string]any {
	out := map[string]any{}
	for k, v := range o {
		if k != "allOf" {
			out[k] = v
		}
	}
	for _, a := range all {
		m, ok := a.(map[string]any)
		for ok && m["$ref"] != nil {
			ref, _ := m["$ref"].(string)
			next, isMap := s.find(ref).(map[string]any)
			if !isMap || len(m) > 1 {
				break
			}
			m = next
		}
		for k, v := range m {
			switch old := out[k].(type) {
			case map[string]any:
				if n, ok := v.(map[string]any); ok {
					both := map[string]any{}
					for a, b := range old {
						both[a] = b
					}
					for a, b := range n {
						both[a] = b
					}
					v = both
				}
			case []any:
				if n, ok := v.([]any); ok && k == "required" {
					v = append(slices.Clone(old), n...)
				}
			}
			out[k] = v
		}
	}
	return out
}

// find follows a local reference (#/$defs/name).
func (s *sampler) find(ref string) any {
	v := s.root
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if step == "" {
			continue
		}
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	return v
}

// closing is the least text that makes a whole JSON value of a beginning of
// one. It reports false if none can.
func closing(begin string) (string, bool) {
	candidates := []string{"", `"`, "0", `""`, `:0`, `":0`, `"":0`, `":0`, "rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l",
		`0"`, `00"`, `000"`, `0000"`}
	ends := brackets(begin)
	sort.SliceStable(candidates, func(i, j int) bool { return len(candidates[i]) < len(candidates[j]) })
	for _, c := range candidates {
		if t := c + ends; json.Valid([]byte(begin + t)) {
			return t, true
		}
	}
	return "", false
}

// brackets closes what is open outside of strings.
func brackets(s string) string {
	var open []byte
	inside, escaped := false, false
	for i := range len(s) {
		c := s[i]
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case inside:
		case c == '{':
			open = append(open, '}')
		case c == '[':
			open = append(open, ']')
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	slices.Reverse(open)
	return string(open)
}
