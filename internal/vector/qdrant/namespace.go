package qdrant

import (
	"slices"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// Qdrant has no namespaces. Where several of another store were put into one collection,
// a field of the payload says which one a record is of, and one of them can be read as
// what it was: its records are in the namespace, and the field is not theirs.

// NamespaceField is the field where none is named, as plans have it.
const NamespaceField = "_namespace"

// within is what holds a request to a namespace, nil where all is read.
func (s *Store) within(doing, namespace string) (*pb.Filter, error) {
	only := s.options.Namespace
	if only == nil {
		return nil, s.oneNamespace(doing, namespace)
	}
	if namespace != *only {
		return nil, s.invalid(doing, "only the namespace %q is read, and %q was asked for", *only, namespace)
	}
	key, err := path(s.options.NamespaceField)
	if err != nil {
		return nil, s.invalid(doing, "%v", err)
	}
	is := pb.NewMatch(key, *only)
	if *only == "" { // records that are of none are of the default one
		is = some(is, pb.NewIsEmpty(key))
	}
	return &pb.Filter{Must: []*pb.Condition{is}}, nil
}

// joined is a filter with one more condition, nil where there is neither.
func joined(f *pb.Filter, c *pb.Condition) *pb.Filter {
	switch {
	case c == nil:
		return f
	case f == nil:
		return &pb.Filter{Must: []*pb.Condition{c}}
	}
	return &pb.Filter{Must: append(slices.Clone(f.Must), c)}
}

// own puts records into the namespace that is read, and leaves those of others out.
func (s *Store) own(records []vector.Record) []vector.Record {
	only := s.options.Namespace
	if only == nil {
		return records
	}
	out := records[:0]
	for i := range records {
		r := &records[i]
		v, there := r.Payload.Get(s.options.NamespaceField)
		empty := !there || v.Kind() == vector.Null || v.Kind() == vector.List && len(v.List()) == 0
		text := vector.TextOf(*only)
		switch {
		case *only == "" && empty, v.Equal(&text), v.Kind() == vector.List && slices.ContainsFunc(v.List(), func(x vector.Value) bool { return x.Equal(&text) }):
			r.Namespace = *only
			r.Payload = slices.DeleteFunc(r.Payload, func(f vector.Field) bool { return f.Name == s.options.NamespaceField })
			out = append(out, *r)
		}
	}
	return out
}

// whole refuses writes where only a namespace is read.
func (s *Store) whole(doing string) error {
	if s.options.Namespace == nil {
		return nil
	}
	return s.invalid(doing, "namespace= reads one namespace, and nothing is written so: take it away, and name the namespace in the field %s", s.options.NamespaceField)
}
