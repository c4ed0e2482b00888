package vector

import (
	"fmt"
	"strings"
)

// Op is what a filter asks of a field, or how it joins others.
type Op string

// The operators. The names are those of Pinecone's filters, which are the ones
// that applications write.
const (
	And    Op = "$and"
	Or     Op = "$or"
	Eq     Op = "$eq"
	Ne     Op = "$ne"
	Gt     Op = "$gt"
	Gte    Op = "$gte"
	Lt     Op = "$lt"
	Lte    Op = "$lte"
	In     Op = "$in"
	Nin    Op = "$nin"
	Exists Op = "$exists"
)

// Filter is what a record's payload must be. A field that is a list matches Eq and
// In where one of its elements does; Ne and Nin are their opposites. A record
// without the field matches Ne, Nin and Exists false, and nothing else. Text is
// compared by Eq, Ne, In and Nin only, numbers by size whatever their kind.
type Filter struct {
	Op     Op
	Of     []Filter // of And and Or
	Field  string
	Value  Value   // of Eq to Lte; a Bool of Exists
	Values []Value // of In and Nin
}

// Match reports whether a payload is what the filter asks for; nil matches all.
func (f *Filter) Match(p Payload) bool {
	if f == nil {
		return true
	}
	switch f.Op {
	case And:
		for i := range f.Of {
			if !f.Of[i].Match(p) {
				return false
			}
		}
		return true
	case Or:
		for i := range f.Of {
			if f.Of[i].Match(p) {
				return true
			}
		}
		return false
	}
	v, there := p.Get(f.Field)
	there = there && v.kind != Null
	switch f.Op {
	case Exists:
		return there == f.Value.Bool()
	case Eq:
		return there && hasOne(&v, &f.Value)
	case Ne:
		return !there || !hasOne(&v, &f.Value)
	case In:
		return there && f.among(&v)
	case Nin:
		return !there || !f.among(&v)
	}
	x, ok := number(&v)
	y, both := number(&f.Value)
	if !there || !ok || !both {
		return false
	}
	switch f.Op {
	case Gt:
		return x > y
	case Gte:
		return x >= y
	case Lt:
		return x < y
	case Lte:
		return x <= y
	}
	return false
}

func (f *Filter) among(v *Value) bool {
	for i := range f.Values {
		if hasOne(v, &f.Values[i]) {
			return true
		}
	}
	return false
}

// hasOne reports whether a value, or one of a list's, is w.
func hasOne(v, w *Value) bool {
	if v.kind == List {
		for i := range v.list {
			if alike(&v.list[i], w) {
				return true
			}
		}
		return false
	}
	return alike(v, w)
}

func alike(v, w *Value) bool {
	if x, ok := number(v); ok {
		y, both := number(w)
		return both && x == y
	}
	return v.Equal(w)
}

func number(v *Value) (float64, bool) {
	switch v.kind {
	case Int:
		return float64(v.Int()), true
	case Float:
		return v.Float(), true
	}
	return 0, false
}

// String shows the filter to people.
func (f *Filter) String() string {
	switch {
	case f == nil:
		return "all"
	case f.Op == And || f.Op == Or:
		parts := make([]string, len(f.Of))
		for i := range f.Of {
			parts[i] = f.Of[i].String()
		}
		return "(" + strings.Join(parts, " "+string(f.Op[1:])+" ") + ")"
	case f.Op == In || f.Op == Nin:
		return fmt.Sprintf("%s %s a list of %d", f.Field, f.Op, len(f.Values))
	}
	return fmt.Sprintf("%s %s %s", f.Field, f.Op, f.Value.String())
}
