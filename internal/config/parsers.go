package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// scalarKind says how a single value of one Go type is read.
type scalarKind struct {
	want   string // what it is, for messages: "a duration"
	hint   string
	values []string // of an enum
	bool   bool     // true and false are welcome
	parse  func(string) (any, error)
}

// scalarParser finds how a type is read; nil for what is not a single value.
func scalarParser(t reflect.Type, l limits) *scalarKind {
	switch t {
	case typeDuration:
		return &scalarKind{want: "a duration", hint: "write a number with a unit: 500ms, 30s, 10m, 90d", parse: func(s string) (any, error) { return parseDuration(s) }}
	case typeSize:
		return &scalarKind{want: "a size", hint: "write a number with a unit: 64KiB, 32MiB", parse: func(s string) (any, error) { return parseSize(s) }}
	case typeDecimal:
		return &scalarKind{want: "a price", hint: `write USD per million tokens as a decimal: "0.15"`, parse: func(s string) (any, error) { return parsePrice(s) }}
	case typePrefix:
		return &scalarKind{want: "a network", hint: "write a CIDR: 10.0.0.0/8 or fd00::/8", parse: func(s string) (any, error) { return parsePrefix(s) }}
	case typeHedge:
		return &scalarKind{want: "a percentile or a duration", hint: "write p95 or 800ms", parse: func(s string) (any, error) { return parseHedgeAfter(s) }}
	case typeYesNo:
		return &scalarKind{want: "yes or no", hint: "write yes or no", bool: true, parse: func(s string) (any, error) { return parseYesNo(s) }}
	case typeDate:
		return &scalarKind{want: "a day", hint: "write YYYY-MM-DD", parse: func(s string) (any, error) { return parseDate(s) }}
	case typeBudget:
		return &scalarKind{want: "a limit", hint: "write money as 500 USD, or tokens as 2M tokens", parse: func(s string) (any, error) { return parseBudgetLimit(s) }}
	case typeShare:
		return &scalarKind{want: "a share", hint: "write 5% or 0.05", parse: func(s string) (any, error) {
			v, err := ParseShare(s)
			if err == nil {
				err = l.check(float64(v))
			}
			return v, err
		}}
	case typeTolerance:
		return &scalarKind{want: "a tolerance", hint: "write 0.01, or a share of the number: 1%", parse: func(s string) (any, error) { return ParseTolerance(s) }}
	case typePath:
		return &scalarKind{want: "a file name", parse: func(s string) (any, error) { return Path(s), notEmpty(s) }}
	}
	if en, ok := reflect.Zero(t).Interface().(enum); ok {
		return enumParser(en)
	}
	switch t.Kind() {
	case reflect.String:
		return &scalarKind{want: "a text", parse: func(s string) (any, error) { return s, notEmpty(s) }}
	case reflect.Bool:
		return &scalarKind{want: "true or false", hint: "write true or false", bool: true, parse: parseBool}
	case reflect.Int:
		return &scalarKind{want: "a whole number", parse: func(s string) (any, error) {
			i, err := strconv.ParseInt(s, 10, 32)
			if err != nil {
				return 0, fmt.Errorf("%q is not a whole number", s)
			}
			return int(i), l.check(float64(i))
		}}
	case reflect.Float64:
		return &scalarKind{want: "a number", parse: func(s string) (any, error) {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || f != f || f-f != 0 {
				return 0, fmt.Errorf("%q is not a number", s)
			}
			return f, l.check(f)
		}}
	}
	return nil
}

func enumParser(en enum) *scalarKind {
	vals := en.values()
	return &scalarKind{want: oneOf(vals), values: vals, parse: func(s string) (any, error) {
		if !slices.Contains(vals, s) {
			return nil, fmt.Errorf("%q is not %s", s, oneOf(vals))
		}
		return s, nil
	}}
}

func oneOf(vals []string) string {
	if len(vals) == 1 {
		return vals[0]
	}
	return "one of " + strings.Join(vals, ", ")
}

func parseBool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, fmt.Errorf("%q is neither true nor false", s)
}

func notEmpty(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("is empty")
	}
	return nil
}
