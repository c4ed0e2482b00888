// Package vectortest is what each vector store must pass, and a store in memory
// that passes it: the reference for the others, and what copies are tested with.
package vectortest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"

	"freehold/internal/vector"
)

// Memory is a store in memory. It keeps to its limits and its specs as real ones
// do, and searches by looking at all there is.
type Memory struct {
	Bounds vector.Limits
	// Parts: of several records it cannot write all or none.
	Parts bool
	// Fail, if set, is asked before each request, and its error returned.
	Fail func(doing string) error

	mu     sync.Mutex
	spaces map[string]map[vector.ID]kept
	about  vector.Description
}

// kept is a record with its place in the store's order.
type kept struct {
	vector.Record
	key string
}

// NewMemory makes a store that holds whatever there is.
func NewMemory() *Memory {
	return &Memory{
		Bounds: vector.Limits{
			IDs: []vector.IDKind{vector.TextID, vector.IntegerID, vector.UUIDID}, Nulls: true, Nested: true, Integers: true, Namespace: true, Named: true,
			Forms: []vector.Form{vector.Dense, vector.Sparse, vector.Multi, vector.Binary},
		},
		spaces: map[string]map[vector.ID]kept{},
	}
}

var _ vector.Target = (*Memory)(nil)

func (m *Memory) fail(doing string) error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail(doing)
}

// Describe implements [vector.Source].
func (m *Memory) Describe(context.Context) (*vector.Description, error) {
	if err := m.fail("describe"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.about
	if d.Store == "" {
		return nil, &vector.Error{Trouble: vector.Missing, Store: "memory", Doing: "describe", Message: "there is no collection"}
	}
	d.Namespaces = nil
	for _, name := range slices.Sorted(maps.Keys(m.spaces)) {
		if n := len(m.spaces[name]); n > 0 {
			d.Namespaces = append(d.Namespaces, vector.Namespace{Name: name, Count: int64(n)})
		}
	}
	return &d, nil
}

// Count implements [vector.Source].
func (m *Memory) Count(_ context.Context, namespace string) (int64, error) {
	if err := m.fail("count"); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.spaces[namespace])), nil
}

// Limits implements [vector.Target].
func (m *Memory) Limits() vector.Limits { return m.Bounds }

// Create implements [vector.Target].
func (m *Memory) Create(_ context.Context, d *vector.Description) error {
	if err := m.fail("create"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.about.Store != "" {
		if why := m.about.Holds(d); why != "" {
			return &vector.Error{Trouble: vector.Invalid, Store: "memory", Doing: "create", Message: why}
		}
		return nil
	}
	m.about = vector.Description{Store: "memory", Name: d.Name, Vectors: slices.Clone(d.Vectors), IDs: m.Bounds.IDs}
	return nil
}

// PutWhole implements [vector.Whole].
func (m *Memory) PutWhole(ctx context.Context, namespace string, records []vector.Record) (can bool, err error) {
	if m.Parts {
		return false, nil
	}
	refused := map[vector.ID]string{}
	m.mu.Lock()
	for i := range records {
		if why := m.refuse(&records[i]); why != "" {
			refused[records[i].ID] = why
		}
	}
	m.mu.Unlock()
	if len(refused) > 0 {
		return true, &vector.RefusedError{Records: refused}
	}
	return true, m.Put(ctx, namespace, records)
}

// Put implements [vector.Target].
func (m *Memory) Put(_ context.Context, namespace string, records []vector.Record) error {
	if err := m.fail("put"); err != nil {
		return err
	}
	if m.Bounds.Records > 0 && len(records) > m.Bounds.Records {
		return &vector.Error{Trouble: vector.Invalid, Store: "memory", Doing: "put", Message: fmt.Sprintf("%d records at once", len(records))}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	refused := map[vector.ID]string{}
	for i := range records {
		r := records[i]
		if r.Namespace != namespace {
			return &vector.Error{Trouble: vector.Invalid, Store: "memory", Doing: "put", Message: "a record of another namespace"}
		}
		if why := m.refuse(&r); why != "" {
			refused[r.ID] = why
			continue
		}
		if m.spaces[namespace] == nil {
			m.spaces[namespace] = map[vector.ID]kept{}
		}
		r.Vectors = slices.Clone(r.Vectors)
		for j := range r.Vectors {
			if spec := m.about.Vector(r.Vectors[j].Name); spec.Normalised {
				r.Vectors[j].Dense = normalise(r.Vectors[j].Dense)
			}
		}
		m.spaces[namespace][r.ID] = kept{r, key(r.ID)}
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

func (m *Memory) refuse(r *vector.Record) string {
	if err := r.Check(); err != nil {
		return err.Error()
	}
	if why := m.Bounds.Refuse(r); why != "" {
		return why
	}
	return m.about.Refuse(r)
}

func normalise(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return v
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) / math.Sqrt(sum))
	}
	return out
}

// Delete implements [vector.Target].
func (m *Memory) Delete(_ context.Context, namespace string, ids []vector.ID) error {
	if err := m.fail("delete"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.spaces[namespace], id)
	}
	return nil
}

