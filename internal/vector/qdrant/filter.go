package qdrant

import (
	"fmt"
	"math"
	"strings"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// condition translates a filter so that it matches what [vector.Filter.Match]
// does, but for one thing: to Qdrant a field that is an empty list is not there
// ([Store.sift] is for that).
//
// Numbers are compared by ranges and never by Match, which would leave out
// doubles: a record that has 2003.0 is found by 2003.
func condition(f *vector.Filter) (*pb.Condition, error) { return conditionOf(f, false) }

// conditionOf is condition; a wide one leaves out none that the filter matches.
func conditionOf(f *vector.Filter, wide bool) (*pb.Condition, error) {
	switch f.Op {
	case vector.And, vector.Or:
		of := make([]*pb.Condition, len(f.Of))
		for i := range f.Of {
			c, err := conditionOf(&f.Of[i], wide)
			if err != nil {
				return nil, err
			}
			of[i] = c
		}
		if f.Op == vector.And {
			return all(of...), nil
		}
		return some(of...), nil
	}
	key, err := path(f.Field)
	if err != nil {
		return nil, err
	}
	switch f.Op {
	case vector.Exists:
		if f.Value.Bool() && wide {
			return all(), nil
		}
		if f.Value.Bool() {
			return not(pb.NewIsEmpty(key)), nil
		}
		return pb.NewIsEmpty(key), nil
	case vector.Eq:
		return equal(key, &f.Value)
	case vector.Ne:
		c, err := equal(key, &f.Value)
		return not(c), err
	case vector.In:
		return among(key, f.Values)
	case vector.Nin:
		c, err := among(key, f.Values)
		return not(c), err
	case vector.Gt, vector.Gte, vector.Lt, vector.Lte:
		return size(key, f.Op, &f.Value), nil
	}
	return nil, fmt.Errorf("%q is no operator of a filter", f.Op)
}

func all(of ...*pb.Condition) *pb.Condition { return pb.NewFilterAsCondition(&pb.Filter{Must: of}) }

func some(of ...*pb.Condition) *pb.Condition {
	if len(of) == 0 { // an empty list of them is no condition to Qdrant
		return none()
	}
	return pb.NewFilterAsCondition(&pb.Filter{Should: of})
}

func not(of ...*pb.Condition) *pb.Condition {
	return pb.NewFilterAsCondition(&pb.Filter{MustNot: of})
}

// none matches no record.
func none() *pb.Condition { return not(all()) }

func equal(key string, v *vector.Value) (*pb.Condition, error) {
	switch v.Kind() {
	case vector.Text:
		return pb.NewMatch(key, v.Text()), nil
	case vector.Bool:
		return pb.NewMatchBool(key, v.Bool()), nil
	case vector.Int, vector.Float:
		x := float(v)
		return within(key, &pb.Range{Gte: &x, Lte: &x}), nil
	case vector.Null:
		// A field that is null is not there; a list with a null in it is.
		return pb.NewFilterAsCondition(&pb.Filter{Must: []*pb.Condition{pb.NewIsNull(key)}, MustNot: []*pb.Condition{pb.NewIsEmpty(key)}}), nil
	}
	return nil, fmt.Errorf("a field cannot be compared with a %s in Qdrant", v.Kind())
}

func among(key string, values []vector.Value) (*pb.Condition, error) {
	var of []*pb.Condition
	var texts []string
	for i := range values {
		if values[i].Kind() == vector.Text {
			texts = append(texts, values[i].Text())
			continue
		}
		c, err := equal(key, &values[i])
		if err != nil {
			return nil, err
		}
		of = append(of, c)
	}
	if len(texts) > 0 {
		of = append(of, pb.NewMatchKeywords(key, texts...))
	}
	return some(of...), nil
}

// size compares a number. A list is none, though Qdrant looks into it: a record
// where the list has something in it is left out.
func size(key string, op vector.Op, v *vector.Value) *pb.Condition {
	if v.Kind() != vector.Int && v.Kind() != vector.Float {
		return none()
	}
	x := float(v)
	var r pb.Range
	switch op {
	case vector.Gt:
		r.Gt = &x
	case vector.Gte:
		r.Gte = &x
	case vector.Lt:
		r.Lt = &x
	default:
		r.Lte = &x
	}
	return all(within(key, &r), pb.NewIsEmpty(key+"[]"))
}

// within is a range; nothing is in one that has an end that is no number.
func within(key string, r *pb.Range) *pb.Condition {
	for _, x := range []*float64{r.Gt, r.Gte, r.Lt, r.Lte} {
		if x != nil && math.IsNaN(*x) {
			return none()
		}
	}
	return pb.NewRange(key, r)
}

func float(v *vector.Value) float64 {
	if v.Kind() == vector.Int {
		return float64(v.Int())
	}
	return v.Float()
}

// path is a field's name as Qdrant's paths have it: in quotes where it has other
// characters than names of programs have, so that a.b is no b in an a.
func path(name string) (string, error) {
	plain := name != ""
	for _, r := range name {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			plain = false
		}
	}
	if plain {
		return name, nil
	}
	if strings.Contains(name, `"`) {
		return "", fmt.Errorf("field %s cannot be filtered by: paths of Qdrant have no way to write a quotation mark", name)
	}
	return `"` + name + `"`, nil
}
