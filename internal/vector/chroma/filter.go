package chroma

import (
	"encoding/json"
	"errors"
	"fmt"

	"freehold/internal/vector"
)

// errNoWords is of a filter for which Chroma has no words.
var errNoWords = errors.New("there is no such filter in Chroma")

// where translates a filter so that it matches what [vector.Filter.Match] does. Numbers
// are asked for as both of their types, and lists by what is in them.
func (s *Store) where(f *vector.Filter) (json.RawMessage, error) {
	if f.Op == vector.And || f.Op == vector.Or {
		of := make([]json.RawMessage, len(f.Of))
		for i := range f.Of {
			c, err := s.where(&f.Of[i])
			if err != nil {
				return nil, err
			}
			of[i] = c
		}
		if len(of) == 0 {
			return nil, errNoWords
		}
		return joined(f.Op, of)
	}
	if f.Field == s.options.Document || f.Field == uriField || f.Field == "" || f.Op == vector.Exists {
		return nil, errNoWords
	}
	switch f.Op {
	case vector.Eq, vector.In:
		values := f.Values
		if f.Op == vector.Eq {
			values = []vector.Value{f.Value}
		}
		return s.each(f.Field, values, vector.Or, "$eq", "$contains")
	case vector.Ne, vector.Nin:
		values := f.Values
		if f.Op == vector.Ne {
			values = []vector.Value{f.Value}
		}
		return s.each(f.Field, values, vector.And, "$ne", "$not_contains")
	case vector.Gt, vector.Gte, vector.Lt, vector.Lte:
		return s.each(f.Field, []vector.Value{f.Value}, vector.Or, string(f.Op), "")
	}
	return nil, fmt.Errorf("%q is no operator of a filter", f.Op)
}

// each joins the conditions of values.
func (s *Store) each(field string, values []vector.Value, join vector.Op, op, inList string) (json.RawMessage, error) {
	var of []json.RawMessage
	for i := range values {
		v := values[i]
		forms := []vector.Value{v}
		switch v.Kind() {
		case vector.Int:
			if int64(float64(v.Int())) == v.Int() {
				forms = append(forms, vector.FloatOf(float64(v.Int())))
			}
		case vector.Float:
			if v.Whole() {
				forms = append(forms, vector.IntOf(int64(v.Float())))
			}
		case vector.Text, vector.Bool:
			if inList == "" {
				return nil, errNoWords
			}
		default:
			return nil, errNoWords
		}
		for j := range forms {
			text, err := forms[j].AppendJSON(nil)
			if err != nil {
				return nil, errNoWords
			}
			for _, word := range []string{op, inList} {
				if word == "" {
					continue
				}
				c, err := json.Marshal(map[string]map[string]json.RawMessage{field: {word: text}})
				if err != nil {
					return nil, err
				}
				of = append(of, c)
			}
		}
	}
	if len(of) == 0 {
		return nil, errNoWords
	}
	return joined(join, of)
}

func joined(op vector.Op, of []json.RawMessage) (json.RawMessage, error) {
	if len(of) == 1 {
		return of[0], nil
	}
	return json.Marshal(map[vector.Op][]json.RawMessage{op: of})
}
