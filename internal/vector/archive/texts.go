package archive

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"freehold/internal/vector"
)

// parser reads such lines.
func (c Columns) parser() parser {
	return parser{c.text, func(line []byte) (vector.Outline, error) {
		r, err := c.text(line)
		return vector.Outline{ID: r.ID, Namespace: r.Namespace}, err
	}}
}

// text reads a line that anybody may have written. What it has of vectors is left out.
func (c Columns) text(line []byte) (vector.Record, error) {
	all, err := vector.ParsePayload(line)
	if err != nil {
		return vector.Record{}, err
	}
	name := cmp.Or(c.ID, "id")
	id, ok := all.Get(name)
	if !ok {
		return vector.Record{}, fmt.Errorf("there is no field %q, which is the record's id: --id names another one", name)
	}
	var r vector.Record
	if r.ID, err = idOf(&id); err != nil {
		return r, err
	}
	var fields []vector.Field
	for _, f := range all {
		switch {
		case f.Name == name, f.Name == "vector", f.Name == "vectors", f.Name == "embedding":
		case f.Name == "namespace" && f.Value.Kind() == vector.Text:
			r.Namespace = f.Value.Text()
		case f.Name == "payload" && f.Value.Kind() == vector.Map:
			fields = append(fields, f.Value.Map()...)
		default:
			fields = append(fields, f)
		}
	}
	n := len(fields)
	if r.Payload = vector.NewPayload(fields); len(r.Payload) < n {
		return r, errors.New("a field stands in the payload, and beside it")
	}
	return r, nil
}

func idOf(v *vector.Value) (vector.ID, error) {
	switch {
	case v.Kind() == vector.Text && v.Text() != "":
		return vector.IDOf(v.Text()), nil
	case v.Kind() == vector.Int && v.Int() >= 0:
		return vector.IntegerIDOf(uint64(v.Int())), nil
	case v.Kind() == vector.Int:
		return vector.IDOf(strconv.FormatInt(v.Int(), 10)), nil
	}
	return vector.ID{}, fmt.Errorf("the id %s is neither a text nor a whole number", v.String())
}
