package jsondoor

import (
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Schema says what a value's inside is to be remembered as. A nil Schema
// remembers the value as a whole. A Schema may describe both an object and an
// array: the value's own shape decides. Schemas are immutable once used.
type Schema struct {
	fields map[string]field
	sized  [][]field         // the same by the length of their names
	folded map[string]string // folded name -> known name
	lower  bool              // all known names are lower-case ASCII
	open   bool              // the object's members are remembered but none is known
	elem   *Schema
	array  bool
}

// field is a known member: its name, and what is inside its value.
type field struct {
	name   string
	inside *Schema
}

// Fields are the members a protocol object knows, with what is inside them.
type Fields map[string]*Schema

// ObjectOf describes a protocol object: all its members are remembered, and
// case variants of those in f are refused.
func ObjectOf(f Fields) *Schema {
	s := &Schema{fields: make(map[string]field, len(f)), folded: make(map[string]string, len(f)), lower: true}
	for name, inside := range f {
		s.fields[name] = field{name, inside}
		for len(s.sized) <= len(name) {
			s.sized = append(s.sized, nil)
		}
		s.sized[len(name)] = append(s.sized[len(name)], field{name, inside})
		s.folded[fold(name)] = name
		s.lower = s.lower && plainLower([]byte(name))
	}
	return s
}

// ArrayOf describes an array whose elements are remembered as e says.
func ArrayOf(e *Schema) *Schema { return &Schema{array: true, elem: e} }

// Either describes a value that is an object like o or an array like a.
func Either(o, a *Schema) *Schema {
	s := *o
	s.array, s.elem = true, a.elem
	return &s
}

// Everything remembers every value inside and knows no names: for reading a
// subtree that the protocol leaves open.
var Everything = everything()

func everything() *Schema {
	s := &Schema{open: true, array: true}
	s.elem = s
	return s
}

// Extend returns a copy of an object's schema that knows more (or describes
// members anew).
func (s *Schema) Extend(f Fields) *Schema {
	all := make(Fields, len(s.fields)+len(f))
	for k, v := range s.fields {
		all[k] = v.inside
	}
	maps.Copy(all, f)
	out := ObjectOf(all)
	out.array, out.elem = s.array, s.elem
	return out
}

// lookup returns the known member called name, nil for none.
func (s *Schema) lookup(name []byte) *field {
	if len(name) >= len(s.sized) {
		return nil
	}
	list := s.sized[len(name)]
	for i := range list {
		if list[i].name == string(name) {
			return &list[i]
		}
	}
	return nil
}

// Knows reports whether a protocol object knows a member called name.
func (s *Schema) Knows(name string) bool {
	_, ok := s.fields[name]
	return ok
}

// variant returns the known name that name (unknown itself) is a variant of.
func (s *Schema) variant(name []byte) (string, bool) {
	if s.lower && plainLower(name) {
		return "", false // its only folding is itself
	}
	known, ok := s.folded[fold(string(name))]
	return known, ok
}

// plainLower reports whether name is ASCII without upper-case letters.
func plainLower(name []byte) bool {
	for _, c := range name {
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// fold maps all strings that are equal under Unicode simple case folding to
// one of them.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		lowest := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			lowest = min(lowest, f)
		}
		return lowest
	}, s)
}
