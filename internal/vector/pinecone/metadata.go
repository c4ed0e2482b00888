package pinecone

import (
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/vector"
)

// PayloadOf is metadata as a payload. All numbers are doubles, as they are in
// Pinecone.
func PayloadOf(s *structpb.Struct) vector.Payload {
	if len(s.GetFields()) == 0 {
		return nil
	}
	fields := make([]vector.Field, 0, len(s.GetFields()))
	for name, v := range s.GetFields() {
		fields = append(fields, vector.Field{Name: name, Value: ValueOf(v)})
	}
	return vector.NewPayload(fields)
}

// ValueOf is a value of metadata.
func ValueOf(v *structpb.Value) vector.Value {
	switch k := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return vector.BoolOf(k.BoolValue)
	case *structpb.Value_NumberValue:
		return vector.FloatOf(k.NumberValue)
	case *structpb.Value_StringValue:
		return vector.TextOf(k.StringValue)
	case *structpb.Value_ListValue:
		list := make([]vector.Value, len(k.ListValue.GetValues()))
		for i, e := range k.ListValue.GetValues() {
			list[i] = ValueOf(e)
		}
		return vector.ListOf(list)
	case *structpb.Value_StructValue:
		return vector.MapOf(PayloadOf(k.StructValue))
	}
	return vector.Value{}
}

// StructOf is a payload as metadata. An error names what metadata cannot have.
func StructOf(p vector.Payload) (*structpb.Struct, error) {
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(p))}
	for i := range p {
		if err := CheckField(&p[i]); err != nil {
			return nil, err
		}
		out.Fields[p[i].Name] = structValue(&p[i].Value)
	}
	return out, nil
}

func structValue(v *vector.Value) *structpb.Value {
	switch v.Kind() {
	case vector.Bool:
		return structpb.NewBoolValue(v.Bool())
	case vector.Int:
		return structpb.NewNumberValue(float64(v.Int()))
	case vector.Float:
		return structpb.NewNumberValue(v.Float())
	case vector.Text:
		return structpb.NewStringValue(v.Text())
	}
	list := &structpb.ListValue{Values: make([]*structpb.Value, len(v.List()))}
	for i := range v.List() {
		list.Values[i] = structValue(&v.List()[i])
	}
	return structpb.NewListValue(list)
}

// CheckField says what of a field metadata cannot have.
func CheckField(f *vector.Field) error {
	bad := func(what string) error { return fmt.Errorf("field %s %s, which metadata cannot have", f.Name, what) }
	switch f.Value.Kind() {
	case vector.Null:
		return bad("is null")
	case vector.Map:
		return bad("is a map")
	case vector.Float:
		if x := f.Value.Float(); math.IsNaN(x) || math.IsInf(x, 0) {
			return bad("is not a finite number")
		}
	case vector.Int:
		if n := f.Value.Int(); int64(float64(n)) != n || n == math.MaxInt64 {
			return bad("is a whole number that no double is")
		}
	case vector.List:
		for i := range f.Value.List() {
			if f.Value.List()[i].Kind() != vector.Text {
				return bad("is a list of other things than texts")
			}
		}
	}
	return nil
}

// MetadataSize is how many bytes metadata has as JSON, which is what its limit
// counts.
func MetadataSize(p vector.Payload) int {
	n := 2 + max(0, len(p)-1)
	for i := range p {
		n += jsonText(p[i].Name) + 1 + jsonSize(&p[i].Value)
	}
	return n
}

func jsonSize(v *vector.Value) int {
	switch v.Kind() {
	case vector.Bool:
		if v.Bool() {
			return 4
		}
		return 5
	case vector.Text:
		return jsonText(v.Text())
	case vector.List:
		n := 2 + max(0, len(v.List())-1)
		for i := range v.List() {
			n += jsonSize(&v.List()[i])
		}
		return n
	case vector.Int:
		return jsonNumber(float64(v.Int()))
	}
	return jsonNumber(v.Float())
}

func jsonNumber(f float64) int {
	form := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		form = 'e'
	}
	var room [400]byte // of the longest in either form
	return len(strconv.AppendFloat(room[:0], f, form, -1, 64))
}

func jsonText(s string) int {
	n := 2
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
			n += 2
		case c < 0x20:
			n += 6
		default:
			n++
		}
	}
	return n
}
