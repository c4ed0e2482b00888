package pinecone

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/vector"
)

// ParseFilter reads a filter as applications write it, in JSON. nil: an empty one,
// which all records match.
func ParseFilter(text []byte) (*vector.Filter, error) {
	var s structpb.Struct
	if err := protojson.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("filter: it is no JSON object: %w", err)
	}
	return FilterOf(&s)
}

// FilterOf reads a filter as it is on the wire. nil: an empty one.
func FilterOf(s *structpb.Struct) (*vector.Filter, error) {
	if len(s.GetFields()) == 0 {
		return nil, nil
	}
	f, err := filterOf(s, 1)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return &f, nil
}

// depth is how deep filters may be.
const depth = 32

func filterOf(s *structpb.Struct, level int) (vector.Filter, error) {
	if level > depth {
		return vector.Filter{}, fmt.Errorf("it is more than %d levels deep", depth)
	}
	var all []vector.Filter
	for _, name := range names(s) {
		v := s.GetFields()[name]
		switch op := vector.Op(name); {
		case op == vector.And || op == vector.Or:
			f, err := joined(op, v, level)
			if err != nil {
				return f, err
			}
			all = append(all, f)
		case strings.HasPrefix(name, "$"):
			return vector.Filter{}, fmt.Errorf("%s stands where a field's name or $and, $or may", name)
		default:
			fs, err := field(name, v)
			if err != nil {
				return vector.Filter{}, err
			}
			all = append(all, fs...)
		}
	}
	return both(all)
}

// both joins conditions that stand beside each other: all of them hold.
func both(all []vector.Filter) (vector.Filter, error) {
	switch len(all) {
	case 0:
		return vector.Filter{}, fmt.Errorf("an object in it is empty")
	case 1:
		return all[0], nil
	}
	return vector.Filter{Op: vector.And, Of: all}, nil
}

func names(s *structpb.Struct) []string {
	out := make([]string, 0, len(s.GetFields()))
	for name := range s.GetFields() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func joined(op vector.Op, v *structpb.Value, level int) (vector.Filter, error) {
	f := vector.Filter{Op: op}
	if len(v.GetListValue().GetValues()) == 0 {
		return f, fmt.Errorf("%s wants a list of filters", op)
	}
	for _, e := range v.GetListValue().GetValues() {
		if len(e.GetStructValue().GetFields()) == 0 {
			return f, fmt.Errorf("%s wants a list of filters", op)
		}
		one, err := filterOf(e.GetStructValue(), level+1)
		if err != nil {
			return f, err
		}
		f.Of = append(f.Of, one)
	}
	return f, nil
}

// field reads what is asked of one field: a value, or an object of operators.
func field(name string, v *structpb.Value) ([]vector.Filter, error) {
	s, ok := v.GetKind().(*structpb.Value_StructValue)
	if !ok {
		f := vector.Filter{Op: vector.Eq, Field: name, Value: ValueOf(v)}
		if err := operand(&f, v); err != nil {
			return nil, err
		}
		return []vector.Filter{f}, nil
	}
	if len(s.StructValue.GetFields()) == 0 {
		return nil, fmt.Errorf("field %s: nothing is asked of it", name)
	}
	var out []vector.Filter
	for _, op := range names(s.StructValue) {
		f := vector.Filter{Op: vector.Op(op), Field: name}
		if err := operand(&f, s.StructValue.GetFields()[op]); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// operand sets what an operator compares with.
func operand(f *vector.Filter, v *structpb.Value) error {
	bad := func(want string) error { return fmt.Errorf("field %s: %s wants %s", f.Field, f.Op, want) }
	f.Value = ValueOf(v)
	kind := f.Value.Kind()
	switch f.Op {
	case vector.Eq, vector.Ne:
		if kind != vector.Text && kind != vector.Float && kind != vector.Bool {
			return bad("a text, a number or a truth value")
		}
	case vector.Gt, vector.Gte, vector.Lt, vector.Lte:
		if kind != vector.Float {
			return bad("a number")
		}
	case vector.Exists:
		if kind != vector.Bool {
			return bad("true or false")
		}
	case vector.In, vector.Nin:
		if kind != vector.List || len(f.Value.List()) == 0 {
			return bad("a list")
		}
		f.Values, f.Value = f.Value.List(), vector.Value{}
		for i := range f.Values {
			if k := f.Values[i].Kind(); k != vector.Text && k != vector.Float && k != vector.Bool {
				return bad("a list of texts, numbers or truth values")
			}
		}
	default:
		return fmt.Errorf("field %s: %q is no operator: there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists", f.Field, string(f.Op))
	}
	return nil
}

// filterStruct is a filter as it is on the wire; nil for nil.
func filterStruct(f *vector.Filter) *structpb.Struct {
	if f == nil {
		return nil
	}
	one := func(name string, v *structpb.Value) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{name: v}}
	}
	switch f.Op {
	case vector.And, vector.Or:
		list := &structpb.ListValue{}
		for i := range f.Of {
			list.Values = append(list.Values, structpb.NewStructValue(filterStruct(&f.Of[i])))
		}
		return one(string(f.Op), structpb.NewListValue(list))
	case vector.In, vector.Nin:
		list := vector.ListOf(f.Values)
		return one(f.Field, structpb.NewStructValue(one(string(f.Op), structValue(&list))))
	}
	return one(f.Field, structpb.NewStructValue(one(string(f.Op), structValue(&f.Value))))
}
