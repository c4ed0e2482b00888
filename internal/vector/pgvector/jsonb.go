package pgvector

import (
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// deepest is how deep a payload may be, as everywhere in freehold.
const deepest = 64

// appendJSON appends a value so that jsonb keeps its type. jsonb writes numbers anew,
// without exponents, but keeps the digits behind the point: a double has one at least.
func appendJSON(b []byte, v *vector.Value, depth int) (out []byte, why string) {
	if depth > deepest {
		return b, "is deeper than 64"
	}
	switch v.Kind() {
	case vector.Null:
		return append(b, "null"...), ""
	case vector.Bool:
		return strconv.AppendBool(b, v.Bool()), ""
	case vector.Int:
		return strconv.AppendInt(b, v.Int(), 10), ""
	case vector.Float:
		f := v.Float()
		switch {
		case f-f != 0:
			return b, "is " + v.String() + ", which JSON has not"
		case f == 0 && math.Signbit(f):
			return b, "is -0, which jsonb has not: let the plan say as: int"
		}
		return append(b, decimal(f)...), ""
	case vector.Text:
		if why := badText(v.Text()); why != "" {
			return b, why
		}
		return quoted(b, v.Text())
	case vector.List:
		b = append(b, '[')
		for i := range v.List() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, why = appendJSON(b, &v.List()[i], depth+1); why != "" {
				return b, why
			}
		}
		return append(b, ']'), ""
	}
	b = append(b, '{')
	for i, f := range v.Map() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, why = appendMember(b, f.Name, &v.Map()[i].Value, depth); why != "" {
			return b, why
		}
	}
	return append(b, '}'), ""
}

func appendMember(b []byte, name string, v *vector.Value, depth int) (out []byte, why string) {
	if why = badText(name); why != "" {
		return b, "has a field whose name " + strings.TrimPrefix(why, "has ")
	}
	if b, why = quoted(b, name); why != "" {
		return b, why
	}
	return appendJSON(append(b, ':'), v, depth+1)
}

func quoted(b []byte, s string) (out []byte, why string) {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		return b, err.Error()
	}
	return out, ""
}

// decimal is a double in digits, with a point. A whole one has all of its digits, and not
// the few that give it back, so that it equals the integer that it is.
func decimal(f float64) string {
	if f == math.Trunc(f) && f-f == 0 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
