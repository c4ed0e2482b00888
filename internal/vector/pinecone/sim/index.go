package sim

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// index is an index with all that it has.
type index struct {
	Index
	name  string
	host  string
	ready time.Time // from when it is

	limits map[string]*limiter // by operation

	mu     sync.RWMutex
	spaces map[string]*space
	// shown are the counts that are told; late are changes not yet among them.
	shown map[string]int64
	late  []change
	lag   time.Duration
	clock func() time.Time
}

// space is a namespace.
type space struct {
	records map[string]*wire.Vector
	sorted  []string // the ids, where order is true
	order   bool
}

// change is of a count.
type change struct {
	at        time.Time
	namespace string
	by        int64
	gone      bool // the namespace is
}

func newIndex(i Index, host string, o Options) *index {
	ix := &index{Index: i, name: i.Name, host: host, ready: o.Clock().Add(o.Ready), spaces: map[string]*space{}, shown: map[string]int64{}, lag: o.Lag, clock: o.Clock, limits: map[string]*limiter{}}
	writes, queries := &limiter{rate: o.Upserts}, &limiter{rate: o.Queries}
	fetches, lists := &limiter{rate: o.Fetches}, &limiter{rate: o.Lists}
	for _, op := range []string{"upsert", "update", "delete"} {
		ix.limits[op] = writes
	}
	ix.limits["query"], ix.limits["list"] = queries, lists
	ix.limits["fetch"], ix.limits["fetch_by_metadata"] = fetches, fetches
	return ix
}

func (ix *index) contract() plane.Contract {
	return plane.Contract{VectorType: ix.VectorType, Dimension: ix.Dimension, Metric: ix.Metric}
}

func (ix *index) limiter(op string) *limiter { return ix.limits[op] }

func compare(a, b string) int { return strings.Compare(a, b) }

// defaultNamespace is another name of the namespace without one.
const defaultNamespace = "__default__"

func plain(namespace string) string {
	if namespace == defaultNamespace {
		return ""
	}
	return namespace
}

// counted notes a change of a count; the lock is held.
func (ix *index) counted(namespace string, by int64, gone bool) {
	if by != 0 || gone {
		ix.late = append(ix.late, change{ix.clock(), namespace, by, gone})
	}
}

// counts are those that are told now; the lock is held.
func (ix *index) counts() map[string]int64 {
	until := ix.clock().Add(-ix.lag)
	n := 0
	for ; n < len(ix.late) && !ix.late[n].at.After(until); n++ {
		c := ix.late[n]
		if ix.shown[c.namespace] += c.by; c.gone {
			delete(ix.shown, c.namespace)
		}
	}
	ix.late = slices.Delete(ix.late, 0, n)
	return ix.shown
}

// space is a namespace, made where it is not there; the lock is held.
func (ix *index) space(name string) *space {
	sp := ix.spaces[name]
	if sp == nil {
		sp = &space{records: map[string]*wire.Vector{}, order: true}
		ix.spaces[name] = sp
	}
	return sp
}

// put sets records; the lock is held.
func (ix *index) put(namespace string, vectors []*wire.Vector) {
	sp := ix.space(namespace)
	was := len(sp.records)
	for _, v := range vectors {
		if _, ok := sp.records[v.GetId()]; !ok {
			sp.order = false
		}
		sp.records[v.GetId()] = v
	}
	ix.counted(namespace, int64(len(sp.records)-was), false)
}

// drop takes records out; the lock is held.
func (ix *index) drop(namespace string, ids []string) {
	sp := ix.spaces[namespace]
	if sp == nil {
		return
	}
	was := len(sp.records)
	for _, id := range ids {
		delete(sp.records, id)
	}
	if len(sp.records) != was {
		sp.order = false
	}
	ix.counted(namespace, int64(len(sp.records)-was), false)
}

// remove takes a namespace away; the lock is held.
func (ix *index) remove(namespace string) {
	if sp := ix.spaces[namespace]; sp != nil {
		ix.counted(namespace, -int64(len(sp.records)), true)
		delete(ix.spaces, namespace)
	}
}

// ids are a namespace's, sorted by bytes; the lock is held for writing.
func (sp *space) ids() []string {
	if !sp.order {
		sp.sorted = sp.sorted[:0]
		for id := range sp.records {
			sp.sorted = append(sp.sorted, id)
		}
		sort.Strings(sp.sorted)
		sp.order = true
	}
	return sp.sorted
}

// Fill puts records into an index as an upsert does, but not over the wire and
// without its limits of a request.
func (s *Server) Fill(name, namespace string, vectors []*wire.Vector) error {
	ix, err := s.find(name)
	if err != nil {
		return err
	}
	for _, v := range vectors {
		if err := ix.contract().Vector(v); err != nil {
			return err
		}
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.put(plain(namespace), vectors)
	return nil
}

// Records are what a namespace of an index has, sorted by id. They are not to be
// changed.
func (s *Server) Records(name, namespace string) []*wire.Vector {
	ix, err := s.find(name)
	if err != nil {
		return nil
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	sp := ix.spaces[plain(namespace)]
	if sp == nil {
		return nil
	}
	out := make([]*wire.Vector, 0, len(sp.records))
	for _, v := range sp.records {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *wire.Vector) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return out
}

// merged is metadata with fields set.
func merged(old, set *structpb.Struct) *structpb.Struct {
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(old.GetFields())+len(set.GetFields()))}
	for _, s := range []*structpb.Struct{old, set} {
		for k, v := range s.GetFields() {
			out.Fields[k] = v
		}
	}
	return out
}
