package weaviate

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"freehold/internal/vector"
)

const (
	maxPage   = 1000 // objects of a page; a server gives 10,000 by default
	readBytes = 4 << 20
)

// object is an object of a page.
type object struct {
	id     string
	record vector.Record
}

// raw is an object as the server has it.
type raw struct {
	ID         string                    `json:"id"`
	Properties jsontext.Value            `json:"properties"`
	Vector     jsontext.Value            `json:"vector"`
	Vectors    map[string]jsontext.Value `json:"vectors"`
}

// page lists objects behind an id, in the order of ids; of an object's record there is
// nothing but the id where vectors are not asked for. size is that of the answer.
func (s *Store) page(ctx context.Context, doing string, c *class, namespace, after string, limit int, whole bool) (out []object, size int, err error) {
	q := url.Values{"class": {c.Name}, "limit": {strconv.Itoa(limit)}, "after": {after}}
	if namespace != "" {
		q.Set("tenant", namespace)
	}
	if whole {
		q.Set("include", "vector")
	}
	var got struct {
		Objects []jsontext.Value `json:"objects"`
	}
	if err := s.get(ctx, doing, "/objects?"+q.Encode(), &got); err != nil {
		return nil, 0, err
	}
	out = make([]object, len(got.Objects))
	for i, text := range got.Objects {
		size += len(text)
		if out[i], err = s.object(doing, c, namespace, text, whole); err != nil {
			return nil, 0, err
		}
		// Ids are written alike, so that their texts have the order of their bytes.
		if out[i].id <= after {
			return nil, 0, s.invalid(doing, "%s comes behind %s: the server does not list in the order of ids", out[i].id, after)
		}
		after = out[i].id
	}
	return out, size, nil
}

// Units lists ids. The listing has the properties too, which the server cannot leave out.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		c, err := s.known(ctx)
		if err == nil {
			err = s.tenant("list", c, namespace)
		}
		for err == nil {
			var objects []object
			objects, _, err = s.page(ctx, "list", c, namespace, after, min(max(size, 1), maxPage), false)
			if err != nil {
				break
			}
			if len(objects) == 0 {
				return
			}
			upto := objects[len(objects)-1].id
			if !yield(vector.Unit{Namespace: namespace, After: after, Upto: upto, Next: upto, Count: len(objects)}, nil) {
				return
			}
			after = upto
		}
		yield(vector.Unit{}, err)
	}
}

// Read reads a unit by the ids between which it is.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		c, err := s.known(ctx)
		if err == nil {
			err = s.tenant("read", c, u.Namespace)
		}
		for after := u.After; err == nil && after < u.Upto; {
			limit := s.batch()
			var objects []object
			var size int
			objects, size, err = s.page(ctx, "read", c, u.Namespace, after, limit, true)
			if err != nil {
				break
			}
			if len(objects) == 0 {
				return
			}
			s.size.Store(int64(size/len(objects) + 1))
			after = objects[len(objects)-1].id
			var records []vector.Record
			for i := range objects {
				if objects[i].id <= u.Upto {
					records = append(records, objects[i].record)
				}
			}
			if len(records) > 0 && !yield(records, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// batch is how many objects are read at once: a few while their size is unknown.
func (s *Store) batch() int {
	size := s.size.Load()
	if size == 0 {
		return 50
	}
	return int(max(1, min(maxPage, readBytes/size)))
}

// Fetch gets objects one by one: there is no request for several.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) (out []vector.Record, err error) {
	c, err := s.known(ctx)
	if err == nil {
		err = s.tenant("fetch", c, namespace)
	}
	if err != nil {
		return nil, err
	}
	q := url.Values{"include": {"vector"}}
	if namespace != "" {
		q.Set("tenant", namespace)
	}
	for _, id := range ids {
		if id.Kind() != vector.UUIDID {
			continue
		}
		var text jsontext.Value
		err := s.get(ctx, "fetch", "/objects/"+c.Name+"/"+id.String()+"?"+q.Encode(), &text)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		o, err := s.object("fetch", c, namespace, text, true)
		if err != nil {
			return nil, err
		}
		out = append(out, o.record)
	}
	return out, nil
}

// object reads one object.
func (s *Store) object(doing string, c *class, namespace string, text jsontext.Value, whole bool) (o object, err error) {
	var in raw
	if err := decode(text, &in); err != nil {
		return o, s.invalid(doing, "an object: %v", err)
	}
	id, err := uuid.Parse(in.ID)
	if err != nil {
		return o, s.invalid(doing, "an object has the id %.50q", in.ID)
	}
	o.id = id.String()
	o.record = vector.Record{ID: vector.UUIDOf(id), Namespace: namespace}
	if !whole {
		return o, nil
	}
	if o.record.Payload, err = c.payload(in.Properties); err != nil {
		return o, s.invalid(doing, "object %s: %v", o.id, err)
	}
	for i := range c.specs {
		spec := &c.specs[i]
		value := in.Vector
		if spec.Name != "" {
			value = in.Vectors[spec.Name]
		}
		v := vector.Vector{Name: spec.Name}
		if err := read(spec.Form, value, &v); err != nil {
			return o, s.invalid(doing, "object %s: vector %q: %v", o.id, spec.Name, err)
		}
		if len(v.Dense) > 0 {
			o.record.Vectors = append(o.record.Vectors, v)
		}
	}
	return o, nil
}

var comma = []byte(",")

func read(form vector.Form, raw jsontext.Value, to *vector.Vector) error {
	if len(raw) == 0 || raw.Kind() == 'n' {
		return nil
	}
	if form != vector.Multi {
		return numbers(raw, to)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return fmt.Errorf("%.20q where a list of vectors should be", raw)
	}
	width := 0
	for d.PeekKind() == '[' {
		row, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := numbers(row, to); err != nil {
			return err
		}
		if to.Rows++; to.Rows == 1 {
			width = len(to.Dense)
		}
		if len(to.Dense) != width*to.Rows {
			return fmt.Errorf("its rows are not of one length")
		}
	}
	return nil
}

// numbers adds those of a list.
func numbers(raw jsontext.Value, to *vector.Vector) error {
	if raw.Kind() != '[' {
		return fmt.Errorf("%.20q where a vector should be", raw)
	}
	raw = raw[1 : len(raw)-1]
	if to.Dense == nil {
		to.Dense = make([]float32, 0, bytes.Count(raw, comma)+1)
	}
	for len(raw) > 0 {
		var one []byte
		one, raw, _ = bytes.Cut(raw, comma)
		if one = bytes.TrimSpace(one); len(one) == 0 {
			continue // an empty one: what is between commas has been checked
		}
		f, err := strconv.ParseFloat(string(one), 32)
		if err != nil {
			return fmt.Errorf("%.20q for a number", one)
		}
		to.Dense = append(to.Dense, float32(f))
	}
	return nil
}
