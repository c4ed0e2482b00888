package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// text reads a line that anybody may have written. What it has of vectors is left out.
func (c Columns) text(line []byte) (vector.Record, error) {
	d := jsontext.NewDecoder(bytes.NewReader(line))
	all, err := vector.ReadPayload(d)
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
