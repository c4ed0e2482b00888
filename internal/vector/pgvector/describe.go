package pgvector

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"freehold/internal/vector"
)

// Facts of a table.
const (
	FactVersion = "version" // of the extension
	// FactIndex is, with the name of a vector behind it, its index: in a table, as the
	// server describes it; of one that is to be made, hnsw, ivfflat or none.
	FactIndex = "index."
	// FactPayload is the column whose members are fields.
	FactPayload  = "payload"
	FactReadOnly = "read_only"
)

// Describe reads the catalogs, and counts the rows.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	t, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	d, err := t.describe(s.options.Table)
	if err != nil {
		return nil, s.invalid("describe", "%v", err)
	}
	if d.Namespaces, err = s.namespaces(ctx, t); err != nil {
		return nil, err
	}
	return d, s.dimensions(ctx, t, d)
}

func (t *table) describe(name string) (*vector.Description, error) {
	d := &vector.Description{Store: "pgvector", Name: name, IDs: []vector.IDKind{t.idKind()}, Facts: map[string]string{FactVersion: t.version}}
	for i := range t.vectors {
		v := &t.vectors[i]
		if err := v.measured(); err != nil {
			return nil, err
		}
		d.Vectors = append(d.Vectors, v.spec)
		var defs []string
		for _, x := range v.indexes {
			defs = append(defs, x.def)
		}
		switch {
		case len(defs) > 0:
			d.Facts[FactIndex+v.spec.Name] = strings.Join(defs, "; ")
		case v.made != nil && v.made.Index != "":
			d.Facts[FactIndex+v.spec.Name] = "none yet: " + v.made.Index + " is made at the end of a copy"
		default:
			d.Facts[FactIndex+v.spec.Name] = "none: searches look at all records"
		}
	}
	slices.SortFunc(d.Vectors, func(a, b vector.Spec) int { return strings.Compare(a.Name, b.Name) })
	for i := range t.fields {
		c := &t.fields[i]
		d.Fields = append(d.Fields, vector.FieldSpec{Name: c.name, Type: c.typ, Indexed: c.indexed})
	}
	if t.payload != nil {
		d.Facts[FactPayload] = t.payload.name
	}
	if t.readOnly != "" {
		d.Facts[FactReadOnly] = t.readOnly
	}
	return d, nil
}

// dimensions of columns that say none are those of the first record that has one. What
// has others is refused by the target.
func (s *Store) dimensions(ctx context.Context, t *table, d *vector.Description) error {
	for i := range t.vectors {
		v := &t.vectors[i]
		if v.spec.Dim > 0 || v.spec.Form != vector.Dense {
			continue
		}
		sql := fmt.Sprintf("SELECT %[1]s FROM %[2]s WHERE %[1]s IS NOT NULL LIMIT 1", v.quoted, t.sql)
		err := s.query(ctx, "describe", sql, &args{}, func(values [][]byte) error {
			x, err := v.value(values[0])
			d.Vector(v.spec.Name).Dim = len(x.Dense)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