// key is an id in an order of its own: numbers, UUIDs, texts.
func key(id vector.ID) string {
	if id.Kind() == vector.IntegerID {
		return fmt.Sprintf("0%020d", id.Integer())
	}
	return fmt.Sprintf("%d%s", map[vector.IDKind]int{vector.UUIDID: 1, vector.TextID: 2}[id.Kind()], id)
}

// sorted is what a namespace has with keys above after up to upto, or all.
func (m *Memory) sorted(namespace, after, upto string) []vector.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var in []kept
	for _, r := range m.spaces[namespace] {
		if r.key > after && (upto == "" || r.key <= upto) {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b kept) int { return cmp.Compare(a.key, b.key) })
	out := make([]vector.Record, len(in))
	for i := range in {
		out[i] = in[i].Record
	}
	return out
}

// Units implements [vector.Source].
func (m *Memory) Units(_ context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		all := m.sorted(namespace, after, "")
		for part := range slices.Chunk(all, size) {
			if err := m.fail("list"); err != nil {
				yield(vector.Unit{}, err)
				return
			}
			upto := key(part[len(part)-1].ID)
			if !yield(vector.Unit{Namespace: namespace, After: after, Upto: upto, Next: upto, Count: len(part)}, nil) {
				return
			}
			after = upto
		}
	}
}

// Read implements [vector.Source].
func (m *Memory) Read(_ context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		for part := range slices.Chunk(m.sorted(u.Namespace, u.After, u.Upto), 64) {
			if err := m.fail("read"); err != nil {
				yield(nil, err)
				return
			}
			if !yield(slices.Clone(part), nil) {
				return
			}
		}
	}
}

// Fetch implements [vector.Source].
func (m *Memory) Fetch(_ context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	if err := m.fail("fetch"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []vector.Record
	for _, id := range ids {
		if r, ok := m.spaces[namespace][id]; ok {
			out = append(out, r.Record)
		}
	}
	return out, nil
}

// Search implements [vector.Source].
func (m *Memory) Search(_ context.Context, s vector.Search) ([]vector.Hit, error) {
	if err := m.fail("search"); err != nil {
		return nil, err
	}
	spec := m.about.Vector(s.Query.Name)
	if spec == nil {
		return nil, &vector.Error{Trouble: vector.Invalid, Store: "memory", Doing: "search", Message: fmt.Sprintf("there is no vector %q", s.Query.Name)}
	}
	nearest := vector.NewNearest(spec.Metric, s.K)
	for _, r := range m.sorted(s.Namespace, "", "") {
		if v := r.Vector(s.Query.Name); v != nil && s.Filter.Match(r.Payload) {
			nearest.Add(r.ID, spec.Metric.Score(&s.Query, v))
		}
	}
	return nearest.Hits(), nil
}

// Close implements [vector.Source].
func (m *Memory) Close() error { return nil }
